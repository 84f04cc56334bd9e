/* The text form: what parses is sound in wire form, prints, and the print parses to the same. */

#include "codec/text.h"
#include "fuzz.h"

static ek_span span_of(const ek_buf *b) { return (ek_span){ (const uint8_t *)b->data, b->size }; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ek_proto *type = ek__proto(size > 0 && data[0] == '!' ? EK_PROTO_META_GRAPH_DEF : EK_PROTO_GRAPH_DEF);
    const size_t skipped = size > 0 && data[0] == '!';
    ek_buf wire = { .data = NULL }, text = { .data = NULL }, wire2 = { .data = NULL }, text2 = { .data = NULL };
    ek_error err = { .code = EK_OK };

    if (ek__text_parse(type, (const char *)data + skipped, size - skipped, &wire, &err) == EK_OK) {
        must(ek__wire_check(type, span_of(&wire), NULL, &err) == EK_OK);
        must(ek__text_print(type, span_of(&wire), 0, &text, &err) == EK_OK);
        must(ek__text_parse(type, text.data, text.size, &wire2, &err) == EK_OK);
        must(ek__text_print(type, span_of(&wire2), 0, &text2, &err) == EK_OK);
        must(text.size == text2.size && (text.size == 0 || memcmp(text.data, text2.data, text.size) == 0));
    } else {
        must(err.code != EK_OK && err.text[0] != '\0');
    }
    ek__buf_fini(&wire);
    ek__buf_fini(&text);
    ek__buf_fini(&wire2);
    ek__buf_fini(&text2);
    return 0;
}
