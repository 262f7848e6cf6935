/*
 * sa.c: security associations and the flows they belong to. They come and go only between two turns
 * of the graph (ctl.c, tick). Nodes read and count in the hot part, and at a threshold call what
 * changes an SA's standing and may tell IKE: sa_limit(), sa_expire(), sa_confirm(). The pool is
 * fixed: adding an SA allocates nothing.
 */
#include "dp/dp_int.h"
#include "wire/ah.h"

enum { DEAD_KEEP_MS = 60000, SEQ_SOFT = 0xf0000000u };

/* ---- flows ----------------------------------------------------------------------------------- */

struct flow *flow_get(struct dp *dp, u32 id)
{
    for (unsigned i = 0; id && i < MAX_FLOWS; i++) {
        if (dp->flow[i].id == id) {
            return &dp->flow[i];
        }
    }
    return NULL;
}

struct flow *flow_make(struct dp *dp, u32 id)
{
    struct flow *f = flow_get(dp, id);
    for (unsigned i = 0; id && !f && i < MAX_FLOWS; i++) {
        if (dp->flow[i].id == 0) {
            f = &dp->flow[i];
            *f = (struct flow){.id = id, .val = {.flow = id}};
            f->ip_id = (u16)env_random_u32(&dp->env.env);
        }
    }
    return f;
}

u16 flow_path_mtu(const struct flow *f)
{
    u16 mtu = f->val.path_mtu ? f->val.path_mtu : 1500;
    return f->learned_mtu && f->learned_mtu < mtu ? f->learned_mtu : mtu;
}

/* plain_mtu: what fits into mtu bytes, by this SA and those of its bundle that come behind it. */
static u16 plain_mtu(const struct sa *sa, u16 mtu)
{
    const struct dp_sa_value *v = &sa->val;
    u16 way = sa->with ? plain_mtu(sa->with, mtu) : mtu; /* a bundle is two SAs (tie) */
    way = (u16)(way - (sa->h.udp ? UDP_HDR : 0));
    return sa_plain_mtu(way, v->proto, (enum encr_id)v->encr, (enum hash_id)v->auth, v->dst.family,
                        v->mode == MODE_TRANSPORT);
}

static void tell_tunnels(struct flow *f)
{
    for (struct tunnel *t = f->tun; t; t = t->next_shared) {
        mtu_tunnel(t);
    }
}

void flow_remtu(struct flow *f)
{
    for (struct sa *sa = f->out; sa; sa = sa->next_flow) {
        sa->h.plain_mtu = plain_mtu(sa, flow_path_mtu(f));
    }
    tell_tunnels(f);
}

/* ---- looking up ------------------------------------------------------------------------------ */

struct sa *sa_lookup(struct dp *dp, u32 spi, u8 proto, u8 dir, const struct addr *dst, u32 flow)
{
    if (dir > SA_OUT) {
        return NULL;
    }
    for (struct sa *sa = dp->bucket[dir][sa_hash(spi)]; sa; sa = sa->next_hash) {
        bool whose = dir == SA_IN || !flow || sa->val.flow == flow;
        if (sa->val.spi == spi && sa->val.proto == proto && whose && addr_equal(&sa->val.dst, dst)) {
            return sa;
        }
    }
    return NULL;
}

static inline bool is_sa(const struct sa *sa, const struct pkt *p, u32 spi, u8 proto)
{
    if (sa->h.spi != spi || sa->h.family != p->v.version || sa->h.proto != proto) {
        return false;
    }
    return p->v.version == 4 ? memcmp(sa->h.dst, p->data + 16, 4) == 0
                             : memcmp(sa->h.dst, p->data + 24, 16) == 0;
}

struct sa *sa_inbound(const struct dp *dp, const struct pkt *p, u32 spi, u8 proto, struct sa *last)
{
    if (last && is_sa(last, p, spi, proto)) { /* neighbours mostly travel together */
        return last;
    }
    struct sa *sa = sa_bucket(dp, spi);
    while (sa && !is_sa(sa, p, spi, proto)) {
        sa = sa->next_hash;
    }
    return sa;
}

bool look_again(struct worker *w, struct pkt *p)
{
    if (p->again || w->num_again == ARRAY_LEN(w->again)) {
        return false;
    }
    p->again = true;
    p->next = N_GONE;
    w->again[w->num_again++] = p;
    return true;
}

