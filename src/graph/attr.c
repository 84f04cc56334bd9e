/* graph/attr.c - see attr.h. */
#include "graph/attr.h"

/* The size of a list's elements by kind. */
static const size_t element_bytes[] = {
    [EK_ATTR_STRING] = sizeof(ek_string), [EK_ATTR_INT] = sizeof(int64_t), [EK_ATTR_FLOAT] = sizeof(float),
    [EK_ATTR_BOOL] = sizeof(bool), [EK_ATTR_TYPE] = sizeof(ek_dtype), [EK_ATTR_SHAPE] = sizeof(ek_shape),
    [EK_ATTR_TENSOR] = sizeof(ek_array *), [EK_ATTR_FUNC] = sizeof(ek_func),
};

static bool copy_string(ek_arena *arena, const ek_string *from, ek_string *to)
{
    to->size = from->size;
    to->data = from->data != NULL ? ek__arena_strndup(arena, from->data, from->size) : ek__arena_strdup(arena, "");
    return to->data != NULL;
}

static bool copy_func(ek_arena *arena, const ek_func *from, ek_func *to)
{
    to->name = ek__arena_strdup(arena, from->name != NULL ? from->name : "");
    to->attrs = EK_ARENA_NEW(arena, ek_attr, from->n_attrs + 1);
    to->n_attrs = 0;
    if (to->name == NULL || to->attrs == NULL) return false;
    for (int i = 0; i < from->n_attrs; i++) {
        to->attrs[i].name = ek__arena_strdup(arena, from->attrs[i].name);
        if (to->attrs[i].name == NULL || !ek__attr_copy(arena, &from->attrs[i].value, &to->attrs[i].value)) {
            ek__attrs_release(to->attrs, to->n_attrs);
            return false;
        }
        to->n_attrs++;
    }
    return true;
}

static void release_value(ek_attr_value *v)
{
    const int element = v->kind & ~EK_ATTR_LIST;
    const bool list = (v->kind & EK_ATTR_LIST) != 0;
    const int32_t n = list ? v->count : 1;

    for (int32_t i = 0; i < n && element == EK_ATTR_TENSOR; i++) ek_array_unref(list ? v->u.tensors[i] : v->u.tensor);
    for (int32_t i = 0; i < n && element == EK_ATTR_FUNC; i++) {
        ek_func *f = list ? &v->u.funcs[i] : v->u.func;
        ek__attrs_release(f->attrs, f->n_attrs);
    }
    v->kind = EK_ATTR_NONE;
}

void ek__attrs_release(ek_attr *attrs, int n)
{
    for (int i = 0; i < n; i++) release_value(&attrs[i].value);
}

static bool copy_list(ek_arena *arena, const ek_attr_value *from, ek_attr_value *to)
{
    const int element = from->kind & ~EK_ATTR_LIST;
    const size_t size = element > 0 && element < EK_COUNT_OF(element_bytes) ? element_bytes[element] : 1;
    char *array = ek__arena_calloc(arena, (size_t)from->count + 1, size);

    if (array == NULL) return false;
    to->u.is = (int64_t *)(void *)array;
    if (from->count > 0 && element != EK_ATTR_STRING && element != EK_ATTR_FUNC)
        memcpy(array, from->u.is, (size_t)from->count * size);
    for (to->count = 0; to->count < from->count; to->count++) {
        const int32_t i = to->count;
        bool ok = true;
        if (element == EK_ATTR_STRING) ok = copy_string(arena, &from->u.ss[i], &to->u.ss[i]);
        if (element == EK_ATTR_FUNC) ok = copy_func(arena, &from->u.funcs[i], &to->u.funcs[i]);
        if (element == EK_ATTR_TENSOR) ek_array_ref(to->u.tensors[i]);
        if (!ok) {
            release_value(to);
            return false;
        }
    }
    return true;
}

