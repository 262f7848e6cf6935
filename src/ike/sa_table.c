/*
 * sa_table.c: the ISAKMP SAs and their exchanges (nodes), found by cookie, number and far end. Owns
 * the memory; writes no protocol state (that is engine_commit's), but deletion, which ends it.
 *
 * An SA is found by OUR cookie, which is random and nobody else's choice; a first message that is
 * repeated, by a keyed hash of the initiator's cookie and address. On the walk: isakmp_hdr_read ->
 * sa_find -> retrans_check.
 */
#include "ike/unproved.h"

#include <stdlib.h>

u32 sa_handle(const struct ike_sa *sa)
{
    return 0x65000000u + sa->number * 0x100u + 0x94u;
}

/* ---- exchanges ---- */

struct xch *xch_new(struct ike *ike, struct ike_sa *sa, const struct exchange *e, u32 msgid,
                    bool initiator)
{
    struct xch *x = xcalloc(1, sizeof *x);
    list_init(&x->link);
    x->timer.kind = TIMER_XCH;
    x->sa = sa;
    x->born_ms = env_now_ms(ike->clock);
    x->c.exchange = e->type;
    x->c.msgid = msgid;
    x->c.initiator = initiator;
    x->c.state = initiator ? e->begin_i : e->begin_r;
    return x;
}

struct xch *xch_find(const struct ike_sa *sa, u32 msgid)
{
    LIST_FOR (it, &sa->nodes) { /* those of the last minute: few */
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (x->c.msgid == msgid) {
            return x;
        }
    }
    return NULL;
}

void xch_wipe(struct xch *x)
{
    if (x->talk) {
        mem_wipe(x->talk, sizeof *x->talk);
        free(x->talk);
        x->talk = NULL;
    }
    dh_free(x->dh);
    x->dh = NULL;
}

void xch_free(struct ike *ike, struct xch *x)
{
    timer_set(ike, &x->timer, 0);
    list_remove(&x->link);
    xch_wipe(x);
    retrans_free(&x->rt);
    free(x);
}

void xch_arm(struct ike *ike, struct xch *x)
{
    timer_set(ike, &x->timer, timer_sooner(x->gone_ms, x->rt.next_ms));
}

/* ---- message ids ---- */

/* msgid_at: where an id stands in the table, or the empty place for it. */
static u32 *msgid_at(const struct ike_sa *sa, u32 msgid)
{
    u32 i = msgid * 2654435761u;
    while (sa->msgids[i & (sa->cap_msgids - 1)] && sa->msgids[i & (sa->cap_msgids - 1)] != msgid) {
        i++;
    }
    return &sa->msgids[i & (sa->cap_msgids - 1)];
}

bool msgid_seen(const struct ike_sa *sa, u32 msgid)
{
    return sa->cap_msgids && *msgid_at(sa, msgid) == msgid;
}

void msgid_remember(struct ike_sa *sa, u32 msgid)
{
    if (msgid_seen(sa, msgid)) {
        return;
    }
    if ((sa->num_msgids + 1) * 2 > sa->cap_msgids) {
        u32 *old = sa->msgids, num = sa->cap_msgids;
        sa->cap_msgids = MAX(num * 2, 16u);
        sa->msgids = xcalloc(sa->cap_msgids, sizeof *sa->msgids);
        for (u32 i = 0; i < num; i++) {
            if (old[i]) {
                *msgid_at(sa, old[i]) = old[i];
            }
        }
        free(old);
    }
    *msgid_at(sa, msgid) = msgid;
    sa->num_msgids++;
}

u32 msgid_new(struct ike *ike, struct ike_sa *sa)
{
    if (!sa->next_msgid) {
        sa->next_msgid = env_random_u32(ike->clock);
    }
    do { /* an odd step meets every number once before it comes back */
        sa->next_msgid += 0x9e3779b1u;
    } while (!sa->next_msgid || msgid_seen(sa, sa->next_msgid));
    return sa->next_msgid;
}

