/*
 * v1_cfg.c: the transaction exchange (draft-ietf-ipsec-isakmp-mode-cfg-05): a request and its reply, a set and its acknowledgement.
 * It carries extended authentication (draft-beaulieu-ike-xauth-02: phase 1 has proved the group, now the user proves himself) and the
 * configuration of clients. Handlers read the SA and the message and write their draft; answers read the message again. Every message
 * is proved by its hash. Rows: v1_table.c; who begins one: initiator.c, session.c.
 *
 *   XAUTH, we are the gateway:  REQUEST user, password -->  <-- REPLY   SET status -->  <-- ACK
 *   mode configuration:         <-- REQUEST address, ...    REPLY -->     or   SET address, ... -->  <-- ACK
 */
#include "ike/admission.h"
#include "ike/client.h"
#include "ike/unproved.h"
#include "ike/v1.h"

/* ---- reading ---- */

static bool hash_ok(const struct isakmp_msg *m, struct draft *d)
{
    u8 want[HASH_MAX];
    keys_hash_phase2(want, &d->sa, m->hdr.msgid, NULL, m->signed_part.p, m->signed_part.len);
    return draft_hash_is(m, want, d);
}

/* find: the attribute of that type; false: it is not there. */
static bool find(const struct isakmp_cfg *c, u16 type, struct isakmp_cfg_attr *out)
{
    struct rd r = rd_init(c->attrs.p, c->attrs.len);
    while (isakmp_cfg_next(out, &r)) {
        if (out->type == type) {
            return true;
        }
    }
    return false;
}

static bool is_xauth(const struct isakmp_cfg *c)
{
    struct rd r = rd_init(c->attrs.p, c->attrs.len);
    struct isakmp_cfg_attr a;
    while (isakmp_cfg_next(&a, &r)) {
        if (a.type >= CA_XAUTH_TYPE && a.type <= CA_XAUTH_ANSWER) {
            return true;
        }
    }
    return false;
}

/* text: what a client says, as text that can be compared and shown; false: it does not fit, or does not print. */
static bool text(char *out, size_t cap, const struct isakmp_cfg_attr *a)
{
    if (a->basic || a->data.len >= cap) {
        return false;
    }
    for (u16 i = 0; i < a->data.len; i++) {
        if (a->data.p[i] < ' ' || a->data.p[i] == 127) {
            return false;
        }
        out[i] = (char)a->data.p[i];
    }
    out[a->data.len] = 0;
    return true;
}

/* ---- extended authentication, we are the gateway ---- */

static const struct ike_user_value *user_named(const struct ike *ike, const char *name)
{
    for (const struct conf_user *u = ike->conf->users; u; u = u->next) {
        if (strcmp(u->v.name, name) == 0) {
            return &u->v;
        }
    }
    return NULL;
}

/* check_user: the reply to our question. A user that is not there costs what one with a wrong password does. */
static bool check_user(const struct ike *ike, const struct ike_sa *sa, const struct isakmp_cfg *c, struct draft *d)
{
    static const struct ike_user_value nobody = {.type = 0, .text = "no user has this password, nor could he type it\x01"};
    struct isakmp_cfg_attr a;
    char password[IKE_ID_TEXT] = "";
    bool whole = find(c, CA_XAUTH_USER, &a) && text(d->sa.user, sizeof d->sa.user, &a) &&
                 find(c, CA_XAUTH_PASSWORD, &a) && text(password, sizeof password, &a);
    const struct ike_client_value *asks = profile_client(ike, sa->c.profile, &sa->local.a);
    const struct ike_user_value *u = whole && asks && asks->users ? user_named(ike, d->sa.user) : NULL;
    const struct ike_user_value *against = u ? u : ike->conf->users ? &ike->conf->users->v : &nobody;
    bool ok = password_check(against->type, against->text, password) && u;
    mem_wipe(password, sizeof password);
    return ok;
}

