/* evenkeel/train.h - optimizers, the global step, learning rates that change, clipping, averages of weights.
 *
 * Everything builds TensorFlow 1.15's graph: the same nodes, variables, names and collections. A training step is an
 * operation; running it is one step:
 *
 *     ek_optimizer *adam = ek_adam_optimizer(g, 0.001);
 *     ek_tensor train = ek_train_op(loss, adam);
 *     EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
 *     for (int i = 0; i < 1000; i++) EK_DIE(ek_run(s, .feed = { ... }, .fetch = { { train, &loss_now } }));
 *
 * Optimizers make variables, so the initializer is built after the training step. docs/training.md tells the whole way.
 */
#ifndef EVENKEEL_TRAIN_H
#define EVENKEEL_TRAIN_H

#include "evenkeel/control.h"
#include "evenkeel/gradients.h"
#include "evenkeel/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- optimizers -------------------------------------------------------------------------------- */

/* How variables follow their gradients. Owned by its graph; NULL after a failure, which is recorded, and accepted by every
 * call below.
 *
 * Hyper-parameters are numbers, tensors or variables (EK_OPERAND), scalars. A number becomes a Const each time gradients
 * are applied, float32 whatever the variables' type: variables of another type get Casts, as in TensorFlow.
 * Errors  INVALID_ARGUMENT: a number or constant tensor that is not finite; an operand of another graph, or that is no
 *         scalar; an empty name. */
typedef struct ek_optimizer ek_optimizer;

#define EK_NUMBER_OPERAND_(v) { 'l', { .literal = { EK_DTYPE_NONE, 'f', { .f = (v) } } } }

typedef struct ek_gradient_descent_options {
    size_t size;
    ek_operand learning_rate; /* required */
    bool use_locking;         /* kept in the nodes; updates here never interleave */
    const char *name;         /* NULL: "GradientDescent" */
} ek_gradient_descent_options;
/* var -= learning_rate * g:  ek_gradient_descent_optimizer(g, 0.5), ek_gradient_descent_optimizer(g, rate, .name = "sgd") */
#define ek_gradient_descent_optimizer(g, ...) \
    EK_GRADIENT_DESCENT_(g, __VA_ARGS__, .size = sizeof(ek_gradient_descent_options))
#define EK_GRADIENT_DESCENT_(g, rate, ...)                                                                      \
    EK_CALL(ek_optimizer *, ek_gradient_descent_optimizer_with, ((g),), ek_gradient_descent_options,            \
            .use_locking = false, .name = NULL, .learning_rate = EK_OPERAND(rate), __VA_ARGS__)
EK_API ek_optimizer *ek_gradient_descent_optimizer_with(ek_graph *g, const ek_gradient_descent_options *o,
                                                        ek_where where);

typedef struct ek_momentum_options {
    size_t size;
    ek_operand learning_rate, momentum; /* required */
    bool use_nesterov;                  /* var -= g*learning_rate + acc*momentum*learning_rate instead */
    bool use_locking;
    const char *name;                   /* NULL: "Momentum" */
} ek_momentum_options;
/* acc = acc*momentum + g; var -= acc*learning_rate:  ek_momentum_optimizer(g, 0.1, 0.9, .use_nesterov = true).
 * Slot "momentum". */
#define ek_momentum_optimizer(g, rate, ...) EK_MOMENTUM_(g, rate, __VA_ARGS__, .size = sizeof(ek_momentum_options))
#define EK_MOMENTUM_(g, rate, momentum_, ...)                                                                   \
    EK_CALL(ek_optimizer *, ek_momentum_optimizer_with, ((g),), ek_momentum_options, .use_nesterov = false,     \
            .use_locking = false, .name = NULL, .learning_rate = EK_OPERAND(rate),                              \
            .momentum = EK_OPERAND(momentum_), __VA_ARGS__)
EK_API ek_optimizer *ek_momentum_optimizer_with(ek_graph *g, const ek_momentum_options *o, ek_where where);

typedef struct ek_adam_options {
    size_t size;
    ek_operand learning_rate;         /* required; TensorFlow's default is 0.001 */
    ek_operand beta1, beta2, epsilon; /* 0.9, 0.999, 1e-8 */
    bool use_locking;
    const char *name;                 /* NULL: "Adam" */
} ek_adam_options;
/* a = learning_rate*sqrt(1 - beta2^t)/(1 - beta1^t); m += (g - m)*(1 - beta1); v += (g*g - v)*(1 - beta2);
 * var -= m*a/(sqrt(v) + epsilon):  ek_adam_optimizer(g, 0.001, .epsilon = EK_OPERAND(0.1)).
 * Slots "m", "v"; the powers of beta are two variables for all. Rows without a gradient move too, as in TensorFlow. */
