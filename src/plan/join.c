/* plan/join.c - joins ops that write variables of their own into one step: a training step ends with one or more updates
 * for each parameter, and moves two averages for each batch norm.
 *
 * A write joins the group of writes before it when no variable is written by one and touched by another. Earlier ones
 * then run where the last one stands: what is passed over neither has effects nor reads anything that they write or give.
 * What gives a value to the group alone, a gradient by weights say, runs there too, in phases before those of the writes:
 * threads then share all of that work instead of meeting after each piece. Where it can it takes the write along, range
 * by range, while the gradient is in the cache of the thread that made it.
 * Every op keeps its own kernels, so the bits are those of the ops one by one.
 */
#include "plan/ir.h"

#include <stdlib.h>

#include "ops/rules.h"

/* ---- running ---------------------------------------------------------------------------------------- */

enum { PHASES = EK_STEP_PHASES, LITTLE = 1 << 20 /* bytes that may live longer for it */ };

typedef struct member {
    const char *name;
    const void *state;
    int32_t first_in, first_out;
    size_t scratch;         /* where its scratch begins */
    ek_phase phase[PHASES]; /* by those of the step; no chunks: it does nothing there */
} member;

/* A chunk of a member. */
typedef struct piece {
    const member *member;
    int64_t chunk;
    double position;
} piece;

typedef struct joined {
    int32_t n;
    const member *member;
    const piece *piece[PHASES]; /* of members with several chunks; the thread that calls takes them from the front, others
                                   from the end */
} joined;

static ek_status run_member(const ek_run_args *a, const member *m, int phase, int64_t chunk)
{
    const ek_run_args own = { .in = a->in + m->first_in, .out = a->out + m->first_out, .slot = a->slot + m->first_in,
                              .state = m->state, .scratch = (char *)a->scratch + m->scratch, .err = a->err };

    if (m->phase[phase].run(&own, chunk) == EK_OK) return EK_OK;
    (void)EK_FAIL(a->err, INTERNAL, "the kernel failed without a word");
    ek__fail_at(a->err, m->name);
    return a->err->code;
}

/* Chunk 0: what members do in one chunk each, which is little. Then the pieces of the others. */
static ek_status run_phase(const ek_run_args *a, int phase, int64_t chunk)
{
    const joined *const j = a->state;

    if (chunk > 0) {
        const piece *const p = &j->piece[phase][chunk - 1];

        return run_member(a, p->member, phase, p->chunk);
    }
    for (int32_t i = 0; i < j->n; i++)
        if (j->member[i].phase[phase].chunks == 1) EK_TRY(run_member(a, &j->member[i], phase, 0));
    return EK_OK;
}

#define EACH_PHASE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define RUN(n) \
    static ek_status run_phase_##n(const ek_run_args *a, int64_t chunk) { return run_phase(a, n, chunk); }
#define NAME(n) run_phase_##n,
EACH_PHASE(RUN)
static const ek_run_fn phases[PHASES] = { EACH_PHASE(NAME) };

/* ---- preparing ------------------------------------------------------------------------------------------ */

/* Where in its member's work a piece lies, 0 to 1; members in their order where that is the same. */
static int by_position(const void *a, const void *b)
{
    const piece *const p = a, *const q = b;

    if (p->position != q->position) return p->position < q->position ? -1 : 1;
    return p->member < q->member ? -1 : p->member > q->member;
}

/* The pieces of one phase: first halves before second halves, so that a thread finds in its cache what it left there: the
 * gradient of the rows that it updates, the weights that it updated a step ago. */
static ek_status add_phase(ek_builder *b, joined *j, int p, ek_step *step)
{
    int64_t all = 0, n = 0;

    for (int32_t i = 0; i < j->n; i++) {
        const int64_t chunks = j->member[i].phase[p].chunks;

        all += chunks;
        n += chunks > 1 ? chunks : 0;
    }
    if (all == 0) return EK_OK;
    piece *const list = EK_ARENA_NEW(b->arena, piece, n + 1);
    if (list == NULL) return ek__plan_no_memory(b->err);
    j->piece[p] = list;
    step->phase[step->n_phases++] = (ek_phase){ phases[p], n + 1 };
    n = 0;
    for (int32_t i = 0; i < j->n; i++) {
        const member *const m = &j->member[i];
        const int64_t chunks = m->phase[p].chunks;

        for (int64_t c = 0; chunks > 1 && c < chunks; c++)
            list[n++] = (piece){ m, c, ((double)c + 0.5) / (double)chunks };
    }
    qsort(list, (size_t)n, sizeof *list, by_position);
    return EK_OK;
}

