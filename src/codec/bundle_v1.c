/* codec/bundle_v1.c - checkpoints of version 1 read: tables whose first value says what tensors there are, and whose
 * others are slices of them as messages. */
#include <stdlib.h>

#include "codec/bundle_parts.h"
#include "codec/fields.h"
#include "codec/tensor.h"

enum { VERSION = 1 };
enum { KEYS_PER_FILE = 64, KEYS_AT_LEAST = 1 << 20 };
enum { EXPANSION = 16 }; /* bytes in memory for one of the file: a number of 8 or a string in one and its tag */

/* One SavedSliceMeta: a tensor, with those of its slices that this file has. */
static ek_status put_tensor(ek_bundle *b, ek_span meta, int32_t shard, const char *path, ek_error *err)
{
    const ek_span name = ek__wire_bytes_of(meta, EK_F_SAVED_TENSOR_NAME), shape = ek__wire_bytes_of(meta, EK_F_SAVED_TENSOR_SHAPE);
    ek_bundle_record other = { .entry = { .name = "a tensor", .shape = EK_SCALAR } }, *r;
    ek_wire w = ek__wire_open(meta, NULL, err);
    ek_wire_field f;

    if (name.size == 0) return EK_FAIL(err, DATA_LOSS, "%s: a tensor without a name", path);
    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_SAVED_TENSOR_TYPE)
            other.entry.dtype = f.value < EK_DTYPE_COUNT ? (ek_dtype)f.value : EK_DTYPE_NONE;
    EK_TRY(ek__bundle_put_shape(&other, shape, err));
    const int64_t known = ek__map_get(&b->by_key, (const char *)name.at, name.size, -1);
    if (known < 0) {
        EK_TRY(ek__bundle_record_new(b, name, &r, err));
        r->entry.dtype = other.entry.dtype;
        r->entry.shape = other.entry.shape;
    } else {
        r = &b->record[known];
        if (r->entry.dtype != other.entry.dtype || !ek_shape_equal(&r->entry.shape, &other.entry.shape))
            return EK_FAIL(err, DATA_LOSS, "%s: %s has another dtype or shape than in the files before", path,
                           r->entry.name);
    }
    return ek__bundle_put_slices(b, r, meta, EK_F_SAVED_TENSOR_SLICE, shard, err);
}

static ek_status put_tensors(ek_bundle *b, ek_span value, int32_t shard, const char *path, ek_error *err)
{
    const ek_span meta = ek__wire_bytes_of(value, EK_F_SAVED_META), versions = ek__wire_bytes_of(meta, EK_F_SAVED_META_VERSIONS);
    ek_wire w = ek__wire_open(versions, NULL, err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_VERSIONS_MIN_CONSUMER && (int64_t)f.value > VERSION)
            return EK_FAIL(err, INVALID_ARGUMENT, "%s: Checkpoint min consumer version %lld above current version %d",
                           path, (long long)f.value, VERSION);
    w = ek__wire_open(meta, NULL, err);
    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_SAVED_META_TENSOR) EK_TRY(put_tensor(b, f.bytes, shard, path, err));
    return w.status;
}

static ek_status open_file(ek_bundle *b, const char *path, int32_t id, ek_error *err)
{
    ek_error inner = { .code = EK_OK };
    ek_span key = { NULL, 0 }, value = { NULL, 0 };
    ek_bundle_shard *shard;
    bool found = false;

    EK_TRY(ek__bundle_shard_open(b, path, id, &shard, err));
    b->key_limit += KEYS_AT_LEAST + KEYS_PER_FILE * (uint64_t)shard->source->size;
    if (ek__table_open(&shard->table, (ek_span){ shard->source->data, shard->source->size }, path, &inner) != EK_OK) {
        if (inner.code == EK_RESOURCE_EXHAUSTED) return ek__error_copy(err, &inner);
        return EK_FAIL(err, DATA_LOSS,
                       "Unable to open table file %s: perhaps your file is in a different file format and you need "
                       "to use a different restore operator?",
                       inner.text);
    }
    EK_TRY(ek__table_next(&shard->table, &found, &key, &value, err));
    if (!found || key.size != 0 || ek__wire_check(ek__proto(EK_PROTO_SAVED_SLICES), value, NULL, &inner) != EK_OK)
        return EK_FAIL(err, DATA_LOSS,
                       "Failed to find the saved tensor slices at the beginning of the checkpoint file: %s", path);
    return put_tensors(b, value, id, path, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ek_bundle_record *)a)->entry.name, ((const ek_bundle_record *)b)->entry.name);
}

