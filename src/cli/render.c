/*
 * render.c: the `show crypto ...` texts, 12.4 dialect (15.x where the model asks for it), from snapshots alone.
 * Seeds 000 and 002 are the originals; tests/cli compares against them.
 */
#include "cli/cli.h"

#include <inttypes.h>

/* ---- show crypto isakmp ---- */

void cli_show_isakmp_sa(const struct cli_show *w)
{
    bool fifteen = w->c->dialect_15;
    sb_add(w->out, fifteen
                       ? "IPv4 Crypto ISAKMP SA\ndst             src             state          "
                         "conn-id status\n"
                       : "dst             src             state          conn-id slot status\n");
    for (size_t i = 0; i < w->snap->num_sas; i++) {
        const struct ike_sa_info *s = &w->snap->sas[i];
        char dst[ADDR_STR], src[ADDR_STR];
        addr_str(s->initiator ? dst : src, &s->remote.a);
        addr_str(s->initiator ? src : dst, &s->local.a);
        sb_addf(w->out, "%-16s%-16s%-15s%7u", dst, src, ike_show_state_name(s->state),
                s->conn_id + (fifteen ? 1000 : 0));
        sb_addf(w->out, "%s ACTIVE%s\n", fifteen ? "" : "    0", s->deleted ? " (deleted)" : "");
    }
    sb_add(w->out, fifteen ? "\nIPv6 Crypto ISAKMP SA\n\n" : "");
}

void cli_show_isakmp_policy(const struct cli_show *w)
{
    static const struct conf_isakmp_policy built_in = {
        .encr = ENCR_DES, .hash = HASH_SHA1, .auth = IKE_AUTH_RSA_SIG, .group = 1, .life_s = 86400};
    const struct conf_isakmp_policy *list[256];
    size_t num = 0;
    CONF_FOR(struct conf_isakmp_policy, p, &w->c->policies)
    {
        if (num < ARRAY_LEN(list) - 1) {
            list[num++] = p;
        }
    }
    list[num++] = &built_in;
    sb_add(w->out, "\nGlobal IKE policy\n");
    for (size_t i = 0; i < num; i++) {
        const struct conf_isakmp_policy *p = list[i];
        const struct group_row *g = group_row(p->group);
        if (p == &built_in) {
            sb_add(w->out, "Default protection suite\n");
        } else {
            sb_addf(w->out, "Protection suite of priority %u\n", p->priority);
        }
        sb_addf(w->out, "    encryption algorithm:   %s\n", encr_row(p->encr)->policy_text);
        sb_addf(w->out, "    hash algorithm:         %s\n", hash_row(p->hash)->policy_text);
        sb_addf(w->out, "    authentication method:  %s\n",
                p->auth == IKE_AUTH_PSK      ? "Pre-Shared Key"
                : p->auth == CONF_AUTH_ECDSA ? "Elliptic Curve Digital Signature Algorithm"
                                             : "Rivest-Shamir-Adleman Signature");
        sb_addf(w->out, "    Diffie-Hellman group:   #%u (%u bit)\n", p->group, g ? g->bits : 0);
        sb_addf(w->out, "    lifetime:               %u seconds, no volume limit\n", p->life_s);
    }
}

static void show_described(const struct cli_show *w, const struct addr *peer)
{
    CONF_FOR(struct conf_isakmp_peer, p, &w->c->peers)
    {
        if (addr_equal(&p->peer, peer) && p->description[0]) {
            sb_addf(w->out, " Description: %s\n", p->description);
        }
    }
}

void cli_show_isakmp_peers(const struct cli_show *w)
{
    for (size_t i = 0; i < w->snap->num_sas; i++) {
        const struct ike_sa_info *s = &w->snap->sas[i];
        char r[ADDR_STR], l[ADDR_STR];
        if (!s->deleted) {
            sb_addf(w->out, "Peer: %s Port: %u Local: %s\n", addr_str(r, &s->remote.a),
                    s->remote.port, addr_str(l, &s->local.a));
            sb_addf(w->out, " Phase1 id: %s\n", s->id);
            show_described(w, &s->remote.a);
        }
    }
}

