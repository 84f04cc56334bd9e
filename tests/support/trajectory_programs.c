/* tests/support/trajectory_programs.c - see trajectory_programs.h. */
#include "support/trajectory_programs.h"

#include <stdio.h>
#include <string.h>

/* ---- optimizers ------------------------------------------------------------------------------------------------ */

static ek_optimizer *sgd_half(ek_graph *g) { return ek_gradient_descent_optimizer(g, 0.5); }
static ek_optimizer *sgd_fifth(ek_graph *g) { return ek_gradient_descent_optimizer(g, 0.2); }
static ek_optimizer *sgd_tenth(ek_graph *g) { return ek_gradient_descent_optimizer(g, 0.1); }
static ek_optimizer *sgd_twentieth(ek_graph *g) { return ek_gradient_descent_optimizer(g, 0.05); }
static ek_optimizer *momentum_05(ek_graph *g) { return ek_momentum_optimizer(g, 0.05, 0.9); }
static ek_optimizer *momentum_02(ek_graph *g) { return ek_momentum_optimizer(g, 0.02, 0.9); }
static ek_optimizer *nesterov(ek_graph *g) { return ek_momentum_optimizer(g, 0.05, 0.9, .use_nesterov = true); }
static ek_optimizer *adam(ek_graph *g) { return ek_adam_optimizer(g, 0.01); }
static ek_optimizer *rms_prop(ek_graph *g) { return ek_rms_prop_optimizer(g, 0.005, .momentum = EK_OPERAND(0.5)); }
static ek_optimizer *adagrad(ek_graph *g) { return ek_adagrad_optimizer(g, 0.1); }

static ek_optimizer *rms_prop_centered(ek_graph *g)
{
    return ek_rms_prop_optimizer(g, 0.005, .decay = EK_OPERAND(0.95), .epsilon = EK_OPERAND(1e-6), .centered = true);
}

static ek_optimizer *adadelta(ek_graph *g)
{
    return ek_adadelta_optimizer(g, 1.0, .rho = EK_OPERAND(0.9), .epsilon = EK_OPERAND(1e-6));
}

static ek_optimizer *ftrl(ek_graph *g)
{
    return ek_ftrl_optimizer(g, 0.2, .l1_regularization_strength = 1e-4, .l2_regularization_strength = 1e-3);
}

/* ---- how programs begin and end --------------------------------------------------------------------------------- */

static void inputs(ek_graph *g, trajectory *t, ek_shape shape)
{
    t->x = ek_placeholder(g, t->dtype, .shape = shape, .name = "x");
    t->target = ek_placeholder(g, EK_INT64, .shape = EK_SHAPE(shape.dim[0]), .name = "labels");
}

static void flag(ek_graph *g, trajectory *t)
{
    t->training = ek_placeholder_with_default(g, ek_bool(false), .name = "training");
}

static void classify(trajectory *t, ek_tensor logits)
{
    t->loss = ek_losses_sparse_softmax_cross_entropy(t->target, logits);
    t->output = ek_softmax(logits, .name = "output");
}

static void minimize(ek_graph *g, trajectory *t, ek_optimizer *optimizer)
{
    const ek_variable global_step = ek_get_or_create_global_step(g);

    ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS))
        t->train = ek_minimize(optimizer, t->loss, .global_step = global_step);
}

/* ---- the programs ------------------------------------------------------------------------------------------------- */

static void mlp(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    char hidden[24], bn[24];

    inputs(g, t, EK_SHAPE(-1, p->inputs));
    flag(g, t);
    ek_tensor h = t->x;
    for (int i = 1; i <= 2; i++) {
        snprintf(hidden, sizeof hidden, "hidden%d", i);
        snprintf(bn, sizeof bn, "bn%d", i);
        h = ek_dense(h, p->units, .use_bias = p->bias, .name = hidden);
        h = ek_batch_normalization(h, .training = t->training, .momentum = 0.9, .name = bn);
        h = ek_sigmoid(h);
    }
    classify(t, ek_dense(h, 5, .name = "logits"));
    minimize(g, t, p->optimizer(g));
}

