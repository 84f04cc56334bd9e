/* tests/support/golden_programs_layers.c - networks, up to where training begins; see golden_programs.h. */
#include "evenkeel/layers.h"

#include <stdio.h>

#include "support/golden_programs.h"

static ek_tensor placeholder_labels(ek_graph *g, golden_results *r)
{
    ek_tensor labels = ek_placeholder(g, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");

    golden_note(r, "labels", labels);
    return labels;
}

/* ---- the perceptrons ------------------------------------------------------------------------------------- */

/* Their logits. */
static ek_tensor perceptron(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 784));
    char name[16];

    placeholder_labels(g, r);
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
    return logits;
}

static void mlp(ek_graph *g, golden_results *r) { (void)perceptron(g, r); }

/* ---- the convolutional network ------------------------------------------------------------------------------- */

static void convnet(ek_graph *g, golden_results *r)
{
    ek_set_random_seed(g, 42);
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 28, 28, 1));
    placeholder_labels(g, r);
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
    golden_note(r, "h", h);
    golden_note(r, "logits", ek_dense(h, 10));
}

/* ---- dense layers ---------------------------------------------------------------------------------------------- */

static void optimizers(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 3));
    ek_tensor y = ek_dense(x, 1);

    golden_note(r, "y", y);
    (void)ek_zeros_like(y);
}

static void weight_decay_and_clipping(ek_graph *g, golden_results *r)
{
    ek_tensor x = golden_placeholder_x(g, r, EK_SHAPE(-1, 8));
    ek_tensor y = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2), .name = "y");

    ek_tensor h = ek_dense(x, 4, .activation = ek_relu_with, .kernel_regularizer = ek_l2_regularizer(1e-3));
    h = ek_batch_normalization(h, .training = EK_TRUE);
    h = ek_dense(h, 2, .kernel_regularizer = ek_l2_regularizer(1e-3), .bias_regularizer = ek_l1_regularizer(1e-4));
    golden_note(r, "y", y);
    golden_note(r, "h", h);
}

const golden_program golden_programs_layers[] = {
    { "mlp_sgd", mlp, 287 },
    { "mlp_momentum", mlp, 287 },
    { "mlp_adam", mlp, 287 },
    { "convnet", convnet, 250 },
    { "optimizers", optimizers, 18 },
    { "weight_decay_and_clipping", weight_decay_and_clipping, 96 },
    { NULL, NULL, 0 },
};
