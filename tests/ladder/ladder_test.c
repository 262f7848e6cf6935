/*
 * ladder_test.c: negotiations between two whole daemons, written as ladders: what crosses, then
 * what must hold.
 */
#include "world.h"

#include <stdlib.h>

static struct world *up(u64 seed) /* a pair of daemons with one session */
{
    struct world *w = world_pair(seed);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    return w;
}

/* ---- the way it should go ---- */

static void happy_path(void **state)
{
    (void)state;
    struct world *w = world_pair(1);
    /* HDR, SA --> ... HDR*, HASH(3) --> */
    world_acquire(w, A);
    world_run(w, 1000);
    assert_int_equal(w->sent[A], 5); /* MM1 MM3 MM5 QM1 QM3 */
    assert_int_equal(w->sent[B], 4); /* MM2 MM4 MM6 QM2 */
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].sa[0].replay_window, 64);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_string_equal(w->s[A].news.s, "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP  .  "
                                        "Peer 2.2.2.2:500       Id: 2.2.2.2\n");
    assert_int_equal(w->s[A].sa[0].dir, SA_IN); /* inbound first, on both sides */
    assert_int_equal(w->s[B].sa[0].dir, SA_IN);
    assert_null(w->s[A].syslog.s);
    assert_null(w->s[B].syslog.s);
    world_snapshot(w, A);
    assert_int_equal(w->s[A].num_info, 1);
    assert_int_equal(w->s[A].info[0].state, ST_QM_IDLE);
    assert_string_equal(w->s[A].info[0].id, "2.2.2.2");
    assert_int_equal(w->s[A].child[0].conn_in, 2001);
    assert_int_equal(w->s[A].child[0].conn_out, 2002);
    assert_int_equal(w->s[A].info[0].key_e.len, 0); /* no key log, no key */
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_SET_KEYLOG, .u.number = 1});
    world_snapshot(w, A);
    assert_int_equal(w->s[A].info[0].key_e.len, 8);
    world_free(w);
}

static void combination(u8 encr, u8 hash, u16 group, u8 esp, u8 auth, u16 pfs, u8 mode)
{
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, 3);
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        s.policy[0] = (struct ike_policy_value){20, encr, hash, IKE_AUTH_PSK, group, 3600};
        s.flow.transform[0] = (struct ike_transform){"T", esp, auth, mode};
        s.flow.pfs_group = pfs;
        world_config(w, i, &s);
    }
    world_acquire(w, A);
    world_run(w, 2000);
    if (pairs_up(w) != 1) {
        fail_msg("encr %u hash %u group %u esp %u auth %u pfs %u: %s %s", encr, hash, group, esp,
                 auth, pfs, w->s[A].syslog.s ? w->s[A].syslog.s : "",
                 w->s[B].syslog.s ? w->s[B].syslog.s : "");
    }
    const struct dp_sa_value *v = &w->s[A].sa[0];
    assert_int_equal(v->encr, esp);
    assert_int_equal(v->mode, mode);
    assert_int_equal(v->encr_key.len, encr_row(esp)->key_len + encr_row(esp)->salt_len);
    assert_int_equal(v->auth_key.len, auth ? hash_row(auth)->len : 0);
    world_free(w);
}

static void every_algorithm(void **state)
{
    (void)state;
    for (u8 e = ENCR_DES; e <= ENCR_AES256; e++) {
        for (u8 h = HASH_MD5; h <= HASH_SHA512; h++) {
            combination(e, h, 1, e, h, 0, MODE_TUNNEL);
        }
    }
    for (unsigned i = 0; group_at(i); i++) {
        if (group_at(i)->bits < 8192) {
            combination(ENCR_AES128, HASH_SHA256, group_at(i)->id, ENCR_AES256, HASH_SHA1,
                        group_at(i)->id, MODE_TRANSPORT);
        }
    }
    combination(ENCR_AES256, HASH_SHA512, 18, ENCR_GCM128, HASH_NONE, 0, MODE_TUNNEL);
    combination(ENCR_AES256, HASH_SHA384, 19, ENCR_GCM192, HASH_NONE, 20, MODE_TRANSPORT);
    combination(ENCR_3DES, HASH_SHA1, 2, ENCR_GCM256, HASH_NONE, 2, MODE_TUNNEL);
    combination(ENCR_3DES, HASH_SHA1, 2, ENCR_NULL, HASH_SHA256, 0, MODE_TUNNEL);
    for (u8 e = ENCR_CTR128; e < ENCR_NUM; e++) {
        combination(ENCR_AES128, HASH_SHA1, 2, e, encr_row(e)->icv_len ? HASH_NONE : HASH_XCBC, 0,
                    e % 2 ? MODE_TUNNEL : MODE_TRANSPORT);
    }
}

