/* cli/inspect.h - what evenkeel inspect says of each kind of file. */
#ifndef EK_CLI_INSPECT_H
#define EK_CLI_INSPECT_H

#include "cli/model.h"
#include "saver/statistics.h"

/* The values of a model: a checkpoint, and its batch norms. */
typedef struct cli_values {
    ek_checkpoint *checkpoint;
    ek_checkpoint_norms norms;
} cli_values;
/* Of the model's checkpoint, and --save-npz is carried out. False after complaining; close them in any case. */
bool cli_values_open(const cli_args *args, const cli_model *m, cli_values *v);
void cli_values_close(cli_values *v);
/* What its batch norms look like; as members of an object. */
void cli_print_norms(const cli_values *v);
void cli_json_norms(ek_json *j, const cli_values *v);

/* What a model offers: the MetaGraphs of a SavedModel, signatures, assets, functions; as members of an object. */
void cli_print_signatures(const cli_model *m);
void cli_json_signatures(ek_json *j, const cli_model *m);

/* An event file, as TensorBoard reads it (inspect_events.c). */
bool cli_is_event_file(const char *path);
int cli_inspect_events(const cli_args *args, const char *path);
/* Of data rather than a model: arrays, records, events. False: it is none; else *status, after complaining. */
bool cli_inspect_data(const cli_args *args, int *status);

/* The exit status, after complaining. `values` may be NULL. */
int cli_inspect_graph(const cli_args *args, const cli_model *m, const cli_values *values);
int cli_inspect_checkpoint(const cli_args *args, const cli_values *v);

#endif
