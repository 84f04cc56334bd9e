/* ParseExample and ParseSingleExample: sparse and dense features, defaults, lengths that vary, records that do not fit. Answers
 * and words are TensorFlow's. */
#include "evenkeel/records.h"
#include "ops/texts.h"

/* A record with the features x (float32), y (int64) and s (strings), as far as they are given. */
static void put_record(ek_array *records, int64_t i, ek_array *x, ek_array *y, ek_array *s)
{
    const ek_array *const given[] = { x, y, s };
    const char *const name[] = { "x", "y", "s" };
    ek_named_array features[3];
    void *data;
    size_t size;
    int n = 0;

    for (int k = 0; k < 3; k++)
        if (given[k] != NULL) features[n++] = (ek_named_array){ name[k], given[k] };
    assert_int_equal(ek_example_encode(features, n, &data, &size, NULL), EK_OK);
    assert_int_equal(ek_array_set_string(records, i, data, size), EK_OK);
    ek_free(data);
    ek_array_unref(x);
    ek_array_unref(y);
    ek_array_unref(s);
}
#define FLOATS(...) \
    ek_array_of(EK_FLOAT32, EK_SHAPE((int64_t)(sizeof((float[]){ __VA_ARGS__ }) / 4)), (float[]){ __VA_ARGS__ })
#define LONGS(...) \
    ek_array_of(EK_INT64, EK_SHAPE((int64_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / 8)), (int64_t[]){ __VA_ARGS__ })

/* Two records: x = [1, 2], y = [3], s = [a, bc]; x = [5, 6], y = [7]. */
static ek_array *two(void)
{
    ek_array *records = ek_array_of(EK_STRING, EK_SHAPE(2), NULL);

    put_record(records, 0, FLOATS(1, 2), LONGS(3), TEXTS("a", "bc"));
    put_record(records, 1, FLOATS(5, 6), LONGS(7), NULL);
    return records;
}

static ek_array *none(ek_dtype t) { return ek_array_of(t, EK_SHAPE(0), NULL); }

enum { MOST = 8 };
/* Types of sparse and dense features, shapes of the dense ones. */
typedef struct features {
    int n_sparse, n_dense;
    ek_dtype sparse[2], dense[2];
    ek_shape shape[2];
} features;

static ek_attr list_of_types(const char *name, const ek_dtype *t, int n)
{
    return (ek_attr){ name, { .kind = EK_ATTR_LIST | EK_ATTR_TYPE, .count = n, .u.types = (ek_dtype *)(uintptr_t)t } };
}

static int attrs_of(const features *f, ek_attr *attr)
{
    attr[0] = ATTR_INT("Nsparse", f->n_sparse);
    attr[1] = ATTR_INT("Ndense", f->n_dense);
    attr[2] = list_of_types("sparse_types", f->sparse, f->n_sparse);
    attr[3] = list_of_types("Tdense", f->dense, f->n_dense);
    attr[4] = (ek_attr){ "dense_shapes", { .kind = EK_ATTR_LIST | EK_ATTR_SHAPE, .count = f->n_dense,
                                           .u.shapes = (ek_shape *)(uintptr_t)f->shape } };
    return 5;
}

static void parse(const features *f, int n_in, const ek_array *const *in, ek_array **out)
{
    ek_attr attr[5];

    run_op("ParseExample", attr, attrs_of(f, attr), n_in, in, 3 * f->n_sparse + f->n_dense, out);
    release_inputs(n_in, in);
}

static void refuse(const features *f, int n_in, const ek_array *const *in, const char *why)
{
    ek_attr attr[5];

    refuses("ParseExample", attr, attrs_of(f, attr), n_in, in, 3 * f->n_sparse + f->n_dense, EK_INVALID_ARGUMENT, why);
}

static void release(int n, ek_array **out)
{
    for (int i = 0; i < n; i++) ek_array_unref(out[i]);
}

