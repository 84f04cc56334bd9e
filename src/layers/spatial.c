/* layers/spatial.c - see spatial.h. */
#include "layers/spatial.h"

#include <strings.h>

/* ---- tuples ------------------------------------------------------------------------------------- */

static void print_tuple(const int64_t *at, int n, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(");

    for (int i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i > 0 ? ", " : "", (long long)at[i]);
    if (used < size) snprintf(text + used, size - used, n == 1 ? ",)" : ")");
}

bool ek__spatial_tuple(ek_graph *g, const char *argument, int n, int64_t all, const int64_t *each, int64_t *out,
                       ek_where where)
{
    char text[96];
    int given = EK_SPATIAL_MOST;

    while (given > 0 && each[given - 1] == 0) given--;
    for (int i = 0; i < n; i++) out[i] = given > 0 ? each[i] : all;
    if (given == 0 || given == n) return true;
    print_tuple(each, given, text, sizeof text);
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "The `%s` argument must be a tuple of %d integers. Received: %s",
                   argument, n, text);
    return false;
}

static bool all_positive(ek_graph *g, const char *what, const int64_t *at, int n, ek_where where)
{
    for (int i = 0; i < n; i++) {
        if (at[i] >= 1 && at[i] <= INT32_MAX) continue;
        if (at[i] < 1) ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "all values of %s must be positive", what);
        else
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "%s of %lld: at most %d is possible", what, (long long)at[i], INT32_MAX);
        return false;
    }
    return true;
}

/* ---- words -------------------------------------------------------------------------------------- */

bool ek__spatial_padding(ek_graph *g, const char *padding, ek_spatial *s, ek_where where)
{
    const char *p = padding != NULL ? padding : "None";

    s->same = strcasecmp(p, "same") == 0;
    s->causal = strcasecmp(p, "causal") == 0;
    if (s->causal && s->n != 1) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "Causal padding is only supported for `Conv1D` and `SeparableConv1D`.");
        return false;
    }
    if (s->same || s->causal || strcasecmp(p, "valid") == 0) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "The `padding` argument must be a list/tuple or one of \"valid\", \"same\" (or \"causal\", only for "
                   "`Conv1D). Received: %s", p);
    return false;
}

bool ek__spatial_format(ek_graph *g, const char *data_format, bool *channels_first, ek_where where)
{
    const char *f = data_format != NULL ? data_format : "None";

    *channels_first = strcasecmp(f, "channels_first") == 0;
    if (*channels_first || strcasecmp(f, "channels_last") == 0) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                   "The `data_format` argument must be one of \"channels_first\", \"channels_last\". Received: %s", f);
    return false;
}

const char *ek__spatial_name(const ek_spatial *s)
{
    static const char *const name[][2] = { { "NWC", "NCW" }, { "NHWC", "NCHW" }, { "NDHWC", "NCDHW" } };

    return name[s->n - 1][s->channels_first];
}

void ek__spatial_full(const ek_spatial *s, const int64_t *image, int64_t *full)
{
    for (int i = 0; i < s->n + 2; i++) full[i] = 1;
    for (int i = 0; i < s->n; i++) full[i + (s->channels_first ? 2 : 1)] = image[i];
}

/* ---- the arguments of a convolution ------------------------------------------------------------- */

static bool window_ok(ek_graph *g, const ek_spatial *s, ek_where where)
{
    char text[96];

    print_tuple(s->kernel, s->n, text, sizeof text);
    for (int i = 0; i < s->n; i++) {
        if (s->kernel[i] > 0) continue;
        if (s->kernel[i] == 0)
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "The argument `kernel_size` cannot contain 0(s). Received: %s",
                           text);
        else
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                           "The `kernel_size` argument must be a tuple of %d integers. Received: %s including {%lld} that "
                           "does not satisfy the requirement `> 0`.", s->n, text, (long long)s->kernel[i]);
        return false;
    }
    return true;
}

bool ek__spatial_steps_ok(ek_graph *g, const ek_spatial *s, ek_where where)
{
    bool strided = false, dilated = false;

    if (!all_positive(g, "dilation_rate", s->dilation, s->n, where)) return false;
    if (!all_positive(g, "strides", s->strides, s->n, where)) return false;
    for (int i = 0; i < s->n; i++) {
        int32_t reach;
        strided |= s->strides[i] > 1;
        dilated |= s->dilation[i] > 1;
        if (!__builtin_mul_overflow(s->kernel[i] - 1, s->dilation[i], &reach)) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "a window of %lld points %lld apart is too large",
                       (long long)s->kernel[i], (long long)s->dilation[i]);
        return false;
    }
    if (strided && dilated)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "strides > 1 not supported in conjunction with dilation_rate > 1");
    return !(strided && dilated);
}

