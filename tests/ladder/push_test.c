/*
 * push_test.c: mode configuration that is pushed (draft-ietf-ipsec-isakmp-mode-cfg-05 3.2) as ladders: B is the gateway and tells its client
 * A an address as soon as A, and A's user, have proved themselves; A waits for it and acknowledges it. Under loss, and what each end
 * refuses.
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

static void nets(struct setup *s, int side, u32 client)
{
    struct prefix net = {addr_v4(0x0a020000), 16}, host = {addr_v4(client), 32};
    s->flow.sel = (struct selector){
        .src = side == A ? host : net, .dst = side == A ? net : host, .sport_hi = 0xffff, .dport_hi = 0xffff};
    s->flow.any_mode = s->flow.tunnel_if = false;
}

/* client: A, whose gateway B is; its pair is for the first address of the pool. other[0] is its peer. */
static struct setup client(bool user, bool aggressive)
{
    struct setup s = setup_default(A);
    struct ike_peer_value *p = &other(&s, IKE_CFG_PEER)->u.peer;
    p->peer = s.flow.peer[0];
    p->aggressive = aggressive;
    p->configured = p->self_set = true;
    p->self.type = IKE_SELF_KEY_ID;
    str_copy(p->self.text, sizeof p->self.text, "sales");
    if (user) {
        str_copy(p->user, sizeof p->user, "anna");
        secret_set(&p->password, "anna's own", 10);
    }
    nets(&s, A, 0x0a030001);
    return s;
}

/* gateway: other[0] says what is wanted of clients, other[1] is the group. */
static struct setup gateway(bool user)
{
    struct setup s = setup_default(B);
    struct ike_client_value *c = &other(&s, IKE_CFG_CLIENT)->u.client;
    c->local = s.flow.local;
    c->xauth = c->users = user;
    c->push = true;
    struct ike_group_value *g = &other(&s, IKE_CFG_GROUP)->u.group;
    str_copy(g->name, sizeof g->name, "sales");
    g->pool_lo = addr_v4(0x0a030001);
    g->pool_hi = addr_v4(0x0a030001);
    g->dns[0] = addr_v4(0x0a020035);
    g->dns[1] = addr_v4(0x0a020036);
    str_copy(g->domain, sizeof g->domain, "example.org");
    g->save_password = true;
    other(&s, IKE_CFG_SPLIT)->u.split.net = (struct prefix){addr_v4(0x0a020000), 16};
    struct ike_user_value *u = &other(&s, IKE_CFG_USER)->u.user;
    str_copy(u->name, sizeof u->name, "anna");
    str_copy(u->text, sizeof u->text, "anna's own");
    nets(&s, B, 0x0a030001);
    s.flow.client = s.flow.listed = true;
    s.flow.peer[0] = (struct addr){.family = AF_V4};
    return s;
}

static struct ike_sa *sa_of(const struct side *s)
{
    assert_false(list_empty(&s->ike->sas));
    return CONTAINER_OF(s->ike->sas.next, struct ike_sa, link);
}

static unsigned count_attr(const struct isakmp_cfg *c, u16 type, struct isakmp_cfg_attr *out)
{
    struct rd r = rd_init(c->attrs.p, c->attrs.len);
    struct isakmp_cfg_attr a;
    unsigned n = 0;
    while (isakmp_cfg_next(&a, &r)) {
        if (a.type == type) {
            *out = n ? *out : a;
            n++;
        }
    }
    return n;
}

/* ---- it is told, and taken ---- */

static void told_unasked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool user = i & 1, aggressive = i & 2;
        struct setup a = client(user, aggressive), b = gateway(user);
        struct world *w = world_begun(1 + i, &a, &b);
        assert_int_equal(pairs_up(w), 1);
        /* phase 1, [user,] SET -->, <-- ACK; quick mode */
        assert_int_equal(w->sent[A] + w->sent[B], (aggressive ? 3 : 6) + (user ? 4 : 0) + 2 + 3);
        assert_true(saw(&w->s[B], "%CRYPTO-5-CLIENT: 10.3.0.1 is given to user"));
        assert_true(saw(&w->s[A], "%CRYPTO-5-CONFIGURED: the gateway 2.2.2.2 gives us the address 10.3.0.1"));
        assert_int_equal(addr_v4_host(&sa_of(&w->s[A])->c.client), 0x0a030001);
        assert_int_equal(addr_v4_host(&sa_of(&w->s[B])->c.client), 0x0a030001);
        assert_int_equal(sa_of(&w->s[B])->c.push, PUSH_TAKEN);
        world_snapshot(w, A);
        assert_true(w->s[A].info[0].config);
        world_free(w);
    }
}

