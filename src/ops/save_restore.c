/* ops/save_restore.c - checkpoints as operations: what a Saver's graph consists of.
 *
 * The files are codec/bundle.h's. What a tensor is restored to is known from the checkpoint alone, so shapes are
 * asked for in the run. Not here: which checkpoints are written, and when (saver/).
 */
#include "codec/bundle.h"
#include "ops/move.h"
#include "ops/rules.h"
#include "ops/strings.h"

static const char no_grad[] = "files have no gradient";

/* ---- strings as the files' code wants them ------------------------------------------------------------------ */

/* Places of the inputs; tensors to save follow. */
enum { PREFIX, NAMES, SLICES, TENSORS };

static ek_status text_of(const ek_string *s, const char **out, ek_error *err)
{
    *out = s->size > 0 ? s->data : "";
    if (strlen(*out) == s->size) return EK_OK;
    return EK_FAIL(err, INVALID_ARGUMENT, "a name of %zu bytes holds a NUL, after '%.200s'", s->size, *out);
}

/* Of element i, "" for a whole tensor: false; else the slice, of a tensor of shape *full. */
static ek_status slice_of(const ek_string *spec, bool *sliced, ek_shape *full, ek_slice *slice, ek_shape *part,
                          ek_error *err)
{
    *sliced = spec->size > 0;
    return *sliced ? ek__slice_parse(spec->data, spec->size, full, slice, part, err) : EK_OK;
}

/* ---- what is common to the rules -------------------------------------------------------------------------------- */

/* A prefix, then vectors of names and of slices of one length. */
static ek_status want_names(const ek_shape_ctx *c, bool slices)
{
    ek_shape both;

    EK_TRY(ek__want_rank(c, PREFIX, 0));
    EK_TRY(ek__want_rank(c, NAMES, 1));
    if (!slices) return EK_OK;
    EK_TRY(ek__want_rank(c, SLICES, 1));
    return ek__merge_shapes(c, &c->in[NAMES], &c->in[SLICES], &both);
}

static ek_status want_scalars(const ek_shape_ctx *c)
{
    for (int i = 0; i < c->n_in; i++) EK_TRY(ek__want_rank(c, i, 0));
    return EK_OK;
}

/* Shapes of a run, whose inputs are all known. */
static bool at_run(const ek_shape_ctx *c) { return c->running && ek__values_known(c); }

/* ---- SaveV2 ------------------------------------------------------------------------------------------------------ */

typedef struct saving {
    int n;
    const ek_dtype *dtype;
    ek_shape *shape;
} saving;

static ek_status save_v2_shape(ek_shape_ctx *c)
{
    const ek_shape tensors = ek__vector(c->n_in - TENSORS);
    ek_shape both;

    EK_TRY(want_names(c, true));
    return ek__merge_shapes(c, &c->in[NAMES], &tensors, &both);
}

static ek_status add(ek_bundle_writer *w, const saving *s, const ek_run_args *a, int i)
{
    const ek_string *spec = (const ek_string *)a->in[SLICES] + i;
    ek_shape full, part;
    ek_slice slice;
    bool sliced;
    const char *name;

    EK_TRY(text_of((const ek_string *)a->in[NAMES] + i, &name, a->err));
    EK_TRY(slice_of(spec, &sliced, &full, &slice, &part, a->err));
    if (sliced && !ek_shape_equal(&part, &s->shape[i]))
        return EK_FAIL(a->err, INVALID_ARGUMENT,
                       "Slice in shape_and_slice specification does not match the shape of the tensor to  "
                       "save: %.200s, tensor: %s",
                       spec->data, EK_CC(&s->shape[i]));
    return ek__bundle_add(w, name, s->dtype[i], &s->shape[i], a->in[TENSORS + i], sliced ? &full : NULL,
                          sliced ? &slice : NULL, a->err);
}

static ek_status save_v2_run(const ek_run_args *a, int64_t chunk)
{
    const saving *s = a->state;
    ek_bundle_writer *w = NULL;
    const char *prefix;
    ek_status st = EK_OK;

    EK_UNUSED(chunk);
    EK_TRY(text_of(a->in[PREFIX], &prefix, a->err));
    EK_TRY(ek__bundle_writer_open(prefix, &w, a->err));
    for (int i = 0; st == EK_OK && i < s->n; i++) st = add(w, s, a, i);
    if (st == EK_OK) return ek__bundle_finish(w, a->err);
    ek__bundle_abandon(w);
    return st;
}

