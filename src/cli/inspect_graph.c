/* cli/inspect_graph.c - what a graph consists of: evenkeel inspect of a GraphDef, a MetaGraphDef, a SavedModel. */
#include <stdlib.h>

#include "cli/inspect.h"
#include "codec/text.h"
#include "formats/meta.h"

/* A type of operation and how often it occurs. */
typedef struct kind {
    const char *type;
    int64_t count;
    bool known; /* has a definition here */
} kind;

typedef struct kinds {
    kind *at;
    int64_t n, cap;
} kinds;

static int by_count(const void *a, const void *b)
{
    const kind *x = a, *y = b;

    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return strcmp(x->type, y->type);
}

/* The types of a graph, most frequent first; false without memory. */
static bool count_kinds(const ek_graph *g, kinds *k)
{
    ek_map place = { 0 };
    bool ok = true;

    for (int64_t i = 0; ok && i < g->n_nodes; i++) {
        const ek_node *n = ek__node(g, (int32_t)i);
        const int64_t at = ek__map_get(&place, n->type, strlen(n->type), -1);

        if (at >= 0) {
            k->at[at].count++;
            continue;
        }
        ok = EK_GROW(k->at, k->cap, k->n + 1) && ek__map_put(&place, n->type, strlen(n->type), k->n);
        if (ok) k->at[k->n++] = (kind){ n->type, 1, n->spec != NULL };
    }
    ek__map_fini(&place);
    if (k->n > 0) qsort(k->at, (size_t)k->n, sizeof *k->at, by_count);
    return ok;
}

/* ---- variables ------------------------------------------------------------------------------------------ */

/* A variable's dtype as TensorFlow prints it, and its shape: of a reference or behind a handle. */
static bool is_variable(const ek_node *n, ek_dtype *dtype, ek_shape *shape)
{
    const ek_attr_value *type;

    if (strcmp(n->type, "VariableV2") == 0 || strcmp(n->type, "Variable") == 0) {
        type = ek__attr_find(n->attr, n->n_attr, "dtype");
        *dtype = type != NULL && type->kind == EK_ATTR_TYPE ? ek_dtype_ref(type->u.type) : EK_DTYPE_NONE;
    } else if (strcmp(n->type, "VarHandleOp") == 0) {
        type = ek__attr_find(n->attr, n->n_attr, "dtype");
        *dtype = type != NULL && type->kind == EK_ATTR_TYPE ? type->u.type : EK_DTYPE_NONE;
    } else {
        return false;
    }
    type = ek__attr_find(n->attr, n->n_attr, "shape");
    *shape = type != NULL && type->kind == EK_ATTR_SHAPE ? *type->u.shape : EK_UNKNOWN_SHAPE;
    return true;
}

typedef void variable_fn(void *arg, const ek_node *n, ek_dtype dtype, const ek_shape *shape);

static void each_variable(const ek_graph *g, variable_fn *f, void *arg)
{
    ek_dtype dtype;
    ek_shape shape;

    for (int64_t i = 0; i < g->n_nodes; i++)
        if (is_variable(ek__node(g, (int32_t)i), &dtype, &shape)) f(arg, ek__node(g, (int32_t)i), dtype, &shape);
}

static void print_variable(void *arg, const ek_node *n, ek_dtype dtype, const ek_shape *shape)
{
    char text[EK_MAX_RANK * 24];

    EK_UNUSED(arg);
    ek_shape_format(shape, text, sizeof text);
    printf("<tf.Variable '%s:0' shape=%s dtype=%s>\n", n->name, text, ek_dtype_name(dtype));
}

struct json_variables {
    ek_json *j;
    ek_graph *g;
};

