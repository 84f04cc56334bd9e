/* ops/blocks.c - blocks of space that become depth or batch, and back: SpaceToDepth, SpaceToBatchND and kin.
 *
 * All are walks over the same elements in another order. For batches there is one walk for
 * each place in a block; what lies in the padding is zero.
 */
#include "ops/rules.h"
#include "ops/walk.h"

/* ---- depth --------------------------------------------------------------------------------------------- */

typedef struct depth_attrs {
    int64_t block_size;
    const char *data_format;
} depth_attrs;

static const ek_field depth_fields[] = {
    EK_FIELD(depth_attrs, block_size, INT),
    EK_FIELD(depth_attrs, data_format, STRING),
};

/* Axes of height, width and depth. */
typedef struct depth_axes {
    int height, width, depth;
} depth_axes;

static ek_status depth_open(ek_shape_ctx *c, depth_axes *at)
{
    const depth_attrs *const a = c->attrs;
    const bool first = strcmp(a->data_format, "NCHW") == 0;

    if (strcmp(a->data_format, "NCHW_VECT_C") == 0)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no kernel for NCHW_VECT_C", c->def->name);
    *at = first ? (depth_axes){ 2, 3, 1 } : (depth_axes){ 1, 2, 3 };
    if (c->running && c->in[0].rank != 4)
        return EK_FAIL(c->err, INVALID_ARGUMENT, c->def->name[0] == 'S' ? "Input rank should be 4 instead of %d"
                                                                       : "Input rank should be: 4 instead of: %d",
                       c->in[0].rank);
    EK_TRY(ek__want_rank(c, 0, 4));
    c->out[0] = c->in[0].rank < 0 ? ek__unknown_dims(4) : c->in[0];
    return EK_OK;
}

static ek_status to_depth_shape(ek_shape_ctx *c)
{
    const int64_t block = ((const depth_attrs *)c->attrs)->block_size;
    depth_axes at;

    EK_TRY(depth_open(c, &at));
    int64_t *const dim = c->out[0].dim, height = dim[at.height], width = dim[at.width];
    if ((height >= 0 && height % block != 0) || (width >= 0 && width % block != 0))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Image width %lld and height %lld should be divisible by block_size: %lld", (long long)width,
                       (long long)height, (long long)block);
    if (height >= 0) dim[at.height] = height / block;
    if (width >= 0) dim[at.width] = width / block;
    if (dim[at.depth] > 0 && block > INT64_MAX / block / dim[at.depth])
        return EK_FAIL(c->err, INVALID_ARGUMENT, "block_size %lld is too large", (long long)block);
    if (dim[at.depth] >= 0) dim[at.depth] *= block * block;
    return EK_OK;
}

static ek_status from_depth_shape(ek_shape_ctx *c)
{
    const int64_t block = ((const depth_attrs *)c->attrs)->block_size;
    depth_axes at;

    EK_TRY(depth_open(c, &at));
    int64_t *const dim = c->out[0].dim;
    if (block > INT32_MAX || (dim[at.depth] >= 0 && dim[at.depth] % (block * block) != 0))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input depth dimension %lld should be divisible by: %lld",
                       (long long)dim[at.depth], (long long)(block > INT32_MAX ? block : block * block));
    for (int k = 0; k < 2; k++) {
        int64_t *const d = &dim[k == 0 ? at.height : at.width];

        if (*d > INT64_MAX / block)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "block_size %lld is too large", (long long)block);
        if (*d >= 0) *d *= block;
    }
    if (dim[at.depth] >= 0) dim[at.depth] /= block * block;
    return EK_OK;
}

