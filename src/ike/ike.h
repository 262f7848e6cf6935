/*
 * ike: the key daemon as its neighbours see it. Sans-IO: bytes, values and time come in by calls, datagrams
 * and values go out through struct ike_env; no socket, no clock, no file in here, so a test runs two of them
 * in one thread on a fake clock. ike.c is THE MAP; start there.
 *
 *   main -> ike   policies, keys, flows (a generation: BEGIN ... COMMIT), questions, clear, debug mask
 *   dp  -> ike    struct dp_msg: MOVED, ACQUIRE, EXPIRE, UNKNOWN_SPI, SILENT, HEARD, SA_REFUSED, SA (installed, after a restart)
 *   ike -> dp     struct dp_msg: MOVE_SA, ADD_SA, DEL_SA, GET_SAS, SET_SILENCE, SET_HEARD
 *   ike -> main   snapshots, events, clients that want a flow or have left theirs
 */
#ifndef ADIT_IKE_H
#define ADIT_IKE_H

#include "base/base.h"
#include "crypto/crypto.h"
#include "dp/dp.h"
#include "event/event.h"

/* ---- configuration values --------------------------------------------------------------------- */

enum { IKE_MAX_TRANSFORMS = 6, IKE_MAX_PEERS = 4, IKE_PSK_MAX = 128, IKE_NAME = 64, IKE_ID_TEXT = 64, IKE_MAX_TRUSTS = 32, IKE_MAX_SPLITS = 32 };
enum {
    IKE_AUTH_PSK = 1,
    IKE_AUTH_RSA_SIG = 3,
    IKE_AUTH_ECDSA_256 = 9, /* RFC 4754; of a policy: any of the three */
    IKE_AUTH_ECDSA_384 = 10,
    IKE_AUTH_ECDSA_521 = 11,
    IKE_AUTH_XAUTH_PSK = 65001 /* XAUTHInitPreShared: who begins proves a user, too (xauth-02) */
}; /* Authentication-Method values, RFC 2409 appendix A */

/* A trustpoint; its certificates and key come as records (ike_ctl_parts). */
struct ike_trust_value {
    u16 number; /* 0, 1, ... in their order; below IKE_MAX_TRUSTS */
    bool crl, ocsp, none; /* revocation-check; none: and goes on when they do not answer */
    char name[IKE_NAME];
};

struct ike_policy_value {
    u32 priority;  /* lower is tried first */
    u8 encr, hash; /* enum encr_id, enum hash_id */
    u16 auth;      /* IKE_AUTH_* */
    u16 group;
    u32 life_s;
};
struct ike_psk_value {
    struct prefix peer;     /* length 0 = any; the longest match wins; AF_NONE: by name */
    char name[IKE_ID_TEXT]; /* an FQDN or user FQDN, as the peer calls itself; "": by address */
    char keyring[IKE_NAME]; /* "": of none (crypto isakmp key) */
    struct addr local;      /* only where the peer reached us there; AF_NONE: everywhere */
    bool no_xauth;
    struct secret key;
};
/* Who we say we are: ID types, RFC 2407 4.6.2.1. */
enum { IKE_SELF_ADDRESS = 0, IKE_SELF_FQDN = 2, IKE_SELF_USER_FQDN = 3, IKE_SELF_DN = 9, IKE_SELF_KEY_ID = 11 };
struct ike_self {
    u8 type; /* IKE_SELF_ADDRESS: the type of our address; IKE_SELF_DN: the subject of our certificate */
    char text[IKE_ID_TEXT];
    bool said; /* the configuration says so: else a certificate that holds another name is not contradicted */
};
/* An isakmp profile; those of its matches follow it. */
struct ike_profile_value {
    char name[IKE_NAME], keyring[IKE_NAME]; /* keyring "": any key will do */
    char trust[IKE_NAME];                   /* the only trustpoint that counts, "": any */
    struct addr local;                      /* AF_NONE: wherever the peer reached us */
    struct ike_self self;
    bool self_set;   /* else what is said for all */
    bool aggressive; /* initiate mode aggressive */
    bool keepalive_set;
    u16 keepalive_s, keepalive_retry_s;
};
enum ike_match_kind {
    IKE_MATCH_ADDRESS,
    IKE_MATCH_HOST,
    IKE_MATCH_HOST_DOMAIN,
    IKE_MATCH_USER,
    IKE_MATCH_USER_DOMAIN,
    IKE_MATCH_GROUP,
    IKE_MATCH_NUM
};
struct ike_match_value { /* match identity, of the profile before it */
    u8 kind;             /* enum ike_match_kind */
    struct prefix net;   /* IKE_MATCH_ADDRESS */
    char text[IKE_ID_TEXT];
};
struct ike_peer_value { /* crypto isakmp peer: how phase 1 with that address begins */
    struct addr peer;
    bool aggressive;
    struct ike_self self;
    bool self_set;
    char user[IKE_ID_TEXT]; /* what we answer to extended authentication; "": nothing */
    struct secret password;
};
/* What is wanted of those who begin phase 1 with us at an address of ours, or who belong to an isakmp profile: of a crypto map or
 * a profile, `client authentication list`, `client configuration address`. */
