/* json_hex.h: hexadecimal fields of a vector file. */
#ifndef ADIT_TEST_JSON_HEX_H
#define ADIT_TEST_JSON_HEX_H

#include "base/base.h"

#include <jansson.h>
#include <stdlib.h>

struct hexbuf {
    size_t len;
    u8 b[4096];
};
static inline bool json_hex(struct hexbuf *out, const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    int n = s ? hex_parse(out->b, sizeof out->b, s) : -1;
    out->len = n < 0 ? 0 : (size_t)n;
    return n >= 0;
}
static inline json_t *json_vectors(const char *name)
{
    char path[512];
    const char *dir = getenv("ADIT_VECTORS");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "tests/vectors", name);
    return json_load_file(path, 0, NULL);
}

#endif
