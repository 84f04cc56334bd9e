/* sites/reject.c - what has batch norm's algebra and is another thing: normalization within each sample, kernels
 * that are standardised. */
#include "sites/search.h"

/* Reshape, Transpose and kin between x and the tensor whose axis 0 is the batch, nearest x first. */
enum { MOST_TURNS = 16, PROBES = 8 };
typedef struct turn {
    int32_t from, to;     /* tensors */
    const ek_array *perm; /* of a Transpose; NULL */
} turn;

static int turns_of(const ek_scene *s, int32_t x, turn *out)
{
    static const char *const kin[] = {"Reshape", "Transpose", "Squeeze", "ExpandDims"};
    int n = 0;

    while (n < MOST_TURNS) {
        const ek_node *node = ek__scene_node(s, x);

        if (!ek__is_one_of(node, kin, EK_COUNT_OF(kin)) || node->n_in < 1) break;
        const int32_t from = ek__scene_root_in(s, node, 0);
        const bool transpose = ek__is_type(node, "Transpose");
        const ek_array *perm = transpose && node->n_in > 1 ? s->value[ek__scene_in(s, node, 1)] : NULL;
        if (!ek__scene_sized(s, from) || (transpose && (perm == NULL || perm->count != s->shape[from].rank))) break;
        out[n++] = (turn){from, x, perm};
        x = from;
    }
    return n;
}

static void split(const ek_shape *shape, int64_t flat, int64_t *at)
{
    for (int a = shape->rank - 1; a >= 0; a--) {
        at[a] = flat % shape->dim[a];
        flat /= shape->dim[a];
    }
}

static int64_t join(const ek_shape *shape, const int64_t *at)
{
    int64_t flat = 0;

    for (int a = 0; a < shape->rank; a++) flat = flat * shape->dim[a] + at[a];
    return flat;
}

/* The sample that an element of x belongs to. */
static int64_t sample_of(const ek_scene *s, int32_t x, const int64_t *at, const turn *turns, int n)
{
    const int32_t source = n > 0 ? turns[n - 1].from : x;
    int64_t flat = join(&s->shape[x], at), here[EK_MAX_RANK], there[EK_MAX_RANK];

    for (int k = 0; k < n; k++) {
        if (turns[k].perm == NULL) continue;
        split(&s->shape[turns[k].to], flat, here);
        for (int a = 0; a < s->shape[turns[k].to].rank; a++) {
            const int64_t p = ek__array_int(turns[k].perm, a);
            if (p >= 0 && p < EK_MAX_RANK) there[p] = here[a];
        }
        flat = join(&s->shape[turns[k].from], there);
    }
    return s->shape[source].rank > 0 ? flat / (ek_shape_count(&s->shape[source]) / s->shape[source].dim[0]) : 0;
}

/* Whether the sample changes along the axes that statistics are taken over, at a few places of x. */
static bool over_the_batch(const ek_scene *s, int32_t x, uint32_t axes)
{
    const ek_shape *shape = &s->shape[x];
    turn turns[MOST_TURNS];
    int64_t at[EK_MAX_RANK];

    if (!ek__scene_sized(s, x) || ek__scene_count(s, x) == 0) return true;
    const int n = turns_of(s, x, turns);
    const int32_t source = n > 0 ? turns[n - 1].from : x;
    if (s->shape[source].rank == 0 || s->shape[source].dim[0] == 1) return (axes & 1u) != 0;
    for (int probe = 0; probe < PROBES; probe++) {
        for (int axis = 0; axis < shape->rank; axis++) {
            if (!(axes >> axis & 1u)) continue;
            for (int a = 0; a < shape->rank; a++) at[a] = (int64_t)probe * (a + 1) * 7919 % shape->dim[a];
            at[axis] = 0;
            const int64_t first = sample_of(s, x, at, turns, n);
            for (at[axis] = 1; at[axis] < shape->dim[axis]; at[axis]++)
                if (sample_of(s, x, at, turns, n) != first) return true;
        }
    }
    return false;
}

/* Whether y becomes the kernel of a product or convolution. */
static bool feeds_kernel(const ek_scene *s, int32_t y)
{
    static const char *const products[] = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "Conv3D",
                                           "Conv2DBackpropInput"};
    static const char *const through[] = {"Mul", "AddV2", "Add", "Reshape", "Transpose"};
    int32_t seen[32];
    int n = 0;

    seen[n++] = y;
    for (int i = 0; i < n; i++) {
        for (int32_t u = s->user_first[seen[i]]; u < s->user_first[seen[i] + 1]; u++) {
            const ek_node *c = s->g->node[s->user[u]];

            if (c->n_in > 1 && ek__is_one_of(c, products, EK_COUNT_OF(products)) &&
                ek__scene_root_in(s, c, 1) == seen[i])
                return true;
            if (n < EK_COUNT_OF(seen) && ek__is_one_of(c, through, EK_COUNT_OF(through))) seen[n++] = s->first[c->id];
        }
    }
    return false;
}

/* Images one by one: that is how statistics within a sample look where the batch is fixed to one. */
static bool spares_batch_of_one(const ek_scene *s, const ek_found *f)
{
    return f->rank > 2 && ek__scene_sized(s, f->x) && s->shape[f->x].dim[0] == 1 && !(f->axes & 1u);
}

bool ek__is_look_alike(ek_search *q, const ek_found *f, bool parameters)
{
    if (f->train && spares_batch_of_one(q->s, f)) return true;
    if (f->train && !parameters && !over_the_batch(q->s, f->x, f->axes)) return true;
    return !q->s->data[q->s->node_of[f->x]] && feeds_kernel(q->s, f->y);
}
