/* values/array.h - the array from inside. */
#ifndef EK_VALUES_ARRAY_H
#define EK_VALUES_ARRAY_H

#include "base/base.h"
#include "evenkeel/array.h"

struct ek_array {
    atomic_int refs;
    ek_dtype dtype; /* never a reference type */
    ek_shape shape; /* fully known */
    int64_t count;
    void *data;     /* 64-byte aligned unless wrapped */
    void (*release)(void *arg, void *data); /* for wrapped memory; NULL otherwise */
    void *release_arg;
    bool wrapped;
};

/* Like ek_array_create, with the error record; data NULL: zeros. */
ek_status ek__array_new(ek_dtype dtype, const ek_shape *shape, const void *data, ek_array **out, ek_error *err);
/* The same, numbers left as the allocator gave them (strings empty). */
ek_status ek__array_new_raw(ek_dtype dtype, const ek_shape *shape, ek_array **out, ek_error *err);

/* Small conveniences for code that knows what it holds. Element i as an integer; any integer type or bool. */
int64_t ek__array_int(const ek_array *a, int64_t i);
bool ek__array_is_finite(const ek_array *a); /* no NaN and no infinity; of any real type */
bool ek__array_equal(const ek_array *a, const ek_array *b); /* dtype, shape, bits (strings by content) */

/* Replaces *s by a copy of the bytes, freeing what it held. false without memory. */
bool ek__string_set(ek_string *s, const char *data, size_t size);
void ek__string_clear(ek_string *s);
void ek__strings_clear(ek_string *s, int64_t n);

/* Bytes of `count` elements; false when it overflows int64 or exceeds 2^46. */
bool ek__bytes_of(ek_dtype dtype, const ek_shape *shape, int64_t *count, size_t *bytes);

/* Converts n elements between any two real types, bool and complex as TensorFlow's Cast and
 * numpy's astype do; false for strings and handles. */
bool ek__convert(ek_dtype from, const void *in, ek_dtype to, void *out, int64_t n);

/* Reverses the bytes of every number in place; a complex one is two. */
void ek__swap_bytes(ek_dtype t, void *data, int64_t count);

/* str() and repr() of numpy 1.26 for `count` elements at `data`. */
void ek__array_print(ek_buf *b, const ek_array *a, bool repr);

/* The other way: a number, True or False, a string in quotes, or a list of those in brackets, split by commas or
 * spaces, as an array of `dtype`. INVALID_ARGUMENT, with the column, for what is ragged or does not fit the type. */
ek_status ek__array_parse(const char *text, ek_dtype dtype, ek_array **out, ek_error *err);

/* A variable's place in a store; the store (runtime/) owns it, ops write through it.
 * value NULL: not initialized. `version` rises with every write. */
typedef struct ek_slot {
    ek_array *value;
    uint64_t version;
    ek_dtype dtype;
    const char *name; /* for errors */
} ek_slot;

#endif
