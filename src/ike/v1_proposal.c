/*
 * v1_proposal.c: what a quick mode negotiates: transform sets against offers (RFC 2407 4.4.4, 4.5)
 * and proxy identities against flows (RFC 2409 5.5, RFC 2407 4.6.2). Decides and writes; commits
 * nothing.
 */
#include "ike/v1.h"

/* ---- reading an offered transform ---- */

void p2_read(struct p2_offer *out, const struct isakmp_transform *t)
{
    struct rd r = rd_init(t->attrs, t->attrs_len);
    struct isakmp_attr a;
    u16 life_type = 0;
    memset(out, 0, sizeof *out);
    out->life_s = P2_LIFE_DEFAULT_S;
    while (isakmp_attr_next(&a, &r)) {
        u16 v = a.value > 0xffff ? 0xffff : (u16)a.value;
        switch (a.type) {
        case P2_LIFE_TYPE: life_type = v; break;
        case P2_LIFE:
            if (life_type == LIFE_SECONDS) {
                out->life_s = a.value > UINT32_MAX ? UINT32_MAX : (u32)a.value;
                out->life_seen = true;
            } else if (life_type == LIFE_KILOBYTES) {
                out->life_kb =
                    MIN(a.value, (u64)UINT32_MAX); /* 4 TB; nothing that multiplies it wraps */
            }
            break;
        case P2_GROUP: out->group = v; break;
        case P2_ENCAPS: out->encaps = v; break;
        case P2_AUTH: out->auth_id = v; break;
        case P2_KEY_LEN: out->key_bits = v; break;
        case P2_ESN: out->esn = true; break;
        default: out->surplus = a.type; break;
        }
    }
}

static void trace_attr(struct ike *ike, const struct ike_sa *sa, const struct isakmp_attr *a,
                       u16 *life_type)
{
    struct evlog *log = ike->log;
    const struct addr *peer = &sa->remote.a;
    u32 conn = sa->c.conn_id;
    enum hash_id h;
    switch (a->type) {
    case P2_ENCAPS:
        ev_ike_p2_encaps(
            log, conn, peer,
            &(struct evb_ike_p2_encaps){.mode = a->value,
                                        .name = ev_str(a->value == ENCAPS_TUNNEL      ? "Tunnel"
                                                       : a->value == ENCAPS_TRANSPORT ? "Transport"
                                                                                      : "UDP")});
        break;
    case P2_LIFE_TYPE:
        *life_type = (u16)a->value;
        ev_ike_p2_life_type(
            log, conn, peer,
            &(struct evb_ike_p2_life_type){
                .unit = ev_str(a->value == LIFE_KILOBYTES ? "kilobytes" : "seconds")});
        break;
    case P2_LIFE:
        if (a->basic) {
            ev_ike_p2_life(log, conn, peer, &(struct evb_ike_p2_life){.value = a->value});
        } else {
            ev_ike_p2_life_vpi(log, conn, peer, &(struct evb_ike_p2_life_vpi){.value = a->value});
        }
        break;
    case P2_AUTH:
        h = hash_from_auth((u16)a->value);
        ev_ike_p2_auth(
            log, conn, peer,
            &(struct evb_ike_p2_auth){.name = ev_str(h ? hash_row(h)->debug_p2 : "unknown")});
        break;
    case P2_KEY_LEN:
        ev_ike_p2_keylen(log, conn, peer, &(struct evb_ike_p2_keylen){.bits = a->value});
        break;
    case P2_GROUP:
        ev_ike_p2_group(log, conn, peer, &(struct evb_ike_p2_group){.group = a->value});
        break;
    default:
        ev_ike_p2_other(log, conn, peer,
                        &(struct evb_ike_p2_other){.type = a->type, .value = a->value});
        break;
    }
}

void p2_trace(struct ike *ike, const struct ike_sa *sa, const struct isakmp_sa *offer,
              unsigned proposal, unsigned transform)
{
    const struct isakmp_transform *t = &offer->transform[transform];
    struct rd r = rd_init(t->attrs, t->attrs_len);
    struct isakmp_attr a;
    struct p2_offer o;
    u16 life_type = 0;
    ev_ike_check_p2(ike->log, sa->c.conn_id, &sa->remote.a,
                    &(struct evb_ike_check_p2){.proposal = offer->proposal[proposal].number});
    if (!ev_on(ike->log, EV_IKE_P2_TRANSFORM)) {
        return;
    }
    p2_read(&o, t);
    enum encr_id e = encr_from_esp(t->id, o.key_bits);
    ev_ike_p2_transform(
        ike->log, sa->c.conn_id, &sa->remote.a,
        &(struct evb_ike_p2_transform){.transform = t->number,
                                       .name = ev_str(e ? encr_row(e)->debug_p2 : "unknown")});
    while (isakmp_attr_next(&a, &r)) {
        trace_attr(ike, sa, &a, &life_type);
    }
}

/* ---- choosing ---- */

static const char *mode_name(unsigned mode)
{
    return mode == MODE_TRANSPORT ? "transport mode" : "tunnel mode";
}

