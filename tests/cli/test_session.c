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
    struct strbuf saved;
    int status, done, applied, unfinished;
    bool impossible; /* no line fits any more */
    bool disk_full;
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
static void f_unfinished(void *ctx)
{
    ((struct fake *)ctx)->unfinished++;
}
static bool f_possible(void *ctx, const struct conf *c, struct conf_finding *out)
{
    (void)c;
    *out = (struct conf_finding){.what = "crypto map", .text = "more than nothing"};
    return !((struct fake *)ctx)->impossible;
}
static bool f_save(void *ctx, const char *text)
{
    struct fake *f = ctx;
    if (f->disk_full) {
        return false;
    }
    sb_add(&f->saved, text);
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
                                .unfinished = f_unfinished,
                                .possible = f_possible,
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
    sb_free(&f->saved);
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

static void conf_line(struct fake *f, const char *line)
{
    struct strbuf errors = {0};
    assert_true(cli_load(f->c, "test", line, &errors));
    sb_free(&errors);
}

/* Every form of the secret, and what is not the whole of it: nothing, a part, more, another case. */
static void secrets(void **state)
{
    struct fake *f = *state;
    static const char *const lines[] = {
        "enable secret hashcat",
        "enable secret 0 hashcat",
        "enable secret 5 $1$28772684$iEwNOgGugqO9.bIz5sk8k/",
        "enable secret 8 $8$TnGX/fE4KGHOVU$pEhnEvxrvaynpi8j4f.EMHr6M.FzU8xnZnBr/tJdFWk",
        "enable secret 9 $9$2MJBozw/9R3UsU$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdfo6",
        "no enable secret\nenable password hashcat",
        "no enable password\nenable password 7 011B07175308071B"};
    static const char *const wrong[] = {"", " ", "h", "hashca", "hashcatx", "HASHCAT", "x"};
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        conf_line(f, lines[i]);
        for (unsigned w = 0; w < ARRAY_LEN(wrong); w++) {
            say(f, "enable");
            assert_string_equal(session_prompt(f->s), "Password: ");
            assert_string_equal(say(f, wrong[w]), ""); /* asked again, twice */
            assert_int_equal(f->status, CLI_ERROR);
            assert_string_equal(session_prompt(f->s), "Password: ");
            say(f, wrong[w]);
            assert_string_equal(session_prompt(f->s), "Password: ");
            assert_string_equal(say(f, wrong[w]), "% Bad secrets\n\n");
            assert_string_equal(session_prompt(f->s), "Router>");
        }
        say(f, "enable");
        say(f, "x");
        assert_string_equal(say(f, "hashcat"), "");
        assert_string_equal(session_prompt(f->s), "Router#");
        say(f, "disable");
    }
    conf_line(
        f, "enable secret one\nenable password two"); /* the secret is asked, never the password */
    say(f, "enable");
    say(f, "two");
    assert_string_equal(session_prompt(f->s), "Password: ");
    say(f, "one");
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

/* What went wrong is told whatever the filter, also behind `do`; count counts. */
static void filters_tell_errors(void **state)
{
    struct fake *f = *state;
    static const char *const bad[] = {"show bogus | include x", "show bogus | exclude .",
                                      "show bogus | begin zz", "show bogus | section x",
                                      "show bogus | count x"};
    say(f, "enable");
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_non_null(strstr(say(f, bad[i]), "^\n% Invalid input detected at '^' marker.\n"));
        assert_int_equal(f->status, CLI_ERROR);
    }
    assert_string_equal(say(f, "show version | count ."),
                        "Number of lines which match regexp = 6\n");
    assert_string_equal(say(f, "show version | count uptime is"),
                        "Number of lines which match regexp = 1\n");
    assert_string_equal(say(f, "show version | include ^%"),
                        ""); /* nothing failed: nothing added */
    say(f, "conf t");
    assert_non_null(strstr(say(f, "do show bogus | include x"), "% Invalid input"));
    assert_non_null(strstr(say(f, "do show version | frob x"), "% Invalid output filter"));
}

