/*
 * child.c: values for ike and dp (src/ike/ike.h, src/dp/dp.h), sent by whoever has one. proc.c starts the children and hears
 * what they say.
 */
#include "sys/router_int.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* watch: room in the channel is of interest only while something waits for it. */
static void watch(struct child *c)
{
    int events = outbox_empty(&c->out) ? UV_READABLE : UV_READABLE | UV_WRITABLE;
    uv_poll_start(&c->life->poll, events, c->life->on_channel);
}

void child_give_up(struct child *c)
{
    uv_poll_stop(&c->life->poll);
    uv_process_kill(&c->life->proc, SIGKILL);
}

void child_flush(struct child *c)
{
    if (!outbox_flush(&c->out, c->chan)) {
        return;
    }
    watch(c);
    if (c->closing) {
        (void)shutdown(c->chan, SHUT_WR);
    }
}

static bool send_value(struct child *c, const void *value, size_t len, int fd,
                       enum outbox_value which)
{
    if (c->chan < 0) {
        return false;
    }
    bool waited = !outbox_empty(&c->out),
         sent = outbox_send(&c->out, c->chan, value, len, fd, which);
    if (waited != !outbox_empty(&c->out)) {
        watch(c);
    }
    return sent;
}

bool child_ask(struct child *c, u32 what, u32 tag)
{
    struct dp_msg d = {.type = what, .tag = tag};
    struct ike_msg k = {.type = what, .tag = tag};
    return c->id == CHILD_DP ? send_value(c, &d, sizeof d, -1, OUTBOX_LOSSY)
                             : send_value(c, &k, sizeof k, -1, OUTBOX_LOSSY);
}

static void send_kept(struct child *c, const void *value, size_t len, int fd, u32 type,
                      enum outbox_value which)
{
    if (c->chan >= 0 && !c->closing && !send_value(c, value, len, fd, which)) {
        ev_conf_fail(&c->r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str(c->name),
                                             .why = ev_textf("value %u was not taken", type)});
        child_give_up(c);
    }
}

void child_send_dp(struct router *r, const struct dp_msg *m, int fd)
{
    send_kept(&r->child[CHILD_DP], m, sizeof *m, fd, m->type, OUTBOX_KEPT);
}

void child_send_ike(struct router *r, const struct ike_msg *m, int fd)
{
    send_kept(&r->child[CHILD_IKE], m, sizeof *m, fd, m->type, OUTBOX_KEPT);
}

void child_send_generation(struct router *r, enum child_id id, u64 number, int fd,
                           enum outbox_value which)
{
    struct dp_msg d = {.type = DP_CFG_GENERATION, .u.number = number};
    struct ike_msg k = {.type = IKE_CFG_GENERATION, .u.number = number};
    if (id == CHILD_DP) {
        send_kept(&r->child[id], &d, sizeof d, fd, d.type, which);
    } else {
        send_kept(&r->child[id], &k, sizeof k, fd, k.type, which);
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

void router_send_masks(struct router *r)
{
    u32 mask = EVC_LOG | r->debug_mask;
    child_send_dp(r, &(struct dp_msg){.type = DP_SET_MASK, .u.number = mask}, -1);
    child_send_ike(r, &(struct ike_msg){.type = IKE_SET_MASK, .u.number = mask}, -1);
    child_send_dp(r, &(struct dp_msg){.type = DP_SET_KEYLOG, .u.number = r->keylog}, -1);
    child_send_ike(r, &(struct ike_msg){.type = IKE_SET_KEYLOG, .u.number = r->keylog}, -1);
    r->log.mask = mask;
}
