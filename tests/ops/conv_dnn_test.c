/* Convolutions by oneDNN in chunks, each way, against plain sums in double; what follows a linear op against the op alone. */
#include "kernels/levels.h"
#include "ops/after.h"
#include "ops/conv_dnn.h"
#include "ops/one_op.h"
#include "ops/registry.h"

/* ---- running what was prepared -------------------------------------------------------------------- */

/* Chunks from the last to the first: their order must not matter. */
static void run_phases(const ek_prepare_ctx *c, const void *const *in, void *const *out)
{
    ek_error err = { 0 };
    const ek_run_args a = { .in = in, .out = out, .state = c->state, .scratch = ek__alloc(c->scratch_bytes),
                            .err = &err };

    memset(a.scratch, 0x7f, c->scratch_bytes);
    for (int p = 0; p < c->n_phases; p++)
        for (int64_t k = c->phase[p].chunks - 1; k >= 0; k--)
            if (c->phase[p].run(&a, k) != EK_OK) fail_msg("%s", err.text);
    ek__free(a.scratch);
}

static const ek_op_def *definition(const char *type)
{
    return ek__registry_find(ek__ops_registry(), type)->def;
}

static float *numbers(int64_t n, uint64_t seed)
{
    float *v = ek__alloc((size_t)n * sizeof *v);

    for (int64_t i = 0; i < n; i++) v[i] = (float)test_uniform(&seed);
    return v;
}

/* ---- the three ways ----------------------------------------------------------------------------------- */

static const ek_conv convs[] = {
    { { .in = { 5, 6 }, .out = { 5, 6 }, .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 },
        .before = { 1, 1 }, .after = { 1, 1 } }, 2, 3, 4 },
    { { .in = { 16, 16 }, .out = { 8, 8 }, .kernel = { 3, 3 }, .stride = { 2, 2 }, .dilation = { 1, 1 },
        .after = { 1, 1 } }, 11, 16, 24 },
    { { .in = { 20, 9 }, .out = { 16, 5 }, .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 2, 2 } }, 1, 16, 32 },
    { { .in = { 14, 14 }, .out = { 14, 14 }, .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 } }, 8, 32, 32 },
    { { .in = { 9, 9 }, .out = { 5, 5 }, .kernel = { 1, 1 }, .stride = { 2, 2 }, .dilation = { 1, 1 } }, 9, 16, 40 },
    { { .in = { 10, 7 }, .out = { 6, 5 }, .kernel = { 5, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 } }, 1, 1, 5 },
};

static int64_t place(bool first, const int64_t *size, int64_t channels, int64_t n, int64_t y, int64_t x, int64_t c)
{
    return first ? ((n * channels + c) * size[0] + y) * size[1] + x : ((n * size[0] + y) * size[1] + x) * channels + c;
}

/* Calls fn for every product of the convolution: places of input, weight, output. */
static void each_product(const ek_conv *v, void (*fn)(void *arg, int64_t in, int64_t weight, int64_t out), void *arg)
{
    const ek_window *w = &v->w;

    for (int64_t n = 0; n < v->images; n++)
        for (int64_t i = 0; i < w->out[0] * w->out[1] * w->kernel[0] * w->kernel[1]; i++) {
            const int64_t kx = i % w->kernel[1], ky = i / w->kernel[1] % w->kernel[0], o = i / w->kernel[1] / w->kernel[0];
            const int64_t ox = o % w->out[1], oy = o / w->out[1];
            const int64_t y = oy * w->stride[0] - w->before[0] + ky * w->dilation[0];
            const int64_t x = ox * w->stride[1] - w->before[1] + kx * w->dilation[1];
            if (y < 0 || y >= w->in[0] || x < 0 || x >= w->in[1]) continue;
            for (int64_t c = 0; c < v->in_channels * v->out_channels; c++) {
                const int64_t ci = c / v->out_channels, co = c % v->out_channels;
                fn(arg, place(w->channels_first, w->in, v->in_channels, n, y, x, ci),
                   ((ky * w->kernel[1] + kx) * v->in_channels + ci) * v->out_channels + co,
                   place(w->channels_first, w->out, v->out_channels, n, oy, ox, co));
            }
        }
}

