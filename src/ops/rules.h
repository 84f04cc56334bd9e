/* ops/rules.h - what shape rules of several families share. */
#ifndef EK_OPS_RULES_H
#define EK_OPS_RULES_H

#include "graph/op.h"

/* Texts of shapes in C++'s form for messages: EK_CC(shape).text. */
typedef struct ek_shape_text {
    char text[16 * 21 + 3];
} ek_shape_text;
ek_shape_text ek__shape_text(const ek_shape *s);
#define EK_CC(shape) (ek__shape_text(shape).text)

ek_shape ek__vector(int64_t n);           /* -1: of unknown length */
ek_shape ek__unknown_dims(int32_t rank);  /* rank known, dimensions not */

/* INVALID_ARGUMENT "Shape must be rank 1 but is rank 2" unless input i has this or an unknown rank. */
ek_status ek__want_rank(const ek_shape_ctx *c, int i, int32_t rank);
ek_status ek__want_rank_at_least(const ek_shape_ctx *c, int i, int32_t rank);
/* *out = what both say, or TensorFlow's sentence about the first difference. */
ek_status ek__merge_shapes(const ek_shape_ctx *c, const ek_shape *a, const ek_shape *b, ek_shape *out);
/* Whether every input's value is known: the rule is then the check of the data as well. */
bool ek__values_known(const ek_shape_ctx *c);

/* Integer `i` of input `in` (int32 or int64), whose value must be known. */
static inline int64_t ek__int_at(const ek_array *const *in_value, int in, int64_t i)
{
    return ek__array_int(in_value[in], i);
}
static inline void ek__store_int(ek_dtype t, void *out, int64_t i, int64_t v)
{
    if (t == EK_INT32)
        ((int32_t *)out)[i] = (int32_t)v;
    else
        ((int64_t *)out)[i] = v;
}

/* An integer vector read as a shape: what is known of its elements, -1 being unknown; a scalar -1 is an unknown shape.
 * Errors  a matrix, an element below -1, more dimensions than arrays have. */
ek_status ek__input_as_shape(const ek_shape_ctx *c, int i, ek_shape *out);
/* The same for a run: where the value is known every element is a size ("Dimension -1 must be >= 0"). */
ek_status ek__input_as_full_shape(const ek_shape_ctx *c, int i, ek_shape *out);
/* *out = `in` with a dimension more at `at`. Fails where no array can have so many. */
ek_status ek__insert_dim(const ek_shape_ctx *c, const ek_shape *in, int32_t at, int64_t dim, ek_shape *out);

/* Whole rules: every output is a scalar; output k is like input k; like input 0; nothing is known (no outputs). */
ek_status ek__scalar_rule(ek_shape_ctx *c);
ek_status ek__same_rule(ek_shape_ctx *c);
ek_status ek__like_first_rule(ek_shape_ctx *c);
ek_status ek__no_rule(ek_shape_ctx *c);

/* Elements [from, from + n) of output 0 are final: what was to follow them follows. */
static inline void ek__then(const ek_run_args *a, const ek_then *then, int64_t from, int64_t n)
{
    if (then->run != NULL)
        then->run(&(ek_run_args){ .in = a->in + then->in, .slot = a->slot + then->in, .state = then->state, .err = a->err },
                  from, n);
}

/* Bytes of scratch in whole cache lines: what follows begins on a line of its own. */
static inline size_t ek__whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}
/* The same with a page between: for places that several threads write at once. Processors fetch ahead within a page, and
 * what one fetches of its neighbour's place the neighbour must fetch back. */
static inline size_t ek__far_apart(size_t bytes)
{
    return ek__whole_lines(bytes) + 4096;
}
/* Where part i of `parts` begins in 0 .. n-1: sizes differ by one at most, the larger ones first; part `parts` begins at n. */
static inline int64_t ek__part_begin(int64_t n, int64_t parts, int64_t i)
{
    return n / parts * i + (i < n % parts ? i : n % parts);
}
/* RESOURCE_EXHAUSTED, for a prepare function without its state. */
ek_status ek__no_memory(const ek_prepare_ctx *c);
/* Adds a phase unless it has nothing to do. */
void ek__add_phase(ek_prepare_ctx *c, ek_run_fn run, int64_t chunks);
/* Whether output 0 has no elements: there is nothing to do, and products of its other dimensions may be anything. */
bool ek__empty(const ek_prepare_ctx *c);
/* No phase at all. */
ek_status ek__prepare_nothing(ek_prepare_ctx *c);

#endif
