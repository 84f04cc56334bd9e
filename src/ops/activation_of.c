/* ops/activation_of.c - which definitions are activations that batch norm's loops apply, and their gradients; which adds
 * a bias. */
#include "ops/bn.h"

extern const ek_op_def ek__op_Relu, ek__op_Relu6, ek__op_Sigmoid, ek__op_Tanh, ek__op_ReluGrad, ek__op_Relu6Grad,
    ek__op_SigmoidGrad, ek__op_TanhGrad, ek__op_BiasAdd;

typedef struct row {
    const ek_op_def *forward, *gradient;
    ek_bn_activation activation;
    int gradient_input;
} row;

static const row rows[] = {
    { &ek__op_Relu, &ek__op_ReluGrad, EK_BN_RELU, 0 },
    { &ek__op_Relu6, &ek__op_Relu6Grad, EK_BN_RELU6, 0 },
    { &ek__op_Sigmoid, &ek__op_SigmoidGrad, EK_BN_SIGMOID, 1 },
    { &ek__op_Tanh, &ek__op_TanhGrad, EK_BN_TANH, 1 },
};

ek_bn_activation ek__activation_of(const ek_op_def *def)
{
    for (int i = 0; i < EK_COUNT_OF(rows); i++)
        if (rows[i].forward == def) return rows[i].activation;
    return EK_BN_PLAIN;
}

ek_bn_activation ek__activation_gradient_of(const ek_op_def *def, int *gradient_input)
{
    for (int i = 0; i < EK_COUNT_OF(rows); i++) {
        if (rows[i].gradient != def) continue;
        *gradient_input = rows[i].gradient_input;
        return rows[i].activation;
    }
    return EK_BN_PLAIN;
}

bool ek__is_bias(const ek_op_def *def)
{
    return def == &ek__op_BiasAdd;
}