/* A member being prepared: what its op said. */
typedef struct draft {
    member *m;
    const ek_lowered *op;
    ek_prepare_ctx c;
    ek_step step;
} draft;

static ek_status draft_prepare(ek_builder *b, draft *d, const ek_then *then)
{
    if (ek__op_prepare(b, d->op, then, &d->step, &d->c) == EK_OK) {
        d->m->state = d->step.state;
        return EK_OK;
    }
    ek__fail_at(b->err, d->op->node->name);
    return b->err->code;
}

/* Whether everything that a write reads but its gradient is there before the step: another giver's value need not be, while
 * givers run. */
static bool waits_for_gradient_alone(const draft *w, const draft *all, int32_t n)
{
    for (int32_t i = 0; i < w->op->n_in; i++)
        for (int32_t k = 0; k < n && i != w->c.range_input; k++)
            for (int32_t o = 0; o < all[k].op->n_out; o++)
                if (all[k].op->n_written == 0 && all[k].op->out[o].value == w->op->in[i].value) return false;
    return true;
}

/* The write that works on what d gives, by ranges; NULL: there is none. */
static draft *follower_of(const draft *d, draft *all, int32_t n)
{
    for (int32_t i = 0; i < n && d->op->n_out > 0; i++) {
        const draft *const w = &all[i];

        if (w->op->n_written > 0 && w->c.range != NULL && w->step.n_phases > 0 &&
            w->op->in[w->c.range_input].value == d->op->out[0].value && waits_for_gradient_alone(w, all, n))
            return &all[i];
    }
    return NULL;
}

/* Writes first, so that those that give know what follows. */
static ek_status prepare_all(ek_builder *b, draft *all, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (all[i].op->n_written > 0) EK_TRY(draft_prepare(b, &all[i], NULL));
    for (int32_t i = 0; i < n; i++) {
        draft *const d = &all[i], *const w = d->op->n_written > 0 ? NULL : follower_of(d, all, n);

        if (d->op->n_written > 0) continue;
        if (w == NULL) {
            EK_TRY(draft_prepare(b, d, NULL));
            continue;
        }
        EK_TRY(draft_prepare(b, d, &(ek_then){ w->c.range, w->m->state, w->m->first_in - d->m->first_in }));
        if (!d->c.then_taken) continue;
        w->m->phase[0] = (ek_phase){ w->c.range_open, 1 };
        w->step.n_phases = 0;
    }
    for (int32_t i = 0; i < n; i++) {
        const draft *const d = &all[i];
        const int first = d->op->n_written > 0 ? 1 + EK_MAX_PHASES : 1;

        for (int p = 0; p < d->step.n_phases; p++) d->m->phase[first + p] = d->step.phase[p];
    }
    return EK_OK;
}

ek_status ek__joined_prepare(ek_builder *b, const ek_lowered *op, ek_step *step)
{
    joined *j = EK_ARENA_NEW(b->arena, joined, 1);
    member *m = EK_ARENA_NEW(b->arena, member, op->n_members);
    draft *d = EK_ARENA_NEW(&b->scratch, draft, op->n_members);
    ek_slot **slot = ek__arena_calloc(b->arena, (size_t)op->n_in + 1, sizeof *slot);
    int32_t in = 0, out = 0;
    size_t scratch = 0;

    if (j == NULL || m == NULL || d == NULL || slot == NULL) return ek__plan_no_memory(b->err);
    for (int32_t i = 0; i < op->n_members; i++) {
        const ek_lowered *const one = &op->member[i];

        m[i] = (member){ .name = one->node->name, .first_in = in, .first_out = out };
        d[i] = (draft){ .m = &m[i], .op = one };
        for (int32_t k = 0; one->variable != NULL && k < one->n_in; k++)
            if (one->variable[k] >= 0) slot[in + k] = b->plan->variable[one->variable[k]].slot;
        in += one->n_in;
        out += one->n_out;
    }
    EK_TRY(prepare_all(b, d, op->n_members));
    for (int32_t i = 0; i < op->n_members; i++) {
        m[i].scratch = scratch;
        scratch += ek__whole_lines(d[i].c.scratch_bytes);
    }
    if (scratch > b->plan->scratch_bytes) b->plan->scratch_bytes = scratch;
    *j = (joined){ .n = op->n_members, .member = m };
    step->state = j;
    step->slot = slot;
    for (int p = 0; p < PHASES; p++) EK_TRY(add_phase(b, j, p, step));
    return EK_OK;
}

/* ---- joining ------------------------------------------------------------------------------------------------ */

