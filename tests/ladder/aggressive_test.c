/*
 * aggressive_test.c: aggressive mode (RFC 2409 5.4) as ladders, pre-shared keys by name and keyring, isakmp profiles: what
 * crosses, then what must hold.
 */
#include "world.h"

#include <stdlib.h>

/* ---- set-ups ---- */

static struct ike_msg *other(struct setup *s, enum ike_msg_type type)
{
    struct ike_msg *m = &s->other[s->num_other++];
    m->type = type;
    return m;
}

/* aggressive: this end begins with its peer in aggressive mode, and calls itself so ("": by its address). */
static struct setup aggressive(int side, u8 type, const char *self)
{
    struct setup s = setup_default(side);
    struct ike_peer_value *p = &other(&s, IKE_CFG_PEER)->u.peer;
    p->peer = s.flow.peer[0];
    p->aggressive = true;
    p->self_set = self[0] != 0;
    p->self.type = type;
    str_copy(p->self.text, sizeof p->self.text, self);
    return s;
}

static struct ike_psk_value *key(struct setup *s, const char *keyring, const char *name, const char *text)
{
    struct ike_psk_value *k = &other(s, IKE_CFG_PSK)->u.psk;
    str_copy(k->name, sizeof k->name, name);
    str_copy(k->keyring, sizeof k->keyring, keyring);
    k->peer.a.family = name[0] ? AF_NONE : AF_V4;
    secret_set(&k->key, text, strlen(text));
    return k;
}

static void profile(struct setup *s, const char *name, const char *keyring, u8 kind, const char *match)
{
    struct ike_profile_value *p = &other(s, IKE_CFG_PROFILE)->u.profile;
    str_copy(p->name, sizeof p->name, name);
    str_copy(p->keyring, sizeof p->keyring, keyring);
    struct ike_match_value *m = &other(s, IKE_CFG_MATCH)->u.match;
    m->kind = kind;
    str_copy(m->text, sizeof m->text, match);
}

/* ---- three messages ---- */

static void three_messages(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    struct world *w = world_begun(1, &a, &b);
    /* HDR, SA, KE, Ni, IDii -->   <-- HDR, SA, KE, Nr, IDir, HASH_R   HDR*, HASH_I -->   then quick mode */
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->sent[A], 4); /* AM1 AM3 QM1 QM3 */
    assert_int_equal(w->sent[B], 2); /* AM2 QM2 */
    assert_int_equal(w->log_data[0][18], XCH_AGGRESSIVE);
    assert_int_equal(w->log_data[2][19] & FL_ENCRYPTED, FL_ENCRYPTED);
    world_snapshot(w, A);
    world_snapshot(w, B);
    assert_int_equal(w->s[B].info[0].state, ST_QM_IDLE);
    assert_string_equal(w->s[B].info[0].id, "1.1.1.1");
    assert_string_equal(w->s[A].info[0].id, "2.2.2.2");
    /* said once, by each end that is about to give a hash away */
    assert_true(saw(&w->s[A], "%ADIT-4-WEAK_CRYPTO: aggressive mode with a pre-shared key"));
    assert_int_equal(count_of(&w->s[B], EV_IKE_GUESSABLE), 1);
    world_free(w);
}

static void one_up(struct world *w, u64 which)
{
    if (pairs_up(w) != 1 || w->s[A].num_sas != 2 || w->s[B].num_sas != 2) {
        fail_msg("lost %llx: %u pairs, %u and %u SAs", (unsigned long long)which, pairs_up(w),
                 w->s[A].num_sas, w->s[B].num_sas);
    }
}

/* of the first eight datagrams any one, any two are lost */
static void each_and_any_two_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned k = i; k < 8; k++) {
            struct setup a = aggressive(A, 0, ""), b = setup_default(B);
            struct world *w = world_of(10 + i * 8 + k, &a, &b);
            struct lose l = {1ull << i | 1ull << k, 0};
            w->net = lose_some;
            w->ctx = &l;
            world_acquire(w, A);
            world_run(w, 60000);
            one_up(w, l.which);
            world_free(w);
        }
    }
}

