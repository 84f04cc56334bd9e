/* layers/partition.c - variables in parts: partitioners, the parts that get_variable makes, which part of what each is.
 *
 * The whole is a variable without a node: its value is joined where it is used (ops/whole.c). What is stored, trained, saved
 * and listed in collections is its parts.
 */
#include <math.h>

#include "codec/fields.h"
#include "codec/wire.h"
#include "graph/variable_scope.h"
#include "layers/get_variable.h"
#include "ops/rules.h"

ek_partitioner ek_partitioner_copy(const ek_partitioner_args_ *a, ek_where where)
{
    EK_UNUSED(where);
    return a->of;
}

/* ---- partitioners: into how many parts each axis falls --------------------------------------------------------- */

typedef struct request {
    ek_graph *g;
    const ek_get_variable_args *a;
    ek_shape shape;
    ek_dtype dtype;
} request;

/* "[1, 3]" */
typedef struct parts_text { char text[EK_MAX_RANK * 22 + 3]; } parts_text;
static parts_text text_of(const int64_t *parts, int rank)
{
    parts_text t;
    size_t n = 0;

    t.text[n++] = '[';
    for (int d = 0; d < rank; d++)
        n += (size_t)snprintf(t.text + n, sizeof t.text - n, "%s%lld", d > 0 ? ", " : "", (long long)parts[d]);
    snprintf(t.text + n, sizeof t.text - n, "]");
    return t;
}

static bool refuse(const request *r, const char *fmt, ...) EK_PRINTF(2, 3);
static bool refuse(const request *r, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ek__graph_fail(r->g, r->a->where, EK_INVALID_ARGUMENT, "%s", text);
    return false;
}

static double bytes_of_element(const ek_partitioner *p, ek_dtype t)
{
    return t == EK_STRING ? (double)p->bytes_per_string_element : (double)ek_dtype_size(t);
}

/* As many parts as hold at most so many bytes each, but no more than `max_shards`. */
static bool by_axis_size(const request *r, const ek_partitioner *p, int64_t size, int64_t *parts)
{
    const double slices = (double)ek_shape_count(&r->shape) / (double)size; /* elements of each place along the axis */
    double each;

    if (p->max_shard_bytes < 1 || p->bytes_per_string_element < 1)
        return refuse(r, "Both max_shard_bytes and bytes_per_string_element must be positive. Currently, max_shard_bytes is "
                      "%lld and bytes_per_string_element is %lld", (long long)p->max_shard_bytes,
                      (long long)p->bytes_per_string_element);
    if (p->max_shards < 0) return refuse(r, "max_shards must be positive.");
    if (size == 0) return refuse(r, "axis %d of %s has no places to part", p->axis, r->a->full);
    each = floor((double)p->max_shard_bytes / (slices * bytes_of_element(p, r->dtype)));
    if (!(each < (double)size)) each = (double)size; /* an empty variable would divide by zero */
    *parts = (int64_t)ceil((double)size / (each > 1 ? each : 1));
    if (p->max_shards > 0 && *parts > p->max_shards) *parts = p->max_shards;
    return true;
}

/* Parts of at least so many bytes. */
static void by_least_size(const request *r, const ek_partitioner *p, int64_t size, int64_t *parts)
{
    const double bytes = (double)ek_shape_count(&r->shape) * bytes_of_element(p, r->dtype);
    const double wanted = ceil(bytes / (double)(p->min_slice_size > 0 ? p->min_slice_size : 1));

    *parts = wanted < (double)size ? (int64_t)wanted : size;
    if (*parts > p->max_partitions) *parts = p->max_partitions;
    if (*parts < 1) *parts = 1;
}

static bool ask(const request *r, const ek_partitioner *p, const char *shape, int64_t *parts)
{
    const int axis = p->axis < 0 ? p->axis + r->shape.rank : p->axis;
    int64_t size;

    for (int d = 0; d < r->shape.rank; d++) parts[d] = 1;
    if (p->kind == EK_PARTITION_CALL && p->call != NULL) {
        p->call(r->shape, r->dtype, parts, p->arg);
        return true;
    }
    if (axis < 0 || axis >= r->shape.rank)
        return refuse(r, "Cannot partition variable along axis %d when shape is only %s", p->axis, shape);
    size = r->shape.dim[axis];
    switch (p->kind) {
    case EK_PARTITION_FIXED: parts[axis] = p->num_shards < size ? p->num_shards : size; return true;
    case EK_PARTITION_AXIS_SIZE: return by_axis_size(r, p, size, &parts[axis]);
    case EK_PARTITION_MIN_MAX: by_least_size(r, p, size, &parts[axis]); return true;
    default: return refuse(r, "this is no partitioner (kind %d); make one with ek_..._partitioner()", (int)p->kind);
    }
}

