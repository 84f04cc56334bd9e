/* saver/build.c - the nodes of a saver, as TensorFlow 1.15 makes them.
 *
 * There are no device scopes here: what TensorFlow puts on a device by one is told its device node by node.
 */
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "evenkeel/control.h"
#include "saver/saver.h"

/* The variables of one device, or all of them. */
typedef struct shard {
    const char *device; /* canonical; "" none */
    const char *cpu;    /* the first processor of the same machine */
    const ek_saveable *at;
    int64_t n;
} shard;

typedef struct build {
    ek_graph *g;
    ek_saver *saver;
    bool reshape;
    ek_where where;
} build;

/* ---- devices ----------------------------------------------------------------------------------------- */

/* One piece of a device's name, "job:worker", "task:0", "CPU:1" or "device:CPU:1". */
typedef struct device_parts {
    char job[128], replica[16], task[16], type[64], index[16];
} device_parts;

static void read_piece(const char *piece, device_parts *out)
{
    char key[64] = "", first[128] = "", second[16] = "";
    const int n = sscanf(piece, "%63[^:]:%127[^:]:%15[^:]", key, first, second);

    if (strcmp(key, "job") == 0) {
        snprintf(out->job, sizeof out->job, "%s", first);
    } else if (strcmp(key, "replica") == 0) {
        snprintf(out->replica, sizeof out->replica, "%.15s", first);
    } else if (strcmp(key, "task") == 0) {
        snprintf(out->task, sizeof out->task, "%.15s", first);
    } else if (strcmp(key, "device") == 0) {
        snprintf(out->type, sizeof out->type, "%.63s", first);
        snprintf(out->index, sizeof out->index, "%s", n > 2 ? second : "*");
    } else if (strcasecmp(key, "cpu") == 0 || strcasecmp(key, "gpu") == 0) {
        snprintf(out->type, sizeof out->type, "%s", strcasecmp(key, "cpu") == 0 ? "CPU" : "GPU");
        snprintf(out->index, sizeof out->index, "%.15s", n > 1 ? first : "*");
    }
}

const char *ek__device_name(ek_graph *g, const char *device, bool cpu0)
{
    device_parts p = { .job = "" };
    char copy[512], *rest = copy, *piece;
    const char *text;
    ek_buf b = { .data = NULL };

    snprintf(copy, sizeof copy, "%s", device);
    while ((piece = strsep(&rest, "/")) != NULL) read_piece(piece, &p);
    if (cpu0) snprintf(p.type, sizeof p.type, "CPU");
    if (cpu0) snprintf(p.index, sizeof p.index, "0");
    if (p.job[0] != '\0') ek__buf_printf(&b, "/job:%s", p.job);
    if (p.replica[0] != '\0') ek__buf_printf(&b, "/replica:%s", p.replica);
    if (p.task[0] != '\0') ek__buf_printf(&b, "/task:%s", p.task);
    if (p.type[0] != '\0') ek__buf_printf(&b, "/device:%s:%s", p.type, p.index);
    text = b.failed ? NULL : ek__arena_strndup(&g->arena, b.data != NULL ? b.data : "", b.size);
    ek__buf_fini(&b);
    return text;
}

/* ---- small nodes --------------------------------------------------------------------------------------- */

static void no_memory(const build *b)
{
    ek__graph_fail(b->g, b->where, EK_RESOURCE_EXHAUSTED, "no memory for the nodes of a saver");
}

static ek_tensor const_node(const build *b, ek_array *value, const char *name, const char *device)
{
    if (value == NULL) {
        no_memory(b);
        return ek__dead(b->g);
    }
    const ek_tensor t = ek__node_tensor(b->g, &(ek_node_args){
        .type = "Const", .name = name, .device = device, .where = b->where, .n_attr = 2,
        .attr = (ek_attr[]){ EK_ATTR("value", EK_ATTR_TENSOR, tensor, value), EK_ATTR_T("dtype", value->dtype) } });
    ek_array_unref(value);
    return t;
}

static ek_tensor const_int(const build *b, int64_t v, const char *name, const char *device)
{
    const int32_t value = (int32_t)v;

    return const_node(b, ek_array_of(EK_INT32, EK_SCALAR, &value), name, device);
}

