/* write_events FOLDER - an event file with one of everything, for tools/check_events.py, which knows what must be in it. */
#include <math.h>
#include <stdio.h>

#include "evenkeel/evenkeel.h"

enum { STEPS = 50, NUMBERS = 1000 };

/* sin-like without libm: the script computes the same. */
static double wave(int64_t i) { return (double)((i * 7919) % 1000 - 500) / 250; }

static void write_steps(ek_event_writer *w)
{
    float x[NUMBERS];
    char text[64];

    for (int64_t step = 0; step < STEPS; step++) {
        EK_DIE(ek_event_write_scalar(w, "loss", wave(step), step, NULL));
        EK_DIE(ek_event_write_scalar(w, "rate/fast", 1.0 / (double)(step + 1), step, NULL));
        if (step % 10 != 0) continue;
        for (int64_t i = 0; i < NUMBERS; i++) x[i] = (float)(wave(i + step) * (i % 3 == 0 ? 1e-9 : 1e3));
        ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(10, NUMBERS / 10), x);
        EK_DIE(ek_event_write_histogram(w, "numbers", a, step, NULL));
        ek_array_unref(a);
        snprintf(text, sizeof text, "**step** %lld", (long long)step);
        EK_DIE(ek_event_write_text(w, "note", text, step, NULL));
    }
}

static void write_images(ek_event_writer *w)
{
    uint8_t bytes[2 * 5 * 7 * 3];
    float floats[5 * 7];

    for (int i = 0; i < (int)sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37);
    for (int i = 0; i < 35; i++) floats[i] = (float)wave(i);
    ek_array *rgb = ek_array_of(EK_UINT8, EK_SHAPE(2, 5, 7, 3), bytes), *gray = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 5, 7, 1), floats);
    EK_DIE(ek_event_write_image(w, "colours", rgb, 3, 1, NULL));
    EK_DIE(ek_event_write_image(w, "gray", gray, 1, 1, NULL));
    ek_array_unref(rgb);
    ek_array_unref(gray);
}

/* As a program does: summaries of a graph, merged, fetched. */
static void write_fetched(ek_event_writer *w, ek_graph *g, ek_tensor merged)
{
    ek_session *s = ek_session_create(g);
    ek_array *summary = NULL;

    for (int64_t step = 0; step < 3; step++) {
        EK_DIE(ek_run(s, .fetch = { { merged, &summary } }));
        EK_DIE(ek_event_write_summary(w, summary, step, NULL));
    }
    ek_array_unref(summary);
    ek_session_destroy(s);
}

int main(int argc, char **argv)
{
    ek_graph *g = ek_graph_create();
    ek_event_writer *w;

    if (argc != 2) {
        fprintf(stderr, "usage: write_events FOLDER\n");
        return 2;
    }
    ek_tensor x = ek_constant(g, ek_float(2.5));
    ek_summary_scalar("fetched", x, .family = "graph");
    ek_summary_text("said", ek_constant(g, ek_str("by a graph")));
    ek_tensor merged = ek_summary_merge_all(g);
    EK_DIE(ek_event_writer_open(argv[1], &w, .graph = g, .filename_suffix = ".check"));
    EK_DIE(ek_event_write_session_log(w, EK_SESSION_START, NULL, NULL, 0, NULL));
    write_steps(w);
    write_images(w);
    write_fetched(w, g, merged);
    EK_DIE(ek_event_write_session_log(w, EK_SESSION_CHECKPOINT, "/tmp/model-49", "saved", 49, NULL));
    EK_DIE(ek_event_write_scalar(w, "huge step", 1, (int64_t)1 << 40, NULL));
    EK_DIE(ek_event_writer_close(w, NULL));
    ek_graph_destroy(g);
    return 0;
}
