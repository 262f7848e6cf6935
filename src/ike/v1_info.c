/*
 * v1_info.c: the informational exchange (RFC 2409 5.7, RFC 2408 3.14, 3.15; RFC 3706 for
 * R-U-THERE): what peers tell us, and what we tell them. Only a message with a right HASH(1) is
 * believed; one in clear is noted.
 */
#include "ike/v1.h"

/* ---- receiving ---- */

/* proved: HASH(1) over the message (RFC 2409 5.7): he who sent it has the keys. */
static bool proved(const struct isakmp_msg *m, struct draft *d)
{
    u8 want[HASH_MAX];
    keys_hash_phase2(want, &d->sa, m->hdr.msgid, NULL, m->signed_part.p, m->signed_part.len);
    return draft_hash_is(m, want, d);
}

enum verdict info_in(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                     struct draft *d)
{
    trace_payload(ike, sa, sa->c.conn_id, "HASH", m->hdr.msgid);
    if (!proved(m, d)) {
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
    }
    for (unsigned i = 0; i < m->num_delete; i++) {
        ev_ike_delete_rx(ike->log, sa->c.conn_id, &sa->remote.a,
                         &(struct evb_ike_delete_rx){.msgid = m->hdr.msgid,
                                                     .protocol = m->del[i].proto,
                                                     .count = m->del[i].num});
    }
    d->effects = EF_INFO;
    return V_NEXT;
}

/* ngm_in: new group mode (RFC 2409 5.6): a group of the peer's own making. Nobody should trust one, and nobody needs one. */
enum verdict ngm_in(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d)
{
    (void)ike, (void)sa;
    if (!proved(m, d)) {
        return V_DROP;
    }
    draft_why(d, WHY_EXCHANGE, "it proposes a Diffie-Hellman group of its own; adit takes those that have a number");
    d->notify = NTF_ATTRIBUTES_NOT_SUPPORTED;
    return V_REPLY_ERROR;
}

enum verdict info_clear_in(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                           struct draft *d)
{
    if (sa_authed(sa) || m->num_notify == 0) {
        draft_why(d, WHY_NOT_ENCRYPTED, "an informational message in clear");
    } else {
        /* it may be forged: the negotiation goes on, but the operator reads what the peer seems to
         * say */
        char what[160] = "";
        bool offer = m->notify[0].type == NTF_NO_PROPOSAL_CHOSEN && sa->c.initiator;
        if (offer) {
            offered_policies(what, sizeof what, ike);
        }
        draft_why(d, WHY_SAID, "the peer says %s (unprotected)%s%s", isakmp_notify_name(m->notify[0].type),
                  offer ? "; we offered " : "", what);
    }
    return V_DROP;
}

/* ---- before phase 1 is done: the keys exist, nobody has proved that he knows the secret ---- */

static bool open_early(const struct ike_sa *sa, const struct isakmp_hdr *hdr, u8 *plain, size_t len,
                       struct isakmp_msg *m)
{
    u8 want[HASH_MAX];
    struct secret iv;
    keys_iv_phase2(&iv, &sa->c, &sa->main.c.iv, hdr->msgid);
    if (!ike_cbc(sa->c.encr, false, sa->c.key.b, iv.b, plain + ISAKMP_HDR, len - ISAKMP_HDR) ||
        isakmp_decode(m, hdr, plain, len, encr_row(sa->c.encr)->block).reason != IW_OK ||
        !(m->seen & PB_HASH)) {
        return false;
    }
    keys_hash_phase2(want, &sa->c, hdr->msgid, NULL, m->signed_part.p, m->signed_part.len);
    return m->hash.len == hash_row(sa->c.hash)->len && mem_equal_ct(m->hash.p, want, m->hash.len);
}

void info_early(struct ike *ike, struct ike_sa *sa, const struct isakmp_hdr *hdr, const u8 *data,
                size_t len)
{
    u8 plain[ISAKMP_MAX];
    struct isakmp_msg m;
    char why[160] = "the peer sent a protected notification that our keys do not open; do the "
                    "pre-shared keys differ?";
    memcpy(plain, data, len); /* isakmp_hdr_read has seen that it fits */
    if (open_early(sa, hdr, plain, len, &m)) {
        snprintf(why, sizeof why, "the peer says %s (protected, but not authenticated: likely)",
                 m.num_notify   ? isakmp_notify_name(m.notify[0].type)
                 : m.num_delete ? "DELETE"
                                : "nothing");
    }
    mem_wipe(plain, sizeof plain);
    report(ike, sa, &sa->remote.a, XCH_MAIN, WHY_LIKELY, why);
}

