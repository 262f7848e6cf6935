/*
 * auth_sig.c: phase 1 authenticated with signatures (RFC 2409 5.1; RFC 4754 for ECDSA): which trustpoint we prove ourselves with, the
 * payloads CERT, CERTREQ and SIG both ways, the peer's chain and identity (RFC 4945; pki/verify.c decides). Walk: v1_phase1.c,
 * v1_phase1_out.c -> auth.c -> here -> pki/. Certificates from the wire are read here and nowhere else.
 */
#include "ike/auth.h"

/* ECDSA is tied to a hash (RFC 4754), and then HASH_I and HASH_R are made with that one (RFC 2409 5.1). */
static const struct {
    u16 auth;
    u8 kind, hash; /* enum pki_kind, enum hash_id; HASH_NONE: the negotiated one */
    bool both;     /* who begins signs, too */
} sigs[] = {{IKE_AUTH_RSA_SIG, PKI_RSA, HASH_NONE, true},       {IKE_AUTH_XAUTH_RSA, PKI_RSA, HASH_NONE, true},
            {IKE_AUTH_HYBRID_RSA, PKI_RSA, HASH_NONE, false},   {IKE_AUTH_ECDSA_256, PKI_EC256, HASH_SHA256, true},
            {IKE_AUTH_ECDSA_384, PKI_EC384, HASH_SHA384, true}, {IKE_AUTH_ECDSA_521, PKI_EC521, HASH_SHA512, true}};

enum pki_kind sig_kind(u16 auth)
{
    for (unsigned i = 0; i < ARRAY_LEN(sigs); i++) {
        if (sigs[i].auth == auth) {
            return (enum pki_kind)sigs[i].kind;
        }
    }
    return PKI_NO_KIND;
}

bool sig_signs(u16 auth, bool initiator)
{
    for (unsigned i = 0; i < ARRAY_LEN(sigs); i++) {
        if (sigs[i].auth == auth) {
            return sigs[i].both || !initiator;
        }
    }
    return false;
}

bool sig_peer_signs(const struct sa_core *c)
{
    return sig_signs(c->auth, !c->initiator);
}

bool sig_we_sign(const struct sa_core *c)
{
    return sig_signs(c->auth, c->initiator);
}

enum hash_id sig_hash(const struct sa_core *sa)
{
    for (unsigned i = 0; i < ARRAY_LEN(sigs); i++) {
        if (sigs[i].auth == sa->auth && sigs[i].hash) {
            return (enum hash_id)sigs[i].hash;
        }
    }
    return (enum hash_id)sa->hash;
}

/* ---- ours ---- */

/* counts: the isakmp profile of the SA, if it has one, leaves that trustpoint to it. */
static bool counts(const struct ike *ike, const char *profile, const struct conf_trust *t)
{
    const struct ike_profile_value *p = profile_named(ike, profile);
    return !p || !p->trust[0] || strcmp(p->trust, t->v.name) == 0;
}

/* ours: the trustpoint we prove ourselves with: one that the peer has asked for, else the first with such a key. NULL: none. */
static const struct conf_trust *ours(const struct ike *ike, const char *profile, enum pki_kind kind,
                                     u32 asked)
{
    const struct conf_trust *first = NULL;
    for (const struct conf_trust *t = ike->conf->trusts; t; t = t->next) {
        if (t->kind == kind && counts(ike, profile, t)) {
            first = first ? first : t;
            if (t->v.number < 32 && (asked & 1u << t->v.number)) {
                return t;
            }
        }
    }
    return first;
}

static const struct conf_trust *ours_of(const struct ike *ike, const struct draft *d)
{
    return ours(ike, d->sa.profile, sig_kind(d->sa.auth), d->x.asked);
}

bool sig_cas(const struct ike *ike)
{
    bool cas = false;
    for (const struct conf_trust *t = ike->conf->trusts; t; t = t->next) {
        cas |= pki_trust_cas(t->t);
    }
    return cas;
}

bool sig_own(const struct ike *ike, enum pki_kind kind)
{
    return ours(ike, "", kind, 0) != NULL;
}

bool sig_have(const struct ike *ike, enum pki_kind kind)
{
    return sig_cas(ike) && sig_own(ike, kind);
}

bool sig_skeyid(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    (void)ike, (void)sa;
    keys_skeyid_sig(&d->sa, &d->x);
    return true;
}

