/*
 * policy.c: the SPD (RFC 4301 4.4.1). policy_out decides which flow protects a packet that leaves,
 * on the packet as it would travel, that is after gre_out. clear_in asks whether a packet that came
 * in clear may: not where a line protects its pair. policy_in asks whether a packet had the right to
 * come in: over the flow that protects its tunnel, by a line that still exists, and (RFC 4891 5.2)
 * from a source behind the tunnel.
 *
 * Each link with a crypto map has lines of its own; only the lines of the link a packet leaves or
 * came in by are asked. The kernel's classifier leads more here than the lines select (it does not
 * look at ports, denies and the protocol behind IPv6 extension headers): what only differs in these
 * passes in clear. What no line knows even so is a disagreement of kernel and dp, and is dropped.
 *
 * Walk: gre_out or ip_in -> policy_out -> esp_out or ip_out;  ip_in -> clear_in -> port_tx;
 * gre_in or esp_in_commit -> policy_in -> route_in.
 */
#include "dp/dp_int.h"
#include "steer/steer_abi.h"

static bool stands_behind(const struct policy *a, const struct policy *b)
{
    return a->val.link != b->val.link ? a->val.link > b->val.link : a->val.order > b->val.order;
}

static void swap(struct policy *a, struct policy *b)
{
    struct policy t = *a;
    *a = *b;
    *b = t;
}

static void sift(struct policy *p, unsigned at, unsigned num)
{
    for (unsigned kid; (kid = 2 * at + 1) < num; at = kid) {
        kid += kid + 1 < num && stands_behind(&p[kid + 1], &p[kid]);
        if (!stands_behind(&p[kid], &p[at])) {
            return;
        }
        swap(&p[kid], &p[at]);
    }
}

/* By link and order. A heap in place: the C library's qsort allocates, and asks the system how much memory
 * there is (sysinfo), which this process may not. */
static void sort(struct policy *p, unsigned num)
{
    for (unsigned i = num / 2; i-- > 0;) {
        sift(p, i, num);
    }
    for (unsigned n = num; n > 1; n--) {
        swap(&p[0], &p[n - 1]);
        sift(p, 0, n - 1);
    }
}

void policy_settle(struct config *c)
{
    sort(c->policy, c->num_policies);
    memset(c->of_link, 0, sizeof c->of_link);
    for (unsigned i = c->num_policies; i-- > 0;) {
        u8 link = c->policy[i].val.link;
        c->of_link[link].first = i;
        c->of_link[link].num++;
    }
}

/* ---- one lookup ------------------------------------------------------------------------------ */

/* What one lookup compares with; addresses already turned so that src is our side. */
struct key {
    u8 version, proto;
    bool hidden;  /* IPv6 with extension headers: the kernel did not look for the protocol */
    bool later;   /* without its ports: a later fragment, or a first one that ends before them */
    bool unknown; /* a later fragment behind further extension headers: no protocol either */
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
                      .hidden = v->version == 6 && steer_hides(ip[6]),
                      .later = v->frag_off != 0 || v->l4 + 4u > v->total,
                      .src = inbound ? dst : src,
                      .dst = inbound ? src : dst,
                      .sport = inbound && !icmp ? dport : sport,
                      .dport = inbound && !icmp ? sport : dport};
    k->unknown = k->later && k->hidden && steer_hides(v->proto);
    if (v->version == 4) {
        k->src4 = addr_v4_host(&k->src);
        k->dst4 = addr_v4_host(&k->dst);
    }
}

/* Addresses and protocol; what the kernel compares. */
static bool selects_loosely(const struct policy *p, const struct key *k)
{
    const struct selector *s = &p->val.sel;
    if (s->proto && s->proto != k->proto && !k->hidden) {
        return false;
    }
    const struct ready_selector *r = &p->ready;
    if (r->fast || (k->version == 4 && s->src.a.family == AF_V4)) {
        return k->version == 4 && (k->src4 & r->src_mask) == r->src_net &&
               (k->dst4 & r->dst_mask) == r->dst_net;
    }
    return prefix_contains(&s->src, &k->src) && prefix_contains(&s->dst, &k->dst);
}

