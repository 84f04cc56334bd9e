/* train/optimizer.c - the optimizers: what each consists of, and making one.
 *
 * Not here: how variables are updated (update.c), and what an optimizer is used for (apply.c).
 */
#include <math.h>

#include "train/train.h"

/* ---- kinds ------------------------------------------------------------------------------------------ */

static const ek_optimizer_kind gradient_descent = {
    .name = "GradientDescent", .type = "GradientDescent", .hyper = { "learning_rate" }, .inputs = "ag",
    .rows = ek__rows_descent };
static const ek_optimizer_kind momentum = {
    .name = "Momentum", .type = "Momentum", .hyper = { "learning_rate", "momentum" },
    .slot = { { "momentum", EK_SLOT_ZEROS } }, .inputs = "0agb", .nesterov = true };
static const ek_optimizer_kind adam = {
    .name = "Adam", .type = "Adam", .hyper = { "learning_rate", "beta1", "beta2", "epsilon" },
    .slot = { { "m", EK_SLOT_ZEROS }, { "v", EK_SLOT_ZEROS } }, .inputs = "01PQabcdg", .powers = true,
    .rows = ek__rows_adam };
static const ek_optimizer_kind rms_prop = {
    .name = "RMSProp", .type = "RMSProp", .hyper = { "learning_rate", "decay", "momentum", "epsilon" },
    .slot = { { "rms", EK_SLOT_ONES }, { "momentum", EK_SLOT_ZEROS } }, .inputs = "01abcdg" };
static const ek_optimizer_kind centered_rms_prop = {
    .name = "RMSProp", .type = "CenteredRMSProp", .hyper = { "learning_rate", "decay", "momentum", "epsilon" },
    .slot = { { "rms", EK_SLOT_ONES }, { "mg", EK_SLOT_ZEROS }, { "momentum", EK_SLOT_ZEROS } },
    .inputs = "102abcdg" };
static const ek_optimizer_kind adagrad = {
    .name = "Adagrad", .type = "Adagrad", .hyper = { "learning_rate" },
    .slot = { { "accumulator", EK_SLOT_NUMBER } }, .inputs = "0ag" };
static const ek_optimizer_kind adadelta = {
    .name = "Adadelta", .type = "Adadelta", .hyper = { "lr", "rho", "epsilon" },
    .slot = { { "accum", EK_SLOT_ZEROS }, { "accum_update", EK_SLOT_ZEROS } }, .inputs = "01abcg" };
#define FTRL_HYPERS                                                                                     \
    { "learning_rate", "l1_regularization_strength", "l2_regularization_strength",                      \
      "l2_shrinkage_regularization_strength", "learning_rate_power" }
#define FTRL_SLOTS { { "accum", EK_SLOT_CONST }, { "linear", EK_SLOT_ZEROS } }
static const ek_optimizer_kind ftrl = {
    .name = "Ftrl", .type = "Ftrl", .hyper = FTRL_HYPERS, .slot = FTRL_SLOTS, .inputs = "01gabce" };
static const ek_optimizer_kind ftrl_v2 = {
    .name = "Ftrl", .type = "FtrlV2", .hyper = FTRL_HYPERS, .slot = FTRL_SLOTS, .inputs = "01gabcde" };

/* ---- hyper-parameters --------------------------------------------------------------------------------- */

static const char *const where_from = "a number, a tensor or a variable";

/* The number that it is; NAN, with *known false, where only a run tells. */
static double number_of(ek_graph *g, const ek_operand *x, bool *known)
{
    ek_array *value = NULL;
    double number = NAN;

    if (x->kind == 'l') {
        *known = true;
        return x->u.literal.kind == 'f' ? x->u.literal.u.f : (double)x->u.literal.u.i;
    }
    if (x->kind == 't') value = ek__constant_value(g, ek__edge(x->u.tensor));
    *known = value != NULL && value->count == 1 && ek_dtype_is_floating(value->dtype);
    if (*known) number = ek_array_get(value, 0);
    ek_array_unref(value);
    return number;
}

bool ek__finite_operand(ek_graph *g, const char *name, const ek_operand *x, ek_where where)
{
    bool known;
    const double number = number_of(g, x, &known);

    return !known || ek__finite(g, name, number, where);
}

