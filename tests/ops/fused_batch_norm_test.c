/* Fused batch norm: values against float64 in both layouts, the accuracy promised, gradients, halves, messages. */
#include "kernels/levels.h"
#include "ops/one_op.h"

enum { Y, BATCH_MEAN, BATCH_VARIANCE, SAVED_MEAN, SAVED_VARIANCE, RESERVE_3 };

typedef struct problem {
    ek_array *x, *scale, *offset, *mean, *variance, *dy;
    int64_t n, channels;
    bool first;
} problem;

static ek_array *vector(int64_t n, uint64_t seed, double from, double to)
{
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(n), NULL);

    for (int64_t i = 0; i < n; i++)
        ek_array_f32(a)[i] = (float)(from + (to - from) * (0.5 + 0.5 * test_uniform(&seed)));
    return a;
}

/* x holds what fill(row, channel, random) gives; NCHW where `first`. */
static problem make(int64_t images, int64_t plane, int64_t channels, bool first,
                    double (*fill)(int64_t row, uint64_t *seed))
{
    problem p = { .n = images * plane, .channels = channels, .first = first };
    const ek_shape shape = first ? EK_SHAPE(images, channels, plane, 1) : EK_SHAPE(images, plane, 1, channels);
    uint64_t seed = 11;

    p.x = ek_array_of(EK_FLOAT32, shape, NULL);
    p.dy = ek_array_of(EK_FLOAT32, shape, NULL);
    for (int64_t r = 0; r < p.n; r++)
        for (int64_t c = 0; c < channels; c++) {
            const int64_t at = first ? (r / plane * channels + c) * plane + r % plane : r * channels + c;
            ek_array_f32(p.x)[at] = (float)fill(r, &seed);
            ek_array_f32(p.dy)[at] = (float)test_uniform(&seed);
        }
    p.scale = vector(channels, 3, 0.5, 2);
    p.offset = vector(channels, 4, -1, 1);
    p.mean = vector(channels, 5, -1, 1);
    p.variance = vector(channels, 6, 0.5, 2);
    return p;
}

static void destroy(problem *p)
{
    ek_array *all[] = { p->x, p->scale, p->offset, p->mean, p->variance, p->dy };
    for (int i = 0; i < 6; i++) ek_array_unref(all[i]);
}

static void unref_all(ek_array **a, int n)
{
    for (int i = 0; i < n; i++) ek_array_unref(a[i]);
}

static int64_t place(const problem *p, int64_t row, int64_t c)
{
    const int64_t plane = p->first ? ek_array_dim(p->x, 2) : 1;
    return p->first ? (row / plane * p->channels + c) * plane + row % plane : row * p->channels + c;
}

static double at(const ek_array *a, int64_t i)
{
    return ek_array_get(a, i);
}

/* Mean and biased variance of a channel in two passes of double. */
static void moments(const problem *p, int64_t c, double *mean, double *variance)
{
    double sum = 0, squares = 0;

    for (int64_t r = 0; r < p->n; r++) sum += at(p->x, place(p, r, c));
    *mean = sum / (double)p->n;
    for (int64_t r = 0; r < p->n; r++) {
        const double d = at(p->x, place(p, r, c)) - *mean;
        squares += d * d;
    }
    *variance = squares / (double)p->n;
}

static const char *format(const problem *p)
{
    return p->first ? "NCHW" : "NHWC";
}
#define FORMAT_ATTR(p) ((ek_attr){"data_format", {.kind = EK_ATTR_STRING, .u.s = {(char *)(uintptr_t)format(p), 4}}})