/* written: B's message, in clear, into m. */
static void written(struct world *w, struct isakmp_msg *m, struct draft *d)
{
    struct ike_sa *sa = sa_of(&w->s[B]);
    struct isakmp_hdr h;
    enum cfg_ask ask = PUSH_CONFIG;
    struct xch *x = xch_new(w->s[B].ike, sa, exchange_of(&ike_v1, XCH_TRANSACTION), 7, true);
    draft_init(d, sa, x);
    assert_true(cfg_out_1(w->s[B].ike, sa, d, &ask));
    assert_true(isakmp_out_finish(&d->out));
    size_t len = wr_len(&d->out.w);
    assert_int_equal(isakmp_hdr_read(&h, d->buf, len).reason, IW_OK);
    assert_int_equal(isakmp_decode(m, &h, d->buf, len, 0).reason, IW_OK);
    assert_int_equal(m->cfg.type, CFG_SET);
    xch_free(w->s[B].ike, x);
}

static void all_that_the_group_has(void **state)
{
    (void)state;
    struct setup a = client(false, true), b = gateway(false);
    struct world *w = world_begun(5, &a, &b);
    struct draft *d = xcalloc(1, sizeof *d);
    struct isakmp_msg m;
    struct isakmp_cfg_attr at;
    sa_of(&w->s[B])->c.vids |= VB_UNITY;
    written(w, &m, d);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_ADDRESS, &at), 1);
    assert_int_equal(be32(at.data.p), 0x0a030001);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_NETMASK, &at), 1);
    assert_int_equal(be32(at.data.p), 0xffffffff);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_DNS, &at), 2);
    assert_int_equal(be32(at.data.p), 0x0a020035);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_NBNS, &at), 0);
    assert_int_equal(count_attr(&m.cfg, CA_DEF_DOMAIN, &at), 1);
    assert_int_equal(count_attr(&m.cfg, CA_SPLIT_INCLUDE, &at), 1);
    assert_int_equal(count_attr(&m.cfg, CA_SAVE_PASSWD, &at), 1);
    assert_int_equal(count_attr(&m.cfg, CA_BANNER, &at), 0);
    draft_free(d);
    sa_of(&w->s[B])->c.vids &= ~(u32)VB_UNITY; /* who does not speak of it hears nothing of it */
    written(w, &m, d);
    assert_int_equal(count_attr(&m.cfg, CA_IP4_DNS, &at), 2);
    assert_int_equal(count_attr(&m.cfg, CA_SPLIT_INCLUDE, &at) + count_attr(&m.cfg, CA_DEF_DOMAIN, &at), 0);
    draft_free(d);
    free(d);
    world_free(w);
}

static void each_and_any_two_lost(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        for (unsigned i = 0; i < 15; i++) {
            for (unsigned k = i; k < (way == 1 ? 15 : i + 1); k++) { /* any two: main mode with a user, the longest */
                struct setup a = client(way & 1, way & 2), b = gateway(way & 1);
                struct world *w = world_of(100 + i * 15 + k, &a, &b);
                struct lose l = {1ull << i | 1ull << k, 0};
                w->net = lose_some;
                w->ctx = &l;
                world_acquire(w, A);
                world_run(w, 90000);
                if (pairs_up(w) != 1 || w->s[A].num_sas != 2 || w->s[B].num_sas != 2) {
                    fail_msg("way %u, lost %llx: %u pairs: %s %s", way, (unsigned long long)l.which, pairs_up(w), w->s[A].syslog.s,
                             w->s[B].syslog.s);
                }
                world_free(w);
            }
        }
    }
}

/* A new phase 1: the same address again, and the pair that is there goes on. */
static void renewed(void **state)
{
    (void)state;
    struct setup a = client(true, true), b = gateway(true);
    a.policy[0].life_s = b.policy[0].life_s = 300;
    struct world *w = world_begun(6, &a, &b);
    world_run(w, 700000);
    assert_int_equal(pairs_up(w), 1);
    assert_true(count_of(&w->s[A], EV_IKE_CONFIGURED) >= 3);
    assert_int_equal(w->s[B].num_sas, 2);
    world_free(w);
}

/* ---- what is refused ---- */

/* Who is not our gateway configures nothing here: it hears that nothing was taken, and takes its ISAKMP SA away. */
static void not_our_gateway(void **state)
{
    (void)state;
    struct setup a = client(false, true), b = gateway(false);
    a.other[0].u.peer.configured = false;
    nets(&a, A, 0x0a090909);
    struct world *w = world_begun(7, &a, &b);
    assert_true(saw(&w->s[A], "the peer wants to configure this end, and nothing says that it is our gateway"));
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_CONFIG), 1);
    assert_int_equal(sa_of(&w->s[A])->c.client.family, AF_NONE);
    assert_true(saw(&w->s[B], "the client does not take the address that it is given"));
    assert_true(sa_of(&w->s[B])->deleted);
    world_free(w);
    nets(&a, A, 0x0a030001); /* who uses it has taken it, whatever it acknowledges */
    w = world_begun(7, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_CONFIG), 1);
    assert_false(sa_of(&w->s[B])->deleted);
    world_free(w);
}

