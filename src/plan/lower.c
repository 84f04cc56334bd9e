/* plan/lower.c - from nodes to values and lowered ops.
 *
 * What is dead, known, not needed or only passes something on leaves nothing behind. Element-wise ops of one shape
 * become chains of one link, which `fuse` may join.
 */
#include "plan/ir.h"

/* ---- what is needed ------------------------------------------------------------------------ */

/* Marks a tensor for a reader of some rank: the half that gives it, or its node. */
static void need_edge(const ek_builder *b, ek_edge e, int32_t reader, uint8_t *need)
{
    const int32_t at = ek__out_at(b->program, e);

    ek__want_output(b, ek__half_for(b, at, reader), at, need);
}

static int32_t rank_of(const ek_builder *b, const ek_node *n)
{
    return b->rank != NULL ? b->rank[n->id] : 0;
}

static bool output_wanted(const ek_builder *b, const ek_node *n, const uint8_t *need)
{
    const int32_t out = b->program->first_out[n->id];

    for (int32_t k = 0; k < n->n_out; k++)
        if (need[out + k] != 0 && b->facts->constant[out + k] == NULL && b->facts->fact[out + k].feed < 0) return true;
    return false;
}

static void need_inputs(const ek_builder *b, const ek_node *n, uint8_t *need)
{
    const ek_op_kind kind = n->spec->def->kind;

    if (kind == EK_KIND_SWITCH) {
        need_edge(b, n->in[0], rank_of(b, n), need);
        return;
    }
    for (int32_t i = 0; i < n->n_in; i++) {
        ek_half *half;
        const int term = ek__half_term(b, n, i, &half);

        if (term == 2) half->want |= 1u << EK_HALF_DX;
        if (term == 0 && (kind != EK_KIND_MERGE || !b->facts->fact[ek__out_at(b->program, n->in[i])].dead))
            need_edge(b, n->in[i], rank_of(b, n), need);
    }
}

/* Effects run whether or not anybody wants their outputs; of pure nodes, those that lead to something wanted. */
static bool node_wanted(const ek_builder *b, const ek_node *n, const uint8_t *need)
{
    if (!ek__is_run(b, n->id)) return false;
    if (ek__is_effect(n)) return true;
    if ((b->program->mark[n->id] & EK_MARK_TARGET) != 0 && n->n_out > 0 &&
        b->facts->constant[b->program->first_out[n->id]] == NULL &&
        ek__half_for(b, b->program->first_out[n->id], INT32_MAX) == NULL)
        return true;
    return output_wanted(b, n, need);
}

static void find_needs(ek_builder *b, uint8_t *need)
{
    const ek_program *p = b->program;
    int32_t half = b->n_halves - 1;

    for (int32_t k = 0; k < p->n_fetches; k++) need_edge(b, p->fetch[k], INT32_MAX, need);
    for (int32_t k = 0; k < p->n_targets; k++)
        if (ek__half_for(b, p->first_out[p->target[k]], INT32_MAX) != NULL)
            need_edge(b, (ek_edge){ p->target[k], 0 }, INT32_MAX, need);
    for (int32_t k = b->end; k < p->n_order; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        if (p->live[n->id] != EK_LIVE_RUN && n->spec->def->kind != EK_KIND_SWITCH) continue;
        for (int32_t i = 0; i < n->n_in; i++) need_edge(b, n->in[i], INT32_MAX, need);
    }
    for (; half >= 0 && b->half[half].place == b->end; half--) ek__half_needs(b, &b->half[half], need);
    for (int32_t k = b->end - 1; k >= b->begin; k--) {
        const ek_node *n = ek__at(p, p->order[k]);

        if (node_wanted(b, n, need)) need_inputs(b, n, need);
        for (; half >= 0 && b->half[half].place == k; half--) ek__half_needs(b, &b->half[half], need);
    }
}

/* ---- values ----------------------------------------------------------------------------------- */

