/*
 * test_vectors.c: the data plane against packets and primitives others made: the ESP packets of
 * tests/vectors/ esp-packets in both directions, Wycheproof through the ESP engines, recorded ESP
 * opened with the recorded keys, and malformed captures, which must end in a named drop.
 * $ADIT_VECTORS names the folder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "rig.h"

static json_t *load(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", rig_vectors(), name);
    json_error_t e;
    json_t *j = json_load_file(path, 0, &e);
    if (!j) {
        fprintf(stderr, "%s: %s\n", path, e.text);
        abort();
    }
    return j;
}

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static size_t hex(u8 *out, size_t cap, const json_t *o, const char *key)
{
    int n = hex_parse(out, cap, str(o, key));
    assert_true(n >= 0);
    return (size_t)n;
}

/* ---- esp-packets ----------------------------------------------------------------------------- */

/* Our algorithm ids; false: not one of ours (the name says which). */
static bool algorithms(const json_t *v, u8 *encr, u8 *auth)
{
    static const struct {
        const char *name;
        u8 encr, auth;
    } row[] = {{"CIPHER_DES_CBC", ENCR_DES, 0},      {"CIPHER_3DES_CBC", ENCR_3DES, 0},
               {"CIPHER_AES_CBC", ENCR_AES128, 0},   {"CIPHER_NULL", ENCR_NULL, 0},
               {"AEAD_AES_GCM", ENCR_GCM128, 0},     {"AUTH_MD5_HMAC", 0, HASH_MD5},
               {"AUTH_SHA1_HMAC", 0, HASH_SHA1},     {"AUTH_SHA256_HMAC", 0, HASH_SHA256},
               {"AUTH_SHA384_HMAC", 0, HASH_SHA384}, {"AUTH_SHA512_HMAC", 0, HASH_SHA512},
               {"AUTH_NULL", 0, HASH_NONE},
               {"AEAD_AES_CCM", ENCR_CCM128, 0},     {"CIPHER_AES_CTR", ENCR_CTR128, 0},
               {"AUTH_AES_XCBC_MAC", 0, HASH_XCBC}};
    json_t *a;
    size_t i;
    *encr = *auth = 0;
    json_array_foreach(json_object_get(v, "algos"), i, a)
    {
        bool known = false;
        for (unsigned k = 0; k < ARRAY_LEN(row); k++) {
            if (strcmp(json_string_value(a), row[k].name) == 0) {
                *encr = row[k].encr ? row[k].encr : *encr;
                *auth = row[k].auth ? row[k].auth : *auth;
                known = true;
            }
        }
        if (!known) {
            return false;
        }
    }
    size_t key = strlen(str(v, "key")) / 2;
    *encr = (u8)(*encr + (encr_row(*encr)->attr_bits ? (key - 16) / 8 : 0));
    return true; /* AH has no cipher of its own: ENCR_NONE */
}

static void esp_vector(const json_t *v, u8 encr, u8 auth, const char *engine)
{
    static u8 plain[2048], sealed[2048];
    u8 key[64], iv[16];
    size_t np = hex(plain, sizeof plain, v, "plain_packet"),
           ns = hex(sealed, sizeof sealed, v, "ipsec_packet");
    bool v6 = sealed[0] >> 4 == 6;
    u32 spi = (u32)json_integer_value(json_object_get(v, "spi")),
        seq = (u32)json_integer_value(json_object_get(v, "seq"));
    struct rig *r = rig_new(engine);
    struct dp_sa_value sa =
        rig_sa_value(5, spi, SA_OUT, MODE_TUNNEL, encr, auth, "1.1.1.1", "2.2.2.2");
    bool transport = strcmp(str(v, "mode"), "transport") == 0;
    sa.mode = transport ? MODE_TRANSPORT : MODE_TUNNEL;
    sa.src = ip_src(sealed);
    sa.dst = ip_dst(sealed);
    size_t nk = hex(key, sizeof key, v, "key");
    nk += hex(key + nk, sizeof key - nk, v, "salt");
    secret_set(&sa.encr_key, key, nk);
    secret_set(&sa.auth_key, key, hex(key, sizeof key, v, "auth_key"));
    struct dp_tunnel_value t = {.port = TUN0,
                                .flow = 5,
                                .mode = v6 ? TUN_IPSEC_IPV6 : TUN_IPSEC_IPV4,
                                .mtu = 1400,
                                .path_mtu = 1500,
                                .src = sa.src,
                                .dst = sa.dst};
    rig_begin(r);
    rig_tunnel(r, t);
    rig_commit(r);
    sa.dir = SA_IN;
    rig_sa(r, sa);
    rig_in(r, v6 ? RAW6_ESP : RAW4_ESP, sealed, ns);
    rig_run(r);
    struct rig_pkt *p = rig_out(r, TUN0);
    assert_non_null(p);
    assert_int_equal(p->len, np);
    assert_memory_equal(p->b, plain, np);
    /* some are made for receiving only; and we never send an identification of 0, as one of AH has */
    if (!json_object_get(v, "direction") && !transport) {
        sa.dir = SA_OUT;
        rig_sa(r, sa);
        struct sa *s = rig_find_sa(r, spi, SA_OUT);
        size_t niv = hex(iv, sizeof iv, v, "iv");
        s->h.seq = seq - 1;
        s->h.iv_base = niv >= 8 ? be64(iv) - seq : 0;
        (void)bulk_rng_take(&r->dp->w.rng, 16);
        memcpy(r->dp->w.rng.pool + r->dp->w.rng.pos, iv, niv);
        rig_in(r, TUN0, plain, np);
        rig_run(r);
        p = rig_out(r, v6 ? SEND6 : SEND4);
        assert_non_null(p);
        assert_int_equal(p->len, ns);
        size_t head = v6 ? 40 : 20;
        if (encr != ENCR_NONE) {
            assert_memory_equal(p->b + head, sealed + head, ns - head);
        } else { /* AH covers the outer header, too, which has another identification: all but the ICV */
            assert_memory_equal(p->b + head, sealed + head, 12);
            assert_memory_equal(p->b + head + 28, sealed + head + 28, ns - head - 28);
        }
    }
    rig_free(r);
}

