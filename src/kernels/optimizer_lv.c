/* kernels/optimizer_lv.c - one step of an optimizer over n elements, in one pass over memory.
 *
 * var[0] is the parameter, var[1 ..] its slots, updated in place; pointers may be equal, as
 * each element is read before it is written. scalar[] has the op's scalars in the order of
 * its inputs: float, or double where the elements are. What an update makes of one element
 * depends on nothing else, so that any cut gives the same bits.
 */
#include <tgmath.h>

#include "kernels/loop_lv.h"

/* The element type and the type that is computed in, by the name of the element type. 16-bit floats are computed as
 * float and rounded once, but for what is NEAR. */
#define ELEMENT_f16 uint16_t
#define ELEMENT_bf16 uint16_t
#define ELEMENT_f32 float
#define ELEMENT_f64 double
#define WORK_f16 float
#define WORK_bf16 float
#define WORK_f32 float
#define WORK_f64 double
#define FROM_f16 half_from_f16
#define FROM_bf16 half_from_bf16
#define FROM_f32
#define FROM_f64
#define TO_f16 half_to_f16
#define TO_bf16 half_to_bf16
#define TO_f32
#define TO_f64
#define FOUR_TYPES(X, ...) X(f16, __VA_ARGS__) X(bf16, __VA_ARGS__) X(f32, __VA_ARGS__) X(f64, __VA_ARGS__)

#define UPDATE_ARGS int64_t n, void *const *var, const void *grad, const void *scalar

