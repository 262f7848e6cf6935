/*
 * child.c: pairs of IPsec SAs: made from what quick mode agreed (child_install -> ADD_SA), replaced
 * before their time is over, removed (DEL_SA, Delete notification). RFC 2409 5.5 (KEYMAT), RFC 2407
 * 4.4.
 *
 * Two ends may make pairs for one flow at the same time. Who removes which: the initiator of a pair
 * removes those that were complete before it began (a plain rekey); of pairs that crossed, the end
 * that their SPIs name (decides) removes the older ones. One end decides, so no crossing can remove
 * both. An initiator who leaves the old pair to its lifetime (strongSwan, as it is delivered) is
 * given LEFT_PAIR_MS; and no pair goes while none stands in its place.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

/* ---- finding ---- */

struct child *child_by_number(const struct ike *ike, u32 number)
{
    return number ? map_get(&ike->child_number, number) : NULL;
}

/* out_key: of child_out. The SPI is the far end's choice, and behind one NAT address there may be several. */
static u64 out_key(const struct ike *ike, const struct addr *remote, u32 spi, u16 udp_port)
{
    u8 b[23] = {remote->family};
    memcpy(b + 1, remote->b, 16);
    put32(b + 17, spi);
    put16(b + 21, udp_port);
    return keyed_hash(ike->seed, b, sizeof b);
}

static u16 port_of(const struct child *c)
{
    return c->udp ? c->remote.port : 0;
}

struct child *child_by_spi(const struct ike *ike, u32 spi, bool inbound, const struct addr *remote, u16 udp_port)
{
    struct child *c = inbound  ? map_get(&ike->child_in, spi)
                      : remote ? map_get(&ike->child_out, out_key(ike, remote, spi, udp_port))
                               : NULL;
    return c &&
                   (inbound ? c->spi_in == spi || c->ah_in == spi
                            : (c->spi_out == spi || c->ah_out == spi) && port_of(c) == udp_port) &&
                   (!remote || addr_equal(&c->remote.a, remote))
               ? c
               : NULL;
}

struct child *child_of_flow(const struct ike *ike, u32 flow)
{
    const struct flow *f = flow_find(ike, flow);
    struct child *best = NULL;
    for (struct list *it = f ? f->children.next : NULL; f && it != &f->children; it = it->next) {
        struct child *c = CONTAINER_OF(it, struct child, flow_link);
        if (c->up_ms && !c->closing && (!best || c->up_ms >= best->up_ms)) {
            best = c;
        }
    }
    return best;
}

struct child *child_on(const struct ike *ike, u32 flow, u8 dir, u32 spi, const struct addr *dst)
{
    const struct flow *f = flow_find(ike, flow);
    struct child *found = NULL;
    for (struct list *it = f ? f->children.next : NULL; f && it != &f->children; it = it->next) {
        struct child *c = CONTAINER_OF(it, struct child, flow_link);
        bool is = dir == SA_IN
                      ? (c->spi_in == spi || c->ah_in == spi) && addr_equal(&c->local.a, dst)
                      : (c->spi_out == spi || c->ah_out == spi) && addr_equal(&c->remote.a, dst);
        found = is ? c : found;
    }
    return found;
}

static void child_arm(struct ike *ike, struct child *c)
{
    timer_set(ike, &c->timer,
              timer_sooner(timer_sooner(c->delete_ms, c->hard_ms), c->closing ? 0 : c->soft_ms));
}

static void child_link(struct ike *ike, struct child *c, struct ike_peer *p)
{
    c->timer.kind = TIMER_CHILD;
    c->peer = p;
    c->of = flow_find(ike, c->flow);
    list_push_back(&ike->children, &c->link);
    list_push_back(&p->children, &c->peer_link);
    list_init(&c->flow_link);
    if (c->of) {
        list_push_back(&c->of->children, &c->flow_link);
        c->of->num_children++;
    }
    p->num_children++;
    map_put(&ike->child_number, c->number, c);
    map_put(&ike->child_in, c->spi_in, c);
    map_put(&ike->child_out, out_key(ike, &c->remote.a, c->spi_out, port_of(c)), c);
    if (c->ah_in) {
        map_put(&ike->child_in, c->ah_in, c);
        map_put(&ike->child_out, out_key(ike, &c->remote.a, c->ah_out, port_of(c)), c);
    }
}

/* forget_out: a peer may name one SPI twice. */
static void forget_out(struct ike *ike, const struct child *c, u32 spi)
{
    u64 out = out_key(ike, &c->remote.a, spi, port_of(c));
    if (map_get(&ike->child_out, out) == c) {
        map_del(&ike->child_out, out);
    }
}

