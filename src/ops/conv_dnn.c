/* ops/conv_dnn.c - how convolutions are cut for oneDNN.
 *
 * Batches are cut into chunks of images, one image (channels last, forward) into halves of its
 * output rows; by the size of the problem, never by the threads. A gradient by the weights is
 * always the sum of two halves of the batch, added in this order. Weights are turned into the
 * layout that oneDNN chose: once for constants, else once a run.
 */
#include "ops/conv_dnn.h"

#include "ops/after.h"
#include "ops/elementwise.h"
#include "ops/rules.h"

enum {
    MOST_PARTS = 8,
    IMAGES_PER_PART = 4,
    ROWS_TO_HALVE = 14,
    HALVE_WORK = 1 << 19, /* multiplications from which a second thread helps */
    PART_WORK = 1 << 26,
    MOST_PRIMITIVES = 2,
    ADD_PART = 1 << 15    /* numbers */
};

/* What one chunk reads and writes: its primitive, offsets in elements. */
typedef struct dnn_part {
    int which;
    int64_t a, b, c;
    int64_t images, rows; /* of the output */
} dnn_part;

typedef struct dnn_state {
    ek_conv conv;
    ek_dnn_way way;
    int a, b;
    ek_after after;      /* beyond what oneDNN does itself */
    int bias;            /* the input that oneDNN adds, or -1 */
    const float *scale;  /* of constant weights, while they are packed; or NULL */
    int n_dnn, n_parts;
    int n_layouts;       /* copies of the weights: one for all primitives, or one for each */
    ek_dnn *dnn[MOST_PRIMITIVES];
    const void *packed[MOST_PRIMITIVES]; /* constant weights, by layout */
    size_t at_packed[MOST_PARTS];        /* else their places in the scratch, by layout; of gradients by part; in bytes */
    size_t at_partial;                   /* of gradients by weights: the second half's, plain */
    size_t at_scratch, scratch;          /* of a chunk */
    dnn_part part[MOST_PARTS];
} dnn_state;

static int64_t image_size(const ek_conv *v, bool in)
{
    return in ? v->w.in[0] * v->w.in[1] * v->in_channels : v->w.out[0] * v->w.out[1] * v->out_channels;
}

static int64_t weights_count(const ek_conv *v)
{
    return v->w.kernel[0] * v->w.kernel[1] * v->in_channels * v->out_channels;
}

static double work_of(const ek_conv *v)
{
    return (double)(v->images * v->w.out[0] * v->w.out[1]) * (double)weights_count(v);
}

/* ---- running --------------------------------------------------------------------------------------- */

static ek_status pack_weights(const ek_run_args *a, int64_t layout)
{
    const dnn_state *s = a->state;

    if (!ek__dnn_packs(s->dnn[layout])) return EK_OK;
    return ek__dnn_pack_weights(s->dnn[layout], a->in[s->b], (char *)a->scratch + s->at_packed[layout], a->err);
}

static const void *weights_for(const ek_run_args *a, const dnn_state *s, int which)
{
    const int layout = s->n_layouts > 1 ? which : 0;

    if (s->packed[layout] != NULL) return s->packed[layout];
    return ek__dnn_packs(s->dnn[layout]) ? (char *)a->scratch + s->at_packed[layout] : a->in[s->b];
}

static void *scratch_for(const ek_run_args *a, const dnn_state *s, int64_t chunk)
{
    return (char *)a->scratch + s->at_scratch + (size_t)chunk * s->scratch;
}

static ek_status run_part(const ek_run_args *a, int64_t chunk)
{
    const dnn_state *s = a->state;
    const dnn_part *p = &s->part[chunk];
    const ek_conv *v = &s->conv;
    float *c = (float *)a->out[0] + p->c;

    EK_TRY(ek__dnn_run(s->dnn[p->which], (const float *)a->in[s->a] + p->a, weights_for(a, s, p->which),
                       s->bias < 0 ? NULL : a->in[s->bias], c, scratch_for(a, s, chunk), a->err));
    if (v->w.channels_first)
        ek__after_planes(a, &s->after, p->images, v->out_channels, v->w.out[0] * v->w.out[1], c);
    else
        ek__after_rows(a, &s->after, 0, p->images * p->rows * v->w.out[1], v->out_channels, c);
    return EK_OK;
}

