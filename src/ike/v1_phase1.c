/*
 * v1_phase1.c: what an exchange of phase 1 needs whichever it is, the deciding half (RFC 2409 5): the policy, the keys, the
 * identity and its proof. Functions read the SA and the message and write the draft; v1_main.c calls them in the order of main
 * mode's messages. The writing half: v1_phase1_out.c.
 */
#include "ike/admission.h"
#include "ike/unproved.h"
#include "ike/v1.h"

/* ---- the policy ---- */

/* secrets: which methods may be agreed with this far end (auth_bit). */
static u32 secrets(struct ike *ike, const struct ike_sa *sa, const struct draft *d)
{
    const struct far_end who = far_end_of(ike, sa, &d->sa);
    u32 have = auth_have(ike, &who);
    auth_tell(ike, sa, 0, have);
    if (have & auth_bit(auth_of(IKE_AUTH_PSK))) {
        ev_ike_psk_local(ike->log, 0, &sa->remote.a, &(struct evb_ike_psk_local){.policies = 0});
    }
    return have;
}

static void accept_policy(struct ike *ike, const struct isakmp_msg *m,
                          const struct ike_policy_value *p, unsigned transform, struct draft *d)
{
    struct p1_offer o;
    p1_read(&o, &m->sa.transform[transform]);
    d->sa.policy = p->priority;
    d->sa.encr = p->encr;
    d->sa.hash = p->hash;
    d->sa.group = p->group;
    d->sa.auth = o.auth;
    d->sa.life_s = MIN(o.life_s, p->life_s);
    d->sa.conn_id = ike->next_conn;
    d->x.sa_i.len = m->sa.body_len;
    memcpy(d->x.sa_i.b, m->sa.body, m->sa.body_len);
    d->x.spi_in =
        transform; /* which one the answer repeats; quick mode uses the field for its SPI */
}

enum verdict p1_choose(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                       struct draft *d)
{
    unsigned transform = 0;
    trace_payload(ike, sa, 0, "SA", 0);
    if (m->sa.body_len > sizeof d->x.sa_i.b) {
        draft_why(d, WHY_MALFORMED, "the SA payload has %u bytes, adit keeps 2048", m->sa.body_len);
        return V_DROP;
    }
    d->sa.vids = vendor_read(ike, sa, 0, m);
    u32 have = secrets(ike, sa, d);
    if (!have && d->x.exchange == XCH_AGGRESSIVE) { /* he is not to learn whom we have a key for (auth.c) */
        char why[128];
        snprintf(why, sizeof why, "no pre-shared key for %s, nor for its address", d->sa.peer_name);
        report(ike, NULL, &sa->remote.a, XCH_AGGRESSIVE, WHY_NO_PSK, why);
        have = auth_bit(auth_of(IKE_AUTH_PSK));
    }
    const struct ike_policy_value *p = p1_select(ike, sa, m, have, &transform, 0, d);
    if (!p) {
        d->notify = NTF_NO_PROPOSAL_CHOSEN;
        return V_REPLY_ERROR;
    }
    d->sa.natt = natt_choose(ike, d->sa.vids);
    d->sa.frag = (d->sa.vids & VB_FRAG) && !ike->conf->global.frag_off;
    memcpy(d->sa.cookie_i, m->hdr.cookie_i, 8);
    p1_our_cookie(ike, d->sa.cookie_r);
    accept_policy(ike, m, p, transform, d);
    vendor_read(ike, sa, d->sa.conn_id,
                m); /* the dialect looks at them again under the new conn-id */
    return V_NEXT;
}

