/*
 * third_test.c: three daemons: what one peer may try against another. C is a peer of B like A is,
 * with an ISAKMP SA of its own, and tries to speak for A: with INITIAL-CONTACT, Delete, A's
 * messages, A's identity. Nothing of A's may change. And what needs two ends that want different
 * things.
 */
#include "world.h"

#include <stdlib.h>

static struct ike_flow_value flow_to(const struct ike_flow_value *like, u32 id,
                                     const struct addr *local, const struct addr *peer)
{
    struct ike_flow_value f = *like;
    f.flow = id;
    f.local = *local;
    f.peer[0] = *peer;
    f.sel.src = prefix_host(local);
    f.sel.dst = prefix_host(peer);
    return f;
}

/* three: A and C both have a pair with B */
static struct world *three(u64 seed)
{
    struct world *w = world_pair(seed);
    world_third(w);
    struct setup b = setup_default(B), c = setup_default(A);
    b.more[0] = flow_to(&b.flow, 8, &w->s[B].addr, &w->s[C].addr);
    b.num_more = 1;
    c.flow = flow_to(&c.flow, 7, &w->s[C].addr, &w->s[B].addr);
    world_config(w, B, &b);
    world_config(w, C, &c);
    world_acquire(w, A);
    world_acquire(w, C);
    world_run(w, 20000);
    assert_int_equal(w->s[B].num_sas, 4);
    assert_int_equal(pairs_up(w), 1);
    return w;
}

static struct ike_sa *sa_between(struct world *w, int at, int with)
{
    struct ike_sa *sa = sa_usable(w->s[at].ike, NULL, &w->s[with].addr);
    assert_non_null(sa);
    return sa;
}

/* say: C tells B something, protected by C's own ISAKMP SA */
static void say(struct world *w, struct info n)
{
    struct ike *ike = w->s[C].ike;
    struct ike_sa *sa = sa_between(w, C, B);
    struct xch *x = xch_new(ike, sa, exchange_of(sa->version, XCH_INFO), msgid_new(ike, sa), true);
    assert_true(engine_start(ike, sa, x, info_out, &n, XS_INFO, TM_NONE));
    xch_free(ike, x);
    world_run(w, 1000);
}

static void unharmed(struct world *w)
{
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].deleted, 0);
    assert_non_null(sa_usable(w->s[B].ike, NULL, &w->s[A].addr));
}

static void one_peer_cannot_delete_anothers(void **state)
{
    (void)state;
    struct world *w = three(111);
    const struct ike_sa *theirs = sa_between(w, B, A);
    u8 spi[16];
    memcpy(spi, theirs->c.cookie_i, 8);
    memcpy(spi + 8, theirs->c.cookie_r, 8);
    say(w, (struct info){.del = true, .proto = PROTO_ISAKMP, .spi = spi, .spi_len = 16});
    unharmed(w);
    for (unsigned i = 0; i < w->s[A].num_sas; i++) { /* both of A's SPIs */
        put32(spi, w->s[A].sa[i].spi);
        say(w, (struct info){.del = true, .proto = PROTO_ESP, .spi = spi, .spi_len = 4});
        say(w,
            (struct info){.proto = PROTO_ESP, .type = NTF_INVALID_SPI, .spi = spi, .spi_len = 4});
        unharmed(w);
    }
    memcpy(spi, theirs->c.cookie_i, 8);
    say(w, (struct info){
               .proto = PROTO_ISAKMP, .type = NTF_INITIAL_CONTACT, .spi = spi, .spi_len = 16});
    unharmed(w);
    assert_int_equal(w->s[B].num_sas,
                     4); /* its own pair is newer than the ISAKMP SA that says it */
    world_free(w);
}

/* damaged: a well encrypted message whose hash is not right. */
static bool damaged_info(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    bool ok = info_out(ike, sa, d, arg);
    d->buf[ISAKMP_HDR + 4] ^= 1;
    return ok;
}

static bool damaged_quick(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    bool ok = qm_out_1(ike, sa, d, arg);
    d->buf[ISAKMP_HDR + 4] ^= 1;
    return ok;
}

/* Only what its hash covers is believed, also from the peer itself. */
static void a_wrong_hash_says_nothing(void **state)
{
    (void)state;
    struct world *w = three(117);
    struct ike *ike = w->s[A].ike;
    struct ike_sa *sa = sa_between(w, A, B);
    u8 spi[16];
    memcpy(spi, sa->c.cookie_i, 8);
    memcpy(spi + 8, sa->c.cookie_r, 8);
    struct info n = {.del = true, .proto = PROTO_ISAKMP, .spi = spi, .spi_len = 16};
    struct xch *x = xch_new(ike, sa, exchange_of(sa->version, XCH_INFO), msgid_new(ike, sa), true);
    assert_true(engine_start(ike, sa, x, damaged_info, &n, XS_INFO, TM_NONE));
    xch_free(ike, x);
    world_run(w, 1000);
    unharmed(w);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_HASH), 1);
    unsigned added = w->s[B].added;
    x = xch_new(ike, sa, exchange_of(sa->version, XCH_QUICK), msgid_new(ike, sa), true);
    assert_true(engine_start(ike, sa, x, damaged_quick, flow_find(ike, 7), XS_INFO, TM_NONE));
    xch_free(ike, x);
    world_run(w, 1000);
    assert_int_equal(w->s[B].added, added);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_HASH), 2);
    world_free(w);
}

