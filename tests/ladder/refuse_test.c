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
static void surplus_payload(u8 *m, size_t len)
{
    (void)len, m[28 + be16(m + 30)] = PL_HASH; /* the vendor id behind KE and NONCE */
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
    w = with_edit(A, 1, surplus_payload);
    assert_true(saw(&w->s[B], "HASH payload has no place here"));
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

/* ---- a peer that has the keys and says something else ---- */

struct liar {
    int from;
    u8 exchange; /* whose first encrypted message is changed */
    bool (*edit)(u8 *plain, size_t len);
    unsigned skip; /* so many of them are not */
    bool done;
};

static struct ike_sa *newest_sa(struct world *w, int side)
{
    return CONTAINER_OF(w->s[side].ike->sas.prev, struct ike_sa, link);
}

/* iv_of: what the message in the log was encrypted from */
static void iv_of(struct secret *iv, struct world *w, const struct ike_sa *sa, const u8 *m)
{
    const u8 *before = w->log_data[w->num_log - 2];
    if (m[18] == XCH_MAIN) {
        struct xch_core x = {.talk = *sa->main.talk};
        keys_iv_phase1(iv, &sa->c, &x);
    } else if (before[18] == m[18] && be32(before + 20) == be32(m + 20)) {
        size_t n = encr_row(sa->c.encr)->block;
        secret_set(iv, before + w->log_len[w->num_log - 2] - n, n);
    } else {
        keys_iv_phase2(iv, &sa->c, &sa->main.c.iv, be32(m + 20));
    }
}

/* lies: the message is opened, changed, hashed (unless it has nothing but a hash) and encrypted again, with
 * the keys of who sends it */
static struct fate lies(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    struct liar *c = w->ctx;
    (void)number;
    if (from != c->from || data[18] != c->exchange || c->done || !(data[19] & FL_ENCRYPTED)) {
        return (struct fate){1, {10}};
    }
    if (c->skip) {
        c->skip--;
        return (struct fate){1, {10}};
    }
    const struct ike_sa *sa = newest_sa(w, from);
    struct secret first, iv;
    u8 m[2048];
    c->done = true;
    memcpy(m, data, len);
    iv_of(&first, w, sa, data);
    iv = first;
    assert_true(ike_cbc(sa->c.encr, false, sa->c.key.b, iv.b, m + 28, len - 28));
    assert_true(c->edit(m + 28, len - 28));
    if (data[18] == XCH_QUICK && m[28]) {
        size_t hash = be16(m + 30), end = 28;
        for (u8 next = m[16]; next; end += be16(m + end + 2)) {
            next = m[end];
        }
        const struct xch *x = xch_find(sa, be32(m + 20));
        keys_hash_phase2(m + 32, &sa->c, be32(m + 20), from == A ? NULL : &x->talk->ni, m + 28 + hash,
                         end - 28 - hash);
    }
    iv = first;
    assert_true(ike_cbc(sa->c.encr, true, sa->c.key.b, iv.b, m + 28, len - 28));
    if (data[18] == XCH_QUICK) {
        xch_find(sa, be32(m + 20))->c.iv = iv; /* where its next message goes on */
    }
    send_raw(w, !from, m, len);
    return (struct fate){0, {0}};
}

static bool replace(u8 *p, size_t len, const void *old, const void *new, size_t n)
{
    u8 *at = memmem(p, len, old, n);
    if (at) {
        memcpy(at, new, n);
    }
    return at != NULL;
}

static bool another_proxy(u8 *p, size_t len)
{
    return replace(p, len, "\x01\x2f\x00\x00\x02\x02\x02\x02", "\x01\x2f\x00\x00\x02\x02\x02\x03",
                   8);
}
static bool another_protocol(u8 *p, size_t len)
{
    return replace(p, len, "\x01\x2f\x00\x00\x02\x02\x02\x02", "\x01\x06\x00\x00\x02\x02\x02\x02",
                   8);
}
static bool another_mode(u8 *p, size_t len)
{
    return replace(p, len, "\x80\x04\x00\x01", "\x80\x04\x00\x02", 4);
}
static bool extended_numbers(u8 *p, size_t len) /* instead of the life in seconds */
{
    return replace(p, len, "\x80\x02", "\x80\x0b", 2);
}
static bool life_of_zero(u8 *p, size_t len)
{
    return replace(p, len, "\x00\x02\x00\x04\x00\x00\x02\x58", "\x00\x02\x00\x04\x00\x00\x00\x00",
                   8);
}
static bool another_contact(u8 *p, size_t len) /* INITIAL-CONTACT, of other cookies */
{
    u8 *at = memmem(p, len, "\x01\x10\x60\x02", 4);
    if (at) {
        at[4] ^= 1;
    }
    return at != NULL;
}
static bool another_hash(u8 *p, size_t len)
{
    (void)len, p[4] ^= 1;
    return true;
}
static bool as_it_was(u8 *p, size_t len)
{
    (void)p, (void)len;
    return true;
}

/* lied: the world a second after the lie */
static struct world *lied(int from, u8 exchange, unsigned skip, bool (*edit)(u8 *p, size_t len))
{
    struct world *w = world_pair(38);
    struct setup b = setup_default(B);
    b.flow.life_s = 600; /* shorter than A's: RESPONDER-LIFETIME is said */
    world_config(w, B, &b);
    struct liar c = {.from = from, .exchange = exchange, .skip = skip, .edit = edit};
    w->net = lies;
    w->ctx = &c;
    world_acquire(w, A);
    world_run(w, 1000);
    assert_true(c.done);
    w->ctx = NULL;
    return w;
}

static void what_was_not_offered_is_not_taken(void **state)
{
    (void)state;
    static const struct {
        bool (*edit)(u8 *p, size_t len);
        int from;
        const char *said;
    } rows[] = {{another_proxy, B, "answered proxies 1.1.1.1"},
                {another_mode, B, "offered transport mode, transform set TS wants tunnel mode"},
                {another_protocol, A, "wanted one protocol and family"},
                {extended_numbers, A, "offered attribute 11"}};
    struct world *w = lied(B, XCH_QUICK, 0, as_it_was);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        w = lied(rows[i].from, XCH_QUICK, 0, rows[i].edit);
        assert_true(saw(&w->s[!rows[i].from], rows[i].said));
        assert_int_equal(w->s[!rows[i].from].added, 0);
        world_free(w);
    }
}

