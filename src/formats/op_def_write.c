/* formats/op_def_write.c - a definition as TensorFlow's OpDef. What it has of TensorFlow 2 alone is left out, as are texts
 * and whether an op is commutative or an aggregate: nobody who reads a file asks. */
#include "codec/fields.h"
#include "formats/meta.h"
#include "graph/attr.h"
#include "graph/nodedef.h"

static void write_arg(ek_buf *b, uint32_t number, const ek_arg_spec *a)
{
    const size_t mark = ek__put_open(b, number);

    ek__put_str(b, EK_F_ARG_NAME, a->name);
    if (a->type != EK_DTYPE_NONE) ek__put_int(b, EK_F_ARG_TYPE, a->type);
    if (a->type_attr != NULL) ek__put_str(b, EK_F_ARG_TYPE_ATTR, a->type_attr);
    if (a->number_attr != NULL) ek__put_str(b, EK_F_ARG_NUMBER_ATTR, a->number_attr);
    if (a->list_attr != NULL) ek__put_str(b, EK_F_ARG_LIST_ATTR, a->list_attr);
    if (a->is_ref) ek__put_int(b, EK_F_ARG_IS_REF, 1);
    ek__put_close(b, mark);
}

static void write_allowed(ek_buf *b, const ek_attr_spec *a)
{
    const size_t mark = ek__put_open(b, EK_F_ATTRDEF_ALLOWED), list = ek__put_open(b, EK_F_ATTR_LIST);

    for (int i = 0; i < a->n_allowed_strings; i++) ek__put_str(b, EK_F_ATTR_S, a->allowed_strings[i]);
    if (a->n_allowed_types > 0) {
        const size_t types = ek__put_open(b, EK_F_ATTR_TYPE);
        for (int i = 0; i < a->n_allowed_types; i++) ek__put_varint(b, (uint64_t)a->allowed_type[i]);
        ek__put_close(b, types);
    }
    ek__put_close(b, list);
    ek__put_close(b, mark);
}

static void write_attr(ek_buf *b, const ek_attr_spec *a)
{
    const size_t mark = ek__put_open(b, EK_F_OP_ATTR);
    char kind[32];

    ek__put_str(b, EK_F_ATTRDEF_NAME, a->name);
    ek__put_str(b, EK_F_ATTRDEF_TYPE, ek__attr_kind_name(a->kind, kind));
    if (a->has_default) {
        const size_t value = ek__put_open(b, EK_F_ATTRDEF_DEFAULT);
        ek__attr_write(b, &a->fallback);
        ek__put_close(b, value);
    }
    if (a->has_minimum) ek__put_int(b, EK_F_ATTRDEF_HAS_MINIMUM, 1);
    if (a->has_minimum && a->minimum != 0) ek__put_int(b, EK_F_ATTRDEF_MINIMUM, a->minimum);
    if (a->n_allowed_strings > 0 || a->n_allowed_types > 0) write_allowed(b, a);
    ek__put_close(b, mark);
}

static bool takes_uninitialized(const ek_op_spec *spec)
{
    for (int i = 0; i < spec->n_in && i < 32; i++)
        if (spec->in[i].is_ref && (spec->def->accepts_uninitialized >> i & 1) != 0) return true;
    return false;
}

void ek__op_def_write(ek_buf *b, const ek_op_spec *spec)
{
    ek__put_str(b, EK_F_OP_NAME, spec->def->name);
    for (int i = 0; i < spec->n_in; i++) write_arg(b, EK_F_OP_INPUT, &spec->in[i]);
    for (int i = 0; i < spec->n_out; i++) write_arg(b, EK_F_OP_OUTPUT, &spec->out[i]);
    for (int i = 0; i < spec->n_attrs; i++)
        if (!spec->attr[i].later) write_attr(b, &spec->attr[i]);
    if (spec->def->stateful) ek__put_int(b, EK_F_OP_STATEFUL, 1);
    if (takes_uninitialized(spec)) ek__put_int(b, EK_F_OP_UNINITIALIZED, 1);
}
