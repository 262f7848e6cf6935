/*
 * test_cover.c: consoles that type whatever comes (conf/cover.c): while one of them is in configuration mode, or has gone in
 * the middle of a change, no interface covers less than it did. What is covered is counted packet by packet over a small
 * world, from what the planner is told and, by other code, from the lines.
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

enum { SIDE = 4, PACKETS = 2 * SIDE * SIDE, CONSOLES = 3, IFS = 2, LINES = 60, SEEDS = 1200 };

struct world {
    struct conf *c;
    struct cli_host host;
    struct session *s[CONSOLES];
    bool took[CONSOLES]; /* its lines took something from what would stay covered */
    bool hung;           /* such a one has gone */
    bool impossible;
    u64 random;
    char log[LINES][96]; /* what was typed, for who reads of a failure */
    unsigned num;
};

static u32 below(struct world *w, u32 n)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (u32)(w->random >> 33) % n;
}

/* ---- a router of nothing ---- */

static struct conf *w_conf(void *ctx)
{
    return ((struct world *)ctx)->c;
}
static void w_nothing(void *ctx)
{
    (void)ctx;
}
static void w_configured(void *ctx, const char *from, const char *who)
{
    (void)ctx, (void)from, (void)who;
}
/* little room, so that what is held does not always fit; and now and then none for anything */
static const struct conf_limits little = {
    .links = 4, .lines = 40, .tunnels = 4, .flows = 40, .covered = 55, .masks = 20};
static bool w_possible(void *ctx, const struct conf *c, struct conf_finding *out)
{
    *out = (struct conf_finding){.what = "line", .text = "too many"};
    return !((struct world *)ctx)->impossible && conf_fits(c, &little, out);
}
static bool w_save(void *ctx, const char *text)
{
    struct world *w = ctx;
    unsigned typing = 0;
    for (unsigned i = 0; i < CONSOLES; i++) {
        typing += session_configuring(w->s[i]);
    }
    assert_non_null(text);
    assert_false(conf_holds(w->c) && (typing > 1 || w->hung));
    return true;
}
static void w_out(void *ctx, const char *text)
{
    (void)ctx, (void)text;
}
static void w_done(void *ctx, int status)
{
    (void)ctx, (void)status;
}

/* ---- what is covered ---- */

/* Half of the packets are IPv4, half IPv6. */
static bool selects(const struct selector *sel, unsigned packet)
{
    unsigned src = packet / SIDE % SIDE, dst = packet % SIDE;
    struct addr s = addr_v4(0x0a010000 + src), d = addr_v4(0x0a020000 + dst);
    if (packet >= SIDE * SIDE) {
        u8 b[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1};
        b[15] = (u8)src;
        s = addr_from_bytes(AF_V6, b);
        b[5] = 2;
        b[15] = (u8)dst;
        d = addr_from_bytes(AF_V6, b);
    }
    return prefix_contains(&sel->src, &s) && prefix_contains(&sel->dst, &d);
}

struct told {
    u32 covered, denied; /* a bit for each packet; denied: in this block */
    u32 block;
    bool dropping; /* lines of no entry stand behind all others */
};

static void on_line(void *ctx, const struct conf_map_entry *e, const struct conf_ace *ace,
                    u32 block)
{
    struct told *t = ctx;
    assert_false(t->dropping && e);
    t->dropping |= !e;
    t->denied = block == t->block ? t->denied : 0;
    t->block = block;
    for (unsigned n = 0; n < PACKETS; n++) {
        if (selects(&ace->sel, n)) {
            t->covered |= ace->permit && !(t->denied & 1u << n) ? 1u << n : 0;
            t->denied |= !ace->permit ? 1u << n : 0;
        }
    }
}

static u32 covered(const struct world *w, unsigned i)
{
    static const char *const names[IFS] = {"FastEthernet0/0", "FastEthernet0/1"};
    const struct conf_if *p = conf_if_find(w->c, names[i]);
    struct told t = {0};
    if (p) {
        conf_if_covered(w->c, p, on_line, &t);
        assert_true(conf_if_covers(w->c, p) || !t.covered);
    }
    return t.covered;
}

