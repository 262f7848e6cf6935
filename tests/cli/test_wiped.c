/*
 * Memory that held a secret is clean before it is given back: every free, every move of a block and the stack are looked into
 * while a configuration with secrets is read, sealed, printed, shown and typed. (Linked with --wrap=free and --wrap=realloc.)
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

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

/* with: the text with the marker for each @, and for each # one with a blank behind it as type 7; the caller wipes and frees
 * it. */
__attribute__((noinline)) static char *with(const char *text)
{
    char *out = malloc(8192), *o = out;
    for (; *text; text++) {
        if (*text == '@') {
            o += sprintf(o, "%s%s", marker_a, marker_b);
        } else if (*text == '#') {
            char clear[32];
            snprintf(clear, sizeof clear, "%s%s ", marker_a, marker_b);
            password_hide7(o, clear);
            o += strlen(o);
            mem_wipe(clear, sizeof clear);
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

/* ---- a stack of the test's own: nothing of what runs on it stays there ---- */

enum { STACK = 1 << 20 };
static _Alignas(64) u8 stack[STACK];
static ucontext_t back, there;

static void on_that_stack(void (*what)(void))
{
    assert_int_equal(getcontext(&there), 0);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = STACK;
    there.uc_link = &back;
    makecontext(&there, what, 0);
    assert_int_equal(swapcontext(&back, &there), 0);
}

static bool stays_on_the_stack(void)
{
    char marker[32];
    int len = snprintf(marker, sizeof marker, "%s%s", marker_a, marker_b);
    bool found = memmem(stack, STACK, marker, (size_t)len) != NULL;
    mem_wipe(marker, sizeof marker);
    return found;
}

static struct conf *loaded;
static struct strbuf printed;
static char *the_text, *read_text;
static char path[32];

static void read_file(void)
{
    read_text = cli_read_file(path);
}

static void load(void)
{
    struct strbuf errors = {0};
    assert_true(cli_load(loaded, "x", the_text, &errors));
    sb_free(&errors);
}

static void seal_and_print(void)
{
    conf_seal(loaded, &env);
    cli_running(&printed, loaded);
}

static void configurations(void **state)
{
    static void (*const steps[])(void) = {read_file, load, seal_and_print};
    (void)state;
    int fd = memfd_create("configuration", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    the_text = with(config);
    assert_true(fd >= 0 && write(fd, the_text, strlen(the_text)) == (ssize_t)strlen(the_text));
    loaded = conf_new();
    watching = true;
    dirty = 0;
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
        on_that_stack(steps[i]);
        if (dirty || stays_on_the_stack()) {
            fail_msg("step %u leaves a secret behind", i);
        }
    }
    assert_non_null(read_text);
    assert_string_equal(read_text, the_text);
    done_with(read_text);
    done_with(printed.s);
    conf_free(loaded);
    watching = false;
    assert_int_equal(dirty, 0);
    done_with(the_text);
    close(fd);
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

static struct session *the_session;
static void run_line(void)
{
    session_line(the_session, the_text);
}

static void consoles(void **state)
{
    static const char *const lines[] = {"enable",
                                        "conf t",
                                        "crypto isakmp key @ address 1.2.3.4",
                                        "crypto isakmp key @ address",
                                        "enable secret @",
                                        "enable bogus @",
                                        "bogus-@ 1",
                                        "enable password 7 #",
                                        "username u password 7 #",
                                        "crypto key import ec L pem terminal @",
                                        "-----BEGIN PRIVATE KEY-----",
                                        "@",
                                        "-----END PRIVATE KEY-----",
                                        "quit",
                                        "crypto pki import T pem terminal exportable password @",
                                        "-----BEGIN EC PRIVATE KEY-----",
                                        "@",
                                        "quit",
                                        "@",
                                        "quit",
                                        "quit",
                                        "crypto map M 10 ipsec-manual",
                                        "set session-key in ah 300 @",
                                        "set session-key inbound esp 300 cipher @ authenticator @",
                                        "no set session-key inbound",
                                        "line vty 0 4",
                                        "password @",
                                        "password 7 #",
                                        "end",
                                        "s @",
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
    mem_wipe(stack, sizeof stack);
    the_session = session_new(&host, NULL, false, f_out, f_done);
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        the_text = with(lines[i]);
        on_that_stack(run_line);
        done_with(the_text);
        if (stays_on_the_stack()) {
            fail_msg("\"%s\" leaves a secret on the stack", lines[i]);
        }
        if (dirty) {
            fail_msg("\"%s\" leaves a secret behind", lines[i]);
        }
    }
    session_free(the_session);
    assert_int_equal(dirty, 0);
    conf_free(model);
    watching = false;
    assert_int_equal(dirty, 0);
}

/* A private key that is replaced, removed, or goes with its model. */
static void key_pairs(void **state)
{
    (void)state;
    char *text = with("xxx@xxx");
    size_t len = strlen(text);
    model = conf_new();
    watching = true;
    dirty = 0;
    conf_keypair_put(model, "A", false, 2048, (const u8 *)text, len);
    conf_keypair_put(model, "A", false, 2048, (const u8 *)text, len);
    conf_keypair_put(model, "B", false, 2048, (const u8 *)text, len);
    conf_keypair_remove(conf_keypair_find(model, "B"));
    assert_int_equal(dirty, 0);
    conf_free(model);
    assert_int_equal(dirty, 0);
    done_with(text);
    watching = false;
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
                                       cmocka_unit_test(consoles),
                                       cmocka_unit_test(key_pairs)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
