/* world.c: see world.h. */
#include "world.h"

#include <stdlib.h>

/* ---- clock, randomness ---- */

static u64 clock_now(void *ctx)
{
    return ((struct world *)ctx)->now;
}

u64 world_random(struct world *w)
{
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return w->rng;
}

static u64 clock_wall(void *ctx)
{
    const struct world *w = ctx;
    return w->wall_s + w->now / 1000;
}

static void fake_random(void *ctx, u8 *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (u8)(world_random(ctx) >> 24);
    }
}

/* ---- what a daemon says and does ---- */

static void on_event(void *ctx, const struct ev_rec *rec)
{
    struct side *s = ctx;
    const struct ev_info *i = ev_info(rec->id);
    /* a session coming or going is news, not a complaint */
    bool complaint = (i->cat & EVC_LOG) && rec->id != EV_SESSION_STATUS;
    struct strbuf *b = complaint ? &s->syslog : i->cat & EVC_LOG ? &s->news : &s->debug;
    struct strbuf one = {0};
    ev_render_text(&one, rec);
    if (rec->id == EV_IKE_SKEYID) {
        struct evb_ike_skeyid e;
        memcpy(&e, rec->body, sizeof e);
        s->skeyid_events++;
        s->skeyid_len = e.skeyid_e.len;
    }
    if (one.len) {
        assert_null(strstr(one.s, "{")); /* a field misspelt in events.def */
        sb_addn(b, one.s, one.len);
        sb_add(b, "\n");
    }
    sb_free(&one);
}

static struct fate default_net(struct world *w, int from, unsigned number, const u8 *data,
                               size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return (struct fate){1, {10}};
}

static void enqueue(struct world *w, int to, const struct endpoint *from,
                    const struct endpoint *dst, const u8 *data, size_t len, u64 delay)
{
    assert_true(w->num_q < WORLD_MAX_QUEUE);
    struct packet *p = &w->q[w->num_q++];
    *p = (struct packet){.at = w->now + delay,
                         .to = to,
                         .len = len,
                         .data = xcalloc(1, len ? len : 1),
                         .from = *from,
                         .dst = *dst};
    memcpy(p->data, data, len);
}

static bool behind(const struct world *w, int side)
{
    return w->nat.family && (side == A || (side == C && w->c_behind));
}

static void on_send(void *ctx, const struct endpoint *from, const struct endpoint *to,
                    const u8 *data, size_t len)
{
    struct side *s = ctx;
    struct world *w = s->w;
    int other = -1;
    struct endpoint seen = *from; /* as the receiver sees the sender */
    struct endpoint dst = *to;
    for (int i = 0; i < w->num; i++) {
        bool natted = behind(w, i);
        if (natted && w->c_behind && to->port != 500 + w->nat_ports[i] && to->port != 4500 + w->nat_ports[i]) {
            continue; /* that is the other one's mapping */
        }
        if (i != s->index && addr_equal(&to->a, natted ? &w->nat : &w->s[i].addr)) {
            other = i;
            dst.a = w->s[i].addr;
            dst.port = (u16)(to->port - (natted ? w->nat_ports[i] : 0));
        } else if (i != s->index && w->s[i].alias.family && addr_equal(&to->a, &w->s[i].alias)) {
            other = i;
        }
    }
    if (behind(w, s->index)) {
        seen.a = w->nat;
        seen.port = (u16)(seen.port + w->nat_ports[s->index]);
    } else if (!seen.a.family) {
        seen.a = s->addr; /* the kernel chose */
    }
    w->bytes[s->index] += len;
    if (w->num_log < 64) {
        w->log_data[w->num_log] = xcalloc(1, len);
        memcpy(w->log_data[w->num_log], data, len);
        w->log_len[w->num_log] = len;
        w->log_from[w->num_log++] = s->index;
    }
    unsigned number = w->sent[s->index]++;
    if (other < 0) {
        return; /* nobody lives there */
    }
    struct fate f = w->net(w, s->index, number, data, len);
    for (unsigned i = 0; i < f.copies; i++) {
        enqueue(w, other, &seen, &dst, data, len, f.delay[i]);
    }
}

