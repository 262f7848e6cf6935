/*
 * Memory that held a secret is clean before it is given back: every free and every move of a block is looked into while a
 * configuration with secrets is read, sealed, printed, shown and typed. (Linked with --wrap=free and --wrap=realloc.)
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>

void __real_free(void *p);
void *__real_realloc(void *p, size_t len);
void __wrap_free(void *p);
void *__wrap_realloc(void *p, size_t len);

/* In two parts, so that this program holds the whole nowhere but where the test puts it. */
static const char marker_a[] = "Zq9", marker_b[] = "Sec7Ret";
static bool watching;
static unsigned dirty;

static void look(const void *p)
{
    char marker[32];
    int len = snprintf(marker, sizeof marker, "%s%s", marker_a, marker_b);
    if (watching && p && memmem(p, malloc_usable_size((void *)(uintptr_t)p), marker, (size_t)len)) {
        dirty++;
    }
    mem_wipe(marker, sizeof marker);
}

void __wrap_free(void *p)
{
    look(p);
    __real_free(p);
}

void *__wrap_realloc(void *p, size_t len)
{
    if (!watching) {
        return __real_realloc(p, len);
    }
    void *q = malloc(len); /* always moved, so that a block that could have moved is looked into */
    if (q && p) {
        memcpy(q, p, MIN(len, malloc_usable_size(p)));
        look(p);
        __real_free(p);
    }
    return q;
}

/* with: the text with the marker for each @; the caller wipes and frees it. */
__attribute__((noinline)) static char *with(const char *text)
{
    char *out = malloc(8192), *o = out;
    for (; *text; text++) {
        if (*text == '@') {
            o += sprintf(o, "%s%s", marker_a, marker_b);
        } else {
            *o++ = *text;
        }
    }
    *o = 0;
    return out;
}

static void done_with(char *text)
{
    mem_wipe(text, strlen(text));
    free(text);
}

static void zeros(void *ctx, u8 *out, size_t len)
{
    (void)ctx;
    memset(out, 0, len);
}

static const struct env env = {.random = zeros};
static const char config[] =
    "hostname H\nenable secret @\nenable password @\nusername u password @\nusername v secret @\n"
    "crypto isakmp key @ address 1.2.3.4\ncrypto isakmp key @ address 1.2.3.5\n"
    "key config-key password-encrypt @\nline vty 0 4\n password @\n login\n exec-timeout 1 0\n";

static void configurations(void **state)
{
    (void)state;
    char *text = with(config);
    struct strbuf errors = {0}, out = {0};
    watching = true;
    dirty = 0;
    struct conf *c = conf_new();
    assert_true(cli_load(c, "x", text, &errors));
    assert_int_equal(dirty, 0);
    conf_seal(c, &env);
    cli_running(&out, c);
    assert_int_equal(dirty, 0);
    done_with(out.s);
    conf_free(c);
    watching = false;
    assert_int_equal(dirty, 0);
    done_with(text);
    sb_free(&errors);
}

/* ---- a console ---- */

static struct conf *model;

static struct conf *f_conf(void *ctx)
{
    (void)ctx;
    return model;
}
static void f_apply(void *ctx)
{
    (void)ctx;
    conf_seal(model, &env);
}
static void f_configured(void *ctx, const char *from, const char *who)
{
    (void)ctx, (void)from, (void)who;
}
static bool f_save(void *ctx, const char *text)
{
    (void)ctx, (void)text;
    return true;
}
static u64 f_uptime(void *ctx)
{
    (void)ctx;
    return 1;
}
static void f_out(void *ctx, const char *text)
{
    (void)ctx, (void)text;
}
static void f_done(void *ctx, int status)
{
    (void)ctx, (void)status;
}

static void consoles(void **state)
{
    static const char *const lines[] = {"enable",
                                        "conf t",
                                        "crypto isakmp key @ address 1.2.3.4",
                                        "crypto isakmp key @ address",
                                        "enable secret @",
                                        "enable bogus @",
                                        "line vty 0 4",
                                        "password @",
                                        "end",
                                        "show running-config",
                                        "show running-config | include key",
                                        "show version | include @",
                                        "write memory",
                                        "disable",
                                        "enable",
                                        "@x",
                                        "@",
                                        "show history"};
    const struct cli_host host = {.conf = f_conf,
                                  .apply = f_apply,
                                  .configured = f_configured,
                                  .save = f_save,
                                  .uptime_s = f_uptime};
    (void)state;
    model = conf_new();
    watching = true;
    dirty = 0;
    struct session *s = session_new(&host, NULL, false, f_out, f_done);
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        char *line = with(lines[i]);
        session_line(s, line);
        done_with(line);
        if (dirty) {
            fail_msg("\"%s\" leaves a secret behind", lines[i]);
        }
    }
    session_free(s);
    assert_int_equal(dirty, 0);
    conf_free(model);
    watching = false;
    assert_int_equal(dirty, 0);
}

/* The looking itself: a block that is given back with the secret in it is seen. */
static void the_test_sees(void **state)
{
    (void)state;
    char *text = with("xx@xx"), *kept = with("@");
    watching = true;
    dirty = 0;
    print_message("%zu bytes\n", strlen(text)); /* so that no compiler finds the text without use */
    free(text);
    assert_int_equal(dirty, 1);
    kept = realloc(kept, 10000);
    assert_int_equal(dirty, 2);
    done_with(kept);
    assert_int_equal(dirty, 2);
    watching = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_test_sees),
                                       cmocka_unit_test(configurations),
                                       cmocka_unit_test(consoles)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