enum verdict p1_answered(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                         struct draft *d)
{
    trace_payload(ike, sa, 0, "SA", 0);
    if (be64(m->hdr.cookie_r) == 0) {
        draft_why(d, WHY_MALFORMED, "bytes 8..15: the responder cookie is zero");
        return V_DROP;
    }
    memcpy(d->sa.cookie_r, m->hdr.cookie_r, 8);
    d->sa.vids |= vendor_read(ike, sa, 0, m);
    d->sa.natt = natt_choose(ike, d->sa.vids);
    d->sa.frag = (d->sa.vids & VB_FRAG) && !ike->conf->global.frag_off;
    u32 have = secrets(ike, sa, d);
    if (!p1_answer_ok(ike, sa, m, d)) {
        return V_DROP;
    }
    const struct auth_method *auth = auth_of(d->sa.auth);
    if (!(have & auth_bit(auth))) {
        draft_why(d, auth->lacks, "the %s was removed during the negotiation", auth->what);
        return V_DROP;
    }
    d->sa.conn_id = ike->next_conn;
    return V_NEXT;
}

/* ---- the keys ---- */

bool p1_keys(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
             const struct dh *dh, struct draft *d)
{
    u32 conn = d->sa.conn_id;
    trace_payload(ike, sa, conn, "KE", 0);
    if (!draft_agree(dh, m, d->sa.group, d)) {
        return false;
    }
    ev_ike_processing_nonce(ike->log, conn, &sa->remote.a,
                            &(struct evb_ike_processing_nonce){.msgid = 0});
    if (!auth_of(d->sa.auth)->skeyid(ike, sa, d)) {
        return false;
    }
    keys_derive(&d->sa, &d->x);
    keys_iv_phase1(&d->x.iv, &d->sa, &d->x);
    if (!keys_cipher(&d->sa.key, d->sa.encr, d->sa.hash, &d->sa.skeyid_e)) {
        draft_why(d, WHY_KEY_EXCHANGE, "no key can be made for the agreed cipher");
        return false;
    }
    ev_ike_skeyid(ike->log, conn, &sa->remote.a,
                  &(struct evb_ike_skeyid){
                      .skeyid_e = ev_key(d->sa.skeyid_e.b, ike->keylog ? d->sa.skeyid_e.len : 0)});
    d->sa.vids |= vendor_read(ike, sa, conn, m);
    natd_check(ike, sa, m, d);
    sig_asked(ike, sa, m, d);
    mem_wipe(&d->x.gxy, sizeof d->x.gxy);
    return true;
}

/* ---- who it is ---- */

/* identity_ok: an address must be the one the peer speaks from, or at least one that has the same
 * key. */
static bool identity_ok(struct ike *ike, const struct ike_sa *sa, const struct isakmp_id *id,
                        struct draft *d)
{
    char want[ADDR_STR];
    struct prefix p;
    if (!(id->proto == 0 || id->proto == IPPROTO_UDP_) ||
        !(id->port == 0 || id->port == 500 || id->port == 4500)) {
        draft_why(d, WHY_IDENTITY, "the identity has protocol %u port %u, wanted 17 and 500 or 0",
                  id->proto, id->port);
        return false;
    }
    bool signs = sig_peer_signs(&d->sa); /* then the certificate holds the identity (auth_sig.c) */
    if (signs && id->type == ID_DER_ASN1_DN) {
        return true;
    }
    if (id->type != ID_IPV4_ADDR && id->type != ID_IPV6_ADDR) {
        if (id->type == ID_FQDN || id->type == ID_USER_FQDN || id->type == ID_KEY_ID) {
            return true; /* the key was found by address and the hash proves it; the name is only
                            shown */
        }
        draft_why(d, WHY_IDENTITY, "identity type %s, wanted an address or a name",
                  isakmp_id_name(id->type));
        return false;
    }
    if (!isakmp_id_prefix(&p, id)) {
        return false;
    }
    if (addr_equal(&p.a, &sa->remote.a) || core_unproved(&d->sa)) { /* hybrid: a name like any other, nothing proves it */
        return true;
    }
    if (signs) { /* RFC 4945 3.1.1 */
        draft_why(d, WHY_IDENTITY, "its certificate is for %s, wanted the address it speaks from, %s, or a name",
                  d->sa.peer_name, addr_str(want, &sa->remote.a));
        return false;
    }
    const struct far_end who = far_end_of(ike, sa, &d->sa);
    struct far_end there = who;
    there.addr = p.a;
    const struct ike_psk_value *theirs = psk_find(ike, &there), *used = psk_find(ike, &who);
    if (theirs && used && theirs->key.len == used->key.len &&
        mem_equal_ct(theirs->key.b, used->key.b, used->key.len)) {
        return true;
    }
    draft_why(d, WHY_IDENTITY,
              "the peer calls itself %s, wanted %s (or an address with the same pre-shared key)",
              d->sa.peer_name, addr_str(want, &sa->remote.a));
    return false;
}

