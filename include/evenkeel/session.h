/* evenkeel/session.h - runs graphs: feeds, fetches, targets; a session owns variables' values.
 *
 * A run computes what is fetched and runs what is targeted, and nothing else: a node is part of it only if data or
 * control edges lead back to it. Each part runs once, in order of creation within what those edges demand. The first
 * run of a signature (which tensors are fed with which types and shapes, what is fetched, the values of fed booleans
 * that steer a cond) makes a plan; later ones use it and allocate nothing.
 *
 * In the environment: EK_LOG=plan (or prune, shape, infer, fuse, place) prints plans to stderr, EK_FUSE=0 runs node by
 * node (EK_FOLD=0, EK_INPLACE=0 and EK_REUSE=0 leave out other passes; no result changes by a bit), EK_CHECK=nan
 * is check_numerics for every session, EK_WATCH=0 turns watching off, EK_TRACE=file.json writes what ran when for chrome://tracing.
 */
#ifndef EVENKEEL_SESSION_H
#define EVENKEEL_SESSION_H

#include "evenkeel/finding.h"
#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_session ek_session;
typedef struct ek_callable ek_callable;
typedef struct ek_store ek_store; /* variables' values; shared by the sessions that are given it */

/* Receives what a session notices, see `watch`. Called on the thread of the run that broke the rule, when that is over
 * and no lock is held: it may use the session. Threads that share a session may call it at the same time. */
typedef void ek_reporter(const ek_finding *finding, void *arg);

typedef struct ek_session_options {
    size_t size;
    ek_graph *graph;     /* required; must outlive the session; may grow between runs */
    int threads;         /* share of the process's pool for large work; 0: as many as there are processors. Changes no
                          * bit of any result */
    ek_store *store;     /* NULL: one of its own */
    bool check_numerics; /* runs node by node and looks at every output; a NaN or infinity is INVALID_ARGUMENT and names
                          * the first bad node, the run of the session, and the global step. Slower */
    ek_tristate fuse;    /* EK_DEFAULT: as EK_FUSE in the environment says (on) */
    bool deterministic;  /* own loops instead of oneDNN's: same bits on every processor */
    ek_error *error;
    /* A session that trains watches its batch norms and says, once per layer, which of these rules is broken, where, why,
     * and what to write; docs/watching.md has them in full.
     *     BN001  the parameters of a layer train, and nothing updates its moving averages
     *     BN006  one value per channel in training        BN013  fewer than 8
     *     BN007  inference after so few updates that the first value still weighs
     *     BN008  a layer in inference mode, its statistics as they began, trains
     * Decided when a plan is made: a run only counts. A run that trains nothing and no layer that trained stay silent. */
    ek_tristate watch;   /* EK_DEFAULT: as EK_WATCH in the environment says (on; EK_WATCH=0: off) */
    ek_reporter *report; /* NULL: a line on stderr */
    void *report_arg;
} ek_session_options;
/* A session on a graph: ek_session_create(g, .threads = 1). NULL on failure (no graph, no memory), with the reason in
 * .error or ek_last_error(). Variables have no values until an initializer runs or ek_session_set gives them one. */
#define ek_session_create(...) \
    EK_CALL(ek_session *, ek_session_create_with, (), ek_session_options, .threads = 0, .fuse = EK_DEFAULT, \
            .watch = EK_DEFAULT, .graph = __VA_ARGS__)
EK_API ek_session *ek_session_create_with(const ek_session_options *o, ek_where where);
EK_API void ek_session_destroy(ek_session *s); /* NULL is allowed; no run may be in flight */
EK_API ek_store *ek_session_store(ek_session *s); /* borrowed */

/* A store without a variable, reference count 1; NULL without memory. Sessions given it hold references of their own.
 * Variables are found by their names (shared_name where set) and containers, so that a training and an inference graph
 * share them; reference and resource variables of one name are two. */
EK_API ek_store *ek_store_create(void);
EK_API void ek_store_unref(ek_store *store);

/* What a tensor is to be in a run: any tensor, not only a placeholder; what would compute it is not run then. Borrowed
 * for the call, never copied, never written. Its dtype must be the tensor's (nothing is converted), its shape must fit
 * the static one. A zeroed entry ends the list; a dead tensor does not, it is an error. */
