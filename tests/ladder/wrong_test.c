/*
 * wrong_test.c: configured wrong on purpose: what operators get wrong most, one row each, and the sentence that each end has for it:
 * the end that refuses says what differs, the end that is refused says what it had offered and that it was refused. The initiator
 * has the same sentence where `show` asks why a flow is down.
 */
#include "world.h"

#include <stdlib.h>

struct both {
    struct setup s[2];
};

#define WRONG(name, ...)                                                                           \
    static void name(struct both *x)                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
WRONG(p1_cipher, x->s[B].policy[0].encr = ENCR_AES256;)
WRONG(p1_hash, x->s[B].policy[0].hash = HASH_SHA256;)
WRONG(p1_group, x->s[B].policy[0].group = 14;)
WRONG(p1_method, x->s[B].policy[0].auth = IKE_AUTH_RSA_SIG;)
WRONG(key_differs, x->s[B].psk = "other";)
WRONG(key_missing, x->s[B].psk = NULL;)
WRONG(key_missing_here, x->s[A].psk = NULL;)
WRONG(p2_cipher, x->s[B].flow.transform[0].encr = ENCR_AES128;)
WRONG(p2_length, x->s[A].flow.transform[0].encr = ENCR_AES128; x->s[B].flow.transform[0].encr = ENCR_AES256;)
WRONG(p2_auth, x->s[B].flow.transform[0].auth = HASH_SHA256;)
WRONG(p2_mode, x->s[A].flow.transform[0].mode = MODE_TRANSPORT; x->s[B].flow.any_mode = false;)
WRONG(p2_pfs, x->s[B].flow.pfs_group = 14;)
WRONG(p2_pfs_other, x->s[A].flow.pfs_group = 2; x->s[B].flow.pfs_group = 14;)
WRONG(p2_ah, x->s[B].flow.transform[0].ah = HASH_SHA1;)
WRONG(p2_bundle, x->s[A].flow.transform[0].ah = HASH_SHA1;)
WRONG(p2_comp, x->s[A].flow.transform[0].comp = COMP_LZS;)
WRONG(proxies, x->s[B].flow.sel.dst = (struct prefix){addr_v4(0x0a090000), 16};)
WRONG(proxies_wide, x->s[A].flow.sel.src = (struct prefix){addr_v4(0x0a000000), 8};)
WRONG(protocol, x->s[B].flow.sel.proto = 6;)
WRONG(peer_other, x->s[B].flow.peer[0] = addr_v4(0x09090909);)
WRONG(off, x->s[B].global.enabled = false;)

