/*
 * engine.c: runs one message through the row of its exchange table. The ONLY writer of SA and
 * exchange state: a handler works on a draft, and engine_commit copies the draft in when, and only
 * when, the verdict is NEXT. A forged, malformed or undecryptable message therefore changes
 * nothing, not even an IV.
 *
 * On the walk: ike_input -> sa_find -> [engine_run: find_exchange -> retrans_check -> row_find ->
 * open_message -> row_check -> handler -> the row's answer -> seal -> engine_commit ->
 * child_install (in) -> send_draft -> child_install (out)]; then session_settle. What one version of
 * IKE is to it stands in struct version_ops; RFC 2408 5.
 */
#include "ike/client.h"
#include "ike/unproved.h"
#include "ike/v1.h"

/* One message on its way through. */
struct run {
    struct ike_sa *sa; /* borrowed */
    struct xch *x;     /* borrowed (or new and owned, when fresh) */
    bool fresh;        /* x is not linked yet */
    const struct row *row;
    const struct datagram *in;
    const struct isakmp_hdr *hdr;
    size_t len;
    u8 hash[32];
    u8 plain[ISAKMP_MAX];
};

/* ---- finding the row, opening, checking ---- */

const struct exchange *exchange_of(const struct version_ops *v, u8 type)
{
    for (size_t i = 0; i < v->num_exchanges; i++) {
        if (v->exchanges[i].type == type) {
            return &v->exchanges[i];
        }
    }
    return NULL;
}

const struct row *row_find(const struct ike_sa *sa, u8 state, bool initiator, u8 exchange,
                           bool encrypted)
{
    enum row_proof proof = auth_proof(sa->c.auth, !sa->c.initiator); /* who writes it is the peer */
    for (size_t i = 0; i < sa->version->num_rows; i++) {
        const struct row *r = &sa->version->rows[i];
        if (r->state == state && r->exchange == exchange &&
            (r->cover & (encrypted ? ENCRYPTED : IN_CLEAR)) &&
            (r->role & (initiator ? ROLE_I : ROLE_R)) &&
            (r->proof == BY_ANY || r->proof == proof)) {
            return r;
        }
    }
    return NULL;
}

static bool is_encrypted(const struct run *r)
{
    return (r->hdr->flags & FL_ENCRYPTED) != 0;
}

/* open_message: what the message says, from a scratch copy; the cipher state lands in the draft. */
static bool open_message(struct run *r, struct isakmp_msg *m, struct draft *d, const u8 *data)
{
    const struct version_ops *v = r->sa->version;
    memcpy(r->plain, data, r->len);
    return (!is_encrypted(r) || v->open(d, r->plain, r->len)) &&
           v->decode(d, m, r->hdr, r->plain, r->len, is_encrypted(r));
}

static const char *bit_name(u32 bits)
{
    static const char *const names[] = {"SA",     "KE",       "NONCE", "ID",    "HASH",
                                        "NOTIFY", "DELETE",   "VID",   "NAT-D", "NAT-OA",
                                        "CERT",   "CERT_REQ", "SIG",   "ATTR"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (bits & (1u << i)) {
            return names[i];
        }
    }
    return "?";
}

static bool row_check(struct run *r, const struct isakmp_msg *m, struct draft *d)
{
    u32 missing = r->row->required & ~m->seen,
        surplus = m->seen & ~(r->row->required | r->row->optional);
    if (missing) {
        draft_why(d, WHY_PAYLOADS, "%s payload is missing (%s)", bit_name(missing), r->row->story);
        return false;
    }
    if (surplus) {
        draft_why(d, WHY_PAYLOADS, "%s payload has no place here (%s)", bit_name(surplus),
                  r->row->story);
        return false;
    }
    /* RFC 2409 5.5: the hash of a phase 2 message stands first, and covers all behind it */
    if ((r->row->required & PB_HASH) && r->x != &r->sa->main &&
        m->chain.payload[0].type != PL_HASH) {
        draft_why(d, WHY_PAYLOADS, "the first payload is %s, wanted HASH",
                  isakmp_payload_name(m->chain.payload[0].type));
        return false;
    }
    return true;
}

