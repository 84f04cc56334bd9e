/* sites/averages.c - which ops move the moving averages of batch norms, and by what momentum.
 *
 * What an assignment writes is read as  share * V + rest,  V being the variable as it was, and the rest a number, or
 * something of a batch's statistics, or something else. What else goes in may be one number (n / (n - 1), say): a gradient
 * is made of statistics as well, and of vectors besides.
 */
#include "sites/averages.h"

#include <math.h>

#include "sites/scene.h"

enum { MOST_VISITED = 400, MOST_DEPTH = 60, MOST_ALIASES = 64 };

/* ---- small questions ------------------------------------------------------------------------------------ */

static bool is_variable(const ek_node *n)
{
    return n->n_in == 0 && n->n_out == 1 && (ek_dtype_is_ref(n->out_dtype[0]) || n->out_dtype[0] == EK_RESOURCE) &&
           n->spec != NULL && n->spec->def->kind == EK_KIND_SOURCE;
}

/* Output k of the node is input *i of it, or read from it, or that variable after a write. */
static bool passes(const ek_node *n, int32_t k, int32_t *i)
{
    const ek_op_def *d = n->spec != NULL ? n->spec->def : NULL;

    *i = d != NULL && d->kind == EK_KIND_ALIAS ? k : 0;
    if (d == NULL || *i >= n->n_in) return false;
    return d->kind == EK_KIND_ALIAS || d->kind == EK_KIND_SWITCH || d->kind == EK_KIND_MERGE || d->snapshot ||
           (d->ref_output >> (k < 32 ? k : 31) & 1u) != 0;
}

int32_t ek__variable_behind(const ek_graph *g, ek_edge e)
{
    int32_t i;

    for (int steps = 0; e.node >= 0 && e.node < g->n_nodes && steps < MOST_ALIASES; steps++) {
        const ek_node *n = g->node[e.node];

        if (is_variable(n)) return n->id;
        if (!passes(n, e.index, &i)) return -1;
        e = n->in[i];
    }
    return -1;
}

/* Kernels come cast, reshaped or as they are. */
int32_t ek__site_kernel(const ek_graph *g, const ek_site *s)
{
    static const char *const turned[] = { "Cast", "Reshape", "Transpose" };

    for (int32_t i = 0; s->linear >= 0 && i < g->node[s->linear]->n_in; i++) {
        ek_edge e = g->node[s->linear]->in[i];

        for (int k = 0; k < 2 && g->node[e.node]->n_in > 0; k++)
            if (ek__is_one_of(g->node[e.node], turned, EK_COUNT_OF(turned))) e = g->node[e.node]->in[0];
        const int32_t v = ek__variable_behind(g, e);
        if (v >= 0) return v;
    }
    return -1;
}

bool ek__applies_gradient(const ek_node *n)
{
    static const char *const family[] = { "Apply", "SparseApply", "ResourceApply", "ResourceSparseApply" };

    for (int i = 0; i < EK_COUNT_OF(family); i++)
        if (strncmp(n->type, family[i], strlen(family[i])) == 0) return n->n_in > 1;
    return false;
}

static const char *const assigning[] = { "Assign", "AssignVariableOp" };
static const char *const adding[] = { "AssignAdd", "AssignAddVariableOp" };
static const char *const taking[] = { "AssignSub", "AssignSubVariableOp" };

bool ek__is_assignment(const ek_node *n)
{
    return n->n_in == 2 && (ek__is_one_of(n, assigning, 2) || ek__is_one_of(n, adding, 2) || ek__is_one_of(n, taking, 2));
}

/* ---- what is written --------------------------------------------------------------------------------------- */

/* The rest: a number (NaN where it is a vector, a variable, or not known), something of statistics, or of others. */
typedef enum rest_kind { REST_NUMBER, REST_STATISTIC, REST_OTHER } rest_kind;

typedef struct form {
    double share; /* of V; NaN: V is in it, but not with a constant share */
    rest_kind kind;
    double number;
    int32_t statistic; /* see `statistic` below; 0: none */
} form;

typedef struct reader {
    const ek_graph *g;
    const ek_sites *sites;
    const int32_t *statistic; /* per output: 1 + 2 * site, + 1 of its variance; 0: no statistic */
    int32_t variable;         /* V */
    int visited;
} reader;

static form number(double v) { return (form){ .kind = REST_NUMBER, .number = v }; }
static form other(void) { return (form){ .kind = REST_OTHER, .number = NAN }; }

/* Of two statistics that of the variance says what it is for: a variance may be made from the mean. */
static int32_t statistic_of(const form *a, const form *b)
{
    if (a->statistic == 0) return b->statistic;
    return b->statistic != 0 && b->statistic % 2 == 0 ? b->statistic : a->statistic;
}

