/* fuzz/fuzz_run.c - GraphDefs, binary or text, that are run as well: whatever loads is planned, and each of its last nodes
 * and those it shows the way to run on small feeds. Shape rules, plans and kernels meet constants that no one chose. */
#include <stdlib.h>
#include <string.h>

#include "evenkeel/files.h"
#include "evenkeel/session.h"
#include "fuzz.h"

enum { MOST_FEEDS = 8, MOST_RUNS = 12, MOST_NODES = 400 };

/* A small array that fits a placeholder: unknown dimensions are 2, those beyond reason as well. */
static ek_array *value_for(ek_tensor t)
{
    ek_shape shape = ek_tensor_shape(t);

    if (shape.rank < 0) shape = EK_SHAPE(2);
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] < 0 || shape.dim[i] > 64) shape.dim[i] = 2;
    return ek_array_of(ek_tensor_dtype(t), shape, NULL);
}

static int feeds_of(ek_graph *g, ek_feed *feed)
{
    int n = 0;

    for (int64_t i = 0; i < ek_graph_op_count(g) && n < MOST_FEEDS; i++) {
        const ek_op op = ek_graph_op_at(g, i);

        if (strcmp(ek_op_type(op), "Placeholder") != 0 || ek_op_output_count(op) != 1) continue;
        feed[n].tensor = ek_op_output(op, 0);
        feed[n].value = value_for(feed[n].tensor);
        if (feed[n].value != NULL) n++;
    }
    return n;
}

static void run(ek_session *s, const ek_feed *feed, int n_feeds, ek_op op)
{
    ek_error err = { .code = EK_OK };
    ek_array *out = NULL;
    ek_status st;

    if (ek_op_output_count(op) > 0) {
        st = ek_run(s, .feeds = feed, .n_feeds = n_feeds, .fetch = { { ek_op_output(op, 0), &out } }, .error = &err);
    } else {
        st = ek_run(s, .feeds = feed, .n_feeds = n_feeds, .target = { op }, .error = &err);
    }
    if (st != err.code || (st != EK_OK && (err.text[0] == '\0' || out != NULL))) abort();
    if (out != NULL) ek_free(ek_array_str(out));
    ek_array_unref(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_feed feed[MOST_FEEDS];
    ek_session *s;
    ek_graph *g;
    int64_t n;
    int n_feeds;

    fuzz_refuse_large();
    if (ek_graph_load_bytes(data, size, &g, NULL) != EK_OK) return 0;
    n = ek_graph_op_count(g);
    if (n <= MOST_NODES && (s = ek_session_create(g, .threads = 1)) != NULL) {
        n_feeds = feeds_of(g, feed);
        for (int64_t i = n - 1; i >= 0 && i >= n - MOST_RUNS; i--) run(s, feed, n_feeds, ek_graph_op_at(g, i));
        for (int i = 0; i < n_feeds; i++) ek_array_unref((ek_array *)(uintptr_t)feed[i].value);
        ek_session_destroy(s);
    }
    ek_graph_destroy(g);
    return 0;
}
