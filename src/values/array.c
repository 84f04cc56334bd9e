/* values/array.c - arrays: made, wrapped, shared, looked into. Strings are blocks of their own. */
#include "values/array.h"

#include <math.h>

/* One block holds the array and, HEADER bytes on, its elements. */
enum { HEADER = (sizeof(struct ek_array) + 63) / 64 * 64 };
static const int64_t max_bytes = (int64_t)1 << 46; /* beyond what processors address: a size from a broken file */

bool ek__bytes_of(ek_dtype dtype, const ek_shape *shape, int64_t *count, size_t *bytes)
{
    const int64_t n = ek_shape_count(shape), size = (int64_t)ek_dtype_size(dtype);

    if (n < 0 || size == 0 || n > max_bytes / size) return false;
    *count = n;
    *bytes = (size_t)(n * size);
    return true;
}

/* ---- strings ------------------------------------------------------------------------- */

bool ek__string_set(ek_string *s, const char *data, size_t size)
{
    char *copy = NULL;

    if (size > 0) {
        copy = size < SIZE_MAX ? ek__alloc(size + 1) : NULL;
        if (copy == NULL) return false;
        memcpy(copy, data, size);
        copy[size] = '\0';
    }
    ek__free(s->data);
    *s = (ek_string){ copy, size };
    return true;
}

void ek__string_clear(ek_string *s)
{
    ek__free(s->data);
    *s = (ek_string){ 0 };
}

void ek__strings_clear(ek_string *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++) ek__string_clear(&s[i]);
}

/* ---- making --------------------------------------------------------------------------- */

/* What every array must satisfy; counts and sizes follow. */
static ek_status check(ek_dtype dtype, const ek_shape *shape, int64_t *count, size_t *bytes, ek_error *err)
{
    char text[EK_MAX_RANK * 24];

    if (ek_dtype_size(dtype) == 0 || ek_dtype_is_ref(dtype) || dtype == EK_RESOURCE || dtype == EK_VARIANT)
        return EK_FAIL(err, INVALID_ARGUMENT, "an array cannot have elements of type %s", ek_dtype_name(dtype));
    if (shape->rank > EK_MAX_RANK)
        return EK_FAIL(err, INVALID_ARGUMENT, "an array has at most %d dimensions, %d were asked for", EK_MAX_RANK,
                       (int)shape->rank);
    if (!ek_shape_is_known(shape)) {
        ek_shape_format(shape, text, sizeof text);
        return EK_FAIL(err, INVALID_ARGUMENT, "an array needs a shape without unknown dimensions, found %s", text);
    }
    if (!ek__bytes_of(dtype, shape, count, bytes)) {
        ek_shape_format(shape, text, sizeof text);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "an array of shape %s and type %s is too large", text,
                       ek_dtype_name(dtype));
    }
    return EK_OK;
}

ek_status ek__array_new_raw(ek_dtype dtype, const ek_shape *shape, ek_array **out, ek_error *err)
{
    int64_t count;
    size_t bytes;
    ek_array *a;

    EK_TRY(check(dtype, shape, &count, &bytes, err));
    a = ek__alloc(HEADER + bytes);
    if (a == NULL) {
        char text[EK_MAX_RANK * 24];

        ek_shape_format(shape, text, sizeof text);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an array of shape %s and type %s (%zu bytes)", text,
                       ek_dtype_name(dtype), bytes);
    }
    *a = (ek_array){ .dtype = dtype, .shape = *shape, .count = count, .data = (char *)a + HEADER };
    for (int i = shape->rank; i < EK_MAX_RANK; i++) a->shape.dim[i] = 0;
    atomic_init(&a->refs, 1);
    if (dtype == EK_STRING) memset(a->data, 0, bytes);
    *out = a;
    return EK_OK;
}

ek_status ek__array_new(ek_dtype dtype, const ek_shape *shape, const void *data, ek_array **out, ek_error *err)
{
    ek_array *a;
    const ek_string *from = data;

    EK_TRY(ek__array_new_raw(dtype, shape, &a, err));
    const size_t bytes = (size_t)a->count * ek_dtype_size(dtype);
    if (data == NULL) {
        memset(a->data, 0, bytes);
    } else if (dtype != EK_STRING) {
        if (bytes > 0) memcpy(a->data, data, bytes);
    } else {
        for (int64_t i = 0; i < a->count; i++) {
            const bool there = from[i].data != NULL || from[i].size == 0;
            if (there && ek__string_set((ek_string *)a->data + i, from[i].data, from[i].size)) continue;
            ek_array_unref(a);
            if (!there)
                return EK_FAIL(err, INVALID_ARGUMENT, "string %lld has %zu bytes and is NULL", (long long)i,
                               from[i].size);
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string of %zu bytes", from[i].size);
        }
    }
    *out = a;
    return EK_OK;
}

