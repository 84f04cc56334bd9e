/* train/slots.c - variables that belong to other variables: what optimizers and moving averages keep beside each. */
#include "graph/variable_scope.h"
#include "train/train.h"

ek_variable ek__slot_create(ek_graph *g, const ek_slot_args *a)
{
    const ek_op primary = a->primary;
    const char *name = ek__arena_printf(&g->arena, "%s/%s", ek_op_name(primary), a->name);
    ek_variable v = ek__dead_variable(g);

    if (name == NULL) {
        ek__graph_fail(g, a->where, EK_RESOURCE_EXHAUSTED, "no memory for a slot of %s", ek_op_name(primary));
        return v;
    }
    EK_IN_SCOPE(ek__vscope_push(g, &(ek_vscope_args){ .default_name = name, .use_resource = EK_DEFAULT }, a->where))
        EK_IN_SCOPE(ek__colocate_push(g, &primary.id, a->colocate ? 1 : 0, false, a->where))
            v = ek__get_variable(g, &(ek_get_variable_args){
                .name = "", .has_shape = a->initializer->kind != EK_INIT_VALUE, .shape = a->shape, .dtype = a->dtype,
                .initializer = a->initializer, .trainable = false, .collections = { NULL, -1 },
                .validate_shape = a->initializer->kind != EK_INIT_VALUE || ek_shape_is_known(&a->shape),
                .use_resource = a->resource, .in_one = true, .where = a->where });
    return v;
}

/* A slot of a part is a part of a slot: "w/part_0/Momentum" belongs to "w/Momentum". */
static bool note_part(ek_variable slot, ek_variable v, ek_where where)
{
    const char *const own = ek__info(slot)->name + strlen(ek__info(v)->name) + 1;
    ek_slice_info s;

    if (!ek_variable_slice_info(v, &s)) return true;
    s.full_name = ek__arena_printf(&v.graph->arena, "%s/%s", s.full_name, own);
    if (s.full_name != NULL) return ek__slice_note(slot, &s, where);
    ek__graph_fail(v.graph, where, EK_RESOURCE_EXHAUSTED, "no memory for a slot of %s", ek_variable_name(v));
    return false;
}

ek_variable ek__slot_of(ek_variable v, const ek_initializer *init, const char *name, ek_where where)
{
    const ek_variable_info *info = ek__info(v);
    const ek_variable slot = ek__slot_create(v.graph, &(ek_slot_args){
        .primary = ek_variable_op(v), .colocate = true, .name = name, .initializer = init, .shape = info->shape,
        .dtype = init->kind == EK_INIT_VALUE ? EK_DTYPE_NONE : info->dtype,
        .resource = info->is_resource ? EK_YES : EK_NO, .where = where });

    return !ek_variable_ok(slot) || note_part(slot, v, where) ? slot : ek__dead_variable(v.graph);
}

/* A value shaped like the variable, which only a run knows. */
static ek_variable slot_of_unknown_shape(ek_variable v, ek_slot_start start, double number, const char *name,
                                         ek_where where)
{
    const ek_dtype dtype = ek__info(v)->dtype;
    ek_initializer init = { .kind = EK_INIT_VALUE };
    ek_tensor shape;

    if (start == EK_SLOT_ONES) {
        init.operand = ek__of(ek__op1(ek_ones_like_with, ek__v(v), NULL, where));
        return ek__slot_of(v, &init, name, where);
    }
    shape = ek__op1(ek_shape_with, ek__of(ek_initialized_value_at(v, where)), NULL, where);
    init.operand = ek__of(start == EK_SLOT_ZEROS ? ek__zeros_of(shape, dtype, where)
                                                 : ek_fill_with(&(ek_fill_options){
                                                       .size = sizeof(ek_fill_options), .dims = shape,
                                                       .value = ek_operand_of_literal(ek_scalar(dtype, number)) }, where));
    return ek__slot_of(v, &init, name, where);
}

/* Ftrl makes its first value where it is used. */
static ek_initializer const_like(ek_variable v, double number, ek_where where)
{
    const ek_op place = ek_variable_op(v);
    const ek_variable_info *info = ek__info(v);
    ek_initializer init = { .kind = EK_INIT_VALUE };

    EK_IN_SCOPE(ek__colocate_push(v.graph, &place.id, 1, false, where))
        init.operand = ek__of(ek__const_filled(v.graph, info->dtype, info->shape, number, NULL, where));
    return init;
}

static ek_variable begin(ek_variable v, ek_slot_start start, double number, const char *name, ek_where where)
{
    ek_initializer init = ek_zeros_initializer();

    if (!ek_shape_is_known(&ek__info(v)->shape)) return slot_of_unknown_shape(v, start, number, name, where);
    if (start == EK_SLOT_ONES) init = ek_ones_initializer();
    else if (start == EK_SLOT_NUMBER) init = ek_constant_initializer(number);
    else if (start == EK_SLOT_CONST) init = const_like(v, number, where);
    return ek__slot_of(v, &init, name, where);
}

ek_variable ek__slot_zeros(ek_variable v, const char *name, ek_where where)
{
    return begin(v, EK_SLOT_ZEROS, 0.0, name, where);
}

/* ---- those of an optimizer ---------------------------------------------------------------------------- */

ek_variable ek__slot_at(const ek_optimizer *o, ek_variable v, int slot)
{
    for (const ek_slot_entry *e = o->slots; e != NULL; e = e->next)
        if (e->of == v.id && e->slot == slot) return e->variable;
    return ek__dead_variable(o->graph);
}

void ek__slots_make(ek_optimizer *o, ek_variable v, ek_where where)
{
    for (int i = 0; i < EK_MAX_SLOTS && o->kind->slot[i].name != NULL; i++) {
        if (ek_variable_ok(ek__slot_at(o, v, i))) continue;
        const ek_variable made = begin(v, o->kind->slot[i].start, o->start, o->slot_name[i], where);
        ek_slot_entry *const e = ek_variable_ok(made) ? EK_ARENA_NEW(&o->graph->arena, ek_slot_entry, 1) : NULL;
        if (e == NULL) {
            ek__graph_fail(o->graph, where, EK_RESOURCE_EXHAUSTED, "no memory for a slot of %s", ek_variable_name(v));
            return;
        }
        *e = (ek_slot_entry){ o->slots, v.id, i, made };
        o->slots = e;
    }
}
