/*
 * wire/tunnel: GRE (RFC 2784, key and sequence RFC 2890) and the ESP header (RFC 4303 2). Pure
 * codecs; read beside write. Used by dp/gre.c and dp/esp_in.c.
 */
#ifndef ADIT_WIRE_TUNNEL_H
#define ADIT_WIRE_TUNNEL_H

#include "wire/wire.h"

enum { GRE_C = 0x8000, GRE_K = 0x2000, GRE_S = 0x1000, GRE_HDR_MAX = 16 };
enum { GRE_PROTO_IP = 0x0800, GRE_PROTO_IPV6 = 0x86dd };
enum { ESP_HDR = 8 };

struct gre_view {
    u16 flags; /* GRE_C, GRE_K, GRE_S */
    u16 proto; /* EtherType of what it carries */
    u8 len;    /* bytes of the header */
    u16 checksum;
    u32 key, seq;
};
enum gre_fault { GRE_OK, GRE_SHORT, GRE_BAD_VERSION, GRE_BAD_FLAGS, GRE_BAD_CHECKSUM };
const char *gre_fault_text(enum gre_fault f);

/* gre_decode: version must be 0, the routing, strict and reserved0 bits 1, 4-5 zero (RFC 2784 2.3),
 * the checksum right. */
NODISCARD enum gre_fault gre_decode(struct gre_view *out, const u8 *p, size_t len);
/* gre_build: writes the header in front of len payload bytes that already stand at out +
 * gre_len(flags). */
unsigned gre_build(u8 *out, u16 flags, u16 proto, u32 key, u32 seq, size_t payload_len);
static inline unsigned gre_len(u16 flags)
{
    return 4u + (flags & GRE_C ? 4u : 0) + (flags & GRE_K ? 4u : 0) + (flags & GRE_S ? 4u : 0);
}

struct esp_view {
    u32 spi, seq;
};
/* esp_decode: false when there are not 8 bytes. */
NODISCARD static inline bool esp_decode(struct esp_view *out, const u8 *p, size_t len)
{
    if (len < ESP_HDR) {
        return false;
    }
    *out = (struct esp_view){.spi = be32(p), .seq = be32(p + 4)};
    return true;
}
/* esp_build: SPI and sequence number, host order in. */
static inline void esp_build(u8 *out, u32 spi, u32 seq)
{
    put32(out, spi);
    put32(out + 4, seq);
}

#endif
