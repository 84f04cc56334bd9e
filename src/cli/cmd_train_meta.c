/* cli/cmd_train_meta.c - evenkeel train MODEL.meta: the train op of a MetaGraph that TensorFlow wrote, over arrays.
 *
 * A step is one run of the train op and the fetches, so that a loss is that before its step. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/training.h"
#include "values/array.h"

/* One --feed: one value for all steps, or one after the other and over again. */
typedef struct feed {
    ek_array *all;
    ek_array *one; /* NULL: `all` is fed; else a window over it */
    int64_t steps; /* how many there are */
    size_t bytes;  /* of one */
} feed;

/* One --fetch: what every step gave, one after the other. */
typedef struct fetch {
    char *name;        /* as in TensorFlow, "loss:0" */
    const char *file;  /* NULL: the last one is printed */
    ek_array *value, *stacked;
} fetch;

typedef struct job {
    const cli_args *args;
    cli_model model;
    ek_op train;
    int64_t steps, done;
    feed *feed;
    ek_feed *fed;
    fetch *fetch;
    ek_fetch *wanted;
    int n_feeds, n_fetches;
    cli_progress progress;
} job;

/* ---- feeds ----------------------------------------------------------------------------------------------- */

/* Element `row` along the first axis, in place. */
static void window_at(feed *f, int64_t row)
{
    f->one->data = (char *)f->all->data + (size_t)row * f->bytes;
}

/* An array of one axis more than the placeholder is a series: *is_series. False after complaining of what fits neither way. */
static bool tell_series(const job *j, const char *name, ek_tensor t, const ek_array *a, bool *is_series)
{
    const ek_shape takes = ek_tensor_shape(t);
    ek_shape rest = a->shape;
    char want[EK_MAX_RANK * 24], have[EK_MAX_RANK * 24];

    *is_series = false;
    if (takes.rank < 0 || ek_shape_compatible(&takes, &a->shape)) return true;
    if (a->shape.rank == takes.rank + 1) {
        memmove(rest.dim, rest.dim + 1, (size_t)--rest.rank * sizeof *rest.dim);
        *is_series = ek_shape_compatible(&takes, &rest) && a->shape.dim[0] > 0;
        if (*is_series) return true;
    }
    ek_shape_format(&takes, want, sizeof want);
    ek_shape_format(&a->shape, have, sizeof have);
    cli_complain(j->args->command,
                 "feed of '%s': the placeholder takes %s, found %s; an array with one axis more, the first, holds a "
                 "feed per step",
                 name, want, have);
    return false;
}

/* A window that is one row high and moves. */
static bool open_window(feed *f)
{
    ek_shape shape = f->all->shape;

    memmove(shape.dim, shape.dim + 1, (size_t)--shape.rank * sizeof *shape.dim);
    f->steps = f->all->shape.dim[0];
    f->bytes = ek_array_bytes(f->all) / (size_t)f->steps;
    return ek_array_wrap(f->all->dtype, shape, f->all->data, NULL, NULL, &f->one) == EK_OK;
}

static int add_feed(job *j, const char *text)
{
    feed *f = &j->feed[j->n_feeds];
    ek_feed *fed = &j->fed[j->n_feeds];
    char name[1024];
    bool series;
    const int status = cli_read_feed(j->args, j->model.graph, NULL, text, &fed->tensor, &f->all);

    if (status != CLI_DONE) return status;
    j->n_feeds++;
    ek_tensor_name(fed->tensor, name, sizeof name);
    if (!tell_series(j, name, fed->tensor, f->all, &series)) return CLI_FAILED;
    if (series && !open_window(f)) return cli_complain_error(j->args->command, ek_last_error());
    fed->value = series ? f->one : f->all;
    return CLI_DONE;
}

/* ---- fetches ---------------------------------------------------------------------------------------------- */

