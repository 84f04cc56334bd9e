/* runtime/session.c - sessions: a graph, a store, plans; the way in to a run.
 */
#include "runtime/runtime.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/pool.h"
#include "graph/node.h"

/* ---- life ------------------------------------------------------------------------------------ */

static bool env_is(const char *name, const char *value)
{
    const char *env = getenv(name);

    return env != NULL && strcmp(env, value) == 0;
}

ek_session *ek_session_create_with(const ek_session_options *o, ek_where where)
{
    ek_session_options all = { .fuse = EK_DEFAULT, .watch = EK_DEFAULT };
    const size_t has_error = offsetof(ek_session_options, error) + sizeof all.error;
    ek_error *err = ek__error_begin(o != NULL && o->size >= has_error ? o->error : NULL);
    ek_session *s;

    if (o != NULL) memcpy(&all, o, o->size < sizeof all ? o->size : sizeof all);
    if (all.graph == NULL) {
        (void)EK_FAIL(err, INVALID_ARGUMENT, "a session needs a graph");
        err->file = where.file;
        err->line = where.line;
        return NULL;
    }
    s = ek__calloc(1, sizeof *s);
    if (s != NULL && all.store == NULL) s->store = ek_store_create();
    if (s != NULL && all.store != NULL) s->store = ek__store_ref(all.store);
    if (s == NULL || s->store == NULL || pthread_mutex_init(&s->planner, NULL) != 0 || !ek__notes_init(&s->notes, &all)) {
        if (s != NULL) ek_store_unref(s->store);
        ek__free(s);
        (void)EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a session");
        return NULL;
    }
    s->graph = all.graph;
    s->threads = all.threads > 0 ? all.threads : ek__cpu_count();
    s->deterministic = all.deterministic;
    s->check_numerics = all.check_numerics || env_is("EK_CHECK", "nan");
    /* Numbers are looked at node by node, so every node must leave some. */
    s->fuse = (all.fuse == EK_DEFAULT ? !env_is("EK_FUSE", "0") : all.fuse == EK_YES) && !s->check_numerics;
    s->fold = !env_is("EK_FOLD", "0");
    s->inplace = !env_is("EK_INPLACE", "0");
    s->reuse = !env_is("EK_REUSE", "0");
    s->traced = ek__trace_open();
    return s;
}

void ek_session_destroy(ek_session *s)
{
    if (s == NULL) return;
    ek__cache_fini(&s->cache);
    ek__recognised_free(s->recognised);
    for (int64_t i = 0; i < s->n_states; i++) {
        ek__free(s->state[i]->state);
        ek__free(s->state[i]);
    }
    ek__free(s->state);
    ek__map_fini(&s->states);
    ek__free(atomic_load(&s->large_request));
    ek__notes_fini(&s->notes);
    ek_store_unref(s->store);
    pthread_mutex_destroy(&s->planner);
    if (s->traced) ek__trace_close();
    ek__free(s);
}

ek_store *ek_session_store(ek_session *s)
{
    return s != NULL ? s->store : NULL;
}

/* ---- what planning asks for ------------------------------------------------------------------------ */

static ek_status host_variable(void *self, const ek_node *source, ek_slot **out, ek_error *err)
{
    const ek_session *s = self;

    return ek__store_slot(s->store, source, out, err);
}

ek_status ek__session_state(ek_session *s, const ek_node *n, size_t bytes, void **out, ek_error *err)
{
    const int64_t at = ek__map_get(&s->states, (const char *)&n->id, sizeof n->id, -1);
    ek_op_state *state;

    if (at >= 0) {
        *out = s->state[at]->state;
        return EK_OK;
    }
    state = ek__calloc(1, sizeof *state);
    if (state != NULL) state->state = ek__calloc(1, bytes);
    if (state == NULL || state->state == NULL || !EK_GROW(s->state, s->cap_states, s->n_states + 1)) goto no_memory;
    state->node = n->id;
    if (!ek__map_put(&s->states, (const char *)&state->node, sizeof state->node, s->n_states)) goto no_memory;
    s->state[s->n_states++] = state;
    *out = state->state;
    return EK_OK;
no_memory:
    if (state != NULL) ek__free(state->state);
    ek__free(state);
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the state of '%s'", n->name);
}

static ek_status host_state(void *self, const ek_node *n, size_t bytes, void **out, ek_error *err)
{
    return ek__session_state(self, n, bytes, out, err);
}

static ek_plan_host host_of(ek_session *s)
{
    return (ek_plan_host){ .self = s,
                           .variable = host_variable,
                           .op_state = host_state,
                           .note = s->notes.on ? ek__note_for : NULL,
                           .frame_destroy = ek__frame_destroy,
                           .recognised = &s->recognised,
                           .fuse = s->fuse,
                           .fold = s->fold,
                           .inplace = s->inplace,
                           .reuse = s->reuse,
                           .deterministic = s->deterministic,
                           .one_thread = s->threads == 1 };
}

