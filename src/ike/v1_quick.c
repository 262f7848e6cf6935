/*
 * v1_quick.c: quick mode (RFC 2409 5.5): handlers of its three messages, their answers, and message
 * 1 of ours. Every message is proved by its hash before anything in it counts. child_install makes
 * the SAs after the commit.
 */
#include "ike/v1.h"

static void proxy_text(struct ev_str *out, const struct prefix *p, u8 proto, u16 lo, u16 hi)
{
    char a[ADDR_STR], m[ADDR_STR], t[64];
    struct addr mask = addr_mask(p->a.family, p->len);
    snprintf(t, sizeof t, "%s/%s/%u/%u (type=%u)", addr_str(a, &p->a), addr_str(m, &mask), proto,
             lo == hi ? lo : 0, p->len == addr_bits(&p->a) ? 1 : 4);
    *out = ev_str(t);
}

static void trace_ipsec(struct ike *ike, const struct ike_sa *sa, const struct ike_flow_value *f,
                        const struct ike_transform *t, bool outbound)
{
    char name[64];
    if (!ev_on(ike->log, EV_IPSEC_SA_REQUEST)) {
        return;
    }
    snprintf(name, sizeof name, "%s%s%s %s%s%s", t->ah ? hash_row(t->ah)->ah : "",
             p2_is_bundle(t) ? " " : "", t->encr ? encr_row(t->encr)->shown : "",
             t->auth ? hash_row(t->auth)->ts : "", t->comp ? " " : "", comp_row((enum comp_id)t->comp)->ts);
    struct evb_ipsec_sa_request r = {.local = sa->local.a,
                                     .remote = sa->remote.a,
                                     .transform = ev_str(name),
                                     .mode =
                                         ev_str(t->mode == MODE_TUNNEL ? "Tunnel" : "Transport"),
                                     .seconds = outbound ? f->life_s : 0,
                                     .kilobytes = outbound ? f->life_kb : 0,
                                     .keysize = encr_row(t->encr)->attr_bits};
    proxy_text(&r.lproxy, &f->sel.src, f->sel.proto, f->sel.sport_lo, f->sel.sport_hi);
    proxy_text(&r.rproxy, &f->sel.dst, f->sel.proto, f->sel.dport_lo, f->sel.dport_hi);
    if (outbound) {
        ev_ipsec_sa_request(ike->log, sa->c.conn_id, &sa->remote.a, &r);
    } else {
        struct evb_ipsec_proposal p;
        _Static_assert(sizeof p == sizeof r, "the two rows have the same fields");
        memcpy(&p, &r, sizeof p);
        ev_ipsec_proposal(ike->log, sa->c.conn_id, &sa->remote.a, &p);
    }
}

/* take_choice: the agreed transform into the draft; the shorter lifetimes win. */
static void take_choice(struct draft *d, const struct ike_flow_value *f, const struct p2_choice *c)
{
    d->x.encr = c->set.encr;
    d->x.auth = c->set.auth;
    d->x.ah = c->set.ah;
    d->x.esn = c->set.esn;
    d->x.comp = c->set.comp;
    d->x.cpi_out = (u16)c->part[PROTO_IPCOMP].spi;
    d->x.mode = c->offer.mode;
    d->x.group = c->offer.group;
    d->x.spi_out = c->part[c->set.encr ? PROTO_ESP : PROTO_AH].spi;
    d->x.ah_out = p2_is_bundle(&c->set) ? c->part[PROTO_AH].spi : 0;
    if (!d->x.ah_out) {
        d->x.ah_in = 0; /* another set was offered with one */
    }
    d->x.life_s = MAX(MIN(c->offer.life_s, f->life_s), (u32)P2_LIFE_MIN_S);
    d->x.life_kb = !c->offer.life_kb ? f->life_kb
                   : !f->life_kb     ? c->offer.life_kb
                                     : MIN(c->offer.life_kb, f->life_kb);
    d->x.peer_life_s = c->offer.life_s;
    d->x.flow = f->flow;
    d->x.replay_window = f->replay_window;
}

/* ---- our SPIs ---- */

