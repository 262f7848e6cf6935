/*
 * base: what every room stands on. No protocol knowledge, no I/O, no globals.
 *
 *   env      the clock and the randomness, handed in from outside (law 7)
 *   rd, wr   the bounded reader and writer every untrusted byte goes through (law 1)
 *   secret   key bytes that are wiped when they go (law 6)
 *   addr     IPv4 and IPv6 addresses, prefixes, endpoints, selectors
 *   list     intrusive doubly linked list;  map: u64 -> pointer hash map
 *   arena    memory that goes away in one piece (a configuration generation)
 *
 * May be included by every folder; includes none.
 */
#ifndef ADIT_BASE_H
#define ADIT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define NODISCARD                     __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)             __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a)                  (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define MIN(a, b)                     ((a) < (b) ? (a) : (b))
#define MAX(a, b)                     ((a) > (b) ? (a) : (b))

/* ---- env: time and randomness come in from outside ---------------------------------------- */

struct env {
    void *ctx;                                      /* borrowed; given back to both functions */
    u64 (*now_ms)(void *ctx);                       /* monotonic milliseconds */
    void (*random)(void *ctx, u8 *out, size_t len); /* cryptographically strong bytes */
    u64 (*wall_s)(void *ctx); /* seconds since 1970, for what others have dated; NULL: nobody knows */
};

/* env_real: the machine's own monotonic clock and getrandom(2). */
struct env env_real(void);
/* env_wall_s: 0 when nobody knows, and what is dated is then not valid yet. */
u64 env_wall_s(const struct env *env);
/* env_now_ms / env_random: shorthands. env_random_u32 never returns 0. */
u64 env_now_ms(const struct env *env);
void env_random(const struct env *env, u8 *out, size_t len);
u32 env_random_u32(const struct env *env);

/* ---- rd: bounded reader. A short read sets bad, empties the reader and yields zero --------- */

struct rd {
    const u8 *p, *end;
    bool bad;
};

struct rd rd_init(const void *p, size_t len);
size_t rd_left(const struct rd *r);
u8 rd_u8(struct rd *r);
u16 rd_u16(struct rd *r); /* big-endian on the wire, host order out */
u32 rd_u32(struct rd *r);
u64 rd_u64(struct rd *r);
/* rd_bytes: a pointer to len bytes inside the buffer (borrowed), or NULL when short (len 0: non-NULL). */
const u8 *rd_bytes(struct rd *r, size_t len);
/* rd_sub: a reader over the next len bytes; bad (and empty) when short. */
struct rd rd_sub(struct rd *r, size_t len);
/* rd_done: everything consumed and nothing was short. */
NODISCARD bool rd_done(const struct rd *r);

/* ---- wr: bounded writer; an overflow is sticky in bad -------------------------------------- */

struct wr {
    u8 *base, *p, *end;
    bool bad;
};

struct wr wr_init(void *p, size_t cap);
size_t wr_len(const struct wr *w);
void wr_u8(struct wr *w, u8 v);
void wr_u16(struct wr *w, u16 v); /* host order in, big-endian out */
void wr_u32(struct wr *w, u32 v);
void wr_u64(struct wr *w, u64 v);
void wr_bytes(struct wr *w, const void *p, size_t len);
void wr_zero(struct wr *w, size_t len);
/* wr_skip: reserves len bytes and returns where they are, or NULL on overflow. */
u8 *wr_skip(struct wr *w, size_t len);
/* wr_put_u16_at: patches a big-endian u16 at a byte offset already written. */
void wr_put_u16_at(struct wr *w, size_t off, u16 v);
void wr_put_u32_at(struct wr *w, size_t off, u32 v);

/* Unaligned big-endian access for fixed headers whose bounds were checked before. */
static inline u16 be16(const u8 *p)
{
    return (u16)(p[0] << 8 | p[1]);
}
static inline u32 be32(const u8 *p)
{
    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}
static inline u64 be64(const u8 *p)
{
    return (u64)be32(p) << 32 | be32(p + 4);
}
static inline void put16(u8 *p, u16 v)
{
    p[0] = (u8)(v >> 8), p[1] = (u8)v;
}
static inline void put32(u8 *p, u32 v)
{
    p[0] = (u8)(v >> 24), p[1] = (u8)(v >> 16), p[2] = (u8)(v >> 8), p[3] = (u8)v;
}
static inline void put64(u8 *p, u64 v)
{
    put32(p, (u32)(v >> 32)), put32(p + 4, (u32)v);
}

/* ---- secrets ------------------------------------------------------------------------------- */

enum { SECRET_MAX = 128 };
struct secret {
    u16 len; /* bytes used of b */
    u8 b[SECRET_MAX];
};
/* mem_wipe: zeroes memory in a way the compiler keeps. */
void mem_wipe(void *p, size_t len);
void secret_set(struct secret *s, const void *p, size_t len);
void secret_wipe(struct secret *s);
/* mem_equal_ct: constant-time comparison for MACs and hashes. */
NODISCARD bool mem_equal_ct(const void *a, const void *b, size_t len);

/* ---- addresses ----------------------------------------------------------------------------- */

enum { AF_NONE = 0, AF_V4 = 4, AF_V6 = 6 };
struct addr {
    u8 family; /* AF_NONE, AF_V4 or AF_V6 */
    u8 b[16];  /* network byte order; IPv4 uses b[0..3], the rest is zero */
};
struct prefix {
    struct addr a;
    u8 len; /* bits */
};
struct endpoint {
    struct addr a;
    u16 port; /* host order */
};
/* selector: what traffic an SPD entry or a pair of proxy identities covers (RFC 4301 4.4.1.1).
 * src is our (local) side, dst the peer's. proto 0 = any. Ports host order, 0..65535 = any. */
