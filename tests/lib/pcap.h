/*
 * pcap.h: reads capture files for tests: classic pcap (either byte order) and pcapng; finds the UDP
 * payload in Ethernet, raw IP, loopback and Linux cooked frames, over IPv4 and IPv6.
 */
#ifndef ADIT_TEST_PCAP_H
#define ADIT_TEST_PCAP_H

#include "base/base.h"

struct capture {
    u8 *file; /* owned */
    size_t len, at;
    bool ng, swapped;
    u32 link;
};
struct frame {
    const u8 *p; /* borrowed from the capture */
    size_t len;
    u32 link;
};
struct udp {
    struct endpoint src, dst;
    const u8 *p; /* borrowed; cut when the capture was */
    size_t len;
};
bool capture_open(struct capture *c, const char *path);
void capture_close(struct capture *c);
bool capture_next(struct frame *out, struct capture *c);
bool frame_udp(struct udp *out, const struct frame *f);

#endif
