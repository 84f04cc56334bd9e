/* ops/color.c - RGBToHSV and HSVToRGB: colours, three numbers along the last dimension, in another space. */
#include <math.h>

#include "ops/rules.h"

static ek_status color_shape(ek_shape_ctx *c)
{
    const ek_shape *x = &c->in[0];

    if (c->running && x->rank < 1) return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be at least 1D%s", EK_CC(x));
    EK_TRY(ek__want_rank_at_least(c, 0, 1));
    c->out[0] = *x;
    if (x->rank < 1 || x->dim[x->rank - 1] == 3) return EK_OK;
    if (x->dim[x->rank - 1] >= 0)
        return c->running ? EK_FAIL(c->err, INVALID_ARGUMENT, "input must have 3 channels but input only has %lld channels.", (long long)x->dim[x->rank - 1])
                          : EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension must be 3 but is %lld", (long long)x->dim[x->rank - 1]);
    c->out[0].dim[x->rank - 1] = 3;
    return EK_OK;
}

/* From 0 .. 1 each to hue, saturation, value. */
static void to_hsv(const double *rgb, double *hsv)
{
    const double r = rgb[0], g = rgb[1], b = rgb[2];
    const double value = fmax(r, fmax(g, b)), range = value - fmin(r, fmin(g, b));
    double hue = 0;

    if (range > 0) {
        hue = r == value ? (g - b) / (6 * range) : g == value ? (b - r) / (6 * range) + 2.0 / 6 : (r - g) / (6 * range) + 4.0 / 6;
        if (hue < 0) hue += 1;
    }
    hsv[0] = hue;
    hsv[1] = value > 0 ? range / value : 0;
    hsv[2] = value;
}

static double held(double v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static void to_rgb(const double *hsv, double *rgb)
{
    const double h = 6 * hsv[0];
    const double full[] = { held(fabs(h - 3) - 1), held(2 - fabs(h - 2)), held(2 - fabs(h - 4)) };

    for (int i = 0; i < 3; i++) rgb[i] = (1 - hsv[1] + hsv[1] * full[i]) * hsv[2];
}

enum { CHUNK = 1 << 13, BLOCK = 64 }; /* colours */

typedef struct color_state {
    ek_dtype dtype;
    int64_t n;
    void (*turn)(const double *from, double *to);
} color_state;

static ek_status color_run(const ek_run_args *a, int64_t chunk)
{
    const color_state *s = a->state;
    const size_t size = 3 * ek_dtype_size(s->dtype);
    const int64_t end = s->n - chunk * CHUNK < CHUNK ? s->n : (chunk + 1) * CHUNK;
    double from[3 * BLOCK], to[3 * BLOCK];

    for (int64_t i = chunk * CHUNK, n; i < end; i += n) {
        n = end - i < BLOCK ? end - i : BLOCK;
        ek__convert(s->dtype, (const char *)a->in[0] + (size_t)i * size, EK_FLOAT64, from, 3 * n);
        for (int64_t k = 0; k < n; k++) s->turn(from + 3 * k, to + 3 * k);
        ek__convert(EK_FLOAT64, to, s->dtype, (char *)a->out[0] + (size_t)i * size, 3 * n);
    }
    return EK_OK;
}

static ek_status prepare(ek_prepare_ctx *c, void (*turn)(const double *from, double *to))
{
    color_state *s = EK_ARENA_NEW(c->arena, color_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (color_state){ c->in_dtype[0], ek_shape_count(&c->in[0]) / 3, turn };
    c->state = s;
    ek__add_phase(c, color_run, (s->n + CHUNK - 1) / CHUNK);
    return EK_OK;
}

static ek_status hsv_prepare(ek_prepare_ctx *c) { return prepare(c, to_hsv); }
static ek_status rgb_prepare(ek_prepare_ctx *c) { return prepare(c, to_rgb); }

#define COLOR(Name, prepare_, reason)                                                                                          \
    const ek_op_def ek__op_##Name = {                                                                                  \
        .name = #Name, .inputs = "images: T", .outputs = "output: T",                                                  \
        .attrs = "T: {half, bfloat16, float, double} = float", .shape = color_shape, .prepare = prepare_,              \
        .no_grad_because = reason,                                                                                     \
    }
COLOR(RGBToHSV, hsv_prepare, NULL);
COLOR(HSVToRGB, rgb_prepare, "TensorFlow declares it constant");
