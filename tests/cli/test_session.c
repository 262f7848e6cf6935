/*
 * A console session with a made-up router behind it: modes, prompts, caret lines, filters, help, completion, `do`.
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

struct fake {
    struct conf *c;
    struct cli_host host;
    struct session *s;
    struct strbuf out;
    int status, done, applied, saved;
    u32 debug;
};

static struct conf *f_conf(void *ctx)
{
    return ((struct fake *)ctx)->c;
}
static void f_apply(void *ctx)
{
    ((struct fake *)ctx)->applied++;
}
static void f_configured(void *ctx, const char *from, const char *who)
{
    (void)ctx, (void)from, (void)who;
}
static bool f_save(void *ctx, const char *text)
{
    ((struct fake *)ctx)->saved = (int)strlen(text);
    return true;
}
static u32 f_debug(void *ctx)
{
    return ((struct fake *)ctx)->debug;
}
static void f_set_debug(void *ctx, u32 mask)
{
    ((struct fake *)ctx)->debug = mask;
}
static u64 f_uptime(void *ctx)
{
    (void)ctx;
    return 125;
}
static void f_out(void *ctx, const char *text)
{
    sb_add(&((struct fake *)ctx)->out, text);
}
static void f_done(void *ctx, int status)
{
    struct fake *f = ctx;
    f->status = status;
    f->done++;
}

static int setup(void **state)
{
    struct fake *f = xcalloc(1, sizeof *f);
    f->c = conf_new();
    f->host = (struct cli_host){.ctx = f,
                                .conf = f_conf,
                                .apply = f_apply,
                                .configured = f_configured,
                                .save = f_save,
                                .debug = f_debug,
                                .set_debug = f_set_debug,
                                .uptime_s = f_uptime};
    f->s = session_new(&f->host, f, false, f_out, f_done);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fake *f = *state;
    session_free(f->s);
    conf_free(f->c);
    sb_free(&f->out);
    free(f);
    return 0;
}

static const char *say(struct fake *f, const char *line)
{
    int before = f->done;
    f->out.len = 0;
    sb_add(&f->out, "");
    session_line(f->s, line);
    assert_int_equal(f->done, before + 1);
    return f->out.s;
}

static void modes_and_prompts(void **state)
{
    struct fake *f = *state;
    assert_string_equal(session_prompt(f->s), "Router>");
    say(f, "enable");
    assert_string_equal(session_prompt(f->s), "Router#");
    assert_string_equal(say(f, "conf t"),
                        "Enter configuration commands, one per line.  End with CNTL/Z.\n");
    say(f, "hostname R1");
    assert_string_equal(session_prompt(f->s), "R1(config)#");
    say(f, "crypto isakmp policy 10");
    assert_string_equal(session_prompt(f->s), "R1(config-isakmp)#");
    say(f, "authentication pre-share");
    say(f, "crypto ipsec transform-set T esp-3des esp-sha-hmac");
    assert_string_equal(session_prompt(f->s), "R1(cfg-crypto-trans)#");
    say(f, "crypto ipsec profile P");
    assert_string_equal(session_prompt(f->s), "R1(ipsec-profile)#");
    say(f, "interface tun0");
    assert_string_equal(session_prompt(f->s), "R1(config-if)#");
    assert_non_null(strstr(say(f, "do show run | include host"), "hostname R1\n"));
    say(f, "exit");
    assert_string_equal(session_prompt(f->s), "R1(config)#");
    assert_non_null(strstr(say(f, "crypto map M 10 ipsec-isakmp"),
                           "% NOTE: This new crypto map will remain disabled until a peer\n"
                           "        and a valid access list have been configured.\n"));
    say(f, "end");
    assert_string_equal(session_prompt(f->s), "R1#");
    assert_true(f->applied >= 7);
    say(f, "disable");
    assert_string_equal(session_prompt(f->s), "R1>");
    say(f, "exit");
    assert_true(session_closed(f->s));
}

static void carets(void **state)
{
    struct fake *f = *state;
    assert_string_equal(say(f, "show nonsense"),
                        "            ^\n% Invalid input detected at '^' marker.\n\n");
    assert_int_equal(f->status, CLI_ERROR);
    assert_string_equal(say(f, "show crypto"), "% Incomplete command.\n\n");
    assert_string_equal(say(f, "sh c"), "% Ambiguous command:  \"sh c\"\n");
    say(f, "enable");
    say(f, "conf t");
    const char *bad = say(f, "crypto isakmp policy 99999");
    assert_non_null(strstr(bad, "^\n% Invalid input detected at '^' marker.\n"));
    assert_int_equal(strcspn(bad, "^"),
                     strlen("Router(config)#") + strlen("crypto isakmp policy "));
    assert_int_equal(f->applied, 0); /* nothing was changed */
}