static void sparse_and_dense_features_of_a_batch(void **state)
{
    const features f = { 1, 1, { EK_STRING }, { EK_FLOAT32 }, { EK_SHAPE(1, 2) } };
    ek_array *out[MOST];

    (void)state;
    parse(&f, INPUTS(two(), none(EK_STRING), TEXT("s"), TEXT("x"), none(EK_FLOAT32)), out);
    assert_memory_equal(ek_array_i64(out[0]), ((int64_t[]){ 0, 0, 0, 1 }), 32);
    EXPECT_TEXTS(out[1], "a", "bc");
    assert_memory_equal(ek_array_i64(out[2]), ((int64_t[]){ 2, 2 }), 16);
    assert_true(ek_shape_equal(ek_array_shape(out[3]), &EK_SHAPE(2, 1, 2)));
    assert_memory_equal(ek_array_f32(out[3]), ((float[]){ 1, 2, 5, 6 }), 16);
    release(4, out);
}

static void what_is_missing_takes_the_default(void **state)
{
    const features f = { 1, 1, { EK_INT64 }, { EK_STRING }, { EK_SHAPE(2) } };
    ek_array *out[MOST];

    (void)state;
    parse(&f, INPUTS(two(), none(EK_STRING), TEXT("y"), TEXT("s"), TEXTS("p", "q")), out);
    EXPECT_TEXTS(out[3], "a", "bc", "p", "q");
    assert_memory_equal(ek_array_i64(out[0]), ((int64_t[]){ 0, 0, 1, 0 }), 32);
    assert_memory_equal(ek_array_i64(out[1]), ((int64_t[]){ 3, 7 }), 16);
    release(4, out);
    refuse(&f, INPUTS(two(), none(EK_STRING), TEXT("y"), TEXT("s"), none(EK_STRING)),
           "Name: <unknown>, Feature: s (data type: string) is required but could not be found.");
    refuse(&f, INPUTS(two(), TEXTS("n0", "n1"), TEXT("y"), TEXT("s"), none(EK_STRING)), "Name: n1, Feature: s");
    refuse(&f, INPUTS(two(), none(EK_STRING), TEXT("y"), TEXT("s"), TEXTS("p")),
           "def_value[0].shape() == [1] is not compatible with dense_shapes_[0] == [2]");
}

/* x = [1, 2, 3, 4], [5, 6], nothing. */
static ek_array *three(void)
{
    ek_array *records = ek_array_of(EK_STRING, EK_SHAPE(3), NULL);

    put_record(records, 0, FLOATS(1, 2, 3, 4), NULL, NULL);
    put_record(records, 1, FLOATS(5, 6), NULL, NULL);
    put_record(records, 2, NULL, NULL, NULL);
    return records;
}

static void a_length_that_varies_is_the_longest(void **state)
{
    const features f = { 1, 1, { EK_FLOAT32 }, { EK_FLOAT32 }, { EK_SHAPE(-1, 2) } };
    const features odd = { 1, 1, { EK_FLOAT32 }, { EK_FLOAT32 }, { EK_SHAPE(-1, 3) } };
    ek_array *out[MOST];

    (void)state;
    parse(&f, INPUTS(three(), none(EK_STRING), TEXT("q"), TEXT("x"), FLOATS(-1)), out);
    assert_int_equal(ek_array_count(out[1]), 0);
    assert_memory_equal(ek_array_i64(out[2]), ((int64_t[]){ 3, 0 }), 16);
    assert_true(ek_shape_equal(ek_array_shape(out[3]), &EK_SHAPE(3, 2, 2)));
    assert_memory_equal(ek_array_f32(out[3]), ((float[]){ 1, 2, 3, 4, 5, 6, -1, -1, -1, -1, -1, -1 }), 48);
    release(4, out);
    refuse(&odd, INPUTS(three(), none(EK_STRING), TEXT("q"), TEXT("x"), FLOATS(-1)),
           "Name: <unknown>, Key: x, Index: 0.  Number of float values is not a multiple of stride length. Saw 4 values but output "
           "shape is: [?,3]");
    refuse(&f, INPUTS(three(), none(EK_STRING), TEXT("q"), TEXT("x"), FLOATS(1, 2)),
           "dense_shape[0] is a variable length shape: [?,2], therefore def_value[0] must contain a single element");
}

