/* fuzz/table_repair.h - checksums of a table put right: else nothing behind them would ever be reached. */
#ifndef EK_FUZZ_TABLE_REPAIR_H
#define EK_FUZZ_TABLE_REPAIR_H

#include "codec/crc32c.h"
#include "codec/table.h"

static inline bool repair_number(const uint8_t *file, size_t end, size_t *at, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        const uint8_t byte = file[(*at)++];

        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* Of the block that the handle at `at` names. */
static inline bool repair_block(uint8_t *file, size_t size, size_t end, size_t *at, uint64_t *offset, uint64_t *n)
{
    if (!repair_number(file, end, at, offset) || !repair_number(file, end, at, n)) return false;
    if (*offset > size || *n > size - *offset || size - *offset - *n < 5) return false;
    const uint32_t crc = ek__crc32c_mask(ek__crc32c(0, file + *offset, (size_t)*n + 1));
    for (int i = 0; i < 4; i++) file[*offset + *n + 1 + (uint64_t)i] = (uint8_t)(crc >> 8 * i);
    return true;
}

static inline void repair_table(uint8_t *file, size_t size)
{
    static const uint8_t magic[8] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };
    uint64_t offset, n, from, length, part[3];
    size_t at, end;

    if (size < 48) return;
    memcpy(file + size - 8, magic, sizeof magic);
    at = size - 48;
    if (!repair_number(file, size - 8, &at, &offset) || !repair_number(file, size - 8, &at, &n)) return;
    if (!repair_block(file, size, size - 8, &at, &offset, &n)) return;
    at = (size_t)offset;
    end = (size_t)(offset + n);
    for (int i = 0; i < 64 && at < end; i++) { /* the entries of the index: their values are handles of blocks */
        for (int k = 0; k < 3; k++)
            if (!repair_number(file, end, &at, &part[k])) return;
        if (part[1] > end - at) return;
        at += (size_t)part[1];
        if (!repair_block(file, size, end, &at, &from, &length)) return;
    }
    at = size - 48; /* blocks may have been in one another: the index last */
    if (repair_number(file, size - 8, &at, &offset) && repair_number(file, size - 8, &at, &n))
        (void)repair_block(file, size, size - 8, &at, &offset, &n);
}

#endif
