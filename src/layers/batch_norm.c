/* layers/batch_norm.c - tf.layers.batch_normalization: arguments, validation, variables, the call. */
#include "layers/batch_norm.h"

/* ---- making a layer -------------------------------------------------------------------------------- */

static void or_else(ek_initializer *init, ek_initializer fallback)
{
    if (init->kind == EK_INIT_NONE) *init = fallback;
}

/* "{'rmax': 3.0, 'zmax': 1.0}" */
static void print_clipping(const ek_clip *clip, char *text, size_t size)
{
    size_t at = 0;
    char number[40];

    at += (size_t)snprintf(text, size, "{");
    for (int i = 0; i < 4 && clip[i].key != NULL && at < size; i++) {
        ek__format_double(number, clip[i].value);
        at += (size_t)snprintf(text + at, size - at, "%s'%s': %s", i > 0 ? ", " : "", clip[i].key, number);
    }
    if (at < size) snprintf(text + at, size - at, "}");
}

static bool check_clipping(ek_graph *g, const ek_batch_normalization_options *o, ek_where where)
{
    char text[256];

    for (int i = 0; o->renorm && i < EK_COUNT_OF(o->renorm_clipping) && o->renorm_clipping[i].key != NULL; i++) {
        const char *key = o->renorm_clipping[i].key;
        if (strcmp(key, "rmax") == 0 || strcmp(key, "rmin") == 0 || strcmp(key, "dmax") == 0) continue;
        print_clipping(o->renorm_clipping, text, sizeof text);
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "renorm_clipping %s contains keys not in ['rmax', 'rmin', 'dmax']", text);
        return false;
    }
    return true;
}

/* What an option points to must last as long as the layer. */
static bool keep_arrays(ek_graph *g, ek_batch_norm *bn, ek_where where)
{
    ek_initializer *all[] = { &bn->o.beta_initializer, &bn->o.gamma_initializer, &bn->o.moving_mean_initializer,
                              &bn->o.moving_variance_initializer };
    ek_clip *clip = bn->o.renorm_clipping;

    for (int i = 0; i < EK_COUNT_OF(bn->o.renorm_clipping) && clip[i].key != NULL; i++)
        if ((clip[i].key = ek__arena_strdup(&g->arena, clip[i].key)) == NULL) goto no_memory;
    for (int i = 0; i < EK_COUNT_OF(all); i++) {
        if (all[i]->kind != EK_INIT_VALUE) continue;
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "a layer's initializer must be an initializer, not a value");
        return false;
    }
    return true;
no_memory:
    ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a layer");
    return false;
}

static ek_batch_norm *create(ek_graph *g, const ek_batch_normalization_options *o, bool function, ek_where where)
{
    ek_batch_norm *bn;

    if (!EK_GRAPH_OK(g, where) || g->error.code != EK_OK) return NULL;
    bn = EK_ARENA_NEW(&g->arena, ek_batch_norm, 1);
    if (bn == NULL) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a layer");
        return NULL;
    }
    bn->o = *o;
    bn->gamma = bn->beta = bn->moving_mean = bn->moving_variance = ek__dead_variable(g);
    bn->moving_stddev = bn->renorm_mean = bn->renorm_stddev = ek__dead_variable(g);
    bn->gamma_const = bn->beta_const = ek__dead(g);
    or_else(&bn->o.beta_initializer, ek_zeros_initializer());
    or_else(&bn->o.gamma_initializer, ek_ones_initializer());
    or_else(&bn->o.moving_mean_initializer, ek_zeros_initializer());
    or_else(&bn->o.moving_variance_initializer, ek_ones_initializer());
    bn->n_axes = o->axes.count >= 0 ? o->axes.count : 1;
    if (bn->n_axes == 0 || bn->n_axes > EK_MAX_RANK || o->axes.count < -2) {
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       bn->n_axes == 0 ? "list index out of range: axes is an empty list" :
                                         "%d axes, at most %d are possible; EK_AXES(...) counts them",
                       o->axes.count, EK_MAX_RANK);
        return NULL;
    }
    for (int i = 0; i < bn->n_axes; i++) bn->axis[i] = o->axes.count != -1 ? o->axes.axis[i] : o->axis;
    ek__layer_init(&bn->layer, g, o->name != NULL ? o->name : "batch_normalization", function ? o->name : NULL,
                   function ? (int)o->reuse : EK_VSCOPE_NEW, o->trainable, where);
    return keep_arrays(g, bn, where) && check_clipping(g, &bn->o, where) && ek__finite(g, "momentum", bn->o.momentum, where) &&
           ek__finite(g, "epsilon", bn->o.epsilon, where) && ek__finite(g, "renorm_momentum", bn->o.renorm_momentum, where) ? bn : NULL;
}