/* Largest error of y in training, relative to the largest |y|. */
static double training_error(const problem *p, float epsilon)
{
    ek_array *none = ek_array_of(EK_FLOAT32, EK_SHAPE(0), NULL), *out[6];
    double worst = 0, largest = 1e-30;

    run_op("FusedBatchNormV3", ATTRS(FORMAT_ATTR(p), ATTR_FLOAT("epsilon", epsilon)),
           INPUTS(p->x, p->scale, p->offset, none, none), 6, out);
    for (int64_t c = 0; c < p->channels; c++) {
        double mean, variance;
        moments(p, c, &mean, &variance);
        const double k = at(p->scale, c) / sqrt(variance + (double)epsilon),
                     bessel = p->n > 1 ? (double)p->n / (double)(p->n - 1) : 1;
        for (int64_t r = 0; r < p->n; r++) {
            const double y = (at(p->x, place(p, r, c)) - mean) * k + at(p->offset, c);
            worst = fmax(worst, fabs(y - at(out[Y], place(p, r, c))));
            largest = fmax(largest, fabs(y));
        }
        assert_true(fabs(at(out[BATCH_MEAN], c) - mean) <= 2e-7 * (fabs(mean) + sqrt(variance)) + 1e-12);
        assert_true(fabs(at(out[BATCH_VARIANCE], c) - variance * bessel) <= 3e-6 * variance + 1e-12);
        assert_true(fabs(at(out[SAVED_VARIANCE], c) - variance) <= 3e-6 * variance + 1e-12);
    }
    unref_all(out, 6);
    ek_array_unref(none);
    return worst / largest;
}

static double fill_normal(int64_t row, uint64_t *seed) /* deviation about 1 */
{
    (void)row;
    return test_uniform(seed) + test_uniform(seed) + test_uniform(seed);
}
static double fill_100(int64_t row, uint64_t *seed) { return 100 + fill_normal(row, seed); }
static double fill_1e4(int64_t row, uint64_t *seed) { return 1e4 + 1e-2 * fill_normal(row, seed); }
static double fill_3e3(int64_t row, uint64_t *seed) { return -3e3 + 0.1 * fill_normal(row, seed); }
static double fill_1e6(int64_t row, uint64_t *seed) { return 1e6 + fill_normal(row, seed); }
static double fill_drift(int64_t row, uint64_t *seed) { return (double)row / 4.096 + fill_normal(row, seed); }
static double fill_outlier(int64_t row, uint64_t *seed) { return row == 0 ? 1e4 : fill_normal(row, seed); }
static double fill_outliers(int64_t row, uint64_t *seed) { return row < 20 ? 1e4 : fill_normal(row, seed); }

/* The table of what is promised: (4096, 64) unless said. */
static void accuracy(void **state)
{
    static const struct {
        const char *name;
        double (*fill)(int64_t row, uint64_t *seed);
        int64_t images, plane, channels;
    } rows[] = {
        { "mean 0, deviation 1", fill_normal, 64, 64, 64 },
        { "mean 100, deviation 1", fill_100, 64, 64, 64 },
        { "mean 1e4, deviation 1e-2", fill_1e4, 64, 64, 64 },
        { "mean 1e4, deviation 1e-2, wide", fill_1e4, 32, 1024, 16 },
        { "mean -3e3, deviation 0.1", fill_3e3, 64, 64, 64 },
        { "mean 1e6, deviation 1", fill_1e6, 64, 64, 64 },
        { "drift 0 to 1000", fill_drift, 64, 64, 64 },
        { "first row an outlier", fill_outlier, 64, 64, 64 },
        { "twenty outliers", fill_outliers, 64, 64, 64 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int first = 0; first < 2; first++) {
            problem p = make(rows[i].images, rows[i].plane, rows[i].channels, first != 0, rows[i].fill);
            const double error = training_error(&p, 1e-12f);
            print_message("%-32s %s %.2g\n", rows[i].name, format(&p), error);
            assert_true(error < 4e-6);
            destroy(&p);
        }
}

static double fill_constant(int64_t row, uint64_t *seed)
{
    (void)row;
    (void)seed;
    return 12345.678;
}

static void a_constant_gives_the_offset(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        problem p = make(8, 100, 24, first != 0, fill_constant);
        assert_true(training_error(&p, 1e-3f) == 0);
        destroy(&p);
    }
}

