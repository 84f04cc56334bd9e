/* ops/activation.c - activations of tf.nn and their gradient ops. Sigmoid and Tanh are in unary.c: the registry knows
 * them as math. */
#include "ops/elementwise.h"
#include "ops/rules.h"

#define REAL "T: {" EK_T_REAL "}"
#define FLOATS "T: {" EK_T_FLOAT "}"

#define ACTIVATION_OP(Name, table, types) \
    EK_ELEMENTWISE_OP(Name, table, "features: T", "activations: T", types, ek__like_first_rule, 1)
#define GRAD_OP(Name, table, second, types) \
    EK_ELEMENTWISE_OP(Name, table, "gradients: T, " second ": T", "backprops: T", types, ek__same_shape, 3)

ACTIVATION_OP(Elu, elu, FLOATS)
ACTIVATION_OP(Relu, relu, "T: {" EK_T_REAL ", qint8}")
ACTIVATION_OP(Relu6, relu6, REAL)
ACTIVATION_OP(Selu, selu, FLOATS)
ACTIVATION_OP(Softplus, softplus, FLOATS)
ACTIVATION_OP(Softsign, softsign, FLOATS)

GRAD_OP(EluGrad, elu_grad, "outputs", FLOATS)
GRAD_OP(Relu6Grad, relu6_grad, "features", REAL)
GRAD_OP(ReluGrad, relu_grad, "features", REAL)
GRAD_OP(SeluGrad, selu_grad, "outputs", FLOATS)
GRAD_OP(SoftplusGrad, softplus_grad, "features", FLOATS)
GRAD_OP(SoftsignGrad, softsign_grad, "features", FLOATS)

/* ---- LeakyRelu: the loops' parameter is alpha -------------------------------------------------------- */

typedef struct leaky_attrs {
    float alpha;
} leaky_attrs;

static const ek_field leaky_fields[] = { EK_FIELD(leaky_attrs, alpha, FLOAT) };

static ek_elementwise_fn leaky_loop(ek_prepare_ctx *c, const ek_loops *loops, const void **state)
{
    const leaky_attrs *const a = c->attrs;

    *state = &a->alpha;
    return ek__loop(loops, c->in_dtype[0]);
}

#define LEAKY_OP(Name, table, inputs_, outputs_, rule, inplace_)                                         \
    static ek_elementwise_fn Name##_loop(ek_prepare_ctx *c, const void **state)                          \
    {                                                                                                    \
        return leaky_loop(c, &ek__loops_##table, state);                                                 \
    }                                                                                                    \
    const ek_op_def ek__op_##Name = { .name = #Name, .inputs = inputs_, .outputs = outputs_,              \
        .attrs = "alpha: float = 0.2; T: {half, bfloat16, float, double} = float",                       \
        .attrs_size = sizeof(leaky_attrs), .fields = leaky_fields, .n_fields = EK_COUNT_OF(leaky_fields), \
        .shape = rule, .prepare = ek__elementwise_prepare, .elementwise = Name##_loop, .inplace = inplace_ };

LEAKY_OP(LeakyRelu, leaky_relu, "features: T", "activations: T", ek__like_first_rule, 1)
LEAKY_OP(LeakyReluGrad, leaky_relu_grad, "gradients: T, features: T", "backprops: T", ek__same_shape, 3)
