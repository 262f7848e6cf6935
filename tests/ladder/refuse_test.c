/*
 * refuse_test.c: messages changed on their way, so that each remaining reason of ike/reason.h is
 * met once; and the shapes of proxy identities, keys and addresses that a negotiation must get
 * right.
 */
#include "world.h"

#include <stdlib.h>

struct change {
    int from;
    unsigned number;
    void (*edit)(u8 *m, size_t len);
    bool done;
};

/* the datagram reaches the other side changed, and then as it was sent */
static struct fate edited(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    struct change *c = w->ctx;
    if (from == c->from && number == c->number && !c->done) {
        u8 copy[4096];
        memcpy(copy, data, len);
        c->edit(copy, len);
        c->done = true;
        send_raw(w, !from, copy, len);
    }
    return (struct fate){1, {10}};
}

static struct world *with_edit(int from, unsigned number, void (*edit)(u8 *m, size_t len))
{
    struct world *w = world_pair(31);
    struct change c = {from, number, edit, false};
    w->net = edited;
    w->ctx = &c;
    world_acquire(w, A);
    world_run(w, 3000);
    assert_true(c.done);
    assert_int_equal(pairs_up(w), 1); /* the forged copy did no harm */
    w->ctx = NULL;
    return w;
}

static void other_hash_attr(u8 *m, size_t len)
{
    for (size_t i = 28; i + 4 < len; i++) {
        if (memcmp(m + i, "\x80\x02\x00\x01", 4) == 0) {
            m[i + 3] = 2; /* MD5 becomes SHA */
            return;
        }
    }
}
static void other_cipher_attr(u8 *m, size_t len)
{
    for (size_t i = 28; i + 4 <= len; i++) {
        if (memcmp(m + i, "\x80\x01\x00\x01", 4) == 0) {
            m[i + 3] = 5; /* DES becomes 3DES */
            return;
        }
    }
    fail_msg("no cipher");
}
static void surplus_attr(u8 *m, size_t len)
{
    for (size_t i = 28; i + 4 <= len; i++) {
        if (memcmp(m + i, "\x80\x0b\x00\x01", 4) == 0) {
            m[i + 1] = 13; /* the kind of life becomes a PRF */
            return;
        }
    }
    fail_msg("no life type");
}
static void zero_ke(u8 *m, size_t len)
{
    (void)len, memset(m + 32, 0, 128);
}
static void no_sa(u8 *m, size_t len)
{
    (void)len, m[16] = PL_VID;
}
static void in_clear(u8 *m, size_t len)
{
    (void)len, m[19] = 0;
}

static void each_reason(void **state)
{
    (void)state;
    struct world *w =
        with_edit(B, 0, other_hash_attr); /* <-- HDR, SA with a transform that was not offered */
    assert_true(saw(&w->s[A], "%CRYPTO-6-IKMP_SA_NOT_OFFERED: Remote peer 2.2.2.2 responded with "
                              "attribute Hash algorithm "
                              "not offered or changed"));
    world_free(w);
    w = with_edit(B, 0, other_cipher_attr);
    assert_true(saw(&w->s[A], "responded with attribute Encryption algorithm not offered"));
    world_free(w);
    w = with_edit(A, 0, surplus_attr);
    assert_true(saw(&w->s[B], "none of it"));
    world_free(w);
    w = with_edit(A, 1, zero_ke); /* HDR, KE = 0, Ni --> */
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_KEY_EXCHANGE), 1);
    assert_true(saw(&w->s[B], "group 2 wants 128 in 2..p-2"));
    world_free(w);
    w = with_edit(A, 0, no_sa); /* HDR, VID --> */
    assert_true(saw(&w->s[B], "SA payload is missing"));
    world_free(w);
    w = with_edit(A, 2, in_clear); /* HDR, IDii, HASH_I --> without its star */
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_NOT_ENCRYPTED), 1);
    world_free(w);
}

static void late_messages(void **state)
{
    (void)state;
    struct world *w = world_pair(32);
    world_acquire(w, A);
    world_run(w, 3000);
    u8 m[2048];
    memcpy(m, w->log_data[2], w->log_len[2]); /* HDR, KE, Ni, a bit changed, when all is done */
    m[40] ^= 1;
    send_raw(w, B, m, w->log_len[2]);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_UNEXPECTED), 1);
    assert_true(saw(&w->s[B], "main mode message in state IKE_P1_COMPLETE"));
    send_raw(w, B, w->log_data[2], w->log_len[2]);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_REPLAYED), 1);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    send_raw(w, B, w->log_data[4], w->log_len[4]);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_STALE), 1);
    world_free(w);
}

