/*
 * session.c: what follows. The files below push consequences (todo.c); session_settle does them,
 * one after the other, at the end of each entry point of ike.c, and again for what those bring.
 * Also the clock of ISAKMP SAs and their exchanges. The only place that knows both SAs and flows.
 *
 * On the walk: ike_input -> engine_run -> ... -> [session_settle].
 */
#include "ike/auth.h"
#include "ike/client.h"
#include "ike/unproved.h"

static struct ike_sa *live(struct ike *ike, u32 number)
{
    struct ike_sa *sa = sa_by_number(ike, number);
    return sa && !sa->deleted ? sa : NULL;
}

/* ---- phase 1 ---- */

/* push: a client of a group is told its address, and what else the group has, without having asked. One that there is none for goes. */
static void push(struct ike *ike, struct ike_sa *sa)
{
    char why[128];
    const struct conf_group *g = sa->c.initiator ? NULL : group_of(ike, sa, true);
    if (g && !cfg_start(ike, sa, PUSH_CONFIG)) {
        snprintf(why, sizeof why, "group %s has no pool, or every address of it is in use", g->v.name);
        report(ike, sa, &sa->remote.a, XCH_TRANSACTION, WHY_NO_ADDRESS, why);
        str_copy(sa->fail, sizeof sa->fail, why);
        sa_delete(ike, sa, "no address for its client", true);
    }
}

/* ready: it stands from now on; whoever waited for it goes on. */
static void ready(struct ike *ike, struct ike_sa *sa)
{
    u64 life = (u64)sa->c.life_s * 1000, jitter = env_random_u32(ike->clock) % REKEY_JITTER_MS;
    /* both ends would start a new main mode: the initiator is meant to be first; either has the
     * time to try as long as a main mode may take */
    u64 early = retrans_budget_ms(ike) + (sa->c.initiator ? 50000 : 20000) + jitter;
    sa->expire_ms = sa->c.authed_ms + life;
    sa->rekey_ms = sa->expire_ms - MIN(early, life / 3);
    sa_arm(ike, sa);
    sa->peer->contacted = true;
    live_arm(ike, sa);
    push(ike, sa);
    if (!sa->deleted) {
        flow_p1_up(ike, sa);
    }
}

static void p1_up(struct ike *ike, struct ike_sa *sa)
{
    u64 now = env_now_ms(ike->clock);
    sa->expire_ms = now + 2 * retrans_budget_ms(ike); /* so long it may take until it is ready: a question, and what follows from it */
    sa_arm(ike, sa);
    natt_keepalive(ike, sa);
    sa->fail[0] = 0;
    trace_input(ike, sa, sa->c.conn_id, 0, "IKE_MESG_INTERNAL", "IKE_PHASE1_COMPLETE");
    trace_state(ike, sa->c.conn_id, &sa->remote.a, XS_P1_COMPLETE, XS_P1_COMPLETE, false);
    if (sa_ready(sa)) {
        ready(ike, sa);
    } else if (sa->c.xauth == XAUTH_WANTED) {
        (void)cfg_start(ike, sa, ASK_USER);
    } else if (sa->c.initiator) { /* the gateway asks, or tells, now; if it does not, our last message may have got lost */
        sa->main.rt.next_ms = now + ASKED_SOON_MS;
        xch_arm(ike, &sa->main);
    }
}

/* xauth: extended authentication goes on: what we say to a user who is the right one, or is not, and that the SA of one who is
 * not goes when he has heard it. And of a client that wants no address of ours. */
static void xauth(struct ike *ike, struct ike_sa *sa)
{
    char why[128];
    if (sa->c.push == PUSH_REFUSED) {
        report(ike, sa, &sa->remote.a, XCH_TRANSACTION, WHY_NO_ADDRESS, "the client does not take the address that it is given");
        sa_delete(ike, sa, "the client takes no address", true);
    } else if (sa->c.xauth == XAUTH_RIGHT) {
        (void)cfg_start(ike, sa, SAY_RIGHT);
    } else if (sa->c.xauth == XAUTH_WRONG && sa->c.initiator) {
        report(ike, sa, &sa->remote.a, XCH_TRANSACTION, WHY_XAUTH, "the peer refuses the user and password we gave");
        sa_delete(ike, sa, "XAUTH failed", true);
    } else if (sa->c.xauth == XAUTH_WRONG && sa->wrong_said) {
        sa_delete(ike, sa, "XAUTH failed", true);
    } else if (sa->c.xauth == XAUTH_WRONG) {
        snprintf(why, sizeof why, "user %s: no such user, or another password", sa->c.user);
        report(ike, sa, &sa->remote.a, XCH_TRANSACTION, WHY_XAUTH, why);
        str_copy(sa->fail, sizeof sa->fail, why);
        sa->wrong_said = true;
        (void)cfg_start(ike, sa, SAY_WRONG);
    }
}

