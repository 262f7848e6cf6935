/*
 * natd.c: NAT discovery (RFC 3947 3.2 and the drafts before it): each end sends the hash of both
 * addresses and ports with the cookies; a hash that does not fit what arrived tells of a NAT. We
 * find and report it; UDP encapsulation is not there yet, so negotiation goes on at port 500.
 */
#include "ike/ike_int.h"

static u8 natd_type(u8 natt)
{
    return natt == NATT_RFC ? PL_NATD : natt == NATT_V7 ? PL_NATD_V7 : PL_NATD_DRAFT;
}

static void natd_hash(u8 *out, const struct sa_core *c, const struct endpoint *e)
{
    u8 port[2];
    put16(port, e->port);
    hash_of(
        out, c->hash,
        (struct iov[]){{c->cookie_i, 8}, {c->cookie_r, 8}, {e->a.b, addr_len(&e->a)}, {port, 2}},
        4);
}

void natd_write(struct isakmp_out *o, const struct ike_sa *sa, const struct sa_core *c)
{
    u8 h[HASH_MAX];
    if (c->natt == NATT_NONE) {
        return;
    }
    natd_hash(h, c, &sa->remote); /* the far end first */
    isakmp_out_payload(o, natd_type(c->natt), h, hash_row(c->hash)->len);
    natd_hash(h, c, &sa->local);
    isakmp_out_payload(o, natd_type(c->natt), h, hash_row(c->hash)->len);
}

void natd_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                struct sa_core *c)
{
    u8 ours[HASH_MAX], theirs[HASH_MAX];
    size_t len = hash_row(c->hash)->len;
    if (c->natt == NATT_NONE || m->num_natd < 2) {
        return;
    }
    natd_hash(ours, c, &sa->local);
    natd_hash(theirs, c, &sa->remote);
    bool we_behind = m->natd[0].len != len || memcmp(m->natd[0].p, ours, len) != 0,
         peer_behind = true;
    for (unsigned i = 1; i < m->num_natd;
         i++) { /* a peer with many addresses sends one hash for each */
        if (m->natd[i].len == len && memcmp(m->natd[i].p, theirs, len) == 0) {
            peer_behind = false;
        }
    }
    c->nat = we_behind || peer_behind;
    if (c->nat) {
        ev_ike_nat(
            ike->log, c->conn_id, &sa->remote.a,
            &(struct evb_ike_nat){.where = ev_str(we_behind && peer_behind ? "in front of both ends"
                                                  : we_behind              ? "in front of us"
                                                              : "in front of the peer")});
    }
}