static bool on_dp(void *ctx, const struct dp_msg *m)
{
    struct side *s = ctx;
    if (s->dp_gone) {
        return false;
    }
    if (m->type == DP_ADD_SA && s->refuse_sas) {
        s->refused = *m; /* said later, as the real one does */
        s->has_refused = true;
    } else if (m->type == DP_SET_SILENCE) {
        s->silence_s = (u32)m->u.number;
    } else if (m->type == DP_SET_HEARD) {
        s->heard_s = (u32)m->u.number;
    } else if (m->type == DP_ADD_SA) {
        assert_true(s->num_sas < WORLD_MAX_SAS);
        s->order[s->num_sas] = s->added++;
        s->since[s->num_sas] = s->w->now;
        s->sa[s->num_sas++] = m->u.sa;
    } else if (m->type == DP_DEL_SA) {
        s->linger_ms[m->u.del.dir == SA_OUT] = m->u.del.linger_ms;
        for (unsigned i = 0; i < s->num_sas; i++) {
            if (s->sa[i].spi == m->u.del.spi && s->sa[i].dir == m->u.del.dir &&
                addr_equal(&s->sa[i].dst, &m->u.del.dst)) {
                s->sa[i] = s->sa[--s->num_sas];
                s->order[i] = s->order[s->num_sas];
                s->since[i] = s->since[s->num_sas];
                s->deleted++;
                return true;
            }
        }
        if (s->refuse_sas) {
            return true;
        }
        fail_msg("DEL_SA of an SA that is not there: %08x", m->u.del.spi);
    } else if (m->type == DP_MOVE_SA) {
        s->w->moves++;
        for (unsigned i = 0; i < s->num_sas; i++) {
            struct dp_sa_value *v = &s->sa[i];
            if (v->dir == SA_OUT && v->spi == m->u.moved.spi && addr_equal(&v->dst, &m->u.moved.dst)) {
                v->dst = m->u.moved.to.a;
                v->encap_dst = m->u.moved.to;
            }
        }
    } else if (m->type == DP_GET_SAS) {
        s->get_sas = true;
        s->get_tag = m->tag;
    }
    return true;
}

static void on_main(void *ctx, const struct ike_msg *m)
{
    struct side *s = ctx;
    if (m->type == IKE_SA && s->num_info < ARRAY_LEN(s->info)) {
        s->info[s->num_info++] = m->u.sa;
    } else if (m->type == IKE_CHILD && s->num_child < ARRAY_LEN(s->child)) {
        s->child[s->num_child++] = m->u.child;
    } else if (m->type == IKE_FLOW && s->num_flow < ARRAY_LEN(s->flow)) {
        s->flow[s->num_flow++] = m->u.flow_info;
    } else if (m->type == IKE_PONG) {
        s->pong = m->u.number;
        s->pong_tag = m->tag;
        s->pongs++;
    } else if (m->type == IKE_WANT_CLIENT) {
        s->want = m->u.want;
        s->wants++;
    } else if (m->type == IKE_LOST_CLIENT) {
        s->lost = m->u.number;
        s->losts++;
    }
}

/* ---- the world ---- */

static void start(struct world *w, int i)
{
    struct side *s = &w->s[i];
    struct ike_env e = {.env = {w, clock_now, fake_random, clock_wall},
                        .log = &s->log,
                        .ctx = s,
                        .send = on_send,
                        .natt = w->natt,
                        .to_dp = on_dp,
                        .to_main = on_main};
    s->env = e.env;
    evlog_init(&s->log, &s->env, EVS_IKE, s, on_event);
    s->log.mask = EVC_LOG | EVC_ISAKMP | EVC_IPSEC;
    s->ike = ike_new(&e);
}

void world_init(struct world *w, u64 seed)
{
    memset(w, 0, sizeof *w);
    w->now = 1000000;
    w->rng = seed * 0x9E3779B97F4A7C15ull + 1;
    w->net = default_net;
    for (int i = A; i <= B; i++) {
        w->s[i].w = w;
        w->s[i].index = i;
        w->s[i].addr = addr_v4(0x01010101u * (u32)(i + 1));
        start(w, i);
    }
    w->num = 2;
}

void world_third(struct world *w)
{
    w->s[C] = (struct side){.w = w, .index = C, .addr = addr_v4(0x03030303)};
    start(w, C);
    w->num = 3;
}

void world_free(struct world *w)
{
    for (int i = 0; i < w->num; i++) {
        ike_free(w->s[i].ike);
        sb_free(&w->s[i].debug);
        sb_free(&w->s[i].syslog);
        sb_free(&w->s[i].news);
    }
    for (unsigned i = 0; i < w->num_q; i++) {
        free(w->q[i].data);
    }
    for (unsigned i = 0; i < w->num_log; i++) {
        free(w->log_data[i]);
    }
    free(w);
}

