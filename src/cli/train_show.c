/* cli/train_show.c - what training a built-in model shows: how it goes, and how it ended. */
#include <math.h>

#include "cli/train_model.h"

/* ---- progress --------------------------------------------------------------------------------------------- */

enum { NUMBER_SIZE = 32 };

/* Four digits after the point; of a training that went wrong what there is to say. */
static const char *number(double v, char text[NUMBER_SIZE])
{
    if (isnan(v)) return "nan"; /* printf would show its sign */
    snprintf(text, NUMBER_SIZE, fabs(v) < 1e6 ? "%.4f" : "%.6g", v);
    return text;
}

bool cli_train_progress(const ek_fit_progress *p, void *training)
{
    cli_training *t = training;
    char more[128], loss[NUMBER_SIZE], accuracy[NUMBER_SIZE];

    if (p->moment == EK_FIT_STARTED) {
        cli_progress_begin(&t->progress, t->args->command, p->step, p->steps);
        if (p->resumed)
            fprintf(stderr, "goes on from %s, after step %lld of %lld\n", p->checkpoint, (long long)p->step,
                    (long long)p->steps);
    } else if (p->moment == EK_FIT_STEP) {
        snprintf(more, sizeof more, ", loss %s, accuracy %s", number(p->mean_loss, loss),
                 number(p->mean_metric[0], accuracy));
        cli_progress_show(&t->progress, p->step, more);
    } else if (p->moment == EK_FIT_EVALUATED) {
        cli_progress_clear(&t->progress);
        fprintf(stderr, "step %lld: test loss %s, accuracy %s\n", (long long)p->step, number(p->loss, loss),
                number(p->metric[0], accuracy));
    } else if (p->moment == EK_FIT_ENDED) {
        cli_progress_clear(&t->progress);
    }
    return true;
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static const char *const end_names[] = { "done", "stopped", "patience", "not finite" };

static int print_json(const cli_training *t)
{
    const ek_fit_result *r = &t->result;
    ek_buf out = { 0 };
    ek_json json = { .out = &out }, *j = &json;

    ek__json_open(j, '{');
    ek__json_key(j, "model");
    ek__json_str(j, t->model);
    ek__json_key(j, "end");
    ek__json_str(j, end_names[r->end]);
    ek__json_key(j, "steps");
    ek__json_int(j, r->step);
    ek__json_key(j, "loss");
    ek__json_double(j, r->loss);
    ek__json_key(j, "accuracy");
    ek__json_double(j, r->metric[0]);
    ek__json_key(j, "test_loss");
    ek__json_double(j, r->eval_loss);
    ek__json_key(j, "test_accuracy");
    ek__json_double(j, r->eval_metric[0]);
    ek__json_key(j, "seconds");
    ek__json_double(j, r->seconds);
    ek__json_key(j, "resumed");
    ek__json_bool(j, r->resumed);
    ek__json_key(j, "checkpoint");
    ek__json_str(j, r->checkpoint[0] != '\0' ? r->checkpoint : NULL);
    ek__json_key(j, "best_checkpoint");
    ek__json_str(j, r->best_checkpoint[0] != '\0' ? r->best_checkpoint : NULL);
    if (r->best_step >= 0) {
        ek__json_key(j, "best_step");
        ek__json_int(j, r->best_step);
        ek__json_key(j, "held_out_accuracy");
        ek__json_double(j, r->best);
    }
    ek__json_key(j, "export");
    ek__json_str(j, t->exported ? t->export_to : NULL);
    ek__json_close(j, '}');
    const bool ok = !out.failed;
    if (ok) printf("%s\n", out.data);
    ek__buf_fini(&out);
    return ok ? CLI_DONE : cli_no_memory(t->args->command);
}

static void print_text(const cli_training *t)
{
    const ek_fit_result *r = &t->result;
    char loss[NUMBER_SIZE], accuracy[NUMBER_SIZE];

    printf("%s after %lld steps of %lld: loss %s\n", t->model, (long long)r->step, (long long)t->batch_size,
           number(r->loss, loss));
    if (r->end == EK_FIT_PATIENCE) printf("stopped: nothing better in %lld evaluation%s\n", (long long)t->patience,
                                          t->patience == 1 ? "" : "s");
    if (!isnan(r->eval_metric[0]))
        printf("test accuracy %s, loss %s, on %lld unseen images\n", number(r->eval_metric[0], accuracy),
               number(r->eval_loss, loss),
               (long long)ek_dataset_rows(t->test));
    if (r->best_step >= 0)
        printf("best on held-out images: accuracy %.4f after step %lld\n", r->best, (long long)r->best_step);
    if (r->best_checkpoint[0] != '\0') printf("best checkpoint: %s\n", r->best_checkpoint);
    if (r->checkpoint[0] != '\0') printf("checkpoint: %s\n", r->checkpoint);
    if (t->exported) printf("SavedModel: %s\n", t->export_to);
}

enum { BY_SIGNAL = 128 }; /* and its number: what a shell says of a command that a signal ended */

/* The run's curves as pictures beside its checkpoints. Training did not fail where drawing does. */
static void draw_curves(const cli_training *t)
{
    ek_error err = { .code = EK_OK };
    bool drawn;

    if (t->logdir == NULL) return;
    if (ek_plot_run(t->logdir, .drawn = &drawn, .error = &err) != EK_OK)
        cli_complain(t->args->command, "no pictures of the curves: %s", err.text);
    else if (!t->json)
        printf("curves: %s/curves/*.%s\n", t->logdir, drawn ? "png" : "gp, which gnuplot draws");
}

int cli_train_summary(cli_training *t)
{
    const ek_fit_result *r = &t->result;
    int status = CLI_DONE;

    if (t->json)
        status = print_json(t);
    else
        print_text(t);
    draw_curves(t);
    if (status != CLI_DONE || r->end != EK_FIT_STOPPED) return status;
    if (r->checkpoint[0] != '\0')
        cli_complain(t->args->command, "stopped after step %lld; --resume goes on", (long long)r->step);
    else
        cli_complain(t->args->command, "stopped after step %lld; without --logdir nothing was saved",
                     (long long)r->step);
    return BY_SIGNAL + *cli_stop();
}
