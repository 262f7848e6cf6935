/*
 * siege_test.c: what strangers, and peers that went mad, may try: floods of first messages,
 * replays, notifications about what is not theirs, values of no group. Nobody else may suffer, and
 * nothing may be kept.
 */
#include "world.h"

#include <stdlib.h>

static struct world *up(u64 seed)
{
    struct world *w = world_pair(seed);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    return w;
}

/* first_message: A's message 1 with another cookie */
static size_t first_message(struct world *w, u8 *out)
{
    memcpy(out, w->log_data[0], w->log_len[0]);
    put64(out, world_random(w) | 1);
    return w->log_len[0];
}

static void flood(struct world *w, unsigned num, const struct addr *from)
{
    u8 m[2048];
    for (unsigned i = 0; i < num; i++) {
        struct addr any = addr_v4((u32)world_random(w));
        size_t len = first_message(w, m);
        send_from(w, B, from ? from : &any, m, len);
    }
}

static struct fate mm6_twice(struct world *w, int from, unsigned number, const u8 *data,
                             size_t len);

/* ---- first messages nobody vouches for ---- */

static struct fate flooded(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)number, (void)data, (void)len;
    if (from == A) {
        flood(w, 400, w->ctx); /* beside every honest message */
    }
    return (struct fate){1, {100}};
}

static void spoofed_first_messages_lock_nobody_out(void **state)
{
    (void)state;
    struct addr spoofed = addr_v4(0x09080706);
    for (unsigned kind = 0; kind < 3; kind++) {
        struct world *w = up(41);
        struct addr peer = w->s[A].addr;
        w->s[A].log.mask = w->s[B].log.mask = EVC_LOG;
        flood(w, 3000, kind == 0 ? &peer : kind == 1 ? &spoofed : NULL);
        world_run(w, 1000);
        ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
        world_run(w, 1000);
        assert_int_equal(w->s[B].num_sas, 0);
        w->net = flooded;
        w->ctx = kind == 0 ? &peer : kind == 1 ? &spoofed : NULL;
        world_acquire(w, A);
        world_run(w, 2000);
        assert_int_equal(pairs_up(w), 1);
        world_free(w);
    }
}

/* what first messages leave behind has an upper limit, however many come */
static void a_flood_costs_so_much_memory_and_no_more(void **state)
{
    (void)state;
    struct world *w = up(56);
    w->s[B].log.mask = EVC_LOG;
    flood(w, 80000, NULL);
    assert_true(w->s[B].ike->half_bytes <= HALF_OPEN_BYTES);
    assert_true(w->s[B].ike->num_half_open > 10000);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_LIMIT) > 0); /* the oldest went, and were counted */
    assert_null(strstr(w->s[B].syslog.s ? w->s[B].syslog.s : "", "LIMIT"));
    assert_int_equal(pairs_up(w), 1);
    world_run(w, 200000);
    assert_int_equal(w->s[B].ike->half_bytes, 0);
    world_free(w);
}

static struct fate no_mm5(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)number, (void)len;
    bool mm5 = from == A && data[18] == XCH_MAIN && (data[19] & FL_ENCRYPTED);
    return mm5 ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* negotiations that have proved their address and stop there: of one address so many are kept, the
 * oldest goes */
static void guests_of_one_address(void **state)
{
    (void)state;
    struct world *w = world_pair(57);
    char why[START_WHY];
    w->net = no_mm5;
    for (unsigned i = 0; i < GUESTS_PER_ADDRESS + 10; i++) {
        assert_non_null(p1_start(w->s[A].ike, 0, &w->s[A].addr, &w->s[B].addr, "", why));
        world_run(w, 100);
    }
    assert_int_equal(w->s[B].ike->num_guests, GUESTS_PER_ADDRESS);
    assert_true(
        saw(&w->s[B], "%CRYPTO-4-IKE_DENY_SA_REQ: IKE denied an INCOMING SA request from 1.1.1.1"));
    w->net = mm6_twice;
    assert_non_null(p1_start(w->s[A].ike, 0, &w->s[A].addr, &w->s[B].addr, "", why));
    world_run(w, 3000); /* and the next one gets through */
    assert_non_null(sa_usable(w->s[B].ike, NULL, &w->s[A].addr));
    world_free(w);
}

