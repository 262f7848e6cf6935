/*
 * dp_int.h: what the rooms inside the data plane share: the packet, the SA, the flow, the tunnel,
 * the port, the worker, and the nodes of the graph. Nothing outside src/dp (but its tests and
 * bench) includes this.
 *
 * Who writes what: nodes write packets, the hot part of SAs, counters, what waits or is put together
 * (hold.c, join.c) and what was learned of a path; ctl.c and the ticks (between two turns of the
 * graph, in the same thread) write everything else. At a threshold a node tells IKE through sa.c or
 * tell.c: dp_tell() is a send that does not wait. One worker owns every SA and port for now; a second
 * one would own others.
 */
#ifndef ADIT_DP_INT_H
#define ADIT_DP_INT_H

#include "crypto/bulk.h"
#include "dp/dp.h"
#include "wire/ip.h"
#include "wire/tunnel.h"

#if defined(__x86_64__)
#include <x86intrin.h>
static inline u64 cycles(void)
{
    return __rdtsc();
}
#else
static inline u64 cycles(void)
{
    return 0;
}
#endif

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum {
    VEC = 256,       /* packets a node sees at once */
    POOL = 2048,     /* packet buffers; the free list is a stack, so the hot ones are used again */
    HELD_MAX = 1024, /* buffers that may wait for SAs at once */
    HEADROOM = 192,  /* in front of a packet for outer headers; a multiple of 64 */
    PKT_MAX = 9216,  /* longest packet a port takes in */
    TAILROOM = 128,  /* behind it for padding, trailer and ICV */
    MAX_SAS = DP_MAX_SAS,
    MAX_FLOWS = DP_MAX_FLOWS,
    MAX_POLICIES = DP_MAX_POLICIES,
    MAX_RPF = DP_MAX_RPF,
    MAX_CUTS = 256, /* fragmented datagrams whose first fragment's verdict is remembered */
    CUT_MS = 30000, /* for how long (RFC 791 3.2: reassembly times out after 15 to 60 s) */
    SA_BUCKETS = 8192,
    REPLAY_WORDS = 128, /* bitmap ring for windows up to 4096 (RFC 6479 2) */
    HOLD_MS = 30000,    /* how long a packet waits for an SA */
    ACQUIRE_MS = 1000,  /* IKE is asked at most this often per flow */
    PMTU_AGE_MS = 600000,
    FAR_ENDS = 4 * MAX_FLOWS, /* places for far ends by address; a flow has two */
    UNKNOWN_SPI_MS = 1000,    /* IKE is told of an unknown SPI at most this often per far end */
    MAX_JOINS = 32,           /* datagrams being put together again at once */
    JOIN_MS =
        3000, /* how long one waits for its fragments (IOS: ip virtual-reassembly timeout 3) */
    JOIN_MAX = 9000, /* longest payload of one */
    AH_HEAD_MAX = 256, /* bytes of the headers in front of AH */
};

/* ---- the graph: which nodes there are; their order and functions stand in graph.c ------------ */

enum node_id {
    N_IP_IN,
    N_AH_FIND,
    N_AH_OPEN,
    N_AH_COMMIT,
    N_ESP_FIND,
    N_ESP_PRECHECK,
    N_ESP_OPEN,
    N_ESP_COMMIT,
    N_GRE_IN,
    N_CLEAR_IN,
    N_POLICY_IN,
    N_ROUTE_IN,
    N_ROUTE_OUT,
    N_GRE_OUT,
    N_POLICY_OUT,
    N_ESP_ADMIT,
    N_IPCOMP,
    N_ESP_BUILD,
    N_ESP_SEAL,
    N_ESP_FINISH,
    N_AH_BUILD,
    N_AH_SEAL,
    N_AH_FINISH,
    N_IP_OUT,
    N_PORT_TX,
    N_DROP,
    N_NUM,
    N_DONE = 254, /* nothing left to do: the graph takes the buffer back, after the whole vector */
    N_GONE = 255, /* somebody keeps the packet (held) */
};

/* ---- packet ---------------------------------------------------------------------------------- */

/* One packet and its buffer. The first cache line is what every node looks at; the second is for
 * the odd ones. */
