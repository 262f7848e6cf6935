/*
 * v1_table.c: IKEv1 as a table: which message may come in which state, what it must hold, who handles it, what
 * comes next. The engine reads it; a new exchange is a new group of rows here and its handlers.
 *
 * Main mode with a pre-shared key (RFC 2409 5.4)     Quick mode (RFC 2409 5.5)
 *
 *   Initiator                 Responder                Initiator                        Responder
 *   HDR, SA            -->                             HDR*, HASH(1), SA, Ni
 *                      <--    HDR, SA                    [, KE ] [, IDci, IDcr ] -->
 *   HDR, KE, Ni        -->                                                       <--    HDR*, HASH(2), SA, Nr
 *                      <--    HDR, KE, Nr                                               [, KE ] [, IDci, IDcr ]
 *   HDR*, IDii, HASH_I -->                             HDR*, HASH(3)             -->
 *                      <--    HDR*, IDir, HASH_R
 *                                                    Informational (RFC 2409 5.7)
 *                                                      HDR*, HASH(1), N/D        -->
 */
#include "ike/ike_int.h"

#define ALWAYS (PB_VID | PB_NOTIFY)

static const struct row rows[] = {
    /* main mode, responder */
    {XS_READY, ROLE_R, XCH_MAIN, PB_SA, ALWAYS, false, mm_r1, mm_out_2, XS_R_MM1, XS_R_MM2,
     TM_REPLY, TR_MM, "<-- HDR, SA: choose a transform, answer HDR, SA"},
    {XS_R_MM2, ROLE_R, XCH_MAIN, PB_KE | PB_NONCE, ALWAYS | PB_NATD | PB_CR, false, mm_r3, mm_out_4,
     XS_R_MM3, XS_R_MM4, TM_REPLY, TR_MM_TIGHT,
     "<-- HDR, KE, Ni: derive the keys, answer HDR, KE, Nr"},
    {XS_R_MM4, ROLE_R, XCH_MAIN, PB_ID | PB_HASH, ALWAYS | PB_CR, true, mm_r5, mm_out_6, XS_R_MM5,
     XS_P1_COMPLETE, TM_REPLY, TR_MM,
     "<-- HDR*, IDii, HASH_I: check who it is, answer HDR*, IDir, HASH_R"},
    /* main mode, initiator */
    {XS_I_MM1, ROLE_I, XCH_MAIN, PB_SA, ALWAYS, false, mm_i2, mm_out_3, XS_I_MM2, XS_I_MM3,
     TM_RESEND, TR_MM, "<-- HDR, SA: is it what we offered, send HDR, KE, Ni"},
    {XS_I_MM3, ROLE_I, XCH_MAIN, PB_KE | PB_NONCE, ALWAYS | PB_NATD | PB_CR, false, mm_i4, mm_out_5,
     XS_I_MM4, XS_I_MM5, TM_RESEND, TR_MM,
     "<-- HDR, KE, Nr: derive the keys, send HDR*, IDii, HASH_I"},
    {XS_I_MM5, ROLE_I, XCH_MAIN, PB_ID | PB_HASH, ALWAYS | PB_CR, true, mm_i6, NULL, XS_I_MM6,
     XS_P1_COMPLETE, TM_NONE, TR_MM, "<-- HDR*, IDir, HASH_R: check who it is; phase 1 is done"},
    /* quick mode */
    {XS_QM_READY, ROLE_R, XCH_QUICK, PB_HASH | PB_SA | PB_NONCE, ALWAYS | PB_KE | PB_ID | PB_NATOA,
     true, qm_r1, qm_out_2, XS_QM_SPI_STARVE, XS_QM_R_QM2, TM_RESEND, TR_QM_FIRST,
     "<-- HDR*, HASH(1), SA, Ni: find flow and transform, answer HDR*, HASH(2), SA, Nr"},
    {XS_QM_R_QM2, ROLE_R, XCH_QUICK, PB_HASH, ALWAYS, true, qm_r3, NULL, XS_QM_R_QM2,
     XS_QM_PHASE2_COMPLETE, TM_NONE, TR_QM_LAST,
     "<-- HDR*, HASH(3): the peer has the keys; the outbound SA goes up"},
    {XS_QM_I_QM1, ROLE_I, XCH_QUICK, PB_HASH | PB_SA | PB_NONCE, ALWAYS | PB_KE | PB_ID | PB_NATOA,
     true, qm_i2, qm_out_3, XS_QM_I_QM1, XS_QM_PHASE2_COMPLETE, TM_REPLY, TR_QM_LAST,
     "<-- HDR*, HASH(2), SA, Nr: is it what we offered, both SAs go up, send HDR*, HASH(3)"},
    /* informational: one message, no answer in the exchange */
    {XS_INFO, ROLE_ANY, XCH_INFO, PB_HASH, PB_NOTIFY | PB_DELETE | PB_VID, true, info_in, NULL,
     XS_INFO, XS_INFO, TM_NONE, TR_NONE,
     "<-- HDR*, HASH(1), N/D: a protected notification or deletion"},
    {XS_INFO, ROLE_ANY, XCH_INFO, 0, PB_NOTIFY | PB_DELETE | PB_VID | PB_HASH, false, info_clear_in,
     NULL, XS_INFO, XS_INFO, TM_NONE, TR_NONE,
     "<-- HDR, N: anybody may have sent it; noted, never believed"},
};

const struct row *v1_rows(size_t *out_num)
{
    *out_num = ARRAY_LEN(rows);
    return rows;
}
