/*
 * numbers.c: the names of the ISAKMP numbers (IANA: isakmp-registry, ipsec-registry) and of our own
 * reasons for calling a message malformed. Names only; nothing is decided here.
 */
#include "wire/isakmp.h"

struct name {
    u16 number;
    const char *name;
};

static const char *look(const struct name *t, size_t num, u16 number)
{
    for (size_t i = 0; i < num; i++) {
        if (t[i].number == number) {
            return t[i].name;
        }
    }
    return "unknown";
}

const char *isakmp_reason_name(enum isakmp_reason r)
{
    static const char *const names[IW_NUM] = {
#define R(ID, name, text) [IW_##ID] = name,
        ISAKMP_REASONS(R)
#undef R
    };
    return r < IW_NUM ? names[r] : "unknown";
}

const char *isakmp_reason_text(enum isakmp_reason r)
{
    static const char *const texts[IW_NUM] = {
#define R(ID, name, text) [IW_##ID] = text,
        ISAKMP_REASONS(R)
#undef R
    };
    return r < IW_NUM ? texts[r] : "";
}

const char *isakmp_payload_name(u8 type)
{
    static const struct name t[] = {
        {PL_SA, "SA"},
        {PL_PROPOSAL, "PROPOSAL"},
        {PL_TRANSFORM, "TRANSFORM"},
        {PL_KE, "KE"},
        {PL_ID, "ID"},
        {PL_CERT, "CERT"},
        {PL_CR, "CERT_REQ"},
        {PL_HASH, "HASH"},
        {PL_SIG, "SIG"},
        {PL_NONCE, "NONCE"},
        {PL_NOTIFY, "NOTIFY"},
        {PL_DELETE, "DELETE"},
        {PL_VID, "vendor id"},
        {PL_ATTR, "ATTR"},
        {PL_NATD_V7, "NAT-D"},
        {PL_NATOA_V7, "NAT-OA"},
        {PL_NATD, "NAT-D"},
        {PL_NATOA, "NAT-OA"},
        {PL_NATD_DRAFT, "NAT-D"},
        {PL_NATOA_DRAFT, "NAT-OA"},
        {PL_FRAGMENT, "FRAGMENT"},
    };
    return look(t, ARRAY_LEN(t), type);
}

const char *isakmp_exchange_name(u8 exch)
{
    static const struct name t[] = {
        {XCH_BASE, "base"},
        {XCH_MAIN, "main mode"},
        {XCH_AUTH_ONLY, "authentication only"},
        {XCH_AGGRESSIVE, "aggressive mode"},
        {XCH_INFO, "informational"},
        {XCH_TRANSACTION, "transaction"},
        {XCH_QUICK, "quick mode"},
        {XCH_NEW_GROUP, "new group mode"},
    };
    return look(t, ARRAY_LEN(t), exch);
}

const char *isakmp_mode_name(u8 exch)
{
    static const struct name t[] = {
        {XCH_MAIN, "Main"},   {XCH_AGGRESSIVE, "Aggressive"},   {XCH_INFO, "Informational"},
        {XCH_QUICK, "Quick"}, {XCH_TRANSACTION, "Transaction"},
    };
    return look(t, ARRAY_LEN(t), exch);
}

const char *isakmp_notify_name(u16 type)
{
    static const struct name t[] = {
        {1, "INVALID_PAYLOAD_TYPE"},
        {2, "DOI_NOT_SUPPORTED"},
        {3, "SITUATION_NOT_SUPPORTED"},
        {4, "INVALID_COOKIE"},
        {5, "INVALID_MAJOR_VERSION"},
        {6, "INVALID_MINOR_VERSION"},
        {7, "INVALID_EXCHANGE_TYPE"},
        {8, "INVALID_FLAGS"},
        {9, "INVALID_MESSAGE_ID"},
        {10, "INVALID_PROTOCOL_ID"},
        {11, "INVALID_SPI"},
        {12, "INVALID_TRANSFORM_ID"},
        {13, "ATTRIBUTES_NOT_SUPPORTED"},
        {14, "PROPOSAL_NOT_CHOSEN"},
        {15, "BAD_PROPOSAL_SYNTAX"},
        {16, "PAYLOAD_MALFORMED"},
        {17, "INVALID_KEY_INFORMATION"},
        {18, "INVALID_ID_INFORMATION"},
        {19, "INVALID_CERT_ENCODING"},
        {20, "INVALID_CERTIFICATE"},
        {21, "CERT_TYPE_UNSUPPORTED"},
        {22, "INVALID_CERT_AUTHORITY"},
        {23, "INVALID_HASH_INFORMATION"},
        {24, "AUTHENTICATION_FAILED"},
        {25, "INVALID_SIGNATURE"},
        {26, "ADDRESS_NOTIFICATION"},
        {27, "NOTIFY_SA_LIFETIME"},
        {28, "CERTIFICATE_UNAVAILABLE"},
        {29, "UNSUPPORTED_EXCHANGE_TYPE"},
        {30, "UNEQUAL_PAYLOAD_LENGTHS"},
        {16384, "CONNECTED"},
        {24576, "RESPONDER_LIFETIME"},
        {24577, "REPLAY_STATUS"},
        {24578, "INITIAL_CONTACT"},
        {36136, "R_U_THERE"},
        {36137, "R_U_THERE_ACK"},
    };
    return look(t, ARRAY_LEN(t), type);
}

const char *isakmp_id_name(u8 type)
{
    static const struct name t[] = {
        {ID_IPV4_ADDR, "ID_IPV4_ADDR"},
        {ID_FQDN, "ID_FQDN"},
        {ID_USER_FQDN, "ID_USER_FQDN"},
        {ID_IPV4_SUBNET, "ID_IPV4_ADDR_SUBNET"},
        {ID_IPV6_ADDR, "ID_IPV6_ADDR"},
        {ID_IPV6_SUBNET, "ID_IPV6_ADDR_SUBNET"},
        {ID_IPV4_RANGE, "ID_IPV4_ADDR_RANGE"},
        {ID_IPV6_RANGE, "ID_IPV6_ADDR_RANGE"},
        {ID_DER_ASN1_DN, "ID_DER_ASN1_DN"},
        {ID_DER_ASN1_GN, "ID_DER_ASN1_GN"},
        {ID_KEY_ID, "ID_KEY_ID"},
    };
    return look(t, ARRAY_LEN(t), type);
}

const char *isakmp_p1_attr_name(u16 type)
{
    static const struct name t[] = {
        {P1_ENCR, "encryption"},       {P1_HASH, "hash"},
        {P1_AUTH, "authentication"},   {P1_GROUP, "group"},
        {P1_GROUP_TYPE, "group type"}, {P1_LIFE_TYPE, "life type"},
        {P1_LIFE, "life duration"},    {P1_PRF, "prf"},
        {P1_KEY_LEN, "key length"},
    };
    return look(t, ARRAY_LEN(t), type);
}

const char *isakmp_p2_attr_name(u16 type)
{
    static const struct name t[] = {
        {P2_LIFE_TYPE, "SA life type"},
        {P2_LIFE, "SA life duration"},
        {P2_GROUP, "group"},
        {P2_ENCAPS, "encaps"},
        {P2_AUTH, "authenticator"},
        {P2_KEY_LEN, "key length"},
        {P2_KEY_ROUNDS, "key rounds"},
        {P2_ESN, "extended sequence numbers"},
    };
    return look(t, ARRAY_LEN(t), type);
}
