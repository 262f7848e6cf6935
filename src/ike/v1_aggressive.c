/*
 * v1_aggressive.c: aggressive mode (RFC 2409 5.1, 5.4): handlers, which read the SA and the message and write their draft, and the
 * answers. Three messages: the first brings offer, public value, nonce and identity at once, so the responder pays for a key pair
 * before it knows the address (budget.c says how often), and HASH_R in clear lets anybody who asks try pre-shared keys at home.
 * What it shares with main mode is in v1_phase1.c and v1_phase1_out.c. Rows: v1_table.c.
 */
#include "ike/v1.h"

/* warn_once: that a hash under a pre-shared key goes out to whoever asked. */
static void warn_once(struct ike *ike, const struct ike_sa *sa, const struct draft *d)
{
    if (!ike->guess_told && auth_proof(d->sa.auth, true) == BY_HASH &&
        auth_proof(d->sa.auth, false) == BY_HASH) { /* hybrid's is under no key */
        ike->guess_told = true;
        ev_ike_guessable(ike->log, d->sa.conn_id, &sa->remote.a,
                         &(struct evb_ike_guessable){.role = ev_str(sa_role(sa))});
    }
}

/* ---- message 1 ---- */

bool am_out_1(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *offer)
{
    const struct am_offer *o = offer;
    d->sa.initiator = d->x.initiator = true;
    d->sa.group = o->group;
    p1_our_cookie(ike, d->sa.cookie_i);
    if (!draft_dh(ike, d, o->group)) {
        return false;
    }
    auth_tell(ike, sa, 0, o->have);
    p1_our_value(ike, d->dh, d, &d->x.gi, &d->x.ni);
    draft_hdr(d, false);
    if (!p1_write_offer(ike, d, o->have, o->group)) {
        return false;
    }
    p1_write_ke(d, &d->x.gi, &d->x.ni);
    d->sa.auth = o->auth; /* the identity is said before it is agreed */
    p1_write_identity(ike, sa, d, &d->x.idi);
    sig_ask(ike, d);
    d->sa.auth = 0;
    vendor_write_natt(&d->out, natt_offers(ike));
    if (!ike->conf->global.frag_off) {
        vendor_write_frag(&d->out);
    }
    vendor_write_ours(ike, &d->out, d->sa.cookie_i);
    ev_ike_begin_am(ike->log, 0, &sa->remote.a, &(struct evb_ike_begin_am){.flow = sa->flow});
    trace_input(ike, sa, 0, 0, "IKE_MESG_FROM_IPSEC", "IKE_SA_REQ_AM");
    trace_state(ike, 0, &sa->remote.a, XS_READY, XS_I_AM1, false);
    return true;
}

enum verdict am_r1(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    if (ike->conf->global.aggressive_off) {
        draft_why(d, WHY_EXCHANGE, "aggressive mode is disabled");
        d->notify = NTF_INVALID_EXCHANGE_TYPE;
        return V_REPLY_ERROR;
    }
    if (!p1_identity(ike, sa, m, &d->x.idi, d)) {
        return V_DROP;
    }
    enum verdict v = p1_choose(ike, sa, m, d);
    if (v != V_NEXT) {
        return v;
    }
    if (!dh_public_ok(d->sa.group, m->ke.p, m->ke.len)) { /* before we pay for a key pair */
        draft_bad_ke(m, d->sa.group, d);
        return V_DROP;
    }
    if (!budget_take(ike, BUDGET_FIRST, &sa->remote.a)) {
        draft_why(d, WHY_LIMIT, "so many first messages of aggressive mode came from this network "
                                "that no more are answered this second");
        return V_DROP;
    }
    if (!draft_dh(ike, d, d->sa.group)) {
        return V_DROP;
    }
    memcpy(d->x.gi.b, m->ke.p, m->ke.len);
    d->x.gi.len = m->ke.len;
    draft_nonce(&d->x.ni, &m->nonce);
    p1_our_value(ike, d->dh, d, &d->x.gr, &d->x.nr);
    return p1_keys(ike, sa, m, d->dh, d) ? V_NEXT : V_DROP;
}

/* ---- message 2 ---- */

void am_out_2(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    draft_hdr(d, false);
    p1_write_choice(d);
    p1_write_ke(d, &d->x.gr, &d->x.nr);
    p1_write_identity(ike, sa, d, &d->x.idr);
    p1_write_proof(ike, sa, d);
    sig_ask(ike, d);
    vendor_write_natt(&d->out, d->sa.natt);
    if (d->sa.frag) {
        vendor_write_frag(&d->out);
    }
    vendor_write_ours(ike, &d->out, d->sa.cookie_i);
    natd_write(d);
    warn_once(ike, sa, d);
}

enum verdict am_i2(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    enum verdict v = p1_answered(ike, sa, m, d);
    if (v != V_NEXT) {
        return v;
    }
    if (!dh_public_ok(d->sa.group, m->ke.p, m->ke.len)) {
        draft_bad_ke(m, d->sa.group, d);
        return V_DROP;
    }
    memcpy(d->x.gr.b, m->ke.p, m->ke.len);
    d->x.gr.len = m->ke.len;
    draft_nonce(&d->x.nr, &m->nonce);
    if (!p1_identity(ike, sa, m, &d->x.idr, d) || !p1_keys(ike, sa, m, sa->main.dh, d)) {
        return V_DROP;
    }
    natt_float(d);
    return p1_proved(ike, sa, m, d);
}

/* ---- message 3 ---- */

void am_out_3(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    bool contact = p1_greets(ike, sa, d);
    draft_hdr(d, true);
    p1_write_proof(ike, sa, d);
    natd_write(d); /* with the ports it goes by */
    warn_once(ike, sa, d);
    if (contact) {
        p1_write_contact(d);
    }
}

enum verdict am_r3(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    trace_payload(ike, sa, sa->c.conn_id, "HASH", 0);
    natd_check(ike, sa, m, d);
    return p1_proved(ike, sa, m, d);
}
