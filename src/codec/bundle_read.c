/* codec/bundle_read.c - checkpoints read: what both versions share. Tensors are put together here. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/bundle_parts.h"
#include "codec/tensor.h"

enum { MAX_SLICES = 4096 }; /* of one tensor: each is held against every other */

/* ---- records --------------------------------------------------------------------------------------------------- */

ek_status ek__bundle_record_new(ek_bundle *b, ek_span key, ek_bundle_record **out, ek_error *err)
{
    ek_bundle_record *r;
    char *copy;

    b->key_bytes += key.size;
    if (b->key_bytes > b->key_limit)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "'%s': its names take far more memory than the file", b->prefix);
    copy = ek__arena_strndup(&b->arena, (const char *)key.at, key.size);
    if (copy == NULL || !EK_GROW(b->record, b->cap, b->n + 1) || !ek__map_put(&b->by_key, copy, key.size, b->n))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the entries of '%s'", b->prefix);
    r = &b->record[b->n++];
    *r = (ek_bundle_record){ .entry = { .name = copy, .shape = EK_SCALAR }, .key_size = key.size };
    *out = r;
    return EK_OK;
}

ek_status ek__bundle_put_shape(ek_bundle_record *r, ek_span proto, ek_error *err)
{
    int64_t count;
    size_t bytes;

    if (!ek__shape_read(proto, &r->entry.shape))
        return EK_FAIL(err, DATA_LOSS, "Invalid tensor shape: %s: more than %d dimensions, or one below 0",
                       r->entry.name, EK_MAX_RANK);
    if (!ek_shape_is_known(&r->entry.shape) || !ek__bytes_of(EK_UINT8, &r->entry.shape, &count, &bytes))
        return EK_FAIL(err, DATA_LOSS, "Invalid tensor shape: %s", r->entry.name);
    return EK_OK;
}

static ek_status put_slice(ek_bundle_record *r, ek_span proto, int32_t shard, ek_error *err)
{
    const int32_t rank = r->entry.shape.rank, i = r->entry.n_slices;
    ek_slice s, resolved;

    if (!ek__slice_read(proto, &s) || !ek__slice_resolve(&s, &r->entry.shape, &resolved))
        return EK_FAIL(err, DATA_LOSS, "slice %d of %s is none of its shape", (int)i, r->entry.name);
    for (int32_t k = 0; k < rank; k++) {
        r->extent[2 * (i * rank + k)] = s.start[k];
        r->extent[2 * (i * rank + k) + 1] = s.length[k];
    }
    r->in_shard[i] = shard;
    r->entry.n_slices++;
    return EK_OK;
}

/* For n slices. Twice what there was at least: a file may bring them one by one, and an arena takes nothing back. */
static ek_status make_room(ek_bundle *b, ek_bundle_record *r, int64_t n, ek_error *err)
{
    const int32_t had = r->entry.n_slices, rank = r->entry.shape.rank;
    const int64_t cap = n > 2 * (int64_t)r->cap_slices ? n : 2 * (int64_t)r->cap_slices, *extent = r->extent;
    const int32_t *in_shard = r->in_shard;

    if (n <= r->cap_slices) return EK_OK;
    r->extent = EK_ARENA_NEW(&b->arena, int64_t, 2 * cap * rank);
    r->in_shard = EK_ARENA_NEW(&b->arena, int32_t, cap);
    if (r->extent == NULL || r->in_shard == NULL)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the slices of %s", r->entry.name);
    if (had > 0) {
        memcpy(r->extent, extent, 2 * (size_t)had * (size_t)rank * sizeof *extent);
        memcpy(r->in_shard, in_shard, (size_t)had * sizeof *in_shard);
    }
    r->cap_slices = (int32_t)cap;
    return EK_OK;
}

