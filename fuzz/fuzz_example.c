/* fuzz/fuzz_example.c - any bytes as a tf.Example: refused with a sentence, or features, which written and read are the
 * same. */
#include <stdlib.h>

#include "evenkeel/records.h"
#include "values/array.h"
#include "fuzz.h"

/* The features that have values, at most so many. */
enum { MOST = 64 };
static int64_t features_of(const ek_example *e, ek_named_array out[MOST])
{
    int64_t n = 0;

    for (int64_t i = 0; i < ek_example_count(e) && n < MOST; i++) {
        ek_dtype dtype;
        ek_array *a = NULL;

        out[n].name = ek_example_name(e, i, &dtype);
        if (ek_example_get(e, out[n].name, &a, NULL) != (dtype == EK_DTYPE_NONE ? EK_NOT_FOUND : EK_OK)) abort();
        if (a != NULL && a->dtype != dtype) abort();
        if (a != NULL) out[n++].array = a;
    }
    return n;
}

static void release(ek_named_array *features, int64_t n)
{
    for (int64_t i = 0; i < n; i++) ek_array_unref((ek_array *)features[i].array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    ek_example *e = NULL, *again = NULL;
    ek_named_array first[MOST], second[MOST];
    void *bytes;
    size_t n_bytes;

    if (ek_example_parse(data, size, &e, &err) != EK_OK) {
        if (err.code == EK_OK || err.text[0] == '\0' || e != NULL) abort();
        return 0;
    }
    const int64_t n = features_of(e, first);
    if (ek_example_encode(first, n, &bytes, &n_bytes, &err) != EK_OK) abort();
    if (ek_example_parse(bytes, n_bytes, &again, &err) != EK_OK || features_of(again, second) != n) abort();
    for (int64_t i = 0; i < n; i++)
        if (strcmp(first[i].name, second[i].name) != 0 || !ek__array_equal(first[i].array, second[i].array)) abort();
    release(first, n);
    release(second, n);
    ek_example_free(e);
    ek_example_free(again);
    ek_free(bytes);
    return 0;
}
