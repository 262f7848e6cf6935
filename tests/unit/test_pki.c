/*
 * test_pki.c: chains, names and signatures (src/pki): a good peer, and each of pki.h's reasons for refusing one, met by a
 * certificate that has just that fault; our own side of a trustpoint; texts.
 */
#include "../lib/certs.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct made *root, *mid, *other;

static const struct pki_id gw = {PKI_ID_FQDN, (const u8 *)"gw.example", 10};

static const struct cert_spec plain = {.kind = PKI_EC256,
                                       .cn = "gw",
                                       .san = "DNS:gw.example,IP:192.0.2.1,email:gw@example.org",
                                       .serial = 7};

static int make_cas(void **state)
{
    (void)state;
    root = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "root", .ca = true}, NULL);
    mid = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "mid", .ca = true, .serial = 5},
                   root);
    other = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "other", .ca = true}, NULL);
    return 0;
}

static int free_cas(void **state)
{
    (void)state;
    made_free(root);
    made_free(mid);
    made_free(other);
    return 0;
}

/* What a test says of the world beside the peer's certificate. */
struct around {
    struct pki_policy policy;
    const struct made *ca, *with, *first; /* with: sent behind the peer's own, first: before it */
    const struct made *crl_by, *crl2_by;  /* whose CRLs the trustpoint has */
    long revoked, crl_to;                 /* crl_to: days until the next update, 0: 5 */
    bool peer_crl;                        /* the peer brings the CRL instead */
    enum pki_kind kind;                   /* agreed; 0: of the certificate */
    u64 now;                              /* 0: CERTS_NOW */
};

static char detail[PKI_DETAIL];

static void add_crl(struct pki_trust *t, struct pki_peer *p, const struct made *by,
                    const struct around *a)
{
    size_t n;
    u8 *der = made_crl(by, a->revoked, -3, a->crl_to ? a->crl_to : 5, &n);
    assert_true(a->peer_crl ? pki_peer_crl(p, der, n) : pki_trust_add(t, PKI_CRL, der, n));
    free(der);
}

static enum pki_fault verdict(const struct made *leaf, const struct pki_id *id,
                              const struct around *a)
{
    struct pki_trust *t = pki_trust_new("T", a->policy);
    struct pki_peer *p = pki_peer_new();
    const struct made *ca = a->ca ? a->ca : root;
    struct pki_facts facts;
    assert_true(pki_trust_add(t, PKI_CA, ca->der, ca->len));
    if (a->crl_by) {
        add_crl(t, p, a->crl_by, a);
    }
    if (a->crl2_by) {
        add_crl(t, p, a->crl2_by, a);
    }
    if (a->first) {
        assert_true(pki_peer_add(p, a->first->der, a->first->len));
    }
    if (leaf) {
        assert_true(pki_facts(&facts, leaf->der, leaf->len));
        assert_true(pki_peer_add(p, leaf->der, leaf->len));
    }
    if (a->with) {
        assert_true(pki_peer_add(p, a->with->der, a->with->len));
    }
    enum pki_fault f = pki_verify(t, p, id,
                                  a->kind ? a->kind
                                  : leaf  ? facts.kind
                                          : PKI_RSA,
                                  a->now ? a->now : CERTS_NOW, detail);
    pki_peer_free(p);
    pki_trust_free(t);
    return f;
}

static enum pki_fault of_spec(const struct cert_spec *s, const struct made *issuer,
                              const struct around *a)
{
    struct made *leaf = made_new(s, issuer);
    enum pki_fault f = verdict(leaf, &gw, a);
    made_free(leaf);
    return f;
}

