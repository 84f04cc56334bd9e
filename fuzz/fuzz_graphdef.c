/* GraphDefs, binary or text as the bytes happen to be: whatever loads saves as it came, and its text means the same. */
#include <string.h>

#include "evenkeel/files.h"
#include "fuzz.h"

/* The graph's text, and what loading that gives as text again. Text that begins with the number of an unknown field can
 * happen to be a binary message of unknown fields, which is then what it is taken for. */
static void round_trip(const ek_graph *g)
{
    ek_error err = { .code = EK_OK };
    void *text, *again;
    size_t n, m;
    ek_graph *back;

    if (ek_graph_save_bytes(g, true, &text, &n, &err) != EK_OK) {
        must(err.code == EK_RESOURCE_EXHAUSTED);
        return;
    }
    const bool sure = n == 0 || *(char *)text < '0' || *(char *)text > '9';
    if (ek_graph_load_bytes(text, n, &back, &err) != EK_OK) {
        must(err.code == EK_RESOURCE_EXHAUSTED || !sure);
    } else {
        if (ek_graph_save_bytes(back, true, &again, &m, &err) == EK_OK)
            must(!sure || (m == n && memcmp(text, again, n) == 0));
        ek_free(again);
        ek_graph_destroy(back);
    }
    ek_free(text);
}

/* Binary bytes load and save as themselves. */
static void same_again(const void *bytes, size_t n)
{
    ek_error err = { .code = EK_OK };
    void *again;
    size_t m;
    ek_graph *g;

    if (ek_graph_load_bytes(bytes, n, &g, &err) != EK_OK) {
        must(err.code == EK_RESOURCE_EXHAUSTED);
        return;
    }
    must(ek_graph_save_bytes(g, false, &again, &m, &err) == EK_OK && m == n && memcmp(bytes, again, n) == 0);
    ek_free(again);
    ek_graph_destroy(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    void *bytes;
    size_t n;
    ek_graph *g;

    fuzz_refuse_large();
    if (ek_graph_load_bytes(data, size, &g, &err) != EK_OK) {
        must(err.code != EK_OK && err.text[0] != '\0');
        return 0;
    }
    must(ek_graph_save_bytes(g, false, &bytes, &n, &err) == EK_OK);
    if (n != size || memcmp(bytes, data, n) != 0) same_again(bytes, n); /* it was text */
    ek_free(bytes);
    round_trip(g);
    ek_graph_destroy(g);
    return 0;
}
