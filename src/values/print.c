/* values/print.c - str() and repr() of arrays as numpy prints them by default.
 *
 * Here:     layout: brackets, wrapping at 75 columns, summaries of more than 1000 elements, the dtype at the end.
 * Not here: how numbers of one array get a common format (float_format.c).
 */
#include "values/array.h"

#include <math.h>

#include "values/float_format.h"

enum { LINE_WIDTH = 75, THRESHOLD = 1000, EDGE = 3 };

typedef struct printer {
    ek_buf *out, word;
    const ek_array *a;
    const char *separator; /* " " for str(), ", " for repr() */
    size_t line_start;     /* in out */
    int prefix;            /* columns before the first bracket */
    int width;             /* of a line, less what follows the last bracket */
    bool summary;
    int64_t *at;           /* the elements shown, in order */
    int64_t shown, next, cap;
    double *re, *im;       /* their values, where they are floating or complex */
    ek_float_format re_format, im_format;
    int int_width;
    void (*add)(struct printer *p, int64_t k); /* appends the k-th shown element to word */
} printer;

static const void *element(const ek_array *a, int64_t i)
{
    return (const char *)a->data + (size_t)i * ek_dtype_size(a->dtype);
}

/* ---- elements ------------------------------------------------------------------------------ */

static ek_float_width float_width(ek_dtype t)
{
    return t == EK_FLOAT16 ? EK_WIDTH_16 : t == EK_FLOAT32 || t == EK_COMPLEX64 ? EK_WIDTH_32 : EK_WIDTH_64;
}

static void add_integer(const ek_array *a, int64_t i, ek_buf *out, int width)
{
    uint64_t u = 0;

    if (a->dtype == EK_UINT64) {
        memcpy(&u, element(a, i), sizeof u);
        ek__buf_printf(out, "%*llu", width, (unsigned long long)u);
    } else {
        ek__buf_printf(out, "%*lld", width, (long long)ek__array_int(a, i));
    }
}

