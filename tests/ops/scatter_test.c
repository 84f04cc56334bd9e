/* Rows by index, what the cases do not cover: many chunks, types without a loop, empty operands, odd blocks. */
#include "ops/one_op.h"

enum { ROWS = 13, WIDTH = 9000, N = 40 };

static ek_array *numbers(ek_shape shape)
{
    ek_array *a = ek_array_of(EK_FLOAT32, shape, NULL);
    float *x = ek_array_data(a);

    for (int64_t i = 0; i < ek_array_count(a); i++) x[i] = (float)(i * 37 % 101);
    return a;
}

/* Sums of whole numbers are exact: the order in which chunks run shows only if a row is lost or taken twice. */
static void test_segments_in_many_chunks(void **state)
{
    ek_array *data = numbers(EK_SHAPE(N, WIDTH)), *ids = ek_array_of(EK_INT32, EK_SHAPE(N), NULL), *sorted, *unsorted;
    ek_array *num = ek_array_of(EK_INT32, EK_SCALAR, &(int32_t){ROWS});
    const float *x = ek_array_f32(data);

    (void)state;
    for (int i = 0; i < N; i++) ((int32_t *)ek_array_data(ids))[i] = i * (ROWS - 1) / (N - 1);
    run_op("SegmentSum", NO_ATTRS, INPUTS(data, ids), 1, &sorted);
    run_op("UnsortedSegmentSum", NO_ATTRS, INPUTS(data, ids, num), 1, &unsorted);
    assert_memory_equal(ek_array_cdata(sorted), ek_array_cdata(unsorted), ROWS * WIDTH * sizeof(float));
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < WIDTH; j += 97) {
            float sum = 0;

            for (int i = 0; i < N; i++) sum += ek_array_i32(ids)[i] == r ? x[i * WIDTH + j] : 0;
            assert_true(ek_array_f32(sorted)[r * WIDTH + j] == sum);
        }
    ek_array_unref(data);
    ek_array_unref(ids);
    ek_array_unref(num);
    ek_array_unref(sorted);
    ek_array_unref(unsorted);
}

/* Segments that nobody has, extremes of small types, no rows at all. */
static void test_segments_without_rows(void **state)
{
    ek_array *data = ek_array_of(EK_INT8, EK_SHAPE(2), (int8_t[]){-3, 5}),
             *none = ek_array_of(EK_INT8, EK_SHAPE(0), NULL);
    ek_array *ids = ek_array_of(EK_INT64, EK_SHAPE(2), (int64_t[]){1, 1}),
             *no_ids = ek_array_of(EK_INT64, EK_SHAPE(0), NULL);
    ek_array *num = ek_array_of(EK_INT32, EK_SCALAR, &(int32_t){3}), *out;

    (void)state;
    run_op("UnsortedSegmentMax", NO_ATTRS, INPUTS(data, ids, num), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int8_t[]){-128, 5, -128}), 3);
    ek_array_unref(out);
    run_op("UnsortedSegmentMin", NO_ATTRS, INPUTS(data, ids, num), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int8_t[]){127, -3, 127}), 3);
    ek_array_unref(out);
    run_op("SegmentProd", NO_ATTRS, INPUTS(data, ids), 1, &out);
    assert_memory_equal(ek_array_cdata(out), ((int8_t[]){1, -15}), 2);
    ek_array_unref(out);
    run_op("SegmentMean", NO_ATTRS, INPUTS(none, no_ids), 1, &out);
    assert_int_equal(ek_array_count(out), 0);
    ek_array_unref(out);
    ek_array_unref(data);
    ek_array_unref(none);
    ek_array_unref(ids);
    ek_array_unref(no_ids);
    ek_array_unref(num);
}

