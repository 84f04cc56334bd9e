/* cli/sites.c - the batch norms of a graph: evenkeel inspect --sites, and what dot --sites shares with it. */
#include <stdlib.h>

#include "cli/commands.h"
#include "graph/node.h"
#include "sites/sites.h"

enum { NAME_SIZE = 1024 };

/* "x:0"; NULL for none. */
static const char *tensor_name(const ek_graph *g, ek_edge e, char *buf)
{
    if (e.node < 0) return NULL;
    ek_tensor_name(ek__tensor(g, e), buf, NAME_SIZE);
    return buf;
}

/* The variable, constant or op behind a role; NULL for none. */
static const char *node_name(const ek_graph *g, ek_edge e)
{
    return e.node < 0 ? NULL : g->node[e.node]->name;
}

/* "channels last", "channels first"; NULL where parameters lie along several axes, or along none of those. */
static const char *format_of(const ek_site *s)
{
    const uint32_t kept = ~s->axes & ((1u << s->rank) - 1);

    if (kept == 1u << (s->rank - 1)) return "channels last";
    return kept == 2u ? "channels first" : NULL;
}

double cli_as_written(double v)
{
    char buf[40];

    (void)ek__format_float(buf, (float)v);
    return strtod(buf, NULL);
}

/* ---- JSON -------------------------------------------------------------------------------------------- */

/* {"sum": [terms]} where dx is a sum that others add to; no key where it is not. */
static void json_own_terms(ek_json *j, const ek_graph *g, const ek_site_gradient *way)
{
    char name[NAME_SIZE];

    if (way->n_own == 0) return;
    ek__json_key(j, "own_terms");
    ek__json_open(j, '{');
    ek__json_key(j, tensor_name(g, way->dx, name));
    ek__json_open(j, '[');
    for (int i = 0; i < way->n_own; i++) ek__json_str(j, tensor_name(g, way->own[i], name));
    ek__json_close(j, ']');
    ek__json_close(j, '}');
}

static void json_gradient(ek_json *j, const ek_graph *g, const ek_site_gradient *way)
{
    char name[NAME_SIZE];

    ek__json_open(j, '{');
    cli_json_member(j, "dy", tensor_name(g, way->dy, name));
    cli_json_member(j, "dx", tensor_name(g, way->dx, name));
    cli_json_member(j, "dgamma", tensor_name(g, way->dgamma, name));
    cli_json_member(j, "dbeta", tensor_name(g, way->dbeta, name));
    json_own_terms(j, g, way);
    ek__json_key(j, "nodes");
    ek__json_int(j, way->n_covers);
    ek__json_close(j, '}');
}

static void json_site(ek_json *j, const ek_graph *g, const ek_site *s)
{
    char name[NAME_SIZE];

    ek__json_open(j, '{');
    cli_json_member(j, "input", tensor_name(g, s->x, name));
    cli_json_member(j, "output", tensor_name(g, s->y, name));
    cli_json_member(j, "form", s->fused ? "fused" : "composed");
    cli_json_member(j, "mode", ek__site_mode_name(s->mode));
    if (s->mode == EK_SITE_SWITCHED) cli_json_member(j, "predicate", tensor_name(g, s->predicate, name));
    ek__json_key(j, "axes");
    ek__json_open(j, '[');
    for (int a = 0; a < s->rank; a++)
        if (s->axes >> a & 1u) ek__json_int(j, a);
    ek__json_close(j, ']');
    cli_json_member(j, "format", format_of(s));
    ek__json_key(j, "epsilon");
    ek__json_double(j, cli_as_written(s->epsilon));
    cli_json_member(j, "mean", node_name(g, s->mean));
    cli_json_member(j, "variance", node_name(g, s->variance));
    cli_json_member(j, "gamma", node_name(g, s->gamma));
    cli_json_member(j, "beta", node_name(g, s->beta));
    cli_json_member(j, "set", s->set);
    cli_json_member(j, "linear", s->linear < 0 ? NULL : g->node[s->linear]->name);
    ek__json_key(j, "nodes");
    ek__json_int(j, s->n_covers);
    ek__json_key(j, "gradients");
    ek__json_open(j, '[');
    for (int i = 0; i < s->n_gradients; i++) json_gradient(j, g, &s->gradient[i]);
    ek__json_close(j, ']');
    ek__json_close(j, '}');
}

