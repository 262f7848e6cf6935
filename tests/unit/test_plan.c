/*
 * The arithmetic of plan_crypto.c: what still fits into a path after ESP, against sizes computed packet by packet.
 */
#include "sys/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* RFC 4303 2.4: outer, SPI and sequence, IV, text padded with the two trailer bytes to the alignment, ICV. */
static unsigned esp_size(unsigned inner, enum encr_id e, enum hash_id h, bool six)
{
    unsigned align = encr_row(e)->block > 4 ? encr_row(e)->block : 4,
             icv = encr_row(e)->icv_len ? encr_row(e)->icv_len : hash_row(h)->icv_len;
    return (six ? 40u : 20u) + 8 + encr_row(e)->iv_len + (inner + 2 + align - 1) / align * align +
           icv;
}

static void esp_mtu(void **state)
{
    (void)state;
    for (enum encr_id e = ENCR_NULL; e < ENCR_NUM; e++) {
        for (enum hash_id h = HASH_MD5; h < HASH_NUM; h++) {
            for (unsigned path = 600; path < 1600; path += 7) {
                unsigned m = plan_esp_mtu((u16)path, e, h, path % 2, false);
                assert_true(esp_size(m, e, h, path % 2) <= path);
                assert_true(esp_size(m + 1, e, h, path % 2) > path);
            }
        }
    }
    /* seed 000: DES and MD5 make 176 bytes of a 124-byte GRE packet */
    assert_int_equal(esp_size(124, ENCR_DES, HASH_MD5, false), 176);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(esp_mtu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
