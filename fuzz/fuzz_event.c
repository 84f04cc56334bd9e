/* fuzz/fuzz_event.c - any bytes as an event file: events until the end or a sentence. A first byte of 1 makes of the
 * rest one record, whose checksums fit. */
#include <stdlib.h>
#include <unistd.h>

#include "codec/record.h"
#include "evenkeel/events.h"
#include "fuzz.h"

static void look_at(const ek_event *e, double *sum)
{
    if (e->text == NULL || e->message == NULL) abort();
    for (int64_t i = 0; i < e->n_values; i++) {
        const ek_summary_value *v = &e->values[i];
        *sum += (double)(strlen(v->tag) + strlen(v->plugin) + strlen(v->node_name));
        for (int64_t k = 0; k < v->histogram.n; k++) *sum += v->histogram.limit[k] + v->histogram.bucket[k];
        if ((v->kind == EK_SUMMARY_TENSOR) != (v->tensor != NULL)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    ek_error err = { .code = EK_OK };
    ek_buf b = { 0 };
    ek_event_reader *r;
    ek_event e;
    ek_status st;
    double sum = 0;

    if (size > 0 && data[0] == 1) ek__record_put(&b, data + 1, size - 1);
    else ek__buf_add(&b, data, size);
    if (path[0] == '\0') snprintf(path, sizeof path, "/tmp/evenkeel_fuzz_event_%ld", (long)getpid());
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(b.size > 0 ? b.data : "", 1, b.size, f) != b.size || fclose(f) != 0) abort();
    ek__buf_fini(&b);
    if (ek_event_reader_open(path, &r, &err) != EK_OK) abort();
    while ((st = ek_event_reader_next(r, &e, &err)) == EK_OK) look_at(&e, &sum);
    if (err.code != st || err.text[0] == '\0') abort();
    ek_event_reader_close(r);
    unlink(path);
    return 0;
}