/* ---- SAs ---- */

struct ike_sa *sa_new(struct ike *ike, const struct endpoint *local, const struct endpoint *remote)
{
    struct ike_sa *sa = xcalloc(1, sizeof *sa);
    list_init(&sa->link);
    list_init(&sa->peer_link);
    list_init(&sa->guest_link);
    list_init(&sa->half_link);
    list_init(&sa->nodes);
    list_init(&sa->main.link);
    sa->timer.kind = TIMER_SA;
    sa->main.timer.kind = TIMER_XCH;
    sa->live.timer.kind = TIMER_LIVE;
    sa->natt_timer.kind = TIMER_NATT;
    sa->main.sa = sa;
    sa->number = ++ike->next_number;
    sa->local = *local;
    sa->remote = *remote;
    sa->born_ms = sa->main.born_ms = env_now_ms(ike->clock);
    sa->version = &ike_v1;
    sa->main.c.exchange = XCH_MAIN; /* which of phase 1's it is, its first message says */
    sa->main.c.state = XS_READY;
    return sa;
}

bool sa_half_open(const struct ike_sa *sa)
{
    return !sa_authed(sa) && !sa->deleted;
}

static void add_call(struct ike *ike, u8 as, int n)
{
    if (as == COUNTED_OURS) {
        ike->calls.negotiating += (u32)n;
    } else if (as == COUNTED_ACTIVE) {
        ike->calls.active += (u32)n;
    }
}

void sa_count(struct ike *ike, struct ike_sa *sa)
{
    u8 as = sa->deleted || !sa->linked ? COUNTED_NOT : sa_ready(sa) ? COUNTED_ACTIVE : sa->c.initiator ? COUNTED_OURS : COUNTED_NOT;
    if (as != sa->counted) {
        add_call(ike, sa->counted, -1);
        add_call(ike, as, 1);
        sa->counted = as;
    }
}

static u64 our_cookie(const struct ike_sa *sa)
{
    return be64(sa->c.initiator ? sa->c.cookie_i : sa->c.cookie_r);
}

u64 sa_first_key(const struct ike *ike, const u8 cookie_i[8], const struct endpoint *from)
{
    u8 b[27];
    memcpy(b, cookie_i, 8);
    b[8] = from->a.family;
    memcpy(b + 9, from->a.b, 16);
    put16(b + 25, from->port);
    return keyed_hash(ike->seed, b, sizeof b);
}

void sa_link(struct ike *ike, struct ike_sa *sa)
{
    sa->known = sa->linked = true;
    list_push_back(&ike->sas, &sa->link);
    list_push_back(&sa->peer->sas, &sa->peer_link);
    map_put(&ike->sa_number, sa->number, sa);
    if (sa->c.initiator) {
        sa_findable(ike, sa);
    } else {
        sa->keyed_ms = env_now_ms(ike->clock);
        list_push_back(&ike->guests, &sa->guest_link);
        ike->num_guests++;
    }
    xch_arm(ike, &sa->main);
    sa_arm(ike, sa);
    sa_count(ike, sa);
}

void sa_findable(struct ike *ike, struct ike_sa *sa)
{
    map_put(&ike->sa_cookie, our_cookie(sa), sa);
    if (!sa->c.initiator) {
        map_put(&ike->sa_first, sa_first_key(ike, sa->c.cookie_i, &sa->remote), sa);
    }
}

void sa_not_guest(struct ike *ike, struct ike_sa *sa)
{
    list_remove(&sa->half_link);
    sa->half = NULL;
    if (!list_empty(&sa->guest_link)) {
        list_remove(&sa->guest_link);
        ike->num_guests--;
    }
}

