/*
 * text.c: the console wording of an event: the template of its row in events.def, filled from its record.
 * The forms of the SA handle, (0:1:SW:1) and (0:134217729), are those of the 12.4 dialect.
 */
#include "event/event.h"

static const struct ev_field *field_named(const struct ev_info *info, const char *name, size_t len)
{
    for (unsigned i = 0; i < info->num_fields; i++) {
        if (strlen(info->field[i].name) == len && memcmp(info->field[i].name, name, len) == 0) {
            return &info->field[i];
        }
    }
    return NULL;
}

static void put_number(struct strbuf *out, u64 v, const char *form, size_t len)
{
    if (len == 0) {
        sb_addf(out, "%llu", (unsigned long long)v);
    } else if (form[0] == 'x') {
        sb_addf(out, "0x%llX", (unsigned long long)v);
    } else if (form[0] == 'X') {
        sb_addf(out, "%0*llX", len > 1 ? form[1] - '0' : 1, (unsigned long long)v);
    } else if (form[0] == 'b') { /* a variable-length attribute: its octets, as IOS prints them */
        for (int i = form[1] - '0' - 1; i >= 0; i--) {
            sb_addf(out, "0x%X%s", (unsigned)(v >> (8 * i) & 0xff), i ? " " : "");
        }
    }
}

static void put_field(struct strbuf *out, const struct ev_rec *rec, const struct ev_field *f,
                      const char *form, size_t len)
{
    const u8 *p = rec->body + f->offset;
    char buf[ADDR_STR];
    u64 v;
    switch (f->type) {
    case 'U':
        memcpy(&v, p, sizeof v);
        put_number(out, v, form, len);
        break;
    case 'A': sb_add(out, addr_str(buf, (const struct addr *)(const void *)p)); break;
    case 'S': sb_addn(out, (const char *)p, strnlen((const char *)p, sizeof(struct ev_str))); break;
    case 'T':
        sb_addn(out, (const char *)p, strnlen((const char *)p, sizeof(struct ev_text)));
        break;
    case 'K': sb_add(out, "<redacted>"); break;
    }
}

static void put_envelope(struct strbuf *out, const struct ev_rec *rec, const char *name, size_t len)
{
    char buf[ADDR_STR];
    if (len == 2 && memcmp(name, "sa", 2) == 0) {
        if (rec->conn) {
            sb_addf(out, "(0:%u:SW:1)", rec->conn);
        } else {
            sb_add(out, "(0:0:N/A:0)");
        }
    } else if (len == 5 && memcmp(name, "sanum", 5) == 0) {
        sb_addf(out, "(0:%u)", rec->conn ? 0x08000000u + rec->conn : 0);
    } else if (len == 4 && memcmp(name, "peer", 4) == 0) {
        sb_add(out, addr_str(buf, &rec->peer));
    } else if (len == 4 && memcmp(name, "conn", 4) == 0) {
        sb_addf(out, "%u", rec->conn);
    }
}

void ev_render_text(struct strbuf *out, const struct ev_rec *rec)
{
    if (rec->id < EV_NUM) {
        ev_render_wording(out, rec, ev_info((enum ev_id)rec->id)->text);
    }
}

void ev_render_wording(struct strbuf *out, const struct ev_rec *rec, const char *wording)
{
    const struct ev_info *info = ev_info((enum ev_id)rec->id);
    for (const char *p = wording; *p;) {
        const char *close = *p == '{' ? strchr(p, '}') : NULL;
        if (!close) {
            sb_addn(out, p++, 1);
            continue;
        }
        const char *name = p + 1, *colon = memchr(name, ':', (size_t)(close - name));
        if (colon == name) {
            put_envelope(out, rec, name + 1, (size_t)(close - name - 1));
        } else {
            const char *end = colon ? colon : close, *form = colon ? colon + 1 : close;
            const struct ev_field *f = field_named(info, name, (size_t)(end - name));
            if (f) {
                put_field(out, rec, f, form, (size_t)(close - form));
            } else {
                sb_addn(out, p,
                        (size_t)(close - p + 1)); /* shows a typing error instead of hiding it */
            }
        }
        p = close + 1;
    }
}
