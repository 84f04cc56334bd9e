/* train/fit_files.c - the folder of a training run: checkpoints, and in them what resuming needs besides variables.
 *
 * Names that begin with "_evenkeel/" are no variables', so that TensorFlow leaves them alone.
 */
#include "train/fit_files.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "codec/bundle.h"
#include "runtime/runtime.h"
#include "values/array.h"

static const char counts_name[] = "_evenkeel/fit/counts", numbers_name[] = "_evenkeel/fit/numbers";
static const char settings_name[] = "_evenkeel/fit/settings";
static const char streams_name[] = "_evenkeel/random/names", places_name[] = "_evenkeel/random/places";

enum { VERSION, STEP, EPOCH, ROW, BEST_STEP, WAITED, COUNTS };
enum { BEST, MEAN_WEIGHT, MEAN, NUMBERS = MEAN + EK_FIT_NUMBERS };
enum { EXTRAS = 5 };

/* ---- the folder ------------------------------------------------------------------------------------------------ */

/* "<logdir>/best", "<logdir>/model.ckpt", "<logdir>/best/model.ckpt". */
static ek_status name_files(ek_fitting *f)
{
    ek_fit_files *files = f->files;
    const size_t n = strlen(f->o.logdir);

    if (n > EK_FIT_PATH - 64)
        return EK_FAIL(f->err, INVALID_ARGUMENT, "the name of the folder '%.60s...' is too long", f->o.logdir);
    snprintf(files->best, sizeof files->best, "%.*s/best", (int)n, f->o.logdir);
    snprintf(files->prefix, sizeof files->prefix, "%.*s/model.ckpt", (int)n, f->o.logdir);
    snprintf(files->best_prefix, sizeof files->best_prefix, "%.*s/best/model.ckpt", (int)n, f->o.logdir);
    return EK_OK;
}

static ek_status open_folder(ek_fitting *f)
{
    EK_TRY(name_files(f));
    if (!f->o.resume && ek__file_folder_in_use(f->o.logdir))
        return EK_FAIL(f->err, ALREADY_EXISTS, "the folder '%s' is not empty; resume what is in it, or choose another",
                       f->o.logdir);
    EK_TRY(ek__file_make_folder(f->o.logdir, f->err));
    return f->o.held_out != NULL ? ek__file_make_folder(f->files->best, f->err) : EK_OK;
}

/* ---- the state of the run as arrays -------------------------------------------------------------------------- */

typedef struct extras {
    ek_array *array[EXTRAS];
    ek_named_array named[EXTRAS];
    int n;
} extras;

static void extras_fini(extras *e)
{
    for (int i = 0; i < e->n; i++) ek_array_unref(e->array[i]);
}

static ek_array *add(extras *e, const char *name, ek_array *a)
{
    e->array[e->n] = a;
    e->named[e->n++] = (ek_named_array){ name, a };
    return a;
}

static ek_status settings_array(const ek_fitting *f, ek_array **out)
{
    EK_TRY(ek__array_new(EK_STRING, &EK_SHAPE(f->o.n_settings, 2), NULL, out, f->err));
    for (int64_t i = 0; i < 2 * f->o.n_settings; i++) {
        const char *s = i % 2 == 0 ? f->o.settings[i / 2].name : f->o.settings[i / 2].value;

        if (!ek__string_set((ek_string *)(*out)->data + i, s, strlen(s)))
            return EK_FAIL(f->err, RESOURCE_EXHAUSTED, "no memory for the settings of a run");
    }
    return EK_OK;
}

static ek_status make_extras(const ek_fitting *f, extras *e)
{
    ek_array *counts, *numbers, *settings = NULL, *streams, *places;
    ek_status st;

    EK_TRY(ek__array_new(EK_INT64, &EK_SHAPE(COUNTS),
                         (const int64_t[]){1, f->done, f->place.epoch, f->place.row, f->best_step, f->waited}, &counts,
                         f->err));
    add(e, counts_name, counts);
    EK_TRY(ek__array_new(EK_FLOAT64, &EK_SHAPE(NUMBERS), NULL, &numbers, f->err));
    add(e, numbers_name, numbers);
    ((double *)numbers->data)[BEST] = f->best;
    ((double *)numbers->data)[MEAN_WEIGHT] = f->mean_weight;
    memcpy((double *)numbers->data + MEAN, f->mean.at, sizeof f->mean.at);
    EK_TRY(ek__session_streams_get(f->session, &streams, &places, f->err));
    add(e, streams_name, streams);
    add(e, places_name, places);
    if (f->o.n_settings == 0) return EK_OK;
    st = settings_array(f, &settings);
    if (settings != NULL) add(e, settings_name, settings);
    return st;
}

