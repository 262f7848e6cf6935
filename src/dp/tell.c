/*
 * tell.c: what dp says to main and ike (dp.h: enum dp_msg_type). Below everything that has something to say.
 */
#include "dp/dp_int.h"

bool dp_tell(struct dp *dp, enum dp_origin to, u32 type, struct dp_msg *m)
{
    m->type = type;
    return !dp->env.send || dp->env.send(dp->env.ctx, to, m);
}
