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
        case P2_ESN: /* RFC 4304 3.1: 1 is the one value there is */
            out->esn = v == 1;
            out->surplus = v == 1 ? out->surplus : P2_ESN;
            break;
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

static const char *transform_name(u8 proto, u8 id, u16 key_bits)
{
    enum encr_id e = proto == PROTO_ESP ? encr_from_esp(id, key_bits) : ENCR_NONE;
    enum hash_id h = proto == PROTO_AH ? hash_from_ah(id) : HASH_NONE;
    enum comp_id c = proto == PROTO_IPCOMP ? comp_from_ipcomp(id) : COMP_NONE;
    return e ? encr_row(e)->debug_p2 : h ? hash_row(h)->debug_ah : c ? comp_row(c)->debug : "unknown";
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
    ev_ike_p2_transform(
        ike->log, sa->c.conn_id, &sa->remote.a,
        &(struct evb_ike_p2_transform){
            .transform = t->number,
            .name = ev_str(transform_name(offer->proposal[proposal].proto, t->id, o.key_bits))});
    while (isakmp_attr_next(&a, &r)) {
        trace_attr(ike, sa, &a, &life_type);
    }
}

/* ---- choosing ---- */

static const char *mode_name(unsigned mode)
{
    return mode == MODE_TRANSPORT ? "transport mode" : "tunnel mode";
}

/* needs: does the set have an SA of that protocol? */
static bool needs(const struct ike_transform *set, unsigned proto)
{
    return proto == PROTO_ESP      ? set->encr != ENCR_NONE
           : proto == PROTO_AH     ? set->ah != HASH_NONE
           : proto == PROTO_IPCOMP ? set->comp != COMP_NONE
                                   : false;
}

static const char *protocols(const struct ike_transform *set)
{
    return p2_is_bundle(set) ? set->comp ? "AH, ESP and IPComp" : "AH and ESP"
           : set->encr       ? set->comp ? "ESP and IPComp" : "ESP"
           : set->comp       ? "AH and IPComp"
                             : "AH";
}

/* differ: counts what is wrong in an offered transform; the first is written out. */
struct differ {
    unsigned wrong;
    char *why;
};
#define DIFFERS(cond, ...)                                                                         \
    if ((cond) && d->wrong++ == 0) {                                                               \
        snprintf(d->why, 160, __VA_ARGS__);                                                        \
    }

static void compare_esp(struct differ *d, const struct ike_transform *set, u8 id,
                        const struct p2_offer *o)
{
    enum encr_id e = encr_from_esp(id, o->key_bits);
    enum hash_id h = hash_from_auth(o->auth_id);
    char raw[40];
    snprintf(raw, sizeof raw, "ESP cipher %u/%u", id, o->key_bits);
    DIFFERS(e != set->encr, "offered %s, transform set %s wants %s", e ? encr_row(e)->human : raw,
            set->name, encr_row(set->encr)->human)
    snprintf(raw, sizeof raw, "authenticator %u", o->auth_id);
    DIFFERS(h != set->auth, "offered %s, transform set %s wants %s",
            h || !o->auth_id ? hash_row(h)->human : raw, set->name, hash_row(set->auth)->human)
}

/* RFC 2407 4.4.3: the transform and the attribute say the same. */
static void compare_ah(struct differ *d, const struct ike_transform *set, u8 id,
                       const struct p2_offer *o)
{
    enum hash_id h = hash_from_ah(id);
    char raw[40];
    snprintf(raw, sizeof raw, "AH transform %u", id);
    DIFFERS(h != set->ah, "offered %s%s, transform set %s wants AH with %s", h ? "AH with " : "",
            h ? hash_row(h)->human : raw, set->name, hash_row(set->ah)->human)
    DIFFERS(o->auth_id != hash_row(set->ah)->auth_id,
            "offered AH with authenticator %u, transform set %s wants %u", o->auth_id, set->name,
            hash_row(set->ah)->auth_id)
    DIFFERS(o->key_bits, "offered AH with a key length, transform set %s wants none", set->name)
}

/* The algorithm is all there is to it (RFC 2407 4.4.5): no group, no key, and its life is that of the SA around it. */
static void compare_comp(struct differ *d, const struct ike_transform *set, u8 id)
{
    enum comp_id c = comp_from_ipcomp(id);
    char raw[40];
    snprintf(raw, sizeof raw, "compression %u", id);
    DIFFERS(c != set->comp, "offered %s, transform set %s wants %s", c ? comp_row(c)->human : raw, set->name,
            comp_row((enum comp_id)set->comp)->human)
}