static void child_unlink(struct ike *ike, struct child *c)
{
    timer_set(ike, &c->timer, 0);
    list_remove(&c->link);
    list_remove(&c->peer_link);
    if (!list_empty(&c->flow_link)) {
        list_remove(&c->flow_link);
        c->of->num_children--;
    }
    c->peer->num_children--;
    map_del(&ike->child_number, c->number);
    map_del(&ike->child_in, c->spi_in);
    forget_out(ike, c, c->spi_out);
    if (c->ah_in) {
        map_del(&ike->child_in, c->ah_in);
        forget_out(ike, c, c->ah_out);
    }
}

void child_bury(struct ike *ike, const struct child *c)
{
    spi_bury(ike, c->spi_in, &c->remote.a);
    if (c->ah_in) {
        spi_bury(ike, c->ah_in, &c->remote.a);
    }
}

/* ---- installing ---- */

/* The SAs of one pair and direction: ESP or AH as the only one, or AH around ESP. Outermost first. */
struct one {
    u8 proto; /* 50, 51 */
    u8 encr, auth;
    bool around; /* AH around ESP */
};
static unsigned parts(struct one out[2], const struct child *c)
{
    unsigned n = 0;
    if (c->ah) {
        out[n++] = (struct one){IPPROTO_AH_, ENCR_NONE, c->ah, c->encr != ENCR_NONE};
    }
    if (c->encr) {
        out[n++] = (struct one){IPPROTO_ESP_, c->encr, c->auth, false};
    }
    return n;
}

static u32 spi_of(const struct child *c, const struct one *p, bool in)
{
    return p->around ? (in ? c->ah_in : c->ah_out) : in ? c->spi_in : c->spi_out;
}

static u32 conn_of(const struct child *c, const struct one *p, bool in)
{
    return c->conn_in + (in ? 0 : 1) + (p->around ? 2 : 0);
}

static void transform_name(struct ev_str *out, const struct one *p)
{
    char t[64];
    if (p->proto == IPPROTO_AH_) {
        snprintf(t, sizeof t, "%s ", hash_row(p->auth)->ah);
    } else {
        snprintf(t, sizeof t, "%s %s", encr_row(p->encr)->shown,
                 p->auth ? hash_row(p->auth)->ts : "");
    }
    *out = ev_str(t);
}

/* make_add: ADD_SA of one SA of one half. */
static void make_add(const struct ike_sa *sa, const struct xch *x, const struct child *c,
                     const struct one *p, bool in, struct dp_msg *m)
{
    u8 keymat[128];
    const struct encr_row *e = encr_row(p->encr);
    size_t elen = (size_t)e->key_len + e->salt_len, alen = p->auth ? hash_row(p->auth)->len : 0;
    memset(m, 0, sizeof *m);
    m->type = DP_ADD_SA;
    struct dp_sa_value *v = &m->u.sa;
    v->flow = c->flow;
    v->spi = spi_of(c, p, in);
    v->conn_id = conn_of(c, p, in);
    v->dir = in ? SA_IN : SA_OUT;
    v->proto = p->proto;
    v->mode = p->around ? MODE_TRANSPORT : c->mode; /* ESP has the outer header in front already */
    v->encr = p->encr;
    v->auth = p->auth;
    v->replay_window = x->c.replay_window;
    v->esn = c->esn;
    v->src = in ? c->remote.a : c->local.a;
    v->dst = in ? c->local.a : c->remote.a;
    if (c->udp) { /* RFC 3948 */
        v->encap_src = in ? c->remote : c->local;
        v->encap_dst = in ? c->local : c->remote;
    }
    v->sel = in ? selector_mirror(&c->sel) : c->sel;
    v->hard_s = x->c.life_s; /* before that the time is ours to watch */
    if (p->around) {
        v->inside = IPPROTO_ESP_;
    } else {
        v->comp = c->comp;
        v->cpi = !c->comp ? 0 : in ? c->cpi_in : c->cpi_out;
        v->hard_kb = x->c.life_kb;
        /* room for what is under way while the next pair is negotiated */
        v->soft_kb = x->c.life_kb - x->c.life_kb / 4;
        v->with_spi = in ? c->ah_in : c->ah_out;
        v->with_proto = c->ah_in ? IPPROTO_AH_ : 0;
    }
    keys_keymat(keymat, elen + alen, &sa->c, x->talk, p->proto == IPPROTO_AH_ ? PROTO_AH : PROTO_ESP,
                v->spi);
    secret_set(&v->encr_key, keymat, elen);
    secret_set(&v->auth_key, keymat + elen, alen);
    mem_wipe(keymat, sizeof keymat);
}

