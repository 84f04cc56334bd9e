/* train/train.h - what the files of optimizers share. */
#ifndef EK_TRAIN_TRAIN_H
#define EK_TRAIN_TRAIN_H

#include "evenkeel/train.h"
#include "layers/get_variable.h"

enum { EK_MAX_HYPERS = 5, EK_MAX_SLOTS = 3 };

/* How a slot begins: with zeros, ones, the optimizer's number; Ftrl's is a Const where the optimizer is used. */
typedef enum ek_slot_start { EK_SLOT_ZEROS, EK_SLOT_ONES, EK_SLOT_NUMBER, EK_SLOT_CONST } ek_slot_start;

struct ek_update;
/* What an optimizer is: all that tells one from another. */
typedef struct ek_optimizer_kind {
    const char *name;                 /* its default */
    const char *type;                 /* of its operations: Apply<type>, ResourceSparseApply<type> */
    const char *hyper[EK_MAX_HYPERS]; /* names, in the order in which they become nodes; NULL ends */
    struct {
        const char *name; /* NULL ends */
        ek_slot_start start;
    } slot[EK_MAX_SLOTS]; /* in the order of their making */
    /* The operation's inputs behind the variable: '0'.. a slot, 'a'.. a hyper-parameter, 'P' and 'Q' the powers of beta,
     * 'g' the gradient (and its indices). */
    const char *inputs;
    bool nesterov; /* the operation has use_nesterov */
    bool powers;
    /* Rows in another way than by SparseApply<type> on unique rows; NULL: in that way. */
    ek_op (*rows)(const struct ek_update *u);
} ek_optimizer_kind;

typedef struct ek_slot_entry {
    struct ek_slot_entry *next;
    int32_t of; /* variable */
    int slot;
    ek_variable variable;
} ek_slot_entry;

struct ek_optimizer {
    ek_graph *graph;
    const ek_optimizer_kind *kind;
    const char *name;
    const char *slot_name[EK_MAX_SLOTS]; /* what its variables' names end in */
    ek_operand hyper[EK_MAX_HYPERS];     /* as given */
    ek_tensor hyper_now[EK_MAX_HYPERS];  /* as nodes, of the apply_gradients that goes on */
    double start;                        /* of EK_SLOT_NUMBER and EK_SLOT_CONST */
    bool use_locking, use_nesterov;
    ek_slot_entry *slots;                /* the youngest first */
    ek_variable power[2];
};

/* One variable and its gradient. */
typedef struct ek_update {
    ek_optimizer *o;
    ek_variable variable;
    const ek_variable_info *info;
    ek_dtype dtype; /* what hyper-parameters are converted to */
    ek_gradient gradient;
    ek_where where;
} ek_update;

/* ---- slots.c ------------------------------------------------------------------------------------ */

/* A variable named "<primary>/<name>", placed with it if `colocate`. The initializer is borrowed; of a value it takes the
 * shape, else it has the given one. */
typedef struct ek_slot_args {
    ek_op primary;
    bool colocate;
    const char *name;
    const ek_initializer *initializer;
    ek_shape shape;
    ek_dtype dtype;
    ek_tristate resource;
    ek_where where;
} ek_slot_args;
ek_variable ek__slot_create(ek_graph *g, const ek_slot_args *a);
/* The same beside a variable: of its shape and dtype, and of its sort. */
ek_variable ek__slot_of(ek_variable v, const ek_initializer *init, const char *name, ek_where where);
/* The same with zeros like `v`, whose shape may be known only when it runs. */
ek_variable ek__slot_zeros(ek_variable v, const char *name, ek_where where);
/* Those that are missing for `v`. */
void ek__slots_make(ek_optimizer *o, ek_variable v, ek_where where);
ek_variable ek__slot_at(const ek_optimizer *o, ek_variable v, int slot);

/* ---- apply.c ------------------------------------------------------------------------------------- */

/* ["<tf.Variable ...>", ...]: a list of strings as Python prints it, as far as it fits. */
void ek__print_variables(ek_list list, char *text, size_t room);

static inline const char *ek__name_or(const char *name, const char *usual) { return name != NULL ? name : usual; }
/* Whether a number, or a tensor that is a constant, is finite in float32; otherwise the graph fails and names it. */
bool ek__finite_operand(ek_graph *g, const char *name, const ek_operand *x, ek_where where);

/* ---- update.c ------------------------------------------------------------------------------------ */

/* The operation that updates the variable; inside its scope and placed with it. Dead after a failure. */
ek_op ek__update_build(const ek_update *u);
/* Hyper-parameter i, power k as the variable's dtype. */
ek_operand ek__update_hyper(const ek_update *u, int i);
ek_operand ek__update_power(const ek_update *u, int k);
ek_op ek__rows_descent(const ek_update *u);
ek_op ek__rows_adam(const ek_update *u);
/* Sums of rows with the same index. */
void ek__rows_unique(ek_gradient *rows, ek_where where);

/* ---- write.c --------------------------------------------------------------------------------------- */

static inline ek_tensor ek__backing(ek_variable v) { return (ek_tensor){ v.graph, ek_variable_op(v).id, 0 }; }

/* An assignment: the operation that writes, and the variable after it. */
typedef struct ek_write {
    ek_op op;
    ek_tensor value;
} ek_write;
typedef ek_tensor (*ek_assign_fn)(const ek_assign_options *o, ek_where where);
/* fn is ek_assign_with and kin; name NULL: the type. */
ek_write ek__write(ek_assign_fn fn, ek_variable v, ek_operand value, ek_tristate use_locking, const char *name,
                   ek_where where);
/* x[indices] += rows. */
ek_write ek__scatter_add(ek_variable v, ek_tensor indices, ek_tensor rows, bool use_locking, ek_where where);

#endif