/* ---- text -------------------------------------------------------------------------------------------- */

static void print_role(const char *role, const char *name)
{
    if (name != NULL) printf("    %-9s %s\n", role, name);
}

static void print_site(const ek_graph *g, const ek_site *s)
{
    char x[NAME_SIZE], y[NAME_SIZE], name[NAME_SIZE];

    printf("%s -> %s\n", tensor_name(g, s->x, x), tensor_name(g, s->y, y));
    printf("    %s, %s, over axes", ek__site_mode_name(s->mode), s->fused ? "one op" : "written out");
    for (int a = 0; a < s->rank; a++)
        if (s->axes >> a & 1u) printf(" %d", a);
    printf(", epsilon %g, %d node%s\n", cli_as_written(s->epsilon), s->n_covers, s->n_covers == 1 ? "" : "s");
    print_role("predicate", s->mode == EK_SITE_SWITCHED ? tensor_name(g, s->predicate, name) : NULL);
    print_role("gamma", node_name(g, s->gamma));
    print_role("beta", node_name(g, s->beta));
    print_role("mean", node_name(g, s->mean));
    print_role("variance", node_name(g, s->variance));
    print_role("linear", s->linear < 0 ? NULL : g->node[s->linear]->name);
    for (int i = 0; i < s->n_gradients; i++) {
        const ek_site_gradient *way = &s->gradient[i];

        printf("    back from %s, %d node%s\n", tensor_name(g, way->dy, name), way->n_covers, way->n_covers == 1 ? "" : "s");
        print_role("  dx", tensor_name(g, way->dx, name));
        print_role("  dgamma", tensor_name(g, way->dgamma, name));
        print_role("  dbeta", tensor_name(g, way->dbeta, name));
    }
}

/* ---- both --------------------------------------------------------------------------------------------- */

bool cli_feed_goes_with_sites(const cli_args *args)
{
    if (!cli_has(args, CLI_FEED) || cli_has(args, CLI_SITES)) return true;
    cli_complain(args->command, "--feed sets the flags of batch norms: it goes with --sites");
    (void)cli_see_help(args->command);
    return false;
}

int cli_find_sites(const cli_args *args, ek_graph *g, ek_sites *out)
{
    ek_tensor *tensor = ek__calloc((size_t)args->n_given + 1, sizeof *tensor);
    ek_array **value = ek__calloc((size_t)args->n_given + 1, sizeof *value);
    ek_error err = {.code = EK_OK};
    const char *text;
    int n = 0, status = tensor != NULL && value != NULL ? CLI_DONE : cli_no_memory(args->command);

    while (status == CLI_DONE && (text = cli_value(args, CLI_FEED, n)) != NULL) {
        status = cli_read_feed(args, g, NULL, text, &tensor[n], &value[n]);
        if (status == CLI_DONE) n++;
    }
    if (status == CLI_DONE && ek__sites_find_fed(g, n, tensor, value, EK_BRANCH_UNKNOWN, out, &err) != EK_OK)
        status = cli_complain_error(args->command, &err);
    for (int i = 0; i < n; i++) ek_array_unref(value[i]);
    ek__free(tensor);
    ek__free(value);
    return status;
}

int cli_print_sites(const cli_args *args, ek_graph *g)
{
    ek_sites sites = {.n = 0};
    const int status = cli_find_sites(args, g, &sites);

    if (status == CLI_DONE) printf("batch norms: %d\n", sites.n);
    for (int i = 0; i < sites.n; i++) print_site(g, &sites.at[i]);
    ek__sites_free(&sites);
    return status;
}

int cli_json_sites(const cli_args *args, ek_graph *g, ek_json *j)
{
    ek_sites sites = {.n = 0};
    const int status = cli_find_sites(args, g, &sites);

    ek__json_open(j, '[');
    for (int i = 0; i < sites.n; i++) json_site(j, g, &sites.at[i]);
    ek__json_close(j, ']');
    ek__sites_free(&sites);
    return status;
}
