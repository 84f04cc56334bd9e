/* runtime/tail.c - which plan follows a split: found by what the run came to, made where it is new.
 */
#include "runtime/runtime.h"

#include "graph/node.h"

static bool key_add(ek_frame *f, const void *data, size_t size)
{
    if (f->key_size + size > f->key_cap) {
        const size_t cap = 2 * (f->key_size + size);
        uint8_t *bigger = ek__alloc(cap);

        if (bigger == NULL) return false;
        if (f->key_size > 0) memcpy(bigger, f->key, f->key_size);
        ek__free(f->key);
        f->key = bigger;
        f->key_cap = cap;
    }
    if (size > 0) memcpy(f->key + f->key_size, data, size);
    f->key_size += size;
    return true;
}

static bool key_add_strings(ek_frame *f, const ek_array *a)
{
    const ek_string *s = a->data;
    bool ok = true;

    for (int64_t i = 0; i < a->count && ok; i++)
        ok = key_add(f, &s[i].size, sizeof s[i].size) && key_add(f, s[i].data, s[i].size);
    return ok;
}

/* Shapes of the outputs and the values that decide. */
static bool make_key(ek_frame *f)
{
    const ek_node *n = f->plan->split->node;
    bool ok = true;

    for (int k = 0; k < n->n_out && ok; k++) {
        const ek_shape *s = &f->split.out_shape[k];

        ok = key_add(f, &s->rank, sizeof s->rank) && key_add(f, s->dim, sizeof s->dim[0] * (size_t)s->rank);
    }
    for (int i = 0; i < n->n_in && ok; i++) {
        const ek_array *a = &f->split.in[i];

        if (n->spec->def->value_inputs == 0 || !ek__value_input(n->spec, i, n->n_in)) continue;
        ok = key_add(f, &a->count, sizeof a->count) &&
             (a->dtype == EK_STRING ? key_add_strings(f, a)
                                    : key_add(f, a->data, (size_t)a->count * ek_dtype_size(a->dtype)));
    }
    return ok;
}

/* The inputs of the node at the split as arrays, without a copy. */
static ek_status gather_inputs(ek_run_state *run, ek_frame *f)
{
    const ek_split *s = f->plan->split;
    const ek_node *n = s->node;

    for (int i = 0; i < n->n_in; i++) {
        ek_array *a = &f->split.in[i];
        const ek_dtype dtype = ek_dtype_base(n->in_dtype[i]);

        *a = (ek_array){ .dtype = dtype, .data = (void *)(uintptr_t)ek__frame_at(run, f, &s->in[i]) };
        f->split.in_handle[i] = EK_UNKNOWN_SHAPE;
        if (s->in_shape[i] != NULL) {
            a->shape = *s->in_shape[i];
        } else {
            const ek_array *value = f->plan->variable[s->in[i].index].slot->value;

            if (value == NULL && i < 32 && (n->spec->def->accepts_uninitialized >> i & 1) != 0) {
                const ek_edge from = n->in[i]; /* about to be written: what the graph says of it must do */

                a->shape = run->session->graph->node[from.node]->out_shape[from.index];
                a->count = ek_shape_count(&a->shape);
                continue;
            }
            if (value == NULL)
                return EK_FAIL(run->err, FAILED_PRECONDITION, "Attempting to use uninitialized value %s",
                               f->plan->variable[s->in[i].index].slot->name);
            if (dtype == EK_RESOURCE)
                f->split.in_handle[i] = value->shape;
            else
                a->shape = value->shape;
        }
        a->count = ek_shape_count(&a->shape);
        if (dtype == EK_RESOURCE) a->dtype = EK_RESOURCE;
    }
    return EK_OK;
}

