/*
 * pkt.c: the fixed pool of packet buffers. Free buffers are a stack: the one used last, still in
 * the cache, is used next. Nothing is allocated after start (law 5). And the queues of the graph, where nodes
 * put packets that they made themselves.
 */
#include "dp/dp_int.h"

void pkt_pool_init(struct worker *w, struct pkt *bufs)
{
    for (unsigned i = POOL; i-- > 0;) {
        pkt_put(w, &bufs[i]);
    }
}

struct pkt *pkt_copy(struct worker *w, const struct pkt *like, const u8 *src, u16 len)
{
    struct pkt *p = pkt_get(w);
    if (!p) {
        return NULL;
    }
    p->sa = like->sa;
    p->flow = like->flow;
    p->tun = like->tun;
    p->in_port = like->in_port;
    p->out_port = like->out_port;
    p->outbound = like->outbound;
    p->mtu = like->mtu;
    p->on_link = like->on_link;
    p->pass = like->pass;
    p->len = len;
    memcpy(p->data, src, len);
    return p;
}

void graph_put(struct worker *w, enum node_id id, struct pkt *p)
{
    struct queue *q = &w->q[id];
    if (UNLIKELY(q->n == ARRAY_LEN(q->p))) { /* cannot be: a queue holds every buffer twice */
        w->drops[DROP_NO_BUFFER]++;
        pkt_put(w, p);
        return;
    }
    q->p[q->n++] = p;
}
