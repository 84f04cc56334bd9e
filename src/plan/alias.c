/* plan/alias.c - how long values live, which snapshots need a copy, and who may write over its input.
 */
#include "plan/ir.h"

static void find_lifetimes(ek_builder *b)
{
    for (int32_t k = 0; k < b->n_ops; k++) {
        const ek_lowered *op = &b->op[k];

        if (op->kind == EK_LOWERED_GONE) continue;
        for (int32_t i = 0; i < op->n_in; i++)
            if (b->value[op->in[i].value].last < k) b->value[op->in[i].value].last = k;
        for (int32_t o = 0; o < op->n_out; o++)
            if (b->value[op->out[o].value].last < k) b->value[op->out[o].value].last = k;
    }
    for (int32_t v = 0; v < b->n_values; v++)
        if (b->value[v].keep) b->value[v].last = INT32_MAX;
}

/* Whether a node after the split may write a variable: what it may do to values that are still needed then. */
static bool tail_writes(const ek_builder *b)
{
    for (int32_t k = b->end; k < b->program->n_order; k++) {
        const ek_node *n = ek__at(b->program, b->program->order[k]);

        if (n->spec->def->writes != 0) return true;
    }
    return false;
}

/* A snapshot is the variable's memory unless somebody writes there while it is needed. From the end backwards, with the
 * next write of each variable. */
static ek_status settle_snapshots(ek_builder *b)
{
    const int32_t n_vars = b->plan->n_variables;
    int32_t *next_write = ek__arena_alloc(&b->scratch, sizeof(int32_t) * (size_t)(n_vars + 1), sizeof(int32_t));
    const int32_t beyond = b->end < b->program->n_order && tail_writes(b) ? INT32_MAX : -1;

    if (next_write == NULL) return ek__plan_no_memory(b->err);
    for (int32_t v = 0; v < n_vars; v++) next_write[v] = beyond;
    for (int32_t k = b->n_ops - 1; k >= 0; k--) {
        ek_lowered *op = &b->op[k];

        if (op->kind == EK_LOWERED_SNAPSHOT) {
            ek_value *v = &b->value[op->out[0].value];

            if (next_write[v->variable] >= 0 && next_write[v->variable] <= v->last) continue;
            v->place = (ek_place){ EK_HOME_VARIABLE, v->variable, 0 };
            op->kind = EK_LOWERED_GONE;
        } else if (op->kind != EK_LOWERED_GONE) {
            for (int32_t i = 0; i < op->n_written; i++) next_write[op->written[i]] = k;
        }
    }
    return EK_OK;
}

/* ---- in place ----------------------------------------------------------------------------------- */

static bool dies_here(const ek_builder *b, const ek_lowered *op, int32_t k, int32_t i)
{
    const ek_value *v = &b->value[op->in[i].value];

    return v->place.home == EK_HOME_BLOCK && v->last == k && v->def < k && !v->keep && !v->taken;
}

static bool read_once(const ek_lowered *op, int32_t i)
{
    for (int32_t j = 0; j < op->n_in; j++)
        if (j != i && op->in[j].value == op->in[i].value) return false;
    return true;
}

static void take_over(ek_builder *b, const ek_lowered *op, int32_t out, int32_t in)
{
    b->value[op->out[out].value].shares = op->in[in].value;
    b->value[op->in[in].value].taken = true;
}

static void op_in_place(ek_builder *b, ek_lowered *op, int32_t k)
{
    for (int32_t i = 0; i < op->n_in; i++) {
        const bool may = op->kind == EK_LOWERED_HALF ? ek__half_may_overwrite(op, i)
                                                     : ek__bit(op->node->spec->def->inplace, i);

        if (!may || !dies_here(b, op, k, i) || !read_once(op, i)) continue;
        const ek_value *in = &b->value[op->in[i].value], *out = &b->value[op->out[0].value];
        if (out->place.home != EK_HOME_BLOCK || in->bytes != out->bytes) continue;
        take_over(b, op, 0, i);
        return;
    }
}

/* An output may lie over an input whose last reader comes no later than the link that writes it: within a tile, later
 * links would find the new numbers. */
static void chain_in_place(ek_builder *b, ek_lowered *op, int32_t k)
{
    for (int32_t j = 0; j < op->n_links; j++) {
        const ek_link *l = &op->link[j];

        if (l->out < 0) continue;
        for (int32_t i = 0; i < l->n_in; i++) {
            const int32_t port = -1 - l->in[i];
            bool later = false;

            if (port < 0 || l->step[i] != 1 || !dies_here(b, op, k, port) || !read_once(op, port)) continue;
            if (b->value[op->in[port].value].bytes != b->value[l->value].bytes ||
                ek_dtype_size(op->in[port].dtype) != ek_dtype_size(l->dtype))
                continue;
            for (int32_t r = j + 1; r < op->n_links; r++)
                for (int32_t q = 0; q < op->link[r].n_in; q++) later = later || op->link[r].in[q] == l->in[i];
            if (later) continue;
            take_over(b, op, l->out, port);
            break;
        }
    }
}

ek_status ek__pass_alias(ek_builder *b)
{
    find_lifetimes(b);
    EK_TRY(settle_snapshots(b));
    for (int32_t k = 0; k < b->n_ops && b->host->inplace; k++) {
        ek_lowered *op = &b->op[k];

        if (op->kind == EK_LOWERED_CHAIN)
            chain_in_place(b, op, k);
        else if (op->kind == EK_LOWERED_HALF ||
                 (op->kind == EK_LOWERED_OP && op->n_out > 0 && op->node->spec->def->inplace != 0))
            op_in_place(b, op, k);
    }
    return EK_OK;
}
