/* layers/constraint.c - what an optimizer replaces a variable by after its step: Keras's constraints. */
#include <math.h>

#include "layers/variable.h"

static const double epsilon = 1e-7; /* K.epsilon() */

ek_constraint ek_custom_constraint(ek_variable_fn call, void *arg)
{
    return (ek_constraint){ .call = call, .arg = arg };
}

const ek_constraint *ek__constraint_keep(ek_graph *g, const ek_constraint *c)
{
    ek_constraint *kept = c == NULL || c->call == NULL ? NULL : ek__arena_memdup(&g->arena, c, sizeof *c);

    if (kept != NULL && kept->norm.size != 0) kept->arg = &kept->norm;
    return kept;
}

/* ---- signs ------------------------------------------------------------------------------------------ */

/* w * cast(w >= 0). */
static ek_tensor non_neg(ek_variable v, void *arg)
{
    const ek_where where = EK_HERE;
    const ek_tensor keep = ek__op2(ek_greater_equal_with, ek__v(v), ek__num(0.0), where);

    EK_UNUSED(arg);
    return ek__op2(ek_times_with, ek__v(v), ek__cast(v.graph, ek__of(keep), EK_FLOAT32, where), where);
}

ek_constraint ek_non_neg_constraint(void) { return (ek_constraint){ .call = non_neg }; }

/* ---- norms ----------------------------------------------------------------------------------------------- */

/* K.clip: the bounds are Consts, made before. */
static ek_tensor clip(ek_tensor x, double least, double most, ek_where where)
{
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(x));
    const ek_tensor low = ek__const_scalar(x.graph, dtype, least, NULL, where);
    const ek_tensor high = ek__const_scalar(x.graph, dtype, most < least ? least : most, NULL, where);

    return ek_clip_by_value_with(ek__of(x), ek__of(low),
                                 &(ek_clip_by_value_options){ .size = sizeof(ek_clip_by_value_options),
                                                              .most = ek__of(high) }, where);
}

/* K.sqrt(sum(square(w))) over the axes, which stay as dimensions of 1. */
static ek_tensor norms(ek_variable v, const ek_axes *axis, ek_where where)
{
    const ek_tensor squares = ek__op1(ek_square_with, ek__v(v), NULL, where);
    const ek_tensor sums = ek_reduce_sum_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = squares,
                                                                    .axis = *axis, .keepdims = true }, where);

    return ek_tensor_ok(sums) ? ek__op1(ek_sqrt_with, ek__of(clip(sums, 0.0, (double)INFINITY, where)), NULL, where)
                              : sums;
}

/* w * (desired / (epsilon + norms)) */
static ek_tensor rescaled(ek_variable v, ek_tensor desired, ek_tensor n, ek_where where)
{
    const ek_tensor below = ek__op2(ek_plus_with, ek__num(epsilon), ek__of(n), where);
    const ek_tensor factor = ek__op2(ek_over_with, ek__of(desired), ek__of(below), where);

    return ek__op2(ek_times_with, ek__v(v), ek__of(factor), where);
}

static ek_tensor max_norm(ek_variable v, void *arg)
{
    const ek_norm_constraint_options *o = arg;
    const ek_where where = EK_HERE;
    const ek_tensor n = norms(v, &o->axis, where);

    return ek_tensor_ok(n) ? rescaled(v, clip(n, 0.0, o->max_value, where), n, where) : n;
}

static ek_tensor unit_norm(ek_variable v, void *arg)
{
    const ek_norm_constraint_options *o = arg;
    const ek_where where = EK_HERE;
    const ek_tensor n = norms(v, &o->axis, where);

    return ek__op2(ek_over_with, ek__v(v), ek__of(ek__op2(ek_plus_with, ek__num(epsilon), ek__of(n), where)), where);
}

static ek_tensor min_max_norm(ek_variable v, void *arg)
{
    const ek_norm_constraint_options *o = arg;
    const ek_where where = EK_HERE;
    const ek_tensor n = norms(v, &o->axis, where);

    if (!ek_tensor_ok(n)) return n;
    const ek_tensor clipped = clip(n, o->min_value, o->max_value, where);
    const ek_tensor wanted = ek__op2(ek_times_with, ek__num(o->rate), ek__of(clipped), where);
    const ek_tensor left = ek__op2(ek_times_with, ek__num(1.0 - o->rate), ek__of(n), where);

    return rescaled(v, ek__op2(ek_plus_with, ek__of(wanted), ek__of(left), where), n, where);
}

static ek_constraint of_norm(ek_variable_fn call, const ek_norm_constraint_options *o, ek_where where)
{
    ek_constraint c = { .call = NULL };

    if (!EK_OPTIONS_OK(NULL, o, where)) return c;
    c.call = call;
    c.norm = *o;
    return c;
}

ek_constraint ek_max_norm_constraint_with(const ek_norm_constraint_options *o, ek_where where)
{
    return of_norm(max_norm, o, where);
}

ek_constraint ek_unit_norm_constraint_with(const ek_norm_constraint_options *o, ek_where where)
{
    return of_norm(unit_norm, o, where);
}

ek_constraint ek_min_max_norm_constraint_with(const ek_norm_constraint_options *o, ek_where where)
{
    return of_norm(min_max_norm, o, where);
}