/* The group that is open, and what it touches: stamps are the number of the group, so that a new one starts clean. */
typedef struct group {
    int32_t stamp, n;
    bool much;                 /* some op in it reads so much that it should not wait for long */
    int32_t *place;            /* of its ops, in order */
    int32_t *touched, *written; /* per variable */
    int32_t *home, *gives;      /* per op: the group that it is in, the one that it gives to */
} group;

static bool writes_alone(const ek_lowered *op)
{
    return op->kind == EK_LOWERED_OP && op->n_written > 0 && op->node->spec->def->op_state_bytes == 0;
}

static size_t bytes_of(const ek_builder *b, const ek_port *port, int32_t n)
{
    size_t bytes = 0;

    for (int32_t i = 0; i < n; i++) bytes += b->value[port[i].value].bytes;
    return bytes;
}

/* An op that computes and does nothing else, from no variable of its own. */
static bool is_pure(const ek_lowered *op)
{
    return op->kind == EK_LOWERED_OP && op->variable == NULL && op->node->spec->def->kind == EK_KIND_PURE &&
           op->node->spec->def->op_state_bytes == 0;
}

static bool may_pass(const group *g, const ek_lowered *op)
{
    return op->kind == EK_LOWERED_CHAIN || op->kind == EK_LOWERED_HALF || op->kind == EK_LOWERED_SCALE ||
           op->kind == EK_LOWERED_SNAPSHOT || (is_pure(op) && !g->much);
}

/* The variable whose memory input i is, or refers to; -1: none. */
static int32_t variable_at(const ek_builder *b, const ek_lowered *op, int32_t i)
{
    const ek_place *p = &b->value[op->in[i].value].place;

    if (op->variable != NULL && op->variable[i] >= 0) return op->variable[i];
    return p->home == EK_HOME_VARIABLE ? p->index : -1;
}

/* Whether an op reads what an op of the group gives, or what it writes. */
static bool reads_group(const ek_builder *b, const group *g, const ek_lowered *op)
{
    for (int32_t i = 0; i < op->n_in; i++) {
        const int32_t v = variable_at(b, op, i), def = b->value[op->in[i].value].def;

        if (v >= 0 && g->written[v] == g->stamp) return true;
        if (def >= 0 && g->home[def] == g->stamp) return true;
    }
    return false;
}

static bool writes_touched(const group *g, const ek_lowered *op)
{
    for (int32_t i = 0; i < op->n_written; i++)
        if (g->touched[op->written[i]] == g->stamp) return true;
    return false;
}

static void add(const ek_builder *b, group *g, int32_t k)
{
    const ek_lowered *const op = &b->op[k];

    for (int32_t i = 0; i < op->n_in; i++) {
        const int32_t v = variable_at(b, op, i);

        if (v >= 0) g->touched[v] = g->stamp;
    }
    for (int32_t i = 0; i < op->n_written; i++) g->written[op->written[i]] = g->touched[op->written[i]] = g->stamp;
    g->much = g->much || bytes_of(b, op->in, op->n_in) > LITTLE;
    g->home[k] = g->stamp;
    g->place[g->n++] = k;
}

/* ---- what gives to the group alone ------------------------------------------------------------------------ */

static bool is_giver(const ek_builder *b, const ek_lowered *op)
{
    return is_pure(op) && !op->pinned && op->after == NULL &&
           bytes_of(b, op->in, op->n_in) + bytes_of(b, op->out, op->n_out) <= LITTLE;
}

/* What gives op a value gives to the group (mark), or to somebody else as well. */
static void mark_givers(const ek_builder *b, const group *g, const ek_lowered *op, bool mark)
{
    for (int32_t i = 0; i < op->n_in; i++) {
        const int32_t def = b->value[op->in[i].value].def;

        if (def < 0 || g->home[def] == g->stamp) continue;
        if (!mark) g->gives[def] = 0;
        else if (is_giver(b, &b->op[def])) g->gives[def] = g->stamp;
    }
}

/* The first op that the group takes in: one of its own, or a giver. Readers are seen before what they read. */
static int32_t find_givers(const ek_builder *b, group *g)
{
    const int32_t last = g->place[g->n - 1];
    int32_t first = g->place[0];

    for (int32_t i = 0; i < g->n; i++) mark_givers(b, g, &b->op[g->place[i]], true);
    for (int32_t i = 0; i < g->n; i++)
        for (int32_t k = 0; k < b->op[g->place[i]].n_in; k++) {
            const int32_t def = b->value[b->op[g->place[i]].in[k].value].def;

            if (def >= 0 && g->gives[def] == g->stamp && def < first) first = def;
        }
    for (int32_t k = last; k >= first; k--)
        if (b->op[k].kind != EK_LOWERED_GONE && g->home[k] != g->stamp) mark_givers(b, g, &b->op[k], false);
    return first;
}

