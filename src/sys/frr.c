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
#include <sys/wait.h>
#include <unistd.h>

enum { FRR_NUM = 2 };
static const char *const daemons[FRR_NUM] = {"zebra", "ospfd"};

struct frr {
    struct router *r;
    char dir[400];
    struct strbuf text; /* what the daemons run on */
    uv_process_t proc[FRR_NUM];
    bool running[FRR_NUM];
    bool restart;    /* the configuration changed while they ran */
    uv_timer_t wait; /* for zebra's socket: ospfd would try again only after ten seconds */
};

struct frr *frr_new(struct router *r)
{
    struct frr *f = xcalloc(1, sizeof *f);
    f->r = r;
    snprintf(f->dir, sizeof f->dir, "%s/frr", r->opt->run_dir);
    uv_timer_init(&r->loop, &f->wait);
    f->wait.data = f;
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

static void on_exit_frr(uv_process_t *p, int64_t status, int sig)
{
    struct frr *f = p->data;
    int i = p == &f->proc[0] ? 0 : 1;
    char how[64];
    f->running[i] = false;
    if (!f->restart) {
        snprintf(how, sizeof how, sig ? "signal %d" : "status %d", sig ? sig : (int)status);
        ev_conf_fail(&f->r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str(daemons[i]),
                                             .why = ev_textf("ended: %s (see %s)", how, f->dir)});
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
    f->proc[i].data = f;
    int err = uv_spawn(&f->r->loop, &f->proc[i], &o);
    f->running[i] = err == 0;
    if (err != 0) {
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
    f->restart = false;
    snprintf(zserv, sizeof zserv, "%s/zserv.api", f->dir);
    (void)unlink(zserv);
    daemon_start(f, 0);
    uv_timer_start(&f->wait, on_wait, 10, 10);
}

/* frr_end: asks both to end and waits for them: they are gone before new ones bind the same sockets. */
static void frr_end(struct frr *f)
{
    f->restart = true;
    uv_timer_stop(&f->wait);
    for (int i = FRR_NUM - 1; i >= 0; i--) {
        if (f->running[i]) {
            uv_process_kill(&f->proc[i], SIGTERM);
        }
    }
    while (f->running[0] || f->running[1]) {
        uv_run(&f->r->loop, UV_RUN_ONCE);
    }
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
    }
    if (f->text.len) {
        frr_start(f);
    }
}

void frr_free(struct frr *f)
{
    if (f) {
        frr_end(f);
        sb_free(&f->text);
        free(f);
    }
}

void frr_vtysh(struct frr *f, const char *command, struct strbuf *out)
{
    int pipe_fd[2];
    char part[4096];
    ssize_t n;
    if (!f->text.len || pipe2(pipe_fd, O_CLOEXEC) != 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fd[1], 1);
        dup2(pipe_fd[1], 2);
        execl("/usr/bin/vtysh", "vtysh", "--vty_socket", f->dir, "-c", command, (char *)NULL);
        _exit(127);
    }
    close(pipe_fd[1]);
    while (pid > 0 && (n = read(pipe_fd[0], part, sizeof part)) > 0) {
        sb_addn(out, part, (size_t)n);
    }
    close(pipe_fd[0]);
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
}
