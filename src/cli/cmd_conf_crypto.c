/*
 * cmd_conf_crypto.c: the `crypto ...` configuration lines (IOS 12.4).
 */
#include "cli/cli_int.h"

#include <stdlib.h>

/* ---- IKE ---- */

bool cfg_isakmp_enable(struct cfg *k, const struct match *m)
{
    k->c->isakmp_off = m->no;
    return true;
}

bool cfg_invalid_spi(struct cfg *k, const struct match *m)
{
    k->c->invalid_spi_recovery = !m->no;
    return true;
}

bool cfg_keepalive(struct cfg *k, const struct match *m)
{
    k->c->keepalive_s = m->no ? 0 : (u16)match_number(m, "secs", 0);
    k->c->keepalive_retry_s = m->no ? 0 : (u16)match_number(m, "retry", 0);
    k->c->keepalive_periodic = !m->no && match_has(m, "periodic");
    return true;
}

bool cfg_isakmp_policy(struct cfg *k, const struct match *m)
{
    u32 prio = (u32)match_number(m, "priority", 0);
    if (m->no) {
        CONF_FOR(struct conf_isakmp_policy, p, &k->c->policies)
        {
            if (!prio || p->priority == prio) {
                list_remove(&p->link);
            }
        }
        return true;
    }
    cfg_enter(k, M_ISAKMP, conf_policy_get(k->c, prio, k->src));
    return true;
}

/* aes_bits: "aes", "aes 192", "aes 256" (the size keyword follows the cipher's). */
static enum encr_id encr_with_size(const struct match *m, enum encr_id base)
{
    return match_has(m, "192") ? base + 1 : match_has(m, "256") ? base + 2 : base;
}

bool cfg_pol_encr(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_policy *p = k->at;
    p->encr = m->no                  ? ENCR_DES
              : match_has(m, "des")  ? ENCR_DES
              : match_has(m, "3des") ? ENCR_3DES
                                     : encr_with_size(m, ENCR_AES128);
    return true;
}

bool cfg_pol_hash(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_policy *p = k->at;
    p->hash = HASH_SHA1;
    for (enum hash_id h = HASH_MD5; h < HASH_NUM && !m->no; h++) {
        if (hash_row(h)->word && match_has(m, hash_row(h)->word)) {
            p->hash = h;
        }
    }
    return true;
}

bool cfg_pol_auth(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_policy *p = k->at;
    if (!m->no && match_has(m, "rsa-encr")) {
        return cfg_fail(k, m, "rsa-encr",
                        "RSA encrypted nonces are not spoken: whoever answers them can be made to decrypt for "
                        "strangers (CVE-2018-0131); use rsa-sig");
    }
    p->auth = m->no                         ? IKE_AUTH_RSA_SIG
              : match_has(m, "pre-share")   ? IKE_AUTH_PSK
              : match_has(m, "ecdsa-sig")   ? CONF_AUTH_ECDSA
                                            : IKE_AUTH_RSA_SIG;
    return true;
}

bool cfg_pol_group(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_policy *p = k->at;
    u16 id = m->no ? 1 : (u16)match_number(m, "id", 1);
    if (!group_row(id)) {
        return cfg_fail(k, m, "id", "group %u is not known; there are 1 2 5 14 15 16 17 18 19 20 21 24",
                        id);
    }
    p->group = id;
    return true;
}

bool cfg_pol_life(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_policy *p = k->at;
    p->life_s = m->no ? 86400 : (u32)match_number(m, "seconds", 86400);
    return true;
}

/* ---- transform sets ---- */

static bool names_set(const struct conf_sa_params *p, const char *name)
{
    bool found = false;
    for (unsigned i = 0; i < p->num_sets; i++) {
        found |= strcmp(p->sets[i], name) == 0;
    }
    return found;
}

/* set_user: a profile or map that names the set; NULL: none. */
static const char *set_user(const struct conf *c, const char *name)
{
    const struct list *maps[] = {&c->maps, &c->dynamics};
    CONF_FOR(struct conf_profile, p, &c->profiles)
    {
        if (names_set(&p->sa, name)) {
            return p->name;
        }
    }
    for (unsigned n = 0; n < ARRAY_LEN(maps); n++) {
        CONF_FOR(struct conf_map, m, maps[n])
        {
            CONF_FOR(struct conf_map_entry, e, &m->entries)
            {
                if (names_set(&e->sa, name)) {
                    return m->name;
                }
            }
        }
    }
    return NULL;
}