#define ek_adam_optimizer(g, ...) EK_ADAM_(g, __VA_ARGS__, .size = sizeof(ek_adam_options))
#define EK_ADAM_DEFAULTS \
    .beta1 = EK_NUMBER_OPERAND_(0.9), .beta2 = EK_NUMBER_OPERAND_(0.999), .epsilon = EK_NUMBER_OPERAND_(1e-8), \
    .use_locking = false, .name = NULL
#define EK_ADAM_(g, rate, ...)                                                                                  \
    EK_CALL(ek_optimizer *, ek_adam_optimizer_with, ((g),), ek_adam_options, EK_ADAM_DEFAULTS, \
            .learning_rate = EK_OPERAND(rate), __VA_ARGS__)
EK_API ek_optimizer *ek_adam_optimizer_with(ek_graph *g, const ek_adam_options *o, ek_where where);

typedef struct ek_rms_prop_options {
    size_t size;
    ek_operand learning_rate;            /* required */
    ek_operand decay, momentum, epsilon; /* 0.9, 0, 1e-10 */
    bool centered;                       /* divides by the deviation of the gradient, not by its root mean square */
    bool use_locking;
    const char *name;                    /* NULL: "RMSProp" */
} ek_rms_prop_options;
/* ms += (g*g - ms)*(1 - decay); mom = mom*momentum + g*learning_rate/sqrt(ms + epsilon); var -= mom. Centered: mg += (g -
 * mg)*(1 - decay), and ms - mg*mg under the root. Slots "rms" (begins with ones), "momentum", centered "mg". */
#define ek_rms_prop_optimizer(g, ...) EK_RMS_PROP_(g, __VA_ARGS__, .size = sizeof(ek_rms_prop_options))
#define EK_RMS_PROP_DEFAULTS \
    .decay = EK_NUMBER_OPERAND_(0.9), .momentum = EK_NUMBER_OPERAND_(0.0), .epsilon = EK_NUMBER_OPERAND_(1e-10), \
    .centered = false, .use_locking = false, .name = NULL
#define EK_RMS_PROP_(g, rate, ...)                                                                              \
    EK_CALL(ek_optimizer *, ek_rms_prop_optimizer_with, ((g),), ek_rms_prop_options,                            \
            EK_RMS_PROP_DEFAULTS, .learning_rate = EK_OPERAND(rate), __VA_ARGS__)
EK_API ek_optimizer *ek_rms_prop_optimizer_with(ek_graph *g, const ek_rms_prop_options *o, ek_where where);

typedef struct ek_adagrad_options {
    size_t size;
    ek_operand learning_rate; /* required */
    double initial_accumulator_value; /* 0.1; above 0 */
    bool use_locking;
    const char *name; /* NULL: "Adagrad" */
} ek_adagrad_options;
/* acc += g*g; var -= g*learning_rate/sqrt(acc). Slot "accumulator". */
#define ek_adagrad_optimizer(g, ...) EK_ADAGRAD_(g, __VA_ARGS__, .size = sizeof(ek_adagrad_options))
#define EK_ADAGRAD_DEFAULTS \
    .initial_accumulator_value = 0.1, .use_locking = false, .name = NULL
#define EK_ADAGRAD_(g, rate, ...)                                                                               \
    EK_CALL(ek_optimizer *, ek_adagrad_optimizer_with, ((g),), ek_adagrad_options,                              \
            EK_ADAGRAD_DEFAULTS, .learning_rate = EK_OPERAND(rate), __VA_ARGS__)
EK_API ek_optimizer *ek_adagrad_optimizer_with(ek_graph *g, const ek_adagrad_options *o, ek_where where);

typedef struct ek_adadelta_options {
    size_t size;
    ek_operand learning_rate; /* required; TensorFlow's default is 0.001, the paper's 1.0 */
    ek_operand rho, epsilon;  /* 0.95, 1e-8 */
    bool use_locking;
    const char *name;         /* NULL: "Adadelta" */
} ek_adadelta_options;
/* acc = acc*rho + g*g*(1 - rho); u = sqrt(acc_update + epsilon)/sqrt(acc + epsilon)*g; var -= u*learning_rate;
 * acc_update = acc_update*rho + u*u*(1 - rho). Slots "accum", "accum_update". */
#define ek_adadelta_optimizer(g, ...) EK_ADADELTA_(g, __VA_ARGS__, .size = sizeof(ek_adadelta_options))
#define EK_ADADELTA_DEFAULTS \
    .rho = EK_NUMBER_OPERAND_(0.95), .epsilon = EK_NUMBER_OPERAND_(1e-8), .use_locking = false, .name = NULL
#define EK_ADADELTA_(g, rate, ...)                                                                              \
    EK_CALL(ek_optimizer *, ek_adadelta_optimizer_with, ((g),), ek_adadelta_options,                            \
            EK_ADADELTA_DEFAULTS, .learning_rate = EK_OPERAND(rate), __VA_ARGS__)
EK_API ek_optimizer *ek_adadelta_optimizer_with(ek_graph *g, const ek_adadelta_options *o, ek_where where);

