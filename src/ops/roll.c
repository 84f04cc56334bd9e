/* ops/roll.c - elements moved along axes, those that leave at one end come back at the other. */
#include "ops/rules.h"
#include "ops/walk.h"

enum { INPUT, SHIFT, AXIS };

/* How far each dimension rolls, 0 <= shift < dim: shifts along one axis add up. */
static ek_status shifts_of(const ek_shape *in, const ek_array *const *value, int64_t *shift, ek_error *err)
{
    const ek_array *by = value[SHIFT], *axes = value[AXIS];

    memset(shift, 0, EK_MAX_RANK * sizeof *shift);
    if (by->count != axes->count)
        return EK_FAIL(err, INVALID_ARGUMENT, "shift and axis must have the same size");
    for (int64_t i = 0; i < axes->count; i++) {
        const int64_t named = ek__array_int(axes, i), d = named < 0 ? named + in->rank : named;

        if (d < 0 || d >= in->rank)
            return EK_FAIL(err, INVALID_ARGUMENT, "axis %lld is out of range", (long long)named);
        const int64_t n = in->dim[d];
        if (n > 0) shift[d] = ((shift[d] + ek__array_int(by, i) % n) % n + n) % n;
    }
    return EK_OK;
}

static ek_status roll_shape(ek_shape_ctx *c)
{
    int64_t shift[EK_MAX_RANK];

    if (c->running && c->in[INPUT].rank == 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be 1-D or higher");
    EK_TRY(ek__want_rank_at_least(c, INPUT, 1));
    for (int i = SHIFT; i <= AXIS; i++)
        if (c->in[i].rank > 1)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be a scalar or a 1-D vector. Found: %s",
                           i == SHIFT ? "shift" : "axis", EK_CC(&c->in[i]));
    c->out[0] = c->in[INPUT];
    if (!c->running || c->in_value[SHIFT] == NULL || c->in_value[AXIS] == NULL) return EK_OK;
    return shifts_of(&c->in[INPUT], c->in_value, shift, c->err);
}

/* Each rolled dimension is two runs: what moves up, what comes back. */
enum { ROLL_MAX_PARTS = 4096 };

static ek_status roll_prepare(ek_prepare_ctx *c)
{
    const ek_shape *in = &c->in[INPUT];
    int64_t shift[EK_MAX_RANK], stride[EK_MAX_RANK], n_parts = 1;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(shifts_of(in, c->in_value, shift, c->err));
    for (int32_t d = 0; d < in->rank; d++) n_parts *= shift[d] != 0 ? 2 : 1;
    if (n_parts > ROLL_MAX_PARTS) return EK_FAIL(c->err, UNIMPLEMENTED, "Roll along more than 12 axes");
    ek_parts *p = ek__parts_new(c, n_parts);
    if (p == NULL) return EK_RESOURCE_EXHAUSTED;
    ek__strides(in, stride);
    for (int64_t k = 0; k < n_parts; k++) {
        ek_walk *w = ek__parts_add(p, INPUT, 0);
        int64_t rest = k;

        for (int32_t d = 0; d < in->rank; d++) {
            const bool back = shift[d] != 0 && rest % 2 != 0;
            const int64_t kept = in->dim[d] - shift[d];

            if (shift[d] != 0) rest /= 2;
            w->in_at += back ? kept * stride[d] : 0;
            w->out_at += back ? 0 : shift[d] * stride[d];
            ek__walk_loop(w, back ? shift[d] : kept, stride[d], stride[d]);
        }
    }
    ek__parts_only(c, p);
    return EK_OK;
}

const ek_op_def ek__op_Roll = {
    .name = "Roll",
    .kind = EK_KIND_PURE,
    .inputs = "input: T, shift: Tshift, axis: Taxis",
    .outputs = "output: T",
    .attrs = "T: type; Tshift: {int32, int64}; Taxis: {int32, int64}",
    .shape = roll_shape,
    .prepare = roll_prepare,
    .value_inputs = 1u << SHIFT | 1u << AXIS,
};