static void json_variable(void *arg, const ek_node *n, ek_dtype dtype, const ek_shape *shape)
{
    struct json_variables *all = arg;
    const ek_variable v = ek_variable_by_name(all->g, n->name);
    ek_json *j = all->j;

    ek__json_open(j, '{');
    ek__json_key(j, "name");
    ek__json_str(j, n->name);
    ek__json_key(j, "dtype");
    ek__json_str(j, ek_dtype_name(dtype));
    ek__json_key(j, "shape");
    cli_json_shape(j, shape);
    if (ek_variable_ok(v)) { /* a graph alone does not say */
        ek__json_key(j, "trainable");
        ek__json_bool(j, ek_variable_is_trainable(v));
    }
    ek__json_close(j, '}');
}

static void count_one(void *arg, const ek_node *n, ek_dtype dtype, const ek_shape *shape)
{
    EK_UNUSED(n);
    EK_UNUSED(dtype);
    EK_UNUSED(shape);
    ++*(int64_t *)arg;
}

/* ---- text --------------------------------------------------------------------------------------------------- */

/* Who wrote it and what for, as a MetaGraphDef says. */
static void print_about(const ek_graph *g)
{
    ek_meta_info info;

    if (!ek_graph_meta_info(g, &info)) return;
    if (info.tensorflow_version[0] != '\0') {
        printf("written by: TensorFlow %s", info.tensorflow_version);
        printf(info.tensorflow_git_version[0] != '\0' ? " (%s)\n" : "\n", info.tensorflow_git_version);
    }
    if (info.n_tags > 0) printf("tags:");
    for (int i = 0; i < info.n_tags; i++) printf(" %s%s", info.tags[i], i + 1 < info.n_tags ? "" : "\n");
}

static void print_collection_counts(ek_graph *g)
{
    printf("collections: %d\n", ek_collection_count(g));
    for (int i = 0; i < ek_collection_count(g); i++)
        printf("  %6lld  %s\n", (long long)ek_get_collection(g, ek_collection_key(g, i)).count,
               ek_collection_key(g, i));
}

/* As TensorFlow prints saver_def. False without memory. */
static bool print_saver(const ek_graph *g)
{
    ek_buf text = { 0 };
    ek_error quiet = { .code = EK_OK };
    bool ok;

    if (!ek_graph_saver_def(g, &(ek_saver_def){ 0 })) return true;
    ok = ek__text_print(ek__proto(EK_PROTO_SAVER_DEF), g->meta->saver, 1, &text, &quiet) == EK_OK && !text.failed;
    if (ok) printf("saver:\n%s", text.size > 0 ? text.data : "");
    ek__buf_fini(&text);
    return ok;
}

static bool print_summary(const cli_model *m, const kinds *k, const cli_values *values)
{
    ek_graph *g = m->graph;
    int64_t variables = 0, unknown = 0;

    each_variable(g, count_one, &variables);
    for (int64_t i = 0; i < k->n; i++) unknown += !k->at[i].known;
    print_about(g);
    printf("operations: %lld\n", (long long)g->n_nodes);
    for (int64_t i = 0; i < k->n; i++)
        printf("  %6lld  %s%s\n", (long long)k->at[i].count, k->at[i].type,
               k->at[i].known ? "" : "  (cannot be run by this version)");
    printf("variables: %lld\n", (long long)variables);
    print_collection_counts(g);
    if (!print_saver(g)) return false;
    cli_print_signatures(m);
    printf("can be fed (placeholders; any other tensor too):\n");
    cli_each_feed(g, cli_print_tensor, NULL);
    printf("can be fetched (what nothing else reads; any other tensor too):\n");
    if (!cli_each_fetch(g, cli_print_tensor, NULL)) return false;
    if (unknown > 0) printf("types without a definition: %lld\n", (long long)unknown);
    if (values != NULL) cli_print_norms(values);
    return true;
}

static bool print_ops(ek_graph *g)
{
    for (int64_t i = 0; i < g->n_nodes; i++) {
        char *text = ek_op_repr(ek_graph_op_at(g, i));

        if (text == NULL) return false;
        printf("%s\n", text);
        ek_free(text);
    }
    return true;
}

