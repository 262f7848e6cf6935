/*
 * sessions_test.c: recorded IKEv1 sessions between other daemons, replayed through our own decoders
 * and key functions: keys from the recorded exponents and secret, every message decrypted and
 * decoded, every hash recomputed, ESP keys where no secret is missing. ADIT_VECTORS names
 * tests/vectors.
 */
#include "json_hex.h"
#include "pcap.h"
#include "ike/v1.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

struct node { /* a phase 2 exchange as it is read */
    u32 msgid;
    unsigned seen;
    struct secret iv;
    struct xch_core x;
};
struct replay {
    const json_t *s;
    bool aggressive, keyed;
    unsigned clear, hashes, qm, messages, keymats;
    struct sa_core sa;
    struct xch_core x;
    struct node node[24];
    unsigned num_nodes;
};

static void expect_hex(const json_t *o, const char *key, const u8 *got, size_t len)
{
    struct hexbuf want;
    assert_true(json_hex(&want, o, key));
    assert_int_equal(want.len, len);
    assert_memory_equal(want.b, got, len);
}

static void take(const struct isakmp_msg *m, struct replay *r, bool from_i)
{
    struct xch_core *x = &r->x;
    if (m->ke.len) {
        struct bytes_big *g = from_i ? &x->gi : &x->gr;
        memcpy(g->b, m->ke.p, g->len = m->ke.len);
    }
    if (m->nonce.len) {
        struct bytes_nonce *n = from_i ? &x->ni : &x->nr;
        memcpy(n->b, m->nonce.p, n->len = m->nonce.len);
    }
    if (m->num_ids) {
        struct bytes_id *id = from_i ? &x->idi : &x->idr;
        memcpy(id->b, m->id[0].body.p, id->len = m->id[0].body.len);
    }
    if ((m->seen & PB_SA) && from_i) {
        memcpy(x->sa_i.b, m->sa.body, x->sa_i.len = m->sa.body_len);
    } else if (m->seen & PB_SA) { /* what was agreed */
        struct p1_offer o;
        p1_read(&o, &m->sa.transform[0]);
        r->sa.encr = encr_from_p1(o.encr_id, o.key_bits);
        r->sa.hash = hash_from_p1(o.hash_id);
        r->sa.group = o.group;
        assert_int_not_equal(r->sa.encr, ENCR_NONE);
        assert_int_not_equal(r->sa.hash, HASH_NONE);
    }
}

static void make_keys(struct replay *r)
{
    struct hexbuf xi;
    struct secret psk;
    size_t len;
    const char *key = json_string_value(json_object_get(r->s, "psk_ascii"));
    assert_true(json_hex(&xi, r->s, "xi"));
    struct dh *dh = dh_new(r->sa.group, xi.b, xi.len);
    u8 pub[DH_MAX];
    dh_public(dh, pub);
    assert_memory_equal(pub, r->x.gi.b, r->x.gi.len);
    assert_true(dh_shared(dh, r->x.gxy.b, &len, r->x.gr.b, r->x.gr.len));
    r->x.gxy.len = (u16)len;
    dh_free(dh);
    expect_hex(r->s, "g_xy", r->x.gxy.b, len);
    secret_set(&psk, key, strlen(key));
    keys_skeyid_psk(&r->sa, &psk, &r->x);
    keys_derive(&r->sa, &r->x);
    expect_hex(r->s, "skeyid", r->sa.skeyid.b, r->sa.skeyid.len);
    expect_hex(r->s, "skeyid_d", r->sa.skeyid_d.b, r->sa.skeyid_d.len);
    expect_hex(r->s, "skeyid_a", r->sa.skeyid_a.b, r->sa.skeyid_a.len);
    expect_hex(r->s, "skeyid_e", r->sa.skeyid_e.b, r->sa.skeyid_e.len);
    assert_true(keys_cipher(&r->sa.key, r->sa.encr, r->sa.hash, &r->sa.skeyid_e));
    expect_hex(r->s, "phase1_key", r->sa.key.b, r->sa.key.len);
    keys_iv_phase1(&r->x.iv, &r->sa, &r->x);
    expect_hex(r->s, "phase1_iv", r->x.iv.b, r->x.iv.len);
    r->keyed = true;
}

static void check_auth(struct replay *r, const struct isakmp_msg *m, bool from_i)
{
    u8 want[HASH_MAX];
    if (from_i) {
        keys_hash_i(want, r->sa.hash, &r->sa, &r->x);
    } else {
        keys_hash_r(want, r->sa.hash, &r->sa, &r->x);
    }
    assert_int_equal(m->hash.len, hash_row(r->sa.hash)->len);
    assert_memory_equal(m->hash.p, want, m->hash.len);
    r->hashes++;
}

static struct node *node_of(struct replay *r, u32 msgid)
{
    for (unsigned i = 0; i < r->num_nodes; i++) {
        if (r->node[i].msgid == msgid) {
            return &r->node[i];
        }
    }
    assert_true(r->num_nodes < ARRAY_LEN(r->node));
    struct node *n = &r->node[r->num_nodes++];
    n->msgid = n->x.msgid = msgid;
    keys_iv_phase2(&n->iv, &r->sa, &r->x.iv, msgid);
    return n;
}

