/* cli/cmd_dot.c - evenkeel dot: a graph for Graphviz. */
#include "cli/model.h"

static int draw_nodes(const cli_args *args, const ek_graph *g)
{
    char *text = ek_graph_dot(g);

    if (text == NULL) return cli_no_memory(args->command);
    fputs(text, stdout);
    ek_free(text);
    return CLI_DONE;
}

int cli_dot(const cli_args *args)
{
    cli_model m;
    int status = CLI_FAILED;

    if (!cli_feed_goes_with_sites(args)) return CLI_USAGE;
    if (cli_model_open(args, true, &m))
        status = cli_has(args, CLI_SITES) ? cli_dot_sites(args, m.graph) : draw_nodes(args, m.graph);
    cli_model_close(&m);
    return status;
}