/* ---- validation ------------------------------------------------------------------------------------- */

static bool fail(const ek_bn_call *c, const char *text)
{
    ek__graph_fail(c->g, c->where, EK_INVALID_ARGUMENT, "%s", text);
    return false;
}

/* "[1, 1]" */
static void print_axes(const ek_batch_norm *bn, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "[");

    for (int i = 0; i < bn->n_axes && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%d", i > 0 ? ", " : "", bn->axis[i]);
    if (at < size) snprintf(text + at, size - at, "]");
}

/* "TensorShape([Dimension(None), Dimension(3)])" */
static void print_shape(const ek_shape *s, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, s->rank < 0 ? "TensorShape(None" : "TensorShape([");

    for (int i = 0; i < s->rank && at < size; i++) {
        if (s->dim[i] < 0) at += (size_t)snprintf(text + at, size - at, "%sDimension(None)", i > 0 ? ", " : "");
        else at += (size_t)snprintf(text + at, size - at, "%sDimension(%lld)", i > 0 ? ", " : "", (long long)s->dim[i]);
    }
    if (at < size) snprintf(text + at, size - at, s->rank < 0 ? ")" : "])");
}

static bool resolve_axes(const ek_bn_call *c, const ek_shape *x)
{
    ek_batch_norm *bn = c->bn;
    char text[128], axes[96];

    for (int i = 0; i < bn->n_axes; i++)
        if (bn->axis[i] < 0) bn->axis[i] += x->rank;
    for (int i = 0; i < bn->n_axes; i++) {
        if (bn->axis[i] >= 0 && bn->axis[i] < x->rank) continue;
        snprintf(text, sizeof text, "Invalid axis: %d", bn->axis[i]);
        return fail(c, text);
    }
    for (int i = 0; i < bn->n_axes; i++)
        for (int k = 0; k < i; k++) {
            if (bn->axis[i] != bn->axis[k]) continue;
            print_axes(bn, axes, sizeof axes);
            snprintf(text, sizeof text, "Duplicate axis: %s", axes);
            return fail(c, text);
        }
    return true;
}

static bool check_virtual_batches(const ek_bn_call *c)
{
    const ek_batch_norm *bn = c->bn;

    if (!bn->virtual_batches) return true;
    if (bn->o.virtual_batch_size <= 0 || bn->o.virtual_batch_size > INT32_MAX)
        return fail(
            c, "virtual_batch_size must be a positive integer that divides the true batch size of the input Tensor");
    for (int i = 0; i < bn->n_axes; i++)
        if (bn->axis[i] == 0)
            return fail(c,
                        "When using virtual_batch_size, the batch dimension must be 0 and thus axis cannot include 0");
    return bn->o.adjustment.call == NULL || fail(c, "When using virtual_batch_size, adjustment cannot be specified");
}

/* Where FusedBatchNormV3 does the same. The type is not asked about: a float64 image fails in the op. */
static void choose_form(ek_batch_norm *bn, int rank)
{
    bn->fused = bn->o.fused != EK_NO && rank == 4 && !bn->o.renorm && !bn->virtual_batches &&
                bn->o.adjustment.call == NULL && bn->n_axes == 1 && (bn->axis[0] == 1 || bn->axis[0] == 3);
    bn->nchw = bn->axis[0] == 1;
}

static bool find_shapes(const ek_bn_call *c, const ek_shape *x)
{
    ek_batch_norm *bn = c->bn;
    char text[512], shape[400];

    bn->pinned = *x;
    for (int i = 0; i < x->rank; i++) bn->pinned.dim[i] = -1;
    for (int i = 0; i < bn->n_axes; i++) {
        if (x->dim[bn->axis[i]] < 0) {
            print_shape(x, shape, sizeof shape);
            snprintf(text, sizeof text, "('Input has undefined `axis` dimension. Input shape: ', %s)", shape);
            return fail(c, text);
        }
        bn->pinned.dim[bn->axis[i]] = x->dim[bn->axis[i]];
    }
    if (bn->n_axes == 1 && !bn->virtual_batches) {
        bn->param_shape = EK_SHAPE(x->dim[bn->axis[0]]);
        return true;
    }
    bn->param_shape = bn->pinned;
    for (int i = 0; i < x->rank; i++)
        if (bn->param_shape.dim[i] < 0) bn->param_shape.dim[i] = 1;
    if (!bn->virtual_batches) return true;
    if (x->rank == EK_MAX_RANK) return fail(c, "virtual batches need a dimension more than an array can have");
    for (int i = x->rank; i > 1; i--) bn->param_shape.dim[i] = bn->param_shape.dim[i - 1];
    bn->param_shape.dim[1] = 1;
    bn->param_shape.rank++;
    for (int i = 0; i < bn->n_axes; i++) bn->axis[i]++;
    return true;
}