static void history(void **state)
{
    struct fake *f = *state;
    char line[32], want[32];
    say(f, "enable");
    say(f, "conf t");
    say(f, "enable secret ZQ");
    say(f, "crypto isakmp key ZQ address 1.2.3.4");
    say(f, "username u password ZQ");
    say(f, "crypto map M 10 ipsec-manual");
    say(f, "set session-key in ah 300 ZQ");
    say(f, "se se o e 300 c ZQ");
    say(f, "hostname H");
    say(f, "end");
    const char *out = say(f, "show history");
    assert_string_equal(out, "  enable\n  conf t\n  crypto map M 10 ipsec-manual\n  hostname H\n  end\n  show history\n");
    for (int i = 0; i < 30; i++) {
        snprintf(line, sizeof line, "terminal length %d", i);
        say(f, line);
    }
    out = say(f, "show history");
    for (int i = 0; i < 30; i++) {
        snprintf(want, sizeof want, "  terminal length %d\n", i);
        assert_int_equal(strstr(out, want) != NULL, i >= 11);
    }
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
    static const char *const whole[] = {"show version ", "show clock ", "disable ",
                                        "show crypto isakmp sa "};
    for (unsigned i = 0; i < ARRAY_LEN(whole); i++) {
        b.len = 0;
        session_help(f->s, whole[i], &b);
        assert_non_null(strstr(b.s, "  <cr>\n"));
    }
    b.len = 0;
    session_help(f->s, "show crypto ", &b);
    assert_null(strstr(b.s, "<cr>"));
    b.len = 0;
    session_complete(f->s, "sh cry", &b);
    assert_string_equal(b.s, "sh crypto ");
    b.len = 0;
    session_complete(f->s, "show crypto isakmp p", &b);
    assert_string_equal(b.s, "show crypto isakmp p"); /* ambiguous: unchanged */
    sb_free(&b);
}

/* The configuration was read again: what the submode stood on is gone. */
static void replaced(void **state)
{
    struct fake *f = *state;
    say(f, "enable");
    session_conf_replaced(f->s); /* no mode of the configuration: nothing to leave */
    assert_string_equal(session_prompt(f->s), "Router#");
    say(f, "conf t");
    say(f, "crypto isakmp policy 10");
    assert_string_equal(session_prompt(f->s), "Router(config-isakmp)#");
    conf_free(f->c);
    f->c = conf_new();
    session_conf_replaced(f->s);
    assert_string_equal(session_prompt(f->s), "Router(config)#");
    say(f, "group 14"); /* is no line of this mode */
    assert_int_equal(f->status, CLI_ERROR);
}

/* A list in use that goes and is typed again line by line: what it covered stays covered until everybody has left
 * configuration mode; one that hangs up in the middle leaves it covered, and that is said. */
