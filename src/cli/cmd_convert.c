/* cli/cmd_convert.c - evenkeel convert: a model or a checkpoint in another of TensorFlow's forms. */
#include <stdlib.h>

#include "cli/keep.h"
#include "codec/bundle.h"
#include "graph/node.h"
#include "graph/scope.h"

typedef enum target { TO_NOTHING, TO_CHECKPOINT, TO_FROZEN, TO_GRAPHDEF, TO_META, TO_SAVED_MODEL, N_TARGETS } target;
/* In the order of the words of --to. */
static const char *const target_name[N_TARGETS] = { "", "checkpoint", "frozen", "graphdef", "meta", "saved-model" };

typedef struct job {
    const cli_args *args;
    const char *out;
    cli_model model;
    bool text;
} job;

/* ---- what to what --------------------------------------------------------------------------------------------------- */

/* A GraphDef that holds values and nothing else. */
static bool is_values(const ek_graph *g)
{
    for (int64_t i = 0; g != NULL && i < g->n_nodes; i++)
        if (g->node[i]->constant == NULL) return false;
    return g != NULL && g->n_nodes > 0;
}

static target asked_for(const cli_args *args)
{
    const char *word = cli_text(args, CLI_TO, NULL);

    for (int i = 1; word != NULL && i < N_TARGETS; i++)
        if (strcmp(word, target_name[i]) == 0) return (target)i;
    return TO_NOTHING;
}

/* TO_NOTHING after complaining. */
static target choose(const job *j)
{
    const target asked = asked_for(j->args);
    const bool values = j->model.kind == EK_FILE_CHECKPOINT && j->model.graph == NULL;

    if (asked == TO_NOTHING && j->model.kind == EK_FILE_CHECKPOINT) return TO_GRAPHDEF;
    if (asked == TO_NOTHING && is_values(j->model.graph) && j->model.checkpoint == NULL) return TO_CHECKPOINT;
    if (values && asked != TO_GRAPHDEF && asked != TO_CHECKPOINT) {
        cli_complain(j->args->command,
                     "'%s' is a checkpoint without a '.meta' beside it: give the graph as IN and the checkpoint by "
                     "--checkpoint, or --to graphdef|checkpoint",
                     j->args->operand[0]);
        return TO_NOTHING;
    }
    if (asked == TO_NOTHING)
        cli_complain(j->args->command,
                     "'%s' is %s: what is OUT to be? --to frozen|graphdef|meta|saved-model|checkpoint",
                     j->args->operand[0], ek__file_kind_name(j->model.kind));
    return asked;
}

/* ---- values alone ------------------------------------------------------------------------------------------------------ */

/* A value to be written, to the end. */
static ek_status put_value(ek_bundle_writer *w, const char *name, const ek_array *value, ek_error *err)
{
    return ek__bundle_add(w, name, value->dtype, &value->shape, value->data, NULL, NULL, err);
}

static int finish_values(const job *j, ek_bundle_writer *w, int64_t n, ek_status st, ek_error *err)
{
    if (st == EK_OK) st = ek__bundle_finish(w, err);
    else ek__bundle_abandon(w);
    if (st != EK_OK) return cli_complain_error(j->args->command, err);
    printf("%s: a checkpoint of %lld tensors\n", j->out, (long long)n);
    return CLI_DONE;
}

static int constants_to_checkpoint(const job *j)
{
    const ek_graph *g = j->model.graph;
    ek_error err = { .code = EK_OK };
    ek_bundle_writer *w = NULL;
    ek_status st = ek__bundle_writer_open(j->out, &w, &err);

    for (int64_t i = 0; i < g->n_nodes && st == EK_OK; i++)
        st = put_value(w, g->node[i]->name, g->node[i]->constant, &err);
    return finish_values(j, w, g->n_nodes, st, &err);
}

/* Every tensor of the checkpoint IN: f is called with each. */
typedef ek_status value_fn(void *arg, const char *name, ek_array *value, ek_error *err);