static void show_keys(const struct cli_show *w, const char *keyring, const struct list *keys)
{
    CONF_FOR(struct conf_key, k, keys)
    {
        char a[ADDR_STR], shown[PREFIX_STR + CONF_NAME];
        if (k->name[0]) {
            str_copy(shown, sizeof shown, k->name);
        } else if (k->peer.len == addr_bits(&k->peer.a)) {
            snprintf(shown, sizeof shown, "%s", addr_str(a, &k->peer.a));
        } else {
            snprintf(shown, sizeof shown, "%s/%u", addr_str(a, &k->peer.a), k->peer.len);
        }
        sb_addf(w->out, "%-12s %-43s %s\n", keyring, shown, k->key);
    }
}

void cli_show_isakmp_key(const struct cli_show *w)
{
    sb_add(w->out, "Keyring      Hostname/Address                            Preshared Key\n\n");
    show_keys(w, "default", &w->c->keys);
    CONF_FOR(struct conf_keyring, r, &w->c->keyrings)
    {
        show_keys(w, r->name, &r->keys);
    }
}

/* ---- show crypto ipsec transform-set, profile, map ---- */

static void set_names(struct strbuf *o, const struct conf_transform_set *s)
{
    sb_addf(o, "{ %s%s%s %s%s%s  }", s->ah ? hash_row(s->ah)->ah : "", s->ah && s->encr ? " " : "",
            encr_row(s->encr)->shown, hash_row(s->auth)->ts, s->comp ? " " : "", comp_row(s->comp)->ts);
}

void cli_show_transform_set(const struct cli_show *w)
{
    CONF_FOR(struct conf_transform_set, s, &w->c->sets)
    {
        sb_addf(w->out, "Transform set %s: ", s->name);
        set_names(w->out, s);
        sb_addf(w->out, "\n   will negotiate = { %s,  },\n\n",
                s->transport ? "Transport" : "Tunnel");
    }
}

void cli_show_params(const struct cli_show *w, const struct conf_sa_params *p,
                        const char *indent)
{
    sb_addf(w->out, "%sSecurity association lifetime: %" PRIu64 " kilobytes/%u seconds\n", indent,
            p->life_kb ? p->life_kb : w->c->life_kb, p->life_s ? p->life_s : w->c->life_s);
    if (w->c->dialect_15) {
        sb_addf(w->out, "%sResponder-Only (Y/N): N\n", indent);
    }
    sb_addf(w->out, "%sPFS (Y/N): %s\n", indent, p->pfs_group ? "Y" : "N");
    if (p->pfs_group) {
        sb_addf(w->out, "%sDH group:  group%u\n", indent, p->pfs_group);
    }
    sb_addf(w->out, "%s%sTransform sets={\n", w->c->dialect_15 ? indent : "",
            w->c->dialect_15 ? "Mixed-mode : Disabled\n" : indent);
    for (unsigned i = 0; i < p->num_sets; i++) {
        const struct conf_transform_set *s = conf_set_find(w->c, p->sets[i]);
        if (w->c->dialect_15 && s) {
            sb_addf(w->out, "%s        %s:  ", indent, p->sets[i]);
            set_names(w->out, s);
            sb_add(w->out, " , \n");
        } else {
            sb_addf(w->out, "%s        %s,\n", indent, p->sets[i]);
        }
    }
    sb_addf(w->out, "%s}\n", indent);
}

void cli_show_profile(const struct cli_show *w)
{
    CONF_FOR(struct conf_profile, p, &w->c->profiles)
    {
        sb_addf(w->out, "IPSEC profile %s\n", p->name);
        cli_show_params(w, &p->sa, "    ");
        sb_add(w->out, "\n");
    }
}