typedef struct ek_ftrl_options {
    size_t size;
    ek_operand learning_rate;         /* required */
    double learning_rate_power;       /* -0.5; 0 or below: 0 keeps the rate fixed */
    double initial_accumulator_value; /* 0.1; 0 or above */
    double l1_regularization_strength, l2_regularization_strength; /* 0; 0 or above */
    double l2_shrinkage_regularization_strength; /* 0; above: the gradient is g + 2*shrinkage*var (ApplyFtrlV2) */
    const char *accum_name, *linear_name; /* names of the slots' variables; NULL: the optimizer's */
    bool use_locking;
    const char *name; /* NULL: "Ftrl" */
} ek_ftrl_options;
/* na = acc + g*g; lin += g - (na^p - acc^p)/learning_rate*var, p = -learning_rate_power; acc = na;
 * var = |lin| > l1 ? (l1*sign(lin) - lin)/(na^p/learning_rate + 2*l2) : 0. Slots "accum", "linear". */
#define ek_ftrl_optimizer(g, ...) EK_FTRL_(g, __VA_ARGS__, .size = sizeof(ek_ftrl_options))
#define EK_FTRL_DEFAULTS \
    .learning_rate_power = -0.5, .initial_accumulator_value = 0.1, .l1_regularization_strength = 0.0, \
    .l2_regularization_strength = 0.0, .l2_shrinkage_regularization_strength = 0.0, .accum_name = NULL, \
    .linear_name = NULL, .use_locking = false, .name = NULL
#define EK_FTRL_(g, rate, ...)                                                                                  \
    EK_CALL(ek_optimizer *, ek_ftrl_optimizer_with, ((g),), ek_ftrl_options, EK_FTRL_DEFAULTS, \
            .learning_rate = EK_OPERAND(rate), __VA_ARGS__)
EK_API ek_optimizer *ek_ftrl_optimizer_with(ek_graph *g, const ek_ftrl_options *o, ek_where where);

/* ---- what an optimizer keeps -------------------------------------------------------------------- */

EK_API const char *ek_optimizer_name(const ek_optimizer *o); /* "" for NULL */
/* The variable that it keeps beside `v` under a slot's name ("momentum", "m"); dead, nothing recorded, where there is none.
 * There is one from the first ek_apply_gradients that had a gradient of `v`. */
EK_API ek_variable ek_get_slot(const ek_optimizer *o, ek_variable v, const char *name);
/* Names of the slots that it has made, in alphabetical order; borrowed from the graph. */
EK_API ek_keys ek_get_slot_names(const ek_optimizer *o);
/* Its variables: slots, and what it keeps for all (Adam's powers), by name. */
EK_API ek_list ek_optimizer_variables(const ek_optimizer *o);

/* ---- gradients, and applying them ----------------------------------------------------------------- */

/* Gradients beside what they are of: gradients.at[i] belongs to variables.item[i]. To change gradients on the way,
 * replace the list:
 *     ek_grads_and_vars gv = ek_compute_gradients(optimizer, loss);
 *     gv.gradients = ek_clip_by_global_norm(gv.gradients, 1.0).gradients;
 *     ek_op train = ek_apply_gradients(optimizer, gv); */
typedef struct ek_grads_and_vars {
    ek_gradient_list gradients;
    ek_list variables;
} ek_grads_and_vars;

/* What has to be there before a gradient may be used: nothing; the other gradients of its operation; all gradients. */
typedef enum ek_gate { EK_GATE_NONE = 0, EK_GATE_OP = 1, EK_GATE_GRAPH = 2 } ek_gate;

typedef struct ek_compute_gradients_options {
    size_t size;
    ek_tensor loss;        /* required; what is minimized is its sum */
    ek_list var_list;      /* empty: EK_TRAINABLE_VARIABLES, then EK_TRAINABLE_RESOURCE_VARIABLES */
    ek_gate gate_gradients;
    bool colocate_gradients_with_ops;
    ek_tensor grad_loss;   /* in place of ones */
} ek_compute_gradients_options;
/* optimizer.compute_gradients(loss). None where the loss does not depend on a variable.
 * Errors (recorded, an empty list is returned)  "No variables to optimize."; "Invalid type tf.int32 for loss:0, expected:
 * [...]" for a loss or variable that is not floating; those of ek_gradients. */
#define ek_compute_gradients(optimizer, ...)                                                                    \
    EK_CALL(ek_grads_and_vars, ek_compute_gradients_with, ((optimizer),), ek_compute_gradients_options,         \
            EK_MINIMIZE_DEFAULTS, .loss = __VA_ARGS__)
EK_API ek_grads_and_vars ek_compute_gradients_with(ek_optimizer *optimizer, const ek_compute_gradients_options *o,
                                                   ek_where where);
#define EK_MINIMIZE_DEFAULTS /* of ek_compute_gradients and ek_minimize, whose global step is dead besides */ \
    .var_list = { NULL, NULL, 0 }, .gate_gradients = EK_GATE_OP, \
    .colocate_gradients_with_ops = false, .grad_loss = { NULL, -1, 0 }

