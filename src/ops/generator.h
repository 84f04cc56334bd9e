/* ops/generator.h - where a random op's stream stands: in the session, or in a seed given as data. */
#ifndef EK_OPS_GENERATOR_H
#define EK_OPS_GENERATOR_H

#include "graph/op.h"
#include "kernels/philox.h"

typedef struct ek_seed_attrs {
    int64_t seed, seed2;
} ek_seed_attrs;
extern const ek_field ek__seed_fields[2];

/* op_state of a random op; all zero until first used. `lock` guards the rest: runs of one session may overlap. */
typedef struct ek_generator {
    atomic_int lock;
    bool seeded;
    ek_philox at;
} ek_generator;
/* Whether an op's state is one. (The only other state is a count of lines printed.) */
static inline bool ek__is_random(const ek_op_def *def) { return def->op_state_bytes == sizeof(ek_generator); }

/* Must be the first member of the state that prepare makes. */
typedef struct ek_generator_state {
    ek_seed_attrs seeds;
    uint64_t blocks;   /* by which one execution advances */
    int seed_input;
    ek_dtype seed_dtype;
} ek_generator_state;

/* Adds the phase that puts this execution's ek_philox at the start of the scratch. The op's own phases follow.
 * From the session: the stream goes on by `blocks` per execution; seeds (0, 0) draw their own from the system. */
void ek__generator_of_session(ek_prepare_ctx *c, ek_generator_state *s, uint64_t blocks);
/* From a seed of two integers at an input: every execution gives the same. */
void ek__generator_from_input(ek_prepare_ctx *c, ek_generator_state *s, int seed_input);
/* A shape rule's check of such a seed. */
ek_status ek__want_seed_vector(const ek_shape_ctx *c, int seed_input);

/* tf.get_seed: attributes of a random op made now in `g`. has_seed false: no seed of its own. */
struct ek_graph;
ek_seed_attrs ek__get_seed(const struct ek_graph *g, bool has_seed, int64_t seed);

#endif