/* p selects loosely; does it in full? What a later fragment does not show is taken for a match where
 * that protects it, and for none where that would let it pass. */
static bool selects(const struct policy *p, const struct key *k)
{
    const struct selector *s = &p->val.sel;
    bool protect = p->val.action == ACT_PROTECT;
    if (s->proto && s->proto != k->proto && !(k->unknown && protect)) {
        return false;
    }
    if (!p->ready.ported) {
        return true;
    }
    if (k->later) {
        return protect;
    }
    return k->sport >= s->sport_lo && k->sport <= s->sport_hi && k->dport >= s->dport_lo &&
           k->dport <= s->dport_hi;
}

struct finding {
    enum policy_verdict verdict;
    struct flow *flow; /* that protects */
    bool by_ports;     /* some line asked for ports: later fragments cannot be judged alone */
};

static struct finding find(const struct config *c, u8 link, const struct key *k)
{
    struct finding f = {POLICY_NONE, NULL, false};
    const struct policy *denied = NULL; /* the deny line that ended the entry being read */
    const struct policy *p = c->policy + c->of_link[link].first, *end = p + c->of_link[link].num;
    for (; p < end; p++) {
        if (denied && p->val.entry == denied->val.entry) {
            continue;
        }
        if (!selects_loosely(p, k)) {
            continue;
        }
        f.verdict = POLICY_PASS;
        f.by_ports = f.by_ports || p->ready.ported || k->hidden;
        if (!selects(p, k)) {
            continue;
        }
        if (p->val.action == ACT_PROTECT) {
            f.verdict = POLICY_PROTECT;
            f.flow = p->flow;
            return f;
        }
        if (p->val.action == ACT_BYPASS) {
            return f;
        }
        denied = p;
    }
    return f;
}

/* ---- fragments: the first one's verdict holds for the others ---------------------------------- */

static struct cut_key cut_key_of(u8 link, const u8 *ip, const struct ip_view *v, bool inbound)
{
    return (struct cut_key){.id = ip_frag_id(ip, v),
                            .link = link,
                            .inbound = inbound,
                            .proto = v->version == 4 ? v->proto : 0,
                            .src = ip_src(ip),
                            .dst = ip_dst(ip)};
}

static struct cut *cut_find(struct worker *w, const struct cut_key *k)
{
    for (unsigned i = 0; i < MAX_CUTS; i++) {
        struct cut *c = &w->cut[i];
        if (c->since_ms && w->now_ms - c->since_ms < CUT_MS && memcmp(&c->key, k, sizeof *k) == 0) {
            return c;
        }
    }
    return NULL;
}

/* Takes the place of the oldest: a flood of first fragments costs others their memory, and then their
 * later fragments are protected, never let out. */
static void cut_remember(struct worker *w, const struct cut_key *k, u32 flow)
{
    struct cut *at = cut_find(w, k), *oldest = &w->cut[0];
    if (at && at->flow && !flow) { /* a forged first fragment does not lay open what a real one protected */
        return;
    }
    for (unsigned i = 0; !at && i < MAX_CUTS; i++) { /* a free one is the oldest of all */
        oldest = w->cut[i].since_ms < oldest->since_ms ? &w->cut[i] : oldest;
    }
    at = at ? at : oldest;
    *at = (struct cut){.key = *k, .since_ms = MAX(w->now_ms, (u64)1), .flow = flow};
}