static struct fate calm(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return (struct fate){1, {10}};
}

static void nobody_speaks_from_another_address(void **state)
{
    (void)state;
    struct world *w = three(112);
    unsigned log = w->num_log;
    u64 deletes = count_of(&w->s[B], EV_IKE_DELETE_RX);
    w->net = all_lost; /* it does not arrive; C has seen it and sends it from its own address */
    info_delete_sa(w->s[A].ike, sa_between(w, A, B));
    w->net = calm;
    send_from(w, B, &w->s[C].addr, w->log_data[log], w->log_len[log]);
    world_run(w, 1000);
    unharmed(w);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DELETE_RX), deletes);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_NO_SA), 1);
    log = w->num_log; /* and B's Delete for what A began */
    deletes = count_of(&w->s[A], EV_IKE_DELETE_RX);
    w->net = all_lost;
    info_delete_sa(w->s[B].ike, sa_between(w, B, A));
    w->net = calm;
    send_from(w, A, &w->s[C].addr, w->log_data[log], w->log_len[log]);
    world_run(w, 1000);
    unharmed(w);
    assert_int_equal(count_of(&w->s[A], EV_IKE_DELETE_RX), deletes);
    /* the same in the middle of phase 1: message 3 with another's cookies */
    send_from(w, B, &w->s[C].addr, w->log_data[2], w->log_len[2]);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_NO_SA), 2);
    world_free(w);
}

/* two keys for two peers; one calls itself what the other is called */
static void identity_of_another_peer(void **state)
{
    (void)state;
    struct world *w = world_pair(113);
    struct setup b = setup_default(B);
    struct ike_msg m = {.type = IKE_CFG_BEGIN};
    ike_ctl(w->s[B].ike, &m);
    m = (struct ike_msg){.type = IKE_CFG_POLICY, .u.policy = b.policy[0]};
    ike_ctl(w->s[B].ike, &m);
    static const u32 who[] = {0x01010101, 0x03030303};
    static const char *const key[] = {"MY_K3Y", "the other's"};
    for (unsigned i = 0; i < 2; i++) {
        struct addr a = addr_v4(who[i]);
        memset(&m, 0, sizeof m);
        m.type = IKE_CFG_PSK;
        m.u.psk.peer = prefix_host(&a);
        secret_set(&m.u.psk.key, key[i], strlen(key[i]));
        ike_ctl(w->s[B].ike, &m);
    }
    m = (struct ike_msg){.type = IKE_CFG_FLOW, .u.flow = b.flow};
    ike_ctl(w->s[B].ike, &m);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CFG_COMMIT});
    w->nat = w->s[A].addr; /* whatever A calls itself, it sends from there */
    world_acquire(w, A);
    world_run(w, 35); /* <-- HDR, KE, Nr is under way */
    struct ike_sa *sa = CONTAINER_OF(w->s[A].ike->sas.next, struct ike_sa, link);
    sa->local.a = addr_v4(0x03030303);
    world_run(w, 30);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_IDENTITY), 1);
    assert_true(saw(&w->s[B], "the peer calls itself 3.3.3.3, wanted 1.1.1.1"));
    assert_int_equal(count_of(&w->s[B], EV_IKE_AUTHENTICATED), 0);
    world_free(w);
}

/* INITIAL-CONTACT takes what was there before it, not what came with it */
static void initial_contact_spares_what_is_newer(void **state)
{
    (void)state;
    struct world *w = three(114);
    struct ike_sa *sa = sa_between(w, B, A);
    world_run(w, 60000);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD});
    world_run(w, 1000);
    world_acquire(w, A);
    world_run(w, 1000); /* a pair that is newer than the ISAKMP SA that says it */
    assert_int_equal(pairs_up(w), 1);
    struct todo *t = todo_push(w->s[B].ike, TODO_CONTACT);
    t->sa = sa->number;
    session_settle(w->s[B].ike);
    world_run(w, 1000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[B].num_sas, 4);
    world_free(w);
}

