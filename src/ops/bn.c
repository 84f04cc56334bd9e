/* ops/bn.c - preparing batch norm, and what a channel's sums mean.
 *
 * A problem of at most EK_BN_CHUNK numbers is one chunk of one phase: no thread is worth waking for it. Larger ones are
 * cut by their size alone. 16-bit floats are turned into floats first, whole, and so is the gradient that comes in
 * where an activation's output is at hand. How the array is walked: bn_rows.c (channels last), bn_planes.c,
 * bn_double.c.
 */
#include "ops/bn.h"

#include <math.h>

#include "base/cpu.h"
#include "ops/bn_state.h"
#include "ops/elementwise.h"
#include "ops/rules.h"

/* ---- what a channel's sums mean ---------------------------------------------------------- */

static bool wide(const ek_bn_state *s)
{
    return s->spec.dtype == EK_FLOAT64;
}

/* The kernel for the type that statistics leave in. */
#define RUN(s, name) (wide(s) ? ek__kernels()->name##_f64 : ek__kernels()->name##_f32)

static size_t number_size(const ek_bn_state *s)
{
    return wide(s) ? sizeof(double) : sizeof(float);
}

/* Channel c of an input or output; NULL: absent. */
static const void *given(const ek_run_args *a, const ek_bn_state *s, int port, int64_t c)
{
    return port < 0 ? NULL : (const char *)a->in[port] + (size_t)c * number_size(s);
}

static void *leaving(const ek_run_args *a, const ek_bn_state *s, int port, int64_t c)
{
    return port < 0 ? NULL : (char *)a->out[port] + (size_t)c * number_size(s);
}

static void put(const ek_run_args *a, const ek_bn_state *s, int port, int64_t c, int64_t n, const void *from)
{
    if (port >= 0) memcpy(leaving(a, s, port, c), from, (size_t)n * number_size(s));
}

ek_bn_numbers ek__bn_numbers_at(const ek_bn_state *s, void *at, int64_t stride)
{
    char *p = at;
    const size_t step = (size_t)stride * number_size(s);

    return (ek_bn_numbers){
        p, p + step, p + 2 * step, p + 3 * step, p + 4 * step, p + 5 * step, p + 6 * step, p + 7 * step, p + 8 * step};
}

static void move_average(const ek_run_args *a, const ek_bn_state *s, int from, int to, int64_t c, int64_t n,
                         const void *batch)
{
    const void *decay = given(a, s, s->spec.at.decay, 0);
    const double d = decay == NULL ? s->spec.decay : wide(s) ? *(const double *)decay : (double)*(const float *)decay;

    if (to >= 0) RUN(s, bn_moved)(n, d, given(a, s, from, c), batch, leaving(a, s, to, c));
}

/* Outputs that training, inference and gradients have alike, and a and b. */
static void pass_on(const ek_run_args *a, const ek_bn_state *s, int64_t c, int64_t n, const ek_bn_numbers *k)
{
    const ek_bn_ports *at = &s->spec.at;

    put(a, s, at->batch_mean, c, n, k->mean);
    put(a, s, at->batch_variance, c, n, k->out);
    put(a, s, at->saved_mean, c, n, k->mean);
    put(a, s, at->saved_variance, c, n, k->variance);
    put(a, s, at->saved_mean_low, c, n, k->low);
    put(a, s, at->saved_inverse, c, n, k->inverse);
    RUN(s, bn_factors)(n, k->inverse, k->low, given(a, s, at->scale, c), given(a, s, at->offset, c), k->a, k->b);
}

void ek__bn_statistics(const ek_run_args *a, const ek_bn_state *s, int64_t c, int64_t n, const double *sum,
                       const double *squares, const double *reference, const ek_bn_numbers *k)
{
    const ek_bn_ports *at = &s->spec.at;
    const double count = (double)s->count, unbiased = s->spec.unbiased ? count / (count > 1 ? count - 1 : 1) : 1;

    RUN(s, bn_moments)(n, count, unbiased, sum, squares, reference, k->mean, k->low, k->variance, k->out);
    RUN(s, bn_inverse)(n, s->spec.epsilon, k->variance, k->inverse);
    move_average(a, s, at->moving_mean, at->moved_mean, c, n, k->mean);
    move_average(a, s, at->moving_variance, at->moved_variance, c, n, k->out);
    pass_on(a, s, c, n, k);
}

/* n copies of a number that is not given. */
static void fill(const ek_bn_state *s, void *to, int64_t n, double v)
{
    if (v == 0)
        memset(to, 0, (size_t)n * number_size(s));
    else if (wide(s))
        for (int64_t i = 0; i < n; i++) ((double *)to)[i] = v;
    else
        for (int64_t i = 0; i < n; i++) ((float *)to)[i] = (float)v;
}

