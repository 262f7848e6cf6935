/*
 * hybrid_test.c: RSA signatures with a user as ladders (B is the gateway, A the client), in both modes: XAUTHInitRSA, where both machines
 * sign, and HybridInitRSA, where the gateway alone does. What crosses, under loss, what each end refuses; and that a client whose machine
 * proved nothing gets nothing before its user has, and nothing of a peer's after.
 */
#include "certs.h"
#include "world.h"

#include "ike/unproved.h"

#include <stdlib.h>

static struct made *ca, *other_ca, *own[SIDES], *stranger, *seller;

static int make(void **state)
{
    (void)state;
    ca = made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "ca", .ca = true}, NULL);
    other_ca = made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "other ca", .ca = true}, NULL);
    own[A] = made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "a", .san = "DNS:a.example,IP:1.1.1.1", .serial = 10}, ca);
    own[B] = made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "b", .san = "DNS:b.example,IP:2.2.2.2", .serial = 11}, ca);
    stranger = made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "b", .san = "IP:2.2.2.2", .serial = 12}, other_ca);
    seller = made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "anna", .ou = "sales", .serial = 13}, ca);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    made_free(ca), made_free(other_ca), made_free(own[A]), made_free(own[B]), made_free(stranger), made_free(seller);
    return 0;
}

/* ---- set-ups ---- */

static struct ike_msg *other(struct setup *s, enum ike_msg_type type)
{
    struct ike_msg *m = &s->other[s->num_other++];
    m->type = type;
    return m;
}

static void part(struct setup *s, u16 what, const u8 *p, size_t len)
{
    s->part[s->num_parts].what = what;
    s->part[s->num_parts].p = p;
    s->part[s->num_parts++].len = len;
}

static struct setup base(int side, u16 auth, const struct made *mine, const struct made *trusted)
{
    struct setup s = setup_default(side);
    s.psk = NULL;
    s.policy[0] = (struct ike_policy_value){10, ENCR_AES128, HASH_SHA256, auth, 19, 86400};
    struct ike_trust_value *t = &other(&s, IKE_CFG_TRUST)->u.trust;
    t->none = true;
    str_copy(t->name, sizeof t->name, "T");
    if (trusted) {
        part(&s, PKI_CA, trusted->der, trusted->len);
    }
    if (mine) {
        part(&s, PKI_OWN, mine->der, mine->len);
        part(&s, PKI_KEY, mine->secret, mine->secret_len);
    }
    return s;
}

/* client: A, as that user; with hybrid authentication it has no certificate. other[1] is its peer. */
static struct setup client(bool hybrid, bool aggressive, const char *user, const char *password)
{
    struct setup s = base(A, hybrid ? IKE_AUTH_HYBRID_RSA : IKE_AUTH_RSA_SIG, hybrid ? NULL : own[A], ca);
    struct ike_peer_value *p = &other(&s, IKE_CFG_PEER)->u.peer;
    p->peer = s.flow.peer[0];
    p->aggressive = aggressive;
    p->self_set = hybrid;
    p->self.type = IKE_SELF_KEY_ID;
    str_copy(p->self.text, sizeof p->self.text, "sales");
    str_copy(p->user, sizeof p->user, user);
    secret_set(&p->password, password, strlen(password));
    return s;
}

/* gateway: B; its flow is one for clients. other[1] says what is asked of them. */
static struct setup gateway(bool hybrid)
{
    struct setup s = base(B, hybrid ? IKE_AUTH_HYBRID_RSA : IKE_AUTH_RSA_SIG, own[B], ca);
    struct ike_client_value *c = &other(&s, IKE_CFG_CLIENT)->u.client;
    c->local = s.flow.local;
    c->xauth = c->users = c->answer = true;
    struct ike_user_value *u = &other(&s, IKE_CFG_USER)->u.user;
    str_copy(u->name, sizeof u->name, "anna");
    str_copy(u->text, sizeof u->text, "anna's own");
    struct ike_group_value *g = &other(&s, IKE_CFG_GROUP)->u.group;
    str_copy(g->name, sizeof g->name, "sales");
    g->pool_lo = addr_v4(0x0a030001);
    g->pool_hi = addr_v4(0x0a030009);
    s.flow.client = s.flow.listed = true;
    s.flow.peer[0] = (struct addr){.family = AF_V4};
    return s;
}

