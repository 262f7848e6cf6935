/*
 * alive_test.c: a far end that is gone is found out and given up, one that comes back is met at
 * once, and who ends says so. The silence of the data plane (DP_SILENT) is played by the tests:
 * packets that go out and do not come back.
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

static const struct dp_sa_value *sa_of(const struct side *s, enum dp_dir dir)
{
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].dir == dir) {
            return &s->sa[i];
        }
    }
    return NULL;
}

static struct fate calm(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return (struct fate){1, {10}};
}

/* one second of traffic from A: the data plane's part, as src/dp/sa.c does it */
static unsigned alone_s;
static void a_second_of_traffic(struct world *w)
{
    bool have_out = false;
    for (unsigned i = 0; i < w->s[A].num_sas; i++) {
        have_out = have_out || w->s[A].sa[i].dir == SA_OUT;
    }
    if (!have_out) {
        world_acquire(w, A);
        alone_s = 0;
    } else if (carries(w)) {
        alone_s = 0;
    } else if (++alone_s > w->s[A].silence_s) {
        alone_s = 1;
        world_silent(w, A);
    }
    world_run(w, 1000);
}

static void reboot(struct world *w, int side)
{
    struct setup s = setup_default(side);
    world_restart(w, side);
    w->s[side].num_sas = 0;
    world_config(w, side, &s);
}

/* ---- the far end went without a word ---- */

static void a_silent_reboot_is_over_in_half_a_minute(void **state)
{
    (void)state;
    struct world *w = up(91);
    assert_int_equal(w->s[A].silence_s, 20);
    world_run(w, 100000);
    reboot(w, B);
    unsigned s = 0;
    for (alone_s = 0; s < 60 && !carries(w); s++) {
        a_second_of_traffic(w);
    }
    assert_true(carries(w));
    assert_true(s <= 30);
    assert_true(saw(&w->s[A], "%ADIT-5-PEER_DEAD: Peer 2.2.2.2 is dead"));
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT),
                     1); /* of whatever was before, nothing counts */
    assert_int_equal(w->s[A].num_sas, 2);
    world_free(w);
}

/* one that lives and only sends nothing is asked, and stays; its pair is made anew once in half an hour, for it may not have it */
static void one_way_traffic_is_no_death(void **state)
{
    (void)state;
    struct world *w = up(92);
    for (unsigned i = 0; i < 20; i++) {
        world_silent(w, A);
        world_run(w, 20000);
    }
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].added, 4);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD), 20);
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_DEAD), 0);
    world_free(w);
}

/* an answer of another time does not count; the number is the same until it is answered (RFC 3706
 * 5.4) */
static void the_sequence_number_counts(void **state)
{
    (void)state;
    struct world *w = up(93);
    struct ike_sa *sa = sa_usable(w->s[A].ike, NULL, &w->s[B].addr);
    w->net = all_lost;
    live_ask(w->s[A].ike, sa);
    u32 seq = sa->live.seq;
    assert_int_equal(sa->live.sent, 1);
    live_answer(w->s[A].ike, sa, seq - 1);
    assert_int_equal(sa->live.sent, 1);
    world_run(w, 2500);
    assert_int_equal(sa->live.sent, 2);
    assert_int_equal(sa->live.seq, seq);
    live_answer(w->s[A].ike, sa, seq);
    assert_int_equal(sa->live.sent, 0);
    live_ask(w->s[A].ike, sa);
    assert_int_equal(sa->live.seq, seq + 1);
    world_free(w);
}

static void keepalive(struct world *w, bool periodic)
{
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        s.global.keepalive_s = i == A ? 10 : 0;
        s.global.keepalive_retry_s = 3;
        s.global.keepalive_periodic = periodic;
        world_config(w, i, &s);
    }
}

