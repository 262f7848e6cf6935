/*
 * sig_test.c: phase 1 with RSA and ECDSA signatures (RFC 2409 5.1, RFC 4754) as ladders: both modes, each kind of key, under loss; what
 * is asked for and sent; and each way a certificate or a signature can be wrong, with the sentence the operator gets.
 */
#include "certs.h"
#include "world.h"

#include <openssl/hmac.h>
#include <stdlib.h>

static struct made *ca, *other_ca, *end[SIDES][PKI_KINDS];

static const char *const names[] = {"a.example", "b.example"};

static struct made *issue(int side, enum pki_kind kind, const struct made *by)
{
    char san[64];
    snprintf(san, sizeof san, "DNS:%s,IP:%s", names[side], side == A ? "1.1.1.1" : "2.2.2.2");
    struct cert_spec s = {.kind = kind, .cn = names[side], .san = san, .serial = 10 + side};
    return made_new(&s, by);
}

static int make(void **state)
{
    (void)state;
    ca = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "ca", .ca = true}, NULL);
    other_ca = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "other ca", .ca = true}, NULL);
    for (int side = A; side <= B; side++) {
        for (enum pki_kind k = PKI_RSA; k < PKI_KINDS; k++) {
            end[side][k] = issue(side, k, ca);
        }
    }
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    made_free(ca);
    made_free(other_ca);
    for (int side = A; side <= B; side++) {
        for (enum pki_kind k = PKI_RSA; k < PKI_KINDS; k++) {
            made_free(end[side][k]);
        }
    }
    return 0;
}

/* ---- configurations ---- */

static void part(struct setup *s, u16 trust, u16 what, const u8 *p, size_t len)
{
    s->part[s->num_parts].trust = trust;
    s->part[s->num_parts].what = what;
    s->part[s->num_parts].p = p;
    s->part[s->num_parts++].len = len;
}

/* trust: one more trustpoint: its CA, and our certificate and key. */
static struct ike_trust_value *trust(struct setup *s, const char *name, const struct made *trusted,
                                     const struct made *own)
{
    struct ike_msg *m = &s->other[s->num_other];
    u16 number = (u16)s->num_other++;
    m->type = IKE_CFG_TRUST;
    m->u.trust.number = number;
    m->u.trust.none = true;
    str_copy(m->u.trust.name, sizeof m->u.trust.name, name);
    if (trusted) {
        part(s, number, PKI_CA, trusted->der, trusted->len);
    }
    if (own) {
        part(s, number, PKI_OWN, own->der, own->len);
        part(s, number, PKI_KEY, own->secret, own->secret_len);
    }
    return &m->u.trust;
}

/* with: a side that authenticates with that certificate, and trusts that CA. */
static struct setup with(int side, const struct made *own, const struct made *trusted,
                         enum pki_kind kind)
{
    struct setup s = setup_default(side);
    s.psk = NULL;
    s.policy[0] = (struct ike_policy_value){
        10, ENCR_AES128, HASH_SHA256, kind == PKI_RSA ? IKE_AUTH_RSA_SIG : IKE_AUTH_ECDSA_256,
        19, 86400};
    trust(&s, "T", trusted, own);
    return s;
}

static struct setup usual(int side, enum pki_kind kind)
{
    return with(side, end[side][kind], ca, kind);
}

static void self(struct setup *s, u8 type, const char *text)
{
    s->global.self = (struct ike_self){.type = type, .said = true};
    str_copy(s->global.self.text, sizeof s->global.self.text, text);
}

static struct world *run(const struct setup *a, const struct setup *b)
{
    struct world *w = world_at(CERTS_NOW, 1, a, b);
    world_acquire(w, A);
    world_run(w, 3000);
    return w;
}

/* up_as: it comes up, and A is that one for B. */
static void up_as(const struct setup *a, const struct setup *b, const char *id)
{
    struct world *w = run(a, b);
    assert_int_equal(pairs_up(w), 1);
    world_snapshot(w, B);
    assert_string_equal(w->s[B].info[0].id, id);
    assert_null(w->s[A].syslog.s);
    assert_null(w->s[B].syslog.s);
    world_free(w);
}

