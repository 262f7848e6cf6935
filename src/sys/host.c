/*
 * host.c: the living router as the console sees it (struct cli_host): looks at ike and dp, links and routes from the
 * kernel, the configuration in memory and on disk.
 */
#include "sys/router_int.h"

#include <stdlib.h>
#include <unistd.h>

static struct conf *host_conf(void *ctx)
{
    return ((struct router *)ctx)->conf;
}

static void host_apply(void *ctx)
{
    struct router *r = ctx;
    conf_seal(r->conf, &r->env);
    (void)startup_keep_master(r);
    (void)keystore_keep(r);
    if (r->conf->typing) { /* lines come in bursts; what is covered only grows meanwhile (conf/cover.c) */
        r->typed = true;
        router_touch(r);
    } else {
        router_apply(r);
    }
}

static void host_configured(void *ctx, const char *from, const char *who)
{
    struct router *r = ctx;
    ev_sys_config(&r->log, 0, NULL,
                  &(struct evb_sys_config){.from = ev_str(from), .who = ev_str(who)});
    if (r->typed) {
        router_apply(r);
    }
}

static void host_unfinished(void *ctx)
{
    struct router *r = ctx;
    ev_conf_unfinished(&r->log, 0, NULL, &(struct evb_conf_unfinished){.from = ev_str("console")});
}

static bool host_possible(void *ctx, const struct conf *c, struct conf_finding *out)
{
    return router_possible(ctx, c, out);
}

static bool host_save(void *ctx, const char *text)
{
    struct router *r = ctx;
    struct strbuf where = {0};
    bool ok = r->opt->write_back ? startup_save_file(r, text, &where) : startup_save(r, text);
    sb_free(&where);
    return ok;
}

static bool host_save_file(void *ctx, const char *text, struct strbuf *where)
{
    return startup_save_file(ctx, text, where);
}

static char *host_startup(void *ctx)
{
    const char *from;
    return startup_text(ctx, &from, false);
}

static bool host_link(void *ctx, const char *ifname, struct cli_link *out)
{
    struct router *r = ctx;
    char name[16];
    struct kern_link l;
    memset(out, 0, sizeof *out);
    str_copy(out->name, sizeof out->name, ifname);
    router_kernel_name(r, name, ifname);
    if (!kern_link_get(r->kern, name, &l)) {
        return false;
    }
    *out = (struct cli_link){.exists = true,
                             .admin_up = l.up,
                             .carrier = l.carrier,
                             .mtu = l.mtu,
                             .rx_packets = l.rx_packets,
                             .rx_bytes = l.rx_bytes,
                             .tx_packets = l.tx_packets,
                             .tx_bytes = l.tx_bytes,
                             .rx_errors = l.rx_errors,
                             .tx_errors = l.tx_errors,
                             .rx_drops = l.rx_drops,
                             .tx_drops = l.tx_drops};
    str_copy(out->name, sizeof out->name, ifname);
    memcpy(out->mac, l.mac, sizeof out->mac);
    return true;
}

static bool host_route(void *ctx, const struct addr *dst, char out_if[CONF_IFNAME],
                       struct addr *out_gw)
{
    struct router *r = ctx;
    char link[NL_NAME];
    if (!kern_route_to(r->kern, dst, link, out_gw)) {
        return false;
    }
    router_console_name(r, out_if, link);
    return true;
}

static u32 host_debug(void *ctx)
{
    return ((struct router *)ctx)->debug_mask;
}

static void host_set_debug(void *ctx, u32 mask)
{
    struct router *r = ctx;
    r->debug_mask = mask;
    router_send_masks(r);
}

static void host_clear(void *ctx, enum ike_msg_type what, const struct ike_clear_value *v)
{
    child_send_ike(ctx, &(struct ike_msg){.type = what, .u.clear = *v}, -1);
}

static void host_clear_counters(void *ctx, u32 flow)
{
    child_send_dp(ctx, &(struct dp_msg){.type = DP_CLEAR_COUNTERS, .u.number = flow}, -1);
}

static bool host_ping(void *ctx, struct session *s, const struct cli_ping *p, struct strbuf *error)
{
    return ping_start(ctx, s, p, error);
}

