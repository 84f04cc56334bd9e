/* cli/json_array.c - an array as nested JSON lists. */
#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "cli/commands.h"
#include "values/array.h"

static void json_float(ek_json *j, double v, ek_dtype dtype)
{
    char text[40];

    if (dtype != EK_FLOAT32 && dtype != EK_COMPLEX64) {
        ek__json_double(j, v);
        return;
    }
    if (!isfinite(v)) {
        ek__json_str(j, NULL);
        return;
    }
    /* The shortest digits of the float, not of the double it became. */
    ek__format_number(text, v, EK_WIDTH_32);
    ek__json_double(j, strtod(text, NULL));
}

static void json_element(ek_json *j, const ek_array *a, int64_t i)
{
    const char *at = (const char *)a->data + (size_t)i * ek_dtype_size(a->dtype);
    double pair[2];

    if (a->dtype == EK_STRING) {
        ek__json_string(j, ((const ek_string *)a->data)[i].data, ((const ek_string *)a->data)[i].size);
    } else if (a->dtype == EK_BOOL) {
        ek__json_bool(j, ek__array_int(a, i) != 0);
    } else if (ek_dtype_is_complex(a->dtype)) {
        (void)ek__convert(a->dtype, at, EK_COMPLEX128, pair, 1);
        ek__json_open(j, '[');
        json_float(j, pair[0], a->dtype);
        json_float(j, pair[1], a->dtype);
        ek__json_close(j, ']');
    } else if (ek_dtype_is_floating(a->dtype)) {
        json_float(j, ek_array_get(a, i), a->dtype);
    } else if (a->dtype == EK_UINT64 && ek__array_int(a, i) < 0) {
        ek__json_double(j, ek_array_get(a, i));
    } else {
        ek__json_int(j, ek__array_int(a, i));
    }
}

static int64_t json_axis(ek_json *j, const ek_array *a, int axis, int64_t i)
{
    if (axis == a->shape.rank) {
        json_element(j, a, i);
        return i + 1;
    }
    ek__json_open(j, '[');
    for (int64_t k = 0; k < a->shape.dim[axis]; k++) i = json_axis(j, a, axis + 1, i);
    ek__json_close(j, ']');
    return i;
}

void cli_json_array(ek_json *j, const ek_array *a)
{
    (void)json_axis(j, a, 0, 0);
}
