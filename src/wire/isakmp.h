/*
 * isakmp.h: ISAKMP messages as bytes (RFC 2408, RFC 2409, RFC 2407; NAT-D of RFC 3947). Read beside write.
 *
 *   ike_hdr.c      header, payload chain, the builder of outgoing messages
 *   ike_sa.c       SA payload: proposals, transforms, attributes
 *   ike_payload.c  the other payloads; isakmp_decode() reads a whole (decrypted) message
 *   numbers.c      names of the IANA numbers
 *
 * A decoder is pure: it borrows from the datagram, allocates nothing, and ends in a struct or in a fault that
 * names the reason and the byte range.
 */
#ifndef ADIT_ISAKMP_H
#define ADIT_ISAKMP_H

#include "wire/wire.h"

enum {
    ISAKMP_HDR = 28,
    ISAKMP_MAX = 8192, /* longest message we read or write */
    ISAKMP_MAX_PAYLOADS = 48,
    ISAKMP_MAX_PROPOSALS = 16,
    ISAKMP_MAX_TRANSFORMS = 64, /* over all proposals */
    ISAKMP_MAX_ATTRS = 24,      /* per transform */
    ISAKMP_MAX_VIDS = 24,
    ISAKMP_MAX_NOTIFY = 8,
    ISAKMP_MAX_DELETE = 8,
    ISAKMP_MAX_SPIS = 32,
    ISAKMP_MAX_NATD = 8,
    ISAKMP_MAX_CERTS = 16,
    ISAKMP_NONCE_MIN = 8, /* RFC 2409 5 */
    ISAKMP_NONCE_MAX = 256,
    ISAKMP_ID_MAX = 256,
};

/* ---- why a message is malformed: name, sentence ------------------------------------------------ */
#define ISAKMP_REASONS(R)                                                                                              \
    R(OK, "ok", "The message is well formed.")                                                                         \
    R(SHORT_HEADER, "header cut short", "A message has at least the 28 bytes of its header.")                          \
    R(VERSION, "version not spoken", "The major version must be 1 (IKEv1).")                                           \
    R(LENGTH, "length field wrong", "The length in the header must be the length of the datagram.")                    \
    R(FLAGS, "unknown flags", "Only the encryption, commit and authentication flags exist.")                           \
    R(COOKIE, "initiator cookie zero", "The initiator cookie must not be zero.")                                       \
    R(TOO_LONG, "message too long", "adit reads messages of at most 8192 bytes.")                                      \
    R(EMPTY, "no payload", "A message has at least one payload.")                                                      \
    R(PAYLOAD_CUT, "payload cut short", "A payload runs past the end of the message.")                                 \
    R(PAYLOAD_LENGTH, "payload length wrong", "A payload is at least as long as its own header.")                      \
    R(RESERVED, "reserved byte set", "The reserved byte of a payload header must be zero.")                            \
    R(TOO_MANY_PAYLOADS, "too many payloads", "adit reads at most 48 payloads in a message.")                          \
    R(TRAILING, "bytes after the last payload", "Nothing may follow the last payload of a clear message.")             \
    R(PADDING, "padding too long", "At most one cipher block of padding may follow the last payload.")                 \
    R(UNKNOWN_PAYLOAD, "unknown payload", "The payload type is not one of RFC 2408 or RFC 3947.")                      \
    R(DUPLICATE, "payload twice", "This payload may stand only once in a message.")                                    \
    R(TOO_MANY_SAME, "too many of one payload", "More payloads of one kind than adit reads.")                          \
    R(SA_SHORT, "SA payload cut short", "An SA payload has a DOI, a situation and at least one proposal.")             \
    R(SA_DOI, "DOI not IPsec", "The domain of interpretation must be 1 (IPsec) .")                                     \
    R(SA_SITUATION, "situation not spoken", "The situation must be 1 (SIT_IDENTITY_ONLY).")                            \
    R(PROPOSAL, "proposal malformed", "A proposal is cut short, or its next field is neither 0 nor 2.")                \
    R(PROPOSAL_COUNT, "too many proposals", "adit reads at most 16 proposals.")                                        \
    R(TRANSFORM, "transform malformed", "A transform is cut short, or its next field is neither 0 nor 3.")             \
    R(TRANSFORM_COUNT, "wrong number of transforms", "The count in the proposal is not the number of transforms.")     \
    R(SPI_SIZE, "SPI size wrong", "An SPI has 4 bytes for ESP and AH, 2 or 4 for IPComp, at most 16 for ISAKMP.")      \
    R(ATTR_CUT, "attribute cut short", "An attribute runs past the end of its transform.")                             \
    R(ATTR_COUNT, "too many attributes", "adit reads at most 24 attributes in a transform.")                           \
    R(KE_EMPTY, "key exchange empty", "A KE payload carries a public value.")                                          \
    R(NONCE_LENGTH, "nonce length wrong", "A nonce has 8 to 256 bytes (RFC 2409 5).")                                  \
    R(HASH_LENGTH, "hash length wrong", "A hash has 16 to 64 bytes.")                                                  \
    R(ID_SHORT, "identity cut short", "An identity has a type, a protocol and a port.")                                \
    R(ID_LENGTH, "identity length wrong", "The length of the identity does not fit its type.")                         \
    R(NOTIFY_SHORT, "notification cut short", "A notification is shorter than its fixed part and its SPI.")            \
    R(DELETE_SHORT, "delete cut short", "A delete payload is shorter than the SPIs it counts.")                        \
    R(DELETE_COUNT, "delete of too many", "adit reads at most 32 SPIs in a delete payload.")                           \
    R(NATD_LENGTH, "NAT-D length wrong", "A NAT-D payload carries a hash of 16 to 64 bytes.")                          \
    R(CERT_EMPTY, "certificate empty", "A CERT or CERTREQ payload begins with the encoding of what it carries.")       \
    R(SIG_EMPTY, "signature empty", "A SIG payload carries a signature.")

