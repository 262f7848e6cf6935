/*
 * proc.c: the two children. They are this same program started again with a role, so they share no memory with main
 * (and none of the configuration's secrets). Everything they need comes as values over their channel; what they say is
 * checked (value.c) before it is used. A child that ends is started again: packets keep flowing while ike is away, and
 * ike renegotiates when dp was.
 */
#include "sys/router_int.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what they say ---- */

/* refuse: counted, and said the first time and then each time the number has doubled. */
static void refuse(struct child *c, enum value_fault why)
{
    u64 count = ++c->refused[why];
    if ((count & (count - 1)) == 0) {
        ev_child_value(&c->r->log, 0, NULL,
                       &(struct evb_child_value){.name = ev_str(c->name),
                                                 .why = ev_textf("%s", value_fault_text(why)),
                                                 .count = count});
    }
}

/* is_hopeless: it says such things again and again. A late answer that nobody remembers asking for is an honest child's, too,
 * so it weighs little; nothing honest says the rest at all. */
static bool is_hopeless(struct child *c, enum value_fault why)
{
    enum { WINDOW_MS = 10000, WEIGHT_UNASKED = 1, WEIGHT = 64, MOST = 16 * WEIGHT };
    u64 now = env_now_ms(&c->r->env);
    if (now - c->blamed_ms >= WINDOW_MS) {
        c->blamed_ms = now;
        c->blame = 0;
    }
    c->blame += why == VALUE_UNASKED ? WEIGHT_UNASKED : WEIGHT;
    return c->blame >= MOST;
}

static enum value_fault on_dp(struct router *r, const struct dp_msg *m)
{
    switch (m->type) {
    case DP_EVENT: logbook_event(&r->book, &m->u.event); return VALUE_FINE;
    case DP_PONG: router_child_ready(r, CHILD_DP); return VALUE_FINE;
    case DP_TAKEN: return router_taken(r, CHILD_DP, m->tag, m->u.number) ? VALUE_FINE : VALUE_UNASKED;
    default: return ask_value(r, CHILD_DP, m->type, m->tag, &m->u);
    }
}

static enum value_fault on_ike(struct router *r, const struct ike_msg *m)
{
    switch (m->type) {
    case IKE_EVENT:
        logbook_event(&r->book, &m->u.event);
        if (m->u.event.id == EV_SESSION_STATUS && line_needs_sa(r)) {
            router_touch(r); /* an ipsec tunnel's line protocol hangs on it; thousands of peers in a map do not ask the kernel anew */
        }
        return VALUE_FINE;
    case IKE_PONG: router_child_ready(r, CHILD_IKE); return VALUE_FINE;
    case IKE_WANT_CLIENT: router_touch(r); return router_client_want(r, &m->u.want);
    case IKE_LOST_CLIENT: router_touch(r); return router_client_lost(r, m->u.number);
    case IKE_TAKEN:
        return router_taken(r, CHILD_IKE, m->tag, m->u.number) ? VALUE_FINE : VALUE_UNASKED;
    default: return ask_value(r, CHILD_IKE, m->type, m->tag, &m->u);
    }
}

static void read_values(uv_poll_t *p, int status)
{
    struct life *l = p->data;
    struct child *c = l->c;
    union {
        struct dp_msg dp;
        struct ike_msg ike;
    } m;
    const size_t size = c && c->id == CHILD_DP ? sizeof m.dp : sizeof m.ike;
    int fd = -1;
    for (int n = 0; n < 256 && c && c->life == l; n++) {
        long got = status == 0 ? chan_recv(c->chan, &m, size, &fd) : 0;
        if (fd >= 0) {
            close(fd);
        }
        if (got ==
            0) { /* it closed its channel, or says nothing at great length: of no use any more */
            uv_poll_stop(p);
            uv_process_kill(&l->proc, SIGKILL);
        }
        if (got <= 0) {
            break;
        }
        enum value_fault why = fd >= 0 ? VALUE_DESCRIPTOR : value_fault(c->id, &m, got);
        if (why == VALUE_FINE) {
            why = c->id == CHILD_DP ? on_dp(c->r, &m.dp) : on_ike(c->r, &m.ike);
        }
        if (why != VALUE_FINE) {
            refuse(c, why);
            if (is_hopeless(c, why)) {
                refuse(c, VALUE_ENDED);
                c->blame = 0;
                child_give_up(c);
                break;
            }
        }
    }
    mem_wipe(&m, sizeof m); /* SAs carry keys while the key log is on */
}

static void on_channel(uv_poll_t *p, int status, int events)
{
    struct life *l = p->data;
    if (status == 0 && (events & UV_WRITABLE) && l->c) {
        child_flush(l->c);
    }
    if (status != 0 || (events & UV_READABLE)) {
        read_values(p, status);
    }
}

/* ---- how they end ---- */

static void on_again(uv_timer_t *t)
{
    struct child *c = t->data;
    if (!c->r->ending) {
        child_start(c);
    }
}

static void on_closed(uv_handle_t *h)
{
    struct life *l = h->data;
    if (--l->handles == 0) {
        free(l);
    }
}