/* A later call of the same layer. */
static bool check_pinned(const ek_bn_call *c, const ek_shape *x)
{
    const ek_batch_norm *bn = c->bn;
    char full[256];

    ek__dims_str(x, full, sizeof full);
    if (x->rank < 0)
        return ek__layer_refuse(&bn->layer, c->where,
                                "its rank is undefined, but the layer requires a defined rank.");
    if (x->rank != bn->pinned.rank)
        return ek__layer_refuse(&bn->layer, c->where, "expected ndim=%d, found ndim=%d. Full shape received: %s",
                                bn->pinned.rank, x->rank, full);
    for (int i = 0; i < x->rank; i++) {
        if (bn->pinned.dim[i] < 0 || x->dim[i] < 0 || bn->pinned.dim[i] == x->dim[i]) continue;
        return ek__layer_refuse(&bn->layer, c->where,
                                "expected axis %d of input shape to have value %lld but received input with shape %s", i,
                                (long long)bn->pinned.dim[i], full);
    }
    return true;
}

/* ---- variables ------------------------------------------------------------------------------------------- */

static ek_variable add(const ek_bn_call *c, const char *name, const ek_initializer *init, const ek_regularizer *r,
                       const ek_constraint *constraint)
{
    return ek__layer_add_weight(&c->bn->layer, &(ek_weight_args){
        .name = name, .shape = c->bn->param_shape, .dtype = c->bn->param_dtype, .initializer = init, .regularizer = r,
        .constraint = constraint, .trainable = true }, c->where);
}

/* Replicas of a model would each have their own, averaged where they are read. */
static ek_variable add_statistic(const ek_bn_call *c, const char *name, const ek_initializer *init)
{
    return ek__layer_add_weight(&c->bn->layer, &(ek_weight_args){
        .name = name, .shape = c->bn->param_shape, .dtype = c->bn->param_dtype, .initializer = init,
        .in_one = true, .synchronization = EK_SYNCHRONIZATION_ON_READ, .aggregation = EK_AGGREGATION_MEAN }, c->where);
}

/* A constant in place of a missing parameter: the fused op always takes both. */
static ek_tensor constant(const ek_bn_call *c, double v)
{
    return ek__const_filled(c->g, c->bn->param_dtype, c->bn->param_shape, v, NULL, c->where);
}

static ek_tensor sqrt_of_variance(ek_graph *g, ek_shape shape, ek_dtype dtype, void *arg)
{
    const ek_bn_call *c = arg;
    const ek_tensor v = ek__initializer_build(g, &c->bn->o.moving_variance_initializer, shape, dtype, NULL, c->where);

    return ek__op1(ek_sqrt_with, ek__of(v), NULL, c->where);
}

static ek_variable add_beside(const ek_bn_call *c, ek_variable beside, const char *name, const ek_initializer *init)
{
    const ek_op op = ek_variable_op(beside);
    ek_variable v = ek__dead_variable(c->g);

    if (!ek_op_ok(op)) return v;
    EK_IN_SCOPE(ek__colocate_push(c->g, &op.id, 1, false, c->where)) v = add_statistic(c, name, init);
    return v;
}

static void add_renorm_variables(ek_bn_call *c)
{
    ek_batch_norm *bn = c->bn;
    const ek_initializer deviation = ek_custom_initializer(sqrt_of_variance, c);

    bn->moving_stddev = add_beside(c, bn->moving_variance, "moving_stddev", &deviation);
    bn->renorm_mean = add_beside(c, bn->moving_mean, "renorm_mean", &bn->o.moving_mean_initializer);
    bn->renorm_stddev = add_beside(c, bn->moving_stddev, "renorm_stddev", &deviation);
}

