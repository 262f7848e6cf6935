/*
 * dp: the data plane, as its neighbours see it: fixed-size values in, fixed-size values out (the PF_KEY idea,
 * RFC 2367), so another back end can stand behind the same values. graph.c is THE MAP; start there.
 *
 *   main -> dp   what exists: ports, tunnels, policies, SAs with manual keys (a generation: BEGIN ... COMMIT), questions,
 *                debug mask
 *   ike  -> dp   ADD_SA, DEL_SA, MOVE_SA, and GET_SAS after a restart
 *   dp  -> ike   ACQUIRE, EXPIRE, UNKNOWN_SPI, SA_REFUSED, MOVED, SILENT, HEARD
 *   dp  -> main  snapshots (SA, flow, tunnel, drop), events
 *
 * A FLOW is what one pair of SAs protects: a protected tunnel, or one permit line of a crypto map's access list.
 * Its id is given by main, is the same in ike and dp, and lives as long as the operator's line does.
 */
#ifndef ADIT_DP_H
#define ADIT_DP_H

#include "base/base.h"
#include "crypto/crypto.h"
#include "event/event.h"

/* ---- why a packet was dropped: name, counter, sentence (law 4) ------------------------------- */
/* DP_DROP(ID, "short name", "sentence for the operator") */
#define DP_DROPS(DP_DROP)                                                                          \
    DP_DROP(NONE, "none", "The packet was not dropped.")                                           \
    DP_DROP(MALFORMED_IP, "malformed IP header",                                                   \
            "The IP header is short, has a wrong version or a wrong length.")                      \
    DP_DROP(NOT_FOR_US, "no tunnel or policy for it",                                              \
            "No tunnel has these endpoints and no policy selects it.")                             \
    DP_DROP(TUNNEL_DOWN, "tunnel has no destination",                                              \
            "The tunnel lacks a source or a destination.")                                         \
    DP_DROP(NO_SA, "no SA, queue full",                                                            \
            "No SA exists yet, IKE was asked, and the hold queue of the flow is full.")            \
    DP_DROP(HELD_TIMEOUT, "no SA came in time",                                                    \
            "The packet waited for an SA and IKE did not bring one in time.")                      \
    DP_DROP(MANUAL_KEYS, "manual keys are missing or spent",                                       \
            "The crypto map entry is ipsec-manual and has no SA that carries outbound packets: a "  \
            "`set session-key` is missing or does not fit, or its numbers are used up; IKE is not " \
            "asked.")                                                                              \
    DP_DROP(NOBODY, "covered, and nobody to send it to",                                           \
            "A crypto map covers it and no peer stands behind the line: an entry lacks its peer or "  \
            "its list, somebody is typing, or no client has the address; IKE is not asked.")         \
    DP_DROP(TOO_BIG, "too big and DF set",                                                         \
            "It does not fit the path after protection; the sender was told the MTU.")             \
    DP_DROP(SEQ_EXHAUSTED, "sequence numbers used up",                                             \
            "The SA has sent 2^32-1 packets and was not replaced; manual keys have to be changed "  \
            "on both sides.")                                                                      \
    DP_DROP(LIFE_EXPIRED, "SA lifetime over", "The SA's hard lifetime has passed.")                \
    DP_DROP(UNKNOWN_SPI, "unknown SPI", "No inbound SA has this SPI, address and protocol.")       \
    DP_DROP(MALFORMED_ESP, "malformed ESP",                                                        \
            "The ESP packet is shorter than its header, IV, padding and ICV.")                     \
    DP_DROP(REPLAY, "replay", "The sequence number was seen before or lies left of the window.")   \
    DP_DROP(BAD_ICV, "ICV wrong",                                                                  \
            "The integrity check failed: forged, damaged, or the keys differ.")                    \
    DP_DROP(MALFORMED_AH, "malformed AH",                                                          \
            "The AH header is cut short, its ICV is not as long as the SA's, or the headers in "   \
            "front of it cannot be authenticated.")                                                \
    DP_DROP(BUNDLE, "not the whole SA bundle",                                                     \
            "The packet came in by some of the SAs that were negotiated together, not by all.")    \
    DP_DROP(BAD_PADDING, "ESP padding wrong", "The decrypted padding is not 1, 2, 3, ...")         \
    DP_DROP(BAD_NEXT_HEADER, "next header wrong",                                                  \
            "The protected protocol does not fit the SA's mode.")                                  \
    DP_DROP(IPCOMP, "IPComp wrong",                                                                \
            "The IPComp header is cut short or has another CPI than was negotiated, or what follows " \
            "it is not the compression of one packet.")                                              \
    DP_DROP(BAD_IDENTITY, "outside the proxy identity",                                            \
            "The inner packet is not covered by what the SA negotiated.")                          \
    DP_DROP(CLEAR_PROTECTED, "clear text that must be protected",                                  \
            "A policy protects this traffic; it came in clear.")                                   \
    DP_DROP(MALFORMED_GRE, "malformed GRE",                                                        \
            "The GRE header is short, has a version other than 0 or unknown flags.")               \
    DP_DROP(GRE_CHECKSUM, "GRE checksum wrong", "The GRE checksum does not match.")                \
    DP_DROP(GRE_KEY, "GRE key differs", "The GRE key is not the one configured on the tunnel.")    \
    DP_DROP(GRE_SEQUENCE, "GRE sequence old", "The GRE sequence number was already passed.")       \
    DP_DROP(GRE_PROTO, "GRE protocol unknown", "GRE carries neither IPv4 nor IPv6.")               \
    DP_DROP(RPF, "unicast RPF",                                                                    \
            "The inner source does not belong behind this tunnel (ip verify unicast).")            \
    DP_DROP(TTL, "TTL exceeded", "The packet's TTL or hop limit is used up.")                      \
    DP_DROP(TX_ERROR, "transmit failed",                                                           \
            "The kernel refused the packet (no route, link down or queue full).")                  \
    DP_DROP(NO_BUFFER, "no buffer", "All packet buffers are in use.")                              \
    DP_DROP(HOUSEKEEPING, "listener report, no SA",                                                \
            "The host's own multicast listener report or router solicitation does not bring a "    \
            "tunnel up.")                                                                          \
    DP_DROP(FRAGMENT, "fragment not reassembled",                                                  \
            "A fragment of a protected packet arrived and cannot be joined.")                       \
    DP_DROP(UNMATCHED, "led here, no line of the map knows it",                                    \
            "The link's classifier led it here for a crypto map, and no line of the map in force "  \
            "knows it: it is not let through.")                                                     \
    DP_DROP(ENCAPS, "UDP encapsulation differs",                                                   \
            "ESP came in UDP and its SA was negotiated without, or the other way round.")          \
    DP_DROP(ECN, "congestion mark on traffic that cannot carry it",                                \
            "The outer header says congestion experienced, the inner one is not ECN-capable "       \
            "(RFC 6040 4.2).")