struct ike_client_value {
    struct addr local;      /* a crypto map's */
    char profile[IKE_NAME]; /* "": by address */
    bool xauth;             /* a user must prove himself */
    bool users;             /* as one of those given here; else nobody can */
    bool answer;            /* who asks to be configured is: client configuration address respond, and a list of groups */
};
struct ike_user_value { /* username: for extended authentication */
    char name[IKE_ID_TEXT];
    u8 type; /* as crypto.h's password_check wants it */
    char text[PASSWORD_TEXT];
};
/* crypto isakmp client configuration group: what its clients are told. Its key is a key by name; its networks follow it. */
struct ike_group_value {
    char name[IKE_ID_TEXT];
    struct addr pool_lo, pool_hi; /* IPv4; AF_NONE: no addresses */
    struct addr netmask, dns[2], nbns[2];
    char domain[IKE_ID_TEXT], banner[256];
    bool save_password, include_local_lan, pfs;
};
struct ike_split_value { /* a network that clients send through the tunnel */
    struct prefix net;
};
struct ike_transform { /* one transform set */
    char name[IKE_NAME];
    u8 encr, auth; /* ESP: enum encr_id (ENCR_NONE: no ESP), enum hash_id (HASH_NONE with GCM) */
    u8 mode;       /* enum dp_mode: what we propose, and what a responder wants */
    u8 ah;         /* AH: enum hash_id, HASH_NONE: no AH; with ESP as well: an SA bundle */
    bool esn;      /* extended sequence numbers (RFC 4304) */
    bool require;  /* no other mode than that; else who wants transport mode takes tunnel mode, too, when it answers */
    u8 comp;       /* enum comp_id: compression of what the innermost SA carries (RFC 3173) */
};
/* One per flow: what IKE negotiates for it. */
struct ike_flow_value {
    u32 flow;
    struct addr local; /* AF_NONE: whatever address the peer reached us on */
    struct addr peer[IKE_MAX_PEERS];
    u8 num_peers;
    struct selector sel; /* the proxy identities: src = ours, dst = theirs */
    u8 num_transforms;
    struct ike_transform transform[IKE_MAX_TRANSFORMS];
    u32 life_s;
    u64 life_kb;
    u16 pfs_group;     /* 0: none */
    u16 replay_window; /* packets, 0 = off: goes into ADD_SA as it is */
    bool
        any_mode; /* tunnel protection on GRE: as responder, tunnel and transport mode are both fine */
    bool always_up;     /* ipsec VTI: negotiate without waiting for traffic */
    bool default_peer;  /* the first peer is the one to begin with whenever there is no pair, whoever had the last one */
    bool idle_default;  /* the same when the last pair went because nothing used it */
    bool dynamic;       /* of a dynamic crypto map: a template. It has no peer; who fits it is asked for by IKE_WANT_CLIENT */
    bool client;        /* made of a template for one client (any peer: a NAT may move it); the client begins, never we */
    bool listed;        /* of either: sel is a line of an access list, else anything (flow_may_claim) */
    bool tunnel_if;     /* a protected tunnel interface (not a crypto map on a link) */
    char map[IKE_NAME]; /* crypto map tag */
    char profile[IKE_NAME]; /* isakmp profile whose ISAKMP SAs it goes by, "": any */
    char iface[IKE_NAME];
    u32 seq; /* crypto map sequence number */
};
struct ike_global_value {
    bool enabled; /* crypto isakmp enable */
    bool invalid_spi_recovery;
    bool aggressive_off; /* crypto isakmp aggressive-mode disable */
    bool frag_off;       /* no crypto isakmp fragmentation */
    bool natt_off;       /* no crypto ipsec nat-transparency udp-encapsulation */
    u16 nat_keepalive_s; /* crypto isakmp nat keepalive; 0: 20 */
    bool restarted; /* this process replaces one that died: keep dp's SAs, renegotiate first */
    u32 retransmit_ms, retransmit_tries; /* 10000, 5 */
    /* crypto isakmp keepalive: seconds, 0: not configured (then a peer is asked when protected traffic gets no answer);
     * between retries, 0: 2; periodic: always, on demand otherwise */
    u16 keepalive_s, keepalive_retry_s;
    bool keepalive_periodic;
    char hostname[64];
    struct ike_self self; /* crypto isakmp identity */
};