static void a_list_typed_again(void **state)
{
    struct fake *f = *state;
    static const char *const lines[] = {"access-list 100 permit ip 10.1.0.0 0.0.0.255 any",
                                        "access-list 100 permit ip 10.2.0.0 0.0.0.255 any",
                                        "crypto map M 10 ipsec-isakmp",
                                        "match address 100",
                                        "interface FastEthernet0/1",
                                        "crypto map M",
                                        "end"};
    say(f, "enable");
    say(f, "conf t");
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        say(f, lines[i]);
    }
    for (int way = 0; way < 3; way++) {
        say(f, "conf t");
        say(f, "no access-list 100");
        say(f, lines[0]);
        assert_true(conf_changing(f->c));
        int before = f->applied;
        struct session *other = session_new(&f->host, f, true, f_out, f_done);
        if (way == 1) {
            session_free(f->s);
            f->s = session_new(&f->host, f, true, f_out, f_done);
            assert_int_equal(f->unfinished, 1);
            say(f, "enable");
            say(f, "conf t"); /* somebody comes and goes, whatever it changes */
            assert_non_null(strstr(say(f, "do clear adit unfinished"), "somebody is in conf"));
            assert_non_null(strstr(say(f, "do write memory"), "Not saved"));
            say(f, "access-list 199 permit ip any any");
            assert_non_null(strstr(say(f, "end"), "`clear adit unfinished`"));
            assert_true(conf_changing(f->c));
            assert_non_null(strstr(say(f, "write memory"), "Not saved"));
            assert_non_null(strstr(say(f, "copy running-config startup-config"), "Not saved"));
            assert_int_equal(f->saved.len, 0);
            before = f->applied;
        } else if (way == 2) { /* another console that comes and goes */
            session_line(other, "conf t");
            session_line(other, "end");
            session_line(other, "conf t"); /* and hangs up below, having taken nothing away */
            session_line(other, "access-list 198 permit ip any any");
            before = f->applied;
        }
        session_free(other);
        assert_true(conf_changing(f->c));
        assert_int_equal(f->applied, before);
        say(f, way == 1 ? "clear adit unfinished" : "end");
        assert_false(conf_changing(f->c));
        assert_int_equal(f->applied, before + 1);
        say(f, "conf t");
        say(f, lines[1]);
        say(f, "end");
    }
    assert_int_equal(f->unfinished, 1);
    say(f, "conf t");
    assert_non_null(strstr(say(f, "no interface FastEthernet0/1"), "has a crypto map"));
    say(f, "interface FastEthernet0/1");
    say(f, "no crypto map");
    assert_non_null(strstr(say(f, "no interface FastEthernet0/1"), "has a crypto map"));
    say(f, "end");
    say(f, "conf t");
    say(f, "no interface FastEthernet0/1");
    assert_int_equal(f->status, CLI_OK);
    say(f, "no access-list 100");
    conf_free(f->c); /* the file is read again: this console is still typing */
    f->c = conf_new();
    session_conf_replaced(f->s);
    assert_int_equal(f->c->typing, 1);
    say(f, "end");
    assert_int_equal(f->c->typing, 0);
}

/* What one console has removed another one's lines do not go into; `do` leaves the mode alone; who looks on and goes takes
 * nobody's word away; who saves does not save the middle of another's change. */
static void two_consoles(void **state)
{
    struct fake *f = *state;
    static const char *const things[][3] = {
        {"interface FastEthernet0/1", "no interface FastEthernet0/1", "crypto map M"},
        {"ip access-list extended L", "no ip access-list extended L", "permit ip any any"},
        {"crypto map M 20 ipsec-isakmp", "no crypto map M 20", "match address L"},
        {"crypto isakmp policy 5", "no crypto isakmp policy 5", "group 14"},
        {"router ospf 1", "no router ospf 1", "network 10.0.0.0 0.0.0.255 area 0"}};
    static const char *const modes[] = {"do exit", "do enable", "do disable", "do conf t"};
    struct session *other = session_new(&f->host, f, true, f_out, f_done);
    say(f, "enable");
    say(f, "conf t");
    say(f, "crypto map M 10 ipsec-isakmp");
    session_line(other, "conf t");
    for (unsigned i = 0; i < ARRAY_LEN(things); i++) {
        say(f, things[i][0]);
        session_line(other, things[i][1]);
        session_line(other, things[i][0]); /* there is one again, another one */
        assert_non_null(strstr(say(f, things[i][2]), "removed by another console"));
        assert_int_equal(f->status, CLI_ERROR);
        assert_string_equal(session_prompt(f->s), "Router(config)#");
        say(f, things[i][0]);
        session_line(other, things[i][1]);
        assert_non_null(strstr(say(f, "hostname Router"), "removed by another console"));
        assert_int_equal(f->status, CLI_OK);
    }
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
        assert_string_equal(say(f, modes[i]), "% `do` changes no mode\n");
        assert_int_equal(f->status, CLI_ERROR);
        assert_int_equal(f->c->typing, 2);
    }
    assert_string_equal(session_prompt(f->s), "Router(config)#");
    say(f, "access-list 100 permit ip 10.1.0.0 0.0.0.255 any");
    say(f, "access-list 100 permit ip 10.2.0.0 0.0.0.255 any");
    say(f, "crypto map M 10 ipsec-isakmp");
    say(f, "match address 100");
    say(f, "interface FastEthernet0/1");
    say(f, "crypto map M");
    say(f, "ip access-list extended 100");
    say(f, "no 10");
    assert_non_null(strstr(say(f, "do write memory"), "another console is in configuration"));
    assert_non_null(strstr(say(f, "end"), "1 other console is in configuration mode"));
    assert_true(conf_changing(f->c));
    int before = f->applied;
    session_line(other, "hostname OTHER");
    session_free(other);
    assert_false(conf_changing(f->c));
    assert_int_equal(f->applied, before + 2); /* its line, and what was held for it */
    assert_int_equal(f->unfinished, 0);
    say(f, "conf t");
    say(f, "ip access-list extended 100");
    say(f, "30 permit ip 10.3.0.0 0.0.0.255 any");
    say(f, "no 20");
    assert_string_equal(say(f, "do write memory"), "Building configuration...\n[OK]\n");
    say(f, "20 permit ip 10.2.0.0 0.0.0.255 any"); /* it is back, and another one takes it away again */
    other = session_new(&f->host, f, true, f_out, f_done);
    session_line(other, "conf t");
    session_line(other, "ip access-list extended 100");
    session_line(other, "no 20");
    session_free(other);
    assert_int_equal(f->unfinished, 1);
    say(f, "end");
    assert_true(conf_changing(f->c));
}

