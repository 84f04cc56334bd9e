/* sites/scene.c - lays a graph out for the recogniser, one pass over its nodes in topological order. */
#include "sites/scene.h"

#include "graph/constant.h"

enum { MOST_VALUES = 1024 }; /* elements of a value that is kept */

bool ek__is_one_of(const ek_node *n, const char *const *types, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(n->type, types[i]) == 0) return true;
    return false;
}

static bool is_merge(const ek_node *n)
{
    return ek__is_type(n, "Merge") || ek__is_type(n, "RefMerge");
}
static bool is_switch(const ek_node *n)
{
    return ek__is_type(n, "Switch") || ek__is_type(n, "RefSwitch");
}

static bool is_real(ek_dtype t)
{
    t = ek_dtype_base(t);
    return t == EK_FLOAT32 || t == EK_FLOAT64 || t == EK_FLOAT16 || t == EK_BFLOAT16;
}

static ek_status no_memory(const ek_scene *s, ek_error *err)
{
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to look for batch norms among %lld nodes",
                   (long long)s->n_nodes);
}

/* ---- order --------------------------------------------------------------------------------------- */

static bool back_edge(const ek_scene *s, int32_t from)
{
    return ek__is_type(s->g->node[from], "NextIteration");
}

/* Input k of a node, control inputs behind the data inputs; -1: nothing to wait for. */
static int32_t waits_for(const ek_scene *s, const ek_node *n, int32_t k)
{
    const int32_t from = k < n->n_in ? n->in[k].node : n->control[k - n->n_in];

    return from < s->n_nodes && !back_edge(s, from) ? from : -1;
}

static ek_status sort(ek_scene *s, ek_error *err)
{
    int32_t *stack = EK_ARENA_NEW(&s->arena, int32_t, s->n_nodes + 1),
            *next = EK_ARENA_NEW(&s->arena, int32_t, s->n_nodes + 1);
    int64_t sorted = 0;

    if (stack == NULL || next == NULL) return no_memory(s, err);
    for (int32_t i = 0; i < s->n_nodes; i++) s->rank[i] = -1;
    for (int32_t i = 0; i < s->n_nodes; i++) {
        int64_t depth = 0;

        if (s->rank[i] != -1) continue;
        s->rank[i] = -2; /* open */
        stack[depth++] = i;
        while (depth > 0) {
            const ek_node *n = s->g->node[stack[depth - 1]];
            const int32_t from = next[n->id] < n->n_in + n->n_control ? waits_for(s, n, next[n->id]++) : -2;

            if (from == -2) {
                s->rank[n->id] = (int32_t)sorted;
                s->order[sorted++] = n->id;
                depth--;
            } else if (from >= 0 && s->rank[from] == -1) {
                s->rank[from] = -2;
                stack[depth++] = from;
            }
        }
    }
    return EK_OK;
}

/* ---- values ---------------------------------------------------------------------------------------- */

static void keep_value(ek_scene *s, int32_t t, ek_array *value)
{
    s->value[t] = value;
    if (value != NULL) s->shape[t] = value->shape;
}

/* A constant that counts as a number: whole numbers, booleans, scalars. Vectors of a real type are parameters. */
static bool is_number(const ek_array *a)
{
    const bool real = is_real(a->dtype);

    return a->dtype != EK_STRING && (real ? a->shape.rank == 0 : a->count <= MOST_VALUES);
}

static ek_status index_value(ek_scene *s, int32_t t, ek_dtype type, const ek_shape *shape, const int64_t *value,
                             ek_error *err)
{
    ek_array *a;

    EK_TRY(ek__array_new(type, shape, NULL, &a, err));
    for (int64_t i = 0; i < a->count; i++) {
        if (type == EK_INT64)
            ((int64_t *)a->data)[i] = value[i];
        else
            ((int32_t *)a->data)[i] = (int32_t)value[i];
    }
    keep_value(s, t, a);
    return EK_OK;
}

