/* ops/grad_binary.c - gradients of element-wise operations of several operands, summed over what was broadcast. */
#include "ops/grad.h"

static ek_tensor neg(const ek_grad *c, ek_tensor x) { return gx1(c, ek_negative_with, x); }

/* ---- sums --------------------------------------------------------------------------------------------------- */

void ek__grad_add(ek_grad *c)
{
    const ek_tensor dy = g_dy(c, 0);

    if (g_same_shapes(c, g_in(c, 0), g_in(c, 1), dy)) {
        g_set(c, 0, dy);
        g_set(c, 1, dy);
        return;
    }
    const ek_unbroadcast u = g_unbroadcast(c, g_in(c, 0), g_in(c, 1), dy);
    g_set(c, 0, g_reduce_to(c, &u, 0, dy));
    g_set(c, 1, g_reduce_to(c, &u, 1, dy));
}

void ek__grad_sub(ek_grad *c)
{
    const ek_tensor dy = g_dy(c, 0);

    if (g_same_shapes(c, g_in(c, 0), g_in(c, 1), dy)) {
        g_set(c, 0, dy);
        g_set(c, 1, neg(c, dy));
        return;
    }
    const ek_unbroadcast u = g_unbroadcast(c, g_in(c, 0), g_in(c, 1), dy);
    g_set(c, 0, g_reduce_to(c, &u, 0, dy));
    g_set(c, 1, g_reduce_to(c, &u, 1, neg(c, dy)));
}

void ek__grad_add_n(ek_grad *c)
{
    for (int32_t i = 0; i < c->n->n_in; i++) c->dx[i] = c->dy[0];
}

void ek__grad_squared_difference(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    ek_tensor d = dy;

    EK_AFTER_DY(c) {
        const ek_tensor two = ek__const_scalar(c->g, g_dtype(dy), 2, "scalar", c->where);
        const ek_tensor twice = g2(c, "Mul", two, dy);
        d = g_times(c, twice, gx2(c, ek_minus_with, x, y));
    }
    if (g_same_shapes(c, x, y, dy)) {
        g_set(c, 0, d);
        g_set(c, 1, neg(c, d));
        return;
    }
    const ek_unbroadcast u = g_unbroadcast(c, x, y, dy);
    g_set(c, 0, g_reduce_to(c, &u, 0, d));
    g_set(c, 1, neg(c, g_reduce_to(c, &u, 1, d)));
}

/* ---- products ------------------------------------------------------------------------------------------------- */

void ek__grad_mul(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    const ek_dtype t = g_dtype(dy);

    if (g_same_shapes(c, x, y, dy) && (t == EK_FLOAT32 || t == EK_INT32)) {
        g_set(c, 0, g2(c, "Mul", dy, y));
        g_set(c, 1, g2(c, "Mul", dy, x));
        return;
    }
    const ek_unbroadcast u = g_unbroadcast(c, x, y, dy);
    const ek_tensor cx = g_conj(c, x), cy = g_conj(c, y);
    g_set(c, 0, g_reduce_to(c, &u, 0, g2(c, "Mul", dy, cy)));
    g_set(c, 1, g_reduce_to(c, &u, 1, g2(c, "Mul", cx, dy)));
}

void ek__grad_mul_no_nan(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);

    if (g_same_shapes(c, x, y, dy)) {
        g_set(c, 0, g2(c, "MulNoNan", dy, y));
        g_set(c, 1, g2(c, "MulNoNan", x, dy));
        return;
    }
    const ek_unbroadcast u = g_unbroadcast_plain(c, x, y);
    g_set(c, 0, g_reduce_to(c, &u, 0, g2(c, "MulNoNan", dy, y)));
    g_set(c, 1, g_reduce_to(c, &u, 1, g2(c, "MulNoNan", x, dy)));
}