/* list_says: what the lines of that list say; out_permits: there is one that permits. */
static u32 list_says(const struct world *w, const char *name, bool *out_permits)
{
    const struct conf_acl *acl = name[0] ? conf_acl_find(w->c, name) : NULL;
    u32 all = 0, denied = 0;
    *out_permits = false;
    for (struct list *it = acl ? acl->aces.next : NULL; it && it != &acl->aces; it = it->next) {
        const struct conf_ace *ace = CONTAINER_OF(it, struct conf_ace, link);
        for (unsigned n = 0; n < PACKETS && !ace->remark[0]; n++) {
            if (selects(&ace->sel, n)) {
                all |= ace->permit && !(denied & 1u << n) ? 1u << n : 0;
                denied |= ace->permit ? 0 : 1u << n;
            }
        }
        *out_permits |= !ace->remark[0] && ace->permit;
    }
    return all;
}

/* said: what the lines say, of the map's entries and of the dynamic maps they go by; out_mute: an entry permits nothing, and then more
 * may be dropped than they say. */
static u32 said(const struct world *w, unsigned i, bool *out_mute)
{
    static const char *const names[IFS] = {"FastEthernet0/0", "FastEthernet0/1"};
    const struct conf_if *p = conf_if_find(w->c, names[i]);
    const struct conf_map *m = p && p->crypto_map[0] ? conf_map_find(w->c, p->crypto_map) : NULL;
    u32 all = 0;
    bool permits;
    *out_mute = false;
    for (struct list *at = m ? m->entries.next : NULL; at && at != &m->entries; at = at->next) {
        const struct conf_map_entry *e = CONTAINER_OF(at, struct conf_map_entry, link);
        const struct conf_map *d = e->dynamic[0] ? conf_dynamic_find(w->c, e->dynamic) : NULL;
        if (!e->dynamic[0]) {
            all |= list_says(w, e->acl, &permits);
            *out_mute |= !permits;
        }
        for (struct list *of = d ? d->entries.next : NULL; of && of != &d->entries; of = of->next) {
            all |= list_says(w, CONTAINER_OF(of, struct conf_map_entry, link)->acl, &permits);
            *out_mute |= !permits;
        }
    }
    return all;
}

/* settled: what would be covered if all were whole now. */
static u32 settled(const struct world *w, unsigned i)
{
    static const char *const names[IFS] = {"FastEthernet0/0", "FastEthernet0/1"};
    const struct conf_if *p = conf_if_find(w->c, names[i]);
    bool mute;
    struct told t = {.covered = said(w, i, &mute)};
    for (struct list *it = p ? p->held.next : NULL; it && it != &p->held; it = it->next) {
        const struct conf_block *b = CONTAINER_OF(it, struct conf_block, link);
        bool stays = conf_block_stays(w->c, p, b);
        t.covered |= stays && p->held_all ? UINT32_MAX : 0;
        t.denied = 0;
        t.block = 0;
        for (struct list *at = b->aces.next; stays && at != &b->aces; at = at->next) {
            on_line(&t, NULL, CONTAINER_OF(at, struct conf_ace, link), 0);
        }
    }
    return t.covered;
}

/* ---- what is typed ---- */

static const char start[] =
    "hostname R\ninterface FastEthernet0/0\ninterface FastEthernet0/1\n"
    "ip access-list extended L0\n deny ip host 10.1.0.0 host 10.2.0.0\n"
    " permit ip 10.1.0.0 0.0.0.1 10.2.0.0 0.0.0.255\n deny ip any host 10.2.0.3\n"
    " permit ip host 10.1.0.2 10.2.0.0 0.0.0.255\n"
    "ip access-list extended L1\n permit ip host 10.1.0.2 10.2.0.0 0.0.0.255\n"
    "ipv6 access-list S0\n deny ipv6 host 2001:db8:1:: any\n permit ipv6 2001:db8:1::/126 any\n"
    "ip access-list extended L3\n permit ip host 10.1.0.3 10.2.0.0 0.0.0.255\n"
    "crypto map X 10 ipsec-isakmp\n match address L0\n set peer 192.0.2.9\n"
    "crypto map X 20 ipsec-isakmp\n match address L1\n set peer 192.0.2.8\n"
    "crypto map X 30 ipsec-isakmp\n match address S0\n set peer 2001:db8:9::1\n"
    "crypto map Y 10 ipsec-isakmp\n match address L1\n set peer 192.0.2.9\n"
    "crypto dynamic-map D 10\n match address L3\ncrypto dynamic-map D 20\n match address S0\n"
    "crypto map Y 40 ipsec-isakmp dynamic D\n"
    "interface FastEthernet0/0\n crypto map X\ninterface FastEthernet0/1\n crypto map Y\nend\n";

