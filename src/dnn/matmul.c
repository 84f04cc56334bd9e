/* dnn/matmul.c - products of matrices. */
#include "dnn/primitive.h"

ek_status ek__dnn_matmul(ek_arena *arena, const ek_dnn_matmul *spec, ek_dnn **out, ek_error *err)
{
    const dnnl_dims_t a = { spec->m, spec->k }, b = { spec->k, spec->n }, c = { spec->m, spec->n };
    const dnnl_dims_t a_strides = { spec->transpose_a ? 1 : spec->stride_a, spec->transpose_a ? spec->stride_a : 1 };
    const dnnl_dims_t b_strides = { spec->transpose_b ? 1 : spec->n, spec->transpose_b ? spec->k : 1 };
    const dnnl_dims_t c_strides = { spec->n, 1 };
    ek_dnn *d = ek__dnn_new(arena);
    dnnl_primitive_attr_t attr = ek__dnn_attributes();
    dnnl_primitive_desc_t pd = NULL;
    dnnl_matmul_desc_t desc;

    if (d == NULL || attr == NULL || ek__dnn_engine() == NULL) {
        if (attr != NULL) dnnl_primitive_attr_destroy(attr);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to prepare a product of matrices");
    }
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(&d->desc[SOURCE], 2, a, dnnl_f32, a_strides);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_strides(&d->desc[WEIGHTS], 2, b, dnnl_f32, b_strides);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_strides(&d->desc[RESULT], 2, c, dnnl_f32, c_strides);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&desc, &d->desc[SOURCE], &d->desc[WEIGHTS], NULL, &d->desc[RESULT]);
    const int threads = ek__dnn_one_thread();
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&pd, &desc, attr, ek__dnn_engine(), NULL);
    dnnl_primitive_attr_destroy(attr);
    ek_status st = ek__dnn_status(status, "product of matrices", err);
    if (st == EK_OK) st = ek__dnn_finish(d, pd, err);
    ek__dnn_restore_threads(threads);
    if (st == EK_OK) *out = d;
    return st;
}
