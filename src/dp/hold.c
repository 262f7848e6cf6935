/*
 * hold.c: the first packets of a flow wait for its SA (RFC 4301 4.4.1: the packet that triggers
 * IKE). IKE is asked once a second while somebody waits; the packets leave in order when the SA
 * comes, or are dropped after 30 s.
 */
#include "dp/dp_int.h"

static void acquire(struct worker *w, struct flow *f, const struct pkt *p)
{
    u16 sport, dport;
    struct addr src = ip_src(p->data), dst = ip_dst(p->data);
    ip_ports(&sport, &dport, &p->v, p->data);
    struct dp_msg m = {.u.acquire = {.flow = f->id}};
    m.u.acquire.packet = (struct selector){.src = prefix_host(&src),
                                           .dst = prefix_host(&dst),
                                           .proto = p->v.proto,
                                           .sport_lo = sport,
                                           .sport_hi = sport,
                                           .dport_lo = dport,
                                           .dport_hi = dport};
    f->asked_ms = w->now_ms + 1;
    (void)dp_tell(w->dp, FROM_IKE, DP_ACQUIRE, &m);
}

static bool may_ask(const struct worker *w, const struct flow *f)
{
    return f->asked_ms == 0 || w->now_ms + 1 - f->asked_ms >= ACQUIRE_MS;
}

void hold_add(struct worker *w, struct flow *f, struct pkt *p)
{
    if (f->val.manual) { /* there is nobody to ask, and nothing to wait for */
        pkt_drop(p, DROP_MANUAL_KEYS, NULL, 0, 0);
        return;
    }
    if (addr_is_any(&f->val.peer)) {
        pkt_drop(p, DROP_NOBODY, NULL, 0, 0);
        return;
    }
    if (may_ask(w, f)) {
        acquire(w, f, p);
    }
    if (f->held >= DP_HOLD || w->num_held >= HELD_MAX) {
        pkt_drop(p, DROP_NO_SA, NULL, 0, 0);
        return;
    }
    p->next = N_GONE;
    p->link = NULL;
    p->since_ms = w->now_ms;
    if (f->held_tail) {
        f->held_tail->link = p;
    } else {
        f->held_head = p;
    }
    f->held_tail = p;
    f->held++;
    w->num_held++;
}

static struct pkt *pop(struct worker *w, struct flow *f)
{
    struct pkt *p = f->held_head;
    if (p) {
        f->held_head = p->link;
        f->held_tail = p->link ? f->held_tail : NULL;
        f->held--;
        w->num_held--;
    }
    return p;
}

void hold_flush(struct worker *w, struct flow *f)
{
    f->asked_ms = 0;
    for (struct pkt *p = pop(w, f); p; p = pop(w, f)) {
        graph_put(w, N_ESP_ADMIT, p);
    }
}

void hold_drop(struct worker *w, struct flow *f, enum dp_drop reason)
{
    for (struct pkt *p = pop(w, f); p; p = pop(w, f)) {
        pkt_drop(p, reason, NULL, 0, 0);
        graph_put(w, N_DROP, p);
    }
}

void hold_tick(struct worker *w, struct flow *f)
{
    while (f->held_head && w->now_ms - f->held_head->since_ms >= HOLD_MS) {
        struct pkt *p = pop(w, f);
        pkt_drop(p, DROP_HELD_TIMEOUT, NULL, 0, 0);
        graph_put(w, N_DROP, p);
    }
    if (f->held_head && !f->val.manual && may_ask(w, f)) {
        acquire(w, f, f->held_head);
    }
}