static void t_esp_packets(void **state)
{
    (void)state;
    json_t *j = load("esp-packets/ipsec_packets.json"), *v;
    unsigned done = 0;
    size_t i;
    json_array_foreach(json_object_get(j, "vectors"), i, v)
    {
        u8 encr, auth;
        if (!algorithms(v, &encr, &auth)) {
            print_message("skipped, not an algorithm of ours: %s\n", str(v, "name"));
            continue;
        }
        esp_vector(v, encr, auth, "mb");
        esp_vector(v, encr, auth, "evp");
        done++;
    }
    print_message("%u of %zu packets, both engines\n", done,
                  json_array_size(json_object_get(j, "vectors")));
    assert_int_equal(done, 26);
    json_decref(j);
}

/* ---- Wycheproof ------------------------------------------------------------------------------ */

/* One case laid out as an ESP packet; msg is what the algorithm sees. */
static void aead_case(struct bulk *b, const json_t *t, u8 encr, unsigned *done)
{
    u8 buf[1024], iv[64], aad[1024];
    struct secret key = {0}, none = {0};
    unsigned salt = encr_row(encr)->salt_len;
    if (strlen(str(t, "aad")) != 16 || strlen(str(t, "iv")) != 2 * (salt + 8) ||
        strlen(str(t, "tag")) != 32) {
        return; /* ESP has 8 bytes of AAD, a nonce of 12 bytes (CCM: 11), and we an ICV of 16 */
    }
    struct bulk_key *k = aligned_alloc(64, (sizeof *k + 63) / 64 * 64);
    key.len = (u16)hex(key.b, 32, t, "key");
    hex(iv, sizeof iv, t, "iv");
    memcpy(key.b + key.len, iv, salt);
    key.len = (u16)(key.len + salt);
    assert_true(bulk_key_init(b, k, encr, HASH_NONE, &key, &none));
    hex(aad, sizeof aad, t, "aad");
    memcpy(buf, aad, 8);
    memcpy(buf + 8, iv + salt, 8);
    size_t n = hex(buf + 16, 512, t, "ct");
    hex(buf + 16 + n, 16, t, "tag");
    struct bulk_op op = {.key = k, .esp = buf, .crypt_len = (u32)n};
    bulk_open(b, &op, 1);
    bool valid = strcmp(str(t, "result"), "valid") == 0;
    assert_int_equal(op.ok, valid);
    u8 want[512];
    hex(want, sizeof want, t, "msg");
    if (valid) {
        assert_memory_equal(buf + 16, want, n);
        bulk_seal(b, &op, 1);
        hex(want, sizeof want, t, "ct");
        assert_memory_equal(buf + 16, want, n);
        hex(want, sizeof want, t, "tag");
        assert_memory_equal(buf + 16 + n, want, 16);
    }
    bulk_key_wipe(b, k);
    free(k);
    ++*done;
}