/* ---- going on ------------------------------------------------------------------------------------------------ */

/* Whether a file is the index of one of this run's checkpoints, and after which step. */
static bool is_index(const char *name, long long *step)
{
    int end = 0;

    return sscanf(name, "model.ckpt-%18lld.index%n", step, &end) == 1 && end > 0 && name[end] == '\0';
}

/* The step of a checkpoint after the first that is in the folder; 0: there is none. */
static long long find_later(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    long long step, found = 0;

    while (d != NULL && (e = readdir(d)) != NULL)
        if (is_index(e->d_name, &step) && step > found) found = step;
    if (d != NULL) closedir(d);
    return found;
}

/* The checkpoint that the state file of a folder names. *out stays NULL where none was saved yet; where one was and cannot be
 * told, this is an error: to begin again from the first step would be no resuming, and would overwrite what is there. */
static ek_status find_latest(const char *dir, char **out, ek_error *err)
{
    ek_checkpoint_state *state = NULL;
    ek_error why = { .code = EK_OK };
    const ek_status st = ek_checkpoint_state_read(dir, NULL, &state, &why);
    const long long later = st == EK_NOT_FOUND ? find_later(dir) : 0;

    *out = NULL;
    ek_free(state);
    if (later > 0)
        return EK_FAIL(err, NOT_FOUND,
                       "'%s' has the checkpoint model.ckpt-%lld and no file 'checkpoint' that names the last one; "
                       "nothing was changed",
                       dir, later);
    if (st == EK_NOT_FOUND) return EK_OK;
    if (st == EK_OK) *out = ek_latest_checkpoint(dir, NULL);
    if (*out != NULL) return EK_OK;
    return EK_FAIL(err, NOT_FOUND, "the last checkpoint of '%s' cannot be told: %s; nothing was changed", dir,
                   st != EK_OK ? why.text : ek_last_error()->text);
}

/* A setting as a checkpoint has it; NULL: it has none of that name. */
static const ek_string *find_setting(const ek_array *stored, const char *name)
{
    const ek_string *s = stored->data;

    for (int64_t i = 0; i + 1 < stored->count; i += 2)
        if (s[i].size == strlen(name) && (s[i].size == 0 || memcmp(s[i].data, name, s[i].size) == 0)) return &s[i + 1];
    return NULL;
}

static ek_status compare_settings(const ek_fitting *f, const ek_array *stored, const char *prefix)
{
    for (int64_t i = 0; i < f->o.n_settings; i++) {
        const ek_fit_setting *now = &f->o.settings[i];
        const ek_string *was = find_setting(stored, now->name);

        if (was != NULL && was->size == strlen(now->value) &&
            (was->size == 0 || memcmp(was->data, now->value, was->size) == 0))
            continue;
        return EK_FAIL(f->err, INVALID_ARGUMENT,
                       "%s is '%s' now; the run of %s was made with %s%.*s%s; resume with what it was made "
                       "with, or begin another run in another folder",
                       now->name, now->value, prefix, was != NULL ? "'" : "none",
                       was != NULL ? (int)(was->size < 100 ? was->size : 100) : 0,
                       was != NULL && was->data != NULL ? was->data : "", was != NULL ? "'" : "");
    }
    return EK_OK;
}

/* *out stays NULL where the checkpoint has none. */
static ek_status read_settings(ek_bundle *c, const char *prefix, ek_array **out, ek_error *err)
{
    const ek_bundle_entry *e = ek__bundle_find(c, settings_name);

    *out = NULL;
    if (e == NULL) return EK_OK;
    EK_TRY(ek__bundle_read(c, e, NULL, out, err));
    if ((*out)->dtype == EK_STRING && (*out)->shape.rank == 2 && (*out)->shape.dim[1] == 2) return EK_OK;
    ek_array_unref(*out);
    *out = NULL;
    return EK_FAIL(err, DATA_LOSS, "the settings in the checkpoint %s are no pairs of strings", prefix);
}

