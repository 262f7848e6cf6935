/*
 * ctl.c: values from main and ike come in here (dp.h: enum dp_msg_type), between two turns of the
 * graph. What exists (tunnels, flows, policies, RPF networks) is collected in the second
 * configuration and replaces the first whole at COMMIT, or not at all: COMMIT says how many values
 * there must be, and TAKEN tells main which generation is in force. SAs, counters and held packets
 * of flows that stay, stay.
 */
#include "dp/dp_int.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void complain(struct dp *dp, const char *what, const char *why)
{
    ev_conf_fail(dp->w.log, 0, NULL,
                 &(struct evb_conf_fail){.what = ev_str(what), .why = ev_textf("%s", why)});
}

/* ---- ports ----------------------------------------------------------------------------------- */
/* Descriptors come ready made: non-blocking, with IPV6_RECVPKTINFO on IPv6 raw sockets. Whoever
 * opens them (main) sets that: under its seccomp filter the data plane cannot change a socket. */

static void port_close(struct port *p)
{
    if (p->used && p->fd >= 0) {
        close(p->fd);
    }
    *p = (struct port){.fd = -1};
}

static void port_add(struct dp *dp, const struct dp_port_value *v, int fd)
{
    if (v->id >= DP_MAX_PORTS) {
        if (fd >= 0) {
            close(fd);
        }
        complain(dp, v->name, "port number out of range");
        return;
    }
    struct port *p = &dp->port[v->id];
    port_close(p);
    *p = (struct port){.used = true, .val = *v, .fd = fd, .ops = port_ops_of(v, fd)};
    port_bind(dp);
}

/* ---- a generation ---------------------------------------------------------------------------- */

static void stage(struct dp *dp, const struct dp_msg *m)
{
    struct config *c = &dp->cfg[1 - dp->live];
    bool ok = true;
    switch (m->type) {
    case DP_CFG_TUNNEL:
        ok = c->num_tunnels < DP_MAX_TUNNELS && m->u.tunnel.link <= DP_MAX_LINKS &&
             m->u.tunnel.mode <= TUN_IPSEC_IPV6 && addr_valid(&m->u.tunnel.src) &&
             addr_valid(&m->u.tunnel.dst);
        if (ok) {
            c->tunnel[c->num_tunnels++] = m->u.tunnel;
        }
        break;
    case DP_CFG_FLOW:
        ok = c->num_flows < MAX_FLOWS && m->u.flow.link <= DP_MAX_LINKS &&
             addr_valid(&m->u.flow.local) && addr_valid(&m->u.flow.peer);
        if (ok) {
            c->flow[c->num_flows++] = m->u.flow;
        }
        break;
    case DP_CFG_POLICY:
        ok = c->num_policies < MAX_POLICIES && m->u.policy.link &&
             m->u.policy.link <= DP_MAX_LINKS && m->u.policy.action <= ACT_SKIP &&
             selector_valid(&m->u.policy.sel);
        if (ok) {
            struct policy *p = &c->policy[c->num_policies++];
            *p = (struct policy){.val = m->u.policy};
            selector_compile(&p->ready, &p->val.sel);
        }
        break;
    case DP_CFG_RPF:
        ok = c->num_rpf < MAX_RPF && prefix_valid(&m->u.rpf.net);
        if (ok) {
            c->rpf[c->num_rpf++] = m->u.rpf;
        }
        break;
    case DP_CFG_SA: ok = manual_stage(c, &m->u.sa); break;
    default: break;
    }
    c->overflow = c->overflow || !ok;
}

static struct tunnel *tunnel_slot(struct dp *dp, u32 id)
{
    struct tunnel *empty = NULL;
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        struct tunnel *t = &dp->tunnel[i];
        if (t->used && t->val.id == id) {
            return t;
        }
        empty = !t->used && !empty ? t : empty;
    }
    if (empty) {
        *empty = (struct tunnel){.used = true, .ip_id = (u16)env_random_u32(&dp->env.env)};
        empty->val.id = id;
    }
    return empty;
}

