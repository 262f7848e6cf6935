/*
 * conf: THE model of what the operator wants, whatever language it was written in. Every item knows the
 * file and line it came from. The model only holds; cli/ fills it from IOS lines, cli/running.c prints it, and sys/plan.c
 * derives values for ike, dp and the kernel from it.
 *
 * Ownership: items live in the model's arena and go with it. An item taken off its list is simply forgotten.
 */
#ifndef ADIT_CONF_H
#define ADIT_CONF_H

#include "base/base.h"
#include "crypto/crypto.h"

enum { CONF_NAME = 64, CONF_IFNAME = 32, CONF_FORMER = 4 };

/* Where the operator wrote it. */
struct conf_src {
    const char *file; /* "console" for interactive lines; lives in the arena */
    u32 line;
};

/* ---- IKE --------------------------------------------------------------------------------------- */

struct conf_isakmp_policy {
    struct list link;
    struct conf_src src;
    u32 priority;
    enum encr_id encr; /* default DES */
    enum hash_id hash; /* default SHA-1 */
    u16 auth;          /* 1 pre-share, 3 rsa-sig (default), 9 ecdsa-sig, whatever the curve */
    u16 group;         /* default 1 */
    u32 life_s;        /* default 86400 */
};
struct conf_key {
    struct list link;
    struct conf_src src;
    char key[129];
    struct prefix peer;
    char name[CONF_NAME]; /* by name: peer is empty; "": by address */
    bool no_xauth;
};
struct conf_local { /* local-address: an interface, else an address, else (AF_NONE) any */
    char iface[CONF_IFNAME];
    struct addr addr;
};
struct conf_keyring {
    struct list link;
    struct conf_src src;
    char name[CONF_NAME], description[CONF_NAME];
    struct conf_local local;
    struct list keys; /* conf_key */
};
/* Who we say we are. FQDN: host name and domain, or a text of its own; USER: user@domain. */
enum conf_self { CONF_SELF_DEFAULT, CONF_SELF_ADDRESS, CONF_SELF_FQDN, CONF_SELF_USER, CONF_SELF_DN /* our certificate's subject */ };
enum conf_match_kind {
    CONF_MATCH_ADDRESS,
    CONF_MATCH_HOST,
    CONF_MATCH_HOST_DOMAIN,
    CONF_MATCH_USER,
    CONF_MATCH_USER_DOMAIN,
    CONF_MATCH_GROUP
};
struct conf_match { /* match identity */
    struct list link;
    struct conf_src src;
    enum conf_match_kind kind;
    struct prefix net;
    char text[CONF_NAME];
};
/* What those who begin phase 1 with us meet: of a crypto map or an isakmp profile. */
struct conf_client {
    char authentication[CONF_NAME], authorization[CONF_NAME]; /* lists of aaa; "": none */
    struct conf_src authentication_src, authorization_src, address_src;
    bool respond, initiate; /* client configuration address; initiate is kept, nothing is pushed */
};
struct conf_pool { /* ip local pool: IPv4 */
    struct list link;
    struct conf_src src;
    char name[CONF_NAME];
    struct addr lo, hi;
};
enum { CONF_POOL_MOST = 65536, CONF_BANNER = 256 };
struct conf_group { /* crypto isakmp client configuration group */
    struct list link;
    struct conf_src src;
    char name[CONF_NAME], key[129];
    char pool[CONF_NAME], acl[CONF_NAME], domain[CONF_NAME];
    struct conf_src pool_src, acl_src;
    struct addr dns[2], wins[2], netmask; /* AF_NONE: not set */
    char banner[CONF_BANNER];
    bool save_password, include_local_lan, pfs;
    u32 max_users; /* 0: not said; kept, nobody counts */
};
struct conf_isakmp_profile {
    struct list link;
    struct conf_src src;
    char name[CONF_NAME], description[CONF_NAME];
    char keyring[CONF_NAME]; /* "": any key will do */
    struct conf_src keyring_src;
    char trust[CONF_NAME]; /* ca trust-point; "": any */
    struct conf_src trust_src;
    struct conf_local local;
    struct list matches; /* conf_match */
    enum conf_self self;
    char self_user[CONF_NAME];
    u16 keepalive_s, keepalive_retry_s; /* 0: as for all */
    bool aggressive;                    /* initiate mode aggressive */
    struct conf_client client;
};
struct conf_isakmp_peer { /* crypto isakmp peer address A */
    struct list link;
    struct conf_src src;
    struct addr peer;
    char password[129]; /* set aggressive-mode password; "": none */
    enum conf_self endpoint; /* set aggressive-mode client-endpoint */
    char endpoint_text[CONF_NAME], description[CONF_NAME];
};

