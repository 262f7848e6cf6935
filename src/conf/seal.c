/*
 * seal.c: secrets that were typed in clear become what a configuration may keep: `enable secret` and `username ... secret`
 * are stored as type 9. Done once after a file was read and after each line of a console, so that no text that adit prints
 * or saves holds them.
 */
#include "conf/conf.h"

static void seal(struct conf_password *p, const struct env *env)
{
    if (p->type == 0 && p->text[0]) {
        u8 random[PASSWORD_SALT];
        char sealed[PASSWORD_TEXT];
        env_random(env, random, sizeof random);
        password_hash9(sealed, p->text, random);
        mem_wipe(p, sizeof *p);
        p->type = 9;
        memcpy(p->text, sealed, sizeof p->text);
    }
}

void conf_seal(struct conf *c, const struct env *env)
{
    seal(&c->enable_secret, env);
    CONF_FOR(struct conf_user, u, &c->users)
    {
        if (u->secret) {
            seal(&u->password, env);
        }
    }
}
