/*
 * admission_test.c: crypto call admission limit as ladders. B has a limit, A and C are peers of its: who is one too many hears nothing, from
 * the first message or, when the place was taken meanwhile, after he has proved himself; peers that stand renew; what we begin is limited,
 * too; and all of it is counted.
 */
#include "world.h"

#include "ike/admission.h"

#include <stdlib.h>

/* B with a flow to A and, as 8, one to C. */
static struct setup middle(u32 limit)
{
    struct setup s = setup_default(B);
    s.global.limit_sa = limit;
    s.more[0] = s.flow;
    s.more[0].flow = 8;
    s.more[0].peer[0] = addr_v4(0x03030303);
    s.more[0].sel.dst = prefix_host(&s.more[0].peer[0]);
    s.num_more = 1;
    return s;
}

static struct setup third(void)
{
    struct setup s = setup_default(A);
    s.flow.local = addr_v4(0x03030303);
    s.flow.sel.src = prefix_host(&s.flow.local);
    return s;
}

static struct world *three(u64 seed, const struct setup *b)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct setup a = setup_default(A), c = third();
    world_init(w, seed);
    world_third(w);
    world_config(w, A, &a);
    world_config(w, B, b);
    world_config(w, C, &c);
    return w;
}

static unsigned ready(const struct side *s)
{
    unsigned n = 0;
    LIST_FOR (it, &s->ike->sas) {
        const struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        n += sa_ready(sa) && !sa->deleted;
    }
    return n;
}

static void counted(const struct world *w)
{
    for (int i = A; i < w->num; i++) {
        assert_int_equal(admission_calls(w->s[i].ike).active, ready(&w->s[i]));
    }
}

static void one_too_many(void **state)
{
    (void)state;
    struct setup b = middle(1);
    struct world *w = three(1, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(ready(&w->s[B]), 1);
    unsigned sent = w->sent[B];
    world_acquire(w, C);
    world_run(w, 75000);
    assert_int_equal(w->sent[B], sent); /* not a word */
    assert_int_equal(w->s[C].added, 0);
    assert_true(saw(&w->s[B], "%CRYPTO-4-IKE_DENY_SA_REQ: IKE denied an INCOMING SA request from 3.3.3.3 to 2.2.2.2 due to IKE SA LIMIT REACHED\n"));
    assert_true(saw(&w->s[C], "Death by retransmission P1"));
    assert_int_equal(w->s[B].ike->num_half_open, 0);
    struct ike_calls_info c = admission_calls(w->s[B].ike);
    assert_int_equal(c.in, 1);
    assert_int_equal(c.in_denied, 6); /* it said it six times */
    assert_int_equal(c.denied_sa, 6);
    assert_int_equal(c.denied_nego, 0);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_ADMISSION), 6);
    counted(w);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_CALLS}); /* what was counted, not what is there */
    c = admission_calls(w->s[B].ike);
    assert_true(!c.in && !c.in_denied && !c.denied_sa && c.active == 1);
    counted(w);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION}); /* the place is free: it comes in */
    world_run(w, 100);
    world_acquire(w, C);
    world_run(w, 2000);
    assert_int_equal(ready(&w->s[C]), 1);
    counted(w);
    world_free(w);
}

/* Without a limit, and below it, nobody is refused. */
static void room_for_all(void **state)
{
    (void)state;
    for (u32 limit = 0; limit <= 2; limit += 2) {
        struct setup b = middle(limit);
        struct world *w = three(2, &b);
        world_acquire(w, A);
        world_acquire(w, C);
        world_run(w, 2000);
        assert_int_equal(ready(&w->s[B]), 2);
        assert_int_equal(admission_calls(w->s[B].ike).in, 2);
        assert_int_equal(admission_calls(w->s[A].ike).out, 1);
        assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_ADMISSION), 0);
        counted(w);
        world_free(w);
    }
}

/* Two negotiations at once for one place: each was let in by its first message, and one proves itself too late. It hears nothing of that,
 * and when the place is free while it still says so, it is in. */
