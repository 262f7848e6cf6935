/*
 * base: the bounded reader and writer, addresses and selectors, map, lists, arena, hex.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static void reader(void **state)
{
    const u8 b[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct rd r = rd_init(b, sizeof b);
    (void)state;
    assert_int_equal(rd_u8(&r), 1);
    assert_int_equal(rd_u16(&r), 0x0203);
    assert_int_equal(rd_u32(&r), 0x04050607);
    struct rd sub = rd_sub(&r, 2);
    assert_true(rd_done(&r));
    assert_false(rd_done(&sub));
    assert_int_equal(rd_u16(&sub), 0x0809);
    assert_true(rd_done(&sub));
    r = rd_init(b, 3);
    assert_int_equal(rd_u32(&r), 0); /* short: zero, bad, empty, for good */
    assert_true(r.bad);
    assert_int_equal(rd_u8(&r), 0);
    assert_false(rd_done(&r));
    r = rd_init(b, 3);
    sub = rd_sub(&r, 4);
    assert_true(r.bad && sub.bad);
    r = rd_init(NULL, 0);
    assert_true(rd_done(&r));
    assert_non_null(rd_bytes(&r, 0));
}

static void writer(void **state)
{
    u8 b[8];
    struct wr w = wr_init(b, sizeof b);
    (void)state;
    wr_u16(&w, 0);
    wr_u32(&w, 0xdeadbeef);
    wr_put_u16_at(&w, 0, (u16)wr_len(&w));
    assert_memory_equal(b, "\x00\x06\xde\xad\xbe\xef", 6);
    wr_u32(&w, 1);
    assert_true(w.bad); /* overflow is sticky and writes nothing */
    wr_u8(&w, 1);
    assert_int_equal(wr_len(&w), 6);
}

static struct prefix px(const char *a, u8 len)
{
    struct prefix p = {.len = len};
    assert_true(addr_parse(&p.a, a));
    return p;
}

static void addresses(void **state)
{
    char s[ADDR_STR];
    struct addr a;
    u8 len;
    (void)state;
    assert_true(addr_parse(&a, "cafe:2::1"));
    assert_string_equal(addr_str(s, &a), "CAFE:2::1");
    assert_false(addr_parse(&a, "1.2.3"));
    struct prefix p = px("10.1.2.0", 23), in = px("10.1.3.255", 32), out = px("10.1.4.0", 32);
    assert_true(prefix_contains(&p, &in.a));
    assert_false(prefix_contains(&p, &out.a));
    assert_true(prefix_covers(&p, &in));
    assert_false(prefix_covers(&in, &p));
    struct prefix six = px("::", 0);
    assert_false(prefix_contains(&six, &in.a));
    struct {
        u8 family, len;
        bool valid;
    } shape[] = {{AF_NONE, 0, true}, {AF_NONE, 1, false}, {AF_V4, 32, true},   {AF_V4, 33, false},
                 {AF_V6, 128, true}, {AF_V6, 129, false}, {AF_V4, 200, false}, {77, 0, false}};
    for (unsigned i = 0; i < ARRAY_LEN(shape); i++) {
        p.a.family = shape[i].family, p.len = shape[i].len;
        assert_int_equal(prefix_valid(&p), shape[i].valid);
        assert_int_equal(addr_valid(&p.a), shape[i].family != 77);
        assert_int_equal(selector_valid(&(struct selector){.src = p}), shape[i].valid);
        assert_int_equal(selector_valid(&(struct selector){.dst = p}), shape[i].valid);
    }
    assert_true(addr_parse(&a, "255.255.254.0"));
    assert_true(addr_mask_len(&len, &a));
    assert_int_equal(len, 23);
    assert_true(addr_parse(&a, "255.0.255.0"));
    assert_false(addr_mask_len(&len, &a));
}

