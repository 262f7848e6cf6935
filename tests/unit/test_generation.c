/*
 * test_generation.c: a generation as one sealed file: what was put in comes out; what is not sealed, short, long, of other
 * values or cut is refused; nobody can change one.
 */
#include "sys/generation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct value {
    u64 a;
    char text[40];
};

static int sealed(u64 number, size_t num)
{
    struct value *v = xcalloc(num + 1, sizeof *v);
    for (size_t i = 0; i < num; i++) {
        v[i].a = i * 3;
        snprintf(v[i].text, sizeof v[i].text, "value %zu", i);
    }
    u8 *rest = xcalloc(1, 2 * num + 1);
    memset(rest, 0xa5, 2 * num);
    int fd = generation_seal(number, v, num, sizeof *v, rest, 2 * num);
    free(rest);
    free(v);
    assert_true(fd >= 0);
    return fd;
}

static void t_round_trip(void **state)
{
    (void)state;
    for (size_t num = 0; num < 5000; num = num * 7 + 1) {
        int fd = sealed(77 + num, num);
        struct generation g;
        struct value v;
        assert_true(generation_open(&g, fd, sizeof v));
        close(fd); /* the mapping holds it */
        assert_int_equal(g.number, 77 + num);
        assert_int_equal(g.num, num);
        assert_int_equal(g.rest_len, 2 * num);
        for (size_t i = 0; i < g.rest_len; i++) {
            assert_int_equal(g.rest[i], 0xa5);
        }
        for (size_t i = 0; i < num; i++) {
            char text[40];
            generation_value(&g, i, &v);
            snprintf(text, sizeof text, "value %zu", i);
            assert_int_equal(v.a, i * 3);
            assert_string_equal(v.text, text);
        }
        generation_close(&g);
    }
}

static void t_nobody_changes_one(void **state)
{
    (void)state;
    int fd = sealed(1, 3);
    assert_int_equal(ftruncate(fd, 10), -1);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_true(mmap(NULL, 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    close(fd);
}

static bool up_to_six(u32 type)
{
    return type <= 6; /* sealed() makes 0, 3, 6, 9, ... */
}

/* What is not the one that was announced, or holds another kind of value, is not taken at all. */
static void t_taken_whole(void **state)
{
    (void)state;
    static const struct {
        u64 asked;
        size_t num;
        bool taken;
    } cases[] = {{5, 3, true}, {5, 0, true}, {5, 4, false}, {4, 3, false}, {6, 3, false}};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct generation g;
        int fd = sealed(5, cases[i].num);
        assert_int_equal(generation_take(&g, fd, sizeof(struct value), cases[i].asked, up_to_six),
                         cases[i].taken);
        assert_int_equal(g.map != NULL, cases[i].taken);
        assert_int_equal(g.num, cases[i].taken ? cases[i].num : 0);
        generation_close(&g);
        close(fd);
    }
}

static void t_refused(void **state)
{
    (void)state;
    struct generation g;
    int fd = sealed(1, 3), loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING), pair[2];
    u8 bytes[4096];
    ssize_t len = pread(fd, bytes, sizeof bytes, 0);
    assert_int_equal(len, 32 + 3 * (ssize_t)sizeof(struct value) + 6);
    assert_false(generation_open(&g, fd, sizeof(struct value) + 1)); /* of other values */
    assert_int_equal(write(loose, bytes, (size_t)len), len); /* the same bytes, not sealed */
    assert_false(generation_open(&g, loose, sizeof(struct value)));
    assert_int_equal(pipe(pair), 0); /* no file at all */
    assert_false(generation_open(&g, pair[0], sizeof(struct value)));
    assert_false(generation_open(&g, -1, sizeof(struct value)));
    assert_true(generation_read(&g, bytes, (size_t)len, sizeof(struct value)));
    for (size_t cut = 0; cut < (size_t)len; cut++) {
        assert_false(generation_read(&g, bytes, cut, sizeof(struct value)));
    }
    assert_false(generation_read(&g, bytes, (size_t)len + 1, sizeof(struct value)));
    static const u8 at[] = {0,  3,  7,  16, 19,
                            20, 23, 24, 31}; /* magic, version, values, bytes, the rest */
    for (unsigned i = 0; i < sizeof at; i++) {
        bytes[at[i]] ^= 0x80;
        assert_false(generation_read(&g, bytes, (size_t)len, sizeof(struct value)));
        bytes[at[i]] ^= 0x80;
    }
    close(pair[0]);
    close(pair[1]);
    close(loose);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_round_trip), cmocka_unit_test(t_nobody_changes_one),
        cmocka_unit_test(t_taken_whole), cmocka_unit_test(t_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
