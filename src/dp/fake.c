/*
 * fake.c: a port made of memory, for tests and bench: any kind of port whose descriptor is -1. Two
 * functions are its two ends (struct fake).
 */
#include "dp/dp_int.h"

void fake_attach(struct dp *dp, u32 port, struct fake f)
{
    dp->port[port].fake = f;
}

static unsigned fake_rx(struct worker *w, struct port *port, struct pkt **p, unsigned max)
{
    unsigned n = 0;
    while (port->fake.rx && n < max) {
        struct pkt *k = pkt_get(w);
        if (!k) {
            break;
        }
        if (!port->fake.rx(port->fake.ctx, k->data, PKT_MAX, &k->len)) {
            pkt_put(w, k);
            break;
        }
        p[n++] = k;
    }
    return n;
}

static void fake_tx(struct worker *w, struct port *port, struct pkt **p, unsigned n)
{
    port->tx_packets += n;
    for (unsigned i = n;
         i-- > 0;) { /* backwards, so that the stack gives the buffers out in the same order */
        pkt_put(w, p[i]);
    }
    for (unsigned i = 0; port->fake.tx && i < n; i++) {
        port->fake.tx(port->fake.ctx, p[i]->data, p[i]->len);
    }
}

const struct port_ops port_fake = {.name = "fake", .rx = fake_rx, .tx = fake_tx};
