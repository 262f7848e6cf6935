/*
 * fuzz_config.c: the configuration reader over any text, line by line: each is taken or refused with a reason. What was
 * taken prints, and what was printed loads again as a file and prints the same (src/cli/load.c, running.c).
 */
#include "cli/cli_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static char *finish(struct conf *c)
{
    struct strbuf out = {0};
    sb_add(&out, "");
    cli_running(&out, c);
    conf_free(c);
    return out.s;
}

/* The running configuration of a text that must load, malloced; NULL: refused. */
static char *loaded(const char *text, struct strbuf *errors)
{
    struct conf *c = conf_new();
    bool ok = cli_load(c, "fuzz", text, errors);
    if (!ok && (!errors->s || !errors->s[0])) {
        abort(); /* refused without a word */
    }
    if (!ok) {
        conf_free(c);
    }
    return ok ? finish(c) : NULL;
}

/* The running configuration of those lines of any text that are understood, each read as a console reads it. */
static char *understood(const u8 *data, size_t len)
{
    struct conf *c = conf_new();
    struct cfg k = {.c = c, .mode = M_CONF, .g = cli_grammar()};
    struct strbuf notices = {0};
    k.out = &notices;
    k.src = conf_src(c, "fuzz", 1);
    for (const u8 *p = data, *end = data + len; p < end;) {
        char line[MATCH_LINE];
        const u8 *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((nl ? nl : end) - p), use = MIN(n, sizeof line - 1);
        memcpy(line, p, use);
        line[use] = 0;
        cfg_tidy(line);
        if (!cfg_line(&k, line) && !k.err[0]) {
            abort(); /* refused without a word */
        }
        p += n + (nl != NULL);
    }
    sb_free(&notices);
    return finish(c);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct strbuf errors = {0};
    if (len > 8192) {
        return 0;
    }
    char *once = understood(data, len), *twice = loaded(once, &errors);
    if (!twice || strcmp(once, twice) != 0) {
        fprintf(stderr, "---- printed\n%s\n---- printed again\n%s\n---- errors\n%s\n", once,
                twice ? twice : "(refused)", errors.s ? errors.s : "");
        abort();
    }
    sb_free(&errors);
    free(twice);
    free(once);
    return 0;
}
