/* ops/move.c - moving elements of any type. */
#include "ops/move.h"

#include "ops/rules.h"

/* Elements of a chunk are chosen by bytes: small enough to share among threads, large enough to be worth it. */
enum { MOVE_CHUNK_BYTES = 256 * 1024 };

static int64_t move_chunk_count(ek_dtype t)
{
    return MOVE_CHUNK_BYTES / (int64_t)ek_dtype_size(t);
}

ek_status ek__move(ek_dtype t, void *out, const void *in, int64_t n, ek_error *err)
{
    if (n <= 0 || out == in) return EK_OK;
    if (t != EK_STRING) {
        memcpy(out, in, (size_t)n * ek_dtype_size(t));
        return EK_OK;
    }
    ek_string *to = out;
    const ek_string *from = in;
    for (int64_t i = 0; i < n; i++)
        if (!ek__string_set(&to[i], from[i].data, from[i].size))
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a string of %zu bytes", from[i].size);
    return EK_OK;
}

int64_t ek__move_chunks(ek_dtype t, int64_t count)
{
    const int64_t size = move_chunk_count(t);

    return count / size + (count % size != 0);
}

ek_status ek__move_chunk(ek_dtype t, void *out, const void *in, int64_t count, int64_t chunk, ek_error *err)
{
    const int64_t size = move_chunk_count(t), from = chunk * size;
    const size_t at = (size_t)from * ek_dtype_size(t);

    return ek__move(t, (char *)out + at, (const char *)in + at, count - from < size ? count - from : size, err);
}

/* ---- copies --------------------------------------------------------------------------- */

typedef struct copy_state {
    ek_dtype dtype;
    int64_t count;
} copy_state;

static ek_status copy_one(const ek_run_args *a, int64_t chunk)
{
    const copy_state *s = a->state;

    return ek__move_chunk(s->dtype, a->out[0], a->in[0], s->count, chunk, a->err);
}

/* One chunk per output. */
static ek_status copy_each(const ek_run_args *a, int64_t k)
{
    const copy_state *s = (const copy_state *)a->state + k;

    return ek__move(s->dtype, a->out[k], a->in[k], s->count, a->err);
}

ek_status ek__prepare_copy(ek_prepare_ctx *c)
{
    copy_state *s = EK_ARENA_NEW(c->arena, copy_state, c->n_out);

    if (s == NULL) return ek__no_memory(c);
    for (int k = 0; k < c->n_out; k++) s[k] = (copy_state){ c->out_dtype[k], ek_shape_count(&c->out[k]) };
    c->state = s;
    if (c->n_out == 1)
        ek__add_phase(c, copy_one, ek__move_chunks(s[0].dtype, s[0].count));
    else
        ek__add_phase(c, copy_each, c->n_out);
    return EK_OK;
}
