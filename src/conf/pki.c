/*
 * pki.c: trustpoints, their certificates, and key pairs in the model. DER is kept as it is; what it says is pki/'s to read. Private
 * keys are memory of their own, wiped when they go, for they may go before the model does.
 */
#include "conf/conf.h"

#include <stdlib.h>

struct conf_trustpoint *conf_trustpoint_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_trustpoint, t, &c->trustpoints)
    {
        if (strcmp(t->name, name) == 0) {
            return t;
        }
    }
    return NULL;
}

struct conf_trustpoint *conf_trustpoint_get(struct conf *c, const char *name, struct conf_src src)
{
    struct conf_trustpoint *t = conf_trustpoint_find(c, name);
    if (!t) {
        t = arena_alloc(&c->arena, sizeof *t);
        t->src = src;
        str_copy(t->name, sizeof t->name, name);
        t->revocation[t->num_revocation++] = CONF_REV_CRL;
        list_init(&t->certs);
        list_init(&t->crls);
        list_init(&t->kept);
        list_push_back(&c->trustpoints, &t->link);
    }
    return t;
}

const struct conf_cert *conf_trustpoint_own(const struct conf_trustpoint *t)
{
    CONF_FOR(struct conf_cert, x, &t->certs)
    {
        if (!x->ca) {
            return x;
        }
    }
    return NULL;
}

const struct conf_keypair *conf_trustpoint_key(const struct conf *c,
                                               const struct conf_trustpoint *t)
{
    char own[CONF_TEXT];
    return conf_keypair_find(c, t->keypair[0] ? t->keypair : conf_fqdn(c, own));
}

static struct conf_cert *item(struct conf *c, const u8 *der, size_t len, struct conf_src src)
{
    struct conf_cert *n = arena_alloc(&c->arena, sizeof *n);
    n->src = src;
    n->der = (struct conf_blob){memcpy(arena_alloc(&c->arena, len), der, len), len};
    return n;
}

void conf_cert_put(struct conf *c, struct conf_trustpoint *t, bool ca, const char *serial,
                   const u8 *der, size_t len, struct conf_src src)
{
    CONF_FOR(struct conf_cert, old, &t->certs)
    {
        bool same = old->der.len == len && memcmp(old->der.p, der, len) == 0;
        if (old->ca == ca && (!ca || same)) {
            list_remove(&old->link);
        }
    }
    struct conf_cert *n = item(c, der, len, src);
    n->ca = ca;
    str_copy(n->serial, sizeof n->serial, serial);
    struct list *before = &t->certs; /* ours stands behind the CA's */
    CONF_FOR(struct conf_cert, x, &t->certs)
    {
        before = ca && !x->ca ? &x->link : before;
    }
    list_push_back(before, &n->link);
}

void conf_crl_put(struct conf *c, struct conf_trustpoint *t, const u8 *der, size_t len,
                  struct conf_src src)
{
    list_push_back(&t->crls, &item(c, der, len, src)->link);
}

struct conf_keypair *conf_keypair_find(const struct conf *c, const char *label)
{
    CONF_FOR(struct conf_keypair, k, &c->keypairs)
    {
        if (strcmp(k->label, label) == 0) {
            return k;
        }
    }
    return NULL;
}

struct conf_keypair *conf_keypair_put(struct conf *c, const char *label, bool ec, u16 bits,
                                      const u8 *der, size_t len)
{
    struct conf_keypair *k = conf_keypair_find(c, label);
    bool same = k && der && k->len == len && mem_equal_ct(k->der, der, len);
    u64 made_s = same ? k->made_s : 0; /* a file that is read again brings the same key */
    if (k) {
        conf_keypair_remove(k);
    }
    k = arena_alloc(&c->arena, sizeof *k);
    str_copy(k->label, sizeof k->label, label);
    k->ec = ec;
    k->bits = bits;
    k->made_s = made_s;
    if (der) {
        k->der = memcpy(xcalloc(1, len), der, len);
        k->len = len;
    }
    list_push_back(&c->keypairs, &k->link);
    return k;
}