bool ek__attr_copy(ek_arena *arena, const ek_attr_value *from, ek_attr_value *to)
{
    *to = *from;
    if ((from->kind & EK_ATTR_LIST) != 0) return copy_list(arena, from, to);
    switch (from->kind) {
    case EK_ATTR_STRING:
    case EK_ATTR_PLACEHOLDER: return copy_string(arena, &from->u.s, &to->u.s);
    case EK_ATTR_SHAPE:
        to->u.shape = ek__arena_memdup(arena, from->u.shape, sizeof *from->u.shape);
        return to->u.shape != NULL;
    case EK_ATTR_TENSOR: return ek_array_ref(from->u.tensor) != NULL;
    case EK_ATTR_FUNC:
        to->u.func = EK_ARENA_NEW(arena, ek_func, 1);
        return to->u.func != NULL && copy_func(arena, from->u.func, to->u.func);
    default: return true;
    }
}

static bool equal_strings(const ek_string *a, const ek_string *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static bool equal_funcs(const ek_func *a, const ek_func *b)
{
    if (strcmp(a->name, b->name) != 0 || a->n_attrs != b->n_attrs) return false;
    for (int i = 0; i < a->n_attrs; i++) {
        const ek_attr_value *other = ek__attr_find(b->attrs, b->n_attrs, a->attrs[i].name);
        if (other == NULL || !ek__attr_equal(&a->attrs[i].value, other)) return false;
    }
    return true;
}

static bool equal_lists(const ek_attr_value *a, const ek_attr_value *b)
{
    const int element = a->kind & ~EK_ATTR_LIST;

    if (a->count != b->count) return false;
    if (element == EK_ATTR_INT || element == EK_ATTR_FLOAT || element == EK_ATTR_BOOL || element == EK_ATTR_TYPE)
        return a->count == 0 || memcmp(a->u.is, b->u.is, (size_t)a->count * element_bytes[element]) == 0;
    for (int32_t i = 0; i < a->count; i++) {
        bool same = true;
        if (element == EK_ATTR_STRING) same = equal_strings(&a->u.ss[i], &b->u.ss[i]);
        if (element == EK_ATTR_SHAPE) same = ek_shape_equal(&a->u.shapes[i], &b->u.shapes[i]);
        if (element == EK_ATTR_TENSOR) same = ek__array_equal(a->u.tensors[i], b->u.tensors[i]);
        if (element == EK_ATTR_FUNC) same = equal_funcs(&a->u.funcs[i], &b->u.funcs[i]);
        if (!same) return false;
    }
    return true;
}

bool ek__attr_equal(const ek_attr_value *a, const ek_attr_value *b)
{
    const bool lists = (a->kind & b->kind & EK_ATTR_LIST) != 0;

    if (lists && a->count == 0 && b->count == 0) return true; /* an empty list has no kind in a file */
    if (a->kind != b->kind) return false;
    if (lists) return equal_lists(a, b);
    switch (a->kind) {
    case EK_ATTR_STRING:
    case EK_ATTR_PLACEHOLDER: return equal_strings(&a->u.s, &b->u.s);
    case EK_ATTR_INT: return a->u.i == b->u.i;
    case EK_ATTR_FLOAT: return memcmp(&a->u.f, &b->u.f, sizeof a->u.f) == 0;
    case EK_ATTR_BOOL: return a->u.b == b->u.b;
    case EK_ATTR_TYPE: return a->u.type == b->u.type;
    case EK_ATTR_SHAPE: return ek_shape_equal(a->u.shape, b->u.shape);
    case EK_ATTR_TENSOR: return ek__array_equal(a->u.tensor, b->u.tensor);
    case EK_ATTR_FUNC: return equal_funcs(a->u.func, b->u.func);
    default: return true;
    }
}

/* ---- what a spec allows ---------------------------------------------------------------------- */

static ek_status check_type(const ek_attr_spec *a, ek_dtype type, const char *argument, ek_error *err)
{
    ek_buf list = { 0 };
    ek_status st;

    if (a->allowed_types == 0 || ((int)type > 0 && (int)type < EK_DTYPE_COUNT && (a->allowed_types >> type & 1) != 0))
        return EK_OK;
    for (int i = 0; i < a->n_allowed_types; i++)
        ek__buf_printf(&list, "%s%s", i > 0 ? ", " : "", ek_dtype_name(a->allowed_type[i]));
    st = EK_FAIL(err, INVALID_ARGUMENT,
                 "Value passed to parameter '%s' has DataType %s not in list of allowed values: %s",
                 argument != NULL ? argument : a->name, ek_dtype_name(type), list.failed ? "?" : list.data);
    ek__buf_fini(&list);
    return st;
}

static ek_status check_string(const ek_op_spec *spec, const ek_attr_spec *a, const ek_string *s, ek_error *err)
{
    ek_buf list = { 0 };
    ek_status st;

    for (int i = 0; i < a->n_allowed_strings; i++)
        if (strlen(a->allowed_strings[i]) == s->size && memcmp(a->allowed_strings[i], s->data, s->size) == 0)
            return EK_OK;
    if (a->n_allowed_strings == 0) return EK_OK;
    for (int i = 0; i < a->n_allowed_strings; i++)
        ek__buf_printf(&list, "%s\"%s\"", i > 0 ? ", " : "", a->allowed_strings[i]);
    st = EK_FAIL(err, INVALID_ARGUMENT, "Attr '%s' of '%s' Op passed string '%.*s' not in: %s.", a->name,
                 spec->def->name, (int)(s->size < 100 ? s->size : 100), s->data, list.failed ? "?" : list.data);
    ek__buf_fini(&list);
    return st;
}

static ek_status check_kind(const ek_op_spec *spec, const ek_attr_spec *a, const ek_attr_value *v, ek_error *err)
{
    char got[32], want[32];

    if (v->kind == a->kind) return EK_OK;
    if (v->kind == EK_ATTR_LIST && v->count == 0 && (a->kind & EK_ATTR_LIST) != 0) return EK_OK;
    if (v->kind == EK_ATTR_PLACEHOLDER) return EK_OK; /* bodies of functions */
    return EK_FAIL(err, INVALID_ARGUMENT, "Attr '%s' of '%s' Op is a %s, but %s was given", a->name, spec->def->name,
                   ek__attr_kind_name(a->kind, want), ek__attr_kind_name(v->kind, got));
}

static ek_status check_minimum(const ek_op_spec *spec, const ek_attr_spec *a, const ek_attr_value *v,
                               const char *argument, ek_error *err)
{
    const bool list = (a->kind & EK_ATTR_LIST) != 0;
    const int64_t given = list ? v->count : v->u.i;

    if (!a->has_minimum || given >= a->minimum) return EK_OK;
    if (argument != NULL)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "List argument '%s' to '%s' Op with length %lld shorter than minimum length %lld.", argument,
                       spec->def->name, (long long)given, (long long)a->minimum);
    return EK_FAIL(err, INVALID_ARGUMENT, "Attr '%s' of '%s' Op passed %s%lld less than minimum %lld.", a->name,
                   spec->def->name, list ? "list of length " : "", (long long)given, (long long)a->minimum);
}

ek_status ek__attr_check(const ek_op_spec *spec, const ek_attr_spec *a, const ek_attr_value *v, const char *argument,
                         ek_error *err)
{
    EK_TRY(check_kind(spec, a, v, err));
    if (v->kind == EK_ATTR_PLACEHOLDER) return EK_OK;
    EK_TRY(check_minimum(spec, a, v, argument, err));
    if (v->kind == EK_ATTR_TYPE) return check_type(a, v->u.type, argument, err);
    if (v->kind == EK_ATTR_STRING) return check_string(spec, a, &v->u.s, err);
    for (int32_t i = 0; i < v->count && v->kind == (EK_ATTR_LIST | EK_ATTR_TYPE); i++)
        EK_TRY(check_type(a, v->u.types[i], argument, err));
    for (int32_t i = 0; i < v->count && v->kind == (EK_ATTR_LIST | EK_ATTR_STRING); i++)
        EK_TRY(check_string(spec, a, &v->u.ss[i], err));
    return EK_OK;
}
