/*
 * plan_manual.c: entries of crypto maps with keys by hand (RFC 4301 4.5.1): their flows and SAs as values for dp, which gets
 * them with each generation, so a new dp has them too. ike never hears of them.
 */
#include "sys/plan_int.h"

static void key_of(struct secret *out, const char *hex, size_t want)
{
    u8 bytes[SECRET_MAX];
    int have = hex_parse(bytes, sizeof bytes, hex);
    secret_set(out, bytes,
               have < 0 ? 0 : MIN((size_t)have, want)); /* of a longer one the beginning */
    mem_wipe(bytes, sizeof bytes);
}

/* What the SAs of one entry have in common. */
struct pair {
    const struct conf_map_entry *e;
    const struct conf_transform_set *s;
    const struct dp_flow_value *flow;
    const struct selector *sel;
    bool between_peers;
};

static void sa(struct planner *k, const struct pair *x, enum conf_way way, bool ah)
{
    const struct conf_session_key *key = ah ? &x->e->ah[way] : &x->e->esp[way];
    const struct dp_flow_value f = *x->flow; /* planner_dp moves what it has given before */
    struct dp_sa_value *v = &planner_dp(k, DP_CFG_SA)->u.sa;
    enum hash_id auth = ah ? x->s->ah : x->s->auth;
    v->flow = f.flow;
    v->spi = key->spi;
    v->conn_id = ++k->num_manual;
    v->dir = way == CONF_OUT ? SA_OUT : SA_IN;
    v->proto = ah ? 51 : 50;
    v->mode = x->s->transport && x->between_peers ? MODE_TRANSPORT : MODE_TUNNEL;
    v->encr = (u8)(ah ? ENCR_NONE : x->s->encr);
    v->auth = (u8)auth;
    if (x->s->comp && !(ah && x->s->encr)) { /* of the innermost; nobody has negotiated a CPI (RFC 3173 3.3) */
        v->comp = (u8)x->s->comp;
        v->cpi = comp_row(x->s->comp)->id;
    }
    v->src = way == CONF_OUT ? f.local : f.peer;
    v->dst = way == CONF_OUT ? f.peer : f.local;
    v->sel = way == CONF_OUT ? *x->sel : selector_mirror(x->sel);
    if (!ah && x->s->ah) { /* RFC 4301 appendix E: ESP, and AH around it */
        v->with_spi = x->e->ah[way].spi;
        v->with_proto = 51;
    } else if (ah && x->s->encr) {
        v->inside = 50;
        v->mode = MODE_TRANSPORT;
    }
    key_of(&v->encr_key, key->cipher, ah ? 0 : encr_row(x->s->encr)->key_len);
    key_of(&v->auth_key, key->auth, hash_row(auth)->len);
}

/* taken: an SA of that direction, SPI and address is in the plan already: the map stands on two links with one local address. */
static bool taken(const struct planner *k, const struct pair *x)
{
    const struct dp_msg *m = k->p->dp.items;
    for (size_t i = 0; i < k->p->dp.num; i++) {
        const struct dp_sa_value *v = &m[i].u.sa;
        enum conf_way way = v->dir == SA_OUT ? CONF_OUT : CONF_IN;
        bool same = m[i].type == DP_CFG_SA &&
                    v->spi == (v->proto == 51 ? x->e->ah[way].spi : x->e->esp[way].spi) &&
                    addr_equal(&v->dst, way == CONF_OUT ? &x->flow->peer : &x->flow->local);
        if (same) {
            return true;
        }
    }
    return false;
}

void planner_manual(struct planner *k, const struct conf_map_entry *e, const struct selector *sel,
                    const struct dp_flow_value *flow)
{
    char why[CONF_WHY];
    const struct dp_flow_value f = *flow;
    const struct planner_peers peer = {.a = {f.peer}, .num = 1};
    const struct pair x = {e, e->sa.num_sets ? conf_set_find(k->c, e->sa.sets[0]) : NULL, &f, sel,
                           planner_between_peers(&peer, &f.local, sel)};
    if (!x.s || !f.local.family || f.local.family != f.peer.family ||
        conf_manual_fault(k->c, e, why) || taken(k, &x)) {
        return; /* a flow without SAs: what it covers is dropped, and audit.c has said why */
    }
    planner_ports_of_sas(k, x.s->ah != HASH_NONE, f.peer.family);
    for (enum conf_way way = CONF_IN; way <= CONF_OUT; way++) {
        if (x.s->encr) {
            sa(k, &x, way, false);
        }
        if (x.s->ah) {
            sa(k, &x, way, true);
        }
    }
}
