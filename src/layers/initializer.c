/* layers/initializer.c - first values: the nodes under V/Initializer (spec 9.1) and the seeds they get (9.2). */
#include <math.h>

#include "evenkeel/arrays.h"
#include "layers/variable.h"

ek_initializer ek_initializer_copy(const ek_initializer_args_ *a, ek_where where)
{
    EK_UNUSED(where);
    return a->of;
}

/* ---- constants -------------------------------------------------------------------------------- */

static ek_tensor filled(ek_tensor (*with)(ek_graph *, const ek_zeros_options *, ek_where), ek_graph *g,
                        const ek_shape *shape, ek_dtype dtype, ek_where where)
{
    return with(g, &(ek_zeros_options){ .size = sizeof(ek_zeros_options), .shape = *shape, .dtype = dtype }, where);
}

static ek_tensor constant(ek_graph *g, const ek_initializer *init, const ek_shape *shape, ek_dtype dtype, ek_where where)
{
    const ek_literal v = init->array != NULL ? ek_value(init->array) : ek_scalar(dtype, init->value);

    return ek_constant_with(g, &(ek_constant_options){ .size = sizeof(ek_constant_options), .value = v, .dtype = dtype,
                                                       .shape = *shape }, where);
}

/* ---- random numbers ------------------------------------------------------------------------------ */

static int64_t python_mod(int64_t a, int64_t m)
{
    const int64_t r = a % m;

    return r < 0 ? r + m : r;
}

void ek__get_seeds(const ek_graph *g, int64_t seed, int64_t *seed1, int64_t *seed2)
{
    static const int64_t prime = INT32_MAX, when_only_op_seed = 87654321;
    const bool given = seed != EK_NO_SEED;

    *seed1 = *seed2 = 0;
    if (!given && !g->has_graph_seed) return;
    *seed1 = python_mod(g->has_graph_seed ? g->graph_seed : when_only_op_seed, prime);
    *seed2 = python_mod(given ? seed : g->n_nodes, prime);
    /* (0, 0) would mean "draw seeds from the system". */
    if (*seed1 == 0 && *seed2 == 0) *seed2 = prime;
}

static ek_tensor random_node(ek_graph *g, const char *type, ek_tensor shape, ek_dtype dtype, int64_t seed, ek_where where)
{
    int64_t seed1, seed2;

    ek__get_seeds(g, seed, &seed1, &seed2);
    return EK_EMIT(g, where, type, NULL, EK_IN(shape), EK_ATTR_T("dtype", dtype), EK_ATTR_I("seed", seed1),
                   EK_ATTR_I("seed2", seed2));
}

static ek_tensor uniform_int(ek_graph *g, const char *name, const ek_tensor in[3], int64_t seed, ek_where where)
{
    int64_t seed1, seed2;

    ek__get_seeds(g, seed, &seed1, &seed2);
    return EK_EMIT(g, where, "RandomUniformInt", name, EK_IN(in[0], in[1], in[2]), EK_ATTR_I("seed", seed1),
                   EK_ATTR_I("seed2", seed2));
}

/* tf.random_uniform: raw * (max - min) + min. */
static ek_tensor uniform(ek_graph *g, const ek_shape *shape, double minval, double maxval, ek_dtype dtype, int64_t seed,
                         ek_where where)
{
    ek_tensor out = ek__dead(g);

    if (isnan(maxval) && ek_dtype_is_integer(dtype)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Must specify maxval for integer dtype tf.%s", ek_dtype_name(dtype));
        return out;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, "random_uniform", where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor dims = ek__const_shape(g, shape, "shape", where);
        const ek_tensor lo = ek__const_scalar(g, dtype, minval, "min", where);
        const ek_tensor hi = ek__const_scalar(g, dtype, isnan(maxval) ? 1.0 : maxval, "max", where);
        if (ek_dtype_is_integer(dtype)) {
            out = uniform_int(g, own, EK_IN(dims, lo, hi), seed, where);
        } else {
            const ek_tensor raw = random_node(g, "RandomUniform", dims, dtype, seed, where);
            const ek_tensor span = ek__emit2("Sub", hi, lo, "sub", where);
            out = ek__emit2("Add", ek__emit2("Mul", raw, span, "mul", where), lo, own, where);
        }
    }
    return out;
}

