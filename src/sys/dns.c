/*
 * dns.c: the names of peers, asked of DNS (RFC 1035) through c-ares on main's loop, and asked again when their time to live is
 * over. What is answered is nobody's word: it says where a peer may be found, and IKE proves who is there.
 *
 * On the walk: follow.c wants names -> question -> answered -> router_touch -> plan_map.c asks for the address.
 */
#include "sys/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DNS_TIMEOUT_MS = 2000, /* of one server, at first */
    DNS_TRIES = 3,
    DNS_LOOK_MS = 250,  /* while something is asked: c-ares looks at its timeouts */
    DNS_MIN_S = 30,     /* an address is asked for again after its time to live, between these */
    DNS_MAX_S = 3600,
    DNS_AGAIN_S = 10,   /* after a question in vain */
    DNS_AGAIN_MAX_S = 60
};

struct name {
    struct list link;
    struct dns *dns; /* borrowed */
    char name[CONF_HOST];
    struct addr a;
    u64 due_ms;
    unsigned vain; /* questions in vain since the last answer */
    bool wanted, asking, gone; /* gone: nobody wants it, and its answer is still to come */
};
struct watch { /* a socket of c-ares' */
    struct list link;
    uv_poll_t poll;
    struct dns *dns; /* borrowed */
    ares_socket_t fd;
};
struct dns {
    uv_timer_t timer;
    dns_told_fn told;
    void *ctx;
    ares_channel channel;
    bool open;
    struct list names, watches;
    char servers[CONF_MAX_NAMESERVERS * ADDR_STR], domain[CONF_NAME];
};

static void arm(struct dns *d);

/* ---- c-ares' sockets and times ----------------------------------------------------------------- */

static void on_watch_closed(uv_handle_t *h)
{
    free(h->data);
}

static void watch_close(struct watch *w)
{
    list_remove(&w->link);
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static void on_ready(uv_poll_t *p, int status, int events)
{
    struct watch *w = p->data;
    struct dns *d = w->dns;
    ares_socket_t fd = w->fd;
    bool in = status < 0 || (events & UV_READABLE), out = status < 0 || (events & UV_WRITABLE);
    ares_process_fd(d->channel, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD); /* w may be gone after this */
    arm(d);
}

static struct watch *watch_of(struct dns *d, ares_socket_t fd)
{
    LIST_FOR (it, &d->watches) {
        struct watch *w = CONTAINER_OF(it, struct watch, link);
        if (w->fd == fd) {
            return w;
        }
    }
    return NULL;
}

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct dns *d = ctx;
    struct watch *w = watch_of(d, fd);
    if (!readable && !writable) {
        if (w) {
            watch_close(w);
        }
        return;
    }
    if (!w) {
        w = xcalloc(1, sizeof *w);
        w->dns = d;
        w->fd = fd;
        w->poll.data = w;
        if (uv_poll_init(d->timer.loop, &w->poll, fd) != 0) { /* c-ares finds its time over */
            free(w);
            return;
        }
        list_push_back(&d->watches, &w->link);
    }
    uv_poll_start(&w->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_ready);
}

/* ---- questions and answers --------------------------------------------------------------------- */