/* Between an image and its deep form, either way. */
static ek_status depth_prepare(ek_prepare_ctx *c, bool to_depth)
{
    const depth_attrs *const a = c->attrs;
    const bool first = strcmp(a->data_format, "NCHW") == 0;
    const depth_axes at = first ? (depth_axes){ 2, 3, 1 } : (depth_axes){ 1, 2, 3 };
    const ek_shape *const image = to_depth ? &c->in[0] : &c->out[0], *const deep = to_depth ? &c->out[0] : &c->in[0];
    const int64_t b = a->block_size, depth = image->dim[at.depth];
    int64_t x[EK_MAX_RANK], y[EK_MAX_RANK];
    ek_parts *parts;

    if (ek__empty(c)) return EK_OK;
    if ((parts = ek__parts_new(c, 1)) == NULL) return EK_RESOURCE_EXHAUSTED;
    ek_walk *const w = ek__parts_add(parts, 0, 0);
    ek__strides(image, x);
    ek__strides(deep, y);
    const struct { int64_t dim, image, deep; } loop[] = {
        { image->dim[0], x[0], y[0] },
        { deep->dim[at.height], x[at.height] * b, y[at.height] }, { b, x[at.height], y[at.depth] * b * depth },
        { deep->dim[at.width], x[at.width] * b, y[at.width] },    { b, x[at.width], y[at.depth] * depth },
        { depth, x[at.depth], y[at.depth] },
    };
    for (int i = 0; i < EK_COUNT_OF(loop); i++)
        ek__walk_loop(w, loop[i].dim, to_depth ? loop[i].image : loop[i].deep, to_depth ? loop[i].deep : loop[i].image);
    ek__parts_only(c, parts);
    return EK_OK;
}

static ek_status to_depth_prepare(ek_prepare_ctx *c) { return depth_prepare(c, true); }
static ek_status from_depth_prepare(ek_prepare_ctx *c) { return depth_prepare(c, false); }

#define DEPTH(Name, rule, prepare_)                                                                          \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "input: T", .outputs = "output: T",                                          \
        .attrs = "T: type; block_size: int >= 2; data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'",      \
        .attrs_size = sizeof(depth_attrs), .fields = depth_fields, .n_fields = EK_COUNT_OF(depth_fields),     \
        .shape = rule, .prepare = prepare_,                                                                   \
    };
DEPTH(DepthToSpace, from_depth_shape, from_depth_prepare)
DEPTH(SpaceToDepth, to_depth_shape, to_depth_prepare)

/* ---- batch --------------------------------------------------------------------------------------------- */

enum { X, BLOCK, PADS };

/* The spatial dimensions are 1 .. n; before and after are paddings, or what is cropped. */
typedef struct blocks {
    int32_t n;
    int64_t block[EK_MAX_RANK], before[EK_MAX_RANK], after[EK_MAX_RANK];
    int64_t count; /* of places in a block */
} blocks;

typedef struct batch_attrs {
    int64_t block_size;
} batch_attrs;

static const ek_field batch_fields[] = { EK_FIELD(batch_attrs, block_size, INT) };

/* Reads block sizes and paddings, wherever they come from. The values must be known. */
static ek_status read_blocks(const ek_array *const *value, int64_t block_size, const ek_op_def *def, blocks *b,
                             ek_error *err)
{
    const ek_array *const pads = value[block_size > 0 ? 1 : PADS];
    const int64_t n = block_size > 0 ? 2 : value[BLOCK]->count;

    *b = (blocks){ .n = (int32_t)n, .count = 1 };
    if (n < 1 || n >= EK_MAX_RANK || (block_size == 0 && value[BLOCK]->shape.rank != 1))
        return EK_FAIL(err, INVALID_ARGUMENT, "block_shape must have rank 1.");
    if (pads->shape.rank != 2 || pads->shape.dim[0] != n || pads->shape.dim[1] != 2)
        return EK_FAIL(err, INVALID_ARGUMENT, "%s should have shape [%lld, 2] instead of %s",
                       def->name[0] == 'S' ? "paddings" : "crops", (long long)n, EK_CC(&pads->shape));
    for (int32_t d = 0; d < n; d++) {
        b->block[d] = block_size > 0 ? block_size : ek__array_int(value[BLOCK], d);
        b->before[d] = ek__array_int(pads, 2 * d);
        b->after[d] = ek__array_int(pads, 2 * d + 1);
        if (b->block[d] < 1)
            return EK_FAIL(err, INVALID_ARGUMENT,
                           "All values in block_shape must be positive, got value, %lld at index, %d.",
                           (long long)b->block[d], d);
        if (b->before[d] < 0 || b->after[d] < 0)
            return EK_FAIL(err, INVALID_ARGUMENT, "%s must be non-negative",
                           def->name[0] == 'S' ? "Paddings" : "Crops");
        if (b->block[d] > INT32_MAX || b->before[d] > INT32_MAX || b->after[d] > INT32_MAX ||
            b->count > INT32_MAX / b->block[d])
            return EK_FAIL(err, INVALID_ARGUMENT, "blocks or paddings beyond 2^31");
        b->count *= b->block[d];
    }
    return EK_OK;
}

