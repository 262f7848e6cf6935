/*
 * life_test.c: what must hold over the life of a session: nobody waits for ever, a rekey ends in
 * one pair whatever stands between the two ends, lifetimes have a floor, and something usable is
 * there at every moment.
 */
#include "world.h"

#include <stdlib.h>

static struct world *up(u64 seed)
{
    struct world *w = world_pair(seed);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    return w;
}

static struct fate calm(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return (struct fate){1, {10}};
}

/* ---- who waits for whom ---- */

/* two tunnel sources of A to one peer: the second must not wait for the first one's main mode */
static void two_sources_to_one_peer(void **state)
{
    (void)state;
    struct world *w = world_pair(61);
    struct setup a = setup_default(A), b = setup_default(B);
    w->s[A].alias = addr_v4(0x01010102);
    a.more[0] = a.flow;
    a.more[0].flow = 8;
    a.more[0].local = w->s[A].alias;
    a.more[0].sel.src = prefix_host(&w->s[A].alias);
    b.more[0] = b.flow;
    b.more[0].flow = 8;
    b.more[0].peer[0] = w->s[A].alias;
    b.more[0].sel.dst = prefix_host(&w->s[A].alias);
    a.num_more = b.num_more = 1;
    world_config(w, A, &a);
    world_config(w, B, &b);
    world_acquire_flow(w, A, 7);
    world_acquire_flow(w, A, 8);
    world_run(w, 30000);
    assert_int_equal(w->s[A].num_sas, 4);
    assert_int_equal(pairs_up(w), 2);
    world_free(w);
}

static struct fate hold_quick(struct world *w, int from, unsigned number, const u8 *data,
                              size_t len)
{
    (void)w, (void)number, (void)len;
    return from == A && data[18] == XCH_QUICK ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* the peer deletes phase 1 in the middle of quick mode: the flow that wanted it is tried again */
static void phase_1_deleted_under_quick_mode(void **state)
{
    (void)state;
    struct world *w = world_pair(62);
    struct setup a = setup_default(A);
    a.flow.always_up = true;
    w->net = hold_quick;
    world_config(w, A, &a);
    world_run(w, 1000);
    assert_non_null(sa_usable(w->s[A].ike, NULL, &w->s[B].addr));
    assert_int_equal(w->s[A].num_sas, 0);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_SA}); /* <-- HDR*, HASH(1), D */
    world_run(w, 100);
    w->net = calm;
    world_run(w, 10000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

static struct fate lose_qm3(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)number;
    bool qm3 = from == A && data[18] == XCH_QUICK && len < 80;
    return qm3 ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* the same at the responder: its half of a pair goes with the exchange that was to complete it */
static void half_a_pair_goes_with_its_phase_1(void **state)
{
    (void)state;
    struct world *w = world_pair(63);
    w->net = lose_qm3;
    world_acquire(w, A);
    world_run(w, 500);
    assert_int_equal(w->s[B].num_sas, 1);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SA});
    world_run(w, 1000);
    assert_int_equal(w->s[B].num_sas, 0);
    world_free(w);
}

/* ---- rekeys ---- */

static void soft(struct world *w, int side)
{
    struct dp_msg m = {.type = DP_EXPIRE};
    const struct side *s = &w->s[side];
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].dir == SA_OUT) {
            m.u.expire = (struct dp_expire_value){
                .flow = 7, .spi = s->sa[i].spi, .dir = s->sa[i].dir, .dst = s->sa[i].dst};
        }
    }
    ike_from_dp(w->s[side].ike, &m);
}

/* both ends renew at the same moment; between them an address translation, so each sees other
 * addresses */
static void crossed_rekeys_leave_one_pair(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        for (u64 seed = 0; seed < 8; seed++) {
            struct world *w = world_pair(640 + seed);
            struct setup a = setup_default(A), b = setup_default(B);
            static const u32 inside[] = {0x01010101, 0x03030303, 0x01010101},
                             outside[] = {0x01010101, 0x01010101, 0x09090909};
            w->s[A].addr = addr_v4(inside[kind]);
            w->nat = kind ? addr_v4(outside[kind]) : (struct addr){0};
            a.flow.local = w->s[A].addr;
            a.flow.sel.src = prefix_host(&a.flow.local);
            b.flow.peer[0] = addr_v4(outside[kind]);
            b.flow.sel = selector_mirror(&a.flow.sel);
            a.flow.any_mode = b.flow.any_mode = false;
            world_config(w, A, &a);
            world_config(w, B, &b);
            world_acquire(w, A);
            world_run(w, 20000);
            assert_int_equal(w->s[A].num_sas, 2);
            soft(w, A);
            soft(w, B);
            for (unsigned i = 0; i < 60; i++) {
                world_run(w, 500);
                assert_true(w->s[A].num_sas >= 2 && w->s[B].num_sas >= 2);
            }
            assert_int_equal(w->s[A].num_sas, 2);
            assert_int_equal(w->s[B].num_sas, 2);
            world_free(w);
        }
    }
}

