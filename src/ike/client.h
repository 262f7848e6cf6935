/*
 * client.h: what waits for the flow of a client (client.c).
 */
#ifndef ADIT_IKE_CLIENT_H
#define ADIT_IKE_CLIENT_H

#include "ike/ike_int.h"

/* client_park: the datagram waits for a flow made of the draft's template, which main is asked for. client_unpark: takes one that
 * waits out; the caller frees it, when it has been looked at again. client_since: if it waits once more, it does since it came first.
 * client_free: forgets all. */
struct parked {
    struct list link;
    u32 sa;
    u64 at_ms;
    struct datagram in; /* its data stands behind it */
};
void client_park(struct ike *ike, const struct ike_sa *sa, const struct datagram *in, const struct draft *d);
struct parked *client_unpark(struct ike *ike);
void client_since(struct ike *ike, const struct parked *was);
void client_free(struct ike *ike);
/* client_uses: a pair of the SA's far end goes to the address that we gave it. */
bool client_uses(const struct ike *ike, const struct ike_sa *sa);
/* client_lost: that flow has been without a pair too long. */
void client_lost(struct ike *ike, const struct flow *f);

#endif