/* ---- one flow with what belongs to it ---- */

static const struct dp_flow_info *dp_flow_of(const struct cli_snapshot *s, u32 flow)
{
    static const struct dp_flow_info none;
    for (size_t i = 0; i < s->num_dp_flows; i++) {
        if (s->dp_flows[i].flow == flow) {
            return &s->dp_flows[i];
        }
    }
    return &none;
}

/* flow_sas: SAs of a flow in one direction, the current or newest one first; returns how many. */
static size_t flow_sas(const struct dp_sa_info **out, size_t cap, const struct cli_snapshot *s,
                       u32 flow, u8 dir)
{
    size_t num = 0;
    for (size_t i = 0; i < s->num_dp_sas && num < cap; i++) {
        if (s->dp_sas[i].sa.flow == flow && s->dp_sas[i].sa.dir == dir) {
            out[num++] = &s->dp_sas[i];
        }
    }
    for (size_t i = 1; i < num; i++) {
        if (out[i]->current) {
            const struct dp_sa_info *t = out[0];
            out[0] = out[i], out[i] = t;
        }
    }
    return num;
}

/* ike_rank: which of a peer's ISAKMP SAs speaks for it: one that is up, one that is being made, one that goes. */
static int ike_rank(const struct ike_sa_info *x)
{
    return x->deleted ? 1 : x->state == ST_QM_IDLE ? 3 : 2;
}

/* flow_ike: the ISAKMP SA that a flow's peer has: the best one. */
static const struct ike_sa_info *flow_ike(const struct cli_snapshot *s, const struct cli_flow *f)
{
    const struct ike_sa_info *best = NULL;
    for (size_t i = 0; i < s->num_sas; i++) {
        const struct ike_sa_info *x = &s->sas[i];
        if (addr_equal(&x->remote.a, &f->peer) && (!best || ike_rank(x) > ike_rank(best))) {
            best = x;
        }
    }
    return best;
}

static u64 left_kb(const struct dp_sa_info *s)
{
    u64 used = s->bytes / 1024;
    return s->sa.hard_kb > used ? s->sa.hard_kb - used : 0;
}

static u32 left_s(const struct dp_sa_info *s)
{
    return s->sa.hard_s > s->age_s ? s->sa.hard_s - s->age_s : 0;
}

/* ---- show crypto ipsec sa ---- */

enum { PROTO_OF_ESP = 50, PROTO_OF_AH = 51 }; /* dp_sa_value.proto */


static void ident(struct strbuf *o, const char *which, const struct prefix *p, u8 proto, u16 lo,
                  u16 hi)
{
    char a[ADDR_STR], m[ADDR_STR];
    struct addr mask = addr_mask(p->a.family, p->len);
    sb_addf(o, "   %s ident (addr/mask/prot/port): (%s/", which, addr_str(a, &p->a));
    if (p->a.family == AF_V6) {
        sb_addf(o, "%u", p->len);
    } else {
        sb_add(o, addr_str(m, &mask));
    }
    sb_addf(o, "/%u/%u)\n", proto, lo == hi ? lo : 0);
}

