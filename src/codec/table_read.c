/* codec/table_read.c - see table.h. */
#include "codec/table.h"

#include "codec/crc32c.h"

enum { TRAILER = 5, FOOTER = 48, HANDLES = 40, AS_IT_IS = 0, SNAPPY = 1 };
enum { SNAPPY_AT_MOST = 24 }; /* how many bytes one byte of Snappy's can stand for: 64 for three, rounded up */

static const uint8_t magic[8] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };

int ek__span_compare(ek_span a, ek_span b)
{
    const size_t n = a.size < b.size ? a.size : b.size;
    const int c = n > 0 ? memcmp(a.at, b.at, n) : 0;

    if (c != 0) return c < 0 ? -1 : 1;
    return a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

static uint32_t little_endian32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* A varint of at most `bits` bits. false: damaged or cut off. */
static bool read_varint(const uint8_t **at, const uint8_t *end, int bits, uint64_t *out)
{
    uint64_t v = 0;

    for (int shift = 0; *at < end && shift < bits; shift += 7) {
        const uint8_t byte = *(*at)++;

        if (shift == 63 && byte > 1) return false;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = v;
            return bits == 64 || v <= UINT32_MAX;
        }
    }
    return false;
}

static ek_status damaged(const ek_table *t, const char *what, ek_error *err)
{
    return EK_FAIL(err, DATA_LOSS, "'%s': %s", t->name, what);
}

/* ---- blocks ------------------------------------------------------------------------------------------------- */

static void block_close(ek_table_block *b)
{
    ek__free(b->owned);
    ek__buf_fini(&b->key);
    *b = (ek_table_block){ .owned = NULL };
}

