/*
 * profile.h: isakmp profiles, single peers and clients as they are configured (profile.c). For whoever asks what is said to, and wanted of,
 * one far end.
 */
#ifndef ADIT_IKE_PROFILE_H
#define ADIT_IKE_PROFILE_H

#include "ike/ike_int.h"

/* id_name: the name in the body of an ID payload; false: it is no name, or holds what does not print, or does not fit. */
bool id_name(char out[IKE_ID_TEXT], const struct bytes_id *body);
const struct ike_profile_value *profile_named(const struct ike *ike, const char *name); /* NULL: none, or "" */
/* profile_for: the first that takes a peer with that identity (body of its ID payload) at our address; NULL: none does. */
const struct ike_profile_value *profile_for(const struct ike *ike, const struct addr *local, const struct bytes_id *id);
/* profile_takes: that one does; one without match lines takes everybody it was chosen for. */
bool profile_takes(const struct ike *ike, const char *name, const struct bytes_id *id);
/* profile_self: who we say we are to that peer. profile_aggressive: phase 1 with it begins in aggressive mode. */
const struct ike_self *profile_self(const struct ike *ike, const char *profile, const struct addr *peer);
const struct ike_peer_value *profile_peer(const struct ike *ike, const struct addr *peer); /* NULL: nothing is configured */
/* profile_client: what who begins phase 1 with us there, and belongs to that profile, meets; NULL: nothing of its own. */
const struct ike_client_value *profile_client(const struct ike *ike, const char *profile, const struct addr *local);
/* profile_asks: a user is asked for there. known: of that profile; else of any that who begins with us may turn out to belong to. */
bool profile_asks(const struct ike *ike, const char *profile, const struct addr *local, bool known);
/* group_of: the group of the SA's far end, by its name; NULL: none, or its clients are not answered (push: not told unasked) there. */
const struct conf_group *group_of(const struct ike *ike, const struct ike_sa *sa, bool push);
/* profile_configured: we are that gateway's client: what it pushes is taken, and waited for. */
bool profile_configured(const struct ike *ike, const struct addr *gateway);
bool profile_aggressive(const struct ike *ike, const char *profile, const struct addr *peer);

#endif