static void both_at_once(void **state)
{
    (void)state;
    for (unsigned aggressive = 0; aggressive < 2; aggressive++) {
        struct setup b = middle(1), s[2] = {setup_default(A), third()};
        struct world *w = three(3, &b);
        for (unsigned i = 0; i < 2 && aggressive; i++) {
            s[i].other[0].type = IKE_CFG_PEER;
            s[i].other[0].u.peer = (struct ike_peer_value){.peer = s[i].flow.peer[0], .aggressive = true};
            s[i].num_other = 1;
            world_config(w, i ? C : A, &s[i]);
        }
        world_acquire(w, A);
        world_acquire(w, C);
        world_run(w, 3000);
        assert_int_equal(ready(&w->s[B]), 1);
        assert_int_equal(admission_calls(w->s[B].ike).in, 2);
        assert_int_equal(admission_calls(w->s[B].ike).in_denied, 1);
        assert_int_equal(w->s[B].num_sas, 2);
        assert_int_equal(w->s[C].added, 0);
        counted(w);
        ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION, .u.clear.peer = w->s[A].addr});
        world_run(w, 15000);
        assert_int_equal(ready(&w->s[C]), 1);
        counted(w);
        world_free(w);
    }
}

/* A peer that stands renews its phase 1 again and again, whichever end begins, with no place to spare. */
static void standing_peers_renew(void **state)
{
    (void)state;
    for (int first = A; first <= B; first++) {
        struct setup a = setup_default(A), b = middle(1);
        a.policy[0].life_s = b.policy[0].life_s = 300;
        struct world *w = world_of(4, &a, &b);
        world_acquire(w, first);
        world_run(w, 1000000);
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_ADMISSION), 0);
        struct ike_calls_info c = admission_calls(w->s[B].ike);
        assert_true(c.in + c.out >= 3);
        counted(w);
        world_free(w);
    }
}

