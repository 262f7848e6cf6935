/*
 * v1.h: what the files of IKEv1 (RFC 2409) share with each other and with those that begin its exchanges. Handlers read the SA
 * and the message and write the draft; answers (…_out_…) write the draft's message. All of them are called by the rows of
 * v1_table.c or by initiator.c.
 */
#ifndef ADIT_IKE_V1_H
#define ADIT_IKE_V1_H

#include "ike/auth.h"
#include "ike/ike_int.h"

/* v1_phase1.c: for main and aggressive mode */
/* p1_choose: an offer of the peer's: which of our policies it meets, into the draft with our cookie. p1_answered: its choice of
 * our offer is one, into the draft. */
enum verdict p1_choose(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d);
enum verdict p1_answered(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d);
/* p1_keys: g^xy from the peer's value, then the SKEYID family, the cipher key and the first IV. False: why is in d. */
bool p1_keys(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, const struct dh *dh, struct draft *d);
/* p1_identity: who the peer says it is; p1_proved: and it is that one. */
bool p1_identity(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct bytes_id *out,
                 struct draft *d);
enum verdict p1_proved(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d);
/* v1_phase1_out.c: payloads behind the draft's header */
void p1_write_choice(struct draft *d); /* the transform p1_accept took, word for word */
bool p1_write_offer(struct ike *ike, struct draft *d, u32 have, u16 group); /* our policies; false: they do not fit */
void p1_our_value(struct ike *ike, const struct dh *dh, struct draft *d, struct bytes_big *ke, struct bytes_nonce *nonce);
void p1_write_ke(struct draft *d, const struct bytes_big *ke, const struct bytes_nonce *nonce);
/* p1_write_identity: our address, or what we are configured to say, protocol 17 port 500 as IOS sends it; id: what HASH_I or HASH_R covers of it. */
void p1_write_identity(struct ike *ike, const struct ike_sa *sa, struct draft *d, struct bytes_id *id);
void p1_write_proof(struct ike *ike, const struct ike_sa *sa, struct draft *d);
bool p1_greets(struct ike *ike, const struct ike_sa *sa, const struct draft *d); /* this one says INITIAL-CONTACT */
void p1_write_contact(struct draft *d);
void p1_our_cookie(struct ike *ike, u8 cookie[8]);