static void never_delete(struct side *s)
{
    LIST_FOR (it, &s->ike->children) {
        CONTAINER_OF(it, struct child, link)->delete_ms = 0;
    }
}

/* Whoever renews a pair and leaves the old one to its lifetime: the other end takes it away, whichever of them the SPIs name; but not
 * when the new one has gone again. */
static void a_pair_is_left_behind(void **state)
{
    (void)state;
    unsigned named = 0;
    for (u64 seed = 0; seed < 16; seed++) {
        struct world *w = world_pair(900 + seed);
        struct setup a = setup_default(A), b = setup_default(B);
        world_config(w, A, &a);
        world_config(w, B, &b);
        world_acquire(w, A);
        world_run(w, 20000);
        soft(w, B);
        world_run(w, 500);
        assert_int_equal(w->s[A].num_sas, 4);
        never_delete(&w->s[B]);
        world_run(w, 15000);
        named += w->s[A].num_sas == 2;
        if (w->s[A].num_sas == 4 && seed % 2) {
            LIST_FOR (it, &w->s[A].ike->children) {
                struct child *c = CONTAINER_OF(it, struct child, link);
                if (!c->closing) {
                    child_delete(w->s[A].ike, c, false);
                }
            }
        }
        world_run(w, 5000 + IN_GRACE_MS);
        assert_int_equal(w->s[A].num_sas, 2);
        assert_false(child_of_flow(w->s[A].ike, 7)->closing);
        world_free(w);
    }
    assert_true(named > 0 && named < 16);
}

/* B answers, and begins nothing by itself */
static struct fate passive_b(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)number, (void)len;
    bool first = from == B && data[18] == XCH_MAIN && be64(data + 8) == 0;
    return first ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* the peer has forgotten the ISAKMP SA: that is found out, and mended, before the pair ends */
static void a_stale_phase_1_does_not_cost_the_pair(void **state)
{
    (void)state;
    for (u64 seed = 65; seed < 75; seed++) {
        struct world *w = up(seed);
        world_run(w, 30000);
        w->net = all_lost;
        ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_SA});
        world_run(w, 100);
        w->net = passive_b;
        for (unsigned t = 0; t < 3700; t += 5) {
            world_run(w, 5000);
            assert_true(carries(w));
        }
        world_free(w);
    }
}

/* phase 1 ends all the time; quick modes never meet its end */
static void phase_1_is_renewed_in_time(void **state)
{
    (void)state;
    struct world *w = world_pair(76);
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        s.policy[0].life_s = 400;
        s.policy[0].group = 1;
        s.flow.life_s = 300;
        world_config(w, i, &s);
    }
    world_acquire(w, A);
    world_run(w, 3000);
    for (unsigned t = 0; t < 20000; t++) {
        world_run(w, 1000);
        assert_true(carries(w));
        assert_non_null(sa_usable(w->s[A].ike, NULL, &w->s[B].addr));
    }
    world_snapshot(w, A);
    assert_int_equal(w->s[A].flow[0].failures, 0);
    assert_true(w->s[A].num_sas <= 4);
    world_free(w);
}

struct slow {
    int starter;
    u64 ms;
};

static struct fate slow_qm3(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    const struct slow *c = w->ctx;
    (void)number;
    bool qm3 = from == c->starter && data[18] == XCH_QUICK && len < 80;
    return (struct fate){1, {qm3 ? c->ms : 10}};
}

/* the third message of quick mode takes its time: until it has arrived nothing is sent on the new
 * pair, for other daemons than ours take their inbound half in only then; and at every moment
 * something is sent on, whoever renews */
