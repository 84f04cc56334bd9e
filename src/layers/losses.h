/* layers/losses.h - what losses end with: weights, reduction, collection. */
#ifndef EK_LAYERS_LOSSES_H
#define EK_LAYERS_LOSSES_H

#include "evenkeel/losses.h"
#include "layers/fit.h"

/* tf.losses.compute_weighted_loss; the options' size is not looked at. */
ek_tensor ek__weighted_loss(ek_graph *g, const ek_weighted_loss_options *o, ek_where where);
/* The number of losses whose weight is not zero; `per_batch`: of each row. */
ek_tensor ek__num_present(ek_graph *g, ek_tensor losses, ek_operand weights, bool per_batch, ek_where where);
/* range(1, rank(x)) */
ek_tensor ek__axes_from_one(ek_tensor x, ek_where where);
/* Nothing for a dead tensor or a NULL collection. */
void ek__collect_loss(ek_tensor loss, const char *collection, ek_where where);

#endif
