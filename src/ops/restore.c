/* ops/restore.c - checkpoints read: RestoreV2, of both versions, and Restore and RestoreSlice. Writing: save.c.
 *
 * What shapes come out is in the file, so that the rule of a run opens it; the run opens it again.
 */
#include "codec/bundle.h"
#include "ops/checkpoint.h"
#include "ops/rules.h"
#include "values/array.h"

static const char no_grad[] = "files have no gradient";

enum { PREFIX, NAMES, SLICES };

/* ---- what is asked for --------------------------------------------------------------------------------------- */

static ek_status not_found(const ek_bundle *b, const char *prefix, const char *name, ek_error *err)
{
    if (ek__bundle_version(b) == 2) return EK_FAIL(err, NOT_FOUND, "Key %s not found in checkpoint", name);
    return EK_FAIL(err, NOT_FOUND, "Tensor name \"%s\" not found in checkpoint files %s", name, prefix);
}

static ek_status other_dtype(const ek_bundle *b, const ek_bundle_entry *e, ek_dtype dtype, ek_error *err)
{
    if (ek__bundle_version(b) == 2)
        return EK_FAIL(err, INVALID_ARGUMENT, "tensor_name = %s; expected dtype %s does not equal original dtype %s",
                       e->name, ek_dtype_cc_name(dtype), ek_dtype_cc_name(e->dtype));
    return EK_FAIL(err, INVALID_ARGUMENT,
                   "Expected to restore a tensor of type %s, got a tensor of type %s instead: tensor_name = %s",
                   ek_dtype_cc_name(dtype), ek_dtype_cc_name(e->dtype), e->name);
}

static ek_status other_shape(const ek_bundle *b, const ek_bundle_entry *e, const ek_shape *full, ek_error *err)
{
    if (ek__bundle_version(b) == 2)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "tensor_name = %s; shape in shape_and_slice spec %s does not match the shape stored in "
                       "checkpoint: %s",
                       e->name, EK_CC(full), EK_CC(&e->shape));
    return EK_FAIL(err, INVALID_ARGUMENT,
                   "Shape in shape_and_slice spec does not match the shape in the save file: %s, save file "
                   "shape: %s",
                   EK_CC(full), EK_CC(&e->shape));
}

/* A tensor by name, the part of it that `spec` asks for (NULL or "": all) and that part's shape. */
typedef struct asked {
    const ek_bundle_entry *entry;
    ek_slice slice;
    ek_shape shape;
} asked;

static ek_status find(const ek_bundle *b, const char *prefix, const char *name, const ek_string *spec, ek_dtype dtype,
                      asked *out, ek_error *err)
{
    const ek_bundle_entry *e = ek__bundle_find(b, name);
    ek_shape full;

    if (e == NULL) return not_found(b, prefix, name, err);
    if (e->dtype != dtype) return other_dtype(b, e, dtype, err);
    *out = (asked){ .entry = e, .slice = { .rank = e->shape.rank }, .shape = e->shape };
    for (int i = 0; i < e->shape.rank; i++) out->slice.length[i] = -1;
    if (spec == NULL || spec->size == 0) return EK_OK;
    EK_TRY(ek__slice_parse(spec->data, spec->size, &full, &out->slice, &out->shape, err));
    return ek_shape_equal(&full, &e->shape) ? EK_OK : other_shape(b, e, &full, err);
}

/* ---- rules ------------------------------------------------------------------------------------------------------ */

/* Of a run: what the files say. `specs` NULL: whole tensors. */
static ek_status shapes_of_file(ek_shape_ctx *c, const ek_string *specs)
{
    const ek_string *names = c->in_value[NAMES]->data;
    ek_arena arena = { .head = NULL };
    const char *prefix, *name;
    ek_bundle *b = NULL;
    ek_status st;

    EK_TRY_DONE(ek__file_text(&arena, c->in_value[PREFIX]->data, &prefix, c->err));
    EK_TRY_DONE(ek__bundle_open(prefix, &b, c->err));
    for (int k = 0; k < c->n_out; k++) {
        asked x;

        EK_TRY_DONE(ek__file_text(&arena, &names[k], &name, c->err));
        EK_TRY_DONE(find(b, prefix, name, specs != NULL ? &specs[k] : NULL, c->out_dtype[k], &x, c->err));
        c->out[k] = x.shape;
    }
    st = EK_OK;
done:
    ek__bundle_close(b);
    ek__arena_fini(&arena);
    return st;
}

static bool values_known(const ek_shape_ctx *c)
{
    for (int i = 0; i < c->n_in; i++)
        if (c->in_value[i] == NULL) return false;
    return true;
}

/* While a graph is built: the shapes of the slices that are asked for. */
static ek_status shapes_of_slices(ek_shape_ctx *c, const ek_array *slices)
{
    const ek_string *spec = slices != NULL ? slices->data : NULL;
    ek_shape full;
    ek_slice slice;

    for (int k = 0; spec != NULL && slices->count == c->n_out && k < c->n_out; k++)
        if (spec[k].size > 0) EK_TRY(ek__slice_parse(spec[k].data, spec[k].size, &full, &slice, &c->out[k], c->err));
    return EK_OK;
}