static void no_address_left(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct setup a = client(false, true), b = gateway(false);
        struct world *w = world_of(8, &a, &b);
        if (i) {
            b.other[1].u.group.pool_lo = b.other[1].u.group.pool_hi = (struct addr){0};
            world_config(w, B, &b);
        } else { /* somebody else has it */
            struct endpoint local = {w->s[B].addr, 500}, remote = {addr_v4(0x05050505), 500};
            struct ike_sa *o = sa_new(w->s[B].ike, &local, &remote);
            struct addr got;
            o->peer = peer_hold(w->s[B].ike, &local, &remote, "test");
            o->c.initiator = true;
            put64(o->c.cookie_i, 1);
            o->c.peer_id.len = 4;
            o->c.phase = PHASE_READY;
            sa_link(w->s[B].ike, o);
            assert_true(lease_take(w->s[B].ike, &w->s[B].ike->conf->groups->v, o, &o->c, &got));
        }
        world_acquire(w, A);
        world_run(w, 2000);
        assert_true(saw(&w->s[B], "group sales has no pool, or every address of it is in use"));
        assert_int_equal(w->s[A].added + w->s[B].added, 0);
        assert_true(sa_of(&w->s[A])->deleted);
        world_free(w);
    }
}

/* A peer of no group is told nothing; and who asks is not answered where nobody said that he is to be. */
static void not_to_everybody(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(false);
    nets(&a, A, 0x0a030001);
    b.other[0].u.client.answer = false;
    struct world *w = world_begun(9, &a, &b);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(count_of(&w->s[B], EV_IKE_CLIENT), 0);
    assert_null(group_of(w->s[B].ike, sa_of(&w->s[B]), true));
    world_free(w);
    a = client(false, true);
    w = world_begun(10, &a, &b);
    assert_non_null(group_of(w->s[B].ike, sa_of(&w->s[B]), true));
    assert_null(group_of(w->s[B].ike, sa_of(&w->s[B]), false));
    world_free(w);
}

static bool say_set(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    const struct isakmp_bytes *given = arg;
    (void)ike;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    size_t start = draft_begin_hashed(d);
    isakmp_out_cfg(&d->out, CFG_SET, 4711);
    if (given->p) {
        isakmp_out_cfg_bytes(&d->out.w, CA_IP4_ADDRESS, given->p, given->len);
    } else {
        isakmp_out_attr(&d->out.w, CA_IP4_ADDRESS, 7);
    }
    isakmp_out_end(&d->out);
    draft_end_hashed(d, start, NULL);
    return true;
}

static void set(struct world *w, const void *p, u16 len)
{
    struct ike *ike = w->s[B].ike;
    struct ike_sa *sa = sa_of(&w->s[B]);
    struct isakmp_bytes given = {p, len};
    struct xch *x = xch_new(ike, sa, exchange_of(&ike_v1, XCH_TRANSACTION), msgid_new(ike, sa), true);
    list_push_back(&sa->nodes, &x->link);
    assert_true(engine_start(ike, sa, x, say_set, &given, XS_CFG_ASKED, TM_NONE));
    world_run(w, 15); /* there, but not back */
}

static struct fate no_sets(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)number, (void)len;
    return from == B && data[18] == XCH_TRANSACTION ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

/* An address that is none is not taken; the first that is one is, and no other after it. Nothing is begun before. */
static void strange_addresses(void **state)
{
    (void)state;
    static const u8 bad[][4] = {{0, 0, 0, 0}, {127, 0, 0, 1}, {224, 0, 0, 1}, {255, 255, 255, 255}};
    static const u8 good[] = {10, 3, 0, 1}, second[] = {10, 3, 0, 2};
    struct setup a = client(false, true), b = gateway(false);
    struct world *w = world_of(11, &a, &b);
    struct lose none = {0, 0};
    w->net = no_sets;
    world_acquire(w, A);
    world_run(w, 500);
    struct ike_sa *sa = sa_of(&w->s[A]);
    assert_int_equal(sa->c.phase, PHASE_AUTHED);
    assert_int_equal(flow_find(w->s[A].ike, 7)->state, FLOW_P1);
    w->net = lose_some;
    w->ctx = &none;
    sa_of(&w->s[B])->c.push = PUSH_NONE; /* B does not mind what it hears */
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        set(w, bad[i], 4);
        assert_int_equal(sa->c.phase, PHASE_AUTHED);
    }
    set(w, good, 3);
    set(w, good, 0);
    set(w, NULL, 0);
    assert_int_equal(sa->c.phase, PHASE_AUTHED);
    assert_int_equal(count_of(&w->s[A], EV_IKE_FAIL_CONFIG), 7);
    assert_true(saw(&w->s[A], "the gateway gives no address, or one that nobody can have"));
    set(w, good, 4);
    assert_int_equal(sa->c.phase, PHASE_READY);
    set(w, second, 4);
    assert_true(saw(&w->s[A], "the gateway gives another address than before"));
    assert_int_equal(addr_v4_host(&sa->c.client), 0x0a030001);
    world_free(w);
}

