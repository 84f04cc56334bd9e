/* plan/ir.h - between graph and steps: what is known of the graph's tensors, values, lowered ops, and the passes.
 *
 * Passes run in the order of the declarations at the end. Up to `infer` they annotate graph nodes through a view; from
 * `lower` on there are values and lowered ops. No pass asks an op's name.
 */
#ifndef EK_PLAN_IR_H
#define EK_PLAN_IR_H

#include "base/log.h"
#include "ops/bn.h"
#include "plan/plan.h"
#include "sites/sites.h"

/* Why a node is part of a run. */
enum {
    EK_LIVE_NOT,
    EK_LIVE_ORDER, /* pure, reached by control edges alone: orders effects, passes deadness on, and is not run */
    EK_LIVE_RUN
};

/* What a goal says of a node. */
enum { EK_MARK_FED = 1, EK_MARK_FETCHED = 2, EK_MARK_TARGET = 4 };

/* What holds for a goal before anything is known about its values: shared by the root and all tails. */
typedef struct ek_program {
    const ek_graph *graph;
    int64_t n_nodes;     /* of the graph when this was made */
    int32_t n_feeds, n_fetches, n_targets;
    ek_edge *feed, *fetch;
    int32_t *target;
    uint8_t *live;       /* per node */
    uint8_t *mark;       /* per node: EK_MARK_... */
    int32_t *first_out;  /* per node; live ones only */
    int32_t n_outs;
    int32_t n_order;
    int32_t *order;      /* live nodes in the order of execution */
    int32_t max_in, max_out;
    ek_arena arena;
} ek_program;

/* What is known of an output beyond the view. */
typedef struct ek_fact {
    uint64_t taint;      /* feeds whose values `known` rests on */
    ek_array *known;     /* value that follows from constants and fed booleans, good for steering only */
    int32_t feed;        /* place among the feeds, or -1 */
    int32_t variable;    /* the variable that it is, refers to or is a snapshot of, or -1 */
    int32_t value;       /* place among the region's values, or -1 */
    int32_t outer;       /* place in plan->outer_place, or -1 */
    const ek_shape *own; /* what the node itself gives where this output is fed but it runs for others; or NULL */
    bool dead, snapshot;
    bool reshaped;       /* the variable's memory under a shape of its own (Reshape) */
} ek_fact;

/* Annotations of one region, indexed like the view's. */
typedef struct ek_facts {
    ek_view view;
    ek_shape *shape;
    ek_array **constant;
    int8_t *taken;
    uint8_t *fed;
    uint8_t *node_dead;  /* per node */
    ek_fact *fact;
    ek_arena arena;      /* gone after planning unless the region splits */
} ek_facts;

/* What one lowered op may give in place of the nodes of a half of a batch norm. */
typedef enum ek_half_out {
    EK_HALF_Y, EK_HALF_MEAN, EK_HALF_VARIANCE, EK_HALF_MEAN_LOW, EK_HALF_INVERSE, EK_HALF_UNBIASED,
    EK_HALF_ACTIVATED,                                   /* forward; unbiased: the variance */
    EK_HALF_DX = EK_HALF_Y, EK_HALF_DGAMMA, EK_HALF_DBETA /* backward */
} ek_half_out;
enum { EK_HALF_OUTS = EK_HALF_ACTIVATED + 1, EK_HALF_INS = EK_SITE_ROLES + 1, EK_IN_ACTIVATED = EK_SITE_ROLES };

/* A forward half in training whose gamma or beta follow from its statistics (renorm) is two: these, and what they are
 * applied in. */
typedef enum ek_half_part { EK_HALF_WHOLE, EK_HALF_STATISTICS, EK_HALF_APPLICATION } ek_half_part;

/* A half that runs as one op. It is placed where everything it may be given is there; whoever asks for its tensors
 * earlier, or for others inside, gets them from the nodes, which then run as well. Where that is follows from the graph
 * alone, so that another fetch changes nothing. */
