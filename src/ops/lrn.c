/* ops/lrn.c - LRN, LRNGrad: local response normalisation over the channels.
 *
 *     s = bias + alpha * sum of x^2 within depth_radius,  y = x / s^beta
 *     dx = dy / s^beta - 2 alpha beta x * sum of dy y / s within depth_radius
 *
 * Blocks of pixels are laid out with a margin of zeros around each pixel's channels, so that a sum over neighbours is as many
 * additions of whole blocks, each shifted by one. Halves are computed as floats.
 */
#include "kernels/kernels.h"
#include "ops/rules.h"

typedef struct lrn_attrs {
    int64_t depth_radius;
    float bias, alpha, beta;
} lrn_attrs;
static const ek_field lrn_fields[] = {
    EK_FIELD(lrn_attrs, depth_radius, INT),
    EK_FIELD(lrn_attrs, bias, FLOAT),
    EK_FIELD(lrn_attrs, alpha, FLOAT),
    EK_FIELD(lrn_attrs, beta, FLOAT),
};

enum { X = 0, DY = 0, GRAD_X = 1, GRAD_Y = 2 };

/* ---- shapes ---------------------------------------------------------------------------------------------- */

static ek_status lrn_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[X].rank != 4) return EK_FAIL(c->err, INVALID_ARGUMENT, "in must be 4-dimensional");
    EK_TRY(ek__want_rank(c, X, 4));
    c->out[0] = c->in[X].rank < 0 ? ek__unknown_dims(4) : c->in[X];
    return EK_OK;
}

static ek_status grad_shape(ek_shape_ctx *c)
{
    ek_shape all = ek__unknown_dims(4);

    for (int i = 0; i < 3; i++) {
        if (c->running && c->in[i].rank != 4) return EK_FAIL(c->err, INVALID_ARGUMENT, "inputs must be 4-dimensional");
        if (c->running && !ek_shape_equal(&c->in[i], &c->in[0]))
            return EK_FAIL(c->err, INVALID_ARGUMENT, "input_grads, input_image, and out_image should have the same shape");
        EK_TRY(ek__merge_shapes(c, &all, &c->in[i], &all));
    }
    c->out[0] = all;
    return EK_OK;
}

/* ---- blocks ----------------------------------------------------------------------------------------------- */

enum { BLOCK = 1 << 13, MOST_PARTS = 16, PART_WORK = 1 << 17, BUFFERS = 4 };

typedef struct lrn_state {
    ek_dtype dtype;
    float bias, alpha, power, slope; /* power: of s, negative; slope: 2 alpha beta */
    int64_t pixels, depth, radius;
    int64_t block;                   /* pixels at a time */
    int64_t parts;
    size_t buffer, per_part;         /* in bytes */
} lrn_state;

typedef void loop_fn(int64_t n, const void *const *in, const int *step, void *out, const void *state);

static void both(loop_fn *f, int64_t n, const float *a, const float *b, float *out)
{
    f(n, (const void *const[]){ a, b }, (const int[]){ 1, 1 }, out, NULL);
}

static void with_number(loop_fn *f, int64_t n, const float *a, float b, float *out)
{
    f(n, (const void *const[]){ a, &b }, (const int[]){ 1, 0 }, out, NULL);
}

/* From a channel of one pixel to the same of the next, in a block; a block begins with a margin. */
static int64_t pitch(const lrn_state *s) { return s->depth + 2 * s->radius; }

/* n pixels as they are stored, to a block and from it. */
static void spread(const lrn_state *s, const void *tensor, int64_t pixel, int64_t n, float *block)
{
    const size_t size = ek_dtype_size(s->dtype);

    memset(block, 0, (size_t)(n * pitch(s)) * sizeof *block);
    for (int64_t i = 0; i < n; i++)
        ek__convert(s->dtype, (const char *)tensor + (size_t)((pixel + i) * s->depth) * size, EK_FLOAT32,
                    block + i * pitch(s) + s->radius, s->depth);
}

static void collect(const lrn_state *s, const float *block, int64_t n, void *tensor, int64_t pixel)
{
    const size_t size = ek_dtype_size(s->dtype);

    for (int64_t i = 0; i < n; i++)
        ek__convert(EK_FLOAT32, block + i * pitch(s) + s->radius, s->dtype,
                    (char *)tensor + (size_t)((pixel + i) * s->depth) * size, s->depth);
}

/* sums[i] = the sum of v within the radius of i; margins hold anything. */
static void sum_neighbours(const lrn_state *s, int64_t n, const float *v, float *sums)
{
    const int64_t all = n * pitch(s), inside = all - 2 * s->radius;

    memset(sums, 0, (size_t)all * sizeof *sums);
    for (int64_t k = 0; k <= 2 * s->radius; k++)
        both(ek__kernels()->add_f32, inside, sums + s->radius, v + k, sums + s->radius);
}

/* s of a block of x; `room` is another block. */
static void norms_of(const lrn_state *s, int64_t n, const float *x, float *room, float *norms)
{
    const ek_kernels *k = ek__kernels();
    const int64_t all = n * pitch(s);

    both(k->mul_f32, all, x, x, room);
    sum_neighbours(s, n, room, norms);
    with_number(k->mul_f32, all, norms, s->alpha, norms);
    with_number(k->add_f32, all, norms, s->bias, norms);
}

