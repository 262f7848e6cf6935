/*
 * vlan.c: the links of subinterfaces (`encapsulation dot1Q`, IEEE 802.1Q). They are made down: what has to stand on them, a
 * classifier above all, comes before they go up. A VLAN id cannot be changed in place, so a link with another one than the
 * plan says is taken away and made again, once dp and ike have taken that plan (one that is refused changes no link) and
 * before anything else of it reaches the kernel: the old VLAN must not carry what the new one shall. The plan is derived anew
 * then, for a new link has another index. A link that is no VLAN is somebody else's and is left alone.
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

/* id_in: the VLAN that the plan in force has for that link; 0: none. */
static u16 id_in(const struct plan_list *links, const char *name)
{
    for (size_t i = 0; i < links->num; i++) {
        const struct plan_link *p = plan_item(links, i);
        if (strcmp(p->name, name) == 0) {
            return p->vlan;
        }
    }
    return 0;
}

bool vlan_replace(struct kern *kern, const struct plan_list *were, struct plan_list *links,
                  const struct vlan_names *names)
{
    bool any = false;
    for (size_t i = 0; i < links->num; i++) {
        struct plan_link *p = (struct plan_link *)links->items + i;
        struct kern_link l;
        bool ours = p->vlan || id_in(were, p->name); /* `no encapsulation dot1Q`: it goes */
        if (!ours || !kern_link_get(kern, p->name, &l) || !l.vlan || l.vlan == p->vlan) {
            continue;
        }
        const char *why = kern_link_delete(kern, p->name);
        if (why) {
            p->up = false;
            (void)kern_link_set(kern, p->name, false, 0);
        } else {
            any = true;
            why = p->vlan ? kern_vlan_add(kern, p->parent, p->name, p->vlan) : NULL;
        }
        names->result(names->ctx, p->name, why);
    }
    return any;
}
