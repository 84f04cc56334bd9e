/* runtime/execute.c - runs a plan: binds what changed, then step after step, region after region.
 */
#include "runtime/runtime.h"

#include "base/pool.h"
#include "graph/node.h"
#include "ops/slot.h"

/* ---- where values are ------------------------------------------------------------------------ */

const void *ek__frame_at(const ek_run_state *run, const ek_frame *f, const ek_place *p)
{
    switch (p->home) {
    case EK_HOME_BLOCK: return f->block + p->offset;
    case EK_HOME_STRINGS: return (const char *)f->strings + p->offset;
    case EK_HOME_CONSTANT: return f->plan->constant[p->index]->data;
    case EK_HOME_FEED: return run->request->value[p->index]->data;
    case EK_HOME_VARIABLE: {
        const ek_array *value = f->plan->variable[p->index].slot->value;

        return value != NULL ? value->data : NULL;
    }
    case EK_HOME_OUTER: return ek__frame_at(run, f->outer, &f->plan->outer_place[p->index]);
    default: return f->block;
    }
}

/* Writes an address into the entries of the table that follow one feed, variable or outer value. */
static inline void bind(ek_frame *f, const ek_patch *patch, const void **now, const void *address)
{
    if (*now == address) return;
    *now = address;
    for (int32_t i = 0; i < patch->n; i++) f->pointer[patch->entry[i]] = (void *)(uintptr_t)address;
}

/* false: some variable has no value yet. */
static bool bind_all(const ek_run_state *run, ek_frame *f)
{
    const ek_plan *p = f->plan;
    bool whole = true;

    for (int32_t i = 0; i < p->n_feeds; i++) {
        const void *data = run->request->value[i]->data;

        bind(f, &p->feed_patch[i], &f->feed_at[i], data != NULL ? data : f->block);
    }
    for (int32_t v = 0; v < p->n_variables; v++) {
        const ek_array *value = p->variable[v].slot->value;

        bind(f, &p->variable_patch[v], &f->variable_at[v], value != NULL ? value->data : NULL);
        whole = whole && value != NULL;
    }
    for (int32_t i = 0; i < p->n_outer; i++)
        bind(f, &p->outer_patch[i], &f->outer_at[i], ek__frame_at(run, f->outer, &p->outer_place[i]));
    return whole;
}

/* ---- one step ------------------------------------------------------------------------------------ */

ek_status ek__step_failed(ek_frame *f, int32_t step)
{
    const ek_step *s = &f->plan->step[step];

    (void)EK_FAIL(&f->err, INTERNAL, "the kernel failed without a word");
    ek__fail_at(&f->err, s->covers[0]->name);
    return f->err.code;
}

/* Chunks of a phase on several threads: each has an error record of its own, and the first chunk's failure counts. */
typedef struct shared_phase {
    const ek_run_args *args;
    ek_run_fn run;
    pthread_mutex_t lock;
    int64_t failed; /* chunk, or INT64_MAX */
    ek_error *err;
} shared_phase;

static void run_chunk(void *arg, int64_t chunk)
{
    shared_phase *p = arg;
    ek_run_args args = *p->args;
    ek_error err;

    err.code = EK_OK;
    err.text[0] = err.node[0] = '\0';
    args.err = &err;
    if (p->run(&args, chunk) == EK_OK) return;
    (void)EK_FAIL(&err, INTERNAL, "the kernel failed without a word");
    pthread_mutex_lock(&p->lock);
    if (chunk < p->failed) {
        p->failed = chunk;
        *p->err = err;
    }
    pthread_mutex_unlock(&p->lock);
}

static ek_status run_phase(const ek_run_state *run, ek_frame *f, int32_t step, const ek_phase *phase)
{
    const int threads = run->session->threads;

    if (phase->chunks == 1 || threads == 1) {
        for (int64_t c = 0; c < phase->chunks; c++)
            if (phase->run(&f->args[step], c) != EK_OK)
                return EK_FAIL(&f->err, INTERNAL, "the kernel failed without a word");
        return EK_OK;
    }
    shared_phase shared = { &f->args[step], phase->run, PTHREAD_MUTEX_INITIALIZER, INT64_MAX, &f->err };
    ek__parallel_for(threads, phase->chunks, run_chunk, &shared);
    return shared.failed == INT64_MAX ? EK_OK : f->err.code;
}

