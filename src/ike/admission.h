/*
 * admission.h: how many ISAKMP SAs there may be (admission.c). For whoever begins, answers or ends one.
 */
#ifndef ADIT_IKE_ADMISSION_H
#define ADIT_IKE_ADMISSION_H

#include "ike/ike_int.h"

/* admission_first: a first message may be answered; admission_answered: it was. admission_begin: we may begin with that peer. False: it is
 * reported, why in why. */
bool admission_first(struct ike *ike, const struct endpoint *from, const struct endpoint *to);
void admission_answered(struct ike *ike);
bool admission_begin(struct ike *ike, const struct addr *local, const struct addr *remote, u8 exchange, char why[START_WHY]);
/* admission_proved: an SA whose far end is c now may become one that stands; false: why is in the draft. */
bool admission_proved(struct ike *ike, const struct ike_sa *sa, const struct sa_core *c, struct draft *d);
/* admission_crowded: more are negotiated than may be: one that is unfinished has to go (and is counted). */
bool admission_crowded(const struct ike *ike);
void admission_clear(struct ike *ike); /* what has been counted, not what is there */
struct ike_calls_info admission_calls(const struct ike *ike);

#endif