static void records_that_do_not_fit_are_refused(void **state)
{
    const features f = { 1, 1, { EK_INT64 }, { EK_FLOAT32 }, { EK_SHAPE(3) } };
    const features other = { 1, 1, { EK_INT64 }, { EK_INT64 }, { EK_SHAPE(2) } };

    (void)state;
    refuse(&f, INPUTS(two(), none(EK_STRING), TEXT("y"), TEXT("x"), none(EK_FLOAT32)),
           "Name: <unknown>, Key: x, Index: 0.  Number of float values != expected.  Values size: 2 but output shape: [3]");
    refuse(&other, INPUTS(two(), none(EK_STRING), TEXT("y"), TEXT("x"), none(EK_INT64)),
           "Name: <unknown>, Key: x, Index: 0.  Data types don't match. Data type: float but expected type: int64");
    refuse(&f, INPUTS(two(), none(EK_STRING), TEXT("s"), TEXT("q"), FLOATS(1, 2, 3)),
           "Name: <unknown>, Key: s, Index: 0.  Data types don't match. Expected type: int64, Actual type: string");
    refuse(&f, INPUTS(TEXTS("\x0a\x05" "a"), none(EK_STRING), TEXT("y"), TEXT("x"), none(EK_FLOAT32)), "Could not parse example input");
    refuse(&f, INPUTS(TEXT("a"), none(EK_STRING), TEXT("y"), TEXT("x"), none(EK_FLOAT32)),
           "Expected serialized to be a vector, got shape: []");
    refuse(&f, INPUTS(two(), TEXTS("n"), TEXT("y"), TEXT("x"), none(EK_FLOAT32)),
           "Expected names have the same shape as serialized: name.shape=[1], serialized.shape=[2]");
}

/* One record, keys in attributes. */
static void a_single_record_has_no_batch(void **state)
{
    static ek_string sparse_key[] = { { (char *)(uintptr_t)"s", 1 } }, dense_key[] = { { (char *)(uintptr_t)"x", 1 } };
    static const ek_dtype string[] = { EK_STRING }, real[] = { EK_FLOAT32 };
    ek_array *record = ek_array_of(EK_STRING, EK_SHAPE(1), NULL), *scalar = ek_array_of(EK_STRING, EK_SCALAR, NULL), *out[MOST];
    const ek_attr attr[] = {
        ATTR_INT("num_sparse", 1), list_of_types("sparse_types", string, 1), list_of_types("Tdense", real, 1),
        { "dense_shapes", { .kind = EK_ATTR_LIST | EK_ATTR_SHAPE, .count = 1, .u.shapes = &EK_SHAPE(2) } },
        { "sparse_keys", { .kind = EK_ATTR_LIST | EK_ATTR_STRING, .count = 1, .u.ss = sparse_key } },
        { "dense_keys", { .kind = EK_ATTR_LIST | EK_ATTR_STRING, .count = 1, .u.ss = dense_key } } };

    (void)state;
    put_record(record, 0, FLOATS(1, 2), NULL, TEXTS("a", "bc"));
    const ek_string *const s = ek_array_cdata(record);
    assert_int_equal(ek_array_set_string(scalar, 0, s->data, s->size), EK_OK);
    const ek_array *const in[] = { scalar, none(EK_FLOAT32) };
    run_op("ParseSingleExample", attr, EK_COUNT_OF(attr), 2, in, 4, out);
    release_inputs(2, in);
    assert_memory_equal(ek_array_i64(out[0]), ((int64_t[]){ 0, 1 }), 16);
    EXPECT_TEXTS(out[1], "a", "bc");
    assert_int_equal(ek_array_i64(out[2])[0], 2);
    assert_true(ek_shape_equal(ek_array_shape(out[3]), &EK_SHAPE(2)));
    assert_memory_equal(ek_array_f32(out[3]), ((float[]){ 1, 2 }), 8);
    release(4, out);
    ek_array_unref(record);
}

