/* plan/split.c - how a region goes on in a tail: what was found out so far, seen from the next plan.
 */
#include "plan/ir.h"

/* Each tail knows of every tensor: facts of all tails of a root together, some 200 bytes each. */
enum { MOST_FACTS = 1 << 24 };

ek_status ek__facts_new(ek_builder *b, ek_facts **out)
{
    const ek_program *p = b->program;
    ek_facts *f = ek__calloc(1, sizeof *f);

    if (f == NULL) return ek__plan_no_memory(b->err);
    *out = f;
    f->shape = EK_ARENA_NEW(&f->arena, ek_shape, p->n_outs + 1);
    f->constant = EK_ARENA_NEW(&f->arena, ek_array *, p->n_outs + 1);
    f->fed = EK_ARENA_NEW(&f->arena, uint8_t, p->n_outs + 1);
    f->fact = EK_ARENA_NEW(&f->arena, ek_fact, p->n_outs + 1);
    f->taken = EK_ARENA_NEW(&f->arena, int8_t, p->n_nodes + 1);
    f->node_dead = EK_ARENA_NEW(&f->arena, uint8_t, p->n_nodes + 1);
    if (f->shape == NULL || f->constant == NULL || f->fed == NULL || f->fact == NULL || f->taken == NULL ||
        f->node_dead == NULL)
        return ek__plan_no_memory(b->err);
    f->view = (ek_view){ .graph = p->graph, .n_nodes = p->n_nodes, .live = p->live, .first_out = p->first_out,
                         .fed = f->fed, .shape = f->shape, .constant = f->constant, .taken = f->taken };
    return EK_OK;
}

void ek__facts_destroy(ek_facts *f)
{
    if (f == NULL) return;
    ek__arena_fini(&f->arena);
    ek__free(f);
}

ek_status ek__split_fill(ek_builder *b, ek_split *s)
{
    const ek_node *n = s->node;
    ek_place *in = EK_ARENA_NEW(b->arena, ek_place, n->n_in + 1);
    const ek_shape **shape = EK_ARENA_NEW(b->arena, const ek_shape *, n->n_in + 1);

    if (in == NULL || shape == NULL) return ek__plan_no_memory(b->err);
    for (int32_t i = s->kind == EK_SPLIT_BRANCH; i < n->n_in; i++) {
        const int32_t at = ek__out_at(b->program, n->in[i]);
        const ek_place place = b->value[b->facts->fact[at].value].place;

        in[i] = place;
        shape[i] = place.home == EK_HOME_VARIABLE && !b->facts->fact[at].reshaped ? NULL : &b->facts->shape[at];
    }
    s->in = in;
    s->in_shape = shape;
    return EK_OK;
}

/* ---- entering a tail ------------------------------------------------------------------------- */

static ek_status enter_variables(ek_builder *b, const ek_plan *head)
{
    ek_plan *p = b->plan;

    if (!EK_GROW(p->variable, b->cap_variables, head->n_variables) || !EK_GROW(b->now, b->cap_now, head->n_variables))
        return ek__plan_no_memory(b->err);
    for (int32_t v = 0; v < head->n_variables; v++) {
        ek_plan_variable *to = &p->variable[v];
        const ek_slot *slot = head->variable[v].slot;
        ek_slot **key = ek__arena_memdup(&b->scratch, &head->variable[v].slot, sizeof *key);

        *to = head->variable[v];
        to->written = false;
        to->shape = head->variable[v].last_shape;
        if (slot->value != NULL) {
            to->shape = ek__arena_memdup(b->arena, &slot->value->shape, sizeof(ek_shape));
            if (to->shape == NULL) return ek__plan_no_memory(b->err);
        }
        to->last_shape = b->now[v] = to->shape;
        if (key == NULL || !ek__map_put(&b->variable_of, (const char *)key, sizeof *key, v))
            return ek__plan_no_memory(b->err);
        p->n_variables++;
    }
    return EK_OK;
}

static ek_status outer_value(ek_builder *b, const ek_plan *head, int32_t value, int32_t *seen, ek_fact *f)
{
    ek_plan *p = b->plan;

    if (seen[value] < 0) {
        if (!EK_GROW(p->outer_place, b->cap_outer, p->n_outer + 1)) return ek__plan_no_memory(b->err);
        p->outer_place[p->n_outer] = head->value_place[value];
        seen[value] = p->n_outer++;
    }
    f->outer = seen[value];
    return EK_OK;
}

/* Values of the head, as the tail gets at them. */
static ek_status enter_values(ek_builder *b, const ek_plan *head, int32_t n_values)
{
    int32_t *seen = ek__arena_alloc(&b->scratch, sizeof *seen * (size_t)(n_values + 1), sizeof *seen);

    if (seen == NULL) return ek__plan_no_memory(b->err);
    for (int32_t v = 0; v < n_values; v++) seen[v] = -1;
    for (int32_t at = 0; at < b->program->n_outs; at++) {
        ek_fact *f = &b->facts->fact[at];
        const int32_t value = f->value;

        f->value = -1;
        f->outer = -1;
        if (value < 0 || b->facts->constant[at] != NULL) continue;
        const ek_place *place = &head->value_place[value];
        switch (place->home) {
        case EK_HOME_FEED: f->feed = place->index; break; /* an Identity of a feed, say */
        case EK_HOME_CONSTANT: b->facts->constant[at] = head->constant[place->index]; break;
        case EK_HOME_VARIABLE: /* an unwritten snapshot is the memory itself, and nobody will write */
            f->variable = place->index;
            f->snapshot = false;
            break;
        default: EK_TRY(outer_value(b, head, value, seen, f)); break;
        }
        if (f->outer >= 0) f->variable = -1;
    }
    return EK_OK;
}

