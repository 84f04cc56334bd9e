/* cli/keep.h - what convert and freeze share. */
#ifndef EK_CLI_KEEP_H
#define EK_CLI_KEEP_H

#include "cli/model.h"

/* Operations and tensors of a graph that are to be kept. */
typedef struct cli_outputs {
    ek_item *item;
    int64_t n, cap;
} cli_outputs;
/* Those that --fetch names; without it those of the signature "serving_default", or of the only one. The exit status, after
 * complaining where there are none. Free them in any case. */
int cli_outputs_find(const cli_args *args, ek_graph *g, cli_outputs *out);
void cli_outputs_free(cli_outputs *out);

/* Writes the model with the values of its variables as a frozen graph, and says what it wrote. The exit status. */
int cli_freeze_to(const cli_args *args, cli_model *m, const char *path, bool text);

#endif