typedef struct ek_apply_gradients_options {
    size_t size;
    ek_grads_and_vars grads_and_vars; /* required */
    ek_variable global_step;          /* counts up by one after the updates */
    const char *name;                 /* NULL: the optimizer's */
} ek_apply_gradients_options;
/* optimizer.apply_gradients: an operation that updates every variable that has a gradient. Slots are made the first time,
 * in the order of the variables. Rows (tf.IndexedSlices) update their rows only, a row that comes twice by the sum.
 * A variable's constraint is applied after its update. The operation goes to the collection EK_TRAIN_OP.
 * Errors  INVALID_ARGUMENT: "No variables provided."; "No gradients provided for any variable: [...]."; a gradient of another
 *         dtype or shape than its variable. FAILED_PRECONDITION: "Cannot use a constraint function on a sparse variable."
 *         UNIMPLEMENTED: "Trying to update a Tensor". */
#define ek_apply_gradients(optimizer, ...)                                                                      \
    EK_CALL(ek_op, ek_apply_gradients_with, ((optimizer),), ek_apply_gradients_options,                         \
            .global_step = { NULL, -1 }, .name = NULL, .grads_and_vars = __VA_ARGS__)
EK_API ek_op ek_apply_gradients_with(ek_optimizer *optimizer, const ek_apply_gradients_options *o, ek_where where);

typedef struct ek_minimize_options {
    size_t size;
    ek_tensor loss; /* required */
    ek_variable global_step;
    ek_list var_list;
    ek_gate gate_gradients;
    bool colocate_gradients_with_ops;
    ek_tensor grad_loss;
    const char *name;
} ek_minimize_options;
/* optimizer.minimize(loss): both of the above. **It does not run update ops**: a network with batch norms needs
 *     ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS)) train = ek_minimize(optimizer, loss);
 * or ek_train_op, which does that.
 * Errors  also "No gradients provided for any variable, check your graph for ops that do not support gradients, ..." */
#define ek_minimize(optimizer, ...)                                                                             \
    EK_CALL(ek_op, ek_minimize_with, ((optimizer),), ek_minimize_options, EK_MINIMIZE_DEFAULTS,                \
            .global_step = { NULL, -1 }, .name = NULL, .loss = __VA_ARGS__)
EK_API ek_op ek_minimize_with(ek_optimizer *optimizer, const ek_minimize_options *o, ek_where where);

typedef struct ek_train_op_options {
    size_t size;
    ek_optimizer *optimizer; /* required */
    ek_variable global_step; /* not given: get_or_create_global_step() */
    bool no_global_step;     /* counts nothing (Python's global_step=None) */
    ek_list update_ops;      /* .all_update_ops = false: these instead; may be empty */
    bool all_update_ops;     /* the whole collection EK_UPDATE_OPS, which is the default */
    ek_list variables_to_train;
    ek_gate gate_gradients;
    bool colocate_gradients_with_ops;
    bool check_numerics;     /* a loss that is not finite is an error; on by default */
    ek_gradient_list (*transform)(ek_gradient_list gradients, ek_list variables, void *arg); /* clips, say; NULL: none */
    void *arg;
} ek_train_op_options;
/* tf.contrib.training.create_train_op: the loss, whose computation updates the moving averages of batch norms first and
 * the variables after. Fetch it, or run ek_tensor_op of it; either is one step.
 *     ek_tensor train = ek_train_op(loss, ek_adam_optimizer(g, 0.001));
 * Errors  those of ek_minimize; running it: INVALID_ARGUMENT "LossTensor is inf or nan : Tensor had NaN values" (the update
 *         has happened then, as in TensorFlow). */
#define EK_TRAIN_OP_DEFAULTS \
    .global_step = { NULL, -1 }, .no_global_step = false, .update_ops = { NULL, NULL, 0 }, \
    .all_update_ops = true, .variables_to_train = { NULL, NULL, 0 }, .gate_gradients = EK_GATE_OP, \
    .colocate_gradients_with_ops = false, .check_numerics = true, .transform = NULL, .arg = NULL
#define ek_train_op(loss, ...)                                                                                  \
    EK_CALL(ek_tensor, ek_train_op_with, ((loss),), ek_train_op_options, EK_TRAIN_OP_DEFAULTS, \
            .optimizer = __VA_ARGS__)
EK_API ek_tensor ek_train_op_with(ek_tensor loss, const ek_train_op_options *o, ek_where where);

/* ---- the global step ------------------------------------------------------------------------------------ */