/* Everything that follows from a tunnel's value. */
static void tunnel_set(struct dp *dp, struct tunnel *t, const struct dp_tunnel_value *v)
{
    static const u8 proto[] = {
        [TUN_GRE_IP] = IPPROTO_GRE_,  [TUN_GRE_IPV6] = IPPROTO_GRE_, [TUN_IPIP] = IPPROTO_IPIP_,
        [TUN_IPV6IP] = IPPROTO_IPV6_, [TUN_IPSEC_IPV4] = 0,          [TUN_IPSEC_IPV6] = 0};
    if (!addr_equal(&t->val.dst, &v->dst)) {
        t->learned_mtu = 0;
    }
    t->val = *v;
    t->proto = v->mode <= TUN_IPSEC_IPV6 ? proto[v->mode] : 0;
    t->gre_flags = (u16)((v->flags & TF_CHECKSUM ? GRE_C : 0) | (v->flags & TF_KEY ? GRE_K : 0) |
                         (v->flags & TF_SEQUENCE ? GRE_S : 0));
    t->encap_len = 0;
    if (t->proto) {
        t->encap_len = (u8)(ip_hdr_len(v->src.family) +
                            (t->proto == IPPROTO_GRE_ ? gre_len(t->gre_flags) : 0));
    }
    t->flow = v->flow ? flow_make(dp, v->flow) : NULL;
    t->down = addr_is_any(&v->src) || addr_is_any(&v->dst) || ((v->flow || !t->proto) && !t->flow);
    if (t->flow) {
        t->flow->configured = true;
        t->next_shared = t->flow->tun;
        t->flow->tun = t;
        if (t->flow->val.peer.family == AF_NONE) {
            t->flow->val.local = v->src;
            t->flow->val.peer = v->dst;
        }
        if (!t->flow->val.path_mtu) {
            t->flow->val.path_mtu = v->path_mtu;
        }
    }
}

static void commit_tunnels(struct dp *dp, struct config *c)
{
    bool keep[DP_MAX_TUNNELS] = {false};
    for (unsigned i = 0; i < DP_MAX_TUNNELS;
         i++) { /* those that go first, so that their slots are free */
        for (unsigned k = 0; k < c->num_tunnels; k++) {
            keep[i] = keep[i] || (dp->tunnel[i].used && c->tunnel[k].id == dp->tunnel[i].val.id);
        }
        dp->tunnel[i].used = keep[i];
    }
    for (unsigned k = 0; k < c->num_tunnels; k++) {
        struct tunnel *t = tunnel_slot(dp, c->tunnel[k].id);
        if (t) {
            tunnel_set(dp, t, &c->tunnel[k]);
        }
    }
}

static void commit_policies(struct dp *dp, struct config *c)
{
    policy_settle(c);
    for (unsigned i = 0; i < c->num_policies; i++) {
        struct policy *p = &c->policy[i];
        if (p->val.action == ACT_PROTECT) {
            p->flow = flow_make(dp, p->val.flow);
            if (p->flow) {
                p->flow->configured = true;
                p->flow->val.path_mtu =
                    p->flow->val.path_mtu ? p->flow->val.path_mtu : p->val.path_mtu;
            }
        }
    }
}

static void flow_wanted(struct dp *dp, u32 id)
{
    struct flow *f = flow_get(dp, id);
    if (f) {
        f->configured = true;
    }
}

/* Flows whose line is gone lose their SAs, and with them the right to let packets in; their slots are
 * free for the new ones. */
static void drop_flows(struct dp *dp, const struct config *c)
{
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        dp->flow[i].configured = false;
    }
    for (unsigned i = 0; i < c->num_flows; i++) {
        flow_wanted(dp, c->flow[i].flow);
    }
    for (unsigned i = 0; i < c->num_tunnels; i++) {
        flow_wanted(dp, c->tunnel[i].flow);
    }
    for (unsigned i = 0; i < c->num_policies; i++) {
        flow_wanted(dp, c->policy[i].val.flow);
    }
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        struct flow *f = &dp->flow[i];
        if (f->id && !f->configured) {
            hold_drop(&dp->w, f, DROP_NOT_FOR_US);
            sa_del_flow(dp, f);
            graph_run(&dp->w); /* the drops still point at the flow */
            *f = (struct flow){0};
        }
    }
}

static void take_flows(struct dp *dp, const struct config *c)
{
    for (unsigned i = 0; i < c->num_flows; i++) {
        struct flow *f = flow_make(dp, c->flow[i].flow);
        if (f) {
            if (!addr_equal(&f->val.peer, &c->flow[i].peer)) {
                f->learned_mtu = 0;
            }
            f->val = c->flow[i];
            f->configured = true;
        }
    }
}

