/*
 * cover.c: what crypto maps cover (RFC 4301 4.4.1) on each interface, and that no change of their lists opens anything before
 * it is whole. A list is changed line by line, so for a while it says less than it said and than it will say. While somebody
 * is in configuration mode what an interface covers therefore only grows: what a change takes from the lines in force is held
 * there, and dropped, until everybody has left.
 *
 *   the lines in force of its map     protected
 *   everything                        dropped, for an entry whose list is not there or has no rule
 *   conf_if.held, or everything       dropped, behind all of these
 *
 * What a list covers is, for each line that permits, what that line selects and no deny line in front of it does; other
 * permit lines neither add to that nor take from it. So this much is held of a line: itself and the denies in front of it.
 * Four changes take something: a line that permits goes, a deny comes in front of it, an entry or an interface goes by another
 * list or map; and an entry that permitted nothing, whose lines were held for that, permits again or goes. Each asks for
 * every line it touches: is that held already, or more than that? What is too much to be held line by line is held as
 * everything (conf_if.held_all), and the lines in force leave room for that.
 */
#include "conf/conf.h"

#include <stdlib.h>

/* ---- lists ---- */

const struct conf_acl *conf_entry_list(const struct conf *c, const struct conf_map_entry *e)
{
    return e->acl[0] ? conf_acl_find(c, e->acl) : NULL;
}

static bool is_rule(const struct conf_ace *ace)
{
    return !ace->remark[0];
}

static struct list none = {&none, &none}; /* the lines of no list */

static const struct list *lines_of(const struct conf *c, const struct conf_map_entry *e)
{
    const struct conf_acl *acl = conf_entry_list(c, e);
    return acl ? &acl->aces : &none;
}

enum { HAS_RULES = 1, HAS_PERMITS = 2 };
static unsigned list_has(const struct conf *c, const struct conf_map_entry *e)
{
    unsigned has = 0;
    CONF_FOR(struct conf_ace, ace, lines_of(c, e))
    {
        has |= !is_rule(ace) ? 0u : ace->permit ? HAS_RULES | HAS_PERMITS : HAS_RULES;
    }
    return has;
}

static const struct conf_map *map_of(const struct conf *c, const struct conf_if *i)
{
    return i->crypto_map[0] ? conf_map_find(c, i->crypto_map) : NULL;
}

/* first_use: of the map's entries from that one on. */
static bool first_use(const struct conf *c, const struct list *map, const struct list *it, struct conf_use *u)
{
    for (; it != map; it = it->next) {
        u->of = u->e = CONTAINER_OF(it, struct conf_map_entry, link);
        u->dynamic = u->of->dynamic[0] ? conf_dynamic_find(c, u->of->dynamic) : NULL;
        if (!u->of->dynamic[0]) {
            return true;
        }
        if (u->dynamic && !list_empty(&u->dynamic->entries)) {
            u->e = CONTAINER_OF(u->dynamic->entries.next, struct conf_map_entry, link);
            return true;
        }
    }
    return false;
}

bool conf_use_next(const struct conf *c, const struct conf_map *m, struct conf_use *u)
{
    if (u->dynamic && u->e->link.next != &u->dynamic->entries) {
        u->e = CONTAINER_OF(u->e->link.next, struct conf_map_entry, link);
        return true;
    }
    return m && first_use(c, &m->entries, u->of ? u->of->link.next : m->entries.next, u);
}

static u32 dynamic_seq(const struct conf_use *u)
{
    return u->dynamic ? u->e->seq : 0;
}

static bool is_of(const struct conf_block *b, const struct conf_if *i, const struct conf_use *u)
{
    return b->seq == u->of->seq && b->dynamic_seq == dynamic_seq(u) && strcmp(b->map, i->crypto_map) == 0 &&
           strcmp(b->dynamic, u->of->dynamic) == 0;
}

enum conf_stand conf_use_stand(const struct conf *c, const struct conf_if *i, const struct conf_use *u)
{
    unsigned has = list_has(c, u->e);
    if (has & HAS_PERMITS) {
        return CONF_PERMITS;
    }
    CONF_FOR(struct conf_block, b, i ? &i->held : &none)
    {
        if (is_of(b, i, u)) {
            return CONF_HELD;
        }
    }
    return u->e->acl[0] && !has ? CONF_EVERYTHING : CONF_NOTHING;
}

