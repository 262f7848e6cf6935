/*
 * dp.c: the data plane's life: dp_new allocates everything it will ever use (law 5), dp_run is one
 * turn of the loop, dp_tick the timers. The packet's way is in graph.c, the values that come in are
 * in ctl.c.
 */
#include "dp/dp_int.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

/* Memory for the life of the process; large pages where the kernel has them, they save TLB misses.
 */
static void *big_alloc(size_t size)
{
    size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *p = aligned_alloc(HUGE_PAGE, size);
    if (!p) {
        abort();
    }
    (void)madvise(p, size, MADV_HUGEPAGE);
    memset(p, 0, size);
    return p;
}

struct dp *dp_new(const struct dp_env *env)
{
    struct bulk *bulk = bulk_new(env->engine);
    if (!bulk) {
        return NULL;
    }
    struct dp *dp = big_alloc(sizeof *dp);
    dp->env = *env;
    dp->silence_s = 20;
    dp->bufs = big_alloc(POOL * sizeof *dp->bufs);
    dp->sas = big_alloc(MAX_SAS * sizeof *dp->sas);
    dp->w.dp = dp;
    dp->w.bulk = bulk;
    dp->w.comp = ipcomp_new();
    dp->w.log = env->log;
    dp->w.now_ms = env_now_ms(&dp->env.env);
    dp->last_second_ms = dp->last_rate_ms = dp->w.now_ms;
    bulk_rng_init(&dp->w.rng, &dp->env.env);
    pkt_pool_init(&dp->w, dp->bufs);
    for (unsigned i = MAX_SAS; i-- > 0;) {
        dp->sas[i].next_free = dp->sa_free;
        dp->sa_free = &dp->sas[i];
    }
    for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
        dp->port[i].fd = -1;
    }
    env_random(&dp->env.env, dp->far_seed, sizeof dp->far_seed);
    port_bind(dp);
    ev_dp_engine(dp->w.log, 0, NULL, &(struct evb_dp_engine){.engine = ev_str(bulk_name(bulk))});
    return dp;
}

void dp_free(struct dp *dp)
{
    if (!dp) {
        return;
    }
    for (unsigned i = 0; i < MAX_SAS; i++) {
        if (dp->sas[i].used) {
            sa_del(dp, &dp->sas[i]);
        }
    }
    for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
        if (dp->port[i].fd >= 0) {
            close(dp->port[i].fd);
        }
    }
    bulk_rng_free(&dp->w.rng);
    bulk_free(dp->w.bulk);
    ipcomp_free(dp->w.comp);
    free(dp->sas);
    free(dp->bufs);
    free(dp);
}

unsigned dp_poll_fds(const struct dp *dp, int *fds, unsigned cap)
{
    unsigned n = 0;
    for (unsigned i = 0; dp->committed && i < DP_MAX_PORTS && n < cap; i++) {
        const struct port *p = &dp->port[i];
        if (p->used && p->fd >= 0 && p->ops->rx && !p->lost) {
            fds[n++] = p->fd;
        }
    }
    return n;
}

/* find_again: packets whose SPI nobody knew a turn ago. */
static unsigned find_again(struct worker *w)
{
    unsigned n = w->num_again;
    for (unsigned i = 0; i < n; i++) {
        graph_put(w, w->again[i]->v.proto == IPPROTO_AH_ ? N_AH_FIND : N_ESP_FIND, w->again[i]);
    }
    w->num_again = 0;
    if (n) {
        graph_run(w);
    }
    return n;
}

unsigned dp_run(struct dp *dp)
{
    struct worker *w = &dp->w;
    unsigned moved = 0;
    w->now_ms = env_now_ms(&dp->env.env);
    if (!dp->committed) {
        return 0; /* without policies every packet would bypass: not one is read before they are there */
    }
    moved += find_again(w);
    for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
        struct port *port = &dp->port[i];
        if (!port->used || !port->ops->rx || port->lost) {
            continue;
        }
        struct queue *q = &w->q[N_IP_IN];
        unsigned n = port->ops->rx(w, port, q->p, VEC);
        if (n == 0) {
            continue;
        }
        for (unsigned k = 0; k < n; k++) {
            q->p[k]->in_port = (u8)i;
        }
        q->n = n;
        port->rx_packets += n;
        moved += n;
        graph_run(w);
    }
    return moved;
}

/* Path MTUs the network told are forgotten after ten minutes (RFC 1191 6.3). */
static void age_mtu(struct dp *dp)
{
    u64 now = dp->w.now_ms;
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        struct flow *f = &dp->flow[i];
        if (f->id && f->learned_mtu && now - f->learned_ms >= PMTU_AGE_MS) {
            f->learned_mtu = 0;
            flow_remtu(f);
        }
    }
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        struct tunnel *t = &dp->tunnel[i];
        if (t->used && t->learned_mtu && now - t->learned_ms >= PMTU_AGE_MS) {
            t->learned_mtu = 0;
            mtu_tunnel(t);
        }
    }
}

u32 dp_tick(struct dp *dp)
{
    struct worker *w = &dp->w;
    bool waiting = w->num_held != 0;
    w->now_ms = env_now_ms(&dp->env.env);
    for (unsigned i = 0; waiting && i < MAX_FLOWS; i++) {
        if (dp->flow[i].held) {
            hold_tick(w, &dp->flow[i]);
        }
    }
    if (w->now_ms - dp->last_second_ms >= 1000) {
        dp->last_second_ms = w->now_ms;
        sa_tick(dp);
        flow_tick(dp);
        age_mtu(dp);
        join_tick(w);
        for (enum dp_drop d = 0; d < DROP_NUM; d++) {
            if (w->drop_log[d].suppressed && w->now_ms + 1 - w->drop_log[d].last_ms >= 1000) {
                drop_log_flush(w, d);
                w->drop_log[d].last_ms = w->now_ms + 1;
            }
        }
    }
    show_sample(dp);
    graph_run(w);
    return waiting ? 100 : 1000;
}
