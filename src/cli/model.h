/* cli/model.h - a MODEL: what was given, told by its content; its graph, and a session with its values. */
#ifndef EK_CLI_MODEL_H
#define EK_CLI_MODEL_H

#include "cli/commands.h"
#include "formats/graph_io.h"

typedef struct cli_model {
    ek_file_kind kind;
    ek_graph *graph;        /* NULL: values alone */
    ek_session *session;    /* once it was started */
    char *checkpoint;       /* the prefix of the values; NULL: none */
    ek_saved_model *saved;  /* NULL: it is no SavedModel */
    char *folder;           /* the SavedModel's */
    int meta_graph;         /* the one of its MetaGraphs that --tags means */
    ek_signature signature; /* by which feeds and fetches may be named; key NULL: none */
} cli_model;

/* Opens the command's MODEL: a GraphDef, a MetaGraphDef (values: --checkpoint), a SavedModel (--tags, --signature), the
 * prefix of a checkpoint or a folder with its state file (graph: the .meta beside it). False after
 * complaining, also where it needs a graph and there is none; close it in any case. */
bool cli_model_open(const cli_args *args, bool needs_graph, cli_model *m);

/* Whether its variables get values when it is started. */
static inline bool cli_model_has_values(const cli_model *m) { return m->checkpoint != NULL; }

/* A session whose variables have the model's values; where there are none and `initialize` is set, those that initializers
 * give. False after complaining. */
typedef struct cli_start {
    bool initialize;
    ek_reporter *report;
    void *report_arg;
} cli_start;
bool cli_model_start(const cli_args *args, cli_model *m, const cli_start *how);

/* Writes a checkpoint, with its MetaGraphDef beside it. The exit status, after complaining. */
int cli_model_save(const cli_args *args, cli_model *m, const char *prefix);
void cli_model_close(cli_model *m);

/* The prefix of the checkpoint that is meant: by its prefix, by one of its files, or by a folder, of which it is the
 * latest. A new string; NULL after complaining, also where there is none. */
char *cli_find_checkpoint(const cli_args *args, const char *given);
/* What a file that is no model looks like, "a picture"; NULL: nothing known. */
const char *cli_looks_like(const char *path);
/* Whether it begins with the length of a record and its checksum; what follows may be damaged. */
bool cli_begins_with_record(const char *path);
/* The first bytes of a file; returns how many there are, 0 where it cannot be read. */
size_t cli_read_head(const char *path, unsigned char *head, size_t size);

#endif