static ek_tensor const_string(const build *b, const char *s, const char *name, const char *device)
{
    const ek_string value = { (char *)(uintptr_t)s, strlen(s) };

    return const_node(b, ek_array_of(EK_STRING, EK_SCALAR, &value), name, device);
}

/* Names, or slices, of all that a shard holds. */
static ek_tensor const_strings(const build *b, const shard *s, bool slices, const char *name, const char *device)
{
    ek_array *value = ek_array_of(EK_STRING, EK_SHAPE(s->n), NULL);
    bool ok = value != NULL;

    for (int64_t i = 0; ok && i < s->n; i++) {
        const char *text = slices ? s->at[i].slice : s->at[i].name;
        ok = ek__string_set((ek_string *)value->data + i, text, strlen(text));
    }
    if (!ok) ek_array_unref(value);
    return const_node(b, ok ? value : NULL, name, device);
}

/* ---- saving ----------------------------------------------------------------------------------------------- */

/* What is saved of a variable. A part of a resource variable is read anew, and copied to the first processor. */
static ek_tensor value_of(const build *b, const ek_saveable *s)
{
    const ek_variable_info *info = ek__saveable_info(s);
    const bool whole = s->slice[0] == '\0';
    ek_tensor value;

    if (!info->is_resource && whole) return (ek_tensor){ b->g, info->op, 0 };
    if (!info->is_resource || whole) return ek__tensor(b->g, info->snapshot);
    value = ek_read_value_at(s->variable, b->where);
    return ek__node_tensor(b->g, &(ek_node_args){
        .type = "Identity", .in = &value, .n_in = 1, .where = b->where,
        .device = ek__device_name(b->g, b->g->node[info->op]->device, true) });
}

/* SaveV2 of what a shard holds. */
static ek_op save_node(const build *b, const shard *s, ek_tensor filename, const char *device)
{
    ek_tensor *in = EK_ARENA_NEW(&b->g->arena, ek_tensor, s->n + 3);
    ek_op op = { b->g, -1 };

    if (in == NULL) no_memory(b);
    if (in == NULL) return op;
    in[0] = filename;
    for (int64_t i = 0; i < s->n; i++) in[3 + i] = value_of(b, &s->at[i]);
    EK_IN_SCOPE(ek_name_scope_push(b->g, "SaveV2", b->where)) {
        const char *name = ek_name_scope(b->g);
        in[1] = const_strings(b, s, false, "tensor_names", device);
        in[2] = const_strings(b, s, true, "shape_and_slices", device);
        op = ek__node_build(b->g, &(ek_node_args){ .type = "SaveV2", .name = name, .in = in, .n_in = (int)(s->n + 3),
                                                   .device = device, .where = b->where });
    }
    return op;
}

/* The file's name, once it is written. */
static ek_tensor save_ops(const build *b, const shard *s, ek_tensor filename, const char *device)
{
    const ek_op save = save_node(b, s, filename, device);
    const ek_item item = ek_item_of_op(save);

    return ek_with_dependencies_with(filename, &(ek_with_dependencies_options){
        .size = sizeof(ek_with_dependencies_options), .list = { b->g, &item, 1 } }, b->where);
}

/* ---- saving in shards -------------------------------------------------------------------------------------- */

/* What parts are called until they are merged: nobody else's. */
static void random_suffix(char *out, size_t size)
{
    unsigned char bytes[16];
    char hex[33];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        const uint64_t half = ek__hash(&now, sizeof now, 1), other = ek__hash(&now, sizeof now, 2);
        memcpy(bytes, &half, 8);
        memcpy(bytes + 8, &other, 8);
    }
    for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    snprintf(out, size, "_temp_%s/part", hex);
}

