/* layers/batch_norm_renorm.c - batch renormalization (Ioffe 2017) as TensorFlow 1.15 builds it.
 *
 * In training the batch is normalised as (x - mean) / s * r + d with
 *     s = sqrt(variance + epsilon),  r = s / S,  d = (mean - M) / S,
 * M and S being moving averages of mean and s: what comes out is close to what inference will give.
 */
#include "layers/batch_norm.h"

static ek_tensor tensor_of(const ek_bn_call *c, ek_operand x)
{
    return ek__operand_tensor(c->g, &x, EK_DTYPE_NONE, NULL, c->where);
}

/* sqrt(epsilon), as a node: epsilon is a float32 constant whatever the layer's type. */
static ek_tensor sqrt_epsilon(const ek_bn_call *c)
{
    const ek_operand epsilon = ek_operand_of_literal(ek_scalar(EK_FLOAT32, c->bn->o.epsilon));

    return ek__call_tensor(&(ek_call){ .graph = c->g, .type = "Sqrt", .in = &epsilon, .n_in = 1, .where = c->where });
}

/* ---- the corrections --------------------------------------------------------------------------------- */

static const ek_clip *clip_of(const ek_bn_call *c, const char *key)
{
    for (int i = 0; i < EK_COUNT_OF(c->bn->o.renorm_clipping) && c->bn->o.renorm_clipping[i].key != NULL; i++)
        if (strcmp(c->bn->o.renorm_clipping[i].key, key) == 0) return &c->bn->o.renorm_clipping[i];
    return NULL;
}

static void clip(const ek_bn_call *c, ek_operand *r, ek_operand *d)
{
    const ek_clip *rmin = clip_of(c, "rmin"), *rmax = clip_of(c, "rmax"), *dmax = clip_of(c, "dmax");

    if (rmin != NULL) *r = ek__of(ek__op2(ek_maximum_with, *r, ek__num(rmin->value), c->where));
    if (rmax != NULL) *r = ek__of(ek__op2(ek_minimum_with, *r, ek__num(rmax->value), c->where));
    if (dmax == NULL) return;
    *d = ek__of(ek__op2(ek_maximum_with, *d, ek__num(-dmax->value), c->where));
    *d = ek__of(ek__op2(ek_minimum_with, *d, ek__num(dmax->value), c->where));
}

static void itself(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    EK_UNUSED(where);
    *out = *(const ek_operand *)arg;
}

static void ones(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    *out = ek__of(ek__op1(ek_ones_like_with, *(const ek_operand *)arg, NULL, where));
}

static void zeros(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    *out = ek__of(ek__op1(ek_zeros_like_with, *(const ek_operand *)arg, NULL, where));
}

void ek__bn_only_in_training(const ek_bn_call *c, ek_operand *scale, ek_operand *offset)
{
    ek_operand s = *scale, o = *offset;

    ek__choose(c->g, &c->mode, itself, ones, &s, 1, scale, c->where);
    ek__choose(c->g, &c->mode, itself, zeros, &o, 1, offset, c->where);
}

/* ---- the averages M and S ---------------------------------------------------------------------------------- */

typedef struct average_arg {
    const ek_bn_call *call;
    ek_variable variable;
    ek_tensor value;
} average_arg;

static void move(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    const average_arg *a = arg;
    const ek_bn_write w =
        ek__bn_moving_average(a->call, a->variable, a->value, ek__num(a->call->bn->o.renorm_momentum));

    EK_UNUSED(g);
    EK_UNUSED(where);
    *out = ek__of(ek__bn_written(a->call, &w));
}

static void stay(ek_graph *g, ek_operand *out, void *arg, ek_where where)
{
    EK_UNUSED(g);
    *out = ek__of(ek__op1(ek_identity_with, ek__v(((const average_arg *)arg)->variable), NULL, where));
}

/* What must have run before the average is used further on. */
static ek_op average(const ek_bn_call *c, ek_variable variable, ek_tensor value)
{
    average_arg a = { c, variable, ek__emit1("Identity", value, NULL, c->where) };
    ek_operand out;

    if (c->mode.known == 1)
        return ek__bn_moving_average(c, variable, a.value, ek__num(c->bn->o.renorm_momentum)).op;
    ek__choose(c->g, &c->mode, move, stay, &a, 1, &out, c->where);
    return ek_tensor_op(out.u.tensor);
}

ek_bn_correction ek__bn_renorm(ek_bn_call *c, ek_bn_moments batch)
{
    const ek_batch_norm *bn = c->bn;
    ek_bn_correction k;
    ek_tensor s, mean = ek__dead(c->g);
    ek_operand least;
    ek_list before;

    s = ek__op2(ek_plus_with, batch.variance, ek__num(bn->o.epsilon), c->where);
    s = ek__op1(ek_sqrt_with, ek__of(s), NULL, c->where);
    least = ek__of(ek__op2(ek_maximum_with, ek__v(bn->renorm_stddev), ek__of(sqrt_epsilon(c)), c->where));
    k.r = ek__of(ek__op2(ek_over_with, ek__of(s), least, c->where));
    k.d = ek__of(ek__op2(ek_minus_with, batch.mean, ek__v(bn->renorm_mean), c->where));
    k.d = ek__of(ek__op2(ek_over_with, k.d, least, c->where));

    /* The corrections use the averages as they were before this step. */
    before = (ek_list){ c->g, (ek_item[]){ ek_item_of_tensor(k.r.u.tensor), ek_item_of_tensor(k.d.u.tensor) }, 2 };
    EK_IN_SCOPE(ek_control_dependencies_push(c->g, before, c->where)) {
        mean = ek__emit1("Identity", tensor_of(c, batch.mean), NULL, c->where);
        s = ek__emit1("Identity", s, NULL, c->where);
    }
    clip(c, &k.r, &k.d);
    ek__bn_only_in_training(c, &k.r, &k.d);

    const ek_op moved_mean = average(c, bn->renorm_mean, mean);
    const ek_op moved_stddev = average(c, bn->renorm_stddev, s);
    before = (ek_list){ c->g, (ek_item[]){ ek_item_of_op(moved_mean), ek_item_of_op(moved_stddev) }, 2 };
    EK_IN_SCOPE(ek_control_dependencies_push(c->g, before, c->where)) {
        k.moments.mean = ek__of(ek__emit1("Identity", mean, NULL, c->where));
        k.moments.variance = ek__of(ek__emit1("Identity", tensor_of(c, batch.variance), NULL, c->where));
    }
    return k;
}
