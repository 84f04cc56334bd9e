/* fuzz/fuzz_table.c - sorted string tables: walked, every key looked up, written and walked again; or refused with a
 * sentence. An input that begins with an even byte is taken as it is after it, else its checksums are put right first.
 * Also what Snappy packed. */
#include <stdlib.h>
#include <string.h>

#include "table_repair.h"
#include "fuzz.h"

static bool walk(ek_span file, ek_table_writer *again, int64_t *n)
{
    ek_error err = { .code = EK_OK };
    ek_span key, value, found_value;
    ek_table t, other;
    bool found = false, there;
    ek_status st = ek__table_open(&t, file, "table", &err);

    *n = 0;
    must(ek__table_open(&other, file, "table", &err) == st);
    while (st == EK_OK) {
        st = ek__table_next(&t, &found, &key, &value, &err);
        if (st != EK_OK || !found) break;
        ++*n;
        if (again != NULL) ek__table_put(again, key, value);
        (void)ek__table_find(&other, key, &there, &found_value, &(ek_error){ .code = EK_OK }); /* its index may lie */
    }
    must(st == EK_OK || err.text[0] != '\0');
    ek__table_close(&t);
    ek__table_close(&other);
    return st == EK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_table_writer w = { .n = 0 };
    uint8_t *copy = malloc(size + 1);
    uint8_t unpacked[4096];
    int64_t n, again;
    size_t claimed;

    if (size > 0 && copy != NULL) {
        memcpy(copy, data + 1, size - 1);
        if ((data[0] & 1) != 0) repair_table(copy, size - 1);
        if (walk((ek_span){ copy, size - 1 }, &w, &n)) {
            ek__table_end(&w);
            must(!w.out.failed && walk((ek_span){ (uint8_t *)w.out.data, w.out.size }, NULL, &again) && again == n);
        }
        if (ek__snappy_size((ek_span){ copy, size - 1 }, &claimed) && claimed <= sizeof unpacked)
            (void)ek__snappy_unpack((ek_span){ copy, size - 1 }, unpacked, claimed);
    }
    ek__table_writer_fini(&w);
    free(copy);
    return 0;
}
