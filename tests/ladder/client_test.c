/*
 * client_test.c: clients of a dynamic crypto map as ladders: B has a template, A begins. B asks main for a flow and parks what came; with
 * the flow in force it goes on as if nothing had been.
 */
#include "world.h"

#include "ike/client.h"

#include <stdlib.h>

enum { TEMPLATE = 90, CLIENT = 91 };

/* gateway: a template in the place of B's flow; listed: whichever GRE between a client and us. */
static struct setup gateway(bool listed)
{
    struct setup s = setup_default(B);
    s.flow.flow = TEMPLATE;
    s.flow.num_peers = 0;
    s.flow.peer[0] = (struct addr){0};
    s.flow.sel = selector_any(AF_V4);
    s.flow.dynamic = true;
    s.flow.listed = listed;
    s.flow.any_mode = s.flow.tunnel_if = false;
    str_copy(s.flow.map, sizeof s.flow.map, "DYN");
    return s;
}

/* grant: main makes the flow that was asked for. */
static void grant(struct setup *s, const struct side *b, u32 number)
{
    struct ike_flow_value *v = &s->more[s->num_more++];
    *v = s->flow;
    v->flow = number;
    v->dynamic = false;
    v->client = true;
    v->sel = b->want.sel;
    v->peer[0] = (struct addr){.family = AF_V4};
    v->num_peers = 1;
}

/* The template is asked for with exactly what came; the parked message goes on by itself, without a second one. */
static void parked(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(false);
    struct world *w = world_begun(1, &a, &b);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(w->s[B].wants, 1);
    assert_int_equal(w->s[B].want.flow, TEMPLATE);
    assert_int_equal(addr_v4_host(&w->s[B].want.peer), 0x01010101);
    assert_int_equal(addr_v4_host(&w->s[B].want.local), 0x02020202);
    assert_int_equal(w->s[B].want.sel.proto, 47);
    assert_int_equal(addr_v4_host(&w->s[B].want.sel.dst.a), 0x01010101);
    assert_int_equal(w->s[B].ike->num_parked, 1);
    unsigned sent = w->sent[A];
    grant(&b, &w->s[B], CLIENT);
    world_config(w, B, &b);
    world_run(w, 500);
    assert_int_equal(pairs_up(w), 1);
    assert_int_equal(w->sent[A], sent + 1); /* message 3 */
    assert_int_equal(w->s[B].ike->num_parked, 0);
    world_run(w, 200000);
    assert_int_equal(w->s[B].losts, 0);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* A generation without the flow (the old one, another change) leaves it waiting, and nothing loops; when it is repeated, one waits. */
static void not_yet(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(true);
    struct world *w = world_begun(2, &a, &b);
    for (unsigned i = 0; i < 5; i++) {
        world_config(w, B, &b);
        assert_int_equal(w->s[B].ike->num_parked, 1);
    }
    assert_int_equal(w->s[B].wants, 6);
    world_run(w, 25000); /* it says it again twice */
    assert_int_equal(w->s[B].wants, 8);
    assert_int_equal(w->s[B].ike->num_parked, 1);
    assert_int_equal(w->s[B].added, 0);
    grant(&b, &w->s[B], CLIENT);
    world_run(w, PARKED_MS); /* what is old is not looked at any more, but what it says again is */
    world_config(w, B, &b);
    world_run(w, 12000);
    assert_int_equal(pairs_up(w), 1);
    world_free(w);
}

/* Generation after generation without the flow: it waits since it came, not since it was looked at last. */
static void not_for_ever(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(true);
    struct world *w = world_begun(3, &a, &b);
    assert_int_equal(w->s[B].ike->num_parked, 1);
    w->net = all_lost;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(w->s[B].ike->num_parked, 1);
        world_run(w, PARKED_MS / 4);
        world_config(w, B, &b);
    }
    assert_int_equal(w->s[B].ike->num_parked, 0);
    world_free(w);
}

/* Who fits no template hears it, and main is asked for nothing: other proxies, another local address or profile, another transform. */
static void does_not_fit(void **state)
{
    (void)state;
    static const char *const why[] = {"no dynamic map lets this client have that", "no dynamic map lets this client have that",
                                      "no dynamic map lets this client have that", "no dynamic map lets this client have that",
                                      "no dynamic map lets this client have that", "offered"};
    for (unsigned i = 0; i < ARRAY_LEN(why); i++) {
        struct setup a = setup_default(A), b = gateway(i != 4);
        switch (i) {
        case 0: b.flow.sel.dst = (struct prefix){addr_v4(0x0a000000), 8}; break;
        case 1: b.flow.sel.proto = 6; break;
        case 2: b.flow.local = addr_v4(0x02020203); break;
        case 3: str_copy(b.flow.profile, sizeof b.flow.profile, "P"); break;
        case 4: a.flow.sel.dst.len = a.flow.sel.src.len = 24, prefix_normalise(&a.flow.sel.src), prefix_normalise(&a.flow.sel.dst); break;
        default: b.flow.transform[0].encr = ENCR_3DES; break;
        }
        struct world *w = world_begun(10 + i, &a, &b);
        if (w->s[B].wants || !saw(&w->s[B], why[i])) {
            fail_msg("%u: %u wanted: %s", i, w->s[B].wants, w->s[B].syslog.s);
        }
        assert_int_equal(w->s[B].ike->num_parked, 0);
        assert_true(count_of(&w->s[A], EV_IKE_FAIL_REFUSED) > 0); /* it has heard it */
        world_free(w);
    }
}

