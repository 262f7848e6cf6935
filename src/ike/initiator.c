/*
 * initiator.c: the exchanges we begin: main and aggressive mode, quick mode, informational. Each makes the
 * exchange, has its first message written (v1_phase1_out.c, v1_quick.c, v1_info.c) and sent
 * (engine_start). Says why when it cannot begin; what follows from that is the caller's. RFC 2409
 * 5.4, 5.5, 5.7.
 */
#include "ike/admission.h"
#include "ike/v1.h"

/* ---- phase 1 ---- */

/* usable: a policy whose method we have what it takes for. NULL: none; *out_lacks: of one that has a method of ours. */
static const struct ike_policy_value *usable(const struct ike *ike, u32 have,
                                             const struct auth_method **out_lacks)
{
    *out_lacks = NULL;
    for (const struct conf_policy *p = ike->conf->policies; p; p = p->next) {
        if (auth_for(p->v.auth, have)) {
            return &p->v;
        }
        *out_lacks = *out_lacks ? *out_lacks : auth_lacks(p->v.auth);
    }
    return NULL;
}

struct ike_sa *p1_start(struct ike *ike, u32 flow, const struct addr *local,
                        const struct addr *remote, const char *profile, char why[START_WHY])
{
    char a[ADDR_STR];
    struct endpoint from = {*local, 500}, to = {*remote, 500};
    const struct auth_method *lacks;
    const struct ike_profile_value *p = profile_named(ike, profile);
    const struct far_end who = {*local, *remote, "", p && p->keyring[0] ? p->keyring : NULL, profile, true};
    bool aggressive = profile_aggressive(ike, profile, remote);
    if (profile[0] && !p) {
        snprintf(why, START_WHY, "isakmp profile %s does not exist", profile);
        report(ike, NULL, remote, XCH_MAIN, WHY_PROFILE, why);
        return NULL;
    }
    u32 have = auth_have(ike, &who);
    const struct ike_policy_value *first = usable(ike, have, &lacks);
    if (!first) {
        snprintf(why, START_WHY, "no %s is configured for %s%s%s",
                 lacks ? lacks->what : "ISAKMP policy", addr_str(a, remote),
                 who.keyring ? " in keyring " : "", who.keyring ? who.keyring : "");
        report(ike, NULL, remote, aggressive ? XCH_AGGRESSIVE : XCH_MAIN,
               lacks ? lacks->lacks : WHY_NO_PROPOSAL, why);
        return NULL;
    }
    if (!admission_begin(ike, local, remote, aggressive ? XCH_AGGRESSIVE : XCH_MAIN, why)) {
        return NULL;
    }
    const struct ike_sa *old = sa_under(ike, local, remote, profile); /* of one who has proved which machine he is */
    if (old && natt_udp(&old->c)) { /* renewed where it is: behind a NAT it can be reached by its mapping only */
        from = old->local;
        to = old->remote;
    }
    struct ike_sa *sa = sa_new(ike, &from, &to);
    sa->flow = flow;
    ev_ike_ke_msg(ike->log, 0, remote, &(struct evb_ike_ke_msg){.a = 1, .b = 1});
    ev_ike_profile_null(ike->log, 0, remote, &(struct evb_ike_profile_null){.flow = flow});
    sa->peer = peer_hold(ike, &from, &to, "isakmp_initiator");
    ev_ike_sa_insert(
        ike->log, 0, remote,
        &(struct evb_ike_sa_insert){.lport = from.port, .rport = to.port, .handle = sa_handle(sa)});
    struct am_offer offer = {have, first->group, auth_for(first->auth, have)->id};
    str_copy(sa->c.profile, sizeof sa->c.profile, profile);
    sa->main.c.exchange = aggressive ? XCH_AGGRESSIVE : XCH_MAIN;
    if (!(aggressive ? engine_start(ike, sa, &sa->main, am_out_1, &offer, XS_I_AM1, TM_RESEND)
                     : engine_start(ike, sa, &sa->main, mm_out_1, &have, XS_I_MM1, TM_RESEND))) {
        snprintf(why, START_WHY,
                 "phase 1 could not be started: the policies do not fit a message");
        sa_free(ike, sa);
        return NULL;
    }
    sa_link(ike, sa);
    return sa;
}

/* ---- quick mode ---- */

/* behind_last: phase 1's last message was ours and has just left. A peer with several threads may see what we begin now before
 * it has worked that one off, and then forgets it (strongSwan does): it is said once more, soon. */
