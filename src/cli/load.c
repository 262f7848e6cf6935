/*
 * load.c: configuration lines into the model, from a file or from a session. A line belongs to the current submode
 * when the submode knows it, else to the global mode, as on IOS. A file is read to its end before anything is used:
 * every error is named with file:line:column and what was expected there.
 */
#include "cli/cli_int.h"

#include <stdarg.h>
#include <stdlib.h>

bool cfg_fail(struct cfg *k, const struct match *m, const char *arg, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(k->err, sizeof k->err, fmt, ap);
    va_end(ap);
    k->err_col = 1;
    for (int i = 0; arg && i < m->num; i++) {
        if (strcmp(m->arg[i].name, arg) == 0) {
            k->err_col = m->arg[i].col;
        }
    }
    return false;
}

bool cfg_text(struct cfg *k, const struct match *m, char *out, size_t cap)
{
    const char *text = m->no ? "" : match_text(m, "text");
    if (text && strlen(text) >= cap) {
        return cfg_fail(k, m, "text", "this text may have %zu characters at most", cap - 1);
    }
    str_copy(out, cap, text ? text : "");
    return true;
}

static void note_use(struct cfg *k, const struct conf_map *m, const struct conf_use *u)
{
    enum conf_stand worst = CONF_PERMITS;
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        if (strcmp(i->crypto_map, m->name) == 0) {
            enum conf_stand stand = conf_use_stand(k->c, i, u);
            stand = stand == CONF_HELD && i->held_all ? CONF_EVERYTHING : stand;
            worst = MAX(worst, stand);
        }
    }
    if (worst == CONF_HELD || worst == CONF_EVERYTHING) {
        sb_addf(k->out, "%% NOTE: %s %s %u ", u->dynamic ? "dynamic map" : "crypto map", u->dynamic ? u->dynamic->name : m->name, u->e->seq);
        sb_addf(k->out,
                u->e->acl[0] ? "names access list %s, which permits nothing" : "has no list", u->e->acl);
        sb_addf(k->out, ": %s is\n        dropped until it permits something again.\n",
                worst == CONF_HELD ? "what it covered" : "all traffic of the map's interfaces");
    }
}

void cfg_note_lost(struct cfg *k)
{
    CONF_FOR(struct conf_map, m, &k->c->maps)
    {
        CONF_USES(k->c, m, u)
        {
            if (k->out) {
                note_use(k, m, &u);
            }
        }
    }
}

/* possible: with what is held for it line by line, or, when that is too much, as everything. */
static bool possible(struct cfg *k, struct conf_finding *f)
{
    if (!k->possible || k->possible(k->possible_ctx, k->c, f)) {
        return true;
    }
    if (!conf_hold_all(k->c)) {
        return false;
    }
    if (!k->possible(k->possible_ctx, k->c, f)) {
        conf_hold_all_back(k->c);
        return false;
    }
    if (k->out) {
        sb_add(k->out, "% NOTE: more was taken from what crypto maps cover than can be remembered "
                       "line by line: what no\n        line protects is dropped on their interfaces "
                       "until everybody has left\n        configuration mode and every changed entry "
                       "permits something.\n");
    }
    return true;
}

bool cfg_fits(struct cfg *k, const struct match *m, const char *arg)
{
    struct conf_finding f;
    return possible(k, &f) || cfg_fail(k, m, arg, "%s: %s", f.what, f.text);
}

void cfg_enter(struct cfg *k, enum cli_mode mode, void *at)
{
    k->mode = mode;
    k->at = at;
}

static bool mismatch(struct cfg *k, const struct match *m, const char *line)
{
    k->err_col = m->bad_col;
    int len = 0;
    const char *tok = m->bad_col && m->bad_col <= strlen(line) ? line + m->bad_col - 1 : "";
    len = (int)strcspn(tok, " \t\r\n");
    switch (m->result) {
    case MATCH_INCOMPLETE:
        snprintf(k->err, sizeof k->err, "the line ends too early; expected %.180s", m->expected);
        break;
    case MATCH_AMBIGUOUS:
        snprintf(k->err, sizeof k->err, "\"%.*s\" is ambiguous: %.180s", MIN(len, 40), tok,
                 m->expected);
        break;
    default:
        snprintf(k->err, sizeof k->err, "\"%.*s\" is not understood here; expected %.170s",
                 MIN(len, 40), tok, m->expected);
    }
    return false;
}

/* A `no` line may say less than its row, but not leave open what it is about. */
static bool names_there(struct cfg *k, const struct match *m, const struct cmd *row)
{
    if (m->partial && strstr(row->syntax, "WORD:name") && !match_text(m, "name")) {
        return cfg_fail(k, m, NULL, "the line ends too early; expected the name");
    }
    return true;
}

/* A name that would be cut when it is kept would be another name. */
static bool names_fit(struct cfg *k, const struct match *m)
{
    static const char *const names[] = {"name", "acl", "map", "profile", "set", "host", "domain",
                                        "keyring", "who", "pool", "list", "dynamic"};
    for (int i = 0; i < m->num; i++) {
        for (unsigned n = 0; n < ARRAY_LEN(names); n++) {
            if (!m->arg[i].keyword && strcmp(m->arg[i].name, names[n]) == 0 &&
                strlen(m->arg[i].text) >= CONF_NAME) {
                return cfg_fail(k, m, names[n], "the name is longer than %u characters",
                                CONF_NAME - 1u);
            }
        }
    }
    return true;
}