static int add_fetch(job *j, const char *text)
{
    const cli_command *command = j->args->command;
    fetch *f = &j->fetch[j->n_fetches];
    ek_tensor tensor;
    char full[1100];

    f->name = cli_split(text, &f->file);
    j->n_fetches++;
    if (f->name == NULL) return cli_no_memory(command);
    if (f->name[0] == '\0' || (f->file != NULL && f->file[0] == '\0')) {
        cli_complain(command, "--fetch needs NAME or NAME=OUT.npy, found '%s'", text);
        return cli_see_help(command);
    }
    if (!cli_find_tensor(j->args, j->model.graph, f->name, &tensor, NULL)) return CLI_FAILED;
    ek_tensor_name(tensor, full, sizeof full);
    ek__free(f->name);
    f->name = cli_split(full, &(const char *){ NULL });
    if (f->name == NULL) return cli_no_memory(command);
    j->wanted[j->n_fetches - 1] = (ek_fetch){ tensor, &f->value };
    return CLI_DONE;
}

/* Room for all steps, once the first has told the shape. */
static ek_status begin_stack(const job *j, fetch *f, ek_error *err)
{
    ek_shape shape = f->value->shape;

    if (shape.rank == EK_MAX_RANK)
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' has %d axes; the steps would be one too many", f->name, shape.rank);
    memmove(shape.dim + 1, shape.dim, (size_t)shape.rank++ * sizeof *shape.dim);
    shape.dim[0] = j->steps;
    return ek__array_new(f->value->dtype, &shape, NULL, &f->stacked, err);
}

static ek_status stack(const job *j, fetch *f, ek_error *err)
{
    const ek_array *v = f->value;
    const size_t bytes = ek_array_bytes(v);
    char want[EK_MAX_RANK * 24], have[EK_MAX_RANK * 24];
    ek_shape rest;

    if (f->stacked == NULL) EK_TRY(begin_stack(j, f, err));
    rest = f->stacked->shape;
    memmove(rest.dim, rest.dim + 1, (size_t)--rest.rank * sizeof *rest.dim);
    if (!ek_shape_equal(&rest, &v->shape)) {
        ek_shape_format(&rest, want, sizeof want);
        ek_shape_format(&v->shape, have, sizeof have);
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' cannot be stacked: it is %s in step %lld, and was %s before",
                       f->name, have, (long long)j->done + 1, want);
    }
    if (v->dtype != EK_STRING) {
        memcpy((char *)f->stacked->data + (size_t)j->done * bytes, v->data, bytes);
        return EK_OK;
    }
    for (int64_t i = 0; i < v->count; i++) {
        const ek_string *s = &((const ek_string *)v->data)[i];

        EK_TRY(ek_array_set_string(f->stacked, j->done * v->count + i, s->data, s->size));
    }
    return EK_OK;
}

/* ---- training ------------------------------------------------------------------------------------------------ */

/* ", loss:0 0.25" of the first fetch that is one number. */
static void describe(const job *j, char *more, size_t size)
{
    more[0] = '\0';
    for (int i = 0; i < j->n_fetches; i++) {
        const ek_array *v = j->fetch[i].value;

        if (v == NULL || v->count != 1 || !ek_dtype_is_floating(v->dtype)) continue;
        snprintf(more, size, ", %s %.6g", j->fetch[i].name, ek_array_get(v, 0));
        return;
    }
}

static ek_status step(job *j, ek_error *err)
{
    char more[1200];

    for (int i = 0; i < j->n_feeds; i++)
        if (j->feed[i].one != NULL) window_at(&j->feed[i], j->done % j->feed[i].steps);
    EK_TRY(ek_run(j->model.session, .feeds = j->fed, .n_feeds = j->n_feeds, .fetches = j->wanted,
                  .n_fetches = j->n_fetches, .target = {j->train}, .error = err));
    for (int i = 0; i < j->n_fetches; i++)
        if (j->fetch[i].file != NULL) EK_TRY(stack(j, &j->fetch[i], err));
    j->done++;
    if (j->progress.terminal) {
        describe(j, more, sizeof more);
        cli_progress_show(&j->progress, j->done, more);
    }
    return EK_OK;
}

/* A folder for the file is there, or one of at most `made` levels can be made in the one above: told before the work,
 * not after. */