/* ---- sending ---- */

static void send_draft(struct ike *ike, const struct ike_sa *sa, const struct draft *d,
                       const char *state)
{
    ev_ike_tx(ike->log, sa->c.conn_id, &sa->remote.a,
              &(struct evb_ike_tx){.my_port = sa->local.port,
                                   .peer_port = sa->remote.port,
                                   .role = ev_str(sa_role(sa)),
                                   .state = ev_str(state)});
    sa_send(ike, sa, d->buf, wr_len(&d->out.w));
}

/* ---- the commit ---- */

/* engine_commit: the one place where a draft becomes the state of an SA and of its exchange. */
static void engine_commit(struct ike *ike, struct ike_sa *sa, struct xch *x, struct draft *d,
                          u8 next, u8 timer)
{
    if (d->sa.conn_id == ike->next_conn) {
        ike->next_conn++;
    }
    if (!endpoint_equal(&sa->remote, &d->remote) || !endpoint_equal(&sa->local, &d->local)) {
        sa_move(ike, sa, &d->local, &d->remote); /* their keys have proved it, or it is we who change the port */
    }
    sa->c = d->sa;
    x->c = d->x.head;
    if (!x->talk) {
        x->talk = xcalloc(1, sizeof *x->talk);
    }
    *x->talk = d->x.talk;
    x->c.state = next;
    if (d->dh) {
        dh_free(x->dh);
        x->dh = d->dh;
        d->dh = NULL;
    }
    if (!sa_half_open(sa)) {
        half_open_proved(ike, sa);
    }
    if (!sa_stranger(sa)) {
        sa_not_guest(ike, sa);
    }
    sa_count(ike, sa);
    if (d->reply) {
        retrans_sent(ike, &x->rt, d->buf, wr_len(&d->out.w), timer);
    } else { /* theirs was the last: a duplicate of it answered, and two of us would never stop */
        retrans_sent(ike, &x->rt, NULL, 0, TM_NONE);
    }
    xch_arm(ike, x);
}

/* ---- what follows a commit: said to the queue, done by session.c ---- */

static void push_sa(struct ike *ike, enum todo_kind kind, const struct ike_sa *sa)
{
    todo_push(ike, kind)->sa = sa->number;
}

/* remember: an id is used up; in time before there is no more room phase 1 is renewed. */
static void remember(struct ike *ike, struct ike_sa *sa, u32 msgid)
{
    msgid_remember(sa, msgid);
    if (sa->num_msgids >= MSGIDS_MAX * 3 / 4 && !sa->spent_told) {
        sa->spent_told = true;
        push_sa(ike, TODO_P1_SPENT, sa);
    }
}

/* commit_node: an informational message is over with its arrival, only its number is kept; a quick
 * mode stays for its duplicates. */
static void commit_node(struct ike *ike, struct run *r)
{
    if (r->fresh) {
        remember(ike, r->sa, r->hdr->msgid);
        if (r->row->next == XS_INFO) {
            return;
        }
        list_push_back(&r->sa->nodes, &r->x->link);
        r->fresh = false;
    }
    if (r->row->next == XS_QM_PHASE2_COMPLETE || r->row->next == XS_CFG_DONE) {
        r->x->gone_ms = env_now_ms(ike->clock) + NODE_LINGER_MS;
        xch_arm(ike, r->x);
    }
}

/* ---- debug lines around a message (the 12.4 dialect has its own for each exchange) ---- */

static void trace_before(struct ike *ike, const struct run *r)
{
    const struct row *row = r->row;
    if (row->trace == TR_MM || row->trace == TR_MM_TIGHT) {
        trace_input(ike, r->sa, r->sa->c.conn_id, 0, "IKE_MESG_FROM_PEER", "IKE_MM_EXCH");
        trace_state(ike, r->sa->c.conn_id, &r->sa->remote.a, row->state, row->mid,
                    row->trace == TR_MM_TIGHT);
    }
}