typedef struct sums {
    ek_dnn_way way;
    const float *input, *weights, *output; /* what is given */
    double *result;
} sums;

static void add_product(void *arg, int64_t in, int64_t weight, int64_t out)
{
    sums *s = arg;

    if (s->way == EK_DNN_FORWARD) s->result[out] += (double)s->input[in] * (double)s->weights[weight];
    if (s->way == EK_DNN_INPUT) s->result[in] += (double)s->output[out] * (double)s->weights[weight];
    if (s->way == EK_DNN_WEIGHTS) s->result[weight] += (double)s->input[in] * (double)s->output[out];
}

static ek_status convolve(const ek_conv *v, ek_dnn_way way, bool one_thread, const void *const *in, float *result)
{
    static const int a[] = { 0, 2, 0 }, b[] = { 1, 1, 2 };
    const ek_array *known[3] = { NULL };
    ek_arena arena = { 0 };
    ek_error err = { 0 };
    ek_prepare_ctx c = { .def = definition("Conv2D"), .arena = &arena, .err = &err, .in_value = known,
                         .one_thread = one_thread };
    const ek_status st = ek__conv_dnn_prepare(&c, way, v, a[way], b[way], NULL);

    if (st == EK_OK) run_phases(&c, in, (void *const[]){ result });
    ek__arena_fini(&arena);
    return st;
}

static void check_way(const ek_conv *v, ek_dnn_way way)
{
    const ek_window *w = &v->w;
    const int64_t n_in = v->images * w->in[0] * w->in[1] * v->in_channels;
    const int64_t n_out = v->images * w->out[0] * w->out[1] * v->out_channels;
    const int64_t n_weights = w->kernel[0] * w->kernel[1] * v->in_channels * v->out_channels;
    const int64_t n = way == EK_DNN_FORWARD ? n_out : way == EK_DNN_INPUT ? n_in : n_weights;
    float *input = numbers(n_in, 1), *weights = numbers(n_weights, 2), *output = numbers(n_out, 3);
    float *result = numbers(n, 4), *alone = numbers(n, 5);
    double *expect = ek__calloc((size_t)n, sizeof *expect), largest = 0;
    sums s = { way, input, weights, output, expect };
    const void *const in[] = { input, weights, output };

    each_product(v, add_product, &s);
    const ek_status st = convolve(v, way, false, in, result);
    assert_true(st == EK_OK || st == EK_UNIMPLEMENTED);
    assert_int_equal(convolve(v, way, true, in, alone), st);
    if (st == EK_OK && memcmp(result, alone, sizeof *alone * (size_t)n) != 0)
        fail_msg("way %d: one thread gives other bits", (int)way);
    for (int64_t i = 0; i < n; i++) largest = fabs(expect[i]) > largest ? fabs(expect[i]) : largest;
    for (int64_t i = 0; i < n && st == EK_OK; i++)
        if (!(fabs((double)result[i] - expect[i]) <= 2e-6 * largest))
            fail_msg("way %d: element %lld is %g, not %g", (int)way, (long long)i, (double)result[i], expect[i]);
    void *const all[] = { input, weights, output, result, alone, expect };
    for (int i = 0; i < EK_COUNT_OF(all); i++) ek__free(all[i]);
}

static void every_way_gives_the_sums(void **state)
{
    (void)state;
    for (int i = 0; i < EK_COUNT_OF(convs); i++)
        for (int first = 0; first < 2; first++)
            for (int way = EK_DNN_FORWARD; way <= EK_DNN_WEIGHTS; way++) {
                ek_conv v = convs[i];
                v.w.channels_first = first != 0;
                check_way(&v, (ek_dnn_way)way);
            }
}

