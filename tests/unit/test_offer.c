/*
 * test_offer.c: a plan offered to dp and ike (sys/apply.c): who is given what, and who is given what again, by what they
 * answer. The children are the test: it reads their channels.
 */
#include "sys/generation.h"
#include "sys/router_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

static void on_event(void *ctx, const struct ev_rec *rec)
{
    (void)rec;
    ++*(unsigned *)ctx;
}

/* given: what a child was given last, by the number of its first value (0: it has none); the generation's name. */
static u64 given(int chan, bool dp, u64 *out_mark)
{
    union {
        struct dp_msg dp;
        struct ike_msg ike;
    } m = {0}, first = {0};
    int fd;
    struct generation g;
    size_t size = dp ? sizeof m.dp : sizeof m.ike;
    *out_mark = 0;
    if (chan_recv(chan, &m, sizeof m, &fd) < 0) {
        return 0;
    }
    assert_int_equal(m.dp.type, dp ? (u32)DP_CFG_GENERATION : (u32)IKE_CFG_GENERATION);
    u64 number = dp ? m.dp.u.number : m.ike.u.number;
    assert_true(generation_open(&g, fd, size));
    assert_int_equal(g.number, number);
    if (g.num) {
        generation_value(&g, 0, &first);
        *out_mark = dp ? first.dp.u.number : first.ike.u.number;
    }
    generation_close(&g);
    close(fd);
    return number;
}

/* marked: a plan with one value for dp and one for ike, known by their numbers. */
static struct plan marked(u64 dp, u64 ike)
{
    struct plan p;
    plan_init(&p);
    ((struct dp_msg *)plan_add(&p.dp))->u.number = dp;
    ((struct ike_msg *)plan_add(&p.ike))->u.number = ike;
    return p;
}

static void wants_given(const int far[CHILD_NUM], u64 dp_number, u64 dp_mark, u64 ike_number,
                        u64 ike_mark)
{
    u64 mark;
    assert_int_equal(given(far[CHILD_DP], true, &mark), dp_number);
    assert_int_equal(mark, dp_mark);
    assert_int_equal(given(far[CHILD_IKE], false, &mark), ike_number);
    assert_int_equal(mark, ike_mark);
}

/* What dp refuses nobody follows, and both are given again what is in force; what ike alone refuses it is given again, and
 * nothing is given again that was not refused. */
static void offers(void **state)
{
    (void)state;
    unsigned said = 0;
    int near[CHILD_NUM], far[CHILD_NUM];
    struct router *r = xcalloc(1, sizeof *r);
    r->env = env_real();
    evlog_init(&r->log, &r->env, EVS_MAIN, &said, on_event);
    r->log.mask = EVC_LOG;
    for (int i = 0; i < CHILD_NUM; i++) {
        int pair[2];
        assert_true(chan_pair(pair));
        near[i] = pair[0];
        far[i] = pair[1];
        r->child[i] = (struct child){.id = (enum child_id)i, .name = "child", .r = r, .chan = near[i]};
        outbox_init(&r->child[i].out);
    }
    plan_init(&r->plan);
    struct plan p = marked(10, 20);
    assert_int_equal(plan_offer(r, &p), PLAN_WAITS);
    wants_given(far, 1, 10, 2, 20);
    assert_int_equal(plan_taken(r, CHILD_IKE, 2, 2), PLAN_WAITS);
    assert_int_equal(plan_taken(r, CHILD_DP, 1, 7), PLAN_UNASKED);
    assert_int_equal(plan_taken(r, CHILD_DP, 1, 1), PLAN_READY);
    plan_free(&r->plan);
    r->plan = r->offer; /* as plan_take, without the kernel */
    r->offered = false;
    plan_insist(r);
    wants_given(far, 0, 0, 0, 0);

    p = marked(11, 20);
    assert_int_equal(plan_offer(r, &p), PLAN_WAITS);
    wants_given(far, 3, 11, 0, 0); /* ike's part is the same */
    assert_int_equal(plan_taken(r, CHILD_DP, 3, 1), PLAN_WAITS);
    assert_false(r->offered);
    assert_int_equal(said, 1);
    wants_given(far, 4, 10, 5, 20);
    assert_int_equal(plan_taken(r, CHILD_DP, 4, 4), PLAN_WAITS);
    assert_int_equal(plan_taken(r, CHILD_IKE, 5, 5), PLAN_WAITS);

    p = marked(10, 21);
    assert_int_equal(plan_offer(r, &p), PLAN_NO_IKE);
    wants_given(far, 0, 0, 6, 21);
    assert_int_equal(plan_taken(r, CHILD_IKE, 6, 5), PLAN_READY); /* the kernel follows dp */
    assert_int_equal(said, 2);
    plan_insist(r);
    wants_given(far, 0, 0, 7, 21);
    plan_insist(r); /* it has not answered yet */
    wants_given(far, 0, 0, 0, 0);
    assert_int_equal(plan_taken(r, CHILD_IKE, 7, 7), PLAN_READY);
    assert_int_equal(said, 2);
    p = marked(10, 21); /* the same values, another certificate */
    plan_bytes(&p.parts, "cert", 4);
    assert_int_equal(plan_offer(r, &p), PLAN_NO_IKE);
    wants_given(far, 0, 0, 8, 21);
    plan_free(&r->plan);
    plan_free(&r->offer);
    complaints_free(r);
    for (int i = 0; i < CHILD_NUM; i++) {
        close(near[i]);
        close(far[i]);
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(offers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
