/*
 * event: everything that can happen, told once. events.def is THE list: one row gives an event its name, its
 * syslog level, its category, its console wording and its typed fields. Console text, JSON, counters (and later
 * pcapng comments and metrics) are renderings of the same record; there is no second wording anywhere.
 *
 * A record is a fixed-size value, so it crosses the process boundary as it is: ike and dp emit, main renders.
 * An event nobody listens to costs a counter and a branch; guard costly field making with ev_on().
 *
 * To add an event: add its row to events.def. Nothing else.
 */
#ifndef ADIT_EVENT_H
#define ADIT_EVENT_H

#include "base/base.h"

/* Categories: what a `debug` command switches on. EVC_LOG is always on (syslog). */
enum ev_cat {
    EVC_LOG = 1 << 0,
    EVC_ISAKMP = 1 << 1,
    EVC_IPSEC = 1 << 2,
    EVC_ENGINE = 1 << 3,
    EVC_PACKET = 1 << 4, /* debug ip packet detail */
    EVC_TUNNEL = 1 << 5,
    EVC_COUNT = 1 << 6, /* counted, shown as JSON, no console text of its own */
    EVC_ISAKMP_DETAIL = 1 << 7,
};
enum ev_level { LV_EMERG, LV_ALERT, LV_CRIT, LV_ERR, LV_WARN, LV_NOTICE, LV_INFO, LV_DEBUG };
enum ev_source { EVS_MAIN, EVS_IKE, EVS_DP };

/* A short and a long text carried by value. */
struct ev_str {
    char s[64];
};
struct ev_text {
    char s[256];
};
/* Secret bytes: printed as <redacted>, kept only for an explicitly requested key log. */
struct ev_key {
    u16 len;
    u8 b[64];
};
struct ev_str ev_str(const char *s);   /* cuts when too long */
struct ev_text ev_textf(const char *fmt, ...) PRINTF_LIKE(1, 2);
struct ev_key ev_key(const void *p, size_t len);

/* clang-format off: the list read several times, each time as something else */
/* Field types used in events.def: number, address, short text, long text, secret. */
#define U(n) u64 n;
#define A(n) struct addr n;
#define S(n) struct ev_str n;
#define T(n) struct ev_text n;
#define K(n) struct ev_key n;
#define EV(ID, name, level, cat, text, fields) \
    struct evb_##name {                        \
        fields u8 end_;                        \
    };
#include "event/events.def"
#undef EV
#undef U
#undef A
#undef S
#undef T
#undef K

enum ev_id {
#define EV(ID, name, level, cat, text, fields) EV_##ID,
#define EV_FROM(who) EV_FROM_##who, EV_BEFORE_##who = EV_FROM_##who - 1, /* the number of the row that follows */
#include "event/events.def"
#undef EV
    EV_NUM
};

enum { EV_BODY_MAX = 456 };
struct ev_rec {
    u16 id;           /* enum ev_id */
    u8 source;        /* enum ev_source */
    u32 conn;         /* ISAKMP conn-id, 0 when there is none yet */
    u64 time_ms;      /* env clock of the emitting process */
    struct addr peer; /* AF_NONE when the event has no peer */
    _Alignas(8) u8 body[EV_BODY_MAX]; /* struct evb_NAME */
};

struct evlog {
    const struct env *env; /* borrowed */
    u32 mask;              /* enum ev_cat bits somebody listens to */
    u8 source;
    u64 count[EV_NUM];
    void *ctx; /* borrowed; given to sink */
    void (*sink)(void *ctx, const struct ev_rec *rec);
};

void evlog_init(struct evlog *log, const struct env *env, enum ev_source source, void *ctx,
                void (*sink)(void *ctx, const struct ev_rec *rec));
/* ev_on: somebody listens to this event now. */
bool ev_on(const struct evlog *log, enum ev_id id);
/* ev_emit: use the typed wrappers ev_NAME(log, conn, peer, &(struct evb_NAME){...}). peer may be NULL. */
void ev_emit(struct evlog *log, enum ev_id id, u32 conn, const struct addr *peer, const void *body, size_t len);

#define EV(ID, name, level, cat, text, fields)                                                  \
    _Static_assert(sizeof(struct evb_##name) <= EV_BODY_MAX, "event " #name " is too large");   \
    static inline void ev_##name(struct evlog *log, u32 conn, const struct addr *peer,          \
                                 const struct evb_##name *body)                                 \
    {                                                                                           \
        ev_emit(log, EV_##ID, conn, peer, body, sizeof *body);                                  \
    }
#include "event/events.def"
#undef EV

/* clang-format on */
/* What the list says about an event. */
struct ev_field {
    const char *name;
    char type; /* 'U' 'A' 'S' 'T' 'K' */
    u16 offset;
};
struct ev_info {
    const char *id, *name, *text; /* text "" : never shown on a console */
    u8 level;
    u16 cat;
    u8 num_fields;
    struct ev_field field[16];
};
const struct ev_info *ev_info(enum ev_id id);

/* ev_render_text: the console wording of one event, without time stamp, no trailing newline (text.c).
 * Placeholders in a wording: {field}, {field:x} = 0x1A, {field:X8} = 0000001A, {field:b4} = "0x0 0x1 0x51 0x80"
 * (a VPI attribute as IOS prints it), {:sa} = (0:1:SW:1) or (0:0:N/A:0), {:sanum} = (0:134217729) or (0:0),
 * {:peer} = the envelope's address, {:conn} = the conn-id. */
void ev_render_text(struct strbuf *out, const struct ev_rec *rec);
/* ev_render_wording: a known event in another wording; secrets are redacted in any. */
void ev_render_wording(struct strbuf *out, const struct ev_rec *rec, const char *wording);
/* ev_render_json: one JSON object on one line, no newline; secrets redacted (json.c). */
void ev_render_json(struct strbuf *out, const struct ev_rec *rec);

#endif