static void aead_file(const char *file, u8 first, unsigned want)
{
    static const char *const name[] = {"mb", "evp"};
    json_t *j = load(file), *g, *t;
    for (unsigned e = 0; e < 2; e++) {
        struct bulk *b = bulk_new(name[e]);
        unsigned done = 0;
        size_t i, k;
        json_array_foreach(json_object_get(j, "testGroups"), i, g)
        {
            unsigned bits = (unsigned)json_integer_value(json_object_get(g, "keySize"));
            json_array_foreach(json_object_get(g, "tests"), k, t)
            {
                aead_case(b, t, (u8)(first + (bits - 128) / 64), &done);
            }
        }
        print_message("%s: %u cases with 8 bytes of AAD\n", name[e], done);
        assert_int_equal(done, want);
        bulk_free(b);
    }
    json_decref(j);
}

static void t_wycheproof_gcm(void **state)
{
    (void)state;
    aead_file("wycheproof/aes_gcm_test.json", ENCR_GCM128, 5);
}

static void t_wycheproof_ccm(void **state)
{
    (void)state;
    aead_file("wycheproof/aes_ccm_test.json", ENCR_CCM128, 9);
}

static void hmac_case(struct bulk *b, const json_t *t, u8 auth, unsigned *done)
{
    u8 buf[1024], tag[64];
    struct secret key = {0}, none = {0};
    key.len = (u16)hex(key.b, SECRET_MAX, t, "key");
    size_t n = hex(buf, 512, t, "msg");
    if (n < 8 || key.len != hash_row(auth)->len ||
        strlen(str(t, "tag")) / 2 < hash_row(auth)->icv_len) {
        return; /* ESP covers at least its own header, with a key as long as the hash and its own
                   tag length */
    }
    struct bulk_key *k = aligned_alloc(64, (sizeof *k + 63) / 64 * 64);
    assert_true(bulk_key_init(b, k, ENCR_NULL, auth, &none, &key));
    struct bulk_op op = {.key = k, .esp = buf, .crypt_len = (u32)(n - 8)};
    bulk_seal(b, &op, 1);
    hex(tag, sizeof tag, t, "tag");
    bool valid = strcmp(str(t, "result"), "valid") == 0;
    bool same = memcmp(buf + n, tag, k->icv_len) == 0;
    assert_true(op.ok);
    if (valid) {
        assert_true(same);
    }
    memcpy(buf + n, tag, k->icv_len);
    bulk_open(b, &op, 1);
    assert_int_equal(op.ok, same);
    bulk_key_wipe(b, k);
    free(k);
    ++*done;
}

static void t_wycheproof_hmac(void **state)
{
    (void)state;
    static const char *const file[HASH_NUM] = {
        [HASH_SHA1] = "1", [HASH_SHA256] = "256", [HASH_SHA384] = "384", [HASH_SHA512] = "512"};
    static const char *const name[] = {"mb", "evp"};
    for (u8 h = HASH_SHA1; h <= HASH_SHA512; h++) {
        char path[64];
        snprintf(path, sizeof path, "wycheproof/hmac_sha%s_test.json", file[h]);
        json_t *j = load(path), *g, *t;
        for (unsigned e = 0; e < 2; e++) {
            struct bulk *b = bulk_new(name[e]);
            unsigned done = 0;
            size_t i, k;
            json_array_foreach(json_object_get(j, "testGroups"), i, g)
            {
                json_array_foreach(json_object_get(g, "tests"), k, t)
                {
                    hmac_case(b, t, h, &done);
                }
            }
            print_message("%s %s: %u cases\n", path, name[e], done);
            assert_true(done > 40);
            bulk_free(b);
        }
        json_decref(j);
    }
}

/* ---- recorded ESP ---------------------------------------------------------------------------- */

struct replayed {
    struct rig *r;
    unsigned strip; /* bytes of an ICV whose key nobody recorded: taken off, the SA has no
                       authenticator */
    unsigned fed;
};

static void feed(void *ctx, const u8 *ip, size_t len)
{
    struct replayed *x = ctx;
    struct ip_view v;
    u8 b[2048];
    if (len > sizeof b || ip_decode(&v, ip, len) != IP_OK || v.proto != 50 || v.version != 4) {
        return;
    }
    memcpy(b, ip, v.total);
    put16(b + 2, (u16)(v.total - x->strip));
    ip4_checksum_set(b, 20);
    rig_in(x->r, RAW4_ESP, b, v.total - x->strip);
    rig_run(x->r);
    x->fed++;
}