enum dp_drop {
#define DP_DROP(ID, name, text) DROP_##ID,
    DP_DROPS(DP_DROP)
#undef DP_DROP
        DROP_NUM
};
const char *dp_drop_name(enum dp_drop d);
const char *dp_drop_text(enum dp_drop d);

/* ---- values -------------------------------------------------------------------------------- */

enum {
    DP_MAX_PORTS = 160,
    DP_MAX_TUNNELS = 64,
    DP_MAX_LINKS = 16, /* links with a crypto map */
    DP_MAX_FLOWS = 4096,
    DP_MAX_LINES = 4096,               /* lines of all maps, on every link they stand on */
    DP_MAX_POLICIES = 3 * DP_MAX_LINES, /* with those that only drop while lists are changed */
    DP_MAX_RPF = 4096,
    DP_MAX_SAS = 4096, /* of both directions */
    DP_MAX_MANUAL = 1024, /* of them, with manual keys */
    DP_NAME = 32,
    DP_HOLD = 64,
    DP_MARK = 0xad17 /* SO_MARK of what need not be looked at again: ESP, IKE, and what a map lets pass */
};

/* Where packets come in and go out. The descriptor travels with the value (SCM_RIGHTS); main has made it non-blocking
 * and set its options (IPv6 raw: IPV6_RECVPKTINFO, IPV6_RECVTCLASS; all raw: IP_RECVERR, IPV6_RECVERR), for dp may not. */
enum dp_port_kind {
    PORT_TUN_TUNNEL, /* TUN of `interface TunnelN`: a routed inner packet in, a decapsulated one out */
    PORT_TUN_CRYPTO, /* TUN of a map link: what would leave by it and a line may cover; decrypted goes out here */
    PORT_TUN_CLEAR, /* TUN of a map link: what came in by it in clear and a line may cover; denied goes back here */
    PORT_RAW, /* raw sockets: IPv4/IPv6 protocol `proto` in; proto 255: any whole IP packet out, marked DP_MARK */
    PORT_UDP,  /* UDP socket at port 4500: ESP in UDP in, of one family; what has IKE's marker does not come here */
    PORT_OPEN, /* raw socket: any whole IP packet out, unmarked: the classifier of the link it takes looks at it */
    PORT_PASS, /* raw socket bound to a map link, marked: what that link's map lets pass in clear */
    PORT_FAKE, /* tests and bench: memory */
};
struct dp_port_value {
    u32 id; /* 0..DP_MAX_PORTS-1, given by main */
    u8 kind;
    u8 family; /* PORT_RAW: AF_V4 or AF_V6 */
    u8 proto;  /* PORT_RAW: 50, 47, 41, 4; 255 = the sending socket (IPPROTO_RAW, IP_HDRINCL) */
    u8 link;   /* PORT_TUN_CRYPTO, PORT_TUN_CLEAR, PORT_PASS: the map link, 1..DP_MAX_LINKS; else 0 */
    u16 mtu;   /* TUN: its MTU */
    char name[DP_NAME];
};

