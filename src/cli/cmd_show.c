/*
 * cmd_show.c: the `show ...` commands: takes one snapshot and hands it to render.c, or prints what the model and the
 * kernel's links say (interfaces, version, configuration).
 */
#include "cli/cli_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static struct conf *model(const struct session *s)
{
    return s->host->conf(s->host->ctx);
}

/* look: the snapshot this command has waited for; complains when a process did not answer. */
static struct cli_show look(struct session *s)
{
    struct cli_show w = {.c = model(s), .snap = s->snap, .out = &s->buf};
    if (w.snap->error) {
        s_printf(s, "%% %s\n", w.snap->error);
    }
    return w;
}

#define LOOK_AND(name, call)                                                                       \
    bool exec_##name(struct session *s, const struct match *m)                                     \
    {                                                                                              \
        (void)m;                                                                                   \
        struct cli_show w = look(s);                                                               \
        call;                                                                                      \
        return !w.snap->error;                                                                     \
    }
LOOK_AND(show_isakmp_sa, (match_has(m, "detail") ? cli_show_isakmp_sa_detail : cli_show_isakmp_sa)(&w))
LOOK_AND(show_admission, cli_show_admission(&w))
LOOK_AND(show_isakmp_policy, cli_show_isakmp_policy(&w))
LOOK_AND(show_isakmp_peers, cli_show_isakmp_peers(&w))
LOOK_AND(show_isakmp_key, cli_show_isakmp_key(&w))
LOOK_AND(show_transform_set, cli_show_transform_set(&w))
LOOK_AND(show_profile, cli_show_profile(&w))
LOOK_AND(show_map, cli_show_map(&w))
LOOK_AND(show_session, cli_show_session(&w, match_has(m, "detail")))

bool exec_show_ipsec_sa(struct session *s, const struct match *m)
{
    struct cli_show w = look(s);
    struct addr peer;
    const char *p = match_text(m, "peer");
    bool ok = !w.snap->error && (!p || addr_parse(&peer, p));
    if (ok) {
        cli_show_ipsec_sa(&w, match_text(m, "if"), p ? &peer : NULL, match_text(m, "map"),
                          match_has(m, "detail"));
    }
    return ok;
}

static void on_hole(void *arg, const struct prefix *net, u32 tunnel, bool learned)
{
    char a[ADDR_STR], n[ADDR_STR + 4], t[16];
    snprintf(n, sizeof n, "%s/%u", addr_str(a, &net->a), net->len);
    snprintf(t, sizeof t, "Tunnel%u", tunnel);
    s_printf(arg, "%-24s %-12s %s\n", n, t, learned ? "routing" : "configuration");
}

bool exec_show_holes(struct session *s, const struct match *m)
{
    (void)m;
    s_printf(s, "%-24s %-12s %s\n", "network", "behind", "known by");
    s->host->each_hole(s->host->ctx, on_hole, s);
    return true;
}

bool exec_show_drops(struct session *s, const struct match *m)
{
    (void)m;
    struct cli_show w = look(s);
    s_printf(s, "%-10s %-30s %s\n", "packets", "reason", "what it means");
    for (size_t i = 0; i < w.snap->num_drops; i++) {
        const struct dp_drop_info *d = &w.snap->drops[i];
        if (d->packets) {
            s_printf(s, "%-10" PRIu64 " %-30s %s\n", d->packets, dp_drop_name(d->reason),
                     dp_drop_text(d->reason));
        }
    }
    for (size_t i = 0; i < w.snap->num_ike_counts; i++) { /* refused messages, failed negotiations */
        const char *text, *name = ike_fail_name(w.snap->ike_counts[i].id, &text);
        if (name) {
            s_printf(s, "%-10" PRIu64 " %-30s %s\n", w.snap->ike_counts[i].count, name, text);
        }
    }
    for (size_t i = 0; i < w.snap->num_refused; i++) { /* what main did not take from ike or dp */
        const struct cli_refused *f = &w.snap->refused[i];
        s_printf(s, "%-10" PRIu64 " value of %-21s %s\n", f->count, f->who, f->why);
    }
    return true;
}

/* ---- interfaces ---- */

static const struct dp_tunnel_info *tunnel_of(const struct cli_snapshot *snap, const char *name)
{
    static const struct dp_tunnel_info none = {.last_rx_ms_ago = UINT64_MAX,
                                               .last_tx_ms_ago = UINT64_MAX};
    for (size_t i = 0; i < snap->num_tunnels; i++) {
        if (snap->tunnels[i].id == (u32)strtoul(name + strlen("Tunnel"), NULL, 10)) {
            return &snap->tunnels[i];
        }
    }
    return &none;
}

