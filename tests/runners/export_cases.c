/* export_cases FOLDER - builds graphs with this library, saves them, and keeps what they compute here, so that TensorFlow can be
 * asked whether it computes the same (tools/check_export.py).
 *
 * Per case a folder with graph.pb and graph.pbtxt, and values.pb: Consts called stepK/feed/P (what placeholder P is fed in step
 * K), stepK/run (strings: tensors to fetch and operations to run), stepK/F (a fetched tensor's value, ':' written '_'),
 * stepK/var/V (variables afterwards), init (a string: the operation that initializes). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "evenkeel/arrays.h"
#include "evenkeel/files.h"
#include "evenkeel/layers.h"
#include "evenkeel/session.h"

enum { MOST = 32, STEPS = 3 };

/* A program: what is fed each step (values change from step to step), what is fetched. */
typedef struct program {
    ek_graph *g;
    ek_tensor feed[MOST], fetch[MOST];
    ek_array *value[STEPS][MOST];
    int n_feeds, n_fetches;
} program;

/* ---- programs ------------------------------------------------------------------------------------------------ */

static void fetch(program *p, ek_tensor t) { p->fetch[p->n_fetches++] = t; }

/* Numbers that differ from step to step and are the same every time. */
static ek_tensor feed(program *p, const char *name, ek_dtype dtype, ek_shape static_shape, ek_shape shape)
{
    unsigned seed = 12345u + (unsigned)p->n_feeds;

    p->feed[p->n_feeds] = ek_placeholder(p->g, dtype, .shape = static_shape, .name = name);
    for (int step = 0; step < STEPS; step++) {
        ek_array *a = ek_array_of(EK_FLOAT32, shape, NULL);
        for (int64_t i = 0; i < ek_array_count(a); i++) {
            seed = seed * 1664525u + 1013904223u;
            ek_array_f32(a)[i] = (float)(seed >> 8) / (float)(1u << 23) - 1.0f;
        }
        p->value[step][p->n_feeds] = a;
    }
    return p->feed[p->n_feeds++];
}

/* A flag: true, true, false. */
static ek_tensor feed_flag(program *p, const char *name)
{
    p->feed[p->n_feeds] = ek_placeholder_with_default(p->g, ek_bool(false), .name = name);
    for (int step = 0; step < STEPS; step++) p->value[step][p->n_feeds] = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ step < 2 });
    return p->feed[p->n_feeds++];
}

static void after_updates(program *p, ek_tensor y)
{
    ek_with_control_dependencies(p->g, ek_get_collection(p->g, EK_UPDATE_OPS)) y = ek_identity(y, .name = "out");
    fetch(p, y);
}

static void article(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 1), EK_SHAPE(3, 1));
    after_updates(p, ek_batch_normalization(x, .training = EK_TRUE));
}

static void article_flag(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 4), EK_SHAPE(5, 4));
    after_updates(p, ek_batch_normalization(x, .training = feed_flag(p, "is_training")));
}

static void resource_flag(program *p)
{
    ek_use_resource_variables(p->g, true);
    article_flag(p);
}

static void fused(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 4, 4, 3), EK_SHAPE(2, 4, 4, 3));
    after_updates(p, ek_batch_normalization(x, .training = feed_flag(p, "is_training")));
}

static void renorm(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 4), EK_SHAPE(6, 4));
    after_updates(p, ek_batch_normalization(x, .training = EK_TRUE, .renorm = true,
                                            .renorm_clipping = { { "rmax", 3.0 }, { "rmin", 0.25 }, { "dmax", 5.0 } }));
}

static void virtual_batches(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 4), EK_SHAPE(6, 4));
    after_updates(p, ek_batch_normalization(x, .training = EK_TRUE, .virtual_batch_size = 3));
}

static void axes(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 4, 3, 2), EK_SHAPE(3, 4, 3, 2));
    after_updates(p, ek_batch_normalization(x, .training = EK_TRUE, .axes = EK_AXES(1, 3), .momentum = 0.5));
}

