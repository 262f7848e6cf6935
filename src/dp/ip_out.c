/*
 * ip_out.c: last nodes of both walks. ip_out chooses the sending socket and cuts outer packets that
 * are longer than the path (a raw socket with IP_HDRINCL would only refuse them); port_tx hands
 * runs of packets for one port to its driver.
 *
 * Only two kinds of packets leave with the mark that the classifiers of map links let pass: what
 * esp_out has sealed, and what a link's own map lets pass, by a socket bound to that link. All else
 * leaves unmarked, so that the link it takes decides.
 */
#include "dp/dp_int.h"

static int sender(const struct dp *dp, const struct pkt *p)
{
    unsigned six = p->v.version == 6;
    if (LIKELY(p->sa)) {
        return dp->seal_port[six];
    }
    return p->pass ? dp->link[p->on_link].pass[six] : dp->open_port[six];
}

void ip_out(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        int port = sender(w->dp, p);
        if (UNLIKELY(port < 0)) {
            pkt_drop(p, DROP_TX_ERROR, "no sending socket for this IP version", 0, 0);
            continue;
        }
        p->out_port = (u8)port;
        p->next = N_PORT_TX;
        if (UNLIKELY(p->mtu && p->len > p->mtu)) {
            mtu_fragment(w, p, p->mtu, N_PORT_TX);
        }
    }
}

void port_tx(struct worker *w, struct vec *v)
{
    unsigned i = 0;
    while (i < v->n) {
        unsigned from = i;
        u8 id = v->p[i]->out_port;
        while (i < v->n && v->p[i]->out_port == id) {
            i++;
        }
        struct port *port = &w->dp->port[id];
        if (LIKELY(port->used)) {
            port->ops->tx(w, port, v->p + from, i - from);
            continue;
        }
        for (unsigned k = from; k < i; k++) {
            pkt_drop(v->p[k], DROP_TX_ERROR, "the port is gone", 0, 0);
            graph_put(w, N_DROP, v->p[k]);
        }
    }
}
