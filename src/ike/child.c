/*
 * child.c: pairs of IPsec SAs: made from what quick mode agreed (child_install -> ADD_SA), replaced
 * before their time is over, removed (DEL_SA, Delete notification). RFC 2409 5.5 (KEYMAT), RFC
 * 2407 4.4.
 *
 * Two ends may make pairs for one flow at the same time. Who removes which: the initiator of a pair
 * removes those that were complete before it began (a plain rekey); of pairs that crossed, the end
 * with the higher address removes the older ones. One end decides, so no crossing can remove both.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

/* ---- finding ---- */

struct child *child_by_number(struct ike *ike, u32 number)
{
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        if (number && c->number == number) {
            return c;
        }
    }
    return NULL;
}

struct child *child_by_spi(struct ike *ike, u32 spi, bool inbound, const struct addr *remote)
{
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        if ((inbound ? c->spi_in : c->spi_out) == spi &&
            (!remote || addr_equal(&c->remote.a, remote))) {
            return c;
        }
    }
    return NULL;
}

struct child *child_of_flow(struct ike *ike, u32 flow)
{
    struct child *best = NULL;
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        if (c->flow == flow && c->out_up && !c->closing && (!best || c->up_ms >= best->up_ms)) {
            best = c;
        }
    }
    return best;
}

unsigned child_count(struct ike *ike, u32 flow, const struct addr *remote)
{
    unsigned n = 0;
    LIST_FOR (it, &ike->children) {
        const struct child *c = CONTAINER_OF(it, struct child, link);
        n += (!flow || c->flow == flow) && (!remote || addr_equal(&c->remote.a, remote));
    }
    return n;
}

/* ---- installing ---- */

static void transform_name(struct ev_str *out, u8 encr, u8 auth)
{
    char t[64];
    snprintf(t, sizeof t, "%s %s", encr_row(encr)->shown, auth ? hash_row(auth)->ts : "");
    *out = ev_str(t);
}

static void install_one(struct ike *ike, const struct ike_sa *sa, const struct xch *x,
                        const struct child *c, bool in)
{
    u8 keymat[128];
    const struct encr_row *e = encr_row(c->encr);
    size_t elen = (size_t)e->key_len + e->salt_len, alen = c->auth ? hash_row(c->auth)->len : 0;
    struct dp_msg m;
    memset(&m, 0, sizeof m);
    m.type = DP_ADD_SA;
    struct dp_sa_value *v = &m.u.sa;
    v->flow = c->flow;
    v->spi = in ? c->spi_in : c->spi_out;
    v->conn_id = c->conn_in + (in ? 0 : 1);
    v->dir = in ? SA_IN : SA_OUT;
    v->proto = IPPROTO_ESP_;
    v->mode = c->mode;
    v->encr = c->encr;
    v->auth = c->auth;
    v->replay_window = x->c.replay_window;
    v->src = in ? c->remote.a : c->local.a;
    v->dst = in ? c->local.a : c->remote.a;
    v->sel = in ? selector_mirror(&c->sel) : c->sel;
    v->hard_kb = x->c.life_kb;
    /* room for what is under way while the next pair is negotiated */
    v->soft_kb =
        x->c.life_kb ? x->c.life_kb - MIN(x->c.life_kb / 4, MAX(256, x->c.life_kb / 16)) : 0;
    v->hard_s = x->c.life_s;
    v->soft_s = 0; /* the time is ours to watch */
    keys_keymat(keymat, elen + alen, &sa->c, &x->c, PROTO_ESP, v->spi);
    secret_set(&v->encr_key, keymat, elen);
    secret_set(&v->auth_key, keymat + elen, alen);
    struct evb_ipsec_create_sa ev = {.dest = v->dst, .spi = v->spi, .conn_id = v->conn_id};
    transform_name(&ev.transform, c->encr, c->auth);
    ev_ipsec_create_sa(ike->log, sa->c.conn_id, &sa->remote.a, &ev);
    dp_send(ike, &m);
    mem_wipe(keymat, sizeof keymat);
    mem_wipe(&m, sizeof m);
}

