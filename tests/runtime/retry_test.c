/* Allocation k = 1, 2, 3 ... fails on the way from a file to printed results and through the article's training: whoever
 * meets it says so, nothing is lost, and the same call on the same objects works afterwards. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "evenkeel/files.h"
#include "support/support.h"

#define MODEL EK_SOURCE_DIR "/examples/data/small_frozen.pb"
#define SAVED EK_BUILD_DIR "/retry_test.npy"

/* What the steps share; a step that failed left it as it was. */
typedef struct world {
    ek_graph *g;
    ek_session *s;
    ek_callable *c;
    ek_tensor x, y;
    ek_array *two, *five, *out, *out_again;
    const char *text; /* the model in text form */
    size_t text_size;
} world;

typedef struct step {
    const char *name;
    ek_status (*take)(world *w);
} step;

/* For calls that give NULL without memory. */
static ek_status given(void *block)
{
    const bool ok = block != NULL;

    ek_free(block);
    return ok ? EK_OK : EK_RESOURCE_EXHAUSTED;
}

static ek_status load(world *w)
{
    EK_TRY(ek_graph_load(MODEL, &w->g, NULL));
    assert_int_equal(ek_graph_tensor_by_name(w->g, "x:0", &w->x), EK_OK);
    assert_int_equal(ek_graph_tensor_by_name(w->g, "y:0", &w->y), EK_OK);
    return EK_OK;
}

static ek_status load_text(world *w)
{
    ek_graph *g;
    const ek_status st = ek_graph_load_bytes(w->text, w->text_size, &g, NULL);

    assert_true((st == EK_OK) == (g != NULL));
    ek_graph_destroy(g);
    return st;
}

static ek_status save(world *w)
{
    void *bytes;
    size_t size;
    const ek_status st = ek_graph_save_bytes(w->g, true, &bytes, &size, NULL);

    assert_true((st == EK_OK) == (bytes != NULL));
    ek_free(bytes);
    return st;
}

static ek_status draw(world *w) { return given(ek_graph_dot(w->g)); }
static ek_status name(world *w) { return given(ek_tensor_str(w->y)); }

static ek_status open_session(world *w)
{
    w->s = ek_session_create(w->g, .threads = 1);
    return w->s != NULL ? EK_OK : EK_RESOURCE_EXHAUSTED;
}

static ek_status make_arrays(world *w)
{
    static const float numbers[15] = { 1, 2, 3, 4, 5, 6, -1 };

    if (w->two == NULL) w->two = ek_array_of(EK_FLOAT32, EK_SHAPE(2, 3), numbers);
    if (w->five == NULL) w->five = ek_array_of(EK_FLOAT32, EK_SHAPE(5, 3), numbers);
    return w->two != NULL && w->five != NULL ? EK_OK : EK_RESOURCE_EXHAUSTED;
}

static ek_status run_first(world *w) { return ek_run(w->s, .feed = { { w->x, w->two } }, .fetch = { { w->y, &w->out } }); }
static ek_status run_other(world *w) { return ek_run(w->s, .feed = { { w->x, w->five } }, .fetch = { { w->y, &w->out } }); }

static ek_status make_callable(world *w)
{
    w->c = ek_callable_create(w->s, .feed = { { w->x, NULL } }, .fetch = { { w->y, NULL } });
    return w->c != NULL ? EK_OK : EK_RESOURCE_EXHAUSTED;
}

static ek_status call(world *w)
{
    return ek_callable_run(w->c, (const ek_array *[]){ w->five }, (ek_array *[]){ w->out });
}

static ek_status print(world *w) { return given(ek_array_repr(w->out)); }
static ek_status save_array(world *w) { return ek_npy_save(SAVED, w->out); }

static ek_status load_array(world *w)
{
    const ek_status st = ek_npy_load(SAVED, &w->out_again);

    assert_true((st == EK_OK) == (w->out_again != NULL));
    return st;
}

