/* tests/support/trajectory_programs.h - the programs of data/trajectories in C, call for call (program.py.txt has Python's). */
#ifndef EK_TESTS_TRAJECTORY_PROGRAMS_H
#define EK_TESTS_TRAJECTORY_PROGRAMS_H

#include "evenkeel/evenkeel.h"

/* What a run needs of a program that was built. */
typedef struct trajectory {
    ek_dtype dtype;                  /* of everything: float32, or float64 for the twin */
    ek_tensor x, target;             /* target: labels, or y */
    ek_tensor training;              /* dead: the flag is fixed */
    ek_tensor loss, output;
    ek_op train;
} trajectory;

typedef struct trajectory_program {
    const char *name;                /* of the case's folder */
    void (*build)(ek_graph *g, trajectory *t, const struct trajectory_program *p);
    ek_optimizer *(*optimizer)(ek_graph *g);
    bool bias;                       /* what else tells programs of one shape apart */
    int64_t inputs, units;
} trajectory_program;

/* NULL: there is none of that name. */
const trajectory_program *trajectory_program_find(const char *name);

#endif
