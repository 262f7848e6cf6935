/*
 * frag.c: messages in pieces (the fragmentation that Cisco's and Microsoft's vendor id announces): message 5 and 6 with certificates
 * are longer than what many networks carry, and IP's own fragments often get lost on the way. A piece is an ISAKMP message in clear with
 * one payload: number of the message, number of the piece, whether it is the last, and bytes of the whole.
 *
 * Pieces prove nothing, the whole is looked at as if it had come at once. So there is room for a few messages only, each of a
 * negotiation that exists, of one message at a time, and not for long. Walk: ike_input -> [frag_in] -> input.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

enum { HEAD = ISAKMP_HDR + 8, PARTS = 24, SETS = 64, LIVES_MS = 30000, LAST = 1 };

struct frag_set {
    struct list link; /* in ike.frags, the oldest first */
    u64 key;          /* whose: our cookie, and where it comes from */
    u16 id;
    u8 last; /* number of the last one, 0: not yet seen */
    u8 have; /* how many */
    u64 until_ms;
    size_t bytes;
    u8 *part[PARTS + 1]; /* owned, by number from 1 */
    u16 len[PARTS + 1];
};

static void drop(struct frag_set *s)
{
    for (unsigned i = 0; i <= PARTS; i++) {
        free(s->part[i]);
    }
    list_remove(&s->link);
    free(s);
}

void frag_free(struct ike *ike)
{
    LIST_FOR (it, &ike->frags) {
        drop(CONTAINER_OF(it, struct frag_set, link));
    }
}

/* set_of: the one that a piece belongs to; another message of the same far end takes the place of the one before. */
static struct frag_set *set_of(struct ike *ike, u64 key, u16 id)
{
    u64 now = env_now_ms(ike->clock);
    struct frag_set *found = NULL;
    unsigned num = 0;
    LIST_FOR (it, &ike->frags) {
        struct frag_set *s = CONTAINER_OF(it, struct frag_set, link);
        if (now >= s->until_ms || (s->key == key && s->id != id)) {
            drop(s);
            continue;
        }
        found = s->key == key ? s : found;
        num++;
    }
    if (!found) {
        if (num >= SETS) {
            drop(CONTAINER_OF(ike->frags.next, struct frag_set, link));
        }
        found = xcalloc(1, sizeof *found);
        found->key = key;
        found->id = id;
        found->until_ms = now + LIVES_MS;
        list_init(&found->link);
        list_push_back(&ike->frags, &found->link);
    }
    return found;
}

static bool join(struct frag_set *s, u8 *out, size_t *len)
{
    if (!s->last || s->have != s->last) {
        return false;
    }
    *len = 0;
    for (unsigned i = 1; i <= s->last; i++) {
        memcpy(out + *len, s->part[i], s->len[i]);
        *len += s->len[i];
    }
    drop(s);
    return true;
}

bool frag_in(struct ike *ike, const struct datagram *in, const struct isakmp_hdr *h, u8 out[ISAKMP_MAX],
             size_t *len, struct draft *d)
{
    struct rd r = rd_init(in->data + ISAKMP_HDR, in->len - ISAKMP_HDR);
    u8 next = rd_u8(&r), reserved = rd_u8(&r);
    u16 plen = rd_u16(&r), id = rd_u16(&r);
    u8 number = rd_u8(&r), flags = rd_u8(&r);
    size_t n = rd_left(&r);
    const u8 *p = rd_bytes(&r, n);
    if (r.bad || next || reserved || plen != n + 8 || !n || !number || number > PARTS) {
        draft_why(d, WHY_MALFORMED, "a piece of a message is no piece: number %u, %zu bytes, payload length %u; wanted 1 to %u, and all of it",
                  number, n, plen, PARTS);
        return false;
    }
    struct frag_set *s = set_of(ike, peer_key(ike, &in->from.a, (u32)(be64(h->cookie_i) ^ be64(h->cookie_r))), id);
    bool last = flags & LAST, clash = (s->last && (number > s->last || (last && number != s->last))) || s->part[number];
    if (clash || s->bytes + n > ISAKMP_MAX) {
        bool again = s->part[number] && s->len[number] == n && memcmp(s->part[number], p, n) == 0;
        if (!again) {
            draft_why(d, WHY_LIMIT, "piece %u of message %u does not fit the others, or they are too many bytes", number, id);
            drop(s);
        }
        return false;
    }
    s->part[number] = xcalloc(1, n);
    memcpy(s->part[number], p, n);
    s->len[number] = (u16)n;
    s->bytes += n;
    s->have++;
    s->last = last ? number : s->last;
    return join(s, out, len);
}

/* ---- sending ---- */

bool frag_wanted(const struct ike_sa *sa, size_t len)
{
    return sa->c.frag && len > FRAG_MAX_BYTES;
}

void frag_send(struct ike *ike, const struct ike_sa *sa, const u8 *data, size_t len)
{
    u8 piece[FRAG_MAX_BYTES];
    size_t each = sizeof piece - HEAD, at = 0;
    u16 id = ++ike->frag_id ? ike->frag_id : ++ike->frag_id;
    for (u8 number = 1; at < len; number++) {
        size_t n = MIN(each, len - at);
        struct wr w = wr_init(piece, sizeof piece);
        wr_bytes(&w, data, 16); /* cookies */
        wr_u8(&w, PL_FRAGMENT);
        wr_u8(&w, 0x10);
        wr_u8(&w, data[18]); /* exchange type */
        wr_u8(&w, 0);
        wr_bytes(&w, data + 20, 4); /* message id */
        wr_u32(&w, (u32)(HEAD + n));
        wr_u8(&w, PL_NONE);
        wr_u8(&w, 0);
        wr_u16(&w, (u16)(n + 8));
        wr_u16(&w, id);
        wr_u8(&w, number);
        wr_u8(&w, at + n == len ? LAST : 0);
        wr_bytes(&w, data + at, n);
        natt_send(ike, &sa->local, &sa->remote, piece, wr_len(&w));
        at += n;
    }
}
