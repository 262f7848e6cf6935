/*
 * auth.c: how the two ends of phase 1 prove who they are (RFC 2409 5): one struct auth_method for each value of the attribute
 * Authentication-Method (appendix A). A method says what SKEYID is made of, writes our proof and checks the peer's; what is
 * proved, HASH_I and HASH_R, is the same for all. Walk: v1_phase1.c, v1_phase1_out.c -> here -> keys.c.
 */
#include "ike/ike_int.h"

/* ---- pre-shared key (RFC 2409 5.4) ---- */

static bool psk_have(const struct ike *ike, const struct addr *remote)
{
    return psk_find(ike, remote) != NULL;
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
    const struct ike_psk_value *k = psk_find(ike, &sa->remote.a);
    psk_told(ike, sa, d->sa.conn_id, k != NULL);
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

static bool psk_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                      struct draft *d, const u8 *hash)
{
    u8 len = hash_row(d->sa.hash)->len;
    (void)ike, (void)sa;
    if (m->hash.len == len && mem_equal_ct(m->hash.p, hash, len)) {
        return true;
    }
    draft_why(
        d, WHY_AUTH,
        "the HASH payload (%u bytes) is not what the pre-shared key and identity give (%u bytes)",
        m->hash.len, len);
    return false;
}

/* ---- signatures (auth_sig.c): one row for each kind of key ---- */

static bool rsa_have(const struct ike *ike, const struct addr *remote)
{
    (void)remote;
    return sig_have(ike, PKI_RSA);
}

static bool ec256_have(const struct ike *ike, const struct addr *remote)
{
    (void)remote;
    return sig_have(ike, PKI_EC256);
}

static bool ec384_have(const struct ike *ike, const struct addr *remote)
{
    (void)remote;
    return sig_have(ike, PKI_EC384);
}

static bool ec521_have(const struct ike *ike, const struct addr *remote)
{
    (void)remote;
    return sig_have(ike, PKI_EC521);
}

static void not_told(struct ike *ike, const struct ike_sa *sa, u32 conn, bool found)
{
    (void)ike, (void)sa, (void)conn, (void)found; /* IOS has no line for it */
}

static const struct auth_method methods[] = {
    {IKE_AUTH_PSK, "pre-share", "pre-shared key", BY_HASH, WHY_NO_PSK, psk_have, psk_told,
     psk_skeyid, psk_prove, psk_check, NULL},
    {IKE_AUTH_RSA_SIG, "rsa-sig", "certificate with its RSA key", BY_SIG, WHY_NO_CERT, rsa_have,
     not_told, sig_skeyid, sig_prove, sig_check, sig_identity},
    {IKE_AUTH_ECDSA_256, "ecdsa-sig", "certificate with its key on P-256", BY_SIG, WHY_NO_CERT,
     ec256_have, not_told, sig_skeyid, sig_prove, sig_check, sig_identity},
    {IKE_AUTH_ECDSA_384, "ecdsa-sig", "certificate with its key on P-384", BY_SIG, WHY_NO_CERT,
     ec384_have, not_told, sig_skeyid, sig_prove, sig_check, sig_identity},
    {IKE_AUTH_ECDSA_521, "ecdsa-sig", "certificate with its key on P-521", BY_SIG, WHY_NO_CERT,
     ec521_have, not_told, sig_skeyid, sig_prove, sig_check, sig_identity},
};

bool auth_fits(u16 policy, u16 offered)
{
    return policy == IKE_AUTH_ECDSA_256
               ? offered >= IKE_AUTH_ECDSA_256 && offered <= IKE_AUTH_ECDSA_521
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

u32 auth_have(const struct ike *ike, const struct addr *remote)
{
    u32 have = 0;
    for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
        have |= methods[i].have(ike, remote) ? auth_bit(&methods[i]) : 0;
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