/* ---- holding ---- */

/* One block while a list is walked from its top: how far its lines stand behind no other denies than those met so far (at),
 * and where a line stands behind exactly these (exact; missing: the first of them that the block lacks at its end). */
struct walk {
    struct conf_block *b;
    struct list *at, *exact, *hint;
    const struct list *missing;
    bool differs, fresh;
};
/* What goes of the list of a use. */
struct going {
    struct conf *c;
    struct conf_if *i;
    const struct conf_use *u;
    const struct list *rules; /* the list's lines */
    struct walk *walk;        /* owned */
    unsigned num;
};

static struct conf_ace *ace_at(const struct list *it)
{
    return CONTAINER_OF(it, struct conf_ace, link);
}

static bool is_deny(const struct list *it)
{
    return is_rule(ace_at(it)) && !ace_at(it)->permit;
}

static void put(struct conf *c, struct list *before, const struct conf_ace *ace)
{
    struct conf_ace *copy = arena_alloc(&c->arena, sizeof *copy);
    *copy = *ace;
    copy->seq = ++c->held; /* conf_held_back goes by it */
    list_push_back(before, &copy->link);
}

/* pass: the walk goes on over what the denies up to last (the list's newest) excuse; newest: only that one is new. */
static void pass(const struct going *g, struct walk *w, const struct list *last, bool newest)
{
    for (; w->at != &w->b->aces; w->at = w->at->next, newest = false) {
        bool excused = ace_at(w->at)->permit;
        for (const struct list *it = last; !excused && it != g->rules; it = it->prev) {
            excused = is_deny(it) && selector_covers(&ace_at(it)->sel, &ace_at(w->at)->sel);
            if (newest) {
                break;
            }
        }
        if (!excused) {
            return;
        }
    }
}

/* deny_met: the list's next deny: what stands behind it is said of less. */
static void deny_met(const struct going *g, struct walk *w, const struct list *deny)
{
    struct list *it = w->exact;
    while (it != &w->b->aces && ace_at(it)->permit) {
        it = it->next;
    }
    if (w->missing || w->differs) {
        /* as before */
    } else if (it == &w->b->aces) {
        w->missing = deny;
    } else if (selector_equal(&ace_at(it)->sel, &ace_at(deny)->sel)) {
        w->exact = it->next;
    } else {
        w->differs = true;
    }
    pass(g, w, deny, true);
}

/* holds_it: the block holds as much of that line, or more. */
static bool holds_it(struct walk *w, const struct conf_ace *line)
{
    while (w->hint != w->at && w->hint != &w->b->aces && !ace_at(w->hint)->permit) {
        w->hint = w->hint->next;
    }
    if (w->hint != w->at && w->hint != &w->b->aces &&
        selector_covers(&ace_at(w->hint)->sel, &line->sel)) {
        w->hint = w->hint->next; /* lines mostly stand in the order they had */
        return true;
    }
    for (struct list *it = w->b->aces.next; it != w->at && !w->fresh; it = it->next) {
        if (ace_at(it)->permit && selector_covers(&ace_at(it)->sel, &line->sel)) {
            w->hint = it->next;
            return true;
        }
    }
    return false;
}

static struct walk *walk_new(struct going *g, struct conf_block *b, const struct list *upto)
{
    struct walk *more = xcalloc(g->num + 1, sizeof *more);
    if (g->num) {
        memcpy(more, g->walk, g->num * sizeof *more);
    }
    free(g->walk);
    g->walk = more;
    struct walk *w = &more[g->num++];
    *w = (struct walk){.b = b, .at = b->aces.next, .exact = b->aces.next, .hint = b->aces.next};
    pass(g, w, g->rules, false);
    for (struct list *it = g->rules->next; it != upto; it = it->next) {
        if (is_deny(it)) {
            deny_met(g, w, it);
        }
    }
    return w;
}

static struct conf_block *block_new(struct conf *c, struct conf_if *i,
                                    const struct conf_use *u)
{
    struct conf_block *b = arena_alloc(&c->arena, sizeof *b);
    str_copy(b->map, sizeof b->map, i->crypto_map);
    str_copy(b->dynamic, sizeof b->dynamic, u->of->dynamic);
    str_copy(b->acl, sizeof b->acl, u->e->acl);
    b->seq = u->of->seq;
    b->dynamic_seq = dynamic_seq(u);
    b->born = ++c->held;
    list_init(&b->aces);
    list_push_back(&i->held, &b->link);
    return b;
}

