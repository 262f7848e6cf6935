/*
 * line.c: which interfaces are up, and saying so when it changes: %LINK-3-UPDOWN, %LINEPROTO-5-UPDOWN, %TUN-5-RECURDOWN.
 * Looked at when the kernel's links or routes change and when a crypto session comes or goes. A GRE tunnel's line protocol
 * is up when its ends are known and a route leads to the far one, not through the tunnel itself; an `ipsec` tunnel's is
 * up while it has an SA.
 */
#include "sys/router_int.h"

#include <stdlib.h>

struct line {
    struct line *next;
    char name[CONF_IFNAME];
    bool up, recursive, seen;
};

static struct line *line_of(struct router *r, const char *name)
{
    for (struct line *l = r->lines; l; l = l->next) {
        if (strcmp(l->name, name) == 0) {
            return l;
        }
    }
    struct line *n = xcalloc(1, sizeof *n);
    str_copy(n->name, sizeof n->name, name);
    n->next = r->lines;
    r->lines = n;
    return n;
}

/* has_sa: dp has an outbound SA for the flow of this tunnel. */
static bool has_sa(struct router *r, const char *iface, const struct answer *sas)
{
    const struct cli_flow *f = r->plan.flows.items;
    const struct dp_sa_info *sa = sas->items;
    u32 flow = 0;
    for (size_t i = 0; i < r->plan.flows.num && !flow; i++) {
        flow = strcmp(f[i].iface, iface) == 0 ? f[i].id : 0;
    }
    for (size_t i = 0; flow && i < sas->num; i++) {
        if (sa[i].sa.flow == flow && sa[i].sa.dir == SA_OUT) {
            return true;
        }
    }
    return false;
}

static bool tunnel_up(struct router *r, const struct conf_if *i, const struct answer *sas,
                      bool *out_recursive)
{
    char egress[NL_NAME], own[16];
    struct addr gw, src = conf_tunnel_source(r->conf, i);
    *out_recursive = false;
    if (!src.family || !i->tun.dest.family ||
        !kern_route_to(r->kern, &i->tun.dest, egress, &gw)) {
        return false;
    }
    router_kernel_name(r, own, i->name);
    *out_recursive = strcmp(egress, own) == 0;
    if (i->tun.mode == CTM_IPSEC_IPV4 || i->tun.mode == CTM_IPSEC_IPV6) {
        return !*out_recursive && has_sa(r, i->name, sas);
    }
    return !*out_recursive;
}

static bool if_up(struct router *r, const struct conf_if *i, const struct answer *sas,
                  bool *out_recursive)
{
    char name[16];
    struct kern_link l;
    *out_recursive = false;
    if (i->shutdown) {
        return false;
    }
    if (i->kind == IFK_LOOPBACK) {
        return true;
    }
    if (i->kind == IFK_TUNNEL) {
        return tunnel_up(r, i, sas, out_recursive);
    }
    router_kernel_name(r, name, i->name);
    return kern_link_get(r->kern, name, &l) && l.up && l.carrier;
}

/* look_at: every interface, with what dp says about its SAs. */
static void look_at(struct router *r, const struct answer *sas)
{
    CONF_FOR (struct conf_if, i, &r->conf->ifs) {
        struct line *l = line_of(r, i->name);
        bool recursive, up = if_up(r, i, sas, &recursive), first = !l->seen;
        if (recursive && !l->recursive) {
            ev_tun_recurdown(&r->log, 0, NULL,
                             &(struct evb_tun_recurdown){.ifname = ev_str(i->name)});
        }
        if (up != l->up || (first && up)) {
            struct ev_str state = ev_str(up ? "up" : "down"), name = ev_str(i->name);
            if (i->kind != IFK_TUNNEL && i->kind != IFK_LOOPBACK) {
                ev_link_updown(&r->log, 0, NULL,
                               &(struct evb_link_updown){.ifname = name, .state = state});
            }
            ev_lineproto(&r->log, 0, NULL,
                         &(struct evb_lineproto){.ifname = name, .state = state});
        }
        l->up = up;
        l->recursive = recursive;
        l->seen = true;
    }
}

static void on_sas(void *ctx, struct answer *a)
{
    struct router *r = ctx;
    bool again = r->lines_asked == LINES_AGAIN;
    r->lines_asked = LINES_KNOWN;
    look_at(r, a); /* without an answer there is no dp, so no SA */
    if (again) {
        line_check(r);
    }
}

void line_check(struct router *r)
{
    bool vti = false;
    CONF_FOR(struct conf_if, i, &r->conf->ifs)
    {
        vti |= i->kind == IFK_TUNNEL && !i->shutdown &&
               (i->tun.mode == CTM_IPSEC_IPV4 || i->tun.mode == CTM_IPSEC_IPV6);
    }
    if (!vti) {
        look_at(r, &(struct answer){.whole = true});
    } else if (r->lines_asked == LINES_KNOWN) {
        r->lines_asked = LINES_ASKED;
        ask(r, CHILD_DP, DP_GET_SAS, on_sas, r);
    } else {
        r->lines_asked = LINES_AGAIN; /* the answer under way may be older than the change */
    }
}

void line_free(struct router *r)
{
    while (r->lines) {
        struct line *l = r->lines;
        r->lines = l->next;
        free(l);
    }
}
