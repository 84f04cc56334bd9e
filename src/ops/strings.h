/* ops/strings.h - what operations on strings share. */
#ifndef EK_OPS_STRINGS_H
#define EK_OPS_STRINGS_H

#include "graph/op.h"

/* Replaces *to by a copy of the bytes; RESOURCE_EXHAUSTED without memory. */
ek_status ek__put_text(ek_string *to, const char *data, size_t size, ek_error *err);

/* Operations that make a string of each string: `one` adds it to an empty buffer. */
typedef ek_status (*ek_text_fn)(const void *state, const ek_string *in, ek_buf *out, ek_error *err);
/* Prepares `one` for every element of input 0. `state` lives as long as the plan. */
ek_status ek__prepare_text(ek_prepare_ctx *c, ek_text_fn one, const void *state);

/* Whether a byte begins a character of UTF-8: every byte that does not continue one counts. */
static inline bool ek__utf8_begins(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

/* What Python's str.split() takes for space: TensorFlow's does so in every locale. */
static inline bool ek__is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

#endif
