/*
 * select.c: ISAKMP policies against phase 1 offers (RFC 2409 4 and appendix A). Policies are tried
 * in the order of their priority, each against every offered transform, as IOS does; when none
 * fits, the nearest miss is what the log line names ("offered 3DES, policy 10 wants AES 128").
 */
#include "ike/v1.h"

void p1_read(struct p1_offer *out, const struct isakmp_transform *t)
{
    struct rd r = rd_init(t->attrs, t->attrs_len);
    struct isakmp_attr a;
    u16 life_type = LIFE_SECONDS;
    memset(out, 0, sizeof *out);
    out->life_s = P1_LIFE_DEFAULT_S;
    while (isakmp_attr_next(&a, &r)) {
        u16 v = a.value > 0xffff ? 0xffff : (u16)a.value;
        switch (a.type) {
        case P1_ENCR: out->encr_id = v; break;
        case P1_HASH: out->hash_id = v; break;
        case P1_AUTH: out->auth = v; break;
        case P1_GROUP: out->group = v; break;
        case P1_KEY_LEN: out->key_bits = v; break;
        case P1_LIFE_TYPE: life_type = v; break;
        case P1_LIFE:
            if (life_type ==
                LIFE_SECONDS) { /* RFC 2409 appendix A: kilobytes are not kept for phase 1 */
                out->life_s = a.value > UINT32_MAX ? UINT32_MAX : (u32)a.value;
                out->life_seen = true;
                out->life_vpi = !a.basic;
            }
            break;
        case P1_PRF:
        case P1_GROUP_TYPE:
            if (a.type == P1_PRF || v != 1) {
                out->surplus = a.type;
            }
            break;
        default: out->surplus = a.type; break;
        }
    }
}

static void trace_life(struct ike *ike, const struct ike_sa *sa, u32 conn,
                       const struct isakmp_attr *a)
{
    if (a->basic) {
        ev_ike_p1_life(ike->log, conn, &sa->remote.a, &(struct evb_ike_p1_life){.value = a->value});
    } else {
        ev_ike_p1_life_vpi(ike->log, conn, &sa->remote.a,
                           &(struct evb_ike_p1_life_vpi){.value = a->value});
    }
}

static void trace_attr(struct ike *ike, const struct ike_sa *sa, u32 conn,
                       const struct isakmp_attr *a, const struct p1_offer *o)
{
    struct evlog *log = ike->log;
    const struct addr *peer = &sa->remote.a;
    enum encr_id e = encr_from_p1(o->encr_id, o->key_bits);
    enum hash_id h = hash_from_p1(o->hash_id);
    switch (a->type) {
    case P1_ENCR:
        ev_ike_p1_encr(
            log, conn, peer,
            &(struct evb_ike_p1_encr){.name = ev_str(e ? encr_row(e)->debug_p1 : "unknown")});
        break;
    case P1_KEY_LEN:
        ev_ike_p1_keylen(log, conn, peer, &(struct evb_ike_p1_keylen){.bits = a->value});
        break;
    case P1_HASH:
        ev_ike_p1_hash(
            log, conn, peer,
            &(struct evb_ike_p1_hash){.name = ev_str(h ? hash_row(h)->debug_p1 : "unknown")});
        break;
    case P1_GROUP:
        ev_ike_p1_group(log, conn, peer, &(struct evb_ike_p1_group){.group = a->value});
        break;
    case P1_AUTH:
        ev_ike_p1_auth(
            log, conn, peer,
            &(struct evb_ike_p1_auth){.name = ev_str(auth_of((u16)a->value) ? auth_of((u16)a->value)->debug : "unknown")});
        break;
    case P1_LIFE_TYPE:
        ev_ike_p1_life_type(
            log, conn, peer,
            &(struct evb_ike_p1_life_type){
                .unit = ev_str(a->value == LIFE_KILOBYTES ? "kilobytes" : "seconds")});
        break;
    case P1_LIFE: trace_life(ike, sa, conn, a); break;
    default:
        ev_ike_p1_other(log, conn, peer,
                        &(struct evb_ike_p1_other){.type = a->type, .value = a->value});
        break;
    }
}