static ek_status find_outcome(ek_run_state *run, ek_frame *f, ek_outcome *out)
{
    const ek_split *s = f->plan->split;

    f->key_size = 0;
    if (s->kind == EK_SPLIT_BRANCH) {
        out->branch = *(const bool *)ek__frame_at(run, f, &s->in[1]) ? 1 : 0;
        const uint8_t taken = (uint8_t)out->branch;

        return key_add(f, &taken, 1) ? EK_OK : EK_FAIL(run->err, RESOURCE_EXHAUSTED, "no memory for a branch");
    }
    EK_TRY(gather_inputs(run, f));
    EK_TRY(ek__split_shapes(f->plan, &f->split, run->err));
    if (!make_key(f)) return EK_FAIL(run->err, RESOURCE_EXHAUSTED, "no memory for a shape");
    out->in = f->split.in_value;
    out->out_shape = f->split.out_shape;
    return EK_OK;
}

/* The split is locked. A tail of other shapes of variables is not the one. */
static ek_plan *look_up(const ek_session *session, ek_split *s, const ek_frame *f)
{
    for (int i = 0; i < s->n_tails; i++) {
        ek_tail *t = &s->tail[i];

        if (t->key_size != f->key_size || memcmp(t->key, f->key, f->key_size) != 0) continue;
        if (!ek__plan_is_valid(session, t->plan)) continue;
        t->used = ++s->clock;
        return ek__plan_ref(t->plan);
    }
    return NULL;
}

/* Keeps a tail, for the one used least recently where there is no more room. */
static bool keep(ek_split *s, const ek_frame *f, ek_plan *plan)
{
    ek_tail *t = &s->tail[0];
    uint8_t *key = ek__alloc(f->key_size);

    if (key == NULL) return false;
    memcpy(key, f->key, f->key_size);
    pthread_mutex_lock(&s->lock);
    if (s->n_tails < EK_MAX_TAILS) {
        t = &s->tail[s->n_tails++];
        *t = (ek_tail){ 0 };
    } else {
        for (int i = 1; i < s->n_tails; i++)
            if (s->tail[i].used < t->used) t = &s->tail[i];
    }
    ek_plan *old = t->plan;
    ek__free(t->key);
    *t = (ek_tail){ .plan = ek__plan_ref(plan), .key = key, .key_size = f->key_size, .used = ++s->clock };
    pthread_mutex_unlock(&s->lock);
    ek__plan_unref(old);
    return true;
}

/* Many conds that numbers decide have too many outcomes together: what this run is on its way through stays. */
static void forget_others(ek_frame *f, const ek_plan *plan)
{
    for (; f != NULL; plan = f->plan, f = f->outer) {
        ek_split *s = f->plan->split;
        ek_tail gone[EK_MAX_TAILS];
        int n_gone = 0, kept = 0;

        pthread_mutex_lock(&s->lock);
        for (int i = 0; i < s->n_tails; i++) {
            if (s->tail[i].plan == plan)
                s->tail[kept++] = s->tail[i];
            else
                gone[n_gone++] = s->tail[i];
        }
        s->n_tails = kept;
        pthread_mutex_unlock(&s->lock);
        for (int i = 0; i < n_gone; i++) {
            ek__plan_unref(gone[i].plan);
            ek__free(gone[i].key);
        }
    }
}

ek_status ek__find_tail(ek_run_state *run, ek_frame *f, ek_plan **out)
{
    ek_split *s = f->plan->split;
    ek_outcome outcome = { 0 };
    ek_plan *plan;

    if (find_outcome(run, f, &outcome) != EK_OK) {
        ek__fail_at(run->err, s->node->name);
        return run->err->code;
    }
    pthread_mutex_lock(&s->lock);
    plan = look_up(run->session, s, f);
    pthread_mutex_unlock(&s->lock);
    if (plan == NULL) {
        EK_TRY(ek__session_tail(run->session, f->plan, &outcome, &plan, run->err));
        if (!keep(s, f, plan)) {
            ek__plan_unref(plan);
            return EK_FAIL(run->err, RESOURCE_EXHAUSTED, "no memory to keep a plan");
        }
        if (atomic_load(&plan->root->n_tails) > EK_MAX_ALL_TAILS) forget_others(f, plan);
    }
    *out = plan;
    return EK_OK;
}