static void good(void **state)
{
    (void)state;
    struct around a = {0};
    assert_int_equal(of_spec(&plain, root, &a), PKF_FINE);
    struct cert_spec s = plain;
    for (enum pki_kind k = PKI_RSA; k < PKI_KINDS; k++) {
        s.kind = k;
        assert_int_equal(of_spec(&s, root, &a), PKF_FINE);
    }
    /* a chain, in either order, and one that ends at the CA in the middle */
    assert_int_equal(of_spec(&plain, mid, &(struct around){.with = mid}), PKF_FINE);
    assert_int_equal(of_spec(&plain, mid, &(struct around){.first = mid}), PKF_FINE);
    assert_int_equal(of_spec(&plain, mid, &(struct around){.ca = mid}), PKF_FINE);
    s = plain;
    s.eku = "1.3.6.1.5.5.8.2.2"; /* iKEIntermediate */
    assert_int_equal(of_spec(&s, root, &a), PKF_FINE);
}

static void times(void **state)
{
    (void)state;
    struct cert_spec s = plain;
    s.from_days = -5, s.to_days = -1;
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_EXPIRED);
    assert_string_equal(detail, "cn=gw,o=peers,c=ZZ (not after 08:00:00 UTC Jan 14 2027)");
    s.from_days = 1, s.to_days = 5;
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_NOT_YET);
    assert_non_null(strstr(detail, "(not before 08:00:00 UTC Jan 16 2027)"));
    /* the CA's time counts, too: of both when the year 2050 comes */
    assert_int_equal(
        of_spec(&plain, root, &(struct around){.now = CERTS_NOW + 9000ull * CERTS_DAY}),
        PKF_EXPIRED);
    assert_int_equal(of_spec(&plain, root, &(struct around){.now = 0 + 1000}), PKF_NOT_YET);
}

static void issuers(void **state)
{
    (void)state;
    assert_int_equal(of_spec(&plain, root, &(struct around){.ca = other}), PKF_NO_ISSUER);
    assert_int_equal(of_spec(&plain, mid, &(struct around){0}),
                     PKF_NO_ISSUER); /* mid was not sent */
    assert_int_equal(of_spec(&plain, NULL, &(struct around){0}),
                     PKF_NO_ISSUER); /* signed by itself */
    /* another CA of the same name: the signature is wrong */
    struct made *twin =
        made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "root", .ca = true}, NULL);
    assert_int_equal(of_spec(&plain, twin, &(struct around){0}), PKF_FORGED);
    made_free(twin);
    /* what signed it is no CA */
    struct made *fake = made_new(&plain, root);
    struct cert_spec s = plain;
    s.cn = "below";
    s.san = "DNS:gw2.example";
    struct made *leaf = made_new(&s, fake);
    const struct pki_id id = {PKI_ID_FQDN, (const u8 *)"gw2.example", 11};
    enum pki_fault f = verdict(leaf, &id, &(struct around){.with = fake});
    assert_true(f == PKF_CHAIN || f == PKF_NO_ISSUER);
    made_free(leaf);
    made_free(fake);
    assert_int_equal(verdict(NULL, &gw, &(struct around){0}), PKF_NO_CERT);
}

static void weak(void **state)
{
    (void)state;
    struct cert_spec s = plain;
    s.md = EVP_sha1();
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_WEAK);
    struct made *rsa =
        made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "rsa", .ca = true}, NULL);
    s.md = EVP_md5();
    assert_int_equal(of_spec(&s, rsa, &(struct around){.ca = rsa}), PKF_WEAK);
    made_free(rsa);
    s = plain;
    s.kind = PKI_RSA;
    s.bits = 768;
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_WEAK);
}

static void usage(void **state)
{
    (void)state;
    struct cert_spec s = plain;
    s.usage = "keyEncipherment";
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_USAGE);
    s.usage = "nonRepudiation";
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_FINE);
    s = plain;
    s.eku = "codeSigning";
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_USAGE);
    s = plain;
    s.extra = "1.2.3.4=critical,DER:0500";
    assert_int_equal(of_spec(&s, root, &(struct around){0}), PKF_CRITICAL);
    assert_int_equal(of_spec(&plain, root, &(struct around){.kind = PKI_RSA}), PKF_KEY);
    assert_int_equal(of_spec(&plain, root, &(struct around){.kind = PKI_EC384}), PKF_KEY);
}

