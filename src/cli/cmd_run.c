/* cli/cmd_run.c - evenkeel run: feeds in, fetches out, times. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/inspect.h"
#include "values/array.h"

/* One --fetch. */
typedef struct fetch {
    ek_tensor tensor; /* dead for an operation that is only run */
    ek_op op;
    const char *file; /* NULL: print */
    ek_array *value;
    char *name;       /* as in TensorFlow, "y:0" */
} fetch;

typedef struct job {
    const cli_args *args;
    cli_model model;
    int n_feeds, n_fetches, n_targets;
    ek_feed *feeds;
    ek_array **fed; /* what feeds hold, ours */
    fetch *fetches;
    ek_fetch *wanted;
    int n_wanted;
    ek_op *targets;
    double *times; /* microseconds, sorted */
    int repeat;
} job;

/* ---- feeds -------------------------------------------------------------------------------------------- */

static int add_feed(job *j, const char *text)
{
    ek_feed *feed = &j->feeds[j->n_feeds];
    const cli_aliases inputs = { j->model.signature.inputs, j->model.signature.n_inputs };
    const int status = cli_read_feed(j->args, j->model.graph, &inputs, text, &feed->tensor, &j->fed[j->n_feeds]);

    if (status == CLI_DONE) feed->value = j->fed[j->n_feeds++];
    return status;
}

/* ---- fetches -------------------------------------------------------------------------------------------- */

static int add_fetch(job *j, const char *text)
{
    const cli_command *command = j->args->command;
    const cli_aliases outputs = { j->model.signature.outputs, j->model.signature.n_outputs };
    fetch *f = &j->fetches[j->n_fetches++];
    char full[1100];

    f->name = cli_split(text, &f->file);
    if (f->name == NULL) return cli_no_memory(command);
    if (f->name[0] == '\0' || (f->file != NULL && f->file[0] == '\0')) {
        cli_complain(command, "--fetch needs NAME or NAME=OUT, found '%s'", text);
        return cli_see_help(command);
    }
    if (!cli_find_named(j->args, j->model.graph, &outputs, f->name, &f->tensor, &f->op)) return CLI_FAILED;
    if (!ek_tensor_ok(f->tensor)) {
        if (f->file != NULL) {
            cli_complain(command, "'%s' is an operation without outputs: there is nothing to save as '%s'", f->name,
                         f->file);
            return CLI_FAILED;
        }
        j->targets[j->n_targets++] = f->op;
        return CLI_DONE;
    }
    ek_tensor_name(f->tensor, full, sizeof full);
    ek__free(f->name);
    f->name = cli_split(full, &(const char *){ NULL });
    if (f->name == NULL) return cli_no_memory(command);
    j->wanted[j->n_wanted++] = (ek_fetch){ f->tensor, &f->value };
    return CLI_DONE;
}

static bool allocate(job *j)
{
    const size_t feeds = (size_t)cli_count(j->args, CLI_FEED) + 1,
                 fetches = (size_t)(cli_count(j->args, CLI_FETCH) + j->model.signature.n_outputs) + 1;

    j->feeds = ek__calloc(feeds, sizeof *j->feeds);
    j->fed = ek__calloc(feeds, sizeof *j->fed);
    j->fetches = ek__calloc(fetches, sizeof *j->fetches);
    j->wanted = ek__calloc(fetches, sizeof *j->wanted);
    j->targets = ek__calloc(fetches, sizeof *j->targets);
    j->times = ek__calloc((size_t)j->repeat + 1, sizeof *j->times);
    return j->feeds != NULL && j->fed != NULL && j->fetches != NULL && j->wanted != NULL && j->targets != NULL &&
           j->times != NULL;
}