static bool can_write(const cli_args *args, const char *path, int made)
{
    char folder[PATH_MAX];

    for (int size = snprintf(folder, sizeof folder, "%s", path), up = 0; up <= made && size < (int)sizeof folder; up++) {
        while (size > 0 && folder[size - 1] != '/') size--;
        folder[size] = '\0';
        if (access(size > 0 ? folder : ".", W_OK) == 0) return true;
        if (errno != ENOENT) break;
        while (size > 0 && folder[size - 1] == '/') size--;
    }
    cli_complain(args->command, "nothing can be saved as '%s': %s", path, strerror(errno));
    return false;
}

static bool can_save(const job *j)
{
    const char *prefix = cli_text(j->args, CLI_SAVE, NULL);

    if (prefix != NULL && !can_write(j->args, prefix, 1)) return false;
    for (int i = 0; i < j->n_fetches; i++)
        if (j->fetch[i].file != NULL && !can_write(j->args, j->fetch[i].file, 0)) return false;
    return true;
}

static int train(job *j)
{
    ek_error err = { .code = EK_OK };
    ek_status st = EK_OK;

    cli_catch_stop();
    cli_progress_begin(&j->progress, j->args->command, 0, j->steps);
    while (st == EK_OK && j->done < j->steps && !cli_stopped()) st = step(j, &err);
    cli_progress_clear(&j->progress);
    if (st == EK_OK) return CLI_DONE;
    (void)cli_complain_error(j->args->command, &err);
    fprintf(stderr, "    in step %lld; nothing was saved\n", (long long)j->done + 1);
    return CLI_FAILED;
}

/* ---- results --------------------------------------------------------------------------------------------------- */

/* As many steps as were done: all, unless it was stopped. */
static int save_fetch(const job *j, fetch *f)
{
    ek_array *part = NULL;
    ek_shape shape;

    if (f->stacked == NULL) return CLI_DONE; /* not a step was done */
    shape = f->stacked->shape;
    shape.dim[0] = j->done;
    ek_status st = ek_array_wrap(f->stacked->dtype, shape, f->stacked->data, NULL, NULL, &part);
    if (st == EK_OK) st = ek_npy_save(f->file, part);
    ek_array_unref(part);
    return st == EK_OK ? CLI_DONE : cli_complain_error(j->args->command, ek_last_error());
}

static int save_all(job *j)
{
    const char *prefix = cli_text(j->args, CLI_SAVE, NULL);
    int status = CLI_DONE;

    if (prefix != NULL) status = cli_model_save(j->args, &j->model, prefix);
    for (int i = 0; i < j->n_fetches; i++)
        if (j->fetch[i].file != NULL && save_fetch(j, &j->fetch[i]) != CLI_DONE) status = CLI_FAILED;
    return status;
}

static void print_json(const job *j, ek_json *json)
{
    ek__json_open(json, '{');
    ek__json_key(json, "steps");
    ek__json_int(json, j->done);
    ek__json_key(json, "stopped");
    ek__json_bool(json, j->done < j->steps);
    ek__json_key(json, "checkpoint");
    ek__json_str(json, cli_text(j->args, CLI_SAVE, NULL));
    ek__json_key(json, "fetches");
    ek__json_open(json, '[');
    for (int i = 0; i < j->n_fetches; i++) {
        const fetch *f = &j->fetch[i];

        ek__json_open(json, '{');
        ek__json_key(json, "name");
        ek__json_str(json, f->name);
        ek__json_key(json, f->file != NULL ? "file" : "last");
        if (f->file != NULL || f->value == NULL) {
            ek__json_str(json, f->file);
        } else {
            cli_json_array(json, f->value);
        }
        ek__json_close(json, '}');
    }
    ek__json_close(json, ']');
    ek__json_close(json, '}');
}

static bool print_text(const job *j, ek_buf *out)
{
    if (j->done < j->steps) {
        ek__buf_printf(out, "stopped after %lld of %lld steps\n", (long long)j->done, (long long)j->steps);
    } else {
        ek__buf_printf(out, "%lld step%s\n", (long long)j->done, j->done == 1 ? "" : "s");
    }
    for (int i = 0; i < j->n_fetches; i++) {
        const fetch *f = &j->fetch[i];
        char *text;

        if (f->file != NULL || f->value == NULL) continue;
        text = ek_array_str(f->value);
        if (text == NULL) return false;
        ek__buf_printf(out, "%s\n%s\n", f->name, text);
        ek_free(text);
    }
    if (cli_has(j->args, CLI_SAVE)) ek__buf_printf(out, "saved %s\n", cli_text(j->args, CLI_SAVE, NULL));
    return true;
}

