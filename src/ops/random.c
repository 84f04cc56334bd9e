/* ops/random.c - random tensors: RandomUniform, RandomStandardNormal, TruncatedNormal, RandomUniformInt and their
 * stateless forms. The numbers themselves are kernels/random.h's; sampling and shuffling are in ops/sample.c.
 */
#include "kernels/random.h"

#include "ops/generator.h"
#include "ops/rules.h"

/* ---- shapes given as data ------------------------------------------------------------------- */

/* out[0] from the vector in input 0. */
static ek_status shape_from_vector(ek_shape_ctx *c)
{
    const ek_shape *s = &c->in[0];
    const ek_array *value = c->in_value[0];

    if (s->rank >= 0 && s->rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "shape must be a vector of {int32,int64}, got shape %s", EK_CC(s));
    if (value == NULL) {
        c->out[0] = c->in_as_shape[0].rank >= 0 || s->rank < 0 || s->dim[0] < 0 || s->dim[0] > EK_MAX_RANK
                        ? c->in_as_shape[0]
                        : ek__unknown_dims((int32_t)s->dim[0]);
        return EK_OK;
    }
    if (value->count > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "a shape of rank %lld, the highest is %d", (long long)value->count,
                       EK_MAX_RANK);
    c->out[0] = (ek_shape){ .rank = (int32_t)value->count };
    for (int i = 0; i < c->out[0].rank; i++) {
        c->out[0].dim[i] = ek__array_int(value, i);
        if (c->out[0].dim[i] < -1 || (c->out[0].dim[i] < 0 && c->running))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension %lld must be >= 0", (long long)c->out[0].dim[i]);
    }
    return EK_OK;
}

static ek_status want_scalar(const ek_shape_ctx *c, int i, const char *name)
{
    if (c->in[i].rank > 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be 0-D, got shape %s", name, EK_CC(&c->in[i]));
    return EK_OK;
}

static ek_status int_shape(ek_shape_ctx *c)
{
    EK_TRY(want_scalar(c, c->n_in - 2, "minval"));
    EK_TRY(want_scalar(c, c->n_in - 1, "maxval"));
    return shape_from_vector(c);
}

static ek_status stateless_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__want_seed_vector(c, 1));
    return shape_from_vector(c);
}

static ek_status stateless_int_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__want_seed_vector(c, 1));
    return int_shape(c);
}

/* ---- filling ----------------------------------------------------------------------------------- */

typedef enum distribution { UNIFORM, NORMAL, TRUNCATED, INTEGER } distribution;
typedef void (*fill_fn)(const ek_philox *from, int64_t n, void *out);

#define FILLS(name)                                                                                       \
    { [EK_FLOAT32] = ek__random_##name##_f32, [EK_FLOAT64] = ek__random_##name##_f64,                     \
      [EK_FLOAT16] = ek__random_##name##_f16, [EK_BFLOAT16] = ek__random_##name##_bf16 }
static const fill_fn fills[][EK_DTYPE_COUNT] = { [UNIFORM] = FILLS(uniform), [NORMAL] = FILLS(normal),
                                                 [TRUNCATED] = FILLS(truncated) };

enum { CHUNK = 16384 }; /* numbers; a multiple of every group */

typedef struct random_state {
    ek_generator_state generator; /* first: ek__generator_advance reads it there */
    fill_fn fill;
    ek_dtype dtype;
    int64_t n;
    int group;      /* numbers that share a position in the stream */
    int64_t apart;  /* blocks from one such position to the next */
    int bounds;     /* the input that holds minval, for integers; maxval follows */
} random_state;

static ek_philox chunk_stream(const ek_run_args *a, const random_state *s, int64_t chunk)
{
    ek_philox p = *(const ek_philox *)a->scratch;

    ek__philox_skip(&p, (uint64_t)(chunk * CHUNK / s->group * s->apart));
    return p;
}

static int64_t chunk_count(const random_state *s, int64_t chunk)
{
    return s->n - chunk * CHUNK < CHUNK ? s->n - chunk * CHUNK : CHUNK;
}

static ek_status fill_chunk(const ek_run_args *a, int64_t chunk)
{
    const random_state *s = a->state;
    const ek_philox p = chunk_stream(a, s, chunk);

    s->fill(&p, chunk_count(s, chunk), (char *)a->out[0] + (size_t)(chunk * CHUNK) * ek_dtype_size(s->dtype));
    return EK_OK;
}

static ek_status fill_integers(const ek_run_args *a, int64_t chunk)
{
    const random_state *s = a->state;
    const ek_philox p = chunk_stream(a, s, chunk);
    const bool wide = s->dtype == EK_INT64;
    const void *low = a->in[s->bounds], *high = a->in[s->bounds + 1];
    const int64_t lo = wide ? *(const int64_t *)low : *(const int32_t *)low;
    const int64_t hi = wide ? *(const int64_t *)high : *(const int32_t *)high;

    if (lo >= hi)
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Need minval < maxval, got %lld >= %lld", (long long)lo,
                       (long long)hi);
    if (wide)
        ek__random_int_i64(&p, chunk_count(s, chunk), lo, (uint64_t)hi - (uint64_t)lo,
                           (int64_t *)a->out[0] + chunk * CHUNK);
    else
        ek__random_int_i32(&p, chunk_count(s, chunk), (int32_t)lo, (uint32_t)(hi - lo),
                           (int32_t *)a->out[0] + chunk * CHUNK);
    return EK_OK;
}

