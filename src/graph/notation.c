/* graph/notation.c - reads the notation of op definitions (op.h) into specs.
 *
 * One scanner over the text, one function per form. Definitions are ours, so this is
 * about clear complaints while an op is written; still nothing here trusts the text.
 */
#include "graph/notation.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum { MOST = 64 }; /* arguments or attributes of one op, values of one set */

typedef struct scan {
    const char *at;
    const ek_op_def *def;
    ek_arena *arena;
    ek_error *err;
} scan;

static void skip_space(scan *s)
{
    while (isspace((unsigned char)*s->at)) s->at++;
}

static ek_status expected(scan *s, const char *what)
{
    return EK_FAIL(s->err, INTERNAL, "Op %s: expected %s before \"%.40s\"", s->def->name, what, s->at);
}

static ek_status no_memory(scan *s)
{
    return EK_FAIL(s->err, RESOURCE_EXHAUSTED, "no memory for the definition of op %s", s->def->name);
}

static bool take(scan *s, const char *text)
{
    const size_t n = strlen(text);

    skip_space(s);
    if (strncmp(s->at, text, n) != 0) return false;
    /* "int" must not match the beginning of "int32" */
    if (isalnum((unsigned char)text[n - 1]) && (isalnum((unsigned char)s->at[n]) || s->at[n] == '_')) return false;
    s->at += n;
    return true;
}

static ek_status need(scan *s, const char *text)
{
    return take(s, text) ? EK_OK : expected(s, text);
}

static ek_status word(scan *s, const char **out)
{
    const char *end;

    skip_space(s);
    for (end = s->at; isalnum((unsigned char)*end) || *end == '_'; end++) continue;
    if (end == s->at) return expected(s, "a name");
    *out = ek__arena_strndup(s->arena, s->at, (size_t)(end - s->at));
    if (*out == NULL) return no_memory(s);
    s->at = end;
    return EK_OK;
}

static ek_status quoted(scan *s, ek_string *out)
{
    const char *end;

    skip_space(s);
    if (*s->at != '\'' || (end = strchr(s->at + 1, '\'')) == NULL) return expected(s, "a 'string'");
    out->size = (size_t)(end - s->at - 1);
    out->data = ek__arena_strndup(s->arena, s->at + 1, out->size);
    if (out->data == NULL) return no_memory(s);
    s->at = end + 1;
    return EK_OK;
}

static ek_status integer(scan *s, int64_t *out)
{
    char *end;

    skip_space(s);
    errno = 0;
    *out = strtoll(s->at, &end, 10);
    if (end == s->at || errno != 0) return expected(s, "an integer");
    s->at = end;
    return EK_OK;
}

static ek_status number(scan *s, float *out)
{
    char *end;

    skip_space(s);
    *out = strtof(s->at, &end);
    if (end == s->at) return expected(s, "a number");
    s->at = end;
    return EK_OK;
}

static ek_status boolean(scan *s, bool *out)
{
    *out = take(s, "true");
    return *out || take(s, "false") ? EK_OK : expected(s, "true or false");
}

