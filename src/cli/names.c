/* cli/names.c - names in a graph: tensors by name, what can be fed and fetched, printed. */
#include "cli/commands.h"

/* ---- names ----------------------------------------------------------------------------------------- */

static const char *alias_name(const void *aliases, int64_t i)
{
    return ((const cli_aliases *)aliases)->at[i].key;
}

static const char *op_name(const void *graph, int64_t i)
{
    return ek_op_name(ek_graph_op_at(graph, i));
}

/* The name without ":N" and "^", in buf. */
static const char *bare(const char *name, char *buf, size_t size)
{
    char *colon;

    snprintf(buf, size, "%s", name[0] == '^' ? name + 1 : name);
    colon = strrchr(buf, ':');
    if (colon != NULL && colon[1] != '\0' && colon[1 + strspn(colon + 1, "0123456789")] == '\0') *colon = '\0';
    return buf;
}

/* What a signature calls it. */
static bool find_alias(const cli_aliases *aliases, const char *name, ek_tensor *t)
{
    for (int i = 0; aliases != NULL && i < aliases->n; i++) {
        if (strcmp(aliases->at[i].key, name) != 0 || !ek_tensor_ok(aliases->at[i].tensor)) continue;
        *t = aliases->at[i].tensor;
        return true;
    }
    return false;
}

bool cli_find_named(const cli_args *args, ek_graph *g, const cli_aliases *aliases, const char *name, ek_tensor *t,
                    ek_op *op)
{
    char buf[1024];
    ek_op found;

    if (op != NULL) *op = (ek_op){ g, -1 };
    if (find_alias(aliases, name, t)) return true;
    if (strchr(name, ':') == NULL && ek_graph_op_by_name(g, name, &found) == EK_OK) {
        if (op != NULL) *op = found;
        *t = ek_op_output(found, 0);
        if (ek_op_output_count(found) > 0) return true;
        *t = (ek_tensor){ g, -1, 0 };
        if (op != NULL) return true;
        cli_complain(args->command, "'%s' is an operation without outputs: there is nothing to feed", name);
        return false;
    }
    if (strchr(name, ':') != NULL && ek_graph_tensor_by_name(g, name, t) == EK_OK) return true;
    cli_complain(args->command, "%s", ek_last_error()->text);
    const char *near = aliases != NULL ? cli_nearest(name, aliases->n, alias_name, aliases) : NULL;
    (void)bare(name, buf, sizeof buf);
    if (near == NULL) near = cli_nearest(buf, ek_graph_op_count(g), op_name, g);
    if (near != NULL && strcmp(near, buf) != 0) fprintf(stderr, "    did you mean '%s'?\n", near);
    return false;
}

/* ---- what can be fed and fetched ------------------------------------------------------------------------ */

static bool is_placeholder(const char *type)
{
    return strcmp(type, "Placeholder") == 0 || strcmp(type, "PlaceholderWithDefault") == 0 ||
           strcmp(type, "PlaceholderV2") == 0;
}

void cli_each_feed(ek_graph *g, cli_each_fn *f, void *arg)
{
    for (int64_t i = 0; i < ek_graph_op_count(g); i++) {
        const ek_op op = ek_graph_op_at(g, i);

        if (is_placeholder(ek_op_type(op)) && ek_op_output_count(op) > 0) f(arg, ek_op_output(op, 0));
    }
}

bool cli_each_fetch(ek_graph *g, cli_each_fn *f, void *arg)
{
    const int64_t n = ek_graph_op_count(g);
    bool *read = ek__calloc((size_t)n + 1, 1);

    if (read == NULL) return false;
    for (int64_t i = 0; i < n; i++) {
        const ek_op op = ek_graph_op_at(g, i);

        for (int k = 0; k < ek_op_input_count(op); k++) read[ek_op_input(op, k).op] = true;
        for (int k = 0; k < ek_op_control_input_count(op); k++) read[ek_op_control_input(op, k).id] = true;
    }
    for (int64_t i = 0; i < n; i++) {
        const ek_op op = ek_graph_op_at(g, i);

        for (int k = 0; !read[i] && !is_placeholder(ek_op_type(op)) && k < ek_op_output_count(op); k++)
            f(arg, ek_op_output(op, k));
    }
    ek__free(read);
    return true;
}

void cli_print_tensor(void *unused, ek_tensor t)
{
    const ek_shape shape = ek_tensor_shape(t);
    char name[1024], text[EK_MAX_RANK * 24];

    EK_UNUSED(unused);
    ek_tensor_name(t, name, sizeof name);
    ek_shape_format(&shape, text, sizeof text);
    printf("  %s  %s  %s\n", name, ek_dtype_name(ek_tensor_dtype(t)), text);
}

void cli_json_member(ek_json *j, const char *key, const char *value)
{
    ek__json_key(j, key);
    ek__json_str(j, value);
}

void cli_json_number(ek_json *j, const char *key, int64_t value)
{
    ek__json_key(j, key);
    ek__json_int(j, value);
}

void cli_json_shape(ek_json *j, const ek_shape *shape)
{
    if (shape->rank < 0) {
        ek__json_str(j, NULL);
        return;
    }
    ek__json_open(j, '[');
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0) {
            ek__json_str(j, NULL);
        } else {
            ek__json_int(j, shape->dim[i]);
        }
    }
    ek__json_close(j, ']');
}

void cli_json_tensor_members(ek_json *j, ek_tensor t)
{
    const ek_shape shape = ek_tensor_shape(t);
    char name[1024];

    ek_tensor_name(t, name, sizeof name);
    ek__json_key(j, "name");
    ek__json_str(j, name);
    ek__json_key(j, "dtype");
    ek__json_str(j, ek_dtype_name(ek_tensor_dtype(t)));
    ek__json_key(j, "shape");
    cli_json_shape(j, &shape);
}

void cli_json_tensor(void *json, ek_tensor t)
{
    ek__json_open(json, '{');
    cli_json_tensor_members(json, t);
    ek__json_close(json, '}');
}