/* a_host: an address that somebody else can have: no loopback, broadcast, multicast, nor of one link alone. */
static bool a_host(const struct addr *a)
{
    if (a->family == AF_V4) {
        return a->b[0] != 0 && a->b[0] != 127 && a->b[0] < 224 && !(a->b[0] == 169 && a->b[1] == 254);
    }
    static const u8 loopback[16] = {[15] = 1};
    return a->family == AF_V6 && !addr_is_any(a) && !addr_is_multicast(a) && memcmp(a->b, loopback, 16) != 0 &&
           !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

/* choose: of the addresses of an answer the one that is known already, else the first of IPv4, else the first. Seconds that they
 * hold; 0: there is none. */
static u32 choose(struct addr *a, const struct ares_addrinfo *all)
{
    struct addr first = {0}, best = {0};
    u32 ttl = DNS_MAX_S;
    for (const struct ares_addrinfo_node *n = all->nodes; n; n = n->ai_next) {
        struct addr one = {0};
        if (n->ai_family == AF_INET) {
            const struct sockaddr_in *s4 = (const struct sockaddr_in *)(const void *)n->ai_addr;
            one = addr_v4(be32((const u8 *)&s4->sin_addr));
        } else if (n->ai_family == AF_INET6) {
            const struct sockaddr_in6 *s6 = (const struct sockaddr_in6 *)(const void *)n->ai_addr;
            one.family = AF_V6;
            memcpy(one.b, &s6->sin6_addr, 16);
        }
        if (!a_host(&one)) {
            continue;
        }
        ttl = MIN(ttl, (u32)MAX(n->ai_ttl, 0));
        first = first.family ? first : one;
        if (addr_equal(&one, a) || (!best.family && one.family == AF_V4)) {
            best = one;
        }
    }
    if (!first.family) {
        return 0;
    }
    *a = best.family ? best : first;
    return MAX(ttl, (u32)DNS_MIN_S);
}

static void in_vain(struct dns *d, struct name *n, const char *why)
{
    u64 wait_s = MIN((u64)DNS_AGAIN_S << MIN(n->vain, 3u), (u64)DNS_AGAIN_MAX_S);
    n->due_ms = uv_now(d->timer.loop) + wait_s * 1000;
    if (n->vain++ == 0) {
        d->told(d->ctx, n->name, &n->a, why);
    }
}

static void forget(struct name *n)
{
    list_remove(&n->link);
    free(n);
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *all)
{
    struct name *n = ctx;
    struct dns *d = n->dns;
    (void)timeouts;
    n->asking = false;
    if (n->gone) { /* sweep() takes it: whoever asked may be on its way through the list */
        ares_freeaddrinfo(all);
        return;
    }
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) {
        n->due_ms = 0; /* of the servers of before: asked again */
    } else if (status != ARES_SUCCESS) {
        in_vain(d, n, ares_strerror(status));
    } else {
        struct addr was = n->a;
        u32 hold_s = choose(&n->a, all);
        if (!hold_s) {
            in_vain(d, n, "it has no address of a host");
        } else {
            n->due_ms = uv_now(d->timer.loop) + (u64)hold_s * 1000;
            n->vain = 0;
            if (!addr_equal(&was, &n->a)) {
                d->told(d->ctx, n->name, &n->a, NULL);
            }
        }
    }
    ares_freeaddrinfo(all);
}

static void ask(struct dns *d, struct name *n)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_DGRAM};
    n->asking = true;
    ares_getaddrinfo(d->channel, n->name, NULL, &hints, on_answer, n); /* may answer at once */
}

