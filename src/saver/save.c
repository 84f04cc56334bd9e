/* saver/save.c - saving: the tensors, then the MetaGraph, then the state file; at last what is too old is deleted.
 * Each takes the place of what was there in one piece, so that what the state file names is whole at any instant.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "codec/bundle.h"
#include "evenkeel/checkpoint.h"
#include "runtime/runtime.h"
#include "saver/path.h"
#include "saver/saver.h"

typedef struct saving {
    ek_saver *saver;
    ek_session *session;
    const ek_saver_save_options *o;
    const char *latest_filename;
    ek_buf prefix, folder, meta; /* of the checkpoint; where it is */
    ek_error *err;
} saving;

static ek_status no_memory(ek_error *err) { return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to save a checkpoint"); }

/* ---- what it is called ----------------------------------------------------------------------------------- */

static ek_status step_of(const saving *s, int64_t *step)
{
    ek_array *value = NULL;

    *step = s->o->global_step;
    if (!ek_variable_ok(s->o->global_step_variable)) return EK_OK;
    if (ek_session_get(s->session, s->o->global_step_variable, &value) != EK_OK)
        return ek__error_copy(s->err, ek_last_error());
    if (ek_array_count(value) == 1 && ek_dtype_is_integer(ek_array_dtype(value))) *step = ek__array_int(value, 0);
    else *step = -1;
    ek_array_unref(value);
    return *step >= 0 ? EK_OK : EK_FAIL(s->err, INVALID_ARGUMENT, "the global step is no integer of zero or more");
}

static ek_status name_it(saving *s)
{
    const char *given = s->o->prefix, *base;
    int64_t step;

    EK_TRY(step_of(s, &step));
    if (strchr(s->latest_filename, '/') != NULL)
        return EK_FAIL(s->err, INVALID_ARGUMENT, "'latest_filename' must not contain path components");
    base = strrchr(given, '/') != NULL ? strrchr(given, '/') + 1 : given;
    if (base[0] == '\0')
        return EK_FAIL(s->err, INVALID_ARGUMENT, "'%s' is a folder: the name of a checkpoint in it is needed", given);
    if (step < 0 && strcmp(base, s->latest_filename) == 0 && !s->saver->def.sharded)
        return EK_FAIL(s->err, INVALID_ARGUMENT, "'latest_filename' collides with 'save_path': '%s' and '%s'",
                       s->latest_filename, given);
    ek__buf_str(&s->prefix, given);
    if (step >= 0) ek__buf_printf(&s->prefix, s->saver->pad_step_number ? "-%08lld" : "-%lld", (long long)step);
    ek__path_dirname(&s->folder, given);
    ek__buf_add(&s->folder, "", 0);
    if (!s->prefix.failed) ek__path_of_meta(&s->meta, s->prefix.data);
    return s->prefix.failed || s->folder.failed || s->meta.failed ? no_memory(s->err) : EK_OK;
}

static const char *folder_of(const saving *s) { return s->folder.data != NULL ? s->folder.data : ""; }

/* Parts that are to be merged stand in a folder of their own, below. Where this cannot be made the run will tell. */
static void make_folder(const saving *s)
{
    ek_error quiet = { .code = EK_OK };

    if (folder_of(s)[0] != '\0') (void)ek__file_make_folder(folder_of(s), &quiet);
}

/* ---- the tensors -------------------------------------------------------------------------------------------- */

static ek_status run_to(const saving *s, const char *prefix)
{
    const ek_string name = { (char *)(uintptr_t)prefix, strlen(prefix) };
    ek_array *value = NULL, *written = NULL;
    struct stat folder;
    ek_status st;

    EK_TRY(ek__array_new(EK_STRING, &EK_SCALAR, &name, &value, s->err));
    st = ek_run_with(s->session,
                     &(ek_run_options){ .size = sizeof(ek_run_options),
                                        .feed = { { s->saver->filename, value } },
                                        .fetch = { { s->saver->save, &written } },
                                        .error = s->err },
                     (ek_where){ 0 });
    ek_array_unref(value);
    ek_array_unref(written);
    if ((st == EK_NOT_FOUND || st == EK_FAILED_PRECONDITION) && folder_of(s)[0] != '\0' &&
        (stat(folder_of(s), &folder) != 0 || !S_ISDIR(folder.st_mode))) {
        ek__error_begin(s->err);
        return EK_FAIL(s->err, NOT_FOUND, "Parent directory of %s doesn't exist, can't save.", s->o->prefix);
    }
    return st;
}

/* ---- tensors and what is kept with them ------------------------------------------------------------------------ */

/* Whatever a saver's nodes are like, they write one checkpoint; what is to stand in it besides is a second, and both
 * are merged as the shards of a sharded saver are: by renaming, the values are written once. What a process that was
 * killed left of this is used up by the next that saves under the name. */
static ek_status save_with_extra(const saving *s)
{
    ek_buf part[2] = { { .data = NULL }, { .data = NULL } };
    ek_error quiet = { .code = EK_OK };
    ek_status st = EK_OK;

    for (int i = 0; i < 2; i++) {
        ek__buf_printf(&part[i], "%s_temp/part-%05d-of-00002", s->prefix.data, i);
        if (part[i].failed) st = no_memory(s->err);
    }
    if (st == EK_OK) st = run_to(s, part[0].data);
    if (st == EK_OK) st = ek_checkpoint_write(part[1].data, s->o->extra, s->o->n_extra, s->err);
    if (st == EK_OK)
        st = ek__bundle_merge((const char *const[]){ part[0].data, part[1].data }, 2, s->prefix.data, true, s->err);
    if (st != EK_OK && !part[0].failed && !part[1].failed) {
        for (int i = 0; i < 2; i++) (void)ek__bundle_delete(part[i].data, &quiet);
        *strrchr(part[0].data, '/') = '\0';
        (void)ek__file_remove_folder(part[0].data);
    }
    ek__buf_fini(&part[0]);
    ek__buf_fini(&part[1]);
    return st;
}

/* ---- the state ------------------------------------------------------------------------------------------------ */

static ek_status write_state(const saving *s, const ek_kept *kept)
{
    const char **paths = ek__calloc((size_t)kept->n + 1, sizeof *paths);
    ek_status st;

    if (paths == NULL) return no_memory(s->err);
    for (int64_t i = 0; i < kept->n; i++) paths[i] = kept->at[i].path;
    st = ek_checkpoint_state_update(folder_of(s),
                                    &(ek_checkpoint_state){ .model_checkpoint_path = s->prefix.data,
                                                            .all_model_checkpoint_paths = paths,
                                                            .n_paths = kept->n },
                                    s->saver->save_relative_paths, s->latest_filename, s->err);
    ek__free((void *)(uintptr_t)paths);
    return st;
}

/* One that is too old goes, unless it is to stay as one of its hours. */
static void retire(ek_saver *s, const ek_kept_checkpoint *old)
{
    const double period = (double)s->def.keep_checkpoint_every_n_hours * 3600;
    ek_error quiet = { .code = EK_OK };

    if (old->time > s->next_to_stay) {
        s->next_to_stay += period;
        return;
    }
    if (ek_checkpoint_remove(old->path, &quiet) != EK_OK && ek__log_on("files"))
        ek__log("files", "the old checkpoint %s stays: %s", old->path, quiet.text);
}

/* The list as it will be is in the state file before anything is deleted. */
static ek_status record(const saving *s)
{
    ek_saver *saver = s->saver;
    ek_kept now = { .at = NULL }, old = { .at = NULL };
    ek_status st = EK_OK;

    if (saver->def.max_to_keep > 0) {
        if (!ek__kept_copy(&saver->kept, &now) || !ek__kept_add(&now, s->prefix.data, ek__now()))
            st = no_memory(s->err);
        while (st == EK_OK && now.n > saver->def.max_to_keep) {
            if (!ek__kept_add(&old, now.at[0].path, now.at[0].time)) st = no_memory(s->err);
            else ek__kept_drop(&now, 0);
        }
    }
    if (st == EK_OK) st = write_state(s, &now);
    if (st == EK_OK) {
        ek__kept_fini(&saver->kept);
        saver->kept = now;
        for (int64_t i = 0; i < old.n; i++) retire(saver, &old.at[i]);
    } else {
        ek__kept_fini(&now);
    }
    ek__kept_fini(&old);
    return st;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static ek_status save(saving *s)
{
    const bool empty = s->saver->is_empty;

    EK_TRY(name_it(s));
    make_folder(s);
    if (!empty) EK_TRY(s->o->n_extra > 0 ? save_with_extra(s) : run_to(s, s->prefix.data));
    if (!s->o->no_meta_graph)
        EK_TRY(ek_meta_graph_save_with(s->saver->graph, &(ek_meta_graph_save_options){
            .size = sizeof(ek_meta_graph_save_options), .path = s->meta.data, .saver = empty ? NULL : &s->saver->def,
            .error = s->err }, (ek_where){ 0 }));
    return empty || s->o->no_state ? EK_OK : record(s);
}

static ek_status check(const saving *s)
{
    const ek_saver_save_options *o = s->o;

    if (s->saver == NULL || s->session == NULL)
        return EK_FAIL(s->err, INVALID_ARGUMENT, "a saver and a session are needed");
    if (s->session->graph != s->saver->graph)
        return EK_FAIL(s->err, INVALID_ARGUMENT, "the session runs another graph than the saver's");
    if (o->prefix == NULL || o->prefix[0] == '\0')
        return EK_FAIL(s->err, INVALID_ARGUMENT, "the prefix of a checkpoint is needed");
    if (o->n_extra < 0 || (o->n_extra > 0 && o->extra == NULL))
        return EK_FAIL(s->err, INVALID_ARGUMENT, ".extra has %lld items and is not there", (long long)o->n_extra);
    for (int64_t i = 0; !s->saver->is_empty && i < o->n_extra; i++)
        if (o->extra[i].name == NULL || o->extra[i].array == NULL)
            return EK_FAIL(s->err, INVALID_ARGUMENT, "item %lld of .extra has no name or no array", (long long)i);
    if (!s->saver->is_empty && s->saver->def.version != 2)
        return EK_FAIL(s->err, UNIMPLEMENTED,
                       "the saver of this graph writes checkpoints V1, which are read here and not written: "
                       "save with one that ek_saver_create makes");
    return EK_OK;
}

ek_status ek_saver_save_with(ek_saver *saver, ek_session *session, const ek_saver_save_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    saving s = { saver, session, o, o->latest_filename != NULL ? o->latest_filename : "checkpoint",
                 .err = ek__error_begin(o->error) };
    ek_status st;

    if (o->path != NULL) *o->path = NULL;
    EK_TRY(check(&s));
    pthread_mutex_lock(&saver->lock);
    st = save(&s);
    pthread_mutex_unlock(&saver->lock);
    if (st == EK_OK && o->path != NULL && !saver->is_empty) {
        *o->path = s.prefix.data; /* ek_free takes a buffer's bytes */
        s.prefix = (ek_buf){ .data = NULL };
    }
    ek__buf_fini(&s.prefix);
    ek__buf_fini(&s.folder);
    ek__buf_fini(&s.meta);
    return st;
}
