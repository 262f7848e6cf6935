/*
 * vtysh.c: a question to FRR for the console (`show ip route`, `show ip ospf ...`): vtysh as a child, what it prints is the
 * answer. Main goes on meanwhile; FRR that does not answer in time costs the console its answer.
 */
#include "sys/router_int.h"

#include <signal.h>
#include <stdlib.h>

enum { VTYSH_MS = 3000, VTYSH_MAX = 4 << 20 };

struct vtysh {
    struct list link;
    struct session *s; /* borrowed; NULL: it has gone */
    uv_process_t proc;
    uv_pipe_t pipe;
    uv_timer_t late;
    unsigned handles;
    bool read_all, gone;
    struct strbuf text;
    char part[4096];
};

static void on_closed(uv_handle_t *h)
{
    struct vtysh *v = h->data;
    if (--v->handles == 0) {
        sb_free(&v->text);
        free(v);
    }
}

/* settle: when vtysh has ended and all of its text is there. */
static void settle(struct vtysh *v)
{
    if (!v->read_all || !v->gone) {
        return;
    }
    list_remove(&v->link);
    uv_close((uv_handle_t *)&v->late, on_closed);
    if (v->s) {
        session_vtysh(v->s, v->text.s ? v->text.s : "");
    }
}

static void on_exit_vtysh(uv_process_t *p, int64_t status, int signal)
{
    struct vtysh *v = p->data;
    (void)status, (void)signal;
    v->gone = true;
    uv_close((uv_handle_t *)p, on_closed);
    settle(v);
}

static void on_late(uv_timer_t *t)
{
    struct vtysh *v = t->data;
    if (!v->gone) {
        uv_process_kill(&v->proc, SIGKILL);
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct vtysh *v = h->data;
    (void)suggested;
    *out = uv_buf_init(v->part, sizeof v->part);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct vtysh *v = s->data;
    if (n > 0 && v->text.len < VTYSH_MAX) {
        sb_addn(&v->text, buf->base, (size_t)n);
    } else if (n < 0) {
        v->read_all = true;
        uv_close((uv_handle_t *)s, on_closed);
        settle(v);
    }
}

bool vtysh_start(struct router *r, struct session *s, const char *dir, const char *command)
{
    struct vtysh *v = xcalloc(1, sizeof *v);
    char *args[] = {
        "vtysh", "--vty_socket", (char *)(uintptr_t)dir, "-c", (char *)(uintptr_t)command, NULL};
    v->s = s;
    v->proc.data = v->pipe.data = v->late.data = v;
    uv_pipe_init(&r->loop, &v->pipe, 0);
    uv_timer_init(&r->loop, &v->late);
    uv_stdio_container_t io[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&v->pipe},
        {.flags = UV_IGNORE}};
    uv_process_options_t o = {.exit_cb = on_exit_vtysh,
                              .file = "/usr/bin/vtysh",
                              .args = args,
                              .stdio_count = 3,
                              .stdio = io};
    v->handles = 3;
    list_push_back(&r->vtyshs, &v->link);
    if (uv_spawn(&r->loop, &v->proc, &o) != 0) {
        list_remove(&v->link);
        uv_close((uv_handle_t *)&v->proc, on_closed);
        uv_close((uv_handle_t *)&v->pipe, on_closed);
        uv_close((uv_handle_t *)&v->late, on_closed);
        return false;
    }
    uv_read_start((uv_stream_t *)&v->pipe, on_alloc, on_read);
    uv_timer_start(&v->late, on_late, VTYSH_MS, 0);
    return true;
}

void vtysh_stop(struct router *r, const struct session *s)
{
    LIST_FOR (it, &r->vtyshs) {
        struct vtysh *v = CONTAINER_OF(it, struct vtysh, link);
        if (v->s == s) {
            v->s = NULL;
            on_late(&v->late);
        }
    }
}
