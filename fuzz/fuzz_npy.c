/* fuzz/fuzz_npy.c - any bytes as a .npy file: refused with a sentence, or read, and then written and read again alike. */
#include <stdlib.h>

#include "codec/npy.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    ek_array *first = NULL, *second = NULL;
    ek_buf b = { 0 };

    if (ek__npy_decode(data, size, &first, &err) != EK_OK) {
        if (err.code == EK_OK || err.text[0] == '\0' || first != NULL) abort();
        return 0;
    }
    if (ek__npy_encode(first, &b, &err) != EK_OK) abort();
    if (ek__npy_decode(b.data, b.size, &second, &err) != EK_OK) abort();
    if (!ek__array_equal(first, second)) abort();
    ek__buf_fini(&b);
    ek__array_print(&b, first, true);
    ek__buf_fini(&b);
    ek_array_unref(first);
    ek_array_unref(second);
    return 0;
}
