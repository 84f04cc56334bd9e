/* formats/node_check.c - see node_check.h. Building checks what a caller gives in the words of TensorFlow's Python
 * (graph/attr.c); a file is checked in the words of its importer. */
#include "formats/node_check.h"

#include "graph/attr.h"

/* "x: T, y: T -> z: T", for messages. */
static const char *signature(const ek_op_def *def, char buf[200])
{
    snprintf(buf, 200, "%s -> %s", def->inputs != NULL ? def->inputs : "", def->outputs != NULL ? def->outputs : "");
    return buf;
}

/* ---- attributes -------------------------------------------------------------------------------- */

static ek_status check_type(const ek_node *n, const ek_attr_spec *a, ek_dtype type, ek_error *err)
{
    ek_buf list = { .data = NULL };
    ek_status st;

    if (type == EK_DTYPE_NONE)
        return EK_FAIL(err, INVALID_ARGUMENT, "AttrValue has invalid DataType enum for attr '%s'; NodeDef: {{node %s}}", a->name, n->name);
    if (a->allowed_types == 0 || ((int)type < EK_DTYPE_COUNT && (a->allowed_types >> type & 1) != 0)) return EK_OK;
    for (int i = 0; i < a->n_allowed_types; i++)
        ek__buf_printf(&list, "%s%s", i > 0 ? ", " : "", ek_dtype_cc_name(a->allowed_type[i]));
    st = EK_FAIL(err, INVALID_ARGUMENT, "Value for attr '%s' of %s is not in the list of allowed values: %s; NodeDef: {{node %s}}",
                 a->name, ek_dtype_cc_name(type), list.failed ? "?" : list.data, n->name);
    ek__buf_fini(&list);
    return st;
}

static ek_status check_string(const ek_node *n, const ek_attr_spec *a, const ek_string *s, ek_error *err)
{
    ek_buf list = { .data = NULL };
    ek_status st;

    if (a->n_allowed_strings == 0) return EK_OK;
    for (int i = 0; i < a->n_allowed_strings; i++) {
        if (strlen(a->allowed_strings[i]) == s->size && memcmp(a->allowed_strings[i], s->data, s->size) == 0) {
            ek__buf_fini(&list);
            return EK_OK;
        }
        ek__buf_printf(&list, "%s\"%s\"", i > 0 ? ", " : "", a->allowed_strings[i]);
    }
    st = EK_FAIL(err, INVALID_ARGUMENT, "Value for attr '%s' of \"%.*s\" is not in the list of allowed values: %s; NodeDef: {{node %s}}",
                 a->name, (int)(s->size < 100 ? s->size : 100), s->data, list.failed ? "?" : list.data, n->name);
    ek__buf_fini(&list);
    return st;
}

static ek_status check_minimum(const ek_node *n, const ek_attr_spec *a, const ek_attr_value *v, ek_error *err)
{
    const bool list = (a->kind & EK_ATTR_LIST) != 0;
    const int64_t given = list ? v->count : v->u.i;

    if (!a->has_minimum || given >= a->minimum) return EK_OK;
    return EK_FAIL(err, INVALID_ARGUMENT, "%s for attr '%s' of %lld must be at least minimum %lld; NodeDef: {{node %s}}",
                   list ? "Length" : "Value", a->name, (long long)given, (long long)a->minimum, n->name);
}

static ek_status check_attr(const ek_node *n, const ek_attr_spec *a, const ek_attr_value *v, ek_error *err)
{
    char got[32], want[32];

    if (v->kind != a->kind)
        return EK_FAIL(err, INVALID_ARGUMENT, "AttrValue had value with type '%s' when '%s' expected for attr '%s'; NodeDef: {{node %s}}",
                       ek__attr_kind_name(v->kind, got), ek__attr_kind_name(a->kind, want), a->name, n->name);
    EK_TRY(check_minimum(n, a, v, err));
    if (v->kind == EK_ATTR_TYPE) return check_type(n, a, v->u.type, err);
    if (v->kind == EK_ATTR_STRING) return check_string(n, a, &v->u.s, err);
    for (int32_t i = 0; i < v->count && v->kind == (EK_ATTR_LIST | EK_ATTR_TYPE); i++)
        EK_TRY(check_type(n, a, v->u.types[i], err));
    for (int32_t i = 0; i < v->count && v->kind == (EK_ATTR_LIST | EK_ATTR_STRING); i++)
        EK_TRY(check_string(n, a, &v->u.ss[i], err));
    return EK_OK;
}

static ek_status check_attrs(const ek_node *n, ek_error *err)
{
    char text[200];

    for (int i = 0; i < n->spec->n_attrs; i++) {
        const ek_attr_spec *a = &n->spec->attr[i];
        const ek_attr_value *v = ek__attr_find(n->attr, n->n_attr, a->name);
        if (v != NULL) EK_TRY(check_attr(n, a, v, err));
        else if (!a->has_default)
            return EK_FAIL(err, INVALID_ARGUMENT, "NodeDef missing attr '%s' from Op<name=%s; signature=%s>; NodeDef: {{node %s}}",
                           a->name, n->type, signature(n->spec->def, text), n->name);
    }
    return EK_OK;
}

/* ---- inputs --------------------------------------------------------------------------------------- */

/* A list argument claims as many inputs as its attribute says: not more than there are, before memory is spent on it. */
static ek_status check_lengths(const ek_node *n, ek_error *err)
{
    for (int i = 0; i < n->spec->n_in; i++) {
        const char *number = n->spec->in[i].number_attr;
        const ek_attr_value *v = number != NULL ? ek__attr_find(n->attr, n->n_attr, number) : NULL;
        if (v != NULL && (v->u.i < 0 || v->u.i > n->n_in))
            return EK_FAIL(err, INVALID_ARGUMENT, "NodeDef expected %lld inputs for '%s' do not match %d inputs specified; "
                           "Op<name=%s>; NodeDef: {{node %s}}", (long long)v->u.i, n->spec->in[i].name, (int)n->n_in, n->type, n->name);
    }
    return EK_OK;
}

static ek_status wrong_count(const ek_node *n, int wanted, ek_error *err)
{
    ek_buf list = { .data = NULL };
    char text[200];
    ek_status st;

    for (int i = 0; i < wanted && list.size < 200; i++)
        ek__buf_printf(&list, "%s%s", i > 0 ? ", " : "", ek_dtype_cc_name(n->in_dtype[i]));
    st = EK_FAIL(err, INVALID_ARGUMENT, "NodeDef expected inputs '%s' do not match %d inputs specified; Op<name=%s; "
                 "signature=%s>; NodeDef: {{node %s}}", list.size > 0 && !list.failed ? list.data : "", (int)n->n_in, n->type,
                 signature(n->spec->def, text), n->name);
    ek__buf_fini(&list);
    return st;
}

ek_status ek__node_check(ek_arena *arena, ek_node *n, ek_error *err)
{
    int n_in, n_out;

    EK_TRY(check_attrs(n, err));
    EK_TRY(check_lengths(n, err));
    EK_TRY(ek__op_types(n->spec, n->attr, n->n_attr, arena, &n_in, &n->in_dtype, &n_out, &n->out_dtype, err));
    n->n_out = n_out;
    return n_in == n->n_in ? EK_OK : wrong_count(n, n_in, err);
}
