/*
 * The matcher: abbreviations, ambiguity, the caret's column, `no`, interface names in one or two tokens, help choices.
 */
#include "cli/cli_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct match m;

static const char *row(u32 mode, const char *line)
{
    grammar_match(&m, cli_grammar(), mode, line, !(mode & (M_EXEC | M_PRIV)));
    return m.result == MATCH_OK ? cli_commands[m.row].syntax : "";
}

static void abbreviations(void **state)
{
    (void)state;
    assert_string_equal(row(M_PRIV, "sh cry isa sa"), "show crypto isakmp sa [detail]");
    assert_string_equal(row(M_PRIV, "show int tun0"), "show interfaces [IF:if]");
    assert_string_equal(match_text(&m, "if"), "Tunnel0");
    assert_string_equal(row(M_PRIV, "conf t"), "configure terminal");
    assert_string_equal(row(M_PRIV, "wr mem"), "write [memory | terminal | file]");
    assert_string_equal(
        row(M_EXEC, "ping  CAFE:2::1 source fa 0/0"),
        "ping [ip | ipv6] ADDR:dst [$pingopt] [$pingopt] [$pingopt] [$pingopt] [$pingopt]");
    assert_string_equal(match_text(&m, "srcif"), "FastEthernet0/0");
    assert_string_equal(row(M_CONF, "interface serial 0/0"), "interface IF:if [point-to-point]");
    assert_string_equal(match_text(&m, "if"), "Serial0/0");
}

static void bad_lines(void **state)
{
    (void)state;
    row(M_PRIV, "sh c");
    assert_int_equal(m.result, MATCH_AMBIGUOUS); /* clock, crypto */
    row(M_PRIV, "show crypto isakmp foo");
    assert_int_equal(m.result, MATCH_INVALID);
    assert_int_equal(m.bad_col, 20);
    assert_non_null(strstr(m.expected, "policy"));
    row(M_PRIV, "show crypto");
    assert_int_equal(m.result, MATCH_INCOMPLETE);
    row(M_CONF, "crypto isakmp policy 10001");
    assert_int_equal(m.result, MATCH_INVALID);
    assert_int_equal(m.bad_col, 22);
    row(M_EXEC, "configure terminal");
    assert_int_equal(m.result, MATCH_INVALID); /* not without privilege */
    row(M_PRIV, "   ");
    assert_int_equal(m.result, MATCH_EMPTY);
}

static void no_forms(void **state)
{
    (void)state;
    assert_string_equal(row(M_IF, "no ip address"),
                        "ip address A.B.C.D:addr A.B.C.D:mask [secondary]");
    assert_true(m.no);
    assert_string_equal(row(M_IF, "no shutdown"), "shutdown");
    assert_string_equal(row(M_CONF, "no crypto isakmp policy 10"),
                        "crypto isakmp policy <1-10000:priority>");
    assert_int_equal(match_number(&m, "priority", 0), 10);
}

static void line_argument(void **state)
{
    (void)state;
    row(M_IF, " description  two  blanks kept ");
    assert_int_equal(m.result, MATCH_OK);
    assert_string_equal(match_text(&m, "text"), "two  blanks kept ");
}

static void choices(void **state)
{
    struct match_choice c[64];
    bool end;
    (void)state;
    int n = grammar_choices(c, 64, &end, cli_grammar(), M_PRIV, "show crypto isakmp p", false);
    assert_int_equal(n, 3); /* peer, peers, policy */
    assert_false(end);
    n = grammar_choices(c, 64, &end, cli_grammar(), M_PRIV, "show crypto session ", false);
    assert_int_equal(n, 1);
    assert_string_equal(c[0].text, "detail");
    assert_true(end);
    n = grammar_choices(c, 64, &end, cli_grammar(), M_ISAKMP, "encr aes ", true);
    assert_int_equal(n, 3);
    assert_int_equal(grammar_choices(c, 64, &end, cli_grammar(), M_PRIV, "nonsense ", false), -1);
}

/* Whatever the bytes: an answer, no fault. */
static void any_bytes(void **state)
{
    static const char words[] =
        "sh crypto isakmp fa0/0 10.0.0.1 no | ? access-list permit any \x01\xff";
    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char line[80];
        size_t len = (size_t)rand() % sizeof line;
        for (size_t k = 0; k < len; k++) {
            line[k] = words[(size_t)rand() % (sizeof words - 1)];
        }
        line[len ? len - 1 : 0] = 0;
        row(1u << (rand() % M_NUM), line);
        assert_true(m.result <= MATCH_EMPTY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abbreviations), cmocka_unit_test(bad_lines), cmocka_unit_test(no_forms),
        cmocka_unit_test(line_argument), cmocka_unit_test(choices),   cmocka_unit_test(any_bytes)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
