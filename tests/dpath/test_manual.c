/*
 * SAs with manual keys (src/dp/manual.c): they come and go with a generation, IKE has no say in them and is not asked, and
 * their numbers end.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { FLOW = 7, SIZE = 100 };

static void sa(struct rig *r, struct dp_sa_value v)
{
    v.replay_window = 0;
    r->staged++;
    rig_ctl(r, (struct dp_msg){.type = DP_CFG_SA, .u.sa = v});
}

/* begin: a generation with the flow and its line; SAs and commit are the test's. */
static void begin(struct rig *r, bool mirror)
{
    const char *l = mirror ? RIG_B4 : RIG_A4, *p = mirror ? RIG_A4 : RIG_B4;
    rig_begin(r);
    rig_flow(r, (struct dp_flow_value){.flow = FLOW,
                                       .path_mtu = 1500,
                                       .manual = true,
                                       .local = rig_addr(l),
                                       .peer = rig_addr(p),
                                       .name = "MAP"});
    struct selector any = {.src = rig_net("0.0.0.0", 0),
                           .dst = rig_net("0.0.0.0", 0),
                           .sport_hi = 0xffff,
                           .dport_hi = 0xffff};
    rig_policy(r,
               (struct dp_policy_value){
                   .order = 1, .flow = FLOW, .action = ACT_PROTECT, .path_mtu = 1500, .sel = any});
}

static struct dp_sa_value out_sa(u32 spi)
{
    return rig_sa_value(FLOW, spi, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
}

static struct dp_sa_value in_sa(u32 spi)
{
    return rig_sa_value(FLOW, spi, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_B4, RIG_A4);
}

static void pair_of(struct rig *r)
{
    begin(r, false);
    sa(r, out_sa(0x1000));
    sa(r, in_sa(0x2000));
    rig_commit(r);
}

static void send(struct rig *r)
{
    u8 b[SIZE];
    rig_ping(b, "10.1.0.1", "10.2.0.1", SIZE, false);
    rig_in(r, CRYPTO, b, SIZE);
    rig_run(r);
}

static unsigned clear_out(const struct rig *r)
{
    return rig_num_out(r, PASS4) + rig_num_out(r, OPEN4);
}

/* Both protocols and a bundle, there and back; a packet that comes twice is taken twice (RFC 4303 3.4.3). */
static void t_carries(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) { /* ESP, AH, AH around ESP */
        struct rig *a = rig_new(NULL), *b = rig_new(NULL);
        struct rig *r[] = {a, b};
        for (unsigned i = 0; i < 2; i++) {
            begin(r[i], i);
            for (unsigned way = 0; way < 2; way++) {
                u8 dir = way == i ? SA_OUT : SA_IN;
                u32 spi = way ? 0x2000 : 0x1000;
                const char *src = way ? RIG_B4 : RIG_A4, *dst = way ? RIG_A4 : RIG_B4;
                struct dp_sa_value esp =
                    rig_sa_value(FLOW, spi, dir, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, src, dst);
                struct dp_sa_value ah =
                    rig_sa_value(FLOW, spi + 0x100, dir, kind == 1 ? MODE_TUNNEL : MODE_TRANSPORT,
                                 ENCR_NONE, HASH_SHA256, src, dst);
                if (kind == 2) {
                    esp.with_spi = spi + 0x100, esp.with_proto = 51, ah.inside = 50;
                }
                if (kind != 1) {
                    sa(r[i], esp);
                }
                if (kind) {
                    sa(r[i], ah);
                }
            }
            rig_commit(r[i]);
            assert_int_equal(cfg_live(r[i]->dp)->number, r[i]->generation);
        }
        send(a);
        struct rig_pkt *p = rig_out(a, SEND4), twice = *p;
        rig_in(b, RAW4_ESP, twice.b, twice.len);
        rig_in(b, RAW4_ESP, twice.b, twice.len);
        rig_run(b);
        assert_int_equal(rig_num_out(b, CRYPTO), 2);
        assert_int_equal(rig_drops(b, DROP_REPLAY), 0);
        assert_null(rig_told(a, DP_ACQUIRE, 0));
        rig_free(a);
        rig_free(b);
    }
}

/* The same SAs in the next generation go on, numbers and all; another key, selector or address is another SA; what is not
 * there any more is gone. The keys of a generation that was decided on are nowhere but in the SAs. */
