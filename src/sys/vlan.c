/*
 * vlan.c: the links of subinterfaces (`encapsulation dot1Q`, IEEE 802.1Q). They are made down: what has to stand on them, a
 * classifier above all, comes before they go up. A VLAN id cannot be changed in place, so a link with another one than the
 * configuration says is taken away and made again; addresses and routes follow as for any new link. A link that is no VLAN
 * is somebody else's and is left alone.
 */
#include "sys/vlan.h"

static void parent_of(const struct conf_if *i, char out[CONF_IFNAME])
{
    str_copy(out, CONF_IFNAME, i->name);
    out[strcspn(out, ".")] = 0;
}

void vlan_links(struct kern *kern, const struct conf *c, const struct vlan_names *names)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        char name[NL_NAME], parent[NL_NAME], iface[CONF_IFNAME];
        struct kern_link l;
        const char *why = NULL;
        names->kernel_name(names->ctx, name, i->name);
        bool there = i->vlan && kern_link_get(kern, name, &l);
        if (!i->vlan || (there && (!l.vlan || l.vlan == i->vlan))) {
            continue;
        }
        if (there) {
            why = kern_link_delete(kern, name);
        }
        if (!why) {
            parent_of(i, iface);
            names->kernel_name(names->ctx, parent, iface);
            why = kern_vlan_add(kern, parent, name, i->vlan);
        }
        if (why) {
            names->complain(names->ctx, name, why);
        }
    }
}