static void release(job *j)
{
    cli_model_close(&j->model);
    for (int i = 0; i < j->n_feeds; i++) ek_array_unref(j->fed[i]);
    for (int i = 0; i < j->n_fetches; i++) {
        ek_array_unref(j->fetches[i].value);
        ek__free(j->fetches[i].name);
    }
    ek__free(j->feeds);
    ek__free(j->fed);
    ek__free(j->fetches);
    ek__free(j->wanted);
    ek__free(j->targets);
    ek__free(j->times);
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static ek_status run_once(job *j, ek_error *err)
{
    return ek_run(j->model.session, .feeds = j->feeds, .n_feeds = j->n_feeds, .fetches = j->wanted,
                  .n_fetches = j->n_wanted, .targets = j->targets, .n_targets = j->n_targets, .error = err);
}

/* Once, and j->repeat times more against the clock. */
static ek_status run_all(job *j, ek_error *err)
{
    EK_TRY(run_once(j, err));
    for (int i = 0; i < j->repeat; i++) {
        const double begin = now_us();

        EK_TRY(run_once(j, err));
        j->times[i] = now_us() - begin;
    }
    qsort(j->times, (size_t)j->repeat, sizeof *j->times, by_size);
    return EK_OK;
}

/* The value below which the part `share` of the sorted times lies. */
static double quantile(const job *j, double share)
{
    const double at = share * (j->repeat - 1);
    const int low = (int)at, high = low + 1 < j->repeat ? low + 1 : low;

    return j->times[low] + (at - low) * (j->times[high] - j->times[low]);
}

/* ---- results ------------------------------------------------------------------------------------------------- */

static int save(const job *j, const fetch *f)
{
    if (ek_npy_save(f->file, f->value) == EK_OK) return CLI_DONE;
    return cli_complain_error(j->args->command, ek_last_error());
}

static int print_text(const job *j)
{
    int status = CLI_DONE;

    for (int i = 0; i < j->n_fetches; i++) {
        fetch *f = &j->fetches[i];
        char *text;

        if (f->value == NULL) continue;
        if (f->file != NULL) {
            if (save(j, f) != CLI_DONE) status = CLI_FAILED;
            continue;
        }
        text = ek_array_str(f->value);
        if (text == NULL) return cli_no_memory(j->args->command);
        if (j->n_wanted > 1) printf("%s\n", f->name);
        printf("%s\n", text);
        ek_free(text);
    }
    if (j->repeat > 0)
        printf("%d runs: median %.1f us, middle half %.1f to %.1f, all %.1f to %.1f\n", j->repeat, quantile(j, 0.5),
               quantile(j, 0.25), quantile(j, 0.75), j->times[0], j->times[j->repeat - 1]);
    return status;
}

static int print_json(const job *j)
{
    static const struct { const char *key; double share; } spread[] = {
        {"median_us", 0.5}, {"lower_quartile_us", 0.25}, {"upper_quartile_us", 0.75}, {"least_us", 0}, {"most_us", 1},
    };
    ek_buf out = { 0 };
    ek_json json = { .out = &out };
    int status = CLI_DONE;

    ek__json_open(&json, '{');
    ek__json_key(&json, "fetches");
    ek__json_open(&json, '[');
    for (int i = 0; i < j->n_fetches; i++) {
        const fetch *f = &j->fetches[i];

        if (f->value == NULL) continue;
        ek__json_open(&json, '{');
        ek__json_key(&json, "name");
        ek__json_str(&json, f->name);
        ek__json_key(&json, "dtype");
        ek__json_str(&json, ek_dtype_name(f->value->dtype));
        ek__json_key(&json, "shape");
        ek__json_open(&json, '[');
        for (int k = 0; k < f->value->shape.rank; k++) ek__json_int(&json, f->value->shape.dim[k]);
        ek__json_close(&json, ']');
        ek__json_key(&json, f->file != NULL ? "file" : "value");
        if (f->file != NULL) {
            ek__json_str(&json, f->file);
            if (save(j, f) != CLI_DONE) status = CLI_FAILED;
        } else {
            cli_json_array(&json, f->value);
        }
        ek__json_close(&json, '}');
    }
    ek__json_close(&json, ']');
    if (j->repeat > 0) {
        ek__json_key(&json, "runs");
        ek__json_int(&json, j->repeat);
        for (int i = 0; i < EK_COUNT_OF(spread); i++) {
            ek__json_key(&json, spread[i].key);
            ek__json_double(&json, quantile(j, spread[i].share));
        }
    }
    ek__json_close(&json, '}');
    if (out.failed) status = cli_no_memory(j->args->command);
    if (status == CLI_DONE) printf("%s\n", out.data); /* what was not saved is not said to be in a file */
    ek__buf_fini(&out);
    return status;
}

/* ---- what can be fed and fetched -------------------------------------------------------------------------------- */

static int describe(const cli_args *args, const cli_model *m)
{
    ek_graph *g = m->graph;
    ek_buf out = { 0 };
    ek_json json = { .out = &out };
    bool ok;

    if (!cli_has(args, CLI_JSON)) {
        cli_print_signatures(m);
        printf("can be fed (placeholders; any other tensor too):\n");
        cli_each_feed(g, cli_print_tensor, NULL);
        printf("can be fetched (what nothing else reads; any other tensor too):\n");
        return cli_each_fetch(g, cli_print_tensor, NULL) ? CLI_DONE : cli_no_memory(args->command);
    }
    ek__json_open(&json, '{');
    cli_json_signatures(&json, m);
    ek__json_key(&json, "feeds");
    ek__json_open(&json, '[');
    cli_each_feed(g, cli_json_tensor, &json);
    ek__json_close(&json, ']');
    ek__json_key(&json, "fetches");
    ek__json_open(&json, '[');
    ok = cli_each_fetch(g, cli_json_tensor, &json);
    ek__json_close(&json, ']');
    ek__json_close(&json, '}');
    ok = ok && !out.failed;
    if (ok) printf("%s\n", out.data);
    ek__buf_fini(&out);
    return ok ? CLI_DONE : cli_no_memory(args->command);
}

static int run_job(job *j)
{
    ek_error err = { .code = EK_OK };
    const char *text;
    int status = CLI_DONE;

    if (!allocate(j)) return cli_no_memory(j->args->command);
    for (int i = 0; status == CLI_DONE && (text = cli_value(j->args, CLI_FEED, i)) != NULL; i++)
        status = add_feed(j, text);
    for (int i = 0; status == CLI_DONE && (text = cli_value(j->args, CLI_FETCH, i)) != NULL; i++)
        status = add_fetch(j, text);
    /* A signature's outputs where nothing else is asked for. */
    for (int i = 0; status == CLI_DONE && !cli_has(j->args, CLI_FETCH) && i < j->model.signature.n_outputs; i++)
        status = add_fetch(j, j->model.signature.outputs[i].key);
    if (status != CLI_DONE) return status;
    if (j->n_fetches == 0) {
        cli_complain(j->args->command, "nothing to compute: --fetch is missing");
        return cli_see_help(j->args->command);
    }
    if (!cli_model_start(j->args, &j->model, &(cli_start){ .initialize = false })) return CLI_FAILED;
    if (run_all(j, &err) != EK_OK) {
        (void)cli_complain_error(j->args->command, &err);
        if (err.code == EK_FAILED_PRECONDITION && j->model.checkpoint == NULL && j->model.saved == NULL)
            fprintf(stderr, "    a graph has no values of variables: --checkpoint PREFIX says where they are\n");
        return CLI_FAILED;
    }
    return cli_has(j->args, CLI_JSON) ? print_json(j) : print_text(j);
}

int cli_run(const cli_args *args)
{
    job j = { .args = args, .repeat = (int)cli_integer(args, CLI_REPEAT, 0) };
    int status = CLI_FAILED;

    if (cli_model_open(args, true, &j.model)) {
        const bool asks = !cli_has(args, CLI_FEED) && !cli_has(args, CLI_FETCH) && !cli_has(args, CLI_SIGNATURE) &&
                          j.repeat == 0;

        status = asks ? describe(args, &j.model) : run_job(&j);
    }
    release(&j);
    return status;
}