/* give: to the data plane; when that cannot be, the queue hears of it. */
static void give(struct ike *ike, const struct child *c, const struct one *p, const struct dp_msg *m)
{
    const struct dp_sa_value *v = &m->u.sa;
    struct evb_ipsec_create_sa ev = {
        .dest = v->dst, .proto = v->proto, .spi = v->spi, .conn_id = v->conn_id};
    transform_name(&ev.transform, p);
    ev_ipsec_create_sa(ike->log, c->isakmp_conn, &c->remote.a, &ev);
    if (!dp_send(ike, m)) {
        struct todo *t = todo_push(ike, TODO_PAIR_REFUSED);
        t->child = c->number;
        t->type = v->dir;
    }
}

static struct child *child_new(struct ike *ike, struct ike_sa *sa, struct xch *x)
{
    struct child *c = xcalloc(1, sizeof *c);
    c->number = ++ike->next_number;
    c->flow = x->c.flow;
    c->spi_in = x->c.spi_in;
    c->spi_out = x->c.spi_out;
    c->conn_in = ike->next_child_conn;
    c->ah_in = x->c.ah_in;
    c->ah_out = x->c.ah_out;
    ike->next_child_conn += c->ah_in ? 4 : 2;
    c->encr = x->c.encr;
    c->auth = x->c.auth;
    c->ah = x->c.ah;
    c->comp = x->c.comp;
    c->cpi_in = x->c.cpi_in;
    c->cpi_out = x->c.cpi_out;
    c->esn = x->c.esn;
    c->mode = x->c.mode;
    c->initiator = x->c.initiator;
    c->sel = x->c.sel;
    c->local = sa->local;
    c->remote = sa->remote;
    c->udp = natt_udp(&sa->c);
    c->who = sa_who(ike, sa);
    c->isakmp_conn = sa->c.conn_id;
    c->started_ms = x->born_ms;
    x->child = c->number;
    child_link(ike, c, sa->peer);
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

/* decides: of two pairs that crossed, is it us who removes one? Both ends see the same SPIs, ours
 * and theirs changed over, so exactly one of them says yes, whatever addresses stand between. */
static bool decides(const struct child *a, const struct child *b)
{
    return (a->spi_in ^ b->spi_in) > (a->spi_out ^ b->spi_out);
}

/* supersede: a new pair is up; which of the others of its flow go, and when (see the head of the
 * file). */
static void supersede(struct ike *ike, struct child *c)
{
    u64 now = env_now_ms(ike->clock);
    for (struct list *it = c->of ? c->of->children.next : NULL; c->of && it != &c->of->children;
         it = it->next) {
        struct child *o = CONTAINER_OF(it, struct child, flow_link);
        if (o == c || !o->up_ms || o->delete_ms) {
            continue;
        }
        bool plain = o->up_ms <= c->started_ms, ours = decides(c, o);
        if (plain || ours) {
            o->closing = true;
            o->delete_ms = now + (plain && c->initiator ? OLD_PAIR_GRACE_MS : ours ? DUPLICATE_GRACE_MS : LEFT_PAIR_MS);
            child_arm(ike, o);
        }
    }
}

/* session_status: the first pair with a peer has come up, or the last one has gone. */
static void session_status(struct ike *ike, const struct child *c, const char *state)
{
    char id[ADDR_STR];
    ev_session_status(ike->log, c->isakmp_conn, &c->remote.a,
                      &(struct evb_session_status){.state = ev_str(state),
                                                   .port = c->remote.port,
                                                   .id = ev_str(addr_str(id, &c->remote.a))});
}

static void child_up(struct ike *ike, struct ike_sa *sa, struct child *c, const struct xch *x)
{
    u64 life = (u64)x->c.life_s * 1000, jitter = env_random_u32(ike->clock) % REKEY_JITTER_MS;
    /* whoever made the pair renews it first; either has the time to find out that the ISAKMP SA is
     * dead, and to make another */
    u64 before = retrans_budget_ms(ike) + (c->initiator ? 30000 : 10000) + jitter;
    c->up_ms = env_now_ms(ike->clock);
    c->hard_ms = c->up_ms + life;
    c->soft_ms = c->hard_ms - MIN(before, life / 3);
    child_arm(ike, c);
    supersede(ike, c);
    todo_flow(ike, TODO_PAIR_UP, c->flow);
    ev_ike_session_up(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_session_up){.flow = c->flow});
    if (c->peer->num_up++ == 0) {
        session_status(ike, c, "UP  ");
    }
}

