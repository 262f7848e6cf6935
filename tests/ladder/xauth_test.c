/*
 * xauth_test.c: clients as ladders: extended authentication (B is the gateway, A the client) and mode configuration. What crosses,
 * then what must hold.
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

/* client: A begins in aggressive mode as a member of the group, and has a user to name. */
static struct setup client(const char *group, const char *user, const char *password)
{
    struct setup s = setup_default(A);
    struct ike_peer_value *p = &other(&s, IKE_CFG_PEER)->u.peer;
    p->peer = s.flow.peer[0];
    p->aggressive = p->self_set = true;
    p->self.type = IKE_SELF_KEY_ID;
    str_copy(p->self.text, sizeof p->self.text, group);
    str_copy(p->user, sizeof p->user, user);
    secret_set(&p->password, password, strlen(password));
    return s;
}

static struct setup gateway(void)
{
    struct setup s = setup_default(B);
    struct ike_client_value *c = &other(&s, IKE_CFG_CLIENT)->u.client;
    c->local = s.flow.local;
    c->xauth = c->users = c->answer = true;
    struct ike_user_value *u = &other(&s, IKE_CFG_USER)->u.user;
    str_copy(u->name, sizeof u->name, "anna");
    str_copy(u->text, sizeof u->text, "anna's own");
    struct ike_group_value *g = &other(&s, IKE_CFG_GROUP)->u.group;
    str_copy(g->name, sizeof g->name, "sales");
    g->pool_lo = addr_v4(0x0a030001);
    g->pool_hi = addr_v4(0x0a030002);
    g->dns[0] = addr_v4(0x0a020035);
    str_copy(g->domain, sizeof g->domain, "example.org");
    str_copy(g->banner, sizeof g->banner, "hello");
    g->save_password = true;
    other(&s, IKE_CFG_SPLIT)->u.split.net = (struct prefix){addr_v4(0x0a020000), 16};
    return s;
}

static struct ike_sa *sa_of(const struct side *s)
{
    assert_false(list_empty(&s->ike->sas));
    return CONTAINER_OF(s->ike->sas.next, struct ike_sa, link);
}

/* ---- extended authentication ---- */

static void the_right_user(void **state)
{
    (void)state;
    struct setup a = client("sales", "anna", "anna's own"), b = gateway();
    struct world *w = world_begun(1, &a, &b);
    /* AM1 AM2 AM3, then <-- REQUEST, REPLY -->, <-- SET, ACK -->, then quick mode */
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->log_data[3][18], XCH_TRANSACTION);
    assert_int_equal(w->log_from[3], B);
    assert_int_equal(w->sent[A], 6);
    assert_int_equal(w->sent[B], 4);
    assert_string_equal(sa_of(&w->s[B])->c.user, "anna");
    assert_true(saw(&w->s[B], "%CRYPTO-5-XAUTH_OK: user anna at 1.1.1.1 has proved himself"));
    world_free(w);
}

/* a password with another one's name, no name, a longer one, another one */
static void the_wrong_user(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"berta", "anna's own"}, {"anna", "anna's ow"}, {"anna", "anna's own."}, {"Anna", "anna's own"}, {"anna", "x"}};
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        struct setup a = client("sales", wrong[i][0], wrong[i][1]), b = gateway();
        struct world *w = world_begun(10 + i, &a, &b);
        char line[128];
        snprintf(line, sizeof line, "user %s: no such user, or another password", wrong[i][0]);
        assert_int_equal(pairs_up(w), 0);
        assert_true(saw(&w->s[B], line));
        assert_true(saw(&w->s[A], "the peer refuses the user and password we gave"));
        assert_int_equal(w->s[B].added, 0);
        assert_true(sa_of(&w->s[B])->deleted && sa_of(&w->s[A])->deleted);
        assert_int_equal(sa_of(&w->s[B])->c.key.len, 0);
        assert_int_equal(sa_of(&w->s[B])->c.phase, PHASE_AUTHED); /* never more, whatever it acknowledged */
        world_run(w, 200000);
        assert_true(list_empty(&w->s[B].ike->sas));
        world_free(w);
    }
}

/* A list that asks somebody else: that another list asks our users makes them nobody's here. */
static void not_of_this_list(void **state)
{
    (void)state;
    struct setup a = client("sales", "anna", "anna's own"), b = gateway();
    b.other[0].u.client.users = false;
    struct world *w = world_begun(7, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[B], "user anna: no such user, or another password"));
    assert_true(sa_of(&w->s[B])->deleted);
    world_free(w);
}

