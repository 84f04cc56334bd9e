/* plan/prune.c - which nodes a run consists of: from fetches and targets backwards over data and control edges.
 *
 * Feeds cut data edges. A pure node that only control edges reach is not run: it stands for the effects before it
 * (and passes deadness on), so it is live for the order alone.
 */
#include "plan/ir.h"

/* A worklist of nodes whose reason to live has risen. Every node is on it at most twice. */
typedef struct worklist {
    int32_t *node;
    int64_t n;
} worklist;

bool ek__is_effect(const ek_node *n)
{
    if (n->spec == NULL) return true;
    switch (n->spec->def->kind) {
    case EK_KIND_EFFECT: case EK_KIND_BRANCH: case EK_KIND_LOOP: case EK_KIND_CALL: return true;
    default: return false;
    }
}

int32_t ek__feed_of(const ek_program *p, ek_edge e)
{
    if ((p->mark[e.node] & EK_MARK_FED) == 0) return -1;
    for (int32_t i = 0; i < p->n_feeds; i++)
        if (p->feed[i].node == e.node && p->feed[i].index == e.index) return i;
    return -1;
}

static void need(ek_program *p, worklist *w, int32_t node, uint8_t level)
{
    if (ek__is_effect(ek__at(p, node))) level = EK_LIVE_RUN;
    if (p->live[node] >= level) return;
    p->live[node] = level;
    w->node[w->n++] = node;
}

static void need_inputs(ek_program *p, worklist *w, const ek_node *n)
{
    const bool run = p->live[n->id] == EK_LIVE_RUN;
    const bool is_switch = n->spec != NULL && n->spec->def->kind == EK_KIND_SWITCH;

    for (int32_t i = 0; i < n->n_in; i++)
        if (ek__feed_of(p, n->in[i]) < 0) /* a Switch passes deadness on by its predicate */
            need(p, w, n->in[i].node, run || (is_switch && i == 1) ? EK_LIVE_RUN : EK_LIVE_ORDER);
    for (int32_t i = 0; i < n->n_control; i++) need(p, w, n->control[i], EK_LIVE_ORDER);
}

/* The fetch or target that needs `node`, for a message. */
static void name_of_goal(ek_program *p, int32_t node, worklist *w, char *buf, size_t size)
{
    for (int32_t k = 0; k < p->n_fetches + p->n_targets; k++) {
        const bool fetch = k < p->n_fetches;
        const int32_t goal = fetch ? p->fetch[k].node : p->target[k - p->n_fetches];

        memset(p->live, 0, (size_t)p->n_nodes);
        w->n = 0;
        if (!fetch || ek__feed_of(p, p->fetch[k]) < 0) need(p, w, goal, EK_LIVE_RUN);
        while (w->n > 0) need_inputs(p, w, ek__at(p, w->node[--w->n]));
        if (p->live[node] == EK_LIVE_NOT) continue;
        if (fetch)
            snprintf(buf, size, "the fetch of '%s:%d'", ek__at(p, goal)->name, p->fetch[k].index);
        else
            snprintf(buf, size, "the target '%s'", ek__at(p, goal)->name);
        return;
    }
    snprintf(buf, size, "the run");
}

static ek_status check_definitions(ek_builder *b, worklist *w)
{
    ek_program *p = b->program;
    char goal[256];

    for (int32_t id = 0; id < p->n_nodes; id++) {
        const ek_node *n = ek__at(p, id);
        const bool unknown = n->spec == NULL;

        if (p->live[id] == EK_LIVE_NOT) continue;
        if (!unknown && n->spec->def->kind != EK_KIND_LOOP && n->spec->def->kind != EK_KIND_CALL &&
            n->spec->def->kind != EK_KIND_BRANCH)
            continue;
        name_of_goal(p, id, w, goal, sizeof goal);
        (void)EK_FAIL(b->err, UNIMPLEMENTED,
                      unknown ? "operation '%s' of type %s has no definition in this library, and %s needs it"
                              : "operation '%s' of type %s is not run by this version, and %s needs it",
                      n->name, n->type, goal);
        ek__fail_at(b->err, n->name);
        return EK_UNIMPLEMENTED;
    }
    return EK_OK;
}

ek_status ek__pass_prune(ek_builder *b)
{
    ek_program *p = b->program;
    worklist w = { 0 };
    ek_status st = EK_OK;

    p->live = EK_ARENA_NEW(&p->arena, uint8_t, p->n_nodes);
    p->mark = EK_ARENA_NEW(&p->arena, uint8_t, p->n_nodes);
    w.node = ek__arena_alloc(&b->scratch, sizeof(int32_t) * 2 * (size_t)p->n_nodes, sizeof(int32_t));
    if (p->live == NULL || p->mark == NULL || w.node == NULL) return ek__plan_no_memory(b->err);

    for (int32_t i = 0; i < p->n_feeds; i++) p->mark[p->feed[i].node] |= EK_MARK_FED;
    for (int32_t i = 0; i < p->n_fetches; i++) p->mark[p->fetch[i].node] |= EK_MARK_FETCHED;
    for (int32_t i = 0; i < p->n_targets; i++) p->mark[p->target[i]] |= EK_MARK_TARGET;
    for (int32_t i = 0; i < p->n_fetches; i++)
        if (ek__feed_of(p, p->fetch[i]) < 0) need(p, &w, p->fetch[i].node, EK_LIVE_RUN);
    for (int32_t i = 0; i < p->n_targets; i++) need(p, &w, p->target[i], EK_LIVE_RUN);
    while (w.n > 0) need_inputs(p, &w, ek__at(p, w.node[--w.n]));
    st = check_definitions(b, &w);
    return st;
}