/* p2_compare: how many things differ between an offered transform and a set of ours; the first is
 * written out. */
static unsigned p2_compare(const struct sa_core *c, const struct ike_flow_value *f,
                           const struct ike_transform *set, u8 id, const struct p2_offer *o, bool have_ke,
                           char why[160])
{
    unsigned wrong = 0;
    enum encr_id e = encr_from_esp(id, o->key_bits);
    enum hash_id h = hash_from_auth(o->auth_id);
    const struct encr_row *want = encr_row(set->encr);
    char raw[40];
    why[0] = 0;
#define DIFFERS(cond, ...)                                                                         \
    if ((cond) && wrong++ == 0) {                                                                  \
        snprintf(why, 160, __VA_ARGS__);                                                           \
    }
    snprintf(raw, sizeof raw, "ESP cipher %u/%u", id, o->key_bits);
    DIFFERS(e != set->encr, "offered %s, transform set %s wants %s", e ? encr_row(e)->human : raw,
            set->name, want->human)
    snprintf(raw, sizeof raw, "authenticator %u", o->auth_id);
    DIFFERS(h != set->auth, "offered %s, transform set %s wants %s",
            h || !o->auth_id ? hash_row(h)->human : raw, set->name, hash_row(set->auth)->human)
    DIFFERS(!o->mode, "offered encapsulation mode %u, wanted %s UDP (%s)", o->encaps,
            natt_udp(c) ? "one in" : "none in",
            natt_udp(c) ? "a NAT stands between" : "no NAT stands between")
    DIFFERS(o->mode && o->mode != set->mode && !f->any_mode,
            "offered %s, transform set %s wants %s", mode_name(o->mode), set->name,
            mode_name(set->mode))
    DIFFERS(f->pfs_group && o->group != f->pfs_group,
            "offered PFS group %u, flow %s wants group %u", o->group, f->map, f->pfs_group)
    DIFFERS(o->group && !group_row(o->group), "offered PFS group %u, wanted a group adit knows",
            o->group)
    DIFFERS((o->group != 0) != have_ke, "PFS group %u and %s KE payload, wanted both or neither",
            o->group, have_ke ? "a" : "no")
    DIFFERS(o->life_s < P2_LIFE_MIN_S, "offered a life of %u seconds, wanted %d at least",
            o->life_s, P2_LIFE_MIN_S)
    DIFFERS(o->life_kb && o->life_kb < P2_LIFE_MIN_KB,
            "offered a life of %llu kilobytes, wanted %d at least", (unsigned long long)o->life_kb,
            P2_LIFE_MIN_KB)
    DIFFERS(o->esn, "offered extended sequence numbers, wanted none")
    DIFFERS(o->surplus, "offered attribute %u (%s), wanted none of it", o->surplus,
            isakmp_p2_attr_name(o->surplus))
#undef DIFFERS
    return wrong;
}

/* alone: no other proposal has its number; two of one number would mean ESP and AH together (RFC
 * 2408 4.2). */
static bool alone(const struct isakmp_sa *sa, unsigned proposal)
{
    for (unsigned i = 0; i < sa->num_proposals; i++) {
        if (i != proposal && sa->proposal[i].number == sa->proposal[proposal].number) {
            return false;
        }
    }
    return true;
}

static bool p2_try_set(const struct ike_flow_value *f, const struct ike_transform *set,
                       const struct isakmp_msg *m, struct p2_choice *out, unsigned *best,
                       struct draft *d)
{
    char why[160];
    for (unsigned i = 0; i < m->sa.num_proposals; i++) {
        const struct isakmp_proposal *p = &m->sa.proposal[i];
        if (p->proto != PROTO_ESP || !alone(&m->sa, i) || be32(p->spi) < 256) {
            continue;
        }
        for (unsigned j = p->first; j < p->first + (unsigned)p->num; j++) {
            struct p2_offer o;
            p2_read(&o, &m->sa.transform[j]);
            if (!natt_mode(&d->sa, o.encaps ? o.encaps : natt_encaps(&d->sa, MODE_TUNNEL), &o.mode)) {
                o.mode = 0;
            }
            unsigned wrong =
                p2_compare(&d->sa, f, set, m->sa.transform[j].id, &o, (m->seen & PB_KE) != 0, why);
            if (wrong == 0) {
                *out = (struct p2_choice){
                    .proposal = i, .transform = j, .spi = be32(p->spi), .offer = o, .set = *set};
                return true;
            }
            if (wrong < *best) {
                *best = wrong;
                draft_why(d, WHY_NO_TRANSFORM, "%s", why);
            }
        }
    }
    return false;
}

