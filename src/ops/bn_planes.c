/* ops/bn_planes.c - batch norm over planes, channels first.
 *
 * One channel at a time, all its planes: they stay in the second-level cache between the passes, so that x is read from
 * memory once. The planes are walked backwards the second time.
 */
#include <math.h>

#include "ops/bn_state.h"
#include "ops/rules.h"

/* What channel c is normalised with; writes what leaves but for y. */
static void channel_numbers(const ek_run_args *a, const ek_bn_state *s, int64_t c, const ek_bn_numbers *k)
{
    const ek_kernels *run = ek__kernels();
    const int64_t n = s->spec.view.inner, stride = n * s->channels;
    const float *x = ek__bn_x(a, s) + c * n;
    const double reference = s->count > 0 ? (double)x[0] : (double)NAN;
    double sums[2] = { 0, 0 };

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

static void one_channel(const ek_run_args *a, const ek_bn_state *s, int64_t c)
{
    const ek_kernels *run = ek__kernels();
    const int64_t n = s->spec.view.inner;
    float place[EK_BN_ARRAYS];
    const ek_bn_numbers k = ek__bn_numbers_at(s, place, 1);
    const ek_bn_columns columns = ek__bn_columns(a, s, &k);
    const float *x = ek__bn_x(a, s), *g = ek__bn_g(a, s);

    channel_numbers(a, s, c, &k);
    if (s->spec.at.y < 0) return;
    for (int64_t i = s->spec.view.outer - 1; i >= 0 && n > 0; i--) {
        const int64_t at = (i * s->channels + c) * n;
        float *y = ek__bn_result(a, s) + at;
        if (s->gradient) run->bn_grad_apply_plane_f32(n, x + at, g + at, &columns, y);
        else run->bn_apply_plane_f32(n, x + at, &columns, y);
        ek__bn_leave(a, s, at, n);
    }
}

static ek_status channels(const ek_run_args *a, int64_t chunk)
{
    const ek_bn_state *s = a->state;
    const int64_t first = chunk * s->group, last = first + s->group < s->channels ? first + s->group : s->channels;

    if (chunk == 0) ek__bn_nothing(a, s);
    for (int64_t c = first; c < last; c++) one_channel(a, s, c);
    return EK_OK;
}

void ek__bn_planes(ek_prepare_ctx *c, ek_bn_state *s)
{
    s->group = s->total <= EK_BN_CHUNK ? s->channels : EK_BN_CHUNK / 2 / (s->count + 1) + 1;
    ek__add_phase(c, ek__bn_copy, ek__bn_copies(s));
    ek__add_phase(c, channels, s->channels > 0 ? (s->channels + s->group - 1) / s->group : 1);
}
