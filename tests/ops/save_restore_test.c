/* SaveV2, RestoreV2, MergeV2Checkpoints and the names of shards; Restore and RestoreSlice of checkpoints of version 1.
 * What is in the files: tests/codec/bundle_test.c. */
#include <stdlib.h>
#include <unistd.h>

#include "ops/texts.h"
#include "support/building.h"
#include "support/folder.h"

static char prefix[4096];

static int make_folder(void **state)
{
    EK_UNUSED(state);
    return test_folder_setup_path(prefix, sizeof prefix, "new/model");
}

#define TYPES(n, ...)                                                                                                  \
    ((ek_attr){(n),                                                                                                    \
               {.kind = EK_ATTR_LIST | EK_ATTR_TYPE,                                                                   \
                .count = sizeof((ek_dtype[]){__VA_ARGS__}) / sizeof(ek_dtype),                                         \
                .u.types = (ek_dtype[]){__VA_ARGS__}}})
#define FLOATS(...) \
    ek_array_of(EK_FLOAT32, EK_SHAPE((int64_t)(sizeof((float[]){ __VA_ARGS__ }) / 4)), (float[]){ __VA_ARGS__ })

static void save_some(void)
{
    const ek_array *in[] = {TEXT(prefix),
                            TEXTS("a", "b/c", "p", "p"),
                            TEXTS("", "", "5 0,2", "5 2,3"),
                            FLOATS(1, 2, 3),
                            TEXT("text"),
                            FLOATS(0, 1),
                            FLOATS(2, 3, 4)};

    run_op("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32, EK_STRING, EK_FLOAT32, EK_FLOAT32)), 7, in, 0, NULL);
    release_inputs(7, in);
}

static void expect_floats(ek_array *a, int n, const float *want)
{
    assert_int_equal(ek_array_dtype(a), EK_FLOAT32);
    assert_int_equal(ek_array_count(a), n);
    assert_memory_equal(ek_array_cdata(a), want, (size_t)n * sizeof *want);
    ek_array_unref(a);
}
#define EXPECT_FLOATS(a, ...) expect_floats((a), (int)(sizeof((float[]){ __VA_ARGS__ }) / 4), (float[]){ __VA_ARGS__ })

static void what_was_saved_is_restored(void **state)
{
    const ek_array *in[] = { TEXT(prefix), TEXTS("b/c", "p", "a", "p"), TEXTS("", "", "3 -", "5 1,3") };
    ek_array *out[4];

    (void)state;
    save_some();
    run_op("RestoreV2", ATTRS(TYPES("dtypes", EK_STRING, EK_FLOAT32, EK_FLOAT32, EK_FLOAT32)), 3, in, 4, out);
    release_inputs(3, in);
    assert_int_equal(ek_array_rank(out[0]), 0);
    GIVES(out[0], "text");
    EXPECT_FLOATS(out[1], 0, 1, 2, 3, 4);
    EXPECT_FLOATS(out[2], 1, 2, 3);
    EXPECT_FLOATS(out[3], 1, 2, 3);
}

static void mistakes_are_told_as_tensorflow_does(void **state)
{
    (void)state;
    save_some();
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("x"), TEXTS("")), 1,
            EK_NOT_FOUND, "Key x not found in checkpoint");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT64)), INPUTS(TEXT(prefix), TEXTS("a"), TEXTS("")), 1,
            EK_INVALID_ARGUMENT, "tensor_name = a; expected dtype double does not equal original dtype float");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("a"), TEXTS("4 0,2")), 1,
            EK_INVALID_ARGUMENT,
            "tensor_name = a; shape in shape_and_slice spec [4] does not match the shape stored in checkpoint: [3]");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("a"), TEXTS("3 x")), 1,
            EK_INVALID_ARGUMENT, "Expected a pair of numbers or '-' but got 'x'");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("a", "p"), TEXTS("", "")), 1,
            EK_INVALID_ARGUMENT, "Got 2 tensor names, but 1 expected dtypes.");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("a"), TEXTS("", "")), 1,
            EK_INVALID_ARGUMENT, "tensor_names and shape_and_slices have different number of elements: 1 vs. 2");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXTS("a", "b"), TEXTS("a"), TEXTS("")), 1,
            EK_INVALID_ARGUMENT, "Input prefix should have a single element, got 2 instead.");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT("/none"), TEXTS("a"), TEXTS("")), 1,
            EK_NOT_FOUND, "Failed to find any matching files for /none");
    refuses("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32, EK_FLOAT32)),
            INPUTS(TEXT(prefix), TEXTS("w", "w"), TEXTS("", ""), FLOATS(1), FLOATS(2)), 0, EK_INVALID_ARGUMENT,
            "Adding duplicate key: w");
    refuses("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("w"), TEXTS("5 0,3"), FLOATS(1)),
            0, EK_INVALID_ARGUMENT,
            "Slice in shape_and_slice specification does not match the shape of the tensor to  save: 5 0,3, "
            "tensor: [1]");
    refuses("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32)),
            INPUTS(TEXT(prefix), TEXTS("v", "w"), TEXTS("", ""), FLOATS(1)), 0, EK_INVALID_ARGUMENT,
            "Got 2 tensor names but 1 tensors.");
    refuses("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32)),
            INPUTS(TEXT("/dev/null/x/y"), TEXTS("w"), TEXTS(""), FLOATS(1)), 0, EK_NOT_FOUND, "Not a directory");
    refuses("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(prefix), BYTES("a\0b"), TEXTS("")), 1,
            EK_INVALID_ARGUMENT, "holds a NUL");
    refuses("Save", ATTRS(TYPES("T", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("w"), FLOATS(1)), 0, EK_UNIMPLEMENTED,
            "Save writes a checkpoint of version 1; those are restored here, but not saved: save with SaveV2");
    refuses("SaveSlices", ATTRS(TYPES("T", EK_FLOAT32)), INPUTS(TEXT(prefix), TEXTS("w"), TEXTS(""), FLOATS(1)), 0,
            EK_UNIMPLEMENTED, "SaveSlices writes a checkpoint of version 1");
}