/* AH, and AH around ESP: negotiated as one pair, renewed as one, gone as one (RFC 2407 4.4.3, RFC 2408 4.2). */
static void ah_and_bundles(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 20; k++) {
        struct world *w = xcalloc(1, sizeof *w);
        bool bundle = k & 1, pfs = k & 2;
        u8 ah = (u8)(HASH_MD5 + k / 4), mode = k % 3 ? MODE_TUNNEL : MODE_TRANSPORT;
        world_init(w, 700 + k);
        for (int i = A; i <= B; i++) {
            struct setup s = setup_default(i);
            s.flow.transform[0] = (struct ike_transform){
                "T", bundle ? ENCR_AES128 : ENCR_NONE, bundle ? HASH_SHA1 : HASH_NONE, mode, ah};
            s.flow.pfs_group = pfs ? 2 : 0;
            s.flow.life_s = 600;
            world_config(w, i, &s);
        }
        world_acquire(w, k % 5 ? A : B);
        world_run(w, 2000);
        assert_null(w->s[A].syslog.s);
        assert_null(w->s[B].syslog.s);
        assert_int_equal(w->s[A].num_sas, bundle ? 4 : 2);
        assert_int_equal(w->s[B].num_sas, bundle ? 4 : 2);
        same_ends(w, 51, bundle ? MODE_TRANSPORT : mode);
        const struct dp_sa_value *in = half_of(&w->s[A], 51, SA_IN);
        assert_int_equal(in->auth, ah);
        assert_int_equal(in->inside, bundle ? 50 : 0);
        if (bundle) {
            const struct dp_sa_value *esp = half_of(&w->s[A], 50, SA_IN);
            same_ends(w, 50, mode);
            assert_int_equal(esp->with_proto, 51);
            assert_int_equal(esp->with_spi, in->spi);
            assert_true(in->spi != esp->spi);
            assert_true(in->auth_key.len != esp->auth_key.len ||
                        memcmp(in->auth_key.b, esp->auth_key.b, in->auth_key.len) != 0);
        }
        u32 old = in->spi;
        world_run(w, 700000); /* it was renewed, and the old one went whole */
        assert_int_equal(w->s[A].num_sas, bundle ? 4 : 2);
        assert_int_equal(w->s[B].num_sas, bundle ? 4 : 2);
        assert_true(half_of(&w->s[A], 51, SA_IN) && half_of(&w->s[A], 51, SA_IN)->spi != old);
        same_ends(w, 51, bundle ? MODE_TRANSPORT : mode);
        struct ike_msg clear = {.type = IKE_CLEAR_CHILD};
        u64 told = count_of(&w->s[B], EV_IKE_DELETE_RX);
        ike_ctl(w->s[A].ike, &clear); /* the peer hears of each protocol */
        world_run(w, 5000);
        assert_int_equal(count_of(&w->s[B], EV_IKE_DELETE_RX) - told, bundle ? 2 : 1);
        assert_int_equal(w->s[A].num_sas, 0);
        assert_int_equal(w->s[B].num_sas, 0);
        world_free(w);
    }
}

/* Sets of one protocol are alternatives of one proposal, others have proposals of their own: the peer picks any. */
static void mixed_sets(void **state)
{
    (void)state;
    static const struct ike_transform sets[] = {{"E1", ENCR_AES128, HASH_SHA1, MODE_TUNNEL, HASH_NONE},
                                                {"E2", ENCR_3DES, HASH_MD5, MODE_TUNNEL, HASH_NONE},
                                                {"BU", ENCR_AES256, HASH_SHA256, MODE_TUNNEL, HASH_SHA1},
                                                {"A1", ENCR_NONE, HASH_NONE, MODE_TUNNEL, HASH_SHA256},
                                                {"A2", ENCR_NONE, HASH_NONE, MODE_TUNNEL, HASH_MD5},
                                                {"E3", ENCR_GCM128, HASH_NONE, MODE_TUNNEL, HASH_NONE}};
    static const u8 place[][2] = {{1, 1}, {1, 2}, {2, 1}, {3, 1}, {3, 2}, {4, 1}};
    for (unsigned k = 0; k < ARRAY_LEN(sets); k++) {
        struct world *w = xcalloc(1, sizeof *w);
        world_init(w, 800 + k);
        struct setup a = setup_default(A), b = setup_default(B);
        memcpy(a.flow.transform, sets, sizeof sets);
        a.flow.num_transforms = ARRAY_LEN(sets);
        b.flow.transform[0] = sets[k];
        b.flow.num_transforms = 1;
        world_config(w, A, &a);
        world_config(w, B, &b);
        world_acquire(w, A);
        world_run(w, 2000);
        assert_null(w->s[A].syslog.s);
        assert_int_equal(w->s[A].num_sas, p2_is_bundle(&sets[k]) ? 4 : 2);
        same_ends(w, sets[k].encr ? 50 : 51, MODE_TUNNEL);
        u8 proposal, transform;
        p2_place(&a.flow, k, &proposal, &transform);
        assert_int_equal(proposal, place[k][0]);
        assert_int_equal(transform, place[k][1]);
        const struct dp_sa_value *v = half_of(&w->s[A], sets[k].encr ? 50 : 51, SA_OUT);
        assert_int_equal(v->encr, sets[k].encr);
        assert_int_equal(v->auth, sets[k].encr ? sets[k].auth : sets[k].ah);
        world_free(w);
    }
}

/* RFC 4304: extended sequence numbers when both want them, of ESP, of AH and of both. */
static void extended_numbers(void **state)
{
    (void)state;
    static const struct ike_transform sets[] = {{"E", ENCR_GCM128, HASH_NONE, MODE_TUNNEL, HASH_NONE, true},
                                                {"A", ENCR_NONE, HASH_NONE, MODE_TUNNEL, HASH_SHA1, true},
                                                {"B", ENCR_AES128, HASH_SHA1, MODE_TUNNEL, HASH_MD5, true},
                                                {"N", ENCR_GCM128, HASH_NONE, MODE_TUNNEL, HASH_NONE, false}};
    for (unsigned k = 0; k < 6; k++) {
        struct world *w = xcalloc(1, sizeof *w);
        world_init(w, 950 + k);
        for (int i = A; i <= B; i++) {
            struct setup s = setup_default(i);
            s.flow.transform[0] = sets[k < 4 ? k : (i == A) == (k == 4) ? 3 : 0]; /* at last one of them does not want them */
            world_config(w, i, &s);
        }
        world_acquire(w, A);
        world_run(w, 2000);
        assert_int_equal(w->s[A].num_sas, k >= 4 ? 0 : k == 2 ? 4 : 2);
        for (unsigned i = 0; i < w->s[A].num_sas; i++) {
            assert_int_equal(w->s[A].sa[i].esn, k != 3);
            assert_int_equal(w->s[B].sa[i].esn, k != 3);
        }
        assert_true(k < 5 || saw(&w->s[B], "offered extended sequence numbers, transform set N wants none"));
        assert_true(k != 4 || saw(&w->s[B], "offered no extended sequence numbers, transform set E wants them"));
        world_free(w);
    }
}

