/* plan/plan.c - from a goal to a plan: the passes in order, and how plans end.
 */
#include "plan/ir.h"

#include <time.h>

ek_status ek__plan_no_memory(ek_error *err)
{
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to plan a run");
}

void ek__fail_at(ek_error *err, const char *node)
{
    const size_t used = strlen(err->text);

    if (err->code == EK_OK) return;
    ek__fail_node(err, node);
    if (strstr(err->text, "\n\t [[{{node ") == NULL)
        snprintf(err->text + used, sizeof err->text - used, "\n\t [[{{node %s}}]]", node);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- programs ---------------------------------------------------------------------------- */

static void program_destroy(ek_program *p)
{
    if (p == NULL) return;
    ek__arena_fini(&p->arena);
    ek__free(p);
}

static ek_status program_new(ek_builder *b, const ek_goal *goal)
{
    ek_program *p = b->program = ek__calloc(1, sizeof *p);

    if (p == NULL) return ek__plan_no_memory(b->err);
    p->graph = goal->graph;
    p->n_nodes = goal->graph->n_nodes;
    p->n_feeds = goal->n_feeds;
    p->n_fetches = goal->n_fetches;
    p->n_targets = goal->n_targets;
    p->feed = ek__arena_alloc(&p->arena, sizeof *p->feed * (size_t)(p->n_feeds + 1), _Alignof(ek_edge));
    p->fetch = ek__arena_alloc(&p->arena, sizeof *p->fetch * (size_t)(p->n_fetches + 1), _Alignof(ek_edge));
    p->target = ek__arena_alloc(&p->arena, sizeof *p->target * (size_t)(p->n_targets + 1), sizeof *p->target);
    if (p->feed == NULL || p->fetch == NULL || p->target == NULL) return ek__plan_no_memory(b->err);
    for (int32_t i = 0; i < p->n_feeds; i++) p->feed[i] = goal->feed[i];
    for (int32_t i = 0; i < p->n_fetches; i++) p->fetch[i] = goal->fetch[i];
    for (int32_t i = 0; i < p->n_targets; i++) p->target[i] = goal->target[i];
    EK_TRY(ek__pass_prune(b));
    EK_TRY(ek__pass_order(b));
    if (ek__log_on("prune"))
        ek__log("prune", "%d of %lld nodes for %d fetches and %d targets", p->n_order, (long long)p->n_nodes,
                p->n_fetches, p->n_targets);
    return EK_OK;
}

/* ---- facts of a root ------------------------------------------------------------------------- */

static ek_status enter_feed(ek_builder *b, int32_t i, const ek_array *value)
{
    const int32_t at = ek__out_at(b->program, b->program->feed[i]);
    ek_fact *f = &b->facts->fact[at];
    ek_array *copy = NULL;

    f->feed = i;
    b->facts->fed[at] = 1;
    b->facts->shape[at] = value->shape;
    if (value->dtype != EK_BOOL || value->count != 1 || i >= 64) return EK_OK;
    EK_TRY(ek__array_new(EK_BOOL, &value->shape, value->data, &copy, b->err));
    EK_TRY(ek__own(b, copy));
    b->tainted = true;
    f->known = copy;
    f->taint = (uint64_t)1 << i;
    return EK_OK;
}

static ek_status enter_root(ek_builder *b)
{
    EK_TRY(ek__facts_new(b, &b->facts));
    for (int32_t at = 0; at < b->program->n_outs; at++)
        b->facts->fact[at] = (ek_fact){ .feed = -1, .variable = -1, .value = -1, .outer = -1 };
    memset(b->facts->taken, -1, (size_t)b->program->n_nodes);
    for (int32_t i = 0; i < b->program->n_feeds; i++) EK_TRY(enter_feed(b, i, b->goal->feed_value[i]));
    return EK_OK;
}

/* ---- the passes -------------------------------------------------------------------------------- */

static ek_status make_buffers(ek_builder *b)
{
    const int64_t in = b->program->max_in + 3, out = b->program->max_out + 1;

    b->in_shape = EK_ARENA_NEW(&b->scratch, ek_shape, in);
    b->in_as_shape = EK_ARENA_NEW(&b->scratch, ek_shape, in);
    b->in_handle = EK_ARENA_NEW(&b->scratch, ek_shape, in);
    b->in_value = EK_ARENA_NEW(&b->scratch, const ek_array *, in);
    b->in_dtype = EK_ARENA_NEW(&b->scratch, ek_dtype, in);
    b->out_shape = EK_ARENA_NEW(&b->scratch, ek_shape, out);
    b->out_handle = EK_ARENA_NEW(&b->scratch, ek_shape, out);
    b->out_dtype = EK_ARENA_NEW(&b->scratch, ek_dtype, out);
    return b->in_shape != NULL && b->in_as_shape != NULL && b->in_handle != NULL && b->in_value != NULL &&
                   b->in_dtype != NULL && b->out_shape != NULL && b->out_handle != NULL && b->out_dtype != NULL
               ? EK_OK
               : ek__plan_no_memory(b->err);
}

/* Shapes that a variable has at the end point into the facts, which may go. */
static ek_status keep_shapes(ek_builder *b)
{
    for (int32_t v = 0; v < b->plan->n_variables; v++) {
        ek_plan_variable *var = &b->plan->variable[v];

        var->last_shape = b->now[v];
        if (var->last_shape == NULL || var->last_shape == var->shape) continue;
        var->last_shape = ek__arena_memdup(b->arena, var->last_shape, sizeof(ek_shape));
        if (var->last_shape == NULL) return ek__plan_no_memory(b->err);
    }
    return EK_OK;
}

/* A run takes its lock at the start, for whatever its tails may do. */
static void foresee_writes(ek_builder *b)
{
    for (int32_t k = b->end; k < b->program->n_order; k++) {
        const ek_op_def *d = ek__at(b->program, b->program->order[k])->spec->def;

        if (d->writes != 0 || d->op_state_bytes != 0) b->plan->exclusive = true;
    }
}

static ek_status run_passes(ek_builder *b)
{
    b->tainted = b->tainted || b->plan->outer != NULL;
    EK_TRY(ek__pass_infer(b));
    if (b->host->fuse) EK_TRY(ek__pass_recognise(b));
    if (b->host->note != NULL) EK_TRY(ek__pass_watch(b));
    EK_TRY(ek__pass_lower(b));
    if (b->host->fuse) {
        EK_TRY(ek__pass_zeros(b));
        EK_TRY(ek__pass_fuse(b));
        EK_TRY(ek__pass_join(b));
    }
    if (b->host->reuse) EK_TRY(ek__pass_early(b));
    EK_TRY(ek__pass_alias(b));
    EK_TRY(ek__pass_place(b));
    EK_TRY(ek__pass_prepare(b));
    EK_TRY(keep_shapes(b));
    foresee_writes(b);
    if (ek__log_on("plan")) ek__print_plan(b);
    return EK_OK;
}

static ek_status build(ek_builder *b, const ek_plan *head, ek_plan **out)
{
    ek_plan *p = b->plan = ek__calloc(1, sizeof *p);
    const int64_t start = now_ns();
    ek_status st = EK_OK;

    if (p == NULL) return ek__plan_no_memory(b->err);
    p->refs = 1;
    p->dead_fetch = -1;
    p->outer = head;
    p->root = head != NULL ? head->root : p;
    if (head != NULL) atomic_fetch_add(&p->root->n_tails, 1);
    p->frame_destroy = b->host->frame_destroy;
    b->arena = &p->arena;
    if (head != NULL)
        b->program = head->program;
    else
        EK_TRY_DONE(program_new(b, b->goal));
    EK_TRY_DONE(make_buffers(b));
    EK_TRY_DONE(head != NULL ? ek__split_enter(b, head) : enter_root(b));
    p->n_feeds = b->program->n_feeds;
    b->begin = head != NULL ? head->split->position : 0;
    EK_TRY_DONE(run_passes(b));
    p->plan_ns = now_ns() - start;
done:
    p->program = b->program;
    if (st == EK_OK && p->split != NULL)
        p->facts = b->facts;
    else
        ek__facts_destroy(b->facts);
    ek__arena_fini(&b->scratch);
    ek__map_fini(&b->variable_of);
    ek__free(b->now);
    ek__free(b->value);
    ek__free(b->op);
    if (st != EK_OK) {
        ek__plan_unref(p);
        return b->err->code != EK_OK ? b->err->code : st;
    }
    *out = p;
    return EK_OK;
}

ek_status ek__plan_build(const ek_goal *goal, const ek_plan_host *host, ek_plan **out, ek_error *err)
{
    ek_builder b = { .host = host, .goal = goal, .err = err };

    return build(&b, NULL, out);
}

ek_status ek__plan_build_tail(const ek_plan *head, const ek_outcome *outcome, const ek_plan_host *host, ek_plan **out,
                              ek_error *err)
{
    ek_builder b = { .host = host, .outcome = outcome, .err = err };

    return build(&b, head, out);
}

/* ---- the end of a plan ---------------------------------------------------------------------------- */

ek_plan *ek__plan_ref(ek_plan *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void ek__plan_unref(ek_plan *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
    for (int i = 0; i < EK_COUNT_OF(p->frame); i++) {
        void *frame = atomic_load(&p->frame[i]);

        if (frame != NULL) p->frame_destroy(frame);
    }
    if (p->split != NULL) {
        for (int i = 0; i < p->split->n_tails; i++) {
            ek__plan_unref(p->split->tail[i].plan);
            ek__free(p->split->tail[i].key);
        }
        pthread_mutex_destroy(&p->split->lock);
    }
    for (int32_t i = 0; i < p->n_owned; i++) ek_array_unref(p->owned[i]);
    if (p->outer == NULL) program_destroy(p->program);
    if (p->outer != NULL) atomic_fetch_sub(&p->root->n_tails, 1);
    ek__facts_destroy(p->facts);
    ek__free(p->owned);
    ek__free(p->variable);
    ek__free(p->constant);
    ek__free(p->check);
    ek__free(p->outer_place);
    ek__arena_fini(&p->arena);
    ek__free(p);
}