static void ago(char out[24], u64 ms)
{
    if (ms == UINT64_MAX) {
        str_copy(out, 24, "never");
        return;
    }
    u64 t = ms / 1000;
    snprintf(out, 24, "%02u:%02u:%02u", (unsigned)(t / 3600 % 100), (unsigned)(t / 60 % 60),
             (unsigned)(t % 60));
}

static void show_tunnel_lines(struct session *s, const struct conf_if *i)
{
    static const char *const protocols[] = {"GRE/IP",  "GRE/IPv6", "IP/IP",
                                            "IPv6/IP", "IPSEC/IP", "IPSEC/IPV6"};
    char a[ADDR_STR] = "UNKNOWN", b[ADDR_STR] = "UNKNOWN";
    struct addr src = conf_tunnel_source(model(s), i);
    if (src.family) {
        addr_str(a, &src);
    }
    if (i->tun.dest.family) {
        addr_str(b, &i->tun.dest);
    }
    s_printf(s, "  Tunnel source %s%s%s%s, destination %s\n", a, i->tun.source_if[0] ? " (" : "",
             i->tun.source_if, i->tun.source_if[0] ? ")" : "", b);
    s_printf(s, "  Tunnel protocol/transport %s\n", protocols[i->tun.mode]);
    if (i->tun.mode == CTM_GRE_IP || i->tun.mode == CTM_GRE_IPV6) {
        if (i->tun.has_key) {
            s_printf(s, "    Key 0x%X, sequencing %s\n", i->tun.key,
                     i->tun.sequence ? "enabled" : "disabled");
        } else {
            s_printf(s, "    Key disabled, sequencing %s\n",
                     i->tun.sequence ? "enabled" : "disabled");
        }
        s_printf(s, "    Checksumming of packets %s\n", i->tun.checksum ? "enabled" : "disabled");
    }
    s_printf(s, "  Tunnel TTL %u\n  Fast tunneling enabled\n", i->tun.ttl ? i->tun.ttl : 255);
    s_printf(s,
             "  Tunnel transmit bandwidth 8000 (kbps)\n  Tunnel receive bandwidth 8000 (kbps)\n");
    if (i->tun.profile[0]) {
        s_printf(s, "  Tunnel protection via IPSec (profile \"%s\")\n", i->tun.profile);
    }
}

static void show_counters(struct session *s, const struct conf_if *i,
                          const struct cli_snapshot *snap)
{
    struct cli_link l = {0};
    char in[24], out[24];
    u64 rates[4] = {0};
    ago(in, UINT64_MAX);
    ago(out, UINT64_MAX);
    (void)s->host->link(s->host->ctx, i->name, &l);
    if (i->kind == IFK_TUNNEL) {
        const struct dp_tunnel_info *t = tunnel_of(snap, i->name);
        l.rx_packets = t->rx_packets, l.rx_bytes = t->rx_bytes, l.rx_errors = t->rx_errors;
        l.tx_packets = t->tx_packets, l.tx_bytes = t->tx_bytes, l.tx_errors = t->tx_errors;
        rates[0] = t->rx_bps, rates[1] = t->rx_pps, rates[2] = t->tx_bps, rates[3] = t->tx_pps;
        ago(in, t->last_rx_ms_ago);
        ago(out, t->last_tx_ms_ago);
    }
    s_printf(s, "  Last input %s, output %s, output hang never\n", in, out);
    s_printf(s, "  Last clearing of \"show interface\" counters never\n");
    s_printf(s,
             "  Input queue: 0/75/%" PRIu64
             "/0 (size/max/drops/flushes); Total output drops: %" PRIu64 "\n",
             l.rx_drops, l.tx_drops);
    s_printf(s, "  Queueing strategy: fifo\n  Output queue: 0/%d (size/max)\n",
             i->kind == IFK_TUNNEL ? 0 : 40);
    s_printf(s, "  5 minute input rate %" PRIu64 " bits/sec, %" PRIu64 " packets/sec\n", rates[0],
             rates[1]);
    s_printf(s, "  5 minute output rate %" PRIu64 " bits/sec, %" PRIu64 " packets/sec\n", rates[2],
             rates[3]);
    s_printf(s, "     %" PRIu64 " packets input, %" PRIu64 " bytes, 0 no buffer\n", l.rx_packets,
             l.rx_bytes);
    s_printf(s, "     Received 0 broadcasts, 0 runts, 0 giants, 0 throttles\n");
    s_printf(s, "     %" PRIu64 " input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored, 0 abort\n",
             l.rx_errors);
    s_printf(s, "     %" PRIu64 " packets output, %" PRIu64 " bytes, 0 underruns\n", l.tx_packets,
             l.tx_bytes);
    s_printf(s, "     %" PRIu64 " output errors, 0 collisions, 0 interface resets\n", l.tx_errors);
    s_printf(s, "     0 output buffer failures, 0 output buffers swapped out\n");
}