static ek_status check_settings(const ek_fitting *f, ek_bundle *c, const char *prefix)
{
    ek_array *stored;
    ek_status st = read_settings(c, prefix, &stored, f->err);

    if (st == EK_OK && stored != NULL) st = compare_settings(f, stored, prefix);
    ek_array_unref(stored);
    return st;
}

ek_status ek_fit_settings_load(const char *logdir, ek_array **out, ek_error *err)
{
    char *prefix;
    ek_bundle *c = NULL;
    ek_status st;

    err = ek__error_begin(err);
    if (out != NULL) *out = NULL;
    if (logdir == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a folder and a place for its settings were expected, found NULL");
    st = find_latest(logdir, &prefix, err);
    if (prefix != NULL) {
        st = ek__bundle_open(prefix, &c, err);
        if (st == EK_OK) st = read_settings(c, prefix, out, err);
    }
    ek__bundle_close(c);
    ek_free(prefix);
    return st;
}

/* An array of the run's state, of this type and length. */
static ek_status read_state(const ek_fitting *f, ek_bundle *c, const char *name, ek_dtype dtype, int64_t n,
                            ek_array **out, const char *prefix)
{
    const ek_bundle_entry *e = ek__bundle_find(c, name);

    if (e == NULL)
        return EK_FAIL(f->err, INVALID_ARGUMENT,
                       "the checkpoint %s has no place to go on from ('%s'); it is no training run's of "
                       "this library",
                       prefix, name);
    EK_TRY(ek__bundle_read(c, e, NULL, out, f->err));
    if ((*out)->dtype == dtype && (*out)->count == n) return EK_OK;
    return EK_FAIL(f->err, DATA_LOSS, "'%s' in the checkpoint %s is not what this library writes", name, prefix);
}

static ek_status take_counts(ek_fitting *f, const int64_t *v, const char *prefix)
{
    bool ok = v[VERSION] == 1;

    for (int i = STEP; i < COUNTS; i++) ok = ok && v[i] >= (i == BEST_STEP ? -1 : 0) && v[i] <= INT64_MAX / 2;
    if (!ok)
        return EK_FAIL(f->err, DATA_LOSS, "'%s' in the checkpoint %s is not what this library writes", counts_name,
                       prefix);
    f->done = f->saved_at = v[STEP];
    f->place = (ek_data_place){ v[EPOCH], v[ROW] };
    f->best_step = v[BEST_STEP];
    f->waited = v[WAITED];
    return EK_OK;
}

static void take_numbers(ek_fitting *f, const double *v)
{
    f->best = v[BEST];
    f->mean_weight = v[MEAN_WEIGHT];
    memcpy(f->mean.at, v + MEAN, sizeof f->mean.at);
}

static ek_status restore_streams(const ek_fitting *f, ek_bundle *c)
{
    const ek_bundle_entry *n = ek__bundle_find(c, streams_name), *p = ek__bundle_find(c, places_name);
    ek_array *names = NULL, *places = NULL;
    ek_status st;

    if (n == NULL || p == NULL) return EK_OK;
    st = ek__bundle_read(c, n, NULL, &names, f->err);
    if (st == EK_OK) st = ek__bundle_read(c, p, NULL, &places, f->err);
    if (st == EK_OK) st = ek__session_streams_set(f->session, names, places, f->err);
    ek_array_unref(names);
    ek_array_unref(places);
    return st;
}

static ek_status restore_state(ek_fitting *f, ek_bundle *c, const char *prefix)
{
    ek_array *counts = NULL, *numbers = NULL;
    ek_status st = check_settings(f, c, prefix);

    if (st == EK_OK) st = read_state(f, c, counts_name, EK_INT64, COUNTS, &counts, prefix);
    if (st == EK_OK) st = read_state(f, c, numbers_name, EK_FLOAT64, NUMBERS, &numbers, prefix);
    if (st == EK_OK) st = take_counts(f, counts->data, prefix);
    if (st == EK_OK) take_numbers(f, numbers->data);
    if (st == EK_OK) st = ek_saver_restore(f->files->saver, f->session, prefix, f->err);
    if (st == EK_OK) st = restore_streams(f, c);
    if (st == EK_OK) st = ek_saver_recover_last_checkpoints(f->files->saver, f->o.logdir, NULL, f->err);
    ek_array_unref(counts);
    ek_array_unref(numbers);
    return st;
}

/* The best checkpoint so far, which the next one replaces. */
static ek_status find_best(ek_fitting *f)
{
    char *path;

    EK_TRY(find_latest(f->files->best, &path, f->err));
    if (path != NULL) snprintf(f->r->best_checkpoint, sizeof f->r->best_checkpoint, "%s", path);
    ek_free(path);
    return EK_OK;
}

/* Whether the saver keeps, or the state of best/ names, a checkpoint after that step. */
static bool is_kept(const ek_fitting *f, bool best, long long step)
{
    const char *end = strrchr(f->r->best_checkpoint, '-');
    char *path;
    bool kept = best && end != NULL && strtoll(end + 1, NULL, 10) == step;

    for (int64_t i = 0; !best && !kept && (path = ek_saver_last_checkpoint(f->files->saver, i)) != NULL; i++) {
        end = strrchr(path, '-');
        kept = end != NULL && strtoll(end + 1, NULL, 10) == step;
        ek_free(path);
    }
    return kept;
}

/* Whether a file is one of a checkpoint of this run, and after which step. */
static bool is_of_checkpoint(const char *name, long long *step)
{
    int end = 0, rest = 0;

    if (sscanf(name, "model.ckpt-%18lld%n", step, &end) != 1) return false;
    name += end;
    if (strcmp(name, ".index") == 0 || strcmp(name, ".meta") == 0) return true;
    (void)sscanf(name, ".data-%*5d-of-%*5d%n", &rest);
    return rest > 0 && name[rest] == '\0';
}

/* Whether a file was to become one of a checkpoint, or the state file. */
static bool is_left(const char *name)
{
    if (strncmp(name, "checkpoint.", 11) != 0 && strncmp(name, "model.ckpt-", 11) != 0) return false;
    for (const char *at = strchr(name, '.'); at != NULL; at = strchr(at + 1, '.'))
        if (ek__file_is_part_of(name, name, (size_t)(at - name))) return true;
    return false;
}

/* What a process that was killed left: files half written, and checkpoints that were to be removed, whole or in part,
 * once the state file named a new one. Nobody else would ever remove them. */
static ek_status remove_forgotten(ek_fitting *f, const char *dir, bool best)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    ek_status st = EK_OK;
    long long step;

    while (st == EK_OK && d != NULL && (e = readdir(d)) != NULL) {
        char path[EK_FIT_PATH + sizeof e->d_name];

        if (is_left(e->d_name)) {
            snprintf(path, sizeof path, "%.*s/%s", EK_FIT_PATH - 40, dir, e->d_name);
            st = ek__file_remove(path, f->err);
        } else if (is_of_checkpoint(e->d_name, &step) && step < f->done && !is_kept(f, best, step)) {
            snprintf(path, sizeof path, "%.*s/model.ckpt-%lld", EK_FIT_PATH - 40, dir, step);
            st = ek_checkpoint_remove(path, f->err);
        }
    }
    if (d != NULL) closedir(d);
    return st;
}