enum isakmp_reason {
#define R(ID, name, text) IW_##ID,
    ISAKMP_REASONS(R)
#undef R
        IW_NUM
};
const char *isakmp_reason_name(enum isakmp_reason r);
const char *isakmp_reason_text(enum isakmp_reason r);

struct isakmp_fault {
    enum isakmp_reason reason;
    u32 off, len; /* the bytes of the message that are wrong */
};

/* ---- numbers ------------------------------------------------------------------------------------ */

enum isakmp_payload_type {
    PL_NONE, PL_SA, PL_PROPOSAL, PL_TRANSFORM, PL_KE, PL_ID, PL_CERT, PL_CR, PL_HASH, PL_SIG, PL_NONCE, PL_NOTIFY,
    PL_DELETE, PL_VID, PL_ATTR, PL_NATD_V7 = 15, PL_NATOA_V7 = 16, PL_NATD = 20, PL_NATOA = 21,
    PL_NATD_DRAFT = 130, PL_NATOA_DRAFT = 131, PL_FRAGMENT = 132,
};
enum isakmp_exchange { XCH_BASE = 1, XCH_MAIN = 2, XCH_AUTH_ONLY = 3, XCH_AGGRESSIVE = 4, XCH_INFO = 5,
                       XCH_TRANSACTION = 6, XCH_QUICK = 32, XCH_NEW_GROUP = 33 };
enum isakmp_flag { FL_ENCRYPTED = 1, FL_COMMIT = 2, FL_AUTH_ONLY = 4 };
enum isakmp_proto { PROTO_ISAKMP = 1, PROTO_AH = 2, PROTO_ESP = 3, PROTO_IPCOMP = 4 };
enum isakmp_id_type { ID_IPV4_ADDR = 1, ID_FQDN, ID_USER_FQDN, ID_IPV4_SUBNET, ID_IPV6_ADDR, ID_IPV6_SUBNET,
                      ID_IPV4_RANGE, ID_IPV6_RANGE, ID_DER_ASN1_DN, ID_DER_ASN1_GN, ID_KEY_ID };
/* phase 1 attributes, RFC 2409 appendix A */
enum { P1_ENCR = 1, P1_HASH, P1_AUTH, P1_GROUP, P1_GROUP_TYPE, P1_LIFE_TYPE = 11, P1_LIFE = 12, P1_PRF = 13,
       P1_KEY_LEN = 14 };
/* phase 2 attributes, RFC 2407 4.5 */
enum { P2_LIFE_TYPE = 1, P2_LIFE, P2_GROUP, P2_ENCAPS, P2_AUTH, P2_KEY_LEN, P2_KEY_ROUNDS, P2_COMP_DICT,
       P2_COMP_ALG, P2_ECN, P2_ESN };