static void a_rule(struct world *w, char out[96], const char *kind)
{
    char src[40], dst[40];
    if (below(w, 3)) {
        snprintf(src, sizeof src, "host 10.1.0.%u", below(w, SIDE));
    } else {
        snprintf(src, sizeof src, "10.1.0.0 0.0.0.%u", below(w, 2) ? 1 : 255);
    }
    if (below(w, 2)) {
        snprintf(dst, sizeof dst, "host 10.2.0.%u", below(w, SIDE));
    } else {
        snprintf(dst, sizeof dst, "10.2.0.0 0.0.0.255");
    }
    snprintf(out, 96, "%s ip %s %s", kind, src, dst);
}

static void a_rule6(struct world *w, char out[96], const char *kind)
{
    char src[48] = "2001:db8:1::/126", dst[48] = "any";
    if (below(w, 3)) {
        snprintf(src, sizeof src, "host 2001:db8:1::%u", below(w, SIDE));
    }
    if (below(w, 2)) {
        snprintf(dst, sizeof dst, "host 2001:db8:2::%u", below(w, SIDE));
    }
    snprintf(out, 96, "%s ipv6 %s %s", kind, src, dst);
}

/* a_list: the name of one, of either kind. */
static const char *a_list(struct world *w)
{
    static const char *const names[] = {"L0", "L1", "L2", "L3", "S0", "S1"};
    return names[below(w, ARRAY_LEN(names))];
}

static void a_line(struct world *w, char out[96])
{
    static const char *const others[] = {
        "do exit",      "do configure terminal", "do disable",  "do enable",  "do write memory",
        "write memory", "exit",                  "description", "no shutdown", "remark x"};
    char rule[96];
    unsigned seq = below(w, 8) * 5 + 5;
    switch (below(w, 23)) {
    case 20: snprintf(out, 96, "crypto dynamic-map %c %u", 'D' + below(w, 2), below(w, 2) * 10 + 10); break;
    case 21: snprintf(out, 96, "no crypto dynamic-map %c %u", 'D' + below(w, 2), below(w, 2) * 10 + 10); break;
    case 22: snprintf(out, 96, "crypto map %c 40 ipsec-isakmp dynamic %c", 'X' + below(w, 2), 'D' + below(w, 2)); break;
    case 16: snprintf(out, 96, "ipv6 access-list S%u", below(w, 2)); break;
    case 17:
        a_rule6(w, rule, below(w, 3) ? "permit" : "deny");
        snprintf(out, 96, "sequence %u %.80s", seq, rule);
        break;
    case 18: snprintf(out, 96, "no sequence %u", seq); break;
    case 19: snprintf(out, 96, "no ipv6 access-list S%u", below(w, 2)); break;
    case 0: snprintf(out, 96, "ip access-list extended L%u", below(w, 4)); break;
    case 1:
    case 2:
        a_rule(w, rule, "permit");
        snprintf(out, 96, "%u %.80s", seq, rule);
        break;
    case 3:
        a_rule(w, rule, "deny");
        snprintf(out, 96, "%u %.80s", seq, rule);
        break;
    case 4: a_rule(w, out, below(w, 3) ? "permit" : "deny"); break;
    case 5:
    case 6: snprintf(out, 96, "no %u", seq); break;
    case 7: a_rule(w, out, below(w, 2) ? "no permit" : "no deny"); break;
    case 8:
        snprintf(out, 96, "crypto map %c %u ipsec-isakmp", 'X' + below(w, 2), below(w, 3) * 10 + 10);
        break;
    case 9:
        snprintf(out, 96, "%smatch address %s", below(w, 5) ? "" : "no ", a_list(w));
        break;
    case 10: snprintf(out, 96, "no ip access-list extended L%u", below(w, 3)); break;
    case 11:
        snprintf(out, 96, "no crypto map %c %u", 'X' + below(w, 2), below(w, 4) * 10 + 10);
        break;
    case 12: snprintf(out, 96, "interface FastEthernet0/%u", below(w, IFS)); break;
    case 13:
        snprintf(out, 96, "%scrypto map %c", below(w, 3) ? "" : "no ", 'X' + below(w, 2));
        break;
    case 14:
        snprintf(out, 96, "%sinterface FastEthernet0/%u", below(w, 4) ? "" : "no ", below(w, IFS));
        break;
    default: str_copy(out, 96, others[below(w, ARRAY_LEN(others))]);
    }
}

