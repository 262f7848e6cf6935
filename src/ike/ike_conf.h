/*
 * ike_conf.h: a generation of the configuration as the key daemon holds it (config.c fills it).
 */
#ifndef ADIT_IKE_CONF_H
#define ADIT_IKE_CONF_H

#include "ike/ike.h"
#include "pki/pki.h"

struct conf_policy {
    struct conf_policy *next;
    struct ike_policy_value v;
};
struct conf_psk {
    struct conf_psk *next, *same; /* same: one of the same prefix or name, in another keyring */
    struct ike_psk_value v;
};
struct conf_trust {
    struct conf_trust *next;
    struct ike_trust_value v;
    struct pki_trust *t; /* owned */
    u8 kind;             /* enum pki_kind of the key we can prove to have there */
};
struct conf_match {
    struct conf_match *next;
    struct ike_match_value v;
};
struct conf_profile {
    struct conf_profile *next;
    struct conf_match *matches, *last_match;
    struct ike_profile_value v;
};
struct conf_peer {
    struct conf_peer *next;
    struct ike_peer_value v;
};
struct conf_flow {
    struct conf_flow *next;
    struct ike_flow_value v;
};
struct conf_client {
    struct conf_client *next;
    struct ike_client_value v;
};
struct conf_user {
    struct conf_user *next;
    struct ike_user_value v;
};
struct conf_split {
    struct conf_split *next;
    struct ike_split_value v;
};
struct conf_group {
    struct conf_group *next;
    struct conf_split *splits, *last_split;
    struct ike_group_value v;
};
struct ike_conf { /* one generation; owns everything in it */
    struct arena arena;
    struct ike_global_value global;
    struct conf_policy *policies; /* by priority */
    struct conf_psk *psks;
    struct conf_trust *trusts; /* by number */
    struct map psk_map;    /* psk_key: those of a prefix; psk_name_key: those of a name */
    u8 psk_lens[129 / 8 + 1]; /* a bit for each prefix length that a key has */
    struct conf_profile *profiles, *last_profile; /* in the order of the configuration */
    struct conf_peer *peers;
    struct map peer_map; /* peer_key: of peers */
    struct conf_client *clients;
    struct conf_user *users;
    struct conf_group *groups;
    struct conf_flow *flows, *last_flow;
    struct conf_flow *templates, *last_template; /* of dynamic crypto maps, in their order */
};

/* offered.c: what we offer in phase 1, and for a flow in phase 2, as a list for people; as much of it as fits. */
void offered_policies(char *out, size_t cap, const struct ike *ike);
void offered_sets(char *out, size_t cap, const struct ike_flow_value *f);

#endif