static void keepalive_as_configured(void **state)
{
    (void)state;
    struct world *w = world_pair(94);
    keepalive(w, true);
    world_acquire(w, A);
    world_run(w, 100500);
    assert_true(count_of(&w->s[B], EV_IKE_DPD) >= 9 && count_of(&w->s[B], EV_IKE_DPD) <= 10);
    world_snapshot(w, A);
    world_snapshot(w, B);
    assert_true(w->s[A].info[0].dpd);
    assert_false(w->s[B].info[0].dpd);
    w->net = all_lost; /* no traffic at all: found out all the same: 10 s and 5 times 3 s */
    world_run(w, 30000);
    assert_int_equal(w->s[A].num_sas, 0);
    world_free(w);
    w = world_pair(95);
    keepalive(
        w,
        false); /* on demand: nothing while nothing is missing, and sooner than 20 s when something is */
    world_acquire(w, A);
    world_run(w, 100000);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD), 0);
    assert_int_equal(w->s[A].silence_s, 10);
    world_free(w);
}

/* RFC 3706 5: traffic that comes in shows that the far end lives; it is asked when there is none */
static void traffic_is_proof_of_life(void **state)
{
    (void)state;
    struct world *w = world_pair(102);
    keepalive(w, true);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(w->s[A].heard_s, 5); /* often enough that none is asked in between */
    assert_int_equal(w->s[B].heard_s, 0);
    for (unsigned i = 0; i < 20; i++) {
        world_heard(w, A);
        world_run(w, 6000);
    }
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD), 0);
    world_run(w, 5000);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD), 1);
    w->net = all_lost; /* IKE is lost, ESP is not */
    for (unsigned i = 0; i < 60; i++) {
        world_heard(w, A);
        world_run(w, 1000);
    }
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_DEAD), 0);
    ike_from_dp(w->s[A].ike, &(struct dp_msg){.type = DP_HEARD, .u.life = {7, 12345, w->s[A].addr}});
    world_run(w, 30000); /* and when that ends it is dead */
    assert_int_equal(w->s[A].num_sas, 0);
    world_free(w);
    w = up(103); /* nothing configured: who was asked and is heard has answered */
    w->net = all_lost;
    world_silent(w, A);
    world_run(w, 3000);
    assert_int_equal(w->s[A].heard_s, 0);
    world_heard(w, A);
    unsigned sent = w->sent[A];
    world_run(w, 60000);
    assert_int_equal(w->sent[A], sent);
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_DEAD), 0);
    assert_int_equal(w->s[A].num_sas, 2);
    world_free(w);
}

/* two_peers: A's flow has B and C for peers, in that order. */
static struct world *two_peers(u64 seed)
{
    struct world *w = world_pair(seed);
    world_third(w);
    struct setup a = setup_default(A), b = setup_default(B), c = setup_default(B);
    a.flow.peer[1] = w->s[C].addr;
    a.flow.num_peers = 2;
    a.flow.tunnel_if = b.flow.tunnel_if = false;
    a.flow.sel = (struct selector){.proto = 6, .sport_hi = 0xffff, .dport_hi = 0xffff};
    assert_true(addr_parse(&a.flow.sel.src.a, "10.1.0.0") &&
                addr_parse(&a.flow.sel.dst.a, "10.2.0.0"));
    a.flow.sel.src.len = a.flow.sel.dst.len = 16;
    b.flow.sel = selector_mirror(&a.flow.sel);
    c.flow = b.flow;
    c.flow.local = w->s[C].addr;
    world_config(w, A, &a);
    world_config(w, B, &b);
    world_config(w, C, &c);
    return w;
}

