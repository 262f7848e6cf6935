/*
 * Secrets of configurations (src/crypto/password.c): vectors made by others, and nothing but the whole secret opens.
 */
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The examples of hashcat's manual (modes 500, 9200, 9300). */
static const struct {
    u8 type;
    const char *text, *clear;
} vectors[] = {
    {5, "$1$28772684$iEwNOgGugqO9.bIz5sk8k/", "hashcat"},
    {8, "$8$TnGX/fE4KGHOVU$pEhnEvxrvaynpi8j4f.EMHr6M.FzU8xnZnBr/tJdFWk", "hashcat"},
    {9, "$9$2MJBozw/9R3UsU$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdfo6", "hashcat"},
    {7, "094F471A1A0A", "cisco"},
    {7, "02050D480809", "cisco"},
    {0, "letmein", "letmein"},
};

static void opens(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
        char part[64];
        const char *text = vectors[i].text, *clear = vectors[i].clear;
        u8 type = vectors[i].type;
        assert_true(password_fits(type, text));
        if (!password_check(type, text, clear)) {
            fail_msg("type %u: %s does not open", type, text);
        }
        assert_false(password_check(type, text, ""));
        for (size_t len = 1; len < strlen(clear); len++) {
            snprintf(part, sizeof part, "%.*s", (int)len, clear);
            assert_false(password_check(type, text, part));
        }
        snprintf(part, sizeof part, "%sx", clear);
        assert_false(password_check(type, text, part));
        if (type) { /* what is stored does not open itself */
            assert_false(password_check(type, text, text));
        }
    }
}

static void malformed(void **state)
{
    static const struct {
        u8 type;
        const char *text;
    } bad[] = {{0, ""},
               {5, ""},
               {5, "$1$salt$short"},
               {5, "$9$salt$iEwNOgGugqO9.bIz5sk8k/"},
               {5, "$1$$iEwNOgGugqO9.bIz5sk8k/"},
               {5, "$1$saltsaltx$iEwNOgGugqO9.bIz5sk8k/"},
               {5, "$1$28772684$iEwNOgGugqO9.bIz5sk8k!"},
               {7, ""},
               {7, "09"},
               {7, "094F4"},
               {7, "994F47"},
               {7, "xx4F47"},
               {7, "09GG"},
               {8, "$8$TnGX/fE4KGHOVU$"},
               {9, "$9$2MJBozw/9R3UsU"},
               {8, "$9$TnGX/fE4KGHOVU$pEhnEvxrvaynpi8j4f.EMHr6M.FzU8xnZnBr/tJdFWk"},
               {9, "$9$2MJBozw/9R3UsU$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdfo"},
               {9, "$9$2MJBozw/9R3UsU$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdfo66"},
               {9, "$9$2MJBozw/9R3Us$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdfo6"},
               {9, "$9$2MJBozw/9R3UsU$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdf=6"},
               /* the same hash with the two bits set that nothing is left for */
               {9, "$9$2MJBozw/9R3UsU$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdfo7"},
               {4, "x"},
               {6, "x"},
               {1, "x"},
               {255, "x"}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        if (password_fits(bad[i].type, bad[i].text) ||
            password_check(bad[i].type, bad[i].text, "hashcat")) {
            fail_msg("type %u takes \"%s\"", bad[i].type, bad[i].text);
        }
    }
}

static void made_by_us(void **state)
{
    char a[PASSWORD_TEXT], b[PASSWORD_TEXT];
    u8 salt[PASSWORD_SALT] = {1, 2, 3, 200};
    (void)state;
    password_hash9(a, "s3cret", salt);
    assert_true(password_fits(9, a));
    assert_true(password_check(9, a, "s3cret"));
    assert_false(password_check(9, a, "s3cre"));
    assert_null(strstr(a, "s3cret"));
    password_hash9(b, "", salt); /* somebody stored nothing: still nothing opens it */
    assert_true(password_fits(9, b));
    assert_false(password_check(9, b, ""));
    salt[0]++;
    password_hash9(b, "s3cret", salt);
    assert_string_not_equal(a, b);
    for (unsigned len = 1; len < 70; len++) {
        char clear[80] = "", shown[PASSWORD_TEXT];
        for (unsigned i = 0; i < len; i++) {
            clear[i] = (char)('!' + (i * 7 + len) % 90);
        }
        password_hide7(a, clear);
        assert_true(password_reveal7(shown, a));
        assert_string_equal(shown, clear);
    }
    char shown[PASSWORD_TEXT];
    password_hide7(a, "Schl\xc3\xbcssel"); /* UTF-8 */
    assert_true(password_reveal7(shown, a));
    assert_string_equal(shown, "Schl\xc3\xbcssel");
    password_hide7(a, "4\x7f");
    assert_false(password_reveal7(shown, a) || password_fits(0, "4\x7f") || password_fits(0, ""));
}

static void type_6(void **state)
{
    struct secret one, two;
    char text[PASSWORD_TEXT6], again[PASSWORD_TEXT6], out[SECRET_MAX + 1], longest[SECRET_MAX + 1];
    (void)state;
    password_master(&one, "master");
    password_master(&two, "Master");
    memset(longest, 'k', SECRET_MAX);
    longest[SECRET_MAX] = 0;
    assert_true(password_hide6(text, &one, "1.2.3.4/32", longest));
    assert_true(password_reveal6(out, &one, "1.2.3.4/32", text));
    assert_string_equal(out, longest);
    assert_true(password_hide6(text, &one, "1.2.3.4/32", "k3y"));
    assert_true(password_ours6(text));
    assert_null(strstr(text, "k3y"));
    assert_true(password_hide6(again, &one, "1.2.3.4/32", "k3y"));
    assert_string_equal(text, again); /* the same model prints the same */
    assert_true(password_hide6(again, &one, "1.2.3.5/32", "k3y"));
    assert_string_not_equal(text, again); /* but equal keys do not show */
    assert_true(password_reveal6(out, &one, "1.2.3.4/32", text));
    assert_string_equal(out, "k3y");
    assert_false(password_reveal6(out, &two, "1.2.3.4/32", text));
    assert_string_equal(out, "");
    assert_false(password_reveal6(out, &one, "1.2.3.5/32", text)); /* moved to another peer */
    for (size_t i = 0; text[i]; i++) {                             /* one letter changed */
        char spoiled[PASSWORD_TEXT6];
        str_copy(spoiled, sizeof spoiled, text);
        spoiled[i] = spoiled[i] == 'x' ? 'y' : 'x';
        assert_false(password_reveal6(out, &one, "1.2.3.4/32", spoiled));
    }
    assert_false(password_reveal6(out, &one, "1.2.3.4/32", "dLaBKGMN[aZYUF"));
    assert_false(password_ours6("dLaBKGMN[aZYUF"));
    two.len = 0; /* no master key */
    assert_false(password_hide6(text, &two, "x", "k"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(opens), cmocka_unit_test(malformed),
                                       cmocka_unit_test(made_by_us), cmocka_unit_test(type_6)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
