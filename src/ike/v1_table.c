/*
 * v1_table.c: IKEv1 as a table: which message may come in which state, what it must hold, who handles it, what
 * comes next. The engine reads it; a new exchange is a new group of rows here and its handlers.
 *
 * Main mode with a pre-shared key (RFC 2409 5.4);    Quick mode (RFC 2409 5.5)
 * with signatures (5.1) [CERT,] SIG stands for HASH
 *
 *   Initiator                 Responder                Initiator                        Responder
 *   HDR, SA            -->                             HDR*, HASH(1), SA, Ni
 *                      <--    HDR, SA                    [, KE ] [, IDci, IDcr ] -->
 *   HDR, KE, Ni        -->                                                       <--    HDR*, HASH(2), SA, Nr
 *                      <--    HDR, KE, Nr                                               [, KE ] [, IDci, IDcr ]
 *   HDR*, IDii, HASH_I -->                             HDR*, HASH(3)             -->
 *                      <--    HDR*, IDir, HASH_R
 *                                                    Informational (RFC 2409 5.7)
 * Aggressive mode with one                             HDR*, HASH(1), N/D        -->
 *   HDR, SA, KE, Ni, IDii -->
 *                      <--    HDR, SA, KE, Nr, IDir, HASH_R
 *   HDR[*], HASH_I     -->
 *                                                    Transaction (mode configuration, extended authentication)
 *                                                      HDR*, HASH, ATTR          -->
 *                                                                                <--    HDR*, HASH, ATTR
 */
#include "ike/v1.h"

#define ALWAYS (PB_VID | PB_NOTIFY)

static const struct exchange exchanges[] = {
    {XCH_MAIN, true, XS_READY, XS_READY, PHASE_HALF, WHY_UNEXPECTED},
    {XCH_AGGRESSIVE, true, XS_READY, XS_READY, PHASE_HALF, WHY_UNEXPECTED},
    {XCH_TRANSACTION, false, XS_CFG_READY, XS_CFG_READY, PHASE_AUTHED, WHY_NOT_AUTH},
    {XCH_QUICK, false, XS_QM_READY, XS_QM_READY, PHASE_READY, WHY_NOT_AUTH},
    {XCH_NEW_GROUP, false, XS_NGM, XS_NGM, PHASE_READY, WHY_NOT_AUTH},
    {XCH_INFO, false, XS_INFO, XS_INFO, PHASE_AUTHED, WHY_UNEXPECTED},
};