static void a_rekey_loses_nothing(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct world *w = up(84);
        int starter = kind & 1 ? A : B;
        struct slow slow = {starter, 4000};
        world_run(w, 20000);
        u32 old = sends_on(&w->s[starter])->spi;
        w->net = slow_qm3;
        w->ctx = &slow;
        if (kind & 2) {
            soft(w, starter); /* its volume ends */
        } else {
            todo_want(w->s[starter].ike, 7, true);
            session_settle(w->s[starter].ike);
        }
        u64 arrived = 0;
        for (unsigned t = 0; t < 40000; t += 5) {
            world_run(w, 5);
            assert_true(carries(w));
            if (!arrived && w->s[!starter].added == 4) {
                arrived = w->now;
            }
            if (!arrived) {
                assert_int_equal(sends_on(&w->s[starter])->spi, old);
            } else if (w->now > arrived + 10) { /* the other end's first packet on it came in */
                assert_int_not_equal(sends_on(&w->s[starter])->spi, old);
            }
        }
        assert_true(arrived);
        assert_int_equal(w->s[A].added, 4);
        assert_int_equal(w->s[A].num_sas, 2);
        assert_int_equal(w->s[B].num_sas, 2);
        world_free(w);
    }
}

/* the initiator's first packet overtakes its third message: the answer to it does not begin a second pair; a third message that
 * never comes does not keep the responder for long */
static void an_answer_waits_for_the_pair(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct world *w = world_pair(87);
        struct slow slow = {A, lost ? 100000 : 600};
        w->net = slow_qm3;
        w->ctx = &slow;
        world_acquire(w, A);
        for (unsigned t = 0; t < 3000 && w->s[B].num_sas == 0; t++) {
            world_run(w, 1);
        }
        assert_int_equal(w->s[B].num_sas, 1); /* its inbound half */
        world_run(w, 25);
        assert_int_equal(w->s[A].num_sas, 2);
        world_acquire(w, B);
        world_run(w, lost ? 3000 : 1000);
        assert_int_equal(w->s[B].added, lost ? 3 : 2);
        assert_true(carries(w));
        world_free(w);
    }
}

/* nothing comes back: after a while the new pair is used all the same, while the old one still lives */
static void a_new_pair_is_not_kept_waiting(void **state)
{
    (void)state;
    struct world *w = up(86);
    world_run(w, 20000);
    u32 old = sends_on(&w->s[A])->spi;
    soft(w, A);
    world_run(w, 5000);
    assert_int_equal(w->s[A].added, 4);
    assert_int_equal(sends_on(&w->s[A])->spi, old);
    world_run(w, 1500);
    assert_int_not_equal(sends_on(&w->s[A])->spi, old);
    assert_int_equal(w->s[A].num_sas, 4);
    world_free(w);
}

static u32 spi_sent_on(const struct side *s)
{
    const struct dp_sa_value *out = sends_on(s);
    return out ? out->spi : 0;
}

static bool takes_in(const struct side *s, u32 spi)
{
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].dir == SA_IN && s->sa[i].spi == spi) {
            return true;
        }
    }
    return false;
}

static bool waits(const struct side *s)
{
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].dir == SA_OUT && s->sa[i].confirm_spi) {
            return true;
        }
    }
    return false;
}

/* a packet came in on it */
static void confirm(struct side *s, u32 spi)
{
    for (unsigned i = 0; i < s->num_sas; i++) {
        s->sa[i].confirm_spi = s->sa[i].confirm_spi == spi ? 0 : s->sa[i].confirm_spi;
    }
}

/* a packet every millisecond, ten on the way: each is taken in when it arrives, also while both ends renew at once and one
 * of the two pairs goes again */
static void what_is_under_way_arrives(void **state)
{
    (void)state;
    for (u64 seed = 660; seed < 700; seed++) {
        struct world *w = up(seed);
        u32 sent[2][12] = {{0}};
        world_run(w, 20000);
        soft(w, A);
        world_run(w, seed % 40); /* before, between and after A's messages */
        soft(w, B);
        for (unsigned t = 0; t < 60000; t++) {
            for (int i = A; i <= B; i++) {
                u32 arrives = sent[i][(t + 2) % 12]; /* ten milliseconds old */
                assert_true(!arrives || takes_in(&w->s[!i], arrives));
                sent[i][t % 12] = spi_sent_on(&w->s[i]);
                if (arrives) {
                    confirm(&w->s[!i], arrives);
                }
                /* what is sent on is what would be renewed, or its turn comes */
                const struct child *c = child_of_flow(w->s[i].ike, 7);
                assert_true(!c->out_up || c->spi_out == spi_sent_on(&w->s[i]) || waits(&w->s[i]));
            }
            world_run(w, 1);
        }
        assert_int_equal(w->s[A].num_sas, 2);
        assert_int_equal(w->s[B].num_sas, 2);
        world_free(w);
    }
}

