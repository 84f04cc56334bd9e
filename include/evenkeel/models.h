/* evenkeel/models.h - networks that are built in, and what is chosen by name: models, optimizers, learning rates.
 *
 * What a command line or a configuration says. A program that knows what it wants builds it by layers.h and train.h.
 */
#ifndef EVENKEEL_MODELS_H
#define EVENKEEL_MODELS_H

#include "evenkeel/layers.h"
#include "evenkeel/losses.h"
#include "evenkeel/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- networks ---------------------------------------------------------------------------------------------- */

typedef struct ek_model_options {
    size_t size;
    ek_tensor x;        /* required: images [batch, height, width, channels] */
    int64_t classes;    /* 10 */
    ek_tensor training; /* as of ek_batch_normalization: EK_FALSE (the default), EK_TRUE, a bool tensor */
    bool batch_norm;    /* true; false leaves the batch norms out and gives the layers before them biases */
    double momentum;    /* of the moving averages: 0.95 */
} ek_model_options;
#define EK_MODEL_DEFAULTS \
    .classes = 10, .training = { NULL, 0, EK_TRAINING_VALUE }, .batch_norm = true, .momentum = 0.95
#define EK_MODEL_(fn, ...) EK_CALL(ek_tensor, fn, (), ek_model_options, EK_MODEL_DEFAULTS, .x = __VA_ARGS__)
/* From images to logits [batch, classes]:  logits = ek_model_mlp(x, .training = is_training)
 *
 * mlp       three dense layers of 100 with batch norm and sigmoid: that of Ioffe and Szegedy's first experiment
 * convnet   five 3x3 convolutions with batch norm and ReLU (16, 16, 32, 32, 64 channels), each two followed by max
 *           pooling; a dense layer of 128 with batch norm and ReLU
 * resnet20  He et al.'s for small images: a 3x3 convolution, three stages of three blocks (16, 32, 64 channels), mean
 *
 * Layers before a batch norm have no bias. Variables are named as layers name them ("dense/kernel", ...), the last
 * "logits". */
#define ek_model_mlp(...) EK_MODEL_(ek_model_mlp_with, __VA_ARGS__)
#define ek_model_convnet(...) EK_MODEL_(ek_model_convnet_with, __VA_ARGS__)
#define ek_model_resnet20(...) EK_MODEL_(ek_model_resnet20_with, __VA_ARGS__)
EK_API ek_tensor ek_model_mlp_with(const ek_model_options *o, ek_where where);
EK_API ek_tensor ek_model_convnet_with(const ek_model_options *o, ek_where where);
EK_API ek_tensor ek_model_resnet20_with(const ek_model_options *o, ek_where where);

typedef ek_tensor (*ek_model)(const ek_model_options *o, ek_where where);
EK_API ek_model ek_model_named(const char *name); /* "mlp", "convnet", "resnet20"; NULL: there is none */

/* ---- a classifier: a network with what training and using it needs --------------------------------------------- */

typedef struct ek_classifier {
    ek_tensor x;           /* placeholder "x": float32 images */
    ek_tensor labels;      /* placeholder "labels": int64 [batch] */
    ek_tensor is_training; /* placeholder "is_training", false where it is not fed */
    ek_tensor logits, probabilities;
    ek_tensor classes;     /* int64 [batch]: the likeliest */
    ek_tensor loss;        /* mean softmax cross-entropy of the batch */
    ek_tensor right;       /* float32 [batch]: 1 where the label is the likeliest class */
} ek_classifier;
typedef struct ek_classifier_options {
    size_t size;
    ek_model model;      /* required */
    ek_shape image;      /* of one, {28, 28, 1} */
    int64_t classes;     /* 10 */
    bool batch_norm;
    double momentum;
    bool inference;      /* for use alone: stored statistics, no labels, no loss */
} ek_classifier_options;
/* ek_classifier c = ek_classifier_build(g, ek_model_mlp_with, .image = EK_SHAPE(28, 28, 1)) */
#define ek_classifier_build(g, ...)                                                                             \
    EK_CALL(ek_classifier, ek_classifier_build_with, ((g),), ek_classifier_options,                             \
            .image = { { 28, 28, 1 }, 3 }, .classes = 10, .batch_norm = true, .momentum = 0.95, .model = __VA_ARGS__)
EK_API ek_classifier ek_classifier_build_with(ek_graph *g, const ek_classifier_options *o, ek_where where);

/* ---- by name ---------------------------------------------------------------------------------------------------- */

/* An optimizer with its own defaults: "sgd", "momentum" (0.9), "nesterov" (0.9), "adam", "rmsprop", "adagrad",
 * "adadelta", "ftrl". NULL for another name, which is recorded. */
EK_API ek_optimizer *ek_optimizer_named(ek_graph *g, const char *name, ek_operand learning_rate, ek_where where);
/* A learning rate that falls from `rate` over `steps` steps of the global step: "none" stays; "cosine" and "linear"
 * (tf.train.cosine_decay, polynomial_decay) end at 0, "exponential" (exponential_decay) at a hundredth; "step"
 * (piecewise_constant) is a tenth after half and a hundredth after three quarters. Dead for another name, which is
 * recorded. */
EK_API ek_tensor ek_decay_named(ek_graph *g, const char *name, double rate, int64_t steps, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