typedef struct ek_half {
    const ek_site *site;
    const ek_site_gradient *gradient; /* NULL: forward */
    ek_half_part part;
    int32_t forward;          /* of what uses the statistics of another, a backward half in training or an application:
                               * the place of that one; else -1 */
    int32_t applied;          /* of a backward half in training: place of the one that gives y; else -1 */
    int32_t rank;             /* nodes of a higher rank come after it */
    int32_t place;            /* in the order: before the node there */
    int n_live;               /* nodes that run where it does not */
    uint32_t want;            /* bit per ek_half_out: somebody asks for it */
    bool lowered;
    const ek_site_entry *in[EK_HALF_INS]; /* where each role is read; NULL: absent */
    ek_bn_activation activation; /* behind y, or in front of dy */
    const ek_node *activator;    /* the op that it is; NULL: none */
    const ek_node *linear;       /* inference: gives x, and takes the half in; NULL: none */
    const ek_node *bias;         /* between the two, adds its second input; NULL: none */
    ek_site_entry own[2];        /* backward: where its gradient and what it gave are read */
    const uint8_t *term;         /* dx is several terms of a sum with others: per input of the sum, 2: the first, 1: one
                                  * of those that it makes up for; NULL: it is a tensor of the graph */
    int32_t value[EK_HALF_OUTS]; /* once lowered; -1: absent */
    ek_bn_view view;
    ek_dtype dtype;
} ek_half;

/* A value between lowered ops: one piece of memory. Several tensors may be one value (Identity, Reshape). */
typedef struct ek_value {
    ek_dtype dtype;      /* base type */
    int64_t count;
    size_t bytes;
    ek_place place;
    int32_t variable;    /* whose snapshot it is, or -1 */
    int32_t def, last;   /* lowered ops; -1: before all; INT32_MAX: to the end */
    int32_t shares;      /* the value whose memory it takes over in place, or -1 */
    bool keep;           /* fetched, or needed by a tail */
    bool used;           /* an op reads it from memory */
    bool taken;          /* another value took its memory over */
    bool placed;         /* among the large, by all that live with it */
    int32_t link;        /* place among the links of the chain that makes it */
    int32_t port_of, port; /* the chain that last read it from outside, and its place among that one's inputs */
} ek_value;

typedef struct ek_port {
    int32_t value;
    ek_dtype dtype;      /* base type */
    const ek_shape *shape;
} ek_port;

enum { EK_LINK_MAX_IN = 4 };

/* An element-wise op in a chain. in[i]: the link of the chain that made it, or -1 - place among the chain's inputs. */
typedef struct ek_link {
    ek_elementwise_fn fn;
    const void *state;
    int32_t n_in;
    int32_t in[EK_LINK_MAX_IN];
    int step[EK_LINK_MAX_IN];
    int32_t out;         /* place among the chain's outputs, or -1: it stays in a tile */
    int32_t value;
    ek_dtype dtype;      /* of the output */
} ek_link;

typedef enum ek_lowered_kind {
    EK_LOWERED_OP,       /* def's own prepare */
    EK_LOWERED_CHAIN,    /* links over tiles */
    EK_LOWERED_HALF,     /* of a batch norm */
    EK_LOWERED_SCALE,    /* scale and shift per channel of a batch norm at inference */
    EK_LOWERED_JOINED,   /* several ops that write, each with variables of its own */
    EK_LOWERED_SNAPSHOT, /* the value of a variable at this point: a copy, or nothing where no write follows */
    EK_LOWERED_GONE
} ek_lowered_kind;

