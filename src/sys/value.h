/*
 * value.h: what ike and dp may say to main (value.c), and why a value of theirs is refused.
 */
#ifndef ADIT_SYS_VALUE_H
#define ADIT_SYS_VALUE_H

#include "dp/dp.h"
#include "ike/ike.h"

enum child_id { CHILD_DP, CHILD_IKE, CHILD_NUM };

enum value_fault {
    VALUE_FINE,
    VALUE_LENGTH,
    VALUE_DESCRIPTOR,
    VALUE_TYPE,
    VALUE_FIELD,
    VALUE_FOREIGN,
    VALUE_UNASKED,
    VALUE_TOO_MUCH,
    VALUE_ENDED, /* no value: the child was ended for what it said */
    VALUE_NUM
};
/* value_fault: what is wrong with len bytes that came from this child; VALUE_FINE: they are a struct dp_msg or a struct
 * ike_msg whose every field may be read. value: writable; control bytes in its texts become '?'. len: as chan_recv gave
 * it. */
NODISCARD enum value_fault value_fault(enum child_id id, void *value, long len);
/* value_fault_text: the sentence for the operator. */
const char *value_fault_text(enum value_fault f);

#endif