/* Gradient by the weights: part 0 goes to the output, part 1 to the scratch. */
static ek_status run_gradient(const ek_run_args *a, int64_t chunk)
{
    const dnn_state *s = a->state;
    const dnn_part *p = &s->part[chunk];
    ek_dnn *d = s->dnn[p->which];
    float *plain = chunk == 0 ? a->out[0] : (void *)((char *)a->scratch + s->at_partial);
    void *packed = ek__dnn_packs(d) ? (char *)a->scratch + s->at_packed[chunk] : (void *)plain;

    EK_TRY(ek__dnn_run(d, (const float *)a->in[s->a] + p->a, (const float *)a->in[s->b] + p->b, NULL, packed,
                       scratch_for(a, s, chunk), a->err));
    return ek__dnn_packs(d) ? ek__dnn_unpack_weights(d, packed, plain, a->err) : EK_OK;
}

static int64_t add_parts(const ek_conv *v)
{
    return (weights_count(v) + ADD_PART - 1) / ADD_PART;
}

static ek_status add_halves(const ek_run_args *a, int64_t chunk)
{
    const dnn_state *s = a->state;
    const int64_t n = weights_count(&s->conv), parts = add_parts(&s->conv);
    const int64_t first = ek__part_begin(n, parts, chunk), last = ek__part_begin(n, parts, chunk + 1);
    float *sum = (float *)a->out[0] + first;
    const float *other = (const float *)(const void *)((const char *)a->scratch + s->at_partial) + first;

    ek__add_to(EK_FLOAT32, last - first, sum, other);
    return EK_OK;
}

/* ---- cuts --------------------------------------------------------------------------------------------- */

static ek_dnn_conv images_of(const dnn_state *s, int64_t images)
{
    const ek_window *w = &s->conv.w;

    return (ek_dnn_conv){ .images = images, .in_channels = s->conv.in_channels, .out_channels = s->conv.out_channels,
                          .in = { w->in[0], w->in[1] }, .out = { w->out[0], w->out[1] },
                          .kernel = { w->kernel[0], w->kernel[1] }, .stride = { w->stride[0], w->stride[1] },
                          .dilation = { w->dilation[0], w->dilation[1] }, .before = { w->before[0], w->before[1] },
                          .after = { w->after[0], w->after[1] }, .channels_first = w->channels_first,
                          .bias = s->bias >= 0 };
}

/* The part of one image's rows [first, last) of output, as a convolution of a slice of the input. */
static ek_dnn_conv rows_of(const dnn_state *s, int64_t first, int64_t last, int64_t *in_row)
{
    const ek_window *w = &s->conv.w;
    const int64_t from = first * w->stride[0] - w->before[0];
    const int64_t to = (last - 1) * w->stride[0] - w->before[0] + (w->kernel[0] - 1) * w->dilation[0] + 1;
    const int64_t low = from > 0 ? from : 0, high = to < w->in[0] ? to : w->in[0];
    ek_dnn_conv part = images_of(s, 1);

    *in_row = low;
    part.in[0] = high - low;
    part.out[0] = last - first;
    part.before[0] = low - from;
    part.after[0] = to - high;
    return part;
}

static ek_status add_primitive(ek_prepare_ctx *c, dnn_state *s, const ek_dnn_conv *spec, ek_error *err)
{
    EK_TRY(ek__dnn_conv(c->arena, s->way, spec, &s->dnn[s->n_dnn], err));
    const size_t scratch = ek__far_apart(ek__dnn_scratch(s->dnn[s->n_dnn]));
    if (scratch > s->scratch) s->scratch = scratch;
    s->n_dnn++;
    return EK_OK;
}

