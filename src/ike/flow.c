/*
 * flow.c: who wants a negotiation, when, and with which peer. A flow asks (a packet, a rekey,
 * `always up`); it gets quick mode on a live ISAKMP SA, or waits for main mode; a failure is noted,
 * the next peer tried, then backoff.
 */
#include "ike/ike_int.h"

struct flow *flow_find(struct ike *ike, u32 id)
{
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (f->v.flow == id) {
            return f;
        }
    }
    return NULL;
}

bool flow_has_peer(const struct ike_flow_value *v, const struct addr *remote)
{
    for (unsigned i = 0; i < v->num_peers && i < IKE_MAX_PEERS; i++) {
        if (addr_is_any(&v->peer[i]) || addr_equal(&v->peer[i], remote)) {
            return true;
        }
    }
    return false;
}

static const struct addr *flow_peer(const struct flow *f)
{
    return f->peer < f->v.num_peers ? &f->v.peer[f->peer] : NULL;
}

static bool quick_running(struct ike *ike, u32 flow)
{
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        LIST_FOR (n, &sa->nodes) {
            const struct xch *x = CONTAINER_OF(n, struct xch, link);
            if (x->c.flow == flow && x->c.state == XS_QM_I_QM1) {
                return true;
            }
        }
    }
    return false;
}

bool flow_negotiating(struct ike *ike, const struct flow *f)
{
    return f->wanted || quick_running(ike, f->v.flow);
}

static void flow_try(struct ike *ike, struct flow *f)
{
    const struct addr *peer = flow_peer(f);
    if (!peer || addr_is_any(peer)) {
        flow_failed(ike, f, "the flow has no peer to negotiate with");
        return;
    }
    struct ike_sa *sa = sa_usable(ike, &f->v.local, peer);
    if (sa) {
        f->wanted = false;
        qm_start(ike, sa, f);
    } else if (!sa_negotiating(ike, peer)) {
        mm_start(ike, f, &f->v.local,
                 peer); /* a failure has noted itself and taken the wish back */
    }
}

void flow_want(struct ike *ike, struct flow *f, bool rekey)
{
    if (flow_negotiating(ike, f) || (!rekey && child_of_flow(ike, f->v.flow))) {
        return;
    }
    if (!ike->conf->global.enabled) {
        flow_failed(ike, f, "ISAKMP is off (no crypto isakmp enable)");
        return;
    }
    f->attempts++;
    f->next_ms = 0;
    f->wanted = true;
    f->rekey = rekey;
    flow_try(ike, f);
}

/* flow_p1_up: phase 1 is done with somebody: whoever waited for it goes on. */
void flow_p1_up(struct ike *ike, struct ike_sa *sa)
{
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        const struct addr *peer = flow_peer(f);
        if (f->wanted && peer && addr_equal(peer, &sa->remote.a) &&
            (f->v.local.family == AF_NONE || addr_equal(&f->v.local, &sa->local.a))) {
            f->wanted = false;
            qm_start(ike, sa, f);
        }
    }
}

/* flow_p1_failed: whoever waited for this SA tries again on another one, then the next peer, then
 * gives up. */
void flow_p1_failed(struct ike *ike, struct ike_sa *sa, const char *why)
{
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        const struct addr *peer = flow_peer(f);
        if (!f->wanted || !peer || !addr_equal(peer, &sa->remote.a)) {
            continue;
        }
        if (sa_usable(ike, &f->v.local, peer) || sa_negotiating(ike, peer)) {
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

void flow_up(struct ike *ike, u32 id)
{
    struct flow *f = flow_find(ike, id);
    if (f) {
        f->wanted = false;
        f->next_ms = 0;
        f->backoff_ms = 0;
        f->rekey = false;
        f->last_error[0] = 0;
    }
}

void flow_failed(struct ike *ike, struct flow *f, const char *why)
{
    f->wanted = false;
    f->failures++;
    str_copy(f->last_error, sizeof f->last_error, why);
    f->backoff_ms = f->backoff_ms ? MIN(f->backoff_ms * 2, (u32)BACKOFF_MAX_MS) : BACKOFF_MIN_MS;
    /* with SAs of a dead predecessor still carrying its packets no ACQUIRE will ever come: try
     * again by ourselves */
    bool inherited = restart_holds_flow(ike, f->v.flow);
    if ((f->v.always_up || inherited) && !child_of_flow(ike, f->v.flow)) {
        f->rekey = inherited;
        f->next_ms = env_now_ms(ike->clock) + f->backoff_ms;
    }
}

void flow_lost_child(struct ike *ike, u32 id)
{
    struct flow *f = flow_find(ike, id);
    if (f && f->v.always_up && !child_of_flow(ike, id) && !f->next_ms) {
        f->next_ms = env_now_ms(ike->clock) + 1000 + env_random_u32(ike->clock) % 1000;
    }
}

void flow_tick(struct ike *ike, u64 now)
{
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (f->next_ms && now >= f->next_ms) {
            f->next_ms = 0;
            flow_want(ike, f, f->rekey);
        }
    }
}

u64 flow_next_ms(const struct ike *ike)
{
    u64 next = UINT64_MAX;
    LIST_FOR (it, &ike->flows) {
        const struct flow *f = CONTAINER_OF(it, struct flow, link);
        next = f->next_ms && f->next_ms < next ? f->next_ms : next;
    }
    return next;
}

/* flow_unknown_spi: ESP came for an SA we do not have. If we deleted it lately, the Delete was
 * lost: say it again. Else, with invalid-spi-recovery, tell the peer, or start IKE so it learns
 * that we are new. */
void flow_unknown_spi(struct ike *ike, const struct dp_unknown_spi_value *u)
{
    u64 now = env_now_ms(ike->clock);
    if (u->proto != IPPROTO_ESP_ || (ike->unknown_spi_ms && now - ike->unknown_spi_ms < 1000)) {
        return; /* once a second is enough for honest peers, and floods come from the others */
    }
    struct ike_sa *sa = sa_usable(ike, &u->dst, &u->src);
    for (unsigned i = 0; sa && i < SPI_GRAVES; i++) {
        if (ike->graves[i].spi == u->spi && addr_equal(&ike->graves[i].peer, &u->src)) {
            ike->unknown_spi_ms = now;
            info_delete_spi(ike, sa, u->spi);
            return;
        }
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