static struct child *child_new(struct ike *ike, struct ike_sa *sa, struct xch *x)
{
    struct child *c = xcalloc(1, sizeof *c);
    c->number = ++ike->next_number;
    c->flow = x->c.flow;
    c->spi_in = x->c.spi_in;
    c->spi_out = x->c.spi_out;
    c->conn_in = ike->next_child_conn;
    ike->next_child_conn += 2;
    c->encr = x->c.encr;
    c->auth = x->c.auth;
    c->mode = x->c.mode;
    c->initiator = x->c.initiator;
    c->sel = x->c.sel;
    c->local = sa->local;
    c->remote = sa->remote;
    c->isakmp_conn = sa->c.conn_id;
    c->started_ms = x->born_ms;
    x->child = c->number;
    list_push_back(&ike->children, &c->link);
    u32 refs = ++sa->peer->ipsec_refs;
    ev_ike_ke_msg(ike->log, sa->c.conn_id, &sa->remote.a, &(struct evb_ike_ke_msg){.a = 2, .b = 1});
    ev_ike_peer_lock(ike->log, sa->c.conn_id, &sa->remote.a,
                     &(struct evb_ike_peer_lock){.handle = peer_handle(sa->peer),
                                                 .what = ev_str("IPSEC"),
                                                 .refs = refs,
                                                 .who = ev_str("for stuff_ke")});
    ev_ike_creating(ike->log, sa->c.conn_id, &sa->remote.a,
                    &(struct evb_ike_creating){.local = sa->local.a,
                                               .remote = sa->remote.a,
                                               .lproxy = c->sel.src.a,
                                               .rproxy = c->sel.dst.a,
                                               .spi = c->spi_in,
                                               .seconds = x->c.life_s,
                                               .kilobytes = x->c.life_kb});
    return c;
}

/* supersede: a new pair is up; which of the others of its flow go, and when (see the head of the
 * file). */
static void supersede(struct ike *ike, struct child *c)
{
    bool decider = addr_cmp(&c->local.a, &c->remote.a) > 0;
    u64 now = env_now_ms(ike->clock);
    LIST_FOR (it, &ike->children) {
        struct child *o = CONTAINER_OF(it, struct child, link);
        if (o == c || o->flow != c->flow || !o->out_up || o->delete_ms) {
            continue;
        }
        if (c->initiator && o->up_ms <= c->started_ms) {
            o->closing = true;
            o->delete_ms = now + OLD_PAIR_GRACE_MS;
        } else if (decider) {
            o->closing = true;
            o->delete_ms = now + DUPLICATE_GRACE_MS;
        }
    }
}

/* session_status: the first pair with a peer has come up, or the last one has gone. */
static void session_status(struct ike *ike, const struct child *c, const char *state)
{
    char id[ADDR_STR];
    unsigned up = 0;
    LIST_FOR (it, &ike->children) {
        const struct child *o = CONTAINER_OF(it, struct child, link);
        up += o != c && o->out_up && addr_equal(&o->remote.a, &c->remote.a);
    }
    if (up == 0) {
        ev_session_status(ike->log, c->isakmp_conn, &c->remote.a,
                          &(struct evb_session_status){.state = ev_str(state),
                                                       .port = c->remote.port,
                                                       .id = ev_str(addr_str(id, &c->remote.a))});
    }
}

static void child_up(struct ike *ike, struct ike_sa *sa, struct child *c, const struct xch *x)
{
    u64 life = (u64)x->c.life_s * 1000, jitter = env_random_u32(ike->clock) % 5000;
    u64 before =
        c->initiator ? 30000 + jitter : 15000 + jitter; /* whoever made the pair renews it first */
    c->up_ms = env_now_ms(ike->clock);
    c->hard_ms = c->up_ms + life;
    c->soft_ms = c->hard_ms - MIN(before, life / 3);
    supersede(ike, c);
    todo_flow(ike, TODO_PAIR_UP, c->flow);
    ev_ike_session_up(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_session_up){.flow = c->flow});
    session_status(ike, c, "UP  ");
}