/* With weight decay, a rate that falls, clipping, and averages of the weights. */
static void mlp_relu_l2(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    const bool stairs = strcmp(p->name, "mlp_relu_l2_adam") == 0;
    const ek_regularizer l2 = ek_l2_regularizer(1e-3);

    inputs(g, t, EK_SHAPE(-1, 20));
    flag(g, t);
    ek_tensor h = ek_dense(t->x, 16, .use_bias = false, .kernel_regularizer = l2, .name = "hidden1");
    h = ek_relu(ek_batch_normalization(h, .training = t->training, .name = "bn1"));
    h = ek_dense(h, 16, .use_bias = false, .kernel_regularizer = l2, .name = "hidden2");
    h = ek_relu(ek_batch_normalization(h, .training = t->training, .momentum = 0.9, .epsilon = 1e-5, .name = "bn2"));
    ek_tensor logits = ek_dense(h, 5, .kernel_regularizer = l2, .name = "logits");
    ek_losses_sparse_softmax_cross_entropy(t->target, logits);
    t->loss = ek_losses_get_total_loss(g);
    t->output = ek_softmax(logits, .name = "output");
    const ek_variable global_step = ek_get_or_create_global_step(g);
    ek_tensor rate = ek_exponential_decay(stairs ? 0.02 : 0.1, global_step, 20, 0.7, .staircase = stairs);
    ek_optimizer *optimizer = stairs ? ek_adam_optimizer(g, rate) : ek_momentum_optimizer(g, rate, 0.9);
    ek_grads_and_vars gv = ek_compute_gradients(optimizer, t->loss);
    ek_op step = { g, -1 };
    gv.gradients = ek_clip_by_global_norm(gv.gradients, 0.8).gradients;
    ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS))
        step = ek_apply_gradients(optimizer, gv, .global_step = global_step);
    ek_moving_average *averages = ek_exponential_moving_average(g, 0.95, .num_updates = EK_OPERAND(global_step));
    ek_with_control_dependencies(g, EK_LIST(step))
        t->train = ek_moving_average_apply(averages, ek_get_collection(g, EK_TRAINABLE_VARIABLES));
}

static void convnet(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    const ek_tristate fused = t->dtype == EK_FLOAT32 ? EK_YES : EK_NO;

    inputs(g, t, EK_SHAPE(-1, 8, 8, 3));
    flag(g, t);
    ek_tensor h = ek_conv2d(t->x, 6, 3, .padding = "same", .use_bias = false, .name = "conv1");
    h = ek_relu(ek_batch_normalization(h, .training = t->training, .fused = fused, .momentum = 0.9, .name = "bn1"));
    h = ek_max_pooling2d(h, 2, 2);
    h = ek_conv2d(h, 8, 3, .strides = 2, .padding = "same", .use_bias = p->bias, .name = "conv2");
    h = ek_relu(ek_batch_normalization(h, .training = t->training, .fused = fused, .name = "bn2"));
    h = ek_average_pooling2d(h, 2, 2);
    h = ek_flatten(h);
    classify(t, ek_dense(h, 4, .name = "logits"));
    minimize(g, t, p->optimizer(g));
}

static ek_tensor unit(ek_graph *g, const trajectory *t, ek_tensor h, const char *name)
{
    const ek_tristate fused = t->dtype == EK_FLOAT32 ? EK_YES : EK_NO;
    ek_tensor out = h;

    ek_with_variable_scope(g, name) {
        ek_tensor r = ek_batch_normalization(h, .training = t->training, .fused = fused, .momentum = 0.9, .name = "bn1");
        r = ek_conv2d(ek_relu(r), 4, 3, .padding = "same", .use_bias = false, .name = "conv1");
        r = ek_batch_normalization(r, .training = t->training, .fused = fused, .momentum = 0.9, .name = "bn2");
        r = ek_conv2d(ek_relu(r), 4, 3, .padding = "same", .use_bias = false, .name = "conv2");
        out = ek_plus(ek_identity(h), r);
    }
    return out;
}

static void residual(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    inputs(g, t, EK_SHAPE(-1, 6, 6, 4));
    flag(g, t);
    ek_tensor h = unit(g, t, t->x, "unit");
    h = ek_batch_normalization(h, .training = t->training, .fused = t->dtype == EK_FLOAT32 ? EK_YES : EK_NO, .momentum = 0.9,
                               .name = "last");
    h = ek_reduce_mean(ek_relu(h), .axis = EK_AXES(1, 2));
    classify(t, ek_dense(h, 3, .name = "logits"));
    minimize(g, t, p->optimizer(g));
}

