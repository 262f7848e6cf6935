/*
 * proc.c: the two children. They are this same program started again with a role, so they share no memory with main
 * (and none of the configuration's secrets). Everything they need comes as values over their channel. A child that
 * ends is started again: packets keep flowing while ike is away, and ike renegotiates when dp was.
 */
#include "sys/router_int.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

static void on_dp(struct router *r, const struct dp_msg *m)
{
    if (m->type == DP_EVENT) {
        logbook_event(&r->book, &m->u.event);
    } else if (m->type == DP_PONG) {
        router_child_ready(r, CHILD_DP);
    } else if (m->type == DP_TAKEN) {
        plan_taken(r, CHILD_DP, m->tag, m->u.number);
    }
}

static void on_ike(struct router *r, const struct ike_msg *m)
{
    if (m->type == IKE_EVENT) {
        logbook_event(&r->book, &m->u.event);
        if (m->u.event.id == EV_SESSION_STATUS) {
            router_touch(r); /* an ipsec tunnel's line protocol hangs on it */
        }
    } else if (m->type == IKE_PONG) {
        router_child_ready(r, CHILD_IKE);
    } else if (m->type == IKE_TAKEN) {
        plan_taken(r, CHILD_IKE, m->tag, m->u.number);
    }
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct child *c = p->data;
    struct dp_msg d;
    struct ike_msg k;
    int fd;
    (void)events;
    for (int n = 0; status == 0 && n < 256 && c->chan >= 0; n++) {
        long got = c->id == CHILD_DP ? chan_recv(c->chan, &d, sizeof d, &fd)
                                     : chan_recv(c->chan, &k, sizeof k, &fd);
        if (fd >= 0) {
            close(fd); /* children send no descriptors */
        }
        if (got == 0) {
            uv_poll_stop(p); /* the exit follows */
        }
        if (got <= 0) {
            return;
        }
        if (c->id == CHILD_DP && got == (long)sizeof d) {
            on_dp(c->r, &d);
        } else if (c->id == CHILD_IKE && got == (long)sizeof k) {
            on_ike(c->r, &k);
        }
    }
}

static void on_again(uv_timer_t *t)
{
    child_start(t->data);
}

static void drop_chan(struct child *c)
{
    if (c->polling) {
        uv_poll_stop(&c->poll);
        c->polling = false;
    }
    if (c->chan >= 0) {
        close(c->chan);
        c->chan = -1;
    }
}

static void on_exit_child(uv_process_t *p, int64_t status, int signal)
{
    struct child *c = p->data;
    struct router *r = c->r;
    char how[64];
    snprintf(how, sizeof how, signal ? "signal %d" : "status %d", signal ? signal : (int)status);
    if (c->running) {
        ev_child_exit(&r->log, 0, NULL,
                      &(struct evb_child_exit){
                          .name = ev_str(c->name), .pid = (u64)p->pid, .how = ev_str(how)});
        c->running = false;
        drop_chan(c);
        u64 lived = env_now_ms(&r->env) - c->started_ms;
        uv_timer_start(&c->again, on_again, lived < 1000 ? 1000 : 0, 0);
    }
}

static bool spawn(struct child *c, int theirs)
{
    struct router *r = c->r;
    char role[16];
    snprintf(role, sizeof role, "--role=%s", c->name);
    char *args[] = {(char *)(uintptr_t)r->opt->exe, role,
                    (char *)(uintptr_t)(r->opt->engine ? r->opt->engine : ""), NULL};
    uv_stdio_container_t io[7] = {{.flags = UV_IGNORE},
                                  {.flags = UV_INHERIT_FD, .data.fd = 2},
                                  {.flags = UV_INHERIT_FD, .data.fd = 2},
                                  {.flags = UV_INHERIT_FD, .data.fd = theirs},
                                  {.flags = UV_IGNORE}};
    for (int i = 0; i < 2; i++) {
        io[5 + i] = c->id == CHILD_IKE && r->udp[i] >= 0
                        ? (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = r->udp[i]}
                        : (uv_stdio_container_t){.flags = UV_IGNORE};
    }
    uv_process_options_t o = {
        .exit_cb = on_exit_child, .file = r->opt->exe, .args = args, .stdio_count = 7, .stdio = io};
    c->proc.data = c;
    return uv_spawn(&r->loop, &c->proc, &o) == 0;
}