static void trace_between(struct ike *ike, const struct run *r, const struct draft *d)
{
    const struct row *row = r->row;
    u32 conn = d->sa.conn_id;
    if (row->trace == TR_MM || row->trace == TR_MM_TIGHT) {
        trace_input(ike, r->sa, conn, 0, "IKE_MESG_INTERNAL", "IKE_PROCESS_MAIN_MODE");
        trace_state(ike, conn, &r->sa->remote.a, row->mid, row->mid, false);
    } else if (row->trace == TR_QM_FIRST) {
        trace_input(ike, r->sa, conn, d->x.msgid, "IKE_MESG_FROM_PEER", "IKE_QM_EXCH");
        trace_state(ike, conn, &r->sa->remote.a, row->state, row->mid, true);
    }
}

static void trace_after(struct ike *ike, const struct run *r)
{
    const struct row *row = r->row;
    u32 conn = r->sa->c.conn_id;
    if (row->trace == TR_MM || row->trace == TR_MM_TIGHT) {
        trace_input(ike, r->sa, conn, 0, "IKE_MESG_INTERNAL", "IKE_PROCESS_COMPLETE");
        trace_state(ike, conn, &r->sa->remote.a, row->mid, row->next, false);
    } else if (row->trace == TR_QM_FIRST) {
        trace_input(ike, r->sa, conn, r->x->c.msgid, "IKE_MESG_FROM_IPSEC", "IKE_SPI_REPLY");
        trace_state(ike, conn, &r->sa->remote.a, row->mid, row->next, true);
        u32 handle_no = peer_handle(r->sa->peer), refs = r->sa->peer->ipsec_refs;
        ev_ike_peer_lock(ike->log, conn, &r->sa->remote.a,
                         &(struct evb_ike_peer_lock){.handle = handle_no,
                                                     .what = ev_str("IPSEC"),
                                                     .refs = refs + 1,
                                                     .who = ev_str("from create_transforms")});
        ev_ike_peer_unlock(ike->log, conn, &r->sa->remote.a,
                           &(struct evb_ike_peer_unlock){.handle = handle_no,
                                                         .what = ev_str("IPSEC"),
                                                         .refs = refs,
                                                         .who = ev_str("create_transforms")});
    } else if (row->trace == TR_AM) {
        trace_input(ike, r->sa, conn, 0, "IKE_MESG_FROM_PEER", "IKE_AM_EXCH");
        trace_state(ike, conn, &r->sa->remote.a, row->state, row->next, false);
    } else if (row->trace == TR_QM_LAST) {
        ev_ike_node_done(ike->log, conn, &r->sa->remote.a,
                         &(struct evb_ike_node_done){
                             .msgid = r->x->c.msgid,
                             .error = ev_str("FALSE"),
                             .reason = ev_str(r->x->c.initiator ? "No Error" : "QM done (await)")});
        trace_input(ike, r->sa, conn, r->x->c.msgid, "IKE_MESG_FROM_PEER", "IKE_QM_EXCH");
        trace_state(ike, conn, &r->sa->remote.a, row->state, row->next, true);
    }
}

static void effects_after(struct ike *ike, struct run *r, struct draft *d)
{
    if (d->effects & EF_INITIAL_CONTACT) {
        push_sa(ike, TODO_CONTACT, r->sa);
    }
    if (d->effects & EF_P1_DONE) {
        push_sa(ike, TODO_P1_UP, r->sa);
        xch_wipe(&r->sa->main); /* our private value has done its work */
    }
    if (d->effects & EF_XAUTH) {
        push_sa(ike, TODO_XAUTH, r->sa);
    }
    if (d->effects & EF_READY) {
        push_sa(ike, TODO_READY, r->sa);
    }
    if (d->effects & EF_QM_DONE) {
        struct todo *t = todo_push(ike, TODO_QUICK_DONE);
        t->flow = r->x->c.flow;
        t->flag = r->x->c.initiator;
        xch_wipe(r->x); /* the keys are installed; the messages stay for duplicates */
    }
    if (r->row->next == XS_CFG_DONE) {
        xch_wipe(r->x);
    }
    if (d->effects & EF_INFO) {
        info_effects(ike, r->sa, d->m);
    }
}

