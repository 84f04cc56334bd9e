/* codec/bundle_v2.c - checkpoints of version 2 read: the index, and the bytes of a tensor in its shard. */
#include "codec/bundle_parts.h"
#include "codec/crc32c.h"
#include "codec/fields.h"

enum { VERSION = 1, BIG_ENDIAN_HEADER = 1 };
enum {
    KEYS_PER_FILE = 64,
    KEYS_AT_LEAST = 1 << 20
}; /* a name that shares all but a byte with the one before takes four */
enum { CHUNK = 64 << 10 };                            /* copied and summed while it is in the nearest cache */

/* ---- the index ------------------------------------------------------------------------------------------------- */

ek_status ek__bundle_v2_header(const char *path, ek_span key, ek_span value, int32_t *n_shards, ek_error *err)
{
    ek_error inner = { .code = EK_OK };
    ek_span version = { NULL, 0 };
    int64_t endianness = 0, shards = 0, min_consumer = 0;
    ek_wire w = ek__wire_open(value, NULL, err);
    ek_wire_field f;

    if (key.size != 0 || ek__wire_check(ek__proto(EK_PROTO_BUNDLE_HEADER), value, NULL, &inner) != EK_OK)
        return EK_FAIL(err, DATA_LOSS,
                       "Unable to read file (%s). Perhaps the file is corrupt or was produced by a newer version of "
                       "TensorFlow with format changes (%s)",
                       path, key.size != 0 ? "failed to seek to header entry" : "unable to parse header");
    while (ek__wire_next(&w, &f)) {
        if (f.number == EK_F_HEADER_SHARDS) shards = (int64_t)f.value;
        if (f.number == EK_F_HEADER_ENDIANNESS) endianness = (int64_t)f.value;
        if (f.number == EK_F_HEADER_VERSION) version = f.bytes;
    }
    w = ek__wire_open(version, NULL, err);
    while (ek__wire_next(&w, &f))
        if (f.number == EK_F_VERSIONS_MIN_CONSUMER) min_consumer = (int64_t)f.value;
    if (min_consumer > VERSION)
        return EK_FAIL(err, INVALID_ARGUMENT, "%s: Checkpoint min consumer version %lld above current version %d", path,
                       (long long)min_consumer, VERSION);
    if (endianness == BIG_ENDIAN_HEADER)
        return EK_FAIL(err, UNIMPLEMENTED,
                       "%s was written by a machine of the other byte order (big-endian); restore it there and "
                       "save it on one like this",
                       path);
    if (shards < 0 || shards > INT32_MAX) return EK_FAIL(err, DATA_LOSS, "%s: %lld shards", path, (long long)shards);
    *n_shards = (int32_t)shards;
    return EK_OK;
}

static ek_status put_fields(ek_bundle *b, ek_bundle_record *r, ek_span value, ek_error *err)
{
    ek_span shape = { NULL, 0 };
    ek_wire w = ek__wire_open(value, NULL, err);
    ek_wire_field f;

    while (ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_BUNDLE_DTYPE: r->entry.dtype = f.value < EK_DTYPE_COUNT ? (ek_dtype)f.value : EK_DTYPE_NONE; break;
        case EK_F_BUNDLE_SHAPE: shape = f.bytes; break;
        case EK_F_BUNDLE_SHARD: r->shard = (int32_t)f.value; break;
        case EK_F_BUNDLE_OFFSET: r->offset = f.value; break;
        case EK_F_BUNDLE_SIZE: r->size = f.value; break;
        case EK_F_BUNDLE_CRC: r->crc = (uint32_t)f.value; break;
        default: break;
        }
    }
    EK_TRY(ek__bundle_put_shape(r, shape, err));
    return ek__bundle_put_slices(b, r, value, EK_F_BUNDLE_SLICES, 0, err);
}

static ek_status put_entry(ek_bundle *b, const char *path, ek_span key, ek_span value, ek_error *err)
{
    const bool slice = key.at[0] == 0;
    const int name_size = slice ? 0 : (int)(key.size < 200 ? key.size : 200);
    ek_error inner = { .code = EK_OK };
    ek_bundle_record *r;

    if (!slice && memchr(key.at, 0, key.size) != NULL)
        return EK_FAIL(err, DATA_LOSS, "%s: a tensor's name, %s, goes on after a byte 0", path, (const char *)key.at);
    EK_TRY(ek__bundle_record_new(b, key, &r, err));
    if (ek__wire_check(ek__proto(EK_PROTO_BUNDLE_ENTRY), value, NULL, &inner) != EK_OK ||
        put_fields(b, r, value, &inner) != EK_OK) {
        if (inner.code == EK_RESOURCE_EXHAUSTED) return ek__error_copy(err, &inner);
        return EK_FAIL(err, DATA_LOSS, "%s: Entry for key %.*s not parseable: %s", path, name_size,
                       (const char *)key.at, inner.text);
    }
    if (slice) b->first = b->n;
    return EK_OK;
}