static void names_in_shards(void **state)
{
    (void)state;
    GIVES(one_of("ShardedFilename", NO_ATTRS, INPUTS(TEXT("model"), INT32(1), INT32(12))), "model-00001-of-00012");
    GIVES(one_of("ShardedFilespec", NO_ATTRS, INPUTS(TEXT("model"), INT32(12))), "model-\?\?\?\?\?-of-00012");
}

static void shards_are_merged(void **state)
{
    char part[2][4200];
    ek_array *out[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(part[i], sizeof part[i], "%s/model_temp/part-0000%d-of-00002", test_folder, i);
        const ek_array *in[] = { TEXT(part[i]), TEXTS(i == 0 ? "a" : "b"), TEXTS(""), FLOATS((float)i) };
        run_op("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), 4, in, 0, NULL);
        release_inputs(4, in);
    }
    const ek_array *merge[] = { TEXTS(part[0], part[1]), TEXT(prefix) };
    run_op("MergeV2Checkpoints", NO_ATTRS, 2, merge, 0, NULL);
    release_inputs(2, merge);
    snprintf(part[0], sizeof part[0], "%s/new", test_folder);
    assert_int_equal(test_folder_count(part[0], NULL), 3);
    assert_int_equal(test_folder_count(test_folder, NULL), 1); /* the temporary folder is gone */
    const ek_array *in[] = { TEXT(prefix), TEXTS("a", "b"), TEXTS("", "") };
    run_op("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32, EK_FLOAT32)), 3, in, 2, out);
    release_inputs(3, in);
    EXPECT_FLOATS(out[0], 0);
    EXPECT_FLOATS(out[1], 1);
}

/* ---- version 1 ------------------------------------------------------------------------------------------------- */

static void version_1_is_restored(void **state)
{
    ek_array *v1, *v2, *slice;
    char path[4096];

    (void)state;
    if (ek_test_data("tf-files") == NULL) skip();
    snprintf(path, sizeof path, "%s/model.ckpt", ek_test_data("tf-files/ckpt-v1-sharded-slices"));
    v2 = one_of("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), INPUTS(TEXT(path), TEXTS("sliced"), TEXTS("")));
    strcat(path, "-\?\?\?\?\?-of-00002");
    v1 = one_of("Restore", ATTRS(ATTR_TYPE("dt", EK_FLOAT32)), INPUTS(TEXT(path), TEXT("sliced")));
    slice = one_of("RestoreSlice", ATTRS(ATTR_TYPE("dt", EK_FLOAT32)),
                   INPUTS(TEXT(path), TEXT("sliced"), TEXT("6 4 1,3:0,4")));
    assert_true(ek__array_equal(v1, v2));
    assert_int_equal(ek_array_dim(slice, 0), 3);
    assert_memory_equal(ek_array_cdata(slice), ek_array_f32(v1) + 4, 12 * sizeof(float));
    ek_array_unref(v1);
    ek_array_unref(v2);
    ek_array_unref(slice);
    refuses("Restore", ATTRS(ATTR_TYPE("dt", EK_FLOAT32)), INPUTS(TEXT(path), TEXT("x")), 1, EK_NOT_FOUND,
            "Tensor name \"x\" not found in checkpoint files ");
    refuses("Restore", ATTRS(ATTR_TYPE("dt", EK_INT32)), INPUTS(TEXT(path), TEXT("sliced")), 1, EK_INVALID_ARGUMENT,
            "Expected to restore a tensor of type int32, got a tensor of type float instead: tensor_name = sliced");
    refuses("RestoreSlice", ATTRS(ATTR_TYPE("dt", EK_FLOAT32)), INPUTS(TEXT(path), TEXT("sliced"), TEXT("6 5 1,3:0,4")),
            1, EK_INVALID_ARGUMENT,
            "Shape in shape_and_slice spec does not match the shape in the save file: [6,5], save file shape: [6,4]");
    refuses("Restore", ATTRS(ATTR_TYPE("dt", EK_FLOAT32)), INPUTS(TEXTS("a", "b"), TEXT("sliced")), 1,
            EK_INVALID_ARGUMENT, "Input 0 (file_pattern) must be a string scalar; got a tensor of 2 elements");
}

/* ---- in a session ---------------------------------------------------------------------------------------------- */

static ek_tensor text_constant(ek_graph *g, ek_array *a)
{
    const ek_tensor t = ek_constant(g, ek_value(a));

    ek_array_unref(a);
    return t;
}

/* The ops of a Saver, by hand: save, restore into the variable. */
typedef struct program {
    ek_graph *g;
    ek_tensor where;
    ek_variable v;
    ek_op save, read, restore, add;
} program;

static program make_program(bool resource)
{
    program p = { .g = ek_graph_create() };
    const ek_attribute types = { "dtypes", EK_A_TYPES, { .types = (ek_dtype[]){ EK_FLOAT32 } }, 1 };

    p.where = ek_placeholder(p.g, EK_STRING, .shape = EK_SCALAR, .name = "where");
    p.v = ek_get_variable(p.g, "v", .shape = EK_SHAPE(2), .initializer = ek_zeros_initializer(),
                          .use_resource = resource ? EK_YES : EK_NO);
    const ek_tensor names = text_constant(p.g, TEXTS("v")), slices = text_constant(p.g, TEXTS(""));
    const ek_tensor value = resource ? ek_variable_value(p.v) : ek_op_output(ek_variable_op(p.v), 0);
    p.save = ek_op_build(p.g, "SaveV2", .inputs = (ek_tensor[]){ p.where, names, slices, value }, .n_inputs = 4);
    p.read = ek_op_build(p.g, "RestoreV2", .inputs = (ek_tensor[]){p.where, names, slices}, .n_inputs = 3,
                         .attributes = &types, .n_attributes = 1);
    p.restore = ek_tensor_op(ek_assign(p.v, ek_op_output(p.read, 0)));
    p.add = ek_tensor_op(ek_assign_add(p.v, ek_ones(p.g, EK_SHAPE(2))));
    expect_fine(p.g);
    return p;
}

static void run_at(ek_session *s, const program *p, ek_op op, const char *where)
{
    ek_array *text = TEXT(where);
    ek_error err = { .code = EK_OK };

    if (ek_run(s, .feed = { { p->where, text } }, .target = { op }, .error = &err) != EK_OK) fail_msg("%s", err.text);
    ek_array_unref(text);
}

static void variables_are_saved_and_restored(void **state)
{
    char other[4200];

    (void)state;
    snprintf(other, sizeof other, "%s-2", prefix);
    for (int resource = 0; resource < 2; resource++) {
        program p = make_program(resource != 0);
        ek_session *s = ek_session_create(p.g);
        EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(p.g) }));
        EK_DIE(ek_run(s, .target = { p.add }));
        run_at(s, &p, p.save, prefix); /* 1 */
        EK_DIE(ek_run(s, .target = { p.add }));
        run_at(s, &p, p.save, other); /* 2 */
        EK_DIE(ek_run(s, .target = { p.add }));
        for (int i = 0; i < 3; i++) {
            run_at(s, &p, p.restore, prefix);
            assert_true(number_now(s, p.v, 1) == 1);
            run_at(s, &p, p.restore, other);
            assert_true(number_now(s, p.v, 1) == 2);
        }
        ek_session_destroy(s);
        s = ek_session_create(p.g); /* nothing is initialized, and need not be */
        run_at(s, &p, p.restore, prefix);
        assert_true(number_now(s, p.v, 0) == 1);
        ek_session_destroy(s);
        ek_graph_destroy(p.g);
    }
}