struct setup setup_default(int side)
{
    struct setup s;
    struct addr a = addr_v4(0x01010101), b = addr_v4(0x02020202);
    memset(&s, 0, sizeof s);
    s.policy[0] = (struct ike_policy_value){10, ENCR_DES, HASH_MD5, IKE_AUTH_PSK, 2, 86400};
    s.num_policies = 1;
    s.psk = "MY_K3Y";
    s.flow.flow = 7;
    s.flow.local = side == A ? a : b;
    s.flow.peer[0] = side == A ? b : a;
    s.flow.num_peers = 1;
    s.flow.sel = (struct selector){.src = prefix_host(&s.flow.local),
                                   .dst = prefix_host(&s.flow.peer[0]),
                                   .proto = 47,
                                   .sport_hi = 0xffff,
                                   .dport_hi = 0xffff};
    s.flow.num_transforms = 1;
    s.flow.transform[0] = (struct ike_transform){"TS", ENCR_DES, HASH_MD5, MODE_TUNNEL};
    s.flow.life_s = 3600;
    s.flow.life_kb = 4608000;
    s.flow.replay_window = 64;
    s.flow.any_mode = s.flow.tunnel_if = true;
    str_copy(s.flow.map, sizeof s.flow.map, "Tunnel0-head-0");
    s.global =
        (struct ike_global_value){.enabled = true, .retransmit_ms = 10000, .retransmit_tries = 5, .frag_off = true};
    return s;
}

/* give_parts: certificates and keys, as records. */
static void give_parts(struct ike *ike, const struct setup *s)
{
    u8 *all = xcalloc(1, 65536);
    struct wr w = wr_init(all, 65536);
    for (unsigned i = 0; i < s->num_parts; i++) {
        wr_u16(&w, s->part[i].trust);
        wr_u16(&w, s->part[i].what);
        wr_u32(&w, (u32)s->part[i].len);
        wr_bytes(&w, s->part[i].p, s->part[i].len);
    }
    assert_true(!w.bad && ike_ctl_parts(ike, all, wr_len(&w)));
    mem_wipe(all, 65536);
    free(all);
}

void world_config(struct world *w, int side, const struct setup *s)
{
    struct ike *ike = w->s[side].ike;
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_CFG_BEGIN;
    ike_ctl(ike, &m);
    m.type = IKE_CFG_GLOBAL;
    m.u.global = s->global;
    ike_ctl(ike, &m);
    for (unsigned i = 0; i < s->num_policies; i++) {
        m.type = IKE_CFG_POLICY;
        m.u.policy = s->policy[i];
        ike_ctl(ike, &m);
    }
    if (s->psk) {
        m.type = IKE_CFG_PSK;
        memset(&m.u.psk, 0, sizeof m.u.psk);
        m.u.psk.peer.a.family = AF_V4; /* 0.0.0.0/0 */
        secret_set(&m.u.psk.key, s->psk, strlen(s->psk));
        ike_ctl(ike, &m);
    }
    for (unsigned i = 0; i < s->num_other; i++) {
        ike_ctl(ike, &s->other[i]);
    }
    if (s->flow.flow) {
        m.type = IKE_CFG_FLOW;
        m.u.flow = s->flow;
        ike_ctl(ike, &m);
    }
    for (unsigned i = 0; i < s->num_more; i++) {
        m.type = IKE_CFG_FLOW;
        m.u.flow = s->more[i];
        ike_ctl(ike, &m);
    }
    give_parts(ike, s);
    m.type = IKE_CFG_COMMIT;
    ike_ctl(ike, &m);
}

static void answer_dp(struct side *s)
{
    s->get_sas = false;
    for (unsigned i = 0; i < s->num_sas; i++) {
        struct dp_msg m = {.type = DP_SA, .tag = s->get_tag};
        m.u.sa_info.sa = s->sa[i];
        ike_from_dp(s->ike, &m);
    }
    ike_from_dp(s->ike, &(struct dp_msg){.type = DP_END, .tag = s->get_tag});
}

static int due_packet(const struct world *w)
{
    int best = -1;
    for (unsigned i = 0; i < w->num_q; i++) {
        if (best < 0 || w->q[i].at < w->q[best].at) {
            best = (int)i;
        }
    }
    return best;
}