static void trace_offer(struct ike *ike, const struct ike_sa *sa, u32 conn,
                        const struct isakmp_transform *t, const struct p1_offer *o)
{
    struct rd r = rd_init(t->attrs, t->attrs_len);
    struct isakmp_attr a;
    if (!ev_on(ike->log, EV_IKE_P1_ENCR)) {
        return;
    }
    while (isakmp_attr_next(&a, &r)) {
        trace_attr(ike, sa, conn, &a, o);
    }
}

/* p1_compare: how many attributes differ; the first one that does is written out, with what was
 * wanted. */
static unsigned p1_compare(const struct ike_policy_value *p, const struct p1_offer *o,
                           const char **out_what, char out_why[128])
{
    unsigned wrong = 0;
    enum encr_id e = encr_from_p1(o->encr_id, o->key_bits);
    enum hash_id h = hash_from_p1(o->hash_id);
    const struct auth_method *auth = auth_of(p->auth);
    out_why[0] = 0;
#define DIFFERS(cond, what, fmt, ...)                                                              \
    if (cond) {                                                                                    \
        if (wrong++ == 0) {                                                                        \
            *out_what = what;                                                                      \
            snprintf(out_why, 128, "offered " fmt " wants %s", __VA_ARGS__);                       \
        }                                                                                          \
    }
    char raw[24];
    snprintf(raw, sizeof raw, "cipher %u/%u", o->encr_id, o->key_bits);
    DIFFERS(e != p->encr, "Encryption algorithm", "%s, policy %u", e ? encr_row(e)->human : raw,
            p->priority, encr_row(p->encr)->human)
    snprintf(raw, sizeof raw, "hash %u", o->hash_id);
    DIFFERS(h != p->hash, "Hash algorithm", "%s, policy %u", h ? hash_row(h)->human : raw,
            p->priority, hash_row(p->hash)->human)
    snprintf(raw, sizeof raw, "group %u", p->group);
    DIFFERS(o->group != p->group, "Diffie-Hellman group", "group %u, policy %u", o->group,
            p->priority, raw)
    DIFFERS(!auth_fits(p->auth, o->auth), "Authentication method", "authentication method %u, policy %u",
            o->auth, p->priority, auth ? auth->name : "another")
    snprintf(raw, sizeof raw, "%d at least", P1_LIFE_MIN_S);
    DIFFERS(o->life_s < P1_LIFE_MIN_S, "Life duration", "a life of %u seconds, policy %u",
            o->life_s, p->priority, raw)
    DIFFERS(o->surplus, isakmp_p1_attr_name(o->surplus), "attribute %s, policy %u",
            isakmp_p1_attr_name(o->surplus), p->priority, "none of it")
#undef DIFFERS
    return wrong;
}

/* the phase 1 proposal of an offer: the first for ISAKMP */
static const struct isakmp_proposal *p1_proposal(const struct isakmp_sa *sa)
{
    for (unsigned i = 0; i < sa->num_proposals; i++) {
        if (sa->proposal[i].proto == PROTO_ISAKMP) {
            return &sa->proposal[i];
        }
    }
    return NULL;
}

