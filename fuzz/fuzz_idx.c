/* fuzz/fuzz_idx.c - any bytes as an IDX file, plain or in gzip form: refused with a sentence, or an array. */
#include <stdlib.h>

#include "codec/idx.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    ek_array *a = NULL;

    if (ek__idx_decode(data, size, &a, &err) != EK_OK) {
        if (err.code == EK_OK || err.text[0] == '\0' || a != NULL) abort();
        return 0;
    }
    if (a == NULL || ek_array_bytes(a) > (size + 16) * 1032) abort();
    ek_array_unref(a);
    return 0;
}