/* Half a bundle is no answer to a set that wants both, nor a bundle one to a set that wants one. */
static void bundles_do_not_fit_halves(void **state)
{
    (void)state;
    static const struct ike_transform whole = {"BU", ENCR_AES128, HASH_SHA1, MODE_TUNNEL, HASH_SHA1},
                                      esp = {"ES", ENCR_AES128, HASH_SHA1, MODE_TUNNEL, HASH_NONE},
                                      ah = {"AH", ENCR_NONE, HASH_NONE, MODE_TUNNEL, HASH_SHA1},
                                      md5 = {"BM", ENCR_AES128, HASH_SHA1, MODE_TUNNEL, HASH_MD5};
    static const struct {
        const struct ike_transform *a, *b;
        const char *why;
    } row[] = {
        {&whole, &esp, "offered no ESP proposal with an SPI, flow Tunnel0-head-0 wants ESP"},
        {&esp, &whole, "offered no AH and ESP proposal with an SPI, flow Tunnel0-head-0 wants AH and ESP"},
        {&ah, &whole, "offered no AH and ESP proposal"},
        {&whole, &ah, "offered no AH proposal with an SPI"},
        {&esp, &ah, "offered no AH proposal with an SPI"},
        {&md5, &whole, "offered AH with MD5, transform set BU wants AH with SHA-1"},
    };
    for (unsigned k = 0; k < ARRAY_LEN(row); k++) {
        struct world *w = xcalloc(1, sizeof *w);
        world_init(w, 900 + k);
        struct setup a = setup_default(A), b = setup_default(B);
        a.flow.transform[0] = *row[k].a;
        b.flow.transform[0] = *row[k].b;
        world_config(w, A, &a);
        world_config(w, B, &b);
        world_acquire(w, A);
        world_run(w, 2000);
        assert_int_equal(w->s[A].num_sas, 0);
        assert_int_equal(w->s[B].num_sas, 0);
        if (!saw(&w->s[B], row[k].why)) {
            fail_msg("no \"%s\" in %s", row[k].why, w->s[B].syslog.s);
        }
        world_free(w);
    }
}

static void policies_by_priority(void **state)
{
    (void)state;
    struct world *w = world_pair(2);
    struct setup a = setup_default(A), b = setup_default(B);
    a.num_policies = b.num_policies = 2;
    a.policy[1] = (struct ike_policy_value){20, ENCR_AES128, HASH_SHA1, IKE_AUTH_PSK, 2, 86400};
    b.policy[0] = (struct ike_policy_value){5, ENCR_AES128, HASH_SHA1, IKE_AUTH_PSK, 2, 1000};
    b.policy[1] = (struct ike_policy_value){6, ENCR_DES, HASH_MD5, IKE_AUTH_PSK, 2, 86400};
    a.flow.num_transforms = b.flow.num_transforms = 2;
    a.flow.transform[1] = (struct ike_transform){"T2", ENCR_AES128, HASH_SHA1, MODE_TUNNEL};
    b.flow.transform[0] = (struct ike_transform){"B1", ENCR_AES128, HASH_SHA1, MODE_TUNNEL};
    b.flow.transform[1] = (struct ike_transform){"B2", ENCR_DES, HASH_MD5, MODE_TUNNEL};
    b.flow.life_s = 600; /* the shorter life wins, and the initiator is told */
    world_config(w, A, &a);
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 2000);
    world_snapshot(w, A);
    world_snapshot(w, B);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[B].info[0].policy, 5); /* the responder's order decides */
    assert_int_equal(w->s[B].info[0].encr, ENCR_AES128);
    assert_int_equal(w->s[B].info[0].life_s, 1000);
    assert_int_equal(w->s[A].child[0].encr, ENCR_AES128);
    assert_true(w->s[A].child[0].left_s <= 600 && w->s[A].child[0].left_s > 590);
    world_free(w);
}

/* ---- a network that loses one message ---- */

struct lost {
    int from;
    unsigned number;
};

static struct fate lose_one(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    const struct lost *l = w->ctx;
    (void)data, (void)len;
    return from == l->from && number == l->number ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

static struct fate twice(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return (struct fate){3, {10, 12, 2000}};
}

static void each_message_lost_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        struct world *w = world_pair(10 + i);
        struct lost l = {i % 2 ? B : A, i / 2};
        w->net = lose_one;
        w->ctx = &l;
        world_acquire(w, A);
        world_run(w, 25000);
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(w->s[A].sa[0].replay_window, 64);
        assert_int_equal(w->s[A].num_sas, 2);
        assert_int_equal(w->s[B].num_sas, 2);
        world_free(w);
    }
}

static void every_message_three_times(void **state)
{
    (void)state;
    struct world *w = world_pair(4);
    w->net = twice;
    world_acquire(w, A);
    world_run(w, 30000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].added, 2);
    assert_int_equal(w->s[B].added, 2);
    assert_true(count_of(&w->s[B], EV_IKE_DUPLICATE) > 0);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_REPLAYED) > 0);
    assert_null(w->s[B].syslog.s);
    world_free(w);
}

static void both_start_at_once(void **state)
{
    (void)state;
    struct world *w = world_pair(5);
    /* HDR, SA --> and <-- HDR, SA cross */
    world_acquire(w, A);
    world_acquire(w, B);
    world_run(w, 60000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].sa[0].replay_window, 64);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2);
    world_free(w);
}

/* ---- refusals: one line that says what was wrong and what was wanted ---- */

static struct world *with_b(void (*change)(struct setup *b))
{
    struct world *w = world_pair(6);
    struct setup b = setup_default(B);
    change(&b);
    world_config(w, B, &b);
    world_acquire(w, A);
    world_run(w, 80000);
    return w;
}

static unsigned lines(const struct side *s, const char *text)
{
    unsigned n = 0;
    for (const char *p = s->syslog.s; p && (p = strstr(p, text)) != NULL; p++) {
        n++;
    }
    return n;
}

static void other_psk(struct setup *b)
{
    b->psk = "another";
}
static void no_psk(struct setup *b)
{
    b->psk = NULL;
}
static void other_policy(struct setup *b)
{
    b->policy[0].encr = ENCR_AES128;
}
static void other_group(struct setup *b)
{
    b->policy[0].group = 14;
}
static void other_set(struct setup *b)
{
    b->flow.transform[0].encr = ENCR_AES128;
}
static void other_pfs(struct setup *b)
{
    b->flow.pfs_group = 2;
}
static void other_proxy(struct setup *b)
{
    b->flow.sel.proto = 1;
}
static void no_flow(struct setup *b)
{
    b->flow.peer[0] = addr_v4(0x09090909);
}
static void off(struct setup *b)
{
    b->global.enabled = false;
}