static rest_kind kind_of(const form *a, const form *b)
{
    return a->kind > b->kind ? a->kind : b->kind;
}

static form add(const form *a, const form *b, double sign)
{
    return (form){ a->share + sign * b->share, kind_of(a, b), a->number + sign * b->number, statistic_of(a, b) };
}

static form scaled(const form *a, double by)
{
    form f = *a;

    f.share *= by;
    f.number *= by;
    return f;
}

static bool is_scalar(const form *f) { return f->share == 0 && f->kind == REST_NUMBER && !isnan(f->number); }

/* Product or quotient where neither is a number: the share stays what it is only if there is none. */
static form blend(const form *a, const form *b)
{
    return (form){ a->share == 0 && b->share == 0 ? 0 : NAN, kind_of(a, b), NAN, statistic_of(a, b) };
}

static form multiply(const form *a, const form *b)
{
    if (is_scalar(a)) return scaled(b, a->number);
    return is_scalar(b) ? scaled(a, b->number) : blend(a, b);
}

static form divide(const form *a, const form *b)
{
    return is_scalar(b) && b->number != 0 ? scaled(a, 1 / b->number) : blend(a, b);
}

static form read(reader *r, ek_edge e, int depth);

static form constant(const ek_array *a)
{
    return number(a->count == 1 && a->dtype != EK_STRING ? ek_array_get(a, 0) : NAN);
}

/* What a variable is after a write: as a tensor, the reference that the write returns. */
static form written(reader *r, const ek_node *n, int depth)
{
    const form new = read(r, n->in[1], depth), old = read(r, n->in[0], depth);

    if (ek__is_one_of(n, assigning, 2)) return new;
    return add(&old, &new, ek__is_one_of(n, adding, 2) ? 1 : -1);
}

static bool is_never(const reader *r, ek_edge e)
{
    return r->sites->never != NULL && r->sites->never[r->sites->first_out[e.node] + e.index] != 0;
}

/* Whichever way comes: where both may, a share that both have. */
static form merged(reader *r, const ek_node *n, int depth)
{
    form all = other();
    int ways = 0;

    for (int32_t i = 0; i < n->n_in; i++) {
        if (is_never(r, n->in[i])) continue;
        const form f = read(r, n->in[i], depth);
        if (ways++ == 0) {
            all = f;
            continue;
        }
        all = (form){ all.share == f.share ? f.share : NAN, kind_of(&all, &f), NAN, statistic_of(&all, &f) };
    }
    return all;
}

/* The fused op of later versions averages by itself: with what it is given, which may be V. */
static form of_statistic(const reader *r, const ek_node *n, int32_t statistic, int32_t index)
{
    const ek_site *s = &r->sites->at[(statistic - 1) / 2];
    form f = { .kind = REST_STATISTIC, .number = NAN, .statistic = statistic };

    if (s->averages && n->n_in == 5 && ek__variable_behind(r->g, n->in[2 + index]) == r->variable)
        f.share = 1 - ek__attr_float(n, "exponential_avg_factor", 1);
    return f;
}

/* Any other op: of statistics alone where all that goes in is. */
static form computed(reader *r, const ek_node *n, int depth)
{
    form all = number(NAN);

    for (int32_t i = 0; i < n->n_in; i++) {
        const form f = read(r, n->in[i], depth);

        if (f.kind == REST_OTHER) return other();
        all = blend(&all, &f);
    }
    return n->n_in > 0 ? all : other();
}

static bool is_one_number(const reader *r, ek_edge e) { return r->g->node[e.node]->out_shape[e.index].rank == 0; }

static form read_op(reader *r, const ek_node *n, ek_edge e, int depth)
{
    static const char *const moving[] = { "Reshape", "Squeeze", "ExpandDims", "Cast" };
    int32_t i;
    form a, b;

    if (ek__is_assignment(n)) return written(r, n, depth);
    if (n->spec != NULL && n->spec->def->kind == EK_KIND_MERGE) return merged(r, n, depth);
    if (passes(n, e.index, &i)) return read(r, n->in[i], depth);
    if (n->n_in > 0 && ek__is_one_of(n, moving, EK_COUNT_OF(moving))) return read(r, n->in[0], depth);
    if (n->n_in == 1 && ek__is_type(n, "Neg")) {
        a = read(r, n->in[0], depth);
        return scaled(&a, -1);
    }
    if (n->n_in != 2) return computed(r, n, depth);
    const bool sum = ek__is_type(n, "Add") || ek__is_type(n, "AddV2"), minus = ek__is_type(n, "Sub");
    const bool times = ek__is_type(n, "Mul"), over = ek__is_type(n, "RealDiv") || ek__is_type(n, "Div");
    if (!sum && !minus && !times && !over) return computed(r, n, depth);
    a = read(r, n->in[0], depth);
    b = read(r, n->in[1], depth);
    if (sum || minus) return add(&a, &b, sum ? 1 : -1);
    if (a.kind == REST_OTHER && is_one_number(r, n->in[0])) a.kind = REST_NUMBER;
    if (b.kind == REST_OTHER && is_one_number(r, n->in[1])) b.kind = REST_NUMBER;
    return times ? multiply(&a, &b) : divide(&a, &b);
}