/* the third message of quick mode says that the initiator lives and has the keys: nothing is sent before */
static void a_third_message_with_another_hash(void **state)
{
    (void)state;
    struct world *w = lied(A, XCH_QUICK, 1, as_it_was);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
    w = lied(A, XCH_QUICK, 1, another_hash);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_HASH), 1);
    assert_int_equal(w->s[B].num_sas, 1);
    assert_int_equal(w->s[B].sa[0].dir, SA_IN);
    world_free(w);
}

/* RESPONDER-LIFETIME of nothing: the shortest life there is */
static void a_life_of_zero_is_a_short_one(void **state)
{
    (void)state;
    struct world *w = lied(B, XCH_QUICK, 0, life_of_zero);
    assert_int_equal(pairs_up(w), 1);
    for (unsigned i = 0; i < w->s[A].num_sas; i++) {
        assert_int_equal(w->s[A].sa[i].hard_s, P2_LIFE_MIN_S);
    }
    world_free(w);
}

/* HASH_I does not cover what stands beside it: a notification that is not about this SA spoils all */
static void a_foreign_notify_beside_the_identity(void **state)
{
    (void)state;
    struct world *w = lied(A, XCH_MAIN, 0, as_it_was);
    assert_int_equal(count_of(&w->s[B], EV_IKE_AUTHENTICATED), 1);
    world_free(w);
    w = lied(A, XCH_MAIN, 0, another_contact);
    assert_int_equal(count_of(&w->s[B], EV_IKE_AUTHENTICATED), 0);
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), 0);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_HASH), 1);
    world_free(w);
}

