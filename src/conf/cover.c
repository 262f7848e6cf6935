/*
 * cover.c: what crypto maps cover (RFC 4301 4.4.1) on each interface, and that no change of their lists opens anything before
 * it is whole. A list is changed line by line, so for a while it says less than it said and than it will say. While somebody
 * is in configuration mode what an interface covers therefore only grows: what a change takes from the lines in force is held
 * there, and dropped, until everybody has left.
 *
 *   the lines in force of its map     protected
 *   everything                        dropped, for an entry whose list is not there or has no rule
 *   conf_if.held                      dropped, behind all of these
 *
 * What a list covers is, for each line that permits, what that line selects and no deny line in front of it does; other
 * permit lines neither add to that nor take from it. So this much is held of a line: itself and the denies in front of it.
 * Three changes take something: a line that permits goes, a deny comes in front of it, an entry or an interface goes by
 * another list or map. Each asks for every line it touches: is that held already, or more than that?
 */
#include "conf/conf.h"

/* ---- lists ---- */

const struct conf_acl *conf_entry_list(const struct conf *c, const struct conf_map_entry *e)
{
    return e->acl[0] ? conf_acl_find(c, e->acl) : NULL;
}

static bool is_rule(const struct conf_ace *ace)
{
    return !ace->remark[0];
}

enum { HAS_RULES = 1, HAS_PERMITS = 2 };
static unsigned list_has(const struct conf_acl *acl)
{
    unsigned has = 0;
    for (struct list *it = acl ? acl->aces.next : NULL; it && it != &acl->aces; it = it->next) {
        const struct conf_ace *ace = CONTAINER_OF(it, struct conf_ace, link);
        has |= !is_rule(ace) ? 0u : ace->permit ? HAS_RULES | HAS_PERMITS : HAS_RULES;
    }
    return has;
}

static const struct conf_map *map_of(const struct conf *c, const struct conf_if *i)
{
    return i->crypto_map[0] ? conf_map_find(c, i->crypto_map) : NULL;
}

static bool is_of(const struct conf_block *b, const struct conf_if *i,
                  const struct conf_map_entry *e)
{
    return b->seq == e->seq && strcmp(b->map, i->crypto_map) == 0;
}

enum conf_stand conf_entry_stand(const struct conf *c, const struct conf_if *i,
                                 const struct conf_map_entry *e)
{
    unsigned has = list_has(conf_entry_list(c, e));
    if (has & HAS_PERMITS) {
        return CONF_PERMITS;
    }
    for (struct list *it = i ? i->held.next : NULL; it && it != &i->held; it = it->next) {
        if (is_of(CONTAINER_OF(it, struct conf_block, link), i, e)) {
            return CONF_HELD;
        }
    }
    return e->acl[0] && !has ? CONF_EVERYTHING : CONF_NOTHING;
}

/* ---- holding ---- */

/* What is held of a line: the line, and the rules in front of it (before: the head of their list, or the line itself). */
struct hold {
    struct conf *c;
    struct conf_if *i;
    const struct conf_map_entry *e;
    const struct list *rules; /* NULL: there are none in front */
    const struct conf_ace *line;
};

/* next_deny: of those in front of the line, the one after at (NULL: the first). */
static const struct conf_ace *next_deny(const struct hold *h, const struct conf_ace *at)
{
    for (const struct list *it = !h->rules ? NULL : at ? at->link.next : h->rules->next;
         it && it != h->rules && it != &h->line->link; it = it->next) {
        const struct conf_ace *ace = CONTAINER_OF(it, struct conf_ace, link);
        if (is_rule(ace) && !ace->permit) {
            return ace;
        }
    }
    return NULL;
}

static bool denied_before(const struct hold *h, const struct selector *sel)
{
    for (const struct conf_ace *d = next_deny(h, NULL); d; d = next_deny(h, d)) {
        if (selector_covers(&d->sel, sel)) {
            return true;
        }
    }
    return false;
}

/* is_within: the block holds as much of it, or more. */
static bool is_within(const struct hold *h, const struct conf_block *b)
{
    CONF_FOR(struct conf_ace, ace, &b->aces)
    {
        if (ace->permit && selector_covers(&ace->sel, &h->line->sel)) {
            return true;
        }
        if (!ace->permit && !denied_before(h, &ace->sel)) {
            return false; /* what stands behind it says less */
        }
    }
    return false;
}

static void put(const struct hold *h, struct list *before, const struct conf_ace *ace)
{
    struct conf_ace *copy = arena_alloc(&h->c->arena, sizeof *copy);
    *copy = *ace;
    copy->seq = ++h->c->held; /* conf_held_back goes by it */
    list_push_back(before, &copy->link);
}