/* read_mode: the mode that an offered transform means: in UDP or not, as the ISAKMP SA has it; 0: none that fits. */
static u8 read_mode(const struct sa_core *c, u8 proto, u16 encaps)
{
    u8 mode = 0;
    if (proto == PROTO_AH) { /* never in UDP (RFC 3948 1) */
        return encaps == 0 ? MODE_TUNNEL : encaps <= ENCAPS_TRANSPORT ? (u8)encaps : 0;
    }
    return natt_mode(c, encaps ? encaps : natt_encaps(c, MODE_TUNNEL), &mode) ? mode : 0;
}

/* p2_compare: how many things differ between an offered transform and a set of ours; the first is
 * written out. */
static unsigned p2_compare(const struct sa_core *c, const struct ike_flow_value *f,
                           const struct ike_transform *set, u8 proto, u8 id, const struct p2_offer *o,
                           bool have_ke, char why[160])
{
    struct differ differ = {.why = why}, *d = &differ;
    why[0] = 0;
    if (proto == PROTO_IPCOMP) {
        compare_comp(d, set, id);
        return differ.wrong;
    }
    if (proto == PROTO_ESP) {
        compare_esp(d, set, id, o);
    } else {
        compare_ah(d, set, id, o);
    }
    DIFFERS(proto == PROTO_AH && natt_udp(c), "offered AH, and a NAT stands between: it would not get through")
    DIFFERS(!o->mode, "offered encapsulation mode %u, wanted %s UDP (%s)", o->encaps,
            natt_udp(c) ? "one in" : "none in",
            natt_udp(c) ? "a NAT stands between" : "no NAT stands between")
    /* around ESP, AH has no outer header of its own: some call that tunnel mode and some transport */
    bool around = proto == PROTO_AH && set->encr, either = (f->any_mode || set->mode == MODE_TRANSPORT) && !set->require;
    DIFFERS(!around && o->mode && o->mode != set->mode && !either,
            "offered %s, transform set %s wants %s", mode_name(o->mode), set->name,
            mode_name(set->mode))
    DIFFERS(f->pfs_group && !o->group, "offered no PFS, flow %s wants PFS group %u", f->map, f->pfs_group)
    DIFFERS(f->pfs_group && o->group && o->group != f->pfs_group,
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
    DIFFERS(o->esn && !set->esn, "offered extended sequence numbers, transform set %s wants none",
            set->name)
    DIFFERS(!o->esn && set->esn, "offered no extended sequence numbers, transform set %s wants them",
            set->name)
    DIFFERS(o->surplus, "offered attribute %u (%s), wanted none of it", o->surplus,
            isakmp_p2_attr_name(o->surplus))
    return differ.wrong;
}
#undef DIFFERS

/* read_spi: a CPI may come in four bytes; those below 256 but the algorithm's own are nobody's to use (RFC 3173 3.3, 4.1). */
static bool read_spi(u32 *out, const struct isakmp_proposal *p, const struct ike_transform *set)
{
    *out = p->spi_len == 4 ? be32(p->spi) : p->spi_len == 2 ? be16(p->spi) : 0;
    if (p->proto == PROTO_IPCOMP) {
        return (*out >= 256 && *out < 0x10000) || (*out && *out == comp_row((enum comp_id)set->comp)->id);
    }
    return p->spi_len == 4 && *out >= 256;
}

/* gather: the proposals of one number are offered together (RFC 2408 4.2): are they exactly the
 * protocols of the set, with SPIs? */
static bool gather(struct p2_choice *c, const struct ike_transform *set, const struct isakmp_sa *sa,
                   u8 number)
{
    bool fits = true;
    memset(c->part, 0, sizeof c->part);
    for (unsigned i = 0; i < sa->num_proposals; i++) {
        const struct isakmp_proposal *p = &sa->proposal[i];
        if (p->number != number) {
            continue;
        }
        u32 spi;
        fits = fits && needs(set, p->proto) && !c->part[p->proto].there && read_spi(&spi, p, set);
        if (fits) {
            c->part[p->proto] = (struct p2_part){.there = true, .proposal = i, .spi = spi};
        }
    }
    for (unsigned proto = 0; fits && proto < P2_PROTOS; proto++) {
        fits = needs(set, proto) == c->part[proto].there;
    }
    return fits;
}

/* merge: what the transforms of one number say about the pair as a whole; IPComp's nothing. */
static bool merge(struct p2_offer *all, const struct p2_offer *o, unsigned num)
{
    if (num == 0) {
        *all = *o;
        return true;
    }
    all->life_s = MIN(all->life_s, o->life_s);
    all->life_kb = !all->life_kb || (o->life_kb && o->life_kb < all->life_kb) ? o->life_kb
                                                                              : all->life_kb;
    return all->group == o->group;
}

/* try_part: the first transform of that protocol which fits. */
static bool try_part(const struct ike_flow_value *f, const struct ike_transform *set,
                     const struct isakmp_msg *m, struct p2_part *part, struct p2_offer *out,
                     unsigned *best, struct draft *d)
{
    const struct isakmp_proposal *p = &m->sa.proposal[part->proposal];
    char why[160];
    for (unsigned j = p->first; j < p->first + (unsigned)p->num; j++) {
        p2_read(out, &m->sa.transform[j]);
        out->mode = read_mode(&d->sa, p->proto, out->encaps);
        unsigned wrong = p2_compare(&d->sa, f, set, p->proto, m->sa.transform[j].id, out,
                                    (m->seen & PB_KE) != 0, why);
        if (wrong == 0) {
            part->transform = j;
            return true;
        }
        if (wrong < *best) {
            *best = wrong;
            draft_why(d, WHY_NO_TRANSFORM, "%s", why);
        }
    }
    return false;
}

static bool p2_try_set(const struct ike_flow_value *f, const struct ike_transform *set,
                       const struct isakmp_msg *m, struct p2_choice *out, unsigned *best,
                       struct draft *d)
{
    for (unsigned i = 0; i < m->sa.num_proposals; i++) {
        u8 number = m->sa.proposal[i].number;
        bool fits = (i == 0 || m->sa.proposal[i - 1].number != number) &&
                    gather(out, set, &m->sa, number);
        unsigned num = 0;
        /* ESP before AH: its mode is the pair's */
        for (unsigned proto = P2_PROTOS; fits && proto-- > 0;) {
            struct p2_offer o;
            if (out->part[proto].there) {
                fits = try_part(f, set, m, &out->part[proto], &o, best, d) &&
                       (proto == PROTO_IPCOMP || merge(&out->offer, &o, num++));
            }
        }
        if (fits) {
            out->set = *set;
            return true;
        }
    }
    return false;
}

static u8 chosen_number(const struct isakmp_sa *sa, const struct p2_choice *c)
{
    unsigned proto = c->part[PROTO_ESP].there ? PROTO_ESP : PROTO_AH;
    return sa->proposal[c->part[proto].proposal].number;
}

static void wanted(const struct ike_flow_value *f, const struct isakmp_sa *sa, struct draft *d)
{
    const char *what = f->num_transforms ? protocols(&f->transform[0]) : "ESP";
    bool offered = false, taken = false;
    for (unsigned i = 0; i < sa->num_proposals; i++) {
        offered |= sa->proposal[i].proto == PROTO_IPCOMP;
    }
    for (unsigned i = 0; i < f->num_transforms; i++) {
        taken |= f->transform[i].comp != COMP_NONE;
    }
    if (offered && !taken) {
        draft_why(d, WHY_NO_TRANSFORM, "offered %s with IPComp (compression), flow %s wants %s without it", what, f->map, what);
        return;
    }
    draft_why(d, WHY_NO_TRANSFORM, "offered no %s proposal with an SPI, flow %s wants %s", what,
              f->map, what);
}

bool p2_select(struct ike *ike, const struct ike_sa *sa, const struct ike_flow_value *f,
               const struct isakmp_msg *m, struct p2_choice *out, struct draft *d)
{
    unsigned best = 99;
    wanted(f, &m->sa, d);
    for (unsigned i = 0; i < f->num_transforms; i++) {
        if (p2_try_set(f, &f->transform[i], m, out, &best, d)) {
            for (unsigned proto = 0; proto < P2_PROTOS; proto++) {
                if (out->part[proto].there) {
                    p2_trace(ike, sa, &m->sa, out->part[proto].proposal, out->part[proto].transform);
                }
            }
            ev_ike_p2_accept(ike->log, sa->c.conn_id, &sa->remote.a,
                             &(struct evb_ike_p2_accept){.proposal = chosen_number(&m->sa, out)});
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

static void write_attrs(struct wr *w, const struct sa_core *c, const struct ike_flow_value *f,
                        const struct ike_transform *t, unsigned proto)
{
    enum hash_id auth = proto == PROTO_AH ? t->ah : t->auth;
    u16 key_bits = proto == PROTO_AH ? 0 : encr_row(t->encr)->attr_bits, group = f->pfs_group;
    u32 life_s = f->life_s;
    u64 life_kb = f->life_kb;
    if (proto == PROTO_IPCOMP) {
        auth = HASH_NONE;
        key_bits = group = 0;
    }
    isakmp_out_attr(w, P2_ENCAPS, proto == PROTO_AH ? t->mode : natt_encaps(c, t->mode));
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
    if (key_bits) {
        isakmp_out_attr(w, P2_KEY_LEN, key_bits);
    }
    if (group) {
        isakmp_out_attr(w, P2_GROUP, group);
    }
    if (t->esn && proto != PROTO_IPCOMP) {
        isakmp_out_attr(w, P2_ESN, 1);
    }
}

/* shares: two sets are alternatives in one proposal: both of one protocol, the same. */
static bool shares(const struct ike_transform *a, const struct ike_transform *b)
{
    return !p2_is_bundle(a) && !p2_is_bundle(b) && !a->comp && !b->comp && (a->encr != 0) == (b->encr != 0);
}

void p2_place(const struct ike_flow_value *f, unsigned n, u8 *out_proposal, u8 *out_transform)
{
    *out_proposal = *out_transform = 1;
    for (unsigned i = 1; i <= n; i++) {
        bool same = shares(&f->transform[i - 1], &f->transform[i]);
        *out_transform = same ? (u8)(*out_transform + 1) : 1;
        *out_proposal = same ? *out_proposal : (u8)(*out_proposal + 1);
    }
}

/* begin_proposal: of that protocol, with our SPI of it; a CPI is sent in its two bytes (RFC 3173 4.1). */
static void begin_proposal(struct isakmp_out *o, struct isakmp_prop_out *p, u8 number, unsigned proto, bool around,
                           const struct p2_spis *s)
{
    u8 b[4];
    if (proto == PROTO_IPCOMP) {
        put16(b, s->cpi);
    } else {
        put32(b, proto == PROTO_AH && around ? s->ah : s->spi);
    }
    isakmp_out_proposal(o, p, number, (u8)proto, b, proto == PROTO_IPCOMP ? 2 : 4);
}

/* write_one: a proposal of one protocol with the sets from n on that share it; how many. last: of those that the set has. */
static unsigned write_one(struct isakmp_out *o, const struct sa_core *c, const struct ike_flow_value *f,
                          unsigned n, unsigned proto, const struct p2_spis *s, bool last)
{
    struct isakmp_prop_out p;
    u8 number, transform;
    unsigned done = 0;
    p2_place(f, n, &number, &transform);
    begin_proposal(o, &p, number, proto, p2_is_bundle(&f->transform[n]), s);
    do {
        const struct ike_transform *t = &f->transform[n + done];
        u8 id = proto == PROTO_AH       ? hash_row(t->ah)->ah_id
                : proto == PROTO_IPCOMP ? comp_row((enum comp_id)t->comp)->id
                                        : (u8)encr_row(t->encr)->esp_id;
        isakmp_out_transform(o, &p, id);
        write_attrs(&o->w, c, f, t, proto);
        isakmp_out_transform_end(o, &p);
        done++;
    } while (n + done < f->num_transforms && shares(&f->transform[n], &f->transform[n + done]));
    isakmp_out_proposal_end(o, &p, last && n + done == f->num_transforms);
    return done;
}

void p2_write(struct isakmp_out *o, const struct sa_core *c, const struct ike_flow_value *f, struct p2_spis s)
{
    isakmp_out_sa(o);
    for (unsigned n = 0; n < f->num_transforms;) {
        const struct ike_transform *t = &f->transform[n];
        unsigned done = 0, last = t->comp ? PROTO_IPCOMP : t->encr ? PROTO_ESP : PROTO_AH;
        for (unsigned proto = 0; proto < P2_PROTOS; proto++) {
            if (needs(t, proto)) {
                done = write_one(o, c, f, n, proto, &s, proto == last);
            }
        }
        n += done ? done : 1;
    }
    isakmp_out_end(o);
}

bool p2_keep(struct bytes_sa *out, const struct isakmp_sa *sa, const struct p2_choice *c)
{
    struct wr w = wr_init(out->b, sizeof out->b);
    for (u8 proto = 0; proto < P2_PROTOS; proto++) {
        const struct isakmp_transform *t = &sa->transform[c->part[proto].transform];
        if (c->part[proto].there) {
            wr_u8(&w, proto);
            wr_u8(&w, sa->proposal[c->part[proto].proposal].number);
            wr_u8(&w, t->number);
            wr_u8(&w, t->id);
            wr_u16(&w, t->attrs_len);
            wr_bytes(&w, t->attrs, t->attrs_len);
        }
    }
    out->len = w.bad ? 0 : (u16)wr_len(&w);
    return !w.bad;
}

void p2_repeat(struct isakmp_out *o, const struct bytes_sa *kept, struct p2_spis s)
{
    struct rd r = rd_init(kept->b, kept->len);
    isakmp_out_sa(o);
    while (rd_left(&r)) {
        struct isakmp_prop_out p;
        u8 proto = rd_u8(&r), number = rd_u8(&r), transform = rd_u8(&r), id = rd_u8(&r);
        u16 len = rd_u16(&r);
        begin_proposal(o, &p, number, proto, s.ah != 0, &s);
        isakmp_out_transform_number(o, &p, transform, id);
        wr_bytes(&o->w, rd_bytes(&r, len), len);
        isakmp_out_transform_end(o, &p);
        isakmp_out_proposal_end(o, &p, rd_left(&r) == 0);
    }
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
