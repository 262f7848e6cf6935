/*
 * session.c: one console session: takes lines, finds the row, runs it and collects its output, through the filter
 * (`| include`) that every command may have; it pages nothing: the console does. The mode of the session is the mode of its configuration reader.
 */
#include "cli/cli_int.h"

#include <ctype.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>

static const struct {
    enum cli_mode mode;
    const char *suffix;
} prompts[] = {
    {M_CONF, "(config)#"},
    {M_IF, "(config-if)#"},
    {M_ISAKMP, "(config-isakmp)#"},
    {M_KEYRING, "(conf-keyring)#"},
    {M_ISAPROF, "(conf-isa-prof)#"},
    {M_GROUP, "(config-isakmp-group)#"},
    {M_PEER, "(config-isakmp-peer)#"},
    {M_TRANS, "(cfg-crypto-trans)#"},
    {M_PROFILE, "(ipsec-profile)#"},
    {M_MAP, "(config-crypto-map)#"},
    {M_DYN, "(config-crypto-map)#"},
    {M_ROUTER, "(config-router)#"},
    {M_EXTACL, "(config-ext-nacl)#"},
    {M_STDACL, "(config-std-nacl)#"},
    {M_IPV6ACL, "(config-ipv6-acl)#"},
    {M_LINE, "(config-line)#"},
    {M_TRUST, "(ca-trustpoint)#"},
    {M_CHAIN, "(config-cert-chain)#"},
    {M_EXEC, ">"},
    {M_PRIV, "#"},
};

struct session *session_new(const struct cli_host *host, void *ctx, bool privileged,
                            void (*out)(void *ctx, const char *text),
                            void (*done)(void *ctx, int status))
{
    struct session *s = xcalloc(1, sizeof *s);
    s->host = host;
    s->ctx = ctx;
    s->out = out;
    s->done = done;
    s->length = 24;
    s->width = 80;
    s->cfg.mode = privileged ? M_PRIV : M_EXEC;
    s->cfg.g = cli_grammar();
    s->cfg.out = &s->cfg_out;
    s->cfg.possible = host->possible;
    s->cfg.possible_ctx = host->ctx;
    s->cfg.live = true;
    return s;
}

/* forget, match_free: what was typed may hold a secret. */
static void forget(char *line)
{
    if (line) {
        mem_wipe(line, strlen(line));
        free(line);
    }
}

static void match_free(struct match *m)
{
    mem_wipe(m, sizeof *m);
    free(m);
}

static void silent_out(void *ctx, const char *text)
{
    (void)ctx, (void)text;
}

static void silent_done(void *ctx, int status)
{
    (void)ctx, (void)status;
}

void session_free(struct session *s)
{
    s->out = silent_out; /* what still ends has nobody to tell */
    s->done = silent_done;
    if (session_configuring(s)) { /* it does not say that what it began is whole */
        struct conf *c = s->host->conf(s->host->ctx);
        bool was = c->unfinished;
        if (conf_hung_up(c, s->took)) {
            s->host->apply(s->host->ctx);
        }
        if (c->unfinished && !was) {
            s->host->unfinished(s->host->ctx);
        }
    }
    if (s->pinging) {
        s->host->ping_stop(s->host->ctx, s);
    }
    if (s->asking_frr) {
        s->host->vtysh_stop(s->host->ctx, s);
    }
    if (s->waiting) {
        s->host->look_stop(s->host->ctx, s);
        match_free(s->waiting);
    }
    for (unsigned i = 0; i < HISTORY; i++) {
        forget(s->history[i]);
    }
    cfg_paste_end(&s->cfg);
    sb_free(&s->buf);
    sb_free(&s->cfg_out);
    mem_wipe(s, sizeof *s); /* what was typed last: a filter, a refused word */
    free(s);
}

const char *session_prompt(struct session *s)
{
    const char *name = s->host->conf(s->host->ctx)->hostname, *suffix = "#";
    if (s->want_secret) {
        return "Password: ";
    }
    if (s->cfg.paste.take) {
        return ""; /* as IOS: lines of a certificate come without a question */
    }
    for (unsigned i = 0; i < ARRAY_LEN(prompts); i++) {
        if (prompts[i].mode == s->cfg.mode) {
            suffix = prompts[i].suffix;
        }
    }
    snprintf(s->prompt, sizeof s->prompt, "%.20s%s", name, suffix);
    return s->prompt;
}

