/* fuzz/fuzz_record.c - any bytes as a TFRecord file, however compressed: records until the end or a sentence; written
 * and read again they are the same. */
#include <stdlib.h>

#include "codec/record.h"
#include "fuzz.h"

/* Adds all records to `again`. */
static void read_all(ek_source *source, ek_buf *again)
{
    ek_error err = { .code = EK_OK };
    ek_record_reader *r;
    const void *record;
    size_t n;
    ek_status st;

    if (ek__record_reader_of(source, EK_COMPRESSION_BY_CONTENT, &r, &err) != EK_OK) abort();
    while ((st = ek_record_reader_next(r, &record, &n, &err)) == EK_OK) ek__record_put(again, record, n);
    if (err.code != st || err.text[0] == '\0') abort();
    if (ek_record_reader_next(r, &record, &n, &err) != st) abort();
    ek_record_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    ek_buf once = { 0 }, twice = { 0 };
    ek_source *source;

    if (ek__source_copy(data, size, &source, &err) != EK_OK) abort();
    read_all(source, &once);
    ek__source_unref(source);
    if (ek__source_copy(once.data, once.size, &source, &err) != EK_OK) abort();
    read_all(source, &twice);
    ek__source_unref(source);
    if (once.size != twice.size || (once.size > 0 && memcmp(once.data, twice.data, once.size) != 0)) abort();
    ek__buf_fini(&once);
    ek__buf_fini(&twice);
    return 0;
}
