/* cli/cmd_dot.c - evenkeel dot: a graph for Graphviz. */
#include "cli/commands.h"

int cli_dot(const cli_args *args)
{
    ek_graph *g = cli_load(args);
    char *text = g != NULL ? ek_graph_dot(g) : NULL;

    if (g != NULL && text == NULL) (void)cli_no_memory(args->command);
    if (text != NULL) fputs(text, stdout);
    ek_free(text);
    ek_graph_destroy(g);
    return text != NULL ? CLI_DONE : CLI_FAILED;
}