/* Shape, ShapeN, Size and Rank say something of the shape of input k. True: the node is one of them. */
static bool shape_value(ek_scene *s, const ek_node *n, ek_status *st, ek_error *err)
{
    const bool whole = ek__is_type(n, "Shape") || ek__is_type(n, "ShapeN");

    *st = EK_OK;
    if (!whole && !ek__is_type(n, "Size") && !ek__is_type(n, "Rank")) return false;
    for (int k = 0; *st == EK_OK && k < n->n_out && k < n->n_in; k++) {
        const ek_shape *shape = &s->shape[ek__scene_in(s, n, k)];
        const int64_t number = ek__is_type(n, "Size") ? ek_shape_count(shape) : shape->rank;

        if (shape->rank < 0 || (n->out_dtype[k] != EK_INT32 && n->out_dtype[k] != EK_INT64)) continue;
        *st = whole ? index_value(s, s->first[n->id] + k, n->out_dtype[k], &EK_SHAPE(shape->rank), shape->dim, err)
                    : index_value(s, s->first[n->id] + k, n->out_dtype[k], &EK_SCALAR, &number, err);
    }
    return true;
}

/* Computes what follows from known values. Only a lack of memory is a failure. */
static ek_status compute(ek_scene *s, const ek_node *n, const ek_array **in, ek_array **out, ek_error *err)
{
    const ek_op_def *def = n->spec != NULL ? n->spec->def : NULL;
    ek_error failure = {.code = EK_OK};
    ek_status st;

    if (def == NULL || def->stateful || def->kind != EK_KIND_PURE || n->n_in == 0) return EK_OK;
    for (int i = 0; i < n->n_in; i++)
        if (in[i] == NULL || in[i]->count > MOST_VALUES) return EK_OK;
    for (int k = 0; k < n->n_out; k++) {
        const ek_dtype type = n->out_dtype[k];

        if (ek_dtype_is_ref(type) || type == EK_RESOURCE || type == EK_VARIANT || type == EK_STRING) return EK_OK;
        if (ek__scene_count(s, s->first[n->id] + k) > MOST_VALUES) return EK_OK;
    }
    st = ek__def_eval_small(def, n->attrs, n->n_in, in, n->n_out, n->out_dtype, MOST_VALUES, out, &failure);
    if (st == EK_RESOURCE_EXHAUSTED) return ek__error_copy(err, &failure);
    for (int k = 0; st == EK_OK && k < n->n_out; k++) keep_value(s, s->first[n->id] + k, out[k]);
    return EK_OK;
}

/* ---- shapes ------------------------------------------------------------------------------------------ */

static bool is_source(const ek_node *n)
{
    return n->n_in == 0 && !ek__is_type(n, "Const") && !ek__is_type(n, "VarHandleOp") &&
           !ek__is_type(n, "VariableV2") && !ek__is_type(n, "Variable");
}

static bool is_placeholder(const ek_node *n)
{
    return ek__is_type(n, "Placeholder") || ek__is_type(n, "PlaceholderWithDefault") ||
           ek__is_type(n, "PlaceholderV2") || is_source(n);
}

static ek_shape made_up(ek_shape shape)
{
    for (int a = 0; a < shape.rank; a++)
        if (shape.dim[a] < 0) shape.dim[a] = a == 0 ? EK_MADE_UP_BATCH : EK_MADE_UP_SIZE;
    return shape;
}