static void forward_block(const ek_run_args *a, const lrn_state *s, int64_t pixel, int64_t n, float *const *b)
{
    const ek_kernels *k = ek__kernels();
    const int64_t all = n * pitch(s);
    float *x = b[0], *room = b[1], *norms = b[2];

    spread(s, a->in[X], pixel, n, x);
    norms_of(s, n, x, room, norms);
    with_number(k->pow_f32, all, norms, s->power, norms);
    both(k->mul_f32, all, x, norms, x);
    collect(s, x, n, a->out[0], pixel);
}

static void backward_block(const ek_run_args *a, const lrn_state *s, int64_t pixel, int64_t n, float *const *b)
{
    const ek_kernels *k = ek__kernels();
    const int64_t all = n * pitch(s);
    float *x = b[0], *room = b[1], *norms = b[2], *dy = b[3];

    spread(s, a->in[GRAD_X], pixel, n, x);
    spread(s, a->in[DY], pixel, n, dy);
    norms_of(s, n, x, room, norms);
    spread(s, a->in[GRAD_Y], pixel, n, room);
    both(k->mul_f32, all, dy, room, room);
    both(k->div_f32, all, room, norms, room);
    for (int64_t i = 0; i < n; i++) /* margins were 0 / 0 where the bias is 0 */
        for (int64_t m = 0; m < s->radius; m++) room[i * pitch(s) + m] = room[(i + 1) * pitch(s) - 1 - m] = 0;
    with_number(k->pow_f32, all, norms, s->power, norms);
    both(k->mul_f32, all, dy, norms, dy);
    sum_neighbours(s, n, room, norms);
    both(k->mul_f32, all, norms, x, norms);
    with_number(k->mul_f32, all, norms, s->slope, norms);
    both(k->sub_f32, all, dy, norms, dy);
    collect(s, dy, n, a->out[0], pixel);
}

static void run_blocks(const ek_run_args *a, int64_t chunk,
                       void (*run)(const ek_run_args *a, const lrn_state *s, int64_t pixel, int64_t n, float *const *b))
{
    const lrn_state *s = a->state;
    const int64_t end = ek__part_begin(s->pixels, s->parts, chunk + 1);
    char *room = (char *)a->scratch + (size_t)chunk * s->per_part;
    float *b[BUFFERS];

    for (int i = 0; i < BUFFERS; i++) b[i] = (float *)(void *)(room + (size_t)i * s->buffer);
    for (int64_t p = ek__part_begin(s->pixels, s->parts, chunk); p < end; p += s->block)
        run(a, s, p, end - p < s->block ? end - p : s->block, b);
}

static ek_status forward_run(const ek_run_args *a, int64_t chunk)
{
    run_blocks(a, chunk, forward_block);
    return EK_OK;
}

static ek_status backward_run(const ek_run_args *a, int64_t chunk)
{
    run_blocks(a, chunk, backward_block);
    return EK_OK;
}

static ek_status prepare(ek_prepare_ctx *c, ek_run_fn run)
{
    const lrn_attrs *at = c->attrs;
    const ek_shape *x = &c->out[0];
    lrn_state *s = EK_ARENA_NEW(c->arena, lrn_state, 1);

    if (s == NULL) return ek__no_memory(c);
    c->state = s;
    if (ek__empty(c)) return EK_OK;
    *s = (lrn_state){ .dtype = c->out_dtype[0], .bias = at->bias, .alpha = at->alpha, .power = -at->beta,
                      .slope = 2 * at->alpha * at->beta, .pixels = x->dim[0] * x->dim[1] * x->dim[2], .depth = x->dim[3] };
    if (at->depth_radius < 0) return EK_FAIL(c->err, INVALID_ARGUMENT, "depth_radius = %lld is below 0", (long long)at->depth_radius);
    s->radius = at->depth_radius < s->depth ? at->depth_radius : s->depth; /* there are no neighbours beyond */
    s->block = 1 + BLOCK / pitch(s);
    const int64_t parts = (int64_t)((double)s->pixels * (double)pitch(s) / PART_WORK);
    s->parts = parts < 1 ? 1 : parts < MOST_PARTS ? parts : MOST_PARTS;
    s->buffer = ek__whole_lines((size_t)(s->block * pitch(s)) * sizeof(float));
    s->per_part = BUFFERS * s->buffer;
    c->scratch_bytes = (size_t)s->parts * s->per_part;
    ek__add_phase(c, run, s->parts);
    return EK_OK;
}

static ek_status forward_prepare(ek_prepare_ctx *c) { return prepare(c, forward_run); }
static ek_status backward_prepare(ek_prepare_ctx *c) { return prepare(c, backward_run); }

/* ---- definitions ------------------------------------------------------------------------------------------- */

#define LRN(Name, inputs_, rule, prepare_)                                                                             \
    const ek_op_def ek__op_##Name = {                                                                                  \
        .name = #Name, .inputs = inputs_, .outputs = "output: T",                                                      \
        .attrs = "depth_radius: int = 5; bias: float = 1; alpha: float = 1; beta: float = 0.5; "                       \
                 "T: {half, bfloat16, float} = float",                                                                 \
        .attrs_size = sizeof(lrn_attrs), .fields = lrn_fields, .n_fields = EK_COUNT_OF(lrn_fields),                    \
        .shape = rule, .prepare = prepare_,                                                                            \
    }
LRN(LRN, "input: T", lrn_shape, forward_prepare);
LRN(LRNGrad, "input_grads: T, input_image: T, output_image: T", grad_shape, backward_prepare);