struct pkt {
    u8 *data;           /* first byte of the outermost header now on it */
    struct sa *sa;      /* borrowed; the SA that protects or protected it, NULL in clear */
    struct flow *flow;  /* borrowed; the flow it belongs to, or NULL */
    struct tunnel *tun; /* borrowed; the tunnel it goes through or came from, or NULL */
    u16 len;            /* bytes from data on */
    u8 next;            /* THE verdict: enum node_id */
    u8 in_port, out_port;
    bool outbound;
    bool icv_ok;
    bool gre_seq : 1; /* GRE in: seq holds its sequence number */
    bool bundled : 1; /* in: it came by an SA of a bundle, `via`, and is not through yet */
    u32 seq;
    u16 esp_at;       /* offset of the ESP or AH header from data */
    u16 crypt_len;    /* ESP: bytes between IV and ICV; AH: bytes of the header */
    u16 mtu;          /* outbound: what the way can carry, 0 = do not look */
    struct ip_view v; /* what ip_decode said of the header at data */
    struct pkt *link; /* free list, hold queue */
    u8 *outer;        /* GRE in: the delivery header, still in the buffer */
    const char *why;  /* dropped: borrowed constant text, or NULL */
    u64 since_ms;     /* held since */
    u32 spi;
    u32 seq_hi;           /* by an SA with esn: what stands above seq */
    u16 bad_from, bad_to; /* dropped: the bytes that were wrong, counted from data */
    u8 drop;              /* enum dp_drop, when next is N_DROP */
    u8 on_link;           /* came from a TUN of this map link, 0: it did not */
    bool pass;            /* the link's map lets it pass in clear */
    bool again;           /* in: no SA has this SPI; looked for once more */
    u16 udp_port;         /* ESP in: it came in UDP from that port, 0: it did not */
    u8 text_proto;        /* out, by an SA with compression in tunnel mode: what the text is */
    struct sa *via;       /* borrowed; bundled: the SA it came by */
    _Alignas(64) u8 room[HEADROOM + PKT_MAX + TAILROOM];
};
_Static_assert(offsetof(struct pkt, link) == 64, "what every node looks at is one cache line");
_Static_assert(offsetof(struct pkt, room) == 128, "packet metadata is two cache lines");
_Static_assert(sizeof(struct pkt) % 128 == 64, "buffers must not all start in the same cache sets");

struct vec {
    struct pkt **p;
    unsigned n;
};

/* ---- security association -------------------------------------------------------------------- */

/* The part touched per packet: two cache lines. */
struct sa_hot {
    u32 spi;
    u32 seq; /* out: last sent; in: highest received */
    u8 iv_len, icv_len;
    u8 align;               /* ESP: the text is padded to a multiple of this; AH: bytes of the header */
    u8 encap_len;           /* tunnel mode out: length of the outer header, else 0 */
    u8 mode, family;        /* enum dp_mode; outer family */
    bool counts : 1, dead : 1; /* the IV is a counter; dead: hard lifetime over, carries nothing any more */
    bool udp : 1;           /* in UDP (udp.c) */
    bool waits : 1;         /* out: the far end may not have installed it yet */
    bool aside : 1;         /* out: carries what another of its bundle made, or lacks the one that has to carry it */
    bool linked : 1;        /* val.with_proto is set */
    bool esn : 1;           /* sequence numbers have 64 bits, of which 32 travel */
    bool sel_any : 1, sel_fast : 1; /* in: selector covers all; selector is IPv4 without ports */
    bool comp : 1;          /* val.comp is set */
    u16 plain_mtu;          /* out: largest packet that fits path_mtu when protected */
    u16 window;             /* in: replay window, 0 = off */
    u16 ring_mask;          /* in: words of the bitmap ring - 1 */
    u8 inside, proto;       /* val.inside; 50, 51 */
    u64 packets, bytes;
    u64 limit_bytes;   /* the next volume threshold, UINT64_MAX: none */
    u64 iv_base;       /* counts: IV = iv_base + seq */
    u64 *ring;         /* in: replay bitmap, in the cold part */
    struct flow *flow; /* borrowed from dp->flows */
    union {
        struct {
            u32 sum;     /* checksum of tmpl without length, id, TOS and DF */
            u8 tmpl[48]; /* outer IPv4 or IPv6 header; the last eight bytes: UDP's */
        };
        struct {
            u32 src_net, src_mask, dst_net, dst_mask;
            u8 dst[16]; /* in: our outer address */
            u8 sel_proto;
        };
    };
    u32 seq_hi; /* esn: what stands above seq */
};
_Static_assert(sizeof(struct sa_hot) == 128, "hot part is two cache lines");