static ek_status set_constant(ek_builder *b, ek_edge e, const ek_array *value)
{
    ek_array *copy = NULL;

    if (b->facts->constant[ek__out_at(b->program, e)] != NULL) return EK_OK;
    EK_TRY(ek__array_new(value->dtype, &value->shape, value->data, &copy, b->err));
    EK_TRY(ek__own(b, copy));
    b->facts->constant[ek__out_at(b->program, e)] = copy;
    return EK_OK;
}

/* What the run found at the split holds for the whole tail. */
static ek_status enter_outcome(ek_builder *b, const ek_plan *head)
{
    const ek_node *n = head->split->node;

    if (head->split->kind == EK_SPLIT_BRANCH) {
        const bool taken = b->outcome->branch != 0;
        const ek_array value = { .dtype = EK_BOOL, .count = 1, .data = (void *)(uintptr_t)&taken };

        return set_constant(b, n->in[1], &value);
    }
    for (int i = 0; i < n->n_in; i++)
        if (ek__value_decides(n, i)) EK_TRY(set_constant(b, n->in[i], b->outcome->in[i]));
    return EK_OK;
}

/* Tails that rest are let go at EK_MAX_ALL_TAILS; many more are one run's, each inside the one before. */
static ek_status believed(const ek_builder *b, const ek_plan *head)
{
    const int n = atomic_load(&head->root->n_tails);

    if (n <= 2 * EK_MAX_ALL_TAILS || (int64_t)n * b->program->n_outs <= MOST_FACTS) return EK_OK;
    (void)EK_FAIL(b->err, RESOURCE_EXHAUSTED,
                  "shapes or branches follow from data at more than %d places, one after another, in a run of %d tensors", n - 1,
                  b->program->n_outs);
    ek__fail_at(b->err, head->split->node->name);
    return EK_RESOURCE_EXHAUSTED;
}

ek_status ek__split_enter(ek_builder *b, const ek_plan *head)
{
    const ek_program *p = b->program;
    ek_facts *to;

    EK_TRY(believed(b, head));
    EK_TRY(ek__facts_new(b, &b->facts));
    to = b->facts;
    memcpy(to->shape, head->facts->shape, sizeof *to->shape * (size_t)p->n_outs);
    memcpy(to->constant, head->facts->constant, sizeof *to->constant * (size_t)p->n_outs);
    memcpy(to->fed, head->facts->fed, (size_t)p->n_outs);
    memcpy(to->fact, head->facts->fact, sizeof *to->fact * (size_t)p->n_outs);
    memcpy(to->taken, head->facts->taken, (size_t)p->n_nodes);
    memcpy(to->node_dead, head->facts->node_dead, (size_t)p->n_nodes);
    EK_TRY(enter_variables(b, head));
    EK_TRY(enter_values(b, head, head->n_values));
    return enter_outcome(b, head);
}

/* ---- at run time ------------------------------------------------------------------------------- */

ek_status ek__split_shapes(const ek_plan *head, const ek_split_room *room, ek_error *err)
{
    const ek_node *n = head->split->node;
    ek_shape_ctx c = {
        .running = true,
        .def = n->spec->def, .attrs = n->attrs, .n_in = n->n_in, .n_out = n->n_out,
        .in = room->in_shape, .in_dtype = n->in_dtype, .in_value = room->in_value, .in_as_shape = room->in_as_shape,
        .in_handle = room->in_handle, .out_dtype = n->out_dtype, .out = room->out_shape, .out_handle = room->out_handle,
        .err = err,
    };
    ek_status st = EK_OK;

    for (int i = 0; i < n->n_in; i++) {
        room->in_value[i] = &room->in[i];
        room->in_shape[i] = room->in[i].shape;
        ek__as_shape(&room->in[i], &room->in_as_shape[i]);
    }
    for (int k = 0; k < n->n_out; k++) room->out_shape[k] = room->out_handle[k] = EK_UNKNOWN_SHAPE;
    if (n->spec->def->shape != NULL && n->spec->def->shape(&c) != EK_OK)
        st = EK_FAIL(err, INTERNAL, "the shape rule of %s failed without a word", n->type);
    for (int k = 0; k < n->n_out && st == EK_OK; k++) {
        ek_shape both;

        if (!ek_shape_is_known(&room->out_shape[k]) && ek_shape_merge(&room->out_shape[k], &n->out_shape[k], &both))
            room->out_shape[k] = both;
        if (!ek_shape_is_known(&room->out_shape[k]))
            st =
                EK_FAIL(err, UNIMPLEMENTED, "the shape of output %d of %s does not follow from its inputs", k, n->type);
    }
    if (st != EK_OK) ek__fail_at(err, n->name);
    return st;
}