static ek_status save_v2_prepare(ek_prepare_ctx *c)
{
    saving *s = EK_ARENA_NEW(c->arena, saving, 1);
    const int n = c->n_in - TENSORS;

    if (s == NULL) return ek__no_memory(c);
    s->n = n;
    s->shape = ek__arena_memdup(c->arena, c->in + TENSORS, (size_t)n * sizeof *s->shape);
    s->dtype = ek__arena_memdup(c->arena, c->in_dtype + TENSORS, (size_t)n * sizeof *s->dtype);
    if (s->shape == NULL || s->dtype == NULL) return ek__no_memory(c);
    c->state = s;
    ek__add_phase(c, save_v2_run, 1);
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
    .prepare = save_v2_prepare,
    .no_grad_because = no_grad,
};

/* ---- Save, SaveSlices: version 1 is not written ------------------------------------------------------------------ */

static ek_status save_shape(ek_shape_ctx *c) { return want_names(c, false); }
static ek_status save_slices_shape(ek_shape_ctx *c) { return want_names(c, true); }

static ek_status refuse_run(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    return EK_FAIL(a->err, UNIMPLEMENTED, "checkpoints V1 are read, not written: SaveV2 writes them of version 2");
}

static ek_status refuse_prepare(ek_prepare_ctx *c)
{
    ek__add_phase(c, refuse_run, 1);
    return EK_OK;
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

/* ---- restoring --------------------------------------------------------------------------------------------------- */

/* A tensor that is asked for: by name, perhaps a part, of this type. */
typedef struct wanted {
    const ek_string *name, *spec;
    ek_dtype dtype;
} wanted;

/* The entry, and what part of it is wanted (*sliced false: all); its shape is what the caller gets. */
static ek_status find(ek_bundle *b, const wanted *w, const ek_bundle_entry **entry, bool *sliced, ek_slice *slice,
                      ek_shape *shape, ek_error *err)
{
    const char *name;
    ek_shape full;

    EK_TRY(text_of(w->name, &name, err));
    *entry = ek__bundle_find(b, name);
    if (*entry == NULL) return EK_FAIL(err, NOT_FOUND, "Key %.500s not found in checkpoint", name);
    if ((*entry)->dtype != w->dtype)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "tensor_name = %.300s; expected dtype %s does not equal original dtype %s", name,
                       ek_dtype_cc_name(w->dtype), ek_dtype_cc_name((*entry)->dtype));
    *shape = (*entry)->shape;
    EK_TRY(slice_of(w->spec, sliced, &full, slice, shape, err));
    if (*sliced && !ek_shape_equal(&full, &(*entry)->shape))
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "tensor_name = %.300s; shape in shape_and_slice spec %s does not match the shape stored in "
                       "checkpoint: %s",
                       name, EK_CC(&full), EK_CC(&(*entry)->shape));
    return EK_OK;
}

/* What is to be restored, where it is to go. */
typedef struct restoring {
    int n;
    const ek_dtype *dtype;
    ek_shape *shape;
} restoring;

static ek_status read_one(ek_bundle *b, const restoring *r, const ek_run_args *a, int i)
{
    static const ek_string whole = { NULL, 0 };
    const wanted w = { (const ek_string *)a->in[NAMES] + i,
                       a->in[SLICES] != NULL ? (const ek_string *)a->in[SLICES] + i : &whole, r->dtype[i] };
    const ek_bundle_entry *entry;
    ek_array *value = NULL;
    ek_slice slice;
    ek_shape shape;
    bool sliced;
    ek_status st;

    EK_TRY(find(b, &w, &entry, &sliced, &slice, &shape, a->err));
    if (!ek_shape_equal(&shape, &r->shape[i]))
        return EK_FAIL(a->err, ABORTED,
                       "%.300s became another checkpoint while it was restored: its shape was %s and is %s",
                       entry->name, EK_CC(&r->shape[i]), EK_CC(&shape));
    EK_TRY(ek__bundle_read(b, entry, sliced ? &slice : NULL, &value, a->err));
    st = ek__move(value->dtype, a->out[i], value->data, value->count, a->err);
    ek_array_unref(value);
    return st;
}

static ek_status restore_all(const ek_run_args *a)
{
    const restoring *r = a->state;
    ek_bundle *b = NULL;
    const char *prefix;
    ek_status st = EK_OK;

    EK_TRY(text_of(a->in[PREFIX], &prefix, a->err));
    EK_TRY(ek__bundle_open(prefix, &b, a->err));
    for (int i = 0; st == EK_OK && i < r->n; i++) st = read_one(b, r, a, i);
    ek__bundle_close(b);
    return st;
}