struct sa {
    _Alignas(64) struct sa_hot h;
    struct bulk_key key;  /* expanded; wiped when the SA goes */
    struct sa *next_hash; /* same direction and bucket */
    struct sa *next_flow; /* same flow and direction, newest first */
    struct sa *next_free;
    struct sa *with, *inner; /* borrowed, NULL: none, or not there: val.with_spi, and who has it there */
    bool used, soft_told;
    u8 comp_failed, comp_skip; /* out: how many in a row did not shrink (at most 5); how many are not tried because of it */
    u32 seen_seq; /* in: highest number received a second ago */
    u64 heard_ms; /* in: when DP_HEARD was said last */
    u64 moved_ms; /* in: when DP_MOVED was said last, 0: not yet */
    u64 since_ms;
    u64 gone_ms; /* in: nobody's any more, and goes then; 0: it has an owner */
    u64 drops[DROP_NUM];
    struct dp_sa_value val; /* with its keys until sa_del(): an SA told again is known by them */
    u64 ring[REPLAY_WORDS];
};
_Static_assert(offsetof(struct sa, key) == 128, "keys begin behind the hot part");

/* ---- flow, tunnel, policy, port -------------------------------------------------------------- */

struct flow {
    u32 id;          /* 0: slot is free */
    bool configured; /* the operator's line exists in this generation */
    struct dp_flow_value val;
    struct sa *out, *in;               /* newest first; borrowed from dp->sas */
    struct addr met;                   /* the far end of the SA that came last, AF_NONE: none yet */
    struct tunnel *tun;                /* the tunnel it protects, or the first of them (next_shared), or NULL */
    struct pkt *held_head, *held_tail; /* owned: packets that wait for an SA */
    u32 held;
    u64 asked_ms;    /* last ACQUIRE, 0: never */
    u16 learned_mtu; /* path MTU the network told, 0: none */
    u64 learned_ms;
    u16 ip_id; /* next IPv4 identification of tunnel-mode packets */
    u64 encaps, decaps, send_errors, recv_errors, drops_in, drops_out;
    struct dp_comp comp;
    u64 seen_out;       /* encaps a second ago */
    u64 seen_used, used_ms; /* encaps and decaps a second ago, and when that number changed last, or there was no SA */
    struct addr toward; /* the far end that packets go out to */
    u64 alone_ms;       /* since when they do and none comes back from there, 0: answered */
    bool silent;        /* DP_SILENT was said, and nothing has come in from there since */
};

struct rate {
    u64 bytes, packets; /* at the last sample */
    double bps, pps;
};
struct tunnel {
    bool used;
    struct dp_tunnel_value val;
    struct flow *flow; /* or NULL */
    struct tunnel *next_shared; /* borrowed: another one that goes by the same flow (tunnel protection ... shared), or NULL */
    u8 encap_len;      /* outer header and GRE */
    u8 proto;          /* outer protocol: 47, 4, 41; 0 for VTI */
    u16 gre_flags;
    bool down;       /* no source or destination, or nothing protects `tunnel mode ipsec` */
    u16 eff_mtu;     /* largest inner packet that fits everything below */
    u16 learned_mtu; /* path MTU the network told about a tunnel in clear, 0: none */
    u64 learned_ms;
    u16 ip_id;
    u32 tx_seq, rx_seq; /* GRE */
    bool rx_seq_seen;
    u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rx_errors, tx_errors;
    u64 rx_ms, tx_ms; /* last packet, 0: never */
    struct rate rx_rate, tx_rate;
};

/* What comparing a selector with packets needs (selector.c). */
struct ready_selector {
    bool fast, ported;                        /* IPv4 without ports; ports matter */
    u32 src_net, src_mask, dst_net, dst_mask; /* IPv4, host order; else 0 */
};
struct policy {
    struct dp_policy_value val;
    struct flow *flow; /* ACT_PROTECT */
    struct ready_selector ready; /* of val.sel */
};

