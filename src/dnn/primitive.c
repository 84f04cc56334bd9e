/* dnn/primitive.c - what all of oneDNN's primitives share: engine, bindings, execution on one thread. */
#include "dnn/primitive.h"

#include <pthread.h>
#include <stdlib.h>

/* libgomp's, which oneDNN brings; clang has no omp.h of its own. */
int omp_get_max_threads(void);
void omp_set_num_threads(int threads);

int ek__dnn_one_thread(void)
{
    const int threads = omp_get_max_threads();

    if (threads != 1) omp_set_num_threads(1);
    return threads;
}

void ek__dnn_restore_threads(int threads)
{
    if (threads != 1) omp_set_num_threads(threads);
}

/* ---- the engine ------------------------------------------------------------------------------ */

static dnnl_engine_t the_engine;

/* EK_CPU caps oneDNN as it caps our own loops. */
static void make_engine(void)
{
    const char *cap = getenv("EK_CPU");

    if (cap != NULL && strcmp(cap, "base") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
    if (cap != NULL && strcmp(cap, "avx2") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
    if (dnnl_engine_create(&the_engine, dnnl_cpu, 0) != dnnl_success) the_engine = NULL;
}

dnnl_engine_t ek__dnn_engine(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_engine);
    return the_engine;
}

ek_status ek__dnn_status(dnnl_status_t status, const char *what, ek_error *err)
{
    if (status == dnnl_success) return EK_OK;
    if (status == dnnl_out_of_memory) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for %s", what);
    if (status == dnnl_unimplemented || status == dnnl_invalid_arguments)
        return EK_FAIL(err, UNIMPLEMENTED, "oneDNN has no %s of this kind", what);
    return EK_FAIL(err, INTERNAL, "oneDNN: %s failed with status %d", what, (int)status);
}

/* ---- bindings ----------------------------------------------------------------------------------- */

static void binding_destroy(dnn_binding *b)
{
    if (b == NULL) return;
    for (int i = 0; i < ARGS; i++)
        if (b->memory[i] != NULL) dnnl_memory_destroy(b->memory[i]);
    if (b->plain != NULL) dnnl_memory_destroy(b->plain);
    if (b->stream != NULL) dnnl_stream_destroy(b->stream);
    ek__free(b);
}

static dnn_binding *binding_create(const ek_dnn *d)
{
    dnn_binding *b = ek__calloc(1, sizeof *b);
    dnnl_engine_t engine = ek__dnn_engine();
    bool ok = b != NULL && dnnl_stream_create(&b->stream, engine, dnnl_stream_default_flags) == dnnl_success;

    for (int i = 0; ok && i < d->n_args; i++)
        ok = dnnl_memory_create(&b->memory[i], &d->desc[i], engine, DNNL_MEMORY_NONE) == dnnl_success;
    if (ok && d->reorder != NULL)
        ok = dnnl_memory_create(&b->plain, &d->plain, engine, DNNL_MEMORY_NONE) == dnnl_success;
    if (ok) return b;
    binding_destroy(b);
    return NULL;
}

static dnn_binding *binding_take(const ek_dnn *d)
{
    ek_dnn *shared = (ek_dnn *)(uintptr_t)d; /* the spares alone change */

    for (int i = 0; i < EK_DNN_SPARES; i++) {
        dnn_binding *b = atomic_load(&shared->spare[i]) != NULL ? atomic_exchange(&shared->spare[i], NULL) : NULL;
        if (b != NULL) return b;
    }
    return binding_create(d);
}

static void binding_give(const ek_dnn *d, dnn_binding *b)
{
    ek_dnn *shared = (ek_dnn *)(uintptr_t)d;

    for (int i = 0; i < EK_DNN_SPARES; i++) {
        dnn_binding *none = NULL;
        if (atomic_compare_exchange_strong(&shared->spare[i], &none, b)) return;
    }
    binding_destroy(b);
}

/* ---- life --------------------------------------------------------------------------------------------- */

static void release(void *arg)
{
    ek_dnn *d = arg;

    for (int i = 0; i < EK_DNN_SPARES; i++) binding_destroy(atomic_load(&d->spare[i]));
    if (d->primitive != NULL) dnnl_primitive_destroy(d->primitive);
    if (d->reorder != NULL) dnnl_primitive_destroy(d->reorder);
}

/* NULL without memory. */
static dnnl_primitive_attr_t attributes(void)
{
    dnnl_primitive_attr_t attr = NULL;

    if (dnnl_primitive_attr_create(&attr) != dnnl_success) return NULL;
    if (dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success) return attr;
    dnnl_primitive_attr_destroy(attr);
    return NULL;
}

ek_status ek__dnn_new(ek_arena *arena, bool bias, ek_dnn **out, dnnl_primitive_attr_t *attr, ek_error *err)
{
    static const int forward[ARGS] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD,
                                       DNNL_ARG_BIAS };
    ek_dnn *d = EK_ARENA_NEW(arena, ek_dnn, 1);

    if (d == NULL || !ek__arena_defer(arena, release, d) || ek__dnn_engine() == NULL)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a oneDNN primitive");
    *attr = attributes();
    if (*attr == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the attributes of a oneDNN primitive");
    memcpy(d->arg, forward, sizeof forward);
    d->n_args = bias ? ARGS : BIAS;
    *out = d;
    return EK_OK;
}

ek_status ek__dnn_finish(ek_dnn *d, dnnl_primitive_desc_t pd, ek_error *err)
{
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    const char *name = NULL;

    /* the reference loops are hundreds of times slower than our own */
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    if (name != NULL && strncmp(name, "ref", 3) == 0) {
        dnnl_primitive_desc_destroy(pd);
        return EK_FAIL(err, UNIMPLEMENTED, "oneDNN has only %s for this", name);
    }
    if (scratch != NULL) d->desc[SCRATCH] = *scratch;
    const dnnl_status_t status = dnnl_primitive_create(&d->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    EK_TRY(ek__dnn_status(status, "primitive", err));
    for (int i = 0; i < EK_DNN_SPARES; i++) {
        dnn_binding *b = binding_create(d);
        if (b == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a oneDNN primitive");
        binding_give(d, b);
    }
    return EK_OK;
}

size_t ek__dnn_scratch(const ek_dnn *d)
{
    return dnnl_memory_desc_get_size(&d->desc[SCRATCH]);
}

bool ek__dnn_packs(const ek_dnn *d)
{
    return d->reorder != NULL;
}

size_t ek__dnn_weights_bytes(const ek_dnn *d)
{
    return dnnl_memory_desc_get_size(&d->desc[d->weights]);
}

bool ek__dnn_same_weights(const ek_dnn *d, const ek_dnn *other)
{
    return dnnl_memory_desc_equal(&d->desc[d->weights], &other->desc[other->weights]);
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static dnnl_status_t point(dnnl_memory_t memory, const void *at)
{
    return dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)at);
}

static dnnl_status_t execute(const ek_dnn *d, dnn_binding *b, const void *const *at)
{
    dnnl_exec_arg_t args[ARGS];

    for (int i = 0; i < d->n_args; i++) {
        const dnnl_status_t status = point(b->memory[i], at[i]);
        if (status != dnnl_success) return status;
        args[i] = (dnnl_exec_arg_t){ d->arg[i], b->memory[i] };
    }
    return dnnl_primitive_execute(d->primitive, b->stream, d->n_args, args);
}

ek_status ek__dnn_run(const ek_dnn *d, const void *a, const void *b, const float *bias, void *c, void *scratch,
                      ek_error *err)
{
    const void *const at[ARGS] = { [A] = a, [B] = b, [C] = c, [SCRATCH] = scratch, [BIAS] = bias };
    dnn_binding *binding = binding_take(d);

    if (binding == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to run a oneDNN primitive");
    const int threads = ek__dnn_one_thread();
    const dnnl_status_t status = execute(d, binding, at);
    ek__dnn_restore_threads(threads);
    binding_give(d, binding);
    return ek__dnn_status(status, "execution", err);
}

static ek_status reorder(const ek_dnn *d, const void *plain, const void *packed, bool pack, ek_error *err)
{
    dnn_binding *b = binding_take(d);

    if (b == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to run a oneDNN reorder");
    const dnnl_memory_t inside = b->memory[d->weights];
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, pack ? b->plain : inside },
                                     { DNNL_ARG_TO, pack ? inside : b->plain } };
    const int threads = ek__dnn_one_thread();
    dnnl_status_t status = point(b->plain, plain);
    if (status == dnnl_success) status = point(inside, packed);
    if (status == dnnl_success) status = dnnl_primitive_execute(d->reorder, b->stream, 2, args);
    ek__dnn_restore_threads(threads);
    binding_give(d, b);
    return ek__dnn_status(status, "reorder", err);
}

ek_status ek__dnn_pack_weights(const ek_dnn *d, const float *plain, void *packed, ek_error *err)
{
    return reorder(d, plain, packed, true, err);
}

ek_status ek__dnn_unpack_weights(const ek_dnn *d, const void *packed, float *plain, ek_error *err)
{
    return reorder(d, plain, packed, false, err);
}
