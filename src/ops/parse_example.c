/* ops/parse_example.c - tf.Example records as tensors: ParseExample of a batch, ParseSingleExample of one.
 *
 * A sparse feature is a sparse tensor with what each record holds, a dense one a row of the same size for each; a record
 * without it takes the default. A dense feature whose first dimension is unknown is as long as the longest record's, padded
 * with the default. The rule reads the records to know how much there is, the run reads them again.
 */
#include "evenkeel/records.h"
#include "ops/move.h"
#include "ops/rules.h"

typedef struct parse_attrs {
    ek_types sparse_types, Tdense;
    ek_shapes dense_shapes;
    ek_strings sparse_keys, dense_keys; /* of ParseSingleExample */
} parse_attrs;

enum { SERIALIZED, NAMES, KEYS };      /* of ParseExample: then sparse keys, dense keys, defaults */
enum { SINGLE_DEFAULTS = 1 };

/* What is asked for. */
typedef struct wanted {
    bool single;
    int n_sparse, n_dense, first_default;
    const char **key;                  /* sparse ones first */
    const ek_dtype *sparse_type, *dense_type;
    const ek_shape *dense;             /* of one record */
    int64_t *default_count, *row;      /* per dense feature; elements of a row, of one stride while that is not known */
} wanted;

static bool is_variable(const ek_shape *s) { return s->rank > 0 && s->dim[0] < 0; }

/* Where records go; `out` NULL: they are counted. */
typedef struct sink {
    int64_t *at;      /* per sparse feature: values so far; then per dense feature: the longest, in strides */
    int64_t *longest; /* per sparse feature: of one record */
    void *const *out;
    const void *const *in;
    const ek_string *names; /* NULL: none */
} sink;

/* ---- one record -------------------------------------------------------------------------------------------- */

/* "Name: n0, " of a batch, nothing of a single record. */
typedef struct who { char text[240]; } who;
static who who_is(const wanted *w, const sink *s, int64_t b)
{
    who name = { "" };

    if (!w->single)
        snprintf(name.text, sizeof name.text, "Name: %.200s, ",
                 s->names != NULL && s->names[b].size > 0 ? s->names[b].data : "<unknown>");
    return name;
}

/* The values of a feature; NULL where the record has none by that name. */
static ek_status feature(const ek_example *e, const char *key, ek_array **out, ek_error *err)
{
    ek_dtype dtype;

    *out = NULL;
    for (int64_t i = 0; i < ek_example_count(e); i++)
        if (strcmp(ek_example_name(e, i, &dtype), key) == 0)
            return dtype != EK_DTYPE_NONE ? ek_example_get(e, key, out, err) : EK_OK;
    return EK_OK;
}

static ek_status take_sparse(const wanted *w, const sink *s, int64_t b, int i, const ek_array *x, ek_error *err)
{
    const ek_dtype t = w->sparse_type[i];
    const int64_t at = s->at[i];

    if (x->dtype != t)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "%sKey: %s, Index: %lld.  Data types don't match. Expected type: %s, Actual type: %s",
                       who_is(w, s, b).text, w->key[i], (long long)b, ek_dtype_cc_name(t), ek_dtype_cc_name(x->dtype));
    s->at[i] += x->count;
    if (x->count > s->longest[i]) s->longest[i] = x->count;
    if (s->out == NULL) return EK_OK;
    for (int64_t k = 0; k < x->count; k++) {
        int64_t *const place = (int64_t *)s->out[i] + (at + k) * (w->single ? 1 : 2);

        if (!w->single) place[0] = b;
        place[w->single ? 0 : 1] = k;
    }
    return ek__move(t, (char *)s->out[w->n_sparse + i] + (size_t)at * ek_dtype_size(t), x->data, x->count, err);
}

