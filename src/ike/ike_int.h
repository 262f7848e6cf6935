/*
 * ike_int.h: what the files of this folder share. The SA, its exchanges, the draft a handler writes, the rows of
 * the exchange tables. Only engine_commit (engine.c) writes struct sa_core, xch_head and xch_talk of a living SA.
 *
 * From the top down; a file calls only what stands below it (what must go up goes through the queue of todo.c):
 *
 *   ike.c       THE MAP: the walk of a message, the turn of the clock
 *   config.c    configuration generations                show.c  snapshots
 *   session.c   what follows: drains the queue; the clock of SAs and exchanges
 *   restart.c   taking over after a crash                flow.c  who wants a negotiation, and when
 *   initiator.c the exchanges we begin
 *   engine.c    row_find, open, row_check, engine_run, engine_commit, seal, send
 *   v1_table.c  the rows under the ladder of RFC 2409    v1_phase1.c v1_quick.c v1_info.c  their handlers
 *   auth.c auth_sig.c  proofs of identity           profile.c secret.c  isakmp profiles, pre-shared keys
 *   select.c    ISAKMP policies against offers           v1_proposal.c  transform sets against offers, proxy ids
 *   child.c     pairs of IPsec SAs                       sa_table.c  SAs, exchanges, far ends
 *   flow_table.c inherit.c spi.c  flows, SAs of a predecessor, SPIs as tables
 *   draft.c     what handlers write                      keys.c  SKEYID family, IVs, hashes, KEYMAT
 *   client.c    clients of dynamic crypto maps: what waits for its flow      admission.c  how many SAs there may be
 *   retrans.c   duplicates and retransmission            vendor.c natt.c  vendor ids, NAT traversal
 *   budget.c    what strangers may make us compute
 *   todo.c      the queue of consequences                report.c  failure lines, debug lines used by many
 */
#ifndef ADIT_IKE_INT_H
#define ADIT_IKE_INT_H

#include "ike/ike.h"
#include "ike/ike_conf.h"
#include "ike/limits.h"
#include "ike/reason.h"
#include "pki/pki.h"
#include "wire/isakmp.h"

/* ---- states (names as IOS debug prints them) ------------------------------------------------------ */
#define IKE_STATES(S)                                                                                                  \
    S(READY) S(I_AM1) S(R_AM2) S(I_MM1) S(I_MM2) S(I_MM3) S(I_MM4) S(I_MM5) S(I_MM6) S(R_MM1) S(R_MM2) S(R_MM3) S(R_MM4) S(R_MM5)        \
    S(CFG_READY) S(CFG_ASKED) S(CFG_DONE) S(P1_COMPLETE) S(QM_READY) S(QM_SPI_STARVE) S(QM_I_QM1) S(QM_R_QM2) S(QM_PHASE2_COMPLETE) S(NGM) S(INFO)
enum ike_state {
#define S(id) XS_##id,
    IKE_STATES(S)
#undef S
        XS_NUM
};
const char *ike_state_name(enum ike_state s);

/* ---- the parts of an SA that a draft copies --------------------------------------------------------- */

struct bytes_id { u16 len; u8 b[ISAKMP_ID_MAX]; };
struct bytes_nonce { u16 len; u8 b[ISAKMP_NONCE_MAX]; };
struct bytes_big { u16 len; u8 b[DH_MAX]; };
struct bytes_sa { u16 len; u8 b[2048]; };

enum vid_bit { VB_UNITY = 1, VB_DPD = 2, VB_XAUTH = 4, VB_FRAG = 8, VB_ADIT = 16, VB_NATT_V2 = 32, VB_NATT_V3 = 64,
               VB_NATT_V7 = 128, VB_NATT_RFC = 256, VB_STRONGSWAN = 512, VB_OPENSWAN = 1024, VB_LIBRESWAN = 2048,
               VB_RACOON = 4096, VB_OTHER = 8192 };

enum { NAT_US = 1, NAT_PEER = 2 };

/* How far phase 1 has come. Between AUTHED and READY stand exchanges of their own (extended authentication, mode
 * configuration); flows wait for READY. */
enum sa_phase { PHASE_HALF /* no keys yet */, PHASE_KEYED, PHASE_AUTHED, PHASE_READY };

/* Extended authentication: not wanted; we are to ask; we have asked; the user was the right one, or not (told to it next);
 * it knows; and of a client: the gateway will ask. */
enum xauth { XAUTH_NONE, XAUTH_WANTED, XAUTH_ASKED, XAUTH_RIGHT, XAUTH_WRONG, XAUTH_DONE, XAUTH_CLIENT };
/* A configuration that is pushed: not; we have sent it; its far end, or we, took it; or did not. */
enum push { PUSH_NONE, PUSH_SENT, PUSH_TAKEN, PUSH_REFUSED };

/* What phase 1 agreed. */
struct sa_core {
    u8 cookie_i[8], cookie_r[8];
    bool initiator;
    u8 phase;      /* enum sa_phase */
    u8 encr, hash; /* enum encr_id, hash_id */
    u8 nat;        /* NAT_ bits: in front of whom one stands */
    bool frag;     /* both take messages in pieces (frag.c) */
    u16 natt;      /* what both speak of NAT traversal: one of enum vid_bit, 0: nothing */
    u16 auth, group;
    u32 conn_id, policy, life_s, vids;
    struct secret skeyid, skeyid_d, skeyid_a, skeyid_e, key;
    struct bytes_id peer_id; /* body of the peer's ID payload */
    char peer_name[IKE_ID_TEXT]; /* the same as text */
    char profile[IKE_NAME];      /* the isakmp profile it belongs to, "": none */
    u8 xauth, push;              /* enum xauth, enum push */
    char user[IKE_ID_TEXT];      /* who proved himself by it */
    struct addr client;          /* the address we gave to it, or, we began, it to us; AF_NONE: none */
    u64 authed_ms;           /* env time, 0 before PHASE_AUTHED */
};
/* What one exchange has learnt, and still needs when it is over. The IV is here: of phase 1 while it runs, then the base for
 * phase 2's. */
