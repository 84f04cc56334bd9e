/* graph/collection.h - the inside of collections, for graph.c and the formats. */
#ifndef EK_GRAPH_COLLECTION_H
#define EK_GRAPH_COLLECTION_H

#include "graph/node.h"

typedef struct ek_collection {
    const char *key;
    ek_item *item;
    int64_t count, cap;
    const ek_item *copy; /* the first n_copied items, in the arena: lists given out until the collection grows */
    int64_t n_copied;
} ek_collection;

struct ek_collections {
    ek_collection *at; /* in order of first use */
    int64_t count, cap;
    ek_map by_key;
};

struct ek_collections *ek__collections_create(ek_graph *g); /* NULL without memory */
void ek__collections_destroy(struct ek_collections *c);
/* NULL: there is none of that key. */
const ek_collection *ek__collection(const ek_graph *g, const char *key);

#endif