/* The flow has a pair with each of its peers; what the one says is no life of the other's. */
static void a_peer_does_not_live_by_anothers_words(void **state)
{
    (void)state;
    struct world *w = two_peers(106);
    world_acquire(w, A);
    world_run(w, 3000);
    const struct dp_sa_value *of_b = sa_of(&w->s[A], SA_IN);
    struct dp_msg heard = {.type = DP_HEARD, .u.life = {of_b->flow, of_b->spi, of_b->dst}};
    struct dp_msg silent = {.type = DP_SILENT, .u.life = {7, sends_on(&w->s[A])->spi, w->s[B].addr}};
    world_acquire(w, C);
    world_run(w, 1000);
    assert_true(addr_equal(&sends_on(&w->s[A])->dst, &w->s[C].addr));
    assert_int_equal(w->s[A].num_sas, 4);
    struct dp_msg other = silent; /* an SPI is one with its far end */
    other.u.life.dst = w->s[C].addr;
    ike_from_dp(w->s[A].ike, &other);
    world_run(w, 100);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD) + count_of(&w->s[C], EV_IKE_DPD), 0);
    ike_from_dp(w->s[A].ike, &silent);
    world_run(w, 100);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD), 1); /* who is silent is asked */
    assert_int_equal(count_of(&w->s[C], EV_IKE_DPD), 0);
    w->s[C].addr = addr_v4(0x7f000001); /* nobody is there any more */
    world_silent(w, A);
    for (unsigned i = 0; i < 8; i++) {
        world_run(w, 1000);
        ike_from_dp(w->s[A].ike, &heard);
    }
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_DEAD), 1);
    assert_true(saw(&w->s[A], "%ADIT-5-PEER_DEAD: Peer 3.3.3.3 is dead"));
    assert_int_equal(w->s[A].num_sas, 2); /* with the other, who can be asked as well */
    w->s[B].addr = w->s[C].addr;
    world_silent(w, A);
    world_run(w, 8000);
    assert_true(saw(&w->s[A], "%ADIT-5-PEER_DEAD: Peer 2.2.2.2 is dead"));
    world_free(w);
}

/* the second peer of a flow takes over when the first one dies */
static void a_dead_peer_makes_room_for_the_next(void **state)
{
    (void)state;
    struct world *w = two_peers(96);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_int_equal(w->s[C].num_sas, 0);
    w->s[B].addr = addr_v4(0x7f000001); /* nobody is there any more */
    world_silent(w, A);
    world_run(w, 8000);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(w->s[C].num_sas, 2);
    assert_int_equal(w->s[A].num_sas, 2);
    world_free(w);
}

/* ---- words that come alone ---- */

static struct fate no_more_deletes(struct world *w, int from, unsigned number, const u8 *data,
                                   size_t len)
{
    const unsigned *first = w->ctx;
    (void)data, (void)len;
    bool rest = from == B && number > *first && number <= *first + 3;
    return rest ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* racoon says Delete for the ISAKMP SA and drops the pairs with it, in silence */
static void a_delete_for_phase_1_alone_brings_a_new_pair(void **state)
{
    (void)state;
    struct world *w = up(97);
    world_run(w, 20000);
    unsigned first = w->sent[B];
    w->net = no_more_deletes;
    w->ctx = &first;
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_SA});
    ike_ctl(w->s[B].ike,
            &(struct ike_msg){.type = IKE_CLEAR_CHILD}); /* nothing can be said any more */
    assert_int_equal(w->s[B].num_sas, 0);
    w->net = calm;
    world_run(w, 20000);
    assert_true(carries(w));
    assert_int_equal(w->s[A].num_sas, 2);
    world_free(w);
}

/* ---- who ends says so; who starts says so ---- */

static void shutdown_tells_every_peer(void **state)
{
    (void)state;
    struct world *w = up(98);
    struct setup a = setup_default(A);
    a.flow.always_up = true;
    world_config(w, A, &a);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_SHUTDOWN});
    unsigned sent = w->sent[A];
    world_run(w, 100);
    assert_int_equal(w->s[B].num_sas, 0);
    world_snapshot(w, B);
    assert_true(w->s[B].info[0].deleted);
    world_acquire(w, A);
    world_run(w, 60000);
    assert_int_equal(w->sent[A], sent); /* nothing is begun any more */
    world_free(w);
}

/* killed and started again: an always-up flow greets the peer without waiting for a packet */
static void started_again_greets_at_once(void **state)
{
    (void)state;
    struct world *w = up(99);
    struct setup a = setup_default(A);
    a.flow.always_up = true;
    world_restart(w, A);
    w->s[A].num_sas = 0;
    world_config(w, A, &a);
    world_run(w, 3000);
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), 2);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_true(carries(w));
    world_free(w);
}

