/* Graphs that TensorFlow froze, run on the inputs that came with them: TensorFlow's own outputs come out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evenkeel/files.h"
#include "support/support.h"

static const double tolerance = 2e-5;

/* Must run; of the others, those that need an operation without a definition are left out. */
static const char *const must_run[] = { "batch_norm", "fused_batch_norm", "unfused_batch_norm", "batch_norm_text",
                                        "keras_mobilenet_head" };

/* A row of cases.tsv. */
typedef struct frozen {
    char name[64], fetch[128], input_layout[32], output_layout[32], flag[16], seen[16], outcome[32];
} frozen;

static bool read_row(char *line, frozen *f)
{
    char *const column[] = { f->name, f->fetch, f->input_layout, f->output_layout, f->flag, f->seen, f->outcome };
    const size_t room[] = { sizeof f->name, sizeof f->fetch, sizeof f->input_layout, sizeof f->output_layout,
                            sizeof f->flag, sizeof f->seen, sizeof f->outcome };

    for (int i = 0; i < 7; i++) {
        const char *word = strsep(&line, "\t");
        if (word == NULL || (size_t)snprintf(column[i], room[i], "%s", word) >= room[i]) return false;
    }
    return true;
}

static const char *file_of(const frozen *f, const char *file)
{
    char relative[256];

    snprintf(relative, sizeof relative, "tf-graphs/%s/%s", f->name, file);
    return ek_test_data(relative);
}

/* A float array of a case, its axis 1 moved to the end where the layout says so. */
static ek_array *load(const frozen *f, const char *file, const char *layout)
{
    const char *path = file_of(f, file);
    ek_array *a = NULL;

    assert_non_null(path);
    if (ek_npy_load(path, &a) != EK_OK) fail_msg("%s: %s", path, ek_last_error()->text);
    if (strcmp(layout, "as-is") == 0) return a;
    const ek_shape from = *ek_array_shape(a);
    ek_shape to = from;
    int64_t inner = 1;

    for (int i = 2; i < from.rank; i++) inner *= to.dim[i - 1] = from.dim[i];
    to.dim[from.rank - 1] = from.dim[1];
    ek_array *moved = ek_array_of(EK_FLOAT32, to, NULL);
    const float *p = ek_array_f32(a);
    float *q = ek_array_f32(moved);

    assert_true(p != NULL && q != NULL);
    for (int64_t n = 0; n < from.dim[0]; n++)
        for (int64_t c = 0; c < from.dim[1]; c++)
            for (int64_t i = 0; i < inner; i++)
                q[(n * inner + i) * from.dim[1] + c] = p[(n * from.dim[1] + c) * inner + i];
    ek_array_unref(a);
    return moved;
}

/* Feeds every placeholder: bools with `flag`, the others with `x`. */
static ek_status run(ek_graph *g, const frozen *f, const ek_array *x, const ek_array *flag, ek_array **out, ek_error *err)
{
    ek_feed feed[4];
    int n = 0;
    ek_tensor y = { NULL, -1, 0 };

    for (int64_t i = 0; i < ek_graph_op_count(g); i++) {
        const ek_op op = ek_graph_op_at(g, i);

        if (strcmp(ek_op_name(op), f->fetch) == 0) y = ek_op_output(op, 0);
        if (strcmp(ek_op_type(op), "Placeholder") != 0 || n == 4) continue;
        feed[n].tensor = ek_op_output(op, 0);
        feed[n].value = ek_tensor_dtype(feed[n].tensor) == EK_BOOL ? flag : x;
        n++;
    }
    ek_session *s = ek_session_create(g);
    const ek_status st = ek_run(s, .feeds = feed, .n_feeds = n, .fetch = { { y, out } }, .error = err);
    ek_session_destroy(s);
    return st;
}

static void compare(const frozen *f, const ek_array *found, const ek_array *want)
{
    if (!ek_shape_equal(ek_array_shape(found), ek_array_shape(want))) fail_msg("%s: another shape", f->name);
    for (int64_t i = 0; i < ek_array_count(want); i++)
        if (!(fabs(ek_array_get(found, i) - ek_array_get(want, i)) <= tolerance))
            fail_msg("%s: element %lld is %.9g, TensorFlow has %.9g", f->name, (long long)i, ek_array_get(found, i),
                     ek_array_get(want, i));
}

/* Whether it ran, or was refused as TensorFlow does: false where it needs an operation without a definition. */
static bool check(const frozen *f)
{
    const char *path = file_of(f, "graph.pb");
    ek_array *x, *want, *flag, *out = NULL;
    ek_error err = { 0 };
    ek_graph *g = NULL;

    assert_non_null(path);
    const ek_status loaded = ek_graph_load(path, &g, &err);
    if (strcmp(f->outcome, "refuses") == 0) { /* of an op without a definition nothing can be said */
        ek_graph_destroy(g);
        return loaded == EK_INVALID_ARGUMENT;
    }
    if (loaded != EK_OK) fail_msg("%s: %s", f->name, err.text);
    x = load(f, "in.npy", f->input_layout);
    want = load(f, "out.npy", f->output_layout);
    flag = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ strcmp(f->flag, "true") == 0 });
    const ek_status st = run(g, f, x, flag, &out, &err);
    if (st != EK_OK && st != EK_UNIMPLEMENTED) fail_msg("%s: %s", f->name, err.text);
    if (st == EK_OK) compare(f, out, want);
    ek_array_unref(x);
    ek_array_unref(want);
    ek_array_unref(flag);
    ek_array_unref(out);
    ek_graph_destroy(g);
    return st == EK_OK;
}

static void frozen_graphs_give_tensorflows_outputs(void **state)
{
    const char *path = ek_test_data("tf-graphs/cases.tsv");
    int ran = 0, left_out = 0, needed = 0;

    (void)state;
    if (path == NULL) skip();
    char *text = ek_test_read(path, NULL), *rest = text;
    assert_non_null(text);
    (void)strsep(&rest, "\n"); /* the heading */
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        frozen f;

        assert_true(read_row(line, &f));
        const bool done = check(&f);
        ran += done;
        left_out += !done;
        if (!done) fprintf(stderr, "left out for want of an op: %s\n", f.name);
        for (size_t i = 0; i < sizeof must_run / sizeof must_run[0]; i++)
            needed += done && strcmp(must_run[i], f.name) == 0;
    }
    free(text);
    printf("%d graphs as TensorFlow, %d left out\n", ran, left_out);
    assert_int_equal(needed, sizeof must_run / sizeof must_run[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(frozen_graphs_give_tensorflows_outputs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