static void are_you_there(void **state)
{
    (void)state;
    struct world *w = world_pair(33);
    world_acquire(w, A);
    world_run(w, 3000);
    struct ike_sa *sa = sa_usable(w->s[A].ike, NULL, &w->s[B].addr);
    u8 spi[16];
    memcpy(spi, sa->c.cookie_i, 8);
    memcpy(spi + 8, sa->c.cookie_r, 8);
    /* HDR*, HASH(1), N(R-U-THERE) -->  <-- HDR*, HASH(1), N(R-U-THERE-ACK) */
    info_notify(w->s[A].ike, sa, PROTO_ISAKMP, NTF_R_U_THERE, spi, 16, (const u8[]){0, 0, 1, 2}, 4);
    world_run(w, 1000);
    assert_non_null(
        strstr(w->s[B].debug.s, "DPD/R_U_THERE received from peer 1.1.1.1, sequence 0x102"));
    assert_non_null(strstr(w->s[A].debug.s, "processing NOTIFY R_U_THERE_ACK protocol 1"));
    sa->live.sent = 1; /* the answer carries the number of the question, and of no other */
    sa->live.seq = 0x30201;
    u8 seq[4] = {0, 3, 2, 1};
    info_notify(w->s[A].ike, sa, PROTO_ISAKMP, NTF_R_U_THERE, spi, 16, seq, 4);
    world_run(w, 1000);
    assert_int_equal(sa->live.sent, 0);
    world_free(w);
}

/* Who begins aggressive mode is told that we do not speak it: less than he sent, so often in a second,
 * and nothing is kept. */
static void aggressive_mode_is_answered_no(void **state)
{
    (void)state;
    struct world *w = world_pair(37);
    u8 m[400] = {0};
    put64(m, 0x1122334455667788);
    memcpy(m + 16, (u8[]){PL_SA, 0x10, XCH_AGGRESSIVE, 0}, 4);
    put32(m + 24, sizeof m);
    send_raw(w, B, m, sizeof m);
    assert_int_equal(w->sent[B], 1);
    assert_int_equal(w->log_len[0], 40);
    const u8 *no = w->log_data[0];
    assert_memory_equal(no, m, 16); /* his cookie, and none of ours */
    assert_int_equal(no[18], XCH_INFO);
    assert_int_equal(no[19], 0);
    assert_int_equal(be16(no + 38), NTF_INVALID_EXCHANGE_TYPE);
    w->now += 1000;
    unsigned sent = w->sent[B];
    struct strange {
        u8 exchange, flags, cookie_r;
        u32 len;
    } strange[] = {{XCH_AGGRESSIVE, FL_ENCRYPTED, 0, 400}, {XCH_AGGRESSIVE, 0, 1, 400},
                   {XCH_AGGRESSIVE, 0, 0, 39},             {XCH_INFO, 0, 0, 400},
                   {XCH_QUICK, FL_ENCRYPTED, 0, 400}};
    for (unsigned i = 0; i < ARRAY_LEN(strange); i++) { /* what begins nothing is not answered */
        m[18] = strange[i].exchange;
        m[19] = strange[i].flags;
        m[15] = strange[i].cookie_r;
        put32(m + 24, strange[i].len);
        send_raw(w, B, m, strange[i].len);
        assert_int_equal(w->sent[B], sent);
    }
    memcpy(m + 16, (u8[]){PL_SA, 0x10, XCH_AGGRESSIVE, 0}, 4);
    m[15] = 0;
    put32(m + 24, sizeof m);
    for (u32 i = 0; i < 5000; i++) {
        struct addr a = addr_v4(0x0a000000 + i);
        put32(m, i);
        send_from(w, B, &a, m, sizeof m);
    }
    assert_int_equal(w->sent[B] - sent, NOTIFIES_PER_S);
    assert_true(list_empty(&w->s[B].ike->sas));
    assert_int_equal(w->s[B].ike->num_half_open, 0);
    w->now += 1000;
    send_raw(w, B, m, sizeof m);
    assert_int_equal(w->sent[B] - sent, NOTIFIES_PER_S + 1);
    w->s[A].log.mask = EVC_LOG;
    send_from(w, A, &w->s[B].addr, no, 40); /* and nobody answers the answer */
    assert_int_equal(w->sent[A], 0);
    world_free(w);
}

/* ---- what a peer says before phase 1 is done ---- */

/* early_info: HDR*, HASH(1), N as a daemon sends it that could not take message 5: under B's keys,
 * the IV following message 5 */
