/* cli/cmd_dot.c - evenkeel dot: a graph for Graphviz. */
#include "cli/commands.h"

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
    if (!cli_feed_goes_with_sites(args)) return CLI_USAGE;
    ek_graph *g = cli_load(args);
    int status = CLI_FAILED;

    if (g != NULL) status = cli_has(args, CLI_SITES) ? cli_dot_sites(args, g) : draw_nodes(args, g);
    ek_graph_destroy(g);
    return status;
}