/* v1_main.c */
enum verdict mm_r1(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict mm_i2(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict mm_r3(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict mm_i4(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict mm_5_6(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
void mm_out_2(struct ike *, const struct ike_sa *, struct draft *);
void mm_out_3(struct ike *, const struct ike_sa *, struct draft *);
void mm_out_4(struct ike *, const struct ike_sa *, struct draft *);
void mm_out_5(struct ike *, const struct ike_sa *, struct draft *);
void mm_out_6(struct ike *, const struct ike_sa *, struct draft *);
bool mm_out_1(struct ike *, const struct ike_sa *, struct draft *, void *have);

/* v1_aggressive.c */
struct am_offer { /* for am_out_1 */
    u32 have;  /* methods (auth_bit) */
    u16 group; /* the only one that is offered */
    u16 auth;  /* the first method that is offered: our identity is said with that in mind */
};
bool am_out_1(struct ike *, const struct ike_sa *, struct draft *, void *am_offer);
enum verdict am_r1(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict am_i2(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict am_r3(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
void am_out_2(struct ike *, const struct ike_sa *, struct draft *);
void am_out_3(struct ike *, const struct ike_sa *, struct draft *);

/* v1_quick.c */
enum verdict qm_r1(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict qm_i2(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict qm_r3(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
void qm_out_2(struct ike *, const struct ike_sa *, struct draft *);
void qm_out_3(struct ike *, const struct ike_sa *, struct draft *);
bool qm_out_1(struct ike *, const struct ike_sa *, struct draft *, void *flow);

/* v1_cfg.c */
enum verdict cfg_r1(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict cfg_i2(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
void cfg_out_2(struct ike *, const struct ike_sa *, struct draft *);
bool cfg_out_1(struct ike *, const struct ike_sa *, struct draft *, void *cfg_ask);

/* v1_info.c */
enum verdict info_in(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict ngm_in(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
enum verdict info_clear_in(struct ike *, const struct ike_sa *, const struct isakmp_msg *, struct draft *);
/* info_early: a protected one before phase 1 is done: told, changes nothing. */
void info_early(struct ike *ike, struct ike_sa *sa, const struct isakmp_hdr *hdr, const u8 *data, size_t len);
/* info_effects: what a proved message asks for goes into the queue. */
void info_effects(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m);
struct info { /* one notification or deletion of ours */
    bool del;
    u8 proto, spi_len;
    u16 type;
    const void *spi, *data;
    size_t len;
};
bool info_out(struct ike *, const struct ike_sa *, struct draft *, void *info);
/* info_error_clear: an unprotected notification for a first message we refuse; never more bytes than came, and so
 * many a second. */
void info_error_clear(struct ike *ike, const struct endpoint *local, const struct endpoint *remote,
                      const struct isakmp_hdr *hdr, u16 type);

/* select.c: phase 1 */
struct p1_offer {
    u16 encr_id, key_bits, hash_id, auth, group;
    bool life_seen, life_vpi;
    u32 life_s;
    u16 surplus; /* an attribute we do not take part in, 0 = none */
};
void p1_read(struct p1_offer *out, const struct isakmp_transform *t);
const struct ike_policy_value *p1_select(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m,
                                         u32 have, unsigned *out_transform, u32 conn, struct draft *d);
bool p1_answer_ok(struct ike *ike, const struct ike_sa *sa, const struct isakmp_msg *m, struct draft *d);
void p1_write(struct ike *ike, u32 have, u16 group, struct isakmp_out *o);

/* v1_proposal.c: phase 2 */
struct p2_offer {
    u16 key_bits, auth_id, group, encaps;
    u8 mode; /* enum dp_mode that encaps is; 0: none that fits (p2_select) */
    bool life_seen, esn;
    u32 life_s;
    u64 life_kb;
    u16 surplus;
};
void p2_read(struct p2_offer *out, const struct isakmp_transform *t);
enum { P2_PROTOS = PROTO_IPCOMP + 1 };
/* What was chosen: of each protocol of the set a proposal of one number, and a transform of it. */
struct p2_choice {
    struct p2_part {
        bool there;
        unsigned proposal, transform;
        u32 spi; /* of IPComp: the CPI */
    } part[P2_PROTOS]; /* by enum isakmp_proto */
    struct p2_offer offer; /* of all of them, the shorter lives */
    struct ike_transform set;
};
bool p2_select(struct ike *ike, const struct ike_sa *sa, const struct ike_flow_value *f, const struct isakmp_msg *m,
               struct p2_choice *out, struct draft *d);
/* p2_trace: the debug lines of an offer. */
void p2_trace(struct ike *ike, const struct ike_sa *sa, const struct isakmp_sa *offer, unsigned proposal,
              unsigned transform);
/* Our inbound SPIs. spi: of ESP, and of AH that is alone; ah: of AH around ESP, 0: none; cpi: of IPComp. */
struct p2_spis {
    u32 spi, ah;
    u16 cpi;
};
/* p2_write: our offer. */
void p2_write(struct isakmp_out *o, const struct sa_core *c, const struct ike_flow_value *f, struct p2_spis s);
/* p2_is_bundle: AH around ESP. */
static inline bool p2_is_bundle(const struct ike_transform *t)
{
    return t->encr && t->ah;
}
/* p2_place: the numbers of proposal and transform under which our offer has a flow's nth set. */
void p2_place(const struct ike_flow_value *f, unsigned n, u8 *out_proposal, u8 *out_transform);
/* p2_keep: the chosen transforms, word for word; p2_repeat: as the answer, with our SPIs. False: too long. */
NODISCARD bool p2_keep(struct bytes_sa *out, const struct isakmp_sa *sa, const struct p2_choice *c);
void p2_repeat(struct isakmp_out *o, const struct bytes_sa *kept, struct p2_spis s);
/* proxy_read: the proxy identities of a message as our selector; false with why in the draft. */
bool proxy_read(struct selector *out, const struct isakmp_msg *m, bool we_initiated, struct draft *d);
void proxy_write(struct isakmp_out *o, struct bytes_id *idi, struct bytes_id *idr, const struct selector *sel);

#endif
