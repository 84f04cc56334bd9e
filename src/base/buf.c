/* base/buf.c - growing byte strings. */
#include "base/base.h"

/* Room for `more` bytes and a NUL. */
static bool make_room(ek_buf *b, size_t more)
{
    if (b->failed) return false;
    if (more > PTRDIFF_MAX - b->size - 1 || !EK_GROW(b->data, b->cap, (int64_t)(b->size + more + 1))) b->failed = true;
    return !b->failed;
}

void ek__buf_add(ek_buf *b, const void *data, size_t size)
{
    if (!make_room(b, size)) return;
    if (size > 0) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void ek__buf_str(ek_buf *b, const char *s)
{
    ek__buf_add(b, s, strlen(s));
}

void ek__buf_printf(ek_buf *b, const char *fmt, ...)
{
    va_list args, again;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) b->failed = true;
    if (n >= 0 && make_room(b, (size_t)n)) {
        vsnprintf(b->data + b->size, (size_t)n + 1, fmt, again);
        b->size += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void ek__buf_fini(ek_buf *b)
{
    ek__free(b->data);
    *b = (ek_buf){ 0 };
}
