/* cli/model.h - a MODEL: what was given, told by its content; its graph, and a session with its values. */
#ifndef EK_CLI_MODEL_H
#define EK_CLI_MODEL_H

#include "cli/commands.h"
#include "formats/graph_io.h"

typedef struct cli_model {
    ek_file_kind kind;
    ek_graph *graph;     /* NULL: values alone */
    ek_session *session; /* once it was started */
    const char *checkpoint; /* the prefix of the values: given, or --checkpoint; NULL: none */
} cli_model;

/* Opens the command's MODEL. False after complaining; close it in any case. */
bool cli_model_open(const cli_args *args, cli_model *m);
/* The same where nothing but a graph will do. */
bool cli_model_open_graph(const cli_args *args, cli_model *m);
/* A session whose variables have the values of the checkpoint; without one, for training, those that initializers give.
 * False after complaining. */
typedef struct cli_start {
    bool initialize;
    ek_reporter *report;
    void *report_arg;
} cli_start;
bool cli_model_start(const cli_args *args, cli_model *m, const cli_start *how);
/* Writes a checkpoint, with its MetaGraphDef beside it. The exit status, after complaining. */
int cli_model_save(const cli_args *args, cli_model *m, const char *prefix);
void cli_model_close(cli_model *m);

/* What a file that is no model looks like, "a picture"; NULL: nothing known. */
const char *cli_looks_like(const char *path);

#endif