enum { CONF_AUTH_ECDSA = 9 };

/* ---- certificates and keys (pki.c) --------------------------------------------------------------- */

enum { CONF_TEXT = 256, CONF_SERIAL = 44 };
struct conf_blob { /* DER, in the arena */
    const u8 *p;
    size_t len;
};
struct conf_cert { /* of a trustpoint: a certificate or a CRL */
    struct list link;
    struct conf_src src;
    bool ca; /* of the CA, or ours */
    char serial[CONF_SERIAL]; /* hexadecimal; "" for a CRL */
    struct conf_blob der;
};
enum conf_enroll { CONF_ENROLL_NONE, CONF_ENROLL_TERMINAL, CONF_ENROLL_URL };
enum conf_revocation { CONF_REV_CRL = 1, CONF_REV_OCSP, CONF_REV_NONE };
struct conf_trustpoint {
    struct list link;
    struct conf_src src;
    char name[CONF_NAME];
    u8 enroll; /* enum conf_enroll */
    bool enroll_pem;
    char enroll_url[CONF_TEXT];
    char subject[CONF_TEXT], fqdn[CONF_TEXT]; /* of a request; fqdn "none": no name */
    struct addr ip;                           /* the same, AF_NONE: none */
    u8 revocation[3], num_revocation;         /* enum conf_revocation, in their order */
    char ocsp_url[CONF_TEXT], crl_url[CONF_TEXT];
    char keypair[CONF_NAME]; /* label, "": the router's own name */
    bool keypair_ec;
    u16 keypair_bits; /* 0: not said */
    struct list certs; /* conf_cert: CA certificates, then ours (one at most) */
    struct list crls;  /* conf_cert */
    struct list kept;  /* conf_kept */
};
/* A private key. It is no part of the text of a configuration; sys/startup.c keeps it. */
struct conf_keypair {
    struct list link;
    char label[CONF_NAME];
    bool ec, exportable;
    u16 bits;
    u64 made_s; /* seconds since 1970 */
    u8 *der;    /* PKCS#8, owned, wiped; NULL: the file asks for one, it has not been made */
    size_t len;
};

/* ---- IPsec ------------------------------------------------------------------------------------- */

struct conf_transform_set {
    struct list link;
    struct conf_src src;
    char name[CONF_NAME];
    enum encr_id encr; /* ENCR_NONE: AH alone */
    enum hash_id auth;
    enum hash_id ah; /* HASH_NONE: no AH */
    enum comp_id comp;
    bool transport, require; /* mode transport [require] */
    bool esn; /* extended sequence numbers */
};
enum { CONF_MAX_SETS = 6, CONF_MAX_PEERS = 4, CONF_REPLAY_WINDOW = 64 };
/* What an ipsec profile and a crypto map entry have in common. */
struct conf_sa_params {
    char sets[CONF_MAX_SETS][CONF_NAME];
    struct conf_src sets_src;
    u8 num_sets;
    u16 pfs_group; /* 0: off */
    u32 life_s;    /* 0: the global value */
    u64 life_kb;   /* 0: the global value */
    u32 idle_s;    /* set security-association idle-time; 0: the global value */
    bool idle_default; /* the next one begins with the first peer */
    bool has_replay; /* else the global value */
    u16 replay_window; /* 0: off */
    char isakmp_profile[CONF_NAME]; /* set isakmp-profile; "": any */
    struct conf_src isakmp_profile_src;
};
struct conf_profile {
    struct list link;
    struct conf_src src;
    char name[CONF_NAME];
    struct conf_sa_params sa;
};
/* set session-key: what both sides were told by hand. Keys are hexadecimal, as they were written. */
enum { CONF_SPI_MIN = 256, CONF_HEX = 129 };
enum conf_way { CONF_IN, CONF_OUT };
struct conf_session_key {
    struct conf_src src;
    u32 spi; /* 0: none */
    char cipher[CONF_HEX], auth[CONF_HEX]; /* "": not said; of AH: auth alone */
};
enum { CONF_HOST = 64, CONF_MAX_NAMESERVERS = 6 };
struct conf_peer { /* set peer */
    struct addr a;        /* AF_NONE: the name's, whatever that is at the time */
    char name[CONF_HOST]; /* "": none */
    bool dynamic;         /* the word is kept; a name is followed with it or without */
};
struct conf_host { /* ip host */
    struct list link;
    char name[CONF_HOST];
    struct addr a;
};
struct conf_map_entry {
    struct list link; /* ordered by seq */
    struct conf_src src;
    u32 seq;
    bool manual; /* ipsec-manual: one peer, one transform set, and these keys, by enum conf_way */
    struct conf_session_key esp[2], ah[2];
    char acl[CONF_NAME];
    struct conf_src acl_src;
    struct conf_peer peers[CONF_MAX_PEERS];
    u8 num_peers;
    bool default_peer; /* set peer A default: the first */
    struct conf_sa_params sa;
    char description[CONF_NAME];
    char dynamic[CONF_NAME]; /* ipsec-isakmp dynamic: its dynamic map, and then nothing else of the entry counts; "": none */
    struct conf_src dynamic_src;
    bool reverse, reverse_static; /* reverse-route [static] */
};
struct conf_map { /* or a dynamic map: crypto dynamic-map */
    struct list link;
    struct conf_src src;
    char name[CONF_NAME];
    char local_if[CONF_IFNAME]; /* crypto map NAME local-address IF, "" = outgoing interface */
    char isakmp_profile[CONF_NAME]; /* of entries that name none; "": any */
    struct conf_client client;
    struct list entries;        /* conf_map_entry */
};

