/*
 * policy.c: the SPD (RFC 4301 4.4.1). policy_out decides which flow protects a packet that leaves,
 * on the packet as it would travel, that is after gre_out. policy_in asks whether a packet had the
 * right to come in: over the flow that protects its tunnel, not in clear where a policy protects,
 * and (RFC 4891 5.2) from a source behind the tunnel. Walk: gre_out -> policy_out -> esp_out or
 * ip_out;  gre_in or esp_in_commit -> policy_in -> route_in.
 */
#include "dp/dp_int.h"

static u32 mask4(u8 len)
{
    return len ? 0xffffffffu << (32 - len) : 0;
}

void policy_compile(struct policy *p)
{
    const struct selector *s = &p->val.sel;
    bool v4 = s->src.a.family == AF_V4 && s->dst.a.family == AF_V4 && s->src.len <= 32 &&
              s->dst.len <= 32;
    bool ports = s->sport_lo || s->dport_lo || s->sport_hi != 0xffff || s->dport_hi != 0xffff;
    p->fast = v4 && !ports;
    if (p->fast) {
        p->src_mask = mask4(s->src.len), p->src_net = addr_v4_host(&s->src.a) & p->src_mask;
        p->dst_mask = mask4(s->dst.len), p->dst_net = addr_v4_host(&s->dst.a) & p->dst_mask;
    }
}

/* What one lookup compares with; addresses already turned so that src is our side. */
struct key {
    u8 version, proto;
    bool later_fragment; /* ports unknown */
    u32 src4, dst4;
    struct addr src, dst;
    u16 sport, dport;
};

static void key_make(struct key *k, const u8 *ip, const struct ip_view *v, bool inbound)
{
    u16 sport, dport;
    struct addr src = ip_src(ip), dst = ip_dst(ip);
    ip_ports(&sport, &dport, v, ip);
    bool icmp = v->proto == IPPROTO_ICMP_ || v->proto == IPPROTO_ICMP6_;
    *k = (struct key){.version = v->version,
                      .proto = v->proto,
                      .later_fragment = v->frag_off != 0,
                      .src = inbound ? dst : src,
                      .dst = inbound ? src : dst,
                      .sport = inbound && !icmp ? dport : sport,
                      .dport = inbound && !icmp ? sport : dport};
    if (v->version == 4) {
        k->src4 = addr_v4_host(&k->src);
        k->dst4 = addr_v4_host(&k->dst);
    }
}

static bool match(const struct policy *p, const struct key *k)
{
    const struct selector *s = &p->val.sel;
    if (s->proto && s->proto != k->proto) {
        return false;
    }
    if (p->fast) {
        return k->version == 4 && (k->src4 & p->src_mask) == p->src_net &&
               (k->dst4 & p->dst_mask) == p->dst_net;
    }
    if (!prefix_contains(&s->src, &k->src) || !prefix_contains(&s->dst, &k->dst)) {
        return false;
    }
    if (k->later_fragment) { /* its ports travel in another fragment: protect it, never let it
                                bypass */
        bool any = !s->sport_lo && !s->dport_lo && s->sport_hi == 0xffff && s->dport_hi == 0xffff;
        return any || p->val.action == ACT_PROTECT;
    }
    return k->sport >= s->sport_lo && k->sport <= s->sport_hi && k->dport >= s->dport_lo &&
           k->dport <= s->dport_hi;
}

const struct policy *policy_find(const struct config *c, const u8 *ip, const struct ip_view *v,
                                 bool inbound)
{
    struct key k;
    const struct policy *denied = NULL; /* the deny line that ended the entry being read */
    if (c->num_policies == 0) {
        return NULL;
    }
    key_make(&k, ip, v, inbound);
    for (unsigned i = 0; i < c->num_policies; i++) {
        const struct policy *p = &c->policy[i];
        if (denied && p->val.entry == denied->val.entry &&
            strcmp(p->val.iface, denied->val.iface) == 0) {
            continue;
        }
        if (match(p, &k)) {
            if (p->val.action != ACT_SKIP) {
                return p;
            }
            denied = p;
        }
    }
    return NULL;
}

