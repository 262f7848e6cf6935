/*
 * budget.c: what strangers may make us compute before their address is proved: a key pair and an agreement for each first message
 * of aggressive mode. A bucket for each source network (IPv4 /24, IPv6 /56; hashed with a seed, so nobody can choose whose
 * bucket to empty) and one for all. Main mode needs none: it computes nothing before message 3. The passwords of hybrid
 * authentication have buckets of their own: who forges first messages keeps no user out.
 */
#include "ike/ike_int.h"

enum { NETWORK_PER_S = 4, NETWORK_BURST = 16, ALL_PER_S = 64, ALL_BURST = 128 };

/* fill: what has come since, in thousandths. */
static void fill(struct bucket *b, u64 now, u32 per_s, u32 burst)
{
    u64 more = b->at_ms ? (now - b->at_ms) * per_s : (u64)burst * 1000;
    b->thousandths = (u32)MIN(b->thousandths + more, (u64)burst * 1000);
    b->at_ms = now;
}

bool budget_take(struct ike *ike, enum budget what, const struct addr *from)
{
    struct prefix net = {*from, from->family == AF_V4 ? 24 : 56};
    u64 now = env_now_ms(ike->clock);
    prefix_normalise(&net);
    struct bucket *b = &ike->budget[what][peer_key(ike, &net.a, 0) % ARRAY_LEN(ike->budget[what])],
                  *all = &ike->budget_all[what];
    fill(b, now, NETWORK_PER_S, NETWORK_BURST);
    fill(all, now, ALL_PER_S, ALL_BURST);
    if (b->thousandths < 1000 || all->thousandths < 1000) {
        return false;
    }
    b->thousandths -= 1000;
    all->thousandths -= 1000;
    return true;
}