bool ek__plan_is_valid(const ek_session *s, ek_plan *p)
{
    const uint64_t layout = atomic_load(&s->store->layout);

    if (atomic_load_explicit(&p->valid_for, memory_order_acquire) == layout) return true;
    for (int32_t v = 0; v < p->n_variables; v++) {
        const ek_array *value = p->variable[v].slot->value;

        if (value == NULL) continue;
        if (p->variable[v].shape == NULL || !ek_shape_equal(p->variable[v].shape, &value->shape)) return false;
    }
    atomic_store_explicit(&p->valid_for, layout, memory_order_release);
    return true;
}

/* The store's lock is held for reading at least. */
static ek_status plan_request(ek_session *s, const ek_run_options *o, const ek_request *r, ek_entry **out,
                              ek_error *err)
{
    const ek_goal goal = { .graph = s->graph,
                           .n_feeds = r->n_feeds,
                           .n_fetches = r->n_fetches,
                           .n_targets = r->n_targets,
                           .feed = r->feed,
                           .feed_value = r->value,
                           .fetch = r->fetch,
                           .target = r->target };
    const ek_plan_host host = host_of(s);
    ek_plan *plan = NULL;

    EK_TRY(ek__request_check(s, o, r, err));
    EK_TRY(ek__plan_build(&goal, &host, &plan, err));
    EK_TRY(ek__entry_new(r, plan, out, err));
    ek__cache_put(&s->cache, *out);
    return EK_OK;
}

ek_status ek__session_entry(ek_session *s, const ek_run_options *o, const ek_request *r, ek_entry **out, ek_error *err)
{
    ek_status st;

    pthread_rwlock_rdlock(&s->store->lock);
    pthread_mutex_lock(&s->planner);
    pthread_rwlock_rdlock(&s->graph->lock);
    *out = r->odd ? NULL : ek__cache_find(&s->cache, r); /* somebody else may have been quicker */
    if (*out != NULL && !ek__plan_is_valid(s, (*out)->plan)) {
        ek__entry_unref(*out);
        *out = NULL;
    }
    st = *out != NULL ? EK_OK : plan_request(s, o, r, out, err);
    pthread_rwlock_unlock(&s->graph->lock);
    pthread_mutex_unlock(&s->planner);
    pthread_rwlock_unlock(&s->store->lock);
    return st;
}

ek_status ek__session_tail(ek_session *s, ek_plan *head, const ek_outcome *outcome, ek_plan **out, ek_error *err)
{
    const ek_plan_host host = host_of(s);
    ek_status st;

    pthread_mutex_lock(&s->planner);
    pthread_rwlock_rdlock(&s->graph->lock);
    st = ek__plan_build_tail(head, outcome, &host, out, err);
    pthread_rwlock_unlock(&s->graph->lock);
    pthread_mutex_unlock(&s->planner);
    return st;
}

/* ---- running ----------------------------------------------------------------------------------------- */

static void lock_store(ek_store *store, bool exclusive)
{
    if (exclusive)
        pthread_rwlock_wrlock(&store->lock);
    else
        pthread_rwlock_rdlock(&store->lock);
}

/* Runs a request. *entry is the plan to try, or NULL; the one that served comes back, with a reference. */
static ek_status run_request(ek_session *s, const ek_run_options *o, const ek_request *r, ek_entry **entry,
                             ek_error *err)
{
    for (;;) {
        if (*entry == NULL) EK_TRY(ek__session_entry(s, o, r, entry, err));
        lock_store(s->store, (*entry)->plan->exclusive);
        if (ek__plan_is_valid(s, (*entry)->plan)) break;
        pthread_rwlock_unlock(&s->store->lock); /* a variable got another shape: plan again */
        ek__entry_unref(*entry);
        *entry = NULL;
    }
    const ek_status st = ek__execute(s, (*entry)->plan, r, err);
    pthread_rwlock_unlock(&s->store->lock);
    if (atomic_load_explicit(&s->notes.due, memory_order_relaxed) != 0) ek__notes_say(&s->notes);
    return st;
}

/* The caller's line helps more than the library's; a graph's failure has a line of its own. */
static ek_status fail_with_place(const ek_session *s, ek_error *err, ek_where where)
{
    if (s == NULL || __atomic_load_n(&s->graph->error.code, __ATOMIC_RELAXED) == EK_OK) {
        err->file = where.file;
        err->line = where.line;
    }
    return err->code;
}

