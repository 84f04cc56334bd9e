/* tests/support/cases.h - what the runners of cases share: tables, GraphDefs whose nodes are looked at one by one, the
 * comparison of arrays. */
#ifndef EK_TESTS_CASES_H
#define EK_TESTS_CASES_H

#include <stdarg.h>

#include "base/base.h"
#include "codec/source.h"
#include "codec/wire.h"
#include "evenkeel/evenkeel.h"

/* ---- tables: lines of cells between tabs, a line of headings first --------------------------------- */

typedef struct case_table {
    char *text;
    char **cell; /* row * columns + column; cut short rows have "" */
    int rows, columns;
} case_table;
/* False, with a line on stderr, where it cannot be read. */
bool case_table_read(const char *path, case_table *out);
void case_table_free(case_table *t);
/* -1: no such heading. Headings do not count as a row. */
int case_table_column(const case_table *t, const char *heading);
const char *case_table_at(const case_table *t, int row, int column);

/* ---- graphs ------------------------------------------------------------------------------------------- */

/* A GraphDef whose nodes are found by name. */
typedef struct case_graph {
    ek_source *source;
    ek_span *node;   /* NodeDefs */
    ek_span *name;
    int64_t n, cap;
    ek_map by_name;
    int64_t producer;
} case_graph;
bool case_graph_read(const char *path, case_graph *out); /* false, with a line on stderr */
void case_graph_free(case_graph *g);
int64_t case_graph_find(const case_graph *g, const char *name); /* -1: none */
ek_span case_graph_type(const case_graph *g, int64_t node);
/* The value of a Const, a new reference; NULL where there is no such node. A Const that cannot be read ends the program. */
ek_array *case_graph_value(const case_graph *g, const char *fmt, ...) EK_PRINTF(2, 3);
/* A string of a Const that is one, borrowed from *held, which is to be unreferenced; "" if there is none. */
const char *case_graph_string(const case_graph *g, ek_array **held, const char *name);

/* ---- comparing ------------------------------------------------------------------------------------------ */

/* |got - want| <= relative * m + absolute + 1.2e-38, m = |want| or, by_tensor, the largest finite |want| where that is more.
 * Whole numbers, bool and strings must be equal whatever the tolerance. NaN equals NaN. */
typedef struct case_tolerance {
    double relative, absolute;
    bool by_tensor;
} case_tolerance;
/* The largest finite |element|; 0 where there is none. */
double case_largest(const ek_array *a);
/* True: equal enough, dtype and shape included. Else `why` says what differs, first of all where. */
bool case_close(const ek_array *got, const ek_array *want, const case_tolerance *t, char *why, size_t room);

/* Prints a complaint, set in, about a case that has had *differ of them; the first ones tell enough. */
void case_complain(int *differ, const char *fmt, va_list args);

#endif