bool sig_prove(struct ike *ike, const struct ike_sa *sa, struct draft *d, const u8 *hash)
{
    const struct conf_trust *t = ours_of(ike, d);
    u8 sig[PKI_SIG_MAX];
    size_t len = 0, n = t ? pki_trust_sign(t->t, hash, hash_row(sig_hash(&d->sa))->len, sig) : 0;
    if (!n) {
        draft_why(d, WHY_NO_CERT, "our certificate or its key was removed during the negotiation");
        return false;
    }
    ev_ike_cert_ours(ike->log, d->sa.conn_id, &sa->remote.a,
                     &(struct evb_ike_cert_ours){.trustpoint = ev_str(t->v.name)});
    const u8 *der;
    for (unsigned i = 0; (der = pki_trust_own(t->t, i, &len)); i++) {
        isakmp_out_cert(&d->out, PL_CERT, CERT_X509_SIG, der, len);
    }
    isakmp_out_payload(&d->out, PL_SIG, sig, n);
    return true;
}

/* holds_address: our certificate says that this address is ours. */
static bool holds_address(const struct conf_trust *t, const struct addr *a)
{
    struct pki_id id = {PKI_ID_ADDR, a->b, addr_len(a)};
    return id.len && pki_trust_holds(t->t, &id);
}

bool sig_identity(struct ike *ike, const struct ike_sa *sa, struct draft *d,
                  const struct ike_self *self, struct bytes_id *id)
{
    const struct conf_trust *t = sig_we_sign(&d->sa) ? ours_of(ike, d) : NULL;
    u8 dn[ISAKMP_ID_MAX];
    /* an address that a NAT has changed is no name for anybody */
    bool no_address = (d->sa.nat & NAT_US) || !t || !holds_address(t, &sa->local.a);
    bool subject = self->type == IKE_SELF_DN ||
                   (self->type == IKE_SELF_ADDRESS && !self->said && t && no_address);
    size_t len = subject && t ? pki_trust_subject(t->t, dn, sizeof dn - 4) : 0;
    struct wr w = wr_init(id->b, sizeof id->b);
    if (!len) {
        return false;
    }
    wr_u8(&w, ID_DER_ASN1_DN);
    wr_u8(&w, IPPROTO_UDP_);
    wr_u16(&w, 500);
    wr_bytes(&w, dn, len);
    id->len = (u16)wr_len(&w);
    return true;
}

/* ---- asked for ---- */

static void name_of(char out[PKI_NAME], const struct isakmp_bytes *dn)
{
    if (!pki_dn_text(out, dn->p, dn->len)) {
        str_copy(out, PKI_NAME, dn->len ? "a name that is none" : "any CA");
    }
}

void sig_asked(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
               struct draft *d)
{
    enum pki_kind kind = sig_we_sign(&d->sa) ? sig_kind(d->sa.auth) : PKI_NO_KIND;
    u32 before = d->x.asked;
    char name[PKI_NAME] = "";
    bool asked = false;
    for (unsigned i = 0; kind && i < m->num_crs; i++) {
        const struct isakmp_cert *c = &m->cr[i];
        if (c->encoding != CERT_X509_SIG) {
            continue; /* of another kind: we have none */
        }
        asked = true;
        name_of(name, &c->data);
        ev_ike_cert_asked(ike->log, d->sa.conn_id, &sa->remote.a,
                          &(struct evb_ike_cert_asked){.issuer = ev_textf("%s", name)});
        for (const struct conf_trust *t = ike->conf->trusts; t; t = t->next) {
            if (t->kind == kind && t->v.number < 32 &&
                pki_trust_leads(t->t, c->data.p, c->data.len)) {
                d->x.asked |= 1u << t->v.number;
            }
        }
    }
    /* of whom we began with alone: strangers do not write our log */
    bool strange = asked && !d->x.asked && !before && sa->c.initiator;
    const struct conf_trust *t = strange ? ours_of(ike, d) : NULL;
    if (t) { /* it may know the issuer of ours all the same */
        ev_ike_cert_strange(ike->log, d->sa.conn_id, &sa->remote.a,
                            &(struct evb_ike_cert_strange){.issuer = ev_textf("%.200s", name),
                                                           .trustpoint = ev_str(t->v.name)});
    }
}