/* with the address it was given a client has that one, not another's, whatever the list lets it have */
static void only_its_own_address(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct setup a = setup_default(A), b = gateway(true);
        struct world *w = world_of(20 + i, &a, &b);
        world_acquire(w, A);
        for (unsigned n = 0; n < 2000 && (list_empty(&w->s[B].ike->sas) ||
                                          !sa_ready(CONTAINER_OF(w->s[B].ike->sas.next, struct ike_sa, link))); n++) {
            world_run(w, 1);
        }
        CONTAINER_OF(w->s[B].ike->sas.next, struct ike_sa, link)->c.client = addr_v4(0x01010101 + i);
        world_run(w, 2000);
        assert_int_equal(w->s[B].wants, i == 0);
        w->s[B].want.sel = (struct selector){.src = b.flow.local.family ? prefix_host(&b.flow.local) : b.flow.sel.src,
                                             .dst = prefix_host(&a.flow.local), .proto = 47, .sport_hi = 0xffff, .dport_hi = 0xffff};
        grant(&b, &w->s[B], CLIENT); /* nor does it get another's flow that is there */
        world_config(w, B, &b);
        world_run(w, 20000);
        world_acquire(w, A);
        world_run(w, 20000);
        assert_int_equal(pairs_up(w), i == 0);
        assert_true(count_of(&w->s[B], EV_IKE_FAIL_PROXY) >= 2 * i); /* refused by the template, and by the flow */
        world_free(w);
    }
}

/* A client that goes leaves its flow, that is told after a minute, again when nobody heard; one that comes back keeps it. */
static void left(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(false);
    struct world *w = world_begun(30, &a, &b);
    grant(&b, &w->s[B], CLIENT);
    world_config(w, B, &b);
    world_run(w, 500);
    assert_int_equal(pairs_up(w), 1);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, CLIENT_STAY_MS / 2);
    assert_int_equal(pairs_up(w), 0);
    assert_int_equal(w->s[B].losts, 0);
    world_acquire(w, B); /* it begins, not we: with nobody there a packet of ours brings nothing up */
    world_acquire_flow(w, B, CLIENT);
    unsigned sent = w->sent[B];
    world_run(w, 100);
    assert_int_equal(w->sent[B], sent);
    world_acquire(w, A);
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    world_run(w, 2 * CLIENT_STAY_MS);
    assert_int_equal(w->s[B].losts, 0);
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, CLIENT_STAY_MS + 15000);
    assert_int_equal(w->s[B].losts, 1);
    assert_int_equal(w->s[B].lost, CLIENT);
    world_run(w, CLIENT_STAY_MS);
    assert_int_equal(w->s[B].losts, 2);
    b.num_more = 0;
    world_config(w, B, &b);
    world_run(w, 3 * CLIENT_STAY_MS);
    assert_int_equal(w->s[B].losts, 2);
    assert_true(list_empty(&w->s[B].ike->flows));
    world_free(w);
}

/* We renew a client's pair, too: on its own ISAKMP SA. */
static void renewed(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(false);
    b.flow.life_s = 200;
    a.flow.life_s = 3600;
    struct world *w = world_begun(31, &a, &b);
    grant(&b, &w->s[B], CLIENT);
    world_config(w, B, &b);
    world_run(w, 900000);
    assert_int_equal(pairs_up(w), 1);
    assert_true(w->s[B].added > 6);
    assert_int_equal(w->s[B].losts, 0);
    world_free(w);
}

/* A new data plane has no pair: the client whose ISAKMP SA stands gets one from us, at once and by a packet; one that took its pair away
 * does not, nor one whose ISAKMP SA has gone. */
