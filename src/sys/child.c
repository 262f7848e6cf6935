/*
 * child.c: values for ike and dp (src/ike/ike.h, src/dp/dp.h), sent by whoever has one. proc.c starts the children and hears
 * what they say.
 */
#include "sys/router_int.h"

#include <unistd.h>

bool child_ask(struct child *c, u32 what, u32 tag)
{
    struct dp_msg d = {.type = what, .tag = tag};
    struct ike_msg k = {.type = what, .tag = tag};
    return c->chan >= 0 && (c->id == CHILD_DP ? chan_send(c->chan, &d, sizeof d, -1, false)
                                              : chan_send(c->chan, &k, sizeof k, -1, false));
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

void router_send_masks(struct router *r)
{
    u32 mask = EVC_LOG | r->debug_mask;
    child_send_dp(r, &(struct dp_msg){.type = DP_SET_MASK, .u.number = mask}, -1);
    child_send_ike(r, &(struct ike_msg){.type = IKE_SET_MASK, .u.number = mask}, -1);
    child_send_dp(r, &(struct dp_msg){.type = DP_SET_KEYLOG, .u.number = r->keylog}, -1);
    child_send_ike(r, &(struct ike_msg){.type = IKE_SET_KEYLOG, .u.number = r->keylog}, -1);
    r->log.mask = mask;
}
