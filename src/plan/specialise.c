/* plan/specialise.c - conds whose branch is known: only what is taken stays alive.
 *
 * What steers may be a constant, or follow from booleans that are fed: those become part of the plan's signature.
 */
#include "plan/ir.h"

const ek_array *ek__steer(ek_builder *b, ek_edge e)
{
    const int32_t at = ek__out_at(b->program, e);
    const ek_fact *f = &b->facts->fact[at];

    if (b->facts->constant[at] != NULL) return b->facts->constant[at];
    if (f->known == NULL) return NULL;
    /* A tail is chosen by its own key: it may not rest on a feed that its root's signature leaves open. */
    if (b->plan->outer != NULL && (f->taint & ~b->plan->root->steering) != 0) return NULL;
    b->plan->steering |= f->taint;
    return f->known;
}

void ek__alias_fact(ek_builder *b, int32_t from, int32_t to)
{
    ek_facts *f = b->facts;

    ek__shape_set(&f->shape[to], &f->shape[from]);
    f->constant[to] = f->constant[from];
    f->fact[to].taint = f->fact[from].taint;
    f->fact[to].known = f->fact[from].known;
    f->fact[to].variable = f->fact[from].variable;
    f->fact[to].snapshot = f->fact[from].snapshot;
    f->fact[to].reshaped = f->fact[from].reshaped;
}

ek_status ek__specialise_switch(ek_builder *b, const ek_node *n, bool *known)
{
    const ek_array *pred = ek__steer(b, n->in[1]);
    const int32_t out = b->program->first_out[n->id];

    *known = pred != NULL;
    EK_TRY(ek__rule(b, n)); /* the predicate must be a scalar */
    if (pred == NULL) return EK_OK;
    const int taken = *(const bool *)pred->data ? 1 : 0;

    b->facts->taken[n->id] = (int8_t)taken;
    for (int k = 0; k < 2; k++) {
        if (b->facts->fact[out + k].feed >= 0) continue;
        b->facts->fact[out + k].dead = k != taken;
        if (k == taken) ek__alias_fact(b, ek__out_at(b->program, n->in[0]), out + k);
    }
    return EK_OK;
}

/* The first live input wins, as with one thread that runs in creation order. The caller has seen that one is live. */
ek_status ek__specialise_merge(ek_builder *b, const ek_node *n)
{
    const int32_t out = b->program->first_out[n->id];
    int32_t taken = 0;
    ek_array *index = NULL;

    while (b->facts->fact[ek__out_at(b->program, n->in[taken])].dead) taken++;
    b->facts->taken[n->id] = (int8_t)(taken < INT8_MAX ? taken : INT8_MAX);
    if (b->facts->fact[out].feed < 0) ek__alias_fact(b, ek__out_at(b->program, n->in[taken]), out);
    if (n->n_out < 2 || b->facts->fact[out + 1].feed >= 0) return EK_OK;
    EK_TRY(ek__array_new(EK_INT32, &EK_SCALAR, &taken, &index, b->err));
    EK_TRY(ek__own(b, index));
    b->facts->constant[out + 1] = index;
    b->facts->shape[out + 1] = EK_SCALAR;
    return EK_OK;
}
