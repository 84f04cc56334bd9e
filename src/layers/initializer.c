/* layers/initializer.c - first values: the nodes under V/Initializer. */
#include <math.h>

#include "evenkeel/nn.h"
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

static ek_tensor constant(ek_graph *g, const ek_initializer *init, const ek_shape *shape, ek_dtype dtype,
                          ek_where where)
{
    const ek_literal v = init->array != NULL ? ek_value(init->array) : ek_scalar(dtype, init->value);

    return ek_constant_with(g, &(ek_constant_options){ .size = sizeof(ek_constant_options), .value = v, .dtype = dtype,
                                                       .shape = *shape }, where);
}

/* ---- random numbers ------------------------------------------------------------------------------ */

static ek_tensor uniform(ek_graph *g, const ek_shape *shape, double minval, double maxval, ek_dtype dtype, int64_t seed,
                         ek_where where)
{
    return ek_random_uniform_with(g,
                                  &(ek_random_uniform_options){ .size = sizeof(ek_random_uniform_options),
                                                                .shape = *shape, .minval = minval, .maxval = maxval,
                                                                .dtype = dtype, .seed = seed },
                                  where);
}

static ek_tensor normal(ek_tensor (*with)(ek_graph *, const ek_random_normal_options *, ek_where), ek_graph *g,
                        const ek_shape *shape, double mean, double stddev, ek_dtype dtype, int64_t seed, ek_where where)
{
    return with(g, &(ek_random_normal_options){ .size = sizeof(ek_random_normal_options), .shape = *shape, .mean = mean,
                                                .stddev = stddev, .dtype = dtype, .seed = seed }, where);
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

/* A part is as large as the whole it comes from lets it be. */
static ek_tensor variance_scaling(ek_graph *g, const ek_initializer *init, const ek_shape *shape, const ek_shape *whole,
                                  ek_dtype dtype, ek_where where)
{
    static const double cut_deviation = .87962566103423978; /* of a normal cut at two deviations */
    double in, out, n, scale;

    fans(whole, &in, &out);
    n = init->mode == EK_FAN_IN ? in : init->mode == EK_FAN_OUT ? out : (in + out) / 2.0;
    scale = init->scale / (n > 1.0 ? n : 1.0);
    if (!(init->scale > 0.0)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "`scale` must be positive float.");
        return ek__dead(g);
    }
    if (init->mode != EK_FAN_IN && init->mode != EK_FAN_OUT && init->mode != EK_FAN_AVG) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Invalid `mode` argument: %d", (int)init->mode);
        return ek__dead(g);
    }
    switch (init->distribution) {
    case EK_DISTRIBUTION_UNIFORM: {
        const double limit = sqrt(3.0 * scale);
        return uniform(g, shape, -limit, limit, dtype, init->seed, where);
    }
    case EK_DISTRIBUTION_UNTRUNCATED_NORMAL:
        return normal(ek_random_normal_with, g, shape, 0.0, sqrt(scale), dtype, init->seed, where);
    case EK_DISTRIBUTION_TRUNCATED_NORMAL:
        return normal(ek_truncated_normal_with, g, shape, 0.0, sqrt(scale) / cut_deviation, dtype, init->seed, where);
    default: break;
    }
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Invalid `distribution` argument: %d", (int)init->distribution);
    return ek__dead(g);
}

/* ---- matrices ------------------------------------------------------------------------------------------- */

/* All dimensions but the last are rows. */
static bool as_matrix(ek_graph *g, const ek_shape *shape, int64_t *rows, int64_t *columns, ek_where where)
{
    *rows = 1;
    if (shape->rank < 2) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "The tensor to initialize must be at least two-dimensional");
        return false;
    }
    for (int i = 0; i < shape->rank - 1; i++)
        if (__builtin_mul_overflow(*rows, shape->dim[i], rows)) *rows = INT64_MAX;
    *columns = shape->dim[shape->rank - 1];
    return true;
}

static ek_tensor matrix_transpose(ek_tensor x, ek_where where)
{
    ek_tensor y = ek__dead(x.graph);

    EK_IN_SCOPE(ek_name_scope_push(x.graph, "matrix_transpose", where))
        y = ek_transpose_with(&(ek_transpose_options){ .size = sizeof(ek_transpose_options), .input = x,
                                                       .perm = EK_INTS(1, 0) }, where);
    return y;
}