/* place: where the line stands in the block so that the same denies are in front of it, those that are missing at the end
 * included; NULL: nowhere. Lines that permit may stand anywhere. */
static struct list *place(const struct hold *h, struct conf_block *b)
{
    struct list *it = b->aces.next;
    const struct conf_ace *d = next_deny(h, NULL);
    for (struct list *at = it; d && at != &b->aces; at = at->next) {
        const struct conf_ace *ace = CONTAINER_OF(at, struct conf_ace, link);
        if (ace->permit) {
            continue;
        }
        if (!selector_equal(&ace->sel, &d->sel)) {
            return NULL;
        }
        it = at->next;
        d = next_deny(h, d);
    }
    for (; d; d = next_deny(h, d)) {
        put(h, it = &b->aces, d);
    }
    return it;
}

static void hold_line(const struct hold *h)
{
    struct list *where = NULL;
    h->c->taken++; /* held already or not */
    LIST_FOR (it, &h->i->held) {
        const struct conf_block *b = CONTAINER_OF(it, struct conf_block, link);
        if (is_of(b, h->i, h->e) && is_within(h, b)) {
            return;
        }
    }
    LIST_FOR (it, &h->i->held) {
        struct conf_block *b = CONTAINER_OF(it, struct conf_block, link);
        if (!where && is_of(b, h->i, h->e) && strcmp(b->acl, h->e->acl) == 0) {
            where = place(h, b);
        }
    }
    if (!where) {
        struct conf_block *b = arena_alloc(&h->c->arena, sizeof *b);
        str_copy(b->map, sizeof b->map, h->i->crypto_map);
        str_copy(b->acl, sizeof b->acl, h->e->acl);
        b->seq = h->e->seq;
        list_init(&b->aces);
        list_push_back(&h->i->held, &b->link);
        where = place(h, b);
    }
    put(h, where, h->line);
}

/* any: the lines that stand for everything. */
static void any(struct conf_ace out[2], const struct conf_map_entry *e)
{
    out[0] = (struct conf_ace){
        .src = e->acl_src, .permit = true, .sel = selector_any(AF_V4), .text = "permit ip any any"};
    out[1] = (struct conf_ace){.src = e->acl_src,
                               .permit = true,
                               .sel = selector_any(AF_V6),
                               .text = "permit ipv6 any any"};
}

static void hold_everything(struct conf *c, struct conf_if *i, const struct conf_map_entry *e)
{
    struct conf_ace all[2];
    any(all, e);
    for (unsigned n = 0; n < ARRAY_LEN(all); n++) {
        hold_line(&(struct hold){.c = c, .i = i, .e = e, .line = &all[n]});
    }
}

/* hold_from: what the entry covers on the interface by the lines of its list from that one on (NULL: by none). */
static void hold_from(struct conf *c, struct conf_if *i, const struct conf_map_entry *e,
                      const struct list *first)
{
    const struct conf_acl *acl = conf_entry_list(c, e);
    if (conf_entry_stand(c, i, e) == CONF_EVERYTHING) {
        hold_everything(c, i, e);
    }
    for (const struct list *it = first; acl && it && it != &acl->aces; it = it->next) {
        const struct conf_ace *ace = CONTAINER_OF(it, struct conf_ace, link);
        if (is_rule(ace) && ace->permit) {
            hold_line(&(struct hold){.c = c, .i = i, .e = e, .rules = &acl->aces, .line = ace});
        }
    }
}

static void hold_entry(struct conf *c, struct conf_if *i, const struct conf_map_entry *e)
{
    const struct conf_acl *acl = conf_entry_list(c, e);
    hold_from(c, i, e, acl ? acl->aces.next : NULL);
}

/* each_use: the entries in force that want() says, on each interface. Before a change: nothing is held of what nobody is
 * typing. */
static void each_use(struct conf *c, bool (*want)(const struct conf_map_entry *e, const void *what),
                     const void *what,
                     void (*fn)(struct conf *c, struct conf_if *i, const struct conf_map_entry *e,
                                const void *arg),
                     const void *arg)
{
    LIST_FOR (it, &c->ifs) {
        struct conf_if *i = CONTAINER_OF(it, struct conf_if, link);
        const struct conf_map *m = c->typing ? map_of(c, i) : NULL;
        for (struct list *at = m ? m->entries.next : NULL; at && at != &m->entries; at = at->next) {
            const struct conf_map_entry *e = CONTAINER_OF(at, struct conf_map_entry, link);
            if (want(e, what)) {
                fn(c, i, e, arg);
            }
        }
    }
}

