/* ops/grad_math.c - gradients of element-wise operations of one operand. */
#include "ops/grad.h"

static ek_tensor one(const ek_grad *c) { return ek__const_scalar(c->g, g_dtype(g_dy(c, 0)), 1, NULL, c->where); }

/* dy times the derivative, which `inner` builds from `of`. */
static void chain(ek_grad *c, ek_tensor of, ek_tensor (*inner)(const ek_grad *c, ek_tensor of))
{
    EK_AFTER_DY(c) {
        const ek_tensor conjugate = g_conj(c, of);
        g_set(c, 0, g_times(c, g_dy(c, 0), inner(c, conjugate)));
    }
}

/* A gradient op of TensorFlow's of the output and dy, or of dy and the output. */
static void by_output(ek_grad *c, const char *type) { g_set(c, 0, g2(c, type, g_out(c, 0), g_dy(c, 0))); }
static void by_output_after(ek_grad *c, const char *type)
{
    EK_AFTER_DY(c) {
        const ek_tensor y = g_conj(c, g_out(c, 0));
        g_set(c, 0, g2(c, type, y, g_dy(c, 0)));
    }
}

/* ---- signs, roots, powers -------------------------------------------------------------------------------- */

void ek__grad_conj(ek_grad *c) { g_set(c, 0, g_conj(c, g_dy(c, 0))); }
void ek__grad_neg(ek_grad *c) { g_set(c, 0, gx1(c, ek_negative_with, g_dy(c, 0))); }

void ek__grad_abs(ek_grad *c)
{
    const ek_tensor sign = gx1(c, ek_sign_with, g_in(c, 0));
    g_set(c, 0, g_times(c, g_dy(c, 0), sign));
}

void ek__grad_sign(ek_grad *c) { g_set(c, 0, g_zeros(c, g_shape(c, g_in(c, 0)), g_dtype(g_in(c, 0)))); }

void ek__grad_square(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor x = g_conj(c, g_in(c, 0)), two = ek__const_scalar(c->g, g_dtype(x), 2, NULL, c->where);
        const ek_tensor twice = gx2(c, ek_multiply_with, x, two);
        g_set(c, 0, gx2(c, ek_multiply_with, g_dy(c, 0), twice));
    }
}

void ek__grad_sqrt(ek_grad *c) { by_output(c, "SqrtGrad"); }
void ek__grad_rsqrt(ek_grad *c) { by_output(c, "RsqrtGrad"); }
void ek__grad_reciprocal(ek_grad *c) { by_output(c, "ReciprocalGrad"); }

void ek__grad_sqrt_grad(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor ratio = gx2(c, ek_over_with, g_dy(c, 0), g_in(c, 0));
        g_set(c, 0, g_times(c, gx1(c, ek_negative_with, g_conj(c, ratio)), g_out(c, 0)));
        g_set(c, 1, gnx(c, ek_times_with, 0.5, ratio));
    }
}

void ek__grad_rsqrt_grad(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor a = g_conj(c, g_in(c, 0)), dy = g_conj(c, g_dy(c, 0));
        const ek_tensor scaled = g_times(c, gnx(c, ek_times_with, -1.5, dy), g_in(c, 1));
        g_set(c, 0, g_times(c, scaled, gx1(c, ek_square_with, a)));
        g_set(c, 1, g2(c, "RsqrtGrad", a, g_dy(c, 0)));
    }
}

/* dy * -2 * b * a of the gradient ops that have a in their first input and what flows into them in their second. */
static void minus_twice(ek_grad *c, const char *type, ek_tensor dy, ek_tensor a, ek_tensor b)
{
    const ek_tensor scaled = g_times(c, gxn(c, ek_times_with, dy, -2.0), b);

    g_set(c, 0, g_times(c, scaled, a));
    g_set(c, 1, g2(c, type, a, g_dy(c, 0)));
}

