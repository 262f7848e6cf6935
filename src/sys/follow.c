/*
 * follow.c: what follows when the configuration, the kernel or a child has changed: a new plan is derived and given to
 * apply.c; when it is in force FRR, VLAN links and the line states follow, and with the first one the router is ready.
 */
#include "sys/router_int.h"
#include "sys/vlan.h"

#include <unistd.h>

bool router_possible(struct router *r, const struct conf *c, struct conf_finding *out)
{
    static const struct conf_limits most = {.links = DP_MAX_LINKS,
                                            .lines = DP_MAX_LINES,
                                            .covered = DP_MAX_POLICIES,
                                            .masks = STEER_MASKS,
                                            .tunnels = DP_MAX_TUNNELS,
                                            .manual = DP_MAX_MANUAL / 4, /* two SAs each way at most */
                                            /* what is dropped on a link is a flow, too */
                                            .flows = DP_MAX_FLOWS - DP_MAX_LINKS};
    if (!conf_fits(c, &most, out) || !router_names_fit(r, c, out)) {
        return false;
    }
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        if (r->opt->check_only) {
            continue; /* another machine may be meant, and nobody needs rights to look */
        }
        if (i->crypto_map[0] && !r->steer_tried) {
            r->steer_fault = steer_probe();
            r->steer_tried = true;
        }
        const char *why = i->crypto_map[0] ? r->steer_fault : NULL;
        *out = (struct conf_finding){.src = why ? i->crypto_map_src : i->vlan_src};
        str_copy(out->what, sizeof out->what, why ? "crypto map" : "encapsulation dot1Q");
        if (!why && i->vlan && r->kern && !kern_has_vlans(r->kern)) {
            why = "this kernel has no IEEE 802.1Q (8021q)";
        }
        if (why) {
            str_copy(out->text, sizeof out->text, why);
            return false;
        }
    }
    return true;
}

static void on_vlan_id(void *ctx, const char *link, const char *why)
{
    apply_complain_once(ctx, "VLAN of", link, why);
}

static void on_vlan(void *ctx, const char *link, const char *why)
{
    apply_complain_once(ctx, "interface", link, why);
}

static bool resolve(void *ctx, const char *name, struct addr *out)
{
    const struct router *r = ctx;
    return dns_get(r->dns, name, out);
}

/* offer: derives what has to be so now, and gives it to dp and ike. */
static enum plan_state offer(struct router *r)
{
    uv_timer_stop(&r->patience); /* what it was for is offered no more */
    struct plan next;
    struct conf_finding f;
    struct plan_world w = {.kern = r->kern,
                           .kernel_name = router_kernel_name,
                           .console_name = router_console_name,
                           .flow_id = router_flow_id,
                           .link_number = router_link_number,
                           .resolve = resolve,
                           .clients = &r->clients,
                           .natt = r->udp[2] >= 0,
                           .ctx = r};
    if (!router_possible(r, r->conf, &f)) { /* a live change: what is in force stays */
        char where[64];
        snprintf(where, sizeof where, "%.40s:%u", f.src.file ? f.src.file : "", f.src.line);
        apply_complain(r, "configuration", where, f.text);
        return PLAN_WAITS;
    }
    complaints_begin(r, "crypto map on");
    CONF_FOR(struct conf_if, i, &r->conf->ifs)
    {
        apply_complain_once(r, "crypto map on", i->name,
                            i->held_all ? "more was taken out than can be held line by line; "
                                          "everything that no line protects is dropped"
                                        : NULL);
    }
    complaints_end(r, "crypto map on");
    complaints_begin(r, "interface");
    vlan_add(r->kern, r->conf, &(struct vlan_names){router_kernel_name, on_vlan, r});
    complaints_end(r, "interface");
    dns_want(r->dns, r->conf);
    plan_init(&next);
    bool whole = plan_derive(&next, r->conf, &w);
    apply_complain_once(r, "routes", "",
                        whole ? NULL
                              : "the kernel did not tell all of them; what is in force stays");
    if (!whole) {
        plan_free(&next);
        router_touch(r);
        return PLAN_WAITS;
    }
    router_clients_settle(r, &next);
    frr_offer(r->frr, r->conf);
    return plan_offer(r, &next);
}

static void announce(struct router *r)
{
    if (r->announced || r->answered != (1u << CHILD_NUM) - 1 || r->applied < 2 || r->offered) {
        return;
    }
    r->announced = true;
    line_check(r);
    fprintf(stderr, "aditd: %s ready\n", r->conf->hostname);
    if (r->opt->ready_fd > 0) {
        (void)!write(r->opt->ready_fd, "1", 1);
        close(r->opt->ready_fd);
    }
}

/* follow: dp protects by the offered plan: the kernel and FRR follow. True: it has to be derived again. */
static bool follow(struct router *r)
{
    uv_timer_stop(&r->patience);
    if (vlan_replace(r->kern, &r->plan.links, &r->offer.links,
                     &(struct vlan_names){router_kernel_name, on_vlan_id, r})) {
        router_touch(r); /* the new links have other numbers: the plan is derived again, soon */
        return false;
    }
    plan_take(r);
    frr_take(r->frr);
    return ++r->applied == 1; /* it made the routes that path MTUs are read from */
}

/* go_on: with an offered plan, as far as it goes. */
static void go_on(struct router *r, enum plan_state state)
{
    enum { IKE_PATIENCE_MS = 3000 };
    while (state == PLAN_READY && follow(r)) {
        state = offer(r);
    }
    if (state == PLAN_NO_IKE && !uv_is_active((uv_handle_t *)&r->patience)) {
        uv_timer_start(&r->patience, router_impatient, IKE_PATIENCE_MS, 0);
    }
    announce(r);
}

void router_impatient(uv_timer_t *t)
{
    struct router *r = t->data;
    apply_complain(
        r, "configuration", "",
        "the key daemon does not answer; the data plane and the kernel follow without it");
    enum plan_state state = plan_offered(r);
    go_on(r, state == PLAN_NO_IKE ? PLAN_READY : state);
}

bool router_taken(struct router *r, enum child_id id, u32 asked, u64 in_force)
{
    enum plan_state state = plan_taken(r, id, asked, in_force);
    if (state != PLAN_UNASKED) {
        go_on(r, state);
    }
    return state != PLAN_UNASKED;
}

void router_apply(struct router *r)
{
    r->typed = false;
    go_on(r, offer(r));
}

static void on_settled(uv_timer_t *t)
{
    router_apply(t->data); /* static routes that wait for a link, path MTUs */
    line_check(t->data);
}

void router_touch(struct router *r)
{
    if (!r->ending && !uv_is_active((uv_handle_t *)&r->settle)) {
        uv_timer_start(&r->settle, on_settled, 100, 0);
    }
}

void router_child_ready(struct router *r, enum child_id id)
{
    r->answered |= 1u << id;
    announce(r);
}
