/*
 * addr.c: addresses, prefixes and selectors (RFC 4301 4.4.1.1). Pure functions on values.
 */
#include "base/base.h"

#include <arpa/inet.h>

struct addr addr_v4(u32 host_order)
{
    struct addr a = {.family = AF_V4};
    put32(a.b, host_order);
    return a;
}

struct addr addr_from_bytes(u8 family, const u8 *b)
{
    struct addr a = {.family = family};
    memcpy(a.b, b, family == AF_V4 ? 4 : 16);
    return a;
}

bool addr_parse(struct addr *out, const char *text)
{
    struct addr a = {.family = AF_V4};
    if (inet_pton(AF_INET, text, a.b) == 1) {
        *out = a;
        return true;
    }
    a.family = AF_V6;
    if (inet_pton(AF_INET6, text, a.b) == 1) {
        *out = a;
        return true;
    }
    return false;
}

const char *addr_str(char out[ADDR_STR], const struct addr *a)
{
    if (a->family == AF_V4) {
        snprintf(out, ADDR_STR, "%u.%u.%u.%u", a->b[0], a->b[1], a->b[2], a->b[3]);
    } else if (a->family == AF_V6) {
        inet_ntop(AF_INET6, a->b, out, ADDR_STR);
        for (char *p = out; *p; p++) {
            if (*p >= 'a' && *p <= 'f') {
                *p = (char)(*p - 'a' + 'A');
            }
        }
    } else {
        snprintf(out, ADDR_STR, "0.0.0.0");
    }
    return out;
}

bool addr_valid(const struct addr *a)
{
    return a->family == AF_NONE || a->family == AF_V4 || a->family == AF_V6;
}

bool prefix_valid(const struct prefix *p)
{
    return addr_valid(&p->a) && p->len <= addr_bits(&p->a);
}

bool selector_valid(const struct selector *s)
{
    return prefix_valid(&s->src) && prefix_valid(&s->dst);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->b, b->b, addr_len(a)) == 0;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
    return a->family != b->family ? (int)a->family - (int)b->family
                                  : memcmp(a->b, b->b, addr_len(a));
}

bool addr_is_any(const struct addr *a)
{
    static const u8 zero[16];
    return memcmp(a->b, zero, addr_len(a)) == 0;
}

bool addr_is_multicast(const struct addr *a)
{
    return a->family == AF_V4 ? (a->b[0] & 0xf0) == 0xe0 : a->family == AF_V6 && a->b[0] == 0xff;
}

u8 addr_len(const struct addr *a)
{
    return a->family == AF_V4 ? 4 : a->family == AF_V6 ? 16 : 0;
}

u8 addr_bits(const struct addr *a)
{
    return (u8)(addr_len(a) * 8);
}

u32 addr_v4_host(const struct addr *a)
{
    return be32(a->b);
}

struct addr addr_mask(u8 family, u8 len)
{
    struct addr a = {.family = family};
    for (unsigned i = 0; i < addr_bits(&a) && i < len; i++) {
        a.b[i / 8] |= (u8)(0x80 >> (i % 8));
    }
    return a;
}

bool addr_mask_len(u8 *out_len, const struct addr *mask)
{
    u8 len = 0;
    while (len < addr_bits(mask) && (mask->b[len / 8] & (0x80 >> (len % 8)))) {
        len++;
    }
    struct addr again = addr_mask(mask->family, len);
    if (!addr_equal(&again, mask)) {
        return false;
    }
    *out_len = len;
    return true;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
    if (p->a.family != a->family) {
        return false;
    }
    unsigned whole = p->len / 8, rest = p->len % 8;
    if (memcmp(p->a.b, a->b, whole) != 0) {
        return false;
    }
    return rest == 0 || ((p->a.b[whole] ^ a->b[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

bool prefix_covers(const struct prefix *a, const struct prefix *b)
{
    return a->len <= b->len && prefix_contains(a, &b->a);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->len == b->len && addr_equal(&a->a, &b->a);
}

void prefix_normalise(struct prefix *p)
{
    struct addr m = addr_mask(p->a.family, p->len);
    for (unsigned i = 0; i < sizeof p->a.b; i++) {
        p->a.b[i] &= m.b[i];
    }
}

struct prefix prefix_host(const struct addr *a)
{
    return (struct prefix){.a = *a, .len = addr_bits(a)};
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && addr_equal(&a->a, &b->a);
}

bool selector_equal(const struct selector *a, const struct selector *b)
{
    return prefix_equal(&a->src, &b->src) && prefix_equal(&a->dst, &b->dst) &&
           a->proto == b->proto && a->sport_lo == b->sport_lo && a->sport_hi == b->sport_hi &&
           a->dport_lo == b->dport_lo && a->dport_hi == b->dport_hi;
}

bool selector_covers(const struct selector *a, const struct selector *b)
{
    return prefix_covers(&a->src, &b->src) && prefix_covers(&a->dst, &b->dst) &&
           (!a->proto || a->proto == b->proto) && a->sport_lo <= b->sport_lo &&
           a->sport_hi >= b->sport_hi && a->dport_lo <= b->dport_lo && a->dport_hi >= b->dport_hi;
}

struct selector selector_any(u8 family)
{
    return (struct selector){
        .src.a.family = family, .dst.a.family = family, .sport_hi = 0xffff, .dport_hi = 0xffff};
}

struct selector selector_mirror(const struct selector *s)
{
    struct selector m = *s;
    m.src = s->dst, m.dst = s->src;
    m.sport_lo = s->dport_lo, m.sport_hi = s->dport_hi;
    m.dport_lo = s->sport_lo, m.dport_hi = s->sport_hi;
    return m;
}

const char *selector_str(char out[SELECTOR_STR], const struct selector *s)
{
    char a[ADDR_STR], b[ADDR_STR];
    int n = snprintf(out, SELECTOR_STR, "%s/%u -> %s/%u", addr_str(a, &s->src.a), s->src.len,
                     addr_str(b, &s->dst.a), s->dst.len);
    if (s->proto) {
        n += snprintf(out + n, (size_t)(SELECTOR_STR - n), " proto %u", s->proto);
    }
    if (s->sport_lo != 0 || s->sport_hi != 0xffff || s->dport_lo != 0 || s->dport_hi != 0xffff) {
        snprintf(out + n, (size_t)(SELECTOR_STR - n), " ports %u-%u > %u-%u", s->sport_lo,
                 s->sport_hi, s->dport_lo, s->dport_hi);
    }
    return out;
}
