/* cli/origin.h - what convert and freeze begin with: a model of any kind with its values, or values alone. */
#ifndef EK_CLI_ORIGIN_H
#define EK_CLI_ORIGIN_H

#include "cli/model.h"

typedef struct cli_origin {
    ek_file_kind kind;
    ek_graph *graph;       /* NULL: a checkpoint */
    ek_session *session;   /* once it was started */
    ek_saved_model *saved; /* NULL: it is no SavedModel */
    char *checkpoint;      /* the prefix of the values; NULL: there are none, or it is a SavedModel */
    char *folder;          /* of a SavedModel */
    bool has_values;       /* of its variables */
} cli_origin;

/* Opens the command's first operand. False after complaining; close it in any case. */
bool cli_origin_open(const cli_args *args, cli_origin *o);
/* A session whose variables have the values, if there are any. False after complaining. */
bool cli_origin_start(const cli_args *args, cli_origin *o);
void cli_origin_close(cli_origin *o);

#endif
