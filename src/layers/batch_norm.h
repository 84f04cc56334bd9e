/* layers/batch_norm.h - the batch-normalization layer from inside.
 *
 *     batch_norm.c           arguments, their validation, variables, one call
 *     batch_norm_composed.c  the graph of small operations, virtual batches, adjustment
 *     batch_norm_renorm.c    batch renormalization
 *     batch_norm_fused.c     the graph around FusedBatchNormV3
 *     batch_norm_update.c    the moving averages
 */
#ifndef EK_LAYERS_BATCH_NORM_H
#define EK_LAYERS_BATCH_NORM_H

#include "layers/layer.h"
#include "layers/training.h"

struct ek_batch_norm {
    ek_layer layer;
    ek_batch_normalization_options o; /* x, training, reuse, name are not looked at */
    int n_axes;
    int axis[EK_MAX_RANK];            /* as given; from the first call on resolved, and moved by virtual batches */
    bool fused, nchw, virtual_batches;
    ek_dtype param_dtype;
    ek_shape param_shape;
    ek_shape pinned;                  /* input shape of the first call: -1 where no axis is normalised */
    ek_variable gamma, beta, moving_mean, moving_variance; /* dead where there is none */
    ek_variable moving_stddev, renorm_mean, renorm_stddev;
    ek_tensor gamma_const, beta_const; /* of the fused form */
};

enum { EK_BN_MAX_UPDATES = 2 };

/* One call of a layer. */
typedef struct ek_bn_call {
    ek_batch_norm *bn;
    ek_graph *g;
    ek_where where;
    ek_tensor x;
    ek_mode mode;
    ek_op update[EK_BN_MAX_UPDATES]; /* what EK_UPDATE_OPS gets */
    int n_updates;
} ek_bn_call;

ek_tensor ek__bn_fused(ek_bn_call *c);
ek_tensor ek__bn_composed(ek_bn_call *c);

/* ---- moving averages ------------------------------------------------------------------------------- */

/* A write of a variable and what may be read after it. */
typedef struct ek_bn_write {
    ek_op op;
    ek_variable variable;
    ek_tensor value; /* of a reference variable: the variable after the write; dead for a resource */
} ek_bn_write;
/* variable -= (variable - value) * (1 - momentum); `momentum` is a number or a tensor. */
ek_bn_write ek__bn_moving_average(const ek_bn_call *c, ek_variable variable, ek_tensor value, ek_operand momentum);
/* variable <- value. */
ek_bn_write ek__bn_assign(const ek_bn_call *c, ek_variable variable, ek_tensor value);
/* The variable as the write leaves it, for a resource by a new read. */
ek_tensor ek__bn_written(const ek_bn_call *c, const ek_bn_write *w);

/* The write that `write(c, arg)` builds, in the training branch where the mode is not known: adds it to the updates. */
typedef ek_bn_write (*ek_bn_writer)(const ek_bn_call *c, void *arg);
void ek__bn_update(ek_bn_call *c, ek_variable variable, ek_bn_writer write, void *arg);

/* ---- renormalization ---------------------------------------------------------------------------------- */

typedef struct ek_bn_moments {
    ek_operand mean, variance;
} ek_bn_moments;
typedef struct ek_bn_correction {
    ek_operand r, d;
    ek_bn_moments moments; /* for the moving averages */
} ek_bn_correction;
ek_bn_correction ek__bn_renorm(ek_bn_call *c, ek_bn_moments batch);
/* Where the predicate is false at run time a scale becomes ones and an offset zeros. */
void ek__bn_only_in_training(const ek_bn_call *c, ek_operand *scale, ek_operand *offset);

#endif