typedef struct ek_lowered {
    ek_lowered_kind kind;
    const ek_node *node;
    int32_t n_in, n_out;
    ek_port *in, *out;
    const int32_t *from; /* per input: which of the node's it is; NULL: all of them in their order */
    int32_t n_links, cap_links;
    ek_link *link;
    int64_t count;       /* of a chain: elements of every output */
    int32_t cap_in;
    int32_t n_covers, cap_covers;
    const ek_node **covers;
    int32_t n_written;   /* variables, in the order of inputs */
    int32_t *written;
    const ek_shape **written_shape; /* of each from now on; NULL: not known */
    int32_t n_members;   /* joined: ops that write, gone from the list themselves */
    struct ek_lowered *member;
    int32_t *variable;   /* per input: the variable it refers to, or -1; NULL: none does */
    const ek_bn_spec *norm; /* of a half */
    const ek_after *after;  /* of a linear op that takes a half in; its vectors are the last inputs */
    bool backward;
    bool pinned;         /* an effect, or an input is the memory of a variable: its place in the order matters */
} ek_lowered;

typedef struct ek_builder {
    ek_plan *plan;
    ek_program *program;
    const ek_plan_host *host;
    const ek_goal *goal;         /* NULL for tails */
    const ek_outcome *outcome;   /* NULL for roots */
    ek_error *err;
    ek_arena *arena;             /* the plan's */
    ek_arena scratch;            /* gone when planning is done */
    ek_facts *facts;
    int32_t begin, end;          /* positions of the order that this region runs */
    bool tainted;                /* some feed may steer */
    ek_map variable_of;          /* slot address -> place in plan->variable */
    const ek_shape **now;        /* shape of each variable at the node in work; NULL: unknown */
    int64_t cap_now;
    int64_t cap_variables, cap_owned, cap_constants, cap_checks, cap_outer;
    /* buffers for shape rules */
    ek_shape *in_shape, *in_as_shape, *in_handle, *out_shape, *out_handle;
    const ek_array **in_value;
    ek_dtype *in_dtype, *out_dtype;
    /* from recognise on */
    int32_t n_halves;
    ek_half *half;               /* by rank */
    const int32_t *rank;         /* per node; NULL: there are no halves */
    uint8_t *provider;           /* per output: 1 + ek_half_out; 0: from its node alone. NULL: there are no halves */
    int32_t *provider_half;      /* per output */
    int32_t *summand;            /* per node: 1 + the half that gives terms of this sum; 0 */
    /* from lower on */
    int32_t n_values, n_ops;
    int64_t cap_values, cap_ops;
    ek_value *value;
    ek_lowered *op;
    int32_t *fetch_value;        /* per fetch: its value, or -1: not of this region */
    int32_t *variable_value;     /* per variable: the value that is its memory, or -1 */
} ek_builder;

/* ---- passes -------------------------------------------------------------------------------- */

ek_status ek__pass_prune(ek_builder *b);   /* program: live */
ek_status ek__pass_order(ek_builder *b);   /* program: order, first_out */
ek_status ek__pass_infer(ek_builder *b);   /* facts; sets end and plan->split */
ek_status ek__pass_recognise(ek_builder *b); /* halves */
ek_status ek__pass_watch(ek_builder *b);   /* plan->watch */
ek_status ek__pass_lower(ek_builder *b);   /* value, op */
ek_status ek__pass_zeros(ek_builder *b);   /* sums without the terms that are zeros */
ek_status ek__pass_fuse(ek_builder *b);    /* chains */
ek_status ek__pass_join(ek_builder *b);    /* writes */
ek_status ek__pass_early(ek_builder *b);   /* what frees memory goes first */
ek_status ek__pass_alias(ek_builder *b);   /* lifetimes, snapshots, in place */
ek_status ek__pass_place(ek_builder *b);   /* offsets */
ek_status ek__pass_prepare(ek_builder *b); /* the plan's steps */

/* ---- helpers that passes share ------------------------------------------------------------------ */