/* ---- one op for all ------------------------------------------------------------------------------------------ */

static bool make_room(ek_builder *b, const group *g, int32_t first, ek_lowered *out)
{
    int32_t n = 0, n_in = 0, n_out = 0, n_covers = 0, n_written = 0;

    for (int32_t k = first; k <= g->place[g->n - 1]; k++) {
        const ek_lowered *const op = &b->op[k];

        if (g->home[k] != g->stamp && g->gives[k] != g->stamp) continue;
        n++;
        n_in += op->n_in;
        n_out += op->n_out;
        n_covers += op->n_covers;
        n_written += op->n_written;
    }
    *out = (ek_lowered){ .kind = EK_LOWERED_JOINED, .node = b->op[g->place[0]].node, .pinned = true };
    out->in = EK_ARENA_NEW(&b->scratch, ek_port, n_in + 1);
    out->out = EK_ARENA_NEW(&b->scratch, ek_port, n_out + 1);
    out->member = EK_ARENA_NEW(&b->scratch, ek_lowered, n);
    out->covers = EK_ARENA_NEW(b->arena, const ek_node *, n_covers);
    out->written = EK_ARENA_NEW(b->arena, int32_t, n_written);
    out->written_shape = EK_ARENA_NEW(b->arena, const ek_shape *, n_written);
    return out->in != NULL && out->out != NULL && out->member != NULL && out->covers != NULL && out->written != NULL &&
           out->written_shape != NULL;
}

/* Takes op k in: its ports, variables and covers behind those that are there. */
static void take_in(ek_builder *b, ek_lowered *all, int32_t k, int32_t place)
{
    ek_lowered *const op = &b->op[k];

    for (int32_t i = 0; i < op->n_in; i++) all->in[all->n_in++] = op->in[i];
    for (int32_t i = 0; i < op->n_covers; i++) all->covers[all->n_covers++] = op->covers[i];
    for (int32_t o = 0; o < op->n_out; o++) {
        ek_value *const v = &b->value[op->out[o].value];

        if (v->def == k) v->def = place;
        all->out[all->n_out++] = op->out[o];
    }
    for (int32_t i = 0; i < op->n_written; i++) {
        all->written_shape[all->n_written] = op->written_shape[i];
        all->written[all->n_written++] = op->written[i];
    }
    all->member[all->n_members++] = *op;
    op->kind = EK_LOWERED_GONE;
}

static ek_status close_group(ek_builder *b, group *g)
{
    const int32_t last = g->n > 0 ? g->place[g->n - 1] : -1;

    if (g->n > 1) {
        const int32_t first = find_givers(b, g);
        ek_lowered all;

        if (!make_room(b, g, first, &all)) return ek__plan_no_memory(b->err);
        for (int32_t k = first; k <= last; k++)
            if (g->home[k] == g->stamp || g->gives[k] == g->stamp) take_in(b, &all, k, last);
        b->op[last] = all;
        if (ek__log_on("fuse"))
            ek__log("fuse", "%s and %d more write in one step, with %d that give to them alone", all.node->name, g->n - 1,
                    all.n_members - g->n);
    }
    g->n = 0;
    g->much = false;
    g->stamp++;
    return EK_OK;
}

ek_status ek__pass_join(ek_builder *b)
{
    const int32_t n_vars = b->plan->n_variables;
    group g = { .stamp = 1 };

    g.place = EK_ARENA_NEW(&b->scratch, int32_t, b->n_ops + 1);
    g.home = EK_ARENA_NEW(&b->scratch, int32_t, b->n_ops + 1);
    g.gives = EK_ARENA_NEW(&b->scratch, int32_t, b->n_ops + 1);
    g.touched = EK_ARENA_NEW(&b->scratch, int32_t, n_vars + 1);
    g.written = EK_ARENA_NEW(&b->scratch, int32_t, n_vars + 1);
    if (g.place == NULL || g.home == NULL || g.gives == NULL || g.touched == NULL || g.written == NULL) return ek__plan_no_memory(b->err);
    for (int32_t k = 0; k < b->n_ops; k++) {
        const ek_lowered *const op = &b->op[k];
        const bool writes = writes_alone(op);

        if (op->kind == EK_LOWERED_GONE || (may_pass(&g, op) && !reads_group(b, &g, op))) continue;
        if (!writes || reads_group(b, &g, op) || writes_touched(&g, op)) EK_TRY(close_group(b, &g));
        if (writes) add(b, &g, k);
    }
    return close_group(b, &g);
}