static ek_status prepare(ek_prepare_ctx *c, distribution d, bool stateless)
{
    random_state *s = EK_ARENA_NEW(c->arena, random_state, 1);

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
    s->dtype = c->out_dtype[0];
    s->n = ek_shape_count(&c->out[0]);
    s->group = ek_dtype_size(s->dtype) == 8 ? 2 : 4;
    s->apart = d == TRUNCATED ? EK_TRUNCATED_BLOCKS * s->group / 4 : 1;
    s->bounds = stateless ? 2 : 1;
    if (d != INTEGER) s->fill = fills[d][s->dtype];
    if (d != INTEGER && s->fill == NULL)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s makes no %s", c->def->name, ek_dtype_name(s->dtype));
    c->state = s;
    c->scratch_bytes = sizeof(ek_philox);
    if (stateless) ek__generator_from_input(c, &s->generator, 1);
    else ek__generator_of_session(c, &s->generator, (uint64_t)s->n * 256);
    ek__add_phase(c, d == INTEGER ? fill_integers : fill_chunk, (s->n + CHUNK - 1) / CHUNK);
    return EK_OK;
}

/* ---- definitions ---------------------------------------------------------------------------------- */

#define FLOATS "{half, bfloat16, float, double}"

#define RANDOM(NAME, DISTRIBUTION)                                                                \
    static ek_status NAME##_prepare(ek_prepare_ctx *c) { return prepare(c, DISTRIBUTION, false); } \
    const ek_op_def ek__op_##NAME = {                                                             \
        .name = #NAME,                                                                            \
        .kind = EK_KIND_EFFECT,                                                                   \
        .stateful = true,                                                                         \
        .inputs = "shape: T",                                                                     \
        .outputs = "output: dtype",                                                               \
        .attrs = "seed: int = 0; seed2: int = 0; dtype: " FLOATS "; T: {int32, int64}",      \
        .attrs_size = sizeof(ek_seed_attrs),                                                      \
        .fields = ek__seed_fields,                                                                \
        .n_fields = 2,                                                                            \
        .shape = shape_from_vector,                                                               \
        .value_inputs = 1,                                                                        \
        .prepare = NAME##_prepare,                                                                \
        .op_state_bytes = sizeof(ek_generator),                                                   \
        .no_grad_because = "its output is random",                                                \
    }
#define STATELESS(NAME, DISTRIBUTION)                                                            \
    static ek_status NAME##_prepare(ek_prepare_ctx *c) { return prepare(c, DISTRIBUTION, true); } \
    const ek_op_def ek__op_##NAME = {                                                            \
        .name = #NAME,                                                                           \
        .kind = EK_KIND_PURE,                                                                    \
        .inputs = "shape: T, seed: Tseed",                                                       \
        .outputs = "output: dtype",                                                              \
        .attrs = "dtype: " FLOATS " = float; T: {int32, int64} = int32; Tseed: {int32, int64} = int64", \
        .shape = stateless_shape,                                                                \
        .value_inputs = 1,                                                                       \
        .prepare = NAME##_prepare,                                                               \
        .no_grad_because = "its output is random",                                               \
    }
RANDOM(RandomStandardNormal, NORMAL);
RANDOM(RandomUniform, UNIFORM);
RANDOM(TruncatedNormal, TRUNCATED);
STATELESS(StatelessRandomNormal, NORMAL);
STATELESS(StatelessRandomUniform, UNIFORM);
STATELESS(StatelessTruncatedNormal, TRUNCATED);

static ek_status RandomUniformInt_prepare(ek_prepare_ctx *c) { return prepare(c, INTEGER, false); }
const ek_op_def ek__op_RandomUniformInt = {
    .name = "RandomUniformInt",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "shape: T, minval: Tout, maxval: Tout",
    .outputs = "output: Tout",
    .attrs = "seed: int = 0; seed2: int = 0; Tout: {int32, int64}; T: {int32, int64}",
    .attrs_size = sizeof(ek_seed_attrs),
    .fields = ek__seed_fields,
    .n_fields = 2,
    .shape = int_shape,
    .value_inputs = 1,
    .prepare = RandomUniformInt_prepare,
    .op_state_bytes = sizeof(ek_generator),
    .no_grad_because = "its output is random",
};

static ek_status StatelessRandomUniformInt_prepare(ek_prepare_ctx *c) { return prepare(c, INTEGER, true); }
const ek_op_def ek__op_StatelessRandomUniformInt = {
    .name = "StatelessRandomUniformInt",
    .kind = EK_KIND_PURE,
    .inputs = "shape: T, seed: Tseed, minval: dtype, maxval: dtype",
    .outputs = "output: dtype",
    .attrs = "dtype: {int32, int64}; T: {int32, int64}; Tseed: {int32, int64} = int64",
    .shape = stateless_int_shape,
    .value_inputs = 1,
    .prepare = StatelessRandomUniformInt_prepare,
    .no_grad_because = "its output is random",
};
