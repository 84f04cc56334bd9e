/* ops/bn.c - preparing batch norm, and what a channel's sums mean.
 *
 * A problem of at most EK_BN_CHUNK numbers is one chunk of one phase: no thread is worth waking for it. Larger ones are
 * cut by their size alone. 16-bit floats are turned into floats first, whole, and so is the gradient that comes in
 * where an activation's output is at hand. How the array is walked: bn_rows.c (channels last), bn_planes.c, bn_double.c.
 */
#include "ops/bn.h"

#include <math.h>

#include "base/cpu.h"
#include "ops/bn_state.h"
#include "ops/elementwise.h"
#include "ops/rules.h"

/* ---- what a channel's sums mean ------------------------------------------------------------------------------------ */

static bool wide(const ek_bn_state *s)
{
    return s->spec.dtype == EK_FLOAT64;
}

/* As a number of the type that statistics leave in. A float's sum, difference or product comes out right: double holds
 * twice its digits. */
static double rounded(const ek_bn_state *s, double v)
{
    return wide(s) ? v : (double)(float)v;
}

static double value(const ek_run_args *a, const ek_bn_state *s, int port, int64_t c, double absent)
{
    if (port < 0) return absent;
    return wide(s) ? ((const double *)a->in[port])[c] : (double)((const float *)a->in[port])[c];
}

static void put(const ek_run_args *a, const ek_bn_state *s, int port, int64_t c, double v)
{
    if (port < 0) return;
    if (wide(s)) ((double *)a->out[port])[c] = v;
    else ((float *)a->out[port])[c] = (float)v;
}

/* The one place where epsilon meets a variance. */
static double inverse_deviation(const ek_bn_state *s, double variance)
{
    return rounded(s, 1.0 / sqrt(variance + s->spec.epsilon));
}

static void move_average(const ek_run_args *a, const ek_bn_state *s, int from, int to, int64_t c, double batch)
{
    if (to < 0) return;
    const double old = value(a, s, from, c, 0), decay = rounded(s, value(a, s, s->spec.at.decay, 0, s->spec.decay));
    put(a, s, to, c, old - rounded(s, rounded(s, old - batch) * decay));
}

/* low is what mean lost by rounding: it goes into the terms without x. */
static ek_bn_channel channel_of(const ek_run_args *a, const ek_bn_state *s, int64_t c, double mean, double low,
                                double inverse)
{
    const double factor = rounded(s, inverse * value(a, s, s->spec.at.scale, c, 1));

    return (ek_bn_channel){ .mean = mean, .a = factor,
                            .b = rounded(s, value(a, s, s->spec.at.offset, c, 0) - low * factor) };
}

ek_bn_channel ek__bn_statistics(const ek_run_args *a, const ek_bn_state *s, int64_t c, double sum, double squares,
                                double reference)
{
    const ek_bn_ports *at = &s->spec.at;
    const double n = (double)s->count, m = sum / n, exact = reference + m, raw = squares / n - m * m;
    const double mean = rounded(s, exact), low = isfinite(mean) ? rounded(s, exact - mean) : 0;
    const double biased = raw < 0 ? 0 : raw; /* NaN stays */
    const double variance = rounded(s, biased), inverse = inverse_deviation(s, variance);
    const double leaving = s->spec.unbiased ? rounded(s, biased * (n / (n > 1 ? n - 1 : 1))) : variance;

    move_average(a, s, at->moving_mean, at->moved_mean, c, mean);
    move_average(a, s, at->moving_variance, at->moved_variance, c, leaving);
    put(a, s, at->batch_mean, c, mean);
    put(a, s, at->batch_variance, c, leaving);
    put(a, s, at->saved_mean, c, mean);
    put(a, s, at->saved_variance, c, variance);
    put(a, s, at->saved_mean_low, c, low);
    put(a, s, at->saved_inverse, c, inverse);
    return channel_of(a, s, c, mean, low, inverse);
}

