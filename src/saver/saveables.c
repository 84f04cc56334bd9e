/* saver/saveables.c - what a saver saves: variables by the names that they have in checkpoints, in their order. */
#include <stdlib.h>

#include "layers/variable.h"
#include "saver/saver.h"

/* ---- parts of variables ------------------------------------------------------------------------------- */

/* "5 3 0,3:0,3": the whole's shape, then start and length of each dimension. NULL without memory. */
static const char *spec_of(ek_graph *g, const ek_slice_info *part)
{
    ek_buf b = { .data = NULL };
    const char *text = NULL;

    for (int i = 0; i < part->shape.rank; i++) ek__buf_printf(&b, "%lld ", (long long)part->full_shape.dim[i]);
    for (int i = 0; i < part->shape.rank; i++)
        ek__buf_printf(&b, "%s%lld,%lld", i > 0 ? ":" : "", (long long)part->offset[i], (long long)part->shape.dim[i]);
    if (!b.failed) text = ek__arena_strndup(&g->arena, b.data != NULL ? b.data : "", b.size);
    ek__buf_fini(&b);
    return text;
}

/* ---- the candidates ---------------------------------------------------------------------------------------- */

typedef struct candidate {
    ek_saveable to_save;
    const char *full_name; /* of a part; NULL: a whole */
    int64_t place;
} candidate;

typedef struct candidates {
    candidate *at;
    int64_t n, cap;
} candidates;

static bool no_memory(ek_graph *g, ek_where where)
{
    ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a saver");
    return false;
}

/* `as_part`: a part is saved as such, under the whole's name; else as a tensor of its own. */
static bool add_one(ek_graph *g, candidates *list, ek_variable v, const char *name, bool as_part, ek_where where)
{
    candidate c = { .to_save = { .slice = "", .variable = v }, .place = list->n };
    const ek_variable_info *info = g->variable[v.id];
    ek_slice_info part;
    ek_span full_name;

    if (info->slice != NULL && as_part) {
        if (!ek__slice_noted(info, &part, &full_name)) {
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                           "variable %s is said to be a part of another, but not which one", info->name);
            return false;
        }
        c.full_name = ek__arena_strndup(&g->arena, (const char *)full_name.at, full_name.size);
        c.to_save.slice = spec_of(g, &part);
        if (name == NULL) name = c.full_name;
    }
    c.to_save.name = name != NULL ? ek__arena_strdup(&g->arena, name) : info->name;
    if (c.to_save.name == NULL || c.to_save.slice == NULL || !EK_GROW(list->at, list->cap, list->n + 1))
        return no_memory(g, where);
    list->at[list->n++] = c;
    return true;
}

/* A variable in parts has no value of its own: its parts are saved. */
static bool add(ek_graph *g, candidates *list, ek_variable v, const char *name, bool as_part, ek_where where)
{
    const ek_variable_info *const info = g->variable[v.id];

    if (info->n_parts == 0) return add_one(g, list, v, name, as_part, where);
    for (int32_t i = 0; i < info->n_parts; i++)
        if (!add_one(g, list, (ek_variable){ g, info->part[i] }, name, true, where)) return false;
    return true;
}

/* A variable, or the reference that one gives. */
static bool variable_of(ek_graph *g, const ek_item *item, ek_variable *out)
{
    *out = (ek_variable){ g, -1 };
    if (item->kind == EK_ITEM_VARIABLE) *out = item->u.variable;
    if (item->kind == EK_ITEM_TENSOR && ek__tensor_in(g, item->u.tensor))
        *out = ek_variable_by_name(g, g->node[item->u.tensor.op]->name);
    return ek__variable_in(g, *out);
}

static bool add_list(ek_graph *g, candidates *list, ek_list given, ek_where where)
{
    ek_variable v;

    for (int64_t i = 0; i < given.count; i++) {
        if (!variable_of(g, &given.item[i], &v)) {
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Variable to save is not a Variable: %s",
                           given.item[i].kind == EK_ITEM_VARIABLE ? "it is dead, or of another graph"
                                                                  : ek_item_name(g, given.item[i]));
            return false;
        }
        if (!add(g, list, v, NULL, true, where)) return false;
    }
    return true;
}

