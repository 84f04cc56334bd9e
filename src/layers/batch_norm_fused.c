/* layers/batch_norm_fused.c - tf.nn.fused_batch_norm, and the layer around it. */
#include "layers/batch_norm.h"

/* ---- the primitive ---------------------------------------------------------------------------- */

/* What cuDNN demands at least. */
static const double least_epsilon = 1.001e-5;

/* A statistic: none is an empty constant, a variable is read inside the operation's name scope. */
static ek_operand statistic(ek_graph *g, ek_operand x, ek_where where)
{
    return x.kind != 0 ? x : ek__of(ek__const_filled(g, EK_FLOAT32, EK_SHAPE(0), 0.0, NULL, where));
}

ek_fused_batch_norm_result ek_nn_fused_batch_norm_with(const ek_nn_fused_batch_norm_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where))
        return (ek_fused_batch_norm_result){ ek__dead(NULL), ek__dead(NULL), ek__dead(NULL) };
    ek_graph *g = o->x.graph;
    ek_tensor y = ek__dead(g);

    if (g == NULL) return (ek_fused_batch_norm_result){ y, y, y };
    if (o->is_training && (o->mean.kind != 0 || o->variance.kind != 0)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "Both 'mean' and 'variance' must be None if is_training is True.");
        return (ek_fused_batch_norm_result){ y, y, y };
    }
    const ek_attr attr[] = {
        EK_ATTR_F("epsilon", (float)(o->epsilon > least_epsilon ? o->epsilon : least_epsilon)),
        ek__attr_string("data_format", o->data_format != NULL ? o->data_format : "NHWC"),
        EK_ATTR_B("is_training", o->is_training),
    };
    ek_operand in[5] = { ek__of(o->x) };
    in[1] = ek__of(ek__operand_tensor(g, &o->scale, EK_FLOAT32, "scale", where));
    in[2] = ek__of(ek__operand_tensor(g, &o->offset, EK_FLOAT32, "offset", where));
    in[3] = statistic(g, o->mean, where);
    in[4] = statistic(g, o->variance, where);
    y = ek__call_tensor(&(ek_call){ .graph = g, .type = "FusedBatchNormV3", .name = o->name, .in = in, .n_in = 5,
                                    .attr = attr, .n_attr = EK_COUNT_OF(attr), .where = where });
    if (!ek_tensor_ok(y)) return (ek_fused_batch_norm_result){ y, y, y };
    return (ek_fused_batch_norm_result){ y, { g, y.op, 1 }, { g, y.op, 2 } };
}

/* ---- the layer ----------------------------------------------------------------------------------- */

static void normalize(const ek_bn_call *c, bool training, ek_operand *out)
{
    const ek_batch_norm *bn = c->bn;
    ek_nn_fused_batch_norm_options o = {
        .size = sizeof o, .x = c->x, .epsilon = bn->o.epsilon, .is_training = training,
        .scale = ek_variable_ok(bn->gamma) ? ek__v(bn->gamma) : ek__of(bn->gamma_const),
        .offset = ek_variable_ok(bn->beta) ? ek__v(bn->beta) : ek__of(bn->beta_const),
        .data_format = bn->nchw ? "NCHW" : "NHWC",
    };
    ek_fused_batch_norm_result r;

    if (!training) {
        o.mean = ek__v(bn->moving_mean);
        o.variance = ek__v(bn->moving_variance);
    }
    r = ek_nn_fused_batch_norm_with(&o, c->where);
    out[0] = ek__of(r.y);
    out[1] = ek__of(r.mean);
    out[2] = ek__of(r.variance);
}

static void train(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    EK_UNUSED(where);
    normalize(arg, true, out);
}

static void infer(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    EK_UNUSED(where);
    normalize(arg, false, out);
}

/* Outside training a momentum of one: the updates run and change nothing. */
static void own_momentum(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    *out = ek__of(ek__const_scalar(g, EK_FLOAT32, ((const ek_bn_call *)arg)->bn->o.momentum, NULL, where));
}

static void full_momentum(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(arg);
    *out = ek__of(ek__const_scalar(g, EK_FLOAT32, 1.0, NULL, where));
}

ek_tensor ek__bn_fused(ek_bn_call *c)
{
    ek_operand out[3], momentum;

    ek__choose(c->g, &c->mode, train, infer, c, 3, out, c->where);
    if (c->mode.known == EK_MODE_DYNAMIC)
        ek__choose(c->g, &c->mode, own_momentum, full_momentum, c, 1, &momentum, c->where);
    else
        own_momentum(c->g, &momentum, c, c->where); /* in inference nothing uses it; TensorFlow leaves it there too */
    if (c->mode.known != 0) {
        c->update[0] = ek__bn_moving_average(c, c->bn->moving_mean, out[1].u.tensor, momentum).op;
        c->update[1] = ek__bn_moving_average(c, c->bn->moving_variance, out[2].u.tensor, momentum).op;
        c->n_updates = 2;
    }
    return out[0].u.tensor;
}