/* Held packets whose way changed are dropped rather than sent astray. */
static void settle_flows(struct dp *dp, struct tunnel *const *was)
{
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        struct flow *f = &dp->flow[i];
        if (f->id && f->tun != was[i]) {
            hold_drop(&dp->w, f, DROP_NOT_FOR_US);
        }
        if (f->id) {
            flow_remtu(f);
        }
    }
    graph_run(&dp->w);
}

/* fits: every flow the generation names finds a place. */
static bool fits(const struct config *c)
{
    unsigned bare = 0; /* tunnels with a flow id and no flow: what would have to be protected */
    for (unsigned i = 0; i < c->num_tunnels; i++) {
        u32 id = c->tunnel[i].flow;
        bool has = id == 0;
        for (unsigned k = 0; !has && k < c->num_flows; k++) {
            has = c->flow[k].flow == id;
        }
        bare += !has;
    }
    return c->num_flows + bare <= MAX_FLOWS;
}

static void commit(struct dp *dp, struct config *c)
{
    static struct tunnel *was[MAX_FLOWS]; /* 32 KB: not on the stack */
    drop_flows(dp, c);
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        was[i] = dp->flow[i].tun;
        dp->flow[i].tun = NULL;
    }
    take_flows(dp, c);
    commit_tunnels(dp, c);
    commit_policies(dp, c);
    const char *why = manual_take(dp, c);
    if (why) {
        complain(dp, "manual keys", why);
    }
    memset(dp->w.cut, 0, sizeof dp->w.cut); /* what the old lines said of fragments */
    dp->live = 1 - dp->live;
    dp->committed = true;
    port_bind(dp);
    far_end_settle(dp);
    settle_flows(dp, was);
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        if (dp->tunnel[i].used) {
            mtu_tunnel(&dp->tunnel[i]);
        }
    }
}

static void config_begin(struct dp *dp, u64 number)
{
    struct config *c = &dp->cfg[1 - dp->live];
    c->num_tunnels = c->num_flows = c->num_policies = c->num_rpf = 0;
    manual_forget(c);
    c->number = number;
    c->overflow = false;
}

static void config_commit(struct dp *dp, u64 values)
{
    struct config *c = &dp->cfg[1 - dp->live];
    u64 have = (u64)c->num_tunnels + c->num_flows + c->num_policies + c->num_rpf + c->num_sas;
    if (c->overflow || !fits(c)) { /* half a policy would let packets out in clear */
        complain(dp, "configuration",
                 "more tunnels, flows, policies or networks than fit; the old one stays");
    } else if (have != values) {
        complain(dp, "configuration", "it did not arrive whole; the old one stays");
    } else {
        commit(dp, c);
    }
    manual_forget(c);
    struct dp_msg taken = {.tag = (u32)c->number, .u.number = cfg_live(dp)->number};
    (void)dp_tell(dp, FROM_MAIN, DP_TAKEN, &taken);
}

/* ---- SAs, questions -------------------------------------------------------------------------- */

/* is_manuals: the value would touch an SA with manual keys, or the flow of one. */
static bool is_manuals(struct dp *dp, const struct dp_msg *m)
{
    const struct dp_sa_value *v = &m->u.sa;
    const struct dp_del_value *d = &m->u.del;
    return m->type == DP_ADD_SA ? is_manual(flow_get(dp, v->flow)) ||
                                      manual_holds(dp, v->spi, v->proto, v->dir, &v->dst, v->flow)
                                : manual_holds(dp, d->spi, d->proto, d->dir, &d->dst, d->flow);
}

static void add_sa(struct dp *dp, enum dp_origin from, const struct dp_msg *m)
{
    struct sa *sa = is_manuals(dp, m) ? NULL : sa_add(dp, &m->u.sa);
    if (!sa) {
        complain(dp, "add SA",
                 "refused: algorithms, key lengths, addresses or UDP encapsulation not supported, "
                 "manual keys are there, or full");
        if (from == FROM_IKE) {
            struct dp_msg no = {.u.expire = {.flow = m->u.sa.flow,
                                             .spi = m->u.sa.spi,
                                             .dir = m->u.sa.dir,
                                             .hard = true,
                                             .dst = m->u.sa.dst}};
            (void)dp_tell(dp, FROM_IKE, DP_SA_REFUSED, &no);
        }
        return;
    }
    if (sa->val.dir == SA_OUT) {
        hold_flush(&dp->w, sa->h.flow);
        graph_run(&dp->w);
    }
}