/* same_peer: what belongs to `who` at that endpoint is of the same far end as the SA: who calls itself the same, and, where no
 * NAT stands between, whoever speaks from there and has proved which machine he is. Behind one NAT there may be several. */
static bool same_peer(u64 who, const struct endpoint *at, bool udp, u64 sa_is, const struct ike_sa *sa)
{
    return who == sa_is || (!udp && !natt_udp(&sa->c) && !core_unproved(&sa->c) && endpoint_equal(at, &sa->remote));
}

/* initial_contact: the peer has just started: what it does not know any more goes. What was made
 * after this very negotiation began is known to it, so two ends that greet each other at once do
 * not delete each other's work. */
static void initial_contact(struct ike *ike, struct ike_sa *sa)
{
    sa->greeted = !sa->c.initiator && !sa_ready(sa); /* then again when its user has proved himself: until then it is any of a group */
    if (sa->greeted) {
        return;
    }
    LIST_FOR (it, &sa->peer->sas) {
        struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (o != sa && !o->deleted && sa_authed(o) && o->c.authed_ms <= sa->born_ms &&
            same_peer(sa_who(ike, o), &o->remote, natt_udp(&o->c), sa_who(ike, sa), sa)) {
            sa_delete(ike, o, "Receive initial contact", false);
        }
    }
    LIST_FOR (it, &sa->peer->children) {
        struct child *c = CONTAINER_OF(it, struct child, peer_link);
        if (c->started_ms <= sa->born_ms && same_peer(c->who, &c->remote, c->udp, sa_who(ike, sa), sa)) {
            child_delete(ike, c, false);
        }
    }
}

/* sa_ended: the Delete it was to send, its exchanges, its keys, and whoever waited for it. */
static void sa_ended(struct ike *ike, struct ike_sa *sa, bool tell)
{
    if (tell && sa_authed(sa)) {
        info_delete_sa(ike, sa);
    }
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (!x->gone_ms) {
            todo_quick_lost(ike, sa, x, sa->fail)->flag = true;
        }
    }
    sa_drop_secrets(ike, sa);
    flow_p1_failed(ike, sa, sa->fail);
}

/* rekey: phase 1 is made anew while somebody needs it; asked again every 30 s until there is
 * another. */
static void rekey(struct ike *ike, struct ike_sa *sa)
{
    char why[START_WHY];
    bool client = !sa->c.initiator && (sa->c.user[0] || sa->c.client.family); /* it begins, never we */
    bool needed = !ike->ending && !client && (sa->peer->num_children || !list_empty(&sa->nodes));
    sa->rekey_ms = env_now_ms(ike->clock) + 30000;
    if (needed && sa_speaking(ike, &sa->local.a, &sa->remote.a, sa_who(ike, sa)) == sa &&
        !sa_negotiating(ike, &sa->local.a, &sa->remote.a, NULL)) {
        p1_start(ike, 0, &sa->local.a, &sa->remote.a, sa->c.profile, why);
    }
    sa_arm(ike, sa);
}

static void phase1_timeout(struct ike *ike, struct ike_sa *sa)
{
    char why[256], seen[160];
    str_copy(seen, sizeof seen, sa->fail);
    bool first = sa->main.c.state == XS_I_MM1 || sa->main.c.state == XS_I_AM1;
    snprintf(why, sizeof why, "Death by retransmission P1 in %s%s%s", ike_state_name(sa->main.c.state),
             seen[0] ? "; last seen: "
             : first ? "; nothing came back at all: is the peer there, does it speak IKE, does UDP port 500 get through?"
                     : "",
             seen);
    report(ike, sa, &sa->remote.a, sa->main.c.exchange, WHY_TIMEOUT, why);
    str_copy(sa->fail, sizeof sa->fail, why);
    sa_delete(ike, sa, "Death by retransmission P1", false);
}

/* ---- phase 2 ---- */

