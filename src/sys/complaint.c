/*
 * complaint.c: what could not be made so, told in the log (CONF_FAIL); once, where the same is tried at each look.
 */
#include "sys/router_int.h"

#include <stdlib.h>

struct complaint {
    struct complaint *next;
    char about[64], why[160];
    bool renewed;
};

void apply_complain(struct router *r, const char *what, const char *which, const char *why)
{
    char text[64];
    snprintf(text, sizeof text, "%s %.40s", what, which);
    ev_conf_fail(&r->log, 0, NULL,
                 &(struct evb_conf_fail){.what = ev_str(text), .why = ev_textf("%s", why)});
}

void apply_complain_once(struct router *r, const char *what, const char *which, const char *why)
{
    char about[64];
    struct complaint **at = &r->complaints, *c;
    snprintf(about, sizeof about, "%s %.40s", what, which);
    while (*at && strcmp((*at)->about, about) != 0) {
        at = &(*at)->next;
    }
    c = *at;
    if (!why) {
        if (c) {
            *at = c->next;
            free(c);
        }
        return;
    }
    if (!c) {
        c = *at = xcalloc(1, sizeof *c);
        str_copy(c->about, sizeof c->about, about);
    }
    c->renewed = true;
    if (c->why[0] && strncmp(c->why, why, sizeof c->why - 1) == 0) {
        return;
    }
    snprintf(c->why, sizeof c->why, "%s", why);
    apply_complain(r, what, which, why);
}

static bool is_about(const struct complaint *c, const char *what)
{
    size_t len = strlen(what);
    return strncmp(c->about, what, len) == 0 && c->about[len] == ' ';
}

void complaints_begin(struct router *r, const char *what)
{
    for (struct complaint *c = r->complaints; c; c = c->next) {
        c->renewed = c->renewed && !is_about(c, what);
    }
}

void complaints_end(struct router *r, const char *what)
{
    for (struct complaint **at = &r->complaints; *at;) {
        struct complaint *c = *at;
        if (is_about(c, what) && !c->renewed) {
            *at = c->next;
            free(c);
        } else {
            at = &c->next;
        }
    }
}

void complaints_free(struct router *r)
{
    while (r->complaints) {
        struct complaint *c = r->complaints;
        r->complaints = c->next;
        free(c);
    }
}