static ek_status read_index(ek_bundle *b, ek_table *t, ek_error *err)
{
    ek_span key = { NULL, 0 }, value;
    bool found;

    EK_TRY(ek__table_next(t, &found, &key, &value, err));
    if (!found) return EK_FAIL(err, DATA_LOSS, "'%s': failed to seek to header entry: there are no entries", t->name);
    EK_TRY(ek__bundle_v2_header(t->name, key, value, &b->n_shards, err));
    for (;;) {
        EK_TRY(ek__table_next(t, &found, &key, &value, err));
        if (!found) return EK_OK;
        EK_TRY(put_entry(b, t->name, key, value, err));
    }
}

ek_status ek__bundle_v2_open(ek_bundle *b, const char *path, ek_error *err)
{
    ek_source *source;
    ek_table t;
    ek_status st;

    EK_TRY(ek__source_open(path, &source, err));
    b->key_limit = KEYS_AT_LEAST + KEYS_PER_FILE * (uint64_t)source->size;
    st = ek__table_open(&t, (ek_span){ source->data, source->size }, path, err);
    if (st == EK_OK) {
        st = read_index(b, &t, err);
        ek__table_close(&t);
    }
    ek__source_unref(source);
    return st;
}

/* ---- data ------------------------------------------------------------------------------------------------------ */