/* replaces: another pair of the flow is up and can carry what is sent a moment longer. */
static const struct child *replaces(const struct child *c)
{
    for (struct list *it = c->of ? c->of->children.next : NULL; c->of && it != &c->of->children;
         it = it->next) {
        const struct child *o = CONTAINER_OF(it, struct child, flow_link);
        if (o != c && o->out_up) {
            return o;
        }
    }
    return NULL;
}

static void install_out(struct ike *ike, struct ike_sa *sa, struct xch *x, struct child *c)
{
    struct dp_msg m;
    struct one p[2];
    unsigned num = parts(p, c);
    bool waits = c->initiator && replaces(c);
    c->out_up = true;
    for (unsigned i = 0; i < num; i++) {
        make_add(sa, x, c, &p[i], false, &m);
        if (waits && !p[i].around) {
            /* the peer takes its inbound half in when our third message has arrived and been worked
             * on: what we send under it before that is lost, so the old pair sends on until the
             * peer does on the new one */
            m.u.sa.confirm_spi = c->spi_in;
            m.u.sa.confirm_ms = OUT_CONFIRM_MS;
        }
        give(ike, c, &p[i], &m);
    }
    mem_wipe(&m, sizeof m);
}

void child_install(struct ike *ike, struct ike_sa *sa, struct xch *x, bool in, bool out)
{
    struct child *c = x->child ? child_by_number(ike, x->child) : child_new(ike, sa, x);
    struct dp_msg m;
    if (!c) {
        return; /* removed while the third message was under way */
    }
    if (in) {
        struct one p[2];
        unsigned num = parts(p, c);
        c->in_up = true;
        for (unsigned i = 0; i < num; i++) {
            make_add(sa, x, c, &p[i], true, &m);
            give(ike, c, &p[i], &m);
        }
        mem_wipe(&m, sizeof m);
    }
    if (out) {
        install_out(ike, sa, x, c);
        child_up(ike, sa, c, x);
    }
}

/* ---- moving ---- */

void child_moved(struct ike *ike, struct child *c, const struct endpoint *local, const struct endpoint *remote,
                 struct ike_peer *p)
{
    struct dp_msg m;
    memset(&m, 0, sizeof m);
    m.type = DP_MOVE_SA;
    m.u.moved = (struct dp_moved_value){
        .flow = c->flow, .spi = c->spi_out, .dst = c->remote.a, .to = *remote};
    forget_out(ike, c, c->spi_out);
    c->local = *local;
    c->remote = *remote;
    map_put(&ike->child_out, out_key(ike, &c->remote.a, c->spi_out, port_of(c)), c);
    if (p != c->peer) {
        struct ike_peer *was = c->peer;
        list_remove(&c->peer_link);
        list_push_back(&p->children, &c->peer_link);
        was->num_children--, p->num_children++;
        was->num_up -= c->up_ms != 0, p->num_up += c->up_ms != 0;
        was->ipsec_refs -= was->ipsec_refs != 0, p->ipsec_refs++;
        c->peer = p;
        peer_settle(ike, was);
    }
    if (c->out_up) {
        (void)dp_send(ike, &m); /* lost: the next packet from there tells of it again */
    }
}

/* ---- removing ---- */

/* uninstall: what other SAs carry first, so that nothing goes out half protected. */
static void uninstall(struct ike *ike, const struct child *c, bool in)
{
    struct dp_msg m;
    struct one p[2];
    for (unsigned i = parts(p, c); i-- > 0;) {
        memset(&m, 0, sizeof m);
        m.type = DP_DEL_SA;
        m.u.del = (struct dp_del_value){.flow = c->flow,
                                    .spi = spi_of(c, &p[i], in),
                                        .proto = p[i].proto,
                                        .dir = in ? SA_IN : SA_OUT,
                                        .linger_ms = in && c->heard_gone ? IN_GRACE_MS : 0,
                                        .dst = in ? c->local.a : c->remote.a};
        struct evb_ipsec_delete_sa ev = {.dest = m.u.del.dst,
                                         .proto = p[i].proto,
                                         .spi = m.u.del.spi,
                                         .conn_id = conn_of(c, &p[i], in)};
        transform_name(&ev.transform, &p[i]);
        ev_ipsec_delete_sa(ike->log, c->isakmp_conn, &c->remote.a, &ev);
        dp_send(ike, &m);
    }
}

