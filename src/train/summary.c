/* train/summary.c - tf.summary: the nodes. What they compute is in ops/summarize.c. */
#include "codec/summary.h"
#include "evenkeel/summary.h"
#include "train/train.h"

enum { MOST_NAME = 400 };

/* ---- names ------------------------------------------------------------------------------------------------- */

static bool allowed(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '/';
}

/* TensorFlow's clean_tag: '_' for each character that is not allowed, nothing for '/' at the beginning. */
static bool clean(ek_graph *g, const char *name, char out[MOST_NAME], ek_where where)
{
    size_t n = 0;

    while (name != NULL && *name == '/') name++;
    for (const char *p = name; p != NULL && *p != '\0' && n < MOST_NAME - 1; p++)
        if (((unsigned char)*p & 0xc0) != 0x80) out[n++] = allowed(*p) ? *p : '_'; /* one for all bytes of a character */
    out[n] = '\0';
    if (n > 0 && n < MOST_NAME - 1) return true;
    ek__graph_fail(g, where, EK_INVALID_ARGUMENT, n == 0 ? "a summary needs a name"
                   : "the name of a summary is longer than %d characters",
                   MOST_NAME - 2);
    return false;
}

/* ---- one value ----------------------------------------------------------------------------------------------- */

/* A kind of summary: its type and what it has besides tag and value. */
typedef struct kind {
    const char *type, *who;
    bool images;
    const char *metadata; /* an operand more; NULL: none */
} kind;

/* Inside its scope: the tag is the scope's name. */
static ek_tensor build(ek_graph *g, const kind *k, const char *family, const ek_summary_options *o, ek_where where)
{
    char tag[2 * MOST_NAME];
    const char *scope = ek_name_scope(g);
    const int n = (int)strlen(scope) - 1;

    snprintf(tag, sizeof tag, "%s%s%.*s", family, family[0] != '\0' ? "/" : "", n > 0 ? n : 0, scope);
    const ek_operand in[] = { ek_operand_of_string(tag), o->x, ek_operand_of_string(k->metadata) };
    return ek__call_tensor(&(ek_call){ .graph = g, .type = k->type, .name = scope, .in = in,
                                       .n_in = k->metadata != NULL ? 3 : 2,
                                       .attr = &EK_ATTR_I("max_images",
                                                          o->max_outputs), .n_attr = k->images, .where = where });
}

static ek_tensor summary(const kind *k, const char *name, const ek_summary_options *o, ek_where where)
{
    ek_graph *g = ek__operand_graph(&o->x, 1);
    char tag[MOST_NAME], family[MOST_NAME] = "", base[2 * MOST_NAME];
    ek_tensor y = ek__dead(g);

    if (g == NULL) {
        ek__graph_fail(NULL, where, EK_INVALID_ARGUMENT, "%s needs a tensor or a variable", k->who);
        return y;
    }
    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK || !clean(g, name, tag, where)) return y;
    if (o->family != NULL && !clean(g, o->family, family, where)) return y;
    snprintf(base, sizeof base, "%s%s%s", family, family[0] != '\0' ? "/" : "", tag);
    EK_IN_SCOPE(ek_name_scope_push(g, base, where)) y = build(g, k, family, o, where);
    if (ek_tensor_ok(y) && o->collection != NULL)
        ek_add_item_to_collection(g, o->collection, ek_item_of_tensor(y), where);
    return y;
}

ek_tensor ek_summary_scalar_with(const char *name, const ek_summary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return summary(&(kind){ .type = "ScalarSummary", .who = "ek_summary_scalar" }, name, o, where);
}

ek_tensor ek_summary_histogram_with(const char *name, const ek_summary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return summary(&(kind){ .type = "HistogramSummary", .who = "ek_summary_histogram" }, name, o, where);
}

ek_tensor ek_summary_image_with(const char *name, const ek_summary_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return summary(&(kind){ .type = "ImageSummary", .who = "ek_summary_image", .images = true }, name, o, where);
}

ek_tensor ek_summary_text_with(const char *name, const ek_summary_options *o, ek_where where)
{
    ek_graph *g;
    ek_dtype dtype;

    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    g = ek__operand_graph(&o->x, 1);
    dtype = ek__operand_dtype(&o->x);
    if (g != NULL && g->error.code == EK_OK && dtype != EK_DTYPE_NONE && dtype != EK_STRING) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Expected tensor of summary %s to have dtype string, got %s",
                       name != NULL ? name : "", ek_dtype_name(dtype));
        return ek__dead(g);
    }
    return summary(&(kind){ .type = "TensorSummaryV2", .who = "ek_summary_text", .metadata = EK_TEXT_METADATA }, name,
                   o, where);
}

/* ---- many ------------------------------------------------------------------------------------------------------ */

static ek_tensor merge(ek_graph *g, ek_list inputs, const ek_summary_merge_options *o, ek_where where)
{
    ek_tensor *in = ek__calloc((size_t)inputs.count, sizeof *in), y = ek__dead(g);

    for (int64_t i = 0; in != NULL && i < inputs.count; i++) in[i] = ek_list_tensor(inputs, i);
    if (in == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a list of summaries");
    for (int64_t i = 0; in != NULL && i < inputs.count; i++) {
        if (ek__tensor_in(g, in[i])) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "item %lld of the summaries to merge is no live tensor of this graph", (long long)i);
        ek__free(in);
        return y;
    }
    if (in != NULL) {
        EK_IN_SCOPE(ek_name_scope_push(g, ek__name_or(o->name, "Merge"), where))
            y = ek__node_tensor(g, &(ek_node_args){ .type = "MergeSummary", .in = in, .n_in = (int)inputs.count,
                                                    .name = ek__name_or(o->name, "MergeSummary"), .where = where });
    }
    ek__free(in);
    if (ek_tensor_ok(y) && o->collection != NULL)
        ek_add_item_to_collection(g, o->collection, ek_item_of_tensor(y), where);
    return y;
}

ek_tensor ek_summary_merge_with(const ek_summary_merge_options *o, ek_where where)
{
    ek_graph *g;

    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    g = o->inputs.graph;
    if (g == NULL && o->inputs.count > 0 && o->inputs.item != NULL && o->inputs.item[0].kind == EK_ITEM_TENSOR)
        g = o->inputs.item[0].u.tensor.graph;
    if (g == NULL || o->inputs.count < 1 || o->inputs.count > INT32_MAX) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "ek_summary_merge needs summaries: string tensors");
        return ek__dead(g);
    }
    if (!EK_GRAPH_OK(g, where) || !EK_ITEMS_OK(g, o->inputs, where) || g->error.code != EK_OK) return ek__dead(g);
    return merge(g, o->inputs, o, where);
}

ek_tensor ek_summary_merge_all_with(ek_graph *g, const ek_summary_merge_options *o, ek_where where)
{
    ek_list all;

    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where) || g->error.code != EK_OK) return ek__dead(g);
    all = o->scope != NULL ? ek_get_collection_scope(g, o->key, o->scope) : ek_get_collection(g, o->key);
    if (all.count == 0 || g->error.code != EK_OK) return ek__dead(g);
    return merge(g, all, o, where);
}
