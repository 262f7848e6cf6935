/*
 * What is printed is what was meant. golden/running.cfg holds every line adit prints, written by hand: read and printed it
 * must be the same to the byte, so a line that is lost on the way shows, which comparing two printed texts would not. Then
 * each line's `no` form takes away exactly that line, and what the examples say is found in what is printed of them.
 */
#include "cli/cli.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

enum { LINES = 1024 };

static char *golden(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/cli/golden/running.cfg", getenv("ADIT_SRC"));
    char *text = cli_read_file(path);
    assert_non_null(text);
    return text;
}

/* printed: the running configuration of a text, malloced. */
static char *printed(const char *text)
{
    struct conf *c = conf_new();
    struct strbuf errors = {0}, out = {0};
    if (!cli_load(c, "test.cfg", text, &errors)) {
        fail_msg("%s", errors.s);
    }
    cli_running(&out, c);
    sb_free(&errors);
    conf_free(c);
    return out.s;
}

static void every_line(void **state)
{
    (void)state;
    char *want = golden(), *got = printed(want);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

/* The other values of lines that golden/running.cfg can hold only once: each is printed as it was written. */
static void other_values(void **state)
{
    static const char *const texts[] = {
        "crypto ipsec security-association replay disable\n",
        "crypto ipsec security-association replay window-size 128\n",
        "crypto ipsec security-association idle-time 600\n",
        "crypto ipsec profile P\n!\ninterface Tunnel0\n no ip address\n tunnel protection ipsec profile P shared\n",
        "ip host far.example.net 192.0.2.9\nip host six 2001:DB8::1\nip name-server 192.0.2.53\nip name-server 2001:DB8::53\n",
        "crypto map M 10 ipsec-isakmp \n set peer far.example.net dynamic default\n set peer near.example.net\n set peer 9.9.9.8\n",
        "crypto ipsec profile P\n set security-association idle-time 60 default\n",
        "crypto ipsec transform-set T esp-aes esp-sha-hmac\n mode transport require\n",
        "crypto map M 10 ipsec-isakmp \n set peer 9.9.9.9 default\n set peer 9.9.9.8\n set security-association idle-time 90\n",
        "crypto ipsec profile P\n set security-association replay disable\n",
        "crypto ipsec df-bit set\n",
        "crypto isakmp policy 1\n encr aes\n hash sha256\n group 19\n",
        "crypto isakmp policy 1\n encr aes 192\n hash sha384\n group 1\n",
        "crypto ipsec transform-set T esp-gcm 256 \n",
        "crypto ipsec transform-set T esp-null esp-sha-hmac\n",
        "crypto ipsec transform-set T esp-ctr 192 esp-xcbc-mac\n",
        "crypto ipsec transform-set T esp-ctr esp-sha256-hmac\n",
        "crypto ipsec transform-set T esp-ccm \n esn\n",
        "crypto ipsec transform-set T ah-sha256-hmac \n mode transport\n",
        "crypto ipsec transform-set T ah-md5-hmac esp-aes 256 esp-sha-hmac\n",
        "crypto ipsec transform-set T ah-sha512-hmac esp-gcm \n",
        "crypto ipsec transform-set T esp-ccm 256 \n",
        "crypto ipsec transform-set T esp-gmac 192 \n",
        "crypto ipsec transform-set T esp-des esp-sha256-hmac\n",
        "interface Tunnel0\n no ip address\n tunnel mode ipip\n",
        "interface Tunnel0\n no ip address\n tunnel mode ipv6ip\n",
        "interface Tunnel0\n no ip address\n tunnel mode ipsec ipv6\n",
        "interface Serial0/0\n no ip address\n ip ospf network point-to-point\n",
        "interface Vlan1\n no ip address\n",
        "no service timestamps log\n",
        "ip route 10.0.0.0 255.0.0.0 Null0 250\n",
        "access-list 150 deny tcp any lt 1024 any eq telnet\n",
        "username carl nopassword\n",
        "crypto isakmp identity dn\n",
        "crypto isakmp identity address\n",
        "crypto isakmp profile X\n   self-identity fqdn\n   local-address Loopback0\n",
        "crypto isakmp profile X\n   self-identity address\n",
        "crypto keyring X \n  local-address 192.0.2.1\n",
        "crypto map M 10 ipsec-isakmp \n set isakmp-profile X\n",
        "crypto map M 10 ipsec-isakmp \n reverse-route\n",
        "crypto dynamic-map D 10\n reverse-route static\n",
        "crypto map M 10 ipsec-manual \n set session-key inbound esp 300 authenticator 0011\n",
        "crypto map M 10 ipsec-manual \n set session-key outbound esp 300 cipher 0011\n",
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        char *got = printed(texts[i]);
        const char *line = texts[i];
        for (char *at = got; *line;
             line += strcspn(line, "\n") + 1) { /* in order; defaults are left out */
            char want[128];
            snprintf(want, sizeof want, "%.*s\n", (int)strcspn(line, "\n"), line);
            if (strcmp(want, " group 1\n") == 0) {
                continue;
            }
            at = strstr(at, want);
            if (!at) {
                fail_msg("\"%s\" is not printed:\n%s", want, got);
            }
        }
        free(got);
    }
}

/* Order does not matter where IOS sorts: map entries by number, numbered lines by number. */
static void sorted(void **state)
{
    (void)state;
    char *got = printed(
        "crypto map M 30 ipsec-isakmp\ncrypto map M 5 ipsec-isakmp\ncrypto map M 10 ipsec-isakmp\n"
        "crypto isakmp policy 20\ncrypto isakmp policy 10\nip access-list extended L\n 30 permit "
        "ip any host 3.3.3.3\n"
        " 10 permit ip any host 1.1.1.1\n 20 deny ip any host 2.2.2.2\n 10 permit ip any host "
        "9.9.9.9\n");
    const char *at = got;
    static const char *const order[] = {"policy 10\n",
                                        "policy 20\n",
                                        "M 5 ",
                                        "M 10 ",
                                        "M 30 ",
                                        " permit ip any host 9.9.9.9\n",
                                        " deny ip any host 2.2.2.2\n",
                                        " permit ip any host 3.3.3.3\n"};
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        const char *found = strstr(at, order[i]);
        if (!found) {
            fail_msg("\"%s\" is not there, or too early, in\n%s", order[i], got);
        }
        at = found;
    }
    assert_null(strstr(got, "1.1.1.1")); /* the second line 10 is the line 10 */
    free(got);
}