/* esp_cipher: the one that the word at i names, with the key length behind it; ENCR_NONE: it names none. */
static enum encr_id esp_cipher(const struct match *m, int i)
{
    enum encr_id e = ENCR_NONE;
    char with_size[32];
    snprintf(with_size, sizeof with_size, "%.15s %.8s", m->arg[i].text,
             i + 1 < m->num ? m->arg[i + 1].text : "");
    for (enum encr_id t = ENCR_NULL; t < ENCR_NUM; t++) {
        if (strcmp(encr_row(t)->ts, m->arg[i].text) == 0 || strcmp(encr_row(t)->ts, with_size) == 0) {
            e = t; /* the longer name comes later in the table and wins */
        }
    }
    return e;
}

/* take_transform: what the word at i adds to the set. */
static bool take_transform(struct cfg *k, const struct match *m, int i, struct conf_transform_set *s)
{
    const char *w = m->arg[i].text;
    enum encr_id e = esp_cipher(m, i);
    if (e && s->encr) {
        return cfg_fail(k, m, m->arg[i].name, "a transform set has one ESP cipher at most");
    }
    s->encr = e ? e : s->encr;
    for (enum hash_id h = HASH_MD5; h < HASH_NUM; h++) {
        if (strcmp(hash_row(h)->ts, w) == 0) {
            if (s->auth) {
                return cfg_fail(k, m, m->arg[i].name,
                                "a transform set has one ESP authenticator at most");
            }
            s->auth = h;
        } else if (hash_row(h)->ah && strcmp(hash_row(h)->ah, w) == 0) {
            if (s->ah) {
                return cfg_fail(k, m, m->arg[i].name, "a transform set has one AH at most");
            }
            s->ah = h;
        }
    }
    for (enum comp_id c = COMP_DEFLATE; c < COMP_NUM; c++) {
        if (strcmp(comp_row(c)->ts, w) == 0) {
            if (s->comp) {
                return cfg_fail(k, m, m->arg[i].name, "a transform set has one compression at most");
            }
            s->comp = c;
        }
    }
    return true;
}

static bool set_fits(struct cfg *k, const struct match *m, const struct conf_transform_set *s)
{
    if (!s->encr && !s->ah && s->comp) {
        return cfg_fail(k, m, "name", "%s protects nothing by itself; an ESP or AH transform is missing", comp_row(s->comp)->ts);
    }
    if (!s->encr && (s->auth || !s->ah)) {
        return cfg_fail(k, m, "name",
                        "an ESP cipher is missing; write esp-null for authentication alone");
    }
    if (encr_row(s->encr)->icv_len && s->auth) {
        return cfg_fail(k, m, "name", "%s authenticates itself; leave %s out",
                        encr_row(s->encr)->ts, hash_row(s->auth)->ts);
    }
    /* around ESP, AH does not make up for what it lacks: each SA stands for itself */
    const char *fault = s->encr ? esp_suite_fault(s->encr, s->auth) : NULL;
    return !fault || cfg_fail(k, m, "name", "%s", fault);
}

bool cfg_transform_set(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_transform_set *s = name ? conf_set_find(k->c, name) : NULL;
    const char *user = s && m->no && k->c->typing ? set_user(k->c, name) : NULL; /* a file is whole */
    if (user) {
        return cfg_fail(k, m, "name", "transform set %.60s is in use by %.80s", name, user);
    }
    if (m->no) {
        if (s) {
            list_remove(&s->link);
        }
        return true;
    }
    struct conf_transform_set want = {.encr = ENCR_NONE};
    for (int i = 0; i < m->num; i++) {
        if (m->arg[i].keyword && !take_transform(k, m, i, &want)) {
            return false;
        }
    }
    if (!set_fits(k, m, &want)) {
        return false;
    }
    if (!s) {
        s = arena_alloc(&k->c->arena, sizeof *s);
        str_copy(s->name, sizeof s->name, name);
        list_push_back(&k->c->sets, &s->link);
    }
    s->src = k->src;
    s->encr = want.encr;
    s->auth = want.auth;
    s->ah = want.ah;
    s->comp = want.comp;
    s->esn = s->esn && (!s->encr || s->auth || encr_row(s->encr)->icv_len);
    cfg_enter(k, M_TRANS, s);
    return true;
}

