/*
 * dp_main.c: the data plane's process: a loop around dp/. It drops every right before it reads the first packet; its
 * ports arrive as descriptors from main.
 */
#include "dp/dp.h"
#include "sys/generation.h"
#include "sys/sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct dp_proc {
    struct env env;
    struct evlog log;
    struct dp *dp; /* owned */
    int ike;       /* channel to the key daemon, -1: none; it may come and go */
    struct outbox to_main, to_ike;
};

/* kind: what is told again (a flow that wants an SA, an SA that runs out) or only told is lost when the listener has no
 * room; answers to questions are kept. */
static enum outbox_value kind(u32 type)
{
    bool lossy = type == DP_EVENT || type == DP_UNKNOWN_SPI || type == DP_ACQUIRE ||
                 type == DP_EXPIRE || type == DP_SILENT || type == DP_HEARD || type == DP_IDLE;
    return lossy ? OUTBOX_LOSSY : OUTBOX_KEPT;
}

static bool send_value(void *ctx, enum dp_origin to, const struct dp_msg *m)
{
    struct dp_proc *p = ctx;
    int chan = to == FROM_MAIN ? FD_MAIN : p->ike;
    struct outbox *o = to == FROM_MAIN ? &p->to_main : &p->to_ike;
    return chan >= 0 && outbox_send(o, chan, m, sizeof *m, -1, kind(m->type));
}

static void on_event(void *ctx, const struct ev_rec *rec)
{
    struct dp_msg m = {.type = DP_EVENT, .u.event = *rec};
    (void)send_value(ctx, FROM_MAIN, &m);
}

static bool is_staged(u32 type)
{
    return type == DP_CFG_TUNNEL || type == DP_CFG_FLOW || type == DP_CFG_POLICY ||
           type == DP_CFG_RPF || type == DP_CFG_SA;
}

/* take_generation: of what is not whole or holds another kind of value nothing is staged, and COMMIT's answer
 * says that the old one stays. */
static void take_generation(struct dp_proc *p, u64 asked, int fd)
{
    struct generation g;
    struct dp_msg m;
    bool ok = generation_take(&g, fd, sizeof m, asked, is_staged) && g.rest_len == 0;
    dp_ctl(p->dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_BEGIN, .u.number = asked}, -1);
    for (size_t i = 0; ok && i < g.num; i++) {
        generation_value(&g, i, &m);
        dp_ctl(p->dp, FROM_MAIN, &m, -1);
    }
    dp_ctl(p->dp, FROM_MAIN,
           &(struct dp_msg){.type = DP_CFG_COMMIT, .u.number = ok ? g.num : UINT64_MAX}, -1);
    generation_close(&g);
    mem_wipe(&m, sizeof m); /* manual keys are in it */
}

static void ike_gone(struct dp_proc *p)
{
    if (p->ike >= 0) {
        close(p->ike);
        p->ike = -1;
        outbox_clear(&p->to_ike);
    }
}

/* read_chan: 0 when the other side has gone. */
static long read_chan(struct dp_proc *p, enum dp_origin from, int chan)
{
    struct dp_msg m;
    int fd;
    long n;
    while ((n = chan_recv(chan, &m, sizeof m, &fd)) > 0) {
        if (n != (long)sizeof m) {
            if (fd >= 0) {
                close(fd); /* no value: what rides along is nobody's */
            }
            continue;
        }
        if (from == FROM_MAIN && m.type == DP_IKE_PEER && fd >= 0) {
            ike_gone(p);
            p->ike = fd;
            fd = -1;
        }
        if (from == FROM_MAIN && m.type == DP_CFG_GENERATION && fd >= 0) {
            take_generation(p, m.u.number, fd);
            close(fd);
        } else if (is_staged(m.type) || m.type == DP_CFG_BEGIN || m.type == DP_CFG_COMMIT) {
            if (fd >= 0) {
                close(fd); /* these come in a sealed generation only */
            }
        } else {
            dp_ctl(p->dp, from, &m, fd);
        }
        mem_wipe(&m, sizeof m);
    }
    return n;
}

static short wanted(const struct outbox *o)
{
    return outbox_empty(o) ? POLLIN : POLLIN | POLLOUT;
}

static bool turn(struct dp_proc *p, int timeout)
{
    enum { MAX_FDS = DP_MAX_PORTS + 2 };
    struct pollfd f[MAX_FDS];
    int fds[DP_MAX_PORTS];
    unsigned num = dp_poll_fds(p->dp, fds, DP_MAX_PORTS);
    f[0] = (struct pollfd){.fd = FD_MAIN, .events = wanted(&p->to_main)};
    f[1] = (struct pollfd){.fd = p->ike, .events = wanted(&p->to_ike)};
    for (unsigned i = 0; i < num; i++) {
        f[2 + i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    if (poll(f, 2 + num, timeout) < 0 && errno != EINTR) {
        return false;
    }
    if (f[0].revents & POLLOUT) {
        (void)outbox_flush(&p->to_main, FD_MAIN);
    }
    if (f[1].revents & POLLOUT) {
        (void)outbox_flush(&p->to_ike, p->ike);
    }
    if (f[0].revents && read_chan(p, FROM_MAIN, FD_MAIN) == 0) {
        return false;
    }
    if (f[1].revents && p->ike >= 0 && read_chan(p, FROM_IKE, p->ike) == 0) {
        ike_gone(p); /* its SAs go on working */
    }
    return true;
}

int dp_main(u32 uid)
{
    static struct dp_proc p;
    const char *why;
    p.env = env_real();
    p.ike = -1;
    outbox_init(&p.to_main);
    outbox_init(&p.to_ike);
    evlog_init(&p.log, &p.env, EVS_DP, &p, on_event);
    struct dp_env env = {.env = p.env,
                         .log = &p.log,
                         .ctx = &p,
                         .send = send_value,
                         .engine = getenv("ADIT_ENGINE")};
    signal(SIGTERM, SIG_IGN); /* a whole process group is told to end: main says when, and how */
    signal(SIGINT, SIG_IGN);
    crypto_warm_up();
    p.dp = dp_new(&env);
    if (!p.dp) {
        fprintf(stderr, "adit dp: the crypto engine does not start\n");
        return 1;
    }
    if (!rights_drop(RIGHTS_DP, uid, &why)) {
        fprintf(stderr, "adit dp: cannot %s: %s\n", why, strerror(errno));
        return 1;
    }
    u32 wait = 0;
    unsigned idle = 0;
    while (turn(&p, idle ? (int)MIN(wait, 1000u) : 0)) {
        idle = dp_run(p.dp) == 0;
        wait = dp_tick(p.dp);
    }
    dp_free(p.dp);
    return 0;
}
