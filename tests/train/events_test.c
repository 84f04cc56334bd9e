/* Event files: TensorFlow's are read, ours come back; damage, killed runs, full disks. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/record.h"
#include "support/faults.h"
#include "support/folder.h"
#include "support/json.h"
#include "support/support.h"
#include "values/array.h"

#define FILES "tf-files/events/"


/* ---- files of TensorFlow ---------------------------------------------------------------------------------------- */

static double number_of(const json *object, const char *key) { return json_get(object, key)->number; }

static void expect_summary(const ek_summary_value *v, const json *want)
{
    const char *kind = json_string(want, "kind");

    assert_string_equal(v->tag, json_string(want, "tag"));
    if (strcmp(kind, "simple_value") == 0) {
        assert_int_equal(v->kind, EK_SUMMARY_SCALAR);
        assert_true(v->scalar == strtof(json_string(want, "value"), NULL));
    } else if (strcmp(kind, "histo") == 0) {
        assert_int_equal(v->kind, EK_SUMMARY_HISTOGRAM);
        assert_true(v->histogram.min == number_of(want, "min") && v->histogram.max == number_of(want, "max"));
        assert_true(v->histogram.num == number_of(want, "num") && v->histogram.sum == number_of(want, "sum"));
        assert_true(v->histogram.sum_squares == number_of(want, "sum_squares"));
        assert_int_equal(v->histogram.n, (int64_t)number_of(want, "buckets"));
    } else if (strcmp(kind, "image") == 0) {
        assert_int_equal(v->kind, EK_SUMMARY_IMAGE);
        assert_int_equal(v->image.height, (int)number_of(want, "height"));
        assert_int_equal(v->image.width, (int)number_of(want, "width"));
        assert_int_equal(v->image.colorspace, (int)number_of(want, "colorspace"));
        assert_int_equal(v->image.size, (size_t)number_of(want, "bytes"));
        assert_memory_equal(v->image.png, "\x89PNG\r\n\x1a\n", 8);
    } else {
        assert_string_equal(kind, "tensor");
        assert_true(v->kind == EK_SUMMARY_TENSOR && ek_array_dtype(v->tensor) == EK_STRING);
        assert_string_equal(v->plugin, json_get(want, "plugin") != NULL ? json_string(want, "plugin") : "");
    }
}

static void expect_event(const ek_event *e, const json *want)
{
    static const char *const names[] = { "", "file_version", "graph_def", "summary", "log_message", "session_log",
                                         "tagged_run_metadata", "meta_graph_def" };

    assert_string_equal(names[e->kind], json_string(want, "what"));
    assert_true((double)e->step == number_of(want, "step") && e->wall_time == number_of(want, "wall_time"));
    if (e->kind == EK_EVENT_FILE_VERSION) assert_string_equal(e->text, json_string(want, "file_version"));
    if (e->kind == EK_EVENT_RUN_METADATA) assert_string_equal(e->text, json_string(want, "tag"));
    if (e->kind == EK_EVENT_SESSION_LOG) assert_int_equal(e->status, (int)number_of(want, "status"));
    if (e->kind == EK_EVENT_GRAPH) {
        ek_graph *g;
        assert_int_equal(ek_graph_load_bytes(e->data, e->size, &g, NULL), EK_OK);
        assert_int_equal(ek_graph_op_count(g), (int64_t)number_of(want, "nodes"));
        ek_graph_destroy(g);
    }
    if (e->kind == EK_EVENT_META_GRAPH) {
        ek_graph *g;
        assert_int_equal(ek_meta_graph_load_bytes(e->data, e->size, &g), EK_OK);
        ek_graph_destroy(g);
    }
    if (e->kind != EK_EVENT_SUMMARY) return;
    const json *v = json_get(want, "values");
    assert_int_equal(e->n_values, json_count(v));
    v = v->child;
    for (int64_t i = 0; i < e->n_values; i++, v = v->next) expect_summary(&e->values[i], v);
}