/* The third message is lost, and the initiator goes on: what the responder cannot place yet makes it ask again, at once. */
static void lost_third_message(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    struct world *w = world_of(2, &a, &b);
    struct lose l = {1 << 2, 0};
    w->net = lose_some;
    w->ctx = &l;
    world_acquire(w, A);
    world_run(w, 2500); /* quick mode's first message is said again soon, once that and our answer make it come again */
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* Quick mode overtakes the third message, and the far end forgets it (strongSwan's threads): it comes again at once. */
static void quick_mode_overtakes(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    struct world *w = world_of(6, &a, &b);
    struct lose l = {1 << 3, 0}; /* the first of quick mode */
    w->net = lose_some;
    w->ctx = &l;
    world_acquire(w, A);
    world_run(w, BEHIND_LAST_MS + 100);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

static struct fate thrice(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return (struct fate){3, {10, 12, 2000}};
}

static void every_message_three_times(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    struct world *w = world_of(3, &a, &b);
    w->net = thrice;
    world_acquire(w, A);
    world_run(w, 30000);
    one_up(w, 0);
    assert_int_equal(w->s[A].added, 2);
    assert_int_equal(w->s[B].added, 2);
    world_free(w);
}

static void both_begin_at_once(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = aggressive(B, 0, "");
    struct world *w = world_of(4, &a, &b);
    world_acquire(w, A);
    world_acquire(w, B);
    world_run(w, 60000);
    one_up(w, 0);
    world_free(w);
}

/* phase 1 is renewed as it was made */
static void renewed_in_the_same_mode(void **state)
{
    (void)state;
    struct setup a = aggressive(A, ID_FQDN, "branch.example"), b = setup_default(B);
    a.policy[0].life_s = b.policy[0].life_s = 300;
    struct world *w = world_begun(5, &a, &b);
    unsigned main_mode = 0, aggressive_mode = 0;
    for (unsigned i = 0; i < 60; i++) {
        world_run(w, 10000);
        for (unsigned n = 0; n < w->num_log; n++) {
            main_mode += w->log_data[n][18] == XCH_MAIN;
            aggressive_mode += w->log_data[n][18] == XCH_AGGRESSIVE;
            free(w->log_data[n]);
        }
        w->num_log = 0;
    }
    assert_int_equal(main_mode, 0);
    assert_true(aggressive_mode >= 6); /* 600 s: at least twice */
    one_up(w, 0);
    world_free(w);
}

/* ---- keys by name ---- */

static void key_by_name(void **state)
{
    (void)state;
    static const struct {
        u8 type;
        const char *self;
    } who[] = {{ID_FQDN, "Branch.example"}, {ID_USER_FQDN, "office@branch.example"}, {ID_KEY_ID, "group1"}};
    for (unsigned i = 0; i < ARRAY_LEN(who); i++) {
        struct setup a = aggressive(A, who[i].type, who[i].self), b = setup_default(B);
        b.psk = NULL;
        a.psk = "of the branch";
        key(&b, "", i == 0 ? "branch.EXAMPLE" : who[i].self, "of the branch");
        key(&b, "", "other.example", "of another");
        struct world *w = world_begun(20 + i, &a, &b);
        assert_int_equal(pairs_up(w), 1);
        world_snapshot(w, B);
        assert_string_equal(w->s[B].info[0].id, who[i].self);
        world_free(w);
    }
}

/* A name counts before the address; a name cut off, or with what does not print in it, is none. */
static void names_are_whole(void **state)
{
    (void)state;
    struct setup a = aggressive(A, ID_FQDN, "branch.example"), b = setup_default(B);
    key(&b, "", "branch.example", "of the branch"); /* beside the key for any address */
    struct world *w = world_begun(30, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_AUTH) + count_of(&w->s[A], EV_IKE_FAIL_AUTH), 1);
    world_free(w);
    struct bytes_id id = {.len = 4 + 10, .b = {ID_FQDN, 17, 1, 244, 'v', 'p', 'n', 0, 'e', 'v', 'i', 'l', '.', 'x'}};
    char text[IKE_ID_TEXT];
    assert_false(id_name(text, &id));
    id.b[7] = '-';
    assert_true(id_name(text, &id));
    assert_string_equal(text, "vpn-evil.x");
    id.len = 4 + IKE_ID_TEXT;
    memset(id.b + 4, 'a', IKE_ID_TEXT);
    assert_false(id_name(text, &id));
    id.len--;
    assert_true(id_name(text, &id));
    id.b[0] = ID_IPV4_ADDR;
    assert_false(id_name(text, &id));
}

/* Whoever asks cannot tell a name that has a key from one that has none: the answer is the same but for its random parts; the
 * operator is told. */
static void unknown_names_look_like_known_ones(void **state)
{
    (void)state;
    size_t len[2];
    for (unsigned known = 0; known < 2; known++) {
        struct setup a = aggressive(A, ID_FQDN, "branch.example"), b = setup_default(B);
        b.psk = NULL;
        key(&b, "", known ? "branch.example" : "other.example", "not that of A");
        struct world *w = world_begun(40, &a, &b);
        assert_int_equal(pairs_up(w), 0);
        assert_int_equal(w->log_from[1], B);
        len[known] = w->log_len[1];
        assert_int_equal(w->log_data[1][18], XCH_AGGRESSIVE);
        assert_int_equal(count_of(&w->s[B], EV_IKE_FAIL_NO_PSK), !known);
        assert_int_equal(saw(&w->s[B], "no pre-shared key for branch.example, nor for its address"), !known);
        assert_true(saw(&w->s[A], "is not what the pre-shared key and identity give"));
        world_free(w);
    }
    assert_int_equal(len[0], len[1]);
}

/* ---- refused ---- */

static void disabled(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    b.global.aggressive_off = true;
    struct world *w = world_begun(50, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[B], "aggressive mode is disabled"));
    assert_int_equal(w->log_data[1][18], XCH_INFO);
    assert_int_equal(be16(w->log_data[1] + 38), NTF_INVALID_EXCHANGE_TYPE);
    assert_true(list_empty(&w->s[B].ike->sas));
    world_free(w);
}

static void wrong_key(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    a.psk = "another";
    struct world *w = world_begun(51, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[A], "%CRYPTO-6-IKMP_AUTH_FAIL: Authentication method 1 failed with host 2.2.2.2"));
    world_run(w, 120000);
    assert_int_equal(w->s[B].ike->num_guests, 0); /* and nothing stays */
    world_free(w);
}

