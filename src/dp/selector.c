/*
 * selector.c: a selector (RFC 4301 4.4.1.1) made ready to be compared with packets, for lines (policy.c) and SAs (sa.c).
 */
#include "dp/dp_int.h"

static u32 mask4(u8 len)
{
    return len ? 0xffffffffu << (32 - len) : 0;
}

void policy_compile(struct policy *p)
{
    const struct selector *s = &p->val.sel;
    bool v4 = s->src.a.family == AF_V4 && s->dst.a.family == AF_V4 && s->src.len <= 32 &&
              s->dst.len <= 32;
    p->ported = s->sport_lo || s->dport_lo || s->sport_hi != 0xffff || s->dport_hi != 0xffff;
    p->fast = v4 && !p->ported;
    if (v4) {
        p->src_mask = mask4(s->src.len), p->src_net = addr_v4_host(&s->src.a) & p->src_mask;
        p->dst_mask = mask4(s->dst.len), p->dst_net = addr_v4_host(&s->dst.a) & p->dst_mask;
    }
}
