/* plan/rule.c - one node's shape rule with concrete shapes, and its value where its inputs are known. */
#include "plan/ir.h"

enum {
    FOLD_BYTES = 1 << 20, /* a larger result is computed in each run instead of being kept */
    STEER_BYTES = 64,
    MAX_STAND_INS = 16,
    MAX_OUT = 16
};

void ek__as_shape(const ek_array *value, ek_shape *out)
{
    ek__shape_forget(out);
    if (value == NULL || value->shape.rank != 1 || value->count > EK_MAX_RANK) return;
    if (value->dtype != EK_INT32 && value->dtype != EK_INT64) return;
    out->rank = (int32_t)value->count;
    for (int64_t i = 0; i < value->count; i++) {
        out->dim[i] = ek__array_int(value, i);
        if (out->dim[i] < -1) {
            ek__shape_forget(out);
            return;
        }
    }
}

static void read_inputs(ek_builder *b, const ek_node *n)
{
    const ek_op_def *d = n->spec->def;

    for (int i = 0; i < n->n_in; i++) {
        const int32_t at = ek__out_at(b->program, n->in[i]);
        const int32_t v = n->in_dtype[i] == EK_RESOURCE ? ek__variable_of_input(b, n, i) : -1;

        ek__shape_set(&b->in_shape[i], ek__input_shape(b, n, i, b->now));
        b->in_value[i] = ek__value_decides(n, i) ? ek__steer(b, n->in[i]) : b->facts->constant[at];
        ek__as_shape(b->in_value[i], &b->in_as_shape[i]);
        /* An assignment may change the shape; that it may not is the graph's to say while it is built. */
        if (v >= 0 && b->now[v] != NULL && !d->assigns)
            ek__shape_set(&b->in_handle[i], b->now[v]);
        else
            ek__shape_forget(&b->in_handle[i]);
    }
}

ek_status ek__rule(ek_builder *b, const ek_node *n)
{
    ek_shape_ctx c = {
        .running = true,
        .def = n->spec->def, .attrs = n->attrs, .n_in = n->n_in, .n_out = n->n_out,
        .in = b->in_shape, .in_dtype = n->in_dtype, .in_value = b->in_value, .in_as_shape = b->in_as_shape,
        .in_handle = b->in_handle, .out_dtype = n->out_dtype, .out = b->out_shape, .out_handle = b->out_handle,
        .err = b->err,
    };

    read_inputs(b, n);
    for (int k = 0; k < n->n_out; k++) {
        ek__shape_forget(&b->out_shape[k]);
        ek__shape_forget(&b->out_handle[k]);
    }
    if (n->spec->def->shape != NULL && n->spec->def->shape(&c) != EK_OK) {
        (void)EK_FAIL(b->err, INTERNAL, "the shape rule of %s failed without a word", n->type);
        ek__fail_at(b->err, n->name);
        return b->err->code;
    }
    for (int k = 0; k < n->n_out; k++) {
        ek_shape both;

        if (ek_shape_is_known(&b->out_shape[k])) continue;
        if (ek_shape_merge(&b->out_shape[k], &n->out_shape[k], &both)) b->out_shape[k] = both;
    }
    return EK_OK;
}

ek_status ek__own(ek_builder *b, ek_array *a)
{
    ek_plan *p = b->plan;

    if (!EK_GROW(p->owned, b->cap_owned, p->n_owned + 1)) {
        ek_array_unref(a);
        return ek__plan_no_memory(b->err);
    }
    p->owned[p->n_owned++] = a;
    return EK_OK;
}

/* ---- folding ------------------------------------------------------------------------------- */

/* Fills b->in_value; false where a value is missing. `stand_in` has an array per input that matters by shape alone. */
static bool known_inputs(ek_builder *b, const ek_node *n, bool steering, ek_array *stand_in, uint64_t *taint)
{
    static _Alignas(64) const char nothing[64];
    const ek_op_def *d = n->spec->def;

    for (int i = 0; i < n->n_in; i++) {
        const int32_t at = ek__out_at(b->program, n->in[i]);
        const ek_fact *f = &b->facts->fact[at];
        const ek_shape *shape = &b->facts->shape[at];

        b->in_value[i] = b->facts->constant[at];
        if (b->in_value[i] == NULL && steering && f->known != NULL) {
            b->in_value[i] = f->known;
            *taint |= f->taint;
        }
        if (b->in_value[i] != NULL) continue;
        if (d->shape_inputs == 0 || i >= MAX_STAND_INS || !ek_shape_is_known(shape) ||
            !ek__shape_input(n->spec, i, n->n_in))
            return false;
        /* Never looked at, so any address does. */
        stand_in[i] = (ek_array){ .refs = 1, .dtype = ek_dtype_base(n->in_dtype[i]), .shape = *shape,
                                  .count = ek_shape_count(shape), .data = (void *)(uintptr_t)nothing };
        b->in_value[i] = &stand_in[i];
    }
    return true;
}

/* Outputs' bytes, a large number where they are not known. */
static size_t bytes_of_outputs(const ek_builder *b, const ek_node *n)
{
    const int32_t out = b->program->first_out[n->id];
    size_t sum = 0;

    for (int k = 0; k < n->n_out; k++) {
        int64_t count;
        size_t bytes;

        if (ek_dtype_is_ref(n->out_dtype[k]) || n->out_dtype[k] == EK_RESOURCE) return SIZE_MAX;
        if (!ek__bytes_of(n->out_dtype[k], &b->facts->shape[out + k], &count, &bytes)) return SIZE_MAX;
        sum += bytes;
    }
    return sum;
}

/* The inputs are in b->in_value; a result rests on the fed booleans in `taint`. */
static ek_status evaluate(ek_builder *b, const ek_node *n, uint64_t taint)
{
    const int32_t out = b->program->first_out[n->id];
    ek_array *result[MAX_OUT] = { NULL };
    ek_error ignored = { 0 };
    ek_status st = EK_OK;

    /* What cannot be evaluated is left to the run, which then fails in its turn. */
    if (ek__def_eval(n->spec->def, n->attrs, n->n_in, b->in_value, n->n_out, n->out_dtype, result, &ignored) != EK_OK)
        return ignored.code == EK_RESOURCE_EXHAUSTED ? ek__error_copy(b->err, &ignored) : EK_OK;
    for (int k = 0; k < n->n_out; k++) {
        const ek_status kept = ek__own(b, result[k]);

        if (kept != EK_OK) st = kept;
        if (st != EK_OK) continue;
        if (taint == 0) {
            b->facts->constant[out + k] = result[k];
            ek__shape_set(&b->facts->shape[out + k], &result[k]->shape);
        } else {
            b->facts->fact[out + k].known = result[k];
            b->facts->fact[out + k].taint = taint;
        }
    }
    return st;
}

ek_status ek__fold(ek_builder *b, const ek_node *n)
{
    const ek_op_def *d = n->spec->def;
    ek_array stand_in[MAX_STAND_INS];
    uint64_t taint = 0;

    if (!b->host->fold || d->kind != EK_KIND_PURE || d->stateful || n->n_out == 0 || n->n_out > MAX_OUT) return EK_OK;
    const bool constant = known_inputs(b, n, false, stand_in, &taint);
    if (!constant && (!b->tainted || n->n_out != 1 || !known_inputs(b, n, true, stand_in, &taint))) return EK_OK;
    if (bytes_of_outputs(b, n) > (constant ? FOLD_BYTES : STEER_BYTES)) return EK_OK;
    return evaluate(b, n, taint);
}
