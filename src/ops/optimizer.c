/* ops/optimizer.c - optimizer steps on variables: ApplyAdam and kin, ResourceApply..., sparse forms.
 *
 * One prepared form for all: which kernel, which inputs are what (optimizer.h). A sparse
 * step is the dense one on the rows named by `indices`, one after the other, so that a row
 * that comes twice is updated twice. Chunks of a sparse step own ranges of rows: each looks
 * at all indices and does its own.
 */
#include "ops/optimizer.h"

#include <ctype.h>

#include "kernels/loops.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/rules.h"
#include "ops/slot.h"

enum { CHUNK = EK_ELEMENTWISE_CHUNK };

/* ---- attributes ------------------------------------------------------------------------------------- */

typedef struct update_attrs {
    bool use_locking, use_nesterov, update_slots, multiply_linear_by_lr;
} update_attrs;

static const ek_field plain_fields[] = { EK_FIELD(update_attrs, use_locking, BOOL) };
static const ek_field nesterov_fields[] = {
    EK_FIELD(update_attrs, use_locking, BOOL),
    EK_FIELD(update_attrs, use_nesterov, BOOL),
};
static const ek_field slots_fields[] = {
    EK_FIELD(update_attrs, use_locking, BOOL),
    EK_FIELD(update_attrs, update_slots, BOOL),
};
static const ek_field by_rate_fields[] = {
    EK_FIELD(update_attrs, use_locking, BOOL),
    EK_FIELD_LATER(update_attrs, multiply_linear_by_lr, BOOL),
};

static bool always_plain(const update_attrs *a)
{
    EK_UNUSED(a);
    return false;
}
static bool by_nesterov(const update_attrs *a) { return a->use_nesterov; }
static bool by_slots(const update_attrs *a) { return !a->update_slots; }
static bool by_rate(const update_attrs *a) { return a->multiply_linear_by_lr; }

/* ---- optimizers -------------------------------------------------------------------------------------- */

/* n_in counts the inputs of the dense form; a sparse one has its indices behind the gradient. Places of kernels in the
 * table are by type, of the plain form and of the one that `other` asks for. */
typedef struct optimizer {
    int n_vars, n_in, grad;
    bool (*other)(const update_attrs *a);
    uint16_t kernel[2][EK_DTYPE_COUNT];
} optimizer;

#define KERNEL_AT(name, type) [EK_LOOP_DTYPE_##type] = (uint16_t)offsetof(ek_kernels, update_##name##_##type),
#define KERNELS(name) { EK_TYPES_FLOAT(KERNEL_AT, name) }
#define OPTIMIZER(name, n_vars, n_in, grad, other, other_name)                                            \
    enum { VARS_OF(name) = (1 << (n_vars)) - 1 };                                                         \
    static const optimizer name = { n_vars, n_in, grad, other, { KERNELS(name), KERNELS(other_name) } };
#define VARS_OF(name) name##_vars

OPTIMIZER(ada_max, 3, 9, 8, always_plain, ada_max)
OPTIMIZER(adadelta, 3, 7, 6, always_plain, adadelta)
OPTIMIZER(adagrad, 2, 4, 3, by_slots, adagrad_fixed)
OPTIMIZER(adagrad_da, 3, 8, 3, always_plain, adagrad_da)
OPTIMIZER(adagrad_v2, 2, 5, 4, by_slots, adagrad_v2_fixed)
OPTIMIZER(adam, 3, 10, 9, by_nesterov, adam_nesterov)
OPTIMIZER(add_sign, 2, 7, 6, always_plain, add_sign)
OPTIMIZER(amsgrad, 4, 11, 10, always_plain, amsgrad)
OPTIMIZER(centered_rms_prop, 4, 9, 8, always_plain, centered_rms_prop)
OPTIMIZER(ftrl, 3, 8, 3, by_rate, ftrl_by_rate)
OPTIMIZER(ftrl_v2, 3, 9, 3, by_rate, ftrl_v2_by_rate)
OPTIMIZER(gradient_descent, 1, 3, 2, always_plain, gradient_descent)
OPTIMIZER(keras_momentum, 2, 5, 3, by_nesterov, keras_nesterov)
OPTIMIZER(momentum, 2, 5, 3, by_nesterov, nesterov)
OPTIMIZER(power_sign, 2, 7, 6, always_plain, power_sign)
OPTIMIZER(proximal_adagrad, 2, 6, 5, always_plain, proximal_adagrad)
OPTIMIZER(proximal_gradient_descent, 1, 5, 4, always_plain, proximal_gradient_descent)
OPTIMIZER(rms_prop, 3, 8, 7, always_plain, rms_prop)