enum dp_tunnel_mode {
    TUN_GRE_IP,
    TUN_GRE_IPV6,
    TUN_IPIP,
    TUN_IPV6IP,
    TUN_IPSEC_IPV4,
    TUN_IPSEC_IPV6
};
enum dp_tunnel_flags { TF_KEY = 1, TF_CHECKSUM = 2, TF_SEQUENCE = 4, TF_RPF = 8, TF_PMTUD = 16 };
struct dp_tunnel_value {
    u32 id;         /* the N of TunnelN */
    u32 port;       /* its PORT_TUN_TUNNEL */
    u32 flow;       /* the flow that protects it, 0: none */
    u8 mode;        /* enum dp_tunnel_mode */
    u8 flags;       /* enum dp_tunnel_flags */
    u8 link;        /* the map link that leads to dst as main knows it, 0: none. A hint: what is not
                       protected by it leaves unmarked, and the link it really takes decides */
    u8 ttl, tos;    /* outer; tos 0 = copy the inner one */
    bool tos_set;   /* `tunnel tos N` was written: use tos, do not copy */
    u16 mtu;        /* ip mtu: largest inner packet */
    u16 adjust_mss; /* 0: off */
    u16 path_mtu;   /* MTU of the way to dst, as main knows it (egress link) */
    u32 key;        /* GRE key, host order */
    struct addr src, dst;
    char name[DP_NAME];
};
/* A network that is routed through the tunnel: what TF_RPF accepts as inner source (RFC 4891 5.2). */
struct dp_rpf_value {
    u32 tunnel;
    struct prefix net;
};
enum dp_df { DF_COPY, DF_CLEAR, DF_SET };
/* An SPD entry. Entries are asked in the order of `order`; the first that covers the packet decides. */
/* SKIP is a deny line of a crypto map's access list: no further line of the same block decides
 * about the packet; the next block is asked. */
enum dp_action { ACT_PROTECT, ACT_BYPASS, ACT_SKIP };
struct dp_policy_value {
    u32 order;
    u32 flow;  /* ACT_PROTECT: which flow */
    u32 entry; /* block the line belongs to (src/conf/cover.c): what is in force of an entry of a
                  crypto map, or lines that only drop while lists are changed */
    u8 action;
    u8 link;             /* the map link whose line this is, 1..DP_MAX_LINKS */
    u16 path_mtu;        /* MTU of the egress link */
    struct selector sel; /* src = our side */
};
/* What a flow is; one per protected tunnel and per permit line. */
struct dp_flow_value {
    u32 flow;
    u8 df;           /* enum dp_df */
    bool frag_after; /* crypto ipsec fragmentation after-encryption */
    u8 link;         /* the map link it belongs to: decrypted packets go there; 0: a tunnel's */
    bool manual;     /* ipsec-manual: its SAs come with the generation and go with it; IKE has no say in it and is not
                        asked */
    u16 path_mtu;    /* towards the peer */
    u32 idle_s;      /* IKE hears when nothing has gone by its SAs for so long, 0: it does not */
    struct addr local, peer;
    char name[DP_NAME]; /* crypto map tag: "Tunnel0-head-0" */
};