static ek_status check_dense(const wanted *w, const sink *s, int64_t b, int d, const ek_array *x, ek_error *err)
{
    const ek_dtype t = w->dense_type[d];
    const ek_shape *const shape = &w->dense[d];
    const char *const key = w->key[w->n_sparse + d];
    int64_t stride = 1;

    if (x->dtype != t)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "%sKey: %s, Index: %lld.  Data types don't match. Data type: %s but expected type: %s",
                       who_is(w, s, b).text, key, (long long)b, ek_dtype_cc_name(x->dtype), ek_dtype_cc_name(t));
    for (int i = is_variable(shape); i < shape->rank; i++) stride *= shape->dim[i];
    if (is_variable(shape) && (stride == 0 ? x->count != 0 : x->count % stride != 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "%sKey: %s, Index: %lld.  Number of %s values is not a multiple of stride "
                       "length. Saw %lld values but output shape is: %s", who_is(w, s, b).text, key, (long long)b,
                       ek_dtype_cc_name(t), (long long)x->count, EK_CC(shape));
    if (!is_variable(shape) && x->count != stride)
        return EK_FAIL(err, INVALID_ARGUMENT, "%sKey: %s, Index: %lld.  Number of %s values != expected.  Values size: "
                       "%lld but output shape: %s", who_is(w, s, b).text, key, (long long)b, ek_dtype_cc_name(t),
                       (long long)x->count, EK_CC(shape));
    if (is_variable(shape) && stride > 0 && x->count / stride > s->at[w->n_sparse + d])
        s->at[w->n_sparse + d] = x->count / stride;
    return EK_OK;
}

/* x NULL: the default, whole; of a variable length its one element behind what there is. */
static ek_status take_dense(const wanted *w, const sink *s, int64_t b, int d, const ek_array *x, ek_error *err)
{
    const ek_dtype t = w->dense_type[d];
    const size_t size = ek_dtype_size(t);
    int64_t n = 0;
    char *row;

    if (x != NULL) EK_TRY(check_dense(w, s, b, d, x, err));
    if (x == NULL && w->default_count[d] == 0 && !is_variable(&w->dense[d]))
        return EK_FAIL(err, INVALID_ARGUMENT, "%sFeature: %s (data type: %s) is required but could not be found.",
                       who_is(w, s, b).text, w->key[w->n_sparse + d], ek_dtype_cc_name(t));
    if (s->out == NULL) return EK_OK;
    row = (char *)s->out[3 * w->n_sparse + d] + (size_t)(b * w->row[d]) * size;
    if (x != NULL) {
        n = x->count;
        if (n > w->row[d]) return EK_FAIL(err, INTERNAL, "records changed while they were counted");
        EK_TRY(ek__move(t, row, x->data, n, err));
    } else if (!is_variable(&w->dense[d])) {
        return ek__move(t, row, s->in[w->first_default + d], w->row[d], err);
    }
    for (; n < w->row[d]; n++) EK_TRY(ek__move(t, row + (size_t)n * size, s->in[w->first_default + d], 1, err));
    return EK_OK;
}

static ek_status take(const wanted *w, const sink *s, int64_t b, const ek_example *e, ek_error *err)
{
    for (int i = 0; i < w->n_sparse + w->n_dense; i++) {
        ek_status st = EK_OK;
        ek_array *x;

        EK_TRY(feature(e, w->key[i], &x, err));
        if (i >= w->n_sparse) st = take_dense(w, s, b, i - w->n_sparse, x, err);
        else if (x != NULL) st = take_sparse(w, s, b, i, x, err);
        ek_array_unref(x);
        if (st != EK_OK) return st;
    }
    return EK_OK;
}

static ek_status take_all(const wanted *w, const sink *s, const ek_string *records, int64_t n, ek_error *err)
{
    ek_error why = { .code = EK_OK };

    for (int64_t b = 0; b < n; b++) {
        ek_example *e;
        ek_status st = ek_example_parse(records[b].data, records[b].size, &e, &why);

        if (st == EK_RESOURCE_EXHAUSTED) return EK_FAIL(err, RESOURCE_EXHAUSTED, "%s", why.text);
        if (st != EK_OK)
            return EK_FAIL(err, INVALID_ARGUMENT, "Could not parse example input, record %lld: %s", (long long)b, why.text);
        st = take(w, s, b, e, err);
        ek_example_free(e);
        if (st != EK_OK) return st;
    }
    return EK_OK;
}

/* ---- what is asked for ----------------------------------------------------------------------------------------- */

