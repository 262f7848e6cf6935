/*
 * running_manual.c: keys by hand, as IOS lines. Called by running.c.
 */
#include "cli/cli_int.h"
#include "cli/running.h"

struct place {
    const struct conf *c;
    const struct conf_map_entry *e;
    const struct conf_session_key *k;
    enum conf_way way;
    bool ah;
};

/* hidden: type 6 where keys are encrypted, else as it is. */
static void hidden(struct strbuf *o, const struct place *p, bool auth)
{
    char purpose[KEY_PURPOSE], six[PASSWORD_TEXT6];
    struct conf_key whose;
    const char *key = auth ? p->k->auth : p->k->cipher;
    cfg_manual_whose(&whose, p->c, p->e, p->way, p->ah, auth, p->k->spi);
    bool hide = p->c->encrypt_keys && p->c->master.len &&
                password_hide6(six, &p->c->master, cli_key_purpose(purpose, &whose), key);
    sb_addf(o, " %s%s", hide ? "6 " : "", hide ? six : key);
}

void running_session_keys(struct strbuf *o, const struct conf *c, const struct conf_map_entry *e)
{
    static const char *const ways[] = {[CONF_IN] = "inbound", [CONF_OUT] = "outbound"};
    for (enum conf_way way = CONF_IN; way <= CONF_OUT; way++) {
        for (unsigned ah = 0; ah < 2; ah++) {
            const struct place p = {c, e, ah ? &e->ah[way] : &e->esp[way], way, ah};
            if (!p.k->spi) {
                continue;
            }
            sb_addf(o, " set session-key %s %s %u", ways[way], ah ? "ah" : "esp", p.k->spi);
            if (p.k->cipher[0]) {
                sb_add(o, " cipher");
                hidden(o, &p, false);
            }
            if (p.k->auth[0]) {
                sb_add(o, ah ? "" : " authenticator");
                hidden(o, &p, true);
            }
            sb_add(o, "\n");
        }
    }
}