/* quick_lost: a quick mode ended without a pair; the flow hears of it, and half a pair goes. */
static void quick_lost(struct ike *ike, const struct todo *t)
{
    struct flow *f = t->flow ? flow_find(ike, t->flow) : NULL;
    struct child *c = child_by_number(ike, t->child);
    if (c && !c->up_ms) {
        child_delete(ike, c, true);
    }
    if (f && t->flag) {
        flow_quick_lost(ike, f, t->why);
    } else if (f) {
        flow_failed(ike, f, t->why);
    }
}

/* quick_timeout: the peer was silent in phase 2. It may have lost the ISAKMP SA: a flow that used
 * an old one gets one more try on a new one. */
static void quick_timeout(struct ike *ike, struct ike_sa *sa, struct xch *x)
{
    bool known = sa->c.push == PUSH_TAKEN || (sa->c.push == PUSH_SENT && client_uses(ike, sa));
    if (x->c.exchange == XCH_TRANSACTION && known) { /* it did not hear it, and asked, or knew, by itself */
        xch_free(ike, x);
        return;
    }
    if (x->c.exchange == XCH_TRANSACTION) {
        report(ike, sa, &sa->remote.a, XCH_TRANSACTION, WHY_TIMEOUT, "the peer did not answer a transaction of ours");
        xch_free(ike, x);
        sa_delete(ike, sa, "a transaction was not answered", true);
        return;
    }
    struct flow *f = flow_find(ike, x->c.flow);
    bool initiator = x->c.initiator, stale = x->born_ms - sa->c.authed_ms > 5000;
    const char *why = "Death by retransmission P2: the peer did not answer quick mode";
    report(ike, sa, &sa->remote.a, XCH_QUICK, WHY_TIMEOUT, why);
    ev_ike_node_done(ike->log, sa->c.conn_id, &sa->remote.a,
                     &(struct evb_ike_node_done){.msgid = x->c.msgid,
                                                 .error = ev_str("TRUE"),
                                                 .reason = ev_str("Death by retransmission P2")});
    if (initiator) {
        if (f) {
            flow_failed(ike, f, why);
        }
        xch_free(ike, x);
        sa_delete(ike, sa, "Death by retransmission P2", true);
        if (f && stale) {
            todo_want(ike, f->v.flow, true);
        }
        return;
    }
    todo_quick_lost(ike, sa, x, why); /* we answered, the third message never came */
    xch_free(ike, x);
}

/* ---- what the peer says (only what its hash proved) ---- */

/* refused_quick: which quick mode of ours an error is about: the one whose SPI it names; when it
 * names the ISAKMP SA or nothing, and only one runs, that one. */
static struct xch *refused_quick(const struct ike_sa *sa, const struct todo *t)
{
    struct xch *found = NULL;
    unsigned waiting = 0;
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (x->c.state != XS_QM_I_QM1) {
            continue;
        }
        if (t->spi && (x->c.spi_in == t->spi || x->c.ah_in == t->spi)) { /* of a bundle the error names AH's, which is offered first */
            return x;
        }
        waiting++;
        found = x;
    }
    return !t->spi && waiting == 1 ? found : NULL;
}

static void heard_error(struct ike *ike, struct ike_sa *sa, const struct todo *t)
{
    char why[256], what[SELECTOR_STR];
    struct xch *x = refused_quick(sa, t);
    if (!x) {
        return;
    }
    struct flow *f = flow_find(ike, x->c.flow);
    if (f && t->type == NTF_INVALID_ID_INFORMATION) {
        snprintf(why, sizeof why, "the peer answered %s; we asked for (ours -> theirs) %s, and its line has to be the mirror of that",
                 isakmp_notify_name(t->type), selector_str(what, &x->c.sel));
    } else if (f && t->type == NTF_NO_PROPOSAL_CHOSEN) {
        offered_sets(what, sizeof what, &f->v);
        snprintf(why, sizeof why, "the peer answered %s; we offered %s", isakmp_notify_name(t->type), what);
    } else {
        snprintf(why, sizeof why, "the peer answered %s", isakmp_notify_name(t->type));
    }
    report(ike, sa, &sa->remote.a, XCH_QUICK, WHY_REFUSED, why);
    xch_free(ike, x);
    if (f) {
        flow_failed(ike, f, why);
    }
}

/* udp_port: where its pairs go to in UDP, 0: they do not. */
static u16 udp_port(const struct ike_sa *sa)
{
    return natt_udp(&sa->c) ? sa->remote.port : 0;
}

