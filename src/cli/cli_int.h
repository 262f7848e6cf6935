/*
 * cli_int.h: what the files of cli/ share: modes, rows, and the two kinds of handlers.
 */
#ifndef ADIT_CLI_INT_H
#define ADIT_CLI_INT_H

#include "cli/cli.h"
#include "cli/match.h"

enum cli_mode {
    M_EXEC = 1 << 0,
    M_PRIV = 1 << 1,
    M_CONF = 1 << 2,
    M_IF = 1 << 3,
    M_ISAKMP = 1 << 4,
    M_TRANS = 1 << 5,
    M_PROFILE = 1 << 6,
    M_MAP = 1 << 7,
    M_ROUTER = 1 << 8,
    M_EXTACL = 1 << 9,
    M_STDACL = 1 << 10,
    M_LINE = 1 << 11,
    M_IPV6ACL = 1 << 12,
    M_KEYRING = 1 << 13,
    M_ISAPROF = 1 << 14,
    M_PEER = 1 << 15,
    M_TRUST = 1 << 16,
    M_CHAIN = 1 << 17,
    M_GROUP = 1 << 18,
    M_DYN = 1 << 19,
    M_NUM = 20,
    M_SUBMODES = M_IF | M_ISAKMP | M_TRANS | M_PROFILE | M_MAP | M_ROUTER | M_EXTACL | M_STDACL | M_IPV6ACL |
                 M_LINE | M_KEYRING | M_ISAPROF | M_PEER | M_TRUST | M_CHAIN | M_GROUP | M_DYN,
};

struct cfg;
/* A text over several lines (a certificate, a key), as it comes: no command is looked for in it. */
struct paste {
    bool (*take)(struct cfg *k, const char *line); /* NULL: none is open */
    u8 kind, stage;                                /* the taker's own */
    bool ca, ec, exportable;
    char name[CONF_NAME];
    char pass[SECRET_MAX + 1];
    struct strbuf text;
};

/* One reader of configuration lines: a file being loaded or a session in configuration mode. */
struct cfg {
    struct conf *c;
    enum cli_mode mode;
    void *at; /* the item of a submode, in c */
    struct conf_src src;
    struct strbuf *out; /* notices the router prints */
    const char *line;   /* as typed */
    char err[256];      /* why a handler refused */
    u16 err_col;        /* 1-based; 0: the whole line */
    const struct grammar *g;
    /* possible: this machine can do what the model says; NULL: that is asked when a file is whole */
    bool (*possible)(void *ctx, const struct conf *c, struct conf_finding *out);
    void *possible_ctx;
    bool live;          /* a console, whose operator reads and answers; else a file */
    struct paste paste;
};

/* A configuration handler: edits cfg->c, or changes nothing and returns cfg_fail(). */
typedef bool (*cfg_fn)(struct cfg *k, const struct match *m);
/* An exec handler: prints; false: it failed. Ends the command unless it set session->pinging or
 * asking_frr. */
typedef bool (*exec_fn)(struct session *s, const struct match *m);

struct cmd {
    const char *syntax;
    u32 modes;
    cfg_fn cfg;
    exec_fn exec;
    bool looks; /* exec runs when a snapshot of ike and dp is there: session->snap */
};
/* The table (grammar.c). grammar_rows: compiled once. */
extern const struct cmd cli_commands[];
extern const size_t cli_num_commands;
const struct grammar *cli_grammar(void);
/* cli_help: one line about a keyword, "" when there is none. */
/* cli_peer: a peer as it was typed: its name or its address. */
static inline const char *cli_peer(char out[ADDR_STR], const struct conf_peer *p)
{
    return p->name[0] ? p->name : addr_str(out, &p->a);
}
const char *cli_help(const char *keyword);

/* cfg_tidy: in place: blanks as they are meant, none at the end. */
void cfg_tidy(char *line);
/* cfg_line: one tidy line in cfg->mode, falling back to the global mode. False: err, err_col say why.
 * Blank lines and comments are fine. depth of the match comes back for choosing the better message. */