/* tf.train.get_or_create_global_step(): the variable `global_step`, int64, 0 at first, not trainable, in EK_GLOBAL_STEP. */
#define ek_get_or_create_global_step(g) ek_get_or_create_global_step_at((g), EK_HERE)
EK_API ek_variable ek_get_or_create_global_step_at(ek_graph *g, ek_where where);
/* Errors  "\"global_step\" already exists." */
#define ek_create_global_step(g) ek_create_global_step_at((g), EK_HERE)
EK_API ek_variable ek_create_global_step_at(ek_graph *g, ek_where where);
/* The one variable in EK_GLOBAL_STEP, else the variable named global_step; dead where there is none, or several.
 * Errors  it is there, but no integer scalar. */
#define ek_get_global_step(g) ek_get_global_step_at((g), EK_HERE)
EK_API ek_variable ek_get_global_step_at(ek_graph *g, ek_where where);

/* ---- learning rates that change ------------------------------------------------------------------------------ */

/* A learning rate computed from the global step. Both are operands: numbers, tensors, variables. Give the result to an
 * optimizer. What needs a number of steps takes it in the rate's dtype; the step as often as it is read.
 *     rate = ek_exponential_decay(0.1, step, 1000, 0.96, .staircase = true); */
typedef struct ek_decay_options {
    size_t size;
    ek_operand decay_steps, decay_rate; /* required */
    bool staircase;                     /* step / decay_steps is rounded down */
    const char *name;                   /* NULL: "ExponentialDecay", "InverseTimeDecay" */
} ek_decay_options;
#define EK_DECAY_(fn, rate, step, steps, rate_, ...)                                                            \
    EK_CALL(ek_tensor, fn, (EK_OPERAND(rate), EK_OPERAND(step),), ek_decay_options, .staircase = false,         \
            .name = NULL, .decay_steps = EK_OPERAND(steps), .decay_rate = EK_OPERAND(rate_), __VA_ARGS__)
#define EK_DECAY_SIZE_ .size = sizeof(ek_decay_options)
/* rate * decay_rate^(step/decay_steps) */
#define ek_exponential_decay(rate, step, decay_steps, ...) \
    EK_DECAY_(ek_exponential_decay_with, rate, step, decay_steps, __VA_ARGS__, EK_DECAY_SIZE_)
/* rate * exp(-decay_rate * step/decay_steps) */
#define ek_natural_exp_decay(rate, step, decay_steps, ...) \
    EK_DECAY_(ek_natural_exp_decay_with, rate, step, decay_steps, __VA_ARGS__, EK_DECAY_SIZE_)
/* rate / (1 + decay_rate * step/decay_steps) */
#define ek_inverse_time_decay(rate, step, decay_steps, ...) \
    EK_DECAY_(ek_inverse_time_decay_with, rate, step, decay_steps, __VA_ARGS__, EK_DECAY_SIZE_)
EK_API ek_tensor ek_exponential_decay_with(ek_operand rate, ek_operand step, const ek_decay_options *o, ek_where where);
EK_API ek_tensor ek_natural_exp_decay_with(ek_operand rate, ek_operand step, const ek_decay_options *o, ek_where where);
EK_API ek_tensor ek_inverse_time_decay_with(ek_operand rate, ek_operand step, const ek_decay_options *o,
                                            ek_where where);

typedef struct ek_polynomial_decay_options {
    size_t size;
    ek_operand decay_steps;              /* required */
    ek_operand end_learning_rate, power; /* 0.0001, 1 */
    bool cycle;                          /* begins again, over as many decay_steps as the step has reached */
    const char *name;                    /* NULL: "PolynomialDecay" */
} ek_polynomial_decay_options;
/* (rate - end) * (1 - min(step, decay_steps)/decay_steps)^power + end */
#define ek_polynomial_decay(rate, step, ...) \
    EK_POLYNOMIAL_DECAY_(rate, step, __VA_ARGS__, .size = sizeof(ek_polynomial_decay_options))
#define EK_POLYNOMIAL_DECAY_DEFAULTS \
    .end_learning_rate = EK_NUMBER_OPERAND_(0.0001), .power = EK_NUMBER_OPERAND_(1.0), .cycle = false, \
    .name = NULL
#define EK_POLYNOMIAL_DECAY_(rate, step, steps, ...)                                                            \
    EK_CALL(ek_tensor, ek_polynomial_decay_with, (EK_OPERAND(rate), EK_OPERAND(step),),                         \
            ek_polynomial_decay_options, EK_POLYNOMIAL_DECAY_DEFAULTS, .decay_steps = EK_OPERAND(steps),   \
            __VA_ARGS__)
EK_API ek_tensor ek_polynomial_decay_with(ek_operand rate, ek_operand step, const ek_polynomial_decay_options *o,
                                          ek_where where);

typedef struct ek_cosine_decay_options {
    size_t size;
    ek_operand decay_steps; /* required */
    double alpha;           /* the least, as a fraction of the rate: 0 */
    const char *name;       /* NULL: "CosineDecay" */
} ek_cosine_decay_options;
/* rate * ((1 - alpha) * (1 + cos(pi * min(step, decay_steps)/decay_steps))/2 + alpha) */
#define ek_cosine_decay(rate, step, ...) \
    EK_COSINE_DECAY_(rate, step, __VA_ARGS__, .size = sizeof(ek_cosine_decay_options))
