/* runtime/streams.c - where the random ops of a session stand: read, to be kept, and set, to go on there. */
#include "graph/node.h"
#include "ops/generator.h"
#include "runtime/runtime.h"
#include "values/array.h"

enum { COUNTER_LOW, COUNTER_HIGH, KEY, NUMBERS };

static uint64_t joined(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

static void read_stream(const ek_philox *p, int64_t number[NUMBERS])
{
    number[COUNTER_LOW] = (int64_t)joined(p->counter[0], p->counter[1]);
    number[COUNTER_HIGH] = (int64_t)joined(p->counter[2], p->counter[3]);
    number[KEY] = (int64_t)joined(p->key[0], p->key[1]);
}

static ek_philox stream_of(const int64_t number[NUMBERS])
{
    const uint64_t low = (uint64_t)number[COUNTER_LOW], high = (uint64_t)number[COUNTER_HIGH],
                   key = (uint64_t)number[KEY];

    return (ek_philox){ { (uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32) },
                        { (uint32_t)key, (uint32_t)(key >> 32) } };
}

/* The generator of state i, if it is one that was used. */
static const ek_generator *used(const ek_session *s, int64_t i)
{
    const ek_generator *g = s->state[i]->state;

    return ek__is_random(s->graph->node[s->state[i]->node]->spec->def) && g->seeded ? g : NULL;
}

static ek_status get(const ek_session *s, ek_array **names, ek_array **places, ek_error *err)
{
    int64_t n = 0, at = 0;

    for (int64_t i = 0; i < s->n_states; i++) n += used(s, i) != NULL;
    EK_TRY(ek__array_new(EK_STRING, &EK_SHAPE(n), NULL, names, err));
    EK_TRY(ek__array_new(EK_INT64, &EK_SHAPE(n, NUMBERS), NULL, places, err));
    for (int64_t i = 0; i < s->n_states; i++) {
        const ek_generator *g = used(s, i);
        const char *name = s->graph->node[s->state[i]->node]->name;

        if (g == NULL) continue;
        read_stream(&g->at, (int64_t *)(*places)->data + at * NUMBERS);
        if (!ek__string_set((ek_string *)(*names)->data + at++, name, strlen(name)))
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the names of random operations");
    }
    return EK_OK;
}

ek_status ek__session_streams_get(ek_session *s, ek_array **names, ek_array **places, ek_error *err)
{
    ek_status st;

    *names = *places = NULL;
    pthread_rwlock_wrlock(&s->store->lock); /* no run is under way */
    pthread_mutex_lock(&s->planner);
    pthread_rwlock_rdlock(&s->graph->lock);
    st = get(s, names, places, err);
    pthread_rwlock_unlock(&s->graph->lock);
    pthread_mutex_unlock(&s->planner);
    pthread_rwlock_unlock(&s->store->lock);
    if (st == EK_OK) return st;
    ek_array_unref(*names);
    ek_array_unref(*places);
    *names = *places = NULL;
    return st;
}

static ek_status set_one(ek_session *s, const ek_string *name, const int64_t number[NUMBERS], ek_error *err)
{
    const int32_t id = (int32_t)ek__map_get(&s->graph->by_name, name->data != NULL ? name->data : "", name->size, -1);
    const ek_node *n = id >= 0 ? s->graph->node[id] : NULL;
    void *state;

    if (n == NULL || !ek__is_random(n->spec->def))
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "the graph has no random operation '%.*s', of which a place in its stream is to be "
                       "restored; is it the graph that the checkpoint was made with?",
                       (int)(name->size < 200 ? name->size : 200), name->data != NULL ? name->data : "");
    EK_TRY(ek__session_state(s, n, sizeof(ek_generator), &state, err));
    ((ek_generator *)state)->at = stream_of(number);
    ((ek_generator *)state)->seeded = true;
    return EK_OK;
}

ek_status ek__session_streams_set(ek_session *s, const ek_array *names, const ek_array *places, ek_error *err)
{
    const int64_t n = ek_array_count(names);
    ek_status st = EK_OK;

    if (ek_array_dtype(names) != EK_STRING || ek_array_rank(names) != 1 || ek_array_dtype(places) != EK_INT64 ||
        !ek_shape_equal(ek_array_shape(places), &EK_SHAPE(n, NUMBERS)))
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "the places of random streams are not as they are written: names, and %d numbers "
                       "for each",
                       NUMBERS);
    pthread_rwlock_wrlock(&s->store->lock);
    pthread_mutex_lock(&s->planner);
    pthread_rwlock_rdlock(&s->graph->lock);
    for (int64_t i = 0; i < n && st == EK_OK; i++)
        st = set_one(s, (const ek_string *)names->data + i, (const int64_t *)places->data + i * NUMBERS, err);
    pthread_rwlock_unlock(&s->graph->lock);
    pthread_mutex_unlock(&s->planner);
    pthread_rwlock_unlock(&s->store->lock);
    return st;
}
