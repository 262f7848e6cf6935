/*
 * captures_test.c: the decoders over every IKE capture: no fault ever, well-formed messages decode,
 * malformed ones give the reason this table names. "none" rows hold no ISAKMP at all. ADIT_VECTORS
 * names tests/vectors.
 */
#include "pcap.h"
#include "wire/isakmp.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

struct tally {
    unsigned messages, encrypted, reason[IW_NUM];
};

static bool looks_like_ike(const struct udp *u, const u8 **p, size_t *len)
{
    *p = u->p;
    *len = u->len;
    if ((u->src.port == 4500 || u->dst.port == 4500) && u->len >= 4) {
        if (be32(u->p) != 0) {
            return false; /* ESP in UDP, or a keepalive */
        }
        *p += 4;
        *len -= 4;
        return true;
    }
    return u->src.port == 500 || u->dst.port == 500;
}

static void one_message(struct tally *t, const u8 *p, size_t len)
{
    struct isakmp_hdr h;
    struct isakmp_msg m;
    u8 *copy = xcalloc(1, len ? len : 1); /* on the heap, so a byte too far is seen */
    memcpy(copy, p, len);
    struct isakmp_fault f = isakmp_hdr_read(&h, copy, len);
    if (f.reason == IW_OK && (h.flags & FL_ENCRYPTED)) {
        t->encrypted++;
    } else if (f.reason == IW_OK) {
        f = isakmp_decode(&m, &h, copy, len, 0);
    }
    assert_true(f.reason < IW_NUM);
    assert_true(f.reason == IW_OK || f.off <= len || f.reason == IW_SHORT_HEADER);
    t->messages++;
    t->reason[f.reason]++;
    free(copy);
}

static bool tally_file(struct tally *t, const char *name)
{
    char path[512];
    const char *dir = getenv("ADIT_VECTORS");
    struct capture c;
    struct frame f;
    memset(t, 0, sizeof *t);
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "tests/vectors", name);
    if (!capture_open(&c, path)) {
        return false;
    }
    while (capture_next(&f, &c)) {
        struct udp u;
        const u8 *p;
        size_t len;
        if (frame_udp(&u, &f) && looks_like_ike(&u, &p, &len)) {
            one_message(t, p, len);
        }
    }
    capture_close(&c);
    return true;
}

struct row {
    const char *file;
    unsigned messages, ok; /* IKE messages in it, well-formed ones (encrypted ones count as such) */
    enum isakmp_reason wrong; /* the reason of the others */
};
static const struct row rows[] = {
#include "captures.inc"
};

static void captures(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct tally t;
        if (!tally_file(&t, rows[i].file)) {
            fail_msg("cannot read %s", rows[i].file);
        }
        unsigned wrong = t.reason[rows[i].wrong];
        if (t.messages != rows[i].messages || t.reason[IW_OK] != rows[i].ok ||
            (rows[i].wrong != IW_OK && t.reason[IW_OK] + wrong != t.messages)) {
            fail_msg("%s: %u messages, %u ok, %u %s", rows[i].file, t.messages, t.reason[IW_OK],
                     wrong, isakmp_reason_name(rows[i].wrong));
        }
    }
}

/* the same files cut and flipped: whatever comes out, it is a reason and not a fault */
static void captures_damaged(void **state)
{
    (void)state;
    struct tally t = {0};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        char path[512];
        const char *dir = getenv("ADIT_VECTORS");
        struct capture c;
        struct frame f;
        snprintf(path, sizeof path, "%s/%s", dir ? dir : "tests/vectors", rows[i].file);
        assert_true(capture_open(&c, path));
        for (unsigned n = 0; n < 12 && capture_next(&f, &c); n++) {
            struct udp u;
            const u8 *p;
            size_t len;
            if (!frame_udp(&u, &f) || !looks_like_ike(&u, &p, &len) || len < 28 || len > 4096) {
                continue;
            }
            u8 m[4096];
            for (size_t k = 0; k < len; k++) {
                memcpy(m, p, len);
                m[17] = 0x10;
                m[19] = 0;
                put32(m + 24, (u32)k);
                one_message(&t, m, k);
                put32(m + 24, (u32)len);
                m[k] ^= (u8)(1u << k % 8);
                one_message(&t, m, len);
                m[k] = 0xff;
                one_message(&t, m, len);
            }
        }
        capture_close(&c);
    }
    assert_true(t.messages > 10000);
}

