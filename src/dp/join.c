/*
 * join.c: fragments of a delivery packet (GRE, IPIP, 6in4) that came out of an SA. IOS cuts the GRE
 * packet before it encrypts, so the pieces arrive each in its own ESP packet and meet again only
 * here; what travels in clear or around ESP the kernel has joined already. RFC 791 3.2, RFC 8200
 * 4.5, overlaps refused as RFC 5722 asks (for IPv4 too: RFC 1858, RFC 3128).
 *
 * A fixed number of datagrams may be under way. Each takes one packet buffer; a fragment is copied
 * to its place and its own buffer goes back at once. A datagram that is not complete after three
 * seconds, or that is the oldest when a new one needs its place, is dropped by name.
 *
 * Walk: esp_in_commit -> gre_in, which calls join_fragment before it looks at anything else.
 */
#include "dp/dp_int.h"

enum { HDR_ROOM = 64, UNIT = 8 }; /* room for the longest IPv4 header; fragments come in units */

/* What one fragment says. */
struct piece {
    struct join_key key;
    unsigned hdr_len; /* bytes in front that are no payload: IP header, IPv6 fragment header */
    unsigned at, len; /* its payload within the datagram's */
    bool last;
};

/* False: IPv6 headers we did not expect. */
static bool piece_read(struct piece *out, const struct pkt *p)
{
    memset(out, 0, sizeof *out);
    out->key.flow = p->flow->id;
    out->key.proto = p->v.proto;
    out->key.src = ip_src(p->data);
    out->key.dst = ip_dst(p->data);
    out->hdr_len = p->v.l4;
    if (p->v.version == 6) {
        if (p->v.l4 != IP6_HDR + IP6_FRAG_HDR) {
            return false;
        }
        out->key.id = be32(p->data + IP6_HDR + 4);
    } else {
        out->key.id = be16(p->data + 4);
    }
    out->at = p->v.frag_off;
    out->len = p->len - out->hdr_len;
    out->last = !p->v.more;
    return true;
}

static void forget(struct worker *w, struct join *j)
{
    j->whole = NULL;
    w->num_joining--;
}

/* The datagram will never be complete. */
static void give_up(struct worker *w, struct join *j, const char *why)
{
    struct pkt *p = j->whole;
    p->len = (u16)(p->v.l4 + j->end);
    pkt_drop(p, DROP_FRAGMENT, why, 0, 0);
    graph_put(w, N_DROP, p);
    forget(w, j);
}

static struct join *find(struct worker *w, const struct join_key *key)
{
    for (unsigned i = 0; i < MAX_JOINS; i++) {
        if (w->join[i].whole && memcmp(&w->join[i].key, key, sizeof *key) == 0) {
            return &w->join[i];
        }
    }
    return NULL;
}

/* A place for a new datagram; the oldest makes room. NULL: no buffer. */
static struct join *begin(struct worker *w, const struct join_key *key)
{
    struct join *j = &w->join[0];
    for (unsigned i = 0; i < MAX_JOINS && j->whole; i++) {
        if (!w->join[i].whole || w->join[i].since_ms < j->since_ms) {
            j = &w->join[i];
        }
    }
    if (j->whole) {
        give_up(w, j, "more datagrams in fragments than are kept");
    }
    struct pkt *whole = pkt_get(w);
    if (!whole) {
        return NULL;
    }
    memset(j, 0, sizeof *j);
    j->whole = whole;
    j->key = *key;
    j->since_ms = w->now_ms;
    w->num_joining++;
    return j;
}

/* Marks the units a fragment fills; false when one is filled already. */
static bool mark(struct join *j, unsigned at, unsigned len)
{
    unsigned from = at / UNIT, to = (at + len + UNIT - 1) / UNIT;
    for (unsigned i = from; i < to; i++) {
        u64 bit = 1ull << (i % 64);
        if (j->have[i / 64] & bit) {
            return false;
        }
        j->have[i / 64] |= bit;
    }
    j->units += to - from;
    return true;
}

