/* graph/registry.c - a set of op definitions, found by type; what follows from a spec and attributes:
 * the parsed form, the types of inputs and outputs. Reading the notation is notation.c's. */
#include "graph/attr.h"
#include "graph/notation.h"

struct ek_registry {
    ek_arena arena;
    ek_op_spec *spec;
    int n;
    ek_map by_type;
};

ek_status ek__registry_create(const ek_op_def *const *defs, int n, ek_registry **out, ek_error *err)
{
    ek_status st = EK_OK;
    ek_registry *r = ek__calloc(1, sizeof *r);

    *out = NULL;
    if (r == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the registry of ops");
    r->spec = EK_ARENA_NEW(&r->arena, ek_op_spec, n + 1);
    if (r->spec == NULL) {
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the registry of ops");
        goto done;
    }
    for (int i = 0; i < n; i++) {
        const char *name = defs[i]->name;
        if (ek__registry_find(r, name) != NULL) {
            st = EK_FAIL(err, ALREADY_EXISTS, "Op %s is defined twice", name);
            goto done;
        }
        EK_TRY_DONE(ek__notation_read(defs[i], &r->arena, &r->spec[i], err));
        if (!ek__map_put(&r->by_type, name, strlen(name), i)) {
            st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the registry of ops");
            goto done;
        }
        r->n++;
    }
    *out = r;
    return EK_OK;
done:
    ek__registry_destroy(r);
    return st;
}

void ek__registry_destroy(ek_registry *r)
{
    if (r == NULL) return;
    ek__map_fini(&r->by_type);
    ek__arena_fini(&r->arena);
    ek__free(r);
}

const ek_op_spec *ek__registry_find(const ek_registry *r, const char *type)
{
    const int64_t i = ek__map_get(&r->by_type, type, strlen(type), -1);

    return i >= 0 ? &r->spec[i] : NULL;
}

int ek__registry_count(const ek_registry *r) { return r->n; }

const ek_op_spec *ek__registry_at(const ek_registry *r, int i) { return &r->spec[i]; }

/* ---- attributes ------------------------------------------------------------------------------ */

const ek_attr_value *ek__attr_find(const ek_attr *attrs, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(attrs[i].name, name) == 0) return &attrs[i].value;
    return NULL;
}

const ek_attr_spec *ek__attr_spec(const ek_op_spec *spec, const char *name)
{
    for (int i = 0; i < spec->n_attrs; i++)
        if (strcmp(spec->attr[i].name, name) == 0) return &spec->attr[i];
    return NULL;
}

const char *ek__attr_kind_name(int kind, char buf[32])
{
    static const char *const name[] = { "nothing", "string", "int", "float", "bool", "type", "shape", "tensor", "func",
                                        "placeholder" };
    const int element = kind & ~EK_ATTR_LIST;
    const char *text = element < EK_COUNT_OF(name) ? name[element] : "?";

    if ((kind & EK_ATTR_LIST) == 0) return text;
    if (element == 0) return "list";
    snprintf(buf, 32, "list(%s)", text);
    return buf;
}

/* The given value or the default; an empty list of no kind fits every list. */
static const ek_attr_value *value_of(const ek_attr_spec *a, const ek_attr *attrs, int n)
{
    const ek_attr_value *v = ek__attr_find(attrs, n, a->name);

    return v != NULL ? v : a->has_default ? &a->fallback : NULL;
}

static void store(void *member, const ek_attr_value *v)
{
    switch (v->kind) {
    case EK_ATTR_STRING: *(const char **)member = v->u.s.data != NULL ? v->u.s.data : ""; break;
    case EK_ATTR_INT: *(int64_t *)member = v->u.i; break;
    case EK_ATTR_FLOAT: *(float *)member = v->u.f; break;
    case EK_ATTR_BOOL: *(bool *)member = v->u.b; break;
    case EK_ATTR_TYPE: *(ek_dtype *)member = v->u.type; break;
    case EK_ATTR_SHAPE: *(ek_shape *)member = *v->u.shape; break;
    case EK_ATTR_TENSOR: *(ek_array **)member = v->u.tensor; break;
    case EK_ATTR_FUNC: *(const ek_func **)member = v->u.func; break;
    case EK_ATTR_LIST | EK_ATTR_INT: *(ek_ints *)member = (ek_ints){ v->u.is, v->count }; break;
    case EK_ATTR_LIST | EK_ATTR_TYPE: *(ek_types *)member = (ek_types){ v->u.types, v->count }; break;
    case EK_ATTR_LIST | EK_ATTR_SHAPE: *(ek_shapes *)member = (ek_shapes){ v->u.shapes, v->count }; break;
    case EK_ATTR_LIST | EK_ATTR_FLOAT: *(ek_floats *)member = (ek_floats){ v->u.fs, v->count }; break;
    case EK_ATTR_LIST | EK_ATTR_STRING: *(ek_strings *)member = (ek_strings){ v->u.ss, v->count }; break;
    default: break;
    }
}

