/* layers/training.h - whether a layer trains: known while building, or chosen by a tensor at run time. */
#ifndef EK_LAYERS_TRAINING_H
#define EK_LAYERS_TRAINING_H

#include "layers/build.h"

typedef struct ek_mode {
    int known;      /* 1, 0; -1: the predicate decides */
    ek_operand pred;   /* a tensor or a variable */
} ek_mode;
enum { EK_MODE_DYNAMIC = -1 };

/* From the option `training`. False after a failure, which is recorded. */
bool ek__mode_of(ek_graph *g, ek_tensor training, ek_mode *mode, ek_where where);

/* One side of a choice: fills `n` outputs. */
typedef void (*ek_side)(ek_graph *g, ek_operand *out, void *arg, ek_where where);

/* tf_utils.smart_cond: the side that is known, as it comes, or a cond over both, whose outputs are tensors. n <= 3. */
void ek__choose(ek_graph *g, const ek_mode *mode, ek_side yes, ek_side no, void *arg, int n, ek_operand *out,
                ek_where where);

#endif