/* What the shape rule makes of concrete shapes. A rule that refuses them leaves the shape unknown. */
static ek_status shape_by_rule(ek_scene *s, const ek_node *n, const ek_array **in, ek_error *err)
{
    const int rows = n->n_in + n->n_out;
    ek_shape *room = ek__calloc((size_t)(2 * n->n_in + n->n_in + 2 * n->n_out) + 1, sizeof *room);
    ek_error failure = {.code = EK_OK};
    ek_status st;

    if (room == NULL) return no_memory(s, err);
    for (int i = 0; i < n->n_in; i++) {
        const ek_node *from = s->g->node[n->in[i].node];

        room[i] = s->shape[ek__scene_in(s, n, i)];
        room[rows + i] = EK_UNKNOWN_SHAPE;
        room[rows + n->n_in + i] = from->out_handle != NULL ? from->out_handle[n->in[i].index] : EK_UNKNOWN_SHAPE;
    }
    for (int k = 0; k < n->n_out; k++) room[n->n_in + k] = room[rows + 2 * n->n_in + k] = EK_UNKNOWN_SHAPE;
    st = n->spec->def->shape(&(ek_shape_ctx){.def = n->spec->def,
                                             .attrs = n->attrs,
                                             .n_in = n->n_in,
                                             .n_out = n->n_out,
                                             .in = room,
                                             .in_dtype = n->in_dtype,
                                             .in_value = in,
                                             .in_as_shape = room + rows,
                                             .in_handle = room + rows + n->n_in,
                                             .out_dtype = n->out_dtype,
                                             .out = room + n->n_in,
                                             .out_handle = room + rows + 2 * n->n_in,
                                             .err = &failure});
    for (int k = 0; st == EK_OK && k < n->n_out; k++)
        if (ek_shape_is_known(&room[n->n_in + k])) s->shape[s->first[n->id] + k] = room[n->n_in + k];
    ek__free(room);
    return failure.code == EK_RESOURCE_EXHAUSTED ? ek__error_copy(err, &failure) : EK_OK;
}

/* Handles are given the shape of their variable. */
static bool static_shapes(ek_scene *s, const ek_node *n)
{
    bool all = true;

    for (int k = 0; k < n->n_out; k++) {
        const ek_edge e = {n->id, k};
        const ek_shape *shape = ek__view_shape(s->view, e);
        ek_shape *to = &s->shape[s->first[n->id] + k];

        if (ek_dtype_base(n->out_dtype[k]) == EK_RESOURCE && n->out_handle != NULL) shape = &n->out_handle[k];
        *to = ek_shape_is_known(shape)                ? *shape
              : is_placeholder(n) && shape->rank >= 0 ? made_up(*shape)
                                                      : EK_UNKNOWN_SHAPE;
        all &= to->rank >= 0;
    }
    return all;
}

/* The last resort: where an input's rank is not known, a result of known rank is of made-up sizes like a placeholder. */
static void make_up_rest(ek_scene *s, const ek_node *n)
{
    bool open = false;

    for (int i = 0; i < n->n_in && !open; i++) open = s->shape[ek__scene_in(s, n, i)].rank < 0;
    for (int k = 0; open && k < n->n_out; k++) {
        ek_shape *to = &s->shape[s->first[n->id] + k];

        if (to->rank < 0 && !ek_dtype_is_ref(n->out_dtype[k])) *to = made_up(*ek__view_shape(s->view, (ek_edge){n->id, k}));
    }
}

/* ---- branches and aliases ---------------------------------------------------------------------------- */

/* The branch that a predicate takes; what nobody knows is assumed. */
static bool decide(ek_scene *s, const ek_node *n, int32_t predicate)
{
    const ek_array *value = s->value[predicate];

    if (value != NULL && value->dtype == EK_BOOL && value->count > 0) return *(const bool *)value->data;
    if (ek__is_type(ek__scene_node(s, s->root[predicate]), "LoopCond")) return true;
    s->assumed = true;
    s->guess[n->id] = 1;
    return s->assume;
}

/* A read behind a write of the same step is a value of its own. */
static bool ordered_after_write(const ek_scene *s, const ek_node *n)
{
    for (int i = 0; i < n->n_control; i++) {
        const ek_node *c = s->g->node[n->control[i]];

        if (c->spec != NULL ? c->spec->def->writes != 0
                            : strncmp(c->type, "Assign", 6) == 0 || strncmp(c->type, "Apply", 5) == 0)
            return true;
    }
    return false;
}

