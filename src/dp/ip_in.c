/*
 * ip_in.c: first node of both walks. Checks the IP header (RFC 791, RFC 8200) and lets the port
 * decide where the packet goes: from a tunnel's TUN to route_out, from a map link's TUNs to
 * policy_out and clear_in, from a raw socket to esp_in or gre_in. Fragments of protected packets end
 * here: the kernel's raw sockets hand over whole datagrams.
 */
#include "dp/dp_int.h"

static void from_raw(struct pkt *p)
{
    if (UNLIKELY(ip_is_fragment(&p->v))) {
        pkt_drop(p, DROP_FRAGMENT, "a fragment where a whole datagram was wanted", 0, p->v.l4);
        return;
    }
    switch (p->v.proto) {
    case IPPROTO_ESP_: p->next = N_ESP_FIND; break;
    case IPPROTO_AH_: p->next = N_AH_FIND; break;
    case IPPROTO_UDP_: udp_in(p); break;
    case IPPROTO_GRE_:
    case IPPROTO_IPIP_:
    case IPPROTO_IPV6_: p->next = N_GRE_IN; break;
    default:
        pkt_drop(p, DROP_NOT_FOR_US, "not ESP, in UDP or not, AH, GRE, IPIP or 6in4", p->v.proto_at,
                 p->v.proto_at + 1u);
        break;
    }
}

static void by_port(const struct port *port, struct pkt *p)
{
    switch (port->val.kind) {
    case PORT_TUN_TUNNEL:
        p->outbound = true;
        p->tun = port->tun;
        p->next = N_ROUTE_OUT;
        if (UNLIKELY(!p->tun)) {
            pkt_drop(p, DROP_TUNNEL_DOWN, "no tunnel uses this port", 0, 0);
        }
        break;
    case PORT_TUN_CRYPTO:
        p->outbound = true;
        p->on_link = port->val.link;
        p->next = N_POLICY_OUT;
        break;
    case PORT_TUN_CLEAR:
        p->on_link = port->val.link;
        p->next = N_CLEAR_IN;
        break;
    default: from_raw(p); break;
    }
}

void ip_in(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        if (i + 4 < v->n) {
            __builtin_prefetch(v->p[i + 4]->data);
        }
        const struct port *port = &w->dp->port[p->in_port];
        p->outbound = port->val.kind == PORT_TUN_TUNNEL || port->val.kind == PORT_TUN_CRYPTO;
        enum ip_fault f = ip_decode(&p->v, p->data, p->len);
        if (UNLIKELY(f != IP_OK)) {
            pkt_drop(p, DROP_MALFORMED_IP, ip_fault_text(f), 0, MIN(p->len, IP6_HDR));
            continue;
        }
        p->len = p->v.total;
        by_port(port, p);
    }
}