void cfg_tidy(char *line)
{
    for (char *nbsp = line; (nbsp = strstr(nbsp, "\xc2\xa0"));) {
        memset(nbsp, ' ', 2); /* configurations copied from web pages indent with no-break spaces */
    }
    for (size_t n = strlen(line); n && (line[n - 1] == '\r' || line[n - 1] == ' '); n--) {
        line[n - 1] = 0;
    }
}

void cfg_paste_end(struct cfg *k)
{
    sb_free(&k->paste.text); /* it wipes what it gives back */
    mem_wipe(&k->paste, sizeof k->paste);
}

bool cfg_line(struct cfg *k, const char *line)
{
    struct match sub, top, *m = &sub;
    k->line = line;
    k->err[0] = 0;
    k->err_col = 0;
    if (k->paste.take) {
        return k->paste.take(k, line);
    }
    const char *first = line + strspn(line, " \t\r\n");
    if (*first == 0 || *first == '!') {
        return true;
    }
    grammar_try(&sub, k->g, k->mode, line, true);
    if (sub.result != MATCH_OK && k->mode != M_CONF) {
        grammar_try(&top, k->g, M_CONF, line, true);
        if (top.result == MATCH_OK || top.depth > sub.depth) {
            m = &top;
        }
        if (top.result == MATCH_OK) {
            cfg_enter(k, M_CONF, NULL);
        }
    }
    if (m->result != MATCH_OK) {
        grammar_match(m, k->g, m == &sub ? k->mode : M_CONF, line, true);
    }
    const struct cmd *row = m->result == MATCH_OK ? &cli_commands[m->row] : NULL;
    if (row && !row->cfg) { /* `exit`, `end`, shortened: they leave a mode, the text goes on */
        cfg_enter(k, M_CONF, NULL);
        return true;
    }
    u32 held = k->c->held;
    bool ok =
        row ? names_fit(k, m) && names_there(k, m, row) && row->cfg(k, m) : mismatch(k, m, line);
    if (!ok && k->c->held != held) {
        conf_held_back(k->c, held);
    } else if (k->c->held != held) { /* a line that only takes asks nobody */
        struct conf_finding f;
        (void)possible(k, &f);
    }
    mem_wipe(sub.buf, strlen(line)); /* it may hold a secret */
    mem_wipe(top.buf, strlen(line));
    return ok;
}

static void report(struct strbuf *errors, const struct cfg *k, const char *line)
{
    unsigned col = k->err_col ? k->err_col : 1;
    sb_addf(errors, "%s:%u:%u: error: %s\n  %s\n  ", k->src.file, k->src.line, col, k->err, line);
    for (unsigned i = 1; i < col; i++) {
        sb_add(errors, i <= strlen(line) && line[i - 1] == '\t' ? "\t" : " ");
    }
    sb_add(errors, "^\n");
}

bool cli_load(struct conf *c, const char *file, const char *text, struct strbuf *errors)
{
    struct strbuf notices = {0};
    struct cfg k = {.c = c, .mode = M_CONF, .g = cli_grammar(), .out = &notices};
    unsigned num_errors = 0;
    k.src = conf_src(c, file, 0);
    char line[MATCH_LINE];
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n"), use = MIN(len, sizeof line - 1);
        memcpy(line, p, use);
        line[use] = 0;
        cfg_tidy(line);
        k.src.line++;
        p += len + (p[len] == '\n');
        if (!k.paste.take && strcmp(line, "end") == 0) {
            break;
        }
        if (!k.paste.take && strcmp(line + strspn(line, " "), "exit") == 0) {
            cfg_enter(&k, M_CONF, NULL);
            continue;
        }
        if (len >= sizeof line) {
            snprintf(k.err, sizeof k.err, "the line is longer than %u characters", MATCH_LINE - 1);
            k.err_col = MATCH_LINE;
            line[60] = 0;
            report(errors, &k, line);
            num_errors++;
        } else if (!cfg_line(&k, line) && ++num_errors <= 20) {
            report(errors, &k, line);
        }
    }
    if (k.paste.take) {
        k.err_col = 1;
        snprintf(k.err, sizeof k.err, "the text ends in the middle of a certificate or key; expected `quit`");
        report(errors, &k, "");
        num_errors++;
        cfg_paste_end(&k);
    }
    if (num_errors > 20) {
        sb_addf(errors, "%s: %u further errors\n", file, num_errors - 20);
    }
    sb_free(&notices);
    mem_wipe(line, sizeof line); /* configurations hold keys */
    return num_errors == 0;
}

char *cli_read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    struct strbuf b = {0};
    char part[4096];
    size_t n;
    if (!f) {
        return NULL;
    }
    setvbuf(f, NULL, _IONBF, 0); /* a buffer of its own would be given back with keys in it */
    sb_add(&b, "");
    while ((n = fread(part, 1, sizeof part, f)) > 0) {
        sb_addn(&b, part, n);
    }
    fclose(f);
    mem_wipe(part, sizeof part);
    return b.s;
}
