/*
 * half_open.c: first messages we have answered, from whoever that was: their address is proved when
 * our cookie comes back in message 3 (RFC 2408 2.5.3), and until then all we keep of one is what
 * message 3 needs. There is room for HALF_OPEN_BYTES of them; when it is used up the oldest goes.
 * So nobody is refused for what others may have sent in his name, and a flood costs the same memory
 * however long it lasts.
 *
 * On the walk: ike_input -> sa_find -> half_open_find -> half_open_resume -> engine_run.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

struct half_open {
    struct list link; /* in ike.half_open, the oldest first */
    struct endpoint local, remote;
    struct ike_peer *peer; /* held */
    u8 cookie_i[8], cookie_r[8], seen[32];
    u8 encr, hash;
    u16 auth, group, sa_len, tx_len;
    u32 conn_id, policy, life_s, vids, logged, number;
    u64 born_ms, resent_ms;
    char fail[96];
    u8 bytes[]; /* the initiator's SA payload, then our message 2 */
};

static size_t size_of(const struct half_open *h)
{
    return sizeof *h + h->sa_len + h->tx_len + sizeof(struct ike_peer);
}

void half_open_drop(struct ike *ike, struct half_open *h)
{
    u64 key = sa_first_key(ike, h->cookie_i, &h->remote);
    if (map_get(&ike->half_first, key) == h) {
        map_del(&ike->half_first, key);
    }
    map_del(&ike->half_cookie, be64(h->cookie_r));
    list_remove(&h->link);
    ike->half_bytes -= size_of(h);
    ike->num_half_open--;
    peer_release(ike, h->peer);
    free(h);
}

static u64 end_ms(const struct ike *ike, const struct half_open *h)
{
    return h->born_ms + retrans_budget_ms(ike);
}

static void arm(struct ike *ike)
{
    timer_set(ike, &ike->half_timer,
              list_empty(&ike->half_open)
                  ? 0
                  : end_ms(ike, CONTAINER_OF(ike->half_open.next, struct half_open, link)));
}

void half_open_keep(struct ike *ike, struct ike_sa *sa)
{
    const struct xch *x = &sa->main;
    struct half_open *h = xcalloc(1, sizeof *h + x->c.sa_i.len + x->rt.tx_len);
    h->local = sa->local;
    h->remote = sa->remote;
    memcpy(h->cookie_i, sa->c.cookie_i, 8);
    memcpy(h->cookie_r, sa->c.cookie_r, 8);
    memcpy(h->seen, x->rt.seen[0], 32);
    h->encr = sa->c.encr;
    h->hash = sa->c.hash;
    h->auth = sa->c.auth;
    h->group = sa->c.group;
    h->conn_id = sa->c.conn_id;
    h->policy = sa->c.policy;
    h->life_s = sa->c.life_s;
    h->vids = sa->c.vids;
    h->logged = sa->logged;
    h->number = sa->number;
    h->born_ms = sa->born_ms;
    h->sa_len = x->c.sa_i.len;
    h->tx_len = (u16)x->rt.tx_len;
    memcpy(h->bytes, x->c.sa_i.b, h->sa_len);
    if (h->tx_len) {
        memcpy(h->bytes + h->sa_len, x->rt.tx, h->tx_len);
    }
    h->peer = sa->peer;
    sa->peer = NULL; /* the hold on it goes over */
    map_put(&ike->half_cookie, be64(h->cookie_r), h);
    map_put(&ike->half_first, sa_first_key(ike, h->cookie_i, &h->remote), h);
    list_push_back(&ike->half_open, &h->link);
    ike->half_bytes += size_of(h);
    ike->num_half_open++;
    while (ike->half_bytes > HALF_OPEN_BYTES) {
        struct half_open *old = CONTAINER_OF(ike->half_open.next, struct half_open, link);
        ike->log->count[EV_IKE_FAIL_LIMIT]++;
        half_open_drop(ike, old);
    }
    arm(ike);
}

struct half_open *half_open_find(const struct ike *ike, const struct isakmp_hdr *hdr,
                                 const struct endpoint *from)
{
    u64 theirs = be64(hdr->cookie_r);
    struct half_open *h = theirs
                              ? map_get(&ike->half_cookie, theirs)
                              : map_get(&ike->half_first, sa_first_key(ike, hdr->cookie_i, from));
    return h && memcmp(h->cookie_i, hdr->cookie_i, 8) == 0 && endpoint_equal(&h->remote, from)
               ? h
               : NULL;
}

struct ike_sa *half_open_resume(struct ike *ike, const struct half_open *h)
{
    struct ike_sa *sa = sa_new(ike, &h->local, &h->remote);
    struct xch *x = &sa->main;
    sa->number = h->number;
    memcpy(sa->c.cookie_i, h->cookie_i, 8);
    memcpy(sa->c.cookie_r, h->cookie_r, 8);
    sa->c.encr = h->encr;
    sa->c.hash = h->hash;
    sa->c.auth = h->auth;
    sa->c.group = h->group;
    sa->c.conn_id = h->conn_id;
    sa->c.policy = h->policy;
    sa->c.life_s = h->life_s;
    sa->c.vids = h->vids;
    sa->logged = h->logged;
    sa->known = true;
    sa->born_ms = x->born_ms = h->born_ms;
    sa->peer = h->peer; /* borrowed from h until it is taken over or put back */
    x->c.state = XS_R_MM2;
    x->c.sa_i.len = h->sa_len;
    memcpy(x->c.sa_i.b, h->bytes, h->sa_len);
    retrans_saw(&x->rt, h->seen);
    retrans_sent(ike, &x->rt, h->bytes + h->sa_len, h->tx_len, TM_REPLY);
    x->rt.resent_ms = h->resent_ms;
    return sa;
}

void half_open_back(struct ike *ike, struct half_open *h, struct ike_sa *sa)
{
    h->logged = sa->logged;
    h->resent_ms = sa->main.rt.resent_ms;
    str_copy(h->fail, sizeof h->fail, sa->fail);
    sa->peer = NULL;
    sa_free(ike, sa);
}

void half_open_over(struct ike *ike, struct half_open *h)
{
    h->peer->ike_refs++; /* the SA's hold; drop gives back the half-open one's */
    half_open_drop(ike, h);
    arm(ike);
}

void half_open_tick(struct ike *ike, u64 now)
{
    while (!list_empty(&ike->half_open)) {
        struct half_open *h = CONTAINER_OF(ike->half_open.next, struct half_open, link);
        char why[160];
        if (now < end_ms(ike, h)) {
            break;
        }
        snprintf(why, sizeof why, "Death by retransmission P1 in %s%s%s", ike_state_name(XS_R_MM2),
                 h->fail[0] ? "; last seen: " : "", h->fail);
        report(ike, NULL, &h->remote.a, XCH_MAIN, WHY_TIMEOUT, why);
        half_open_drop(ike, h);
    }
    arm(ike);
}

void half_open_free(struct ike *ike)
{
    while (!list_empty(&ike->half_open)) {
        half_open_drop(ike, CONTAINER_OF(ike->half_open.next, struct half_open, link));
    }
    arm(ike);
}