void policy_out(struct worker *w, struct vec *v)
{
    const struct config *c = cfg_live(w->dp);
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        const struct policy *pol = policy_find(c, p->data, &p->v, false);
        if (pol && pol->val.action == ACT_PROTECT) {
            p->flow = pol->flow;
            p->next = N_ESP_ADMIT;
            continue;
        }
        if (pol && pol->val.path_mtu && !p->mtu) {
            p->mtu = pol->val.path_mtu;
        }
        p->next = N_IP_OUT;
    }
}

/* RFC 4891 5.2, `ip verify unicast source reachable-via rx`. Link-local and unspecified sources of
 * IPv6 are the link's own (neighbour discovery, OSPFv3); multicast can never be a source. */
static bool source_is_behind(const struct config *c, const struct tunnel *t, const u8 *ip)
{
    struct addr src = ip_src(ip);
    if (src.family == AF_V6 &&
        ((src.b[0] == 0xfe && (src.b[1] & 0xc0) == 0x80) || addr_is_any(&src))) {
        return true;
    }
    for (unsigned i = 0; i < c->num_rpf; i++) {
        if (c->rpf[i].tunnel == t->val.id && prefix_contains(&c->rpf[i].net, &src)) {
            return true;
        }
    }
    return false;
}

/* The delivery packet a packet was taken out of; gre_in found its header right. */
static u16 outer_len(const struct pkt *p)
{
    return p->outer[0] >> 4 == 4 ? be16(p->outer + 2) : (u16)(IP6_HDR + be16(p->outer + 4));
}

/* Puts the delivery header back, so that the drop is told about the packet as it arrived. */
static void rewind_outer(struct pkt *p)
{
    if (p->outer) {
        p->len = outer_len(p);
        p->data = p->outer;
        if (ip_decode(&p->v, p->data, p->len) != IP_OK) {
            p->v = (struct ip_view){0};
        }
    }
}

/* May this packet, which came out of tunnel p->tun, come in? */
static void in_tunnel(const struct config *c, struct pkt *p)
{
    struct tunnel *t = p->tun;
    if (p->sa) {
        if (UNLIKELY(p->flow->tun ? p->flow->tun != t : t->flow != NULL)) {
            rewind_outer(p);
            pkt_drop(p, DROP_BAD_IDENTITY, "protected by the SA of another tunnel", 0, p->v.l4);
            return;
        }
    } else {
        struct ip_view ov;
        bool protect = t->flow != NULL;
        if (!protect && c->num_policies && ip_decode(&ov, p->outer, outer_len(p)) == IP_OK) {
            const struct policy *pol = policy_find(c, p->outer, &ov, true);
            protect = pol && pol->val.action == ACT_PROTECT;
        }
        if (UNLIKELY(protect)) {
            rewind_outer(p);
            pkt_drop(p, DROP_CLEAR_PROTECTED, "the tunnel is protected", 0, p->v.l4);
            return;
        }
    }
    if ((t->val.flags & TF_RPF) && !source_is_behind(c, t, p->data)) {
        unsigned from = p->v.version == 4 ? 12 : 8;
        pkt_drop(p, DROP_RPF, NULL, from, from + (p->v.version == 4 ? 4u : 16u));
    }
}

void policy_in(struct worker *w, struct vec *v)
{
    const struct config *c = cfg_live(w->dp);
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        p->next = N_ROUTE_IN;
        if (p->tun) {
            in_tunnel(c, p);
        } else if (UNLIKELY(!p->sa)) {
            pkt_drop(p, DROP_NOT_FOR_US, NULL, 0, 0);
        } else if (UNLIKELY(p->flow->tun)) {
            pkt_drop(p, DROP_BAD_IDENTITY, "not a packet of the tunnel this SA protects", 0,
                     p->v.l4);
        }
    }
}