bool cfg_ts_mode(struct cfg *k, const struct match *m)
{
    struct conf_transform_set *s = k->at;
    s->transport = !m->no && match_has(m, "transport");
    s->require = !m->no && match_has(m, "require");
    return true;
}

bool cfg_ts_esn(struct cfg *k, const struct match *m)
{
    struct conf_transform_set *s = k->at;
    if (!m->no && s->encr && !s->auth && !encr_row(s->encr)->icv_len) {
        return cfg_fail(k, m, "esn", "extended sequence numbers need an authenticator");
    }
    s->esn = !m->no;
    return true;
}

/* ---- global IPsec ---- */

bool cfg_sa_lifetime(struct cfg *k, const struct match *m)
{
    if (match_has(m, "seconds")) {
        k->c->life_s = m->no ? 3600 : (u32)match_number(m, "s", 3600);
    } else if (match_has(m, "kilobytes")) {
        k->c->life_kb = m->no ? 4608000 : match_number(m, "kb", 4608000);
    }
    return true;
}

/* replay_window: of `replay {disable | window-size N}`, in packets; 0: off. */
static u16 replay_window(const struct match *m)
{
    return match_has(m, "disable") ? 0 : (u16)match_number(m, "size", CONF_REPLAY_WINDOW);
}

bool cfg_sa_replay(struct cfg *k, const struct match *m)
{
    k->c->replay_window = m->no ? CONF_REPLAY_WINDOW : replay_window(m);
    return true;
}

bool cfg_sa_idle(struct cfg *k, const struct match *m)
{
    k->c->idle_s = m->no ? 0 : (u32)match_number(m, "seconds", 0);
    return true;
}

bool cfg_df_bit(struct cfg *k, const struct match *m)
{
    k->c->df = m->no || match_has(m, "copy") ? CONF_DF_COPY
               : match_has(m, "clear")       ? CONF_DF_CLEAR
                                             : CONF_DF_SET;
    return true;
}

bool cfg_fragmentation(struct cfg *k, const struct match *m)
{
    k->c->frag_after = !m->no && match_has(m, "after-encryption");
    return true;
}

/* ---- profiles and maps ---- */

bool cfg_profile(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    if (m->no) {
        struct conf_profile *p = name ? conf_profile_find(k->c, name) : NULL;
        CONF_FOR(struct conf_if, i, &k->c->ifs)
        {
            if (p && k->c->typing && strcmp(i->tun.profile, name) == 0) {
                return cfg_fail(k, m, "name", "ipsec profile %.60s is in use by %.40s", name,
                                i->name);
            }
        }
        if (p) {
            list_remove(&p->link);
        }
        return true;
    }
    cfg_enter(k, M_PROFILE, conf_profile_get(k->c, name, k->src));
    return true;
}

static struct conf_sa_params *params(struct cfg *k)
{
    return k->mode == M_PROFILE ? &((struct conf_profile *)k->at)->sa
                                : &((struct conf_map_entry *)k->at)->sa;
}

bool cfg_set_ts(struct cfg *k, const struct match *m)
{
    struct conf_sa_params *p = params(k);
    const char *sets[ARRAY_LEN(p->sets)] = {NULL};
    u8 num = 0;
    for (int i = 0; i < m->num; i++) {
        if (!m->arg[i].keyword && !m->no && num < ARRAY_LEN(sets)) {
            if (!conf_set_find(k->c, m->arg[i].text)) {
                k->err_col = m->arg[i].col;
                snprintf(k->err, sizeof k->err, "transform set %.60s does not exist",
                         m->arg[i].text);
                return false;
            }
            sets[num++] = m->arg[i].text;
        }
    }
    if (!cfg_manual_sets(k, m, sets, num)) {
        return false;
    }
    for (unsigned i = 0; i < num; i++) {
        str_copy(p->sets[i], CONF_NAME, sets[i]);
    }
    p->num_sets = num;
    p->sets_src = k->src;
    return true;
}

