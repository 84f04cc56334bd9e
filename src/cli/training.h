/* cli/training.h - what commands that train share: stopping, what is said of batch norms, the progress line. */
#ifndef EK_CLI_TRAINING_H
#define EK_CLI_TRAINING_H

#include "base/rules.h"
#include "cli/model.h"

/* The first Ctrl-C (or SIGTERM) asks to stop; the second ends the process at once. */
void cli_catch_stop(void);
/* Other than 0 once that was asked for; read it by __atomic_load_n. */
const int *cli_stop(void);
static inline bool cli_stopped(void) { return __atomic_load_n(cli_stop(), __ATOMIC_RELAXED) != 0; }

/* A line on stderr that is written over and over, if stderr is a terminal: "step 120 of 1000, 35.2 a second, 0:25 left". */
typedef struct cli_progress {
    const cli_command *command;
    int64_t first, total;
    double began, shown; /* seconds */
    int width;           /* of the line that stands there; 0: none */
    bool terminal;
    bool said[EK_RULES]; /* by cli_say_finding */
} cli_progress;
/* Of `total` steps `first` are done. */
void cli_progress_begin(cli_progress *p, const cli_command *command, int64_t first, int64_t total);
/* At most ten times a second; `more` ends the line: ", loss 0.25". */
void cli_progress_show(cli_progress *p, int64_t done, const char *more);
void cli_progress_clear(cli_progress *p); /* before anything else is printed */

/* An ek_reporter: what a session, or the end of training, says of batch norms, above the line that `progress`, a
 * cli_progress, shows: each rule once. */
void cli_say_finding(const ek_finding *f, void *progress);

/* evenkeel train MODEL.meta (cmd_train_meta.c), and a built-in model (cmd_train_model.c) */
int cli_train_meta(const cli_args *args);
int cli_train_model(const cli_args *args);

#endif