void child_start(struct child *c)
{
    struct router *r = c->r;
    int pair[2];
    if (!chan_pair(pair)) {
        return;
    }
    bool again = c->starts > 0;
    if (!spawn(c, pair[1])) {
        close(pair[0]);
        close(pair[1]);
        uv_timer_start(&c->again, on_again, 1000, 0);
        return;
    }
    close(pair[1]);
    c->chan = pair[0];
    c->running = true;
    c->starts++;
    c->started_ms = env_now_ms(&r->env);
    uv_poll_init(&r->loop, &c->poll, c->chan);
    c->poll.data = c;
    c->polling = true;
    uv_poll_start(&c->poll, UV_READABLE, on_readable);
    ev_child_start(&r->log, 0, NULL,
                   &(struct evb_child_start){.name = ev_str(c->name), .pid = (u64)c->proc.pid});
    if (c->id == CHILD_DP) {
        plan_give_dp(r);
    }
    child_link_peers(r);
    if (c->id == CHILD_IKE) {
        plan_give_ike(r, again);
    }
    router_send_masks(r);
    if (again) {
        router_touch(r); /* a new dp has no SAs yet: ipsec tunnels are down until it has */
    }
    if (c->id == CHILD_DP) { /* its answer comes when all before it is done */
        child_send_dp(r, &(struct dp_msg){.type = DP_PING}, -1);
    } else {
        child_send_ike(r, &(struct ike_msg){.type = IKE_PING}, -1);
    }
}

void child_stop(struct child *c)
{
    uv_timer_stop(&c->again);
    if (c->running) {
        c->running = false;
        drop_chan(c);
        uv_process_kill(&c->proc, SIGTERM);
    }
}

void child_send_dp(struct router *r, const struct dp_msg *m, int fd)
{
    if (r->child[CHILD_DP].chan >= 0 &&
        !chan_send(r->child[CHILD_DP].chan, m, sizeof *m, fd, true)) {
        ev_conf_fail(&r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str("dp"),
                                             .why = ev_textf("value %u was not taken", m->type)});
    }
}

void child_send_ike(struct router *r, const struct ike_msg *m, int fd)
{
    if (r->child[CHILD_IKE].chan >= 0 &&
        !chan_send(r->child[CHILD_IKE].chan, m, sizeof *m, fd, true)) {
        ev_conf_fail(&r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str("ike"),
                                             .why = ev_textf("value %u was not taken", m->type)});
    }
}

void child_link_peers(struct router *r)
{
    int pair[2];
    if (r->child[CHILD_DP].chan < 0 || r->child[CHILD_IKE].chan < 0 || !chan_pair(pair)) {
        return;
    }
    child_send_dp(r, &(struct dp_msg){.type = DP_IKE_PEER}, pair[0]);
    child_send_ike(r, &(struct ike_msg){.type = IKE_DP_PEER}, pair[1]);
    close(pair[0]);
    close(pair[1]);
}

/* ---- asking ---- */

enum { ASK_MS = 2000 };

/* wait_chan: until the channel is readable or the deadline has passed. */
static bool wait_chan(struct router *r, int chan, u64 until)
{
    u64 now = env_now_ms(&r->env);
    struct pollfd p = {.fd = chan, .events = POLLIN};
    return now < until && poll(&p, 1, (int)(until - now)) > 0;
}

/* Both kinds of messages begin alike, and their value stands at the same place. */
_Static_assert(offsetof(struct dp_msg, type) == offsetof(struct ike_msg, type) &&
                   offsetof(struct dp_msg, tag) == offsetof(struct ike_msg, tag) &&
                   offsetof(struct dp_msg, u) == offsetof(struct ike_msg, u),
               "one ask() serves both children");

bool ask(struct router *r, enum child_id id, u32 what, void (*got)(void *ctx, const void *value),
         void *ctx)
{
    union {
        struct dp_msg dp;
        struct ike_msg ike;
    } m = {.dp = {.type = what, .tag = ++r->tag}};
    const size_t size = id == CHILD_DP ? sizeof m.dp : sizeof m.ike;
    const u32 end = id == CHILD_DP ? DP_END : IKE_END,
              event = id == CHILD_DP ? DP_EVENT : IKE_EVENT;
    u64 until = env_now_ms(&r->env) + ASK_MS;
    int chan = r->child[id].chan, fd;
    if (chan < 0 || !chan_send(chan, &m, size, -1, true)) {
        return false;
    }
    while (wait_chan(r, chan, until)) {
        long n = chan_recv(chan, &m, sizeof m, &fd);
        if (n == 0) {
            return false;
        }
        if (n != (long)size) {
            continue;
        }
        if (m.dp.tag != r->tag || m.dp.type == event) {
            id == CHILD_DP ? on_dp(r, &m.dp) : on_ike(r, &m.ike);
        } else if (m.dp.type == end) {
            return true;
        } else {
            got(ctx, &m.dp.u);
        }
    }
    return false;
}