/* Only policies of one group fit one offer: those of the first that can be used. */
static void one_group_is_offered(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    a.num_policies = 3;
    a.policy[1] = (struct ike_policy_value){20, ENCR_AES128, HASH_SHA1, IKE_AUTH_PSK, 5, 86400};
    a.policy[2] = (struct ike_policy_value){30, ENCR_3DES, HASH_SHA1, IKE_AUTH_PSK, 2, 86400};
    b.policy[0] = a.policy[2];
    struct world *w = world_begun(52, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    world_snapshot(w, B);
    assert_int_equal(w->s[B].info[0].encr, ENCR_3DES);
    world_free(w);
    b.policy[0] = a.policy[1];
    w = world_begun(53, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_NO_PROPOSAL) > 0);
    world_free(w);
}

/* ---- a stranger ---- */

/* First messages cost a key pair and an agreement before the address is proved: so many for each network in a second, and so
 * many in all; nobody's network uses up another's, and the memory is that of guests. */
static void a_flood_is_kept_small(void **state)
{
    (void)state;
    struct setup a = aggressive(A, 0, ""), b = setup_default(B);
    struct world *w = world_begun(60, &a, &b);
    u8 first[1024];
    size_t len = w->log_len[0];
    memcpy(first, w->log_data[0], len);
    w->s[B].log.mask = EVC_LOG;
    unsigned sent = w->sent[B];
    for (u32 i = 0; i < 3000; i++) { /* one network, in three seconds */
        struct addr from = addr_v4(0x0a000000 + i % 250);
        put32(first, i + 1);
        send_from(w, B, &from, first, len);
        w->now++;
    }
    assert_in_range(w->sent[B] - sent, 16, 16 + 4 * 3 + 1);
    sent = w->sent[B];
    struct addr elsewhere = addr_v4(0x0b000001);
    put32(first, 99999);
    send_from(w, B, &elsewhere, first, len);
    assert_int_equal(w->sent[B] - sent, 1);
    sent = w->sent[B];
    for (u32 i = 0; i < 3000; i++) { /* all networks, at once */
        struct addr from = addr_v4(0x20000000 + i * 256);
        put32(first, i + 100000);
        send_from(w, B, &from, first, len);
    }
    assert_in_range(w->sent[B] - sent, 64, 128);
    assert_true(w->s[B].ike->num_guests <= GUESTS_MAX);
    assert_true(w->bytes[B] <= w->bytes[A] + 200 * len);
    assert_true(saw(&w->s[B], "so many first messages of aggressive mode"));
    world_run(w, 200000);
    assert_int_equal(w->s[B].ike->num_guests, 0);
    world_free(w);
}

