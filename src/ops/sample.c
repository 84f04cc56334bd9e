/* ops/sample.c - drawing from what is given: RandomShuffle, Multinomial, StatelessMultinomial. */
#include "kernels/random.h"

#include "ops/generator.h"
#include "ops/move.h"
#include "ops/rules.h"

/* ---- RandomShuffle: rows in random order ------------------------------------------------------ */

typedef struct shuffle_state {
    ek_generator_state generator;
    ek_dtype dtype;
    int64_t rows, row; /* elements of a row */
} shuffle_state;

/* The scratch holds the stream, then a permutation. */
enum { AFTER_STREAM = 64 };

static ek_status shuffle_run(const ek_run_args *a, int64_t chunk)
{
    const shuffle_state *s = a->state;
    const size_t bytes = (size_t)s->row * ek_dtype_size(s->dtype);
    int64_t *order = (int64_t *)((char *)a->scratch + AFTER_STREAM);
    ek_philox_words words = ek__philox_words(*(const ek_philox *)a->scratch);

    EK_UNUSED(chunk);
    for (int64_t i = 0; i < s->rows; i++) order[i] = i;
    for (int64_t i = 0; i + 1 < s->rows; i++) {
        const int64_t j = i + ek__philox_word(&words) % (uint32_t)(s->rows - i);
        const int64_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (int64_t i = 0; i < s->rows; i++)
        EK_TRY(ek__move(s->dtype, (char *)a->out[0] + (size_t)i * bytes,
                        (const char *)a->in[0] + (size_t)order[i] * bytes, s->row, a->err));
    return EK_OK;
}

static ek_status shuffle_prepare(ek_prepare_ctx *c)
{
    shuffle_state *s = EK_ARENA_NEW(c->arena, shuffle_state, 1);
    const ek_shape *x = &c->in[0];

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare RandomShuffle");
    s->dtype = c->in_dtype[0];
    s->rows = x->rank > 0 ? x->dim[0] : 1;
    s->row = s->rows > 0 ? ek_shape_count(x) / s->rows : 0;
    if (s->rows > UINT32_MAX)
        return EK_FAIL(c->err, UNIMPLEMENTED, "RandomShuffle of %lld rows, at most 2^32 - 1 are possible",
                       (long long)s->rows);
    c->state = s;
    c->scratch_bytes = AFTER_STREAM + (size_t)s->rows * sizeof(int64_t);
    ek__generator_of_session(c, &s->generator, s->rows > 1 ? (uint64_t)(s->rows - 1 + 3) / 4 : 0);
    ek__add_phase(c, shuffle_run, s->row > 0 ? 1 : 0);
    return EK_OK;
}

const ek_op_def ek__op_RandomShuffle = {
    .name = "RandomShuffle",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "value: T",
    .outputs = "output: T",
    .attrs = "seed: int = 0; seed2: int = 0; T: type",
    .attrs_size = sizeof(ek_seed_attrs),
    .fields = ek__seed_fields,
    .n_fields = 2,
    .shape = ek__like_first_rule,
    .prepare = shuffle_prepare,
    .op_state_bytes = sizeof(ek_generator),
    .no_grad_because = "its output is random",
};

/* ---- Multinomial: classes by their logits ------------------------------------------------------- */

typedef struct classes_state {
    ek_generator_state generator;
    ek_dtype logits_dtype, out_dtype;
    int64_t batch, classes, samples;
} classes_state;

enum { LOGITS, NUM_SAMPLES, SEED };

static ek_status classes_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[LOGITS];
    int64_t samples = -1;

    if (x->rank >= 0 && x->rank != 2)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "logits should be a matrix, got shape %s", EK_CC(x));
    if (c->in[NUM_SAMPLES].rank > 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "num_samples should be a scalar, got shape %s",
                       EK_CC(&c->in[NUM_SAMPLES]));
    if (c->n_in > SEED) EK_TRY(ek__want_seed_vector(c, SEED));
    if (c->in_value[NUM_SAMPLES] != NULL) {
        samples = ek__array_int(c->in_value[NUM_SAMPLES], 0);
        if (samples < 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "num_samples should be nonnegative, got %lld", (long long)samples);
    }
    if (x->rank == 2 && x->dim[1] == 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "num_classes should be positive, got 0");
    c->out[0] = EK_SHAPE(x->rank == 2 ? x->dim[0] : -1, samples);
    return EK_OK;
}

/* The scratch holds the stream, a row of logits and its running sum in double, and the row's samples. */
static ek_status classes_run(const ek_run_args *a, int64_t chunk)
{
    const classes_state *s = a->state;
    double *logits = (double *)((char *)a->scratch + AFTER_STREAM), *cdf = logits + s->classes;
    int64_t *drawn = (int64_t *)(cdf + s->classes);
    ek_philox_words words = ek__philox_words(*(const ek_philox *)a->scratch);
    const size_t in_row = (size_t)s->classes * ek_dtype_size(s->logits_dtype);
    const size_t out_row = (size_t)s->samples * ek_dtype_size(s->out_dtype);

    EK_UNUSED(chunk);
    for (int64_t b = 0; b < s->batch; b++) {
        ek__convert(s->logits_dtype, (const char *)a->in[LOGITS] + (size_t)b * in_row, EK_FLOAT64, logits, s->classes);
        ek__random_classes(&words, s->classes, logits, cdf, s->samples, drawn);
        ek__convert(EK_INT64, drawn, s->out_dtype, (char *)a->out[0] + (size_t)b * out_row, s->samples);
    }
    return EK_OK;
}

static ek_status classes_prepare(ek_prepare_ctx *c)
{
    classes_state *s = EK_ARENA_NEW(c->arena, classes_state, 1);

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
    s->logits_dtype = c->in_dtype[LOGITS];
    s->out_dtype = c->out_dtype[0];
    s->batch = c->in[LOGITS].dim[0];
    s->classes = c->in[LOGITS].dim[1];
    s->samples = c->out[0].dim[1];
    c->state = s;
    c->scratch_bytes = AFTER_STREAM + (size_t)(2 * s->classes + s->samples) * 8;
    if (c->n_in > SEED) ek__generator_from_input(c, &s->generator, SEED);
    else
        ek__generator_of_session(c, &s->generator, (uint64_t)s->batch * (uint64_t)((s->samples + 3) / 4 * 4) * 2 * 256);
    ek__add_phase(c, classes_run, s->batch * s->samples > 0 ? 1 : 0);
    return EK_OK;
}

#define REALS "{float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

const ek_op_def ek__op_Multinomial = {
    .name = "Multinomial",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "logits: T, num_samples: int32",
    .outputs = "output: output_dtype",
    .attrs = "seed: int = 0; seed2: int = 0; T: " REALS "; output_dtype: {int32, int64} = int64",
    .attrs_size = sizeof(ek_seed_attrs),
    .fields = ek__seed_fields,
    .n_fields = 2,
    .shape = classes_shape,
    .value_inputs = 1u << NUM_SAMPLES,
    .prepare = classes_prepare,
    .op_state_bytes = sizeof(ek_generator),
    .no_grad_because = "its output is random",
};

const ek_op_def ek__op_StatelessMultinomial = {
    .name = "StatelessMultinomial",
    .kind = EK_KIND_PURE,
    .inputs = "logits: T, num_samples: int32, seed: Tseed",
    .outputs = "output: output_dtype",
    .attrs = "T: " REALS "; Tseed: {int32, int64} = int64; output_dtype: {int32, int64} = int64",
    .shape = classes_shape,
    .value_inputs = 1u << NUM_SAMPLES,
    .prepare = classes_prepare,
    .no_grad_because = "its output is random",
};