static bool is_of(ek_graph *g, const ek_operand *x)
{
    if (x->kind == 't') return ek__tensor_in(g, x->u.tensor);
    if (x->kind == 'v') return ek__variable_in(g, x->u.variable);
    return x->kind == 'l' && (x->u.literal.kind == 'f' || x->u.literal.kind == 'i');
}

static bool check_hyper(ek_graph *g, const char *name, const ek_operand *x, ek_where where)
{
    char text[256];
    const ek_graph *owner = x->kind == 't' || x->kind == 'v' ? ek__operand_graph(x, 1) : g;

    if (!is_of(g, x)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, owner != NULL && owner != g
                       ? "%s is of another graph" : "%s must be %s", name, where_from);
        return false;
    }
    const ek_shape shape = ek__operand_shape(x);
    if (shape.rank > 0) {
        ek_shape_format(&shape, text, sizeof text);
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s must be a scalar; it has shape %s", name, text);
        return false;
    }
    return ek__finite_operand(g, name, x, where);
}

/* ---- making one ------------------------------------------------------------------------------------------- */

/* An optimizer of this graph with these hyper-parameters, in the kind's order; NULL after a failure. */
static ek_optimizer *create(ek_graph *g, const ek_optimizer_kind *kind, const char *name, bool use_locking,
                            const ek_operand *hyper, ek_where where)
{
    ek_optimizer *o;

    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK) return NULL;
    if (name == NULL) name = kind->name;
    if (name[0] == '\0') {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Must specify the optimizer name");
        return NULL;
    }
    for (int i = 0; i < EK_MAX_HYPERS && kind->hyper[i] != NULL; i++)
        if (!check_hyper(g, kind->hyper[i], &hyper[i], where)) return NULL;
    o = EK_ARENA_NEW(&g->arena, ek_optimizer, 1);
    if (o != NULL) o->name = ek__arena_strdup(&g->arena, name);
    if (o == NULL || o->name == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for optimizer %s", name);
        return NULL;
    }
    o->graph = g;
    o->kind = kind;
    o->use_locking = use_locking;
    for (int i = 0; i < EK_MAX_SLOTS; i++) o->slot_name[i] = o->name;
    for (int i = 0; i < EK_MAX_HYPERS && kind->hyper[i] != NULL; i++) o->hyper[i] = hyper[i];
    o->power[0] = o->power[1] = ek__dead_variable(g);
    return o;
}
#define HYPERS(...) ((const ek_operand[]){ __VA_ARGS__ })

ek_optimizer *ek_gradient_descent_optimizer_with(ek_graph *g, const ek_gradient_descent_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return NULL;
    return create(g, &gradient_descent, o->name, o->use_locking, HYPERS(o->learning_rate), where);
}

ek_optimizer *ek_momentum_optimizer_with(ek_graph *g, const ek_momentum_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return NULL;
    ek_optimizer *const made =
        create(g, &momentum, o->name, o->use_locking, HYPERS(o->learning_rate, o->momentum), where);

    if (made != NULL) made->use_nesterov = o->use_nesterov;
    return made;
}

ek_optimizer *ek_adam_optimizer_with(ek_graph *g, const ek_adam_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return NULL;
    return create(g, &adam, o->name, o->use_locking, HYPERS(o->learning_rate, o->beta1, o->beta2, o->epsilon), where);
}

ek_optimizer *ek_rms_prop_optimizer_with(ek_graph *g, const ek_rms_prop_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return NULL;
    return create(g, o->centered ? &centered_rms_prop : &rms_prop, o->name, o->use_locking,
                  HYPERS(o->learning_rate, o->decay, o->momentum, o->epsilon), where);
}

ek_optimizer *ek_adagrad_optimizer_with(ek_graph *g, const ek_adagrad_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return NULL;
    if (!(o->initial_accumulator_value > 0.0) || !isfinite(o->initial_accumulator_value)) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "initial_accumulator_value must be positive: %g",
                       o->initial_accumulator_value);
        return NULL;
    }
    ek_optimizer *const made = create(g, &adagrad, o->name, o->use_locking, HYPERS(o->learning_rate), where);

    if (made != NULL) made->start = o->initial_accumulator_value;
    return made;
}

ek_optimizer *ek_adadelta_optimizer_with(ek_graph *g, const ek_adadelta_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return NULL;
    return create(g, &adadelta, o->name, o->use_locking, HYPERS(o->learning_rate, o->rho, o->epsilon), where);
}

