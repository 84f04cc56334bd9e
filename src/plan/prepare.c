/* plan/prepare.c - from lowered ops to the steps that run: every op is prepared for its shapes, every operand gets an
 * entry in the table of pointers.
 */
#include "plan/ir.h"

/* ---- snapshots ----------------------------------------------------------------------------- */

typedef struct copy {
    ek_dtype dtype;
    int64_t count;
} copy;

static ek_status copy_run(const ek_run_args *a, int64_t chunk)
{
    const copy *c = a->state;
    const ek_string *from = a->in[0];
    ek_string *to = a->out[0];

    EK_UNUSED(chunk);
    if (c->dtype != EK_STRING) {
        memcpy(a->out[0], a->in[0], (size_t)c->count * ek_dtype_size(c->dtype));
        return EK_OK;
    }
    for (int64_t i = 0; i < c->count; i++)
        if (!ek__string_set(&to[i], from[i].data, from[i].size)) return ek__plan_no_memory(a->err);
    return EK_OK;
}

static ek_status snapshot_prepare(ek_builder *b, const ek_lowered *op, ek_step *step)
{
    copy *c = ek__arena_alloc(b->arena, sizeof *c, _Alignof(copy));

    if (c == NULL) return ek__plan_no_memory(b->err);
    *c = (copy){ op->out[0].dtype, ek_shape_count(op->out[0].shape) };
    step->state = c;
    step->n_phases = 1;
    step->phase[0] = (ek_phase){ copy_run, 1 };
    return EK_OK;
}

/* ---- ops with a prepare of their own ------------------------------------------------------------ */

/* The vectors of what follows a linear op are inputs behind its own. */
static void add_after(ek_builder *b, const ek_lowered *op, ek_prepare_ctx *c)
{
    for (int32_t i = op->node->n_in; i < op->n_in; i++) {
        const ek_place *p = &b->value[op->in[i].value].place;

        ek__shape_set(&b->in_shape[i], op->in[i].shape);
        b->in_dtype[i] = op->in[i].dtype;
        b->in_value[i] = p->home == EK_HOME_CONSTANT ? b->plan->constant[p->index] : NULL;
    }
    c->n_in = op->n_in;
}

ek_status ek__op_prepare(ek_builder *b, const ek_lowered *op, const ek_then *then, ek_step *step, ek_prepare_ctx *c)
{
    const ek_node *n = op->node;
    const bool half = op->kind == EK_LOWERED_HALF;

    if (half)
        *c = ek__half_ctx(b, op);
    else if (!ek__prepare_ctx_fill(b, op, c))
        return ek__plan_no_memory(b->err);
    if (then != NULL) c->then = *then;
    if (!half && n->spec->def->prepare == NULL)
        return EK_FAIL(b->err, UNIMPLEMENTED, "%s has no kernel for these types", n->type);
    if (op->after != NULL) add_after(b, op, c);
    const ek_status st = half                ? ek__half_prepare(op, c)
                         : op->after != NULL ? n->spec->def->prepare_after(c, op->after)
                                             : n->spec->def->prepare(c);
    if (st != EK_OK) return EK_FAIL(b->err, INTERNAL, "%s could not be prepared", n->type);
    step->state = c->state;
    for (int i = 0; i < c->n_phases; i++)
        if (c->phase[i].chunks > 0) step->phase[step->n_phases++] = c->phase[i];
    return EK_OK;
}

/* Slots of the variables behind the inputs. */
static ek_status bind_variables(ek_builder *b, const ek_lowered *op, ek_step *step)
{
    ek_slot **slot;

    if (op->kind != EK_LOWERED_OP || op->variable == NULL) return EK_OK;
    slot = ek__arena_calloc(b->arena, (size_t)op->n_in, sizeof *slot);
    if (slot == NULL) return ek__plan_no_memory(b->err);
    for (int32_t i = 0; i < op->n_in; i++)
        if (op->variable[i] >= 0) slot[i] = b->plan->variable[op->variable[i]].slot;
    step->slot = slot;
    return EK_OK;
}