bool session_monitors(const struct session *s)
{
    return s->monitor;
}

bool session_closed(const struct session *s)
{
    return s->closed;
}

bool session_configuring(const struct session *s)
{
    return !(s->cfg.mode & (M_EXEC | M_PRIV));
}

u32 session_length(const struct session *s)
{
    return s->length;
}

void s_printf(struct session *s, const char *fmt, ...)
{
    char small[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    sb_add(&s->buf, small);
    mem_wipe(small, sizeof small);
}

/* ---- the output filter ---- */

/* filter_split: takes "| include X" off the line; false when the filter itself is wrong. */
static bool filter_split(struct session *s, char *line)
{
    static const struct {
        const char *word;
        char kind;
    } kinds[] = {
        {"include", 'i'}, {"exclude", 'e'}, {"begin", 'b'}, {"section", 's'}, {"count", 'c'}};
    char *bar = strstr(line, " | ");
    s->filter_kind = 0;
    if (!bar) {
        return true;
    }
    char *word = bar + 3 + strspn(bar + 3, " ");
    size_t len = strcspn(word, " ");
    char *pattern = word + len + strspn(word + len, " ");
    for (unsigned i = 0; len && i < ARRAY_LEN(kinds); i++) {
        if (len <= strlen(kinds[i].word) && strncmp(kinds[i].word, word, len) == 0) {
            s->filter_kind = kinds[i].kind;
        }
    }
    *bar = 0;
    str_copy(s->filter, sizeof s->filter, pattern);
    size_t n = strlen(s->filter);
    while (n && s->filter[n - 1] == ' ') {
        s->filter[--n] = 0;
    }
    return s->filter_kind && s->filter[0];
}

/* complaint: a line that tells of an error; no filter swallows it. */
static bool complaint(const char *line)
{
    return line[0] == '%' || strcmp(line + strspn(line, " "), "^") == 0;
}

static void filter_apply(struct session *s, const char *text, struct strbuf *out, bool failed)
{
    regex_t re;
    char line[2048];
    bool begun = false, in_section = false;
    unsigned hits = 0;
    if (regcomp(&re, s->filter, REG_EXTENDED | REG_NOSUB) != 0) {
        sb_add(out, "% Failed to compile regular expression.\n");
        return;
    }
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n");
        snprintf(line, sizeof line, "%.*s", (int)MIN(len, sizeof line - 1), p);
        bool hit = regexec(&re, line, 0, NULL, 0) == 0, indented = line[0] == ' ';
        hits += hit;
        begun |= hit;
        in_section = hit || (in_section && indented);
        bool show = s->filter_kind == 'i'   ? hit
                    : s->filter_kind == 'e' ? !hit
                    : s->filter_kind == 'b' ? begun
                    : s->filter_kind == 's' ? in_section
                                            : false;
        if (show || (failed && complaint(line))) {
            sb_addf(out, "%s\n", line);
        }
        p += len + (p[len] == '\n');
    }
    if (s->filter_kind == 'c') {
        sb_addf(out, "Number of lines which match regexp = %u\n", hits);
    }
    regfree(&re);
    mem_wipe(line, sizeof line); /* keys, of a configuration that is shown */
}

static void flush(struct session *s, int status)
{
    if (s->buf.len && s->filter_kind) {
        struct strbuf shown = {0};
        filter_apply(s, s->buf.s, &shown, status != CLI_OK);
        s->out(s->ctx, shown.s ? shown.s : "");
        sb_free(&shown);
    } else if (s->buf.len) {
        s->out(s->ctx, s->buf.s);
    }
    if (s->buf.len) {
        mem_wipe(s->buf.s, s->buf.len);
    }
    s->buf.len = 0;
}

void session_output(struct session *s, const char *text)
{
    s->out(s->ctx, text);
}