static bool print_collections(ek_graph *g)
{
    for (int i = 0; i < ek_collection_count(g); i++) {
        char *text = ek_list_repr(ek_get_collection(g, ek_collection_key(g, i)));

        if (text == NULL) return false;
        printf("%s: %s\n", ek_collection_key(g, i), text);
        ek_free(text);
    }
    return true;
}

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

static void json_ops(ek_json *j, const ek_graph *g)
{
    for (int64_t i = 0; i < g->n_nodes; i++) {
        const ek_node *n = ek__node(g, (int32_t)i);

        ek__json_open(j, '{');
        ek__json_key(j, "name");
        ek__json_str(j, n->name);
        ek__json_key(j, "type");
        ek__json_str(j, n->type);
        ek__json_key(j, "inputs");
        ek__json_open(j, '[');
        for (int k = 0; k < n->n_in; k++) {
            char name[1024];

            ek_tensor_name(ek__tensor(g, n->in[k]), name, sizeof name);
            ek__json_str(j, name);
        }
        for (int k = 0; k < n->n_control; k++) {
            char name[1024];

            snprintf(name, sizeof name, "^%s", ek__node(g, n->control[k])->name);
            ek__json_str(j, name);
        }
        ek__json_close(j, ']');
        ek__json_close(j, '}');
    }
}

/* Numbers as numbers, bytes as a string, all else by its name. */
static void json_item(ek_json *j, ek_graph *g, ek_item item)
{
    switch (item.kind) {
    case EK_ITEM_INT: ek__json_int(j, item.u.integer); break;
    case EK_ITEM_FLOAT: ek__json_double(j, item.u.real); break;
    case EK_ITEM_BYTES:
    case EK_ITEM_ANY: ek__json_string(j, item.u.bytes.data, item.u.bytes.size); break;
    default: ek__json_str(j, ek_item_name(g, item));
    }
}

static void json_collections(ek_json *j, ek_graph *g)
{
    for (int i = 0; i < ek_collection_count(g); i++) {
        const ek_list list = ek_get_collection(g, ek_collection_key(g, i));

        ek__json_key(j, ek_collection_key(g, i));
        ek__json_open(j, '[');
        for (int64_t k = 0; k < list.count; k++) json_item(j, g, list.item[k]);
        ek__json_close(j, ']');
    }
}

/* A member for each field; null: the file has no saver. */
static void json_saver(ek_json *j, const ek_graph *g)
{
    ek_saver_def s;

    ek__json_key(j, "saver");
    if (!ek_graph_saver_def(g, &s)) {
        ek__json_str(j, NULL);
        return;
    }
    ek__json_open(j, '{');
    ek__json_key(j, "filename_tensor_name");
    ek__json_str(j, s.filename_tensor_name);
    ek__json_key(j, "save_tensor_name");
    ek__json_str(j, s.save_tensor_name);
    ek__json_key(j, "restore_op_name");
    ek__json_str(j, s.restore_op_name);
    ek__json_key(j, "max_to_keep");
    ek__json_int(j, s.max_to_keep);
    ek__json_key(j, "sharded");
    ek__json_bool(j, s.sharded);
    ek__json_key(j, "keep_checkpoint_every_n_hours");
    ek__json_double(j, (double)s.keep_checkpoint_every_n_hours);
    ek__json_key(j, "version");
    ek__json_int(j, s.version);
    ek__json_close(j, '}');
}

/* What only a MetaGraphDef says. */
static void json_about(ek_json *j, const ek_graph *g)
{
    ek_meta_info info;

    if (!ek_graph_meta_info(g, &info)) return;
    ek__json_key(j, "tensorflow_version");
    ek__json_str(j, info.tensorflow_version);
    ek__json_key(j, "tags");
    ek__json_open(j, '[');
    for (int i = 0; i < info.n_tags; i++) ek__json_str(j, info.tags[i]);
    ek__json_close(j, ']');
    json_saver(j, g);
}