/* An entry whose list has gone goes on with what it had. Who begins that list again, takes the entry away or points it
 * elsewhere, and hangs up, leaves it covered. */
static void begun_again_and_left(void **state)
{
    struct fake *f = *state;
    static const char *const ways[][3] = {
        {"access-list 100 permit ip 10.9.0.0 0.0.0.255 any", "", ""},
        {"no crypto map M 10", "", ""},
        {"access-list 101 permit ip 10.9.0.0 0.0.0.255 any", "crypto map M 10 ipsec-isakmp",
         "match address 101"}};
    say(f, "enable");
    for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
        static const char *const lines[] = {
            "conf t",         "no access-list 100", "access-list 100 permit ip 10.1.0.0 0.0.0.255 any",
            "access-list 102 permit ip 10.3.0.0 0.0.0.255 any",
            "crypto map M 10 ipsec-isakmp", "match address 100", "crypto map M 20 ipsec-isakmp",
            "match address 102", "interface FastEthernet0/1", "crypto map M", "end",
            "clear adit unfinished", "conf t", "no access-list 100", "end"};
        for (unsigned k = 0; k < ARRAY_LEN(lines); k++) {
            say(f, lines[k]);
        }
        assert_true(conf_holds(f->c));
        assert_false(conf_changing(f->c));
        assert_false(f->c->unfinished);
        say(f, "conf t");
        for (unsigned k = 0; k < ARRAY_LEN(ways[i]) && ways[i][k][0]; k++) {
            say(f, ways[i][k]);
            assert_int_equal(f->status, CLI_OK);
        }
        session_free(f->s);
        f->s = session_new(&f->host, f, true, f_out, f_done);
        assert_true(f->c->unfinished);
        assert_true(conf_changing(f->c));
        assert_int_equal(f->unfinished, i + 1);
    }
}

/* What a console leaves can be read again: what is in use does not go, what is refused changes nothing, a list stays of its
 * kind, and what could not be read is not saved. */
