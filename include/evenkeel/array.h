/* evenkeel/array.h - n-d arrays of numbers: what is fed, fetched, saved.
 *
 * An ek_array is dense, row-major, reference counted (the count is atomic; the
 * numbers are not guarded) and aligned to 64 bytes unless it wraps the caller's
 * memory. ek_shape is also a static shape: -1 is an unknown dimension, rank -1 an
 * unknown rank.
 */
#ifndef EVENKEEL_ARRAY_H
#define EVENKEEL_ARRAY_H

#include "evenkeel/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { EK_MAX_RANK = 16 };

/* dim[rank..] is zero. rank -1: unknown. dim -1: unknown (arrays have none). */
typedef struct ek_shape {
    int64_t dim[EK_MAX_RANK];
    int32_t rank;
} ek_shape;

/* EK_SHAPE(-1, 1), EK_SCALAR, EK_UNKNOWN_SHAPE. */
#define EK_SHAPE(...)                                                             \
    ((ek_shape){ .dim = { __VA_ARGS__ },                                          \
                 .rank = (int32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)) })
#define EK_SCALAR ((ek_shape){ .dim = { 0 }, .rank = 0 })
#define EK_UNKNOWN_SHAPE ((ek_shape){ .dim = { 0 }, .rank = -1 })

/* NULL stands for an unknown shape, and for a buffer of no bytes. */
EK_API bool ek_shape_is_known(const ek_shape *s);      /* rank and every dimension */
EK_API int64_t ek_shape_count(const ek_shape *s);      /* elements; -1: not known; INT64_MAX: beyond int64; 1 for a scalar */
EK_API bool ek_shape_equal(const ek_shape *a, const ek_shape *b); /* unknown equals unknown only */
/* Whether one array can have both static shapes (unknown fits anything). */
EK_API bool ek_shape_compatible(const ek_shape *a, const ek_shape *b);
/* *out = what both say; false, *out untouched, where they contradict. */
EK_API bool ek_shape_merge(const ek_shape *a, const ek_shape *b, ek_shape *out);
/* Python's form "(?, 1)", "(3,)", "()", "<unknown>"; returns what snprintf would. */
EK_API int ek_shape_format(const ek_shape *s, char *buf, size_t size);
/* C++'s form "[?,1]", "[]", "<unknown>". */
EK_API int ek_shape_format_cc(const ek_shape *s, char *buf, size_t size);

typedef struct ek_array ek_array;

/* A new array, reference count 1. `data` is copied (row-major; for strings an
 * array of ek_string, each copied); NULL gives zeros, empty strings.
 * Errors  INVALID_ARGUMENT: a dtype without elements, a shape not fully known;
 *         RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_array_create(ek_dtype dtype, ek_shape shape, const void *data,
                                               ek_array **out);
/* The same, NULL on failure, for brevity: ek_array_of(EK_FLOAT32, EK_SHAPE(3, 1), (float[]){...}) */
EK_API ek_array *ek_array_of(ek_dtype dtype, ek_shape shape, const void *data);

/* Wraps the caller's memory without a copy; `release(arg, data)`, if any, is called
 * once when the last reference goes, not on failure. `data` must fit the dtype's natural alignment; of strings it is an
 * array of ek_string that ek_array_set_string cannot change.
 * Errors  INVALID_ARGUMENT: no memory, a wrong alignment, a shape not fully known, a dtype without elements. */
EK_API EK_MUST_CHECK ek_status ek_array_wrap(ek_dtype dtype, ek_shape shape, void *data,
                                             void (*release)(void *arg, void *data), void *arg,
                                             ek_array **out);

EK_API ek_array *ek_array_ref(ek_array *a);   /* returns a; NULL is allowed */
EK_API void ek_array_unref(ek_array *a);      /* NULL is allowed */
EK_API EK_MUST_CHECK ek_status ek_array_copy(const ek_array *a, ek_array **out);

