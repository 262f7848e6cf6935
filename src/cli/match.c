/*
 * match.c: compiles syntax rows into a graph (Thompson's construction) and matches a line against all of a mode's
 * rows at once. A keyword beats an argument, a whole keyword beats a prefix; two different keywords with the same
 * prefix are ambiguous, as on IOS.
 */
#include "cli/match.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum gkind {
    G_EPS,
    G_WORD,
    G_NUM,
    G_ADDR4,
    G_ADDR6,
    G_ADDR,
    G_PREFIX6,
    G_NAME,
    G_LINE,
    G_IF,
    G_IFTYPE,
    G_IFNUM,
    G_END
};

struct gnode {
    enum gkind kind;
    int row; /* G_END */
    u32 id;  /* counted from 0 over the whole grammar */
    const char *text, *name;
    u64 lo, hi;
    struct gnode **next;
    int num_next;
};

enum { MAX_NODES = 16384, MODES = 32, LETTERS = 27 /* a to z, and all else */ };
struct grammar {
    struct arena arena;
    struct gnode **start; /* per row */
    u32 num_nodes;
    struct
        first { /* what the first token of a line may be, per mode: arguments, then keywords by their letter */
        const struct gnode **node; /* in the arena */
        int num,
            by_letter[LETTERS + 1]; /* where the keywords of each letter begin; the last: the end */
    } first[MODES];
    const struct grammar_row *rows;
    size_t num;
    const char *(*piece)(const char *name);
};

/* ---- compiling ---- */

static struct gnode *node_new(struct grammar *g, enum gkind kind)
{
    struct gnode *n = arena_alloc(&g->arena, sizeof *n);
    n->kind = kind;
    n->id = g->num_nodes++;
    if (n->id >= MAX_NODES) {
        abort(); /* our bug: the table has grown beyond what a run can mark */
    }
    return n;
}

static void node_link(struct grammar *g, struct gnode *from, struct gnode *to)
{
    struct gnode **bigger = arena_alloc(&g->arena, sizeof *bigger * (size_t)(from->num_next + 1));
    if (from->num_next) {
        memcpy(bigger, from->next, sizeof *bigger * (size_t)from->num_next);
    }
    bigger[from->num_next++] = to;
    from->next = bigger;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ') {
        p++;
    }
    return p;
}

static struct gnode *leaf_new(struct grammar *g, const char *tok)
{
    static const struct {
        const char *text;
        enum gkind kind;
    } types[] = {{"A.B.C.D", G_ADDR4}, {"X:X::X", G_ADDR6}, {"ADDR", G_ADDR}, {"P/L", G_PREFIX6},
                 {"WORD", G_NAME},     {"LINE", G_LINE},    {"IF", G_IF}};
    struct gnode *n = node_new(g, G_WORD);
    const char *last = strrchr(tok, ':');
    if (tok[0] == '<') {
        unsigned long long lo, hi;
        char name[32] = "";
        if (sscanf(tok, "<%llu-%llu:%31[^>]>", &lo, &hi, name) < 2) {
            abort();
        }
        n->kind = G_NUM;
        n->lo = lo, n->hi = hi;
        n->name = arena_strdup(&g->arena, name);
        char shown[64];
        snprintf(shown, sizeof shown, "<%llu-%llu>", lo, hi);
        n->text = arena_strdup(&g->arena, shown);
        return n;
    }
    for (unsigned i = 0; last && i < ARRAY_LEN(types); i++) {
        if (strlen(types[i].text) == (size_t)(last - tok) &&
            strncmp(types[i].text, tok, (size_t)(last - tok)) == 0) {
            n->kind = types[i].kind;
            n->text = types[i].text;
            n->name = arena_strdup(&g->arena, last + 1);
            return n;
        }
    }
    n->text = n->name = arena_strdup(&g->arena, tok);
    return n;
}

static const char *compile_seq(struct grammar *g, const char *p, struct gnode *from,
                               struct gnode **out_end);

