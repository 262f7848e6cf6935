/*
 * logbook.c: the one place where events become text for people: the log file, the buffer behind `show logging`, and
 * the sessions that watch. Records from ike and dp arrive as values; main fills in what only it knows (link names,
 * gateways) before the wording is made.
 */
#include "sys/router_int.h"

#include <stdlib.h>
#include <time.h>

void logbook_open(struct logbook *l, struct router *r, const char *path)
{
    l->r = r;
    l->file = path ? fopen(path, "ae") : NULL;
    if (l->file) {
        setvbuf(l->file, NULL, _IOLBF, 0);
    }
    l->ring = xcalloc(1, LOG_BUFFER + 1);
}

void logbook_close(struct logbook *l)
{
    if (l->file) {
        fclose(l->file);
    }
    free(l->ring);
}

/* stamped: does the configuration ask for time stamps on this kind of line? Log lines have one by default. */
static bool stamped(const struct conf *c, bool debug)
{
    const char *want = debug ? "service timestamps debug" : "service timestamps log";
    const char *off = debug ? "no service timestamps debug" : "no service timestamps log";
    bool on = !debug;
    CONF_FOR(struct conf_kept, k, &c->kept)
    {
        on = (on || strncmp(k->text, want, strlen(want)) == 0) &&
             strncmp(k->text, off, strlen(off)) != 0;
    }
    return on;
}

static bool kept_line(const struct conf *c, const char *text)
{
    bool found = false;
    CONF_FOR (struct conf_kept, k, &c->kept) {
        found |= strcmp(k->text, text) == 0;
    }
    return found;
}

static void stamp(struct strbuf *b)
{
    struct timespec t;
    struct tm tm;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(text, sizeof text, "%b %e %H:%M:%S", &tm);
    sb_addf(b, "*%s.%03ld: ", text, t.tv_nsec / 1000000);
}

static void keep(struct logbook *l, const char *text, size_t len)
{
    len = MIN(len, (size_t)LOG_BUFFER / 2);
    if (l->len + len > LOG_BUFFER) {
        const char *cut = l->ring + l->len / 2; /* forget the older half, from a line's start */
        const char *nl = strchr(cut, '\n');
        cut = nl ? nl + 1 : l->ring + l->len;
        l->len -= (size_t)(cut - l->ring);
        memmove(l->ring, cut, l->len);
    }
    memcpy(l->ring + l->len, text, len);
    l->len += len;
    l->ring[l->len] = 0;
}

/* place: the names of links and gateways, which dp cannot know, into a packet event. */
static void place(struct router *r, struct ev_rec *rec)
{
    const struct ev_info *info = ev_info((enum ev_id)rec->id);
    struct addr s = {0}, d = {0}, gw = {0};
    char oif[NL_NAME], name[CONF_IFNAME] = "";
    if (!(info->cat & EVC_PACKET)) {
        return;
    }
    for (unsigned i = 0; i < info->num_fields; i++) {
        if (strcmp(info->field[i].name, "src") == 0) {
            memcpy(&s, rec->body + info->field[i].offset, sizeof s);
        } else if (strcmp(info->field[i].name, "dst") == 0) {
            memcpy(&d, rec->body + info->field[i].offset, sizeof d);
        }
    }
    for (unsigned i = 0; i < info->num_fields; i++) {
        const char *f = info->field[i].name;
        u8 *at = rec->body + info->field[i].offset;
        bool out = strcmp(f, "oif") == 0 || strcmp(f, "gw") == 0, in = strcmp(f, "iif") == 0;
        if ((out || in) && kern_route_to(r->kern, in ? &s : &d, oif, &gw)) {
            router_console_name(r, name, oif);
            if (strcmp(f, "gw") == 0) {
                memcpy(at, gw.family ? &gw : &d, sizeof gw);
            } else {
                struct ev_str e = ev_str(name);
                memcpy(at, &e, sizeof e);
            }
        } else if (strcmp(f, "local_if") == 0) {
            CONF_FOR(struct conf_if, c, &r->conf->ifs)
            {
                CONF_FOR(struct conf_if_addr, a, &c->addrs)
                {
                    if (addr_equal(&a->p.a, &d)) {
                        struct ev_str e = ev_str(c->name);
                        memcpy(at, &e, sizeof e);
                    }
                }
            }
        }
    }
}

void logbook_event(struct logbook *l, const struct ev_rec *in)
{
    if (in->id >= EV_NUM) {
        return; /* a child of another version */
    }
    struct ev_rec rec = *in;
    const struct ev_info *info = ev_info((enum ev_id)rec.id);
    struct strbuf text = {0};
    bool is_log = (info->cat & EVC_LOG) != 0;
    if (!info->text[0] || (!is_log && !(info->cat & l->r->debug_mask))) {
        return;
    }
    if (rec.id == EV_SESSION_STATUS && !kept_line(l->r->conf, "crypto logging session")) {
        return;
    }
    place(l->r, &rec);
    if (l->r->conf && stamped(l->r->conf, !is_log)) {
        stamp(&text);
    }
    ev_render_text(&text, &rec);
    sb_add(&text, "\n");
    if (l->file) {
        fputs(text.s, l->file);
    }
    keep(l, text.s, text.len);
    if (l->r->api) {
        api_monitor(l->r->api, text.s);
    }
    sb_free(&text);
}
