/* saver/path.c - see path.h. */
#include "saver/path.h"

#include <unistd.h>

void ek__path_dirname(ek_buf *out, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) + 1 : 0, kept = n;

    while (kept > 0 && path[kept - 1] == '/') kept--;
    ek__buf_add(out, path, kept > 0 ? kept : n); /* "//" stays what it is */
}

void ek__path_join(ek_buf *out, const char *dir, const char *path)
{
    const size_t n = strlen(dir);

    if (!ek__path_is_absolute(path)) {
        ek__buf_add(out, dir, n);
        if (n > 0 && dir[n - 1] != '/') ek__buf_str(out, "/");
    }
    ek__buf_str(out, path);
}

/* The path from the root without "." and "..": "/a/b", "" being the root. */
static void absolute(ek_buf *out, const char *path)
{
    ek_buf whole = { .data = NULL };
    char here[4096];

    if (!ek__path_is_absolute(path)) ek__path_join(&whole, getcwd(here, sizeof here) != NULL ? here : "/", path);
    else ek__buf_str(&whole, path);
    for (const char *at = whole.failed ? "" : whole.data; *at != '\0';) {
        const size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.') {
            while (out->size > 0 && out->data[--out->size] != '/') {}
        } else if (n > 0 && !(n == 1 && at[0] == '.')) {
            ek__buf_str(out, "/");
            ek__buf_add(out, at, n);
        }
        at += n + (at[n] == '/');
    }
    if (whole.failed) out->failed = true;
    ek__buf_add(out, "", 0);
    ek__buf_fini(&whole);
}

void ek__path_relative(ek_buf *out, const char *path, const char *start)
{
    ek_buf a = { .data = NULL }, b = { .data = NULL };
    size_t common = 0;

    absolute(&a, path);
    absolute(&b, start);
    if (a.failed || b.failed) {
        out->failed = true;
    } else {
        const char *to = a.size > 0 ? a.data : "", *from = b.size > 0 ? b.data : "";
        for (size_t i = 0; i <= a.size && i <= b.size; i++) {
            if ((i == a.size || to[i] == '/') && (i == b.size || from[i] == '/')) common = i;
            if (i < a.size && i < b.size && to[i] != from[i]) break;
        }
        const size_t before = out->size;
        for (size_t i = common; i < b.size; i++)
            if (from[i] == '/') ek__buf_str(out, out->size > before ? "/.." : "..");
        if (common < a.size) {
            if (out->size > before) ek__buf_str(out, "/");
            ek__buf_add(out, to + common + 1, a.size - common - 1);
        }
        if (out->size == before) ek__buf_str(out, ".");
    }
    ek__buf_fini(&a);
    ek__buf_fini(&b);
}

static bool is_of(char c, bool wild) { return (c >= '0' && c <= '9') || (wild && c == '?'); }

void ek__path_of_meta(ek_buf *out, const char *prefix)
{
    size_t n = strlen(prefix), at = n;

    while (at > 0 && is_of(prefix[at - 1], false)) at--;
    if (at < n && at >= 4 && memcmp(prefix + at - 4, "-of-", 4) == 0) {
        size_t shard = at - 4;
        while (shard > 0 && is_of(prefix[shard - 1], true)) shard--;
        if (shard < at - 4 && shard > 0 && prefix[shard - 1] == '-') n = shard - 1;
    }
    ek__buf_add(out, prefix, n);
    ek__buf_str(out, ".meta");
}
