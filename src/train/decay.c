/* train/decay.c - learning rates that follow the global step: tf.train.exponential_decay and kin. */
#include "train/train.h"

/* Inside the schedule's name scope: everything is taken in the dtype of the rate at the start. */
typedef struct schedule {
    ek_graph *g;
    const char *own; /* the scope with its '/': the last node gets the scope's name */
    ek_dtype dtype;
    ek_operand rate;
    ek_where where;
} schedule;

static schedule begin(ek_graph *g, ek_operand rate, ek_where where)
{
    const ek_tensor t = ek__operand_tensor(g, &rate, EK_DTYPE_NONE, "initial_learning_rate", where);

    return (schedule){ g, ek_name_scope(g), ek_dtype_base(ek_tensor_dtype(t)), ek__of(t), where };
}

static ek_operand cast(const schedule *s, ek_operand x) { return ek__cast(s->g, x, s->dtype, s->where); }

typedef ek_tensor (*binary)(const ek_binary_options *o, ek_where where);

static ek_operand two(const schedule *s, binary with, ek_operand x, ek_operand y)
{
    return ek__of(ek__op2(with, x, y, s->where));
}

static ek_operand one(const schedule *s, ek_tensor (*with)(const ek_unary_options *, ek_where), ek_operand x)
{
    return ek__of(ek__op1(with, x, NULL, s->where));
}

static ek_tensor last(const schedule *s, binary with, ek_operand x, ek_operand y)
{
    return with(&(ek_binary_options){ .size = sizeof(ek_binary_options), .x = x, .y = y, .name = s->own }, s->where);
}

enum { STEPS = 2 }; /* place of decay_steps among the operands of a decay */

static double number(const ek_literal *l) { return l->kind == 'f' ? l->u.f : (double)l->u.i; }

/* The graph that the operands of a call are of; NULL, and the reason where it can be told, if that will not do. */
static ek_graph *graph_of(const ek_operand *x, int n, ek_where where)
{
    ek_graph *g = ek__operand_graph(x, n);

    if (g == NULL)
        ek__graph_fail(NULL, where, EK_INVALID_ARGUMENT,
                       "a learning rate that changes needs the global step: a variable or a tensor");
    for (int i = 0; g != NULL && g->error.code == EK_OK && i < n; i++)
        (void)ek__finite_operand(g, "what a learning rate begins with, or changes by,", &x[i], where);
    if (g != NULL && g->error.code == EK_OK && n > STEPS && x[STEPS].kind == 'l' && !(number(&x[STEPS].u.literal) > 0))
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "the number of steps of a decay is %g; it must be above 0",
                       number(&x[STEPS].u.literal));
    return g != NULL && g->error.code == EK_OK ? g : NULL;
}

/* ---- exponential, natural exponential, inverse time ------------------------------------------------------- */

/* step / decay_steps, in whole steps if so wished. */
static ek_operand periods(const schedule *s, const ek_decay_options *o, ek_operand decay_steps, ek_operand step)
{
    const ek_operand p = two(s, ek_over_with, step, decay_steps);

    return o->staircase ? one(s, ek_floor_with, p) : p;
}

static ek_tensor exponential(ek_graph *g, ek_operand rate, ek_operand step, const ek_decay_options *o,
                             ek_operand decay_rate, ek_where where)
{
    ek_tensor out = ek__dead(g);

    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "ExponentialDecay"), where)) {
        const schedule s = begin(g, rate, where);
        const ek_operand steps = cast(&s, o->decay_steps), base = cast(&s, decay_rate), now = cast(&s, step);
        const ek_operand p = periods(&s, o, steps, now);
        out = last(&s, ek_multiply_with, s.rate, two(&s, ek_pow_with, base, p));
    }
    return out;
}

ek_tensor ek_exponential_decay_with(ek_operand rate, ek_operand step, const ek_decay_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = graph_of((const ek_operand[]){ step, rate, o->decay_steps, o->decay_rate }, 4, where);

    return g == NULL ? ek__dead(ek__operand_graph(&step, 1)) : exponential(g, rate, step, o, o->decay_rate, where);
}

ek_tensor ek_natural_exp_decay_with(ek_operand rate, ek_operand step, const ek_decay_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = graph_of((const ek_operand[]){ step, rate, o->decay_steps, o->decay_rate }, 4, where);
    ek_tensor base;

    if (g == NULL) return ek__dead(ek__operand_graph(&step, 1));
    base = ek__call_tensor(&(ek_call){ .graph = g, .type = "Neg", .in = &o->decay_rate, .n_in = 1, .where = where });
    return exponential(g, rate, step, o, ek__of(ek__op1(ek_exp_with, ek__of(base), NULL, where)), where);
}