static bool same_keys(const struct dp_sa_value *a, const struct dp_sa_value *b)
{
    return a->flow == b->flow && a->mode == b->mode && a->with_spi == b->with_spi &&
           a->with_proto == b->with_proto && a->inside == b->inside && a->esn == b->esn && a->comp == b->comp && a->cpi == b->cpi && a->encr == b->encr && a->auth == b->auth &&
           a->encr_key.len == b->encr_key.len && a->auth_key.len == b->auth_key.len &&
           mem_equal_ct(a->encr_key.b, b->encr_key.b, a->encr_key.len) &&
           mem_equal_ct(a->auth_key.b, b->auth_key.b, a->auth_key.len);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static bool acceptable(const struct dp_sa_value *v)
{
    bool families =
        (v->src.family == AF_V4 || v->src.family == AF_V6) && v->src.family == v->dst.family;
    bool mode = v->mode == MODE_TUNNEL || v->mode == MODE_TRANSPORT;
    bool udp = !v->encap_src.port == !v->encap_dst.port; /* both or neither */
    bool protocol = v->proto == IPPROTO_ESP_ ||
                    (v->proto == IPPROTO_AH_ && v->encr == ENCR_NONE && hash_row(v->auth)->ah &&
                     !v->encap_dst.port); /* RFC 3948 is of ESP alone */
    bool bundle = (!v->with_proto ||
                   ((v->with_proto == IPPROTO_ESP_ || v->with_proto == IPPROTO_AH_) && !v->encap_dst.port)) &&
                  (!v->inside || (v->inside == IPPROTO_ESP_ && v->proto == IPPROTO_AH_ &&
                                  v->mode == MODE_TRANSPORT));
    bool comp = v->comp < COMP_NUM && !v->comp == !v->cpi && !(v->comp && v->inside);
    bool numbers = !v->esn || v->auth != HASH_NONE || encr_row((enum encr_id)v->encr)->icv_len;
    bool could_be = selector_valid(&v->sel) && v->sel.src.a.family == v->sel.dst.a.family &&
                    addr_valid(&v->encap_src.a) && addr_valid(&v->encap_dst.a);
    return could_be && protocol && bundle && comp && numbers && v->flow && v->spi && families && mode && udp &&
           v->dir <= SA_OUT && v->replay_window <= 4096;
}

/* ESP in UDP: its header, which stands last in the template. */
static void prebuild_udp(struct sa_hot *h, const struct dp_sa_value *v)
{
    h->udp = v->encap_dst.port != 0;
    if (h->udp && v->dir == SA_OUT) {
        put16(h->tmpl + UDP_TMPL, v->encap_src.port);
        put16(h->tmpl + UDP_TMPL + 2, v->encap_dst.port);
        put32(h->tmpl + UDP_TMPL + 4, 0); /* RFC 3948 2.1: IPv4: no checksum, ESP has its ICV */
    }
}

/* The outer header once, with the checksum of what never changes. */
static void prebuild_outer(struct sa_hot *h, const struct dp_sa_value *v)
{
    bool udp = v->encap_dst.port != 0;
    struct ip_make m = {.proto = udp ? IPPROTO_UDP_ : v->proto, .ttl = 255, .src = v->src, .dst = v->dst};
    h->encap_len = v->mode == MODE_TUNNEL ? (u8)(ip_build(h->tmpl, &m) + (udp ? UDP_HDR : 0)) : 0;
    if (h->family == AF_V4) {
        put16(h->tmpl + 2, 0);
        put16(h->tmpl + 10, 0);
        h->sum = ip_sum(0, h->tmpl, IP4_HDR);
    }
    prebuild_udp(h, v);
}

static void prebuild_selector(struct sa_hot *h, const struct selector *s)
{
    struct ready_selector r;
    selector_compile(&r, s);
    h->sel_any = s->src.a.family == AF_NONE && s->dst.a.family == AF_NONE && !s->proto && !r.ported;
    h->sel_fast = r.fast;
    h->src_net = r.src_net, h->src_mask = r.src_mask;
    h->dst_net = r.dst_net, h->dst_mask = r.dst_mask;
    h->sel_proto = s->proto;
}

static void prebuild(struct dp *dp, struct sa *sa)
{
    const struct dp_sa_value *v = &sa->val;
    struct sa_hot *h = &sa->h;
    *h = (struct sa_hot){.spi = v->spi,
                         .iv_len = sa->key.iv_len,
                         .icv_len = sa->key.icv_len,
                         .align = v->proto == IPPROTO_AH_
                                      ? (u8)ah_hdr_len((enum hash_id)v->auth, v->dst.family)
                                      : MAX(sa->key.block, 4),
                         .proto = v->proto,
                         .inside = v->inside,
                         .linked = v->with_proto != 0,
                         .esn = v->esn,
                         .comp = v->comp != COMP_NONE,
                         .aside = v->inside || v->with_proto,
                         .mode = v->mode,
                         .family = v->dst.family,
                         .counts = encr_row((enum encr_id)v->encr)->mode >= ENCR_MODE_CTR,
                         .ring = sa->ring,
                         .limit_bytes = UINT64_MAX};
    u64 soft = v->soft_kb ? v->soft_kb * 1024 : UINT64_MAX,
        hard = v->hard_kb ? v->hard_kb * 1024 : UINT64_MAX;
    h->limit_bytes = MIN(soft, hard);
    if (v->dir == SA_OUT) {
        h->waits = v->confirm_spi != 0;
        if (h->counts) {
            env_random(&dp->env.env, (u8 *)&h->iv_base, sizeof h->iv_base);
        }
        prebuild_outer(h, v);
        return;
    }
    prebuild_udp(h, v);
    unsigned words = 2;
    while (words * 64 < v->replay_window + 64u) {
        words *= 2;
    }
    bool protected_icv =
        sa->key.icv_len != 0; /* RFC 4303 3.4.3: without integrity there is no replay check */
    h->window = protected_icv ? v->replay_window : 0;
    h->ring_mask = (u16)(words - 1);
    memcpy(h->dst, v->dst.b, sizeof h->dst);
    prebuild_selector(h, &v->sel);
}

static struct sa *tie_to(const struct sa *from, const struct sa *sa)
{
    for (; sa; sa = sa->next_flow) {
        if (sa != from && sa->val.spi == from->val.with_spi && sa->val.proto == from->val.with_proto &&
            sa->h.inside == from->val.proto && addr_equal(&sa->val.dst, &from->val.dst)) {
            return (struct sa *)(uintptr_t)sa;
        }
    }
    return NULL;
}

/* tie: the SAs of a flow's bundles know each other, after one came or went. They are ESP in AH and nothing longer
 * (acceptable): no ring can be told. */
static void tie(struct flow *f)
{
    for (u8 dir = 0; dir < 2; dir++) {
        struct sa *head = dir == SA_OUT ? f->out : f->in;
        for (struct sa *sa = head; sa; sa = sa->next_flow) {
            sa->inner = NULL;
        }
        for (struct sa *sa = head; sa; sa = sa->next_flow) {
            sa->with = sa->h.linked ? tie_to(sa, head) : NULL;
            sa->h.aside = sa->h.inside || (sa->h.linked && !sa->with);
            if (sa->with) {
                sa->with->inner = sa;
            }
        }
    }
    flow_remtu(f);
}

void sa_redirect(struct sa *out, const struct endpoint *to)
{
    out->val.dst = to->a;
    out->val.encap_dst = *to;
    prebuild_outer(&out->h, &out->val);
}

static void link_sa(struct dp *dp, struct sa *sa, struct flow *f)
{
    struct sa **head = sa->val.dir == SA_OUT ? &f->out : &f->in;
    sa->h.flow = f;
    sa->next_flow = *head;
    *head = sa;
    struct sa **b = &dp->bucket[sa->val.dir][sa_hash(sa->val.spi)];
    sa->next_hash = *b;
    *b = sa;
    tie(f);
}

/* free_lingering: those that are nobody's give their place to one that is somebody's. */
static void free_lingering(struct dp *dp)
{
    for (unsigned i = 0; i < MAX_SAS; i++) {
        if (dp->sas[i].used && dp->sas[i].gone_ms) {
            sa_del(dp, &dp->sas[i]);
        }
    }
}

struct sa *sa_add(struct dp *dp, const struct dp_sa_value *v)
{
    if (!acceptable(v)) {
        return NULL;
    }
    struct sa *sa = sa_lookup(dp, v->spi, v->proto, v->dir, &v->dst, v->flow);
    if (sa && same_keys(&sa->val, v) && !sa->gone_ms) {
        return sa; /* a new ike tells again what is there: counters, window and sequence number go
                      on */
    }
    if (sa) {
        sa_del(dp, sa);
    }
    struct flow *f = flow_make(dp, v->flow);
    if (!dp->sa_free) {
        free_lingering(dp);
    }
    sa = dp->sa_free;
    if (!f || !sa ||
        !bulk_key_init(dp->w.bulk, &sa->key, v->proto == IPPROTO_AH_ ? ENCR_NULL : v->encr, v->auth,
                       &v->encr_key, &v->auth_key)) {
        return NULL;
    }
    sa->key.esn = v->esn && v->proto == IPPROTO_ESP_; /* AH lays its own out (ah_esn) */
    dp->sa_free = sa->next_free;
    sa->used = true;
    sa->soft_told = false;
    sa->seen_seq = 0;
    sa->heard_ms = 0;
    sa->moved_ms = 0;
    sa->gone_ms = 0;
    sa->since_ms = dp->w.now_ms;
    sa->val = *v;
    memset(sa->drops, 0, sizeof sa->drops);
    memset(sa->ring, 0, sizeof sa->ring);
    prebuild(dp, sa);
    if (f->val.peer.family == AF_NONE) { /* the flow's line has not come yet: what the SA says */
        f->val.local = v->dir == SA_OUT ? v->src : v->dst;
        f->val.peer = v->dir == SA_OUT ? v->dst : v->src;
    }
    far_end_met(dp, f, v->dir == SA_OUT ? &v->dst : &v->src);
    link_sa(dp, sa, f);
    return sa;
}

/* ---- removing -------------------------------------------------------------------------------- */

static void unlink_from(struct sa **at, struct sa *sa, bool hash)
{
    while (*at && *at != sa) {
        at = hash ? &(*at)->next_hash : &(*at)->next_flow;
    }
    if (*at) {
        *at = hash ? sa->next_hash : sa->next_flow;
    }
}

void sa_del(struct dp *dp, struct sa *sa)
{
    struct flow *f = sa->h.flow;
    unlink_from(sa->val.dir == SA_OUT ? &f->out : &f->in, sa, false);
    unlink_from(&dp->bucket[sa->val.dir][sa_hash(sa->val.spi)], sa, true);
    bulk_key_wipe(dp->w.bulk, &sa->key);
    mem_wipe(&sa->val, sizeof sa->val);
    memset(&sa->h, 0, sizeof sa->h);
    sa->next_hash = sa->next_flow = sa->with = sa->inner = NULL;
    sa->used = false;
    sa->next_free = dp->sa_free;
    dp->sa_free = sa;
    tie(f);
}

void sa_del_flow(struct dp *dp, struct flow *f)
{
    while (f->out) {
        sa_expire(dp, f->out, true);
        sa_del(dp, f->out);
    }
    while (f->in) {
        sa_expire(dp, f->in, true);
        sa_del(dp, f->in);
    }
}

/* ---- lifetimes ------------------------------------------------------------------------------- */

void sa_expire(struct dp *dp, struct sa *sa, bool hard)
{
    if (sa->h.dead || (!hard && sa->soft_told)) {
        return;
    }
    const bool manual = is_manual(sa->h.flow); /* IKE does not know it */
    struct dp_msg m = {.u.expire = {.flow = sa->val.flow,
                                    .spi = sa->val.spi,
                                    .dir = sa->val.dir,
                                    .hard = hard,
                                    .dst = sa->val.dst}};
    sa->h.dead = hard;
    sa->soft_told = manual || dp_tell(dp, FROM_IKE, DP_EXPIRE, &m);
    if (manual && !hard) {
        ev_dp_manual_spent(dp->w.log, sa->val.conn_id, &sa->val.dst,
                           &(struct evb_dp_manual_spent){.map = ev_str(sa->h.flow->val.name),
                                                         .spi = sa->val.spi,
                                                         .left = UINT32_MAX - sa->h.seq});
    }
    if (hard) {
        tell_tunnels(sa->h.flow);
    }
}

static void send_on(struct sa *sa)
{
    sa->h.waits = false;
    flow_remtu(sa->h.flow);
}

void sa_confirm(const struct sa *in)
{
    for (struct sa *sa = in->h.flow->out; sa; sa = sa->next_flow) {
        if (sa->h.waits && sa->val.confirm_spi == in->val.spi) {
            send_on(sa);
        }
    }
}

bool sa_limit(struct dp *dp, struct sa *sa)
{
    u64 soft = sa->val.soft_kb ? sa->val.soft_kb * 1024 : UINT64_MAX;
    u64 hard = sa->val.hard_kb ? sa->val.hard_kb * 1024 : UINT64_MAX;
    if (sa->h.limit_bytes >= hard) {
        sa_expire(dp, sa, true);
        return false;
    }
    if (sa->h.limit_bytes >= soft) {
        sa_expire(dp, sa, false);
        if (sa->soft_told) { /* else the next packet tells again */
            sa->h.limit_bytes = hard;
        }
    }
    return true;
}

/* sa_tick: once a second: the safety net in seconds, and numbers that run out. */
void sa_tick(struct dp *dp)
{
    for (unsigned i = 0; i < MAX_SAS; i++) {
        struct sa *sa = &dp->sas[i];
        if (sa->used && sa->gone_ms && dp->w.now_ms >= sa->gone_ms) {
            sa_del(dp, sa);
        }
        if (!sa->used) {
            continue;
        }
        u64 age = dp->w.now_ms - sa->since_ms;
        u64 hard = (u64)sa->val.hard_s * 1000;
        if (hard && age >= hard) {
            sa_expire(dp, sa, true);
        }
        if (sa->h.waits && age >= sa->val.confirm_ms) {
            send_on(sa);
        }
        if (sa->val.dir == SA_OUT && sa->h.seq >= SEQ_SOFT &&
            (!sa->h.esn || sa->h.seq_hi == UINT32_MAX)) {
            sa_expire(dp, sa, false);
        }
        if (sa->h.dead && hard && age >= hard + DEAD_KEEP_MS) {
            sa_del(dp, sa); /* nobody took it away */
        }
    }
}

/* tell_heard: IKE hears of it when it had been told of silence, and now and then when it wants to know. */
static void tell_heard(struct dp *dp, struct sa *sa, bool broke_silence)
{
    u64 now = dp->w.now_ms;
    struct dp_msg m = {.u.life = {.flow = sa->val.flow, .spi = sa->val.spi, .dst = sa->val.dst}};
    bool due = dp->heard_s && now - sa->heard_ms >= (u64)dp->heard_s * 1000;
    if ((broke_silence || due) && dp_tell(dp, FROM_IKE, DP_HEARD, &m)) {
        sa->heard_ms = now;
        sa->h.flow->silent = sa->h.flow->silent && !broke_silence;
    }
}

/* came_in: did the far end that the flow sends to say something new? A number higher than all before shows
 * that, and no replayed packet has one, with the replay window or without. */
static bool came_in(struct dp *dp, struct flow *f)
{
    bool heard = false;
    for (struct sa *sa = f->in; sa; sa = sa->next_flow) {
        if (sa->h.seq == sa->seen_seq) {
            continue;
        }
        bool from_there = addr_equal(&sa->val.src, &f->toward);
        sa->seen_seq = sa->h.seq;
        tell_heard(dp, sa, f->silent && from_there);
        heard = heard || from_there;
    }
    return heard;
}

/* face: whom the flow sends to; what was known of another does not count. The SA it sends by. NULL: none. */
static const struct sa *face(struct flow *f)
{
    static const struct addr nobody = {0};
    const struct sa *out = flow_sa_out(f);
    const struct addr *toward = out ? &out->val.dst : &nobody;
    if (!addr_equal(toward, &f->toward)) {
        f->toward = *toward;
        f->alone_ms = 0;
        f->silent = false;
    }
    return out;
}

/* tell_idle: nothing went by the flow's SAs for as long as the operator lets them be unused. */
static void tell_idle(struct dp *dp, struct flow *f)
{
    u64 used = f->encaps + f->decaps, now = dp->w.now_ms;
    struct dp_msg m = {.u.number = f->id};
    if (used != f->seen_used || (!f->in && !f->out)) {
        f->seen_used = used;
        f->used_ms = now;
    } else if (f->val.idle_s && now - f->used_ms >= (u64)f->val.idle_s * 1000) {
        f->used_ms = now;
        (void)dp_tell(dp, FROM_IKE, DP_IDLE, &m); /* lost: said again */
    }
}

/* flow_tick: once a second: does anything come back? What goes out unanswered for silence_s is told to
 * IKE, which asks the peer whether it lives; again after as long, while packets still go out. What
 * comes in is told as well: it shows that the peer lives. */
void flow_tick(struct dp *dp)
{
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        struct flow *f = &dp->flow[i];
        if (f->id == 0 || f->val.manual) { /* nobody to ask */
            continue;
        }
        tell_idle(dp, f);
        const struct sa *out = face(f);
        bool sent = out && f->encaps != f->seen_out, heard = came_in(dp, f);
        f->seen_out = f->encaps;
        if (heard || !sent) {
            f->alone_ms = heard ? 0 : f->alone_ms;
        } else if (!f->alone_ms) {
            f->alone_ms = dp->w.now_ms;
        } else if (dp->w.now_ms - f->alone_ms >= (u64)dp->silence_s * 1000) {
            struct dp_msg m = {.u.life = {.flow = f->id, .spi = out->val.spi, .dst = out->val.dst}};
            f->alone_ms = dp->w.now_ms;
            f->silent = dp_tell(dp, FROM_IKE, DP_SILENT, &m) || f->silent;
        }
    }
}