static bool by_list(const struct conf_map_entry *e, const void *acl)
{
    return strcmp(e->acl, ((const struct conf_acl *)acl)->name) == 0;
}

static bool by_itself(const struct conf_map_entry *e, const void *entry)
{
    return e == entry;
}

static void on_lines(struct conf *c, struct conf_if *i, const struct conf_map_entry *e,
                     const void *first)
{
    hold_from(c, i, e, first);
}

static void on_one_line(struct conf *c, struct conf_if *i, const struct conf_map_entry *e,
                        const void *ace)
{
    const struct conf_acl *acl = conf_entry_list(c, e);
    hold_line(&(struct hold){.c = c, .i = i, .e = e, .rules = &acl->aces, .line = ace});
}

static void on_entry(struct conf *c, struct conf_if *i, const struct conf_map_entry *e,
                     const void *unused)
{
    (void)unused;
    hold_entry(c, i, e);
}

static void on_unknown(struct conf *c, struct conf_if *i, const struct conf_map_entry *e,
                       const void *unused)
{
    (void)unused;
    hold_everything(c, i, e);
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
    list_remove(&e->link);
}

void conf_entry_match(struct conf *c, struct conf_map_entry *e, const char *acl)
{
    if (strcmp(e->acl, acl) != 0) {
        each_use(c, by_itself, e, on_entry, NULL);
        str_copy(e->acl, sizeof e->acl, acl);
        if (acl[0] && !(list_has(conf_entry_list(c, e)) & HAS_PERMITS)) {
            each_use(c, by_itself, e, on_unknown, NULL); /* nobody knows what it is going to say */
        }
    }
}

void conf_if_set_map(struct conf *c, struct conf_if *i, const char *name)
{
    const struct conf_map *m = c->typing && strcmp(i->crypto_map, name) != 0 ? map_of(c, i) : NULL;
    for (struct list *it = m ? m->entries.next : NULL; it && it != &m->entries; it = it->next) {
        hold_entry(c, i, CONTAINER_OF(it, struct conf_map_entry, link));
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
            if (list_empty(&b->aces)) {
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

void conf_if_covered(const struct conf *c, const struct conf_if *i, conf_covered_fn fn, void *ctx)
{
    const struct conf_map *m = map_of(c, i);
    u32 block = BLOCK_DROPPED;
    for (struct list *at = m ? m->entries.next : NULL; at && at != &m->entries; at = at->next) {
        const struct conf_map_entry *e = CONTAINER_OF(at, struct conf_map_entry, link);
        const struct conf_acl *acl = conf_entry_list(c, e);
        for (struct list *it = acl ? acl->aces.next : NULL; it && it != &acl->aces; it = it->next) {
            const struct conf_ace *ace = CONTAINER_OF(it, struct conf_ace, link);
            if (is_rule(ace)) {
                fn(ctx, e, ace, e->seq);
            }
        }
    }
    for (struct list *at = m ? m->entries.next : NULL; at && at != &m->entries; at = at->next) {
        const struct conf_map_entry *e = CONTAINER_OF(at, struct conf_map_entry, link);
        if (conf_entry_stand(c, i, e) == CONF_EVERYTHING) {
            struct conf_ace all[2];
            any(all, e);
            block++;
            fn(ctx, NULL, &all[0], block);
            fn(ctx, NULL, &all[1], block);
        }
    }
    CONF_FOR(struct conf_block, b, &i->held)
    {
        block++;
        CONF_FOR(struct conf_ace, ace, &b->aces)
        {
            fn(ctx, NULL, ace, block);
        }
    }
}

/* ---- when it is whole ---- */

bool conf_block_stays(const struct conf *c, const struct conf_if *i, const struct conf_block *b)
{
    const struct conf_map *m = map_of(c, i);
    for (struct list *it = m ? m->entries.next : NULL; it && it != &m->entries; it = it->next) {
        const struct conf_map_entry *e = CONTAINER_OF(it, struct conf_map_entry, link);
        if (is_of(b, i, e)) {
            return conf_entry_stand(c, i, e) != CONF_PERMITS;
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
    bool changing = !c->typing && !c->unfinished && conf_changing(c);
    for (struct list *it = changing ? c->ifs.next : &c->ifs; it != &c->ifs; it = it->next) {
        struct conf_if *i = CONTAINER_OF(it, struct conf_if, link);
        CONF_FOR(struct conf_block, b, &i->held)
        {
            if (!conf_block_stays(c, i, b)) {
                list_remove(&b->link);
            }
        }
    }
    return changing;
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
