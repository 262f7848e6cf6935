/*
 * rig.c: see rig.h.
 */
#include "rig.h"

#include <stdlib.h>

/* ---- environment ----------------------------------------------------------------------------- */

static u64 rig_now(void *ctx)
{
    return ((struct rig *)ctx)->now;
}

static void rig_random(void *ctx, u8 *out, size_t len)
{
    struct rig *r = ctx;
    for (size_t i = 0; i < len; i++) {
        r->seed = r->seed * 6364136223846793005ull + 1442695040888963407ull;
        out[i] = (u8)(r->seed >> 33);
    }
}

static bool rig_send(void *ctx, enum dp_origin to, const struct dp_msg *m)
{
    struct rig *r = ctx;
    (void)to;
    if (r->deaf) {
        return false;
    }
    if (r->num_msg < ARRAY_LEN(r->msg)) {
        r->msg[r->num_msg] = *m;
    }
    r->num_msg++;
    return true;
}

static void rig_event(void *ctx, const struct ev_rec *rec)
{
    struct rig *r = ctx;
    ev_render_text(&r->text, rec);
    sb_add(&r->text, "\n");
}

/* ---- fifos ----------------------------------------------------------------------------------- */

static void push(struct rig_fifo *f, const void *b, size_t len)
{
    if (f->head + f->num == f->cap) {
        if (f->num) {
            memmove(f->p, f->p + f->head, f->num * sizeof *f->p);
        }
        f->head = 0;
        if (f->num == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 16;
            f->p = realloc(f->p, f->cap * sizeof *f->p);
        }
    }
    struct rig_pkt *p = &f->p[f->head + f->num++];
    p->len = (u16)len;
    memcpy(p->b, b, len);
}

static struct rig_pkt *pop(struct rig_fifo *f)
{
    if (f->num == 0) {
        return NULL;
    }
    f->num--;
    return &f->p[f->head++];
}

static bool fake_rx(void *ctx, u8 *data, size_t cap, u16 *len)
{
    struct rig_pkt *p = pop(((struct rig_end *)ctx)->in);
    if (!p || p->len > cap) {
        return false;
    }
    memcpy(data, p->b, p->len);
    *len = p->len;
    return true;
}