static void events_of_tensorflow_are_read(void **state)
{
    const char *file = ek_test_data(FILES "events.out.tfevents.1500000000.host.golden"), *expected = ek_test_data(FILES "expected.json");
    ek_event_reader *r;
    ek_event e;
    int n = 0;

    EK_UNUSED(state);
    if (file == NULL || expected == NULL) skip();
    json *want = json_load(expected);
    assert_int_equal(ek_event_reader_open(file, &r, NULL), EK_OK);
    for (const json *w = json_get(want, "events")->child; w != NULL; w = w->next, n++) {
        if (ek_event_reader_next(r, &e, NULL) != EK_OK) fail_msg("event %d: %s", n, ek_last_error()->text);
        expect_event(&e, w);
    }
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OUT_OF_RANGE);
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OUT_OF_RANGE);
    assert_false(ek_event_reader_cut(r));
    ek_event_reader_close(r);
    json_free(want);
}

static void events_of_another_project_are_read(void **state)
{
    const char *file = ek_test_data("events/events.out.tfevents.1599379945");
    ek_event_reader *r;
    ek_event e;
    int n = 0, summaries = 0;

    EK_UNUSED(state);
    if (file == NULL) skip();
    assert_int_equal(ek_event_reader_open(file, &r, NULL), EK_OK);
    for (; ek_event_reader_next(r, &e, NULL) == EK_OK; n++) {
        summaries += e.kind == EK_EVENT_SUMMARY && e.n_values > 0;
        if (n == 0) assert_string_equal(e.text, "brain.Event:2");
    }
    assert_int_equal(ek_last_error()->code, EK_OUT_OF_RANGE);
    assert_true(summaries > 0 && n == summaries + 1);
    ek_event_reader_close(r);
}

/* ---- what is written ------------------------------------------------------------------------------------------------ */

static const float numbers[] = { -2, -1, 0, 0.5f, 1, 1 };

/* Everything once. */
static ek_status write_all(const char *logdir, ek_graph *g, char path[4096])
{
    ek_array *x = ek_array_of(EK_FLOAT32, EK_SHAPE(6), numbers), *images = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 2, 3, 1), numbers);
    ek_event_writer *w = NULL;
    ek_status st = x == NULL || images == NULL ? EK_RESOURCE_EXHAUSTED : ek_event_writer_open(logdir, &w, .graph = g);

    if (st == EK_OK) snprintf(path, 4096, "%s", ek_event_writer_path(w));
    if (st == EK_OK) st = ek_event_write_scalar(w, "loss", 0.25, 1, NULL);
    if (st == EK_OK) st = ek_event_write_histogram(w, "numbers", x, 2, NULL);
    if (st == EK_OK) st = ek_event_write_image(w, "picture", images, 1, 3, NULL);
    if (st == EK_OK) st = ek_event_write_text(w, "note", "*hello* \xc3\xa4", 4, NULL);
    if (st == EK_OK) st = ek_event_write_text(w, "note", "again", 5, NULL);
    if (st == EK_OK) st = ek_event_write_session_log(w, EK_SESSION_CHECKPOINT, "/x/model-6", "saved", 6, NULL);
    const ek_status closed = ek_event_writer_close(w, &(ek_error){ .code = EK_OK });
    ek_array_unref(x);
    ek_array_unref(images);
    return st != EK_OK ? st : closed;
}