static void what_is_left_is_whole(void **state)
{
    struct fake *f = *state;
    static char longest[120], too_long[120];
    snprintf(longest, sizeof longest, "enable password %078d", 1);
    snprintf(too_long, sizeof too_long, "enable password %079d", 1);
    static const char *const good[] = {"crypto ipsec transform-set A esp-aes esp-sha-hmac",
                                       "crypto ipsec transform-set B esp-3des esp-md5-hmac",
                                       "crypto ipsec profile P",
                                       "set transform-set A",
                                       "crypto map M 10 ipsec-isakmp",
                                       "set transform-set B",
                                       "match address 100",
                                       "interface Tunnel0",
                                       "tunnel protection ipsec profile P",
                                       "ipv6 unicast-routing",
                                       "ipv6 route 2001:db8::/32 2001:db8:1::1",
                                       "no ipv6 unicast-routing",
                                       "access-list 100 permit ip host 10.0.0.1 any",
                                       "ip access-list standard S",
                                       "permit host 10.0.0.1",
                                       "service password-encryption",
                                       longest,
                                       "ipv6 access-list 101",
                                       "sequence 4294967290 permit ipv6 any any"};
    static const char *const refused[][2] = {
        {"no crypto ipsec transform-set A", "transform set A is in use by P"},
        {"no crypto ipsec transform-set B", "transform set B is in use by M"},
        {"no crypto ipsec profile P", "ipsec profile P is in use by Tunnel0"},
        {"no ip access-list extended 101", "of the other kind"},
        {"no ip access-list extended S", "of the other kind"},
        {"no access-list 101", "of the other kind"},
        {"access-list 101 permit ip host 10.0.0.1 any", "of the other kind"},
        {"access-list 101 remark x", "of the other kind"},
        {"no ipv6 access-list 100", "of the other kind"},
        {"ipv6 access-list 101", ""},
        {"permit ipv6 host 2001:db8::1 any", "no number left behind 4294967290"},
        {"remark z", "no number left behind 4294967290"},
        {too_long, "no secret of type 0"},
        {"crypto map M 10 ipsec-isakmp", ""},
        {"set transform-set A NONE", "transform set NONE does not exist"}};
    struct strbuf want = {0}, is = {0};
    say(f, "enable");
    say(f, "conf t");
    for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
        say(f, good[i]);
        assert_int_equal(f->status, CLI_OK);
    }
    cli_running(&want, f->c);
    for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
        assert_non_null(strstr(say(f, refused[i][0]), refused[i][1]));
        assert_int_equal(f->status, refused[i][1][0] ? CLI_ERROR : CLI_OK);
        is.len = 0;
        cli_running(&is, f->c);
        assert_string_equal(is.s, want.s);
    }
    say(f, "end");
    assert_string_equal(say(f, "write memory"), "Building configuration...\n[OK]\n");
    list_remove(&conf_set_find(f->c, "A")->link); /* as some fault of ours would */
    size_t saved = f->saved.len;
    assert_non_null(strstr(say(f, "write memory"), "% Not saved: it could not be read again"));
    assert_non_null(strstr(say(f, "write memory"), "transform set A does not exist"));
    assert_int_equal(f->status, CLI_ERROR);
    assert_int_equal(f->saved.len, saved);
    sb_free(&want);
    sb_free(&is);
}

/* What this machine cannot do is refused at the line, and the model is as it was. */
static void a_line_that_does_not_fit(void **state)
{
    struct fake *f = *state;
    static const char *const before[] = {"access-list 100 permit ip 10.1.0.0 0.0.0.255 any",
                                         "access-list 101 permit ip 10.1.0.0 0.0.0.255 any",
                                         "crypto map M 10 ipsec-isakmp",
                                         "match address 100",
                                         "crypto map N 10 ipsec-isakmp",
                                         "match address 101",
                                         "crypto ipsec profile P",
                                         "interface Tunnel0",
                                         "interface FastEthernet0/0.10",
                                         "interface FastEthernet0/1",
                                         "crypto map M",
                                         "ip access-list extended 100",
                                         "20 deny ip 10.9.0.0 0.0.0.255 any"};
    static const char *const refused[][2] = {
        {"", "interface Tunnel64"},
        {"", "access-list 100 permit ip 10.2.0.0 0.0.0.255 any"},
        {"", "access-list 102 permit ip 10.2.0.0 0.0.0.255 any"},
        {"ip access-list extended 100", "10 deny ip any any"},
        {"ip access-list extended 100", "30 deny ip any any"},
        {"interface FastEthernet0/1", "crypto map N"},
        {"interface Tunnel0", "tunnel protection ipsec profile P"},
        {"interface FastEthernet0/0.10", "encapsulation dot1Q 10"},
        {"crypto map M 10 ipsec-isakmp", "match address 101"},
    };
    struct strbuf want = {0}, is = {0};
    say(f, "enable");
    say(f, "conf t");
    for (unsigned i = 0; i < ARRAY_LEN(before); i++) {
        say(f, before[i]);
        assert_int_equal(f->status, CLI_OK);
    }
    say(f, "exit");
    cli_running(&want, f->c);
    for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
        if (refused[i][0][0]) {
            say(f, refused[i][0]);
        }
        f->impossible = true;
        assert_non_null(strstr(say(f, refused[i][1]), "crypto map: more than nothing"));
        f->impossible = false;
        assert_int_equal(f->status, CLI_ERROR);
        is.len = 0;
        cli_running(&is, f->c);
        assert_string_equal(is.s, want.s);
        assert_false(conf_holds(f->c)); /* nothing went, so nothing is held */
    }
    say(f, "ip access-list extended 100"); /* what is held line by line stays so when a line is refused */
    say(f, "no 10");
    f->impossible = true;
    say(f, "30 permit ip 10.2.0.0 0.0.0.255 any");
    f->impossible = false;
    assert_int_equal(f->status, CLI_ERROR);
    assert_true(conf_holds(f->c));
    assert_false(conf_if_find(f->c, "FastEthernet0/1")->held_all);
    sb_free(&want);
    sb_free(&is);
}

