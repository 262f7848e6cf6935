/*
 * router_int.h: one router as the files of sys/ share it.
 */
#ifndef ADIT_SYS_ROUTER_INT_H
#define ADIT_SYS_ROUTER_INT_H

#include "cli/cli.h"
#include "steer/steer.h"
#include "sys/dns.h"
#include "sys/plan.h"
#include "sys/sys.h"
#include "sys/value.h"

#include <uv.h>

/* ---- children (proc.c) ---- */

/* One running process with its handles; lives until libuv has given both back, the child may run again by then. */
struct life {
    struct child *c; /* borrowed; NULL: nobody cares any more how it ends */
    uv_process_t proc;
    uv_poll_t poll;
    uv_poll_cb on_channel; /* proc.c: the channel has values, or room */
    unsigned handles;      /* open ones */
};
struct child {
    struct router *r; /* borrowed: it owns the child */
    enum child_id id;
    const char *name;
    struct life *life; /* owned: the process that runs; NULL: none */
    uv_timer_t again;  /* delayed start after a quick death */
    int chan;          /* our end, -1: not running */
    struct outbox out; /* what it has no room for now */
    bool closing;      /* nothing follows what waits: then our end says so */
    u64 started_ms;
    u32 starts;
    u64 refused[VALUE_NUM]; /* values of its that were not taken, by enum value_fault */
    u64 blamed_ms;          /* since when `blame` adds up (proc.c) */
    unsigned blame;
};
/* child_start: spawns it and gives it what it needs (ports, configuration); logs when it cannot. */
void child_start(struct child *c);
/* child_end: it is told that the router ends (ike tells its peers) and ends by itself; child_kill: it ends now. With
 * router.ending set it is not started again. */
void child_end(struct child *c);
void child_kill(struct child *c);
/* child_send_dp / _ike: one value, kept until the child has room for it; a child that is not there is fine (it gets
 * everything when it starts), and one that takes nothing at all any more is given up. */
void child_send_dp(struct router *r, const struct dp_msg *m, int fd);
void child_send_ike(struct router *r, const struct ike_msg *m, int fd);
/* child_send_generation: a configuration, so; which: OUTBOX_NEWEST or OUTBOX_KEPT. */
void child_send_generation(struct router *r, enum child_id id, u64 number, int fd,
                           enum outbox_value which);
/* router_send_masks: which events and keys they tell. */
void router_send_masks(struct router *r);
/* child_link_peers: a new channel between ike and dp, when both run. */
void child_link_peers(struct router *r);
/* child_flush: to be called when its channel has room. */
void child_flush(struct child *c);
/* child_give_up: it is ended, and started again like one that died by itself. */
void child_give_up(struct child *c);
/* child_ask: a question without a value, sent without waiting. False: it does not run or takes nothing now. */
bool child_ask(struct child *c, u32 what, u32 tag);

/* ---- questions (ask.c) ---- */

struct answer {
    void *items; /* owned by ask.c; who takes them sets this to NULL */
    size_t num;
    bool whole; /* false: no answer in time, or the process died; items are what came until then */
};
typedef void (*answer_fn)(void *ctx, struct answer *a);
void ask_init(struct router *r);
/* ask: a question (DP_GET_*, IKE_GET_*); got is called once, later, never before ask returns: items are the values of the
 * answers (struct dp_sa_info for DP_GET_SAS, ...), each checked by value.c. */
void ask(struct router *r, enum child_id id, u32 what, answer_fn got, void *ctx);
/* ask_cancel: whoever asked with this ctx will not be called. */
void ask_cancel(struct router *r, const void *ctx);
/* ask_lost: the child has died with its answers. */
void ask_lost(struct router *r, enum child_id id);
/* ask_value: a checked value that is no event: VALUE_FINE when a question wanted it. */
enum value_fault ask_value(struct router *r, enum child_id id, u32 type, u32 tag,
                           const void *value);

/* ---- looks (look.c) ---- */

