/* fuzz/fuzz_bundle.c - checkpoints of version 2: a byte, odd: the index's checksums are put right; two that say how
 * long the index is, the index, and the shard. Everything in it is read, or refused with a sentence. */
#include "checkpoint_files.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n;
    uint8_t *index;

    if (size < 3) return 0;
    n = (size_t)data[1] | (size_t)data[2] << 8;
    if (n > size - 3) n = size - 3;
    index = malloc(n + 1);
    if (index == NULL) return 0;
    memcpy(index, data + 3, n);
    if ((data[0] & 1) != 0) repair_table(index, n);
    checkpoint_begin();
    checkpoint_put(".index", index, n);
    checkpoint_put(".data-00000-of-00001", data + 3 + n, size - 3 - n);
    checkpoint_read();
    free(index);
    return 0;
}