static void command_end(struct session *s, int status)
{
    flush(s, status);
    s->done(s->ctx, status);
}

void session_ready(struct session *s, int status)
{
    s->pinging = s->asking_frr = false;
    if (s->in_line) { /* it ended before session_line did */
        s->ended = true;
        s->status = status;
    } else {
        command_end(s, status);
    }
}

bool session_busy(const struct session *s)
{
    return s->pinging || s->asking_frr || s->waiting;
}

/* ---- lines ---- */

/* show_mismatch: what IOS prints under a bad line; the caret counts the prompt's width. */
static int show_mismatch(struct session *s, const struct match *m, const char *line)
{
    if (m->result == MATCH_INCOMPLETE) {
        s_printf(s, "%% Incomplete command.\n\n");
    } else if (m->result == MATCH_AMBIGUOUS) {
        s_printf(s, "%% Ambiguous command:  \"%s\"\n", line);
    } else {
        s_printf(s, "%*s^\n%% Invalid input detected at '^' marker.\n\n",
                 (int)(strlen(session_prompt(s)) + m->bad_col - 1), "");
    }
    return CLI_ERROR;
}

static int exec_line(struct session *s, const char *line, u32 mode)
{
    struct match *m = xcalloc(1, sizeof *m);
    int status;
    grammar_match(m, s->cfg.g, mode, line, false);
    if (m->result == MATCH_EMPTY || line[strspn(line, " ")] == '!') {
        status = CLI_OK;
    } else if (m->result != MATCH_OK) {
        status = show_mismatch(s, m, line);
    } else if (cli_commands[m->row].looks) {
        s->waiting = m;
        s->host->look(s->host->ctx, s);
        return CLI_OK;
    } else {
        status = cli_commands[m->row].exec(s, m) ? CLI_OK : CLI_ERROR;
    }
    match_free(m);
    return status;
}

void session_look(struct session *s, const struct cli_snapshot *snap)
{
    struct match *m = s->waiting;
    s->waiting = NULL;
    s->snap = snap;
    int status = cli_commands[m->row].exec(s, m) ? CLI_OK : CLI_ERROR;
    s->snap = NULL;
    match_free(m);
    session_ready(s, status);
}

void session_vtysh(struct session *s, const char *text)
{
    sb_add(&s->buf, text);
    session_ready(s, CLI_OK);
}

void session_conf_replaced(struct session *s)
{
    if (s->cfg.mode & M_SUBMODES) {
        s->cfg.mode = M_CONF; /* the new model counts it below */
        s->out(s->ctx, "\n% The configuration was read again; this console left its submode\n");
    } else if (s->cfg.mode == M_CONF) {
        s->out(s->ctx, "\n% The configuration was read again; what was not saved is gone\n");
    }
    cfg_paste_end(&s->cfg);
    s->cfg.at = NULL;
    s->cfg.c = NULL;
    s->took = false;
    if (session_configuring(s)) {
        conf_typing(s->host->conf(s->host->ctx));
    }
}

void session_mode(struct session *s, enum cli_mode mode)
{
    struct conf *c = s->host->conf(s->host->ctx);
    bool was = session_configuring(s);
    s->cfg.mode = mode;
    s->cfg.at = NULL;
    cfg_paste_end(&s->cfg);
    if (session_configuring(s) && !was) {
        s->took = false;
        conf_typing(c);
    } else if (was && !session_configuring(s)) { /* what was typed is whole, if nobody else types */
        if (conf_typed(c)) {
            s->host->apply(s->host->ctx);
        }
        if (!c->unfinished && conf_changing(c)) {
            s_printf(s, "%% NOTE: %u other console%s in configuration mode; what crypto maps covered "
                        "before is\n        dropped until they have left.\n",
                     c->typing, c->typing == 1 ? " is" : "s are");
        }
        if (c->unfinished) {
            s_printf(s, "%% NOTE: a console went in the middle of a change; what crypto maps covered "
                        "before is\n        dropped until `clear adit unfinished` says that their "
                        "lists are whole.\n");
        }
        s->host->configured(s->host->ctx, "console", "console");
    }
}