/* compile_group: "{a | b}" or "[a | b]" after its opening character; from and end are eps nodes around it. */
static const char *compile_group(struct grammar *g, const char *p, char close, struct gnode *from,
                                 struct gnode *end)
{
    for (;;) {
        struct gnode *branch = node_new(g, G_EPS), *last;
        node_link(g, from, branch);
        p = compile_seq(g, p, branch, &last);
        node_link(g, last, end);
        if (*p == '|') {
            p++;
            continue;
        }
        if (*p != close) {
            abort();
        }
        return p + 1;
    }
}

static const char *compile_leaf(struct grammar *g, const char *p, struct gnode *at,
                                struct gnode **out_end)
{
    char tok[64];
    size_t n = strcspn(p, " ]}|");
    struct gnode *end = node_new(g, G_EPS);
    if (n >= sizeof tok || n == 0) {
        abort();
    }
    memcpy(tok, p, n);
    tok[n] = 0;
    if (tok[0] == '$') {
        const char *sub = g->piece(tok + 1);
        if (!sub) {
            abort();
        }
        compile_seq(g, sub, at, out_end);
        return p + n;
    }
    struct gnode *leaf = leaf_new(g, tok);
    node_link(g, at, leaf);
    node_link(g, leaf, end);
    if (leaf->kind == G_IF) { /* the same argument as two tokens: "fa 0/0" */
        struct gnode *type = node_new(g, G_IFTYPE), *num = node_new(g, G_IFNUM);
        type->text = num->text = leaf->text;
        type->name = num->name = leaf->name;
        node_link(g, at, type);
        node_link(g, type, num);
        node_link(g, num, end);
    }
    *out_end = end;
    return p + n;
}

static const char *compile_seq(struct grammar *g, const char *p, struct gnode *from,
                               struct gnode **out_end)
{
    struct gnode *at = from;
    for (p = skip_blanks(p); *p && *p != '|' && *p != '}' && *p != ']'; p = skip_blanks(p)) {
        if (*p == '{' || *p == '[') {
            struct gnode *end = node_new(g, G_EPS);
            if (*p == '[') {
                node_link(g, at, end);
            }
            p = compile_group(g, p + 1, *p == '{' ? '}' : ']', at, end);
            at = end;
        } else {
            p = compile_leaf(g, p, at, &at);
        }
    }
    *out_end = at;
    return p;
}

static void compile_first(struct grammar *g);

struct grammar *grammar_new(const struct grammar_row *rows, size_t num,
                            const char *(*piece)(const char *name))
{
    struct grammar *g = xcalloc(1, sizeof *g);
    g->rows = rows;
    g->num = num;
    g->piece = piece;
    g->start = xcalloc(num, sizeof *g->start);
    for (size_t i = 0; i < num; i++) {
        struct gnode *end, *stop = node_new(g, G_END);
        g->start[i] = node_new(g, G_EPS);
        if (*compile_seq(g, rows[i].syntax, g->start[i], &end)) {
            abort();
        }
        stop->row = (int)i;
        node_link(g, end, stop);
    }
    compile_first(g);
    return g;
}

void grammar_free(struct grammar *g)
{
    if (g) {
        arena_free(&g->arena);
        free(g->start);
        free(g);
    }
}

/* ---- matching ---- */

enum { MAX_STATES = 2048 };
struct state {
    const struct gnode *node; /* what consumed the token */
    int parent;               /* index of the state before, -1 for the first */
};
struct run {
    struct state st[MAX_STATES];
    int num;
    const char *tok[MATCH_MAX_TOKENS];
    u16 col[MATCH_MAX_TOKENS];
    int num_tok;
    const struct gnode *cand[MAX_STATES]; /* what may consume the next token */
    int cand_parent[MAX_STATES];
    u8 fit[MAX_STATES]; /* how well each takes the token at hand (node_matches) */
    int num_cand;
    u8 marked[MAX_NODES / 8]; /* nodes that are candidates already */
    size_t num_marked;        /* bytes of it that this grammar's nodes need */
    const char *line;
};