/* ---- keys: what RFC 2409 5 and RFC 4754 say, computed by other hands ---- */

static void keys(void **state)
{
    (void)state;
    struct sa_core sa = {.hash = HASH_SHA1, .auth = IKE_AUTH_RSA_SIG};
    struct xch_core *x = xcalloc(1, sizeof *x);
    u8 want[64];
    unsigned len = 0;
    x->ni.len = 9, x->nr.len = 20, x->gxy.len = 128;
    memset(x->ni.b, 1, 9), memset(x->nr.b, 2, 20), memset(x->gxy.b, 3, 128);
    u8 key[29]; /* Ni_b | Nr_b */
    memset(key, 1, 9), memset(key + 9, 2, 20);
    keys_skeyid_sig(&sa, x);
    assert_non_null(HMAC(EVP_sha1(), key, sizeof key, x->gxy.b, 128, want, &len));
    assert_int_equal(sa.skeyid.len, len);
    assert_memory_equal(sa.skeyid.b, want, len);
    static const struct {
        u16 auth;
        enum hash_id hash;
    } hashes[] = {{IKE_AUTH_PSK, HASH_SHA1},
                  {IKE_AUTH_RSA_SIG, HASH_SHA1},
                  {IKE_AUTH_ECDSA_256, HASH_SHA256},
                  {IKE_AUTH_ECDSA_384, HASH_SHA384},
                  {IKE_AUTH_ECDSA_521, HASH_SHA512}};
    for (unsigned i = 0; i < ARRAY_LEN(hashes); i++) {
        sa.auth = hashes[i].auth;
        assert_int_equal(sig_hash(&sa), hashes[i].hash);
    }
    free(x);
}

/* ---- it comes up ---- */

static void each_kind(void **state)
{
    static const u16 want[PKI_KINDS] = {0, IKE_AUTH_RSA_SIG, IKE_AUTH_ECDSA_256, IKE_AUTH_ECDSA_384,
                                        IKE_AUTH_ECDSA_521};
    (void)state;
    for (enum pki_kind k = PKI_RSA; k < PKI_KINDS; k++) {
        struct setup a = usual(A, k), b = usual(B, k);
        a.policy[0].hash = b.policy[0].hash = HASH_SHA1; /* ECDSA's is its own (RFC 2409 5.1) */
        struct world *w = run(&a, &b);
        assert_int_equal(pairs_up(w), 1);
        world_snapshot(w, B);
        assert_int_equal(w->s[B].info[0].auth, want[k]);
        assert_string_equal(w->s[B].info[0].id, "1.1.1.1"); /* the certificate holds the address */
        assert_null(w->s[A].syslog.s);
        assert_null(w->s[B].syslog.s);
        world_free(w);
    }
}

struct loss {
    int from;
    unsigned number;
};

static struct fate drop_nth(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    const struct loss *l = w->ctx;
    (void)data, (void)len;
    return (struct fate){from == l->from && number == l->number ? 0 : 1, {10}};
}

static void lost_messages(void **state)
{
    (void)state;
    for (enum pki_kind k = PKI_RSA; k <= PKI_EC256; k++) {
        struct setup a = usual(A, k), b = usual(B, k);
        for (unsigned i = 0; i < 10; i++) {
            struct loss l = {i < 5 ? A : B, i % 5};
            struct world *w = world_at(CERTS_NOW, i + 7, &a, &b);
            w->net = drop_nth;
            w->ctx = &l;
            world_acquire(w, A);
            world_run(w, 60000);
            assert_int_equal(pairs_up(w), 1);
            world_free(w);
        }
    }
}

static struct fate lossy(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)from, (void)number, (void)data, (void)len;
    unsigned copies = world_random(w) % 10 < 3 ? 0 : 1 + world_random(w) % 2;
    return (struct fate){copies, {world_random(w) % 400, world_random(w) % 400}};
}