/* the peer takes the old pair away at once: then there is nothing to spare the new one for */
static void an_old_pair_deleted_at_once(void **state)
{
    (void)state;
    struct world *w = up(85);
    world_run(w, 20000);
    u32 old = 0;
    for (unsigned i = 0; i < 2; i++) {
        old = w->s[B].sa[i].dir == SA_IN ? w->s[B].sa[i].spi : old;
    }
    soft(w, A);
    world_run(w, 35); /* HDR*, HASH(3) --> has arrived */
    assert_int_equal(sends_on(&w->s[A])->spi, old);
    struct ike_sa *sa = sa_usable(w->s[B].ike, NULL, &w->s[A].addr);
    info_delete_spi(w->s[B].ike, sa, PROTO_ESP, old);
    world_run(w, 12);
    assert_int_not_equal(sends_on(&w->s[A])->spi, old);
    world_free(w);
}

/* its Delete may be faster than the last packets it sent, so the data plane is asked to take them
 * in a while longer; what we delete ourselves goes at once */
static void what_the_peer_deletes_lingers(void **state)
{
    (void)state;
    struct world *w = up(88);
    for (int i = A; i <= B; i++) {
        w->s[i].linger_ms[SA_IN] = w->s[i].linger_ms[SA_OUT] = 77;
    }
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD}); /* HDR*, HASH(1), D --> */
    world_run(w, 1000);
    assert_int_equal(w->s[A].num_sas, 0);
    assert_int_equal(w->s[B].num_sas, 0);
    assert_int_equal(w->s[A].linger_ms[SA_IN], 0);
    assert_int_equal(w->s[A].linger_ms[SA_OUT], 0);
    assert_int_equal(w->s[B].linger_ms[SA_IN], IN_GRACE_MS);
    assert_int_equal(w->s[B].linger_ms[SA_OUT], 0);
    world_free(w);
}

/* hard: the data plane ends the half of A's only pair itself. */
static void hard(struct world *w, enum dp_dir dir)
{
    const struct side *s = &w->s[A];
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].dir == dir) {
            struct dp_msg m = {.type = DP_EXPIRE};
            m.u.expire = (struct dp_expire_value){7, s->sa[i].spi, dir, true, s->sa[i].dst};
            ike_from_dp(s->ike, &m);
            return;
        }
    }
    fail_msg("no such half");
}

/* a pair one half of which has ended protects nothing any more: the next packet brings a new one,
 * at once */
static void an_ended_pair_is_replaced_at_once(void **state)
{
    (void)state;
    for (unsigned dir = SA_IN; dir <= SA_OUT; dir++) {
        struct world *w = up(89);
        world_run(w, 20000);
        hard(w, dir);
        assert_null(sends_on(&w->s[A]));
        world_acquire(w, A);
        world_run(w, 100);
        assert_int_equal(w->s[A].added, 4);
        assert_true(carries(w));
        assert_int_equal(pairs_up(w), 1);
        world_run(w, 10000);
        assert_int_equal(w->s[A].num_sas, 2);
        assert_int_equal(w->s[B].num_sas, 2);
        assert_true(carries(w));
        world_free(w);
    }
}

/* both halves end, as their seconds do: one Delete is said, and the time for what is under way
 * does not begin again */
static void both_halves_end(void **state)
{
    (void)state;
    struct world *w = up(90);
    world_run(w, 20000);
    unsigned sent = w->sent[A];
    w->net = all_lost; /* else B says Delete as well, and nothing is waited for */
    hard(w, SA_OUT);
    world_run(w, IN_GRACE_MS - 100);
    assert_int_equal(w->s[A].num_sas, 1);
    hard(w, SA_IN);
    world_run(w, 200);
    assert_int_equal(w->s[A].num_sas, 0);
    assert_int_equal(w->sent[A], sent + 1); /* HDR*, HASH(1), D --> */
    world_free(w);
}

/* ---- lifetimes ---- */

