/*
 * lab.c: namespaces, links and daemons of a lab. Everything it makes has the lab's name in it: namespaces
 * adit-LAB-NODE, files in /run/adit/lab/LAB. `down` works from those alone, so a crashed lab goes away too.
 */
#include "lab/lab.h"
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAB_ROOT "/run/adit/lab"

/* ---- small tools ---- */

/* run: a shell line; quiet: its errors are expected. Returns its exit status. */
static int run(bool quiet, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int run(bool quiet, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line - 16, fmt, ap);
    va_end(ap);
    if (quiet) {
        snprintf(line + n, sizeof line - (size_t)n, " 2>/dev/null");
    }
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void ns_name(char out[160], const char *lab, const char *node)
{
    snprintf(out, 160, "adit-%.60s-%.60s", lab, node);
}

static bool enter_ns(const char *ns)
{
    char path[128];
    snprintf(path, sizeof path, "/run/netns/%s", ns);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void node_dir(char out[256], const char *lab, const char *node)
{
    snprintf(out, 256, LAB_ROOT "/%s/%s", lab, node);
}

/* ---- up ---- */

/* link_name: what the node's end of a link is called in Linux. */
static void link_name(char out[16], const struct topo *t, const struct topo_end *e)
{
    if (t->node[e->node].host) {
        str_copy(out, 16, e->iface);
    } else {
        conf_if_kernel(out, e->iface);
    }
}

static bool make_links(const struct topo *t)
{
    for (unsigned i = 0; i < t->num_links; i++) {
        char ns[2][160], name[2][16];
        for (int e = 0; e < 2; e++) {
            ns_name(ns[e], t->name, t->node[t->link[i][e].node].name);
            link_name(name[e], t, &t->link[i][e]);
        }
        if (run(false, "ip link add %s netns %s type veth peer name %s netns %s", name[0], ns[0],
                name[1], ns[1]) != 0 ||
            run(false, "ip -n %s link set %s up && ip -n %s link set %s up", ns[0], name[0], ns[1],
                name[1]) != 0) {
            fprintf(stderr, "adit lab: link %s:%s - %s:%s cannot be made\n",
                    t->node[t->link[i][0].node].name, t->link[i][0].iface,
                    t->node[t->link[i][1].node].name, t->link[i][1].iface);
            return false;
        }
    }
    return true;
}

static struct conf *node_conf(const struct topo *t, const struct topo_node *n, char path[400])
{
    struct strbuf errors = {0};
    snprintf(path, 400, "%s/%s", t->dir, n->config);
    char *text = cli_read_file(path);
    if (!text) {
        fprintf(stderr, "adit lab: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    struct conf *c = conf_new();
    str_copy(c->folder, sizeof c->folder, path);
    char *slash = strrchr(c->folder, '/');
    *(slash ? slash + (slash == c->folder) : c->folder) = 0;
    if (!cli_load(c, path, text, &errors)) {
        fputs(errors.s, stderr);
        conf_free(c);
        c = NULL;
    }
    mem_wipe(text, strlen(text)); /* it holds keys */
    free(text);
    sb_free(&errors);
    return c;
}

static bool linked(const struct topo *t, const char *node, const char *kernel)
{
    for (unsigned i = 0; i < t->num_links; i++) {
        for (int e = 0; e < 2; e++) {
            char name[16];
            link_name(name, t, &t->link[i][e]);
            if (strcmp(t->node[t->link[i][e].node].name, node) == 0 && strcmp(name, kernel) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* make_stubs: an interface that is configured but not in the topology gets a cable to nowhere, so that it is up. */
static bool make_stubs(const struct topo *t, const struct topo_node *n, const struct conf *c,
                       unsigned *serial)
{
    char ns[160], stub[160], kernel[16];
    ns_name(ns, t->name, n->name);
    ns_name(stub, t->name, "_stub");
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        conf_if_kernel(kernel, i->name);
        if (i->kind == IFK_LOOPBACK || i->kind == IFK_TUNNEL || i->kind == IFK_NULL ||
            linked(t, n->name, kernel)) {
            continue;
        }
        if (run(false,
                "ip link add %s netns %s type veth peer name s%u netns %s && ip -n %s link set s%u "
                "up",
                kernel, ns, *serial, stub, stub, *serial) != 0) {
            return false;
        }
        (*serial)++;
    }
    return true;
}

/* plain: one path component, and nothing a shell would read. */
static bool plain(const char *s)
{
    size_t len = strlen(s);
    return len > 0 && len < 64 && s[0] != '.' && s[0] != '-' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

/* start_router: aditd in its namespace; returns when it is ready to serve (it says so on a pipe). */
static bool start_router(const struct topo *t, const struct topo_node *n, const char *config)
{
    char ns[160], dir[256], exe[512], path[320], fd_text[16], byte;
    int ready[2];
    ns_name(ns, t->name, n->name);
    node_dir(dir, t->name, n->name);
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 8);
    if (len <= 0 || pipe(ready) != 0) {
        return false;
    }
    exe[len] = 0;
    char *base = strrchr(exe, '/');
    strcpy(base + 1, "aditd");
    if (access(exe, X_OK) != 0) { /* installed: adit in bin, aditd in sbin */
        *base = 0;
        base = strrchr(exe, '/');
        strcpy(base + 1, "sbin/aditd");
    }
    (void)mkdir(dir, 0755);
    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        snprintf(fd_text, sizeof fd_text, "%d", ready[1]);
        snprintf(path, sizeof path, "%s/stderr", dir);
        int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), in = open("/dev/null", O_RDONLY);
        if (!enter_ns(ns) || out < 0 || in < 0 || setsid() < 0) {
            _exit(126);
        }
        dup2(in, 0), dup2(out, 1), dup2(out, 2);
        execl(exe, "aditd", "--run-dir", dir, "--ready-fd", fd_text, config, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    bool ok = pid > 0 && read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    snprintf(path, sizeof path, "%s/pid", dir);
    FILE *f = fopen(path, "we");
    if (f) {
        fprintf(f, "%d\n", (int)pid);
        fclose(f);
    }
    if (!ok) {
        fprintf(stderr, "adit lab: %s did not start; see %s/stderr\n", n->name, dir);
        (void)run(true, "cat %s/stderr >&2", dir);
    }
    return ok;
}

static int lab_down_name(const char *lab);

/* remember: where the topology is, for `lab restart`. */
static bool remember(const struct topo *t, const char *dir)
{
    char path[300], whole[4096];
    snprintf(path, sizeof path, LAB_ROOT "/%s/.topology", t->name);
    FILE *f = realpath(dir, whole) ? fopen(path, "we") : NULL;
    bool ok = f && fputs(whole, f) >= 0;
    return f && fclose(f) == 0 && ok;
}

static bool bring_up(const struct topo *t, const char *dir)
{
    char ns[160], path[400];
    unsigned serial = 0;
    if (run(true, "mkdir -p " LAB_ROOT "/%s", t->name) != 0 || !remember(t, dir)) {
        fprintf(stderr, "adit lab: " LAB_ROOT "/%s: %s\n", t->name, strerror(errno));
        return false;
    }
    ns_name(ns, t->name, "_stub");
    if (run(false, "ip netns add %s", ns) != 0) {
        return false;
    }
    for (unsigned i = 0; i < t->num_nodes; i++) {
        ns_name(ns, t->name, t->node[i].name);
        if (run(false, "ip netns add %s && ip -n %s link set lo up", ns, ns) != 0) {
            return false;
        }
    }
    if (!make_links(t)) {
        return false;
    }
    for (unsigned i = 0; i < t->num_nodes; i++) {
        const struct topo_node *n = &t->node[i];
        struct conf *c = n->host ? NULL : node_conf(t, n, path);
        bool ok = n->host || (c && make_stubs(t, n, c, &serial) && start_router(t, n, path));
        conf_free(c);
        ns_name(ns, t->name, n->name);
        for (unsigned k = 0; ok && k < n->num_execs; k++) {
            ok = run(false, "ip netns exec %s sh -c '%s'", ns, n->exec[k]) == 0;
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static int lab_up(const char *dir)
{
    static struct topo t;
    char path[256];
    if (!topo_read(&t, dir)) {
        return 1;
    }
    node_dir(path, t.name, "");
    if (access(path, F_OK) == 0) {
        fprintf(stderr, "adit lab: %s is up already (or crashed): adit lab down %s\n", t.name,
                t.name);
        return 1;
    }
    if (!bring_up(&t, dir)) {
        lab_down_name(t.name);
        return 1;
    }
    printf("lab %s is up:", t.name);
    for (unsigned i = 0; i < t.num_nodes; i++) {
        printf(" %s", t.node[i].name);
    }
    printf("\n");
    return 0;
}

/* ---- down ---- */

/* end_process: asks, waits up to 5 s by its descriptor, then insists. */
static void end_process(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (fd < 0) {
        return;
    }
    (void)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
    if (poll(&p, 1, 5000) <= 0) {
        (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        (void)poll(&p, 1, 5000);
    }
    close(fd);
}

/* end_namespace: whoever lives in a namespace that only this lab uses is the lab's: its router first, then what a
 * crashed router left behind. */
static void end_namespace(const char *ns, const char *dir)
{
    char path[320], line[64];
    snprintf(path, sizeof path, "%s/pid", dir);
    FILE *f = fopen(path, "re");
    int pid = 0;
    char cmd[400];
    snprintf(cmd, sizeof cmd, "ip netns pids %.300s 2>/dev/null", ns);
    FILE *p = popen(cmd, "re");
    int pids[256], num = 0;
    while (p && num < 256 && fgets(line, sizeof line, p)) {
        pids[num++] = atoi(line);
    }
    if (p) {
        pclose(p);
    }
    if (f && fscanf(f, "%d", &pid) == 1) {
        for (int i = 0; i < num; i++) {
            if (pids[i] == pid) { /* the number may have been given to somebody else since */
                end_process(pid);
            }
        }
    }
    if (f) {
        fclose(f);
    }
    for (int i = 0; i < num; i++) {
        if (pids[i] != pid) {
            end_process(pids[i]);
        }
    }
    (void)run(true, "ip netns del %s", ns);
}

static int lab_down_name(const char *lab)
{
    char prefix[64], dir[256];
    bool any = false;
    snprintf(prefix, sizeof prefix, "adit-%s-", lab);
    DIR *d = opendir("/run/netns");
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0) {
            char ns[300];
            str_copy(ns, sizeof ns, e->d_name);
            node_dir(dir, lab, ns + strlen(prefix));
            end_namespace(ns, dir);
            any = true;
        }
    }
    if (d) {
        closedir(d);
    }
    node_dir(dir, lab, "");
    any |= access(dir, F_OK) == 0;
    (void)run(true, "rm -rf -- %s", dir);
    if (!any) {
        fprintf(stderr, "adit lab: there is no lab %s\n", lab);
    }
    return any ? 0 : 1;
}

static int lab_down(const char *which)
{
    static struct topo t;
    char dir[256];
    node_dir(dir, which, "");
    if (!strchr(which, '/') && access(dir, F_OK) == 0) {
        return lab_down_name(which);
    }
    return topo_read(&t, which) ? lab_down_name(t.name) : 1;
}

/* ---- finding a router ---- */

/* find_node: "R1" or "LAB/R1"; prints and returns false when there is none or more than one. */
static bool find_node(const char *what, char lab[64], char node[64])
{
    const char *slash = strchr(what, '/');
    unsigned found = 0;
    DIR *d = opendir(LAB_ROOT);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char path[600];
        const char *want = slash ? slash + 1 : what;
        if (!plain(e->d_name) || !plain(want) ||
            (slash && (strlen(e->d_name) != (size_t)(slash - what) ||
                       strncmp(e->d_name, what, (size_t)(slash - what)) != 0))) {
            continue;
        }
        snprintf(path, sizeof path, "/run/netns/adit-%s-%s", e->d_name, want);
        if (access(path, F_OK) == 0) {
            snprintf(lab, 64, "%.63s", e->d_name);
            snprintf(node, 64, "%.63s", want);
            found++;
        }
    }
    if (d) {
        closedir(d);
    }
    if (found != 1) {
        fprintf(stderr,
                found ? "adit lab: %s is in more than one lab; say LAB/%s\n"
                      : "adit lab: no running lab has %s%s\n",
                what, found ? what : "");
    }
    return found == 1;
}

/* is_router: routers have a directory, hosts have only their namespace. */
static bool is_router(const char *lab, const char *node)
{
    char dir[256];
    node_dir(dir, lab, node);
    return access(dir, F_OK) == 0;
}

/* lives: somebody takes connections at the router's socket; a killed one leaves the file. */
static bool lives(const char *lab, const char *node)
{
    char dir[256], sock[300];
    node_dir(dir, lab, node);
    snprintf(sock, sizeof sock, "%s/sock", dir);
    return console_answers(sock);
}

static void last_line(char out[256], const char *dir, const char *file)
{
    char path[320], line[256];
    out[0] = 0;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (line[0] != '\n') {
            str_copy(out, 256, line);
        }
    }
    if (f) {
        fclose(f);
    }
    out[strcspn(out, "\n")] = 0;
}

/* say_dead: what a router that does not run said last. */
static void say_dead(const char *lab, const char *node)
{
    char dir[256], line[256];
    node_dir(dir, lab, node);
    fprintf(stderr, "adit lab: %s/%s does not run (adit lab restart %s/%s starts it)\n", lab, node,
            lab, node);
    last_line(line, dir, "log");
    if (line[0]) {
        fprintf(stderr, "  its log ends: %s\n", line);
    }
    last_line(line, dir, "stderr");
    if (line[0]) {
        fprintf(stderr, "  its standard error ends: %s\n", line);
    }
}

static int lab_exec(const char *what, const char *line)
{
    char lab[64], node[64], dir[256], path[300], ns[160];
    if (!find_node(what, lab, node)) {
        return 2;
    }
    if (is_router(lab, node)) { /* never a shell: what is typed is meant for a router */
        if (!lives(lab, node)) {
            say_dead(lab, node);
            return 2;
        }
        node_dir(dir, lab, node);
        snprintf(path, sizeof path, "%s/sock", dir);
        return line ? console_once(path, line) : console_interactive(path);
    }
    ns_name(ns, lab, node); /* a host: a shell line in its namespace */
    if (!enter_ns(ns)) {
        return 2;
    }
    execl("/bin/sh", "sh", line ? "-c" : "-i", line, (char *)NULL);
    return 127;
}

/* end_router: main and what a killed main left behind: processes of this namespace that name the router's directory. */
static void end_router(const char *ns, const char *dir)
{
    char cmd[400], line[64], path[64], args[4096];
    snprintf(cmd, sizeof cmd, "ip netns pids %.300s 2>/dev/null", ns);
    FILE *p = popen(cmd, "re");
    while (p && fgets(line, sizeof line, p)) {
        int pid = atoi(line);
        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t n = fd >= 0 ? read(fd, args, sizeof args - 1) : 0;
        if (fd >= 0) {
            close(fd);
        }
        if (n > 0 && memmem(args, (size_t)n, dir, strlen(dir))) {
            end_process(pid);
        }
    }
    if (p) {
        pclose(p);
    }
}

static int lab_restart(const char *what)
{
    static struct topo t;
    char lab[64], node[64], dir[256], path[400], ns[160], topology[4096] = "";
    if (!find_node(what, lab, node)) {
        return 2;
    }
    if (!is_router(lab, node)) {
        fprintf(stderr, "adit lab: %s/%s is a host\n", lab, node);
        return 2;
    }
    snprintf(path, sizeof path, LAB_ROOT "/%s/.topology", lab);
    FILE *f = fopen(path, "re");
    bool known = f && fgets(topology, sizeof topology, f);
    if (f) {
        fclose(f);
    }
    if (!known || !topo_read(&t, topology)) {
        return 1;
    }
    for (unsigned i = 0; i < t.num_nodes; i++) {
        if (strcmp(t.node[i].name, node) == 0) {
            struct conf *c = node_conf(&t, &t.node[i], path); /* a wrong file ends nothing */
            conf_free(c);
            if (!c) {
                return 1;
            }
            ns_name(ns, lab, node);
            node_dir(dir, lab, node);
            end_router(ns, dir);
            return start_router(&t, &t.node[i], path) ? 0 : 1;
        }
    }
    fprintf(stderr, "adit lab: %s has no %s any more\n", topology, node);
    return 1;
}

static int lab_capture(const char *what, const char *iface, const char *file)
{
    char lab[64], node[64], ns[160], link[16];
    if (!find_node(what, lab, node)) {
        return 2;
    }
    ns_name(ns, lab, node);
    conf_if_kernel(link, iface);
    if (!enter_ns(ns)) {
        return 2;
    }
    execlp("tcpdump", "tcpdump", "-i", link, "-w", file, "-U", "--immediate-mode", "-Z", "root",
           (char *)NULL);
    fprintf(stderr, "adit lab: tcpdump cannot be run: %s\n", strerror(errno));
    return 127;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* list_nodes: the namespaces of the lab are its nodes. */
static void list_nodes(const char *lab)
{
    struct dirent **all;
    char prefix[80];
    int num = scandir("/run/netns", &all, NULL, by_name);
    snprintf(prefix, sizeof prefix, "adit-%.64s-", lab);
    for (int i = 0; i < num; i++) {
        const char *node = all[i]->d_name + strlen(prefix);
        if (strncmp(all[i]->d_name, prefix, strlen(prefix)) == 0 && strcmp(node, "_stub") != 0) {
            printf(" %s%s", node,
                   !is_router(lab, node) ? " (host)"
                   : lives(lab, node)    ? ""
                                         : " (dead)");
        }
        free(all[i]);
    }
    if (num >= 0) {
        free(all);
    }
}

static int lab_list(void)
{
    struct dirent **all;
    int num = scandir(LAB_ROOT, &all, NULL, by_name);
    for (int i = 0; i < num; i++) {
        if (plain(all[i]->d_name)) {
            printf("%s:", all[i]->d_name);
            list_nodes(all[i]->d_name);
            printf("\n");
        }
        free(all[i]);
    }
    if (num >= 0) {
        free(all);
    }
    return 0;
}

static int usage(void)
{
    fputs(
        "usage: adit lab up DIR            start the lab of that folder\n"
        "       adit lab down DIR|NAME     end it, also after a crash\n"
        "       adit lab list              the labs that are up, their routers and hosts\n"
        "       adit lab restart R1        one router again, with its file read again\n"
        "       adit lab console R1        a console on a router (or LAB/R1); a shell on a host\n"
        "       adit lab exec R1 'CMD'     one command; exit status 0 when it was accepted\n"
        "       adit lab capture R1 IF FILE   packets of an interface into a pcap file, until ^C\n",
        stderr);
    return 2;
}

int lab_main(int argc, char **argv)
{
    const char *verb = argc > 0 ? argv[0] : "";
    if (strcmp(verb, "up") == 0 && argc == 2) {
        return lab_up(argv[1]);
    }
    if (strcmp(verb, "down") == 0 && argc == 2) {
        return lab_down(argv[1]);
    }
    if (strcmp(verb, "list") == 0 && argc == 1) {
        return lab_list();
    }
    if (strcmp(verb, "restart") == 0 && argc == 2) {
        return lab_restart(argv[1]);
    }
    if (strcmp(verb, "console") == 0 && argc == 2) {
        return lab_exec(argv[1], NULL);
    }
    if (strcmp(verb, "exec") == 0 && argc == 3) {
        return lab_exec(argv[1], argv[2]);
    }
    if (strcmp(verb, "capture") == 0 && argc == 4) {
        return lab_capture(argv[1], argv[2], argv[3]);
    }
    return usage();
}