ek_tensor ek_inverse_time_decay_with(ek_operand rate, ek_operand step, const ek_decay_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = graph_of((const ek_operand[]){ step, rate, o->decay_steps, o->decay_rate }, 4, where);
    ek_tensor out = ek__dead(ek__operand_graph(&step, 1));

    if (g == NULL) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "InverseTimeDecay"), where)) {
        const schedule s = begin(g, rate, where);
        const ek_operand steps = cast(&s, o->decay_steps), slope = cast(&s, o->decay_rate), now = cast(&s, step);
        const ek_operand p = periods(&s, o, steps, now);
        const ek_operand unit = cast(&s, ek__of(ek__const_scalar(g, EK_INT32, 1.0, NULL, where)));
        const ek_operand growth = two(&s, ek_multiply_with, slope, p);
        out = last(&s, ek_divide_with, s.rate, two(&s, ek_add_with, unit, growth));
    }
    return out;
}

/* ---- polynomial ------------------------------------------------------------------------------------------------ */

/* How many times decay_steps the current round is long: 1 at the very start. */
static ek_operand rounds(const schedule *s, ek_operand now, ek_operand decay_steps)
{
    const ek_tensor start = ek__op2(ek_equal_with, now, ek_operand_of_int(0), s->where);
    ek_conditional *c = ek_cond_begin_at(ek__of(start), NULL, s->where);

    EK_IN_SCOPE(ek_branch_push(c, true, s->where))
        ek_give_item(c, ek_item_of_tensor(ek__const_scalar(s->g, EK_FLOAT32, 1.0, NULL, s->where)), s->where);
    EK_IN_SCOPE(ek_branch_push(c, false, s->where)) {
        const ek_operand p = two(s, ek_over_with, now, decay_steps);
        ek_give_item(c, ek_item_of_tensor(one(s, ek_ceil_with, p).u.tensor), s->where);
    }
    return ek__of(ek_list_tensor(ek_cond_end_at(c, s->where), 0));
}

ek_tensor ek_polynomial_decay_with(ek_operand rate, ek_operand step, const ek_polynomial_decay_options *o,
                                   ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = graph_of((const ek_operand[]){ step, rate, o->decay_steps }, 3, where);
    ek_tensor out = ek__dead(ek__operand_graph(&step, 1));

    if (g == NULL) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "PolynomialDecay"), where)) {
        const schedule s = begin(g, rate, where);
        const ek_operand end = cast(&s, o->end_learning_rate), power = cast(&s, o->power);
        ek_operand now = cast(&s, step), steps = cast(&s, o->decay_steps), p, span;
        if (o->cycle) steps = two(&s, ek_multiply_with, steps, rounds(&s, now, o->decay_steps));
        else now = two(&s, ek_minimum_with, now, steps);
        p = two(&s, ek_divide_with, now, steps);
        span = two(&s, ek_minus_with, s.rate, end);
        p = two(&s, ek_minus_with, ek_operand_of_int(1), p);
        p = two(&s, ek_pow_with, p, power);
        out = last(&s, ek_add_with, two(&s, ek_multiply_with, span, p), end);
    }
    return out;
}

/* ---- cosine -------------------------------------------------------------------------------------------------------- */

/* (1 + cos(pi * fraction)), times what stands before it: 0.5, or 0.5 * m. */
static ek_operand cosine(const schedule *s, ek_operand factor, ek_operand fraction)
{
    const ek_operand pi = ek__of(ek__const_scalar(s->g, EK_FLOAT32, 3.14159265358979323846, NULL, s->where));
    const ek_operand wave = one(s, ek_cos_with, two(s, ek_times_with, pi, fraction));

    return two(s, ek_times_with, factor, two(s, ek_plus_with, ek__num(1.0), wave));
}