struct worker;
struct port;
/* How a port's packets come and go. */
struct port_ops {
    const char *name;
    /* rx: up to max packets into p (buffers from the pool); how many. */
    unsigned (*rx)(struct worker *w, struct port *port, struct pkt **p, unsigned max);
    /* tx: sends and frees all; what cannot be sent is dropped (TX_ERROR). */
    void (*tx)(struct worker *w, struct port *port, struct pkt **p, unsigned n);
};
/* Memory behind a port (fake.c). */
struct fake {
    void *ctx; /* borrowed */
    /* rx: fills data (cap bytes) and *len; false when there is nothing. */
    bool (*rx)(void *ctx, u8 *data, size_t cap, u16 *len);
    void (*tx)(void *ctx, const u8 *data, u16 len);
};
struct port {
    bool used;
    struct dp_port_value val;
    int fd; /* owned; -1: memory */
    const struct port_ops *ops;
    struct fake fake;
    struct tunnel *tun; /* PORT_TUN_TUNNEL */
    bool lost;          /* the device behind it was deleted: not read until main gives another */
    u64 rx_packets, tx_packets, tx_errors;
};

/* A generation of configuration; two exist, the live one and the one being filled. */
struct config {
    struct dp_tunnel_value tunnel[DP_MAX_TUNNELS];
    struct dp_flow_value flow[MAX_FLOWS];
    struct policy policy[MAX_POLICIES]; /* sorted by link and order at commit */
    struct {
        unsigned first, num;
    } of_link[DP_MAX_LINKS + 1]; /* where a link's lines stand in policy[] */
    struct dp_rpf_value rpf[MAX_RPF];
    struct dp_sa_value sa[DP_MAX_MANUAL]; /* wiped when it has been decided on */
    unsigned num_tunnels, num_flows, num_policies, num_rpf, num_sas;
    u64 number;    /* main's name for it */
    bool overflow; /* something did not fit or was wrong: it will not be committed */
};

/* ---- worker and dp --------------------------------------------------------------------------- */

struct queue {
    unsigned n;
    struct pkt
        *p[2 * POOL]; /* every buffer, and every buffer a fragment took its place with, fits */
};
/* One datagram being put together (join.c). */
struct join_key { /* without holes: compared as bytes */
    u32 id, flow;
    struct addr src, dst;
    u8 proto, zero;
};
_Static_assert(sizeof(struct join_key) == 10 + 2 * sizeof(struct addr), "no holes in the key");
struct join {
    struct pkt *whole; /* owned; NULL: free */
    struct join_key key;
    u64 since_ms;
    unsigned end, total;                    /* highest byte seen; length, 0 until the last came */
    unsigned units;                         /* of 8 bytes that are there */
    u64 have[(JOIN_MAX + 8 * 64) / 8 / 64]; /* which */
};

/* What was decided about the first fragment of a datagram holds for the others (policy.c). */
struct cut_key { /* without holes: compared as bytes */
    u32 id;
    u8 link, inbound, proto, zero;
    struct addr src, dst;
    u8 zero2[2];
};
_Static_assert(sizeof(struct cut_key) == 10 + 2 * sizeof(struct addr), "no holes in the key");
struct cut {
    struct cut_key key;
    u64 since_ms; /* 0: free */
    u32 flow;     /* that protects it, 0: it passes in clear */
};

struct node_stat {
    u64 packets, vectors, cycles;
};
struct drop_log {
    u64 last_ms; /* 0: never reported */
    u64 suppressed;
};
struct worker {
    struct dp *dp;       /* borrowed */
    struct bulk *bulk;   /* owned */
    struct ipcomp *comp; /* owned */
    struct bulk_rng rng; /* CBC IVs */
    struct evlog *log;   /* borrowed */
    u64 now_ms;          /* read once a turn */
    struct pkt *free_head;
    unsigned num_free, num_held, num_joining;
    struct pkt *again[VEC]; /* owned: looked for once more in the next turn (esp_in_find) */
    unsigned num_again;
    bool profile; /* bench: count cycles per node */
    u64 drops[DROP_NUM];
    struct drop_log drop_log[DROP_NUM];
    struct bulk_op op[VEC];
    u8 head[VEC][AH_HEAD_MAX]; /* AH: the headers as they travel, while what may change in them is zero */
    u8 icv[VEC][BULK_ICV_MAX];
    struct node_stat stat[N_NUM];
    struct queue q[N_NUM];
    struct join join[MAX_JOINS];
    struct cut cut[MAX_CUTS];
};

