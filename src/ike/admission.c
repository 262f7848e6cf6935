/*
 * admission.c: crypto call admission limit (IOS 12.4): how many ISAKMP SAs may stand, and how many be negotiated at a time. Who is refused
 * hears nothing. A peer that stands renews what it has, whatever the limit. A first message proves nothing, so for it a standing peer is who
 * sends from its address; when it has proved itself, who it is. Unfinished negotiations are not refused for what others began: the oldest
 * gives way (ike.c). Walk: ike.c, initiator.c -> here; v1_phase1.c, v1_cfg.c -> admission_proved.
 */
#include "ike/admission.h"

static bool full(const struct ike *ike)
{
    return ike->conf->global.limit_sa && ike->calls.active >= ike->conf->global.limit_sa;
}

/* stands: an ISAKMP SA with that address is in force, of who (sa_who), 0: whoever. */
static bool stands(const struct ike *ike, const struct addr *remote, u64 who)
{
    const struct ike_peer *p = peer_find(ike, remote);
    for (const struct list *it = p ? p->sas.next : NULL; p && it != &p->sas; it = it->next) {
        const struct ike_sa *o = CONTAINER_OF(it, struct ike_sa, peer_link);
        if (o->counted == COUNTED_ACTIVE && (!who || sa_who(ike, o) == who)) {
            return true;
        }
    }
    return false;
}

static void sentence(char why[START_WHY], bool ours, const struct addr *from, const struct addr *to, bool nego)
{
    char a[ADDR_STR], b[ADDR_STR];
    snprintf(why, START_WHY, "%s SA request from %s to %s due to IKE %sSA LIMIT REACHED", ours ? "OUTGOING" : "INCOMING", addr_str(a, from),
             addr_str(b, to), nego ? "IN-NEGOTIATION " : "");
}

bool admission_first(struct ike *ike, const struct endpoint *from, const struct endpoint *to)
{
    char why[START_WHY];
    if (!full(ike) || stands(ike, &from->a, 0)) {
        return true;
    }
    ike->calls.in_denied++;
    ike->calls.denied_sa++;
    sentence(why, false, &from->a, &to->a, false);
    report(ike, NULL, &from->a, XCH_MAIN, WHY_ADMISSION, why);
    return false;
}

void admission_answered(struct ike *ike)
{
    ike->calls.in++;
}

bool admission_begin(struct ike *ike, const struct addr *local, const struct addr *remote, u8 exchange, char why[START_WHY])
{
    bool nego = ike->conf->global.limit_nego && ike->calls.negotiating >= ike->conf->global.limit_nego; /* else ours do not count */
    if (stands(ike, remote, 0) || !(nego || full(ike))) {
        ike->calls.out++;
        return true;
    }
    ike->calls.out_denied++;
    (*(nego ? &ike->calls.denied_nego : &ike->calls.denied_sa))++;
    sentence(why, true, local, remote, nego);
    report(ike, NULL, remote, exchange, WHY_ADMISSION, why);
    return false;
}

bool admission_proved(struct ike *ike, const struct ike_sa *sa, const struct sa_core *c, struct draft *d)
{
    char why[START_WHY];
    if (!full(ike) || stands(ike, &sa->remote.a, sa->c.initiator ? 0 : core_who(ike, c))) {
        return true;
    }
    if (!(sa->logged & 1ull << WHY_ADMISSION)) { /* it says its last message again and again */
        (*(sa->c.initiator ? &ike->calls.out_denied : &ike->calls.in_denied))++;
        ike->calls.denied_sa++;
    }
    sentence(why, sa->c.initiator, sa->c.initiator ? &sa->local.a : &sa->remote.a, sa->c.initiator ? &sa->remote.a : &sa->local.a, false);
    draft_why(d, WHY_ADMISSION, "%s", why);
    return false;
}

bool admission_crowded(const struct ike *ike)
{
    u32 limit = ike->conf->global.limit_nego;
    return limit ? ike->num_guests > 1 && ike->num_guests + ike->calls.negotiating > limit : ike->num_guests > GUESTS_MAX;
}

void admission_clear(struct ike *ike)
{
    ike->calls = (struct ike_calls_info){.active = ike->calls.active, .negotiating = ike->calls.negotiating};
}

struct ike_calls_info admission_calls(const struct ike *ike)
{
    struct ike_calls_info c = ike->calls;
    c.negotiating += ike->num_guests + ike->num_half_open;
    return c;
}