static void wrong_psk(void **state)
{
    (void)state;
    struct world *w = with_b(other_psk);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(
        lines(&w->s[B],
              "%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from 1.1.1.1 failed its sanity check or "
              "is malformed: "),
        1);
    assert_true(saw(&w->s[B], "do the pre-shared keys differ?"));
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_GARBAGE) >=
                5); /* every retransmission counts, one is logged */
    assert_int_equal(lines(&w->s[A], "Death by retransmission P1"), 1);
    world_snapshot(w, A);
    assert_int_equal(w->s[A].info[0].state, ST_MM_NO_STATE); /* listed a while as deleted */
    assert_true(w->s[A].info[0].deleted);
    assert_int_equal(w->s[A].flow[0].failures, 1);
    assert_non_null(strstr(w->s[A].flow[0].last_error, "Death by retransmission P1"));
    world_run(w, 120000);
    world_snapshot(w, A);
    assert_int_equal(w->s[A].num_info, 0);
    world_free(w);
}

static void refused(void (*change)(struct setup *b), enum ev_id why, const char *line_b,
                    const char *line_a)
{
    struct world *w = with_b(change);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(w->s[B].num_sas, 0);
    assert_true(count_of(&w->s[B], why) >= 1);
    if (line_b && !saw(&w->s[B], line_b)) {
        fail_msg("wanted \"%s\" in: %s", line_b, w->s[B].syslog.s ? w->s[B].syslog.s : "(nothing)");
    }
    if (line_a && !saw(&w->s[A], line_a)) {
        fail_msg("wanted \"%s\" in: %s", line_a, w->s[A].syslog.s ? w->s[A].syslog.s : "(nothing)");
    }
    world_free(w);
}

static void refusals(void **state)
{
    (void)state;
    refused(other_policy, EV_IKE_FAIL_NO_PROPOSAL,
            "%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Main mode failed with peer at 1.1.1.1: "
            "offered DES, policy 10 "
            "wants AES 128",
            "the peer says PROPOSAL_NOT_CHOSEN");
    refused(other_group, EV_IKE_FAIL_NO_PROPOSAL, "offered group 2, policy 10 wants group 14",
            NULL);
    refused(no_psk, EV_IKE_FAIL_NO_PSK,
            "policy 10 fits, but there is no pre-shared key for 1.1.1.1", NULL);
    refused(other_set, EV_IKE_FAIL_NO_TRANSFORM,
            "Processing of Quick mode failed with peer at 1.1.1.1: offered DES, transform set TS "
            "wants AES 128",
            "the peer answered PROPOSAL_NOT_CHOSEN");
    refused(other_pfs, EV_IKE_FAIL_NO_TRANSFORM,
            "offered no PFS, flow Tunnel0-head-0 wants PFS group 2", NULL);
    refused(other_proxy, EV_IKE_FAIL_PROXY, "Tunnel0-head-0 wants",
            "the peer answered INVALID_ID_INFORMATION");
    refused(no_flow, EV_IKE_FAIL_PROXY, "nothing is configured with this peer", NULL);
    refused(off, EV_IKE_FAIL_DISABLED, NULL, "Death by retransmission P1");
}

static void wrong_identity(void **state)
{
    (void)state;
    struct world *w = world_pair(7);
    /* A's identity will be 3.3.3.3, which B has no key for: B's key is for 1.1.1.1 alone */
    struct setup b = setup_default(B);
    b.psk = NULL;
    world_config(w, B, &b);
    struct ike_msg m = {.type = IKE_CFG_PSK};
    m.u.psk.peer = prefix_host(&w->s[A].addr);
    secret_set(&m.u.psk.key, "MY_K3Y", 6);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CFG_BEGIN});
    ike_ctl(w->s[B].ike, &m);
    m = (struct ike_msg){.type = IKE_CFG_POLICY, .u.policy = b.policy[0]};
    ike_ctl(w->s[B].ike, &m);
    m = (struct ike_msg){.type = IKE_CFG_FLOW, .u.flow = b.flow};
    ike_ctl(w->s[B].ike, &m);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CFG_COMMIT});
    struct setup a = setup_default(A);
    a.flow.local = addr_v4(0x03030303);
    world_config(w, A, &a);
    w->s[A].addr = addr_v4(0x03030303); /* so that answers arrive */
    world_acquire(w, A);
    /* the datagrams come from 1.1.1.1, as through an address translation */
    for (unsigned i = 0; i < 400 && !count_of(&w->s[B], EV_IKE_FAIL_IDENTITY); i++) {
        for (unsigned k = 0; k < w->num_q; k++) {
            if (w->q[k].to == B) {
                w->q[k].from.a = addr_v4(0x01010101);
            } else {
                w->q[k].dst.a = addr_v4(0x03030303);
            }
        }
        w->s[A].addr = addr_v4(0x01010101);
        world_run(w, 5);
    }
    assert_true(saw(&w->s[B], "the peer calls itself 3.3.3.3, wanted 1.1.1.1"));
    world_free(w);
}

/* ---- what the wire may bring ---- */

