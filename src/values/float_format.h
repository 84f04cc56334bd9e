/* values/float_format.h - one format for all the numbers of an array, as numpy chooses it. */
#ifndef EK_VALUES_FLOAT_FORMAT_H
#define EK_VALUES_FLOAT_FORMAT_H

#include "base/number.h"

typedef struct ek_float_format {
    ek_float_width width;
    bool plus;       /* a '+' before what is not negative: imaginary parts */
    bool scientific;
    int precision;   /* digits after the point, at most; scientific: exactly */
    int pad_left;    /* characters before the point */
    int pad_right;   /* characters after it */
    int exponent_digits;
} ek_float_format;

/* Looks at the n numbers that will be shown. */
void ek__float_format_init(ek_float_format *f, ek_float_width width, bool plus, const double *v, int64_t n);
/* Appends one number, padded to the common width. */
void ek__float_format_add(const ek_float_format *f, ek_buf *out, double v);

#endif
