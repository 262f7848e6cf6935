/*
 * natt_test.c: NAT traversal (RFC 3947, RFC 3948) as ladders: A, and where the test says so C, stand behind a NAT at 9.9.9.9
 * that gives them other ports.
 */
#include "world.h"

#include <stdlib.h>

static const u32 nat_addr = 0x09090909;

/* ---- set-ups ---- */

/* tunnel: a flow between 10.1.0.0/24 (A) and 10.2.0.0/24 (B) in tunnel mode; B knows A by the NAT's address. */
static struct setup tunnel(int side)
{
    struct setup s = setup_default(side);
    struct prefix a = {addr_v4(0x0a010000), 24}, b = {addr_v4(0x0a020000), 24};
    s.flow.sel = (struct selector){.src = side == A ? a : b, .dst = side == A ? b : a, .sport_hi = 0xffff, .dport_hi = 0xffff};
    s.flow.any_mode = s.flow.tunnel_if = false;
    if (side == B) {
        s.flow.peer[0] = addr_v4(nat_addr);
    }
    return s;
}

/* transport: GRE between A and B in transport mode; A calls itself by its own address, B calls it by the NAT's. */
static struct setup transport(int side)
{
    struct setup s = setup_default(side);
    s.flow.transform[0].mode = MODE_TRANSPORT;
    s.flow.any_mode = false;
    if (side == B) {
        s.flow.peer[0] = addr_v4(nat_addr);
        s.flow.sel.dst = prefix_host(&s.flow.peer[0]);
    }
    return s;
}

static struct setup aggressive(struct setup s)
{
    struct ike_msg *m = &s.other[s.num_other++];
    m->type = IKE_CFG_PEER;
    m->u.peer = (struct ike_peer_value){.peer = s.flow.peer[0], .aggressive = true};
    return s;
}

static struct world *natted(u64 seed, const struct setup *a, const struct setup *b)
{
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, seed);
    w->natt = true;
    world_restart(w, A);
    world_restart(w, B);
    w->nat = addr_v4(nat_addr);
    w->nat_ports[A] = 10000;
    world_config(w, A, a);
    world_config(w, B, b);
    w->s[A].log.mask = w->s[B].log.mask = EVC_LOG;
    return w;
}

static struct world *begun(u64 seed)
{
    struct setup a = tunnel(A), b = tunnel(B);
    struct world *w = natted(seed, &a, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    return w;
}

static const struct dp_sa_value *half(const struct side *s, u8 dir)
{
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].dir == dir) {
            return &s->sa[i];
        }
    }
    fail_msg("no SA of direction %u", dir);
    return NULL;
}

/* ---- how it goes ---- */

static void floats_to_4500(void **state)
{
    (void)state;
    struct world *w = begun(1);
    /* MM1 to MM4 at port 500; HDR*, IDii, HASH_I and all after it with the marker at 4500 */
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(be32(w->log_data[i]) == 0, i >= 4);
    }
    const struct dp_sa_value *out = half(&w->s[A], SA_OUT), *in = half(&w->s[B], SA_IN);
    assert_int_equal(out->encap_src.port, 4500);
    assert_int_equal(out->encap_dst.port, 4500);
    assert_int_equal(in->encap_src.port, 14500);
    out = half(&w->s[B], SA_OUT);
    assert_int_equal(out->encap_dst.port, 14500);
    assert_int_equal(addr_v4_host(&out->dst), nat_addr);
    assert_int_equal(out->mode, MODE_TUNNEL);
    assert_true(saw(&w->s[A], "in front of us") && saw(&w->s[B], "in front of the peer"));
    world_snapshot(w, B);
    assert_int_equal(w->s[B].info[0].remote.port, 14500);
    assert_true(w->s[B].info[0].nat);
    world_free(w);
}