enum dp_dir { SA_IN, SA_OUT };
enum dp_mode {
    MODE_TUNNEL = 1,
    MODE_TRANSPORT = 2
}; /* numbers of the Encapsulation-Mode attribute */
struct dp_sa_value {
    u32 flow, spi;        /* host order */
    u32 conn_id;          /* 2001, 2002, ... for the console */
    u8 dir, proto;        /* proto: 50, 51 */
    u8 mode;              /* enum dp_mode */
    u8 encr, auth;        /* enum encr_id, enum hash_id */
    u16 replay_window;    /* packets, 0 = off */
    bool esn;             /* extended sequence numbers (RFC 4303 2.2.1, RFC 4302 2.5.1); needs an ICV */
    u8 comp;              /* enum comp_id: what it carries is compressed (RFC 3173); of the innermost SA of a bundle only */
    u16 cpi;              /* with comp: the CPI in this direction */
    struct addr src, dst; /* outer endpoints in the direction of travel */
    struct selector sel; /* what it may carry: src = the sender's side in the direction of travel */
    struct endpoint encap_src, encap_dst; /* UDP encapsulation (RFC 3948), port 0 = none */
    /* an SA bundle (RFC 4301 appendix E): out: the SA that is applied to what this one made; in: the SA by which a packet
     * must have come before it is this one's. with_proto 0: none */
    u32 with_spi;
    u8 with_proto;
    u8 inside; /* the protocol of the SA whose `with` is this one, 0: none. Such an SA carries what that one made, or gives it
                  what it opened; it has no selector of its own and no limit of volume */
    u64 soft_kb, hard_kb;                 /* volume, 0 = no limit */
    u32 hard_s;                           /* seconds after installation, 0 = no limit */
    /* outbound: while another of the flow can carry, that one does, until a packet came in on the SA
     * confirm_spi of the same flow, which shows that the far end has installed the pair; not longer
     * than confirm_ms. 0: at once */
    u32 confirm_spi, confirm_ms;
    struct secret encr_key;               /* ESP: key, then salt */
    struct secret auth_key;
};

struct dp_acquire_value {
    u32 flow;
    struct selector packet; /* the packet that asked, as a host selector */
};
struct dp_del_value {
    u32 spi, flow; /* flow 0: of any */
    u8 proto, dir;
    u16 linger_ms; /* in: what is under way is taken in that long (about: a second is dp's clock); 0: gone at once */
    struct addr dst;
};
struct dp_expire_value {
    u32 flow, spi;
    u8 dir;
    bool hard;
    struct addr dst;
};
struct dp_unknown_spi_value {
    u32 spi;
    u8 proto;
    struct addr src, dst;
};

/* MOVED: what an inbound SA opened came from there. MOVE_SA: an outbound one sends there from now on. In UDP only. */
struct dp_moved_value {
    u32 flow, spi;
    struct addr dst;    /* the SA's, before it moves */
    struct endpoint to; /* the far end */
};

/* By which SA of a flow: a flow may have SAs with more than one peer. */
struct dp_life_value {
    u32 flow, spi;
    struct addr dst; /* the SA's */
};

/* ---- snapshots ------------------------------------------------------------------------------ */

struct dp_sa_info {
    struct dp_sa_value sa; /* keys empty, but when the key log was asked for */
    u64 packets, bytes;    /* plaintext bytes */
    u64 drops[DROP_NUM];
    u32 age_s;
    u32 seq; /* last sent, or highest received */
    u64 replay_bitmap;
    bool current; /* outbound: the one in use */
};
/* Packets by SAs with compression. */
struct dp_comp {
    u64 packed, plain, failed;    /* out: compressed; not tried; tried and not smaller (both went as they were) */
    u64 unpacked, was_plain, bad; /* in: expanded; came as they were; dropped */
};
struct dp_flow_info {
    u32 flow;
    u64 encaps, decaps, send_errors, recv_errors; /* over all SAs of the flow since it exists */
    u64 drops_in, drops_out;
    struct dp_comp comp;
    u32 held;
    u16 plaintext_mtu; /* largest inner packet that fits unfragmented, 0 while there is no SA */
    u16 path_mtu;
};
struct dp_tunnel_info {
    u32 id;
    u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rx_errors, tx_errors;
    u64 last_rx_ms_ago, last_tx_ms_ago; /* UINT64_MAX: never */
    u32 rx_bps, tx_bps, rx_pps, tx_pps; /* five-minute exponential average */
};
struct dp_drop_info {
    u32 reason; /* enum dp_drop */
    u64 packets;
};
struct dp_count_info { /* an event's counter */
    u32 id;
    u64 count;
};