static ek_status dtype(scan *s, ek_dtype *out)
{
    const char *name;

    EK_TRY(word(s, &name));
    *out = ek_dtype_from_name(name);
    if (*out == EK_DTYPE_NONE)
        return EK_FAIL(s->err, INTERNAL, "Op %s: \"%s\" is no type", s->def->name, name);
    return EK_OK;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* The sets of types that the registry has names for, in its order. */
static const ek_dtype numbers[] = {
    EK_FLOAT32, EK_FLOAT64, EK_INT32, EK_UINT8, EK_INT16, EK_INT8, EK_COMPLEX64, EK_INT64, EK_QINT8, EK_QUINT8,
    EK_QINT32, EK_BFLOAT16, EK_UINT16, EK_COMPLEX128, EK_FLOAT16, EK_UINT32, EK_UINT64
};
static const ek_dtype real_numbers[] = {
    EK_FLOAT32, EK_FLOAT64, EK_INT32, EK_UINT8, EK_INT16, EK_INT8, EK_INT64, EK_BFLOAT16, EK_UINT16, EK_FLOAT16,
    EK_UINT32, EK_UINT64
};
static const ek_dtype quantized[] = { EK_QINT8, EK_QUINT8, EK_QINT32, EK_QINT16, EK_QUINT16 };

static const struct { const char *name; const ek_dtype *type; int n; } type_sets[] = {
    { "numbertype", numbers, EK_COUNT_OF(numbers) },
    { "realnumbertype", real_numbers, EK_COUNT_OF(real_numbers) },
    { "quantizedtype", quantized, EK_COUNT_OF(quantized) },
};

static const struct { const char *name; int kind; } plain_kinds[] = {
    { "string", EK_ATTR_STRING }, { "int", EK_ATTR_INT }, { "float", EK_ATTR_FLOAT }, { "bool", EK_ATTR_BOOL },
    { "type", EK_ATTR_TYPE }, { "shape", EK_ATTR_SHAPE }, { "tensor", EK_ATTR_TENSOR }, { "func", EK_ATTR_FUNC },
};

static ek_status allow_types(scan *s, ek_attr_spec *a, const ek_dtype *type, int n)
{
    ek_dtype *copy = ek__arena_memdup(s->arena, type, (size_t)n * sizeof *type);

    if (copy == NULL) return no_memory(s);
    a->kind |= EK_ATTR_TYPE;
    a->allowed_type = copy;
    a->n_allowed_types = n;
    for (int i = 0; i < n; i++) a->allowed_types |= (uint64_t)1 << type[i];
    return EK_OK;
}

/* { half, float } or { 'NHWC', 'NCHW' }, the brace already taken. */
static ek_status set_of(scan *s, ek_attr_spec *a)
{
    ek_dtype types[MOST];
    const char *strings[MOST];
    int n = 0;
    bool of_strings;

    skip_space(s);
    of_strings = *s->at == '\'';
    do {
        ek_string text;
        if (n == MOST) return expected(s, "fewer values in a set");
        if (of_strings) {
            EK_TRY(quoted(s, &text));
            strings[n++] = text.data;
        } else {
            EK_TRY(dtype(s, &types[n++]));
        }
    } while (take(s, ","));
    EK_TRY(need(s, "}"));
    if (!of_strings) return allow_types(s, a, types, n);
    a->kind |= EK_ATTR_STRING;
    a->n_allowed_strings = n;
    a->allowed_strings = ek__arena_memdup(s->arena, strings, (size_t)n * sizeof *strings);
    return a->allowed_strings != NULL ? EK_OK : no_memory(s);
}

static ek_status attr_kind(scan *s, ek_attr_spec *a)
{
    if (take(s, "{")) return set_of(s, a);
    for (int i = 0; i < EK_COUNT_OF(type_sets); i++)
        if (take(s, type_sets[i].name)) return allow_types(s, a, type_sets[i].type, type_sets[i].n);
    for (int i = 0; i < EK_COUNT_OF(plain_kinds); i++)
        if (take(s, plain_kinds[i].name)) {
            a->kind |= plain_kinds[i].kind;
            return EK_OK;
        }
    return expected(s, "a kind of attribute");
}

/* One value; a list's element goes to place i of its array. */
static ek_status scalar(scan *s, int kind, ek_attr_value *v)
{
    switch (kind) {
    case EK_ATTR_STRING: return quoted(s, &v->u.s);
    case EK_ATTR_INT: return integer(s, &v->u.i);
    case EK_ATTR_FLOAT: return number(s, &v->u.f);
    case EK_ATTR_BOOL: return boolean(s, &v->u.b);
    case EK_ATTR_TYPE: return dtype(s, &v->u.type);
    default: return expected(s, "no default for an attribute of this kind");
    }
}

/* { unknown_rank }, {} or { 2, -1 } */
static ek_status shape_value(scan *s, ek_attr_value *v)
{
    ek_shape shape = EK_SCALAR;

    EK_TRY(need(s, "{"));
    if (take(s, "unknown_rank")) {
        shape.rank = -1;
        if (take(s, ":")) EK_TRY(need(s, "true"));
    } else {
        skip_space(s);
        while (*s->at != '}') {
            if (shape.rank == EK_MAX_RANK) return expected(s, "fewer dimensions");
            EK_TRY(integer(s, &shape.dim[shape.rank++]));
            if (!take(s, ",")) break;
        }
    }
    EK_TRY(need(s, "}"));
    v->u.shape = ek__arena_memdup(s->arena, &shape, sizeof shape);
    return v->u.shape != NULL ? EK_OK : no_memory(s);
}

/* { } is a function without a name, { name } one with. */
static ek_status func_value(scan *s, ek_attr_value *v)
{
    ek_func func = { .name = "" };

    EK_TRY(need(s, "{"));
    if (!take(s, "}")) {
        EK_TRY(word(s, &func.name));
        EK_TRY(need(s, "}"));
    }
    v->u.func = ek__arena_memdup(s->arena, &func, sizeof func);
    return v->u.func != NULL ? EK_OK : no_memory(s);
}

static size_t element_size(int kind)
{
    static const size_t size[] = {
        [EK_ATTR_STRING] = sizeof(ek_string), [EK_ATTR_INT] = sizeof(int64_t), [EK_ATTR_FLOAT] = sizeof(float),
        [EK_ATTR_BOOL] = sizeof(bool), [EK_ATTR_TYPE] = sizeof(ek_dtype), [EK_ATTR_SHAPE] = sizeof(ek_shape),
        [EK_ATTR_TENSOR] = sizeof(ek_array *), [EK_ATTR_FUNC] = sizeof(ek_func),
    };
    return kind > 0 && kind < EK_COUNT_OF(size) ? size[kind] : 1;
}

/* [] or [1, 2] */
static ek_status list_value(scan *s, int kind, ek_attr_value *v)
{
    const size_t size = element_size(kind);
    char *array = ek__arena_calloc(s->arena, MOST, size);

    if (array == NULL) return no_memory(s);
    v->count = 0;
    v->u.is = (int64_t *)(void *)array; /* one member stands for all: they are pointers of a union */
    EK_TRY(need(s, "["));
    if (take(s, "]")) return EK_OK;
    do {
        ek_attr_value one = { .kind = kind };
        if (v->count == MOST) return expected(s, "fewer values in a list");
        EK_TRY(scalar(s, kind, &one));
        memcpy(array + (size_t)v->count++ * size, &one.u, size);
    } while (take(s, ","));
    return need(s, "]");
}

static void release_array(void *array) { ek_array_unref(array); }

/* uint8[255, 0]: a vector of numbers. */
static ek_status tensor_value(scan *s, ek_attr_value *v)
{
    int64_t number[MOST], n = 0;
    ek_dtype type;

    EK_TRY(dtype(s, &type));
    EK_TRY(need(s, "["));
    do {
        if (n == MOST) return expected(s, "fewer numbers in a tensor");
        EK_TRY(integer(s, &number[n++]));
    } while (take(s, ","));
    EK_TRY(need(s, "]"));
    EK_TRY(ek__array_new(type, &EK_SHAPE(n), NULL, &v->u.tensor, s->err));
    if (!ek__arena_defer(s->arena, release_array, v->u.tensor)) {
        ek_array_unref(v->u.tensor);
        return no_memory(s);
    }
    v->count = (int32_t)n; /* a file shows them one by one */
    return ek__convert(EK_INT64, number, type, v->u.tensor->data, n) ? EK_OK : expected(s, "a type of numbers");
}

static ek_status default_value(scan *s, ek_attr_spec *a)
{
    a->has_default = true;
    a->fallback.kind = a->kind;
    if ((a->kind & EK_ATTR_LIST) != 0) return list_value(s, a->kind & ~EK_ATTR_LIST, &a->fallback);
    if (a->kind == EK_ATTR_SHAPE) return shape_value(s, &a->fallback);
    if (a->kind == EK_ATTR_FUNC) return func_value(s, &a->fallback);
    if (a->kind == EK_ATTR_TENSOR) return tensor_value(s, &a->fallback);
    return scalar(s, a->kind, &a->fallback);
}

static ek_status attribute(scan *s, ek_attr_spec *a)
{
    EK_TRY(word(s, &a->name));
    EK_TRY(need(s, ":"));
    if (take(s, "list")) {
        a->kind = EK_ATTR_LIST;
        EK_TRY(need(s, "("));
        EK_TRY(attr_kind(s, a));
        EK_TRY(need(s, ")"));
    } else {
        EK_TRY(attr_kind(s, a));
    }
    if (take(s, ">=")) {
        a->has_minimum = true;
        EK_TRY(integer(s, &a->minimum));
    }
    if (take(s, "=")) EK_TRY(default_value(s, a));
    a->later = a->has_default && take(s, "later");
    return EK_OK;
}

static ek_status attributes(scan *s, ek_op_spec *spec)
{
    ek_attr_spec list[MOST] = { 0 };
    int n = 0;

    for (;;) {
        while (take(s, ";")) continue;
        skip_space(s);
        if (*s->at == '\0') break;
        if (n == MOST) return expected(s, "fewer attributes");
        EK_TRY(attribute(s, &list[n++]));
        skip_space(s);
        if (*s->at != '\0' && *s->at != ';') return expected(s, "';'");
    }
    spec->n_attrs = n;
    spec->attr = ek__arena_memdup(s->arena, list, (size_t)n * sizeof *list);
    return spec->attr != NULL ? EK_OK : no_memory(s);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static const ek_attr_spec *find_attr(const ek_op_spec *spec, const char *name)
{
    for (int i = 0; i < spec->n_attrs; i++)
        if (strcmp(spec->attr[i].name, name) == 0) return &spec->attr[i];
    return NULL;
}

static ek_status argument_type(scan *s, const ek_op_spec *spec, ek_arg_spec *arg)
{
    const bool wrapped = take(s, "Ref");
    const char *name;

    if (wrapped) EK_TRY(need(s, "("));
    EK_TRY(word(s, &name));
    if (take(s, "*")) {
        const ek_attr_spec *number_attr = find_attr(spec, name);
        if (number_attr == NULL || number_attr->kind != EK_ATTR_INT)
            return EK_FAIL(s->err, INTERNAL, "Op %s: %s of argument %s is no int attribute", s->def->name, name,
                           arg->name);
        arg->number_attr = number_attr->name;
        if (take(s, "Ref")) {
            EK_TRY(need(s, "("));
            arg->is_ref = true;
        }
        EK_TRY(word(s, &name));
        if (arg->is_ref) EK_TRY(need(s, ")"));
    }
    if (wrapped) {
        EK_TRY(need(s, ")"));
        arg->is_ref = true;
    }
    const ek_attr_spec *attr = find_attr(spec, name);
    if (attr != NULL && attr->kind == EK_ATTR_TYPE) arg->type_attr = attr->name;
    else if (attr != NULL && attr->kind == (EK_ATTR_LIST | EK_ATTR_TYPE)) arg->list_attr = attr->name;
    else if ((arg->type = ek_dtype_from_name(name)) == EK_DTYPE_NONE)
        return EK_FAIL(s->err, INTERNAL,
                       "Op %s: argument %s has type \"%s\", which is neither a type nor an attribute of types",
                       s->def->name, arg->name, name);
    return EK_OK;
}

static ek_status arguments(scan *s, const ek_op_spec *spec, int *count, ek_arg_spec **out)
{
    ek_arg_spec list[MOST] = { 0 };
    int n = 0;

    skip_space(s);
    if (*s->at != '\0') {
        do {
            if (n == MOST) return expected(s, "fewer arguments");
            EK_TRY(word(s, &list[n].name));
            EK_TRY(need(s, ":"));
            EK_TRY(argument_type(s, spec, &list[n++]));
        } while (take(s, ","));
        skip_space(s);
        if (*s->at != '\0') return expected(s, "','");
    }
    *count = n;
    *out = ek__arena_memdup(s->arena, list, (size_t)n * sizeof *list);
    return *out != NULL ? EK_OK : no_memory(s);
}

ek_status ek__notation_read(const ek_op_def *def, ek_arena *arena, ek_op_spec *out, ek_error *err)
{
    scan s = { .def = def, .arena = arena, .err = err };

    *out = (ek_op_spec){ .def = def };
    s.at = def->attrs != NULL ? def->attrs : "";
    EK_TRY(attributes(&s, out));
    s.at = def->inputs != NULL ? def->inputs : "";
    EK_TRY(arguments(&s, out, &out->n_in, &out->in));
    s.at = def->outputs != NULL ? def->outputs : "";
    return arguments(&s, out, &out->n_out, &out->out);
}
