/*
 * comp_test.c: compression in quick mode (RFC 3173 4.1, RFC 2407 4.4.5) as ladders: offered and taken together with ESP, AH or both
 * under one number, renewed with them, and refused with the reason when one end wants it and the other does not.
 */
#include "world.h"

#include "ike/v1.h"

#include <stdlib.h>

static struct ike_transform set_of(const char *name, enum encr_id encr, enum hash_id ah, enum comp_id comp)
{
    struct ike_transform t = {
        .encr = (u8)encr, .auth = encr ? HASH_SHA1 : HASH_NONE, .mode = MODE_TUNNEL, .ah = (u8)ah, .comp = (u8)comp};
    str_copy(t.name, sizeof t.name, name);
    return t;
}

/* world_with: A has those sets, B these, and A begins. */
static struct world *world_with(u64 seed, const struct ike_transform *a, unsigned num_a, const struct ike_transform *b, unsigned num_b,
                                u16 pfs, u8 mode)
{
    struct setup s[2] = {setup_default(A), setup_default(B)};
    memcpy(s[A].flow.transform, a, num_a * sizeof *a);
    memcpy(s[B].flow.transform, b, num_b * sizeof *b);
    s[A].flow.num_transforms = (u8)num_a;
    s[B].flow.num_transforms = (u8)num_b;
    for (unsigned i = 0; i < 2; i++) {
        s[i].flow.pfs_group = pfs;
        s[i].flow.life_s = 600;
        for (unsigned k = 0; k < s[i].flow.num_transforms; k++) {
            s[i].flow.transform[k].mode = mode;
        }
    }
    return world_begun(seed, &s[A], &s[B]);
}

static void compressed(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 12; k++) {
        enum comp_id comp = k & 1 ? COMP_LZS : COMP_DEFLATE;
        bool esp = k % 3 != 1, ah = k % 3 != 0;
        u8 mode = k % 5 ? MODE_TUNNEL : MODE_TRANSPORT, inner = esp ? 50 : 51;
        struct ike_transform t = set_of("T", esp ? ENCR_AES128 : ENCR_NONE, ah ? HASH_SHA256 : HASH_NONE, comp);
        struct world *w = world_with(10 + k, &t, 1, &t, 1, k & 2 ? 2 : 0, mode);
        world_run(w, 2000);
        assert_null(w->s[A].syslog.s);
        assert_null(w->s[B].syslog.s);
        for (unsigned turn = 0; turn < 2; turn++) {
            same_ends(w, inner, mode);
            const struct dp_sa_value *in = half_of(&w->s[A], inner, SA_IN), *out = half_of(&w->s[A], inner, SA_OUT);
            assert_int_equal(in->comp, comp);
            assert_int_equal(in->cpi, CONTAINER_OF(w->s[A].ike->children.next, struct child, link)->cpi_in);
            assert_in_range(in->cpi, 256, 61439);
            assert_in_range(out->cpi, 256, 61439);
            assert_true(in->cpi != out->cpi);
            if (esp && ah) { /* what goes around carries no compression of its own */
                assert_int_equal(half_of(&w->s[A], 51, SA_IN)->comp, COMP_NONE);
                assert_int_equal(half_of(&w->s[A], 51, SA_IN)->cpi, 0);
            }
            u32 spi = in->spi;
            world_run(w, 700000); /* it is renewed with all of it */
            assert_true(half_of(&w->s[A], inner, SA_IN) && half_of(&w->s[A], inner, SA_IN)->spi != spi);
        }
        world_free(w);
    }
}

/* Sets with compression have proposals of their own, beside those without: the peer picks any. */
static void mixed(void **state)
{
    (void)state;
    const struct ike_transform sets[] = {
        set_of("E1", ENCR_AES128, HASH_NONE, COMP_LZS),     set_of("E2", ENCR_AES128, HASH_NONE, COMP_DEFLATE),
        set_of("E3", ENCR_AES128, HASH_NONE, COMP_NONE),    set_of("E4", ENCR_3DES, HASH_NONE, COMP_NONE),
        set_of("B5", ENCR_AES256, HASH_SHA1, COMP_DEFLATE), set_of("A6", ENCR_NONE, HASH_MD5, COMP_LZS)};
    static const u8 place[][2] = {{1, 1}, {2, 1}, {3, 1}, {3, 2}, {4, 1}, {5, 1}};
    for (unsigned k = 0; k < ARRAY_LEN(sets); k++) {
        struct world *w = world_with(30 + k, sets, ARRAY_LEN(sets), &sets[k], 1, 0, MODE_TUNNEL);
        struct ike_flow_value f = {.num_transforms = ARRAY_LEN(sets)};
        u8 proposal, transform, inner = sets[k].encr ? 50 : 51;
        world_run(w, 2000);
        assert_null(w->s[A].syslog.s);
        assert_int_equal(w->s[A].num_sas, p2_is_bundle(&sets[k]) ? 4 : 2);
        same_ends(w, inner, MODE_TUNNEL);
        assert_int_equal(half_of(&w->s[B], inner, SA_IN)->comp, sets[k].comp);
        assert_int_equal(half_of(&w->s[B], inner, SA_IN)->encr, sets[k].encr);
        memcpy(f.transform, sets, sizeof sets);
        p2_place(&f, k, &proposal, &transform);
        assert_int_equal(proposal, place[k][0]);
        assert_int_equal(transform, place[k][1]);
        world_free(w);
    }
}