/* A third lost, the rest in any order, some twice: it comes up, in the end, always. */
static void under_loss(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
        struct world *w = world_at(CERTS_NOW, seed, &a, &b);
        w->net = lossy;
        for (unsigned i = 0; i < 20 && !pairs_up(w); i++) {
            world_acquire(w, A);
            world_run(w, 60000);
        }
        assert_true(pairs_up(w) >= 1);
        world_free(w);
    }
}

static void aggressive_mode(void **state)
{
    (void)state;
    for (enum pki_kind k = PKI_RSA; k <= PKI_EC384; k++) {
        struct setup a = usual(A, k), b = usual(B, k);
        struct ike_msg *m = &a.other[a.num_other++];
        m->type = IKE_CFG_PEER;
        m->u.peer.peer = a.flow.peer[0];
        m->u.peer.aggressive = true;
        self(&a, IKE_SELF_FQDN, "a.example");
        struct world *w = run(&a, &b);
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(w->log_data[0][18], XCH_AGGRESSIVE);
        world_snapshot(w, B);
        assert_string_equal(w->s[B].info[0].id, "a.example");
        assert_null(w->s[B].syslog.s);
        assert_null(w->s[A].syslog.s); /* nothing that could be guessed went out */
        world_free(w);
    }
}

/* edited: message 2 of aggressive mode, which is in clear: the first byte of the CERT payloads becomes that (w->ctx). */
static struct fate edited(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    struct isakmp_hdr h;
    struct isakmp_chain chain;
    u8 copy[ISAKMP_MAX];
    if (from != B || number != 0) {
        return (struct fate){1, {10}};
    }
    memcpy(copy, data, len);
    assert_int_equal(isakmp_hdr_read(&h, copy, len).reason, IW_OK);
    assert_int_equal(isakmp_chain_read(&chain, h.next, copy, len, 0).reason, IW_OK);
    for (unsigned i = 0; i < chain.num; i++) {
        if (chain.payload[i].type == PL_CERT) {
            copy[chain.payload[i].off + 4 + (*(const u8 *)w->ctx == 0xff)] = *(const u8 *)w->ctx;
        }
    }
    send_raw(w, A, copy, len);
    return (struct fate){0};
}

/* Certificates that come in another wrapping, or in none: refused by name. */
static void wrappings(void **state)
{
    static const struct {
        u8 byte; /* 0xff: the encoding stays, the certificate is damaged */
        const char *sentence;
    } cases[] = {{CERT_PKCS7, "its certificates come wrapped in PKCS#7, which is not read"},
                 {CERT_CRL, "no certificate. The peer sent no certificate that can be read"},
                 {200, "no certificate. The peer sent no certificate that can be read"},
                 {0xff, "no certificate. The peer sent no certificate that can be read"}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
        struct ike_msg *m = &a.other[a.num_other++];
        m->type = IKE_CFG_PEER;
        m->u.peer.peer = a.flow.peer[0];
        m->u.peer.aggressive = true;
        struct world *w = world_at(CERTS_NOW, 1, &a, &b);
        u8 byte = cases[i].byte;
        w->net = edited;
        w->ctx = &byte;
        world_acquire(w, A);
        world_run(w, 3000);
        assert_int_equal(pairs_up(w), 0);
        assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_CERT), 1);
        if (!saw(&w->s[A], cases[i].sentence)) {
            fail_msg("%u: %s", i, w->s[A].syslog.s);
        }
        world_free(w);
    }
}

/* ---- identities ---- */

static void identities(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    self(&a, IKE_SELF_FQDN, "a.example");
    up_as(&a, &b, "a.example");
    self(&a, IKE_SELF_DN, "");
    up_as(&a, &b, "cn=a.example,o=peers,c=ZZ");
    self(&a, IKE_SELF_ADDRESS, "");
    up_as(&a, &b, "1.1.1.1");
    /* without an address in the certificate it is the subject that is said, unless the configuration says otherwise */
    struct made *nameless =
        made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "a", .serial = 20}, ca);
    a = with(A, nameless, ca, PKI_EC256);
    up_as(&a, &b, "cn=a,o=peers,c=ZZ");
    made_free(nameless);
}

