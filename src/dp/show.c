/*
 * show.c: snapshots for the console (dp.h: DP_GET_* -> DP_SA, DP_FLOW, DP_TUNNEL, DP_DROP_COUNT,
 * then DP_END), and the five-minute averages of `show interfaces`. Reads everything,
 * changes nothing else.
 */
#include "dp/dp_int.h"

#include <math.h>

static void answer(struct dp *dp, enum dp_origin to, u32 tag, u32 type, struct dp_msg *m)
{
    m->tag = tag;
    (void)dp_tell(dp, to, type, m);
}

static void one_sa(struct dp *dp, enum dp_origin to, u32 tag, const struct sa *sa)
{
    struct dp_msg m = {0};
    struct dp_sa_info *i = &m.u.sa_info;
    i->sa = sa->val;
    if (!(dp->keylog && to == FROM_MAIN)) { /* ike, which reads strangers, never reads keys back */
        secret_wipe(&i->sa.encr_key);
        secret_wipe(&i->sa.auth_key);
    }
    i->packets = sa->h.packets;
    i->bytes = sa->h.bytes;
    memcpy(i->drops, sa->drops, sizeof i->drops);
    i->age_s = (u32)((dp->w.now_ms - sa->since_ms) / 1000);
    i->seq = sa->h.seq;
    i->replay_bitmap = sa->val.dir == SA_IN ? replay_bits(&sa->h) : 0;
    i->current = sa->val.dir == SA_OUT && flow_sa_out(sa->h.flow) == sa;
    answer(dp, to, tag, DP_SA, &m);
    mem_wipe(&m, sizeof m);
}

static void one_flow(struct dp *dp, enum dp_origin to, u32 tag, const struct flow *f)
{
    const struct sa *out = flow_sa_out(f);
    struct dp_msg m = {.u.flow_info = {.flow = f->id,
                                       .encaps = f->encaps,
                                       .decaps = f->decaps,
                                       .send_errors = f->send_errors,
                                       .recv_errors = f->recv_errors,
                                       .drops_in = f->drops_in,
                                       .drops_out = f->drops_out,
                                       .comp = f->comp,
                                       .held = f->held,
                                       .plaintext_mtu = out ? out->h.plain_mtu : 0,
                                       .path_mtu = flow_path_mtu(f)}};
    answer(dp, to, tag, DP_FLOW, &m);
}

static void one_tunnel(struct dp *dp, enum dp_origin to, u32 tag, const struct tunnel *t)
{
    u64 now = dp->w.now_ms + 1;
    struct dp_msg m = {.u.tunnel_info = {.id = t->val.id,
                                         .rx_packets = t->rx_packets,
                                         .rx_bytes = t->rx_bytes,
                                         .tx_packets = t->tx_packets,
                                         .tx_bytes = t->tx_bytes,
                                         .rx_errors = t->rx_errors,
                                         .tx_errors = t->tx_errors,
                                         .last_rx_ms_ago = t->rx_ms ? now - t->rx_ms : UINT64_MAX,
                                         .last_tx_ms_ago = t->tx_ms ? now - t->tx_ms : UINT64_MAX,
                                         .rx_bps = (u32)t->rx_rate.bps,
                                         .tx_bps = (u32)t->tx_rate.bps,
                                         .rx_pps = (u32)t->rx_rate.pps,
                                         .tx_pps = (u32)t->tx_rate.pps}};
    answer(dp, to, tag, DP_TUNNEL, &m);
}

void dp_show_answer(struct dp *dp, enum dp_origin to, const struct dp_msg *q)
{
    if (q->type < DP_GET_SAS || q->type > DP_GET_DROPS) {
        return; /* a value that is no question and none of ours */
    }
    for (unsigned i = 0; q->type == DP_GET_SAS && i < MAX_SAS; i++) {
        const struct sa *sa = &dp->sas[i]; /* those with manual keys are not IKE's to inherit */
        if (sa->used && !sa->gone_ms && (to == FROM_MAIN || !is_manual(sa->h.flow))) {
            one_sa(dp, to, q->tag, &dp->sas[i]);
        }
    }
    for (unsigned i = 0; q->type == DP_GET_FLOWS && i < MAX_FLOWS; i++) {
        if (dp->flow[i].id) {
            one_flow(dp, to, q->tag, &dp->flow[i]);
        }
    }
    for (unsigned i = 0; q->type == DP_GET_TUNNELS && i < DP_MAX_TUNNELS; i++) {
        if (dp->tunnel[i].used) {
            one_tunnel(dp, to, q->tag, &dp->tunnel[i]);
        }
    }
    for (u32 i = 1; q->type == DP_GET_DROPS && i < DROP_NUM; i++) {
        struct dp_msg m = {.u.drop_info = {.reason = i, .packets = dp->w.drops[i]}};
        answer(dp, to, q->tag, DP_DROP_COUNT, &m);
    }
    struct dp_msg end = {0};
    answer(dp, to, q->tag, DP_END, &end);
}

/* Exponential average with a time constant of five minutes, from the growth since the last sample.
 */
static void sample(struct rate *r, u64 bytes, u64 packets, double seconds)
{
    double keep = exp(-seconds / 300.0);
    double bps = bytes >= r->bytes ? (double)(bytes - r->bytes) * 8.0 / seconds : 0;
    double pps = packets >= r->packets ? (double)(packets - r->packets) / seconds : 0;
    r->bps = r->bps * keep + bps * (1.0 - keep);
    r->pps = r->pps * keep + pps * (1.0 - keep);
    r->bytes = bytes;
    r->packets = packets;
}

void show_sample(struct dp *dp)
{
    u64 ms = dp->w.now_ms - dp->last_rate_ms;
    if (ms < 5000) {
        return;
    }
    dp->last_rate_ms = dp->w.now_ms;
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        struct tunnel *t = &dp->tunnel[i];
        if (t->used) {
            sample(&t->rx_rate, t->rx_bytes, t->rx_packets, (double)ms / 1000.0);
            sample(&t->tx_rate, t->tx_bytes, t->tx_packets, (double)ms / 1000.0);
        }
    }
}