static const struct row rows[] = {
    /* main mode, responder */
    {XS_READY, ROLE_R, XCH_MAIN, IN_CLEAR, BY_ANY, PB_SA, ALWAYS, mm_r1, mm_out_2, XS_R_MM1, XS_R_MM2,
     PHASE_HALF, TM_REPLY, TR_MM, "<-- HDR, SA: choose a transform, answer HDR, SA"},
    {XS_R_MM2, ROLE_R, XCH_MAIN, IN_CLEAR, BY_ANY, PB_KE | PB_NONCE, ALWAYS | PB_NATD | PB_CR, mm_r3,
     mm_out_4, XS_R_MM3, XS_R_MM4, PHASE_KEYED, TM_REPLY, TR_MM_TIGHT,
     "<-- HDR, KE, Ni: derive the keys, answer HDR, KE, Nr"},
    {XS_R_MM4, ROLE_R, XCH_MAIN, ENCRYPTED, BY_HASH, PB_ID | PB_HASH, ALWAYS | PB_CR, mm_5_6, mm_out_6,
     XS_R_MM5, XS_P1_COMPLETE, PHASE_READY, TM_REPLY, TR_MM,
     "<-- HDR*, IDii, HASH_I: check who it is, answer HDR*, IDir, HASH_R"},
    {XS_R_MM4, ROLE_R, XCH_MAIN, ENCRYPTED, BY_SIG, PB_ID | PB_SIG, ALWAYS | PB_CR | PB_CERT, mm_5_6,
     mm_out_6, XS_R_MM5, XS_P1_COMPLETE, PHASE_READY, TM_REPLY, TR_MM,
     "<-- HDR*, IDii, [CERT,] SIG_I: check who it is, answer HDR*, IDir, [CERT,] SIG_R"},
    /* main mode, initiator */
    {XS_I_MM1, ROLE_I, XCH_MAIN, IN_CLEAR, BY_ANY, PB_SA, ALWAYS, mm_i2, mm_out_3, XS_I_MM2, XS_I_MM3,
     PHASE_HALF, TM_RESEND, TR_MM, "<-- HDR, SA: is it what we offered, send HDR, KE, Ni"},
    {XS_I_MM3, ROLE_I, XCH_MAIN, IN_CLEAR, BY_ANY, PB_KE | PB_NONCE, ALWAYS | PB_NATD | PB_CR, mm_i4,
     mm_out_5, XS_I_MM4, XS_I_MM5, PHASE_KEYED, TM_RESEND, TR_MM,
     "<-- HDR, KE, Nr: derive the keys, send HDR*, IDii, HASH_I"},
    {XS_I_MM5, ROLE_I, XCH_MAIN, ENCRYPTED, BY_HASH, PB_ID | PB_HASH, ALWAYS | PB_CR, mm_5_6, NULL, XS_I_MM6,
     XS_P1_COMPLETE, PHASE_READY, TM_NONE, TR_MM,
     "<-- HDR*, IDir, HASH_R: check who it is; phase 1 is done"},
    {XS_I_MM5, ROLE_I, XCH_MAIN, ENCRYPTED, BY_SIG, PB_ID | PB_SIG, ALWAYS | PB_CR | PB_CERT, mm_5_6,
     NULL, XS_I_MM6, XS_P1_COMPLETE, PHASE_READY, TM_NONE, TR_MM,
     "<-- HDR*, IDir, [CERT,] SIG_R: check who it is; phase 1 is done"},
    /* aggressive mode */
    {XS_READY, ROLE_R, XCH_AGGRESSIVE, IN_CLEAR, BY_ANY, PB_SA | PB_KE | PB_NONCE | PB_ID,
     ALWAYS | PB_CR, am_r1, am_out_2, XS_R_AM2, XS_R_AM2, PHASE_KEYED, TM_REPLY, TR_AM,
     "<-- HDR, SA, KE, Ni, IDii: choose, derive the keys, answer HDR, SA, KE, Nr, IDir, HASH_R"},
    {XS_R_AM2, ROLE_R, XCH_AGGRESSIVE, EITHER, BY_HASH, PB_HASH, ALWAYS | PB_NATD, am_r3, NULL,
     XS_R_AM2, XS_P1_COMPLETE, PHASE_READY, TM_NONE, TR_AM,
     "<-- HDR[*], HASH_I: check who it is; phase 1 is done"},
    {XS_R_AM2, ROLE_R, XCH_AGGRESSIVE, EITHER, BY_SIG, PB_SIG, ALWAYS | PB_NATD | PB_CR | PB_CERT,
     am_r3, NULL, XS_R_AM2, XS_P1_COMPLETE, PHASE_READY, TM_NONE, TR_AM,
     "<-- HDR[*], [CERT,] SIG_I: check who it is; phase 1 is done"},
    {XS_I_AM1, ROLE_I, XCH_AGGRESSIVE, IN_CLEAR, BY_ANY, PB_SA | PB_KE | PB_NONCE | PB_ID,
     ALWAYS | PB_CR | PB_NATD | PB_HASH | PB_SIG | PB_CERT, am_i2, am_out_3, XS_I_AM1, XS_P1_COMPLETE, PHASE_READY,
     TM_REPLY, TR_AM,
     "<-- HDR, SA, KE, Nr, IDir, HASH_R or SIG_R: derive the keys, check who it is, send HDR*, HASH_I or SIG_I"},
    /* transaction: extended authentication, configuration of clients */
    {XS_CFG_READY, ROLE_R, XCH_TRANSACTION, ENCRYPTED, BY_ANY, PB_HASH | PB_ATTR, ALWAYS, cfg_r1, cfg_out_2, XS_CFG_READY,
     XS_CFG_DONE, PHASE_HALF, TM_REPLY, TR_NONE, "<-- HDR*, HASH, ATTR: a request or a set, answer HDR*, HASH, ATTR"},
    {XS_CFG_ASKED, ROLE_I, XCH_TRANSACTION, ENCRYPTED, BY_ANY, PB_HASH | PB_ATTR, ALWAYS, cfg_i2, NULL, XS_CFG_ASKED,
     XS_CFG_DONE, PHASE_HALF, TM_NONE, TR_NONE, "<-- HDR*, HASH, ATTR: the reply or acknowledgement of ours"},
    /* quick mode */
    {XS_QM_READY, ROLE_R, XCH_QUICK, ENCRYPTED, BY_ANY, PB_HASH | PB_SA | PB_NONCE,
     ALWAYS | PB_KE | PB_ID | PB_NATOA, qm_r1, qm_out_2, XS_QM_SPI_STARVE, XS_QM_R_QM2, PHASE_HALF,
     TM_RESEND, TR_QM_FIRST,
     "<-- HDR*, HASH(1), SA, Ni: find flow and transform, answer HDR*, HASH(2), SA, Nr"},
    {XS_QM_R_QM2, ROLE_R, XCH_QUICK, ENCRYPTED, BY_ANY, PB_HASH, ALWAYS, qm_r3, NULL, XS_QM_R_QM2,
     XS_QM_PHASE2_COMPLETE, PHASE_HALF, TM_NONE, TR_QM_LAST,
     "<-- HDR*, HASH(3): the peer has the keys; the outbound SA goes up"},
    {XS_QM_I_QM1, ROLE_I, XCH_QUICK, ENCRYPTED, BY_ANY, PB_HASH | PB_SA | PB_NONCE,
     ALWAYS | PB_KE | PB_ID | PB_NATOA, qm_i2, qm_out_3, XS_QM_I_QM1, XS_QM_PHASE2_COMPLETE,
     PHASE_HALF, TM_REPLY, TR_QM_LAST,
     "<-- HDR*, HASH(2), SA, Nr: is it what we offered, both SAs go up, send HDR*, HASH(3)"},
    /* new group mode: refused, politely */
    {XS_NGM, ROLE_R, XCH_NEW_GROUP, ENCRYPTED, BY_ANY, PB_HASH | PB_SA, ALWAYS, ngm_in, NULL, XS_NGM, XS_NGM, PHASE_HALF,
     TM_NONE, TR_NONE, "<-- HDR*, HASH(1), SA: a group of the peer's own making"},
    /* informational: one message, no answer in the exchange */
    {XS_INFO, ROLE_ANY, XCH_INFO, ENCRYPTED, BY_ANY, PB_HASH, PB_NOTIFY | PB_DELETE | PB_VID, info_in, NULL,
     XS_INFO, XS_INFO, PHASE_HALF, TM_NONE, TR_NONE,
     "<-- HDR*, HASH(1), N/D: a protected notification or deletion"},
    {XS_INFO, ROLE_ANY, XCH_INFO, IN_CLEAR, BY_ANY, 0, PB_NOTIFY | PB_DELETE | PB_VID | PB_HASH,
     info_clear_in, NULL, XS_INFO, XS_INFO, PHASE_HALF, TM_NONE, TR_NONE,
     "<-- HDR, N: anybody may have sent it; noted, never believed"},
};

