/* evenkeel/session.h - runs graphs: feeds, fetches, targets; a session owns variables' values. */
#ifndef EVENKEEL_SESSION_H
#define EVENKEEL_SESSION_H

#include "evenkeel/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_session ek_session;
typedef struct ek_callable ek_callable;
typedef struct ek_store ek_store; /* variables' values; shared by the sessions that are given it */

typedef struct ek_session_options {
    size_t size;
    ek_graph *graph;     /* required; must outlive the session; may grow between runs */
    int threads;         /* 0: as many as there are processors */
    ek_store *store;     /* NULL: one of its own */
    bool check_numerics; /* every output is looked at; a NaN or infinity is an error that names the first bad node */
    ek_tristate fuse;    /* EK_DEFAULT: as EK_FUSE in the environment says (on) */
    bool deterministic;  /* own loops instead of oneDNN's: same bits on every processor */
    ek_error *error;
} ek_session_options;
/* NULL on failure. */
#define ek_session_create(...) \
    EK_CALL(ek_session *, ek_session_create_with, (), ek_session_options, .threads = 0, .fuse = EK_DEFAULT, .graph = __VA_ARGS__)
EK_API ek_session *ek_session_create_with(const ek_session_options *o, ek_where where);
EK_API void ek_session_destroy(ek_session *s); /* NULL is allowed; no run may be in flight */
EK_API ek_store *ek_session_store(ek_session *s); /* borrowed */

EK_API ek_store *ek_store_create(void);
EK_API void ek_store_unref(ek_store *store);

/* What a tensor is to be in a run. Borrowed for the call. A zeroed entry ends the list; a dead
 * tensor does not, it is an error. */
typedef struct ek_feed {
    ek_tensor tensor;
    const ek_array *value;
} ek_feed;

/* A tensor to compute. *value is refilled in place where it is unshared and of the same dtype and shape,
 * else released and replaced; start it as NULL, ek_array_unref it at the end. value may be NULL: computed,
 * not handed over. On failure no value is touched. */
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
 * Checks in TensorFlow's order and words (spec 4.2 to 4.5): the graph, every feed in turn, the fetches. Atomic
 * against other runs on the same store. Any number of threads may run one session. */
#define ek_run(s, ...) EK_CALL(ek_status, ek_run_with, ((s),), ek_run_options, __VA_ARGS__)
EK_API ek_status ek_run_with(ek_session *s, const ek_run_options *o, ek_where where);

/* A signature bound once, for the innermost loop: feeds and fetches by position. The shapes of the feeds may
 * change from call to call. One callable is used by one thread at a time. */
#define ek_callable_create(s, ...) EK_CALL(ek_callable *, ek_callable_create_with, ((s),), ek_run_options, __VA_ARGS__)
EK_API ek_callable *ek_callable_create_with(ek_session *s, const ek_run_options *o, ek_where where);
EK_API EK_MUST_CHECK ek_status ek_callable_run(ek_callable *c, const ek_array *const *feeds, ek_array **fetches);
EK_API void ek_callable_destroy(ek_callable *c);

/* A variable's value: a new reference to a copy. FAILED_PRECONDITION when it is not initialized. */
EK_API EK_MUST_CHECK ek_status ek_session_get(ek_session *s, ek_variable v, ek_array **out);
/* Sets it as its initializer would; dtype and shape must fit. */
EK_API EK_MUST_CHECK ek_status ek_session_set(ek_session *s, ek_variable v, const ek_array *value);

#ifdef __cplusplus
}
#endif
#endif