bool ek__spatial_of_conv(ek_graph *g, int n, const ek_conv_options *o, ek_spatial *s, ek_where where)
{
    *s = (ek_spatial){ .n = n };
    if (o->filters <= 0) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "Invalid value for argument `filters`. Expected a strictly positive value. Received filters=%lld.",
                       (long long)o->filters);
        return false;
    }
    return ek__spatial_tuple(g, "kernel_size", n, o->kernel_size, o->kernel_dims, s->kernel, where) &&
           window_ok(g, s, where) &&
           ek__spatial_tuple(g, "strides", n, o->strides, o->stride_dims, s->strides, where) &&
           ek__spatial_padding(g, o->padding, s, where) &&
           ek__spatial_format(g, o->data_format, &s->channels_first, where) &&
           ek__spatial_tuple(g, "dilation_rate", n, o->dilation_rate, o->dilation_dims, s->dilation, where) &&
           ek__spatial_steps_ok(g, s, where);
}

int64_t ek__spatial_channels(ek_graph *g, const ek_spatial *s, const ek_shape *x, ek_where where)
{
    const int64_t channels = x->dim[s->channels_first ? 1 : s->n + 1];

    if (channels < 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "The channel dimension of the inputs should be defined. Found `None`.");
    return channels;
}

/* ---- layouts ------------------------------------------------------------------------------------ */

ek_tensor ek__move_channels(ek_tensor x, int rank, bool last, ek_where where)
{
    int64_t perm[EK_MAX_RANK] = { 0 };

    for (int i = 1; i < rank; i++) {
        if (last) perm[i] = i < rank - 1 ? i + 1 : 1;
        else perm[i] = i > 1 ? i - 1 : rank - 1;
    }
    return ek_transpose_with(&(ek_transpose_options){ .size = sizeof(ek_transpose_options), .input = x,
                                                      .perm = { perm, rank } }, where);
}

ek_tensor ek__pad_before(ek_tensor x, const ek_spatial *s, ek_where where)
{
    int32_t at[6] = { 0 };
    ek_array *paddings;
    ek_tensor y;

    at[s->channels_first ? 4 : 2] = (int32_t)(s->dilation[0] * (s->kernel[0] - 1));
    paddings = ek_array_of(EK_INT32, EK_SHAPE(3, 2), at);
    if (paddings == NULL) {
        ek__graph_fail(x.graph, where, EK_RESOURCE_EXHAUSTED, "no memory for a constant");
        return ek__dead(x.graph);
    }
    y = ek__call_tensor(&(ek_call){ .type = "Pad", .in = (ek_operand[]){ ek__of(x), ek_operand_of_array(paddings) },
                                    .n_in = 2, .where = where });
    ek_array_unref(paddings);
    return y;
}

/* ---- convolutions and transposed ones ------------------------------------------------------------- */

ek_tensor ek__conv_layer(const char *kind, int n, ek_tensor x, const ek_conv_options *o, ek_layer_body body, ek_where where)
{
    if (!EK_OPTIONS_OF(x.graph, o, kind, where)) return ek__dead(x.graph);
    return ek__layer_call(&(ek_layer_args){ .kind = kind, .name = o->name, .reuse = (int)o->reuse,
                                            .trainable = o->trainable, .activation = o->activation,
                                            .activity = &o->activity_regularizer, .rank = n + 2, .where = where },
                          x, body, &(ek_conv_call){ o, n });
}

ek_conv_weights ek__conv_weights(const ek_layer *l, const ek_conv_options *o, ek_shape kernel, ek_dtype dtype, ek_where where)
{
    const ek_weights of_kernel = { &o->kernel_initializer, &o->kernel_regularizer, &o->kernel_constraint };
    const ek_weights of_bias = { &o->bias_initializer, &o->bias_regularizer, &o->bias_constraint };
    ek_conv_weights w = { .bias = ek__dead_variable(l->graph) };

    w.kernel = ek__layer_kernel(l, "kernel", kernel, dtype, of_kernel, where);
    if (o->use_bias) w.bias = ek__layer_bias(l, o->filters, dtype, of_bias, where);
    return w;
}
