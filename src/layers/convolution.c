/* layers/convolution.c - tf.nn.convolution. A dilated one is a plain one of the pixels that are `rate` apart, which
 * SpaceToBatchND brings together; the paddings it takes are numbers where the image's size is known, nodes otherwise. */
#include "layers/spatial.h"

/* ---- constants ---------------------------------------------------------------------------------- */

typedef struct pairs {
    int n;
    int32_t at[EK_SPATIAL_MOST + 1][2];
} pairs;

/* One [n, 2] int32 operand; release it. NULL, and the graph fails, without memory. */
static ek_array *array_of(ek_graph *g, const pairs *p, ek_where where)
{
    ek_array *a = ek_array_of(EK_INT32, EK_SHAPE(p->n, 2), p->at);

    if (a == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
    return a;
}

static ek_tensor const_pairs(ek_graph *g, const pairs *p, const char *name, ek_where where)
{
    ek_array *a = array_of(g, p, where);
    const ek_tensor t = a != NULL ? ek__const(g, a, name, where) : ek__dead(g);

    ek_array_unref(a);
    return t;
}

/* ---- what is known when the layer is built ------------------------------------------------------ */

/* Beyond int32 the nodes of an unknown size refuse it. */
static bool image_known(const ek_dilation *d)
{
    for (int i = 0; i < d->s->n; i++)
        if (d->image[i] < 0 || d->image[i] > INT32_MAX) return false;
    return true;
}

/* What "same" pads: half of what the window reaches over, the odd one after. */
static pairs base_pairs(const ek_spatial *s)
{
    pairs p = { .n = s->n };

    for (int i = 0; s->same && i < s->n; i++) {
        const int64_t extra = (s->kernel[i] - 1) * s->dilation[i];
        p.at[i][0] = (int32_t)(extra / 2);
        p.at[i][1] = (int32_t)(extra - extra / 2);
    }
    return p;
}

ek_dilation ek__dilation_begin(ek_tensor x, const ek_spatial *s, const ek_shape *filter_shape, ek_where where)
{
    ek_graph *g = x.graph;
    const ek_shape shape = ek_tensor_shape(x);
    ek_shape rate = { .rank = s->n };
    ek_dilation d = { .s = s, .base = ek__dead(g) };

    for (int i = 0; i < s->n; i++) {
        rate.dim[i] = s->dilation[i];
        d.image[i] = shape.rank < 0 ? -1 : shape.dim[i + (s->channels_first ? 2 : 1)];
        d.dilated |= s->dilation[i] > 1;
    }
    d.rate = ek__const_shape(g, &rate, "dilation_rate", where);
    if (!d.dilated || !s->same) return d;
    const pairs base = base_pairs(s);
    if (filter_shape != NULL) ek__const_shape(g, filter_shape, "filter_shape", where);
    d.base = const_pairs(g, &base, "stack", where);
    return d;
}

/* ---- paddings as numbers ------------------------------------------------------------------------ */

/* The pairs behind a [0, 0] for the channels, where those come first: the operand of SpaceToBatchND. */
static ek_operand adjusted(ek_graph *g, const ek_spatial *s, const pairs *p, ek_array **hold, ek_where where)
{
    pairs all = *p;

    if (s->channels_first) {
        all = (pairs){ .n = p->n + 1 };
        memcpy(all.at[1], p->at[0], sizeof p->at - sizeof p->at[0]);
    }
    *hold = array_of(g, &all, where);
    return *hold != NULL ? ek_operand_of_array(*hold) : ek__of(ek__dead(g));
}

/* Fills up what the rate does not divide. */
static void fill_up(const ek_dilation *d, pairs *paddings, pairs *crops)
{
    const ek_spatial *s = d->s;

    *paddings = base_pairs(s);
    *crops = (pairs){ .n = s->n };
    for (int i = 0; i < s->n; i++) {
        const int64_t full = d->image[i] + paddings->at[i][0] + paddings->at[i][1];
        const int64_t extra = (s->dilation[i] - full % s->dilation[i]) % s->dilation[i];
        paddings->at[i][1] += (int32_t)extra;
        crops->at[i][1] = (int32_t)extra;
    }
}

static void known_paddings(ek_graph *g, const ek_dilation *d, pairs *paddings, pairs *crops, ek_where where)
{
    const pairs base = base_pairs(d->s);
    ek_shape image = { .rank = d->s->n };

    fill_up(d, paddings, crops);
    for (int i = 0; i < d->s->n; i++) image.dim[i] = d->image[i];
    EK_IN_SCOPE(ek_name_scope_push(g, "required_space_to_batch_paddings", where)) {
        ek__const_shape(g, &image, "input_shape", where);
        if (!d->s->same) const_pairs(g, &base, "base_paddings", where);
        const_pairs(g, paddings, "paddings", where);
        const_pairs(g, crops, "crops", where);
    }
}

/* ---- paddings as nodes -------------------------------------------------------------------------- */

static ek_tensor image_shape(ek_tensor x, const ek_spatial *s, ek_where where)
{
    const ek_tensor shape = ek__op1(ek_shape_with, ek__of(x), NULL, where);
    ek_operand dim[EK_SPATIAL_MOST];

    for (int i = 0; i < s->n; i++) dim[i] = ek__of(ek__element(shape, i + (s->channels_first ? 2 : 1), where));
    return ek__int_list(x.graph, "stack", dim, s->n, where);
}

/* m[:, i] */
static ek_tensor column(ek_tensor m, int64_t i, ek_where where)
{
    return ek_strided_slice_with(
        &(ek_strided_slice_options){ .size = sizeof(ek_strided_slice_options), .input = m, .begin = EK_INTS(0, i),
                                     .end = EK_INTS(0, i + 1), .strides = EK_INTS(1, 1), .begin_mask = 1, .end_mask = 1,
                                     .shrink_axis_mask = 2 }, where);
}

/* [[a[0], b[0]], ..]: the elements first, then the lists. `a` dead: zeros. */
static ek_tensor pair_up(ek_graph *g, const char *name, ek_tensor a, ek_tensor b, int n, ek_where where)
{
    ek_operand pair[EK_SPATIAL_MOST][2];
    ek_tensor row[EK_SPATIAL_MOST], out = ek__dead(g);
    char index[16];

    for (int i = 0; i < n; i++) {
        pair[i][0] = ek_tensor_ok(a) ? ek__of(ek__element(a, i, where)) : ek__int(0);
        pair[i][1] = ek__of(ek__element(b, i, where));
    }
    EK_IN_SCOPE(ek_name_scope_push(g, name, where)) {
        const char *own = ek_name_scope(g);
        for (int i = 0; i < n; i++) {
            snprintf(index, sizeof index, "%d", i);
            row[i] = ek__int_list(g, index, pair[i], 2, where);
        }
        out = ek__node_tensor(g, &(ek_node_args){ .type = "Pack", .name = own, .in = row, .n_in = n, .where = where });
    }
    return out;
}

typedef struct two {
    ek_tensor paddings, crops;
} two;

/* tf.required_space_to_batch_paddings */
static two required(ek_graph *g, const ek_dilation *d, ek_tensor image, ek_where where)
{
    const ek_operand rate = ek__of(d->rate);
    const pairs base = base_pairs(d->s);
    two out = { ek__dead(g), ek__dead(g) };

    EK_IN_SCOPE(ek_name_scope_push(g, "required_space_to_batch_paddings", where)) {
        const ek_tensor given = d->s->same ? d->base : const_pairs(g, &base, "base_paddings", where);
        const ek_tensor before = column(given, 0, where), after = column(given, 1, where);
        const ek_tensor half = ek__op2(ek_plus_with, ek__of(image), ek__of(before), where);
        const ek_tensor full = ek__op2(ek_plus_with, ek__of(half), ek__of(after), where);
        const ek_tensor over = ek__op2(ek_modulo_with, ek__of(full), rate, where);
        const ek_tensor missing = ek__op2(ek_minus_with, rate, ek__of(over), where);
        const ek_tensor extra = ek__op2(ek_modulo_with, ek__of(missing), rate, where);
        const ek_tensor end = ek__op2(ek_plus_with, ek__of(after), ek__of(extra), where);
        if (!ek_tensor_ok(end)) return out;
        out.paddings = pair_up(g, "paddings", before, end, d->s->n, where);
        out.crops = pair_up(g, "crops", ek__dead(g), extra, d->s->n, where);
    }
    return out;
}

/* The rows of all spatial dimensions, behind one for the channels where those come first. */
static ek_tensor adjusted_nodes(ek_tensor m, const ek_spatial *s, ek_where where)
{
    ek_graph *g = m.graph;
    ek_tensor out = ek__dead(g);
    const ek_tensor rows = ek_strided_slice_with(
        &(ek_strided_slice_options){ .size = sizeof(ek_strided_slice_options), .input = m, .begin = EK_INTS(0),
                                     .end = EK_INTS(s->n), .strides = EK_INTS(1) }, where);

    EK_IN_SCOPE(ek_name_scope_push(g, "concat", where)) {
        const char *own = ek_name_scope(g);
        if (s->channels_first) {
            const ek_tensor zeros = const_pairs(g, &(pairs){ .n = 1 }, "values_0", where);
            const ek_tensor axis = ek__const_scalar(g, EK_INT32, 0, "axis", where);
            out = EK_EMIT(g, where, "ConcatV2", own, EK_IN(zeros, rows, axis), EK_ATTR_I("N", 2));
        } else {
            ek__const_scalar(g, EK_INT32, 0, "concat_dim", where);
            out = ek__emit1("Identity", rows, "concat", where);
        }
    }
    return out;
}

/* ---- between the two ---------------------------------------------------------------------------- */

static ek_tensor regroup(const char *type, ek_tensor x, const ek_spatial *s, ek_operand pads, ek_where where)
{
    int32_t block[EK_SPATIAL_MOST + 1] = { 1 };
    const int n = s->n + s->channels_first;
    ek_array *a;
    ek_tensor y = ek__dead(x.graph);

    for (int i = 0; i < s->n; i++) block[i + s->channels_first] = (int32_t)s->dilation[i];
    a = ek_array_of(EK_INT32, EK_SHAPE(n), block);
    if (a == NULL) ek__graph_fail(x.graph, where, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
    else y = ek__call_tensor(&(ek_call){ .type = type, .n_in = 3, .where = where,
                                         .in = (ek_operand[]){ ek__of(x), ek_operand_of_array(a), pads } });
    ek_array_unref(a);
    return y;
}

static ek_tensor between(ek_tensor x, const ek_dilation *d, ek_operand paddings, ek_operand crops, ek_spatial_op op,
                         void *arg, ek_where where)
{
    const ek_tensor apart = regroup("SpaceToBatchND", x, d->s, paddings, where);
    const ek_tensor y = ek_tensor_ok(apart) ? op(apart, d->s, "VALID", arg, where) : apart;

    return ek_tensor_ok(y) ? regroup("BatchToSpaceND", y, d->s, crops, where) : y;
}

ek_tensor ek__dilation_apply(ek_tensor x, const ek_dilation *d, ek_spatial_op op, void *arg, ek_where where)
{
    ek_graph *g = x.graph;
    ek_array *hold[2] = { NULL, NULL };
    pairs paddings, crops;
    ek_tensor y;

    if (!ek_tensor_ok(x)) return x;
    if (!d->dilated) return op(x, d->s, ek__spatial_padding_name(d->s), arg, where);
    if (!image_known(d)) {
        const two nodes = required(g, d, image_shape(x, d->s, where), where);
        if (!ek_tensor_ok(nodes.crops)) return ek__dead(g);
        const ek_tensor pads = adjusted_nodes(nodes.paddings, d->s, where);
        const ek_tensor cuts = adjusted_nodes(nodes.crops, d->s, where);
        return between(x, d, ek__of(pads), ek__of(cuts), op, arg, where);
    }
    known_paddings(g, d, &paddings, &crops, where);
    const ek_operand pads = adjusted(g, d->s, &paddings, &hold[0], where);
    const ek_operand cuts = adjusted(g, d->s, &crops, &hold[1], where);
    y = between(x, d, pads, cuts, op, arg, where);
    ek_array_unref(hold[0]);
    ek_array_unref(hold[1]);
    return y;
}

/* ---- the convolution ---------------------------------------------------------------------------- */

static ek_tensor convolve(const char *type, const char *name, ek_operand x, ek_operand filter, const ek_spatial *s,
                          const char *padding, ek_where where)
{
    int64_t strides[EK_SPATIAL_MOST + 2];

    ek__spatial_full(s, s->strides, strides);
    const ek_attr attr[] = { ek__attr_ints("strides", strides, s->n + 2), ek__attr_string("padding", padding),
                             ek__attr_string("data_format", ek__spatial_name(s)) };
    return ek__call_tensor(&(ek_call){ .type = type, .name = name, .in = (ek_operand[]){ x, filter }, .n_in = 2,
                                       .attr = attr, .n_attr = EK_COUNT_OF(attr), .where = where });
}

static ek_tensor expand(ek_operand x, int64_t axis, ek_where where)
{
    return ek__call_tensor(&(ek_call){ .type = "ExpandDims", .in = (ek_operand[]){ x, ek__int(axis) }, .n_in = 2,
                                       .where = where });
}

/* tf.nn.conv1d: an image of one row. */
static ek_tensor convolve_row(ek_tensor x, ek_operand filter, const ek_spatial *s, const char *padding, ek_where where)
{
    const int64_t axis = s->channels_first ? 2 : 1;
    ek_spatial image = *s;
    ek_tensor y = ek__dead(x.graph);

    image.n = 2;
    image.strides[0] = 1;
    image.strides[1] = s->strides[0];
    EK_IN_SCOPE(ek_name_scope_push(x.graph, "conv1d", where)) {
        const char *own = ek_name_scope(x.graph);
        const ek_tensor rows = expand(ek__of(x), axis, where), window = expand(filter, 0, where);
        y = convolve("Conv2D", own, ek__of(rows), ek__of(window), &image, padding, where);
        y = ek_squeeze_with(&(ek_squeeze_options){ .size = sizeof(ek_squeeze_options), .input = y,
                                                   .axis = EK_INTS(axis) }, where);
    }
    return y;
}

ek_tensor ek__convolution_op(ek_tensor x, const ek_spatial *s, const char *padding, void *arg, ek_where where)
{
    const ek_operand *filter = arg;

    if (s->n == 1) return convolve_row(x, *filter, s, padding, where);
    return convolve(s->n == 2 ? "Conv2D" : "Conv3D", NULL, ek__of(x), *filter, s, padding, where);
}
