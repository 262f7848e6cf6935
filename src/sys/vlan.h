/*
 * vlan.h: the kernel's links of subinterfaces.
 */
#ifndef ADIT_SYS_VLAN_H
#define ADIT_SYS_VLAN_H

#include "conf/conf.h"
#include "sys/netlink.h"

struct vlan_names {
    void (*kernel_name)(void *ctx, char out[NL_NAME], const char *ifname);
    /* what came of making a link; why NULL: it was made */
    void (*result)(void *ctx, const char *link, const char *why);
    void *ctx;
};
/* vlan_add: subinterfaces of c that have no link get one. vlan_replace: links with another VLAN id than c says are made
 * again; true: a link has gone, and what stood on it. */
void vlan_add(struct kern *kern, const struct conf *c, const struct vlan_names *names);
bool vlan_replace(struct kern *kern, const struct conf *c, const struct vlan_names *names);

#endif