#define EK_COSINE_DECAY_(rate, step, steps, ...)                                                                \
    EK_CALL(ek_tensor, ek_cosine_decay_with, (EK_OPERAND(rate), EK_OPERAND(step),), ek_cosine_decay_options,    \
            .alpha = 0.0, .name = NULL, .decay_steps = EK_OPERAND(steps), __VA_ARGS__)
EK_API ek_tensor ek_cosine_decay_with(ek_operand rate, ek_operand step, const ek_cosine_decay_options *o,
                                      ek_where where);

typedef struct ek_cosine_decay_restarts_options {
    size_t size;
    ek_operand first_decay_steps; /* required */
    double t_mul, m_mul;          /* each round t_mul times as long (2), and m_mul times as high (1) as the last */
    double alpha;                 /* 0 */
    const char *name;             /* NULL: "SGDRDecay" */
} ek_cosine_decay_restarts_options;
/* Cosine decay that begins again after first_decay_steps, and so on. */
#define ek_cosine_decay_restarts(rate, step, ...) \
    EK_RESTARTS_(rate, step, __VA_ARGS__, .size = sizeof(ek_cosine_decay_restarts_options))
#define EK_COSINE_DECAY_RESTARTS_DEFAULTS \
    .t_mul = 2.0, .m_mul = 1.0, .alpha = 0.0, .name = NULL
#define EK_RESTARTS_(rate, step, steps, ...)                                                                    \
    EK_CALL(ek_tensor, ek_cosine_decay_restarts_with, (EK_OPERAND(rate), EK_OPERAND(step),),                    \
            ek_cosine_decay_restarts_options, EK_COSINE_DECAY_RESTARTS_DEFAULTS, \
            .first_decay_steps = EK_OPERAND(steps), __VA_ARGS__)
EK_API ek_tensor ek_cosine_decay_restarts_with(ek_operand rate, ek_operand step,
                                               const ek_cosine_decay_restarts_options *o, ek_where where);

typedef struct ek_piecewise_constant_options {
    size_t size;
    ek_int_list boundaries; /* ascending; up to 63 */
    ek_number_list values;  /* one more */
    const char *name;       /* NULL: "PiecewiseConstant" */
} ek_piecewise_constant_options;
/* The first value while step <= the first boundary, then the second, ...:
 *     rate = ek_piecewise_constant(step, EK_INTS(1000, 2000), EK_NUMBERS(0.1, 0.01, 0.001)); */
#define ek_piecewise_constant(step, boundaries_, ...)                                                           \
    EK_CALL(ek_tensor, ek_piecewise_constant_with, (EK_OPERAND(step),), ek_piecewise_constant_options,          \
            .name = NULL, .boundaries = (boundaries_), .values = __VA_ARGS__)
EK_API ek_tensor ek_piecewise_constant_with(ek_operand step, const ek_piecewise_constant_options *o, ek_where where);

/* ---- clipping ----------------------------------------------------------------------------------------------- */

/* tf.clip_by_value is ek_clip_by_value (ops.h). */

typedef struct ek_clip_by_norm_options {
    size_t size;
    ek_operand clip_norm; /* required: above 0 */
    ek_axes axes;         /* the norm is taken over these; none: over all */
    const char *name;     /* NULL: "clip_by_norm" */
} ek_clip_by_norm_options;
/* tf.clip_by_norm: t * clip_norm / max(norm of t, clip_norm) */
#define ek_clip_by_norm(t, ...) EK_CLIP_BY_NORM_(t, __VA_ARGS__, .size = sizeof(ek_clip_by_norm_options))
#define EK_CLIP_BY_NORM_(t, norm, ...)                                                                          \
    EK_CALL(ek_tensor, ek_clip_by_norm_with, ((t),), ek_clip_by_norm_options, .axes = { -1, { 0 } },            \
            .name = NULL, .clip_norm = EK_OPERAND(norm), __VA_ARGS__)
EK_API ek_tensor ek_clip_by_norm_with(ek_tensor t, const ek_clip_by_norm_options *o, ek_where where);

typedef struct ek_clip_by_average_norm_options {
    size_t size;
    ek_operand clip_norm; /* required */
    const char *name;     /* NULL: "clip_by_average_norm" */
} ek_clip_by_average_norm_options;
/* tf.clip_by_average_norm, of float32: t * clip_norm * min(n / norm of t, 1/clip_norm), as TensorFlow computes it. */
#define ek_clip_by_average_norm(t, ...) \
    EK_CLIP_BY_AVERAGE_NORM_(t, __VA_ARGS__, .size = sizeof(ek_clip_by_average_norm_options))
#define EK_CLIP_BY_AVERAGE_NORM_(t, norm, ...)                                                                  \
    EK_CALL(ek_tensor, ek_clip_by_average_norm_with, ((t),), ek_clip_by_average_norm_options, .name = NULL,     \
            .clip_norm = EK_OPERAND(norm), __VA_ARGS__)
