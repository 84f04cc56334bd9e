/* Static shapes against what TensorFlow 1.15 inferred: the attribute _output_shapes of exported MetaGraphs. */
#include <stdlib.h>

#include "formats/graph_io.h"
#include "graph/toy.h"

static const char *const cases[] = {
    "article_control_dependencies_resource",
    "article_default",
    "article_moving_statistics",
    "article_training_flag",
    "bn_options",
    "bn_renorm_flag_clipping",
    "cond_with_variables",
    "convnet",
    "get_variable_reuse",
    "mlp_adam",
    "mlp_momentum",
    "mlp_sgd",
    "moving_average",
    "while_loop",
};

/* Nodes whose shape the program that made the graph set itself (set_shape in tf.layers.flatten): no op's rule gives it. */
static const char *const set_by_hand[] = { "flatten/Reshape" };

static bool is_set_by_hand(const ek_node *n)
{
    for (int i = 0; i < EK_COUNT_OF(set_by_hand); i++)
        if (strcmp(n->name, set_by_hand[i]) == 0) return true;
    return false;
}

/* Whether a node and all that leads to it have definitions. Back edges of loops count as known. */
static bool all_defined(const ek_graph *g, const ek_node *n, uint8_t *known)
{
    enum { NEW, ASKED, YES, NO };

    if (known[n->id] == ASKED || known[n->id] == YES) return true;
    if (known[n->id] == NO) return false;
    known[n->id] = ASKED;
    bool ok = n->spec != NULL;
    for (int32_t i = 0; ok && i < n->n_in; i++) ok = all_defined(g, g->node[n->in[i].node], known);
    known[n->id] = ok ? YES : NO;
    return ok;
}

/* Prints the outputs of a node that differ; returns their number. The front end tells a gradient the shape of what it
 * belongs to, which no node says: there both need only agree as far as they are known. */
static int differences(const ek_node *n, const ek_attr_value *want)
{
    const bool told = strncmp(n->name, "gradients/", strlen("gradients/")) == 0;
    char got_text[256], want_text[256];
    int count = 0;

    for (int32_t k = 0; k < n->n_out && k < want->count; k++) {
        if (ek_shape_equal(&n->out_shape[k], &want->u.shapes[k])) continue;
        if (told && ek_shape_compatible(&n->out_shape[k], &want->u.shapes[k])) continue;
        ek_shape_format_cc(&n->out_shape[k], got_text, sizeof got_text);
        ek_shape_format_cc(&want->u.shapes[k], want_text, sizeof want_text);
        print_message("%s:%d (%s) is %s, TensorFlow has %s\n", n->name, k, n->type, got_text, want_text);
        count++;
    }
    return count;
}

/* Infers once more without what the file says, except where a loop comes back or a shape was set by hand: there nobody
 * can know more than the exporter. */
static int compare(ek_graph *g, bool loops, int *skipped)
{
    static const char key[] = "_output_shapes";
    uint8_t *known = calloc((size_t)g->n_nodes, 1);
    ek_error err = { 0 };
    int bad = 0;

    for (int64_t i = 0; i < g->n_nodes && !loops; i++)
        for (int k = 0; k < g->node[i]->n_attr; k++)
            if (strcmp(g->node[i]->attr[k].name, key) == 0 && !is_set_by_hand(g->node[i])) g->node[i]->attr[k].name = "_written";
    assert_int_equal(ek__graph_infer(g, 0, &err), EK_OK);
    for (int64_t i = 0; i < g->n_nodes; i++) {
        const ek_attr_value *want = ek__attr_find(g->node[i]->attr, g->node[i]->n_attr, loops ? key : "_written");
        if (is_set_by_hand(g->node[i])) continue;
        assert_true(want != NULL || g->node[i]->spec == NULL || g->node[i]->n_out == 0);
        if (want == NULL) continue;
        if (all_defined(g, g->node[i], known)) bad += differences(g->node[i], want);
        else ++*skipped;
    }
    free(known);
    return bad;
}

static void static_shapes_are_tensorflows(void **state)
{
    int bad = 0, skipped = 0, seen = 0;

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        char path[200];
        ek_meta_graph meta = { 0 };
        ek_graph *g = NULL;
        ek_error err = { 0 };
        snprintf(path, sizeof path, "tf115-graphs/%s/meta.pb", cases[i]);
        if (ek_test_data(path) == NULL) skip();
        assert_int_equal(ek__meta_graph_open(ek_test_data(path), &meta, &err), EK_OK);
        if (ek__graph_import(meta.source, meta.graph_def, &g, &err) != EK_OK)
            print_message("%s: %s: %s\n", cases[i], err.node, err.text);
        assert_non_null(g);
        const int here = compare(g, strcmp(cases[i], "while_loop") == 0, &skipped);
        if (here > 0) print_message("%s: %d outputs differ\n", cases[i], here);
        bad += here;
        seen += (int)g->n_nodes;
        ek_graph_destroy(g);
        ek__meta_graph_close(&meta);
    }
    if (skipped > 0)
        print_message("%d of %d nodes were left out: an op before them has no definition yet\n", skipped, seen);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_shapes_are_tensorflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