void child_install(struct ike *ike, struct ike_sa *sa, struct xch *x, bool in, bool out)
{
    struct child *c = x->child ? child_by_number(ike, x->child) : child_new(ike, sa, x);
    if (!c) {
        return; /* removed while the third message was under way */
    }
    if (in) {
        c->in_up = true;
        install_one(ike, sa, x, c, true);
    }
    if (out) {
        c->out_up = true;
        install_one(ike, sa, x, c, false);
        child_up(ike, sa, c, x);
    }
}

/* ---- removing ---- */

static void uninstall(struct ike *ike, const struct child *c, bool in)
{
    struct dp_msg m;
    memset(&m, 0, sizeof m);
    m.type = DP_DEL_SA;
    m.u.del = (struct dp_del_value){.spi = in ? c->spi_in : c->spi_out,
                                    .proto = IPPROTO_ESP_,
                                    .dir = in ? SA_IN : SA_OUT,
                                    .dst = in ? c->local.a : c->remote.a};
    struct evb_ipsec_delete_sa ev = {
        .dest = m.u.del.dst, .spi = m.u.del.spi, .conn_id = c->conn_in + (in ? 0 : 1)};
    transform_name(&ev.transform, c->encr, c->auth);
    ev_ipsec_delete_sa(ike->log, c->isakmp_conn, &c->remote.a, &ev);
    dp_send(ike, &m);
}

void child_delete(struct ike *ike, struct child *c, bool tell)
{
    if (tell) {
        struct todo *t = todo_push(ike, TODO_DELETE_SPI);
        t->spi = c->spi_in;
        t->local = c->local.a;
        t->remote = c->remote.a;
    }
    if (c->out_up) { /* first what sends, so nothing leaves that cannot be answered */
        session_status(ike, c, "DOWN");
        uninstall(ike, c, false);
    }
    if (c->in_up) {
        uninstall(ike, c, true);
        spi_bury(ike, c->spi_in, &c->remote.a);
    }
    struct ike_peer *p = peer_find(ike, &c->remote.a);
    if (p && p->ipsec_refs) {
        p->ipsec_refs--;
    }
    todo_flow(ike, TODO_PAIR_LOST, c->flow);
    list_remove(&c->link);
    mem_wipe(c, sizeof *c);
    free(c);
}

void child_delete_peer(struct ike *ike, const struct addr *remote, bool tell, u64 before_ms)
{
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        if (addr_equal(&c->remote.a, remote) && c->started_ms <= before_ms) {
            child_delete(ike, c, tell);
        }
    }
}

/* ---- time ---- */

/* renew: the pair is near its end. Asked again every 15 s until a newer pair is up or the end
 * comes. */
static void renew(struct ike *ike, struct child *c, u64 now)
{
    struct child *newest = child_of_flow(ike, c->flow);
    c->soft_ms = now + 15000;
    if (newest == c) {
        todo_want(ike, c->flow, true);
    }
}

void child_shorten(struct ike *ike, struct child *c, u32 life_s)
{
    u64 hard = c->up_ms + (u64)life_s * 1000;
    (void)ike;
    if (hard < c->hard_ms) {
        c->hard_ms = hard;
        c->soft_ms = hard - MIN(30000u, (u64)life_s * 1000 / 3);
    }
}

void child_tick(struct ike *ike, u64 now)
{
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        if ((c->delete_ms && now >= c->delete_ms) || (c->hard_ms && now >= c->hard_ms)) {
            child_delete(ike, c, true);
        } else if (c->soft_ms && now >= c->soft_ms && !c->closing) {
            renew(ike, c, now);
        }
    }
}

u64 child_next_ms(const struct ike *ike)
{
    u64 next = UINT64_MAX;
    LIST_FOR (it, &ike->children) {
        const struct child *c = CONTAINER_OF(it, struct child, link);
        u64 t[] = {c->delete_ms, c->hard_ms, c->closing ? 0 : c->soft_ms};
        for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
            next = t[i] && t[i] < next ? t[i] : next;
        }
    }
    return next;
}

void child_expire(struct ike *ike, const struct dp_expire_value *e)
{
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        if ((e->dir == SA_IN ? c->spi_in : c->spi_out) != e->spi || c->flow != e->flow) {
            continue;
        }
        if (e->hard) {
            child_delete(ike, c, true);
        } else if (!c->closing) {
            renew(ike, c, env_now_ms(ike->clock));
        }
        return;
    }
}
