/* ops/bincount.c - how often each number occurs: Bincount. */
#include "ops/index.h"
#include "ops/rules.h"

enum { VALUES, SIZE, WEIGHTS };

typedef struct bincount_state {
    ek_dtype dtype;
    int64_t n, size;
    bool weighted;
} bincount_state;

static ek_status bincount_shape(ek_shape_ctx *c)
{
    const ek_array *const v = c->in_value[SIZE];
    const int64_t size = v != NULL && v->count == 1 ? ek__array_int(v, 0) : -1;
    const ek_shape *const weights = &c->in[WEIGHTS];

    EK_TRY(ek__want_rank(c, SIZE, 0));
    if (v != NULL && size < 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "size (%lld) must be non-negative", (long long)size);
    if (c->running && ek_shape_count(weights) != 0 && !ek_shape_equal(weights, &c->in[VALUES]))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "weights must be the same shape as arr or a length-0 `Tensor`, in which case it acts as all "
                       "weights equal to 1. Received %s", EK_CC(weights));
    c->out[0] = ek__vector(size);
    return EK_OK;
}

/* Values beyond the last bin are dropped. Integers wrap. */
static ek_status bincount_run(const ek_run_args *a, int64_t chunk)
{
    const bincount_state *const s = a->state;
    const int32_t *const value = a->in[VALUES];
    const void *const w = a->in[WEIGHTS];

    EK_UNUSED(chunk);
    memset(a->out[0], 0, (size_t)s->size * ek_dtype_size(s->dtype));
    for (int64_t i = 0; i < s->n; i++)
        if (value[i] < 0) return EK_FAIL(a->err, INVALID_ARGUMENT, "Input arr must be non-negative!");
    for (int64_t i = 0; i < s->n; i++) {
        const int32_t bin = value[i];

        if (bin >= s->size) continue;
        switch (s->dtype) {
        case EK_INT32: ((uint32_t *)a->out[0])[bin] += s->weighted ? ((const uint32_t *)w)[i] : 1; break;
        case EK_INT64: ((uint64_t *)a->out[0])[bin] += s->weighted ? ((const uint64_t *)w)[i] : 1; break;
        case EK_FLOAT32: ((float *)a->out[0])[bin] += s->weighted ? ((const float *)w)[i] : 1; break;
        default: ((double *)a->out[0])[bin] += s->weighted ? ((const double *)w)[i] : 1; break;
        }
    }
    return EK_OK;
}

static ek_status bincount_prepare(ek_prepare_ctx *c)
{
    bincount_state *const s = EK_ARENA_NEW(c->arena, bincount_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (bincount_state){ c->out_dtype[0], ek_shape_count(&c->in[VALUES]), c->out[0].dim[0],
                           ek_shape_count(&c->in[WEIGHTS]) > 0 };
    c->state = s;
    ek__add_phase(c, bincount_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_Bincount = {
    .name = "Bincount",
    .inputs = "arr: int32, size: int32, weights: T",
    .outputs = "bins: T",
    .attrs = "T: {int32, int64, float, double}",
    .shape = bincount_shape,
    .prepare = bincount_prepare,
    .value_inputs = 1u << SIZE,
    .no_grad_because = "it counts",
};
