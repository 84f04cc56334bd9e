/* ops/rules.c - what shape rules of several families share. */
#include "ops/rules.h"

ek_shape_text ek__shape_text(const ek_shape *s)
{
    ek_shape_text t;

    ek_shape_format_cc(s, t.text, sizeof t.text);
    return t;
}

ek_shape ek__vector(int64_t n)
{
    return EK_SHAPE(n);
}

ek_shape ek__unknown_dims(int32_t rank)
{
    ek_shape s = { .rank = rank };

    for (int32_t d = 0; d < rank; d++) s.dim[d] = -1;
    return s;
}

ek_status ek__want_rank(const ek_shape_ctx *c, int i, int32_t rank)
{
    if (c->in[i].rank >= 0 && c->in[i].rank != rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be rank %d but is rank %d", rank, c->in[i].rank);
    return EK_OK;
}

ek_status ek__want_rank_at_least(const ek_shape_ctx *c, int i, int32_t rank)
{
    if (c->in[i].rank >= 0 && c->in[i].rank < rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shape must be at least rank %d but is rank %d", rank, c->in[i].rank);
    return EK_OK;
}

ek_status ek__merge_shapes(const ek_shape_ctx *c, const ek_shape *a, const ek_shape *b, ek_shape *out)
{
    if (ek_shape_merge(a, b, out)) return EK_OK;
    if (a->rank != b->rank)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Shapes must be equal rank, but are %d and %d", a->rank, b->rank);

    int32_t d = 0;
    while (a->dim[d] == b->dim[d] || a->dim[d] < 0 || b->dim[d] < 0) d++;
    return EK_FAIL(c->err, INVALID_ARGUMENT,
                   "Dimension %d in both shapes must be equal, but are %lld and %lld. Shapes are %s and %s.", d,
                   (long long)a->dim[d], (long long)b->dim[d], EK_CC(a), EK_CC(b));
}

bool ek__values_known(const ek_shape_ctx *c)
{
    for (int i = 0; i < c->n_in; i++)
        if (c->in_value[i] == NULL) return false;
    return true;
}

ek_status ek__input_as_shape(const ek_shape_ctx *c, int i, ek_shape *out)
{
    const ek_array *value = c->in_value[i];

    *out = EK_UNKNOWN_SHAPE;
    if (value != NULL && value->shape.rank == 0 && value->count == 1 && ek__array_int(value, 0) == -1) return EK_OK;
    EK_TRY(ek__want_rank(c, i, 1));
    if (value == NULL && c->in_as_shape[i].rank >= 0) {
        *out = c->in_as_shape[i];
        return EK_OK;
    }
    if (c->in[i].rank != 1 || c->in[i].dim[0] < 0) return EK_OK;

    const int64_t rank = c->in[i].dim[0];
    if (rank > EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "a shape of %lld dimensions, %d are supported", (long long)rank,
                       EK_MAX_RANK);
    *out = ek__unknown_dims((int32_t)rank);
    for (int32_t d = 0; value != NULL && d < out->rank; d++) {
        out->dim[d] = ek__array_int(value, d);
        if (out->dim[d] < -1)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension %lld must be >= 0", (long long)out->dim[d]);
    }
    return EK_OK;
}

ek_status ek__input_as_full_shape(const ek_shape_ctx *c, int i, ek_shape *out)
{
    const ek_array *v = c->in_value[i];

    for (int64_t d = 0; v != NULL && d < v->count; d++)
        if (ek__array_int(v, d) < 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimension %lld must be >= 0", (long long)ek__array_int(v, d));
    return ek__input_as_shape(c, i, out);
}

ek_status ek__insert_dim(const ek_shape_ctx *c, const ek_shape *in, int32_t at, int64_t dim, ek_shape *out)
{
    if (in->rank >= EK_MAX_RANK)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: %d dimensions are supported, the result has more", c->def->name,
                       EK_MAX_RANK);
    ek_shape s = *in;
    for (int32_t d = s.rank; d > at; d--) s.dim[d] = s.dim[d - 1];
    s.dim[at] = dim;
    s.rank++;
    *out = s;
    return EK_OK;
}

ek_status ek__scalar_rule(ek_shape_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) c->out[k] = EK_SCALAR;
    return EK_OK;
}

ek_status ek__same_rule(ek_shape_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) {
        c->out[k] = c->in[k];
        c->out_handle[k] = c->in_handle[k];
    }
    return EK_OK;
}

ek_status ek__like_first_rule(ek_shape_ctx *c)
{
    for (int k = 0; k < c->n_out; k++) c->out[k] = c->in[0];
    return EK_OK;
}

ek_status ek__no_rule(ek_shape_ctx *c)
{
    EK_UNUSED(c);
    return EK_OK;
}

ek_status ek__no_memory(const ek_prepare_ctx *c)
{
    return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare %s", c->def->name);
}

void ek__add_phase(ek_prepare_ctx *c, ek_run_fn run, int64_t chunks)
{
    EK_ASSERT(c->n_phases < EK_MAX_PHASES);
    if (chunks > 0) c->phase[c->n_phases++] = (ek_phase){ run, chunks };
}

bool ek__empty(const ek_prepare_ctx *c)
{
    return ek_shape_count(&c->out[0]) == 0;
}

ek_status ek__prepare_nothing(ek_prepare_ctx *c)
{
    EK_UNUSED(c);
    return EK_OK;
}