/* hold_name: where everything is held, whose lines went is enough. */
static void hold_name(struct conf *c, struct conf_if *i, const struct conf_use *u)
{
    CONF_FOR(struct conf_block, b, &i->held)
    {
        if (is_of(b, i, u)) {
            return;
        }
    }
    (void)block_new(c, i, u);
}

/* hold: that line, with the denies in front of it, unless as much is held. */
static void hold(struct going *g, const struct list *line)
{
    struct walk *w = NULL;
    for (unsigned n = 0; n < g->num; n++) {
        if (holds_it(&g->walk[n], ace_at(line))) {
            return;
        }
    }
    for (unsigned n = 0; n < g->num && !w; n++) {
        bool fits = !g->walk[n].differs && strcmp(g->walk[n].b->acl, g->u->e->acl) == 0;
        w = fits ? &g->walk[n] : NULL;
    }
    if (!w) {
        w = walk_new(g, block_new(g->c, g->i, g->u), line);
        w->fresh = true;
    }
    for (const struct list *it = w->missing; it && it != line; it = it->next) {
        if (is_deny(it)) {
            put(g->c, &w->b->aces, ace_at(it));
        }
    }
    if (w->missing) {
        w->missing = NULL;
        w->exact = &w->b->aces;
    }
    put(g->c, w->exact, ace_at(line));
}

/* hold_rules: what the entry covers on the interface by the lines of a list from first on, or by that line only. */
static void hold_rules(struct conf *c, struct conf_if *i, const struct conf_use *u,
                       const struct list *rules, const struct list *first, bool only)
{
    struct going g = {.c = c, .i = i, .u = u, .rules = rules};
    bool begun = false;
    c->taken++; /* held already or not */
    if (i->held_all) {
        hold_name(c, i, u);
        return;
    }
    LIST_FOR (it, &i->held) {
        struct conf_block *b = CONTAINER_OF(it, struct conf_block, link);
        if (is_of(b, i, u)) {
            (void)walk_new(&g, b, rules->next);
        }
    }
    for (const struct list *it = rules->next; it != rules; it = it->next) {
        begun |= it == first;
        for (unsigned n = 0; n < g.num && is_deny(it); n++) {
            deny_met(&g, &g.walk[n], it);
        }
        if (begun && is_rule(ace_at(it)) && ace_at(it)->permit) {
            hold(&g, it);
        }
        if (begun && only) {
            break;
        }
    }
    free(g.walk);
}

/* any: the lines that stand for everything, into a list. */
struct any {
    struct list rules;
    struct conf_ace ace[2];
};
static void any(struct any *out, const struct conf_src *src)
{
    static const struct {
        u8 family;
        const char *text;
    } kinds[] = {{AF_V4, "permit ip any any"}, {AF_V6, "permit ipv6 any any"}};
    memset(out, 0, sizeof *out);
    list_init(&out->rules);
    for (unsigned n = 0; n < ARRAY_LEN(kinds); n++) {
        out->ace[n].src = *src;
        out->ace[n].permit = true;
        out->ace[n].sel = selector_any(kinds[n].family);
        str_copy(out->ace[n].text, sizeof out->ace[n].text, kinds[n].text);
        list_push_back(&out->rules, &out->ace[n].link);
    }
}

static void hold_everything(struct conf *c, struct conf_if *i, const struct conf_use *u)
{
    struct any all;
    any(&all, &u->e->acl_src);
    hold_rules(c, i, u, &all.rules, all.rules.next, false);
}

/* hold_from: what the entry covers on the interface by the lines of its list from that one on (its head: by none). */
static void hold_from(struct conf *c, struct conf_if *i, const struct conf_use *u,
                      const struct list *first)
{
    const struct list *lines = lines_of(c, u->e);
    enum conf_stand stand = conf_use_stand(c, i, u);
    c->taken += stand == CONF_HELD; /* what is held for it may have no right to stay any more */
    if (stand == CONF_EVERYTHING) {
        hold_everything(c, i, u);
    } else if (first != lines) {
        hold_rules(c, i, u, lines, first, false);
    }
}

static void hold_entry(struct conf *c, struct conf_if *i, const struct conf_use *u)
{
    hold_from(c, i, u, lines_of(c, u->e)->next);
}

