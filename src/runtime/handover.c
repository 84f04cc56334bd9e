/* runtime/handover.c - what was fetched goes to the caller: everything is made ready first, then nothing can fail.
 */
#include "runtime/runtime.h"

#include "graph/node.h"

static void copy_numbers(ek_array *to, const void *from, const ek_fetched *f)
{
    const size_t bytes = (size_t)f->count * ek_dtype_size(f->dtype);

    if (bytes > 0 && to->data != from) memmove(to->data, from, bytes); /* the caller may fetch into what it feeds */
}

/* Walks the fetches of all regions of the run, innermost first. */
typedef ek_status (*visit_fn)(ek_run_state *run, const ek_frame *f, const ek_fetched *what, ek_array **fresh);

static ek_status for_each(ek_run_state *run, ek_array **fresh, visit_fn visit)
{
    for (const ek_frame *f = run->frame; f != NULL; f = f->outer)
        for (int32_t i = 0; i < f->plan->n_fetched; i++)
            if (run->request->into[f->plan->fetched[i].fetch] != NULL)
                EK_TRY(visit(run, f, &f->plan->fetched[i], fresh));
    return EK_OK;
}

/* Whether a fetch hands on, to another array, what is fed in `a`: refilling would destroy it. */
static bool handed_on(const ek_run_state *run, const ek_array *a)
{
    for (const ek_frame *f = run->frame; f != NULL; f = f->outer)
        for (int32_t i = 0; i < f->plan->n_fetched; i++) {
            const ek_fetched *what = &f->plan->fetched[i];
            ek_array **into = run->request->into[what->fetch];

            if (what->place.home == EK_HOME_FEED && into != NULL && *into != a &&
                run->request->value[what->place.index] == a)
                return true;
        }
    return false;
}

/* Whether the caller's array can be refilled as it is. */
static bool reusable(const ek_run_state *run, const ek_fetched *f)
{
    const ek_array *a = *run->request->into[f->fetch];

    return a != NULL && atomic_load_explicit(&a->refs, memory_order_acquire) == 1 && a->dtype == f->dtype &&
           f->dtype != EK_STRING && ek_shape_equal(&a->shape, f->shape) && !(run->hands_on_feeds && handed_on(run, a));
}

static ek_status find_feeds(ek_run_state *run, const ek_frame *f, const ek_fetched *what, ek_array **fresh)
{
    EK_UNUSED(f);
    EK_UNUSED(fresh);
    run->hands_on_feeds = run->hands_on_feeds || what->place.home == EK_HOME_FEED;
    return EK_OK;
}

static ek_status need_fresh(ek_run_state *run, const ek_frame *f, const ek_fetched *what, ek_array **fresh)
{
    EK_UNUSED(f);
    EK_UNUSED(fresh);
    return reusable(run, what) ? EK_OK : EK_UNKNOWN;
}

static ek_status make_ready(ek_run_state *run, const ek_frame *f, const ek_fetched *what, ek_array **fresh)
{
    const void *data = ek__frame_at(run, f, &what->place);

    if (reusable(run, what)) return EK_OK;
    /* Numbers are copied from an address; an array without elements has no use for one. */
    return ek__array_new(what->dtype, what->shape, data, &fresh[what->fetch], run->err);
}

static ek_status refill(ek_run_state *run, const ek_frame *f, const ek_fetched *what, ek_array **fresh)
{
    if (fresh == NULL || fresh[what->fetch] == NULL)
        copy_numbers(*run->request->into[what->fetch], ek__frame_at(run, f, &what->place), what);
    return EK_OK;
}

/* After every refill: two fetches may go to one place, and what is replaced may be fed. It is given up last. */
static ek_status replace(ek_run_state *run, const ek_frame *f, const ek_fetched *what, ek_array **fresh)
{
    ek_array **into = run->request->into[what->fetch], *old = *into;

    EK_UNUSED(f);
    if (fresh[what->fetch] == NULL) return EK_OK;
    *into = fresh[what->fetch];
    fresh[what->fetch] = old;
    return EK_OK;
}

static ek_status dead_fetch(const ek_run_state *run)
{
    int32_t first = -1;

    for (const ek_frame *f = run->frame; f != NULL; f = f->outer)
        if (f->plan->dead_fetch >= 0 && (first < 0 || f->plan->dead_fetch < first)) first = f->plan->dead_fetch;
    return first < 0 ? EK_OK : EK_FAIL(run->err, INVALID_ARGUMENT, "Retval[%d] does not have value", first);
}

ek_status ek__hand_over(ek_run_state *run)
{
    const int32_t n = run->request->n_fetches;
    ek_array *inline_fresh[EK_REQUEST_INLINE] = { NULL }, **fresh = inline_fresh;
    ek_status st;

    EK_TRY(dead_fetch(run));
    EK_TRY(for_each(run, NULL, find_feeds));
    if (for_each(run, NULL, need_fresh) == EK_OK) return for_each(run, NULL, refill); /* the steady state */
    if (n > EK_REQUEST_INLINE) {
        fresh = ek__calloc((size_t)n, sizeof *fresh);
        if (fresh == NULL) return EK_FAIL(run->err, RESOURCE_EXHAUSTED, "no memory for %d fetches", n);
    }
    st = for_each(run, fresh, make_ready);
    if (st == EK_OK) st = for_each(run, fresh, refill);
    if (st == EK_OK) st = for_each(run, fresh, replace);
    for (int32_t k = 0; k < n; k++) ek_array_unref(fresh[k]);
    if (fresh != inline_fresh) ek__free(fresh);
    return st;
}