/* Of a NULL array: no dtype, rank -1, no elements, no text. */
EK_API ek_dtype ek_array_dtype(const ek_array *a);
EK_API const ek_shape *ek_array_shape(const ek_array *a); /* borrowed */
EK_API int ek_array_rank(const ek_array *a);
EK_API int64_t ek_array_dim(const ek_array *a, int axis); /* negative axes count from the end; -1: no such axis */
EK_API int64_t ek_array_count(const ek_array *a);
EK_API size_t ek_array_bytes(const ek_array *a);          /* count times element size */
EK_API void *ek_array_data(ek_array *a);                  /* NULL for a NULL array */
EK_API const void *ek_array_cdata(const ek_array *a);
/* Typed views; NULL (and a recorded error) when the dtype is another. */
EK_API float *ek_array_f32(ek_array *a);
EK_API double *ek_array_f64(ek_array *a);
EK_API int32_t *ek_array_i32(ek_array *a);
EK_API int64_t *ek_array_i64(ek_array *a);
/* Element i (row-major) of any real type or bool as a double; NaN out of range. */
EK_API double ek_array_get(const ek_array *a, int64_t i);
/* Replaces string i by a copy of `size` bytes. */
EK_API EK_MUST_CHECK ek_status ek_array_set_string(ek_array *a, int64_t i, const char *data, size_t size);

/* An array and what it is called, borrowed: in an .npz file, a checkpoint, a tf.Example. */
typedef struct ek_named_array {
    const char *name;
    const ek_array *array;
} ek_named_array;

/* As numpy 1.26's str() (or repr()) prints it by default. A new NUL-ended string,
 * free it with ek_free; NULL without memory or without an array. */
EK_API char *ek_array_str(const ek_array *a);
EK_API char *ek_array_repr(const ek_array *a);
EK_API void ek_free(void *block);

/* .npy, versions 1 to 3, both byte orders, C and Fortran order. bfloat16 is written
 * as numpy's "<V2"; strings as fixed-width "|S". Pickled objects are refused.
 * Errors  NOT_FOUND, INVALID_ARGUMENT (not .npy, pickled, a dtype that has no
 *         counterpart), DATA_LOSS (cut off), RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_npy_load(const char *path, ek_array **out);
EK_API EK_MUST_CHECK ek_status ek_npy_save(const char *path, const ek_array *a);

/* .npz: several arrays under names, as numpy.savez and savez_compressed write them (also larger than 4 GiB, also as a
 * stream). Members that are no arrays are left out.
 * Errors  as ek_npy_load, with the name of the array; DATA_LOSS also for a checksum that does not fit. */
typedef struct ek_npz ek_npz;
EK_API EK_MUST_CHECK ek_status ek_npz_load(const char *path, ek_npz **out, ek_error *err);
EK_API void ek_npz_free(ek_npz *z); /* and the references to its arrays; NULL is allowed */
EK_API int64_t ek_npz_count(const ek_npz *z);
EK_API ek_named_array ek_npz_at(const ek_npz *z, int64_t i); /* in the order of the file; NULLs out of range */
EK_API ek_array *ek_npz_find(const ek_npz *z, const char *name); /* borrowed; NULL: none of that name */

/* Writes what numpy.load reads: uncompressed, as numpy.savez. A file is replaced only when all of it is written.
 * Errors  INVALID_ARGUMENT: a name that is missing, twice there or longer than 65,000 bytes, a type that .npy has not;
 *         what the operating system says of `path`; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_npz_save(const char *path, const ek_named_array *arrays, int64_t n, ek_error *err);

/* One array of a file in IDX form, as MNIST has its images and labels; also when gzip has packed it (.gz), which its content
 * tells. All types of IDX: uint8, int8, int16, int32, float32, float64; up to 16 dimensions. MNIST's images come as uint8
 * [n, 28, 28], 0 (paper) to 255 (ink), its labels as uint8 [n].
 *
 * *out is a new reference, the caller's; NULL on failure.
 * Errors  NOT_FOUND and the like: what the operating system says of `path`; INVALID_ARGUMENT: no IDX file, more than 16
 *         dimensions; DATA_LOSS: cut off, damaged, longer than it says; RESOURCE_EXHAUSTED: no memory, or more than 4 GiB of
 *         elements in a .gz. */
EK_API EK_MUST_CHECK ek_status ek_idx_load(const char *path, ek_array **out);

#ifdef __cplusplus
}
#endif
#endif
