/*
 * flow.c: who wants a negotiation, when, and with which peer. A flow asks (a packet, a rekey,
 * `always up`); it gets quick mode on a live ISAKMP SA, or waits for main mode; a failure is noted,
 * the next peer tried, then backoff.
 *
 *   FLOW_IDLE --want--> FLOW_P1 (no ISAKMP SA yet) --flow_p1_up--> FLOW_QM --flow_up--> FLOW_IDLE
 *                          |  flow_p1_failed: next peer, back          |  flow_failed, flow_quick_lost
 */
#include "ike/client.h"
#include "ike/unproved.h"

bool flow_negotiating(const struct flow *f)
{
    return f->state != FLOW_IDLE;
}

void flow_arm(struct ike *ike, struct flow *f, u64 at_ms)
{
    f->next_ms = at_ms;
    timer_set(ike, &f->timer, at_ms);
}

/* quick: our quick mode begins on that SA. */
static void quick(struct ike *ike, struct flow *f, struct ike_sa *sa)
{
    f->state = FLOW_QM;
    if (!qm_start(ike, sa, f)) {
        flow_failed(ike, f, "quick mode could not be started: PFS group or message size");
    }
}

static struct ike_sa *sa_for(const struct ike *ike, const struct flow *f)
{
    const struct addr *peer = flow_peer(f);
    return peer ? sa_under(ike, &f->v.local, peer, f->v.profile) : NULL;
}

/* sa_of_client: several clients may stand behind one address: the ISAKMP SA of whoever has the flow's pair, or had it when the
 * pair went without the client's doing. */
static struct ike_sa *sa_of_client(const struct ike *ike, const struct flow *f)
{
    const struct child *c = child_of_flow(ike, f->v.flow);
    const struct addr *at = c ? &c->remote.a : &f->at;
    u64 who = c ? c->who : f->who;
    struct ike_peer *p = who ? peer_find(ike, at) : NULL;
    struct ike_sa *best = NULL;
    for (struct list *it = p ? p->sas.next : NULL; p && it != &p->sas; it = it->next) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (!sa->deleted && sa_ready(sa) && sa_who(ike, sa) == who && sa_serves(sa, &f->v.local, at) &&
            sa_of_profile(sa, f->v.profile) &&
            (!sa->c.client.family || addr_equal(&sa->c.client, &f->v.sel.dst.a)) &&
            (!best || sa->c.authed_ms >= best->c.authed_ms)) {
            best = sa;
        }
    }
    return best;
}

static void client_try(struct ike *ike, struct flow *f)
{
    struct ike_sa *sa = sa_of_client(ike, f);
    if (sa) {
        quick(ike, f, sa);
    } else {
        flow_failed(ike, f, "its client has no ISAKMP SA any more; the client has to begin");
    }
}

static void flow_try(struct ike *ike, struct flow *f)
{
    char why[START_WHY];
    if (f->v.client) {
        client_try(ike, f);
        return;
    }
    const struct addr *peer = flow_peer(f);
    if (!peer || addr_is_any(peer)) {
        flow_failed(ike, f, "the flow has no peer to negotiate with");
        return;
    }
    struct ike_sa *sa = sa_for(ike, f);
    if (sa) {
        quick(ike, f, sa);
        return;
    }
    f->state = FLOW_P1;
    if (!sa_negotiating(ike, &f->v.local, peer, f->v.profile) &&
        !p1_start(ike, f->v.flow, &f->v.local, peer, f->v.profile, why)) {
        flow_failed(ike, f, why);
    }
}

/* answering: the peer began quick mode for this flow just now and its third message is under way; what it
 * sends on the new pair may come before that, and then our answer asks for an SA. */
static bool answering(const struct ike *ike, const struct flow *f)
{
    const struct addr *peer = flow_peer(f); /* another one does not keep us from asking this one */
    LIST_FOR (it, &f->children) {
        const struct child *c = CONTAINER_OF(it, struct child, flow_link);
        if (!c->initiator && !c->up_ms && peer && addr_equal(&c->remote.a, peer) &&
            env_now_ms(ike->clock) < c->started_ms + ANSWER_MS) {
            return true;
        }
    }
    return false;
}

void flow_want(struct ike *ike, struct flow *f, bool rekey)
{
    bool left = f->v.client && !child_of_flow(ike, f->v.flow);
    if (left && !sa_of_client(ike, f)) {
        return; /* it begins, not we */
    }
    if (ike->ending || flow_negotiating(f) ||
        (!rekey && (child_of_flow(ike, f->v.flow) || env_now_ms(ike->clock) < f->hold_ms))) {
        return;
    }
    if (!rekey && answering(ike, f)) {
        flow_arm(ike, f, env_now_ms(ike->clock) + ANSWER_MS / 4);
        return;
    }
    if (!ike->conf->global.enabled) {
        flow_failed(ike, f, "ISAKMP is off (no crypto isakmp enable)");
        return;
    }
    f->attempts++;
    flow_arm(ike, f, left ? f->stay_ms : 0);
    f->rekey = rekey;
    flow_try(ike, f);
}