/* Of one name: the list may give it several times, if these are parts. */
static bool add_named(ek_graph *g, candidates *list, const ek_saver_options *o, ek_where where)
{
    for (int64_t i = 0; i < o->named.count; i++) {
        const ek_named_variable *n = &o->named.at[i];
        bool again = false;
        if (n->name == NULL || !ek__variable_in(g, n->variable)) {
            ek__graph_fail(
                g, where, EK_INVALID_ARGUMENT,
                "names_to_saveables must be a dict mapping string names to Tensors/Variables. Not a variable: "
                "number %lld, '%.200s'",
                (long long)i, n->name != NULL ? n->name : "(no name)");
            return false;
        }
        for (int64_t k = 0; k < o->named.count && !again; k++)
            again = k != i && o->named.at[k].name != NULL && strcmp(n->name, o->named.at[k].name) == 0;
        if (!add(g, list, n->variable, n->name, again, where)) return false;
    }
    return true;
}

/* ---- their order, and what may stand together ------------------------------------------------------------------ */

/* As TensorFlow sorts a list: by the variables' names, "w/part_10:0" before "w/part_1:0". */
static int compare_names(const char *x, const char *y)
{
    const unsigned char *a = (const unsigned char *)x, *b = (const unsigned char *)y;

    while (*a != '\0' && *a == *b) a++, b++;
    return (*a != '\0' ? *a : ':') - (*b != '\0' ? *b : ':');
}

static int by_variable(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    const int order = compare_names(ek__saveable_info(&x->to_save)->name, ek__saveable_info(&y->to_save)->name);

    return order != 0 ? order : x->place < y->place ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    const int order = strcmp(x->to_save.name, y->to_save.name);

    return order != 0 ? order : x->place < y->place ? -1 : 1;
}

static void sort(candidates *list, int (*compare)(const void *, const void *))
{
    if (list->n > 0) qsort(list->at, (size_t)list->n, sizeof *list->at, compare);
    for (int64_t i = 0; i < list->n; i++) list->at[i].place = i;
}

/* Two that follow one another under one name. */
static bool pair_ok(ek_graph *g, const candidate *a, const candidate *b, bool named, ek_where where)
{
    const char *name = b->to_save.name;

    if (a->full_name != NULL && b->full_name != NULL && strcmp(a->full_name, b->full_name) == 0) return true;
    if (a->full_name != NULL && b->full_name != NULL)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Slices must all be from the same tensor: %s != %s", a->full_name,
                       b->full_name);
    else if (named && (a->full_name != NULL || b->full_name != NULL))
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Slices must all be slices: %s",
                       ek__saveable_info(a->full_name == NULL ? &a->to_save : &b->to_save)->name);
    else if (b->full_name != NULL)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "Mixing slices and non-slices with the same name: %s", name);
    else
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "At least two variables have the same name: %s", name);
    return false;
}

static bool check(ek_graph *g, const candidates *list, bool named, ek_where where)
{
    bool *seen = ek__calloc((size_t)g->n_variables + 1, sizeof *seen), ok = seen != NULL;

    if (!ok) return no_memory(g, where);
    for (int64_t i = 1; ok && i < list->n; i++)
        if (strcmp(list->at[i - 1].to_save.name, list->at[i].to_save.name) == 0)
            ok = pair_ok(g, &list->at[i - 1], &list->at[i], named, where);
    for (int64_t i = 0; ok && i < list->n; i++) {
        bool *before = &seen[list->at[i].to_save.variable.id];
        ok = !*before;
        if (!ok)
            ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "The same saveable will be restored with two names: %s",
                           list->at[i].to_save.name);
        *before = true;
    }
    ek__free(seen);
    return ok;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static bool gather(ek_graph *g, const ek_saver_options *o, candidates *list, ek_where where)
{
    if (o->named.count >= 0)
        return ek__list_ok(g, o->named.at, o->named.count, ".named", where) && add_named(g, list, o, where);
    if (o->var_list.count >= 0) {
        if (!ek__list_ok(g, o->var_list.item, o->var_list.count, ".var_list", where)) return false;
        if (!add_list(g, list, o->var_list, where)) return false;
    } else if (!add_list(g, list, ek_global_variables(g), where) ||
               !add_list(g, list, ek_get_collection(g, EK_SAVEABLE_OBJECTS), where)) {
        return false;
    }
    sort(list, by_variable);
    return true;
}

bool ek__saveables_find(ek_graph *g, const ek_saver_options *o, ek_saveables *out, ek_where where)
{
    candidates list = { .at = NULL };
    bool ok = gather(g, o, &list, where);

    *out = (ek_saveables){ NULL, list.n };
    if (ok) {
        sort(&list, by_name);
        ok = check(g, &list, o->named.count >= 0, where);
    }
    if (ok) {
        out->at = EK_ARENA_NEW(&g->arena, ek_saveable, list.n + 1);
        ok = out->at != NULL || no_memory(g, where);
    }
    for (int64_t i = 0; ok && i < list.n; i++) out->at[i] = list.at[i].to_save;
    ek__free(list.at);
    return ok;
}