enum { LIFE_SECONDS = 1, LIFE_KILOBYTES = 2 };
enum { ENCAPS_TUNNEL = 1, ENCAPS_TRANSPORT = 2, ENCAPS_UDP_TUNNEL = 3, ENCAPS_UDP_TRANSPORT = 4 };
enum { TRANSFORM_KEY_IKE = 1 };
enum isakmp_notify_type {
    NTF_INVALID_PAYLOAD_TYPE = 1, NTF_INVALID_COOKIE = 4, NTF_INVALID_EXCHANGE_TYPE = 7, NTF_INVALID_SPI = 11,
    NTF_ATTRIBUTES_NOT_SUPPORTED = 13, NTF_NO_PROPOSAL_CHOSEN = 14, NTF_PAYLOAD_MALFORMED = 16, NTF_INVALID_KEY_INFORMATION = 17,
    NTF_INVALID_ID_INFORMATION = 18, NTF_INVALID_HASH_INFORMATION = 23, NTF_AUTHENTICATION_FAILED = 24,
    NTF_UNSUPPORTED_EXCHANGE_TYPE = 29,
    NTF_CONNECTED = 16384, NTF_RESPONDER_LIFETIME = 24576, NTF_REPLAY_STATUS = 24577, NTF_INITIAL_CONTACT = 24578,
    NTF_R_U_THERE = 36136, NTF_R_U_THERE_ACK = 36137,
};
/* Names; an unknown number gives "unknown". */
const char *isakmp_payload_name(u8 type);
const char *isakmp_exchange_name(u8 exch);
const char *isakmp_mode_name(u8 exch); /* "Main", "Aggressive", "Informational", "Quick" as syslog has it */
const char *isakmp_notify_name(u16 type);
const char *isakmp_id_name(u8 type);
const char *isakmp_p1_attr_name(u16 type);
const char *isakmp_p2_attr_name(u16 type);

struct isakmp_bytes {
    const u8 *p; /* borrowed */
    u16 len;
};

/* ---- header and chain (ike_hdr.c) --------------------------------------------------------------- */

struct isakmp_hdr {
    u8 cookie_i[8], cookie_r[8];
    u8 next, major, minor, exchange, flags;
    u32 msgid, length;
};
/* isakmp_hdr_read: the 28 bytes, checked against the datagram's length. */
NODISCARD struct isakmp_fault isakmp_hdr_read(struct isakmp_hdr *out, const u8 *p, size_t len);

struct isakmp_payload {
    u8 type, next;
    u16 len;        /* of the body, without the 4 bytes of the generic header */
    u16 off;        /* of the generic header in the message */
    const u8 *body; /* borrowed from the datagram */
};
struct isakmp_chain {
    unsigned num;
    struct isakmp_payload payload[ISAKMP_MAX_PAYLOADS];
    u16 end; /* offset behind the last payload: where padding starts */
};
/* isakmp_chain_read: the payload chain of a whole message; pad = bytes that may follow it (cipher block). */
NODISCARD struct isakmp_fault isakmp_chain_read(struct isakmp_chain *out, u8 first, const u8 *msg, size_t len,
                                                size_t pad);

/* The builder: payloads in order; each begin patches the next-payload field of the one before. */
struct isakmp_out {
    struct wr w;
    size_t next_off, begin;
};
void isakmp_out_init(struct isakmp_out *o, u8 *buf, size_t cap, const struct isakmp_hdr *hdr);
void isakmp_out_begin(struct isakmp_out *o, u8 type);
void isakmp_out_end(struct isakmp_out *o);
void isakmp_out_payload(struct isakmp_out *o, u8 type, const void *body, size_t len);
/* isakmp_out_pad: zeros to a whole block. isakmp_out_finish: patches the length; false when it overflowed. */
void isakmp_out_pad(struct isakmp_out *o, size_t block);
NODISCARD bool isakmp_out_finish(struct isakmp_out *o);

/* ---- SA payload (ike_sa.c) ----------------------------------------------------------------------- */