/* ---- lists ------------------------------------------------------------------------------------- */

struct conf_ace {
    struct list link;
    struct conf_src src;
    u32 seq;
    bool permit, log;
    char remark[100]; /* "" for a rule */
    struct selector sel;
    char text[192]; /* the rule as the operator would see it, without sequence number */
};
struct conf_acl {
    struct list link;
    struct conf_src src;
    char name[CONF_NAME]; /* the number as text for numbered lists */
    bool extended, numbered;
    bool ipv6; /* `ipv6 access-list`: always extended, never numbered */
    struct list aces; /* conf_ace, ordered by seq */
};
/* Lines of a list that an entry of a crypto map went by, held on an interface. */
struct conf_block {
    struct list link;
    char map[CONF_NAME], dynamic[CONF_NAME], acl[CONF_NAME]; /* dynamic, dynamic_seq: of its dynamic map's entry; "", 0: none */
    u32 seq, dynamic_seq, born;    /* of the entry; conf.held when it was made */
    struct list aces; /* conf_ace: a deny ends the block; seq: conf.held when it was put here */
};

/* ---- interfaces -------------------------------------------------------------------------------- */

enum conf_if_kind {
    IFK_FASTETHERNET,
    IFK_GIGABIT,
    IFK_ETHERNET,
    IFK_SERIAL,
    IFK_LOOPBACK,
    IFK_TUNNEL,
    IFK_VLAN,
    IFK_NULL,
    IFK_NUM
};
struct conf_if_kind_row {
    const char *name;  /* "FastEthernet" */
    const char *brief; /* "Fa" */
    u16 mtu;
    u32 bandwidth_kbit, delay_us;
};
const struct conf_if_kind_row *conf_if_kind_row(enum conf_if_kind k);

