/* cli/dot_sites.c - evenkeel dot --sites: a graph for Graphviz with each half of a batch norm as one box.
 */
#include <stdlib.h>

#include "cli/commands.h"
#include "graph/dot.h"
#include "sites/sites.h"

enum { NAME_SIZE = 48, MOST_RENAMED = 8 };

/* What an edge at a box carries; the first are those of ek_site_role. */
enum { CARRIES_Y = EK_SITE_ROLES, CARRIES_DX, CARRIES_DGAMMA, CARRIES_DBETA, CARRIES_ANYTHING };
static const char *const carries[] = { "x", "dy", "gamma", "beta", "mean", "variance", "y", "dx", "dgamma", "dbeta", NULL };

typedef struct box {
    const ek_site *site;
    const ek_site_gradient *gradient; /* NULL: forward */
    char name[NAME_SIZE];             /* with blanks: no operation has it */
} box;

/* An edge with a box at one end or both. Ends: a node's id, or beyond all nodes a box. */
typedef struct edge {
    int32_t tail, head;
    bool control;
    int32_t index; /* of a node's output */
    int tail_role, head_role;
} edge;

typedef struct drawing {
    const ek_graph *g;
    int32_t n_nodes;
    box *box;
    int32_t n_boxes;
    int32_t *end_of; /* per node: itself, or the box that it is in */
    int32_t *first_reader, *reader; /* per node: who reads it, or waits for it */
    edge *edge;
    int64_t n_edges, cap_edges;
} drawing;

/* ---- boxes ------------------------------------------------------------------------------------------ */

static void add_box(drawing *d, int site, const ek_site *s, int way)
{
    box *b = &d->box[d->n_boxes++];

    b->site = s;
    b->gradient = way < 0 ? NULL : &s->gradient[way];
    if (way < 0)
        snprintf(b->name, sizeof b->name, "batch norm %d", site + 1);
    else
        snprintf(b->name, sizeof b->name, "batch norm %d back %d", site + 1, way + 1);
}

/* A node of two sites is drawn by itself; of two halves of one, it is in the first. */
static void put_in(drawing *d, int32_t at)
{
    const box *b = &d->box[at];
    const int32_t *covers = b->gradient != NULL ? b->gradient->covers : b->site->covers;
    const int n = b->gradient != NULL ? b->gradient->n_covers : b->site->n_covers;

    for (int i = 0; i < n; i++) {
        int32_t *end = &d->end_of[covers[i]];

        if (*end < 0) continue;
        if (*end < d->n_nodes)
            *end = d->n_nodes + at;
        else if (d->box[*end - d->n_nodes].site != b->site)
            *end = -1;
    }
}

static bool make_boxes(drawing *d, const ek_sites *sites)
{
    int64_t most = 0;

    for (int i = 0; i < sites->n; i++) most += 1 + sites->at[i].n_gradients;
    d->box = ek__calloc((size_t)most + 1, sizeof *d->box);
    d->end_of = ek__calloc((size_t)d->n_nodes + 1, sizeof *d->end_of);
    if (d->box == NULL || d->end_of == NULL) return false;
    for (int32_t id = 0; id < d->n_nodes; id++) d->end_of[id] = id;
    for (int i = 0; i < sites->n; i++)
        for (int k = -1; k < sites->at[i].n_gradients; k++) add_box(d, i, &sites->at[i], k);
    for (int32_t i = 0; i < d->n_boxes; i++) put_in(d, i);
    for (int32_t id = 0; id < d->n_nodes; id++)
        if (d->end_of[id] < 0) d->end_of[id] = id;
    return true;
}

static void put_box(ek_buf *out, const box *b)
{
    const ek_site *s = b->site;

    ek__buf_printf(out, "  \"%s\" [label=\"batch norm, %s\\n%s", b->name, b->gradient != NULL ? "backward" : "forward",
                   ek__site_mode_name(s->mode));
    if (s->set[0] != '\0') ek__buf_printf(out, "\\n%s", s->set);
    ek__buf_printf(out, "\\nepsilon %g\", style=\"rounded,filled\", fillcolor=lightgray];\n", cli_as_written(s->epsilon));
}

/* ---- what edges carry ---------------------------------------------------------------------------------- */

static bool same(ek_edge a, ek_edge b) { return a.node == b.node && a.index == b.index; }

static bool is_among(const ek_edge *list, int n, ek_edge e)
{
    for (int i = 0; i < n; i++)
        if (same(list[i], e)) return true;
    return false;
}

/* What a tensor from inside a box is under this very name. */
static int role_by_name(const box *b, ek_edge e)
{
    const ek_site_gradient *g = b->gradient;

    if (g != NULL) {
        if (same(g->dx, e) || is_among(g->own, g->n_own, e)) return CARRIES_DX;
        return same(g->dgamma, e) ? CARRIES_DGAMMA : same(g->dbeta, e) ? CARRIES_DBETA : CARRIES_ANYTHING;
    }
    if (same(b->site->y, e)) return CARRIES_Y;
    if (is_among(b->site->batch_mean, b->site->n_batch_means, e)) return EK_ROLE_MEAN;
    return is_among(b->site->batch_variance, b->site->n_batch_variances, e) ? EK_ROLE_VARIANCE : CARRIES_ANYTHING;
}

