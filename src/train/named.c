/* train/named.c - optimizers and learning rates chosen by name, with defaults for all else. */
#include "evenkeel/models.h"

#include "train/train.h"

ek_optimizer *ek_optimizer_named(ek_graph *g, const char *name, ek_operand rate, ek_where where)
{
    const ek_gradient_descent_options sgd = { .size = sizeof sgd, .learning_rate = rate };
    const ek_momentum_options momentum = { .size = sizeof momentum, .learning_rate = rate,
                                           .momentum = EK_NUMBER_OPERAND_(0.9),
                                           .use_nesterov = strcmp(name, "nesterov") == 0 };
    const ek_adam_options adam = { .size = sizeof adam, EK_ADAM_DEFAULTS, .learning_rate = rate };
    const ek_rms_prop_options rms_prop = { .size = sizeof rms_prop, EK_RMS_PROP_DEFAULTS, .learning_rate = rate };
    const ek_adagrad_options adagrad = { .size = sizeof adagrad, EK_ADAGRAD_DEFAULTS, .learning_rate = rate };
    const ek_adadelta_options adadelta = { .size = sizeof adadelta, EK_ADADELTA_DEFAULTS, .learning_rate = rate };
    const ek_ftrl_options ftrl = { .size = sizeof ftrl, EK_FTRL_DEFAULTS, .learning_rate = rate };

    if (strcmp(name, "sgd") == 0) return ek_gradient_descent_optimizer_with(g, &sgd, where);
    if (strcmp(name, "momentum") == 0 || momentum.use_nesterov) return ek_momentum_optimizer_with(g, &momentum, where);
    if (strcmp(name, "adam") == 0) return ek_adam_optimizer_with(g, &adam, where);
    if (strcmp(name, "rmsprop") == 0) return ek_rms_prop_optimizer_with(g, &rms_prop, where);
    if (strcmp(name, "adagrad") == 0) return ek_adagrad_optimizer_with(g, &adagrad, where);
    if (strcmp(name, "adadelta") == 0) return ek_adadelta_optimizer_with(g, &adadelta, where);
    if (strcmp(name, "ftrl") == 0) return ek_ftrl_optimizer_with(g, &ftrl, where);
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "'%s' is no optimizer; there are sgd, momentum, nesterov, adam, rmsprop, "
                   "adagrad, adadelta and ftrl",
                   name);
    return NULL;
}

ek_tensor ek_decay_named(ek_graph *g, const char *name, double rate, int64_t steps, ek_where where)
{
    const ek_variable step = ek_get_or_create_global_step(g);

    if (strcmp(name, "none") == 0) return ek_constant(g, ek_float(rate), .name = "learning_rate");
    if (strcmp(name, "cosine") == 0) return ek_cosine_decay(rate, step, steps, .name = "learning_rate");
    if (strcmp(name, "linear") == 0)
        return ek_polynomial_decay(rate, step, steps, .end_learning_rate = EK_OPERAND(0.0), .name = "learning_rate");
    if (strcmp(name, "exponential") == 0) return ek_exponential_decay(rate, step, steps, 0.01, .name = "learning_rate");
    if (strcmp(name, "step") == 0)
        return ek_piecewise_constant(step, EK_INTS(steps / 2, steps / 2 + (steps + 3) / 4),
                                     EK_NUMBERS(rate, rate / 10, rate / 100), .name = "learning_rate");
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "'%s' is no way for a learning rate to fall; there are none, cosine, linear, "
                   "exponential and step",
                   name);
    return (ek_tensor){ g, -1, 0 };
}