static void clear_counters(struct dp *dp, u64 flow)
{
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        struct flow *f = &dp->flow[i];
        if (f->id && (flow == 0 || f->id == flow)) {
            f->encaps = f->decaps = f->send_errors = f->recv_errors = f->drops_in = f->drops_out =
                0;
        }
    }
    if (flow == 0) {
        memset(dp->w.drops, 0, sizeof dp->w.drops);
        for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
            struct tunnel *t = &dp->tunnel[i];
            t->rx_packets = t->rx_bytes = t->tx_packets = t->tx_bytes = t->rx_errors =
                t->tx_errors = 0;
            t->rx_rate.bytes = t->rx_rate.packets = t->tx_rate.bytes = t->tx_rate.packets = 0;
        }
    }
}

/* What needs no more than a line. */
static void small(struct dp *dp, enum dp_origin from, const struct dp_msg *m)
{
    struct dp_msg pong = {.tag = m->tag, .u.number = m->u.number};
    struct sa *sa;
    switch (m->type) {
    case DP_CFG_PORT_DEL:
        if (m->u.port.id < DP_MAX_PORTS) {
            port_close(&dp->port[m->u.port.id]);
        }
        break;
    case DP_SET_MASK: dp->w.log->mask = (u32)m->u.number | EVC_LOG; break;
    case DP_SET_KEYLOG: dp->keylog = m->u.number != 0; break;
    case DP_PING: (void)dp_tell(dp, from, DP_PONG, &pong); break;
    case DP_CLEAR_COUNTERS: clear_counters(dp, m->u.number); break;
    case DP_SET_SILENCE: dp->silence_s = (u32)MIN(MAX(m->u.number, 1), 3600); break;
    case DP_SET_HEARD: dp->heard_s = (u32)MIN(m->u.number, 3600); break;
    case DP_MOVE_SA: udp_move(dp, &m->u.moved); break;
    case DP_DEL_SA:
        sa = is_manuals(dp, m) ? NULL
                               : sa_lookup(dp, m->u.del.spi, m->u.del.proto, m->u.del.dir, &m->u.del.dst,
                                           m->u.del.flow);
        if (sa && sa->val.dir == SA_IN && m->u.del.linger_ms) {
            sa->gone_ms = dp->w.now_ms + m->u.del.linger_ms;
        } else if (sa) {
            sa_del(dp, sa);
        }
        break;
    default: dp_show_answer(dp, from, m); break;
    }
}

/* may_say: the key daemon parses strangers' bytes: should one have taken it over, it still cannot say
 * what is protected, nor hand over a port. */
static bool may_say(enum dp_origin from, u32 type)
{
    return from == FROM_MAIN || type == DP_ADD_SA || type == DP_DEL_SA || type == DP_MOVE_SA || type == DP_GET_SAS ||
           type == DP_GET_FLOWS || type == DP_SET_SILENCE || type == DP_SET_HEARD ||
           type == DP_PING;
}

void dp_ctl(struct dp *dp, enum dp_origin from, const struct dp_msg *m, int fd)
{
    dp->w.now_ms = env_now_ms(&dp->env.env);
    if (!may_say(from, m->type)) {
        complain(dp, "value", "not the key daemon's to say; it changes nothing");
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    switch (m->type) {
    case DP_CFG_PORT:
        port_add(dp, &m->u.port, fd);
        fd = -1; /* the port's now */
        break;
    case DP_CFG_BEGIN: config_begin(dp, m->u.number); break;
    case DP_CFG_TUNNEL:
    case DP_CFG_FLOW:
    case DP_CFG_POLICY:
    case DP_CFG_RPF:
    case DP_CFG_SA: stage(dp, m); break;
    case DP_CFG_COMMIT: config_commit(dp, m->u.number); break;
    case DP_ADD_SA: add_sa(dp, from, m); break;
    default: small(dp, from, m); break;
    }
    if (fd >= 0) {
        close(fd); /* nobody wanted it */
    }
}