static ek_status unpack(const ek_table *t, ek_span packed, ek_table_block *b, ek_span *out, ek_error *err)
{
    if (!ek__snappy_size(packed, &out->size) || out->size / SNAPPY_AT_MOST > packed.size)
        return damaged(t, "corrupted compressed block contents", err);
    b->owned = ek__alloc(out->size);
    if (b->owned == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a block of '%s'", t->name);
    out->at = b->owned;
    if (!ek__snappy_unpack(packed, b->owned, out->size)) return damaged(t, "corrupted compressed block contents", err);
    return EK_OK;
}

/* The block at [offset, offset + size), without its trailer. */
static ek_status block_open(const ek_table *t, uint64_t offset, uint64_t size, ek_table_block *b, ek_error *err)
{
    ek_span s;

    block_close(b);
    if (t->file.size < TRAILER || offset > t->file.size - TRAILER || size > t->file.size - TRAILER - offset)
        return EK_FAIL(err, DATA_LOSS, "'%s': truncated block read: %llu bytes at %llu of %zu", t->name,
                       (unsigned long long)size, (unsigned long long)offset, t->file.size);
    s = (ek_span){ t->file.at + offset, (size_t)size };
    if (ek__crc32c_unmask(little_endian32(s.at + size + 1)) != ek__crc32c(0, s.at, s.size + 1))
        return EK_FAIL(err, DATA_LOSS, "'%s': block checksum mismatch at byte %llu", t->name,
                       (unsigned long long)offset);
    if (s.at[size] == SNAPPY) EK_TRY(unpack(t, s, b, &s, err));
    else if (s.at[size] != AS_IT_IS) return damaged(t, "bad block type", err);
    if (s.size < 4) return damaged(t, "bad block contents", err);
    b->n_restarts = little_endian32(s.at + s.size - 4);
    if (b->n_restarts > (s.size - 4) / 4) return damaged(t, "bad block contents", err);
    b->entries = (ek_span){ s.at, s.size - 4 - 4 * (size_t)b->n_restarts };
    b->restarts = s.at + b->entries.size;
    return EK_OK;
}

/* The next entry of a block; *found false: there are no more. */
static ek_status block_next(const ek_table *t, ek_table_block *b, bool *found, ek_error *err)
{
    const uint8_t *at = b->entries.at + b->at, *end = b->entries.at + b->entries.size;
    uint64_t shared, rest, value;

    *found = at < end;
    if (!*found) return EK_OK;
    if (!read_varint(&at, end, 32, &shared) || !read_varint(&at, end, 32, &rest) ||
        !read_varint(&at, end, 32, &value) || shared > b->key.size || rest > (uint64_t)(end - at) ||
        value > (uint64_t)(end - at) - rest)
        return damaged(t, "bad entry in block", err);
    b->key.size = (size_t)shared;
    ek__buf_add(&b->key, at, (size_t)rest);
    if (b->key.failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a key of '%s'", t->name);
    b->value = (ek_span){ at + rest, (size_t)value };
    b->at = (size_t)(at + rest + value - b->entries.at);
    return EK_OK;
}

static ek_span key_of(const ek_table_block *b)
{
    return (ek_span){ (const uint8_t *)b->key.data, b->key.size };
}

/* Moves before the entry that restart number i stands at, where keys share nothing. */
static bool block_restart(ek_table_block *b, uint32_t i)
{
    const uint32_t at = little_endian32(b->restarts + 4 * (size_t)i);

    b->key.size = 0;
    b->at = at;
    return at <= b->entries.size;
}

/* The first entry whose key is not below `key`. */
static ek_status block_seek(const ek_table *t, ek_table_block *b, ek_span key, bool *found, ek_error *err)
{
    uint32_t low = 0, high = b->n_restarts; /* the last restart below the key is in [low, high), or there is none */

    while (low + 1 < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (!block_restart(b, middle)) return damaged(t, "bad restart in block", err);
        EK_TRY(block_next(t, b, found, err));
        if (*found && ek__span_compare(key_of(b), key) < 0) low = middle;
        else high = middle;
    }
    if (b->n_restarts > 0 && !block_restart(b, low)) return damaged(t, "bad restart in block", err);
    if (b->n_restarts == 0) b->key.size = b->at = 0;
    do {
        EK_TRY(block_next(t, b, found, err));
    } while (*found && ek__span_compare(key_of(b), key) < 0);
    return EK_OK;
}

/* ---- tables -------------------------------------------------------------------------------------------------- */

/* The block that the entry of the index is for. */
static ek_status enter_block(ek_table *t, ek_error *err)
{
    const uint8_t *at = t->index.value.at, *end = at + t->index.value.size;
    uint64_t offset, size;

    if (!read_varint(&at, end, 64, &offset) || !read_varint(&at, end, 64, &size))
        return damaged(t, "bad block handle", err);
    EK_TRY(block_open(t, offset, size, &t->block, err));
    if (t->block.entries.size == 0)
        return damaged(t, "an empty block", err); /* a file could name it any number of times */
    t->in_block = true;
    return EK_OK;
}

bool ek__table_is(ek_span file)
{
    return file.size >= FOOTER && memcmp(file.at + file.size - sizeof magic, magic, sizeof magic) == 0;
}

static ek_status open_index(ek_table *t, ek_error *err)
{
    const uint8_t *at = t->file.at + t->file.size - FOOTER, *end = at + HANDLES;
    uint64_t offset, size;

    for (int i = 0; i < 2; i++) /* the first is that of a block about blocks which nobody writes anything into */
        if (!read_varint(&at, end, 64, &offset) || !read_varint(&at, end, 64, &size))
            return damaged(t, "bad block handle", err);
    return block_open(t, offset, size, &t->index, err);
}

ek_status ek__table_open(ek_table *t, ek_span file, const char *name, ek_error *err)
{
    ek_status st;

    *t = (ek_table){ .file = file, .name = name };
    if (file.size < FOOTER) return damaged(t, "file is too short to be an sstable", err);
    if (!ek__table_is(file)) return damaged(t, "not an sstable (bad magic number)", err);
    st = open_index(t, err);
    if (st != EK_OK) ek__table_close(t);
    return st;
}

void ek__table_close(ek_table *t)
{
    block_close(&t->index);
    block_close(&t->block);
    ek__buf_fini(&t->before);
    t->in_block = false;
}

ek_status ek__table_next(ek_table *t, bool *found, ek_span *key, ek_span *value, ek_error *err)
{
    const bool first = !t->in_block && t->index.at == 0;

    t->before.size = 0;
    if (t->in_block) ek__buf_add(&t->before, t->block.key.data, t->block.key.size);
    if (t->before.failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a key of '%s'", t->name);
    do {
        *found = false;
        if (t->in_block) EK_TRY(block_next(t, &t->block, found, err));
        if (*found) break;
        EK_TRY(block_next(t, &t->index, found, err));
        if (*found) EK_TRY(enter_block(t, err));
    } while (*found);
    if (!*found) return EK_OK;
    *key = key_of(&t->block);
    *value = t->block.value;
    if (!first && ek__span_compare((ek_span){ (const uint8_t *)t->before.data, t->before.size }, *key) >= 0)
        return damaged(t, "keys do not rise", err);
    return EK_OK;
}

ek_status ek__table_find(ek_table *t, ek_span key, bool *found, ek_span *value, ek_error *err)
{
    EK_TRY(block_seek(t, &t->index, key, found, err));
    if (!*found) return EK_OK;
    EK_TRY(enter_block(t, err));
    EK_TRY(block_seek(t, &t->block, key, found, err));
    *found = *found && ek__span_compare(key_of(&t->block), key) == 0;
    *value = t->block.value;
    return EK_OK;
}