static void json_summary(ek_json *j, ek_graph *g, const kinds *k)
{
    json_about(j, g);
    ek__json_key(j, "operations");
    ek__json_int(j, g->n_nodes);
    ek__json_key(j, "types");
    ek__json_open(j, '{');
    for (int64_t i = 0; i < k->n; i++) {
        ek__json_key(j, k->at[i].type);
        ek__json_int(j, k->at[i].count);
    }
    ek__json_close(j, '}');
    ek__json_key(j, "types_without_definition");
    ek__json_open(j, '[');
    for (int64_t i = 0; i < k->n; i++)
        if (!k->at[i].known) ek__json_str(j, k->at[i].type);
    ek__json_close(j, ']');
    ek__json_key(j, "feeds");
    ek__json_open(j, '[');
    cli_each_feed(g, cli_json_tensor, j);
    ek__json_close(j, ']');
    ek__json_key(j, "fetches");
    ek__json_open(j, '[');
    if (!cli_each_fetch(g, cli_json_tensor, j)) j->out->failed = true;
    ek__json_close(j, ']');
}

/* Nothing in particular was asked for. */
static bool wants_summary(const cli_args *args)
{
    return !cli_has(args, CLI_OPS) && !cli_has(args, CLI_VARIABLES) && !cli_has(args, CLI_COLLECTIONS) &&
           !cli_has(args, CLI_SITES);
}

/* Everything that was asked for, as members of one object. */
static int print_json(const cli_args *args, const cli_model *m, const kinds *k, const cli_values *values)
{
    ek_graph *g = m->graph;
    ek_buf out = { 0 };
    ek_json j = { .out = &out };
    const bool summary = wants_summary(args);
    int status = CLI_DONE;

    ek__json_open(&j, '{');
    if (summary) json_summary(&j, g, k);
    if (cli_has(args, CLI_OPS)) {
        ek__json_key(&j, "ops");
        ek__json_open(&j, '[');
        json_ops(&j, g);
        ek__json_close(&j, ']');
    }
    if (summary || cli_has(args, CLI_VARIABLES)) {
        ek__json_key(&j, "variables");
        ek__json_open(&j, '[');
        each_variable(g, json_variable, &(struct json_variables){ &j, g });
        ek__json_close(&j, ']');
    }
    if (summary || cli_has(args, CLI_COLLECTIONS)) {
        ek__json_key(&j, "collections");
        ek__json_open(&j, '{');
        json_collections(&j, g);
        ek__json_close(&j, '}');
    }
    if (cli_has(args, CLI_SITES)) {
        ek__json_key(&j, "sites");
        status = cli_json_sites(args, g, &j);
    }
    if (summary) cli_json_signatures(&j, m);
    if (summary && values != NULL) cli_json_norms(&j, values);
    ek__json_close(&j, '}');
    if (status == CLI_DONE && out.failed) status = cli_no_memory(args->command);
    if (status == CLI_DONE) printf("%s\n", out.data);
    ek__buf_fini(&out);
    return status;
}

static int print_text(const cli_args *args, const cli_model *m, const kinds *k, const cli_values *values)
{
    ek_graph *g = m->graph;
    bool ok = true;

    if (wants_summary(args)) ok = print_summary(m, k, values);
    if (ok && cli_has(args, CLI_OPS)) ok = print_ops(g);
    if (cli_has(args, CLI_VARIABLES)) each_variable(g, print_variable, NULL);
    if (ok && cli_has(args, CLI_COLLECTIONS)) ok = print_collections(g);
    if (!ok) return cli_no_memory(args->command);
    return cli_has(args, CLI_SITES) ? cli_print_sites(args, g) : CLI_DONE;
}

int cli_inspect_graph(const cli_args *args, const cli_model *m, const cli_values *values)
{
    kinds k = { 0 };
    int status = CLI_FAILED;

    if (!count_kinds(m->graph, &k)) {
        status = cli_no_memory(args->command);
    } else {
        status = cli_has(args, CLI_JSON) ? print_json(args, m, &k, values) : print_text(args, m, &k, values);
    }
    ek__free(k.at);
    return status;
}
