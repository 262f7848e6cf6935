/*
 * frr.c: `router ospf` becomes FRR's: a configuration file, zebra and ospfd as children of main, in this router's own
 * directory (sockets, pid files), so that many routers live on one machine. They run as the user FRR's package made.
 */
#include "sys/router_int.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FRR_NUM = 2 };
static const char *const daemons[FRR_NUM] = {"zebra", "ospfd"};

struct frr {
    struct router *r;
    char dir[400];
    struct strbuf text; /* what the daemons run on */
    struct daemon *running[FRR_NUM]; /* owned; NULL: not running */
    bool restart;    /* they are asked to end; when both have, the text starts anew */
    uv_timer_t wait; /* for zebra's socket: ospfd would try again only after ten seconds */
    uv_timer_t patience; /* with daemons that are asked to end */
};
/* One process with its handle, which lives until libuv gives it back. */
struct daemon {
    struct frr *f;
    int i;
    uv_process_t proc;
};

struct frr *frr_new(struct router *r)
{
    struct frr *f = xcalloc(1, sizeof *f);
    f->r = r;
    snprintf(f->dir, sizeof f->dir, "%s/frr", r->opt->run_dir);
    uv_timer_init(&r->loop, &f->wait);
    uv_timer_init(&r->loop, &f->patience);
    f->wait.data = f->patience.data = f;
    return f;
}

/* ---- the configuration ---- */

static void if_lines(struct frr *f, const struct conf *c, struct strbuf *o)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        char name[16];
        struct strbuf in = {0};
        router_kernel_name(f->r, name, i->name);
        if (i->kind == IFK_LOOPBACK || i->kind == IFK_NULL) {
            continue;
        }
        if (i->ospf.network[0] || i->kind == IFK_SERIAL || i->kind == IFK_TUNNEL) {
            sb_addf(&in, " ip ospf network %s\n",
                    i->ospf.network[0] ? i->ospf.network : "point-to-point");
        }
        u32 bw = i->bandwidth ? i->bandwidth : conf_if_kind_row(i->kind)->bandwidth_kbit;
        u32 cost = i->ospf.cost ? i->ospf.cost : MIN(MAX(100000u / bw, 1u), 65535u);
        sb_addf(&in, " ip ospf cost %u\n", cost);
        if (i->ospf.hello) {
            sb_addf(&in, " ip ospf hello-interval %u\n", i->ospf.hello);
        }
        if (i->ospf.dead) {
            sb_addf(&in, " ip ospf dead-interval %u\n", i->ospf.dead);
        }
        if (i->ospf.has_priority) {
            sb_addf(&in, " ip ospf priority %u\n", i->ospf.priority);
        }
        sb_add(&in, i->ospf.mtu_ignore ? " ip ospf mtu-ignore\n" : "");
        if (i->ospf.pid) {
            sb_addf(&in, " ip ospf area %u\n", i->ospf.area);
        }
        sb_addf(o, "interface %s\n%sexit\n!\n", name, in.s);
        sb_free(&in);
    }
}

static void ospf_kept(struct frr *f, struct strbuf *o, const char *text)
{
    char name[16];
    if (strncmp(text, "router-id ", 10) == 0) {
        sb_addf(o, " ospf %s\n", text);
    } else if (strncmp(text, "redistribute ", 13) == 0) {
        char what[32] = "";
        sscanf(text, "redistribute %31s", what); /* FRR has no `subnets`: it always sends them */
        sb_addf(o, " redistribute %s\n", what);
    } else if (strncmp(text, "passive-interface ", 18) == 0 && strcmp(text + 18, "default") != 0) {
        router_kernel_name(f->r, name, text + 18);
        sb_addf(o, " passive-interface %s\n", name);
    } else {
        sb_addf(o, " %s\n", text);
    }
}

static void frr_text(struct frr *f, const struct conf *c, struct strbuf *o)
{
    char a[ADDR_STR];
    sb_addf(o, "hostname %s\nlog syslog errors\n!\n", c->hostname);
    if_lines(f, c, o);
    CONF_FOR(struct conf_ospf, p, &c->ospfs)
    {
        if (p != CONTAINER_OF(c->ospfs.next, struct conf_ospf, link)) {
            break; /* ospfd runs one process; the first one is it, the audit names the others */
        }
        sb_add(o, "router ospf\n");
        CONF_FOR(struct conf_kept, k, &p->kept)
        {
            ospf_kept(f, o, k->text);
        }
        CONF_FOR(struct conf_ospf_net, n, &p->nets)
        {
            sb_addf(o, " network %s/%u area %u\n", addr_str(a, &n->net.a), n->net.len, n->area);
        }
        sb_add(o, " timers throttle spf 0 50 500\nexit\n!\n");
    }
}

/* ---- the daemons ---- */

static void frr_start(struct frr *f);

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_exit_frr(uv_process_t *p, int64_t status, int sig)
{
    struct daemon *d = p->data;
    struct frr *f = d->f;
    char how[64];
    f->running[d->i] = NULL;
    if (!f->restart) {
        snprintf(how, sizeof how, sig ? "signal %d" : "status %d", sig ? sig : (int)status);
        ev_conf_fail(&f->r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str(daemons[d->i]),
                                             .why = ev_textf("ended: %s (see %s)", how, f->dir)});
    }
    uv_close((uv_handle_t *)p, on_closed);
    if (f->restart && !f->running[0] && !f->running[1]) { /* both gone: their sockets are free */
        f->restart = false;
        uv_timer_stop(&f->patience);
        if (f->text.len && !f->r->ending) {
            frr_start(f);
        }
    }
}

