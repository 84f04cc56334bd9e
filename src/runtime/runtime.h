/* runtime/runtime.h - what a session consists of, from inside.
 *
 * Locks, in the order in which they are taken: the store's (runs: shared, or exclusive where they write), the session's
 * planner, the graph's for reading. Lookups of plans take none.
 */
#ifndef EK_RUNTIME_RUNTIME_H
#define EK_RUNTIME_RUNTIME_H

#include <pthread.h>

#include "evenkeel/session.h"
#include "plan/plan.h"

/* ---- store --------------------------------------------------------------------------- */

/* A variable: the slot that ops write through, and its shape as the store last saw it. */
typedef struct ek_variable_slot {
    ek_slot slot; /* first */
    bool seen;
    ek_shape seen_shape;
    /* As the moving average of a batch norm, since it was given a value; guarded as values are. */
    int64_t moved;   /* runs that updated it */
    bool fresh;      /* the first found it as it begins: all zeros, of a variance all ones */
    double momentum; /* of the last */
    double left;     /* the share of the first value that is still in it; NaN: not known */
} ek_variable_slot;

struct ek_store {
    atomic_int refs;
    pthread_rwlock_t lock;     /* the values */
    pthread_mutex_t names;     /* the map and the list */
    ek_map by_key;
    ek_variable_slot **slot;
    int64_t n_slots, cap_slots;
    ek_arena arena;
    bool trained;              /* a run that trains a batch norm was among those since; guarded as values are */
    _Atomic uint64_t layout;   /* rises when a variable gets a value or another shape */
};

ek_store *ek__store_ref(ek_store *s);
/* The place of a variable, made where it is new. `source` is its VariableV2 or VarHandleOp. */
ek_status ek__store_slot(ek_store *s, const ek_node *source, ek_slot **out, ek_error *err);
/* Where the training is: the number in the variable global_step; -1: there is none. The store is locked. */
int64_t ek__store_global_step(ek_store *s);
/* After a write, with the lock held exclusively. */
void ek__store_written(ek_store *s, ek_slot *slot);

/* ---- requests ---------------------------------------------------------------------------- */

/* A run as asked for, flat. Arrays are the caller's. */
typedef struct ek_request {
    int32_t n_feeds, n_fetches, n_targets;
    ek_edge *feed, *fetch;
    const ek_array **value;
    ek_array ***into;          /* per fetch: where it goes; NULL: nowhere */
    int32_t *target;
    bool odd;                  /* something is dead, of another graph or absent: the checks will say what */
    uint64_t hash;
} ek_request;

enum { EK_REQUEST_INLINE = 64 };

/* Memory for a request; large ones are kept by the session between runs. */
typedef struct ek_request_room {
    ek_edge edge[2 * EK_REQUEST_INLINE];
    const ek_array *value[EK_REQUEST_INLINE];
    ek_array **into[EK_REQUEST_INLINE];
    int32_t target[EK_REQUEST_INLINE];
    void *large;               /* NULL, or a block that holds all of it */
    size_t large_bytes;
} ek_request_room;

ek_status ek__request_fill(ek_session *s, const ek_run_options *o, ek_request_room *room, ek_request *out,
                           ek_error *err);
void ek__request_release(ek_session *s, ek_request_room *room);
void ek__request_hash(ek_request *r);
/* TensorFlow's checks, in its order and words. The graph's lock is held for reading. */
ek_status ek__request_check(const ek_session *s, const ek_run_options *o, const ek_request *r, ek_error *err);

/* ---- plans by signature -------------------------------------------------------------------- */

enum { EK_CACHE_SIZE = 32 };

/* A signature with its plan. */
typedef struct ek_entry {
    atomic_int refs;
    uint64_t hash;
    ek_plan *plan;
    int32_t n_feeds, n_fetches, n_targets;
    ek_edge *feed, *fetch;
    int32_t *target;
    ek_dtype *dtype;           /* of the feeds */
    ek_shape *shape;
    bool *flag;                /* values of steering feeds */
    _Atomic uint64_t used;
} ek_entry;

typedef struct ek_cache {
    _Atomic(ek_entry *) entry[EK_CACHE_SIZE];
    _Atomic uint64_t clock;
    atomic_int looking;        /* lookups in progress: an entry taken out is released when none is */
} ek_cache;

/* The entry of a request with a reference, or NULL. */
ek_entry *ek__cache_find(ek_cache *c, const ek_request *r);
bool ek__entry_fits(const ek_entry *e, const ek_request *r);
/* Makes an entry of a plan; takes the plan's reference over, also on failure. */
ek_status ek__entry_new(const ek_request *r, ek_plan *plan, ek_entry **out, ek_error *err);
/* Puts it in, for one of the same signature or the oldest. The planner is locked. */
void ek__cache_put(ek_cache *c, ek_entry *e);
void ek__cache_fini(ek_cache *c);
void ek__entry_unref(ek_entry *e);

/* ---- sessions ------------------------------------------------------------------------------- */

typedef struct ek_op_state {
    int32_t node;
    void *state;
} ek_op_state;

typedef struct ek_notes {
    bool on;
    ek_reporter *report; /* NULL: to stderr */
    void *arg;
    pthread_mutex_t lock; /* the list, and what is being said */
    ek_note **at;
    int64_t n, cap;
    ek_arena arena;       /* notes and their strings */
    atomic_int due;       /* notes that wait to be said */
} ek_notes;