static int64_t elements(const drawing *d, ek_edge e)
{
    const ek_shape *s = &d->g->node[e.node]->out_shape[e.index];

    return ek_shape_is_known(s) ? ek_shape_count(s) : -1;
}

/* What a tensor from inside a box is, be it behind what gives the same numbers another shape. */
static int role_of_output(const drawing *d, int32_t at, ek_edge e)
{
    const box *b = &d->box[at];
    ek_edge from = e;
    int role = role_by_name(b, from);

    for (int i = 0; i < MOST_RENAMED && role == CARRIES_ANYTHING; i++) {
        const ek_node *n = d->g->node[from.node];
        const bool renames = strcmp(n->type, "Identity") == 0 || strcmp(n->type, "Reshape") == 0 || strcmp(n->type, "Sum") == 0;

        if (!renames || n->n_in == 0 || d->end_of[n->in[0].node] != d->n_nodes + at) return CARRIES_ANYTHING;
        from = n->in[0];
        if (elements(d, from) < 0 || elements(d, from) == elements(d, e)) role = role_by_name(b, from);
    }
    return role;
}

/* What input `input` of a node inside a box is. */
static int role_of_input(const box *b, int32_t node, int32_t input)
{
    const ek_site_terms *t = b->gradient != NULL ? &b->gradient->terms : &b->site->terms;

    for (int i = 0; i < t->n_entries; i++)
        if (t->entry[i].node == node && t->entry[i].input == input) return (int)t->entry[i].role;
    return CARRIES_ANYTHING;
}

/* ---- what hangs in a box ------------------------------------------------------------------------------- */

static bool list_readers(drawing *d)
{
    int64_t n = 0;

    for (int32_t id = 0; id < d->n_nodes; id++) n += d->g->node[id]->n_in + d->g->node[id]->n_control;
    d->first_reader = ek__calloc((size_t)d->n_nodes + 2, sizeof *d->first_reader);
    d->reader = ek__calloc((size_t)n + 1, sizeof *d->reader);
    if (d->first_reader == NULL || d->reader == NULL) return false;
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t id = 0; id < d->n_nodes; id++) {
            const ek_node *by = d->g->node[id];

            for (int32_t i = 0; i < by->n_in + by->n_control; i++) {
                const int32_t from = i < by->n_in ? by->in[i].node : by->control[i - by->n_in];

                if (pass == 0)
                    d->first_reader[from + 2]++;
                else
                    d->reader[d->first_reader[from + 1]++] = id;
            }
        }
        for (int32_t id = 0; pass == 0 && id < d->n_nodes; id++) d->first_reader[id + 2] += d->first_reader[id + 1];
    }
    return true;
}

/* The box that all readers are in, none of them for a role; -1: there is none. */
static int32_t box_of_readers(const drawing *d, const ek_node *n)
{
    int32_t in = -1;

    for (int32_t r = d->first_reader[n->id]; r < d->first_reader[n->id + 1]; r++) {
        const ek_node *by = d->g->node[d->reader[r]];

        if (d->end_of[by->id] < d->n_nodes || (in >= 0 && d->end_of[by->id] != in)) return -1;
        in = d->end_of[by->id];
        for (int32_t i = 0; i < by->n_in; i++)
            if (by->in[i].node == n->id && role_of_input(&d->box[in - d->n_nodes], by->id, i) != CARRIES_ANYTHING) return -1;
    }
    return in;
}

/* The box that something without readers takes all its inputs from, none of them a result; -1: there is none. */
static int32_t box_of_inputs(const drawing *d, const ek_node *n)
{
    int32_t in = -1;

    for (int32_t i = 0; i < n->n_in; i++) {
        const int32_t end = d->end_of[n->in[i].node];

        if (end < d->n_nodes || (in >= 0 && end != in)) return -1;
        in = end;
        if (role_of_output(d, in - d->n_nodes, n->in[i]) != CARRIES_ANYTHING) return -1;
    }
    return in;
}

/* Whether it comes from a box, or is a constant, and no other number comes in. */
static bool is_fed_by(const drawing *d, const ek_node *n, int32_t in)
{
    bool all = true, any = n->n_in > 0 || n->constant != NULL;

    for (int32_t i = 0; i < n->n_in; i++)
        all &= d->end_of[n->in[i].node] == in || d->g->node[n->in[i].node]->constant != NULL;
    for (int32_t i = 0; i < n->n_control; i++) any |= d->end_of[n->control[i]] == in;
    return all && any;
}