static void a_life_has_a_floor(void **state)
{
    (void)state;
    struct world *w = world_pair(77);
    struct setup a = setup_default(A);
    a.flow.life_s = 1;
    world_config(w, A, &a);
    world_acquire(w, A);
    world_run(w, 60000);
    assert_int_equal(w->s[B].added, 0);
    assert_true(saw(&w->s[B], "offered a life of 1 seconds"));
    world_free(w);
    w = world_pair(83);
    a.flow.life_s = 3600;
    a.flow.life_kb = 10;
    world_config(w, A, &a);
    world_acquire(w, A);
    world_run(w, 60000);
    assert_int_equal(w->s[B].added, 0);
    assert_true(saw(&w->s[B], "offered a life of 10 kilobytes"));
    world_free(w);
    /* as initiator: what the peer says about its life shortens ours, but not below the floor */
    w = world_pair(78);
    struct setup b = setup_default(B);
    b.flow.life_s = 1;
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 500);
    assert_true(w->s[A].num_sas >= 1 && w->s[A].sa[0].hard_s >= 4);
    world_free(w);
    /* phase 1 */
    w = world_pair(79);
    a = setup_default(A);
    a.policy[0].life_s = 1;
    world_config(w, A, &a);
    world_acquire(w, A);
    world_run(w, 5000);
    assert_int_equal(count_of(&w->s[B], EV_IKE_AUTHENTICATED), 0);
    assert_true(saw(&w->s[B], "offered a life of 1 seconds"));
    world_free(w);
}

static void volumes_do_not_wrap(void **state)
{
    (void)state;
    static const u8 attrs[] = {0x80, 1, 0, 2, 0, 2, 0, 8, 0x00, 0x40, 0, 0, 0, 0, 0, 0};
    struct isakmp_transform t = {.attrs = attrs, .attrs_len = sizeof attrs};
    struct p2_offer o;
    p2_read(&o, &t); /* 2^54 kilobytes: times 1024 that is 0 */
    assert_true(o.life_kb > 0 && o.life_kb <= UINT32_MAX);
}

static void the_shorter_life_and_volume_win(void **state)
{
    (void)state;
    for (int shorter = A; shorter <= B; shorter++) {
        struct world *w = world_pair(80);
        struct setup s = setup_default(shorter);
        s.flow.life_s = 1200;
        s.flow.life_kb = 100000;
        world_config(w, shorter, &s);
        world_acquire(w, A);
        world_run(w, 1000);
        assert_int_equal(w->s[B].num_sas, 2);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(w->s[B].sa[i].hard_s, 1200);
            assert_int_equal(w->s[B].sa[i].hard_kb, 100000);
            assert_int_equal(w->s[A].sa[i].hard_s, 1200);
            assert_true(w->s[A].sa[i].hard_kb >= 100000);
        }
        world_free(w);
    }
}

/* ---- answers ---- */

/* the configuration changes while message 2 is under way: what counts is what was offered */
static void answers_fit_what_was_offered(void **state)
{
    (void)state;
    struct world *w = world_pair(81);
    struct setup a = setup_default(A);
    world_acquire(w, A);
    world_run(w, 15); /* HDR, SA --> has arrived; <-- HDR, SA is under way */
    a.policy[0] = (struct ike_policy_value){20, ENCR_AES128, HASH_SHA1, IKE_AUTH_PSK, 5, 86400};
    world_config(w, A, &a);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    struct ike_sa *sa = sa_usable(w->s[A].ike, NULL, &w->s[B].addr);
    assert_true(sa && sa->c.encr == ENCR_DES && sa->c.group == 2);
    world_free(w);
}

static struct fate longer_life(struct world *w, int from, unsigned number, const u8 *data,
                               size_t len)
{
    (void)number;
    if (from == B && data[18] == XCH_MAIN && number == 0) {
        u8 m[2048];
        memcpy(m, data, len);
        for (size_t i = 28; i + 8 <= len; i++) {
            if (memcmp(m + i, "\x00\x0c\x00\x04\x00\x01\x51\x80", 8) == 0) {
                m[i + 4] = 1; /* 86400 seconds become more */
                send_raw(w, A, m, len);
                return (struct fate){0, {0}};
            }
        }
        fail_msg("no life in message 2");
    }
    return (struct fate){1, {10}};
}