/* hash_last: a Delete that stands before the hash, so that the hash does not cover it */
static bool hash_last(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    u8 hash[HASH_MAX], spi[16];
    (void)ike, (void)arg;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    memcpy(spi, sa->c.cookie_i, 8);
    memcpy(spi + 8, sa->c.cookie_r, 8);
    draft_hdr(d, true);
    isakmp_out_delete(&d->out, PROTO_ISAKMP, 16, spi, 1);
    keys_hash_phase2(hash, &d->sa, d->x.msgid, NULL, NULL, 0);
    isakmp_out_payload(&d->out, PL_HASH, hash, hash_row(d->sa.hash)->len);
    return !d->out.w.bad;
}

static void the_hash_stands_first(void **state)
{
    (void)state;
    struct world *w = world_pair(34);
    world_acquire(w, A);
    world_run(w, 3000);
    struct ike *ike = w->s[A].ike;
    struct ike_sa *sa = newest_sa(w, A);
    struct xch *x = xch_new(ike, sa, exchange_of(sa->version, XCH_INFO), msgid_new(ike, sa), true);
    assert_true(engine_start(ike, sa, x, hash_last, NULL, XS_INFO, TM_NONE));
    xch_free(ike, x);
    world_run(w, 1000);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DELETE_RX), 0);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_PAYLOADS), 1);
    assert_true(saw(&w->s[B], "the first payload is DELETE, wanted HASH"));
    assert_false(newest_sa(w, B)->deleted);
    world_free(w);
}

/* ESP and AH together (two proposals of one number, RFC 2408 4.2) are not ESP alone */
static void esp_with_ah_is_not_esp(void **state)
{
    (void)state;
    struct world *w = world_pair(35);
    struct ike_flow_value f = setup_default(B).flow;
    struct isakmp_hdr h = {.exchange = XCH_QUICK, .msgid = 5, .cookie_i = {1}};
    struct ike_sa *sa = sa_new(w->s[B].ike, &(struct endpoint){w->s[B].addr, 500},
                               &(struct endpoint){w->s[A].addr, 500});
    static struct draft d;
    for (u8 second = 1; second <= 2; second++) {
        struct isakmp_out o;
        struct isakmp_prop_out p;
        struct isakmp_msg m;
        struct p2_choice c;
        u8 buf[512];
        isakmp_out_init(&o, buf, sizeof buf, &h);
        isakmp_out_sa(&o);
        for (u8 i = 0; i < 2; i++) {
            isakmp_out_proposal(&o, &p, i ? second : 1, i ? PROTO_AH : PROTO_ESP,
                                (const u8[]){9, 9, 9, 9}, 4);
            isakmp_out_transform(&o, &p, i ? 2 : (u8)encr_row(f.transform[0].encr)->esp_id);
            isakmp_out_attr(&o.w, P2_ENCAPS, MODE_TUNNEL);
            isakmp_out_attr(&o.w, P2_AUTH, hash_row(f.transform[0].auth)->auth_id);
            isakmp_out_transform_end(&o, &p);
            isakmp_out_proposal_end(&o, &p, i == 1);
        }
        isakmp_out_end(&o);
        assert_true(isakmp_out_finish(&o));
        struct isakmp_hdr got;
        assert_int_equal(isakmp_hdr_read(&got, buf, wr_len(&o.w)).reason, IW_OK);
        assert_int_equal(isakmp_decode(&m, &got, buf, wr_len(&o.w), 0).reason, IW_OK);
        assert_int_equal(m.sa.num_proposals, 2);
        assert_int_equal(p2_select(w->s[B].ike, sa, &f, &m, &c, &d), second == 2);
    }
    sa_free(w->s[B].ike, sa);
    world_free(w);
}

