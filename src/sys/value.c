/*
 * value.c: what a child may say. ike and dp read strangers' bytes, so whatever comes from them is looked at like a packet
 * from outside before anybody uses it: the exact length, a type that this child may say, terminated texts, numbers inside
 * their enumerations, truth values that are 0 or 1, address families and prefix lengths that exist. A table says which
 * field of which value is what; to add a value to dp.h or ike.h, add its rows. Before: chan.c. After: proc.c, ask.c.
 */
#include "sys/value.h"

enum kind { ANY, TEXT, TRUTH, BELOW_U8, BELOW_U32, ADDR, SELECTOR, SECRET };

struct field {
    u32 type; /* enum dp_msg_type or enum ike_msg_type */
    u8 kind;
    u32 at;    /* offset in the message */
    u32 limit; /* TEXT: room; BELOW: the first number that is not allowed */
};

/* clang-format off: tables, one field a row */
#define DP(TYPE, KIND, member, limit)                                                              \
    {                                                                                              \
        TYPE, KIND, offsetof(struct dp_msg, u.member), limit                                       \
    }
#define IKE(TYPE, KIND, member, limit)                                                             \
    {                                                                                              \
        TYPE, KIND, offsetof(struct ike_msg, u.member), limit                                      \
    }
#define ROOM(type, member) sizeof(((type *)NULL)->u.member)

static const struct field dp_fields[] = {
    DP(DP_SA, BELOW_U8, sa_info.sa.dir, SA_OUT + 1),
    DP(DP_SA, BELOW_U8, sa_info.sa.mode, MODE_TRANSPORT + 1),
    DP(DP_SA, BELOW_U8, sa_info.sa.encr, ENCR_NUM),
    DP(DP_SA, BELOW_U8, sa_info.sa.auth, HASH_NUM),
    DP(DP_SA, TRUTH, sa_info.sa.esn, 0),
    DP(DP_SA, BELOW_U8, sa_info.sa.comp, COMP_NUM),
    DP(DP_SA, ADDR, sa_info.sa.src, 0),
    DP(DP_SA, ADDR, sa_info.sa.dst, 0),
    DP(DP_SA, SELECTOR, sa_info.sa.sel, 0),
    DP(DP_SA, ADDR, sa_info.sa.encap_src.a, 0),
    DP(DP_SA, ADDR, sa_info.sa.encap_dst.a, 0),
    DP(DP_SA, SECRET, sa_info.sa.encr_key, 0),
    DP(DP_SA, SECRET, sa_info.sa.auth_key, 0),
    DP(DP_SA, TRUTH, sa_info.current, 0),
    DP(DP_TUNNEL, ANY, tunnel_info.id, 0),
    DP(DP_FLOW, ANY, flow_info.flow, 0),
    DP(DP_DROP_COUNT, BELOW_U32, drop_info.reason, DROP_NUM),
    DP(DP_END, ANY, number, 0),
    DP(DP_PONG, ANY, number, 0),
    DP(DP_TAKEN, ANY, number, 0),
};
static const struct field ike_fields[] = {
    IKE(IKE_SA, BELOW_U8, sa.state, ST_NUM),
    IKE(IKE_SA, TRUTH, sa.initiator, 0),
    IKE(IKE_SA, TRUTH, sa.deleted, 0),
    IKE(IKE_SA, TRUTH, sa.authenticated, 0),
    IKE(IKE_SA, ADDR, sa.local.a, 0),
    IKE(IKE_SA, ADDR, sa.remote.a, 0),
    IKE(IKE_SA, BELOW_U8, sa.encr, ENCR_NUM),
    IKE(IKE_SA, BELOW_U8, sa.hash, HASH_NUM),
    IKE(IKE_SA, TEXT, sa.id, ROOM(struct ike_msg, sa.id)),
    IKE(IKE_SA, TRUTH, sa.dpd, 0),
    IKE(IKE_SA, TRUTH, sa.nat, 0),
    IKE(IKE_SA, TEXT, sa.fail, ROOM(struct ike_msg, sa.fail)),
    IKE(IKE_SA, SECRET, sa.key_e, 0),
    IKE(IKE_SA, SECRET, sa.iv, 0),
    IKE(IKE_CHILD, BELOW_U8, child.encr, ENCR_NUM),
    IKE(IKE_CHILD, BELOW_U8, child.auth, HASH_NUM),
    IKE(IKE_CHILD, BELOW_U8, child.ah, HASH_NUM),
    IKE(IKE_CHILD, BELOW_U8, child.comp, COMP_NUM),
    IKE(IKE_CHILD, BELOW_U8, child.mode, MODE_TRANSPORT + 1),
    IKE(IKE_CHILD, SELECTOR, child.sel, 0),
    IKE(IKE_CHILD, ADDR, child.local.a, 0),
    IKE(IKE_CHILD, ADDR, child.remote.a, 0),
    IKE(IKE_CHILD, TRUTH, child.initiator, 0),
    IKE(IKE_CHILD, TRUTH, child.closing, 0),
    IKE(IKE_FLOW, TRUTH, flow_info.negotiating, 0),
    IKE(IKE_FLOW, TEXT, flow_info.last_error, ROOM(struct ike_msg, flow_info.last_error)),
    IKE(IKE_COUNT, BELOW_U32, count_info.id, EV_NUM),
    IKE(IKE_WANT_CLIENT, ADDR, want.local, 0),
    IKE(IKE_WANT_CLIENT, ADDR, want.peer, 0),
    IKE(IKE_WANT_CLIENT, SELECTOR, want.sel, 0),
    IKE(IKE_LOST_CLIENT, ANY, number, 0),
    IKE(IKE_END, ANY, number, 0),
    IKE(IKE_PONG, ANY, number, 0),
    IKE(IKE_TAKEN, ANY, number, 0),
};
#undef DP
#undef IKE
#undef ROOM
/* clang-format on */