/* What comes from a box and leads nowhere else: gradients that nobody asked for, sizes, points to wait at. */
static void take_in(drawing *d)
{
    for (bool again = true; again;) {
        again = false;
        for (int32_t id = d->n_nodes - 1; id >= 0; id--) {
            const ek_node *n = d->g->node[id];

            if (d->end_of[id] >= d->n_nodes) continue;
            const bool read = d->first_reader[id] < d->first_reader[id + 1];
            const int32_t in = read ? box_of_readers(d, n) : box_of_inputs(d, n);
            if (in < 0 || (read && !is_fed_by(d, n, in))) continue;
            d->end_of[id] = in;
            again = true;
        }
    }
}

/* ---- the drawing ------------------------------------------------------------------------------------------ */

static bool keep_edge(drawing *d, const edge *e)
{
    if (e->tail == e->head && e->tail >= d->n_nodes) return true; /* inside */
    if (!EK_GROW(d->edge, d->cap_edges, d->n_edges + 1)) return false;
    d->edge[d->n_edges++] = *e;
    return true;
}

/* The edges into a node: those between nodes are drawn, the others kept. */
static bool put_edges(drawing *d, ek_buf *out, const ek_node *n)
{
    const int32_t head = d->end_of[n->id];
    char index[12];
    bool ok = true;

    for (int32_t i = 0; i < n->n_in; i++) {
        const ek_edge in = n->in[i];
        edge e = { .tail = d->end_of[in.node], .head = head, .index = in.index, .tail_role = CARRIES_ANYTHING,
                   .head_role = CARRIES_ANYTHING };

        if (e.tail < d->n_nodes && head < d->n_nodes) {
            ek__dot_edge(out, d->g->node[in.node]->name, n->name, ek__dot_index(in.index, index), NULL);
            continue;
        }
        if (e.tail >= d->n_nodes) {
            e.index = 0;
            e.tail_role = role_of_output(d, e.tail - d->n_nodes, in);
        }
        if (head >= d->n_nodes) e.head_role = role_of_input(&d->box[head - d->n_nodes], n->id, i);
        ok &= keep_edge(d, &e);
    }
    for (int32_t i = 0; i < n->n_control; i++) {
        const edge e = { .tail = d->end_of[n->control[i]], .head = head, .control = true };

        if (e.tail < d->n_nodes && head < d->n_nodes)
            ek__dot_control_edge(out, d->g->node[n->control[i]]->name, n->name);
        else
            ok &= keep_edge(d, &e);
    }
    return ok;
}

static int compare(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    const int32_t l[] = { x->head, x->tail, x->control, x->index, x->tail_role, x->head_role };
    const int32_t r[] = { y->head, y->tail, y->control, y->index, y->tail_role, y->head_role };

    for (int i = 0; i < EK_COUNT_OF(l); i++)
        if (l[i] != r[i]) return l[i] < r[i] ? -1 : 1;
    return 0;
}

static const char *name_of(const drawing *d, int32_t end)
{
    return end < d->n_nodes ? d->g->node[end]->name : d->box[end - d->n_nodes].name;
}

/* The edges at boxes, each once, however many of the nodes inside read the tensor. */
static void put_kept(drawing *d, ek_buf *out)
{
    if (d->n_edges > 0) qsort(d->edge, (size_t)d->n_edges, sizeof *d->edge, compare);
    for (int64_t i = 0; i < d->n_edges; i++) {
        const edge *e = &d->edge[i];
        const char *tail = name_of(d, e->tail), *head = name_of(d, e->head);
        char index[12];

        if (i > 0 && compare(e, e - 1) == 0) continue;
        if (e->control)
            ek__dot_control_edge(out, tail, head);
        else
            ek__dot_edge(out, tail, head,
                         e->tail < d->n_nodes ? ek__dot_index(e->index, index) : carries[e->tail_role],
                         carries[e->head_role]);
    }
}

static bool draw(drawing *d, const ek_sites *sites, ek_buf *out)
{
    bool ok = make_boxes(d, sites) && list_readers(d);

    if (ok) take_in(d);
    ek__dot_begin(out);
    for (int32_t id = 0; ok && id < d->n_nodes; id++)
        if (d->end_of[id] < d->n_nodes) ek__dot_node(out, d->g->node[id]);
    for (int32_t i = 0; ok && i < d->n_boxes; i++) put_box(out, &d->box[i]);
    for (int32_t id = 0; ok && id < d->n_nodes; id++) ok = put_edges(d, out, d->g->node[id]);
    if (ok) put_kept(d, out);
    ek__dot_end(out);
    return ok && !out->failed;
}

int cli_dot_sites(const cli_args *args, ek_graph *g)
{
    ek_sites sites = { .n = 0 };
    drawing d = { .g = g, .n_nodes = (int32_t)ek_graph_op_count(g) };
    ek_buf out = { 0 };
    int status = cli_find_sites(args, g, &sites);

    if (status == CLI_DONE && !draw(&d, &sites, &out)) status = cli_no_memory(args->command);
    if (status == CLI_DONE) fputs(out.data, stdout);
    ek__buf_fini(&out);
    ek__free(d.box);
    ek__free(d.end_of);
    ek__free(d.first_reader);
    ek__free(d.reader);
    ek__free(d.edge);
    ek__sites_free(&sites);
    return status;
}
