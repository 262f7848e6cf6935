/*
 * session.c: what follows. The files below push consequences (todo.c); session_settle does them, one after the other,
 * at the end of each entry point of ike.c, and again for what those bring. Also the clock of ISAKMP SAs and their
 * exchanges. The only place that knows both SAs and flows.
 *
 * On the walk: ike_input -> engine_run -> ... -> [session_settle].
 */
#include "ike/ike_int.h"

static struct ike_sa *live(struct ike *ike, u32 number)
{
    struct ike_sa *sa = sa_by_number(ike, number);
    return sa && !sa->deleted ? sa : NULL;
}

/* ---- phase 1 ---- */

static void p1_up(struct ike *ike, struct ike_sa *sa)
{
    u64 now = env_now_ms(ike->clock);
    u64 life = (u64)sa->c.life_s * 1000;
    /* both ends would start a new main mode: the initiator is meant to be first */
    u64 early = MIN(life / 4, sa->c.initiator ? 70000u : 40000u);
    sa->expire_ms = now + life;
    sa->rekey_ms = sa->expire_ms - early;
    sa->peer->contacted = true;
    sa->fail[0] = 0;
    trace_input(ike, sa, sa->c.conn_id, 0, "IKE_MESG_INTERNAL", "IKE_PHASE1_COMPLETE");
    trace_state(ike, sa->c.conn_id, &sa->remote.a, XS_P1_COMPLETE, XS_P1_COMPLETE, false);
    flow_p1_up(ike, sa);
}

/* initial_contact: the peer has just started: what it does not know any more goes. What was made
 * after this very negotiation began is known to it, so two ends that greet each other at once do
 * not delete each other's work. */
static void initial_contact(struct ike *ike, struct ike_sa *sa)
{
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, link);
        if (o != sa && !o->deleted && endpoint_equal(&o->remote, &sa->remote) &&
            o->c.authenticated && o->c.authenticated_ms <= sa->born_ms) {
            sa_delete(ike, o, "Receive initial contact", false);
        }
    }
    child_delete_peer(ike, &sa->remote.a, false, sa->born_ms);
}

/* sa_ended: the Delete it was to send, its exchanges, its keys, and whoever waited for it. */
static void sa_ended(struct ike *ike, struct ike_sa *sa, bool tell)
{
    if (tell && sa->c.authenticated) {
        info_delete_sa(ike, sa);
    }
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (!x->gone_ms) {
            todo_quick_lost(ike, sa, x, sa->fail)->flag = true;
        }
    }
    sa_drop_secrets(sa);
    flow_p1_failed(ike, sa, sa->fail);
}

static void phase1_timeout(struct ike *ike, struct ike_sa *sa)
{
    char why[256], seen[160];
    str_copy(seen, sizeof seen, sa->fail);
    snprintf(why, sizeof why, "Death by retransmission P1 in %s%s%s",
             ike_state_name(sa->main.c.state), seen[0] ? "; last seen: " : "", seen);
    report(ike, sa, &sa->remote.a, XCH_MAIN, WHY_TIMEOUT, why);
    str_copy(sa->fail, sizeof sa->fail, why);
    sa_delete(ike, sa, "Death by retransmission P1", false);
}

/* ---- phase 2 ---- */

/* quick_lost: a quick mode ended without a pair; the flow hears of it, and half a pair goes. */
static void quick_lost(struct ike *ike, const struct todo *t)
{
    struct flow *f = t->flow ? flow_find(ike, t->flow) : NULL;
    struct child *c = child_by_number(ike, t->child);
    if (c && !c->out_up) {
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
    struct flow *f = flow_find(ike, x->c.flow);
    bool initiator = x->c.initiator, stale = x->born_ms - sa->c.authenticated_ms > 5000;
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
        list_remove(&x->link);
        xch_free(x);
        sa_delete(ike, sa, "Death by retransmission P2", true);
        if (f && stale) {
            todo_want(ike, f->v.flow, true);
        }
        return;
    }
    todo_quick_lost(ike, sa, x, why); /* we answered, the third message never came */
    list_remove(&x->link);
    xch_free(x);
}

/* ---- what the peer says (only what its hash proved) ---- */

