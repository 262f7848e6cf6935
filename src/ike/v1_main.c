/*
 * v1_main.c: main mode (RFC 2409 5.1, 5.4): handlers, which read the SA and the message and write their draft, and the answers.
 * What is not its own but phase 1's is in v1_phase1.c and v1_phase1_out.c. Rows: v1_table.c.
 */
#include "ike/v1.h"

/* ---- message 1 and 2: the policy ---- */

bool mm_out_1(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *have)
{
    d->sa.initiator = d->x.initiator = true;
    p1_our_cookie(ike, d->sa.cookie_i);
    ev_ike_no_aggressive(ike->log, 0, &sa->remote.a,
                         &(struct evb_ike_no_aggressive){.flow = sa->flow});
    auth_tell(ike, sa, 0, *(const u32 *)have);
    draft_hdr(d, false);
    if (!p1_write_offer(ike, d, *(const u32 *)have, 0)) {
        return false;
    }
    vendor_write_natt(&d->out, natt_offers(ike));
    if (!ike->conf->global.frag_off) {
        vendor_write_frag(&d->out);
    }
    trace_input(ike, sa, 0, 0, "IKE_MESG_FROM_IPSEC", "IKE_SA_REQ_MM");
    trace_state(ike, 0, &sa->remote.a, XS_READY, XS_I_MM1, false);
    ev_ike_begin_mm(ike->log, 0, &sa->remote.a, &(struct evb_ike_begin_mm){.flow = sa->flow});
    return true;
}

enum verdict mm_r1(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    return p1_choose(ike, sa, m, d);
}

void mm_out_2(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    (void)ike, (void)sa;
    draft_hdr(d, false);
    p1_write_choice(d);
    vendor_write_natt(&d->out, d->sa.natt);
    if (d->sa.frag) {
        vendor_write_frag(&d->out);
    }
}

enum verdict mm_i2(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    enum verdict v = p1_answered(ike, sa, m, d);
    return v != V_NEXT || draft_dh(ike, d, d->sa.group) ? v : V_DROP;
}

/* ---- message 3 and 4: the keys ---- */

void mm_out_3(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    (void)sa;
    p1_our_value(ike, d->dh, d, &d->x.gi, &d->x.ni);
    draft_hdr(d, false);
    p1_write_ke(d, &d->x.gi, &d->x.ni);
    vendor_write_ours(ike, &d->out, d->sa.cookie_i);
    natd_write(d);
}

enum verdict mm_r3(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    if (!dh_public_ok(d->sa.group, m->ke.p, m->ke.len)) { /* before we pay for a key pair */
        draft_bad_ke(m, d->sa.group, d);
        return V_DROP;
    }
    /* under one pair of cookies every message 3 is answered with one value and nonce of ours: the
     * initiator may have been answered for a forged one before (half_open.c) */
    const struct dh *dh = sa->main.dh;
    if (!dh) {
        if (!draft_dh(ike, d, d->sa.group)) {
            return V_DROP;
        }
        dh = d->dh;
        d->x.nr.len = NONCE_LEN;
        env_random(ike->clock, d->x.nr.b, d->x.nr.len);
    }
    memcpy(d->x.gi.b, m->ke.p, m->ke.len);
    d->x.gi.len = d->x.gr.len = group_row(d->sa.group)->public_len;
    dh_public(dh, d->x.gr.b);
    draft_nonce(&d->x.ni, &m->nonce);
    return p1_keys(ike, sa, m, dh, d) ? V_NEXT : V_DROP;
}

void mm_out_4(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    (void)sa;
    draft_hdr(d, false);
    p1_write_ke(d, &d->x.gr, &d->x.nr);
    sig_ask(ike, d);
    vendor_write_ours(ike, &d->out, d->sa.cookie_i);
    natd_write(d);
}

enum verdict mm_i4(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    if (!dh_public_ok(d->sa.group, m->ke.p, m->ke.len)) {
        draft_bad_ke(m, d->sa.group, d);
        return V_DROP;
    }
    memcpy(d->x.gr.b, m->ke.p, m->ke.len);
    d->x.gr.len = m->ke.len;
    draft_nonce(&d->x.nr, &m->nonce);
    if (!p1_keys(ike, sa, m, sa->main.dh, d)) {
        return V_DROP;
    }
    natt_float(d);
    return V_NEXT;
}

/* ---- message 5 and 6: who it is ---- */

enum verdict mm_5_6(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                    struct draft *d)
{
    struct bytes_id *who = sa->c.initiator ? &d->x.idr : &d->x.idi;
    return p1_identity(ike, sa, m, who, d) ? p1_proved(ike, sa, m, d) : V_DROP;
}

void mm_out_5(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    bool contact = p1_greets(ike, sa, d);
    draft_hdr(d, true);
    p1_write_identity(ike, sa, d, &d->x.idi);
    p1_write_proof(ike, sa, d);
    sig_ask(ike, d);
    if (contact) {
        p1_write_contact(d);
    }
}

void mm_out_6(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    draft_hdr(d, true);
    p1_write_identity(ike, sa, d, &d->x.idr);
    p1_write_proof(ike, sa, d);
}