static void take(const ek_run_args *a, const ek_bn_state *s, int port, int64_t c, int64_t n, double absent, void *to)
{
    if (port >= 0)
        memcpy(to, given(a, s, port, c), (size_t)n * number_size(s));
    else
        fill(s, to, n, absent);
}

void ek__bn_given(const ek_run_args *a, const ek_bn_state *s, int64_t c, int64_t n, const ek_bn_numbers *k)
{
    const ek_bn_ports *at = &s->spec.at;

    take(a, s, at->mean, c, n, 0, k->mean);
    take(a, s, at->mean_low, c, n, 0, k->low);
    if (at->saved_variance >= 0 || at->inverse < 0) take(a, s, at->variance, c, n, 1, k->variance);
    if (at->batch_variance >= 0) take(a, s, at->variance, c, n, 1, k->out);
    if (at->inverse >= 0)
        take(a, s, at->inverse, c, n, 1, k->inverse);
    else
        RUN(s, bn_inverse)(n, s->spec.epsilon, k->variance, k->inverse);
    pass_on(a, s, c, n, k);
    if (!s->spec.empty_as_fused || s->count > 0) return;
    fill(s, k->out, n, (double)NAN);
    put(a, s, at->batch_mean, c, n, k->out);
    put(a, s, at->batch_variance, c, n, k->out);
}

void ek__bn_gradient(const ek_run_args *a, const ek_bn_state *s, int64_t c, int64_t n, const double *sum_g,
                     const double *sum_gx, const ek_bn_numbers *k)
{
    const ek_bn_ports *at = &s->spec.at;
    const double count = s->count > 0 ? (double)s->count : 1; /* without elements the sums are 0 */

    RUN(s, bn_slopes)(n, count, sum_g, sum_gx, k->inverse, k->low, k->a, k->variance, k->out, k->gc, k->gd);
    if (s->count == 0 && s->spec.empty_as_fused) fill(s, k->variance, n, 0);
    put(a, s, at->dscale, c, n, k->variance);
    put(a, s, at->doffset, c, n, k->out);
    if (s->spec.training) return;
    fill(s, k->gc, n, 0);
    fill(s, k->gd, n, 0);
}

void ek__bn_nothing(const ek_run_args *a, const ek_bn_state *s)
{
    static const double zero = 0;

    put(a, s, s->spec.at.zero, 0, 1, &zero);
}

/* ---- arrays ------------------------------------------------------------------------------ */

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

/* Held between two numbers by the kernel itself. The plain loops of float64 do a gradient's mask alone. */
static bool clamped(const ek_bn_state *s)
{
    const ek_bn_activation f = s->spec.activation;

    if (wide(s) && !s->gradient) return false;
    return (f == EK_BN_RELU || f == EK_BN_RELU6) && (s->gradient ? s->spec.at.activated : s->spec.at.before) < 0;
}

ek_bn_columns ek__bn_columns(const ek_run_args *a, const ek_bn_state *s, const ek_bn_numbers *n)
{
    /* a gradient passes up to the last float below 6, a value up to 6 */
    const float six = s->gradient ? 0x1.7ffffep2f : 6.0f;
    const void *x = a->in[s->spec.at.x], *dy = s->gradient ? a->in[s->spec.at.dy] : x;
    const void *y = s->spec.at.y < 0 ? x : a->out[s->spec.at.y];

    return (ek_bn_columns){.mean = n->mean,
                           .a = n->a,
                           .b = n->b,
                           .gc = n->gc,
                           .gd = n->gd,
                           .high = s->spec.activation == EK_BN_RELU6 ? six : (float)INFINITY,
                           .clamp = clamped(s),
                           .stream = s->big && y != x && y != dy};
}

static const ek_loops *const activation_loops[][2] = {
    [EK_BN_RELU] = {&ek__loops_relu, &ek__loops_relu_grad},
    [EK_BN_RELU6] = {&ek__loops_relu6, &ek__loops_relu6_grad},
    [EK_BN_SIGMOID] = {&ek__loops_sigmoid, &ek__loops_sigmoid_grad},
    [EK_BN_TANH] = {&ek__loops_tanh, &ek__loops_tanh_grad},
};

static void hand_out(const ek_bn_state *s, const void *from, void *to, int64_t first, int64_t n)
{
    const size_t size = ek_dtype_size(s->spec.dtype);

    ek__convert(is_half(s) ? EK_FLOAT32 : s->spec.dtype, from, s->spec.dtype, (char *)to + (size_t)first * size, n);
}

