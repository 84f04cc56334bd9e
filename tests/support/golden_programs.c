/* tests/support/golden_programs.c - see golden_programs.h. */
#include "support/golden_programs.h"

#include <string.h>

static const golden_program *const tables[] = { golden_programs_forward, golden_programs_gradients,
                                              golden_programs_train };

const golden_program *golden_program_at(int i)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const golden_program *p = tables[t]; p->name != NULL; p++)
            if (i-- == 0) return p;
    return NULL;
}

const golden_program *golden_program_find(const char *name)
{
    const golden_program *p;

    for (int i = 0; (p = golden_program_at(i)) != NULL; i++)
        if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

/* ---- what many begin and end with ------------------------------------------------------------------------------------ */

ek_tensor golden_placeholder_x(ek_graph *g, golden_results *r, ek_shape shape)
{
    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = shape, .name = "x");

    golden_note(r, "x", x);
    return x;
}

ek_tensor golden_placeholder_flag(ek_graph *g, golden_results *r)
{
    ek_tensor is_training = ek_placeholder_with_default(g, ek_bool(false), .name = "is_training");

    golden_note(r, "is_training", is_training);
    return is_training;
}

void golden_init_all(ek_graph *g, golden_results *r)
{
    golden_note(r, "init", ek_global_variables_initializer(g));
}

/* ---- noting ------------------------------------------------------------------------------------------------------ */

static golden_result *result_named(golden_results *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->at[i].name, name) == 0) return &r->at[i];
    if (r->count == 32) return &r->at[31];
    r->at[r->count].name = name;
    return &r->at[r->count++];
}

void golden_note_item(golden_results *r, const char *name, ek_item item)
{
    golden_result *at = result_named(r, name);

    at->item[0] = item;
    at->count = 1;
    at->list = false;
}

void golden_note_list(golden_results *r, const char *name, ek_list list)
{
    golden_result *at = result_named(r, name);

    at->count = 0;
    at->list = true;
    for (int64_t i = 0; i < list.count && at->count < 96; i++) at->item[at->count++] = list.item[i];
}

void golden_note_gradients(golden_results *r, const char *name, ek_gradient_list list)
{
    golden_result *at = result_named(r, name);

    at->list = true;
    for (int64_t i = 0; i < list.count && at->count < 96; i++) {
        const ek_item none = { .kind = EK_ITEM_NONE };
        at->item[at->count++] = ek_gradient_ok(list.at[i]) ? ek_item_of_tensor(list.at[i].value) : none;
    }
}