struct isakmp_transform {
    u8 number, id;
    u16 off, attrs_len;
    const u8 *attrs; /* borrowed; every attribute is known to be whole */
};
struct isakmp_proposal {
    u8 number, proto, spi_len;
    u8 first, num; /* its transforms in isakmp_sa.transform */
    const u8 *spi; /* borrowed */
};
struct isakmp_sa {
    const u8 *body; /* the payload body, as HASH_I covers it; borrowed */
    u16 body_len;
    unsigned num_proposals, num_transforms;
    struct isakmp_proposal proposal[ISAKMP_MAX_PROPOSALS];
    struct isakmp_transform transform[ISAKMP_MAX_TRANSFORMS];
};
NODISCARD struct isakmp_fault isakmp_sa_read(struct isakmp_sa *out, const struct isakmp_payload *pl);
struct isakmp_attr {
    u16 type;
    bool basic;  /* two-byte value (TV); else variable (TLV, VPI) */
    u8 len;      /* bytes of a variable value, 255 = longer than a number */
    u64 value;   /* number; UINT64_MAX when a variable value has more than 8 bytes */
};
/* isakmp_attr_next: walks the attributes of a transform that was read; false at the end. */
NODISCARD bool isakmp_attr_next(struct isakmp_attr *out, struct rd *r);

void isakmp_out_attr(struct wr *w, u16 type, u16 value);     /* basic */
void isakmp_out_attr_u32(struct wr *w, u16 type, u32 value); /* variable, 4 bytes */
/* A proposal is begun, gets its transforms, and is ended; last tells there is none behind it. */
struct isakmp_prop_out {
    size_t start, count_off, transform;
    u8 num;
};
void isakmp_out_sa(struct isakmp_out *o); /* begins an SA payload with DOI and situation */
void isakmp_out_proposal(struct isakmp_out *o, struct isakmp_prop_out *p, u8 number, u8 proto, const u8 *spi,
                         u8 spi_len);
void isakmp_out_transform(struct isakmp_out *o, struct isakmp_prop_out *p, u8 id);
/* The same with a number of one's own: an answer repeats the number of the transform it chose. */
void isakmp_out_transform_number(struct isakmp_out *o, struct isakmp_prop_out *p, u8 number, u8 id);
void isakmp_out_transform_end(struct isakmp_out *o, struct isakmp_prop_out *p);
void isakmp_out_proposal_end(struct isakmp_out *o, struct isakmp_prop_out *p, bool last);

/* ---- attribute payload of the transaction exchange (ike_cfg.c) ------------------------------------- */

enum isakmp_cfg_type { CFG_REQUEST = 1, CFG_REPLY, CFG_SET, CFG_ACK };
/* mode-cfg-05 3.3, then what Cisco's Unity adds, then xauth-02 */
enum {
    CA_IP4_ADDRESS = 1, CA_IP4_NETMASK, CA_IP4_DNS, CA_IP4_NBNS, CA_EXPIRY, CA_VERSION = 7, CA_IP4_SUBNET = 13,
    CA_BANNER = 28672, CA_SAVE_PASSWD, CA_DEF_DOMAIN, CA_SPLIT_DNS, CA_SPLIT_INCLUDE, CA_NATT_PORT, CA_LOCAL_LAN, CA_PFS,
    CA_XAUTH_TYPE = 16520, CA_XAUTH_USER, CA_XAUTH_PASSWORD, CA_XAUTH_PASSCODE, CA_XAUTH_MESSAGE, CA_XAUTH_CHALLENGE,
    CA_XAUTH_DOMAIN, CA_XAUTH_STATUS, CA_XAUTH_NEXT_PIN, CA_XAUTH_ANSWER,
};
enum { ISAKMP_CFG_ATTRS = 64 };
struct isakmp_cfg {
    u8 type; /* enum isakmp_cfg_type */
    u16 id;
    struct isakmp_bytes attrs; /* borrowed; every attribute is known to be whole */
};
struct isakmp_cfg_attr {
    u16 type;
    bool basic; /* value is a number; else data */
    u16 value;
    struct isakmp_bytes data; /* borrowed */
};
NODISCARD struct isakmp_fault isakmp_cfg_read(struct isakmp_cfg *out, const struct isakmp_payload *pl);
/* isakmp_cfg_next: walks attrs; false at the end. */
NODISCARD bool isakmp_cfg_next(struct isakmp_cfg_attr *out, struct rd *r);
/* isakmp_out_cfg: begins the payload; its attributes follow (isakmp_out_attr, isakmp_out_cfg_bytes), then isakmp_out_end. */
void isakmp_out_cfg(struct isakmp_out *o, u8 type, u16 id);
void isakmp_out_cfg_bytes(struct wr *w, u16 type, const void *data, size_t len);

