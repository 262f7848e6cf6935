/*
 * sa_table.c: the ISAKMP SAs, their exchanges (nodes) and the far ends, found by cookie, address
 * and number. Owns the memory; writes no protocol state (that is engine_commit's), but deletion,
 * which ends it. On the walk: isakmp_hdr_read -> sa_find -> retrans_check.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

/* ---- far ends ---- */

u32 peer_handle(const struct ike_peer *p)
{
    return 0x64000000u + p->number * 0x100u +
           0x0cu; /* stands for the address a router would print */
}

u32 sa_handle(const struct ike_sa *sa)
{
    return 0x65000000u + sa->number * 0x100u + 0x94u;
}

struct ike_peer *peer_find(struct ike *ike, const struct addr *remote)
{
    LIST_FOR (it, &ike->peers) {
        struct ike_peer *p = CONTAINER_OF(it, struct ike_peer, link);
        if (addr_equal(&p->remote.a, remote)) {
            return p;
        }
    }
    return NULL;
}

struct ike_peer *peer_get(struct ike *ike, const struct endpoint *local,
                          const struct endpoint *remote)
{
    struct ike_peer *p = peer_find(ike, &remote->a);
    if (p) {
        return p;
    }
    p = xcalloc(1, sizeof *p);
    p->local = *local;
    p->remote = *remote;
    p->number = ++ike->next_number;
    list_push_back(&ike->peers, &p->link);
    ev_ike_peer_created(ike->log, 0, &remote->a,
                        &(struct evb_ike_peer_created){.port = remote->port,
                                                       .handle = peer_handle(p),
                                                       .number = 0x80000000u + p->number});
    return p;
}

/* peer_release: a far end we never talked to successfully is forgotten with its last SA. */
static void peer_release(struct ike *ike, struct ike_peer *p)
{
    if (p && --p->ike_refs == 0 && !p->contacted) {
        ev_ike_peer_gone(ike->log, 0, &p->remote.a,
                         &(struct evb_ike_peer_gone){.handle = peer_handle(p)});
        list_remove(&p->link);
        free(p);
    }
}

/* ---- exchanges ---- */

struct xch *xch_new(struct ike *ike, u8 exchange, u32 msgid, bool initiator)
{
    struct xch *x = xcalloc(1, sizeof *x);
    list_init(&x->link);
    x->born_ms = env_now_ms(ike->clock);
    x->c.exchange = exchange;
    x->c.msgid = msgid;
    x->c.initiator = initiator;
    x->c.state = exchange == XCH_QUICK ? XS_QM_READY : XS_INFO;
    return x;
}

struct xch *xch_find(const struct ike_sa *sa, u32 msgid)
{
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (x->c.msgid == msgid) {
            return x;
        }
    }
    return NULL;
}

void xch_wipe(struct xch *x)
{
    mem_wipe(&x->c.gxy, sizeof x->c.gxy);
    dh_free(x->dh);
    x->dh = NULL;
}

void xch_free(struct xch *x)
{
    xch_wipe(x);
    mem_wipe(&x->c, sizeof x->c);
    retrans_free(&x->rt);
    free(x);
}

bool msgid_seen(const struct ike_sa *sa, u32 msgid)
{
    for (unsigned i = 0; i < MIN(sa->num_msgid, (unsigned)SEEN_MSGIDS); i++) {
        if (sa->seen_msgid[i] == msgid) {
            return true;
        }
    }
    return false;
}

void msgid_remember(struct ike_sa *sa, u32 msgid)
{
    sa->seen_msgid[sa->num_msgid++ % SEEN_MSGIDS] = msgid;
    if (sa->num_msgid >= 2 * SEEN_MSGIDS) {
        sa->num_msgid -= SEEN_MSGIDS; /* stays "full" and keeps its place in the ring */
    }
}

u32 msgid_new(struct ike *ike, const struct ike_sa *sa)
{
    u32 id;
    do {
        id = env_random_u32(ike->clock);
    } while (msgid_seen(sa, id));
    return id;
}

/* ---- SAs ---- */

struct ike_sa *sa_new(struct ike *ike, const struct endpoint *local, const struct endpoint *remote)
{
    struct ike_sa *sa = xcalloc(1, sizeof *sa);
    list_init(&sa->link);
    list_init(&sa->nodes);
    list_init(&sa->main.link);
    sa->number = ++ike->next_number;
    sa->local = *local;
    sa->remote = *remote;
    sa->born_ms = sa->main.born_ms = env_now_ms(ike->clock);
    sa->main.c.exchange = XCH_MAIN;
    sa->main.c.state = XS_READY;
    return sa;
}

