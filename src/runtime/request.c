/* runtime/request.c - what a run asks for, made flat: inline lists, long lists and `also` become one.
 */
#include "runtime/runtime.h"

#include "graph/node.h"

/* ---- counting ----------------------------------------------------------------------------- */

/* A zeroed entry ends an inline list; a dead tensor does not. */
static bool is_zero_tensor(ek_tensor t) { return t.graph == NULL && t.op == 0 && t.index == 0; }

static int32_t inline_feeds(const ek_run_options *o)
{
    int32_t n = 0;

    while (n < EK_RUN_INLINE && !(is_zero_tensor(o->feed[n].tensor) && o->feed[n].value == NULL)) n++;
    return n;
}

static int32_t inline_fetches(const ek_run_options *o)
{
    int32_t n = 0;

    while (n < EK_RUN_INLINE && !(is_zero_tensor(o->fetch[n].tensor) && o->fetch[n].value == NULL)) n++;
    return n;
}

static int32_t inline_targets(const ek_run_options *o)
{
    int32_t n = 0;

    while (n < EK_RUN_INLINE && !(o->target[n].graph == NULL && o->target[n].id == 0)) n++;
    return n;
}

static bool count(const ek_run_options *o, ek_request *r)
{
    const int64_t limit = INT32_MAX / 4, also = o->also.item != NULL ? o->also.count : 0;

    if (o->n_feeds < 0 || o->n_fetches < 0 || o->n_targets < 0 || also < 0) return false;
    if ((o->feeds == NULL && o->n_feeds > 0) || (o->fetches == NULL && o->n_fetches > 0) ||
        (o->targets == NULL && o->n_targets > 0))
        return false;
    if (o->n_feeds > limit || o->n_fetches > limit || o->n_targets > limit || also > limit) return false;
    r->n_feeds = inline_feeds(o) + (int32_t)o->n_feeds;
    r->n_fetches = inline_fetches(o) + (int32_t)o->n_fetches;
    r->n_targets = inline_targets(o) + (int32_t)o->n_targets;
    for (int64_t i = 0; i < also; i++) {
        r->n_targets += o->also.item[i].kind == EK_ITEM_OP;
        r->n_fetches += o->also.item[i].kind == EK_ITEM_TENSOR || o->also.item[i].kind == EK_ITEM_VARIABLE;
    }
    return true;
}

/* ---- room ------------------------------------------------------------------------------------ */

static bool make_room(ek_session *s, ek_request_room *room, ek_request *r)
{
    room->large = NULL;
    if (r->n_feeds <= EK_REQUEST_INLINE && r->n_fetches <= EK_REQUEST_INLINE && r->n_targets <= EK_REQUEST_INLINE) {
        r->feed = room->edge;
        r->fetch = room->edge + EK_REQUEST_INLINE;
        r->value = room->value;
        r->into = room->into;
        r->target = room->target;
        return true;
    }
    const size_t pointers = sizeof(void *) * ((size_t)r->n_feeds + (size_t)r->n_fetches);
    const size_t edges = sizeof(ek_edge) * ((size_t)r->n_feeds + (size_t)r->n_fetches);
    const size_t need = sizeof(size_t) + pointers + edges + sizeof(int32_t) * (size_t)r->n_targets;
    size_t *block = atomic_exchange(&s->large_request, NULL);

    if (block != NULL && block[0] < need) {
        ek__free(block);
        block = NULL;
    }
    if (block == NULL) {
        block = ek__alloc(need);
        if (block == NULL) return false;
        block[0] = need;
    }
    room->large = block;
    r->value = (const ek_array **)(void *)(block + 1);
    r->into = (ek_array ***)(void *)(r->value + r->n_feeds);
    r->feed = (ek_edge *)(void *)(r->into + r->n_fetches);
    r->fetch = r->feed + r->n_feeds;
    r->target = (int32_t *)(void *)(r->fetch + r->n_fetches);
    return true;
}

void ek__request_release(ek_session *s, ek_request_room *room)
{
    if (room->large != NULL) ek__free(atomic_exchange(&s->large_request, room->large));
}

/* ---- filling ------------------------------------------------------------------------------------ */