ek_tensor ek_cosine_decay_with(ek_operand rate, ek_operand step, const ek_cosine_decay_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = graph_of((const ek_operand[]){ step, rate, o->decay_steps }, 3, where);
    ek_tensor out = ek__dead(ek__operand_graph(&step, 1));

    if (g == NULL) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "CosineDecay"), where)) {
        const schedule s = begin(g, rate, where);
        const ek_operand steps = cast(&s, o->decay_steps);
        ek_operand now = cast(&s, step), y;
        now = two(&s, ek_minimum_with, now, steps);
        y = cosine(&s, ek__num(0.5), two(&s, ek_over_with, now, steps));
        y = two(&s, ek_times_with, ek__num(1.0 - o->alpha), y);
        y = two(&s, ek_plus_with, y, ek__num(o->alpha));
        out = two(&s, ek_multiply_with, s.rate, y).u.tensor;
    }
    return out;
}

/* How many rounds were begun before, and how much of this one is done: rounds of equal length, ... */
static void equal_rounds(const schedule *s, ek_operand done, ek_operand t_mul, ek_operand *round, ek_operand *fraction)
{
    EK_UNUSED(t_mul);
    *round = one(s, ek_floor_with, done);
    *fraction = two(s, ek_minus_with, done, *round);
}

/* ... or each t_mul times as long as the last. */
static void growing_rounds(const schedule *s, ek_operand done, ek_operand t_mul, ek_operand *round,
                           ek_operand *fraction)
{
    const ek_operand unit = ek__num(1.0);
    ek_operand t = two(s, ek_minus_with, unit, t_mul), sum;

    t = two(s, ek_times_with, done, t);
    t = one(s, ek_log_with, two(s, ek_minus_with, unit, t));
    t = two(s, ek_over_with, t, one(s, ek_log_with, t_mul));
    *round = one(s, ek_floor_with, t);
    sum = two(s, ek_minus_with, unit, two(s, ek_power_with, t_mul, *round));
    sum = two(s, ek_over_with, sum, two(s, ek_minus_with, unit, t_mul));
    t = two(s, ek_minus_with, done, sum);
    *fraction = two(s, ek_over_with, t, two(s, ek_power_with, t_mul, *round));
}

static void restarts(const schedule *s, ek_operand done, ek_operand t_mul, ek_operand *round, ek_operand *fraction)
{
    const ek_tensor equal = ek__op2(ek_equal_with, t_mul, ek__num(1.0), s->where);
    ek_conditional *c = ek_cond_begin_at(ek__of(equal), NULL, s->where);
    ek_list merged;

    for (int which = 1; which >= 0; which--)
        EK_IN_SCOPE(ek_branch_push(c, which != 0, s->where)) {
            (which != 0 ? equal_rounds : growing_rounds)(s, done, t_mul, round, fraction);
            ek_give_item(c, ek_item_of_tensor(round->u.tensor), s->where);
            ek_give_item(c, ek_item_of_tensor(fraction->u.tensor), s->where);
        }
    merged = ek_cond_end_at(c, s->where);
    *round = ek__of(ek_list_tensor(merged, 0));
    *fraction = ek__of(ek_list_tensor(merged, 1));
}

ek_tensor ek_cosine_decay_restarts_with(ek_operand rate, ek_operand step, const ek_cosine_decay_restarts_options *o,
                                        ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_graph *g = graph_of((const ek_operand[]){ step, rate, o->first_decay_steps }, 3, where);
    ek_tensor out = ek__dead(ek__operand_graph(&step, 1));

    if (g == NULL) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "SGDRDecay"), where)) {
        const schedule s = begin(g, rate, where);
        const ek_operand first = cast(&s, o->first_decay_steps), alpha = cast(&s, ek__num(o->alpha));
        const ek_operand t_mul = cast(&s, ek__num(o->t_mul)), m_mul = cast(&s, ek__num(o->m_mul));
        const ek_operand done = two(&s, ek_over_with, cast(&s, step), first);
        ek_operand round, fraction, y;
        restarts(&s, done, t_mul, &round, &fraction);
        y = two(&s, ek_times_with, ek__num(0.5), two(&s, ek_power_with, m_mul, round));
        y = cosine(&s, y, fraction);
        y = two(&s, ek_times_with, two(&s, ek_minus_with, ek_operand_of_int(1), alpha), y);
        y = two(&s, ek_plus_with, y, alpha);
        out = last(&s, ek_multiply_with, s.rate, y);
    }
    return out;
}

/* ---- piecewise constant ------------------------------------------------------------------------------------------- */

enum { EK_MAX_PIECES = 64 };
typedef struct pieces {
    schedule s;
    ek_operand *boundary, *value; /* n boundaries, n + 1 values */
    ek_operand *pred;             /* n + 1: below all, above all, then between two each */
    int n;
} pieces;