bool p2_select(struct ike *ike, const struct ike_sa *sa, const struct ike_flow_value *f,
               const struct isakmp_msg *m, struct p2_choice *out, struct draft *d)
{
    unsigned best = 99;
    draft_why(d, WHY_NO_TRANSFORM, "offered no ESP proposal with an SPI, flow %s wants ESP",
              f->map);
    for (unsigned i = 0; i < f->num_transforms; i++) {
        if (p2_try_set(f, &f->transform[i], m, out, &best, d)) {
            p2_trace(ike, sa, &m->sa, out->proposal, out->transform);
            ev_ike_p2_accept(
                ike->log, sa->c.conn_id, &sa->remote.a,
                &(struct evb_ike_p2_accept){.proposal = m->sa.proposal[out->proposal].number});
            d->why = WHY_NONE;
            return true;
        }
    }
    for (unsigned i = 0; i < m->sa.num_proposals; i++) {
        for (unsigned j = 0; j < m->sa.proposal[i].num; j++) {
            p2_trace(ike, sa, &m->sa, i, m->sa.proposal[i].first + j);
        }
    }
    ev_ike_p2_refuse(ike->log, sa->c.conn_id, &sa->remote.a,
                     &(struct evb_ike_p2_refuse){.why = ev_textf("%s", d->detail)});
    return false;
}

/* ---- writing ---- */

static void write_attrs(struct wr *w, u8 encr, u8 auth, u16 mode, u16 group, u32 life_s, u64 life_kb)
{
    isakmp_out_attr(w, P2_ENCAPS, mode);
    isakmp_out_attr(w, P2_LIFE_TYPE, LIFE_SECONDS);
    if (life_s < 0x10000) {
        isakmp_out_attr(w, P2_LIFE, (u16)life_s);
    } else {
        isakmp_out_attr_u32(w, P2_LIFE, life_s);
    }
    if (life_kb) {
        u32 kb = life_kb > UINT32_MAX ? UINT32_MAX : (u32)life_kb;
        isakmp_out_attr(w, P2_LIFE_TYPE, LIFE_KILOBYTES);
        isakmp_out_attr_u32(w, P2_LIFE, kb);
    }
    if (auth != HASH_NONE) {
        isakmp_out_attr(w, P2_AUTH, hash_row(auth)->auth_id);
    }
    if (encr_row(encr)->attr_bits) {
        isakmp_out_attr(w, P2_KEY_LEN, encr_row(encr)->attr_bits);
    }
    if (group) {
        isakmp_out_attr(w, P2_GROUP, group);
    }
}

void p2_write(struct isakmp_out *o, const struct sa_core *c, const struct ike_flow_value *f, u32 spi)
{
    struct isakmp_prop_out p;
    u8 s[4];
    put32(s, spi);
    isakmp_out_sa(o);
    isakmp_out_proposal(o, &p, 1, PROTO_ESP, s, 4);
    for (unsigned i = 0; i < f->num_transforms; i++) {
        const struct ike_transform *t = &f->transform[i];
        isakmp_out_transform(o, &p, (u8)encr_row(t->encr)->esp_id);
        write_attrs(&o->w, t->encr, t->auth, natt_encaps(c, t->mode), f->pfs_group, f->life_s, f->life_kb);
        isakmp_out_transform_end(o, &p);
    }
    isakmp_out_proposal_end(o, &p, true);
    isakmp_out_end(o);
}

/* ---- proxy identities ---- */

static bool one_side(struct prefix *out, u16 *lo, u16 *hi, const struct isakmp_id *id,
                     struct draft *d)
{
    if (!isakmp_id_prefix(out, id)) {
        draft_why(d, WHY_PROXY, "proxy identity of type %s, wanted an address or a subnet",
                  isakmp_id_name(id->type));
        return false;
    }
    *lo = id->port;
    *hi = id->port ? id->port : 0xffff;
    return true;
}

bool proxy_read(struct selector *out, const struct isakmp_msg *m, bool we_initiated,
                struct draft *d)
{
    const struct isakmp_id *ours = &m->id[we_initiated ? 0 : 1],
                           *theirs = &m->id[we_initiated ? 1 : 0];
    memset(out, 0, sizeof *out);
    if (!one_side(&out->src, &out->sport_lo, &out->sport_hi, ours, d) ||
        !one_side(&out->dst, &out->dport_lo, &out->dport_hi, theirs, d)) {
        return false;
    }
    if (ours->proto != theirs->proto || out->src.a.family != out->dst.a.family) {
        draft_why(d, WHY_PROXY,
                  "proxy identities of protocols %u and %u, wanted one protocol and family",
                  m->id[0].proto, m->id[1].proto);
        return false;
    }
    out->proto = ours->proto;
    return true;
}

static void keep_last_id(struct bytes_id *out, const struct isakmp_out *o)
{
    out->len = (u16)MIN(wr_len(&o->w) - o->begin - 4, sizeof out->b);
    memcpy(out->b, o->w.base + o->begin + 4, out->len);
}

void proxy_write(struct isakmp_out *o, struct bytes_id *idi, struct bytes_id *idr,
                 const struct selector *sel)
{
    isakmp_out_id_prefix(o, &sel->src, sel->proto,
                         sel->sport_lo == sel->sport_hi ? sel->sport_lo : 0);
    keep_last_id(idi, o);
    isakmp_out_id_prefix(o, &sel->dst, sel->proto,
                         sel->dport_lo == sel->dport_hi ? sel->dport_lo : 0);
    keep_last_id(idr, o);
}