static void revocation(void **state)
{
    (void)state;
    struct around a = {.policy.crl = true};
    assert_int_equal(of_spec(&plain, root, &a), PKF_NO_CRL);
    a.crl_by = root;
    assert_int_equal(of_spec(&plain, root, &a), PKF_FINE);
    a.revoked = 7;
    assert_int_equal(of_spec(&plain, root, &a), PKF_REVOKED);
    a.policy.none = true; /* what the CRL says counts all the same */
    assert_int_equal(of_spec(&plain, root, &a), PKF_REVOKED);
    a.revoked = 0;
    a.crl_to = -1;
    assert_int_equal(of_spec(&plain, root, &a), PKF_FINE);
    a.policy.none = false;
    assert_int_equal(of_spec(&plain, root, &a), PKF_CRL_OLD);
    a = (struct around){.policy = {.crl = true, .none = true}};
    assert_int_equal(of_spec(&plain, root, &a), PKF_FINE);
    a = (struct around){.policy.crl = true, .crl_by = other};
    assert_int_equal(of_spec(&plain, root, &a), PKF_NO_CRL); /* not of this CA */
    struct made *twin =
        made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "root", .ca = true}, NULL);
    a.crl_by = twin;
    assert_int_equal(of_spec(&plain, root, &a), PKF_CRL_BAD);
    made_free(twin);
    /* every link of the chain is asked about, the anchor alone is not */
    a = (struct around){.policy.crl = true, .with = mid, .crl_by = mid};
    assert_int_equal(of_spec(&plain, mid, &a), PKF_NO_CRL);
    a.crl2_by = root;
    assert_int_equal(of_spec(&plain, mid, &a), PKF_FINE);
    a.revoked = 5; /* the serial number of mid, and of nothing of mid's */
    assert_int_equal(of_spec(&plain, mid, &a), PKF_REVOKED);
    assert_non_null(strstr(detail, "cn=mid"));
    a = (struct around){.policy.crl = true, .ca = mid, .crl_by = mid};
    assert_int_equal(of_spec(&plain, mid, &a), PKF_FINE);
    /* the peer may bring one where we have none; it is not believed against ours */
    a = (struct around){.policy.crl = true, .crl_by = root, .peer_crl = true};
    assert_int_equal(of_spec(&plain, root, &a), PKF_FINE);
    a.revoked = 7;
    assert_int_equal(of_spec(&plain, root, &a), PKF_REVOKED);
    assert_int_equal(of_spec(&plain, root, &(struct around){.policy.ocsp = true}), PKF_NO_OCSP);
    assert_int_equal(
        of_spec(&plain, root, &(struct around){.policy = {.ocsp = true, .none = true}}), PKF_FINE);
}

/* A peer that was revoked shows a CRL from before that. */
static void old_crl_shown(void **state)
{
    (void)state;
    struct pki_trust *t = pki_trust_new("T", (struct pki_policy){.crl = true});
    struct pki_peer *p = pki_peer_new();
    struct made *leaf = made_new(&plain, root);
    size_t n;
    u8 *now = made_crl(root, 7, -1, 5, &n);
    assert_true(pki_trust_add(t, PKI_CA, root->der, root->len) &&
                pki_trust_add(t, PKI_CRL, now, n));
    u8 *before = made_crl(root, 0, -3, 9, &n);
    assert_true(pki_peer_crl(p, before, n) && pki_peer_add(p, leaf->der, leaf->len));
    assert_int_equal(pki_verify(t, p, &gw, PKI_EC256, CERTS_NOW, detail), PKF_REVOKED);
    free(now);
    free(before);
    made_free(leaf);
    pki_peer_free(p);
    pki_trust_free(t);
}