static void sa_unlink(struct ike *ike, struct ike_sa *sa)
{
    if (!sa->linked) {
        return;
    }
    u64 key = sa_first_key(ike, sa->c.cookie_i, &sa->remote);
    sa_not_guest(ike, sa);
    list_remove(&sa->link);
    list_remove(&sa->peer_link);
    map_del(&ike->sa_number, sa->number);
    if (map_get(&ike->sa_cookie, our_cookie(sa)) == sa) { /* guests share it with others */
        map_del(&ike->sa_cookie, our_cookie(sa));
    }
    if (map_get(&ike->sa_first, key) == sa) {
        map_del(&ike->sa_first, key);
    }
    sa->linked = false;
    sa_count(ike, sa);
}

u64 sa_half_open_end(const struct ike *ike, const struct ike_sa *sa)
{
    return sa->born_ms + retrans_budget_ms(ike);
}

void sa_arm(struct ike *ike, struct ike_sa *sa)
{
    u64 at = sa->deleted ? sa->gone_ms : timer_sooner(sa->expire_ms, sa->rekey_ms);
    if (sa_half_open(sa) && !sa->c.initiator) {
        at = timer_sooner(at, sa_half_open_end(ike, sa));
    }
    timer_set(ike, &sa->timer, sa->linked ? at : 0);
}

void sa_drop_secrets(struct ike *ike, struct ike_sa *sa)
{
    LIST_FOR (it, &sa->nodes) {
        xch_free(ike, CONTAINER_OF(it, struct xch, link));
    }
    timer_set(ike, &sa->main.timer, 0);
    xch_wipe(&sa->main);
    retrans_free(&sa->main.rt);
    secret_wipe(&sa->main.c.iv);
    secret_wipe(&sa->c.skeyid);
    secret_wipe(&sa->c.skeyid_d);
    secret_wipe(&sa->c.skeyid_a);
    secret_wipe(&sa->c.skeyid_e);
    secret_wipe(&sa->c.key);
}

void sa_free(struct ike *ike, struct ike_sa *sa)
{
    sa_unlink(ike, sa);
    timer_set(ike, &sa->timer, 0);
    timer_set(ike, &sa->live.timer, 0);
    timer_set(ike, &sa->natt_timer, 0);
    sa_drop_secrets(ike, sa);
    peer_release(ike, sa->peer);
    free(sa->msgids);
    free(sa);
}

void sa_delete(struct ike *ike, struct ike_sa *sa, const char *reason, bool tell)
{
    if (sa->deleted) {
        return;
    }
    ev_ike_deleting(
        ike->log, sa->c.conn_id, &sa->remote.a,
        &(struct evb_ike_deleting){.reason = ev_str(reason),
                                   .role = ev_str(sa_role(sa)),
                                   .state = ev_str(ike_show_state_name(sa_show_state(sa)))});
    sa_not_guest(ike, sa);
    timer_set(ike, &sa->live.timer, 0);
    timer_set(ike, &sa->natt_timer, 0);
    sa->deleted = true;
    sa_count(ike, sa);
    sa->gone_ms = env_now_ms(ike->clock) + DELETED_LINGER_MS;
    sa_arm(ike, sa);
    if (!sa->fail[0]) {
        str_copy(sa->fail, sizeof sa->fail, reason);
    }
    struct todo *t = todo_push(ike, TODO_SA_ENDED);
    t->sa = sa->number;
    t->flag = tell;
}

void sa_send(struct ike *ike, const struct ike_sa *sa, const u8 *data, size_t len)
{
    if (frag_wanted(sa, len)) {
        frag_send(ike, sa, data, len);
    } else {
        natt_send(ike, &sa->local, &sa->remote, data, len);
    }
}

/* ---- where it speaks ---- */

