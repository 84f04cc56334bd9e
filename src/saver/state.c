/* saver/state.c - the state file of a folder, "checkpoint": which checkpoint is the latest, and which are kept. And
 * what there is under a prefix. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/bundle.h"
#include "codec/fields.h"
#include "codec/source.h"
#include "codec/table.h"
#include "codec/text.h"
#include "saver/path.h"
#include "saver/saver.h"

static const char *file_or_usual(const char *latest_filename)
{
    return latest_filename != NULL ? latest_filename : "checkpoint";
}

static ek_status no_memory(ek_error *err)
{
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a checkpoint's state");
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* The file as wire bytes; checked. */
static ek_status read_file(const char *dir, const char *name, ek_buf *out, ek_error *err)
{
    ek_buf path = { .data = NULL };
    ek_source *source = NULL;
    ek_status st = EK_OK;

    ek__path_join(&path, dir, name);
    if (path.failed) st = no_memory(err);
    else st = ek__source_open(path.data, &source, err);
    if (st == EK_OK) {
        ek_error why = { .code = EK_OK };
        st = ek__text_parse(ek__proto(EK_PROTO_CHECKPOINT_STATE), (const char *)source->data, source->size, out, &why);
        if (st != EK_OK)
            st = ek__fail(err, st, __FILE__, __LINE__, "%s is no checkpoint state: %s", path.data, why.text);
    }
    ek__source_unref(source);
    ek__buf_fini(&path);
    return st;
}

typedef struct reading {
    const char *dir;
    ek_buf text;                  /* all paths, each with its NUL */
    size_t n_text;                /* bytes before the next */
    int64_t n_paths, n_times;
    ek_span latest;
    double preserved;
} reading;

static double number(uint64_t bits) { return ek__wire_double(bits); }

/* Once to count, once to fill what the caller gets: strings of the block point behind its arrays. */
static void each(ek_span message, reading *r, double *times, ek_span *paths)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;
    uint64_t bits;

    r->n_paths = r->n_times = 0;
    while (ek__wire_next(&w, &f)) {
        size_t offset = 0;
        if (f.number == EK_F_STATE_LATEST) r->latest = f.bytes;
        if (f.number == EK_F_STATE_PRESERVED) r->preserved = number(f.value);
        if (f.number == EK_F_STATE_ALL) {
            if (paths != NULL) paths[r->n_paths] = f.bytes;
            r->n_paths++;
        }
        while (f.number == EK_F_STATE_TIMES && ek__wire_packed(&f, EK_WIRE_FIXED64, &offset, &bits)) {
            if (times != NULL) times[r->n_times] = number(bits);
            r->n_times++;
        }
    }
}

/* A path as it is used: with the folder before it. */
static void put_path(reading *r, ek_span path)
{
    if (path.size == 0 || path.at[0] != '/') {
        const size_t n = strlen(r->dir);
        ek__buf_add(&r->text, r->dir, n);
        if (n > 0 && r->dir[n - 1] != '/') ek__buf_str(&r->text, "/");
    }
    ek__buf_add(&r->text, path.at, path.size);
    ek__buf_add(&r->text, "", 1);
}

/* One block: the struct, times, pointers, text. */
static ek_checkpoint_state *pack(const reading *r, const double *times)
{
    const size_t at_times = sizeof(ek_checkpoint_state), at_paths = at_times + (size_t)r->n_times * sizeof(double);
    const size_t at_text = at_paths + (size_t)r->n_paths * sizeof(char *);
    char *block = ek__calloc(1, at_text + r->text.size), *text = block + at_text;

    if (block == NULL) return NULL;
    ek_checkpoint_state *out = (ek_checkpoint_state *)(void *)block;
    double *kept_times = (double *)(void *)(block + at_times);
    const char **paths = (const char **)(void *)(block + at_paths);
    memcpy(text, r->text.data, r->text.size);
    if (r->n_times > 0) memcpy(kept_times, times, (size_t)r->n_times * sizeof *times);
    *out = (ek_checkpoint_state){ .model_checkpoint_path = text, .all_model_checkpoint_paths = paths,
                                  .n_paths = r->n_paths, .last_preserved_timestamp = r->preserved };
    if (r->n_times > 0 && r->n_times == r->n_paths) out->all_model_checkpoint_timestamps = kept_times;
    for (int64_t i = 0; i < r->n_paths; i++) {
        text += strlen(text) + 1;
        paths[i] = text;
    }
    return out;
}

