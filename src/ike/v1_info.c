/*
 * v1_info.c: the informational exchange (RFC 2409 5.7, RFC 2408 3.14, 3.15; RFC 3706 for
 * R-U-THERE): what peers tell us, and what we tell them. Only a message with a right HASH(1) is
 * believed; one in clear is noted.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

/* ---- receiving ---- */

enum verdict info_in(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                     struct draft *d)
{
    u8 want[HASH_MAX], len = hash_row(sa->c.hash)->len;
    trace_payload(ike, sa, sa->c.conn_id, "HASH", m->hdr.msgid);
    keys_hash_phase2(want, &d->sa, m->hdr.msgid, NULL, m->signed_part.p, m->signed_part.len);
    if (m->hash.len != len || !mem_equal_ct(m->hash.p, want, len)) {
        draft_why(
            d, WHY_HASH,
            "the HASH payload of message id %u (%u bytes) does not cover what stands behind it",
            m->hdr.msgid, m->hash.len);
        return V_DROP;
    }
    for (unsigned i = 0; i < m->num_notify; i++) {
        const struct isakmp_notify *n = &m->notify[i];
        ev_ike_notify(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_notify){.name = ev_str(isakmp_notify_name(n->type)),
                                               .protocol = n->proto,
                                               .spi = n->spi_len == 4 ? be32(n->spi) : 0,
                                               .msgid = m->hdr.msgid,
                                               .handle = sa_handle(sa)});
        d->effects |= n->type == NTF_INITIAL_CONTACT ? EF_INITIAL_CONTACT : EF_PEER_ERROR;
    }
    for (unsigned i = 0; i < m->num_delete; i++) {
        ev_ike_delete_rx(ike->log, sa->c.conn_id, &sa->remote.a,
                         &(struct evb_ike_delete_rx){.msgid = m->hdr.msgid,
                                                     .protocol = m->del[i].proto,
                                                     .count = m->del[i].num});
        d->effects |= EF_DELETES;
    }
    return V_NEXT;
}

enum verdict info_clear_in(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                           struct draft *d)
{
    (void)ike;
    if (sa->c.authenticated || m->num_notify == 0) {
        draft_why(d, WHY_NOT_ENCRYPTED, "an informational message in clear");
    } else {
        /* it may be forged: the negotiation goes on, but the operator reads what the peer seems to
         * say */
        draft_why(d, WHY_REFUSED, "the peer says %s (unprotected)",
                  isakmp_notify_name(m->notify[0].type));
    }
    return V_DROP;
}

static void notify_error(struct ike *ike, struct ike_sa *sa, const struct isakmp_notify *n)
{
    char why[128];
    struct xch *found = NULL;
    unsigned waiting = 0;
    u32 spi = n->spi_len == 4 ? be32(n->spi) : 0;
    LIST_FOR (it, &sa->nodes) {
        struct xch *x = CONTAINER_OF(it, struct xch, link);
        if (x->c.state == XS_QM_I_QM1) {
            waiting++;
            if (spi && x->c.spi_in == spi) {
                found = x;
                waiting = 1;
                break;
            }
            found = x;
        }
    }
    if (!found || waiting != 1) {
        return;
    }
    snprintf(why, sizeof why, "the peer answered %s", isakmp_notify_name(n->type));
    report(ike, sa, &sa->remote.a, XCH_QUICK, WHY_REFUSED, why);
    struct flow *f = flow_find(ike, found->c.flow);
    list_remove(&found->link);
    xch_free(found);
    if (f) {
        flow_failed(ike, f, why);
    }
}

static void notify_effect(struct ike *ike, struct ike_sa *sa, const struct isakmp_notify *n)
{
    struct child *c;
    u32 spi = n->spi_len == 4 ? be32(n->spi) : 0;
    if (n->type == NTF_R_U_THERE && n->data.len == 4) {
        u8 cookies[16];
        ev_ike_dpd(ike->log, sa->c.conn_id, &sa->remote.a,
                   &(struct evb_ike_dpd){.sequence = be32(n->data.p)});
        memcpy(cookies, sa->c.cookie_i, 8);
        memcpy(cookies + 8, sa->c.cookie_r, 8);
        info_notify(ike, sa, PROTO_ISAKMP, NTF_R_U_THERE_ACK, cookies, 16, n->data.p, 4);
    } else if (n->type == NTF_INVALID_SPI) {
        if (n->data.len == 4 && !spi) {
            spi = be32(n->data.p);
        }
        if ((c = child_by_spi(ike, spi, false, &sa->remote.a)) !=
            NULL) { /* the peer lost it: start over */
            u32 flow = c->flow;
            child_delete(ike, c, true);
            flow_lost_child(ike, flow);
        }
    } else if (n->type == NTF_RESPONDER_LIFETIME &&
               (c = child_by_spi(ike, spi, false, &sa->remote.a)) != NULL) {
        struct isakmp_transform t = {.attrs = n->data.p, .attrs_len = n->data.len};
        struct p2_offer o;
        p2_read(&o, &t);
        u64 hard = c->up_ms + (u64)o.life_s * 1000;
        if (o.life_seen && hard < c->hard_ms) {
            c->hard_ms = hard;
            c->soft_ms = hard - MIN(30000u, (u64)o.life_s * 1000 / 3);
        }
    } else if (n->type < 8192) { /* RFC 2408 3.14.1: error types */
        notify_error(ike, sa, n);
    }
}