void ek__grad_reciprocal_grad(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor a = g_conj(c, g_in(c, 0)), dy = g_conj(c, g_dy(c, 0));
        minus_twice(c, "ReciprocalGrad", dy, a, g_in(c, 1));
    }
}

void ek__grad_tanh_grad(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor a = g_conj(c, g_in(c, 0)), b = g_conj(c, g_in(c, 1));
        minus_twice(c, "TanhGrad", g_dy(c, 0), a, b);
    }
}

/* ---- exponentials ------------------------------------------------------------------------------------------ */

static ek_tensor itself(const ek_grad *c, ek_tensor y)
{
    (void)c;
    return y;
}
static ek_tensor exp_of(const ek_grad *c, ek_tensor x) { return gx1(c, ek_exp_with, x); }
static ek_tensor reciprocal_of(const ek_grad *c, ek_tensor x) { return gx1(c, ek_reciprocal_with, x); }
static ek_tensor reciprocal_of_next(const ek_grad *c, ek_tensor x)
{
    return reciprocal_of(c, gnx(c, ek_plus_with, 1, x));
}

void ek__grad_exp(ek_grad *c) { chain(c, g_out(c, 0), itself); }
void ek__grad_expm1(ek_grad *c) { chain(c, g_in(c, 0), exp_of); }
void ek__grad_log(ek_grad *c) { chain(c, g_in(c, 0), reciprocal_of); }
void ek__grad_log1p(ek_grad *c) { chain(c, g_in(c, 0), reciprocal_of_next); }

/* dy * (+-2 / sqrt(pi)) * exp(-x^2) */
static void bell(ek_grad *c, double factor)
{
    const ek_tensor scale = ek__const_scalar(c->g, g_dtype(g_dy(c, 0)), factor, NULL, c->where);

    EK_AFTER_DY(c) {
        const ek_tensor scaled = g_times(c, g_dy(c, 0), scale);
        const ek_tensor minus = gx1(c, ek_negative_with, gx1(c, ek_square_with, g_in(c, 0)));
        g_set(c, 0, g_times(c, scaled, gx1(c, ek_exp_with, minus)));
    }
}
#define TWO_OVER_ROOT_PI 1.1283791670955126
void ek__grad_erf(ek_grad *c) { bell(c, TWO_OVER_ROOT_PI); }
void ek__grad_erfc(ek_grad *c) { bell(c, -TWO_OVER_ROOT_PI); }

void ek__grad_lgamma(ek_grad *c)
{
    EK_AFTER_DY(c) g_set(c, 0, g_times(c, g_dy(c, 0), g1(c, "Digamma", g_in(c, 0))));
}

void ek__grad_digamma(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor first = ek__const_scalar(c->g, g_dtype(g_in(c, 0)), 1, NULL, c->where);
        g_set(c, 0, g_times(c, g_dy(c, 0), g2(c, "Polygamma", first, g_in(c, 0))));
    }
}

/* By its second operand; by the first, which counts derivatives, there is none. */
void ek__grad_polygamma(ek_grad *c)
{
    const ek_tensor n = g_in(c, 0), x = g_in(c, 1);
    const ek_unbroadcast u = g_unbroadcast_plain(c, n, x);

    EK_AFTER_DY(c) {
        const ek_tensor next = gxn(c, ek_plus_with, n, 1);
        g_set(c, 1, g_reduce_to(c, &u, 1, g_times(c, g_dy(c, 0), g2(c, "Polygamma", next, x))));
    }
}

/* ---- circles and hyperbolas ---------------------------------------------------------------------------------- */

static ek_tensor cos_of(const ek_grad *c, ek_tensor x) { return gx1(c, ek_cos_with, x); }
static ek_tensor cosh_of(const ek_grad *c, ek_tensor x) { return gx1(c, ek_cosh_with, x); }
static ek_tensor sinh_of(const ek_grad *c, ek_tensor x) { return gx1(c, ek_sinh_with, x); }

