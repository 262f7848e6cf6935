/*
 * natt.c: NAT traversal of IKEv1 (RFC 3947, and drafts 02, 03 and 07 before it): what both ends speak of it, the discovery (each
 * end sends the hash of both addresses and ports with the cookies; a hash that does not fit what arrived tells of a NAT), the
 * change to port 4500, the marker in front of IKE there (RFC 3948 2.2), and the keepalives that keep the NAT's mapping.
 *
 * Where the far end is, only a message says that its keys prove: engine_commit moves the SA there (sa_move). On the walk:
 * p1_choose, p1_answered -> [natt_choose], p1_keys -> [natd_check], mm_i4, am_i2 -> [natt_float].
 */
#include "ike/ike_int.h"

/* The variants, the best first; and how each numbers its payloads and modes. */
static const struct variant {
    u16 vid; /* enum vid_bit */
    u8 natd, natoa;
    u16 modes; /* + enum dp_mode = Encapsulation-Mode: RFC 3947 5.1, draft 03 4.1 */
} variants[] = {
    {VB_NATT_RFC, PL_NATD, PL_NATOA, 2},
    {VB_NATT_V7, PL_NATD_V7, PL_NATOA_V7, 2},
    {VB_NATT_V3, PL_NATD_DRAFT, PL_NATOA_DRAFT, 61442},
    {VB_NATT_V2, PL_NATD_DRAFT, PL_NATOA_DRAFT, 61442},
};

static const struct variant *variant_of(u16 vid)
{
    for (unsigned i = 0; i < ARRAY_LEN(variants); i++) {
        if (variants[i].vid == vid) {
            return &variants[i];
        }
    }
    return NULL;
}

static bool speaks(const struct ike *ike)
{
    return ike->env.natt && !ike->conf->global.natt_off;
}

u32 natt_offers(const struct ike *ike)
{
    u32 all = 0;
    for (unsigned i = 0; i < ARRAY_LEN(variants); i++) {
        all |= variants[i].vid;
    }
    return speaks(ike) ? all : 0;
}

u16 natt_choose(const struct ike *ike, u32 vids)
{
    for (unsigned i = 0; i < ARRAY_LEN(variants) && speaks(ike); i++) {
        if (vids & variants[i].vid) {
            return variants[i].vid;
        }
    }
    return 0;
}

/* ---- discovery ---- */

static void natd_hash(u8 *out, const struct sa_core *c, const struct endpoint *e)
{
    u8 port[2];
    put16(port, e->port);
    hash_of(
        out, c->hash,
        (struct iov[]){{c->cookie_i, 8}, {c->cookie_r, 8}, {e->a.b, addr_len(&e->a)}, {port, 2}},
        4);
}

void natd_write(struct draft *d)
{
    const struct variant *v = variant_of(d->sa.natt);
    u8 hash[HASH_MAX];
    size_t len = hash_row(d->sa.hash)->len;
    if (v) { /* RFC 3947 3.2: first where it goes, then where it comes from */
        natd_hash(hash, &d->sa, &d->remote);
        isakmp_out_payload(&d->out, v->natd, hash, len);
        natd_hash(hash, &d->sa, &d->local);
        isakmp_out_payload(&d->out, v->natd, hash, len);
    }
}

