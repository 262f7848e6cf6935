/*
 * cmd_exec.c: the commands that do something (IOS 12.4): modes, clear, debug, ping, write, terminal.
 */
#include "cli/cli_int.h"

#include <stdlib.h>

static void *host_ctx(const struct session *s)
{
    return s->host->ctx;
}

/* ---- modes ---- */

/* stays: `do` leaves the mode as it is. */
static bool stays(struct session *s)
{
    if (s->doing) {
        s_printf(s, "%% `do` changes no mode\n");
    }
    return s->doing;
}

bool exec_enable(struct session *s, const struct match *m)
{
    (void)m;
    if (stays(s)) {
        return false;
    }
    if (s->cfg.mode == M_EXEC && session_enable_with(s)) {
        s->want_secret = true;
        s->tries = 0;
    } else {
        session_mode(s, M_PRIV);
    }
    return true;
}

bool exec_disable(struct session *s, const struct match *m)
{
    (void)m;
    if (stays(s)) {
        return false;
    }
    session_mode(s, M_EXEC);
    return true;
}

bool exec_configure(struct session *s, const struct match *m)
{
    (void)m;
    if (stays(s)) {
        return false;
    }
    session_mode(s, M_CONF);
    s_printf(s, "Enter configuration commands, one per line.  End with CNTL/Z.\n");
    return true;
}

bool exec_end(struct session *s, const struct match *m)
{
    (void)m;
    session_mode(s, M_PRIV);
    return true;
}

bool exec_exit(struct session *s, const struct match *m)
{
    (void)m;
    if (stays(s)) {
        return false;
    }
    if (session_configuring(s)) {
        session_mode(s, s->cfg.mode & M_SUBMODES ? M_CONF : M_PRIV);
    } else {
        s->closed = true;
    }
    return true;
}

/* ---- clear ---- */

bool exec_clear_sa(struct session *s, const struct match *m)
{
    struct ike_clear_value v = {0};
    if (match_text(m, "peer") && !addr_parse(&v.peer, match_text(m, "peer"))) {
        return false;
    }
    s->host->clear(host_ctx(s), IKE_CLEAR_CHILD, &v);
    return true;
}

bool exec_clear_isakmp(struct session *s, const struct match *m)
{
    struct ike_clear_value v = {.conn_id = (u32)match_number(m, "conn", 0)};
    s->host->clear(host_ctx(s), IKE_CLEAR_SA, &v);
    return true;
}

bool exec_clear_session(struct session *s, const struct match *m)
{
    struct ike_clear_value v = {0};
    if (match_text(m, "peer") && !addr_parse(&v.peer, match_text(m, "peer"))) {
        return false;
    }
    s->host->clear(host_ctx(s), IKE_CLEAR_SESSION, &v);
    return true;
}

bool exec_clear_calls(struct session *s, const struct match *m)
{
    struct ike_clear_value v = {0};
    (void)m;
    s->host->clear(host_ctx(s), IKE_CLEAR_CALLS, &v);
    return true;
}

bool exec_clear_holes(struct session *s, const struct match *m)
{
    const char *text = match_text(m, "net");
    struct prefix net = {0};
    char buf[64];
    str_copy(buf, sizeof buf, text ? text : "");
    char *slash = strchr(buf, '/');
    if (slash) {
        *slash = 0;
    }
    unsigned long len = slash ? strtoul(slash + 1, NULL, 10) : 0;
    if (text && (!slash || !addr_parse(&net.a, buf) || len > addr_bits(&net.a) || !slash[1] ||
                 strspn(slash + 1, "0123456789") != strlen(slash + 1))) {
        s_printf(s, "%% expected a network such as 10.1.0.0/16\n");
        return false;
    }
    net.len = (u8)len;
    prefix_normalise(&net);
    s_printf(s, "%u forgotten\n", s->host->clear_holes(host_ctx(s), text ? &net : NULL));
    return true;
}

bool exec_clear_counters(struct session *s, const struct match *m)
{
    (void)m;
    s->host->clear_counters(host_ctx(s), 0);
    return true;
}

