/* plan/plan.h - a compiled plan: what runs in place of a graph, for one signature.
 *
 * A plan is a region: straight steps over one planned block of memory, and perhaps a split at its end, where shapes or
 * branches follow from data; each outcome of a split has a plan of its own, its tail. So plans form a tree. A plan is
 * immutable once built (the cache of tails apart), shared and reference counted. Whoever runs it brings a frame.
 */
#ifndef EK_PLAN_PLAN_H
#define EK_PLAN_PLAN_H

#include <pthread.h>

#include "base/rules.h"
#include "graph/view.h"

/* ---- what is asked for ---------------------------------------------------------------- */

/* Feeds with dtype and shape, fetches, targets. Duplicate fetches are allowed, duplicate feeds are not. */
typedef struct ek_goal {
    const ek_graph *graph;
    int32_t n_feeds, n_fetches, n_targets;
    const ek_edge *feed;
    const ek_array *const *feed_value; /* while planning: dtype, shape and the values of steering booleans */
    const ek_edge *fetch;
    const int32_t *target;
} ek_goal;

typedef struct ek_note ek_note; /* the runtime's */

/* A rule that a run of a plan breaks, or may break: see `watch` below. The names are the graph's or copied. */
typedef struct ek_note_args {
    ek_rule rule;
    int32_t set;         /* a node that stands for the layer's variables: said once of each */
    const char *place;   /* scope of the variables; copied */
    const char *step;    /* the run by a name: a target, or an op that trains */
    int n_ops;           /* updates; in op[] the first of them */
    const char *op[4];
    bool collected;      /* they are in EK_UPDATE_OPS */
    int64_t values, samples; /* per channel, and in the batch */
} ek_note_args;

/* What planning needs of the runtime. Called with the store and the planner locked. */
typedef struct ek_plan_host {
    void *self;
    /* The place of the variable that `source` names; made where it is new. */
    ek_status (*variable)(void *self, const ek_node *source, ek_slot **out, ek_error *err);
    /* The state of an op between runs, zeroed at first. */
    ek_status (*op_state)(void *self, const ek_node *node, size_t bytes, void **out, ek_error *err);
    /* A note of the session's for what may be said of a layer, one per rule and set. NULL: nobody watches. */
    ek_status (*note)(void *self, const ek_note_args *args, ek_note **out, ek_error *err);
    void (*frame_destroy)(void *frame); /* how frames that rest in a plan end */
    struct ek_recognised **recognised; /* where findings about the graph are kept, NULL at first; NULL: nowhere. End
                                        * them by ek__recognised_free */
    /* Passes that may be left out; the numbers stay the same. */
    bool fuse;    /* chains of element-wise ops become one step, and so does each half of a batch norm (within 2e-5) */
    bool fold;    /* what follows from constants is computed once */
    bool inplace; /* outputs may lie over inputs that die */
    bool reuse;   /* memory of values that died is used again */
    /* One host, one answer: plans of a session are its own, so these are part of what a plan was made for. */
    bool deterministic; /* ops use loops whose bits do not depend on the processor */
    bool one_thread;    /* no run will have more */
} ek_plan_host;

/* ---- what a plan consists of --------------------------------------------------------------- */

/* Where a value lives. */
typedef enum ek_home {
    EK_HOME_NONE,     /* nowhere: never computed, or a handle */
    EK_HOME_BLOCK,    /* the frame's block, at `offset` */
    EK_HOME_STRINGS,  /* the frame's string slots, at `offset`: cleared, never shared */
    EK_HOME_CONSTANT, /* constant `index` of the plan */
    EK_HOME_FEED,     /* the caller's array `index` */
    EK_HOME_VARIABLE, /* the memory of variable `index` as it is at the time */
    EK_HOME_OUTER,    /* value `index` of the plan before this one */
    EK_HOME_TILE      /* inside a chain only */
} ek_home;

typedef struct ek_place {
    ek_home home;
    int32_t index;
    size_t offset;
} ek_place;

