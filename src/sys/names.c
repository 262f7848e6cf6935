/*
 * names.c: what a link is called, in the kernel and on the console, and which numbers flows and map links have: the same name
 * has the same number for as long as the router runs.
 */
#include "sys/router_int.h"

#include <limits.h>
#include <stdlib.h>

void router_kernel_name(void *ctx, char out[16], const char *ifname)
{
    const struct router *r = ctx;
    for (unsigned i = 0; i < r->opt->num_maps; i++) {
        const char *eq = strchr(r->opt->map[i], '=');
        if (eq && strlen(ifname) == (size_t)(eq - r->opt->map[i]) &&
            strncmp(ifname, r->opt->map[i], strlen(ifname)) == 0) {
            str_copy(out, 16, eq + 1);
            return;
        }
    }
    conf_if_kernel(out, ifname);
}

/* One interface and the kernel's name of it. */
struct name {
    char link[16];
    const struct conf_if *i;
    unsigned nth;
};

static int by_link(const void *x, const void *y)
{
    const struct name *a = x, *b = y;
    int order = strcmp(a->link, b->link);
    return order ? order : a->nth < b->nth ? -1 : 1;
}

bool router_names_fit(const struct router *r, const struct conf *c, struct conf_finding *out)
{
    unsigned num = 0, worst = UINT_MAX;
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        num++;
    }
    struct name *n = xcalloc(num + 1, sizeof *n), *end = n;
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        if (i->kind != IFK_LOOPBACK && i->kind != IFK_NULL) { /* these share one, or have none */
            router_kernel_name((void *)(uintptr_t)r, end->link, i->name);
            end->nth = (unsigned)(end - n);
            end++->i = i;
        }
    }
    qsort(n, (size_t)(end - n), sizeof *n, by_link);
    for (struct name *x = n + 1; x < end; x++) {
        if (strcmp(x->link, x[-1].link) == 0 && x->nth < worst) {
            worst = x->nth;
            *out = (struct conf_finding){.src = x->i->src};
            str_copy(out->what, sizeof out->what, x->i->name);
            snprintf(out->text, sizeof out->text, "the link %s is %s's already", x->link,
                     x[-1].i->name);
        }
    }
    free(n);
    return worst == UINT_MAX;
}

void router_console_name(void *ctx, char out[CONF_IFNAME], const char *link)
{
    const struct router *r = ctx;
    char name[16];
    CONF_FOR(struct conf_if, i, &r->conf->ifs)
    {
        router_kernel_name(ctx, name, i->name);
        if (strcmp(name, link) == 0) {
            str_copy(out, CONF_IFNAME, i->name);
            return;
        }
    }
    str_copy(out, CONF_IFNAME, link);
}

u32 router_flow_id(void *ctx, const char *key)
{
    struct router *r = ctx;
    static const u8 seed[16]; /* the keys are the operator's own lines */
    u64 hash = keyed_hash(seed, key, strlen(key));
    struct flow_key *first = map_get(&r->flow_map, hash);
    for (struct flow_key *k = first; k; k = k->same) {
        if (strcmp(k->key, key) == 0) {
            return k->id;
        }
    }
    struct flow_key *n = xcalloc(1, sizeof *n);
    n->key = xstrdup(key);
    n->id = ++r->next_flow;
    n->next = r->flow_keys;
    r->flow_keys = n;
    n->same = first;
    map_put(&r->flow_map, hash, n);
    return n->id;
}

u8 router_link_number(void *ctx, const char *link)
{
    struct router *r = ctx;
    u8 free_one = 0;
    for (u8 i = 1; i <= DP_MAX_LINKS; i++) {
        if (strcmp(r->map_link[i], link) == 0) {
            return i;
        }
        if (!free_one && !r->map_link[i][0]) {
            free_one = i;
        }
    }
    if (free_one) {
        str_copy(r->map_link[free_one], NL_NAME, link);
    }
    return free_one;
}
