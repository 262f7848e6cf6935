/*
 * v1_phase1_out.c: what an exchange of phase 1 needs whichever it is, the writing half (RFC 2409 5): the offer and the choice, our
 * public value and nonce, our identity and its proof. What is written and remembered here goes into the draft only.
 */
#include "ike/v1.h"

/* ---- the policy: the chosen transform comes back word for word (RFC 2408 4.2) ---- */

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

void p1_write_choice(struct draft *d)
{
    struct isakmp_sa offer;
    struct isakmp_transform t;
    struct isakmp_prop_out p;
    u8 proposal = 1;
    unsigned chosen = d->x.spi_in;
    d->x.spi_in = 0;
    if (transform_at(&d->x.sa_i, chosen, &offer, &t, &proposal)) {
        isakmp_out_sa(&d->out);
        isakmp_out_proposal(&d->out, &p, proposal, PROTO_ISAKMP, NULL, 0);
        isakmp_out_transform_number(&d->out, &p, t.number, t.id);
        wr_bytes(&d->out.w, t.attrs, t.attrs_len);
        isakmp_out_transform_end(&d->out, &p);
        isakmp_out_proposal_end(&d->out, &p, true);
        isakmp_out_end(&d->out);
    }
}

bool p1_write_offer(struct ike *ike, struct draft *d, u32 have, u16 group)
{
    p1_write(ike, have, group, &d->out);
    size_t body = be16(d->buf + ISAKMP_HDR + 2) - 4u;
    if (d->out.w.bad || body > sizeof d->x.sa_i.b) {
        return false;
    }
    d->x.sa_i.len = (u16)body;
    memcpy(d->x.sa_i.b, d->buf + ISAKMP_HDR + 4, body);
    return true;
}

/* ---- the keys ---- */

void p1_write_ke(struct draft *d, const struct bytes_big *ke, const struct bytes_nonce *nonce)
{
    isakmp_out_payload(&d->out, PL_KE, ke->b, ke->len);
    isakmp_out_payload(&d->out, PL_NONCE, nonce->b, nonce->len);
}

void p1_our_value(struct ike *ike, const struct dh *dh, struct draft *d, struct bytes_big *ke,
                  struct bytes_nonce *nonce)
{
    ke->len = group_row(d->sa.group)->public_len;
    dh_public(dh, ke->b);
    nonce->len = NONCE_LEN;
    env_random(ike->clock, nonce->b, nonce->len);
}

/* ---- who we are ---- */

void p1_write_identity(struct ike *ike, const struct ike_sa *sa, struct draft *d,
                       struct bytes_id *id)
{
    const struct ike_self *self = profile_self(ike, d->sa.profile, &sa->remote.a);
    struct wr w = wr_init(id->b, sizeof id->b);
    bool plain = self->type && self->type != IKE_SELF_DN; /* a name that is said */
    wr_u8(&w, plain ? self->type : sa->local.a.family == AF_V4 ? ID_IPV4_ADDR : ID_IPV6_ADDR);
    wr_u8(&w, IPPROTO_UDP_);
    wr_u16(&w, 500);
    if (plain) {
        wr_bytes(&w, self->text, strnlen(self->text, sizeof self->text));
    } else {
        wr_bytes(&w, sa->local.a.b, addr_len(&sa->local.a));
    }
    id->len = (u16)wr_len(&w);
    if (sig_we_sign(&d->sa)) {
        (void)sig_identity(ike, sa, d, self, id);
        ev_ike_id_sig(ike->log, d->sa.conn_id, &sa->remote.a,
                      &(struct evb_ike_id_sig){.method = ev_str(sig_kind(d->sa.auth) == PKI_RSA ? "RSA signature" : "ECDSA signature"),
                                               .type = ev_str(isakmp_id_name(id->b[0]))});
    } else {
        ev_ike_id_ours(ike->log, d->sa.conn_id, &sa->remote.a,
                       &(struct evb_ike_id_ours){.type = ev_str(isakmp_id_name(id->b[0]))});
    }
    trace_id(ike, sa, id->b, id->len, sig_we_sign(&d->sa) ? PL_CERT : PL_HASH);
    ev_ike_id_length(ike->log, d->sa.conn_id, &sa->remote.a,
                     &(struct evb_ike_id_length){.length = id->len + 4u});
    isakmp_out_payload(&d->out, PL_ID, id->b, id->len);
}

void p1_write_proof(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    u8 hash[HASH_MAX];
    (d->sa.initiator ? keys_hash_i : keys_hash_r)(hash, sig_hash(&d->sa), &d->sa, &d->x);
    if (!auth_of(d->sa.auth)->prove(ike, sa, d, hash)) {
        d->out.w.bad = true; /* nothing is sent; why is in the draft */
    }
}

bool p1_greets(struct ike *ike, const struct ike_sa *sa, const struct draft *d)
{
    bool contact = !sa->peer->contacted && !inherit_may_be(ike, &sa->remote.a);
    if (contact) {
        ev_ike_send_contact(ike->log, d->sa.conn_id, &sa->remote.a,
                            &(struct evb_ike_send_contact){.sas = 0});
    }
    return contact;
}

void p1_write_contact(struct draft *d)
{
    u8 spi[16]; /* RFC 2407 4.6.3.3: both cookies */
    memcpy(spi, d->sa.cookie_i, 8);
    memcpy(spi + 8, d->sa.cookie_r, 8);
    isakmp_out_notify(&d->out, PROTO_ISAKMP, NTF_INITIAL_CONTACT, spi, sizeof spi, NULL, 0);
}

void p1_our_cookie(struct ike *ike, u8 cookie[8])
{
    do {
        env_random(ike->clock, cookie, 8);
    } while (be64(cookie) == 0);
}