/* A SavedModel of TensorFlow Serving: one sparse, one dense feature, and lists of keys and defaults that differ in length. */
static void a_served_model_reads_its_records(void **state)
{
    const char *path = ek_test_data("saved-models/half_plus_two");
    ek_saved_model *model;
    ek_array *records, *out = NULL;
    ek_tensor x, y;
    ek_graph *g;

    (void)state;
    if (path == NULL) skip();
    EK_DIE(ek_saved_model_open(path, &model, NULL));
    EK_DIE(ek_saved_model_graph(model, 0, &g, NULL));
    records = ek_array_of(EK_STRING, EK_SHAPE(2), NULL);
    put_record(records, 0, FLOATS(6), NULL, NULL);
    put_record(records, 1, FLOATS(-2), NULL, NULL);
    EK_DIE(ek_graph_tensor_by_name(g, "tf_example:0", &x));
    EK_DIE(ek_graph_tensor_by_name(g, "y:0", &y));
    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    EK_DIE(ek_run(s, .feed = { { x, records } }, .fetch = { { y, &out } }));
    assert_int_equal(ek_array_count(out), 2);
    assert_true(ek_array_f32(out)[0] == 5 && ek_array_f32(out)[1] == 1);
    ek_array_unref(out);
    ek_array_unref(records);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    ek_saved_model_close(model);
}

static ek_status everything(void)
{
    const features f = { 1, 1, { EK_INT64 }, { EK_STRING }, { EK_SHAPE(1) } };
    static const char record[] = "\n\x19\n\x0b\n\x01s\x12\x06\n\x04\n\x02hi\n\x0a\n\x01y\x12\x05\x1a\x03\n\x01\x07";
    ek_array *in[5] = { NULL }, *out[4] = { NULL };
    ek_error err = { 0 };
    ek_attr attr[5];
    ek_status st = ek_array_create(EK_STRING, EK_SHAPE(2), NULL, &in[0]);

    for (int i = 0; i < 2 && st == EK_OK; i++) st = ek_array_set_string(in[0], i, record, sizeof record - 1);
    if (st == EK_OK) st = ek_array_create(EK_STRING, EK_SHAPE(0), NULL, &in[1]);
    for (int i = 2; i < 4 && st == EK_OK; i++) st = ek_array_create(EK_STRING, EK_SCALAR, NULL, &in[i]);
    if (st == EK_OK) st = ek_array_set_string(in[2], 0, "y", 1);
    if (st == EK_OK) st = ek_array_set_string(in[3], 0, "s", 1);
    if (st == EK_OK) st = ek_array_create(EK_STRING, EK_SHAPE(0), NULL, &in[4]);
    if (st == EK_OK)
        st = ek__op_eval("ParseExample", attr, attrs_of(&f, attr), 5, (const ek_array *const *)in, 4, out, &err);
    release(4, out);
    release(5, in);
    return st;
}

static void memory_that_is_refused_is_told(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sparse_and_dense_features_of_a_batch),
        cmocka_unit_test(what_is_missing_takes_the_default),
        cmocka_unit_test(a_length_that_varies_is_the_longest),
        cmocka_unit_test(records_that_do_not_fit_are_refused),
        cmocka_unit_test(a_single_record_has_no_batch),
        cmocka_unit_test(a_served_model_reads_its_records),
        cmocka_unit_test(memory_that_is_refused_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
