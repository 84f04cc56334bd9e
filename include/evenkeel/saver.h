/* evenkeel/saver.h - checkpoints of a training: tf.train.Saver and what belongs to it.
 *
 *     ek_saver *saver = ek_saver_create(g, .max_to_keep = 3);
 *     EK_DIE(ek_saver_save(saver, s, "run/model.ckpt", .global_step = 1000));
 *     ...
 *     char *latest = ek_latest_checkpoint("run", NULL);
 *     EK_DIE(ek_saver_restore(saver, s, latest, NULL));
 *
 * A saver adds TensorFlow's nodes to its graph (save/SaveV2, save/RestoreV2, ...), so that the MetaGraph saved beside a
 * checkpoint goes on in TensorFlow. One tensor of a checkpoint without a graph: evenkeel/checkpoint.h.
 */
#ifndef EVENKEEL_SAVER_H
#define EVENKEEL_SAVER_H

#include "evenkeel/files.h"
#include "evenkeel/session.h"
#include "evenkeel/variables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making one -------------------------------------------------------------------------------- */

/* Owned by its graph; NULL after a failure, which is recorded in the graph. Building follows the rules of the graph's
 * other calls; saving and restoring may be called from any thread, one save at a time is carried out. */
typedef struct ek_saver ek_saver;

typedef struct ek_saver_options {
    size_t size;
    ek_graph *graph;                /* required */
    ek_list var_list;               /* variables, each under its own name; count -1, as it is where it is not given:
                                     * EK_GLOBAL_VARIABLES and the variables in EK_SAVEABLE_OBJECTS */
    ek_named_variables named;       /* instead: variables under other names. Parts of one (ek_variable_slice_info) may come one
                                     * after the other under one name */
    bool reshape;                   /* restores into another shape of as many elements */
    bool sharded;                   /* a file for each device that variables are placed on */
    int32_t max_to_keep;            /* 5; older checkpoints are deleted. 0: all are kept, the state file names the last */
    double keep_checkpoint_every_n_hours; /* 10000; besides, one in so many hours is kept for good */
    const char *name;               /* of the name scope; NULL: "save" */
    bool restore_sequentially;      /* of no effect, as in TensorFlow: all is read by one operation */
    int write_version;              /* 2. V1 checkpoints are read, never written */
    bool pad_step_number;           /* model.ckpt-00000100 */
    bool save_relative_paths;       /* the state file's paths are relative to its folder, which can then be moved */
    const char *filename;           /* what the graph saves to where nothing is fed; NULL: "model" */
    bool allow_empty;               /* without a variable: a saver that does nothing instead of an error */
} ek_saver_options;
/* tf.train.Saver: ek_saver_create(g), ek_saver_create(g, .var_list = ek_trainable_variables(g), .name = "best"),
 * ek_saver_create(g, .named = EK_NAMED_VARIABLES({ "old/w", w }, { "old/b", b })).
 *
 * Nodes    under "save" (save_1, ...): filename, Const, SaveV2, control_dependency, RestoreV2, an Assign for each
 *          variable, restore_all; with .sharded a SaveV2 and a RestoreV2 for each device, and MergeV2Checkpoints.
 *          Names in checkpoints are those of the variables' operations, in the order of their bytes.
 * Saved    ek_meta_graph_save writes the SaverDef of the last saver made, if it is not given another. The collection
 *          EK_SAVERS is the caller's to fill, with ek_saver_item.
 * Errors   INVALID_ARGUMENT: "No variables to save"; "At least two variables have the same name: w"; "The same saveable
 *          will be restored with two names: b"; parts and wholes under one name; what is no variable. */
#define ek_saver_create(...)                                                                                      \
    EK_CALL(ek_saver *, ek_saver_create_with, (), ek_saver_options, .var_list = { NULL, NULL, -1 }, .named = { NULL, -1 }, \
            .max_to_keep = 5, .keep_checkpoint_every_n_hours = 10000.0, .write_version = 2, .graph = __VA_ARGS__)
EK_API ek_saver *ek_saver_create_with(const ek_saver_options *o, ek_where where);

/* The saver that a MetaGraph brought (its saver_def), always the same one; NULL: it has none, or names what is not
 * there, which ek_last_error() has. Not while another thread builds the graph. */
EK_API ek_saver *ek_saver_of_graph(ek_graph *g);

/* Names of its nodes, and what it was made with; borrowed from the graph. */
EK_API const ek_saver_def *ek_saver_get_def(const ek_saver *s);
/* For the collection EK_SAVERS: ek_add_item_to_collection(g, EK_SAVERS, ek_saver_item(s), EK_HERE). */
EK_API ek_item ek_saver_item(const ek_saver *s);

#ifdef __cplusplus
}
#endif
#endif