static bool behind_last(const struct ike *ike, const struct ike_sa *sa)
{
    return sa->c.initiator && sa->main.c.exchange == XCH_AGGRESSIVE &&
           env_now_ms(ike->clock) - sa->c.authed_ms < BEHIND_LAST_MS;
}

bool qm_start(struct ike *ike, struct ike_sa *sa, struct flow *f)
{
    struct xch *x =
        xch_new(ike, sa, exchange_of(sa->version, XCH_QUICK), msgid_new(ike, sa), true);
    ev_ike_node_new(ike->log, sa->c.conn_id, &sa->remote.a,
                    &(struct evb_ike_node_new){.msgid = x->c.msgid});
    list_push_back(&sa->nodes, &x->link);
    if (!engine_start(ike, sa, x, qm_out_1, f, XS_QM_I_QM1, TM_RESEND)) {
        xch_free(ike, x);
        return false;
    }
    if (behind_last(ike, sa)) {
        x->rt.next_ms = env_now_ms(ike->clock) + BEHIND_LAST_MS;
        xch_arm(ike, x);
    }
    trace_input(ike, sa, sa->c.conn_id, x->c.msgid, "IKE_MESG_INTERNAL", "IKE_INIT_QM");
    trace_state(ike, sa->c.conn_id, &sa->remote.a, XS_QM_READY, XS_QM_I_QM1, true);
    return true;
}

/* ---- transaction ---- */

bool cfg_start(struct ike *ike, struct ike_sa *sa, enum cfg_ask ask)
{
    struct xch *x =
        xch_new(ike, sa, exchange_of(sa->version, XCH_TRANSACTION), msgid_new(ike, sa), true);
    ev_ike_node_new(ike->log, sa->c.conn_id, &sa->remote.a,
                    &(struct evb_ike_node_new){.msgid = x->c.msgid});
    list_push_back(&sa->nodes, &x->link);
    bool said = engine_start(ike, sa, x, cfg_out_1, &ask, XS_CFG_ASKED, TM_RESEND);
    if (!said) {
        xch_free(ike, x);
    }
    return said;
}

/* ---- informational: one message, nothing comes back in it ---- */

static void info_send(struct ike *ike, struct ike_sa *sa, struct info *n)
{
    if (!sa_authed(sa)) {
        return;
    }
    struct xch *x =
        xch_new(ike, sa, exchange_of(sa->version, XCH_INFO), msgid_new(ike, sa), true);
    ev_ike_node_new(ike->log, sa->c.conn_id, &sa->remote.a,
                    &(struct evb_ike_node_new){.msgid = x->c.msgid});
    engine_start(ike, sa, x, info_out, n, XS_INFO, TM_NONE);
    ev_ike_node_purge(ike->log, sa->c.conn_id, &sa->remote.a,
                      &(struct evb_ike_node_purge){.msgid = x->c.msgid});
    xch_free(ike, x);
}

void info_notify(struct ike *ike, struct ike_sa *sa, u8 proto, u16 type, const void *spi,
                 u8 spi_len, const void *data, size_t len)
{
    info_send(ike, sa,
              &(struct info){.proto = proto,
                             .type = type,
                             .spi = spi,
                             .spi_len = spi_len,
                             .data = data,
                             .len = len});
}

void info_notify_sa(struct ike *ike, struct ike_sa *sa, u16 type, const void *data, size_t len)
{
    u8 b[16]; /* RFC 2408 3.14: the SPI of an ISAKMP SA is both cookies */
    memcpy(b, sa->c.cookie_i, 8);
    memcpy(b + 8, sa->c.cookie_r, 8);
    info_notify(ike, sa, PROTO_ISAKMP, type, b, 16, data, len);
}

void info_delete_spi(struct ike *ike, struct ike_sa *sa, u8 proto, u32 spi)
{
    u8 b[4];
    put32(b, spi);
    info_send(ike, sa, &(struct info){.del = true, .proto = proto, .spi = b, .spi_len = 4});
}

void info_delete_sa(struct ike *ike, struct ike_sa *sa)
{
    u8 b[16];
    memcpy(b, sa->c.cookie_i, 8);
    memcpy(b + 8, sa->c.cookie_r, 8);
    info_send(ike, sa, &(struct info){.del = true, .proto = PROTO_ISAKMP, .spi = b, .spi_len = 16});
}