static void names(void **state)
{
    static const u8 v4[4] = {192, 0, 2, 1}, v4b[4] = {192, 0, 2, 2};
    u8 dn[256], dn2[256];
    struct around a = {0};
    struct made *leaf = made_new(&plain, root);
    (void)state;
    size_t n = pki_subject(dn, sizeof dn, leaf->der, leaf->len),
           n2 = pki_subject(dn2, sizeof dn2, root->der, root->len);
    assert_true(n > 0 && n2 > 0);
#define ID(t, s) (&(struct pki_id){t, (const u8 *)(s), strlen(s)})
    assert_int_equal(verdict(leaf, ID(PKI_ID_FQDN, "GW.example"), &a), PKF_FINE);
    assert_int_equal(verdict(leaf, ID(PKI_ID_FQDN, "gw.example.org"), &a), PKF_NAME);
    assert_int_equal(verdict(leaf, ID(PKI_ID_FQDN, "gw"), &a), PKF_NAME);
    assert_int_equal(verdict(leaf, ID(PKI_ID_FQDN, ""), &a), PKF_NAME);
    assert_int_equal(verdict(leaf, ID(PKI_ID_FQDN, "gw@example.org"), &a), PKF_NAME);
    assert_int_equal(verdict(leaf, ID(PKI_ID_USER_FQDN, "gw@example.org"), &a), PKF_FINE);
    assert_int_equal(verdict(leaf, ID(PKI_ID_USER_FQDN, "gw.example"), &a), PKF_NAME);
    assert_int_equal(verdict(leaf, &(struct pki_id){PKI_ID_ADDR, v4, 4}, &a), PKF_FINE);
    assert_int_equal(verdict(leaf, &(struct pki_id){PKI_ID_ADDR, v4b, 4}, &a), PKF_NAME);
    assert_int_equal(verdict(leaf, &(struct pki_id){PKI_ID_DN, dn, n}, &a), PKF_FINE);
    assert_int_equal(verdict(leaf, &(struct pki_id){PKI_ID_DN, dn2, n2}, &a), PKF_NAME);
    assert_int_equal(verdict(leaf, &(struct pki_id){PKI_ID_DN, dn, n - 1}, &a), PKF_NAME);
    assert_int_equal(verdict(leaf, &(struct pki_id){PKI_ID_OTHER, v4, 4}, &a), PKF_ID_TYPE);
#undef ID
    made_free(leaf);
}

/* A certificate of somebody else beside our own makes nobody of us. */
static void borrowed(void **state)
{
    (void)state;
    struct cert_spec s = plain;
    s.cn = "thief", s.san = "DNS:thief.example";
    struct made *leaf = made_new(&plain, root), *thief = made_new(&s, root);
    struct pki_peer *p = pki_peer_new();
    u8 hash[32] = {9}, sig[PKI_SIG_MAX];
    assert_true(pki_peer_add(p, thief->der, thief->len) && pki_peer_add(p, leaf->der, leaf->len));
    struct pki_key *k = pki_key_open(thief->secret, thief->secret_len);
    size_t n = pki_sign(k, hash, sizeof hash, sig);
    assert_int_equal(n, 64);
    assert_false(pki_verify_sig(p, &gw, PKI_EC256, hash, sizeof hash, sig, n));
    const struct pki_id own = {PKI_ID_FQDN, (const u8 *)"thief.example", 13};
    assert_true(pki_verify_sig(p, &own, PKI_EC256, hash, sizeof hash, sig, n));
    pki_key_free(k);
    pki_peer_free(p);
    made_free(leaf);
    made_free(thief);
}