static bool quiet(const struct world *w)
{
    bool typing = false;
    for (unsigned i = 0; i < CONSOLES; i++) {
        typing |= session_configuring(w->s[i]);
    }
    return !typing && !w->hung;
}

static void step(struct world *w)
{
    unsigned n = below(w, CONSOLES);
    char line[96];
    u32 before[IFS], lines[IFS], held = w->c->held;
    bool mute, hangs_up = !below(w, 40), refused = !below(w, 10);
    for (unsigned i = 0; i < IFS; i++) {
        before[i] = covered(w, i);
        lines[i] = settled(w, i);
    }
    if (hangs_up) {
        w->hung |= session_configuring(w->s[n]) && w->took[n];
        session_free(w->s[n]);
        w->s[n] = session_new(&w->host, w, true, w_out, w_done);
        w->took[n] = false;
        str_copy(line, sizeof line, "(hangs up)");
    } else if (!session_configuring(w->s[n])) {
        str_copy(line, sizeof line, below(w, 8) ? "configure terminal" : "clear adit unfinished");
        w->took[n] = false;
    } else {
        if (below(w, 14)) {
            a_line(w, line);
        } else {
            str_copy(line, sizeof line, "end");
        }
    }
    snprintf(w->log[w->num++], sizeof w->log[0], "%u: %.80s", n, line);
    w->impossible = refused;
    if (!hangs_up) {
        session_line(w->s[n], line);
    }
    w->impossible = false;
    unsigned typing = 0;
    for (unsigned i = 0; i < CONSOLES; i++) {
        typing += session_configuring(w->s[i]);
    }
    assert_int_equal(w->c->typing, typing);
    if (strcmp(line, "clear adit unfinished") == 0 && !typing) { /* somebody has said it */
        w->hung = false;
        assert_false(w->c->unfinished);
    }
    assert_true(w->c->unfinished || !w->hung);
    for (unsigned i = 0; i < IFS; i++) {
        u32 now = covered(w, i), by_lines = said(w, i, &mute);
        bool lost = !quiet(w) && (before[i] & ~now);
        bool whole = quiet(w) && !w->c->unfinished;
        if ((by_lines & ~now) || lost || (whole && !mute && now != by_lines)) {
            for (unsigned k = 0; k < w->num; k++) {
                print_message("   %s\n", w->log[k]);
            }
            fail_msg("interface %u covers %08x, covered %08x, its lines say %08x", i, now,
                     before[i], by_lines);
        }
        w->took[n] |= (lines[i] & ~settled(w, i)) != 0;
    }
    if (refused && session_configuring(w->s[n]) && w->c->held != held) {
        /* it was a line that asks nobody whether it fits: it took something all the same */
        assert_true(strstr(line, "no ") == line);
    }
    struct conf_finding f; /* there is always room for the lines in force */
    assert_true(conf_fits(w->c, &little, &f));
}