/* its_pair: the pair of the SA's far end with that outbound SPI; NULL: none, or it is another's. */
static struct child *its_pair(struct ike *ike, const struct ike_sa *sa, u32 spi)
{
    struct child *c = child_by_spi(ike, spi, false, &sa->remote.a, udp_port(sa));
    return c && same_peer(c->who, &c->remote, c->udp, sa_who(ike, sa), sa) ? c : NULL;
}

/* heard_gone: the peer has lost, or deletes, its inbound SA: ours towards it is of no use. */
static void heard_gone(struct ike *ike, struct ike_sa *sa, u32 spi, bool tell)
{
    struct child *c = its_pair(ike, sa, spi);
    if (c) { /* its Delete may be faster than the last packets it sent */
        c->heard_gone = true;
        child_delete(ike, c, tell);
    }
}

static void heard_lifetime(struct ike *ike, struct ike_sa *sa, const struct todo *t)
{
    struct child *c = its_pair(ike, sa, t->spi);
    if (c) {
        child_shorten(ike, c, t->seconds);
    }
}

static void heard_delete_sa(struct ike *ike, struct ike_sa *sa, const struct todo *t)
{
    LIST_FOR (it, &sa->peer->sas) { /* those with the same far end alone */
        struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (!o->deleted && memcmp(o->c.cookie_i, t->bytes, 8) == 0 &&
            memcmp(o->c.cookie_r, t->bytes + 8, 8) == 0 &&
            same_peer(sa_who(ike, o), &o->remote, natt_udp(&o->c), sa_who(ike, sa), sa)) {
            sa_delete(ike, o, "Receive delete from peer", false);
        }
    }
    const struct ike_sa *newer = sa_speaking(ike, &sa->local.a, &sa->remote.a, sa_who(ike, sa));
    if ((newer && !newer->deleted) || !sa_ready(sa)) {
        return; /* there is a newer one, or it never had a pair */
    }
    /* without it the peer may have dropped the pairs as well, and need not have said so: new
     * ones; not at once when it was the same a moment ago: it may keep no ISAKMP SA, and neither end would come to rest */
    u64 now = env_now_ms(ike->clock), last = sa->peer->renewed_ms;
    bool again = last && now - last < RENEW_AGAIN_MS;
    LIST_FOR (it, &sa->peer->children) {
        const struct child *c = CONTAINER_OF(it, struct child, peer_link);
        bool its = c->up_ms && !c->closing && same_peer(c->who, &c->remote, c->udp, sa_who(ike, sa), sa);
        struct flow *f = its ? flow_find(ike, c->flow) : NULL;
        if (f && !again) {
            sa->peer->renewed_ms = now;
            todo_want(ike, c->flow, true);
        } else if (f && !f->next_ms) {
            f->rekey = true;
            flow_arm(ike, f, last + RENEW_AGAIN_MS);
        }
    }
}

/* ---- the far end is elsewhere ---- */

/* moved: a NAT has given the SA's far end another address or port: the pairs that went to the old one go to the new one. */
static void moved(struct ike *ike, struct ike_sa *sa, const struct addr *old, u16 port)
{
    struct ike_peer *was = peer_find(ike, old);
    for (struct list *it = was ? was->children.next : NULL, *next; was && it != &was->children; it = next) {
        struct child *c = CONTAINER_OF(it, struct child, peer_link);
        next = it->next;
        bool last = next == &was->children;
        if (c->udp && c->who == sa_who(ike, sa) && c->remote.port == port) {
            child_moved(ike, c, &sa->local, &sa->remote, sa->peer);
        }
        if (last) {
            break; /* with its last child the old peer may be gone */
        }
    }
    ev_ike_moved(ike->log, sa->c.conn_id, &sa->remote.a,
                 &(struct evb_ike_moved){.from = *old, .port = port, .to = sa->remote.port});
}

/* session_moved: packets of a pair come from elsewhere, and the data plane has opened them: so has its far end's NAT changed
 * its mind. The ISAKMP SA that the pair was made on goes there too, and all its pairs. */