/* find_profile: who answers takes the first isakmp profile that the identity belongs to; who began knows it already. */
static bool find_profile(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    if (sa->c.initiator) {
        if (!sa->c.profile[0] || profile_takes(ike, sa->c.profile, &d->sa.peer_id)) {
            return true;
        }
        draft_why(d, WHY_PROFILE, "isakmp profile %s has no `match identity` for %s", sa->c.profile,
                  d->sa.peer_name);
        return false;
    }
    const struct ike_profile_value *p = profile_for(ike, &sa->local.a, &d->sa.peer_id);
    str_copy(d->sa.profile, sizeof d->sa.profile, p ? p->name : "");
    if (p) {
        ev_ike_profile(ike->log, sa->c.conn_id, &sa->remote.a,
                       &(struct evb_ike_profile){.profile = ev_str(p->name)});
    } else {
        ev_ike_no_profile(ike->log, sa->c.conn_id, &sa->remote.a,
                          &(struct evb_ike_no_profile){.profiles = 0});
    }
    return true;
}

bool p1_identity(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                 struct bytes_id *out, struct draft *d)
{
    trace_payload(ike, sa, sa->c.conn_id, "ID", 0);
    if (m->num_ids != 1) {
        draft_why(d, WHY_PAYLOADS, "%u ID payloads, wanted one", m->num_ids);
        return false;
    }
    trace_id(ike, sa, m->id[0].body.p, m->id[0].body.len, m->id[0].next);
    out->len = m->id[0].body.len;
    memcpy(out->b, m->id[0].body.p, out->len);
    d->sa.peer_id = *out;
    id_text(d->sa.peer_name, sizeof d->sa.peer_name, out->b, out->len);
    if (!find_profile(ike, sa, d)) {
        return false;
    }
    trace_payload(ike, sa, sa->c.conn_id, m->seen & PB_SIG ? "SIG" : "HASH", 0);
    return true;
}

/* notify_ok: HASH_I and HASH_R do not cover the notifications beside them (RFC 2409 5); at least
 * they must name this very SA and be of a kind we know, so a damaged one takes its message with it.
 */
static bool notify_ok(const struct isakmp_msg *m, struct draft *d)
{
    for (unsigned i = 0; i < m->num_notify; i++) {
        const struct isakmp_notify *n = &m->notify[i];
        bool ours =
            n->spi_len == 0 || (n->spi_len == 16 && memcmp(n->spi, d->sa.cookie_i, 8) == 0 &&
                                memcmp(n->spi + 8, d->sa.cookie_r, 8) == 0);
        if (!ours || n->proto > PROTO_ISAKMP || n->doi > 1 || n->type < NTF_CONNECTED ||
            strcmp(isakmp_notify_name(n->type), "unknown") == 0) {
            draft_why(d, WHY_HASH,
                      "notification %u of protocol %u beside the identity does not name this SA",
                      n->type, n->proto);
            return false;
        }
    }
    return true;
}

/* wants_user: extended authentication comes next: by the method that was agreed, or because we are configured to want it of
 * whoever begins, but of those whose key says that they have no user. */