/* Lines that come and go in any order, by three consoles; the first failure prints all that was typed. */
static void whatever_is_typed(void **state)
{
    (void)state;
    for (u64 seed = 1; seed <= SEEDS; seed++) {
        struct world w = {.c = conf_new(), .random = seed * 0x9e3779b97f4a7c15ULL};
        struct strbuf errors = {0};
        assert_true(cli_load(w.c, "t.cfg", start, &errors));
        sb_free(&errors);
        w.host = (struct cli_host){.ctx = &w,
                                   .conf = w_conf,
                                   .apply = w_nothing,
                                   .configured = w_configured,
                                   .unfinished = w_nothing,
                                   .possible = w_possible,
                                   .save = w_save};
        for (unsigned i = 0; i < CONSOLES; i++) {
            w.s[i] = session_new(&w.host, &w, true, w_out, w_done);
        }
        while (w.num < LINES) {
            step(&w);
        }
        for (unsigned i = 0; i < CONSOLES; i++) {
            session_free(w.s[i]);
        }
        conf_free(w.c);
    }
}

/* ---- long lists ---- */

static const struct conf_limits most = {
    .links = 16, .lines = 4096, .tunnels = 64, .flows = 4080, .covered = 12288, .masks = 128};

static bool l_possible(void *ctx, const struct conf *c, struct conf_finding *out)
{
    (void)ctx;
    return conf_fits(c, &most, out);
}

/* begun: a router whose map goes by list 100, and a console in that list. */
static void begun(struct world *w, struct strbuf *list)
{
    struct strbuf errors = {0};
    *w = (struct world){.c = conf_new()};
    sb_add(list, "crypto map X 10 ipsec-isakmp\n match address 100\n set peer 192.0.2.9\n"
                 "interface FastEthernet0/0\n crypto map X\nend\n");
    assert_true(cli_load(w->c, "t.cfg", list->s, &errors));
    w->host = (struct cli_host){.ctx = w,
                                .conf = w_conf,
                                .apply = w_nothing,
                                .configured = w_configured,
                                .unfinished = w_nothing,
                                .possible = l_possible};
    w->s[0] = session_new(&w->host, w, true, w_out, w_done);
    session_line(w->s[0], "configure terminal");
    session_line(w->s[0], "ip access-list extended 100");
    sb_free(list);
    sb_free(&errors);
}

static void ended(struct world *w)
{
    session_free(w->s[0]);
    conf_free(w->c);
}

static void say_line(struct world *w, const char *fmt, unsigned a, unsigned b)
{
    char line[96];
    snprintf(line, sizeof line, fmt, a, b);
    session_line(w->s[0], line);
}

/* A list typed again line by line: what is held grows with what was there. */
static void a_long_list(void **state)
{
    (void)state;
    enum { RULES = 600 };
    struct world w;
    struct strbuf text = {0};
    for (unsigned i = 0; i < RULES; i++) {
        sb_addf(&text, "access-list 100 %s ip host 10.1.0.%u host 10.2.%u.1\n",
                i % 3 ? "permit" : "deny", i % 250, i / 250);
    }
    begun(&w, &text);
    for (unsigned i = 0; i < RULES; i++) { /* each line with another in its place */
        say_line(&w, "%u permit ip host 10.1.9.%u any", 10 * i + 10, i % 250);
    }
    assert_in_range(w.c->held, RULES / 3, 2 * RULES);
    session_line(w.s[0], "no ip access-list extended 100");
    assert_in_range(w.c->held, RULES / 3, 3 * RULES);
    session_line(w.s[0], "end");
    assert_true(conf_holds(w.c)); /* there is no list: it permits nothing */
    session_line(w.s[0], "configure terminal");
    session_line(w.s[0], "access-list 100 permit ip host 10.1.0.1 any");
    session_line(w.s[0], "end");
    assert_false(conf_holds(w.c));
    ended(&w);
}

/* Lines taken out so that every one that is left stands behind other denies: too much to be held line by line. Everything is
 * dropped then, no line is refused for it, and a list that permits ends it. */
