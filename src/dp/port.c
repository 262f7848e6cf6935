/*
 * port.c: which driver a port has, and finding the ports the graph sends to.
 */
#include "dp/dp_int.h"

const struct port_ops *port_ops_of(const struct dp_port_value *v, int fd)
{
    if (fd < 0 || v->kind == PORT_FAKE) {
        return &port_fake;
    }
    if (v->kind != PORT_RAW) {
        return &port_tun;
    }
    if (v->proto == 255) {
        return &port_send;
    }
    return v->family == AF_V6 ? &port_raw6 : &port_raw;
}

int port_sender(const struct dp *dp, u8 family)
{
    for (int i = 0; i < DP_MAX_PORTS; i++) {
        const struct port *p = &dp->port[i];
        if (p->used && p->val.kind == PORT_RAW && p->val.proto == 255 && p->val.family == family) {
            return i;
        }
    }
    return -1;
}

int port_crypto(const struct dp *dp)
{
    for (int i = 0; i < DP_MAX_PORTS; i++) {
        if (dp->port[i].used && dp->port[i].val.kind == PORT_TUN_CRYPTO) {
            return i;
        }
    }
    return -1;
}
