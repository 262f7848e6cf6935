/*
 * host.c: the living router as the console sees it (struct cli_host): snapshots from ike and dp, links and routes from
 * the kernel, the configuration in memory and on disk.
 */
#include "sys/router_int.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- snapshots ---- */

/* One growing array per kind of answer. */
struct grow {
    void *items;
    size_t num, cap, size;
};

static void grow_add(struct grow *g, const void *value)
{
    if (g->num == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 16;
        void *bigger = xcalloc(g->cap, g->size);
        if (g->num) {
            memcpy(bigger, g->items, g->num * g->size);
        }
        free(g->items);
        g->items = bigger;
    }
    memcpy((char *)g->items + g->num++ * g->size, value, g->size);
}

static void got(void *ctx, const void *value)
{
    grow_add(ctx, value);
}

struct cli_snapshot *router_snapshot(void *ctx)
{
    struct router *r = ctx;
    struct cli_snapshot *s = xcalloc(1, sizeof *s);
    struct grow sas = {.size = sizeof *s->sas}, children = {.size = sizeof *s->children},
                kflows = {.size = sizeof *s->ike_flows}, dsas = {.size = sizeof *s->dp_sas},
                dflows = {.size = sizeof *s->dp_flows}, tunnels = {.size = sizeof *s->tunnels},
                drops = {.size = sizeof *s->drops}, counts = {.size = sizeof *s->ike_counts};
    bool ike = ask(r, CHILD_IKE, IKE_GET_SAS, got, &sas) &&
               ask(r, CHILD_IKE, IKE_GET_CHILDREN, got, &children) &&
               ask(r, CHILD_IKE, IKE_GET_FLOWS, got, &kflows) &&
               ask(r, CHILD_IKE, IKE_GET_COUNTS, got, &counts);
    bool dp = ask(r, CHILD_DP, DP_GET_SAS, got, &dsas) &&
              ask(r, CHILD_DP, DP_GET_FLOWS, got, &dflows) &&
              ask(r, CHILD_DP, DP_GET_TUNNELS, got, &tunnels) &&
              ask(r, CHILD_DP, DP_GET_DROPS, got, &drops);
    s->error = !ike  ? "the key daemon does not answer"
               : !dp ? "the data plane does not answer"
                     : NULL;
    s->sas = sas.items, s->num_sas = sas.num;
    s->children = children.items, s->num_children = children.num;
    s->ike_flows = kflows.items, s->num_ike_flows = kflows.num;
    s->dp_sas = dsas.items, s->num_dp_sas = dsas.num;
    s->dp_flows = dflows.items, s->num_dp_flows = dflows.num;
    s->tunnels = tunnels.items, s->num_tunnels = tunnels.num;
    s->drops = drops.items, s->num_drops = drops.num;
    s->ike_counts = counts.items, s->num_ike_counts = counts.num;
    s->num_flows = r->plan.flows.num;
    s->flows = xcalloc(s->num_flows, sizeof *s->flows);
    if (s->num_flows) {
        memcpy(s->flows, r->plan.flows.items, s->num_flows * sizeof *s->flows);
    }
    return s;
}

void router_snapshot_free(struct cli_snapshot *s)
{
    void *all[] = {s->sas,      s->children, s->ike_flows, s->dp_sas,
                   s->dp_flows, s->tunnels,  s->drops,     s->flows,     s->ike_counts};
    if (s->dp_sas) {
        mem_wipe(s->dp_sas, s->num_dp_sas * sizeof *s->dp_sas);
    }
    if (s->sas) {
        mem_wipe(s->sas, s->num_sas * sizeof *s->sas);
    }
    for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
        free(all[i]);
    }
    free(s);
}

/* ---- the rest ---- */

static struct conf *host_conf(void *ctx)
{
    return ((struct router *)ctx)->conf;
}

static void host_apply(void *ctx)
{
    router_apply(ctx);
}

static void host_configured(void *ctx, const char *from, const char *who)
{
    struct router *r = ctx;
    ev_sys_config(&r->log, 0, NULL,
                  &(struct evb_sys_config){.from = ev_str(from), .who = ev_str(who)});
}

static bool host_save(void *ctx, const char *text)
{
    struct router *r = ctx;
    char part[512];
    snprintf(part, sizeof part, "%s.new", r->opt->config);
    FILE *f = fopen(part, "we");
    bool ok = f && fputs(text, f) >= 0 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    if (f) {
        ok = fclose(f) == 0 && ok;
    }
    return ok && rename(part, r->opt->config) == 0;
}

static char *host_startup(void *ctx)
{
    return cli_read_file(((struct router *)ctx)->opt->config);
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

static void host_vtysh(void *ctx, const char *command, struct strbuf *out)
{
    frr_vtysh(((struct router *)ctx)->frr, command, out);
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
                                .save = host_save,
                                .startup = host_startup,
                                .snapshot = router_snapshot,
                                .snapshot_free = router_snapshot_free,
                                .link = host_link,
                                .route = host_route,
                                .debug = host_debug,
                                .set_debug = host_set_debug,
                                .clear = host_clear,
                                .clear_counters = host_clear_counters,
                                .ping = host_ping,
                                .ping_stop = host_ping_stop,
                                .vtysh = host_vtysh,
                                .uptime_s = host_uptime,
                                .log = host_log,
                                .set_keylog = host_set_keylog,
                                .keylog = host_keylog};
}