/* ---- refusals ---- */

/* refused: by B, with that sentence; A hears nothing, and is told what that may mean. */
static void refused(const struct setup *a, const struct setup *b, const char *sentence)
{
    struct world *w = run(a, b);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_CERT), 1);
    if (!saw(&w->s[B], "%CRYPTO-5-IKMP_INVAL_CERT: Certificate received from 1.1.1.1 is bad: ") ||
        !saw(&w->s[B], sentence)) {
        fail_msg("no \"%s\" in\n%s", sentence, w->s[B].syslog.s);
    }
    world_run(w, 60000);
    assert_true(saw(
        &w->s[A],
        "no answer to message 5, which proves who we are; does the peer accept our certificate?"));
    world_free(w);
}

/* certified: the same for a certificate made so. */
static void certified(const struct cert_spec *s, const struct made *by, const char *sentence)
{
    struct made *m = made_new(s, by);
    struct setup a = with(A, m, ca, PKI_EC256), b = usual(B, PKI_EC256);
    refused(&a, &b, sentence);
    made_free(m);
}

static void bad_certificates(void **state)
{
    (void)state;
    struct cert_spec s = {
        .kind = PKI_EC256, .cn = "a", .san = "IP:1.1.1.1", .from_days = -9, .to_days = -2};
    certified(&s, ca,
              "expired: cn=a,o=peers,c=ZZ (not after 08:00:00 UTC Jan 13 2027). A certificate of "
              "the chain is not valid any more");
    s.from_days = 2, s.to_days = 9;
    certified(&s, ca, "not yet valid: cn=a,o=peers,c=ZZ (not before 08:00:00 UTC Jan 17 2027). ");
    s.from_days = s.to_days = 0;
    certified(&s, other_ca, "issuer not known: cn=a,o=peers,c=ZZ");
    s.md = EVP_sha1();
    certified(&s, ca, "weak signature or key: cn=a,o=peers,c=ZZ");
    s.md = NULL;
    s.usage = "keyEncipherment";
    certified(&s, ca, "not for IKE: cn=a,o=peers,c=ZZ");
}

static void wrong_names(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    self(&a, IKE_SELF_FQDN, "b.example");
    refused(&a, &b,
            "wrong name: cn=a.example,o=peers,c=ZZ. The certificate does not hold the identity "
            "that the peer claims");
    self(&a, IKE_SELF_KEY_ID, "a.example");
    refused(&a, &b, "identity type: cn=a.example");
    struct made *nameless =
        made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "a", .serial = 20}, ca);
    a = with(A, nameless, ca, PKI_EC256);
    self(&a, IKE_SELF_ADDRESS, "");
    refused(&a, &b, "wrong name: cn=a,o=peers,c=ZZ");
    made_free(nameless);
}

/* A certificate for an address makes nobody that address who speaks from another one (RFC 4945 3.1.1). */
static void another_address(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    b.flow.peer[0] = b.flow.sel.dst.a = addr_v4(0x09090909);
    struct world *w = world_at(CERTS_NOW, 1, &a, &b);
    w->nat = addr_v4(0x09090909);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(
        &w->s[B],
        "its certificate is for 1.1.1.1, wanted the address it speaks from, 9.9.9.9, or a name"));
    world_free(w);
}