struct ek_session {
    ek_graph *graph;
    ek_store *store;
    int threads;
    bool check_numerics, deterministic, traced;
    _Atomic int64_t runs;      /* so far, where numbers are checked */
    bool fuse, fold, inplace, reuse; /* passes of plans */
    pthread_mutex_t planner;
    struct ek_recognised *recognised; /* what is known of the graph's batch norms; the planner's */
    ek_map states;             /* node id -> place in `state` */
    ek_op_state **state;
    int64_t n_states, cap_states;
    ek_cache cache;
    _Atomic(void *) large_request;
    ek_notes notes;
};

/* Finds the entry of a request or plans it. */
ek_status ek__session_entry(ek_session *s, const ek_run_options *o, const ek_request *r, ek_entry **out, ek_error *err);
/* A copy of what a VariableV2 or VarHandleOp of its graph holds, as ek_session_get gives it (values.c). */
ek_status ek__session_value(ek_session *s, const ek_node *source, ek_array **out, ek_error *err);
/* The other way; dtype and shape are those of the variable: the caller has looked. */
ek_status ek__session_set_value(ek_session *s, const ek_node *source, const ek_array *value, ek_error *err);
/* Whether the shapes of the variables are those that the plan was made for. The store is locked. */
bool ek__plan_is_valid(const ek_session *s, ek_plan *p);
ek_status ek__session_tail(ek_session *s, ek_plan *head, const ek_outcome *outcome, ek_plan **out, ek_error *err);

/* The state of an op in this session, zeroed where it is new. The planner is locked. */
ek_status ek__session_state(ek_session *s, const ek_node *n, size_t bytes, void **out, ek_error *err);

/* ---- random streams ------------------------------------------------------------------------- */

/* Where the random ops stand that were run: their names [n], and for each the counter's halves and the key (int64 [n, 3]). New
 * arrays, the caller's. Both calls wait for the run in progress. */
ek_status ek__session_streams_get(ek_session *s, ek_array **names, ek_array **places, ek_error *err);
/* Lets them go on there. INVALID_ARGUMENT: arrays of another form; no such op, or none that is random. */
ek_status ek__session_streams_set(ek_session *s, const ek_array *names, const ek_array *places, ek_error *err);

/* ---- frames ---------------------------------------------------------------------------------- */

/* The memory of one run of one plan. */
typedef struct ek_frame {
    ek_plan *plan;
    struct ek_frame *outer;    /* of the plan before, while a run lasts */
    char *block;
    ek_string *strings;
    ek_run_args *args;         /* per step */
    void **pointer;            /* the table that args point into */
    const void **feed_at, **variable_at, **outer_at; /* what the table holds for each now */
    ek_split_room split;
    uint8_t *key;              /* of the split's outcome */
    size_t key_size, key_cap;
    ek_error err;
} ek_frame;

ek_status ek__frame_take(ek_plan *p, ek_frame **out, ek_error *err);
void ek__frame_give(ek_frame *f);
void ek__frame_destroy(void *frame);

/* ---- execution --------------------------------------------------------------------------------- */

/* One run in flight. */
typedef struct ek_run_state {
    ek_session *session;
    const ek_request *request;
    ek_error *err;
    ek_frame *frame;           /* the innermost */
    int64_t number;            /* among the session's runs, where numbers are checked: 1 is the first */
    bool hands_on_feeds;       /* a fed tensor is fetched: found out when results are handed over */
} ek_run_state;

/* Runs the plan and hands the fetches over. The store is locked as the plan wants it. */
ek_status ek__execute(ek_session *s, ek_plan *p, const ek_request *r, ek_error *err);
/* Steps one by one with a look at each: variables without a value, NaN, the trace. */
ek_status ek__run_watched(ek_run_state *run, ek_frame *f);
ek_status ek__run_step(ek_run_state *run, ek_frame *f, int32_t step);
ek_status ek__step_failed(ek_frame *f, int32_t step);
/* Address of a value of the frame's plan. */
const void *ek__frame_at(const ek_run_state *run, const ek_frame *f, const ek_place *p);
/* Finds or makes the plan that follows the split; one reference. */
ek_status ek__find_tail(ek_run_state *run, ek_frame *f, ek_plan **out);
/* Copies what was fetched into the caller's arrays, all or nothing. */
ek_status ek__hand_over(ek_run_state *run);

/* ---- notes: what a session says of its batch norms ------------------------------------------------ */

bool ek__notes_init(ek_notes *n, const ek_session_options *o); /* false: no lock */
void ek__notes_fini(ek_notes *n);
/* For planning: the note of a rule and a set, made where it is new. */
ek_status ek__note_for(void *self, const ek_note_args *args, ek_note **out, ek_error *err);
/* Around a run of a plan, the store locked: counts, and sets down what is to be said. No memory is asked for. */
void ek__notes_before(ek_session *s, const ek_watch *w);
void ek__notes_after(ek_session *s, ek_watch *w);
/* Says it; no lock is held. */
void ek__notes_say(ek_notes *n);
/* A variable was given a value: what moved it before counts no more. */
void ek__notes_reset(ek_slot *slot);

/* ---- trace -------------------------------------------------------------------------------------- */

bool ek__trace_open(void);  /* whether EK_TRACE names a file that can be written */
void ek__trace_close(void);
void ek__trace_event(const char *name, const char *category, int64_t start_ns, int64_t end_ns);
int64_t ek__now_ns(void);

#endif
