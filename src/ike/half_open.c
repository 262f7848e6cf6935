/*
 * half_open.c: first messages we have answered, from whoever that was: their address is proved when
 * our cookie comes back in message 3 (RFC 2408 2.5.3), and until then all we keep of one is what
 * message 3 needs. There is room for HALF_OPEN_BYTES of them; when it is used up the oldest goes.
 * So nobody is refused for what others may have sent in his name, and a flood costs the same memory
 * however long it lasts.
 *
 * Message 3 proves nothing but that its sender has seen the cookies: it may be forged, and come
 * before the true one. So what message 3 needs stays until message 5 has proved a peer, and each
 * message 3 makes an SA of its own, a guest; GUESTS_PER_NEGOTIATION of them. All are answered with
 * one public value and nonce of ours: one key pair is made, and the true initiator can go on from
 * whichever message 4 comes first. The guest whose keys open message 5 stays, the others go.
 *
 * On the walk: ike_input -> sa_find -> half_open_find -> guest_for, or half_open_resume ->
 * engine_run [-> half_open_proved].
 */
#include "ike/ike_int.h"

#include <stdlib.h>

struct half_open {
    struct list link;   /* in ike.half_open, the oldest first; with guests in ike.met */
    struct list guests; /* of struct ike_sa, the oldest first */
    struct timer timer; /* of one that is met */
    bool met, frag;
    struct dh *dh; /* owned: our key pair for every message 3, NULL before the first */
    u8 nr[NONCE_LEN];
    struct endpoint local, remote;
    struct ike_peer *peer; /* held */
    u8 cookie_i[8], cookie_r[8], seen[32];
    u8 encr, hash;
    u16 auth, group, natt, sa_len, tx_len;
    u32 conn_id, policy, life_s, vids, logged, number;
    u64 born_ms, resent_ms;
    char fail[96];
    u8 bytes[]; /* the initiator's SA payload, then our message 2 */
};

static size_t size_of(const struct half_open *h)
{
    return sizeof *h + h->sa_len + h->tx_len + sizeof(struct ike_peer);
}

static void drop(struct ike *ike, struct half_open *h)
{
    LIST_FOR (it, &h->guests) { /* they end by their own time */
        list_remove(it);
        CONTAINER_OF(it, struct ike_sa, half_link)->half = NULL;
    }
    timer_set(ike, &h->timer, 0);
    dh_free(h->dh);
    u64 key = sa_first_key(ike, h->cookie_i, &h->remote);
    if (map_get(&ike->half_first, key) == h) {
        map_del(&ike->half_first, key);
    }
    map_del(&ike->half_cookie, be64(h->cookie_r));
    list_remove(&h->link);
    ike->half_bytes -= h->met ? 0 : size_of(h);
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
    struct half_open *h = xcalloc(1, sizeof *h + x->talk->sa_i.len + x->rt.tx_len);
    list_init(&h->guests);
    h->timer.kind = TIMER_MET;
    h->local = sa->local;
    h->remote = sa->remote;
    memcpy(h->cookie_i, sa->c.cookie_i, 8);
    memcpy(h->cookie_r, sa->c.cookie_r, 8);
    memcpy(h->seen, x->rt.seen[0], 32);
    h->encr = sa->c.encr;
    h->hash = sa->c.hash;
    h->auth = sa->c.auth;
    h->natt = sa->c.natt;
    h->frag = sa->c.frag;
    h->group = sa->c.group;
    h->conn_id = sa->c.conn_id;
    h->policy = sa->c.policy;
    h->life_s = sa->c.life_s;
    h->vids = sa->c.vids;
    h->logged = sa->logged;
    h->number = sa->number;
    h->born_ms = sa->born_ms;
    h->sa_len = x->talk->sa_i.len;
    h->tx_len = (u16)x->rt.tx_len;
    memcpy(h->bytes, x->talk->sa_i.b, h->sa_len);
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
        drop(ike, old);
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
    /* message 5 may come by another port (RFC 3947 4): whether it is of one of the guests their keys say */
    bool floats = h && h->natt && (hdr->flags & FL_ENCRYPTED) && !list_empty(&h->guests);
    return h && memcmp(h->cookie_i, hdr->cookie_i, 8) == 0 && (floats || endpoint_equal(&h->remote, from))
               ? h
               : NULL;
}