ek_status ek__value_new(ek_builder *b, ek_dtype dtype, const ek_shape *shape, ek_home home, int32_t index,
                           int32_t *out)
{
    ek_value *v;

    if (!EK_GROW(b->value, b->cap_values, b->n_values + 1)) return ek__plan_no_memory(b->err);
    v = &b->value[b->n_values];
    *v = (ek_value){ .dtype = dtype, .place = { home, index, 0 }, .variable = -1, .def = -1, .last = -1, .shares = -1,
                      .link = -1, .port_of = -1 };
    if (home == EK_HOME_BLOCK) {
        if (dtype == EK_STRING) v->place.home = EK_HOME_STRINGS;
        v->def = b->n_ops;
        if (!ek__bytes_of(dtype, shape, &v->count, &v->bytes)) {
            char text[400];

            ek_shape_format_cc(shape, text, sizeof text);
            return EK_FAIL(b->err, RESOURCE_EXHAUSTED, "OOM when allocating tensor with shape%s and type %s", text,
                           ek_dtype_cc_name(dtype));
        }
    } else {
        v->count = ek_shape_count(shape);
    }
    *out = b->n_values++;
    return EK_OK;
}

ek_status ek__constant_new(ek_builder *b, ek_array *a, int32_t *out)
{
    ek_plan *p = b->plan;

    if (!EK_GROW(p->constant, b->cap_constants, p->n_constants + 1)) return ek__plan_no_memory(b->err);
    p->constant[p->n_constants] = a;
    EK_TRY(ek__value_new(b, a->dtype, &a->shape, EK_HOME_CONSTANT, p->n_constants, out));
    p->n_constants++;
    return EK_OK;
}

static ek_status variable_value(ek_builder *b, int32_t v, int32_t *out)
{
    if (b->variable_value[v] < 0)
        EK_TRY(ek__value_new(b, ek_dtype_base(b->plan->variable[v].node->out_dtype[0]), &EK_UNKNOWN_SHAPE, EK_HOME_VARIABLE,
                         v, &b->variable_value[v]));
    *out = b->variable_value[v];
    return EK_OK;
}

/* The value of a tensor; what comes from outside gets one when it is first asked for. */
ek_status ek__value_of(ek_builder *b, int32_t at, ek_dtype dtype, int32_t *out)
{
    ek_fact *f = &b->facts->fact[at];
    const ek_shape *shape = &b->facts->shape[at];

    if (f->value < 0) {
        if (b->facts->constant[at] != NULL)
            EK_TRY(ek__constant_new(b, b->facts->constant[at], &f->value));
        else if (f->feed >= 0)
            EK_TRY(ek__value_new(b, dtype, shape, EK_HOME_FEED, f->feed, &f->value));
        else if (f->outer >= 0)
            EK_TRY(ek__value_new(b, dtype, shape, EK_HOME_OUTER, f->outer, &f->value));
        else if (f->variable >= 0 && !f->snapshot)
            EK_TRY(variable_value(b, f->variable, &f->value));
        else
            return EK_FAIL(b->err, INTERNAL, "a tensor is used before it is computed");
    }
    *out = f->value;
    return EK_OK;
}

/* ---- ops --------------------------------------------------------------------------------------- */

ek_status ek__op_new(ek_builder *b, ek_lowered_kind kind, const ek_node *n, int32_t n_in, int32_t n_out,
                        ek_lowered **out)
{
    ek_lowered *op;
    ek_port *ports = ek__arena_alloc(&b->scratch, sizeof *ports * (size_t)(n_in + n_out + 1), _Alignof(ek_port));
    const ek_node **covers = ek__arena_alloc(b->arena, sizeof *covers, sizeof *covers);

    if (ports == NULL || covers == NULL || !EK_GROW(b->op, b->cap_ops, b->n_ops + 1)) return ek__plan_no_memory(b->err);
    covers[0] = n;
    op = &b->op[b->n_ops];
    *op = (ek_lowered){ .kind = kind,
                        .node = n,
                        .n_in = n_in,
                        .n_out = n_out,
                        .cap_in = n_in,
                        .in = ports,
                        .out = ports + n_in,
                        .n_covers = 1,
                        .cap_covers = 1,
                        .covers = covers };
    *out = op;
    return EK_OK;
}