static ek_status restore_run(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    return restore_all(a);
}

/* Restore has no slices. */
static ek_status restore_whole_run(const ek_run_args *a, int64_t chunk)
{
    const void *in[] = { a->in[PREFIX], a->in[NAMES], NULL };
    ek_run_args with = *a;

    EK_UNUSED(chunk);
    with.in = in;
    return restore_all(&with);
}

static ek_status restore_prepare_as(ek_prepare_ctx *c, ek_run_fn run)
{
    restoring *r = EK_ARENA_NEW(c->arena, restoring, 1);

    if (r == NULL) return ek__no_memory(c);
    r->n = c->n_out;
    r->shape = ek__arena_memdup(c->arena, c->out, (size_t)c->n_out * sizeof *r->shape);
    r->dtype = ek__arena_memdup(c->arena, c->out_dtype, (size_t)c->n_out * sizeof *r->dtype);
    if (r->shape == NULL || r->dtype == NULL) return ek__no_memory(c);
    c->state = r;
    ek__add_phase(c, run, 1);
    return EK_OK;
}

static ek_status restore_prepare(ek_prepare_ctx *c) { return restore_prepare_as(c, restore_run); }
static ek_status restore_whole_prepare(ek_prepare_ctx *c) { return restore_prepare_as(c, restore_whole_run); }

/* Shapes as the checkpoint has them. `slices` NULL: whole tensors. */
static ek_status shapes_in_file(ek_shape_ctx *c, const ek_array *slices)
{
    static const ek_string whole = { NULL, 0 };
    ek_bundle *b = NULL;
    const char *prefix;
    ek_status st = EK_OK;

    EK_TRY(text_of(c->in_value[PREFIX]->data, &prefix, c->err));
    EK_TRY(ek__bundle_open(prefix, &b, c->err));
    for (int i = 0; st == EK_OK && i < c->n_out; i++) {
        const wanted w = { (const ek_string *)c->in_value[NAMES]->data + i,
                           slices != NULL ? (const ek_string *)slices->data + i : &whole,
                           ek_dtype_base(c->out_dtype[i]) };
        const ek_bundle_entry *entry;
        ek_slice slice;
        bool sliced;
        st = find(b, &w, &entry, &sliced, &slice, &c->out[i], c->err);
    }
    ek__bundle_close(b);
    return st;
}

/* What the slices say while the graph is built: their own shapes. */
static ek_status shapes_of_slices(ek_shape_ctx *c)
{
    const ek_array *specs = c->in_value[SLICES];

    if (specs == NULL) return EK_OK;
    if (specs->count != c->n_out)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "The number of shape_and_slice doesn't match tensor outputs.");
    for (int i = 0; i < c->n_out; i++) {
        ek_shape full, part;
        ek_slice slice;
        bool sliced;
        EK_TRY(slice_of((const ek_string *)specs->data + i, &sliced, &full, &slice, &part, c->err));
        if (sliced) c->out[i] = part;
    }
    return EK_OK;
}

static ek_status restore_v2_shape(ek_shape_ctx *c)
{
    const ek_shape tensors = ek__vector(c->n_out);
    ek_shape both;

    EK_TRY(want_names(c, true));
    if (!at_run(c)) return shapes_of_slices(c);
    EK_TRY(ek__merge_shapes(c, &c->in[NAMES], &tensors, &both));
    EK_TRY(ek__merge_shapes(c, &c->in[SLICES], &tensors, &both));
    return shapes_in_file(c, c->in_value[SLICES]);
}

const ek_op_def ek__op_RestoreV2 = {
    .name = "RestoreV2",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "prefix: string, tensor_names: string, shape_and_slices: string",
    .outputs = "tensors: dtypes",
    .attrs = "dtypes: list(type) >= 1",
    .shape = restore_v2_shape,
    .prepare = restore_prepare,
    .shapes_at_run = true,
    .no_grad_because = no_grad,
};

static ek_status restore_shape(ek_shape_ctx *c)
{
    EK_TRY(want_scalars(c));
    return at_run(c) ? shapes_in_file(c, NULL) : EK_OK;
}

static ek_status restore_slice_shape(ek_shape_ctx *c)
{
    EK_TRY(want_scalars(c));
    return at_run(c) ? shapes_in_file(c, c->in_value[SLICES]) : shapes_of_slices(c);
}

const ek_op_def ek__op_Restore = {
    .name = "Restore",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "file_pattern: string, tensor_name: string",
    .outputs = "tensor: dt",
    .attrs = "dt: type; preferred_shard: int = -1",
    .shape = restore_shape,
    .prepare = restore_whole_prepare,
    .shapes_at_run = true,
    .no_grad_because = no_grad,
};