static inline int32_t ek__out_at(const ek_program *p, ek_edge e) { return p->first_out[e.node] + e.index; }
static inline const ek_node *ek__at(const ek_program *p, int32_t id) { return p->graph->node[id]; }
static inline bool ek__bit(uint32_t bits, int i) { return i < 32 && (bits >> i & 1) != 0; }
/* *to = *from without moving all sixteen dimensions; beyond the rank they are zero in both. */
static inline void ek__shape_set(ek_shape *to, const ek_shape *from)
{
    const int32_t n = from->rank > to->rank ? from->rank : to->rank;

    for (int32_t d = 0; d < n; d++) to->dim[d] = from->dim[d];
    to->rank = from->rank;
}
static inline void ek__shape_forget(ek_shape *s)
{
    for (int32_t d = 0; d < s->rank; d++) s->dim[d] = 0;
    s->rank = -1;
}
static inline bool ek__value_decides(const ek_node *n, int i)
{
    return n->spec->def->value_inputs != 0 && ek__value_input(n->spec, i, n->n_in);
}

ek_status ek__plan_no_memory(ek_error *err);
bool ek__is_effect(const ek_node *n);
/* The feed that replaces an output, or -1. */
int32_t ek__feed_of(const ek_program *p, ek_edge e);

/* specialise.c: what Switch and Merge do once a branch is known. *known false: the predicate is not. */
ek_status ek__specialise_switch(ek_builder *b, const ek_node *n, bool *known);
ek_status ek__specialise_merge(ek_builder *b, const ek_node *n);
/* Output `to` is tensor `from`, whatever that is. */
void ek__alias_fact(ek_builder *b, int32_t from, int32_t to);
/* A tensor's value as far as constants and fed booleans say it; the plan is then good for these booleans only, so call
 * it where the answer decides something. NULL: not known. */
const ek_array *ek__steer(ek_builder *b, ek_edge e);

/* rule.c: one node's shape rule, into b->out_shape; its value where inputs are known. */
ek_status ek__rule(ek_builder *b, const ek_node *n);
ek_status ek__fold(ek_builder *b, const ek_node *n);
/* Elements of an integer vector, read as a shape; nothing where they are none. */
void ek__as_shape(const ek_array *value, ek_shape *out);
/* The plan keeps the reference, or releases it on failure. */
ek_status ek__own(ek_builder *b, ek_array *a);

/* variable.c: the variable of a source node, as a place in plan->variable; what a write does to shapes. */
ek_status ek__variable_find(ek_builder *b, const ek_node *source, int32_t *out);
/* The variable that input i refers to (reference or handle), or -1. */
int32_t ek__variable_of_input(const ek_builder *b, const ek_node *n, int i);
void ek__variables_written(ek_builder *b, const ek_node *n, const ek_shape **now);
ek_status ek__check_add(ek_builder *b, ek_plan_check check);
/* Shape of input i as it is now: that of a variable may have changed since its node. */
const ek_shape *ek__input_shape(const ek_builder *b, const ek_node *n, int i, const ek_shape *const *now);

/* order.c: the place of every node in the order that ek__pass_order gives its parts; INT32_MAX: on a cycle or behind
 * one. false without memory. */
bool ek__order_nodes(const ek_graph *g, ek_arena *scratch, int32_t *rank);

/* Whether a node runs in this plan, and is not dead. */
static inline bool ek__is_run(const ek_builder *b, int32_t node)
{
    return b->program->live[node] == EK_LIVE_RUN && b->facts->node_dead[node] == 0;
}

/* The nodes that a half replaces, ascending, and their number. */
static inline const int32_t *ek__half_covers(const ek_half *h, int *n)
{
    *n = h->gradient != NULL ? h->gradient->n_covers : h->site->n_covers;
    return h->gradient != NULL ? h->gradient->covers : h->site->covers;
}

/* halves.c: the half that gives an output to a reader of rank `reader`; NULL: its node does. */
ek_half *ek__half_for(const ek_builder *b, int32_t at, int32_t reader);
/* What a half has to do with input i of a node: 2: it is dx in place of the terms of this sum that are the half's, 1:
 * it is one of the others of these, 0: nothing. */
