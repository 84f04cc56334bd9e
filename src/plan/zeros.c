/* plan/zeros.c - terms of a sum that are zeros are left out, and what nobody then reads is not made: the gradient of a
 * conditional adds zeros for the branch that was not taken, as large as the layer.
 *
 * x + 0 is x but for the sign of a zero.
 */
#include "plan/ir.h"

/* The place of input i of an op among its node's. */
static int32_t place_of(const ek_lowered *op, int32_t i)
{
    return op->from != NULL ? op->from[i] : i;
}

static bool gives_zeros(ek_builder *b, const ek_lowered *op)
{
    ek_prepare_ctx c;

    return op->kind == EK_LOWERED_OP && op->node->spec->def->zeros != NULL && op->variable == NULL &&
           ek__prepare_ctx_fill(b, op, &c) && op->node->spec->def->zeros(c.in_value);
}

static bool are_zeros(const ek_builder *b, const bool *zeros, int32_t value)
{
    const ek_place *const p = &b->value[value].place;
    const ek_array *const a = p->home == EK_HOME_CONSTANT ? b->plan->constant[p->index] : NULL;

    for (int64_t i = 0; a != NULL && i < a->count; i++)
        if (ek_array_get(a, i) != 0) return false;
    return a != NULL || zeros[value];
}

/* Takes the zeros out of a sum; one term stays. */
static ek_status shorten(ek_builder *b, ek_lowered *op, const bool *zeros)
{
    int32_t *const from = ek__arena_alloc(&b->scratch, sizeof *from * (size_t)op->n_in, sizeof *from), n = 0;

    if (from == NULL) return ek__plan_no_memory(b->err);
    for (int32_t i = 0; i < op->n_in; i++) {
        if (are_zeros(b, zeros, op->in[i].value) && (n > 0 || i + 1 < op->n_in)) continue;
        from[n] = place_of(op, i);
        op->in[n++] = op->in[i];
    }
    op->n_in = n;
    op->from = from;
    return EK_OK;
}

ek_status ek__pass_zeros(ek_builder *b)
{
    bool *const zeros = EK_ARENA_NEW(&b->scratch, bool, b->n_values + 1); /* per value */
    bool *const read = EK_ARENA_NEW(&b->scratch, bool, b->n_values + 1);

    if (zeros == NULL || read == NULL) return ek__plan_no_memory(b->err);
    for (int32_t k = 0; k < b->n_ops; k++) {
        ek_lowered *const op = &b->op[k];

        const bool sums = op->kind == EK_LOWERED_OP && op->node->spec->def->sums;

        if (gives_zeros(b, op)) zeros[op->out[0].value] = true;
        if (sums) EK_TRY(shorten(b, op, zeros));
        if (sums) EK_TRY(ek__try_chain(b, op));
        for (int32_t i = 0; i < op->n_in; i++) read[op->in[i].value] = true;
    }
    for (int32_t k = 0; k < b->n_ops; k++) {
        ek_lowered *const op = &b->op[k];
        const int32_t v = op->n_out == 1 ? op->out[0].value : -1;

        if (v >= 0 && zeros[v] && !read[v] && !b->value[v].keep) op->kind = EK_LOWERED_GONE;
    }
    return EK_OK;
}