const ek_op_def ek__op_RestoreSlice = {
    .name = "RestoreSlice",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "file_pattern: string, tensor_name: string, shape_and_slice: string",
    .outputs = "tensor: dt",
    .attrs = "dt: type; preferred_shard: int = -1",
    .shape = restore_slice_shape,
    .prepare = restore_prepare,
    .shapes_at_run = true,
    .no_grad_because = no_grad,
};

/* ---- the files of shards ----------------------------------------------------------------------------------------- */

static ek_status sharded_shape(ek_shape_ctx *c)
{
    EK_TRY(want_scalars(c));
    c->out[0] = EK_SCALAR;
    return EK_OK;
}

static ek_status put_name(const ek_run_args *a, const char *ending)
{
    const ek_string *base = a->in[0];
    ek_buf b = { .data = NULL };
    ek_status st;

    ek__buf_add(&b, base->data, base->size);
    ek__buf_str(&b, ending);
    st = b.failed ? EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory for a file's name")
                  : ek__put_text(a->out[0], b.data, b.size, a->err);
    ek__buf_fini(&b);
    return st;
}

static ek_status filename_run(const ek_run_args *a, int64_t chunk)
{
    char ending[64];

    EK_UNUSED(chunk);
    snprintf(ending, sizeof ending, "-%05d-of-%05d", *(const int32_t *)a->in[1], *(const int32_t *)a->in[2]);
    return put_name(a, ending);
}

static ek_status filespec_run(const ek_run_args *a, int64_t chunk)
{
    char ending[64];

    EK_UNUSED(chunk);
    snprintf(ending, sizeof ending, "-\?\?\?\?\?-of-%05d", *(const int32_t *)a->in[1]);
    return put_name(a, ending);
}

static ek_status filename_prepare(ek_prepare_ctx *c)
{
    ek__add_phase(c, filename_run, 1);
    return EK_OK;
}

static ek_status filespec_prepare(ek_prepare_ctx *c)
{
    ek__add_phase(c, filespec_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_ShardedFilename = {
    .name = "ShardedFilename",
    .kind = EK_KIND_PURE,
    .inputs = "basename: string, shard: int32, num_shards: int32",
    .outputs = "filename: string",
    .attrs = "",
    .shape = sharded_shape,
    .prepare = filename_prepare,
    .no_grad_because = no_grad,
};

const ek_op_def ek__op_ShardedFilespec = {
    .name = "ShardedFilespec",
    .kind = EK_KIND_PURE,
    .inputs = "basename: string, num_shards: int32",
    .outputs = "filename: string",
    .attrs = "",
    .shape = sharded_shape,
    .prepare = filespec_prepare,
    .no_grad_because = no_grad,
};

/* ---- MergeV2Checkpoints ------------------------------------------------------------------------------------------ */

typedef struct merge_attrs {
    bool delete_old_dirs;
} merge_attrs;

static const ek_field merge_fields[] = { EK_FIELD(merge_attrs, delete_old_dirs, BOOL) };

typedef struct merging {
    int n;
    bool delete_old_dirs;
} merging;

static ek_status merge_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__want_rank(c, 0, 1));
    return ek__want_rank(c, 1, 0);
}

static ek_status merge_run(const ek_run_args *a, int64_t chunk)
{
    const merging *m = a->state;
    const char **prefix = ek__calloc((size_t)m->n + 1, sizeof *prefix), *destination;
    ek_status st = prefix != NULL ? EK_OK : EK_FAIL(a->err, RESOURCE_EXHAUSTED, "no memory to merge checkpoints");

    EK_UNUSED(chunk);
    for (int i = 0; st == EK_OK && i < m->n; i++) st = text_of((const ek_string *)a->in[0] + i, &prefix[i], a->err);
    if (st == EK_OK) st = text_of(a->in[1], &destination, a->err);
    if (st == EK_OK) st = ek__bundle_merge(prefix, m->n, destination, m->delete_old_dirs, a->err);
    ek__free((void *)(uintptr_t)prefix);
    return st;
}

static ek_status merge_prepare(ek_prepare_ctx *c)
{
    merging *m = EK_ARENA_NEW(c->arena, merging, 1);

    if (m == NULL) return ek__no_memory(c);
    m->n = (int)c->in[0].dim[0];
    m->delete_old_dirs = ((const merge_attrs *)c->attrs)->delete_old_dirs;
    c->state = m;
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
