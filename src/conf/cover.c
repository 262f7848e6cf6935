/*
 * cover.c: what crypto maps cover (RFC 4301 4.4.1), and that no change of their lists opens anything before it is whole. A
 * list is changed line by line, so for a while it says less than it said and than it will say. What is covered therefore
 * only shrinks when nobody is in configuration mode any more: until then what an entry covered when that was last so is
 * dropped where its lines in force let it pass. An entry that is in use and permits nothing goes on like that until it
 * permits something, or is taken out.
 *
 *   its lines in force               protected
 *   entry.held, entry.tried,
 *   entries in map.gone,
 *   the map an interface had         dropped, behind the lines in force of all entries, each by itself
 *   everything                       dropped, when nobody knows what the entry's list would have said
 */
#include "conf/conf.h"

/* ---- lists ---- */

static const struct conf_acl *list_of(const struct conf *c, const struct conf_map_entry *e)
{
    return e->acl[0] ? conf_acl_find(c, e->acl) : NULL;
}

enum { HAS_RULES = 1, HAS_PERMITS = 2 };
static unsigned list_has(const struct conf_acl *acl)
{
    unsigned has = 0;
    if (acl) {
        CONF_FOR(struct conf_ace, ace, &acl->aces)
        {
            has |= ace->remark[0] ? 0u : ace->permit ? HAS_RULES | HAS_PERMITS : HAS_RULES;
        }
    }
    return has;
}

/* hold: the rules of the list as they are now. */
static void hold(struct conf *c, struct conf_map_entry *e, const struct conf_acl *acl)
{
    size_t num = 0;
    e->held = (struct conf_cover){0};
    if (!acl) {
        return;
    }
    CONF_FOR(struct conf_ace, ace, &acl->aces)
    {
        num += !ace->remark[0];
    }
    e->held.ace = arena_alloc(&c->arena, MAX(num, 1u) * sizeof *e->held.ace);
    CONF_FOR(struct conf_ace, ace, &acl->aces)
    {
        if (!ace->remark[0]) {
            e->held.ace[e->held.num++] = *ace;
        }
    }
}

/* holds_all: the list says what is held, in the same order. */
static bool holds_all(const struct conf_map_entry *e, const struct conf_acl *acl)
{
    size_t n = 0;
    if (acl) {
        CONF_FOR(struct conf_ace, ace, &acl->aces)
        {
            if (ace->remark[0]) {
                continue;
            }
            if (n == e->held.num || e->held.ace[n].permit != ace->permit ||
                !selector_equal(&e->held.ace[n].sel, &ace->sel)) {
                return false;
            }
            n++;
        }
    }
    return n == e->held.num;
}

static bool is_held(const struct conf_map_entry *e, const struct conf_ace *ace)
{
    for (size_t i = 0; i < e->held.num; i++) {
        if (e->undenied && !e->held.ace[i].permit) {
            break; /* of the permits behind it more was in force than is held */
        }
        if (e->held.ace[i].permit && selector_equal(&e->held.ace[i].sel, &ace->sel)) {
            return true;
        }
    }
    CONF_FOR(struct conf_ace, t, &e->tried)
    {
        if (selector_equal(&t->sel, &ace->sel)) {
            return true;
        }
    }
    return false;
}

/* going: a line in force of the entry is about to go. */
static void going(struct conf *c, struct conf_map_entry *e, const struct conf_ace *ace)
{
    if (ace->permit && !ace->remark[0] && !is_held(e, ace)) {
        struct conf_ace *copy = arena_alloc(&c->arena, sizeof *copy);
        *copy = *ace;
        list_push_back(&e->tried, &copy->link);
    }
}

static void all_going(struct conf *c, struct conf_map_entry *e, const struct conf_acl *acl)
{
    if (acl) {
        CONF_FOR(struct conf_ace, ace, &acl->aces)
        {
            going(c, e, ace);
        }
    }
}

/* ---- changes ---- */

struct conf_ace *conf_ace_add(struct conf *c, struct conf_acl *acl, u32 seq, struct conf_src src)
{
    struct list *before = &acl->aces;
    u32 last = 0;
    CONF_FOR(struct conf_ace, e, &acl->aces)
    {
        if (seq && e->seq == seq) {
            before = e->link.next; /* the same number again replaces the rule */
            conf_ace_remove(c, acl, e);
            break;
        }
        if (seq && e->seq > seq) {
            before = &e->link;
            break;
        }
        last = e->seq;
    }
    struct conf_ace *n = arena_alloc(&c->arena, sizeof *n);
    n->src = src;
    n->seq = seq ? seq : last + 10;
    list_push_back(before, &n->link);
    c->touched = true;
    return n;
}