static void no_candidates(struct run *r)
{
    r->num_cand = 0;
    memset(r->marked, 0, r->num_marked);
}

/* run_init: the arrays stay as they are; their counts say what is used of them. */
static void run_init(struct run *r, const struct grammar *g)
{
    r->num_marked = g->num_nodes / 8 + 1;
    r->num = r->num_tok = 0;
    r->line = "";
    no_candidates(r);
}

static void closure(struct run *r, const struct gnode *n, int parent)
{
    if (n->kind != G_EPS) {
        u8 *mark = &r->marked[n->id / 8], bit = (u8)(1u << n->id % 8);
        if (*mark & bit) {
            return;
        }
        *mark |= bit;
        if (r->num_cand < MAX_STATES) {
            r->cand[r->num_cand] = n;
            r->cand_parent[r->num_cand++] = parent;
        }
        return;
    }
    for (int i = 0; i < n->num_next; i++) {
        closure(r, n->next[i], parent);
    }
}

/* letter_of: the class of a keyword by its first letter. */
static int letter_of(char c)
{
    int l = tolower((unsigned char)c) - 'a';
    return l >= 0 && l < LETTERS - 1 ? l : LETTERS - 1;
}

static int by_text(const void *a, const void *b)
{
    const struct gnode *x = *(const struct gnode *const *)a, *y = *(const struct gnode *const *)b;
    int order = strcmp(x->text ? x->text : "", y->text ? y->text : "");
    return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

static void compile_first(struct grammar *g)
{
    struct run *r = xcalloc(1, sizeof *r);
    run_init(r, g);
    for (unsigned mode = 0; mode < MODES; mode++) {
        struct first *f = &g->first[mode];
        no_candidates(r);
        for (size_t i = 0; i < g->num; i++) {
            if (g->rows[i].modes & 1u << mode) {
                closure(r, g->start[i], -1);
            }
        }
        qsort(r->cand, (size_t)r->num_cand, sizeof *r->cand, by_text);
        f->node = arena_alloc(&g->arena, sizeof *f->node * (size_t)(r->num_cand + 1));
        for (int letter = -1; letter < LETTERS; letter++) { /* -1: no keywords */
            if (letter >= 0) {
                f->by_letter[letter] = f->num;
            }
            for (int i = 0; i < r->num_cand; i++) {
                bool word = r->cand[i]->kind == G_WORD;
                if (letter < 0 ? !word : word && letter_of(r->cand[i]->text[0]) == letter) {
                    f->node[f->num++] = r->cand[i];
                }
            }
        }
        f->by_letter[LETTERS] = f->num;
    }
    free(r);
}

static bool is_number(const char *t, u64 *out)
{
    char *end;
    if (!isdigit((unsigned char)t[0]) || strlen(t) > 18) {
        return false;
    }
    *out = strtoull(t, &end, 10);
    return *end == 0;
}

static bool all_letters(const char *t)
{
    for (; *t; t++) {
        if (!isalpha((unsigned char)*t)) {
            return false;
        }
    }
    return true;
}

static bool is_prefix6(const char *t)
{
    char buf[64];
    struct addr a;
    u64 len;
    const char *slash = strchr(t, '/');
    if (!slash || (size_t)(slash - t) >= sizeof buf || !is_number(slash + 1, &len) || len > 128) {
        return false;
    }
    memcpy(buf, t, (size_t)(slash - t));
    buf[slash - t] = 0;
    return addr_parse(&a, buf) && a.family == AF_V6;
}

/* word_matches: 3 the whole keyword, 2 its beginning. */
static int word_matches(const char *word, const char *t)
{
    for (; *t; t++, word++) {
        if (tolower((unsigned char)*t) != tolower((unsigned char)*word)) {
            return 0;
        }
    }
    return *word ? 2 : 3;
}

/* like_addr: worth parsing. */
static bool like_addr(const char *t)
{
    return isxdigit((unsigned char)t[0]) || t[0] == ':';
}

/* 0: no match, 1: argument, 2: keyword prefix, 3: whole keyword */
static int node_matches(const struct gnode *n, const char *t)
{
    struct addr a;
    char canonical[CONF_IFNAME];
    enum conf_if_kind kind;
    u64 v;
    switch (n->kind) {
    case G_WORD: return word_matches(n->text, t);
    case G_NUM: return is_number(t, &v) && v >= n->lo && v <= n->hi;
    case G_ADDR4: return like_addr(t) && addr_parse(&a, t) && a.family == AF_V4;
    case G_ADDR6: return like_addr(t) && addr_parse(&a, t) && a.family == AF_V6;
    case G_ADDR: return like_addr(t) && addr_parse(&a, t);
    case G_PREFIX6: return is_prefix6(t);
    case G_NAME: return 1;
    case G_LINE: return 1;
    case G_IF: return strchr(t, ' ') == NULL && conf_if_canonical(canonical, &kind, t);
    case G_IFTYPE: {
        char with_num[CONF_IFNAME];
        snprintf(with_num, sizeof with_num, "%.20s0", t);
        return all_letters(t) && conf_if_canonical(canonical, &kind, with_num);
    }
    case G_IFNUM: return isdigit((unsigned char)t[0]) && strspn(t, "0123456789/.:") == strlen(t);
    default: return 0;
    }
}

static bool tokenize(struct run *r, struct match *m, const char *line)
{
    char *out = m->buf;
    r->line = line;
    if (strlen(line) >= MATCH_LINE) {
        return false;
    }
    for (const char *p = line; *p;) {
        size_t blanks = strspn(p, " \t\r\n");
        size_t len = strcspn(p + blanks, " \t\r\n");
        p += blanks;
        if (!len) {
            break;
        }
        if (r->num_tok == MATCH_MAX_TOKENS - 1) {
            return false;
        }
        r->tok[r->num_tok] = out;
        r->col[r->num_tok++] = (u16)(p - line + 1);
        memcpy(out, p, len);
        out[len] = 0;
        out += len + 1;
        p += len;
    }
    return true;
}

/* note_expected: what could have stood there, each once, as many as fit. First tokens come sorted (compile_first), so equal
 * ones are neighbours; the lists further on are short. */
static void note_expected(struct match *m, const struct run *r)
{
    enum { SHORT = 64, ENOUGH = 400 };
    const char *said[MAX_STATES];
    int num = 0;
    size_t len = 0;
    m->expected[0] = 0;
    for (int i = 0; i < r->num_cand && len < ENOUGH; i++) {
        const char *t = r->cand[i]->kind == G_END ? "end of line" : r->cand[i]->text;
        bool seen = false;
        for (int k = num - 1; k >= 0 && !seen && (k == num - 1 || r->num_cand <= SHORT); k--) {
            seen = said[k] == t || strcmp(said[k], t) == 0;
        }
        if (!seen) {
            size_t n = MIN(strlen(t), (size_t)70);
            memcpy(m->expected + len, ", ", len ? 2 : 0);
            len += len ? 2 : 0;
            memcpy(m->expected + len, t, n);
            len += n;
            m->expected[len] = 0;
            said[num++] = t;
        }
    }
}

static void add_first(struct run *r, const struct first *f, int from, int to)
{
    size_t num = (size_t)(to - from);
    memcpy(&r->cand[r->num_cand], &f->node[from], num * sizeof *f->node);
    memset(&r->cand_parent[r->num_cand], 0xff, num * sizeof *r->cand_parent); /* -1 each */
    r->num_cand += (int)num;
}

/* begin: the candidates for the first token; t: only those that may take it, NULL: all. mode: one bit. */
static void begin(struct run *r, const struct grammar *g, u32 mode, const char *t)
{
    const struct first *f = &g->first[mode ? __builtin_ctz(mode) : 0];
    no_candidates(r);
    if (!t) {
        add_first(r, f, 0, f->num);
    } else {
        int letter = letter_of(t[0]);
        add_first(r, f, 0, f->by_letter[0]);
        add_first(r, f, f->by_letter[letter], f->by_letter[letter + 1]);
    }
}

/* consume: takes token t; false when nothing matches or (ambiguous set) two keywords do. LINE ends the line. */
static bool consume(struct run *r, const char *t, bool *ambiguous, bool *took_line)
{
    int best = 0, from = r->num;
    const char *word = NULL;
    for (int i = 0; i < r->num_cand; i++) {
        r->fit[i] = (u8)node_matches(r->cand[i], t);
        best = MAX(best, (int)r->fit[i]);
    }
    for (int i = 0; best && i < r->num_cand; i++) {
        if (r->fit[i] != best) {
            continue;
        }
        if (best == 2) {
            *ambiguous |= word && strcmp(word, r->cand[i]->text) != 0;
            word = r->cand[i]->text;
        }
        if (r->num < MAX_STATES) {
            r->st[r->num++] = (struct state){.node = r->cand[i], .parent = r->cand_parent[i]};
            *took_line |= r->cand[i]->kind == G_LINE;
        }
    }
    if (!best || *ambiguous) {
        return false;
    }
    no_candidates(r);
    for (int s = from; s < r->num; s++) {
        for (int i = 0; i < r->st[s].node->num_next; i++) {
            closure(r, r->st[s].node->next[i], s);
        }
    }
    return true;
}

/* collect: the path to state s becomes the match's arguments. first: index of the first token of the path. */
static void collect(struct match *m, const struct run *r, int s, int first)
{
    int path[MATCH_MAX_TOKENS], n = 0;
    char *out = m->buf + MATCH_LINE;
    for (; s >= 0; s = r->st[s].parent) {
        path[n++] = s;
    }
    for (int i = 0; i < n; i++) {
        const struct gnode *node = r->st[path[n - 1 - i]].node;
        struct match_arg *a = &m->arg[m->num++];
        enum conf_if_kind kind;
        const char *t = r->tok[first + i];
        char text[CONF_IFNAME] = "";
        *a = (struct match_arg){.name = node->name,
                                .text = t,
                                .col = r->col[first + i],
                                .keyword = node->kind == G_WORD};
        if (node->kind == G_WORD) {
            a->text = node->text;
        } else if (node->kind == G_NUM) {
            (void)is_number(t, &a->number);
        } else if (node->kind == G_LINE) {
            a->text = r->line + a->col - 1;
        } else if (node->kind == G_IFTYPE) {
            snprintf(text, sizeof text, "%.18s%.12s", t, r->tok[first + i + 1]);
            i++;
        } else if (node->kind == G_IF) {
            str_copy(text, sizeof text, t);
        }
        if (text[0] && conf_if_canonical(out, &kind, text)) {
            a->text = out;
            out += strlen(out) + 1;
        }
    }
}

static void finish(struct match *m, const struct run *r, int first, const char *line, bool tell)
{
    for (int i = 0; i < r->num_cand; i++) {
        if (r->cand[i]->kind == G_END) {
            m->result = MATCH_OK;
            m->row = r->cand[i]->row;
            collect(m, r, r->cand_parent[i], first);
            return;
        }
    }
    m->result = MATCH_INCOMPLETE;
    m->bad_col = (u16)(strlen(line) + 1);
    if (tell) {
        note_expected(m, r);
    }
}

/* first_row: some row a candidate leads to (for `no` lines that stop early). */
static int first_row(const struct gnode *n)
{
    while (n->kind != G_END) {
        n = n->next[0];
    }
    return n->row;
}

static void match_line(struct match *m, const struct grammar *g, u32 mode, const char *line,
                       bool allow_no, bool tell)
{
    struct run run, *r = &run;
    bool ambiguous = false, took_line = false;
    int first = 0;
    run_init(r, g);
    memset(m, 0, offsetof(struct match, buf));
    m->row = -1;
    if (!tokenize(r, m, line)) {
        m->result = MATCH_INVALID;
        m->bad_col = 1;
        str_copy(m->expected, sizeof m->expected, "a shorter line");
        return;
    }
    if (r->num_tok == 0) {
        m->result = MATCH_EMPTY;
        return;
    }
    if (allow_no && strcasecmp(r->tok[0], "no") == 0) {
        m->no = true;
        first = 1;
    }
    begin(r, g, mode, first < r->num_tok ? r->tok[first] : NULL);
    for (int t = first; t < r->num_tok && !took_line; t++) {
        if (!consume(r, r->tok[t], &ambiguous, &took_line)) {
            if (t == first && !ambiguous && tell) {
                begin(r, g, mode, NULL); /* to say all that could have stood there */
            }
            m->result = ambiguous ? MATCH_AMBIGUOUS : MATCH_INVALID;
            m->bad_col = r->col[t];
            if (tell) {
                note_expected(m, r);
            }
            return;
        }
        m->depth++;
    }
    finish(m, r, first, line, tell);
    if (m->no && m->result == MATCH_INCOMPLETE && r->num > 0 && r->num_cand > 0) {
        m->result = MATCH_OK; /* "no tunnel source": what follows need not be said */
        m->partial = true;
        m->row = first_row(r->cand[0]);
        collect(m, r, r->cand_parent[0], first);
    }
}

void grammar_match(struct match *m, const struct grammar *g, u32 mode, const char *line,
                   bool allow_no)
{
    match_line(m, g, mode, line, allow_no, true);
}

void grammar_try(struct match *m, const struct grammar *g, u32 mode, const char *line,
                 bool allow_no)
{
    match_line(m, g, mode, line, allow_no, false);
}

int grammar_choices(struct match_choice *out, int cap, bool *out_end, const struct grammar *g,
                    u32 mode, const char *line, bool allow_no)
{
    struct run run, *r = &run;
    struct match *m = xcalloc(1, sizeof *m);
    bool ambiguous = false, took_line = false;
    int n = -1;
    size_t len = strlen(line);
    bool open_word = len && line[len - 1] != ' ';
    *out_end = false;
    run_init(r, g);
    if (!tokenize(r, m, line)) {
        goto done;
    }
    const char *word = open_word && r->num_tok ? r->tok[--r->num_tok] : "";
    int first = allow_no && r->num_tok && strcasecmp(r->tok[0], "no") == 0;
    begin(r, g, mode, NULL);
    for (int t = first; t < r->num_tok; t++) {
        if (!consume(r, r->tok[t], &ambiguous, &took_line)) {
            goto done;
        }
    }
    n = 0;
    for (int i = 0; i < r->num_cand; i++) {
        const struct gnode *c = r->cand[i];
        bool seen = c->kind == G_IFTYPE;
        *out_end |= c->kind == G_END && !word[0];
        if (c->kind == G_END || (word[0] && !node_matches(c, word))) {
            continue;
        }
        for (int k = 0; k < n; k++) {
            seen |= strcmp(out[k].text, c->text) == 0;
        }
        if (!seen && n < cap) {
            out[n++] = (struct match_choice){.text = c->text, .keyword = c->kind == G_WORD};
        }
    }
done:
    free(m);
    return n;
}

const struct match_arg *match_arg(const struct match *m, const char *name)
{
    for (int i = 0; i < m->num; i++) {
        if (!m->arg[i].keyword && strcmp(m->arg[i].name, name) == 0) {
            return &m->arg[i];
        }
    }
    return NULL;
}

const char *match_text(const struct match *m, const char *name)
{
    const struct match_arg *a = match_arg(m, name);
    return a ? a->text : NULL;
}

bool match_has(const struct match *m, const char *keyword)
{
    for (int i = 0; i < m->num; i++) {
        if (m->arg[i].keyword && strcmp(m->arg[i].name, keyword) == 0) {
            return true;
        }
    }
    return false;
}

u64 match_number(const struct match *m, const char *name, u64 absent)
{
    const struct match_arg *a = match_arg(m, name);
    return a ? a->number : absent;
}