ek_status ek_checkpoint_state_read(const char *dir, const char *latest_filename, ek_checkpoint_state **out,
                                   ek_error *err)
{
    reading r = { .dir = dir };
    ek_buf wire = { .data = NULL };
    ek_span *paths = NULL;
    double *times = NULL;
    ek_status st;

    err = ek__error_begin(err);
    if (out == NULL || dir == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a folder and a place for its state are needed");
    *out = NULL;
    EK_TRY_DONE(read_file(dir, file_or_usual(latest_filename), &wire, err));
    const ek_span message = { (const uint8_t *)(wire.data != NULL ? wire.data : ""), wire.size };
    each(message, &r, NULL, NULL);
    if (r.latest.size == 0) st = EK_FAIL(err, INVALID_ARGUMENT, "Invalid checkpoint state loaded from %s", dir);
    if (st != EK_OK) goto done;
    paths = ek__calloc((size_t)r.n_paths + 1, sizeof *paths);
    times = ek__calloc((size_t)r.n_times + 1, sizeof *times);
    if (paths != NULL && times != NULL) {
        each(message, &r, times, paths);
        put_path(&r, r.latest);
        for (int64_t i = 0; i < r.n_paths; i++) put_path(&r, paths[i]);
        if (!r.text.failed) *out = pack(&r, times);
    }
    if (*out == NULL) st = no_memory(err);
done:
    ek__free(paths);
    ek__free(times);
    ek__buf_fini(&r.text);
    ek__buf_fini(&wire);
    return st;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* A path as the file has it. */
static void put_as_written(ek_buf *b, uint32_t field, const char *dir, const char *path, bool relative)
{
    const size_t mark = ek__put_open(b, field);

    if (relative && ek__path_is_absolute(path)) ek__path_relative(b, path, dir);
    else if (!ek__path_is_absolute(dir) && !ek__path_is_absolute(path)) ek__path_relative(b, path, dir);
    else ek__buf_str(b, path);
    ek__put_close(b, mark);
}

static void put_state(ek_buf *b, const char *dir, const ek_checkpoint_state *s, bool relative)
{
    const bool last =
        s->n_paths > 0 && strcmp(s->all_model_checkpoint_paths[s->n_paths - 1], s->model_checkpoint_path) == 0;

    put_as_written(b, EK_F_STATE_LATEST, dir, s->model_checkpoint_path, relative);
    for (int64_t i = 0; i < s->n_paths; i++)
        put_as_written(b, EK_F_STATE_ALL, dir, s->all_model_checkpoint_paths[i], relative);
    if (!last) put_as_written(b, EK_F_STATE_ALL, dir, s->model_checkpoint_path, relative);
    for (int64_t i = 0; s->all_model_checkpoint_timestamps != NULL && i < s->n_paths; i++)
        ek__put_double(b, EK_F_STATE_TIMES, s->all_model_checkpoint_timestamps[i]);
    if (s->last_preserved_timestamp != 0) ek__put_double(b, EK_F_STATE_PRESERVED, s->last_preserved_timestamp);
}

static ek_status state_ok(const char *dir, const ek_checkpoint_state *s, ek_error *err)
{
    if (dir == NULL || s == NULL || s->model_checkpoint_path == NULL || s->model_checkpoint_path[0] == '\0')
        return EK_FAIL(err, INVALID_ARGUMENT, "a folder and the path of a checkpoint are needed");
    if (s->n_paths < 0 || (s->n_paths > 0 && s->all_model_checkpoint_paths == NULL))
        return EK_FAIL(err, INVALID_ARGUMENT, "the list of checkpoints has %lld items and is not there",
                       (long long)s->n_paths);
    for (int64_t i = 0; i < s->n_paths; i++)
        if (s->all_model_checkpoint_paths[i] == NULL)
            return EK_FAIL(err, INVALID_ARGUMENT, "path %lld of the list of checkpoints is NULL", (long long)i);
    return EK_OK;
}

ek_status ek_checkpoint_state_update(const char *dir, const ek_checkpoint_state *state, bool relative,
                                     const char *latest_filename, ek_error *err)
{
    ek_buf wire = { .data = NULL }, text = { .data = NULL }, path = { .data = NULL };
    ek_status st;

    err = ek__error_begin(err);
    EK_TRY(state_ok(dir, state, err));
    put_state(&wire, dir, state, relative);
    ek__path_join(&path, dir, file_or_usual(latest_filename));
    if (wire.failed || path.failed) EK_TRY_DONE(no_memory(err));
    if (strcmp(path.data, state->model_checkpoint_path) == 0)
        EK_TRY_DONE(EK_FAIL(err, INVALID_ARGUMENT,
                            "Save path '%s' conflicts with path used for checkpoint state.  Please use a "
                            "different save path.",
                            state->model_checkpoint_path));
    EK_TRY_DONE(ek__text_print(ek__proto(EK_PROTO_CHECKPOINT_STATE), (ek_span){ (const uint8_t *)wire.data, wire.size },
                               0, &text, err));
    if (text.failed) EK_TRY_DONE(no_memory(err));
    st = ek__file_write(path.data, text.data, text.size, err);
done:
    ek__buf_fini(&path);
    ek__buf_fini(&text);
    ek__buf_fini(&wire);
    return st;
}

/* ---- what is under a prefix ------------------------------------------------------------------------------ */

/* A file, whatever is in it. */
static bool is_file(const char *prefix, const char *ending)
{
    ek_buf path = { .data = NULL };
    struct stat s;

    ek__buf_str(&path, prefix);
    ek__buf_str(&path, ending);
    const bool there = !path.failed && stat(path.data, &s) == 0 && S_ISREG(s.st_mode);
    ek__buf_fini(&path);
    return there;
}

bool ek_checkpoint_exists(const char *prefix)
{
    ek_error quiet = { .code = EK_OK };
    ek_bundle *b = NULL;

    if (prefix == NULL || prefix[0] == '\0') return false;
    if (is_file(prefix, ".index") || is_file(prefix, "")) return true;
    /* Version 1 in shards: a pattern, or what one would begin with. */
    const bool there = ek__bundle_open(prefix, &b, &quiet) == EK_OK;
    ek__bundle_close(b);
    return there;
}

char *ek_latest_checkpoint(const char *dir, const char *latest_filename)
{
    ek_checkpoint_state *state = NULL;
    char *path = NULL;

    if (ek_checkpoint_state_read(dir, latest_filename, &state, NULL) != EK_OK) return NULL;
    if (ek_checkpoint_exists(state->model_checkpoint_path)) {
        const size_t n = strlen(state->model_checkpoint_path) + 1;
        path = ek__alloc(n);
        if (path != NULL) memcpy(path, state->model_checkpoint_path, n);
    } else {
        (void)EK_FAIL(NULL, NOT_FOUND, "Couldn't match files for checkpoint %s", state->model_checkpoint_path);
    }
    ek_free(state);
    return path;
}

/* One file of version 1. Whatever else bears the name is not ours to delete. */
static ek_status remove_file(const char *path, ek_error *err)
{
    ek_source *source = NULL;

    EK_TRY(ek__source_open(path, &source, err));
    const bool is_one = ek__table_is((ek_span){ source->data, source->size });
    ek__source_unref(source);
    if (is_one) return ek__file_remove(path, err);
    return EK_FAIL(err, INVALID_ARGUMENT, "'%s' is not deleted: it is no checkpoint", path);
}

ek_status ek_checkpoint_remove(const char *prefix, ek_error *err)
{
    ek_buf meta = { .data = NULL };
    ek_status st = EK_OK;

    err = ek__error_begin(err);
    if (prefix == NULL || prefix[0] == '\0')
        return EK_FAIL(err, INVALID_ARGUMENT, "the prefix of a checkpoint is needed");
    ek__path_of_meta(&meta, prefix);
    if (meta.failed) st = no_memory(err);
    const bool is_single = !is_file(prefix, ".index") && is_file(prefix, "");
    if (st == EK_OK && is_single) st = remove_file(prefix, err);
    if (st == EK_OK) st = ek__file_remove(meta.data, err);
    if (st == EK_OK && !is_single) st = ek__bundle_delete(prefix, err);
    ek__buf_fini(&meta);
    return st;
}