/* each_use: the uses that want() says, on each interface. Before a change: nothing is held of what nobody is
 * typing. */
static void each_use(struct conf *c, bool (*want)(const struct conf_use *u, const void *what),
                     const void *what,
                     void (*fn)(struct conf *c, struct conf_if *i, const struct conf_use *u,
                                const void *arg),
                     const void *arg)
{
    LIST_FOR (it, &c->ifs) {
        struct conf_if *i = CONTAINER_OF(it, struct conf_if, link);
        CONF_USES(c, map_of(c, i), u)
        {
            if (c->typing && want(&u, what)) {
                fn(c, i, &u, arg);
            }
        }
    }
}

static bool by_list(const struct conf_use *u, const void *acl)
{
    return strcmp(u->e->acl, ((const struct conf_acl *)acl)->name) == 0;
}

static bool by_itself(const struct conf_use *u, const void *entry)
{
    return u->e == entry || u->of == entry;
}

static void on_lines(struct conf *c, struct conf_if *i, const struct conf_use *u,
                     const void *first)
{
    hold_from(c, i, u, first);
}

static void on_one_line(struct conf *c, struct conf_if *i, const struct conf_use *u,
                        const void *ace)
{
    hold_rules(c, i, u, lines_of(c, u->e), &((const struct conf_ace *)ace)->link, true);
}

static void on_entry(struct conf *c, struct conf_if *i, const struct conf_use *u,
                     const void *unused)
{
    (void)unused;
    hold_entry(c, i, u);
}

static void on_unknown(struct conf *c, struct conf_if *i, const struct conf_use *u,
                       const void *unused)
{
    (void)unused;
    hold_everything(c, i, u);
}

/* ---- changes ---- */

struct conf_ace *conf_ace_put(struct conf *c, struct conf_acl *acl, u32 seq,
                              const struct conf_ace *rule)
{
    struct list *before = &acl->aces;
    struct conf_ace *same = NULL;
    u32 last = 0;
    CONF_FOR(struct conf_ace, e, &acl->aces)
    {
        if (seq && e->seq >= seq) {
            same = e->seq == seq ? e : NULL; /* the rule takes its place */
            before = same ? e->link.next : &e->link;
            break;
        }
        last = e->seq;
    }
    if (is_rule(rule)) { /* the first rule of a list, a deny in front of others */
        each_use(c, by_list, acl, on_lines, rule->permit ? &acl->aces : before);
    }
    if (same) {
        conf_ace_remove(c, acl, same);
    }
    struct conf_ace *n = arena_alloc(&c->arena, sizeof *n);
    *n = *rule;
    n->seq = seq ? seq : last + 10;
    list_push_back(before, &n->link);
    return n;
}

void conf_ace_remove(struct conf *c, struct conf_acl *acl, struct conf_ace *ace)
{
    if (is_rule(ace) && ace->permit) {
        each_use(c, by_list, acl, on_one_line, ace);
    }
    list_remove(&ace->link);
}

void conf_acl_remove(struct conf *c, struct conf_acl *acl)
{
    each_use(c, by_list, acl, on_entry, NULL);
    list_remove(&acl->link);
}

void conf_entry_remove(struct conf *c, struct conf_map_entry *e)
{
    each_use(c, by_itself, e, on_entry, NULL);
    mem_wipe(e->esp, sizeof e->esp);
    mem_wipe(e->ah, sizeof e->ah);
    list_remove(&e->link);
}

void conf_entry_match(struct conf *c, struct conf_map_entry *e, const char *acl)
{
    if (strcmp(e->acl, acl) != 0) {
        each_use(c, by_itself, e, on_entry, NULL);
        str_copy(e->acl, sizeof e->acl, acl);
        if (acl[0] && !(list_has(c, e) & HAS_PERMITS)) {
            each_use(c, by_itself, e, on_unknown, NULL); /* nobody knows what it is going to say */
        }
    }
}

void conf_entry_dynamic(struct conf *c, struct conf_map_entry *e, const char *name)
{
    if (strcmp(e->dynamic, name) != 0) {
        each_use(c, by_itself, e, on_entry, NULL);
        str_copy(e->dynamic, sizeof e->dynamic, name);
    }
}

