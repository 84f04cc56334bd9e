/* tests/support/counting.h - the smallest training there is: two variables that count their steps, with a saver. */
#ifndef EK_TESTS_COUNTING_H
#define EK_TESTS_COUNTING_H

#include "evenkeel/evenkeel.h"

/* w is { n, n } after n steps, and so is the global step: whatever was saved in one piece has all of them alike. */
typedef struct counting {
    ek_graph *g;
    ek_variable w, step;
    ek_op next;
    ek_saver *saver;
    ek_session *s;
} counting;

/* What ek_saver_create starts from. */
ek_saver_options counting_saver(void);
/* Initialized: after no step. `o` NULL: that saver. It ends the test where something fails. */
counting counting_make(bool resource, const ek_saver_options *o);
void counting_end(counting m);
void counting_steps(counting m, int n);
void counting_save(counting m, const char *prefix, int64_t step);
void counting_restore(counting m, const char *prefix);
/* How many steps: -1, no values; -2, values that do not belong together. */
int64_t counting_now(counting m);

#endif
