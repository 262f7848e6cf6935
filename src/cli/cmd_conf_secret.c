/*
 * cmd_conf_secret.c: configuration lines that hold secrets: enable, username, the password of a line, pre-shared keys, and
 * what the operator wants to be hidden (`service password-encryption`, `password encryption aes`). What crypto/password.c can
 * open it opens here, so the model holds clear text but for one-way forms; running.c hides it again.
 */
#include "cli/cli_int.h"

#include <inttypes.h>
#include <stdlib.h>

/* read_secret: the type and text of a line into out. hash: one-way forms are fine (secret), else type 7 (password). */
static bool read_secret(struct cfg *k, const struct match *m, bool hash, struct conf_password *out)
{
    const char *text = match_text(m, "secret");
    u64 type = match_number(m, "type", 0);
    memset(out, 0, sizeof *out);
    if (m->no) {
        return true;
    }
    if (!text) {
        return cfg_fail(k, m, NULL, "the line ends too early; expected the secret");
    }
    if (hash ? type != 0 && type != 5 && type != 8 && type != 9 : type != 0 && type != 7) {
        return cfg_fail(k, m, "type", "%s can be of type %s here", hash ? "a secret" : "a password",
                        hash ? "0 (clear), 5, 8 or 9" : "0 (clear) or 7");
    }
    /* type 7 says each character twice, and 78 of them (password_hide7) */
    size_t room = type == 7 ? sizeof out->text : sizeof out->text / 2 - 1;
    if (strlen(text) >= room || !password_fits((u8)type, text)) {
        return cfg_fail(k, m, "secret", "this is no secret of type %u", (unsigned)type);
    }
    out->type = type == 7 ? 0 : (u8)type;
    if (type == 7) {
        return (password_reveal7(out->text, text) && !strchr(out->text, ' ')) ||
               cfg_fail(k, m, "secret", "this password has blanks, which are not read here");
    }
    return str_copy(out->text, sizeof out->text, text);
}

bool cfg_enable_secret(struct cfg *k, const struct match *m)
{
    struct conf_password p;
    bool secret = match_has(m, "secret") && !match_has(m, "password");
    bool ok = read_secret(k, m, secret, &p);
    if (ok) {
        *(secret ? &k->c->enable_secret : &k->c->enable_password) = p;
    }
    mem_wipe(&p, sizeof p);
    return ok;
}

bool cfg_username(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_password p = {0};
    bool secret = match_has(m, "secret");
    if ((secret || match_has(m, "password")) && !read_secret(k, m, secret, &p)) {
        mem_wipe(&p, sizeof p);
        return false;
    }
    if (m->no) {
        conf_user_remove(k->c, name);
        return true;
    }
    struct conf_user *u = conf_user_get(k->c, name, k->src);
    const struct match_arg *level = match_arg(m, "level");
    u->privilege = level ? (u8)level->number : u->privilege;
    if (p.text[0]) {
        u->password = p;
        u->secret = secret;
    } else if (match_has(m, "nopassword")) {
        memset(&u->password, 0, sizeof u->password);
    }
    mem_wipe(&p, sizeof p);
    return true;
}

bool cfg_service(struct cfg *k, const struct match *m)
{
    static const char word[] = "password-encryption";
    const char *rest = match_text(m, "rest");
    size_t len = rest ? strlen(rest) : 0;
    if (len >= 2 && len < sizeof word && strncmp(rest, word, len) == 0) {
        k->c->hide_passwords = !m->no;
        return true;
    }
    return cfg_keep(k, m);
}

bool cfg_password_aes(struct cfg *k, const struct match *m)
{
    k->c->encrypt_keys = !m->no;
    if (k->c->encrypt_keys && !k->c->master.len && k->out) {
        sb_add(k->out, "% Keys are encrypted when there is a master key "
                       "(key config-key password-encrypt KEY)\n");
    }
    return true;
}

bool cfg_master_key(struct cfg *k, const struct match *m)
{
    const char *key = match_text(m, "key");
    struct secret next = {0}, *now = &k->c->master, *former = k->c->former;
    if (!m->no && (!key || strlen(key) < 8)) {
        return cfg_fail(k, m, "key", "a master key has at least 8 characters");
    }
    if (!m->no) {
        password_master(&next, key);
    }
    bool same = next.len == now->len && mem_equal_ct(next.b, now->b, next.len);
    if (!same && now->len && former[CONF_FORMER - 1].len) {
        secret_wipe(&next);
        return cfg_fail(k, m, NULL,
                        "saved keys may need %u former master keys; none of them can be forgotten: "
                        "`write memory` first",
                        CONF_FORMER);
    }
    if (!same && now->len) { /* what was saved under it must be readable until it is saved again */
        memmove(former + 1, former, (CONF_FORMER - 1) * sizeof *former);
        former[0] = *now;
    }
    *now = next;
    secret_wipe(&next);
    return true;
}

/* ---- `line con 0` and what stands below it, kept as one text ---- */