struct conf_if_addr {
    struct list link;
    struct conf_src src;
    struct prefix p; /* the interface address with its length: host bits kept */
    bool secondary, link_local, eui64;
};
enum conf_tunnel_mode {
    CTM_GRE_IP,
    CTM_GRE_IPV6,
    CTM_IPIP,
    CTM_IPV6IP,
    CTM_IPSEC_IPV4,
    CTM_IPSEC_IPV6
};
struct conf_tunnel {
    enum conf_tunnel_mode mode;
    char source_if[CONF_IFNAME]; /* "" when an address was given */
    struct addr source;
    struct addr dest; /* AF_NONE: not set */
    struct conf_src dest_src;
    bool has_key, checksum, sequence, pmtud, has_tos;
    u32 key;
    u8 ttl, tos;             /* ttl 0: the default, 255 */
    char profile[CONF_NAME]; /* tunnel protection ipsec profile */
    bool shared;             /* by the same SAs as all tunnels with these ends, that profile and the word */
    struct conf_src profile_src;
};
struct conf_if {
    struct list link;
    struct conf_src src;
    char name[CONF_IFNAME]; /* canonical: "FastEthernet0/0" */
    enum conf_if_kind kind;
    char description[240];
    bool shutdown, ipv6_enable, rpf, rpf6;
    u16 vlan; /* encapsulation dot1Q N on a subinterface; 0: none */
    struct conf_src vlan_src;
    bool no_blackhole; /* networks behind this protected tunnel may take another road, as on IOS */
    struct list addrs; /* conf_if_addr */
    char unnumbered[CONF_IFNAME];
    u32 bandwidth, mtu, ip_mtu, ipv6_mtu, adjust_mss; /* 0: default */
    struct conf_tunnel tun;
    char crypto_map[CONF_NAME];
    struct conf_src crypto_map_src;
    struct list held; /* conf_block: what its map covered and does not any more, dropped (cover.c) */
    bool held_all;    /* that is more than there is room for: everything; _new: since conf_hold_all was called last */
    bool held_all_new;
    struct { /* 0 / "": default */
        u32 cost, hello, dead, area;
        u32 pid; /* ip ospf PID area N */
        char network[24];
        bool mtu_ignore, has_priority;
        u8 priority;
    } ospf;
    struct list kept; /* conf_kept */
};

/* ---- routes, routing --------------------------------------------------------------------------- */

struct conf_route {
    struct list link;
    struct conf_src src;
    struct prefix net;
    struct addr nexthop; /* AF_NONE: by interface only */
    char iface[CONF_IFNAME];
    u32 distance; /* 1 by default */
};
struct conf_ospf_net {
    struct list link;
    struct conf_src src;
    struct prefix net;
    u32 area;
};
struct conf_ospf {
    struct list link;
    struct conf_src src;
    u32 pid;
    struct list nets; /* conf_ospf_net */
    struct list
        kept; /* conf_kept: lines FRR takes as they are (router-id, passive-interface, ...) */
};

/* A line that is accepted and kept but means nothing to adit. */
struct conf_kept {
    struct list link;
    struct conf_src src;
    const char *text;
};

/* ---- secrets ------------------------------------------------------------------------------------ */

struct conf_password { /* as crypto.h's password_check wants it; "" : none */
    u8 type;           /* 0 clear, 5, 8, 9 */
    char text[PASSWORD_TEXT];
};
struct conf_user {
    struct list link;
    struct conf_src src;
    char name[CONF_NAME];
    u8 privilege; /* 1 by default */
    bool secret;  /* `secret`, one way; else `password` */
    struct conf_password password;
};

/* ---- the model ----------------------------------------------------------------------------------- */

enum conf_df { CONF_DF_COPY, CONF_DF_CLEAR, CONF_DF_SET };
struct conf {
    struct arena arena;
    char hostname[64];
    bool ipv6_routing;
    bool isakmp_off;
    bool invalid_spi_recovery;
    bool aggressive_off; /* crypto isakmp aggressive-mode disable */
    bool frag_off;       /* no crypto isakmp fragmentation */
    bool natt_off;       /* no crypto ipsec nat-transparency udp-encapsulation */
    u16 nat_keepalive_s; /* crypto isakmp nat keepalive; 0: the default */
    enum conf_self identity; /* crypto isakmp identity */
    char domain[64];         /* ip domain name */
    u16 keepalive_s, keepalive_retry_s; /* crypto isakmp keepalive; 0: not configured, 0: 2 seconds */
    bool keepalive_periodic;
    struct conf_password enable_secret, enable_password; /* the first is asked when there is one */
    bool hide_passwords;  /* service password-encryption: type 7 */
    bool encrypt_keys;    /* password encryption aes: pre-shared keys as type 6 */
    struct secret master; /* of key config-key password-encrypt; never printed */
    struct secret former
        [CONF_FORMER]; /* master keys before it, the last first, that something saved may need; empty: none */
    u32 life_s;        /* crypto ipsec security-association lifetime; 3600 */
    u32 idle_s;        /* crypto ipsec security-association idle-time; 0: none */
    u64 life_kb;       /* 4608000 */
    u16 replay_window; /* 64; 0: off */
    enum conf_df df;
    bool frag_after;
    bool dialect_15; /* adit dialect 15: output in the 15.x form */
    bool ip_domain_lookup_off;
    struct list hosts; /* conf_host */
    struct addr name_server[CONF_MAX_NAMESERVERS];
    unsigned num_name_servers;
    unsigned typing; /* consoles in configuration mode: conf_typing, conf_typed, conf_hung_up */
    u32 taken, held; /* lines ever taken from what is covered, and held for that (cover.c) */
    bool unfinished; /* a console hung up in the middle of a change: what is held stays until conf_whole */
    char folder[CONF_TEXT]; /* where `file:NAME` is looked for; "": the current directory */
    struct list policies, keys, sets, profiles, maps, acls, ifs, routes, ospfs, kept, users;
    struct list keyrings, isakmp_profiles, peers, trustpoints, keypairs, groups, pools, dynamics /* conf_map */;
};