static ek_status each_value(ek_bundle *b, value_fn *f, void *arg, ek_error *err)
{
    for (int64_t i = 0; i < ek__bundle_count(b); i++) {
        const ek_bundle_entry *e = ek__bundle_at(b, i);
        ek_array *value = NULL;
        ek_status st = ek__bundle_read(b, e, NULL, &value, err);
        if (st == EK_OK) st = f(arg, e->name, value, err);
        ek_array_unref(value);
        EK_TRY(st);
    }
    return EK_OK;
}

/* A Const under the tensor's own name. What no operation can be called ("_CHECKPOINTABLE_OBJECT_GRAPH") is left out. */
static ek_status add_constant(void *graph, const char *name, ek_array *value, ek_error *err)
{
    ek_graph *g = graph;
    ek_buf literal = { .data = NULL };
    const ek_attribute attr[] = { { .name = "dtype", .kind = EK_A_TYPE, .u.type = ek_array_dtype(value) },
                                  { .name = "value", .kind = EK_A_TENSOR, .u.tensor = value } };

    if (!ek__name_valid(name, false)) {
        fprintf(stderr, "evenkeel convert: '%s' is left out: no operation can be called that\n", name);
        return EK_OK;
    }
    ek__buf_printf(&literal, "%s/", name); /* as it is */
    if (literal.failed) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a name");
    (void)ek_op_build(g, "Const", .name = literal.data, .attributes = attr, .n_attributes = 2);
    ek__buf_fini(&literal);
    return ek_graph_status(g, err);
}

static ek_status copy_value(void *writer, const char *name, ek_array *value, ek_error *err)
{
    return put_value(writer, name, value, err);
}

/* As constants of a GraphDef. */
static int checkpoint_to_constants(const job *j, ek_bundle *b)
{
    ek_graph *g = ek_graph_create();
    ek_error err = { .code = EK_OK };
    int status = CLI_DONE;

    if (g == NULL) return cli_no_memory(j->args->command);
    if (each_value(b, add_constant, g, &err) != EK_OK || ek_graph_save(g, j->out, j->text, &err) != EK_OK)
        status = cli_complain_error(j->args->command, &err);
    else
        printf("%s: a GraphDef of %lld constants\n", j->out, (long long)ek_graph_op_count(g));
    ek_graph_destroy(g);
    return status;
}

/* Anew, of version 2 and whole, whatever version and slices it had: one tensor after the other. */
static int checkpoint_to_checkpoint(const job *j, ek_bundle *b)
{
    ek_error err = { .code = EK_OK };
    ek_bundle_writer *w = NULL;
    ek_status st = ek__bundle_writer_open(j->out, &w, &err);

    if (st == EK_OK) st = each_value(b, copy_value, w, &err);
    return finish_values(j, w, ek__bundle_count(b), st, &err);
}

static int convert_checkpoint(const job *j, target to)
{
    ek_error err = { .code = EK_OK };
    ek_bundle *b;
    int status;

    if (ek__bundle_open(j->model.checkpoint, &b, &err) != EK_OK) return cli_complain_error(j->args->command, &err);
    status = to == TO_CHECKPOINT ? checkpoint_to_checkpoint(j, b) : checkpoint_to_constants(j, b);
    ek__bundle_close(b);
    return status;
}

/* ---- graphs --------------------------------------------------------------------------------------------------------------- */

static int to_graphdef(const job *j)
{
    ek_error err = { .code = EK_OK };

    if (ek_graph_save(j->model.graph, j->out, j->text, &err) != EK_OK)
        return cli_complain_error(j->args->command, &err);
    printf("%s: a GraphDef of %lld operations\n", j->out, (long long)ek_graph_op_count(j->model.graph));
    return CLI_DONE;
}

/* The graph's saver, or a new one. NULL without variables, or after a failure, which the graph has. */
static ek_saver *saver_of(ek_graph *g)
{
    ek_saver *saver = ek_saver_of_graph(g);

    if (saver != NULL || ek_global_variables(g).count == 0) return saver;
    return ek_saver_create(g);
}

