/*
 * auth.c: how the two ends of phase 1 prove who they are (RFC 2409 5): one struct auth_method for each value of the attribute
 * Authentication-Method (appendix A). A method says what SKEYID is made of, writes our proof and checks the peer's; what is
 * proved, HASH_I and HASH_R, is the same for all. Walk: v1_phase1.c, v1_phase1_out.c -> here -> keys.c.
 */
#include "ike/auth.h"

/* ---- whom it is about ---- */

/* aggressive_responder: the identity comes before the keys, and from whoever asks. */
static bool aggressive_responder(const struct ike_sa *sa)
{
    return sa->main.c.exchange == XCH_AGGRESSIVE && !sa->c.initiator;
}

struct far_end far_end_of(const struct ike *ike, const struct ike_sa *sa, const struct sa_core *c)
{
    const struct ike_profile_value *p = profile_named(ike, c->profile);
    struct far_end who = {.local = sa->local.a, .addr = sa->remote.a};
    who.keyring = p && p->keyring[0] ? p->keyring : NULL;
    who.profile = c->profile;
    who.we_begin = c->initiator;
    who.known = c->profile[0] || aggressive_responder(sa);
    if (!aggressive_responder(sa) || !id_name(who.name, &c->peer_id)) {
        who.name[0] = 0;
    }
    return who;
}

/* ---- pre-shared key (RFC 2409 5.4) ---- */

static bool psk_have(const struct ike *ike, const struct far_end *who)
{
    return psk_find(ike, who) != NULL;
}

static void psk_told(struct ike *ike, const struct ike_sa *sa, u32 conn, bool found)
{
    const struct addr *a = &sa->remote.a;
    if (found) {
        ev_ike_psk_found(ike->log, conn, a, &(struct evb_ike_psk_found){.address = *a});
    } else {
        ev_ike_psk_none(ike->log, conn, a, &(struct evb_ike_psk_none){.address = *a});
    }
}

static bool psk_skeyid(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    const struct far_end who = far_end_of(ike, sa, &d->sa);
    const struct ike_psk_value *k = psk_find(ike, &who);
    psk_told(ike, sa, d->sa.conn_id, k != NULL);
    if (!k && aggressive_responder(sa)) {
        struct secret none; /* whoever asks must not learn whom we have a key for: he gets a hash of a key nobody has */
        none.len = sizeof none.b;
        env_random(ike->clock, none.b, none.len);
        keys_skeyid_psk(&d->sa, &none, &d->x);
        secret_wipe(&none);
        return true;
    }
    if (!k) {
        draft_why(d, WHY_NO_PSK, "the pre-shared key was removed during the negotiation");
        return false;
    }
    keys_skeyid_psk(&d->sa, &k->key, &d->x);
    return true;
}

static bool psk_prove(struct ike *ike, const struct ike_sa *sa, struct draft *d, const u8 *hash)
{
    (void)ike, (void)sa;
    isakmp_out_payload(&d->out, PL_HASH, hash, hash_row(d->sa.hash)->len);
    return true;
}

/* keyring_ok: in main mode the key is chosen by the address, and only then the peer says who it is (RFC 2409 5.4): the
 * isakmp profile that it turns out to belong to must have that very key. */
static bool keyring_ok(const struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    const struct far_end before = far_end_of(ike, sa, &sa->c), now = far_end_of(ike, sa, &d->sa);
    const struct ike_psk_value *used = psk_find(ike, &before), *wanted = psk_find(ike, &now);
    if (used && wanted && used->key.len == wanted->key.len &&
        mem_equal_ct(used->key.b, wanted->key.b, used->key.len)) {
        return true;
    }
    draft_why(d, WHY_PROFILE, "%s belongs to isakmp profile %s, but its pre-shared key is %s%s, not %s%s",
              d->sa.peer_name, d->sa.profile, used && used->keyring[0] ? "of keyring " : "of no keyring",
              used ? used->keyring : "", now.keyring ? "of keyring " : "there any more",
              now.keyring ? now.keyring : "");
    return false;
}

static bool psk_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                      struct draft *d, const u8 *hash)
{
    u8 len = hash_row(d->sa.hash)->len;
    if (m->hash.len == len && mem_equal_ct(m->hash.p, hash, len)) {
        return keyring_ok(ike, sa, d);
    }
    draft_why(
        d, WHY_AUTH,
        "the HASH payload (%u bytes) is not what the pre-shared key and identity give (%u bytes)",
        m->hash.len, len);
    return false;
}

/* ---- with a user (extended authentication) ---- */

/* user_there: we have a user to name, or want to be named one. */
static bool user_there(const struct ike *ike, const struct far_end *who)
{
    const struct ike_peer_value *p = who->we_begin ? profile_peer(ike, &who->addr) : NULL;
    return who->we_begin ? p && p->user[0] : profile_asks(ike, who->profile, &who->local, who->known);
}

static bool psk_xauth_have(const struct ike *ike, const struct far_end *who)
{
    return user_there(ike, who) && psk_have(ike, who);
}

static bool rsa_xauth_have(const struct ike *ike, const struct far_end *who)
{
    return user_there(ike, who) && sig_have(ike, PKI_RSA);
}

/* ---- hybrid (draft-ietf-ipsec-isakmp-hybrid-auth-05 3.2): SIG_R one way, a bare HASH_I the other ---- */

static bool hybrid_have(const struct ike *ike, const struct far_end *who)
{
    return user_there(ike, who) && (who->we_begin ? sig_cas(ike) : sig_own(ike, PKI_RSA));
}