/* The input whose value output 0 has, or that each output has (*each); -1: none. */
static int alias_of(ek_scene *s, const ek_node *n, bool *each)
{
    static const char *const kin[] = {
        "Identity",       "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot",
        "Enter",          "Exit",         "RefEnter",        "RefExit",       "RefIdentity",
        "ReadVariableOp", "EnsureShape",  "DebugIdentity",   "NextIteration"};

    *each = ek__is_type(n, "IdentityN");
    if (n->n_in == 0 || *each) return *each && n->n_in > 0 ? 0 : -1;
    if (ek__is_type(n, "Cast")) return is_real(n->in_dtype[0]) && is_real(n->out_dtype[0]) ? 0 : -1;
    if (ek__is_type(n, "Select") || ek__is_type(n, "SelectV2"))
        return n->n_in == 3 && s->shape[ek__scene_in(s, n, 0)].rank == 0 ? 2 - decide(s, n, ek__scene_in(s, n, 0)) : -1;
    if (!ek__is_one_of(n, kin, EK_COUNT_OF(kin))) return -1;
    if (ordered_after_write(s, n) && ek__is_variable_node(ek__scene_node(s, ek__scene_root_in(s, n, 0)))) return -1;
    return ek__is_type(n, "NextIteration") ? -1 : 0;
}

static ek_dtype dtype_of(const ek_scene *s, int32_t t)
{
    const ek_node *n = ek__scene_node(s, t);

    return ek_dtype_base(n->out_dtype[t - s->first[n->id]]);
}

static void alias(ek_scene *s, int32_t t, int32_t of)
{
    s->root[t] = s->root[of];
    if (s->shape[t].rank < 0) s->shape[t] = s->shape[of];
    s->floats[t] = s->floats[of];
    /* A Cast stands for its input, but its value has another type: that is computed. */
    if (s->value[t] == NULL && s->value[of] != NULL && s->value[of]->dtype == dtype_of(s, t) &&
        ek__scene_count(s, t) == ek__scene_count(s, of))
        s->value[t] = ek_array_ref(s->value[of]);
}

/* The first input of a Merge that is alive. */
static int taken_input(const ek_scene *s, const ek_node *n)
{
    const int8_t known = s->view->taken != NULL ? s->view->taken[n->id] : -1;

    if (known >= 0 && known < n->n_in) return known;
    for (int i = 0; i < n->n_in; i++)
        if (!s->dead[ek__scene_in(s, n, i)] && !back_edge(s, n->in[i].node)) return i;
    return 0;
}

/* One dead input is enough, of a Merge all must be; the sureness is that of what decides. */
static void mark_dead(ek_scene *s, const ek_node *n)
{
    uint8_t dead = is_merge(n) && n->n_in > 0 ? EK_DEAD_SURELY : 0;

    for (int i = 0; i < n->n_in; i++) {
        const uint8_t in = s->dead[ek__scene_in(s, n, i)];

        if (back_edge(s, n->in[i].node)) continue;
        if (is_merge(n) ? in < dead : in > dead) dead = in;
    }
    for (int i = 0; i < n->n_control; i++)
        if (s->dead_node[n->control[i]] > dead) dead = s->dead_node[n->control[i]];
    s->dead_node[n->id] = dead != 0 ? dead : !ek__view_live(s->view, n->id);
    for (int k = 0; k < n->n_out; k++) s->dead[s->first[n->id] + k] = s->dead_node[n->id];
}