static void exchanges_and_strange(void **state)
{
    (void)state;
    struct world *w = up(8);
    unsigned last = w->num_log - 1;
    u8 m[64] = {1, 2, 3, 4,    5, 6, 7, 8, 0, 0, 0, 0, 0, 0,
                0, 0, 1, 0x10, 3, 0, 0, 0, 0, 0, 0, 0, 0, 64};
    send_raw(w, B, m, 64);
    assert_true(
        saw(&w->s[B], "exchange type 3 (authentication only), wanted main, aggressive, quick or informational"));
    m[18] = 32; /* quick mode under cookies nobody has */
    m[8] = 9;
    send_raw(w, B, m, 64);
    assert_true(
        saw(&w->s[B],
            "%CRYPTO-4-IKMP_NO_SA: IKE message from 1.1.1.1 has no SA and is not an initialization "
            "offer: quick mode with cookies 0102030405060708 0900000000000000"));
    m[17] = 0x20;
    send_raw(w, B, m, 64);
    assert_true(saw(&w->s[B], "version not spoken in bytes 17..17 of 64"));
    /* a clear quick mode message in a living SA */
    memcpy(m, w->log_data[last], 20);
    m[19] = 0;
    m[16] = PL_HASH;
    m[20] = 77;
    send_raw(w, B, m, 64);
    assert_true(
        saw(&w->s[B], "%CRYPTO-6-IKMP_NOT_ENCRYPTED: IKE packet from 1.1.1.1 was not encrypted"));
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

static void quick_mode_before_authentication(void **state)
{
    (void)state;
    struct world *w = world_pair(9);
    world_acquire(w, A);
    world_run(w, 25); /* HDR, SA --> <-- HDR, SA; phase 1 is under way */
    u8 m[60] = {0};
    memcpy(m, w->log_data[w->num_log - 1], 16);
    memcpy(m + 16, (u8[]){PL_HASH, 0x10, XCH_QUICK, FL_ENCRYPTED, 1, 2, 3, 4, 0, 0, 0, 60}, 12);
    send_raw(w, B, m, sizeof m);
    assert_true(saw(
        &w->s[B],
        "%CRYPTO-6-IKMP_SA_NOT_AUTH: Cannot accept Quick Mode exchange from 1.1.1.1 if SA is not "
        "authenticated!"));
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* a first message costs a record until its sender proves the address, and time takes it away */
static void half_open_ends(void **state)
{
    (void)state;
    struct world *w = world_pair(11);
    world_acquire(w, A);
    for (unsigned i = 0; i < 60; i++) {
        u8 m[1024];
        memcpy(m, w->log_data[0], w->log_len[0]);
        m[0] = (u8)(i + 1);
        m[1] ^= 0x55;
        send_raw(w, B, m, w->log_len[0]);
    }
    assert_int_equal(w->s[B].ike->num_half_open, 60);
    assert_true(list_empty(&w->s[B].ike->sas)); /* none of them is an SA */
    world_run(w, 200000);
    assert_int_equal(w->s[B].ike->num_half_open, 0);
    assert_int_equal(w->s[B].ike->half_bytes, 0);
    world_free(w);
}

/* a snapshot of all that counts in a daemon's state */
static void fingerprint(u8 out[32], struct ike *ike)
{
    struct strbuf b = {0};
    LIST_FOR (it, &ike->sas) {
        const struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        sb_addn(&b, (const char *)&sa->c, sizeof sa->c);
        sb_addn(&b, (const char *)&sa->main.c, sizeof sa->main.c);
        if (sa->main.talk) {
            sb_addn(&b, (const char *)sa->main.talk, sizeof *sa->main.talk);
        }
        sb_addf(&b, "%d %llu %u", sa->deleted, (unsigned long long)sa->main.rt.next_ms,
                sa->num_msgids);
        LIST_FOR (n, &sa->nodes) {
            const struct xch *x = CONTAINER_OF(n, struct xch, link);
            sb_addn(&b, (const char *)&x->c, sizeof x->c);
            if (x->talk) {
                sb_addn(&b, (const char *)x->talk, sizeof *x->talk);
            }
        }
    }
    LIST_FOR (it, &ike->children) {
        const struct child *c = CONTAINER_OF(it, struct child, link);
        sb_addf(&b, "%u %u %u %d%d ", c->flow, c->spi_in, c->spi_out, c->in_up, c->out_up);
    }
    datagram_hash(out, (const u8 *)b.s, b.len);
    sb_free(&b);
}

/* Before each message of the ladder arrives: every prefix of it, and many damaged copies. None may
 * change anything (message 1 to 4 are not protected, so there only what breaks their shape can be
 * told from the truth). */
static struct fate damaged(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    u8 before[32], now[32], copy[2048];
    int to = !from;
    bool enc = data[19] & FL_ENCRYPTED;
    (void)number;
    fingerprint(before, w->s[to].ike);
    unsigned added = w->s[to].added;
    for (size_t cut = 0; cut < len; cut++) {
        memcpy(copy, data, len);
        send_raw(w, to, copy, cut);
        if (cut > 28) { /* and with a length field that agrees */
            put32(copy + 24, (u32)cut);
            send_raw(w, to, copy, cut);
        }
    }
    for (size_t bit = 0; enc && bit < (len - 28) * 8; bit += 3) {
        memcpy(copy, data, len);
        copy[28 + bit / 8] ^= (u8)(1 << bit % 8);
        send_raw(w, to, copy, len);
    }
    fingerprint(now, w->s[to].ike);
    assert_memory_equal(before, now, 32);
    assert_int_equal(added, w->s[to].added);
    return (struct fate){1, {10}};
}

static void damaged_copies_change_nothing(void **state)
{
    (void)state;
    struct world *w = world_pair(12);
    w->s[A].log.mask = w->s[B].log.mask = EVC_LOG;
    w->net = damaged;
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_MALFORMED) > 100);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_GARBAGE) > 10);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_HASH) > 10);
    assert_true(count_of(&w->s[A], EV_IKE_FAIL_AUTH) > 10);
    world_free(w);
}

/* ---- the life of a session ---- */

static void rekey_by_time(void **state)
{
    (void)state;
    struct world *w = up(13);
    u32 spi = w->s[A].sa[0].spi;
    world_run(w, 3495000); /* HDR*, HASH(1), SA, Ni --> for the new pair, before the old one ends */
    assert_true(w->s[A].added == 2);
    world_run(w, 25000);
    assert_int_equal(w->s[A].added, 4);
    world_run(w, 30000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].sa[0].replay_window, 64);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_int_not_equal(w->s[A].sa[0].spi, spi);
    world_free(w);
}

static void rekey_by_volume(void **state)
{
    (void)state;
    struct world *w = up(14);
    struct dp_msg m = {.type = DP_EXPIRE};
    world_run(w, 20000);
    const struct dp_sa_value *sa = &w->s[B].sa[1];
    m.u.expire = (struct dp_expire_value){
        .flow = 7, .spi = sa->spi, .dir = sa->dir, .dst = sa->dst};
    ike_from_dp(w->s[B].ike, &m);
    world_run(w, 2000);
    assert_int_equal(w->s[A].num_sas, 4); /* make before break */
    world_run(w, 30000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].sa[0].replay_window, 64);
    assert_int_equal(w->s[A].num_sas, 2);
    world_free(w);
}

