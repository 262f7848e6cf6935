/*
 * v1_phase1.c: main mode with a pre-shared key, the deciding half (RFC 2409 5.4): what each
 * received message means. A handler reads the SA and the message and writes its draft;
 * v1_phase1_out.c writes the answers, engine_commit the state. Rows: v1_table.c.
 */
#include "ike/ike_int.h"

/* ---- message 1 and 2: the policy ---- */

/* look_for_secrets: which methods may be agreed with this far end (auth_bit). */
static u32 look_for_secrets(struct ike *ike, const struct ike_sa *sa)
{
    u32 have = auth_have(ike, &sa->remote.a);
    auth_tell(ike, sa, 0, have);
    if (have) {
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
    d->sa.auth = p->auth;
    d->sa.life_s = MIN(o.life_s, p->life_s);
    d->sa.conn_id = ike->next_conn;
    d->x.sa_i.len = m->sa.body_len;
    memcpy(d->x.sa_i.b, m->sa.body, m->sa.body_len);
    d->x.spi_in =
        transform; /* which one the answer repeats; quick mode uses the field for its SPI */
}

enum verdict mm_r1(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    unsigned transform = 0;
    trace_payload(ike, sa, 0, "SA", 0);
    if (m->sa.body_len > sizeof d->x.sa_i.b) {
        draft_why(d, WHY_MALFORMED, "the SA payload has %u bytes, adit keeps 2048", m->sa.body_len);
        return V_DROP;
    }
    d->sa.vids = vendor_read(ike, sa, 0, m);
    u32 have = look_for_secrets(ike, sa);
    const struct ike_policy_value *p = p1_select(ike, sa, m, have, &transform, 0, d);
    if (!p) {
        d->notify = NTF_NO_PROPOSAL_CHOSEN;
        return V_REPLY_ERROR;
    }
    memcpy(d->sa.cookie_i, m->hdr.cookie_i, 8);
    do {
        env_random(ike->clock, d->sa.cookie_r, 8);
    } while (be64(d->sa.cookie_r) == 0);
    accept_policy(ike, m, p, transform, d);
    vendor_read(ike, sa, d->sa.conn_id,
                m); /* the dialect looks at them again under the new conn-id */
    return V_NEXT;
}

enum verdict mm_i2(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                   struct draft *d)
{
    trace_payload(ike, sa, 0, "SA", 0);
    if (be64(m->hdr.cookie_r) == 0) {
        draft_why(d, WHY_MALFORMED, "bytes 8..15: the responder cookie is zero");
        return V_DROP;
    }
    memcpy(d->sa.cookie_r, m->hdr.cookie_r, 8);
    d->sa.vids |= vendor_read(ike, sa, 0, m);
    u32 have = look_for_secrets(ike, sa);
    if (!p1_answer_ok(ike, sa, m, d)) {
        return V_DROP;
    }
    const struct auth_method *auth = auth_of(d->sa.auth);
    if (!(have & auth_bit(auth))) {
        draft_why(d, auth->lacks, "the %s was removed during the negotiation", auth->what);
        return V_DROP;
    }
    d->sa.conn_id = ike->next_conn;
    if (!draft_dh(ike, d, d->sa.group)) {
        return V_DROP;
    }
    return V_NEXT;
}

/* ---- message 3 and 4: the keys ---- */

/* agree: g^xy from the peer's value, then the SKEYID family, the cipher key and the first IV. */
static bool agree(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
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
    natd_check(ike, sa, m, &d->sa);
    mem_wipe(&d->x.gxy, sizeof d->x.gxy);
    return true;
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
    return agree(ike, sa, m, dh, d) ? V_NEXT : V_DROP;
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
    return agree(ike, sa, m, sa->main.dh, d) ? V_NEXT : V_DROP;
}

/* ---- message 5 and 6: who it is ---- */

/* identity_ok: an address must be the one the peer speaks from, or at least one that has the same
 * key. */
static bool identity_ok(struct ike *ike, const struct ike_sa *sa, const struct isakmp_id *id,
                        struct draft *d)
{
    char want[ADDR_STR];
    struct prefix p;
    id_text(d->sa.peer_name, sizeof d->sa.peer_name, id->body.p, id->body.len);
    if (!(id->proto == 0 || id->proto == IPPROTO_UDP_) ||
        !(id->port == 0 || id->port == 500 || id->port == 4500)) {
        draft_why(d, WHY_IDENTITY, "the identity has protocol %u port %u, wanted 17 and 500 or 0",
                  id->proto, id->port);
        return false;
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
    if (addr_equal(&p.a, &sa->remote.a)) {
        return true;
    }
    const struct ike_psk_value *theirs = psk_find(ike, &p.a), *used = psk_find(ike, &sa->remote.a);
    if (theirs && used && theirs->key.len == used->key.len &&
        mem_equal_ct(theirs->key.b, used->key.b, used->key.len)) {
        return true;
    }
    draft_why(d, WHY_IDENTITY,
              "the peer calls itself %s, wanted %s (or an address with the same pre-shared key)",
              d->sa.peer_name, addr_str(want, &sa->remote.a));
    return false;
}

static bool first_id(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                     struct bytes_id *out, struct draft *d)
{
    trace_payload(ike, sa, sa->c.conn_id, "ID", 0);
    if (m->num_ids != 1) {
        draft_why(d, WHY_PAYLOADS, "%u ID payloads, wanted one", m->num_ids);
        return false;
    }
    trace_id(ike, sa, m->id[0].body.p, m->id[0].body.len, m->id[0].next);
    ev_ike_no_profile(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_no_profile){.profiles = 0});
    out->len = m->id[0].body.len;
    memcpy(out->b, m->id[0].body.p, out->len);
    d->sa.peer_id = *out;
    trace_payload(ike, sa, sa->c.conn_id, "HASH", 0);
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

/* authenticated: the peer has proved the key. */
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
    d->sa.authed_ms = env_now_ms(ike->clock);
    d->effects |= EF_P1_DONE;
    return V_NEXT;
}

/* mm_5_6: the same for both ends: who the other one is, and the proof of it. */
enum verdict mm_5_6(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                    struct draft *d)
{
    u8 want[HASH_MAX];
    bool we_began = sa->c.initiator;
    if (!first_id(ike, sa, m, we_began ? &d->x.idr : &d->x.idi, d)) {
        return V_DROP;
    }
    (we_began ? keys_hash_r : keys_hash_i)(want, &d->sa, &d->x);
    if (!auth_of(d->sa.auth)->check(ike, sa, m, d, want) || !notify_ok(m, d) ||
        !identity_ok(ike, sa, &m->id[0], d)) {
        return V_DROP;
    }
    return authenticated(ike, sa, m, d);
}