/* and an ISAKMP SA that came after it stays as well */
static void initial_contact_spares_a_newer_sa(void **state)
{
    (void)state;
    struct world *w = three(122);
    struct ike *ike = w->s[B].ike;
    struct ike_sa *says = sa_between(w, B, A);
    char why[START_WHY];
    world_run(w, 60000);
    assert_non_null(p1_start(w->s[A].ike, 0, &w->s[A].addr, &w->s[B].addr, "", why));
    world_run(w, 1000);
    struct ike_sa *newer = sa_between(w, B, A);
    assert_ptr_not_equal(newer, says);
    todo_push(ike, TODO_CONTACT)->sa = says->number;
    session_settle(ike);
    assert_false(newer->deleted);
    todo_push(ike, TODO_CONTACT)->sa = newer->number; /* the other way round */
    session_settle(ike);
    assert_true(says->deleted);
    world_free(w);
}

/* message 3 of A comes from elsewhere: the half-open negotiation is A's address's alone */
static struct fate third_lost(struct world *w, int from, unsigned number, const u8 *data,
                              size_t len)
{
    (void)w, (void)data, (void)len;
    return (struct fate){from == A && number == 1 ? 0 : 1, {10}};
}

static void half_open_belongs_to_an_address(void **state)
{
    (void)state;
    struct world *w = world_pair(118);
    struct addr other = addr_v4(0x03030303);
    w->net = third_lost;
    world_acquire(w, A);
    world_run(w, 100);
    assert_int_equal(w->num_log, 3);
    unsigned sent = w->sent[B];
    send_from(w, B, &other, w->log_data[2], w->log_len[2]);
    assert_int_equal(w->sent[B], sent);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_NO_SA), 1);
    world_run(w, 30000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* ---- what the two ends want is different ---- */

/* A hash we do not want is not agreed to; of two phase 1 lives the shorter one counts; who has switched
 * ISAKMP off says nothing. */
static void phase_1_as_wanted(void **state)
{
    (void)state;
    struct world *w = world_pair(119);
    struct setup a = setup_default(A);
    a.policy[0].hash = HASH_SHA1;
    world_config(w, A, &a);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(w->s[B].num_sas, 0);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_NO_PROPOSAL) > 0);
    world_free(w);
    w = world_pair(120);
    a = setup_default(A);
    a.policy[0].life_s = 1000;
    world_config(w, A, &a);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(sa_between(w, B, A)->c.life_s, 1000);
    world_free(w);
    w = world_pair(121);
    a = setup_default(A);
    a.global.enabled = false;
    world_config(w, A, &a);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(w->sent[A], 0);
    assert_int_equal(w->s[A].num_sas, 0);
    world_free(w);
}

static unsigned negotiate(const struct setup *a, const struct setup *b)
{
    struct world *w = world_pair(115);
    world_config(w, A, a);
    world_config(w, B, b);
    world_acquire(w, A);
    world_run(w, 3000);
    unsigned n = pairs_up(w);
    assert_int_equal(w->s[B].num_sas, 2 * n);
    world_free(w);
    return n;
}

static void pfs_groups_must_be_the_same(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = setup_default(B);
    a.flow.pfs_group = 2;
    b.flow.pfs_group = 5;
    assert_int_equal(negotiate(&a, &b), 0);
    b.flow.pfs_group = 2;
    assert_int_equal(negotiate(&a, &b), 1);
    b.flow.pfs_group = 0; /* who wants none takes what is offered, as IOS does */
    assert_int_equal(negotiate(&a, &b), 1);
    a.flow.pfs_group = 0;
    b.flow.pfs_group = 2;
    assert_int_equal(negotiate(&a, &b), 0);
}

/* a proposal whose SPI is one of the reserved ones (RFC 4303 2.1) is no proposal */
static void reserved_spis_are_not_taken(void **state)
{
    (void)state;
    struct world *w = world_pair(116);
    struct ike_flow_value f = setup_default(B).flow;
    struct isakmp_out o;
    struct isakmp_hdr h = {.exchange = XCH_QUICK, .msgid = 5};
    static struct draft d;
    struct ike_sa *sa = sa_new(w->s[B].ike, &(struct endpoint){w->s[B].addr, 500},
                               &(struct endpoint){w->s[A].addr, 500});
    struct isakmp_msg m;
    struct p2_choice c;
    u8 buf[512];
    for (u32 spi = 0; spi < 300; spi += 17) {
        h.cookie_i[0] = 1;
        isakmp_out_init(&o, buf, sizeof buf, &h);
        p2_write(&o, &sa->c, &f, (struct p2_spis){.spi = spi});
        assert_true(isakmp_out_finish(&o));
        struct isakmp_hdr got;
        assert_int_equal(isakmp_hdr_read(&got, buf, wr_len(&o.w)).reason, IW_OK);
        assert_int_equal(isakmp_decode(&m, &got, buf, wr_len(&o.w), 0).reason, IW_OK);
        assert_int_equal(p2_select(w->s[B].ike, sa, &f, &m, &c, &d), spi >= 256);
    }
    sa_free(w->s[B].ike, sa);
    world_free(w);
}