static struct p2_spis our_spis(const struct draft *d)
{
    return (struct p2_spis){d->x.spi_in, d->x.ah_in, d->x.cpi_in};
}

/* cpi_new: of those that are negotiated (RFC 3173 3.3). It need not be the only one: it is looked at behind the SA's SPI. */
static u16 cpi_new(struct ike *ike)
{
    enum { FIRST = 256, LAST = 61439 };
    return (u16)(FIRST + env_random_u32(ike->clock) % (LAST - FIRST + 1));
}

/* ---- message 1, as responder ---- */

/* through_nat: transport mode of a far end whose own address, or ours as it knows it, is not what arrives here (RFC 3947 5.2):
 * the endpoints as they are seen here take the place of those. */
static const struct flow *through_nat(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    struct selector s = d->x.sel;
    bool src_host = s.src.len == addr_bits(&s.src.a), dst_host = s.dst.len == addr_bits(&s.dst.a);
    if (!natt_udp(&d->sa) || !src_host || !dst_host) {
        return NULL;
    }
    if (d->sa.nat & NAT_PEER) {
        s.dst = prefix_host(&sa->remote.a);
    }
    if (d->sa.nat & NAT_US) {
        s.src = prefix_host(&sa->local.a);
    }
    const struct flow *f = flow_by_proxy(ike, sa, &s, false, d);
    d->want = 0; /* clients come in tunnel mode */
    bool transport = f && f->v.any_mode;
    for (unsigned i = 0; f && i < f->v.num_transforms; i++) {
        transport |= f->v.transform[i].mode == MODE_TRANSPORT;
    }
    if (transport) {
        d->x.sel = s;
        d->why = WHY_NONE;
    }
    return transport ? f : NULL;
}

static bool read_proxies(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                         struct draft *d, const struct flow **out)
{
    bool absent = m->num_ids == 0;
    if (m->num_ids == 1) {
        draft_why(d, WHY_PAYLOADS, "one proxy identity, wanted two or none");
        return false;
    }
    if (absent) {
        struct selector s = {.src = prefix_host(&sa->local.a),
                             .dst = prefix_host(&sa->remote.a),
                             .sport_hi = 0xffff,
                             .dport_hi = 0xffff};
        d->x.sel = s;
    } else if (!proxy_read(&d->x.sel, m, false, d)) {
        return false;
    } else {
        d->x.idi.len = m->id[0].body.len;
        memcpy(d->x.idi.b, m->id[0].body.p, d->x.idi.len);
        d->x.idr.len = m->id[1].body.len;
        memcpy(d->x.idr.b, m->id[1].body.p, d->x.idr.len);
    }
    *out = flow_by_proxy(ike, sa, &d->x.sel, absent, d);
    if (!*out && !absent && !d->want) {
        *out = through_nat(ike, sa, d);
    }
    if (*out && absent) {
        d->x.sel = (*out)->v.sel;
    }
    return *out != NULL;
}

/* client_wanted: a client without a flow: what it offers fits the template, else it is refused at once. */
static enum verdict client_wanted(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d)
{
    struct p2_choice c;
    const struct ike_flow_value *t = flow_template(ike, sa, &d->x.sel);
    if (t && p2_select(ike, sa, t, m, &c, d)) {
        return V_WAIT;
    }
    d->notify = NTF_NO_PROPOSAL_CHOSEN;
    return V_REPLY_ERROR;
}

