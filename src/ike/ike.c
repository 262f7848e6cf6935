/*
 * ike.c: THE MAP of the key daemon. Bytes, values and time come in here; everything else is called
 * from here.
 *
 *   a datagram  ike_input -> isakmp_hdr_read -> sa_find (or half_open_find, or a candidate for
 *               message 1) -> engine_run: find_exchange -> retrans_check -> row_find ->
 *               open_message -> decode -> row_check -> handler (v1_*.c writes a draft) -> answer ->
 *               seal -> engine_commit -> child_install
 *               (in) -> send_draft -> child_install (out)
 *   a value     ike_ctl -> config.c (then what client.c has parked), show.c;  ike_from_dp -> flow.c, child.c, restart.c
 *   the clock   ike_tick -> session_tick: the timers that are due
 *
 * What follows from each (a flow that waited, a Delete to be said) stands in the queue of todo.c
 * until session_settle does it at the end of the entry point.
 *
 * RFC 2407, 2408, 2409. No socket, no clock, no file, no global.
 */
#include "ike/client.h"
#include "ike/v1.h"

#include <stdlib.h>

struct ike *ike_new(const struct ike_env *env)
{
    struct ike *ike = xcalloc(1, sizeof *ike);
    ike->env = *env;
    ike->clock = &ike->env.env;
    ike->log = env->log;
    ike->conf = config_new();
    ike->next_conn = 1;
    ike->next_child_conn = 2001;
    list_init(&ike->sas);
    list_init(&ike->peers);
    list_init(&ike->children);
    list_init(&ike->flows);
    list_init(&ike->old_sas);
    list_init(&ike->todo);
    list_init(&ike->guests);
    list_init(&ike->half_open);
    list_init(&ike->met);
    list_init(&ike->any_flows);
    list_init(&ike->leases);
    list_init(&ike->parked);
    list_init(&ike->frags);
    ike->half_timer.kind = TIMER_HALF_OPEN;
    ike->restart_timer.kind = TIMER_RESTART;
    env_random(ike->clock, ike->seed, sizeof ike->seed);
    return ike;
}

static struct map *const *maps_of(struct ike *ike, struct map *out[NUM_MAPS])
{
    struct map *all[NUM_MAPS] = {
        &ike->sa_cookie, &ike->sa_first,     &ike->sa_number,  &ike->half_cookie, &ike->half_first,
        &ike->peer_map,  &ike->child_number, &ike->child_in,   &ike->child_out,   &ike->old_in,
        &ike->old_out,   &ike->flow_map,     &ike->flow_proxy, &ike->grave_of,
        &ike->lease_map};
    memcpy(out, all, sizeof all);
    return out;
}

void ike_free(struct ike *ike)
{
    struct map *maps[NUM_MAPS];
    struct todo t;
    if (!ike) {
        return;
    }
    LIST_FOR (it, &ike->sas) {
        sa_free(ike, CONTAINER_OF(it, struct ike_sa, link));
    }
    half_open_free(ike);
    LIST_FOR (it, &ike->old_sas) { /* the last that takes its timer back: from here on the heap points to what is gone */
        inherit_free(ike, CONTAINER_OF(it, struct old_sa, link));
    }
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        child_lost_dp(c);
        free(c);
    }
    LIST_FOR (it, &ike->flows) {
        free(CONTAINER_OF(it, struct flow, link));
    }
    LIST_FOR (it, &ike->peers) {
        free(CONTAINER_OF(it, struct ike_peer, link));
    }
    lease_free(ike);
    client_free(ike);
    frag_free(ike);
    while (todo_pop(ike, &t)) {
        /* nobody will do it any more */
    }
    maps_of(ike, maps);
    for (unsigned i = 0; i < NUM_MAPS; i++) {
        map_free(maps[i]);
    }
    free(ike->heap);
    config_free(ike->conf);
    config_free(ike->building);
    mem_wipe(ike, sizeof *ike);
    free(ike);
}

/* ---- datagrams ---- */

/* too_many_guests: far ends that proved their address but not who they are: each has cost us a
 * Diffie-Hellman. When there are too many, of one address or of all, the oldest goes; the new one
 * is never refused for what others did. */
