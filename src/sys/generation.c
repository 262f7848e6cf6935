/*
 * generation.c: see generation.h. Walk: plan_offer -> generation_seal -> outbox_send -> dp_main or
 * ike_main -> generation_open -> dp_ctl or ike_ctl.
 */
#include "sys/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAGIC = 0x61646974, VERSION = 2, HEADER = 32 }; /* "adit" */
enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

static bool write_all(int fd, const void *p, size_t len)
{
    const u8 *at = p;
    while (len) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

int generation_seal(u64 number, const void *values, size_t num, size_t size, const void *rest,
                    size_t rest_len)
{
    u8 head[HEADER];
    struct wr w = wr_init(head, sizeof head);
    int fd = memfd_create("adit-generation", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    wr_u32(&w, MAGIC);
    wr_u32(&w, VERSION);
    wr_u64(&w, number);
    wr_u32(&w, (u32)num);
    wr_u32(&w, (u32)size);
    wr_u64(&w, rest_len);
    if (fd < 0) {
        return -1;
    }
    if (w.bad || !write_all(fd, head, sizeof head) || !write_all(fd, values, num * size) ||
        !write_all(fd, rest, rest_len) ||
        fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool generation_read(struct generation *g, const void *p, size_t len, size_t size)
{
    struct rd r = rd_init(p, len);
    bool ours = rd_u32(&r) == MAGIC && rd_u32(&r) == VERSION;
    *g = (struct generation){.number = rd_u64(&r), .size = size};
    g->num = rd_u32(&r);
    ours = ours && rd_u32(&r) == size;
    u64 rest_len = rd_u64(&r);
    if (!ours || g->num > rd_left(&r) / size || rest_len > rd_left(&r)) {
        return false;
    }
    g->values = rd_bytes(&r, g->num * size);
    g->rest = rd_bytes(&r, (size_t)rest_len);
    g->rest_len = g->rest ? (size_t)rest_len : 0;
    return rd_done(&r);
}

bool generation_open(struct generation *g, int fd, size_t size)
{
    *g = (struct generation){0};
    int seals = fcntl(fd, F_GET_SEALS);
    off_t len = lseek(fd, 0, SEEK_END);
    if (seals < 0 || (seals & SEALS) != SEALS || len <= 0) {
        return false; /* not sealed: it could shrink under the reader */
    }
    void *map = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        return false;
    }
    bool ok = generation_read(g, map, (size_t)len, size);
    g->map = map;
    g->map_len = (size_t)len;
    if (!ok) {
        generation_close(g);
    }
    return ok;
}

void generation_close(struct generation *g)
{
    if (g->map) {
        munmap(g->map, g->map_len);
    }
    *g = (struct generation){0};
}

void generation_value(const struct generation *g, size_t i, void *out)
{
    memcpy(out, g->values + i * g->size, g->size);
}

bool generation_take(struct generation *g, int fd, size_t size, u64 asked, bool (*fits)(u32 type))
{
    bool ok = generation_open(g, fd, size) && g->number == asked;
    for (size_t i = 0; ok && i < g->num; i++) {
        u32 type;
        memcpy(&type, g->values + i * size, sizeof type); /* the file is sealed: it stays this */
        ok = fits(type);
    }
    if (!ok) {
        generation_close(g);
    }
    return ok;
}
