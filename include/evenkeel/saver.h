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
    ek_named_variables named;       /* instead: variables under other names. Parts of one (ek_variable_slice_info)
                                     * may come one after the other under one name */
    bool reshape;                   /* restores into another shape of as many elements */
    bool sharded;                   /* a file for each device that variables are placed on */
    int32_t max_to_keep;            /* 5; older checkpoints are deleted. 0: all stay, the state file names the last */
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
#define ek_saver_create(...)                                                                                           \
    EK_CALL(ek_saver *, ek_saver_create_with, (), ek_saver_options, .var_list = { NULL, NULL, -1 },                    \
            .named = { NULL, -1 }, .max_to_keep = 5, .keep_checkpoint_every_n_hours = 10000.0, .write_version = 2,     \
            .graph = __VA_ARGS__)
EK_API ek_saver *ek_saver_create_with(const ek_saver_options *o, ek_where where);

/* What tf.train.import_meta_graph returns: the saver that a MetaGraph brought (its saver_def), always the same one;
 * NULL: it has none, or names what is not there, which ek_last_error() has. Not while another thread
 * builds the graph. */
EK_API ek_saver *ek_saver_of_graph(ek_graph *g);

/* Saver.as_saver_def: names of its nodes, and what it was made with; borrowed from the graph. */
EK_API const ek_saver_def *ek_saver_get_def(const ek_saver *s);
/* For the collection EK_SAVERS: ek_add_item_to_collection(g, EK_SAVERS, ek_saver_item(s), EK_HERE). */
EK_API ek_item ek_saver_item(const ek_saver *s);

/* ---- saving --------------------------------------------------------------------------------------- */

typedef struct ek_saver_save_options {
    size_t size;
    const char *prefix;            /* required: "run/model.ckpt". The last folder is made where it is missing */
    int64_t global_step;           /* -1: none; else the checkpoint is called <prefix>-<global_step> */
    ek_variable global_step_variable; /* its value instead; a dead one, as it is where it is not given: none */
    const char *latest_filename;   /* of the state file; NULL: "checkpoint" */
    bool no_meta_graph;            /* leaves out the .meta beside the checkpoint */
    bool no_state;                 /* leaves out the state file: nothing finds, counts or deletes this one */
    const ek_named_array *extra;   /* kept in the same checkpoint, under names that no variable has: TensorFlow
                                    * ignores them */
    int64_t n_extra;
    char **path;                   /* NULL, or where the prefix to restore from goes, to be given to ek_free */
    ek_error *error;
} ek_saver_save_options;
/* Saver.save: ek_saver_save(saver, session, "run/model.ckpt", .global_step = 1000). In one run, so that the values
 * belong together whatever other threads do meanwhile.
 *
 * All or nothing: the tensors, the MetaGraph, the state file, one after the other and each in one piece; only then
 * the oldest checkpoint beyond max_to_keep is deleted. When it fails or the process is killed, what the state file
 * names restores. One writer for a folder: a saver waits for its own other saves, not for those of other processes.
 * Errors  NOT_FOUND "Parent directory of a/b/model doesn't exist, can't save."; FAILED_PRECONDITION: a variable
 *         without a value; what the operating system says of the files; INVALID_ARGUMENT: a latest_filename with a
 *         '/', or that collides with the prefix; extra names that are in use; UNIMPLEMENTED: a saver that came with
 *         a graph and writes V1. */
#define ek_saver_save(s, session, ...)                                                                            \
    EK_CALL(ek_status, ek_saver_save_with, ((s), (session),), ek_saver_save_options, .global_step = -1,           \
            .global_step_variable = { NULL, -1 }, .prefix = __VA_ARGS__)
EK_API EK_MUST_CHECK ek_status ek_saver_save_with(ek_saver *s, ek_session *session, const ek_saver_save_options *o,
                                                  ek_where where);

/* Saver.recover_last_checkpoints: the saver goes on with the checkpoints that the state file of a folder lists, as if
 * it had written them: those that are still there, in this very folder, with the times of their files. For a training
 * that is resumed. No state file: EK_OK. latest_filename NULL: "checkpoint". `err` may be NULL here and below:
 * ek_last_error() has it then. */
EK_API EK_MUST_CHECK ek_status ek_saver_recover_last_checkpoints(ek_saver *s, const char *dir,
                                                                 const char *latest_filename, ek_error *err);
/* Saver.last_checkpoints: prefixes of the checkpoints that it keeps, the oldest first, number i; NULL: no more. A copy,
 * to be given to ek_free. */
EK_API char *ek_saver_last_checkpoint(ek_saver *s, int64_t i);

/* ---- restoring -------------------------------------------------------------------------------------- */

/* Saver.restore: gives the saver's variables the values that a checkpoint has under their names; no initializer is
 * needed. Others keep theirs. Either all are restored or none: names and shapes are compared first. Versions 1 and
 * 2.
 *     Another set or other names: another saver, with .var_list or .named.
 * Errors  INVALID_ARGUMENT "The passed save_path is not a valid checkpoint: .."; NOT_FOUND and INVALID_ARGUMENT
 *         "Restoring from checkpoint failed. ..": a key that is missing, and a mismatch, with the variable and both
 *         shapes; DATA_LOSS: damaged. */
EK_API EK_MUST_CHECK ek_status ek_saver_restore(ek_saver *s, ek_session *session, const char *prefix, ek_error *err);

/* ---- what there is in a folder -------------------------------------------------------------------------- */

/* tf.train.latest_checkpoint: the prefix that the state file names, if its files are there; NULL: none. To be given to
 * ek_free. */
EK_API char *ek_latest_checkpoint(const char *dir, const char *latest_filename);
/* tf.train.checkpoint_exists: whether there is a checkpoint of that prefix, version 1 or 2. */
EK_API bool ek_checkpoint_exists(const char *prefix);
/* tf.train.remove_checkpoint: deletes a checkpoint with its .meta; nothing there: EK_OK. The state file stays as it is.
 * Errors  INVALID_ARGUMENT: a file of that name which is no checkpoint (it stays); what the system says. */
EK_API EK_MUST_CHECK ek_status ek_checkpoint_remove(const char *prefix, ek_error *err);

/* What a state file says. Paths that are relative in the file begin with the folder here. */
typedef struct ek_checkpoint_state {
    const char *model_checkpoint_path;             /* the latest */
    const char *const *all_model_checkpoint_paths; /* the oldest first */
    int64_t n_paths;
    const double *all_model_checkpoint_timestamps; /* seconds since 1970, one for each path; NULL: not said */
    double last_preserved_timestamp;               /* 0: not said */
} ek_checkpoint_state;
/* tf.train.get_checkpoint_state; *out is one block, to be given to ek_free.
 * Errors  NOT_FOUND: no such file; INVALID_ARGUMENT: no CheckpointState, with line and column; "Invalid checkpoint
 *         state loaded from .." where it names no checkpoint. */
EK_API EK_MUST_CHECK ek_status ek_checkpoint_state_read(const char *dir, const char *latest_filename,
                                                        ek_checkpoint_state **out, ek_error *err);
/* tf.train.update_checkpoint_state: writes the file anew, in one piece. Paths are made relative to the folder as
 * TensorFlow does: where `dir` is relative, or `relative` is set. The latest is added to the list where it is not
 * its last. */
EK_API EK_MUST_CHECK ek_status ek_checkpoint_state_update(const char *dir, const ek_checkpoint_state *state,
                                                          bool relative, const char *latest_filename, ek_error *err);

#ifdef __cplusplus
}
#endif
#endif
