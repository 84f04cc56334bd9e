/* plan/infer.c - walks a region's nodes in order: what is dead, which shapes and values are known, where it ends.
 *
 * The walk ends early, and the region with it, where a branch or a shape follows from numbers that only a run knows.
 */
#include "plan/ir.h"

/* ---- deadness --------------------------------------------------------------------------------- */

/* Any dead input kills, control inputs too. A Merge lives as long as one data input does. */
static bool is_dead(const ek_builder *b, const ek_node *n)
{
    const bool merge = n->spec->def->kind == EK_KIND_MERGE;
    int32_t dead = 0;

    for (int32_t i = 0; i < n->n_in; i++) dead += b->facts->fact[ek__out_at(b->program, n->in[i])].dead;
    if (merge) return dead == n->n_in;
    if (dead > 0) return true;
    for (int32_t i = 0; i < n->n_control; i++)
        if (b->facts->node_dead[n->control[i]] != 0) return true;
    return false;
}

static void mark_dead(ek_builder *b, const ek_node *n)
{
    const int32_t out = b->program->first_out[n->id];

    b->facts->node_dead[n->id] = 1;
    for (int32_t k = 0; k < n->n_out; k++)
        if (b->facts->fact[out + k].feed < 0) b->facts->fact[out + k].dead = true;
}

/* ---- sources ----------------------------------------------------------------------------------- */

static ek_status visit_source(ek_builder *b, const ek_node *n)
{
    const int32_t out = b->program->first_out[n->id];
    char shape[400];

    if (n->n_out == 1 && (ek_dtype_is_ref(n->out_dtype[0]) || n->out_dtype[0] == EK_RESOURCE)) {
        int32_t v;

        EK_TRY(ek__variable_find(b, n, &v));
        b->facts->fact[out].variable = v;
        b->facts->shape[out] = n->out_dtype[0] == EK_RESOURCE ? EK_SCALAR
                               : b->now[v] != NULL            ? *b->now[v]
                                                              : EK_UNKNOWN_SHAPE;
        return EK_OK;
    }
    for (int32_t k = 0; k < n->n_out; k++) {
        if (b->facts->fact[out + k].feed >= 0) continue;
        ek_shape_format_cc(&n->out_shape[k], shape, sizeof shape);
        if (n->out_shape[k].rank < 0)
            (void)EK_FAIL(b->err, INVALID_ARGUMENT, "You must feed a value for placeholder tensor '%s' with dtype %s",
                          n->name, ek_dtype_cc_name(n->out_dtype[k]));
        else
            (void)EK_FAIL(b->err, INVALID_ARGUMENT,
                          "You must feed a value for placeholder tensor '%s' with dtype %s and shape %s", n->name,
                          ek_dtype_cc_name(n->out_dtype[k]), shape);
        ek__fail_at(b->err, n->name);
        return EK_INVALID_ARGUMENT;
    }
    return EK_OK;
}

/* ---- everything else -------------------------------------------------------------------------------- */

static bool values_missing(ek_builder *b, const ek_node *n)
{
    if (n->spec->def->value_inputs == 0) return false;
    for (int i = 0; i < n->n_in; i++)
        if (ek__value_decides(n, i) && ek__steer(b, n->in[i]) == NULL) return true;
    return false;
}

/* What the first node of a tail is known to give. */
static void given_shapes(ek_builder *b, const ek_node *n)
{
    for (int32_t k = 0; k < n->n_out; k++) b->out_shape[k] = b->outcome->out_shape[k];
}

static ek_status store_outputs(ek_builder *b, const ek_node *n)
{
    const ek_op_def *d = n->spec->def;
    const int32_t out = b->program->first_out[n->id];

    for (int32_t k = 0; k < n->n_out; k++) {
        ek_fact *f = &b->facts->fact[out + k];

        if (f->feed >= 0) {
            f->own = ek__arena_memdup(&b->facts->arena, &b->out_shape[k], sizeof *f->own);
            if (f->own == NULL) return ek__plan_no_memory(b->err);
            continue;
        }
        if (d->kind == EK_KIND_ALIAS && k < n->n_in) ek__alias_fact(b, ek__out_at(b->program, n->in[k]), out + k);
        ek__shape_set(&b->facts->shape[out + k], &b->out_shape[k]);
        if (ek__bit(d->ref_output, k) || (d->snapshot && k == 0)) {
            f->variable = b->facts->fact[ek__out_at(b->program, n->in[0])].variable;
            f->snapshot = d->snapshot && k == 0;
        } else if (d->alias_data && d->kind != EK_KIND_ALIAS && k == 0 &&
                   n->n_in > 0) { /* of a variable's memory, say */
            const ek_fact *in = &b->facts->fact[ek__out_at(b->program, n->in[0])];

            f->variable = in->variable;
            f->snapshot = in->snapshot;
            f->reshaped = true;
        }
    }
    return ek__fold(b, n);
}