/* Behind a NAT nobody's address is his name: the subject is said, though the certificate holds the address. */
static void behind_a_nat(void **state)
{
    (void)state;
    struct setup s[2] = {usual(A, PKI_EC256), usual(B, PKI_EC256)};
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, 1);
    w->wall_s = CERTS_NOW;
    w->natt = true;
    w->nat = addr_v4(0x09090909);
    w->nat_ports[A] = 10000;
    for (int i = A; i <= B; i++) {
        struct prefix a = {addr_v4(0x0a010000), 24}, b = {addr_v4(0x0a020000), 24};
        s[i].flow.sel = (struct selector){
            .src = i == A ? a : b, .dst = i == A ? b : a, .sport_hi = 0xffff, .dport_hi = 0xffff};
        s[i].flow.any_mode = s[i].flow.tunnel_if = false;
        world_restart(w, i);
    }
    s[B].flow.peer[0] = w->nat;
    world_config(w, A, &s[A]);
    world_config(w, B, &s[B]);
    world_acquire(w, A);
    world_run(w, 3000);
    world_snapshot(w, B);
    assert_true(w->s[B].info[0].authenticated && w->s[B].info[0].nat);
    assert_int_equal(w->s[B].info[0].num_children, 1);
    assert_string_equal(w->s[B].info[0].id, "cn=a.example,o=peers,c=ZZ");
    world_free(w);
}

static void revocation(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    struct ike_trust_value *t = &b.other[0].u.trust;
    t->none = false;
    t->crl = true;
    refused(&a, &b, "no CRL: cn=a.example");
    static const struct {
        long revoked, to_days;
        const char *sentence;
    } crls[] = {
        {10, 5, "revoked: cn=a.example"}, {0, -1, "CRL too old: cn=a.example"}, {99, 5, NULL}};
    for (unsigned i = 0; i < ARRAY_LEN(crls); i++) {
        struct setup with_crl = b;
        size_t n;
        u8 *crl = made_crl(ca, crls[i].revoked, -9, crls[i].to_days, &n);
        part(&with_crl, 0, PKI_CRL, crl, n);
        if (crls[i].sentence) {
            refused(&a, &with_crl, crls[i].sentence);
        } else {
            up_as(&a, &with_crl, "1.1.1.1");
        }
        free(crl);
    }
}

/* The curve is part of the method: a peer whose key is on another one has no common policy with us. */
static void another_curve(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC384);
    struct world *w = run(&a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(
        &w->s[B], "policy 10 fits, but there is no certificate with its key on P-256 for 1.1.1.1"));
    world_free(w);
}

/* lacks: this end cannot begin, and says what is missing. */
static void lacks(const struct setup *a, const char *sentence)
{
    struct setup b = usual(B, PKI_EC256);
    struct world *w = run(a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_NO_CERT), 1);
    assert_true(saw(&w->s[A], sentence));
    assert_int_equal(w->sent[A], 0);
    world_free(w);
}

static void nothing_of_our_own(void **state)
{
    (void)state;
    struct setup a = with(A, NULL, ca, PKI_RSA);
    lacks(&a, "no certificate with its RSA key is configured for 2.2.2.2");
    a = with(A, end[A][PKI_EC256], NULL, PKI_EC256); /* nobody could be checked */
    lacks(&a, "no certificate with its key on P-256 is configured for 2.2.2.2");
    a = with(A, end[A][PKI_EC256], ca, PKI_EC256); /* a key of another certificate */
    a.part[2].p = end[B][PKI_EC256]->secret;
    a.part[2].len = end[B][PKI_EC256]->secret_len;
    lacks(&a, "no certificate with its key on P-256 is configured for 2.2.2.2");
}

/* The signature is over something else than HASH_I of this exchange; when it is said again and fits, all is well. */
static void wrong_signature(void **state)
{
    (void)state;
    for (enum pki_kind k = PKI_RSA; k <= PKI_EC256; k++) {
        struct setup a = usual(A, k), b = usual(B, k);
        struct world *w = world_at(CERTS_NOW, 1, &a, &b);
        world_acquire(w, A);
        while (list_empty(&w->s[B].ike->sas) ||
               CONTAINER_OF(w->s[B].ike->sas.next, struct ike_sa, link)->main.c.state != XS_R_MM4) {
            world_run(w, 1);
        }
        struct ike_sa *sa = CONTAINER_OF(w->s[B].ike->sas.next, struct ike_sa, link);
        sa->c.skeyid.b[0] ^= 1;
        world_run(w, 2000);
        assert_int_equal(pairs_up(w), 0);
        assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_SIGNATURE), 1);
        assert_true(saw(&w->s[B], "was not made by the key of the certificate that it shows"));
        sa->c.skeyid.b[0] ^= 1;
        world_run(w, 60000);
        assert_int_equal(pairs_up(w), 1);
        world_free(w);
    }
}