void world_run(struct world *w, u64 ms)
{
    u64 end = w->now + ms;
    for (unsigned guard = 0; guard < 2000000; guard++) {
        u64 next = UINT64_MAX;
        for (int i = 0; i < w->num; i++) {
            if (w->s[i].get_sas && !w->s[i].dp_slow) {
                answer_dp(&w->s[i]);
            }
            if (w->s[i].has_refused) {
                const struct dp_sa_value *v = &w->s[i].refused.u.sa;
                struct dp_msg m = {.type = DP_SA_REFUSED};
                m.u.expire = (struct dp_expire_value){v->flow, v->spi, v->dir, true, v->dst};
                w->s[i].has_refused = false;
                ike_from_dp(w->s[i].ike, &m);
            }
            next = MIN(next, ike_next_ms(w->s[i].ike));
        }
        int p = due_packet(w);
        if (p >= 0 && w->q[p].at <= next) {
            if (w->q[p].at > end) {
                break;
            }
            w->now = MAX(w->now, w->q[p].at);
            struct packet k = w->q[p];
            w->q[p] = w->q[--w->num_q];
            ike_input(w->s[k.to].ike, k.data, k.len, &k.from, &k.dst);
            free(k.data);
        } else if (next > end) {
            break;
        } else {
            w->now = MAX(w->now, next);
            for (int i = 0; i < w->num; i++) {
                ike_tick(w->s[i].ike);
            }
        }
    }
    w->now = MAX(w->now, end);
}

void world_acquire_flow(struct world *w, int side, u32 flow)
{
    struct dp_msg m = {.type = DP_ACQUIRE};
    m.u.acquire.flow = flow;
    ike_from_dp(w->s[side].ike, &m);
}

void world_acquire(struct world *w, int side)
{
    world_acquire_flow(w, side, 7);
}

void world_snapshot(struct world *w, int side)
{
    struct side *s = &w->s[side];
    s->num_info = s->num_child = s->num_flow = 0;
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_GET_SAS});
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_GET_CHILDREN});
    ike_ctl(s->ike, &(struct ike_msg){.type = IKE_GET_FLOWS});
}

void world_restart(struct world *w, int side)
{
    ike_free(w->s[side].ike);
    start(w, side);
}

u64 count_of(const struct side *s, enum ev_id id)
{
    return s->log.count[id];
}

bool saw(const struct side *s, const char *text)
{
    return s->syslog.s && strstr(s->syslog.s, text);
}

static const struct dp_sa_value *sa_with(const struct side *s, u32 spi, u8 dir)
{
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].spi == spi && s->sa[i].dir == dir) {
            return &s->sa[i];
        }
    }
    return NULL;
}

static bool same_sa(const struct world *w, const struct dp_sa_value *out, const struct dp_sa_value *in)
{
    bool nat = w->natt && w->nat.family; /* each end sees other addresses, and in transport mode other selectors */
    return out && in && out->encr == in->encr && out->auth == in->auth && out->mode == in->mode &&
           !out->encap_dst.port == !in->encap_dst.port &&
           (nat || (addr_equal(&out->src, &in->src) && addr_equal(&out->dst, &in->dst))) &&
           ((nat && out->mode == MODE_TRANSPORT) || selector_equal(&out->sel, &in->sel)) && out->encr_key.len == in->encr_key.len &&
           out->auth_key.len == in->auth_key.len &&
           memcmp(out->encr_key.b, in->encr_key.b, out->encr_key.len) == 0 &&
           memcmp(out->auth_key.b, in->auth_key.b, out->auth_key.len) == 0;
}

unsigned pairs_up(const struct world *w)
{
    unsigned n = 0;
    LIST_FOR (it, &w->s[A].ike->children) {
        const struct child *c = CONTAINER_OF(it, struct child, link);
        n += !c->closing &&
             same_sa(w, sa_with(&w->s[A], c->spi_out, SA_OUT), sa_with(&w->s[B], c->spi_out, SA_IN)) &&
             same_sa(w, sa_with(&w->s[B], c->spi_in, SA_OUT), sa_with(&w->s[A], c->spi_in, SA_IN));
    }
    return n;
}

/* as flow_sa_out() does: the newest that does not wait to be confirmed, else the newest */
const struct dp_sa_value *sends_on(const struct side *s)
{
    int best = -1;
    bool best_waits = false;
    for (unsigned i = 0; i < s->num_sas; i++) {
        bool waits = s->sa[i].confirm_spi && s->w->now < s->since[i] + s->sa[i].confirm_ms;
        if (s->sa[i].dir == SA_OUT && (best < 0 || (best_waits && !waits) ||
                                       (best_waits == waits && s->order[i] > s->order[best]))) {
            best = (int)i;
            best_waits = waits;
        }
    }
    return best < 0 ? NULL : &s->sa[best];
}

static void says_of(struct side *s, u32 type, const struct dp_sa_value *sa)
{
    if (sa) {
        ike_from_dp(s->ike, &(struct dp_msg){.type = type, .u.life = {sa->flow, sa->spi, sa->dst}});
    }
}