/* q of a normal matrix, its columns turned so that every orthogonal matrix is as likely. */
static ek_tensor orthogonal(ek_graph *g, const ek_initializer *init, const ek_shape *shape, ek_dtype dtype,
                            ek_where where)
{
    int64_t rows, columns;
    ek_tensor q;

    if (!as_matrix(g, shape, &rows, &columns, where)) return ek__dead(g);
    const bool wide = rows < columns;
    const ek_shape flat = wide ? EK_SHAPE(columns, rows) : EK_SHAPE(rows, columns);
    const ek_tensor a = normal(ek_random_normal_with, g, &flat, 0.0, 1.0, dtype, init->seed, where);
    const ek_op qr = ek__node_build(g, &(ek_node_args){ .type = "Qr", .in = &a, .n_in = 1, .where = where });

    if (!ek_op_ok(qr)) return ek__dead(g);
    const ek_tensor diagonal = ek__emit1("DiagPart", ek_op_output(qr, 1), NULL, where);
    const ek_tensor sign = ek__op1(ek_sign_with, ek__of(diagonal), NULL, where);
    q = ek__op2(ek_times_with, ek__of(ek_op_output(qr, 0)), ek__of(sign), where);
    if (wide) q = matrix_transpose(q, where);
    return ek__op2(ek_times_with, ek__num(init->gain), ek__of(ek__reshape(g, ek__of(q), shape, where)), where);
}

/* `shape` is the whole's. */
static ek_tensor identity(ek_graph *g, const ek_initializer *init, const ek_shape *shape, const ek_slice_info *slice,
                          ek_dtype dtype, ek_where where)
{
    const int64_t least = shape->rank == 2 && shape->dim[1] < shape->dim[0] ? shape->dim[1] : shape->dim[0];
    ek_tensor eye = ek__dead(g);

    if (shape->rank != 2) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Identity matrix initializer can only be used for 2D matrices.");
        return eye;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, "eye", where)) {
        const ek_tensor ones = filled(ek_ones_with, g, &EK_SHAPE(least), dtype, where);
        if (shape->dim[0] == shape->dim[1])
            eye = ek__emit1("MatrixDiag", ones, "diag", where);
        else
            eye = ek__emit2("MatrixSetDiag", filled(ek_zeros_with, g, shape, dtype, where), ones, "set_diag", where);
    }
    if (slice != NULL)
        eye = ek_slice_with(&(ek_slice_options){ .size = sizeof(ek_slice_options), .input = eye,
                                                 .begin = { slice->offset, slice->full_shape.rank },
                                                 .sizes = { slice->shape.dim, slice->shape.rank } }, where);
    return ek__op2(ek_times_with, ek__num(init->gain), ek__of(eye), where);
}

/* ---- one way in ---------------------------------------------------------------------------------------- */

ek_tensor ek__initializer_build(ek_graph *g, const ek_initializer *init, ek_shape shape, ek_dtype dtype,
                                const ek_slice_info *slice, ek_where where)
{
    const ek_shape *const whole = slice != NULL ? &slice->full_shape : &shape;

    if (init->dtype != EK_DTYPE_NONE) dtype = init->dtype;
    switch (init->kind) {
    case EK_INIT_ZEROS: return filled(ek_zeros_with, g, &shape, dtype, where);
    case EK_INIT_ONES: return filled(ek_ones_with, g, &shape, dtype, where);
    case EK_INIT_CONSTANT: return constant(g, init, &shape, dtype, where);
    case EK_INIT_RANDOM_UNIFORM: return uniform(g, &shape, init->minval, init->maxval, dtype, init->seed, where);
    case EK_INIT_RANDOM_NORMAL:
        return normal(ek_random_normal_with, g, &shape, init->mean, init->stddev, dtype, init->seed, where);
    case EK_INIT_TRUNCATED_NORMAL:
        return normal(ek_truncated_normal_with, g, &shape, init->mean, init->stddev, dtype, init->seed, where);
    case EK_INIT_VARIANCE_SCALING: return variance_scaling(g, init, &shape, whole, dtype, where);
    case EK_INIT_ORTHOGONAL: return orthogonal(g, init, &shape, dtype, where);
    case EK_INIT_IDENTITY: return identity(g, init, whole, slice, dtype, where);
    case EK_INIT_CALL:
        if (init->call != NULL) return init->call(g, shape, dtype, init->arg);
        break;
    default: break;
    }
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "this is no initializer (kind %d); make one with ek_..._initializer()", (int)init->kind);
    return ek__dead(g);
}