u64 core_who(const struct ike *ike, const struct sa_core *c)
{
    u8 b[2 + ISAKMP_ID_MAX + IKE_ID_TEXT + 1]; /* how long the identity is stands in front: where it ends must not be a choice */
    size_t at = 2u + c->peer_id.len;
    size_t n = c->xauth == XAUTH_WRONG ? 0 : strnlen(c->user, sizeof c->user); /* whose password was wrong is nobody */
    put16(b, c->peer_id.len);
    memcpy(b + 2, c->peer_id.b, c->peer_id.len);
    memcpy(b + at, c->user, n);
    b[at + n] = core_unproved(c); /* who only says that identity is not who proved it */
    return keyed_hash(ike->seed, b, at + n + 1);
}

u64 sa_who(const struct ike *ike, const struct ike_sa *sa)
{
    return core_who(ike, &sa->c);
}

void sa_move(struct ike *ike, struct ike_sa *sa, const struct endpoint *local, const struct endpoint *remote)
{
    struct endpoint old = sa->remote;
    bool first = sa->linked &&
                 map_get(&ike->sa_first, sa_first_key(ike, sa->c.cookie_i, &old)) == sa;
    if (first) {
        map_del(&ike->sa_first, sa_first_key(ike, sa->c.cookie_i, &old));
        map_put(&ike->sa_first, sa_first_key(ike, sa->c.cookie_i, remote), sa);
    }
    sa->local = *local;
    sa->remote = *remote;
    if (!addr_equal(&old.a, &remote->a) && sa->peer) {
        struct ike_peer *was = sa->peer;
        sa->peer = peer_hold(ike, local, remote, "sa_move");
        if (sa->linked) {
            list_remove(&sa->peer_link);
            list_push_back(&sa->peer->sas, &sa->peer_link);
        }
        sa->peer->contacted = was->contacted;
        peer_release(ike, was);
    }
    if (sa_authed(sa)) { /* else it changes to port 4500, and nothing hangs on it yet */
        struct todo *t = todo_push(ike, TODO_MOVED);
        t->sa = sa->number;
        t->remote = old.a;
        t->type = old.port;
    }
}

/* may_speak: it may come from there: where the SA is, or, where a NAT may give it another address at any time, from elsewhere
 * under its keys. */
static bool may_speak(const struct ike_sa *sa, const struct isakmp_hdr *hdr, const struct endpoint *from)
{
    return endpoint_equal(&sa->remote, from) || (sa->c.natt && (hdr->flags & FL_ENCRYPTED));
}

/* sa_find: by both cookies; by the initiator's alone while the responder's is still to be learnt
 * (message 2), or while the initiator repeats message 1. The address must fit: nobody else may
 * speak for an SA. */
struct ike_sa *sa_find(const struct ike *ike, const struct isakmp_hdr *hdr,
                       const struct endpoint *from)
{
    u64 ci = be64(hdr->cookie_i), cr = be64(hdr->cookie_r);
    struct ike_sa *sa = map_get(&ike->sa_cookie, ci);
    if (sa && sa->c.initiator && may_speak(sa, hdr, from) &&
        (memcmp(sa->c.cookie_r, hdr->cookie_r, 8) == 0 || be64(sa->c.cookie_r) == 0)) {
        return sa;
    }
    sa = cr ? map_get(&ike->sa_cookie, cr)
            : map_get(&ike->sa_first, sa_first_key(ike, hdr->cookie_i, from));
    if (sa && !sa->c.initiator && memcmp(sa->c.cookie_i, hdr->cookie_i, 8) == 0 &&
        may_speak(sa, hdr, from)) {
        return sa;
    }
    return NULL;
}

struct ike_sa *sa_by_number(const struct ike *ike, u32 number)
{
    return map_get(&ike->sa_number, number);
}

bool sa_serves(const struct ike_sa *sa, const struct addr *local, const struct addr *remote)
{
    return addr_equal(&sa->remote.a, remote) &&
           (!local || local->family == AF_NONE || addr_equal(&sa->local.a, local));
}

