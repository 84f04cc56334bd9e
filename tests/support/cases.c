/* tests/support/cases.c - see cases.h. */
#include "support/cases.h"

#include <math.h>
#include <stdlib.h>

#include "codec/fields.h"
#include "codec/tensor.h"
#include "support/summaries.h"

/* ---- tables --------------------------------------------------------------------------------------------- */

static char *read_text(const char *path)
{
    ek_source *s;
    ek_error err = { .code = EK_OK };
    char *text;

    if (ek__source_open(path, &s, &err) != EK_OK) {
        fprintf(stderr, "%s\n", err.text);
        return NULL;
    }
    text = malloc(s->size + 1);
    memcpy(text, s->data, s->size);
    text[s->size] = '\0';
    ek__source_unref(s);
    return text;
}

static int count(const char *s, const char *end, char c)
{
    int n = 0;
    for (; s < end; s++) n += *s == c;
    return n;
}

bool case_table_read(const char *path, case_table *out)
{
    char *line, *next;
    int rows;

    *out = (case_table){ .text = read_text(path) };
    if (out->text == NULL) return false;
    rows = count(out->text, out->text + strlen(out->text), '\n') + 1;
    out->columns = count(out->text, out->text + strcspn(out->text, "\n"), '\t') + 1;
    out->cell = calloc((size_t)rows * (size_t)out->columns, sizeof *out->cell);
    for (line = out->text; *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next == '\n') *next++ = '\0';
        for (int c = 0; c < out->columns; c++) {
            char *end = line + strcspn(line, "\t");
            out->cell[out->rows * out->columns + c] = line;
            line = *end == '\t' ? end + 1 : end;
            *end = '\0';
        }
        out->rows++;
    }
    return true;
}

void case_table_free(case_table *t)
{
    free(t->text);
    free(t->cell);
    *t = (case_table){ .text = NULL };
}

int case_table_column(const case_table *t, const char *heading)
{
    for (int c = 0; c < t->columns; c++)
        if (strcmp(t->cell[c], heading) == 0) return c;
    return -1;
}

const char *case_table_at(const case_table *t, int row, int column)
{
    return column < 0 ? "" : t->cell[(row + 1) * t->columns + column];
}

/* ---- graphs ----------------------------------------------------------------------------------------------- */

static ek_span bytes_field(ek_span message, uint32_t number)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;
    ek_span found = { (const uint8_t *)"", 0 };

    while (ek__wire_next(&w, &f))
        if (f.number == number) found = f.bytes;
    return found;
}

static bool find_nodes(case_graph *g)
{
    ek_wire w = ek__wire_open((ek_span){ g->source->data, g->source->size }, NULL, NULL);
    ek_wire_field f;
    int64_t cap = 0;

    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_GRAPH_VERSIONS) {
            ek_wire v = ek__wire_open(f.bytes, NULL, NULL);
            ek_wire_field field;
            while (ek__wire_next(&v, &field))
                if (field.number == EK_F_VERSIONS_PRODUCER) g->producer = (int64_t)field.value;
        }
        if (f.number != EK_F_GRAPH_NODE) continue;
        if (!EK_GROW(g->node, g->cap, g->n + 1) || !EK_GROW(g->name, cap, g->n + 1)) return false;
        g->node[g->n] = f.bytes;
        g->name[g->n] = bytes_field(f.bytes, EK_F_NODE_NAME);
        if (!ek__map_put(&g->by_name, (const char *)g->name[g->n].at, g->name[g->n].size, g->n)) return false;
        g->n++;
    }
    return w.status == EK_OK;
}

bool case_graph_read(const char *path, case_graph *out)
{
    ek_error err = { .code = EK_OK };

    *out = (case_graph){ .source = NULL };
    if (ek__source_open(path, &out->source, &err) != EK_OK ||
        ek__wire_check(ek__proto(EK_PROTO_GRAPH_DEF), (ek_span){ out->source->data, out->source->size }, NULL, &err) != EK_OK) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        case_graph_free(out);
        return false;
    }
    return find_nodes(out);
}

void case_graph_free(case_graph *g)
{
    ek__source_unref(g->source);
    ek__free(g->node);
    ek__free(g->name);
    ek__map_fini(&g->by_name);
    *g = (case_graph){ .source = NULL };
}

int64_t case_graph_find(const case_graph *g, const char *name)
{
    return ek__map_get(&g->by_name, name, strlen(name), -1);
}

ek_span case_graph_type(const case_graph *g, int64_t node)
{
    return bytes_field(g->node[node], EK_F_NODE_OP);
}

/* The tensor of attribute "value". */
static ek_span value_proto(ek_span node)
{
    ek_wire w = ek__wire_open(node, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        if (f.number != EK_F_NODE_ATTR) continue;
        const ek_span key = bytes_field(f.bytes, EK_F_ENTRY_KEY);
        if (key.size == 5 && memcmp(key.at, "value", 5) == 0)
            return bytes_field(bytes_field(f.bytes, EK_F_ENTRY_VALUE), EK_F_ATTR_TENSOR);
    }
    return (ek_span){ NULL, 0 };
}

