/* fuzz/fuzz_value.c - any text as an array that somebody typed: refused with a sentence, or taken; and what an array of up to
 * 1000 integers or strings prints is taken for that array again. The first byte chooses the type. */
#include <stdlib.h>

#include "values/array.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    ek_array *first = NULL, *second = NULL;
    const ek_dtype dtype = size > 0 ? (ek_dtype)(data[0] % EK_DTYPE_COUNT) : EK_INT64;
    char *text = malloc(size + 1), *printed;

    if (text == NULL) return 0;
    if (size > 0) memcpy(text, data + 1, size - 1);
    text[size > 0 ? size - 1 : 0] = '\0';
    if (ek__array_parse(text, dtype, &first, &err) != EK_OK) {
        if (err.code == EK_OK || err.text[0] == '\0' || first != NULL) abort();
        free(text);
        return 0;
    }
    printed = ek_array_str(first);
    if (printed == NULL) abort();
    if (first->count > 0 && first->count <= 1000 && (ek_dtype_is_integer(dtype) || dtype == EK_STRING)) {
        if (ek__array_parse(printed, dtype, &second, &err) != EK_OK) abort();
        if (!ek__array_equal(first, second)) abort();
    }
    ek_free(printed);
    ek_array_unref(first);
    ek_array_unref(second);
    free(text);
    return 0;
}
