/* saver/kept.c - which checkpoints a saver keeps, also over a restart. */
#include "saver/kept.h"

#include <sys/stat.h>
#include <time.h>

#include "saver/path.h"
#include "saver/saver.h"

double ek__now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- lists --------------------------------------------------------------------------------------------- */

void ek__kept_drop(ek_kept *k, int64_t i)
{
    ek__free(k->at[i].path);
    memmove(k->at + i, k->at + i + 1, (size_t)(k->n - i - 1) * sizeof *k->at);
    k->n--;
}

bool ek__kept_add(ek_kept *k, const char *path, double time)
{
    const size_t size = strlen(path) + 1;
    char *copy = EK_GROW(k->at, k->cap, k->n + 1) ? ek__alloc(size) : NULL;

    if (copy == NULL) return false;
    memcpy(copy, path, size);
    for (int64_t i = k->n - 1; i >= 0; i--)
        if (strcmp(k->at[i].path, path) == 0) ek__kept_drop(k, i);
    k->at[k->n++] = (ek_kept_checkpoint){ copy, time };
    return true;
}

bool ek__kept_copy(const ek_kept *from, ek_kept *to)
{
    bool ok = true;

    *to = (ek_kept){ .at = NULL };
    for (int64_t i = 0; ok && i < from->n; i++) ok = ek__kept_add(to, from->at[i].path, from->at[i].time);
    if (!ok) ek__kept_fini(to);
    return ok;
}

void ek__kept_fini(ek_kept *k)
{
    for (int64_t i = 0; i < k->n; i++) ek__free(k->at[i].path);
    ek__free(k->at);
    *k = (ek_kept){ .at = NULL };
}

/* ---- over a restart ---------------------------------------------------------------------------------------- */

/* When the file was written; below zero: it is not there. */
static double time_of(const char *prefix, const char *ending)
{
    ek_buf path = { .data = NULL };
    struct stat s;

    ek__buf_str(&path, prefix);
    ek__buf_str(&path, ending);
    const bool there = !path.failed && stat(path.data, &s) == 0;
    ek__buf_fini(&path);
    return there ? (double)s.st_mtim.tv_sec + (double)s.st_mtim.tv_nsec * 1e-9 : -1.0;
}

/* Whether a path lies in the folder itself. *ok is false without memory. */
static bool lies_in(const char *path, const char *dir, bool *ok)
{
    ek_buf rest = { .data = NULL };

    ek__path_relative(&rest, path, dir);
    *ok = !rest.failed;
    const bool in = *ok && strchr(rest.data, '/') == NULL && strcmp(rest.data, "..") != 0;
    ek__buf_fini(&rest);
    return in;
}

/* What is kept is deleted one day: a state file cannot have it that this is something outside of its folder. */
static bool recover(const ek_checkpoint_state *state, const char *dir, ek_kept *out)
{
    bool ok = true;

    for (int64_t i = 0; ok && i < state->n_paths; i++) {
        const char *path = state->all_model_checkpoint_paths[i];
        if (!lies_in(path, dir, &ok)) continue;
        double time = time_of(path, ".index");
        if (time < 0) time = time_of(path, "");
        if (time >= 0) ok = ek__kept_add(out, path, time);
    }
    return ok;
}

ek_status ek_saver_recover_last_checkpoints(ek_saver *s, const char *dir, const char *latest_filename, ek_error *err)
{
    ek_checkpoint_state *state = NULL;
    ek_kept kept = { .at = NULL };
    ek_error own = { .code = EK_OK };

    err = ek__error_begin(err);
    if (s == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no saver");
    const ek_status st = ek_checkpoint_state_read(dir, latest_filename, &state, &own);
    if (st == EK_NOT_FOUND) return EK_OK;
    if (st != EK_OK) return ek__error_copy(err, &own);
    const bool ok = recover(state, dir, &kept);
    ek_free(state);
    if (!ok) {
        ek__kept_fini(&kept);
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the list of checkpoints");
    }
    pthread_mutex_lock(&s->lock);
    ek__kept_fini(&s->kept);
    s->kept = kept;
    pthread_mutex_unlock(&s->lock);
    return EK_OK;
}

char *ek_saver_last_checkpoint(ek_saver *s, int64_t i)
{
    char *copy = NULL;

    if (s == NULL) return NULL;
    pthread_mutex_lock(&s->lock);
    if (i >= 0 && i < s->kept.n) {
        const size_t size = strlen(s->kept.at[i].path) + 1;
        copy = ek__alloc(size);
        if (copy != NULL) memcpy(copy, s->kept.at[i].path, size);
    }
    pthread_mutex_unlock(&s->lock);
    return copy;
}