/* conf_new: an empty model with the defaults of IOS 12.4; conf_free takes everything with it. */
struct conf *conf_new(void);
void conf_free(struct conf *c);
/* conf_src: remembers file for as long as the model lives. */
struct conf_src conf_src(struct conf *c, const char *file, u32 line);

/* Finders; the _get ones make the item (with defaults) when it is not there. Names are compared exactly,
 * interface names in canonical form. */
struct conf_isakmp_policy *conf_policy_get(struct conf *c, u32 priority, struct conf_src src);
struct conf_transform_set *conf_set_find(const struct conf *c, const char *name);
struct conf_profile *conf_profile_find(const struct conf *c, const char *name);
struct conf_profile *conf_profile_get(struct conf *c, const char *name, struct conf_src src);
struct conf_keyring *conf_keyring_find(const struct conf *c, const char *name);
struct conf_keyring *conf_keyring_get(struct conf *c, const char *name, struct conf_src src);
struct conf_isakmp_profile *conf_isakmp_profile_find(const struct conf *c, const char *name);
struct conf_isakmp_profile *conf_isakmp_profile_get(struct conf *c, const char *name, struct conf_src src);
struct conf_group *conf_group_find(const struct conf *c, const char *name);
struct conf_group *conf_group_get(struct conf *c, const char *name, struct conf_src src);
struct conf_pool *conf_pool_find(const struct conf *c, const char *name);
/* conf_list_local: a kept line `aaa WHAT NAME ...` says that this router's own users and groups answer; what: "authentication
 * login", "authorization network". */
bool conf_list_local(const struct conf *c, const char *what, const char *name);
/* conf_host_find: `ip host`, in whatever case (RFC 4343). conf_peer_equal: the same address, or the same name. */
struct conf_host *conf_host_find(const struct conf *c, const char *name);
bool conf_peer_equal(const struct conf_peer *a, const struct conf_peer *b);
/* conf_local_address: AF_NONE: any, or the interface has no address. */
struct addr conf_local_address(const struct conf *c, const struct conf_local *l);
/* conf_fqdn: host name and domain. Returns out. */
const char *conf_fqdn(const struct conf *c, char out[2 * CONF_NAME]);
struct conf_map *conf_map_find(const struct conf *c, const char *name);
struct conf_map *conf_map_get(struct conf *c, const char *name, struct conf_src src);
/* conf_dynamic_find, _get: dynamic maps; they have names of their own. */
struct conf_map *conf_dynamic_find(const struct conf *c, const char *name);
struct conf_map *conf_dynamic_get(struct conf *c, const char *name, struct conf_src src);
struct conf_map_entry *conf_map_entry_get(struct conf *c, struct conf_map *m, u32 seq,
                                          struct conf_src src);
struct conf_acl *conf_acl_find(const struct conf *c, const char *name);
struct conf_acl *conf_acl_get(struct conf *c, const char *name, bool extended, bool numbered,
                              struct conf_src src);
/* conf_ace_put: a copy of the rule or remark; seq 0 = after the last one, step 10; a number that is there: it takes that
 * one's place. conf_acl_remove, conf_ace_remove: a list, a line of it, goes; conf_entry_remove: an entry of a crypto map or
 * a dynamic map; conf_entry_match: it goes by another list, "": none; conf_entry_dynamic: by another dynamic map; conf_if_set_map: an interface by another map, "": none. While
 * somebody types, what they covered stays covered (cover.c); conf_held_back: but for what was held since conf.held was
 * that, as a line that did it was refused. */
struct conf_ace *conf_ace_put(struct conf *c, struct conf_acl *acl, u32 seq,
                              const struct conf_ace *rule);