enum dp_msg_type {
    /* to dp, from main */
    DP_CFG_BEGIN =
        1, /* a new generation of tunnels, policies, flows, RPF networks; SAs of flows that stay, stay. u.number: which */
    DP_CFG_PORT,     /* with a descriptor; ports are not part of a generation */
    DP_CFG_PORT_DEL, /* u.port.id */
    DP_CFG_TUNNEL,
    DP_CFG_FLOW,
    DP_CFG_POLICY,
    DP_CFG_RPF,
    DP_CFG_SA,     /* u.sa: of a flow that is manual */
    DP_CFG_COMMIT, /* the generation replaces the old one whole, or not at all; u.number: values in it. -> DP_TAKEN */
    DP_CFG_GENERATION, /* with a descriptor: a sealed memory file of BEGIN ... COMMIT (sys/generation.c) */
    DP_SET_MASK,       /* u.number = event categories */
    DP_SET_KEYLOG,     /* u.number = 1: snapshots carry keys */
    DP_IKE_PEER,       /* a new ike process: with the descriptor of the channel to it */
    DP_PING,           /* u.number comes back in DP_PONG: everything before it has been done */
    DP_CLEAR_COUNTERS, /* u.number = flow, 0 = all */
    /* to dp, from ike */
    DP_ADD_SA = 32,
    DP_DEL_SA,  /* u.del */
    DP_MOVE_SA, /* u.moved */
    DP_GET_SAS, /* -> DP_SA ... DP_END, to the asker */
    DP_GET_FLOWS,
    DP_GET_TUNNELS,
    DP_GET_DROPS,
    DP_SET_SILENCE, /* from ike: u.number = seconds after which an unanswered flow is told (20 from the start) */
    DP_SET_HEARD,   /* from ike: u.number = how often, in seconds, an SA that takes packets in is told; 0, as from the
                       start: only when its far end had been told silent */
    /* from dp */
    DP_ACQUIRE = 64,
    DP_EXPIRE,
    DP_UNKNOWN_SPI, /* to ike: ESP from a far end of a flow that no SA is for; once a second of each */
    DP_SA,
    DP_FLOW,
    DP_TUNNEL,
    DP_DROP_COUNT,
    DP_END,
    DP_PONG,
    DP_EVENT,
    DP_TAKEN, /* u.number: the generation in force now; tag: the one just given, refused when they differ */
    DP_SA_REFUSED, /* to ike: an ADD_SA of its that was not taken: u.expire, hard */
    DP_MOVED,      /* to ike: u.moved; once a second of each SA as long as it stays so */
    DP_SILENT,     /* to ike: u.life: packets go out by this SA and none has come back from its far end, by whichever
                      SA, for so long; told again as long as it stays so */
    DP_HEARD,      /* to ike: u.life: new packets came in by this SA, so its far end lives (RFC 3706 5) */
    DP_IDLE,       /* to ike: u.number: the flow has SAs and nothing went by them for its idle_s; told again after as long */
};

struct dp_msg {
    u32 type; /* enum dp_msg_type */
    u32 tag;  /* an answer carries the tag of its question */
    union {
        u64 number;
        struct dp_port_value port;
        struct dp_tunnel_value tunnel;
        struct dp_rpf_value rpf;
        struct dp_policy_value policy;
        struct dp_flow_value flow;
        struct dp_sa_value sa;
        struct dp_del_value del;
        struct dp_acquire_value acquire;
        struct dp_expire_value expire;
        struct dp_unknown_spi_value unknown_spi;
        struct dp_life_value life;
        struct dp_moved_value moved;
        struct dp_sa_info sa_info;
        struct dp_flow_info flow_info;
        struct dp_tunnel_info tunnel_info;
        struct dp_drop_info drop_info;
        struct ev_rec event;
    } u;
};

/* ---- the engine ------------------------------------------------------------------------------ */

enum dp_origin { FROM_MAIN, FROM_IKE };
struct dp_env {
    struct env env;
    struct evlog *log;    /* borrowed */
    void *ctx;            /* borrowed; given back to send */
    /* false: the receiver's queue is full and the value is lost; what matters is told again later */
    bool (*send)(void *ctx, enum dp_origin to, const struct dp_msg *m);
    const char *engine; /* "mb" (libipsec-mb) or "evp" (portable); NULL = mb when the machine can */
};
struct dp;
/* dp_new: allocates everything the data plane will ever use. NULL when the crypto engine cannot start. */
struct dp *dp_new(const struct dp_env *env);
void dp_free(struct dp *dp);
/* dp_ctl: one value from main or ike. fd: the descriptor that came with it (owned by dp from now on) or -1. A value
 * that this process may not say changes nothing. */
void dp_ctl(struct dp *dp, enum dp_origin from, const struct dp_msg *m, int fd);
/* dp_poll_fds: the descriptors to wait for reading; returns how many (<= cap). fds is an array of int. */
unsigned dp_poll_fds(const struct dp *dp, int *fds, unsigned cap);
/* dp_run: one turn: reads every port, runs the graph over the vectors, sends. Returns packets moved. */
unsigned dp_run(struct dp *dp);
/* dp_tick: timers (lifetimes, held packets, averages). Returns ms until it wants to be called again. */
u32 dp_tick(struct dp *dp);

#endif