static struct setup anna(bool hybrid, bool aggressive)
{
    return client(hybrid, aggressive, "anna", "anna's own");
}

static struct world *run(const struct setup *a, const struct setup *b)
{
    struct world *w = world_at(CERTS_NOW, 1, a, b);
    world_acquire(w, A);
    world_run(w, 3000);
    return w;
}

static struct ike_sa *sa_of(const struct side *s)
{
    assert_false(list_empty(&s->ike->sas));
    return CONTAINER_OF(s->ike->sas.next, struct ike_sa, link);
}

/* never: nothing was installed on either side, no ISAKMP SA of B's is ready, B told nobody's address. */
static void never(const struct world *w)
{
    assert_int_equal(w->s[A].added + w->s[B].added, 0);
    assert_int_equal(count_of(&w->s[B], EV_IKE_CLIENT), 0);
    LIST_FOR (it, &w->s[B].ike->sas) {
        assert_false(sa_ready(CONTAINER_OF(it, struct ike_sa, link)));
    }
}

static struct fate no_transactions(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)len;
    return data[18] == XCH_TRANSACTION ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* waiting: phase 1 is done, its user is not asked, for the transactions get lost. */
static struct world *waiting(const struct setup *a, const struct setup *b)
{
    struct world *w = world_at(CERTS_NOW, 1, a, b);
    w->net = no_transactions;
    world_acquire(w, A);
    world_run(w, 1000);
    assert_true(sa_authed(sa_of(&w->s[A])) && sa_authed(sa_of(&w->s[B])));
    return w;
}

/* ---- it comes up ---- */

static void the_right_user(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool hybrid = i & 1, aggressive = i & 2;
        struct setup a = anna(hybrid, aggressive), b = gateway(hybrid);
        struct world *w = run(&a, &b);
        assert_int_equal(pairs_up(w), 1);
        assert_int_equal(w->log_data[0][18], aggressive ? XCH_AGGRESSIVE : XCH_MAIN);
        world_snapshot(w, B);
        assert_int_equal(w->s[B].info[0].auth, hybrid ? IKE_AUTH_HYBRID_RSA : IKE_AUTH_XAUTH_RSA);
        assert_true(w->s[B].info[0].xauth && !w->s[B].info[0].config);
        assert_string_equal(w->s[B].info[0].id, hybrid ? "sales" : "1.1.1.1");
        assert_string_equal(sa_of(&w->s[B])->c.user, "anna");
        assert_true(saw(&w->s[B], "%CRYPTO-5-XAUTH_OK: user anna at 1.1.1.1 has proved himself"));
        assert_non_null(strstr(w->s[B].debug.s, hybrid ? "auth HybridInitRSA" : "auth XAUTHInitRSA"));
        /* of the client a certificate is asked, and shown, where it signs */
        assert_int_equal(strstr(w->s[B].debug.s, "processing CERT payload") != NULL, !hybrid);
        assert_int_equal(strstr(w->s[A].debug.s, "peer wants a certificate issued by") != NULL, !hybrid);
        assert_non_null(strstr(w->s[B].debug.s, "peer wants a certificate issued by"));
        assert_non_null(strstr(w->s[B].debug.s, "using the T trustpoint's keypair to sign"));
        assert_null(w->s[A].syslog.s); /* also nothing of keys that could be guessed */
        assert_int_equal(count_of(&w->s[B], EV_IKE_GUESSABLE), 0);
        world_free(w);
    }
}

/* A client with certificate and user meets a gateway that wants no method of that kind: it offers what it is configured with. */
static void a_list_asks_without_the_method(void **state)
{
    (void)state;
    struct setup a = client(false, false, "", ""), b = gateway(false);
    struct world *w = run(&a, &b); /* plain RSA signatures: the list asks all the same */
    assert_true(saw(&w->s[A], "the peer asks for a user and a password, and none are configured for it"));
    world_run(w, 130000);
    never(w);
    world_free(w);
}

static void each_message_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 14; k++) {
            struct setup a = anna(i & 1, i & 2), b = gateway(i & 1);
            struct world *w = world_at(CERTS_NOW, 100 + k, &a, &b);
            struct lose l = {1ull << k, 0};
            w->net = lose_some;
            w->ctx = &l;
            world_acquire(w, A);
            world_run(w, 90000);
            if (pairs_up(w) != 1 || w->s[A].num_sas != 2 || w->s[B].num_sas != 2) {
                fail_msg("way %u, lost %u: %u pairs: %s %s", i, k, pairs_up(w), w->s[A].syslog.s, w->s[B].syslog.s);
            }
            world_free(w);
        }
    }
}

