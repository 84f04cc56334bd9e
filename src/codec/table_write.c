/* codec/table_write.c - see table.h. Blocks end where TensorFlow's do, so that the same entries give the same bytes. */
#include "codec/crc32c.h"
#include "codec/table.h"

enum { BLOCK = 262144, RESTART_EVERY = 16, FOOTER = 48 };

static const uint8_t magic[8] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };

/* An entry of a block, after the key `last`. */
static void put_entry(ek_buf *block, ek_buf *restarts, bool restart, ek_span last, ek_span key, ek_span value)
{
    size_t shared = 0;

    if (restart) ek__put_fixed32(restarts, (uint32_t)block->size);
    else
        while (shared < last.size && shared < key.size && last.at[shared] == key.at[shared]) shared++;
    ek__put_varint(block, shared);
    ek__put_varint(block, key.size - shared);
    ek__put_varint(block, value.size);
    ek__buf_add(block, key.at + shared, key.size - shared);
    ek__buf_add(block, value.at, value.size);
}

/* A whole block, which is then empty; *at and *size say where it went. */
static void end_block(ek_buf *out, ek_buf *block, ek_buf *restarts, uint64_t *at, uint64_t *size)
{
    const uint32_t n = (uint32_t)(restarts->size / 4);

    if (n == 0) ek__put_fixed32(restarts, 0); /* the first restart is there in an empty block too */
    ek__buf_add(block, restarts->data, restarts->size);
    ek__put_fixed32(block, n == 0 ? 1 : n);
    *at = out->size;
    *size = block->size;
    ek__buf_add(block, "", 1); /* its type: as it is */
    ek__buf_add(out, block->data, block->size);
    ek__put_fixed32(out, ek__crc32c_mask(block->failed ? 0 : ek__crc32c(0, block->data, block->size)));
    out->failed = out->failed || block->failed || restarts->failed;
    block->size = restarts->size = 0;
}

/* Makes of the last key of a block one that is not below it, below `next` (none: { NULL, 0 }), and short. */
static void shorten(ek_buf *last, ek_span next)
{
    uint8_t *key = (uint8_t *)last->data;
    size_t i = 0;

    if (next.at == NULL) {
        while (i < last->size && key[i] == 0xff) i++;
        if (i == last->size) return;
    } else {
        while (i < last->size && i < next.size && key[i] == next.at[i]) i++;
        if (i >= last->size || i >= next.size || key[i] == 0xff || key[i] + 1 >= next.at[i]) return;
    }
    key[i]++;
    last->size = i + 1;
}

static void put_pending(ek_table_writer *w, ek_span next)
{
    ek_buf handle = { .data = NULL };

    if (!w->pending || w->out.failed) return;
    shorten(&w->last, next);
    ek__put_varint(&handle, w->pending_at);
    ek__put_varint(&handle, w->pending_size);
    put_entry(&w->index, &w->index_restarts, true, (ek_span){NULL, 0},
              (ek_span){(const uint8_t *)w->last.data, w->last.size},
              (ek_span){(const uint8_t *)handle.data, handle.size});
    w->out.failed = w->out.failed || handle.failed;
    ek__buf_fini(&handle);
    w->pending = false;
}

static void flush(ek_table_writer *w)
{
    if (w->block.size == 0) return;
    end_block(&w->out, &w->block, &w->restarts, &w->pending_at, &w->pending_size);
    w->since_restart = 0;
    w->pending = true;
}

void ek__table_put(ek_table_writer *w, ek_span key, ek_span value)
{
    static const uint8_t nothing[1];

    if (w->out.failed) return;
    if (key.at == NULL) key.at = nothing;
    if (w->n > 0 && key.size + value.size >= 2 * (size_t)BLOCK) flush(w);
    put_pending(w, key);
    put_entry(&w->block, &w->restarts, w->since_restart % RESTART_EVERY == 0,
              (ek_span){ (const uint8_t *)w->last.data, w->last.size }, key, value);
    w->since_restart++;
    w->n++;
    w->last.size = 0;
    ek__buf_add(&w->last, key.at, key.size);
    w->out.failed = w->out.failed || w->last.failed || w->block.failed || w->index.failed || w->index_restarts.failed;
    if (w->block.size + w->restarts.size + 4 >= BLOCK) flush(w);
}

void ek__table_end(ek_table_writer *w)
{
    uint64_t meta_at, meta_size, index_at, index_size;
    size_t begin;

    flush(w);
    end_block(&w->out, &w->block, &w->restarts, &meta_at, &meta_size); /* the block about blocks, empty */
    put_pending(w, (ek_span){ NULL, 0 });
    end_block(&w->out, &w->index, &w->index_restarts, &index_at, &index_size);
    begin = w->out.size;
    ek__put_varint(&w->out, meta_at);
    ek__put_varint(&w->out, meta_size);
    ek__put_varint(&w->out, index_at);
    ek__put_varint(&w->out, index_size);
    while (w->out.size < begin + FOOTER - sizeof magic && !w->out.failed) ek__buf_add(&w->out, "", 1);
    ek__buf_add(&w->out, magic, sizeof magic);
}

void ek__table_writer_fini(ek_table_writer *w)
{
    ek__buf_fini(&w->out);
    ek__buf_fini(&w->block);
    ek__buf_fini(&w->restarts);
    ek__buf_fini(&w->index);
    ek__buf_fini(&w->index_restarts);
    ek__buf_fini(&w->last);
    *w = (ek_table_writer){ .n = 0 };
}