static void key_sa(struct rig *r, u32 flow, u32 spi, const char *src, const char *dst, u8 encr,
                   u8 auth, const char *ek, const char *ak)
{
    struct dp_sa_value v = rig_sa_value(flow, spi, SA_IN, MODE_TUNNEL, encr, auth, src, dst);
    u8 k[64];
    rig_begin(r); /* an SA lets in what an existing line wants */
    for (u32 id = 1; id <= MAX(flow, 8u); id++) {
        rig_flow(r, (struct dp_flow_value){.flow = id, .path_mtu = 1500});
    }
    rig_commit(r);
    int n = hex_parse(k, sizeof k, ek);
    assert_true(n > 0);
    secret_set(&v.encr_key, k, (size_t)n);
    n = *ak ? hex_parse(k, sizeof k, ak) : 0;
    secret_set(&v.auth_key, k, (size_t)n);
    rig_sa(r, v);
    assert_non_null(rig_find_sa(r, spi, SA_IN));
}

static const char *capture(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/esp-captures/%s", rig_vectors(), name);
    return path;
}

static unsigned echoes(struct rig *r)
{
    unsigned n = 0;
    for (struct rig_pkt *p = rig_out(r, CRYPTO); p; p = rig_out(r, CRYPTO)) {
        assert_int_equal(p->b[9], 1);
        assert_true(p->b[20] == 8 || p->b[20] == 0);
        assert_true(rig_l4_checksum_ok(p->b));
        n++;
    }
    return n;
}

static void t_recorded(void **state)
{
    (void)state;
    struct replayed x = {.r = rig_new(NULL), .strip = 12};
    key_sa(x.r, 1, 0x12345678, "192.1.2.23", "192.1.2.45", ENCR_3DES, 0,
           "4043434545464649494a4a4c4c4f4f515152525454575758", "");
    rig_pcap(capture("02-sunrise-sunset-esp.pcap"), feed, &x);
    assert_int_equal(x.fed, 8);
    assert_int_equal(echoes(x.r), 8);
    rig_free(x.r);
}

static void feed_udp(void *ctx, const u8 *ip, size_t len)
{
    struct replayed *x = ctx;
    struct ip_view v;
    u8 b[2048];
    if (len > sizeof b || ip_decode(&v, ip, len) != IP_OK || v.proto != 17 || v.version != 4) {
        return;
    }
    memcpy(b, ip, v.total);
    put16(b + 2, (u16)(v.total - x->strip));
    put16(b + 24, (u16)(be16(b + 24) - x->strip));
    ip4_checksum_set(b, 20);
    rig_in(x->r, RAW4_ESP, b, v.total - x->strip);
    rig_run(x->r);
    x->fed++;
}

/* The same in UDP, port 4500 (RFC 3948). */
static void t_recorded_udp(void **state)
{
    (void)state;
    struct replayed x = {.r = rig_new(NULL), .strip = 12};
    key_sa(x.r, 1, 0x12345678, "192.1.2.23", "192.1.2.45", ENCR_3DES, 0,
           "4043434545464649494a4a4c4c4f4f515152525454575758", "");
    struct dp_sa_value v = rig_find_sa(x.r, 0x12345678, SA_IN)->val;
    v.encap_src.port = v.encap_dst.port = 4500;
    v.mode = MODE_TUNNEL;
    struct dp_msg gone = {.type = DP_DEL_SA};
    gone.u.del = (struct dp_del_value){.spi = v.spi, .proto = 50, .dir = SA_IN, .dst = v.dst};
    rig_ctl(x.r, gone);
    rig_sa(x.r, v);
    rig_pcap(capture("espudp1.pcap"), feed_udp, &x);
    assert_int_equal(x.fed, 8);
    assert_int_equal(echoes(x.r), 8);
    rig_free(x.r);
}

static void t_recorded_aes(void **state)
{
    (void)state;
    struct replayed x = {.r = rig_new(NULL), .strip = 12};
    key_sa(x.r, 1, 0xd1234567, "192.1.2.23", "192.1.2.45", ENCR_AES256, 0,
           "aaaabbbbccccdddd4043434545464649494a4a4c4c4f4f515152525454575758", "");
    rig_pcap(capture("08-sunrise-sunset-aes.pcap"), feed, &x);
    assert_int_equal(x.fed, 8);
    assert_int_equal(echoes(x.r), 8);
    rig_free(x.r);
}

