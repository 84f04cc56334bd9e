/* train/models.c - the built-in networks, and the classifier around one. */
#include "evenkeel/models.h"

#include "evenkeel/arrays.h"
#include "train/dataset.h"

/* What follows a layer: a batch norm and the activation. */
static ek_tensor normalized(ek_tensor h, const ek_model_options *o)
{
    if (!o->batch_norm) return h;
    return ek_batch_normalization(h, .training = o->training, .momentum = o->momentum);
}

static ek_tensor dense_layer(ek_tensor h, int64_t units, const ek_model_options *o)
{
    return normalized(ek_dense(h, units, .use_bias = !o->batch_norm), o);
}

static ek_tensor conv_layer(ek_tensor h, int64_t filters, int64_t kernel, int64_t stride, const ek_model_options *o)
{
    h = ek_conv2d(h, filters, kernel, .strides = stride, .padding = "same", .use_bias = !o->batch_norm);
    return normalized(h, o);
}

/* Options of callers that know fewer of them. */
static ek_model_options whole(const ek_model_options *o)
{
    ek_model_options all = { EK_MODEL_DEFAULTS };

    if (o != NULL) memcpy(&all, o, o->size < sizeof all ? o->size : sizeof all);
    return all;
}

ek_tensor ek_model_mlp_with(const ek_model_options *options, ek_where where)
{
    const ek_model_options o = whole(options);
    ek_tensor h = ek_flatten(o.x);

    EK_UNUSED(where);
    for (int i = 0; i < 3; i++) h = ek_sigmoid(dense_layer(h, 100, &o));
    return ek_dense(h, o.classes, .name = "logits");
}

ek_tensor ek_model_convnet_with(const ek_model_options *options, ek_where where)
{
    static const int64_t filters[] = { 16, 16, 32, 32, 64 };
    const ek_model_options o = whole(options);
    ek_tensor h = o.x;

    EK_UNUSED(where);
    for (int i = 0; i < EK_COUNT_OF(filters); i++) {
        h = ek_relu(conv_layer(h, filters[i], 3, 1, &o));
        if (i % 2 == 1) h = ek_max_pooling2d(h, 2, 2);
    }
    h = ek_relu(dense_layer(ek_flatten(h), 128, &o));
    return ek_dense(h, o.classes, .name = "logits");
}

static ek_tensor block(ek_tensor x, int64_t filters, int64_t stride, const ek_model_options *o)
{
    const ek_tensor shortcut = stride == 1 ? x : conv_layer(x, filters, 1, stride, o);
    ek_tensor y = ek_relu(conv_layer(x, filters, 3, stride, o));

    y = conv_layer(y, filters, 3, 1, o);
    return ek_relu(ek_add(y, shortcut));
}

ek_tensor ek_model_resnet20_with(const ek_model_options *options, ek_where where)
{
    const ek_model_options o = whole(options);
    ek_tensor h = ek_relu(conv_layer(o.x, 16, 3, 1, &o));

    EK_UNUSED(where);
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < 3; i++) h = block(h, 16 << stage, stage > 0 && i == 0 ? 2 : 1, &o);
    return ek_dense(ek_reduce_mean(h, .axis = EK_AXES(1, 2)), o.classes, .name = "logits");
}

ek_model ek_model_named(const char *name)
{
    if (strcmp(name, "mlp") == 0) return ek_model_mlp_with;
    if (strcmp(name, "convnet") == 0) return ek_model_convnet_with;
    return strcmp(name, "resnet20") == 0 ? ek_model_resnet20_with : NULL;
}

/* ---- classifiers ------------------------------------------------------------------------------------------- */

ek_classifier ek_classifier_build_with(ek_graph *g, const ek_classifier_options *o, ek_where where)
{
    ek_model_options m = { .size = sizeof m, EK_MODEL_DEFAULTS };
    ek_classifier c;

    c.x = ek_placeholder(g, EK_FLOAT32, .shape = ek__rows_shape(&o->image, -1), .name = "x");
    c.labels = c.is_training = c.loss = c.right = (ek_tensor){ g, -1, 0 };
    if (!o->inference) {
        c.labels = ek_placeholder(g, EK_INT64, .shape = EK_SHAPE(-1), .name = "labels");
        c.is_training = ek_placeholder_with_default(g, ek_bool(false), .name = "is_training");
        m.training = c.is_training;
    }
    m.x = c.x;
    m.classes = o->classes;
    m.batch_norm = o->batch_norm;
    m.momentum = o->momentum;
    c.logits = o->model(&m, where);
    c.probabilities = ek_softmax(c.logits, .name = "probabilities");
    c.classes = ek_argmax(c.logits, .axis = 1, .name = "classes");
    if (o->inference) return c;
    c.loss = ek_losses_sparse_softmax_cross_entropy(c.labels, c.logits);
    c.right = ek_cast(ek_equal(c.classes, c.labels), EK_FLOAT32, .name = "right");
    return c;
}