/* ---- how messages are protected: RFC 2409 appendix B, RFC 2408 3.1 ---- */

static void begin(const struct ike_sa *sa, struct xch_head *x)
{
    keys_iv_phase2(&x->iv, &sa->c, &sa->main.c.iv, x->msgid);
}

static bool open_cbc(struct draft *d, u8 *msg, size_t len)
{
    size_t n = len - ISAKMP_HDR;
    if (!ike_cbc(d->sa.encr, false, d->sa.key.b, d->x.iv.b, msg + ISAKMP_HDR, n)) {
        draft_why(d, WHY_GARBAGE, "bytes 28..%zu are %zu, wanted whole blocks of %u", len - 1, n,
                  encr_row(d->sa.encr)->block);
        return false;
    }
    return true;
}

static bool decode(struct draft *d, struct isakmp_msg *m, const struct isakmp_hdr *hdr,
                   const u8 *msg, size_t len, bool encrypted)
{
    size_t block = encrypted ? encr_row(d->sa.encr)->block : 0;
    struct isakmp_fault f = isakmp_decode(m, hdr, msg, len, block);
    if (f.reason == IW_OK) {
        return true;
    }
    if (encrypted) {
        draft_why(d, WHY_GARBAGE,
                  "%s in bytes %u..%u after decryption with %s; do the pre-shared keys differ?",
                  isakmp_reason_name(f.reason), f.off, f.off + MAX(f.len, 1) - 1,
                  encr_row(d->sa.encr)->human);
    } else {
        draft_why(d, WHY_MALFORMED, "%s in bytes %u..%u. %s", isakmp_reason_name(f.reason), f.off,
                  f.off + MAX(f.len, 1) - 1, isakmp_reason_text(f.reason));
    }
    return false;
}

static bool seal_cbc(struct draft *d)
{
    bool enc = (d->buf[19] & FL_ENCRYPTED) != 0;
    if (enc) {
        isakmp_out_pad(&d->out, encr_row(d->sa.encr)->block);
    }
    if (!isakmp_out_finish(&d->out)) {
        return false;
    }
    return !enc || ike_cbc(d->sa.encr, true, d->sa.key.b, d->x.iv.b, d->buf + ISAKMP_HDR,
                           wr_len(&d->out.w) - ISAKMP_HDR);
}

const struct version_ops ike_v1 = {.rows = rows,
                                   .num_rows = ARRAY_LEN(rows),
                                   .exchanges = exchanges,
                                   .num_exchanges = ARRAY_LEN(exchanges),
                                   .begin = begin,
                                   .open = open_cbc,
                                   .decode = decode,
                                   .seal = seal_cbc};
