/*
 * spi.c: our inbound SPIs: new ones, and the graves of those we deleted, so that ESP that still arrives for one is
 * answered with the Delete that was lost. RFC 4303 2.1, RFC 2408 3.15.
 */
#include "ike/ike_int.h"

u32 spi_new(struct ike *ike)
{
    for (;;) {
        u32 spi = env_random_u32(ike->clock);
        bool used = spi < 256; /* RFC 4303 2.1: reserved */
        LIST_FOR (it, &ike->children) {
            used = used || CONTAINER_OF(it, struct child, link)->spi_in == spi;
        }
        LIST_FOR (it, &ike->old_sas) {
            used = used || CONTAINER_OF(it, struct old_sa, link)->sa.spi == spi;
        }
        if (!used) {
            return spi;
        }
    }
}

void spi_bury(struct ike *ike, u32 spi, const struct addr *peer)
{
    ike->graves[ike->next_grave].spi = spi;
    ike->graves[ike->next_grave].peer = *peer;
    ike->next_grave = (ike->next_grave + 1) % SPI_GRAVES;
}

bool spi_buried(const struct ike *ike, u32 spi, const struct addr *peer)
{
    for (unsigned i = 0; i < SPI_GRAVES; i++) {
        if (ike->graves[i].spi == spi && addr_equal(&ike->graves[i].peer, peer)) {
            return true;
        }
    }
    return false;
}