/* ---- what is asked for ---- */

/* B asks for a CA that A has nothing of; A says so, and sends what it has. */
static void strange_issuer(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = with(B, end[B][PKI_EC256], other_ca, PKI_EC256);
    struct world *w = run(&a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[A], "%ADIT-4-CERT_ISSUER: 2.2.2.2 asks for a certificate issued by "
                              "cn=other ca,o=peers,c=ZZ, and no "
                              "trustpoint has one; that of T is sent"));
    assert_true(saw(&w->s[B], "issuer not known: cn=a.example"));
    world_free(w);
    w = world_at(CERTS_NOW, 1, &a, &b); /* who begins with us may be anybody: nothing in the log, all of it in the debug lines */
    world_acquire(w, B);
    world_run(w, 3000);
    assert_false(saw(&w->s[A], "CERT_ISSUER"));
    assert_non_null(
        strstr(w->s[A].debug.s, "peer wants a certificate issued by cn=other ca,o=peers,c=ZZ"));
    world_free(w);
}

/* A peer that asks for more CAs than it has certificates of is heard to the end. */
static void many_issuers(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    struct made *more[5];
    b.num_parts = 0;
    b.num_other = 0;
    for (unsigned i = 0; i < ARRAY_LEN(more); i++) { /* the one that counts stands last */
        char name[16];
        snprintf(name, sizeof name, "ca %u", i);
        more[i] = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = name, .ca = true}, NULL);
    }
    trust(&b, "OTHERS", NULL, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(more); i++) {
        part(&b, 0, PKI_CA, more[i]->der, more[i]->len);
    }
    trust(&b, "T", ca, end[B][PKI_EC256]);
    struct world *w = run(&a, &b);
    assert_int_equal(pairs_up(w), 1);
    assert_null(w->s[A].syslog.s); /* one of them is ours */
    world_free(w);
    for (unsigned i = 0; i < ARRAY_LEN(more); i++) {
        made_free(more[i]);
    }
}

/* With two trustpoints the one that the peer asks for is shown, in either role. */
static void the_one_asked_for(void **state)
{
    (void)state;
    struct made *second = issue(A, PKI_EC256, other_ca);
    struct setup a = usual(A, PKI_EC256), b = with(B, end[B][PKI_EC256], other_ca, PKI_EC256);
    trust(&a, "SECOND", other_ca, second);
    for (int first = A; first <= B; first++) {
        struct world *w = world_at(CERTS_NOW, 1, &a, &b);
        world_acquire(w, first);
        world_run(w, 3000);
        assert_int_equal(pairs_up(w), 1);
        assert_non_null(strstr(w->s[A].debug.s, "using the SECOND trustpoint's keypair to sign"));
        assert_null(w->s[A].syslog.s);
        world_free(w);
    }
    made_free(second);
}

