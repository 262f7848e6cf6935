/*
 * tun.c: a TUN device (IFF_TUN | IFF_NO_PI, non-blocking) as a port: one read or write per packet,
 * that is how TUN is.
 */
#include "dp/dp_int.h"

#include <errno.h>
#include <unistd.h>

enum {
    TUN_BATCH = 64
}; /* reads before the graph runs: enough to fill the crypto lanes, short enough to be prompt */

static unsigned tun_rx(struct worker *w, struct port *port, struct pkt **p, unsigned max)
{
    unsigned n = 0;
    while (n < MIN(max, TUN_BATCH)) {
        struct pkt *k = pkt_get(w);
        if (!k) {
            break;
        }
        ssize_t len = read(port->fd, k->data, PKT_MAX);
        if (len <= 0) {
            pkt_put(w, k);
            port->lost = len < 0 && errno == EBADFD; /* deleted under us: main gives another */
            break;
        }
        k->len = (u16)len;
        p[n++] = k;
    }
    return n;
}

static void tun_tx(struct worker *w, struct port *port, struct pkt **p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ssize_t sent;
        do {
            sent = write(port->fd, p[i]->data, p[i]->len);
        } while (sent < 0 && errno == EINTR);
        if (sent == (ssize_t)p[i]->len) {
            port->tx_packets++;
            pkt_put(w, p[i]);
        } else {
            port->tx_errors++;
            pkt_drop(p[i], DROP_TX_ERROR, "the TUN device refused it", 0, 0);
            graph_put(w, N_DROP, p[i]);
        }
    }
}

const struct port_ops port_tun = {.name = "tun", .rx = tun_rx, .tx = tun_tx};