static void sa_block(const struct cli_show *w, const struct dp_sa_info *s, const struct cli_flow *f)
{
    const struct dp_sa_value *v = &s->sa;
    const char *mode = v->mode == MODE_TRANSPORT ? "Transport" : "Tunnel";
    struct strbuf *o = w->out;
    sb_addf(o, "      spi: 0x%X(%u)\n", v->spi, v->spi);
    if (v->proto == PROTO_OF_AH) {
        sb_addf(o, "        transform: %s ,\n", hash_row(v->auth)->ah);
    } else {
        sb_addf(o, "        transform: %s%s%s ,\n", encr_row(v->encr)->shown, v->auth ? " " : "",
                hash_row(v->auth)->ts);
    }
    sb_addf(o, "        in use settings ={%s%s, }\n", mode, v->encap_dst.port ? " UDP-Encaps" : "");
    sb_addf(o, "        conn id: %u, flow_id: SW:%u, %scrypto map: %s\n",
            w->c->dialect_15 && v->conn_id > 2000 ? v->conn_id - 2000 : v->conn_id,
            v->conn_id > 2000 ? v->conn_id - 2000 : v->conn_id,
            w->c->dialect_15 ? "sibling_flags 80000040, " : "", f->map);
    if (v->hard_kb || v->hard_s) {
        sb_addf(o, "        sa timing: remaining key lifetime (k/sec): (%" PRIu64 "/%u)\n", left_kb(s),
                left_s(s));
    } else {
        sb_add(o, "        no sa timing\n"); /* manual keys */
    }
    sb_addf(o, "        IV size: %u bytes\n", encr_row(v->encr)->iv_len);
    sb_addf(o, "        replay detection support: %s\n",
            v->replay_window && (v->auth || encr_row(v->encr)->icv_len) ? "Y" : "N");
    sb_addf(o, "        Status: %s\n", w->c->dialect_15 ? "ACTIVE(ACTIVE)" : "ACTIVE");
}

static void sa_list(const struct cli_show *w, const struct cli_flow *f, const char *way,
                    const char *name, const struct dp_sa_info *const *list, size_t num, u8 proto)
{
    sb_addf(w->out, "     %s %s sas:\n", way, name);
    for (size_t i = 0; i < num; i++) {
        if (list[i]->sa.proto == proto) {
            sa_block(w, list[i], f);
        }
    }
}

static void sa_lists(const struct cli_show *w, const struct cli_flow *f, u8 dir)
{
    const struct dp_sa_info *list[32];
    const char *way = dir == SA_IN ? "inbound" : "outbound";
    size_t num = flow_sas(list, ARRAY_LEN(list), w->snap, f->id, dir);
    sa_list(w, f, way, "esp", list, num, PROTO_OF_ESP);
    sb_add(w->out, "\n");
    sa_list(w, f, way, "ah", list, num, PROTO_OF_AH);
    sb_addf(w->out, "\n     %s pcp sas:\n", way);
    for (size_t i = 0; i < num; i++) {
        const struct dp_sa_value *v = &list[i]->sa;
        if (v->comp) {
            sb_addf(w->out, "      spi: 0x%X(%u)\n        transform: %s ,\n        in use settings ={%s%s, }\n", v->cpi, v->cpi,
                    comp_row((enum comp_id)v->comp)->ts, v->mode == MODE_TRANSPORT ? "Transport" : "Tunnel",
                    v->encap_dst.port ? " UDP-Encaps" : "");
        }
    }
}

static void flow_detail(const struct cli_show *w, const struct cli_flow *f)
{
    u64 replay = 0, mac = 0, ident_bad = 0;
    const struct dp_sa_info *in[16];
    size_t num = flow_sas(in, ARRAY_LEN(in), w->snap, f->id, SA_IN);
    for (size_t i = 0; i < num; i++) {
        replay += in[i]->drops[DROP_REPLAY];
        mac += in[i]->drops[DROP_BAD_ICV];
        ident_bad += in[i]->drops[DROP_BAD_IDENTITY];
    }
    const struct dp_flow_info *d = dp_flow_of(w->snap, f->id);
    sb_addf(w->out, "    #pkts no sa (send) %" PRIu64 ", #pkts invalid sa (rcv) 0\n",
            d->send_errors);
    sb_addf(w->out, "    #pkts encaps failed (send) 0, #pkts decaps failed (rcv) 0\n");
    sb_addf(w->out, "    #pkts invalid prot (recv) 0, #pkts verify failed: %" PRIu64 "\n", mac);
    sb_addf(w->out, "    #pkts invalid identity (recv) %" PRIu64 ", #pkts invalid len (rcv) 0\n",
            ident_bad);
    sb_addf(w->out, "    #pkts replay rollover (send): 0, #pkts replay rollover (rcv) 0\n");
    sb_addf(w->out, "    ##pkts replay failed (rcv): %" PRIu64 "\n", replay);
    sb_addf(w->out, "    #pkts internal err (send): 0, #pkts internal err (recv) 0\n");
}

