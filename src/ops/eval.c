/* ops/eval.c - one op on arrays, by name, without a graph. */
#include "ops/eval.h"

#include "graph/node.h"
#include "ops/registry.h"

typedef struct eval {
    ek_arena arena;
    const ek_op_spec *spec;
    ek_attr *attr;
    int n_attr;
    int n_in;
    const ek_array *const *in;
    ek_error *err;
} eval;

static ek_status no_memory(ek_error *err)
{
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to evaluate an op");
}

/* How many inputs each list of the op takes: they share evenly what the single ones leave. */
static ek_status list_length(const eval *e, int *length)
{
    int lists = 0;

    for (int i = 0; i < e->spec->n_in; i++)
        lists += e->spec->in[i].number_attr != NULL || e->spec->in[i].list_attr != NULL;
    const int rest = e->n_in - (e->spec->n_in - lists);
    *length = lists > 0 ? rest / lists : 0;
    if (rest < 0 || *length * lists != rest)
        return EK_FAIL(e->err, INVALID_ARGUMENT, "%s does not take %d inputs", e->spec->def->name, e->n_in);
    return EK_OK;
}

static void add_attr(eval *e, const char *name, ek_attr_value value)
{
    if (name != NULL && ek__attr_find(e->attr, e->n_attr, name) == NULL)
        e->attr[e->n_attr++] = (ek_attr){ name, value };
}

static ek_status infer_attrs(eval *e)
{
    int length, at = 0;

    EK_TRY(list_length(e, &length));
    for (int i = 0; i < e->spec->n_in; i++) {
        const ek_arg_spec *arg = &e->spec->in[i];
        const int n = arg->number_attr != NULL || arg->list_attr != NULL ? length : 1;
        ek_dtype *types = EK_ARENA_NEW(&e->arena, ek_dtype, n + 1);

        if (types == NULL) return no_memory(e->err);
        for (int k = 0; k < n; k++) types[k] = e->in[at + k]->dtype;
        at += n;
        add_attr(e, arg->number_attr, (ek_attr_value){ .kind = EK_ATTR_INT, .u.i = n });
        add_attr(e, arg->list_attr,
                 (ek_attr_value){ .kind = EK_ATTR_LIST | EK_ATTR_TYPE, .count = n, .u.types = types });
        if (n > 0) add_attr(e, arg->type_attr, (ek_attr_value){ .kind = EK_ATTR_TYPE, .u.type = types[0] });
    }
    return EK_OK;
}

static ek_status check_types(const eval *e, int n_in, const ek_dtype *types)
{
    if (n_in != e->n_in)
        return EK_FAIL(e->err, INVALID_ARGUMENT, "%s takes %d inputs, %d are given", e->spec->def->name, n_in, e->n_in);
    for (int i = 0; i < n_in; i++)
        if (ek_dtype_base(types[i]) != e->in[i]->dtype)
            return EK_FAIL(e->err, INVALID_ARGUMENT, "%s: input %d is %s, %s is needed", e->spec->def->name, i,
                           ek_dtype_cc_name(e->in[i]->dtype), ek_dtype_cc_name(ek_dtype_base(types[i])));
    return EK_OK;
}

static ek_status eval_run(eval *e, int n_out, ek_array **out)
{
    const ek_op_def *def = e->spec->def;
    void *parsed = ek__arena_calloc(&e->arena, 1, def->attrs_size + 1);
    ek_dtype *in_dtype, *out_dtype;
    int needs, gives;

    if (parsed == NULL) return no_memory(e->err);
    EK_TRY(infer_attrs(e));
    EK_TRY(ek__op_types(e->spec, e->attr, e->n_attr, &e->arena, &needs, &in_dtype, &gives, &out_dtype, e->err));
    EK_TRY(check_types(e, needs, in_dtype));
    if (gives != n_out)
        return EK_FAIL(e->err, INVALID_ARGUMENT, "%s gives %d outputs, %d are asked for", def->name, gives, n_out);
    EK_TRY(ek__attrs_parse(e->spec, e->attr, e->n_attr, parsed, e->err));
    return ek__def_eval(def, parsed, e->n_in, e->in, n_out, out_dtype, out, e->err);
}

ek_status ek__op_eval(const char *type, const ek_attr *attrs, int n_attrs, int n_in, const ek_array *const *in,
                      int n_out, ek_array **out, ek_error *err)
{
    const ek_registry *registry = ek__ops_registry();
    eval e = { .n_in = n_in, .in = in, .err = err };

    for (int k = 0; k < n_out; k++) out[k] = NULL;
    if (registry == NULL) return no_memory(err);
    e.spec = ek__registry_find(registry, type);
    if (e.spec == NULL) return EK_FAIL(err, NOT_FOUND, "there is no definition of the op %s", type);

    /* Each argument brings two attributes at most. */
    e.attr = EK_ARENA_NEW(&e.arena, ek_attr, n_attrs + 2 * e.spec->n_in + 1);
    ek_status st = EK_RESOURCE_EXHAUSTED;
    if (e.attr != NULL) {
        for (e.n_attr = 0; e.n_attr < n_attrs; e.n_attr++) e.attr[e.n_attr] = attrs[e.n_attr];
        st = eval_run(&e, n_out, out);
    } else {
        (void)no_memory(err);
    }
    ek__arena_fini(&e.arena);
    return st;
}