/* wrong: one more message of the SA that was not right. While the far end has not proved who it is
 * they are forgotten again at HALF_OPEN_WRONG_PER_S, which is what spent() is about. */
static void wrong(struct ike *ike, struct ike_sa *sa)
{
    u64 now = env_now_ms(ike->clock), gone = (now - sa->wrong_ms) * HALF_OPEN_WRONG_PER_S / 1000;
    if (gone || !sa->wrong) { /* the rest of a message that is not quite forgotten yet counts on */
        sa->wrong -= (u32)MIN(gone, (u64)sa->wrong);
        sa->wrong_ms = now;
    }
    sa->wrong++;
}

/* spent: of an SA whose far end has proved nothing, so many wrong messages are looked at in a
 * second and no more. A rate and not a count: who can forge ends no negotiation, the true message
 * gets through when it is said again. */
static bool spent(struct ike *ike, struct ike_sa *sa, u8 exchange)
{
    u64 gone = (env_now_ms(ike->clock) - sa->wrong_ms) * HALF_OPEN_WRONG_PER_S / 1000;
    if (!sa_stranger(sa) || sa->wrong < HALF_OPEN_WRONG + gone) {
        return false;
    }
    report(ike, sa, &sa->remote.a, exchange, WHY_LIMIT,
           "so many messages of this negotiation were wrong that no more are looked at this second");
    return true;
}

static void refuse(struct ike *ike, struct run *r, struct draft *d, enum verdict v)
{
    wrong(ike, r->sa);
    if (r->fresh && d->proved) {
        remember(ike, r->sa, r->hdr->msgid); /* it came from the peer: once is enough */
    }
    report(ike, r->sa, &r->sa->remote.a, r->hdr->exchange, d->why, d->detail);
    if (v == V_REPLY_ERROR && is_encrypted(r)) {
        struct todo *t = todo_push(ike, TODO_NOTIFY);
        t->sa = r->sa->number;
        t->type = d->notify;
        t->spi = d->x.spi_out;
        t->flag = r->row->exchange == XCH_NEW_GROUP;
    } else if (v == V_REPLY_ERROR) {
        info_error_clear(ike, &r->sa->local, &r->sa->remote, r->hdr, d->notify);
    }
    if (v == V_FAIL && r->x != &r->sa->main && !r->fresh) {
        todo_quick_lost(ike, r->sa, r->x, d->detail);
        xch_free(ike, r->x);
        r->x = NULL;
    }
}

static void proceed(struct ike *ike, struct run *r, struct draft *d)
{
    const struct row *row = r->row;
    trace_between(ike, r, d);
    if (row->answer) {
        row->answer(ike, r->sa, d);
        if (d->reply && !r->sa->version->seal(d)) {
            if (d->why == WHY_NONE) {
                draft_why(d, WHY_MALFORMED, "our own answer does not fit into %d bytes", ISAKMP_MAX);
            }
            refuse(ike, r, d, V_DROP);
            return;
        }
    }
    d->sa.phase = MAX(d->sa.phase, d->hold ? MIN(row->phase, (u8)PHASE_AUTHED) : row->phase);
    engine_commit(ike, r->sa, r->x, d, row->next, row->timer);
    retrans_saw(&r->x->rt, r->hash);
    if (r->x != &r->sa->main) {
        commit_node(ike, r);
    }
    if (d->effects & EF_INSTALL_IN) {
        child_install(ike, r->sa, r->x, true, false);
    }
    if (d->reply) {
        u8 shown = r->x == &r->sa->main ? row->mid : XS_P1_COMPLETE;
        struct ike_sa as = {.main.c.state = shown, .c.phase = r->sa->c.phase};
        send_draft(ike, r->sa, d, ike_show_state_name(sa_show_state(&as)));
    }
    if (d->effects & EF_INSTALL_OUT) {
        /* held packets leave now: not ahead of the message that makes the peer take them */
        child_install(ike, r->sa, r->x, false, true);
    }
    trace_after(ike, r);
    effects_after(ike, r, d);
}