static ek_status resume(ek_fitting *f)
{
    char *prefix;
    ek_bundle *c = NULL;
    ek_status st;

    EK_TRY(find_latest(f->o.logdir, &prefix, f->err));
    if (prefix == NULL) return EK_OK; /* killed before the first: from the beginning */
    st = ek__bundle_open(prefix, &c, f->err);
    if (st == EK_OK) st = restore_state(f, c, prefix);
    if (st == EK_OK) {
        f->r->resumed = true;
        snprintf(f->r->checkpoint, sizeof f->r->checkpoint, "%s", prefix);
        st = find_best(f);
    }
    if (st == EK_OK) st = remove_forgotten(f, f->o.logdir, false);
    if (st == EK_OK) st = remove_forgotten(f, f->files->best, true);
    ek__bundle_close(c);
    ek_free(prefix);
    return st;
}

ek_status ek__fit_files_open(ek_fitting *f)
{
    if (f->o.logdir == NULL) return EK_OK;
    f->files = ek__calloc(1, sizeof *f->files);
    if (f->files == NULL) return EK_FAIL(f->err, RESOURCE_EXHAUSTED, "no memory for the files of a run");
    EK_TRY(open_folder(f));
    f->files->saver =
        ek_saver_create(f->graph, .max_to_keep = f->o.keep > 0 ? f->o.keep : 1, .save_relative_paths = true);
    if (f->files->saver == NULL) return ek_graph_status(f->graph, f->err);
    if (f->o.resume) EK_TRY(resume(f));
    return ek__fit_events_open(f);
}