struct ike_sa *half_open_resume(struct ike *ike, const struct half_open *h)
{
    struct ike_sa *sa = sa_new(ike, &h->local, &h->remote);
    struct xch *x = &sa->main;
    if (list_empty(&h->guests)) {
        sa->number = h->number;
    }
    memcpy(sa->c.cookie_i, h->cookie_i, 8);
    memcpy(sa->c.cookie_r, h->cookie_r, 8);
    sa->c.encr = h->encr;
    sa->c.hash = h->hash;
    sa->c.auth = h->auth;
    sa->c.natt = h->natt;
    sa->c.frag = h->frag;
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
    x->talk = xcalloc(1, sizeof *x->talk);
    x->talk->sa_i.len = h->sa_len;
    memcpy(x->talk->sa_i.b, h->bytes, h->sa_len);
    retrans_saw(&x->rt, h->seen);
    retrans_sent(ike, &x->rt, h->bytes + h->sa_len, h->tx_len, TM_REPLY);
    x->rt.resent_ms = h->resent_ms;
    if (h->dh) {
        x->dh = h->dh; /* lent */
        x->talk->nr.len = NONCE_LEN;
        memcpy(x->talk->nr.b, h->nr, NONCE_LEN);
    }
    return sa;
}

void half_open_back(struct ike *ike, struct half_open *h, struct ike_sa *sa)
{
    h->logged = sa->logged;
    h->resent_ms = sa->main.rt.resent_ms;
    str_copy(h->fail, sizeof h->fail, sa->fail);
    sa->peer = NULL;
    sa->main.dh = NULL;
    sa_free(ike, sa);
}

bool half_open_pieces(const struct half_open *h)
{
    return h->frag;
}

struct list *half_open_guests(struct half_open *h)
{
    return &h->guests;
}

/* oldest_of_all: the guest that has to make room for one more, NULL: there is room. */
static struct ike_sa *oldest_of_all(const struct half_open *h)
{
    unsigned num = 0;
    LIST_FOR (it, &h->guests) {
        num++;
    }
    return num < GUESTS_PER_NEGOTIATION ? NULL
                                        : CONTAINER_OF(h->guests.next, struct ike_sa, half_link);
}

bool half_open_full(const struct ike *ike, const struct half_open *h, const u8 hash[32])
{
    const struct ike_sa *oldest = oldest_of_all(h);
    return oldest && memcmp(h->seen, hash, 32) != 0 &&
           env_now_ms(ike->clock) - oldest->keyed_ms < GUEST_STAY_MS;
}

void half_open_guest(struct ike *ike, struct half_open *h, struct ike_sa *sa)
{
    struct ike_sa *oldest = oldest_of_all(h);
    if (oldest) {
        report(ike, oldest, &oldest->remote.a, XCH_MAIN, WHY_LIMIT,
               "message 3 came in many forms, and message 5 of this one did not come");
        sa_free(ike, oldest);
    }
    if (!h->met) { /* first messages push it out no more; there are no more of these than guests */
        ike->half_bytes -= size_of(h);
        h->met = true;
        list_remove(&h->link);
        list_push_back(&ike->met, &h->link);
        timer_set(ike, &h->timer, end_ms(ike, h));
        arm(ike);
    }
    if (!h->dh) {
        h->dh = sa->main.dh;
        memcpy(h->nr, sa->main.talk->nr.b, NONCE_LEN);
    }
    sa->main.dh = NULL;
    sa->half = h;
    list_push_back(&h->guests, &sa->half_link);
    h->peer->ike_refs++; /* the SA's hold; drop gives back the half-open one's */
}

void half_open_proved(struct ike *ike, struct ike_sa *sa)
{
    struct half_open *h = sa->half;
    if (!h) {
        return;
    }
    list_remove(&sa->half_link);
    sa->half = NULL;
    LIST_FOR (it, &h->guests) {
        sa_free(ike, CONTAINER_OF(it, struct ike_sa, half_link));
    }
    drop(ike, h);
    sa_findable(ike, sa);
}

void half_open_left(struct ike *ike, struct half_open *h)
{
    if (h && list_empty(&h->guests)) {
        drop(ike, h);
    }
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
        drop(ike, h);
    }
    arm(ike);
}

void half_open_due(struct ike *ike, struct timer *t)
{
    drop(ike, CONTAINER_OF(t, struct half_open, timer)); /* its guests say what was the matter */
}

void half_open_free(struct ike *ike)
{
    struct list *all[] = {&ike->half_open, &ike->met};
    for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
        LIST_FOR (it, all[i]) {
            drop(ike, CONTAINER_OF(it, struct half_open, link));
        }
    }
    arm(ike);
}