ek_bn_channel ek__bn_given(const ek_run_args *a, const ek_bn_state *s, int64_t c)
{
    const ek_bn_ports *at = &s->spec.at;
    const double mean = value(a, s, at->mean, c, 0), low = value(a, s, at->mean_low, c, 0);
    const double variance = value(a, s, at->variance, c, 1);
    const double inverse = at->inverse >= 0 ? value(a, s, at->inverse, c, 1) : inverse_deviation(s, variance);
    const bool none = s->spec.empty_is_nan && s->count == 0;

    put(a, s, at->batch_mean, c, none ? (double)NAN : mean);
    put(a, s, at->batch_variance, c, none ? (double)NAN : variance);
    put(a, s, at->saved_mean, c, mean);
    put(a, s, at->saved_variance, c, variance);
    put(a, s, at->saved_mean_low, c, low);
    put(a, s, at->saved_inverse, c, inverse);
    return channel_of(a, s, c, mean, low, inverse);
}

ek_bn_channel ek__bn_gradient(const ek_run_args *a, const ek_bn_state *s, int64_t c, double sum_g, double sum_gx)
{
    const ek_bn_ports *at = &s->spec.at;
    const double n = (double)s->count, low = value(a, s, at->mean_low, c, 0), centred = sum_gx - low * sum_g;
    const double inverse = at->inverse >= 0 ? value(a, s, at->inverse, c, 1)
                                            : inverse_deviation(s, value(a, s, at->variance, c, 1));
    ek_bn_channel k = channel_of(a, s, c, value(a, s, at->mean, c, 0), low, inverse);

    put(a, s, at->dscale, c, s->count > 0 ? inverse * centred : 0);
    put(a, s, at->doffset, c, sum_g);
    k.ga = k.a;
    if (!s->spec.training) return k;
    k.gc = rounded(s, -k.a * inverse * inverse * (centred / n));
    k.gd = rounded(s, -k.a * (sum_g / n) - low * k.gc);
    return k;
}

void ek__bn_nothing(const ek_run_args *a, const ek_bn_state *s)
{
    put(a, s, s->spec.at.zero, 0, 0);
}

/* ---- arrays ---------------------------------------------------------------------------------------------------------- */

static bool is_half(const ek_bn_state *s)
{
    return s->spec.dtype == EK_FLOAT16 || s->spec.dtype == EK_BFLOAT16;
}

/* Whether the gradient comes from a copy in the scratch. */
static bool copies_g(const ek_bn_state *s)
{
    return s->gradient && (is_half(s) || s->spec.at.activated >= 0);
}

static char *scratch_at(const ek_run_args *a, size_t at)
{
    return (char *)a->scratch + at;
}

const float *ek__bn_x(const ek_run_args *a, const ek_bn_state *s)
{
    return is_half(s) ? (const float *)scratch_at(a, s->at_x) : a->in[s->spec.at.x];
}

const float *ek__bn_g(const ek_run_args *a, const ek_bn_state *s)
{
    if (!s->gradient) return NULL;
    return copies_g(s) ? (const float *)scratch_at(a, s->at_g) : a->in[s->spec.at.dy];
}

/* y itself, or the float copy of x or g, which nobody reads again. */
float *ek__bn_result(const ek_run_args *a, const ek_bn_state *s)
{
    if (!is_half(s)) return a->out[s->spec.at.y];
    return (float *)scratch_at(a, s->gradient ? s->at_g : s->at_x);
}

/* Held between two numbers by the kernel itself. */
static bool clamped(const ek_bn_state *s)
{
    const ek_bn_activation f = s->spec.activation;

    return (f == EK_BN_RELU || f == EK_BN_RELU6) && (s->gradient ? s->spec.at.activated : s->spec.at.before) < 0;
}

ek_bn_columns ek__bn_columns(const ek_run_args *a, const ek_bn_state *s, const ek_bn_numbers *n)
{
    /* a gradient passes up to the last float below 6, a value up to 6 */
    const float six = s->gradient ? 0x1.7ffffep2f : 6.0f;
    const void *x = a->in[s->spec.at.x], *dy = s->gradient ? a->in[s->spec.at.dy] : x;
    const void *y = s->spec.at.y < 0 ? x : a->out[s->spec.at.y];

    return (ek_bn_columns){ n->mean, n->a, n->b, n->ga, n->gc, n->gd,
                            s->spec.activation == EK_BN_RELU6 ? six : (float)INFINITY, clamped(s),
                            s->big && y != x && y != dy };
}

