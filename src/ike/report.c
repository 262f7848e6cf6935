/*
 * report.c: what is said when something fails, and the debug lines many files say. One failed
 * negotiation, one log line: the row of events.def for its reason, with the detail (which attribute
 * or byte range, what was wanted).
 */
#include "ike/ike_int.h"

const char *ike_reason_name(enum ike_reason r)
{
    static const char *const names[WHY_NUM] = {
#define R(ID, name, text) [WHY_##ID] = name,
        IKE_REASONS(R)
#undef R
    };
    return r < WHY_NUM && names[r] ? names[r] : "";
}

const char *ike_reason_text(enum ike_reason r)
{
    static const char *const texts[WHY_NUM] = {
#define R(ID, name, text) [WHY_##ID] = text,
        IKE_REASONS(R)
#undef R
    };
    return r < WHY_NUM && texts[r] ? texts[r] : "";
}

static enum ev_id reason_event(enum ike_reason r)
{
    static const u16 ids[WHY_NUM] = {
#define R(ID, name, text) [WHY_##ID] = EV_IKE_FAIL_##ID,
        IKE_REASONS(R)
#undef R
    };
    return ids[r];
}

const char *ike_fail_name(u32 event, const char **out_text)
{
    for (unsigned i = 1; i < WHY_NUM; i++) {
        if (reason_event((enum ike_reason)i) == event) {
            *out_text = ike_reason_text((enum ike_reason)i);
            return ike_reason_name((enum ike_reason)i);
        }
    }
    return NULL;
}

const char *ike_state_name(enum ike_state s)
{
    static const char *const names[XS_NUM] = {
#define S(id) [XS_##id] = "IKE_" #id,
        IKE_STATES(S)
#undef S
    };
    return s < XS_NUM ? names[s] : "?";
}

/* may_log: failure lines are limited per second, for anybody can send us garbage. */
static bool may_log(struct ike *ike)
{
    u64 second = env_now_ms(ike->clock) / 1000;
    if (second != ike->log_second) {
        ike->log_second = second;
        ike->log_used = 0;
    }
    return ike->log_used++ < LOG_BURST;
}

/* said_lately: the same line about the same address, within a minute: of a first message that is
 * sent again, say. */
static bool said_lately(struct ike *ike, const struct addr *peer, u8 exchange, enum ike_reason why,
                        const char *detail)
{
    u64 now = env_now_ms(ike->clock), key = peer_key(ike, peer, (u32)why << 8 | exchange) ^
                                            keyed_hash(ike->seed, detail, strlen(detail));
    struct said *s = &ike->said[key % ARRAY_LEN(ike->said)];
    bool again = s->key == key && now < s->until_ms;
    if (!again) {
        *s = (struct said){key, now + SAID_MS};
    }
    return again;
}

void report(struct ike *ike, struct ike_sa *sa, const struct addr *peer, u8 exchange,
            enum ike_reason why, const char *detail)
{
    enum ev_id id = reason_event(why);
    u32 bit = 1u << why;
    /* a peer repeats what we refused: the line stands once per SA, the counter counts them all */
    bool again =
        sa && sa->known ? (sa->logged & bit) != 0 : said_lately(ike, peer, exchange, why, detail);
    if (sa) {
        sa->logged |= bit;
        if (!sa_authed(sa)) {
            snprintf(sa->fail, sizeof sa->fail, "%s: %s", ike_reason_name(why), detail);
        }
    }
    if (again || !may_log(ike)) {
        ike->log->count[id]++;
        return;
    }
    /* every failure row has the same two fields, so one body serves them all (tests/ike checks the
     * rows) */
    struct evb_ike_fail_malformed body = {.mode = ev_str(isakmp_mode_name(exchange)),
                                          .detail = ev_textf("%s", detail)};
    ev_emit(ike->log, id, sa ? sa->c.conn_id : 0, peer, &body, sizeof body);
}

void trace_input(struct ike *ike, const struct ike_sa *sa, u32 conn, u32 msgid, const char *from,
                 const char *what)
{
    if (msgid) {
        ev_ike_node_input(ike->log, conn, &sa->remote.a,
                          &(struct evb_ike_node_input){
                              .msgid = msgid, .from = ev_str(from), .what = ev_str(what)});
    } else {
        ev_ike_input(ike->log, conn, &sa->remote.a,
                     &(struct evb_ike_input){.from = ev_str(from), .what = ev_str(what)});
    }
}

void trace_state(struct ike *ike, u32 conn, const struct addr *peer, u8 old, u8 next, bool tight)
{
    struct ev_str o = ev_str(ike_state_name(old)), n = ev_str(ike_state_name(next));
    if (tight) {
        ev_ike_state_tight(ike->log, conn, peer, &(struct evb_ike_state_tight){.old = o, .new = n});
    } else {
        ev_ike_state(ike->log, conn, peer, &(struct evb_ike_state){.old = o, .new = n});
    }
}

void trace_payload(struct ike *ike, const struct ike_sa *sa, u32 conn, const char *payload,
                   u32 msgid)
{
    ev_ike_processing(ike->log, conn, &sa->remote.a,
                      &(struct evb_ike_processing){.payload = ev_str(payload), .msgid = msgid});
}

void id_text(char *out, size_t cap, const u8 *body, u16 len)
{
    char a[ADDR_STR];
    out[0] = 0;
    if (len >= 8 && body[0] == ID_IPV4_ADDR) {
        struct addr v4 = addr_from_bytes(AF_V4, body + 4);
        str_copy(out, cap, addr_str(a, &v4));
    } else if (len >= 20 && body[0] == ID_IPV6_ADDR) {
        struct addr v6 = addr_from_bytes(AF_V6, body + 4);
        str_copy(out, cap, addr_str(a, &v6));
    } else if (len > 4 && (body[0] == ID_FQDN || body[0] == ID_USER_FQDN || body[0] == ID_KEY_ID)) {
        size_t n = MIN((size_t)len - 4, cap - 1);
        for (size_t i = 0; i < n; i++) { /* a stranger's text: only what prints */
            out[i] = body[4 + i] > 32 && body[4 + i] < 127 ? (char)body[4 + i] : '?';
        }
        out[n] = 0;
    } else if (len >= 4) {
        snprintf(out, cap, "%s", isakmp_id_name(body[0]));
    }
}

void trace_id(struct ike *ike, const struct ike_sa *sa, const u8 *body, u16 len, u8 next)
{
    char text[64];
    if (len < 4 || !ev_on(ike->log, EV_IKE_ID)) {
        return;
    }
    id_text(text, sizeof text, body, len);
    bool name = body[0] == ID_FQDN || body[0] == ID_USER_FQDN || body[0] == ID_KEY_ID;
    /* the 12.4 dialect prints the payload's length with its generic header */
    if (name) {
        ev_ike_id_name(ike->log, sa->c.conn_id, &sa->remote.a,
                       &(struct evb_ike_id_name){.next = next,
                                                 .type = body[0],
                                                 .name = ev_str(text),
                                                 .protocol = body[1],
                                                 .port = be16(body + 2),
                                                 .length = len + 4u});
    } else {
        ev_ike_id(ike->log, sa->c.conn_id, &sa->remote.a,
                  &(struct evb_ike_id){.next = next,
                                       .type = body[0],
                                       .address = ev_str(text),
                                       .protocol = body[1],
                                       .port = be16(body + 2),
                                       .length = len + 4u});
    }
}

bool dp_send(struct ike *ike, const struct dp_msg *m)
{
    return ike->env.to_dp(ike->env.ctx, m);
}