static void shapes_and_layouts(void **state)
{
    static const int64_t sizes[][3] = { { 1, 1, 1 },     { 1, 32, 1 },  { 60, 1, 100 },  { 7, 15, 11 },   { 3, 700, 3 },
                                       { 2, 1040, 16 }, { 5, 49, 70 }, { 2, 33, 1500 }, { 1, 70001, 1 }, { 1, 2, 3 } };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int first = 0; first < 2; first++) {
            problem p = make(sizes[i][0], sizes[i][1], sizes[i][2], first != 0, fill_100);
            assert_true(training_error(&p, 1e-3f) < 4e-6);
            destroy(&p);
        }
}

static void inference_uses_what_is_given(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        problem p = make(7, 15, 11, first != 0, fill_normal);
        ek_array *out[5];
        run_op("FusedBatchNormV2",
               ATTRS(FORMAT_ATTR(&p), ATTR_BOOL("is_training", false), ATTR_FLOAT("epsilon", 1e-3f)),
               INPUTS(p.x, p.scale, p.offset, p.mean, p.variance), 5, out);
        for (int64_t c = 0; c < p.channels; c++) {
            const double k = at(p.scale, c) / sqrt(at(p.variance, c) + (double)1e-3f);
            for (int64_t r = 0; r < p.n; r++) {
                const double y = (at(p.x, place(&p, r, c)) - at(p.mean, c)) * k + at(p.offset, c);
                assert_true(fabs(y - at(out[Y], place(&p, r, c))) < 3e-6);
            }
            assert_true(at(out[BATCH_MEAN], c) == at(p.mean, c) && at(out[BATCH_VARIANCE], c) == at(p.variance, c));
        }
        unref_all(out, 5);
        destroy(&p);
    }
}

static void later_graphs_average_in_the_op(void **state)
{
    problem p = make(7, 15, 11, false, fill_normal);
    ek_array *plain[6], *out[6], *none = ek_array_of(EK_FLOAT32, EK_SHAPE(0), NULL);

    (void)state;
    run_op("FusedBatchNormV3", NO_ATTRS, INPUTS(p.x, p.scale, p.offset, none, none), 6, plain);
    run_op("FusedBatchNormV3", ATTRS(ATTR_FLOAT("exponential_avg_factor", 0.25f)),
           INPUTS(p.x, p.scale, p.offset, p.mean, p.variance), 6, out);
    for (int64_t c = 0; c < p.channels; c++) {
        assert_true(fabs(at(out[BATCH_MEAN], c) - (0.75 * at(p.mean, c) + 0.25 * at(plain[BATCH_MEAN], c))) < 1e-6);
        assert_true(
            fabs(at(out[BATCH_VARIANCE], c) - (0.75 * at(p.variance, c) + 0.25 * at(plain[BATCH_VARIANCE], c))) < 1e-6);
        assert_true(at(out[SAVED_MEAN], c) == at(plain[SAVED_MEAN], c));
    }
    assert_memory_equal(ek_array_data(out[Y]), ek_array_data(plain[Y]), ek_array_bytes(out[Y]));
    refuse_op("FusedBatchNormV3", ATTRS(ATTR_FLOAT("exponential_avg_factor", 0.25f)),
              INPUTS(p.x, p.scale, p.offset, none, none), 6, EK_INVALID_ARGUMENT,
              "When exponential_avg_factor != 1, mean must have the same number of elements as the channels of x, got "
              "0 and 11");
    unref_all(plain, 6);
    unref_all(out, 6);
    ek_array_unref(none);
    destroy(&p);
}

