/* ops/fake_quant.c - values rounded to what a few bits can hold, as training sees quantization:
 * FakeQuantWithMinMaxArgs, ...Vars, ...VarsPerChannel and their gradients.
 *
 * The range is moved a little so that zero is one of its steps.
 */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/rules.h"

enum { CHUNK = EK_ELEMENTWISE_CHUNK };

typedef struct quant_attrs {
    float min, max;
    int64_t num_bits;
    bool narrow_range;
} quant_attrs;

static const ek_field args_fields[] = {
    EK_FIELD(quant_attrs, min, FLOAT),
    EK_FIELD(quant_attrs, max, FLOAT),
    EK_FIELD(quant_attrs, num_bits, INT),
    EK_FIELD(quant_attrs, narrow_range, BOOL),
};
static const ek_field vars_fields[] = {
    EK_FIELD(quant_attrs, num_bits, INT),
    EK_FIELD(quant_attrs, narrow_range, BOOL),
};

/* Where the range comes from: the attributes, two scalars, two numbers per channel. */
typedef enum quant_range { BY_ARGS, BY_SCALARS, BY_CHANNEL } quant_range;

typedef struct quant_state {
    quant_range range;
    bool gradient;
    quant_attrs attrs;
    int x, min, max; /* inputs */
    int64_t count, channels;
} quant_state;

/* ---- the range ------------------------------------------------------------------------------------------ */

typedef struct nudged {
    float min, max, scale;
} nudged;

/* A range of zero size stands for zero alone: `scale` is then 0. */
static nudged nudge(float min, float max, const quant_attrs *a)
{
    const float low = a->narrow_range ? 1.0f : 0.0f, high = (float)((1 << a->num_bits) - 1);
    const float scale = (max - min) / (high - low), from_min = low - min / scale;
    const float zero = from_min < low ? low : from_min > high ? high : roundf(from_min);

    if (min == 0.0f && max == 0.0f) return (nudged){ 0, 0, 0 };
    return (nudged){ (low - zero) * scale, (high - zero) * scale, scale };
}

static nudged range_of(const quant_state *s, const ek_run_args *a, int64_t channel)
{
    if (s->range == BY_ARGS) return nudge(s->attrs.min, s->attrs.max, &s->attrs);
    return nudge(((const float *)a->in[s->min])[channel], ((const float *)a->in[s->max])[channel], &s->attrs);
}

static float quantized(float x, const nudged *r, float inverse)
{
    const float clamped = x < r->min ? r->min : x > r->max ? r->max : x;

    return floorf((clamped - r->min) * inverse + 0.5f) * r->scale + r->min;
}

/* ---- shapes ------------------------------------------------------------------------------------------------ */

static ek_status check_attrs(const ek_shape_ctx *c, quant_range range)
{
    const quant_attrs *const a = c->attrs;

    if (range == BY_ARGS && !(a->min < a->max))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "min has to be smaller than max, was: %g >= %g", (double)a->min,
                       (double)a->max);
    if (a->num_bits < 2 || a->num_bits > 16)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "num_bits must be between 2 and 16, inclusive");
    return EK_OK;
}

static ek_status quant_shape(ek_shape_ctx *c, quant_range range, bool gradient)
{
    const int x = gradient ? 1 : 0;

    if (c->running) EK_TRY(check_attrs(c, range));
    if (gradient) {
        if (c->running && !ek_shape_equal(&c->in[0], &c->in[1]))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "gradient and input must be the same size");
        EK_TRY(ek__merge_shapes(c, &c->in[0], &c->in[1], &c->out[0]));
    } else {
        c->out[0] = c->in[0];
    }
    for (int i = x + 1; range != BY_ARGS && i < x + 3; i++) {
        EK_TRY(ek__want_rank(c, i, range == BY_CHANNEL ? 1 : 0));
        if (gradient) c->out[i - 1] = c->in[i];
    }
    if (range != BY_CHANNEL) return EK_OK;
    EK_TRY(ek__want_rank_at_least(c, x, 1));
    for (int i = x + 1; i < x + 3; i++) {
        const int64_t n = c->in[x].rank > 0 ? c->in[x].dim[c->in[x].rank - 1] : -1;
        const int64_t have = c->in[i].rank == 1 ? c->in[i].dim[0] : -1;

        if (n >= 0 && have >= 0 && n != have)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s has incorrect size, expected %lld was %lld",
                           i == x + 1 ? "min" : "max", (long long)n, (long long)have);
    }
    return EK_OK;
}

/* ---- running ------------------------------------------------------------------------------------------------- */

