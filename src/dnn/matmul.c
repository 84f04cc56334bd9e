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

static dnnl_status_t matmul_pd(const ek_dnn_matmul *spec, ek_dnn *d, dnnl_primitive_attr_t attr,
                               dnnl_primitive_desc_t *pd)
{
    dnnl_matmul_desc_t desc;
    const dnnl_status_t status = describe(spec, d, &desc);

    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, ek__dnn_engine(), NULL) : status;
}

bool ek__dnn_rows_alone(const ek_dnn_matmul *spec)
{
    const int threads = ek__dnn_one_thread();
    dnnl_primitive_desc_t pd = NULL;
    const char *name = NULL;
    ek_dnn d;

    if (ek__dnn_engine() != NULL && matmul_pd(spec, &d, NULL, &pd) == dnnl_success)
        dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    const bool alone = name != NULL && strncmp(name, "brg", 3) == 0;
    if (pd != NULL) dnnl_primitive_desc_destroy(pd);
    ek__dnn_restore_threads(threads);
    return alone;
}

/* sgemm allocates room of its own for what it copies. */
ek_status ek__dnn_gemm(const ek_dnn_gemm *g, const float *a, const float *b, float *c, ek_error *err)
{
    (void)ek__dnn_engine(); /* the cap of EK_CPU holds from the first call on */
    const int threads = ek__dnn_one_thread();
    const dnnl_status_t status = dnnl_sgemm(g->transpose_a ? 'T' : 'N', g->transpose_b ? 'T' : 'N', g->m, g->n, g->k, 1, a,
                                            g->row_a, b, g->row_b, 0, c, g->row_c);
    ek__dnn_restore_threads(threads);
    return ek__dnn_status(status, "product of matrices", err);
}

ek_status ek__dnn_matmul(ek_arena *arena, const ek_dnn_matmul *spec, ek_dnn **out, ek_error *err)
{
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd = NULL;
    ek_dnn *d;

    EK_TRY(ek__dnn_new(arena, spec->bias, &d, &attr, err));
    const int threads = ek__dnn_one_thread();
    const dnnl_status_t status = matmul_pd(spec, d, attr, &pd);
    dnnl_primitive_attr_destroy(attr);
    ek_status st = ek__dnn_status(status, "product of matrices", err);
    if (st == EK_OK) st = ek__dnn_finish(d, pd, err);
    ek__dnn_restore_threads(threads);
    if (st == EK_OK) *out = d;
    return st;
}