/* dy / y and dy * ((-x / y) / y), whichever division it is. */
static void quotient(ek_grad *c, ek_tensor (*divide)(const ek_grad *c, ek_tensor x, ek_tensor y))
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    const ek_unbroadcast u = g_unbroadcast_plain(c, x, y);

    const ek_tensor cx = g_conj(c, x), cy = g_conj(c, y);
    g_set(c, 0, g_reduce_to(c, &u, 0, divide(c, dy, cy)));
    const ek_tensor ratio = divide(c, divide(c, neg(c, cx), cy), cy);
    g_set(c, 1, g_reduce_to(c, &u, 1, g_times(c, dy, ratio)));
}
static ek_tensor real_div(const ek_grad *c, ek_tensor x, ek_tensor y) { return g2(c, "RealDiv", x, y); }
static ek_tensor no_nan(const ek_grad *c, ek_tensor x, ek_tensor y) { return gx2(c, ek_div_no_nan_with, x, y); }
static ek_tensor over(const ek_grad *c, ek_tensor x, ek_tensor y) { return gx2(c, ek_over_with, x, y); }

void ek__grad_real_div(ek_grad *c) { quotient(c, real_div); }
void ek__grad_div_no_nan(ek_grad *c) { quotient(c, no_nan); }
void ek__grad_div(ek_grad *c) { quotient(c, over); }

void ek__grad_floor_mod(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    const ek_unbroadcast u = g_unbroadcast_plain(c, x, y);
    const ek_tensor whole = g2(c, "FloorDiv", x, y);

    g_set(c, 0, g_reduce_to(c, &u, 0, dy));
    g_set(c, 1, g_reduce_to(c, &u, 1, g_times(c, dy, neg(c, whole))));
}

/* ---- powers and logarithms -------------------------------------------------------------------------------------- */

/* log(x) where that is a number, 0 elsewhere. */
static ek_tensor sensible_log(const ek_grad *c, ek_tensor x)
{
    ek_tensor there;

    if (ek_dtype_is_complex(g_dtype(x))) {
        there = gxn(c, ek_not_equal_with, x, 0);
        const ek_tensor log = gx1(c, ek_log_with, x);
        return g3(c, "Select", there, log, g_zeros_like(c, x));
    }
    there = gxn(c, ek_greater_with, x, 0);
    const ek_tensor safe = g3(c, "Select", there, x, gx1(c, ek_ones_like_with, x));
    const ek_tensor log = gx1(c, ek_log_with, safe);
    return g3(c, "Select", there, log, g_zeros_like(c, x));
}

void ek__grad_pow(ek_grad *c)
{
    const ek_tensor dy = g_dy(c, 0);
    const ek_unbroadcast u = g_unbroadcast(c, g_in(c, 0), g_in(c, 1), dy);
    const ek_tensor x = g_conj(c, g_in(c, 0)), y = g_conj(c, g_in(c, 1)), z = g_conj(c, g_out(c, 0));
    const ek_tensor first = g_times(c, dy, y);

    /* y - 1 becomes a node between the two products, as Python evaluates dy * y * pow(x, y - 1). */
    const ek_tensor less = gxn(c, ek_minus_with, y, 1);
    const ek_tensor power = gx2(c, ek_pow_with, x, less);
    g_set(c, 0, g_reduce_to(c, &u, 0, g_times(c, first, power)));
    const ek_tensor log = sensible_log(c, x);
    const ek_tensor by_y = g_times(c, g_times(c, dy, z), log);
    g_set(c, 1, g_reduce_to(c, &u, 1, by_y));
}

/* 1 where x is not 0. */
static ek_tensor not_zero(const ek_grad *c, ek_tensor x)
{
    return g_cast(c, gxn(c, ek_not_equal_with, x, 0), g_dtype(x));
}

void ek__grad_xlogy(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    const ek_unbroadcast u = g_unbroadcast_plain(c, x, y);

    EK_AFTER_DY(c) {
        const ek_tensor by_x = g2(c, "Xlogy", not_zero(c, x), y), by_y = g2(c, "Xdivy", x, y);
        g_set(c, 0, g_reduce_to(c, &u, 0, g_times(c, by_x, dy)));
        g_set(c, 1, g_reduce_to(c, &u, 1, g_times(c, by_y, dy)));
    }
}

void ek__grad_xdivy(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    const ek_unbroadcast u = g_unbroadcast_plain(c, x, y);

    EK_AFTER_DY(c) {
        const ek_tensor by_x = g2(c, "Xdivy", not_zero(c, x), y), minus = neg(c, x);
        const ek_tensor by_y = g2(c, "Xdivy", minus, gxn(c, ek_power_with, y, 2));
        g_set(c, 0, g_reduce_to(c, &u, 0, g_times(c, by_x, dy)));
        g_set(c, 1, g_reduce_to(c, &u, 1, g_times(c, by_y, dy)));
    }
}