/* ---- keyrings and profiles ---- */

/* main mode: the key is found by the address in any keyring, and the profile that the identity belongs to must have it */
static void profile_of_the_identity(void **state)
{
    (void)state;
    for (unsigned good = 0; good < 2; good++) {
        struct setup a = setup_default(A), b = setup_default(B);
        a.global.self = (struct ike_self){ID_FQDN, "branch.example"};
        b.psk = NULL;
        key(&b, "K1", "", "MY_K3Y");
        key(&b, "K2", "", "other");
        profile(&b, "P", good ? "K1" : "K2", IKE_MATCH_HOST, "branch.example");
        str_copy(b.flow.profile, sizeof b.flow.profile, "P");
        b.other[1].u.psk.peer = (struct prefix){addr_v4(0x09090909), 32}; /* K2 has none for this peer */
        struct world *w = world_of(70, &a, &b);
        world_acquire(w, A);
        world_run(w, 2000);
        assert_int_equal(pairs_up(w), good);
        assert_int_equal(saw(&w->s[B], "branch.example belongs to isakmp profile P, but its pre-shared key is of "
                                       "keyring K1, not of keyring K2"),
                         !good);
        world_snapshot(w, B);
        if (good) {
            assert_string_equal(w->s[B].info[0].profile, "P");
        }
        world_free(w);
    }
}

/* aggressive mode: the identity chooses the profile, the profile the keyring, the keyring the key */
static void profile_before_the_key(void **state)
{
    (void)state;
    struct setup a = aggressive(A, ID_USER_FQDN, "x@branch.example"), b = setup_default(B);
    b.psk = NULL;
    key(&b, "K1", "", "MY_K3Y");
    key(&b, "K2", "", "other"); /* the same prefix */
    profile(&b, "P2", "K2", IKE_MATCH_HOST, "branch.example");
    profile(&b, "P1", "K1", IKE_MATCH_USER_DOMAIN, "Branch.example");
    str_copy(b.flow.profile, sizeof b.flow.profile, "P1");
    struct world *w = world_begun(71, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
    str_copy(b.flow.profile, sizeof b.flow.profile, "P2"); /* the flow wants another */
    w = world_begun(72, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[B], "wants isakmp profile P2, and the peer authenticated itself under profile P1"));
    world_free(w);
}

static void initiator_with_a_profile(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = setup_default(B);
    a.psk = NULL;
    key(&a, "K1", "", "MY_K3Y");
    key(&a, "", "", "other");
    profile(&a, "P", "K1", IKE_MATCH_ADDRESS, "");
    struct ike_profile_value *p = &a.other[2].u.profile;
    p->aggressive = p->self_set = true;
    p->self = (struct ike_self){ID_FQDN, "branch.example"};
    a.other[3].u.match.net = prefix_host(&a.flow.peer[0]);
    str_copy(a.flow.profile, sizeof a.flow.profile, "P");
    struct world *w = world_begun(73, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    world_snapshot(w, B);
    assert_string_equal(w->s[B].info[0].id, "branch.example");
    assert_int_equal(w->log_data[0][18], XCH_AGGRESSIVE);
    world_free(w);
    a.other[3].u.match.net.a = addr_v4(0x05050505); /* the peer is not whom the profile is for */
    w = world_begun(74, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[A], "isakmp profile P has no `match identity` for 2.2.2.2"));
    world_free(w);
    str_copy(a.flow.profile, sizeof a.flow.profile, "Q");
    w = world_begun(75, &a, &b);
    assert_true(saw(&w->s[A], "isakmp profile Q does not exist"));
    world_free(w);
}