/* a flood of copies of one message is not answered by a flood */
static void copies_are_answered_now_and_then(void **state)
{
    (void)state;
    struct world *w = world_pair(58);
    u8 m[2048];
    world_acquire(w, A);
    world_run(w, 5);
    size_t len = first_message(w, m);
    unsigned sent = w->sent[B];
    for (unsigned i = 0; i < 1000; i++) {
        send_raw(w, B, m, len);
        w->now++;
    }
    assert_true(w->sent[B] - sent >= 2 &&
                w->sent[B] - sent <= 4); /* one, and again each half second */
    world_free(w);
}

static void amplifies_nothing(void **state)
{
    (void)state;
    struct world *w = world_pair(42);
    world_acquire(w, A);
    world_run(w, 5);
    u8 m[2048];
    size_t before = w->bytes[B], got = 0;
    struct addr stranger = addr_v4(0x09090909);
    for (unsigned i = 0; i < 50; i++) {
        size_t len = first_message(w, m);
        for (unsigned k = 0; k < 20; k++) { /* and each again and again */
            send_from(w, B, &stranger, m, len);
            got += len;
        }
    }
    assert_true(w->bytes[B] > before && w->bytes[B] - before <= got);
    world_run(w, 600000); /* nothing is sent again by ourselves */
    assert_true(w->bytes[B] - before <= got + 4 * 1024);
    world_free(w);
}

static void own_initiations_do_not_count(void **state)
{
    (void)state;
    struct world *w = world_pair(43);
    struct setup b = setup_default(B);
    struct ike_msg m = {.type = IKE_CFG_BEGIN};
    ike_ctl(w->s[B].ike, &m);
    m = (struct ike_msg){.type = IKE_CFG_POLICY, .u.policy = b.policy[0]};
    ike_ctl(w->s[B].ike, &m);
    memset(&m, 0, sizeof m);
    m.type = IKE_CFG_PSK;
    m.u.psk.peer.a.family = AF_V4;
    secret_set(&m.u.psk.key, b.psk, strlen(b.psk));
    ike_ctl(w->s[B].ike, &m);
    for (u32 i = 0; i <= 1100; i++) {
        memset(&m, 0, sizeof m);
        m.type = IKE_CFG_FLOW;
        m.u.flow = b.flow;
        if (i) { /* always up, and nobody there */
            m.u.flow.flow = 1000 + i;
            m.u.flow.always_up = true;
            m.u.flow.peer[0] = addr_v4(0x0a000000 + i);
            m.u.flow.sel.dst = prefix_host(&m.u.flow.peer[0]);
        }
        ike_ctl(w->s[B].ike, &m);
    }
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CFG_COMMIT});
    world_run(w, 5000);
    assert_true(w->sent[B] >= 1000);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* ---- replays ---- */

/* the number of the first datagram from a side that is of an exchange, in the log */
static unsigned logged(const struct world *w, int from, u8 exchange)
{
    for (unsigned i = 0; i < w->num_log; i++) {
        if (w->log_from[i] == from && w->log_data[i][18] == exchange) {
            return i;
        }
    }
    fail_msg("no such message");
    return 0;
}

static void refused_quick_mode_is_answered_once(void **state)
{
    (void)state;
    struct world *w = world_pair(44);
    struct setup b = setup_default(B);
    b.flow.transform[0].encr = ENCR_AES128;
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_NO_TRANSFORM), 1);
    unsigned n = logged(w, A, XCH_QUICK), sent = w->sent[B];
    for (unsigned i = 0; i < 100; i++) {
        send_raw(w, B, w->log_data[n], w->log_len[n]);
        world_run(w, 700);
    }
    assert_int_equal(w->sent[B], sent);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_NO_TRANSFORM), 1);
    world_free(w);
}

/* spoofed ESP for an SPI we deleted makes us say Delete again and again: that must not push out
 * what we remember */
