/*
 * profile.c: isakmp profiles and what is configured for single peers: which identities belong to one (RFC 2407 4.6.2), who we
 * say we are, how phase 1 begins. Finds; decides nothing. On the walk: p1_identity -> [profile_for], p1_proved ->
 * [profile_takes], p1_write_identity -> [profile_self].
 */
#include "ike/profile.h"

#include <strings.h>

const struct ike_profile_value *profile_named(const struct ike *ike, const char *name)
{
    for (const struct conf_profile *p = name[0] ? ike->conf->profiles : NULL; p; p = p->next) {
        if (strcmp(p->v.name, name) == 0) {
            return &p->v;
        }
    }
    return NULL;
}

/* ---- identities ---- */

bool id_name(char out[IKE_ID_TEXT], const struct bytes_id *body)
{
    struct rd r = rd_init(body->b, body->len);
    u8 type = rd_u8(&r);
    rd_u8(&r), rd_u16(&r);
    size_t n = rd_left(&r);
    const u8 *name = rd_bytes(&r, n);
    if (r.bad || !n || n >= IKE_ID_TEXT ||
        (type != ID_FQDN && type != ID_USER_FQDN && type != ID_KEY_ID)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (name[i] <= ' ' || name[i] > '~') {
            return false;
        }
        out[i] = (char)name[i];
    }
    out[n] = 0;
    return true;
}

/* group_name: the group that an identity says it belongs to: a name, or the organizational unit of a certificate's subject. */
static bool group_name(char out[IKE_ID_TEXT], const struct bytes_id *body)
{
    bool subject = body->len > 4 && body->b[0] == ID_DER_ASN1_DN;
    return subject ? pki_dn_unit(out, IKE_ID_TEXT, body->b + 4, body->len - 4u) : id_name(out, body);
}

/* in_domain: text is a name below that domain. */
static bool in_domain(const char *text, const char *domain)
{
    size_t have = strlen(text), want = strlen(domain);
    return have > want + 1 && text[have - want - 1] == '.' &&
           strcasecmp(text + have - want, domain) == 0;
}

static bool match_name(const struct ike_match_value *m, u8 type, const char *text)
{
    const char *at = strchr(text, '@');
    switch ((enum ike_match_kind)m->kind) {
    case IKE_MATCH_HOST: return type == ID_FQDN && strcasecmp(text, m->text) == 0;
    case IKE_MATCH_HOST_DOMAIN: return type == ID_FQDN && in_domain(text, m->text);
    case IKE_MATCH_USER: return type == ID_USER_FQDN && strcasecmp(text, m->text) == 0;
    case IKE_MATCH_USER_DOMAIN:
        return type == ID_USER_FQDN && at && strcasecmp(at + 1, m->text) == 0;
    case IKE_MATCH_GROUP: return (type == ID_KEY_ID || type == ID_DER_ASN1_DN) && strcmp(text, m->text) == 0;
    case IKE_MATCH_ADDRESS:
    case IKE_MATCH_NUM: break;
    }
    return false;
}

static bool takes(const struct conf_profile *p, const struct bytes_id *body)
{
    char text[IKE_ID_TEXT];
    struct isakmp_id id;
    struct prefix net;
    bool named = group_name(text, body);
    bool address = isakmp_id_again(&id, body->b, body->len) &&
                   (id.type == ID_IPV4_ADDR || id.type == ID_IPV6_ADDR) && isakmp_id_prefix(&net, &id);
    for (const struct conf_match *m = p->matches; m; m = m->next) {
        bool by_address = m->v.kind == IKE_MATCH_ADDRESS;
        if (by_address ? address && net.a.family == m->v.net.a.family && prefix_contains(&m->v.net, &net.a)
                       : named && match_name(&m->v, body->b[0], text)) {
            return true;
        }
    }
    return false;
}

const struct ike_profile_value *profile_for(const struct ike *ike, const struct addr *local,
                                            const struct bytes_id *id)
{
    for (const struct conf_profile *p = ike->conf->profiles; p; p = p->next) {
        bool here = p->v.local.family == AF_NONE || addr_equal(&p->v.local, local);
        if (here && takes(p, id)) {
            return &p->v;
        }
    }
    return NULL;
}

bool profile_takes(const struct ike *ike, const char *name, const struct bytes_id *id)
{
    for (const struct conf_profile *p = ike->conf->profiles; p; p = p->next) {
        if (strcmp(p->v.name, name) == 0) {
            return !p->matches || takes(p, id);
        }
    }
    return false;
}

/* ---- what is said to one peer ---- */

const struct ike_peer_value *profile_peer(const struct ike *ike, const struct addr *peer)
{
    const struct conf_peer *p = map_get(&ike->conf->peer_map, peer_key(ike, peer, 0));
    return p && addr_equal(&p->v.peer, peer) ? &p->v : NULL;
}

const struct ike_self *profile_self(const struct ike *ike, const char *profile,
                                    const struct addr *peer)
{
    const struct ike_profile_value *p = profile_named(ike, profile);
    const struct ike_peer_value *one = profile_peer(ike, peer);
    return p && p->self_set       ? &p->self
           : one && one->self_set ? &one->self
                                  : &ike->conf->global.self;
}

bool profile_aggressive(const struct ike *ike, const char *profile, const struct addr *peer)
{
    const struct ike_profile_value *p = profile_named(ike, profile);
    const struct ike_peer_value *one = profile_peer(ike, peer);
    return (p && p->aggressive) || (one && one->aggressive);
}

const struct ike_client_value *profile_client(const struct ike *ike, const char *profile, const struct addr *local)
{
    for (const struct conf_client *c = ike->conf->clients; c; c = c->next) {
        if (profile[0] ? strcmp(c->v.profile, profile) == 0 : !c->v.profile[0] && addr_equal(&c->v.local, local)) {
            return &c->v;
        }
    }
    return NULL;
}

/* may_be: whoever reached us there may turn out to belong to that profile. */
static bool may_be(const struct ike *ike, const char *profile, const struct addr *local)
{
    const struct ike_profile_value *p = profile_named(ike, profile);
    return p && (p->local.family == AF_NONE || addr_equal(&p->local, local));
}

bool profile_asks(const struct ike *ike, const char *profile, const struct addr *local, bool known)
{
    const struct ike_client_value *v = profile_client(ike, profile, local);
    if (known || (v && v->xauth)) {
        return v && v->xauth;
    }
    for (const struct conf_client *c = ike->conf->clients; c; c = c->next) {
        if (c->v.xauth && may_be(ike, c->v.profile, local)) {
            return true;
        }
    }
    return false;
}

bool profile_configured(const struct ike *ike, const struct addr *gateway)
{
    const struct ike_peer_value *p = profile_peer(ike, gateway);
    return p && p->configured;
}

const struct conf_group *group_of(const struct ike *ike, const struct ike_sa *sa, bool push)
{
    const struct ike_client_value *v = profile_client(ike, sa->c.profile, &sa->local.a);
    if (!v || !(push ? v->push : v->answer)) {
        return NULL;
    }
    char name[IKE_ID_TEXT];
    for (const struct conf_group *g = group_name(name, &sa->c.peer_id) ? ike->conf->groups : NULL; g; g = g->next) {
        if (strcmp(g->v.name, name) == 0) {
            return g;
        }
    }
    return NULL;
}