EK_API ek_tensor ek_clip_by_average_norm_with(ek_tensor t, const ek_clip_by_average_norm_options *o, ek_where where);

/* The same for each gradient of a list. None stays None; of rows the values are clipped. */
#define ek_clip_gradients_by_value(list, least, most) \
    ek_clip_gradients_by_value_at((list), EK_OPERAND(least), EK_OPERAND(most), EK_HERE)
EK_API ek_gradient_list ek_clip_gradients_by_value_at(ek_gradient_list list, ek_operand least, ek_operand most,
                                                      ek_where where);
#define ek_clip_gradients_by_norm(list, clip_norm) \
    ek_clip_gradients_by_norm_at((list), EK_OPERAND(clip_norm), EK_HERE)
EK_API ek_gradient_list ek_clip_gradients_by_norm_at(ek_gradient_list list, ek_operand clip_norm, ek_where where);

/* tf.global_norm: the norm of all gradients as one vector; None counts for nothing. name NULL: "global_norm". */
#define ek_global_norm(list) ek_global_norm_at((list), NULL, EK_HERE)
EK_API ek_tensor ek_global_norm_at(ek_gradient_list list, const char *name, ek_where where);

typedef struct ek_clipped_gradients {
    ek_gradient_list gradients;
    ek_tensor norm; /* before clipping */
} ek_clipped_gradients;
typedef struct ek_clip_by_global_norm_options {
    size_t size;
    ek_operand clip_norm; /* required */
    ek_tensor use_norm;   /* in place of ek_global_norm(list) */
    const char *name;     /* NULL: "clip_by_global_norm" */
} ek_clip_by_global_norm_options;
/* tf.clip_by_global_norm: every gradient * clip_norm / max(norm, clip_norm), so that their directions stay. A norm that is
 * not finite makes all of them NaN. */
#define ek_clip_by_global_norm(list, ...) \
    EK_CLIP_BY_GLOBAL_NORM_(list, __VA_ARGS__, .size = sizeof(ek_clip_by_global_norm_options))
#define EK_CLIP_BY_GLOBAL_NORM_(list, norm_, ...)                                                               \
    EK_CALL(ek_clipped_gradients, ek_clip_by_global_norm_with, ((list),), ek_clip_by_global_norm_options,       \
            .use_norm = { NULL, -1, 0 }, .name = NULL, .clip_norm = EK_OPERAND(norm_), __VA_ARGS__)
EK_API ek_clipped_gradients ek_clip_by_global_norm_with(ek_gradient_list list, const ek_clip_by_global_norm_options *o,
                                                        ek_where where);

/* ---- gradients of several runs -------------------------------------------------------------------------------- */

/* Gradients of parts of a batch, added up in variables of their own ("<variable>/accumulation") until they are applied. */
typedef struct ek_accumulation {
    ek_op add;              /* run it for each part; runs EK_UPDATE_OPS too, as they are when this is built */
    ek_op reset;            /* forgets what was added */
    ek_grads_and_vars mean; /* what was added / number of parts: dense, also where rows were added */
    ek_list kept;           /* the sums, and last the number of parts: variables, 0 at first */
} ek_accumulation;
typedef struct ek_accumulate_gradients_options {
    size_t size;
    ek_grads_and_vars grads_and_vars; /* required */
    const char *name;                 /* NULL: "accumulation" */
} ek_accumulate_gradients_options;
/*     ek_accumulation parts = ek_accumulate_gradients(ek_compute_gradients(optimizer, loss));
 *     ek_op step = ek_apply_accumulated(optimizer, parts);
 *     for (int i = 0; i < 4; i++) EK_DIE(ek_run(s, .feed = { { x, part[i] } }, .target = { parts.add }));
 *     EK_DIE(ek_run(s, .target = { step }));
 * A step without a part is INVALID_ARGUMENT when it runs, and changes nothing. Batch norms see each part by itself, and their averages move with each.
 * Errors  "there is no gradient to accumulate: all 2 are None"; a gradient of what is no variable of its graph. */
#define ek_accumulate_gradients(...) \
    EK_CALL(ek_accumulation, ek_accumulate_gradients_with, (), ek_accumulate_gradients_options, .name = NULL, \
            .grads_and_vars = __VA_ARGS__)
EK_API ek_accumulation ek_accumulate_gradients_with(const ek_accumulate_gradients_options *o, ek_where where);

typedef struct ek_apply_accumulated_options {
    size_t size;
    ek_accumulation accumulation; /* required */
    ek_variable global_step;
    const char *name;
} ek_apply_accumulated_options;
/* Applies the mean (ek_apply_gradients), then forgets it: one operation for both. */
#define ek_apply_accumulated(optimizer, ...) \
    EK_CALL(ek_op, ek_apply_accumulated_with, ((optimizer),), ek_apply_accumulated_options, \
            .global_step = { NULL, -1 }, .name = NULL, .accumulation = __VA_ARGS__)
