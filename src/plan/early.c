/* plan/early.c - what frees more memory than it takes goes before what does not wait for it: the gradient by a convolution's
 * weights, which is the last to need the layer below, before the gradient by its input, which is as large as that layer.
 *
 * An op goes forward past a few others only, so that what it reads is as near as it was.
 */
#include "plan/ir.h"

enum { STEPS = 4, LARGE = 64 << 10 };

/* Computes and does nothing else, wherever it stands. */
static bool may_move(const ek_lowered *op)
{
    return (op->kind == EK_LOWERED_OP || op->kind == EK_LOWERED_CHAIN || op->kind == EK_LOWERED_HALF) && !op->pinned &&
           op->variable == NULL && op->n_written == 0 && op->node->spec->def->kind == EK_KIND_PURE &&
           op->node->spec->def->op_state_bytes == 0;
}

static bool reads(const ek_lowered *op, int32_t value)
{
    for (int32_t i = 0; i < op->n_in; i++)
        if (op->in[i].value == value) return true;
    return false;
}

static bool waits_for(const ek_builder *b, const ek_lowered *op, int32_t k)
{
    for (int32_t i = 0; i < op->n_in; i++)
        if (b->value[op->in[i].value].def == k) return true;
    return false;
}

static size_t bytes_given(const ek_builder *b, const ek_lowered *op)
{
    size_t bytes = 0;

    for (int32_t o = 0; o < op->n_out; o++) bytes += b->value[op->out[o].value].bytes;
    return bytes;
}

/* Of what op k reads and `other` does not, the bytes that nobody needs after it. */
static size_t bytes_freed(const ek_builder *b, int32_t k, const ek_lowered *other, const int32_t *last)
{
    const ek_lowered *const op = &b->op[k];
    size_t bytes = 0;

    for (int32_t i = 0; i < op->n_in; i++) {
        const ek_value *v = &b->value[op->in[i].value];
        bool counted = false;

        for (int32_t j = 0; j < i; j++) counted = counted || op->in[j].value == op->in[i].value;
        if (!counted && v->place.home == EK_HOME_BLOCK && last[op->in[i].value] == k && !reads(other, op->in[i].value))
            bytes += v->bytes;
    }
    return bytes;
}

/* The op now at k stands there instead of at `from`. */
static void settle(ek_builder *b, int32_t k, int32_t from, int32_t *last)
{
    const ek_lowered *const op = &b->op[k];

    for (int32_t o = 0; o < op->n_out; o++)
        if (b->value[op->out[o].value].def == from) b->value[op->out[o].value].def = k;
    for (int32_t i = 0; i < op->n_in; i++)
        if (last[op->in[i].value] < k || last[op->in[i].value] == from) last[op->in[i].value] = k;
}

/* Checks stay where they are: op k has none, for it reads no variable, and those of op `before` come no later than they did. */
static void change_places(ek_builder *b, int32_t before, int32_t k, int32_t *last)
{
    const ek_lowered op = b->op[k];

    b->op[k] = b->op[before];
    b->op[before] = op;
    settle(b, before, k, last);
    settle(b, k, before, last);
}

static bool goes_first(const ek_builder *b, int32_t before, int32_t k, const int32_t *last)
{
    const ek_lowered *const op = &b->op[k], *const other = &b->op[before];
    const size_t freed = bytes_freed(b, k, other, last), given = bytes_given(b, op);

    return freed >= LARGE && freed > given && bytes_given(b, other) > bytes_freed(b, before, op, last) && !waits_for(b, op, before);
}

ek_status ek__pass_early(ek_builder *b)
{
    int32_t *const last = ek__arena_alloc(&b->scratch, sizeof *last * ((size_t)b->n_values + 1), sizeof *last);

    if (last == NULL) return ek__plan_no_memory(b->err);
    for (int32_t v = 0; v < b->n_values; v++) last[v] = b->value[v].keep ? INT32_MAX : -1;
    for (int32_t k = 0; k < b->n_ops; k++)
        for (int32_t i = 0; i < b->op[k].n_in && b->op[k].kind != EK_LOWERED_GONE; i++)
            if (last[b->op[k].in[i].value] < k) last[b->op[k].in[i].value] = k;
    for (int32_t k = 1; k < b->n_ops; k++) {
        int32_t at = k, before = k - 1;

        for (int n = 0; n < STEPS && before >= 0 && may_move(&b->op[at]); before--) {
            if (b->op[before].kind == EK_LOWERED_GONE) continue;
            if (!goes_first(b, before, at, last)) break;
            change_places(b, before, at, last);
            at = before;
            n++;
        }
    }
    return EK_OK;
}
