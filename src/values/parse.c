/* values/parse.c - arrays as people type them: "3", "[[1, 2], [3, 4]]", "['a', 'b']". */
#include "values/array.h"

#include <errno.h>
#include <stdlib.h>

typedef struct word {
    const char *at;
    size_t size;
    bool quoted; /* quotes not included */
} word;

typedef struct parser {
    const char *text, *at;
    word *words; /* the elements, row-major */
    int64_t n_words, cap;
    ek_shape shape; /* rank -1: not known yet; a dimension -1: its first list is still open */
    ek_error *err;
} parser;

static ek_status wrong(const parser *p, const char *what)
{
    return EK_FAIL(p->err, INVALID_ARGUMENT, "column %lld of '%.80s': %s", (long long)(p->at - p->text) + 1, p->text, what);
}

static void skip_spaces(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n') p->at++;
}

/* What is `depth` brackets deep has that rank: everything must agree. */
static ek_status settle_rank(parser *p, int rank)
{
    if (p->shape.rank < 0) p->shape.rank = rank;
    return p->shape.rank == rank ? EK_OK : wrong(p, "the list is ragged: elements lie at different depths");
}

static ek_status parse_word(parser *p, int depth)
{
    word w = { .at = p->at };

    EK_TRY(settle_rank(p, depth));
    if (w.at[0] == 'b' && (w.at[1] == '\'' || w.at[1] == '"')) p->at++; /* b'..', as arrays of strings print */
    if (*p->at == '\'' || *p->at == '"') {
        const char quote = *p->at++;

        w.at = p->at;
        w.quoted = true;
        while (*p->at != '\0' && *p->at != quote) p->at += p->at[0] == '\\' && p->at[1] != '\0' ? 2 : 1;
        if (*p->at == '\0') return wrong(p, "the string does not end");
        w.size = (size_t)(p->at++ - w.at);
    } else {
        w.size = strcspn(w.at, ",[] \t\n");
        p->at += w.size;
        if (w.size == 0) return wrong(p, "a number was expected");
    }
    if (!EK_GROW(p->words, p->cap, p->n_words + 1)) return EK_FAIL(p->err, RESOURCE_EXHAUSTED, "no memory");
    p->words[p->n_words++] = w;
    return EK_OK;
}

static ek_status parse_list(parser *p, int depth)
{
    int64_t n = 0;

    skip_spaces(p);
    if (*p->at != '[') return parse_word(p, depth);
    if (depth == EK_MAX_RANK) return wrong(p, "more than 16 dimensions");
    for (p->at++, skip_spaces(p); *p->at != ']'; n++) {
        if (n > 0 && *p->at == ',') p->at++;
        EK_TRY(parse_list(p, depth + 1));
        skip_spaces(p);
        if (*p->at == '\0') return wrong(p, "the list does not end: a ']' is missing");
    }
    if (n == 0) EK_TRY(settle_rank(p, depth + 1));
    if (p->shape.dim[depth] < 0) p->shape.dim[depth] = n;
    if (p->shape.dim[depth] != n)
        return EK_FAIL(p->err, INVALID_ARGUMENT, "column %lld of '%.80s': the list is ragged: %lld elements were expected, "
                       "found %lld", (long long)(p->at - p->text) + 1, p->text, (long long)p->shape.dim[depth], (long long)n);
    p->at++;
    return EK_OK;
}

/* ---- elements ------------------------------------------------------------------------------------------- */