static void no_memory_is_said(void **state)
{
    (void)state;
    definition("Conv2D"); /* parses the registry */
    for (int way = EK_DNN_FORWARD; way <= EK_DNN_WEIGHTS; way++)
        for (long k = 1;; k++) {
            ek_test_allocator t;
            ek_arena arena = { 0 };
            const ek_array *known[3] = { NULL };
            ek_error err = { 0 };
            ek_prepare_ctx c = { .def = definition("Conv2D"), .arena = &arena, .err = &err, .in_value = known };

            ek_test_allocator_install(&t, k);
            const ek_status st = ek__conv_dnn_prepare(&c, (ek_dnn_way)way, &convs[1], 0, 1, NULL);
            ek__arena_fini(&arena);
            assert_int_equal(t.live, 0);
            ek_test_allocator_remove();
            if (st == EK_OK) break; /* more allocations than it makes */
            assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
        }
}

/* ---- what follows ------------------------------------------------------------------------------------ */

enum { SCALE = 2, BIAS, CENTER, PORTS };

typedef struct linear_case {
    const char *type;
    ek_shape a, b, out;
    const void *attrs;
    bool channels_first;
} linear_case;

typedef struct conv_attrs {
    ek_ints strides, dilations, explicit_paddings;
    const char *padding, *data_format;
} conv_attrs;
static const int64_t ones[] = { 1, 1, 1, 1 };
static const conv_attrs last_attrs = { { ones, 4 }, { ones, 4 }, { NULL, 0 }, "SAME", "NHWC" };
static const conv_attrs first_attrs = { { ones, 4 }, { ones, 4 }, { NULL, 0 }, "SAME", "NCHW" };
static const bool plain_attrs[2] = { false, false }, transposed_attrs[2] = { false, true };

static const linear_case linear[] = {
    { "MatMul", { .rank = 2, .dim = { 1, 50 } }, { .rank = 2, .dim = { 50, 70 } }, { .rank = 2, .dim = { 1, 70 } }, plain_attrs, false },
    { "MatMul", { .rank = 2, .dim = { 1, 600 } }, { .rank = 2, .dim = { 2000, 600 } }, { .rank = 2, .dim = { 1, 2000 } }, transposed_attrs, false },
    { "MatMul", { .rank = 2, .dim = { 5, 9 } }, { .rank = 2, .dim = { 9, 3 } }, { .rank = 2, .dim = { 5, 3 } }, plain_attrs, false },
    { "MatMul", { .rank = 2, .dim = { 61, 90 } }, { .rank = 2, .dim = { 90, 33 } }, { .rank = 2, .dim = { 61, 33 } }, plain_attrs, false },
    { "MatMul", { .rank = 2, .dim = { 4, 0 } }, { .rank = 2, .dim = { 0, 3 } }, { .rank = 2, .dim = { 4, 3 } }, plain_attrs, false },
    { "Conv2D", { .rank = 4, .dim = { 1, 16, 16, 16 } }, { .rank = 4, .dim = { 3, 3, 16, 24 } }, { .rank = 4, .dim = { 1, 16, 16, 24 } }, &last_attrs, false },
    { "Conv2D", { .rank = 4, .dim = { 9, 8, 8, 16 } }, { .rank = 4, .dim = { 3, 3, 16, 20 } }, { .rank = 4, .dim = { 9, 8, 8, 20 } }, &last_attrs, false },
    { "Conv2D", { .rank = 4, .dim = { 8, 16, 8, 8 } }, { .rank = 4, .dim = { 3, 3, 16, 20 } }, { .rank = 4, .dim = { 8, 20, 8, 8 } }, &first_attrs, true },
    { "Conv2D", { .rank = 4, .dim = { 2, 4, 4, 6 } }, { .rank = 4, .dim = { 1, 1, 2, 6 } }, { .rank = 4, .dim = { 2, 4, 4, 6 } }, &last_attrs, false },
    { "Conv2D", { .rank = 4, .dim = { 2, 4, 4, 0 } }, { .rank = 4, .dim = { 1, 1, 2, 6 } }, { .rank = 4, .dim = { 2, 4, 4, 6 } }, &last_attrs, false },
};