static bool is_sparse(const optimizer *o, int n_in) { return n_in > o->n_in; }

static bool is_scalar(const optimizer *o, int n_in, int i)
{
    return i >= o->n_vars && i != o->grad && !(is_sparse(o, n_in) && i == o->grad + 1);
}

/* ---- shapes ------------------------------------------------------------------------------------------- */

/* An input's name, for sentences. */
typedef struct input_name {
    char text[32];
} input_name;

static input_name name_of(const ek_op_def *def, int i)
{
    const char *at = def->inputs;
    input_name name = { "" };
    size_t n = 0;

    for (; i > 0; i--) at = strchr(at, ',') + 2;
    for (; n + 1 < sizeof name.text && (isalnum((unsigned char)at[n]) || at[n] == '_'); n++) name.text[n] = at[n];
    return name;
}
#define NAME(def, i) (name_of((def), (i)).text)

static const ek_shape *var_shape(const ek_shape_ctx *c, int i)
{
    return c->in_dtype[i] == EK_RESOURCE ? &c->in_handle[i] : &c->in[i];
}

/* The gradient of a sparse step: rows like the variable's, as many as there are indices. */
static ek_status sparse_gradient(ek_shape_ctx *c, const optimizer *o, const ek_shape *var)
{
    const ek_shape *grad = &c->in[o->grad], *indices = &c->in[o->grad + 1];
    ek_shape rows = *grad, both;

    if (c->running && var->rank == 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "var must be at least 1 dimensional");
    if (c->running && indices->rank > 0 && indices->rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "indices must be one-dimensional");
    EK_TRY(ek__want_rank(c, o->grad + 1, 1));
    if (grad->rank < 0) return EK_OK;
    EK_TRY(ek__want_rank_at_least(c, o->grad, 1));
    rows.dim[0] = var->rank > 0 ? var->dim[0] : -1;
    if (c->running && var->rank == grad->rank) {
        for (int32_t d = 1; d < var->rank; d++)
            if (var->dim[d] != grad->dim[d])
                return EK_FAIL(c->err, INVALID_ARGUMENT, "var and grad must match in dimension %d", d);
    }
    EK_TRY(ek__merge_shapes(c, var, &rows, &both));
    if (indices->rank != 1 || indices->dim[0] < 0 || grad->dim[0] < 0 || indices->dim[0] == grad->dim[0]) return EK_OK;
    if (c->running)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "grad must be the same size as indices in the first dimension.");
    return EK_FAIL(c->err, INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld",
                   (long long)grad->dim[0], (long long)indices->dim[0]);
}

static ek_status same_as_var(ek_shape_ctx *c, int i, const ek_shape *shape, ek_shape *var)
{
    if (c->running && !ek_shape_compatible(var, shape))
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s and %s do not have the same shape%s %s", NAME(c->def, 0),
                       NAME(c->def, i), EK_CC(var), EK_CC(shape));
    return ek__merge_shapes(c, var, shape, var);
}

static ek_status update_shape(ek_shape_ctx *c, const optimizer *o)
{
    ek_shape var = *var_shape(c, 0);

    for (int i = 0; i < c->n_in; i++) {
        if (!is_scalar(o, c->n_in, i)) continue;
        if (c->running && c->in[i].rank > 0)
            return EK_FAIL(c->err, INVALID_ARGUMENT, "%s is not a scalar: %s", NAME(c->def, i), EK_CC(&c->in[i]));
        EK_TRY(ek__want_rank(c, i, 0));
    }
    for (int i = 1; i < o->n_vars; i++) EK_TRY(same_as_var(c, i, var_shape(c, i), &var));
    if (is_sparse(o, c->n_in))
        EK_TRY(sparse_gradient(c, o, &var));
    else
        EK_TRY(same_as_var(c, o->grad, &c->in[o->grad], &var));
    if (c->n_out > 0) c->out[0] = var;
    return EK_OK;
}