struct xch_head {
    u8 state; /* enum ike_state */
    u8 exchange;
    bool initiator;
    u32 msgid;
    struct secret iv;
    u32 asked; /* bit per trustpoint whose certificate the peer has asked for */
    /* quick mode */
    u32 flow, spi_in, spi_out; /* of ESP, or of AH alone */
    u32 ah_in, ah_out;         /* of the AH around ESP, 0: none */
    u8 encr, auth, ah, mode, comp; /* as in struct ike_transform */
    bool esn;
    u16 cpi_in, cpi_out; /* with comp (RFC 3173 3.3) */
    u16 group;
    u32 life_s;
    u64 life_kb;
    u32 peer_life_s; /* the offer's, when it was longer than ours */
    struct selector sel;
    u16 replay_window; /* the flow's, for ADD_SA */
};
/* What nobody needs any more when it is over: 6 KB, wiped and freed then (xch_wipe). */
struct xch_talk {
    struct bytes_nonce ni, nr;
    struct bytes_big gi, gr, gxy; /* gxy is secret */
    struct bytes_sa sa_i;         /* the initiator's SA payload body */
    struct bytes_id idi, idr;     /* bodies of the ID payloads */
};
/* Both, as drafts have them. */
struct xch_core { /* the second name is none: the same by its members' names alone (-fms-extensions) */
    union { struct xch_head head; struct xch_head; };
    union { struct xch_talk talk; struct xch_talk; };
};

/* ---- exchanges and SAs ------------------------------------------------------------------------------- */

enum budget { BUDGET_FIRST /* answers to first messages of aggressive mode */, BUDGET_PASSWORD, BUDGET_NUM };
struct retrans {
    u8 seen[SEEN_HASHES][32]; /* hashes of accepted datagrams, newest first */
    unsigned num_seen;
    u8 *tx; /* owned: the last datagram sent in this exchange */
    size_t tx_len;
    u64 next_ms; /* 0: not armed */
    unsigned sent;
    u64 resent_ms;
};
/* When something is due (timer.c); part of what it is about. */
enum timer_kind { TIMER_SA, TIMER_XCH, TIMER_CHILD, TIMER_FLOW, TIMER_OLD, TIMER_HALF_OPEN,
                  TIMER_MET, TIMER_LIVE, TIMER_NATT, TIMER_RESTART };
struct timer {
    u64 at_ms;
    u32 pos; /* 1 + its place in the heap, 0: not set */
    u8 kind; /* enum timer_kind */
};

struct xch {
    struct list link; /* in ike_sa.nodes; the main exchange is not listed */
    struct ike_sa *sa; /* borrowed: whose it is */
    struct timer timer;
    struct xch_head c;
    struct xch_talk *talk; /* owned, secret; NULL: nothing committed yet, or it is over */
    struct retrans rt;
    struct dh *dh; /* owned */
    u64 born_ms, gone_ms; /* gone: when it may be forgotten, 0 = while it runs */
    u32 child;            /* number of the pair it made, 0 */
};
/* As what crypto call admission counts an SA: not, one of ours that is not ready, one that stands. */
enum counted { COUNTED_NOT, COUNTED_OURS, COUNTED_ACTIVE };
struct ike_sa {
    struct list link, peer_link, guest_link; /* in ike.sas, peer->sas, ike.guests once linked */
    struct list half_link;  /* a guest: among those of half */
    struct half_open *half; /* borrowed: what it came from, NULL when it is no guest (any more) */
    u64 keyed_ms;           /* a guest since */
    bool linked;
    u8 counted; /* as what, in ike.calls: enum counted */
    bool known; /* linked, or a half-open one that came back: what is said about it is said once */
    struct timer timer;
    u32 number; /* ours, never reused */
    struct endpoint local, remote;
    const struct version_ops *version;
    struct sa_core c;
    struct xch main;
    struct list nodes;
    struct ike_peer *peer; /* held: counted in peer->ike_refs */
    u64 born_ms, expire_ms, rekey_ms;
    bool deleted;
    u64 gone_ms;      /* when a deleted SA leaves the list */
    u64 logged;       /* bit per reason already logged for this SA */
    char fail[160];
    u32 *msgids; /* owned: all message ids the peer has used, an open table */
    u32 num_msgids, cap_msgids, next_msgid;
    bool spent_told; /* TODO_P1_SPENT was pushed */
    bool wrong_said; /* that its user is not the right one */
    bool greeted;    /* INITIAL-CONTACT came, and its user has still to prove himself */
    u32 wrong;    /* messages refused, those forgotten again taken off (engine.c) */
    u64 wrong_ms; /* when that was */
    struct {
        struct timer timer;
        u32 seq, sent; /* sent: R-U-THERE without an answer yet */
    } live; /* live.c */
    struct timer natt_timer; /* the next keepalive */
    bool natt_armed;
    u32 flow; /* initiator: the flow that wanted it */
};
/* A far end, by address (peer.c). */
struct ike_peer {
    struct list link;            /* in ike.peers */
    struct list sas, children, flows; /* of struct ike_sa, child, flow_ref */
    struct endpoint local, remote;
    u32 number; /* as IOS counts them; 0: only configured */
    u32 ike_refs, ipsec_refs, num_children, num_up, num_old;
    bool contacted; /* an authenticated SA with it has existed since we started, or since it was found dead */
    u64 renewed_ms;     /* when its pairs were last made anew because it had deleted the ISAKMP SA, 0: never */
    u64 unknown_spi_ms; /* when an SPI of its that we do not know made us do something, 0: never */
};
struct child {
    struct list link, peer_link, flow_link;
    struct ike_peer *peer; /* borrowed: lives as long as this */
    struct flow *of;       /* borrowed: lives as long as this, NULL: none */
    struct timer timer;
    u32 number, flow, spi_in, spi_out, ah_in, ah_out, conn_in, isakmp_conn; /* as in struct xch_head */
    u8 encr, auth, ah, mode, comp;
    u16 cpi_in, cpi_out;
    bool esn, initiator, in_up, out_up, closing, said; /* said: Delete was said */
    bool heard_gone; /* the peer said it */
    u8 silent;       /* how often in a row nothing was said to come back by it; at most 2 */
    bool udp;        /* in UDP (RFC 3948), from local's to remote's port */
    u64 who;         /* sa_who of the ISAKMP SA it was made on */
    struct selector sel;
    struct endpoint local, remote;
    u64 started_ms, up_ms, soft_ms, hard_ms, delete_ms; /* 0: not */
};
enum flow_state { FLOW_IDLE, FLOW_P1 /* waits for an ISAKMP SA */, FLOW_QM /* our quick mode runs */ };
struct flow_ref { /* a flow at one of its peers */
    struct list link;
    struct flow *flow;
    struct ike_peer *peer; /* NULL: any peer */
};
struct flow {
    struct list link;
    struct flow_ref at_peer[IKE_MAX_PEERS];
    struct list children, old_sas;
    u32 num_children;
    struct timer timer;
    struct ike_flow_value v;
    unsigned peer; /* index of the peer in use */
    u8 state;      /* enum flow_state */
    bool rekey;    /* what is or will be tried is tried although a pair is up */
    u64 next_ms;   /* backoff: when to try again, 0 = not planned */
    u64 hold_ms, probe_ms; /* no packet brings it up before hold; last probe by quick mode */
    u64 who, stay_ms;      /* a client's: who had its last pair (sa_who; 0: it took the pair away itself); how long it stays without */
    struct addr at;        /* from where */
    u32 backoff_ms, attempts, failures;
    char last_error[192];
    bool keep; /* seen in the new generation */
};
struct old_sa { /* what dp held when we started */
    struct list link, flow_link;
    struct ike_peer *peer;
    struct flow *flow; /* NULL: none */
    struct timer timer;
    struct dp_sa_value sa;
};
struct grave {
    u32 spi;
    struct addr peer;
};
struct said {
    u64 key, until_ms;
};
struct half_open; /* half_open.c */