static void old_quick_mode_is_not_taken_again(void **state)
{
    (void)state;
    struct world *w = up(45);
    unsigned n = logged(w, A, XCH_QUICK);
    u32 spi = 0;
    for (unsigned i = 0; i < w->s[B].num_sas; i++) {
        spi = w->s[B].sa[i].dir == SA_IN ? w->s[B].sa[i].spi : spi;
    }
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD});
    world_run(w, 120000);
    for (unsigned i = 0; i < 300; i++) {
        struct dp_msg m = {.type = DP_UNKNOWN_SPI};
        m.u.unknown_spi = (struct dp_unknown_spi_value){spi, 50, w->s[A].addr, w->s[B].addr};
        ike_from_dp(w->s[B].ike, &m);
        world_run(w, 1100);
    }
    unsigned added = w->s[B].added;
    send_raw(w, B, w->log_data[n], w->log_len[n]);
    world_run(w, 1000);
    assert_int_equal(w->s[B].added, added);
    world_free(w);
}

/* many exchanges of a peer's: all their numbers are kept, and phase 1 is renewed before there is no
 * more room */
static void a_talkative_peer_gets_a_new_phase_1(void **state)
{
    (void)state;
    struct world *w = up(46);
    u8 first[2048];
    size_t len = 0;
    for (unsigned i = 0; i < 5000; i++) {
        struct ike_sa *sa = sa_usable(w->s[A].ike, NULL, &w->s[B].addr);
        assert_non_null(sa);
        u8 seq[4] = {0, 0, (u8)(i >> 8), (u8)i};
        unsigned log = w->num_log;
        info_notify(w->s[A].ike, sa, PROTO_ISAKMP, NTF_R_U_THERE, sa->c.cookie_i, 16, seq, 4);
        if (i == 0) {
            len = w->log_len[log];
            memcpy(first, w->log_data[log], len);
        }
        world_run(w, 1000);
    }
    assert_int_equal(pairs_up(w), 1);
    assert_true(count_of(&w->s[A], EV_IKE_AUTHENTICATED) > 1);
    u64 there = count_of(&w->s[B], EV_IKE_DPD);
    assert_true(there > 4990); /* none was refused */
    send_raw(w, B, first, len);
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD), there);
    world_free(w);
}

static struct fate no_main_mode(struct world *w, int from, unsigned number, const u8 *data,
                                size_t len)
{
    (void)w, (void)from, (void)number, (void)len;
    return data[18] == XCH_MAIN ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* and when no new phase 1 can be had, what does not fit is refused: nothing old is taken for new */
static void message_ids_have_an_end(void **state)
{
    (void)state;
    struct world *w = up(59);
    struct ike_sa *sa = sa_usable(w->s[A].ike, NULL, &w->s[B].addr);
    w->net = no_main_mode;
    for (unsigned i = 0; i < MSGIDS_MAX + 100; i++) {
        u8 seq[4] = {0, 0, (u8)(i >> 8), (u8)i};
        info_notify(w->s[A].ike, sa, PROTO_ISAKMP, NTF_R_U_THERE, sa->c.cookie_i, 16, seq, 4);
        world_run(w, 20);
    }
    assert_true(count_of(&w->s[B], EV_IKE_DPD) <= MSGIDS_MAX);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_LIMIT) >= 100);
    world_free(w);
}

static void informational_keeps_nothing(void **state)
{
    (void)state;
    struct world *w = up(47);
    struct ike_sa *sa = sa_usable(w->s[A].ike, NULL, &w->s[B].addr);
    for (unsigned i = 0; i < 500; i++) {
        u8 seq[4] = {0, 0, (u8)(i >> 8), (u8)i};
        info_notify(w->s[A].ike, sa, PROTO_ISAKMP, NTF_R_U_THERE, sa->c.cookie_i, 16, seq, 4);
        world_run(w, 30);
    }
    assert_int_equal(count_of(&w->s[B], EV_IKE_DPD), 500);
    sa = sa_usable(w->s[B].ike, NULL, &w->s[A].addr);
    unsigned nodes = 0;
    LIST_FOR (it, &sa->nodes) {
        nodes++;
    }
    assert_true(nodes <= 1); /* quick mode, for its duplicates */
    world_free(w);
}

/* ---- final messages ---- */

static struct fate mm6_twice(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)len;
    bool mm6 = from == B && data[18] == XCH_MAIN && number == 2;
    return mm6 ? (struct fate){2, {300, 310}} : (struct fate){1, {300}};
}