/* Of a tensor in one slice that is all of it nobody needs to know the slice. */
static void make_whole(ek_bundle_record *r)
{
    const ek_slice s = r->entry.n_slices == 1 ? ek__bundle_slice_at(r, 0) : (ek_slice){ .rank = 0 };

    for (int i = 0; i < s.rank; i++)
        if (s.length[i] >= 0) return;
    if (r->entry.n_slices == 1) r->entry.n_slices = 0;
}

ek_status ek__bundle_v1_open(ek_bundle *b, char *const *path, int n, ek_error *err)
{
    for (int i = 0; i < n; i++) EK_TRY(open_file(b, path[i], i, err));
    if (b->n > 0) qsort(b->record, (size_t)b->n, sizeof *b->record, by_name);
    for (int64_t i = 0; i < b->n; i++) {
        ek_bundle_record *r = &b->record[i];

        if (r->entry.n_slices == 0) return EK_FAIL(err, DATA_LOSS, "'%s': %s has no slices", b->prefix, r->entry.name);
        make_whole(r);
        if (!ek__map_put(&b->by_key, r->entry.name, strlen(r->entry.name), i))
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the entries of '%s'", b->prefix);
    }
    return EK_OK;
}

/* The message of a slice, a TensorProto without dtype and shape. */
static ek_status find_slice(ek_bundle *b, const ek_bundle_record *r, int32_t i, ek_span *out, ek_error *err)
{
    const ek_slice s = ek__bundle_slice_at(r, i);
    ek_table *t = &b->shard[r->in_shard[i]].table;
    ek_buf key = { .data = NULL };
    ek_span value = { NULL, 0 };
    bool found = false;
    ek_status st;

    ek__slice_key(&key, r->entry.name, &s);
    st = key.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the key of a slice of %s", r->entry.name)
                    : ek__table_find(t, (ek_span){ (const uint8_t *)key.data, key.size }, &found, &value, err);
    ek__buf_fini(&key);
    if (st != EK_OK) return st;
    if (!found) return EK_FAIL(err, DATA_LOSS, "slice %d of %s is not in '%s'", (int)i, r->entry.name, t->name);
    EK_TRY(ek__wire_check(ek__proto(EK_PROTO_SAVED_SLICES), value, NULL, err));
    *out = ek__wire_bytes_of(ek__wire_bytes_of(value, EK_F_SAVED_DATA), EK_F_SAVED_SLICE_DATA);
    return EK_OK;
}

ek_status ek__bundle_v1_load(ek_bundle *b, const ek_bundle_record *r, int32_t i, const ek_shape *shape, ek_array **out,
                             ek_error *err)
{
    ek_tensor_reader reader = { .source = NULL };
    ek_buf tensor = { .data = NULL };
    ek_span data = { NULL, 0 };
    ek_status st;
    size_t mark;

    EK_TRY(find_slice(b, r, i, &data, err));
    reader.expansion = EXPANSION * data.size;
    ek__buf_add(&tensor, data.at, data.size);
    ek__put_int(&tensor, EK_F_TENSOR_DTYPE, r->entry.dtype); /* the last of a field counts */
    mark = ek__put_open(&tensor, EK_F_TENSOR_SHAPE);
    ek__shape_write(&tensor, shape);
    ek__put_close(&tensor, mark);
    st = tensor.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for %s", r->entry.name)
                       : ek__tensor_read(&reader, (ek_span){ (const uint8_t *)tensor.data, tensor.size }, out, err);
    ek__buf_fini(&tensor);
    return st;
}