/* What has to follow from what just happened (todo.c). */
enum todo_kind {
    TODO_SA_ENDED,   /* sa; flag: say Delete */
    TODO_P1_UP,      /* sa */
    TODO_P1_SPENT,   /* sa: it has no more room for message ids soon */
    TODO_XAUTH,      /* sa: extended authentication goes on */
    TODO_READY,      /* sa: it has ended well */
    TODO_CONTACT,    /* sa: the peer said INITIAL-CONTACT */
    TODO_MOVED,      /* sa: it speaks from elsewhere now; before that from remote, port type */
    TODO_NOTIFY,     /* sa: say type about the SPI it proposed; flag: about the ISAKMP SA itself */
    TODO_PAIR_UP,    /* flow */
    TODO_PAIR_LOST,  /* flow */
    TODO_QUICK_DONE, /* flow; flag: we began it */
    TODO_QUICK_LOST, /* flow, child (half a pair), why; flag: its SA went away under it */
    TODO_WANT,       /* flow; flag: although a pair is up */
    TODO_DELETE_SPI, /* local, remote, who, spi: say Delete */
    TODO_PAIR_REFUSED, /* child; type: enum dp_dir of the half the data plane did not take */
    /* said by the peer, proved by a hash */
    TODO_HEARD_ERROR,     /* sa, type, spi */
    TODO_HEARD_GONE,      /* sa, spi: its inbound SA is no more; flag: it did not say Delete */
    TODO_HEARD_DELETE_SA, /* sa, bytes: both cookies */
    TODO_HEARD_LIFETIME,  /* sa, spi, seconds */
    TODO_HEARD_THERE,     /* sa, seconds: R-U-THERE and its sequence number */
    TODO_HEARD_ACK,       /* sa, seconds: R-U-THERE-ACK and its sequence number */
};
struct todo {
    struct list link;
    enum todo_kind kind;
    bool flag;
    u16 type; /* enum isakmp_notify_type; TODO_DELETE_SPI: enum isakmp_proto */
    u32 sa, flow, child, spi, seconds;
    u64 who; /* sa_who, 0: not said */
    struct addr local, remote;
    u8 bytes[16];
    char why[192];
};

struct ike {
    struct ike_env env;
    const struct env *clock; /* &env.env */
    struct evlog *log;
    struct ike_conf *conf, *building; /* owned; building is NULL outside BEGIN..COMMIT */
    struct list sas, peers, children, flows, old_sas;
    struct list guests;    /* SAs we answer that have proved their address only, the oldest first */
    struct list half_open; /* of struct half_open, the oldest first */
    struct list met;       /* of struct half_open: those that have guests */
    struct list any_flows; /* of struct flow_ref: any peer */
    u8 seed[16];           /* of the keyed hashes */
    /* keys: our cookie; sa_first_key; number; peer_key; SPI (in); far end with SPI (out); proxy
     * identities */
    struct map sa_cookie, sa_first, sa_number, half_cookie, half_first, peer_map, child_number, child_in, child_out,
        old_in, old_out, flow_map, flow_proxy, grave_of, lease_map;
    struct list leases; /* lease.c */
    struct list parked; /* client.c */
    u32 num_parked;
    struct list frags;  /* frag.c */
    u16 frag_id;
    struct timer **heap; /* owned (timer.c) */
    size_t num_timers, cap_timers, half_bytes;
    struct timer half_timer;
    u32 num_guests;
    struct list todo; /* of struct todo */
    u32 next_conn, next_child_conn, next_number, num_half_open, num_old;
    bool ending; /* IKE_SHUTDOWN came */
    bool keylog, have_dp;
    bool asked_dp; /* we replace one that died: dp is or was to say which SAs it holds */
    bool dp_deaf;  /* and it could not be asked */
    u32 restart_tag; /* of the question that is open, 0: none */
    struct timer restart_timer; /* set while the answer is waited for */
    struct bucket { /* budget.c */
        u64 at_ms; /* 0: full */
        u32 thousandths;
    } budget[BUDGET_NUM][256], budget_all[BUDGET_NUM];
    u64 log_second, tell_second;
    unsigned log_used, tell_used;
    struct ike_calls_info calls; /* admission.c: of negotiating those that we began */
    bool guess_told; /* that aggressive mode gives pre-shared keys to guess at */
    struct grave graves[SPI_GRAVES]; /* inbound SPIs we deleted lately */
    struct said said[256];
    unsigned next_grave;
};

