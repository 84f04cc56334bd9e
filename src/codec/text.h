/* codec/text.h - protobuf's text form, to and from wire bytes, over the descriptors of proto/.
 *
 * There is one reader of messages, that of wire bytes: text becomes wire bytes first.
 */
#ifndef EK_CODEC_TEXT_H
#define EK_CODEC_TEXT_H

#include "codec/wire.h"

/* Parses `size` characters as one message of `type` and appends its wire bytes. Accepts what protobuf accepts: comments,
 * '<' '>' for braces, ';' or ',' after fields, adjacent string literals, lists in brackets, hexadecimal and octal
 * numbers, inf and nan, enum values by number. Numeric names are unknown fields, as ek__text_print writes them.
 * Errors  INVALID_ARGUMENT "line:column: what is wrong"; RESOURCE_EXHAUSTED: nested too deep, or no memory. */
ek_status ek__text_parse(const ek_proto *type, const char *text, size_t size, ek_buf *out, ek_error *err);

/* Appends `message` as TensorFlow prints it: a field a line, two spaces a level beginning with `indent` levels, maps
 * sorted by key, shortest floats, names of enum values. Unknown fields follow the known ones under their numbers.
 * Errors  DATA_LOSS where the bytes are damaged; RESOURCE_EXHAUSTED. */
ek_status ek__text_print(const ek_proto *type, ek_span message, int indent, ek_buf *out, ek_error *err);

#endif