/* Runs the op with what follows, constants known beforehand or not, into y. */
static void run_linear(const linear_case *l, const ek_after *after, ek_array *const *in, bool known, bool deterministic,
                       float *y)
{
    const ek_op_def *def = definition(l->type);
    ek_arena arena = { 0 };
    ek_error err = { 0 };
    const ek_shape shapes[] = { l->a, l->b, *ek_array_shape(in[SCALE]), *ek_array_shape(in[BIAS]),
                                *ek_array_shape(in[CENTER]) };
    const ek_dtype types[] = { EK_FLOAT32, EK_FLOAT32, EK_FLOAT32, EK_FLOAT32, EK_FLOAT32 };
    const ek_array *values[] = { NULL, known ? in[1] : NULL, known ? in[SCALE] : NULL, known ? in[BIAS] : NULL,
                                known ? in[CENTER] : NULL };
    const void *const data[] = { in[0]->data, in[1]->data, in[SCALE]->data, in[BIAS]->data, in[CENTER]->data };
    ek_prepare_ctx c = { .def = def, .attrs = l->attrs, .n_in = after == NULL ? 2 : PORTS, .n_out = 1, .in = shapes,
                         .out = &l->out, .in_dtype = types, .out_dtype = types, .in_value = values, .arena = &arena,
                         .deterministic = deterministic, .err = &err };

    assert_int_equal(after == NULL ? def->prepare(&c) : def->prepare_after(&c, after), EK_OK);
    run_phases(&c, data, (void *const[]){ y });
    ek__arena_fini(&arena);
}

static void check_linear(const linear_case *l, const ek_after *after, bool known, bool deterministic)
{
    const int64_t n = ek_shape_count(&l->out), channels = l->channels_first ? l->out.dim[1] : l->out.dim[l->out.rank - 1];
    const int64_t inner = l->channels_first ? l->out.dim[2] * l->out.dim[3] : 1;
    float *plain = numbers(n, 1), *y = numbers(n, 2);
    double largest = 1;
    ek_array *in[PORTS];
    const ek_shape shapes[] = { l->a, l->b, EK_SHAPE(channels), EK_SHAPE(channels), EK_SHAPE(channels) };

    for (int i = 0; i < PORTS; i++) {
        float *v = numbers(ek_shape_count(&shapes[i]) + 1, (uint64_t)i + 5);
        in[i] = ek_array_of(EK_FLOAT32, shapes[i], v);
        ek__free(v);
    }
    run_linear(l, NULL, in, known, deterministic, plain);
    run_linear(l, after, in, known, deterministic, y);
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)plain[i]));
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = i / inner % channels;
        double expect = (double)plain[i];
        if (after->center >= 0) expect -= ek_array_get(in[CENTER], c);
        if (after->scale >= 0) expect *= ek_array_get(in[SCALE], c);
        if (after->bias >= 0) expect += ek_array_get(in[BIAS], c);
        if (after->clamp) expect = fmin(fmax(expect, 0), (double)after->high);
        if (!(fabs(expect - (double)y[i]) < 2e-6 * largest)) fail_msg("%s: %g, not %g", l->type, (double)y[i], expect);
    }
    for (int i = 0; i < PORTS; i++) ek_array_unref(in[i]);
    ek__free(plain);
    ek__free(y);
}