static size_t early_info(struct world *w, u16 type, bool forged, u8 *out)
{
    static struct draft d;
    struct ike_sa *sa = CONTAINER_OF(w->s[B].ike->sas.next, struct ike_sa, link);
    struct xch x = {.c = {.exchange = XCH_INFO, .msgid = 0x11223344}};
    struct info n = {.proto = PROTO_ISAKMP, .type = type};
    const u8 *mm5 = w->log_data[4];
    assert_int_equal(mm5[19], FL_ENCRYPTED);
    secret_set(&sa->main.c.iv, mm5 + w->log_len[4] - 8, 8);
    draft_init(&d, sa, &x);
    assert_true(info_out(w->s[B].ike, sa, &d, &n));
    d.buf[40] ^= forged; /* a byte of the hash */
    isakmp_out_pad(&d.out, 8);
    assert_true(isakmp_out_finish(&d.out));
    size_t len = wr_len(&d.out.w);
    assert_true(ike_cbc(sa->c.encr, true, sa->c.key.b, d.x.iv.b, d.buf + 28, len - 28));
    memcpy(out, d.buf, len);
    return len;
}

static void early(const char *psk, u16 type, bool forged, const char *line)
{
    u8 m[512];
    struct world *w = world_pair(37);
    struct setup b = setup_default(B);
    b.psk = psk;
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 45); /* HDR*, IDii, HASH_I --> is under way */
    assert_int_equal(w->num_log, 5);
    struct ike_sa *sa = CONTAINER_OF(w->s[A].ike->sas.next, struct ike_sa, link);
    struct sa_core before = sa->c;
    size_t len = early_info(w, type, forged, m);
    send_raw(w, A, m, len);
    if (!saw(&w->s[A], line)) {
        fail_msg("wanted \"%s\" in: %s", line, w->s[A].syslog.s ? w->s[A].syslog.s : "(nothing)");
    }
    assert_memory_equal(&before, &sa->c, sizeof before); /* told, and no more */
    assert_int_equal(sa->main.c.state, XS_I_MM5);
    world_free(w);
}

static void a_reason_before_phase_1_is_done(void **state)
{
    (void)state;
    early("MY_K3Y", NTF_AUTHENTICATION_FAILED, false,
          "the peer says AUTHENTICATION_FAILED (protected, but not authenticated: likely)");
    early("MY_K3Y", NTF_AUTHENTICATION_FAILED, true,
          "a protected notification that our keys do not open");
    early("another", NTF_PAYLOAD_MALFORMED, false,
          "a protected notification that our keys do not open; do the pre-shared keys differ?");
    /* and a peer that says nothing, as ours with another key: told with the first retransmission */
    struct world *w = world_pair(38);
    struct setup b = setup_default(B);
    b.psk = "another";
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 11000);
    assert_true(saw(&w->s[A], "no answer to message 5, which proves who we are; do the pre-shared "
                              "keys differ?"));
    world_free(w);
}

/* a peer that does what we refuse, again and again: the line stands once */
static void a_refusal_is_said_once(void **state)
{
    (void)state;
    struct world *w = world_pair(39);
    u8 m[64] = {1, 2, 3, 4,    5, 6, 7, 8, 0, 0, 0, 0, 0, 0,
                0, 0, 1, 0x10, 4, 0, 0, 0, 0, 0, 0, 0, 0, 64};
    for (unsigned i = 0; i < 5; i++) {
        send_raw(w, B, m, 64); /* aggressive mode */
        world_run(w, 5000);
    }
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_EXCHANGE), 5);
    const char *first = strstr(w->s[B].syslog.s, "aggressive mode");
    assert_true(first && !strstr(first + 1, "aggressive mode"));
    struct setup b = setup_default(B);
    b.policy[0].encr = ENCR_AES128;
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 55000);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_NO_PROPOSAL) >= 5);
    first = strstr(w->s[B].syslog.s, "offered DES, policy 10 wants AES 128");
    assert_true(first && !strstr(first + 1, "offered DES"));
    world_free(w);
}

/* ---- proxies, keys, addresses ---- */

static struct prefix net(const char *text, u8 len)
{
    struct prefix p = {.len = len};
    assert_true(addr_parse(&p.a, text));
    return p;
}

static unsigned negotiate(const struct setup *a, const struct setup *b, int who)
{
    struct world *w = world_pair(34);
    world_config(w, A, a);
    world_config(w, B, b);
    world_acquire(w, who);
    world_run(w, 3000);
    unsigned n = pairs_up(w);
    world_free(w);
    return n;
}