static void check_gradient(const problem *p, bool training)
{
    const float epsilon = 1e-3f;
    ek_array *mean = ek_array_of(EK_FLOAT32, EK_SHAPE(p->channels), NULL);
    ek_array *variance = ek_array_of(EK_FLOAT32, EK_SHAPE(p->channels), NULL), *out[5];

    for (int64_t c = 0; c < p->channels; c++) {
        double m, v;
        moments(p, c, &m, &v);
        ek_array_f32(mean)[c] = (float)m;
        ek_array_f32(variance)[c] = (float)v;
    }
    run_op("FusedBatchNormGrad",
           ATTRS(FORMAT_ATTR(p), ATTR_FLOAT("epsilon", epsilon), ATTR_BOOL("is_training", training)),
           INPUTS(p->dy, p->x, p->scale, mean, variance), 5, out);
    for (int64_t c = 0; c < p->channels; c++) {
        const double m = at(mean, c), k = 1 / sqrt(at(variance, c) + (double)epsilon), n = (double)p->n;
        double s1 = 0, s2 = 0, size = 0;
        for (int64_t r = 0; r < p->n; r++) {
            const int64_t i = place(p, r, c);
            s1 += at(p->dy, i);
            s2 += at(p->dy, i) * (at(p->x, i) - m);
            size += fabs(at(p->dy, i));
        }
        assert_true(fabs(at(out[1], c) - k * s2) < 1e-6 * k * size * 3);
        assert_true(fabs(at(out[2], c) - s1) < 1e-6 * size);
        for (int64_t r = 0; r < p->n; r++) {
            const int64_t i = place(p, r, c);
            const double dx = at(p->scale, c) * k *
                              (training ? at(p->dy, i) - s1 / n - (at(p->x, i) - m) * k * k * s2 / n : at(p->dy, i));
            assert_true(fabs(at(out[0], i) - dx) < 2e-6 * (1 + fabs(at(p->scale, c) * k)));
        }
    }
    assert_int_equal(ek_array_count(out[3]), 0);
    unref_all(out, 5);
    ek_array_unref(mean);
    ek_array_unref(variance);
}

static void gradients(void **state)
{
    static const int64_t sizes[][3] = {{1, 4, 1}, {60, 1, 100}, {7, 15, 11}, {3, 700, 3}, {2, 33, 1500}, {4, 20000, 2}};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int first = 0; first < 2; first++)
            for (int training = 0; training < 2; training++) {
                problem p = make(sizes[i][0], sizes[i][1], sizes[i][2], first != 0, fill_normal);
                check_gradient(&p, training != 0);
                destroy(&p);
            }
}

/* The halves' answer is the float's on the rounded x, rounded. */
static void halves(void **state)
{
    static const ek_dtype types[] = { EK_FLOAT16, EK_BFLOAT16 };

    (void)state;
    for (int t = 0; t < 2; t++)
        for (int first = 0; first < 2; first++) {
            problem p = make(7, 15, 11, first != 0, fill_normal);
            ek_array *none = ek_array_of(EK_FLOAT32, EK_SHAPE(0), NULL), *out[6], *expect[6];
            ek_array *half = ek_array_of(types[t], *ek_array_shape(p.x), NULL);
            const int64_t n = ek_array_count(half);
            ek__convert(EK_FLOAT32, ek_array_data(p.x), types[t], ek_array_data(half), n);
            ek__convert(types[t], ek_array_data(half), EK_FLOAT32, ek_array_data(p.x), n);
            run_op("FusedBatchNormV3", ATTRS(FORMAT_ATTR(&p)), INPUTS(half, p.scale, p.offset, none, none), 6, out);
            run_op("FusedBatchNormV3", ATTRS(FORMAT_ATTR(&p)), INPUTS(p.x, p.scale, p.offset, none, none), 6, expect);
            assert_int_equal(ek_array_dtype(out[Y]), types[t]);
            ek__convert(EK_FLOAT32, ek_array_data(expect[Y]), types[t], ek_array_data(half), n);
            assert_memory_equal(ek_array_data(half), ek_array_data(out[Y]), ek_array_bytes(half));
            assert_memory_equal(ek_array_data(out[BATCH_VARIANCE]), ek_array_data(expect[BATCH_VARIANCE]), 44);
            unref_all(out, 6);
            unref_all(expect, 6);
            ek_array_unref(half);
            ek_array_unref(none);
            destroy(&p);
        }
}