void natd_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                struct draft *d)
{
    u8 ours[HASH_MAX], theirs[HASH_MAX];
    struct sa_core *c = &d->sa;
    size_t len = hash_row(c->hash)->len;
    if (m->num_natd < 2) {
        bool later = d->x.exchange == XCH_AGGRESSIVE && !c->initiator && c->phase == PHASE_HALF;
        c->natt = later ? c->natt : 0; /* it spoke of it and does not do it; aggressive mode: in its second and third message */
        return;
    }
    natd_hash(ours, c, &d->local);
    natd_hash(theirs, c, &d->remote);
    bool we_behind = m->natd[0].len != len || memcmp(m->natd[0].p, ours, len) != 0,
         peer_behind = true;
    for (unsigned i = 1; i < m->num_natd;
         i++) { /* a peer with many addresses sends one hash for each */
        if (m->natd[i].len == len && memcmp(m->natd[i].p, theirs, len) == 0) {
            peer_behind = false;
        }
    }
    c->nat = (u8)((we_behind ? NAT_US : 0) | (peer_behind ? NAT_PEER : 0));
    if (c->nat) {
        ev_ike_nat(
            ike->log, c->conn_id, &sa->remote.a,
            &(struct evb_ike_nat){.where = ev_str(we_behind && peer_behind ? "in front of both ends"
                                                  : we_behind              ? "in front of us"
                                                              : "in front of the peer"),
                                  .then = ev_str(c->natt ? "ESP goes in UDP, port 4500"
                                                         : "no NAT traversal: plain ESP may not pass")});
    }
}

void natt_float(struct draft *d)
{
    if (natt_udp(&d->sa) && d->local.port != NATT_PORT) { /* RFC 3947 4: the initiator changes, the responder follows */
        d->local.port = d->remote.port = NATT_PORT;
    }
}

/* ---- quick mode ---- */

u16 natt_encaps(const struct sa_core *c, u8 mode)
{
    const struct variant *v = natt_udp(c) ? variant_of(c->natt) : NULL;
    return v ? (u16)(v->modes + mode) : mode;
}

bool natt_mode(const struct sa_core *c, u16 encaps, u8 *out)
{
    for (u8 mode = MODE_TUNNEL; mode <= MODE_TRANSPORT; mode++) {
        if (encaps == natt_encaps(c, mode)) {
            *out = mode;
            return true;
        }
    }
    return false;
}

void natt_write_oa(struct draft *d, const struct ike_sa *sa)
{
    const struct variant *v = natt_udp(&d->sa) ? variant_of(d->sa.natt) : NULL;
    const struct addr *both[2] = {d->x.initiator ? &sa->local.a : &sa->remote.a,
                                  d->x.initiator ? &sa->remote.a : &sa->local.a};
    for (unsigned i = 0; i < 2 && v; i++) { /* RFC 3947 5.2: NAT-OAi, then NAT-OAr */
        u8 body[20] = {both[i]->family == AF_V4 ? ID_IPV4_ADDR : ID_IPV6_ADDR};
        memcpy(body + 4, both[i]->b, addr_len(both[i]));
        isakmp_out_payload(&d->out, v->natoa, body, 4u + addr_len(both[i]));
    }
}

/* ---- on the wire ---- */

void natt_send(struct ike *ike, const struct endpoint *from, const struct endpoint *to, const u8 *data,
               size_t len)
{
    u8 marked[4 + ISAKMP_MAX + 32] = {0};
    if (from->port != NATT_PORT) {
        ike->env.send(ike->env.ctx, from, to, data, len);
        return;
    }
    if (len <= sizeof marked - 4) {
        memcpy(marked + 4, data, len);
        ike->env.send(ike->env.ctx, from, to, marked, len + 4);
    }
}

bool natt_strip(const u8 **data, size_t *len)
{
    if (*len < 4 || be32(*data) != 0) {
        return false;
    }
    *data += 4;
    *len -= 4;
    return true;
}

void natt_keepalive(struct ike *ike, struct ike_sa *sa)
{
    static const u8 one[1] = {0xff}; /* RFC 3948 2.3 */
    u32 every = ike->conf->global.nat_keepalive_s;
    if (!natt_udp(&sa->c) || !(sa->c.nat & NAT_US)) {
        return;
    }
    if (sa->natt_armed) {
        ike->env.send(ike->env.ctx, &sa->local, &sa->remote, one, sizeof one);
    }
    sa->natt_armed = true;
    timer_set(ike, &sa->natt_timer, env_now_ms(ike->clock) + (u64)(every ? every : NATT_KEEPALIVE_S) * 1000);
}