static form read(reader *r, ek_edge e, int depth)
{
    const ek_node *n = r->g->node[e.node];
    const int32_t statistic = r->statistic[r->sites->first_out[e.node] + e.index];

    if (statistic != 0) return of_statistic(r, n, statistic, e.index);
    if (n->constant != NULL) return constant(n->constant);
    if (is_variable(n)) return n->id == r->variable ? (form){ .share = 1 } : number(NAN);
    if (depth >= MOST_DEPTH || ++r->visited > MOST_VISITED) return other();
    return read_op(r, n, e, depth + 1);
}

/* ---- all of a graph ------------------------------------------------------------------------------------------- */

static void mark(const ek_sites *sites, int32_t *statistic, ek_edge e, int site, int of_variance)
{
    statistic[sites->first_out[e.node] + e.index] = 1 + 2 * site + of_variance;
}

/* The op among the covered nodes gives both behind its result. */
static void mark_fused(const ek_graph *g, const ek_sites *sites, int at, int32_t *statistic)
{
    for (int i = 0; i < sites->at[at].n_covers; i++) {
        const ek_node *n = g->node[sites->at[at].covers[i]];

        if (n->n_out < 3 || n->n_in < 5 || strstr(n->type, "BatchNorm") == NULL) continue;
        mark(sites, statistic, (ek_edge){ n->id, 1 }, at, 0);
        mark(sites, statistic, (ek_edge){ n->id, 2 }, at, 1);
    }
}

static void mark_all(const ek_graph *g, const ek_sites *sites, int32_t *statistic)
{
    for (int i = 0; i < sites->n; i++) {
        const ek_site *s = &sites->at[i];

        if (s->mode != EK_SITE_TRAIN) continue;
        if (s->fused) mark_fused(g, sites, i, statistic);
        for (int k = 0; k < s->n_batch_means; k++) mark(sites, statistic, s->batch_mean[k], i, 0);
        for (int k = 0; k < s->n_batch_variances; k++) mark(sites, statistic, s->batch_variance[k], i, 1);
    }
}

/* What a write writes, if it is a moving average's update. */
static bool read_update(reader *r, const ek_node *n, ek_site_average *out)
{
    form f;

    r->variable = ek__variable_behind(r->g, n->in[0]);
    r->visited = 0;
    if (r->variable < 0) return false;
    f = written(r, n, 0);
    if (f.kind != REST_STATISTIC) return false;
    *out = (ek_site_average){ .write = n->id,
                              .variable = r->variable,
                              .site = (f.statistic - 1) / 2,
                              .of_variance = f.statistic % 2 == 0,
                              .momentum = f.share >= -1e-6 && f.share < 1 ? fmax(f.share, 0) : NAN };
    return true;
}

ek_status ek__site_averages_find(const ek_graph *g, const ek_sites *sites, ek_arena *arena, ek_site_averages *out,
                                 ek_error *err)
{
    const int32_t outputs = sites->first_out != NULL ? sites->first_out[g->n_nodes] : 0;
    int32_t *statistic = ek__calloc((size_t)outputs + 1, sizeof *statistic);
    ek_site_average *list = NULL, one;
    int64_t cap = 0;
    int n = 0;
    bool ok = statistic != NULL;

    *out = (ek_site_averages){ .n = 0 };
    if (ok && sites->first_out != NULL) mark_all(g, sites, statistic);
    reader r = { .g = g, .sites = sites, .statistic = statistic };
    for (int64_t i = 0; ok && sites->first_out != NULL && i < g->n_nodes; i++) {
        if (!ek__is_assignment(g->node[i]) || !read_update(&r, g->node[i], &one)) continue;
        ok = EK_GROW(list, cap, n + 1);
        if (ok) list[n++] = one;
    }
    if (ok && n > 0) {
        out->at = ek__arena_memdup(arena, list, (size_t)n * sizeof *list);
        out->n = n;
        ok = out->at != NULL;
    }
    ek__free(list);
    ek__free(statistic);
    return ok ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to look for moving averages");
}