static int64_t block_size_of(const void *attrs, int n_in)
{
    return n_in == 2 ? ((const batch_attrs *)attrs)->block_size : 0;
}

/* What comes of a batch and its spatial dimensions; false where something does not divide. */
static bool batch_dims(const blocks *b, bool to_batch, ek_shape *s, int32_t *at)
{
    *at = 0;
    if (s->dim[0] >= 0) {
        if (to_batch && s->dim[0] > INT64_MAX / b->count) return false;
        if (!to_batch && s->dim[0] % b->count != 0) return false;
        s->dim[0] = to_batch ? s->dim[0] * b->count : s->dim[0] / b->count;
    }
    for (int32_t d = 0; d < b->n; d++) {
        int64_t *const dim = &s->dim[d + 1];
        const int64_t around = b->before[d] + b->after[d];

        *at = d + 1;
        if (*dim < 0) continue;
        if (*dim > INT64_MAX / 2 / b->block[d]) return false;
        if (to_batch && (*dim + around) % b->block[d] != 0) return false;
        if (!to_batch && *dim * b->block[d] < around) return false;
        *dim = to_batch ? (*dim + around) / b->block[d] : *dim * b->block[d] - around;
    }
    return true;
}

static ek_status batch_shape(ek_shape_ctx *c)
{
    const bool to_batch = c->def->name[0] == 'S';
    const int64_t size = block_size_of(c->attrs, c->n_in);
    const ek_shape *const x = &c->in[X];
    int32_t at;
    blocks b;

    if (size > 0) EK_TRY(ek__want_rank(c, X, 4));
    if (x->rank < 0) return EK_OK;
    c->out[0] = ek__unknown_dims(x->rank);
    for (int i = 1; i < c->n_in; i++)
        if (c->in_value[i] == NULL) return EK_OK;
    EK_TRY(read_blocks(c->in_value, size, c->def, &b, c->err));
    if (x->rank < b.n + 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input rank should be >= %d instead of %d", b.n + 1, x->rank);
    c->out[0] = *x;
    if (batch_dims(&b, to_batch, &c->out[0], &at)) return EK_OK;
    if (at == 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Input batch dimension (%lld) is not divisible by product of block sizes (%lld)",
                       (long long)x->dim[0], (long long)b.count);
    if (to_batch)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "padded_shape[%d]=%lld is not divisible by block_shape[%d]=%lld",
                       at - 1, (long long)(x->dim[at] + b.before[at - 1] + b.after[at - 1]), at - 1,
                       (long long)b.block[at - 1]);
    return EK_FAIL(c->err, INVALID_ARGUMENT, "cropped_shape[%d]=%lld must be non-negative", at - 1,
                   (long long)(x->dim[at] * b.block[at - 1] - b.before[at - 1] - b.after[at - 1]));
}