/* bytes as Python's repr() has them. */
static void add_bytes(const ek_array *a, int64_t i, ek_buf *out)
{
    const ek_string *s = element(a, i);
    const bool single = s->size > 0 && memchr(s->data, '\'', s->size) != NULL;
    const char quote = single && memchr(s->data, '"', s->size) == NULL ? '"' : '\'';

    ek__buf_printf(out, "b%c", quote);
    for (size_t k = 0; k < s->size; k++) {
        const unsigned char c = (unsigned char)s->data[k];

        if (c == quote || c == '\\') {
            ek__buf_printf(out, "\\%c", c);
        } else if (c == '\t' || c == '\n' || c == '\r') {
            ek__buf_str(out, c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\r");
        } else if (c < 0x20 || c >= 0x7f) {
            ek__buf_printf(out, "\\x%02x", c);
        } else {
            ek__buf_add(out, &c, 1);
        }
    }
    ek__buf_add(out, &quote, 1);
}

/* Six significant digits at most, as C++ streams print: numpy asks the scalar. */
static void add_bfloat16(const ek_array *a, int64_t i, ek_buf *out)
{
    char text[32];
    uint16_t bits;

    memcpy(&bits, element(a, i), sizeof bits);
    snprintf(text, sizeof text, "%g", (double)ek_bfloat16_to_float(bits));
    for (char *c = text; *c != '\0'; c++)
        if (*c == ',') *c = '.'; /* the locale's decimal point */
    ek__buf_str(out, text);
}

static void integer_word(printer *p, int64_t k)
{
    add_integer(p->a, p->at[k], &p->word, p->int_width);
}

/* TensorFlow's quantized types are numpy records of one field. */
static void quantized_word(printer *p, int64_t k)
{
    ek__buf_str(&p->word, "(");
    integer_word(p, k);
    ek__buf_str(&p->word, ",)");
}

static void bool_word(printer *p, int64_t k)
{
    const bool v = ek__array_int(p->a, p->at[k]) != 0;

    ek__buf_str(&p->word, !v ? "False" : p->a->shape.rank > 0 ? " True" : "True");
}

static void bytes_word(printer *p, int64_t k)
{
    add_bytes(p->a, p->at[k], &p->word);
}

static void bfloat16_word(printer *p, int64_t k)
{
    add_bfloat16(p->a, p->at[k], &p->word);
}

static void float_word(printer *p, int64_t k)
{
    ek__float_format_add(&p->re_format, &p->word, p->re[k]);
}

/* The j goes before the padding of the imaginary part. */
static void complex_word(printer *p, int64_t k)
{
    ek_buf *w = &p->word;
    size_t end;

    ek__float_format_add(&p->re_format, w, p->re[k]);
    ek__float_format_add(&p->im_format, w, p->im[k]);
    if (w->failed) return;
    for (end = w->size; w->data[end - 1] == ' '; end--) {}
    ek__buf_str(w, " ");
    if (w->failed) return;
    memmove(w->data + end + 1, w->data + end, w->size - end - 1);
    w->data[end] = 'j';
}

/* ---- what is shown --------------------------------------------------------------------------- */

static bool cut(const printer *p, int axis)
{
    return p->summary && p->a->shape.dim[axis] > 2 * EDGE;
}

/* Lists the elements shown below `first`, in the order they are printed. */
static bool collect(printer *p, int axis, int64_t first)
{
    const ek_shape *s = &p->a->shape;
    int64_t step = 1;

    if (axis == s->rank) {
        if (!EK_GROW(p->at, p->cap, p->shown + 1)) return false;
        p->at[p->shown++] = first;
        return true;
    }
    for (int i = axis + 1; i < s->rank; i++) step *= s->dim[i];
    for (int64_t i = 0; i < s->dim[axis]; i++) {
        if (cut(p, axis) && i == EDGE) i = s->dim[axis] - EDGE;
        if (!collect(p, axis + 1, first + i * step)) return false;
    }
    return true;
}

static bool prepare_floats(printer *p)
{
    const ek_dtype t = p->a->dtype;
    const bool pairs = ek_dtype_is_complex(t);
    double pair[2] = { 0, 0 };

    p->re = ek__calloc((size_t)p->shown, 2 * sizeof *p->re);
    if (p->re == NULL) return false;
    p->im = p->re + p->shown;
    for (int64_t k = 0; k < p->shown; k++) {
        (void)ek__convert(t, element(p->a, p->at[k]), pairs ? EK_COMPLEX128 : EK_FLOAT64, pair, 1);
        p->re[k] = pair[0];
        p->im[k] = pair[1];
    }
    ek__float_format_init(&p->re_format, float_width(t), false, p->re, p->shown);
    if (pairs) ek__float_format_init(&p->im_format, float_width(t), true, p->im, p->shown);
    p->add = pairs ? complex_word : float_word;
    return true;
}

static void prepare_integers(printer *p)
{
    for (int64_t k = 0; k < p->shown; k++) {
        p->word.size = 0;
        add_integer(p->a, p->at[k], &p->word, 0);
        if ((int)p->word.size > p->int_width) p->int_width = (int)p->word.size;
    }
    p->add = ek_dtype_is_quantized(p->a->dtype) ? quantized_word : integer_word;
}

static bool prepare(printer *p)
{
    const ek_dtype t = p->a->dtype;

    p->summary = p->a->count > THRESHOLD;
    if (!collect(p, 0, 0)) return false;
    if (t == EK_BFLOAT16) {
        p->add = bfloat16_word;
    } else if (ek_dtype_is_floating(t) || ek_dtype_is_complex(t)) {
        return prepare_floats(p);
    } else if (t == EK_STRING) {
        p->add = bytes_word;
    } else if (t == EK_BOOL) {
        p->add = bool_word;
    } else {
        prepare_integers(p);
    }
    return true;
}

/* ---- layout ------------------------------------------------------------------------------------ */

static void new_line(printer *p, int newlines, int indent)
{
    for (int i = 0; i < newlines; i++) ek__buf_str(p->out, "\n");
    p->line_start = p->out->size;
    ek__buf_printf(p->out, "%*s", indent, "");
}

/* Appends a word of a row, on a new line where it would not fit on this one. */
static void put_word(printer *p, const char *word, size_t size)
{
    const size_t column = p->out->size - p->line_start;
    const int rank = p->a->shape.rank, indent = p->prefix + rank;

    if (column + size > (size_t)(p->width - rank) && column > (size_t)indent) {
        while (p->out->size > p->line_start && p->out->data[p->out->size - 1] == ' ') p->out->size--;
        new_line(p, 1, indent);
    }
    ek__buf_add(p->out, word, size);
}

static void put_next(printer *p)
{
    p->word.size = 0;
    p->add(p, p->next++);
    if (p->word.failed) p->out->failed = true;
    if (!p->out->failed) put_word(p, p->word.data, p->word.size);
}

static void between_rows(printer *p, int axis)
{
    if (p->separator[0] == ',') ek__buf_str(p->out, ",");
    new_line(p, p->a->shape.rank - axis - 1, p->prefix + 1 + axis);
}

/* Prints the elements of one axis, and below it the others, between brackets. */
static void put_axis(printer *p, int axis)
{
    const bool row = axis == p->a->shape.rank - 1;
    const int64_t n = cut(p, axis) ? 2 * EDGE : p->a->shape.dim[axis];

    ek__buf_str(p->out, "[");
    for (int64_t i = 0; i < n && !p->out->failed; i++) {
        if (i > 0) {
            if (row) {
                ek__buf_str(p->out, p->separator);
            } else {
                between_rows(p, axis);
            }
        }
        if (i == EDGE && cut(p, axis)) {
            if (row) {
                put_word(p, "...", 3);
                ek__buf_str(p->out, p->separator);
            } else {
                ek__buf_str(p->out, "...");
                between_rows(p, axis);
            }
        }
        if (row) {
            put_next(p);
        } else {
            put_axis(p, axis + 1);
        }
    }
    ek__buf_str(p->out, "]");
}

static void put_array(printer *p)
{
    if (!prepare(p)) {
        p->out->failed = true;
    } else if (p->a->shape.rank == 0) {
        put_next(p);
    } else {
        put_axis(p, 0);
    }
    ek__free(p->at);
    ek__free(p->re);
    ek__buf_fini(&p->word);
}

/* ---- str --------------------------------------------------------------------------------------- */

/* A scalar's own text, with a ".0" taken off where complex numbers have none. */
static void add_part(ek_buf *out, double v, ek_float_width width, bool plus)
{
    char text[40];
    int n = ek__format_number(text, v, width);

    if (plus && text[0] != '-') ek__buf_str(out, "+");
    if (n > 2 && strcmp(text + n - 2, ".0") == 0) n -= 2;
    ek__buf_add(out, text, (size_t)n);
}

static void scalar_str(ek_buf *out, const ek_array *a)
{
    const ek_float_width width = float_width(a->dtype);
    double pair[2];
    char text[40];

    if (ek_dtype_is_complex(a->dtype)) {
        (void)ek__convert(a->dtype, a->data, EK_COMPLEX128, pair, 1);
        if (pair[0] == 0 && !signbit(pair[0])) {
            add_part(out, pair[1], width, false);
            ek__buf_str(out, "j");
            return;
        }
        ek__buf_str(out, "(");
        add_part(out, pair[0], width, false);
        add_part(out, pair[1], width, true);
        ek__buf_str(out, "j)");
    } else if (a->dtype == EK_BFLOAT16) {
        add_bfloat16(a, 0, out);
    } else if (ek_dtype_is_floating(a->dtype)) {
        ek__format_number(text, ek_array_get(a, 0), width);
        ek__buf_str(out, text);
    } else {
        put_array(&(printer){ .out = out, .a = a });
    }
}

/* ---- repr --------------------------------------------------------------------------------------- */

/* dtype= as numpy spells it: strings are objects, quantized types are records. */
static void dtype_text(ek_dtype t, char *text, size_t size)
{
    static const struct { ek_dtype t; const char *code; } records[] = {
        { EK_QINT8, "i1" }, { EK_QUINT8, "u1" }, { EK_QINT16, "<i2" }, { EK_QUINT16, "<u2" }, { EK_QINT32, "<i4" },
    };

    snprintf(text, size, "dtype=%s)", t == EK_STRING ? "object" : ek_dtype_name(t));
    for (int i = 0; i < EK_COUNT_OF(records); i++)
        if (records[i].t == t) snprintf(text, size, "dtype=[('%s', '%s')])", ek_dtype_name(t), records[i].code);
}

static void array_repr(ek_buf *out, const ek_array *a)
{
    const bool implied = a->count > 0 && (a->dtype == EK_FLOAT64 || a->dtype == EK_INT64 || a->dtype == EK_BOOL ||
                                          a->dtype == EK_COMPLEX128);
    printer p = { .out = out, .a = a, .separator = ", ", .line_start = out->size, .prefix = 6, .width = LINE_WIDTH - 1 };
    char text[EK_MAX_RANK * 24];

    ek__buf_str(out, "array(");
    if (a->count > 0) {
        put_array(&p);
    } else {
        ek__buf_str(out, "[]");
        ek_shape_format(&a->shape, text, sizeof text);
        if (a->shape.rank != 1) ek__buf_printf(out, ", shape=%s", text);
    }
    if (implied) {
        ek__buf_str(out, ")");
        return;
    }
    ek__buf_str(out, ",");
    dtype_text(a->dtype, text, sizeof text);
    ek__buf_str(out, out->size - p.line_start + strlen(text) + 1 > LINE_WIDTH ? "\n      " : " ");
    ek__buf_str(out, text);
}

void ek__array_print(ek_buf *b, const ek_array *a, bool repr)
{
    if (repr) {
        array_repr(b, a);
    } else if (a->shape.rank == 0) {
        scalar_str(b, a);
    } else if (a->count == 0) {
        ek__buf_str(b, "[]");
    } else {
        put_array(&(printer){ .out = b, .a = a, .separator = " ", .line_start = b->size, .width = LINE_WIDTH });
    }
}