static void say_delete(struct ike *ike, struct child *c)
{
    u32 spi[] = {c->spi_in, c->ah_in};
    for (unsigned i = 0; i < 2 && spi[i]; i++) { /* RFC 2408 3.15: a payload for each protocol */
        struct todo *t = todo_push(ike, TODO_DELETE_SPI);
        t->spi = spi[i];
        t->type = i ? PROTO_AH : child_proto(c);
        t->local = c->local.a;
        t->remote = c->remote.a;
        t->who = c->udp ? c->who : 0;
    }
    c->said = true;
}

/* child_retire: nothing is sent on it any more and Delete is said; what the peer sent before it heard
 * that is still taken in for a while. Closing: it keeps no packet from asking for a new pair. */
static void child_retire(struct ike *ike, struct child *c, u64 now)
{
    if (c->out_up) {
        uninstall(ike, c, false);
        c->out_up = false;
    }
    say_delete(ike, c);
    c->closing = true;
    c->delete_ms = now + IN_GRACE_MS;
    child_arm(ike, c);
}

void child_delete(struct ike *ike, struct child *c, bool tell)
{
    if (tell && !c->said) {
        say_delete(ike, c);
    }
    if (c->out_up) { /* first what sends, so nothing leaves that cannot be answered */
        uninstall(ike, c, false);
    }
    if (c->up_ms && --c->peer->num_up == 0) {
        session_status(ike, c, "DOWN");
    }
    if (c->in_up) {
        uninstall(ike, c, true);
        child_bury(ike, c);
    }
    if (c->peer->ipsec_refs) {
        c->peer->ipsec_refs--;
    }
    struct ike_peer *p = c->peer;
    if (c->of && c->up_ms) {
        c->of->who = c->heard_gone && !tell ? 0 : c->who; /* it said Delete */
        c->of->at = c->remote.a;
        c->of->stay_ms = env_now_ms(ike->clock) + CLIENT_STAY_MS;
    }
    todo_flow(ike, TODO_PAIR_LOST, c->flow);
    child_unlink(ike, c);
    mem_wipe(c, sizeof *c);
    free(c);
    peer_settle(ike, p);
}

void child_not_taken(struct child *c, u8 dir)
{
    *(dir == SA_IN ? &c->in_up : &c->out_up) = false;
}

void child_lost_dp(struct child *c)
{
    c->in_up = c->out_up = false;
}

/* ---- time ---- */

/* renew: the pair is near its end. Asked again every 15 s until a newer pair is up or the end
 * comes. */
static void renew(struct ike *ike, struct child *c, u64 now)
{
    c->soft_ms = now + 15000;
    if (child_of_flow(ike, c->flow) == c) {
        todo_want(ike, c->flow, true);
    }
}

void child_shorten(struct ike *ike, struct child *c, u32 life_s)
{
    u64 life = (u64)MAX(life_s, (u32)P2_LIFE_MIN_S) * 1000, hard = c->up_ms + life;
    if (c->up_ms && hard < c->hard_ms) {
        c->hard_ms = hard;
        c->soft_ms = hard - MIN(retrans_budget_ms(ike) + 30000, life / 3);
        child_arm(ike, c);
    }
}

/* replaced: a pair of the flow stands in its place. */
static bool replaced(const struct child *c)
{
    for (const struct list *it = c->of ? c->of->children.next : NULL; c->of && it != &c->of->children; it = it->next) {
        const struct child *o = CONTAINER_OF(it, struct child, flow_link);
        if (o != c && o->up_ms && !o->closing) {
            return true;
        }
    }
    return false;
}

void child_due(struct ike *ike, struct child *c, u64 now)
{
    if (c->delete_ms && now >= c->delete_ms && !c->said && !replaced(c)) {
        c->closing = false; /* what was to take its place has gone */
        c->delete_ms = 0;
    }
    if (c->delete_ms && now >= c->delete_ms && !c->said && now < c->hard_ms) {
        child_retire(ike, c, now);
        return;
    }
    if ((c->delete_ms && now >= c->delete_ms) || (c->hard_ms && now >= c->hard_ms)) {
        child_delete(ike, c, true);
        return;
    }
    if (c->soft_ms && now >= c->soft_ms && !c->closing) {
        renew(ike, c, now);
    }
    child_arm(ike, c);
}

void child_expire(struct ike *ike, const struct dp_expire_value *e)
{
    struct child *c = child_on(ike, e->flow, e->dir, e->spi, &e->dst);
    if (!c) {
        return;
    }
    if (e->hard && c->said) {
        return; /* the other half: Delete is said, and what is under way is waited for, once */
    }
    if (e->hard) { /* one half has ended: what is under way in the other one still arrives */
        child_retire(ike, c, env_now_ms(ike->clock));
    } else if (!c->closing) {
        renew(ike, c, env_now_ms(ike->clock));
        child_arm(ike, c);
    }
}
