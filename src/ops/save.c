/* ops/save.c - checkpoints written: SaveV2, MergeV2Checkpoints, the names of files in shards; Save and SaveSlices of
 * version 1, which is not written any more. Reading: restore.c. What a Saver does with them: saver/. */
#include "codec/bundle.h"
#include "ops/checkpoint.h"
#include "ops/rules.h"
#include "ops/strings.h"

static const char no_grad[] = "files have no gradient";

enum { PREFIX, NAMES, SLICES, TENSORS };

/* ---- rules --------------------------------------------------------------------------------------------------- */

/* What the kernels of SaveV2 and RestoreV2 ask of their inputs, in their words. */
ek_status ek__checkpoint_inputs(const ek_shape_ctx *c)
{
    const int64_t prefixes = ek_shape_count(&c->in[PREFIX]), names = ek_shape_count(&c->in[NAMES]),
                  slices = ek_shape_count(&c->in[SLICES]);

    if (prefixes != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input prefix should have a single element, got %lld instead.",
                       (long long)prefixes);
    if (c->in[NAMES].rank != 1 || c->in[SLICES].rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Input tensor_names and shape_and_slices should be an 1-D tensors, got %s and %s "
                       "instead.",
                       EK_CC(&c->in[NAMES]), EK_CC(&c->in[SLICES]));
    if (names != slices)
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "tensor_names and shape_and_slices have different number of elements: %lld vs. %lld",
                       (long long)names, (long long)slices);
    return EK_OK;
}

/* A prefix, then vectors of names and of slices of one length. */
ek_status ek__checkpoint_names(const ek_shape_ctx *c, bool slices)
{
    ek_shape both;

    EK_TRY(ek__want_rank(c, PREFIX, 0));
    EK_TRY(ek__want_rank(c, NAMES, 1));
    if (!slices) return EK_OK;
    EK_TRY(ek__want_rank(c, SLICES, 1));
    return ek__merge_shapes(c, &c->in[NAMES], &c->in[SLICES], &both);
}

static ek_status save_v2_shape(ek_shape_ctx *c)
{
    const int n = c->n_in - TENSORS;
    const ek_shape tensors = ek__vector(n);
    ek_shape both;

    if (!c->running) {
        EK_TRY(ek__checkpoint_names(c, true));
        return ek__merge_shapes(c, &c->in[NAMES], &tensors, &both);
    }
    EK_TRY(ek__checkpoint_inputs(c));
    if (c->in[NAMES].dim[0] != n)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Got %lld tensor names but %d tensors.",
                       (long long)c->in[NAMES].dim[0], n);
    return EK_OK;
}

/* ---- SaveV2 ---------------------------------------------------------------------------------------------------- */

typedef struct save_state {
    int n;
    struct { ek_dtype dtype; ek_shape shape; } tensor[];
} save_state;