static const step from_a_file[] = {
    { "load", load }, { "load text", load_text }, { "save", save }, { "draw", draw }, { "name", name },
    { "arrays", make_arrays }, { "session", open_session }, { "run", run_first }, { "run another shape", run_other },
    { "callable", make_callable }, { "call", call }, { "print", print }, { "save array", save_array },
    { "load array", load_array },
};

static void close_world(world *w)
{
    ek_array_unref(w->two);
    ek_array_unref(w->five);
    ek_array_unref(w->out);
    ek_array_unref(w->out_again);
    ek_callable_destroy(w->c);
    ek_session_destroy(w->s);
    ek_graph_destroy(w->g);
}

/* Takes the steps; one of them meets failure number k and is taken again. false: none met it. */
static bool walk(const step *steps, int n, const world *start, long k)
{
    ek_test_allocator t;
    world w = *start;
    bool met = false;

    ek_test_allocator_install(&t, k);
    for (int i = 0; i < n; i++) {
        ek_status st = steps[i].take(&w);

        if (st != EK_OK) {
            if (st != EK_RESOURCE_EXHAUSTED || t.calls < k)
                fail_msg("%s, allocation %ld: %s", steps[i].name, k, ek_last_error()->text);
            met = true;
            st = steps[i].take(&w);
        }
        if (st != EK_OK) fail_msg("%s again after allocation %ld: %s", steps[i].name, k, ek_last_error()->text);
    }
    met = met || t.calls >= k;
    close_world(&w);
    ek_test_allocator_remove();
    if (t.live != 0) fail_msg("allocation %ld failed and %ld blocks are left", k, t.live);
    return met;
}

static void from_a_file_to_an_array(void **state)
{
    world start = { .g = NULL };
    ek_graph *g;
    void *text;

    EK_UNUSED(state);
    assert_int_equal(ek_graph_load(MODEL, &g, NULL), EK_OK);
    assert_int_equal(ek_graph_save_bytes(g, true, &text, &start.text_size, NULL), EK_OK);
    ek_graph_destroy(g);
    start.text = text;
    for (long k = 1; walk(from_a_file, EK_COUNT_OF(from_a_file), &start, k); k++) continue;
    unlink(SAVED);
    ek_free(text);
}

/* ---- the article's training ------------------------------------------------------------------------------- */

/* A graph remembers its first failure, so that the whole step is taken again, on another graph. */
static ek_status train(world *w)
{
    ek_array *out = NULL, *x_value = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 1), (float[]){ -10, 0, 10 });
    ek_graph *g = ek_graph_create();
    ek_status st = EK_RESOURCE_EXHAUSTED;
    ek_session *s = NULL;

    EK_UNUSED(w);
    if (g != NULL && x_value != NULL) {
        ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x");
        ek_tensor y = ek_batch_normalization(x, .training = EK_TRUE);
        ek_op init = ek_global_variables_initializer(g);
        ek_list updates = ek_get_collection(g, EK_UPDATE_OPS);

        st = given(ek_list_repr(ek_get_collection(g, EK_GLOBAL_VARIABLES)));
        if (st == EK_OK) st = ek_graph_status(g, NULL);
        if (st == EK_OK) s = ek_session_create(g, .threads = 1);
        if (st == EK_OK && s == NULL) st = EK_RESOURCE_EXHAUSTED;
        if (st == EK_OK) st = ek_run(s, .target = { init });
        if (st == EK_OK) st = ek_run(s, .feed = { { x, x_value } }, .fetch = { { y, &out } }, .also = updates);
        if (st == EK_OK) st = given(ek_array_str(out));
    }
    ek_array_unref(out);
    ek_array_unref(x_value);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return st;
}

static void the_article(void **state)
{
    static const step steps[] = { { "train", train } };
    const world start = { .g = NULL };

    EK_UNUSED(state);
    for (long k = 1; walk(steps, 1, &start, k); k++) continue;
}

/* What is made once per process is made before anything is counted. */
static int once(void **state)
{
    EK_UNUSED(state);
    return train(NULL) == EK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_a_file_to_an_array),
        cmocka_unit_test(the_article),
    };
    return cmocka_run_group_tests(tests, once, NULL);
}
