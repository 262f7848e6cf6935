/*
 * dns.h: the names of peers (`set peer NAME`), asked of DNS by main: nothing waits for an answer.
 */
#ifndef ADIT_SYS_DNS_H
#define ADIT_SYS_DNS_H

#include "conf/conf.h"

#include <uv.h>

/* What becomes of a name. a: its address now; AF_NONE: it has none (yet). why: what the last question ended with, NULL: well. */
typedef void (*dns_told_fn)(void *ctx, const char *name, const struct addr *a, const char *why);

struct dns;
/* dns_new: told is called from the loop, when a name gets an address, another one, or is asked in vain for the first time. NULL:
 * no memory. dns_end: closes its handles; dns_free: after the loop has run for the last time. */
struct dns *dns_new(uv_loop_t *loop, dns_told_fn told, void *ctx);
void dns_end(struct dns *d);
void dns_free(struct dns *d);
/* dns_want: the names that this configuration needs, of the servers it names, or the system's; others are forgotten. */
void dns_want(struct dns *d, const struct conf *c);
/* dns_get: what is known of a name; an address that DNS has lost is kept as long as the name is wanted. False: nothing. */
NODISCARD bool dns_get(const struct dns *d, const char *name, struct addr *out);

#endif