ek_array *case_graph_value(const case_graph *g, const char *fmt, ...)
{
    ek_tensor_reader r = { NULL, EK_TENSOR_EXPANSION };
    ek_error err = { .code = EK_OK };
    ek_array *a = NULL;
    char name[1000];
    int64_t node;
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    node = case_graph_find(g, name);
    if (node >= 0 && ek__tensor_read(&r, value_proto(g->node[node]), &a, &err) != EK_OK) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        exit(2);
    }
    return a;
}

const char *case_graph_string(const case_graph *g, ek_array **held, const char *name)
{
    *held = case_graph_value(g, "%s", name);
    if (*held == NULL || ek_array_dtype(*held) != EK_STRING || ek_array_count(*held) < 1) return "";
    const ek_string *s = ek_array_cdata(*held);
    return s->data != NULL ? s->data : "";
}

/* ---- comparing ------------------------------------------------------------------------------------------------ */

static bool is_float(ek_dtype t) { return ek_dtype_is_floating(t) || ek_dtype_is_complex(t); }

/* The numbers as doubles: two to a complex one. */
static double *as_doubles(const ek_array *a, int64_t *n)
{
    const bool complex = ek_dtype_is_complex(ek_array_dtype(a));
    double *d;

    *n = ek_array_count(a) * (complex ? 2 : 1);
    d = malloc(((size_t)*n + 1) * sizeof *d);
    ek__convert(ek_array_dtype(a), ek_array_cdata(a), complex ? EK_COMPLEX128 : EK_FLOAT64, d, ek_array_count(a));
    return d;
}

static bool close_numbers(const ek_array *got, const ek_array *want, const case_tolerance *t, char *why, size_t room)
{
    const int parts = ek_dtype_is_complex(ek_array_dtype(want)) ? 2 : 1;
    int64_t n, bad = -1, wrong = 0;
    double *g = as_doubles(got, &n), *w = as_doubles(want, &n), largest = 0;

    for (int64_t i = 0; i < n && t->by_tensor; i++)
        if (isfinite(w[i]) && fabs(w[i]) > largest) largest = fabs(w[i]);
    for (int64_t i = 0; i < n; i++) {
        const int64_t base = i - i % parts;
        double m = parts == 2 ? hypot(w[base], w[base + 1]) : fabs(w[i]);
        if (m < largest) m = largest;
        if (isnan(w[i]) ? isnan(g[i]) : isinf(w[i]) ? g[i] == w[i]
            : fabs(g[i] - w[i]) <= (isfinite(m) ? t->relative * m : 0) + t->absolute + 1.2e-38) continue;
        if (bad < 0) bad = i;
        wrong++;
    }
    if (bad >= 0)
        snprintf(why, room, "%lld of %lld numbers differ, the first at %lld: expected %.9g, got %.9g (off by %.3g, allowed %.3g relative, %.3g absolute)",
                 (long long)wrong, (long long)n, (long long)bad, w[bad], g[bad], fabs(g[bad] - w[bad]), t->relative, t->absolute);
    free(g);
    free(w);
    return bad < 0;
}

static void show(const ek_array *a, char *out, size_t room)
{
    char *text = ek_array_str(a);
    snprintf(out, room, "%s", text != NULL ? text : "?");
    ek_free(text);
}

static bool same_string(const ek_string *a, const ek_string *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Strings are equal, or summaries that say the same. */
static bool close_strings(const ek_array *got, const ek_array *want, const case_tolerance *t)
{
    const ek_string *g = ek_array_cdata(got), *w = ek_array_cdata(want);

    for (int64_t i = 0; i < ek_array_count(want); i++)
        if (!same_string(&g[i], &w[i]) && !summaries_close(&g[i], &w[i], t)) return false;
    return true;
}

bool case_close(const ek_array *got, const ek_array *want, const case_tolerance *t, char *why, size_t room)
{
    char a[300], b[300];

    if (got == NULL) {
        snprintf(why, room, "no value came");
        return false;
    }
    if (ek_array_dtype(got) != ek_array_dtype(want) || !ek_shape_equal(ek_array_shape(got), ek_array_shape(want))) {
        ek_shape_format_cc(ek_array_shape(want), a, sizeof a);
        ek_shape_format_cc(ek_array_shape(got), b, sizeof b);
        snprintf(why, room, "expected %s%s, got %s%s", ek_dtype_name(ek_array_dtype(want)), a, ek_dtype_name(ek_array_dtype(got)), b);
        return false;
    }
    if (is_float(ek_array_dtype(want))) return close_numbers(got, want, t, why, room);
    if (ek_array_dtype(want) == EK_STRING ? close_strings(got, want, t) : ek__array_equal(got, want)) return true;
    show(want, a, sizeof a);
    show(got, b, sizeof b);
    snprintf(why, room, "expected %s, got %s", a, b);
    return false;
}

double case_largest(const ek_array *a)
{
    double largest = 0;

    for (int64_t i = 0; i < ek_array_count(a); i++) {
        const double v = fabs(ek_array_get(a, i));
        if (isfinite(v) && v > largest) largest = v;
    }
    return largest;
}

/* ---- complaining ---------------------------------------------------------------------------------------- */

void case_complain(int *differ, const char *fmt, va_list args)
{
    if ((*differ)++ >= 5) return;
    printf("    ");
    vprintf(fmt, args);
    printf("\n");
}