/* The transform of AH and its Authentication-Algorithm attribute say the same (RFC 2407 4.4.3). */
static void ah_says_one_thing(void **state)
{
    (void)state;
    struct world *w = world_pair(36);
    struct ike_flow_value f = setup_default(B).flow;
    struct isakmp_hdr h = {.exchange = XCH_QUICK, .msgid = 5, .cookie_i = {1}};
    struct ike_sa *sa = sa_new(w->s[B].ike, &(struct endpoint){w->s[B].addr, 500},
                               &(struct endpoint){w->s[A].addr, 500});
    static struct draft d;
    f.transform[0] = (struct ike_transform){"A", ENCR_NONE, HASH_NONE, MODE_TUNNEL, HASH_SHA1};
    for (u16 attr = 0; attr < 12; attr++) {
        for (u8 id = 0; id < 12; id++) {
            struct isakmp_out o;
            struct isakmp_prop_out p;
            struct isakmp_msg m;
            struct p2_choice c;
            struct isakmp_hdr got;
            u8 buf[512];
            isakmp_out_init(&o, buf, sizeof buf, &h);
            isakmp_out_sa(&o);
            isakmp_out_proposal(&o, &p, 1, PROTO_AH, (const u8[]){9, 9, 9, 9}, 4);
            isakmp_out_transform(&o, &p, id);
            isakmp_out_attr(&o.w, P2_ENCAPS, MODE_TUNNEL);
            if (attr) {
                isakmp_out_attr(&o.w, P2_AUTH, attr);
            }
            isakmp_out_transform_end(&o, &p);
            isakmp_out_proposal_end(&o, &p, true);
            isakmp_out_end(&o);
            assert_true(isakmp_out_finish(&o));
            assert_int_equal(isakmp_hdr_read(&got, buf, wr_len(&o.w)).reason, IW_OK);
            assert_int_equal(isakmp_decode(&m, &got, buf, wr_len(&o.w), 0).reason, IW_OK);
            assert_int_equal(p2_select(w->s[B].ike, sa, &f, &m, &c, &d), attr == 2 && id == 3);
        }
    }
    sa_free(w->s[B].ike, sa);
    world_free(w);
}

/* Who begins an exchange that we do not speak (authentication only, RFC 2408 4.6) is told so: less than he sent, so often in
 * a second, and nothing is kept. */
static void other_exchanges_are_answered_no(void **state)
{
    (void)state;
    struct world *w = world_pair(37);
    const u8 auth_only = 3;
    u8 m[400] = {0};
    put64(m, 0x1122334455667788);
    memcpy(m + 16, (u8[]){PL_SA, 0x10, auth_only, 0}, 4);
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
    } strange[] = {{auth_only, FL_ENCRYPTED, 0, 400}, {auth_only, 0, 1, 400},
                   {auth_only, 0, 0, 39},             {XCH_INFO, 0, 0, 400},
                   {XCH_QUICK, FL_ENCRYPTED, 0, 400}};
    for (unsigned i = 0; i < ARRAY_LEN(strange); i++) { /* what begins nothing is not answered */
        m[18] = strange[i].exchange;
        m[19] = strange[i].flags;
        m[15] = strange[i].cookie_r;
        put32(m + 24, strange[i].len);
        send_raw(w, B, m, strange[i].len);
        assert_int_equal(w->sent[B], sent);
    }
    memcpy(m + 16, (u8[]){PL_SA, 0x10, auth_only, 0}, 4);
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