/* a message for each reason, made by hand: the list and the decoders agree */
static void every_reason(void **state)
{
    (void)state;
    static const struct {
        enum isakmp_reason want;
        u8 first;
        const char *body; /* payload chain in hex */
    } t[] = {
        {IW_EMPTY, 0, ""},
        {IW_PAYLOAD_CUT, PL_VID, "00000100aa"},
        {IW_PAYLOAD_CUT, PL_VID, "0000"},
        {IW_PAYLOAD_LENGTH, PL_VID, "00000003"},
        {IW_RESERVED, PL_VID, "00010004"},
        {IW_TRAILING, PL_VID, "0000000400"},
        {IW_UNKNOWN_PAYLOAD, 99, "00000004"},
        {IW_DUPLICATE, PL_KE, "04000005010000000501"},
        {IW_TOO_MANY_SAME, PL_ID,
         "0500000c01110000010101010500000c01110000010101010000000c0111000001010101"},
        {IW_SA_SHORT, PL_SA, "0000000800000001"},
        {IW_SA_DOI, PL_SA, "00000010000000020000000100000000"},
        {IW_SA_SITUATION, PL_SA, "00000010000000010000000200000000"},
        {IW_PROPOSAL, PL_SA, "00000010000000010000000107000000"},
        {IW_SPI_SIZE, PL_SA,
         "000000160000000100000001"
         "0000000a"
         "01030201"
         "1234"},
        {IW_TRANSFORM_COUNT, PL_SA,
         "000000140000000100000001"
         "00000008"
         "01010000"},
        {IW_TRANSFORM, PL_SA,
         "000000180000000100000001"
         "0000000c"
         "01010001"
         "00000000"},
        {IW_ATTR_CUT, PL_SA,
         "0000001e0000000100000001"
         "00000012"
         "01010001"
         "0000000a"
         "01010000"
         "8001"},
        {IW_KE_EMPTY, PL_KE, "00000004"},
        {IW_NONCE_LENGTH, PL_NONCE, "0000000501"},
        {IW_HASH_LENGTH, PL_HASH, "0000000501"},
        {IW_ID_SHORT, PL_ID, "0000000501"},
        {IW_ID_LENGTH, PL_ID, "0000000901110000aa"},
        {IW_NOTIFY_SHORT, PL_NOTIFY,
         "00000008"
         "00000001"},
        {IW_DELETE_SHORT, PL_DELETE,
         "0000000c"
         "00000001"
         "03040001"},
        {IW_DELETE_COUNT, PL_DELETE,
         "0000000c"
         "00000001"
         "0304ffff"},
        {IW_NATD_LENGTH, PL_NATD, "0000000501"},
        {IW_CERT_EMPTY, PL_CERT, "00000004"},
        {IW_CERT_EMPTY, PL_CR, "00000004"},
        {IW_SIG_EMPTY, PL_SIG, "00000004"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        u8 m[256] = {1, 2, 3, 4, 5, 6, 7, 8};
        struct isakmp_hdr h;
        struct isakmp_msg d;
        int n = hex_parse(m + 28, sizeof m - 28, t[i].body);
        assert_true(n >= 0);
        m[16] = t[i].first;
        m[17] = 0x10;
        m[18] = XCH_INFO;
        put32(m + 24, 28u + (u32)n);
        struct isakmp_fault f = isakmp_hdr_read(&h, m, 28u + (size_t)n);
        assert_int_equal(f.reason, IW_OK);
        f = isakmp_decode(&d, &h, m, 28u + (size_t)n, 0);
        if (f.reason != t[i].want) {
            fail_msg("case %u: wanted \"%s\", got \"%s\"", i, isakmp_reason_name(t[i].want),
                     isakmp_reason_name(f.reason));
        }
    }
}

/* Proxy identities as prefixes: a mask has its ones on the left, a range is one address or all. */
static void identities(void **state)
{
    (void)state;
    static const struct {
        u8 type;
        const char *data;
        int len; /* -1: refused */
    } row[] = {
        {ID_IPV4_SUBNET, "0a010200fffffe00", 23},
        {ID_IPV4_SUBNET, "0a010200ff00ff00", -1},
        {ID_IPV4_RANGE, "0a0102030a010203", 32},
        {ID_IPV4_RANGE, "00000000ffffffff", 0},
        {ID_IPV4_RANGE, "0a0102030a010204", -1},
        {ID_IPV6_SUBNET, "20010db8000000000000000000000000ffffffff000000000000000000000000", 32},
        {ID_IPV6_SUBNET, "20010db8000000000000000000000000ffffffff000000000000000000000001", -1},
        {ID_IPV6_SUBNET, "20010db8000000000000000000000000ff00ff00000000000000000000000000", -1},
        {ID_IPV6_RANGE, "20010db800000000000000000000000020010db8000000000000000000000001", -1},
        {ID_FQDN, "61", -1}};
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u8 raw[64];
        struct prefix p = {.len = 0};
        int len = hex_parse(raw, sizeof raw, row[i].data);
        assert_true(len > 0);
        struct isakmp_id id = {.type = row[i].type, .data = {raw, (u16)len}};
        bool ok = isakmp_id_prefix(&p, &id);
        if (ok != (row[i].len >= 0) || (ok && p.len != row[i].len)) {
            fail_msg("type %u %s: %d", row[i].type, row[i].data, ok ? p.len : -1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captures),
        cmocka_unit_test(captures_damaged),
        cmocka_unit_test(every_reason),
        cmocka_unit_test(identities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