/* The header in front of the payload, of the first fragment as soon as it is there. */
static void put_header(struct join *j, const struct pkt *p, unsigned at)
{
    struct pkt *whole = j->whole;
    unsigned hdr = p->v.version == 6 ? IP6_HDR : p->v.l4;
    u8 *payload = whole->room + HEADROOM + HDR_ROOM;
    if (whole->len && at) {
        return;
    }
    whole->data = payload - hdr;
    memcpy(whole->data, p->data, hdr);
    whole->v = p->v;
    whole->v.l4 = (u16)hdr;
    whole->len = (u16)hdr; /* until it is complete: header seen */
}

/* Copies one fragment to its place. NULL: fine; else why the whole datagram is refused. */
static const char *place(struct join *j, const struct piece *f, const struct pkt *p)
{
    if (f->len == 0 || (!f->last && f->len % UNIT)) {
        return "a fragment whose length is no multiple of 8";
    }
    if (f->at + f->len > JOIN_MAX) {
        return "longer than a packet buffer";
    }
    if ((j->total && f->at + f->len > j->total) ||
        (f->last && (j->total || j->end > f->at + f->len))) {
        return "fragments disagree about the length";
    }
    if (!mark(j, f->at, f->len)) {
        return "fragments overlap";
    }
    j->end = MAX(j->end, f->at + f->len);
    j->total = f->last ? f->at + f->len : j->total;
    put_header(j, p, f->at);
    memcpy(j->whole->room + HEADROOM + HDR_ROOM + f->at, p->data + f->hdr_len, f->len);
    return NULL;
}

/* All of it is there: the packet as if it had never been cut. p is the fragment that came last. */
static struct pkt *finish(struct worker *w, struct join *j, const struct pkt *p)
{
    struct pkt *q = j->whole;
    unsigned hdr = q->len;
    u8 *ip = q->data;
    q->len = (u16)(hdr + j->total);
    q->sa = p->sa;
    q->flow = p->flow;
    q->in_port = p->in_port;
    if (q->v.version == 4) {
        put16(ip + 2, q->len);
        put16(ip + 6, (u16)(be16(ip + 6) & IP4_DF));
        ip4_checksum_set(ip, hdr);
    } else {
        put16(ip + 4, (u16)j->total);
        ip[6] = q->v.proto;
    }
    forget(w, j);
    if (ip_decode(&q->v, ip, q->len) != IP_OK) {
        pkt_drop(q, DROP_FRAGMENT, "joined, it is no IP packet", 0, 0);
        graph_put(w, N_DROP, q);
        return NULL;
    }
    return q;
}

struct pkt *join_fragment(struct worker *w, struct pkt *p)
{
    struct piece f;
    if (!piece_read(&f, p)) {
        pkt_drop(p, DROP_FRAGMENT, "IPv6 headers around the fragment header", 0, p->v.l4);
        return NULL;
    }
    struct join *j = find(w, &f.key);
    j = j ? j : begin(w, &f.key);
    if (!j) {
        pkt_drop(p, DROP_NO_BUFFER, "to join fragments in", 0, 0);
        return NULL;
    }
    const char *why = place(j, &f, p);
    if (why) {
        if (j->whole->len) {
            give_up(w, j, why);
        } else { /* it was the first of its datagram: only p can be told about */
            pkt_put(w, j->whole);
            forget(w, j);
        }
        pkt_drop(p, DROP_FRAGMENT, why, 0, p->v.l4);
        return NULL;
    }
    p->next = N_DONE; /* copied */
    if (!j->total || j->units != (j->total + UNIT - 1) / UNIT) {
        return NULL;
    }
    return finish(w, j, p);
}

void join_tick(struct worker *w)
{
    for (unsigned i = 0; w->num_joining && i < MAX_JOINS; i++) {
        struct join *j = &w->join[i];
        if (j->whole && w->now_ms - j->since_ms >= JOIN_MS) {
            give_up(w, j, "the other fragments did not come in time");
        }
    }
}