void session_moved(struct ike *ike, const struct dp_moved_value *m)
{
    const struct child *c = child_on(ike, m->flow, SA_IN, m->spi, &m->dst);
    if (!c || !c->udp || !m->to.port || m->to.a.family != c->remote.a.family || endpoint_equal(&c->remote, &m->to)) {
        return;
    }
    const struct endpoint old = c->remote;
    const u64 who = c->who;
    struct ike_peer *p = c->peer;
    bool any = false;
    for (struct list *it = p->sas.next, *next; it != &p->sas; it = next) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, peer_link);
        next = it->next;
        if (!sa->deleted && natt_udp(&sa->c) && (sa->c.nat & NAT_PEER) && endpoint_equal(&sa->remote, &old) &&
            sa_who(ike, sa) == who) {
            any = true;
            struct endpoint local = sa->local;
            bool last = next == &p->sas;
            sa_move(ike, sa, &local, &m->to);
            if (last) {
                break; /* with its last SA the old peer may be gone */
            }
        }
    }
    if (!any) {
        report(ike, NULL, &m->to.a, XCH_INFO, WHY_MOVED,
               "its packets come from elsewhere, and no ISAKMP SA with it lives that could follow");
    }
}

/* ---- does the peer live? ---- */

void session_silent(struct ike *ike, const struct dp_life_value *l)
{
    struct flow *f = flow_find(ike, l->flow);
    struct child *c = child_on(ike, l->flow, SA_OUT, l->spi, &l->dst);
    u64 now = env_now_ms(ike->clock);
    if (!f || !c) {
        return;
    }
    struct ike_sa *sa = sa_of_pair(ike, c);
    bool asks = sa && live_speaks(sa);
    c->silent = (u8)MIN(c->silent + 1, 2);
    if (asks) {
        live_ask(ike, sa);
    }
    /* it cannot be asked: a new pair, or none. It was asked, and lives: it may never have got the last message of quick mode, and
     * then it has no such pair; a new one, now and then, for it may also be that nobody there has anything to say */
    if ((!asks || c->silent > 1) && (!f->probe_ms || now - f->probe_ms >= (asks ? PROBE_ALIVE_MS : PROBE_EVERY_MS))) {
        f->probe_ms = now;
        flow_want(ike, f, true);
    }
}

void session_idle(struct ike *ike, u32 flow)
{
    struct flow *f = flow_find(ike, flow);
    bool half = false; /* one that the peer is making stays whole */
    for (const struct list *it = f ? f->children.next : NULL; f && it != &f->children; it = it->next) {
        half = half || !CONTAINER_OF(it, struct child, flow_link)->up_ms;
    }
    if (!f || half || !child_of_flow(ike, flow) || flow_negotiating(f)) {
        return;
    }
    const struct child *c = child_of_flow(ike, flow);
    ev_ipsec_idle(ike->log, c->isakmp_conn, &c->remote.a, &(struct evb_ipsec_idle){.map = ev_str(f->v.map)});
    LIST_FOR (it, &f->children) {
        child_delete(ike, CONTAINER_OF(it, struct child, flow_link), true);
    }
    f->peer = f->v.idle_default ? 0 : f->peer;
}

void session_heard(struct ike *ike, const struct dp_life_value *l)
{
    struct child *c = child_on(ike, l->flow, SA_IN, l->spi, &l->dst);
    if (c) {
        c->silent = 0;
    }
    for (struct list *it = c ? c->peer->sas.next : NULL; c && it != &c->peer->sas; it = it->next) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (sa_authed(sa) && !sa->deleted && sa_serves(sa, &c->local.a, &c->remote.a) &&
            same_peer(c->who, &c->remote, c->udp, sa_who(ike, sa), sa)) {
            live_heard(ike, sa);
        }
    }
}

/* peer_dead: what we have with it goes, nothing is said to it; its flows try their next peer. */
static void peer_dead(struct ike *ike, struct ike_sa *sa)
{
    struct ike_peer *p = sa->peer;
    u64 who = sa_who(ike, sa);
    report(ike, sa, &sa->remote.a, XCH_INFO, WHY_DEAD,
           "no answer to R-U-THERE; its SAs are taken away");
    LIST_FOR (it, &p->children) {
        struct child *c = CONTAINER_OF(it, struct child, peer_link);
        if (!addr_equal(&c->local.a, &sa->local.a) || !same_peer(c->who, &c->remote, c->udp, who, sa)) {
            continue;
        }
        if (c->of && flow_peer(c->of) && addr_equal(flow_peer(c->of), &sa->remote.a)) {
            c->of->peer = (c->of->peer + 1) % c->of->v.num_peers;
        }
        child_delete(ike, c, false);
    }
    LIST_FOR (it, &p->sas) {
        struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (!sa_half_open(o) && addr_equal(&o->local.a, &sa->local.a) &&
            same_peer(sa_who(ike, o), &o->remote, natt_udp(&o->c), who, sa)) {
            sa_delete(ike, o, "peer is dead", false);
        }
    }
    p->contacted = false; /* it will not know what we had: the next greeting says so */
}