int ek__half_term(const ek_builder *b, const ek_node *n, int32_t i, ek_half **half);
/* Marks an output as wanted: of the half `from`, or, where that is NULL, of its node. */
void ek__want_output(const ek_builder *b, ek_half *from, int32_t at, uint8_t *need);
/* Whether a half that has been lowered gives it. */
bool ek__half_gave(const ek_builder *b, int32_t at);
/* The inputs of a half: calls `need` for each edge that what is wanted of it takes. */
void ek__half_needs(ek_builder *b, ek_half *h, uint8_t *need);
/* half_lower.c */
ek_status ek__half_lower(ek_builder *b, ek_half *h);
ek_prepare_ctx ek__half_ctx(ek_builder *b, const ek_lowered *op);
ek_status ek__half_prepare(const ek_lowered *op, ek_prepare_ctx *c);
void ek__scale_prepare(const ek_lowered *op, ek_step *step);
/* Whether output 0 may lie over input i. */
bool ek__half_may_overwrite(const ek_lowered *op, int32_t i);

/* lower.c: a new value or op; the value that a tensor has by now. */
ek_status ek__value_new(ek_builder *b, ek_dtype dtype, const ek_shape *shape, ek_home home, int32_t index, int32_t *out);
ek_status ek__constant_new(ek_builder *b, ek_array *a, int32_t *out); /* of an array that outlives the plan */
ek_status ek__value_of(ek_builder *b, int32_t at, ek_dtype dtype, int32_t *out);
ek_status ek__op_new(ek_builder *b, ek_lowered_kind kind, const ek_node *n, int32_t n_in, int32_t n_out,
                     ek_lowered **out);
/* Port `in` of an op as input i of n: type, shape and the value that it has by now. */
ek_status ek__lower_input(ek_builder *b, ek_lowered *op, const ek_node *n, int32_t i, ek_port *in);
/* The inputs of op->node, and the variables behind them. */
ek_status ek__lower_inputs(ek_builder *b, ek_lowered *op);
/* References must have a value before anything but an assignment uses them, here input i of n. */
ek_status ek__check_input(ek_builder *b, const ek_node *n, int32_t i);
/* What is fetched of a node, right after it: a variable's memory is copied as it is now. */
ek_status ek__lower_fetches(ek_builder *b, const ek_node *n);

/* lower.c: turns an op into a chain of one link where its definition offers a loop and no shape is broadcast but scalars. */
ek_status ek__try_chain(ek_builder *b, ek_lowered *op);
/* lower.c: what prepare sees of a lowered op. Arrays from the builder's scratch; false without memory. */
bool ek__prepare_ctx_fill(ek_builder *b, const ek_lowered *op, ek_prepare_ctx *c);

/* prepare.c: state and phases of one op by its definition, which may take what then says along (NULL: nothing); c has what
 * it said. Binds no variable. */
ek_status ek__op_prepare(ek_builder *b, const ek_lowered *op, const ek_then *then, ek_step *step, ek_prepare_ctx *c);
/* join.c: the step of ops that were joined, their variables bound. */
ek_status ek__joined_prepare(ek_builder *b, const ek_lowered *op, ek_step *step);

/* chain.c: the loop of a chain, its phase and state. */
ek_status ek__chain_prepare(ek_builder *b, const ek_lowered *op, ek_step *step);

/* split.c: where a split's inputs are; the facts that a tail starts from. */
ek_status ek__split_fill(ek_builder *b, ek_split *s);
ek_status ek__split_enter(ek_builder *b, const ek_plan *head);
ek_status ek__facts_new(ek_builder *b, ek_facts **out);
void ek__facts_destroy(ek_facts *f);

void ek__print_plan(const ek_builder *b);

#endif
