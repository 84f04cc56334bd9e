/* dnn/primitive.h - a prepared oneDNN primitive from inside. */
#ifndef EK_DNN_PRIMITIVE_H
#define EK_DNN_PRIMITIVE_H

#include <oneapi/dnnl/dnnl.h>

#include "dnn/dnn.h"

/* The first three are ek__dnn_run's a, b and c. */
enum { A, B, C, SCRATCH, BIAS, ARGS };

/* Memory objects hold the pointers of one execution, so each run in flight takes a set of its own. */
typedef struct dnn_binding {
    dnnl_stream_t stream;
    dnnl_memory_t memory[ARGS];
    dnnl_memory_t plain; /* weights as the caller has them, for the reorder */
} dnn_binding;

struct ek_dnn {
    dnnl_primitive_t primitive, reorder; /* reorder NULL: weights are used as they are */
    int weights;                         /* which argument they are, where there is a reorder */
    int n_args;                          /* ARGS, or one less without a bias */
    int arg[ARGS];                       /* oneDNN's number of each */
    dnnl_memory_desc_t desc[ARGS], plain;
    _Atomic(dnn_binding *) spare[EK_DNN_SPARES];
};

/* The process's engine; NULL when oneDNN has none. Lives until the process ends. */
dnnl_engine_t ek__dnn_engine(void);
/* An empty primitive in the arena, released with it, and its attributes, which put the scratchpad into our hands. */
ek_status ek__dnn_new(ek_arena *arena, bool bias, ek_dnn **out, dnnl_primitive_attr_t *attr, ek_error *err);
/* Makes primitive, scratch description and EK_DNN_SPARES bindings from a primitive descriptor; takes it over. */
ek_status ek__dnn_finish(ek_dnn *d, dnnl_primitive_desc_t pd, ek_error *err);
/* oneDNN's status as ours. */
ek_status ek__dnn_status(dnnl_status_t status, const char *what, ek_error *err);

/* OpenMP for this thread: one thread until the end, which puts the caller's number back. */
int ek__dnn_one_thread(void);
void ek__dnn_restore_threads(int threads);

#endif
