/* ops/identity.c - ops that pass their input on: nothing is computed, a plan may move nothing either. */
#include "ops/move.h"
#include "ops/rules.h"

const ek_op_def ek__op_Identity = {
    .name = "Identity",
    .kind = EK_KIND_ALIAS,
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = "T: type",
    .shape = ek__same_rule,
    .prepare = ek__prepare_copy,
    .alias_data = true,
    .inplace = 1,
};

const ek_op_def ek__op_RefIdentity = {
    .name = "RefIdentity",
    .kind = EK_KIND_ALIAS,
    .inputs = "input: Ref(T)",
    .outputs = "output: Ref(T)",
    .attrs = "T: type",
    .shape = ek__same_rule,
    .prepare = ek__prepare_copy,
    .alias_data = true,
    .accepts_uninitialized = 1,
    .ref_output = 1,
};

const ek_op_def ek__op_IdentityN = {
    .name = "IdentityN",
    .kind = EK_KIND_ALIAS,
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = "T: list(type) >= 1",
    .shape = ek__same_rule,
    .prepare = ek__prepare_copy,
};

const ek_op_def ek__op_Snapshot = {
    .name = "Snapshot",
    .kind = EK_KIND_PURE,
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = "T: type",
    .shape = ek__same_rule,
    .prepare = ek__prepare_copy,
    .no_grad_because = "TensorFlow registers none",
};

/* A copy of its own of what may be a variable's memory: an effect, never merged or moved across a write. */
const ek_op_def ek__op_DeepCopy = {
    .name = "DeepCopy",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .inputs = "x: T",
    .outputs = "y: T",
    .attrs = "T: type",
    .shape = ek__same_rule,
    .prepare = ek__prepare_copy,
    .no_grad_because = "TensorFlow registers none",
};

const ek_op_def ek__op_StopGradient = {
    .name = "StopGradient",
    .kind = EK_KIND_ALIAS,
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = "T: type",
    .shape = ek__same_rule,
    .prepare = ek__prepare_copy,
    .alias_data = true,
    .inplace = 1,
    .no_grad_because = "that is its purpose",
};

typedef struct prevent_attrs {
    const char *message;
} prevent_attrs;

static const ek_field prevent_fields[] = { EK_FIELD(prevent_attrs, message, STRING) };

const ek_op_def ek__op_PreventGradient = {
    .name = "PreventGradient",
    .kind = EK_KIND_ALIAS,
    .inputs = "input: T",
    .outputs = "output: T",
    .attrs = "T: type; message: string = ''",
    .attrs_size = sizeof(prevent_attrs),
    .fields = prevent_fields,
    .n_fields = EK_COUNT_OF(prevent_fields),
    .shape = ek__same_rule,
    .prepare = ek__prepare_copy,
    .alias_data = true,
    .inplace = 1,
};

/* TensorFlow 2's word to a variable that reading need not copy: nothing to do here, where no read copies twice. */
const ek_op_def ek__op_DisableCopyOnRead = {
    .name = "DisableCopyOnRead",
    .kind = EK_KIND_EFFECT,
    .stateful = true,
    .later = true,
    .inputs = "resource: resource",
    .outputs = "",
    .attrs = "",
    .shape = ek__no_rule,
    .prepare = ek__prepare_nothing,
    .accepts_uninitialized = 1,
    .no_grad_because = "it has no outputs",
};