static void expect_written(const char *path, bool graph)
{
    ek_event_reader *r;
    ek_event e;

    assert_int_equal(ek_event_reader_open(path, &r, NULL), EK_OK);
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    assert_true(e.kind == EK_EVENT_FILE_VERSION && strcmp(e.text, "brain.Event:2") == 0 && e.wall_time > 1.6e9 && e.step == 0);
    for (int i = 0; graph && i < 2; i++) {
        assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
        assert_int_equal(e.kind, i == 0 ? EK_EVENT_GRAPH : EK_EVENT_META_GRAPH);
        assert_true(i > 0 || memmem(e.data, e.size, "_output_shapes", 14) != NULL);
    }
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    assert_true(e.step == 1 && e.n_values == 1 && strcmp(e.values->tag, "loss") == 0 && e.values->scalar == 0.25f);
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    const ek_histogram *h = &e.values->histogram;
    assert_true(e.step == 2 && h->min == -2 && h->max == 1 && h->num == 6 && h->sum == -0.5 && h->sum_squares == 7.25);
    double all = 0;
    for (int64_t i = 0; i < h->n; i++) all += h->bucket[i];
    assert_true(all == 6);
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    assert_string_equal(e.values->tag, "picture/image");
    assert_true(e.step == 3 && e.values->image.height == 2 && e.values->image.width == 3 && e.values->image.colorspace == 1);
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    assert_string_equal(e.values->plugin, "text");
    assert_string_equal(((const ek_string *)ek_array_cdata(e.values->tensor))->data, "*hello* \xc3\xa4");
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    assert_string_equal(e.values->plugin, ""); /* told once */
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    assert_true(e.kind == EK_EVENT_SESSION_LOG && e.status == EK_SESSION_CHECKPOINT && e.step == 6);
    assert_string_equal(e.text, "/x/model-6");
    assert_string_equal(e.message, "saved");
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OUT_OF_RANGE);
    ek_event_reader_close(r);
}

static void what_was_written_comes_back(void **state)
{
    ek_graph *g = ek_graph_create();
    char path[4096], deep[4096];

    EK_UNUSED(state);
    ek_relu(ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(2, 2)));
    snprintf(deep, sizeof deep, "%s/runs/a/train", test_folder);
    assert_int_equal(write_all(deep, g, path), EK_OK);
    assert_non_null(strstr(path, "/runs/a/train/events.out.tfevents."));
    expect_written(path, true);
    assert_int_equal(write_all(deep, NULL, path), EK_OK); /* a file of its own in the same second */
    expect_written(path, false);
    assert_int_equal(test_folder_count(deep, "events.out"), 2);
    ek_graph_destroy(g);
}