/* A variable as the plan takes it: valid while its value is absent or has this shape (NULL: unknown). */
typedef struct ek_plan_variable {
    ek_slot *slot;
    const ek_shape *shape;      /* before the plan runs */
    const ek_shape *last_shape; /* as far as known, when it is done */
    const ek_node *node;
    bool is_resource, written;
} ek_plan_variable;

/* Before step `step`: variable `variable` must have a value. Looked at only in runs that meet one without. */
typedef struct ek_plan_check {
    int32_t step, variable;
    const ek_node *node;
    int32_t fetch; /* the place among the fetches that reads it, or -1: node does */
    bool whole_read;
} ek_plan_check;

/* Ops that were joined: one in front, those of the ops that give to the others, those of the others. */
enum { EK_STEP_PHASES = 1 + 2 * EK_MAX_PHASES };

typedef struct ek_step {
    int32_t n_phases;
    ek_phase phase[EK_STEP_PHASES];
    const void *state;
    ek_slot *const *slot;
    void *op_state;
    int32_t first_pointer, n_in, n_out; /* in the frame's table of pointers: inputs, then outputs */
    int32_t n_written;
    const int32_t *written;             /* variables */
    const ek_shape *const *written_shape; /* their shapes from now on; NULL: not known */
    int32_t n_covers;
    const ek_node *const *covers;       /* graph nodes, in order */
    const ek_dtype *out_dtype;          /* base types, for those who look at numbers */
    const int64_t *out_count;
} ek_step;

typedef struct ek_fetched {
    int32_t fetch; /* place among the goal's fetches */
    ek_place place;
    ek_dtype dtype;
    const ek_shape *shape;
    int64_t count;
} ek_fetched;

/* Entries of the pointer table that follow a feed, a variable or an outer value. */
typedef struct ek_patch {
    int32_t n;
    const int32_t *entry;
} ek_patch;

/* ---- what is watched ------------------------------------------------------------------------- */

/* An update of a moving average. */
typedef struct ek_move {
    ek_slot *slot;
    double momentum; /* of all updates of a run together; NaN: not a constant */
    bool of_variance;
} ek_move;

typedef struct ek_remark {
    ek_rule rule;
    ek_note *note;
    ek_slot *mean, *variance; /* moving statistics; NULL: none */
} ek_remark;

/* What runs of a plan do to batch norms: decided with the plan, so that a run only counts. */
typedef struct ek_watch {
    bool trains; /* it changes a variable by a gradient */
    int32_t n_moves, n_resets, n_remarks, n_readings;
    ek_move *move;
    ek_slot **reset;    /* variables that are given a value */
    ek_remark *remark;  /* looked at after the first run */
    ek_remark *reading; /* of sites in inference: looked at after each run */
    atomic_bool looked;
} ek_watch;

typedef enum ek_split_kind { EK_SPLIT_SHAPE, EK_SPLIT_BRANCH } ek_split_kind;

enum {
    EK_MAX_TAILS = 8,     /* plans kept for the outcomes of one split */
    EK_MAX_ALL_TAILS = 64 /* and of all splits below one root */
};

/* One outcome. The key: shapes of the node's outputs and the bytes of the values that decide, or the branch taken. */
typedef struct ek_tail {
    struct ek_plan *plan;
    uint8_t *key;
    size_t key_size;
    uint64_t used; /* for the oldest to go */
} ek_tail;

typedef struct ek_split {
    ek_split_kind kind;
    int32_t position;       /* in the program's order: the tail begins here */
    const ek_node *node;
    const ek_place *in;     /* the node's inputs; NONE where not needed */
    const ek_shape *const *in_shape; /* NULL: of a variable as it is then */
    pthread_mutex_t lock;   /* guards what follows */
    int n_tails;
    uint64_t clock;
    ek_tail tail[EK_MAX_TAILS];
} ek_split;