/* A copy of a variable as it is now, which `alias` drops where nobody writes while it is needed. */
static ek_status add_snapshot(ek_builder *b, const ek_node *n, int32_t variable, const ek_shape *shape, int32_t fetch,
                              int32_t *value)
{
    const ek_plan_variable *v = &b->plan->variable[variable];
    const ek_dtype dtype = v->is_resource ? n->out_dtype[0] : ek_dtype_base(v->node->out_dtype[0]);
    ek_lowered *op;

    if (dtype != v->slot->dtype)
        return EK_FAIL(b->err, INVALID_ARGUMENT, "Trying to read variable with wrong dtype. Expected %s got %s",
                       ek_dtype_cc_name(v->slot->dtype), ek_dtype_cc_name(dtype));
    EK_TRY(ek__check_add(b, (ek_plan_check){ .step = b->n_ops, .variable = variable, .node = n, .fetch = fetch,
                                             .whole_read = v->is_resource }));
    EK_TRY(ek__op_new(b, EK_LOWERED_SNAPSHOT, n, 1, 1, &op));
    op->pinned = true;
    op->in[0] = (ek_port){ .dtype = dtype, .shape = shape };
    EK_TRY(variable_value(b, variable, &op->in[0].value));
    EK_TRY(ek__value_new(b, dtype, shape, EK_HOME_BLOCK, 0, value));
    b->value[*value].variable = variable;
    op->out[0] = (ek_port){ *value, dtype, shape };
    b->n_ops++;
    return EK_OK;
}

bool ek__prepare_ctx_fill(ek_builder *b, const ek_lowered *op, ek_prepare_ctx *c)
{
    const ek_node *n = op->node;
    const int32_t n_in = op->from != NULL ? op->n_in : n->n_in;

    for (int i = 0; i < n_in; i++) {
        const int32_t k = op->from != NULL ? op->from[i] : i;
        const ek_array *known = b->facts->constant[ek__out_at(b->program, n->in[k])];

        ek__shape_set(&b->in_shape[i], op->in[i].shape);
        b->in_dtype[i] = op->in[i].dtype;
        if (known == NULL && ek__value_decides(n, k)) known = ek__steer(b, n->in[k]);
        b->in_value[i] = known;
    }
    for (int k = 0; k < n->n_out; k++) {
        ek__shape_set(&b->out_shape[k], op->out[k].shape);
        b->out_dtype[k] = op->out[k].dtype;
    }
    *c = (ek_prepare_ctx){ .def = n->spec->def, .attrs = n->attrs, .n_in = n_in, .n_out = n->n_out,
                           .in = b->in_shape, .out = b->out_shape, .in_dtype = b->in_dtype, .out_dtype = b->out_dtype,
                           .in_value = b->in_value, .arena = b->arena, .deterministic = b->host->deterministic,
                           .one_thread = b->host->one_thread, .err = b->err };
    return true;
}

