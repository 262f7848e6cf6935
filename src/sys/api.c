/*
 * api.c: the unix socket of a router: consoles and one-shot commands. One JSON object per line each way.
 *
 *   to us:   {"open": {"privileged": bool}}  {"line": "show version"}  {"help": "sh "}  {"complete": "sh ver"}  {"break": true}
 *   from us: {"out": TEXT}  {"done": STATUS, "prompt": TEXT, "length": N, "secret": bool, "closed": bool,
 *             "configuring": bool}
 *            {"help": TEXT}  {"complete": TEXT}  {"monitor": TEXT}
 */
#include "sys/router_int.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { API_LINE = 8192 };

struct client {
    struct list link;
    struct api *api;
    uv_pipe_t pipe;
    uv_timer_t next; /* goes on with what is in buf */
    unsigned handles;
    struct session *session; /* owned */
    char buf[API_LINE];
    size_t len;
    bool paused; /* buf is full while the session is busy: nothing is read */
};
struct api {
    struct router *r;
    uv_pipe_t server;
    struct list clients;
    char path[512];
};
struct reply {
    uv_write_t req;
    char *text; /* owned, malloced */
};

/* forget: free, for all that may hold what was typed or shown: passwords, keys. jansson's memory, too. */
static void forget(void *block)
{
    if (block) {
        mem_wipe(block, malloc_usable_size(block));
        free(block);
    }
}

static void on_written(uv_write_t *w, int status)
{
    struct reply *p = CONTAINER_OF(w, struct reply, req);
    (void)status;
    forget(p->text);
    free(p);
}

static void send_json(struct client *c, json_t *o)
{
    char *s = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (!s || uv_is_closing((uv_handle_t *)&c->pipe)) {
        forget(s);
        return;
    }
    struct reply *p = xcalloc(1, sizeof *p);
    size_t len = strlen(s);
    p->text = xcalloc(1, len + 2);
    memcpy(p->text, s, len);
    p->text[len] = '\n';
    forget(s);
    uv_buf_t b = uv_buf_init(p->text, (unsigned)(len + 1));
    if (uv_write(&p->req, (uv_stream_t *)&c->pipe, &b, 1, on_written) != 0) {
        forget(p->text);
        free(p);
    }
}

static json_t *text_json(const char *key, const char *text)
{
    json_t *o = json_object(), *v = json_string(text ? text : "");
    json_object_set_new(o, key, v ? v : json_string("<not UTF-8>"));
    return o;
}

/* The session's text and its ends. */
static void on_out(void *ctx, const char *text)
{
    send_json(ctx, text_json("out", text));
}

static void go_on(uv_timer_t *t);

static void on_done(void *ctx, int status)
{
    struct client *c = ctx;
    uv_timer_start(&c->next, go_on, 0, 0); /* requests that came while it was busy */
    json_t *o = text_json("prompt", session_prompt(c->session));
    json_object_set_new(o, "done", json_integer(status));
    json_object_set_new(o, "length", json_integer(session_length(c->session)));
    json_object_set_new(o, "secret",
                        json_boolean(strcmp(session_prompt(c->session), "Password: ") == 0));
    json_object_set_new(o, "pasting", json_boolean(session_pasting(c->session)));
    json_object_set_new(o, "closed", json_boolean(session_closed(c->session)));
    json_object_set_new(o, "configuring", json_boolean(session_configuring(c->session)));
    send_json(c, o);
}

static void on_closed(uv_handle_t *h)
{
    struct client *c = h->data;
    if (--c->handles == 0) {
        list_remove(&c->link);
        forget(c);
    }
}

/* client_close: c is freed by the loop, later; its session goes at once, and nothing calls it any more. */
static void client_close(struct client *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->pipe)) {
        if (c->session) {
            session_free(c->session);
            c->session = NULL;
        }
        uv_close((uv_handle_t *)&c->pipe, on_closed);
        uv_close((uv_handle_t *)&c->next, on_closed);
    }
}

static void request(struct client *c, json_t *o)
{
    json_t *open = json_object_get(o, "open");
    const char *line = json_string_value(json_object_get(o, "line")),
               *help = json_string_value(json_object_get(o, "help")),
               *complete = json_string_value(json_object_get(o, "complete"));
    struct strbuf out = {0};
    if (open && !c->session) {
        bool privileged = json_is_true(json_object_get(open, "privileged"));
        c->session = session_new(&c->api->r->host, c, privileged, on_out, on_done);
        on_done(c, CLI_OK);
    } else if (!c->session) {
        client_close(c);
    } else if (line) {
        session_line(c->session, line);
    } else if (help) {
        session_help(c->session, help, &out);
        send_json(c, text_json("help", out.s));
    } else if (complete) {
        session_complete(c->session, complete, &out);
        send_json(c, text_json("complete", out.s));
    } else if (json_object_get(o, "break")) {
        session_break(c->session);
    }
    sb_free(&out);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct client *c = h->data;
    (void)suggested;
    *out = uv_buf_init(c->buf + c->len, (unsigned)(sizeof c->buf - 1 - c->len));
}

