/* cli/inspect_signatures.c - what a model offers to those who serve it: its MetaGraphs, signatures, assets, functions. */
#include "cli/inspect.h"

static const char *const info_kinds[] = {
    [EK_INFO_TENSOR] = "tensor", [EK_INFO_SPARSE] = "sparse", [EK_INFO_COMPOSITE] = "composite",
};

/* ---- text -------------------------------------------------------------------------------------------------- */

static void print_info(const char *what, const ek_tensor_info *t)
{
    char shape[EK_MAX_RANK * 24];

    ek_shape_format(&t->shape, shape, sizeof shape);
    printf("    %-6s %s:", what, t->key);
    if (t->kind == EK_INFO_TENSOR) printf(" %s", t->name);
    for (int i = 0; t->kind != EK_INFO_TENSOR && i < t->n_parts; i++) printf(" %s", t->parts[i]);
    if (t->kind != EK_INFO_TENSOR) printf("  (%s)", info_kinds[t->kind]);
    if (t->dtype != EK_DTYPE_NONE) printf("  %s  %s", ek_dtype_name(t->dtype), shape);
    printf("\n");
}

static void print_tags(const cli_model *m)
{
    const char *const *tag;

    if (m->saved == NULL) return;
    printf("graphs: %d\n", ek_saved_model_count(m->saved));
    for (int i = 0; i < ek_saved_model_count(m->saved); i++) {
        const int n = ek_saved_model_tags(m->saved, i, &tag);

        printf(" ");
        for (int k = 0; k < n; k++) printf("%s%s", k > 0 ? "," : " ", tag[k]);
        printf(n <= 0 ? " (no tags)" : "");
        printf(i == m->meta_graph && ek_saved_model_count(m->saved) > 1 ? "  (this one)\n" : "\n");
    }
}

void cli_print_signatures(const cli_model *m)
{
    const ek_graph *g = m->graph;
    ek_signature s;
    ek_asset a;
    char name[1024];

    print_tags(m);
    if (ek_graph_signature_count(g) > 0) printf("signatures: %d\n", ek_graph_signature_count(g));
    for (int i = 0; ek_graph_signature_at(g, i, &s); i++) {
        printf(s.method_name[0] != '\0' ? "  %s  %s\n" : "  %s\n", s.key, s.method_name);
        for (int k = 0; k < s.n_inputs; k++) print_info("input", &s.inputs[k]);
        for (int k = 0; k < s.n_outputs; k++) print_info("output", &s.outputs[k]);
    }
    if (ek_graph_asset_count(g) > 0) printf("assets: %d\n", ek_graph_asset_count(g));
    for (int i = 0; ek_graph_asset_at(g, i, &a); i++) printf("  %s  %s\n", a.tensor_name, a.filename);
    if (ek_graph_function_count(g) > 0) printf("functions: %d  (listed, not run)\n", ek_graph_function_count(g));
    for (int i = 0; i < ek_graph_function_count(g); i++) {
        (void)ek_graph_function_name(g, i, name, sizeof name);
        printf("  %s\n", name);
    }
}

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

static void json_infos(ek_json *j, const char *key, const ek_tensor_info *t, int n)
{
    ek__json_key(j, key);
    ek__json_open(j, '[');
    for (int i = 0; i < n; i++) {
        ek__json_open(j, '{');
        cli_json_member(j, "key", t[i].key);
        if (t[i].kind == EK_INFO_TENSOR) {
            cli_json_member(j, "name", t[i].name);
        } else {
            cli_json_member(j, "kind", info_kinds[t[i].kind]);
            ek__json_key(j, "parts");
            ek__json_open(j, '[');
            for (int k = 0; k < t[i].n_parts; k++) ek__json_str(j, t[i].parts[k]);
            ek__json_close(j, ']');
        }
        cli_json_member(j, "dtype", t[i].dtype != EK_DTYPE_NONE ? ek_dtype_name(t[i].dtype) : NULL);
        ek__json_key(j, "shape");
        cli_json_shape(j, &t[i].shape);
        ek__json_close(j, '}');
    }
    ek__json_close(j, ']');
}

static void json_tags(ek_json *j, const cli_model *m)
{
    const char *const *tag;

    if (m->saved == NULL) return;
    ek__json_key(j, "graphs");
    ek__json_open(j, '[');
    for (int i = 0; i < ek_saved_model_count(m->saved); i++) {
        const int n = ek_saved_model_tags(m->saved, i, &tag);

        ek__json_open(j, '[');
        for (int k = 0; k < n; k++) ek__json_str(j, tag[k]);
        ek__json_close(j, ']');
    }
    ek__json_close(j, ']');
}

static void json_signatures(ek_json *j, const ek_graph *g)
{
    ek_signature s;

    ek__json_key(j, "signatures");
    ek__json_open(j, '{');
    for (int i = 0; ek_graph_signature_at(g, i, &s); i++) {
        ek__json_key(j, s.key);
        ek__json_open(j, '{');
        cli_json_member(j, "method", s.method_name);
        json_infos(j, "inputs", s.inputs, s.n_inputs);
        json_infos(j, "outputs", s.outputs, s.n_outputs);
        ek__json_close(j, '}');
    }
    ek__json_close(j, '}');
}

static void json_assets(ek_json *j, const ek_graph *g)
{
    ek_asset a;

    ek__json_key(j, "assets");
    ek__json_open(j, '{');
    for (int i = 0; ek_graph_asset_at(g, i, &a); i++) cli_json_member(j, a.tensor_name, a.filename);
    ek__json_close(j, '}');
}

void cli_json_signatures(ek_json *j, const cli_model *m)
{
    char name[1024];

    json_tags(j, m);
    if (ek_graph_signature_count(m->graph) > 0) json_signatures(j, m->graph);
    if (ek_graph_asset_count(m->graph) > 0) json_assets(j, m->graph);
    if (ek_graph_function_count(m->graph) == 0) return;
    ek__json_key(j, "functions");
    ek__json_open(j, '[');
    for (int i = 0; i < ek_graph_function_count(m->graph); i++) {
        (void)ek_graph_function_name(m->graph, i, name, sizeof name);
        ek__json_str(j, name);
    }
    ek__json_close(j, ']');
}