bool sa_half_open(const struct ike_sa *sa)
{
    return !sa->c.authenticated && !sa->deleted;
}

void sa_link(struct ike *ike, struct ike_sa *sa)
{
    sa->listed = true;
    list_push_back(&ike->sas, &sa->link);
    if (sa_half_open(sa)) {
        ike->num_half_open++;
    }
}

void sa_drop_secrets(struct ike_sa *sa)
{
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        list_remove(&x->link);
        xch_free(x);
    }
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
    if (sa->listed && sa_half_open(sa)) {
        ike->num_half_open--;
    }
    list_remove(&sa->link);
    sa_drop_secrets(sa);
    peer_release(ike, sa->peer);
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
    if (sa_half_open(sa)) {
        ike->num_half_open--;
    }
    sa->deleted = true;
    sa->gone_ms = env_now_ms(ike->clock) + DELETED_LINGER_MS;
    if (!sa->fail[0]) {
        str_copy(sa->fail, sizeof sa->fail, reason);
    }
    struct todo *t = todo_push(ike, TODO_SA_ENDED);
    t->sa = sa->number;
    t->flag = tell;
}

void sa_send(struct ike *ike, const struct ike_sa *sa, const u8 *data, size_t len)
{
    ike->env.send(ike->env.ctx, &sa->local, &sa->remote, data, len);
}

/* sa_find: by both cookies; by the initiator's alone while the responder's is still to be learnt
 * (message 2), or while the initiator repeats message 1. The address must fit: nobody else may
 * speak for an SA. */
struct ike_sa *sa_find(struct ike *ike, const struct isakmp_hdr *hdr, const struct endpoint *from)
{
    static const u8 zero[8];
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (memcmp(sa->c.cookie_i, hdr->cookie_i, 8) != 0 || !endpoint_equal(&sa->remote, from)) {
            continue;
        }
        bool both = memcmp(sa->c.cookie_r, hdr->cookie_r, 8) == 0;
        bool second =
            sa->c.initiator && sa->main.c.state == XS_I_MM1; /* cookie_r is about to be learnt */
        bool first = !sa->c.initiator && memcmp(hdr->cookie_r, zero, 8) == 0;
        if (both || second || first) {
            return sa;
        }
    }
    return NULL;
}

struct ike_sa *sa_by_number(struct ike *ike, u32 number)
{
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (sa->number == number) {
            return sa;
        }
    }
    return NULL;
}

/* sa_serves: a flow with that local address (AF_NONE: any) may use the SA, or wait for it. */
bool sa_serves(const struct ike_sa *sa, const struct addr *local, const struct addr *remote)
{
    return addr_equal(&sa->remote.a, remote) &&
           (!local || local->family == AF_NONE || addr_equal(&sa->local.a, local));
}

/* newest: ended: one that is deleted will do while it has its keys. */
static struct ike_sa *newest(struct ike *ike, const struct addr *local, const struct addr *remote,
                             bool ended)
{
    struct ike_sa *best = NULL;
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if ((ended ? sa->c.key.len != 0 : !sa->deleted) && sa->c.authenticated &&
            sa_serves(sa, local, remote) &&
            (!best || (best->deleted && !sa->deleted) ||
             (sa->deleted == best->deleted &&
              sa->c.authenticated_ms >= best->c.authenticated_ms))) {
            best = sa;
        }
    }
    return best;
}

struct ike_sa *sa_usable(struct ike *ike, const struct addr *local, const struct addr *remote)
{
    return newest(ike, local, remote, false);
}

struct ike_sa *sa_speaking(struct ike *ike, const struct addr *local, const struct addr *remote)
{
    return newest(ike, local, remote, true);
}

struct ike_sa *sa_negotiating(struct ike *ike, const struct addr *local, const struct addr *remote)
{
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (sa_half_open(sa) && sa->c.initiator && sa_serves(sa, local, remote)) {
            return sa;
        }
    }
    return NULL;
}

/* ---- how it is shown ---- */

const char *ike_show_state_name(enum ike_show_state s)
{
    static const char *const names[ST_NUM] = {"MM_NO_STATE", "MM_SA_SETUP", "MM_KEY_EXCH",
                                              "MM_KEY_AUTH", "QM_IDLE"};
    return s < ST_NUM ? names[s] : "?";
}

enum ike_show_state sa_show_state(const struct ike_sa *sa)
{
    if (sa->deleted) {
        return ST_MM_NO_STATE;
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
    case XS_P1_COMPLETE: return ST_QM_IDLE;
    default: return ST_MM_NO_STATE;
    }
}

const char *sa_role(const struct ike_sa *sa)
{
    return sa->c.initiator ? "I" : "R";
}