/* What a checkpoint holds when the run comes to it counts: other shapes in every run, and a checkpoint that the run
 * itself makes. */
static void the_file_is_asked_in_every_run(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_attribute types = { "dtypes", EK_A_TYPES, { .types = (ek_dtype[]){ EK_FLOAT32 } }, 1 };
    const ek_tensor where = text_constant(g, TEXT(prefix)), names = text_constant(g, TEXTS("x")),
                    slices = text_constant(g, TEXTS("")), x = ek_placeholder(g, EK_FLOAT32, .shape = EK_UNKNOWN_SHAPE);
    const ek_op save = ek_op_build(g, "SaveV2", .inputs = (ek_tensor[]){ where, names, slices, x }, .n_inputs = 4),
                read = ek_op_build(g, "RestoreV2", .inputs = (ek_tensor[]){ where, names, slices }, .n_inputs = 3,
                                   .attributes = &types, .n_attributes = 1, .control = &save, .n_control = 1);
    const ek_tensor twice = ek_times(ek_op_output(read, 0), 2.0);
    ek_session *s = ek_session_create(g);

    (void)state;
    expect_fine(g);
    for (int64_t n = 3; n > 0; n--) {
        ek_array *in = ek_array_of(EK_FLOAT32, EK_SHAPE(n), (float[]){ 1, 2, 3 }), *out = NULL;
        EK_DIE(ek_run(s, .feed = { { x, in } }, .fetch = { { twice, &out } }));
        assert_int_equal(ek_array_count(out), n);
        assert_true(ek_array_f32(out)[n - 1] == 2 * (float)n);
        ek_array_unref(in);
        ek_array_unref(out);
    }
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

/* A save comes after the writes it depends on, and before those that depend on it. */
static void saving_keeps_its_place_among_writes(void **state)
{
    (void)state;
    for (int resource = 0; resource < 2; resource++) {
        program p = make_program(resource != 0);
        ek_op save, after;
        ek_with_control_dependencies(p.g, EK_LIST(p.add)) {
            const ek_tensor value =
                resource
                    ? ek_op_output(
                          ek_op_build(p.g, "ReadVariableOp",
                                      .inputs = (ek_tensor[]){ek_op_output(ek_variable_op(p.v), 0)}, .n_inputs = 1,
                                      .attributes = (ek_attribute[]){{"dtype", EK_A_TYPE, {.type = EK_FLOAT32}, 0}},
                                      .n_attributes = 1),
                          0)
                    : ek_op_output(ek_variable_op(p.v), 0);
            save = ek_op_build(p.g, "SaveV2", .inputs = (ek_tensor[]){ p.where, text_constant(p.g, TEXTS("v")),
                               text_constant(p.g, TEXTS("")), value }, .n_inputs = 4);
        }
        ek_with_control_dependencies(p.g, EK_LIST(save)) {
            after = ek_tensor_op(ek_assign_add(p.v, ek_ones(p.g, EK_SHAPE(2))));
        }
        expect_fine(p.g);
        ek_session *s = ek_session_create(p.g);
        EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(p.g) }));
        run_at(s, &p, after, prefix);
        assert_true(number_now(s, p.v, 0) == 2);
        run_at(s, &p, p.restore, prefix);
        assert_true(number_now(s, p.v, 0) == 1);
        ek_session_destroy(s);
        ek_graph_destroy(p.g);
    }
}