static struct fate lossy(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)from, (void)number, (void)data, (void)len;
    unsigned copies = world_random(w) % 10 < 3 ? 0 : 1 + world_random(w) % 2;
    return (struct fate){copies, {world_random(w) % 400, world_random(w) % 400}};
}

/* A third lost, the rest in any order, some twice: it comes up, in the end, always. */
static void under_loss(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct setup a = anna(seed & 1, seed & 2), b = gateway(seed & 1);
        struct world *w = world_at(CERTS_NOW, seed, &a, &b);
        w->net = lossy;
        for (unsigned i = 0; i < 20 && !pairs_up(w); i++) {
            world_acquire(w, A);
            world_run(w, 60000);
        }
        assert_true(pairs_up(w) >= 1);
        world_free(w);
    }
}

/* ---- nobody gets in without his user ---- */

static void the_wrong_user(void **state)
{
    static const char *const wrong[][2] = {{"berta", "anna's own"}, {"anna", "anna's ow"}, {"", "anna's own"}};
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        bool hybrid = i & 1, named = wrong[i / 4][0][0] != 0;
        struct setup a = client(hybrid, i & 2, named ? wrong[i / 4][0] : "x", wrong[i / 4][1]), b = gateway(hybrid);
        struct world *w = run(&a, &b);
        char line[96];
        snprintf(line, sizeof line, "user %s: no such user, or another password", named ? wrong[i / 4][0] : "x");
        assert_true(saw(&w->s[B], line));
        assert_true(saw(&w->s[A], "the peer refuses the user and password we gave"));
        assert_true(sa_of(&w->s[B])->deleted && sa_of(&w->s[A])->deleted);
        assert_int_equal(sa_of(&w->s[B])->c.phase, PHASE_AUTHED);
        never(w);
        world_free(w);
    }
}

/* Who is never asked, or never answers, gets nothing, and nobody waits for ever. */
static void the_user_never_asked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct setup a = anna(i & 1, i & 2), b = gateway(i & 1);
        struct world *w = waiting(&a, &b);
        world_run(w, 80000);
        assert_true(saw(&w->s[B], "the peer did not answer a transaction of ours"));
        assert_true(saw(&w->s[A], "Death by retransmission P1"));
        world_run(w, 200000);
        never(w);
        assert_true(list_empty(&w->s[B].ike->guests));
        world_free(w);
    }
}

static bool ask_address(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    (void)ike, (void)arg;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    size_t start = draft_begin_hashed(d);
    isakmp_out_cfg(&d->out, CFG_REQUEST, 4711);
    isakmp_out_cfg_bytes(&d->out.w, CA_IP4_ADDRESS, NULL, 0);
    isakmp_out_end(&d->out);
    draft_end_hashed(d, start, NULL);
    return true;
}

/* A client that answers what nobody asked, so that nothing is open any more: it has so long and no longer. */
static void not_ready_in_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct setup a = anna(true, false), b = gateway(true);
        struct world *w = waiting(&a, &b);
        struct side *s = &w->s[i ? A : B]; /* and the same of a gateway, as its client sees it */
        struct ike_sa *sa = sa_of(s);
        sa->main.rt.next_ms = 0;
        xch_arm(s->ike, &sa->main);
        LIST_FOR (it, &sa->nodes) {
            xch_free(s->ike, CONTAINER_OF(it, struct xch, link));
        }
        w->net = all_lost;
        world_run(w, 110000);
        assert_false(sa->deleted);
        world_run(w, 15000);
        assert_true(sa->deleted);
        assert_true(saw(s, "its user has not proved himself, or it was not configured, in time"));
        world_free(w);
    }
}