static void nothing_changes_without_a_nat(void **state)
{
    (void)state;
    struct setup a = tunnel(A), b = tunnel(B);
    b.flow.peer[0] = a.flow.local;
    struct world *w = natted(2, &a, &b);
    w->nat = (struct addr){0};
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    for (unsigned i = 0; i < w->num_log; i++) {
        assert_int_not_equal(be32(w->log_data[i]), 0);
    }
    assert_int_equal(half(&w->s[A], SA_OUT)->encap_dst.port, 0);
    unsigned sent = w->sent[A];
    world_run(w, 100000);
    assert_int_equal(w->sent[A], sent); /* nothing is to be kept alive */
    world_free(w);
}

/* AH covers the addresses that a NAT changes: it is not agreed to, and the sentence says why. A set of ESP behind it is. */
static void no_ah_through_a_nat(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        struct setup s[2] = {tunnel(A), tunnel(B)};
        for (int i = A; i <= B; i++) {
            u8 encr = k & 1 ? ENCR_AES128 : ENCR_NONE;
            s[i].flow.transform[1] = s[i].flow.transform[0];
            s[i].flow.transform[0] =
                (struct ike_transform){"AH", encr, encr ? HASH_SHA1 : HASH_NONE, MODE_TUNNEL, HASH_SHA1};
            s[i].flow.num_transforms = k & 2 ? 2 : 1;
        }
        struct world *w = natted(40 + k, &s[A], &s[B]);
        world_acquire(w, A);
        world_run(w, 3000);
        assert_int_equal(pairs_up(w), k & 2 ? 1 : 0);
        if (k & 2) {
            assert_int_equal(half(&w->s[A], SA_OUT)->proto, 50);
            assert_int_equal(half(&w->s[A], SA_OUT)->encap_dst.port, 4500);
        } else {
            assert_int_equal(w->s[B].num_sas, 0);
            assert_true(saw(&w->s[B], "offered AH, and a NAT stands between"));
        }
        world_free(w);
    }
}

/* switched off at either end: nothing is announced, nothing floats */
static void switched_off(void **state)
{
    (void)state;
    for (int off = A; off <= B; off++) {
        struct setup s[2] = {tunnel(A), tunnel(B)};
        s[off].global.natt_off = true;
        struct world *w = natted(3, &s[A], &s[B]);
        world_acquire(w, A);
        world_run(w, 2000);
        assert_int_equal(pairs_up(w), 1); /* this NAT lets ESP pass */
        assert_int_equal(half(&w->s[B], SA_OUT)->encap_dst.port, 0);
        world_free(w);
    }
}

static void keepalives(void **state)
{
    (void)state;
    for (unsigned every = 0; every < 2; every++) {
        struct setup a = tunnel(A), b = tunnel(B);
        a.global.nat_keepalive_s = every ? 7 : 0;
        struct world *w = natted(4, &a, &b);
        world_acquire(w, A);
        world_run(w, 2000);
        unsigned sent = w->sent[A], theirs = w->sent[B];
        size_t bytes = w->bytes[A];
        world_run(w, 60000);
        assert_in_range(w->sent[A] - sent, every ? 8 : 2, every ? 9 : 3);
        assert_int_equal(w->bytes[A] - bytes, w->sent[A] - sent); /* of one byte each */
        assert_int_equal(w->sent[B], theirs);                     /* in front of it there is no NAT, and no answer */
        assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_MALFORMED), 0);
        ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
        world_run(w, 2000);
        sent = w->sent[A];
        world_run(w, 60000);
        assert_int_equal(w->sent[A], sent);
        world_free(w);
    }
}