/* candidate: the first message of a peer is well formed; now it gets a peer struct and its debug
 * lines. */
static void candidate(struct ike *ike, struct ike_sa *sa)
{
    if (sa->peer) {
        return;
    }
    sa->peer = peer_hold(ike, &sa->local, &sa->remote, "crypto_isakmp_process_block");
    ev_ike_sa_insert(ike->log, 0, &sa->remote.a,
                     &(struct evb_ike_sa_insert){.lport = sa->local.port,
                                                 .rport = sa->remote.port,
                                                 .handle = sa_handle(sa)});
}

static void handle(struct ike *ike, struct run *r, const u8 *data)
{
    struct draft d;
    struct isakmp_msg m;
    draft_init(&d, r->sa, r->x);
    d.m = &m;
    if (is_encrypted(r) && d.sa.natt) { /* an answer goes to where this came from, once its hash is right (RFC 3947 4) */
        d.local = r->in->to;
        d.remote = r->in->from;
    }
    if (!open_message(r, &m, &d, data) || !row_check(r, &m, &d)) {
        refuse(ike, r, &d, V_DROP);
    } else {
        candidate(ike, r->sa);
        trace_before(ike, r);
        enum verdict v = r->row->handler(ike, r->sa, &m, &d);
        if (v == V_NEXT) {
            proceed(ike, r, &d);
        } else if (v == V_WAIT) {
            client_park(ike, r->sa, r->in, &d);
        } else {
            refuse(ike, r, &d, v);
        }
    }
    draft_free(&d);
    mem_wipe(r->plain, r->len);
}

/* say_again: the peer takes phase 1 for done. In aggressive mode it is for it, from its third message on, which got lost: our
 * second one again makes it say that again. Our cookie stands in what it sent, so its address is proved. */
static void say_again(struct ike *ike, struct ike_sa *sa, const struct datagram *in)
{
    if (sa->c.phase == PHASE_KEYED && sa->main.c.exchange == XCH_AGGRESSIVE &&
        retrans_again(ike, &sa->main.rt)) {
        natt_send(ike, &in->to, &in->from, sa->main.rt.tx, sa->main.rt.tx_len); /* its third message came from there, too */
    }
}

/* find_exchange: which exchange of the SA the message belongs to; false when refused (and
 * reported). */
static bool find_exchange(struct ike *ike, struct run *r, const u8 *data)
{
    const struct isakmp_hdr *h = r->hdr;
    struct ike_sa *sa = r->sa;
    bool enc = is_encrypted(r);
    const struct exchange *e = exchange_of(sa->version, h->exchange);
    if (!e) {
        report(ike, sa, &sa->remote.a, h->exchange, WHY_EXCHANGE,
               isakmp_exchange_name(h->exchange));
        return false;
    }
    if (e->phase1 && h->msgid == 0) {
        r->x = &sa->main;
        return true;
    }
    if (enc && sa->c.phase == PHASE_KEYED && h->exchange == XCH_INFO) {
        if (!spent(ike, sa, h->exchange)) {
            wrong(ike, sa);
            info_early(ike, sa, h, data, r->len);
        }
        return false;
    }
    if (enc && sa->c.phase < e->needs) {
        report(ike, sa, &sa->remote.a, h->exchange, e->too_soon, "phase 1 is not complete");
        say_again(ike, sa, r->in);
        return false;
    }
    r->x = h->msgid ? xch_find(sa, h->msgid) : NULL;
    if (r->x) {
        return true;
    }
    if (enc && (h->msgid == 0 || msgid_seen(sa, h->msgid))) {
        report(ike, sa, &sa->remote.a, h->exchange, WHY_REPLAYED,
               "this message id was used before");
        return false;
    }
    if (enc && sa->num_msgids >= MSGIDS_MAX) {
        report(ike, sa, &sa->remote.a, h->exchange, WHY_LIMIT,
               "the ISAKMP SA has seen as many message ids as it can tell apart; a new one is due");
        return false;
    }
    r->fresh = true;
    r->x = xch_new(ike, sa, e, h->msgid, false);
    if (enc) {
        sa->version->begin(sa, &r->x->c);
        ev_ike_node_new(ike->log, sa->c.conn_id, &sa->remote.a,
                        &(struct evb_ike_node_new){.msgid = h->msgid});
    }
    return true;
}