/* waits_for: the flow waits for phase 1 and that SA would do. */
static bool waits_for(const struct flow *f, const struct ike_sa *sa)
{
    const struct addr *peer = flow_peer(f);
    return f->state == FLOW_P1 && peer && !core_unproved(&sa->c) && sa_serves(sa, &f->v.local, peer) &&
           sa_of_profile(sa, f->v.profile);
}

void flow_p1_up(struct ike *ike, struct ike_sa *sa)
{
    LIST_FOR (it, &sa->peer->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow_ref, link)->flow;
        if (waits_for(f, sa)) {
            quick(ike, f, sa);
        }
    }
}

void flow_p1_failed(struct ike *ike, struct ike_sa *sa, const char *why)
{
    LIST_FOR (it, &sa->peer->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow_ref, link)->flow;
        if (!waits_for(f, sa)) {
            continue;
        }
        const struct addr *peer = flow_peer(f);
        if (sa_for(ike, f) || sa_negotiating(ike, &f->v.local, peer, f->v.profile)) {
            flow_try(ike, f);
        } else if (f->peer + 1 < f->v.num_peers) {
            f->peer++;
            flow_try(ike, f);
        } else {
            f->peer = 0;
            flow_failed(ike, f, why);
        }
    }
}

void flow_up(struct ike *ike, struct flow *f, bool ours)
{
    if (ours || f->state == FLOW_P1) { /* a quick mode of ours that still runs, runs on */
        f->state = FLOW_IDLE;
    }
    flow_arm(ike, f, 0);
    f->backoff_ms = 0;
    f->rekey = false;
    f->last_error[0] = 0;
}

void flow_failed(struct ike *ike, struct flow *f, const char *why)
{
    f->state = FLOW_IDLE;
    f->failures++;
    str_copy(f->last_error, sizeof f->last_error, why);
    f->backoff_ms = f->backoff_ms ? MIN(f->backoff_ms * 2, (u32)BACKOFF_MAX_MS) : BACKOFF_MIN_MS;
    /* with SAs of a dead predecessor still carrying its packets no ACQUIRE will ever come: try
     * again by ourselves */
    bool inherited = !list_empty(&f->old_sas);
    if ((f->v.always_up || inherited) && !child_of_flow(ike, f->v.flow)) {
        f->rekey = inherited;
        flow_arm(ike, f, env_now_ms(ike->clock) + f->backoff_ms);
    }
}

void flow_quick_lost(struct ike *ike, struct flow *f, const char *why)
{
    bool first = f->backoff_ms == 0, rekey = f->rekey;
    if (f->state != FLOW_QM) {
        return;
    }
    flow_failed(ike, f, why);
    if (first) { /* whoever wanted it still does */
        f->rekey = rekey;
        flow_arm(ike, f, env_now_ms(ike->clock) + 1000 + env_random_u32(ike->clock) % 1000);
    }
}

void flow_lost_child(struct ike *ike, struct flow *f)
{
    if (f->v.client && !child_of_flow(ike, f->v.flow)) {
        if (!f->next_ms) { /* what is planned comes first */
            flow_arm(ike, f, f->stay_ms);
        }
        return;
    }
    bool none = !child_of_flow(ike, f->v.flow);
    if (none && f->v.default_peer && !flow_negotiating(f)) {
        f->peer = 0;
    }
    if (none && f->v.always_up && !f->next_ms) {
        flow_arm(ike, f, env_now_ms(ike->clock) + 1000 + env_random_u32(ike->clock) % 1000);
    }
}

void flow_stay(struct ike *ike, struct flow *f)
{
    f->stay_ms = env_now_ms(ike->clock) + CLIENT_STAY_MS;
    flow_arm(ike, f, f->stay_ms);
}

void flow_due(struct ike *ike, struct flow *f)
{
    bool left = f->v.client && !child_of_flow(ike, f->v.flow);
    f->next_ms = 0;
    if (left && env_now_ms(ike->clock) >= f->stay_ms) {
        if (list_empty(&f->old_sas) && !flow_negotiating(f)) { /* those of a predecessor carry its packets until they expire */
            client_lost(ike, f);
        }
        flow_stay(ike, f);
        return;
    }
    flow_want(ike, f, f->rekey);
    if (left && !f->next_ms) {
        flow_arm(ike, f, f->stay_ms);
    }
}