/* ---- running ------------------------------------------------------------------------------------------- */

void ek__update_scalars(const ek_update *u, const void *const *in, ek_update_scalars *out)
{
    const size_t size = ek_dtype_size(u->work);

    for (int k = 0; k < u->n_scalars; k++) {
        void *const to = (char *)out + (size_t)k * size;

        if (u->scalar_dtype[k] == u->work) memcpy(to, in[u->scalar[k]], size);
        else ek__convert(u->scalar_dtype[k], in[u->scalar[k]], u->work, to, 1);
    }
}

static ek_status refuse_var(const ek_update *u, const ek_slot *slot, int i, ek_error *err)
{
    if (slot->value == NULL && u->def->stateful) return EK_FAIL(err, INTERNAL, "Invalid variable reference.");
    if (slot->value == NULL)
        return EK_FAIL(err, FAILED_PRECONDITION, "Attempting to use uninitialized value %s", slot->name);
    if (slot->dtype != u->dtype)
        return EK_FAIL(err, INVALID_ARGUMENT, "Trying to update variable with wrong dtype. Expected %s got %s",
                       ek_dtype_cc_name(slot->dtype), ek_dtype_cc_name(u->dtype));
    return EK_FAIL(err, INVALID_ARGUMENT, "%s and %s do not have the same shape%s %s", NAME(u->def, i),
                   NAME(u->def, u->grad), EK_CC(&slot->value->shape), EK_CC(&u->shape));
}

/* The plan knew the shapes; a variable may have changed since. */
ek_status ek__update_open(const ek_update *u, const ek_run_args *a)
{
    for (int i = 0; i < u->n_vars; i++) {
        const ek_slot *slot = a->slot[i];

        if (slot->value == NULL || slot->dtype != u->dtype ||
            !ek_shape_compatible(&slot->value->shape, &u->shape) ||
            slot->value->count != a->slot[0]->value->count)
            return refuse_var(u, slot, i, a->err);
    }
    for (int i = 0; i < u->n_vars; i++) EK_TRY(ek__slot_own(a->slot[i], a->err));
    return EK_OK;
}

void ek__update_elements(const ek_update *u, ek_slot *const *slot, const ek_update_scalars *scalars, const void *grad,
                         int64_t from, int64_t n)
{
    const size_t at = (size_t)from * ek_dtype_size(u->dtype);
    void *var[EK_UPDATE_MAX_VARS];

    for (int k = 0; k < u->n_vars; k++) var[k] = (char *)slot[k]->value->data + at;
    u->fn(n, var, grad, scalars);
}

static ek_status open_run(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    return ek__update_open(a->state, a);
}

static void dense_range(const ek_run_args *a, int64_t from, int64_t n)
{
    const ek_update *const u = a->state;
    ek_update_scalars scalars;

    ek__update_scalars(u, a->in, &scalars);
    ek__update_elements(u, a->slot, &scalars, (const char *)a->in[u->grad] + (size_t)from * ek_dtype_size(u->dtype),
                        from, n);
}

static ek_status dense_run(const ek_run_args *a, int64_t chunk)
{
    const ek_update *const u = a->state;
    const int64_t from = chunk * CHUNK;

    dense_range(a, from, u->count - from < CHUNK ? u->count - from : CHUNK);
    return EK_OK;
}

/* What fits one chunk is one call. */
static ek_status small_run(const ek_run_args *a, int64_t chunk)
{
    EK_TRY(ek__update_open(a->state, a));
    return dense_run(a, chunk);
}

/* ---- sparse ----------------------------------------------------------------------------------------------- */

static ek_status sparse_open(const ek_run_args *a, int64_t chunk)
{
    const ek_update *const u = a->state;

    EK_UNUSED(chunk);
    EK_TRY(ek__update_open(u, a));
    const int64_t rows = a->slot[0]->value->shape.dim[0];
    for (int64_t i = 0; i < u->n_indices; i++) {
        const int64_t row = ek__get_int(u->index_dtype, a->in[u->indices], i);

        if (row >= 0 && row < rows) continue;
        if (u->is_keras)
            return EK_FAIL(a->err, INVALID_ARGUMENT, "indices[%lld] = %lld is not in [0, %lld)", (long long)i,
                           (long long)row, (long long)rows);
        return EK_FAIL(a->err, INVALID_ARGUMENT, "Index %lld at offset %lld in indices is out of range",
                       (long long)row, (long long)i);
    }
    return EK_OK;
}