enum { NUM_MAPS = 15 };

/* ---- drafts and rows ----------------------------------------------------------------------------------- */

enum verdict { V_NEXT, V_REPLY_ERROR, V_WAIT, V_DROP, V_FAIL };
enum effect { EF_P1_DONE = 1, EF_INITIAL_CONTACT = 2, EF_INSTALL_IN = 4, EF_INSTALL_OUT = 8, EF_QM_DONE = 16,
              EF_INFO = 32, EF_XAUTH = 64, EF_READY = 128 };

/* What a handler decides. Copies of the cores, the answer under construction, effects for after the commit. */
struct draft {
    struct sa_core sa;
    struct xch_core x;
    struct endpoint local, remote; /* between which endpoints the SA speaks from the commit on */
    struct dh *dh; /* owned until commit */
    struct isakmp_out out;
    bool reply;
    bool hold;   /* phase 1 is done, but the SA is not ready: extended authentication comes first */
    bool proved; /* the hash of a phase 2 message was right */
    u32 effects;
    enum ike_reason why;
    char detail[256];
    u32 want;       /* V_WAIT: the template that x.sel fits; 0: none */
    u16 notify;     /* V_REPLY_ERROR: what to tell the peer */
    const struct isakmp_msg *m; /* borrowed: effects of an informational read it again */
    u8 buf[ISAKMP_MAX + 32];
};
struct row;
typedef enum verdict (*handler_fn)(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                                   struct draft *d);
typedef void (*answer_fn)(struct ike *ike, const struct ike_sa *sa, struct draft *d);
enum row_role { ROLE_I = 1, ROLE_R = 2, ROLE_ANY = 3 };
enum row_timer { TM_NONE, TM_RESEND /* until the peer answers */, TM_REPLY /* only when the peer repeats itself */ };
enum row_trace { TR_NONE, TR_MM, TR_MM_TIGHT, TR_AM, TR_QM_FIRST, TR_QM_LAST };
enum row_cover { IN_CLEAR = 1, ENCRYPTED = 2, EITHER = 3 };
enum row_proof { BY_ANY, BY_HASH, BY_SIG };
struct row {
    u8 state, role, exchange;
    u8 cover;               /* enum row_cover: how the message must come */
    u8 proof;               /* enum row_proof: of SAs whose ends prove themselves like that */
    u32 required, optional; /* PB_ bits */
    handler_fn handler;     /* reads the message, decides */
    answer_fn answer;       /* writes the reply into the draft; NULL: none */
    u8 mid, next;           /* state while handling (for the debug lines), state after */
    u8 phase;               /* how far phase 1 has come then; PHASE_HALF: where it was */
    u8 timer, trace;
    const char *story;
};
/* An exchange type: where it begins, and when. */
struct exchange {
    u8 type;
    bool phase1;             /* it makes the ISAKMP SA: message id 0, its state is the SA's */
    u8 begin_i, begin_r;     /* enum ike_state */
    u8 needs;                /* enum sa_phase: before that no encrypted message of it is looked at */
    enum ike_reason too_soon; /* what is said then */
};
/* What one version of IKE is to the engine: its tables, and how its messages are protected. */
struct version_ops {
    const struct row *rows;
    size_t num_rows;
    const struct exchange *exchanges;
    size_t num_exchanges;
    /* begin: the cipher state of an exchange the peer begins under the SA's keys. */
    void (*begin)(const struct ike_sa *sa, struct xch_head *x);
    /* open: decrypts the message (len bytes with its header, in place) with the state of the draft, which moves on. False:
     * why is in the draft. */
    bool (*open)(struct draft *d, u8 *msg, size_t len);
    /* decode: the payloads of an opened message; encrypted: it had been. False: why is in the draft. */
    bool (*decode)(struct draft *d, struct isakmp_msg *m, const struct isakmp_hdr *hdr, const u8 *msg, size_t len,
                   bool encrypted);
    /* seal: ends the draft's message: padding, length, encryption. False: it does not fit. */
    bool (*seal)(struct draft *d);
};
extern const struct version_ops ike_v1;
/* exchange_of: NULL: this version has no such exchange, or adit does not. */
const struct exchange *exchange_of(const struct version_ops *v, u8 type);

/* ---- functions, by file ---------------------------------------------------------------------------------- */

/* engine.c */
/* row_find: the row for a message of that exchange in that state; NULL: it has no place there. */
const struct row *row_find(const struct ike_sa *sa, u8 state, bool initiator, u8 exchange, bool encrypted);
/* A datagram that came in, without the marker of port 4500. */
struct datagram {
    const u8 *data;
    size_t len;
    struct endpoint from, to;
};
void engine_run(struct ike *ike, struct ike_sa *sa, const struct datagram *in, const struct isakmp_hdr *hdr);
/* engine_start: writes and sends the first message of an exchange of ours. write fills the draft. */
typedef bool (*start_fn)(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg);
bool engine_start(struct ike *ike, struct ike_sa *sa, struct xch *x, start_fn write, void *arg, u8 state,
                  enum row_timer timer);
/* engine_opens: the keys of an unfinished negotiation open that encrypted message; changes nothing, but one that they
 * do not open counts as wrong. */
bool engine_opens(struct ike *ike, struct ike_sa *sa, const u8 *data, size_t len, const struct isakmp_hdr *hdr);

/* todo.c */
struct todo *todo_push(struct ike *ike, enum todo_kind kind); /* owned by the queue; fill it at once */
void todo_flow(struct ike *ike, enum todo_kind kind, u32 flow);
void todo_want(struct ike *ike, u32 flow, bool rekey);
struct todo *todo_quick_lost(struct ike *ike, const struct ike_sa *sa, const struct xch *x, const char *why);
bool todo_pop(struct ike *ike, struct todo *out); /* the oldest; false: nothing is left */