/* One place in a block: image[b, y * block + place - before, ..] is batch[place * n + b, y, ..] where both exist. */
static void add_place(const blocks *b, const ek_shape *image, const ek_shape *batch, int64_t place, bool to_batch,
                      ek_parts *parts)
{
    int64_t x[EK_MAX_RANK], y[EK_MAX_RANK], first[EK_MAX_RANK], n[EK_MAX_RANK], rest = place;
    int64_t image_at = 0, batch_at = 0;

    ek__strides(image, x);
    ek__strides(batch, y);
    batch_at = place * image->dim[0] * y[0];
    for (int32_t d = b->n - 1; d >= 0; d--) {
        const int64_t offset = rest % b->block[d] - b->before[d];
        const int64_t last = image->dim[d + 1] - 1 - offset; /* y * block <= last */

        rest /= b->block[d];
        first[d] = offset < 0 ? (-offset + b->block[d] - 1) / b->block[d] : 0;
        n[d] = last < 0 ? 0 : last / b->block[d] + 1 - first[d];
        if (n[d] > batch->dim[d + 1] - first[d]) n[d] = batch->dim[d + 1] - first[d];
        if (n[d] <= 0) return;
        image_at += (first[d] * b->block[d] + offset) * x[d + 1];
        batch_at += first[d] * y[d + 1];
    }
    ek_walk *const w = ek__parts_add(parts, 0, 0);
    w->in_at = to_batch ? image_at : batch_at;
    w->out_at = to_batch ? batch_at : image_at;
    for (int32_t d = 0; d < image->rank; d++) {
        const bool spatial = d >= 1 && d <= b->n;
        const int64_t image_stride = spatial ? x[d] * b->block[d - 1] : x[d];

        ek__walk_loop(w, spatial ? n[d - 1] : image->dim[d], to_batch ? image_stride : y[d], to_batch ? y[d] : image_stride);
    }
}

static ek_status first_run(const ek_run_args *a, int64_t chunk) { return ek__parts_chunk(a->state, a, chunk); }
static ek_status second_run(const ek_run_args *a, int64_t chunk)
{
    return ek__parts_chunk((const ek_parts *)a->state + 1, a, chunk);
}

static ek_status batch_prepare(ek_prepare_ctx *c)
{
    const bool to_batch = c->def->name[0] == 'S';
    const ek_shape *const image = to_batch ? &c->in[X] : &c->out[0], *const batch = to_batch ? &c->out[0] : &c->in[X];
    blocks b;

    if (ek__empty(c)) return EK_OK;
    EK_TRY(read_blocks(c->in_value, block_size_of(c->attrs, c->n_in), c->def, &b, c->err));
    ek_parts *const parts = ek__parts_pair(c, 1, b.count);
    if (parts == NULL) return EK_RESOURCE_EXHAUSTED;
    c->state = parts;
    if (to_batch) ek__walk_fill(ek__parts_add(&parts[0], EK_FROM_CONSTANT, 0), &c->out[0]);
    for (int64_t k = 0; k < b.count; k++) add_place(&b, image, batch, k, to_batch, &parts[1]);
    ek__parts_phase(c, &parts[0], first_run);
    ek__parts_phase(c, &parts[1], second_run);
    return EK_OK;
}

#define BATCH_ND(Name, pads, Tpads)                                                                          \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "input: T, block_shape: Tblock_shape, " pads ": " Tpads,                     \
        .outputs = "output: T",                                                                               \
        .attrs = "T: type; Tblock_shape: {int32, int64} = int32; " Tpads ": {int32, int64} = int32",          \
        .shape = batch_shape, .prepare = batch_prepare, .value_inputs = 1u << BLOCK | 1u << PADS,             \
    };
BATCH_ND(BatchToSpaceND, "crops", "Tcrops")
BATCH_ND(SpaceToBatchND, "paddings", "Tpaddings")

#define BATCH(Name, pads, Tpads_attrs)                                                                       \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .inputs = "input: T, " pads, .outputs = "output: T", .attrs = Tpads_attrs,             \
        .attrs_size = sizeof(batch_attrs), .fields = batch_fields, .n_fields = EK_COUNT_OF(batch_fields),     \
        .shape = batch_shape, .prepare = batch_prepare, .value_inputs = 1u << 1,                              \
    };
BATCH(BatchToSpace, "crops: Tidx", "T: type; block_size: int >= 2; Tidx: {int32, int64} = int32")
BATCH(SpaceToBatch, "paddings: Tpaddings", "T: type; Tpaddings: {int32, int64} = int32; block_size: int >= 2")
