/* bench/prepared.h - running what an op prepared, without a graph. */
#ifndef EK_BENCH_PREPARED_H
#define EK_BENCH_PREPARED_H

#include <stdio.h>
#include <stdlib.h>

#include "base/pool.h"
#include "graph/op.h"

typedef struct bench_phase {
    const ek_run_args *args;
    ek_run_fn fn;
} bench_phase;

static inline void bench_chunk(void *arg, int64_t chunk)
{
    const bench_phase *p = arg;

    if (p->fn(p->args, chunk) == EK_OK) return;
    fprintf(stderr, "a chunk failed\n");
    exit(1);
}

/* One run, on so many threads. */
static inline void bench_run(const ek_prepare_ctx *prepared, const ek_run_args *args, int threads)
{
    for (int i = 0; i < prepared->n_phases; i++)
        ek__parallel_for(threads, prepared->phase[i].chunks, bench_chunk, &(bench_phase){ args, prepared->phase[i].run });
}

#endif
