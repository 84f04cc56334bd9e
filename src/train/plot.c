/* train/plot.c - curves as pictures: the numbers, a script for gnuplot, and gnuplot run on them. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/file.h"
#include "evenkeel/plot.h"
#include "graph/node.h"

extern char **environ;

enum { LEAST_PIXELS = 16, MOST_PIXELS = 16384 };

static ek_status check(const char *path, const ek_plot_options *o, ek_error *err)
{
    if (path == NULL || path[0] == '\0' || path[strlen(path) - 1] == '/')
        return EK_FAIL(err, INVALID_ARGUMENT, "a picture needs a path, to which .png is added; found '%s'", path != NULL ? path : "NULL");
    if (o->curves == NULL || o->n_curves < 1)
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' has no curve to show", path);
    for (int64_t i = 0; i < o->n_curves; i++)
        if (o->curves[i].count < 1 || o->curves[i].x == NULL || o->curves[i].y == NULL)
            return EK_FAIL(err, INVALID_ARGUMENT, "curve %lld of '%s' has no numbers", (long long)i, path);
    if (!(o->y_min <= o->y_max) || !isfinite(o->y_min) || !isfinite(o->y_max))
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' was to show y from %g to %g", path, o->y_min, o->y_max);
    if (o->width < LEAST_PIXELS || o->width > MOST_PIXELS || o->height < LEAST_PIXELS || o->height > MOST_PIXELS)
        return EK_FAIL(err, INVALID_ARGUMENT, "'%s' was to be %d x %d pixels; each must be from %d to %d", path, o->width,
                       o->height, LEAST_PIXELS, MOST_PIXELS);
    return EK_OK;
}

/* In gnuplot's single quotes a quote is written twice; a control character would end the line. */
static void put_quoted(ek_buf *b, const char *s)
{
    ek__buf_str(b, "'");
    for (; *s != '\0'; s++) {
        const char c = (unsigned char)*s < ' ' ? ' ' : *s;

        ek__buf_add(b, &c, 1);
        if (c == '\'') ek__buf_add(b, &c, 1);
    }
    ek__buf_str(b, "'");
}

static void put_setting(ek_buf *b, const char *name, const char *value)
{
    if (value == NULL) return;
    ek__buf_printf(b, "set %s ", name);
    put_quoted(b, value);
    ek__buf_str(b, "\n");
}

/* A block for each curve, two empty lines between: what gnuplot calls index 0, 1, ... */
static void put_numbers(ek_buf *b, const ek_plot_options *o)
{
    for (int64_t i = 0; i < o->n_curves; i++) {
        const ek_curve *c = &o->curves[i];

        if (i > 0) ek__buf_str(b, "\n\n");
        ek__buf_str(b, "# ");
        for (const char *s = c->name != NULL ? c->name : ""; *s != '\0'; s++) ek__buf_add(b, (unsigned char)*s < ' ' ? " " : s, 1);
        ek__buf_str(b, "\n");
        for (int64_t k = 0; k < c->count; k++) {
            if (isfinite(c->x[k]) && isfinite(c->y[k]))
                ek__buf_printf(b, "%.9g\t%.9g\n", c->x[k], c->y[k]);
            else
                ek__buf_str(b, "\n"); /* one empty line: a gap */
        }
    }
}

/* `name` is the path without its folder. */
static void put_script(ek_buf *b, const char *name, const ek_plot_options *o)
{
    ek_buf file = { .data = NULL };

    ek__buf_printf(b, "set terminal pngcairo size %d,%d noenhanced\nset output ", o->width, o->height);
    ek__buf_printf(&file, "%s.png", name);
    if (!file.failed) put_quoted(b, file.data);
    file.size = 0;
    ek__buf_str(b, "\nset grid\nset key above\n");
    put_setting(b, "title", o->title);
    put_setting(b, "xlabel", o->x_label);
    put_setting(b, "ylabel", o->y_label);
    if (o->y_min < o->y_max) ek__buf_printf(b, "set yrange [%.9g:%.9g]\n", o->y_min, o->y_max);
    ek__buf_printf(&file, "%s.tsv", name);
    for (int64_t i = 0; i < o->n_curves && !file.failed; i++) {
        ek__buf_str(b, i == 0 ? "plot " : ", \\\n     ");
        put_quoted(b, file.data);
        ek__buf_printf(b, " index %lld with lines linewidth 2 ", (long long)i);
        if (o->curves[i].name != NULL) {
            ek__buf_str(b, "title ");
            put_quoted(b, o->curves[i].name);
        } else {
            ek__buf_str(b, "notitle");
        }
    }
    ek__buf_str(b, "\n");
    b->failed |= file.failed;
    ek__buf_fini(&file);
}

