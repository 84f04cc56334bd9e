/* tests/support/meta.h - comparing MetaGraphDefs by what they say. */
#ifndef EK_TESTS_META_H
#define EK_TESTS_META_H

#include "codec/wire.h"

/* A MetaGraphDef as text in one order: ops used by name, no tensorflow_git_version, nodes, signatures and collections sorted
 * by key with the messages in them, what belongs to a context sorted. false without memory or where the bytes are damaged. */
bool meta_canonical(ek_span meta, ek_buf *out);
/* Whether two have the same collections, one of them (`but`; NULL: none) left out of account. */
bool meta_same_collections(const char *name, ek_span want, ek_span found, const char *but);
/* Whether two say the same; else, on stderr, the first lines that differ. */
bool meta_same(const char *name, ek_span want, ek_span found);
/* The same, but that the second may know more of the shapes of outputs: what follows from constants that are computed. */
bool meta_same_or_knows_more(const char *name, ek_span want, ek_span found);

#endif