/* answered: what came to a request or a set of ours. */
static enum verdict answered(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                             struct draft *d)
{
    if (m->cfg.type == CFG_REPLY && sa->c.xauth == XAUTH_ASKED) {
        if (core_unproved(&sa->c) && !budget_take(ike, BUDGET_PASSWORD, &sa->remote.a)) { /* anybody may try passwords, and looking at one costs */
            draft_why(d, WHY_LIMIT, "so many passwords came from this network, by hybrid authentication, that no more are looked at this second");
            return V_DROP;
        }
        bool ok = check_user(ike, sa, &m->cfg, d);
        d->sa.xauth = ok ? XAUTH_RIGHT : XAUTH_WRONG;
        if (ok && !admission_proved(ike, sa, &d->sa, d)) {
            return V_DROP;
        }
        if (ok) {
            ev_ike_xauth_ok(ike->log, sa->c.conn_id, &sa->remote.a, &(struct evb_ike_xauth_ok){.user = ev_str(d->sa.user)});
        }
        d->effects = EF_XAUTH;
        return V_NEXT;
    }
    if (m->cfg.type == CFG_ACK && sa->c.xauth == XAUTH_RIGHT) {
        d->sa.xauth = XAUTH_DONE;
        d->sa.phase = PHASE_READY;
        d->effects = EF_READY;
        return V_NEXT;
    }
    if (m->cfg.type == CFG_ACK && sa->c.xauth == XAUTH_WRONG) {
        d->effects = EF_XAUTH; /* it has heard it: the SA goes */
        return V_NEXT;
    }
    if (m->cfg.type == CFG_ACK && sa->c.push != PUSH_NONE) { /* what it takes stands in it, without a value (mode-cfg 3.2) */
        struct isakmp_cfg_attr a;
        bool taken = find(&m->cfg, CA_IP4_ADDRESS, &a) || client_uses(ike, sa) || sa->c.push == PUSH_TAKEN; /* it had asked */
        d->sa.push = taken ? PUSH_TAKEN : PUSH_REFUSED;
        d->effects = d->sa.push == PUSH_REFUSED ? EF_XAUTH : 0;
        return V_NEXT;
    }
    draft_why(d, WHY_UNEXPECTED, "a transaction of type %u is no answer to ours", m->cfg.type);
    return V_FAIL;
}

enum verdict cfg_i2(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                    struct draft *d)
{
    return hash_ok(m, d) ? answered(ike, sa, m, d) : V_DROP;
}

/* ---- the peer begins ---- */

static const struct ike_peer_value *credentials(const struct ike *ike, const struct ike_sa *sa)
{
    const struct ike_peer_value *p = profile_peer(ike, &sa->remote.a);
    return p && p->user[0] && sa->c.xauth == XAUTH_CLIENT ? p : NULL;
}

/* give_address: its client's, of the pool of the group; false: none is free. */
static bool give_address(struct ike *ike, const struct ike_sa *sa, struct draft *d, const struct conf_group *g)
{
    if (!lease_take(ike, &g->v, sa, &d->sa, &d->sa.client)) {
        return false;
    }
    ev_ike_client(ike->log, sa->c.conn_id, &sa->remote.a,
                  &(struct evb_ike_client){.address = d->sa.client, .user = ev_str(d->sa.user)});
    return true;
}

/* pushed: the address of a set; false: it has none, or one that nobody can have. */
static bool pushed(const struct isakmp_cfg *c, struct addr *out)
{
    struct isakmp_cfg_attr a;
    if (!find(c, CA_IP4_ADDRESS, &a) || a.basic || a.data.len != 4) {
        return false;
    }
    *out = addr_v4(be32(a.data.p));
    return a.data.p[0] != 0 && a.data.p[0] != 127 && a.data.p[0] < 224;
}

/* configured: a configuration is pushed to us. What is not taken is not acknowledged; it stays one that we have. */
static enum verdict configured(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d)
{
    struct addr a;
    const char *why = !sa->c.initiator || !profile_configured(ike, &sa->remote.a) ? "the peer wants to configure this end, and nothing says that it is our gateway"
                      : !pushed(&m->cfg, &a)                                       ? "the gateway gives no address, or one that nobody can have"
                      : sa->c.client.family && !addr_equal(&sa->c.client, &a)      ? "the gateway gives another address than before"
                                                                                   : NULL;
    if (sa->c.xauth == XAUTH_CLIENT) {
        draft_why(d, WHY_UNEXPECTED, "the gateway wants to configure us before it has said that our user is the right one");
        return V_DROP;
    }
    if (why) { /* an answer it gets all the same: that nothing was taken */
        report(ike, NULL, &sa->remote.a, XCH_TRANSACTION, WHY_CONFIG, why);
        return V_NEXT;
    }
    d->sa.client = a;
    d->sa.push = PUSH_TAKEN;
    if (!sa_ready(sa)) {
        ev_ike_configured(ike->log, sa->c.conn_id, &sa->remote.a, &(struct evb_ike_configured){.address = a});
        d->sa.phase = PHASE_READY;
        d->effects = EF_READY;
    }
    return V_NEXT;
}