static void a_fetched_summary_is_an_event(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor a = ek_summary_scalar("a", ek_constant(g, ek_float(2.0))), b = ek_summary_text("b", ek_constant(g, ek_str("hi")));
    ek_tensor merged = ek_summary_merge(EK_LIST(a, b));
    ek_session *s = ek_session_create(g);
    ek_array *summary = NULL, *wrong = ek_array_of(EK_INT32, EK_SCALAR, NULL);
    ek_event_writer *w;
    ek_event_reader *r;
    char path[4096];
    ek_event e;

    EK_UNUSED(state);
    assert_int_equal(ek_run(s, .fetch = { { merged, &summary } }), EK_OK);
    assert_int_equal(ek_event_writer_open(test_folder, &w, .filename_suffix = ".x"), EK_OK);
    snprintf(path, sizeof path, "%s", ek_event_writer_path(w));
    for (int i = 0; i < 2; i++) assert_int_equal(ek_event_write_summary(w, summary, 7 + i, NULL), EK_OK);
    assert_int_equal(ek_event_write_summary(w, wrong, 7, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_array_set_string(summary, 0, "\x0a\xff", 2), EK_OK);
    assert_int_equal(ek_event_write_summary(w, summary, 7, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "no serialized Summary"));
    assert_int_equal(ek_event_writer_close(w, NULL), EK_OK);
    assert_int_equal(ek_event_reader_open(path, &r, NULL), EK_OK);
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
        assert_true(e.step == 7 + i && e.n_values == 2 && e.values[0].scalar == 2);
        assert_string_equal(e.values[1].plugin, i == 0 ? "text" : "");
    }
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OUT_OF_RANGE);
    ek_event_reader_close(r);
    ek_array_unref(summary);
    ek_array_unref(wrong);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void what_no_event_can_say_is_refused(void **state)
{
    ek_array *nan = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1, NAN }), *text = ek_array_of(EK_STRING, EK_SCALAR, NULL);
    ek_array *flat = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 2, 2, 2), NULL), *none = ek_array_of(EK_UINT8, EK_SHAPE(1, 0, 2, 1), NULL);
    ek_event_writer *w;

    EK_UNUSED(state);
    assert_int_equal(ek_event_writer_open(test_folder, &w), EK_OK);
    assert_int_equal(ek_event_write_histogram(w, "h", nan, 0, NULL), EK_INVALID_ARGUMENT);
    assert_string_equal(ek_last_error()->text, "Nan in summary histogram for: h");
    assert_int_equal(ek_event_write_histogram(w, "h", text, 0, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_event_write_image(w, "i", flat, 3, 0, NULL), EK_INVALID_ARGUMENT);
    assert_non_null(strstr(ek_last_error()->text, "(1, 2, 2, 2)"));
    assert_int_equal(ek_event_write_image(w, "i", none, 3, 0, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_event_write_scalar(w, "", 1, 0, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_event_write_scalar(w, "\xff", 1, 0, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_event_write_scalar(w, NULL, 1, 0, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_event_write_scalar(NULL, "x", 1, 0, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_event_write_session_log(w, (ek_session_status)7, NULL, NULL, 0, NULL), EK_INVALID_ARGUMENT);
    assert_int_equal(ek_event_writer_close(w, NULL), EK_OK);
    assert_int_equal(ek_event_writer_close(NULL, NULL), EK_OK);
    assert_int_equal(ek_event_writer_open("/dev/null/x", &w), EK_NOT_FOUND);
    assert_null(w);
    ek_array_unref(nan);
    ek_array_unref(text);
    ek_array_unref(flat);
    ek_array_unref(none);
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        if (ek_event_write_scalar(arg, "x", i, i, NULL) != EK_OK) return arg;
    return NULL;
}

static void many_threads_write_to_one_file(void **state)
{
    pthread_t thread[4];
    ek_event_writer *w;
    ek_event_reader *r;
    char path[4096];
    ek_event e;
    double sum = 0;
    int n = 0;

    EK_UNUSED(state);
    assert_int_equal(ek_event_writer_open(test_folder, &w, .flush_seconds = 0), EK_OK);
    snprintf(path, sizeof path, "%s", ek_event_writer_path(w));
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, write_many, w), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(ek_event_reader_open(path, &r, NULL), EK_OK); /* flushed already: it is not closed yet */
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    for (; ek_event_reader_next(r, &e, NULL) == EK_OK; n++) sum += (double)e.values->scalar;
    assert_true(n == 800 && sum == 4 * 199 * 100);
    ek_event_reader_close(r);
    assert_int_equal(ek_event_writer_close(w, NULL), EK_OK);
}

/* ---- damage -------------------------------------------------------------------------------------------------------- */

static void put_file(const char *path, const char *data, size_t size)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* How many events there are, and how they end. */
static int count_events(const char *path, bool *cut, ek_status *end)
{
    ek_event_reader *r;
    ek_event e;
    int n = 0;

    assert_int_equal(ek_event_reader_open(path, &r, NULL), EK_OK);
    while ((*end = ek_event_reader_next(r, &e, NULL)) == EK_OK) n++;
    *cut = ek_event_reader_cut(r);
    ek_event_reader_close(r);
    return n;
}

static void a_cut_tail_is_the_end_and_damage_is_told(void **state)
{
    char path[4096], other[4200];
    size_t size;
    ek_status end;
    bool cut;
    int whole, last = 0;

    EK_UNUSED(state);
    assert_int_equal(write_all(test_folder, NULL, path), EK_OK);
    char *data = ek_test_read(path, &size);
    assert_non_null(data);
    whole = count_events(path, &cut, &end);
    assert_true(whole == 7 && !cut && end == EK_OUT_OF_RANGE);
    snprintf(other, sizeof other, "%s/damaged", test_folder);
    for (size_t n = 0; n < size; n++) {
        put_file(other, data, n);
        const int here = count_events(other, &cut, &end);
        if (end != EK_OUT_OF_RANGE || here < last || here >= whole) fail_msg("%zu of %zu bytes: %d events", n, size, here);
        last = here;
    }
    for (size_t i = 0; i < size; i++) {
        data[i] = (char)(data[i] ^ 4);
        put_file(other, data, size);
        const int here = count_events(other, &cut, &end);
        if (end != EK_DATA_LOSS || here >= whole) fail_msg("byte %zu: %d events", i, here);
        data[i] = (char)(data[i] ^ 4);
    }
    assert_non_null(strstr(ek_last_error()->text, "corrupted record at "));
    free(data);
}

/* A checksum that fits what is no Event. */
static void a_record_that_is_no_event_is_told(void **state)
{
    char path[4096];
    ek_buf b = { 0 };
    ek_event_reader *r;
    ek_event e;

    EK_UNUSED(state);
    ek__record_put(&b, "\x1a\x01x", 3);
    ek__record_put(&b, "\x2a\x7fxxx", 5);
    snprintf(path, sizeof path, "%s/x", test_folder);
    put_file(path, b.data, b.size);
    assert_int_equal(ek_event_reader_open(path, &r, NULL), EK_OK);
    assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ek_event_reader_next(r, &e, NULL), EK_DATA_LOSS);
        assert_non_null(strstr(ek_last_error()->text, "the event at byte 19 of the file: byte 0: "));
    }
    ek_event_reader_close(r);
    ek__buf_fini(&b);
}

/* Whatever call fails: an error, and all that was flushed before it is there. */
static void what_was_flushed_stays_when_writing_fails(void **state)
{
    bool done = false;

    EK_UNUSED(state);
    for (long k = 1; !done && k < 200; k++) {
        test_faults f = { .fail_at = k, .room = -1, .error = k % 2 == 0 ? ENOSPC : EIO };
        ek_event_writer *w = NULL;
        char path[4096], logdir[4096];
        int flushed = 0;
        ek_status st, end;
        bool cut;

        snprintf(logdir, sizeof logdir, "%s/%ld", test_folder, k);
        test_faults_install(&f);
        st = ek_event_writer_open(logdir, &w);
        if (w != NULL) snprintf(path, sizeof path, "%s", ek_event_writer_path(w));
        for (int i = 0; i < 5 && st == EK_OK; i++) {
            st = ek_event_write_scalar(w, "x", i, i, NULL);
            if (st == EK_OK) st = ek_event_writer_flush(w, NULL);
            if (st == EK_OK) flushed = i + 1;
        }
        const bool opened = w != NULL;
        const ek_status closed = ek_event_writer_close(w, NULL);
        done = f.calls < k;
        test_faults_remove();
        if (done) assert_true(st == EK_OK && closed == EK_OK);
        else assert_true(st != EK_OK || closed != EK_OK);
        if (opened) assert_true(count_events(path, &cut, &end) >= flushed + 1 && end == EK_OUT_OF_RANGE && !cut);
    }
    assert_true(done);
}

static ek_status write_and_read(void)
{
    char path[4096];
    ek_event_reader *r = NULL;
    ek_event e;
    ek_status st = write_all(test_folder, NULL, path);

    if (st == EK_OK) st = ek_event_reader_open(path, &r, NULL);
    while (st == EK_OK) st = ek_event_reader_next(r, &e, NULL);
    ek_event_reader_close(r);
    return st == EK_OUT_OF_RANGE ? EK_OK : st;
}

static void without_memory_it_says_so(void **state)
{
    EK_UNUSED(state);
    ek_test_refuse_each(write_and_read, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_tensorflow_are_read),
        cmocka_unit_test(events_of_another_project_are_read),
        cmocka_unit_test_setup_teardown(what_was_written_comes_back, test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_fetched_summary_is_an_event, test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(what_no_event_can_say_is_refused, test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(many_threads_write_to_one_file, test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_cut_tail_is_the_end_and_damage_is_told, test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(a_record_that_is_no_event_is_told, test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(what_was_flushed_stays_when_writing_fails, test_folder_setup, test_folder_teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so, test_folder_setup, test_folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