static ek_status sparse_run(const ek_run_args *a, int64_t chunk)
{
    const ek_update *const u = a->state;
    const int64_t rows = a->slot[0]->value->shape.dim[0];
    const int64_t from = ek__part_begin(rows, u->chunks, chunk), to = ek__part_begin(rows, u->chunks, chunk + 1);
    const size_t row_bytes = (size_t)u->count * ek_dtype_size(u->dtype);
    ek_update_scalars scalars;

    ek__update_scalars(u, a->in, &scalars);
    for (int64_t i = 0; i < u->n_indices; i++) {
        const int64_t row = ek__get_int(u->index_dtype, a->in[u->indices], i);

        if (row >= from && row < to)
            ek__update_elements(u, a->slot, &scalars, (const char *)a->in[u->grad] + (size_t)i * row_bytes,
                                row * u->count, u->count);
    }
    return EK_OK;
}

/* ---- preparing ---------------------------------------------------------------------------------------------- */

/* NULL: none for elements of type t. */
static ek_update_fn kernel_of(const optimizer *o, const update_attrs *a, ek_dtype t)
{
    const uint16_t at = o->kernel[o->other(a)][t];
    ek_update_fn fn = NULL;

    if (at != 0) memcpy(&fn, (const char *)ek__kernels() + at, sizeof fn);
    return fn;
}

/* How many rows the variable has is seen when it runs. */
static void prepare_sparse(ek_prepare_ctx *c, ek_update *u)
{
    const int64_t elements = u->count;

    u->indices = u->grad + 1;
    u->index_dtype = c->in_dtype[u->indices];
    u->n_indices = c->in[u->indices].dim[0];
    u->count = u->n_indices > 0 ? elements / u->n_indices : 0;
    u->shape.dim[0] = -1;
    u->chunks = (elements + CHUNK - 1) / CHUNK;
    ek__add_phase(c, sparse_open, 1);
    ek__add_phase(c, sparse_run, u->chunks);
}

static ek_status update_prepare(ek_prepare_ctx *c, const optimizer *o)
{
    ek_update *const u = EK_ARENA_NEW(c->arena, ek_update, 1);
    const ek_dtype t = c->in_dtype[o->grad];

    if (u == NULL) return ek__no_memory(c);
    *u = (ek_update){ .def = c->def, .fn = kernel_of(o, c->attrs, t), .dtype = t,
                      .work = t == EK_FLOAT64 ? t : EK_FLOAT32, .n_vars = o->n_vars, .n_in = c->n_in, .grad = o->grad };
    if (u->fn == NULL)
        return EK_FAIL(c->err, UNIMPLEMENTED, "%s has no kernel for %s", c->def->name, ek_dtype_name(t));
    u->is_keras = o == &keras_momentum;
    u->shape = c->in[o->grad];
    u->count = ek_shape_count(&u->shape);
    for (int i = 0; i < c->n_in; i++) {
        if (!is_scalar(o, c->n_in, i)) continue;
        u->scalar_dtype[u->n_scalars] = c->in_dtype[i];
        u->scalar[u->n_scalars++] = i;
    }
    c->state = u;
    if (is_sparse(o, c->n_in)) {
        prepare_sparse(c, u);
        return EK_OK;
    }
    c->range_open = open_run;
    c->range = dense_range;
    c->range_input = o->grad;
    if (u->count <= CHUNK) {
        ek__add_phase(c, small_run, 1);
    } else {
        ek__add_phase(c, open_run, 1);
        ek__add_phase(c, dense_run, (u->count + CHUNK - 1) / CHUNK);
    }
    return EK_OK;
}

/* ---- definitions ---------------------------------------------------------------------------------------------- */

#define TYPES                                                                                                \
    "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, "      \
    "uint16, complex128, half, uint32, uint64}; "
#define INDEX_TYPES "Tindices: {int32, int64}; "
#define plain_attrs "use_locking: bool = false"
#define nesterov_attrs plain_attrs "; use_nesterov: bool = false"
#define slots_attrs plain_attrs "; update_slots: bool = true"
#define by_rate_attrs plain_attrs "; multiply_linear_by_lr: bool = false later"
#define REF(name) name ": Ref(T), "
#define HANDLE(name) name ": resource, "