static bool ask_all(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    static const u16 wanted[] = {CA_IP4_ADDRESS, CA_IP4_NETMASK, CA_IP4_DNS, CA_IP4_NBNS, CA_BANNER, CA_SAVE_PASSWD,
                                 CA_DEF_DOMAIN, CA_SPLIT_INCLUDE, CA_VERSION, CA_LOCAL_LAN, 12345, CA_IP4_DNS};
    (void)ike, (void)arg;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    size_t start = draft_begin_hashed(d);
    isakmp_out_cfg(&d->out, CFG_REQUEST, 4711);
    for (unsigned i = 0; i < ARRAY_LEN(wanted); i++) {
        isakmp_out_cfg_bytes(&d->out.w, wanted[i], NULL, 0);
    }
    isakmp_out_end(&d->out);
    draft_end_hashed(d, start, NULL);
    return true;
}

/* Before its user has proved himself a client gets nothing: no quick mode, no address. */
static void nothing_before(void **state)
{
    (void)state;
    struct setup a = client("sales", "anna", "wrong"), b = gateway();
    struct world *w = world_of(20, &a, &b);
    world_acquire(w, A);
    for (unsigned i = 0; i < 2000 && (list_empty(&w->s[A].ike->sas) || !sa_authed(sa_of(&w->s[A]))); i++) {
        world_run(w, 1);
    }
    struct ike_sa *sa = sa_of(&w->s[A]);
    assert_false(sa_ready(sa));
    struct xch *x = xch_new(w->s[A].ike, sa, exchange_of(&ike_v1, XCH_TRANSACTION), msgid_new(w->s[A].ike, sa), true);
    list_push_back(&sa->nodes, &x->link);
    assert_true(engine_start(w->s[A].ike, sa, x, ask_all, NULL, XS_CFG_ASKED, TM_NONE));
    sa->c.phase = PHASE_READY; /* a client that does not care */
    assert_true(qm_start(w->s[A].ike, sa, flow_find(w->s[A].ike, 7)));
    world_run(w, 100);
    assert_true(count_of(&w->s[B], EV_IKE_FAIL_NOT_AUTH) > 0);
    assert_true(saw(&w->s[B], "it asks to be configured before its user has proved himself"));
    assert_int_equal(count_of(&w->s[B], EV_IKE_CLIENT), 0);
    assert_int_equal(w->s[B].added, 0);
    world_free(w);
}

/* Who has no user configured says nothing, and neither end waits for ever. */
static void no_user_to_name(void **state)
{
    (void)state;
    struct setup a = client("sales", "", ""), b = gateway();
    struct world *w = world_begun(21, &a, &b); /* offers a plain pre-shared key: it is taken, but a user is wanted all the same */
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[A], "the peer asks for a user and a password, and none are configured for it"));
    world_run(w, 130000);
    assert_int_equal(w->s[B].added, 0);
    world_free(w);
    struct ike_psk_value *k = &other(&b, IKE_CFG_PSK)->u.psk; /* a key that says that it has none */
    k->peer = prefix_host(&a.flow.local);
    k->no_xauth = true;
    secret_set(&k->key, "MY_K3Y", 6);
    w = world_begun(22, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* A gateway that wants no users does not agree to the method. */
static void not_configured(void **state)
{
    (void)state;
    struct setup a = client("sales", "anna", "anna's own"), b = gateway();
    b.other[0].u.client.xauth = false;
    struct world *w = world_begun(23, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_true(saw(&w->s[B], "there is no user for extended authentication"));
    world_free(w);
}

static void each_and_any_two_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned k = i; k < 12; k++) {
            struct setup a = client("sales", "anna", "anna's own"), b = gateway();
            struct world *w = world_of(100 + i * 12 + k, &a, &b);
            struct lose l = {1ull << i | 1ull << k, 0};
            w->net = lose_some;
            w->ctx = &l;
            world_acquire(w, A);
            world_run(w, 90000);
            if (pairs_up(w) != 1 || w->s[A].num_sas != 2 || w->s[B].num_sas != 2) {
                fail_msg("lost %llx: %u pairs, %u and %u SAs: %s %s", (unsigned long long)l.which, pairs_up(w),
                         w->s[A].num_sas, w->s[B].num_sas, w->s[A].syslog.s, w->s[B].syslog.s);
            }
            world_free(w);
        }
    }
}

