/* fuzz/fuzz_checkpoint_v1.c - checkpoints of version 1, one table: everything in it is read, or refused with a
 * sentence. After a first byte that is odd its checksums are put right. */
#include "checkpoint_files.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *table = malloc(size + 1);

    if (size > 0 && table != NULL) {
        memcpy(table, data + 1, size - 1);
        if ((data[0] & 1) != 0) repair_table(table, size - 1);
        checkpoint_begin();
        checkpoint_put("", table, size - 1);
        checkpoint_read();
    }
    free(table);
    return 0;
}