static void show_interface(struct session *s, const struct conf_if *i,
                           const struct cli_snapshot *snap)
{
    const struct conf_if_kind_row *k = conf_if_kind_row(i->kind);
    struct cli_link l = {0};
    char a[ADDR_STR];
    const struct cli_if_line line = cli_if_line(s->host, i, snap);
    bool linked = s->host->link(s->host->ctx, i->name, &l);
    s_printf(s, "%s is %s, line protocol is %s\n", i->name, line.state,
             line.up ? "up" : "down");
    if (i->kind == IFK_TUNNEL || i->kind == IFK_LOOPBACK) {
        s_printf(s, "  Hardware is %s\n", k->name);
    } else if (i->kind == IFK_SERIAL) {
        s_printf(s, "  Hardware is Linux link\n");
    } else {
        s_printf(s,
                 "  Hardware is Linux link, address is %02x%02x.%02x%02x.%02x%02x (bia "
                 "%02x%02x.%02x%02x.%02x%02x)\n",
                 l.mac[0], l.mac[1], l.mac[2], l.mac[3], l.mac[4], l.mac[5], l.mac[0], l.mac[1],
                 l.mac[2], l.mac[3], l.mac[4], l.mac[5]);
    }
    if (i->description[0]) {
        s_printf(s, "  Description: %s\n", i->description);
    }
    CONF_FOR(struct conf_if_addr, x, &i->addrs)
    {
        if (x->p.a.family == AF_V4 && !x->secondary) {
            s_printf(s, "  Internet address is %s/%u\n", addr_str(a, &x->p.a), x->p.len);
        }
    }
    bool virtual_if = i->kind == IFK_TUNNEL || i->kind == IFK_LOOPBACK;
    u32 bw = i->bandwidth ? i->bandwidth : k->bandwidth_kbit,
        mtu = linked && !virtual_if ? l.mtu : k->mtu;
    s_printf(s, "  MTU %u bytes, BW %u Kbit, DLY %u usec, \n", mtu, bw, k->delay_us);
    s_printf(s, "     reliability 255/255, txload 1/255, rxload 1/255\n");
    s_printf(s, "  Encapsulation %s, loopback not set\n",
             i->kind == IFK_TUNNEL     ? "TUNNEL"
             : i->kind == IFK_LOOPBACK ? "LOOPBACK"
             : i->kind == IFK_SERIAL   ? "HDLC"
                                       : "ARPA");
    s_printf(s, "  Keepalive not set\n");
    if (i->kind == IFK_TUNNEL) {
        show_tunnel_lines(s, i);
    }
    show_counters(s, i, snap);
}

bool exec_show_interfaces(struct session *s, const struct match *m)
{
    const char *one = match_text(m, "if");
    struct cli_show w = look(s);
    bool found = false;
    CONF_FOR(struct conf_if, i, &w.c->ifs)
    {
        if (!one || strcmp(one, i->name) == 0) {
            show_interface(s, i, w.snap);
            found = true;
        }
    }
    if (one && !found) {
        s_printf(s, "%% %s does not exist\n", one);
    }
    return found || !one;
}

bool exec_show_ip_brief(struct session *s, const struct match *m)
{
    (void)m;
    struct cli_show w = look(s);
    s_printf(
        s,
        "Interface                  IP-Address      OK? Method Status                Protocol\n");
    CONF_FOR(struct conf_if, i, &w.c->ifs)
    {
        char a[ADDR_STR] = "unassigned";
        const struct cli_if_line line = cli_if_line(s->host, i, w.snap);
        struct addr v4 = conf_if_address(w.c, i->name, AF_V4);
        if (v4.family) {
            addr_str(a, &v4);
        }
        s_printf(s, "%-27s%-16sYES %-7s%-22s%s\n", i->name, a, v4.family ? "NVRAM" : "unset",
                 line.state, line.up ? "up" : "down");
    }
    return true;
}

/* ---- configuration and the rest ---- */

static void show_one_if(struct session *s, const char *text, const char *iface)
{
    char want[64];
    bool inside = false;
    snprintf(want, sizeof want, "interface %s", iface);
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n");
        inside = strncmp(p, want, len) == 0 && strlen(want) == len ? true : inside && *p == ' ';
        if (inside) {
            sb_addn(&s->buf, p, len + 1);
        }
        p += len + (p[len] == '\n');
    }
    sb_add(&s->buf, "end\n\n");
}