void conf_acl_remove(struct conf *c, struct conf_acl *acl);
void conf_ace_remove(struct conf *c, struct conf_acl *acl, struct conf_ace *ace);
void conf_entry_remove(struct conf *c, struct conf_map_entry *e);
void conf_entry_match(struct conf *c, struct conf_map_entry *e, const char *acl);
void conf_entry_dynamic(struct conf *c, struct conf_map_entry *e, const char *name);
void conf_if_set_map(struct conf *c, struct conf_if *i, const char *name);
void conf_held_back(struct conf *c, u32 held);
/* conf_hold_all: where something is held, everything is from now on; true: that changed something. _back: it did not. */
bool conf_hold_all(struct conf *c);
void conf_hold_all_back(struct conf *c);

/* ---- what crypto maps cover (cover.c) ------------------------------------------------------------- */

/* conf_if_covered: calls fn for each line (no remarks) in the order it is to be looked at; e: the entry that protects what the
 * line says, NULL: nobody does, it is dropped (unless a client has it: the lists of dynamic maps are such lines); block: a deny
 * ends the lines of one, not those of the next. conf_if_covers: there may be any. */
typedef void (*conf_covered_fn)(void *ctx, const struct conf_map_entry *e,
                                const struct conf_ace *ace, u32 block);
void conf_if_covered(const struct conf *c, const struct conf_if *i, conf_covered_fn fn, void *ctx);
bool conf_if_covers(const struct conf *c, const struct conf_if *i);
/* An entry whose list counts where a crypto map is: one of its own, or one of a dynamic map that it goes by. conf_use_next: the one
 * behind u, the first behind an empty one; false: there is none. CONF_USES: each of map m (NULL: of none). */
struct conf_use {
    const struct conf_map_entry *of, *e; /* of the crypto map; whose list it is: the same, or one of dynamic */
    const struct conf_map *dynamic;      /* NULL: none */
};
bool conf_use_next(const struct conf *c, const struct conf_map *m, struct conf_use *u);
#define CONF_USES(c, m, u) for (struct conf_use u = {0}; conf_use_next(c, m, &u);)
/* conf_use_stand: how it stands on the interface (NULL: on none): it has lines that permit; or it has not, and then nothing, what
 * is held of it, or everything is dropped. conf_entry_list: its list; NULL: none. */
enum conf_stand { CONF_PERMITS, CONF_NOTHING, CONF_HELD, CONF_EVERYTHING };
enum conf_stand conf_use_stand(const struct conf *c, const struct conf_if *i, const struct conf_use *u);
const struct conf_acl *conf_entry_list(const struct conf *c, const struct conf_map_entry *e);
/* conf_typing: a console enters configuration mode. conf_typed: it leaves it. conf_hung_up: it goes without saying that what
 * it began is whole; took: a line of its took something from what is covered. conf_whole: somebody says so for it; that
 * changes nothing while anybody types. True: less is covered now. */
void conf_typing(struct conf *c);
bool conf_typed(struct conf *c);
bool conf_hung_up(struct conf *c, bool took);
bool conf_whole(struct conf *c);
/* conf_holds: something is held. conf_changing: that does not stay when all is whole. conf_block_stays: this does: its entry
 * permits nothing. */
bool conf_holds(const struct conf *c);
bool conf_changing(const struct conf *c);
bool conf_block_stays(const struct conf *c, const struct conf_if *i, const struct conf_block *b);

/* manual.c: keys by hand. conf_session_key_fault: why the key does not go with the transform set (NULL: none is known, and
 * nothing is wrong yet), into out; false: it goes. long_too: a key that is longer than it must be is a fault, too; IOS, and so
 * adit, uses its beginning.
 * conf_manual_fault: why the entry has no SAs, into out; false: it has all it needs. conf_manual_taken: another entry that has
 * this SPI already; NULL: none. */
enum { CONF_WHY = 160 };
bool conf_session_key_fault(const struct conf_session_key *k, const struct conf_transform_set *s, bool ah, bool long_too,
                            char out[CONF_WHY]);
bool conf_manual_set_fault(const struct conf_transform_set *s, char out[CONF_WHY]);
bool conf_manual_fault(const struct conf *c, const struct conf_map_entry *e, char out[CONF_WHY]);
const struct conf_map_entry *conf_manual_taken(const struct conf *c, const struct conf_map_entry *e, enum conf_way way, bool ah,
                                               u32 spi, const struct conf_map **out_map);