EK_API ek_op ek_apply_accumulated_with(ek_optimizer *optimizer, const ek_apply_accumulated_options *o, ek_where where);

/* ---- averages of weights --------------------------------------------------------------------------------- */

/* tf.train.ExponentialMovingAverage: a shadow of each variable that follows it slowly, for evaluation. Owned by the graph;
 * NULL after a failure. */
typedef struct ek_moving_average ek_moving_average;
typedef struct ek_moving_average_options {
    size_t size;
    ek_operand decay;       /* required: weight of the old average, 0.99 or 0.9999 */
    ek_operand num_updates; /* EK_OPERAND(global_step): min(decay, (1 + n)/(10 + n)), fast at first. Of kind 0: none */
    bool zero_debias;       /* averages of tensors, which begin with 0, are divided by 1 - decay^steps */
    const char *name;       /* NULL: "ExponentialMovingAverage" */
} ek_moving_average_options;
/* ek_exponential_moving_average(g, 0.999), ek_exponential_moving_average(g, 0.999, .num_updates = EK_OPERAND(step)) */
#define ek_exponential_moving_average(g, ...) \
    EK_MOVING_AVERAGE_(g, __VA_ARGS__, .size = sizeof(ek_moving_average_options))
#define EK_MOVING_AVERAGE_(g, decay_, ...)                                                                      \
    EK_CALL(ek_moving_average *, ek_exponential_moving_average_with, ((g),), ek_moving_average_options,         \
            .num_updates = { 0 }, .zero_debias = false, .name = NULL, .decay = EK_OPERAND(decay_), __VA_ARGS__)
EK_API ek_moving_average *ek_exponential_moving_average_with(ek_graph *g, const ek_moving_average_options *o,
                                                             ek_where where);
/* The operation that moves the averages of these variables and tensors: shadow -= (shadow - value)*(1 - decay). Run it after
 * the training step (ek_with_control_dependencies). An empty list: all trainable variables. A variable's shadow begins with
 * the variable's value, a tensor's with 0; shadows are global variables, not trainable, and the variables go to
 * EK_MOVING_AVERAGE_VARIABLES.
 * Errors  "The variables must be half, float, or double: v:0". */
#define ek_moving_average_apply(m, list) ek_moving_average_apply_at((m), (list), EK_HERE)
EK_API ek_op ek_moving_average_apply_at(ek_moving_average *m, ek_list list, ek_where where);
/* The shadow of a variable or tensor: ek_average_of(m, w). Dead, nothing recorded, where there is none. */
#define ek_average_of(m, x) ek_average_of_item((m), EK_ITEM(x))
EK_API ek_variable ek_average_of_item(const ek_moving_average *m, ek_item x);
/* Its name, also where it is yet to be made: what a checkpoint holds it under. Borrowed from the graph. */
#define ek_average_name(m, x) ek_average_name_of_item((m), EK_ITEM(x))
EK_API const char *ek_average_name_of_item(const ek_moving_average *m, ek_item x);

typedef struct ek_assign_moving_average_options {
    size_t size;
    ek_operand decay; /* required */
    bool zero_debias; /* true, as in TensorFlow: takes out the zeros that v began with */
    const char *name; /* NULL: "AssignMovingAvg" */
} ek_assign_moving_average_options;
/* moving_averages.assign_moving_average: v -= (v - value)*(1 - decay). With zero_debias v is that divided by 1 - decay^steps, and
 * two more variables, <v>/biased and <v>/local_step, keep what is needed for it.
 *     ek_op update = ek_assign_moving_average(v, x, 0.9, .zero_debias = false); */
#define ek_assign_moving_average(v, value, ...) \
    EK_ASSIGN_MOVING_AVERAGE_(v, value, __VA_ARGS__, .size = sizeof(ek_assign_moving_average_options))
#define EK_ASSIGN_MOVING_AVERAGE_(v, value, decay_, ...)                                                        \
    EK_CALL(ek_op, ek_assign_moving_average_with, ((v), EK_OPERAND(value),), ek_assign_moving_average_options,  \
            .zero_debias = true, .name = NULL, .decay = EK_OPERAND(decay_), __VA_ARGS__)
EK_API ek_op ek_assign_moving_average_with(ek_variable v, ek_operand value, const ek_assign_moving_average_options *o,
                                           ek_where where);

/* ema.variables_to_restore(): what to read each global variable from for evaluation: averaged ones from their shadows. An
 * empty list: the trainable variables and EK_MOVING_AVERAGE_VARIABLES are averaged. Those come first. Borrowed from the
 * graph: ek_saver_create(g, .named = ek_variables_to_restore(m, EK_EMPTY_LIST)). */
EK_API ek_named_variables ek_variables_to_restore(const ek_moving_average *m, ek_list moving);

#ifdef __cplusplus
}
#endif
#endif