static bool p1_try(struct ike *ike, const struct ike_sa *sa, const struct isakmp_transform *t,
                   bool last, const struct ike_policy_value *p, u32 have, u32 conn,
                   unsigned *best, struct draft *d)
{
    struct p1_offer o;
    char why[128];
    const char *what = "";
    u64 next = last ? 0 : PL_TRANSFORM;
    p1_read(&o, t);
    ev_ike_check_p1(ike->log, conn, &sa->remote.a,
                    &(struct evb_ike_check_p1){.transform = t->number, .priority = p->priority});
    trace_offer(ike, sa, conn, t, &o);
    unsigned wrong = t->id == TRANSFORM_KEY_IKE ? p1_compare(p, &o, &what, why) : 9;
    const struct auth_method *auth = auth_of(wrong ? p->auth : o.auth);
    if (wrong == 0 && auth && (have & auth_bit(auth))) {
        ev_ike_p1_accept(ike->log, conn, &sa->remote.a, &(struct evb_ike_p1_accept){.next = next});
        return true;
    }
    if (wrong && wrong < *best) {
        *best = wrong;
        draft_why(d, WHY_NO_PROPOSAL, "%s", why);
    } else if (wrong == 0 && *best) {
        *best = 0;
        char a[ADDR_STR];
        draft_why(d, auth ? auth->lacks : WHY_NO_PROPOSAL, "policy %u fits, but there is no %s for %s",
                  p->priority, auth ? auth->what : "such method", addr_str(a, &sa->remote.a));
    }
    ev_ike_p1_differs(ike->log, conn, &sa->remote.a,
                      &(struct evb_ike_p1_differs){.what = ev_str(what)});
    ev_ike_p1_refuse(ike->log, conn, &sa->remote.a, &(struct evb_ike_p1_refuse){.next = next});
    return false;
}

const struct ike_policy_value *p1_select(struct ike *ike, const struct ike_sa *sa,
                                         const struct isakmp_msg *m, u32 have,
                                         unsigned *out_transform, u32 conn, struct draft *d)
{
    const struct isakmp_proposal *prop = p1_proposal(&m->sa);
    unsigned best = 10;
    draft_why(d, WHY_NO_PROPOSAL, "%s",
              prop ? "no ISAKMP policy is configured" : "no proposal is for ISAKMP");
    for (const struct conf_policy *p = ike->conf->policies; prop && p; p = p->next) {
        for (unsigned i = 0; i < prop->num; i++) {
            const struct isakmp_transform *t = &m->sa.transform[prop->first + i];
            if (p1_try(ike, sa, t, i + 1u == prop->num, &p->v, have, conn, &best, d)) {
                *out_transform = prop->first + i;
                d->why = WHY_NONE;
                return &p->v;
            }
        }
    }
    ev_ike_p1_none(ike->log, conn, &sa->remote.a,
                   &(struct evb_ike_p1_none){.transforms = m->sa.num_transforms});
    return NULL;
}

/* same_terms: the answer repeats what was offered; its life may be shorter (some peers say theirs),
 * never longer. */
static bool same_terms(const struct p1_offer *ours, const struct p1_offer *answer,
                       const char **out_what)
{
    *out_what = ours->encr_id != answer->encr_id || ours->key_bits != answer->key_bits
                    ? "Encryption algorithm"
                : ours->hash_id != answer->hash_id ? "Hash algorithm"
                : ours->group != answer->group     ? "Diffie-Hellman group"
                : ours->auth != answer->auth       ? "Authentication method"
                : answer->surplus                  ? isakmp_p1_attr_name(answer->surplus)
                : answer->life_s > ours->life_s || answer->life_s < P1_LIFE_MIN_S ? "Life duration"
                                                                                  : NULL;
    return *out_what == NULL;
}

/* offered: which of our transforms the answer repeats: the one with its number (RFC 2408 4.2: it
 * SHOULD be kept), or one that has the same terms under another. NULL with what differs. */
static const struct isakmp_transform *offered(const struct isakmp_sa *ours,
                                              const struct isakmp_transform *answer,
                                              const struct p1_offer *o, const char **out_what)
{
    const struct isakmp_transform *same = NULL;
    const char *what;
    *out_what = "transform number";
    for (unsigned i = 0; i < ours->num_transforms; i++) {
        struct p1_offer mine;
        p1_read(&mine, &ours->transform[i]);
        bool fits = same_terms(&mine, o, &what);
        if (ours->transform[i].number == answer->number) {
            if (fits) {
                return &ours->transform[i];
            }
            *out_what = what;
        }
        same = fits && !same ? &ours->transform[i] : same;
    }
    return same;
}