typedef struct ek_feed {
    ek_tensor tensor;
    const ek_array *value;
} ek_feed;

/* A tensor to compute. A tensor that is fed as well gives back what is fed. A reference variable, or a read of one, is
 * copied as it is when its node's turn comes, before any later write. *value is refilled in place where it is unshared
 * and of the same dtype and shape, else released and replaced; start it as NULL, ek_array_unref it at the end. value
 * may be NULL: computed, not handed over. On failure no value is touched. */
typedef struct ek_fetch {
    ek_tensor tensor;
    ek_array **value;
} ek_fetch;

enum { EK_RUN_INLINE = 8 };

typedef struct ek_run_options {
    size_t size;
    ek_feed feed[EK_RUN_INLINE];
    ek_fetch fetch[EK_RUN_INLINE];
    ek_op target[EK_RUN_INLINE]; /* operations to run, nothing fetched */
    const ek_feed *feeds;        /* more than fit above; both are used */
    int64_t n_feeds;
    const ek_fetch *fetches;
    int64_t n_fetches;
    const ek_op *targets;
    int64_t n_targets;
    ek_list also;                /* operations, tensors and variables to run: a collection, say */
    ek_error *error;
} ek_run_options;
/* Session.run:
 *     ek_run(s, .feed = { { x, batch } }, .fetch = { { y, &out } }, .also = ek_get_collection(g, EK_UPDATE_OPS))
 *
 * Errors  as TensorFlow's, in its order and words: the graph's own first failure; an empty graph; every feed in turn
 *         (of another graph or dead, wrong dtype or shape, not feedable, fed twice); the fetches and targets (of
 *         another graph or dead, not fetchable: inside a cond); nothing to run. From running: INVALID_ARGUMENT where a
 *         placeholder is not fed, shapes do not fit or a fetched tensor is dead (the branch not taken),
 *         FAILED_PRECONDITION where a variable has no value, UNIMPLEMENTED where an op has no definition,
 *         RESOURCE_EXHAUSTED, and what ops refuse. The node at fault is in the record and ends the text. Updates made
 *         before a failure stay.
 * Threads Any number may run one session. Runs are atomic against each other: those that write variables or draw
 *         random numbers have the store to themselves, others share it. The graph may be built on meanwhile by one
 *         thread; the values of feeds may not change during the call.
 * Cost    From the second run of a signature on nothing is allocated, but for strings and replaced fetches. */
#define ek_run(s, ...) EK_CALL(ek_status, ek_run_with, ((s),), ek_run_options, __VA_ARGS__)
EK_API ek_status ek_run_with(ek_session *s, const ek_run_options *o, ek_where where);

/* A signature bound once, for the innermost loop: ek_callable_create(s, .feed = { { x } }, .fetch = { { y } }), then
 * ek_callable_run(c, feeds, fetches) with arrays by position, the fetches as in ek_fetch; both may be NULL where there
 * are none. The shapes of the feeds may change from call to call. Options are copied. One callable is used by one
 * thread at a time and destroyed before its session. NULL on failure. */
#define ek_callable_create(s, ...) EK_CALL(ek_callable *, ek_callable_create_with, ((s),), ek_run_options, __VA_ARGS__)
EK_API ek_callable *ek_callable_create_with(ek_session *s, const ek_run_options *o, ek_where where);
EK_API EK_MUST_CHECK ek_status ek_callable_run(ek_callable *c, const ek_array *const *feeds, ek_array **fetches);
EK_API void ek_callable_destroy(ek_callable *c); /* NULL is allowed */

/* A variable's value as a new array. FAILED_PRECONDITION when it is not initialized. */
EK_API EK_MUST_CHECK ek_status ek_session_get(ek_session *s, ek_variable v, ek_array **out);
/* Gives it a value, copied, as its initializer would; INVALID_ARGUMENT unless dtype and shape fit the variable's. Both
 * wait for the run in progress. */
EK_API EK_MUST_CHECK ek_status ek_session_set(ek_session *s, ek_variable v, const ek_array *value);

#ifdef __cplusplus
}
#endif
#endif