/* ---- whole messages (ike_payload.c) --------------------------------------------------------------- */

struct isakmp_id {
    u8 type, proto, next;
    u16 port;
    struct isakmp_bytes data; /* the identification itself */
    struct isakmp_bytes body; /* with type, protocol and port: what a HASH covers */
};
struct isakmp_notify {
    u32 doi; /* 0 and 1 are both met */
    u8 proto, spi_len;
    u16 type;
    const u8 *spi;
    struct isakmp_bytes data;
};
/* Certificate Encoding, RFC 2408 3.9. */
enum { CERT_PKCS7 = 1, CERT_X509_SIG = 4, CERT_X509_KE = 5, CERT_CRL = 7, CERT_ARL = 8 };
struct isakmp_cert { /* of a CERT or CERTREQ payload */
    u8 encoding;
    struct isakmp_bytes data;
};
struct isakmp_delete {
    u8 proto, spi_len;
    u16 num;
    const u8 *spis; /* num * spi_len bytes */
};
/* Bits of isakmp_msg.seen and of the table's required/optional columns. */
enum { PB_SA = 1, PB_KE = 2, PB_NONCE = 4, PB_ID = 8, PB_HASH = 16, PB_NOTIFY = 32, PB_DELETE = 64, PB_VID = 128,
       PB_NATD = 256, PB_NATOA = 512, PB_CERT = 1024, PB_CR = 2048, PB_SIG = 4096, PB_ATTR = 8192 };
struct isakmp_msg {
    struct isakmp_hdr hdr;
    struct isakmp_chain chain;
    u32 seen; /* PB_ bits */
    struct isakmp_sa sa;
    struct isakmp_bytes ke, nonce, hash, sig;
    struct isakmp_bytes signed_part; /* what HASH(1) of phase 2 covers: all behind the first payload, no padding */
    unsigned num_ids, num_notify, num_delete, num_vids, num_natd;
    struct isakmp_id id[2];
    struct isakmp_notify notify[ISAKMP_MAX_NOTIFY];
    struct isakmp_delete del[ISAKMP_MAX_DELETE];
    struct isakmp_bytes vid[ISAKMP_MAX_VIDS];
    struct isakmp_bytes natd[ISAKMP_MAX_NATD];
    struct isakmp_cfg cfg;
    unsigned num_certs, num_crs;
    struct isakmp_cert cert[ISAKMP_MAX_CERTS], cr[ISAKMP_MAX_PAYLOADS]; /* some ask for every CA they know */
};
/* isakmp_decode: every payload of a clear (or decrypted) message. hdr was read before. block: cipher block, 0 clear. */
NODISCARD struct isakmp_fault isakmp_decode(struct isakmp_msg *out, const struct isakmp_hdr *hdr, const u8 *msg,
                                            size_t len, size_t block);
/* isakmp_id_again: an identity that was decoded before, from what was kept of it: its payload's body (borrowed). */
NODISCARD bool isakmp_id_again(struct isakmp_id *out, const u8 *body, u16 len);
/* isakmp_id_prefix: the addresses an ID payload names; false for a type that names none (FQDN, holes in a mask). */
NODISCARD bool isakmp_id_prefix(struct prefix *out, const struct isakmp_id *id);
void isakmp_out_id(struct isakmp_out *o, u8 type, u8 proto, u16 port, const void *data, size_t len);
/* isakmp_out_id_prefix: ADDR for one host, else SUBNET; body is what was written (borrowed from the buffer). */
void isakmp_out_id_prefix(struct isakmp_out *o, const struct prefix *p, u8 proto, u16 port);
/* isakmp_out_cert: a CERT or CERTREQ payload (PL_CERT, PL_CR). */
void isakmp_out_cert(struct isakmp_out *o, u8 type, u8 encoding, const void *data, size_t len);
void isakmp_out_notify(struct isakmp_out *o, u8 proto, u16 type, const void *spi, u8 spi_len, const void *data,
                       size_t len);
void isakmp_out_delete(struct isakmp_out *o, u8 proto, u8 spi_len, const void *spis, u16 num);

#endif
