/*
 * wire: pure codecs. A decoder reads through rd, has no side effect, allocates nothing, and returns a struct or a
 * reason; encode stands beside decode in the same file. Every decoder has a fuzz target.
 *
 *   numbers.c      IANA numbers and their names
 *   ip.c           IPv4, IPv6, ICMP headers, checksums
 *   tunnel.c       GRE (RFC 2784, 2890), ESP header (RFC 4303 2)
 *   ike_hdr.c      ISAKMP header (RFC 2408 3.1) and the payload chain
 *   ike_sa.c       SA payload: proposals, transforms, attributes (RFC 2408 3.4-3.6, 3.3)
 *   ike_payload.c  the other payloads
 *   ah.c           AH (RFC 4302)
 *
 * The declarations stand in wire/ip.h (packets) and wire/isakmp.h (IKE); this header has what both need.
 */
#ifndef ADIT_WIRE_H
#define ADIT_WIRE_H

#include "base/base.h"

enum { IPPROTO_ICMP_ = 1, IPPROTO_IPIP_ = 4, IPPROTO_TCP_ = 6, IPPROTO_UDP_ = 17, IPPROTO_IPV6_ = 41,
       IPPROTO_GRE_ = 47, IPPROTO_ESP_ = 50, IPPROTO_AH_ = 51, IPPROTO_IPCOMP_ = 108, IPPROTO_ICMP6_ = 58, IPPROTO_OSPF_ = 89 };

#endif
