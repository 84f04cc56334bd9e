/* plan/variable.c - the variables of a plan, and what is known of their shapes while it runs. */
#include "plan/ir.h"

ek_status ek__variable_find(ek_builder *b, const ek_node *source, int32_t *out)
{
    ek_plan *p = b->plan;
    ek_slot *slot = NULL;
    ek_plan_variable *v;
    ek_shape *shape;

    EK_TRY(b->host->variable(b->host->self, source, &slot, b->err));
    const int64_t known = ek__map_get(&b->variable_of, (const char *)&slot, sizeof slot, -1);
    if (known >= 0) {
        *out = (int32_t)known;
        return EK_OK;
    }
    if (!EK_GROW(p->variable, b->cap_variables, p->n_variables + 1) || !EK_GROW(b->now, b->cap_now, p->n_variables + 1))
        return ek__plan_no_memory(b->err);
    ek_slot **key = ek__arena_memdup(&b->scratch, &slot, sizeof slot);
    if (key == NULL || !ek__map_put(&b->variable_of, (const char *)key, sizeof slot, p->n_variables))
        return ek__plan_no_memory(b->err);

    v = &p->variable[p->n_variables];
    *v = (ek_plan_variable){ .slot = slot, .node = source, .is_resource = source->out_dtype[0] == EK_RESOURCE };
    const ek_shape *declared = v->is_resource
                                   ? (source->out_handle != NULL ? &source->out_handle[0] : &EK_UNKNOWN_SHAPE)
                                   : &source->out_shape[0];
    const ek_shape *now = slot->value != NULL ? &slot->value->shape : declared;
    if (ek_shape_is_known(now)) {
        shape = ek__arena_memdup(b->arena, now, sizeof *now);
        if (shape == NULL) return ek__plan_no_memory(b->err);
        v->shape = v->last_shape = shape;
    }
    b->now[p->n_variables] = v->shape;
    *out = p->n_variables++;
    return EK_OK;
}

int32_t ek__variable_of_input(const ek_builder *b, const ek_node *n, int i)
{
    const ek_fact *f = &b->facts->fact[ek__out_at(b->program, n->in[i])];
    const bool refers = ek_dtype_is_ref(n->in_dtype[i]) || n->in_dtype[i] == EK_RESOURCE;

    return refers && f->feed < 0 && !f->snapshot ? f->variable : -1;
}

const ek_shape *ek__input_shape(const ek_builder *b, const ek_node *n, int i, const ek_shape *const *now)
{
    const int32_t at = ek__out_at(b->program, n->in[i]);
    const ek_fact *f = &b->facts->fact[at];

    if (f->feed >= 0 || f->variable < 0 || f->snapshot || f->reshaped || b->facts->constant[at] != NULL ||
        n->in_dtype[i] == EK_RESOURCE)
        return &b->facts->shape[at];
    return now[f->variable] != NULL ? now[f->variable] : &b->facts->shape[at];
}

/* After `n` ran. Called in the order of execution. */
void ek__variables_written(ek_builder *b, const ek_node *n, const ek_shape **now)
{
    const ek_op_def *d = n->spec->def;

    for (int i = 0; i < n->n_in && i < 32; i++) {
        const int32_t v = ek__bit(d->writes, i) ? ek__variable_of_input(b, n, i) : -1;
        const ek_shape *shape = NULL;

        if (v < 0) continue;
        b->plan->variable[v].written = true;
        if (ek__bit(d->ref_output, 0) && i == 0)
            shape = &b->facts->shape[b->program->first_out[n->id]];
        else if (d->assigns && i == 0 && n->n_in > 1)
            shape = ek__input_shape(b, n, 1, now);
        if (shape != NULL) now[v] = ek_shape_is_known(shape) ? shape : NULL;
    }
}

ek_status ek__check_add(ek_builder *b, ek_plan_check check)
{
    ek_plan *p = b->plan;

    if (!EK_GROW(p->check, b->cap_checks, p->n_checks + 1)) return ek__plan_no_memory(b->err);
    p->check[p->n_checks++] = check;
    return EK_OK;
}