/* requests: every whole line in the buffer. While a command goes on (ping, a question to ike) the next one waits; only
 * a break may interrupt it. */
static void requests(struct client *c)
{
    char *nl;
    while (!uv_is_closing((uv_handle_t *)&c->pipe) && (nl = memchr(c->buf, '\n', c->len))) {
        size_t used = (size_t)(nl - c->buf) + 1;
        json_t *o = json_loadb(c->buf, used, 0, NULL);
        bool waits = c->session && session_busy(c->session) && !json_object_get(o, "break");
        if (!waits && json_is_object(o)) {
            request(c, o);
        } else if (!waits) {
            client_close(c);
        }
        json_decref(o);
        if (waits) {
            return;
        }
        memmove(c->buf, c->buf + used, c->len - used);
        c->len -= used;
        mem_wipe(c->buf + c->len, used);
    }
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = s->data;
    (void)buf;
    if (n < 0) {
        client_close(c);
        return;
    }
    c->len += (size_t)n;
    requests(c);
    if (c->len >= sizeof c->buf - 1 && !uv_is_closing((uv_handle_t *)&c->pipe)) {
        if (c->session && session_busy(c->session)) {
            uv_read_stop(s);
            c->paused = true;
        } else {
            client_close(c); /* a line without end */
        }
    }
}

static void go_on(uv_timer_t *t)
{
    struct client *c = t->data;
    requests(c);
    if (c->paused && c->len < sizeof c->buf - 1 && !uv_is_closing((uv_handle_t *)&c->pipe)) {
        c->paused = false;
        (void)uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
    }
}

static void on_connect(uv_stream_t *server, int status)
{
    struct api *a = server->data;
    if (status != 0) {
        return;
    }
    struct client *c = xcalloc(1, sizeof *c);
    c->api = a;
    uv_pipe_init(&a->r->loop, &c->pipe, 0);
    uv_timer_init(&a->r->loop, &c->next);
    c->pipe.data = c->next.data = c;
    c->handles = 2;
    list_push_back(&a->clients, &c->link);
    if (uv_accept(server, (uv_stream_t *)&c->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0) {
        client_close(c);
    }
}

struct api *api_new(struct router *r, const char *path)
{
    struct api *a = xcalloc(1, sizeof *a);
    a->r = r;
    list_init(&a->clients);
    json_set_alloc_funcs(malloc, forget);
    str_copy(a->path, sizeof a->path, path);
    (void)unlink(path);
    uv_pipe_init(&r->loop, &a->server, 0);
    a->server.data = a;
    mode_t old = umask(0177); /* root only: whoever opens it may change everything */
    int err = uv_pipe_bind(&a->server, path);
    umask(old);
    if (err != 0 || uv_listen((uv_stream_t *)&a->server, 16, on_connect) != 0) {
        fprintf(stderr, "aditd: %s: %s\n", path, uv_strerror(err));
        free(a);
        return NULL;
    }
    return a;
}

void api_free(struct api *a)
{
    if (a) {
        LIST_FOR (it, &a->clients) {
            client_close(CONTAINER_OF(it, struct client, link));
        }
        uv_close((uv_handle_t *)&a->server, NULL);
        while (!list_empty(&a->clients)) {
            uv_run(&a->r->loop, UV_RUN_ONCE);
        }
        uv_run(&a->r->loop, UV_RUN_NOWAIT);
        (void)unlink(a->path);
        free(a);
    }
}

void api_conf_replaced(struct api *a)
{
    LIST_FOR (it, &a->clients) {
        struct client *c = CONTAINER_OF(it, struct client, link);
        if (c->session) {
            session_conf_replaced(c->session);
        }
    }
}

void api_monitor(struct api *a, const char *text)
{
    enum { UNREAD_MAX = 1 << 20 }; /* a console that reads nothing gets no more news */
    LIST_FOR (it, &a->clients) {
        struct client *c = CONTAINER_OF(it, struct client, link);
        if (c->session && session_monitors(c->session) &&
            uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) < UNREAD_MAX) {
            send_json(c, text_json("monitor", text));
        }
    }
}