static void final_messages_do_not_ping_pong(void **state)
{
    (void)state;
    struct world *w = world_pair(48);
    w->net = mm6_twice;
    world_acquire(w, A);
    world_run(w, 600000);
    assert_int_equal(pairs_up(w), 1);
    assert_true(w->sent[A] + w->sent[B] < 20);
    world_free(w);
}

/* ---- Diffie-Hellman ---- */

struct short_ke {
    bool done;
    int from;
    unsigned number;
};

static struct fate short_ke(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    struct short_ke *c = w->ctx;
    if (from == c->from && number == c->number && !c->done) {
        u8 m[2048] = {0};
        size_t ke = be16(data + 30), rest = len - 28 - ke; /* KE with 4 bytes, the rest as it was */
        memcpy(m, data, 28);
        m[28] = data[28];
        put16(m + 30, 8);
        memset(m + 32, 0x77, 4);
        memcpy(m + 36, data + 28 + ke, rest);
        put32(m + 24, (u32)(36 + rest));
        u64 rng = w->rng;
        c->done = true;
        for (unsigned i = 0; i < 50; i++) {
            send_raw(w, !from, m, 36 + rest);
        }
        assert_true(rng == w->rng); /* no key pair was made for it */
        memcpy(m, data, len);
        memset(m + 32, 0, 128); /* the right length, the value 0 */
        send_raw(w, !from, m, len);
        assert_true(rng == w->rng);
        assert_int_equal(count_of(&w->s[!from], EV_IKE_FAIL_KEY_EXCHANGE), 51);
    }
    return (struct fate){1, {10}};
}

static void a_bad_public_value_costs_no_key_pair(void **state)
{
    (void)state;
    for (int from = A; from <= B; from++) {
        struct world *w = world_pair(49);
        struct short_ke c = {.from = from, .number = 1};
        w->net = short_ke;
        w->ctx = &c;
        world_acquire(w, A);
        world_run(w, 3000);
        assert_true(c.done);
        assert_int_equal(pairs_up(w), 1);
        world_free(w);
    }
}

/* message 5 from somebody who guesses: every one costs us little, and only so many are looked at in a
 * second */
static void guesses_of_message_5_wait_their_turn(void **state)
{
    (void)state;
    struct world *w = world_pair(50);
    struct setup b = setup_default(B);
    b.psk = "another";
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 45);
    u8 m[2048];
    unsigned n = w->num_log - 1;
    for (unsigned second = 0; second < 5; second++) {
        for (u32 i = 0; i < 2000; i++) {
            memcpy(m, w->log_data[n], w->log_len[n]);
            put32(m + 32, second << 16 | i);
            send_raw(w, B, m, w->log_len[n]);
        }
        u64 looked = count_of(&w->s[B], EV_IKE_FAIL_GARBAGE);
        assert_true(looked <= HALF_OPEN_WRONG + second * HALF_OPEN_WRONG_PER_S + 1);
        /* some decrypt to what is wrong in another way */
        assert_true(looked >= (HALF_OPEN_WRONG + second * HALF_OPEN_WRONG_PER_S) * 9 / 10);
        world_run(w, 1000);
    }
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_LIMIT) > 0);
    world_free(w);
}

struct forger {
    int from;        /* whose encrypted message is forged */
    unsigned forged; /* how many are */
};

/* the first encrypted message of one side is lost, and what arrives instead is forged */
static struct fate forged_instead(struct world *w, int from, unsigned number, const u8 *data,
                                  size_t len)
{
    struct forger *c = w->ctx;
    (void)number;
    if (from != c->from || c->forged || !(data[19] & FL_ENCRYPTED)) {
        return (struct fate){1, {10}};
    }
    u8 m[2048];
    for (; c->forged < 2000; c->forged++) {
        memcpy(m, data, len);
        put32(m + 32, c->forged);
        send_raw(w, !from, m, len);
    }
    return (struct fate){0, {0}};
}

