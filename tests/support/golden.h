/* tests/support/golden.h - holds a graph against a case of data/tf115-graphs. */
#ifndef EK_TESTS_GOLDEN_H
#define EK_TESTS_GOLDEN_H

#include "support/golden_programs.h"

/* Each says false, and on stderr what was expected and what was found, at the first difference; *skipped is set, and
 * true returned, where the data folder is absent. */

/* Node for node: names, order, inputs, sorted control inputs, attributes. `first` nodes; 0: all, and no more. */
bool golden_same_nodes(const char *name, const ek_graph *g, int first, bool *skipped);
/* Every collection, its items in order. */
bool golden_same_collections(const char *name, ek_graph *g, bool *skipped);
/* What the calls returned. */
bool golden_same_results(const char *name, ek_graph *g, const golden_results *r, bool *skipped);

#endif