static void signatures(void **state)
{
    static const size_t want[PKI_KINDS] = {0, 256, 64, 96, 132};
    (void)state;
    for (enum pki_kind kind = PKI_RSA; kind < PKI_KINDS; kind++) {
        struct cert_spec s = plain;
        s.kind = kind;
        struct made *leaf = made_new(&s, root);
        struct pki_peer *p = pki_peer_new();
        struct pki_key *k = pki_key_open(leaf->secret, leaf->secret_len);
        u8 hash[64] = {1, 2, 3}, sig[PKI_SIG_MAX];
        size_t len = kind == PKI_RSA ? 20 : kind == PKI_EC256 ? 32 : kind == PKI_EC384 ? 48 : 64;
        assert_true(k && pki_peer_add(p, leaf->der, leaf->len));
        assert_int_equal(pki_key_kind(k), kind);
        size_t n = pki_sign(k, hash, len, sig);
        assert_int_equal(n, want[kind]);
        assert_true(pki_verify_sig(p, &gw, kind, hash, len, sig, n));
        for (size_t i = 0; i < n; i += 13) {
            sig[i] ^= 4;
            assert_false(pki_verify_sig(p, &gw, kind, hash, len, sig, n));
            sig[i] ^= 4;
        }
        assert_false(pki_verify_sig(p, &gw, kind, hash, len, sig, n - 1));
        assert_false(pki_verify_sig(p, &gw, kind, hash, len, sig, 0));
        assert_false(
            pki_verify_sig(p, &gw, kind == PKI_RSA ? PKI_EC256 : PKI_RSA, hash, len, sig, n));
        hash[0] ^= 1;
        assert_false(pki_verify_sig(p, &gw, kind, hash, len, sig, n));
        pki_key_free(k);
        pki_peer_free(p);
        made_free(leaf);
    }
}

/* RFC 2409 5.1: the hash alone stands in the PKCS#1 block, without the OID that names it. */
static void rsa_without_oid(void **state)
{
    (void)state;
    struct cert_spec s = plain;
    s.kind = PKI_RSA;
    struct made *m = made_new(&s, root);
    struct pki_key *k = pki_key_open(m->secret, m->secret_len);
    u8 hash[20] = {7}, sig[PKI_SIG_MAX], block[256];
    size_t n = pki_sign(k, hash, sizeof hash, sig), out = sizeof block;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(m->key, NULL);
    assert_int_equal(EVP_PKEY_verify_recover_init(c), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(c, RSA_NO_PADDING), 1);
    assert_int_equal(EVP_PKEY_verify_recover(c, block, &out, sig, n), 1);
    assert_int_equal(out, 256);
    assert_true(block[0] == 0 && block[1] == 1 && block[2] == 0xff && block[256 - 22] == 0xff &&
                block[256 - 21] == 0);
    assert_memory_equal(block + 256 - 20, hash, 20);
    EVP_PKEY_CTX_free(c);
    pki_key_free(k);
    made_free(m);
}