static void aggressive_mode_floats(void **state)
{
    (void)state;
    struct setup a = aggressive(tunnel(A)), b = tunnel(B);
    struct world *w = natted(5, &a, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_not_equal(be32(w->log_data[1]), 0);
    assert_int_equal(be32(w->log_data[2]), 0); /* HDR*, HASH_I, NAT-D, NAT-D from 4500 */
    assert_int_equal(half(&w->s[B], SA_OUT)->encap_dst.port, 14500);
    world_free(w);
}

static void transport_mode(void **state)
{
    (void)state;
    for (int first = A; first <= B; first++) {
        struct setup a = transport(A), b = transport(B);
        struct world *w = natted(6, &a, &b);
        w->nat_ports[A] = first == A ? 10000 : 0; /* B can only begin where the NAT forwards the ports as they are */
        world_acquire(w, first);
        world_run(w, 2000);
        assert_int_equal(pairs_up(w), 1);
        const struct dp_sa_value *in = half(&w->s[B], SA_IN);
        assert_int_equal(in->mode, MODE_TRANSPORT);
        assert_int_equal(addr_v4_host(&in->sel.src.a), nat_addr); /* what the packets will say here */
        assert_int_equal(addr_v4_host(&half(&w->s[A], SA_OUT)->sel.src.a), 0x01010101);
        world_free(w);
    }
}

/* ---- a bad network ---- */

static void each_and_any_two_lost(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        for (unsigned i = 0; i < 11; i++) {
            for (unsigned k = i; k < 11; k++) {
                struct setup a = tunnel(A), b = tunnel(B);
                a = mode ? aggressive(a) : a;
                struct world *w = natted(100 + i * 11 + k, &a, &b);
                struct lose l = {1ull << i | 1ull << k, 0};
                w->net = lose_some;
                w->ctx = &l;
                world_acquire(w, A);
                world_run(w, 60000);
                if (pairs_up(w) != 1 || w->s[A].num_sas != 2 || w->s[B].num_sas != 2) {
                    fail_msg("mode %u, lost %llx: %u pairs, %u and %u SAs", mode, (unsigned long long)l.which,
                             pairs_up(w), w->s[A].num_sas, w->s[B].num_sas);
                }
                world_free(w);
            }
        }
    }
}

/* ---- the mapping changes ---- */

static void probe(struct world *w) /* A asks whether B lives */
{
    world_silent(w, A);
    world_run(w, 1000);
}

static void follows_ike(void **state)
{
    (void)state;
    struct world *w = begun(10);
    w->nat_ports[A] = 20000;
    w->nat = addr_v4(0x08080808); /* another address, too */
    probe(w);
    assert_true(saw(&w->s[B], "%ADIT-6-PEER_MOVED: a NAT has given the peer at 9.9.9.9 port 14500 another address: "
                              "8.8.8.8 port 24500"));
    const struct dp_sa_value *out = half(&w->s[B], SA_OUT);
    assert_int_equal(out->encap_dst.port, 24500);
    assert_int_equal(addr_v4_host(&out->dst), 0x08080808);
    assert_int_equal(w->moves, 1);
    /* and what B begins finds A */
    struct todo *t = todo_push(w->s[B].ike, TODO_WANT);
    t->flow = 7, t->flag = true;
    session_settle(w->s[B].ike);
    unsigned added = w->s[A].added;
    world_run(w, 3000);
    assert_int_equal(w->s[A].added, added); /* its flow is with 9.9.9.9 by configuration; nothing is there any more */
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD}); /* but Delete goes to the new one */
    world_run(w, 1000);
    assert_int_equal(w->s[A].num_sas, 0);
    world_free(w);
}

static void follows_esp(void **state)
{
    (void)state;
    struct world *w = begun(11);
    w->nat_ports[A] = 20000;
    struct dp_msg m = {.type = DP_MOVED};
    const struct dp_sa_value *in = half(&w->s[B], SA_IN);
    m.u.moved = (struct dp_moved_value){7, in->spi, in->dst, {addr_v4(nat_addr), 24500}};
    ike_from_dp(w->s[B].ike, &m);
    assert_int_equal(half(&w->s[B], SA_OUT)->encap_dst.port, 24500);
    unsigned added = w->s[A].added;
    struct todo *t = todo_push(w->s[B].ike, TODO_WANT); /* a rekey by B goes to the new port */
    t->flow = 7, t->flag = true;
    session_settle(w->s[B].ike);
    world_run(w, 3000);
    assert_int_equal(w->s[A].added, added + 2);
    m.u.moved.to.port = 24500; /* told again: nothing happens */
    unsigned moves = w->moves;
    ike_from_dp(w->s[B].ike, &m);
    assert_int_equal(w->moves, moves);
    world_free(w);
}