static void t_stays_or_goes(void **state)
{
    static const u8 none[sizeof(struct dp_sa_value)];
    (void)state;
    struct rig *r = rig_new(NULL);
    pair_of(r);
    send(r);
    send(r);
    assert_int_equal(rig_find_sa(r, 0x1000, SA_OUT)->h.seq, 2);
    pair_of(r);
    send(r);
    assert_int_equal(rig_find_sa(r, 0x1000, SA_OUT)->h.seq, 3);
    for (unsigned i = 0; i < 2; i++) {
        assert_memory_equal(&r->dp->cfg[i].sa[0], none, sizeof none);
        assert_memory_equal(&r->dp->cfg[i].sa[1], none, sizeof none);
    }
    struct dp_sa_value other = out_sa(0x1000);
    other.encr_key.b[3] ^= 1;
    begin(r, false);
    sa(r, other);
    sa(r, in_sa(0x2000));
    rig_commit(r);
    assert_int_equal(rig_find_sa(r, 0x1000, SA_OUT)->h.seq, 0);
    send(r);
    other.sel = (struct selector){.src = rig_net("10.1.0.0", 16),
                                  .dst = rig_net("10.2.0.0", 16),
                                  .sport_hi = 0xffff,
                                  .dport_hi = 0xffff};
    begin(r, false);
    sa(r, other);
    rig_commit(r);
    assert_int_equal(rig_find_sa(r, 0x1000, SA_OUT)->val.sel.dst.len, 16);
    assert_null(rig_find_sa(r, 0x2000, SA_IN));
    begin(r, false);
    rig_commit(r);
    assert_null(rig_find_sa(r, 0x1000, SA_OUT));
    pair_of(r);
    rig_begin(r); /* the line has gone */
    rig_quiet(r);
    rig_commit(r);
    assert_null(rig_find_sa(r, 0x1000, SA_OUT));
    assert_null(rig_told(r, DP_EXPIRE, 0));
    rig_free(r);
}

/* Without its SA an entry sends nothing, keeps nothing waiting and asks nobody. */
static void t_nobody_is_asked(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    begin(r, false);
    sa(r, in_sa(0x2000));
    rig_commit(r);
    send(r);
    rig_later(r, 40000);
    assert_int_equal(rig_drops(r, DROP_MANUAL_KEYS), 1);
    assert_int_equal(flow_get(r->dp, FLOW)->held, 0);
    assert_int_equal(clear_out(r), 0);
    assert_null(rig_told(r, DP_ACQUIRE, 0));
    assert_true(rig_said(r, "a `set session-key` is missing"));
    pair_of(r);
    for (unsigned i = 0; i < 30; i++) { /* unanswered for longer than silence lasts */
        send(r);
        rig_later(r, 1000);
    }
    assert_null(rig_told(r, DP_SILENT, 0));
    struct rig *b = rig_new(NULL); /* a packet of the peer's under an SPI that nobody has */
    begin(b, true);
    struct dp_sa_value v = in_sa(0x9999);
    v.dir = SA_OUT;
    sa(b, v);
    rig_commit(b);
    send(b);
    struct rig_pkt *p = rig_out(b, SEND4);
    rig_in(r, RAW4_ESP, p->b, p->len);
    rig_run(r);
    rig_run(r);
    assert_int_equal(rig_drops(r, DROP_UNKNOWN_SPI), 1);
    assert_null(rig_told(r, DP_UNKNOWN_SPI, 0));
    rig_free(b);
    rig_free(r);
}

