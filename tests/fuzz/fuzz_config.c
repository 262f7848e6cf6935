/*
 * fuzz_config.c: the configuration reader over any text: a model or errors, never less. What loads
 * prints, and what was printed loads again and prints the same (src/cli/load.c, running.c).
 */
#include "cli/cli.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

/* The running configuration of a text, malloced; NULL: refused. */
static char *printed(const char *text, struct strbuf *errors)
{
    struct conf *c = conf_new();
    struct strbuf out = {0};
    bool ok = cli_load(c, "fuzz", text, errors);
    if (ok) {
        cli_running(&out, c);
    } else if (!errors->s || !errors->s[0]) {
        abort(); /* refused without a word */
    }
    conf_free(c);
    if (!ok) {
        sb_free(&out);
        return NULL;
    }
    return out.s ? out.s : calloc(1, 1);
}

/* Makes comments of the lines the errors name, so that what is left may load. */
static void without(char *text, const char *errors)
{
    for (const char *e = errors; (e = strstr(e, "fuzz:")); e += 5) {
        unsigned line = (unsigned)strtoul(e + 5, NULL, 10), at = 1;
        char *p = text;
        while (p && at < line) {
            p = strchr(p, '\n');
            p = p ? p + 1 : NULL;
            at++;
        }
        if (line && p && *p && *p != '\n') {
            *p = '!';
        }
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct strbuf errors = {0};
    if (len > 8192) {
        return 0;
    }
    char *text = calloc(1, len + 1);
    memcpy(text, data, len);
    char *once = printed(text, &errors);
    for (unsigned i = 0; !once && i < 4; i++) {
        without(text, errors.s);
        sb_free(&errors);
        errors = (struct strbuf){0};
        once = printed(text, &errors);
    }
    sb_free(&errors);
    if (once) {
        errors = (struct strbuf){0};
        char *twice = printed(once, &errors);
        if (!twice || strcmp(once, twice) != 0) {
            fprintf(stderr, "---- printed\n%s\n---- printed again\n%s\n---- errors\n%s\n", once,
                    twice ? twice : "(refused)", errors.s ? errors.s : "");
            abort();
        }
        sb_free(&errors);
        free(twice);
    }
    free(once);
    free(text);
    return 0;
}
