/*
 * LZS (src/wire/lzs.c): streams written bit by bit by hand, both ways; streams that are none; and whatever is compressed comes
 * back, however it is made.
 */
#include "wire/lzs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

enum { ROOM = 12000 };
static struct lzs_state state;

/* bits: "0 01000001 ..." as bytes, zeros at the end. */
static size_t bits(u8 *out, const char *text)
{
    size_t n = 0;
    memset(out, 0, 64);
    for (; *text; text++) {
        if (*text != ' ') {
            out[n / 8] |= (u8)((*text - '0') << (7 - n % 8));
            n++;
        }
    }
    return (n + 7) / 8;
}

#define END " 11 0000000"
static void by_hand(void **unused)
{
    static const struct {
        const char *text, *stream;
    } rows[] = {
        {"", END},
        {"A", "0 01000001" END},
        {"AAAA", "0 01000001 11 0000001 01" END},
        {"ABAB", "0 01000001 0 01000010 11 0000010 00" END},
        {"AAAAA", "0 01000001 11 0000001 10" END},                      /* 4 */
        {"AAAAAA", "0 01000001 11 0000001 1100" END},                   /* 5 */
        {"AAAAAAAA", "0 01000001 11 0000001 1110" END},                 /* 7 */
        {"AAAAAAAAA", "0 01000001 11 0000001 1111 0000" END},           /* 8 */
        {"AAAAAAAAAAAAAAAAAAAAAAA", "0 01000001 11 0000001 1111 1110" END}, /* 22 */
        {"AAAAAAAAAAAAAAAAAAAAAAAA", "0 01000001 11 0000001 1111 1111 0000" END}, /* 23 */
    };
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        u8 want[64], got[64], back[64];
        size_t len = strlen(rows[i].text), n = bits(want, rows[i].stream), out = 99;
        assert_int_equal(lzs_compress(&state, got, sizeof got, (const u8 *)rows[i].text, len), n);
        assert_memory_equal(got, want, n);
        assert_true(lzs_expand(back, sizeof back, &out, want, n));
        assert_int_equal(out, len);
        assert_memory_equal(back, rows[i].text, len);
        assert_true(!len || !lzs_expand(back, len - 1, &out, want, n));
        assert_int_equal(lzs_compress(&state, got, n - 1, (const u8 *)rows[i].text, len), 0);
    }
}

static void none(void **unused)
{
    static const char *const rows[] = {
        "",                                       /* no end */
        "0 01000001",                             /* the same */
        "0 0100",                                 /* half a byte */
        "11 0000001 00" END,                      /* what stood before the beginning */
        "0 01000001 11 0000010 00" END,           /* the same */
        "0 01000001 10 00000000000 00" END,       /* no distance */
        "0 01000001 10 11111111111 00" END,       /* too far */
        "0 01000001 11 0000001 1111 1111 1111 1", /* a length without end */
    };
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        u8 stream[64], back[64];
        size_t n = bits(stream, rows[i]), out;
        if (lzs_expand(back, sizeof back, &out, stream, n)) {
            fail_msg("row %u is taken", i);
        }
    }
    u8 ones[200], back[64]; /* as long a length as there is */
    size_t out;
    memset(ones, 0xff, sizeof ones);
    bits(ones, "0 01000001 11 0000001 1111 1111 1111 1111");
    memset(ones + 5, 0xff, sizeof ones - 5);
    assert_false(lzs_expand(back, sizeof back, &out, ones, sizeof ones));
}

static u32 seed = 7;
static u32 dice(u32 below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* fill: noise, runs, words, repetitions from near and far. */
static void fill(u8 *b, size_t len)
{
    u32 letters = 1 + dice(256), kind = dice(4);
    for (size_t at = 0; at < len;) {
        size_t n = 1 + dice(kind == 1 ? 600 : 20), from = at ? dice((u32)at) : 0;
        bool copy = at && kind && dice(3);
        for (; n && at < len; n--, at++) {
            b[at] = copy ? b[from++] : (u8)dice(letters);
        }
    }
}

static void comes_back(void **unused)
{
    u8 *in = malloc(ROOM), *packed = malloc(2 * ROOM), *back = malloc(ROOM);
    (void)unused;
    state.base = UINT32_MAX / 2 - 100000; /* the count begins anew on the way */
    size_t smaller = 0;
    for (unsigned i = 0; i < 3000; i++) {
        size_t len = dice(i % 10 ? 1500 : ROOM), out;
        fill(in, len);
        size_t n = lzs_compress(&state, packed, len + len / 8 + 4, in, len);
        assert_true(n > 0);
        assert_true(lzs_expand(back, len, &out, packed, n));
        assert_int_equal(out, len);
        assert_memory_equal(back, in, len);
        assert_true(!len || !lzs_expand(back, len - 1, &out, packed, n));
        assert_false(lzs_expand(back, len, &out, packed, n > 2 ? n - 2 : 0));
        smaller += n < len;
    }
    assert_true(smaller > 1000);
    free(in);
    free(packed);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(none), cmocka_unit_test(comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