static void phase1_is_renewed(void **state)
{
    (void)state;
    struct world *w = world_pair(15);
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        s.policy[0].life_s = 300;
        world_config(w, i, &s);
    }
    world_acquire(w, A);
    world_run(w, 301000);
    world_snapshot(w, A);
    assert_int_equal(pairs_up(w), 1);
    unsigned live = 0;
    for (unsigned i = 0; i < w->s[A].num_info; i++) {
        live += !w->s[A].info[i].deleted && w->s[A].info[i].state == ST_QM_IDLE;
    }
    assert_int_equal(live, 1);
    assert_true(w->s[A].num_info == 2); /* the old one is still listed as deleted */
    world_free(w);
}

static void restart_keeps_the_old_pair_first(void **state)
{
    (void)state;
    struct world *w = up(16);
    u32 old = w->s[A].sa[0].spi;
    world_restart(w, A);
    struct setup s = setup_default(A);
    s.global.restarted = true;
    world_config(w, A, &s);
    world_run(w, 2000);
    assert_int_equal(w->s[A].num_sas, 4); /* old and new */
    assert_int_equal(pairs_up(w), 1);
    assert_true(
        saw(&w->s[A],
            "%ADIT-5-IKE_RESTART: ike took over 2 SAs of the data plane; renegotiating 1 flows"));
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT),
                     1); /* the first time only, not now */
    world_run(w, 20000);
    assert_int_equal(w->s[A].sa[0].replay_window, 64);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2); /* the peer was told */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_not_equal(w->s[A].sa[i].spi, old);
    }
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* A tunnel that is always up greets at once, perhaps ahead of what the data plane tells of its SAs: the peer must not be told
 * that nothing of before is left, for packets travel on it. */
static void restart_does_not_greet_as_new(void **state)
{
    (void)state;
    struct world *w = up(18);
    u32 old = w->s[A].sa[0].spi;
    world_restart(w, A);
    struct setup s = setup_default(A);
    s.global.restarted = true;
    s.flow.always_up = true;
    w->s[A].dp_slow = true;
    world_config(w, A, &s);
    for (unsigned t = 0; t < 1000; t++) {
        world_run(w, 1);
        assert_true(carries(w));
    }
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), 1); /* the first time only */
    w->s[A].dp_slow = false;
    world_run(w, 20000);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_true(w->s[A].sa[0].spi != old && w->s[A].sa[1].spi != old);
    assert_true(carries(w));
    world_free(w);
}

/* found by a storm: packets flow on the inherited SAs, so no ACQUIRE comes after a failure; we must
 * try again */
static void restart_tries_until_it_works(void **state)
{
    (void)state;
    struct world *w = up(24);
    net_fn good = w->net;
    world_restart(w, A);
    struct setup s = setup_default(A);
    s.global.restarted = true;
    w->net = all_lost;
    world_config(w, A, &s);
    world_run(w, 90000);
    assert_int_equal(pairs_up(w), 0);
    w->net = good;
    world_run(w, 60000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].num_sas, 2);
    world_free(w);
}

/* again: A's ike is started again and told so. */
static void again(struct world *w)
{
    struct setup s = setup_default(A);
    s.global.restarted = true;
    world_restart(w, A);
    world_config(w, A, &s);
    world_run(w, 200);
}

/* An ike that is back before its data plane cannot ask what SAs there are: then there are none, and it greets as new. */
static void restart_before_the_data_plane(void **state)
{
    (void)state;
    for (unsigned early = 0; early < 2; early++) {
        struct world *w = up(28); /* it greets when there is a data plane, or before */
        w->s[A].num_sas = 0; /* it died as well */
        w->s[A].dp_gone = true;
        again(w);
        if (!early) {
            w->s[A].dp_gone = false;
            ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_DP_PEER});
            world_run(w, 1000);
        }
        world_acquire(w, A);
        world_run(w, 5000);
        assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), 2);
        if (!early) {
            assert_int_equal(pairs_up(w), 1);
            assert_int_equal(w->s[B].num_sas, 2);
        }
        world_free(w);
    }
}

/* It asks as soon as it can: a data plane that lives all the same keeps its packets flowing. */
static void restart_asks_when_it_can(void **state)
{
    (void)state;
    struct world *w = up(29);
    u32 old = w->s[A].sa[0].spi;
    w->s[A].dp_gone = true;
    again(w);
    w->s[A].dp_gone = false;
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_DP_PEER});
    for (unsigned t = 0; t < 20000; t++) {
        world_run(w, 1);
        assert_true(carries(w));
    }
    assert_true(saw(&w->s[A], "ike took over 2 SAs of the data plane; renegotiating 1 flows"));
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), 1);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_true(w->s[A].sa[0].spi != old && w->s[A].sa[1].spi != old);
    world_free(w);
}

/* The answer gets lost, or only its end. It is waited for ten seconds; what has come by then is taken over. */
static void restart_answer_without_an_end(void **state)
{
    (void)state;
    for (unsigned some = 0; some < 2; some++) {
        struct world *w = up(30);
        struct dp_sa_value old[2] = {w->s[A].sa[0], w->s[A].sa[1]};
        w->s[A].dp_slow = true;
        w->s[A].num_sas = some ? 2 : 0;
        again(w);
        for (unsigned i = 0; some && i < 2; i++) {
            struct dp_msg m = {.type = DP_SA, .tag = w->s[A].get_tag, .u.sa_info.sa = old[i]};
            ike_from_dp(w->s[A].ike, &m);
        }
        world_run(w, 9000);
        assert_true(inherit_may_be(w->s[A].ike, &w->s[B].addr));
        world_run(w, 1500);
        assert_int_equal(inherit_may_be(w->s[A].ike, &w->s[B].addr), some);
        assert_true(saw(&w->s[A], "%ADIT-4-DP_MUTE: the data plane did not say in time which SAs"));
        assert_true(saw(&w->s[A], some ? "(2 are known)" : "(0 are known)"));
        if (!some) {
            world_acquire(w, A);
        }
        world_run(w, 20000);
        assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), some ? 1 : 2);
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(w->s[A].num_sas, 2);
        assert_int_equal(w->s[B].num_sas, 2);
        world_free(w);
    }
}