/* still_there: what the submode is about; another console may have removed it. */
static void still_there(struct session *s)
{
    const struct list *link = s->cfg.at; /* the first field of all of them; removed: empty */
    if (link && list_empty(link)) {
        session_mode(s, M_CONF);
        s_printf(s, "%% It was removed by another console; this one left its submode.\n");
    }
}

static int config_line(struct session *s, const char *line)
{
    struct match *m = xcalloc(1, sizeof *m);
    int status = CLI_OK;
    still_there(s);
    if (!s->cfg.paste.take) {
        grammar_match(m, s->cfg.g, s->cfg.mode, line, false);
    }
    if (!s->cfg.paste.take && m->result == MATCH_OK && cli_commands[m->row].exec) {
        status = cli_commands[m->row].exec(s, m) ? CLI_OK : CLI_ERROR; /* exit, end */
    } else {
        s->cfg.c = s->host->conf(s->host->ctx);
        s->cfg.src = conf_src(s->cfg.c, "console", 0);
        s->cfg_out.len = 0;
        u32 taken = s->cfg.c->taken;
        if (cfg_line(&s->cfg, line)) {
            if (s->cfg_out.len) {
                sb_add(&s->buf, s->cfg_out.s);
            }
            s->took |= s->cfg.c->taken != taken;
            s->host->apply(s->host->ctx);
        } else {
            int col = (int)strlen(session_prompt(s)) + MAX(s->cfg.err_col, 1) - 1;
            s_printf(s, "%*s^\n%% Invalid input detected at '^' marker.\n%% %s\n\n", col, "",
                     s->cfg.err);
            mem_wipe(s->cfg.err, sizeof s->cfg.err); /* it quotes the line */
            status = CLI_ERROR;
        }
    }
    match_free(m);
    return status;
}

/* enable_with: what `enable` asks for; NULL: nothing. */
const struct conf_password *session_enable_with(const struct session *s)
{
    const struct conf *c = s->host->conf(s->host->ctx);
    return c->enable_secret.text[0]     ? &c->enable_secret
           : c->enable_password.text[0] ? &c->enable_password
                                        : NULL;
}

/* secret_line: three tries, as on IOS. */
static int secret_line(struct session *s, const char *line)
{
    enum { TRIES = 3 };
    const struct conf_password *p = session_enable_with(s);
    s->tries++;
    if (!p || password_check(p->type, p->text, line)) { /* taken away meanwhile: nothing to ask */
        s->want_secret = false;
        session_mode(s, M_PRIV);
        return CLI_OK;
    }
    if (s->tries < TRIES) {
        return CLI_ERROR;
    }
    s->want_secret = false;
    s_printf(s, "%% Bad secrets\n\n");
    return CLI_ERROR;
}

static int filtered_line(struct session *s, char *line, u32 mode)
{
    if (!filter_split(s, line)) {
        s_printf(s, "%% Invalid output filter: {include | exclude | begin | section | count} "
                    "REGEX\n\n");
        s->filter_kind = 0;
        return CLI_ERROR;
    }
    return exec_line(s, line, mode);
}

bool cli_may_hold_secret(const char *line)
{
    /* the keywords before WORD:secret, WORD:key, `password` texts and session keys in grammar.c */
    static const struct {
        const char *word;
        size_t least; /* letters: `i` is include, too */
    } words[] = {{"secret", 1}, {"password", 1}, {"key", 1}, {"password-encrypt", 1}, {"pem", 1}, {"inbound", 2}, {"outbound", 1}};
    for (const char *at = line + strspn(line, " \t"); *at;) {
        size_t len = strcspn(at, " \t"), gap = strspn(at + len, " \t");
        for (unsigned i = 0; i < ARRAY_LEN(words) && at[len + gap]; i++) {
            if (len >= words[i].least && strncmp(words[i].word, at, len) == 0) {
                return true;
            }
        }
        at += len + gap;
    }
    return false;
}

/* remember: for `show history`; lines that hold secrets are not kept. */
static void remember(struct session *s, const char *line)
{
    if (!line[strspn(line, " ")] || cli_may_hold_secret(line)) {
        return;
    }
    forget(s->history[s->num_history % HISTORY]);
    s->history[s->num_history++ % HISTORY] = xstrdup(line);
}