static void a_longer_phase_1_life_was_not_offered(void **state)
{
    (void)state;
    struct world *w = world_pair(82);
    w->net = longer_life;
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_NOT_OFFERED), 1);
    world_free(w);
}

/* A peer that deletes its ISAKMP SA as soon as its pair is up: new ones, once, then now and then; it does not go round and round. */
static void a_peer_that_keeps_no_isakmp_sa(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = setup_default(B);
    struct world *w = world_of(77, &a, &b);
    world_acquire(w, A);
    for (unsigned i = 0; i < 90000; i += 50) {
        world_run(w, 50);
        LIST_FOR (it, &w->s[B].ike->sas) {
            struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
            if (!sa->deleted && sa_ready(sa) && !list_empty(&sa->nodes)) {
                const struct xch *x = CONTAINER_OF(sa->nodes.next, struct xch, link);
                if (x->c.state == XS_QM_PHASE2_COMPLETE) {
                    sa_delete(w->s[B].ike, sa, "test", true);
                    session_settle(w->s[B].ike);
                }
            }
        }
    }
    assert_true(w->s[B].ike->next_conn >= 4 && w->s[B].ike->next_conn <= 7);
    assert_true(pairs_up(w) >= 1);
    world_free(w);
}

/* no main mode after 30 s; of A's quick mode messages after 50 s the second, which is message 3, gets lost, or all do, and then what B
 * says to end it as well */
static unsigned late_quick;
static bool late_all;
static u64 late_from;
static struct fate no_third(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)number, (void)len;
    bool lost = data[18] == XCH_MAIN && w->now > late_from + 30000;
    if (data[18] == XCH_QUICK && from == A && w->now > late_from + 50000) {
        lost = ++late_quick == 2 || late_all;
    }
    lost = lost || (late_all && data[18] == XCH_INFO && from == B);
    return lost ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* The last message of quick mode gets lost and the time of the ISAKMP SA is over: it stays until the peer can have asked for it again,
 * else we have a pair that the peer has not. Not for ever: what nobody answers does not keep it. */
static void the_last_message_is_owed(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        struct setup a = setup_default(A), b = setup_default(B);
        a.policy[0].life_s = b.policy[0].life_s = 60;
        struct world *w = world_begun(900 + k, &a, &b);
        late_quick = 0;
        late_all = k;
        late_from = w->now;
        w->net = no_third;
        world_run(w, 57000);
        ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD});
        world_run(w, 1000);
        assert_int_equal(w->s[A].num_sas, 0);
        world_acquire(w, A);
        world_run(w, 20000);
        if (!late_all) {
            assert_true(late_quick >= 3); /* it was said again */
            assert_int_equal(w->s[B].num_sas, 2);
            same_ends(w, 50, MODE_TUNNEL);
        }
        world_run(w, 4000); /* 60 s and 20 s are over */
        LIST_FOR (it, &w->s[A].ike->sas) {
            const struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
            assert_true(sa->deleted || !sa_authed(sa));
        }
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sources_to_one_peer),
        cmocka_unit_test(phase_1_deleted_under_quick_mode),
        cmocka_unit_test(half_a_pair_goes_with_its_phase_1),
        cmocka_unit_test(crossed_rekeys_leave_one_pair),
        cmocka_unit_test(a_pair_is_left_behind),
        cmocka_unit_test(a_stale_phase_1_does_not_cost_the_pair),
        cmocka_unit_test(phase_1_is_renewed_in_time),
        cmocka_unit_test(a_rekey_loses_nothing),
        cmocka_unit_test(a_new_pair_is_not_kept_waiting),
        cmocka_unit_test(an_answer_waits_for_the_pair),
        cmocka_unit_test(what_is_under_way_arrives),
        cmocka_unit_test(an_old_pair_deleted_at_once),
        cmocka_unit_test(what_the_peer_deletes_lingers),
        cmocka_unit_test(an_ended_pair_is_replaced_at_once),
        cmocka_unit_test(both_halves_end),
        cmocka_unit_test(a_life_has_a_floor),
        cmocka_unit_test(volumes_do_not_wrap),
        cmocka_unit_test(the_shorter_life_and_volume_win),
        cmocka_unit_test(answers_fit_what_was_offered),
        cmocka_unit_test(a_longer_phase_1_life_was_not_offered),
        cmocka_unit_test(the_last_message_is_owed),
        cmocka_unit_test(a_peer_that_keeps_no_isakmp_sa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