static bool shapes_missing(const ek_builder *b, const ek_node *n)
{
    for (int32_t k = 0; k < n->n_out; k++)
        if (!ek_shape_is_known(&b->out_shape[k]) && !ek__bit(n->spec->def->ref_output, k)) return true;
    return false;
}

/* EK_LOG=shape: every node with what it gives. */
static void log_shapes(const ek_builder *b, const ek_node *n)
{
    char text[400];

    for (int32_t k = 0; k < n->n_out; k++) {
        ek_shape_format_cc(&b->facts->shape[b->program->first_out[n->id] + k], text, sizeof text);
        ek__log("shape", "%s:%d %s%s", n->name, k, text,
                b->facts->constant[b->program->first_out[n->id] + k] != NULL ? ", known" : "");
    }
}

/* Effects that neither write nor draw can only refuse (Assert), print or pass on. */
static bool may_refuse(const ek_builder *b, const ek_node *n)
{
    const ek_op_def *d = n->spec->def;

    return d->kind == EK_KIND_EFFECT && d->writes == 0 && d->op_state_bytes == 0 && b->facts->node_dead[n->id] == 0;
}

/* Shapes that do not fit are for an assertion made before to tell, in its own words: the region ends here, and the node is
 * refused only once everything before it has run. */
static bool leave_to_assertion(ek_builder *b, int32_t position)
{
    if (b->err->code != EK_INVALID_ARGUMENT) return false;
    for (int32_t k = b->begin; k < position; k++)
        if (may_refuse(b, ek__at(b->program, b->program->order[k]))) {
            *b->err = (ek_error){ 0 };
            return true;
        }
    return false;
}

static ek_status visit_node(ek_builder *b, int32_t position, const ek_node *n, bool *split)
{
    const int32_t out = b->program->first_out[n->id];

    if (n->constant != NULL && b->facts->fact[out].feed < 0) {
        b->facts->constant[out] = n->constant;
        b->facts->shape[out] = n->constant->shape;
        return EK_OK;
    }
    const bool given = b->outcome != NULL && b->outcome->out_shape != NULL && position == b->begin;
    *split = !given && (n->spec->def->shapes_at_run || values_missing(b, n));
    if (*split) return EK_OK;
    if (given) {
        given_shapes(b, n);
    } else if (ek__rule(b, n) != EK_OK) {
        *split = leave_to_assertion(b, position);
        return b->err->code;
    }
    *split = shapes_missing(b, n);
    if (*split) return EK_OK;
    EK_TRY(store_outputs(b, n));
    ek__variables_written(b, n, b->now);
    return EK_OK;
}

static ek_status visit(ek_builder *b, int32_t position, bool *split)
{
    const ek_node *n = ek__at(b->program, b->program->order[position]);
    const bool run = b->program->live[n->id] == EK_LIVE_RUN;
    bool known = true;

    if (is_dead(b, n)) {
        mark_dead(b, n);
        return EK_OK;
    }
    switch (n->spec->def->kind) {
    case EK_KIND_SWITCH:
        EK_TRY(ek__specialise_switch(b, n, &known));
        *split = !known;
        return EK_OK;
    case EK_KIND_MERGE: return ek__specialise_merge(b, n);
    case EK_KIND_SOURCE: return visit_source(b, n);
    default: return run ? visit_node(b, position, n, split) : EK_OK;
    }
}

/* ---- the split ------------------------------------------------------------------------------------- */

static ek_status make_split(ek_builder *b, int32_t position)
{
    const ek_node *n = ek__at(b->program, b->program->order[position]);
    ek_split *s = EK_ARENA_NEW(b->arena, ek_split, 1);

    if (s == NULL) return ek__plan_no_memory(b->err);
    s->kind = n->spec->def->kind == EK_KIND_SWITCH ? EK_SPLIT_BRANCH : EK_SPLIT_SHAPE;
    s->position = position;
    s->node = n;
    if (pthread_mutex_init(&s->lock, NULL) != 0) return ek__plan_no_memory(b->err);
    b->plan->split = s;
    b->end = position;
    return EK_OK;
}

ek_status ek__pass_infer(ek_builder *b)
{
    const bool log = ek__log_on("shape");
    bool split = false;

    b->end = b->program->n_order;
    for (int32_t k = b->begin; k < b->end; k++) {
        EK_TRY(visit(b, k, &split));
        if (!split && log) log_shapes(b, ek__at(b->program, b->program->order[k]));
        if (split) EK_TRY(make_split(b, k));
    }
    for (int32_t v = 0; v < b->plan->n_variables; v++)
        b->plan->variable[v].last_shape = b->now[v]; /* made the plan's own by the caller */
    if (ek__log_on("infer"))
        ek__log("infer", "nodes %d to %d of %d%s%s", b->begin, b->end, b->program->n_order, split ? ", split at " : "",
                split ? b->plan->split->node->name : "");
    return EK_OK;
}