void session_line(struct session *s, const char *typed)
{
    char line[MATCH_LINE];
    int status;
    str_copy(line, sizeof line, typed);
    s->filter_kind = 0;
    s->in_line = true;
    s->ended = false;
    const char *word = line + strspn(line, " ");
    if (s->want_secret) {
        status = secret_line(s, line);
    } else if (s->cfg.paste.take) {
        status = config_line(s, line);
    } else if (s->cfg.mode & (M_EXEC | M_PRIV)) {
        remember(s, line);
        status = filtered_line(s, line, s->cfg.mode);
    } else if (strncmp(word, "do ", 3) == 0) {
        remember(s, line);
        s->doing = true;
        status = filtered_line(s, line + (word - line) + 3, M_PRIV);
        s->doing = false;
    } else {
        remember(s, line);
        cfg_tidy(line);
        status = config_line(s, line);
    }
    mem_wipe(line, sizeof line); /* a password, a key */
    s->in_line = false;
    if (!session_busy(s)) {
        command_end(s, s->ended ? s->status : status);
    }
}

bool session_pasting(const struct session *s)
{
    return s->cfg.paste.take != NULL;
}

void session_break(struct session *s)
{
    cfg_paste_end(&s->cfg);
    if (s->pinging) {
        s->host->ping_stop(s->host->ctx, s);
    }
}

/* ---- help ---- */

static u32 help_mode(const struct session *s, const char **line)
{
    const char *word = *line + strspn(*line, " ");
    if (!(s->cfg.mode & (M_EXEC | M_PRIV)) && strncmp(word, "do ", 3) == 0) {
        *line = word + 3;
        return M_PRIV;
    }
    return s->cfg.mode;
}

static int cmp_choice(const void *a, const void *b)
{
    return strcmp(((const struct match_choice *)a)->text, ((const struct match_choice *)b)->text);
}

void session_help(struct session *s, const char *line, struct strbuf *out)
{
    struct match_choice list[256];
    bool end;
    u32 mode = help_mode(s, &line);
    int num = grammar_choices(list, ARRAY_LEN(list), &end, s->cfg.g, mode, line,
                              !(mode & (M_EXEC | M_PRIV)));
    size_t len = strlen(line);
    if (num < 0 || (num == 0 && !end)) {
        sb_add(out, "% Unrecognized command\n");
        return;
    }
    qsort(list, (size_t)num, sizeof *list, cmp_choice);
    if (len && line[len - 1] != ' ') { /* "word?": the words it may become, on one line */
        for (int i = 0; i < num; i++) {
            sb_addf(out, "%s%s", i ? "  " : "", list[i].text);
        }
        sb_add(out, "\n\n");
        return;
    }
    int width = 0;
    for (int i = 0; i < num; i++) {
        width = MAX(width, (int)strlen(list[i].text));
    }
    for (int i = 0; i < num; i++) {
        sb_addf(out, "  %-*s  %s\n", width, list[i].text,
                list[i].keyword ? cli_help(list[i].text) : "");
    }
    sb_add(out, end ? "  <cr>\n\n" : "\n");
}

void session_complete(struct session *s, const char *line, struct strbuf *out)
{
    struct match_choice list[64];
    bool end;
    const char *rest = line;
    u32 mode = help_mode(s, &rest);
    size_t len = strlen(line);
    int num = grammar_choices(list, ARRAY_LEN(list), &end, s->cfg.g, mode, rest,
                              !(mode & (M_EXEC | M_PRIV)));
    int keywords = 0;
    const char *word = NULL;
    for (int i = 0; i < num; i++) {
        keywords += list[i].keyword;
        word = list[i].keyword ? list[i].text : word;
    }
    if (keywords != 1 || !len || line[len - 1] == ' ') {
        sb_add(out, line);
        return;
    }
    const char *last = strrchr(line, ' ');
    sb_addn(out, line, last ? (size_t)(last - line + 1) : 0);
    sb_addf(out, "%s ", word);
}