void engine_run(struct ike *ike, struct ike_sa *sa, const struct datagram *in,
                const struct isakmp_hdr *hdr)
{
    struct run r = {.sa = sa, .in = in, .hdr = hdr, .len = in->len};
    const u8 *data = in->data;
    bool enc = (hdr->flags & FL_ENCRYPTED) != 0;
    if (!find_exchange(ike, &r, data)) {
        return;
    }
    datagram_hash(r.hash, data, in->len);
    enum dup dup = retrans_check(&r.x->rt, r.hash);
    if (dup == DUP_LAST) {
        ev_ike_duplicate(ike->log, sa->c.conn_id, &sa->remote.a,
                         &(struct evb_ike_duplicate){.phase = r.x == &sa->main ? 1 : 2});
        if (retrans_again(ike, &r.x->rt)) {
            sa_send(ike, sa, r.x->rt.tx, r.x->rt.tx_len);
        }
    } else if (dup == DUP_OLD) {
        report(ike, sa, &sa->remote.a, hdr->exchange, WHY_REPLAYED,
               "a message from before in the exchange");
    } else if (spent(ike, sa, hdr->exchange)) {
        /* said */
    } else if ((r.row = row_find(sa, r.x->c.state, r.x->c.initiator, hdr->exchange,
                                 enc)) != NULL) {
        handle(ike, &r, data);
    } else if (row_find(sa, r.x->c.state, r.x->c.initiator, hdr->exchange, !enc)) {
        report(ike, sa, &sa->remote.a, hdr->exchange, WHY_NOT_ENCRYPTED,
               enc ? "it was encrypted, and must be clear in this state"
                   : ike_state_name(r.x->c.state));
    } else {
        char why[96];
        snprintf(why, sizeof why, "%s message in state %s", isakmp_exchange_name(hdr->exchange),
                 ike_state_name(r.x->c.state));
        report(ike, sa, &sa->remote.a, hdr->exchange, WHY_UNEXPECTED, why);
    }
    if (r.fresh && r.x) {
        xch_free(ike, r.x);
    }
}

bool engine_opens(struct ike *ike, struct ike_sa *sa, const u8 *data, size_t len,
                  const struct isakmp_hdr *hdr)
{
    struct run r = {.sa = sa, .hdr = hdr, .len = len};
    struct draft d;
    struct isakmp_msg m;
    bool info = hdr->exchange == XCH_INFO;
    r.row = row_find(sa, info ? XS_INFO : sa->main.c.state, sa->c.initiator,
                     hdr->exchange, true);
    if (!r.row || spent(ike, sa, hdr->exchange)) {
        return false;
    }
    draft_init(&d, sa, &sa->main);
    if (info) {
        d.x.msgid = hdr->msgid;
        sa->version->begin(sa, &d.x.head);
    }
    bool ok = open_message(&r, &m, &d, data);
    if (!ok) {
        wrong(ike, sa);
    }
    draft_free(&d);
    mem_wipe(r.plain, r.len);
    return ok;
}

bool engine_start(struct ike *ike, struct ike_sa *sa, struct xch *x, start_fn write, void *arg,
                  u8 state, enum row_timer timer)
{
    struct draft d;
    draft_init(&d, sa, x);
    bool ok = write(ike, sa, &d, arg) && sa->version->seal(&d);
    if (ok) {
        engine_commit(ike, sa, x, &d, state, timer);
        send_draft(ike, sa, &d, ike_show_state_name(sa_show_state(sa)));
    }
    draft_free(&d);
    return ok;
}
