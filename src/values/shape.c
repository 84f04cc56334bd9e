/* values/shape.c - shapes: static ones with unknown parts, and those of arrays. */
#include "evenkeel/array.h"

#include <stdio.h>

/* Shapes are the caller's: NULL and a rank beyond the limit are not known, the latter never read beyond its dimensions. */
static const ek_shape *given(const ek_shape *s)
{
    static const ek_shape unknown = { .rank = -1 };

    return s != NULL ? s : &unknown;
}

static int dims_of(const ek_shape *s)
{
    return s->rank < EK_MAX_RANK ? s->rank : EK_MAX_RANK;
}

bool ek_shape_is_known(const ek_shape *s)
{
    if (s == NULL || s->rank < 0 || s->rank > EK_MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return false;
    return true;
}

/* A product beyond int64 is reported as INT64_MAX, which no array can have. */
int64_t ek_shape_count(const ek_shape *s)
{
    int64_t n = 1;
    bool empty = false, huge = false;

    if (!ek_shape_is_known(s)) return -1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] == 0) empty = true;
        if (__builtin_mul_overflow(n, s->dim[i] != 0 ? s->dim[i] : 1, &n)) {
            huge = true;
            n = 1;
        }
    }
    return empty ? 0 : huge ? INT64_MAX : n;
}

bool ek_shape_equal(const ek_shape *a, const ek_shape *b)
{
    a = given(a), b = given(b);
    if (a->rank != b->rank) return false;
    for (int i = 0; i < dims_of(a); i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

bool ek_shape_compatible(const ek_shape *a, const ek_shape *b)
{
    a = given(a), b = given(b);
    if (a->rank < 0 || b->rank < 0) return true;
    if (a->rank != b->rank) return false;
    for (int i = 0; i < dims_of(a); i++)
        if (a->dim[i] >= 0 && b->dim[i] >= 0 && a->dim[i] != b->dim[i]) return false;
    return true;
}

bool ek_shape_merge(const ek_shape *a, const ek_shape *b, ek_shape *out)
{
    if (out == NULL || !ek_shape_compatible(a, b)) return false;
    a = given(a), b = given(b);
    ek_shape merged = a->rank < 0 ? *b : *a;

    if (a->rank >= 0 && b->rank >= 0) {
        for (int i = 0; i < dims_of(a); i++)
            if (merged.dim[i] < 0) merged.dim[i] = b->dim[i];
    }
    *out = merged;
    return true;
}

/* Dimensions between brackets; `one` follows the dimension of a vector. */
static int format(const ek_shape *s, char *buf, size_t size, const char *open, const char *separator, const char *one,
                  const char *close)
{
    char text[EK_MAX_RANK * 24 + 8];
    int n;

    s = given(s);
    if (buf == NULL) size = 0;
    if (s->rank < 0) return snprintf(buf, size, "<unknown>");
    n = snprintf(text, sizeof text, "%s", open);
    for (int i = 0; i < dims_of(s); i++) {
        if (i > 0) n += snprintf(text + n, sizeof text - (size_t)n, "%s", separator);
        if (s->dim[i] < 0) {
            n += snprintf(text + n, sizeof text - (size_t)n, "?");
        } else {
            n += snprintf(text + n, sizeof text - (size_t)n, "%lld", (long long)s->dim[i]);
        }
    }
    return snprintf(buf, size, "%s%s%s", text, s->rank == 1 ? one : "", close);
}

int ek_shape_format(const ek_shape *s, char *buf, size_t size)
{
    return format(s, buf, size, "(", ", ", ",", ")");
}

int ek_shape_format_cc(const ek_shape *s, char *buf, size_t size)
{
    return format(s, buf, size, "[", ",", "", "]");
}