ek_status ek__bundle_v2_slice(ek_bundle *b, const ek_bundle_record *r, int32_t i, const ek_shape *shape,
                              const ek_bundle_record **out, ek_error *err)
{
    const ek_slice s = ek__bundle_slice_at(r, i);
    ek_buf key = { .data = NULL };
    int64_t at = -1;

    ek__slice_key(&key, r->entry.name, &s);
    if (!key.failed) at = ek__map_get(&b->by_key, key.data, key.size, -1);
    const bool failed = key.failed;
    ek__buf_fini(&key);
    if (failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the key of a slice of %s", r->entry.name);
    if (at < 0) return EK_FAIL(err, DATA_LOSS, "slice %d of %s not found in checkpoint", (int)i, r->entry.name);
    *out = &b->record[at];
    if ((*out)->entry.dtype != r->entry.dtype || !ek_shape_equal(&(*out)->entry.shape, shape) ||
        (*out)->entry.n_slices > 0)
        return EK_FAIL(err, DATA_LOSS, "slice %d of %s is stored with another dtype or shape", (int)i, r->entry.name);
    return EK_OK;
}

static ek_status shard_of(ek_bundle *b, const ek_bundle_record *r, const char *name, const ek_source **out,
                          ek_error *err)
{
    ek_bundle_shard *shard;
    const char *path;

    for (int64_t i = 0; i < b->n_open; i++) {
        *out = b->shard[i].source;
        if (b->shard[i].id == r->shard) return EK_OK;
    }
    if (r->shard < 0 || r->shard >= b->n_shards)
        return EK_FAIL(err, DATA_LOSS, "%s is said to be in shard %d of %d", name, (int)r->shard, (int)b->n_shards);
    path = ek__bundle_shard_path(&b->arena, b->prefix, r->shard, b->n_shards);
    if (path == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the name of a shard of '%s'", b->prefix);
    EK_TRY(ek__bundle_shard_open(b, path, r->shard, &shard, err));
    *out = shard->source;
    return EK_OK;
}

ek_status ek__bundle_v2_bytes(ek_bundle *b, const ek_bundle_record *r, const char *name, ek_span *out, ek_error *err)
{
    const ek_source *source = NULL;
    int64_t count;
    size_t needed;

    if (!ek__bytes_of(r->entry.dtype, &r->entry.shape, &count, &needed))
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "%s has too many elements", name);
    if (r->entry.dtype == EK_STRING ? r->size < (uint64_t)count : r->size != needed)
        return EK_FAIL(err, DATA_LOSS, "Invalid size in bundle entry: key %s; stored size %llu; expected size %s%llu",
                       name, (unsigned long long)r->size, r->entry.dtype == EK_STRING ? "is at least " : "",
                       (unsigned long long)(r->entry.dtype == EK_STRING ? (size_t)count : needed));
    EK_TRY(shard_of(b, r, name, &source, err));
    if (r->offset > source->size || r->size > source->size - r->offset)
        return EK_FAIL(err, OUT_OF_RANGE,
                       "Read less bytes than requested: %s is %llu bytes at %llu of shard %d of '%s', which has %zu",
                       name, (unsigned long long)r->size, (unsigned long long)r->offset, (int)r->shard, b->prefix,
                       source->size);
    *out = (ek_span){ source->data + r->offset, (size_t)r->size };
    return EK_OK;
}

static ek_status check_sum(const ek_bundle *b, const ek_bundle_record *r, const char *name, uint32_t found,
                           ek_error *err)
{
    const uint32_t stored = ek__crc32c_unmask(r->crc);

    if (stored == found) return EK_OK;
    return EK_FAIL(err, DATA_LOSS,
                   "%s: TensorBundle at %s shard %d (%llu bytes): Checksum does not match: stored %08u vs. calculated "
                   "on the restored bytes %u",
                   name, b->prefix, (int)r->shard, (unsigned long long)r->size, stored, found);
}

ek_status ek__bundle_v2_numbers(ek_bundle *b, const ek_bundle_record *r, const char *name, ek_span bytes, void *out,
                                ek_error *err)
{
    uint8_t *to = out;
    uint32_t crc = 0;

    for (size_t at = 0; at < bytes.size; at += CHUNK) {
        const size_t n = bytes.size - at < CHUNK ? bytes.size - at : CHUNK;

        if (to != NULL) memcpy(to + at, bytes.at + at, n);
        crc = ek__crc32c(crc, to != NULL ? to + at : bytes.at + at, n);
    }
    return check_sum(b, r, name, crc, err);
}

/* The lengths of strings, taken off the front; *crc covers them as whole numbers. */
static bool take_lengths(ek_span *bytes, ek_string *s, int64_t n, uint32_t *crc)
{
    uint64_t sum = 0;

    for (int64_t i = 0; i < n; i++) {
        uint64_t v = 0;
        int shift = 0;
        uint8_t byte;

        do {
            if (bytes->size == 0 || shift > 63) return false;
            byte = *bytes->at++;
            bytes->size--;
            v |= (uint64_t)(byte & 127) << shift;
            shift += 7;
        } while (byte >= 128);
        *crc = ek__crc32c(*crc, &v, v <= UINT32_MAX ? 4 : 8);
        if (v > bytes->size || sum > bytes->size - v) return false;
        sum += v;
        s[i].size = (size_t)v; /* for now: fill_strings sets it with the bytes */
    }
    return bytes->size >= 4 && bytes->size - 4 == sum;
}

static ek_status fill_strings(ek_span bytes, ek_string *s, int64_t n, const char *name, ek_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        const size_t size = s[i].size;

        s[i].size = 0;
        if (!ek__string_set(&s[i], (const char *)bytes.at, size)) {
            for (int64_t k = i + 1; k < n; k++) s[k].size = 0;
            return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the strings of %s", name);
        }
        bytes.at += size;
    }
    return EK_OK;
}

ek_status ek__bundle_v2_strings(ek_bundle *b, const ek_bundle_record *r, const char *name, ek_span bytes,
                                ek_array **out, ek_error *err)
{
    uint32_t crc = 0, stored;
    ek_status st = EK_OK;
    ek_string *s;
    int64_t n;

    EK_TRY(ek__array_new_raw(EK_STRING, &r->entry.shape, out, err));
    s = (*out)->data;
    n = (*out)->count;
    const bool nothing = n == 0 && bytes.size == 0; /* not even a checksum of lengths */
    if (nothing) {
        st = check_sum(b, r, name, 0, err);
    } else if (!take_lengths(&bytes, s, n, &crc)) {
        st = EK_FAIL(err, DATA_LOSS, "%s: String lengths longer than expected, or shorter", name);
    } else {
        memcpy(&stored, bytes.at, 4);
        if (ek__crc32c_unmask(stored) != crc)
            st = EK_FAIL(err, DATA_LOSS, "%s: The length checksum does not match: expected %08u but actual is %08u",
                         name, ek__crc32c_unmask(stored), crc);
        else st = check_sum(b, r, name, ek__crc32c(crc, bytes.at, bytes.size), err);
    }
    if (st == EK_OK && !nothing) {
        st = fill_strings((ek_span){ bytes.at + 4, bytes.size - 4 }, s, n, name, err);
    } else {
        for (int64_t i = 0; i < n; i++) s[i].size = 0;
    }
    if (st != EK_OK) {
        ek_array_unref(*out);
        *out = NULL;
    }
    return st;
}
