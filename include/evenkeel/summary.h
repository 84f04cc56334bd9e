/* evenkeel/summary.h - nodes that make what TensorBoard draws: tf.summary.
 *
 *     ek_summary_scalar("loss", loss);
 *     ek_summary_histogram("weights", w);
 *     ek_tensor merged = ek_summary_merge_all(g);
 *     ...
 *     EK_DIE(ek_run(s, .fetch = { { merged, &summary } }));
 *     EK_DIE(ek_event_write_summary(writer, summary, step, NULL));      // evenkeel/events.h
 *
 * Each gives a string scalar, a serialized Summary, in nodes and names of TensorFlow 1.15: the name opens a scope,
 * which, made unique, is the tag.
 */
#ifndef EVENKEEL_SUMMARY_H
#define EVENKEEL_SUMMARY_H

#include "evenkeel/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_summary_options {
    size_t size;
    ek_operand x;           /* required: a tensor or variable */
    const char *family;     /* in front of the tag: what TensorBoard shows under one heading; NULL: none */
    int max_outputs;        /* images of a batch: 3 */
    const char *collection; /* what it joins: EK_SUMMARIES; NULL: none */
} ek_summary_options;
#define EK_SUMMARY_(fn, name, x_, ...)                                                                            \
    EK_CALL(ek_tensor, fn, ((name),), ek_summary_options, .family = NULL, .max_outputs = 3,                         \
            .collection = EK_SUMMARIES, .x = EK_OPERAND(x_), __VA_ARGS__)

/* tf.summary.scalar, .histogram, .image and .text:
 *
 * Shapes  scalar: none, or as many names in the tags as numbers; histogram: any; image: [batch, height, width, 1, 3 or
 *         4] (gray, RGB, RGBA); text: any.
 * Types   scalar and histogram: real numbers; image: uint8 as it is, float16, float32, float64 scaled so that the
 *         largest of an image is 255, or, where one is below zero, so that zero is 128; a pixel that is not finite is
 *         red; text: string.
 * Names   characters other than letters, digits, '-', '_', '.', '/' become '_', and '/' at the beginning goes.
 * Errors  INVALID_ARGUMENT: no name, another type, no graph; when it runs, a histogram of what is not finite
 *         ("Nan in summary histogram for: ..."). */
#define ek_summary_scalar(name, ...) \
    EK_SUMMARY_(ek_summary_scalar_with, name, __VA_ARGS__, .size = sizeof(ek_summary_options))
#define ek_summary_histogram(name, ...) \
    EK_SUMMARY_(ek_summary_histogram_with, name, __VA_ARGS__, .size = sizeof(ek_summary_options))
#define ek_summary_image(name, ...) \
    EK_SUMMARY_(ek_summary_image_with, name, __VA_ARGS__, .size = sizeof(ek_summary_options))
#define ek_summary_text(name, ...) \
    EK_SUMMARY_(ek_summary_text_with, name, __VA_ARGS__, .size = sizeof(ek_summary_options))
EK_API ek_tensor ek_summary_scalar_with(const char *name, const ek_summary_options *o, ek_where where);
EK_API ek_tensor ek_summary_histogram_with(const char *name, const ek_summary_options *o, ek_where where);
EK_API ek_tensor ek_summary_image_with(const char *name, const ek_summary_options *o, ek_where where);
EK_API ek_tensor ek_summary_text_with(const char *name, const ek_summary_options *o, ek_where where);

typedef struct ek_summary_merge_options {
    size_t size;
    ek_list inputs;         /* ek_summary_merge: required, string tensors */
    const char *key;        /* ek_summary_merge_all: EK_SUMMARIES */
    const char *scope;      /* ek_summary_merge_all: those whose names begin with this regular expression; NULL: all */
    const char *collection; /* what the result joins; NULL: none */
    const char *name;       /* NULL: "Merge" */
} ek_summary_merge_options;
/* tf.summary.merge and merge_all. All values of several summaries in one: ek_summary_merge(EK_LIST(a, b)); of
 * everything in a collection: ek_summary_merge_all(g), which is a dead tensor (no failure) where there is none.
 * Errors  INVALID_ARGUMENT: an empty list, an item that is no tensor; when it runs, "Duplicate tag x found in summary
 *         inputs". */
#define ek_summary_merge(...)                                                                              \
    EK_CALL(ek_tensor, ek_summary_merge_with, (), ek_summary_merge_options, .name = NULL, .inputs = __VA_ARGS__)
#define ek_summary_merge_all(...) EK_SUMMARY_MERGE_ALL_(__VA_ARGS__, .size = sizeof(ek_summary_merge_options))
#define EK_SUMMARY_MERGE_ALL_(g, ...)                                                                       \
    EK_CALL(ek_tensor, ek_summary_merge_all_with, ((g),), ek_summary_merge_options, .key = EK_SUMMARIES, __VA_ARGS__)
EK_API ek_tensor ek_summary_merge_with(const ek_summary_merge_options *o, ek_where where);
EK_API ek_tensor ek_summary_merge_all_with(ek_graph *g, const ek_summary_merge_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