/* Layers that feed each other, in scopes. */
static void layers(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 5), EK_SHAPE(7, 5)), flag = feed_flag(p, "is_training"), h = x;

    for (int i = 0; i < 3; i++) {
        h = ek_batch_normalization(h, .training = flag, .momentum = 0.9);
        h = ek_relu(ek_add(ek_multiply(h, 2.0), 0.5));
    }
    after_updates(p, h);
}

static void functions(program *p)
{
    ek_tensor x = feed(p, "x", EK_FLOAT32, EK_SHAPE(-1, 3), EK_SHAPE(4, 3));

    fetch(p, ek_sigmoid(x));
    fetch(p, ek_tanh(x));
    fetch(p, ek_sqrt(ek_abs(x)));
    fetch(p, ek_softplus(x));
    fetch(p, ek_maximum(x, 0.25));
    fetch(p, ek_squared_difference(x, ek_exp(x)));
    fetch(p, ek_tile(x, EK_INTS(2, 1)));
    fetch(p, ek_transpose(x));
    fetch(p, ek_shape_of(x));
    fetch(p, ek_concat(EK_TENSORS(x, x), .axis = 1));
    fetch(p, ek_expand_dims(x, 0));
    fetch(p, ek_greater(x, 0.0));
    fetch(p, ek_moments(x, .axes = EK_AXES(0)).variance);
}

/* Consts in every form that they are written in: one element, several, filled, repeated, empty, strings. */
static void constants(program *p)
{
    static const ek_dtype dtypes[] = { EK_FLOAT16, EK_BFLOAT16, EK_FLOAT32, EK_FLOAT64, EK_INT8, EK_UINT8, EK_INT16, EK_UINT16, EK_INT32,
                                       EK_UINT32, EK_INT64, EK_UINT64, EK_BOOL, EK_COMPLEX64, EK_COMPLEX128 };
    ek_string words[] = { { "a", 1 }, { "b\0c", 3 }, { "", 0 } };
    ek_array *strings = ek_array_of(EK_STRING, EK_SHAPE(3), words);
    ek_array *floats = ek_array_of(EK_FLOAT32, EK_SHAPE(2), (float[]){ 1.5f, -2.0f });

    for (int i = 0; i < (int)(sizeof dtypes / sizeof dtypes[0]); i++) {
        uint8_t bytes[32] = { 0 };
        memset(bytes, 1, sizeof bytes);
        ek_array *a = ek_array_of(dtypes[i], EK_SHAPE(2), bytes);
        fetch(p, ek_constant(p->g, ek_value(a), .name = ek_dtype_name(dtypes[i])));
        ek_array_unref(a);
    }
    fetch(p, ek_constant(p->g, ek_float(0.1), .name = "scalar"));
    fetch(p, ek_constant(p->g, ek_float(2.5), .shape = EK_SHAPE(3, 2), .name = "filled"));
    fetch(p, ek_constant(p->g, ek_value(floats), .shape = EK_SHAPE(4), .name = "repeated"));
    fetch(p, ek_constant(p->g, ek_value(strings), .name = "strings"));
    fetch(p, ek_constant(p->g, ek_float(1.0), .shape = EK_SHAPE(0, 3), .name = "empty"));
    fetch(p, ek_constant(p->g, ek_int(-7), .name = "negative"));
    ek_array_unref(strings);
    ek_array_unref(floats);
}

/* ---- running and keeping ------------------------------------------------------------------------------------------ */

static void keep(ek_graph *values, const char *prefix, const char *name, const ek_array *a)
{
    char node[1000];
    char *colon;

    snprintf(node, sizeof node, "%s%s", prefix, name);
    while ((colon = strchr(node, ':')) != NULL) *colon = '_';
    (void)ek_constant(values, ek_value(a), .name = node);
}

static void keep_strings(ek_graph *values, const char *node, char names[][200], int n)
{
    ek_string s[MOST];

    for (int i = 0; i < n; i++) s[i] = (ek_string){ names[i], strlen(names[i]) };
    ek_array *a = ek_array_of(EK_STRING, EK_SHAPE(n), s);
    (void)ek_constant(values, ek_value(a), .name = node);
    ek_array_unref(a);
}