ek_status ek__file_text(ek_arena *a, const ek_string *s, const char **out, ek_error *err)
{
    *out = ek__arena_strndup(a, s->data != NULL ? s->data : "", s->size);
    if (*out == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a name of %zu bytes", s->size);
    if (strlen(*out) == s->size) return EK_OK;
    return EK_FAIL(err, INVALID_ARGUMENT, "a name of %zu bytes holds a NUL, after '%.200s'", s->size, *out);
}

static ek_status add_tensor(ek_bundle_writer *w, const ek_run_args *a, ek_arena *arena, int i)
{
    const save_state *s = a->state;
    const ek_string *spec = (const ek_string *)a->in[SLICES] + i;
    const ek_shape *shape = &s->tensor[i].shape;
    ek_shape full, part;
    ek_slice slice;
    const char *name;

    EK_TRY(ek__file_text(arena, (const ek_string *)a->in[NAMES] + i, &name, a->err));
    if (spec->size == 0)
        return ek__bundle_add(w, name, s->tensor[i].dtype, shape, a->in[TENSORS + i], NULL, NULL, a->err);
    EK_TRY(ek__slice_parse(spec->data, spec->size, &full, &slice, &part, a->err));
    if (!ek_shape_equal(&part, shape))
        return EK_FAIL(a->err, INVALID_ARGUMENT,
                       "Slice in shape_and_slice specification does not match the shape of the tensor to  "
                       "save: %.*s, tensor: %s",
                       (int)spec->size, spec->data, EK_CC(shape));
    return ek__bundle_add(w, name, s->tensor[i].dtype, shape, a->in[TENSORS + i], &full, &slice, a->err);
}

static ek_status save_run(const ek_run_args *a, int64_t chunk)
{
    const save_state *s = a->state;
    ek_arena arena = { .head = NULL };
    ek_bundle_writer *w = NULL;
    const char *prefix;
    ek_status st;

    EK_UNUSED(chunk);
    EK_TRY_DONE(ek__file_text(&arena, a->in[PREFIX], &prefix, a->err));
    EK_TRY_DONE(ek__bundle_writer_open(prefix, &w, a->err));
    for (int i = 0; i < s->n; i++) EK_TRY_DONE(add_tensor(w, a, &arena, i));
    st = ek__bundle_finish(w, a->err);
    w = NULL;
done:
    ek__bundle_abandon(w);
    ek__arena_fini(&arena);
    return st;
}

static ek_status save_prepare(ek_prepare_ctx *c)
{
    const int n = c->n_in - TENSORS;
    save_state *s = ek__arena_calloc(c->arena, 1, sizeof *s + (size_t)n * sizeof s->tensor[0]);

    if (s == NULL) return ek__no_memory(c);
    s->n = n;
    for (int i = 0; i < n; i++) {
        s->tensor[i].dtype = c->in_dtype[TENSORS + i];
        s->tensor[i].shape = c->in[TENSORS + i];
    }
    c->state = s;
    ek__add_phase(c, save_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_SaveV2 = {
    .name = "SaveV2",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "prefix: string, tensor_names: string, shape_and_slices: string, tensors: dtypes",
    .outputs = "",
    .attrs = "dtypes: list(type) >= 1",
    .shape = save_v2_shape,
    .prepare = save_prepare,
    .no_grad_because = no_grad,
};

/* ---- Save, SaveSlices ------------------------------------------------------------------------------------------ */

static ek_status save_shape(ek_shape_ctx *c) { return ek__checkpoint_names(c, false); }
static ek_status save_slices_shape(ek_shape_ctx *c) { return ek__checkpoint_names(c, true); }

static ek_status refuse_prepare(ek_prepare_ctx *c)
{
    return EK_FAIL(c->err, UNIMPLEMENTED,
                   "%s writes a checkpoint of version 1; those are restored here, but not saved: save with "
                   "SaveV2 (a Saver whose write_version is V2)",
                   c->def->name);
}

const ek_op_def ek__op_Save = {
    .name = "Save",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "filename: string, tensor_names: string, data: T",
    .outputs = "",
    .attrs = "T: list(type) >= 1",
    .shape = save_shape,
    .prepare = refuse_prepare,
    .no_grad_because = no_grad,
};

const ek_op_def ek__op_SaveSlices = {
    .name = "SaveSlices",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "filename: string, tensor_names: string, shapes_and_slices: string, data: T",
    .outputs = "",
    .attrs = "T: list(type) >= 1",
    .shape = save_slices_shape,
    .prepare = refuse_prepare,
    .no_grad_because = no_grad,
};

/* ---- MergeV2Checkpoints ---------------------------------------------------------------------------------------- */

enum { PREFIXES, DESTINATION };

typedef struct merge_attrs {
    bool delete_old_dirs;
} merge_attrs;

static const ek_field merge_fields[] = { EK_FIELD(merge_attrs, delete_old_dirs, BOOL) };

static ek_status merge_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[PREFIXES].rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input checkpoint_prefixes should be an 1-D tensor, got %s instead.",
                       EK_CC(&c->in[PREFIXES]));
    if (c->running && c->in[DESTINATION].rank != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Input destination_prefix should be a scalar tensor, got %s instead.",
                       EK_CC(&c->in[DESTINATION]));
    EK_TRY(ek__want_rank(c, PREFIXES, 1));
    return ek__want_rank(c, DESTINATION, 0);
}

typedef struct merge_state {
    int n;
    bool delete_old_dirs;
} merge_state;

static ek_status merge_run(const ek_run_args *a, int64_t chunk)
{
    const merge_state *s = a->state;
    ek_arena arena = { .head = NULL };
    const char **prefix = EK_ARENA_NEW(&arena, const char *, s->n + 1);
    const char *destination;
    ek_status st;

    EK_UNUSED(chunk);
    if (prefix == NULL) return EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for the names of checkpoints");
    EK_TRY_DONE(ek__file_text(&arena, a->in[DESTINATION], &destination, a->err));
    for (int i = 0; i < s->n; i++)
        EK_TRY_DONE(ek__file_text(&arena, (const ek_string *)a->in[PREFIXES] + i, &prefix[i], a->err));
    st = ek__bundle_merge(prefix, s->n, destination, s->delete_old_dirs, a->err);
done:
    ek__arena_fini(&arena);
    return st;
}

static ek_status merge_prepare(ek_prepare_ctx *c)
{
    merge_state *s = EK_ARENA_NEW(c->arena, merge_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (merge_state){ (int)c->in[PREFIXES].dim[0], ((const merge_attrs *)c->attrs)->delete_old_dirs };
    c->state = s;
    ek__add_phase(c, merge_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_MergeV2Checkpoints = {
    .name = "MergeV2Checkpoints",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "checkpoint_prefixes: string, destination_prefix: string",
    .outputs = "",
    .attrs = "delete_old_dirs: bool = true; allow_missing_files: bool = false later",
    .attrs_size = sizeof(merge_attrs),
    .fields = merge_fields,
    .n_fields = EK_COUNT_OF(merge_fields),
    .shape = merge_shape,
    .prepare = merge_prepare,
    .no_grad_because = no_grad,
};

/* ---- names in shards ------------------------------------------------------------------------------------------- */

static ek_status sharded_shape(ek_shape_ctx *c)
{
    for (int i = 0; i < c->n_in; i++) EK_TRY(ek__want_rank(c, i, 0));
    c->out[0] = EK_SCALAR;
    return EK_OK;
}

/* "model-00001-of-00002", or with question marks for the shard. */
static ek_status sharded_run(const ek_run_args *a, int64_t chunk)
{
    const bool pattern = *(const bool *)a->state;
    const ek_string *base = a->in[0];
    ek_buf b = { .data = NULL };
    ek_status st;

    EK_UNUSED(chunk);
    ek__buf_add(&b, base->data, base->size);
    if (pattern) ek__buf_printf(&b, "-\?\?\?\?\?-of-%05d", (int)*(const int32_t *)a->in[1]);
    else ek__buf_printf(&b, "-%05d-of-%05d", (int)*(const int32_t *)a->in[1], (int)*(const int32_t *)a->in[2]);
    st = b.failed ? EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a file's name")
                  : ek__put_text(a->out[0], b.data, b.size, a->err);
    ek__buf_fini(&b);
    return st;
}

static ek_status sharded_prepare(ek_prepare_ctx *c)
{
    bool *pattern = EK_ARENA_NEW(c->arena, bool, 1);

    if (pattern == NULL) return ek__no_memory(c);
    *pattern = c->n_in == 2;
    c->state = pattern;
    ek__add_phase(c, sharded_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_ShardedFilename = {
    .name = "ShardedFilename",
    .kind = EK_KIND_PURE,
    .inputs = "basename: string, shard: int32, num_shards: int32",
    .outputs = "filename: string",
    .attrs = "",
    .shape = sharded_shape,
    .prepare = sharded_prepare,
    .no_grad_because = no_grad,
};

const ek_op_def ek__op_ShardedFilespec = {
    .name = "ShardedFilespec",
    .kind = EK_KIND_PURE,
    .inputs = "basename: string, num_shards: int32",
    .outputs = "filename: string",
    .attrs = "",
    .shape = sharded_shape,
    .prepare = sharded_prepare,
    .no_grad_because = no_grad,
};