static void add_feed(const ek_session *s, ek_request *r, const ek_feed *f)
{
    if (f->tensor.graph != s->graph || f->tensor.op < 0 || f->value == NULL) r->odd = true;
    r->feed[r->n_feeds] = ek__edge(f->tensor);
    r->value[r->n_feeds++] = f->value;
}

static void add_fetch(const ek_session *s, ek_request *r, ek_tensor t, ek_array **into)
{
    if (t.graph != s->graph || t.op < 0) r->odd = true;
    r->fetch[r->n_fetches] = ek__edge(t);
    r->into[r->n_fetches++] = into;
}

static void add_target(const ek_session *s, ek_request *r, ek_op op)
{
    if (op.graph != s->graph || op.id < 0) r->odd = true;
    r->target[r->n_targets++] = op.id;
}

static ek_tensor value_of_variable(const ek_session *s, ek_variable v)
{
    if (v.graph != s->graph || v.id < 0 || v.id >= s->graph->n_variables) return (ek_tensor){ v.graph, -1, 0 };
    return ek__tensor(s->graph, s->graph->variable[v.id]->snapshot);
}

static void add_item(const ek_session *s, ek_request *r, const ek_item *item)
{
    switch (item->kind) {
    case EK_ITEM_OP: add_target(s, r, item->u.op); break;
    case EK_ITEM_TENSOR: add_fetch(s, r, item->u.tensor, NULL); break;
    case EK_ITEM_VARIABLE: add_fetch(s, r, value_of_variable(s, item->u.variable), NULL); break;
    default: break; /* names and numbers in a collection are nothing to run */
    }
}

ek_status ek__request_fill(ek_session *s, const ek_run_options *o, ek_request_room *room, ek_request *out,
                           ek_error *err)
{
    ek_request r = { 0 };

    if (!count(o, &r))
        return EK_FAIL(err, INVALID_ARGUMENT, "a list of feeds, fetches or targets has an impossible length");
    if (!make_room(s, room, &r))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for %d feeds and %d fetches", r.n_feeds, r.n_fetches);
    const int32_t feeds = inline_feeds(o), fetches = inline_fetches(o), targets = inline_targets(o);
    r.n_feeds = r.n_fetches = r.n_targets = 0;
    for (int32_t i = 0; i < feeds; i++) add_feed(s, &r, &o->feed[i]);
    for (int64_t i = 0; i < o->n_feeds; i++) add_feed(s, &r, &o->feeds[i]);
    for (int32_t i = 0; i < fetches; i++) add_fetch(s, &r, o->fetch[i].tensor, o->fetch[i].value);
    for (int64_t i = 0; i < o->n_fetches; i++) add_fetch(s, &r, o->fetches[i].tensor, o->fetches[i].value);
    for (int32_t i = 0; i < targets; i++) add_target(s, &r, o->target[i]);
    for (int64_t i = 0; i < o->n_targets; i++) add_target(s, &r, o->targets[i]);
    if (o->also.item != NULL)
        for (int64_t i = 0; i < o->also.count; i++) add_item(s, &r, &o->also.item[i]);
    *out = r;
    if (!r.odd) ek__request_hash(out);
    return EK_OK;
}

/* ---- the hash -------------------------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}

void ek__request_hash(ek_request *r)
{
    uint64_t h = mix((uint64_t)r->n_feeds << 32 | (uint32_t)r->n_fetches, (uint64_t)r->n_targets);

    for (int32_t i = 0; i < r->n_feeds; i++) {
        const ek_array *a = r->value[i];

        h = mix(h, (uint64_t)(uint32_t)r->feed[i].node << 32 | (uint32_t)r->feed[i].index);
        h = mix(h, (uint64_t)a->dtype << 32 | (uint32_t)a->shape.rank);
        for (int32_t d = 0; d < a->shape.rank; d++) h = mix(h, (uint64_t)a->shape.dim[d]);
    }
    for (int32_t i = 0; i < r->n_fetches; i++)
        h = mix(h, (uint64_t)(uint32_t)r->fetch[i].node << 32 | (uint32_t)r->fetch[i].index);
    for (int32_t i = 0; i < r->n_targets; i++) h = mix(h, (uint64_t)(uint32_t)r->target[i]);
    r->hash = h;
}
