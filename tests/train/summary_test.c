/* tf.summary: nodes, names and tags as TensorFlow makes them; merging; refusals. What they compute: ops/summarize_test.c. */
#include "support/building.h"
#include "support/support.h"

static void tags_are_scopes_made_clean(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_constant(g, ek_float(1), .name = "x");

    (void)state;
    ek_with_name_scope(g, "outer") {
        ek_summary_scalar("a b:c/!", x);
        ek_summary_scalar("a b:c/!", x);
        ek_summary_scalar("//s", x, .family = "fam ily");
    }
    expect_fine(g);
    expect_names(g, 1, "outer/a_b_c/_/tags outer/a_b_c/_ outer/a_b_c/__1/tags outer/a_b_c/__1 outer/fam_ily/s/tags outer/fam_ily/s");
    char *text = ek_op_str(ek_graph_op_at(g, 5));
    assert_non_null(strstr(text, "string_val: \"fam_ily/outer/fam_ily/s\""));
    ek_free(text);
    ek_summary_scalar("gr\xc3\xb6\xc3\x9f" "e", x); /* one '_' for a character, however many bytes it has */
    assert_string_equal(ek_op_name(ek_graph_op_at(g, 8)), "gr__e");
    ek_graph_destroy(g);
}

static void every_kind_has_tensorflows_nodes(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_variable v = ek_get_variable(g, "v", .shape = EK_SHAPE(2), .initializer = ek_zeros_initializer());
    const int64_t from = ek_graph_op_count(g);

    (void)state;
    ek_tensor picture = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 2, 2, 1), .name = "p");
    ek_tensor text = ek_placeholder(g, EK_STRING, .name = "q");
    ek_summary_image("i", picture, .max_outputs = 1);
    ek_summary_text("t", text);
    ek_summary_histogram("h", v, .collection = "mine");
    ek_summary_merge_all(g, .collection = "merged");
    ek_summary_merge(ek_get_collection(g, "merged"), .name = "named");
    expect_fine(g);
    expect_names(g, from, "p q i/tag i t/tag t/serialized_summary_metadata t h/tag h Merge/MergeSummary named/named");
    assert_int_equal(ek_get_collection(g, EK_SUMMARIES).count, 2);
    assert_int_equal(ek_get_collection(g, "mine").count, 1);
    char *node = ek_op_str(ek_tensor_op(ek_list_tensor(ek_get_collection(g, EK_SUMMARIES), 0)));
    assert_non_null(strstr(node, "key: \"max_images\"\n  value {\n    i: 1"));
    assert_non_null(strstr(node, "int_val: 255\n      int_val: 0\n      int_val: 0\n      int_val: 255"));
    ek_free(node);
    ek_graph_destroy(g);
}

static void nothing_to_merge_is_no_failure(void **state)
{
    ek_graph *g = ek_graph_create();

    (void)state;
    assert_false(ek_tensor_ok(ek_summary_merge_all(g)));
    expect_fine(g);
    ek_summary_scalar("a", ek_constant(g, ek_float(1)));
    ek_summary_scalar("b", ek_constant(g, ek_float(1)));
    ek_tensor a = ek_summary_merge_all(g, .scope = "a");
    assert_int_equal(ek_op_input_count(ek_tensor_op(a)), 1);
    assert_false(ek_tensor_ok(ek_summary_merge_all(g, .key = "others")));
    expect_fine(g);
    ek_graph_destroy(g);
}

static void merged_summaries_run(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_session *s;
    ek_array *out = NULL;

    (void)state;
    ek_summary_scalar("a", ek_constant(g, ek_float(1.5)));
    ek_summary_scalar("b", ek_constant(g, ek_float(0)));
    ek_tensor merged = ek_summary_merge_all(g);
    s = ek_session_create(g);
    assert_int_equal(ek_run(s, .fetch = { { merged, &out } }), EK_OK);
    const ek_string *text = ek_array_cdata(out);
    assert_int_equal(text->size, 20);
    assert_memory_equal(text->data, "\x0a\x08\x0a\x01\x61\x15\x00\x00\xc0\x3f\x0a\x08\x0a\x01\x62\x15\x00\x00\x00\x00", 20);
    ek_array_unref(out);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static ek_graph *graph_with(ek_tensor *x)
{
    ek_graph *g = ek_graph_create();

    *x = ek_constant(g, ek_float(1), .name = "x");
    return g;
}

static void mistakes_are_told(void **state)
{
    ek_tensor x;
    ek_graph *g = graph_with(&x);

    (void)state;
    ek_summary_scalar(NULL, x);
    expect_failure(g, "a summary needs a name");
    g = graph_with(&x);
    ek_summary_scalar("///", x);
    expect_failure(g, "a summary needs a name");
    g = graph_with(&x);
    ek_summary_text("t", x);
    expect_failure(g, "Expected tensor of summary t to have dtype string, got float32");
    g = graph_with(&x);
    ek_summary_merge(EK_LIST(x, 3));
    expect_failure(g, "item 1 of the summaries to merge is no live tensor of this graph");
    assert_false(ek_tensor_ok(ek_summary_merge(EK_EMPTY_LIST)));
    assert_non_null(strstr(ek_last_error()->text, "needs summaries"));
    assert_false(ek_tensor_ok(ek_summary_scalar("s", 1.0)));
    assert_string_equal(ek_last_error()->text, "ek_summary_scalar needs a tensor or a variable");
}

static ek_status build_all(ek_graph *g)
{
    ek_tensor x = ek_constant(g, ek_float(1));

    ek_summary_scalar("a", x);
    ek_summary_image("i", ek_placeholder(g, EK_FLOAT32));
    ek_summary_merge_all(g);
    return ek_graph_status(g, NULL);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    ek_test_refuse_each_on_graph(build_all, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_scopes_made_clean),
        cmocka_unit_test(every_kind_has_tensorflows_nodes),
        cmocka_unit_test(nothing_to_merge_is_no_failure),
        cmocka_unit_test(merged_summaries_run),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