/* An isakmp profile leaves one trustpoint: a peer whom another one would take is not taken under it, and ours is of that one. */
static void profile_with_a_trustpoint(void **state)
{
    (void)state;
    struct made *second = issue(B, PKI_EC256, other_ca);
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    trust(&b, "SECOND", other_ca, second);
    trust(&a, "SECOND", other_ca, NULL);
    struct ike_msg *p = &b.other[b.num_other++], *m = &b.other[b.num_other++];
    p->type = IKE_CFG_PROFILE;
    str_copy(p->u.profile.name, sizeof p->u.profile.name, "P");
    m->type = IKE_CFG_MATCH;
    m->u.match.kind = IKE_MATCH_HOST;
    str_copy(m->u.match.text, sizeof m->u.match.text, "a.example");
    self(&a, IKE_SELF_FQDN, "a.example");
    up_as(&a, &b, "a.example");
    str_copy(p->u.profile.trust, sizeof p->u.profile.trust, "SECOND");
    refused(&a, &b, "issuer not known: cn=a.example");
    str_copy(p->u.profile.trust, sizeof p->u.profile.trust, "T");
    struct world *w = run(&a, &b);
    assert_int_equal(pairs_up(w), 1);
    assert_non_null(strstr(w->s[B].debug.s, "using the T trustpoint's keypair to sign"));
    world_free(w);
    made_free(second);
}

/* A chain over an intermediate CA: it is sent, the root is not. */
static void chain(void **state)
{
    (void)state;
    struct made *mid =
        made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "mid", .ca = true, .serial = 3}, ca);
    struct made *leaf = issue(A, PKI_EC256, mid);
    struct setup a = with(A, leaf, ca, PKI_EC256), b = usual(B, PKI_EC256);
    refused(&a, &b,
            "issuer not known: cn=a.example"); /* B has not got mid, and A does not either */
    part(&a, 0, PKI_CA, mid->der, mid->len);
    up_as(&a, &b, "1.1.1.1");
    made_free(leaf);
    made_free(mid);
}

/* A certificate that runs out ends nothing that stands; the next negotiation is refused. */
static void runs_out(void **state)
{
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    struct world *w = run(&a, &b);
    assert_int_equal(pairs_up(w), 1);
    w->wall_s += 40ull * CERTS_DAY;
    world_run(w, 1000);
    assert_int_equal(pairs_up(w), 1);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, 1000);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[B], "expired: "));
    world_free(w);
}

/* Records that are not what they say give up the generation, and the one in force stays. */
static void bad_records(void **state)
{
    static const char *const bad[] = {"00",
                                      "0000000100000001",
                                      "000000010000000100",
                                      "00050001000000023000",
                                      "00000009000000023000",
                                      "0000000400000003300100"};
    (void)state;
    struct setup a = usual(A, PKI_EC256), b = usual(B, PKI_EC256);
    struct world *w = world_at(CERTS_NOW, 1, &a, &b);
    struct ike *ike = w->s[A].ike;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        u8 raw[32];
        int n = hex_parse(raw, sizeof raw, bad[i]);
        ike_ctl(ike, &(struct ike_msg){.type = IKE_CFG_BEGIN});
        ike_ctl(ike, &a.other[0]);
        assert_false(ike_ctl_parts(ike, raw, (size_t)n));
        ike_ctl(ike, &(struct ike_msg){.type = IKE_CFG_COMMIT});
    }
    assert_false(ike_ctl_parts(ike, NULL, 0)); /* nothing was begun */
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys),
                                       cmocka_unit_test(each_kind),
                                       cmocka_unit_test(lost_messages),
                                       cmocka_unit_test(under_loss),
                                       cmocka_unit_test(aggressive_mode),
                                       cmocka_unit_test(wrappings),
                                       cmocka_unit_test(identities),
                                       cmocka_unit_test(bad_certificates),
                                       cmocka_unit_test(wrong_names),
                                       cmocka_unit_test(another_address),
                                       cmocka_unit_test(behind_a_nat),
                                       cmocka_unit_test(revocation),
                                       cmocka_unit_test(another_curve),
                                       cmocka_unit_test(nothing_of_our_own),
                                       cmocka_unit_test(wrong_signature),
                                       cmocka_unit_test(strange_issuer),
                                       cmocka_unit_test(many_issuers),
                                       cmocka_unit_test(the_one_asked_for),
                                       cmocka_unit_test(profile_with_a_trustpoint),
                                       cmocka_unit_test(chain),
                                       cmocka_unit_test(runs_out),
                                       cmocka_unit_test(bad_records)};
    return cmocka_run_group_tests(tests, make, unmake);
}