static ek_status bind_state(ek_builder *b, const ek_lowered *op, ek_step *step)
{
    const size_t bytes = op->node->spec->def->op_state_bytes;

    if (op->kind != EK_LOWERED_OP || bytes == 0) return EK_OK;
    b->plan->exclusive = true;
    return b->host->op_state(b->host->self, op->node, bytes, &step->op_state, b->err);
}

/* ---- pointers --------------------------------------------------------------------------------------- */

static ek_status add_pointers(ek_builder *b, const ek_lowered *op, ek_step *step)
{
    ek_plan *p = b->plan;
    ek_dtype *dtype = ek__arena_alloc(b->arena, sizeof *dtype * (size_t)(op->n_out + 1), sizeof *dtype);
    int64_t *count = ek__arena_alloc(b->arena, sizeof *count * (size_t)(op->n_out + 1), sizeof *count);

    if (dtype == NULL || count == NULL) return ek__plan_no_memory(b->err);
    step->first_pointer = p->n_pointers;
    step->n_in = op->n_in;
    step->n_out = op->n_out;
    for (int32_t i = 0; i < op->n_in; i++) p->pointer[p->n_pointers++] = b->value[op->in[i].value].place;
    for (int32_t o = 0; o < op->n_out; o++) {
        p->pointer[p->n_pointers++] = b->value[op->out[o].value].place;
        dtype[o] = op->out[o].dtype;
        count[o] = ek_shape_count(op->out[o].shape);
    }
    step->out_dtype = dtype;
    step->out_count = count;
    return EK_OK;
}

/* Entries of one home, by index. */
static ek_status collect_patches(ek_builder *b, ek_home home, int32_t n, ek_patch **out)
{
    const ek_plan *p = b->plan;
    ek_patch *patch = EK_ARENA_NEW(b->arena, ek_patch, n + 1);
    int32_t total = 0;

    if (patch == NULL) return ek__plan_no_memory(b->err);
    for (int32_t e = 0; e < p->n_pointers; e++) {
        if (p->pointer[e].home != home) continue;
        patch[p->pointer[e].index].n++;
        total++;
    }
    int32_t *entry = ek__arena_alloc(b->arena, sizeof *entry * (size_t)(total + 1), sizeof *entry);
    if (entry == NULL) return ek__plan_no_memory(b->err);
    for (int32_t i = 0, at = 0; i < n; at += patch[i].n, patch[i].n = 0, i++) patch[i].entry = entry + at;
    for (int32_t e = 0; e < p->n_pointers; e++) {
        ek_patch *to = &patch[p->pointer[e].index];

        if (p->pointer[e].home == home) entry[to->entry - entry + to->n++] = e;
    }
    *out = patch;
    return EK_OK;
}

/* ---- the pass ----------------------------------------------------------------------------------------- */

static ek_status prepare_op(ek_builder *b, const ek_lowered *op, ek_step *step)
{
    ek_prepare_ctx c = { .scratch_bytes = 0 };

    switch (op->kind) {
    case EK_LOWERED_CHAIN: EK_TRY(ek__chain_prepare(b, op, step)); break;
    case EK_LOWERED_SCALE: ek__scale_prepare(op, step); break;
    case EK_LOWERED_SNAPSHOT: EK_TRY(snapshot_prepare(b, op, step)); break;
    case EK_LOWERED_JOINED: EK_TRY(ek__joined_prepare(b, op, step)); break;
    default: EK_TRY(ek__op_prepare(b, op, NULL, step, &c)); break;
    }
    if (c.scratch_bytes > b->plan->scratch_bytes) b->plan->scratch_bytes = c.scratch_bytes;
    EK_TRY(bind_variables(b, op, step));
    EK_TRY(bind_state(b, op, step));
    EK_TRY(add_pointers(b, op, step));
    step->n_written = op->n_written;
    step->written = op->written;
    step->written_shape = op->written_shape;
    step->covers = op->covers;
    step->n_covers = op->n_covers;
    return EK_OK;
}