static void selectors(void **state)
{
    struct selector any = selector_any(AF_V4), web = any, m;
    (void)state;
    web.src = px("10.1.0.0", 16), web.dst = px("10.2.0.1", 32);
    web.proto = 6, web.dport_lo = web.dport_hi = 80;
    assert_true(selector_covers(&any, &web));
    assert_false(selector_covers(&web, &any));
    /* a selector that is narrower in one thing alone does not cover the wider one */
    struct selector narrow = any;
    narrow.proto = 6;
    assert_false(selector_covers(&narrow, &any));
    u16 *const port[] = {&narrow.sport_lo, &narrow.sport_hi, &narrow.dport_lo, &narrow.dport_hi};
    for (unsigned i = 0; i < ARRAY_LEN(port); i++) {
        narrow = any;
        *port[i] = 80;
        assert_true(selector_covers(&any, &narrow));
        assert_false(selector_covers(&narrow, &any));
    }
    m = selector_mirror(&web);
    assert_int_equal(m.sport_lo, 80);
    m = selector_mirror(&m);
    assert_true(selector_equal(&m, &web));
}

static void maps(void **state)
{
    struct map m;
    static int v[1000];
    (void)state;
    map_init(&m);
    for (u64 i = 0; i < 1000; i++) {
        map_put(&m, i * 7919, &v[i]);
    }
    for (u64 i = 0; i < 1000; i += 2) {
        map_del(&m, i * 7919);
    }
    for (u64 i = 0; i < 1000; i++) {
        assert_ptr_equal(map_get(&m, i * 7919), i % 2 ? &v[i] : NULL);
    }
    for (int round = 0; round < 100; round++) { /* tombstones must not fill it up */
        for (u64 i = 0; i < 100; i++) {
            map_put(&m, 1000000 + i, v);
        }
        for (u64 i = 0; i < 100; i++) {
            map_del(&m, 1000000 + i);
        }
    }
    assert_int_equal(m.num, 500);
    assert_true(m.cap <= 4096);
    map_free(&m);
}

static void hex_and_secrets(void **state)
{
    u8 b[4];
    char s[16];
    struct secret k = {0};
    (void)state;
    assert_int_equal(hex_parse(b, sizeof b, "DEADbeef"), 4);
    assert_string_equal(hex_str(s, sizeof s, b, 4), "deadbeef");
    assert_int_equal(hex_parse(b, sizeof b, "abc"), -1);
    assert_int_equal(hex_parse(b, sizeof b, "0011223344"), -1);
    assert_int_equal(hex_parse(b, sizeof b, "zz"), -1);
    secret_set(&k, "key", 3);
    secret_wipe(&k);
    assert_int_equal(k.b[0] | k.len, 0);
    assert_true(mem_equal_ct("abc", "abc", 3));
    assert_false(mem_equal_ct("abc", "abd", 3));
}

static void arenas(void **state)
{
    struct arena a = {0};
    (void)state;
    char *s = arena_strdup(&a, "hello");
    u8 *big = arena_alloc(&a, 100000);
    assert_int_equal((uintptr_t)big % 16, 0);
    memset(big, 1, 100000);
    assert_string_equal(s, "hello");
    arena_free(&a);
    assert_null(a.head);
}

/* the vectors of the SipHash paper's reference code: key 00..0f, input 00, 00 01, ... */
static void keyed_hashes(void **state)
{
    (void)state;
    u8 key[16], in[16];
    for (u8 i = 0; i < 16; i++) {
        key[i] = in[i] = i;
    }
    assert_true(keyed_hash(key, in, 0) == 0x726fdb47dd0e0e31ull);
    assert_true(keyed_hash(key, in, 8) == 0x93f5f5799a932462ull);
    assert_true(keyed_hash(key, in, 15) == 0xa129ca6149be45e5ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader),    cmocka_unit_test(writer),
        cmocka_unit_test(addresses), cmocka_unit_test(selectors),
        cmocka_unit_test(maps),      cmocka_unit_test(hex_and_secrets),
        cmocka_unit_test(arenas),    cmocka_unit_test(keyed_hashes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
