/* codec/summary.h - the values of a Summary, written: what operations and event files have in common. The reading is
 * codec/event.c's. */
#ifndef EK_CODEC_SUMMARY_H
#define EK_CODEC_SUMMARY_H

#include "codec/wire.h"
#include "values/histogram.h"

/* Each appends one value, field of a Summary. Failure is the buffer's. An empty tag is left out. */
void ek__summary_scalar(ek_buf *b, ek_span tag, float v);
void ek__summary_histogram(ek_buf *b, ek_span tag, const ek_tally *t, const ek_bucket_limits *limits);
/* Strings as string_val, numbers as tensor_content. `metadata`: a SummaryMetadata. */
void ek__summary_tensor(ek_buf *b, ek_span tag, const ek_array *a, ek_span metadata);
/* Pictures [n, height, width, depth] of which at most `most` are taken: tag/image/0, tag/image/1, ..., of most 1 tag/image.
 * Errors  as ek__png_put. */
typedef struct ek_pictures {
    ek_dtype dtype; /* uint8, float16, float32, float64 */
    const void *data;
    int64_t n, height, width;
    int depth; /* 1, 3, 4 */
    int64_t most;
    uint8_t bad[4];
} ek_pictures;
ek_status ek__summary_images(ek_buf *b, ek_span tag, const ek_pictures *p, ek_error *err);

static inline ek_span ek__span_of(const char *s) { return (ek_span){ (const uint8_t *)s, strlen(s) }; }

/* The SummaryMetadata of text. */
#define EK_TEXT_METADATA "\n\x06\n\x04text"

#endif
