/*
 * v1_phase1_out.c: main mode, the writing half (RFC 2409 5.4): the message each row answers with,
 * and message 1. Called by the engine after the handler said NEXT; what is written and remembered
 * here goes into the draft only.
 */
#include "ike/ike_int.h"

/* ---- message 2: the chosen transform comes back word for word (RFC 2408 4.2) ---- */

/* transform_at: finds the n-th transform again in the initiator's SA body the draft keeps. */
static bool transform_at(const struct bytes_sa *body, unsigned n, struct isakmp_sa *sa,
                         struct isakmp_transform *out, u8 *out_proposal)
{
    struct isakmp_payload pl = {
        .type = PL_SA, .len = body->len, .off = ISAKMP_HDR, .body = body->b};
    struct isakmp_fault f = isakmp_sa_read(sa, &pl);
    if (f.reason != IW_OK || n >= sa->num_transforms) {
        return false;
    }
    *out = sa->transform[n];
    for (unsigned i = 0; i < sa->num_proposals; i++) {
        if (n >= sa->proposal[i].first && n < sa->proposal[i].first + sa->proposal[i].num) {
            *out_proposal = sa->proposal[i].number;
        }
    }
    return true;
}

void mm_out_2(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    struct isakmp_sa offer;
    struct isakmp_transform t;
    struct isakmp_prop_out p;
    u8 proposal = 1;
    unsigned chosen = d->x.spi_in;
    d->x.spi_in = 0;
    draft_hdr(d, false);
    if (transform_at(&d->x.sa_i, chosen, &offer, &t, &proposal)) {
        isakmp_out_sa(&d->out);
        isakmp_out_proposal(&d->out, &p, proposal, PROTO_ISAKMP, NULL, 0);
        isakmp_out_transform_number(&d->out, &p, t.number, t.id);
        wr_bytes(&d->out.w, t.attrs, t.attrs_len);
        isakmp_out_transform_end(&d->out, &p);
        isakmp_out_proposal_end(&d->out, &p, true);
        isakmp_out_end(&d->out);
    }
    (void)ike;
    (void)sa;
}

/* ---- message 3 and 4 ---- */

static void write_ke(struct draft *d, const struct bytes_big *ke, const struct bytes_nonce *nonce)
{
    draft_hdr(d, false);
    isakmp_out_payload(&d->out, PL_KE, ke->b, ke->len);
    isakmp_out_payload(&d->out, PL_NONCE, nonce->b, nonce->len);
    vendor_write_ours(&d->out, d->sa.cookie_i);
}

void mm_out_3(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    d->x.gi.len = group_row(d->sa.group)->public_len;
    dh_public(d->dh, d->x.gi.b);
    d->x.ni.len = NONCE_LEN;
    env_random(ike->clock, d->x.ni.b, d->x.ni.len);
    (void)sa;
    write_ke(d, &d->x.gi, &d->x.ni);
}

void mm_out_4(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    (void)ike;
    (void)sa;
    write_ke(d, &d->x.gr, &d->x.nr);
}

/* ---- message 5 and 6 ---- */

/* write_identity: our address, protocol 17 port 500 as IOS sends it; the body is what HASH_I or
 * HASH_R covers. */
static void write_identity(struct ike *ike, const struct ike_sa *sa, struct draft *d,
                           struct bytes_id *id)
{
    struct wr w = wr_init(id->b, sizeof id->b);
    wr_u8(&w, sa->local.a.family == AF_V4 ? ID_IPV4_ADDR : ID_IPV6_ADDR);
    wr_u8(&w, IPPROTO_UDP_);
    wr_u16(&w, 500);
    wr_bytes(&w, sa->local.a.b, addr_len(&sa->local.a));
    id->len = (u16)wr_len(&w);
    ev_ike_id_ours(ike->log, d->sa.conn_id, &sa->remote.a,
                   &(struct evb_ike_id_ours){.type = ev_str(isakmp_id_name(id->b[0]))});
    trace_id(ike, sa, id->b, id->len, PL_HASH);
    ev_ike_id_length(ike->log, d->sa.conn_id, &sa->remote.a,
                     &(struct evb_ike_id_length){.length = id->len + 4u});
    draft_hdr(d, true);
    isakmp_out_payload(&d->out, PL_ID, id->b, id->len);
}

void mm_out_5(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    u8 hash[HASH_MAX], spi[16];
    bool contact = !sa->peer->contacted && !inherit_may_be(ike, &sa->remote.a);
    if (contact) {
        ev_ike_send_contact(ike->log, d->sa.conn_id, &sa->remote.a,
                            &(struct evb_ike_send_contact){.sas = 0});
    }
    write_identity(ike, sa, d, &d->x.idi);
    keys_hash_i(hash, &d->sa, &d->x);
    auth_of(d->sa.auth)->prove(ike, sa, d, hash);
    if (contact) { /* RFC 2407 4.6.3.3: the SPI is both cookies */
        memcpy(spi, d->sa.cookie_i, 8);
        memcpy(spi + 8, d->sa.cookie_r, 8);
        isakmp_out_notify(&d->out, PROTO_ISAKMP, NTF_INITIAL_CONTACT, spi, sizeof spi, NULL, 0);
    }
}

void mm_out_6(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    u8 hash[HASH_MAX];
    write_identity(ike, sa, d, &d->x.idr);
    keys_hash_r(hash, &d->sa, &d->x);
    auth_of(d->sa.auth)->prove(ike, sa, d, hash);
}

/* ---- message 1 ---- */

bool mm_out_1(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *have)
{
    d->sa.initiator = d->x.initiator = true;
    do {
        env_random(ike->clock, d->sa.cookie_i, 8);
    } while (be64(d->sa.cookie_i) == 0);
    ev_ike_no_aggressive(ike->log, 0, &sa->remote.a,
                         &(struct evb_ike_no_aggressive){.flow = sa->flow});
    auth_tell(ike, sa, 0, *(const u32 *)have);
    draft_hdr(d, false);
    p1_write(ike, *(const u32 *)have, &d->out);
    size_t body = be16(d->buf + ISAKMP_HDR + 2) - 4u;
    if (d->out.w.bad || body > sizeof d->x.sa_i.b) {
        return false;
    }
    d->x.sa_i.len = (u16)body;
    memcpy(d->x.sa_i.b, d->buf + ISAKMP_HDR + 4, body);
    trace_input(ike, sa, 0, 0, "IKE_MESG_FROM_IPSEC", "IKE_SA_REQ_MM");
    trace_state(ike, 0, &sa->remote.a, XS_READY, XS_I_MM1, false);
    ev_ike_begin_mm(ike->log, 0, &sa->remote.a, &(struct evb_ike_begin_mm){.flow = sa->flow});
    return true;
}
