/*
 * cmd_conf_manual.c: keys by hand (RFC 4301 4.5.1): `crypto map NAME SEQ ipsec-manual` and `set session-key`. What does not go
 * with the transform set, or with each other, is refused at the line that says it, in whichever order they come
 * (conf/manual.c says what goes). printed by running_manual.c, made SAs by sys/plan_manual.c.
 */
#include "cli/cli_int.h"

bool cfg_map_kind(struct cfg *k, const struct match *m, struct conf_map_entry *e, bool is_new)
{
    bool manual = match_has(m, "ipsec-manual");
    if (is_new) {
        e->manual = manual;
    }
    return (e->manual ? !match_has(m, "ipsec-isakmp") : !manual) ||
           cfg_fail(k, m, "seq", "this entry is %s; take it out first (`no crypto map NAME SEQ`)",
                    e->manual ? "ipsec-manual" : "ipsec-isakmp");
}

bool cfg_manual_refuses(struct cfg *k, const struct match *m)
{
    const struct conf_map_entry *e = k->mode == M_MAP ? k->at : NULL;
    return e && e->manual && !m->no &&
           !cfg_fail(k, m, "set",
                     "an ipsec-manual entry negotiates nothing: it has `set peer`, `set "
                     "transform-set`, `set session-key` and "
                     "`match address`");
}

/* goes: the key with the set; arg: what of the line is at fault. */
static bool goes(struct cfg *k, const struct match *m, const struct conf_session_key *key,
                 const struct conf_transform_set *s, bool ah, const char *arg)
{
    char why[CONF_WHY];
    bool fault = key->spi && conf_session_key_fault(key, s, ah, false, why);
    return !fault || cfg_fail(k, m, arg, "%s", why);
}

bool cfg_manual_sets(struct cfg *k, const struct match *m, const char *const *sets, u8 num)
{
    const struct conf_map_entry *e = k->mode == M_MAP ? k->at : NULL;
    char why[CONF_WHY];
    if (!e || !e->manual || !num) {
        return true;
    }
    const struct conf_transform_set *s = conf_set_find(k->c, sets[0]);
    if (num > 1) {
        return cfg_fail(k, m, "set", "an ipsec-manual entry has one transform set");
    }
    if (conf_manual_set_fault(s, why)) {
        return cfg_fail(k, m, "set", "%s", why);
    }
    return goes(k, m, &e->esp[CONF_IN], s, false, "set") &&
           goes(k, m, &e->esp[CONF_OUT], s, false, "set") &&
           goes(k, m, &e->ah[CONF_IN], s, true, "set") &&
           goes(k, m, &e->ah[CONF_OUT], s, true, "set");
}

void cfg_manual_whose(struct conf_key *out, const struct conf *c, const struct conf_map_entry *e,
                      enum conf_way way, bool ah, bool auth, u32 spi)
{
    const char *map = "";
    CONF_FOR(struct conf_map, m,
             &c->maps){CONF_FOR(struct conf_map_entry, o, &m->entries){map = o == e ? m->name : map;
}
}
*out = (struct conf_key){.peer = {.len = 0}};
snprintf(out->name, sizeof out->name, "%u %c%c%c %u %.40s", e->seq, way == CONF_IN ? 'i' : 'o',
         ah ? 'a' : 'e', auth ? 'a' : 'c', spi, map);
}

/* read_key: hexadecimal of the argument arg into out; "" when the line has none. */
static bool read_key(struct cfg *k, const struct match *m, const char *arg, const char *type,
                     const struct conf_key *whose, char out[CONF_HEX])
{
    char text[SECRET_MAX + 1];
    u8 bytes[CONF_HEX / 2];
    out[0] = 0;
    if (!match_text(m, arg)) {
        return true;
    }
    bool ok = cfg_key_word(k, m, arg, type, whose, text);
    if (ok && hex_parse(bytes, sizeof bytes, text) <= 0) {
        ok = cfg_fail(k, m, arg, "expected whole hexadecimal bytes, %zu at most", sizeof bytes);
    }
    if (ok) {
        str_copy(out, CONF_HEX, text);
    }
    mem_wipe(text, sizeof text);
    mem_wipe(bytes, sizeof bytes);
    return ok;
}

/* at_fault: which word of the line to point at: the one that is too short, or the SPI. */
static const char *at_fault(const struct match *m, const struct conf_session_key *key,
                            const struct conf_transform_set *s, bool ah)
{
    bool cipher = s && !ah && strlen(key->cipher) / 2 < encr_row(s->encr)->key_len;
    return cipher && match_text(m, "key")                         ? "key"
           : match_text(m, "auth") && s && (ah ? s->ah : s->auth) ? "auth"
                                                                  : "spi";
}

/* note_long: IOS uses the beginning of a key that is too long, and so do we; that is said. */
static void note_long(struct cfg *k, const struct conf_session_key *key,
                      const struct conf_transform_set *s, bool ah)
{
    char why[CONF_WHY];
    if (k->out && conf_session_key_fault(key, s, ah, true, why)) {
        sb_addf(k->out, "%% NOTE: %s; its beginning is used\n", why);
    }
}

static bool take_key(struct cfg *k, const struct match *m, struct conf_map_entry *e,
                     enum conf_way way, bool ah, struct conf_session_key *key)
{
    const struct conf_transform_set *s = e->sa.num_sets ? conf_set_find(k->c, e->sa.sets[0]) : NULL;
    const struct conf_map *map;
    struct conf_key whose;
    cfg_manual_whose(&whose, k->c, e, way, ah, false, key->spi);
    if (!read_key(k, m, "key", "type", &whose, key->cipher)) {
        return false;
    }
    cfg_manual_whose(&whose, k->c, e, way, ah, true, key->spi);
    if (!read_key(k, m, "auth", "atype", &whose, key->auth) ||
        !goes(k, m, key, s, ah, at_fault(m, key, s, ah))) {
        return false;
    }
    const struct conf_map_entry *other = conf_manual_taken(k->c, e, way, ah, key->spi, &map);
    if (other) {
        return cfg_fail(k, m, "spi", "crypto map %.60s %u has this SPI already", map->name,
                        other->seq);
    }
    note_long(k, key, s, ah);
    return true;
}

bool cfg_session_key(struct cfg *k, const struct match *m)
{
    struct conf_map_entry *e = k->at;
    enum conf_way way = match_has(m, "outbound") ? CONF_OUT : CONF_IN;
    bool ah = match_has(m, "ah"), esp = match_has(m, "esp");
    if (m->no) { /* without a protocol both */
        if (esp || !ah) {
            mem_wipe(&e->esp[way], sizeof e->esp[way]);
        }
        if (ah || !esp) {
            mem_wipe(&e->ah[way], sizeof e->ah[way]);
        }
        return true;
    }
    if (!e->manual) {
        return cfg_fail(k, m, "session-key",
                        "this entry is ipsec-isakmp: IKE makes its keys; expected ipsec-manual");
    }
    struct conf_session_key key = {.src = k->src, .spi = (u32)match_number(m, "spi", 0)};
    bool ok = take_key(k, m, e, way, ah, &key);
    if (ok) {
        *(ah ? &e->ah[way] : &e->esp[way]) = key;
    }
    mem_wipe(&key, sizeof key);
    return ok;
}