static void fake_tx(void *ctx, const u8 *data, u16 len)
{
    push(((struct rig_end *)ctx)->out, data, len);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct rig *rig_new(const char *engine)
{
    static const struct dp_port_value ports[NUM_PORTS] = {
        [TUN0] = {.kind = PORT_TUN_TUNNEL, .mtu = 1476, .name = "Tunnel0"},
        [TUN1] = {.kind = PORT_TUN_TUNNEL, .mtu = 1476, .name = "Tunnel1"},
        [CRYPTO] = {.kind = PORT_TUN_CRYPTO, .link = 1, .mtu = 1500, .name = "crypto"},
        [CLEAR] = {.kind = PORT_TUN_CLEAR, .link = 1, .mtu = 1500, .name = "clear"},
        [CRYPTO2] = {.kind = PORT_TUN_CRYPTO, .link = 2, .mtu = 1500, .name = "crypto2"},
        [CLEAR2] = {.kind = PORT_TUN_CLEAR, .link = 2, .mtu = 1500, .name = "clear2"},
        [OPEN4] = {.kind = PORT_OPEN, .family = AF_V4},
        [OPEN6] = {.kind = PORT_OPEN, .family = AF_V6},
        [PASS4] = {.kind = PORT_PASS, .family = AF_V4, .link = 1},
        [PASS6] = {.kind = PORT_PASS, .family = AF_V6, .link = 1},
        [PASS4_2] = {.kind = PORT_PASS, .family = AF_V4, .link = 2},
        [RAW4_ESP] = {.kind = PORT_RAW, .family = AF_V4, .proto = 50},
        [RAW4_GRE] = {.kind = PORT_RAW, .family = AF_V4, .proto = 47},
        [RAW4_6IN4] = {.kind = PORT_RAW, .family = AF_V4, .proto = 41},
        [RAW4_IPIP] = {.kind = PORT_RAW, .family = AF_V4, .proto = 4},
        [RAW6_ESP] = {.kind = PORT_RAW, .family = AF_V6, .proto = 50},
        [RAW6_GRE] = {.kind = PORT_RAW, .family = AF_V6, .proto = 47},
        [SEND4] = {.kind = PORT_RAW, .family = AF_V4, .proto = 255},
        [SEND6] = {.kind = PORT_RAW, .family = AF_V6, .proto = 255},
    };
    struct rig *r = xcalloc(1, sizeof *r);
    r->now = 1000000;
    r->seed = 42;
    r->env = (struct env){.ctx = r, .now_ms = rig_now, .random = rig_random};
    evlog_init(&r->log, &r->env, EVS_DP, r, rig_event);
    struct dp_env e = {.env = r->env, .log = &r->log, .ctx = r, .send = rig_send, .engine = engine};
    r->dp = dp_new(&e);
    for (unsigned i = 0; r->dp && i < NUM_PORTS; i++) {
        struct dp_msg m = {.type = DP_CFG_PORT, .u.port = ports[i]};
        m.u.port.id = i;
        dp_ctl(r->dp, FROM_MAIN, &m, -1);
        r->end[i] = (struct rig_end){&r->in[i], &r->out[i]};
        fake_attach(r->dp, i, (struct fake){.ctx = &r->end[i], .rx = fake_rx, .tx = fake_tx});
    }
    if (r->dp) { /* an empty generation: ports are not read before the first one */
        rig_begin(r);
        rig_commit(r);
    }
    return r;
}

void rig_free(struct rig *r)
{
    dp_free(r->dp);
    for (unsigned i = 0; i < NUM_PORTS; i++) {
        free(r->in[i].p);
        free(r->out[i].p);
    }
    sb_free(&r->text);
    free(r);
}

void rig_ctl(struct rig *r, struct dp_msg m)
{
    dp_ctl(r->dp, FROM_MAIN, &m, -1);
}

void rig_in(struct rig *r, unsigned port, const void *b, size_t len)
{
    push(&r->in[port], b, len);
}

struct rig_pkt *rig_out(struct rig *r, unsigned port)
{
    return pop(&r->out[port]);
}

unsigned rig_num_out(const struct rig *r, unsigned port)
{
    return r->out[port].num;
}

void rig_run(struct rig *r)
{
    while (dp_run(r->dp)) {
    }
}

void rig_later(struct rig *r, u64 ms)
{
    r->now += ms;
    (void)dp_tick(r->dp);
}

static unsigned port_for(const u8 *b)
{
    bool v4 = b[0] >> 4 == 4;
    switch (v4 ? b[9] : b[6]) {
    case 50:
    case 17:
    case 51: return v4 ? RAW4_ESP : RAW6_ESP; /* the fake port takes whatever protocol */
    case 47: return v4 ? RAW4_GRE : RAW6_GRE;
    case 41: return RAW4_6IN4;
    default: return RAW4_IPIP;
    }
}

unsigned rig_wire(struct rig *a, struct rig *b)
{
    unsigned n = 0;
    for (unsigned port = SEND4; port <= OPEN6; port++) {
        for (struct rig_pkt *p = rig_out(a, port); p; p = rig_out(a, port), n++) {
            rig_in(b, port_for(p->b), p->b, p->len);
        }
    }
    rig_run(b);
    return n;
}

const struct dp_msg *rig_told(const struct rig *r, u32 type, unsigned n)
{
    for (unsigned i = 0; i < MIN(r->num_msg, ARRAY_LEN(r->msg)); i++) {
        if (r->msg[i].type == type && n-- == 0) {
            return &r->msg[i];
        }
    }
    return NULL;
}

bool rig_said(const struct rig *r, const char *text)
{
    return r->text.s && strstr(r->text.s, text);
}

void rig_quiet(struct rig *r)
{
    r->num_msg = 0;
    sb_free(&r->text);
    r->text = (struct strbuf){0};
    memset(r->dp->w.drop_log, 0, sizeof r->dp->w.drop_log);
}

u64 rig_drops(const struct rig *r, enum dp_drop d)
{
    return r->dp->w.drops[d];
}

/* ---- values ---------------------------------------------------------------------------------- */

void rig_begin(struct rig *r)
{
    r->staged = 0;
    rig_ctl(r, (struct dp_msg){.type = DP_CFG_BEGIN, .u.number = ++r->generation});
}

void rig_tunnel(struct rig *r, struct dp_tunnel_value t)
{
    r->staged++;
    rig_ctl(r, (struct dp_msg){.type = DP_CFG_TUNNEL, .u.tunnel = t});
}

void rig_flow(struct rig *r, struct dp_flow_value f)
{
    r->staged++;
    f.link = f.link ? f.link : 1;
    rig_ctl(r, (struct dp_msg){.type = DP_CFG_FLOW, .u.flow = f});
}

void rig_policy(struct rig *r, struct dp_policy_value p)
{
    r->staged++;
    p.link = p.link ? p.link : 1;
    rig_ctl(r, (struct dp_msg){.type = DP_CFG_POLICY, .u.policy = p});
}

void rig_commit(struct rig *r)
{
    rig_ctl(r, (struct dp_msg){.type = DP_CFG_COMMIT, .u.number = r->staged});
}

bool rig_esn;
u8 rig_comp;
u16 rig_cpi;

struct dp_sa_value rig_sa_value(u32 flow, u32 spi, u8 dir, u8 mode, u8 encr, u8 auth,
                                const char *src, const char *dst)
{
    struct dp_sa_value v = {.flow = flow,
                            .spi = spi,
                            .conn_id = 2001,
                            .dir = dir,
                            .proto = encr == ENCR_NONE ? 51 : 50,
                            .mode = mode,
                            .encr = encr,
                            .auth = auth,
                            .replay_window = 64,
                            .esn = rig_esn,
                            .comp = rig_comp,
                            .cpi = rig_cpi,
                            .src = rig_addr(src),
                            .dst = rig_addr(dst),
                            .sel = selector_any(AF_NONE)};
    u8 k[SECRET_MAX];
    for (unsigned i = 0; i < sizeof k; i++) {
        k[i] = (u8)(spi * 7 + i * 13 + 1);
    }
    secret_set(&v.encr_key, k, (size_t)encr_row(encr)->key_len + encr_row(encr)->salt_len);
    secret_set(&v.auth_key, k + 40, auth == HASH_NONE ? 0 : hash_row(auth)->len);
    return v;
}

/* A crypto map: everything between the 10/8 and fd00::/8 networks, in flow 7. */
void rig_crypto_map(struct rig *r, bool v6, u8 df, bool frag_after)
{
    const char *l = v6 ? RIG_A6 : RIG_A4, *p = v6 ? RIG_B6 : RIG_B4;
    rig_begin(r);
    rig_flow(r, (struct dp_flow_value){.flow = 7,
                                       .path_mtu = 1500,
                                       .df = df,
                                       .frag_after = frag_after,
                                       .local = rig_addr(l),
                                       .peer = rig_addr(p),
                                       .name = "MAP"});
    struct selector any4 = {.src = rig_net("0.0.0.0", 0),
                            .dst = rig_net("0.0.0.0", 0),
                            .sport_hi = 0xffff,
                            .dport_hi = 0xffff};
    struct selector any6 = {
        .src = rig_net("::", 0), .dst = rig_net("::", 0), .sport_hi = 0xffff, .dport_hi = 0xffff};
    rig_policy(r, (struct dp_policy_value){
                      .order = 1, .flow = 7, .action = ACT_PROTECT, .path_mtu = 1500, .sel = any4});
    rig_policy(r, (struct dp_policy_value){
                      .order = 2, .flow = 7, .action = ACT_PROTECT, .path_mtu = 1500, .sel = any6});
    rig_commit(r);
}

/* a sends under SPI 0x1000 to b; b under 0x2000 to a. */
void rig_pair(struct rig *a, struct rig *b, u8 mode, u8 encr, u8 auth, bool v6)
{
    const char *x = v6 ? RIG_A6 : RIG_A4, *y = v6 ? RIG_B6 : RIG_B4;
    rig_sa(b, rig_sa_value(7, 0x1000, SA_IN, mode, encr, auth, x, y));
    rig_sa(a, rig_sa_value(7, 0x1000, SA_OUT, mode, encr, auth, x, y));
    rig_sa(a, rig_sa_value(7, 0x2000, SA_IN, mode, encr, auth, y, x));
    rig_sa(b, rig_sa_value(7, 0x2000, SA_OUT, mode, encr, auth, y, x));
}

void rig_bundle(struct rig *a, struct rig *b, u8 mode, u8 encr, u8 auth, u8 ah, bool v6)
{
    const char *end[] = {v6 ? RIG_A6 : RIG_A4, v6 ? RIG_B6 : RIG_B4};
    struct rig *rig[] = {a, b};
    for (unsigned i = 0; i < 4; i++) { /* which way, and whose end */
        u32 way = i / 2, spi = way ? 0x2000 : 0x1000;
        u8 dir = i % 2 == way ? SA_OUT : SA_IN;
        struct dp_sa_value esp =
                               rig_sa_value(7, spi, dir, mode, encr, auth, end[way], end[!way]),
                           around = rig_sa_value(7, spi + 0x100, dir, MODE_TRANSPORT, ENCR_NONE, ah,
                                                 end[way], end[!way]);
        around.inside = 50;
        around.comp = COMP_NONE, around.cpi = 0;
        esp.with_spi = spi + 0x100;
        esp.with_proto = 51;
        rig_sa(rig[i % 2], around);
        rig_sa(rig[i % 2], esp);
    }
}

void rig_sa(struct rig *r, struct dp_sa_value v)
{
    dp_ctl(r->dp, FROM_IKE, &(struct dp_msg){.type = DP_ADD_SA, .u.sa = v}, -1);
}

struct sa *rig_find_sa(struct rig *r, u32 spi, u8 dir)
{
    for (unsigned i = 0; i < MAX_SAS; i++) {
        struct sa *sa = &r->dp->sas[i];
        if (sa->used && sa->val.spi == spi && sa->val.dir == dir) {
            return sa;
        }
    }
    return NULL;
}

struct addr rig_addr(const char *text)
{
    struct addr a;
    if (!addr_parse(&a, text)) {
        abort();
    }
    return a;
}

struct prefix rig_net(const char *text, u8 len)
{
    struct prefix p = {.a = rig_addr(text), .len = len};
    return p;
}

/* ---- packets --------------------------------------------------------------------------------- */

size_t rig_ping(u8 *out, const char *src, const char *dst, size_t total, bool df)
{
    struct addr s = rig_addr(src);
    bool v4 = s.family == AF_V4;
    size_t hdr = v4 ? IP4_HDR : IP6_HDR, n = total - hdr;
    struct ip_make m = {.proto = v4 ? 1 : 58,
                        .ttl = 64,
                        .df = df,
                        .id = 7,
                        .payload = (u16)n,
                        .src = s,
                        .dst = rig_addr(dst)};
    ip_build(out, &m);
    u8 *c = out + hdr;
    for (size_t i = 0; i < n; i++) {
        c[i] = (u8)i;
    }
    c[0] = v4 ? 8 : 128;
    c[1] = c[2] = c[3] = 0;
    put16(c + 2, ip_fold(ip_sum(v4 ? 0 : ip_pseudo_sum(out, 58, (u32)n), c, n)));
    return total;
}

size_t rig_tcp_syn(u8 *out, const char *src, const char *dst, u16 mss)
{
    struct addr s = rig_addr(src);
    unsigned hdr = ip_hdr_len(s.family);
    struct ip_make m = {
        .proto = 6, .ttl = 64, .id = 9, .payload = 28, .src = s, .dst = rig_addr(dst)};
    ip_build(out, &m);
    u8 *t = out + hdr;
    memset(t, 0, 28);
    put16(t, 40000), put16(t + 2, 80), put32(t + 4, 0x12345678);
    t[12] = 7 << 4, t[13] = 2;
    put16(t + 14, 65535);
    t[20] = 1, t[21] = 2, t[22] = 4, put16(t + 23, mss), t[25] = 1, t[26] = 1,
    t[27] = 0; /* MSS at an odd offset */
    put16(t + 16, ip_fold(ip_sum(ip_pseudo_sum(out, 6, 28), t, 28)));
    return hdr + 28;
}

bool rig_l4_checksum_ok(const u8 *ip)
{
    struct ip_view v;
    if (ip_decode(&v, ip, 65535) != IP_OK) {
        return false;
    }
    u32 n = (u32)(v.total - v.l4);
    u32 sum = v.proto == 1 ? 0 : ip_pseudo_sum(ip, v.proto, n);
    bool hdr = v.version == 6 || ip_fold(ip_sum(0, ip, v.l4)) == 0;
    return hdr && ip_fold(ip_sum(sum, ip + v.l4, n)) == 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

u8 *rig_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "cannot open %s\n", path);
        abort();
    }
    u8 *b = xcalloc(1, 1 << 20);
    *len = fread(b, 1, 1 << 20, f);
    fclose(f);
    return b;
}

