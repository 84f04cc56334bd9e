/* tests/support/meta.c - see meta.h. */
#include "support/meta.h"

#include <stdlib.h>

#include "codec/fields.h"
#include "codec/text.h"
#include "support/fields.h"

typedef struct parts {
    ek_span at[4096];
    int n;
} parts;

static bool print(ek_proto_id type, ek_span message, ek_buf *out)
{
    return ek__text_print(ek__proto(type), message, 0, out, NULL) == EK_OK;
}

static int compare_lines(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* Neighbouring lines "values: ..." sorted. */
static void sort_values(char *text)
{
    static char *line[1 << 16];
    int n = 0, from = 0;

    for (char *p = strtok(text, "\n"); p != NULL && n < (1 << 16); p = strtok(NULL, "\n")) line[n++] = p;
    for (int i = 0; i <= n; i++) {
        const bool value = i < n && strncmp(line[i] + strspn(line[i], " "), "values: ", 8) == 0;
        if (value) continue;
        if (i > from) qsort(&line[from], (size_t)(i - from), sizeof *line, compare_lines);
        from = i + 1;
    }
    /* The lines lie in one block: written anew in their order. */
    size_t room = 1;
    for (int i = 0; i < n; i++) room += strlen(line[i]) + 1;
    char *copy = malloc(room), *at = copy;
    for (int i = 0; i < n; i++) at += sprintf(at, "%s\n", line[i]);
    *at = '\0';
    strcpy(text, copy);
    free(copy);
}

static bool print_item(const char *key, ek_span s, ek_buf *out)
{
    static const struct { const char *key; ek_proto_id type; } message[] = {
        { "variables", EK_PROTO_VARIABLE_DEF }, { "trainable_variables", EK_PROTO_VARIABLE_DEF },
        { "local_variables", EK_PROTO_VARIABLE_DEF }, { "model_variables", EK_PROTO_VARIABLE_DEF },
        { "metric_variables", EK_PROTO_VARIABLE_DEF }, { "moving_average_variables", EK_PROTO_VARIABLE_DEF },
        { "global_step", EK_PROTO_VARIABLE_DEF }, { "cond_context", EK_PROTO_COND_CONTEXT },
        { "while_context", EK_PROTO_WHILE_CONTEXT }, { "savers", EK_PROTO_SAVER_DEF },
    };
    ek_buf text = { .data = NULL };
    bool ok = true;

    for (int i = 0; i < EK_COUNT_OF(message); i++) {
        if (strcmp(message[i].key, key) != 0) continue;
        ok = print(message[i].type, s, &text);
        if (ok && text.size > 0) sort_values(text.data);
        ek__buf_str(out, "item\n");
        if (ok && text.size > 0) ek__buf_str(out, text.data);
        ek__buf_fini(&text);
        return ok;
    }
    ek__buf_str(out, "item ");
    ek__buf_add(out, s.at, s.size);
    ek__buf_str(out, "\n");
    return true;
}

static bool print_collection(ek_span entry, ek_buf *out)
{
    const ek_span key = last_field(entry, EK_F_ENTRY_KEY), value = last_field(entry, EK_F_ENTRY_VALUE);
    char name[256];
    ek_wire w, list;
    ek_wire_field f, item;
    bool ok = true;

    snprintf(name, sizeof name, "%.*s", (int)key.size, (const char *)key.at);
    w = ek__wire_open(value, NULL, NULL);
    while (ok && ek__wire_next(&w, &f)) {
        ek__buf_printf(out, "collection %s, list %d\n", name, (int)f.number);
        list = ek__wire_open(f.bytes, NULL, NULL);
        while (ok && ek__wire_next(&list, &item)) ok = print_item(f.number == EK_F_COLLECTION_BYTES_LIST ? name : "", item.bytes, out);
    }
    return ok;
}

static int compare_entries(const void *a, const void *b)
{
    const ek_span x = last_field(*(const ek_span *)a, EK_F_ENTRY_KEY), y = last_field(*(const ek_span *)b, EK_F_ENTRY_KEY);
    const int order = memcmp(x.at, y.at, x.size < y.size ? x.size : y.size);

    return order != 0 ? order : x.size < y.size ? -1 : x.size > y.size;
}

static bool print_info(ek_span info, ek_buf *out)
{
    ek_wire w = ek__wire_open(info, NULL, NULL), ops;
    ek_wire_field f, op;

    while (ek__wire_next(&w, &f)) {
        ops = ek__wire_open(f.bytes, NULL, NULL);
        while (f.number == EK_F_INFO_OPS && ek__wire_next(&ops, &op)) {
            const ek_span name = last_field(op.bytes, EK_F_OP_NAME);
            ek__buf_printf(out, "op %.*s\n", (int)name.size, (const char *)name.at);
        }
        if (f.number == EK_F_INFO_OPS || f.number == EK_F_INFO_TF_GIT_VERSION) continue;
        ek__buf_printf(out, "info %d %lld %.*s\n", (int)f.number, (long long)f.value, (int)f.bytes.size, (const char *)f.bytes.at);
    }
    return true;
}

static bool gather(ek_span meta, uint32_t number, parts *out)
{
    ek_wire w = ek__wire_open(meta, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f))
        if (f.number == number && out->n < EK_COUNT_OF(out->at)) out->at[out->n++] = f.bytes;
    if (out->n > 0) qsort(out->at, (size_t)out->n, sizeof *out->at, compare_entries);
    return w.status == EK_OK;
}