bool cfg_set_pfs(struct cfg *k, const struct match *m)
{
    struct conf_sa_params *p = params(k);
    const char *g = match_text(m, "group");
    u16 id = g ? (u16)strtoul(g + strspn(g, "group"), NULL, 10) : 1;
    if (cfg_manual_refuses(k, m)) {
        return false;
    }
    if (!m->no && (!group_row(id) || (g && strncmp(g, "group", 5) != 0))) {
        return cfg_fail(k, m, "group",
                        "expected group1 group2 group5 group14 group15 group16 group17 group18 "
                        "group19 group20 group21 group24");
    }
    p->pfs_group = m->no ? 0 : id;
    return true;
}

bool cfg_set_life(struct cfg *k, const struct match *m)
{
    struct conf_sa_params *p = params(k);
    if (cfg_manual_refuses(k, m)) {
        return false;
    }
    if (match_has(m, "seconds")) {
        p->life_s = m->no ? 0 : (u32)match_number(m, "s", 0);
    } else if (match_has(m, "kilobytes")) {
        p->life_kb = m->no ? 0 : match_number(m, "kb", 0);
    }
    return true;
}

bool cfg_set_replay(struct cfg *k, const struct match *m)
{
    struct conf_sa_params *p = params(k);
    if (cfg_manual_refuses(k, m)) {
        return false;
    }
    p->has_replay = !m->no;
    p->replay_window = m->no ? 0 : replay_window(m);
    return true;
}

bool cfg_set_idle(struct cfg *k, const struct match *m)
{
    struct conf_sa_params *p = params(k);
    if (cfg_manual_refuses(k, m)) {
        return false;
    }
    p->idle_s = m->no ? 0 : (u32)match_number(m, "seconds", 0);
    p->idle_default = !m->no && match_has(m, "default");
    return true;
}

/* map_user: an interface that names the map; NULL: none. */
static const struct conf_if *map_user(const struct conf *c, const struct conf_map *map)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        if (strcmp(i->crypto_map, map->name) == 0) {
            return i;
        }
    }
    return NULL;
}

/* all_entries: seq, or 0, stands for all that the map has. */
static bool all_entries(const struct conf_map *map, u32 seq)
{
    CONF_FOR(struct conf_map_entry, e, &map->entries)
    {
        if (seq && e->seq != seq) {
            return false;
        }
    }
    return true;
}

bool cfg_map(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    u32 seq = (u32)match_number(m, "seq", 0);
    struct conf_map *map = conf_map_find(k->c, name);
    if (m->no && map && map_user(k->c, map) && all_entries(map, seq)) {
        return cfg_fail(k, m, "name",
                        "crypto map %.60s is in use by %s, and nothing would be covered any more; add "
                        "another entry, or take the map from the interface",
                        name, map_user(k->c, map)->name);
    }
    if (m->no && map) { /* without a number the whole map */
        CONF_FOR(struct conf_map_entry, e, &map->entries)
        {
            if (!seq || e->seq == seq) {
                conf_entry_remove(k->c, e);
            }
        }
        if (list_empty(&map->entries)) {
            list_remove(&map->link);
        }
    }
    if (m->no) {
        return true;
    }
    map = conf_map_get(k->c, name, k->src);
    bool is_new = true;
    CONF_FOR(struct conf_map_entry, e, &map->entries)
    {
        is_new &= e->seq != seq;
        if (e->seq == seq && e->dynamic[0]) {
            return cfg_fail(k, m, "seq", "this entry goes by the dynamic map %.60s; take it out first", e->dynamic);
        }
    }
    struct conf_map_entry *e = conf_map_entry_get(k->c, map, seq, k->src);
    if (!cfg_map_kind(k, m, e, is_new)) {
        return false;
    }
    if (is_new && k->out) {
        sb_add(k->out, "% NOTE: This new crypto map will remain disabled until a peer\n"
                       "        and a valid access list have been configured.\n");
    }
    cfg_enter(k, M_MAP, e);
    return true;
}