/* ---- the data plane ---- */

static void pair_refused(struct ike *ike, struct child *c, u8 dir)
{
    struct flow *f = c->of;
    const char *why =
        "the data plane did not take the SA: algorithm, keys or addresses it does not "
        "support, or it is full, or gone";
    report(ike, NULL, &c->remote.a, XCH_QUICK, WHY_NO_DP, why);
    child_not_taken(c, dir);
    child_delete(ike, c, true);
    if (f) {
        flow_failed(ike, f, why);
        f->hold_ms = env_now_ms(ike->clock) + f->backoff_ms;
    }
}

void session_refused(struct ike *ike, const struct dp_expire_value *e)
{
    struct child *found = child_on(ike, e->flow, e->dir, e->spi, &e->dst);
    if (found) {
        pair_refused(ike, found, e->dir);
    }
}

/* session_shutdown: the peers hear that everything ends; no answer is waited for. */
void session_shutdown(struct ike *ike)
{
    ike->ending = true;
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        struct ike_sa *sa = sa_of_pair(ike, c);
        if (sa) {
            info_delete_spi(ike, sa, child_proto(c), c->spi_in);
            if (c->ah_in) {
                info_delete_spi(ike, sa, PROTO_AH, c->ah_in);
            }
        }
    }
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (!sa->deleted && sa_authed(sa)) {
            sa_delete(ike, sa, "the router ends", true);
        }
    }
}

/* with_peer: a flow that is with that peer now. NULL: none. A flow that is with another does not count: else anybody who
 * sends in the name of a dead peer makes us leave the one that lives. */
static struct flow *with_peer(const struct ike_peer *p)
{
    LIST_FOR (it, &p->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow_ref, link)->flow;
        if (addr_equal(&f->v.peer[f->peer], &p->remote.a)) {
            return f;
        }
    }
    return NULL;
}

/* unknown_spi: ESP came for an SA we do not have. If we deleted it lately, the Delete was lost: say
 * it again. If it is from a peer we have not met since we started, we are the ones who forgot: start
 * IKE, whose INITIAL-CONTACT tells it. Else only with invalid-spi-recovery: tell the peer, or start
 * IKE. Of each peer so much a second: what somebody sends in its name takes nothing of another's. */
void session_unknown_spi(struct ike *ike, const struct dp_unknown_spi_value *u)
{
    u64 now = env_now_ms(ike->clock);
    struct ike_peer *p = peer_find(ike, &u->src);
    u8 proto = u->proto == IPPROTO_AH_ ? PROTO_AH : PROTO_ESP;
    if ((u->proto != IPPROTO_ESP_ && u->proto != IPPROTO_AH_) || !p ||
        (p->unknown_spi_ms && now - p->unknown_spi_ms < UNKNOWN_SPI_MS)) {
        return;
    }
    struct ike_sa *sa = sa_usable(ike, &u->dst, &u->src);
    if (sa && spi_buried(ike, u->spi, &u->src)) {
        p->unknown_spi_ms = now;
        info_delete_spi(ike, sa, proto, u->spi);
        return;
    }
    bool forgot = !sa && !p->contacted;
    if (!forgot && !ike->conf->global.invalid_spi_recovery) {
        return;
    }
    p->unknown_spi_ms = now;
    if (sa) {
        u8 spi[4];
        put32(spi, u->spi);
        info_notify(ike, sa, proto, NTF_INVALID_SPI, spi, 4, spi, 4);
        return;
    }
    struct flow *f = with_peer(p);
    if (f) {
        flow_want(ike, f, true); /* even with a pair up: theirs is another one */
    }
}

/* ---- the queue ---- */

static void say_delete(struct ike *ike, const struct todo *t)
{
    struct ike_sa *sa = sa_speaking(ike, &t->local, &t->remote, t->who);
    if (sa) {
        info_delete_spi(ike, sa, (u8)t->type, t->spi);
    }
}