const char *rig_vectors(void)
{
    const char *v = getenv("ADIT_VECTORS");
    return v ? v : "tests/vectors";
}

static u32 le32(const u8 *p)
{
    return (u32)p[3] << 24 | (u32)p[2] << 16 | (u32)p[1] << 8 | p[0];
}

/* Skips the link header. */
static void link_packet(u32 link, const u8 *b, size_t len, void (*fn)(void *, const u8 *, size_t),
                        void *ctx)
{
    size_t skip = link == 1 ? 14 : link == 0 ? 4 : link == 113 ? 16 : 0;
    if (link == 1 && len > 18 && be16(b + 12) == 0x8100) {
        skip = 18;
    }
    if (len > skip) {
        fn(ctx, b + skip, len - skip);
    }
}

void rig_pcap(const char *path, void (*fn)(void *ctx, const u8 *ip, size_t len), void *ctx)
{
    size_t len;
    u8 *b = rig_file(path, &len);
    bool ng = len > 28 && le32(b) == 0x0a0d0d0a, big = !ng && be32(b) == 0xa1b2c3d4;
    u32 link = ng ? 1 : big ? be32(b + 20) : le32(b + 20);
    for (size_t at = ng ? 0 : 24; at + 16 <= len;) {
        if (ng) {
            u32 type = le32(b + at), n = le32(b + at + 4);
            if (n < 12 || at + n > len) {
                break;
            }
            if (type == 1) {
                link = b[at + 8] | (u32)b[at + 9] << 8;
            } else if (type == 6 && le32(b + at + 20) <= n - 32) {
                link_packet(link, b + at + 28, le32(b + at + 20), fn, ctx);
            }
            at += n;
        } else {
            u32 n = big ? be32(b + at + 8) : le32(b + at + 8);
            if (at + 16 + n > len) {
                break;
            }
            link_packet(link & 0xffff, b + at + 16, n, fn, ctx);
            at += 16 + n;
        }
    }
    free(b);
}