static void host_ping_stop(void *ctx, struct session *s)
{
    ping_stop(ctx, s);
}

static bool host_vtysh(void *ctx, struct session *s, const char *command)
{
    return frr_vtysh(((struct router *)ctx)->frr, s, command);
}

static void host_vtysh_stop(void *ctx, struct session *s)
{
    vtysh_stop(ctx, s);
}

static void host_look(void *ctx, struct session *s)
{
    look_start(ctx, s);
}

static void host_look_stop(void *ctx, struct session *s)
{
    look_stop(ctx, s);
}

struct hole_walk {
    void (*fn)(void *arg, const struct prefix *net, u32 tunnel, bool learned);
    void *arg;
    struct plan_list *doomed; /* learned ones of net, struct kern_route_value */
    const struct prefix *net;
};

static void on_hole(void *ctx, const struct kern_route_value *r)
{
    const struct hole_walk *w = ctx;
    if (r->proto != NL_PROTO || r->kind != NLR_BLACKHOLE || r->metric < HOLE_METRIC ||
        r->metric > HOLE_LEARNED + 0xffff) {
        return;
    }
    bool learned = r->metric >= HOLE_LEARNED;
    if (w->fn) {
        w->fn(w->arg, &r->net, r->metric & 0xffff, learned);
    } else if (learned && (!w->net || prefix_equal(&r->net, w->net))) {
        *(struct kern_route_value *)plan_add(w->doomed) = *r;
    }
}

static void walk_holes(struct router *r, struct hole_walk *w)
{
    if (!kern_each_route(r->kern, on_hole, w)) {
        apply_complain(r, "blackholes", "", "the kernel did not tell all its routes");
    }
}

static void host_each_hole(
    void *ctx, void (*fn)(void *arg, const struct prefix *net, u32 tunnel, bool learned), void *arg)
{
    struct router *r = ctx;
    walk_holes(r, &(struct hole_walk){.fn = fn, .arg = arg});
}

static unsigned host_clear_holes(void *ctx, const struct prefix *net)
{
    struct router *r = ctx;
    struct plan_list doomed = {.size = sizeof(struct kern_route_value)};
    unsigned num = 0;
    walk_holes(r, &(struct hole_walk){.doomed = &doomed, .net = net});
    const struct kern_route_value *v = doomed.items;
    for (size_t i = 0; i < doomed.num; i++) {
        num += kern_route_change(r->kern, &v[i], false) == NULL;
    }
    free(doomed.items);
    router_apply(r);
    return num;
}

static u64 host_uptime(void *ctx)
{
    struct router *r = ctx;
    return (env_now_ms(&r->env) - r->started_ms) / 1000;
}

static const char *host_log(void *ctx)
{
    return ((struct router *)ctx)->book.ring;
}

static bool host_set_keylog(void *ctx, bool on)
{
    struct router *r = ctx;
    r->keylog = on;
    router_send_masks(r);
    return true;
}

static bool host_keylog(void *ctx)
{
    return ((struct router *)ctx)->keylog;
}

void router_host(struct router *r)
{
    r->host = (struct cli_host){.ctx = r,
                                .conf = host_conf,
                                .apply = host_apply,
                                .configured = host_configured,
                                .unfinished = host_unfinished,
                                .possible = host_possible,
                                .save = host_save,
                                .save_file = host_save_file,
                                .startup = host_startup,
                                .look = host_look,
                                .look_stop = host_look_stop,
                                .link = host_link,
                                .route = host_route,
                                .debug = host_debug,
                                .set_debug = host_set_debug,
                                .clear = host_clear,
                                .clear_counters = host_clear_counters,
                                .ping = host_ping,
                                .ping_stop = host_ping_stop,
                                .vtysh = host_vtysh,
                                .vtysh_stop = host_vtysh_stop,
                                .uptime_s = host_uptime,
                                .log = host_log,
                                .set_keylog = host_set_keylog,
                                .keylog = host_keylog,
                                .each_hole = host_each_hole,
                                .clear_holes = host_clear_holes};
}
