/* graph/eval.c - one op on arrays, on the calling thread: what folding of constants and ops/eval.h use. */
#include "graph/constant.h"

enum { INLINE_VALUES = 8 };

/* One evaluation. Nothing in it outlives the call but the outputs. */
typedef struct eval {
    const ek_op_def *def;
    const void *attrs;
    int n_in, n_out;
    int64_t most; /* elements of an output */
    const ek_array *const *in;
    const ek_dtype *out_dtype;
    ek_array **out;
    ek_error *err;
    ek_arena arena;
    ek_shape *in_shape, *out_shape;
    ek_dtype *in_dtype;
} eval;

static ek_status no_memory(eval *e)
{
    return EK_FAIL(e->err, RESOURCE_EXHAUSTED, "no memory to compute an Op '%s'", e->def->name);
}

static ek_status shapes(eval *e)
{
    ek_shape *as_shape = EK_ARENA_NEW(&e->arena, ek_shape, e->n_in + 1);
    ek_shape *handle = EK_ARENA_NEW(&e->arena, ek_shape, e->n_in + e->n_out + 1);
    char text[300];

    e->in_shape = EK_ARENA_NEW(&e->arena, ek_shape, e->n_in + 1);
    e->out_shape = EK_ARENA_NEW(&e->arena, ek_shape, e->n_out + 1);
    e->in_dtype = EK_ARENA_NEW(&e->arena, ek_dtype, e->n_in + 1);
    if (as_shape == NULL || handle == NULL || e->in_shape == NULL || e->out_shape == NULL || e->in_dtype == NULL)
        return no_memory(e);
    for (int i = 0; i < e->n_in; i++) {
        e->in_shape[i] = e->in[i]->shape;
        e->in_dtype[i] = e->in[i]->dtype;
        as_shape[i] = EK_UNKNOWN_SHAPE;
    }
    for (int i = 0; i < e->n_in + e->n_out; i++) handle[i] = EK_UNKNOWN_SHAPE;
    for (int k = 0; k < e->n_out; k++) e->out_shape[k] = EK_UNKNOWN_SHAPE;
    EK_TRY(e->def->shape(&(ek_shape_ctx){ .def = e->def, .attrs = e->attrs, .n_in = e->n_in, .n_out = e->n_out,
                                          .in = e->in_shape, .in_dtype = e->in_dtype, .in_value = e->in,
                                          .in_as_shape = as_shape, .in_handle = handle, .out_dtype = e->out_dtype,
                                          .out = e->out_shape, .out_handle = handle + e->n_in, .running = true,
                                          .err = e->err }));
    for (int k = 0; k < e->n_out; k++) {
        if (ek_shape_is_known(&e->out_shape[k]) && ek_shape_count(&e->out_shape[k]) > e->most)
            return EK_FAIL(e->err, UNIMPLEMENTED, "the result of Op '%s' is too large to be computed here",
                           e->def->name);
        if (ek_shape_is_known(&e->out_shape[k])) continue;
        ek_shape_format_cc(&e->out_shape[k], text, sizeof text);
        return EK_FAIL(e->err, INTERNAL,
                       "the shape rule of Op '%s' leaves output %d as %s although every input is known", e->def->name,
                       k, text);
    }
    return EK_OK;
}

static ek_status run_phases(const ek_prepare_ctx *p, const ek_run_args *a)
{
    for (int i = 0; i < p->n_phases; i++)
        for (int64_t chunk = 0; chunk < p->phase[i].chunks; chunk++) EK_TRY(p->phase[i].run(a, chunk));
    return EK_OK;
}

static ek_status prepare_and_run(eval *e)
{
    ek_prepare_ctx p = { .def = e->def, .attrs = e->attrs, .n_in = e->n_in, .n_out = e->n_out, .in = e->in_shape,
                         .out = e->out_shape, .in_dtype = e->in_dtype, .out_dtype = e->out_dtype, .in_value = e->in,
                         .arena = &e->arena, .err = e->err };
    const void **in = EK_ARENA_NEW(&e->arena, const void *, e->n_in + 1);
    void **out = EK_ARENA_NEW(&e->arena, void *, e->n_out + 1);
    ek_slot **slot = EK_ARENA_NEW(&e->arena, ek_slot *, e->n_in + 1);
    void *scratch = NULL, *state = NULL;
    ek_status st = EK_OK;

    if (in == NULL || out == NULL || slot == NULL) return no_memory(e);
    for (int i = 0; i < e->n_in; i++) in[i] = e->in[i]->data;
    /* First, so that nobody counts with sizes that no memory has. */
    for (int k = 0; k < e->n_out; k++) {
        EK_TRY(ek__array_new_raw(e->out_dtype[k], &e->out_shape[k], &e->out[k], e->err));
        out[k] = e->out[k]->data;
    }
    EK_TRY(e->def->prepare(&p));
    scratch = ek__alloc(p.scratch_bytes + 1); /* an address where no byte is needed too: offsets are added to it */
    if (e->def->op_state_bytes > 0) state = ek__calloc(1, e->def->op_state_bytes);
    if (scratch == NULL || (e->def->op_state_bytes > 0 && state == NULL)) st = no_memory(e);
    if (st == EK_OK)
        st = run_phases(&p, &(ek_run_args){ .in = in, .out = out, .slot = slot, .state = p.state, .scratch = scratch,
                                               .op_state = state, .err = e->err });
    ek__free(scratch);
    ek__free(state);
    return st;
}

ek_status ek__def_eval(const ek_op_def *def, const void *attrs, int n_in, const ek_array *const *in, int n_out,
                       const ek_dtype *out_dtype, ek_array **out, ek_error *err)
{
    return ek__def_eval_small(def, attrs, n_in, in, n_out, out_dtype, INT64_MAX, out, err);
}

ek_status ek__def_eval_small(const ek_op_def *def, const void *attrs, int n_in, const ek_array *const *in, int n_out,
                             const ek_dtype *out_dtype, int64_t most, ek_array **out, ek_error *err)
{
    eval e = { .def = def,
               .attrs = attrs,
               .n_in = n_in,
               .n_out = n_out,
               .most = most,
               .in = in,
               .out_dtype = out_dtype,
               .out = out,
               .err = err,
               .arena = { .block_size = 4096 } };
    ek_status st;

    for (int k = 0; k < n_out; k++) out[k] = NULL;
    if (def->kind == EK_KIND_ALIAS && def->prepare == NULL && n_in >= 1 && n_out == 1) {
        out[0] = ek_array_ref((ek_array *)(uintptr_t)in[0]);
        return EK_OK;
    }
    if (def->prepare == NULL || def->shape == NULL)
        return EK_FAIL(err, UNIMPLEMENTED, "Op '%s' cannot be computed outside a session", def->name);
    st = shapes(&e);
    if (st == EK_OK) st = prepare_and_run(&e);
    for (int k = 0; k < n_out && st != EK_OK; k++) {
        ek_array_unref(out[k]);
        out[k] = NULL;
    }
    ek__arena_fini(&e.arena);
    return st;
}