static const struct {
    const char *what;
    void (*spoil)(struct both *x);
    const char *here, *there; /* what A, which begins, and B say; NULL: nothing */
} rows[] = {
    {"another cipher in phase 1", p1_cipher, "PROPOSAL_NOT_CHOSEN (unprotected); we offered DES, MD5, group 2",
     "offered DES, policy 10 wants AES 256"},
    {"another hash in phase 1", p1_hash, "we offered DES, MD5, group 2",
     "offered MD5, policy 10 wants SHA-256"},
    {"another group in phase 1", p1_group, "we offered DES, MD5, group 2",
     "offered group 2, policy 10 wants group 14"},
    {"certificates there, keys here", p1_method, "we offered DES, MD5, group 2",
     "offered authentication method 1, policy 10 wants rsa-sig"},
    {"the keys differ", key_differs, "no answer to message 5, which proves who we are; do the pre-shared keys differ?",
     "do the pre-shared keys differ?"},
    {"no key for us there", key_missing, "the peer says PROPOSAL_NOT_CHOSEN",
     "policy 10 fits, but there is no pre-shared key for 1.1.1.1"},
    {"no key for it here", key_missing_here, "no pre-shared key is configured for 2.2.2.2",
     NULL},
    {"another cipher in phase 2", p2_cipher, "the peer answered PROPOSAL_NOT_CHOSEN; we offered esp-des esp-md5-hmac in tunnel mode, no PFS",
     "offered DES, transform set TS wants AES 128"},
    {"another length of its key", p2_length, "we offered esp-aes esp-md5-hmac in tunnel mode",
     "offered AES 128, transform set TS wants AES 256"},
    {"another authenticator", p2_auth, "we offered esp-des esp-md5-hmac",
     "offered MD5, transform set TS wants SHA-256"},
    {"another mode", p2_mode, "we offered esp-des esp-md5-hmac in transport mode",
     "offered transport mode, transform set TS wants tunnel mode"},
    {"PFS there alone", p2_pfs, "in tunnel mode, no PFS",
     "offered no PFS, flow Tunnel0-head-0 wants PFS group 14"},
    {"another group for PFS", p2_pfs_other, "in tunnel mode, PFS group 2",
     "offered PFS group 2, flow Tunnel0-head-0 wants group 14"},
    {"AH there as well", p2_ah, "we offered esp-des esp-md5-hmac",
     "offered no AH and ESP proposal with an SPI, flow Tunnel0-head-0 wants AH and ESP"},
    {"AH here as well", p2_bundle, "we offered ah-sha-hmac esp-des esp-md5-hmac in tunnel mode, no PFS",
     "offered no ESP proposal with an SPI, flow Tunnel0-head-0 wants ESP"},
    {"compression here alone", p2_comp, "we offered esp-des esp-md5-hmac comp-lzs in tunnel mode",
     "offered ESP with IPComp (compression), flow Tunnel0-head-0 wants ESP without it"},
    {"another network behind us", proxies, "we asked for (ours -> theirs) 1.1.1.1/32 -> 2.2.2.2/32 proto 47, and its line has to be the mirror of that",
     "peer's proxies (ours -> theirs) 2.2.2.2/32 -> 1.1.1.1/32 proto 47, Tunnel0-head-0 wants 2.2.2.2/32 -> 10.9.0.0/16 proto 47"},
    {"a wider network here", proxies_wide, "we asked for (ours -> theirs) 10.0.0.0/8 -> 2.2.2.2/32",
     "peer's proxies (ours -> theirs) 2.2.2.2/32 -> 10.0.0.0/8 proto 47, Tunnel0-head-0 wants 2.2.2.2/32 -> 1.1.1.1/32 proto 47"},
    {"another protocol", protocol, "we asked for (ours -> theirs) 1.1.1.1/32 -> 2.2.2.2/32 proto 47",
     "Tunnel0-head-0 wants 2.2.2.2/32 -> 1.1.1.1/32 proto 6"},
    {"it has no line with us", peer_other, "the peer answered INVALID_ID_INFORMATION",
     "but nothing is configured with this peer"},
    {"IKE is off there", off, "nothing came back at all: is the peer there, does it speak IKE, does UDP port 500 get through?",
     NULL},
};

static void each_end_says_why(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct both x = {{setup_default(A), setup_default(B)}};
        x.s[A].flow.tunnel_if = x.s[B].flow.tunnel_if = false; /* lines of crypto maps: they are compared as they are */
        rows[i].spoil(&x);
        struct world *w = world_begun(i + 1, &x.s[A], &x.s[B]);
        world_run(w, 60000);
        const struct flow *f = CONTAINER_OF(w->s[A].ike->flows.next, struct flow, link);
        bool here = saw(&w->s[A], rows[i].here), there = rows[i].there ? saw(&w->s[B], rows[i].there) : !w->s[B].syslog.s;
        if (pairs_up(w) || !here || !there || !f->last_error[0]) {
            fail_msg("%s: %u pairs, why: %s\nA: %s\nB: %s", rows[i].what, pairs_up(w), f->last_error,
                     w->s[A].syslog.s ? w->s[A].syslog.s : "", w->s[B].syslog.s ? w->s[B].syslog.s : "");
        }
        world_free(w);
    }
}

/* Of a long list what fits is said, and that there is more. */
static void long_lists(void **state)
{
    (void)state;
    struct both x = {{setup_default(A), setup_default(B)}};
    for (unsigned i = 0; i < 6; i++) {
        x.s[A].flow.transform[i] = (struct ike_transform){"T", ENCR_AES256, HASH_SHA512, MODE_TUNNEL, HASH_NONE};
    }
    x.s[A].flow.num_transforms = 6;
    struct world *w = world_begun(90, &x.s[A], &x.s[B]);
    world_run(w, 1000);
    assert_true(saw(&w->s[A], "we offered esp-aes 256 esp-sha512-hmac in tunnel mode, no PFS or esp-aes 256 esp-sha512-hmac in tunnel"));
    assert_true(saw(&w->s[A], " no PFS ...\n"));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_end_says_why), cmocka_unit_test(long_lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
