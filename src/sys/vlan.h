/*
 * vlan.h: the kernel's links of subinterfaces.
 */
#ifndef ADIT_SYS_VLAN_H
#define ADIT_SYS_VLAN_H

#include "sys/plan.h"

struct vlan_names {
    void (*kernel_name)(void *ctx, char out[NL_NAME], const char *ifname);
    /* what came of making a link; why NULL: it was made */
    void (*result)(void *ctx, const char *link, const char *why);
    void *ctx;
};
/* vlan_add: subinterfaces of c that have no link get one. vlan_replace: of the links of a plan those with another VLAN id
 * than it says are made again, down, and those that have none any more (were: the links of the plan in force) go; true: a
 * link has gone, and what stood on it. One that cannot be taken away is put down, and stays so by this plan. */
void vlan_add(struct kern *kern, const struct conf *c, const struct vlan_names *names);
bool vlan_replace(struct kern *kern, const struct plan_list *were, struct plan_list *links,
                  const struct vlan_names *names);

#endif
