/*
 * restart.c: taking over after a crash. The data plane kept its SAs; we ask for them, negotiate
 * every flow that has some, and only when the new pair is up remove the old one and tell the peer.
 * Packets never stop flowing.
 *
 * While the answer is waited for nobody is greeted as new (inherit_may_be). It is waited for as long as
 * there is somebody who may give it, RESTART_MS at the most: a data plane that cannot be asked holds
 * nothing for us until it can be. An answer that comes later is taken all the same.
 */
#include "ike/ike_int.h"

void restart_ask(struct ike *ike)
{
    struct dp_msg m;
    memset(&m, 0, sizeof m);
    m.type = DP_GET_SAS;
    m.tag = env_random_u32(ike->clock) | 1; /* 0: no question */
    ike->asked_dp = true;
    ike->dp_deaf = !dp_send(ike, &m);
    ike->restart_tag = ike->dp_deaf ? 0 : m.tag;
    timer_set(ike, &ike->restart_timer, ike->dp_deaf ? 0 : env_now_ms(ike->clock) + RESTART_MS);
}

/* forget_one: the data plane has it no more. tell: say so to the peer. */
static void forget_one(struct ike *ike, struct old_sa *o, bool tell)
{
    const struct dp_sa_value *v = &o->sa;
    bool in = v->dir == SA_IN;
    if (tell && in) {
        struct todo *t = todo_push(ike, TODO_DELETE_SPI);
        t->spi = v->spi;
        t->type = v->proto == IPPROTO_AH_ ? PROTO_AH : PROTO_ESP;
        t->local = v->dst;
        t->remote = v->src;
    }
    if (in) {
        spi_bury(ike, v->spi, &v->src);
    }
    inherit_free(ike, o);
}

static void remove_one(struct ike *ike, struct old_sa *o, bool tell)
{
    const struct dp_sa_value *v = &o->sa;
    struct dp_msg m;
    memset(&m, 0, sizeof m);
    m.type = DP_DEL_SA;
    m.u.del = (struct dp_del_value){.spi = v->spi, .flow = v->flow, .proto = v->proto, .dir = v->dir, .dst = v->dst};
    forget_one(ike, o, tell);
    dp_send(ike, &m);
}

/* could_be: the data plane reads strangers' packets: its values are looked at like theirs. */
static bool could_be(const struct dp_sa_value *sa)
{
    return (sa->proto == IPPROTO_ESP_ || sa->proto == IPPROTO_AH_) && sa->dir <= SA_OUT && addr_valid(&sa->src) &&
           addr_valid(&sa->dst) && selector_valid(&sa->sel);
}

/* known: a pair of ours, or told before. */
static bool known(const struct ike *ike, const struct dp_sa_value *sa)
{
    bool in = sa->dir == SA_IN;
    return child_by_spi(ike, sa->spi, in, in ? NULL : &sa->dst, in ? 0 : sa->encap_dst.port) ||
           inherit_find(ike, sa->spi, sa->dir, &sa->dst);
}

/* restart_sa: one that the data plane holds. It may tell for as long as it likes: each counts
 * once, and no more than it has room for. */
void restart_sa(struct ike *ike, u32 tag, const struct dp_sa_value *sa)
{
    if (!ike->restart_tag || tag != ike->restart_tag || !could_be(sa) || known(ike, sa) ||
        ike->num_old >= DP_MAX_SAS) {
        return;
    }
    inherit_add(ike, sa);
    /* the console's numbers go on where the dead process stopped */
    ike->next_child_conn = MAX(ike->next_child_conn, (sa->conn_id | 1) + 2);
}

/* take_over: every flow that has some of the SAs that were told is negotiated; those without a flow go. */
static void take_over(struct ike *ike)
{
    u64 sas = 0, flows = 0;
    LIST_FOR (it, &ike->old_sas) {
        struct old_sa *o = CONTAINER_OF(it, struct old_sa, link);
        sas++;
        if (!flow_find(ike, o->sa.flow)) {
            remove_one(ike, o, false);
        }
    }
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (!list_empty(&f->old_sas)) {
            flows++;
            todo_want(ike, f->v.flow, true);
        }
    }
    ev_ike_restart(ike->log, 0, NULL, &(struct evb_ike_restart){.sas = sas, .flows = flows});
}

/* answered: nobody is asked any more. */
static void answered(struct ike *ike)
{
    ike->restart_tag = 0;
    ike->dp_deaf = false;
    timer_set(ike, &ike->restart_timer, 0);
}

void restart_end(struct ike *ike, u32 tag)
{
    if (ike->restart_tag && tag == ike->restart_tag) {
        answered(ike);
        take_over(ike);
    }
}

void restart_late(struct ike *ike)
{
    ev_ike_dp_mute(ike->log, 0, NULL, &(struct evb_ike_dp_mute){.sas = ike->num_old});
    if (ike->num_old) {
        take_over(ike);
    }
}

/* restart_flow_up: the new pair of a flow is up; the old ones go after a grace for what is under
 * way. */
void restart_flow_up(struct ike *ike, struct flow *f)
{
    LIST_FOR (it, &f->old_sas) {
        struct old_sa *o = CONTAINER_OF(it, struct old_sa, flow_link);
        if (!o->timer.pos) {
            timer_set(ike, &o->timer, env_now_ms(ike->clock) + OLD_PAIR_GRACE_MS);
        }
    }
}

/* restart_expire: the data plane ended one of them itself. */
void restart_expire(struct ike *ike, const struct dp_expire_value *e)
{
    struct old_sa *o = inherit_find(ike, e->spi, e->dir, &e->dst);
    if (o && e->hard) {
        remove_one(ike, o, false);
    }
}

void restart_due(struct ike *ike, struct old_sa *o)
{
    remove_one(ike, o, true);
}

void restart_tell_dp(struct ike *ike)
{
    struct dp_msg m;
    memset(&m, 0, sizeof m);
    m.type = DP_SET_SILENCE;
    m.u.number = live_silence_s(ike);
    dp_send(ike, &m);
    m.type = DP_SET_HEARD;
    m.u.number = live_heard_s(ike);
    dp_send(ike, &m);
}

/* restart_dp: the first data plane is where we begin, and may be the one that could not be asked; a later one has none of our SAs, for the one
 * that had them died. Every flow that had some is negotiated again at once (nothing else would: a
 * peer that sends only, sends into the dark), and then the peers hear which SPIs are gone. */
void restart_dp(struct ike *ike)
{
    u64 sas = 0, flows = 0;
    bool first = !ike->have_dp;
    ike->have_dp = true;
    restart_tell_dp(ike);
    if (first) {
        if (ike->dp_deaf) {
            restart_ask(ike);
        }
        return;
    }
    answered(ike); /* what we asked the dead one, nobody answers */
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (f->num_children || !list_empty(&f->old_sas)) {
            flows++;
            todo_want(ike, f->v.flow, true);
        }
    }
    LIST_FOR (it, &ike->old_sas) {
        sas++;
        forget_one(ike, CONTAINER_OF(it, struct old_sa, link), true);
    }
    LIST_FOR (it, &ike->children) {
        struct child *c = CONTAINER_OF(it, struct child, link);
        sas += c->in_up + c->out_up;
        if (c->in_up) {
            child_bury(ike, c);
        }
        child_lost_dp(c); /* nothing to take out of the new one */
        child_delete(ike, c, true);
    }
    ev_ike_dp_lost(ike->log, 0, NULL, &(struct evb_ike_dp_lost){.sas = sas, .flows = flows});
}