/* A far end of a flow (far_end.c). */
struct far_end {
    struct addr a;      /* AF_NONE: the place is free */
    u64 unknown_spi_ms; /* when IKE was told of an unknown SPI of its, 0: never */
};

/* The ports of a link with a crypto map; -1: none. */
struct map_link {
    int crypto, clear;
    int pass[2]; /* IPv4, IPv6 */
};

struct dp {
    u32 silence_s, heard_s; /* DP_SET_SILENCE, DP_SET_HEARD */
    struct dp_env env;
    struct worker w;
    struct pkt *bufs; /* owned: POOL buffers */
    struct sa *sas;   /* owned: MAX_SAS */
    struct sa *sa_free;
    struct sa *bucket[2][SA_BUCKETS]; /* inbound, outbound SAs by SPI */
    struct flow flow[MAX_FLOWS];
    struct far_end far[FAR_ENDS]; /* by keyed hash of the address */
    unsigned num_far;
    u8 far_seed[16];
    struct tunnel tunnel[DP_MAX_TUNNELS];
    struct port port[DP_MAX_PORTS];
    struct map_link link[DP_MAX_LINKS + 1];
    int seal_port[2], open_port[2]; /* senders for IPv4, IPv6; -1: none */
    struct config cfg[2];
    unsigned live;  /* cfg[live] is in force */
    bool committed; /* a first generation is in force: ports may be read */
    bool keylog;
    u64 last_second_ms, last_rate_ms;
};

/* What the way to the tunnel's destination carries, configured or learned; 0: not known. */
static inline u16 tunnel_path_mtu(const struct tunnel *t)
{
    bool less = t->learned_mtu && (!t->val.path_mtu || t->learned_mtu < t->val.path_mtu);
    return less ? t->learned_mtu : t->val.path_mtu;
}

static inline const struct config *cfg_live(const struct dp *dp)
{
    return &dp->cfg[dp->live];
}

/* ---- graph.c --------------------------------------------------------------------------------- */
/* graph_run: takes everything in the queues to its end. */
void graph_run(struct worker *w);
const char *graph_node_name(enum node_id id);

/* ---- udp.c: ESP in UDP ------------------------------------------------------------------------ */
enum { UDP_HDR = 8, UDP_TMPL = 40 /* where its header stands in sa_hot.tmpl */ };
void udp_in(struct pkt *p); /* takes the header off; sets the verdict */
void udp_header(const struct sa_hot *h, u8 *udp, u16 esp_len);
void udp_sum(struct pkt *p);  /* IPv6: the checksum, when all is sealed */
void udp_mend(struct pkt *p); /* transport mode: the checksum inside */
/* udp_is_there: the packet comes from where the SA's far end is; udp_moved: it does not: ike is told. */
bool udp_is_there(const struct sa *sa, const struct pkt *p);
void udp_moved(struct dp *dp, struct sa *sa, const struct pkt *p);
void udp_move(struct dp *dp, const struct dp_moved_value *m); /* DP_MOVE_SA */

/* ---- pkt.c ----------------------------------------------------------------------------------- */
void pkt_pool_init(struct worker *w, struct pkt *bufs);
/* graph_put: hands a packet a node made itself (a fragment, an ICMP) to a later node. */
void graph_put(struct worker *w, enum node_id id, struct pkt *p);
/* pkt_get: an empty buffer, data at room + HEADROOM; NULL when all are in use. */
static inline struct pkt *pkt_get(struct worker *w)
{
    struct pkt *p = w->free_head;
    if (LIKELY(p)) {
        w->free_head = p->link;
        w->num_free--;
        memset(p, 0, offsetof(struct pkt, room));
        p->data = p->room + HEADROOM;
    }
    return p;
}
static inline void pkt_put(struct worker *w, struct pkt *p)
{
    p->link = w->free_head;
    w->free_head = p;
    w->num_free++;
}
/* pkt_copy: a new packet with the same owner marks and the len bytes at src; NULL without buffer.
 */