/* look_start: session_look is called with a snapshot, later. look_stop: not any more. */
void look_start(struct router *r, struct session *s);
void look_stop(struct router *r, const struct session *s);

/* ---- the log (logbook.c) ---- */

enum { LOG_BUFFER = 64 * 1024 };
struct logbook {
    struct router *r;
    FILE *file; /* owned; NULL: none */
    char *ring; /* owned: the last lines, whole */
    size_t len;
};
void logbook_open(struct logbook *l, struct router *r, const char *path);
void logbook_close(struct logbook *l);
/* logbook_event: renders one record to file, buffer and monitoring sessions. */
void logbook_event(struct logbook *l, const struct ev_rec *rec);

/* ---- the router (router.c) ---- */

struct flow_key {
    struct flow_key *next, *same; /* same: of the same hash */
    u32 id;
    char *key; /* owned */
};
/* A port that dp holds, kept for a new dp. */
struct router_port {
    int fd;    /* owned; -1: none */
    int index; /* of the TUN behind it, or of the link it is bound to; 0: neither */
    struct dp_port_value val;
};
/* The classifier on a map link. */
struct router_steer {
    u32 tun_out, tun_in; /* interface indexes it leads to */
    u32 ids[3];          /* its programs */
};
/* What a child was asked since it started, by tags; they only grow. */
struct asked {
    u32 last, done; /* asked last; answered to the end last */
    u32 late;       /* a question nobody waits for any more, that it answers now */
    u32 num;        /* values of that answer so far */
};
struct router {
    const struct router_options *opt;
    uv_loop_t loop;
    uv_signal_t sig_term, sig_int, sig_hup;
    uv_poll_t nl_poll;
    uv_timer_t settle; /* routes changed: derive again soon */
    struct env env;
    struct evlog log;
    struct logbook book;
    struct kern *kern;
    struct conf *conf; /* owned */
    struct plan plan;  /* what holds now */
    struct plan offer; /* what dp and ike are being given */
    bool offered;
    u64 generation;                              /* the last number used */
    u64 given[CHILD_NUM], taken[CHILD_NUM];      /* numbers: given last, answered last */
    bool refused[CHILD_NUM];                     /* it did not take what it was given last */
    unsigned applied;                            /* plans that the kernel has followed */
    uv_timer_t look;                           /* at the kernel, now and then */
    uv_timer_t patience;                         /* with ike's answer */
    struct router_steer steer[DP_MAX_LINKS + 1]; /* by map link number */
    bool steer_tried;
    const char *steer_fault; /* why this kernel takes no classifier; NULL: it does */
    char map_link[DP_MAX_LINKS + 1][NL_NAME]; /* kernel links by number, "": free */
    struct child child[CHILD_NUM];
    u32 first_uid;         /* of the children: this and the next (identity.c) */
    int identity;          /* owned: holds these ids for us */
    int lock;              /* owned: the run directory is ours (claim.c) */
    unsigned running;      /* children that run */
    bool ending;           /* SIGTERM has come: nothing is started any more */
    struct list questions; /* struct question (ask.c) */
    struct list looks;     /* struct look (look.c) */
    struct list vtyshs;    /* struct vtysh (vtysh.c) */
    struct asked asked[CHILD_NUM];
    uv_timer_t ask_late;
    int udp[4]; /* 0.0.0.0:500, [::]:500, and the two at 4500; -1: not open */
    struct router_port port[DP_MAX_PORTS];
    u32 tag;
    unsigned
        answered; /* children that have taken their first configuration: bits of enum child_id */
    bool announced;
    u32 debug_mask;
    bool keylog;
    u64 started_ms;
    struct flow_key *flow_keys; /* owned */
    struct map flow_map;        /* their hashes */
    u32 next_flow;
    struct plan_list clients; /* struct plan_client by their places; of 0: free (client.c) */
    struct cli_host host;
    struct api *api;    /* owned */
    struct frr *frr;    /* owned */
    struct dns *dns;    /* owned */
    struct ping *ping;  /* the one that runs, owned */
    struct complaint *complaints; /* owned: those said once (complaint.c) */
    bool typed; /* lines were typed since the model was followed last */
    struct line *lines; /* owned: what was last said about each interface */
    enum { LINES_KNOWN, LINES_ASKED, LINES_AGAIN } lines_asked; /* line.c waits for dp's answer */
};
/* ---- follow.c ---- */
/* router_possible: this machine can do what the configuration asks for; half a protection would be worse than none. False:
 * out says what it cannot. */
