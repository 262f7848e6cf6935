/*
 * vlan.c: the links of subinterfaces (`encapsulation dot1Q`, IEEE 802.1Q). They are made down: what has to stand on them, a
 * classifier above all, comes before they go up. A VLAN id cannot be changed in place, so a link with another one than the
 * configuration says is taken away and made again, once dp and ike have taken that configuration: one that is refused changes
 * no link. Addresses and routes follow as for any new link. A link that is no VLAN is somebody else's and is left alone.
 */
#include "sys/vlan.h"

static void parent_of(const struct conf_if *i, char out[CONF_IFNAME])
{
    str_copy(out, CONF_IFNAME, i->name);
    out[strcspn(out, ".")] = 0;
}

/* link_there: the kernel's link of a subinterface, whose name is out_name. */
static bool link_there(struct kern *kern, const struct conf_if *i, const struct vlan_names *names,
                       char out_name[NL_NAME], struct kern_link *out)
{
    names->kernel_name(names->ctx, out_name, i->name);
    return kern_link_get(kern, out_name, out);
}

static const char *make(struct kern *kern, const struct conf_if *i, const struct vlan_names *names,
                        const char *name)
{
    char parent[NL_NAME], iface[CONF_IFNAME];
    parent_of(i, iface);
    names->kernel_name(names->ctx, parent, iface);
    return kern_vlan_add(kern, parent, name, i->vlan);
}

void vlan_add(struct kern *kern, const struct conf *c, const struct vlan_names *names)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        char name[NL_NAME];
        struct kern_link l;
        if (i->vlan && !link_there(kern, i, names, name, &l)) {
            names->result(names->ctx, name, make(kern, i, names, name));
        }
    }
}

bool vlan_replace(struct kern *kern, const struct conf *c, const struct vlan_names *names)
{
    bool any = false;
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        char name[NL_NAME];
        struct kern_link l;
        if (i->vlan && link_there(kern, i, names, name, &l) && l.vlan && l.vlan != i->vlan) {
            const char *why = kern_link_delete(kern, name);
            any = any || !why;
            names->result(names->ctx, name, why ? why : make(kern, i, names, name));
        }
    }
    return any;
}