static bool hybrid_prove(struct ike *ike, const struct ike_sa *sa, struct draft *d, const u8 *hash)
{
    return d->sa.initiator ? psk_prove(ike, sa, d, hash) : sig_prove(ike, sa, d, hash);
}

/* hybrid_check: HASH_I says no more than that who sent it has made the keys with us. */
static bool hybrid_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d,
                         const u8 *hash)
{
    u8 len = hash_row(d->sa.hash)->len;
    if (d->sa.initiator) {
        return sig_check(ike, sa, m, d, hash);
    }
    if (m->hash.len != len || !mem_equal_ct(m->hash.p, hash, len)) {
        draft_why(d, WHY_AUTH, "the HASH payload (%u bytes) is not over this very exchange (%u bytes)", m->hash.len, len);
        return false;
    }
    return true;
}

/* ---- signatures (auth_sig.c): one row for each kind of key ---- */

static bool rsa_have(const struct ike *ike, const struct far_end *who)
{
    (void)who;
    return sig_have(ike, PKI_RSA);
}

static bool ec256_have(const struct ike *ike, const struct far_end *who)
{
    (void)who;
    return sig_have(ike, PKI_EC256);
}

static bool ec384_have(const struct ike *ike, const struct far_end *who)
{
    (void)who;
    return sig_have(ike, PKI_EC384);
}

static bool ec521_have(const struct ike *ike, const struct far_end *who)
{
    (void)who;
    return sig_have(ike, PKI_EC521);
}

static void not_told(struct ike *ike, const struct ike_sa *sa, u32 conn, bool found)
{
    (void)ike, (void)sa, (void)conn, (void)found; /* IOS has no line for it */
}

/* of one kind of proof those with a user stand first: auth_for takes the first that fits */
static const struct auth_method methods[] = {
    {IKE_AUTH_XAUTH_PSK, "pre-share", "XAUTHInitPreShared", "user for extended authentication", true,
     WHY_XAUTH, psk_xauth_have, not_told, psk_skeyid, psk_prove, psk_check},
    {IKE_AUTH_PSK, "pre-share", "pre-share", "pre-shared key", false, WHY_NO_PSK, psk_have, psk_told,
     psk_skeyid, psk_prove, psk_check},
    {IKE_AUTH_XAUTH_RSA, "rsa-sig", "XAUTHInitRSA", "user for extended authentication, beside a certificate with its RSA key",
     true, WHY_XAUTH, rsa_xauth_have, not_told, sig_skeyid, sig_prove, sig_check},
    {IKE_AUTH_RSA_SIG, "rsa-sig", "RSA sig", "certificate with its RSA key", false, WHY_NO_CERT, rsa_have,
     not_told, sig_skeyid, sig_prove, sig_check},
    {IKE_AUTH_HYBRID_RSA, "hybrid-rsa", "HybridInitRSA",
     "hybrid authentication (gateway: RSA certificate and list of users; client: user and CA)", true, WHY_XAUTH,
     hybrid_have, not_told, sig_skeyid, hybrid_prove, hybrid_check},
    {IKE_AUTH_ECDSA_256, "ecdsa-sig", "ECDSA sig", "certificate with its key on P-256", false, WHY_NO_CERT,
     ec256_have, not_told, sig_skeyid, sig_prove, sig_check},
    {IKE_AUTH_ECDSA_384, "ecdsa-sig", "ECDSA sig", "certificate with its key on P-384", false, WHY_NO_CERT,
     ec384_have, not_told, sig_skeyid, sig_prove, sig_check},
    {IKE_AUTH_ECDSA_521, "ecdsa-sig", "ECDSA sig", "certificate with its key on P-521", false, WHY_NO_CERT,
     ec521_have, not_told, sig_skeyid, sig_prove, sig_check},
};

enum row_proof auth_proof(u16 auth, bool initiator)
{
    return !auth_of(auth) ? BY_ANY : sig_signs(auth, initiator) ? BY_SIG : BY_HASH;
}

bool auth_fits(u16 policy, u16 offered)
{
    return policy == IKE_AUTH_ECDSA_256
               ? offered >= IKE_AUTH_ECDSA_256 && offered <= IKE_AUTH_ECDSA_521
           : policy == IKE_AUTH_PSK     ? offered == IKE_AUTH_PSK || offered == IKE_AUTH_XAUTH_PSK
           : policy == IKE_AUTH_RSA_SIG ? offered == IKE_AUTH_RSA_SIG || offered == IKE_AUTH_XAUTH_RSA
                                        : offered == policy;
}

const struct auth_method *auth_for(u16 policy, u32 have)
{
    for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
        if ((have & auth_bit(&methods[i])) && auth_fits(policy, methods[i].id)) {
            return &methods[i];
        }
    }
    return NULL;
}

const struct auth_method *auth_lacks(u16 policy)
{
    return auth_of(policy);
}

u32 auth_bit(const struct auth_method *a)
{
    return 1u << (a - methods);
}

u32 auth_have(const struct ike *ike, const struct far_end *who)
{
    u32 have = 0;
    for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
        have |= methods[i].have(ike, who) ? auth_bit(&methods[i]) : 0;
    }
    return have;
}

void auth_tell(struct ike *ike, const struct ike_sa *sa, u32 conn, u32 have)
{
    for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
        methods[i].told(ike, sa, conn, have & auth_bit(&methods[i]));
    }
}

const struct auth_method *auth_of(u16 id)
{
    for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
        if (methods[i].id == id) {
            return &methods[i];
        }
    }
    return NULL;
}