static void mark_data(ek_scene *s, const ek_node *n)
{
    static const char *const shape_only[] = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"};
    bool data = is_placeholder(n) && (n->n_out == 0 || n->out_dtype[0] != EK_BOOL);

    if (ek__is_one_of(n, shape_only, EK_COUNT_OF(shape_only))) return;
    if (is_merge(n))
        data = s->data[n->in[taken_input(s, n)].node] != 0;
    else if (is_switch(n))
        data = s->data[n->in[0].node] != 0;
    else
        for (int i = 0; i < n->n_in && !data; i++) data = s->data[n->in[i].node] != 0;
    s->data[n->id] = data;
}

static void resolve(ek_scene *s, const ek_node *n)
{
    const int32_t out = s->first[n->id];
    bool each;
    int of;

    if (is_switch(n) && n->n_in == 2 && n->n_out == 2) {
        const int8_t known = s->view->taken != NULL ? s->view->taken[n->id] : -1;
        const int taken = known >= 0 ? known : decide(s, n, ek__scene_in(s, n, 1));
        const bool loop = ek__is_type(ek__scene_node(s, ek__scene_root_in(s, n, 1)), "LoopCond");

        for (int k = 0; k < 2; k++) {
            alias(s, out + k, ek__scene_in(s, n, 0));
            if (k != taken && !loop && s->dead[out + k] == 0)
                s->dead[out + k] = s->guess[n->id] != 0 ? EK_DEAD_AS_ASSUMED : EK_DEAD_SURELY;
        }
        return;
    }
    if (is_merge(n) && n->n_in > 0 && n->n_out > 0) {
        alias(s, out, ek__scene_in(s, n, taken_input(s, n)));
        return;
    }
    of = alias_of(s, n, &each);
    for (int k = 0; of >= 0 && k < (each ? n->n_out : 1); k++) alias(s, out + k, ek__scene_in(s, n, each ? k : of));
}

/* ---- the pass ------------------------------------------------------------------------------------------- */

static ek_status visit(ek_scene *s, const ek_node *n, ek_error *err)
{
    const ek_array *few[8], **in = few;
    ek_array *few_out[8] = {NULL}, **out = few_out;
    ek_status st = EK_OK;

    mark_dead(s, n);
    for (int k = 0; k < n->n_out; k++) {
        const int32_t t = s->first[n->id] + k;
        const ek_array *constant =
            n->constant != NULL || s->view->constant != NULL ? ek__view_constant(s->view, (ek_edge){n->id, k}) : NULL;

        s->root[t] = t;
        s->floats[t] = is_real(n->out_dtype[k]);
        if (ek_dtype_base(n->out_dtype[k]) == EK_RESOURCE && ek__is_type(n, "VarHandleOp")) {
            const ek_attr_value *type = ek__attr_find(n->attr, n->n_attr, "dtype");
            s->floats[t] = type != NULL && type->kind == EK_ATTR_TYPE && is_real(type->u.type);
        }
        if (constant != NULL && is_number(constant)) s->value[t] = ek_array_ref((ek_array *)(uintptr_t)constant);
    }
    const bool sized = static_shapes(s, n);
    for (int k = 0; k < n->n_out; k++)
        if (s->value[s->first[n->id] + k] != NULL) s->shape[s->first[n->id] + k] = s->value[s->first[n->id] + k]->shape;
    if (n->n_in > 8) in = EK_ARENA_NEW(&s->arena, const ek_array *, n->n_in);
    if (n->n_out > 8) out = EK_ARENA_NEW(&s->arena, ek_array *, n->n_out);
    if (in == NULL || out == NULL) return no_memory(s, err);
    for (int i = 0; i < n->n_in; i++) in[i] = s->value[ek__scene_in(s, n, i)];
    if (!sized && n->spec != NULL && n->spec->def->shape != NULL)
        st = shape_by_rule(s, n, in, err);
    else if (!sized)
        ek__shape_undefined(s, n);
    if (!sized) make_up_rest(s, n);
    resolve(s, n);
    mark_data(s, n);
    if (st != EK_OK || n->n_out == 0 || s->value[s->first[n->id]] != NULL || shape_value(s, n, &st, err)) return st;
    return compute(s, n, in, out, err);
}