struct pkt *pkt_copy(struct worker *w, const struct pkt *like, const u8 *src, u16 len);
/* pkt_drop: the verdict "drop" with its reason; why is constant text or NULL; bytes from..to were
 * wrong. */
static inline void pkt_drop(struct pkt *p, enum dp_drop reason, const char *why, unsigned from,
                            unsigned to)
{
    p->next = N_DROP;
    p->drop = (u8)reason;
    p->why = why;
    p->bad_from = (u16)from;
    p->bad_to = (u16)to;
}

/* ---- nodes: graph.c has their order ---------------------------------------------------------- */
void ip_in(struct worker *w, struct vec *v);
void ah_in_find(struct worker *w, struct vec *v);
void ah_in_open(struct worker *w, struct vec *v);
void ah_in_commit(struct worker *w, struct vec *v);
void esp_in_find(struct worker *w, struct vec *v);
void esp_in_precheck(struct worker *w, struct vec *v);
void esp_in_open(struct worker *w, struct vec *v);
void esp_in_commit(struct worker *w, struct vec *v);
void gre_in(struct worker *w, struct vec *v);
void clear_in(struct worker *w, struct vec *v);
void policy_in(struct worker *w, struct vec *v);
void route_in(struct worker *w, struct vec *v);
void route_out(struct worker *w, struct vec *v);
void gre_out(struct worker *w, struct vec *v);
void policy_out(struct worker *w, struct vec *v);
void esp_out_admit(struct worker *w, struct vec *v);
void ipcomp_out(struct worker *w, struct vec *v);
void esp_out_build(struct worker *w, struct vec *v);
void esp_out_seal(struct worker *w, struct vec *v);
void esp_out_finish(struct worker *w, struct vec *v);
void ah_out_build(struct worker *w, struct vec *v);
void ah_out_seal(struct worker *w, struct vec *v);
void ah_out_finish(struct worker *w, struct vec *v);
void ip_out(struct worker *w, struct vec *v);
void port_tx(struct worker *w, struct vec *v);
void drop_out(struct worker *w, struct vec *v);

/* ---- sa.c: SAs and flows --------------------------------------------------------------------- */
struct flow *flow_get(struct dp *dp, u32 id);   /* NULL when there is none */
struct flow *flow_make(struct dp *dp, u32 id);  /* finds or makes; NULL when the table is full */
u16 flow_path_mtu(const struct flow *f);        /* configured or learned */
void flow_remtu(struct flow *f); /* path MTU changed: SAs and tunnel follow */
/* flow_sa_out: the SA that carries outbound packets now, of a bundle the first: the newest that is neither dead nor waits;
 * else the newest that is not dead. NULL: none. */
static inline struct sa *flow_sa_out(const struct flow *f)
{
    struct sa *sa = f->out, *waiting = NULL;
    while (UNLIKELY(sa && (sa->h.dead || sa->h.waits || sa->h.aside))) {
        waiting = waiting || sa->h.dead || sa->h.aside ? waiting : sa;
        sa = sa->next_flow;
    }
    return sa ? sa : waiting;
}
struct sa *sa_add(struct dp *dp, const struct dp_sa_value *val); /* NULL: refused */
/* sa_lookup: flow 0: of any. Behind one NAT address are several far ends, each with SPIs of its own choice: outbound, the flow
 * tells whose it is. */
struct sa *sa_lookup(struct dp *dp, u32 spi, u8 proto, u8 dir, const struct addr *dst, u32 flow);
void sa_redirect(struct sa *out, const struct endpoint *to); /* in UDP: it goes there from now on */
void sa_del(struct dp *dp, struct sa *sa);
void sa_del_flow(struct dp *dp, struct flow *f); /* all SAs of a flow that went away; IKE is told */
/* sa_limit: a volume threshold was crossed: tells IKE; false when the SA may not carry this packet.
 */
bool sa_limit(struct dp *dp, struct sa *sa);
void sa_expire(struct dp *dp, struct sa *sa, bool hard);
/* sa_inbound: the inbound SA a packet of that protocol and SPI is for; NULL: none. last: the one of the packet before it, NULL:
 * unknown. look_again: it is kept for the next turn, when all that ike said before the packet was sent has been read. */