static bool frr_write(struct frr *f)
{
    char path[512];
    const struct passwd *user = getpwnam("frr");
    if (!user) {
        ev_conf_fail(&f->r->log, 0, NULL,
                     &(struct evb_conf_fail){
                         .what = ev_str("router ospf"),
                         .why = ev_textf("FRR is not installed; install the package frr")});
        return false;
    }
    (void)mkdir(f->dir, 0755);
    if (chown(f->dir, user->pw_uid, user->pw_gid) != 0) {
        return false;
    }
    snprintf(path, sizeof path, "%s/frr.conf", f->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool ok = fd >= 0 && write(fd, f->text.s, f->text.len) == (ssize_t)f->text.len &&
              fchown(fd, user->pw_uid, user->pw_gid) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void daemon_start(struct frr *f, int i)
{
    char exe[64], conf[512], zserv[512], pid[512], log[512];
    snprintf(conf, sizeof conf, "%s/frr.conf", f->dir);
    snprintf(zserv, sizeof zserv, "%s/zserv.api", f->dir);
    snprintf(exe, sizeof exe, "/usr/lib/frr/%s", daemons[i]);
    snprintf(pid, sizeof pid, "%s/%s.pid", f->dir, daemons[i]);
    snprintf(log, sizeof log, "file:%s/%s.log", f->dir, daemons[i]);
    char *args[] = {exe, "-f",           conf,   "-z",          zserv,       "-i",
                    pid, "--vty_socket", f->dir, "-A",          "127.0.0.1", "-P",
                    "0", "--log",        log,    "--log-level", "warnings",  NULL};
    uv_stdio_container_t io[3] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    uv_process_options_t o = {
        .exit_cb = on_exit_frr, .file = exe, .args = args, .stdio_count = 3, .stdio = io};
    struct daemon *d = xcalloc(1, sizeof *d);
    d->f = f;
    d->i = i;
    d->proc.data = d;
    int err = uv_spawn(&f->r->loop, &d->proc, &o);
    f->running[i] = err == 0 ? d : NULL;
    if (err != 0) {
        uv_close((uv_handle_t *)&d->proc, on_closed);
        ev_conf_fail(&f->r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str(daemons[i]),
                                             .why = ev_textf("%s", uv_strerror(err))});
    }
}

/* zebra_listens: its socket takes connections. */
static bool zebra_listens(const struct frr *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok =
        fd >= 0 &&
        snprintf(a.sun_path, sizeof a.sun_path, "%s/zserv.api", f->dir) < (int)sizeof a.sun_path &&
        connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void on_wait(uv_timer_t *t)
{
    struct frr *f = t->data;
    if (!f->running[0] || zebra_listens(f)) {
        uv_timer_stop(t);
        if (f->running[0]) {
            daemon_start(f, 1);
        }
    }
}

static void frr_start(struct frr *f)
{
    char zserv[512];
    if (!frr_write(f)) {
        return;
    }
    snprintf(zserv, sizeof zserv, "%s/zserv.api", f->dir);
    (void)unlink(zserv);
    daemon_start(f, 0);
    uv_timer_start(&f->wait, on_wait, 10, 10);
}

static void on_patience(uv_timer_t *t)
{
    struct frr *f = t->data;
    for (int i = 0; i < FRR_NUM; i++) {
        if (f->running[i]) {
            uv_process_kill(&f->running[i]->proc, SIGKILL);
        }
    }
}

/* frr_end: asks both to end; on_exit_frr goes on when they are gone. */
static void frr_end(struct frr *f)
{
    enum { PATIENCE_MS = 1000 };
    f->restart = true;
    uv_timer_stop(&f->wait);
    for (int i = FRR_NUM - 1; i >= 0; i--) {
        if (f->running[i]) {
            uv_process_kill(&f->running[i]->proc, SIGTERM);
        }
    }
    uv_timer_start(&f->patience, on_patience, PATIENCE_MS, 0);
}

void frr_apply(struct frr *f, const struct conf *c)
{
    struct strbuf text = {0};
    if (!list_empty((struct list *)(uintptr_t)&c->ospfs)) {
        frr_text(f, c, &text);
    }
    bool same =
        text.len == f->text.len && (text.len == 0 || memcmp(text.s, f->text.s, text.len) == 0);
    if (same) {
        sb_free(&text);
        return;
    }
    sb_free(&f->text);
    f->text = text;
    if (f->running[0] || f->running[1]) {
        frr_end(f);
    } else if (f->text.len) {
        frr_start(f);
    }
}

void frr_free(struct frr *f)
{
    if (f) {
        frr_end(f);
        while (f->running[0] || f->running[1]) { /* the loop has ended, so this nests in nothing */
            uv_run(&f->r->loop, UV_RUN_ONCE);
        }
        uv_timer_stop(&f->patience);
        sb_free(&f->text);
    }
}

bool frr_vtysh(struct frr *f, struct session *s, const char *command)
{
    return f->text.len && vtysh_start(f->r, s, f->dir, command);
}