static void heard_error(struct ike *ike, struct ike_sa *sa, const struct todo *t)
{
    char why[128];
    struct xch *found = NULL;
    unsigned waiting = 0;
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (x->c.state == XS_QM_I_QM1) {
            waiting++;
            if (t->spi && x->c.spi_in == t->spi) {
                found = x;
                waiting = 1;
                break;
            }
            found = x;
        }
    }
    if (!found || waiting != 1) {
        return;
    }
    snprintf(why, sizeof why, "the peer answered %s", isakmp_notify_name(t->type));
    report(ike, sa, &sa->remote.a, XCH_QUICK, WHY_REFUSED, why);
    struct flow *f = flow_find(ike, found->c.flow);
    list_remove(&found->link);
    xch_free(found);
    if (f) {
        flow_failed(ike, f, why);
    }
}

/* heard_gone: the peer has lost, or deletes, its inbound SA: ours towards it is of no use. */
static void heard_gone(struct ike *ike, struct ike_sa *sa, u32 spi, bool tell)
{
    struct child *c = child_by_spi(ike, spi, false, &sa->remote.a);
    if (c) {
        child_delete(ike, c, tell);
    }
}

static void heard_lifetime(struct ike *ike, struct ike_sa *sa, const struct todo *t)
{
    struct child *c = child_by_spi(ike, t->spi, false, &sa->remote.a);
    if (c) {
        child_shorten(ike, c, t->seconds);
    }
}

static void heard_delete_sa(struct ike *ike, struct ike_sa *sa, const struct todo *t)
{
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, link);
        if (!o->deleted && memcmp(o->c.cookie_i, t->bytes, 8) == 0 &&
            memcmp(o->c.cookie_r, t->bytes + 8, 8) == 0 &&
            addr_equal(&o->remote.a, &sa->remote.a)) {
            sa_delete(ike, o, "Receive delete from peer", false);
        }
    }
}

/* unknown_spi: ESP came for an SA we do not have. If we deleted it lately, the Delete was lost: say
 * it again. Else, with invalid-spi-recovery, tell the peer, or start IKE so it learns that we are
 * new. */
void session_unknown_spi(struct ike *ike, const struct dp_unknown_spi_value *u)
{
    u64 now = env_now_ms(ike->clock);
    if (u->proto != IPPROTO_ESP_ || (ike->unknown_spi_ms && now - ike->unknown_spi_ms < 1000)) {
        return; /* once a second is enough for honest peers, and floods come from the others */
    }
    struct ike_sa *sa = sa_usable(ike, &u->dst, &u->src);
    if (sa && spi_buried(ike, u->spi, &u->src)) {
        ike->unknown_spi_ms = now;
        info_delete_spi(ike, sa, u->spi);
        return;
    }
    if (!ike->conf->global.invalid_spi_recovery) {
        return;
    }
    ike->unknown_spi_ms = now;
    if (sa) {
        u8 spi[4];
        put32(spi, u->spi);
        info_notify(ike, sa, PROTO_ESP, NTF_INVALID_SPI, spi, 4, spi, 4);
        return;
    }
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (flow_has_peer(&f->v, &u->src)) {
            flow_want(ike, f, true); /* even with a pair up: theirs is another one */
            return;
        }
    }
}

/* ---- the queue ---- */

static void say_delete(struct ike *ike, const struct todo *t)
{
    struct ike_sa *sa = sa_speaking(ike, &t->local, &t->remote);
    if (sa) {
        info_delete_spi(ike, sa, t->spi);
    }
}

static void settle_sa(struct ike *ike, const struct todo *t, struct ike_sa *sa)
{
    u8 b[4];
    switch (t->kind) {
    case TODO_P1_UP: p1_up(ike, sa); break;
    case TODO_CONTACT: initial_contact(ike, sa); break;
    case TODO_NOTIFY: /* the SPI the peer proposed: how it knows which negotiation is meant */
        put32(b, t->spi);
        info_notify(ike, sa, PROTO_ESP, t->type, b, t->spi ? 4 : 0, NULL, 0);
        break;
    case TODO_HEARD_ERROR: heard_error(ike, sa, t); break;
    case TODO_HEARD_GONE: heard_gone(ike, sa, t->spi, t->flag); break;
    case TODO_HEARD_DELETE_SA: heard_delete_sa(ike, sa, t); break;
    case TODO_HEARD_LIFETIME: heard_lifetime(ike, sa, t); break;
    case TODO_HEARD_THERE:
        put32(b, t->seconds);
        info_notify_sa(ike, sa, NTF_R_U_THERE_ACK, b, 4);
        break;
    default: break;
    }
}

