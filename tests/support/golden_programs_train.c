/* tests/support/golden_programs_train.c - optimizers, moving averages of weights, whole training programs: see
 * golden_programs.h. */
#include <stdio.h>

#include "support/golden_programs.h"

static ek_tensor placeholder_labels(ek_graph *g, golden_results *r)
{
    ek_tensor labels = ek_placeholder(g, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");

    golden_note(r, "labels", labels);
    return labels;
}

static void train_classifier(ek_graph *g, golden_results *r, ek_tensor labels, ek_tensor logits,
                             ek_optimizer *optimizer)
{
    ek_tensor loss = ek_losses_sparse_softmax_cross_entropy(labels, logits);
    ek_variable global_step = ek_get_or_create_global_step(g);

    ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS))
        golden_note(r, "train", ek_minimize(optimizer, loss, .global_step = global_step));
    golden_note(r, "loss", loss);
    golden_note(r, "global_step", global_step);
}

/* ---- the perceptrons ------------------------------------------------------------------------------------- */

static void summaries(ek_graph *g, golden_results *r, ek_tensor accuracy)
{
    const ek_list variables = ek_trainable_variables(g);
    char name[100];

    ek_summary_scalar("loss", ek_list_tensor(ek_get_collection(g, EK_LOSSES), 0));
    ek_summary_scalar("accuracy", accuracy);
    for (int64_t i = 0; i < variables.count; i++) {
        const ek_variable v = variables.item[i].u.variable;
        snprintf(name, sizeof name, "%s", ek_op_name(ek_variable_op(v)));
        ek_summary_histogram(name, v);
        golden_note(r, "v", v);
    }
    golden_note(r, "accuracy", accuracy);
    golden_note(r, "merged", ek_summary_merge_all(g));
}

static void perceptron(ek_graph *g, golden_results *r, ek_optimizer *optimizer)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 784));
    char name[24];

    ek_tensor labels = placeholder_labels(g, r);
    ek_tensor is_training = golden_placeholder_flag(g, r), h = x;
    for (int i = 1; i <= 3; i++) {
        snprintf(name, sizeof name, "hidden%d", i);
        h = ek_dense(h, 100, .name = name);
        snprintf(name, sizeof name, "bn%d", i);
        h = ek_batch_normalization(h, .training = is_training, .name = name);
        h = ek_sigmoid(h);
        golden_note(r, "h", h);
    }
    ek_tensor logits = ek_dense(h, 10, .name = "logits");
    golden_note(r, "logits", logits);
    train_classifier(g, r, labels, logits, optimizer);
    ek_tensor correct = ek_equal(ek_argmax(logits, .axis = 1), labels);
    golden_note(r, "correct", correct);
    golden_note_list(r, "update_ops", ek_get_collection(g, EK_UPDATE_OPS));
    summaries(g, r, ek_reduce_mean(ek_cast(correct, EK_FLOAT32), .name = "accuracy"));
    golden_init_all(g, r);
    ek_saver_create(g);
}

static void mlp_sgd(ek_graph *g, golden_results *r) { perceptron(g, r, ek_gradient_descent_optimizer(g, 0.5)); }
static void mlp_momentum(ek_graph *g, golden_results *r) { perceptron(g, r, ek_momentum_optimizer(g, 0.1, 0.9)); }
static void mlp_adam(ek_graph *g, golden_results *r) { perceptron(g, r, ek_adam_optimizer(g, 1e-3)); }

/* ---- the convolutional network ------------------------------------------------------------------------------- */

static void convnet(ek_graph *g, golden_results *r)
{
    ek_set_random_seed(g, 42);
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 28, 28, 1));
    ek_tensor labels = placeholder_labels(g, r);
    ek_tensor is_training = golden_placeholder_flag(g, r), h = x;

    for (int filters = 8; filters <= 32; filters *= 2) {
        h = ek_conv2d(h, filters, 3, .padding = "same", .use_bias = false);
        h = ek_batch_normalization(h, .training = is_training);
        h = ek_relu(h);
        if (filters != 32) h = ek_max_pooling2d(h, 2, 2);
    }
    h = ek_average_pooling2d(h, 7, 7);
    h = ek_flatten(h);
    h = ek_dropout(h, 0.4, .training = is_training);
    ek_tensor logits = ek_dense(h, 10);
    train_classifier(g, r, labels, logits, ek_gradient_descent_optimizer(g, 0.1));
    golden_note(r, "logits", logits);
    golden_note(r, "h", h);
    golden_note(r, "accuracy", ek_reduce_mean(ek_cast(ek_equal(ek_argmax(logits, .axis = 1), labels), EK_FLOAT32)));
    golden_init_all(g, r);
    ek_saver_create(g);
}

/* ---- dense layers ---------------------------------------------------------------------------------------------- */

static void optimizers(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));
    ek_tensor y = ek_dense(x, 1);
    ek_tensor loss = ek_losses_mean_squared_error(ek_zeros_like(y), y);
    ek_variable step = ek_get_or_create_global_step(g);
    ek_optimizer *a = ek_rms_prop_optimizer(g, 0.01, .momentum = EK_OPERAND(0.5));
    ek_optimizer *b = ek_rms_prop_optimizer(g, 0.01, .centered = true, .name = "Centered");

    golden_note(r, "y", y);
    golden_note(r, "loss", loss);
    golden_note(r, "step", step);
    golden_note(r, "a", ek_minimize(a, loss));
    golden_note(r, "b", ek_minimize(b, loss));
    golden_note(r, "c", ek_minimize(ek_adagrad_optimizer(g, 0.1), loss, .global_step = step));
    golden_note(r, "d", ek_minimize(ek_adadelta_optimizer(g, 0.001), loss));
    golden_note(r, "e", ek_minimize(ek_ftrl_optimizer(g, 0.1), loss));
    ek_tensor rate = ek_exponential_decay(0.1, step, 100, 0.96, .staircase = true);
    ek_list first = ek_trainable_variables(g);
    first.count = 1;
    golden_note(r, "rate", rate);
    golden_note(r, "f", ek_minimize(ek_gradient_descent_optimizer(g, rate), loss, .var_list = first));
    golden_note(r, "g", ek_minimize(ek_gradient_descent_optimizer(g, 0.2), loss));
    golden_init_all(g, r);
}

