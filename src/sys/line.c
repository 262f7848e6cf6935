/*
 * line.c: saying so when an interface comes up or goes down: %LINK-3-UPDOWN, %LINEPROTO-5-UPDOWN, %TUN-5-RECURDOWN. Looked
 * at when the kernel's links or routes change and when a crypto session comes or goes; what up means: cli/if_line.c.
 */
#include "sys/router_int.h"

#include <stdlib.h>

struct line {
    struct line *next;
    char name[CONF_IFNAME];
    bool up, recursive, seen;
};

static struct line *line_of(struct router *r, const char *name)
{
    for (struct line *l = r->lines; l; l = l->next) {
        if (strcmp(l->name, name) == 0) {
            return l;
        }
    }
    struct line *n = xcalloc(1, sizeof *n);
    str_copy(n->name, sizeof n->name, name);
    n->next = r->lines;
    r->lines = n;
    return n;
}

/* look_at: every interface, with what dp says about its SAs. */
static void look_at(struct router *r, const struct answer *sas)
{
    const struct cli_snapshot snap = {.flows = r->plan.flows.items,
                                      .num_flows = r->plan.flows.num,
                                      .dp_sas = sas->items,
                                      .num_dp_sas = sas->num};
    CONF_FOR (struct conf_if, i, &r->conf->ifs) {
        struct line *l = line_of(r, i->name);
        const struct cli_if_line now = cli_if_line(&r->host, i, &snap);
        bool first = !l->seen;
        if (now.recursive && !l->recursive) {
            ev_tun_recurdown(&r->log, 0, NULL,
                             &(struct evb_tun_recurdown){.ifname = ev_str(i->name)});
        }
        if (now.up != l->up || (first && now.up)) {
            struct ev_str state = ev_str(now.up ? "up" : "down"), name = ev_str(i->name);
            if (i->kind != IFK_TUNNEL && i->kind != IFK_LOOPBACK) {
                ev_link_updown(&r->log, 0, NULL,
                               &(struct evb_link_updown){.ifname = name, .state = state});
            }
            ev_lineproto(&r->log, 0, NULL,
                         &(struct evb_lineproto){.ifname = name, .state = state});
        }
        l->up = now.up;
        l->recursive = now.recursive;
        l->seen = true;
    }
}

static void on_sas(void *ctx, struct answer *a)
{
    struct router *r = ctx;
    bool again = r->lines_asked == LINES_AGAIN;
    r->lines_asked = LINES_KNOWN;
    look_at(r, a); /* without an answer there is no dp, so no SA */
    if (again) {
        line_check(r);
    }
}

bool line_needs_sa(const struct router *r)
{
    CONF_FOR(struct conf_if, i, &r->conf->ifs)
    {
        if (cli_if_needs_sa(i)) {
            return true;
        }
    }
    return false;
}

void line_check(struct router *r)
{
    if (!line_needs_sa(r)) {
        look_at(r, &(struct answer){.whole = true});
    } else if (r->lines_asked == LINES_KNOWN) {
        r->lines_asked = LINES_ASKED;
        ask(r, CHILD_DP, DP_GET_SAS, on_sas, r);
    } else {
        r->lines_asked = LINES_AGAIN; /* the answer under way may be older than the change */
    }
}

void line_free(struct router *r)
{
    while (r->lines) {
        struct line *l = r->lines;
        r->lines = l->next;
        free(l);
    }
}