static void our_side(void **state)
{
    (void)state;
    struct pki_trust *t = pki_trust_new("T", (struct pki_policy){0});
    struct made *leaf = made_new(&plain, mid), *not_ours = made_new(&plain, mid);
    u8 dn[256];
    size_t n;
    assert_false(pki_trust_cas(t));
    assert_false(pki_trust_add(t, PKI_CA, leaf->der, leaf->len)); /* no CA */
    assert_false(pki_trust_add(t, PKI_CA, root->der, root->len - 1));
    assert_true(pki_trust_add(t, PKI_CA, root->der, root->len));
    assert_true(pki_trust_cas(t));
    assert_true(pki_trust_add(t, PKI_OWN, leaf->der, leaf->len));
    assert_int_equal(pki_trust_key(t), PKI_NO_KIND);
    assert_true(pki_trust_add(t, PKI_KEY, not_ours->secret, not_ours->secret_len));
    assert_int_equal(pki_trust_key(t), PKI_NO_KIND); /* of another certificate */
    assert_true(pki_trust_add(t, PKI_KEY, leaf->secret, leaf->secret_len));
    assert_int_equal(pki_trust_key(t), PKI_EC256);
    assert_null(pki_trust_own(t, 1, &n));
    assert_true(pki_trust_add(t, PKI_CA, mid->der, mid->len));
    assert_non_null(pki_trust_own(t, 1, &n)); /* mid is sent, the root is not */
    assert_int_equal(n, mid->len);
    assert_null(pki_trust_own(t, 2, &n));
    n = pki_subject(dn, sizeof dn, root->der, root->len);
    assert_true(pki_trust_leads(t, dn, n) && pki_trust_leads(t, dn, 0));
    n = pki_subject(dn, sizeof dn, other->der, other->len);
    assert_false(pki_trust_leads(t, dn, n));
    const u8 *ca = pki_trust_ca(t, 1, &n);
    char text[PKI_NAME];
    assert_true(ca && pki_dn_text(text, ca, n));
    assert_string_equal(text, "cn=mid,o=peers,c=ZZ");
    assert_false(pki_dn_unit(text, sizeof text, ca, n)); /* it has none */
    static const struct {
        const char *ou;
        bool good;
    } units[] = {{"sales", true}, {"two words", false}, {"\xc3\xa4", false}, {"0123456789abcdef", false}};
    for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
        struct made *m = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "ou=admin", .ou = units[i].ou, .serial = 90}, root);
        char unit[16];
        n = pki_subject(dn, sizeof dn, m->der, m->len);
        assert_int_equal(pki_dn_unit(unit, sizeof unit, dn, n), units[i].good);
        assert_string_equal(unit, units[i].good ? units[i].ou : "");
        assert_false(pki_dn_unit(unit, sizeof unit, dn, n - 1));
        made_free(m);
    }
    made_free(leaf);
    made_free(not_ours);
    pki_trust_free(t);
}

/* ---- texts ---- */

static void count(void *ctx, const u8 *der, size_t len)
{
    struct pki_facts f;
    *(unsigned *)ctx += pki_facts(&f, der, len);
}

static void texts(void **state)
{
    (void)state;
    struct made *leaf = made_new(&plain, root);
    char *one = made_text(leaf, true), *two = made_text(root, false), both[16384];
    unsigned n = 0;
    snprintf(both, sizeof both, "some words\n%s\n%s", one, two);
    assert_int_equal(pki_each_cert(both, strlen(both), count, &n), 2);
    assert_int_equal(n, 2);
    assert_int_equal(pki_each_crl(both, strlen(both), count, &n), 0);
    assert_int_equal(pki_each_cert(leaf->der, leaf->len, count, &n), 1);
    char *at = strchr(two, '\n') + 1; /* bare base64 */
    *strstr(at, "-----END") = 0;
    assert_int_equal(pki_each_cert(at, strlen(at), count, &n), 1);
    assert_int_equal(n, 4);
    assert_int_equal(pki_each_cert("no certificate", 14, count, &n), 0);
    assert_int_equal(pki_each_cert("", 0, count, &n), 0);
    struct pki_key *k = pki_key_read(one, strlen(one), NULL);
    assert_true(k && pki_key_of(k, leaf->der, leaf->len));
    assert_false(pki_key_of(k, root->der, root->len));
    pki_key_free(k);
    assert_null(pki_key_read(two, strlen(two), NULL));
    assert_true(pki_has_key(one, strlen(one)) && !pki_has_key(two, strlen(two)));
    free(one);
    free(two);
    made_free(leaf);
}

static void with_pass(void **state)
{
    (void)state;
    struct made *leaf = made_new(&plain, root);
    BIO *b = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(b, leaf->key, EVP_aes_128_cbc(), "words", 5, NULL, NULL), 1);
    long n = BIO_get_mem_data(b, &text);
    assert_null(pki_key_read(text, (size_t)n, NULL)); /* and nobody is asked at a terminal */
    assert_null(pki_key_read(text, (size_t)n, "other"));
    struct pki_key *k = pki_key_read(text, (size_t)n, "words");
    assert_non_null(k);
    pki_key_free(k);
    BIO_free(b);
    made_free(leaf);
}