static void a_wrong_shape_is_told_by_the_assignment(void **state)
{
    program p = make_program(false);
    const ek_array *in[] = { TEXT(prefix), TEXTS("v"), TEXTS(""), FLOATS(1, 2, 3) };
    ek_session *s = ek_session_create(p.g);
    ek_error err = { .code = EK_OK };

    (void)state;
    run_op("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32)), 4, in, 0, NULL);
    assert_int_equal(ek_run(s, .feed = {{p.where, (ek_array *)(uintptr_t)in[0]}}, .target = {p.restore}, .error = &err),
                     EK_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "Assign requires shapes of both tensors to match. lhs shape= [2] rhs shape= [3]"));
    release_inputs(4, in);
    ek_session_destroy(s);
    ek_graph_destroy(p.g);
}

/* While a graph is built no file is opened; a slice that is asked for tells a shape. */
static void shapes_are_those_of_slices_while_building(void **state)
{
    ek_graph *g = ek_graph_create();
    const ek_attribute types = { "dtypes", EK_A_TYPES, { .types = (ek_dtype[]){ EK_FLOAT32, EK_FLOAT32 } }, 2 };
    const ek_op read =
        ek_op_build(g, "RestoreV2",
                    .inputs = (ek_tensor[]){text_constant(g, TEXT("/none")), text_constant(g, TEXTS("a", "b")),
                                            text_constant(g, TEXTS("", "5 3 1,2:-"))},
                    .n_inputs = 3, .attributes = &types, .n_attributes = 1);
    char text[64];

    (void)state;
    expect_fine(g);
    const ek_shape a = ek_tensor_shape(ek_op_output(read, 0)), b = ek_tensor_shape(ek_op_output(read, 1));
    assert_int_equal(a.rank, -1);
    ek_shape_format(&b, text, sizeof text);
    assert_string_equal(text, "(2, 3)");
    ek_graph_destroy(g);
}