bool router_possible(struct router *r, const struct conf *c, struct conf_finding *out);
/* router_apply: the configuration becomes a plan and the plan is offered; what cannot be is told, and what was stays. */
void router_apply(struct router *r);
/* router_taken: a child's answer to a generation: see plan_taken. False: nobody asked. */
NODISCARD bool router_taken(struct router *r, enum child_id id, u32 asked, u64 in_force);
void router_impatient(uv_timer_t *t); /* ike does not answer: go on without */
/* router_touch: something outside changed: soon apply again and look at the interfaces. */
void router_touch(struct router *r);
/* router_child_ready: a child has done all it was given; with the last one the router is ready to serve. */
void router_child_ready(struct router *r, enum child_id id);
void router_host(struct router *r); /* fills r->host (host.c) */

/* ---- client.c ---- */
/* router_client_want, _lost: what ike says of clients; the list is another one then, and the caller makes a plan of it. _settle: those that next has no flow
 * for are forgotten. */
enum value_fault router_client_want(struct router *r, const struct ike_want_value *v);
enum value_fault router_client_lost(struct router *r, u64 flow);
void router_clients_settle(struct router *r, const struct plan *next);

/* ---- names.c ---- */
void router_kernel_name(void *ctx, char out[16], const char *ifname);
/* router_names_fit: no two interfaces are one link. False: out says which is the second. */
NODISCARD bool router_names_fit(const struct router *r, const struct conf *c,
                                struct conf_finding *out);
void router_console_name(void *ctx, char out[CONF_IFNAME], const char *link);
u32 router_flow_id(void *ctx, const char *key);
u8 router_link_number(void *ctx, const char *link);

/* ---- complaint.c ---- */
void apply_complain(struct router *r, const char *what, const char *which, const char *why);
/* apply_complain_once: not again while it is the same; why NULL: there is nothing to complain of any more. */
void apply_complain_once(struct router *r, const char *what, const char *which, const char *why);
/* complaints_begin, complaints_end: what is not complained of again between them has no subject any more. */
void complaints_begin(struct router *r, const char *what);
void complaints_end(struct router *r, const char *what);
void complaints_free(struct router *r);

/* ---- apply.c ---- */
/* How far an offered plan is. */
enum plan_state {
    PLAN_UNASKED, /* that answer is to no question */
    PLAN_WAITS,   /* for dp, or nothing is offered */
    PLAN_NO_IKE,  /* dp protects by it, ike has not answered */
    PLAN_READY    /* both have it: plan_take */
};
/* plan_offer: next (owned from now on) is given to dp and ike; another one that they have not taken yet is given up. */
enum plan_state plan_offer(struct router *r, struct plan *next);
/* plan_taken: a child's answer: it was asked to take one generation, and this one is in force. */
enum plan_state plan_taken(struct router *r, enum child_id id, u32 asked, u64 in_force);
enum plan_state plan_offered(const struct router *r); /* how far it is */
/* plan_take: the kernel follows; the offered plan is what holds. */
void plan_take(struct router *r);
void plan_insist(struct router *r); /* what a child that runs has refused is given to it again */
/* Everything once more, for a child that has just started. */
void plan_give_dp(struct router *r);
void plan_give_ike(struct router *r, bool restarted);

/* ---- apply_port.c ---- */
/* ports_open: what next has and is not open, or was deleted by hand. */
void ports_open(struct router *r, const struct plan *next);
void ports_close(struct router *r, const struct plan *next); /* what next has not */
void ports_give(struct router *r);                           /* all of them, to a new dp */
void ports_free(struct router *r);

