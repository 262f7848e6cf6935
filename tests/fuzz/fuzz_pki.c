/*
 * fuzz_pki: any bytes as what stands in a CERT or CERTREQ payload (src/pki): certificates, CRLs, names. What is read as a
 * certificate goes all the way: facts, chain, identity, signature. Nothing made up is ever valid.
 */
#include "pki/pki.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void nothing(void *ctx, const u8 *der, size_t len)
{
    (void)ctx, (void)der, (void)len;
}

/* as_cert: with the certificate itself for its CA, if it is one, so that the chain is walked. */
static void as_cert(const u8 *p, size_t len)
{
    struct pki_facts f;
    u8 dn[1024];
    char detail[PKI_DETAIL];
    struct pki_peer *peer = pki_peer_new();
    struct pki_trust *t = pki_trust_new("fuzz", (struct pki_policy){.crl = true, .none = true});
    (void)!pki_trust_add(t, PKI_CA, p, len);
    (void)!pki_trust_add(t, PKI_OWN, p, len);
    (void)!pki_trust_add(t, PKI_CRL, p, len);
    (void)!pki_peer_crl(peer, p, len);
    if (pki_peer_add(peer, p, len) != pki_facts(&f, p, len)) {
        abort(); /* two opinions about the same bytes */
    }
    struct pki_id id = {PKI_ID_DN, dn, pki_trust_subject(t, dn, sizeof dn)};
    static const u8 hash[32] = {1};
    enum pki_kind kind = f.kind ? (enum pki_kind)f.kind : PKI_RSA;
    for (id.type = PKI_ID_OTHER; id.type <= PKI_ID_DN; id.type++) {
        (void)pki_verify(t, peer, &id, kind, 1800000000, detail);
    }
    if (pki_verify_sig(peer, &id, kind, hash, sizeof hash, p, len)) {
        abort();
    }
    pki_trust_free(t);
    pki_peer_free(peer);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    char name[PKI_NAME];
    u8 *p = malloc(len ? len : 1); /* exact, so that the sanitizer sees one byte too far */
    memcpy(p, data, len);
    as_cert(p, len);
    (void)!pki_dn_text(name, p, len);
    (void)!pki_dn_unit(name, sizeof name, p, len);
    (void)pki_each_cert(p, len, nothing, NULL);
    (void)pki_each_crl(p, len, nothing, NULL);
    pki_key_free(pki_key_open(p, len));
    free(p);
    return 0;
}
