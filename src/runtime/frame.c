/* runtime/frame.c - the memory of one run: one block with values, the table of pointers, the arguments of all steps.
 *
 * Frames rest in the plan. A run takes one by an atomic exchange and puts it back the same way.
 */
#include "runtime/runtime.h"

#include "graph/node.h"

enum { ALIGN = 64 };

static size_t rounded(size_t n) { return (n + ALIGN - 1) / ALIGN * ALIGN; }

/* Offsets of a frame's parts. */
typedef struct layout {
    size_t args, pointer, feed_at, variable_at, outer_at, split, strings, block, scratch, total;
} layout;

static size_t split_bytes(const ek_plan *p)
{
    if (p->split == NULL) return 0;
    const ek_node *n = p->split->node;

    return (size_t)n->n_in * (sizeof(ek_array) + sizeof(ek_array *) + 3 * sizeof(ek_shape)) +
           (size_t)n->n_out * 2 * sizeof(ek_shape) + 256;
}

static layout lay_out(const ek_plan *p)
{
    layout l;

    l.args = rounded(sizeof(ek_frame));
    l.pointer = l.args + rounded(sizeof(ek_run_args) * (size_t)p->n_steps);
    l.feed_at = l.pointer + rounded(sizeof(void *) * (size_t)p->n_pointers);
    l.variable_at = l.feed_at + sizeof(void *) * (size_t)p->n_feeds;
    l.outer_at = l.variable_at + sizeof(void *) * (size_t)p->n_variables;
    l.split = rounded(l.outer_at + sizeof(void *) * (size_t)p->n_outer);
    l.strings = rounded(l.split + split_bytes(p));
    l.block = rounded(l.strings + sizeof(ek_string) * p->string_count);
    l.scratch = rounded(l.block + p->block_bytes);
    l.total = l.scratch + p->scratch_bytes + ALIGN; /* an address for values without elements */
    return l;
}

static void lay_out_split(ek_frame *f, char *at)
{
    if (f->plan->split == NULL) return;
    const ek_node *n = f->plan->split->node;
    const size_t in = (size_t)n->n_in, out = (size_t)n->n_out;

    f->split.in_shape = (ek_shape *)(void *)at;
    f->split.in_as_shape = f->split.in_shape + in;
    f->split.in_handle = f->split.in_as_shape + in;
    f->split.out_shape = f->split.in_handle + in;
    f->split.out_handle = f->split.out_shape + out;
    f->split.in = (ek_array *)(void *)(f->split.out_handle + out);
    f->split.in_value = (const ek_array **)(void *)(f->split.in + in);
}

static void fill_pointers(ek_frame *f)
{
    const ek_plan *p = f->plan;

    for (int32_t e = 0; e < p->n_pointers; e++) {
        const ek_place *at = &p->pointer[e];

        if (at->home == EK_HOME_BLOCK) f->pointer[e] = f->block + at->offset;
        if (at->home == EK_HOME_STRINGS) f->pointer[e] = (char *)f->strings + at->offset;
        if (at->home == EK_HOME_CONSTANT) f->pointer[e] = p->constant[at->index]->data;
    }
    for (int32_t k = 0; k < p->n_steps; k++) {
        const ek_step *s = &p->step[k];

        f->args[k].in = (const void *const *)(f->pointer + s->first_pointer);
        f->args[k].out = f->pointer + s->first_pointer + s->n_in;
        f->args[k].slot = s->slot;
        f->args[k].state = s->state;
        f->args[k].op_state = s->op_state;
        f->args[k].err = &f->err;
    }
}

void ek__frame_destroy(void *frame)
{
    ek_frame *f = frame;

    ek__strings_clear(f->strings, (int64_t)f->plan->string_count);
    ek__free(f->key);
    ek__free(f);
}

/* The first node with an output that takes at least half of `total` bytes; NULL: there is none. */
static const ek_node *glutton(const ek_plan *p, size_t total)
{
    for (int32_t k = 0; k < p->n_steps; k++) {
        const ek_step *s = &p->step[k];

        for (int32_t o = 0; o < s->n_out; o++)
            if ((size_t)s->out_count[o] * ek_dtype_size(s->out_dtype[o]) >= total / 2) return s->covers[s->n_covers - 1];
    }
    return NULL;
}

static ek_status no_room(const ek_plan *p, size_t total, ek_error *err)
{
    const ek_node *n = glutton(p, total);

    (void)EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the %zu bytes that a run needs", total);
    if (n != NULL) ek__fail_at(err, n->name);
    return EK_RESOURCE_EXHAUSTED;
}

static ek_status frame_new(ek_plan *p, ek_frame **out, ek_error *err)
{
    const layout l = lay_out(p);
    char *block = ek__alloc(l.total);
    ek_frame *f = (ek_frame *)(void *)block;

    if (block == NULL) return no_room(p, l.total, err);
    memset(block, 0, l.block); /* everything but values and scratch */
    f->plan = p;
    f->args = (ek_run_args *)(void *)(block + l.args);
    f->pointer = (void **)(void *)(block + l.pointer);
    f->feed_at = (const void **)(void *)(block + l.feed_at);
    f->variable_at = (const void **)(void *)(block + l.variable_at);
    f->outer_at = (const void **)(void *)(block + l.outer_at);
    f->strings = (ek_string *)(void *)(block + l.strings);
    f->block = block + l.block;
    lay_out_split(f, block + l.split);
    fill_pointers(f);
    for (int32_t k = 0; k < p->n_steps; k++) f->args[k].scratch = block + l.scratch;
    *out = f;
    return EK_OK;
}

/* Threads begin their search at different places, so that each tends to find its own frame, warm in its cache. */
static int first_place(void)
{
    static atomic_int next;
    static _Thread_local int mine = -1;

    if (mine < 0) mine = atomic_fetch_add(&next, 1) & 15;
    return mine;
}

ek_status ek__frame_take(ek_plan *p, ek_frame **out, ek_error *err)
{
    const int n = EK_COUNT_OF(p->frame), first = first_place();

    for (int i = 0; i < n; i++) {
        _Atomic(void *) *place = &p->frame[(first + i) % n];

        if (atomic_load_explicit(place, memory_order_relaxed) == NULL) continue;
        *out = atomic_exchange(place, NULL);
        if (*out != NULL) return EK_OK;
    }
    return frame_new(p, out, err);
}

void ek__frame_give(ek_frame *f)
{
    ek_plan *p = f->plan;
    const int n = EK_COUNT_OF(p->frame), first = first_place();

    f->outer = NULL;
    for (int i = 0; i < n; i++) {
        void *none = NULL;

        if (atomic_compare_exchange_strong(&p->frame[(first + i) % n], &none, f)) return;
    }
    ek__frame_destroy(f);
}
