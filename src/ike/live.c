/*
 * live.c: does the far end live? R-U-THERE and its answer (RFC 3706), on the ISAKMP SA that can
 * ask. Asked when the data plane says that nothing comes back, and as `crypto isakmp keepalive`
 * wants; not while packets come in under protection, for they show it as well. A far end that
 * answers nothing is dead: session.c takes its SAs away. One R-U-THERE at a time; the same
 * sequence number until it is answered (RFC 3706 5.4).
 */
#include "ike/profile.h"

/* own: the isakmp profile of the SA, when it has a keepalive of its own; NULL: what is configured for all. */
static const struct ike_profile_value *own(const struct ike *ike, const struct ike_sa *sa)
{
    const struct ike_profile_value *p = profile_named(ike, sa->c.profile);
    return p && p->keepalive_set ? p : NULL;
}

static u64 every_ms(const struct ike *ike, const struct ike_sa *sa)
{
    const struct ike_global_value *g = &ike->conf->global;
    const struct ike_profile_value *p = own(ike, sa);
    return p ? (u64)p->keepalive_s * 1000 : g->keepalive_periodic ? (u64)g->keepalive_s * 1000 : 0;
}

static u64 retry_ms(const struct ike *ike, const struct ike_sa *sa)
{
    const struct ike_profile_value *p = own(ike, sa);
    u32 s = p ? p->keepalive_retry_s : ike->conf->global.keepalive_retry_s;
    return (u64)(s ? s : LIVE_RETRY_S) * 1000;
}

/* tries: as IOS with `crypto isakmp keepalive`; less without, for there a peer is to be back within
 * half a minute. */
static u32 tries(const struct ike *ike, const struct ike_sa *sa)
{
    return own(ike, sa) || ike->conf->global.keepalive_s ? LIVE_TRIES_KEEPALIVE : LIVE_TRIES;
}

bool live_speaks(const struct ike_sa *sa)
{
    return (sa->c.vids & VB_DPD) != 0;
}

static void ask(struct ike *ike, struct ike_sa *sa)
{
    u8 seq[4];
    put32(seq, sa->live.seq);
    sa->live.sent++;
    timer_set(ike, &sa->live.timer, env_now_ms(ike->clock) + retry_ms(ike, sa));
    ev_ike_dpd_ask(ike->log, sa->c.conn_id, &sa->remote.a,
                   &(struct evb_ike_dpd_ask){.sequence = sa->live.seq});
    info_notify_sa(ike, sa, NTF_R_U_THERE, seq, 4);
}

void live_ask(struct ike *ike, struct ike_sa *sa)
{
    if (sa->live.sent || !live_speaks(sa)) {
        return; /* it is being asked */
    }
    sa->live.seq = sa->live.seq ? sa->live.seq + 1 : env_random_u32(ike->clock) >> 1;
    ask(ike, sa);
}

void live_heard(struct ike *ike, struct ike_sa *sa)
{
    sa->live.sent = 0;
    live_arm(ike, sa);
}

void live_answer(struct ike *ike, struct ike_sa *sa, u32 seq)
{
    if (sa->live.sent && seq == sa->live.seq) {
        live_heard(ike, sa);
    }
}

void live_arm(struct ike *ike, struct ike_sa *sa)
{
    u64 every = live_speaks(sa) ? every_ms(ike, sa) : 0;
    if (!sa->live.sent) {
        timer_set(ike, &sa->live.timer, every && !sa->deleted ? env_now_ms(ike->clock) + every : 0);
    }
}

bool live_due(struct ike *ike, struct ike_sa *sa)
{
    if (sa->deleted) {
        return true;
    }
    if (!sa->live.sent) {
        live_ask(ike, sa);
    } else if (sa->live.sent >= tries(ike, sa)) {
        sa->live.sent = 0;
        return false;
    } else {
        ask(ike, sa);
    }
    return true;
}

/* live_heard_s: twice in an interval, so that none ends while packets come in. */
u32 live_heard_s(const struct ike *ike)
{
    const struct ike_global_value *g = &ike->conf->global;
    u32 every_s = g->keepalive_periodic ? g->keepalive_s : 0;
    for (const struct conf_profile *p = ike->conf->profiles; p; p = p->next) {
        bool sooner = p->v.keepalive_set && (!every_s || p->v.keepalive_s < every_s);
        every_s = sooner ? p->v.keepalive_s : every_s;
    }
    return every_s ? MAX(every_s / 2, 1u) : 0;
}

u32 live_silence_s(const struct ike *ike)
{
    const struct ike_global_value *g = &ike->conf->global;
    return g->keepalive_s ? g->keepalive_s : LIVE_SILENCE_S;
}