/* A client that goes on as if its user had proved himself: no address, no pair, and no word about what others have. */
static void nothing_before(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct setup a = anna(i & 1, i & 2), b = gateway(i & 1);
        struct world *w = waiting(&a, &b);
        struct ike *ike = w->s[A].ike;
        struct ike_sa *sa = sa_of(&w->s[A]);
        w->net = lose_some;
        struct lose none = {0, 0};
        w->ctx = &none;
        sa->c.phase = PHASE_READY;
        struct xch *x = xch_new(ike, sa, exchange_of(&ike_v1, XCH_TRANSACTION), msgid_new(ike, sa), true);
        list_push_back(&sa->nodes, &x->link);
        assert_true(engine_start(ike, sa, x, ask_address, NULL, XS_CFG_ASKED, TM_NONE));
        assert_true(qm_start(ike, sa, flow_find(ike, 7)));
        info_delete_spi(ike, sa, PROTO_ESP, 0x12345678);
        world_run(w, 100);
        assert_true(saw(&w->s[B], "it asks to be configured before its user has proved himself"));
        assert_true(count_of(&w->s[B], EV_IKE_FAIL_NOT_AUTH) >= 1);
        assert_true(saw(&w->s[B], "it speaks of other SAs before its user has proved himself"));
        never(w);
        info_delete_sa(ike, sa); /* its own it may end */
        world_run(w, 100);
        assert_true(sa_of(&w->s[B])->deleted);
        world_free(w);
    }
}

/* Who only says that he is somebody takes nothing away from him who proved it: not with INITIAL-CONTACT, and never as the same far end. */
static void another_who(void **state)
{
    (void)state;
    struct setup a = anna(true, false), b = gateway(true);
    struct world *w = waiting(&a, &b);
    struct ike_sa *sa = sa_of(&w->s[B]);
    assert_true(sa->greeted && !sa->peer->contacted);
    struct sa_core plain = sa->c;
    plain.auth = IKE_AUTH_PSK;
    assert_true(core_who(w->s[B].ike, &plain) != sa_who(w->s[B].ike, sa));
    struct sa_core wrong = sa->c, right = sa->c; /* a name that was tried is nobody's */
    str_copy(wrong.user, sizeof wrong.user, "anna");
    str_copy(right.user, sizeof right.user, "anna");
    wrong.xauth = XAUTH_WRONG, right.xauth = XAUTH_DONE;
    assert_true(core_who(w->s[B].ike, &wrong) == sa_who(w->s[B].ike, sa));
    assert_true(core_who(w->s[B].ike, &right) != sa_who(w->s[B].ike, sa));
    world_free(w);
}

/* What a site has at the address that a user speaks from is not his: not to forget with INITIAL-CONTACT, nor to delete. */
static void nothing_of_the_site(void **state)
{
    (void)state;
    struct setup site = setup_default(A), a = anna(true, false), b = gateway(true);
    b.policy[1] = site.policy[0];
    b.policy[1].priority = 20;
    b.num_policies = 2;
    b.psk = site.psk;
    struct ike_psk_value *k = &other(&b, IKE_CFG_PSK)->u.psk; /* the site has no user */
    k->peer = prefix_host(&a.flow.local);
    k->no_xauth = true;
    secret_set(&k->key, site.psk, strlen(site.psk));
    b.more[0] = b.flow; /* for anna, who is given what she asks for */
    b.more[0].flow = 8;
    b.flow = setup_default(B).flow;
    b.num_more = 1;
    a.flow.sel.proto = b.more[0].sel.proto = 4;
    struct world *w = world_at(CERTS_NOW, 1, &site, &b);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(pairs_up(w), 1);
    u32 spi = w->s[B].sa[0].dir == SA_OUT ? w->s[B].sa[0].spi : w->s[B].sa[1].spi;
    struct ike_sa *old = sa_of(&w->s[B]);
    u8 cookies[16];
    memcpy(cookies, old->c.cookie_i, 8);
    memcpy(cookies + 8, old->c.cookie_r, 8);
    world_restart(w, A); /* another machine at its address */
    w->s[A].num_sas = 0;
    world_config(w, A, &a);
    world_acquire(w, A);
    world_run(w, 3000);
    assert_int_equal(count_of(&w->s[B], EV_IKE_XAUTH_OK), 1);
    struct ike_sa *sa = CONTAINER_OF(w->s[A].ike->sas.next, struct ike_sa, link);
    assert_true(sa_ready(sa));
    assert_int_equal(count_of(&w->s[B], EV_IKE_INITIAL_CONTACT), 2); /* the site said so, and so does she */
    assert_int_equal(w->s[B].num_sas, 4);
    assert_false(old->deleted);
    info_delete_spi(w->s[A].ike, sa, PROTO_ESP, spi);
    info_notify(w->s[A].ike, sa, PROTO_ISAKMP, NTF_INVALID_SPI, NULL, 0, (u8[]){(u8)(spi >> 24), (u8)(spi >> 16), (u8)(spi >> 8), (u8)spi}, 4);
    /* a Delete with the cookies of the site's */
    struct xch *x = xch_new(w->s[A].ike, sa, exchange_of(&ike_v1, XCH_INFO), msgid_new(w->s[A].ike, sa), true);
    struct info n = {.del = true, .proto = PROTO_ISAKMP, .spi = cookies, .spi_len = 16};
    assert_true(engine_start(w->s[A].ike, sa, x, info_out, &n, XS_INFO, TM_NONE));
    xch_free(w->s[A].ike, x);
    world_run(w, 1000);
    assert_int_equal(w->s[B].num_sas, 4);
    assert_false(old->deleted);
    world_free(w);
}

