/*
 * mtu.c: what fits. The largest packet that still fits the path after GRE and ESP is computed
 * exactly (padding to the cipher's block included); what is longer is answered with ICMP (RFC 1191,
 * RFC 8201) or cut, before encryption where that is possible (RFC 4301 8.1, RFC 4303 3.3.4).
 */
#include "dp/dp_int.h"

void mtu_tunnel(struct tunnel *t)
{
    unsigned way = tunnel_path_mtu(t) ? tunnel_path_mtu(t) : 1500;
    const struct sa *sa = t->flow ? flow_sa_out(t->flow) : NULL;
    if (sa) {
        way = sa->h.plain_mtu;
    } else if (t->flow) {
        way = 0xffff; /* not known before the SA: admit looks again */
    }
    unsigned fits =
        way > t->encap_len + 68u ? way - t->encap_len : 68; /* RFC 791: 68 always pass */
    t->eff_mtu = (u16)MIN(fits, t->val.mtu ? t->val.mtu : 0xffffu);
}

/* Tells the sender. The source is the address it wrote to: the kernel accepts that one from this
 * port (a local source would be a martian), and the sender only looks at the packet quoted inside.
 */
static void tell_sender(struct worker *w, struct pkt *p, u16 mtu)
{
    struct pkt *icmp = pkt_get(w);
    if (icmp) {
        struct addr from = ip_dst(p->data);
        icmp->len = (u16)icmp_too_big_build(icmp->data, PKT_MAX, &from, p->data, p->len, mtu);
        icmp->in_port = icmp->out_port = p->in_port;
        if (icmp->len) {
            graph_put(w, N_PORT_TX, icmp);
        } else {
            pkt_put(w, icmp);
        }
    }
    pkt_drop(p, DROP_TOO_BIG, NULL, mtu, p->len);
}

bool mtu_fit(struct worker *w, struct pkt *p, u16 mtu, bool ignore_df, enum node_id to)
{
    if (p->v.version == 6) {
        if (p->len <= IP6_MIN_MTU) {
            return false; /* RFC 8200 5: the layer below must cut it */
        }
        tell_sender(w, p, MAX(mtu, (u16)IP6_MIN_MTU));
        return true;
    }
    if (p->v.df && !ignore_df) {
        tell_sender(w, p, mtu);
        return true;
    }
    if (p->v.df || mtu < 68) {
        return false;
    }
    mtu_fragment(w, p, mtu, to);
    return true;
}

/* ---- fragmentation --------------------------------------------------------------------------- */

/* RFC 791 3.1: options without the copied flag travel only in the first fragment: they become
 * no-operations. */
static void drop_options(u8 *ip, unsigned hlen)
{
    for (unsigned i = IP4_HDR; i < hlen && ip[i] != 0;) {
        unsigned len = ip[i] == 1 || i + 1 >= hlen ? 1 : ip[i + 1];
        if (len == 0 || i + len > hlen) {
            return;
        }
        if (!(ip[i] & 0x80)) {
            memset(ip + i, 1, len);
        }
        i += len;
    }
}

/* One IPv4 fragment: bytes at..at+n of the payload. */
static struct pkt *piece4(struct worker *w, const struct pkt *p, unsigned hlen, unsigned at,
                          unsigned n)
{
    struct pkt *f = pkt_copy(w, p, p->data, (u16)hlen);
    if (!f) {
        return NULL;
    }
    memcpy(f->data + hlen, p->data + hlen + at, n);
    f->len = (u16)(hlen + n);
    if (at) {
        drop_options(f->data, hlen);
    }
    unsigned word = be16(p->data + 6);
    bool more = (word & IP4_MF) || at + n < (unsigned)p->len - hlen;
    put16(f->data + 2, f->len);
    put16(f->data + 6, (u16)(((word & IP4_OFF) + at / 8) | (more ? IP4_MF : 0)));
    ip4_checksum_set(f->data, hlen);
    return f;
}

/* One IPv6 fragment (RFC 8200 4.5); only our own outer packets are cut, they have no extension
 * headers. */
static struct pkt *piece6(struct worker *w, const struct pkt *p, unsigned at, unsigned n, u32 id)
{
    struct pkt *f = pkt_copy(w, p, p->data, IP6_HDR);
    if (!f) {
        return NULL;
    }
    u8 *frag = f->data + IP6_HDR;
    frag[0] = f->data[6];
    frag[1] = 0;
    put16(frag + 2, (u16)(at | (at + n < (unsigned)p->len - IP6_HDR)));
    put32(frag + 4, id);
    f->data[6] = 44;
    memcpy(frag + IP6_FRAG_HDR, p->data + IP6_HDR + at, n);
    f->len = (u16)(IP6_HDR + IP6_FRAG_HDR + n);
    put16(f->data + 4, (u16)(f->len - IP6_HDR));
    return f;
}

void mtu_fragment(struct worker *w, struct pkt *p, u16 mtu, enum node_id to)
{
    bool v4 = p->v.version == 4;
    unsigned hlen = v4 ? (p->data[0] & 15u) * 4u : IP6_HDR, over = v4 ? hlen : hlen + IP6_FRAG_HDR;
    unsigned step = mtu > over ? (mtu - over) & ~7u : 0, total = p->len - hlen;
    u32 id = v4 ? 0 : be32(bulk_rng_take(&w->rng, 4));
    if (step == 0) {
        pkt_drop(p, DROP_TOO_BIG, "the path MTU leaves no room", mtu, p->len);
        return;
    }
    for (unsigned at = 0; at < total; at += step) {
        unsigned n = MIN(step, total - at);
        struct pkt *f = v4 ? piece4(w, p, hlen, at, n) : piece6(w, p, at, n, id);
        if (!f || ip_decode(&f->v, f->data, f->len) != IP_OK) {
            if (f) {
                pkt_put(w, f);
            }
            pkt_drop(p, DROP_NO_BUFFER, "while cutting it into fragments", 0, 0);
            return;
        }
        graph_put(w, to, f);
    }
    p->next = N_DONE;
}
