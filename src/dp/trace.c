/*
 * trace.c: the lines of `debug ip packet detail` that the data plane can tell. Called only when
 * somebody listens (ev_on). Names of egress interfaces and the gateway are the kernel's business;
 * main fills them in.
 */
#include "dp/dp_int.h"

void trace_gre_out(struct worker *w, const struct pkt *p)
{
    struct evb_ip_sending e = {.src = ip_src(p->data),
                               .dst = ip_dst(p->data),
                               .len = p->len,
                               .proto = p->v.proto,
                               .tunnel = ev_str(p->tun->val.name)};
    ev_ip_sending(w->log, 0, &e.dst, &e);
}

void trace_esp_out(struct worker *w, const struct pkt *p)
{
    struct evb_ip_via_fib a = {.src = ip_src(p->data), .dst = ip_dst(p->data)};
    ev_ip_via_fib(w->log, p->sa->val.conn_id, &a.dst, &a);
    struct evb_ip_forward b = {.src = a.src, .dst = a.dst, .len = p->len, .proto = IPPROTO_ESP_};
    ev_ip_forward(w->log, p->sa->val.conn_id, &b.dst, &b);
}

void trace_esp_in(struct worker *w, const struct pkt *p)
{
    struct evb_ip_via_rib a = {.src = ip_src(p->data), .dst = ip_dst(p->data)};
    ev_ip_via_rib(w->log, p->sa->val.conn_id, &a.src, &a);
    struct evb_ip_rcvd b = {.src = a.src, .dst = a.dst, .len = p->len, .proto = p->v.proto};
    ev_ip_rcvd(w->log, p->sa->val.conn_id, &b.src, &b);
}