void ek__grad_atan2(ek_grad *c)
{
    const ek_tensor y = g_in(c, 0), x = g_in(c, 1), dy = g_dy(c, 0);

    EK_AFTER_DY(c) {
        const ek_tensor xx = gx1(c, ek_square_with, x), yy = gx1(c, ek_square_with, y);
        const ek_tensor ratio = gx2(c, ek_over_with, dy, gx2(c, ek_plus_with, xx, yy));
        g_set(c, 0, g_times(c, x, ratio));
        g_set(c, 1, g_times(c, neg(c, y), ratio));
        if (!g_same_shapes(c, y, x, dy)) {
            const ek_unbroadcast u = g_unbroadcast(c, y, x, dy);
            for (int k = 0; k < 2; k++) g_set(c, k, g_reduce_to(c, &u, k, c->dx[k].value));
        }
    }
}

/* ---- choices ------------------------------------------------------------------------------------------------------ */

/* To the side that was taken; where both are equal, to x. */
static void extreme(ek_grad *c, ek_binary_builder takes_x)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    const ek_tensor sx = g_shape(c, x), sy = g_shape(c, y);
    const ek_tensor zeros = g_zeros(c, g_shape(c, dy), g_dtype(dy));
    const ek_tensor by_x = gx2(c, takes_x, x, y);
    const ek_unbroadcast u = g_unbroadcast_by(c, sx, sy);

    g_set(c, 0, g_reduce_to(c, &u, 0, g3(c, "Select", by_x, dy, zeros)));
    g_set(c, 1, g_reduce_to(c, &u, 1, g3(c, "Select", by_x, zeros, dy)));
}
void ek__grad_maximum(ek_grad *c) { extreme(c, ek_greater_equal_with); }
void ek__grad_minimum(ek_grad *c) { extreme(c, ek_less_equal_with); }

void ek__grad_select(ek_grad *c)
{
    const ek_tensor when = g_in(c, 0), zeros = g_zeros_like(c, g_in(c, 1));

    g_set(c, 1, g3(c, "Select", when, g_dy(c, 0), zeros));
    g_set(c, 2, g3(c, "Select", when, zeros, g_dy(c, 0)));
}

/* The broadcasting form: each side summed over what was stretched. */
static ek_tensor summed(const ek_grad *c, ek_tensor d, ek_tensor x)
{
    const ek_tensor sd = g_shape(c, d), sx = g_shape(c, x);
    const ek_unbroadcast u = g_unbroadcast_by(c, sx, sd);

    return g_reduce_to(c, &u, 0, d);
}

void ek__grad_select_v2(ek_grad *c)
{
    const ek_tensor when = g_in(c, 0), dy = g_dy(c, 0);
    const ek_tensor zero = ek_zeros_with(c->g, &(ek_zeros_options){ .size = sizeof(ek_zeros_options), .shape = EK_SCALAR,
                                                                    .dtype = g_dtype(dy) }, c->where);

    g_set(c, 1, summed(c, g3(c, "SelectV2", when, dy, zero), g_in(c, 1)));
    g_set(c, 2, summed(c, g3(c, "SelectV2", when, zero, dy), g_in(c, 2)));
}

void ek__grad_clip_by_value(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), low = g_in(c, 1), high = g_in(c, 2), dy = g_dy(c, 0);
    const ek_tensor sx = g_shape(c, x), sl = g_shape(c, low), sh = g_shape(c, high);
    const ek_tensor zeros = g_zeros(c, g_shape(c, dy), g_dtype(x));
    const ek_tensor below = gx2(c, ek_less_with, x, low), above = gx2(c, ek_greater_with, x, high);
    const ek_unbroadcast with_low = g_unbroadcast_by(c, sx, sl), with_high = g_unbroadcast_by(c, sx, sh);
    const ek_tensor outside = gx2(c, ek_logical_or_with, below, above);
    const ek_tensor by_x = g3(c, "Select", outside, zeros, dy);
    const ek_tensor by_low = g3(c, "Select", below, dy, zeros), by_high = g3(c, "Select", above, dy, zeros);

    g_set(c, 0, g_reduce_to(c, &with_high, 0, by_x));
    g_set(c, 1, g_reduce_to(c, &with_low, 1, by_low));
    g_set(c, 2, g_reduce_to(c, &with_high, 1, by_high));
}
