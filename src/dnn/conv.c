/* dnn/conv.c - convolutions. Input and output keep their plain layout, oneDNN chooses the weights'. */
#include "dnn/primitive.h"

static dnnl_status_t describe(const ek_dnn_conv *s, ek_dnn *d, dnnl_convolution_desc_t *desc)
{
    const dnnl_dims_t in = { s->images, s->in_channels, s->in[0], s->in[1] };
    const dnnl_dims_t out = { s->images, s->out_channels, s->out[0], s->out[1] };
    const dnnl_dims_t weights = { s->out_channels, s->in_channels, s->kernel[0], s->kernel[1] };
    const dnnl_dims_t strides = { s->stride[0], s->stride[1] }, gaps = { s->dilation[0] - 1, s->dilation[1] - 1 };
    const dnnl_dims_t before = { s->before[0], s->before[1] }, after = { s->after[0], s->after[1] };
    const dnnl_format_tag_t image = s->channels_first ? dnnl_nchw : dnnl_nhwc;
    dnnl_memory_desc_t any;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&d->desc[SOURCE], 4, in, dnnl_f32, image);

    if (status == dnnl_success) status = dnnl_memory_desc_init_by_tag(&d->desc[RESULT], 4, out, dnnl_f32, image);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_tag(&d->plain, 4, weights, dnnl_f32, dnnl_hwio);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_tag(&any, 4, weights, dnnl_f32, dnnl_format_tag_any);
    if (status != dnnl_success) return status;
    return dnnl_dilated_convolution_forward_desc_init(desc, dnnl_forward_inference, dnnl_convolution_direct,
                                                      &d->desc[SOURCE], &any, NULL, &d->desc[RESULT], strides, gaps,
                                                      before, after);
}

/* The reorder from plain weights, unless oneDNN takes them as they are. */
static dnnl_status_t make_reorder(ek_dnn *d)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status;

    if (dnnl_memory_desc_equal(&d->plain, &d->desc[WEIGHTS])) return dnnl_success;
    status =
        dnnl_reorder_primitive_desc_create(&pd, &d->plain, ek__dnn_engine(), &d->desc[WEIGHTS], ek__dnn_engine(), NULL);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_create(&d->reorder, pd);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

ek_status ek__dnn_conv(ek_arena *arena, const ek_dnn_conv *spec, ek_dnn **out, ek_error *err)
{
    ek_dnn *d = ek__dnn_new(arena);
    dnnl_primitive_attr_t attr = ek__dnn_attributes();
    dnnl_primitive_desc_t pd = NULL;
    dnnl_convolution_desc_t desc;

    if (d == NULL || attr == NULL || ek__dnn_engine() == NULL) {
        if (attr != NULL) dnnl_primitive_attr_destroy(attr);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to prepare a convolution");
    }
    const int threads = ek__dnn_one_thread();
    dnnl_status_t status = describe(spec, d, &desc);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&pd, &desc, attr, ek__dnn_engine(), NULL);
    dnnl_primitive_attr_destroy(attr);
    if (status == dnnl_success) {
        d->desc[WEIGHTS] = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
        status = make_reorder(d);
        if (status != dnnl_success) dnnl_primitive_desc_destroy(pd);
    }
    ek_status st = ek__dnn_status(status, "convolution", err);
    if (st == EK_OK) st = ek__dnn_finish(d, pd, err);
    ek__dnn_restore_threads(threads);
    if (st == EK_OK) *out = d;
    return st;
}
