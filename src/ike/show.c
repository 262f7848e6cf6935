/*
 * show.c: snapshots for the console, and the clear commands. Reads; what it clears it hands to
 * sa_delete and child_delete.
 */
#include "ike/ike_int.h"

static void answer(struct ike *ike, const struct ike_msg *m)
{
    ike->env.to_main(ike->env.ctx, m);
}

static u32 seconds_left(u64 end_ms, u64 now)
{
    return end_ms > now ? (u32)((end_ms - now) / 1000) : 0;
}

static void show_sa(struct ike *ike, const struct ike_sa *sa, u32 tag)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_SA;
    m.tag = tag;
    struct ike_sa_info *i = &m.u.sa;
    i->conn_id = sa->c.conn_id;
    i->state = (u8)sa_show_state(sa);
    i->initiator = sa->c.initiator;
    i->deleted = sa->deleted;
    i->authenticated = sa_authed(sa);
    i->local = sa->local;
    i->remote = sa->remote;
    memcpy(i->cookie_i, sa->c.cookie_i, 8);
    memcpy(i->cookie_r, sa->c.cookie_r, 8);
    i->encr = sa->c.encr;
    i->hash = sa->c.hash;
    i->auth = sa->c.auth;
    i->group = sa->c.group;
    i->life_s = sa->c.life_s;
    i->left_s = seconds_left(sa->expire_ms, env_now_ms(ike->clock));
    str_copy(i->id, sizeof i->id, sa_authed(sa) ? sa->c.peer_name : "");
    i->dpd = ike->conf->global.keepalive_s && live_speaks(sa);
    i->nat = sa->c.nat;
    str_copy(i->profile, sizeof i->profile, sa->c.profile);
    i->policy = sa->c.policy;
    i->num_children = sa->deleted ? 0 : sa->peer->num_children;
    str_copy(i->fail, sizeof i->fail, sa->fail);
    if (ike->keylog) {
        i->key_e = sa->c.key;
        i->iv = sa->main.c.iv;
    }
    answer(ike, &m);
    mem_wipe(&m, sizeof m);
}

static void show_child(struct ike *ike, const struct child *c, u32 tag)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_CHILD;
    m.tag = tag;
    m.u.child = (struct ike_child_info){
        .flow = c->flow,
        .ah = c->ah,
        .comp = c->comp,
        .spi_in = c->spi_in,
        .spi_out = c->spi_out,
        .conn_in = c->conn_in,
        .conn_out = c->conn_in + 1,
        .isakmp_conn = c->isakmp_conn,
        .encr = c->encr,
        .auth = c->auth,
        .mode = c->mode,
        .sel = c->sel,
        .local = c->local,
        .remote = c->remote,
        .left_s = seconds_left(c->hard_ms, env_now_ms(ike->clock)),
        .initiator = c->initiator,
        .closing = c->closing,
    };
    answer(ike, &m);
}

static void show_flow(struct ike *ike, const struct flow *f, u32 tag)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_FLOW;
    m.tag = tag;
    m.u.flow_info = (struct ike_flow_info){.flow = f->v.flow,
                                           .num_children = f->num_children,
                                           .negotiating = flow_negotiating(f),
                                           .attempts = f->attempts,
                                           .failures = f->failures};
    str_copy(m.u.flow_info.last_error, sizeof m.u.flow_info.last_error, f->last_error);
    answer(ike, &m);
}

static void show_counts(struct ike *ike, u32 tag)
{
    for (u32 i = 0; i < EV_NUM; i++) {
        if (ike->log->count[i]) {
            struct ike_msg m;
            memset(&m, 0, sizeof m);
            m.type = IKE_COUNT;
            m.tag = tag;
            m.u.count_info = (struct dp_count_info){.id = i, .count = ike->log->count[i]};
            answer(ike, &m);
        }
    }
}

void show_answer(struct ike *ike, const struct ike_msg *q)
{
    struct ike_msg end;
    memset(&end, 0, sizeof end);
    end.type = IKE_END;
    end.tag = q->tag;
    if (q->type == IKE_GET_SAS) {
        LIST_FOR (it, &ike->sas) {
            show_sa(ike, CONTAINER_OF(it, struct ike_sa, link), q->tag);
        }
    } else if (q->type == IKE_GET_CHILDREN) {
        LIST_FOR (it, &ike->children) {
            show_child(ike, CONTAINER_OF(it, struct child, link), q->tag);
        }
    } else if (q->type == IKE_GET_FLOWS) {
        LIST_FOR (it, &ike->flows) {
            show_flow(ike, CONTAINER_OF(it, struct flow, link), q->tag);
        }
    } else if (q->type == IKE_GET_COUNTS) {
        show_counts(ike, q->tag);
    }
    answer(ike, &end);
}

/* ---- clear ---- */

static void clear_children(struct ike *ike, const struct ike_clear_value *c)
{
    LIST_FOR (it, &ike->children) {
        struct child *k = CONTAINER_OF(it, struct child, link);
        if ((!c->flow || k->flow == c->flow) &&
            (c->peer.family == AF_NONE || addr_equal(&c->peer, &k->remote.a))) {
            child_delete(ike, k, true);
        }
    }
}

static void clear_sas(struct ike *ike, const struct ike_clear_value *c)
{
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (!sa->deleted && (!c->conn_id || sa->c.conn_id == c->conn_id) &&
            (c->peer.family == AF_NONE || addr_equal(&c->peer, &sa->remote.a))) {
            sa_delete(ike, sa, "IKE deletion by operator", true);
        }
    }
}

void clear_msg(struct ike *ike, const struct ike_msg *m)
{
    if (m->type != IKE_CLEAR_SA) { /* children first: their Delete needs the ISAKMP SA */
        clear_children(ike, &m->u.clear);
    }
    if (m->type != IKE_CLEAR_CHILD) {
        clear_sas(ike, &m->u.clear);
    }
}