/* policy_like: the priority of the policy that says the same now, for the console; 0: it has
 * changed since. */
static u32 policy_like(const struct ike *ike, const struct p1_offer *o)
{
    const char *what;
    char why[128];
    for (const struct conf_policy *p = ike->conf->policies; p; p = p->next) {
        if (p1_compare(&p->v, o, &what, why) == 0) {
            return p->v.priority;
        }
    }
    return 0;
}

/* p1_answer_ok: message 2 holds exactly one transform, and it is one of those that message 1
 * offered: the configuration may have changed in between. */
bool p1_answer_ok(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                  struct draft *d)
{
    const struct isakmp_proposal *prop = p1_proposal(&m->sa);
    struct isakmp_payload body = {
        .type = PL_SA, .len = d->x.sa_i.len, .off = ISAKMP_HDR, .body = d->x.sa_i.b};
    struct isakmp_sa ours;
    struct p1_offer o;
    const char *what = "transforms";
    if (!prop || m->sa.num_proposals != 1 || prop->num != 1) {
        draft_why(d, WHY_NOT_OFFERED,
                  "transforms: %u proposals and %u transforms came back, wanted one",
                  m->sa.num_proposals, m->sa.num_transforms);
        return false;
    }
    p1_read(&o, &m->sa.transform[0]);
    trace_offer(ike, sa, d->sa.conn_id, &m->sa.transform[0], &o);
    struct isakmp_fault f = isakmp_sa_read(&ours, &body);
    if (f.reason != IW_OK || m->sa.transform[0].id != TRANSFORM_KEY_IKE ||
        !offered(&ours, &m->sa.transform[0], &o, &what)) {
        draft_why(d, WHY_NOT_OFFERED, "%s", what);
        return false;
    }
    d->sa.policy = policy_like(ike, &o);
    d->sa.encr = encr_from_p1(o.encr_id, o.key_bits);
    d->sa.hash = hash_from_p1(o.hash_id);
    d->sa.group = o.group;
    d->sa.auth = o.auth;
    d->sa.life_s = o.life_s;
    ev_ike_p1_accept(ike->log, d->sa.conn_id, &sa->remote.a,
                     &(struct evb_ike_p1_accept){.next = 0});
    return true;
}

/* p1_write: every policy that we have what it takes for, of that group (0: of any), as one transform of one proposal. */
void p1_write(struct ike *ike, u32 have, u16 group, struct isakmp_out *o)
{
    struct isakmp_prop_out p;
    isakmp_out_sa(o);
    isakmp_out_proposal(o, &p, 1, PROTO_ISAKMP, NULL, 0);
    for (const struct conf_policy *c = ike->conf->policies; c && p.num < 32; c = c->next) {
        const struct auth_method *auth = auth_for(c->v.auth, have);
        if (!auth || (group && c->v.group != group)) {
            continue;
        }
        const struct encr_row *e = encr_row(c->v.encr);
        isakmp_out_transform(o, &p, TRANSFORM_KEY_IKE);
        isakmp_out_attr(&o->w, P1_ENCR, e->p1_id);
        if (e->attr_bits) {
            isakmp_out_attr(&o->w, P1_KEY_LEN, e->attr_bits);
        }
        isakmp_out_attr(&o->w, P1_HASH, hash_row(c->v.hash)->p1_id);
        isakmp_out_attr(&o->w, P1_GROUP, c->v.group);
        isakmp_out_attr(&o->w, P1_AUTH, auth->id);
        isakmp_out_attr(&o->w, P1_LIFE_TYPE, LIFE_SECONDS);
        isakmp_out_attr_u32(&o->w, P1_LIFE, c->v.life_s);
        isakmp_out_transform_end(o, &p);
    }
    isakmp_out_proposal_end(o, &p, true);
    isakmp_out_end(o);
}