/* whoever sees the cookies can forge as much as he likes: the true message gets through later */
static void forged_messages_end_no_negotiation(void **state)
{
    (void)state;
    for (int from = A; from <= B; from++) {
        struct world *w = world_pair(60);
        struct forger c = {.from = from};
        w->net = forged_instead;
        w->ctx = &c;
        world_acquire(w, A);
        world_run(w, 9000);
        assert_int_equal(c.forged, 2000);
        assert_int_equal(pairs_up(w), 0);
        world_run(w, 3000); /* A has said it again */
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(count_of(&w->s[A], EV_IKE_AUTHENTICATED), 1);
        world_free(w);
    }
}

struct forged_thirds {
    unsigned num;       /* how many come before A's message 3 */
    u8 what;            /* 0: another public value, 1: another nonce */
    unsigned first;     /* first messages of strangers before A's message 5 */
    u64 deaf_until;     /* A hears no message 4 before */
    unsigned most, end; /* guests seen; when A says message 5 */
};

/* the message 3 of somebody who saw message 1 and 2: its value or its nonce is another one */
static struct fate forged_thirds(struct world *w, int from, unsigned number, const u8 *data,
                                 size_t len)
{
    struct forged_thirds *c = w->ctx;
    u8 m[2048];
    for (unsigned i = 0; from == A && number == 1 && i < c->num; i++) {
        size_t nonce = 28u + be16(data + 30);
        memcpy(m, data, len);
        m[(c->what ? nonce : 28u + 64) + 4 + i % 16] ^= (u8)(1 + i / 16);
        send_raw(w, B, m, len);
        c->most = MAX(c->most, w->s[B].ike->num_guests);
    }
    if (from == A && (data[19] & FL_ENCRYPTED) && !c->end) {
        c->end = w->s[B].ike->num_guests;
        flood(w, c->first, NULL);
    }
    if (from == B && number > 0 && w->now < c->deaf_until) {
        return (struct fate){0, {0}};
    }
    return (struct fate){1, {10}};
}

/* nothing of it is there any more but A's own SA, found by its cookies */
static void one_is_left(struct world *w)
{
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[B].ike->num_guests, 0);
    assert_int_equal(w->s[B].ike->num_half_open, 0);
    unsigned sas = 0;
    LIST_FOR (it, &w->s[B].ike->sas) {
        sas++;
    }
    assert_int_equal(sas, 1);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, 1000);
    assert_int_equal(w->s[B].num_sas, 0);
}

/* a forged message 3 before the true one takes nobody's place */
static void a_forged_message_3_takes_no_place(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct world *w = world_pair(61);
        struct forged_thirds c = {.num = 1 + i / 2 * (GUESTS_PER_NEGOTIATION - 2) / 2,
                                  .what = i % 2};
        w->net = forged_thirds;
        w->ctx = &c;
        world_acquire(w, A);
        world_run(w, 1000); /* without that anybody had to say anything again */
        assert_int_equal(c.most, c.num);
        assert_true(c.end >= c.num);
        one_is_left(w);
        world_free(w);
    }
}

/* of many so few are kept, for one key pair; when they have proved nothing, a true one that is said
 * again takes the place of one */
static void of_many_forged_a_few_are_kept(void **state)
{
    (void)state;
    struct world *w = world_pair(62);
    struct forged_thirds c = {.num = 1000, .deaf_until = w->now + 5000};
    w->net = forged_thirds;
    w->ctx = &c;
    world_acquire(w, A);
    world_run(w, 5000);
    assert_int_equal(c.most, GUESTS_PER_NEGOTIATION);
    assert_int_equal(w->s[B].ike->num_guests, GUESTS_PER_NEGOTIATION);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_LIMIT), 1000 - GUESTS_PER_NEGOTIATION + 1);
    assert_true(saw(&w->s[B], "message 3 came in too many forms"));
    assert_int_equal(pairs_up(w), 0);
    world_run(w, 7000);
    one_is_left(w);
    world_free(w);
}

