/*
 * generation.h: a configuration generation as one sealed memory file: handed over whole, read whole or
 * refused. Main seals it, ike and dp open it; after the seals nobody can change a byte.
 *
 *   magic u32 | version u32 | number u64 | values u32 | bytes of one u32 | bytes of the rest u64 | the values | the rest
 *
 * Header big-endian; a value is a struct dp_msg or struct ike_msg as it stands in memory (both sides
 * are the same program). The rest is what has no fixed size, certificates and keys: records for whoever takes the values.
 */
#ifndef ADIT_SYS_GENERATION_H
#define ADIT_SYS_GENERATION_H

#include "base/base.h"

struct generation {
    u64 number;       /* main's name for it; later ones are greater */
    size_t num, size; /* values, bytes of one */
    const u8 *values; /* num * size bytes, borrowed from the bytes read */
    const u8 *rest;   /* borrowed, too */
    size_t rest_len;
    void *map;        /* owned while open: the mapping; NULL: read from memory */
    size_t map_len;
};

/* generation_seal: a sealed memory file that holds num values of size bytes and the rest. The descriptor is the
 * caller's; -1: errno says why. */
int generation_seal(u64 number, const void *values, size_t num, size_t size, const void *rest,
                    size_t rest_len);
/* generation_read: g from len bytes at p (borrowed); false: it is none, or not of values of this
 * size. Pure. */
NODISCARD bool generation_read(struct generation *g, const void *p, size_t len, size_t size);
/* generation_open: maps the file behind fd (which stays the caller's) and reads it; false: not
 * sealed, or generation_read refused it. */
NODISCARD bool generation_open(struct generation *g, int fd, size_t size);
/* generation_take: generation_open of what a process was told is generation `asked`, of values whose type (their first
 * field) fits() alone: g is open afterwards. False: it is not that, nothing of it may be used, and g is closed. */
NODISCARD bool generation_take(struct generation *g, int fd, size_t size, u64 asked,
                               bool (*fits)(u32 type));
void generation_close(struct generation *g);
/* generation_value: value i copied to out (size bytes), so that it is aligned and cannot change. */
void generation_value(const struct generation *g, size_t i, void *out);

#endif
