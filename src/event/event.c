/*
 * event.c: emit, filter and count events; the description of each event generated from events.def.
 */
#include "event/event.h"

#include <stdarg.h>

/* The descriptions: the same rows read once more, each field macro now making a struct ev_field. */

static const struct ev_info infos[EV_NUM] = {
#define U(n) {#n, 'U', 0},
#define A(n) {#n, 'A', 0},
#define S(n) {#n, 'S', 0},
#define T(n) {#n, 'T', 0},
#define K(n) {#n, 'K', 0},
#define EV(ID, name_, level_, cat_, text_, fields)                                                 \
    [EV_##ID] = {.id = #ID,                                                                        \
                 .name = #name_,                                                                   \
                 .text = text_,                                                                    \
                 .level = level_,                                                                  \
                 .cat = cat_,                                                                      \
                 .field = {fields}},
#include "event/events.def"
#undef EV
#undef U
#undef A
#undef S
#undef T
#undef K
};

static size_t field_size(char type)
{
    switch (type) {
    case 'U': return sizeof(u64);
    case 'A': return sizeof(struct addr);
    case 'S': return sizeof(struct ev_str);
    case 'T': return sizeof(struct ev_text);
    case 'K': return sizeof(struct ev_key);
    default: return 0;
    }
}

static size_t field_align(char type)
{
    return type == 'U' ? _Alignof(u64) : type == 'K' ? _Alignof(struct ev_key) : 1;
}

const struct ev_info *ev_info(enum ev_id id)
{
    /* Offsets follow from the declared order by the C layout rules, so they are computed, not repeated. */
    static struct ev_info made[EV_NUM];
    struct ev_info *i = &made[id];
    if (!i->name) {
        *i = infos[id];
        size_t off = 0;
        while (i->num_fields < ARRAY_LEN(i->field) && i->field[i->num_fields].name) {
            struct ev_field *f = &i->field[i->num_fields++];
            size_t al = field_align(f->type);
            off = (off + al - 1) / al * al;
            f->offset = (u16)off;
            off += field_size(f->type);
        }
    }
    return i;
}

void evlog_init(struct evlog *log, const struct env *env, enum ev_source source, void *ctx,
                void (*sink)(void *ctx, const struct ev_rec *rec))
{
    *log =
        (struct evlog){.env = env, .mask = EVC_LOG, .source = (u8)source, .ctx = ctx, .sink = sink};
}

bool ev_on(const struct evlog *log, enum ev_id id)
{
    return (infos[id].cat & log->mask) != 0;
}

void ev_emit(struct evlog *log, enum ev_id id, u32 conn, const struct addr *peer, const void *body,
             size_t len)
{
    log->count[id]++;
    if (!ev_on(log, id) || !log->sink) {
        return;
    }
    struct ev_rec rec = {
        .id = (u16)id, .source = log->source, .conn = conn, .time_ms = env_now_ms(log->env)};
    if (peer) {
        rec.peer = *peer;
    }
    memcpy(rec.body, body, MIN(len, sizeof rec.body));
    log->sink(log->ctx, &rec);
}

struct ev_str ev_str(const char *s)
{
    struct ev_str e;
    memset(&e, 0, sizeof e);
    str_copy(e.s, sizeof e.s, s ? s : "");
    return e;
}

struct ev_text ev_textf(const char *fmt, ...)
{
    struct ev_text e;
    memset(&e, 0, sizeof e);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.s, sizeof e.s, fmt, ap);
    va_end(ap);
    return e;
}

struct ev_key ev_key(const void *p, size_t len)
{
    struct ev_key e;
    memset(&e, 0, sizeof e);
    e.len = (u16)MIN(len, sizeof e.b);
    memcpy(e.b, p, e.len);
    return e;
}