static void lost_by_us(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(false);
    struct world *w = world_begun(32, &a, &b);
    struct side *g = &w->s[B];
    grant(&b, g, CLIENT);
    world_config(w, B, &b);
    world_run(w, 500);
    ike_ctl(g->ike, &(struct ike_msg){.type = IKE_DP_PEER});
    world_run(w, 10);
    u64 added = g->added;
    ike_ctl(g->ike, &(struct ike_msg){.type = IKE_DP_PEER});
    world_run(w, 2000);
    assert_int_equal(pairs_up(w), 1);
    assert_true(g->added > added);
    world_run(w, 3 * CLIENT_STAY_MS);
    assert_int_equal(g->losts, 0);

    net_fn net = w->net;
    w->net = all_lost; /* what it refuses is tried again by a packet, and given up in its time */
    a.flow.transform[0].encr = ENCR_3DES;
    world_config(w, A, &a);
    w->net = net;
    ike_ctl(g->ike, &(struct ike_msg){.type = IKE_DP_PEER});
    world_run(w, CLIENT_STAY_MS / 2);
    assert_int_equal(count_of(g, EV_IKE_FAIL_REFUSED), 1);
    assert_int_equal(g->losts, 0);
    world_acquire_flow(w, B, CLIENT);
    world_run(w, 1000);
    assert_int_equal(count_of(g, EV_IKE_FAIL_REFUSED), 2);
    world_run(w, CLIENT_STAY_MS);
    assert_int_equal(g->losts, 1);
    world_free(w);
    a = setup_default(A);

    b.num_more = 0;
    w = world_begun(34, &a, &b);
    g = &w->s[B];
    grant(&b, g, CLIENT);
    world_config(w, B, &b);
    world_run(w, 500);
    ike_ctl(g->ike, &(struct ike_msg){.type = IKE_DP_PEER});
    w->net = all_lost; /* its ISAKMP SA goes while we try: the flow has the rest of its time */
    ike_ctl(g->ike, &(struct ike_msg){.type = IKE_DP_PEER});
    world_run(w, 100);
    w->net = net;
    ike_ctl(w->s[A].ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
    world_run(w, 10000);
    assert_int_equal(g->losts, 0);
    world_run(w, CLIENT_STAY_MS);
    assert_int_equal(g->losts, 1);
    world_free(w);

    b.num_more = 0;
    w = world_begun(33, &a, &b);
    g = &w->s[B];
    grant(&b, g, CLIENT);
    world_config(w, B, &b);
    world_run(w, 500);
    assert_int_equal(pairs_up(w), 1);
    struct child *c = CONTAINER_OF(w->s[A].ike->children.next, struct child, link);
    child_delete(w->s[A].ike, c, true);
    session_settle(w->s[A].ike);
    world_run(w, 5000);
    unsigned sent = w->sent[B];
    world_acquire_flow(w, B, CLIENT);
    world_run(w, 1000);
    assert_int_equal(w->sent[B], sent);
    assert_int_equal(pairs_up(w), 0);
    world_free(w);
}

/* each message lost once: it comes up all the same, with one flow */
static unsigned which, seen;
static struct fate lose_one(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return seen++ == which ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

static void one_lost(void **state)
{
    (void)state;
    for (which = 0; which < 10; which++) {
        struct setup a = setup_default(A), b = gateway(false);
        struct world *w = xcalloc(1, sizeof *w);
        seen = 0;
        world_init(w, 40 + which);
        w->net = lose_one;
        world_config(w, A, &a);
        world_config(w, B, &b);
        world_acquire(w, A);
        for (unsigned i = 0; i < 60; i++) {
            world_run(w, 1000);
            if (w->s[B].wants && !b.num_more) {
                grant(&b, &w->s[B], CLIENT);
                world_config(w, B, &b);
            }
        }
        assert_int_equal(pairs_up(w), 1);
        world_free(w);
    }
}

/* More clients than may wait: the oldest gives way, and says it again. */
static void many_wait(void **state)
{
    (void)state;
    struct setup a = setup_default(A), b = gateway(false);
    struct world *w = world_begun(60, &a, &b);
    struct ike *ike = w->s[B].ike;
    struct draft d;
    memset(&d, 0, sizeof d);
    d.want = TEMPLATE;
    for (u32 i = 0; i < 3 * PARKED_MAX; i++) {
        struct ike_sa sa = {.number = 1000 + i};
        struct datagram in = {(const u8 *)"x", 1, {addr_v4(1), 500}, {addr_v4(2), 500}};
        client_park(ike, &sa, &in, &d);
        assert_true(ike->num_parked <= PARKED_MAX);
    }
    world_config(w, B, &b); /* of SAs that are no more: nothing is looked at */
    assert_int_equal(ike->num_parked, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parked),  cmocka_unit_test(not_yet), cmocka_unit_test(not_for_ever), cmocka_unit_test(does_not_fit), cmocka_unit_test(only_its_own_address),
        cmocka_unit_test(left),    cmocka_unit_test(renewed),  cmocka_unit_test(lost_by_us), cmocka_unit_test(one_lost),     cmocka_unit_test(many_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