ek_status ek_run_with(ek_session *s, const ek_run_options *o, ek_where where)
{
    ek_run_options all;
    ek_error *err;
    ek_request_room room;
    ek_request r;
    ek_entry *entry = NULL;
    ek_status st;

    if (o != NULL && o->size < sizeof all) { /* a caller built against an older header */
        memset(&all, 0, sizeof all);
        memcpy(&all, o, o->size);
        o = &all;
    }
    err = ek__error_begin(o != NULL ? o->error : NULL);
    if (s == NULL || o == NULL) {
        (void)EK_FAIL(err, INVALID_ARGUMENT, "ek_run needs a session; did ek_session_create fail?");
        return fail_with_place(s, err, where);
    }
    st = ek__request_fill(s, o, &room, &r, err);
    if (st != EK_OK) return fail_with_place(s, err, where);
    if (__atomic_load_n(&s->graph->error.code, __ATOMIC_RELAXED) != EK_OK) r.odd = true;
    if (!r.odd) entry = ek__cache_find(&s->cache, &r);
    st = run_request(s, o, &r, &entry, err);
    ek__entry_unref(entry);
    ek__request_release(s, &room);
    return st == EK_OK ? st : fail_with_place(s, err, where);
}

/* ---- callables ------------------------------------------------------------------------------------------ */

struct ek_callable {
    ek_session *session;
    ek_run_options options;   /* arrays are the callable's own */
    ek_request_room room;
    ek_request request;
    ek_entry *entry;
    ek_where where;
};

static void *copy_array(const void *from, int64_t n, size_t size, bool *ok)
{
    void *to;

    if (n <= 0 || from == NULL) return NULL;
    to = ek__calloc((size_t)n, size);
    if (to == NULL)
        *ok = false;
    else
        memcpy(to, from, (size_t)n * size);
    return to;
}

static void callable_free(ek_callable *c)
{
    if (c == NULL) return;
    ek__entry_unref(c->entry);
    ek__free(c->room.large);
    ek__free((void *)(uintptr_t)c->options.feeds);
    ek__free((void *)(uintptr_t)c->options.fetches);
    ek__free((void *)(uintptr_t)c->options.targets);
    ek__free((void *)(uintptr_t)c->options.also.item);
    ek__free(c);
}

void ek_callable_destroy(ek_callable *c)
{
    callable_free(c);
}

ek_callable *ek_callable_create_with(ek_session *s, const ek_run_options *o, ek_where where)
{
    ek_error *err = ek__error_begin(o != NULL && o->size >= sizeof *o ? o->error : NULL);
    ek_callable *c = ek__calloc(1, sizeof *c);
    bool ok = c != NULL;

    if (s == NULL || o == NULL) {
        (void)EK_FAIL(err, INVALID_ARGUMENT, "a callable needs a session");
        goto failed;
    }
    if (ok) {
        memcpy(&c->options, o, o->size < sizeof *o ? o->size : sizeof *o);
        c->session = s;
        c->where = where;
        c->options.feeds = copy_array(c->options.feeds, c->options.n_feeds, sizeof(ek_feed), &ok);
        c->options.fetches = copy_array(c->options.fetches, c->options.n_fetches, sizeof(ek_fetch), &ok);
        c->options.targets = copy_array(c->options.targets, c->options.n_targets, sizeof(ek_op), &ok);
        c->options.also.item = copy_array(c->options.also.item, c->options.also.count, sizeof(ek_item), &ok);
    }
    if (!ok) {
        (void)EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a callable");
        goto failed;
    }
    if (ek__request_fill(s, &c->options, &c->room, &c->request, err) != EK_OK) goto failed;
    return c;
failed:
    fail_with_place(s, err, where);
    callable_free(c);
    return NULL;
}

ek_status ek_callable_run(ek_callable *c, const ek_array *const *feeds, ek_array **fetches)
{
    ek_error *err = ek__error_begin(c != NULL ? c->options.error : NULL);
    ek_request *r;
    ek_status st;

    if (c == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "no callable; did ek_callable_create fail?");
    r = &c->request;
    r->odd = __atomic_load_n(&c->session->graph->error.code, __ATOMIC_RELAXED) != EK_OK;
    for (int32_t i = 0; i < r->n_feeds; i++) {
        r->value[i] = feeds != NULL ? feeds[i] : NULL;
        r->odd = r->odd || r->value[i] == NULL;
    }
    for (int32_t i = 0; i < r->n_fetches; i++) r->into[i] = fetches != NULL ? &fetches[i] : NULL;
    if (c->entry != NULL && (r->odd || !ek__entry_fits(c->entry, r))) {
        ek__entry_unref(c->entry);
        c->entry = NULL;
    }
    if (c->entry == NULL && !r->odd) {
        ek__request_hash(r);
        c->entry = ek__cache_find(&c->session->cache, r);
    }
    st = run_request(c->session, &c->options, r, &c->entry, err);
    return st == EK_OK ? st : fail_with_place(c->session, err, c->where);
}
