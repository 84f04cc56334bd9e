/* tests/autodiff/check_bn_test.c - every batch norm of the layer against central differences: by the input, gamma and beta;
 * second order too where the composed ops have one; fused plans and node by node. */
#include "autodiff/numeric.h"

/* ---- the variants ------------------------------------------------------------------------------------------------ */

/* The moving statistics are no zeros and ones, for inference's sake. */
#define VARIANT(id, ...)                                                                                              \
    static ek_tensor id(ek_tensor x, ek_tensor flag)                                                                  \
    {                                                                                                                 \
        EK_UNUSED(flag);                                                                                              \
        return ek_batch_normalization(x, .moving_mean_initializer = ek_constant_initializer(0.3),                     \
                                      .moving_variance_initializer = ek_constant_initializer(2.5), __VA_ARGS__);      \
    }
/* Clipping that holds r and d constant, as the gradient takes them to be. */
#define RENORM .renorm = true, .renorm_clipping = { { "rmax", 0.3 }, { "rmin", 0.2 }, { "dmax", 0.01 } }

static ek_dtype dtype; /* of the check under way */

static void adjust(ek_tensor shape, ek_tensor *scale, ek_tensor *offset, void *arg)
{
    EK_UNUSED(arg);
    *scale = ek_constant(shape.graph, ek_scalar(dtype, 1.3));
    *offset = ek_constant(shape.graph, ek_scalar(dtype, -0.2));
}

VARIANT(training, .training = EK_TRUE)
VARIANT(inference, .training = EK_FALSE)
VARIANT(flagged, .training = flag)
VARIANT(no_center, .training = EK_TRUE, .center = false)
VARIANT(no_scale, .training = EK_TRUE, .scale = false)
VARIANT(neither, .training = EK_TRUE, .scale = false, .center = false)
VARIANT(composed, .training = EK_TRUE, .fused = EK_NO)
VARIANT(composed_flagged, .training = flag, .fused = EK_NO)
VARIANT(composed_first, .training = EK_TRUE, .fused = EK_NO, .axis = 1)
VARIANT(first, .training = EK_TRUE, .axis = 1)
VARIANT(first_inference, .training = EK_FALSE, .axis = 1)
VARIANT(two_axes, .training = EK_TRUE, .fused = EK_NO, .axes = EK_AXES(1, 3))
VARIANT(two_axes_flagged, .training = flag, .fused = EK_NO, .axes = EK_AXES(1, 3))
VARIANT(renorm, .training = EK_TRUE, RENORM)
VARIANT(renorm_flagged, .training = flag, RENORM)
VARIANT(virtual_batches, .training = EK_TRUE, .virtual_batch_size = 2)
VARIANT(adjusted, .training = EK_TRUE, .adjustment = { adjust, NULL })

enum { FED_AS_TRAINING = 1, FED_AS_INFERENCE };
typedef struct variant {
    const char *name;
    ek_tensor (*build)(ek_tensor x, ek_tensor flag);
    ek_shape x;
    int fed;
    bool single; /* float32: the fused op, and renorm, which TensorFlow has in no other type */
} variant;