/* session.c */
void session_settle(struct ike *ike);
void session_tick(struct ike *ike, u64 now); /* everything that is due */
void session_silent(struct ike *ike, const struct dp_life_value *l); /* DP_SILENT */
void session_idle(struct ike *ike, u32 flow);                        /* DP_IDLE */
void session_heard(struct ike *ike, const struct dp_life_value *l);  /* DP_HEARD */
void session_refused(struct ike *ike, const struct dp_expire_value *e); /* DP_SA_REFUSED */
void session_moved(struct ike *ike, const struct dp_moved_value *m);    /* DP_MOVED */
void session_shutdown(struct ike *ike);
void session_unknown_spi(struct ike *ike, const struct dp_unknown_spi_value *u);

/* draft.c */
void draft_init(struct draft *d, const struct ike_sa *sa, const struct xch *x);
void draft_free(struct draft *d); /* wipes it */
PRINTF_LIKE(3, 4) void draft_why(struct draft *d, enum ike_reason why, const char *fmt, ...);
void draft_hdr(struct draft *d, bool encrypted);
void draft_nonce(struct bytes_nonce *out, const struct isakmp_bytes *in);
/* draft_dh: our key pair of the group into d->dh; the randomness comes from env (law 7). */
bool draft_dh(struct ike *ike, struct draft *d, u16 group);
/* draft_agree: g^xy from the peer's KE payload into d->x.gxy. */
bool draft_agree(const struct dh *dh, const struct isakmp_msg *m, u16 group, struct draft *d);
void draft_bad_ke(const struct isakmp_msg *m, u16 group, struct draft *d);
/* draft_hash_is: the HASH payload of a phase 2 message is the wanted one (constant time). */
bool draft_hash_is(const struct isakmp_msg *m, const u8 *want, struct draft *d);
/* draft_begin_hashed: header and an empty HASH payload; returns where the hashed part starts. draft_end_hashed: fills it. */
size_t draft_begin_hashed(struct draft *d);
void draft_end_hashed(struct draft *d, size_t start, const struct bytes_nonce *ni);

/* retrans.c */
enum dup { DUP_NO, DUP_LAST, DUP_OLD };
void datagram_hash(u8 out[32], const u8 *data, size_t len);
enum dup retrans_check(struct retrans *rt, const u8 hash[32]);
void retrans_saw(struct retrans *rt, const u8 hash[32]);
void retrans_sent(struct ike *ike, struct retrans *rt, const u8 *data, size_t len, enum row_timer timer);
/* retrans_again: a duplicate came; true: answer it with rt->tx now (not too often: RESEND_MIN_MS). */
bool retrans_again(struct ike *ike, struct retrans *rt);
void retrans_free(struct retrans *rt);
/* retrans_due: true: send rt->tx again now; *out_spent: the tries are used up. */
bool retrans_due(struct ike *ike, struct retrans *rt, bool *out_spent);
/* retrans_budget_ms: how long an answer is waited for, all retransmissions together. */
u64 retrans_budget_ms(const struct ike *ike);

/* timer.c */
void timer_set(struct ike *ike, struct timer *t, u64 at_ms); /* 0: takes it back */
u64 timer_next_ms(const struct ike *ike);
struct timer *timer_due(struct ike *ike, u64 now); /* takes one that is due out; NULL: none */
u64 timer_sooner(u64 a, u64 b);                    /* 0: not planned */

/* peer.c */
u64 peer_key(const struct ike *ike, const struct addr *a, u32 more); /* keyed hash of both */
struct ike_peer *peer_find(const struct ike *ike, const struct addr *remote);
struct ike_peer *peer_at(struct ike *ike, const struct addr *remote); /* made when it is not there */
/* peer_hold: the same, held by an SA or a half-open one, with the debug lines of that. */
struct ike_peer *peer_hold(struct ike *ike, const struct endpoint *local, const struct endpoint *remote,
                           const char *who);
void peer_release(struct ike *ike, struct ike_peer *p); /* NULL is fine */
void peer_settle(struct ike *ike, struct ike_peer *p);  /* forgets it when nothing belongs to it any more */
u32 peer_handle(const struct ike_peer *p);

/* half_open.c */
struct half_open *half_open_find(const struct ike *ike, const struct isakmp_hdr *hdr, const struct endpoint *from);
/* half_open_keep: what message 3 will need of an SA whose first message was answered; the SA itself may go. */
void half_open_keep(struct ike *ike, struct ike_sa *sa);
/* half_open_resume: the SA as it was then, not linked; afterwards half_open_back (nothing came of it) or
 * half_open_guest (its address is proved, the SA is the caller's to link). */
struct ike_sa *half_open_resume(struct ike *ike, const struct half_open *h);
void half_open_back(struct ike *ike, struct half_open *h, struct ike_sa *sa);
void half_open_guest(struct ike *ike, struct half_open *h, struct ike_sa *sa);
bool half_open_pieces(const struct half_open *h); /* both ends take messages in pieces */
struct list *half_open_guests(struct half_open *h); /* of struct ike_sa (half_link), the oldest first */
/* half_open_full: there is no room for one more guest, and such a datagram would make one. */
bool half_open_full(const struct ike *ike, const struct half_open *h, const u8 hash[32]);
/* half_open_proved: the SA has: it is found by its cookies from now on, the other guests go, and what they came from. */
void half_open_proved(struct ike *ike, struct ike_sa *sa);
void half_open_left(struct ike *ike, struct half_open *h); /* a guest was freed; NULL is fine */
void half_open_tick(struct ike *ike, u64 now);
void half_open_due(struct ike *ike, struct timer *t); /* TIMER_MET */
void half_open_free(struct ike *ike);