ek_status ek__bundle_put_slices(ek_bundle *b, ek_bundle_record *r, ek_span message, uint32_t field, int32_t shard,
                                ek_error *err)
{
    const int32_t had = r->entry.n_slices;
    int64_t n = had;
    ek_wire w = ek__wire_open(message, NULL, err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) n += f.number == field;
    EK_TRY(w.status);
    if (n == had) return EK_OK;
    if (n > MAX_SLICES)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "%s has %lld slices; %d are the most", r->entry.name, (long long)n,
                       MAX_SLICES);
    EK_TRY(make_room(b, r, n, err));
    w = ek__wire_open(message, NULL, err);
    while (ek__wire_next(&w, &f))
        if (f.number == field) EK_TRY(put_slice(r, f.bytes, shard, err));
    return w.status;
}

ek_slice ek__bundle_slice_at(const ek_bundle_record *r, int32_t i)
{
    const int32_t rank = r->entry.shape.rank;
    ek_slice s = ek__slice_full(rank);

    for (int32_t k = 0; k < rank && r->entry.n_slices > 0; k++) {
        s.start[k] = r->extent[2 * (i * rank + k)];
        s.length[k] = r->extent[2 * (i * rank + k) + 1];
    }
    return s;
}

ek_status ek__bundle_shard_open(ek_bundle *b, const char *path, int32_t id, ek_bundle_shard **out, ek_error *err)
{
    ek_source *source;

    EK_TRY(ek__source_open(path, &source, err));
    if (!EK_GROW(b->shard, b->open_cap, b->n_open + 1)) {
        ek__source_unref(source);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the shards of '%s'", b->prefix);
    }
    *out = &b->shard[b->n_open++];
    **out = (ek_bundle_shard){ .id = id, .source = source };
    b->shard_bytes += source->size;
    return EK_OK;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* Whether a path ends in ".index", taken by mistake for a prefix. */
static bool is_index(const char *prefix)
{
    const size_t n = strlen(prefix);

    return n > 6 && strcmp(prefix + n - 6, ".index") == 0 && access(prefix, F_OK) == 0;
}

static ek_status open_bundle(ek_bundle *b, ek_error *err)
{
    const char *index = ek__bundle_index_path(&b->arena, b->prefix);
    char **path;
    int n;

    if (index == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the checkpoint '%s'", b->prefix);
    if (access(index, F_OK) == 0) {
        b->version = 2;
        return ek__bundle_v2_open(b, index, err);
    }
    if (is_index(b->prefix))
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' is the index of a checkpoint; give its prefix, '%.*s'", b->prefix,
                       (int)strlen(b->prefix) - 6, b->prefix);
    b->version = 1;
    EK_TRY(ek__bundle_v1_files(&b->arena, b->prefix, &path, &n, err));
    if (n == 0)
        return EK_FAIL(err, NOT_FOUND,
                       "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for %s",
                       b->prefix);
    return ek__bundle_v1_open(b, path, n, err);
}

ek_status ek__bundle_open(const char *prefix, ek_bundle **out, ek_error *err)
{
    ek_bundle *b = ek__calloc(1, sizeof *b);
    ek_status st;

    *out = NULL;
    if (b == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the checkpoint '%s'", prefix);
    b->prefix = ek__arena_strdup(&b->arena, prefix);
    st = b->prefix != NULL ? open_bundle(b, err)
                           : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the checkpoint '%s'", prefix);
    if (st == EK_OK) *out = b;
    else ek__bundle_close(b);
    return st;
}

void ek__bundle_close(ek_bundle *b)
{
    if (b == NULL) return;
    for (int64_t i = 0; i < b->n_open; i++) {
        ek__table_close(&b->shard[i].table);
        ek__source_unref(b->shard[i].source);
    }
    ek__free(b->shard);
    ek__free(b->record);
    ek__map_fini(&b->by_key);
    ek__arena_fini(&b->arena);
    ek__free(b);
}

int ek__bundle_version(const ek_bundle *b)
{
    return b->version;
}

int64_t ek__bundle_count(const ek_bundle *b)
{
    return b->n - b->first;
}

const ek_bundle_entry *ek__bundle_at(const ek_bundle *b, int64_t i)
{
    return i >= 0 && i < b->n - b->first ? &b->record[b->first + i].entry : NULL;
}

const ek_bundle_entry *ek__bundle_find(const ek_bundle *b, const char *name)
{
    const int64_t i = ek__map_get(&b->by_key, name, strlen(name), -1);

    return i >= b->first ? &b->record[i].entry : NULL;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static ek_shape shape_of(const ek_slice *resolved)
{
    ek_shape s = { .rank = resolved->rank };

    for (int i = 0; i < s.rank; i++) s.dim[i] = resolved->length[i];
    return s;
}

/* The slices that a tensor is stored in, resolved, and what they have in common with the wanted part. */
typedef struct pieces {
    int32_t n;
    ek_slice *all;
    ek_slice want;
    bool whole; /* it is stored in one piece, and all of it is wanted */
} pieces;

static ek_status uncovered(const ek_bundle_record *r, const ek_slice *asked, ek_error *err)
{
    ek_buf text = { .data = NULL };
    ek_status st;

    ek__slice_print(&text, asked);
    st = EK_FAIL(err, INVALID_ARGUMENT,
                 "Does not have sufficient slices for partitioned tensor %s to restore in slice_spec: %s",
                 r->entry.name, text.failed || text.data == NULL ? "" : text.data);
    ek__buf_fini(&text);
    return st;
}

/* Each element of the wanted part must be in one piece, no element in two. */
static ek_status check_cover(const ek_bundle_record *r, const pieces *p, const ek_slice *asked, ek_error *err)
{
    int64_t covered = 0;
    ek_slice common;

    for (int32_t i = 0; i < p->n; i++) {
        for (int32_t j = 0; j < i; j++)
            if (ek__slice_meet(&p->all[i], &p->all[j], &common))
                return EK_FAIL(err, DATA_LOSS, "Overlapping slices: number %d and %d of %s", (int)j, (int)i,
                               r->entry.name);
        if (ek__slice_meet(&p->all[i], &p->want, &common)) covered += ek__slice_count(&common);
    }
    return covered == ek__slice_count(&p->want) ? EK_OK : uncovered(r, asked, err);
}

/* What all pieces that are needed take in their files must be there: entries could name the same bytes many times. */
static ek_status check_claims(ek_bundle *b, const ek_bundle_record *r, const pieces *p, ek_error *err)
{
    uint64_t needed = 0;
    ek_slice common;

    for (int32_t i = 0; i < p->n; i++) {
        const ek_shape shape = shape_of(&p->all[i]);
        const ek_bundle_record *piece = r;
        ek_span bytes;

        if (!p->whole && !ek__slice_meet(&p->all[i], &p->want, &common)) continue;
        if (b->version == 1) {
            needed += (uint64_t)ek__slice_count(&p->all[i]) / 2; /* a byte for two: numbers may stand for others */
            continue;
        }
        if (r->entry.n_slices > 0) EK_TRY(ek__bundle_v2_slice(b, r, i, &shape, &piece, err));
        EK_TRY(ek__bundle_v2_bytes(b, piece, r->entry.name, &bytes, err));
        needed += bytes.size;
    }
    if (needed > b->shard_bytes)
        return EK_FAIL(err, DATA_LOSS, "the slices of %s take more than their files hold", r->entry.name);
    return EK_OK;
}

/* What piece i has of the wanted part is taken over into `out`. */
static ek_status take_piece(ek_bundle *b, const ek_bundle_record *r, const pieces *p, int32_t i, ek_array *out,
                            ek_error *err)
{
    const ek_bundle_record *piece = r;
    const ek_shape shape = shape_of(&p->all[i]);
    ek_array *own = NULL;
    ek_span bytes = { NULL, 0 };
    ek_slice common;
    bool copied;

    if (!p->whole && !ek__slice_meet(&p->all[i], &p->want, &common)) return EK_OK;
    if (b->version == 1) {
        EK_TRY(ek__bundle_v1_load(b, r, i, &shape, &own, err));
    } else {
        if (r->entry.n_slices > 0) EK_TRY(ek__bundle_v2_slice(b, r, i, &shape, &piece, err));
        EK_TRY(ek__bundle_v2_bytes(b, piece, r->entry.name, &bytes, err));
        if (r->entry.dtype == EK_STRING) EK_TRY(ek__bundle_v2_strings(b, piece, r->entry.name, bytes, &own, err));
        else EK_TRY(ek__bundle_v2_numbers(b, piece, r->entry.name, bytes, p->whole ? out->data : NULL, err));
    }
    if (p->whole && own == NULL) return EK_OK;
    copied = ek__slice_copy(r->entry.dtype, p->whole ? &p->want : &common, &p->all[i],
                            own != NULL ? own->data : bytes.at, &p->want, out->data);
    ek_array_unref(own);
    return copied ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the strings of %s", r->entry.name);
}

/* Finds out what is to be read, and that it is there. p->all is to be freed. */
static ek_status plan_read(ek_bundle *b, const ek_bundle_record *r, const ek_slice *asked, pieces *p, ek_error *err)
{
    const ek_dtype dtype = r->entry.dtype;

    *p = (pieces){ .n = r->entry.n_slices > 0 ? r->entry.n_slices : 1 };
    if (dtype == EK_DTYPE_NONE || dtype == EK_RESOURCE || dtype == EK_VARIANT)
        return EK_FAIL(err, UNIMPLEMENTED, "%s is of a type (%s) that cannot be read", r->entry.name,
                       dtype == EK_DTYPE_NONE ? "one that is not known here" : ek_dtype_name(dtype));
    if (!ek__slice_resolve(asked, &r->entry.shape, &p->want))
        return EK_FAIL(err, INVALID_ARGUMENT, "the slice asked for is none of the shape of %s", r->entry.name);
    p->whole = r->entry.n_slices == 0 && ek__slice_is_whole(asked, &r->entry.shape);
    p->all = ek__calloc((size_t)p->n, sizeof *p->all);
    if (p->all == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the slices of %s", r->entry.name);
    for (int32_t i = 0; i < p->n; i++) {
        const ek_slice s = ek__bundle_slice_at(r, i);

        (void)ek__slice_resolve(&s, &r->entry.shape, &p->all[i]); /* it fits: that was seen when it was read */
    }
    if (!p->whole) EK_TRY(check_cover(r, p, asked, err));
    return check_claims(b, r, p, err);
}

static ek_status fill(ek_bundle *b, const ek_bundle_record *r, const pieces *p, ek_array *out, ek_error *err)
{
    uint8_t *bytes = out->data;

    for (int32_t i = 0; i < p->n; i++) EK_TRY(take_piece(b, r, p, i, out, err));
    for (int64_t i = 0; i < out->count && r->entry.dtype == EK_BOOL; i++) bytes[i] = bytes[i] != 0;
    return EK_OK;
}

static ek_status read_new(ek_bundle *b, const ek_bundle_record *r, const pieces *p, ek_array **out, ek_error *err)
{
    const ek_shape shape = shape_of(&p->want);
    ek_status st;

    if (p->whole && b->version == 1) return ek__bundle_v1_load(b, r, 0, &shape, out, err);
    EK_TRY(ek__array_new_raw(r->entry.dtype, &shape, out, err));
    st = fill(b, r, p, *out, err);
    if (st != EK_OK) {
        ek_array_unref(*out);
        *out = NULL;
    }
    return st;
}

static ek_status read_any(ek_bundle *b, const ek_bundle_entry *e, const ek_slice *part, ek_array **made, ek_array *into,
                          ek_error *err)
{
    const ek_bundle_record *r = (const ek_bundle_record *)(const void *)e;
    const ek_slice all = ek__slice_full(e->shape.rank);
    pieces p;
    ek_status st = plan_read(b, r, part != NULL ? part : &all, &p, err);

    if (st == EK_OK) st = into != NULL ? fill(b, r, &p, into, err) : read_new(b, r, &p, made, err);
    ek__free(p.all);
    return st;
}

ek_status ek__bundle_read(ek_bundle *b, const ek_bundle_entry *e, const ek_slice *part, ek_array **out, ek_error *err)
{
    *out = NULL;
    return read_any(b, e, part, out, NULL, err);
}

ek_status ek__bundle_read_into(ek_bundle *b, const ek_bundle_entry *e, const ek_slice *part, ek_array *out,
                               ek_error *err)
{
    return read_any(b, e, part, NULL, out, err);
}
