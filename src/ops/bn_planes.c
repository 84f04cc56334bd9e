/* ops/bn_planes.c - batch norm over planes, channels first.
 *
 * One channel at a time, all its planes: they stay in the second-level cache between the passes, so that x is read from
 * memory once. Channels of small planes go in groups. The images are walked backwards the second time.
 */
#include <math.h>

#include "ops/bn_state.h"
#include "ops/rules.h"

enum {
    GROUP = 64,     /* channels whose numbers are kept */
    STREAMED = 1024 /* numbers of a plane that is worth streamed stores: small ones share their first and last line */
};

/* What channel c is normalised with; writes what leaves but for y. */
static void channel_numbers(const ek_run_args *a, const ek_bn_state *s, int64_t c, const ek_bn_numbers *k)
{
    const ek_kernels *run = ek__kernels();
    const int64_t n = s->spec.view.inner, stride = n * s->channels;
    const float *x = ek__bn_x(a, s) + c * n;
    const double reference = s->count > 0 ? ek__bn_reference((double)x[0]) : (double)NAN;
    double sums[2] = {0, 0};

    if (s->gradient || !s->spec.training) ek__bn_given(a, s, c, 1, k);
    if (s->gradient) {
        const ek_bn_columns columns = ek__bn_columns(a, s, k);
        run->bn_grad_sums_planes_f32(s->spec.view.outer, stride, n, x, ek__bn_g(a, s) + c * n, &columns, sums);
        ek__bn_gradient(a, s, c, 1, sums, sums + 1, k);
    } else if (s->spec.training) {
        run->bn_stats_planes_f32(s->spec.view.outer, stride, n, x, reference, sums);
        ek__bn_statistics(a, s, c, 1, sums, sums + 1, &reference, k);
    }
}

/* Asks for a group's planes, which lie side by side in each image: channel by channel they would come in small pieces
 * from everywhere. */
static void fetch_group(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t channels)
{
    enum { LINE = 64 / sizeof(float) };
    const int64_t n = s->spec.view.inner, run = channels * n;
    const float *const arrays[] = {ek__bn_x(a, s), ek__bn_g(a, s)};

    for (int64_t i = 0; i < s->spec.view.outer; i++)
        for (int k = 0; k < 1 + s->gradient; k++)
            for (int64_t e = 0; e < run; e += LINE) __builtin_prefetch(arrays[k] + (i * s->channels + first) * n + e);
}

static void next_channel(ek_bn_columns *k)
{
    k->mean += EK_BN_ARRAYS;
    k->a += EK_BN_ARRAYS;
    k->b += EK_BN_ARRAYS;
    k->gc += EK_BN_ARRAYS;
    k->gd += EK_BN_ARRAYS;
}

/* The second pass over image i of a group. */
static void group_results(const ek_run_args *a, const ek_bn_state *s, int64_t i, int64_t first, int64_t channels,
                          const float *place)
{
    const ek_kernels *run = ek__kernels();
    const int64_t n = s->spec.view.inner;

    const ek_bn_numbers numbers = ek__bn_numbers_at(s, (float *)(uintptr_t)place, 1);
    ek_bn_columns columns = ek__bn_columns(a, s, &numbers);
    const float *x = ek__bn_x(a, s), *g = ek__bn_g(a, s);
    float *y = ek__bn_result(a, s);

    columns.stream = columns.stream && n >= STREAMED;
    for (int64_t at = (i * s->channels + first) * n, end = at + channels * n; at < end; at += n) {
        if (s->gradient)
            run->bn_grad_apply_plane_f32(n, x + at, g + at, &columns, y + at);
        else
            run->bn_apply_plane_f32(n, x + at, &columns, y + at);
        next_channel(&columns);
    }
    ek__bn_leave(a, s, (i * s->channels + first) * n, channels * n);
}

static ek_status channels(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    const int64_t end = chunk * s->group + s->group < s->channels ? chunk * s->group + s->group : s->channels;
    float place[GROUP * EK_BN_ARRAYS];

    if (chunk == 0) ek__bn_nothing(a, s);
    for (int64_t first = chunk * s->group; first < end; first += GROUP) {
        const int64_t channels = end - first < GROUP ? end - first : GROUP;
        if (channels > 1) fetch_group(a, s, first, channels);
        for (int64_t c = 0; c < channels; c++) {
            const ek_bn_numbers k = ek__bn_numbers_at(s, place + c * EK_BN_ARRAYS, 1);
            channel_numbers(a, s, first + c, &k);
        }
        for (int64_t i = s->spec.view.outer - 1; i >= 0 && s->count > 0 && s->spec.at.y >= 0; i--)
            group_results(a, s, i, first, channels, place);
    }
    return EK_OK;
}

void ek__bn_planes(ek_prepare_ctx *c, ek_bn_state *s)
{
    s->group = s->total <= EK_BN_CHUNK ? s->channels : EK_BN_CHUNK / 2 / (s->count + 1) + 1;
    ek__add_phase(c, ek__bn_copy, ek__bn_copies(s));
    ek__add_phase(c, channels, s->channels > 0 ? (s->channels + s->group - 1) / s->group : 1);
}