/* ---- rates and stale answers ---- */

static void failures_come_slower_and_slower(void **state)
{
    (void)state;
    struct world *w = world_pair(117);
    struct setup a = setup_default(A), b = setup_default(B);
    a.flow.always_up = true;
    b.flow.transform[0].encr = ENCR_AES128; /* refused at once, every time */
    world_config(w, B, &b);
    world_config(w, A, &a);
    u64 at[8], last = 0;
    unsigned n = 0;
    for (unsigned s = 0; s < 2000 && n < 8; s++) {
        world_run(w, 1000);
        u64 now = count_of(&w->s[A], EV_IKE_FAIL_REFUSED);
        if (now > last) {
            at[n++] = w->now;
            last = now;
        }
    }
    assert_int_equal(n, 8);
    for (unsigned i = 2; i < 5; i++) { /* 10 s, 20, 40, 80 ... */
        assert_true(at[i] - at[i - 1] >= 2 * (at[i - 1] - at[i - 2]) - 2000);
    }
    assert_true(at[7] - at[6] <= 302000); /* 300 s at most */
    assert_true(at[7] - at[6] >= 290000);
    world_free(w);
}

static void unknown_spis_are_answered_once_a_second(void **state)
{
    (void)state;
    struct world *w = world_pair(118);
    struct setup b = setup_default(B);
    b.global.invalid_spi_recovery = true;
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 3000);
    unsigned sent = w->sent[B];
    struct dp_msg m = {.type = DP_UNKNOWN_SPI};
    for (u32 i = 0; i < 1000; i++) {
        m.u.unknown_spi = (struct dp_unknown_spi_value){5000 + i, 50, w->s[A].addr, w->s[B].addr};
        ike_from_dp(w->s[B].ike, &m);
    }
    assert_int_equal(w->sent[B], sent + 1);
    world_run(w, 1100);
    ike_from_dp(w->s[B].ike, &m);
    assert_int_equal(w->sent[B], sent + 2);
    world_free(w);
}

/* what a data plane says to a question of somebody before us is not believed */
static void stale_answers_of_the_data_plane(void **state)
{
    (void)state;
    struct world *w = world_pair(119);
    struct dp_msg m = {.type = DP_SA, .tag = 99};
    m.u.sa_info.sa = (struct dp_sa_value){.flow = 7,
                                          .spi = 0x1234,
                                          .dir = SA_IN,
                                          .proto = 50,
                                          .src = w->s[A].addr,
                                          .dst = w->s[B].addr};
    ike_from_dp(w->s[B].ike, &m); /* nothing was asked */
    assert_true(list_empty(&w->s[B].ike->old_sas));
    struct setup b = setup_default(B);
    b.global.restarted = true;
    world_restart(w, B);
    world_config(w, B, &b);
    m.tag = w->s[B].get_tag + 1;
    ike_from_dp(w->s[B].ike, &m); /* something was, but not by this number */
    assert_true(list_empty(&w->s[B].ike->old_sas));
    m.tag = w->s[B].get_tag;
    struct dp_msg odd[4] = {m, m, m, m}; /* what cannot be */
    odd[0].u.sa_info.sa.src.family = 77;
    odd[1].u.sa_info.sa.sel.src.len = 200;
    odd[2].u.sa_info.sa.sel.dst.a.family = 77;
    odd[3].u.sa_info.sa.dir = SA_OUT + 1;
    for (unsigned i = 0; i < ARRAY_LEN(odd); i++) {
        ike_from_dp(w->s[B].ike, &odd[i]);
        assert_true(list_empty(&w->s[B].ike->old_sas));
    }
    ike_from_dp(w->s[B].ike, &m);
    assert_false(list_empty(&w->s[B].ike->old_sas));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_peer_cannot_delete_anothers),
        cmocka_unit_test(nobody_speaks_from_another_address),
        cmocka_unit_test(identity_of_another_peer),
        cmocka_unit_test(a_wrong_hash_says_nothing),
        cmocka_unit_test(half_open_belongs_to_an_address),
        cmocka_unit_test(phase_1_as_wanted),
        cmocka_unit_test(initial_contact_spares_what_is_newer),
        cmocka_unit_test(initial_contact_spares_a_newer_sa),
        cmocka_unit_test(pfs_groups_must_be_the_same),
        cmocka_unit_test(reserved_spis_are_not_taken),
        cmocka_unit_test(failures_come_slower_and_slower),
        cmocka_unit_test(unknown_spis_are_answered_once_a_second),
        cmocka_unit_test(stale_answers_of_the_data_plane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
