/*
 * unproved.h: hybrid authentication (draft-ietf-ipsec-isakmp-hybrid-auth-05): we who answer have signed, the machine that began has
 * proved nothing and called itself what it liked. Until its user has proved himself such a far end counts as a stranger, and
 * afterwards it is that user and never the peer that a flow names. For whoever asks what an ISAKMP SA may be used for.
 */
#ifndef ADIT_IKE_UNPROVED_H
#define ADIT_IKE_UNPROVED_H

#include "ike/ike_int.h"

static inline bool core_unproved(const struct sa_core *c)
{
    return c->auth == IKE_AUTH_HYBRID_RSA && !c->initiator;
}

/* sa_stranger: nobody has proved anything yet: phase 1 goes on, or it was hybrid and the user is still to come. */
static inline bool sa_stranger(const struct ike_sa *sa)
{
    return sa_half_open(sa) || (core_unproved(&sa->c) && !sa_ready(sa) && !sa->deleted);
}

#endif
