/* layers/build.h - what layers say besides ops/emit.h: variables as operands, and what is known of them. */
#ifndef EK_LAYERS_BUILD_H
#define EK_LAYERS_BUILD_H

#include "evenkeel/layers.h"
#include "ops/emit.h"

static inline ek_operand ek__v(ek_variable v) { return ek_operand_of_variable(v); }

/* Whether `v` is a live variable of a graph that has not failed. */
const ek_variable_info *ek__info(ek_variable v);
/* Whether a live variable has a node of its own; one in parts is recorded as a failure. */
bool ek__whole(ek_variable v, ek_where where);

#endif