void world_silent(struct world *w, int side)
{
    says_of(&w->s[side], DP_SILENT, sends_on(&w->s[side]));
}

void world_heard(struct world *w, int side)
{
    struct side *s = &w->s[side];
    const struct dp_sa_value *in = NULL;
    for (unsigned i = 0, newest = 0; i < s->num_sas; i++) {
        if (s->sa[i].dir == SA_IN && (!in || s->order[i] > newest)) {
            in = &s->sa[i];
            newest = s->order[i];
        }
    }
    says_of(s, DP_HEARD, in);
}

/* a packet of from's arrives: what waited for one on that SA waits no more */
static bool carries_to(struct side *from, struct side *to)
{
    const struct dp_sa_value *out = sends_on(from);
    if (!out || !same_sa(from->w, out, sa_with(to, out->spi, SA_IN))) {
        return false;
    }
    for (unsigned i = 0; i < to->num_sas; i++) {
        to->sa[i].confirm_spi = to->sa[i].confirm_spi == out->spi ? 0 : to->sa[i].confirm_spi;
    }
    return true;
}

bool carries(struct world *w)
{
    return carries_to(&w->s[A], &w->s[B]) && carries_to(&w->s[B], &w->s[A]);
}

struct world *world_pair(u64 seed)
{
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, seed);
    for (int i = A; i <= B; i++) {
        struct setup s = setup_default(i);
        world_config(w, i, &s);
    }
    return w;
}

struct world *world_of(u64 seed, const struct setup *a, const struct setup *b)
{
    struct world *w = world_at(0, seed, a, b);
    w->s[A].log.mask = w->s[B].log.mask = EVC_LOG;
    return w;
}

struct world *world_at(u64 wall_s, u64 seed, const struct setup *a, const struct setup *b)
{
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, seed);
    w->wall_s = wall_s;
    world_config(w, A, a);
    world_config(w, B, b);
    return w;
}

struct world *world_begun(u64 seed, const struct setup *a, const struct setup *b)
{
    struct world *w = world_of(seed, a, b);
    world_acquire(w, A);
    world_run(w, 2000);
    return w;
}

struct fate lose_some(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    struct lose *l = w->ctx;
    (void)from, (void)number, (void)data, (void)len;
    return l->which >> l->seen++ & 1 ? (struct fate){0, {0}} : (struct fate){1, {10}};
}

struct fate all_lost(struct world *w, int from, unsigned number, const u8 *data, size_t len)
{
    (void)w, (void)from, (void)number, (void)data, (void)len;
    return (struct fate){0, {0}};
}

void send_raw(struct world *w, int to, const u8 *data, size_t len)
{
    send_from(w, to, &w->s[!to].addr, data, len);
}

void send_from(struct world *w, int to, const struct addr *from, const u8 *data, size_t len)
{
    struct endpoint src = {*from, 500}, dst = {w->s[to].addr, 500};
    ike_input(w->s[to].ike, data, len, &src, &dst);
}

const struct dp_sa_value *half_of(const struct side *s, u8 proto, u8 dir)
{
    const struct dp_sa_value *found = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < s->num_sas; i++) {
        if (s->sa[i].proto == proto && s->sa[i].dir == dir) {
            found = &s->sa[i];
            n++;
        }
    }
    return n == 1 ? found : NULL;
}

void same_ends(const struct world *w, u8 proto, u8 mode)
{
    for (int i = A; i <= B; i++) {
        const struct dp_sa_value *out = half_of(&w->s[i], proto, SA_OUT),
                                 *in = half_of(&w->s[!i], proto, SA_IN);
        assert_true(out && in);
        assert_int_equal(out->spi, in->spi);
        assert_int_equal(out->mode, mode);
        assert_int_equal(in->mode, mode);
        assert_int_equal(out->auth, in->auth);
        assert_true((out->auth_key.len || out->encr_key.len) && out->auth_key.len == in->auth_key.len);
        assert_memory_equal(out->auth_key.b, in->auth_key.b, out->auth_key.len);
        assert_int_equal(out->encr_key.len, in->encr_key.len);
        assert_memory_equal(out->encr_key.b, in->encr_key.b, out->encr_key.len);
        assert_int_equal(out->with_spi, in->with_spi);
        assert_int_equal(out->with_proto, in->with_proto);
        assert_int_equal(out->inside, in->inside);
        assert_int_equal(out->comp, in->comp);
        assert_int_equal(out->cpi, in->cpi);
    }
}