/* What it says later still counts: the old SAs are renegotiated and go. */
static void restart_answer_comes_late(void **state)
{
    (void)state;
    struct world *w = up(31);
    u32 old = w->s[A].sa[0].spi;
    w->s[A].dp_slow = true;
    again(w);
    world_run(w, 60000);
    assert_false(inherit_may_be(w->s[A].ike, &w->s[B].addr));
    w->s[A].dp_slow = false;
    world_run(w, 20000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_true(w->s[A].sa[0].spi != old && w->s[A].sa[1].spi != old);
    world_free(w);
}

static void tell_sa(struct side *s, const struct dp_sa_value *sa)
{
    struct dp_msg m = {.type = DP_SA, .tag = s->get_tag, .u.sa_info.sa = *sa};
    ike_from_dp(s->ike, &m);
}

/* known_sas: how many SAs of before the daemon believes in; and they are as many as it counts. */
static unsigned known_sas(const struct side *s)
{
    unsigned n = 0;
    LIST_FOR (it, &s->ike->old_sas) {
        n++;
    }
    assert_int_equal(n, s->ike->num_old);
    return n;
}

/* A data plane that never comes to the end, or tells one SA again and again, is believed each SA
 * once, and as many as it can have; before it is late and after. */
static void restart_answer_without_limit(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct world *w = up(32);
        struct side *s = &w->s[A];
        struct dp_sa_value sa[2] = {s->sa[0], s->sa[1]};
        const struct dp_sa_value out = sa[sa[1].dir == SA_OUT];
        s->dp_slow = true;
        again(w);
        world_run(w, late ? 60000 : 0);
        for (unsigned i = 0; i < 20; i++) {
            tell_sa(s, &sa[i % 2]);
        }
        assert_int_equal(known_sas(s), 2);
        struct dp_sa_value other = out; /* another far end may have chosen the same SPI */
        other.dst = addr_v4(0x03030303);
        tell_sa(s, &other);
        tell_sa(s, &other);
        assert_int_equal(known_sas(s), 3);
        for (u32 i = 0; i < DP_MAX_SAS + 100; i++) {
            struct dp_sa_value v = sa[i % 2];
            v.spi = 0x10000 + i;
            tell_sa(s, &v);
            assert_int_equal(known_sas(s), MIN(4 + i, (u32)DP_MAX_SAS));
        }
        world_free(w);
    }
}

/* Two far ends chose one SPI: what ends with one of them leaves the other's alone. */
static void restart_one_spi_of_two_far_ends(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct world *w = up(33);
        struct side *s = &w->s[A];
        struct dp_sa_value two[2] = {s->sa[s->sa[1].dir == SA_OUT]};
        two[1] = two[0];
        two[1].dst = addr_v4(0x03030303);
        s->sa[s->num_sas++] = two[1];
        s->dp_slow = true;
        again(w);
        for (unsigned i = 0; i < s->num_sas; i++) {
            tell_sa(s, &s->sa[i]);
        }
        assert_int_equal(known_sas(s), 3);
        struct dp_msg m = {.type = DP_EXPIRE};
        m.u.expire = (struct dp_expire_value){7, two[first].spi, SA_OUT, true, two[first].dst};
        ike_from_dp(s->ike, &m);
        assert_int_equal(known_sas(s), 2);
        assert_int_equal(s->num_sas, 2);
        assert_non_null(inherit_find(s->ike, two[0].spi, SA_OUT, &two[!first].dst));
        assert_null(inherit_find(s->ike, two[0].spi, SA_OUT, &two[first].dst));
        world_free(w);
    }
}

static void crash_without_memory(void **state)
{
    (void)state;
    struct world *w = up(17);
    world_restart(w, A);
    w->s[A].num_sas = 0; /* the whole machine went */
    struct setup s = setup_default(A);
    world_config(w, A, &s);
    world_run(w, 5000);
    world_acquire(w, A);
    world_run(w, 5000);
    /* HDR*, IDii, HASH_I, N(INITIAL-CONTACT) --> : B drops what A does not know any more */
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[B].num_sas, 2);
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), 2);
    world_free(w);
}

/* the data plane of A dies; main gives its ike a new, empty one */
static void data_plane_dies(void **state)
{
    (void)state;
    struct world *w = up(26);
    u32 old = w->s[A].sa[0].spi;
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_DP_PEER}); /* the first: where life begins */
    world_run(w, 1000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].sa[0].spi, old);
    unsigned sent = w->sent[A];
    w->s[A].num_sas = 0;
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_DP_PEER});
    world_run(w, 2000);
    /* HDR*, HASH(1), SA, Ni --> HDR*, HASH(1), D --> and the third of quick mode: no new phase 1 */
    assert_int_equal(w->sent[A], sent + 3);
    assert_true(saw(&w->s[A],
                    "%ADIT-4-DP_LOST: the data plane died and 2 SAs with it; renegotiating 1 flows"));
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].num_sas, 2);
    assert_int_equal(w->s[B].num_sas, 2); /* the peer took the old pair away */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_not_equal(w->s[A].sa[i].spi, old);
        assert_int_not_equal(w->s[B].sa[i].spi, old);
    }
    world_free(w);
}