void conf_if_set_map(struct conf *c, struct conf_if *i, const char *name)
{
    bool takes = c->typing && strcmp(i->crypto_map, name) != 0;
    CONF_USES(c, map_of(c, i), u)
    {
        if (takes) {
            hold_entry(c, i, &u);
        }
    }
    str_copy(i->crypto_map, CONF_NAME, name);
}

void conf_held_back(struct conf *c, u32 held)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        CONF_FOR(struct conf_block, b, &i->held)
        {
            CONF_FOR(struct conf_ace, ace, &b->aces)
            {
                if (ace->seq > held) {
                    list_remove(&ace->link);
                }
            }
            if (b->born > held) {
                list_remove(&b->link);
            }
        }
    }
    c->held = held;
}

/* ---- what is covered ---- */

bool conf_if_covers(const struct conf *c, const struct conf_if *i)
{
    return map_of(c, i) || !list_empty(&i->held);
}

enum { BLOCK_DROPPED = 1 << 16 }; /* above all sequence numbers of entries */

static void dropped(const struct list *rules, u32 block, conf_covered_fn fn, void *ctx)
{
    for (const struct list *it = rules->next; it != rules; it = it->next) {
        if (is_rule(ace_at(it))) {
            fn(ctx, NULL, ace_at(it), block);
        }
    }
}

static void dropped_any(const struct conf_src *src, u32 block, conf_covered_fn fn, void *ctx)
{
    struct any all;
    any(&all, src);
    dropped(&all.rules, block, fn, ctx);
}

void conf_if_covered(const struct conf *c, const struct conf_if *i, conf_covered_fn fn, void *ctx)
{
    u32 block = BLOCK_DROPPED;
    CONF_USES(c, map_of(c, i), u)
    {
        CONF_FOR(struct conf_ace, ace, u.dynamic ? &none : lines_of(c, u.e))
        {
            if (is_rule(ace)) {
                fn(ctx, u.e, ace, u.e->seq);
            }
        }
    }
    CONF_USES(c, map_of(c, i), u)
    {
        if (u.dynamic) {
            dropped(lines_of(c, u.e), ++block, fn, ctx); /* what clients have stands in front */
        }
        if (conf_use_stand(c, i, &u) == CONF_EVERYTHING) {
            dropped_any(&u.e->acl_src, ++block, fn, ctx);
        }
    }
    if (i->held_all) {
        dropped_any(&i->crypto_map_src, ++block, fn, ctx);
    }
    CONF_FOR(struct conf_block, b, &i->held)
    {
        if (!i->held_all) {
            dropped(&b->aces, ++block, fn, ctx);
        }
    }
}

/* ---- when it is whole ---- */

bool conf_block_stays(const struct conf *c, const struct conf_if *i, const struct conf_block *b)
{
    CONF_USES(c, map_of(c, i), u)
    {
        if (is_of(b, i, &u)) {
            return conf_use_stand(c, i, &u) != CONF_PERMITS;
        }
    }
    return false;
}

bool conf_holds(const struct conf *c)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        if (!list_empty(&i->held)) {
            return true;
        }
    }
    return false;
}

bool conf_hold_all(struct conf *c)
{
    bool changed = false;
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        i->held_all_new = !i->held_all && !list_empty(&i->held);
        i->held_all |= i->held_all_new;
        changed |= i->held_all_new;
    }
    return changed;
}

void conf_hold_all_back(struct conf *c)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        i->held_all = i->held_all && !i->held_all_new;
    }
}

bool conf_changing(const struct conf *c)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        CONF_FOR(struct conf_block, b, &i->held)
        {
            if (!conf_block_stays(c, i, b)) {
                return true;
            }
        }
    }
    return false;
}

static bool settle(struct conf *c)
{
    if (c->typing || c->unfinished || !conf_changing(c)) {
        return false;
    }
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        CONF_FOR(struct conf_block, b, &i->held)
        {
            if (!conf_block_stays(c, i, b)) {
                list_remove(&b->link);
            }
        }
        i->held_all = i->held_all && !list_empty(&i->held);
    }
    return true;
}

void conf_typing(struct conf *c)
{
    c->typing++;
}

bool conf_typed(struct conf *c)
{
    c->typing -= c->typing > 0;
    return settle(c);
}

bool conf_hung_up(struct conf *c, bool took)
{
    c->unfinished |= took && conf_holds(c);
    return conf_typed(c);
}

bool conf_whole(struct conf *c)
{
    c->unfinished = c->unfinished && c->typing;
    return settle(c);
}
