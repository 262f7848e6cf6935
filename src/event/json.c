/*
 * json.c: an event as one JSON object on one line. Field names are the names in events.def; secrets are
 * redacted. Written with jansson, so every text is escaped the way JSON wants it.
 */
#include "event/event.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const level_names[] = {"emerg",   "alert",  "crit", "err",
                                          "warning", "notice", "info", "debug"};
static const char *const source_names[] = {"main", "ike", "dp"};

static json_t *text_value(const u8 *p, size_t cap)
{
    json_t *v = json_stringn((const char *)p, strnlen((const char *)p, cap));
    return v ? v : json_string("<not UTF-8>");
}

static json_t *field_value(const u8 *p, char type)
{
    char buf[ADDR_STR];
    u64 v;
    switch (type) {
    case 'U': memcpy(&v, p, sizeof v); return json_integer((json_int_t)v);
    case 'A': return json_string(addr_str(buf, (const struct addr *)(const void *)p));
    case 'S': return text_value(p, sizeof(struct ev_str));
    case 'T': return text_value(p, sizeof(struct ev_text));
    default: return json_string("<redacted>");
    }
}

void ev_render_json(struct strbuf *out, const struct ev_rec *rec)
{
    if (rec->id >= EV_NUM) {
        return;
    }
    const struct ev_info *info = ev_info((enum ev_id)rec->id);
    char buf[ADDR_STR];
    json_t *o = json_object();
    json_object_set_new(o, "time_ms", json_integer((json_int_t)rec->time_ms));
    json_object_set_new(o, "event", json_string(info->name));
    json_object_set_new(o, "level", json_string(level_names[info->level & 7]));
    json_object_set_new(o, "process",
                        json_string(source_names[rec->source % ARRAY_LEN(source_names)]));
    if (rec->conn) {
        json_object_set_new(o, "conn", json_integer(rec->conn));
    }
    if (rec->peer.family) {
        json_object_set_new(o, "peer", json_string(addr_str(buf, &rec->peer)));
    }
    for (unsigned i = 0; i < info->num_fields; i++) {
        json_object_set_new(o, info->field[i].name,
                            field_value(rec->body + info->field[i].offset, info->field[i].type));
    }
    char *s = json_dumps(o, JSON_COMPACT);
    if (s) {
        sb_add(out, s);
    }
    free(s);
    json_decref(o);
}