struct sa *sa_inbound(const struct dp *dp, const struct pkt *p, u32 spi, u8 proto, struct sa *last);
bool look_again(struct worker *w, struct pkt *p);
/* sa_confirm: the first packet came in on it: the outbound half of its pair need not wait. */
void sa_confirm(const struct sa *in);
void sa_tick(struct dp *dp);
void flow_tick(struct dp *dp); /* once a second: flows nobody answers */
static inline unsigned sa_hash(u32 spi)
{
    return spi * 2654435761u >> 19;
}
static inline struct sa *sa_bucket(const struct dp *dp, u32 spi)
{
    return dp->bucket[SA_IN][sa_hash(spi)];
}
_Static_assert(SA_BUCKETS == 1 << 13, "sa_hash takes the upper 13 bits");

/* ---- manual.c: SAs with manual keys ------------------------------------------------------------ */
/* manual_stage: one more of a generation being filled; false: it cannot be. manual_forget: the keys of a generation that has
 * been decided on, or is begun anew. */
NODISCARD bool manual_stage(struct config *c, const struct dp_sa_value *v);
void manual_forget(struct config *c);
/* manual_take: of a generation whose flows are in force: SAs that are in it already go on, with their sequence numbers;
 * others of manual flows go. Returns why one was not taken; NULL: all were. */
const char *manual_take(struct dp *dp, const struct config *c);
/* manual_holds: an SA of a manual flow has this place (sa_lookup): nobody else's to say anything of. */
bool manual_holds(struct dp *dp, u32 spi, u8 proto, u8 dir, const struct addr *dst, u32 flow);
static inline bool is_manual(const struct flow *f)
{
    return f && f->val.manual;
}

/* ---- far_end.c: the far ends of flows -------------------------------------------------------- */
struct far_end *far_end_find(struct dp *dp, const struct addr *a); /* NULL: no flow's */
/* far_end_met: an SA of the flow is with it. */
void far_end_met(struct dp *dp, struct flow *f, const struct addr *a);
/* far_end_settle: what flows there are, or their lines, have changed. */
void far_end_settle(struct dp *dp);

/* ---- replay.c: RFC 4303 3.4.3, RFC 6479 ------------------------------------------------------ */
/* replay_high: what stands above the 32 bits of a number that travelled (RFC 4303 appendix A2.2); 0 without esn. */
u32 replay_high(const struct sa_hot *h, u32 seq);
/* replay_check: would this number be accepted? Changes nothing. */
NODISCARD bool replay_check(const struct sa_hot *h, u64 seq);
/* replay_commit: the ICV was right: checks again and marks it. */
NODISCARD bool replay_commit(struct sa_hot *h, u64 seq);
static inline u64 pkt_seq(const struct pkt *p)
{
    return (u64)p->seq_hi << 32 | p->seq;
}
static inline u64 sa_seq(const struct sa_hot *h)
{
    return (u64)h->seq_hi << 32 | h->seq;
}
/* replay_bits: the window below and including the highest number, bit 0 = highest. */
u64 replay_bits(const struct sa_hot *h);

/* ah_esn: RFC 4302 3.3.3: the high half of an extended sequence number is covered behind the packet; how many bytes. */
static inline unsigned ah_esn(const struct pkt *p, u8 *behind)
{
    put32(behind, p->seq_hi);
    return p->sa->h.esn ? 4 : 0;
}

/* ---- ipcomp.c: compression (RFC 3173) ---------------------------------------------------------- */
struct ipcomp *ipcomp_new(void); /* what a worker needs, all of it */
void ipcomp_free(struct ipcomp *c);
/* ipcomp_in: what p->sa, an SA with compression, opened: len bytes at `at`. When it is IPComp it is expanded in place, and len
 * and next_header are those of what was inside. False: the verdict is set. */
NODISCARD bool ipcomp_in(struct worker *w, struct pkt *p, unsigned at, unsigned *len, u8 *next_header);

/* ---- hold.c: packets that wait for an SA ----------------------------------------------------- */
void hold_add(struct worker *w, struct flow *f, struct pkt *p);
void hold_flush(struct worker *w, struct flow *f); /* an SA came: back into the graph, in order */
void hold_tick(struct worker *w, struct flow *f);
void hold_drop(struct worker *w, struct flow *f, enum dp_drop reason);