/* The places of the values in the order of the predicates: the first, the last, those between. */
static int piece_at(const pieces *p, int k) { return k == 0 ? 0 : k == 1 ? p->n : k - 1; }

static void make_predicates(pieces *p, ek_operand now)
{
    p->pred[0] = two(&p->s, ek_less_equal_with, now, p->boundary[0]);
    p->pred[1] = two(&p->s, ek_greater_with, now, p->boundary[p->n - 1]);
    for (int k = 2; k <= p->n; k++) {
        const ek_operand above = two(&p->s, ek_greater_with, now, p->boundary[k - 2]);
        const ek_operand below = two(&p->s, ek_less_equal_with, now, p->boundary[k - 1]);
        p->pred[k] = ek__of(ek_logical_and_with(&(ek_binary_options){
            .size = sizeof(ek_binary_options), .x = above, .y = below, .name = "and" }, p->s.where));
    }
}

/* One condition in the false branch of the other. */
static ek_item nested(pieces *p, int k)
{
    ek_conditional *c;
    ek_item item;

    if (k > p->n) return ek_item_of_tensor(p->value[0].u.tensor);
    c = ek_cond_begin_at(p->pred[k], NULL, p->s.where);
    EK_IN_SCOPE(ek_branch_push(c, true, p->s.where))
        ek_give_item(c, ek_item_of_tensor(p->value[piece_at(p, k)].u.tensor), p->s.where);
    EK_IN_SCOPE(ek_branch_push(c, false, p->s.where)) {
        item = nested(p, k + 1);
        ek_give_item(c, item, p->s.where);
    }
    return ek_item_of_tensor(ek_list_tensor(ek_cond_end_at(c, p->s.where), 0));
}

static ek_list nothing(ek_graph *g, void *arg)
{
    EK_UNUSED(arg);
    return EK_RESULTS(g, ek_no_op_with(&(ek_no_op_options){ .size = sizeof(ek_no_op_options), .graph = g }, EK_HERE));
}

/* What the assertion says, and of which predicates. */
typedef struct assertion {
    const pieces *p;
    ek_tensor enough, preds;
    const char *text;
} assertion;

static ek_list assert_enough(ek_graph *g, void *arg)
{
    const assertion *a = arg;
    ek_list out = EK_EMPTY_LIST;

    EK_IN_SCOPE(ek_name_scope_push(g, "Assert", a->p->s.where)) {
        const char *own = ek_name_scope(g);
        const ek_operand text = ek_operand_of_string(a->text);
        const ek_tensor in[] = { a->enough, ek__operand_tensor(g, &text, EK_DTYPE_NONE, "data_0", a->p->s.where),
                                 a->preds };
        const ek_op op = { g, EK_EMIT(g, a->p->s.where, "Assert", own, in, EK_ATTR_I("summarize", a->p->n + 1)).op };
        out = EK_RESULTS(g, op);
    }
    return out;
}

/* tf.Assert that no two predicates hold. */
static ek_list assert_exclusive(pieces *p)
{
    ek_graph *g = p->s.g;
    const ek_where where = p->s.where;
    ek_tensor in[EK_MAX_PIECES];
    ek_buf text = { 0 };
    char name[256];
    assertion a = { .p = p };
    ek_list out = EK_EMPTY_LIST;

    ek__buf_printf(&text, "Input error: exclusive=True: more than 1 conditions (");
    for (int k = 0; k <= p->n; k++) {
        in[k] = p->pred[k].u.tensor;
        ek_tensor_name(in[k], name, sizeof name);
        ek__buf_printf(&text, "%s%s", k > 0 ? ", " : "", name);
    }
    ek__buf_printf(&text, ") evaluated as True:");
    a.text = text.failed ? NULL : ek__arena_strndup(&g->arena, text.data, text.size);
    ek__buf_fini(&text);
    if (a.text == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a learning rate of %d pieces", p->n + 1);
        return out;
    }
    a.preds = ek__node_tensor(g, &(ek_node_args){ .type = "Pack", .name = "preds_c", .in = in, .n_in = p->n + 1,
                                                  .where = where });
    const ek_operand ones = ek__cast(g, ek__of(a.preds), EK_INT32, where);
    const ek_tensor sum = ek_reduce_sum_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options),
        .x = ones.u.tensor, .axis = { -1, { 0 } }, .name = "num_true_conds" }, where);
    const ek_tensor limit = ek__const_scalar(g, EK_INT32, 1.0, "n_true_conds", where);
    a.enough = ek__op2(ek_less_equal_with, ek__of(sum), ek__of(limit), where);
    EK_IN_SCOPE(ek_name_scope_push(g, "Assert", where)) {
        const ek_operand said = ek_operand_of_string(a.text);
        ek__operand_tensor(g, &said, EK_DTYPE_NONE, "Const", where);
        out = ek_cond_with(ek__of(a.enough), nothing, &(ek_cond_options){ .size = sizeof(ek_cond_options),
            .false_fn = assert_enough, .arg = &a, .name = "AssertGuard" }, where);
    }
    return out;
}