/* a negotiation that comes to nothing because of them ends by its own time, and leaves nothing */
static void forged_guests_end(void **state)
{
    (void)state;
    struct world *w = world_pair(64);
    struct forged_thirds c = {.num = 1000};
    w->net = forged_thirds;
    w->ctx = &c;
    world_acquire(w, A);
    world_run(w, 62000);
    assert_int_equal(w->s[B].ike->num_guests, 0);
    assert_int_equal(w->s[B].ike->num_half_open, 0);
    w->net = mm6_twice;
    world_acquire(w, A);
    world_run(w, 30000);
    assert_int_equal(pairs_up(w), 1);
    world_run(w, 100000); /* those that ended are not listed any more */
    one_is_left(w);
    world_free(w);
}

/* what has come as far as message 3 is not pushed out by first messages */
static void first_messages_push_no_guest_out(void **state)
{
    (void)state;
    struct world *w = world_pair(63);
    struct forged_thirds c = {.first = 60000};
    w->s[A].log.mask = w->s[B].log.mask = EVC_LOG;
    w->net = forged_thirds;
    w->ctx = &c;
    world_acquire(w, A);
    world_run(w, 1000);
    assert_int_equal(c.end, 1);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_LIMIT) > 0);
    assert_int_equal(pairs_up(w), 1);
    world_run(w, 200000);
    assert_int_equal(w->s[B].ike->half_bytes, 0);
    assert_int_equal(w->s[B].ike->num_half_open, 0);
    world_free(w);
}

/* ---- notifications ---- */

