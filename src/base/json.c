/* base/json.c - JSON into a buffer. */
#include "base/json.h"

#include <math.h>

static void separate(ek_json *j)
{
    if (j->comma) ek__buf_str(j->out, ", ");
    j->comma = true;
}

void ek__json_open(ek_json *j, char bracket)
{
    separate(j);
    ek__buf_add(j->out, &bracket, 1);
    j->comma = false;
}

void ek__json_close(ek_json *j, char bracket)
{
    ek__buf_add(j->out, &bracket, 1);
    j->comma = true;
}

/* Length of the valid UTF-8 character at s, 0 where there is none (overlong forms, surrogates, beyond U+10FFFF). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    const unsigned char c = s[0];
    const size_t length = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

    if (length == 0 || length > n) return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] >= 0xa0)) return 0;
    if ((c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] >= 0x90)) return 0;
    return length;
}

static void quoted(ek_buf *out, const char *s, size_t n)
{
    static const char escapes[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };

    ek__buf_str(out, "\"");
    for (size_t i = 0, length; i < n; i += length) {
        const unsigned char c = (unsigned char)s[i];

        length = utf8_length((const unsigned char *)s + i, n - i);
        if (length == 0) {
            ek__buf_str(out, "\xef\xbf\xbd");
            length = 1;
        } else if (c == '"' || c == '\\') {
            ek__buf_printf(out, "\\%c", c);
        } else if (c < sizeof escapes && escapes[c] != 0) {
            ek__buf_printf(out, "\\%c", escapes[c]);
        } else if (c < 0x20 || c == 0x7f) {
            ek__buf_printf(out, "\\u%04x", c);
        } else {
            ek__buf_add(out, s + i, length);
        }
    }
    ek__buf_str(out, "\"");
}

void ek__json_key(ek_json *j, const char *key)
{
    separate(j);
    quoted(j->out, key, strlen(key));
    ek__buf_str(j->out, ": ");
    j->comma = false;
}

void ek__json_string(ek_json *j, const char *s, size_t n)
{
    separate(j);
    quoted(j->out, s, n);
}

void ek__json_str(ek_json *j, const char *s)
{
    separate(j);
    if (s == NULL) {
        ek__buf_str(j->out, "null");
    } else {
        quoted(j->out, s, strlen(s));
    }
}

void ek__json_int(ek_json *j, int64_t v)
{
    separate(j);
    ek__buf_printf(j->out, "%lld", (long long)v);
}

void ek__json_double(ek_json *j, double v)
{
    char text[40];

    separate(j);
    if (!isfinite(v)) {
        ek__buf_str(j->out, "null");
        return;
    }
    ek__format_double(text, v);
    ek__buf_str(j->out, text);
}

void ek__json_bool(ek_json *j, bool v)
{
    separate(j);
    ek__buf_str(j->out, v ? "true" : "false");
}
