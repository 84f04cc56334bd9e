/* autodiff/gate.h - gradients that may be used only when all of them are there. */
#ifndef EK_AUTODIFF_GATE_H
#define EK_AUTODIFF_GATE_H

#include "evenkeel/gradients.h"

/* control_flow_ops.tuple over those of d[0 .. n) that are not None, which are replaced; fewer than `least` stay as they are.
 * False without memory, which the graph then says. */
bool ek__gate(ek_graph *g, ek_gradient *d, int64_t n, int64_t least, ek_where where);

#endif