static void saving(void **state)
{
    struct fake *f = *state;
    say(f, "enable");
    conf_line(f, "hostname SAVED");
    assert_string_equal(say(f, "write memory"), "Building configuration...\n[OK]\n");
    struct strbuf want = {0};
    cli_running(&want, f->c);
    assert_string_equal(f->saved.s, want.s);
    assert_non_null(strstr(f->saved.s, "hostname SAVED\n"));
    sb_free(&want);
    f->disk_full = true;
    assert_string_equal(say(f, "write memory"),
                        "% Error: the startup configuration cannot be written\n");
    assert_int_equal(f->status, CLI_ERROR);
}

/* A deny under the number of a list's last permit line: what the map covered is dropped from now on, and that is said. */
static void last_permit_replaced(void **state)
{
    struct fake *f = *state;
    say(f, "enable");
    say(f, "conf t");
    say(f, "crypto map M 10 ipsec-isakmp");
    say(f, "match address L");
    say(f, "interface FastEthernet0/1");
    say(f, "crypto map M");
    say(f, "ip access-list extended L");
    say(f, "10 permit ip host 1.1.1.1 host 2.2.2.2");
    assert_null(strstr(say(f, "20 permit ip host 1.1.1.1 host 3.3.3.3"), "NOTE"));
    assert_null(strstr(say(f, "20 deny ip host 1.1.1.1 host 3.3.3.3"), "NOTE"));
    assert_non_null(strstr(say(f, "10 deny ip host 1.1.1.1 host 2.2.2.2"),
                           "crypto map M 10 names access list L, which permits nothing"));
    assert_null(strstr(say(f, "10 permit ip host 1.1.1.1 host 2.2.2.2"), "NOTE"));
}

/* A master key that something saved may need is not forgotten: when there is no room for another, it is not taken. */
static void master_keys(void **state)
{
    struct fake *f = *state;
    say(f, "enable");
    say(f, "conf t");
    for (unsigned i = 0; i <= CONF_FORMER + 1; i++) {
        char line[80];
        snprintf(line, sizeof line, "key config-key password-encrypt number-%u-of-them", i);
        const char *said = say(f, line);
        assert_int_equal(strstr(said, "`write memory` first") != NULL, i == CONF_FORMER + 1);
    }
    struct secret first;
    password_master(&first, "number-0-of-them");
    assert_memory_equal(f->c->former[CONF_FORMER - 1].b, first.b, first.len);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(modes_and_prompts),   T(carets),               T(secrets),    T(filters), T(debugging),
        T(filters_tell_errors), T(history),              T(help),       T(saving),  T(replaced),
        T(a_list_typed_again),  T(two_consoles), T(what_is_left_is_whole), T(begun_again_and_left), T(a_line_that_does_not_fit), T(last_permit_replaced), T(master_keys)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