enum policy_verdict policy_find(struct worker *w, u8 link, const u8 *ip, const struct ip_view *v,
                                bool inbound, struct flow **out_flow)
{
    const struct config *c = cfg_live(w->dp);
    struct key k;
    *out_flow = NULL;
    if (c->of_link[link].num == 0) {
        return POLICY_NONE;
    }
    key_make(&k, ip, v, inbound);
    struct finding f = find(c, link, &k);
    if (UNLIKELY(ip_is_fragment(v)) && f.by_ports) {
        struct cut_key key = cut_key_of(link, ip, v, inbound);
        const struct cut *first = k.later ? cut_find(w, &key) : NULL;
        if (!k.later) {
            cut_remember(w, &key, f.flow ? f.flow->id : 0);
        } else if (first && first->flow == 0) {
            return POLICY_PASS;
        } else if (first) {
            struct flow *same = flow_get(w->dp, first->flow);
            f.flow = same ? same : f.flow;
            f.verdict = f.flow ? POLICY_PROTECT : f.verdict;
        }
    }
    *out_flow = f.flow;
    return f.verdict;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void out_of_link(struct worker *w, struct pkt *p)
{
    switch (policy_find(w, p->on_link, p->data, &p->v, false, &p->flow)) {
    case POLICY_PROTECT: p->next = N_ESP_ADMIT; break;
    case POLICY_PASS:
        p->pass = true;
        p->next = N_IP_OUT;
        break;
    default:
        pkt_drop(p, is_housekeeping(p) ? DROP_HOUSEKEEPING : DROP_UNMATCHED, NULL, 0, p->v.l4);
        break;
    }
}

void policy_out(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        if (p->on_link) {
            out_of_link(w, p);
            continue;
        }
        u8 hint = p->tun ? p->tun->val.link : 0;
        bool protect = policy_find(w, hint, p->data, &p->v, false, &p->flow) == POLICY_PROTECT;
        p->next = protect ? N_ESP_ADMIT : N_IP_OUT; /* unmarked: the link it takes decides */
    }
}

void clear_in(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        struct flow *flow;
        switch (policy_find(w, p->on_link, p->data, &p->v, true, &flow)) {
        case POLICY_PASS:
            p->out_port = p->in_port;
            p->next = N_PORT_TX;
            break;
        case POLICY_PROTECT:
            pkt_drop(p, DROP_CLEAR_PROTECTED, "came in clear from outside", 0, p->v.l4);
            break;
        default:
            pkt_drop(p, is_housekeeping(p) ? DROP_HOUSEKEEPING : DROP_UNMATCHED,
                     "came in clear from outside", 0, p->v.l4);
            break;
        }
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
static void in_tunnel(struct worker *w, const struct config *c, struct pkt *p)
{
    struct tunnel *t = p->tun;
    if (p->sa) {
        if (UNLIKELY(t->flow != (p->flow->tun ? p->flow : NULL))) {
            rewind_outer(p);
            pkt_drop(p, DROP_BAD_IDENTITY, "protected by the SA of another tunnel", 0, p->v.l4);
            return;
        }
    } else {
        struct ip_view ov;
        struct flow *flow;
        bool protect = t->flow != NULL || t->val.flow != 0;
        if (!protect && t->val.link && ip_decode(&ov, p->outer, outer_len(p)) == IP_OK) {
            protect = policy_find(w, t->val.link, p->outer, &ov, true, &flow) == POLICY_PROTECT;
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
        if (UNLIKELY(p->sa && !p->flow->configured)) {
            rewind_outer(p);
            pkt_drop(p, DROP_NOT_FOR_US, "the line of this SA is gone", 0, p->v.l4);
        } else if (p->tun) {
            in_tunnel(w, c, p);
        } else if (UNLIKELY(!p->sa)) {
            pkt_drop(p, DROP_NOT_FOR_US, NULL, 0, 0);
        } else if (UNLIKELY(p->flow->tun)) {
            pkt_drop(p, DROP_BAD_IDENTITY, "not a packet of the tunnel this SA protects", 0,
                     p->v.l4);
        }
    }
}
