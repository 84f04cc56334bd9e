/* values/float_format.c - numpy's choice of a common format: positional or scientific, how many digits, what padding.
 *
 * Digits are the fewest that identify a number among those of its type, cut (with correct rounding of the exact
 * value) at 8 after the point.
 */
#include "values/float_format.h"

#include <math.h>
#include <stdlib.h>

enum { PRECISION = 8 };

/* A finite number's text in three parts, without trailing zeros. */
typedef struct parts {
    char whole[32]; /* with its sign */
    char fraction[32];
    int exponent;
} parts;

/* Splits what printf gave at its decimal point, which is the locale's, whatever that is; stops at an 'e'. */
static void split(const char *text, char *whole, char *fraction)
{
    while (*text >= '0' && *text <= '9') *whole++ = *text++;
    for (; *text != '\0' && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') *fraction++ = *text;
    *whole = *fraction = '\0';
}

static void positional(parts *p, char *whole, double v, const char *digits, int n, int exponent, int precision)
{
    char text[64];
    int k = 0, m = 0;

    /* Too many digits are rounded; fewer than reach the point go on as the number's own, not as zeros. */
    if (n - 1 - exponent > precision || n - 1 < exponent) {
        snprintf(text, sizeof text, "%.*f", n - 1 < exponent ? 0 : precision, v);
        split(text, whole, p->fraction);
        return;
    }
    for (int place = exponent > 0 ? exponent : 0; place >= 0 || exponent - place < n; place--) {
        const int i = exponent - place;
        const char digit = i >= 0 && i < n ? digits[i] : '0';

        if (place >= 0) {
            whole[k++] = digit;
        } else {
            p->fraction[m++] = digit;
        }
    }
    whole[k] = p->fraction[m] = '\0';
}

static void take_apart(parts *p, const ek_float_format *f, double v, int precision)
{
    char digits[20], text[64], *whole = p->whole;
    int exponent, n;

    if (signbit(v)) {
        *whole++ = '-';
    } else if (f->plus) {
        *whole++ = '+';
    }
    v = fabs(v);
    n = ek__shortest_digits(v, f->width, digits, &exponent);
    p->exponent = exponent;
    if (!f->scientific) {
        positional(p, whole, v, digits, n, exponent, precision);
    } else if (n - 1 > precision) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        split(text, whole, p->fraction);
        p->exponent = atoi(strchr(text, 'e') + 1);
    } else {
        snprintf(whole, 2, "%c", digits[0]);
        snprintf(p->fraction, sizeof p->fraction, "%s", digits + 1);
    }
    for (size_t m = strlen(p->fraction); m > 0 && p->fraction[m - 1] == '0'; m--) p->fraction[m - 1] = '\0';
}

static int exponent_digits(int exponent)
{
    return abs(exponent) >= 100 ? 3 : 2;
}

/* The quotient as the array's type has it. */
static double quotient(ek_float_width width, double a, double b)
{
    switch (width) {
    case EK_WIDTH_16: return (double)ek_float16_to_float(ek_float_to_float16((float)a / (float)b));
    case EK_WIDTH_32: return (double)((float)a / (float)b);
    case EK_WIDTH_64: break;
    }
    return a / b;
}

static bool wants_scientific(ek_float_width width, const double *v, int64_t n)
{
    double most = 0, least = 0;

    for (int64_t i = 0; i < n; i++) {
        const double x = fabs(v[i]);

        if (!isfinite(x) || x == 0) continue;
        if (most == 0 || x > most) most = x;
        if (least == 0 || x < least) least = x;
    }
    return most != 0 && (most >= 1e8 || least < 1e-4 || quotient(width, most, least) > 1000);
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

void ek__float_format_init(ek_float_format *f, ek_float_width width, bool plus, const double *v, int64_t n)
{
    bool infinite = false, negative_infinite = plus;
    int fraction = 0;
    parts p;

    *f = (ek_float_format){ .width = width, .plus = plus, .scientific = wants_scientific(width, v, n) };
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            infinite = true;
            negative_infinite |= v[i] < 0;
            continue;
        }
        take_apart(&p, f, v[i], PRECISION);
        f->pad_left = larger(f->pad_left, (int)strlen(p.whole));
        fraction = larger(fraction, (int)strlen(p.fraction));
        f->exponent_digits = larger(f->exponent_digits, exponent_digits(p.exponent));
    }
    f->precision = f->scientific ? fraction : PRECISION;
    f->pad_right = f->scientific ? f->exponent_digits + 2 + fraction : fraction;
    if (infinite) {
        f->pad_left = larger(f->pad_left, 3 - (f->pad_right + 1));
        f->pad_left = larger(f->pad_left, 3 + negative_infinite - (f->pad_right + 1));
    }
}

void ek__float_format_add(const ek_float_format *f, ek_buf *out, double v)
{
    char text[64];
    parts p;

    if (!isfinite(v)) {
        const char *sign = v < 0 ? "-" : f->plus ? "+" : "";

        ek__buf_printf(out, "%*s%s%s", f->pad_left + f->pad_right + 1 - 3 - (int)strlen(sign), "", sign,
                       isnan(v) ? "nan" : "inf");
        return;
    }
    take_apart(&p, f, v, f->precision);
    if (!f->scientific) {
        ek__buf_printf(out, "%*s.%-*s", f->pad_left, p.whole, f->pad_right, p.fraction);
        return;
    }
    if ((int)strlen(p.fraction) < f->precision) {
        /* Digits beyond the shortest are the number's own, not zeros. */
        snprintf(text, sizeof text, "%.*e", f->precision, fabs(v));
        split(text, p.whole + strspn(p.whole, "+-"), p.fraction);
        p.exponent = atoi(strchr(text, 'e') + 1);
    }
    ek__buf_printf(out, "%*s.%se%c%0*d", f->pad_left, p.whole, p.fraction, p.exponent < 0 ? '-' : '+',
                   f->exponent_digits, abs(p.exponent));
}
