/* base/number.c - the shortest decimal digits of floating-point numbers. */
#include "base/number.h"

#include <math.h>
#include <stdlib.h>

static bool reads_back(const char *text, double v, ek_float_width width)
{
    switch (width) {
    case EK_WIDTH_16: return ek__double_to_float16(strtod(text, NULL)) == ek_float_to_float16((float)v);
    case EK_WIDTH_32: return (double)strtof(text, NULL) == v;
    case EK_WIDTH_64: break;
    }
    return strtod(text, NULL) == v;
}

/* One more in the last place of an "%.*e" text; false when it was all nines. */
static bool next_up(char *text)
{
    char *p = strchr(text, 'e') - 1;

    for (; p >= text; p--) {
        if (*p < '0' || *p > '9') continue;
        if (*p != '9') {
            ++*p;
            return true;
        }
        *p = '0';
    }
    return false;
}

int ek__shortest_digits(double v, ek_float_width width, char digits[20], int *exponent)
{
    static const int most[] = { [EK_WIDTH_16] = 5, [EK_WIDTH_32] = 9, [EK_WIDTH_64] = 17 };
    char text[64], up[64];
    int n = 0;

    v = fabs(v);
    for (int precision = 0; precision < most[width]; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (reads_back(text, v, width)) break;
        /* Below a power of two numbers lie closer than above it: the nearest decimal may be that
         * of a neighbour while the next one up still is ours. */
        memcpy(up, text, sizeof up);
        if (strtod(text, NULL) < v && next_up(up) && reads_back(up, v, width)) {
            memcpy(text, up, sizeof text);
            break;
        }
    }
    /* The decimal point is the locale's, whatever it is: only digits count. */
    const char *p = text;
    for (; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') digits[n++] = *p;
    *exponent = atoi(p + 1);
    while (n > 1 && digits[n - 1] == '0') n--;
    digits[n] = '\0';
    return n;
}

int ek__format_number(char *buf, double v, ek_float_width width)
{
    const double magnitude = fabs(v);
    char digits[20], *p = buf;
    int exponent, n;

    if (isnan(v)) return sprintf(buf, "nan");
    if (isinf(v)) return sprintf(buf, v < 0 ? "-inf" : "inf");
    if (signbit(v)) *p++ = '-';
    n = ek__shortest_digits(v, width, digits, &exponent);
    if (magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
        *p++ = digits[0];
        if (n > 1) p += sprintf(p, ".%s", digits + 1);
        p += sprintf(p, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        p += sprintf(p, "0.%.*s%s", -exponent - 1, "0000", digits);
    } else {
        for (int i = 0; i < n || i <= exponent + 1; i++) {
            if (i == exponent + 1) *p++ = '.';
            *p++ = i < n ? digits[i] : '0';
        }
        *p = '\0';
    }
    return (int)(p - buf);
}

int ek__format_double(char *buf, double v)
{
    return ek__format_number(buf, v, EK_WIDTH_64);
}

int ek__format_float(char *buf, float v)
{
    return ek__format_number(buf, (double)v, EK_WIDTH_32);
}