void conf_ace_remove(struct conf *c, struct conf_acl *acl, struct conf_ace *ace)
{
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        CONF_FOR(struct conf_map_entry, e, &m->entries)
        {
            if (strcmp(e->acl, acl->name) == 0) {
                going(c, e, ace);
                e->undenied |= !ace->permit && !ace->remark[0];
            }
        }
    }
    list_remove(&ace->link);
    c->touched = true;
}

void conf_acl_remove(struct conf *c, struct conf_acl *acl)
{
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        CONF_FOR(struct conf_map_entry, e, &m->entries)
        {
            if (strcmp(e->acl, acl->name) == 0) {
                all_going(c, e, acl);
            }
        }
    }
    list_remove(&acl->link);
    c->touched = true;
}

void conf_entry_remove(struct conf *c, struct conf_map *m, struct conf_map_entry *e)
{
    all_going(c, e, list_of(c, e));
    e->unknown = conf_entry_stand(c, e) == CONF_EVERYTHING || e->unknown;
    list_remove(&e->link);
    list_push_back(&m->gone, &e->link);
    c->touched = true;
}

void conf_entry_match(struct conf *c, struct conf_map_entry *e, const char *acl)
{
    if (strcmp(e->acl, acl) != 0) {
        all_going(c, e, list_of(c, e));
        str_copy(e->acl, sizeof e->acl, acl);
        e->unknown = e->unknown || (acl[0] && !(list_has(list_of(c, e)) & HAS_PERMITS));
        c->touched = true;
    }
}

/* ---- what is covered ---- */

static bool holds(const struct conf_map_entry *e)
{
    return e->held.num || !list_empty(&e->tried);
}

enum conf_stand conf_entry_stand(const struct conf *c, const struct conf_map_entry *e)
{
    unsigned has = list_has(list_of(c, e));
    if (has & HAS_PERMITS) {
        return CONF_PERMITS;
    }
    if (e->acl[0] && (e->unknown || (!has && !holds(e)))) {
        return CONF_EVERYTHING;
    }
    return holds(e) ? CONF_HELD : CONF_NOTHING;
}

bool conf_entry_changing(const struct conf *c, const struct conf_map_entry *e)
{
    return conf_entry_stand(c, e) == CONF_PERMITS &&
           ((e->held.num && !holds_all(e, list_of(c, e))) || !list_empty(&e->tried) || e->unknown);
}

enum { BLOCK_DROPPED = 1 << 16 }; /* above all sequence numbers of entries */

static void everything(const struct conf_map_entry *e, u32 *block, conf_covered_fn fn, void *ctx)
{
    static const struct {
        u8 family;
        const char *text;
    } any[] = {{AF_V4, "permit ip any any"}, {AF_V6, "permit ipv6 any any"}};
    ++*block;
    for (unsigned i = 0; i < ARRAY_LEN(any); i++) {
        struct conf_ace ace = {
            .src = e->acl_src, .permit = true, .sel = selector_any(any[i].family)};
        str_copy(ace.text, sizeof ace.text, any[i].text);
        fn(ctx, e, &ace, *block, true);
    }
}

/* dropped: what an entry had, all of it in blocks of its own, so that no deny of its ends another. */
static void dropped(const struct conf_map_entry *e, bool all, u32 *block, conf_covered_fn fn,
                    void *ctx)
{
    ++*block;
    for (size_t i = 0; i < e->held.num; i++) {
        fn(ctx, e, &e->held.ace[i], *block, true);
    }
    ++*block;
    CONF_FOR(struct conf_ace, ace, &e->tried)
    {
        fn(ctx, e, ace, *block, true);
    }
    if (all || e->unknown) {
        everything(e, block, fn, ctx);
    }
}