static void flow_block(const struct cli_show *w, const struct cli_flow *f, bool detail)
{
    const struct dp_flow_info *d = dp_flow_of(w->snap, f->id);
    const struct dp_sa_info *outs[16];
    size_t num_out = flow_sas(outs, ARRAY_LEN(outs), w->snap, f->id, SA_OUT);
    const struct ike_sa_info *ike = flow_ike(w->snap, f);
    u32 spi = num_out ? outs[0]->sa.spi : 0;
    char l[ADDR_STR], p[ADDR_STR];
    struct strbuf *o = w->out;
    sb_add(o, "   protected vrf: (none)\n");
    ident(o, "local ", &f->sel.src, f->sel.proto, f->sel.sport_lo, f->sel.sport_hi);
    ident(o, "remote", &f->sel.dst, f->sel.proto, f->sel.dport_lo, f->sel.dport_hi);
    sb_addf(o, "   current_peer %s port %u\n", addr_str(p, &f->peer), ike ? ike->remote.port : 500);
    sb_add(o, "     PERMIT, flags={origin_is_acl,}\n");
    sb_addf(
        o, "    #pkts encaps: %" PRIu64 ", #pkts encrypt: %" PRIu64 ", #pkts digest: %" PRIu64 "\n",
        d->encaps, d->encaps, d->encaps);
    sb_addf(
        o, "    #pkts decaps: %" PRIu64 ", #pkts decrypt: %" PRIu64 ", #pkts verify: %" PRIu64 "\n",
        d->decaps, d->decaps, d->decaps);
    sb_addf(o, "    #pkts compressed: %" PRIu64 ", #pkts decompressed: %" PRIu64 "\n", d->comp.packed, d->comp.unpacked);
    sb_addf(o, "    #pkts not compressed: %" PRIu64 ", #pkts compr. failed: %" PRIu64 "\n", d->comp.plain, d->comp.failed);
    sb_addf(o, "    #pkts not decompressed: %" PRIu64 ", #pkts decompress failed: %" PRIu64 "\n", d->comp.was_plain,
            d->comp.bad);
    if (detail) {
        flow_detail(w, f);
    } else {
        sb_addf(o, "    #send errors %" PRIu64 ", #recv errors %" PRIu64 "\n", d->send_errors,
                d->recv_errors);
    }
    sb_addf(o, "\n     local crypto endpt.: %s, remote crypto endpt.: %s\n", addr_str(l, &f->local),
            addr_str(p, &f->peer));
    if (w->c->dialect_15) {
        sb_addf(o, "     plaintext mtu %u, path mtu %u, ip mtu %u, ip mtu idb %s\n",
                d->plaintext_mtu, f->mtu, f->mtu, f->mtu_if);
    } else {
        sb_addf(o, "     path mtu %u, ip mtu %u, ip mtu idb %s\n", f->mtu, f->mtu, f->mtu_if);
    }
    sb_addf(o, "     current outbound spi: 0x%X(%u)\n", spi, spi);
    sb_add(o, w->c->dialect_15 ? "     PFS (Y/N): N, DH group: none\n\n" : "\n");
    sa_lists(w, f, SA_IN);
    sb_add(o, "\n");
    sa_lists(w, f, SA_OUT);
}