static void proxy_shapes(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = setup_default(B);
    a.flow.tunnel_if = b.flow.tunnel_if = a.flow.any_mode = b.flow.any_mode = false;
    /* a crypto map: subnets, and a TCP port on the far side */
    a.flow.sel =
        (struct selector){.src = net("10.1.0.0", 16), .dst = net("10.2.3.0", 24), .proto = 6,
                          .sport_hi = 0xffff, .dport_lo = 443, .dport_hi = 443};
    b.flow.sel = selector_mirror(&a.flow.sel);
    assert_int_equal(negotiate(&a, &b, A), 1);
    assert_int_equal(negotiate(&a, &b, B), 1);
    /* a part of the other end's line is refused as more than it is, whoever begins: a flow has one
     * pair */
    b.flow.sel = selector_mirror(
        &(struct selector){.src = net("10.1.0.0", 16), .dst = net("10.2.0.0", 16),
                           .sport_hi = 0xffff, .dport_hi = 0xffff});
    assert_int_equal(negotiate(&a, &b, A), 0);
    assert_int_equal(negotiate(&a, &b, B), 0);
    /* a VTI: any to any */
    a.flow.sel = b.flow.sel = selector_any(AF_V4);
    a.flow.tunnel_if = b.flow.tunnel_if = true;
    assert_int_equal(negotiate(&a, &b, B), 1);
    /* IPv6 inside */
    a.flow.sel = (struct selector){.src = net("2001:db8:1::", 48), .dst = net("2001:db8:2::", 64),
                                   .sport_hi = 0xffff, .dport_hi = 0xffff};
    b.flow.sel = selector_mirror(&a.flow.sel);
    assert_int_equal(negotiate(&a, &b, A), 1);
    /* modes: a responder that wants one gets that one; any_mode takes both */
    a.flow.transform[0].mode = MODE_TRANSPORT;
    assert_int_equal(negotiate(&a, &b, A), 0);
    b.flow.any_mode = true;
    assert_int_equal(negotiate(&a, &b, A), 1);
}

static void ipv6_outside(void **state)
{
    (void)state;
    struct world *w = world_pair(35);
    struct addr a6 = net("2001:db8::a", 128).a, b6 = net("2001:db8::b", 128).a;
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        s.flow.local = i == A ? a6 : b6;
        s.flow.peer[0] = i == A ? b6 : a6;
        s.flow.sel.src = prefix_host(&s.flow.local);
        s.flow.sel.dst = prefix_host(&s.flow.peer[0]);
        w->s[i].addr = s.flow.local;
        s.psk = NULL;
        world_config(w, i, &s);
        struct ike_msg m = {.type =
                                IKE_CFG_BEGIN}; /* the same with a key for the other end's /64 */
        ike_ctl(w->s[i].ike, &m);
        m = (struct ike_msg){.type = IKE_CFG_POLICY, .u.policy = s.policy[0]};
        ike_ctl(w->s[i].ike, &m);
        m = (struct ike_msg){.type = IKE_CFG_PSK, .u.psk.peer = net("2001:db8::", 64)};
        secret_set(&m.u.psk.key, "six", 3);
        ike_ctl(w->s[i].ike, &m);
        m = (struct ike_msg){.type = IKE_CFG_FLOW, .u.flow = s.flow};
        ike_ctl(w->s[i].ike, &m);
        ike_ctl(w->s[i].ike, &(struct ike_msg){.type = IKE_CFG_COMMIT});
    }
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

static void longest_key_wins(void **state)
{
    (void)state;
    struct world *w = world_pair(36);
    struct ike *ike = w->s[A].ike;
    struct ike_msg m = {.type = IKE_CFG_BEGIN};
    static const struct {
        const char *net;
        u8 len;
        const char *key;
    } keys[] = {{"10.0.0.0", 8, "eight"},
                {"0.0.0.0", 0, "any"},
                {"10.1.2.3", 32, "host"},
                {"10.1.0.0", 16, "sixteen"}};
    static const struct {
        const char *peer, *key;
    } want[] = {
        {"10.1.2.3", "host"}, {"10.1.9.9", "sixteen"}, {"10.9.9.9", "eight"}, {"192.0.2.1", "any"}};
    ike_ctl(ike, &m);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        m = (struct ike_msg){.type = IKE_CFG_PSK, .u.psk.peer = net(keys[i].net, keys[i].len)};
        secret_set(&m.u.psk.key, keys[i].key, strlen(keys[i].key));
        ike_ctl(ike, &m);
    }
    ike_ctl(ike, &(struct ike_msg){.type = IKE_CFG_COMMIT});
    for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
        struct addr a = net(want[i].peer, 32).a;
        const struct ike_psk_value *k = psk_find(ike, &a);
        assert_non_null(k);
        assert_memory_equal(k->key.b, want[i].key, k->key.len);
    }
    struct addr six = net("2001:db8::1", 128).a;
    assert_null(psk_find(ike, &six));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason),
        cmocka_unit_test(late_messages),
        cmocka_unit_test(are_you_there),
        cmocka_unit_test(aggressive_mode_is_answered_no),
        cmocka_unit_test(a_reason_before_phase_1_is_done),
        cmocka_unit_test(a_refusal_is_said_once),
        cmocka_unit_test(proxy_shapes),
        cmocka_unit_test(ipv6_outside),
        cmocka_unit_test(longest_key_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
