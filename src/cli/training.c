/* cli/training.c - what commands that train share. */
#include "cli/training.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* ---- stopping ------------------------------------------------------------------------------------------- */

static int stop;

static void on_signal(int number)
{
    __atomic_store_n(&stop, number, __ATOMIC_RELAXED);
}

void cli_catch_stop(void)
{
    static const int numbers[] = { SIGINT, SIGTERM };
    /* SA_RESETHAND: the second one does what it always did. */
    const struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART) };

    for (int i = 0; i < EK_COUNT_OF(numbers); i++) (void)sigaction(numbers[i], &action, NULL);
}

const int *cli_stop(void)
{
    return &stop;
}

/* ---- the progress line ------------------------------------------------------------------------------------ */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void cli_progress_begin(cli_progress *p, const cli_command *command, int64_t first, int64_t total)
{
    *p = (cli_progress){ .command = command, .first = first, .total = total, .began = now() };
    p->terminal = isatty(STDERR_FILENO) != 0;
}

void cli_progress_clear(cli_progress *p)
{
    if (p->width > 0) fprintf(stderr, "\r%*s\r", p->width, "");
    p->width = 0;
}

/* What fits into a line of the terminal: one that wraps cannot be written over. */
static int room(size_t size)
{
    struct winsize w = { .ws_col = 0 };
    const int most = (int)size - 1;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 2) return most;
    return w.ws_col - 1 < most ? w.ws_col - 1 : most;
}

void cli_progress_show(cli_progress *p, int64_t done, const char *more)
{
    const double at = p->terminal ? now() : 0;
    char line[200];
    int n;

    if (!p->terminal || (at - p->shown < 0.1 && done < p->total)) return;
    if (p->shown == 0 && done < p->total) { /* the first step makes its plan: the rate is that of those after it */
        p->first = done;
        p->began = at;
    }
    const double spent = at - p->began, rate = spent > 0 ? (double)(done - p->first) / spent : 0;
    p->shown = at;
    n = snprintf(line, sizeof line, "step %lld of %lld", (long long)done, (long long)p->total);
    if (rate > 0) {
        const long long left = (long long)((double)(p->total - done) / rate + 0.5);

        n += snprintf(line + n, sizeof line - (size_t)n, rate < 100 ? ", %.3g" : ", %.0f", rate);
        n += snprintf(line + n, sizeof line - (size_t)n, " a second, %lld:%02lld left", left / 60, left % 60);
    }
    n += snprintf(line + n, sizeof line - (size_t)n, "%s", more);
    if (n > room(sizeof line)) n = room(sizeof line);
    fprintf(stderr, "\r%.*s%*s", n, line, p->width > n ? p->width - n : 0, "");
    fflush(stderr);
    p->width = n;
}

/* ---- what is said of batch norms ---------------------------------------------------------------------------- */

void cli_say_finding(const ek_finding *f, void *progress)
{
    cli_progress *p = progress;

    for (int i = 0; i < EK_RULES; i++) {
        if (strcmp(ek__rule_id((ek_rule)i), f->rule) != 0) continue;
        if (p->said[i]) return;
        p->said[i] = true;
    }
    cli_progress_clear(p);
    cli_complain(p->command, "%s %s: %s", f->rule, ek_severity_name(f->severity), f->text);
}