/* ---- what a proved message asks for: into the queue ---- */

static struct todo *heard(struct ike *ike, const struct ike_sa *sa, enum todo_kind kind, u32 spi)
{
    struct todo *t = todo_push(ike, kind);
    t->sa = sa->number;
    t->spi = spi;
    return t;
}

static void notify_effect(struct ike *ike, const struct ike_sa *sa, const struct isakmp_notify *n)
{
    u32 spi = n->spi_len == 4 ? be32(n->spi) : 0;
    if (n->type == NTF_INITIAL_CONTACT) {
        heard(ike, sa, TODO_CONTACT, 0);
    } else if (n->type == NTF_R_U_THERE && n->data.len == 4) {
        ev_ike_dpd(ike->log, sa->c.conn_id, &sa->remote.a,
                   &(struct evb_ike_dpd){.sequence = be32(n->data.p)});
        heard(ike, sa, TODO_HEARD_THERE, 0)->seconds = be32(n->data.p);
    } else if (n->type == NTF_R_U_THERE_ACK && n->data.len == 4) {
        heard(ike, sa, TODO_HEARD_ACK, 0)->seconds = be32(n->data.p);
    } else if (n->type == NTF_INVALID_SPI) { /* the peer lost it: start over */
        heard(ike, sa, TODO_HEARD_GONE, n->data.len == 4 && !spi ? be32(n->data.p) : spi)->flag =
            true;
    } else if (n->type == NTF_RESPONDER_LIFETIME) {
        struct isakmp_transform t = {.attrs = n->data.p, .attrs_len = n->data.len};
        struct p2_offer o;
        p2_read(&o, &t);
        if (o.life_seen) {
            heard(ike, sa, TODO_HEARD_LIFETIME, spi)->seconds = o.life_s;
        }
    } else if (n->type < 8192) { /* RFC 2408 3.14.1: error types */
        heard(ike, sa, TODO_HEARD_ERROR, spi)->type = n->type;
    }
}

static void delete_effect(struct ike *ike, const struct ike_sa *sa, const struct isakmp_delete *del)
{
    for (u16 i = 0; i < del->num; i++) {
        const u8 *spi = del->spis + (size_t)i * del->spi_len;
        if ((del->proto == PROTO_ESP || del->proto == PROTO_AH) && del->spi_len == 4) {
            heard(ike, sa, TODO_HEARD_GONE, be32(spi));
        } else if (del->proto == PROTO_ISAKMP && del->spi_len == 16) {
            memcpy(heard(ike, sa, TODO_HEARD_DELETE_SA, 0)->bytes, spi, 16);
        }
    }
}

void info_effects(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m)
{
    for (unsigned i = 0; i < m->num_notify; i++) {
        notify_effect(ike, sa, &m->notify[i]);
    }
    for (unsigned i = 0; i < m->num_delete; i++) {
        delete_effect(ike, sa, &m->del[i]);
    }
}

/* ---- sending ---- */

bool info_out(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    const struct info *n = arg;
    (void)ike;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    size_t start = draft_begin_hashed(d);
    if (n->del) {
        isakmp_out_delete(&d->out, n->proto, n->spi_len, n->spi, 1);
    } else {
        isakmp_out_notify(&d->out, n->proto, n->type, n->spi, n->spi_len, n->data, n->len);
    }
    draft_end_hashed(d, start, NULL);
    return !d->out.w.bad;
}

/* may_tell: so many in a second, to all of the world. */
static bool may_tell(struct ike *ike)
{
    u64 second = env_now_ms(ike->clock) / 1000;
    if (second != ike->tell_second) {
        ike->tell_second = second;
        ike->tell_used = 0;
    }
    return ike->tell_used++ < NOTIFIES_PER_S;
}

void info_error_clear(struct ike *ike, const struct endpoint *local, const struct endpoint *remote,
                      const struct isakmp_hdr *hdr, u16 type)
{
    u8 buf[128];
    struct isakmp_out o;
    struct isakmp_hdr h = {.exchange = XCH_INFO, .msgid = env_random_u32(ike->clock)};
    memcpy(h.cookie_i, hdr->cookie_i, 8);
    memcpy(h.cookie_r, hdr->cookie_r, 8);
    isakmp_out_init(&o, buf, sizeof buf, &h);
    isakmp_out_notify(&o, PROTO_ISAKMP, type, NULL, 0, NULL, 0);
    if (isakmp_out_finish(&o) && wr_len(&o.w) <= hdr->length && may_tell(ike)) {
        natt_send(ike, local, remote, buf, wr_len(&o.w));
    }
}