ek_status ek__try_chain(ek_builder *b, ek_lowered *op)
{
    const ek_node *n = op->node;
    const int64_t count = n->n_out == 1 ? ek_shape_count(op->out[0].shape) : 0;
    const void *state = NULL;
    ek_prepare_ctx c;
    ek_link *link;

    if (n->spec->def->elementwise == NULL || count == 0 || op->n_in > EK_LINK_MAX_IN || op->variable != NULL)
        return EK_OK;
    for (int i = 0; i < op->n_in; i++) {
        const int64_t in = ek_shape_count(op->in[i].shape);

        if (op->in[i].dtype == EK_STRING || (in != count && in != 1)) return EK_OK;
    }
    if (op->out[0].dtype == EK_STRING || !ek__prepare_ctx_fill(b, op, &c)) return EK_OK;
    const ek_elementwise_fn fn = n->spec->def->elementwise(&c, &state);
    if (fn == NULL) return b->err->code;
    link = ek__arena_calloc(&b->scratch, 1, sizeof *link);
    if (link == NULL) return ek__plan_no_memory(b->err);
    *link = (ek_link){ .fn = fn, .state = state, .n_in = op->n_in, .out = 0, .value = op->out[0].value,
                       .dtype = op->out[0].dtype };
    for (int i = 0; i < op->n_in; i++) {
        link->in[i] = -1 - i;
        link->step[i] = ek_shape_count(op->in[i].shape) == count;
    }
    op->kind = EK_LOWERED_CHAIN;
    op->count = count;
    op->n_links = op->cap_links = 1;
    op->link = link;
    b->value[link->value].link = 0;
    return EK_OK;
}

ek_status ek__lower_input(ek_builder *b, ek_lowered *op, const ek_node *n, int32_t i, ek_port *in)
{
    in->dtype = ek_dtype_base(n->in_dtype[i]);
    in->shape = ek__input_shape(b, n, i, b->now);
    EK_TRY(ek__value_of(b, ek__out_at(b->program, n->in[i]), in->dtype, &in->value));
    if (b->value[in->value].place.home == EK_HOME_VARIABLE) op->pinned = true;
    return EK_OK;
}

/* A sum some of whose terms a half makes up for by one. */
static ek_status lower_terms(ek_builder *b, ek_lowered *op)
{
    const ek_node *n = op->node;
    int32_t *from = ek__arena_alloc(&b->scratch, sizeof *from * (size_t)n->n_in, sizeof *from);

    if (from == NULL) return ek__plan_no_memory(b->err);
    op->n_in = 0;
    for (int32_t i = 0; i < n->n_in; i++) {
        ek_half *half;
        const int term = ek__half_term(b, n, i, &half);
        ek_port *in = &op->in[op->n_in];

        if (term == 1) continue;
        from[op->n_in++] = i;
        EK_TRY(term == 0 ? ek__lower_input(b, op, n, i, in) : EK_OK);
        if (term == 2)
            *in = (ek_port){ half->value[EK_HALF_DX], half->dtype, ek__input_shape(b, n, i, b->now) };
    }
    op->from = from;
    return EK_OK;
}

ek_status ek__lower_inputs(ek_builder *b, ek_lowered *op)
{
    const ek_node *n = op->node;

    if (b->summand != NULL && b->summand[n->id] != 0) return lower_terms(b, op);
    for (int i = 0; i < n->n_in; i++) {
        const int32_t v = ek__variable_of_input(b, n, i);

        EK_TRY(ek__lower_input(b, op, n, i, &op->in[i]));
        if (v < 0) continue;
        if (op->variable == NULL) {
            op->variable = ek__arena_alloc(b->arena, sizeof(int32_t) * (size_t)op->n_in, sizeof(int32_t));
            if (op->variable == NULL) return ek__plan_no_memory(b->err);
            for (int j = 0; j < op->n_in; j++) op->variable[j] = -1;
        }
        op->variable[i] = v;
    }
    return EK_OK;
}