static void too_many_guests(struct ike *ike, struct ike_sa *sa)
{
    unsigned same = 0;
    struct ike_sa *oldest = NULL;
    LIST_FOR (it, &sa->peer->sas) {
        struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (o != sa && !list_empty(&o->guest_link)) {
            oldest = oldest ? oldest : o;
            same++;
        }
    }
    if (same < GUESTS_PER_ADDRESS && ike->num_guests <= GUESTS_MAX) {
        return;
    }
    if (same < GUESTS_PER_ADDRESS) {
        oldest = CONTAINER_OF(ike->guests.next, struct ike_sa, guest_link);
    }
    report(ike, oldest, &oldest->remote.a, XCH_MAIN, WHY_LIMIT,
           "more negotiations wait for message 5 than adit keeps; this one is the oldest");
    struct half_open *half = oldest->half;
    sa_free(ike, oldest);
    half_open_left(ike, half);
}

static void rx_trace(struct ike *ike, const struct ike_sa *sa, const struct endpoint *from,
                     const struct endpoint *to)
{
    ev_ike_rx(ike->log, sa ? sa->c.conn_id : 0, &from->a,
              &(struct evb_ike_rx){
                  .dport = to->port,
                  .sport = from->port,
                  .role = ev_str(sa ? sa_role(sa) : "N"),
                  .state = ev_str(sa ? ike_show_state_name(sa_show_state(sa)) : "NEW SA")});
}

/* first_message: nobody's SA yet. It becomes one only if the first row of its exchange accepts it. */
static void first_message(struct ike *ike, const struct datagram *in, const struct isakmp_hdr *h)
{
    const struct endpoint *from = &in->from, *to = &in->to;
    char why[128];
    bool first = be64(h->cookie_r) == 0;
    const struct exchange *e = exchange_of(&ike_v1, h->exchange);
    if (!e) {
        snprintf(why, sizeof why, "exchange type %u (%s), wanted main, aggressive, quick or informational",
                 h->exchange, isakmp_exchange_name(h->exchange));
        report(ike, NULL, &from->a, h->exchange, WHY_EXCHANGE, why);
        if (first && !(h->flags & FL_ENCRYPTED)) { /* aggressive mode, say: RFC 2408 5.2 */
            info_error_clear(ike, to, from, h, NTF_INVALID_EXCHANGE_TYPE);
        }
    } else if (!e->phase1 || !first) {
        char ci[20], cr[20];
        snprintf(why, sizeof why, "%s with cookies %s %s", isakmp_exchange_name(h->exchange),
                 hex_str(ci, sizeof ci, h->cookie_i, 8), hex_str(cr, sizeof cr, h->cookie_r, 8));
        report(ike, NULL, &from->a, h->exchange, WHY_NO_SA, why);
    } else {
        rx_trace(ike, NULL, from, to);
        struct ike_sa *sa = sa_new(ike, to, from);
        sa->main.c.exchange = e->type;
        sa->main.c.state = e->begin_r;
        engine_run(ike, sa, in, h);
        if (sa->c.phase == PHASE_KEYED) { /* aggressive mode: it has cost us already what a guest costs */
            sa_link(ike, sa);
            sa_findable(ike, sa);
            too_many_guests(ike, sa);
            return;
        }
        if (sa->main.c.state == XS_R_MM2) {
            half_open_keep(ike, sa);
        }
        sa_free(ike, sa);
    }
}

/* guest_for: whose of those under one pair of cookies a message is: a repeated message 3 is known by
 * its hash, what is encrypted by the keys that open it. NULL: nobody's yet. */
static struct ike_sa *guest_for(struct ike *ike, struct half_open *half, const u8 hash[32],
                                const struct datagram *in, const struct isakmp_hdr *h)
{
    struct list *guests = half_open_guests(half);
    bool enc = (h->flags & FL_ENCRYPTED) != 0;
    bool third = h->exchange == XCH_MAIN && !enc && h->next != PL_ID;
    if (list_empty(guests)) {
        return NULL;
    }
    struct ike_sa *first = CONTAINER_OF(guests->next, struct ike_sa, half_link);
    LIST_FOR (it, guests) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, half_link);
        bool alone = guests->next == guests->prev;
        if (third ? retrans_check(&sa->main.rt, hash) == DUP_LAST
                  : !enc || alone || engine_opens(ike, sa, in->data, in->len, h)) {
            return sa;
        }
    }
    return third ? NULL : first; /* which says what is wrong with it */
}

