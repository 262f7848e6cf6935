/*
 * cli: the console as its neighbours see it: reading IOS configurations into the model, printing the model, and
 * sessions that answer command lines. It never touches a socket, the kernel or a process: what it needs of the
 * living router it asks of struct cli_host, which sys provides (and tests fake). grammar.c is THE MAP: every
 * command is one row there.
 */
#ifndef ADIT_CLI_H
#define ADIT_CLI_H

#include "conf/conf.h"
#include "dp/dp.h"
#include "event/event.h"
#include "ike/ike.h"

/* ---- configurations ---------------------------------------------------------------------------- */

/* cli_load: reads a whole IOS configuration into c. On errors returns false and errors holds, for each,
 * "file:line:column: error: ...", the line and a caret; c is then of no use. What a console would be told of lines that
 * are no errors is not told: conf_audit says what holds in the end. */
NODISCARD bool cli_load(struct conf *c, const char *file, const char *text, struct strbuf *errors);
/* cli_keep_comments: text with the comments of before, each above the line it stood above; those whose line has gone
 * stand at the end (running.c prints none itself). */
void cli_keep_comments(struct strbuf *out, const char *text, const char *before);
/* cli_read_file: the whole file as text, malloced; NULL: errno says why. */
char *cli_read_file(const char *path);
/* cli_running: the model as an IOS configuration; loading it again gives the same model. */
void cli_running(struct strbuf *out, const struct conf *c);
/* cli_grammar_release: gives the compiled commands back (leak checks). */
void cli_grammar_release(void);

/* ---- the living router, as sessions see it -------------------------------------------------------- */

/* The state of one link as the kernel tells it. */
struct cli_link {
    char name[CONF_IFNAME]; /* console name */
    bool exists, admin_up, carrier;
    u32 mtu;
    u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rx_errors, tx_errors, rx_drops, tx_drops;
    u8 mac[6];
};
struct cli_flow { /* a flow of the running plan */
    u32 id;
    char map[CONF_NAME], iface[CONF_IFNAME], acl[CONF_NAME];
    u32 seq;
    struct addr local, peer;
    struct selector sel;
    char dynamic[CONF_NAME];  /* a client's: the dynamic map it was made of; "": none */
    u32 dynamic_seq;
    u16 mtu;                  /* of the egress link */
    char mtu_if[CONF_IFNAME]; /* its console name */
};
struct cli_refused { /* values of a child that main did not take */
    const char *who, *why;
    u64 count;
};
struct cli_snapshot { /* one look at ike and dp */
    struct ike_sa_info *sas;
    struct ike_child_info *children;
    struct ike_flow_info *ike_flows;
    struct dp_sa_info *dp_sas;
    struct dp_flow_info *dp_flows;
    struct dp_tunnel_info *tunnels;
    struct dp_drop_info *drops;
    struct ike_calls_info *calls;     /* one */
    struct dp_count_info *ike_counts; /* of ike's events */
    struct cli_flow *flows;
    size_t num_sas, num_children, num_ike_flows, num_dp_sas, num_dp_flows, num_tunnels, num_drops,
        num_flows, num_ike_counts, num_calls;
    struct cli_refused refused[16];
    size_t num_refused;
    const char *error; /* a process did not answer; NULL: all did */
};
struct session;
struct cli_ping {
    struct addr dst, src; /* src AF_NONE: by route */
    u32 count, size, timeout_ms;
    bool df;
};
struct cli_host {
    void *ctx;
    struct conf *(*conf)(void *ctx);
    /* The model was edited: make it so. who: "console"; problems are logged as events. */
    void (*apply)(void *ctx);
    void (*configured)(void *ctx, const char *from, const char *who); /* left configuration mode */
    void (*unfinished)(void *ctx); /* a console hung up while what crypto maps cover was being changed */
    /* possible: this machine can do what the model says. False: out says what it cannot. */
    bool (*possible)(void *ctx, const struct conf *c, struct conf_finding *out);
    bool (*save)(void *ctx, const char *text); /* write memory: the router's own startup file */
    /* save_file: write file: the operator's file, a backup beside it; where: what was written, or why not. */
    bool (*save_file)(void *ctx, const char *text, struct strbuf *where);
    char *(*startup)(void *ctx);                                      /* malloced; NULL: none */
    /* look: session_look is called with a snapshot, now or later. look_stop: it is not called any more. */
    void (*look)(void *ctx, struct session *s);
    void (*look_stop)(void *ctx, struct session *s);
    bool (*link)(void *ctx, const char *ifname, struct cli_link *out);
    /* route: egress interface (console name) and gateway towards dst. */
    bool (*route)(void *ctx, const struct addr *dst, char out_if[CONF_IFNAME], struct addr *out_gw);
    u32 (*debug)(void *ctx); /* event categories being debugged */
    void (*set_debug)(void *ctx, u32 mask);
    void (*clear)(void *ctx, enum ike_msg_type what, const struct ike_clear_value *v);
    void (*clear_counters)(void *ctx, u32 flow);
    /* ping: starts; output goes to session_output, its end to session_ready. False: one runs already. */
    bool (*ping)(void *ctx, struct session *s, const struct cli_ping *p, struct strbuf *error);
    void (*ping_stop)(void *ctx, struct session *s);
    /* vtysh: asks FRR; session_vtysh is called later. False: it does not run. vtysh_stop: not called any more. */
    bool (*vtysh)(void *ctx, struct session *s, const char *command);
    void (*vtysh_stop)(void *ctx, struct session *s);
    u64 (*uptime_s)(void *ctx);
    const char *(*log)(void *ctx); /* the buffered log */
    bool (*set_keylog)(void *ctx, bool on);
    bool (*keylog)(void *ctx); /* is it on? */
    /* each_hole: the kernel's blackholes behind protected tunnels; learned: by a routing protocol, of which clear_holes forgets those
     * of net (NULL: all). Returns how many; those that a route still leads to come back at once. */
    void (*each_hole)(void *ctx,
                      void (*fn)(void *arg, const struct prefix *net, u32 tunnel, bool learned),
                      void *arg);
    unsigned (*clear_holes)(void *ctx, const struct prefix *net);
};