/* Who sends from the address of a peer that stands gets as far as proving himself, and no further. */
static void in_another_ones_name(void **state)
{
    (void)state;
    struct setup b = middle(1);
    struct world *w = three(5, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    struct ike_sa *sa = CONTAINER_OF(w->s[B].ike->sas.next, struct ike_sa, link);
    str_copy(sa->c.user, sizeof sa->c.user, "somebody"); /* the one that stands is another one behind that address */
    sa->c.xauth = XAUTH_DONE;
    struct draft *d = xcalloc(1, sizeof *d);
    struct ike_sa *other = sa_new(w->s[B].ike, &sa->local, &sa->remote);
    other->c.peer_id = sa->c.peer_id;
    draft_init(d, other, &other->main);
    assert_true(admission_first(w->s[B].ike, &sa->remote, &sa->local));
    assert_false(admission_proved(w->s[B].ike, other, &other->c, d));
    str_copy(other->c.user, sizeof other->c.user, "somebody");
    assert_true(admission_proved(w->s[B].ike, other, &other->c, d));
    draft_free(d);
    free(d);
    sa_free(w->s[B].ike, other);
    world_free(w);
}

static void what_we_begin(void **state)
{
    (void)state;
    struct setup b = middle(1);
    struct world *w = three(6, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    unsigned sent = w->sent[B];
    world_acquire_flow(w, B, 8);
    world_run(w, 2000);
    assert_int_equal(w->sent[B], sent);
    assert_true(saw(&w->s[B], "%CRYPTO-4-IKE_DENY_SA_REQ: IKE denied an OUTGOING SA request from 2.2.2.2 to 3.3.3.3 due to IKE SA LIMIT REACHED\n"));
    assert_int_equal(admission_calls(w->s[B].ike).out_denied, 1);
    assert_int_equal(admission_calls(w->s[B].ike).denied_sa, 1);
    world_snapshot(w, B);
    assert_non_null(strstr(w->s[B].flow[1].last_error, "IKE SA LIMIT REACHED"));
    world_free(w);
    b = middle(0); /* and how many at a time */
    b.global.limit_nego = 1;
    w = three(7, &b);
    w->net = all_lost;
    world_acquire_flow(w, B, 7);
    world_acquire_flow(w, B, 8);
    world_run(w, 100);
    assert_int_equal(w->sent[B], 1);
    assert_true(saw(&w->s[B], "OUTGOING SA request from 2.2.2.2 to 3.3.3.3 due to IKE IN-NEGOTIATION SA LIMIT REACHED"));
    assert_int_equal(admission_calls(w->s[B].ike).denied_nego, 1);
    assert_int_equal(admission_calls(w->s[B].ike).negotiating, 1);
    w->net = lose_some; /* and who comes is not kept out by ours */
    struct lose none = {0, 0};
    w->ctx = &none;
    world_acquire(w, C);
    world_run(w, 1000);
    assert_int_equal(ready(&w->s[C]), 1);
    w->net = all_lost;
    world_run(w, 80000); /* the first has died: the place is free */
    assert_int_equal(admission_calls(w->s[B].ike).negotiating, 0);
    w->net = NULL;
    world_free(w);
}

/* Of those who have not proved themselves the oldest gives way: what others began keeps nobody out. */
static void the_oldest_gives_way(void **state)
{
    (void)state;
    struct setup b = middle(0);
    b.global.limit_nego = 10;
    struct world *w = three(8, &b);
    char why[START_WHY];
    struct setup c = third();
    c.psk = "another";
    world_config(w, C, &c); /* message 5 opens nothing: they stay guests */
    for (unsigned i = 0; i < 14; i++) {
        assert_non_null(p1_start(w->s[C].ike, 0, &w->s[C].addr, &w->s[B].addr, "", why));
        world_run(w, 200);
    }
    assert_int_equal(w->s[B].ike->num_guests, 10);
    assert_int_equal(admission_calls(w->s[B].ike).denied_nego, 4);
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(ready(&w->s[A]), 1);
    counted(w);
    world_free(w);
}

/* A user beyond the limit: he is the right one, and hears neither that nor the contrary. */
static void a_user_too_many(void **state)
{
    (void)state;
    struct setup b = middle(1), c = third();
    struct ike_msg *m = &c.other[c.num_other++];
    m->type = IKE_CFG_PEER;
    m->u.peer.peer = c.flow.peer[0];
    str_copy(m->u.peer.user, sizeof m->u.peer.user, "anna");
    secret_set(&m->u.peer.password, "hers", 4);
    m = &b.other[b.num_other++];
    m->type = IKE_CFG_CLIENT;
    m->u.client = (struct ike_client_value){.local = b.flow.local, .xauth = true, .users = true};
    m = &b.other[b.num_other++];
    m->type = IKE_CFG_USER;
    str_copy(m->u.user.name, sizeof m->u.user.name, "anna");
    str_copy(m->u.user.text, sizeof m->u.user.text, "hers");
    m = &b.other[b.num_other++];
    m->type = IKE_CFG_PSK;
    m->u.psk.peer = prefix_host(&(struct addr){.family = AF_V4, .b = {1, 1, 1, 1}});
    m->u.psk.no_xauth = true; /* A */
    secret_set(&m->u.psk.key, "MY_K3Y", 6);
    struct world *w = three(9, &b);
    world_config(w, C, &c);
    world_acquire(w, C);
    for (unsigned i = 0; i < 3000 && (list_empty(&w->s[C].ike->sas) || !sa_authed(CONTAINER_OF(w->s[C].ike->sas.next, struct ike_sa, link))); i++) {
        world_run(w, 1);
    }
    w->s[B].ike->calls.active++; /* somebody else has come in meanwhile */
    world_run(w, 3000);
    assert_true(saw(&w->s[B], "INCOMING SA request from 3.3.3.3 to 2.2.2.2 due to IKE SA LIMIT REACHED"));
    assert_int_equal(count_of(&w->s[B], EV_IKE_XAUTH_OK), 0);
    assert_int_equal(ready(&w->s[B]) + ready(&w->s[C]), 0);
    assert_int_equal(w->s[C].added, 0);
    w->s[B].ike->calls.active--;
    world_run(w, 15000); /* and goes: the next time it is asked it is in */
    assert_int_equal(ready(&w->s[C]), 1);
    assert_int_equal(count_of(&w->s[B], EV_IKE_XAUTH_OK), 1);
    counted(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_too_many),         cmocka_unit_test(room_for_all),
        cmocka_unit_test(both_at_once),         cmocka_unit_test(standing_peers_renew),
        cmocka_unit_test(in_another_ones_name), cmocka_unit_test(what_we_begin),
        cmocka_unit_test(the_oldest_gives_way), cmocka_unit_test(a_user_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