/* Per root, the live nodes that compute with it: counted, then filled in topological order. */
static ek_status find_users(ek_scene *s, ek_error *err)
{
    int32_t *fill;

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            for (int64_t t = 0; t < s->n_tensors; t++) s->user_first[t + 1] += s->user_first[t];
            s->user = EK_ARENA_NEW(&s->arena, int32_t, s->user_first[s->n_tensors] + 1);
        }
        fill = pass == 1 ? ek__arena_memdup(&s->arena, s->user_first, (size_t)(s->n_tensors + 1) * sizeof *fill) : NULL;
        if (pass == 1 && (s->user == NULL || fill == NULL)) return no_memory(s, err);
        for (int64_t o = 0; o < s->n_nodes; o++) {
            const ek_node *n = s->g->node[s->order[o]];

            if (s->dead_node[n->id] || (n->n_out > 0 && s->root[s->first[n->id]] != s->first[n->id])) continue;
            for (int i = 0; i < n->n_in; i++) {
                const int32_t r = ek__scene_root_in(s, n, i);
                bool again = false;

                for (int k = 0; k < i && !again; k++) again = ek__scene_root_in(s, n, k) == r;
                if (again) continue;
                if (pass == 0)
                    s->user_first[r + 1]++;
                else
                    s->user[fill[r]++] = n->id;
            }
        }
    }
    return EK_OK;
}

ek_status ek__scene_open(ek_scene *s, const ek_view *view, bool assume, ek_error *err)
{
    int64_t outputs = 0;

    *s = (ek_scene){.view = view, .g = view->graph, .assume = assume, .n_nodes = view->n_nodes};
    s->first = EK_ARENA_NEW(&s->arena, int32_t, s->n_nodes + 1);
    if (s->first == NULL) return no_memory(s, err);
    for (int64_t i = 0; i < s->n_nodes; i++) {
        s->first[i] = (int32_t)outputs;
        outputs += s->g->node[i]->n_out;
    }
    s->first[s->n_nodes] = (int32_t)outputs;
    s->node_of = EK_ARENA_NEW(&s->arena, int32_t, outputs + 1);
    s->order = EK_ARENA_NEW(&s->arena, int32_t, s->n_nodes + 1);
    s->rank = EK_ARENA_NEW(&s->arena, int32_t, s->n_nodes + 1);
    s->shape = EK_ARENA_NEW(&s->arena, ek_shape, outputs + 1);
    s->value = EK_ARENA_NEW(&s->arena, ek_array *, outputs + 1);
    s->root = EK_ARENA_NEW(&s->arena, int32_t, outputs + 1);
    s->dead = EK_ARENA_NEW(&s->arena, uint8_t, outputs + 1);
    s->floats = EK_ARENA_NEW(&s->arena, uint8_t, outputs + 1);
    s->dead_node = EK_ARENA_NEW(&s->arena, uint8_t, s->n_nodes + 1);
    s->data = EK_ARENA_NEW(&s->arena, uint8_t, s->n_nodes + 1);
    s->guess = EK_ARENA_NEW(&s->arena, uint8_t, s->n_nodes + 1);
    s->user_first = EK_ARENA_NEW(&s->arena, int32_t, outputs + 2);
    if (s->node_of == NULL || s->order == NULL || s->rank == NULL || s->shape == NULL || s->value == NULL ||
        s->root == NULL || s->dead == NULL || s->floats == NULL || s->dead_node == NULL || s->data == NULL ||
        s->guess == NULL || s->user_first == NULL)
        return no_memory(s, err);
    s->n_tensors = outputs;
    for (int64_t i = 0; i < s->n_nodes; i++)
        for (int32_t t = s->first[i]; t < s->first[i + 1]; t++) {
            s->node_of[t] = (int32_t)i;
            s->root[t] = t;
            s->shape[t] = EK_UNKNOWN_SHAPE;
        }
    EK_TRY(sort(s, err));
    for (int64_t o = 0; o < s->n_nodes; o++) EK_TRY(visit(s, s->g->node[s->order[o]], err));
    return find_users(s, err);
}

