/* tests/support/golden_programs.h - the programs of data/tf115-graphs/CASES.md in C, call for call. */
#ifndef EK_TESTS_GOLDEN_PROGRAMS_H
#define EK_TESTS_GOLDEN_PROGRAMS_H

#include "evenkeel/gradients.h"
#include "support/support.h"

/* What a program's calls returned, under the names that CASES.md gives them. */
typedef struct golden_result {
    const char *name;
    ek_item item[96]; /* lists in lists one after the other; of kind EK_ITEM_NONE: Python's None */
    int count;
    bool list;
} golden_result;
typedef struct golden_results {
    golden_result at[32];
    int count;
} golden_results;

/* A name noted twice stands for its last value. */
void golden_note_item(golden_results *r, const char *name, ek_item item);
void golden_note_list(golden_results *r, const char *name, ek_list list);
void golden_note_gradients(golden_results *r, const char *name, ek_gradient_list list); /* added to what is there */
#define golden_note(r, name, x) golden_note_item((r), (name), EK_ITEM(x))

typedef struct golden_program {
    const char *name;                             /* of the case's folder */
    void (*build)(ek_graph *g, golden_results *r);
    int first;                                    /* nodes to compare; 0: all, with collections and results */
} golden_program;
/* By topic, each table ending with a name of NULL. */
extern const golden_program golden_programs_forward[], golden_programs_gradients[], golden_programs_train[];
/* Number i of all of them; NULL: there are no more. */
const golden_program *golden_program_at(int i);
/* NULL: there is none of that name. */
const golden_program *golden_program_find(const char *name);

/* What many programs begin and end with. */
ek_tensor golden_placeholder_x(ek_graph *g, golden_results *r, ek_shape shape);
ek_tensor golden_placeholder_flag(ek_graph *g, golden_results *r);
void golden_init_all(ek_graph *g, golden_results *r);

#endif
