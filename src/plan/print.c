/* plan/print.c - a plan in words: EK_LOG=plan.
 */
#include "plan/ir.h"

static void add_port(ek_buf *out, const ek_builder *b, const ek_port *port)
{
    static const char *const home[] = {
        [EK_HOME_NONE] = "nothing", [EK_HOME_BLOCK] = "v", [EK_HOME_STRINGS] = "strings", [EK_HOME_CONSTANT] = "const",
        [EK_HOME_FEED] = "feed", [EK_HOME_VARIABLE] = "variable", [EK_HOME_OUTER] = "outer", [EK_HOME_TILE] = "tile",
    };
    const ek_place *p = &b->value[port->value].place;
    char shape[400];

    ek_shape_format_cc(port->shape, shape, sizeof shape);
    if (p->home == EK_HOME_BLOCK)
        ek__buf_printf(out, " v%d%s@%zu", port->value, shape, p->offset);
    else if (p->home == EK_HOME_VARIABLE)
        ek__buf_printf(out, " %s%s", b->plan->variable[p->index].node->name, shape);
    else
        ek__buf_printf(out, " %s%d%s", home[p->home], p->index, shape);
}

static void print_op(const ek_builder *b, const ek_lowered *op, int32_t step)
{
    ek_buf line = { 0 };

    ek__buf_printf(&line, "%5d  %-18s", step,
                   op->kind == EK_LOWERED_SNAPSHOT                      ? "(copy)"
                   : op->kind == EK_LOWERED_CHAIN && op->n_links > 1 ? "(chain)"
                   : op->kind == EK_LOWERED_HALF                        ? "(batch norm)"
                   : op->kind == EK_LOWERED_JOINED                      ? "(writes)"
                   : op->kind == EK_LOWERED_SCALE                       ? "(scale)"
                                                                       : op->node->type);
    for (int32_t o = 0; o < op->n_out; o++) add_port(&line, b, &op->out[o]);
    ek__buf_str(&line, " <-");
    for (int32_t i = 0; i < op->n_in; i++) add_port(&line, b, &op->in[i]);
    ek__buf_str(&line, "   {");
    for (int32_t i = 0; i < op->n_covers; i++)
        ek__buf_printf(&line, "%s%s", i > 0 ? " " : "", op->covers[i]->name);
    ek__buf_str(&line, "}");
    if (!line.failed) ek__log("plan", "%s", line.data);
    ek__buf_fini(&line);
}

void ek__print_plan(const ek_builder *b)
{
    const ek_plan *p = b->plan;
    int32_t step = 0;

    ek__log("plan", "%s: %d nodes, %d steps, %zu bytes, %zu of scratch, %d variables%s", p->outer != NULL ? "tail" : "plan",
            b->end - b->begin, p->n_steps, p->block_bytes, p->scratch_bytes, p->n_variables, p->exclusive ? ", writes" : "");
    for (int32_t k = 0; k < b->n_ops; k++)
        if (b->op[k].kind != EK_LOWERED_GONE) print_op(b, &b->op[k], step++);
    for (int32_t i = 0; i < p->n_fetched; i++)
        ek__log("plan", "       fetch %d: %s:%d", p->fetched[i].fetch,
                ek__at(b->program, b->program->fetch[p->fetched[i].fetch].node)->name,
                b->program->fetch[p->fetched[i].fetch].index);
    if (p->split != NULL)
        ek__log("plan", "       then %s of %s decides", p->split->kind == EK_SPLIT_BRANCH ? "the branch" : "the shape",
                p->split->node->name);
}