static int print(const job *j)
{
    ek_buf out = { 0 };
    ek_json json = { .out = &out };
    const bool as_json = cli_has(j->args, CLI_JSON);
    bool ok = true;

    if (as_json) {
        print_json(j, &json);
    } else {
        ok = print_text(j, &out);
    }
    ok = ok && !out.failed;
    if (ok) printf(as_json ? "%s\n" : "%s", out.data);
    ek__buf_fini(&out);
    return ok ? CLI_DONE : cli_no_memory(j->args->command);
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

static bool find_train_op(job *j)
{
    const char *name = cli_text(j->args, CLI_TRAIN_OP, NULL);
    ek_tensor t;

    if (!cli_find_tensor(j->args, j->model.graph, name, &t, &j->train)) return false;
    if (!ek_op_ok(j->train)) j->train = ek_tensor_op(t);
    return true;
}

static int run(job *j)
{
    const cli_args *args = j->args;
    const char *text;
    int status = CLI_DONE;

    j->feed = ek__calloc((size_t)cli_count(args, CLI_TRAIN_FEED) + 1, sizeof *j->feed);
    j->fed = ek__calloc((size_t)cli_count(args, CLI_TRAIN_FEED) + 1, sizeof *j->fed);
    j->fetch = ek__calloc((size_t)cli_count(args, CLI_TRAIN_FETCH) + 1, sizeof *j->fetch);
    j->wanted = ek__calloc((size_t)cli_count(args, CLI_TRAIN_FETCH) + 1, sizeof *j->wanted);
    if (j->feed == NULL || j->fed == NULL || j->fetch == NULL || j->wanted == NULL) return cli_no_memory(args->command);
    if (!find_train_op(j)) return CLI_FAILED;
    for (int i = 0; status == CLI_DONE && (text = cli_value(args, CLI_TRAIN_FEED, i)) != NULL; i++)
        status = add_feed(j, text);
    for (int i = 0; status == CLI_DONE && (text = cli_value(args, CLI_TRAIN_FETCH, i)) != NULL; i++)
        status = add_fetch(j, text);
    if (status != CLI_DONE) return status;
    j->progress.command = args->command;
    if (!can_save(j)) return CLI_FAILED;
    if (!cli_model_start(args, &j->model, &(cli_start){ true, cli_say_finding, &j->progress })) return CLI_FAILED;
    status = train(j);
    if (status == CLI_DONE) status = save_all(j);
    if (status == CLI_DONE) status = print(j);
    return status == CLI_DONE && cli_stopped() ? 128 + *cli_stop() : status; /* as a shell counts signals */
}

static void release(job *j)
{
    cli_model_close(&j->model);
    for (int i = 0; i < j->n_feeds; i++) {
        ek_array_unref(j->feed[i].one);
        ek_array_unref(j->feed[i].all);
    }
    for (int i = 0; i < j->n_fetches; i++) {
        ek_array_unref(j->fetch[i].value);
        ek_array_unref(j->fetch[i].stacked);
        ek__free(j->fetch[i].name);
    }
    ek__free(j->feed);
    ek__free(j->fed);
    ek__free(j->fetch);
    ek__free(j->wanted);
}

/* What cannot be left out. */
static bool is_complete(const cli_args *args)
{
    static const cli_option_id needed[] = { CLI_TRAIN_OP, CLI_STEPS };

    for (int i = 0; i < EK_COUNT_OF(needed); i++) {
        if (cli_has(args, needed[i])) continue;
        cli_complain(args->command, "--%s %s is missing", cli_options[needed[i]].name, cli_options[needed[i]].argument);
        return false;
    }
    return true;
}

int cli_train_meta(const cli_args *args)
{
    job j = { .args = args, .steps = cli_integer(args, CLI_STEPS, 0) };
    int status = CLI_FAILED;

    if (!is_complete(args)) return cli_see_help(args->command);
    if (cli_model_open(args, true, &j.model)) status = run(&j);
    release(&j);
    return status;
}