/* The one axis that falls into parts, the first where none does. */
static bool partition(const request *r, const ek_partitioner *p, int32_t *axis, int32_t *n)
{
    int64_t parts[EK_MAX_RANK];
    char shape[256];
    int split = 0;

    ek_shape_format(&r->shape, shape, sizeof shape);
    if (!ek_shape_is_known(&r->shape))
        return refuse(r, "Shape of a new partitioned variable must be fully defined, but instead was %s.", shape);
    if (r->shape.rank < 1) return refuse(r, "A partitioned Variable must have rank at least 1, shape: %s", shape);
    if (!ask(r, p, shape, parts)) return false;
    *axis = 0;
    for (int d = r->shape.rank - 1; d >= 0; d--) {
        if (parts[d] < 1)
            return refuse(r, "Partitioner returned zero partitions for some axes: %s", text_of(parts, r->shape.rank).text);
        if (parts[d] > 1) {
            *axis = d;
            split++;
        }
    }
    if (split > 1)
        return refuse(r, "Can only slice a variable along one dimension: shape: %s, partitioning: %s", shape,
                      text_of(parts, r->shape.rank).text);
    if (parts[*axis] > r->shape.dim[*axis] || parts[*axis] > INT32_MAX)
        return refuse(r, "%lld parts of %s along axis %d, which has %lld places", (long long)parts[*axis], r->a->full,
                      (int)*axis, (long long)r->shape.dim[*axis]);
    *n = (int32_t)parts[*axis];
    return true;
}

/* ---- which part of what --------------------------------------------------------------------------------------- */

static void put_list(ek_buf *b, uint32_t field, const int64_t *v, int n)
{
    const size_t mark = ek__put_open(b, field);

    for (int d = 0; d < n; d++) ek__put_varint(b, (uint64_t)v[d]);
    ek__put_close(b, mark);
}

