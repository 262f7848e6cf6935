/*
 * running.h: the parts of the running configuration (running.c has the order).
 */
#ifndef ADIT_CLI_RUNNING_H
#define ADIT_CLI_RUNNING_H

#include "base/base.h"
#include "conf/conf.h"

/* running_peers.c: keyrings; keys outside keyrings; our identity, single peers and isakmp profiles. */
void running_keyrings(struct strbuf *o, const struct conf *c);
void running_keys(struct strbuf *o, const struct conf *c);
void running_peers(struct strbuf *o, const struct conf *c);
/* running_hidden_key: a key as its line shows it: type 6 where keys are encrypted, else as it is. running_client: what clients
 * meet, each line behind `before`. */
void running_hidden_key(struct strbuf *o, const struct conf *c, const struct conf_key *k);
void running_client(struct strbuf *o, const char *before, const struct conf_client *k);
/* running_client.c: groups of clients, pools of addresses. */
void running_groups(struct strbuf *o, const struct conf *c);
void running_pools(struct strbuf *o, const struct conf *c);

/* running_manual.c: the keys of an ipsec-manual entry. */
void running_session_keys(struct strbuf *o, const struct conf *c, const struct conf_map_entry *e);

#endif
