/* ops/files.c - whole files as strings: ReadFile, WriteFile.
 *
 * Reading is an effect: what a file holds is not known before the run, whatever its name is.
 * Not here: checkpoints, records, images.
 */
#include "base/file.h"
#include "codec/source.h"
#include "ops/rules.h"
#include "ops/strings.h"

enum { NAME, CONTENTS };

static ek_status want_scalars(const ek_shape_ctx *c)
{
    static const char *const what[] = { "Input filename", "Contents" };

    for (int i = 0; i < c->n_in; i++) {
        if (c->running && c->in[i].rank != 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s tensor must be scalar, but had shape: %s", what[i], EK_CC(&c->in[i]));
        EK_TRY(ek__want_rank(c, i, 0));
    }
    return EK_OK;
}

static ek_status file_shape(ek_shape_ctx *c)
{
    EK_TRY(want_scalars(c));
    if (c->n_out > 0) c->out[0] = EK_SCALAR;
    return EK_OK;
}

/* The system would stop at a NUL. */
static ek_status path_of(const ek_string *name, const char **path, ek_error *err)
{
    *path = name->size > 0 ? name->data : "";
    if (strlen(*path) == name->size) return EK_OK;
    return EK_FAIL(err, INVALID_ARGUMENT, "a file's name of %zu bytes holds a NUL, after '%.200s'", name->size, *path);
}

/* ---- ReadFile -------------------------------------------------------------------------------------------- */

static ek_status read_run(const ek_run_args *a, int64_t chunk)
{
    const char *path;
    ek_source *file;
    ek_status st;

    EK_UNUSED(chunk);
    EK_TRY(path_of(a->in[NAME], &path, a->err));
    EK_TRY(ek__source_open(path, &file, a->err));
    st = ek__put_text(a->out[0], (const char *)file->data, file->size, a->err);
    ek__source_unref(file);
    return st;
}

static ek_status read_prepare(ek_prepare_ctx *c)
{
    ek__add_phase(c, read_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_ReadFile = {
    .name = "ReadFile",
    .kind = EK_KIND_EFFECT,
    .inputs = "filename: string",
    .outputs = "contents: string",
    .attrs = "",
    .shape = file_shape,
    .prepare = read_prepare,
    .no_grad_because = "it is about strings",
};

/* ---- WriteFile ------------------------------------------------------------------------------------------- */

/* Every folder above `path` that is missing. What cannot be made the writing will tell. */
static ek_status make_folders(const char *path, ek_error *err)
{
    const size_t size = strlen(path) + 1;
    char *const copy = ek__alloc(size);
    ek_error ignored = { .code = EK_OK };

    if (copy == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a path of %zu bytes", size);
    memcpy(copy, path, size);
    for (char *slash = strchr(copy + (copy[0] != '\0'), '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)ek__file_make_folder(copy, &ignored);
        *slash = '/';
    }
    ek__free(copy);
    return EK_OK;
}

static ek_status write_run(const ek_run_args *a, int64_t chunk)
{
    const ek_string *const text = a->in[CONTENTS];
    const char *path;

    EK_UNUSED(chunk);
    EK_TRY(path_of(a->in[NAME], &path, a->err));
    EK_TRY(make_folders(path, a->err));
    return ek__file_write(path, text->size > 0 ? text->data : "", text->size, a->err);
}

static ek_status write_prepare(ek_prepare_ctx *c)
{
    ek__add_phase(c, write_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_WriteFile = {
    .name = "WriteFile",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "filename: string, contents: string",
    .outputs = "",
    .attrs = "",
    .shape = file_shape,
    .prepare = write_prepare,
    .no_grad_because = "it has no outputs",
};
