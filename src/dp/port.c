/*
 * port.c: which driver a port has, and finding the ports the graph sends to.
 */
#include "dp/dp_int.h"

const struct port_ops *port_ops_of(const struct dp_port_value *v, int fd)
{
    if (fd < 0 || v->kind == PORT_FAKE) {
        return &port_fake;
    }
    if (v->kind == PORT_OPEN || v->kind == PORT_PASS || (v->kind == PORT_RAW && v->proto == 255)) {
        return &port_send;
    }
    if (v->kind == PORT_UDP) {
        return &port_udp;
    }
    if (v->kind != PORT_RAW) {
        return &port_tun;
    }
    return v->family == AF_V6 ? &port_raw6 : &port_raw;
}

/* The place of port i among those of its map link; NULL: it is none of them. */
static int *place_of(struct dp *dp, const struct dp_port_value *v)
{
    unsigned six = v->family == AF_V6;
    struct map_link *l = v->link && v->link <= DP_MAX_LINKS ? &dp->link[v->link] : NULL;
    switch (v->kind) {
    case PORT_TUN_CRYPTO: return l ? &l->crypto : NULL;
    case PORT_TUN_CLEAR: return l ? &l->clear : NULL;
    case PORT_PASS: return l ? &l->pass[six] : NULL;
    case PORT_OPEN: return &dp->open_port[six];
    case PORT_RAW: return v->proto == 255 ? &dp->seal_port[six] : NULL;
    default: return NULL;
    }
}

void port_bind(struct dp *dp)
{
    memset(dp->link, 0xff, sizeof dp->link);
    memset(dp->seal_port, 0xff, sizeof dp->seal_port);
    memset(dp->open_port, 0xff, sizeof dp->open_port);
    for (int i = 0; i < DP_MAX_PORTS; i++) {
        struct port *p = &dp->port[i];
        int *place = p->used ? place_of(dp, &p->val) : NULL;
        p->tun = NULL;
        if (place) {
            *place = i;
        }
    }
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        struct tunnel *t = &dp->tunnel[i];
        if (t->used && t->val.port < DP_MAX_PORTS) {
            dp->port[t->val.port].tun = t;
        }
    }
}
