/*
 * frag_test.c: messages in pieces (src/ike/frag.c) as ladders: certificates with so many names that messages 5 and 6 are longer than
 * what most networks carry.
 */
#include "certs.h"
#include "world.h"

#include <stdlib.h>

static struct made *ca, *end[SIDES];

static int make(void **state)
{
    (void)state;
    ca = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "ca", .ca = true}, NULL);
    for (int side = A; side <= B; side++) {
        struct strbuf san = {0};
        sb_addf(&san, "IP:%s", side == A ? "1.1.1.1" : "2.2.2.2");
        for (unsigned i = 0; i < 60; i++) {
            sb_addf(&san, ",DNS:a-rather-long-name-of-number-%u.example.org", i);
        }
        end[side] = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "end", .san = san.s, .serial = 10 + side}, ca);
        sb_free(&san);
    }
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    made_free(ca);
    made_free(end[A]);
    made_free(end[B]);
    return 0;
}

static struct setup with(int side)
{
    struct setup s = setup_default(side);
    struct made *const own[] = {ca, end[side], end[side]};
    s.psk = NULL;
    s.global.frag_off = false;
    s.policy[0] = (struct ike_policy_value){10, ENCR_AES128, HASH_SHA256, IKE_AUTH_ECDSA_256, 19, 86400};
    struct ike_msg *m = &s.other[s.num_other++];
    m->type = IKE_CFG_TRUST;
    m->u.trust.none = true;
    str_copy(m->u.trust.name, sizeof m->u.trust.name, "T");
    static const u16 what[] = {PKI_CA, PKI_OWN, PKI_KEY};
    for (unsigned i = 0; i < 3; i++) {
        s.part[i].what = what[i];
        s.part[i].p = i == 2 ? own[i]->secret : own[i]->der;
        s.part[i].len = i == 2 ? own[i]->secret_len : own[i]->len;
    }
    s.num_parts = 3;
    return s;
}

static void in_pieces(void **state)
{
    (void)state;
    for (unsigned off = 0; off < 3; off++) { /* both speak of it; A does not; B does not */
        struct setup a = with(A), b = with(B);
        a.global.frag_off = off == 1;
        b.global.frag_off = off == 2;
        struct world *w = world_at(CERTS_NOW, 1, &a, &b);
        world_acquire(w, A);
        world_run(w, 2000);
        assert_int_equal(pairs_up(w), 1);
        unsigned pieces = 0, longest = 0;
        for (unsigned i = 0; i < w->num_log; i++) {
            pieces += w->log_data[i][16] == PL_FRAGMENT;
            longest = MAX(longest, (unsigned)w->log_len[i]);
        }
        if (off) {
            assert_int_equal(pieces, 0);
            assert_true(longest > 2000);
        } else {
            assert_true(pieces >= 4);
            assert_int_equal(longest, FRAG_MAX_BYTES);
        }
        assert_true(list_empty(&w->s[A].ike->frags) && list_empty(&w->s[B].ike->frags));
        world_free(w);
    }
}

/* The first answer of aggressive mode says that B takes pieces and comes in pieces. Whoever never said so himself takes none. */
static void an_answer_in_pieces(void **state)
{
    (void)state;
    struct setup a = with(A), b = with(B);
    struct ike_msg *m = &a.other[a.num_other++];
    m->type = IKE_CFG_PEER;
    m->u.peer = (struct ike_peer_value){.peer = a.flow.peer[0], .aggressive = true};
    struct world *w = world_at(CERTS_NOW, 1, &a, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    unsigned answer = 0;
    for (unsigned i = 0; i < w->num_log; i++) {
        answer += w->log_data[i][16] == PL_FRAGMENT && w->log_data[i][18] == XCH_AGGRESSIVE;
        assert_true(w->log_len[i] <= FRAG_MAX_BYTES || w->log_data[i][18] == XCH_AGGRESSIVE);
    }
    assert_true(answer >= 2);
    world_free(w);
}

static void each_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct setup a = with(A), b = with(B);
        struct world *w = world_at(CERTS_NOW, 20 + i, &a, &b);
        struct lose l = {1ull << i, 0};
        w->net = lose_some;
        w->ctx = &l;
        world_acquire(w, A);
        world_run(w, 30000);
        if (pairs_up(w) != 1) {
            fail_msg("lost %u: %s %s", i, w->s[A].syslog.s, w->s[B].syslog.s);
        }
        world_free(w);
    }
}

static struct fate backwards(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)from, (void)len;
    bool piece = data[16] == PL_FRAGMENT;
    u64 late = piece ? 500 - data[34] * 20u : 10;
    (void)w, (void)number;
    return (struct fate){piece ? 2 : 1, {late, late + 7}};
}

/* the last piece first, and each twice */
static void backwards_and_twice(void **state)
{
    (void)state;
    struct setup a = with(A), b = with(B);
    struct world *w = world_at(CERTS_NOW, 40, &a, &b);
    w->net = backwards;
    world_acquire(w, A);
    world_run(w, 30000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].added, 2);
    world_free(w);
}

