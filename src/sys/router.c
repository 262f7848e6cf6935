/*
 * router.c: one router from its configuration file to its end: reads the model, opens the sockets, starts the
 * children, serves consoles, hears the kernel. What follows from a change is follow.c's.
 */
#include "sys/router_int.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 20000 };

/* ---- what is told ---- */

static void on_finding(void *ctx, const struct conf_finding *f)
{
    struct router *r = ctx;
    char where[64];
    snprintf(where, sizeof where, "%.40s:%u", f->src.file ? f->src.file : "", f->src.line);
    if (f->weak) {
        ev_weak_alg(&r->log, 0, NULL,
                    &(struct evb_weak_alg){.where = ev_str(where),
                                           .what = ev_str(f->what),
                                           .stronger = ev_str(f->text)});
    } else {
        ev_conf_fail(&r->log, 0, NULL,
                     &(struct evb_conf_fail){.what = ev_str(where),
                                             .why = ev_textf("%s: %s", f->what, f->text)});
    }
}

static void on_kernel(uv_poll_t *p, int status, int events)
{
    struct router *r = p->data;
    (void)events;
    if (status != 0) { /* an error stops the handle: it must go on, and something was missed */
        (void)kern_monitor_drain(r->kern);
        uv_poll_start(p, UV_READABLE, on_kernel);
        router_touch(r);
    } else if (kern_monitor_drain(r->kern)) {
        router_touch(r);
    }
}

static void on_name(void *ctx, const char *name, const struct addr *a, const char *why)
{
    struct router *r = ctx;
    if (why) {
        ev_peer_unknown(&r->log, 0, NULL,
                        &(struct evb_peer_unknown){.name = ev_str(name),
                                                   .why = ev_textf("%s", why),
                                                   .meanwhile = ev_str(a->family ? "its last address holds"
                                                                                 : "what the map covers is dropped")});
        return;
    }
    ev_peer_name(&r->log, 0, NULL, &(struct evb_peer_name){.name = ev_str(name), .address = *a});
    router_touch(r);
}

/* on_look: now and then, whatever the kernel said or failed to say. */
static void on_look(uv_timer_t *t)
{
    struct router *r = t->data;
    plan_insist(r);
    router_touch(r);
}

/* ---- start ---- */

/* read_config: NULL when it is wrong; every error has been printed. out_from: as startup_text says. */
static struct conf *read_config(struct router *r, bool say, const char **out_from)
{
    const char *from;
    char *text = startup_text(r, &from, say);
    *out_from = from;
    struct strbuf errors = {0};
    const char *base = strrchr(from, '/');
    if (!text) {
        fprintf(stderr, "aditd: %s: %s\n", from, strerror(errno));
        return NULL;
    }
    struct conf *c = conf_new();
    startup_master(r, c);
    keystore_read(r, c);
    const char *slash = strrchr(r->opt->config, '/');
    snprintf(c->folder, sizeof c->folder, "%.*s",
             slash ? (int)MAX(slash - r->opt->config, (long)1) : 0, r->opt->config);
    if (!cli_load(c, base ? base + 1 : from, text, &errors)) {
        fputs(errors.s, stderr);
        conf_free(c);
        c = NULL;
    } else {
        conf_seal(c, &r->env);
    }
    struct conf_finding f;
    if (c && !router_possible(r, c, &f)) {
        fprintf(stderr, "%s:%u: %s: %s\n", f.src.file ? f.src.file : "", f.src.line, f.what,
                f.text);
        conf_free(c);
        c = NULL;
    }
    sb_free(&errors);
    mem_wipe(text, strlen(text));
    free(text);
    return c;
}