enum verdict cfg_r1(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                    struct draft *d)
{
    struct isakmp_cfg_attr a;
    bool xauth = is_xauth(&m->cfg);
    if (!hash_ok(m, d)) {
        return V_DROP;
    }
    if (m->cfg.type == CFG_SET && !sa->c.initiator && !sa_ready(sa)) {
        draft_why(d, WHY_NOT_AUTH, "it wants to configure this end before its user has proved himself");
        return V_DROP;
    }
    if (m->cfg.type == CFG_REQUEST && xauth && !credentials(ike, sa)) {
        draft_why(d, WHY_XAUTH, "the peer asks for a user and a password, and none are configured for it");
        return V_DROP;
    }
    if (m->cfg.type == CFG_REQUEST && !xauth && !sa_ready(sa)) {
        draft_why(d, WHY_XAUTH, "it asks to be configured before its user has proved himself");
        return V_DROP;
    }
    if (m->cfg.type == CFG_SET && xauth && sa->c.xauth == XAUTH_CLIENT && find(&m->cfg, CA_XAUTH_STATUS, &a)) {
        bool ok = a.basic && a.value == 1, ready = ok && !profile_configured(ike, &sa->remote.a);
        d->sa.xauth = ok ? XAUTH_DONE : XAUTH_WRONG;
        d->sa.phase = ready ? PHASE_READY : d->sa.phase;
        d->effects = ready ? EF_READY : ok ? 0 : EF_XAUTH;
        return V_NEXT;
    }
    if (m->cfg.type == CFG_SET && !xauth) {
        return configured(ike, sa, m, d);
    }
    if (m->cfg.type != CFG_REQUEST && m->cfg.type != CFG_SET) {
        draft_why(d, WHY_UNEXPECTED, "a transaction of type %u begins nothing", m->cfg.type);
        return V_DROP;
    }
    if (m->cfg.type == CFG_REQUEST && !xauth && find(&m->cfg, CA_IP4_ADDRESS, &a)) {
        const struct conf_group *g = group_of(ike, sa, false);
        if (!g || !give_address(ike, sa, d, g)) {
            draft_why(d, WHY_NO_ADDRESS, g ? "every address of the pool of group %s is in use" : "no client configuration group is called %s, or none is answered there",
                      g ? g->v.name : d->sa.peer_name);
            return V_DROP;
        }
        d->sa.push = sa->c.push == PUSH_SENT ? PUSH_TAKEN : sa->c.push; /* it knows it now */
    }
    return V_NEXT;
}

static void write_addr(struct wr *w, u16 type, const struct addr *a)
{
    if (a->family == AF_V4) {
        isakmp_out_cfg_bytes(w, type, a->b, 4);
    }
}

/* write_splits: networks that a client sends through the tunnel, all others past it (Unity): address, mask, and six bytes. */
static void write_splits(struct wr *w, const struct conf_group *g)
{
    u8 b[14 * IKE_MAX_SPLITS] = {0};
    size_t n = 0;
    for (const struct conf_split *s = g->splits; s && n + 14 <= sizeof b; s = s->next, n += 14) {
        struct addr mask = addr_mask(AF_V4, s->v.net.len);
        memcpy(b + n, s->v.net.a.b, 4);
        memcpy(b + n + 4, mask.b, 4);
    }
    if (n) {
        isakmp_out_cfg_bytes(w, CA_SPLIT_INCLUDE, b, n);
    }
}

static void write_text(struct wr *w, u16 type, const char *s)
{
    if (s[0]) {
        isakmp_out_cfg_bytes(w, type, s, strlen(s));
    }
}

/* write_one: the value of one attribute that was asked for; nothing when we have none. */
static void write_one(struct wr *w, u16 type, const struct conf_group *g, const struct draft *d)
{
    static const struct addr host_mask = {.family = AF_V4, .b = {255, 255, 255, 255}};
    switch (type) {
    case CA_IP4_ADDRESS: write_addr(w, type, &d->sa.client); break;
    case CA_IP4_NETMASK: write_addr(w, type, g->v.netmask.family ? &g->v.netmask : &host_mask); break;
    case CA_IP4_DNS:
        write_addr(w, type, &g->v.dns[0]);
        write_addr(w, type, &g->v.dns[1]);
        break;
    case CA_IP4_NBNS:
        write_addr(w, type, &g->v.nbns[0]);
        write_addr(w, type, &g->v.nbns[1]);
        break;
    case CA_VERSION: write_text(w, type, "adit " ADIT_VERSION); break;
    case CA_BANNER: write_text(w, type, g->v.banner); break;
    case CA_DEF_DOMAIN: write_text(w, type, g->v.domain); break;
    case CA_SAVE_PASSWD: isakmp_out_attr(w, type, g->v.save_password); break;
    case CA_PFS: isakmp_out_attr(w, type, g->v.pfs); break;
    case CA_SPLIT_INCLUDE: write_splits(w, g); break;
    case CA_LOCAL_LAN:
        if (g->v.include_local_lan) {
            isakmp_out_attr(w, type, 1);
        }
        break;
    default: break;
    }
}