void cli_show_ipsec_sa(const struct cli_show *w, const char *iface, const struct addr *peer,
                       const char *map, bool detail)
{
    char last_if[CONF_IFNAME] = "", a[ADDR_STR];
    for (size_t i = 0; i < w->snap->num_flows; i++) {
        const struct cli_flow *f = &w->snap->flows[i];
        if ((iface && strcmp(iface, f->iface) != 0) || (peer && !addr_equal(peer, &f->peer)) ||
            (map && strcmp(map, f->map) != 0)) {
            continue;
        }
        if (strcmp(last_if, f->iface) != 0) {
            sb_addf(w->out, "\ninterface: %s\n    Crypto map tag: %s, local addr %s\n", f->iface,
                    f->map, addr_str(a, &f->local));
            str_copy(last_if, sizeof last_if, f->iface);
        }
        sb_add(w->out, "\n");
        flow_block(w, f, detail);
    }
}

/* ---- show crypto session ---- */

static const char *session_status(const struct cli_snapshot *s, const struct cli_flow *f,
                                  size_t num_sas)
{
    const struct ike_sa_info *ike = flow_ike(s, f);
    bool up = ike && !ike->deleted && ike->state == ST_QM_IDLE;
    if (num_sas) {
        return up ? "UP-ACTIVE" : "UP-NO-IKE";
    }
    if (up) {
        return "UP-IDLE";
    }
    return ike && !ike->deleted ? "DOWN-NEGOTIATING" : "DOWN";
}

static void flow_end(struct strbuf *o, const struct prefix *p)
{
    char a[ADDR_STR], m[ADDR_STR];
    struct addr mask = addr_mask(p->a.family, p->len);
    if (p->len == addr_bits(&p->a)) {
        sb_addf(o, " host %s", addr_str(a, &p->a));
    } else if (p->a.family == AF_V6) {
        sb_addf(o, " %s/%u", addr_str(a, &p->a), p->len);
    } else {
        sb_addf(o, " %s/%s", addr_str(a, &p->a), addr_str(m, &mask));
    }
}

static void session_flow(const struct cli_show *w, const struct cli_flow *f, bool detail)
{
    const struct dp_sa_info *in[16], *out[16];
    size_t num_in = flow_sas(in, ARRAY_LEN(in), w->snap, f->id, SA_IN);
    size_t num_out = flow_sas(out, ARRAY_LEN(out), w->snap, f->id, SA_OUT);
    const struct dp_flow_info *d = dp_flow_of(w->snap, f->id);
    struct strbuf *o = w->out;
    sb_add(o, "  IPSEC FLOW: permit ");
    if (f->sel.proto) {
        sb_addf(o, "%u", f->sel.proto);
    } else {
        sb_add(o, f->sel.src.a.family == AF_V6 ? "ipv6" : "ip");
    }
    flow_end(o, &f->sel.src);
    flow_end(o, &f->sel.dst);
    sb_addf(o, "\n        Active SAs: %zu, origin: crypto map\n", num_in + num_out);
    if (detail) {
        sb_addf(o,
                "        Inbound:  #pkts dec'ed %" PRIu64 " drop %" PRIu64 " life (KB/Sec) %" PRIu64
                "/%u\n",
                d->decaps, d->drops_in, num_in ? left_kb(in[0]) : 0, num_in ? left_s(in[0]) : 0);
        sb_addf(o,
                "        Outbound: #pkts enc'ed %" PRIu64 " drop %" PRIu64 " life (KB/Sec) %" PRIu64
                "/%u\n",
                d->encaps, d->drops_out, num_out ? left_kb(out[0]) : 0,
                num_out ? left_s(out[0]) : 0);
    }
}

