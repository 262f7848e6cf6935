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

/* With extended authentication: we have a user to name, or want to be named one. */
static bool psk_xauth_have(const struct ike *ike, const struct far_end *who)
{
    const struct ike_peer_value *p = who->we_begin ? profile_peer(ike, &who->addr) : NULL;
    const struct ike_client_value *v = who->we_begin ? NULL : profile_client(ike, who->profile, &who->local);
    bool user = who->we_begin ? p && p->user[0] : v && v->xauth;
    return user && psk_have(ike, who);
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

static const struct auth_method methods[] = {
    {IKE_AUTH_XAUTH_PSK, "pre-share", "user for extended authentication", BY_HASH, WHY_XAUTH, psk_xauth_have,
     not_told, psk_skeyid, psk_prove, psk_check},
    {IKE_AUTH_PSK, "pre-share", "pre-shared key", BY_HASH, WHY_NO_PSK, psk_have, psk_told,
     psk_skeyid, psk_prove, psk_check},
    {IKE_AUTH_RSA_SIG, "rsa-sig", "certificate with its RSA key", BY_SIG, WHY_NO_CERT, rsa_have,
     not_told, sig_skeyid, sig_prove, sig_check},
    {IKE_AUTH_ECDSA_256, "ecdsa-sig", "certificate with its key on P-256", BY_SIG, WHY_NO_CERT,
     ec256_have, not_told, sig_skeyid, sig_prove, sig_check},
    {IKE_AUTH_ECDSA_384, "ecdsa-sig", "certificate with its key on P-384", BY_SIG, WHY_NO_CERT,
     ec384_have, not_told, sig_skeyid, sig_prove, sig_check},
    {IKE_AUTH_ECDSA_521, "ecdsa-sig", "certificate with its key on P-521", BY_SIG, WHY_NO_CERT,
     ec521_have, not_told, sig_skeyid, sig_prove, sig_check},
};

bool auth_fits(u16 policy, u16 offered)
{
    return policy == IKE_AUTH_ECDSA_256
               ? offered >= IKE_AUTH_ECDSA_256 && offered <= IKE_AUTH_ECDSA_521
           : policy == IKE_AUTH_PSK ? offered == IKE_AUTH_PSK || offered == IKE_AUTH_XAUTH_PSK
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