static void settle_sa(struct ike *ike, const struct todo *t, struct ike_sa *sa)
{
    u8 b[4];
    switch (t->kind) {
    case TODO_P1_UP: p1_up(ike, sa); break;
    case TODO_XAUTH: xauth(ike, sa); break;
    case TODO_READY:
        if (sa->greeted) {
            initial_contact(ike, sa);
        }
        ready(ike, sa);
        break;
    case TODO_P1_SPENT: rekey(ike, sa); break;
    case TODO_CONTACT: initial_contact(ike, sa); break;
    case TODO_MOVED: moved(ike, sa, &t->remote, t->type); break;
    case TODO_NOTIFY: /* the SPI the peer proposed: how it knows which negotiation is meant */
        put32(b, t->spi);
        if (t->flag) {
            info_notify_sa(ike, sa, t->type, NULL, 0);
        } else {
            info_notify(ike, sa, PROTO_ESP, t->type, b, t->spi ? 4 : 0, NULL, 0);
        }
        break;
    case TODO_HEARD_ERROR: heard_error(ike, sa, t); break;
    case TODO_HEARD_GONE: heard_gone(ike, sa, t->spi, t->flag); break;
    case TODO_HEARD_DELETE_SA: heard_delete_sa(ike, sa, t); break;
    case TODO_HEARD_LIFETIME: heard_lifetime(ike, sa, t); break;
    case TODO_HEARD_THERE:
        put32(b, t->seconds);
        info_notify_sa(ike, sa, NTF_R_U_THERE_ACK, b, 4);
        break;
    case TODO_HEARD_ACK: live_answer(ike, sa, t->seconds); break;
    default: break;
    }
}

static void settle_flow(struct ike *ike, const struct todo *t)
{
    struct flow *f = flow_find(ike, t->flow);
    switch (t->kind) {
    case TODO_PAIR_UP:
        if (f) {
            restart_flow_up(ike, f);
        }
        break;
    case TODO_QUICK_DONE:
        if (f) {
            flow_up(ike, f, t->flag);
        }
        break;
    case TODO_PAIR_LOST:
        if (f) {
            flow_lost_child(ike, f);
        }
        break;
    case TODO_WANT:
        if (f) {
            flow_want(ike, f, t->flag);
        }
        break;
    default: break;
    }
}

void session_settle(struct ike *ike)
{
    struct todo t;
    while (todo_pop(ike, &t)) {
        struct ike_sa *sa = t.sa ? sa_by_number(ike, t.sa) : NULL;
        if (t.kind == TODO_SA_ENDED) {
            if (sa) {
                sa_ended(ike, sa, t.flag);
            }
        } else if (t.kind == TODO_QUICK_LOST) {
            quick_lost(ike, &t);
        } else if (t.kind == TODO_PAIR_REFUSED) {
            struct child *c = child_by_number(ike, t.child);
            if (c) {
                pair_refused(ike, c, (u8)t.type);
            }
        } else if (t.kind == TODO_DELETE_SPI) {
            say_delete(ike, &t);
        } else if (t.sa) {
            if (live(ike, t.sa)) {
                settle_sa(ike, &t, sa);
            }
        } else {
            settle_flow(ike, &t);
        }
    }
}

/* ---- time ---- */

/* again: sends again when it is time; true when the tries are used up. heard: the far end has gone on since: it is only waited. */
static bool again(struct ike *ike, struct ike_sa *sa, struct xch *x, bool heard)
{
    bool spent = false;
    if (!retrans_due(ike, &x->rt, &spent) || heard) {
        return spent;
    }
    ev_ike_retransmit(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_retransmit){
                          .phase = x == &sa->main ? 1 : 2,
                          .state = ev_str(ike_show_state_name(sa_show_state(sa))),
                          .msgid = x->c.msgid,
                          .what = ev_str(x == &sa->main ? "sa" : "node"),
                      });
    if (x->rt.tx) {
        sa_send(ike, sa, x->rt.tx, x->rt.tx_len);
    }
    if (sa->main.c.state == XS_I_MM5) {
        report(ike, sa, &sa->remote.a, XCH_MAIN, WHY_UNHEARD,
               sig_we_sign(&sa->c)
                   ? "no answer to message 5, which proves who we are; does the peer accept our certificate?"
               : sig_kind(sa->c.auth) ? "no answer to message 5, which says who we are; does the gateway take our identity?"
                   : "no answer to message 5, which proves who we are; do the pre-shared keys differ?");
    }
    return false;
}