static ek_status restore_v2_shape(ek_shape_ctx *c)
{
    if (!c->running) {
        EK_TRY(ek__checkpoint_names(c, true));
        return shapes_of_slices(c, c->in_value[SLICES]);
    }
    if (c->in[NAMES].rank == 1 && c->in[NAMES].dim[0] >= 0 && c->in[NAMES].dim[0] != c->n_out)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Got %lld tensor names, but %d expected dtypes.",
                       (long long)c->in[NAMES].dim[0], c->n_out);
    EK_TRY(ek__checkpoint_inputs(c));
    return values_known(c) ? shapes_of_file(c, c->in_value[SLICES]->data) : EK_OK;
}

static ek_status restore_shape(ek_shape_ctx *c)
{
    static const char *const what[] = { "Input 0 (file_pattern)", "Input 1 (tensor_name)" };

    for (int i = 0; i < c->n_in && !c->running; i++) EK_TRY(ek__want_rank(c, i, 0));
    if (!c->running) return shapes_of_slices(c, c->n_in > SLICES ? c->in_value[SLICES] : NULL);
    for (int i = 0; i < 2; i++)
        if (ek_shape_count(&c->in[i]) != 1)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be a string scalar; got a tensor of %lld elements",
                           what[i], (long long)ek_shape_count(&c->in[i]));
    if (c->n_in > SLICES && ek_shape_count(&c->in[SLICES]) != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected 1 element for the tensor shape and slice but got %lld",
                       (long long)ek_shape_count(&c->in[SLICES]));
    return values_known(c) ? shapes_of_file(c, c->n_in > SLICES ? c->in_value[SLICES]->data : NULL) : EK_OK;
}

/* ---- the run --------------------------------------------------------------------------------------------------- */

typedef struct restore_state {
    int n;
    bool slices;
    struct { ek_dtype dtype; ek_shape shape; } tensor[];
} restore_state;

static ek_status read_tensor(ek_bundle *b, const ek_run_args *a, ek_arena *arena, const char *prefix, int k)
{
    const restore_state *s = a->state;
    const ek_string *spec = s->slices ? (const ek_string *)a->in[SLICES] + k : NULL;
    ek_array out = {.dtype = s->tensor[k].dtype,
                    .shape = s->tensor[k].shape,
                    .count = ek_shape_count(&s->tensor[k].shape),
                    .data = a->out[k],
                    .wrapped = true};
    const char *name;
    asked x;

    EK_TRY(ek__file_text(arena, (const ek_string *)a->in[NAMES] + k, &name, a->err));
    EK_TRY(find(b, prefix, name, spec, out.dtype, &x, a->err));
    if (!ek_shape_equal(&x.shape, &out.shape))
        return EK_FAIL(a->err, ABORTED,
                       "the checkpoint '%s' was replaced by another while it was restored: %s had shape %s and now "
                       "has %s",
                       prefix, name, EK_CC(&out.shape), EK_CC(&x.shape));
    return ek__bundle_read_into(b, x.entry, &x.slice, &out, a->err);
}

static ek_status restore_run(const ek_run_args *a, int64_t chunk)
{
    const restore_state *s = a->state;
    ek_arena arena = { .head = NULL };
    const char *prefix;
    ek_bundle *b = NULL;
    ek_status st;

    EK_UNUSED(chunk);
    EK_TRY_DONE(ek__file_text(&arena, a->in[PREFIX], &prefix, a->err));
    EK_TRY_DONE(ek__bundle_open(prefix, &b, a->err));
    for (int k = 0; k < s->n; k++) EK_TRY_DONE(read_tensor(b, a, &arena, prefix, k));
    st = EK_OK;
done:
    ek__bundle_close(b);
    ek__arena_fini(&arena);
    return st;
}

static ek_status restore_prepare(ek_prepare_ctx *c)
{
    restore_state *s = ek__arena_calloc(c->arena, 1, sizeof *s + (size_t)c->n_out * sizeof s->tensor[0]);

    if (s == NULL) return ek__no_memory(c);
    s->n = c->n_out;
    s->slices = c->n_in > SLICES;
    for (int k = 0; k < c->n_out; k++) {
        s->tensor[k].dtype = c->out_dtype[k];
        s->tensor[k].shape = c->out[k];
    }
    c->state = s;
    ek__add_phase(c, restore_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_RestoreV2 = {
    .name = "RestoreV2",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "prefix: string, tensor_names: string, shape_and_slices: string",
    .outputs = "tensors: dtypes",
    .attrs = "dtypes: list(type) >= 1",
    .shape = restore_v2_shape,
    .shapes_at_run = true,
    .prepare = restore_prepare,
    .no_grad_because = no_grad,
};

/* Those of version 1, which ask for one tensor. */
#define RESTORE_ONE(op, from)                                                                                          \
    const ek_op_def ek__op_##op = {                                                                                    \
        .name = #op,                                                                                                   \
        .kind = EK_KIND_EFFECT,                                                                                        \
        .stateful = true,                                                                                              \
        .inputs = from,                                                                                                \
        .outputs = "tensor: dt",                                                                                       \
        .attrs = "dt: type; preferred_shard: int = -1",                                                                \
        .shape = restore_shape,                                                                                        \
        .shapes_at_run = true,                                                                                         \
        .prepare = restore_prepare,                                                                                    \
        .no_grad_because = no_grad,                                                                                    \
    }
RESTORE_ONE(Restore, "file_pattern: string, tensor_name: string");
RESTORE_ONE(RestoreSlice, "file_pattern: string, tensor_name: string, shape_and_slice: string");
