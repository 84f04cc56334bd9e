/* cli/commands.h - the subcommands, and what they share. */
#ifndef EK_CLI_COMMANDS_H
#define EK_CLI_COMMANDS_H

#include "base/json.h"
#include "cli/options.h"
#include "evenkeel/evenkeel.h"

int cli_run(const cli_args *args);
int cli_inspect(const cli_args *args);
int cli_dot(const cli_args *args);
int cli_train(const cli_args *args);
int cli_convert(const cli_args *args);
int cli_freeze(const cli_args *args);
int cli_help(const cli_args *args);

struct ek_sites;

/* ---- names in graphs (names.c) ------------------------------------------------------------------ */

/* What the inputs, or the outputs, of a signature are called; before the names of tensors. */
typedef struct cli_aliases {
    const ek_tensor_info *at;
    int n;
} cli_aliases;

/* The tensor of that name, with or without ":0". False after complaining, with the nearest name. An operation without
 * outputs is found too where op is not NULL: then *t is dead and *op is it. */
bool cli_find_named(const cli_args *args, ek_graph *g, const cli_aliases *aliases, const char *name, ek_tensor *t,
                    ek_op *op);
static inline bool cli_find_tensor(const cli_args *args, ek_graph *g, const char *name, ek_tensor *t, ek_op *op)
{
    return cli_find_named(args, g, NULL, name, t, op);
}

/* "NAME=VALUE": the tensor, and VALUE as its type has it, a new reference (feed.c). The exit status, after complaining. */
int cli_read_feed(const cli_args *args, ek_graph *g, const cli_aliases *aliases, const char *text, ek_tensor *tensor,
                  ek_array **out);
/* Splits "NAME=REST": the name, a new string, NULL without memory; REST is NULL where there is no '='. */
char *cli_split(const char *text, const char **rest);

/* The batch norms of a graph (sites.c, dot_sites.c), printed, as an array into an ek_json, or drawn; what --feed says of
 * flags is taken for known. The exit status, after complaining. */
int cli_print_sites(const cli_args *args, ek_graph *g);
int cli_json_sites(const cli_args *args, ek_graph *g, ek_json *j);
int cli_dot_sites(const cli_args *args, ek_graph *g);
/* The batch norms themselves: free them by ek__sites_free in any case. */
int cli_find_sites(const cli_args *args, ek_graph *g, struct ek_sites *out);
/* False after complaining of a --feed that has nothing to say. */
bool cli_feed_goes_with_sites(const cli_args *args);
/* The nearest float's shortest digits: what was written in the graph, not what came of computing with it. */
double cli_as_written(double v);

/* What a user would feed (placeholders) and fetch (what nothing reads): calls f for each tensor. */
typedef void cli_each_fn(void *arg, ek_tensor t);
void cli_each_feed(ek_graph *g, cli_each_fn *f, void *arg);
bool cli_each_fetch(ek_graph *g, cli_each_fn *f, void *arg); /* false without memory */

/* "x:0  float32  (?, 3)" */
void cli_print_tensor(void *unused, ek_tensor t);
/* {"name": .., "dtype": .., "shape": ..} into an ek_json. */
void cli_json_tensor(void *json, ek_tensor t);
/* The members only, for an object that has more. */
void cli_json_tensor_members(ek_json *j, ek_tensor t);

/* [3, null]; null where nothing is known. */
void cli_json_shape(ek_json *j, const ek_shape *shape);
void cli_json_member(ek_json *j, const char *key, const char *value); /* NULL: null */
void cli_json_number(ek_json *j, const char *key, int64_t value);
/* The elements as nested lists (json_array.c). */
void cli_json_array(ek_json *j, const ek_array *a);

#endif
