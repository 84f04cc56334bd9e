/* ops/cond.h - what builders above ask about conditionals. */
#ifndef EK_OPS_COND_H
#define EK_OPS_COND_H

#include "evenkeel/control.h"
#include "ops/operand.h"

/* Whether a predicate is known while building: EK_YES, EK_NO, or EK_DEFAULT where a run decides. */
ek_tristate ek__static_pred(ek_operand pred);

#endif
