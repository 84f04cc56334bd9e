/* ops/control.c - ops that steer: no values are made here.
 *
 * What dead tensors, frames and iterations mean is the plan's; here are the definitions and the shapes.
 */
#include "ops/rules.h"

const ek_op_def ek__op_NoOp = {
    .name = "NoOp",
    .kind = EK_KIND_PURE,
    .inputs = "",
    .outputs = "",
    .attrs = "",
    .shape = ek__no_rule,
    .prepare = ek__prepare_nothing,
    .no_grad_because = "it has no outputs",
};

/* Unlike NoOp it fires live whatever its control inputs are. */
const ek_op_def ek__op_ControlTrigger = {
    .name = "ControlTrigger",
    .kind = EK_KIND_PURE,
    .inputs = "",
    .outputs = "",
    .attrs = "",
    .shape = ek__no_rule,
    .prepare = ek__prepare_nothing,
    .no_grad_because = "it has no outputs",
};

/* ---- Switch and Merge ------------------------------------------------------------------------ */

enum { DATA, PRED };

static ek_status switch_shape(ek_shape_ctx *c)
{
    if (c->in[PRED].rank > 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "The second input must be a scalar, but it has shape %s",
                       EK_CC(&c->in[PRED]));
    for (int k = 0; k < 2; k++) {
        c->out[k] = c->in[DATA];
        c->out_handle[k] = c->in_handle[DATA];
    }
    return EK_OK;
}

const ek_op_def ek__op_Switch = {
    .name = "Switch",
    .kind = EK_KIND_SWITCH,
    .inputs = "data: T, pred: bool",
    .outputs = "output_false: T, output_true: T",
    .attrs = "T: type",
    .shape = switch_shape,
};

const ek_op_def ek__op_RefSwitch = {
    .name = "RefSwitch",
    .kind = EK_KIND_SWITCH,
    .inputs = "data: Ref(T), pred: bool",
    .outputs = "output_false: Ref(T), output_true: Ref(T)",
    .attrs = "T: type",
    .shape = switch_shape,
    .accepts_uninitialized = 1u << DATA,
    .ref_output = 3,
};

/* What all inputs agree on. Any of them may be the one taken. */
static ek_status merge_shape(ek_shape_ctx *c)
{
    ek_shape out = c->in[0];

    for (int i = 1; i < c->n_in && out.rank >= 0; i++) {
        if (c->in[i].rank != out.rank) {
            out = EK_UNKNOWN_SHAPE;
            break;
        }
        for (int32_t d = 0; d < out.rank; d++)
            if (c->in[i].dim[d] != out.dim[d]) out.dim[d] = -1;
    }
    c->out[0] = out;
    c->out[1] = EK_SCALAR;
    c->out_handle[0] = c->in_handle[0];
    return EK_OK;
}

const ek_op_def ek__op_Merge = {
    .name = "Merge",
    .kind = EK_KIND_MERGE,
    .inputs = "inputs: N * T",
    .outputs = "output: T, value_index: int32",
    .attrs = "T: type; N: int >= 1",
    .shape = merge_shape,
};

const ek_op_def ek__op_RefMerge = {
    .name = "RefMerge",
    .kind = EK_KIND_MERGE,
    .inputs = "inputs: Ref(N * T)",
    .outputs = "output: Ref(T), value_index: int32",
    .attrs = "T: type; N: int >= 1",
    .shape = merge_shape,
    .ref_output = 1,
};

/* ---- loops ----------------------------------------------------------------------------------- */

typedef struct enter_attrs {
    const char *frame_name;
    int64_t parallel_iterations;
    bool is_constant;
} enter_attrs;

static const ek_field enter_fields[] = {
    EK_FIELD(enter_attrs, frame_name, STRING),
    EK_FIELD(enter_attrs, parallel_iterations, INT),
    EK_FIELD(enter_attrs, is_constant, BOOL),
};

const ek_op_def ek__op_Enter = {
    .name = "Enter",
    .kind = EK_KIND_LOOP,
    .inputs = "data: T",
    .outputs = "output: T",
    .attrs = "T: type; frame_name: string; is_constant: bool = false; parallel_iterations: int = 10",
    .attrs_size = sizeof(enter_attrs),
    .fields = enter_fields,
    .n_fields = EK_COUNT_OF(enter_fields),
    .shape = ek__same_rule,
};

const ek_op_def ek__op_RefEnter = {
    .name = "RefEnter",
    .kind = EK_KIND_LOOP,
    .inputs = "data: Ref(T)",
    .outputs = "output: Ref(T)",
    .attrs = "T: type; frame_name: string; is_constant: bool = false; parallel_iterations: int = 10",
    .attrs_size = sizeof(enter_attrs),
    .fields = enter_fields,
    .n_fields = EK_COUNT_OF(enter_fields),
    .shape = ek__same_rule,
    .ref_output = 1,
};

const ek_op_def ek__op_Exit = {
    .name = "Exit",
    .kind = EK_KIND_LOOP,
    .inputs = "data: T",
    .outputs = "output: T",
    .attrs = "T: type",
    .shape = ek__same_rule,
};

const ek_op_def ek__op_RefExit = {
    .name = "RefExit",
    .kind = EK_KIND_LOOP,
    .inputs = "data: Ref(T)",
    .outputs = "output: Ref(T)",
    .attrs = "T: type",
    .shape = ek__same_rule,
    .ref_output = 1,
};

const ek_op_def ek__op_NextIteration = {
    .name = "NextIteration",
    .kind = EK_KIND_LOOP,
    .inputs = "data: T",
    .outputs = "output: T",
    .attrs = "T: type",
    .shape = ek__same_rule,
};

const ek_op_def ek__op_RefNextIteration = {
    .name = "RefNextIteration",
    .kind = EK_KIND_LOOP,
    .inputs = "data: Ref(T)",
    .outputs = "output: Ref(T)",
    .attrs = "T: type",
    .shape = ek__same_rule,
    .ref_output = 1,
};

static ek_status loop_cond_shape(ek_shape_ctx *c)
{
    EK_TRY(ek__want_rank(c, 0, 0));
    return ek__scalar_rule(c);
}

const ek_op_def ek__op_LoopCond = {
    .name = "LoopCond",
    .kind = EK_KIND_LOOP,
    .inputs = "input: bool",
    .outputs = "output: bool",
    .attrs = "",
    .shape = loop_cond_shape,
    .no_grad_because = "its output is a bool",
};
