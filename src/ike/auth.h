/*
 * auth.h: how the two ends of phase 1 prove who they are (RFC 2409 5): the table of methods and the signatures. For v1.h and the
 * files of the proofs.
 */
#ifndef ADIT_IKE_AUTH_H
#define ADIT_IKE_AUTH_H

#include "ike/profile.h"

/* auth.c */
struct auth_method {
    u16 id;           /* Authentication-Method, RFC 2409 appendix A */
    const char *name; /* as the console says it */
    const char *debug; /* as the debug lines do */
    const char *what; /* what it takes, for sentences */
    bool xauth;       /* and who begins proves a user behind it */
    enum ike_reason lacks; /* what is said when that is not there */
    /* have: it is there for that far end. told: the debug lines of having looked. */
    bool (*have)(const struct ike *ike, const struct far_end *who);
    void (*told)(struct ike *ike, const struct ike_sa *sa, u32 conn, bool found);
    /* skeyid: d->sa.skeyid, when both nonces (and g^xy) are known. False: why is in the draft. */
    bool (*skeyid)(struct ike *ike, const struct ike_sa *sa, struct draft *d);
    /* prove: our payloads for that HASH_I or HASH_R; false: it cannot. check: the peer's are; false: why is in the draft. */
    bool (*prove)(struct ike *ike, const struct ike_sa *sa, struct draft *d, const u8 *hash);
    bool (*check)(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d,
                  const u8 *hash);
};
const struct auth_method *auth_of(u16 id); /* NULL: adit has it not */
/* auth_have: the bits (auth_bit) of the methods that we have what it takes for with that far end. auth_tell: the debug lines
 * of having looked for that. */
u32 auth_have(const struct ike *ike, const struct far_end *who);
void auth_tell(struct ike *ike, const struct ike_sa *sa, u32 conn, u32 have);
u32 auth_bit(const struct auth_method *a);
/* auth_proof: how that end of an SA with that method proves itself; BY_ANY: no such method. */
enum row_proof auth_proof(u16 auth, bool initiator);
/* auth_for: the method of a policy, of those we have: a policy with ECDSA takes any curve. NULL: none. auth_fits: that
 * offered method is one of the policy. auth_lacks: what is missing for a policy. */
const struct auth_method *auth_for(u16 policy, u32 have);
bool auth_fits(u16 policy, u16 offered);
const struct auth_method *auth_lacks(u16 policy);

/* auth_sig.c: signatures (RFC 2409 5.1, RFC 4754). sig_have, skeyid, prove, check: of struct auth_method. */
bool sig_have(const struct ike *ike, enum pki_kind kind); /* both of the following */
bool sig_own(const struct ike *ike, enum pki_kind kind); /* a certificate of ours with such a key */
bool sig_cas(const struct ike *ike); /* CAs that a certificate of the peer's can be checked with */
enum pki_kind sig_kind(u16 auth); /* PKI_NO_KIND: no signature */
/* sig_signs: that end proves itself by a signature; sig_peer_signs, sig_we_sign: of an SA. */
bool sig_signs(u16 auth, bool initiator);
bool sig_peer_signs(const struct sa_core *c);
bool sig_we_sign(const struct sa_core *c);
enum hash_id sig_hash(const struct sa_core *sa); /* what HASH_I and HASH_R of this SA are made with, whatever proves them */
bool sig_skeyid(struct ike *ike, const struct ike_sa *sa, struct draft *d);
bool sig_prove(struct ike *ike, const struct ike_sa *sa, struct draft *d, const u8 *hash);
bool sig_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d, const u8 *hash);
/* sig_identity: the body of our ID payload is our certificate's subject; false: it is what is said, or our address. */
bool sig_identity(struct ike *ike, const struct ike_sa *sa, struct draft *d, const struct ike_self *self, struct bytes_id *id);
/* sig_asked: notes which certificates the peer asks for. sig_ask: CERTREQ payloads for those we can check. */
void sig_asked(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d);
void sig_ask(struct ike *ike, struct draft *d);

#endif