static ek_status check_default(const ek_shape *shape, const ek_shape *given, int d, ek_error *err)
{
    const int64_t n = ek_shape_count(given);

    if (is_variable(shape) && n >= 0 && n != 1)
        return EK_FAIL(err, INVALID_ARGUMENT, "dense_shape[%d] is a variable length shape: %s, therefore def_value[%d] "
                       "must contain a single element (the padding element).  But its shape is: %s", d, EK_CC(shape), d,
                       EK_CC(given));
    if (!is_variable(shape) && n > 0 && !ek_shape_compatible(shape, given))
        return EK_FAIL(err, INVALID_ARGUMENT, "def_value[%d].shape() == %s is not compatible with dense_shapes_[%d] == %s",
                       d, EK_CC(given), d, EK_CC(shape));
    return EK_OK;
}

static ek_status check_attrs(const parse_attrs *a, bool single, int n_in, ek_error *err)
{
    const int n_sparse = a->sparse_types.count, n_dense = a->Tdense.count;

    if (a->dense_shapes.count != n_dense)
        return EK_FAIL(err, INVALID_ARGUMENT, "%d dense features, but %d shapes of them", n_dense, (int)a->dense_shapes.count);
    if (n_in != (single ? 1 + n_dense : 2 + n_sparse + 2 * n_dense))
        return EK_FAIL(err, INVALID_ARGUMENT, "as many keys as types of features were expected");
    if (single && (a->sparse_keys.count != n_sparse || a->dense_keys.count != n_dense))
        return EK_FAIL(err, INVALID_ARGUMENT, "as many keys as types of features were expected");
    for (int d = 0; d < n_dense; d++) {
        ek_shape inner = a->dense_shapes.at[d];

        if (is_variable(&inner)) inner.dim[0] = 1;
        if (!ek_shape_is_known(&inner))
            return EK_FAIL(err, INVALID_ARGUMENT, "dense_shapes[%d] has unknown rank or unknown inner dimensions: %s", d,
                           EK_CC(&a->dense_shapes.at[d]));
    }
    return EK_OK;
}