static ek_tensor temporary_name(const build *b, ek_tensor filename)
{
    ek_tensor in[2] = { filename, ek__dead(b->g) }, joined = ek__dead(b->g);
    char suffix[64];

    random_suffix(suffix, sizeof suffix);
    EK_IN_SCOPE(ek_name_scope_push(b->g, "StringJoin", b->where)) {
        const char *name = ek_name_scope(b->g);
        in[1] = const_string(b, suffix, "inputs_1", NULL);
        joined = ek__node_tensor(b->g, &(ek_node_args){ .type = "StringJoin", .name = name, .in = in, .n_in = 2,
                                                        .where = b->where });
    }
    return joined;
}

static ek_tensor shard_name(const build *b, ek_tensor base, int64_t i, ek_tensor count, const char *device)
{
    ek_tensor in[3] = { base, ek__dead(b->g), count }, made = ek__dead(b->g);

    EK_IN_SCOPE(ek_name_scope_push(b->g, "ShardedFilename", b->where)) {
        const char *name = ek_name_scope(b->g);
        in[1] = const_int(b, i, "shard", device);
        made = ek__node_tensor(b->g, &(ek_node_args){ .type = "ShardedFilename", .name = name, .in = in, .n_in = 3,
                                                      .device = device, .where = b->where });
    }
    return made;
}

/* The merge waits for all parts, on the device of the last. */
static ek_tensor merge_shards(const build *b, ek_tensor filename, const ek_tensor *prefix, const ek_item *saved,
                              int64_t n, const char *device)
{
    ek_tensor all, done = ek__dead(b->g);

    EK_IN_SCOPE(ek_control_dependencies_push(b->g, (ek_list){ b->g, saved, n }, b->where)) {
        ek_op merge = { b->g, -1 };
        EK_IN_SCOPE(ek_name_scope_push(b->g, "MergeV2Checkpoints", b->where)) {
            const char *name = ek_name_scope(b->g);
            all = ek__node_tensor(b->g, &(ek_node_args){ .type = "Pack",
                                                         .name = "checkpoint_prefixes",
                                                         .in = prefix,
                                                         .n_in = (int)n,
                                                         .device = device,
                                                         .where = b->where });
            merge = ek__node_build(b->g, &(ek_node_args){
                .type = "MergeV2Checkpoints", .name = name, .in = EK_IN(all, filename), .n_in = 2, .device = device,
                .attr = (ek_attr[]){ EK_ATTR_B("delete_old_dirs", true) }, .n_attr = 1, .where = b->where });
        }
        const ek_item item = ek_item_of_op(merge);
        EK_IN_SCOPE(ek_control_dependencies_push(b->g, (ek_list){ b->g, &item, 1 }, b->where))
        done = ek__node_tensor(
            b->g,
            &(ek_node_args){ .type = "Identity", .in = &filename, .n_in = 1, .device = device, .where = b->where });
    }
    return done;
}

static ek_tensor save_sharded(const build *b, const shard *shards, int64_t n, ek_tensor filename)
{
    ek_tensor *prefix = EK_ARENA_NEW(&b->g->arena, ek_tensor, n);
    ek_item *saved = EK_ARENA_NEW(&b->g->arena, ek_item, n);
    ek_tensor base, count;

    if (prefix == NULL || saved == NULL) {
        no_memory(b);
        return ek__dead(b->g);
    }
    base = temporary_name(b, filename);
    count = const_int(b, n, "num_shards", NULL);
    for (int64_t i = 0; i < n; i++) {
        prefix[i] = shard_name(b, base, i, count, shards[i].cpu);
        saved[i] = ek_item_of_tensor(save_ops(b, &shards[i], prefix[i], shards[i].cpu));
    }
    return merge_shards(b, filename, prefix, saved, n, shards[n - 1].cpu);
}

/* ---- restoring ------------------------------------------------------------------------------------------------- */