/* sa_table.c */
struct ike_sa *sa_new(struct ike *ike, const struct endpoint *local, const struct endpoint *remote);
/* sa_link: an SA we answer is found by its number only until sa_findable. */
void sa_link(struct ike *ike, struct ike_sa *sa);
void sa_findable(struct ike *ike, struct ike_sa *sa); /* by its cookies */
void sa_free(struct ike *ike, struct ike_sa *sa);
void sa_count(struct ike *ike, struct ike_sa *sa); /* it may have become, or ceased to be, one that is counted */
void sa_arm(struct ike *ike, struct ike_sa *sa); /* its timer, after one of its times changed */
void sa_not_guest(struct ike *ike, struct ike_sa *sa);
u64 sa_half_open_end(const struct ike *ike, const struct ike_sa *sa);
u64 sa_first_key(const struct ike *ike, const u8 cookie_i[8], const struct endpoint *from);
struct ike_sa *sa_find(const struct ike *ike, const struct isakmp_hdr *hdr, const struct endpoint *from);
struct ike_sa *sa_by_number(const struct ike *ike, u32 number);
/* sa_usable: the newest authenticated SA with that address, local AF_NONE = any. */
struct ike_sa *sa_usable(const struct ike *ike, const struct addr *local, const struct addr *remote);
/* sa_under: the same, of that isakmp profile, "": any. */
struct ike_sa *sa_under(const struct ike *ike, const struct addr *local, const struct addr *remote, const char *profile);
/* sa_of_pair: the same with the far end of a pair: through a NAT there may be several at one address. */
struct ike_sa *sa_of_pair(const struct ike *ike, const struct child *c);
/* sa_speaking: the same, or one that has just ended and can still say Delete; who: sa_who of it, 0: whoever is there. */
struct ike_sa *sa_speaking(const struct ike *ike, const struct addr *local, const struct addr *remote, u64 who);
/* sa_negotiating: a phase 1 of ours that is under way and will serve such a flow. */
struct ike_sa *sa_negotiating(const struct ike *ike, const struct addr *local, const struct addr *remote,
                              const char *profile); /* NULL, "": any */
/* sa_serves: a flow with that local address (AF_NONE: any) may use the SA, or wait for it. */
bool sa_serves(const struct ike_sa *sa, const struct addr *local, const struct addr *remote);
/* sa_of_profile: it was made under that isakmp profile; NULL, "": any will do. */
static inline bool sa_of_profile(const struct ike_sa *sa, const char *profile)
{
    return !profile || !profile[0] || strcmp(sa->c.profile, profile) == 0;
}
bool sa_half_open(const struct ike_sa *sa); /* nobody has proved who he is, and it goes on */
/* sa_authed: the peer has proved who it is. sa_ready: and quick modes may run. Deleted ones too. */
static inline bool sa_authed(const struct ike_sa *sa)
{
    return sa->c.phase >= PHASE_AUTHED;
}
static inline bool sa_ready(const struct ike_sa *sa)
{
    return sa->c.phase == PHASE_READY;
}
/* sa_move: it speaks between these endpoints from now on; what goes by the old ones hears of it by the queue. */
void sa_move(struct ike *ike, struct ike_sa *sa, const struct endpoint *local, const struct endpoint *remote);
/* sa_who: a keyed hash of the identity, and of the user, that the peer has proved. core_who: the same of a core. */
u64 sa_who(const struct ike *ike, const struct ike_sa *sa);
u64 core_who(const struct ike *ike, const struct sa_core *c);
/* sa_delete: ends an SA; tell = say Delete. What hangs on it hears of it by the queue. It stays listed a minute. */
void sa_delete(struct ike *ike, struct ike_sa *sa, const char *reason, bool tell);
void sa_drop_secrets(struct ike *ike, struct ike_sa *sa); /* exchanges and keys */
void sa_send(struct ike *ike, const struct ike_sa *sa, const u8 *data, size_t len);
struct xch *xch_new(struct ike *ike, struct ike_sa *sa, const struct exchange *e, u32 msgid, bool initiator);
struct xch *xch_find(const struct ike_sa *sa, u32 msgid);
void xch_free(struct ike *ike, struct xch *x); /* also out of its list */
void xch_wipe(struct xch *x);
void xch_arm(struct ike *ike, struct xch *x);
/* msgid_new: one of ours, never the same twice in an SA. seen, remember: the peer's. */
u32 msgid_new(struct ike *ike, struct ike_sa *sa);
bool msgid_seen(const struct ike_sa *sa, u32 msgid);
void msgid_remember(struct ike_sa *sa, u32 msgid);
u32 sa_handle(const struct ike_sa *sa);
enum ike_show_state sa_show_state(const struct ike_sa *sa);
const char *sa_role(const struct ike_sa *sa);

/* Whom a key is for. */
struct far_end {
    struct addr local, addr;
    char name[IKE_ID_TEXT]; /* what it calls itself, where that is known before the keys; "": it is not */
    const char *keyring; /* borrowed: the only one that counts; NULL: any */
    const char *profile; /* borrowed: of an isakmp profile, "": none */
    bool we_begin, known; /* known: which profile it belongs to, or that it is of none */
};
/* far_end_of: of an SA, as far as its draft knows it. */
struct far_end far_end_of(const struct ike *ike, const struct ike_sa *sa, const struct sa_core *c);

/* keys.c: pure */
void keys_skeyid_psk(struct sa_core *sa, const struct secret *psk, const struct xch_core *x); /* SKEYID alone */
void keys_derive(struct sa_core *sa, const struct xch_core *x); /* SKEYID_d, _a, _e from SKEYID and g^xy */
bool keys_cipher(struct secret *out_key, enum encr_id encr, enum hash_id hash, const struct secret *skeyid_e);
void keys_iv_phase1(struct secret *out, const struct sa_core *sa, const struct xch_core *x);
void keys_iv_phase2(struct secret *out, const struct sa_core *sa, const struct secret *last, u32 msgid);
void keys_skeyid_sig(struct sa_core *sa, const struct xch_core *x); /* SKEYID alone, from nonces and g^xy */
void keys_hash_i(u8 *out, enum hash_id h, const struct sa_core *sa, const struct xch_core *x);
void keys_hash_r(u8 *out, enum hash_id h, const struct sa_core *sa, const struct xch_core *x);
/* keys_hash_phase2: HASH(1) of quick mode and informational (nonce NULL), HASH(2) with the initiator's nonce. */
void keys_hash_phase2(u8 *out, const struct sa_core *sa, u32 msgid, const struct bytes_nonce *ni, const u8 *rest,
                      size_t rest_len);