static void an_empty_batch_has_no_statistics(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(0, 2, 2, 3), NULL), *v = vector(3, 1, 1, 2), *out[5];
    ek_array *none = ek_array_of(EK_FLOAT32, EK_SHAPE(0), NULL);

    (void)state;
    for (int training = 0; training < 2; training++) {
        run_op("FusedBatchNorm", ATTRS(ATTR_BOOL("is_training", training == 1)),
               INPUTS(x, v, v, training ? none : v, training ? none : v), 5, out);
        for (int c = 0; c < 3; c++) assert_true(isnan(at(out[BATCH_MEAN], c)) && isnan(at(out[BATCH_VARIANCE], c)));
        unref_all(out, 5);
    }
    ek_array *nan = ek_array_of(EK_FLOAT32, EK_SHAPE(3), (float[]){ NAN, NAN, NAN }); /* what the batch's variance was */
    for (int k = 0; k < 2; k++) {
        run_op("FusedBatchNormGrad", NO_ATTRS, INPUTS(x, x, v, k ? nan : v, k ? nan : v), 5, out);
        for (int c = 0; c < 3; c++) assert_true(at(out[1], c) == 0 && at(out[2], c) == 0);
        unref_all(out, 5);
    }
    ek_array_unref(nan);
    ek_array_unref(x);
    ek_array_unref(v);
    ek_array_unref(none);
}

static void wrong_calls(void **state)
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 1, 2, 3), NULL),
             *x3 = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 2, 4), NULL);
    ek_array *v = vector(3, 1, 1, 2), *two = vector(2, 1, 1, 2), *none = ek_array_of(EK_FLOAT32, EK_SHAPE(0), NULL);
    ek_array *matrix = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 3), NULL);

    (void)state;
    refuse_op("FusedBatchNorm", NO_ATTRS, INPUTS(x3, v, v, none, none), 5, EK_INVALID_ARGUMENT, "-dimensional[3,2,4]");
    refuse_op("FusedBatchNorm", NO_ATTRS, INPUTS(x, matrix, v, none, none), 5, EK_INVALID_ARGUMENT,
              "scale must be 1-dimensional[1,3]");
    refuse_op("FusedBatchNorm", NO_ATTRS, INPUTS(x, two, v, none, none), 5, EK_INVALID_ARGUMENT,
              "scale must have the same number of elements as the channels of x, got 2 and 3");
    refuse_op("FusedBatchNorm", NO_ATTRS, INPUTS(x, v, v, v, none), 5, EK_INVALID_ARGUMENT,
              "estimated_mean must be empty for training[3]");
    refuse_op("FusedBatchNorm", ATTRS(ATTR_BOOL("is_training", false)), INPUTS(x, v, v, two, two), 5,
              EK_INVALID_ARGUMENT,
              "When is_training=false, mean must have the same number of elements as the channels of x, got 2 and 3");
    refuse_op("FusedBatchNormGrad", NO_ATTRS, INPUTS(x, x3, v, v, v), 5, EK_INVALID_ARGUMENT,
              "x must be 4 or 5-dimensional");
    ek_array *all[] = { x, x3, v, two, none, matrix };
    unref_all(all, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accuracy),
        cmocka_unit_test(a_constant_gives_the_offset),
        cmocka_unit_test(shapes_and_layouts),
        cmocka_unit_test(inference_uses_what_is_given),
        cmocka_unit_test(gradients),
        cmocka_unit_test(halves),
        cmocka_unit_test(later_graphs_average_in_the_op),
        cmocka_unit_test(an_empty_batch_has_no_statistics),
        cmocka_unit_test(wrong_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