/* The key daemon neither sees, adds to, replaces nor removes them. */
static void t_ike_has_no_say(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    pair_of(r);
    rig_quiet(r);
    dp_ctl(r->dp, FROM_IKE, &(struct dp_msg){.type = DP_GET_SAS}, -1);
    assert_null(rig_told(r, DP_SA, 0));
    assert_non_null(rig_told(r, DP_END, 0));
    rig_ctl(r, (struct dp_msg){.type = DP_GET_SAS});
    assert_non_null(rig_told(r, DP_SA, 1));
    rig_quiet(r);
    rig_sa(r, out_sa(0x3000)); /* of its flow */
    assert_non_null(rig_told(r, DP_SA_REFUSED, 0));
    struct dp_sa_value v = in_sa(0x2000); /* in its place */
    v.flow = 99;
    rig_sa(r, v);
    assert_non_null(rig_told(r, DP_SA_REFUSED, 1));
    assert_null(rig_find_sa(r, 0x3000, SA_OUT));
    for (unsigned dir = 0; dir < 2; dir++) {
        struct dp_msg m = {.type = DP_DEL_SA};
        m.u.del = (struct dp_del_value){.spi = dir == SA_OUT ? 0x1000 : 0x2000,
                                        .proto = 50,
                                        .dir = (u8)dir,
                                        .linger_ms = 10,
                                        .dst = rig_addr(dir == SA_OUT ? RIG_B4 : RIG_A4)};
        dp_ctl(r->dp, FROM_IKE, &m, -1);
    }
    rig_later(r, 5000);
    assert_int_equal(rig_find_sa(r, 0x2000, SA_IN)->val.flow, FLOW);
    assert_int_equal(rig_find_sa(r, 0x2000, SA_IN)->gone_ms, 0);
    assert_non_null(rig_find_sa(r, 0x1000, SA_OUT));
    dp_ctl(r->dp, FROM_IKE, &(struct dp_msg){.type = DP_CFG_SA}, -1);
    assert_true(rig_said(r, "not the key daemon's to say"));
    rig_free(r);
}

/* Numbers end: said when a sixteenth is left, once; nothing is sent after the last, and the same keys do not begin anew. */
static void t_numbers_end(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    pair_of(r);
    rig_find_sa(r, 0x1000, SA_OUT)->h.seq = 0xf0000000u;
    rig_later(r, 3000);
    assert_true(rig_said(r, "%ADIT-4-MANUAL_KEYS: crypto map MAP: the SA with spi 0x1000 and "
                            "manual keys has 268435455"));
    rig_quiet(r);
    rig_later(r, 3000);
    assert_false(rig_said(r, "MANUAL_KEYS"));
    rig_find_sa(r, 0x1000, SA_OUT)->h.seq = UINT32_MAX - 1;
    send(r);
    assert_int_equal(rig_num_out(r, SEND4), 1);
    send(r);
    assert_int_equal(rig_drops(r, DROP_SEQ_EXHAUSTED), 1);
    pair_of(r); /* something else has changed */
    send(r);
    assert_int_equal(rig_drops(r, DROP_MANUAL_KEYS), 1);
    assert_int_equal(rig_num_out(r, SEND4), 1);
    assert_int_equal(clear_out(r), 0);
    assert_null(rig_told(r, DP_EXPIRE, 0));
    rig_free(r);
}

/* A generation with an SA that must not be is refused whole; one that the engine does not take is said. */
static void t_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    pair_of(r);
    u64 good = r->generation;
    for (unsigned i = 0; i < 4; i++) {
        struct dp_sa_value v = out_sa(0x1000);
        v.replay_window = i == 0 ? 64 : 0;
        v.esn = i == 1;
        v.encr = i == 2 ? ENCR_GCM128 : v.encr;
        begin(r, false);
        for (unsigned n = 0; n < (i == 3 ? DP_MAX_MANUAL + 1u : 1u); n++) {
            r->staged++;
            v.spi++;
            rig_ctl(r, (struct dp_msg){.type = DP_CFG_SA, .u.sa = v});
        }
        rig_commit(r);
        assert_int_equal(cfg_live(r->dp)->number, good);
        assert_non_null(rig_find_sa(r, 0x1000, SA_OUT));
    }
    struct dp_sa_value v = out_sa(0x1000);
    v.encr_key.len = 3;
    begin(r, false);
    sa(r, v);
    rig_quiet(r);
    rig_commit(r);
    assert_true(rig_said(r, "an SA with manual keys was refused"));
    assert_null(rig_find_sa(r, 0x1000, SA_OUT));
    v = out_sa(0x1000);
    v.flow = 99; /* no flow of the generation's */
    begin(r, false);
    sa(r, v);
    rig_commit(r);
    assert_true(rig_said(r, "has no entry of a crypto map"));
    assert_null(rig_find_sa(r, 0x1000, SA_OUT));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_carries),         cmocka_unit_test(t_stays_or_goes),
        cmocka_unit_test(t_nobody_is_asked), cmocka_unit_test(t_ike_has_no_say),
        cmocka_unit_test(t_numbers_end),     cmocka_unit_test(t_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