/* Numbers that only one side of 0 makes sense for. NaN is on neither. */
static bool check_ftrl(ek_graph *g, const ek_ftrl_options *o, ek_where where)
{
    const struct {
        const char *name;
        double value, sign;
    } number[] = {
        { "initial_accumulator_value", o->initial_accumulator_value, 1 },
        { "learning_rate_power", o->learning_rate_power, -1 },
        { "l1_regularization_strength", o->l1_regularization_strength, 1 },
        { "l2_regularization_strength", o->l2_regularization_strength, 1 },
        { "l2_shrinkage_regularization_strength", o->l2_shrinkage_regularization_strength, 1 },
    };

    for (size_t i = 0; i < EK_COUNT_OF(number); i++) {
        if (number[i].value * number[i].sign >= 0.0 && isfinite(number[i].value)) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s %f needs to be %s or zero", number[i].name, number[i].value,
                       number[i].sign > 0 ? "positive" : "negative");
        return false;
    }
    return true;
}

ek_optimizer *ek_ftrl_optimizer_with(ek_graph *g, const ek_ftrl_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where) || !check_ftrl(g, o, where)) return NULL;
    ek_optimizer *const made =
        create(g, o->l2_shrinkage_regularization_strength > 0.0 ? &ftrl_v2 : &ftrl, o->name, o->use_locking,
               HYPERS(o->learning_rate, ek__num(o->l1_regularization_strength), ek__num(o->l2_regularization_strength),
                      ek__num(o->l2_shrinkage_regularization_strength), ek__num(o->learning_rate_power)), where);

    if (made == NULL) return NULL;
    made->start = o->initial_accumulator_value;
    if (o->accum_name != NULL) made->slot_name[0] = ek__arena_strdup(&g->arena, o->accum_name);
    if (o->linear_name != NULL) made->slot_name[1] = ek__arena_strdup(&g->arena, o->linear_name);
    if (made->slot_name[0] != NULL && made->slot_name[1] != NULL) return made;
    ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for optimizer %s", made->name);
    return NULL;
}

/* ---- what it keeps ------------------------------------------------------------------------------------------ */

const char *ek_optimizer_name(const ek_optimizer *o) { return o != NULL ? o->name : ""; }

ek_variable ek_get_slot(const ek_optimizer *o, ek_variable v, const char *name)
{
    for (int i = 0; o != NULL && name != NULL && i < EK_MAX_SLOTS && o->kind->slot[i].name != NULL; i++)
        if (strcmp(o->kind->slot[i].name, name) == 0 && v.graph == o->graph) return ek__slot_at(o, v, i);
    return ek__dead_variable(o != NULL ? o->graph : NULL);
}

ek_keys ek_get_slot_names(const ek_optimizer *o)
{
    const char **names = o != NULL && o->slots != NULL
                             ? EK_ARENA_NEW(&o->graph->arena, const char *, EK_MAX_SLOTS) : NULL;
    int n = 0;

    for (int i = 0; names != NULL && i < EK_MAX_SLOTS && o->kind->slot[i].name != NULL; i++) {
        int at = n++;
        for (; at > 0 && strcmp(names[at - 1], o->kind->slot[i].name) > 0; at--) names[at] = names[at - 1];
        names[at] = o->kind->slot[i].name;
    }
    return (ek_keys){ names, n };
}

static void insert_by_name(ek_item *item, int64_t n, ek_variable v)
{
    for (; n > 0 && strcmp(ek_variable_name(item[n - 1].u.variable), ek_variable_name(v)) > 0; n--)
        item[n] = item[n - 1];
    item[n] = ek_item_of_variable(v);
}

ek_list ek_optimizer_variables(const ek_optimizer *o)
{
    int64_t n = 2, count = 0;
    ek_item *item;

    if (o == NULL) return EK_EMPTY_LIST;
    for (const ek_slot_entry *e = o->slots; e != NULL; e = e->next) n++;
    item = EK_ARENA_NEW(&o->graph->arena, ek_item, n);
    if (item == NULL) return (ek_list){ o->graph, NULL, 0 };
    for (const ek_slot_entry *e = o->slots; e != NULL; e = e->next) insert_by_name(item, count++, e->variable);
    for (int k = 0; k < 2; k++)
        if (ek_variable_ok(o->power[k])) insert_by_name(item, count++, o->power[k]);
    return (ek_list){ o->graph, item, count };
}