static void delete_effect(struct ike *ike, struct ike_sa *sa, const struct isakmp_delete *del)
{
    for (u16 i = 0; i < del->num; i++) {
        const u8 *spi = del->spis + (size_t)i * del->spi_len;
        if (del->proto == PROTO_ESP && del->spi_len == 4) {
            struct child *c = child_by_spi(ike, be32(spi), false, &sa->remote.a);
            if (c) {
                u32 flow = c->flow;
                child_delete(ike, c, false);
                flow_lost_child(ike, flow);
            }
        } else if (del->proto == PROTO_ISAKMP && del->spi_len == 16) {
            LIST_FOR (it, &ike->sas) {
                struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, link);
                if (!o->deleted && memcmp(o->c.cookie_i, spi, 8) == 0 &&
                    memcmp(o->c.cookie_r, spi + 8, 8) == 0 &&
                    addr_equal(&o->remote.a, &sa->remote.a)) {
                    sa_delete(ike, o, "Receive delete from peer", false);
                    flow_p1_failed(ike, o, "the peer deleted the ISAKMP SA");
                }
            }
        }
    }
}

void info_effects(struct ike *ike, struct ike_sa *sa, struct draft *d)
{
    const struct isakmp_msg *m = d->m;
    for (unsigned i = 0; i < m->num_notify && !sa->deleted; i++) {
        notify_effect(ike, sa, &m->notify[i]);
    }
    for (unsigned i = 0; i < m->num_delete && !sa->deleted; i++) {
        delete_effect(ike, sa, &m->del[i]);
    }
}

/* ---- sending
 * ---------------------------------------------------------------------------------------------------
 */

struct info {
    bool del;
    u8 proto, spi_len;
    u16 type;
    const void *spi, *data;
    size_t len;
};

static bool write_info(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    static const u8 zero[HASH_MAX];
    const struct info *n = arg;
    (void)ike;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    draft_hdr(d, true);
    isakmp_out_payload(&d->out, PL_HASH, zero, hash_row(d->sa.hash)->len);
    size_t start = wr_len(&d->out.w);
    if (n->del) {
        isakmp_out_delete(&d->out, n->proto, n->spi_len, n->spi, 1);
    } else {
        isakmp_out_notify(&d->out, n->proto, n->type, n->spi, n->spi_len, n->data, n->len);
    }
    keys_hash_phase2(d->buf + ISAKMP_HDR + 4, &d->sa, d->x.msgid, NULL, d->buf + start,
                     wr_len(&d->out.w) - start);
    return !d->out.w.bad;
}

static void info_send(struct ike *ike, struct ike_sa *sa, struct info *n)
{
    if (!sa->c.authenticated || sa->deleted) {
        return;
    }
    struct xch *x = xch_new(ike, sa, XCH_INFO, msgid_new(ike, sa), true);
    list_push_back(&sa->nodes, &x->link);
    msgid_remember(sa, x->c.msgid);
    ev_ike_node_new(ike->log, sa->c.conn_id, &sa->remote.a,
                    &(struct evb_ike_node_new){.msgid = x->c.msgid});
    engine_start(ike, sa, x, write_info, n, XS_INFO, TM_NONE);
    ev_ike_node_purge(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_node_purge){.msgid = x->c.msgid});
    list_remove(&x->link); /* nothing comes back in it */
    xch_free(x);
}

void info_notify(struct ike *ike, struct ike_sa *sa, u8 proto, u16 type, const void *spi,
                 u8 spi_len, const void *data, size_t len)
{
    info_send(ike, sa,
              &(struct info){.proto = proto,
                             .type = type,
                             .spi = spi,
                             .spi_len = spi_len,
                             .data = data,
                             .len = len});
}

void info_delete_spi(struct ike *ike, struct ike_sa *sa, u32 spi)
{
    u8 b[4];
    put32(b, spi);
    info_send(ike, sa, &(struct info){.del = true, .proto = PROTO_ESP, .spi = b, .spi_len = 4});
}

void info_delete_sa(struct ike *ike, struct ike_sa *sa)
{
    u8 b[16];
    memcpy(b, sa->c.cookie_i, 8);
    memcpy(b + 8, sa->c.cookie_r, 8);
    info_send(ike, sa, &(struct info){.del = true, .proto = PROTO_ISAKMP, .spi = b, .spi_len = 16});
}

void info_error_clear(struct ike *ike, const struct ike_sa *sa, const struct isakmp_hdr *hdr,
                      u16 type)
{
    u8 buf[128];
    struct isakmp_out o;
    struct isakmp_hdr h = {.exchange = XCH_INFO, .msgid = env_random_u32(ike->clock)};
    memcpy(h.cookie_i, hdr->cookie_i, 8);
    memcpy(h.cookie_r, hdr->cookie_r, 8);
    isakmp_out_init(&o, buf, sizeof buf, &h);
    isakmp_out_notify(&o, PROTO_ISAKMP, type, NULL, 0, NULL, 0);
    if (isakmp_out_finish(&o)) {
        ike->env.send(ike->env.ctx, &sa->local, &sa->remote, buf, wr_len(&o.w));
    }
}
