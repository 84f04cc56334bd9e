/* ops/bn_state.h - batch norm between its files: bn.c prepares and says what sums mean, bn_rows.c, bn_planes.c and
 * bn_double.c walk the array. */
#ifndef EK_OPS_BN_STATE_H
#define EK_OPS_BN_STATE_H

#include "kernels/kernels.h"
#include "ops/bn.h"

enum { EK_BN_CHUNK = 65536 }; /* numbers: a problem of no more is one chunk, larger ones are cut into such */

/* Numbers per channel, in the type that statistics leave in. */
typedef struct ek_bn_numbers {
    void *mean, *a, *b;   /* y = (x - mean) * a + b */
    void *gc, *gd;        /* dx = (a * g + (x - mean) * gc) + gd */
    void *low, *inverse;  /* what mean lost by rounding; 1 / sqrt(variance + epsilon) */
    void *variance, *out; /* biased; what leaves */
} ek_bn_numbers;
enum { EK_BN_ARRAYS = 9 };

typedef struct ek_bn_state {
    ek_bn_spec spec;
    bool gradient;
    int64_t channels, count, total; /* count: numbers per channel */
    /* rows: R of C read as `rows` of `width` = k * C, and `tail` numbers */
    int64_t k, width, rows, tail, part_rows, parts;
    int64_t wide;                                     /* rows: width of the second pass, a multiple of the sums' */
    int64_t group;                                    /* planes, doubles: channels in a chunk */
    bool big;                                         /* x and y leave the caches */
    size_t at_x, at_g, at_numbers, at_order, at_sums; /* places in the scratch, in bytes */
} ek_bn_state;

/* ---- what sums mean (bn.c) --------------------------------------------------------------- */

/* What x is summed about: its first number, or 0 where that is not finite. */
static inline double ek__bn_reference(double first)
{
    return first - first == 0 ? first : 0;
}
/* Nine arrays from `at`, `stride` elements apart. */
ek_bn_numbers ek__bn_numbers_at(const ek_bn_state *s, void *at, int64_t stride);
/* From the sums of x - reference and its square over the batch, channels [c, c + n). Writes the statistics among the
 * outputs. */
void ek__bn_statistics(const ek_run_args *a, const ek_bn_state *s, int64_t c, int64_t n, const double *sum,
                       const double *squares, const double *reference, const ek_bn_numbers *k);
/* From the statistics given, which are passed on. */
void ek__bn_given(const ek_run_args *a, const ek_bn_state *s, int64_t c, int64_t n, const ek_bn_numbers *k);
/* A gradient from sum g and sum g (x - mean), k as ek__bn_given left it. Writes dscale and doffset. */
void ek__bn_gradient(const ek_run_args *a, const ek_bn_state *s, int64_t c, int64_t n, const double *sum_g,
                     const double *sum_gx, const ek_bn_numbers *k);
/* The output that holds nothing. */
void ek__bn_nothing(const ek_run_args *a, const ek_bn_state *s);

/* ---- arrays ------------------------------------------------------------------------------ */

/* Chunks that copy: 16-bit floats become floats, gradients pass their activation. 0: none. They come first. */
int64_t ek__bn_copies(const ek_bn_state *s);
ek_status ek__bn_copy(const ek_run_args *a, int64_t chunk);
/* x and g as floats: themselves, or their copies in the scratch. */
const float *ek__bn_x(const ek_run_args *a, const ek_bn_state *s);
const float *ek__bn_g(const ek_run_args *a, const ek_bn_state *s);
/* Where the second pass writes. */
float *ek__bn_result(const ek_run_args *a, const ek_bn_state *s);
/* What is left to do to n results from `first`: the activation unless the kernel did it, narrowing. */
void ek__bn_leave(const ek_run_args *a, const ek_bn_state *s, int64_t first, int64_t n);
/* How the kernels are to run over numbers `n`. */
ek_bn_columns ek__bn_columns(const ek_run_args *a, const ek_bn_state *s, const ek_bn_numbers *n);

/* ---- walks: each adds its phases and its scratch ----------------------------------------- */

void ek__bn_rows(ek_prepare_ctx *c, ek_bn_state *s);
void ek__bn_planes(ek_prepare_ctx *c, ek_bn_state *s);
void ek__bn_doubles(ek_prepare_ctx *c, ek_bn_state *s);

#endif