static const ek_loops *const activation_loops[][2] = {
    [EK_BN_RELU] = { &ek__loops_relu, &ek__loops_relu_grad },
    [EK_BN_RELU6] = { &ek__loops_relu6, &ek__loops_relu6_grad },
    [EK_BN_SIGMOID] = { &ek__loops_sigmoid, &ek__loops_sigmoid_grad },
    [EK_BN_TANH] = { &ek__loops_tanh, &ek__loops_tanh_grad },
};

static void hand_out(const ek_bn_state *s, const void *from, void *to, int64_t first, int64_t n)
{
    const size_t size = ek_dtype_size(s->spec.dtype);

    ek__convert(is_half(s) ? EK_FLOAT32 : s->spec.dtype, from, s->spec.dtype, (char *)to + (size_t)first * size, n);
}

void ek__bn_leave(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t n)
{
    static const int step[1] = { 1 };
    const ek_dtype type = wide(s) ? EK_FLOAT64 : EK_FLOAT32;
    char *y = (char *)ek__bn_result(a, s) + (size_t)first * ek_dtype_size(type);
    const void *const in[1] = { y };

    if (s->gradient) {
        if (is_half(s)) hand_out(s, y, a->out[s->spec.at.y], first, n);
        return;
    }
    if (s->spec.at.before >= 0) hand_out(s, y, a->out[s->spec.at.before], first, n);
    if (s->spec.activation != EK_BN_PLAIN && !clamped(s))
        ek__loop(activation_loops[s->spec.activation][0], type)(n, in, step, y, NULL);
    if (is_half(s)) hand_out(s, y, a->out[s->spec.at.y], first, n);
}

/* ---- the first phase: 16-bit floats become floats, gradients pass their activation ---------------------------------- */

static bool has_copies(const ek_bn_state *s)
{
    return is_half(s) || copies_g(s);
}

/* g = dy through the activation that gave `activated`, in the type of the array. */
static void pass_activation(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t n)
{
    static const int step[2] = { 1, 1 };
    const size_t size = ek_dtype_size(s->spec.dtype), from = (size_t)first * size;
    const char *y = (const char *)a->in[s->spec.at.activated] + from, *dy = (const char *)a->in[s->spec.at.dy] + from;
    char *g = scratch_at(a, s->at_g) + from;
    const ek_bn_activation f = s->spec.activation;
    /* the loops of sigmoid and tanh take the output first, those of rectifiers the gradient */
    const bool output_first = f == EK_BN_SIGMOID || f == EK_BN_TANH;

    if (f == EK_BN_PLAIN) memcpy(g, dy, (size_t)n * size);
    else ek__loop(activation_loops[f][1], s->spec.dtype)
             (n, (const void *const[2]){ output_first ? y : dy, output_first ? dy : y }, step, g, NULL);
}

static void widen(const ek_run_args *a, const ek_bn_state *s, const void *from, size_t at, int64_t first, int64_t n)
{
    ek__convert(s->spec.dtype, (const char *)from + (size_t)first * 2, EK_FLOAT32,
                (float *)scratch_at(a, at) + first, n);
}

/* The same for 16-bit floats: both are widened, the loop of floats passes the gradient. */
static void pass_activation_half(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t n)
{
    enum { PIECE = 1024 };
    static const int step[2] = { 1, 1 };
    const ek_bn_activation f = s->spec.activation;
    const bool output_first = f == EK_BN_SIGMOID || f == EK_BN_TANH;
    float y[PIECE];

    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        float *g = (float *)scratch_at(a, s->at_g) + first + i;
        ek__convert(s->spec.dtype, (const char *)a->in[s->spec.at.activated] + (size_t)(first + i) * 2, EK_FLOAT32, y, m);
        ek__loop(activation_loops[f][1], EK_FLOAT32)
            (m, (const void *const[2]){ output_first ? y : g, output_first ? g : y }, step, g, NULL);
    }
}