void keys_hash3(u8 *out, const struct sa_core *sa, const struct xch_core *x);
void keys_keymat(u8 *out, size_t len, const struct sa_core *sa, const struct xch_talk *x, u8 proto, u32 spi);

/* initiator.c */
enum { START_WHY = 160 };
/* p1_start: begins main mode, or aggressive mode where the profile or the peer is configured so; NULL with the reason
 * reported and in why when it cannot begin. flow: who wants it (0: a rekey); profile "": none. */
struct ike_sa *p1_start(struct ike *ike, u32 flow, const struct addr *local, const struct addr *remote,
                        const char *profile, char why[START_WHY]);
bool qm_start(struct ike *ike, struct ike_sa *sa, struct flow *f);
enum cfg_ask { ASK_USER, SAY_RIGHT, SAY_WRONG, PUSH_CONFIG };
bool cfg_start(struct ike *ike, struct ike_sa *sa, enum cfg_ask ask); /* a transaction exchange of ours; false: it has nothing to say */
/* info_*: nothing is sent before the SA has keys. */
void info_notify(struct ike *ike, struct ike_sa *sa, u8 proto, u16 type, const void *spi, u8 spi_len,
                 const void *data, size_t len);
void info_notify_sa(struct ike *ike, struct ike_sa *sa, u16 type, const void *data, size_t len); /* about the SA itself */
void info_delete_spi(struct ike *ike, struct ike_sa *sa, u8 proto, u32 spi); /* PROTO_ESP, PROTO_AH */
void info_delete_sa(struct ike *ike, struct ike_sa *sa);

/* live.c */
void live_ask(struct ike *ike, struct ike_sa *sa); /* R-U-THERE, unless one is under way */
void live_answer(struct ike *ike, struct ike_sa *sa, u32 seq);
void live_heard(struct ike *ike, struct ike_sa *sa); /* it lives: nothing is asked for a while */
void live_arm(struct ike *ike, struct ike_sa *sa); /* the next periodic one, when that is configured */
bool live_due(struct ike *ike, struct ike_sa *sa); /* false: the far end is dead */
bool live_speaks(const struct ike_sa *sa);         /* the far end can be asked */
u32 live_silence_s(const struct ike *ike);         /* DP_SET_SILENCE */
u32 live_heard_s(const struct ike *ike);           /* DP_SET_HEARD */

/* frag.c */
/* frag_in: a piece came; true: with it all have: the whole is in out. False with d->why set: it is none that can be used. */
bool frag_in(struct ike *ike, const struct datagram *in, const struct isakmp_hdr *h, u8 out[ISAKMP_MAX], size_t *len,
             struct draft *d);
bool frag_wanted(const struct ike_sa *sa, size_t len); /* a message of that length is to go in pieces */
void frag_send(struct ike *ike, const struct ike_sa *sa, const u8 *data, size_t len);
void frag_free(struct ike *ike);

/* budget.c */
bool budget_take(struct ike *ike, enum budget what, const struct addr *from); /* one of it; false: not now */

/* secret.c */
u64 psk_key(const struct ike *ike, const struct ike_psk_value *v); /* in ike_conf.psk_map */
/* psk_find: by the name the far end gives itself, else by its address, the longest prefix; NULL: none. */
const struct ike_psk_value *psk_find(const struct ike *ike, const struct far_end *who);

/* vendor.c */
u32 vendor_read(struct ike *ike, const struct ike_sa *sa, u32 conn, const struct isakmp_msg *m);
/* vendor_write_natt: which variants of NAT traversal are offered, or the one that is answered (VB_ bits). */
void vendor_write_ours(const struct ike *ike, struct isakmp_out *o, const u8 cookie_i[8]);
void vendor_write_natt(struct isakmp_out *o, u32 natt);
void vendor_write_frag(struct isakmp_out *o);

/* natt.c */
u32 natt_offers(const struct ike *ike);           /* VB_ bits; 0: we have none */
u16 natt_choose(const struct ike *ike, u32 vids); /* the best of those that both have; 0: none */
/* natt_udp: ESP goes in UDP, for both ends speak of it and a NAT stands between. */
static inline bool natt_udp(const struct sa_core *c)
{
    return c->natt && c->nat;
}
void natd_write(struct draft *d); /* our NAT-D payloads, where both ends speak of it */
/* natd_check: what the peer's say into the draft: d->sa.nat. */
void natd_check(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d);
void natt_float(struct draft *d); /* we began: from here on by port 4500, when a NAT stands between */
/* natt_encaps: the attribute Encapsulation-Mode for a mode of dp's; natt_mode: back; false: it is none that fits this SA. */
u16 natt_encaps(const struct sa_core *c, u8 mode);
bool natt_mode(const struct sa_core *c, u16 encaps, u8 *out);
void natt_write_oa(struct draft *d, const struct ike_sa *sa); /* for transport mode */
/* natt_send: a message of ours, with the marker where it goes out by port 4500. natt_strip: takes it off; false: it has none. */
void natt_send(struct ike *ike, const struct endpoint *from, const struct endpoint *to, const u8 *data, size_t len);
bool natt_strip(const u8 **data, size_t *len);
void natt_keepalive(struct ike *ike, struct ike_sa *sa); /* the first time: in a while; then one now, and again */

