/*
 * vendor.c: vendor ids, THE table: what we recognise, what we send. Recognising only sets a bit.
 * What we do not have we do not announce: the ids of NAT traversal only where port 4500 is ours.
 * RFC 2408 3.16, RFC 3706, RFC 3947.
 */
#include "ike/ike_int.h"

struct vid_row {
    u16 bit;       /* enum vid_bit */
    u8 len, exact; /* bytes that must match; exact: the whole payload is that long */
    const char *name;
    u8 b[16];
};

static const struct vid_row vids[] = {
    {VB_UNITY,
     14,
     0,
     "Unity",
     {0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9, 0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc, 1, 0}},
    {VB_DPD,
     14,
     0,
     "DPD",
     {0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 1, 0}},
    {VB_NATT_V7,
     16,
     1,
     "NAT-T v7",
     {0x43, 0x9b, 0x59, 0xf8, 0xba, 0x67, 0x6c, 0x4c, 0x77, 0x37, 0xae, 0x22, 0xea, 0xb8, 0xf5,
      0x82}},
    {VB_NATT_V3,
     16,
     1,
     "NAT-T v3",
     {0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d,
      0x56}},
    {VB_NATT_V2,
     16,
     1,
     "NAT-T v2",
     {0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b,
      0x1f}},
    {VB_NATT_V2,
     16,
     1,
     "NAT-T v2",
     {0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4,
      0x48}},
    {VB_NATT_RFC,
     16,
     1,
     "NAT-T RFC 3947",
     {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45,
      0x2f}},
    {VB_XAUTH, 8, 1, "XAUTH", {0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12}},
    {VB_FRAG,
     16,
     0,
     "FRAGMENTATION",
     {0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2,
      0xd3}},
    {VB_ADIT, 8, 0, "adit", {0x61, 0x64, 0x69, 0x74, 0x9e, 0x3f, 0x51, 0xc7}},
    {VB_STRONGSWAN,
     16,
     1,
     "strongSwan",
     {0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc, 0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b,
      0xeb}},
    {VB_OPENSWAN, 4, 0, "Openswan", {0x4f, 0x45, 0x68, 0x79}},
    {VB_LIBRESWAN, 4, 0, "Libreswan", {0x4f, 0x45, 0x2d, 0x4c}},
    {VB_RACOON,
     16,
     0,
     "racoon",
     {0x70, 0x03, 0xcb, 0xc1, 0x09, 0x7d, 0xbe, 0x9c, 0x26, 0x00, 0xba, 0x69, 0x83, 0xbc, 0x8b,
      0x35}},
};

static const struct vid_row *vid_find(const struct isakmp_bytes *v)
{
    for (unsigned i = 0; i < ARRAY_LEN(vids); i++) {
        const struct vid_row *r = &vids[i];
        if (v->len >= r->len && (!r->exact || v->len == r->len) &&
            memcmp(v->p, r->b, r->len) == 0) {
            return r;
        }
    }
    return NULL;
}

static void vid_trace(struct ike *ike, const struct ike_sa *sa, u32 conn,
                      const struct isakmp_bytes *v, const struct vid_row *r)
{
    struct evlog *log = ike->log;
    const struct addr *peer = &sa->remote.a;
    char hex[64];
    ev_ike_vid(
        log, conn, peer,
        &(struct evb_ike_vid){.hex = ev_str(hex_str(hex, sizeof hex, v->p, MIN(v->len, 20)))});
    bool natt = r && (r->bit & (VB_NATT_V2 | VB_NATT_V3 | VB_NATT_V7 | VB_NATT_RFC));
    if (v->len == 16 &&
        (!r || natt)) { /* the dialect compares every 16-byte id with Unity and DPD first */
        ev_ike_vid_major(log, conn, peer, &(struct evb_ike_vid_major){.major = v->p[14]});
    }
    if (r && r->bit == VB_NATT_V7) {
        ev_ike_vid_v7(log, conn, peer, &(struct evb_ike_vid_v7){.offered = 1});
    } else if (r && r->bit == VB_ADIT) {
        ev_ike_vid_ios(log, conn, peer, &(struct evb_ike_vid_ios){.who = ev_str(r->name)});
    } else if (r) {
        ev_ike_vid_is(log, conn, peer, &(struct evb_ike_vid_is){.name = ev_str(r->name)});
    }
}

u32 vendor_read(struct ike *ike, const struct ike_sa *sa, u32 conn, const struct isakmp_msg *m)
{
    u32 bits = 0;
    for (unsigned i = 0; i < m->num_vids; i++) {
        const struct vid_row *r = vid_find(&m->vid[i]);
        bits |= r ? r->bit : VB_OTHER;
        vid_trace(ike, sa, conn, &m->vid[i], r);
    }
    return bits;
}

static void write_vid(struct isakmp_out *o, u16 bit)
{
    for (unsigned i = 0; i < ARRAY_LEN(vids); i++) {
        if (vids[i].bit == bit) {
            isakmp_out_payload(o, PL_VID, vids[i].b,
                               bit == VB_UNITY || bit == VB_DPD ? 16 : vids[i].len);
            return;
        }
    }
}

void vendor_write_frag(struct isakmp_out *o)
{
    u8 id[20] = {[16] = 0x80}; /* main mode; the other exchanges follow */
    for (unsigned i = 0; i < ARRAY_LEN(vids); i++) {
        if (vids[i].bit == VB_FRAG) {
            memcpy(id, vids[i].b, 16);
        }
    }
    isakmp_out_payload(o, PL_VID, id, sizeof id);
}

void vendor_write_natt(struct isakmp_out *o, u32 natt)
{
    static const u16 order[] = {VB_NATT_RFC, VB_NATT_V7, VB_NATT_V3, VB_NATT_V2}; /* as IOS has it */
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        if (natt & order[i]) {
            write_vid(o, order[i]);
        }
    }
}

void vendor_write_ours(const struct ike *ike, struct isakmp_out *o, const u8 cookie_i[8])
{
    u8 id[16];
    write_vid(o, VB_UNITY);
    write_vid(o, VB_DPD);
    if (ike->conf->clients) {
        write_vid(o, VB_XAUTH); /* a gateway that will ask */
    }
    for (unsigned i = 0; i < ARRAY_LEN(vids);
         i++) { /* eight fixed bytes and eight that vary, as IOS has it */
        if (vids[i].bit == VB_ADIT) {
            memcpy(id, vids[i].b, 8);
        }
    }
    memcpy(id + 8, cookie_i, 8);
    isakmp_out_payload(o, PL_VID, id, sizeof id);
}