static const struct {
    size_t size;
    size_t event_at;
    u32 event;
    enum ev_source source;
    const struct field *field;
    size_t num;
} rooms[CHILD_NUM] = {
    [CHILD_DP] = {sizeof(struct dp_msg), offsetof(struct dp_msg, u.event), DP_EVENT, EVS_DP,
                  dp_fields, ARRAY_LEN(dp_fields)},
    [CHILD_IKE] = {sizeof(struct ike_msg), offsetof(struct ike_msg, u.event), IKE_EVENT, EVS_IKE,
                   ike_fields, ARRAY_LEN(ike_fields)},
};

/* ---- fields: each is looked at as bytes, for a value of an impossible kind must not even be loaded ---- */

/* addresses and prefixes are bytes all through: they stand anywhere and any byte may be loaded */
static bool addr_fits(const u8 *p)
{
    return addr_valid((const struct addr *)(const void *)p);
}

static bool prefix_fits(const u8 *p)
{
    return prefix_valid((const struct prefix *)(const void *)p);
}

static bool field_fits(const struct field *f, const u8 *value)
{
    const u8 *p = value + f->at;
    u32 number;
    u16 len;
    switch (f->kind) {
    case ANY: return true;
    case TEXT: return memchr(p, 0, f->limit) != NULL;
    case TRUTH: return *p <= 1;
    case BELOW_U8: return *p < f->limit;
    case BELOW_U32: memcpy(&number, p, sizeof number); return number < f->limit;
    case ADDR: return addr_fits(p);
    case SELECTOR:
        return prefix_fits(p + offsetof(struct selector, src)) &&
               prefix_fits(p + offsetof(struct selector, dst));
    case SECRET:
        memcpy(&len, p + offsetof(struct secret, len), sizeof len);
        return len <= SECRET_MAX;
    default: return false;
    }
}

/* plain: what a stranger may have chosen ends on a terminal and in the log: no control bytes. */
static void plain(u8 *p, size_t room)
{
    for (size_t i = 0; i < room && p[i]; i++) {
        p[i] = p[i] < 0x20 || p[i] > 0x7e ? '?' : p[i];
    }
}

/* ---- events ---- */

/* may_say: its own events, and that a configuration was not taken. */
static bool may_say(enum child_id id, u16 event)
{
    return event < EV_NUM &&
           (event == EV_CONF_FAIL ||
            (id == CHILD_DP ? event >= EV_FROM_DP : event >= EV_FROM_IKE && event < EV_FROM_DP));
}

static bool event_field_fits(const struct ev_field *f, u8 *p)
{
    u16 len;
    size_t room = f->type == 'S' ? sizeof(struct ev_str) : sizeof(struct ev_text);
    switch (f->type) {
    case 'A': return addr_fits(p);
    case 'K': memcpy(&len, p, sizeof len); return len <= sizeof((struct ev_key *)NULL)->b;
    case 'S':
    case 'T': plain(p, room); return memchr(p, 0, room) != NULL;
    default: return true;
    }
}

static enum value_fault event_fault(enum child_id id, u8 *rec)
{
    u16 event;
    memcpy(&event, rec + offsetof(struct ev_rec, id), sizeof event);
    if (!may_say(id, event)) {
        return VALUE_FOREIGN;
    }
    if (rec[offsetof(struct ev_rec, source)] != rooms[id].source ||
        !addr_fits(rec + offsetof(struct ev_rec, peer))) {
        return VALUE_FIELD;
    }
    const struct ev_info *info = ev_info((enum ev_id)event);
    for (unsigned i = 0; i < info->num_fields; i++) {
        u8 *p = rec + offsetof(struct ev_rec, body) + info->field[i].offset;
        if (!event_field_fits(&info->field[i], p)) {
            return VALUE_FIELD;
        }
    }
    return VALUE_FINE;
}

/* ---- the door ---- */

enum value_fault value_fault(enum child_id id, void *value, long len)
{
    u8 *bytes = value;
    u32 type;
    bool known = false;
    if (len != (long)rooms[id].size) {
        return VALUE_LENGTH;
    }
    memcpy(&type, bytes + offsetof(struct dp_msg, type), sizeof type);
    if (type == rooms[id].event) {
        return event_fault(id, bytes + rooms[id].event_at);
    }
    for (size_t i = 0; i < rooms[id].num; i++) {
        const struct field *f = &rooms[id].field[i];
        if (f->type == type) {
            known = true;
            if (!field_fits(f, bytes)) {
                return VALUE_FIELD;
            }
            if (f->kind == TEXT) {
                plain(bytes + f->at, f->limit);
            }
        }
    }
    return known ? VALUE_FINE : VALUE_TYPE;
}

const char *value_fault_text(enum value_fault f)
{
    static const char *const texts[VALUE_NUM] = {
        [VALUE_FINE] = "fine",
        [VALUE_LENGTH] = "its length is wrong",
        [VALUE_DESCRIPTOR] = "it brought descriptors, which main never takes",
        [VALUE_TYPE] = "its type is none that this process may say",
        [VALUE_FIELD] = "a field holds what cannot be (a text without end, an unknown number)",
        [VALUE_FOREIGN] = "it tells of an event that another process tells of",
        [VALUE_UNASKED] = "it answers what was not asked",
        [VALUE_TOO_MUCH] = "the answer does not end",
        [VALUE_ENDED] = "again and again; it was ended for that",
    };
    return texts[f < VALUE_NUM ? f : VALUE_FIELD];
}