static void refused(void **state)
{
    (void)state;
    const struct ike_transform plain = set_of("PLAIN", ENCR_AES128, HASH_NONE, COMP_NONE),
                               lzs = set_of("PRESS", ENCR_AES128, HASH_NONE, COMP_LZS),
                               deflate = set_of("FLATE", ENCR_AES128, HASH_NONE, COMP_DEFLATE);
    const struct {
        struct ike_transform a, b;
        const char *why;
    } row[] = {
        {lzs, plain, "offered ESP with IPComp (compression), flow Tunnel0-head-0 wants ESP without it"},
        {plain, lzs, "offered no ESP and IPComp proposal with an SPI, flow Tunnel0-head-0 wants ESP and IPComp"},
        {lzs, deflate, "offered LZS, transform set FLATE wants DEFLATE"},
        {deflate, lzs, "offered DEFLATE, transform set PRESS wants LZS"},
    };
    for (unsigned k = 0; k < ARRAY_LEN(row); k++) {
        struct world *w = world_with(50 + k, &row[k].a, 1, &row[k].b, 1, 0, MODE_TUNNEL);
        world_run(w, 3000);
        if (w->s[A].num_sas || !saw(&w->s[B], row[k].why)) {
            fail_msg("%u: %u SAs; %s", k, w->s[A].num_sas, w->s[B].syslog.s ? w->s[B].syslog.s : "");
        }
        assert_true(count_of(&w->s[A], EV_IKE_FAIL_REFUSED) > 0);
        world_free(w);
    }
}

/* select_with: is our offer taken when its CPI is written like that? */
static bool select_with(struct world *w, const struct ike_transform *t, u32 cpi, u8 len, u32 *out_cpi)
{
    struct ike_flow_value f = setup_default(B).flow;
    struct isakmp_out o;
    struct isakmp_hdr h = {.exchange = XCH_QUICK, .msgid = 5, .cookie_i = {1}}, got;
    static struct draft d;
    struct ike_sa *sa = sa_new(w->s[B].ike, &(struct endpoint){w->s[B].addr, 500}, &(struct endpoint){w->s[A].addr, 500});
    struct isakmp_msg m;
    struct p2_choice c;
    u8 buf[512], spi[4];
    f.transform[0] = *t;
    f.num_transforms = 1;
    isakmp_out_init(&o, buf, sizeof buf, &h);
    p2_write(&o, &sa->c, &f, (struct p2_spis){.spi = 0x1000, .cpi = 0x1234});
    assert_true(isakmp_out_finish(&o));
    assert_int_equal(isakmp_hdr_read(&got, buf, wr_len(&o.w)).reason, IW_OK);
    assert_int_equal(isakmp_decode(&m, &got, buf, wr_len(&o.w), 0).reason, IW_OK);
    assert_int_equal(m.sa.num_proposals, 2);
    assert_int_equal(m.sa.proposal[1].proto, PROTO_IPCOMP);
    assert_int_equal(m.sa.proposal[1].spi_len, 2);
    assert_int_equal(m.sa.proposal[1].number, m.sa.proposal[0].number);
    put32(spi, cpi);
    m.sa.proposal[1].spi = len == 2 ? spi + 2 : spi;
    m.sa.proposal[1].spi_len = len;
    bool ok = p2_select(w->s[B].ike, sa, &f, &m, &c, &d);
    *out_cpi = c.part[PROTO_IPCOMP].spi;
    sa_free(w->s[B].ike, sa);
    return ok;
}

/* RFC 3173 3.3, 4.1: two bytes or four; what is negotiated begins at 256, and an algorithm may be called by its own number. */
static void cpis(void **state)
{
    (void)state;
    const struct ike_transform lzs = set_of("T", ENCR_AES128, HASH_NONE, COMP_LZS);
    static const struct {
        u32 cpi;
        u8 len;
        bool ok;
    } row[] = {{256, 2, true},   {65535, 2, true}, {255, 2, false}, {0, 2, false},   {3, 2, true},
               {2, 2, false},    {256, 4, true},   {3, 4, true},    {0x10003, 4, false}, {0x10100, 4, false}};
    struct world *w = world_pair(60);
    for (unsigned k = 0; k < ARRAY_LEN(row); k++) {
        u32 cpi;
        if (select_with(w, &lzs, row[k].cpi, row[k].len, &cpi) != row[k].ok || (row[k].ok && cpi != row[k].cpi)) {
            fail_msg("CPI %u in %u bytes", row[k].cpi, row[k].len);
        }
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed),
        cmocka_unit_test(mixed),
        cmocka_unit_test(refused),
        cmocka_unit_test(cpis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