bool exec_clear_unfinished(struct session *s, const struct match *m)
{
    struct conf *c = s->host->conf(host_ctx(s));
    (void)m;
    if (c->typing) {
        s_printf(s, "%% Not now: somebody is in configuration mode\n");
        return false;
    }
    bool was = c->unfinished, less = conf_whole(c);
    if (less) {
        s->host->apply(host_ctx(s));
    }
    s_printf(s, "%s\n",
             less  ? "What crypto maps cover is what their lists say now"
             : was ? "Nothing was held for it any more"
                   : "No console went in the middle of a change");
    if (conf_holds(c)) {
        s_printf(s, "Entries that permit nothing still drop what they covered: `show crypto map`\n");
    }
    return true;
}

/* ---- debug ---- */

static const struct {
    const char *word, *title;
    u32 cat;
} debugs[] = {{"isakmp", "Crypto ISAKMP", EVC_ISAKMP},
              {"ipsec", "Crypto IPSEC", EVC_IPSEC},
              {"engine", "Crypto Engine", EVC_ENGINE},
              {"packet", "IP packet", EVC_PACKET}};

bool exec_debug(struct session *s, const struct match *m)
{
    u32 mask = s->host->debug(host_ctx(s));
    bool off = match_has(m, "no") || match_has(m, "undebug");
    for (unsigned i = 0; i < ARRAY_LEN(debugs); i++) {
        if (match_has(m, debugs[i].word)) {
            mask = off ? mask & ~debugs[i].cat : mask | debugs[i].cat;
            s_printf(s, "%s%s debugging is %s\n", debugs[i].title,
                     match_has(m, "detail") ? " debugging (detailed)" : "", off ? "off" : "on");
        }
    }
    s->host->set_debug(host_ctx(s), mask);
    return true;
}

bool exec_undebug_all(struct session *s, const struct match *m)
{
    (void)m;
    s->host->set_debug(host_ctx(s), 0);
    s_printf(s, "All possible debugging has been turned off\n");
    return true;
}

bool exec_show_debugging(struct session *s, const struct match *m)
{
    (void)m;
    u32 mask = s->host->debug(host_ctx(s));
    for (unsigned i = 0; i < ARRAY_LEN(debugs); i++) {
        if (mask & debugs[i].cat) {
            s_printf(s, "%s debugging is on\n", debugs[i].title);
        }
    }
    return true;
}

bool exec_show_history(struct session *s, const struct match *m)
{
    (void)m;
    for (u32 i = s->num_history > HISTORY ? s->num_history - HISTORY : 0; i < s->num_history; i++) {
        s_printf(s, "  %s\n", s->history[i % HISTORY] + strspn(s->history[i % HISTORY], " "));
    }
    return true;
}

bool exec_keylog(struct session *s, const struct match *m)
{
    bool on = match_has(m, "on");
    bool ok = s->host->set_keylog(host_ctx(s), on);
    s_printf(s, ok ? "Key log is %s\n" : "%% The key log file cannot be written\n",
             on ? "on" : "off");
    return ok;
}

/* ---- terminal, write ---- */

bool exec_terminal(struct session *s, const struct match *m)
{
    u32 v = (u32)match_number(m, "value", 0);
    if (match_has(m, "length")) {
        s->length = v;
    } else if (match_has(m, "width")) {
        s->width = v;
    } else {
        s->monitor = !match_has(m, "no");
    }
    return true;
}

/* is_whole: what would be saved is not the middle of somebody's change. */
static bool is_whole(struct session *s)
{
    const struct conf *c = s->host->conf(host_ctx(s));
    bool others = c->typing > session_configuring(s);
    if (!conf_holds(c) || (!others && !c->unfinished)) {
        return true;
    }
    s_printf(s, "%% Not saved: what crypto maps cover is being changed, and %s\n",
             c->unfinished ? "a console went in the middle of it; `clear adit unfinished` when their "
                             "lists are whole"
                           : "another console is in configuration mode");
    return false;
}