/* the SPI a side proposed is its inbound one; the KEYMAT must be what the kernel was given */
static void check_keymat(struct replay *r, struct node *n, u32 spi)
{
    size_t i;
    json_t *e;
    if (!json_is_true(json_object_get(r->s, "esp_keys_recomputed"))) {
        return; /* PFS: the exponents of quick mode were not recorded */
    }
    json_array_foreach(json_object_get(r->s, "esp_sas"), i, e)
    {
        struct hexbuf enc, auth;
        u8 k[256];
        if ((u32)json_integer_value(json_object_get(e, "spi")) != spi) {
            continue;
        }
        assert_true(json_hex(&enc, e, "enc_key") && json_hex(&auth, e, "auth_key"));
        n->x.gxy.len = 0;
        keys_keymat(k, enc.len + auth.len, &r->sa, &n->x.talk, PROTO_ESP, spi);
        assert_memory_equal(k, enc.b, enc.len);
        assert_memory_equal(k + enc.len, auth.b, auth.len);
        r->keymats++;
    }
}

static void phase2(struct replay *r, struct node *n, const struct isakmp_msg *m)
{
    u8 want[HASH_MAX];
    bool quick = m->hdr.exchange == XCH_QUICK;
    if (quick && n->seen == 2) {
        keys_hash3(want, &r->sa, &n->x);
    } else {
        keys_hash_phase2(want, &r->sa, n->msgid, quick && n->seen == 1 ? &n->x.ni : NULL,
                         m->signed_part.p, m->signed_part.len);
    }
    assert_int_equal(m->hash.len, hash_row(r->sa.hash)->len);
    assert_memory_equal(m->hash.p, want, m->hash.len);
    r->hashes++;
    if (quick && n->seen < 2) {
        struct bytes_nonce *nonce = n->seen ? &n->x.nr : &n->x.ni;
        memcpy(nonce->b, m->nonce.p, nonce->len = m->nonce.len);
        expect_hex(r->s, n->seen ? "qm_nr" : "qm_ni", nonce->b, nonce->len);
        *(n->seen ? &n->x.spi_out : &n->x.spi_in) = be32(m->sa.proposal[0].spi);
    } else if (quick) {
        check_keymat(r, n, n->x.spi_in);
        check_keymat(r, n, n->x.spi_out);
        r->qm++;
    }
    n->seen++;
}

static void message(struct replay *r, const u8 *p, size_t len, bool from_i)
{
    static u8 plain[ISAKMP_MAX];
    static struct isakmp_msg m;
    struct isakmp_hdr h;
    struct isakmp_fault f = isakmp_hdr_read(&h, p, len);
    assert_int_equal(f.reason, IW_OK);
    bool enc = h.flags & FL_ENCRYPTED,
         first = h.exchange == XCH_MAIN || h.exchange == XCH_AGGRESSIVE;
    memcpy(plain, p, len);
    memcpy(r->sa.cookie_i, h.cookie_i, 8);
    memcpy(r->sa.cookie_r, h.cookie_r, 8);
    r->messages++;
    struct node *n = enc && !first ? node_of(r, h.msgid) : NULL;
    if (enc) {
        assert_true(
            ike_cbc(r->sa.encr, false, r->sa.key.b, n ? n->iv.b : r->x.iv.b, plain + 28, len - 28));
    }
    f = isakmp_decode(&m, &h, plain, len, enc ? encr_row(r->sa.encr)->block : 0);
    if (f.reason != IW_OK) {
        fail_msg("message %u: %s at %u", r->messages, isakmp_reason_name(f.reason), f.off);
    }
    if (n) {
        phase2(r, n, &m);
    } else if (first) {
        take(&m, r, from_i);
        if (!r->keyed && r->x.gi.len && r->x.gr.len) {
            make_keys(r);
        }
        if (m.seen & PB_HASH) {
            check_auth(r, &m, from_i);
        }
    }
}

static void replay(const json_t *s)
{
    char path[512];
    struct capture c;
    struct frame f;
    struct udp u;
    struct addr initiator;
    const char *dir = getenv("ADIT_VECTORS");
    struct replay *r = xcalloc(1, sizeof *r);
    r->s = s;
    assert_true(addr_parse(&initiator, json_string_value(json_object_get(s, "initiator"))));
    snprintf(path, sizeof path, "%s/ikev1-sessions/%s", dir ? dir : "tests/vectors",
             json_string_value(json_object_get(s, "capture")));
    assert_true(capture_open(&c, path));
    while (capture_next(&f, &c)) {
        if (frame_udp(&u, &f) && u.dst.port == 500) {
            message(r, u.p, u.len, addr_equal(&u.src.a, &initiator));
        }
    }
    capture_close(&c);
    assert_int_equal(r->messages, json_integer_value(json_object_get(s, "messages")));
    assert_true(r->qm >= 1);
    assert_true(r->hashes >= r->messages - 4 - (r->aggressive ? 0 : 1));
    if (json_is_true(json_object_get(s, "esp_keys_recomputed"))) {
        assert_int_equal(r->keymats, 2);
    }
    free(r);
}

static void recorded_sessions(void **state)
{
    (void)state;
    json_t *root = json_vectors("ikev1-sessions/sessions.json"), *s;
    size_t i;
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "sessions"), i, s)
    {
        replay(s);
    }
    assert_int_equal(i, 6);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_sessions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
