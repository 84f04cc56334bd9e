/* graph/constant.h - limits of what is computed while building. The functions are in node.h. */
#ifndef EK_GRAPH_CONSTANT_H
#define EK_GRAPH_CONSTANT_H

#include "graph/node.h"

enum {
    EK_FOLD_ELEMENTS = 4096, /* of one folded value */
    EK_FOLD_NODES = 1024     /* looked at for one question */
};

#endif