/* Phase 1 is renewed where the far end is: B can reach A by its mapping only. */
static void renewed_by_the_outside(void **state)
{
    (void)state;
    struct world *w = begun(13);
    char why[START_WHY];
    struct addr nat = addr_v4(nat_addr);
    unsigned keys = (unsigned)count_of(&w->s[A], EV_IKE_SKEYID);
    assert_non_null(p1_start(w->s[B].ike, 0, &w->s[B].addr, &nat, "", why));
    world_run(w, 2000);
    assert_int_equal(count_of(&w->s[A], EV_IKE_SKEYID), keys + 1);
    world_snapshot(w, B);
    assert_int_equal(w->s[B].num_info, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(w->s[B].info[i].state, ST_QM_IDLE);
        assert_int_equal(w->s[B].info[i].remote.port, 14500);
    }
    world_free(w);
}

/* Nobody moves an SA who has not its keys; nor one in front of which there is no NAT. */
static void nobody_else_moves_it(void **state)
{
    (void)state;
    struct world *w = begun(12);
    struct addr stranger = addr_v4(0x06060606);
    for (unsigned i = 0; i < w->num_log; i++) { /* all that crossed the wire, from elsewhere */
        if (w->log_from[i] == A) {
            struct endpoint from = {stranger, 4500}, to = {w->s[B].addr, be32(w->log_data[i]) ? 500 : 4500};
            u8 m[2048];
            memcpy(m, w->log_data[i], w->log_len[i]);
            ike_input(w->s[B].ike, m, w->log_len[i], &from, &to);
            m[w->log_len[i] - 1] ^= 1;
            ike_input(w->s[B].ike, m, w->log_len[i], &from, &to);
        }
    }
    world_run(w, 1000);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_NO_SA) >= 2); /* message 3 in clear: its SA does not speak from there */
    world_snapshot(w, B);
    assert_int_equal(w->s[B].info[0].remote.port, 14500);
    assert_int_equal(w->moves, 0);
    world_free(w);
}

/* ---- several behind one NAT ---- */

/* A and C have one address for B, each its own ports. INITIAL-CONTACT of one takes nothing of the other's. */
static void two_behind_one_nat(void **state)
{
    (void)state;
    struct setup a = tunnel(A), b = tunnel(B);
    struct world *w = natted(20, &a, &b);
    world_third(w);
    w->c_behind = true;
    w->nat_ports[C] = 30000;
    struct setup c = tunnel(A);
    c.flow.local = w->s[C].addr;
    c.flow.sel.src.a = addr_v4(0x0a030000);
    b.more[0] = b.flow;
    b.more[0].flow = 8;
    b.more[0].sel.dst.a = addr_v4(0x0a030000);
    b.num_more = 1;
    world_config(w, B, &b);
    world_config(w, C, &c);
    world_acquire(w, A);
    world_run(w, 2000);
    world_acquire(w, C);
    world_run(w, 2000);
    assert_int_equal(w->s[B].num_sas, 4);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[C].num_sas, 2);
    unsigned seen = 0;
    LIST_FOR (it, &w->s[B].ike->children) { /* SPIs are their choice: one cannot name the other's pair by its SPI */
        const struct child *k = CONTAINER_OF(it, struct child, link);
        u16 port = k->remote.port, others = port == 14500 ? 34500 : 14500;
        assert_ptr_equal(child_by_spi(w->s[B].ike, k->spi_out, false, &k->remote.a, port), k);
        assert_null(child_by_spi(w->s[B].ike, k->spi_out, false, &k->remote.a, others));
        assert_null(child_by_spi(w->s[B].ike, k->spi_out, false, &k->remote.a, 0));
        seen++;
    }
    assert_int_equal(seen, 2);
    w->s[C].num_sas = 0; /* C starts again without a word, and greets */
    world_restart(w, C);
    world_config(w, C, &c);
    world_acquire(w, C);
    world_run(w, 2000);
    assert_int_equal(w->s[B].num_sas, 4);
    assert_int_equal(pairs_up(w), 1); /* A's is untouched */
    assert_int_equal(w->s[B].added, 6);
    world_free(w);
}