/* cli_if_line: is that interface up? snap: of it the flows and dp's SAs are looked at, and only if cli_if_needs_sa. */
struct cli_if_line {
    const char *state; /* "up", "down", "administratively down" */
    bool up;           /* the line protocol */
    bool recursive;    /* down, because the way to the tunnel's far end leads through the tunnel */
};
struct cli_if_line cli_if_line(const struct cli_host *h, const struct conf_if *i,
                               const struct cli_snapshot *snap);
bool cli_if_needs_sa(const struct conf_if *i);

/* ---- sessions ----------------------------------------------------------------------------------------- */

enum { CLI_OK = 0, CLI_ERROR = 1 };
/* session_new: out gets text as it comes (not terminated lines), done is called when a command has ended.
 * privileged: starts at the # prompt. */
struct session *session_new(const struct cli_host *host, void *ctx, bool privileged,
                            void (*out)(void *ctx, const char *text),
                            void (*done)(void *ctx, int status));
void session_free(struct session *s);
/* session_line: one command line. Calls done, now or later (ping, and all that looks at ike and dp). Only while the
 * session is not busy. */
void session_line(struct session *s, const char *line);
/* cli_may_hold_secret: a line that no history keeps: a word of it begins, shortened or not, what a secret follows. */
bool cli_may_hold_secret(const char *line);
/* session_prompt: "R1(config-if)#". Valid until the next call. */
const char *session_prompt(struct session *s);
/* session_help: what `?` shows after the partial line. session_complete: the line with its last word completed. */
void session_help(struct session *s, const char *line, struct strbuf *out);
void session_complete(struct session *s, const char *line, struct strbuf *out);
void session_break(struct session *s);          /* ^C */
bool session_busy(const struct session *s);     /* a command goes on */
bool session_pasting(const struct session *s); /* the next line is part of a certificate or key: not to be remembered */
bool session_monitors(const struct session *s); /* terminal monitor is on */
bool session_closed(const struct session *s);   /* exit was typed */
bool session_configuring(const struct session *s); /* in a configuration mode */
u32 session_length(const struct session *s);    /* terminal length */
/* session_conf_replaced: host->conf gives another model now; a submode's item went with the old one, so the session is
 * back in global configuration. */
void session_conf_replaced(struct session *s);
/* For the host: the snapshot, or FRR's answer, that a command has waited for (borrowed until it returns); text and end of a
 * command that went on after session_line. */
void session_look(struct session *s, const struct cli_snapshot *snap);
void session_vtysh(struct session *s, const char *text);
void session_output(struct session *s, const char *text);
void session_ready(struct session *s, int status);

/* cli_render_*: the show texts, from values alone (golden tests call them). */
struct cli_show {
    const struct conf *c;
    const struct cli_snapshot *snap;
    struct strbuf *out;
};
void cli_show_isakmp_sa(const struct cli_show *w);
void cli_show_isakmp_sa_detail(const struct cli_show *w);
void cli_show_admission(const struct cli_show *w);
void cli_show_isakmp_policy(const struct cli_show *w);
void cli_show_isakmp_peers(const struct cli_show *w);
void cli_show_isakmp_key(const struct cli_show *w);
void cli_show_ipsec_sa(const struct cli_show *w, const char *iface, const struct addr *peer,
                       const char *map, bool detail);
void cli_show_transform_set(const struct cli_show *w);
void cli_show_profile(const struct cli_show *w);
void cli_show_session(const struct cli_show *w, bool detail);
void cli_show_map(const struct cli_show *w);
/* cli_show_params: lifetimes, PFS and transform sets, each line behind indent. */
void cli_show_params(const struct cli_show *w, const struct conf_sa_params *p, const char *indent);

#endif