enum verdict qm_r1(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    u8 want[HASH_MAX];
    const struct flow *f = NULL;
    struct p2_choice c;
    u32 msgid = m->hdr.msgid;
    trace_payload(ike, sa, sa->c.conn_id, "HASH", msgid);
    keys_hash_phase2(want, &d->sa, msgid, NULL, m->signed_part.p, m->signed_part.len);
    if (!draft_hash_is(m, want, d)) {
        return V_DROP;
    }
    trace_payload(ike, sa, sa->c.conn_id, "SA", msgid);
    d->x.spi_out =
        m->sa.proposal[0].spi_len == 4 ? be32(m->sa.proposal[0].spi) : 0; /* names it in an error */
    if (!read_proxies(ike, sa, m, d, &f)) {
        if (d->want) {
            return client_wanted(ike, sa, m, d);
        }
        d->notify = NTF_INVALID_ID_INFORMATION;
        return V_REPLY_ERROR;
    }
    if (!p2_select(ike, sa, &f->v, m, &c, d)) {
        d->notify = NTF_NO_PROPOSAL_CHOSEN;
        return V_REPLY_ERROR;
    }
    trace_ipsec(ike, sa, &f->v, &c.set, false);
    take_choice(d, &f->v, &c);
    d->x.sa_i.len = 0;
    if (d->x.group && !dh_public_ok(d->x.group, m->ke.p, m->ke.len)) {
        draft_bad_ke(m, d->x.group, d);
        d->notify = NTF_INVALID_KEY_INFORMATION;
        return V_REPLY_ERROR;
    }
    if (d->x.group && (!draft_dh(ike, d, d->x.group) || !draft_agree(d->dh, m, d->x.group, d))) {
        d->notify = NTF_INVALID_KEY_INFORMATION;
        return V_REPLY_ERROR;
    }
    ev_ike_processing_nonce(ike->log, sa->c.conn_id, &sa->remote.a,
                            &(struct evb_ike_processing_nonce){.msgid = msgid});
    draft_nonce(&d->x.ni, &m->nonce);
    for (unsigned i = 0; i < m->num_ids; i++) {
        trace_payload(ike, sa, sa->c.conn_id, "ID", msgid);
    }
    ev_ike_ask_spi(ike->log, sa->c.conn_id, &sa->remote.a,
                   &(struct evb_ike_ask_spi){.flow = f->v.flow});
    if (!p2_keep(&d->x.sa_i, &m->sa, &c)) {
        draft_why(d, WHY_NO_TRANSFORM, "the chosen transforms have more attributes than adit keeps");
        d->notify = NTF_NO_PROPOSAL_CHOSEN;
        return V_REPLY_ERROR;
    }
    d->x.spi_in = spi_new(ike);
    d->x.ah_in = d->x.ah_out ? spi_other(ike, d->x.spi_in) : 0;
    d->x.cpi_in = d->x.comp ? cpi_new(ike) : 0;
    d->x.nr.len = 20;
    env_random(ike->clock, d->x.nr.b, 20);
    d->effects = EF_INSTALL_IN;
    return V_NEXT;
}

/* ---- message 2 ---- */

/* lifetime_notify: when our life is the shorter one the peer is told (RFC 2407 4.6.3.1). */
static void lifetime_notify(struct draft *d)
{
    u8 data[24], spi[4];
    struct wr w = wr_init(data, sizeof data);
    if (d->x.life_s >= d->x.peer_life_s) {
        return;
    }
    put32(spi, d->x.spi_in);
    isakmp_out_attr(&w, P2_LIFE_TYPE, LIFE_SECONDS);
    isakmp_out_attr_u32(&w, P2_LIFE, d->x.life_s);
    isakmp_out_notify(&d->out, d->x.encr ? PROTO_ESP : PROTO_AH, NTF_RESPONDER_LIFETIME, spi, 4, data, wr_len(&w));
}

void qm_out_2(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    (void)ike;
    (void)sa;
    size_t start = draft_begin_hashed(d);
    p2_repeat(&d->out, &d->x.sa_i, our_spis(d));
    isakmp_out_payload(&d->out, PL_NONCE, d->x.nr.b, d->x.nr.len);
    if (d->dh) {
        dh_public(d->dh, d->x.gr.b);
        isakmp_out_payload(&d->out, PL_KE, d->x.gr.b, group_row(d->x.group)->public_len);
        dh_free(d->dh);
        d->dh = NULL;
    }
    if (d->x.idi.len) {
        isakmp_out_payload(&d->out, PL_ID, d->x.idi.b, d->x.idi.len);
        isakmp_out_payload(&d->out, PL_ID, d->x.idr.b, d->x.idr.len);
    }
    if (d->x.mode == MODE_TRANSPORT) {
        natt_write_oa(d, sa);
    }
    lifetime_notify(d);
    draft_end_hashed(d, start, &d->x.ni);
}

/* ---- message 3, as responder ---- */