static struct fate no_transactions(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)len;
    return data[18] == XCH_TRANSACTION ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* A gateway whose question is not answered, and a client who is not asked: neither waits for ever. */
static void neither_waits_for_ever(void **state)
{
    (void)state;
    struct setup a = client("sales", "anna", "anna's own"), b = gateway();
    struct world *w = world_of(25, &a, &b);
    w->net = no_transactions;
    world_acquire(w, A);
    world_run(w, 75000);
    assert_true(saw(&w->s[B], "the peer did not answer a transaction of ours"));
    assert_true(saw(&w->s[A], "Death by retransmission P1"));
    world_run(w, 200000);
    assert_int_equal(w->s[A].added + w->s[B].added, 0);
    for (int i = A; i <= B; i++) {
        LIST_FOR (it, &w->s[i].ike->sas) {
            assert_false(sa_ready(CONTAINER_OF(it, struct ike_sa, link)));
        }
    }
    world_free(w);
}

/* phase 1 is renewed: the user is asked again, and the pair that is there goes on meanwhile */
static void renewed(void **state)
{
    (void)state;
    struct setup a = client("sales", "anna", "anna's own"), b = gateway();
    a.policy[0].life_s = b.policy[0].life_s = 300;
    struct world *w = world_begun(24, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    world_run(w, 700000);
    assert_int_equal(pairs_up(w), 1);
    assert_true(count_of(&w->s[B], EV_IKE_XAUTH_OK) >= 3);
    assert_int_equal(w->s[B].num_sas, 2);
    world_free(w);
}

/* ---- mode configuration ---- */

/* pull: A asks B for everything; the reply, opened, into m (its bytes into plain). False: none came. */
static bool pull(struct world *w, struct isakmp_msg *m, u8 plain[2048])
{
    struct ike *ike = w->s[A].ike;
    struct ike_sa *sa = sa_of(&w->s[A]);
    struct xch *x = xch_new(ike, sa, exchange_of(&ike_v1, XCH_TRANSACTION), msgid_new(ike, sa), true);
    list_push_back(&sa->nodes, &x->link);
    w->num_log = w->num_log > 60 ? 60 : w->num_log;
    unsigned before = w->num_log;
    assert_true(engine_start(ike, sa, x, ask_all, NULL, XS_CFG_ASKED, TM_NONE));
    struct secret iv = x->c.iv; /* behind the request: where the reply's begins */
    world_run(w, 100);
    if (w->num_log < before + 2) {
        return false;
    }
    struct isakmp_hdr h;
    size_t len = w->log_len[before + 1];
    memcpy(plain, w->log_data[before + 1], len);
    assert_int_equal(isakmp_hdr_read(&h, plain, len).reason, IW_OK);
    assert_int_equal(h.exchange, XCH_TRANSACTION);
    assert_true(ike_cbc(sa->c.encr, false, sa->c.key.b, iv.b, plain + ISAKMP_HDR, len - ISAKMP_HDR));
    assert_int_equal(isakmp_decode(m, &h, plain, len, encr_row(sa->c.encr)->block).reason, IW_OK);
    return true;
}

static unsigned count_attr(const struct isakmp_cfg *c, u16 type, struct isakmp_cfg_attr *out)
{
    struct rd r = rd_init(c->attrs.p, c->attrs.len);
    struct isakmp_cfg_attr a;
    unsigned n = 0;
    while (isakmp_cfg_next(&a, &r)) {
        if (a.type == type) {
            *out = a;
            n++;
        }
    }
    return n;
}

static void what_a_group_has(void **state)
{
    (void)state;
    struct setup a = client("sales", "anna", "anna's own"), b = gateway();
    struct world *w = world_begun(30, &a, &b);
    struct isakmp_msg m;
    struct isakmp_cfg_attr at = {0};
    u8 plain[2048];
    assert_true(pull(w, &m, plain));
    assert_int_equal(m.cfg.type, CFG_REPLY);
    assert_int_equal(m.cfg.id, 4711);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_ADDRESS, &at), 1);
    assert_int_equal(be32(at.data.p), 0x0a030001);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_NETMASK, &at), 1);
    assert_int_equal(be32(at.data.p), 0xffffffff);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_DNS, &at), 1); /* asked for twice, there is one, told once */
    assert_int_equal(be32(at.data.p), 0x0a020035);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_NBNS, &at), 0);
    assert_int_equal(count_attr(&m.cfg, CA_BANNER, &at), 1);
    assert_memory_equal(at.data.p, "hello", 5);
    assert_int_equal(count_attr(&m.cfg, CA_DEF_DOMAIN, &at), 1);
    assert_int_equal(count_attr(&m.cfg, CA_SAVE_PASSWD, &at), 1);
    assert_true(at.basic && at.value == 1);
    assert_int_equal(count_attr(&m.cfg, CA_SPLIT_INCLUDE, &at), 1);
    assert_int_equal(at.data.len, 14);
    assert_int_equal(be32(at.data.p), 0x0a020000);
    assert_int_equal(be32(at.data.p + 4), 0xffff0000);
    assert_int_equal(count_attr(&m.cfg, CA_LOCAL_LAN, &at), 0);
    assert_int_equal(count_attr(&m.cfg, 12345, &at), 0);
    assert_true(saw(&w->s[B], "%CRYPTO-5-CLIENT: 10.3.0.1 is given to user anna at 1.1.1.1"));
    world_free(w);
}

