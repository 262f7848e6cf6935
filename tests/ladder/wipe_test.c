/*
 * wipe_test.c: keys do not stay behind in memory (law 6): the key daemon runs on a stack of the
 * test's own and every block it frees is looked at, so whatever it leaves there is found. What
 * libcrypto keeps for itself is not ours.
 */
#include "world.h"

#include <malloc.h>
#include <stdlib.h>
#include <ucontext.h>

enum { STACK = 4 << 20, NEEDLES = 40 };

static struct {
    const char *name;
    size_t len;
    u8 b[64];
} needle[NEEDLES];
static unsigned num_needles;
static bool watching;
static const char *left; /* the name of what was found in a freed block */

static const char *find(const u8 *p, size_t len)
{
    for (unsigned i = 0; i < num_needles; i++) {
        if (len >= needle[i].len && memmem(p, len, needle[i].b, needle[i].len)) {
            return needle[i].name;
        }
    }
    return NULL;
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    if (p && watching && !left) {
        left = find(p, malloc_usable_size(p));
    }
    __real_free(p);
}

/* what was wiped where it stood: for what the next call would write over anyway */
static struct {
    size_t len;
    u8 b[4096];
} wiped[4096];
static unsigned num_wiped;
static bool noting;

void __real_mem_wipe(void *p, size_t len);
void __wrap_mem_wipe(void *p, size_t len);
void __wrap_mem_wipe(void *p, size_t len)
{
    if (noting && len <= sizeof wiped[0].b && num_wiped < ARRAY_LEN(wiped)) {
        wiped[num_wiped].len = len;
        memcpy(wiped[num_wiped++].b, p, len);
    }
    __real_mem_wipe(p, len);
}

static bool was_wiped(const void *p, size_t len)
{
    for (unsigned i = 0; i < num_wiped; i++) {
        if (memmem(wiped[i].b, wiped[i].len, p, len)) {
            return true;
        }
    }
    return false;
}

/* begins_wiped: what was wiped somewhere began with it. */
static bool begins_wiped(const void *p, size_t len)
{
    for (unsigned i = 0; i < num_wiped; i++) {
        if (wiped[i].len >= len && memcmp(wiped[i].b, p, len) == 0) {
            return true;
        }
    }
    return false;
}

static void keep(const char *name, const void *p, size_t len)
{
    assert_true(num_needles < NEEDLES && len >= 8 && len <= 64);
    needle[num_needles].name = name;
    needle[num_needles].len = len;
    memcpy(needle[num_needles++].b, p, len);
}

static struct world *setting_up(const char *psk)
{
    struct world *w = world_pair(121);
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        s.policy[0] = (struct ike_policy_value){10, ENCR_AES128, HASH_SHA256, IKE_AUTH_PSK, 2, 86400};
        s.flow.transform[0] = (struct ike_transform){"T", ENCR_AES256, HASH_SHA256, MODE_TUNNEL};
        s.flow.pfs_group = 2;
        s.psk = psk;
        world_config(w, i, &s);
    }
    return w;
}

/* seen_under_way: what is gone when quick mode is over, as its last message is sent: g^xy and the nonces. */
static struct bytes_nonce ni, nr;

static struct fate seen_under_way(struct world *w, int from, unsigned number, const u8 *data,
                                  size_t len)
{
    (void)number, (void)len;
    const struct ike_sa *sa = CONTAINER_OF(w->s[!from].ike->sas.prev, struct ike_sa, link);
    if (data[18] == XCH_QUICK && from == A && !list_empty(&sa->nodes)) {
        const struct xch *x = CONTAINER_OF(sa->nodes.next, struct xch, link);
        assert_int_equal(x->talk->gxy.len, 128);
        keep("g^xy", x->talk->gxy.b, 64);
        ni = x->talk->ni;
        nr = x->talk->nr;
    }
    return (struct fate){1, {10}};
}

/* ---- the other stack ---- */

static ucontext_t back, there;
static struct world *the_world;

static void begin(void)
{
    world_acquire(the_world, A);
}

static void one_ms(void)
{
    world_run(the_world, 1);
}

static void on_that_stack(u8 *stack, void (*what)(void))
{
    assert_int_equal(getcontext(&there), 0);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = STACK;
    there.uc_link = &back;
    makecontext(&there, what, 0);
    assert_int_equal(swapcontext(&back, &there), 0);
}

/* look: what the daemons installed so far, and their phase 1, on the stack they ran on */
static void look(const struct world *w, const u8 *stack)
{
    num_needles = 0;
    for (int i = A; i <= B; i++) {
        for (unsigned k = 0; k < w->s[i].num_sas; k++) {
            keep("ESP key", w->s[i].sa[k].encr_key.b, w->s[i].sa[k].encr_key.len);
            keep("ESP authentication key", w->s[i].sa[k].auth_key.b, w->s[i].sa[k].auth_key.len);
        }
        LIST_FOR (it, &w->s[i].ike->sas) {
            const struct sa_core *c = &CONTAINER_OF(it, struct ike_sa, link)->c;
            if (c->key.len) {
                keep("SKEYID", c->skeyid.b, c->skeyid.len);
                keep("SKEYID_d", c->skeyid_d.b, c->skeyid_d.len);
                keep("phase 1 key", c->key.b, c->key.len);
            }
        }
    }
    const char *found = find(stack, STACK);
    if (found) {
        fail_msg("%s was left on the stack", found);
    }
}

