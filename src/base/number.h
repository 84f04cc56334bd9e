/* base/number.h - the shortest decimal digits that identify a floating-point number among those of its width. */
#ifndef EK_BASE_NUMBER_H
#define EK_BASE_NUMBER_H

#include "base/base.h"

typedef enum ek_float_width { EK_WIDTH_16, EK_WIDTH_32, EK_WIDTH_64 } ek_float_width;

/* |v| = d.ddd x 10^exponent, v finite and of that width (a float16 or float32 widened). Returns the number
 * of digits (1 to 17, no trailing zeros; "0" for zero); `digits` is NUL-ended. */
int ek__shortest_digits(double v, ek_float_width width, char digits[20], int *exponent);

/* str() of a numpy scalar: positional from 1e-4 up to 1e16 (the value decides, not its digits: float32's 0.0001 is
 * below and prints as 1e-04), else scientific. Returns the length; buf holds 40. */
int ek__format_number(char *buf, double v, ek_float_width width);

/* Rounds once; by way of float it would be twice. */
uint16_t ek__double_to_float16(double v);

#endif
