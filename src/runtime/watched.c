/* runtime/watched.c - runs in which every step is looked at: variables without a value, NaN, the trace.
 */
#include "runtime/runtime.h"

#include <math.h>

#include "graph/node.h"
#include "ops/slot.h"

static ek_status uninitialized(ek_frame *f, const ek_plan_check *c)
{
    const ek_slot *slot = f->plan->variable[c->variable].slot;
    char node[400];

    if (c->whole_read)
        (void)ek__slot_unread(slot, &f->err);
    else
        (void)EK_FAIL(&f->err, FAILED_PRECONDITION, "Attempting to use uninitialized value %s", slot->name);
    if (c->fetch >= 0 && !c->whole_read)
        snprintf(node, sizeof node, "_retval_%s_0_%d", c->node->name, c->fetch);
    else
        snprintf(node, sizeof node, "%s", c->node->name);
    ek__fail_at(&f->err, node);
    return f->err.code;
}

/* 1: a NaN, 2: an infinity. */
static int bad_kind(double v) { return isnan(v) ? 1 : isinf(v) ? 2 : 0; }

static int bad_at(ek_dtype t, const void *data, int64_t i)
{
    switch (t) {
    case EK_FLOAT16: return bad_kind((double)ek_float16_to_float(((const uint16_t *)data)[i]));
    case EK_BFLOAT16: return bad_kind((double)ek_bfloat16_to_float(((const uint16_t *)data)[i]));
    case EK_FLOAT32: return bad_kind((double)((const float *)data)[i]);
    case EK_FLOAT64: return bad_kind(((const double *)data)[i]);
    default: return 0;
    }
}

static ek_status bad_number(const ek_run_state *run, ek_frame *f, const ek_node *n, int32_t k, const char *what, int64_t at,
                            int64_t of)
{
    const int64_t global_step = ek__store_global_step(run->session->store);
    char step[64] = "";

    if (global_step >= 0) snprintf(step, sizeof step, ", global_step %lld", (long long)global_step);
    (void)EK_FAIL(&f->err, INVALID_ARGUMENT, "%s:%d of type %s has %s, first at element %lld of %lld, in run %lld of the session%s",
                  n->name, k, n->type, what, (long long)at, (long long)of, (long long)run->number, step);
    ek__fail_at(&f->err, n->name);
    return f->err.code;
}

static ek_status check_output(const ek_run_state *run, ek_frame *f, const ek_step *s, int32_t k)
{
    const ek_node *n = s->covers[0];
    const ek_dtype t = s->out_dtype[k];
    /* complex numbers are pairs of reals */
    const ek_dtype real = t == EK_COMPLEX64 ? EK_FLOAT32 : t == EK_COMPLEX128 ? EK_FLOAT64 : t;
    const int64_t count = real != t ? 2 * s->out_count[k] : s->out_count[k];
    const void *data = f->pointer[s->first_pointer + s->n_in + k];

    if (!ek_dtype_is_floating(real) || data == NULL) return EK_OK;
    for (int64_t i = 0; i < count; i++) {
        const int bad = bad_at(real, data, i);

        if (bad != 0)
            return bad_number(run, f, n, k, bad == 1 ? "NaN" : "Inf", real != t ? i / 2 : i, s->out_count[k]);
    }
    return EK_OK;
}

static ek_status watch_step(ek_run_state *run, ek_frame *f, int32_t step)
{
    const ek_step *s = &f->plan->step[step];
    const int64_t start = run->session->traced ? ek__now_ns() : 0;

    if (ek__run_step(run, f, step) != EK_OK) return ek__step_failed(f, step);
    if (run->session->traced)
        ek__trace_event(s->covers[s->n_covers - 1]->name, s->n_covers > 1 ? "chain" : s->covers[0]->type, start,
                        ek__now_ns());
    for (int32_t k = 0; k < s->n_out && run->session->check_numerics; k++) EK_TRY(check_output(run, f, s, k));
    return EK_OK;
}

ek_status ek__run_watched(ek_run_state *run, ek_frame *f)
{
    const ek_plan *p = f->plan;
    int32_t check = 0;

    for (int32_t k = 0; k <= p->n_steps; k++) {
        for (; check < p->n_checks && p->check[check].step <= k; check++)
            if (p->variable[p->check[check].variable].slot->value == NULL) return uninitialized(f, &p->check[check]);
        if (k < p->n_steps) EK_TRY(watch_step(run, f, k));
    }
    return EK_OK;
}
