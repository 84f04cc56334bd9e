/* fuzz/fuzz_npz.c - any bytes as an .npz file: refused with a sentence, or named arrays. */
#include <stdlib.h>

#include "codec/npz.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    ek_npz *z = NULL;

    if (ek__npz_decode(data, size, &z, &err) != EK_OK) {
        if (err.code == EK_OK || err.text[0] == '\0' || z != NULL) abort();
        return 0;
    }
    for (int64_t i = 0; i < ek_npz_count(z); i++) {
        const ek_named_array a = ek_npz_at(z, i);
        if (a.name[0] == '\0' || a.array == NULL || ek_npz_find(z, a.name) == NULL) abort();
    }
    ek_npz_free(z);
    return 0;
}