void ek__scene_close(ek_scene *s)
{
    for (int64_t t = 0; s->value != NULL && t < s->n_tensors; t++) ek_array_unref(s->value[t]);
    ek__arena_fini(&s->arena);
}

/* ---- small questions --------------------------------------------------------------------------------- */

int32_t ek__scene_canon(const ek_scene *s, int32_t t)
{
    for (;;) {
        const ek_node *n;

        t = s->root[t];
        n = ek__scene_node(s, t);
        const bool same_shape = ek__is_type(n, "Reshape") || ek__is_type(n, "Sum");
        if (!(same_shape && n->n_in == 2 && ek__scene_sized(s, t) &&
              ek_shape_equal(&s->shape[ek__scene_in(s, n, 0)], &s->shape[t])) &&
            !(ek__is_type(n, "AddN") && n->n_in == 1))
            return t;
        t = ek__scene_in(s, n, 0);
    }
}

double ek__attr_float(const ek_node *n, const char *name, double missing)
{
    const ek_attr_value *a = ek__attr_find(n->attr, n->n_attr, name);

    return a != NULL && a->kind == EK_ATTR_FLOAT ? (double)a->u.f : missing;
}

bool ek__attr_bool(const ek_node *n, const char *name, bool missing)
{
    const ek_attr_value *a = ek__attr_find(n->attr, n->n_attr, name);

    return a != NULL && a->kind == EK_ATTR_BOOL ? a->u.b : missing;
}

bool ek__among(const int32_t *list, int n, int32_t node)
{
    int low = 0, high = n - 1;

    while (low <= high) {
        const int at = (low + high) / 2;

        if (list[at] == node) return true;
        if (list[at] < node)
            low = at + 1;
        else
            high = at - 1;
    }
    return false;
}

/* ---- the queue ------------------------------------------------------------------------------------------ */

bool ek__queue_open(ek_queue *q, const ek_scene *s)
{
    *q = (ek_queue){.s = s, .now = 1};
    q->stamp = ek__calloc((size_t)s->n_nodes + 1, sizeof *q->stamp);
    return q->stamp != NULL;
}

void ek__queue_close(ek_queue *q)
{
    ek__free(q->stamp);
    ek__free(q->heap);
}

void ek__queue_restart(ek_queue *q)
{
    q->n = 0;
    q->now++;
}

void ek__queue_push(ek_queue *q, int32_t node)
{
    int64_t at = q->n;

    if (ek__queue_had(q, node)) return;
    if (!EK_GROW(q->heap, q->cap, q->n + 1)) {
        q->failed = true;
        return;
    }
    q->stamp[node] = q->now;
    q->heap[q->n++] = q->s->rank[node];
    while (at > 0 && q->heap[(at - 1) / 2] > q->heap[at]) {
        const int32_t up = q->heap[(at - 1) / 2];

        q->heap[(at - 1) / 2] = q->heap[at];
        q->heap[at] = up;
        at = (at - 1) / 2;
    }
}

int32_t ek__queue_pop(ek_queue *q)
{
    const int32_t top = q->n > 0 ? q->heap[0] : -1;
    int64_t at = 0;

    if (top < 0) return -1;
    q->heap[0] = q->heap[--q->n];
    for (;;) {
        int64_t least = at;

        for (int64_t c = 2 * at + 1; c <= 2 * at + 2; c++)
            if (c < q->n && q->heap[c] < q->heap[least]) least = c;
        if (least == at) break;
        const int32_t down = q->heap[at];
        q->heap[at] = q->heap[least];
        q->heap[least] = down;
        at = least;
    }
    return q->s->order[top];
}