static ek_status lower_outputs(ek_builder *b, ek_lowered *op)
{
    const ek_node *n = op->node;
    const int32_t out = b->program->first_out[n->id];

    for (int k = 0; k < n->n_out; k++) {
        ek_port *port = &op->out[k];
        ek_fact *f = &b->facts->fact[out + k];
        const bool refers = ek__bit(n->spec->def->ref_output, k) && f->variable >= 0;

        port->dtype = ek_dtype_base(n->out_dtype[k]);
        port->shape = &b->facts->shape[out + k];
        if (f->feed >= 0) port->shape = f->own;
        if (refers) {
            EK_TRY(variable_value(b, f->variable, &port->value));
        } else if (port->dtype == EK_RESOURCE || port->dtype == EK_VARIANT) {
            return EK_FAIL(b->err, UNIMPLEMENTED, "resources come from variables only, not from a %s", n->type);
        } else {
            EK_TRY(ek__value_new(b, port->dtype, port->shape, EK_HOME_BLOCK, 0, &port->value));
        }
        if (f->feed < 0 && b->facts->constant[out + k] == NULL && !ek__half_gave(b, out + k)) f->value = port->value;
    }
    return EK_OK;
}

/* The variables that the op just made writes, and their shapes from now on. */
static ek_status note_written(ek_builder *b, const ek_node *n)
{
    ek_lowered *op = &b->op[b->n_ops - 1];

    op->written = EK_ARENA_NEW(b->arena, int32_t, n->n_in + 1);
    op->written_shape = EK_ARENA_NEW(b->arena, const ek_shape *, n->n_in + 1);
    if (op->written == NULL || op->written_shape == NULL) return ek__plan_no_memory(b->err);
    for (int i = 0; i < n->n_in && i < 32; i++) {
        if (!ek__bit(n->spec->def->writes, i)) continue;
        const int32_t v = op->variable[i];
        const ek_shape *before = b->plan->variable[v].shape, *now = b->now[v];

        if (now != NULL && before != NULL && ek_shape_equal(before, now))
            now = before;
        else if (now != NULL && (now = ek__arena_memdup(b->arena, now, sizeof *now)) == NULL)
            return ek__plan_no_memory(b->err);
        op->written_shape[op->n_written] = now;
        op->written[op->n_written++] = v;
    }
    return EK_OK;
}

static ek_status lower_op(ek_builder *b, const ek_node *n)
{
    const ek_op_def *d = n->spec->def;
    ek_lowered *op;

    for (int i = 0; i < n->n_in && i < 32; i++)
        if (ek__bit(d->writes | d->reads, i) && ek__variable_of_input(b, n, i) < 0)
            return EK_FAIL(b->err, INVALID_ARGUMENT, "input %d of '%s' must be a variable", i, n->name);
    EK_TRY(ek__op_new(b, EK_LOWERED_OP, n, n->n_in, n->n_out, &op));
    op->pinned = ek__is_effect(n);
    EK_TRY(ek__lower_inputs(b, op));
    EK_TRY(lower_outputs(b, op));
    if (!d->sums) EK_TRY(ek__try_chain(b, op)); /* a sum's terms are not settled yet */
    b->n_ops++;
    if (d->writes == 0) return EK_OK;
    ek__variables_written(b, n, b->now);
    return note_written(b, n);
}

ek_status ek__check_input(ek_builder *b, const ek_node *n, int32_t i)
{
    const int32_t at = ek__out_at(b->program, n->in[i]);
    const ek_fact *f = &b->facts->fact[at];

    if (f->feed >= 0 || f->variable < 0 || f->snapshot || n->in_dtype[i] == EK_RESOURCE) return EK_OK;
    if (b->facts->constant[at] != NULL || ek__bit(n->spec->def->accepts_uninitialized, i)) return EK_OK;
    return ek__check_add(b, (ek_plan_check){ .step = b->n_ops, .variable = f->variable, .node = n, .fetch = -1 });
}

static ek_status add_checks(ek_builder *b, const ek_node *n)
{
    for (int i = 0; i < n->n_in; i++) EK_TRY(ek__check_input(b, n, i));
    return EK_OK;
}