bool cfg_line(struct cfg *k, const char *line);
/* cfg_fail: returns false after noting why; arg: name of the argument or keyword at fault (NULL: whole line). */
bool cfg_fail(struct cfg *k, const struct match *m, const char *arg, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* cfg_text: the argument `text` into out; refuses what would have to be cut. `no` empties it. */
bool cfg_text(struct cfg *k, const struct match *m, char *out, size_t cap);
/* cfg_note_lost: a notice for each crypto map entry that permits nothing and is dropped for it. */
void cfg_note_lost(struct cfg *k);
/* cfg_fits: what has just been put into the model can be done; false: the caller takes it out again (and cfg_line what was
 * held for it). */
bool cfg_fits(struct cfg *k, const struct match *m, const char *arg);
void cfg_enter(struct cfg *k, enum cli_mode mode, void *at);
/* cfg_paste_end: nothing is open any more; what it held is wiped. */
void cfg_paste_end(struct cfg *k);
/* cfg_file: a file the configuration names (file:NAME, beside the configuration's own), whole; malloced, the caller wipes it.
 * NULL: the reason is said. */
char *cfg_file(struct cfg *k, const struct match *m, const char *arg, const char *url, size_t *out_len);

enum { HISTORY = 20 }; /* lines `show history` knows, as on IOS */
struct session {
    const struct cli_host *host;
    void *ctx;
    void (*out)(void *ctx, const char *text);
    void (*done)(void *ctx, int status);
    struct cfg cfg; /* mode lives here: M_EXEC or M_PRIV outside configuration */
    struct strbuf cfg_out;
    bool pinging, asking_frr, monitor, closed;
    bool took;  /* in this configuration mode a line took something from what maps cover */
    bool doing; /* `do ...` in configuration mode */
    struct match *waiting;           /* owned: the command that waits for a snapshot; NULL: none */
    const struct cli_snapshot *snap; /* borrowed while such a command runs */
    bool in_line, ended;             /* session_line is at work; its command has ended in it */
    int status;                      /* of the ended command */
    bool want_secret; /* enable asked for the password */
    unsigned tries;   /* answers to that so far */
    u32 length, width;
    struct strbuf buf; /* output of the running command, before the filter */
    char filter_kind;  /* 'i' 'e' 'b' 's' 'c', 0: none */
    char filter[128];
    char prompt[96];
    char *history[HISTORY]; /* owned: a ring */
    u32 num_history;        /* lines ever kept */
};
/* session_mode: another mode. The one place where configuration mode is entered and left. */
void session_mode(struct session *s, enum cli_mode mode);
/* session_enable_with: the secret `enable` asks for; NULL: none is configured. */
const struct conf_password *session_enable_with(const struct session *s);
/* s_printf / s_add: into the running command's output. */
void s_printf(struct session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- configuration handlers (cmd_conf_*.c) ---- */
#define CFG_HANDLERS(H)                                                                              \
    H(hostname) H(keep) H(ipv6_routing) H(domain_lookup) H(enable_secret) H(isakmp_enable)          \
    H(isakmp_policy) H(isakmp_key) H(invalid_spi) H(keepalive) H(transform_set) H(sa_lifetime) H(sa_replay) H(set_replay) H(sa_idle) H(set_idle) H(ip_host) H(name_server)      \
    H(df_bit) H(fragmentation) H(profile) H(map) H(map_local) H(acl_numbered) H(acl_remark)          \
    H(acl_named) H(interface) H(ip_route) H(ipv6_route) H(router_ospf) H(line_mode) H(line_keep)\
    H(dialect) H(username) H(service) H(password_aes) H(master_key) \
    H(if_description) H(if_ip_address) H(if_unnumbered) H(if_ipv6_address) H(if_ipv6_enable)        \
    H(if_shutdown) H(if_number) H(if_tunnel_source) H(if_tunnel_dest) H(if_tunnel_mode)              \
    H(if_tunnel_flag) H(if_tunnel_number) H(if_protection) H(if_crypto_map) H(if_blackhole) H(if_dot1q) H(if_rpf) H(if_ospf) \
    H(if_access_group) H(if_keep) H(pol_encr) H(pol_hash) H(pol_auth) H(pol_group) H(pol_life)       \
    H(ts_mode) H(ts_esn) H(set_ts) H(set_pfs) H(set_life) H(map_match) H(map_peer) H(map_description)          \
    H(isakmp_fragmentation) H(nat_transparency) H(nat_keepalive) H(aggressive_mode) H(isakmp_identity) H(domain_name) H(keyring) H(ring_key) H(local_address) H(isakmp_text) \
    H(isakmp_profile) H(prof_keyring) H(prof_trust) H(prof_match) H(prof_self) H(prof_keepalive) H(prof_initiate) \
    H(set_isakmp_profile) H(session_key) H(isakmp_peer) H(peer_password) H(peer_endpoint) H(map_isakmp_profile) \
    H(ospf_network) H(ospf_keep) H(acl_ipv6) H(ace) H(ace_remark)                                    \
    H(trustpoint) H(tp_enroll) H(tp_subject) H(tp_fqdn) H(tp_ip) H(tp_revocation) H(tp_keypair) H(tp_url) \
    H(tp_keep) H(cert_chain) H(certificate) H(pki_authenticate) H(pki_enroll) H(pki_import) H(pki_import_pem)         \
    H(crl_request) H(key_generate) H(key_import) H(key_zeroize) \
    H(client_group) H(group_key) H(group_name) H(group_addr) H(group_banner) H(group_flag) H(group_max) H(local_pool) \
    H(client) H(dynamic_map) H(map_dynamic) H(reverse_route)
#define H(name) bool cfg_##name(struct cfg *k, const struct match *m);
CFG_HANDLERS(H)
#undef H

/* cfg_key_text: the pre-shared key of a line, opened. False: it cannot be read here. */
bool cfg_key_text(struct cfg *k, const struct match *m, const struct conf_key *of, char out[SECRET_MAX + 1]);
/* cfg_key_word: the same of the argument arg with the type `type`. */
bool cfg_key_word(struct cfg *k, const struct match *m, const char *arg, const char *type,
                  const struct conf_key *of, char out[SECRET_MAX + 1]);
/* cmd_conf_manual.c: what the lines of other files ask about an entry with manual keys. cfg_map_kind: the entry is, or may
 * become, what the line says. cfg_manual_sets: these transform sets go with it and its keys. cfg_manual_refuses: what only
 * IKE's entries have; true: the line is refused. cfg_manual_whose: what binds an encrypted key to its place, as a conf_key. */
bool cfg_map_kind(struct cfg *k, const struct match *m, struct conf_map_entry *e, bool is_new);
bool cfg_manual_sets(struct cfg *k, const struct match *m, const char *const *sets, u8 num);
bool cfg_manual_refuses(struct cfg *k, const struct match *m);
void cfg_manual_whose(struct conf_key *out, const struct conf *c, const struct conf_map_entry *e, enum conf_way way, bool ah,
                      bool auth, u32 spi);
/* cli_key_purpose: what binds an encrypted key to its peer. Returns out. */
enum { KEY_PURPOSE = PREFIX_STR + CONF_NAME };
const char *cli_key_purpose(char out[KEY_PURPOSE], const struct conf_key *of);

/* ---- exec handlers (cmd_show.c, cmd_exec.c) ---- */
#define EXEC_HANDLERS(H)                                                                           \
    H(show_isakmp_sa)                                                                              \
    H(show_isakmp_policy) H(show_isakmp_peers) H(show_isakmp_key) H(show_ipsec_sa)                 \
        H(show_transform_set) H(show_profile) H(show_session) H(show_map) H(show_interfaces)       \
            H(show_ip_brief) H(show_running) H(show_startup) H(show_version) H(show_logging)       \
                H(show_clock) H(show_debugging) H(show_privilege) H(show_ospf) H(show_drops)       \
                    H(show_ip_route) H(show_access_lists) H(clear_sa) H(clear_isakmp)              \
                        H(clear_session) H(clear_counters) H(ping) H(debug) H(undebug_all)         \
                            H(terminal) H(enable) H(disable) H(configure) H(write) H(copy) H(exit) \
                                H(end) H(keylog) H(show_keys) H(show_history) H(show_holes)        \
                                    H(clear_holes) H(clear_unfinished) \
    H(show_pki_certs) H(show_pki_trustpoints) H(show_mypubkey) H(show_dynamic) H(show_pools)
/* running_pki.c: key pairs are not printed. */
void cli_running_pki(struct strbuf *out, const struct conf *c);
/* cli_der: DER as IOS prints it, eight groups of four bytes a line. */
void cli_der(struct strbuf *out, const u8 *der, size_t len);

#define H(name) bool exec_##name(struct session *s, const struct match *m);
EXEC_HANDLERS(H)
#undef H

#endif