/* ---- snapshots --------------------------------------------------------------------------------- */

/* Names as IOS shows them (IOS 12.4). */
enum ike_show_state {
    ST_MM_NO_STATE,
    ST_MM_SA_SETUP,
    ST_MM_KEY_EXCH,
    ST_MM_KEY_AUTH,
    ST_QM_IDLE,
    ST_AG_NO_STATE,
    ST_AG_INIT_EXCH,
    ST_AG_AUTH,
    ST_CONF_XAUTH,
    ST_NUM
};
const char *ike_show_state_name(enum ike_show_state s);

struct ike_sa_info {
    u32 conn_id;
    u8 state; /* enum ike_show_state */
    bool initiator, deleted, authenticated;
    struct endpoint local, remote;
    u8 cookie_i[8], cookie_r[8];
    u8 encr, hash; /* negotiated, 0 before */
    u16 auth, group;
    u32 life_s, left_s;
    char id[64];   /* the peer's phase 1 identity as text, "" before it is known */
    bool dpd, nat; /* capabilities */
    char profile[IKE_NAME];
    u32 policy;    /* priority of our policy that matched */
    u32 num_children;
    char fail[160];      /* why it is not up, in one sentence; "" when it is */
    struct secret key_e; /* phase 1 encryption key, only while the key log is on */
    struct secret iv;
};
struct ike_child_info { /* one pair of IPsec SAs, installed */
    u32 flow, spi_in, spi_out; /* of ESP, or of AH alone */
    u32 conn_in, conn_out; /* 2001, 2002 */
    u32 isakmp_conn;
    u8 encr, auth, ah, mode, comp;
    struct selector sel; /* src = ours */
    struct endpoint local, remote;
    u32 left_s;
    bool initiator, closing;
};
/* Per flow: what a `why is it down` wants. */
struct ike_flow_info {
    u32 flow;
    u32 num_children;
    bool negotiating;
    u32 attempts, failures;
    char last_error[192];
};

/* ike_fail_name: what the counter of a failure's event is called, and its sentence; NULL: that event is no failure. */
const char *ike_fail_name(u32 event, const char **out_text);

