/* runtime/cache.c - a session's recent signatures and their plans.
 *
 * Lookups take no lock: they announce themselves, read the table, take a reference. Whoever takes an entry out (the
 * planner is locked then) waits until no lookup is in progress, a matter of nanoseconds, before releasing it.
 */
#include "runtime/runtime.h"

#include <sched.h>


bool ek__entry_fits(const ek_entry *e, const ek_request *r)
{
    if (e->n_feeds != r->n_feeds || e->n_fetches != r->n_fetches || e->n_targets != r->n_targets) return false;
    if (r->n_feeds > 0 && memcmp(e->feed, r->feed, sizeof *e->feed * (size_t)r->n_feeds) != 0) return false;
    if (r->n_fetches > 0 && memcmp(e->fetch, r->fetch, sizeof *e->fetch * (size_t)r->n_fetches) != 0) return false;
    if (r->n_targets > 0 && memcmp(e->target, r->target, sizeof *e->target * (size_t)r->n_targets) != 0) return false;
    for (int32_t i = 0; i < r->n_feeds; i++) {
        const ek_array *a = r->value[i];
        const ek_shape *s = &e->shape[i];

        if (a->dtype != e->dtype[i] || a->shape.rank != s->rank) return false;
        for (int32_t d = 0; d < s->rank; d++)
            if (a->shape.dim[d] != s->dim[d]) return false;
        if (i < 64 && (e->plan->steering >> i & 1) != 0 && *(const bool *)a->data != e->flag[i]) return false;
    }
    return true;
}

ek_entry *ek__cache_find(ek_cache *c, const ek_request *r)
{
    ek_entry *found = NULL;

    atomic_fetch_add(&c->looking, 1);
    for (int i = 0; i < EK_CACHE_SIZE && found == NULL; i++) {
        ek_entry *e = atomic_load(&c->entry[i]);

        if (e == NULL || e->hash != r->hash || !ek__entry_fits(e, r)) continue;
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
        atomic_store_explicit(&e->used, atomic_fetch_add_explicit(&c->clock, 1, memory_order_relaxed),
                              memory_order_relaxed);
        found = e;
    }
    atomic_fetch_sub(&c->looking, 1);
    return found;
}

/* One block: the entry and its arrays. */
ek_status ek__entry_new(const ek_request *r, ek_plan *plan, ek_entry **out, ek_error *err)
{
    const size_t feeds = (size_t)r->n_feeds;
    const size_t bytes = sizeof(ek_entry) +
                         feeds * (sizeof(ek_shape) + sizeof(ek_edge) + sizeof(ek_dtype) + sizeof(bool)) +
                         (size_t)r->n_fetches * sizeof(ek_edge) + (size_t)r->n_targets * sizeof(int32_t);
    ek_entry *e = ek__calloc(1, bytes);

    if (e == NULL) {
        ek__plan_unref(plan);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to keep a plan");
    }
    *e = (ek_entry){ .refs = 1, .hash = r->hash, .plan = plan, .n_feeds = r->n_feeds, .n_fetches = r->n_fetches,
                     .n_targets = r->n_targets };
    e->shape = (ek_shape *)(void *)(e + 1);
    e->feed = (ek_edge *)(void *)(e->shape + feeds);
    e->fetch = e->feed + feeds;
    e->target = (int32_t *)(void *)(e->fetch + r->n_fetches);
    e->dtype = (ek_dtype *)(void *)(e->target + r->n_targets);
    e->flag = (bool *)(void *)(e->dtype + feeds);
    for (int32_t i = 0; i < r->n_feeds; i++) {
        e->feed[i] = r->feed[i];
        e->dtype[i] = r->value[i]->dtype;
        e->shape[i] = r->value[i]->shape;
        if (i < 64 && (plan->steering >> i & 1) != 0) e->flag[i] = *(const bool *)r->value[i]->data;
    }
    for (int32_t i = 0; i < r->n_fetches; i++) e->fetch[i] = r->fetch[i];
    for (int32_t i = 0; i < r->n_targets; i++) e->target[i] = r->target[i];
    *out = e;
    return EK_OK;
}

void ek__entry_unref(ek_entry *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
    ek__plan_unref(e->plan);
    ek__free(e);
}

/* Same feeds, shapes, flags, fetches and targets. */
static bool same_signature(const ek_entry *a, const ek_entry *b)
{
    if (a->hash != b->hash || a->plan->steering != b->plan->steering || a->n_feeds != b->n_feeds ||
        a->n_fetches != b->n_fetches || a->n_targets != b->n_targets)
        return false;
    for (int32_t i = 0; i < a->n_feeds; i++)
        if (a->feed[i].node != b->feed[i].node || a->feed[i].index != b->feed[i].index || a->dtype[i] != b->dtype[i] ||
            a->flag[i] != b->flag[i] || !ek_shape_equal(&a->shape[i], &b->shape[i]))
            return false;
    for (int32_t i = 0; i < a->n_fetches; i++)
        if (a->fetch[i].node != b->fetch[i].node || a->fetch[i].index != b->fetch[i].index) return false;
    for (int32_t i = 0; i < a->n_targets; i++)
        if (a->target[i] != b->target[i]) return false;
    return true;
}

/* An entry of the same signature (its plan was for other shapes of variables), an empty place, or the oldest. */
static int place_for(ek_cache *c, const ek_entry *e)
{
    int oldest = 0, empty = -1;

    for (int i = 0; i < EK_CACHE_SIZE; i++) {
        const ek_entry *there = atomic_load(&c->entry[i]);

        if (there == NULL) {
            if (empty < 0) empty = i;
        } else if (same_signature(there, e)) {
            return i;
        } else {
            const ek_entry *old = atomic_load(&c->entry[oldest]);

            if (old == NULL || atomic_load(&there->used) < atomic_load(&old->used)) oldest = i;
        }
    }
    return empty >= 0 ? empty : oldest;
}

void ek__cache_put(ek_cache *c, ek_entry *e)
{
    const int at = place_for(c, e);

    atomic_fetch_add(&e->refs, 1);
    atomic_store(&e->used, atomic_fetch_add(&c->clock, 1));
    ek_entry *old = atomic_exchange(&c->entry[at], e);
    if (old == NULL) return;
    while (atomic_load(&c->looking) != 0) sched_yield();
    ek__entry_unref(old);
}

void ek__cache_fini(ek_cache *c)
{
    for (int i = 0; i < EK_CACHE_SIZE; i++) ek__entry_unref(atomic_load(&c->entry[i]));
}
