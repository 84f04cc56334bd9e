/* saver/saver.h - savers from inside.
 *
 * saveables.c: which variables, under which names. build.c: the nodes. saver.c: making one, and finding one that a
 * file brought. save.c, restore.c: running it. kept.c: which checkpoints are kept. state.c: the state file; path.c:
 * names of files.
 */
#ifndef EK_SAVER_SAVER_H
#define EK_SAVER_SAVER_H

#include <pthread.h>

#include "evenkeel/saver.h"
#include "evenkeel/variables.h"
#include "ops/emit.h"
#include "saver/kept.h"

/* A variable, or a part of one, under its name in checkpoints. */
typedef struct ek_saveable {
    const char *name;
    const char *slice; /* "" a whole one; else as SaveV2 has it: "5 3 0,3:0,3" */
    ek_variable variable;
} ek_saveable;

typedef struct ek_saveables {
    ek_saveable *at; /* in the graph's arena, sorted by name; parts of one name in the order given */
    int64_t n;
} ek_saveables;

/* What is to be saved, checked as TensorFlow checks it. false after a failure, which the graph has. */
bool ek__saveables_find(ek_graph *g, const ek_saver_options *o, ek_saveables *out, ek_where where);

struct ek_saver {
    ek_graph *graph;
    ek_saver_def def;   /* names in the graph's arena */
    const void *bytes;  /* the same as a SaverDef */
    size_t n_bytes;
    ek_tensor filename, save;
    ek_op restore;
    bool is_empty, pad_step_number, save_relative_paths;
    pthread_mutex_t lock;      /* one save at a time; guards what follows */
    ek_kept kept;
    double next_to_stay;       /* a checkpoint written later, when its turn to be deleted comes, stays */
};

/* Adds the nodes and fills filename, save and restore. A failure is the graph's. */
void ek__saver_build(ek_saver *s, const ek_saver_options *o, const ek_saveables *list, ek_where where);

/* Of a device's name its canonical form, "/job:localhost/replica:0/task:0/device:CPU:1"; `cpu0`: on the first
 * processor of the same machine. An arena string; NULL without memory. */
const char *ek__device_name(ek_graph *g, const char *device, bool cpu0);

static inline const ek_variable_info *ek__saveable_info(const ek_saveable *s)
{
    return s->variable.graph->variable[s->variable.id];
}

#endif