static void keep_session(struct world *w)
{
    for (int i = A; i <= B; i++) {
        struct ike_sa *sa = sa_usable(w->s[i].ike, NULL, &w->s[!i].addr);
        assert_non_null(sa);
        keep("SKEYID", sa->c.skeyid.b, sa->c.skeyid.len);
        keep("SKEYID_d", sa->c.skeyid_d.b, sa->c.skeyid_d.len);
        keep("SKEYID_a", sa->c.skeyid_a.b, sa->c.skeyid_a.len);
        keep("SKEYID_e", sa->c.skeyid_e.b, sa->c.skeyid_e.len);
        keep("phase 1 key", sa->c.key.b, sa->c.key.len);
        for (unsigned k = 0; k < w->s[i].num_sas; k++) {
            keep("ESP key", w->s[i].sa[k].encr_key.b, w->s[i].sa[k].encr_key.len);
            keep("ESP authentication key", w->s[i].sa[k].auth_key.b, w->s[i].sa[k].auth_key.len);
        }
        LIST_FOR (it,
                  &sa->nodes) { /* quick mode stays a minute for its duplicates, g^xy does not */
            const struct xch *x = CONTAINER_OF(it, struct xch, link);
            assert_null(x->talk);
            assert_null(x->dh);
        }
        assert_null(sa->main.talk);
        assert_null(sa->main.dh);
    }
}

static void nothing_stays_on_the_stack(void **state)
{
    (void)state;
    u8 *stack = xcalloc(1, STACK);
    num_needles = 0;
    the_world = setting_up("a pre-shared key of some length");
    the_world->s[A].log.mask = the_world->s[B].log.mask = EVC_LOG;
    on_that_stack(stack, begin);
    for (unsigned ms = 0; ms < 200; ms++) {
        on_that_stack(stack, one_ms);
        look(the_world, stack);
    }
    assert_int_equal(pairs_up(the_world), 1);
    world_free(the_world);
    __real_free(stack);
}

/* KEYMAT and what was decrypted are wiped as soon as they have done their work */
static void wiped_where_it_stood(void **state)
{
    (void)state;
    struct world *w = setting_up("a pre-shared key of some length");
    num_wiped = num_needles = 0;
    ni.len = nr.len = 0;
    w->net = seen_under_way;
    noting = true;
    world_acquire(w, A);
    world_run(w, 3000);
    noting = false;
    assert_int_equal(pairs_up(w), 1);
    assert_true(num_wiped < ARRAY_LEN(wiped));
    for (int i = A; i <= B; i++) {
        for (unsigned k = 0; k < w->s[i].num_sas; k++) {
            const struct dp_sa_value *v = &w->s[i].sa[k];
            u8 keymat[SECRET_MAX * 2];
            memcpy(keymat, v->encr_key.b, v->encr_key.len);
            memcpy(keymat + v->encr_key.len, v->auth_key.b, v->auth_key.len);
            size_t len = (size_t)v->encr_key.len + v->auth_key.len;
            assert_true(was_wiped(keymat, len));
            const struct ike_sa *of = sa_usable(w->s[i].ike, NULL, &w->s[!i].addr);
            size_t block = hash_row(of->c.hash)->len, last = (len - 1) / block * block;
            assert_true(last > 0 && begins_wiped(keymat + last, len - last));
        }
        const struct bytes_nonce *theirs = i == A ? &nr : &ni;
        u8 payload[3 + ISAKMP_NONCE_MAX] = {0, 0, 24}; /* as it stood in the message */
        assert_int_equal(theirs->len, 20);
        memcpy(payload + 3, theirs->b, 20);
        assert_true(was_wiped(payload, 23));
    }
    world_free(w);
}

static void nothing_stays_in_freed_memory(void **state)
{
    (void)state;
    static const char psk[] = "a pre-shared key of some length";
    num_needles = 0;
    struct world *w = setting_up(psk);
    left = NULL;
    watching = true;
    w->net = seen_under_way;
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(num_needles, 1);
    keep_session(w);
    keep("pre-shared key", psk, sizeof psk - 1);
    world_run(w, 120000); /* quick mode's exchange is forgotten */
    for (int i = A; i <= B; i++) {
        struct setup s =
            setup_default(i); /* another generation, another key; the flow's terms change */
        world_config(w, i, &s);
        world_run(w, 1000);
    }
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, 200000); /* and the SAs are */
    watching = false;
    assert_true(list_empty(&w->s[A].ike->sas) && list_empty(&w->s[B].ike->sas));
    if (left) {
        fail_msg("%s was left in freed memory", left);
    }
    world_free(w);
}

/* a daemon that ends in the middle of everything */
static void nothing_stays_of_one_that_ends(void **state)
{
    (void)state;
    static const char psk[] = "a pre-shared key of some length";
    num_needles = 0;
    struct world *w = setting_up(psk);
    world_acquire(w, A);
    world_run(w, 3000);
    keep_session(w);
    keep("pre-shared key", psk, sizeof psk - 1);
    left = NULL;
    watching = true;
    world_restart(w, A);
    world_restart(w, B);
    watching = false;
    if (left) {
        fail_msg("%s was left in freed memory", left);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_stays_on_the_stack),
        cmocka_unit_test(wiped_where_it_stood),
        cmocka_unit_test(nothing_stays_in_freed_memory),
        cmocka_unit_test(nothing_stays_of_one_that_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