ek_status ek__attrs_parse(const ek_op_spec *spec, const ek_attr *attrs, int n, void *parsed, ek_error *err)
{
    const ek_op_def *def = spec->def;
    char got[32], want[32];

    if (def->attrs_size > 0) memset(parsed, 0, def->attrs_size);
    for (int i = 0; i < def->n_fields; i++) {
        const ek_field *f = &def->fields[i];
        const ek_attr_spec *a = ek__attr_spec(spec, f->name);
        if (!f->later && (a == NULL || a->kind != f->kind))
            return EK_FAIL(err, INTERNAL, "Op %s: its field %s is no attribute of that kind", def->name, f->name);
        const ek_attr_value *v = f->later ? ek__attr_find(attrs, n, f->name) : value_of(a, attrs, n);
        if (v == NULL && f->later) continue;
        if (v == NULL)
            return EK_FAIL(err, INVALID_ARGUMENT, "NodeDef missing attr '%s' from Op<name=%s>", f->name, def->name);
        if (v->kind == EK_ATTR_LIST && v->count == 0) continue; /* zeroed: an empty list */
        if (v->kind != f->kind)
            return EK_FAIL(err, INVALID_ARGUMENT,
                           "AttrValue had value with type '%s' when '%s' expected for attr '%s' of Op %s",
                           ek__attr_kind_name(v->kind, got), ek__attr_kind_name(f->kind, want), f->name, def->name);
        store((char *)parsed + f->offset, v);
    }
    return EK_OK;
}

/* ---- types of inputs and outputs ------------------------------------------------------------- */

typedef struct type_list {
    ek_arena *arena;
    ek_dtype *at;
    int n, cap;
} type_list;

static ek_status add_type(type_list *l, ek_dtype type, ek_error *err)
{
    if (l->n == l->cap) {
        const int cap = l->cap > 0 ? 2 * l->cap : 8;
        ek_dtype *at = ek__arena_alloc(l->arena, (size_t)cap * sizeof *at, sizeof(void *));
        if (at == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the types of an operation");
        if (l->n > 0) memcpy(at, l->at, (size_t)l->n * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->n++] = type;
    return EK_OK;
}

static ek_status needed(const ek_op_spec *spec, const char *name, int kind, const ek_attr *attrs, int n,
                        const ek_attr_value **out, ek_error *err)
{
    const ek_attr_spec *a = ek__attr_spec(spec, name);
    char got[32], want[32];

    *out = value_of(a, attrs, n);
    if (*out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "NodeDef missing attr '%s' from Op<name=%s>", name, spec->def->name);
    if ((*out)->kind == EK_ATTR_LIST && (kind & EK_ATTR_LIST) != 0) return EK_OK;
    if ((*out)->kind != kind)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "AttrValue had value with type '%s' when '%s' expected for attr '%s' of Op %s",
                       ek__attr_kind_name((*out)->kind, got), ek__attr_kind_name(kind, want), name, spec->def->name);
    return EK_OK;
}

enum { MOST_REPEATS = 1 << 16 }; /* of one list argument: a file's N is not to be trusted with memory */

static ek_status add_argument(type_list *l, const ek_op_spec *spec, const ek_arg_spec *arg, const ek_attr *attrs, int n,
                              ek_error *err)
{
    const ek_attr_value *v;
    ek_dtype type = arg->type;
    int64_t repeats = 1;

    if (arg->list_attr != NULL) {
        EK_TRY(needed(spec, arg->list_attr, EK_ATTR_LIST | EK_ATTR_TYPE, attrs, n, &v, err));
        for (int32_t i = 0; i < v->count; i++)
            EK_TRY(add_type(l, arg->is_ref ? ek_dtype_ref(v->u.types[i]) : v->u.types[i], err));
        return EK_OK;
    }
    if (arg->type_attr != NULL) {
        EK_TRY(needed(spec, arg->type_attr, EK_ATTR_TYPE, attrs, n, &v, err));
        type = v->u.type;
    }
    if (arg->number_attr != NULL) {
        EK_TRY(needed(spec, arg->number_attr, EK_ATTR_INT, attrs, n, &v, err));
        repeats = v->u.i;
        if (repeats < 0 || repeats > MOST_REPEATS)
            return EK_FAIL(err, INVALID_ARGUMENT, "Op %s has attr '%s' = %lld; a list of 0 to %d is supported",
                           spec->def->name, arg->number_attr, (long long)repeats, (int)MOST_REPEATS);
    }
    for (int64_t i = 0; i < repeats; i++) EK_TRY(add_type(l, arg->is_ref ? ek_dtype_ref(type) : type, err));
    return EK_OK;
}

static ek_status argument_types(const ek_op_spec *spec, const ek_arg_spec *arg, int n_args, const ek_attr *attrs, int n,
                                ek_arena *arena, int *count, ek_dtype **out, ek_error *err)
{
    type_list list = { .arena = arena };

    for (int i = 0; i < n_args; i++) EK_TRY(add_argument(&list, spec, &arg[i], attrs, n, err));
    *count = list.n;
    *out = list.at;
    return EK_OK;
}

ek_status ek__op_types(const ek_op_spec *spec, const ek_attr *attrs, int n, ek_arena *arena, int *n_in, ek_dtype **in,
                       int *n_out, ek_dtype **out, ek_error *err)
{
    EK_TRY(argument_types(spec, spec->in, spec->n_in, attrs, n, arena, n_in, in, err));
    return argument_types(spec, spec->out, spec->n_out, attrs, n, arena, n_out, out, err);
}
