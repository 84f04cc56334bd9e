/* ops/addn.c - AddN: the sum of any number of tensors of one shape, added from the first to the last. */
#include "ops/elementwise.h"
#include "ops/move.h"

typedef struct addn {
    ek_elementwise_fn add;
    int n_in;
    int64_t count;
    ek_dtype type;
    size_t size;
} addn;

static ek_status run_sum(const ek_run_args *a, int64_t chunk)
{
    static const int each[2] = { 1, 1 };
    const addn *const s = a->state;
    const int64_t from = chunk * EK_ELEMENTWISE_CHUNK, left = s->count - from;
    const int64_t n = left < EK_ELEMENTWISE_CHUNK ? left : EK_ELEMENTWISE_CHUNK;
    const size_t at = (size_t)from * s->size;
    char *const out = (char *)a->out[0] + at;

    if (s->n_in == 1 && a->out[0] == a->in[0]) return EK_OK;
    if (s->n_in == 1) return ek__move(s->type, out, (const char *)a->in[0] + at, n, a->err);
    for (int k = 1; k < s->n_in; k++) {
        const void *const so_far = k == 1 ? (const char *)a->in[0] + at : out;
        const void *const in[2] = { so_far, (const char *)a->in[k] + at };

        s->add(n, in, each, out, NULL);
    }
    return EK_OK;
}

static ek_status addn_prepare(ek_prepare_ctx *c)
{
    addn *const s = EK_ARENA_NEW(c->arena, addn, 1);

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare AddN");
    s->add = ek__loop(&ek__loops_add, c->in_dtype[0]);
    if (s->add == NULL)
        return EK_FAIL(c->err, UNIMPLEMENTED, "AddN has no kernel for %s", ek_dtype_name(c->in_dtype[0]));
    s->n_in = c->n_in;
    s->count = ek_shape_count(&c->out[0]);
    s->type = c->in_dtype[0];
    s->size = ek_dtype_size(s->type);
    c->state = s;
    c->n_phases = 1;
    c->phase[0] = (ek_phase){ run_sum, (s->count + EK_ELEMENTWISE_CHUNK - 1) / EK_ELEMENTWISE_CHUNK };
    return EK_OK;
}

/* Of two terms it is what Add is. */
static ek_elementwise_fn addn_loop(ek_prepare_ctx *c, const void **state)
{
    EK_UNUSED(state);
    return c->n_in == 2 ? ek__loop(&ek__loops_add, c->in_dtype[0]) : NULL;
}

const ek_op_def ek__op_AddN = {
    .name = "AddN",
    .inputs = "inputs: N * T",
    .outputs = "sum: T",
    .attrs = "N: int >= 1; T: {" EK_T_NUMBER ", variant}",
    .shape = ek__same_shape,
    .prepare = addn_prepare,
    .elementwise = addn_loop,
    .inplace = 1,
    .sums = true,
};