struct selector {
    struct prefix src, dst;
    u8 proto;
    u8 zero; /* no hidden padding: values are compared as bytes */
    u16 sport_lo, sport_hi, dport_lo, dport_hi;
};

enum { ADDR_STR = 48, PREFIX_STR = 52, ENDPOINT_STR = 56, SELECTOR_STR = 192 };

struct addr addr_v4(u32 host_order);
struct addr addr_from_bytes(u8 family, const u8 *b);
NODISCARD bool addr_parse(struct addr *out, const char *text); /* "192.0.2.1" or "2001:db8::1" */
/* addr_str: IPv4 dotted; IPv6 compressed upper case as IOS prints it. Returns out. */
const char *addr_str(char out[ADDR_STR], const struct addr *a);
/* addr_valid, prefix_valid, selector_valid: could it be one? A family there is (AF_NONE too), no more
 * bits than it has. For values of another process; every other function here takes them as valid. */
NODISCARD bool addr_valid(const struct addr *a);
NODISCARD bool prefix_valid(const struct prefix *p);
NODISCARD bool selector_valid(const struct selector *s);
bool addr_equal(const struct addr *a, const struct addr *b);
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_is_any(const struct addr *a); /* 0.0.0.0, :: or AF_NONE */
bool addr_is_multicast(const struct addr *a);
u8 addr_bits(const struct addr *a); /* 32, 128, or 0 */
u8 addr_len(const struct addr *a);  /* 4, 16, or 0 */
u32 addr_v4_host(const struct addr *a);
struct addr addr_mask(u8 family, u8 len);
/* addr_mask_len: prefix length of a contiguous IPv4 netmask; false when it has holes. */
NODISCARD bool addr_mask_len(u8 *out_len, const struct addr *mask);
bool prefix_contains(const struct prefix *p, const struct addr *a);
/* prefix_covers: every address of b is in a. */
bool prefix_covers(const struct prefix *a, const struct prefix *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
void prefix_normalise(struct prefix *p); /* clears host bits */
struct prefix prefix_host(const struct addr *a);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
bool selector_equal(const struct selector *a, const struct selector *b);
/* selector_covers: everything b selects, a selects. */
bool selector_covers(const struct selector *a, const struct selector *b);
struct selector selector_any(u8 family);
struct selector selector_mirror(const struct selector *s);
/* selector_str: "10.1.0.0/24:0 -> 10.2.0.0/24:0 proto 47". Returns out. */
const char *selector_str(char out[SELECTOR_STR], const struct selector *s);

/* ---- list: intrusive, circular ------------------------------------------------------------- */

struct list {
    struct list *prev, *next;
};
void list_init(struct list *l);
bool list_empty(const struct list *l);
void list_push_back(struct list *head, struct list *item);
void list_push_front(struct list *head, struct list *item);
void list_remove(struct list *item); /* leaves item as an empty list: removing twice is harmless */
/* LIST_FOR: item may be removed (and freed) inside the loop. */
#define LIST_FOR(it, head)                                                                         \
    for (struct list *it = (head)->next, *it##_n = it->next; it != (head);                         \
         it = it##_n, it##_n = it->next)

/* ---- map: u64 key -> pointer, open addressing ---------------------------------------------- */

struct map {
    struct map_slot *slots; /* owned */
    size_t num, cap, used;
};
void map_init(struct map *m);
void map_free(struct map *m); /* the values are not its own */
void *map_get(const struct map *m, u64 key);
void map_put(struct map *m, u64 key,
             void *value); /* value must not be NULL; aborts when memory is gone */
void map_del(struct map *m, u64 key);

/* keyed_hash: SipHash-2-4 (hash.c), for map keys made of what strangers send; key: 16 random bytes of one's own. */
u64 keyed_hash(const u8 key[16], const void *data, size_t len);

/* ---- arena --------------------------------------------------------------------------------- */

struct arena {
    struct arena_block *head; /* owned */
};
void *arena_alloc(struct arena *a, size_t len); /* zeroed, aligned; aborts when memory is gone */
char *arena_strdup(struct arena *a, const char *s);
void arena_free(struct arena *a);

/* ---- text ---------------------------------------------------------------------------------- */

/* xmalloc / xstrdup: abort when memory is gone; zeroed. Never used in dp after start. */
void *xcalloc(size_t num, size_t size);
char *xstrdup(const char *s);
/* str_copy: copies and always terminates; returns false when it had to cut. */
bool str_copy(char *out, size_t cap, const char *s);
/* strbuf: a growing text buffer; memory it gives back is clean. */
struct strbuf {
    char *s; /* owned; always terminated once something was added */
    size_t len, cap;
};
void sb_add(struct strbuf *b, const char *text);
void sb_addn(struct strbuf *b, const char *text, size_t len);
void sb_addf(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sb_free(struct strbuf *b);
/* hex_str: lower-case hex of at most (cap-1)/2 bytes. Returns out. */
const char *hex_str(char *out, size_t cap, const u8 *p, size_t len);
/* hex_parse: number of bytes written, or -1 on a bad digit, an odd count or too little room. */
int hex_parse(u8 *out, size_t cap, const char *text);

#endif