static void session_ike(const struct cli_show *w, const struct cli_flow *f, bool detail)
{
    char l[ADDR_STR], r[ADDR_STR];
    for (size_t i = 0; i < w->snap->num_sas; i++) {
        const struct ike_sa_info *s = &w->snap->sas[i];
        if (!addr_equal(&s->remote.a, &f->peer) || s->deleted) {
            continue;
        }
        if (w->c->dialect_15) {
            sb_add(w->out, "  Session ID: 0  \n");
        }
        sb_addf(w->out, "  %s SA: local %s/%u remote %s/%u %s\n",
                w->c->dialect_15 ? "IKEv1" : "IKE", addr_str(l, &s->local.a), s->local.port,
                addr_str(r, &s->remote.a), s->remote.port,
                s->state == ST_QM_IDLE ? "Active" : "Inactive");
        if (detail) {
            char caps[8];
            snprintf(caps, sizeof caps, "%s%s", s->dpd ? "D" : "", s->nat ? "N" : "");
            sb_addf(w->out, "          Capabilities:%s connid:%u lifetime:%02u:%02u:%02u\n",
                    caps[0] ? caps : "(none)", s->conn_id + (w->c->dialect_15 ? 1000 : 0),
                    s->left_s / 3600, s->left_s / 60 % 60, s->left_s % 60);
        }
    }
}

/* session_hints: protected tunnels that cannot have a session yet, and what they lack. */
static void session_hints(const struct cli_show *w)
{
    CONF_FOR(struct conf_if, i, &w->c->ifs)
    {
        if (i->kind != IFK_TUNNEL || !i->tun.profile[0]) {
            continue;
        }
        const char *lacks = !i->tun.source_if[0] && !i->tun.source.family
                                ? "no tunnel source is configured"
                            : !conf_tunnel_source(w->c, i).family
                                ? "the interface of its tunnel source has no address"
                            : !i->tun.dest.family ? "no tunnel destination is configured"
                                                  : NULL;
        if (lacks) {
            sb_addf(w->out, "%sInterface: %s\nSession status: DOWN\n  %s\n",
                    w->snap->num_flows ? "\n" : "", i->name, lacks);
        }
    }
}

void cli_show_session(const struct cli_show *w, bool detail)
{
    struct strbuf *o = w->out;
    sb_add(o, "Crypto session current status\n\n");
    if (detail) {
        sb_add(o, "Code: C - IKE Configuration mode, D - Dead Peer Detection\n"
                  "K - Keepalives, N - NAT-traversal, X - IKE Extended Authentication\n");
        sb_add(o, w->c->dialect_15 ? "T - cTCP encapsulation, F - IKE Fragmentation\n\n" : "\n");
    }
    for (size_t i = 0; i < w->snap->num_flows; i++) {
        const struct cli_flow *f = &w->snap->flows[i];
        const struct cli_flow *before = i ? &w->snap->flows[i - 1] : NULL;
        bool same =
            before && strcmp(before->iface, f->iface) == 0 && addr_equal(&before->peer, &f->peer);
        if (!same) {
            const struct dp_sa_info *any[16];
            size_t num = 0;
            for (size_t k = i; k < w->snap->num_flows;
                 k++) { /* all flows of this interface and peer */
                const struct cli_flow *x = &w->snap->flows[k];
                if (strcmp(x->iface, f->iface) == 0 && addr_equal(&x->peer, &f->peer)) {
                    num += flow_sas(any, ARRAY_LEN(any), w->snap, x->id, SA_OUT);
                }
            }
            const struct ike_sa_info *ike = flow_ike(w->snap, f);
            char p[ADDR_STR];
            sb_addf(o, "%sInterface: %s\nSession status: %s\n%sPeer: %s port %u", i ? "\n" : "",
                    f->iface, session_status(w->snap, f, num), detail ? "\n" : "",
                    addr_str(p, &f->peer), ike ? ike->remote.port : 500);
            sb_add(o, detail ? " fvrf: (none) ivrf: (none)\n" : " \n");
            if (detail && ike && ike->id[0]) {
                sb_addf(o, "      Phase1_id: %s\n      Desc: (none)\n", ike->id);
            } else if (detail) {
                sb_add(o, "      Desc: (none)\n      Phase1_id: (none)\n");
            }
            session_ike(w, f, detail);
        }
        session_flow(w, f, detail);
    }
    session_hints(w);
}
