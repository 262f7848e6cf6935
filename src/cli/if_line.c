/*
 * if_line.c: whether an interface and its line protocol are up, for `show` and for what is logged when it changes (IOS 12.4).
 * A tunnel's line protocol is up when its ends are known and a route leads to the far one, not through the tunnel itself;
 * an `ipsec` tunnel's besides only while something can leave by it. Walk: cmd_show.c, sys/line.c -> here -> struct cli_host.
 */
#include "cli/cli.h"

bool cli_if_needs_sa(const struct conf_if *i)
{
    return i->kind == IFK_TUNNEL && !i->shutdown &&
           (i->tun.mode == CTM_IPSEC_IPV4 || i->tun.mode == CTM_IPSEC_IPV6);
}

/* has_sa: dp has an outbound SA for a flow of this tunnel. */
static bool has_sa(const struct cli_snapshot *snap, const char *iface)
{
    for (size_t i = 0; i < snap->num_flows; i++) {
        for (size_t k = 0; k < snap->num_dp_sas && strcmp(snap->flows[i].iface, iface) == 0; k++) {
            const struct dp_sa_value *sa = &snap->dp_sas[k].sa;
            if (sa->flow == snap->flows[i].id && sa->dir == SA_OUT) {
                return true;
            }
        }
    }
    return false;
}

static struct cli_if_line tunnel_line(const struct cli_host *h, const struct conf_if *i,
                                      const struct cli_snapshot *snap)
{
    struct cli_if_line l = {.state = "up"};
    char egress[CONF_IFNAME];
    struct addr gw;
    if (!i->tun.dest.family || !conf_tunnel_source(h->conf(h->ctx), i).family ||
        !h->route(h->ctx, &i->tun.dest, egress, &gw)) {
        return l;
    }
    l.recursive = strcmp(egress, i->name) == 0;
    l.up = !l.recursive && (!cli_if_needs_sa(i) || has_sa(snap, i->name));
    return l;
}

struct cli_if_line cli_if_line(const struct cli_host *h, const struct conf_if *i,
                               const struct cli_snapshot *snap)
{
    struct cli_link l = {0};
    if (i->shutdown) {
        return (struct cli_if_line){.state = "administratively down"};
    }
    if (i->kind == IFK_LOOPBACK) {
        return (struct cli_if_line){.state = "up", .up = true};
    }
    if (i->kind == IFK_TUNNEL) {
        return tunnel_line(h, i, snap);
    }
    bool set_up = h->link(h->ctx, i->name, &l) && l.admin_up;
    return (struct cli_if_line){.state = set_up ? "up" : "down", .up = set_up && l.carrier};
}
