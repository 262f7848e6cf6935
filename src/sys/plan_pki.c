/*
 * plan_pki.c: trustpoints of the model as values for ike, and their certificates, CRLs and keys as records of the generation's rest
 * (ike.h: ike_ctl_parts reads them). Part of plan.c's walk.
 */
#include "sys/plan_int.h"

#include "pki/pki.h"

static void part(struct planner *k, u16 number, enum pki_part what, const u8 *der, size_t len)
{
    u8 head[8];
    put16(head, number);
    put16(head + 2, (u16)what);
    put32(head + 4, (u32)len);
    plan_bytes(&k->p->parts, head, sizeof head);
    plan_bytes(&k->p->parts, der, len);
}

static void trustpoint(struct planner *k, u16 number, const struct conf_trustpoint *t)
{
    struct ike_trust_value *v = &planner_ike(k, IKE_CFG_TRUST)->u.trust;
    const struct conf_keypair *pair = conf_trustpoint_key(k->c, t);
    v->number = number;
    str_copy(v->name, sizeof v->name, t->name);
    for (unsigned i = 0; i < t->num_revocation; i++) {
        v->crl |= t->revocation[i] == CONF_REV_CRL;
        v->ocsp |= t->revocation[i] == CONF_REV_OCSP;
        v->none |= t->revocation[i] == CONF_REV_NONE;
    }
    CONF_FOR(struct conf_cert, x, &t->certs)
    {
        part(k, number, x->ca ? PKI_CA : PKI_OWN, x->der.p, x->der.len);
    }
    CONF_FOR(struct conf_cert, crl, &t->crls)
    {
        part(k, number, PKI_CRL, crl->der.p, crl->der.len);
    }
    if (pair && pair->der) {
        part(k, number, PKI_KEY, pair->der, pair->len);
    }
}

void planner_pki(struct planner *k)
{
    u16 number = 0;
    CONF_FOR(struct conf_trustpoint, t, &k->c->trustpoints)
    {
        trustpoint(k, number++, t);
    }
}
