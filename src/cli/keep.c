/* cli/keep.c - what convert and freeze share: which outputs of a model are meant, and the model frozen to them. */
#include "cli/keep.h"

#include "sites/sites.h"

/* ---- outputs ---------------------------------------------------------------------------------------------------- */

static bool add(cli_outputs *out, ek_item item)
{
    if (!EK_GROW(out->item, out->cap, out->n + 1)) return false;
    out->item[out->n++] = item;
    return true;
}

/* --fetch, each an operation or a tensor. */
static int add_fetched(const cli_args *args, ek_graph *g, cli_outputs *out)
{
    const char *name;

    for (int i = 0; (name = cli_value(args, CLI_OUTPUT_NAME, i)) != NULL; i++) {
        ek_tensor t;
        ek_op op;
        if (!cli_find_tensor(args, g, name, &t, &op)) return CLI_FAILED;
        if (!add(out, ek_tensor_ok(t) ? ek_item_of_tensor(t) : ek_item_of_op(op))) return cli_no_memory(args->command);
    }
    return CLI_DONE;
}

/* The outputs of the signature that is meant where none is named. */
static int add_served(const cli_args *args, ek_graph *g, cli_outputs *out)
{
    ek_signature s;

    if (!ek_graph_signature(g, EK_SERVING_DEFAULT, &s) &&
        (ek_graph_signature_count(g) != 1 || !ek_graph_signature_at(g, 0, &s)))
        return CLI_DONE;
    for (int i = 0; i < s.n_outputs; i++)
        if (ek_tensor_ok(s.outputs[i].tensor) && !add(out, ek_item_of_tensor(s.outputs[i].tensor)))
            return cli_no_memory(args->command);
    return CLI_DONE;
}

int cli_outputs_find(const cli_args *args, ek_graph *g, cli_outputs *out)
{
    int status;

    *out = (cli_outputs){ .item = NULL };
    status = cli_has(args, CLI_OUTPUT_NAME) ? add_fetched(args, g, out) : add_served(args, g, out);
    if (status != CLI_DONE || out->n > 0) return status;
    cli_complain(args->command,
                 "which outputs are to be kept? Name them by --fetch; what else they do not need is left out");
    return cli_see_help(args->command);
}

void cli_outputs_free(cli_outputs *out)
{
    ek__free(out->item);
    *out = (cli_outputs){ .item = NULL };
}

/* ---- a frozen graph ----------------------------------------------------------------------------------------------- */

/* What somebody who freezes for inference wants to know. */
static void say_modes(const cli_args *args, const ek_graph *g)
{
    ek_error quiet = { .code = EK_OK };
    ek_sites sites = { .n = 0 };
    int train = 0, switched = 0;

    if (ek__sites_find_fed(g, 0, NULL, NULL, EK_BRANCH_UNKNOWN, &sites, &quiet) == EK_OK)
        for (int i = 0; i < sites.n; i++) {
            train += sites.at[i].mode == EK_SITE_TRAIN;
            switched += sites.at[i].mode == EK_SITE_SWITCHED;
        }
    ek__sites_free(&sites);
    if (train > 0)
        cli_complain(
            args->command,
            "%d of its batch norms use the statistics of each batch, not the stored ones: evenkeel inspect --sites "
            "lists them",
            train);
    if (switched > 0)
        cli_complain(args->command, "%d of its batch norms ask a flag for training: false is what inference needs",
                     switched);
}

/* A bare GraphDef has no variables that could be restored: the checkpoint has them by name. */
static ek_status freeze(const cli_args *args, cli_model *m, const cli_outputs *outputs, ek_graph **out, ek_error *err)
{
    const ek_list list = { m->graph, outputs->item, outputs->n };

    if (m->checkpoint != NULL && m->saved == NULL && ek_global_variables(m->graph).count == 0)
        return ek_freeze(m->graph, out, .outputs = list, .checkpoint = m->checkpoint, .error = err);
    if (!cli_model_start(args, m, &(cli_start){ .initialize = false })) return EK_CANCELLED; /* it has complained */
    return ek_freeze(m->graph, out, .outputs = list, .session = m->session, .error = err);
}

int cli_freeze_to(const cli_args *args, cli_model *m, const char *path, bool text)
{
    ek_error err = { .code = EK_OK };
    cli_outputs outputs;
    ek_graph *frozen = NULL;
    int status = cli_outputs_find(args, m->graph, &outputs);

    if (status == CLI_DONE && freeze(args, m, &outputs, &frozen, &err) != EK_OK) status = CLI_FAILED;
    if (status == CLI_DONE && ek_graph_save(frozen, path, text, &err) != EK_OK) status = CLI_FAILED;
    if (status == CLI_FAILED && err.code != EK_OK) cli_complain_error(args->command, &err);
    if (err.code == EK_FAILED_PRECONDITION && !cli_model_has_values(m))
        fprintf(stderr, "    a graph has no values of variables: --checkpoint PREFIX says where they are\n");
    if (status == CLI_DONE) {
        printf("%s: a frozen graph of %lld operations, %lld output%s\n", path, (long long)ek_graph_op_count(frozen),
               (long long)outputs.n, outputs.n == 1 ? "" : "s");
        say_modes(args, frozen);
    }
    ek_graph_destroy(frozen);
    cli_outputs_free(&outputs);
    return status;
}
