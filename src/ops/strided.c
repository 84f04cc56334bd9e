/* ops/strided.c - Python's a[i:j:k, ..., None, n] read against a shape. */
#include "ops/strided.h"

enum { NEW_AXIS = -1 };

/* The entries spread over the dimensions: the ellipsis takes what the others leave. */
typedef struct spread {
    int64_t begin[EK_MAX_RANK], end[EK_MAX_RANK];
    bool from_start[EK_MAX_RANK], to_end[EK_MAX_RANK], shrink[EK_MAX_RANK];
    int32_t n_out;
    int32_t out[2 * EK_MAX_RANK]; /* of which dimension each one of the result is; NEW_AXIS */
} spread;

static bool bit(int64_t mask, int64_t i)
{
    return i < 64 && ((uint64_t)mask >> i & 1u) != 0;
}

static int64_t entry(const ek_array *v, int64_t i)
{
    return v != NULL ? ek__array_int(v, i) : 0;
}

static ek_status put_out(spread *s, int32_t d, ek_error *err)
{
    if (s->n_out >= EK_MAX_RANK)
        return EK_FAIL(err, INVALID_ARGUMENT, "the slice has more than %d dimensions, more are not supported",
                       EK_MAX_RANK);
    s->out[s->n_out++] = d;
    return EK_OK;
}

/* Entries between the first ellipsis and the end that name a dimension; *ellipsis is its place, or n. */
static ek_status find_ellipsis(const ek_strided_spec *spec, int64_t n, int64_t *ellipsis, int64_t *after, ek_error *err)
{
    *ellipsis = n;
    *after = 0;
    for (int64_t i = 0; i < n; i++) {
        if (bit(spec->ellipsis_mask, i)) {
            if (*ellipsis < n) return EK_FAIL(err, INVALID_ARGUMENT, "Multiple ellipses in slice spec not allowed");
            *ellipsis = i;
        } else if (*ellipsis < n && !bit(spec->new_axis_mask, i)) {
            ++*after;
        }
    }
    return EK_OK;
}

static ek_status take_all(spread *s, ek_strided *dense, int32_t *d, int64_t to, ek_error *err)
{
    for (; *d < to; ++*d) {
        dense->stride[*d] = 1;
        s->from_start[*d] = s->to_end[*d] = true;
        EK_TRY(put_out(s, *d, err));
    }
    return EK_OK;
}

static ek_status spread_entries(const ek_strided_spec *spec, int32_t rank, spread *s, ek_strided *dense, ek_error *err)
{
    const int64_t n = spec->strides->count;
    int64_t ellipsis, after;
    int32_t d = 0;

    EK_TRY(find_ellipsis(spec, n, &ellipsis, &after, err));
    for (int64_t i = 0; i < n; i++) {
        if (i == ellipsis) {
            EK_TRY(take_all(s, dense, &d, rank - after, err));
            continue;
        }
        if (bit(spec->new_axis_mask, i)) {
            EK_TRY(put_out(s, NEW_AXIS, err));
            continue;
        }
        if (d >= rank)
            return EK_FAIL(err, INVALID_ARGUMENT, "Index out of range using input dim %d; input has only %d dims", d,
                           rank);
        s->begin[d] = entry(spec->begin, i);
        s->end[d] = entry(spec->end, i);
        dense->stride[d] = ek__array_int(spec->strides, i);
        s->from_start[d] = bit(spec->begin_mask, i);
        s->to_end[d] = bit(spec->end_mask, i);
        s->shrink[d] = bit(spec->shrink_axis_mask, i);
        if (!s->shrink[d]) EK_TRY(put_out(s, d, err));
        d++;
    }
    return take_all(s, dense, &d, rank, err);
}

/* A bound as Python reads it: from the end when negative, within the dimension. */
static int64_t clamp(int64_t at, int64_t n, int64_t stride)
{
    const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? n : n - 1;
    const int64_t forward = at < 0 ? at + n : at;

    return forward < low ? low : forward > high ? high : forward;
}

/* Elements from `from` to before `to`. */
static int64_t steps(int64_t from, int64_t to, int64_t stride)
{
    const int64_t length = to - from;

    if (length == 0 || (length < 0) != (stride < 0)) return 0;
    return length / stride + (length % stride != 0);
}

static ek_status slice_dim(const ek_strided_spec *spec, const spread *s, int32_t d, int64_t n, ek_strided *dense,
                           ek_error *err)
{
    const int64_t stride = dense->stride[d];
    const bool both_known = spec->begin != NULL && spec->end != NULL;

    if (stride == 0) return EK_FAIL(err, INVALID_ARGUMENT, "strides[%d] must be non-zero", d);
    if (s->shrink[d] && stride < 0 && n >= 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "only stride 1 allowed on non-range indexing.");
    dense->begin[d] = 0;
    if (s->shrink[d]) {
        const int64_t at = s->begin[d] < 0 && n >= 0 ? s->begin[d] + n : s->begin[d];

        dense->size[d] = 1;
        if (n < 0 || !both_known) return EK_OK; /* TensorFlow looks no earlier either */
        if (at < 0 || at >= n)
            return EK_FAIL(err, INVALID_ARGUMENT, "slice index %lld of dimension %d out of bounds.", (long long)at, d);
        dense->begin[d] = at;
        return EK_OK;
    }
    dense->size[d] = -1;
    if (n < 0 || !(both_known || (s->from_start[d] && s->to_end[d]))) return EK_OK;
    const int64_t from = s->from_start[d] ? (stride > 0 ? 0 : n - 1) : clamp(s->begin[d], n, stride);
    const int64_t to = s->to_end[d] ? (stride > 0 ? n : -1) : clamp(s->end[d], n, stride);
    dense->begin[d] = from;
    dense->size[d] = steps(from, to, stride);
    return EK_OK;
}

ek_status ek__strided(const ek_strided_spec *spec, const ek_shape *in, ek_strided *dense, ek_shape *out, ek_error *err)
{
    spread s = { .n_out = 0 };

    EK_TRY(spread_entries(spec, in->rank, &s, dense, err));
    for (int32_t d = 0; d < in->rank; d++) EK_TRY(slice_dim(spec, &s, d, in->dim[d], dense, err));
    *out = EK_SCALAR;
    out->rank = s.n_out;
    for (int32_t k = 0; k < s.n_out; k++) out->dim[k] = s.out[k] == NEW_AXIS ? 1 : dense->size[s.out[k]];
    return EK_OK;
}