static bool read_bool(const char *text, bool *out)
{
    *out = strcmp(text, "True") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *out || strcmp(text, "False") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

/* An integer that the type holds. */
static bool read_integer(const char *text, ek_dtype dtype, void *out)
{
    const bool is_unsigned = ek_dtype_name(dtype)[0] == 'u' || strncmp(ek_dtype_name(dtype), "qu", 2) == 0;
    char *end;
    int64_t back, v;

    errno = 0;
    if (dtype == EK_UINT64) {
        const unsigned long long u = strtoull(text, &end, 0);

        memcpy(out, &u, sizeof u);
        return end != text && *end == '\0' && errno == 0 && strchr(text, '-') == NULL;
    }
    v = strtoll(text, &end, 0);
    if (end == text || *end != '\0' || errno != 0 || (is_unsigned && v < 0)) return false;
    (void)ek__convert(EK_INT64, &v, dtype, out, 1);
    (void)ek__convert(dtype, out, EK_INT64, &back, 1);
    return back == v;
}

static bool read_float(const char *text, ek_dtype dtype, void *out)
{
    char *end;
    const double v = strtod(text, &end);
    float f;

    if (end == text || *end != '\0') return false;
    if (dtype != EK_FLOAT32) return ek__convert(EK_FLOAT64, &v, dtype, out, 1);
    f = strtof(text, &end); /* rounds once */
    memcpy(out, &f, sizeof f);
    return true;
}

/* "1", "2j", "1+2j", "(1+2j)" */
static bool read_complex(const char *text, ek_dtype dtype, void *out)
{
    const bool brackets = text[0] == '(';
    const char *at = text + brackets;
    double pair[2] = { 0, 0 }, v;
    char *end;

    v = strtod(at, &end);
    if (end == at) return false;
    if (*end == 'j') {
        pair[1] = v;
        end++;
    } else {
        pair[0] = v;
        if (*end == '+' || *end == '-') {
            at = end;
            pair[1] = strtod(at, &end);
            if (end == at || *end++ != 'j') return false;
        }
    }
    if (brackets && *end++ != ')') return false;
    return *end == '\0' && ek__convert(EK_COMPLEX128, pair, dtype, out, 1);
}

static bool read_number(const word *w, ek_dtype dtype, void *out)
{
    char text[128];
    bool truth;

    if (w->quoted || w->size >= sizeof text) return false;
    memcpy(text, w->at, w->size);
    text[w->size] = '\0';
    if (dtype == EK_BOOL) {
        if (!read_bool(text, &truth)) return false;
        *(uint8_t *)out = truth;
        return true;
    }
    if (ek_dtype_is_floating(dtype)) return read_float(text, dtype, out);
    if (ek_dtype_is_complex(dtype)) return read_complex(text, dtype, out);
    return read_integer(text, dtype, out);
}

/* Python's escapes \n \t \r \xNN; any other character stands for itself. */
static bool read_string(const word *w, ek_string *out)
{
    ek_buf b = { 0 };
    bool ok;

    for (size_t i = 0; i < w->size; i++) {
        char c = w->at[i];
        unsigned code;

        if (w->quoted && c == '\\' && i + 1 < w->size) {
            c = w->at[++i];
            c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
            if (c == 'x' && i + 2 < w->size && sscanf(w->at + i + 1, "%2x", &code) == 1) {
                c = (char)code;
                i += 2;
            }
        }
        ek__buf_add(&b, &c, 1);
    }
    ok = !b.failed && ek__string_set(out, b.data, b.size);
    ek__buf_fini(&b);
    return ok;
}

static ek_status fill(parser *p, ek_array *a)
{
    for (int64_t i = 0; i < p->n_words; i++) {
        const word *w = &p->words[i];

        if (a->dtype == EK_STRING) {
            if (!read_string(w, (ek_string *)a->data + i)) return EK_FAIL(p->err, RESOURCE_EXHAUSTED, "no memory");
        } else if (!read_number(w, a->dtype, (char *)a->data + (size_t)i * ek_dtype_size(a->dtype))) {
            return EK_FAIL(p->err, INVALID_ARGUMENT, "column %lld of '%.80s': '%.*s' is no %s", (long long)(w->at - p->text) + 1,
                           p->text, w->size < 80 ? (int)w->size : 80, w->at, ek_dtype_name(a->dtype));
        }
    }
    return EK_OK;
}

ek_status ek__array_parse(const char *text, ek_dtype dtype, ek_array **out, ek_error *err)
{
    parser p = { .text = text, .at = text, .shape = { .rank = -1 }, .err = err };
    ek_array *a = NULL;
    ek_status st;

    for (int i = 0; i < EK_MAX_RANK; i++) p.shape.dim[i] = -1;
    EK_TRY_DONE(parse_list(&p, 0));
    skip_spaces(&p);
    if (*p.at != '\0') EK_TRY_DONE(wrong(&p, "nothing more was expected"));
    EK_TRY_DONE(ek__array_new(dtype, &p.shape, NULL, &a, err));
    EK_TRY_DONE(fill(&p, a));
    *out = a;
    a = NULL;
done:
    ek_array_unref(a);
    ek__free(p.words);
    return st;
}