static ek_status make_room(ek_builder *b)
{
    ek_plan *p = b->plan;
    int64_t pointers = 0;
    int32_t steps = 0;

    for (int32_t k = 0; k < b->n_ops; k++) {
        if (b->op[k].kind == EK_LOWERED_GONE) continue;
        steps++;
        pointers += b->op[k].n_in + b->op[k].n_out;
    }
    if (pointers > INT32_MAX) return EK_FAIL(b->err, RESOURCE_EXHAUSTED, "a run with more than 2^31 operands");
    p->step = EK_ARENA_NEW(b->arena, ek_step, steps + 1);
    p->single = EK_ARENA_NEW(b->arena, ek_run_fn, steps + 1);
    p->pointer = EK_ARENA_NEW(b->arena, ek_place, pointers + 1);
    return p->step != NULL && p->single != NULL && p->pointer != NULL ? EK_OK : ek__plan_no_memory(b->err);
}

static ek_status list_fetches(ek_builder *b)
{
    const ek_program *pr = b->program;
    ek_plan *p = b->plan;

    p->fetched = EK_ARENA_NEW(b->arena, ek_fetched, pr->n_fetches + 1);
    if (p->fetched == NULL) return ek__plan_no_memory(b->err);
    for (int32_t k = 0; k < pr->n_fetches; k++) {
        const ek_edge e = pr->fetch[k];
        const int32_t at = ek__out_at(pr, e);

        if (b->fetch_value[k] < 0) continue;
        const ek_shape *shape = ek__arena_memdup(b->arena, &b->facts->shape[at], sizeof *shape);
        if (shape == NULL) return ek__plan_no_memory(b->err);
        p->fetched[p->n_fetched++] = (ek_fetched){ k, b->value[b->fetch_value[k]].place,
                                                   ek_dtype_base(ek__at(pr, e.node)->out_dtype[e.index]), shape,
                                                   ek_shape_count(shape) };
    }
    return EK_OK;
}

/* Where the inputs of the node at the split are, and everything else that a tail may need. */
static ek_status fill_split(ek_builder *b)
{
    ek_plan *p = b->plan;
    ek_split *s = p->split;

    p->value_place = ek__arena_alloc(b->arena, sizeof *p->value_place * (size_t)(b->n_values + 1), _Alignof(ek_place));
    if (p->value_place == NULL) return ek__plan_no_memory(b->err);
    p->n_values = b->n_values;
    for (int32_t v = 0; v < b->n_values; v++) p->value_place[v] = b->value[v].place;
    return ek__split_fill(b, s);
}

ek_status ek__pass_prepare(ek_builder *b)
{
    ek_plan *p = b->plan;
    int32_t check = 0;

    EK_TRY(make_room(b));
    for (int32_t k = 0; k <= b->n_ops; k++) {
        for (; check < p->n_checks && p->check[check].step <= k; check++) p->check[check].step = p->n_steps;
        if (k == b->n_ops || b->op[k].kind == EK_LOWERED_GONE) continue;
        ek_step *step = &p->step[p->n_steps];
        if (prepare_op(b, &b->op[k], step) != EK_OK) {
            ek__fail_at(b->err, b->op[k].node->name);
            return b->err->code;
        }
        if (step->n_phases == 0) { /* nothing to do: no elements */
            p->n_pointers = step->first_pointer;
            *step = (ek_step){ 0 };
            continue;
        }
        if (step->n_written > 0) p->exclusive = true;
        if (step->n_phases == 1 && step->phase[0].chunks == 1 && step->n_written == 0)
            p->single[p->n_steps] = step->phase[0].run;
        p->n_steps++;
    }
    EK_TRY(collect_patches(b, EK_HOME_FEED, b->program->n_feeds, &p->feed_patch));
    EK_TRY(collect_patches(b, EK_HOME_VARIABLE, p->n_variables, &p->variable_patch));
    EK_TRY(collect_patches(b, EK_HOME_OUTER, p->n_outer, &p->outer_patch));
    EK_TRY(list_fetches(b));
    return p->split != NULL ? fill_split(b) : EK_OK;
}
