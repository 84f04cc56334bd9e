/* ops/check.c - CheckNumerics: the tensor itself, or an error if it holds a NaN or an infinity. */
#include "ops/elementwise.h"
#include "ops/move.h"
#include "ops/rules.h"

typedef struct check_attrs {
    const char *message;
} check_attrs;

static const ek_field check_fields[] = { EK_FIELD(check_attrs, message, STRING) };

typedef struct check {
    const char *message;
    ek_elementwise_fn is_nan, is_inf, is_finite;
    ek_dtype type;
    int64_t count;
} check;

enum { BLOCK = 1024 };

/* Whether the test says `answer` of any of n elements. */
static bool any(const check *c, ek_elementwise_fn test, bool answer, const char *x, int64_t n)
{
    static const int each = 1;
    bool truth[BLOCK];

    for (int64_t at = 0; at < n; at += BLOCK) {
        const int64_t m = n - at < BLOCK ? n - at : BLOCK;
        const void *const in = x + (size_t)at * ek_dtype_size(c->type);

        test(m, &in, &each, truth, NULL);
        if (memchr(truth, answer, (size_t)m) != NULL) return true;
    }
    return false;
}

static ek_status run_check(const ek_run_args *a, int64_t chunk)
{
    const check *const c = a->state;
    const int64_t from = chunk * EK_ELEMENTWISE_CHUNK, left = c->count - from;
    const int64_t n = left < EK_ELEMENTWISE_CHUNK ? left : EK_ELEMENTWISE_CHUNK;
    const size_t at = (size_t)from * ek_dtype_size(c->type);

    if (any(c, c->is_finite, false, (const char *)a->in[0] + at, n)) {
        /* The whole is looked at, so that the sentence does not depend on the chunk that came first. */
        const bool nan = any(c, c->is_nan, true, a->in[0], c->count), inf = any(c, c->is_inf, true, a->in[0], c->count);

        return EK_FAIL(a->err, INVALID_ARGUMENT, "%s : Tensor had %s values", c->message,
                       nan && inf ? "Inf and NaN" : nan ? "NaN" : "Inf");
    }
    return ek__move(c->type, (char *)a->out[0] + at, (const char *)a->in[0] + at, n, a->err);
}

static ek_status check_prepare(ek_prepare_ctx *c)
{
    const check_attrs *const attrs = c->attrs;
    const ek_dtype t = c->in_dtype[0];
    check *const s = EK_ARENA_NEW(c->arena, check, 1);

    if (s == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to prepare CheckNumerics");
    *s = (check){ attrs->message, ek__loop(&ek__loops_is_nan, t), ek__loop(&ek__loops_is_inf, t),
                  ek__loop(&ek__loops_is_finite, t), t, ek_shape_count(&c->out[0]) };
    c->state = s;
    ek__add_phase(c, run_check, (s->count + EK_ELEMENTWISE_CHUNK - 1) / EK_ELEMENTWISE_CHUNK);
    return EK_OK;
}

const ek_op_def ek__op_CheckNumerics = {
    .name = "CheckNumerics", .kind = EK_KIND_EFFECT, .stateful = true, .inputs = "tensor: T", .outputs = "output: T",
    .attrs = "T: {" EK_T_FLOAT "}; message: string", .attrs_size = sizeof(check_attrs), .fields = check_fields,
    .n_fields = EK_COUNT_OF(check_fields), .shape = ek__like_first_rule, .prepare = check_prepare, .inplace = 1,
};
