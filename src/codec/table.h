/* codec/table.h - sorted string tables: keys in the order of their bytes, each with a value. Checkpoints are made of
 * them (codec/bundle.h); what keys and values mean is not known here.
 *
 * A table is blocks and a block of blocks; a block is entries that leave out what they share with the key before, its
 * type (as it is, or compressed by Snappy) and a checksum. Read however it is cut into blocks, written as TensorFlow
 * cuts it.
 */
#ifndef EK_CODEC_TABLE_H
#define EK_CODEC_TABLE_H

#include "codec/wire.h"

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* The entries of one block. Zero before it is opened. */
typedef struct ek_table_block {
    uint8_t *owned;           /* what was compressed; NULL: the bytes are the file's */
    ek_span entries;
    const uint8_t *restarts;  /* places of keys that share nothing, 32 bits each */
    uint32_t n_restarts;
    size_t at;                /* the next entry */
    ek_buf key;               /* of the entry that was read last */
    ek_span value;
} ek_table_block;

/* A place in a table. `file` is borrowed and stays as it is; key and value are good until the next call. */
typedef struct ek_table {
    ek_span file;
    const char *name; /* for errors */
    ek_table_block index, block;
    bool in_block;
    ek_buf before; /* the key before that of `block` */
} ek_table;

/* Whether bytes end as a table does. */
bool ek__table_is(ek_span file);

/* Opens a table of these bytes, before its first entry. `name` is borrowed.
 * Errors  DATA_LOSS: "not an sstable (bad magic number)", "block checksum mismatch", and what contradicts itself. */
ek_status ek__table_open(ek_table *t, ek_span file, const char *name, ek_error *err);
void ek__table_close(ek_table *t); /* a zeroed one too */

/* The next entry. *found false: there are no more.
 * Errors  DATA_LOSS: a block that is damaged, or keys that do not rise. */
ek_status ek__table_next(ek_table *t, bool *found, ek_span *key, ek_span *value, ek_error *err);
/* The entry of this key, wherever the table stands; reads no block but the one that has it. ek__table_next goes on from
 * there. */
ek_status ek__table_find(ek_table *t, ek_span key, bool *found, ek_span *value, ek_error *err);

/* What Snappy made of bytes: how many bytes it claims to stand for, and those. false: damaged. */
bool ek__snappy_size(ek_span packed, size_t *size);
bool ek__snappy_unpack(ek_span packed, uint8_t *out, size_t size);

/* Before (-1), the same (0) or after (1) in the order of bytes. */
int ek__span_compare(ek_span a, ek_span b);

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Zero before the first entry. Failure (no memory) is that of `out`, sticky. */
typedef struct ek_table_writer {
    ek_buf out;               /* the file so far */
    ek_buf block, restarts;   /* the block that is being filled */
    ek_buf index, index_restarts;
    ek_buf last;              /* the key before */
    int since_restart;
    int64_t n;
    bool pending;             /* a block was closed; what its place in the index is called depends on the next key */
    uint64_t pending_at, pending_size;
} ek_table_writer;

void ek__table_put(ek_table_writer *w, ek_span key, ek_span value); /* keys must rise */
/* Ends the table: out.data, out.size are the file. */
void ek__table_end(ek_table_writer *w);
void ek__table_writer_fini(ek_table_writer *w);

#endif