/* the same while the network is away: traffic asks, and it works as soon as the network is back */
static void data_plane_dies_in_silence(void **state)
{
    (void)state;
    struct world *w = up(27);
    net_fn good = w->net;
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_DP_PEER});
    w->net = all_lost;
    w->s[A].num_sas = 0;
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_DP_PEER});
    world_run(w, 90000);
    assert_int_equal(w->s[A].num_sas, 0);
    w->net = good;
    world_acquire(w, A);
    world_run(w, 5000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

static void clear_commands(void **state)
{
    (void)state;
    struct world *w = up(18);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD}); /* HDR*, HASH(1), D --> */
    world_run(w, 1000);
    assert_int_equal(w->s[A].num_sas, 0);
    assert_int_equal(w->s[B].num_sas, 0);
    world_acquire(w, B); /* the ISAKMP SA lives: quick mode alone brings the pair back */
    world_run(w, 1000);
    assert_int_equal(pairs_up(w), 1);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, 1000);
    assert_int_equal(w->s[B].num_sas, 0);
    world_snapshot(w, B);
    assert_true(w->s[B].num_info == 1 && w->s[B].info[0].deleted &&
                w->s[B].info[0].state == ST_MM_NO_STATE);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

static void configuration_changes(void **state)
{
    (void)state;
    struct world *w = up(19);
    struct setup s = setup_default(A);
    world_config(w, A, &s); /* the same again: nothing happens */
    world_run(w, 1000);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->s[A].deleted, 0);
    s.psk = "a new one"; /* counts for the next phase 1 */
    world_config(w, A, &s);
    world_run(w, 1000);
    assert_int_equal(pairs_up(w), 1);
    s.flow.flow = 0; /* the flow is gone: so are its SAs, on both sides */
    world_config(w, A, &s);
    world_run(w, 1000);
    assert_int_equal(w->s[A].num_sas, 0);
    assert_int_equal(w->s[B].num_sas, 0);
    world_snapshot(w, A);
    assert_true(w->s[A].info[0].deleted);
    world_free(w);
}

static void next_peer_is_tried(void **state)
{
    (void)state;
    struct world *w = world_pair(20);
    struct setup s = setup_default(A);
    s.flow.peer[1] = s.flow.peer[0];
    s.flow.peer[0] = addr_v4(0x0a0a0a0a); /* nobody */
    s.flow.num_peers = 2;
    world_config(w, A, &s);
    world_acquire(w, A);
    world_run(w, 70000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

static void always_up(void **state)
{
    (void)state;
    struct world *w = world_pair(21);
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        s.flow.always_up = i == A;
        world_config(w, i, &s);
    }
    world_run(w, 2000); /* no packet asked */
    assert_int_equal(pairs_up(w), 1);
    ike_ctl(w->s[B].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD});
    world_run(w, 10000);
    assert_int_equal(pairs_up(w), 1); /* and it comes back */
    world_free(w);
}

static void unknown_spi_repeats_the_delete(void **state)
{
    (void)state;
    struct world *w = up(22);
    u32 spi = w->s[A].sa[0].spi;
    struct lost l = {A, w->sent[A]};
    w->net = lose_one;
    w->ctx = &l;
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_CHILD}); /* HDR*, HASH(1), D -- lost */
    world_run(w, 2000);
    assert_int_equal(w->s[B].num_sas, 2);
    struct dp_msg m = {.type = DP_UNKNOWN_SPI};
    m.u.unknown_spi = (struct dp_unknown_spi_value){spi, 50, w->s[B].addr, w->s[A].addr};
    ike_from_dp(w->s[A].ike, &m); /* B's traffic arrives for it */
    world_run(w, 2000);
    assert_int_equal(w->s[B].num_sas, 0);
    world_free(w);
}

/* A ping is answered once, with its number and tag, after all before it; the mask says which lines are told. */
static void ping_and_masks(void **state)
{
    (void)state;
    struct world *w = up(23);
    struct side *s = &w->s[A];
    unsigned before = s->pongs;
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_PING, .tag = 77, .u.number = 0x123456789ab});
    assert_int_equal(s->pongs, before + 1);
    assert_int_equal(s->pong, 0x123456789ab);
    assert_int_equal(s->pong_tag, 77);
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_SET_MASK, .u.number = 0});
    assert_int_equal(s->log.mask, EVC_LOG); /* the log cannot be turned off */
    size_t said = s->debug.len;
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, 5000);
    assert_int_equal(s->debug.len, said);
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_SET_MASK, .u.number = EVC_ISAKMP});
    assert_int_equal(s->log.mask, EVC_LOG | EVC_ISAKMP);
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_INITIATE, .u.number = 7});
    world_run(w, 5000);
    assert_true(s->debug.len > said);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(happy_path),
        cmocka_unit_test(every_algorithm),
        cmocka_unit_test(ah_and_bundles),
        cmocka_unit_test(mixed_sets),
        cmocka_unit_test(extended_numbers),
        cmocka_unit_test(bundles_do_not_fit_halves),
        cmocka_unit_test(policies_by_priority),
        cmocka_unit_test(each_message_lost_once),
        cmocka_unit_test(every_message_three_times),
        cmocka_unit_test(both_start_at_once),
        cmocka_unit_test(wrong_psk),
        cmocka_unit_test(refusals),
        cmocka_unit_test(wrong_identity),
        cmocka_unit_test(exchanges_and_strange),
        cmocka_unit_test(quick_mode_before_authentication),
        cmocka_unit_test(half_open_ends),
        cmocka_unit_test(damaged_copies_change_nothing),
        cmocka_unit_test(rekey_by_time),
        cmocka_unit_test(rekey_by_volume),
        cmocka_unit_test(phase1_is_renewed),
        cmocka_unit_test(restart_keeps_the_old_pair_first),
        cmocka_unit_test(restart_does_not_greet_as_new),
        cmocka_unit_test(restart_tries_until_it_works),
        cmocka_unit_test(restart_before_the_data_plane),
        cmocka_unit_test(restart_asks_when_it_can),
        cmocka_unit_test(restart_answer_without_an_end),
        cmocka_unit_test(restart_answer_comes_late),
        cmocka_unit_test(restart_answer_without_limit),
        cmocka_unit_test(restart_one_spi_of_two_far_ends),
        cmocka_unit_test(crash_without_memory),
        cmocka_unit_test(data_plane_dies),
        cmocka_unit_test(data_plane_dies_in_silence),
        cmocka_unit_test(clear_commands),
        cmocka_unit_test(configuration_changes),
        cmocka_unit_test(next_peer_is_tried),
        cmocka_unit_test(always_up),
        cmocka_unit_test(unknown_spi_repeats_the_delete),
        cmocka_unit_test(ping_and_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
