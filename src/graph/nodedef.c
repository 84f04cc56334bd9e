/* graph/nodedef.c - see nodedef.h. */
#include "graph/nodedef.h"

#include <stdlib.h>

#include "codec/fields.h"
#include "codec/tensor.h"
#include "graph/attr.h"

/* ---- attributes ------------------------------------------------------------------------------ */

static void write_shape(ek_buf *b, uint32_t number, const ek_shape *s)
{
    const size_t mark = ek__put_open(b, number);
    ek__shape_write(b, s);
    ek__put_close(b, mark);
}

/* `values`: ek_attr_value's count. An array that the file's reader could not make has none. */
static void write_tensor(ek_buf *b, uint32_t number, const ek_array *a, int32_t values)
{
    const size_t mark = ek__put_open(b, number);
    if (a != NULL) ek__tensor_write(b, a, values);
    ek__put_close(b, mark);
}

static int compare_attrs(const void *a, const void *b)
{
    const ek_attr *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* What TensorFlow 1.15 does not know is not shown to it without need. */
static bool is_later_default(const ek_op_spec *spec, const ek_attr *attr)
{
    const ek_attr_spec *a = spec != NULL ? ek__attr_spec(spec, attr->name) : NULL;
    return a != NULL && a->later && ek__attr_equal(&attr->value, &a->fallback);
}

/* A map from names to AttrValues as field `number`, sorted. spec NULL: of no op. */
static void write_attrs(ek_buf *b, uint32_t number, const ek_op_spec *spec, const ek_attr *attrs, int n)
{
    const ek_attr **sorted = ek__alloc((size_t)n * sizeof(const ek_attr *));

    if (sorted == NULL) {
        b->failed = true;
        return;
    }
    for (int i = 0; i < n; i++) sorted[i] = &attrs[i];
    qsort(sorted, (size_t)n, sizeof(const ek_attr *), compare_attrs);
    for (int i = 0; i < n; i++) {
        if (is_later_default(spec, sorted[i])) continue;
        const size_t entry = ek__put_open(b, number);
        ek__put_str(b, EK_F_ENTRY_KEY, sorted[i]->name);
        const size_t value = ek__put_open(b, EK_F_ENTRY_VALUE);
        ek__attr_write(b, &sorted[i]->value);
        ek__put_close(b, value);
        ek__put_close(b, entry);
    }
    ek__free(sorted);
}

static void write_func(ek_buf *b, uint32_t number, const ek_func *f)
{
    const size_t mark = ek__put_open(b, number);
    if (f->name[0] != '\0') ek__put_str(b, EK_F_FUNC_NAME, f->name);
    write_attrs(b, EK_F_FUNC_ATTR, NULL, f->attrs, f->n_attrs);
    ek__put_close(b, mark);
}

static void write_numbers(ek_buf *b, const ek_attr_value *v)
{
    static const uint32_t number[] = {
        [EK_ATTR_INT] = EK_F_ATTR_I, [EK_ATTR_FLOAT] = EK_F_ATTR_F, [EK_ATTR_BOOL] = EK_F_ATTR_B, [EK_ATTR_TYPE] = EK_F_ATTR_TYPE,
    };
    const int element = v->kind & ~EK_ATTR_LIST;
    const size_t mark = ek__put_open(b, number[element]);

    for (int32_t i = 0; i < v->count; i++) {
        uint32_t bits;
        switch (element) {
        case EK_ATTR_INT: ek__put_varint(b, (uint64_t)v->u.is[i]); break;
        case EK_ATTR_BOOL: ek__put_varint(b, v->u.bs[i]); break;
        case EK_ATTR_TYPE: ek__put_varint(b, (uint64_t)v->u.types[i]); break;
        default:
            memcpy(&bits, &v->u.fs[i], sizeof bits);
            ek__put_fixed32(b, bits);
        }
    }
    ek__put_close(b, mark);
}

static void write_list(ek_buf *b, const ek_attr_value *v)
{
    const size_t mark = ek__put_open(b, EK_F_ATTR_LIST);

    for (int32_t i = 0; i < v->count; i++) {
        switch (v->kind & ~EK_ATTR_LIST) {
        case EK_ATTR_STRING: ek__put_bytes(b, EK_F_ATTR_S, v->u.ss[i].data, v->u.ss[i].size); break;
        case EK_ATTR_SHAPE: write_shape(b, EK_F_ATTR_SHAPE, &v->u.shapes[i]); break;
        case EK_ATTR_TENSOR: write_tensor(b, EK_F_ATTR_TENSOR, v->u.tensors[i], 0); break;
        case EK_ATTR_FUNC: write_func(b, EK_F_LIST_FUNC, &v->u.funcs[i]); break;
        default:
            write_numbers(b, v); /* all of them */
            i = v->count;
        }
    }
    ek__put_close(b, mark);
}

void ek__attr_write(ek_buf *b, const ek_attr_value *v)
{
    if (v->raw != NULL) {
        ek__buf_add(b, v->raw, v->raw_size);
        return;
    }
    if ((v->kind & EK_ATTR_LIST) != 0) {
        write_list(b, v);
        return;
    }
    switch (v->kind) {
    case EK_ATTR_STRING: ek__put_bytes(b, EK_F_ATTR_S, v->u.s.data, v->u.s.size); break;
    case EK_ATTR_INT: ek__put_int(b, EK_F_ATTR_I, v->u.i); break;
    case EK_ATTR_FLOAT: ek__put_float(b, EK_F_ATTR_F, v->u.f); break;
    case EK_ATTR_BOOL: ek__put_int(b, EK_F_ATTR_B, v->u.b); break;
    case EK_ATTR_TYPE: ek__put_int(b, EK_F_ATTR_TYPE, v->u.type); break;
    case EK_ATTR_SHAPE: write_shape(b, EK_F_ATTR_SHAPE, v->u.shape); break;
    case EK_ATTR_TENSOR: write_tensor(b, EK_F_ATTR_TENSOR, v->u.tensor, v->count); break;
    case EK_ATTR_PLACEHOLDER: ek__put_bytes(b, EK_F_ATTR_PLACEHOLDER, v->u.s.data, v->u.s.size); break;
    case EK_ATTR_FUNC: write_func(b, EK_F_ATTR_FUNC, v->u.func); break;
    default: break;
    }
}

/* ---- nodes -------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static void write_control(ek_buf *b, const ek_graph *g, const ek_node *n)
{
    const char **name = ek__alloc((size_t)n->n_control * sizeof(const char *));

    if (name == NULL) {
        b->failed = true;
        return;
    }
    for (int32_t i = 0; i < n->n_control; i++) name[i] = g->node[n->control[i]]->name;
    qsort(name, (size_t)n->n_control, sizeof(const char *), compare_names);
    for (int32_t i = 0; i < n->n_control; i++) {
        const size_t mark = ek__put_open(b, EK_F_NODE_INPUT);
        ek__buf_str(b, "^");
        ek__buf_str(b, name[i]);
        ek__put_close(b, mark);
    }
    ek__free(name);
}

void ek__nodedef_write(ek_buf *b, const ek_graph *g, const ek_node *n)
{
    if (n->raw != NULL) {
        ek__buf_add(b, n->raw, n->raw_size);
        return;
    }
    ek__put_str(b, EK_F_NODE_NAME, n->name);
    ek__put_str(b, EK_F_NODE_OP, n->type);
    for (int32_t i = 0; i < n->n_in; i++) {
        const size_t mark = ek__put_open(b, EK_F_NODE_INPUT);
        ek__buf_str(b, g->node[n->in[i].node]->name);
        if (n->in[i].index > 0) ek__buf_printf(b, ":%d", (int)n->in[i].index);
        ek__put_close(b, mark);
    }
    write_control(b, g, n);
    if (n->device[0] != '\0') ek__put_str(b, EK_F_NODE_DEVICE, n->device);
    write_attrs(b, EK_F_NODE_ATTR, n->spec, n->attr, n->n_attr);
}
