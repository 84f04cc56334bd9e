/* dnn/primitive.h - a prepared oneDNN primitive from inside. */
#ifndef EK_DNN_PRIMITIVE_H
#define EK_DNN_PRIMITIVE_H

#include <oneapi/dnnl/dnnl.h>

#include "dnn/dnn.h"

enum { SOURCE, WEIGHTS, RESULT, SCRATCH, ARGS };

/* Memory objects hold the pointers of one execution, so each run in flight takes a set of its own. */
typedef struct dnn_binding {
    dnnl_stream_t stream;
    dnnl_memory_t memory[ARGS];
    dnnl_memory_t plain; /* weights as given, for the reorder */
} dnn_binding;

struct ek_dnn {
    dnnl_primitive_t primitive, reorder; /* reorder NULL: weights are used as they are */
    dnnl_memory_desc_t desc[ARGS], plain;
    _Atomic(dnn_binding *) spare[EK_DNN_SPARES];
};

/* The process's engine; NULL when oneDNN has none. Lives until the process ends. */
dnnl_engine_t ek__dnn_engine(void);
/* An empty primitive in the arena, released with it. */
ek_dnn *ek__dnn_new(ek_arena *arena);
/* Makes primitive, scratch description and one binding from a primitive descriptor; takes it over. */
ek_status ek__dnn_finish(ek_dnn *d, dnnl_primitive_desc_t pd, ek_error *err);
/* Attributes that put the scratchpad into our hands; NULL without memory. */
dnnl_primitive_attr_t ek__dnn_attributes(void);
/* oneDNN's status as ours. */
ek_status ek__dnn_status(dnnl_status_t status, const char *what, ek_error *err);

/* OpenMP for this thread: one thread until the end, which puts the caller's number back. */
int ek__dnn_one_thread(void);
void ek__dnn_restore_threads(int threads);

#endif