bool cfg_line_mode(struct cfg *k, const struct match *m)
{
    char name[64];
    const char *what = match_has(m, "con") ? "con" : match_has(m, "aux") ? "aux" : "vty";
    const struct match_arg *last = match_arg(m, "last");
    int n = snprintf(name, sizeof name, "line %s %" PRIu64, what, match_number(m, "first", 0));
    if (last) {
        snprintf(name + n, sizeof name - (size_t)n, " %" PRIu64, last->number);
    }
    CONF_FOR(struct conf_kept, old, &k->c->kept)
    {
        if (strncmp(old->text, name, strlen(name)) == 0 && strchr("\n", old->text[strlen(name)])) {
            if (m->no) {
                list_remove(&old->link);
            } else {
                cfg_enter(k, M_LINE, old);
            }
            return true;
        }
    }
    if (!m->no) {
        cfg_enter(k, M_LINE, conf_keep(k->c, &k->c->kept, name, k->src));
    }
    return true;
}

/* line_word: what a line below a `line` sets: its first word; of transport and no forms the second, too. */
static size_t line_word(const char *text)
{
    size_t len = strcspn(text, " \n");
    bool two = strncmp(text, "transport ", 10) == 0;
    return two ? len + 1 + strcspn(text + len + 1, " \n") : len;
}

/* line_set: text below the line, in the place of what set the same before. */
static void line_set(struct cfg *k, struct conf_kept *line, const char *text, bool no)
{
    struct strbuf all = {0};
    const char *at = line->text, *mine = no ? text + 3 : text;
    size_t word = line_word(mine), len = strcspn(at, "\n");
    sb_addn(&all, at, len);
    for (at += len; *at; at += len) {
        const char *old = at + 2, *name = strncmp(old, "no ", 3) == 0 ? old + 3 : old;
        len = 1 + strcspn(at + 1, "\n");
        if (line_word(name) != word || strncmp(name, mine, word) != 0) {
            sb_addn(&all, at, len);
        }
    }
    sb_addf(&all, "\n %s", text);
    line->text = arena_strdup(&k->c->arena, all.s);
    mem_wipe(all.s, all.len);
    sb_free(&all);
}

bool cfg_line_keep(struct cfg *k, const struct match *m)
{
    const char *rest = match_text(m, "rest"), *text = k->line + strspn(k->line, " \t");
    char clear[PASSWORD_TEXT], line[PASSWORD_TEXT + 16];
    if (m->no || !rest || !match_has(m, "password")) {
        line_set(k, k->at, text, m->no);
        return true;
    }
    bool typed = (rest[0] == '0' || rest[0] == '7') && rest[1] == ' '; /* password 7 ... */
    const char *word = typed ? rest + 1 + strspn(rest + 1, " ") : rest;
    bool fits = typed && rest[0] == '7' ? password_reveal7(clear, word) && clear[0] != ' ' &&
                                              clear[strlen(clear) - 1] != ' '
                                        : str_copy(clear, sizeof clear / 2, word) &&
                                              password_fits(0, clear);
    if (!fits) {
        mem_wipe(clear, sizeof clear);
        return cfg_fail(k, m, "rest",
                        typed && rest[0] == '7' ? "this is no password of type 7"
                                                : "this password is too long, or has characters "
                                                  "that cannot be typed");
    }
    snprintf(line, sizeof line, "password %s", clear); /* kept in clear; running.c hides it */
    line_set(k, k->at, line, false);
    mem_wipe(clear, sizeof clear);
    mem_wipe(line, sizeof line);
    return true;
}

/* ---- pre-shared keys ---- */

const char *cli_key_purpose(char out[KEY_PURPOSE], const struct conf_key *of)
{
    char a[ADDR_STR];
    if (of->name[0]) {
        str_copy(out, KEY_PURPOSE, of->name);
    } else {
        snprintf(out, KEY_PURPOSE, "%s/%u", addr_str(a, &of->peer.a), of->peer.len);
    }
    return out;
}

bool cfg_key_text(struct cfg *k, const struct match *m, const struct conf_key *of,
                  char out[SECRET_MAX + 1])
{
    return cfg_key_word(k, m, "key", "type", of, out);
}

bool cfg_key_word(struct cfg *k, const struct match *m, const char *arg, const char *type,
                  const struct conf_key *of, char out[SECRET_MAX + 1])
{
    const char *key = match_text(m, arg);
    char purpose[KEY_PURPOSE];
    out[0] = 0;
    if (match_number(m, type, 0) != 6) {
        return str_copy(out, SECRET_MAX + 1, key) ||
               cfg_fail(k, m, arg, "a key has at most %d characters", SECRET_MAX);
    }
    if (!password_ours6(key)) {
        return cfg_fail(k, m, type,
                        "this key was encrypted by an IOS; only the one that made it "
                        "can read it: write the key in clear");
    }
    const struct secret *master = &k->c->master, *former = k->c->former;
    bool known = master->len || former[0].len;
    bool open = known && password_reveal6(out, master, cli_key_purpose(purpose, of), key);
    for (unsigned i = 0; i < CONF_FORMER && !open && former[i].len; i++) {
        open = password_reveal6(out, &former[i], cli_key_purpose(purpose, of), key);
    }
    if (!known) {
        return cfg_fail(k, m, type,
                        "this key is encrypted and there is no master key (key "
                        "config-key password-encrypt KEY)");
    }
    return open || cfg_fail(k, m, arg,
                            "this key was encrypted under another master key or for another peer");
}
