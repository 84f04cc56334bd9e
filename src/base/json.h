/* base/json.h - writes JSON into an ek_buf; commas and escapes are its business. */
#ifndef EK_BASE_JSON_H
#define EK_BASE_JSON_H

#include "base/base.h"

typedef struct ek_json {
    ek_buf *out;
    bool comma; /* something precedes on this level */
} ek_json;
void ek__json_open(ek_json *j, char bracket);  /* '{' or '[' */
void ek__json_close(ek_json *j, char bracket); /* '}' or ']' */
void ek__json_key(ek_json *j, const char *key);
void ek__json_string(ek_json *j, const char *s, size_t n); /* invalid UTF-8 becomes U+FFFD */
void ek__json_str(ek_json *j, const char *s);              /* NULL: null */
void ek__json_int(ek_json *j, int64_t v);
void ek__json_double(ek_json *j, double v);                /* NaN and infinities: null */
void ek__json_bool(ek_json *j, bool v);

#endif