static bool new_group(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    struct isakmp_prop_out p;
    (void)ike, (void)arg;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    size_t start = draft_begin_hashed(d);
    isakmp_out_sa(&d->out);
    isakmp_out_proposal(&d->out, &p, 1, PROTO_ISAKMP, NULL, 0);
    isakmp_out_transform(&d->out, &p, TRANSFORM_KEY_IKE);
    isakmp_out_attr(&d->out.w, P1_GROUP, 32768);
    isakmp_out_attr(&d->out.w, P1_GROUP_TYPE, 1);
    isakmp_out_transform_end(&d->out, &p);
    isakmp_out_proposal_end(&d->out, &p, true);
    isakmp_out_end(&d->out);
    draft_end_hashed(d, start, NULL);
    return true;
}

/* New group mode (RFC 2409 5.6) is refused under protection, with the reason; the SA and its pair stay. */
static void a_new_group_is_refused(void **state)
{
    (void)state;
    struct world *w = world_pair(45);
    world_acquire(w, A);
    world_run(w, 2000);
    struct ike *ike = w->s[A].ike;
    struct ike_sa *sa = CONTAINER_OF(ike->sas.next, struct ike_sa, link);
    struct xch *x = xch_new(ike, sa, exchange_of(&ike_v1, XCH_NEW_GROUP), msgid_new(ike, sa), true);
    list_push_back(&sa->nodes, &x->link);
    w->s[A].debug.len = 0;
    assert_true(engine_start(ike, sa, x, new_group, NULL, XS_NGM, TM_NONE));
    world_run(w, 1000);
    assert_true(saw(&w->s[B], "it proposes a Diffie-Hellman group of its own"));
    assert_non_null(strstr(w->s[A].debug.s, "ATTRIBUTES_NOT_SUPPORTED protocol 1"));
    assert_int_equal(pairs_up(w), 1);
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
                0, 0, 1, 0x10, 3, 0, 0, 0, 0, 0, 0, 0, 0, 64};
    for (unsigned i = 0; i < 5; i++) {
        send_raw(w, B, m, 64); /* authentication only */
        world_run(w, 5000);
    }
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_EXCHANGE), 5);
    const char *first = strstr(w->s[B].syslog.s, "exchange type 3");
    assert_true(first && !strstr(first + 1, "exchange type 3"));
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
    b.flow.transform[0].require = true;
    assert_int_equal(negotiate(&a, &b, A), 0);
    b.flow.any_mode = b.flow.transform[0].require = false;
    /* who wants transport mode takes tunnel mode, too, unless it says `require` */
    a.flow.transform[0].mode = MODE_TUNNEL;
    b.flow.transform[0].mode = MODE_TRANSPORT;
    assert_int_equal(negotiate(&a, &b, A), 1);
    b.flow.transform[0].require = true;
    assert_int_equal(negotiate(&a, &b, A), 0);
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
        struct far_end who = {.addr = net(want[i].peer, 32).a};
        const struct ike_psk_value *k = psk_find(ike, &who);
        assert_non_null(k);
        assert_memory_equal(k->key.b, want[i].key, k->key.len);
    }
    struct far_end six = {.addr = net("2001:db8::1", 128).a};
    assert_null(psk_find(ike, &six));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason),
        cmocka_unit_test(late_messages),
        cmocka_unit_test(are_you_there),
        cmocka_unit_test(other_exchanges_are_answered_no),
        cmocka_unit_test(a_new_group_is_refused),
        cmocka_unit_test(what_was_not_offered_is_not_taken),
        cmocka_unit_test(a_third_message_with_another_hash),
        cmocka_unit_test(a_life_of_zero_is_a_short_one),
        cmocka_unit_test(a_foreign_notify_beside_the_identity),
        cmocka_unit_test(the_hash_stands_first),
        cmocka_unit_test(esp_with_ah_is_not_esp), cmocka_unit_test(ah_says_one_thing),
        cmocka_unit_test(a_reason_before_phase_1_is_done),
        cmocka_unit_test(a_refusal_is_said_once),
        cmocka_unit_test(proxy_shapes),
        cmocka_unit_test(ipv6_outside),
        cmocka_unit_test(longest_key_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
