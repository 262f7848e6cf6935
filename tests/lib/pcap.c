/* pcap.c: see pcap.h. */
#include "pcap.h"

#include <stdlib.h>

static u32 get32(const struct capture *c, size_t off)
{
    const u8 *p = c->file + off;
    return c->swapped ? be32(p) : (u32)p[3] << 24 | (u32)p[2] << 16 | (u32)p[1] << 8 | p[0];
}

bool capture_open(struct capture *c, const char *path)
{
    memset(c, 0, sizeof *c);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return false;
    }
    fseek(f, 0, SEEK_END);
    c->len = (size_t)ftell(f);
    rewind(f);
    c->file = xcalloc(1, c->len + 1);
    bool ok = fread(c->file, 1, c->len, f) == c->len && c->len >= 24;
    fclose(f);
    if (!ok) {
        capture_close(c);
        return false;
    }
    c->ng = be32(c->file) == 0x0a0d0d0a;
    if (c->ng) {
        c->swapped = be32(c->file + 8) == 0x1a2b3c4d;
    } else {
        c->swapped = be32(c->file) == 0xa1b2c3d4 || be32(c->file) == 0xa1b23c4d;
        c->link = get32(c, 20) & 0xffff;
        c->at = 24;
    }
    return true;
}

void capture_close(struct capture *c)
{
    free(c->file);
    c->file = NULL;
}

static bool next_ng(struct frame *out, struct capture *c)
{
    while (c->at + 12 <= c->len) {
        size_t at = c->at;
        u32 type = get32(c, at), len = get32(c, at + 4);
        if (len < 12 || at + len > c->len) {
            return false;
        }
        c->at += len;
        if (type == 1) { /* interface description */
            c->link = get32(c, at + 8) & 0xffff;
            c->link =
                c->swapped ? be16(c->file + at + 8) : (u32)(c->file[at + 9] << 8 | c->file[at + 8]);
        } else if (type == 6 && len >= 32) { /* enhanced packet */
            u32 n = get32(c, at + 20);
            *out = (struct frame){c->file + at + 28, MIN(n, len - 32), c->link};
            return true;
        } else if (type == 3 && len >= 16) { /* simple packet */
            *out = (struct frame){c->file + at + 12, MIN(get32(c, at + 8), len - 16), c->link};
            return true;
        }
    }
    return false;
}

bool capture_next(struct frame *out, struct capture *c)
{
    if (c->ng) {
        return next_ng(out, c);
    }
    if (c->at + 16 > c->len) {
        return false;
    }
    u32 n = get32(c, c->at + 8);
    size_t left = c->len - c->at - 16;
    *out = (struct frame){c->file + c->at + 16, MIN(n, left), c->link};
    c->at += 16 + out->len;
    return true;
}

static bool skip_link(struct rd *r, u32 link)
{
    switch (link) {
    case 0: rd_bytes(r, 4); break; /* BSD loopback */
    case 1: {                      /* Ethernet, maybe with VLAN tags */
        rd_bytes(r, 12);
        u16 type = rd_u16(r);
        while (type == 0x8100) {
            rd_u16(r);
            type = rd_u16(r);
        }
        break;
    }
    case 9: rd_bytes(r, 4); break; /* PPP */
    case 113: rd_bytes(r, 16); break;
    default: break; /* 12, 101, 228, 229: raw IP */
    }
    return !r->bad;
}

bool frame_udp(struct udp *out, const struct frame *f)
{
    struct rd r = rd_init(f->p, f->len);
    memset(out, 0, sizeof *out);
    if (!skip_link(&r, f->link) || rd_left(&r) < 20) {
        return false;
    }
    const u8 *ip = r.p;
    u8 proto;
    if (ip[0] >> 4 == 4) {
        proto = ip[9];
        out->src.a = addr_from_bytes(AF_V4, ip + 12);
        out->dst.a = addr_from_bytes(AF_V4, ip + 16);
        rd_bytes(&r, (size_t)(ip[0] & 15) * 4);
    } else if (ip[0] >> 4 == 6 && rd_left(&r) >= 40) {
        proto = ip[6];
        out->src.a = addr_from_bytes(AF_V6, ip + 8);
        out->dst.a = addr_from_bytes(AF_V6, ip + 24);
        rd_bytes(&r, 40);
    } else {
        return false;
    }
    out->src.port = rd_u16(&r);
    out->dst.port = rd_u16(&r);
    u16 len = rd_u16(&r);
    rd_u16(&r);
    if (r.bad || proto != 17) {
        return false;
    }
    size_t want = len >= 8 ? len - 8u : rd_left(&r);
    out->len = MIN(want, rd_left(&r));
    out->p = rd_bytes(&r, out->len);
    return out->p != NULL;
}