/* Output `to` of a node is what its input `from` is. */
static ek_status pass_on(ek_builder *b, const ek_node *n, int32_t from, int32_t k)
{
    const int32_t to = b->program->first_out[n->id] + k;
    ek_fact *f = &b->facts->fact[to];

    if (f->feed >= 0 || f->dead || b->facts->constant[to] != NULL || ek__half_gave(b, to)) return EK_OK;
    return ek__value_of(b, ek__out_at(b->program, n->in[from]), ek_dtype_base(n->in_dtype[from]), &f->value);
}

/* Whether output 0 is input 0 under its own shape or another. The memory of a variable is passed on by ops alone that are
 * known for it before shapes are (Reshape). */
static bool is_alias(const ek_builder *b, const ek_node *n)
{
    const ek_op_def *d = n->spec->def;

    if (n->n_out != 1 || n->n_in == 0) return false;
    if (d->alias_data || !d->alias_whole) return d->alias_data;
    const ek_fact *in = &b->facts->fact[ek__out_at(b->program, n->in[0])], *out = &b->facts->fact[b->program->first_out[n->id]];
    if (in->variable >= 0 && !in->snapshot) return false;
    const ek_shape *shape = out->feed >= 0 ? out->own : &b->facts->shape[b->program->first_out[n->id]];
    return ek_shape_count(ek__input_shape(b, n, 0, b->now)) == ek_shape_count(shape);
}

static ek_status lower_node(ek_builder *b, const ek_node *n, const uint8_t *need)
{
    const ek_op_def *d = n->spec->def;
    const int32_t out = b->program->first_out[n->id];

    if (!node_wanted(b, n, need)) return EK_OK;
    EK_TRY(add_checks(b, n));
    switch (d->kind) {
    case EK_KIND_SOURCE: return EK_OK;
    case EK_KIND_SWITCH: return pass_on(b, n, 0, b->facts->taken[n->id]);
    case EK_KIND_MERGE: {
        int32_t taken = 0;

        while (b->facts->fact[ek__out_at(b->program, n->in[taken])].dead) taken++;
        return pass_on(b, n, taken, 0);
    }
    case EK_KIND_ALIAS:
        for (int32_t k = 0; k < n->n_out && k < n->n_in; k++) EK_TRY(pass_on(b, n, k, k));
        return EK_OK;
    default: break;
    }
    if (d->snapshot && b->facts->fact[out].variable >= 0)
        return add_snapshot(b, n, b->facts->fact[out].variable, &b->facts->shape[out], -1, &b->facts->fact[out].value);
    if (is_alias(b, n)) return pass_on(b, n, 0, 0);
    if (n->n_out == 0 && d->kind == EK_KIND_PURE) return EK_OK;
    return lower_op(b, n);
}

/* ---- fetches --------------------------------------------------------------------------------------- */

/* Right after the node: a variable's memory is copied as it is now. */
ek_status ek__lower_fetches(ek_builder *b, const ek_node *n)
{
    const ek_program *p = b->program;

    if ((p->mark[n->id] & EK_MARK_FETCHED) == 0) return EK_OK;
    for (int32_t k = 0; k < p->n_fetches; k++) {
        const int32_t at = ek__out_at(p, p->fetch[k]);
        ek_fact *f = &b->facts->fact[at];

        if (p->fetch[k].node != n->id || f->feed >= 0) continue;
        if (ek__half_for(b, at, INT32_MAX) != NULL && !ek__half_gave(b, at)) continue; /* the half comes later */
        if (f->dead) {
            if (b->plan->dead_fetch < 0) b->plan->dead_fetch = k;
            continue;
        }
        if (f->variable >= 0 && !f->snapshot && b->facts->constant[at] == NULL) {
            EK_TRY(add_snapshot(b, n, f->variable,
                                ek_shape_is_known(&b->facts->shape[at]) ? &b->facts->shape[at] : &EK_SCALAR, k,
                                &b->fetch_value[k]));
        } else {
            EK_TRY(ek__value_of(b, at, ek_dtype_base(n->out_dtype[p->fetch[k].index]), &b->fetch_value[k]));
        }
        b->value[b->fetch_value[k]].keep = true;
    }
    return EK_OK;
}

