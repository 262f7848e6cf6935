/*
 * reason.h: why a negotiation fails or a message is refused: THE list. Name, sentence; each row has an event
 * EV_IKE_FAIL_<ID> (events.def) that carries the exchange and the detail, a counter, and a test in tests/ladder.
 */
#ifndef ADIT_IKE_REASON_H
#define ADIT_IKE_REASON_H

#define IKE_REASONS(R)                                                                                                 \
    R(MALFORMED, "malformed message", "The bytes are no ISAKMP message; the detail names the byte range.")             \
    R(GARBAGE, "decryption gave garbage",                                                                              \
      "After decryption no payload chain stands there: the pre-shared keys differ, or the message was forged.")        \
    R(HASH, "message hash wrong", "The hash over a protected message is wrong: forged, or the keys differ.")           \
    R(PAYLOADS, "wrong payloads", "A payload this message needs is missing, or one has no place in it.")               \
    R(NO_SA, "no such SA", "No ISAKMP SA has these cookies; the peer still holds one we do not have.")                 \
    R(NOT_ENCRYPTED, "not encrypted", "A message that must be encrypted came in clear (or the other way round).")      \
    R(UNEXPECTED, "not expected now", "The message does not fit the state of its exchange.")                           \
    R(EXCHANGE, "exchange refused", "adit has no such exchange, or it is switched off.")                            \
    R(NO_PROPOSAL, "no common ISAKMP policy", "None of the offered ISAKMP transforms fits a policy.")                  \
    R(NO_TRANSFORM, "no common transform set", "None of the offered IPsec transforms fits a transform set.")           \
    R(PROXY, "proxy identities differ", "No flow with this peer has these proxy identities.")                          \
    R(NO_PSK, "no pre-shared key", "No pre-shared key is configured for this peer.")                                   \
    R(KEY_EXCHANGE, "bad public value", "The Diffie-Hellman public value has a wrong length or is refused.")           \
    R(NOT_OFFERED, "not offered or changed", "The answer holds something that was not offered.")                       \
    R(IDENTITY, "wrong identity", "The peer names an identity that its address and key do not belong to.")             \
    R(PROFILE, "isakmp profile does not fit",                                                                          \
      "The isakmp profile that is wanted here does not exist, does not take the peer's identity, or has another keyring.") \
    R(AUTH, "authentication failed", "The peer's authentication hash is wrong.")                                       \
    R(NOT_AUTH, "SA not authenticated", "A phase 2 message came before phase 1 was done.")                             \
    R(LIMIT, "too many half-open SAs", "More unfinished negotiations than adit keeps at a time.")                      \
    R(ADMISSION, "admission limit", "As many ISAKMP SAs stand, or are negotiated, as crypto call admission limit allows.") \
    R(TIMEOUT, "no answer", "The peer did not answer any of the retransmissions.")                                     \
    R(REFUSED, "refused by the peer", "The peer sent an error notification.")                                          \
    R(DISABLED, "ISAKMP is off", "crypto isakmp enable is not set.")                                                   \
    R(REPLAYED, "old message", "The message was seen before.")                                                         \
    R(STALE, "SA already deleted", "The message belongs to an SA that was deleted a moment ago.")                      \
    R(DEAD, "peer is dead", "The peer answered none of the R-U-THERE messages; its SAs were taken away.")              \
    R(SAID, "the peer says no, unproved", "A reason that seems to be the peer's, but anybody may have sent it.")       \
    R(LIKELY, "the peer says no, likely", "Sent under the keys of this negotiation before either end proved itself.")   \
    R(UNHEARD, "message 5 not answered",                                                                               \
      "The peer does not answer what proves us: the pre-shared keys differ, or it does not accept our identity or certificate.")      \
    R(XAUTH, "extended authentication failed",                                                                         \
      "The user is not known or has another password, or nothing is configured to answer with.")                         \
    R(NO_ADDRESS, "no address for a client", "The client belongs to no group with a pool, or every address of it is in use.") \
    R(CONFIG, "configuration refused", "The peer wants to configure this end, and nothing here says that it may, or not like that.") \
    R(CERT, "certificate refused", "The peer's certificate is not accepted; the detail says why, and of whom.")        \
    R(SIGNATURE, "signature wrong", "The peer's signature is not of the certificate it shows, or over something else.") \
    R(NO_CERT, "no certificate of our own",                                                                            \
      "Signatures are to authenticate, and no trustpoint has a certificate, its key and its CA's certificate.")        \
    R(MOVED, "peer is elsewhere",                                                                                       \
      "A NAT gave the peer another address, and its pairs cannot follow: no ISAKMP SA with it lives.")                    \
    R(NO_DP, "data plane took no SA", "An SA that was negotiated did not get into the data plane; its pair was removed.")

enum ike_reason {
    WHY_NONE,
#define R(ID, name, text) WHY_##ID,
    IKE_REASONS(R)
#undef R
        WHY_NUM
};
const char *ike_reason_name(enum ike_reason r);
const char *ike_reason_text(enum ike_reason r);

#endif
