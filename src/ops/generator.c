/* ops/generator.c - where a random op's stream stands. */
#include "ops/generator.h"

#include <sched.h>
#include <sys/random.h>
#include <time.h>

#include "graph/node.h"
#include "ops/rules.h"

const ek_field ek__seed_fields[2] = { EK_FIELD(ek_seed_attrs, seed, INT), EK_FIELD(ek_seed_attrs, seed2, INT) };

/* Seeds (0, 0) mean: different in every session. */
static ek_philox first_stream(const ek_seed_attrs *seeds)
{
    uint64_t drawn[2] = { 0, 0 };

    if (seeds->seed != 0 || seeds->seed2 != 0) return ek__philox((uint64_t)seeds->seed, (uint64_t)seeds->seed2);
    if (getrandom(drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        drawn[0] = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)seeds;
        drawn[1] = (uint64_t)now.tv_sec;
    }
    return ek__philox(drawn[0], drawn[1]);
}

static ek_status advance(const ek_run_args *a, int64_t chunk)
{
    const ek_generator_state *s = a->state;
    ek_generator *g = a->op_state;
    int open = 0;

    EK_UNUSED(chunk);
    while (!atomic_compare_exchange_weak(&g->lock, &open, 1)) {
        open = 0;
        sched_yield();
    }
    if (!g->seeded) {
        g->at = first_stream(&s->seeds);
        g->seeded = true;
    }
    *(ek_philox *)a->scratch = g->at;
    ek__philox_skip(&g->at, s->blocks);
    atomic_store(&g->lock, 0);
    return EK_OK;
}

void ek__generator_of_session(ek_prepare_ctx *c, ek_generator_state *s, uint64_t blocks)
{
    s->seeds = *(const ek_seed_attrs *)c->attrs;
    s->blocks = blocks;
    ek__add_phase(c, advance, 1);
}

/* One block under a fixed key scrambles the seed into key and counter. */
static ek_status scramble(const ek_run_args *a, int64_t chunk)
{
    const ek_generator_state *s = a->state;
    const void *seed = a->in[s->seed_input];
    const bool wide = s->seed_dtype == EK_INT64;
    const uint64_t s0 = (uint64_t)(wide ? ((const int64_t *)seed)[0] : ((const int32_t *)seed)[0]);
    const uint64_t s1 = (uint64_t)(wide ? ((const int64_t *)seed)[1] : ((const int32_t *)seed)[1]);
    const ek_philox p = { { (uint32_t)s0, (uint32_t)(s0 >> 32), (uint32_t)s1, (uint32_t)(s1 >> 32) },
                          { 0x3ec8f720, 0x02461e29 } };
    uint32_t w[4];

    EK_UNUSED(chunk);
    ek__philox_block(&p, w);
    *(ek_philox *)a->scratch = (ek_philox){ { 0, 0, w[2], w[3] }, { w[0], w[1] } };
    return EK_OK;
}

void ek__generator_from_input(ek_prepare_ctx *c, ek_generator_state *s, int seed_input)
{
    s->seed_input = seed_input;
    s->seed_dtype = c->in_dtype[seed_input];
    ek__add_phase(c, scramble, 1);
}

ek_status ek__want_seed_vector(const ek_shape_ctx *c, int seed_input)
{
    const ek_shape *s = &c->in[seed_input];

    if (s->rank >= 0 && (s->rank != 1 || (s->dim[0] >= 0 && s->dim[0] != 2)))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "seed must have shape [2], not %s", EK_CC(s));
    return EK_OK;
}

ek_seed_attrs ek__get_seed(const ek_graph *g, bool has_seed, int64_t seed)
{
    const int64_t top = INT32_MAX, default_graph_seed = 87654321;
    const int64_t pair[2] = { g->has_graph_seed ? g->graph_seed : default_graph_seed, has_seed ? seed : g->n_nodes };
    ek_seed_attrs s;

    if (!g->has_graph_seed && !has_seed) return (ek_seed_attrs){ 0, 0 };
    s.seed = ((pair[0] % top) + top) % top;
    s.seed2 = ((pair[1] % top) + top) % top;
    if (s.seed == 0 && s.seed2 == 0) s.seed2 = top; /* (0, 0) would mean no seed at all */
    return s;
}