bool ek__slice_note(ek_variable v, const ek_slice_info *slice, ek_where where)
{
    ek_graph *const g = v.graph;
    ek_variable_info *const info = g->variable[v.id];
    const int rank = slice->full_shape.rank;
    ek_buf b = { .data = NULL };

    ek__put_str(&b, EK_F_SLICE_FULL_NAME, slice->full_name);
    put_list(&b, EK_F_SLICE_FULL_SHAPE, slice->full_shape.dim, rank);
    put_list(&b, EK_F_SLICE_OFFSET, slice->offset, rank);
    put_list(&b, EK_F_SLICE_SHAPE, slice->shape.dim, rank);
    if (!b.failed) info->slice = ek__arena_memdup(&g->arena, b.data, b.size);
    info->slice_size = info->slice != NULL ? b.size : 0;
    ek__buf_fini(&b);
    if (info->slice == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a part of %s", slice->full_name);
    return info->slice != NULL;
}

static bool read_list(const ek_wire_field *f, int64_t *out, int32_t *n)
{
    size_t offset = 0;
    uint64_t v;

    while (ek__wire_packed(f, EK_WIRE_VARINT, &offset, &v)) {
        if (*n == EK_MAX_RANK) return false;
        out[(*n)++] = (int64_t)v;
    }
    return true;
}

bool ek__slice_noted(const ek_variable_info *info, ek_slice_info *out, ek_span *full_name)
{
    ek_wire w = ek__wire_open((ek_span){ info->slice, info->slice_size }, NULL, NULL);
    int32_t n_offset = 0;
    bool ok = true;

    *out = (ek_slice_info){ .full_shape = { .rank = 0 } };
    *full_name = (ek_span){ NULL, 0 };
    for (ek_wire_field f; ok && ek__wire_next(&w, &f);) {
        switch (f.number) {
        case EK_F_SLICE_FULL_NAME: *full_name = f.bytes; break;
        case EK_F_SLICE_FULL_SHAPE: ok = read_list(&f, out->full_shape.dim, &out->full_shape.rank); break;
        case EK_F_SLICE_OFFSET: ok = read_list(&f, out->offset, &n_offset); break;
        case EK_F_SLICE_SHAPE: ok = read_list(&f, out->shape.dim, &out->shape.rank); break;
        default: break;
        }
    }
    return ok && full_name->size > 0 && n_offset == out->full_shape.rank && out->shape.rank == out->full_shape.rank;
}

bool ek_variable_slice_info(ek_variable v, ek_slice_info *out)
{
    const ek_variable_info *const info = ek__info(v);
    ek_slice_info s;
    ek_span name;

    if (info == NULL || info->slice == NULL || out == NULL || !ek__slice_noted(info, &s, &name)) return false;
    s.full_name = ek__arena_strndup(&v.graph->arena, (const char *)name.at, name.size);
    if (s.full_name != NULL) *out = s;
    return s.full_name != NULL;
}

/* ---- sharing ------------------------------------------------------------------------------------------------------ */

static ek_variable share(const request *r, int32_t found, int32_t axis, int32_t n)
{
    const ek_get_variable_args *const a = r->a;
    const ek_variable_info *const has = r->g->variable[found];
    char asked[256], there[256];

    ek_shape_format(&r->shape, asked, sizeof asked);
    ek_shape_format(&has->shape, there, sizeof there);
    if (a->reuse == EK_VSCOPE_NEW)
        refuse(r, "Partitioned variable with name %s already exists. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in "
               "VarScope?", a->full);
    else if (!ek_shape_compatible(&r->shape, &has->shape))
        refuse(r, "Trying to reuse partitioned variable %s, but specified shape %s and found shape %s.", a->full, asked, there);
    else if (r->dtype != has->dtype)
        refuse(r, "Trying to reuse partitioned variable %s, but specified dtype %s and found dtype %s.", a->full,
               ek_dtype_name(r->dtype), ek_dtype_name(has->dtype));
    else if (n > 0 && (n != has->n_parts || (n > 1 && axis != has->axis))) {
        int64_t wanted[EK_MAX_RANK], parts[EK_MAX_RANK];

        for (int d = 0; d < has->shape.rank; d++) {
            wanted[d] = d == axis ? n : 1;
            parts[d] = d == has->axis ? has->n_parts : 1;
        }
        refuse(r, "Trying to reuse partitioned variable %s, but specified partitions %s and found partitions %s.", a->full,
               text_of(wanted, has->shape.rank).text, text_of(parts, has->shape.rank).text);
    }
    return r->g->error.code == EK_OK ? (ek_variable){ r->g, found } : ek__dead_variable(r->g);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

/* A value is cut; everything else makes a part as a part. `init` is what the part begins with. */
static bool cut(const request *r, const char *part, const ek_slice_info *slice, ek_initializer *init)
{
    ek_graph *const g = r->g;
    const char *const scope = ek__arena_printf(&g->arena, "%s/PartitionedInitializer", part);

    if (scope == NULL) {
        ek__graph_fail(g, r->a->where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", part);
        return false;
    }
    EK_IN_SCOPE(ek_name_scope_push(g, scope, r->a->where)) {
        if (init->kind == EK_INIT_VALUE) {
            const ek_tensor whole = ek__operand_tensor(g, &init->operand, r->dtype, "Const", r->a->where);

            init->operand = ek__of(ek_slice_with(&(ek_slice_options){
                .size = sizeof(ek_slice_options), .input = whole, .begin = { slice->offset, slice->full_shape.rank },
                .sizes = { slice->shape.dim, slice->shape.rank } }, r->a->where));
        }
    }
    return g->error.code == EK_OK;
}

static ek_variable make_part(const request *r, const ek_initializer *init, const ek_slice_info *slice, int32_t i)
{
    const char *const name = ek__arena_printf(&r->g->arena, "%s/part_%d", r->a->full, (int)i);
    ek_get_variable_args a = *r->a;
    ek_initializer own = *init;
    ek_variable v = ek__dead_variable(r->g);

    if (name == NULL) {
        ek__graph_fail(r->g, a.where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", a.full);
        return v;
    }
    if (!cut(r, name, slice, &own)) return v;
    a.full = name;
    a.initializer = own.kind != EK_INIT_NONE ? &own : NULL;
    a.has_shape = own.kind != EK_INIT_VALUE;
    a.shape = slice->shape;
    a.dtype = r->dtype;
    a.slice = slice;
    v = ek__get_single(r->g, &a);
    if (ek_variable_ok(v) && !ek__slice_note(v, slice, a.where)) return ek__dead_variable(r->g);
    return v;
}

static ek_variable note_whole(const request *r, const int32_t *part, int32_t n, int32_t axis)
{
    ek_graph *const g = r->g;
    const ek_variable_info *const first = g->variable[part[0]];
    ek_variable_info *const info = ek__arena_memdup(&g->arena, first, sizeof *first);

    if (info == NULL || !EK_GROW(g->variable, g->cap_variables, g->n_variables + 1) ||
        !ek__vstore_add(g, r->a->full, (int32_t)g->n_variables)) {
        ek__graph_fail(g, r->a->where, EK_RESOURCE_EXHAUSTED, "no memory for variable %s", r->a->full);
        return ek__dead_variable(g);
    }
    info->name = r->a->full;
    info->op = info->initializer = -1;
    info->initial_value = info->snapshot = (ek_edge){ -1, 0 };
    info->shape = r->shape;
    info->slice = NULL;
    info->slice_size = 0;
    info->n_parts = n;
    info->axis = axis;
    info->part = part;
    g->variable[g->n_variables] = info;
    return (ek_variable){ g, (int32_t)g->n_variables++ };
}

static ek_variable make(const request *r, const ek_initializer *init, int32_t axis, int32_t n)
{
    ek_graph *const g = r->g;
    int32_t *const part = EK_ARENA_NEW(&g->arena, int32_t, n);
    ek_slice_info slice = { .full_name = r->a->full, .full_shape = r->shape, .shape = r->shape };

    if (part == NULL) {
        ek__graph_fail(g, r->a->where, EK_RESOURCE_EXHAUSTED, "no memory for the %d parts of %s", (int)n, r->a->full);
        return ek__dead_variable(g);
    }
    for (int32_t i = 0; i < n; i++) {
        const int64_t from = ek__part_begin(r->shape.dim[axis], n, i);

        slice.offset[axis] = from;
        slice.shape.dim[axis] = ek__part_begin(r->shape.dim[axis], n, i + 1) - from;
        part[i] = make_part(r, init, &slice, i).id;
        if (part[i] < 0 || g->error.code != EK_OK) return ek__dead_variable(g);
    }
    return note_whole(r, part, n, axis);
}

/* What is asked for; a value says its shape, and its dtype where none is given. */
static bool ask_for(request *r, const ek_vscope *scope, ek_initializer *init)
{
    const ek_get_variable_args *const a = r->a;
    ek_shape given;

    r->shape = a->has_shape ? a->shape : EK_UNKNOWN_SHAPE;
    r->dtype = a->dtype != EK_DTYPE_NONE ? ek_dtype_base(a->dtype) : scope->dtype;
    *init = a->initializer != NULL ? *a->initializer : (ek_initializer){ .kind = EK_INIT_NONE };
    if (init->kind == EK_INIT_NONE && scope->initializer != NULL) *init = *(const ek_initializer *)scope->initializer;
    if (init->kind != EK_INIT_VALUE) return true;
    given = ek__operand_shape(&init->operand);
    if (a->dtype == EK_DTYPE_NONE && ek__operand_dtype(&init->operand) != EK_DTYPE_NONE)
        r->dtype = ek__operand_dtype(&init->operand);
    return ek_shape_merge(&r->shape, &given, &r->shape) ||
           refuse(r, "the initial value of %s has another shape than is asked for", a->full);
}

ek_variable ek__get_parts(ek_graph *g, const ek_get_variable_args *a)
{
    const int32_t found = ek__vstore_find(g, a->full);
    request r = { .g = g, .a = a };
    ek_initializer init;
    int32_t axis = 0, n = 0;

    if (found >= 0 && g->variable[found]->n_parts == 0) {
        refuse(&r, "A partitioner was provided, but an unpartitioned version of the variable was found: %s.  Perhaps a "
               "variable of the same name was already created without partitioning?", a->full);
        return ek__dead_variable(g);
    }
    if (!ask_for(&r, ek__vscope_now(g), &init) ||
        (a->partitioner != NULL && !partition(&r, a->partitioner, &axis, &n)))
        return ek__dead_variable(g);
    if (found >= 0) return share(&r, found, axis, n);
    if (a->reuse == EK_VSCOPE_REUSE) {
        refuse(&r, "PartitionedVariable %s does not exist, or was not created with tf.get_variable(). Did you mean to set "
               "reuse=False or reuse=tf.AUTO_REUSE in VarScope?", a->full);
        return ek__dead_variable(g);
    }
    return make(&r, &init, axis, n);
}

/* ---- what callers see -------------------------------------------------------------------------------------------- */

int ek_variable_parts(ek_variable v)
{
    const ek_variable_info *const info = ek__info(v);

    return info == NULL ? 0 : info->n_parts > 0 ? info->n_parts : 1;
}

ek_variable ek_variable_part(ek_variable v, int i)
{
    const ek_variable_info *const info = ek__info(v);

    if (i < 0 || i >= ek_variable_parts(v)) return ek__dead_variable(v.graph);
    return info->n_parts > 0 ? (ek_variable){ v.graph, info->part[i] } : v;
}
