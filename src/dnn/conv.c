/* dnn/conv.c - convolutions and their gradients. Images keep their plain layout, oneDNN chooses the weights'. */
#include "dnn/primitive.h"

typedef struct conv_descs {
    dnnl_memory_desc_t in, out, weights, bias; /* weights: of any layout */
    dnnl_dims_t stride, gap, before, after;
} conv_descs;

static dnnl_status_t describe(const ek_dnn_conv *s, conv_descs *c, dnnl_memory_desc_t *plain)
{
    const dnnl_dims_t in = { s->images, s->in_channels, s->in[0], s->in[1] };
    const dnnl_dims_t out = { s->images, s->out_channels, s->out[0], s->out[1] };
    const dnnl_dims_t weights = { s->out_channels, s->in_channels, s->kernel[0], s->kernel[1] };
    const dnnl_dims_t bias = { s->out_channels };
    const dnnl_format_tag_t image = s->channels_first ? dnnl_nchw : dnnl_nhwc;

    for (int i = 0; i < 2; i++) {
        c->stride[i] = s->stride[i];
        c->gap[i] = s->dilation[i] - 1;
        c->before[i] = s->before[i];
        c->after[i] = s->after[i];
    }
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&c->in, 4, in, dnnl_f32, image);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_tag(&c->out, 4, out, dnnl_f32, image);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_tag(&c->bias, 1, bias, dnnl_f32, dnnl_a);
    if (status == dnnl_success) status = dnnl_memory_desc_init_by_tag(plain, 4, weights, dnnl_f32, dnnl_hwio);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&c->weights, 4, weights, dnnl_f32, dnnl_format_tag_any);
    return status;
}

static dnnl_status_t forward_pd(const conv_descs *c, bool training, const dnnl_memory_desc_t *bias,
                                const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd)
{
    const dnnl_prop_kind_t kind = training ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_convolution_desc_t desc;
    const dnnl_status_t status =
        dnnl_dilated_convolution_forward_desc_init(&desc, kind, dnnl_convolution_direct, &c->in, &c->weights, bias,
                                                   &c->out, c->stride, c->gap, c->before, c->after);

    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, ek__dnn_engine(), NULL) : status;
}

/* A gradient's descriptor wants that of the way forward as a hint. */
static dnnl_status_t gradient_pd(const conv_descs *c, bool of_input, const_dnnl_primitive_attr_t attr,
                                 dnnl_primitive_desc_t *pd)
{
    dnnl_primitive_desc_t hint = NULL;
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = forward_pd(c, true, NULL, NULL, &hint);

    if (status != dnnl_success) return status;
    if (of_input)
        status = dnnl_dilated_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &c->in, &c->weights,
                                                                  &c->out, c->stride, c->gap, c->before, c->after);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, &c->in,
                                                                     &c->weights, NULL, &c->out, c->stride, c->gap,
                                                                     c->before, c->after);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(pd, &desc, attr, ek__dnn_engine(), hint);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

/* The reorder between plain weights and oneDNN's, unless they are the same. */
static dnnl_status_t make_reorder(ek_dnn *d, bool pack)
{
    const dnnl_memory_desc_t *from = pack ? &d->plain : &d->desc[d->weights], *to = pack ? &d->desc[d->weights] : &d->plain;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status;

    if (dnnl_memory_desc_equal(from, to)) return dnnl_success;
    status = dnnl_reorder_primitive_desc_create(&pd, from, ek__dnn_engine(), to, ek__dnn_engine(), NULL);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_create(&d->reorder, pd);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

/* What ek__dnn_run's a, b and c are to oneDNN. */
static void set_arguments(ek_dnn *d, ek_dnn_way way, const conv_descs *c, const dnnl_memory_desc_t *weights)
{
    d->weights = way == EK_DNN_WEIGHTS ? C : B;
    d->desc[A] = way == EK_DNN_INPUT ? c->out : c->in;
    d->desc[B] = c->out;
    d->desc[C] = way == EK_DNN_INPUT ? c->in : c->out;
    d->desc[d->weights] = *weights;
    d->desc[BIAS] = c->bias;
    if (way == EK_DNN_INPUT) {
        d->arg[A] = DNNL_ARG_DIFF_DST;
        d->arg[C] = DNNL_ARG_DIFF_SRC;
    } else if (way == EK_DNN_WEIGHTS) {
        d->arg[B] = DNNL_ARG_DIFF_DST;
        d->arg[C] = DNNL_ARG_DIFF_WEIGHTS;
    }
}

ek_status ek__dnn_conv(ek_arena *arena, ek_dnn_way way, const ek_dnn_conv *spec, ek_dnn **out, ek_error *err)
{
    const bool bias = way == EK_DNN_FORWARD && spec->bias, gradient = way == EK_DNN_WEIGHTS;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd = NULL;
    conv_descs c;
    ek_dnn *d;

    EK_TRY(ek__dnn_new(arena, bias, &d, &attr, err));
    const int threads = ek__dnn_one_thread();
    dnnl_status_t status = describe(spec, &c, &d->plain);
    if (status == dnnl_success)
        status = way == EK_DNN_FORWARD ? forward_pd(&c, false, bias ? &c.bias : NULL, attr, &pd)
                                       : gradient_pd(&c, way == EK_DNN_INPUT, attr, &pd);
    dnnl_primitive_attr_destroy(attr);
    if (status == dnnl_success) {
        set_arguments(d, way, &c, dnnl_primitive_desc_query_md(pd, gradient ? dnnl_query_diff_weights_md
                                                                            : dnnl_query_weights_md, 0));
        status = make_reorder(d, !gradient);
        if (status != dnnl_success) dnnl_primitive_desc_destroy(pd);
    }
    ek_status st = ek__dnn_status(status, "convolution", err);
    if (st == EK_OK) st = ek__dnn_finish(d, pd, err);
    ek__dnn_restore_threads(threads);
    if (st == EK_OK) *out = d;
    return st;
}
