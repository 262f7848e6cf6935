/*
 * selector.c: a selector (RFC 4301 4.4.1.1) made ready to be compared with packets, for lines (policy.c) and SAs (sa.c).
 */
#include "dp/dp_int.h"

static u32 mask4(u8 len)
{
    return len ? 0xffffffffu << (32 - len) : 0;
}

void selector_compile(struct ready_selector *out, const struct selector *s)
{
    bool v4 = s->src.a.family == AF_V4 && s->dst.a.family == AF_V4 && s->src.len <= 32 &&
              s->dst.len <= 32;
    *out = (struct ready_selector){0};
    out->ported = s->sport_lo || s->dport_lo || s->sport_hi != 0xffff || s->dport_hi != 0xffff;
    out->fast = v4 && !out->ported;
    if (v4) {
        out->src_mask = mask4(s->src.len), out->src_net = addr_v4_host(&s->src.a) & out->src_mask;
        out->dst_mask = mask4(s->dst.len), out->dst_net = addr_v4_host(&s->dst.a) & out->dst_mask;
    }
}