/* "x:0" without ":0" where it stands for the placeholder. */
static void tensor_name(ek_tensor t, bool bare, char out[200])
{
    ek_tensor_name(t, out, 200);
    if (bare) *strchr(out, ':') = '\0';
}

static void run_step(program *p, ek_session *s, int step, ek_graph *values)
{
    ek_list variables = ek_get_collection(p->g, EK_GLOBAL_VARIABLES);
    ek_feed feeds[MOST];
    ek_fetch fetches[MOST];
    ek_array *got[MOST] = { NULL };
    char prefix[40], names[MOST][200], name[200];

    snprintf(prefix, sizeof prefix, "step%d/feed/", step + 1);
    for (int i = 0; i < p->n_feeds; i++) {
        feeds[i] = (ek_feed){ p->feed[i], p->value[step][i] };
        tensor_name(p->feed[i], true, name);
        keep(values, prefix, name, p->value[step][i]);
    }
    for (int i = 0; i < p->n_fetches; i++) {
        fetches[i] = (ek_fetch){ p->fetch[i], &got[i] };
        tensor_name(p->fetch[i], false, names[i]);
    }
    EK_DIE(ek_run(s, .feeds = feeds, .n_feeds = p->n_feeds, .fetches = fetches, .n_fetches = p->n_fetches));
    snprintf(prefix, sizeof prefix, "step%d/", step + 1);
    snprintf(name, sizeof name, "step%d/run", step + 1);
    keep_strings(values, name, names, p->n_fetches);
    for (int i = 0; i < p->n_fetches; i++) {
        keep(values, prefix, names[i], got[i]);
        ek_array_unref(got[i]);
    }
    snprintf(prefix, sizeof prefix, "step%d/var/", step + 1);
    for (int64_t i = 0; i < variables.count; i++) {
        ek_array *value = NULL;
        EK_DIE(ek_session_get(s, variables.item[i].u.variable, &value));
        snprintf(name, sizeof name, "%s", ek_item_name(p->g, variables.item[i]));
        if (strchr(name, ':') != NULL) *strchr(name, ':') = '\0';
        keep(values, prefix, name, value);
        ek_array_unref(value);
    }
}

static void save(const ek_graph *g, const char *folder, const char *name, bool text)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    EK_DIE(ek_graph_save(g, path, text, NULL));
}

static void export_program(const char *folder, const char *name, void (*build)(program *p))
{
    program p = { .g = ek_graph_create() };
    ek_graph *values = ek_graph_create();
    char path[4096], init_name[1][200];

    build(&p);
    const ek_op init = ek_global_variables_initializer(p.g);
    EK_DIE(ek_graph_status(p.g, NULL));
    ek_session *s = ek_session_create(p.g);
    EK_DIE(ek_run(s, .target = { init }));
    snprintf(init_name[0], sizeof init_name[0], "%s", ek_op_name(init));
    keep_strings(values, "init", init_name, 1);
    for (int step = 0; step < STEPS; step++) run_step(&p, s, step, values);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    mkdir(path, 0777);
    save(p.g, path, "graph.pb", false);
    save(p.g, path, "graph.pbtxt", true);
    save(values, path, "values.pb", false);
    printf("%s: %lld nodes\n", name, (long long)ek_graph_op_count(p.g));
    ek_session_destroy(s);
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < p.n_feeds; i++) ek_array_unref(p.value[step][i]);
    ek_graph_destroy(values);
    ek_graph_destroy(p.g);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*build)(program *p); } row[] = {
        { "article", article }, { "article_flag", article_flag }, { "resource_flag", resource_flag }, { "fused", fused },
        { "renorm", renorm }, { "virtual_batches", virtual_batches }, { "axes", axes }, { "layers", layers },
        { "functions", functions }, { "constants", constants },
    };

    if (argc != 2) {
        fprintf(stderr, "usage: export_cases FOLDER\n");
        return 2;
    }
    mkdir(argv[1], 0777);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) export_program(argv[1], row[i].name, row[i].build);
    return 0;
}