static void on_timer(uv_timer_t *t)
{
    struct dns *d = t->data;
    u64 now = uv_now(t->loop);
    if (d->open) {
        ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    LIST_FOR (it, &d->names) {
        struct name *n = CONTAINER_OF(it, struct name, link);
        if (d->open && !n->asking && !n->gone && now >= n->due_ms) {
            ask(d, n);
        }
    }
    arm(d);
}

/* sweep: names that nobody wants any more, and whose answer has come. */
static void sweep(struct dns *d)
{
    LIST_FOR (it, &d->names) {
        struct name *n = CONTAINER_OF(it, struct name, link);
        if (n->gone && !n->asking) {
            forget(n);
        }
    }
}

/* arm: the timer for what comes next. */
static void arm(struct dns *d)
{
    sweep(d);
    u64 now = uv_now(d->timer.loop), next = UINT64_MAX;
    LIST_FOR (it, &d->names) {
        const struct name *n = CONTAINER_OF(it, struct name, link);
        next = MIN(next, n->asking ? now + DNS_LOOK_MS : MAX(n->due_ms, now));
    }
    if (next == UINT64_MAX || !d->open) {
        uv_timer_stop(&d->timer);
    } else {
        uv_timer_start(&d->timer, on_timer, next - now, 0);
    }
}

/* ---- what is wanted ---------------------------------------------------------------------------- */

static struct name *name_of(const struct dns *d, const char *name)
{
    LIST_FOR (it, &d->names) {
        struct name *n = CONTAINER_OF(it, struct name, link);
        if (!n->gone && strcasecmp(n->name, name) == 0) {
            return n;
        }
    }
    return NULL;
}

/* channel: of the servers the configuration names. */
static void channel(struct dns *d, const struct conf *c)
{
    char servers[sizeof d->servers] = "", a[ADDR_STR];
    for (unsigned i = 0; i < c->num_name_servers; i++) {
        size_t n = strlen(servers);
        snprintf(servers + n, sizeof servers - n, "%s%s", n ? "," : "", addr_str(a, &c->name_server[i]));
    }
    if (d->open && strcmp(servers, d->servers) == 0 && strcmp(c->domain, d->domain) == 0) {
        return;
    }
    if (d->open) {
        d->open = false;
        ares_destroy(d->channel);
    }
    str_copy(d->servers, sizeof d->servers, servers);
    str_copy(d->domain, sizeof d->domain, c->domain);
    char *domains[] = {d->domain}, lookups[] = "b";
    struct ares_options o = {.timeout = DNS_TIMEOUT_MS, .tries = DNS_TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = d,
                             .domains = domains, .ndomains = 1};
    if (servers[0]) { /* they, and no file */
        o.lookups = lookups;
    }
    int mask = (servers[0] ? ARES_OPT_LOOKUPS : 0) | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | (d->domain[0] ? ARES_OPT_DOMAINS : 0);
    d->open = ares_init_options(&d->channel, &o, mask) == ARES_SUCCESS;
    if (d->open && servers[0] && ares_set_servers_csv(d->channel, servers) != ARES_SUCCESS) {
        d->open = false; /* the system's are not those that were meant */
        ares_destroy(d->channel);
    }
    LIST_FOR (it, &d->names) {
        struct name *n = CONTAINER_OF(it, struct name, link);
        n->due_ms = 0;
        if (!d->open) { /* no memory, or a resolv.conf that cannot be read; tried again with the next look */
            in_vain(d, n, "the resolver cannot be started");
        }
    }
}

static void want(struct dns *d, const struct conf *c, const char *name)
{
    if (!name[0] || c->ip_domain_lookup_off || conf_host_find(c, name)) {
        return;
    }
    struct name *n = name_of(d, name);
    if (!n) {
        n = xcalloc(1, sizeof *n);
        n->dns = d;
        str_copy(n->name, sizeof n->name, name);
        list_push_back(&d->names, &n->link);
    }
    n->wanted = true;
}

void dns_want(struct dns *d, const struct conf *c)
{
    LIST_FOR (it, &d->names) {
        CONTAINER_OF(it, struct name, link)->wanted = false;
    }
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        CONF_FOR(struct conf_map_entry, e, &m->entries)
        {
            for (unsigned i = 0; i < e->num_peers; i++) {
                want(d, c, e->peers[i].name);
            }
        }
    }
    LIST_FOR (it, &d->names) {
        struct name *n = CONTAINER_OF(it, struct name, link);
        if (!n->wanted && n->asking) {
            n->gone = true;
        } else if (!n->wanted) {
            forget(n);
        }
    }
    if (!list_empty(&d->names)) {
        channel(d, c);
    }
    arm(d);
}

bool dns_get(const struct dns *d, const char *name, struct addr *out)
{
    const struct name *n = name_of(d, name);
    if (n && n->a.family) {
        *out = n->a;
        return true;
    }
    return false;
}

/* ---- life -------------------------------------------------------------------------------------- */

struct dns *dns_new(uv_loop_t *loop, dns_told_fn told, void *ctx)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        return NULL;
    }
    struct dns *d = xcalloc(1, sizeof *d);
    d->told = told;
    d->ctx = ctx;
    list_init(&d->names);
    list_init(&d->watches);
    uv_timer_init(loop, &d->timer);
    d->timer.data = d;
    return d;
}

void dns_end(struct dns *d)
{
    LIST_FOR (it, &d->names) {
        CONTAINER_OF(it, struct name, link)->gone = CONTAINER_OF(it, struct name, link)->asking;
    }
    if (d->open) {
        d->open = false;
        ares_destroy(d->channel); /* answers what is asked, and closes its sockets */
    }
    uv_timer_stop(&d->timer);
    uv_close((uv_handle_t *)&d->timer, NULL);
}

void dns_free(struct dns *d)
{
    if (!d) {
        return;
    }
    LIST_FOR (it, &d->names) {
        forget(CONTAINER_OF(it, struct name, link));
    }
    ares_library_cleanup();
    free(d);
}
