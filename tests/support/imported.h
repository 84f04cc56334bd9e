/* tests/support/imported.h - what tests of whole graphs share: files as graphs, which ops a fetch needs, variables by name. */
#ifndef EK_TESTS_IMPORTED_H
#define EK_TESTS_IMPORTED_H

#include "graph/node.h"
#include "support/cases.h"

/* The graph of a file, of a MetaGraphDef too; NULL: it cannot be read. */
ek_graph *case_load_graph(const char *path);

typedef struct case_needs {
    const char *missing; /* a type without a definition; NULL: all are there */
    bool *node;          /* per node: it is reached; free() it */
} case_needs;
/* Everything that node `id` needs, along data and control edges. */
void case_reach(const ek_graph *g, int32_t id, case_needs *out);

/* The op that gives a variable its first value; false: none. */
bool case_assign_op(const ek_graph *g, const char *variable, ek_op *out);
/* Sets a variable through that op, whose value is fed. False: `why` says why not. */
bool case_set_variable(ek_session *s, const ek_graph *g, const char *variable, const ek_array *value, char *why, size_t room);
/* A variable's value, a new reference: of a reference its op's output, of a resource what its read gives. NULL: `why` says
 * why not. */
ek_array *case_read_variable(ek_session *s, const ek_graph *g, const char *variable, char *why, size_t room);

#endif