void sig_ask(struct ike *ike, struct draft *d)
{
    unsigned num = 0;
    for (const struct conf_trust *t = ike->conf->trusts; t && sig_peer_signs(&d->sa); t = t->next) {
        const u8 *dn;
        size_t len;
        for (unsigned i = 0; (dn = pki_trust_ca(t->t, i, &len)) && num < ISAKMP_MAX_CERTS; i++) {
            isakmp_out_cert(&d->out, PL_CR, CERT_X509_SIG, dn, len);
            num++;
        }
    }
}

/* ---- the peer ---- */

/* id_of: the identity that the peer's ID payload names, as its certificate would hold it. */
static struct pki_id id_of(const struct bytes_id *body)
{
    enum pki_id_type type = PKI_ID_OTHER;
    if (body->len < 4) {
        return (struct pki_id){.type = type};
    }
    switch (body->b[0]) {
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR: type = PKI_ID_ADDR; break;
    case ID_FQDN: type = PKI_ID_FQDN; break;
    case ID_USER_FQDN: type = PKI_ID_USER_FQDN; break;
    case ID_DER_ASN1_DN: type = PKI_ID_DN; break;
    default: break;
    }
    return (struct pki_id){type, body->b + 4, body->len - 4u};
}

/* read_certs: the CERT payloads that are certificates and CRLs. False: one of a kind that is not read; why is in the draft. */
static bool read_certs(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                       struct draft *d, struct pki_peer *p)
{
    for (unsigned i = 0; i < m->num_certs; i++) {
        const struct isakmp_cert *c = &m->cert[i];
        bool sig = c->encoding == CERT_X509_SIG || c->encoding == CERT_X509_KE;
        trace_payload(ike, sa, d->sa.conn_id, "CERT", 0);
        if (c->encoding == CERT_PKCS7) {
            draft_why(d, WHY_CERT,
                      "its certificates come wrapped in PKCS#7, which is not read; have it send "
                      "them one by one");
            return false;
        }
        ev_ike_cert_in(
            ike->log, d->sa.conn_id, &sa->remote.a,
            &(struct evb_ike_cert_in){.kind = ev_str(sig                       ? "CT_X509_SIGNATURE"
                                                     : c->encoding == CERT_CRL ? "CT_CRL"
                                                                               : "CT_UNKNOWN")});
        if (sig) { /* one that cannot be read is none: pki_verify misses it where it matters */
            (void)!pki_peer_add(p, c->data.p, c->data.len);
        } else if (c->encoding == CERT_CRL) {
            (void)!pki_peer_crl(p, c->data.p, c->data.len);
        }
    }
    return true;
}

/* valid: under some trustpoint. The refusal that is told is that of the one that knows the issuer. */
static bool valid(struct ike *ike, const struct ike_sa *sa, struct draft *d,
                  const struct pki_peer *p, const struct pki_id *id, enum pki_kind kind)
{
    char detail[PKI_DETAIL], best[PKI_DETAIL] = "";
    enum pki_fault why = PKF_NO_ISSUER;
    for (const struct conf_trust *t = ike->conf->trusts; t; t = t->next) {
        if (!pki_trust_cas(t->t) || !counts(ike, d->sa.profile, t)) {
            continue;
        }
        enum pki_fault f = pki_verify(t->t, p, id, kind, env_wall_s(ike->clock), detail);
        if (f == PKF_FINE) {
            ev_ike_cert_peer(ike->log, d->sa.conn_id, &sa->remote.a,
                             &(struct evb_ike_cert_peer){.trustpoint = ev_str(t->v.name)});
            return true;
        }
        if (why == PKF_NO_ISSUER) {
            why = f;
            str_copy(best, sizeof best, detail);
        }
    }
    draft_why(d, WHY_CERT, "%s%s%.110s. %s", pki_fault_name(why), best[0] ? ": " : "", best,
              pki_fault_text(why));
    return false;
}

bool sig_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
               struct draft *d, const u8 *hash)
{
    enum pki_kind kind = sig_kind(d->sa.auth);
    struct pki_id id = id_of(sa->c.initiator ? &d->x.idr : &d->x.idi);
    struct pki_peer *p = pki_peer_new();
    bool ok = read_certs(ike, sa, m, d, p) && valid(ike, sa, d, p, &id, kind);
    if (ok && !pki_verify_sig(p, &id, kind, hash, hash_row(sig_hash(&d->sa))->len, m->sig.p,
                              m->sig.len)) {
        draft_why(
            d, WHY_SIGNATURE,
            "the SIG payload (%u bytes) was not made by the key of the certificate that it shows",
            m->sig.len);
        ok = false;
    }
    pki_peer_free(p);
    return ok;
}