static int save_values(job *j, const char *prefix, bool no_meta_graph)
{
    ek_error err = { .code = EK_OK };
    ek_saver *saver;

    if (!cli_model_start(j->args, &j->model, &(cli_start){ .initialize = false })) return CLI_FAILED;
    saver = saver_of(j->model.graph);
    if (saver == NULL && ek_graph_status(j->model.graph, &err) != EK_OK)
        return cli_complain_error(j->args->command, &err);
    if (saver == NULL) {
        cli_complain(j->args->command, "'%s' has no variables to save", j->args->operand[0]);
        return CLI_FAILED;
    }
    if (ek_saver_save(saver, j->model.session, prefix, .no_meta_graph = no_meta_graph, .no_state = true,
                      .error = &err) != EK_OK)
        return cli_complain_error(j->args->command, &err);
    return CLI_DONE;
}

/* OUT.meta, and with values the checkpoint OUT. The MetaGraphDef is the last that is written. */
static int to_meta(job *j)
{
    const size_t n = strlen(j->out);
    const bool ending = n > 5 && strcmp(j->out + n - 5, ".meta") == 0;
    ek_buf prefix = { .data = NULL }, meta = { .data = NULL };
    ek_error err = { .code = EK_OK };
    int status = CLI_DONE;

    ek__buf_add(&prefix, j->out, ending ? n - 5 : n);
    ek__buf_printf(&meta, "%s.meta", prefix.data != NULL ? prefix.data : "");
    if (prefix.failed || meta.failed) status = cli_no_memory(j->args->command);
    if (status == CLI_DONE && cli_model_has_values(&j->model)) status = save_values(j, prefix.data, true);
    if (status == CLI_DONE && ek_meta_graph_save(j->model.graph, meta.data, .text = j->text, .error = &err) != EK_OK)
        status = cli_complain_error(j->args->command, &err);
    if (status == CLI_DONE)
        printf("%s: a MetaGraphDef of %lld operations, %s\n", meta.data, (long long)ek_graph_op_count(j->model.graph),
               cli_model_has_values(&j->model) ? "with its checkpoint" : "without a checkpoint");
    ek__buf_fini(&prefix);
    ek__buf_fini(&meta);
    return status;
}

/* What --fetch names as the signature to be served; its inputs are the placeholders that it needs, not those of the
 * loss, of a Saver or of another output. A flag or a rate that has a default is no input: who serves would have to feed it. */
typedef struct served {
    ek_named_tensor *at;
    int64_t n, cap;
    const bool *needed; /* of operations, by id */
    bool failed;
} served;

/* Marks what the tensors that are kept need, their own operations among it. False: no memory. */
static bool mark_needed(ek_graph *g, const cli_outputs *kept, bool *needed)
{
    ek_op *open = ek__calloc((size_t)ek_graph_op_count(g) + 1, sizeof *open);
    int64_t n = 0;

    if (open == NULL) return false;
    for (int64_t i = 0; i < kept->n; i++) {
        const ek_op op = kept->item[i].kind == EK_ITEM_TENSOR ? ek_tensor_op(kept->item[i].u.tensor) : (ek_op){ NULL, 0 };

        if (op.graph == NULL || needed[op.id]) continue;
        needed[op.id] = true;
        open[n++] = op;
    }
    while (n > 0) {
        const ek_op op = open[--n];
        const int inputs = ek_op_input_count(op), controls = ek_op_control_input_count(op);

        for (int k = 0; k < inputs + controls; k++) {
            const ek_op from = k < inputs ? ek_tensor_op(ek_op_input(op, k)) : ek_op_control_input(op, k - inputs);

            if (needed[from.id]) continue;
            needed[from.id] = true;
            open[n++] = from;
        }
    }
    ek__free(open);
    return true;
}

static void add_input(void *arg, ek_tensor t)
{
    served *s = arg;

    s->failed |= !EK_GROW(s->at, s->cap, s->n + 1);
    if (!s->failed) s->at[s->n++] = (ek_named_tensor){ ek_op_name(ek_tensor_op(t)), t };
}

static void add_needed(void *arg, ek_tensor t)
{
    const served *s = arg;
    const ek_op op = ek_tensor_op(t);
    const bool setting = ek_tensor_shape(t).rank == 0 && strcmp(ek_op_type(op), "PlaceholderWithDefault") == 0;

    if (s->needed[op.id] && !setting) add_input(arg, t);
}