/* newest: ended: one that is deleted will do while it has its keys. proved: its far end has proved which machine it is. */
static struct ike_sa *newest(const struct ike *ike, const struct addr *local, const struct addr *remote, const char *profile,
                             u64 who, bool ended, bool proved)
{
    struct ike_sa *best = NULL;
    struct ike_peer *p = peer_find(ike, remote);
    for (struct list *it = p ? p->sas.next : NULL; p && it != &p->sas; it = it->next) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, peer_link);
        if ((ended ? sa->c.key.len != 0 : !sa->deleted) && sa_ready(sa) &&
            sa_serves(sa, local, remote) && sa_of_profile(sa, profile) && (!who || sa_who(ike, sa) == who) && !(proved && core_unproved(&sa->c)) &&
            (!best || (best->deleted && !sa->deleted) ||
             (sa->deleted == best->deleted &&
              sa->c.authed_ms >= best->c.authed_ms))) {
            best = sa;
        }
    }
    return best;
}

struct ike_sa *sa_usable(const struct ike *ike, const struct addr *local, const struct addr *remote)
{
    return newest(ike, local, remote, NULL, 0, false, false);
}

struct ike_sa *sa_under(const struct ike *ike, const struct addr *local, const struct addr *remote, const char *profile)
{
    return newest(ike, local, remote, profile, 0, false, true);
}

struct ike_sa *sa_of_pair(const struct ike *ike, const struct child *c)
{
    struct ike_sa *own = newest(ike, &c->local.a, &c->remote.a, NULL, c->who, false, false);
    return own || c->udp ? own : newest(ike, &c->local.a, &c->remote.a, NULL, 0, false, true);
}

struct ike_sa *sa_speaking(const struct ike *ike, const struct addr *local, const struct addr *remote, u64 who)
{
    return newest(ike, local, remote, NULL, who, true, false);
}

struct ike_sa *sa_negotiating(const struct ike *ike, const struct addr *local,
                              const struct addr *remote, const char *profile)
{
    struct ike_peer *p = peer_find(ike, remote);
    for (struct list *it = p ? p->sas.next : NULL; p && it != &p->sas; it = it->next) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (sa_half_open(sa) && sa->c.initiator && sa_serves(sa, local, remote) &&
            sa_of_profile(sa, profile)) {
            return sa;
        }
    }
    return NULL;
}

/* ---- how it is shown ---- */

const char *ike_show_state_name(enum ike_show_state s)
{
    static const char *const names[ST_NUM] = {"MM_NO_STATE",  "MM_SA_SETUP", "MM_KEY_EXCH",
                                              "MM_KEY_AUTH",  "QM_IDLE",     "AG_NO_STATE",
                                              "AG_INIT_EXCH", "AG_AUTH",     "CONF_XAUTH"};
    return s < ST_NUM ? names[s] : "?";
}

enum ike_show_state sa_show_state(const struct ike_sa *sa)
{
    bool aggressive = sa->main.c.exchange == XCH_AGGRESSIVE;
    if (sa->deleted) {
        return aggressive ? ST_AG_NO_STATE : ST_MM_NO_STATE;
    }
    switch (sa->main.c.state) {
    case XS_I_MM2:
    case XS_I_MM3:
    case XS_R_MM1:
    case XS_R_MM2: return ST_MM_SA_SETUP;
    case XS_I_MM4:
    case XS_I_MM5:
    case XS_R_MM3:
    case XS_R_MM4:
    case XS_R_MM5: return ST_MM_KEY_EXCH;
    case XS_I_MM6: return ST_MM_KEY_AUTH;
    case XS_P1_COMPLETE: return sa_ready(sa) ? ST_QM_IDLE : ST_CONF_XAUTH;
    case XS_I_AM1:
    case XS_R_AM2: return ST_AG_INIT_EXCH;
    default: return aggressive ? ST_AG_NO_STATE : ST_MM_NO_STATE;
    }
}

const char *sa_role(const struct ike_sa *sa)
{
    return sa->c.initiator ? "I" : "R";
}