/* a profile has a keepalive of its own */
static void keepalive_of_a_profile(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = setup_default(B);
    profile(&a, "P", "", IKE_MATCH_ADDRESS, "");
    struct ike_profile_value *p = &a.other[0].u.profile;
    p->keepalive_set = true, p->keepalive_s = 10, p->keepalive_retry_s = 3;
    a.other[1].u.match.net = prefix_host(&a.flow.peer[0]);
    str_copy(a.flow.profile, sizeof a.flow.profile, "P");
    struct world *w = world_begun(76, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    world_run(w, 100500);
    assert_in_range(count_of(&w->s[B], EV_IKE_DPD), 9, 10);
    assert_int_equal(count_of(&w->s[A], EV_IKE_DPD), 0);
    assert_int_equal(w->s[A].heard_s, 5); /* and the data plane tells of what comes in */
    assert_int_equal(w->s[B].heard_s, 0);
    world_free(w);
}

/* each kind of `match identity` */
static void matches(void **state)
{
    (void)state;
    static const struct {
        u8 kind;
        const char *match;
        u8 type;
        const char *self;
        bool takes;
    } row[] = {
        {IKE_MATCH_HOST, "a.example", ID_FQDN, "A.example", true},
        {IKE_MATCH_HOST, "a.example", ID_USER_FQDN, "a.example", false},
        {IKE_MATCH_HOST, "a.example", ID_FQDN, "ba.example", false},
        {IKE_MATCH_HOST_DOMAIN, "example", ID_FQDN, "a.b.EXAMPLE", true},
        {IKE_MATCH_HOST_DOMAIN, "example", ID_FQDN, "badexample", false},
        {IKE_MATCH_HOST_DOMAIN, "example", ID_FQDN, "example", false},
        {IKE_MATCH_USER, "x@a.example", ID_USER_FQDN, "X@a.example", true},
        {IKE_MATCH_USER, "x@a.example", ID_FQDN, "x@a.example", false},
        {IKE_MATCH_USER_DOMAIN, "a.example", ID_USER_FQDN, "y@a.example", true},
        {IKE_MATCH_USER_DOMAIN, "a.example", ID_USER_FQDN, "y@b.a.example", false},
        {IKE_MATCH_GROUP, "sales", ID_KEY_ID, "sales", true},
        {IKE_MATCH_GROUP, "sales", ID_KEY_ID, "Sales", false},
        {IKE_MATCH_ADDRESS, "", ID_FQDN, "10.1.2.3", false},
    };
    struct setup s = setup_default(A);
    struct world *w = world_of(80, &s, &s);
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct setup b = setup_default(B);
        profile(&b, "P", "", row[i].kind, row[i].match);
        b.other[1].u.match.net = (struct prefix){addr_v4(0x0a000000), 8};
        world_config(w, B, &b);
        struct bytes_id id = {.len = (u16)(4 + strlen(row[i].self)), .b = {row[i].type}};
        memcpy(id.b + 4, row[i].self, strlen(row[i].self));
        if ((profile_for(w->s[B].ike, &s.flow.local, &id) != NULL) != row[i].takes) {
            fail_msg("row %u", i);
        }
    }
    struct bytes_id ten = {.len = 8, .b = {ID_IPV4_ADDR, 17, 1, 244, 10, 1, 2, 3}};
    assert_non_null(profile_for(w->s[B].ike, &s.flow.local, &ten)); /* the last row's profile */
    ten.b[4] = 11;
    assert_null(profile_for(w->s[B].ike, &s.flow.local, &ten));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_messages),
        cmocka_unit_test(each_and_any_two_lost),
        cmocka_unit_test(lost_third_message),
        cmocka_unit_test(quick_mode_overtakes),
        cmocka_unit_test(every_message_three_times),
        cmocka_unit_test(both_begin_at_once),
        cmocka_unit_test(renewed_in_the_same_mode),
        cmocka_unit_test(key_by_name),
        cmocka_unit_test(names_are_whole),
        cmocka_unit_test(unknown_names_look_like_known_ones),
        cmocka_unit_test(disabled),
        cmocka_unit_test(wrong_key),
        cmocka_unit_test(one_group_is_offered),
        cmocka_unit_test(a_flood_is_kept_small),
        cmocka_unit_test(profile_of_the_identity),
        cmocka_unit_test(profile_before_the_key),
        cmocka_unit_test(initiator_with_a_profile),
        cmocka_unit_test(keepalive_of_a_profile),
        cmocka_unit_test(matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
