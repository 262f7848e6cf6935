/*
 * complaint.c: what could not be made so, told in the log (CONF_FAIL).
 */
#include "sys/router_int.h"

void apply_complain(struct router *r, const char *what, const char *which, const char *why)
{
    char text[64];
    snprintf(text, sizeof text, "%s %.40s", what, which);
    ev_conf_fail(&r->log, 0, NULL,
                 &(struct evb_conf_fail){.what = ev_str(text), .why = ev_textf("%s", why)});
}