/* `path` with another ending, in b. */
static ek_status write_beside(const char *path, const char *ending, const ek_buf *content, ek_error *err)
{
    ek_buf name = { .data = NULL };
    ek_status st;

    ek__buf_printf(&name, "%s%s", path, ending);
    if (name.failed || content->failed) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for '%s%s'", path, ending);
    else st = ek__file_write(name.data, content->data, content->size, err);
    ek__buf_fini(&name);
    return st;
}

/* Runs gnuplot on a script in a folder, its words thrown away. ENOENT: there is no gnuplot; otherwise its exit status. */
static ek_status run_gnuplot(const char *folder, const char *script, bool *drawn, ek_error *err)
{
    char program[] = "gnuplot", *const argv[] = { program, (char *)(uintptr_t)script, NULL };
    posix_spawn_file_actions_t actions;
    int status = 0, failure;
    pid_t child;

    if (posix_spawn_file_actions_init(&actions) != 0) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to run gnuplot");
    failure = posix_spawn_file_actions_addchdir_np(&actions, folder);
    for (int fd = 0; fd < 3 && failure == 0; fd++)
        failure = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0);
    if (failure == 0) failure = posix_spawnp(&child, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    *drawn = failure == 0;
    if (failure == ENOENT) return EK_OK;
    if (failure != 0) return EK_FAIL(err, UNKNOWN, "cannot run gnuplot: %s", strerror(failure));
    while (waitpid(child, &status, 0) < 0) {
        if (errno == EINTR) continue;
        return EK_OK; /* the program has said that it does not want to know of its children */
    }
    *drawn = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (*drawn) return EK_OK;
    return EK_FAIL(err, FAILED_PRECONDITION, "gnuplot could not draw '%s'; `gnuplot %s` in %s says why", script, script, folder);
}

static ek_status draw(const char *path, bool *drawn, ek_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    ek_buf folder = { .data = NULL }, script = { .data = NULL };
    ek_status st;

    if (slash == NULL) ek__buf_str(&folder, ".");
    else ek__buf_add(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    ek__buf_printf(&script, "%s.gp", name);
    st = folder.failed || script.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to draw '%s'", path)
                                        : run_gnuplot(folder.data, script.data, drawn, err);
    ek__buf_fini(&folder);
    ek__buf_fini(&script);
    return st;
}

ek_status ek_plot_with(const char *path, const ek_plot_options *o, ek_where where)
{
    ek_buf numbers = { .data = NULL }, script = { .data = NULL };
    bool drawn = false;
    const char *slash;
    ek_error *err;
    ek_status st;

    if (!EK_OPTIONS_OF(NULL, o, "ek_plot", where)) return EK_INVALID_ARGUMENT;
    if (o->drawn != NULL) *o->drawn = false;
    err = ek__error_begin(o->error);
    EK_TRY(check(path, o, err));
    slash = strrchr(path, '/');
    put_numbers(&numbers, o);
    put_script(&script, slash != NULL ? slash + 1 : path, o);
    EK_TRY_DONE(write_beside(path, ".tsv", &numbers, err));
    EK_TRY_DONE(write_beside(path, ".gp", &script, err));
    st = draw(path, &drawn, err);
    if (o->drawn != NULL) *o->drawn = drawn;
done:
    ek__buf_fini(&numbers);
    ek__buf_fini(&script);
    return st;
}