static ek_status check_place(ek_array **out, ek_error *err)
{
    return out != NULL ? EK_OK : EK_FAIL(err, INVALID_ARGUMENT, "a place for the array was expected, found NULL");
}

ek_status ek_array_create(ek_dtype dtype, ek_shape shape, const void *data, ek_array **out)
{
    ek_error *err = ek__error_begin(NULL);

    EK_TRY(check_place(out, err));
    return ek__array_new(dtype, &shape, data, out, err);
}

ek_array *ek_array_of(ek_dtype dtype, ek_shape shape, const void *data)
{
    ek_array *a = NULL;

    return ek_array_create(dtype, shape, data, &a) == EK_OK ? a : NULL;
}

ek_status ek_array_wrap(ek_dtype dtype, ek_shape shape, void *data, void (*release)(void *arg, void *data), void *arg,
                        ek_array **out)
{
    static _Alignas(64) char nothing[64];
    ek_error *err = ek__error_begin(NULL);
    const size_t element = ek_dtype_size(dtype);
    const size_t align = ek_dtype_is_complex(dtype) ? element / 2 : element == 16 ? 8 : element;
    int64_t count;
    size_t bytes;
    ek_array *a;

    EK_TRY(check_place(out, err));
    EK_TRY(check(dtype, &shape, &count, &bytes, err));
    if (data == NULL && count > 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "memory to wrap was expected, NULL was given for %lld elements",
                       (long long)count);
    if ((uintptr_t)data % align != 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "the memory at %p is not aligned to %zu bytes, as %s needs", data, align,
                       ek_dtype_name(dtype));
    a = ek__alloc(sizeof *a);
    if (a == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an array");
    *a = (ek_array){ .dtype = dtype, .shape = shape, .count = count, .data = data != NULL ? data : nothing,
                     .release = release, .release_arg = arg, .wrapped = true };
    for (int i = shape.rank; i < EK_MAX_RANK; i++) a->shape.dim[i] = 0;
    atomic_init(&a->refs, 1);
    *out = a;
    return EK_OK;
}

ek_array *ek_array_ref(ek_array *a)
{
    if (a != NULL) atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void ek_array_unref(ek_array *a)
{
    if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) return;
    if (a->release != NULL) a->release(a->release_arg, a->data);
    if (a->dtype == EK_STRING && !a->wrapped) ek__strings_clear(a->data, a->count);
    ek__free(a);
}

ek_status ek_array_copy(const ek_array *a, ek_array **out)
{
    ek_error *err = ek__error_begin(NULL);

    if (a == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "an array was expected, found NULL");
    EK_TRY(check_place(out, err));
    return ek__array_new(a->dtype, &a->shape, a->data, out, err);
}

/* ---- looking ---------------------------------------------------------------------------- */

ek_dtype ek_array_dtype(const ek_array *a)
{
    return a != NULL ? a->dtype : EK_DTYPE_NONE;
}

const ek_shape *ek_array_shape(const ek_array *a)
{
    static const ek_shape none = { .rank = -1 };

    return a != NULL ? &a->shape : &none;
}

int ek_array_rank(const ek_array *a)
{
    return a != NULL ? a->shape.rank : -1;
}

/* -1 for an axis that the array does not have. */
int64_t ek_array_dim(const ek_array *a, int axis)
{
    if (a == NULL) return -1;
    if (axis < 0) axis += a->shape.rank;
    return axis >= 0 && axis < a->shape.rank ? a->shape.dim[axis] : -1;
}

int64_t ek_array_count(const ek_array *a)
{
    return a != NULL ? a->count : 0;
}

size_t ek_array_bytes(const ek_array *a)
{
    return a != NULL ? (size_t)a->count * ek_dtype_size(a->dtype) : 0;
}

void *ek_array_data(ek_array *a)
{
    return a != NULL ? a->data : NULL;
}

const void *ek_array_cdata(const ek_array *a)
{
    return a != NULL ? a->data : NULL;
}

static void *typed(ek_array *a, ek_dtype dtype)
{
    if (a != NULL && a->dtype == dtype) return a->data;
    (void)EK_FAIL(ek__error_begin(NULL), INVALID_ARGUMENT, "an array of %s was expected, found %s",
                  ek_dtype_name(dtype), a != NULL ? ek_dtype_name(a->dtype) : "NULL");
    return NULL;
}

float *ek_array_f32(ek_array *a)
{
    return typed(a, EK_FLOAT32);
}

double *ek_array_f64(ek_array *a)
{
    return typed(a, EK_FLOAT64);
}

int32_t *ek_array_i32(ek_array *a)
{
    return typed(a, EK_INT32);
}

int64_t *ek_array_i64(ek_array *a)
{
    return typed(a, EK_INT64);
}

static const void *element(const ek_array *a, int64_t i)
{
    return (const char *)a->data + (size_t)i * ek_dtype_size(a->dtype);
}

double ek_array_get(const ek_array *a, int64_t i)
{
    double v;

    if (a == NULL || i < 0 || i >= a->count || ek_dtype_is_complex(a->dtype)) return NAN;
    return ek__convert(a->dtype, element(a, i), EK_FLOAT64, &v, 1) ? v : NAN;
}

int64_t ek__array_int(const ek_array *a, int64_t i)
{
    int64_t v = 0;

    EK_ASSERT(i >= 0 && i < a->count);
    (void)ek__convert(a->dtype, element(a, i), EK_INT64, &v, 1);
    return v;
}

ek_status ek_array_set_string(ek_array *a, int64_t i, const char *data, size_t size)
{
    ek_error *err = ek__error_begin(NULL);

    if (a == NULL || a->dtype != EK_STRING || a->wrapped)
        return EK_FAIL(err, INVALID_ARGUMENT, "an array of string that owns its memory was expected, found %s",
                       a == NULL ? "NULL" : a->wrapped ? "wrapped memory" : ek_dtype_name(a->dtype));
    if (i < 0 || i >= a->count)
        return EK_FAIL(err, OUT_OF_RANGE, "element %lld of an array of %lld", (long long)i, (long long)a->count);
    if (data == NULL && size > 0) return EK_FAIL(err, INVALID_ARGUMENT, "%zu bytes were expected, found NULL", size);
    if (!ek__string_set((ek_string *)a->data + i, data, size))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string of %zu bytes", size);
    return EK_OK;
}

bool ek__array_is_finite(const ek_array *a)
{
    for (int64_t i = 0; i < a->count; i++)
        if (!isfinite(ek_array_get(a, i))) return false;
    return true;
}

bool ek__array_equal(const ek_array *a, const ek_array *b)
{
    const ek_string *s = a->data, *t = b->data;

    if (a->dtype != b->dtype || !ek_shape_equal(&a->shape, &b->shape)) return false;
    if (a->dtype != EK_STRING) return memcmp(a->data, b->data, ek_array_bytes(a)) == 0;
    for (int64_t i = 0; i < a->count; i++) {
        if (s[i].size != t[i].size) return false;
        if (s[i].size > 0 && memcmp(s[i].data, t[i].data, s[i].size) != 0) return false;
    }
    return true;
}

/* ---- printing ----------------------------------------------------------------------------- */

static char *printed(const ek_array *a, bool repr)
{
    ek_buf b = { 0 };

    if (a == NULL) return NULL;
    ek__array_print(&b, a, repr);
    if (!b.failed) return b.data;
    ek__buf_fini(&b);
    return NULL;
}

char *ek_array_str(const ek_array *a)
{
    return printed(a, false);
}

char *ek_array_repr(const ek_array *a)
{
    return printed(a, true);
}

void ek_free(void *block)
{
    ek__free(block);
}

void ek__swap_bytes(ek_dtype t, void *data, int64_t count)
{
    size_t size = ek_dtype_size(t);
    unsigned char *p = data;

    if (ek_dtype_is_complex(t)) {
        size /= 2;
        count *= 2;
    }
    for (; count > 0; count--, p += size) {
        for (size_t i = 0; i < size / 2; i++) {
            const unsigned char c = p[i];

            p[i] = p[size - 1 - i];
            p[size - 1 - i] = c;
        }
    }
}