/* ---- the variants ---- */

static void variants(void **state)
{
    (void)state;
    static const struct {
        u16 vid, tunnel, transport;
    } row[] = {{VB_NATT_RFC, 3, 4}, {VB_NATT_V7, 3, 4}, {VB_NATT_V3, 61443, 61444}, {VB_NATT_V2, 61443, 61444}};
    struct world *w = begun(30);
    u32 later = 0;
    for (unsigned i = ARRAY_LEN(row); i-- > 0;) {
        later |= row[i].vid;
        assert_int_equal(natt_choose(w->s[A].ike, later | VB_DPD), row[i].vid); /* the best of both */
        struct sa_core c = {.natt = row[i].vid, .nat = NAT_US};
        u8 mode = 0;
        assert_int_equal(natt_encaps(&c, MODE_TUNNEL), row[i].tunnel);
        assert_int_equal(natt_encaps(&c, MODE_TRANSPORT), row[i].transport);
        assert_true(natt_mode(&c, row[i].transport, &mode) && mode == MODE_TRANSPORT);
        assert_false(natt_mode(&c, 1, &mode)); /* a NAT stands between: none without UDP */
        c.nat = 0;
        assert_false(natt_mode(&c, row[i].tunnel, &mode)); /* none: none with it */
        assert_true(natt_mode(&c, 1, &mode) && mode == MODE_TUNNEL);
    }
    assert_int_equal(natt_choose(w->s[A].ike, VB_DPD | VB_XAUTH), 0);
    world_free(w);
}

/* What comes by port 4500 without a marker is no IKE, and what is too short for one neither. */
static void without_marker(void **state)
{
    (void)state;
    struct world *w = begun(31);
    struct endpoint from = {addr_v4(nat_addr), 14500}, to = {w->s[B].addr, 4500};
    u8 m[64] = {1, 2, 3, 4};
    unsigned sent = w->sent[B];
    ike_input(w->s[B].ike, m, sizeof m, &from, &to);
    assert_true(saw(&w->s[B], "no marker in front of a message on port 4500"));
    ike_input(w->s[B].ike, m, 3, &from, &to);
    ike_input(w->s[B].ike, m, 0, &from, &to);
    m[0] = 0xff;
    ike_input(w->s[B].ike, m, 1, &from, &to); /* a keepalive: nothing is said */
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_MALFORMED), 3);
    assert_int_equal(w->sent[B], sent);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_to_4500),
        cmocka_unit_test(nothing_changes_without_a_nat),
        cmocka_unit_test(switched_off), cmocka_unit_test(no_ah_through_a_nat),
        cmocka_unit_test(keepalives),
        cmocka_unit_test(aggressive_mode_floats),
        cmocka_unit_test(transport_mode),
        cmocka_unit_test(each_and_any_two_lost),
        cmocka_unit_test(follows_ike),
        cmocka_unit_test(follows_esp),
        cmocka_unit_test(renewed_by_the_outside),
        cmocka_unit_test(nobody_else_moves_it),
        cmocka_unit_test(two_behind_one_nat),
        cmocka_unit_test(variants),
        cmocka_unit_test(without_marker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