/* Pairs, one after the other. */
static void note_grads_and_vars(golden_results *r, ek_grads_and_vars gv)
{
    ek_item item[12];

    for (int64_t i = 0; i < 6 && i < gv.variables.count; i++) {
        item[2 * i] = ek_item_of_tensor(gv.gradients.at[i].value);
        item[2 * i + 1] = gv.variables.item[i];
    }
    golden_note_list(r, "grads_and_vars", (ek_list){ NULL, item, 2 * gv.variables.count });
}

static void weight_decay_and_clipping(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 8));
    ek_tensor y = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2), .name = "y");

    ek_tensor h = ek_dense(x, 4, .activation = ek_relu_with, .kernel_regularizer = ek_l2_regularizer(1e-3));
    h = ek_batch_normalization(h, .training = EK_TRUE);
    h = ek_dense(h, 2, .kernel_regularizer = ek_l2_regularizer(1e-3), .bias_regularizer = ek_l1_regularizer(1e-4));
    ek_tensor mse = ek_losses_mean_squared_error(y, h);
    ek_tensor total = ek_losses_get_total_loss(g);
    ek_optimizer *optimizer = ek_momentum_optimizer(g, 0.01, 0.9, .use_nesterov = true);
    ek_grads_and_vars gv = ek_compute_gradients(optimizer, total);
    ek_clipped_gradients clipped = ek_clip_by_global_norm(gv.gradients, 1.0);

    golden_note(r, "y", y);
    golden_note(r, "h", h);
    golden_note(r, "mse", mse);
    golden_note(r, "total", total);
    note_grads_and_vars(r, gv);
    golden_note_gradients(r, "grads", clipped.gradients);
    golden_note(r, "norm", clipped.norm);
    gv.gradients = clipped.gradients;
    ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS))
        golden_note(r, "train", ek_apply_gradients(optimizer, gv, .name = "step"));
    golden_init_all(g, r);
}

static ek_tensor half_l2_loss(ek_variable w, void *arg)
{
    (void)arg;
    return ek_times(0.5, ek_l2_loss(w));
}

static void bn_options(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 4));

    ek_tensor y = ek_batch_normalization(x, .momentum = 0.9, .epsilon = 1e-5,
        .beta_initializer = ek_constant_initializer(0.5),
        .gamma_initializer = ek_random_uniform_initializer(.minval = 0.5, .maxval = 1.5, .seed = 7),
        .moving_mean_initializer = ek_random_normal_initializer(.seed = 8),
        .moving_variance_initializer = ek_constant_initializer(2.0),
        .beta_regularizer = ek_l2_regularizer(0.01),
        .gamma_regularizer = ek_custom_regularizer(half_l2_loss, NULL),
        .gamma_constraint = ek_non_neg_constraint(),
        .training = EK_TRUE, .name = "norm");
    ek_list losses = ek_get_collection(g, EK_REGULARIZATION_LOSSES);
    ek_tensor mean = ek_reduce_mean(ek_square(y));
    ek_tensor both[2] = { ek_list_tensor(losses, 0), ek_list_tensor(losses, 1) };
    ek_tensor loss = ek_plus(mean, ek_add_n_named(both, 2, "total_regularization_loss"));

    golden_note(r, "y", y);
    golden_note(r, "loss", loss);
    golden_note(r, "train", ek_minimize(ek_gradient_descent_optimizer(g, 0.1), loss));
    golden_init_all(g, r);
}

static void moving_average(ek_graph *g, golden_results *r)
{
    ek_variable w = ek_get_variable(g, "w", .shape = EK_SHAPE(2), .initializer = ek_ones_initializer());
    ek_variable v = ek_get_variable(g, "v", .shape = EK_SCALAR, .initializer = ek_zeros_initializer());
    ek_variable step = ek_get_or_create_global_step(g);
    ek_moving_average *ema = ek_exponential_moving_average(g, 0.9);
    ek_op a = ek_moving_average_apply(ema, EK_LIST(w, v));
    ek_moving_average *slow = ek_exponential_moving_average(g, 0.99, .num_updates = EK_OPERAND(step), .name = "slow");

    golden_note(r, "w", w);
    golden_note(r, "v", v);
    golden_note(r, "step", step);
    golden_note(r, "a", a);
    golden_note(r, "shadow", ek_average_of(ema, w));
    golden_note(r, "b", ek_moving_average_apply(slow, EK_LIST(w)));
    golden_note(r, "c", ek_moving_average_apply(slow, EK_LIST(ek_times(v, 2.0))));
    golden_init_all(g, r);
}

const golden_program golden_programs_train[] = {
#define PROGRAM(name) { #name, name, 0 }
    PROGRAM(bn_options), PROGRAM(moving_average), PROGRAM(optimizers), PROGRAM(weight_decay_and_clipping), PROGRAM(convnet),
    PROGRAM(mlp_sgd), PROGRAM(mlp_momentum), PROGRAM(mlp_adam),
#undef PROGRAM
    { NULL, NULL, 0 },
};