static void secrets(void **state)
{
    struct fake *f = *state;
    str_copy(f->c->enable_secret, sizeof f->c->enable_secret, "letmein");
    say(f, "enable");
    assert_string_equal(session_prompt(f->s), "Password: ");
    assert_non_null(strstr(say(f, "wrong"), "% Access denied"));
    assert_string_equal(session_prompt(f->s), "Router>");
    say(f, "enable");
    say(f, "letmein");
    assert_string_equal(session_prompt(f->s), "Router#");
}

static void filters(void **state)
{
    struct fake *f = *state;
    say(f, "enable");
    assert_string_equal(say(f, "show version | include uptime"), "Router uptime is 2 minutes\n");
    assert_null(strstr(say(f, "show version | exclude uptime"), "uptime"));
    assert_int_equal(strncmp(say(f, "show version | begin uptime"), "Router uptime", 13), 0);
    assert_non_null(strstr(say(f, "show version | frob x"), "% Invalid output filter"));
    assert_non_null(strstr(say(f, "show version | include ["), "regular expression"));
}

static void debugging(void **state)
{
    struct fake *f = *state;
    say(f, "enable");
    assert_string_equal(say(f, "debug crypto isakmp"), "Crypto ISAKMP debugging is on\n");
    assert_int_equal(f->debug, EVC_ISAKMP);
    say(f, "debug ip packet detail");
    assert_int_equal(f->debug, EVC_ISAKMP | EVC_PACKET);
    assert_non_null(strstr(say(f, "show debugging"), "Crypto ISAKMP debugging is on"));
    say(f, "no debug crypto isakmp");
    assert_int_equal(f->debug, EVC_PACKET);
    assert_string_equal(say(f, "undebug all"), "All possible debugging has been turned off\n");
    assert_int_equal(f->debug, 0);
    say(f, "terminal monitor");
    assert_true(session_monitors(f->s));
    say(f, "terminal no monitor");
    assert_false(session_monitors(f->s));
}

static void help(void **state)
{
    struct fake *f = *state;
    struct strbuf b = {0};
    session_help(f->s, "show cr", &b);
    assert_string_equal(b.s, "crypto\n\n");
    b.len = 0;
    session_help(f->s, "show crypto isakmp ", &b);
    assert_non_null(strstr(b.s, "  policy  ISAKMP protection suite policy\n"));
    b.len = 0;
    session_help(f->s, "show crypto session ", &b);
    assert_non_null(strstr(b.s, "  <cr>\n"));
    b.len = 0;
    session_complete(f->s, "sh cry", &b);
    assert_string_equal(b.s, "sh crypto ");
    b.len = 0;
    session_complete(f->s, "show crypto isakmp p", &b);
    assert_string_equal(b.s, "show crypto isakmp p"); /* ambiguous: unchanged */
    sb_free(&b);
}

static void saving(void **state)
{
    struct fake *f = *state;
    say(f, "enable");
    assert_string_equal(say(f, "write memory"), "Building configuration...\n[OK]\n");
    assert_true(f->saved > 0);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {T(modes_and_prompts), T(carets), T(secrets), T(filters),
                                       T(debugging),         T(help),   T(saving)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