static int udp_open(int af)
{
    int fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, mark = DP_MARK;
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(500)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(500)};
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    if (af == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    }
    if (bind(fd, af == AF_INET6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4,
             af == AF_INET6 ? sizeof a6 : sizeof a4) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static void on_event(void *ctx, const struct ev_rec *rec)
{
    struct router *r = ctx;
    logbook_event(&r->book, rec);
}

static void on_signal(uv_signal_t *s, int signum)
{
    struct router *r = s->data;
    (void)signum;
    r->ending = true; /* children that end from now on stay ended */
    uv_stop(s->loop);
}

static void on_hup(uv_signal_t *s, int signum)
{
    struct router *r = s->data;
    const char *from;
    struct conf *c = r->ending ? NULL : read_config(r, true, &from);
    (void)signum;
    if (c) { /* a wrong file leaves the running configuration as it is */
        struct conf *old = r->conf;
        r->conf = c;
        api_conf_replaced(r->api);
        conf_free(old);
        startup_loaded(r, from);
        (void)startup_keep_master(r);
        (void)keystore_keep(r);
        router_apply(r);
        conf_audit(r->conf, on_finding, r);
        ev_sys_config(
            &r->log, 0, NULL,
            &(struct evb_sys_config){.from = ev_str(r->opt->config), .who = ev_str("SIGHUP")});
    }
}

static bool start(struct router *r, const char *from)
{
    char path[512];
    const char *why;
    static const char *const names[] = {[CHILD_DP] = "dp", [CHILD_IKE] = "ike"};
    r->lock = claim_dir(r->opt->run_dir);
    if (r->lock < 0) {
        return false;
    }
    (void)mkdir(r->opt->state_dir, 0700);
    snprintf(path, sizeof path, "%s/log", r->opt->state_dir);
    logbook_open(&r->book, r, path);
    uv_timer_init(&r->loop, &r->settle);
    r->settle.data = r;
    uv_timer_init(&r->loop, &r->look);
    r->look.data = r;
    uv_timer_start(&r->look, on_look, LOOK_MS, LOOK_MS);
    uv_timer_init(&r->loop, &r->patience);
    r->patience.data = r;
    ask_init(r);
    r->dns = dns_new(&r->loop, on_name, r);
    list_init(&r->looks);
    list_init(&r->vtyshs);
    startup_loaded(r, from);
    (void)startup_keep_master(r);
    (void)keystore_keep(r);
    r->identity = identity_claim(&r->first_uid, &why);
    if (r->identity < 0) {
        fprintf(stderr, "aditd: cannot %s: %s\n", why, strerror(errno));
        return false;
    }
    r->udp[0] = udp_open(AF_INET);
    r->udp[1] = udp_open(AF_INET6);
    if (r->udp[0] < 0) {
        char who[128];
        bool used = errno == EADDRINUSE;
        why = strerror(errno);
        claim_port_holder(who, 500);
        fprintf(stderr, "aditd: UDP port 500: %s%s%s\n", why, used ? ": " : "", used ? who : "");
        return false;
    }
    r->udp[2] = natt_open(AF_V4, false);
    if (r->udp[2] < 0 && !r->conf->natt_off) {
        char who[128];
        why = strerror(errno);
        claim_port_holder(who, 4500);
        fprintf(stderr, "aditd: UDP port 4500: %s: %s; there is no NAT traversal\n", why, who);
    }
    r->udp[3] = natt_open(AF_V6, false);
    for (int i = 0; i < CHILD_NUM; i++) {
        r->child[i] = (struct child){.r = r, .id = (enum child_id)i, .name = names[i], .chan = -1};
        outbox_init(&r->child[i].out);
        uv_timer_init(&r->loop, &r->child[i].again);
        r->child[i].again.data = &r->child[i];
    }
    r->frr = frr_new(r);
    router_host(r);
    ev_sys_restart(&r->log, 0, NULL, &(struct evb_sys_restart){.version = ev_str(ADIT_VERSION)});
    router_apply(r);
    for (int i = 0; i < CHILD_NUM; i++) {
        child_start(&r->child[i]);
    }
    conf_audit(r->conf, on_finding, r);
    ev_isakmp_on_off(
        &r->log, 0, NULL,
        &(struct evb_isakmp_on_off){.state = ev_str(r->conf->isakmp_off ? "OFF" : "ON")});
    snprintf(path, sizeof path, "%s/sock", r->opt->run_dir);
    r->api = api_new(r, path);
    return r->api != NULL && r->dns != NULL;
}

static void watch(struct router *r)
{
    r->sig_term.data = r->sig_int.data = r;
    uv_signal_init(&r->loop, &r->sig_term);
    uv_signal_start(&r->sig_term, on_signal, SIGTERM);
    uv_signal_init(&r->loop, &r->sig_int);
    uv_signal_start(&r->sig_int, on_signal, SIGINT);
    uv_signal_init(&r->loop, &r->sig_hup);
    r->sig_hup.data = r;
    uv_signal_start(&r->sig_hup, on_hup, SIGHUP);
    uv_poll_init(&r->loop, &r->nl_poll, kern_monitor_fd(r->kern));
    r->nl_poll.data = r;
    uv_poll_start(&r->nl_poll, UV_READABLE, on_kernel);
}

static void on_walk(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h)) {
        uv_close(h, NULL);
    }
}