void ek__bn_leave(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t n)
{
    static const int step[1] = {1};
    const ek_dtype type = wide(s) ? EK_FLOAT64 : EK_FLOAT32;
    char *y = (char *)ek__bn_result(a, s) + (size_t)first * ek_dtype_size(type);
    const void *const in[1] = {y};

    if (s->gradient) {
        if (is_half(s)) hand_out(s, y, a->out[s->spec.at.y], first, n);
        return;
    }
    if (s->spec.at.before >= 0) hand_out(s, y, a->out[s->spec.at.before], first, n);
    if (s->spec.activation != EK_BN_PLAIN && !clamped(s))
        ek__loop(activation_loops[s->spec.activation][0], type)(n, in, step, y, NULL);
    if (is_half(s)) hand_out(s, y, a->out[s->spec.at.y], first, n);
}

/* ---- the first phase: 16-bit floats become floats, gradients pass their activation ------- */

static bool has_copies(const ek_bn_state *s)
{
    return is_half(s) || copies_g(s);
}

/* g = dy through the activation that gave y. The loops of sigmoid and tanh take y first, those of rectifiers dy. */
static void activation_gradient(ek_bn_activation f, ek_dtype type, int64_t n, const void *y, const void *dy, void *g)
{
    static const int step[2] = {1, 1};
    const bool output_first = f == EK_BN_SIGMOID || f == EK_BN_TANH;
    const void *const in[2] = {output_first ? y : dy, output_first ? dy : y};

    ek__loop(activation_loops[f][1], type)(n, in, step, g, NULL);
}

/* g = dy through the activation that gave `activated`, in the type of the array. */
static void pass_activation(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t n)
{
    const size_t size = ek_dtype_size(s->spec.dtype), from = (size_t)first * size;
    const char *y = (const char *)a->in[s->spec.at.activated] + from, *dy = (const char *)a->in[s->spec.at.dy] + from;
    char *g = scratch_at(a, s->at_g) + from;

    if (s->spec.activation == EK_BN_PLAIN)
        memcpy(g, dy, (size_t)n * size);
    else
        activation_gradient(s->spec.activation, s->spec.dtype, n, y, dy, g);
}

static void widen(const ek_run_args *a, const ek_bn_state *s, const void *from, size_t at, int64_t first, int64_t n)
{
    ek__convert(s->spec.dtype, (const char *)from + (size_t)first * 2, EK_FLOAT32, (float *)scratch_at(a, at) + first,
                n);
}

/* The same for 16-bit floats: both are widened, the loop of floats passes the gradient. */
static void pass_activation_half(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t n)
{
    enum { PIECE = 1024 };
    float y[PIECE];

    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        float *g = (float *)scratch_at(a, s->at_g) + first + i;
        ek__convert(s->spec.dtype, (const char *)a->in[s->spec.at.activated] + (size_t)(first + i) * 2, EK_FLOAT32, y,
                    m);
        activation_gradient(s->spec.activation, EK_FLOAT32, m, y, g, g);
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

/* ---- preparing --------------------------------------------------------------------------- */

bool ek__bn_view_of(const ek_shape *x, uint32_t axes, ek_bn_view *out)
{
    enum { OUTER, CHANNELS, INNER } part = OUTER;

    *out = (ek_bn_view){1, 1, 1};
    for (int i = 0; i < x->rank; i++) {
        const bool statistics = (axes >> i & 1u) != 0;
        if (x->dim[i] == 1) continue;
        if (!statistics && part == INNER) return false;
        if (!statistics)
            part = CHANNELS;
        else if (part == CHANNELS)
            part = INNER;
        if (part == OUTER)
            out->outer *= x->dim[i];
        else if (part == CHANNELS)
            out->channels *= x->dim[i];
        else
            out->inner *= x->dim[i];
    }
    return true;
}

/* Whether x and y are too large for the caches: stores past them then spare the read of what is overwritten. */
static bool leaves_caches(const ek_bn_state *s)
{
    return (size_t)s->total * ek_dtype_size(s->spec.dtype) * (s->gradient ? 3 : 2) > ek__cache_share();
}

static ek_status bn_prepare(ek_prepare_ctx *c, const ek_bn_spec *spec, bool gradient)
{
    ek_bn_state *s = EK_ARENA_NEW(c->arena, ek_bn_state, 1);
    const ek_bn_view *v = &spec->view;
    const ek_bn_activation f = spec->activation;

    if (s == NULL) return ek__no_memory(c);
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

    const size_t copy = ek__whole_lines((size_t)s->total * number_size(s));
    s->at_x = 0;
    s->at_g = is_half(s) ? copy : 0;
    s->at_numbers = s->at_g + (copies_g(s) ? copy : 0);
    c->state = s;
    c->scratch_bytes = s->at_numbers;
    if (wide(s))
        ek__bn_doubles(c, s);
    else if (v->inner == 1)
        ek__bn_rows(c, s);
    else
        ek__bn_planes(c, s);
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
