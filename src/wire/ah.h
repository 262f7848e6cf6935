/*
 * wire/ah: the authentication header (RFC 4302 2), and what of the headers in front of it may change on the way
 * (RFC 4302 3.3.3.1, appendix A). Pure: no state. Used by dp/ah_in.c and dp/ah_out.c.
 */
#ifndef ADIT_WIRE_AH_H
#define ADIT_WIRE_AH_H

#include "wire/wire.h"

enum { AH_HDR = 12 }; /* without the ICV */

struct ah_view {
    u8 next;  /* protocol of what follows */
    u16 len;  /* bytes of the header with ICV and padding */
    u32 spi, seq;
};
/* ah_decode: len bytes from the AH header on; false when the header is not whole or says less than its fixed part. */
NODISCARD bool ah_decode(struct ah_view *out, const u8 *p, size_t len);
/* ah_build: the fixed part, the ICV's len - AH_HDR bytes zero. len: of the header, a multiple of 4. Host order in. */
void ah_build(u8 *out, u8 next, unsigned len, u32 spi, u32 seq);
/* ah_zero_mutable: the IP header at ip, with its options or extension headers, len bytes up to the AH header: what changes
 * on the way becomes zero (RFC 4302 3.3.3.1.1, 3.3.3.1.2). False: such a header cannot be protected: an option cut short, a
 * source route that is not at its end, a fragment. */
NODISCARD bool ah_zero_mutable(u8 *ip, unsigned len);

#endif