/* ---- line.c ---- */
/* line_check: looks at every interface and says what changed, at once or when dp has told of its SAs. */
void line_check(struct router *r);
/* line_needs_sa: the line of some interface is up only while it has SAs (an ipsec tunnel). */
bool line_needs_sa(const struct router *r);
void line_free(struct router *r);

/* ---- frr.c ---- */
struct frr *frr_new(struct router *r);
/* frr_offer: what FRR shall run on when the plan made of c is in force. frr_take: it is: the daemons are started, told
 * the changed lines, or ended. */
void frr_offer(struct frr *f, const struct conf *c);
void frr_take(struct frr *f);
/* frr_free: ends the daemons; the memory stays the loop's until it is closed, then free it. */
void frr_free(struct frr *f);
/* frr_vtysh: asks FRR; session_vtysh is called later with what it said. False: it does not run. */
bool frr_vtysh(struct frr *f, struct session *s, const char *command);

/* ---- vtysh.c ---- */
bool vtysh_start(struct router *r, struct session *s, const char *dir, const char *command);
/* vtysh_stop: the session goes; what FRR still says is nobody's. */
void vtysh_stop(struct router *r, const struct session *s);

/* ---- ping.c ---- */
bool ping_start(struct router *r, struct session *s, const struct cli_ping *p,
                struct strbuf *error);
void ping_stop(struct router *r, struct session *s);

/* ---- startup.c ---- */

/* startup_text: the configuration to start with, malloced, and where it is from: the operator's file, or what was saved from
 * it. NULL: the file cannot be read, errno says why. say: one line on standard error when something was saved. */
char *startup_text(struct router *r, const char **out_from, bool say);
/* startup_save: what `write memory` does, the master key first. startup_save_file: `write file`, with a backup and the comments; where: what was
 * written, or why not. */
NODISCARD bool startup_save(struct router *r, const char *text);
NODISCARD bool startup_save_file(struct router *r, const char *text, struct strbuf *where);
/* startup_loaded: the text that startup_text gave is a configuration and in force from now on: what was saved from an earlier
 * text of the operator's file is set aside. */
void startup_loaded(struct router *r, const char *from);
/* startup_master: the saved master keys into the model, empty when there are none. startup_keep_master: saves the model's if they
 * are new; false: it cannot, and that was logged. */
void startup_master(struct router *r, struct conf *c);
bool startup_keep_master(struct router *r);

/* startup_write: a text of the state directory, mode 0600, whole or not at all. False: errno says why. */
NODISCARD bool startup_write(const char *path, const char *text);

/* ---- keystore.c ---- */

/* keystore_read: the saved private keys into the model. keystore_keep: makes those that a file asks for, and saves the model's if they
 * are other ones; false: it cannot, and that was logged. */
void keystore_read(struct router *r, struct conf *c);
bool keystore_keep(struct router *r);

/* ---- claim.c ---- */

/* claim_dir: makes the directory and locks it. Returns the lock, owned by the caller; -1: another router has it or it
 * cannot be made, and that was said on standard error. */
NODISCARD int claim_dir(const char *dir);
/* natt_open: a socket at UDP port 4500, ike's or (esp) dp's; -1 and errno. */
int natt_open(u8 family, bool esp);
/* claim_port_holder: "process 123 (aditd)" for whoever has the UDP port. */
void claim_port_holder(char out[128], u16 port);
/* claim_end: gives the lock back; remove: the directory goes too. */
void claim_end(const char *dir, int fd, bool remove);

/* ---- api.c ---- */
struct api *api_new(struct router *r, const char *path);
void api_free(struct api *a);
/* api_conf_replaced: there is another model; sessions forget what they held of the old one. */
void api_conf_replaced(struct api *a);
/* api_monitor: a line for every session with `terminal monitor`. */
void api_monitor(struct api *a, const char *text);

#endif