static void through_a_nat(void **state)
{
    (void)state;
    struct setup a = with(A), b = with(B);
    b.flow.peer[0] = addr_v4(0x09090909);
    struct prefix x = {addr_v4(0x0a010000), 24}, y = {addr_v4(0x0a020000), 24};
    a.flow.sel.src = b.flow.sel.dst = x, a.flow.sel.dst = b.flow.sel.src = y;
    a.global.self = (struct ike_self){.type = IKE_SELF_FQDN, .said = true};
    str_copy(a.global.self.text, sizeof a.global.self.text, "a-rather-long-name-of-number-7.example.org");
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, 41);
    w->natt = true;
    world_restart(w, A);
    world_restart(w, B);
    w->wall_s = CERTS_NOW;
    w->nat = b.flow.peer[0];
    w->nat_ports[A] = 10000;
    world_config(w, A, &a);
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1); /* message 5 came in pieces by another port, each with the marker */
    world_free(w);
}

static size_t piece(u8 *out, const u8 *like, u16 id, u8 number, u8 last, size_t n)
{
    struct wr w = wr_init(out, 2000);
    wr_bytes(&w, like, 16);
    wr_u8(&w, PL_FRAGMENT), wr_u8(&w, 0x10), wr_u8(&w, XCH_MAIN), wr_u8(&w, 0), wr_u32(&w, 0);
    wr_u32(&w, (u32)(36 + n));
    wr_u8(&w, 0), wr_u8(&w, 0), wr_u16(&w, (u16)(8 + n));
    wr_u16(&w, id), wr_u8(&w, number), wr_u8(&w, last);
    for (size_t i = 0; i < n; i++) {
        wr_u8(&w, (u8)i);
    }
    return wr_len(&w);
}

/* Strange pieces: of nobody, of no size, of a number that cannot be, too many, too long, some that overlap: all are refused, nothing
 * stays for long, and nothing grows. */
static void strange_pieces(void **state)
{
    (void)state;
    struct setup a = with(A), b = with(B);
    struct world *w = world_at(CERTS_NOW, 42, &a, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    struct side *s = &w->s[B];
    const u8 *like = w->log_data[w->num_log - 1];
    u8 m[2048];
    static const struct {
        u8 number, last;
        u16 n;
        enum ev_id what;
    } row[] = {{0, 0, 10, EV_IKE_FAIL_MALFORMED}, {25, 0, 10, EV_IKE_FAIL_MALFORMED}, {1, 0, 0, EV_IKE_FAIL_MALFORMED}};
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u64 before = count_of(s, row[i].what);
        send_raw(w, B, m, piece(m, like, 7, row[i].number, row[i].last, row[i].n));
        assert_int_equal(count_of(s, row[i].what), before + 1);
    }
    u64 limit = count_of(s, EV_IKE_FAIL_LIMIT);
    send_raw(w, B, m, piece(m, like, 8, 2, 1, 10));
    send_raw(w, B, m, piece(m, like, 8, 3, 0, 10)); /* behind the last one */
    assert_int_equal(count_of(s, EV_IKE_FAIL_LIMIT), ++limit);
    send_raw(w, B, m, piece(m, like, 9, 2, 0, 10));
    send_raw(w, B, m, piece(m, like, 9, 2, 0, 11)); /* another one of that number */
    assert_int_equal(count_of(s, EV_IKE_FAIL_LIMIT), ++limit);
    for (u8 i = 1; i <= 8; i++) {
        send_raw(w, B, m, piece(m, like, 10, i, 0, 1200)); /* more than a message can have */
    }
    assert_int_equal(count_of(s, EV_IKE_FAIL_LIMIT), ++limit);
    u64 stray = count_of(s, EV_IKE_FAIL_NO_SA);
    for (u32 i = 0; i < 5000; i++) {
        size_t n = piece(m, like, (u16)i, 1, 0, 1000);
        put32(m, i + 1);
        send_raw(w, B, m, n);
    }
    assert_int_equal(count_of(s, EV_IKE_FAIL_NO_SA), stray + 5000);
    for (u32 i = 0; i < 5000; i++) { /* of a negotiation that exists: one message at a time */
        send_raw(w, B, m, piece(m, like, (u16)i, 1, 0, 1000));
    }
    unsigned kept = 0;
    LIST_FOR (it, &s->ike->frags) {
        kept++;
    }
    assert_int_equal(kept, 1);
    u8 inner[256];
    size_t in = piece(inner, like, 13, 1, 0, 100), n = piece(m, like, 12, 1, 1, in);
    memcpy(m + 36, inner, in); /* a piece within a piece */
    u64 malformed = count_of(s, EV_IKE_FAIL_MALFORMED);
    send_raw(w, B, m, n);
    assert_int_equal(count_of(s, EV_IKE_FAIL_MALFORMED), malformed + 1);
    world_run(w, 40000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_pieces), cmocka_unit_test(an_answer_in_pieces), cmocka_unit_test(each_lost),      cmocka_unit_test(backwards_and_twice),
        cmocka_unit_test(through_a_nat), cmocka_unit_test(strange_pieces),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