static void settle_flow(struct ike *ike, const struct todo *t)
{
    struct flow *f = flow_find(ike, t->flow);
    switch (t->kind) {
    case TODO_PAIR_UP: restart_flow_up(ike, t->flow); break;
    case TODO_QUICK_DONE:
        if (f) {
            flow_up(f, t->flag);
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

/* due: sends again when it is time; true when the tries are used up. */
static bool due(struct ike *ike, const struct ike_sa *sa, struct xch *x)
{
    bool spent = false;
    if (!retrans_due(ike, &x->rt, &spent)) {
        return spent;
    }
    ev_ike_retransmit(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_retransmit){
                          .phase = x == &sa->main ? 1 : 2,
                          .state = ev_str(ike_show_state_name(sa_show_state(sa))),
                          .msgid = x->c.msgid,
                          .what = ev_str(x == &sa->main ? "sa" : "node"),
                      });
    sa_send(ike, sa, x->rt.tx, x->rt.tx_len);
    return false;
}

static void nodes_tick(struct ike *ike, struct ike_sa *sa, u64 now)
{
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (x->gone_ms && now >= x->gone_ms) {
            ev_ike_node_purge(ike->log, sa->c.conn_id, &sa->remote.a,
                              &(struct evb_ike_node_purge){.msgid = x->c.msgid});
            list_remove(&x->link);
            xch_free(x);
        } else if (due(ike, sa, x)) {
            quick_timeout(ike, sa, x);
        }
    }
}

/* half_open_end: when an unfinished SA we answer is given up. */
static u64 half_open_end(const struct ike *ike, const struct ike_sa *sa)
{
    return sa->born_ms +
           (u64)ike->conf->global.retransmit_ms * (ike->conf->global.retransmit_tries + 1);
}

static void sa_tick(struct ike *ike, struct ike_sa *sa, u64 now)
{
    if (sa->deleted) {
        if (now >= sa->gone_ms) {
            sa_free(ike, sa);
        }
    } else if (due(ike, sa, &sa->main) ||
               (sa_half_open(sa) && !sa->c.initiator && now >= half_open_end(ike, sa))) {
        phase1_timeout(ike, sa);
    } else if (sa->expire_ms && now >= sa->expire_ms) {
        sa_delete(ike, sa, "IKE SA Lifetime Exceeded", true);
    } else {
        if (sa->rekey_ms && now >= sa->rekey_ms) {
            sa->rekey_ms = now + 30000;
            if (child_count(ike, 0, &sa->remote.a) &&
                sa_usable(ike, &sa->local.a, &sa->remote.a) == sa &&
                !sa_negotiating(ike, &sa->local.a, &sa->remote.a)) {
                char why[START_WHY];
                mm_start(ike, 0, &sa->local.a, &sa->remote.a, false, why);
            }
        }
        nodes_tick(ike, sa, now);
    }
}

void session_tick(struct ike *ike, u64 now)
{
    LIST_FOR (it, &ike->sas) {
        sa_tick(ike, CONTAINER_OF(it, struct ike_sa, link), now);
    }
}

static u64 sooner(u64 a, u64 b)
{
    return b && b < a ? b : a; /* 0: not planned */
}

u64 session_next_ms(const struct ike *ike)
{
    u64 next = UINT64_MAX;
    LIST_FOR (it, &ike->sas) {
        const struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (sa->deleted) {
            next = sooner(next, sa->gone_ms);
            continue;
        }
        next = sooner(next, sa->main.rt.next_ms);
        next = sooner(next, sa->expire_ms);
        next = sooner(next, sa->rekey_ms);
        next = sooner(next, sa_half_open(sa) && !sa->c.initiator ? half_open_end(ike, sa) : 0);
        LIST_FOR (n, &sa->nodes) {
            const struct xch *x = CONTAINER_OF(n, struct xch, link);
            next = sooner(next, x->gone_ms);
            next = sooner(next, x->rt.next_ms);
        }
    }
    return next;
}