/* child.c */
/* child_proto: the protocol of spi_in and spi_out: PROTO_ESP, or PROTO_AH when there is no ESP. */
static inline u8 child_proto(const struct child *c)
{
    return c->encr ? PROTO_ESP : PROTO_AH;
}
void child_install(struct ike *ike, struct ike_sa *sa, struct xch *x, bool in, bool out);
void child_delete(struct ike *ike, struct child *c, bool tell);
/* child_by_spi: udp_port: of an outbound one whose SAs go in UDP, else 0: several far ends may be behind one address. */
struct child *child_by_spi(const struct ike *ike, u32 spi, bool inbound, const struct addr *remote, u16 udp_port);
struct child *child_by_number(const struct ike *ike, u32 number);
struct child *child_of_flow(const struct ike *ike, u32 flow); /* the newest that is up */
/* child_on: the pair of that flow one half of which has that SPI and ends at dst; dir: enum dp_dir. */
struct child *child_on(const struct ike *ike, u32 flow, u8 dir, u32 spi, const struct addr *dst);
void child_due(struct ike *ike, struct child *c, u64 now);
void child_expire(struct ike *ike, const struct dp_expire_value *e);
void child_not_taken(struct child *c, u8 dir); /* the data plane did not take that half */
void child_bury(struct ike *ike, const struct child *c); /* its inbound SPIs are told gone when they still come */
void child_lost_dp(struct child *c); /* its data plane died: there is nothing to take out */
void child_moved(struct ike *ike, struct child *c, const struct endpoint *local, const struct endpoint *remote,
                 struct ike_peer *p); /* its SAs go between these from now on */
/* child_shorten: the peer keeps it only that long after it came up (RESPONDER-LIFETIME). */
void child_shorten(struct ike *ike, struct child *c, u32 life_s);

/* lease.c */
/* lease_take: an address of the group's pool for the SA's far end; false: none is free. */
bool lease_take(struct ike *ike, const struct ike_group_value *g, const struct ike_sa *sa, const struct sa_core *c,
                struct addr *out);
void lease_free(struct ike *ike);

/* spi.c */
u32 spi_new(struct ike *ike);
u32 spi_other(struct ike *ike, u32 not); /* the same, another one than that */
void spi_bury(struct ike *ike, u32 spi, const struct addr *peer);
bool spi_buried(const struct ike *ike, u32 spi, const struct addr *peer);

/* flow_table.c */
struct flow *flow_find(const struct ike *ike, u32 id);
void flow_index(struct ike *ike, struct flow *f); /* makes it findable; unindex before its value changes */
void flow_unindex(struct ike *ike, struct flow *f);
bool flow_has_peer(const struct ike_flow_value *v, const struct addr *remote);
const struct addr *flow_peer(const struct flow *f); /* the one in use, NULL: none */
/* flow_by_proxy: the flow with that peer whose proxy identities these are; NULL with why in the draft. absent: the
 * message has none. */
const struct flow *flow_by_proxy(struct ike *ike, const struct ike_sa *sa, const struct selector *sel, bool absent,
                                 struct draft *d);

/* flow_template: the template that a quick mode with these proxy identities fits; NULL: none. */
const struct ike_flow_value *flow_template(const struct ike *ike, const struct ike_sa *sa, const struct selector *sel);

/* inherit.c */
void inherit_add(struct ike *ike, const struct dp_sa_value *sa); /* keeps no key */
void inherit_free(struct ike *ike, struct old_sa *o);
/* inherit_find: an outbound SPI is the far end's and one with its address, dst; an inbound one is
 * ours. */
struct old_sa *inherit_find(const struct ike *ike, u32 spi, u8 dir, const struct addr *dst);
/* inherit_may_be: dp may hold SAs with that far end from before we started; true while it may yet say so. */
bool inherit_may_be(const struct ike *ike, const struct addr *remote);

/* flow.c */
void flow_want(struct ike *ike, struct flow *f, bool rekey);
/* flow_p1_up: phase 1 is done: whoever waited for it goes on. flow_p1_failed: whoever waited for this SA tries another
 * one, then the next peer, then gives up. */
void flow_p1_up(struct ike *ike, struct ike_sa *sa);
void flow_p1_failed(struct ike *ike, struct ike_sa *sa, const char *why);
void flow_up(struct ike *ike, struct flow *f, bool ours); /* a pair came up, by a quick mode of ours or not */
void flow_failed(struct ike *ike, struct flow *f, const char *why);
/* flow_quick_lost: our quick mode lost its ISAKMP SA: once more, soon. */
void flow_quick_lost(struct ike *ike, struct flow *f, const char *why);
void flow_lost_child(struct ike *ike, struct flow *f);
void flow_stay(struct ike *ike, struct flow *f); /* a client's without a pair: for CLIENT_STAY_MS from now */
void flow_due(struct ike *ike, struct flow *f);
void flow_arm(struct ike *ike, struct flow *f, u64 at_ms); /* when to try again, 0: not planned */
bool flow_negotiating(const struct flow *f);

/* config.c */
void config_msg(struct ike *ike, const struct ike_msg *m);
void config_free(struct ike_conf *c);
struct ike_conf *config_new(void);

/* restart.c */
void restart_ask(struct ike *ike);
void restart_sa(struct ike *ike, u32 tag, const struct dp_sa_value *sa);
void restart_end(struct ike *ike, u32 tag);
void restart_late(struct ike *ike); /* TIMER_RESTART: the end of the answer has not come; what has is taken over */
void restart_flow_up(struct ike *ike, struct flow *f);
/* restart_dp: there is a (new) data plane. */
void restart_dp(struct ike *ike);
void restart_tell_dp(struct ike *ike); /* what it needs to know of the configuration */
void restart_expire(struct ike *ike, const struct dp_expire_value *e);
void restart_due(struct ike *ike, struct old_sa *o);

/* show.c */
void show_answer(struct ike *ike, const struct ike_msg *q);
void clear_msg(struct ike *ike, const struct ike_msg *m);

/* report.c */
/* report: the one log line of a refused message or failed negotiation; sa may be NULL. */
void report(struct ike *ike, struct ike_sa *sa, const struct addr *peer, u8 exchange, enum ike_reason why,
            const char *detail);
void trace_input(struct ike *ike, const struct ike_sa *sa, u32 conn, u32 msgid, const char *from, const char *what);
void trace_state(struct ike *ike, u32 conn, const struct addr *peer, u8 old, u8 next, bool tight);
void trace_payload(struct ike *ike, const struct ike_sa *sa, u32 conn, const char *payload, u32 msgid);
void trace_id(struct ike *ike, const struct ike_sa *sa, const u8 *body, u16 len, u8 next);
void id_text(char *out, size_t cap, const u8 *body, u16 len);
bool dp_send(struct ike *ike, const struct dp_msg *m); /* false: it could not be given */

#endif