static ek_status cut_rows(ek_prepare_ctx *c, dnn_state *s, ek_error *err)
{
    const ek_window *w = &s->conv.w;

    s->n_parts = 2;
    for (int i = 0; i < 2; i++) {
        int64_t row;
        const int64_t first = ek__part_begin(w->out[0], 2, i), last = ek__part_begin(w->out[0], 2, i + 1);
        const ek_dnn_conv spec = rows_of(s, first, last, &row);
        if (spec.in[0] <= 0) return EK_UNIMPLEMENTED; /* nothing but padding */
        EK_TRY(add_primitive(c, s, &spec, err));
        s->part[i] = (dnn_part){ .which = i, .a = row * w->in[1] * s->conv.in_channels,
                                 .c = first * w->out[1] * s->conv.out_channels, .images = 1, .rows = last - first };
    }
    return EK_OK;
}

static int64_t parts_of(const dnn_state *s)
{
    const int64_t by_images = s->conv.images / IMAGES_PER_PART;
    const double work = work_of(&s->conv), by_work = work / PART_WORK;

    if (work < HALVE_WORK) return 1;
    if (s->way == EK_DNN_WEIGHTS) return s->conv.images < 2 ? 1 : 2;
    if (by_images < 2) return 1;
    const int64_t parts = by_work < 2 ? 2 : by_work > MOST_PARTS ? MOST_PARTS : (int64_t)by_work;
    return parts < by_images ? parts : by_images;
}

static ek_status cut_images(ek_prepare_ctx *c, dnn_state *s, ek_error *err)
{
    const ek_conv *v = &s->conv;
    const int64_t parts = parts_of(s), in = image_size(v, true), out = image_size(v, false);

    s->n_parts = (int)parts;
    for (int i = 0; i < 2; i++) { /* the larger part, then the smaller */
        const ek_dnn_conv spec = images_of(s, ek__part_begin(v->images, parts, 1) - i);
        if (i == 1 && v->images % parts == 0) break;
        EK_TRY(add_primitive(c, s, &spec, err));
    }
    for (int i = 0; i < s->n_parts; i++) {
        const int64_t first = ek__part_begin(v->images, parts, i);
        s->part[i] = (dnn_part){ .which = s->n_dnn > 1 && i >= v->images % parts,
                                 .a = first * (s->way == EK_DNN_INPUT ? out : in), .b = first * out,
                                 .c = first * (s->way == EK_DNN_INPUT ? in : out),
                                 .images = ek__part_begin(v->images, parts, i + 1) - first, .rows = v->w.out[0] };
    }
    return EK_OK;
}

static ek_status cut(ek_prepare_ctx *c, dnn_state *s, ek_error *err)
{
    const ek_conv *v = &s->conv;

    if (s->way == EK_DNN_FORWARD && v->images == 1 && !v->w.channels_first && v->w.out[0] >= ROWS_TO_HALVE &&
        work_of(v) >= HALVE_WORK) {
        const ek_status st = cut_rows(c, s, err);
        if (st != EK_UNIMPLEMENTED) return st;
        *err = (ek_error){ 0 };
        s->n_dnn = 0;
        s->scratch = 0;
    }
    return cut_images(c, s, err);
}

/* ---- weights -------------------------------------------------------------------------------------------- */

/* Constant weights in oneDNN's layout, each output channel scaled. */
static ek_status pack_known(ek_prepare_ctx *c, dnn_state *s)
{
    const float *plain = c->in_value[s->b]->data;
    const int64_t count = weights_count(&s->conv), channels = s->conv.out_channels;
    float *scaled = NULL;

    if (s->scale != NULL) {
        scaled = ek__alloc((size_t)count * sizeof *scaled);
        if (scaled == NULL) return ek__no_memory(c);
        memcpy(scaled, plain, (size_t)count * sizeof *scaled);
        ek__kernels()->after_rows_f32(count / channels, channels, NULL, s->scale, NULL, false, 0, scaled);
        plain = scaled;
    }
    ek_status st = EK_OK;
    for (int i = 0; i < s->n_layouts && st == EK_OK; i++) {
        const size_t bytes = ek__dnn_weights_bytes(s->dnn[i]);
        void *packed = ek__arena_alloc(c->arena, bytes, 64);
        if (packed == NULL) st = ek__no_memory(c);
        else if (ek__dnn_packs(s->dnn[i])) st = ek__dnn_pack_weights(s->dnn[i], plain, packed, c->err);
        else memcpy(packed, plain, bytes);
        s->packed[i] = packed;
    }
    ek__free(scaled);
    return st;
}