/* A user is not the peer that a flow names, though he speaks from its address: neither when he begins nor when we would. */
static void no_flow_of_a_peer(void **state)
{
    (void)state;
    struct setup a = anna(true, false), b = gateway(true);
    b.flow.client = b.flow.listed = false;
    b.flow.peer[0] = a.flow.local;
    struct world *w = run(&a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(sa_ready(sa_of(&w->s[B])));
    assert_true(saw(&w->s[B], "a user with hybrid authentication gets what a dynamic map has for clients"));
    assert_null(sa_under(w->s[B].ike, NULL, &w->s[A].addr, ""));
    assert_non_null(sa_usable(w->s[B].ike, NULL, &w->s[A].addr));
    assert_int_equal(w->s[B].added, 0);
    world_free(w);
    a = anna(false, false); /* whose machine signed is that peer */
    b = gateway(false);
    b.flow.client = b.flow.listed = false;
    b.flow.peer[0] = a.flow.local;
    w = run(&a, &b);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* ---- what the gateway agrees to ---- */

/* lacking: B does not agree, and says why. */
static void lacking(const struct setup *a, const struct setup *b, const char *sentence)
{
    struct world *w = run(a, b);
    never(w);
    if (!saw(&w->s[B], sentence)) {
        fail_msg("no \"%s\" in %s", sentence, w->s[B].syslog.s);
    }
    world_free(w);
}

/* The operator's words are never weakened: rsa-sig takes no client without its certificate, hybrid-rsa nobody without a user. */
static void never_weaker(void **state)
{
    (void)state;
    struct setup a = anna(true, false), b = gateway(false);
    lacking(&a, &b, "offered authentication method 64221, policy 10 wants rsa-sig");
    a = anna(false, false);
    b = gateway(true);
    lacking(&a, &b, "offered authentication method 65005, policy 10 wants hybrid-rsa");
    a = client(false, false, "", "");
    lacking(&a, &b, "offered authentication method 3, policy 10 wants hybrid-rsa");
    for (unsigned hybrid = 0; hybrid < 2; hybrid++) {
        a = anna(hybrid, false);
        b = gateway(hybrid);
        b.other[1].u.client.xauth = false;
        lacking(&a, &b, hybrid ? "policy 10 fits, but there is no hybrid authentication (gateway: RSA certificate and list of users"
                               : "policy 10 fits, but there is no user for extended authentication, beside a certificate");
    }
    a = anna(true, false);
    b = gateway(true);
    b.num_parts = 1; /* its CA alone */
    lacking(&a, &b, "policy 10 fits, but there is no hybrid authentication");
}

/* In main mode the isakmp profile is known after the method: it is agreed where some profile asks for users, and who then belongs to
 * one that does not, or to none, is refused. */
static void by_profile(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct setup a = anna(true, i >= 3), b = gateway(true);
        b.other[1].u.client.local = (struct addr){0};
        str_copy(b.other[1].u.client.profile, IKE_NAME, "P");
        struct ike_msg *p = other(&b, IKE_CFG_PROFILE), *m = other(&b, IKE_CFG_MATCH);
        str_copy(p->u.profile.name, IKE_NAME, i % 3 == 2 ? "Q" : "P"); /* another one asks nobody */
        m->u.match.kind = IKE_MATCH_GROUP;
        str_copy(m->u.match.text, sizeof m->u.match.text, i % 3 == 1 ? "others" : "sales");
        if (i % 3 == 2) {
            str_copy(other(&b, IKE_CFG_PROFILE)->u.profile.name, IKE_NAME, "P");
        }
        struct world *w = run(&a, &b);
        if (i % 3 == 0) {
            assert_int_equal(pairs_up(w), 1);
            assert_string_equal(sa_of(&w->s[B])->c.profile, "P");
        } else {
            never(w);
            assert_true(saw(&w->s[B], i >= 3       ? "there is no hybrid authentication"
                                      : i % 3 == 1 ? "sales is to prove a user, and who belongs to no isakmp profile asks for none"
                                                   : "sales is to prove a user, and isakmp profile Q asks for none"));
        }
        world_free(w);
    }
}

/* Anybody may come as far as the question for a user: so many of one address, the oldest goes, and passwords are looked at so often. */
static void strangers_are_bounded(void **state)
{
    (void)state;
    struct setup a = anna(true, false), b = gateway(true);
    struct world *w = waiting(&a, &b);
    char why[START_WHY];
    for (unsigned i = 0; i < GUESTS_PER_ADDRESS + 8; i++) {
        assert_non_null(p1_start(w->s[A].ike, 0, &w->s[A].addr, &w->s[B].addr, "", why));
        world_run(w, 100);
    }
    unsigned there = 0;
    LIST_FOR (it, &w->s[B].ike->sas) {
        there += !CONTAINER_OF(it, struct ike_sa, link)->deleted;
    }
    assert_int_equal(there, GUESTS_PER_ADDRESS);
    assert_true(saw(&w->s[B], "or for a user behind hybrid authentication"));
    world_free(w);
    w = waiting(&a, &b);
    w->net = lose_some;
    struct lose none = {0, 0};
    w->ctx = &none;
    for (unsigned i = 0; i < 11000; i++) { /* others of its network use up what there is */
        while (budget_take(w->s[B].ike, BUDGET_PASSWORD, &w->s[A].addr)) {
        }
        world_run(w, 1);
    }
    assert_true(saw(&w->s[B], "so many passwords came from this network, by hybrid authentication"));
    never(w);
    world_run(w, 60000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* ---- what the client agrees to ---- */

/* The gateway's certificate is not good: the client goes no further, and says no password to it. */
static void a_bad_gateway(void **state)
{
    (void)state;
    struct made *old = made_new(
        &(struct cert_spec){.kind = PKI_RSA, .cn = "b", .san = "IP:2.2.2.2", .serial = 14, .from_days = -9, .to_days = -2}, ca);
    struct made *elsewhere = made_new(&(struct cert_spec){.kind = PKI_RSA, .cn = "b", .san = "IP:9.9.9.9", .serial = 15}, ca);
    const struct made *bad[] = {stranger, old, elsewhere};
    static const char *const why[] = {"issuer not known: cn=b", "expired: cn=b", "wrong name: cn=b"};
    for (unsigned i = 0; i < 12; i++) {
        bool hybrid = i & 1;
        struct setup a = anna(hybrid, i & 2), b = gateway(hybrid);
        b.part[1].p = bad[i / 4]->der, b.part[1].len = bad[i / 4]->len;
        b.part[2].p = bad[i / 4]->secret, b.part[2].len = bad[i / 4]->secret_len;
        if (i / 4 == 2) {
            b.global.self.said = true; /* or it says its subject */
        }
        struct world *w = run(&a, &b);
        world_run(w, 60000);
        never(w);
        if (!saw(&w->s[A], why[i / 4])) {
            fail_msg("%u: %s", i, w->s[A].syslog.s);
        }
        for (unsigned k = 0; k < w->num_log; k++) {
            assert_false(w->log_from[k] == A && w->log_data[k][18] == XCH_TRANSACTION);
        }
        world_free(w);
    }
    made_free(old);
    made_free(elsewhere);
}

/* A gateway that makes HASH_R as if it, too, had nothing to prove. */
static void a_gateway_that_does_not_sign(void **state)
{
    (void)state;
    struct setup a = anna(true, false), b = gateway(true);
    struct world *w = world_at(CERTS_NOW, 1, &a, &b);
    world_acquire(w, A);
    for (unsigned i = 0; i < 2000 && (list_empty(&w->s[B].ike->sas) || sa_of(&w->s[B])->main.c.state != XS_R_MM4); i++) {
        world_run(w, 1);
    }
    sa_of(&w->s[B])->c.initiator = true; /* for the proof alone: HASH, no SIG */
    struct draft *d = xcalloc(1, sizeof *d);
    draft_init(d, sa_of(&w->s[B]), &sa_of(&w->s[B])->main);
    isakmp_out_init(&d->out, d->buf, sizeof d->buf, &(struct isakmp_hdr){.exchange = XCH_MAIN});
    p1_write_proof(w->s[B].ike, sa_of(&w->s[B]), d);
    assert_int_equal(d->buf[16], PL_HASH);
    draft_free(d);
    free(d);
    sa_of(&w->s[B])->c.initiator = false;
    /* the row of the client wants a signature, whatever comes */
    const struct row *r = row_find(sa_of(&w->s[A]), XS_I_MM5, true, XCH_MAIN, true);
    assert_non_null(r);
    assert_true(r->required & PB_SIG && !(r->optional & PB_HASH));
    r = row_find(sa_of(&w->s[B]), XS_R_MM4, false, XCH_MAIN, true);
    assert_true(r->required & PB_HASH && !(r->optional & (PB_SIG | PB_CERT)));
    world_free(w);
}

/* HASH_I that is not over this exchange: who sends it has not made the keys with us. */
static void a_wrong_hash(void **state)
{
    (void)state;
    struct setup a = anna(true, true), b = gateway(true);
    struct world *w = world_at(CERTS_NOW, 1, &a, &b);
    world_acquire(w, A);
    for (unsigned i = 0; i < 2000 && (list_empty(&w->s[B].ike->sas) || sa_of(&w->s[B])->c.phase != PHASE_KEYED); i++) {
        world_run(w, 1);
    }
    sa_of(&w->s[B])->c.skeyid.b[0] ^= 1;
    world_run(w, 2000);
    assert_true(saw(&w->s[B], "is not over this very exchange"));
    never(w);
    world_free(w);
}

/* ---- groups ---- */

/* A client with a certificate belongs to the group that its subject's organizational unit names (IOS). */
static void group_by_unit(void **state)
{
    (void)state;
    struct setup a = anna(false, false), b = gateway(false);
    a.part[1].p = seller->der, a.part[1].len = seller->len;
    a.part[2].p = seller->secret, a.part[2].len = seller->secret_len;
    struct world *w = run(&a, &b);
    assert_int_equal(pairs_up(w), 1);
    struct ike *ike = w->s[A].ike;
    struct ike_sa *sa = sa_of(&w->s[A]);
    const struct conf_group *g = group_of(w->s[B].ike, sa_of(&w->s[B]), false);
    assert_non_null(g);
    assert_string_equal(g->v.name, "sales");
    struct xch *x = xch_new(ike, sa, exchange_of(&ike_v1, XCH_TRANSACTION), msgid_new(ike, sa), true);
    list_push_back(&sa->nodes, &x->link);
    assert_true(engine_start(ike, sa, x, ask_address, NULL, XS_CFG_ASKED, TM_NONE));
    world_run(w, 100);
    assert_true(saw(&w->s[B], "%CRYPTO-5-CLIENT: 10.3.0.1 is given to user anna at 1.1.1.1"));
    world_snapshot(w, B);
    assert_true(w->s[B].info[0].config);
    world_free(w);
    a = anna(false, false); /* no unit, no group */
    w = run(&a, &b);
    assert_null(group_of(w->s[B].ike, sa_of(&w->s[B]), false));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_user),
        cmocka_unit_test(a_list_asks_without_the_method),
        cmocka_unit_test(each_message_lost),
        cmocka_unit_test(under_loss),
        cmocka_unit_test(the_wrong_user),
        cmocka_unit_test(the_user_never_asked),
        cmocka_unit_test(not_ready_in_time),
        cmocka_unit_test(nothing_before),
        cmocka_unit_test(nothing_of_the_site),
        cmocka_unit_test(another_who),
        cmocka_unit_test(no_flow_of_a_peer),
        cmocka_unit_test(never_weaker),
        cmocka_unit_test(by_profile),
        cmocka_unit_test(strangers_are_bounded),
        cmocka_unit_test(a_bad_gateway),
        cmocka_unit_test(a_gateway_that_does_not_sign),
        cmocka_unit_test(a_wrong_hash),
        cmocka_unit_test(group_by_unit),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
