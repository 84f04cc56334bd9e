/* layers/batch_norm_composed.c - batch normalization from small operations. */
#include "layers/batch_norm.h"

/* ---- one call ----------------------------------------------------------------------------------- */

typedef struct composed {
    ek_bn_call *c;
    ek_shape shape;     /* of what is normalised: the input, or the input in virtual batches */
    ek_axes reduced;
    bool broadcast;     /* a single axis that is not the last: parameters are brought to the input's rank */
    ek_shape broadcast_shape;
    ek_operand scale, offset; /* of kind 0: none */
    ek_operand mean, variance;
    ek_bn_moments average;    /* what the moving averages get */
} composed;

static bool is_axis(const ek_batch_norm *bn, int dim)
{
    for (int i = 0; i < bn->n_axes; i++)
        if (bn->axis[i] == dim) return true;
    return false;
}

static void find_axes(composed *k)
{
    const ek_batch_norm *bn = k->c->bn;
    bool all_before_last = true;

    k->reduced.count = 0;
    for (int i = 0; i < k->shape.rank; i++)
        if (!is_axis(bn, i)) k->reduced.axis[k->reduced.count++] = i;
    if (bn->virtual_batches) { /* dimension 1 counts the groups, each with statistics of its own */
        for (int i = 1; i + 1 < k->reduced.count; i++) k->reduced.axis[i] = k->reduced.axis[i + 1];
        k->reduced.count--;
    }
    all_before_last = k->reduced.count == k->shape.rank - 1;
    for (int i = 0; i < k->reduced.count; i++) all_before_last = all_before_last && k->reduced.axis[i] == i;
    k->broadcast = !all_before_last && bn->param_shape.rank != k->shape.rank;
    k->broadcast_shape.rank = k->shape.rank;
    for (int i = 0; i < k->shape.rank; i++) k->broadcast_shape.dim[i] = 1;
    k->broadcast_shape.dim[bn->axis[0]] = k->shape.dim[bn->axis[0]];
}

static ek_operand broadcast(const composed *k, ek_operand x)
{
    return k->broadcast && x.kind != 0 ? ek__of(ek__reshape(k->c->g, x, &k->broadcast_shape, k->c->where)) : x;
}

static ek_operand variable_or_none(ek_variable v)
{
    return ek_variable_ok(v) ? ek__v(v) : (ek_operand){ .kind = 0 };
}

/* x * scale + offset, then * k->scale + k->offset, as one transformation. */
static void compose(composed *k, ek_operand scale, ek_operand offset)
{
    const ek_where where = k->c->where;

    if (k->scale.kind != 0) {
        scale = ek__of(ek__op2(ek_times_with, scale, k->scale, where));
        offset = ek__of(ek__op2(ek_times_with, offset, k->scale, where));
    }
    if (k->offset.kind != 0) offset = ek__of(ek__op2(ek_plus_with, offset, k->offset, where));
    k->scale = scale;
    k->offset = offset;
}

/* ---- adjustment ------------------------------------------------------------------------------------ */

static void adjust(composed *k)
{
    ek_bn_call *c = k->c;
    ek_tensor scale = ek__dead(c->g), offset = ek__dead(c->g);
    const ek_tensor shape = ek__op1(ek_shape_with, ek__of(c->x), NULL, c->where);
    ek_operand s, o;

    c->bn->o.adjustment.call(shape, &scale, &offset, c->bn->o.adjustment.arg);
    s = ek__of(scale);
    o = ek__of(offset);
    ek__bn_only_in_training(c, &s, &o);
    compose(k, s, o);
}

/* ---- statistics -------------------------------------------------------------------------------------- */

static void pass(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    EK_UNUSED(where);
    *out = ((const ek_operand *)arg)[0];
}

static void moving(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    *out = ek__of(ek__operand_tensor(g, (const ek_operand *)arg + 1, EK_DTYPE_NONE, NULL, where));
}

static ek_operand choose(const ek_bn_call *c, ek_tensor batch, ek_variable stored)
{
    ek_operand pair[2] = { ek__of(batch), ek__v(stored) }, out;

    ek__choose(c->g, &c->mode, pass, moving, pair, 1, &out, c->where);
    return out;
}

/* tf.reduce_mean over the groups of virtual batches. */
static ek_operand mean_of_groups(const ek_bn_call *c, ek_operand x)
{
    const ek_attr keep_dims = EK_ATTR_B("keep_dims", true);

    return ek__of(ek__call_tensor(&(ek_call){ .graph = c->g, .type = "Mean", .n_in = 2, .attr = &keep_dims, .n_attr = 1,
                                              .in = (ek_operand[]){ x, ek_operand_of_int(1) }, .where = c->where }));
}

/* The batch's moments where the mode is, or may turn out to be, training. */
static void find_statistics(composed *k)
{
    ek_bn_call *c = k->c;
    const ek_batch_norm *bn = c->bn;
    const ek_operand x = ek__cast(c->g, ek__of(c->x), bn->param_dtype, c->where);
    const ek_moments_result m = ek_moments_with(&(ek_moments_options){
        .size = sizeof(ek_moments_options), .x = x.u.tensor, .axes = k->reduced,
        .keep_dims = bn->virtual_batches || bn->n_axes > 1 }, c->where);

    k->mean = choose(c, m.mean, bn->moving_mean);
    k->variance = choose(c, m.variance, bn->moving_variance);
    k->average = (ek_bn_moments){ k->mean, k->variance };
    if (!bn->virtual_batches) return;
    k->average.mean = mean_of_groups(c, k->mean);
    k->average.variance = mean_of_groups(c, k->variance);
}

/* ---- updates --------------------------------------------------------------------------------------------- */