static void regress(ek_graph *g, trajectory *t, ek_tensor h, const trajectory_program *p)
{
    t->output = ek_dense(h, 1, .name = "output");
    t->loss = ek_losses_mean_squared_error(t->target, t->output);
    minimize(g, t, p->optimizer(g));
}

static void numbers(ek_graph *g, trajectory *t)
{
    t->x = ek_placeholder(g, t->dtype, .shape = EK_SHAPE(-1, 4), .name = "x");
    t->target = ek_placeholder(g, t->dtype, .shape = EK_SHAPE(-1, 1), .name = "y");
    flag(g, t);
}

static void regression_relu(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    numbers(g, t);
    ek_tensor h = t->x;
    for (int units = 16; units >= 8; units -= 8) {
        h = ek_dense(h, units, .use_bias = false);
        h = ek_batch_normalization(h, .training = t->training, .momentum = 0.9);
        h = ek_relu(h);
    }
    regress(g, t, h, p);
}

static void regression_tanh(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    numbers(g, t);
    ek_tensor h = ek_batch_normalization(t->x, .training = t->training, .center = false, .scale = false, .momentum = 0.9);
    h = ek_dense(h, 16, .activation = ek_tanh_with);
    h = ek_batch_normalization(h, .training = t->training, .momentum = 0.9);
    regress(g, t, h, p);
}

static void renorm(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    inputs(g, t, EK_SHAPE(-1, 10));
    flag(g, t);
    ek_tensor h = ek_dense(t->x, 12, .name = "hidden");
    h = ek_batch_normalization(h, .training = t->training, .renorm = true, .renorm_momentum = 0.9, .momentum = 0.9,
                               .renorm_clipping = { { "rmax", 3.0 }, { "rmin", 0.3 }, { "dmax", 2.0 } }, .name = "bn");
    classify(t, ek_dense(ek_tanh(h), 3, .name = "logits"));
    minimize(g, t, p->optimizer(g));
}

static void virtual_batch(ek_graph *g, trajectory *t, const trajectory_program *p)
{
    inputs(g, t, EK_SHAPE(12, 10));
    ek_tensor h = ek_dense(t->x, 8, .name = "hidden");
    h = ek_batch_normalization(h, .training = EK_TRUE, .virtual_batch_size = 4, .momentum = 0.9, .name = "bn");
    classify(t, ek_dense(ek_relu(h), 3, .name = "logits"));
    minimize(g, t, p->optimizer(g));
}

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

static const trajectory_program programs[] = {
    { "convnet_adam", convnet, adam, false, 0, 0 },
    { "convnet_momentum", convnet, momentum_02, true, 0, 0 },
    { "convnet_rmsprop", convnet, rms_prop, true, 0, 0 },
    { "convnet_sgd", convnet, sgd_tenth, true, 0, 0 },
    { "mlp_adadelta", mlp, adadelta, true, 20, 16 },
    { "mlp_adagrad", mlp, adagrad, true, 20, 16 },
    { "mlp_adam", mlp, adam, false, 20, 16 },
    { "mlp_adam_bias", mlp, adam, true, 20, 16 },
    { "mlp_ftrl", mlp, ftrl, true, 20, 16 },
    { "mlp_momentum", mlp, momentum_05, true, 20, 16 },
    { "mlp_nesterov", mlp, nesterov, true, 20, 16 },
    { "mlp_relu_l2_adam", mlp_relu_l2, NULL, false, 0, 0 },
    { "mlp_relu_l2_momentum", mlp_relu_l2, NULL, false, 0, 0 },
    { "mlp_rmsprop", mlp, rms_prop, true, 20, 16 },
    { "mlp_rmsprop_centered", mlp, rms_prop_centered, true, 20, 16 },
    { "mlp_sgd", mlp, sgd_half, true, 20, 16 },
    { "regression_adam", regression_relu, adam, false, 0, 0 },
    { "regression_sgd", regression_tanh, sgd_twentieth, true, 0, 0 },
    { "renorm_sgd", renorm, sgd_half, true, 0, 0 },
    { "residual_momentum", residual, momentum_05, false, 0, 0 },
    { "toggle_sgd", mlp, sgd_fifth, true, 10, 9 },
    { "virtual_batch_momentum", virtual_batch, momentum_05, true, 0, 0 },
};

const trajectory_program *trajectory_program_find(const char *name)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (strcmp(programs[i].name, name) == 0) return &programs[i];
    return NULL;
}
