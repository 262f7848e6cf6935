/*
 * outbox.c: values on their way into a channel that has no room now. Nobody waits for a reader: main serves its consoles
 * and dp its packets while the other side is slow, or stopped. Walk: child.c, ike_main.c, dp_main.c -> here -> chan.c.
 */
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct waiting {
    struct list in_box; /* first: a list item is the value */
    int fd;             /* owned, -1: none */
    enum outbox_value which;
    size_t len;
    u8 value[];
};

void outbox_init(struct outbox *o)
{
    list_init(&o->waiting);
    o->bytes = 0;
}

bool outbox_empty(const struct outbox *o)
{
    return list_empty(&o->waiting);
}

static void drop(struct outbox *o, struct waiting *w)
{
    list_remove(&w->in_box);
    o->bytes -= w->len;
    if (w->fd >= 0) {
        close(w->fd);
    }
    mem_wipe(w->value, w->len); /* SAs carry keys */
    free(w);
}

void outbox_clear(struct outbox *o)
{
    while (!outbox_empty(o)) {
        drop(o, (struct waiting *)o->waiting.next);
    }
}

/* has_gone: no error that passes (no room, no memory, too many descriptors under way). */
static bool has_gone(void)
{
    return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == EBADF ||
           errno == EMSGSIZE;
}

bool outbox_flush(struct outbox *o, int chan)
{
    while (!outbox_empty(o)) {
        struct waiting *w = (struct waiting *)o->waiting.next;
        if (!chan_send(chan, w->value, w->len, w->fd) && !has_gone()) {
            return false;
        }
        drop(o, w); /* sent, or whoever reads the channel hears that the other side has gone */
    }
    return true;
}

static void drop_older(struct outbox *o)
{
    LIST_FOR (it, &o->waiting) {
        struct waiting *w = (struct waiting *)it;
        if (w->which == OUTBOX_NEWEST) {
            drop(o, w);
        }
    }
}

static bool keep(struct outbox *o, const void *value, size_t len, int fd, enum outbox_value which)
{
    if (which == OUTBOX_NEWEST) {
        drop_older(o);
    }
    if (o->bytes + len > OUTBOX_BYTES) {
        return false;
    }
    int own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0 && own < 0) {
        return false;
    }
    struct waiting *w = xcalloc(1, sizeof *w + len);
    w->fd = own;
    w->which = which;
    w->len = len;
    memcpy(w->value, value, len);
    list_push_back(&o->waiting, &w->in_box);
    o->bytes += len;
    return true;
}

bool outbox_send(struct outbox *o, int chan, const void *value, size_t len, int fd,
                 enum outbox_value which)
{
    if (outbox_flush(o, chan)) { /* none overtakes another */
        if (chan_send(chan, value, len, fd)) {
            return true;
        }
        if (has_gone()) {
            return false;
        }
    }
    return which != OUTBOX_LOSSY && keep(o, value, len, fd, which);
}