void ek__fit_files_close(ek_fitting *f)
{
    if (f->files == NULL) return;
    (void)ek__fit_events_close(f); /* after a failure: the error is there already */
    ek__free(f->files);
    f->files = NULL;
}

ek_status ek__fit_files_finish(ek_fitting *f)
{
    return f->files != NULL ? ek__fit_events_close(f) : EK_OK;
}

/* ---- saving -------------------------------------------------------------------------------------------------- */

/* A checkpoint of numbers that are none is worse than none: the good ones before it would be deleted in time. */
static ek_status check_variables(ek_fitting *f)
{
    const ek_list all = ek_global_variables(f->graph);

    for (int64_t i = 0; i < all.count; i++) {
        const ek_variable v = all.item[i].u.variable;
        const char *kept = f->r->checkpoint;
        ek_array *a = NULL;
        ek_status st;

        if (all.item[i].kind != EK_ITEM_VARIABLE || !ek_dtype_is_floating(ek_dtype_base(ek_variable_dtype(v))))
            continue;
        st = ek_session_get(f->session, v, &a);
        const bool fine = st != EK_OK || ek__array_is_finite(a);
        ek_array_unref(a);
        if (st == EK_RESOURCE_EXHAUSTED) return ek__error_copy(f->err, ek_last_error());
        if (fine) continue; /* one without a value is the saver's to tell */
        f->r->end = EK_FIT_NOT_FINITE;
        return EK_FAIL(
            f->err, ABORTED,
            "variable '%s' is not finite after step %lld, so nothing was saved; training stopped%s%s; a "
            "lower learning rate may help, and EK_CHECK=nan in the environment names the first operation that gives "
            "such a number",
            ek_variable_name(v), (long long)f->done, kept[0] != '\0' ? ", the last good checkpoint is " : "", kept);
    }
    return EK_OK;
}

static ek_status save_to(ek_fitting *f, const char *prefix, bool in_state, char path[1024])
{
    extras e = { .n = 0 };
    char *written = NULL;
    ek_status st = check_variables(f);

    if (st == EK_OK) st = make_extras(f, &e);
    if (st == EK_OK)
        st = ek_saver_save(f->files->saver, f->session, prefix, .global_step = f->done, .extra = e.named,
                           .n_extra = e.n, .no_state = !in_state, .path = &written, .error = f->err);
    if (st == EK_OK) snprintf(path, 1024, "%s", written);
    ek_free(written);
    extras_fini(&e);
    return st;
}

ek_status ek__fit_files_save(ek_fitting *f)
{
    EK_TRY(ek__fit_events_flush(f));
    return save_to(f, f->files->prefix, true, f->r->checkpoint);
}

ek_status ek__fit_files_save_best(ek_fitting *f)
{
    char path[1024];
    const char *list[1] = { path };
    const ek_checkpoint_state state = {
        .model_checkpoint_path = path, .all_model_checkpoint_paths = list, .n_paths = 1
    };

    if (f->files == NULL) return EK_OK;
    EK_TRY(save_to(f, f->files->best_prefix, false, path));
    EK_TRY(ek_checkpoint_state_update(f->files->best, &state, true, NULL, f->err));
    if (f->r->best_checkpoint[0] != '\0' && strcmp(f->r->best_checkpoint, path) != 0)
        EK_TRY(ek_checkpoint_remove(f->r->best_checkpoint, f->err));
    snprintf(f->r->best_checkpoint, sizeof f->r->best_checkpoint, "%s", path);
    return EK_OK;
}