/* Keys are known: attributes, or values. */
static ek_status ask(const parse_attrs *a, bool single, const ek_shape *in, const ek_array *const *in_value, ek_arena *arena,
                     wanted *w, ek_error *err)
{
    const int n_sparse = a->sparse_types.count, n_dense = a->Tdense.count, n = n_sparse + n_dense;

    *w = (wanted){ .single = single, .n_sparse = n_sparse, .n_dense = n_dense, .sparse_type = a->sparse_types.at,
                   .dense_type = a->Tdense.at, .dense = a->dense_shapes.at,
                   .first_default = single ? SINGLE_DEFAULTS : KEYS + n };
    w->key = EK_ARENA_NEW(arena, const char *, n + 1);
    w->default_count = EK_ARENA_NEW(arena, int64_t, 2 * n_dense + 1);
    if (w->key == NULL || w->default_count == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to read records");
    w->row = w->default_count + n_dense;
    for (int i = 0; i < n; i++) {
        const ek_string *const s = !single ? in_value[KEYS + i]->data
                                 : i < n_sparse ? &a->sparse_keys.at[i] : &a->dense_keys.at[i - n_sparse];

        if (!single && in_value[KEYS + i]->count != 1)
            return EK_FAIL(err, INVALID_ARGUMENT, "the key of a feature is one string, found shape %s",
                           EK_CC(&in_value[KEYS + i]->shape));
        w->key[i] = ek__arena_strndup(arena, s->size > 0 ? s->data : "", s->size);
        if (w->key[i] == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to read records");
    }
    for (int d = 0; d < n_dense; d++) {
        const ek_shape *const given = &in[w->first_default + d];

        EK_TRY(check_default(&w->dense[d], given, d, err));
        w->default_count[d] = ek_shape_count(given);
    }
    return EK_OK;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

static bool keys_known(const ek_shape_ctx *c, bool single, int n)
{
    for (int i = 0; !single && i < n; i++)
        if (c->in_value[KEYS + i] == NULL) return false;
    return c->in_value[SERIALIZED] != NULL;
}

/* Counts what the records hold: values of each sparse feature, the longest of each dense one. */
static ek_status count(const ek_shape_ctx *c, bool single, int64_t *found)
{
    const ek_array *const records = c->in_value[SERIALIZED];
    ek_arena arena = { .block_size = 1024 };
    wanted w;
    ek_status st = ask(c->attrs, single, c->in, c->in_value, &arena, &w, c->err);
    int64_t *const longest = st == EK_OK ? EK_ARENA_NEW(&arena, int64_t, w.n_sparse + 1) : NULL;

    if (st == EK_OK && longest == NULL) st = EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to read records");
    if (st == EK_OK) {
        const ek_array *const names = single ? NULL : c->in_value[NAMES];
        const sink s = { .at = found, .longest = longest,
                         .names = names != NULL && names->count == records->count ? names->data : NULL };

        st = take_all(&w, &s, records->data, records->count, c->err);
    }
    ek__arena_fini(&arena);
    return st;
}

static ek_status put_shapes(ek_shape_ctx *c, bool single, const int64_t *found)
{
    const parse_attrs *const a = c->attrs;
    const int n_sparse = a->sparse_types.count, n_dense = a->Tdense.count;
    const int64_t batch = c->in[SERIALIZED].rank == 1 ? c->in[SERIALIZED].dim[0] : -1;

    for (int i = 0; i < n_sparse; i++) {
        c->out[i] = EK_SHAPE(found != NULL ? found[i] : -1, single ? 1 : 2);
        c->out[n_sparse + i] = ek__vector(found != NULL ? found[i] : -1);
        c->out[2 * n_sparse + i] = ek__vector(single ? 1 : 2);
    }
    for (int d = 0; d < n_dense; d++) {
        ek_shape s = a->dense_shapes.at[d];

        if (is_variable(&s)) s.dim[0] = found != NULL ? found[n_sparse + d] : -1;
        c->out[3 * n_sparse + d] = s;
        if (!single) EK_TRY(ek__insert_dim(c, &s, 0, batch, &c->out[3 * n_sparse + d]));
    }
    return EK_OK;
}

static ek_status parse_shape(ek_shape_ctx *c, bool single)
{
    const parse_attrs *const a = c->attrs;
    const int n = a->sparse_types.count + a->Tdense.count;
    const ek_shape *const records = &c->in[SERIALIZED], *const names = &c->in[NAMES];
    int64_t *found;
    ek_status st;

    EK_TRY(check_attrs(a, single, c->n_in, c->err));
    if (single) EK_TRY(ek__want_rank(c, SERIALIZED, 0));
    if (!single && c->running && records->rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Expected serialized to be a vector, got shape: %s", EK_CC(records));
    if (!single) EK_TRY(ek__want_rank(c, SERIALIZED, 1));
    if (!single && c->running && ek_shape_count(names) > 0 && !ek_shape_equal(names, records))
        return EK_FAIL(c->err, INVALID_ARGUMENT,
                       "Expected names have the same shape as serialized: name.shape=%s, serialized.shape=%s", EK_CC(names),
                       EK_CC(records));
    if (!keys_known(c, single, n)) return put_shapes(c, single, NULL);
    found = ek__calloc((size_t)n + 1, sizeof *found);
    if (found == NULL) return EK_FAIL(c->err, RESOURCE_EXHAUSTED, "no memory to read records");
    st = count(c, single, found);
    if (st == EK_OK) st = put_shapes(c, single, found);
    ek__free(found);
    return st;
}

static ek_status batch_shape(ek_shape_ctx *c) { return parse_shape(c, false); }
static ek_status single_shape(ek_shape_ctx *c) { return parse_shape(c, true); }

/* ---- running ------------------------------------------------------------------------------------------------------- */

typedef struct parse_state {
    wanted w;
    int64_t records, names;
} parse_state;

/* scratch: values so far and longest, per feature. */
static ek_status parse_run(const ek_run_args *a, int64_t chunk)
{
    const parse_state *const p = a->state;
    const wanted *const w = &p->w;
    int64_t *const at = a->scratch, *const longest = at + w->n_sparse + w->n_dense;
    const sink s = { .at = at, .longest = longest, .out = a->out, .in = a->in,
                     .names = !w->single && p->names == p->records && p->names > 0 ? a->in[NAMES] : NULL };

    EK_UNUSED(chunk);
    memset(at, 0, (size_t)(2 * w->n_sparse + w->n_dense) * sizeof *at);
    EK_TRY(take_all(w, &s, a->in[SERIALIZED], p->records, a->err));
    for (int i = 0; i < w->n_sparse; i++) {
        int64_t *const shape = a->out[2 * w->n_sparse + i];

        if (!w->single) shape[0] = p->records;
        shape[w->single ? 0 : 1] = longest[i];
    }
    return EK_OK;
}

static ek_status parse_prepare(ek_prepare_ctx *c, bool single)
{
    parse_state *const p = EK_ARENA_NEW(c->arena, parse_state, 1);

    if (p == NULL) return ek__no_memory(c);
    EK_TRY(ask(c->attrs, single, c->in, c->in_value, c->arena, &p->w, c->err));
    p->records = ek_shape_count(&c->in[SERIALIZED]);
    p->names = single ? 0 : ek_shape_count(&c->in[NAMES]);
    for (int d = 0; d < p->w.n_dense; d++) {
        const ek_shape *const out = &c->out[3 * p->w.n_sparse + d];

        p->w.row[d] = 1;
        for (int32_t i = single ? 0 : 1; i < out->rank; i++) p->w.row[d] *= out->dim[i];
    }
    c->state = p;
    c->scratch_bytes = (size_t)(2 * p->w.n_sparse + p->w.n_dense + 1) * sizeof(int64_t);
    ek__add_phase(c, parse_run, 1);
    return EK_OK;
}

static ek_status batch_prepare(ek_prepare_ctx *c) { return parse_prepare(c, false); }
static ek_status single_prepare(ek_prepare_ctx *c) { return parse_prepare(c, true); }

static const ek_field batch_fields[] = { EK_FIELD_LIST(parse_attrs, sparse_types, TYPE),
                                         EK_FIELD_LIST(parse_attrs, Tdense, TYPE),
                                         EK_FIELD_LIST(parse_attrs, dense_shapes, SHAPE) };

const ek_op_def ek__op_ParseExample = {
    .name = "ParseExample",
    .inputs = "serialized: string, names: string, sparse_keys: Nsparse * string, dense_keys: Ndense * string, "
              "dense_defaults: Tdense",
    .outputs = "sparse_indices: Nsparse * int64, sparse_values: sparse_types, sparse_shapes: Nsparse * int64, "
               "dense_values: Tdense",
    .attrs = "Nsparse: int >= 0; Ndense: int >= 0; sparse_types: list({float, int64, string}) >= 0; "
             "Tdense: list({float, int64, string}) >= 0; dense_shapes: list(shape) >= 0",
    .attrs_size = sizeof(parse_attrs),
    .fields = batch_fields,
    .n_fields = EK_COUNT_OF(batch_fields),
    .shape = batch_shape,
    .value_inputs = 1u << 2 | 1u << 3 | 1u << 4, /* the lists differ in length */
    .prepare = batch_prepare,
    .no_grad_because = "it is about strings",
};

static const ek_field single_fields[] = { EK_FIELD_LIST(parse_attrs, sparse_types, TYPE),
                                          EK_FIELD_LIST(parse_attrs, Tdense, TYPE),
                                          EK_FIELD_LIST(parse_attrs, dense_shapes, SHAPE),
                                          EK_FIELD_LIST(parse_attrs, sparse_keys, STRING),
                                          EK_FIELD_LIST(parse_attrs, dense_keys, STRING) };

const ek_op_def ek__op_ParseSingleExample = {
    .name = "ParseSingleExample",
    .inputs = "serialized: string, dense_defaults: Tdense",
    .outputs = "sparse_indices: num_sparse * int64, sparse_values: sparse_types, sparse_shapes: num_sparse * int64, "
               "dense_values: Tdense",
    .attrs = "num_sparse: int >= 0; sparse_keys: list(string) >= 0; dense_keys: list(string) >= 0; "
             "sparse_types: list({float, int64, string}) >= 0; Tdense: list({float, int64, string}) >= 0; "
             "dense_shapes: list(shape) >= 0",
    .attrs_size = sizeof(parse_attrs),
    .fields = single_fields,
    .n_fields = EK_COUNT_OF(single_fields),
    .shape = single_shape,
    .prepare = single_prepare,
    .no_grad_because = "it is about strings",
};