enum verdict qm_r3(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    u8 want[HASH_MAX];
    (void)ike;
    (void)sa;
    keys_hash3(want, &d->sa, &d->x);
    if (!draft_hash_is(m, want, d)) {
        return V_DROP;
    }
    d->effects = EF_INSTALL_OUT | EF_QM_DONE;
    return V_NEXT;
}

/* ---- message 2, as initiator ---- */

static bool same_proxies(const struct isakmp_msg *m, struct draft *d)
{
    if (m->num_ids == 0) {
        return true; /* some peers leave them out when they are the endpoints; the hash covers the
                        rest */
    }
    if (m->num_ids == 2 && m->id[0].body.len == d->x.idi.len && m->id[1].body.len == d->x.idr.len &&
        memcmp(m->id[0].body.p, d->x.idi.b, d->x.idi.len) == 0 &&
        memcmp(m->id[1].body.p, d->x.idr.b, d->x.idr.len) == 0) {
        return true;
    }
    struct selector got;
    char a[SELECTOR_STR], b[SELECTOR_STR];
    if (m->num_ids == 2 && proxy_read(&got, m, true, d)) {
        if (selector_equal(&got, &d->x.sel)) {
            return true;
        }
        draft_why(d, WHY_PROXY, "answered proxies %s, offered %s", selector_str(a, &got),
                  selector_str(b, &d->x.sel));
    } else {
        draft_why(d, WHY_PROXY, "answered %u proxy identities, offered two", m->num_ids);
    }
    return false;
}

static void responder_lifetime(const struct isakmp_msg *m, struct draft *d)
{
    for (unsigned i = 0; i < m->num_notify; i++) {
        const struct isakmp_notify *n = &m->notify[i];
        struct isakmp_transform t = {.attrs = n->data.p, .attrs_len = n->data.len};
        struct p2_offer o;
        if (n->type == NTF_RESPONDER_LIFETIME) {
            p2_read(&o, &t);
            o.life_s = MAX(o.life_s, (u32)P2_LIFE_MIN_S);
            o.life_kb = o.life_kb ? MAX(o.life_kb, (u64)P2_LIFE_MIN_KB) : 0;
            d->x.life_s = o.life_seen ? MIN(d->x.life_s, o.life_s) : d->x.life_s;
            d->x.life_kb =
                o.life_kb ? MIN(d->x.life_kb ? d->x.life_kb : UINT64_MAX, o.life_kb) : d->x.life_kb;
        }
    }
}

/* chosen: how many proposals, from the first, the peer chose: they have one number and one transform each; 0: that is no choice.
 * With IPComp strongSwan says what it did not choose as well, the same without IPComp under the next number: it does not count. */
static unsigned chosen(const struct isakmp_sa *a)
{
    unsigned n = 0;
    bool comp = false, one = true;
    for (; n < a->num_proposals && a->proposal[n].number == a->proposal[0].number; n++) {
        one = one && a->proposal[n].num == 1;
        comp = comp || a->proposal[n].proto == PROTO_IPCOMP;
    }
    return one && (n == a->num_proposals || comp) ? n : 0;
}

/* answer_ok: exactly one transform, of a bundle one of each protocol, with the terms of what we offered under its number; under
 * another number it may have those of any transform of ours (RFC 2408 4.2: the number SHOULD be
 * kept). */
static bool answer_ok(struct ike *ike, const struct ike_sa *sa, const struct flow *f,
                      const struct isakmp_msg *answer, struct p2_choice *out, struct draft *d)
{
    char detail[160];
    struct ike_flow_value offer = f->v, all;
    for (unsigned n = 0; n < offer.num_transforms; n++) {
        offer.transform[n].require = true; /* the answer must be what we offered */
    }
    all = offer;
    struct isakmp_msg only = *answer;
    const struct isakmp_msg *m = &only;
    const struct isakmp_sa *a = &m->sa;
    bool one = (only.sa.num_proposals = chosen(&answer->sa)) != 0;
    for (unsigned n = 0; one && n < f->v.num_transforms; n++) {
        u8 proposal, transform;
        p2_place(&f->v, n, &proposal, &transform);
        if (a->proposal[0].number == proposal && a->transform[0].number == transform) {
            offer.transform[0] = all.transform[n];
            offer.num_transforms = 1;
            if (p2_select(ike, sa, &offer, m, out, d)) {
                return true;
            }
        }
    }
    if (one && p2_select(ike, sa, &all, m, out, d)) {
        return true;
    }
    snprintf(detail, sizeof detail, "%.150s", d->why ? d->detail : "number of transforms");
    draft_why(d, WHY_NOT_OFFERED, "%s", detail);
    return false;
}