/* ESP inside ESP: what comes out of the outer one is fed in again. */
static void t_recorded_nested(void **state)
{
    (void)state;
    struct replayed x = {.r = rig_new(NULL), .strip = 12};
    key_sa(x.r, 1, 0x12345678, "192.1.2.23", "192.1.2.45", ENCR_3DES, 0,
           "43434545464649494a4a4c4c4f4f51515252545457575840", "");
    key_sa(x.r, 2, 0xabcdabcd, "192.0.2.1", "192.0.1.1", ENCR_3DES, 0,
           "434545464649494a4a4c4c4f4f5151525254545757584043", "");
    rig_pcap(capture("08-sunrise-sunset-esp2.pcap"), feed, &x);
    assert_int_equal(x.fed, 8);
    unsigned n = 0;
    for (struct rig_pkt *p = rig_out(x.r, CRYPTO); p; p = rig_out(x.r, CRYPTO), n++) {
        struct rig_pkt keep = *p;
        assert_int_equal(keep.b[9], 50);
        put16(keep.b + 2, (u16)(keep.len - 12));
        ip4_checksum_set(keep.b, 20);
        rig_in(x.r, RAW4_ESP, keep.b, keep.len - 12u);
    }
    assert_int_equal(n, 8);
    rig_run(x.r);
    assert_int_equal(echoes(x.r), 8);
    rig_free(x.r);
}

static void t_recorded_with_icv(void **state)
{
    (void)state;
    struct replayed x = {.r = rig_new(NULL)};
    key_sa(x.r, 1, 0x070883c2, "192.168.0.1", "192.168.0.100", ENCR_AES128, HASH_SHA1,
           "5de1a4c2c72662c9fda7a7c78cd25623", "51c9213c18232f8f26c70c4dee6e0e6d56e31e8a");
    key_sa(x.r, 1, 0xc254fe64, "192.168.0.100", "192.168.0.1", ENCR_AES128, HASH_SHA1,
           "88e1dad7140af03b8d4f3d734d21be4b", "3e00d517c1220d4b7d2950fcc02edd4b6023d278");
    rig_pcap(capture("esp-bug-12671.pcapng"), feed, &x);
    assert_true(x.fed > 0);
    u64 bad = rig_drops(x.r, DROP_BAD_ICV) + rig_drops(x.r, DROP_BAD_PADDING);
    assert_int_equal(bad, 0);
    print_message("%u recorded packets, %u opened\n", x.fed, rig_num_out(x.r, CRYPTO));
    assert_int_equal(rig_num_out(x.r, CRYPTO), x.fed);
    assert_int_equal(echoes(x.r), x.fed);
    rig_free(x.r);
}

/* ---- malformed captures ---------------------------------------------------------------------- */

static void feed_any(void *ctx, const u8 *ip, size_t len)
{
    struct replayed *x = ctx;
    u8 proto = len > 20 ? ip[0] >> 4 == 4 ? ip[9] : ip[6] : 0;
    x->fed++;
    rig_in(x->r, proto == 50 ? RAW4_ESP : RAW4_GRE, ip, len);
    rig_run(x->r);
}

static void t_malformed(void **state)
{
    (void)state;
    static const char *const file[] = {"esp_truncated.pcap", "gre-heapoverflow-1.pcap",
                                       "gre-heapoverflow-2.pcap", "various_gre.pcap"};
    for (unsigned i = 0; i < ARRAY_LEN(file); i++) {
        struct replayed x = {.r = rig_new(NULL)};
        rig_begin(x.r);
        rig_tunnel(x.r, (struct dp_tunnel_value){.port = TUN0,
                                                 .mode = TUN_GRE_IP,
                                                 .src = rig_addr("1.1.1.1"),
                                                 .dst = rig_addr("2.2.2.2")});
        rig_commit(x.r);
        rig_pcap(capture(file[i]), feed_any, &x);
        u64 drops = 0;
        for (enum dp_drop d = 1; d < DROP_NUM; d++) {
            drops += rig_drops(x.r, d);
            if (rig_drops(x.r, d)) {
                print_message("%s: %lu x %s\n", file[i], (unsigned long)rig_drops(x.r, d),
                              dp_drop_name(d));
            }
        }
        assert_true(x.fed > 0);
        assert_int_equal(drops, x.fed); /* every one refused, with a name */
        assert_int_equal(rig_num_out(x.r, TUN0), 0);
        rig_free(x.r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_esp_packets),       cmocka_unit_test(t_wycheproof_gcm), cmocka_unit_test(t_wycheproof_ccm),
        cmocka_unit_test(t_wycheproof_hmac),   cmocka_unit_test(t_recorded),
        cmocka_unit_test(t_recorded_aes),      cmocka_unit_test(t_recorded_nested),
        cmocka_unit_test(t_recorded_udp),
        cmocka_unit_test(t_recorded_with_icv), cmocka_unit_test(t_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
