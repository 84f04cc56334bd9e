/* base/pool.h - the thread pool: one per process, of which a session takes a share.
 *
 * The caller claims chunks from the low end, workers from the high end, so that each
 * keeps its part of the data in its own cache from one loop to the next. A late worker
 * is not waited for. Which thread runs a chunk never changes a result: chunks write to
 * places of their own, and whoever needs a sum joins them in index order.
 */
#ifndef EK_BASE_POOL_H
#define EK_BASE_POOL_H

#include "base/base.h"

/* Runs fn(arg, 0) .. fn(arg, n - 1), each once, on at most `threads` threads (the
 * caller is one), and returns when all are done. A nested call, one chunk or one thread
 * runs inline. Never allocates after the first call; survives fork (the child starts
 * with no workers and makes its own). */
void ek__parallel_for(int threads, int64_t n, void (*fn)(void *arg, int64_t i), void *arg);

/* Processors this process may use (affinity and cgroup respected), at least 1. */
int ek__cpu_count(void);

#endif