#define DEFINITION(Name, optimizer, inputs_, outputs_, attrs_, fields_, refers)                               \
    static ek_status Name##_shape(ek_shape_ctx *c) { return update_shape(c, &optimizer); }                    \
    static ek_status Name##_prepare(ek_prepare_ctx *c) { return update_prepare(c, &optimizer); }              \
    const ek_op_def ek__op_##Name = {                                                                         \
        .name = #Name, .kind = EK_KIND_EFFECT, .stateful = !(refers), .inputs = inputs_, .outputs = outputs_, \
        .attrs = attrs_, .attrs_size = sizeof(update_attrs), .fields = fields_,                               \
        .n_fields = EK_COUNT_OF(fields_), .shape = Name##_shape, .prepare = Name##_prepare,                   \
        .writes = VARS_OF(optimizer), .ref_output = (refers) ? 1 : 0, .no_grad_because = "it writes",         \
    };

/* One optimizer's ops, dense and sparse, on references and on resources. VARS is a list of the variables' names, BEFORE
 * and AFTER are the inputs around the gradient, KIND says which attributes there are. */
#define DENSE_REF(Name, o, VARS, BEFORE, GRAD, AFTER, KIND)                                                 \
    DEFINITION(Apply##Name, o, VARS(REF) BEFORE GRAD ": T" AFTER, "out: Ref(T)", TYPES KIND##_attrs,        \
               KIND##_fields, true)
#define DENSE_RESOURCE(Name, o, VARS, BEFORE, GRAD, AFTER, KIND)                                            \
    DEFINITION(ResourceApply##Name, o, VARS(HANDLE) BEFORE GRAD ": T" AFTER, "", TYPES KIND##_attrs,        \
               KIND##_fields, false)
#define SPARSE_REF(Name, o, VARS, BEFORE, AFTER, KIND)                                                      \
    DEFINITION(SparseApply##Name, o, VARS(REF) BEFORE "grad: T, indices: Tindices" AFTER, "out: Ref(T)",    \
               TYPES INDEX_TYPES KIND##_attrs, KIND##_fields, true)
#define SPARSE_RESOURCE(Name, o, VARS, BEFORE, AFTER, KIND)                                                 \
    DEFINITION(ResourceSparseApply##Name, o, VARS(HANDLE) BEFORE "grad: T, indices: Tindices" AFTER, "",    \
               TYPES INDEX_TYPES KIND##_attrs, KIND##_fields, false)
#define DENSE(Name, o, VARS, BEFORE, GRAD, AFTER, KIND)           \
    DENSE_REF(Name, o, VARS, BEFORE, GRAD, AFTER, KIND)           \
    DENSE_RESOURCE(Name, o, VARS, BEFORE, GRAD, AFTER, KIND)
#define SPARSE(Name, o, VARS, BEFORE, AFTER, KIND)                \
    SPARSE_REF(Name, o, VARS, BEFORE, AFTER, KIND)                \
    SPARSE_RESOURCE(Name, o, VARS, BEFORE, AFTER, KIND)

#define VAR(X) X("var")
#define VAR_M(X) X("var") X("m")
#define VAR_M_V(X) X("var") X("m") X("v")
#define VAR_M_V_VHAT(X) X("var") X("m") X("v") X("vhat")
#define VAR_ACCUM(X) X("var") X("accum")
#define VAR_ACCUM_UPDATE(X) X("var") X("accum") X("accum_update")
#define VAR_ACCUM_LINEAR(X) X("var") X("accum") X("linear")
#define VAR_ACCUMULATORS(X) X("var") X("gradient_accumulator") X("gradient_squared_accumulator")
#define VAR_MS_MOM(X) X("var") X("ms") X("mom")
#define VAR_MG_MS_MOM(X) X("var") X("mg") X("ms") X("mom")
#define ADAM_INPUTS "beta1_power: T, beta2_power: T, lr: T, beta1: T, beta2: T, epsilon: T, "
#define RMS_INPUTS "lr: T, rho: T, momentum: T, epsilon: T, "

DENSE(AdaMax, ada_max, VAR_M_V, "beta1_power: T, lr: T, beta1: T, beta2: T, epsilon: T, ", "grad", "", plain)
DENSE(Adadelta, adadelta, VAR_ACCUM_UPDATE, "lr: T, rho: T, epsilon: T, ", "grad", "", plain)
SPARSE(Adadelta, adadelta, VAR_ACCUM_UPDATE, "lr: T, rho: T, epsilon: T, ", "", plain)
DENSE(Adagrad, adagrad, VAR_ACCUM, "lr: T, ", "grad", "", slots)
SPARSE(Adagrad, adagrad, VAR_ACCUM, "lr: T, ", "", slots)
DENSE(AdagradDA, adagrad_da, VAR_ACCUMULATORS, "", "grad", ", lr: T, l1: T, l2: T, global_step: int64", plain)
SPARSE(AdagradDA, adagrad_da, VAR_ACCUMULATORS, "", ", lr: T, l1: T, l2: T, global_step: int64", plain)
DENSE(AdagradV2, adagrad_v2, VAR_ACCUM, "lr: T, epsilon: T, ", "grad", "", slots)
SPARSE(AdagradV2, adagrad_v2, VAR_ACCUM, "lr: T, epsilon: T, ", "", slots)
DENSE(Adam, adam, VAR_M_V, ADAM_INPUTS, "grad", "", nesterov)
DENSE_RESOURCE(AdamWithAmsgrad, amsgrad, VAR_M_V_VHAT, ADAM_INPUTS, "grad", "", plain)
DENSE(AddSign, add_sign, VAR_M, "lr: T, alpha: T, sign_decay: T, beta: T, ", "grad", "", plain)
DENSE(CenteredRMSProp, centered_rms_prop, VAR_MG_MS_MOM, RMS_INPUTS, "grad", "", plain)
SPARSE(CenteredRMSProp, centered_rms_prop, VAR_MG_MS_MOM, RMS_INPUTS, "", plain)
DENSE(Ftrl, ftrl, VAR_ACCUM_LINEAR, "", "grad", ", lr: T, l1: T, l2: T, lr_power: T", by_rate)
SPARSE(Ftrl, ftrl, VAR_ACCUM_LINEAR, "", ", lr: T, l1: T, l2: T, lr_power: T", by_rate)
DENSE(FtrlV2, ftrl_v2, VAR_ACCUM_LINEAR, "", "grad", ", lr: T, l1: T, l2: T, l2_shrinkage: T, lr_power: T", by_rate)
SPARSE(FtrlV2, ftrl_v2, VAR_ACCUM_LINEAR, "", ", lr: T, l1: T, l2: T, l2_shrinkage: T, lr_power: T", by_rate)
DENSE(GradientDescent, gradient_descent, VAR, "alpha: T, ", "delta", "", plain)
DENSE_RESOURCE(KerasMomentum, keras_momentum, VAR_ACCUM, "lr: T, ", "grad", ", momentum: T", nesterov)
SPARSE_RESOURCE(KerasMomentum, keras_momentum, VAR_ACCUM, "lr: T, ", ", momentum: T", nesterov)
DENSE(Momentum, momentum, VAR_ACCUM, "lr: T, ", "grad", ", momentum: T", nesterov)
SPARSE(Momentum, momentum, VAR_ACCUM, "lr: T, ", ", momentum: T", nesterov)
DENSE(PowerSign, power_sign, VAR_M, "lr: T, logbase: T, sign_decay: T, beta: T, ", "grad", "", plain)
DENSE(ProximalAdagrad, proximal_adagrad, VAR_ACCUM, "lr: T, l1: T, l2: T, ", "grad", "", plain)
SPARSE(ProximalAdagrad, proximal_adagrad, VAR_ACCUM, "lr: T, l1: T, l2: T, ", "", plain)
DENSE(ProximalGradientDescent, proximal_gradient_descent, VAR, "alpha: T, l1: T, l2: T, ", "delta", "", plain)
SPARSE(ProximalGradientDescent, proximal_gradient_descent, VAR, "alpha: T, l1: T, l2: T, ", "", plain)
DENSE(RMSProp, rms_prop, VAR_MS_MOM, RMS_INPUTS, "grad", "", plain)
SPARSE(RMSProp, rms_prop, VAR_MS_MOM, RMS_INPUTS, "", plain)