/* the same with a flow that waits for packets: the peer's, which we cannot read, are enough */
static void started_again_by_the_peers_packets(void **state)
{
    (void)state;
    struct world *w = up(101);
    world_restart(w, A);
    w->s[A].num_sas = 0;
    struct setup a = setup_default(A);
    world_config(w, A, &a);
    world_run(w, 3000);
    assert_int_equal(w->s[A].num_sas, 0);
    struct dp_msg m = {.type = DP_UNKNOWN_SPI};
    struct addr stranger = addr_v4(0x09090909);
    m.u.unknown_spi = (struct dp_unknown_spi_value){0x1234567, 50, stranger, w->s[A].addr};
    unsigned sent = w->sent[A];
    ike_from_dp(w->s[A].ike, &m); /* of somebody we do not know: nothing */
    assert_int_equal(w->sent[A], sent);
    m.u.unknown_spi.src = w->s[B].addr;
    ike_from_dp(w->s[A].ike, &m);
    world_run(w, 3000);
    assert_true(carries(w));
    assert_int_equal(w->s[B].num_sas, 2);
    sent = w->sent[A];
    world_run(w, 3000);
    ike_from_dp(w->s[A].ike,
                &m); /* now it is known: it has to be configured that we say anything */
    assert_int_equal(w->sent[A], sent);
    world_free(w);
}

/* esp_from: the data plane of a side was sent ESP that it has no SA for. */
static void esp_from(struct world *w, int side, const struct addr *from)
{
    struct dp_msg m = {.type = DP_UNKNOWN_SPI};
    m.u.unknown_spi = (struct dp_unknown_spi_value){0x12345678, 50, *from, w->s[side].addr};
    ike_from_dp(w->s[side].ike, &m);
}

/* A router that has just started knows its peers by what they send. One spoofed packet a second in the name of another
 * configured peer, which is switched off, does not keep it from them. */
static void a_spoofed_peer_hides_no_other(void **state)
{
    (void)state;
    struct world *w = up(104);
    const struct addr off = addr_v4(0x03030303);
    world_restart(w, A);
    w->s[A].num_sas = 0;
    struct setup s = setup_default(A);
    s.more[0] = s.flow;
    s.num_more = 1;
    s.more[0].flow = 99;
    s.more[0].peer[0] = off;
    s.more[0].sel.dst = prefix_host(&off);
    world_config(w, A, &s);
    for (unsigned i = 0; i < 3; i++) {
        esp_from(w, A, &off);
        world_run(w, 500);
        esp_from(w, A, &w->s[B].addr);
        world_run(w, 500);
    }
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[B].num_sas, 2);
    world_free(w);
}