/* part: the child and its process have nothing to do with each other any more. */
static void part(struct child *c)
{
    uv_close((uv_handle_t *)&c->life->poll, on_closed);
    close(c->chan);
    c->chan = -1;
    outbox_clear(&c->out);
    c->life->c = NULL;
    c->life = NULL;
    c->r->running--;
    ask_lost(c->r, c->id);
}

/* ended_from_outside: somebody ends processes; perhaps main is next on the list (systemd signals a whole group). */
static bool ended_from_outside(int signal)
{
    return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

static void on_exit_child(uv_process_t *p, int64_t status, int signal)
{
    struct life *l = p->data;
    struct child *c = l->c;
    char how[64];
    uv_close((uv_handle_t *)p, on_closed);
    if (!c) {
        return;
    }
    struct router *r = c->r;
    part(c);
    if (r->ending) {
        return;
    }
    snprintf(how, sizeof how, signal ? "signal %d" : "status %d", signal ? signal : (int)status);
    ev_child_exit(
        &r->log, 0, NULL,
        &(struct evb_child_exit){.name = ev_str(c->name), .pid = (u64)p->pid, .how = ev_str(how)});
    u64 lived = env_now_ms(&r->env) - c->started_ms;
    uv_timer_start(&c->again, on_again,
                   lived < 1000                 ? 1000
                   : ended_from_outside(signal) ? 200
                                                : 0,
                   0);
}

/* ---- how they start ---- */

/* bound_env: ours, and that all functions are bound at the start: one that is bound at its first call leaves the vector
 * registers of its caller on the stack, with keys in them. The array is the caller's, its strings are not. */
static char **bound_env(void)
{
    static char bound[] = "LD_BIND_NOW=1";
    size_t num = 0;
    while (environ[num]) {
        num++;
    }
    char **env = xcalloc(num + 2, sizeof *env);
    memcpy(env, environ, num * sizeof *env);
    env[num] = bound;
    return env;
}

static bool spawn(struct child *c, struct life *l, int theirs)
{
    struct router *r = c->r;
    char role[16], uid[16];
    snprintf(role, sizeof role, "--role=%s", c->name);
    snprintf(uid, sizeof uid, "%u", r->first_uid + (u32)c->id);
    char *args[] = {(char *)(uintptr_t)r->opt->exe, role, uid, NULL};
    uv_stdio_container_t io[9] = {{.flags = UV_IGNORE},
                                  {.flags = UV_INHERIT_FD, .data.fd = 2},
                                  {.flags = UV_INHERIT_FD, .data.fd = 2},
                                  {.flags = UV_INHERIT_FD, .data.fd = theirs},
                                  {.flags = UV_INHERIT_FD, .data.fd = r->identity}};
    for (int i = 0; i < 4; i++) {
        io[5 + i] = c->id == CHILD_IKE && r->udp[i] >= 0
                        ? (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = r->udp[i]}
                        : (uv_stdio_container_t){.flags = UV_IGNORE};
    }
    uv_process_options_t o = {
        .exit_cb = on_exit_child, .file = r->opt->exe, .args = args, .stdio_count = ARRAY_LEN(io), .stdio = io};
    l->proc.data = l;
    l->handles = 1;
    o.env = bound_env();
    bool ok = uv_spawn(&r->loop, &l->proc, &o) == 0;
    free(o.env);
    if (!ok) {
        uv_close((uv_handle_t *)&l->proc, on_closed);
    }
    return ok;
}

/* run: the process and our end of its channel. */
static bool run(struct child *c)
{
    int pair[2];
    if (!chan_pair(pair)) {
        return false;
    }
    struct life *l = xcalloc(1, sizeof *l);
    bool ok = spawn(c, l, pair[1]);
    close(pair[1]);
    if (!ok) {
        close(pair[0]);
        return false;
    }
    l->c = c;
    c->life = l;
    c->chan = pair[0];
    c->r->running++;
    uv_poll_init(&c->r->loop, &l->poll, c->chan);
    l->poll.data = l;
    l->handles++;
    l->on_channel = on_channel;
    uv_poll_start(&l->poll, UV_READABLE, on_channel);
    return true;
}

void child_start(struct child *c)
{
    struct router *r = c->r;
    bool again = c->starts > 0;
    if (!run(c)) {
        ev_conf_fail(&r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str(c->name),
                                             .why = ev_textf("cannot be started; trying again")});
        uv_timer_start(&c->again, on_again, 1000, 0);
        return;
    }
    c->starts++;
    c->started_ms = env_now_ms(&r->env);
    ev_child_start(
        &r->log, 0, NULL,
        &(struct evb_child_start){.name = ev_str(c->name), .pid = (u64)c->life->proc.pid});
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

void child_end(struct child *c)
{
    uv_timer_stop(&c->again);
    if (c->life && c->id == CHILD_IKE) {
        child_send_ike(c->r, &(struct ike_msg){.type = IKE_SHUTDOWN}, -1);
    }
    if (c->life) {
        c->closing = true; /* read after everything else: then it ends by itself */
        child_flush(c);
    }
}

void child_kill(struct child *c)
{
    uv_timer_stop(&c->again);
    if (c->life) {
        uv_process_kill(&c->life->proc, SIGKILL);
    }
}