static void add_variables(ek_bn_call *c)
{
    ek_batch_norm *bn = c->bn;
    const ek_batch_normalization_options *o = &bn->o;

    if (o->scale) bn->gamma = add(c, "gamma", &o->gamma_initializer, &o->gamma_regularizer, &o->gamma_constraint);
    else if (bn->fused) bn->gamma_const = constant(c, 1.0);
    if (o->center) bn->beta = add(c, "beta", &o->beta_initializer, &o->beta_regularizer, &o->beta_constraint);
    else if (bn->fused) bn->beta_const = constant(c, 0.0);
    bn->moving_mean = add_statistic(c, "moving_mean", &o->moving_mean_initializer);
    bn->moving_variance = add_statistic(c, "moving_variance", &o->moving_variance_initializer);
    if (o->renorm) add_renorm_variables(c);
}

/* ---- one call ------------------------------------------------------------------------------------------------ */

/* The first call: looks at the input and makes the variables. */
static bool build(ek_bn_call *c, const ek_shape *x)
{
    ek_batch_norm *bn = c->bn;
    const ek_dtype dtype = ek_dtype_base(ek_tensor_dtype(c->x));
    char text[300], shape[256];

    if (x->rank <= 0) {
        print_shape(x, shape, sizeof shape);
        snprintf(text, sizeof text, "('Input has undefined rank:', %s)", shape);
        return fail(c, text);
    }
    bn->param_dtype = dtype == EK_FLOAT16 || dtype == EK_BFLOAT16 ? EK_FLOAT32 : dtype;
    bn->virtual_batches = bn->o.virtual_batch_size != EK_NO_VIRTUAL_BATCHES;
    if (!resolve_axes(c, x) || !check_virtual_batches(c)) return false;
    choose_form(bn, x->rank);
    if (!find_shapes(c, x)) return false;
    add_variables(c);
    bn->layer.built = c->g->error.code == EK_OK;
    return bn->layer.built;
}

static ek_tensor call(ek_batch_norm *bn, ek_tensor x, ek_tensor training, ek_where where)
{
    ek_bn_call c = { .bn = bn, .g = bn->layer.graph, .where = where, .x = x };
    const ek_shape shape = ek_tensor_shape(x);
    ek_tensor y = ek__dead(c.g);

    if (!ek__tensor_in(c.g, x)) {
        ek__graph_fail(c.g, where, EK_INVALID_ARGUMENT, "the input of layer %s is %s", bn->layer.base_name,
                       x.graph != c.g && x.graph != NULL ? "a tensor of another graph"
                                                         : "dead: the call that made it failed");
        return y;
    }
    if (!ek__layer_ready(&bn->layer, where)) return y;
    EK_IN_SCOPE(ek__layer_enter_variables(&bn->layer, where))
        EK_IN_SCOPE(ek__layer_enter_names(&bn->layer, where)) {
            const bool fits = bn->layer.built ? check_pinned(&c, &shape) : build(&c, &shape);
            if (fits && ek__mode_of(c.g, training, &c.mode, where))
                y = bn->fused ? ek__bn_fused(&c) : ek__bn_composed(&c);
        }
    if (c.g->error.code != EK_OK) return ek__dead(c.g);
    ek__layer_add_updates(&bn->layer, c.update, c.n_updates, where);
    return y;
}

/* ---- the public calls ------------------------------------------------------------------------------------------- */

ek_tensor ek_batch_normalization_with(const ek_batch_normalization_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    ek_batch_norm *bn = create(o->x.graph, o, true, where);

    return bn != NULL ? call(bn, o->x, o->training, where) : ek__dead(o->x.graph);
}

ek_batch_norm *ek_batch_norm_layer_with(ek_graph *g, const ek_batch_normalization_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(g, o, where)) return NULL;
    return create(g, o, false, where);
}

ek_tensor ek_batch_norm_call_with(ek_batch_norm *layer, const ek_batch_norm_call_options *o, ek_where where)
{
    if (!EK_OPTIONS_OK(NULL, o, where)) return ek__dead(NULL);
    return layer != NULL ? call(layer, o->x, o->training, where) : ek__dead(o->x.graph);
}

ek_variable ek_batch_norm_gamma(const ek_batch_norm *l) { return l != NULL ? l->gamma : ek__dead_variable(NULL); }
ek_variable ek_batch_norm_beta(const ek_batch_norm *l) { return l != NULL ? l->beta : ek__dead_variable(NULL); }
ek_variable ek_batch_norm_moving_mean(const ek_batch_norm *l)
{
    return l != NULL ? l->moving_mean : ek__dead_variable(NULL);
}
ek_variable ek_batch_norm_moving_variance(const ek_batch_norm *l)
{
    return l != NULL ? l->moving_variance : ek__dead_variable(NULL);
}
