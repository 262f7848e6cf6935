/*
 * natd.c: NAT discovery (RFC 3947 3.2 and the drafts before it): each end sends the hash of both
 * addresses and ports with the cookies; a hash that does not fit what arrived tells of a NAT. We
 * have no NAT traversal and do not say that we had, so no peer should send these; from one that
 * does we learn, and tell the operator, that a NAT is there.
 */
#include "ike/ike_int.h"

static void natd_hash(u8 *out, const struct sa_core *c, const struct endpoint *e)
{
    u8 port[2];
    put16(port, e->port);
    hash_of(
        out, c->hash,
        (struct iov[]){{c->cookie_i, 8}, {c->cookie_r, 8}, {e->a.b, addr_len(&e->a)}, {port, 2}},
        4);
}

void natd_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                struct sa_core *c)
{
    u8 ours[HASH_MAX], theirs[HASH_MAX];
    size_t len = hash_row(c->hash)->len;
    if (m->num_natd < 2) {
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
