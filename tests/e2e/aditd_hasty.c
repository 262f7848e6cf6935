/*
 * aditd_hasty.c: aditd, all three of it, whose key daemon lives faster than an operator can ask for (the console's lowest
 * lifetimes are 60 s and 120 s): each generation of configuration that ike takes has other lifetimes and times of retransmission.
 *
 *   ADIT_HASTE="PHASE1_S CHILD_S RETRANSMIT_MS TRIES" aditd_hasty ...
 *
 * Linked with --wrap=ike_ctl: what src/ike_main.c gives to ike goes through here.
 */
#include "ike/ike.h"

#include <stdlib.h>

void __real_ike_ctl(struct ike *ike, const struct ike_msg *m);
void __wrap_ike_ctl(struct ike *ike, const struct ike_msg *m);

void __wrap_ike_ctl(struct ike *ike, const struct ike_msg *m)
{
    static u32 phase1_s, child_s, retransmit_ms, tries;
    const char *haste = getenv("ADIT_HASTE");
    if (!phase1_s && (!haste || sscanf(haste, "%u %u %u %u", &phase1_s, &child_s, &retransmit_ms,
                                       &tries) != 4)) {
        fprintf(stderr, "aditd_hasty: ADIT_HASTE is missing or wrong\n");
        exit(1);
    }
    struct ike_msg hasty = *m;
    if (m->type == IKE_CFG_GLOBAL) {
        hasty.u.global.retransmit_ms = retransmit_ms;
        hasty.u.global.retransmit_tries = tries;
    } else if (m->type == IKE_CFG_POLICY) {
        hasty.u.policy.life_s = phase1_s;
    } else if (m->type == IKE_CFG_FLOW) {
        hasty.u.flow.life_s = child_s;
    }
    __real_ike_ctl(ike, &hasty);
    mem_wipe(&hasty, sizeof hasty);
}