static void memory_that_runs_out_is_told(void **state)
{
    const ek_array *in[] = { TEXT(prefix), TEXTS("a", "b"), TEXTS("", ""), FLOATS(1, 2), TEXTS("x", "y") };

    (void)state;
    for (long k = 1;; k++) {
        ek_test_allocator t;
        ek_array *out[2] = { NULL };
        ek_error err = { .code = EK_OK };

        ek_test_allocator_install(&t, k);
        ek_status st = ek__op_eval("SaveV2", ATTRS(TYPES("dtypes", EK_FLOAT32, EK_STRING)), 5, in, 0, NULL, &err);
        if (st == EK_OK)
            st = ek__op_eval("RestoreV2", ATTRS(TYPES("dtypes", EK_FLOAT32, EK_STRING)), 3, in, 2, out, &err);
        ek_array_unref(out[0]);
        ek_array_unref(out[1]);
        const long live = t.live, calls = t.calls;
        ek_test_allocator_remove();
        assert_int_equal(live, 0);
        if (calls < k) break;
        assert_int_equal(st, EK_RESOURCE_EXHAUSTED);
    }
    release_inputs(5, in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_saved_is_restored, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_told_as_tensorflow_does, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(names_in_shards, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(shards_are_merged, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(version_1_is_restored, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(variables_are_saved_and_restored, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(the_file_is_asked_in_every_run, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(saving_keeps_its_place_among_writes, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_wrong_shape_is_told_by_the_assignment, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(shapes_are_those_of_slices_while_building, make_folder, test_folder_teardown),
        cmocka_unit_test_setup_teardown(memory_that_runs_out_is_told, make_folder, test_folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