/* Elements [from, from + n) of channel `channel`, every `step`-th. */
static void quantize(const quant_state *s, const ek_run_args *a, int64_t channel, int64_t from, int64_t n, int64_t step)
{
    const nudged r = range_of(s, a, channel);
    const float inverse = r.scale > 0 ? 1.0f / r.scale : 0.0f;
    const float *const x = (const float *)a->in[s->x] + from;
    float *const out = (float *)a->out[0] + from;

    for (int64_t i = 0; i < n; i++) out[i * step] = r.scale == 0 ? 0.0f : quantized(x[i * step], &r, inverse);
}

static ek_status quant_run(const ek_run_args *a, int64_t chunk)
{
    const quant_state *const s = a->state;
    const int64_t from = chunk * CHUNK, n = s->count - from < CHUNK ? s->count - from : CHUNK;

    if (s->range == BY_CHANNEL) quantize(s, a, chunk, chunk, s->count / s->channels, s->channels);
    else quantize(s, a, 0, from, n, 1);
    return EK_OK;
}

/* Gradients pass inside the range; below and above they are the range's. Sums in double, in order. */
static ek_status quant_grad_run(const ek_run_args *a, int64_t channel)
{
    const quant_state *const s = a->state;
    const nudged r = range_of(s, a, channel);
    const float *const dy = a->in[0], *const x = a->in[s->x];
    double below = 0, above = 0;

    for (int64_t i = channel; i < s->count; i += s->channels) {
        const bool under = x[i] < r.min, over = x[i] > r.max, always = s->range != BY_ARGS && r.scale == 0;

        ((float *)a->out[0])[i] = always || (!under && !over) ? dy[i] : 0.0f;
        below += under && !always ? (double)dy[i] : 0;
        above += over && !always ? (double)dy[i] : 0;
    }
    if (s->range == BY_ARGS) return EK_OK;
    ((float *)a->out[1])[channel] = (float)below;
    ((float *)a->out[2])[channel] = (float)above;
    return EK_OK;
}

static ek_status quant_prepare(ek_prepare_ctx *c, quant_range range, bool gradient)
{
    quant_state *const s = EK_ARENA_NEW(c->arena, quant_state, 1);
    const int x = gradient ? 1 : 0;

    if (s == NULL) return ek__no_memory(c);
    *s = (quant_state){ .range = range, .gradient = gradient, .attrs = *(const quant_attrs *)c->attrs, .x = x,
                        .min = x + 1, .max = x + 2, .count = ek_shape_count(&c->in[x]), .channels = 1 };
    if (range == BY_CHANNEL) s->channels = c->in[x].dim[c->in[x].rank - 1];
    c->state = s;
    if (gradient) ek__add_phase(c, quant_grad_run, s->channels);
    else if (range == BY_CHANNEL) ek__add_phase(c, quant_run, s->count > 0 ? s->channels : 0);
    else ek__add_phase(c, quant_run, (s->count + CHUNK - 1) / CHUNK);
    return EK_OK;
}

/* ---- definitions ---------------------------------------------------------------------------------------------- */

#define BITS "num_bits: int = 8; narrow_range: bool = false"
#define QUANT(Name, range, gradient, inputs_, outputs_, attrs_, fields_)                                     \
    static ek_status Name##_shape(ek_shape_ctx *c) { return quant_shape(c, range, gradient); }                \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return quant_prepare(c, range, gradient); }          \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = inputs_, .outputs = outputs_, .attrs = attrs_,                               \
        .attrs_size = sizeof(quant_attrs), .fields = fields_, .n_fields = EK_COUNT_OF(fields_),               \
        .shape = Name##_shape, .prepare = Name##_prepare,                                                     \
    };
#define RANGE ", min: float, max: float"
#define GRADIENTS "backprops_wrt_input: float, backprop_wrt_min: float, backprop_wrt_max: float"
QUANT(FakeQuantWithMinMaxArgs, BY_ARGS, false, "inputs: float", "outputs: float",
      "min: float = -6.0; max: float = 6.0; " BITS, args_fields)
QUANT(FakeQuantWithMinMaxArgsGradient, BY_ARGS, true, "gradients: float, inputs: float", "backprops: float",
      "min: float = -6.0; max: float = 6.0; " BITS, args_fields)
QUANT(FakeQuantWithMinMaxVars, BY_SCALARS, false, "inputs: float" RANGE, "outputs: float", BITS, vars_fields)
QUANT(FakeQuantWithMinMaxVarsGradient, BY_SCALARS, true, "gradients: float, inputs: float" RANGE, GRADIENTS, BITS,
      vars_fields)
QUANT(FakeQuantWithMinMaxVarsPerChannel, BY_CHANNEL, false, "inputs: float" RANGE, "outputs: float", BITS, vars_fields)
QUANT(FakeQuantWithMinMaxVarsPerChannelGradient, BY_CHANNEL, true, "gradients: float, inputs: float" RANGE, GRADIENTS,
      BITS, vars_fields)