struct conf_if *conf_if_find(const struct conf *c, const char *name);
struct conf_if *conf_if_get(struct conf *c, const char *name, struct conf_src src);
struct conf_ospf *conf_ospf_get(struct conf *c, u32 pid, struct conf_src src);
struct conf_user *conf_user_get(struct conf *c, const char *name, struct conf_src src);
void conf_user_remove(struct conf *c, const char *name);
/* conf_keep: a line once; it takes the place of its own `no` form, or of what it is the `no` form of. */
struct conf_kept *conf_keep(struct conf *c, struct list *where, const char *text,
                            struct conf_src src);

/* pki.c. conf_trustpoint_of: the trustpoint, and what it has: our certificate (NULL: none), the key pair it names or the
 * router's own (NULL: none). */
struct conf_trustpoint *conf_trustpoint_find(const struct conf *c, const char *name);
struct conf_trustpoint *conf_trustpoint_get(struct conf *c, const char *name, struct conf_src src);
const struct conf_cert *conf_trustpoint_own(const struct conf_trustpoint *t);
const struct conf_keypair *conf_trustpoint_key(const struct conf *c, const struct conf_trustpoint *t);
/* conf_cert_put: a copy of the DER; a CA certificate beside others, of ours the one there is; twice is once. */
void conf_cert_put(struct conf *c, struct conf_trustpoint *t, bool ca, const char *serial, const u8 *der, size_t len,
                   struct conf_src src);
void conf_crl_put(struct conf *c, struct conf_trustpoint *t, const u8 *der, size_t len, struct conf_src src);
/* conf_keypair_put: takes the place of one with that label; der NULL: one that is asked for. conf_keypair_remove wipes it. */
struct conf_keypair *conf_keypair_find(const struct conf *c, const char *label);
struct conf_keypair *conf_keypair_put(struct conf *c, const char *label, bool ec, u16 bits, const u8 *der, size_t len);
void conf_keypair_remove(struct conf_keypair *k);

/* conf_if_canonical: "fa 0/0", "FastEthernet 0/0", "tun0" -> "FastEthernet0/0", "Tunnel0". False when no kind
 * (or more than one) starts with these letters or the number is missing. */
NODISCARD bool conf_if_canonical(char out[CONF_IFNAME], enum conf_if_kind *out_kind,
                                 const char *text);
/* conf_if_kernel: the name of the Linux link: Tunnel0 stays, FastEthernet0/0 is Fa0-0, Loopback0 is lo. */
void conf_if_kernel(char out[16], const char *name);
/* conf_if_address: the first address of that family on an interface; AF_NONE when it has none. */
struct addr conf_if_address(const struct conf *c, const char *ifname, u8 family);
/* conf_tunnel_source: the tunnel's local endpoint, resolved; AF_NONE when it has none. */
struct addr conf_tunnel_source(const struct conf *c, const struct conf_if *i);

/* conf_seal: secrets typed in clear become type 9, salted from env (seal.c). */
void conf_seal(struct conf *c, const struct env *env);

/* ---- findings: what is wrong or weak in a whole model (audit.c) ------------------------------------- */

struct conf_finding {
    struct conf_src src;
    bool weak; /* a warning about a weak choice; else something that keeps a tunnel from working */
    char what[96], text[160];
};
/* conf_audit: calls found for every weak algorithm used (once each, with the stronger choice named) and every
 * reference to something that is not there. */
void conf_audit(const struct conf *c, void (*found)(void *ctx, const struct conf_finding *f),
                void *ctx);

/* conf_fits: whether all of it has a place. False: out says which line is the first too many. */
struct conf_limits {
    unsigned links; /* with a crypto map */
    unsigned lines; /* of access lists over all of them; a list counts for each link it stands on */
    unsigned tunnels; /* their numbers are below it */
    unsigned flows;   /* lines that permit, and protected tunnels */
    unsigned covered; /* lines, with those that are dropped while lists are changed */
    unsigned masks;   /* on one link: different pairs of prefix lengths, with a protocol or without; lines in force leave two */
    unsigned manual;  /* lines that permit of entries with manual keys */
};
NODISCARD bool conf_fits(const struct conf *c, const struct conf_limits *most,
                         struct conf_finding *out);

#define CONF_FOR(type, it, head)                                                                   \
    for (type *it = CONTAINER_OF((head)->next, type, link),                                        \
              *it##_n = CONTAINER_OF(it->link.next, type, link);                                   \
         &it->link != (head); it = it##_n, it##_n = CONTAINER_OF(it->link.next, type, link))

#endif