static void on_patience(uv_timer_t *t)
{
    struct router *r = t->data;
    for (int i = 0; i < CHILD_NUM; i++) {
        child_kill(&r->child[i]);
    }
}

/* end_children: asks them, and insists after a second. */
static void end_children(struct router *r)
{
    enum { PATIENCE_MS = 1000 };
    for (int i = 0; i < CHILD_NUM; i++) {
        child_end(&r->child[i]);
    }
    uv_timer_start(&r->settle, on_patience, PATIENCE_MS, 0);
    while (r->running) {
        uv_run(&r->loop, UV_RUN_ONCE);
    }
}

/* finish: ends the children; TUNs, classifiers and routes stay, so nothing leaves in clear while adit is away. The kernel's
 * news and consoles end first, with what a console that hangs up begins: nothing begins any more. */
static void finish(struct router *r)
{
    uv_close((uv_handle_t *)&r->nl_poll, NULL);
    uv_timer_stop(&r->look);
    api_free(r->api);
    uv_timer_stop(&r->patience);
    uv_timer_stop(&r->settle);
    r->api = NULL;
    ask_cancel(r, r);
    end_children(r);
    frr_free(r->frr);
    dns_end(r->dns);
    uv_walk(&r->loop, on_walk, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    free(r->frr);
    dns_free(r->dns);
    ports_free(r);
    close(r->identity);
    plan_free(&r->plan);
    plan_list_free(&r->clients);
    if (r->offered) {
        plan_free(&r->offer);
    }
    conf_free(r->conf);
    kern_close(r->kern);
    logbook_close(&r->book);
    map_free(&r->flow_map);
    while (r->flow_keys) {
        struct flow_key *k = r->flow_keys;
        r->flow_keys = k->next;
        free(k->key);
        free(k);
    }
    line_free(r);
    complaints_free(r);
    cli_grammar_release();
    claim_end(r->opt->run_dir, r->lock, r->opt->own_run_dir);
}

int router_main(const struct router_options *o)
{
    struct router *r = xcalloc(1, sizeof *r);
    int status = 1;
    r->opt = o;
    r->lock = -1;
    r->env = env_real();
    r->started_ms = env_now_ms(&r->env);
    r->kern = kern_open();
    if (!r->kern) {
        fprintf(stderr, "aditd: netlink: %s\n", strerror(errno));
        free(r);
        return 1;
    }
    const char *from;
    r->conf = read_config(r, !o->check_only, &from);
    if (o->ready_fd > 0) {
        fcntl(o->ready_fd, F_SETFD, FD_CLOEXEC); /* the children must not hold it open */
    }
    if (!r->conf || o->check_only) {
        status = r->conf ? 0 : 1;
        conf_free(r->conf);
        kern_close(r->kern);
        free(r);
        return status;
    }
    for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
        r->port[i].fd = -1;
    }
    plan_init(&r->plan);
    uv_loop_init(&r->loop);
    evlog_init(&r->log, &r->env, EVS_MAIN, r, on_event);
    signal(SIGPIPE, SIG_IGN);
    if (start(r, from)) {
        watch(r);
        uv_run(&r->loop, UV_RUN_DEFAULT);
        status = 0;
        finish(r);
    } else if (r->lock >= 0) { /* what was made for a start that failed goes again */
        claim_end(o->run_dir, r->lock, o->own_run_dir);
    }
    free(r);
    return status;
}
