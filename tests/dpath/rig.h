/*
 * rig: a whole data plane on fake ports, a fake clock and fixed randomness, for the tests of
 * src/dp.
 *
 *      TUN0 (Tunnel0) ---+            +--- RAW4_* / RAW6_*  (in)
 *      CRYPTO         ---+--- dp -----+
 *      CLEAR          ---+            +--- SEND4 / SEND6    (out, sealed)
 *                                     +--- OPEN4 / OPEN6    (out, unmarked)
 *                                     +--- PASS4 / PASS6    (out, what the map lets pass)
 *
 * CRYPTO, CLEAR and PASS* are map link 1; CRYPTO2, CLEAR2 and PASS4_2 are map link 2.
 */
#ifndef ADIT_RIG_H
#define ADIT_RIG_H

#include "dp/dp_int.h"

enum {
    TUN0,
    TUN1,
    CRYPTO,
    CLEAR,
    RAW4_ESP,
    RAW4_GRE,
    RAW4_6IN4,
    RAW4_IPIP,
    RAW6_ESP,
    RAW6_GRE,
    SEND4,
    SEND6,
    OPEN4,
    OPEN6,
    PASS4,
    PASS6,
    CRYPTO2,
    CLEAR2,
    PASS4_2,
    NUM_PORTS
};

struct rig_pkt {
    u16 len;
    u8 b[10240];
};
struct rig_fifo {
    struct rig_pkt *p; /* owned */
    unsigned head, num, cap;
};
#define RIG_A4 "198.51.100.1"
#define RIG_B4 "198.51.100.2"
#define RIG_A6 "2001:db8:f::1"
#define RIG_B6 "2001:db8:f::2"

struct rig_end {
    struct rig_fifo *in, *out; /* borrowed from the rig */
};
struct rig {
    struct dp *dp;
    struct evlog log;
    struct env env;
    u64 now;
    u64 seed;
    struct rig_fifo in[NUM_PORTS], out[NUM_PORTS];
    struct rig_end end[NUM_PORTS];
    struct dp_msg msg[64]; /* what dp told, oldest first; the rest is only counted */
    unsigned num_msg;
    u64 generation, staged; /* of the generation being given */
    bool deaf;              /* whoever dp tells something has a full queue */
    struct strbuf text; /* every event rendered, one a line */
};

struct rig *rig_new(const char *engine);
void rig_free(struct rig *r);
void rig_ctl(struct rig *r, struct dp_msg m);
void rig_in(struct rig *r, unsigned port, const void *b, size_t len);
/* rig_out: the oldest packet that left by the port, valid until the next; NULL: none. */
struct rig_pkt *rig_out(struct rig *r, unsigned port);
unsigned rig_num_out(const struct rig *r, unsigned port);
void rig_run(struct rig *r);
void rig_later(struct rig *r, u64 ms); /* the clock moves and the timers run */
/* rig_wire: everything a sent becomes what b receives, by family and protocol; returns packets
 * moved. */
unsigned rig_wire(struct rig *a, struct rig *b);
/* rig_told: the n-th message of a type that dp sent, or NULL. */
const struct dp_msg *rig_told(const struct rig *r, u32 type, unsigned n);
bool rig_said(const struct rig *r, const char *text); /* an event's wording contained it */
void rig_quiet(struct rig *r);                        /* forgets messages and events */
u64 rig_drops(const struct rig *r, enum dp_drop d);

/* A generation; flows and policies without a link are link 1's. */
void rig_begin(struct rig *r);
void rig_tunnel(struct rig *r, struct dp_tunnel_value t);
void rig_flow(struct rig *r, struct dp_flow_value f);
void rig_policy(struct rig *r, struct dp_policy_value p);
void rig_commit(struct rig *r);
/* rig_sa: installs an SA; key bytes are made from the SPI so that both ends agree. ENCR_NONE: an SA of AH. */
extern bool rig_esn; /* of the SAs that are made from now on: extended sequence numbers */
extern u8 rig_comp;  /* and compression, by this CPI */
extern u16 rig_cpi;
struct dp_sa_value rig_sa_value(u32 flow, u32 spi, u8 dir, u8 mode, u8 encr, u8 auth,
                                const char *src, const char *dst);
void rig_sa(struct rig *r, struct dp_sa_value v);
/* rig_crypto_map: one flow, 7, that protects everything. */
void rig_crypto_map(struct rig *r, bool v6, u8 df, bool frag_after);
/* rig_pair: a sends under SPI 0x1000 to b; b under 0x2000 to a. */
void rig_pair(struct rig *a, struct rig *b, u8 mode, u8 encr, u8 auth, bool v6);
/* rig_bundle: the same with AH around ESP, under SPI 0x1100 and 0x2100. */
void rig_bundle(struct rig *a, struct rig *b, u8 mode, u8 encr, u8 auth, u8 ah, bool v6);
struct sa *rig_find_sa(struct rig *r, u32 spi, u8 dir);

struct addr rig_addr(const char *text);
struct prefix rig_net(const char *text, u8 len);
/* rig_ping: an ICMP or ICMPv6 echo of total bytes; returns total. */
size_t rig_ping(u8 *out, const char *src, const char *dst, size_t total, bool df);
/* rig_tcp_syn: a TCP SYN with an MSS option, checksum right. */
size_t rig_tcp_syn(u8 *out, const char *src, const char *dst, u16 mss);
bool rig_l4_checksum_ok(const u8 *ip);

/* rig_file: a whole file (owned by the caller); aborts when it cannot be read. */
u8 *rig_file(const char *path, size_t *len);
const char *rig_vectors(void); /* folder of the vectors: $ADIT_VECTORS */
/* rig_pcap: calls fn for every packet of a pcap or pcapng file with the bytes from the IP header
 * on. */
void rig_pcap(const char *path, void (*fn)(void *ctx, const u8 *ip, size_t len), void *ctx);

#endif
