/*
 * manual.c: SAs with manual keys (RFC 4301 4.5.1). They are part of a generation of configuration: main gives them with the
 * flows they belong to, again to each new data plane, and leaves out those whose line has gone. The key daemon may neither
 * add to them nor take them away, and is never asked about their flows (hold.c). Called by ctl.c, between two turns of the
 * graph.
 */
#include "dp/dp_int.h"

bool manual_stage(struct config *c, const struct dp_sa_value *v)
{
    /* RFC 4303 3.4.3: no replay window with manual keys; and what counts its IVs would count them anew at each start */
    bool fits = c->num_sas < ARRAY_LEN(c->sa) && v->dir <= SA_OUT && !v->replay_window && !v->esn &&
                v->encr < ENCR_NUM && v->auth < HASH_NUM &&
                encr_row((enum encr_id)v->encr)->mode < ENCR_MODE_CTR &&
                v->encr_key.len <= SECRET_MAX && v->auth_key.len <= SECRET_MAX;
    if (fits) {
        c->sa[c->num_sas++] = *v;
    }
    return fits;
}

void manual_forget(struct config *c)
{
    mem_wipe(c->sa, c->num_sas * sizeof c->sa[0]);
    c->num_sas = 0;
}

/* said: the generation has this very SA, selector and all (its keys: sa_add looks at them). */
static bool said(const struct config *c, const struct dp_sa_value *v)
{
    for (unsigned i = 0; i < c->num_sas; i++) {
        const struct dp_sa_value *m = &c->sa[i];
        if (m->spi == v->spi && m->proto == v->proto && m->dir == v->dir && m->flow == v->flow &&
            addr_equal(&m->src, &v->src) && addr_equal(&m->dst, &v->dst) &&
            memcmp(&m->sel, &v->sel, sizeof m->sel) == 0) {
            return true;
        }
    }
    return false;
}

static void drop_others(struct dp *dp, struct flow *f, const struct config *c)
{
    for (unsigned dir = 0; dir < 2; dir++) {
        struct sa *next;
        for (struct sa *sa = dir == SA_OUT ? f->out : f->in; sa; sa = next) {
            next = sa->next_flow;
            if (!said(c, &sa->val)) {
                sa_del(dp, sa);
            }
        }
    }
}

const char *manual_take(struct dp *dp, const struct config *c)
{
    const char *why = NULL;
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        if (dp->flow[i].id && is_manual(&dp->flow[i])) {
            drop_others(dp, &dp->flow[i], c);
        }
    }
    for (unsigned i = 0; i < c->num_sas; i++) {
        if (!is_manual(flow_get(dp, c->sa[i].flow))) {
            why = "an SA with manual keys has no entry of a crypto map";
        } else if (!sa_add(dp, &c->sa[i])) {
            why = "an SA with manual keys was refused: algorithms, key lengths or addresses not "
                  "supported, or "
                  "no room; its traffic is dropped";
        }
    }
    return why;
}

bool manual_holds(struct dp *dp, u32 spi, u8 proto, u8 dir, const struct addr *dst, u32 flow)
{
    const struct sa *sa = sa_lookup(dp, spi, proto, dir, dst, flow);
    return sa && is_manual(sa->h.flow);
}
