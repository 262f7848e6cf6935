/*
 * frr.c: `router ospf` becomes FRR's: a configuration file, zebra and ospfd as children of main, in this router's own
 * directory (sockets, pid files), so that many routers live on one machine. They run as the user FRR's package made.
 * Their routes lead to what tunnels protect, so they stay: a changed line is a reload, not a restart; a daemon that ended
 * by itself is started again; zebra keeps its routes when it ends.
 */
#include "sys/router_int.h"

#include <errno.h>
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
    struct strbuf text;                                  /* what the daemons run on */
    struct strbuf offered;                               /* what they shall run on soon */
    struct daemon *running[FRR_NUM];                     /* owned; NULL: not running */
    enum frr_end { END_NOT, END_LINES, END_ROUTER } end; /* they are asked to end, and why */
    bool reloading, reload_again; /* the text changes; it has changed meanwhile */
    bool unwritten;               /* the text could not be written: again at the next look */
    uv_timer_t wait;     /* for zebra's socket: ospfd would try again only after ten seconds */
    uv_timer_t patience; /* with daemons that are asked to end */
    uv_timer_t again;    /* one ended by itself: start it again soon */
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
    uv_timer_init(&r->loop, &f->again);
    f->wait.data = f->patience.data = f->again.data = f;
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
            break; /* ospfd runs one process; the first one is it, conf_audit names the others */
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
static void frr_reload(struct frr *f);
static void on_again(uv_timer_t *t);

static void complain(struct frr *f, const char *what, const char *why)
{
    ev_conf_fail(&f->r->log, 0, NULL,
                 &(struct evb_conf_fail){.what = ev_str(what), .why = ev_textf("%s", why)});
}

