/* saver/statistics.c - the batch norms of a checkpoint. What is judged, and how, is sites/stored.h's. */
#include "saver/statistics.h"

#include "sites/averages.h"

/* ---- what the graph's variables are called in the checkpoint ---------------------------------------------- */

/* Where the tensors begin among the inputs of an op that saves; 0: it is none. */
static int32_t first_saved(const ek_node *n)
{
    if (strcmp(n->type, "SaveV2") == 0 || strcmp(n->type, "SaveSlices") == 0) return 3;
    return strcmp(n->type, "Save") == 0 ? 2 : 0;
}

/* From variables, by node, to the names that savers give them: the last that is in the checkpoint, else the variable's own. */
static void name_variables(const ek_graph *g, const ek_checkpoint *c, const char **key)
{
    for (int64_t i = 0; i < g->n_nodes; i++) {
        const ek_node *n = ek__node(g, (int32_t)i);
        const int32_t first = first_saved(n);
        const ek_array *names = first > 0 && n->n_in > first ? ek__node(g, n->in[1].node)->constant : NULL;

        if (names == NULL || names->dtype != EK_STRING) continue;
        for (int32_t k = first; k < n->n_in && k - first < names->count; k++) {
            const char *name = ((const ek_string *)names->data)[k - first].data;
            const int32_t v = ek__variable_behind(g, n->in[k]);
            ek_checkpoint_entry unused;

            if (v >= 0 && name != NULL && ek_checkpoint_find(c, name, &unused)) key[v] = name;
        }
    }
}

static const char *key_of(const ek_graph *g, const char *const *key, const char *variable)
{
    const int64_t id = variable != NULL ? ek__map_get(&g->by_name, variable, strlen(variable), -1) : -1;

    return id >= 0 && key[id] != NULL ? key[id] : variable;
}

static ek_status sets_of_graph(ek_checkpoint *c, const ek_graph *g, ek_checkpoint_norms *out, ek_error *err)
{
    const char **key = EK_ARENA_NEW(&out->arena, const char *, g->n_nodes + 1);
    ek_norm_set *renamed;

    EK_TRY(ek__norm_sets_of_graph(g, &out->sets, err));
    renamed = EK_ARENA_NEW(&out->arena, ek_norm_set, out->sets.n + 1);
    if (key == NULL || renamed == NULL)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the batch norms of a checkpoint");
    name_variables(g, c, key);
    for (int i = 0; i < out->sets.n; i++) {
        renamed[i] = out->sets.at[i];
        for (int role = EK_ROLE_GAMMA; role < EK_SITE_ROLES; role++)
            renamed[i].variable[role] = key_of(g, key, renamed[i].variable[role]);
    }
    out->sets.at = renamed;
    return EK_OK;
}

static ek_status sets_of_names(const ek_checkpoint *c, ek_checkpoint_norms *out, ek_error *err)
{
    const int64_t n = ek_checkpoint_count(c);
    const char **name = EK_ARENA_NEW(&out->arena, const char *, n + 1);
    ek_checkpoint_entry e;
    int64_t known = 0;

    ek__norm_sets_free(&out->sets);
    if (name == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the names of a checkpoint");
    for (int64_t i = 0; i < n; i++)
        if (ek_checkpoint_at(c, i, &e)) name[known++] = e.name;
    return ek__norm_sets_of_names(name, known, &out->sets, err);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

/* NULL where there is no such tensor, or none of real numbers. */
static ek_status read_real(ek_checkpoint *c, const char *name, ek_array **out, ek_error *err)
{
    ek_checkpoint_entry e;

    *out = NULL;
    if (name == NULL || !ek_checkpoint_find(c, name, &e)) return EK_OK;
    if (e.dtype == EK_STRING || e.dtype == EK_RESOURCE || e.dtype == EK_VARIANT || ek_dtype_is_complex(e.dtype))
        return EK_OK;
    return ek_checkpoint_read(c, name, out, err);
}

/* The step, and the first slot that was used; a step says enough. */
static ek_status look_for_training(ek_checkpoint *c, ek_trained *out, ek_error *err)
{
    ek_checkpoint_entry e;
    ek_array *value;

    for (int64_t i = 0; ek_checkpoint_at(c, i, &e); i++) {
        if (!ek__is_step_name(e.name) || !ek_dtype_is_integer(e.dtype)) continue;
        EK_TRY(ek_checkpoint_read(c, e.name, &value, err));
        if (ek_array_count(value) == 1 && ek__array_int(value, 0) > out->step) out->step = ek__array_int(value, 0);
        ek_array_unref(value);
    }
    for (int64_t i = 0; out->step <= 0 && out->slot == NULL && ek_checkpoint_at(c, i, &e); i++) {
        if (!ek__is_slot_name(e.name)) continue;
        EK_TRY(read_real(c, e.name, &value, err));
        if (value != NULL && ek__slot_was_used(e.name, value)) out->slot = e.name;
        ek_array_unref(value);
    }
    return EK_OK;
}

static void release(ek_array **value, int n)
{
    for (int i = 0; i < n; i++) ek_array_unref(value[i]);
}

/* The values of every set, value[EK_SITE_ROLES * i + role]; a moved parameter is evidence, too. */
static ek_status read_values(ek_checkpoint *c, ek_checkpoint_norms *out, ek_array **value, ek_error *err)
{
    for (int i = 0; i < out->sets.n; i++)
        for (int role = EK_ROLE_GAMMA; role < EK_SITE_ROLES; role++) {
            const char *name = out->sets.at[i].variable[role];
            ek_array **at = &value[EK_SITE_ROLES * i + role];

            EK_TRY(read_real(c, name, at, err));
            if (role != EK_ROLE_GAMMA && role != EK_ROLE_BETA) continue;
            if (out->trained.parameter == NULL && ek__parameter_moved((ek_site_role)role, *at))
                out->trained.parameter = name;
        }
    return EK_OK;
}

ek_status ek__checkpoint_norms(ek_checkpoint *c, const ek_graph *g, ek_checkpoint_norms *out, ek_error *err)
{
    ek_array **value = NULL;
    ek_stored *stored;
    ek_status st;

    *out = (ek_checkpoint_norms){ .trained.step = -1 };
    if (g != NULL) EK_TRY(sets_of_graph(c, g, out, err));
    out->by_graph = out->sets.n > 0;
    if (!out->by_graph) EK_TRY(sets_of_names(c, out, err));
    EK_TRY(look_for_training(c, &out->trained, err));
    stored = EK_ARENA_NEW(&out->arena, ek_stored, out->sets.n + 1);
    value = ek__calloc((size_t)out->sets.n + 1, EK_SITE_ROLES * sizeof *value);
    if (stored == NULL || value == NULL) {
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the batch norms of a checkpoint");
        goto done;
    }
    EK_TRY_DONE(read_values(c, out, value, err));
    for (int i = 0; i < out->sets.n; i++)
        EK_TRY_DONE(ek__stored_look(&out->sets.at[i], (const ek_array *const *)&value[EK_SITE_ROLES * i], &out->trained,
                                    out->by_graph, &out->arena, &stored[i], err));
    out->at = stored;
    out->n = out->sets.n;
done:
    if (value != NULL) release(value, EK_SITE_ROLES * out->sets.n);
    ek__free(value);
    return st;
}

void ek__checkpoint_norms_free(ek_checkpoint_norms *norms)
{
    ek__norm_sets_free(&norms->sets);
    ek__arena_fini(&norms->arena);
    *norms = (ek_checkpoint_norms){ .n = 0 };
}