/* ---- `no` ---- */

static size_t split(char **out, char *text)
{
    size_t num = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strcmp(line, "!") != 0 && strcmp(line, "end") != 0) {
            assert_true(num < LINES);
            out[num++] = line;
        }
    }
    return num;
}

/* What a line's `no` form leaves in its place, where it is not simply nothing. NULL: the whole list goes. */
static const struct {
    const char *line, *instead;
} exceptions[] = {
    {"hostname SINK", "hostname Router"},
    {"version 12.4", "no version 12.4"},
    {"aaa new-model", "no aaa new-model"},
    {"aaa authentication login USERS local", "no aaa authentication login USERS local"},
    {"aaa authorization network GROUPS local", "no aaa authorization network GROUPS local"},
    {" duplex full", " no duplex full"},
    {" exec-timeout 0 0", " no exec-timeout 0 0"},
    {" login", " no login"},
    {" password 7 09444F1A11061606", " no password 7 09444F1A11061606"},
    {" ip address 203.0.113.100 255.255.255.255", " no ip address"},
    {" ip address 10.9.0.1 255.255.255.252", " no ip address"},
    {" ip address 198.18.20.1 255.255.255.0", " no ip address"},
    {" ip unnumbered Loopback0", " no ip address"},
    {" revocation-check crl none", " revocation-check crl"},
    {" revocation-check none", " revocation-check crl"},
    {" serial-number none", " no serial-number none"},
};
/* Lines whose `no` form is another matter: tested below, or refused because it lacks the address. */
static const char *const others[] = {"service password-encryption", " no ip address",
                                     "access-list ", "crypto pki trustpoint ", " certificate ", "  "};

static const char *instead_of(const char *line)
{
    for (unsigned i = 0; i < ARRAY_LEN(exceptions); i++) {
        if (strcmp(exceptions[i].line, line) == 0) {
            return exceptions[i].instead;
        }
    }
    return "";
}