/* write_push: all that the group has; Unity's to whom speaks of it. False: there is no address. */
static bool write_push(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    static const u16 told[] = {CA_IP4_ADDRESS, CA_IP4_NETMASK, CA_IP4_DNS, CA_IP4_NBNS, CA_BANNER, CA_SAVE_PASSWD, CA_DEF_DOMAIN,
                               CA_SPLIT_INCLUDE, CA_LOCAL_LAN, CA_PFS};
    const struct conf_group *g = group_of(ike, sa, true);
    if (!g || !give_address(ike, sa, d, g)) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_LEN(told); i++) {
        if (told[i] < CA_BANNER || (sa->c.vids & VB_UNITY)) {
            write_one(&d->out.w, told[i], g, d);
        }
    }
    d->sa.push = PUSH_SENT;
    return true;
}

bool cfg_out_1(struct ike *ike, const struct ike_sa *sa, struct draft *d, void *arg)
{
    enum cfg_ask ask = *(const enum cfg_ask *)arg;
    bool request = ask == ASK_USER;
    keys_iv_phase2(&d->x.iv, &d->sa, &sa->main.c.iv, d->x.msgid);
    size_t start = draft_begin_hashed(d);
    isakmp_out_cfg(&d->out, request ? CFG_REQUEST : CFG_SET, (u16)env_random_u32(ike->clock));
    if (request) {
        isakmp_out_attr(&d->out.w, CA_XAUTH_TYPE, 0); /* generic */
        isakmp_out_cfg_bytes(&d->out.w, CA_XAUTH_USER, NULL, 0);
        isakmp_out_cfg_bytes(&d->out.w, CA_XAUTH_PASSWORD, NULL, 0);
        d->sa.xauth = XAUTH_ASKED;
    } else if (ask != PUSH_CONFIG) {
        isakmp_out_attr(&d->out.w, CA_XAUTH_STATUS, ask == SAY_RIGHT);
    } else if (!write_push(ike, sa, d)) {
        return false;
    }
    isakmp_out_end(&d->out);
    draft_end_hashed(d, start, NULL);
    return true;
}

/* write_reply: what was asked for, each thing once. */
static void write_reply(struct ike *ike, const struct ike_sa *sa, struct draft *d, const struct isakmp_cfg *c)
{
    const struct conf_group *g = group_of(ike, sa, false);
    struct rd r = rd_init(c->attrs.p, c->attrs.len);
    struct isakmp_cfg_attr a, before;
    while (g && isakmp_cfg_next(&a, &r)) {
        if (!find(c, a.type, &before) || before.data.p == a.data.p || a.basic) {
            write_one(&d->out.w, a.type, g, d);
        }
    }
}

static void write_credentials(struct draft *d, const struct isakmp_cfg *c, const struct ike_peer_value *p)
{
    struct isakmp_cfg_attr a;
    if (find(c, CA_XAUTH_TYPE, &a)) {
        isakmp_out_attr(&d->out.w, CA_XAUTH_TYPE, a.value);
    }
    write_text(&d->out.w, CA_XAUTH_USER, p->user);
    isakmp_out_cfg_bytes(&d->out.w, CA_XAUTH_PASSWORD, p->password.b, p->password.len);
}

/* acknowledge: a set: every attribute that was taken, without a value. Of a configuration that is the address. */
static void acknowledge(struct draft *d, const struct isakmp_cfg *c)
{
    struct rd r = rd_init(c->attrs.p, c->attrs.len);
    struct isakmp_cfg_attr a;
    struct addr given;
    bool address = d->sa.push == PUSH_TAKEN && pushed(c, &given) && addr_equal(&given, &d->sa.client);
    while (isakmp_cfg_next(&a, &r)) {
        if (a.type == CA_XAUTH_STATUS && a.basic) {
            isakmp_out_attr(&d->out.w, a.type, a.value);
        }
    }
    if (address) {
        isakmp_out_cfg_bytes(&d->out.w, CA_IP4_ADDRESS, NULL, 0);
    }
}

void cfg_out_2(struct ike *ike, const struct ike_sa *sa, struct draft *d)
{
    const struct isakmp_cfg *c = &d->m->cfg;
    const struct ike_peer_value *p = is_xauth(c) ? credentials(ike, sa) : NULL;
    size_t start = draft_begin_hashed(d);
    isakmp_out_cfg(&d->out, c->type == CFG_SET ? CFG_ACK : CFG_REPLY, c->id);
    if (c->type == CFG_SET) {
        acknowledge(d, c);
    } else if (p) {
        write_credentials(d, c, p);
    } else {
        write_reply(ike, sa, d, c);
    }
    isakmp_out_end(&d->out);
    draft_end_hashed(d, start, NULL);
}