static void scale_bias_and_rectifier_follow(void **state)
{
    const ek_after afters[] = { { -1, -1, BIAS, false, INFINITY }, { -1, SCALE, BIAS, false, INFINITY },
                                { -1, -1, BIAS, true, INFINITY },  { -1, SCALE, BIAS, true, 0.5f },
                                { -1, -1, -1, true, INFINITY },    { -1, SCALE, -1, true, 6 },
                                { CENTER, SCALE, BIAS, false, INFINITY }, { CENTER, SCALE, BIAS, true, 0.5f } };

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(linear); i++)
        for (int k = 0; k < EK_COUNT_OF(afters); k++)
            for (int how = 0; how < 4; how++) check_linear(&linear[i], &afters[k], how % 2 != 0, how / 2 != 0);
}

/* oneDNN's own rectifiers would make a zero of it. */
static void nan_goes_through(void **state)
{
    (void)state;
    for (int i = 0; i < EK_COUNT_OF(linear); i++) {
        const linear_case *l = &linear[i];
        const int64_t n = ek_shape_count(&l->out), n_a = ek_shape_count(&l->a);
        const ek_after relu = { -1, -1, -1, true, INFINITY };
        const ek_shape shapes[PORTS] = { l->a, l->b, EK_SHAPE(0), EK_SHAPE(0), EK_SHAPE(0) };
        ek_array *in[PORTS];
        for (int k = 0; k < PORTS; k++) in[k] = ek_array_of(EK_FLOAT32, shapes[k], NULL);
        float *y = numbers(n, 2);
        for (int64_t k = 0; k < n_a; k++) ((float *)in[0]->data)[k] = NAN;
        run_linear(l, &relu, in, false, false, y);
        for (int64_t k = 0; k < n && n_a > 0; k++) assert_true(isnan(y[k]));
        for (int k = 0; k < PORTS; k++) ek_array_unref(in[k]);
        ek__free(y);
    }
}

/* The loops that follow: every level against base, nothing beyond the end. */
static void loops_give_the_same_bits_at_every_level(void **state)
{
    enum { ROWS = 3, MOST = 40 };
    const ek_kernels *level[8];
    const int levels = ek__kernel_levels(level, EK_COUNT_OF(level));
    float *center = numbers(MOST, 4), *scale = numbers(MOST, 1), *bias = numbers(MOST, 2), *x = numbers(ROWS * MOST + 1, 3);
    float expect[ROWS * MOST + 1], got[ROWS * MOST + 1];

    (void)state;
    x[3] = NAN;
    x[5] = -0.0f;
    for (int l = 0; l < levels; l++)
        for (int w = 1; w <= MOST; w++)
            for (int how = 0; how < 16; how++) {
                const float *s = how & 1 ? scale : NULL, *b = how & 2 ? bias : NULL;
                const float *c = how & 8 ? center : NULL; /* comes with both */
                const bool clamp = (how & 4) != 0;
                if (c != NULL && (s == NULL || b == NULL)) continue;
                memcpy(expect, x, sizeof expect);
                memcpy(got, x, sizeof got);
                level[0]->after_rows_f32(ROWS, w, c, s, b, clamp, 0.5f, expect);
                level[l]->after_rows_f32(ROWS, w, c, s, b, clamp, 0.5f, got);
                assert_memory_equal(expect, got, sizeof got);
                assert_memory_equal(got + ROWS * w, x + ROWS * w, sizeof *x);
                memcpy(expect, x, sizeof expect);
                memcpy(got, x, sizeof got);
                level[0]->after_plane_f32(w, c, s, b, clamp, 0.5f, expect);
                level[l]->after_plane_f32(w, c, s, b, clamp, 0.5f, got);
                assert_memory_equal(expect, got, sizeof got);
                assert_memory_equal(got + w, x + w, sizeof *x);
            }
    ek__free(center);
    ek__free(scale);
    ek__free(bias);
    ek__free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_gives_the_sums), cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(scale_bias_and_rectifier_follow), cmocka_unit_test(nan_goes_through),
        cmocka_unit_test(loops_give_the_same_bits_at_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