static void more_than_can_be_held(void **state)
{
    (void)state;
    enum { RULES = 160 };
    struct world w;
    struct strbuf text = {0};
    struct conf_finding f;
    for (unsigned i = 0; i < 2 * RULES; i++) {
        sb_addf(&text, "access-list 100 %s ip host 10.%u.0.%u any\n", i < RULES ? "deny" : "permit",
                i < RULES ? 1 : 2, i % RULES);
    }
    sb_add(&text, "access-list 101 permit ip host 10.4.0.1 any\ncrypto map X 20 ipsec-isakmp\n"
                  " match address 101\n set peer 192.0.2.8\n");
    begun(&w, &text);
    const struct conf_if *i = conf_if_find(w.c, "FastEthernet0/0");
    session_line(w.s[0], "access-list 101 permit ip host 10.4.0.2 any");
    session_line(w.s[0], "ip access-list extended 101");
    session_line(w.s[0], "no 10");
    session_line(w.s[0], "ip access-list extended 100");
    for (unsigned n = 0; n < RULES; n++) {
        say_line(&w, "no %u", 10 * n + 10, 0);
        say_line(&w, "no %u", 10 * (n + RULES) + 10, 0);
        assert_true(conf_fits(w.c, &most, &f));
    }
    assert_true(i->held_all);
    session_line(w.s[0], "end");
    assert_true(i->held_all); /* list 101 is whole, the other one permits nothing */
    struct told t = {0};
    conf_if_covered(w.c, i, on_line, &t);
    assert_int_equal(t.covered, UINT32_MAX);
    struct strbuf out = {0};
    const struct cli_snapshot none = {0};
    cli_show_map(&(struct cli_show){.c = w.c, .snap = &none, .out = &out});
    assert_non_null(strstr(out.s, "FastEthernet0/0 drops everything that no line protects"));
    assert_non_null(strstr(out.s, "FastEthernet0/0 drops, of crypto map X 10:\n"
                                  "            (its list permits nothing; until it does)"));
    assert_null(strstr(out.s, "of crypto map X 20:")); /* nothing of it is left to say */
    sb_free(&out);
    session_line(w.s[0], "configure terminal");
    session_line(w.s[0], "ip access-list extended 101"); /* now this one's goes */
    session_line(w.s[0], "30 deny ip host 10.5.0.1 any");
    session_line(w.s[0], "no 20");
    session_line(w.s[0], "access-list 100 permit ip host 10.2.0.1 any");
    const struct conf_map_entry *x = CONTAINER_OF(conf_map_find(w.c, "X")->entries.next, struct conf_map_entry, link);
    assert_int_equal(conf_use_stand(w.c, i, &(struct conf_use){.of = x, .e = x}), CONF_PERMITS);
    session_line(w.s[0], "end");
    assert_true(i->held_all);
    session_line(w.s[0], "configure terminal");
    session_line(w.s[0], "access-list 101 permit ip host 10.4.0.1 any");
    session_line(w.s[0], "end");
    assert_false(conf_holds(w.c));
    assert_false(i->held_all);
    ended(&w);
}

/* Denies replaced by number in front of many permits: none is refused, however many there are. */
static void denies_replaced(void **state)
{
    (void)state;
    enum { DENIES = 100, PERMITS = 700 };
    struct world w;
    struct strbuf text = {0};
    for (unsigned i = 0; i < DENIES + PERMITS; i++) {
        sb_addf(&text, "access-list 100 %s ip host 10.%u.%u.%u any\n", i < DENIES ? "deny" : "permit",
                i < DENIES ? 1 : 2, i / 250, i % 250);
    }
    begun(&w, &text);
    for (unsigned i = 0; i < DENIES; i++) {
        say_line(&w, "%u deny ip host 10.3.0.%u any", 10 * i + 10, i);
    }
    struct strbuf out = {0};
    cli_running(&out, w.c);
    assert_null(strstr(out.s, "deny   ip host 10.1."));
    assert_null(strstr(out.s, "deny ip host 10.1."));
    sb_free(&out);
    session_line(w.s[0], "end");
    assert_false(conf_holds(w.c));
    ended(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_is_typed),
                                       cmocka_unit_test(a_long_list),
                                       cmocka_unit_test(more_than_can_be_held),
                                       cmocka_unit_test(denies_replaced)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