static void keys_and_requests(void **state)
{
    (void)state;
    u8 der[PKI_DER_MAX], saved[PKI_DER_MAX];
    struct pki_key *k = pki_key_make(PKI_EC384, 0);
    assert_non_null(k);
    assert_null(pki_key_make(PKI_NO_KIND, 0));
    size_t n = pki_key_save(k, saved, sizeof saved);
    struct pki_key *again = pki_key_open(saved, n);
    assert_true(again && pki_key_kind(again) == PKI_EC384 && pki_key_bits(again) == 384);
    assert_null(pki_key_open(saved, n - 1));
    pki_key_free(again);
    struct pki_request r = {
        .subject = "cn=R1, ou=x,o=Example", .fqdn = "r1.example", .ip = addr_v4(0xc0000201)};
    n = pki_request(k, &r, der, sizeof der);
    const unsigned char *p = der;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)n);
    assert_non_null(req);
    assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
    char *subject = X509_NAME_oneline(X509_REQ_get_subject_name(req), NULL, 0);
    assert_string_equal(subject, "/O=Example/OU=x/CN=R1");
    OPENSSL_free(subject);
    X509_REQ_free(req);
    assert_int_equal(pki_request(k, &(struct pki_request){.subject = "nonsense"}, der, sizeof der),
                     0);
    assert_int_equal(pki_request(k, &r, der, 50), 0);
    pki_key_free(k);
}

static void facts(void **state)
{
    (void)state;
    struct cert_spec s = plain;
    s.extra = "crlDistributionPoints=URI:http://ca.example/ca.crl";
    s.serial = 0x1f2;
    struct made *leaf = made_new(&s, root);
    struct pki_facts f;
    char when[PKI_TIME];
    assert_true(pki_facts(&f, leaf->der, leaf->len));
    assert_string_equal(f.subject, "cn=gw,o=peers,c=ZZ");
    assert_string_equal(f.issuer, "cn=root,o=peers,c=ZZ");
    assert_string_equal(f.serial, "01F2");
    assert_string_equal(f.fqdn, "gw.example");
    assert_string_equal(f.crl_url, "http://ca.example/ca.crl");
    assert_true(!f.ca && !f.self_signed && f.signs && !f.enciphers && f.kind == PKI_EC256 &&
                f.bits == 256);
    assert_int_equal(f.not_after - f.not_before, 31 * CERTS_DAY);
    assert_string_equal(pki_time_text(when, f.not_before), "08:00:00 UTC Jan 14 2027");
    assert_false(pki_facts(&f, leaf->der, leaf->len - 1));
    assert_false(pki_facts(&f, leaf->der, leaf->len + 1)); /* a zero stands behind it */
    made_free(leaf);
}

/* Every reason has a name and a sentence; warming up leaves nothing behind. */
static void words(void **state)
{
    (void)state;
    for (enum pki_fault f = PKF_FINE; f < PKF_NUM; f++) {
        assert_true(strlen(pki_fault_name(f)) > 3 && strlen(pki_fault_text(f)) > 10);
    }
    pki_warm_up();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good),
                                       cmocka_unit_test(times),
                                       cmocka_unit_test(issuers),
                                       cmocka_unit_test(weak),
                                       cmocka_unit_test(usage),
                                       cmocka_unit_test(revocation),
                                       cmocka_unit_test(names),
                                       cmocka_unit_test(borrowed),
                                       cmocka_unit_test(signatures),
                                       cmocka_unit_test(our_side),
                                       cmocka_unit_test(rsa_without_oid),
                                       cmocka_unit_test(texts),
                                       cmocka_unit_test(with_pass),
                                       cmocka_unit_test(facts),
                                       cmocka_unit_test(keys_and_requests),
                                       cmocka_unit_test(old_crl_shown),
                                       cmocka_unit_test(words)};
    return cmocka_run_group_tests(tests, make_cas, free_cas);
}
