/* ops/effects.c - ops that are there for what they do: Assert, Print. */
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/summary.h"

/* Tensors to show, with what is known of them when preparing. */
typedef struct shown {
    int64_t summarize;
    int first, n;
    int64_t limit, input_count; /* of Print */
    ek_dtype input_type;
    const char *message;
    struct { ek_dtype type; ek_shape shape; } tensor[];
} shown;

static shown *shown_new(ek_prepare_ctx *c, int first)
{
    const int n = c->n_in - first;
    shown *s = ek__arena_calloc(c->arena, 1, sizeof *s + (size_t)n * sizeof s->tensor[0]);

    if (s == NULL) {
        (void)ek__no_memory(c);
        return NULL;
    }
    s->first = first;
    s->n = n;
    for (int i = 0; i < n; i++) {
        s->tensor[i].type = c->in_dtype[first + i];
        s->tensor[i].shape = c->in[first + i];
    }
    c->state = s;
    return s;
}

/* "[1 2 3...] [x]", `between` after all but the last. */
static void show(ek_buf *b, const shown *s, const ek_run_args *a, const char *between)
{
    for (int i = 0; i < s->n; i++) {
        ek__buf_str(b, "[");
        ek__summary(b, s->tensor[i].type, &s->tensor[i].shape, a->in[s->first + i], s->summarize);
        ek__buf_str(b, i + 1 < s->n ? between : "]");
    }
}

/* ---- Assert ---------------------------------------------------------------------------------- */

typedef struct assert_attrs {
    int64_t summarize;
} assert_attrs;

static const ek_field assert_fields[] = { EK_FIELD(assert_attrs, summarize, INT) };

static ek_status assert_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[0].rank > 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "In[0] should be a scalar: %s", EK_CC(&c->in[0]));
    return EK_OK;
}

static ek_status assert_run(const ek_run_args *a, int64_t chunk)
{
    ek_buf text = { 0 };

    EK_UNUSED(chunk);
    if (*(const bool *)a->in[0]) return EK_OK;
    ek__buf_str(&text, "assertion failed: ");
    show(&text, a->state, a, "] ");
    const ek_status st = text.failed ? EK_FAIL(a->err, INVALID_ARGUMENT, "assertion failed")
                                     : EK_FAIL(a->err, INVALID_ARGUMENT, "%s", text.data);
    ek__buf_fini(&text);
    return st;
}

static ek_status assert_prepare(ek_prepare_ctx *c)
{
    shown *s = shown_new(c, 1);

    if (s == NULL) return EK_RESOURCE_EXHAUSTED;
    s->summarize = ((const assert_attrs *)c->attrs)->summarize;
    ek__add_phase(c, assert_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_Assert = {
    .name = "Assert",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "condition: bool, data: T",
    .outputs = "",
    .attrs = "T: list(type) >= 1; summarize: int = 3",
    .attrs_size = sizeof(assert_attrs),
    .fields = assert_fields,
    .n_fields = EK_COUNT_OF(assert_fields),
    .shape = assert_shape,
    .prepare = assert_prepare,
    .no_grad_because = "it has no outputs",
};

/* ---- Print ----------------------------------------------------------------------------------- */

typedef struct print_attrs {
    const char *message;
    int64_t first_n, summarize;
} print_attrs;

static const ek_field print_fields[] = {
    EK_FIELD(print_attrs, message, STRING),
    EK_FIELD(print_attrs, first_n, INT),
    EK_FIELD(print_attrs, summarize, INT),
};

/* op_state counts the lines printed so far. */
static ek_status print_line(const ek_run_args *a, int64_t chunk)
{
    const shown *s = a->state;
    int64_t *printed = a->op_state;
    ek_buf text = { 0 };

    EK_UNUSED(chunk);
    if (s->limit >= 0 && *printed >= s->limit) return EK_OK;
    ++*printed;
    ek__buf_str(&text, s->message);
    show(&text, s, a, "]");
    ek__buf_str(&text, "\n");
    if (!text.failed) (void)fwrite(text.data, 1, text.size, stderr);
    ek__buf_fini(&text);
    return EK_OK;
}

static ek_status print_pass(const ek_run_args *a, int64_t chunk)
{
    const shown *s = a->state;

    return ek__move_chunk(s->input_type, a->out[0], a->in[0], s->input_count, chunk, a->err);
}

static ek_status print_prepare(ek_prepare_ctx *c)
{
    const print_attrs *attrs = c->attrs;
    shown *s = shown_new(c, 1);

    if (s == NULL) return EK_RESOURCE_EXHAUSTED;
    s->summarize = attrs->summarize;
    s->limit = attrs->first_n;
    s->message = ek__arena_strdup(c->arena, attrs->message);
    s->input_type = c->in_dtype[0];
    s->input_count = ek_shape_count(&c->in[0]);
    if (s->message == NULL) return ek__no_memory(c);
    ek__add_phase(c, print_line, 1);
    ek__add_phase(c, print_pass, ek__move_chunks(s->input_type, s->input_count));
    return EK_OK;
}

const ek_op_def ek__op_Print = {
    .name = "Print",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "input: T, data: U",
    .outputs = "output: T",
    .attrs = "T: type; U: list(type) >= 0; message: string = ''; first_n: int = -1; summarize: int = 3",
    .attrs_size = sizeof(print_attrs),
    .fields = print_fields,
    .n_fields = EK_COUNT_OF(print_fields),
    .shape = ek__like_first_rule,
    .prepare = print_prepare,
    .op_state_bytes = sizeof(int64_t),
};