/* Comparing as integers, as the caller's boundaries are: int32 may become int64, nothing else. */
static bool make_pieces(pieces *p, const ek_piecewise_constant_options *o, ek_operand step)
{
    ek_graph *g = p->s.g;
    const ek_where where = p->s.where;

    for (int i = 0; i < p->n; i++) {
        const ek_operand b = ek_operand_of_int(o->boundaries.at[i]);
        p->boundary[i] = ek__of(ek__operand_tensor(g, &b, EK_DTYPE_NONE, "Const", where));
    }
    for (int i = 0; i <= p->n; i++) p->value[i] = ek__of(ek__const_scalar(g, EK_FLOAT32, o->values.at[i], NULL, where));
    const ek_dtype t = ek_dtype_base(ek_tensor_dtype(ek__operand_tensor(g, &step, EK_DTYPE_NONE, "Const", where)));
    for (int i = 0; i < p->n && g->error.code == EK_OK; i++) {
        const ek_dtype b = ek_dtype_base(ek_tensor_dtype(p->boundary[i].u.tensor));
        if (b == t) continue;
        if (b != EK_INT32 || t != EK_INT64) {
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                           "Boundaries (<dtype: '%s'>) must have the same dtype as x (<dtype: '%s'>).",
                           ek_dtype_name(b), ek_dtype_name(t));
            return false;
        }
        p->boundary[i] = ek__cast(g, p->boundary[i], t, where);
    }
    return g->error.code == EK_OK;
}

static ek_tensor piecewise(pieces *p, const ek_piecewise_constant_options *o, ek_operand step)
{
    ek_graph *g = p->s.g;
    ek_tensor out = ek__dead(g);

    if (!make_pieces(p, o, step)) return out;
    EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "PiecewiseConstant"), p->s.where)) {
        make_predicates(p, ek__of(ek__operand_tensor(g, &step, EK_DTYPE_NONE, "Const", p->s.where)));
        EK_IN_SCOPE(ek_name_scope_push(g, "case", p->s.where)) {
            const ek_list asserted = g->error.code == EK_OK ? assert_exclusive(p) : EK_EMPTY_LIST;
            EK_IN_SCOPE(ek_control_dependencies_push(g, asserted, p->s.where))
                if (g->error.code == EK_OK) out = nested(p, 0).u.tensor;
        }
    }
    return out;
}

ek_tensor ek_piecewise_constant_with(ek_operand step, const ek_piecewise_constant_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_operand boundary[EK_MAX_PIECES], value[EK_MAX_PIECES], pred[EK_MAX_PIECES];
    pieces p = { { .g = graph_of(&step, 1, where), .where = where }, boundary, value, pred, o->boundaries.n };
    ek_graph *g = p.s.g;

    if (g == NULL) return ek__dead(ek__operand_graph(&step, 1));
    if (!EK_LIST_OK(g, o->boundaries, ".boundaries", where) || !EK_LIST_OK(g, o->values, ".values", where))
        return ek__dead(g);
    if (o->boundaries.n != o->values.n - 1) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "The length of boundaries should be 1 less than the length of values");
        return ek__dead(g);
    }
    for (int i = 0; i < o->values.n; i++)
        if (!ek__finite(g, "a value of a learning rate", o->values.at[i], where)) return ek__dead(g);
    for (int i = 1; i < o->boundaries.n; i++) {
        if (o->boundaries.at[i] > o->boundaries.at[i - 1]) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "boundaries must ascend; %lld comes after %lld",
                       (long long)o->boundaries.at[i], (long long)o->boundaries.at[i - 1]);
        return ek__dead(g);
    }
    if (p.n >= 1 && p.n < EK_MAX_PIECES) return piecewise(&p, o, step);
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "a learning rate of %d pieces; 2 to %d are possible", p.n + 1,
                   EK_MAX_PIECES);
    return ek__dead(g);
}
