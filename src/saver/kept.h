/* saver/kept.h - which checkpoints a saver keeps. */
#ifndef EK_SAVER_KEPT_H
#define EK_SAVER_KEPT_H

#include "base/base.h"

typedef struct ek_kept_checkpoint {
    char *path;
    double time; /* when it was written: seconds since 1970 */
} ek_kept_checkpoint;

/* The oldest first. */
typedef struct ek_kept {
    ek_kept_checkpoint *at;
    int64_t n, cap;
} ek_kept;

bool ek__kept_copy(const ek_kept *from, ek_kept *to); /* false without memory: nothing is held */
bool ek__kept_add(ek_kept *k, const char *path, double time); /* at the end; from anywhere before it is taken out */
void ek__kept_drop(ek_kept *k, int64_t i);
void ek__kept_fini(ek_kept *k);
double ek__now(void);

#endif