bool cfg_map_isakmp_profile(struct cfg *k, const struct match *m)
{
    if (m->no && !match_has(m, "isakmp-profile")) {
        return cfg_map(k, m); /* `no crypto map NAME` */
    }
    const char *name = match_text(m, "name");
    struct conf_map *map = m->no ? conf_map_find(k->c, name) : conf_map_get(k->c, name, k->src);
    if (map) {
        str_copy(map->isakmp_profile, sizeof map->isakmp_profile, m->no ? "" : match_text(m, "profile"));
    }
    return true;
}

bool cfg_map_local(struct cfg *k, const struct match *m)
{
    if (m->no && !match_has(m, "local-address")) {
        return cfg_map(k, m); /* `no crypto map NAME` */
    }
    const char *name = match_text(m, "name");
    struct conf_map *map = m->no ? conf_map_find(k->c, name) : conf_map_get(k->c, name, k->src);
    if (map) {
        str_copy(map->local_if, sizeof map->local_if, m->no ? "" : match_text(m, "if"));
    }
    return true;
}

bool cfg_map_match(struct cfg *k, const struct match *m)
{
    struct conf_map_entry *e = k->at;
    const char *acl = m->no ? "" : match_text(m, "acl");
    char was[CONF_NAME];
    str_copy(was, sizeof was, e->acl);
    conf_entry_match(k->c, e, acl);
    if (!cfg_fits(k, m, "acl")) {
        conf_entry_match(k->c, e, was);
        return false;
    }
    e->acl_src = k->src;
    cfg_note_lost(k);
    return true;
}

/* like_host: what DNS may know (RFC 1123 2.1); not what is all digits and dots, which is an address gone wrong. */
static bool like_host(const char *t)
{
    bool letter = false;
    for (const char *c = t; *c; c++) {
        bool alpha = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        letter = letter || alpha;
        if (!alpha && !(*c >= '0' && *c <= '9') && *c != '-' && *c != '.' && *c != '_') {
            return false;
        }
    }
    return letter && strlen(t) < CONF_HOST;
}

/* read_peer: the peer a line names. */
static bool read_peer(struct cfg *k, const struct match *m, struct conf_peer *out)
{
    const char *host = match_text(m, "host");
    memset(out, 0, sizeof *out);
    if (!host) {
        return addr_parse(&out->a, match_text(m, "peer")) || cfg_fail(k, m, "peer", "expected the peer's address");
    }
    str_copy(out->name, sizeof out->name, host);
    out->dynamic = match_has(m, "dynamic");
    return like_host(host) || cfg_fail(k, m, "host", "expected the peer's address, or its name of letters, digits, `-`, `_` and `.`");
}

bool cfg_map_peer(struct cfg *k, const struct match *m)
{
    struct conf_map_entry *e = k->at;
    struct conf_peer p;
    if (m->no && !match_text(m, "peer") && !match_text(m, "host")) {
        e->num_peers = 0;
        e->default_peer = false;
        return true;
    }
    if (!read_peer(k, m, &p)) {
        return false;
    }
    bool first = e->num_peers && conf_peer_equal(&e->peers[0], &p), none = !e->num_peers || (first && e->num_peers == 1);
    if (!m->no && match_has(m, "default") && !none) {
        return cfg_fail(k, m, "default", "only the first peer can be the default; take the others out first");
    }
    u8 kept = 0;
    for (u8 i = 0; i < e->num_peers; i++) {
        if (!conf_peer_equal(&e->peers[i], &p)) {
            e->peers[kept++] = e->peers[i];
        }
    }
    e->num_peers = kept;
    e->default_peer = e->default_peer && !first;
    if (m->no) {
        return true;
    }
    if (kept && e->manual) {
        return cfg_fail(k, m, p.name[0] ? "host" : "peer", "an ipsec-manual entry has one peer; take the other out first");
    }
    if (kept == CONF_MAX_PEERS) {
        return cfg_fail(k, m, p.name[0] ? "host" : "peer", "at most %d peers in one crypto map entry", CONF_MAX_PEERS);
    }
    e->peers[e->num_peers++] = p;
    e->default_peer = e->default_peer || match_has(m, "default");
    return true;
}

bool cfg_map_description(struct cfg *k, const struct match *m)
{
    struct conf_map_entry *e = k->at;
    return k->mode == M_PROFILE || cfg_text(k, m, e->description, sizeof e->description);
}