void ek__grad_sin(ek_grad *c) { chain(c, g_in(c, 0), cos_of); }
void ek__grad_sinh(ek_grad *c) { chain(c, g_in(c, 0), cosh_of); }
void ek__grad_cosh(ek_grad *c) { chain(c, g_in(c, 0), sinh_of); }

void ek__grad_cos(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor x = g_conj(c, g_in(c, 0)), minus = gx1(c, ek_negative_with, g_dy(c, 0));
        g_set(c, 0, g_times(c, minus, gx1(c, ek_sin_with, x)));
    }
}

void ek__grad_tan(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor secant = reciprocal_of(c, cos_of(c, g_conj(c, g_in(c, 0))));
        g_set(c, 0, g_times(c, gx1(c, ek_square_with, secant), g_dy(c, 0)));
    }
}

void ek__grad_asinh(ek_grad *c)
{
    EK_AFTER_DY(c) g_set(c, 0, gx2(c, ek_over_with, g_dy(c, 0), cosh_of(c, g_conj(c, g_out(c, 0)))));
}

void ek__grad_acosh(ek_grad *c)
{
    EK_AFTER_DY(c) g_set(c, 0, gx2(c, ek_over_with, g_dy(c, 0), sinh_of(c, g_conj(c, g_out(c, 0)))));
}

/* 1 / (1 +- x^2), perhaps of the root of it. */
static ek_tensor one_over(const ek_grad *c, ek_binary_builder f, bool root)
{
    const ek_tensor square = gx1(c, ek_square_with, g_conj(c, g_in(c, 0)));
    const ek_tensor sum = gx2(c, f, one(c), square);

    return reciprocal_of(c, root ? gx1(c, ek_sqrt_with, sum) : sum);
}

void ek__grad_atanh(ek_grad *c)
{
    EK_AFTER_DY(c) g_set(c, 0, g_times(c, g_dy(c, 0), one_over(c, ek_subtract_with, false)));
}

void ek__grad_atan(ek_grad *c)
{
    EK_AFTER_DY(c) g_set(c, 0, g_times(c, g_dy(c, 0), one_over(c, ek_add_with, false)));
}

void ek__grad_asin(ek_grad *c)
{
    EK_AFTER_DY(c) g_set(c, 0, g_times(c, g_dy(c, 0), one_over(c, ek_subtract_with, true)));
}

void ek__grad_acos(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor inverse = one_over(c, ek_subtract_with, true);
        g_set(c, 0, g_times(c, gx1(c, ek_negative_with, g_dy(c, 0)), inverse));
    }
}

/* ---- sigmoid and kin ------------------------------------------------------------------------------------------ */

void ek__grad_tanh(ek_grad *c) { by_output_after(c, "TanhGrad"); }
void ek__grad_sigmoid(ek_grad *c) { by_output_after(c, "SigmoidGrad"); }

void ek__grad_sigmoid_grad(ek_grad *c)
{
    EK_AFTER_DY(c) {
        const ek_tensor a = g_conj(c, g_in(c, 0)), b = g_conj(c, g_in(c, 1)), both = g_times(c, g_dy(c, 0), b);
        const ek_tensor twice = g_times(c, gnx(c, ek_times_with, 2.0, both), a);
        g_set(c, 0, gx2(c, ek_minus_with, both, twice));
        g_set(c, 1, g2(c, "SigmoidGrad", a, g_dy(c, 0)));
    }
}

/* ---- casts ----------------------------------------------------------------------------------------------------- */

static bool differentiable(ek_dtype t) { return ek_dtype_is_floating(t) || ek_dtype_is_complex(t); }

void ek__grad_cast(ek_grad *c)
{
    const ek_dtype from = g_dtype(g_in(c, 0)), to = g_dtype(g_dy(c, 0));

    if (differentiable(from) && differentiable(to)) g_set(c, 0, g_cast(c, g_dy(c, 0), from));
}