static struct fate quick_lost(struct world *w, int from, unsigned number, const u8 *data,
                              size_t len)
{
    (void)w, (void)number, (void)len;
    return from == A && data[18] == XCH_QUICK ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

static void foreign_notify_ends_nothing(void **state)
{
    (void)state;
    struct world *w = world_pair(51);
    w->net = quick_lost;
    world_acquire(w, A);
    world_run(w, 1000);
    struct ike_sa *sa = sa_usable(w->s[B].ike, NULL, &w->s[A].addr);
    assert_non_null(sa);
    info_notify(w->s[B].ike, sa, PROTO_ESP, NTF_NO_PROPOSAL_CHOSEN, (const u8[]){1, 2, 3, 4}, 4,
                NULL, 0); /* an SPI that A never proposed */
    world_run(w, 1000);
    world_snapshot(w, A);
    assert_int_equal(w->s[A].flow[0].failures, 0);
    assert_true(w->s[A].flow[0].negotiating);
    w->net = mm6_twice;
    world_run(w, 12000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* a notification in clear is told as what it is, and spends nothing of what is proved later */
static void clear_notify_is_only_hearsay(void **state)
{
    (void)state;
    struct world *w = world_pair(52);
    world_acquire(w, A);
    world_run(w, 12); /* <-- HDR, SA has not arrived */
    u8 m[40] = {0};
    memcpy(m, w->log_data[0], 16);
    memcpy(m + 16, (u8[]){PL_NOTIFY, 0x10, XCH_INFO, 0, 9, 9, 9, 9, 0, 0, 0, 40}, 12);
    memcpy(m + 28, (u8[]){0, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, NTF_NO_PROPOSAL_CHOSEN}, 12);
    send_raw(w, A, m, sizeof m);
    assert_true(saw(&w->s[A], "the peer says PROPOSAL_NOT_CHOSEN"));
    assert_true(saw(&w->s[A], "unprotected"));
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* ---- what leaves us ---- */

static void nat_traversal_is_not_announced(void **state)
{
    (void)state;
    static const u8 rfc[] = {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45},
                    v7[] = {0x43, 0x9b, 0x59, 0xf8, 0xba, 0x67, 0x6c, 0x4c},
                    v3[] = {0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f},
                    v2[] = {0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e};
    const u8 *ids[] = {rfc, v7, v3, v2};
    struct world *w = up(53);
    for (unsigned i = 0; i < w->num_log; i++) {
        for (unsigned k = 0; k < ARRAY_LEN(ids); k++) {
            for (size_t at = 28; at + 8 <= w->log_len[i]; at++) {
                assert_true(memcmp(w->log_data[i] + at, ids[k], 8) != 0);
            }
        }
    }
    world_free(w);
}

/* a peer that sends NAT-D all the same is read, and the operator is told */
static struct fate with_nat_d(struct world *w, int from, unsigned number, const u8 *data,
                              size_t len)
{
    if (from != A || number != 1) {
        return (struct fate){1, {10}};
    }
    u8 m[1024] = {0};
    memcpy(m, data, len);
    size_t last = 28; /* the last payload gets a successor */
    for (u8 next = m[28]; next; next = m[last]) {
        last += be16(m + last + 2);
    }
    m[last] = PL_NATD;
    for (unsigned i = 0; i < 2; i++, len += 20) {
        memcpy(m + len, (u8[]){i ? PL_NONE : PL_NATD, 0, 0, 20}, 4);
    }
    put32(m + 24, (u32)len);
    send_raw(w, B, m, len);
    return (struct fate){0, {0}};
}

static void nat_d_of_a_peer_is_read(void **state)
{
    (void)state;
    struct world *w = world_pair(55);
    w->net = with_nat_d;
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(count_of(&w->s[B], EV_IKE_NAT), 1);
    assert_true(saw(&w->s[B], "A NAT stands between us and 1.1.1.1 (in front of both ends)"));
    world_free(w);
}

/* SKEYID_e stays here unless the key log was asked for */
static void keys_stay(void **state)
{
    (void)state;
    struct world *w = up(54);
    for (int i = A; i <= B; i++) {
        assert_true(w->s[i].skeyid_events > 0);
        assert_int_equal(w->s[i].skeyid_len, 0);
        ike_ctl(w->s[i].ike, &(struct ike_msg){.type = IKE_SET_KEYLOG, .u.number = 1});
    }
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(w->s[A].skeyid_len, 16);
    world_free(w);
}

/* Who sends ESP in the name of a flow's dead first peer does not make us leave the one that lives. */
static void esp_of_a_dead_first_peer(void **state)
{
    (void)state;
    struct world *w = world_pair(70);
    struct setup a = setup_default(A);
    a.flow.peer[1] = a.flow.peer[0];
    a.flow.peer[0] = addr_v4(0x09090909);
    a.flow.num_peers = 2;
    world_config(w, A, &a);
    for (unsigned i = 0; i < 2 && !pairs_up(w); i++) {
        world_acquire(w, A);
        world_run(w, 200000);
    }
    assert_int_equal(pairs_up(w), 1);
    unsigned added = w->s[A].added;
    for (u32 i = 0; i < 60; i++) {
        struct dp_msg m = {.type = DP_UNKNOWN_SPI};
        m.u.unknown_spi =
            (struct dp_unknown_spi_value){0x12345678 + i, 50, addr_v4(0x09090909), w->s[A].addr};
        ike_from_dp(w->s[A].ike, &m);
        world_run(w, 1100);
    }
    assert_int_equal(w->s[A].added, added);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(esp_of_a_dead_first_peer),
        cmocka_unit_test(spoofed_first_messages_lock_nobody_out),
        cmocka_unit_test(a_flood_costs_so_much_memory_and_no_more),
        cmocka_unit_test(guests_of_one_address),
        cmocka_unit_test(copies_are_answered_now_and_then),
        cmocka_unit_test(message_ids_have_an_end),
        cmocka_unit_test(amplifies_nothing),
        cmocka_unit_test(own_initiations_do_not_count),
        cmocka_unit_test(refused_quick_mode_is_answered_once),
        cmocka_unit_test(old_quick_mode_is_not_taken_again),
        cmocka_unit_test(a_talkative_peer_gets_a_new_phase_1),
        cmocka_unit_test(informational_keeps_nothing),
        cmocka_unit_test(final_messages_do_not_ping_pong),
        cmocka_unit_test(a_bad_public_value_costs_no_key_pair),
        cmocka_unit_test(guesses_of_message_5_wait_their_turn),
        cmocka_unit_test(forged_messages_end_no_negotiation),
        cmocka_unit_test(a_forged_message_3_takes_no_place),
        cmocka_unit_test(of_many_forged_a_few_are_kept),
        cmocka_unit_test(forged_guests_end),
        cmocka_unit_test(first_messages_push_no_guest_out),
        cmocka_unit_test(foreign_notify_ends_nothing),
        cmocka_unit_test(clear_notify_is_only_hearsay),
        cmocka_unit_test(nat_traversal_is_not_announced),
        cmocka_unit_test(nat_d_of_a_peer_is_read),
        cmocka_unit_test(keys_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