static enum xauth wants_user(const struct ike *ike, const struct ike_sa *sa, const struct draft *d)
{
    bool agreed = auth_of(d->sa.auth)->xauth;
    if (sa->c.initiator) {
        return agreed ? XAUTH_CLIENT : XAUTH_NONE;
    }
    const struct far_end who = far_end_of(ike, sa, &d->sa);
    const struct ike_psk_value *k = d->sa.auth == IKE_AUTH_PSK ? psk_find(ike, &who) : NULL;
    bool wanted = profile_asks(ike, d->sa.profile, &sa->local.a, true) && !(k && k->no_xauth);
    return agreed || wanted ? XAUTH_WANTED : XAUTH_NONE;
}

/* somebody_asks: a method with a user was agreed, maybe before the identity told the isakmp profile: is one asked for there? */
static bool somebody_asks(const struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    if (sa->c.initiator || !auth_of(d->sa.auth)->xauth || profile_asks(ike, d->sa.profile, &sa->local.a, true)) {
        return true;
    }
    draft_why(d, WHY_XAUTH, "%s is to prove a user, and %s%s asks for none", d->sa.peer_name,
              d->sa.profile[0] ? "isakmp profile " : "who belongs to no isakmp profile", d->sa.profile);
    return false;
}

/* has_room: within the limit of ISAKMP SAs; whose user is still to come is looked at when he has proved himself. */
static bool has_room(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    return (!sa->c.initiator && wants_user(ike, sa, d) != XAUTH_NONE) || admission_proved(ike, sa, &d->sa, d);
}

static enum verdict authenticated(struct ike *ike, const struct ike_sa *sa,
                                  const struct isakmp_msg *m, struct draft *d)
{
    u32 conn = sa->c.conn_id;
    const struct addr *peer = &sa->remote.a;
    for (unsigned i = 0; i < m->num_notify; i++) {
        ev_ike_notify(
            ike->log, conn, peer,
            &(struct evb_ike_notify){.name = ev_str(isakmp_notify_name(m->notify[i].type)),
                                     .protocol = m->notify[i].proto,
                                     .handle = sa_handle(sa)});
        if (m->notify[i].type == NTF_INITIAL_CONTACT) {
            ev_ike_initial_contact(ike->log, conn, peer,
                                   &(struct evb_ike_initial_contact){.local = sa->local.a,
                                                                     .remote = sa->remote.a,
                                                                     .port = sa->remote.port});
            d->effects |= EF_INITIAL_CONTACT;
        }
    }
    ev_ike_authenticated(ike->log, conn, peer,
                         &(struct evb_ike_authenticated){.method = sa->c.auth});
    ev_ike_peer_insert(ike->log, conn, peer,
                       &(struct evb_ike_peer_insert){.local = sa->local.a,
                                                     .remote = sa->remote.a,
                                                     .port = sa->remote.port,
                                                     .handle = peer_handle(sa->peer)});
    d->sa.xauth = wants_user(ike, sa, d);
    d->hold = d->sa.xauth != XAUTH_NONE || (sa->c.initiator && profile_configured(ike, &sa->remote.a));
    d->sa.authed_ms = env_now_ms(ike->clock);
    d->effects |= EF_P1_DONE;
    return V_NEXT;
}

enum verdict p1_proved(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                       struct draft *d)
{
    u8 want[HASH_MAX];
    struct isakmp_id id;
    const struct bytes_id *who = sa->c.initiator ? &d->x.idr : &d->x.idi;
    (sa->c.initiator ? keys_hash_r : keys_hash_i)(want, sig_hash(&d->sa), &d->sa, &d->x);
    sig_asked(ike, sa, m, d);
    if (!auth_of(d->sa.auth)->check(ike, sa, m, d, want) || !notify_ok(m, d)) {
        return V_DROP;
    }
    bool ok = isakmp_id_again(&id, who->b, who->len) && identity_ok(ike, sa, &id, d) && somebody_asks(ike, sa, d) && has_room(ike, sa, d);
    return ok ? authenticated(ike, sa, m, d) : V_DROP;
}