/* The steps see v, the parameter; s, u and w, its slots; g, the gradient; h, the scalars; T, the type. */
#define UPDATE(NAME, SLOTS, SCALARS, STEP) FOUR_TYPES(UPDATE_OF, NAME, SLOTS, SCALARS, STEP)
#define UPDATE_OF(TYPE, NAME, SLOTS, SCALARS, STEP)            \
    void EK_K(update_##NAME##_##TYPE)(UPDATE_ARGS)             \
    {                                                          \
        typedef WORK_##TYPE T;                                 \
        const int kind = KIND_##TYPE;                          \
        (void)kind;                                            \
        const ELEMENT_##TYPE *const g_ = grad;                 \
        ELEMENT_##TYPE *const v_ = var[0];                     \
        const T *const h = scalar;                             \
        SLOTS(OPEN, TYPE)                                      \
        SCALARS;                                               \
        INDEPENDENT                                            \
        for (int64_t i = 0; i < n; i++) {                      \
            const T g = FROM_##TYPE(g_[i]);                    \
            T v = FROM_##TYPE(v_[i]);                          \
            SLOTS(LOAD, TYPE)                                  \
            STEP;                                              \
            v_[i] = TO_##TYPE(v);                              \
            SLOTS(STORE, TYPE)                                 \
        }                                                      \
    }
#define OPEN(k, s, TYPE) ELEMENT_##TYPE *const s##_ = var[k];
#define LOAD(k, s, TYPE) T s = FROM_##TYPE(s##_[i]);
#define STORE(k, s, TYPE) s##_[i] = TO_##TYPE(s);
#define NO_SLOTS(X, TYPE)
#define S(X, TYPE) X(1, s, TYPE)
#define S_U(X, TYPE) X(1, s, TYPE) X(2, u, TYPE)
#define S_U_W(X, TYPE) X(1, s, TYPE) X(2, u, TYPE) X(3, w, TYPE)

/* An operation's result as the element type has it: TensorFlow rounds each, which shows where a difference of 16-bit
 * floats leaves few digits. */
enum { KIND_f16, KIND_bf16, KIND_f32, KIND_f64 };
#define NEAR(x)                                                              \
    ((T)(kind == KIND_f16    ? (T)half_from_f16(half_to_f16((float)(x)))     \
         : kind == KIND_bf16 ? (T)half_from_bf16(half_to_bf16((float)(x)))   \
                             : (x)))

#define SIGN(a) ((a) > 0 ? (T)1 : (a) < 0 ? (T)-1 : (a))
#define LARGER(a, b) ((a) < (b) || (b) != (b) ? (b) : (a))

/* ---- plain steps ---------------------------------------------------------------------------------- */

UPDATE(gradient_descent, NO_SLOTS, const T lr = h[0], v -= g * lr)

/* The slot runs on from step to step; Nesterov's looks ahead by one. Keras keeps the learning rate inside. */
#define MOMENTUM_SCALARS const T lr = h[0]; const T momentum = h[1]
UPDATE(momentum, S, MOMENTUM_SCALARS, s = NEAR(NEAR(s * momentum) + g); v -= NEAR(s * lr))
UPDATE(nesterov, S, MOMENTUM_SCALARS, s = s * momentum + g; v -= g * lr + s * momentum * lr)
UPDATE(keras_momentum, S, MOMENTUM_SCALARS, s = s * momentum - g * lr; v += s)
UPDATE(keras_nesterov, S, MOMENTUM_SCALARS, s = s * momentum - g * lr; v += s * momentum - g * lr)

/* ---- learning rates of each element's own ------------------------------------------------------------ */

UPDATE(adadelta, S_U, const T lr = h[0]; const T rho = h[1]; const T epsilon = h[2],
       s = s * rho + g * g * (1 - rho);
       const T step = sqrt(u + epsilon) / sqrt(s + epsilon) * g; v -= step * lr;
       u = u * rho + step * step * (1 - rho))

/* The step is rounded once. */
#define ADAGRAD_STEP v -= (T)((double)g * (double)lr / sqrt((double)s))
UPDATE(adagrad, S, const T lr = h[0], s += g * g; ADAGRAD_STEP)
UPDATE(adagrad_fixed, S, const T lr = h[0], ADAGRAD_STEP)
#define ADAGRAD_SCALARS const T lr = h[0]; const T epsilon = h[1]
UPDATE(adagrad_v2, S, ADAGRAD_SCALARS, s += g * g; v -= g * lr / (sqrt(s) + epsilon))
UPDATE(adagrad_v2_fixed, S, ADAGRAD_SCALARS, v -= g * lr / (sqrt(s) + epsilon))

/* Scalars: beta1^t, beta2^t, learning rate, beta1, beta2, epsilon. */
#define ADAM_SCALARS                                                    \
    const T beta1 = h[3]; const T beta2 = h[4]; const T epsilon = h[5]; \
    const T alpha = h[2] * sqrt(1 - h[1]) / (1 - h[0])
#define ADAM_SLOTS s += (g - s) * (1 - beta1); u += (g * g - u) * (1 - beta2)
UPDATE(adam, S_U, ADAM_SCALARS, ADAM_SLOTS; v -= s * alpha / (sqrt(u) + epsilon))
UPDATE(adam_nesterov, S_U, ADAM_SCALARS, ADAM_SLOTS;
       v -= (g * (1 - beta1) + beta1 * s) * alpha / (sqrt(u) + epsilon))
UPDATE(amsgrad, S_U_W, ADAM_SCALARS, ADAM_SLOTS; w = LARGER(w, u); v -= s * alpha / (sqrt(w) + epsilon))
/* Scalars: beta1^t, learning rate, beta1, beta2, epsilon. */
UPDATE(ada_max, S_U,
       const T beta1 = h[2]; const T beta2 = h[3]; const T epsilon = h[4]; const T alpha = h[1] / (1 - h[0]),
       s += (g - s) * (1 - beta1); const T decayed = beta2 * u; const T size = fabs(g); u = LARGER(decayed, size);
       v -= alpha * (s / (u + epsilon)))

/* Scalars: learning rate, rho, momentum, epsilon. Slots: mean square, step; centered: mean, mean square, step. */
#define RMS_SCALARS const T lr = h[0]; const T rho = h[1]; const T momentum = h[2]; const T epsilon = h[3]
UPDATE(rms_prop, S_U, RMS_SCALARS,
       s += (g * g - s) * (1 - rho); u = u * momentum + g * lr / sqrt(s + epsilon); v -= u)
UPDATE(centered_rms_prop, S_U_W, RMS_SCALARS,
       u += (g * g - u) * (1 - rho); s += (g - s) * (1 - rho);
       w = w * momentum + g * lr / sqrt(u - s * s + epsilon); v -= w)

/* ---- steps by the agreement of signs ------------------------------------------------------------------- */

/* Scalars: learning rate, alpha, decay, beta. */
UPDATE(add_sign, S, const T lr = h[0]; const T alpha = h[1]; const T decay = h[2]; const T beta = h[3],
       s = s * beta + g * (1 - beta); v -= lr * (alpha + decay * (SIGN(g) * SIGN(s))) * g)

/* e^(logbase * decay * sign), whose sign has three values. Scalars: learning rate, logbase, decay, beta. */
static inline float power_float(float x)
{
    EK_K(exp_f32)(1, (const void *const[]){ &x }, (const int[]){ 1 }, &x, NULL);
    return x;
}
static inline double power_double(double x)
{
    EK_K(exp_f64)(1, (const void *const[]){ &x }, (const int[]){ 1 }, &x, NULL);
    return x;
}
#define E_TO(x) _Generic((x), float: power_float, default: power_double)(x)
UPDATE(power_sign, S,
       const T lr = h[0]; const T beta = h[3]; const T along = E_TO(h[1] * h[2]); const T apart = E_TO(-h[1] * h[2]),
       s = s * beta + g * (1 - beta);
       const T sign = SIGN(g) * SIGN(s); v -= lr * (sign > 0 ? along : sign < 0 ? apart : 1 + sign) * g)

/* ---- proximal steps: shrunk by l1, scaled by l2 ----------------------------------------------------------- */

#define SHRUNK(x, by) (SIGN(x) * (fabs(x) - (by) > 0 ? fabs(x) - (by) : 0 * (x)))
UPDATE(proximal_gradient_descent, NO_SLOTS, const T lr = h[0]; const T l1 = h[1]; const T l2 = h[2],
       const T x = v - g * lr; v = (l1 > 0 ? SHRUNK(x, lr * l1) : x) / (1 + l2 * lr))
UPDATE(proximal_adagrad, S, const T lr = h[0]; const T l1 = h[1]; const T l2 = h[2], s += g * g;
       const T rate = (T)((double)lr / sqrt((double)s)); const T x = v - g * rate;
       v = (l1 > 0 ? SHRUNK(x, rate * l1) : x) / (1 + l2 * rate))

/* Dual averaging. Slots: sum, sum of squares. Scalars: learning rate, l1, l2, step. */
UPDATE(adagrad_da, S_U, const T lr = h[0]; const T l1 = h[1] * h[3]; const T l2 = h[2] * h[3] * lr,
       s += g; u += g * g; v = (l1 > 0 ? SHRUNK(s, l1) : s) * -lr / (l2 + sqrt(u)))

/* ---- follow the regularised leader -------------------------------------------------------------------------- */

enum { FTRL_BLOCK = 256 };

/* Slots: sum of squares, linear term. Powers come first, block by block: of the sum as it was and as it becomes.
 * Scalars: learning rate, l1, l2, (shrinkage,) power of the learning rate. */
#define FTRL_OF(TYPE, NAME, SHRINKAGE, POWER, BY_RATE)                                                        \
    void EK_K(update_##NAME##_##TYPE)(UPDATE_ARGS)                                                            \
    {                                                                                                         \
        typedef WORK_##TYPE T;                                                                                \
        ELEMENT_##TYPE *const v_ = var[0], *const s_ = var[1], *const u_ = var[2];                            \
        const ELEMENT_##TYPE *const g_ = grad;                                                                \
        const T *const h = scalar;                                                                            \
        const T lr = h[0], shrinkage = 2 * (SHRINKAGE), exponent = -h[POWER];                                 \
        const T l1 = (BY_RATE) ? h[1] * lr : h[1], l2 = (BY_RATE) ? 2 * h[2] * lr : 2 * h[2];                 \
        T sum[2][FTRL_BLOCK], power[2][FTRL_BLOCK];                                                           \
                                                                                                              \
        for (int64_t at = 0; at < n; at += FTRL_BLOCK) {                                                      \
            const int64_t m = n - at < FTRL_BLOCK ? n - at : FTRL_BLOCK;                                      \
                                                                                                              \
            for (int64_t i = 0; i < m; i++) {                                                                 \
                const T g = FROM_##TYPE(g_[at + i]);                                                          \
                sum[0][i] = FROM_##TYPE(s_[at + i]);                                                          \
                sum[1][i] = sum[0][i] + g * g;                                                                \
            }                                                                                                 \
            for (int k = 0; k < 2; k++) FTRL_POWER(m, sum[k], &exponent, power[k]);                           \
            INDEPENDENT                                                                                       \
            for (int64_t i = 0; i < m; i++) {                                                                 \
                const T v = FROM_##TYPE(v_[at + i]), turn = power[1][i] - power[0][i];                        \
                const T pull = FROM_##TYPE(g_[at + i]) + shrinkage * v;                                       \
                const T u = FROM_##TYPE(u_[at + i]) + ((BY_RATE) ? pull * lr - turn * v : pull - turn / lr * v); \
                const T scale = (BY_RATE) ? power[1][i] + l2 : power[1][i] / lr + l2;                         \
                const T x = fabs(u) > l1 ? (l1 * SIGN(u) - u) / scale : 0 * u;                                \
                                                                                                              \
                u_[at + i] = TO_##TYPE(u);                                                                    \
                s_[at + i] = TO_##TYPE(sum[1][i]);                                                            \
                v_[at + i] = TO_##TYPE(x);                                                                    \
            }                                                                                                 \
        }                                                                                                     \
    }
#define FTRL_POWERS(TYPE, T)                                                                                  \
    static void ftrl_power_##T(int64_t m, const T *x, const T *exponent, T *z)                                \
    {                                                                                                         \
        if (*exponent != (T)0.5)                                                                              \
            EK_K(pow_##TYPE)(m, (const void *const[]){ x, exponent }, (const int[]){ 1, 0 }, z, NULL);        \
        for (int64_t i = 0; *exponent == (T)0.5 && i < m; i++) z[i] = sqrt(x[i]);                             \
    }
FTRL_POWERS(f32, float)
FTRL_POWERS(f64, double)
#define FTRL_POWER(m, x, exponent, z) \
    _Generic(*(z), float: ftrl_power_float, default: ftrl_power_double)((m), (x), (exponent), (z))
#define FTRL(NAME, SHRINKAGE, POWER, BY_RATE) FOUR_TYPES(FTRL_OF, NAME, SHRINKAGE, POWER, BY_RATE)
FTRL(ftrl, 0, 3, false)
FTRL(ftrl_by_rate, 0, 3, true)
FTRL(ftrl_v2, h[3], 4, false)
FTRL(ftrl_v2_by_rate, h[3], 4, true)