/* resumed: a far end we have answered once: message 1 again, or message 3, which proves its
 * address, or what its guests say. */
static void resumed(struct ike *ike, struct half_open *half, const struct datagram *in,
                    const struct isakmp_hdr *h)
{
    const struct endpoint *from = &in->from, *to = &in->to;
    u8 hash[32];
    datagram_hash(hash, in->data, in->len);
    struct ike_sa *sa = guest_for(ike, half, hash, in, h);
    if (sa) {
        rx_trace(ike, sa, from, to);
        engine_run(ike, sa, in, h);
        return;
    }
    if (half_open_full(ike, half, hash)) {
        report(ike, NULL, &from->a, h->exchange, WHY_LIMIT,
               "message 3 came in too many forms for one negotiation; some of them are forged");
        return;
    }
    sa = half_open_resume(ike, half);
    rx_trace(ike, sa, from, to);
    engine_run(ike, sa, in, h);
    if (sa->main.c.state == XS_R_MM2) {
        half_open_back(ike, half, sa);
        return;
    }
    half_open_guest(ike, half, sa);
    sa_link(ike, sa);
    too_many_guests(ike, sa);
}

static void input(struct ike *ike, const struct datagram *in);

/* takes_pieces: both have said that they do; or we have, and the peer's first answer may come in pieces as well as say so. */
static bool takes_pieces(const struct ike *ike, const struct ike_sa *sa)
{
    bool first = sa->c.initiator && sa->main.c.exchange == XCH_AGGRESSIVE && sa->c.phase < PHASE_KEYED;
    return !sa->deleted && (sa->c.frag || (first && !ike->conf->global.frag_off));
}

/* piece: of a message of a negotiation that exists and has agreed on pieces. They come by whichever port the whole would. */
static void piece(struct ike *ike, const struct datagram *in, const struct isakmp_hdr *h)
{
    static const char stray[] = "a piece of a message that is of no negotiation with pieces";
    struct isakmp_hdr as = *h;
    struct draft d = {.why = WHY_NONE};
    u8 whole[ISAKMP_MAX];
    size_t len = 0;
    as.flags |= FL_ENCRYPTED;
    struct ike_sa *sa = sa_find(ike, &as, &in->from);
    struct half_open *half = sa ? NULL : half_open_find(ike, &as, &in->from);
    if (!(sa ? takes_pieces(ike, sa) : half && half_open_pieces(half))) {
        report(ike, NULL, &in->from.a, h->exchange, WHY_NO_SA, stray);
    } else if (frag_in(ike, in, h, whole, &len, &d)) {
        struct datagram joined = {whole, len, in->from, in->to};
        if (len < ISAKMP_HDR || whole[16] == PL_FRAGMENT) {
            report(ike, NULL, &in->from.a, h->exchange, WHY_MALFORMED, "pieces of a message that is a piece itself");
        } else {
            input(ike, &joined);
        }
        mem_wipe(whole, len);
    } else if (d.why) {
        report(ike, NULL, &in->from.a, h->exchange, d.why, d.detail);
    }
}

static void input(struct ike *ike, const struct datagram *in)
{
    const struct endpoint *from = &in->from, *to = &in->to;
    struct isakmp_hdr h;
    struct isakmp_fault f = isakmp_hdr_read(&h, in->data, in->len);
    if (!ike->conf->global.enabled) {
        report(ike, NULL, &from->a, h.exchange, WHY_DISABLED, "");
        return;
    }
    if (f.reason != IW_OK) {
        char why[200];
        snprintf(why, sizeof why, "%s in bytes %u..%u of %zu. %s", isakmp_reason_name(f.reason),
                 f.off, f.off + MAX(f.len, 1) - 1, in->len, isakmp_reason_text(f.reason));
        report(ike, NULL, &from->a, h.exchange, WHY_MALFORMED, why);
        return;
    }
    if (h.next == PL_FRAGMENT && !(h.flags & FL_ENCRYPTED)) {
        piece(ike, in, &h);
        return;
    }
    struct ike_sa *sa = sa_find(ike, &h, from);
    struct half_open *half = sa ? NULL : half_open_find(ike, &h, from);
    if (half) {
        resumed(ike, half, in, &h);
        return;
    }
    if (!sa) {
        first_message(ike, in, &h);
        return;
    }
    rx_trace(ike, sa, from, to);
    if (sa->deleted) {
        report(ike, sa, &from->a, h.exchange, WHY_STALE, "the SA was deleted");
        return;
    }
    if (sa->local.a.family == AF_NONE) {
        sa->local = *to; /* we left the choice of the address to the kernel: now it is known */
    }
    engine_run(ike, sa, in, &h);
}