#define MATRIX { { 4, 3 }, 2 }
#define IMAGES { { 3, 2, 2, 2 }, 4 }
static const variant variants[] = {
    { "rank 2, training", training, MATRIX, 0, false },
    { "rank 2, inference", inference, MATRIX, 0, false },
    { "rank 2, fed as training", flagged, MATRIX, FED_AS_TRAINING, false },
    { "rank 2, fed as inference", flagged, MATRIX, FED_AS_INFERENCE, false },
    { "no center", no_center, MATRIX, 0, false },
    { "no scale", no_scale, MATRIX, 0, false },
    { "neither center nor scale", neither, MATRIX, 0, false },
    { "rank 3", training, { { 3, 2, 2 }, 3 }, 0, false },
    { "rank 4, composed", composed, IMAGES, 0, false },
    { "rank 4, composed, fed as training", composed_flagged, IMAGES, FED_AS_TRAINING, false },
    { "rank 4, composed, fed as inference", composed_flagged, IMAGES, FED_AS_INFERENCE, false },
    { "rank 4, composed, channels first", composed_first, IMAGES, 0, false },
    { "two axes", two_axes, IMAGES, 0, false },
    { "two axes, fed as inference", two_axes_flagged, IMAGES, FED_AS_INFERENCE, false },
    { "rank 5", training, { { 2, 1, 2, 2, 2 }, 5 }, 0, false },
    { "rank 5, channels first", first, { { 2, 2, 1, 2, 2 }, 5 }, 0, false },
    { "renorm, clipped", renorm, MATRIX, 0, true },
    { "renorm, fed as training", renorm_flagged, MATRIX, FED_AS_TRAINING, true },
    { "renorm, fed as inference", renorm_flagged, MATRIX, FED_AS_INFERENCE, true },
    { "virtual batches", virtual_batches, MATRIX, 0, false },
    { "adjustment", adjusted, MATRIX, 0, false },
    { "fused op, training", training, IMAGES, 0, true },
    { "fused op, inference", inference, IMAGES, 0, true },
    { "fused op, channels first", first, IMAGES, 0, true },
    { "fused op, channels first, inference", first_inference, IMAGES, 0, true },
    { "fused op, fed as training", flagged, IMAGES, FED_AS_TRAINING, true },
    { "fused op, fed as inference", flagged, IMAGES, FED_AS_INFERENCE, true },
};

/* ---- the check ---------------------------------------------------------------------------------------------------- */

static void initialize(numeric *t)
{
    ek_error err = { 0 };

    if (ek_graph_status(t->g, &err) != EK_OK) fail_msg("%s: %s", t->name, err.text);
    if (ek_run(t->s, .target = { ek_global_variables_initializer(t->g) }, .error = &err) != EK_OK) fail_msg("%s: %s", t->name, err.text);
    for (int i = 0; i < t->n; i++) numeric_settle(t, i);
}

static void check(const variant *v, bool single, ek_tristate fuse)
{
    numeric t = { .g = ek_graph_create(), .step = single ? 1e-2 : 1e-5, .tolerance = single ? 4e-3 : 1e-6, .name = v->name, .random = 7 };

    dtype = single ? EK_FLOAT32 : EK_FLOAT64;
    const ek_tensor x = ek_placeholder(t.g, dtype, .shape = v->x);
    const ek_tensor flag = ek_placeholder_with_default(t.g, ek_bool(v->fed == FED_AS_TRAINING), .name = "training");
    const ek_tensor y = v->build(x, flag);

    numeric_feed(&t, x, numeric_spread(&t, dtype, v->x, -1.5, 2));
    const ek_list trained = ek_trainable_variables(t.g);
    for (int64_t i = 0; i < trained.count; i++) {
        const ek_variable w = trained.item[i].u.variable;
        numeric_vary(&t, w, numeric_spread(&t, dtype, ek_variable_shape(w), 0.5, 1.5));
    }
    t.s = ek_session_create(t.g, .threads = 1, .fuse = fuse);
    initialize(&t);
    numeric_check(&t, ek_times(y, y), true);
    numeric_end(&t);
}

static void in_double(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < (int)EK_COUNT_OF(variants); i++)
        if (!variants[i].single) check(&variants[i], false, EK_YES);
}

/* In float32 a half that is recognised runs as one kernel. */
static void in_single_and_fused(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < (int)EK_COUNT_OF(variants); i++) check(&variants[i], true, EK_YES);
}

static void in_single_node_by_node(void **state)
{
    EK_UNUSED(state);
    for (int i = 0; i < (int)EK_COUNT_OF(variants); i++) check(&variants[i], true, EK_NO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_double),
        cmocka_unit_test(in_single_and_fused),
        cmocka_unit_test(in_single_node_by_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
