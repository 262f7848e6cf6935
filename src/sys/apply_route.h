/*
 * apply_route.h: blackholes and routes of a plan.
 */
#ifndef ADIT_SYS_APPLY_ROUTE_H
#define ADIT_SYS_APPLY_ROUTE_H

#include "sys/plan.h"

/* routes_apply: the kernel's routes of ours become next's, blackholes before the routes they stand behind. False: a blackhole
 * was refused, why says which; routes to its network are not added. */
bool routes_apply(struct kern *kern, const struct plan *next, char why[160]);

#endif
