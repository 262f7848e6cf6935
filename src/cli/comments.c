/*
 * comments.c: an operator's comments, kept when adit writes the operator's file: a comment belongs to the line below it, in
 * its section. Lines are compared as the operator wrote them, so comments above lines in another spelling (`int fa0/0`) have
 * no place any more; they are kept together at the end.
 */
#include "cli/cli.h"

#include <stdlib.h>

struct text_line {
    const char *p;
    size_t len;
};

static struct text_line next_line(const char **at)
{
    struct text_line l = {*at, strcspn(*at, "\r\n")};
    *at += l.len;
    *at += **at == '\r';
    *at += **at == '\n';
    return l;
}

static struct text_line trimmed(struct text_line l)
{
    while (l.len && (*l.p == ' ' || *l.p == '\t')) {
        l.p++, l.len--;
    }
    while (l.len && (l.p[l.len - 1] == ' ' || l.p[l.len - 1] == '\t')) {
        l.len--;
    }
    return l;
}

static bool same(struct text_line a, struct text_line b)
{
    a = trimmed(a), b = trimmed(b);
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

/* is_comment: a `!` with words; a lone `!` is layout. */
static bool is_comment(struct text_line l)
{
    l = trimmed(l);
    return l.len > 1 && l.p[0] == '!' && strspn(l.p, "! \t") < l.len;
}

static bool is_blank(struct text_line l)
{
    l = trimmed(l);
    return l.len == 0 || l.p[0] == '!';
}

/* One comment of the old text, and the line it belongs to. */
struct comment {
    struct text_line text, anchor, section; /* anchor.p NULL: nothing came after it */
    bool placed;
};

static size_t collect(struct comment *out, size_t cap, const char *before)
{
    size_t num = 0, open = 0; /* those from open on have no anchor yet */
    struct text_line section = {"", 0};
    while (*before) {
        struct text_line l = next_line(&before);
        if (is_comment(l)) {
            if (num < cap) {
                out[num++] = (struct comment){.text = l};
            }
        } else if (!is_blank(l)) {
            bool inside = *l.p == ' ' || *l.p == '\t';
            for (; open < num; open++) {
                out[open].anchor = l;
                out[open].section = inside ? section : (struct text_line){"", 0};
            }
            section = inside ? section : l;
        }
    }
    return num;
}

static void put(struct strbuf *out, struct text_line l)
{
    sb_addn(out, l.p, l.len);
    sb_add(out, "\n");
}

void cli_keep_comments(struct strbuf *out, const char *text, const char *before)
{
    enum { CAP = 4096 };
    struct comment *c = xcalloc(CAP, sizeof *c);
    size_t num = collect(c, CAP, before);
    struct text_line section = {"", 0};
    while (*text) {
        struct text_line l = next_line(&text);
        bool inside = *l.p == ' ', end = same(l, (struct text_line){"end", 3});
        for (size_t i = 0; i < num && !is_blank(l); i++) {
            bool here = c[i].anchor.p && same(c[i].anchor, l) &&
                        same(c[i].section, inside ? section : (struct text_line){"", 0});
            if (!c[i].placed && (here || end)) {
                c[i].placed = true;
                put(out, c[i].text);
            }
        }
        section = inside || is_blank(l) ? section : l;
        put(out, l);
    }
    free(c);
}