static bool print_collections(ek_span meta, const char *but, ek_buf *out)
{
    parts *p = calloc(1, sizeof *p);
    bool ok = p != NULL && gather(meta, EK_F_META_COLLECTION, p);

    for (int i = 0; ok && i < p->n; i++) {
        const ek_span key = last_field(p->at[i], EK_F_ENTRY_KEY);
        if (but == NULL || key.size != strlen(but) || memcmp(key.at, but, key.size) != 0) ok = print_collection(p->at[i], out);
    }
    free(p);
    return ok;
}

static bool print_signatures(ek_span meta, ek_buf *out)
{
    parts *p = calloc(1, sizeof *p);
    bool ok = p != NULL && gather(meta, EK_F_META_SIGNATURE, p);

    for (int i = 0; ok && i < p->n; i++) {
        const ek_span key = last_field(p->at[i], EK_F_ENTRY_KEY);
        ek__buf_printf(out, "signature %.*s\n", (int)key.size, (const char *)key.at);
        ok = print(EK_PROTO_SIGNATURE_DEF, last_field(p->at[i], EK_F_ENTRY_VALUE), out);
    }
    free(p);
    return ok;
}

bool meta_canonical(ek_span meta, ek_buf *out)
{
    ek_wire w = ek__wire_open(meta, NULL, NULL);
    ek_wire_field f;
    bool ok = true;

    while (ok && ek__wire_next(&w, &f)) {
        if (f.number == EK_F_META_INFO) ok = print_info(f.bytes, out);
        else if (f.number != EK_F_META_COLLECTION && f.number != EK_F_META_SIGNATURE) ok = print(EK_PROTO_META_GRAPH_DEF, f.whole, out);
    }
    return ok && print_signatures(meta, out) && print_collections(meta, NULL, out) && !out->failed;
}

static void show_difference(const char *name, const char *a, const char *b)
{
    size_t at = 0, from = 0;

    while (a[at] != '\0' && a[at] == b[at]) at++;
    for (size_t i = 0, lines = 0; i < at; i++)
        if (a[at - 1 - i] == '\n' && ++lines == 8) {
            from = at - i;
            break;
        }
    fprintf(stderr, "%s: differs. Wanted:\n%.1500s\n----- found:\n%.1500s\n", name, a + from, b + from);
}

static bool same_text(const char *name, bool printed, ek_buf *a, ek_buf *b)
{
    const bool same = printed && a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);

    if (!printed) fprintf(stderr, "%s: cannot be printed\n", name);
    else if (!same) show_difference(name, a->size > 0 ? a->data : "", b->size > 0 ? b->data : "");
    ek__buf_fini(a);
    ek__buf_fini(b);
    return same;
}

/* ---- shapes of which one knows more ------------------------------------------------------------------------- */

static const char *next_line(const char *at) { return strchr(at, '\n') + 1; }
static bool line_is(const char *at, const char *text)
{
    at += strspn(at, " ");
    return strncmp(at, text, strlen(text)) == 0 && at[strlen(text)] == '\n';
}
static bool same_line(const char *a, const char *b)
{
    const ptrdiff_t n = next_line(a) - a;
    return n == next_line(b) - b && memcmp(a, b, (size_t)n) == 0;
}

/* Walks over two texts at once, in which every line ends. */
static bool same_lines(const char *a, const char *b)
{
    bool shapes = false;

    while (*a != '\0' && *b != '\0') {
        if (shapes && line_is(a, "unknown_rank: true")) {
            const size_t depth = strspn(a, " ");
            a = next_line(a);
            while (strspn(b, " ") >= depth) b = next_line(b);
            continue;
        }
        if (!same_line(a, b) && !(shapes && line_is(a, "size: -1") && strspn(a, " ") == strspn(b, " "))) return false;
        if (strncmp(a + strspn(a, " "), "key: ", 5) == 0) shapes = line_is(a, "key: \"_output_shapes\"");
        a = next_line(a);
        b = next_line(b);
    }
    return *a == *b;
}

bool meta_same_or_knows_more(const char *name, ek_span want, ek_span found)
{
    ek_buf a = { .data = NULL }, b = { .data = NULL };
    const bool printed = meta_canonical(want, &a) && meta_canonical(found, &b) && a.size > 0 && b.size > 0;
    const bool same = printed && same_lines(a.data, b.data);

    if (!same) return same_text(name, printed, &a, &b);
    ek__buf_fini(&a);
    ek__buf_fini(&b);
    return true;
}

bool meta_same_collections(const char *name, ek_span want, ek_span found, const char *but)
{
    ek_buf a = { .data = NULL }, b = { .data = NULL };
    const bool printed = print_collections(want, but, &a) && print_collections(found, but, &b);

    return same_text(name, printed, &a, &b);
}

bool meta_same(const char *name, ek_span want, ek_span found)
{
    ek_buf a = { .data = NULL }, b = { .data = NULL };
    const bool printed = meta_canonical(want, &a) && meta_canonical(found, &b);

    return same_text(name, printed, &a, &b);
}
