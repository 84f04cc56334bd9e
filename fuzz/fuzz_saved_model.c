/* fuzz/fuzz_saved_model.c - saved_model.pb or .pbtxt: opened, its tags, signatures, assets and functions listed, each
 * of its graphs loaded and given a signature; or refused with a sentence. */
#include <stdio.h>
#include <string.h>

#include "formats/saved_model.h"
#include "fuzz.h"

static void look_at(const ek_tensor_info *info, int n)
{
    for (int i = 0; i < n; i++) {
        must(i == 0 || strcmp(info[i - 1].key, info[i].key) <= 0);
        must(info[i].name != NULL && (info[i].kind == EK_INFO_TENSOR) == (info[i].parts == NULL));
        for (int k = 0; k < info[i].n_parts; k++) must(strlen(info[i].parts[k]) < (size_t)1 << 24);
    }
}

static void list(const ek_graph *g)
{
    ek_signature s;
    ek_asset asset;
    char name[64];

    for (int i = 0; ek_graph_signature_at(g, i, &s); i++) {
        must(s.method_name != NULL && ek_graph_signature(g, s.key, &s));
        look_at(s.inputs, s.n_inputs);
        look_at(s.outputs, s.n_outputs);
    }
    for (int i = 0; ek_graph_asset_at(g, i, &asset); i++) must(ek__asset_filename_ok(asset.filename));
    for (int i = 0; i < ek_graph_function_count(g); i++) must(ek_graph_function_name(g, i, name, sizeof name) >= 0);
}

static void give_signature(ek_graph *g)
{
    ek_error err = { .code = EK_OK };
    void *bytes = NULL;
    size_t size;

    if (ek_graph_op_count(g) == 0 || ek_op_output_count(ek_graph_op_at(g, 0)) == 0) return;
    const ek_tensor first = ek_op_output(ek_graph_op_at(g, 0), 0);
    if (ek_signature_set(g, "s", .outputs = { { "y", first } }, .error = &err) != EK_OK) {
        must(err.code == EK_RESOURCE_EXHAUSTED);
        return;
    }
    must(ek_graph_signature(g, "s", &(ek_signature){ 0 }));
    if (ek_meta_graph_save_bytes(g, &bytes, &size, .error = &err) != EK_OK) must(err.code == EK_RESOURCE_EXHAUSTED);
    ek_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ek_error err = { .code = EK_OK };
    ek_saved_model *m = NULL;
    ek_source *source;
    const char *const *tags;
    int found;

    fuzz_refuse_large();
    if (ek__source_copy(data, size, &source, &err) == EK_OK &&
        ek__saved_model_read(source, "folder", &m, &err) != EK_OK)
        must(m == NULL && err.code != EK_OK && err.text[0] != '\0');
    for (int i = 0; i < ek_saved_model_count(m) && i < 8; i++) {
        ek_error own = { .code = EK_OK };
        ek_graph *g;
        const int n = ek_saved_model_tags(m, i, &tags);
        must(ek_saved_model_find(m, tags, n, &found, &own) == EK_OK && found <= i);
        if (ek_saved_model_graph(m, i, &g, &own) != EK_OK) {
            must(g == NULL && own.text[0] != '\0');
            continue;
        }
        list(g);
        give_signature(g);
        ek_graph_destroy(g);
    }
    ek_saved_model_close(m);
    ek_set_allocator(NULL);
    return 0;
}