static void no_group_no_address(void **state)
{
    (void)state;
    struct setup a = client("others", "anna", "anna's own"), b = gateway();
    struct world *w = world_begun(31, &a, &b);
    struct isakmp_msg m;
    u8 plain[2048];
    assert_false(pull(w, &m, plain));
    assert_true(saw(&w->s[B], "no client configuration group is called others"));
    world_free(w);
    a = client("sales", "anna", "anna's own"); /* a group that is, and nobody who said that it is to be told */
    b = gateway();
    b.other[0].u.client.answer = false;
    w = world_begun(33, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    assert_false(pull(w, &m, plain));
    assert_true(saw(&w->s[B], "no client configuration group is called sales, or none is answered there"));
    world_free(w);
}

/* Addresses: each client its own, the same one again; one that nobody needs any more is given to another when none is free. */
static void leases(void **state)
{
    (void)state;
    struct setup s = gateway();
    struct world *w = world_of(32, &s, &s);
    struct ike *ike = w->s[B].ike;
    const struct ike_group_value *g = &ike->conf->groups->v;
    struct ike_sa *sa[4];
    struct addr got;
    for (unsigned i = 0; i < 4; i++) {
        struct endpoint local = {w->s[B].addr, 4500}, remote = {addr_v4(0x05050505 + i), 4500};
        sa[i] = sa_new(ike, &local, &remote);
        sa[i]->peer = peer_hold(ike, &local, &remote, "test");
        sa[i]->c.initiator = true; /* findable at once */
        put64(sa[i]->c.cookie_i, i + 1);
        sa[i]->c.peer_id.len = 4;
        sa[i]->c.peer_id.b[0] = ID_KEY_ID;
        snprintf(sa[i]->c.user, sizeof sa[i]->c.user, "user%u", i == 3 ? 0 : i);
        sa_link(ike, sa[i]);
    }
    assert_true(lease_take(ike, g, sa[0], &sa[0]->c, &got));
    assert_int_equal(addr_v4_host(&got), 0x0a030001);
    assert_true(lease_take(ike, g, sa[1], &sa[1]->c, &got));
    assert_int_equal(addr_v4_host(&got), 0x0a030002);
    assert_true(lease_take(ike, g, sa[0], &sa[0]->c, &got)); /* again: the same */
    assert_int_equal(addr_v4_host(&got), 0x0a030001);
    assert_false(lease_take(ike, g, sa[2], &sa[2]->c, &got));
    assert_false(lease_take(ike, g, sa[3], &sa[3]->c, &got)); /* user0 from elsewhere, while user0 is there */
    sa_delete(ike, sa[1], "test", false);
    assert_true(lease_take(ike, g, sa[2], &sa[2]->c, &got));
    assert_int_equal(addr_v4_host(&got), 0x0a030002);
    sa_delete(ike, sa[0], "test", false);
    assert_true(lease_take(ike, g, sa[3], &sa[3]->c, &got)); /* and when it has gone: its address */
    assert_int_equal(addr_v4_host(&got), 0x0a030001);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_user),   cmocka_unit_test(the_wrong_user), cmocka_unit_test(not_of_this_list),      cmocka_unit_test(nothing_before),
        cmocka_unit_test(no_user_to_name),  cmocka_unit_test(not_configured),      cmocka_unit_test(each_and_any_two_lost),
        cmocka_unit_test(neither_waits_for_ever), cmocka_unit_test(renewed),          cmocka_unit_test(what_a_group_has),    cmocka_unit_test(no_group_no_address),
        cmocka_unit_test(leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
