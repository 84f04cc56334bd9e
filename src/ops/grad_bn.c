/* ops/grad_bn.c - gradients of the fused batch norms. (A composed one has none of its own: it is made of ordinary
 * operations.) */
#include "ops/grad.h"

static bool training(const ek_grad *c)
{
    const ek_attr_value *v = g_attr(c, "is_training");
    return v == NULL || v->u.b;
}

static ek_tensor turned(const ek_grad *c, ek_tensor x, bool to_last)
{
    static const int64_t last[] = { 0, 2, 3, 1 }, first[] = { 0, 3, 1, 2 };

    return ek_transpose_with(&(ek_transpose_options){ .size = sizeof(ek_transpose_options), .input = x,
                                                      .perm = { to_last ? last : first, 4 } }, c->where);
}

/* Version 0, 2 or 3: FusedBatchNormGrad of dy, x, scale and what the forward pass kept, or in inference the moving
 * statistics; on channels first in inference around transpositions, as TensorFlow has it. */
static void fused(ek_grad *c, int version)
{
    static const char *const type[] = { "FusedBatchNormGrad", NULL, "FusedBatchNormGradV2", "FusedBatchNormGradV3" };
    static const char *const attrs[] = { "epsilon", "data_format", "is_training", NULL };
    static const char *const no_format[] = { "epsilon", "is_training", NULL };
    const bool train = training(c), turn = !train && ek__attr_channels_first(c->n);
    ek_tensor x = g_in(c, 0), dy = g_dy(c, 0);

    if (turn) {
        x = turned(c, x, true);
        dy = turned(c, dy, true);
    }
    const ek_tensor in[] = { dy, x, g_in(c, 1), train ? g_out(c, 3) : g_in(c, 3), train ? g_out(c, 4) : g_in(c, 4),
                             version == 3 ? g_out(c, 5) : dy };
    const ek_op op = g_like(c, type[version], in, version == 3 ? 6 : 5, turn ? no_format : attrs);
    g_set(c, 0, turn ? turned(c, ek_op_output(op, 0), false) : ek_op_output(op, 0));
    for (int k = 1; k < (train ? 5 : 3); k++) g_set(c, k, ek_op_output(op, k));
}

void ek__grad_fused_batch_norm(ek_grad *c) { fused(c, 0); }
void ek__grad_fused_batch_norm_v2(ek_grad *c) { fused(c, 2); }
void ek__grad_fused_batch_norm_v3(ek_grad *c) { fused(c, 3); }
