/* tests/autodiff/every_op_test.c - each operation has a gradient, or says why it has none, or is one for which TensorFlow
 * registers none. */
#include <string.h>

#include "base/base.h"
#include "ops/registry.h"
#include "support/support.h"

/* TensorFlow registers no gradient for these, so that a path through them is refused. What ends with * stands for all that begin so. */
static const char *const unregistered[] = {
    "All", "Any", "BatchNormWithGlobalNormalizationGrad", "CropAndResizeGrad*", "FakeQuant*Gradient", "IsFinite", "IsInf", "IsNan",
    "LRNGrad", "MaxPoolGradGradV2", "MaxPoolGradGradWithArgmax", "MaxPoolGradWithArgmax", "Mod", "ResizeArea", "ResizeBicubicGrad",
    "ResizeBilinearGrad", "ResizeNearestNeighborGrad", "SoftsignGrad", "SparseSegmentMeanGrad", "SparseSegmentSqrtNGrad",
    "TruncateMod", "Unique*",
    /* while loops, which cannot be differentiated yet and say so */
    "Enter", "Exit", "NextIteration", "RefEnter", "RefExit", "RefNextIteration",
    /* for the orthogonal initializer alone: TensorFlow's gradient needs triangular solves */
    "Qr",
};

static bool matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');

    if (star == NULL) return strcmp(pattern, name) == 0;
    const size_t head = (size_t)(star - pattern), tail = strlen(star + 1), n = strlen(name);
    return n >= head + tail && memcmp(pattern, name, head) == 0 && strcmp(name + n - tail, star + 1) == 0;
}

static void every_operation_has_a_gradient_or_a_reason(void **state)
{
    bool used[EK_COUNT_OF(unregistered)] = { false };
    int count;
    const ek_op_def *const *ops = ek__ops(&count);

    EK_UNUSED(state);
    for (int i = 0; i < count; i++) {
        const char *name = ops[i]->name;
        int listed = -1;
        for (int k = 0; k < (int)EK_COUNT_OF(unregistered); k++)
            if (matches(unregistered[k], name) && listed < 0) listed = k;
        const int ways = (ek__op_gradient(name) != NULL) + (ops[i]->no_grad_because != NULL) + (listed >= 0);
        if (listed >= 0) used[listed] = true;
        if (ways == 0) fail_msg("%s has neither a gradient nor a reason, and is not listed", name);
        if (ways > 1) fail_msg("%s: a gradient, a reason, a place in the list exclude each other", name);
    }
    for (int k = 0; k < (int)EK_COUNT_OF(unregistered); k++)
        if (!used[k]) fail_msg("%s is no operation", unregistered[k]);
}

static void gradients_are_of_operations_and_sorted(void **state)
{
    int count;
    const ek_op_gradient *g = ek__op_gradients(&count);

    EK_UNUSED(state);
    for (int i = 0; i < count; i++) {
        if (ek__registry_find(ek__ops_registry(), g[i].type) == NULL) fail_msg("%s is no operation", g[i].type);
        if (i > 0 && strcmp(g[i - 1].type, g[i].type) >= 0) fail_msg("%s before %s", g[i - 1].type, g[i].type);
        assert_ptr_equal(&g[i], ek__op_gradient(g[i].type));
    }
}

static void what_has_none_is_refused_by_name(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_error err = { 0 };
    const ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2));
    const ek_tensor d = ek_gradients(EK_LIST(ek_softsign(x)), EK_LIST(x)).at[0].value;

    EK_UNUSED(state);
    (void)ek_gradients(EK_LIST(d), EK_LIST(x));
    assert_int_equal(EK_NOT_FOUND, ek_graph_status(g, &err));
    assert_non_null(strstr(err.text, "No gradient defined for operation 'gradients/Softsign_grad/SoftsignGrad' (op type: SoftsignGrad)"));
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_has_a_gradient_or_a_reason),
        cmocka_unit_test(gradients_are_of_operations_and_sorted),
        cmocka_unit_test(what_has_none_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
