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

dnnl_primitive_attr_t ek__dnn_attributes(void)
{
    dnnl_primitive_attr_t attr = NULL;

    if (dnnl_primitive_attr_create(&attr) != dnnl_success) return NULL;
    if (dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success) return attr;
    dnnl_primitive_attr_destroy(attr);
    return NULL;
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

    for (int i = 0; ok && i < ARGS; i++)
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

ek_dnn *ek__dnn_new(ek_arena *arena)
{
    ek_dnn *d = EK_ARENA_NEW(arena, ek_dnn, 1);

    return d != NULL && ek__arena_defer(arena, release, d) ? d : NULL;
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
    dnn_binding *b = binding_create(d);
    if (b == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a oneDNN primitive");
    binding_give(d, b);
    return EK_OK;
}

size_t ek__dnn_scratch(const ek_dnn *d)
{
    return dnnl_memory_desc_get_size(&d->desc[SCRATCH]);
}

size_t ek__dnn_weights_bytes(const ek_dnn *d)
{
    return dnnl_memory_desc_get_size(&d->desc[WEIGHTS]);
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static dnnl_status_t execute(const ek_dnn *d, dnn_binding *b, const void *const *at)
{
    static const int arg[ARGS] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD };
    dnnl_exec_arg_t args[ARGS];

    for (int i = 0; i < ARGS; i++) {
        const dnnl_status_t status = dnnl_memory_set_data_handle(b->memory[i], (void *)(uintptr_t)at[i]);
        if (status != dnnl_success) return status;
        args[i] = (dnnl_exec_arg_t){ arg[i], b->memory[i] };
    }
    return dnnl_primitive_execute(d->primitive, b->stream, ARGS, args);
}

ek_status ek__dnn_run(const ek_dnn *d, const float *a, const void *b, float *c, void *scratch, ek_error *err)
{
    const void *const at[ARGS] = { a, b, c, scratch };
    dnn_binding *binding = binding_take(d);

    if (binding == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to run a oneDNN primitive");
    const int threads = ek__dnn_one_thread();
    const dnnl_status_t status = execute(d, binding, at);
    ek__dnn_restore_threads(threads);
    binding_give(d, binding);
    return ek__dnn_status(status, "execution", err);
}

ek_status ek__dnn_pack_weights(const ek_dnn *d, const float *plain, void *packed, ek_error *err)
{
    if (d->reorder == NULL) {
        memcpy(packed, plain, ek__dnn_weights_bytes(d));
        return EK_OK;
    }
    dnn_binding *b = binding_take(d);
    if (b == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to run a oneDNN reorder");
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, b->plain }, { DNNL_ARG_TO, b->memory[WEIGHTS] } };
    dnnl_status_t status = dnnl_memory_set_data_handle(b->plain, (void *)(uintptr_t)plain);
    const int threads = ek__dnn_one_thread();

    if (status == dnnl_success) status = dnnl_memory_set_data_handle(b->memory[WEIGHTS], packed);
    if (status == dnnl_success) status = dnnl_primitive_execute(d->reorder, b->stream, 2, args);
    ek__dnn_restore_threads(threads);
    binding_give(d, b);
    return ek__dnn_status(status, "reorder", err);
}