int64_t ek__bn_copies(const ek_bn_state *s)
{
    return has_copies(s) ? (s->total + EK_BN_CHUNK - 1) / EK_BN_CHUNK : 0;
}

ek_status ek__bn_copy(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    const int64_t first = chunk * EK_BN_CHUNK, n = s->total - first < EK_BN_CHUNK ? s->total - first : EK_BN_CHUNK;

    if (!is_half(s)) {
        pass_activation(a, s, first, n);
        return EK_OK;
    }
    widen(a, s, a->in[s->spec.at.x], s->at_x, first, n);
    if (!s->gradient) return EK_OK;
    widen(a, s, a->in[s->spec.at.dy], s->at_g, first, n);
    if (s->spec.at.activated >= 0 && s->spec.activation != EK_BN_PLAIN) pass_activation_half(a, s, first, n);
    return EK_OK;
}

/* ---- preparing --------------------------------------------------------------------------------------------------------- */

bool ek__bn_view_of(const ek_shape *x, uint32_t axes, ek_bn_view *out)
{
    enum { OUTER, CHANNELS, INNER } part = OUTER;

    *out = (ek_bn_view){ 1, 1, 1 };
    for (int i = 0; i < x->rank; i++) {
        const bool statistics = (axes >> i & 1u) != 0;
        if (x->dim[i] == 1) continue;
        if (!statistics && part == INNER) return false;
        if (!statistics) part = CHANNELS;
        else if (part == CHANNELS) part = INNER;
        if (part == OUTER) out->outer *= x->dim[i];
        else if (part == CHANNELS) out->channels *= x->dim[i];
        else out->inner *= x->dim[i];
    }
    return true;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Whether x and y together leave the caches: three quarters of the last one. */
static bool leaves_caches(const ek_bn_state *s)
{
    const size_t bytes = (size_t)s->total * ek_dtype_size(s->spec.dtype) * (s->gradient ? 3 : 2);

    return bytes / 3 * 4 > ek__cache_bytes(EK_CACHE_LAST);
}

static ek_status bn_prepare(ek_prepare_ctx *c, const ek_bn_spec *spec, bool gradient)
{
    ek_bn_state *s = EK_ARENA_NEW(c->arena, ek_bn_state, 1);
    const ek_bn_view *v = &spec->view;
    const ek_bn_activation f = spec->activation;

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
    if (spec->dtype != EK_FLOAT32 && spec->dtype != EK_FLOAT64 && spec->dtype != EK_FLOAT16 &&
        spec->dtype != EK_BFLOAT16)
        return EK_FAIL(c->err, UNIMPLEMENTED, "batch norm has no loop for %s", ek_dtype_cc_name(spec->dtype));
    if (gradient && (f == EK_BN_SIGMOID || f == EK_BN_TANH) && spec->at.activated < 0)
        return EK_FAIL(c->err, UNIMPLEMENTED, "this gradient of batch norm needs what its activation gave");
    s->spec = *spec;
    s->gradient = gradient;
    s->channels = v->channels;
    s->count = v->outer * v->inner;
    s->total = s->count * v->channels;
    s->big = leaves_caches(s);

    const size_t floats = aligned((size_t)s->total * sizeof(float));
    s->at_x = 0;
    s->at_g = is_half(s) ? floats : 0;
    s->at_numbers = s->at_g + (!copies_g(s) ? 0 : wide(s) ? aligned((size_t)s->total * sizeof(double)) : floats);
    c->state = s;
    c->scratch_bytes = s->at_numbers;
    if (wide(s)) ek__bn_doubles(c, s);
    else if (v->inner == 1) ek__bn_rows(c, s);
    else ek__bn_planes(c, s);
    return EK_OK;
}

ek_status ek__bn_prepare_forward(ek_prepare_ctx *c, const ek_bn_spec *spec)
{
    return bn_prepare(c, spec, false);
}

ek_status ek__bn_prepare_gradient(ek_prepare_ctx *c, const ek_bn_spec *spec)
{
    return bn_prepare(c, spec, true);
}