enum ike_msg_type {
    /* main -> ike */
    IKE_CFG_BEGIN = 1,
    IKE_CFG_GLOBAL,
    IKE_CFG_POLICY,
    IKE_CFG_PSK,
    IKE_CFG_PROFILE,
    IKE_CFG_MATCH,
    IKE_CFG_PEER,
    IKE_CFG_CLIENT,
    IKE_CFG_USER,
    IKE_CFG_GROUP,
    IKE_CFG_SPLIT,
    IKE_CFG_FLOW,
    IKE_CFG_TRUST,
    IKE_CFG_COMMIT,
    IKE_SET_MASK,      /* u.number = event categories */
    IKE_SET_KEYLOG,    /* u.number = 1 */
    IKE_CLEAR_SA,      /* clear crypto isakmp [conn-id]: u.clear */
    IKE_CLEAR_CHILD,   /* clear crypto sa [peer] [flow]: u.clear */
    IKE_CLEAR_SESSION, /* both */
    IKE_INITIATE,      /* u.number = flow: as if traffic had come */
    IKE_GET_SAS,
    IKE_GET_CHILDREN,
    IKE_GET_FLOWS,
    IKE_GET_COUNTS,
    IKE_PING,
    IKE_DP_PEER, /* a new dp process: with the descriptor of the channel to it */
    IKE_CFG_GENERATION, /* with a descriptor: a sealed memory file of what stands between BEGIN and COMMIT */
    IKE_SHUTDOWN, /* the router ends: every peer is told (Delete), nothing is waited for, nothing begun any more */
    /* ike -> main */
    IKE_SA = 64,
    IKE_CHILD,
    IKE_FLOW,
    IKE_COUNT,
    IKE_END,
    IKE_PONG,
    IKE_EVENT,
    IKE_WANT_CLIENT, /* u.want; said again as long as the client asks and has no flow */
    IKE_LOST_CLIENT, /* u.number: a client's flow that has had no pair for CLIENT_STAY_MS */
    IKE_TAKEN, /* u.number: the generation in force now; tag: the one just given, refused when they differ */
};
/* A client that has proved itself, and whose quick mode fits a template: main is to make a flow of it. */
struct ike_want_value {
    u32 flow; /* the template */
    struct addr local, peer; /* where it was met */
    struct selector sel;     /* inside the template's */
};
struct ike_clear_value {
    u32 conn_id;      /* 0: all */
    u32 flow;         /* 0: all */
    struct addr peer; /* AF_NONE: all */
};
struct ike_msg {
    u32 type, tag;
    union {
        u64 number;
        struct ike_policy_value policy;
        struct ike_psk_value psk;
        struct ike_trust_value trust;
        struct ike_profile_value profile;
        struct ike_match_value match;
        struct ike_peer_value peer;
        struct ike_client_value client;
        struct ike_user_value user;
        struct ike_group_value group;
        struct ike_split_value split;
        struct ike_flow_value flow;
        struct ike_global_value global;
        struct ike_clear_value clear;
        struct ike_want_value want;
        struct ike_sa_info sa;
        struct ike_child_info child;
        struct ike_flow_info flow_info;
        struct dp_count_info count_info;
        struct ev_rec event;
    } u;
};

/* ---- the daemon ----------------------------------------------------------------------------------- */

struct ike_env {
    struct env env;
    struct evlog *log; /* borrowed */
    void *ctx;         /* borrowed; given back to the three functions */
    void (*send)(void *ctx, const struct endpoint *from, const struct endpoint *to, const u8 *data,
                 size_t len);
    bool natt; /* port 4500 is there: what send gets for it goes out as it is, what comes in by it too */
    bool (*to_dp)(void *ctx, const struct dp_msg *m); /* false: it could not be given */
    void (*to_main)(void *ctx, const struct ike_msg *m);
};
struct ike;
struct ike *ike_new(const struct ike_env *env);
void ike_free(struct ike *ike); /* wipes every key; sends nothing */
/* ike_ctl: one value from main. */
void ike_ctl(struct ike *ike, const struct ike_msg *m);
/* ike_ctl_parts: between BEGIN and COMMIT: certificates, CRLs and keys of trustpoints whose values came before, each as
 * number u16 | enum pki_part u16 | bytes u32 | the bytes (big-endian). False: they are not; what was begun is given up. */
NODISCARD bool ike_ctl_parts(struct ike *ike, const u8 *p, size_t len);
/* ike_from_dp: one value from the data plane. */
void ike_from_dp(struct ike *ike, const struct dp_msg *m);
/* ike_input: one datagram that arrived on `to` from `from`. Any bytes; a bad one changes nothing but counters. */
void ike_input(struct ike *ike, const u8 *data, size_t len, const struct endpoint *from,
               const struct endpoint *to);
/* ike_tick: does what is due. ike_next_ms: env time of the next thing due, UINT64_MAX when there is none. */
void ike_tick(struct ike *ike);
u64 ike_next_ms(const struct ike *ike);

#endif