/* ---- join.c: fragments of delivery packets from inside an SA -------------------------------- */
/* join_fragment: takes p, a fragment that came out of an SA. Returns the whole datagram when p
 * completed it (p is spent then, too), else NULL; p's verdict is set either way. */
struct pkt *join_fragment(struct worker *w, struct pkt *p);
void join_tick(struct worker *w);

/* ---- mtu.c: too big, fragmentation ----------------------------------------------------------- */
void mtu_tunnel(struct tunnel *t); /* recomputes t->eff_mtu */
/* mtu_fit: p is longer than mtu. Sends the ICMP and drops it, or fragments it and hands the pieces
 * to node `to`. The verdict is set on p (N_DROP or N_DONE), or false is returned: let it pass and
 * fragment the outer packet. */
bool mtu_fit(struct worker *w, struct pkt *p, u16 mtu, bool ignore_df, enum node_id to);
/* mtu_fragment: cuts the IPv4 or IPv6 packet p into fragments of at most mtu bytes for node `to`;
 * consumes p. */
void mtu_fragment(struct worker *w, struct pkt *p, u16 mtu, enum node_id to);

/* ---- pmtu.c: what the network tells ------------------------------------------------------------ */
/* pmtu_too_long: the kernel said EMSGSIZE about p, for its link carries mtu bytes: lowers what we believe of the way. */
void pmtu_too_long(struct worker *w, struct pkt *p, u16 mtu);
/* pmtu_told: fragmentation needed (or packet too big) came about an outer packet of ours to dst;
 * quote: what it quoted from the ESP or GRE header on. Unknown SPIs and tunnels without path MTU
 * discovery believe nothing. */
void pmtu_told(struct worker *w, u8 proto, const struct addr *dst, const u8 *quote, size_t len,
              u16 mtu);

/* ---- selector.c ------------------------------------------------------------------------------ */
void selector_compile(struct ready_selector *out, const struct selector *s);

/* ---- policy.c -------------------------------------------------------------------------------- */
enum policy_verdict {
    POLICY_NONE,    /* no line of the link selects it, even with the ports left out */
    POLICY_PASS,    /* a line selects it but for its ports, or denies it: it travels in clear */
    POLICY_PROTECT, /* *out_flow protects it */
};
/* policy_find: what the map of a link says about a packet (about its mirror when inbound). Later
 * fragments follow their first one where that is known; where it is not they are protected. */
enum policy_verdict policy_find(struct worker *w, u8 link, const u8 *ip, const struct ip_view *v,
                                bool inbound, struct flow **out_flow);
/* policy_settle: sorts a generation's lines and finds each link's. */
void policy_settle(struct config *c);
/* is_housekeeping (route.c): the host's own multicast reports and router solicitations. */
bool is_housekeeping(const struct pkt *p);

/* drop_log_flush (drop.c): tells how many drops of a reason went untold. */
void drop_log_flush(struct worker *w, enum dp_drop reason);

/* ---- trace.c: debug ip packet ---------------------------------------------------------------- */
void trace_gre_out(struct worker *w, const struct pkt *p);
void trace_esp_out(struct worker *w, const struct pkt *p);
void trace_esp_in(struct worker *w, const struct pkt *p);

/* ---- ports ----------------------------------------------------------------------------------- */
extern const struct port_ops port_tun, port_raw, port_raw6, port_udp, port_send, port_fake;
const struct port_ops *port_ops_of(const struct dp_port_value *val, int fd);
/* port_bind: which port serves what, found once after ports or tunnels have changed. */
void port_bind(struct dp *dp);
/* fake_attach: gives a memory port its two ends. */
void fake_attach(struct dp *dp, u32 port, struct fake f);

/* ---- show.c, tell.c --------------------------------------------------------------------------- */
void dp_show_answer(struct dp *dp, enum dp_origin to, const struct dp_msg *question);
void show_sample(struct dp *dp); /* every five seconds: tunnel rates */
/* dp_tell: false: it is lost. */
bool dp_tell(struct dp *dp, enum dp_origin to, u32 type, struct dp_msg *m);

#endif
