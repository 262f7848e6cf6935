/*
 * vlan.h: the kernel's links of subinterfaces.
 */
#ifndef ADIT_SYS_VLAN_H
#define ADIT_SYS_VLAN_H

#include "conf/conf.h"
#include "sys/netlink.h"

struct vlan_names {
    void (*kernel_name)(void *ctx, char out[NL_NAME], const char *ifname);
    void (*complain)(void *ctx, const char *link, const char *why);
    void *ctx;
};
/* vlan_links: each subinterface of c has its link, with the VLAN id it says; complain hears of those that cannot be made. */
void vlan_links(struct kern *kern, const struct conf *c, const struct vlan_names *names);

#endif
