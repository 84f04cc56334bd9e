/* evenkeel/control.h - what steers: conditionals, and operations that only wait for others.
 *
 * A conditional is TensorFlow 1's: Switch and Merge around two branches. Operations made before it run whatever the
 * predicate is; only what a branch makes depends on it.
 */
#ifndef EVENKEEL_CONTROL_H
#define EVENKEEL_CONTROL_H

#include "evenkeel/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- cond: two functions --------------------------------------------------------------------- */

/* Builds a branch and says what it gives: tensors, variables (their values) or operations.
 *     static ek_list twice(ek_graph *g, void *x) { return EK_RESULTS(g, ek_times(*(ek_tensor *)x, 2.0)); }
 * Both branches give as many, pairwise of one dtype. An empty list is Python's None: an error. */
typedef ek_list (*ek_branch_fn)(ek_graph *g, void *arg);

/* A list that outlives the function that makes it: a copy of EK_LIST(...) in the graph. */
#define EK_RESULTS(g, ...) ek_list_copy((g), EK_LIST(__VA_ARGS__))
EK_API ek_list ek_list_copy(ek_graph *g, ek_list list);
/* Item i as a tensor; of an operation its output 0. Dead where there is none.
 *     y = ek_first(ek_cond(flag, twice, same, .arg = &x)) */
EK_API ek_tensor ek_list_tensor(ek_list list, int64_t i);
static inline ek_tensor ek_first(ek_list list) { return ek_list_tensor(list, 0); }

typedef struct ek_cond_options {
    size_t size;
    ek_branch_fn false_fn; /* required */
    void *arg;             /* handed to both functions */
    const char *name;      /* "cond" */
} ek_cond_options;
/* tf.cond: the outputs of the Merges, one per result. `pred` is a bool tensor or variable.
 * Errors (recorded in the graph, an empty list is returned; "pred must not be a Python bool" for a literal, which has
 * no graph, is in ek_last_error()): "true_fn must be callable." for NULL; "true_fn must have a return value."; results
 * of different number or dtype. */
#define ek_cond(pred, true_fn, ...)                                                                     \
    EK_CALL(ek_list, ek_cond_with, (EK_OPERAND(pred), (true_fn),), ek_cond_options, .arg = NULL, .name = NULL, \
            .false_fn = __VA_ARGS__)
EK_API ek_list ek_cond_with(ek_operand pred, ek_branch_fn true_fn, const ek_cond_options *o, ek_where where);

/* The same where the value of `pred` may be known while building: a literal, or a tensor that follows from constants
 * (any number other than zero counts as true). Then only that branch is built, without a conditional. A variable is
 * never known. A literal needs the graph: it is taken from .graph. */
typedef struct ek_smart_cond_options {
    size_t size;
    ek_branch_fn false_fn;
    void *arg;
    const char *name;
    ek_graph *graph; /* required with a literal predicate */
} ek_smart_cond_options;
#define ek_smart_cond(pred, true_fn, ...)                                                                     \
    EK_CALL(ek_list, ek_smart_cond_with, (EK_OPERAND(pred), (true_fn),), ek_smart_cond_options, .arg = NULL,  \
            .name = NULL, .graph = NULL, .false_fn = __VA_ARGS__)
EK_API ek_list ek_smart_cond_with(ek_operand pred, ek_branch_fn true_fn, const ek_smart_cond_options *o,
                                  ek_where where);

/* ---- cond: two blocks ------------------------------------------------------------------------ */

/* The same without functions; it is what other languages build on.
 *     ek_conditional *c = ek_cond_begin(flag, NULL);
 *     ek_with_branch(c, true) ek_give(c, ek_times(x, 2.0));
 *     ek_with_branch(c, false) ek_give(c, x);
 *     ek_tensor y = ek_first(ek_cond_end(c));
 * True first, then false. Lives in the graph: nothing to free. NULL after a failure, which is recorded; the other calls
 * accept it. */
typedef struct ek_conditional ek_conditional;
#define ek_cond_begin(pred, name) ek_cond_begin_at(EK_OPERAND(pred), (name), EK_HERE)
EK_API ek_conditional *ek_cond_begin_at(ek_operand pred, const char *name, ek_where where);
#define ek_with_branch(c, which) EK_SCOPE_(ek_branch_push((c), (which), EK_HERE))
EK_API ek_scope ek_branch_push(ek_conditional *c, bool which, ek_where where);
/* A result of the branch that is open: a tensor, a variable or an operation. */
#define ek_give(c, x) ek_give_item((c), EK_ITEM(x), EK_HERE)
EK_API void ek_give_item(ek_conditional *c, ek_item item, ek_where where);
#define ek_cond_end(c) ek_cond_end_at((c), EK_HERE)
EK_API ek_list ek_cond_end_at(ek_conditional *c, ek_where where);

/* ---- waiting --------------------------------------------------------------------------------- */

typedef struct ek_no_op_options {
    size_t size;
    ek_graph *graph; /* required */
    const char *name;
} ek_no_op_options;
/* tf.no_op: ek_no_op(g), ek_no_op(g, .name = "done") */
#define ek_no_op(...) EK_CALL(ek_op, ek_no_op_with, (), ek_no_op_options, .name = NULL, .graph = __VA_ARGS__)
EK_API ek_op ek_no_op_with(const ek_no_op_options *o, ek_where where);

typedef struct ek_group_options {
    size_t size;
    ek_list list;
    const char *name; /* "group_deps" */
} ek_group_options;
/* tf.group: an operation that runs everything in the list: ek_group(g, EK_LIST(a, b), .name = "step"). Over several
 * devices it waits for one group per device. An empty list gives a bare NoOp. */
#define ek_group(g, ...) EK_CALL(ek_op, ek_group_with, ((g),), ek_group_options, .name = NULL, .list = __VA_ARGS__)
EK_API ek_op ek_group_with(ek_graph *g, const ek_group_options *o, ek_where where);

typedef struct ek_tuple_options {
    size_t size;
    ek_list list;
    ek_list control;  /* operations and tensors to wait for besides */
    const char *name; /* "tuple" */
} ek_tuple_options;
/* tf.tuple: each tensor again, available only when all are. An operation in the list gives an operation that waits. */
#define ek_tuple(g, ...)                                                                                               \
    EK_CALL(ek_list, ek_tuple_with, ((g), ), ek_tuple_options, .control = { NULL, NULL, 0 }, .name = NULL,             \
            .list = __VA_ARGS__)
EK_API ek_list ek_tuple_with(ek_graph *g, const ek_tuple_options *o, ek_where where);

typedef struct ek_with_dependencies_options {
    size_t size;
    ek_list list;
    const char *name; /* "control_dependency" */
} ek_with_dependencies_options;
/* The tensor again, available only after everything in the list: ek_with_dependencies(y, EK_LIST(update)). Placed with
 * y. */
#define ek_with_dependencies(t, ...)                                                                                   \
    EK_CALL(ek_tensor, ek_with_dependencies_with, ((t), ), ek_with_dependencies_options, .name = NULL,                 \
            .list = __VA_ARGS__)
EK_API ek_tensor ek_with_dependencies_with(ek_tensor t, const ek_with_dependencies_options *o, ek_where where);

#ifdef __cplusplus
}
#endif
#endif
