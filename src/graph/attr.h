/* graph/attr.h - attribute values: copying, comparing with a spec, letting go. */
#ifndef EK_GRAPH_ATTR_H
#define EK_GRAPH_ATTR_H

#include "graph/op.h"

const ek_attr_spec *ek__attr_spec(const ek_op_spec *spec, const char *name); /* NULL: none */
/* "int", "list(type)"; buf is used where needed. */
const char *ek__attr_kind_name(int kind, char buf[32]);

/* A copy whose parts live in the arena; tensors are referenced. false without memory: nothing is then held. */
bool ek__attr_copy(ek_arena *arena, const ek_attr_value *from, ek_attr_value *to);
/* Lets go of tensors. */
void ek__attrs_release(ek_attr *attrs, int n);
bool ek__attr_equal(const ek_attr_value *a, const ek_attr_value *b);
/* Allowed types, strings and minimums, with TensorFlow's words. `argument` NULL: the value was given as an attribute;
 * else the input it was inferred from. */
ek_status ek__attr_check(const ek_op_spec *spec, const ek_attr_spec *a, const ek_attr_value *v, const char *argument,
                         ek_error *err);

#endif