static bool is_other(const char *line)
{
    for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
        if (strncmp(others[i], line, strlen(others[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* without: line n undone at the end of the whole configuration; got must be the rest. */
static void without(char **line, size_t num, size_t n)
{
    struct strbuf text = {0};
    char *got[LINES], *copy;
    size_t head = n, after = n + 1;
    for (size_t i = 0; i < num; i++) {
        sb_addf(&text, "%s\n", line[i]);
    }
    while (line[head][0] == ' ') {
        head--;
    }
    if (head != n) {
        sb_addf(&text, "%s\n", line[head]);
    }
    const char *said = line[n] + strspn(line[n], " ");
    bool no = strncmp(said, "no ", 3) == 0;
    sb_addf(&text, "%s%s%s\n", head != n ? " " : "", no ? "" : "no ", no ? said + 3 : said);
    while (head == n && after < num && line[after][0] == ' ') {
        after++; /* a section goes with its lines */
    }
    copy = printed(text.s);
    size_t have = split(got, copy), k = 0;
    const char *instead = instead_of(line[n]);
    bool found = !instead[0];
    for (size_t i = 0; i < num; i++) {
        if (i >= n && i < after) {
            continue;
        }
        if (k < have && !found && strcmp(got[k], line[i]) != 0 && strcmp(got[k], instead) == 0) {
            found = true;
            k++;
        }
        if (k >= have || strcmp(got[k], line[i]) != 0) {
            fail_msg("after \"no%s%s\": \"%s\" instead of \"%s\"", said == line[n] ? " " : "",
                     line[n], k < have ? got[k] : "", line[i]);
        }
        k++;
    }
    found |= k < have && strcmp(got[k], instead) == 0;
    assert_true(found);
    free(copy);
    sb_free(&text);
}

static void every_no(void **state)
{
    char *text = golden(), *line[LINES];
    (void)state;
    size_t num = split(line, text), tried = 0;
    for (size_t n = 0; n < num; n++) {
        if (!is_other(line[n])) {
            without(line, num, n);
            tried++;
        }
    }
    assert_true(tried > 100);
    free(text);
}

/* Whole things go by their name alone; what is not there goes without a trace. */
static void whole_things(void **state)
{
    static const char *const gone[] = {"access-list 101",
                                       "ip access-list extended LIST",
                                       "router ospf 1",
                                       "interface Tunnel1",
                                       "crypto ipsec profile P",
                                       "crypto isakmp policy 10",
                                       "crypto isakmp profile PROF",
                                       "crypto isakmp profile NONE",
                                       "crypto keyring K",
                                       "crypto keyring NONE",
                                       "crypto isakmp peer address 192.0.2.1",
                                       "crypto isakmp peer address 192.0.2.99",
                                       "crypto map NONE isakmp-profile PROF",
                                       "crypto map NONE",
                                       "crypto isakmp client configuration group sales",
                                       "crypto isakmp client configuration group NONE",
                                       "crypto dynamic-map DYN",
                                       "crypto dynamic-map NONE",
                                       "crypto dynamic-map NONE 10",
                                       "ip local pool CLIENTS",
                                       "ip local pool NONE",
                                       "crypto map NONE client authentication list USERS",
                                       "access-list 199",
                                       "ip access-list extended NONE",
                                       "router ospf 9",
                                       "interface Tunnel9",
                                       "crypto ipsec profile NONE",
                                       "crypto isakmp policy 99",
                                       "username nobody",
                                       "crypto map NONE 10",
                                       "crypto map NONE local-address Loopback0",
                                       "line vty 5 15"};
    (void)state;
    char *text = golden();
    for (unsigned i = 0; i < ARRAY_LEN(gone); i++) {
        struct strbuf all = {0};
        char head[80];
        sb_addn(&all, text, strlen(text) - strlen("end\n"));
        sb_addf(&all, "no %s\n", gone[i]);
        char *got = printed(all.s);
        snprintf(head, sizeof head, "\n%s", gone[i]);
        if (strstr(got, head)) {
            fail_msg("\"no %s\" leaves something of it", gone[i]);
        }
        if (!strstr(text, head)) { /* it was not there: nothing changes */
            assert_string_equal(got, text);
        }
        free(got);
        sb_free(&all);
    }
    free(text);
}

/* A certificate goes by its number, its chain by the trustpoint's name, and with the trustpoint all of it. */
static void certificates_go(void **state)
{
    static const struct {
        const char *line, *gone, *stays;
    } cases[] = {
        {"crypto pki certificate chain CORP\n no certificate 7\n", " certificate 07\n", " certificate ca 1A2B\n"},
        {"crypto pki certificate chain CORP\n no certificate ca 1a2b\n", " certificate ca", " certificate 07\n"},
        {"no crypto pki certificate chain CORP\n", "certificate chain", "crypto pki trustpoint CORP\n"},
        {"no crypto pki trustpoint CORP\n", "trustpoint CORP\n", "crypto pki trustpoint LAB\n"},
        {"no crypto pki trustpoint CORP\n", "certificate chain", " ca trust-point CORP\n"},
        {"no crypto ca trustpoint LAB\n", "LAB", " certificate 07\n"},
    };
    (void)state;
    char *text = golden();
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf all = {0};
        sb_addn(&all, text, strlen(text) - strlen("end\n"));
        sb_add(&all, cases[i].line);
        char *got = printed(all.s);
        if (strstr(got, cases[i].gone) || !strstr(got, cases[i].stays)) {
            fail_msg("after \"%s\":\n%s", cases[i].line, got);
        }
        free(got);
        sb_free(&all);
    }
    free(text);
}

/* The two forms of a kept line never stand side by side; a line is a place, said twice it is the same. */
static void one_form_only(void **state)
{
    (void)state;
    char *got = printed("no ip http server\nip http server\ninterface FastEthernet0/0\n cdp "
                        "enable\n no cdp enable\n speed 100\n speed 10\n"
                        "line vty 0 4\n password a\n exec-timeout 1 0\nline con 0\n logging "
                        "synchronous\nline vty 0 4\n password b\n no exec-timeout\n"
                        " transport input ssh\n transport output ssh\n transport input none\n");
    static const char *const gone[] = {"no ip http", " cdp enable\n",  "speed 100",
                                       "password a", "exec-timeout 1", "input ssh"};
    static const char *const want[] = {"\nip http server\n",
                                       " no cdp enable\n",
                                       " speed 10\n",
                                       "line vty 0 4\n password b\n no exec-timeout\n",
                                       " transport output ssh\n transport input none\n",
                                       "line con 0\n logging synchronous\n"};
    for (unsigned i = 0; i < ARRAY_LEN(gone); i++) {
        const char *at = strstr(got, gone[i]);
        if (at && !(at > got + 3 && strncmp(at - 3, " no", 3) == 0)) {
            fail_msg("\"%s\" is still in\n%s", gone[i], got);
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
        if (!strstr(got, want[i])) {
            fail_msg("no \"%s\" in\n%s", want[i], got);
        }
    }
    free(got);
}

/* `no` of what is off by default, or on: the default. */
static void defaults_again(void **state)
{
    static const char *const lines[] = {"crypto ipsec security-association replay disable",
                                        "crypto ipsec security-association replay window-size 512",
                                        "crypto ipsec df-bit set", "crypto isakmp keepalive 10"};
    (void)state;
    char *nothing = printed("");
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        char both[200];
        snprintf(both, sizeof both, "%s\nno %s\n", lines[i], lines[i]);
        char *got = printed(both);
        assert_string_equal(got, nothing);
        free(got);
    }
    free(nothing);
}

/* ---- the examples ---- */

/* Where the operator wrote what is printed another way. "": the default, which is not printed. */
static const struct {
    const char *written, *printed;
} spellings[] = {
    {"interface Loopback 0", "interface Loopback0"},
    {"interface serial 0/0", "interface Serial0/0"},
    {"interface fastethernet 0/0", "interface FastEthernet0/0"},
    {"interface Tunnel 0", "interface Tunnel0"},
    {"interface tunnel 0", "interface Tunnel0"},
    {"tunnel source Loopback 0", "tunnel source Loopback0"},
    {"tunnel mode gre ip", ""},
    {"encryption des", ""},
    {"crypto isakmp key 0 MY_K3Y address 2.2.2.2", "crypto isakmp key MY_K3Y address 2.2.2.2"},
    {"crypto isakmp key 0 MY_K3Y address 1.1.1.1", "crypto isakmp key MY_K3Y address 1.1.1.1"},
};

/* plain_blanks: in place: no-break spaces of web pages are blanks, several are one, none at the ends. */
static char *plain_blanks(char *line)
{
    char *out = line;
    for (const char *p = line; *p; p++) {
        bool blank = *p == ' ' || *p == '\xc2' || *p == '\xa0';
        if (!blank) {
            *out++ = *p;
        } else if (out > line && out[-1] != ' ') {
            *out++ = ' ';
        }
    }
    out -= out > line && out[-1] == ' ';
    *out = 0;
    return line;
}

/* Every line of every example is found in what is printed of it, as it was written or as it is spelled in full. What is printed
 * reads again to the same. */
static void examples(void **state)
{
    char pattern[512];
    glob_t g = {0};
    (void)state;
    snprintf(pattern, sizeof pattern, "%s/examples/*/*.cfg", getenv("ADIT_SRC"));
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= 9);
    unsigned lines = 0, found = 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        char *text = cli_read_file(g.gl_pathv[i]), *once = printed(text), *twice = printed(once);
        assert_string_equal(once, twice);
        for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n")) {
            char want[512];
            line = plain_blanks(line);
            if (!*line || *line == '!' || strcmp(line, "end") == 0) {
                continue;
            }
            str_copy(want, sizeof want, line);
            for (unsigned s = 0; s < ARRAY_LEN(spellings); s++) {
                if (strcmp(line, spellings[s].written) == 0) {
                    str_copy(want, sizeof want, spellings[s].printed);
                }
            }
            lines++;
            found += strstr(once, want) != NULL;
            if (!strstr(once, want)) {
                print_message("%s: not printed as written: %s\n", g.gl_pathv[i], line);
            }
        }
        free(text);
        free(once);
        free(twice);
    }
    globfree(&g);
    print_message("%u of %u lines of the examples are printed as written\n", found, lines);
    assert_true(lines > 150);
    assert_int_equal(found, lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line),     cmocka_unit_test(sorted),
        cmocka_unit_test(other_values),   cmocka_unit_test(every_no),
        cmocka_unit_test(whole_things),   cmocka_unit_test(one_form_only),
        cmocka_unit_test(defaults_again), cmocka_unit_test(certificates_go),
        cmocka_unit_test(examples)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