void ike_input(struct ike *ike, const u8 *data, size_t len, const struct endpoint *from,
               const struct endpoint *to)
{
    struct datagram in = {data, len, *from, *to};
    bool keepalive = to->port == NATT_PORT && len == 1 && data[0] == 0xff; /* RFC 3948 2.3 */
    if (keepalive) {
        return;
    }
    if (to->port == NATT_PORT && !natt_strip(&in.data, &in.len)) {
        report(ike, NULL, &from->a, 0, WHY_MALFORMED, "no marker in front of a message on port 4500");
        return;
    }
    input(ike, &in);
    session_settle(ike);
}

/* ---- values ---- */

static void ctl(struct ike *ike, const struct ike_msg *m)
{
    struct ike_msg pong;
    struct flow *f;
    switch (m->type) {
    case IKE_SET_MASK: ike->log->mask = (u32)m->u.number | EVC_LOG; break;
    case IKE_SET_KEYLOG: ike->keylog = m->u.number != 0; break;
    case IKE_CLEAR_SA:
    case IKE_CLEAR_CHILD:
    case IKE_CLEAR_SESSION: clear_msg(ike, m); break;
    case IKE_INITIATE:
        if ((f = flow_find(ike, (u32)m->u.number)) != NULL) {
            flow_want(ike, f, false);
        }
        break;
    case IKE_GET_SAS:
    case IKE_GET_CHILDREN:
    case IKE_GET_FLOWS:
    case IKE_GET_COUNTS: show_answer(ike, m); break;
    case IKE_PING:
        memset(&pong, 0, sizeof pong);
        pong.type = IKE_PONG;
        pong.tag = m->tag;
        pong.u.number = m->u.number;
        ike->env.to_main(ike->env.ctx, &pong);
        break;
    case IKE_SHUTDOWN: session_shutdown(ike); break;
    case IKE_DP_PEER: restart_dp(ike); break; /* the channel itself is the process's business */
    default: config_msg(ike, m); break;
    }
}

static void from_dp(struct ike *ike, const struct dp_msg *m)
{
    struct flow *f;
    switch (m->type) {
    case DP_ACQUIRE:
        if ((f = flow_find(ike, m->u.acquire.flow)) != NULL) {
            flow_want(ike, f, false);
        }
        break;
    case DP_EXPIRE:
        child_expire(ike, &m->u.expire);
        restart_expire(ike, &m->u.expire);
        break;
    case DP_MOVED: session_moved(ike, &m->u.moved); break;
    case DP_SILENT: session_silent(ike, &m->u.life); break;
    case DP_IDLE: session_idle(ike, (u32)m->u.number); break;
    case DP_HEARD: session_heard(ike, &m->u.life); break;
    case DP_SA_REFUSED: session_refused(ike, &m->u.expire); break;
    case DP_UNKNOWN_SPI: session_unknown_spi(ike, &m->u.unknown_spi); break;
    case DP_SA: restart_sa(ike, m->tag, &m->u.sa_info.sa); break;
    case DP_END: restart_end(ike, m->tag); break;
    default: break;
    }
}

/* again: what waited for this generation: as many as there are now, for each may have to wait once more. */
static void again(struct ike *ike)
{
    for (u32 n = ike->num_parked; n--;) {
        struct parked *p = client_unpark(ike);
        if (!p) {
            return;
        }
        input(ike, &p->in);
        client_since(ike, p);
        free(p);
    }
}

void ike_ctl(struct ike *ike, const struct ike_msg *m)
{
    ctl(ike, m);
    if (m->type == IKE_CFG_COMMIT) {
        again(ike);
    }
    session_settle(ike);
}

void ike_from_dp(struct ike *ike, const struct dp_msg *m)
{
    from_dp(ike, m);
    session_settle(ike);
}

/* ---- time ---- */

void ike_tick(struct ike *ike)
{
    session_tick(ike, env_now_ms(ike->clock));
}

u64 ike_next_ms(const struct ike *ike)
{
    return timer_next_ms(ike);
}