/* Fed tensors that are fetched come back as they are. */
static ek_status lower_fed_fetches(ek_builder *b)
{
    const ek_program *p = b->program;

    for (int32_t k = 0; k < p->n_fetches; k++) {
        const int32_t at = ek__out_at(p, p->fetch[k]);

        if (b->facts->fact[at].feed < 0 || b->plan->outer != NULL) continue;
        EK_TRY(ek__value_of(b, at, ek_dtype_base(ek__at(p, p->fetch[k].node)->out_dtype[p->fetch[k].index]),
                        &b->fetch_value[k]));
    }
    return EK_OK;
}

/* Values that a tail uses stay to the end; the node at the split needs all its inputs to say how it goes on. */
static ek_status keep_for_tail(ek_builder *b)
{
    const ek_program *p = b->program;

    if (b->plan->split != NULL) {
        const ek_node *n = b->plan->split->node;

        for (int32_t i = b->plan->split->kind == EK_SPLIT_BRANCH; i < n->n_in; i++) {
            int32_t v;

            EK_TRY(ek__value_of(b, ek__out_at(p, n->in[i]), ek_dtype_base(n->in_dtype[i]), &v));
        }
        EK_TRY(add_checks(b, n));
    }
    for (int32_t k = b->end; k < p->n_order; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        for (int32_t i = 0; i < n->n_in; i++) {
            const int32_t at = ek__out_at(p, n->in[i]);
            const ek_fact *f = &b->facts->fact[at];
            int32_t v = f->value;

            /* What this region only hands on is a value of it all the same. */
            if (v < 0 && f->outer >= 0) EK_TRY(ek__value_of(b, at, ek_dtype_base(n->in_dtype[i]), &v));
            if (v >= 0) b->value[v].keep = true;
        }
    }
    return EK_OK;
}

ek_status ek__pass_lower(ek_builder *b)
{
    const ek_program *p = b->program;
    const int32_t n_vars = b->plan->n_variables;
    uint8_t *need = ek__arena_calloc(&b->scratch, (size_t)p->n_outs + 1, 1);
    int32_t half = 0;

    b->fetch_value = ek__arena_alloc(&b->scratch, sizeof(int32_t) * (size_t)(p->n_fetches + 1), sizeof(int32_t));
    b->variable_value = ek__arena_alloc(&b->scratch, sizeof(int32_t) * (size_t)(n_vars + 1), sizeof(int32_t));
    /* About as many as there will be, so that growing copies little. */
    if (!EK_GROW(b->op, b->cap_ops, b->end - b->begin + 1) || !EK_GROW(b->value, b->cap_values, b->end - b->begin + 64))
        return ek__plan_no_memory(b->err);
    if (need == NULL || b->fetch_value == NULL || b->variable_value == NULL) return ek__plan_no_memory(b->err);
    for (int32_t k = 0; k < p->n_fetches; k++) b->fetch_value[k] = -1;
    for (int32_t v = 0; v < n_vars; v++) {
        b->variable_value[v] = -1;
        b->now[v] = b->plan->variable[v].shape;
    }
    find_needs(b, need);
    EK_TRY(lower_fed_fetches(b));
    for (int32_t k = b->begin; k < b->end; k++) {
        const ek_node *n = ek__at(p, p->order[k]);

        for (; half < b->n_halves && b->half[half].place == k; half++) EK_TRY(ek__half_lower(b, &b->half[half]));
        if (lower_node(b, n, need) != EK_OK || ek__lower_fetches(b, n) != EK_OK) {
            ek__fail_at(b->err, n->name);
            return b->err->code;
        }
    }
    for (; half < b->n_halves; half++) EK_TRY(ek__half_lower(b, &b->half[half]));
    return keep_for_tail(b);
}