static ek_op restore_node(const build *b, const shard *s)
{
    ek_dtype *dtype = EK_ARENA_NEW(&b->g->arena, ek_dtype, s->n);
    ek_tensor in[3] = { b->saver->filename };
    ek_op op = { b->g, -1 };

    if (dtype == NULL) no_memory(b);
    if (dtype == NULL) return op;
    for (int64_t i = 0; i < s->n; i++) dtype[i] = ek__saveable_info(&s->at[i])->dtype;
    EK_IN_SCOPE(ek_name_scope_push(b->g, "RestoreV2", b->where)) {
        const char *name = ek_name_scope(b->g);
        ek_attr attr = EK_ATTR("dtypes", EK_ATTR_LIST | EK_ATTR_TYPE, types, dtype);
        attr.value.count = (int32_t)s->n;
        in[1] = const_strings(b, s, false, "tensor_names", s->cpu);
        in[2] = const_strings(b, s, true, "shape_and_slices", s->cpu);
        op = ek__node_build(b->g, &(ek_node_args){ .type = "RestoreV2",
                                                   .name = name,
                                                   .in = in,
                                                   .n_in = 3,
                                                   .attr = &attr,
                                                   .n_attr = 1,
                                                   .device = s->cpu,
                                                   .where = b->where });
    }
    return op;
}

/* In the variable's own shape, as long as it has as many elements. */
static ek_tensor reshaped(const build *b, const ek_saveable *s, ek_tensor value, const char *device)
{
    const ek_variable_info *info = ek__saveable_info(s);
    const ek_tensor variable = value_of(b, s);
    const bool known = ek_shape_is_known(&info->shape);
    int32_t dim[EK_MAX_RANK] = { 0 };
    ek_tensor in[2] = { value, ek__dead(b->g) }, out = ek__dead(b->g);

    if (!known)
        in[1] = ek__node_tensor(b->g, &(ek_node_args){ .type = "Shape", .in = &variable, .n_in = 1, .device = device,
                                                       .where = b->where });
    EK_IN_SCOPE(ek_name_scope_push(b->g, "Reshape", b->where)) {
        const char *name = ek_name_scope(b->g);
        for (int i = 0; i < info->shape.rank; i++) dim[i] = (int32_t)info->shape.dim[i];
        if (known) in[1] = const_node(b, ek_array_of(EK_INT32, EK_SHAPE(info->shape.rank), dim), "shape", device);
        out = ek__node_tensor(
            b->g, &(ek_node_args){
                      .type = "Reshape", .name = name, .in = in, .n_in = 2, .device = device, .where = b->where });
    }
    return out;
}

static ek_op assign_node(const build *b, const ek_saveable *s, ek_tensor value, const char *device)
{
    const ek_variable_info *info = ek__saveable_info(s);
    const ek_tensor variable = { b->g, info->op, 0 };
    const int32_t placed = s->slice[0] == '\0' && info->is_resource ? info->snapshot.node : info->op;
    ek_tensor copy;

    if (b->reshape) value = reshaped(b, s, value, device);
    if (!info->is_resource) {
        const bool validate = !b->reshape && ek_shape_is_known(&b->g->node[info->op]->out_shape[0]);
        return ek_tensor_op(
            EK_EMIT(b->g, b->where, "Assign", NULL, EK_IN(variable, value), EK_ATTR_B("validate_shape", validate)));
    }
    device = b->g->node[placed]->device;
    copy = ek__node_tensor(
        b->g, &(ek_node_args){ .type = "Identity", .in = &value, .n_in = 1, .device = device, .where = b->where });
    return ek__node_build(b->g, &(ek_node_args){
        .type = "AssignVariableOp", .in = EK_IN(variable, copy), .n_in = 2, .device = device,
        .attr = (ek_attr[]){ EK_ATTR_T("dtype", info->dtype) }, .n_attr = 1, .where = b->where });
}

static ek_op group(const build *b, const ek_item *item, int64_t n, const char *name)
{
    return ek_group_with(
        b->g, &(ek_group_options){ .size = sizeof(ek_group_options), .list = { b->g, item, n }, .name = name },
        b->where);
}

static ek_op restore_ops(const build *b, const shard *s, const char *name)
{
    ek_item *assigned = EK_ARENA_NEW(&b->g->arena, ek_item, s->n);
    ek_op op = { b->g, -1 };

    if (assigned == NULL) no_memory(b);
    if (assigned == NULL) return op;
    op = restore_node(b, s);
    for (int64_t i = 0; i < s->n && ek_op_ok(op); i++)
        assigned[i] = ek_item_of_op(assign_node(b, &s->at[i], (ek_tensor){ b->g, op.id, (int32_t)i }, s->device));
    return ek_op_ok(op) ? group(b, assigned, s->n, name) : op;
}