/* Before the gateway has said that our user is the right one it tells us nothing. */
static void not_before_the_user(void **state)
{
    (void)state;
    static const u8 good[] = {10, 3, 0, 1};
    struct setup a = client(true, true), b = gateway(true);
    struct world *w = world_of(12, &a, &b);
    struct lose none = {0, 0};
    w->net = no_sets;
    world_acquire(w, A);
    world_run(w, 500);
    w->net = lose_some;
    w->ctx = &none;
    set(w, good, 4);
    assert_true(saw(&w->s[A], "the gateway wants to configure us before it has said that our user is the right one"));
    assert_int_equal(sa_of(&w->s[A])->c.client.family, AF_NONE);
    assert_int_equal(sa_of(&w->s[A])->c.phase, PHASE_AUTHED);
    world_free(w);
}

/* A gateway that tells nothing, or dies after it has asked for the user: the client does not wait for ever. */
static void neither_waits_for_ever(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct setup a = client(i & 1, i & 2), b = gateway(i & 1);
        b.other[0].u.client.push = false;
        struct world *w = world_begun(20 + i, &a, &b);
        assert_int_equal(sa_of(&w->s[A])->c.phase, PHASE_AUTHED);
        assert_int_equal(sa_of(&w->s[A])->c.xauth, i & 1 ? XAUTH_DONE : XAUTH_NONE);
        world_run(w, 75000);
        assert_true(saw(&w->s[A], "Death by retransmission P1"));
        assert_int_equal(w->s[A].added + w->s[B].added, 0);
        world_free(w);
    }
    struct setup a = client(false, true), b = gateway(false); /* and a client that does not answer */
    struct world *w = world_of(30, &a, &b);
    w->net = no_sets;
    world_acquire(w, A);
    world_run(w, 75000);
    assert_true(saw(&w->s[B], "the peer did not answer a transaction of ours"));
    assert_true(sa_of(&w->s[B])->deleted || list_empty(&w->s[B].ike->sas));
    world_free(w);
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

/* Where both are configured a client that asks by itself, and does not understand a set, is left its ISAKMP SA. */
static void asks_by_itself(void **state)
{
    (void)state;
    struct setup a = client(false, true), b = gateway(false);
    b.other[0].u.client.answer = true;
    struct world *w = world_of(31, &a, &b);
    w->net = no_sets;
    world_acquire(w, A);
    world_run(w, 500);
    struct ike *ike = w->s[A].ike;
    struct ike_sa *sa = sa_of(&w->s[A]);
    struct xch *x = xch_new(ike, sa, exchange_of(&ike_v1, XCH_TRANSACTION), msgid_new(ike, sa), true);
    list_push_back(&sa->nodes, &x->link);
    assert_true(engine_start(ike, sa, x, ask_address, NULL, XS_CFG_ASKED, TM_NONE));
    world_run(w, 75000);
    assert_false(sa_of(&w->s[B])->deleted);
    assert_true(sa_ready(sa_of(&w->s[B])));
    world_free(w);
    b.other[0].u.client.answer = a.other[0].u.peer.configured = false; /* or has it by itself, and never hears the set */
    w = world_of(32, &a, &b);
    w->net = no_sets;
    world_acquire(w, A);
    world_run(w, 75000);
    assert_int_equal(pairs_up(w), 1);
    assert_false(sa_of(&w->s[B])->deleted);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_unasked),
        cmocka_unit_test(all_that_the_group_has),
        cmocka_unit_test(each_and_any_two_lost),
        cmocka_unit_test(renewed),
        cmocka_unit_test(not_our_gateway),
        cmocka_unit_test(no_address_left),
        cmocka_unit_test(not_to_everybody),
        cmocka_unit_test(strange_addresses),
        cmocka_unit_test(not_before_the_user),
        cmocka_unit_test(neither_waits_for_ever),
        cmocka_unit_test(asks_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