/* The first flow of a peer may be with another one just now: any flow that is with it will do. */
static void a_peer_is_met_by_any_of_its_flows(void **state)
{
    (void)state;
    struct world *w = up(105);
    const struct addr off = addr_v4(0x03030303);
    world_restart(w, A);
    w->s[A].num_sas = 0;
    struct setup s = setup_default(A);
    s.more[0] = s.flow;
    s.num_more = 1;
    s.flow.flow = 99;
    s.flow.peer[1] = s.flow.peer[0];
    s.flow.peer[0] = off;
    s.flow.num_peers = 2;
    s.flow.sel.proto = 6;
    world_config(w, A, &s);
    esp_from(w, A, &w->s[B].addr);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* ---- the data plane does not take an SA ---- */

static void a_refused_sa_is_not_up(void **state)
{
    (void)state;
    for (unsigned gone = 0; gone < 2; gone++) {
        struct world *w = world_pair(100);
        *(gone ? &w->s[A].dp_gone : &w->s[A].refuse_sas) = true;
        world_acquire(w, A);
        world_run(w, 5000);
        world_snapshot(w, A);
        assert_int_equal(w->s[A].num_child, 0);
        assert_int_equal(w->s[B].num_sas, 0); /* the peer was told */
        assert_true(saw(&w->s[A], "%ADIT-3-NO_SA: The data plane took no SA with 2.2.2.2"));
        unsigned sent = w->sent[A];
        for (unsigned i = 0; i < 5; i++) { /* and packets do not make us try without end */
            world_acquire(w, A);
            world_run(w, 500);
        }
        assert_int_equal(w->sent[A], sent);
        w->s[A].dp_gone = w->s[A].refuse_sas = false;
        world_run(w, 10000);
        world_acquire(w, A);
        world_run(w, 3000);
        assert_int_equal(pairs_up(w), 1);
        world_free(w);
    }
}

/* The peer lives and has no such pair (the last message of quick mode never came, and the ISAKMP SA went before it could come
 * again): nothing tells us but the silence. One that has only nothing to say is not negotiated with round and round. */
static void a_pair_the_peer_never_had(void **state)
{
    (void)state;
    struct world *w = world_pair(410);
    world_acquire(w, A);
    world_run(w, 1000);
    struct ike *b = w->s[B].ike;
    u32 old = sends_on(&w->s[A])->spi;
    child_delete(b, CONTAINER_OF(b->children.next, struct child, link), false);
    session_settle(b);
    world_run(w, 30000);
    assert_int_equal(w->s[B].num_sas, 0);
    world_silent(w, A);
    world_run(w, 20000);
    assert_int_equal(sends_on(&w->s[A])->spi, old); /* it is asked, and lives */
    world_silent(w, A);
    world_run(w, 60000);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_int_equal(w->s[A].num_sas, 2);
    same_ends(w, 50, MODE_TUNNEL);
    u64 added = w->s[A].added;
    for (unsigned i = 0; i < 10; i++) { /* it has nothing to say */
        world_silent(w, A);
        world_run(w, 20000);
    }
    assert_int_equal(w->s[A].added, added);
    world_free(w);

    w = world_pair(411);
    world_acquire(w, A);
    world_run(w, 1000);
    added = w->s[A].added;
    for (unsigned i = 0; i < 10; i++) { /* it says something in between */
        world_silent(w, A);
        world_run(w, 10000);
        world_heard(w, A);
        world_run(w, 10000);
    }
    assert_int_equal(w->s[A].added, added);
    world_free(w);
}

static struct flow *flow_of(const struct world *w)
{
    return CONTAINER_OF(w->s[A].ike->flows.next, struct flow, link);
}

/* What nobody uses goes on both sides, and comes back by a packet: with the peer it had, or with the first one where that is the
 * default: of all that goes, or of what was idle. */
static void idle(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        struct setup a = setup_default(A), b = setup_default(B);
        a.flow.peer[1] = a.flow.peer[0];
        a.flow.peer[0] = addr_v4(0x0a0a0a0a); /* nobody */
        a.flow.num_peers = 2;
        a.flow.default_peer = k == 1;
        a.flow.idle_default = k == 2;
        struct world *w = world_begun(400 + k, &a, &b);
        world_run(w, 70000);
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(flow_of(w)->peer, 1);
        ike_from_dp(w->s[A].ike, &(struct dp_msg){.type = DP_IDLE, .u.number = 99});
        world_run(w, 1000);
        assert_int_equal(pairs_up(w), 1);
        u64 gone = count_of(&w->s[A], EV_IPSEC_IDLE);
        if (k == 3) {
            ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD});
        } else {
            ike_from_dp(w->s[A].ike, &(struct dp_msg){.type = DP_IDLE, .u.number = a.flow.flow});
            assert_int_equal(count_of(&w->s[A], EV_IPSEC_IDLE), gone + 1);
        }
        world_run(w, 5000);
        assert_int_equal(w->s[A].num_sas, 0);
        assert_int_equal(w->s[B].num_sas, 0);
        assert_int_equal(flow_of(w)->peer, k == 1 || k == 2 ? 0 : 1);
        world_acquire(w, A);
        world_run(w, 70000);
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(flow_of(w)->peer, 1);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_reboot_is_over_in_half_a_minute),
        cmocka_unit_test(one_way_traffic_is_no_death),
        cmocka_unit_test(the_sequence_number_counts),
        cmocka_unit_test(keepalive_as_configured),
        cmocka_unit_test(traffic_is_proof_of_life),
        cmocka_unit_test(a_peer_does_not_live_by_anothers_words),
        cmocka_unit_test(a_dead_peer_makes_room_for_the_next),
        cmocka_unit_test(a_delete_for_phase_1_alone_brings_a_new_pair),
        cmocka_unit_test(shutdown_tells_every_peer),
        cmocka_unit_test(started_again_greets_at_once),
        cmocka_unit_test(started_again_by_the_peers_packets),
        cmocka_unit_test(a_spoofed_peer_hides_no_other),
        cmocka_unit_test(a_peer_is_met_by_any_of_its_flows),
        cmocka_unit_test(a_pair_the_peer_never_had),
        cmocka_unit_test(idle),
        cmocka_unit_test(a_refused_sa_is_not_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