static ek_op restore_sharded(const build *b, const shard *shards, int64_t n)
{
    ek_item *restored = EK_ARENA_NEW(&b->g->arena, ek_item, n);

    if (restored == NULL) no_memory(b);
    if (restored == NULL) return (ek_op){ b->g, -1 };
    for (int64_t i = 0; i < n; i++) restored[i] = ek_item_of_op(restore_ops(b, &shards[i], "restore_shard"));
    return group(b, restored, n, "restore_all");
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

typedef struct placed {
    ek_saveable saveable;
    const char *device;
    int64_t place;
} placed;

static int by_device(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    const int order = strcmp(x->device, y->device);

    return order != 0 ? order : x->place < y->place ? -1 : 1;
}

/* Where a variable's value is; TensorFlow asks the tensor that is saved, making it if need be. */
static bool place(const build *b, const ek_saveables *list, placed *out)
{
    for (int64_t i = 0; i < list->n; i++) {
        const ek_tensor value = value_of(b, &list->at[i]);
        if (!ek_tensor_ok(value)) return false;
        out[i] = (placed){ list->at[i], ek__device_name(b->g, b->g->node[value.op]->device, false), i };
        if (out[i].device == NULL) return false;
    }
    if (list->n > 0) qsort(out, (size_t)list->n, sizeof *out, by_device);
    return true;
}

/* One for each device, sorted by its name. */
static shard *find_shards(const build *b, const ek_saveables *list, int64_t *n)
{
    placed *all = EK_ARENA_NEW(&b->g->arena, placed, list->n);
    ek_saveable *sorted = EK_ARENA_NEW(&b->g->arena, ek_saveable, list->n);
    shard *shards = EK_ARENA_NEW(&b->g->arena, shard, list->n);
    bool ok = all != NULL && sorted != NULL && shards != NULL && place(b, list, all);

    *n = 0;
    for (int64_t i = 0; ok && i < list->n; i++) {
        sorted[i] = all[i].saveable;
        if (i == 0 || strcmp(all[i].device, all[i - 1].device) != 0) {
            const char *cpu = ek__device_name(b->g, all[i].device, true);
            ok = cpu != NULL;
            shards[(*n)++] = (shard){ all[i].device, cpu, &sorted[i], 0 };
        }
        shards[*n - 1].n++;
    }
    if (!ok) no_memory(b);
    return ok ? shards : NULL;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static ek_tensor file_name(const build *b, const char *given)
{
    ek_placeholder_with_default_options o = {
        .size = sizeof o, .value = ek_str(given), .shape = EK_SCALAR, .name = "filename"
    };
    const ek_tensor first = ek_placeholder_with_default_with(b->g, &o, b->where);
    ek_shape scalar = EK_SCALAR;

    return ek__node_tensor(b->g, &(ek_node_args){
        .type = "PlaceholderWithDefault", .name = "Const", .in = &first, .n_in = 1, .where = b->where,
        .attr = (ek_attr[]){ EK_ATTR("shape", EK_ATTR_SHAPE, shape, &scalar) }, .n_attr = 1 });
}

void ek__saver_build(ek_saver *s, const ek_saver_options *o, const ek_saveables *list, ek_where where)
{
    const build b = { s->graph, s, o->reshape, where };
    const shard one = { "", "/device:CPU:0", list->at, list->n };
    int64_t n = 0;

    EK_IN_SCOPE(ek_name_scope_push(s->graph, o->name != NULL && o->name[0] != '\0' ? o->name : "save", where)) {
        s->filename = file_name(&b, o->filename != NULL && o->filename[0] != '\0' ? o->filename : "model");
        const shard *shards = o->sharded ? find_shards(&b, list, &n) : NULL;
        if (shards != NULL) {
            s->save = save_sharded(&b, shards, n, s->filename);
            s->restore = restore_sharded(&b, shards, n);
        } else if (!o->sharded) {
            s->save = save_ops(&b, &one, s->filename, NULL);
            s->restore = restore_ops(&b, &one, "restore_all");
        }
    }
}