/* is_readable: what is saved is read at the next start. */
static bool is_readable(struct session *s, const char *text)
{
    const struct conf *c = s->host->conf(host_ctx(s));
    struct conf *again = conf_new();
    struct strbuf errors = {0};
    again->master = c->master;
    memcpy(again->former, c->former, sizeof again->former);
    memcpy(again->folder, c->folder, sizeof again->folder);
    bool ok = cli_load(again, "not saved", text, &errors);
    conf_free(again);
    if (!ok) {
        s_printf(s, "%s%% Not saved: it could not be read again\n", errors.s);
    }
    sb_free(&errors);
    return ok;
}

/* to_save: the running configuration, when it may be saved. The text is the caller's, also when it may not. */
static bool to_save(struct session *s, struct strbuf *text)
{
    if (!is_whole(s)) {
        return false;
    }
    cli_running(text, s->host->conf(host_ctx(s)));
    return is_readable(s, text->s);
}

static bool save(struct session *s)
{
    struct strbuf text = {0};
    bool may = to_save(s, &text), ok = may && s->host->save(host_ctx(s), text.s);
    sb_free(&text);
    if (may) {
        s_printf(s, ok ? "Building configuration...\n[OK]\n"
                       : "%% Error: the startup configuration cannot be written\n");
    }
    return ok;
}

/* save_file: into the file the operator gave, whose former text stays beside it. */
static bool save_file(struct session *s)
{
    struct strbuf text = {0}, where = {0};
    bool may = to_save(s, &text), ok = may && s->host->save_file(host_ctx(s), text.s, &where);
    sb_free(&text);
    if (may) {
        s_printf(s, ok ? "Building configuration...\n%s\n[OK]\n" : "%% Error: %s\n",
                 where.s ? where.s : "");
    }
    sb_free(&where);
    return ok;
}

bool exec_write(struct session *s, const struct match *m)
{
    if (match_has(m, "terminal")) {
        return exec_show_running(s, m);
    }
    return match_has(m, "file") ? save_file(s) : save(s);
}

bool exec_copy(struct session *s, const struct match *m)
{
    (void)m;
    s_printf(s, "Destination filename [startup-config]? \n");
    return save(s);
}

/* ---- ping ---- */

static bool ping_source(struct session *s, const struct match *m, struct cli_ping *p)
{
    const char *by_if = match_text(m, "srcif"), *by_addr = match_text(m, "srcaddr");
    if (by_addr) {
        return addr_parse(&p->src, by_addr);
    }
    if (by_if) {
        p->src = conf_if_address(s->host->conf(host_ctx(s)), by_if, p->dst.family);
        if (!p->src.family) {
            s_printf(s, "%% Invalid source interface - %s has no %s address\n", by_if,
                     p->dst.family == AF_V6 ? "IPv6" : "IP");
            return false;
        }
    }
    return true;
}

bool exec_ping(struct session *s, const struct match *m)
{
    struct cli_ping p = {.count = (u32)match_number(m, "repeat", 5),
                         .size = (u32)match_number(m, "size", 100),
                         .timeout_ms = 1000 * (u32)match_number(m, "timeout", 2),
                         .df = match_has(m, "df-bit")};
    struct strbuf error = {0};
    char a[ADDR_STR];
    if (!addr_parse(&p.dst, match_text(m, "dst")) || !ping_source(s, m, &p)) {
        return false;
    }
    struct strbuf head = {0};
    sb_addf(&head,
            "\nType escape sequence to abort.\nSending %u, %u-byte ICMP Echos to %s, timeout is %u "
            "seconds:\n",
            p.count, p.size, addr_str(a, &p.dst), p.timeout_ms / 1000);
    if (p.src.family) {
        sb_addf(&head, "Packet sent with a source address of %s%s\n", addr_str(a, &p.src),
                p.dst.family == AF_V4 ? " " : "");
    }
    sb_add(&head, p.df ? "Packet sent with the DF bit set\n" : "");
    session_output(s, head.s);
    sb_free(&head);
    s->pinging = true;
    if (!s->host->ping(host_ctx(s), s, &p, &error)) {
        s->pinging = false;
        s_printf(s, "%% %s\n", error.s ? error.s : "ping cannot start");
        sb_free(&error);
        return false;
    }
    sb_free(&error);
    return true;
}