typedef struct ek_plan ek_plan;
struct ek_plan {
    atomic_int refs;
    ek_arena arena;
    struct ek_program *program; /* shared by a root and its tails; owned by the root */
    const ek_plan *outer;       /* the plan before this one; NULL for a root. Outlives it */
    ek_plan *root;              /* itself for a root */
    atomic_int n_tails;         /* of a root: tails that exist below it */
    int32_t n_feeds;            /* of the root's signature */
    bool exclusive;             /* writes something that others may read: variables, state of ops */
    uint64_t steering;          /* bit per feed: booleans whose values were planned for */

    int32_t n_variables;
    ek_plan_variable *variable;
    int32_t n_constants;
    ek_array **constant;        /* borrowed from the graph or `owned` */
    int32_t n_outer;
    ek_place *outer_place;      /* in the frame of `outer` */
    int32_t n_owned;
    ek_array **owned;

    int32_t n_steps, n_norms;   /* n_norms: halves of batch norms that run as one step */
    ek_step *step;
    ek_run_fn *single;          /* per step: its only function, where it is one phase of one chunk and writes nothing */
    int32_t n_checks;
    ek_plan_check *check;       /* in order of steps */
    int32_t n_pointers;
    ek_place *pointer;          /* what each entry of the pointer table points to */
    ek_patch *feed_patch, *variable_patch, *outer_patch;
    size_t block_bytes;         /* values */
    size_t scratch_bytes;
    size_t string_count;        /* of string slots */

    int32_t n_fetched;
    ek_fetched *fetched;
    ek_watch *watch;            /* NULL: nothing to watch */
    int32_t dead_fetch;         /* a fetch that is dead here, or -1 */
    ek_split *split;            /* NULL: the end */

    /* For the tails: what was found out and where things are. */
    struct ek_facts *facts;
    int32_t n_values;
    ek_place *value_place;

    /* The runtime's: frames at rest, the signature's key. */
    _Atomic(void *) frame[16];
    void (*frame_destroy)(void *frame);
    _Atomic uint64_t valid_for; /* the store's layout for which the shapes of variables were last compared */
    int64_t plan_ns;            /* how long planning took */
};

/* Builds the plan of a goal; one reference. The graph must not grow meanwhile (the caller holds its lock for
 * reading). Errors name the node.
 *
 * Errors  INVALID_ARGUMENT: a placeholder is needed and not fed, shapes contradict, a cycle; UNIMPLEMENTED: a node
 *         without a definition is needed; RESOURCE_EXHAUSTED. */
ek_status ek__plan_build(const ek_goal *goal, const ek_plan_host *host, ek_plan **out, ek_error *err);

/* What is known of a split's outcome: the branch, or the arrays that decide (NULL where not needed) and the shapes. */
typedef struct ek_outcome {
    int branch;
    const ek_array *const *in;
    const ek_shape *out_shape;
} ek_outcome;
/* The plan of what follows a split, for one outcome. */
ek_status ek__plan_build_tail(const ek_plan *head, const ek_outcome *outcome, const ek_plan_host *host, ek_plan **out,
                              ek_error *err);

/* Arrays for the shape rule at a split, as many as its node has inputs and outputs; part of a frame. */
typedef struct ek_split_room {
    ek_array *in;
    const ek_array **in_value;
    ek_shape *in_shape, *in_as_shape, *in_handle, *out_shape, *out_handle;
} ek_split_room;
/* Shapes of the outputs of the node at the split, from the values in room->in, into room->out_shape. */
ek_status ek__split_shapes(const ek_plan *head, const ek_split_room *room, ek_error *err);

void ek__recognised_free(struct ek_recognised *list);

ek_plan *ek__plan_ref(ek_plan *p);
void ek__plan_unref(ek_plan *p);

/* Adds TensorFlow's "\n\t [[{{node x}}]]" to a failure and records the node, unless one is named. */
void ek__fail_at(ek_error *err, const char *node);

#endif