enum verdict qm_i2(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    u8 want[HASH_MAX];
    struct p2_choice c;
    u32 msgid = m->hdr.msgid;
    trace_payload(ike, sa, sa->c.conn_id, "HASH", msgid);
    keys_hash_phase2(want, &d->sa, msgid, &d->x.ni, m->signed_part.p, m->signed_part.len);
    if (!draft_hash_is(m, want, d)) {
        return V_DROP;
    }
    trace_payload(ike, sa, sa->c.conn_id, "SA", msgid);
    struct flow *f = flow_find(ike, d->x.flow);
    if (!f) {
        draft_why(d, WHY_NOT_OFFERED, "flow (removed from the configuration)");
        return V_FAIL;
    }
    if (!answer_ok(ike, sa, f, m, &c, d)) {
        return V_FAIL;
    }
    if (!same_proxies(m, d)) {
        return V_FAIL;
    }
    take_choice(d, &f->v, &c);
    responder_lifetime(m, d);
    ev_ike_processing_nonce(ike->log, sa->c.conn_id, &sa->remote.a,
                            &(struct evb_ike_processing_nonce){.msgid = msgid});
    draft_nonce(&d->x.nr, &m->nonce);
    if (d->x.group) {
        struct xch *x = xch_find(sa, msgid);
        if (!draft_agree(x ? x->dh : NULL, m, d->x.group, d)) {
            return V_FAIL;
        }
    }
    for (unsigned i = 0; i < m->num_ids; i++) {
        trace_payload(ike, sa, sa->c.conn_id, "ID", msgid);
    }
    d->effects = EF_INSTALL_IN | EF_INSTALL_OUT | EF_QM_DONE;
    return V_NEXT;
}

void qm_out_3(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    (void)ike;
    (void)sa;
    draft_begin_hashed(d);
    keys_hash3(d->buf + ISAKMP_HDR + 4, &d->sa, &d->x);
}

/* ---- message 1, as initiator ---- */

bool qm_out_1(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    struct flow *f = arg;
    trace_ipsec(ike, sa, &f->v, &f->v.transform[0], true);
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    d->x.flow = f->v.flow;
    d->x.sel = f->v.sel;
    d->x.spi_in = spi_new(ike);
    for (unsigned i = 0; i < f->v.num_transforms && !d->x.ah_in; i++) {
        d->x.ah_in = p2_is_bundle(&f->v.transform[i]) ? spi_other(ike, d->x.spi_in) : 0;
    }
    d->x.cpi_in = cpi_new(ike);
    d->x.ni.len = 20;
    env_random(ike->clock, d->x.ni.b, 20);
    size_t start = draft_begin_hashed(d);
    p2_write(&d->out, &d->sa, &f->v, our_spis(d));
    isakmp_out_payload(&d->out, PL_NONCE, d->x.ni.b, 20);
    if (f->v.pfs_group) {
        if (!draft_dh(ike, d, f->v.pfs_group)) {
            return false;
        }
        dh_public(d->dh, d->x.gi.b);
        isakmp_out_payload(&d->out, PL_KE, d->x.gi.b, group_row(f->v.pfs_group)->public_len);
    }
    proxy_write(&d->out, &d->x.idi, &d->x.idr, &f->v.sel);
    if (f->v.transform[0].mode == MODE_TRANSPORT) {
        natt_write_oa(d, sa);
    }
    draft_end_hashed(d, start, NULL);
    ev_ike_begin_qm(ike->log, sa->c.conn_id, &sa->remote.a,
                    &(struct evb_ike_begin_qm){.msgid = d->x.msgid});
    return true;
}