/* A write may have moved the variable, and must have left it the shape that the plan knows. */
static ek_status after_write(ek_run_state *run, ek_frame *f, const ek_step *s, int32_t i)
{
    const int32_t v = s->written[i];
    ek_slot *slot = f->plan->variable[v].slot;
    const ek_shape *shape = s->written_shape[i];

    if (slot->value == NULL) return EK_OK;
    ek__store_written(run->session->store, slot);
    bind(f, &f->plan->variable_patch[v], &f->variable_at[v], slot->value->data);
    if (shape == NULL || ek_shape_equal(shape, &slot->value->shape)) return EK_OK;
    return EK_FAIL(&f->err, UNIMPLEMENTED,
                   "variable '%s' got a shape that could not be foreseen; assign it in a run of its own", slot->name);
}

ek_status ek__run_step(ek_run_state *run, ek_frame *f, int32_t step)
{
    const ek_step *s = &f->plan->step[step];

    for (int i = 0; i < s->n_phases; i++) EK_TRY(run_phase(run, f, step, &s->phase[i]));
    for (int32_t i = 0; i < s->n_written; i++) EK_TRY(after_write(run, f, s, i));
    return EK_OK;
}

static ek_status run_steps(ek_run_state *run, ek_frame *f)
{
    const ek_run_fn *single = f->plan->single;
    const int32_t n = f->plan->n_steps;

    for (int32_t k = 0; k < n; k++) {
        const ek_status st = single[k] != NULL ? single[k](&f->args[k], 0) : ek__run_step(run, f, k);

        if (st != EK_OK) return ek__step_failed(f, k);
    }
    return EK_OK;
}

/* ---- regions ---------------------------------------------------------------------------------------- */

static ek_status run_region(ek_run_state *run, ek_frame *f)
{
    const bool whole = bind_all(run, f);
    ek_status st;

    f->err.code = EK_OK;
    f->err.text[0] = f->err.node[0] = '\0';
    if (f->plan->watch != NULL) ek__notes_before(run->session, f->plan->watch);
    if (whole && !run->session->check_numerics && !run->session->traced)
        st = run_steps(run, f);
    else
        st = ek__run_watched(run, f);
    return st == EK_OK ? EK_OK : ek__error_copy(run->err, &f->err);
}

static ek_status run_all(ek_run_state *run)
{
    for (;;) {
        ek_plan *tail = NULL;
        ek_frame *next = NULL;

        EK_TRY(run_region(run, run->frame));
        if (run->frame->plan->split == NULL) return EK_OK;
        EK_TRY(ek__find_tail(run, run->frame, &tail));
        const ek_status st = ek__frame_take(tail, &next, run->err);
        if (st != EK_OK) {
            ek__plan_unref(tail);
            return st;
        }
        next->outer = run->frame;
        run->frame = next;
    }
}

ek_status ek__execute(ek_session *s, ek_plan *p, const ek_request *r, ek_error *err)
{
    ek_run_state run = { .session = s, .request = r, .err = err };
    const int64_t start = s->traced ? ek__now_ns() : 0;
    ek_status st;

    if (s->check_numerics) run.number = atomic_fetch_add(&s->runs, 1) + 1;
    EK_TRY(ek__frame_take(p, &run.frame, err));
    run.frame->outer = NULL;
    st = run_all(&run);
    if (st == EK_OK) st = ek__hand_over(&run);
    while (run.frame != NULL) {
        ek_frame *outer = run.frame->outer;
        ek_plan *plan = run.frame->plan;

        if (st == EK_OK && plan->watch != NULL) ek__notes_after(s, plan->watch);
        ek__frame_give(run.frame);
        if (outer != NULL) ek__plan_unref(plan); /* a tail's reference is this run's own */
        run.frame = outer;
    }
    if (s->traced) ek__trace_event("run", "run", start, ek__now_ns());
    return st;
}
