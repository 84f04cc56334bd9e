/* ops/summary.c - a tensor's first elements as text. */
#include "ops/summary.h"

#include <math.h>
#include <stdlib.h>

/* The shorter of two precisions that reads back as the same number. */
static void add_double(ek_buf *b, double v)
{
    char text[40];

    if (isnan(v)) {
        ek__buf_str(b, "nan");
        return;
    }
    (void)snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v) (void)snprintf(text, sizeof text, "%.17g", v);
    ek__buf_str(b, text);
}

static void add_float(ek_buf *b, float v)
{
    char text[40];

    if (isnan(v)) {
        ek__buf_str(b, "nan");
        return;
    }
    (void)snprintf(text, sizeof text, "%.6g", (double)v);
    if (strtof(text, NULL) != v) (void)snprintf(text, sizeof text, "%.9g", (double)v);
    ek__buf_str(b, text);
}

static void add_string(ek_buf *b, const ek_string *s)
{
    static const char named[] = "\nn\rr\tt\"\"''\\\\";

    for (size_t i = 0; i < s->size; i++) {
        const unsigned char c = (unsigned char)s->data[i];
        const char *p = named;

        while (*p != '\0' && (unsigned char)*p != c) p += 2;
        if (*p != '\0')
            ek__buf_printf(b, "\\%c", p[1]);
        else if (c < 32 || c >= 127)
            ek__buf_printf(b, "\\%03o", c);
        else
            ek__buf_add(b, &s->data[i], 1);
    }
}

static void add_element(ek_buf *b, ek_dtype t, const void *data, int64_t i)
{
    int64_t v = 0;

    switch (t) {
    case EK_STRING: add_string(b, (const ek_string *)data + i); return;
    case EK_FLOAT32: add_float(b, ((const float *)data)[i]); return;
    case EK_FLOAT64: add_double(b, ((const double *)data)[i]); return;
    case EK_FLOAT16: add_float(b, ek_float16_to_float(((const uint16_t *)data)[i])); return;
    case EK_BFLOAT16: add_float(b, ek_bfloat16_to_float(((const uint16_t *)data)[i])); return;
    case EK_UINT64: ek__buf_printf(b, "%llu", (unsigned long long)((const uint64_t *)data)[i]); return;
    default: break;
    }
    /* Complex numbers and handles TensorFlow does not show either. */
    if (!ek_dtype_is_complex(t) && ek__convert(t, (const char *)data + (size_t)i * ek_dtype_size(t), EK_INT64, &v, 1))
        ek__buf_printf(b, "%lld", (long long)v);
    else
        ek__buf_str(b, "?");
}

void ek__summary(ek_buf *b, ek_dtype t, const ek_shape *shape, const void *data, int64_t limit)
{
    const int64_t count = ek_shape_count(shape), n = limit < 0 || limit > count ? count : limit;
    const int64_t row = shape->rank > 0 ? shape->dim[shape->rank - 1] : 1;
    int64_t block[EK_MAX_RANK + 1]; /* elements between two brackets of each depth */

    block[0] = count;
    for (int32_t d = 0; d < shape->rank; d++) block[d + 1] = shape->dim[d] > 0 ? block[d] / shape->dim[d] : 0;
    for (int64_t i = 0; i < n; i++) {
        for (int32_t d = 1; d < shape->rank; d++)
            if (i % block[d] == 0) ek__buf_str(b, "[");
        if (i % row != 0) ek__buf_str(b, " ");
        add_element(b, t, data, i);
        if (i + 1 == n && n < count && shape->rank > 1 && (i + 1) % row != 0) ek__buf_str(b, "...");
        for (int32_t d = shape->rank - 1; d >= 1; d--)
            if ((i + 1) % block[d] == 0 || i + 1 == n) ek__buf_str(b, "]");
    }
    if (n < count) ek__buf_str(b, "...");
}