/* Primitives of one layout share the weights. But not where two threads would: each has the copy that it made itself in
 * its own cache. */
static int copies_of_weights(const ek_prepare_ctx *c, const dnn_state *s)
{
    const bool may_share = c->one_thread || c->in_value[s->b] != NULL;

    return s->n_dnn > 1 && may_share && ek__dnn_same_weights(s->dnn[0], s->dnn[1]) ? 1 : s->n_dnn;
}

static ek_status place_weights(ek_prepare_ctx *c, dnn_state *s)
{
    size_t at = 0;
    bool packs = false;

    s->n_layouts = copies_of_weights(c, s);
    if (c->in_value[s->b] != NULL) {
        EK_TRY(pack_known(c, s));
    } else {
        for (int i = 0; i < s->n_layouts; i++) {
            packs = packs || ek__dnn_packs(s->dnn[i]);
            s->at_packed[i] = at;
            at += ek__far_apart(ek__dnn_weights_bytes(s->dnn[i]));
        }
    }
    s->at_scratch = at;
    c->scratch_bytes = at + (size_t)s->n_parts * s->scratch;
    if (packs) ek__add_phase(c, pack_weights, s->n_layouts);
    ek__add_phase(c, run_part, s->n_parts);
    return EK_OK;
}

static ek_status place_gradients(ek_prepare_ctx *c, dnn_state *s)
{
    size_t at = 0;

    for (int i = 0; i < s->n_parts; i++) {
        s->at_packed[i] = at;
        at += ek__far_apart(ek__dnn_weights_bytes(s->dnn[s->part[i].which]));
    }
    s->at_partial = at;
    s->at_scratch = at + (s->n_parts > 1 ? ek__far_apart((size_t)weights_count(&s->conv) * sizeof(float)) : 0);
    c->scratch_bytes = s->at_scratch + (size_t)s->n_parts * s->scratch;
    ek__add_phase(c, run_gradient, s->n_parts);
    if (s->n_parts > 1) ek__add_phase(c, add_halves, add_parts(&s->conv));
    return EK_OK;
}

/* ---- preparing -------------------------------------------------------------------------------------------- */

/* A scale of constant weights goes into them; a bias that nothing else follows is oneDNN's. */
static void share_after(const ek_prepare_ctx *c, dnn_state *s)
{
    ek_after *f = &s->after;

    if (f->scale >= 0 && f->center < 0 && c->in_value[s->b] != NULL && c->in_value[f->scale] != NULL) {
        s->scale = c->in_value[f->scale]->data;
        f->scale = -1;
    }
    if (f->scale < 0 && !f->clamp) {
        s->bias = f->bias;
        f->bias = -1;
    }
}

ek_status ek__conv_dnn_prepare(ek_prepare_ctx *c, ek_dnn_way way, const ek_conv *conv, int a, int b,
                               const ek_after *after)
{
    dnn_state *s = EK_ARENA_NEW(c->arena, dnn_state, 1);
    ek_error why = { 0 };

    if (s == NULL) return ek__no_memory(c);
    s->conv = *conv;
    s->way = way;
    s->a = a;
    s->b = b;
    s->bias = -1;
    s->after = after != NULL ? *after : ek__after_nothing();
    share_after(c, s);
    const ek_status st = cut(c, s, &why);
    if (st == EK_UNIMPLEMENTED) return st;
    if (st != EK_OK) return ek__error_copy(c->err, &why);
    c->state = s;
    return way == EK_DNN_WEIGHTS ? place_gradients(c, s) : place_weights(c, s);
}
