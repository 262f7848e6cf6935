/*
 * offered.c: what we offered, for the operator of the end that was refused: the peer says only that it does not take it, and has its
 * reasons in a log of its own. Renders; decides nothing.
 */
#include "ike/ike_int.h"

/* add: one more of a list; false: it does not fit, and the list says that there are more. */
static bool add(char *out, size_t cap, const char *one)
{
    size_t n = strlen(out);
    if (n + strlen(one) + 8 > cap) {
        snprintf(out + n, cap - n, "%s", " ...");
        return false;
    }
    snprintf(out + n, cap - n, "%s%s", n ? " or " : "", one);
    return true;
}

void offered_policies(char *out, size_t cap, const struct ike *ike)
{
    char one[96];
    out[0] = 0;
    for (const struct conf_policy *c = ike->conf->policies; c; c = c->next) {
        snprintf(one, sizeof one, "%s, %s, group %u", encr_row(c->v.encr)->human, hash_row(c->v.hash)->human, c->v.group);
        if (!add(out, cap, one)) {
            return;
        }
    }
}

void offered_sets(char *out, size_t cap, const struct ike_flow_value *f)
{
    char one[160], pfs[32];
    out[0] = 0;
    snprintf(pfs, sizeof pfs, f->pfs_group ? "PFS group %u" : "no PFS", f->pfs_group);
    for (unsigned i = 0; i < f->num_transforms; i++) {
        const struct ike_transform *t = &f->transform[i];
        snprintf(one, sizeof one, "%s%s%s%s%s%s%s in %s mode, %s", t->ah ? hash_row(t->ah)->ah : "", t->ah && t->encr ? " " : "",
                 t->encr ? encr_row(t->encr)->ts : "", t->auth ? " " : "", t->auth ? hash_row(t->auth)->ts : "", t->comp ? " " : "",
                 comp_row((enum comp_id)t->comp)->ts, t->mode == MODE_TUNNEL ? "tunnel" : "transport", pfs);
        if (!add(out, cap, one)) {
            return;
        }
    }
}
