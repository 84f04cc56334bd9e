/* ops/window.c - the arithmetic of sliding windows. */
#include "ops/window.h"

#include "ops/rules.h"

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t extent(const ek_window *w, int i)
{
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

void ek__window_layout(const char *data_format, ek_window *w)
{
    w->channels_first = data_format[1] == 'C';
    w->dims = (int)strcspn(data_format, "_") - 2;
    for (int i = 0; i < w->dims; i++) w->axis[i] = i + (w->channels_first ? 2 : 1);
}

/* Sizes of one dimension; false where the window does not fit into the padded image. */
static bool set_dimension(const ek_window_attrs *a, ek_window *w, int i)
{
    const int64_t in = w->in[i], e = extent(w, i), s = w->stride[i];

    w->out[i] = -1;
    w->before[i] = w->after[i] = 0;
    if (strcmp(a->padding, "EXPLICIT") == 0) {
        w->before[i] = a->explicit_paddings->at[2 * w->axis[i]];
        w->after[i] = a->explicit_paddings->at[2 * w->axis[i] + 1];
    }
    if (in < 0 || w->kernel[i] < 0) return true;
    if (strcmp(a->padding, "SAME") == 0) {
        w->out[i] = divide_up(in, s);
        const int64_t total = (w->out[i] - 1) * s + e - in;
        if (total > 0) {
            w->before[i] = total / 2;
            w->after[i] = total - total / 2;
        }
        return true;
    }
    const int64_t padded = in + w->before[i] + w->after[i];
    w->out[i] = padded >= e ? (padded - e) / s + 1 : 0;
    return padded - e + s >= 0;
}

void ek__window_set(const ek_window_attrs *a, ek_window *w)
{
    ek__window_layout(a->data_format, w);
    for (int i = 0; i < w->dims; i++) {
        w->stride[i] = a->strides.at[w->axis[i]];
        w->dilation[i] = a->dilations != NULL ? a->dilations->at[w->axis[i]] : 1;
        set_dimension(a, w, i);
    }
}

static ek_status check_count(const ek_shape_ctx *c, const char *op, const char *what, int n, const ek_ints *v)
{
    if (v == NULL || v->count == n) return EK_OK;
    return EK_FAIL(c->err, INVALID_ARGUMENT, "%s requires the %s attribute to contain %d values, but got: %d", op, what,
                   n, v->count);
}

static ek_status check_paddings(const ek_shape_ctx *c, const ek_window_attrs *a, const ek_window *w)
{
    const ek_ints *p = a->explicit_paddings;
    const int channel = w->channels_first ? 1 : w->dims + 1;

    if (strcmp(a->padding, "EXPLICIT") != 0) {
        if (p != NULL && p->count > 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "explicit_paddings attribute must be empty if the padding attribute is not EXPLICIT");
        return EK_OK;
    }
    if (p == NULL || p->count != 2 * (w->dims + 2))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "explicit_paddings attribute must contain %d values, but got: %d",
                       2 * (w->dims + 2), p != NULL ? p->count : 0);
    for (int i = 0; i < p->count; i++) {
        if (p->at[i] < 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "All elements of explicit_paddings must be nonnegative");
        if (p->at[i] > INT32_MAX) return EK_FAIL(c->err, INVALID_ARGUMENT, "explicit_paddings must fit 32 bits");
    }
    for (int i = 0; i < 2; i++)
        if (p->at[i] != 0 || p->at[2 * channel + i] != 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT,
                           "Nonzero explicit padding in the batch or depth dimensions is not supported");
    return EK_OK;
}

ek_status ek__window_fit(const ek_shape_ctx *c, const char *op, const ek_window_attrs *a, ek_window *w)
{
    ek__window_layout(a->data_format, w);
    EK_TRY(check_count(c, op, "stride", w->dims + 2, &a->strides));
    EK_TRY(check_count(c, op, "dilation", w->dims + 2, a->dilations));
    for (int i = 0; i < w->dims + 2; i++) {
        const bool spatial = i >= w->axis[0] && i <= w->axis[w->dims - 1];
        const int64_t dilation = a->dilations != NULL ? a->dilations->at[i] : 1;
        if (c->running && !spatial && a->strides.at[i] != 1)
            return EK_FAIL(c->err, UNIMPLEMENTED,
                           "Current implementation does not yet support strides in the batch and depth dimensions.");
        if (c->running && !spatial && dilation != 1)
            return EK_FAIL(c->err, UNIMPLEMENTED,
                           "Current implementation does not yet support dilations in the batch and depth dimensions.");
        if (spatial && a->strides.at[i] <= 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Stride must be > 0, but got %lld", (long long)a->strides.at[i]);
        if (spatial && dilation <= 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Dilation rate must be >= 1, but got %lld", (long long)dilation);
        /* beyond this the arithmetic below could overflow; no image is so large */
        if (a->strides.at[i] > INT32_MAX || dilation > INT32_MAX)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "strides and dilations must fit 32 bits");
    }
    EK_TRY(check_paddings(c, a, w));
    for (int i = 0; i < w->dims; i++) {
        w->stride[i] = a->strides.at[w->axis[i]];
        w->dilation[i] = a->dilations != NULL ? a->dilations->at[w->axis[i]] : 1;
        if (w->kernel[i] > INT32_MAX || w->in[i] > INT64_MAX / 4)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "a window of %lld in %lld is too large", (long long)w->kernel[i],
                           (long long)w->in[i]);
        if (!set_dimension(a, w, i) && c->running)
            return EK_FAIL(
                c->err, INVALID_ARGUMENT,
                "Computed output size would be negative: %lld [input_size: %lld, effective_filter_size: %lld, stride: "
                "%lld]",
                (long long)((w->in[i] + w->before[i] + w->after[i] - extent(w, i) + w->stride[i]) / w->stride[i]),
                (long long)w->in[i], (long long)extent(w, i), (long long)w->stride[i]);
        if (w->in[i] >= 0 && w->kernel[i] >= 0 && !c->running && strcmp(a->padding, "SAME") != 0 &&
            w->in[i] + w->before[i] + w->after[i] < extent(w, i))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "Negative dimension size caused by subtracting %lld from %lld",
                           (long long)extent(w, i), (long long)(w->in[i] + w->before[i] + w->after[i]));
    }
    return EK_OK;
}

ek_status ek__window_sizes(ek_shape_ctx *c, const char *label, int sizes, int other, const char *what, int rank)
{
    if (c->running && (c->in[sizes].rank != 1 || c->in[sizes].dim[0] != rank))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s: %s must be a vector of %d elements, found shape %s", label, what, rank,
                       EK_CC(&c->in[sizes]));
    EK_TRY(ek__want_rank(c, other, rank));
    EK_TRY(ek__want_rank(c, c->n_in - 1, rank));
    EK_TRY(ek__input_as_full_shape(c, sizes, &c->out[0]));
    if (c->out[0].rank < 0) c->out[0] = ek__unknown_dims(rank);
    if (c->out[0].rank == rank) return EK_OK;
    return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must have %d elements, found %d", what, rank, c->out[0].rank);
}
