/*
 * spi.c: our inbound SPIs: new ones, and the graves of those we deleted, so that ESP that still
 * arrives for one is answered with the Delete that was lost. RFC 4303 2.1, RFC 2408 3.15.
 */
#include "ike/ike_int.h"

u32 spi_new(struct ike *ike)
{
    for (;;) {
        u32 spi = env_random_u32(ike->clock);
        if (spi >= 256 && !map_get(&ike->child_in, spi) && !map_get(&ike->old_in, spi)) {
            return spi; /* RFC 4303 2.1: those below are reserved */
        }
    }
}

u32 spi_other(struct ike *ike, u32 not)
{
    u32 spi;
    do {
        spi = spi_new(ike);
    } while (spi == not);
    return spi;
}

void spi_bury(struct ike *ike, u32 spi, const struct addr *peer)
{
    struct grave *g = &ike->graves[ike->next_grave];
    if (map_get(&ike->grave_of, g->spi) == g) {
        map_del(&ike->grave_of, g->spi);
    }
    *g = (struct grave){.spi = spi, .peer = *peer};
    map_put(&ike->grave_of, spi, g);
    ike->next_grave = (ike->next_grave + 1) % SPI_GRAVES;
}

bool spi_buried(const struct ike *ike, u32 spi, const struct addr *peer)
{
    const struct grave *g = map_get(&ike->grave_of, spi);
    return g && g->spi == spi && addr_equal(&g->peer, peer);
}