void conf_covered(const struct conf *c, const struct conf_map *m, conf_covered_fn fn, void *ctx)
{
    u32 block = BLOCK_DROPPED;
    CONF_FOR(struct conf_map_entry, e, &m->entries)
    {
        const struct conf_acl *acl = list_of(c, e);
        for (struct list *it = acl ? acl->aces.next : NULL; it && it != &acl->aces; it = it->next) {
            const struct conf_ace *ace = CONTAINER_OF(it, struct conf_ace, link);
            if (!ace->remark[0]) {
                fn(ctx, e, ace, e->seq, false);
            }
        }
    }
    CONF_FOR(struct conf_map_entry, e, &m->entries)
    {
        enum conf_stand stand = conf_entry_stand(c, e);
        if (stand == CONF_HELD || stand == CONF_EVERYTHING || conf_entry_changing(c, e)) {
            dropped(e, stand == CONF_EVERYTHING, &block, fn, ctx);
        }
    }
    CONF_FOR(struct conf_map_entry, e, &m->gone)
    {
        dropped(e, false, &block, fn, ctx);
    }
}

static const struct conf_map *map_now(const struct conf *c, const struct conf_if *i)
{
    return i->crypto_map[0] ? conf_map_find(c, i->crypto_map) : NULL;
}

const struct conf_map *conf_if_map(const struct conf *c, const struct conf_if *i)
{
    const struct conf_map *m = map_now(c, i);
    return m ? m : i->held_map;
}

struct dropping {
    conf_covered_fn fn;
    void *ctx;
};

static void drop_line(void *ctx, const struct conf_map_entry *e, const struct conf_ace *ace,
                      u32 block, bool dropped)
{
    const struct dropping *d = ctx;
    (void)dropped;
    d->fn(d->ctx, e, ace, block + (BLOCK_DROPPED << 8), true);
}

void conf_if_covered(const struct conf *c, const struct conf_if *i, conf_covered_fn fn, void *ctx)
{
    const struct conf_map *now = map_now(c, i);
    if (now) {
        conf_covered(c, now, fn, ctx);
    }
    if (i->held_map && i->held_map != now) {
        conf_covered(c, i->held_map, drop_line, &(struct dropping){fn, ctx});
    }
}

void conf_if_set_map(struct conf *c, struct conf_if *i, const char *name)
{
    str_copy(i->crypto_map, CONF_NAME, name);
    c->touched = true;
}

/* ---- when it is whole ---- */

static bool in_use(const struct conf *c, const struct conf_map *m)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        if (strcmp(i->crypto_map, m->name) == 0 || i->held_map == m) {
            return true;
        }
    }
    return false;
}

static void settle_ifs(struct conf *c)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        i->held_map = map_now(c, i);
    }
}

bool conf_changing(const struct conf *c)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        if (i->held_map && i->held_map != map_now(c, i)) {
            return true;
        }
    }
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        bool changing = !list_empty(&m->gone);
        CONF_FOR(struct conf_map_entry, e, &m->entries)
        {
            changing |= conf_entry_changing(c, e);
        }
        if (changing && in_use(c, m)) {
            return true;
        }
    }
    return false;
}

/* settle: what the entry says is what it covers from now on. */
static void settle(struct conf *c, struct conf_map_entry *e)
{
    e->unknown = false;
    e->undenied = false;
    list_init(&e->tried);
    bool permits = conf_entry_stand(c, e) == CONF_PERMITS;
    const struct conf_acl *acl = permits ? list_of(c, e) : NULL;
    if (!holds_all(e, acl)) {
        hold(c, e, acl);
    }
    e->unknown = conf_entry_stand(c, e) == CONF_EVERYTHING;
}

/* settle_map: keeps: what is in use and permits nothing goes on as it is. */
static void settle_map(struct conf *c, struct conf_map *m, bool keeps)
{
    list_init(&m->gone);
    CONF_FOR(struct conf_map_entry, e, &m->entries)
    {
        if (!keeps || conf_entry_stand(c, e) == CONF_PERMITS) {
            settle(c, e);
        }
    }
}

void conf_loaded(struct conf *c)
{
    c->touched = false;
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        settle_map(c, m, false);
    }
    settle_ifs(c);
}

void conf_typing(struct conf *c)
{
    c->typing++;
}

void conf_left(struct conf *c)
{
    c->typing -= c->typing > 0;
}

bool conf_typed(struct conf *c, bool said)
{
    conf_left(c);
    if (!said) {
        c->touched = false; /* what it began is not whole because somebody else comes and goes */
        return false;
    }
    if (c->typing || !c->touched) {
        return false;
    }
    bool changing = conf_changing(c);
    c->touched = false;
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        settle_map(c, m, in_use(c, m));
    }
    settle_ifs(c);
    return changing;
}