static void end_one(struct frr *f, int i)
{
    if (f->running[i]) {
        uv_process_kill(&f->running[i]->proc, SIGTERM);
    }
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_exit_frr(uv_process_t *p, int64_t status, int sig)
{
    enum { AGAIN_MS = 1000 };
    struct daemon *d = p->data;
    struct frr *f = d->f;
    char how[512];
    if (f->running[d->i] == d) {
        f->running[d->i] = NULL;
    }
    uv_close((uv_handle_t *)p, on_closed);
    if (f->end != END_NOT) { /* the other one, in its turn */
        end_one(f, 1 - d->i);
    } else {
        snprintf(how, sizeof how,
                 sig ? "ended: signal %d (see %.400s)" : "ended: status %d (see %.400s)",
                 sig ? sig : (int)status, f->dir);
        complain(f, daemons[d->i], how);
        uv_timer_start(&f->again, on_again, AGAIN_MS, 0);
    }
    if (f->end == END_LINES && !f->running[0] && !f->running[1]) {
        f->end = END_NOT;
        uv_timer_stop(&f->patience);
        if (f->text.len && !f->r->ending) { /* the lines came back meanwhile */
            frr_start(f);
        }
    }
}

/* write_conf: what is wrong, or NULL. */
static const char *write_conf(const struct frr *f)
{
    char path[512];
    const struct passwd *user = getpwnam("frr");
    if (!user) {
        return "FRR is not installed; install the package frr";
    }
    (void)mkdir(f->dir, 0755);
    snprintf(path, sizeof path, "%s/frr.conf", f->dir);
    if (chown(f->dir, user->pw_uid, user->pw_gid) != 0) {
        return strerror(errno);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0) {
        return strerror(errno);
    }
    ssize_t n = write(fd, f->text.s, f->text.len);
    const char *why = n != (ssize_t)f->text.len                          ? strerror(n < 0 ? errno : ENOSPC)
                      : fchown(fd, user->pw_uid, user->pw_gid) != 0 ? strerror(errno)
                                                                    : NULL;
    close(fd);
    return why;
}

static bool frr_write(struct frr *f)
{
    const char *why = write_conf(f);
    f->unwritten = why != NULL;
    apply_complain_once(f->r, "router ospf", "", why);
    return !why;
}

/* leftover_end: one that a killed main left behind holds the same sockets. Its routes stay. */
static void leftover_end(const char *pid_file)
{
    char path[64], args[2048] = "";
    int pid = 0;
    FILE *in = fopen(pid_file, "re");
    if (!in || fscanf(in, "%d", &pid) != 1 || pid <= 1) {
        pid = 0;
    }
    if (in) {
        fclose(in);
    }
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    in = pid ? fopen(path, "re") : NULL;
    size_t len = in ? fread(args, 1, sizeof args - 1, in) : 0;
    if (in) {
        fclose(in);
    }
    if (len && memmem(args, len, pid_file,
                      strlen(pid_file) + 1)) { /* it is the one, not a number used again */
        (void)kill(pid, SIGKILL);
    }
}

static void daemon_start(struct frr *f, int i)
{
    char exe[64], conf[512], zserv[512], pid[512], log[512];
    snprintf(conf, sizeof conf, "%s/frr.conf", f->dir);
    snprintf(zserv, sizeof zserv, "%s/zserv.api", f->dir);
    snprintf(exe, sizeof exe, "/usr/lib/frr/%s", daemons[i]);
    snprintf(pid, sizeof pid, "%s/%s.pid", f->dir, daemons[i]);
    snprintf(log, sizeof log, "file:%s/%s.log", f->dir, daemons[i]);
    /* zebra alone knows the last three: its routes stay when it ends, and those of the one before are swept only when
     * OSPF has had the time to learn them again */
    char *args[] = {exe,  "-f",           conf,   "-z",          zserv,       "-i",
                    pid,  "--vty_socket", f->dir, "-A",          "127.0.0.1", "-P",
                    "0",  "--log",        log,    "--log-level", "warnings",  i == 0 ? "-r" : NULL,
                    "-K", "120",          NULL};
    uv_stdio_container_t io[3] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    uv_process_options_t o = {
        .exit_cb = on_exit_frr, .file = exe, .args = args, .stdio_count = 3, .stdio = io};
    o.flags =
        UV_PROCESS_DETACHED; /* a signal to our process group is not for them: their order matters */
    leftover_end(pid);
    struct daemon *d = xcalloc(1, sizeof *d);
    d->f = f;
    d->i = i;
    d->proc.data = d;
    int err = uv_spawn(&f->r->loop, &d->proc, &o);
    f->running[i] = err == 0 ? d : NULL;
    if (err != 0) {
        uv_close((uv_handle_t *)&d->proc, on_closed);
        complain(f, daemons[i], uv_strerror(err));
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
        if (f->running[0] && !f->running[1]) {
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

static void on_again(uv_timer_t *t)
{
    struct frr *f = t->data;
    if (f->end != END_NOT || !f->text.len || f->r->ending) {
        return;
    }
    if (!f->running[0] &&
        f->running
            [1]) { /* it would not tell a new zebra its routes; and it tells neighbours nothing now */
        uv_process_kill(&f->running[1]->proc, SIGKILL);
    } else if (!f->running[0]) {
        frr_start(f);
    } else if (!f->running[1]) {
        daemon_start(f, 1);
    }
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

/* frr_end: asks one to end, and the other when it has. END_LINES: `router ospf` is gone: ospfd first, so that zebra takes
 * its routes away. END_ROUTER: zebra first, so that the routes stay. */
static void frr_end(struct frr *f, enum frr_end how)
{
    enum { PATIENCE_MS = 1000 };
    int first = how == END_LINES;
    f->end = how;
    uv_timer_stop(&f->wait);
    uv_timer_stop(&f->again);
    end_one(f, f->running[first] ? first : 1 - first);
    uv_timer_start(&f->patience, on_patience, PATIENCE_MS, 0);
}

/* ---- changes ---- */

struct reload {
    uv_process_t proc;
    struct frr *f;
};

static void on_exit_reload(uv_process_t *p, int64_t status, int sig)
{
    struct reload *l = p->data;
    struct frr *f = l->f;
    f->reloading = false;
    uv_close((uv_handle_t *)p, on_closed);
    if (status != 0 || sig) {
        complain(f, "router ospf",
                 "the running daemons did not take the changed lines (see frr-reload.log beside "
                 "FRR's files)");
    }
    if (f->reload_again && !f->r->ending && f->end == END_NOT) {
        frr_reload(f);
    }
}

/* frr_reload: the difference to what runs, by FRR's own program: neighbours and routes stay. */
static void frr_reload(struct frr *f)
{
    static char exe[] = "/usr/lib/frr/frr-reload.py";
    char conf[512], log[512];
    f->reload_again = f->reloading;
    if (f->reloading || !frr_write(f)) {
        return;
    }
    snprintf(conf, sizeof conf, "%s/frr.conf", f->dir);
    snprintf(log, sizeof log, "%s/frr-reload.log", f->dir);
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    char *args[] = {exe,        "--reload", "--stdout", "--vty_socket", f->dir, "--confdir", f->dir,
                    "--rundir", f->dir,     "--bindir", "/usr/bin",     conf,   NULL};
    uv_stdio_container_t io[3] = {{.flags = UV_IGNORE},
                                  {.flags = out < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = out},
                                  {.flags = out < 0 ? UV_IGNORE : UV_INHERIT_FD, .data.fd = out}};
    uv_process_options_t o = {
        .exit_cb = on_exit_reload, .file = exe, .args = args, .stdio_count = 3, .stdio = io};
    struct reload *l = xcalloc(1, sizeof *l);
    l->f = f;
    l->proc.data = l;
    int err = uv_spawn(&f->r->loop, &l->proc, &o);
    f->reloading = err == 0;
    if (err != 0) {
        uv_close((uv_handle_t *)&l->proc, on_closed);
        complain(f, "router ospf",
                 "changed lines need the package frr-pythontools; the old ones stay in force");
    }
    if (out >= 0) {
        close(out);
    }
}

void frr_offer(struct frr *f, const struct conf *c)
{
    sb_free(&f->offered);
    if (!list_empty((struct list *)(uintptr_t)&c->ospfs)) {
        frr_text(f, c, &f->offered);
    }
}

void frr_take(struct frr *f)
{
    struct strbuf text = f->offered;
    f->offered = (struct strbuf){0};
    bool same = !f->unwritten && text.len == f->text.len &&
                (text.len == 0 || memcmp(text.s, f->text.s, text.len) == 0);
    if (same) {
        sb_free(&text);
        return;
    }
    sb_free(&f->text);
    f->text = text;
    bool runs = f->running[0] || f->running[1];
    if (!f->text.len && runs) {
        frr_end(f, END_LINES);
    } else if (runs && f->end == END_NOT) {
        frr_reload(f);
    } else if (f->text.len && !runs) {
        frr_start(f);
    }
}

void frr_free(struct frr *f)
{
    if (f) {
        frr_end(f, END_ROUTER);
        while (f->running[0] || f->running[1]) { /* the loop has ended, so this nests in nothing */
            uv_run(&f->r->loop, UV_RUN_ONCE);
        }
        uv_timer_stop(&f->patience);
        sb_free(&f->text);
        sb_free(&f->offered);
    }
}

bool frr_vtysh(struct frr *f, struct session *s, const char *command)
{
    return f->text.len && vtysh_start(f->r, s, f->dir, command);
}