/* tf.random_normal, tf.truncated_normal: raw * stddev + mean. */
static ek_tensor normal(ek_graph *g, const char *name, const char *type, const ek_shape *shape, double mean, double stddev,
                        ek_dtype dtype, int64_t seed, ek_where where)
{
    ek_tensor out = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, name, where)) {
        const char *own = ek_name_scope(g);
        const ek_tensor dims = ek__const_shape(g, shape, "shape", where);
        const ek_tensor m = ek__const_scalar(g, dtype, mean, "mean", where);
        const ek_tensor s = ek__const_scalar(g, dtype, stddev, "stddev", where);
        const ek_tensor raw = random_node(g, type, dims, dtype, seed, where);
        out = ek__emit2("Add", ek__emit2("Mul", raw, s, "mul", where), m, own, where);
    }
    return out;
}

static ek_tensor random_normal(ek_graph *g, const ek_shape *shape, double mean, double stddev, ek_dtype dtype, int64_t seed,
                               ek_where where)
{
    return normal(g, "random_normal", "RandomStandardNormal", shape, mean, stddev, dtype, seed, where);
}

static ek_tensor truncated_normal(ek_graph *g, const ek_shape *shape, double mean, double stddev, ek_dtype dtype,
                                  int64_t seed, ek_where where)
{
    return normal(g, "truncated_normal", "TruncatedNormal", shape, mean, stddev, dtype, seed, where);
}

/* ---- scaled by the number of inputs and outputs -------------------------------------------------------- */

/* A matrix is inputs by outputs; before them a convolution's kernel has the size of its window. */
static void fans(const ek_shape *shape, double *in, double *out)
{
    double window = 1.0;

    *in = *out = 1.0;
    if (shape->rank == 1) *in = *out = (double)shape->dim[0];
    if (shape->rank < 2) return;
    for (int i = 0; i < shape->rank - 2; i++) window *= (double)shape->dim[i];
    *in = window * (double)shape->dim[shape->rank - 2];
    *out = window * (double)shape->dim[shape->rank - 1];
}

static ek_tensor variance_scaling(ek_graph *g, const ek_initializer *init, const ek_shape *shape, ek_dtype dtype,
                                  ek_where where)
{
    static const double cut_deviation = .87962566103423978; /* of a normal cut at two deviations */
    double in, out, n, scale;

    fans(shape, &in, &out);
    n = init->mode == EK_FAN_IN ? in : init->mode == EK_FAN_OUT ? out : (in + out) / 2.0;
    scale = init->scale / (n > 1.0 ? n : 1.0);
    if (!(init->scale > 0.0)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "`scale` must be positive float.");
        return ek__dead(g);
    }
    switch (init->distribution) {
    case EK_DISTRIBUTION_UNIFORM: {
        const double limit = sqrt(3.0 * scale);
        return uniform(g, shape, -limit, limit, dtype, init->seed, where);
    }
    case EK_DISTRIBUTION_UNTRUNCATED_NORMAL:
        return random_normal(g, shape, 0.0, sqrt(scale), dtype, init->seed, where);
    default:
        return truncated_normal(g, shape, 0.0, sqrt(scale) / cut_deviation, dtype, init->seed, where);
    }
}

/* ---- one way in ---------------------------------------------------------------------------------------- */

ek_tensor ek__initializer_build(ek_graph *g, const ek_initializer *init, ek_shape shape, ek_dtype dtype, ek_where where)
{
    if (init->dtype != EK_DTYPE_NONE) dtype = init->dtype;
    switch (init->kind) {
    case EK_INIT_ZEROS: return filled(ek_zeros_with, g, &shape, dtype, where);
    case EK_INIT_ONES: return filled(ek_ones_with, g, &shape, dtype, where);
    case EK_INIT_CONSTANT: return constant(g, init, &shape, dtype, where);
    case EK_INIT_RANDOM_UNIFORM: return uniform(g, &shape, init->minval, init->maxval, dtype, init->seed, where);
    case EK_INIT_RANDOM_NORMAL: return random_normal(g, &shape, init->mean, init->stddev, dtype, init->seed, where);
    case EK_INIT_TRUNCATED_NORMAL: return truncated_normal(g, &shape, init->mean, init->stddev, dtype, init->seed, where);
    case EK_INIT_VARIANCE_SCALING: return variance_scaling(g, init, &shape, dtype, where);
    case EK_INIT_CALL:
        if (init->call != NULL) return init->call(g, shape, dtype, init->arg);
        break;
    default: break;
    }
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "this is no initializer (kind %d); make one with ek_..._initializer()",
                   (int)init->kind);
    return ek__dead(g);
}
