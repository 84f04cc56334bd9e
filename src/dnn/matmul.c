/* dnn/matmul.c - products of matrices. */
#include "dnn/primitive.h"

static dnnl_status_t describe(const ek_dnn_matmul *s, ek_dnn *d, dnnl_matmul_desc_t *desc)
{
    const dnnl_dims_t a = { s->m, s->k }, b = { s->k, s->n }, c = { s->m, s->n }, bias = { 1, s->n };
    const dnnl_dims_t a_strides = { s->transpose_a ? 1 : s->stride_a, s->transpose_a ? s->stride_a : 1 };
    const dnnl_dims_t b_strides = { s->transpose_b ? 1 : s->n, s->transpose_b ? s->k : 1 };
    const dnnl_dims_t c_strides = { s->n, 1 };
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(&d->desc[A], 2, a, dnnl_f32, a_strides);

    if (status == dnnl_success) status = dnnl_memory_desc_init_by_strides(&d->desc[B], 2, b, dnnl_f32, b_strides);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_strides(&d->desc[C], 2, c, dnnl_f32, c_strides);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_strides(&d->desc[BIAS], 2, bias, dnnl_f32, c_strides);
    if (status != dnnl_success) return status;
    return dnnl_matmul_desc_init(desc, &d->desc[A], &d->desc[B], s->bias ? &d->desc[BIAS] : NULL, &d->desc[C]);
}

ek_status ek__dnn_matmul(ek_arena *arena, const ek_dnn_matmul *spec, ek_dnn **out, ek_error *err)
{
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_matmul_desc_t desc;
    ek_dnn *d;

    EK_TRY(ek__dnn_new(arena, spec->bias, &d, &attr, err));
    const int threads = ek__dnn_one_thread();
    dnnl_status_t status = describe(spec, d, &desc);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&pd, &desc, attr, ek__dnn_engine(), NULL);
    dnnl_primitive_attr_destroy(attr);
    ek_status st = ek__dnn_status(status, "product of matrices", err);
    if (st == EK_OK) st = ek__dnn_finish(d, pd, err);
    ek__dnn_restore_threads(threads);
    if (st == EK_OK) *out = d;
    return st;
}