static int serve(const job *j)
{
    ek_graph *g = j->model.graph;
    ek_error err = { .code = EK_OK };
    bool *needed = ek__calloc((size_t)ek_graph_op_count(g) + 1, sizeof *needed);
    served inputs = { .needed = needed }, outputs = { .at = NULL };
    cli_outputs kept;
    int status = cli_outputs_find(j->args, g, &kept);

    inputs.failed = needed == NULL || !mark_needed(g, &kept, needed);
    if (!inputs.failed) cli_each_feed(g, add_needed, &inputs);
    for (int64_t i = 0; i < kept.n; i++)
        if (kept.item[i].kind == EK_ITEM_TENSOR) add_input(&outputs, kept.item[i].u.tensor);
    if (status == CLI_DONE && (inputs.failed || outputs.failed)) status = cli_no_memory(j->args->command);
    if (status == CLI_DONE &&
        ek_signature_set(g, EK_SERVING_DEFAULT, .more_inputs = inputs.at, .n_more_inputs = (int)inputs.n,
                         .more_outputs = outputs.at, .n_more_outputs = (int)outputs.n, .error = &err) != EK_OK)
        status = cli_complain_error(j->args->command, &err);
    ek__free(needed);
    ek__free(inputs.at);
    ek__free(outputs.at);
    cli_outputs_free(&kept);
    return status;
}

static int to_saved_model(job *j)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g = j->model.graph;

    if (!cli_model_has_values(&j->model) && ek_global_variables(g).count > 0) {
        cli_complain(j->args->command, "the variables of '%s' have no values: name their checkpoint by --checkpoint",
                     j->args->operand[0]);
        return CLI_FAILED;
    }
    if (cli_has(j->args, CLI_OUTPUT_NAME)) {
        const int status = serve(j);
        if (status != CLI_DONE) return status;
    }
    if (!cli_model_start(j->args, &j->model, &(cli_start){ .initialize = false })) return CLI_FAILED;
    ek_saver *own = ek_saver_of_graph(g);
    if (own != NULL && ek_saver_get_def(own)->version != 2) own = NULL;
    if (ek_saved_model_save(j->model.session, j->out, .add = { .saver = own }, .text = j->text, .error = &err) != EK_OK)
        return cli_complain_error(j->args->command, &err);
    const int n = ek_graph_signature_count(g);
    printf("%s: a SavedModel of %lld operations, tag serve, %d signature%s\n", j->out, (long long)ek_graph_op_count(g),
           n, n == 1 ? "" : "s");
    if (n == 0) cli_complain(j->args->command, "it has no signature: --fetch would have named outputs to be served");
    return CLI_DONE;
}

static int to_checkpoint(job *j)
{
    int status;

    if (is_values(j->model.graph) && j->model.checkpoint == NULL) return constants_to_checkpoint(j);
    if (!cli_model_has_values(&j->model)) {
        cli_complain(j->args->command, "'%s' has no values: name their checkpoint by --checkpoint",
                     j->args->operand[0]);
        return CLI_FAILED;
    }
    status = save_values(j, j->out, true);
    if (status == CLI_DONE) printf("%s: a checkpoint\n", j->out);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------- */

static int convert(job *j)
{
    const target to = choose(j);

    if (to == TO_NOTHING) return cli_see_help(j->args->command);
    if (j->model.kind == EK_FILE_CHECKPOINT && (to == TO_GRAPHDEF || to == TO_CHECKPOINT)) return convert_checkpoint(j, to);
    switch (to) {
    case TO_CHECKPOINT: return to_checkpoint(j);
    case TO_FROZEN: return cli_freeze_to(j->args, &j->model, j->out, j->text);
    case TO_GRAPHDEF: return to_graphdef(j);
    case TO_META: return to_meta(j);
    default: return to_saved_model(j);
    }
}

int cli_convert(const cli_args *args)
{
    job j = { .args = args, .out = args->operand[1], .text = cli_has(args, CLI_AS_TEXT) };
    int status = CLI_FAILED;

    if (cli_model_open(args, false, &j.model)) status = convert(&j);
    cli_model_close(&j.model);
    return status;
}
