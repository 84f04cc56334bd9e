/* tests/train/digits_test.c - the drawn digits: the same for a seed, none the copy of another, hard enough to need a net. */
#include <string.h>

#include "base/base.h"
#include "evenkeel/data.h"
#include "support/support.h"

enum { PIXELS = 784 };

typedef struct digits {
    ek_array *images, *labels;
    const float *image;
    const int64_t *label;
} digits;

static digits draw(int64_t seed, int64_t n)
{
    digits d;

    assert_int_equal(EK_OK, ek_digits(seed, n, &d.images, &d.labels));
    d.image = ek_array_f32(d.images);
    d.label = ek_array_i64(d.labels);
    return d;
}

static void drop(digits *d)
{
    ek_array_unref(d->images);
    ek_array_unref(d->labels);
}

/* FNV-1a of the pixels' bytes. */
static uint64_t hash_of(const float *at, size_t n)
{
    const unsigned char *byte = (const unsigned char *)at;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n * sizeof *at; i++) h = (h ^ byte[i]) * 1099511628211u;
    return h;
}

static void a_seed_is_a_picture(void **state)
{
    digits a = draw(7, 40), longer = draw(7, 60), other = draw(8, 40);

    EK_UNUSED(state);
    print_message("hash %llx\n", (unsigned long long)hash_of(a.image, 40 * PIXELS));
    assert_true(hash_of(a.image, 40 * PIXELS) == UINT64_C(0xc62e4ee0525de0e5));
    assert_memory_equal(a.image, longer.image, 40 * PIXELS * sizeof(float));
    assert_memory_equal(a.label, longer.label, 40 * sizeof(int64_t));
    assert_memory_not_equal(a.image, other.image, 40 * PIXELS * sizeof(float));
    for (int i = 1; i < 40; i++) assert_memory_not_equal(a.image, a.image + i * PIXELS, PIXELS * sizeof(float));
    drop(&a);
    drop(&longer);
    drop(&other);
}

static void pixels_and_labels_are_in_range_and_even(void **state)
{
    digits d = draw(1, 2000);
    int count[10] = { 0 };

    EK_UNUSED(state);
    for (int i = 0; i < 2000 * PIXELS; i++) assert_true(d.image[i] >= 0 && d.image[i] <= 1);
    for (int i = 0; i < 2000; i++) {
        assert_true(d.label[i] >= 0 && d.label[i] <= 9);
        count[d.label[i]]++;
    }
    for (int k = 0; k < 10; k++) assert_true(count[k] > 140 && count[k] < 260);
    drop(&d);
}

static int nearest(const double mean[10][PIXELS], const float *image)
{
    double least = 1e300;
    int best = 0;

    for (int k = 0; k < 10; k++) {
        double sum = 0;
        for (int i = 0; i < PIXELS; i++) sum += (image[i] - mean[k][i]) * (image[i] - mean[k][i]);
        if (sum < least) best = k;
        if (sum < least) least = sum;
    }
    return best;
}

static void the_nearest_mean_does_not_read_them(void **state)
{
    static double mean[10][PIXELS];
    digits train = draw(1, 4000), test = draw(2, 1000);
    int count[10] = { 0 }, right = 0;

    EK_UNUSED(state);
    for (int i = 0; i < 4000; i++) {
        count[train.label[i]]++;
        for (int p = 0; p < PIXELS; p++) mean[train.label[i]][p] += train.image[i * PIXELS + p];
    }
    for (int k = 0; k < 10; k++)
        for (int p = 0; p < PIXELS; p++) mean[k][p] /= count[k];
    for (int i = 0; i < 1000; i++) right += nearest((const double(*)[PIXELS])mean, test.image + i * PIXELS) == test.label[i];
    print_message("nearest mean: %.1f %%\n", 0.1 * right);
    assert_true(right < 850);
    assert_true(right > 300); /* and they are digits */
    drop(&train);
    drop(&test);
}

static void bad_requests_are_refused(void **state)
{
    ek_array *images = NULL, *labels = (ek_array *)(uintptr_t)1;

    EK_UNUSED(state);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_digits(1, -1, &images, &labels));
    assert_null(labels);
    assert_int_equal(EK_INVALID_ARGUMENT, ek_digits(1, 2, NULL, &labels));
    assert_non_null(strstr(ek_last_error()->text, "images is NULL"));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_digits(1, 2, &images, NULL));
    assert_int_equal(EK_OK, ek_digits(1, 0, &images, &labels));
    assert_int_equal(0, ek_array_count(images));
    ek_array_unref(images);
    ek_array_unref(labels);
    assert_int_not_equal(EK_OK, ek_digits(1, INT64_MAX / 2, &images, &labels));
    assert_null(images);
}

static ek_status everything(void)
{
    ek_array *images, *labels;
    const ek_status st = ek_digits(1, 2, &images, &labels);

    ek_array_unref(images);
    ek_array_unref(labels);
    return st;
}

static void memory_that_runs_out(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(everything, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_picture),
        cmocka_unit_test(pixels_and_labels_are_in_range_and_even),
        cmocka_unit_test(the_nearest_mean_does_not_read_them),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(memory_that_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