static void xch_due(struct ike *ike, struct xch *x, u64 now)
{
    struct ike_sa *sa = x->sa;
    bool asked = x == &sa->main && sa_authed(sa) && !list_empty(&sa->nodes);
    if (x == &sa->main && sa_ready(sa)) { /* what was waited for behind phase 1 has come */
        x->rt.next_ms = 0;
        xch_arm(ike, x);
        return;
    }
    if (x != &sa->main && x->gone_ms && now >= x->gone_ms) {
        ev_ike_node_purge(ike->log, sa->c.conn_id, &sa->remote.a,
                          &(struct evb_ike_node_purge){.msgid = x->c.msgid});
        xch_free(ike, x);
    } else if (!again(ike, sa, x, asked)) {
        xch_arm(ike, x);
    } else if (x == &sa->main) {
        phase1_timeout(ike, sa);
    } else {
        quick_timeout(ike, sa, x);
    }
}

/* owes: a quick mode runs, or one that we began has just ended: the peer may not have got its last message, says its own again, and has
 * no pair when nobody is there to answer. So long an SA whose time is over stays, and no longer. */
static bool owes(const struct ike *ike, const struct ike_sa *sa, u64 now)
{
    u64 more = 2 * (u64)ike->conf->global.retransmit_ms;
    if (now >= sa->c.authed_ms + (u64)sa->c.life_s * 1000 + more) {
        return false;
    }
    LIST_FOR (it, &sa->nodes) {
        const struct xch *x = CONTAINER_OF(it, struct xch, link);
        bool just_ended = x->c.initiator && now < x->gone_ms - NODE_LINGER_MS + more;
        if (x->c.exchange == XCH_QUICK && (!x->gone_ms || just_ended)) {
            return true;
        }
    }
    return false;
}

static void sa_due(struct ike *ike, struct ike_sa *sa, u64 now)
{
    if (sa->deleted) {
        sa_free(ike, sa);
    } else if (sa_half_open(sa) && !sa->c.initiator && now >= sa_half_open_end(ike, sa)) {
        phase1_timeout(ike, sa);
    } else if (sa->expire_ms && now >= sa->expire_ms && !sa_ready(sa)) {
        report(ike, sa, &sa->remote.a, XCH_TRANSACTION, WHY_XAUTH, "its user has not proved himself, or it was not configured, in time");
        sa_delete(ike, sa, "not ready in time", true);
    } else if (sa->expire_ms && now >= sa->expire_ms && owes(ike, sa, now)) {
        sa->expire_ms = now + 1000;
        sa_arm(ike, sa);
    } else if (sa->expire_ms && now >= sa->expire_ms) {
        sa_delete(ike, sa, "IKE SA Lifetime Exceeded", true);
    } else {
        if (sa->rekey_ms && now >= sa->rekey_ms) {
            rekey(ike, sa);
        }
        sa_arm(ike, sa);
    }
}

static void live_timer(struct ike *ike, struct ike_sa *sa)
{
    if (!live_due(ike, sa)) {
        peer_dead(ike, sa);
    }
}

void session_tick(struct ike *ike, u64 now)
{
    for (struct timer *t; (t = timer_due(ike, now)) != NULL; session_settle(ike)) {
        switch ((enum timer_kind)t->kind) {
        case TIMER_SA: sa_due(ike, CONTAINER_OF(t, struct ike_sa, timer), now); break;
        case TIMER_XCH: xch_due(ike, CONTAINER_OF(t, struct xch, timer), now); break;
        case TIMER_CHILD: child_due(ike, CONTAINER_OF(t, struct child, timer), now); break;
        case TIMER_FLOW: flow_due(ike, CONTAINER_OF(t, struct flow, timer)); break;
        case TIMER_RESTART: restart_late(ike); break;
        case TIMER_OLD: restart_due(ike, CONTAINER_OF(t, struct old_sa, timer)); break;
        case TIMER_NATT: natt_keepalive(ike, CONTAINER_OF(t, struct ike_sa, natt_timer)); break;
        case TIMER_LIVE: live_timer(ike, CONTAINER_OF(t, struct ike_sa, live.timer)); break;
        case TIMER_HALF_OPEN: half_open_tick(ike, now); break;
        case TIMER_MET: half_open_due(ike, t); break;
        }
    }
}
