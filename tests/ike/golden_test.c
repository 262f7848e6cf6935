/*
 * golden_test.c: the responder's `debug crypto isakmp` of a whole negotiation, line for line as
 * seed 000 prints it; only handles, message ids and SPIs are ours. ADIT_GOLDEN names the
 * transcript.
 */
#include "../ladder/world.h"

#include <ctype.h>
#include <stdlib.h>

/* hex8: 8 hexadecimal digits standing alone: a handle or an SPI */
static bool hex8(const char *p)
{
    for (int i = 0; i < 8; i++) {
        if (!isxdigit((unsigned char)p[i])) {
            return false;
        }
    }
    return !isalnum((unsigned char)p[8]);
}

static bool after(const char *line, const char *p, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(p - line) >= n && memcmp(p - n, word, n) == 0;
}

/* normal: one line with what differs from run to run made equal */
static void normal(char *out, const char *line, size_t len)
{
    char in[512] = {0};
    memcpy(in, line, MIN(len, sizeof in - 16));
    for (char *p = in; *p;) {
        bool word_start = p == in || !isalnum((unsigned char)p[-1]) || after(in, p, "0x");
        bool id = isdigit((unsigned char)*p) && *p != '0' &&
                  (after(in, p, "ID = ") || after(in, p, "ID =") || after(in, p, "ode "));
        if (word_start && hex8(p)) {
            *out++ = 'H';
            p += 8;
        } else if (id) {
            *out++ = 'N';
            while (isdigit((unsigned char)*p)) {
                p++;
            }
        } else {
            *out++ = *p++;
        }
    }
    *out = 0;
}

/* the peer of seed 000 offers NAT traversal in message 1: NAT-T v7, v3, v2; we do not, so it is put in on the way */
static struct fate with_vendor_ids(struct world *w, int from, unsigned number, const u8 *data,
                                   size_t len)
{
    static const u8 ids[3][16] = {
        {0x43, 0x9b, 0x59, 0xf8, 0xba, 0x67, 0x6c, 0x4c, 0x77, 0x37, 0xae, 0x22, 0xea, 0xb8, 0xf5,
         0x82},
        {0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d,
         0x56},
        {0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b,
         0x1f}};
    if (from != A || number != 0) {
        return (struct fate){1, {10}};
    }
    u8 m[1024];
    memcpy(m, data, len);
    m[28] = PL_VID; /* behind the SA payload */
    for (unsigned i = 0; i < 3; i++) {
        memcpy(m + len, (u8[]){i < 2 ? PL_VID : PL_NONE, 0, 0, 20}, 4);
        memcpy(m + len + 4, ids[i], 16);
        len += 20;
    }
    put32(m + 24, (u32)len);
    send_raw(w, B, m, len);
    return (struct fate){0, {0}};
}

static void responder_as_in_seed_000(void **state)
{
    (void)state;
    const char *path = getenv("ADIT_GOLDEN");
    FILE *f = fopen(path ? path : "tests/ike/seed000-responder.txt", "r");
    assert_non_null(f);
    struct world *w = world_pair(1);
    w->s[B].log.mask = EVC_LOG | EVC_ISAKMP;
    w->net = with_vendor_ids;
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    const char *at = w->s[B].debug.s;
    char want[600], got[600], raw[512];
    unsigned line = 0;
    while (fgets(raw, sizeof raw, f)) {
        line++;
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        raw[strcspn(raw, "\r\n")] = 0;
        if (strstr(raw, "constructed NAT-T vendor-07 ID")) {
            continue; /* comes back with NAT traversal: what is not there is not announced */
        }
        normal(want, raw, strlen(raw));
        normal(got, at, (size_t)(end - at));
        if (strcmp(want, got) != 0) {
            fail_msg("line %u: wanted \"%s\", got \"%s\"", line, want, got);
        }
        at = end + 1;
    }
    assert_true(line > 120);
    assert_true(strspn(at, "\n") == strlen(at)); /* nothing more is said */
    fclose(f);
    world_free(w);
}

static void initiator_speaks_the_same_dialect(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "ISAKMP:(0:0:N/A:0): SA request profile is (NULL)\n",
        "ISAKMP:(0:0:N/A:0): beginning Main Mode exchange\n",
        "sending packet to 2.2.2.2 my_port 500 peer_port 500 (I) MM_NO_STATE\n",
        "received packet from 2.2.2.2 dport 500 sport 500 Global (I) MM_NO_STATE\n",
        "Old State = IKE_I_MM1  New State = IKE_I_MM2\n",
        "sending packet to 2.2.2.2 my_port 500 peer_port 500 (I) MM_SA_SETUP\n",
        "Old State = IKE_I_MM3  New State = IKE_I_MM4\n",
        "Send initial contact\n",
        "sending packet to 2.2.2.2 my_port 500 peer_port 500 (I) MM_KEY_EXCH\n",
        "Old State = IKE_I_MM6  New State = IKE_P1_COMPLETE\n",
        "IPSEC(sa_request): ,\n  (key eng. msg.) OUTBOUND local= 1.1.1.1, remote= 2.2.2.2,\n",
        "beginning Quick Mode exchange, M-ID of ",
        "Old State = IKE_QM_READY  New State = IKE_QM_I_QM1\n",
        "IPSEC(create_sa): sa created,\n",
        "Old State = IKE_QM_I_QM1  New State = IKE_QM_PHASE2_COMPLETE\n",
    };
    struct world *w = world_pair(1);
    world_acquire(w, A);
    world_run(w, 2000);
    const char *at = w->s[A].debug.s;
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        const char *p = strstr(at, lines[i]);
        if (!p) {
            fail_msg("missing, or out of order: %s", lines[i]);
        }
        at = p;
    }
    world_free(w);
}

/* report() uses one body for all failure rows: they must have the same fields in the same order */
static void failure_rows_are_alike(void **state)
{
    (void)state;
    static const u16 ids[] = {
#define R(ID, name, text) EV_IKE_FAIL_##ID,
        IKE_REASONS(R)
#undef R
    };
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
        const struct ev_info *e = ev_info(ids[i]);
        assert_int_equal(e->num_fields, 2);
        assert_string_equal(e->field[0].name, "mode");
        assert_string_equal(e->field[1].name, "detail");
        assert_true(ike_reason_name(i + 1)[0] && ike_reason_text(i + 1)[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responder_as_in_seed_000),
        cmocka_unit_test(initiator_speaks_the_same_dialect),
        cmocka_unit_test(failure_rows_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