static ek_bn_write move_mean(const ek_bn_call *c, void *arg)
{
    return ek__bn_moving_average(c, c->bn->moving_mean, ((const composed *)arg)->average.mean.u.tensor,
                                 ek__num(c->bn->o.momentum));
}

/* deviation * deviation: two reads of a resource, as Python makes them. */
static ek_tensor square_written(const ek_bn_call *c, const ek_bn_write *w)
{
    const ek_tensor left = ek__bn_written(c, w);
    ek_tensor out = ek__dead(c->g);

    EK_IN_SCOPE(ek_name_scope_push(c->g, "mul", c->where)) {
        const char *own = ek_name_scope(c->g);
        out = ek__emit2("Mul", left, ek__bn_written(c, w), own, c->where);
    }
    return out;
}

/* With renorm the deviation is averaged, and the moving variance follows from it. */
static ek_bn_write move_variance(const ek_bn_call *c, void *arg)
{
    const composed *k = arg;
    const double epsilon = c->bn->o.epsilon, momentum = c->bn->o.momentum;
    ek_tensor t;
    ek_bn_write deviation;

    if (!c->bn->o.renorm)
        return ek__bn_moving_average(c, c->bn->moving_variance, k->average.variance.u.tensor, ek__num(momentum));
    t = ek__op2(ek_plus_with, k->average.variance, ek__num(epsilon), c->where);
    t = ek__op1(ek_sqrt_with, ek__of(t), NULL, c->where);
    deviation = ek__bn_moving_average(c, c->bn->moving_stddev, t, ek__num(momentum));
    t = ek__op2(ek_minus_with, ek__of(square_written(c, &deviation)), ek__num(epsilon), c->where);
    /* Rounding may take it below zero. */
    return ek__bn_assign(c, c->bn->moving_variance, ek__op1(ek_relu_with, ek__of(t), NULL, c->where));
}

static void train(composed *k)
{
    ek_bn_call *c = k->c;

    if (c->bn->o.adjustment.call != NULL) adjust(k);
    find_statistics(k);
    if (c->bn->o.renorm) {
        const ek_bn_correction r = ek__bn_renorm(c, k->average);
        k->average = r.moments;
        const ek_operand scale = broadcast(k, ek__of(ek__emit1("StopGradient", r.r.u.tensor, "renorm_r", c->where)));
        const ek_operand offset = broadcast(k, ek__of(ek__emit1("StopGradient", r.d.u.tensor, "renorm_d", c->where)));
        compose(k, scale, offset);
    }
    ek__bn_update(c, c->bn->moving_mean, move_mean, k);
    ek__bn_update(c, c->bn->moving_variance, move_variance, k);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static ek_operand cast(const composed *k, ek_operand x)
{
    return x.kind != 0 ? ek__cast(k->c->g, x, ek_dtype_base(ek_tensor_dtype(k->c->x)), k->c->where) : x;
}

static ek_tensor normalize(composed *k)
{
    ek_bn_call *c = k->c;
    ek_nn_batch_normalization_options n = { .size = sizeof n, .x = c->x, .variance_epsilon = c->bn->o.epsilon };
    ek_tensor y;

    n.mean = cast(k, k->mean);
    n.variance = cast(k, k->variance);
    n.offset = cast(k, k->offset);
    n.scale = cast(k, k->scale);
    n.mean = broadcast(k, n.mean);
    n.variance = broadcast(k, n.variance);
    y = ek_nn_batch_normalization_with(&n, c->where);
    if (ek_tensor_ok(y)) ek_set_shape_at(y, k->shape, c->where);
    return y;
}

/* [n, d..] -> [size, -1, d..]: the reshape is row-major, so group j is made of the samples i with
 * i mod (n / size) == j. */
static bool to_virtual_batches(ek_bn_call *c)
{
    ek_shape shape = ek_tensor_shape(c->x);

    for (int i = 1; i < shape.rank; i++)
        if (shape.dim[i] < 0) {
            char text[256];
            ek_shape_format(&shape, text, sizeof text);
            ek__graph_fail(c->g, c->where, EK_INVALID_ARGUMENT,
                           "Failed to convert object of type <class 'list'> to Tensor: virtual_batch_size needs an "
                           "input whose shape is known apart from dimension 0, found %s", text);
            return false;
        }
    if (shape.rank == EK_MAX_RANK) {
        ek__graph_fail(c->g, c->where, EK_INVALID_ARGUMENT, "virtual batches of an input of rank %d", shape.rank);
        return false;
    }
    for (int i = shape.rank; i > 1; i--) shape.dim[i] = shape.dim[i - 1];
    shape.rank++;
    shape.dim[0] = c->bn->o.virtual_batch_size;
    shape.dim[1] = -1;
    c->x = ek__reshape(c->g, ek__of(c->x), &shape, c->where);
    return true;
}

ek_tensor ek__bn_composed(ek_bn_call *c)
{
    const ek_batch_norm *bn = c->bn;
    ek_shape original = ek_tensor_shape(c->x);
    composed k = { .c = c };
    ek_tensor y;

    original.dim[0] = bn->virtual_batches ? -1 : original.dim[0];
    if (bn->virtual_batches && !to_virtual_batches(c)) return ek__dead(c->g);
    if (!ek_tensor_ok(c->x)) return c->x;
    k.shape = ek_tensor_shape(c->x);
    find_axes(&k);
    k.scale = broadcast(&k, variable_or_none(bn->gamma));
    k.offset = broadcast(&k, variable_or_none(bn->beta));
    if (c->mode.known != 0) {
        train(&k);
    } else {
        k.mean = ek__v(bn->moving_mean);
        k.variance = ek__v(bn->moving_variance);
    }
    y = normalize(&k);
    return bn->virtual_batches ? ek__reshape(c->g, ek__of(y), &original, c->where) : y;
}