static void test_tensors_keep_what_no_update_names(void **state)
{
    ek_array *x = numbers(EK_SHAPE(ROWS, WIDTH)), *at = ek_array_of(EK_INT32, EK_SHAPE(2, 1), (int32_t[]){4, 4});
    ek_array *rows = numbers(EK_SHAPE(2, WIDTH)), *far = ek_array_of(EK_INT32, EK_SHAPE(2, 1), (int32_t[]){4, ROWS}),
             *out;

    (void)state;
    run_op("TensorScatterUpdate", NO_ATTRS, INPUTS(x, at, rows), 1, &out);
    for (int i = 0; i < ROWS * WIDTH; i++) {
        const float expected = i / WIDTH == 4 ? ek_array_f32(rows)[WIDTH + i % WIDTH] : ek_array_f32(x)[i];
        assert_true(ek_array_f32(out)[i] == expected);
    }
    ek_array_unref(out);
    refuse_op("TensorScatterAdd", NO_ATTRS, INPUTS(x, far, rows), 1, EK_INVALID_ARGUMENT,
              "indices[1] = [13] does not index into shape [13,9000]");
    refuse_op("TensorScatterAdd", NO_ATTRS, INPUTS(x, at, x), 1, EK_INVALID_ARGUMENT, "must match dimensions [0,1)");
    ek_array_unref(x);
    ek_array_unref(at);
    ek_array_unref(rows);
    ek_array_unref(far);
}

/* There and back again gives the same image, whatever the block. */
static void test_blocks_there_and_back(void **state)
{
    static const int32_t block[][2] = {{1, 1}, {2, 3}, {5, 1}, {7, 9}};
    ek_array *x = numbers(EK_SHAPE(2, 5, 6, 3));

    (void)state;
    for (int k = 0; k < 4; k++) {
        const int32_t h = block[k][0], w = block[k][1], pads[] = {2, (h - 7 % h) % h, 1, (w - 7 % w) % w};
        ek_array *size = ek_array_of(EK_INT32, EK_SHAPE(2), block[k]),
                 *around = ek_array_of(EK_INT32, EK_SHAPE(2, 2), pads);
        ek_array *batch, *back;

        run_op("SpaceToBatchND", NO_ATTRS, INPUTS(x, size, around), 1, &batch);
        run_op("BatchToSpaceND", NO_ATTRS, INPUTS(batch, size, around), 1, &back);
        assert_int_equal(ek_array_shape(batch)->dim[0], 2 * h * w);
        assert_memory_equal(ek_array_cdata(back), ek_array_cdata(x), ek_array_bytes(x));
        ek_array_unref(size);
        ek_array_unref(around);
        ek_array_unref(batch);
        ek_array_unref(back);
    }
    ek_array_unref(x);
}

static void test_depth_of_channels_first(void **state)
{
    ek_array *x = numbers(EK_SHAPE(2, 3, 4, 6)), *deep, *back;

    (void)state;
    run_op("SpaceToDepth", ATTRS(ATTR_INT("block_size", 2), ATTR_STRING("data_format", "NCHW")), INPUTS(x), 1, &deep);
    assert_int_equal(ek_array_shape(deep)->dim[1], 12);
    /* Channel (i * 2 + j) * 3 + c at (y, x) is channel c at (2 y + i, 2 x + j). */
    assert_true(ek_array_f32(deep)[(7 * 2 + 1) * 3 + 2] == ek_array_f32(x)[(1 * 4 + 3) * 6 + 4]);
    run_op("DepthToSpace", ATTRS(ATTR_INT("block_size", 2), ATTR_STRING("data_format", "NCHW")), INPUTS(deep), 1,
           &back);
    assert_memory_equal(ek_array_cdata(back), ek_array_cdata(x), ek_array_bytes(x));
    ek_array_unref(x);
    ek_array_unref(deep);
    ek_array_unref(back);
}

static void test_largest_of_many_rows(void **state)
{
    ek_array *x = numbers(EK_SHAPE(700, 101)), *k = ek_array_of(EK_INT32, EK_SCALAR, &(int32_t){101}), *out[2];

    (void)state;
    run_op("TopKV2", NO_ATTRS, INPUTS(x, k), 2, out);
    for (int i = 0; i < 700 * 101; i++) {
        const int at = ek_array_i32(out[1])[i];

        assert_true(ek_array_f32(out[0])[i] == (float)(100 - i % 101));
        assert_true(ek_array_f32(x)[i / 101 * 101 + at] == ek_array_f32(out[0])[i]);
    }
    for (int i = 0; i < 2; i++) ek_array_unref(out[i]);
    ek_array_unref(x);
    ek_array_unref(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_in_many_chunks),           cmocka_unit_test(test_segments_without_rows),
        cmocka_unit_test(test_tensors_keep_what_no_update_names), cmocka_unit_test(test_blocks_there_and_back),
        cmocka_unit_test(test_depth_of_channels_first),           cmocka_unit_test(test_largest_of_many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
