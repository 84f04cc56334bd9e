/* ops/save_restore.c - checkpoints as operations: what a Saver's graph consists of. Definitions and shape rules. */
#include "ops/rules.h"

static const char no_grad[] = "files have no gradient";

/* A prefix, then vectors of names and of slices of one length. */
static ek_status want_names(ek_shape_ctx *c, bool slices)
{
    ek_shape both;

    EK_TRY(ek__want_rank(c, 0, 0));
    EK_TRY(ek__want_rank(c, 1, 1));
    if (!slices) return EK_OK;
    EK_TRY(ek__want_rank(c, 2, 1));
    return ek__merge_shapes(c, &c->in[1], &c->in[2], &both);
}

static ek_status save_v2_shape(ek_shape_ctx *c)
{
    ek_shape names = c->in[1], both;
    const ek_shape tensors = ek__vector(c->n_in - 3);

    EK_TRY(want_names(c, true));
    return ek__merge_shapes(c, &names, &tensors, &both);
}

const ek_op_def ek__op_SaveV2 = {
    .name = "SaveV2",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "prefix: string, tensor_names: string, shape_and_slices: string, tensors: dtypes",
    .outputs = "",
    .attrs = "dtypes: list(type) >= 1",
    .shape = save_v2_shape,
    .no_grad_because = no_grad,
};

static ek_status save_shape(ek_shape_ctx *c) { return want_names(c, false); }
static ek_status save_slices_shape(ek_shape_ctx *c) { return want_names(c, true); }

const ek_op_def ek__op_Save = {
    .name = "Save",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "filename: string, tensor_names: string, data: T",
    .outputs = "",
    .attrs = "T: list(type) >= 1",
    .shape = save_shape,
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
    .no_grad_because = no_grad,
};

static ek_status restore_v2_shape(ek_shape_ctx *c)
{
    return want_names(c, true);
}

const ek_op_def ek__op_RestoreV2 = {
    .name = "RestoreV2",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "prefix: string, tensor_names: string, shape_and_slices: string",
    .outputs = "tensors: dtypes",
    .attrs = "dtypes: list(type) >= 1",
    .shape = restore_v2_shape,
    .no_grad_because = no_grad,
};

/* Scalars all. */
static ek_status restore_shape(ek_shape_ctx *c)
{
    for (int i = 0; i < c->n_in; i++) EK_TRY(ek__want_rank(c, i, 0));
    return EK_OK;
}

const ek_op_def ek__op_Restore = {
    .name = "Restore",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "file_pattern: string, tensor_name: string",
    .outputs = "tensor: dt",
    .attrs = "dt: type; preferred_shard: int = -1",
    .shape = restore_shape,
    .no_grad_because = no_grad,
};

const ek_op_def ek__op_RestoreSlice = {
    .name = "RestoreSlice",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "file_pattern: string, tensor_name: string, shape_and_slice: string",
    .outputs = "tensor: dt",
    .attrs = "dt: type; preferred_shard: int = -1",
    .shape = restore_shape,
    .no_grad_because = no_grad,
};

static ek_status sharded_shape(ek_shape_ctx *c)
{
    EK_TRY(restore_shape(c));
    c->out[0] = EK_SCALAR;
    return EK_OK;
}

const ek_op_def ek__op_ShardedFilename = {
    .name = "ShardedFilename",
    .kind = EK_KIND_PURE,
    .inputs = "basename: string, shard: int32, num_shards: int32",
    .outputs = "filename: string",
    .attrs = "",
    .shape = sharded_shape,
    .no_grad_because = no_grad,
};

const ek_op_def ek__op_ShardedFilespec = {
    .name = "ShardedFilespec",
    .kind = EK_KIND_PURE,
    .inputs = "basename: string, num_shards: int32",
    .outputs = "filename: string",
    .attrs = "",
    .shape = sharded_shape,
    .no_grad_because = no_grad,
};

static ek_status merge_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__want_rank(c, 0, 1));
    return ek__want_rank(c, 1, 0);
}

const ek_op_def ek__op_MergeV2Checkpoints = {
    .name = "MergeV2Checkpoints",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "checkpoint_prefixes: string, destination_prefix: string",
    .outputs = "",
    .attrs = "delete_old_dirs: bool = true; allow_missing_files: bool = false later",
    .shape = merge_shape,
    .no_grad_because = no_grad,
};