bool exec_show_running(struct session *s, const struct match *m)
{
    struct strbuf text = {0};
    const char *one = match_text(m, "if");
    cli_running(&text, model(s));
    s_printf(s, "Building configuration...\n\nCurrent configuration : %zu bytes\n", text.len);
    if (one) {
        sb_add(&s->buf, "!\n");
        show_one_if(s, text.s, one);
    } else {
        sb_add(&s->buf, text.s);
        sb_add(&s->buf, "\n");
    }
    sb_free(&text);
    return true;
}

bool exec_show_startup(struct session *s, const struct match *m)
{
    (void)m;
    char *text = s->host->startup(s->host->ctx);
    if (!text) {
        s_printf(s, "startup-config is not present\n");
        return false;
    }
    s_printf(s, "Using %zu bytes\n", strlen(text));
    sb_add(&s->buf, text);
    mem_wipe(text, strlen(text)); /* it holds keys */
    free(text);
    return true;
}

static void uptime_text(char out[80], u64 t)
{
    unsigned days = (unsigned)(t / 86400), hours = (unsigned)(t / 3600 % 24),
             minutes = (unsigned)(t / 60 % 60);
    if (days) {
        snprintf(out, 80, "%u day%s, %u hour%s, %u minute%s", days, days == 1 ? "" : "s", hours,
                 hours == 1 ? "" : "s", minutes, minutes == 1 ? "" : "s");
    } else if (hours) {
        snprintf(out, 80, "%u hour%s, %u minute%s", hours, hours == 1 ? "" : "s", minutes,
                 minutes == 1 ? "" : "s");
    } else {
        snprintf(out, 80, "%u minute%s", minutes, minutes == 1 ? "" : "s");
    }
}

bool exec_show_version(struct session *s, const struct match *m)
{
    (void)m;
    char up[80];
    unsigned num = 0;
    uptime_text(up, s->host->uptime_s(s->host->ctx));
    s_printf(s, "adit IPsec router for Linux, Version %s, %s dialect\n", ADIT_VERSION,
             model(s)->dialect_15 ? "15.x" : "12.4");
    s_printf(s, "Apache-2.0 licensed; no warranty\n\n");
    s_printf(s, "%s uptime is %s\n", model(s)->hostname, up);
    s_printf(s, "System image file is \"aditd\"\n\n");
    CONF_FOR(struct conf_if, i, &model(s)->ifs)
    {
        num++;
    }
    s_printf(s, "%u interface%s configured\n\nConfiguration register is 0x2102\n\n", num,
             num == 1 ? "" : "s");
    return true;
}

bool exec_show_logging(struct session *s, const struct match *m)
{
    (void)m;
    s_printf(s, "Syslog logging: enabled\n    Buffer logging: level debugging\n\nLog Buffer:\n\n");
    sb_add(&s->buf, s->host->log(s->host->ctx));
    return true;
}

bool exec_show_clock(struct session *s, const struct match *m)
{
    (void)m;
    struct timespec t;
    struct tm tm;
    char text[64];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(text, sizeof text, " UTC %a %b %e %Y", &tm);
    s_printf(s, "%02d:%02d:%02d.%03ld%s\n", tm.tm_hour, tm.tm_min, tm.tm_sec, t.tv_nsec / 1000000,
             text);
    return true;
}

bool exec_show_privilege(struct session *s, const struct match *m)
{
    (void)m;
    s_printf(s, "Current privilege level is %d\n", s->cfg.mode == M_EXEC ? 1 : 15);
    return true;
}

static bool ask_frr(struct session *s, const char *what)
{
    s->asking_frr = s->host->vtysh(s->host->ctx, s, what);
    if (!s->asking_frr) {
        s_printf(s,
                 "%% no routing process runs; see `ip route` on the host for the kernel's table\n");
    }
    return true;
}

bool exec_show_ospf(struct session *s, const struct match *m)
{
    const char *what = match_has(m, "neighbor")    ? "show ip ospf neighbor"
                       : match_has(m, "interface") ? "show ip ospf interface"
                       : match_has(m, "route")     ? "show ip ospf route"
                                                   : "show ip ospf database";
    return ask_frr(s, what);
}

bool exec_show_ip_route(struct session *s, const struct match *m)
{
    (void)m;
    return ask_frr(s, "show ip route");
}

bool exec_show_access_lists(struct session *s, const struct match *m)
{
    (void)m;
    CONF_FOR(struct conf_acl, l, &model(s)->acls)
    {
        s_printf(s, "%s access list %s\n",
                 l->ipv6       ? "IPv6"
                 : l->extended ? "Extended IP"
                               : "Standard IP",
                 l->name);
        CONF_FOR(struct conf_ace, e, &l->aces)
        {
            if (!e->remark[0] && l->ipv6) {
                s_printf(s, "    %s sequence %u\n", e->text, e->seq);
            } else if (!e->remark[0]) {
                s_printf(s, "    %u %s\n", e->seq, e->text);
            }
        }
    }
    return true;
}
