/* At inference a batch norm and its activation go into the depthwise convolution before them. */
#include "runtime/build.h"

#include <math.h>
#include <stdatomic.h>

#include "evenkeel/nn.h"
#include "evenkeel/ops.h"
#include "runtime/runtime.h"

typedef struct shape_case {
    int64_t images, size, channels, filters, stride;
    bool first, variable; /* channels first; the filter is fed, not a constant */
} shape_case;

static const shape_case cases[] = {
    { 1, 14, 24, 1, 1, false, false }, { 3, 9, 7, 2, 2, false, false }, { 2, 9, 5, 1, 1, true, false }, { 2, 8, 33, 1, 2, false, true },
};

static ek_array *numbers(ek_shape shape, uint64_t seed, float low)
{
    ek_array *a = ek_array_of(EK_FLOAT32, shape, NULL);

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        ek_array_f32(a)[i] = low + (float)(seed >> 40) * 0x1p-24f;
    }
    return a;
}

static ek_tensor normalised(ek_graph *g, ek_tensor y, int64_t n, bool first)
{
    const ek_attribute a[] = { { .name = "is_training", .kind = EK_A_BOOL, .u.b = false },
                               { .name = "data_format", .kind = EK_A_STRING, .u.s = first ? "NCHW" : "NHWC", .count = -1 } };
    const ek_tensor in[] = { y, constant(g, "gamma", numbers(EK_SHAPE(n), 5, 0.5f)), constant(g, "beta", numbers(EK_SHAPE(n), 6, 0)),
                             constant(g, "mean", numbers(EK_SHAPE(n), 7, -0.5f)), constant(g, "variance", numbers(EK_SHAPE(n), 8, 0.5f)) };

    return out(ek_op_build(g, "FusedBatchNormV3", .name = "norm", .inputs = in, .n_inputs = 5, .attributes = a, .n_attributes = 2), 0);
}

/* Steps of the only plan of a session. */
static int steps_of(ek_session *s)
{
    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *e = atomic_load(&s->cache.entry[i]);
        if (e != NULL) return e->plan->n_steps;
    }
    return -1;
}

static void check(const shape_case *c)
{
    ek_graph *g = ek_graph_create();
    const ek_tensor x = placeholder(g, "x", EK_FLOAT32, EK_SHAPE(-1, -1, -1, -1)), fed = placeholder(g, "w", EK_FLOAT32, EK_SHAPE(3, 3, c->channels, c->filters));
    ek_array *w = numbers(EK_SHAPE(3, 3, c->channels, c->filters), 2, -0.5f), *got[2] = { NULL, NULL };
    ek_array *images = numbers(c->first ? EK_SHAPE(c->images, c->channels, c->size, c->size) : EK_SHAPE(c->images, c->size, c->size, c->channels), 1, -0.5f);
    const ek_tensor filter = c->variable ? fed : constant(g, "filter", ek_array_ref(w));
    const int64_t s = c->stride;
    const ek_tensor y = c->first ? ek_nn_depthwise_conv2d_native(x, filter, .padding = "SAME", .strides = { 1, 1, s, s }, .data_format = "NCHW")
                                 : ek_nn_depthwise_conv2d_native(x, filter, .padding = "SAME", .strides = { 1, s, s, 1 });
    const ek_tensor z = ek_relu6(normalised(g, y, c->channels * c->filters, c->first));

    for (int k = 0; k < 2; k++) {
        ek_session *session = ek_session_create(g, .threads = 1, .fuse = k == 0 ? EK_YES : EK_NO);
        EK_DIE(ek_run(session, .feed = { { x, images }, { fed, w } }, .fetch = { { z, &got[k] } }));
        assert_int_equal(steps_of(session), k == 0 ? 1 : 3);
        ek_session_destroy(session);
    }
    for (int64_t i = 0; i < ek_array_count(got[1]); i++)
        if (!(fabs(ek_array_get(got[0], i) - ek_array_get(got[1], i)) <= 2e-5))
            fail_msg("element %lld: %.9g, not %.9g", (long long)i, ek_array_get(got[0], i), ek_array_get(got[1], i));
    ek_array *const all[] = { w, images, got[0], got[1] };
    for (int i = 0; i < COUNT(all); i++) ek_array_unref(all[i]);
    ek_graph_destroy(g);
}

static void one_step_gives_what_three_give(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(cases); i++) check(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_step_gives_what_three_give) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
