/* cli/inspect_checkpoint.c - evenkeel inspect PREFIX: the tensors of a checkpoint, its batch norms, all of it as .npz. */
#include <math.h>
#include <stdlib.h>

#include "cli/inspect.h"

/* ---- tensors ---------------------------------------------------------------------------------------------- */

static void print_tensors(const ek_checkpoint *c)
{
    ek_checkpoint_entry e;
    char shape[EK_MAX_RANK * 24];

    printf("tensors: %lld\n", (long long)ek_checkpoint_count(c));
    for (int64_t i = 0; ek_checkpoint_at(c, i, &e); i++) {
        ek_shape_format(&e.shape, shape, sizeof shape);
        printf("  %s  %s  %s", e.name, ek_dtype_name(e.dtype), shape);
        printf(e.slices > 0 ? "  in %lld slices\n" : "\n", (long long)e.slices);
    }
}

static void json_tensors(ek_json *j, const ek_checkpoint *c)
{
    ek_checkpoint_entry e;

    ek__json_open(j, '[');
    for (int64_t i = 0; ek_checkpoint_at(c, i, &e); i++) {
        ek__json_open(j, '{');
        ek__json_key(j, "name");
        ek__json_str(j, e.name);
        ek__json_key(j, "dtype");
        ek__json_str(j, ek_dtype_name(e.dtype));
        ek__json_key(j, "shape");
        cli_json_shape(j, &e.shape);
        ek__json_key(j, "slices");
        ek__json_int(j, e.slices);
        ek__json_close(j, '}');
    }
    ek__json_close(j, ']');
}

/* ---- batch norms -------------------------------------------------------------------------------------------- */

static void print_trained(const ek_trained *t)
{
    if (t->step > 0) {
        printf("trained: %lld steps\n", (long long)t->step);
    } else if (ek__was_trained(t)) {
        printf("trained: %s is not as it began\n", t->slot != NULL ? t->slot : t->parameter);
    } else {
        printf("trained: nothing says so\n");
    }
}

static void print_range(const char *what, double least, double most)
{
    if (!isnan(least)) printf("  %s %.6g to %.6g", what, least, most);
}

static void print_norms(const ek_checkpoint_norms *n)
{
    printf("batch norms: %d%s\n", n->n,
           n->n == 0     ? ""
           : n->by_graph ? " (roles from the graph)"
                         : " (roles from names)");
    for (int i = 0; i < n->n; i++) {
        const ek_stored *s = &n->at[i];

        printf("  %s: %s\n", s->set->place, ek__stored_state_name(s->state));
        if (s->channels > 0) printf("    %lld channel%s", (long long)s->channels, s->channels == 1 ? "" : "s");
        print_range("mean", s->mean_least, s->mean_most);
        print_range(s->set->deviation ? "deviation" : "variance", s->variance_least, s->variance_most);
        if (s->channels > 0) printf("\n");
        for (int k = 0; k < s->n_findings; k++)
            printf("    %s %s: %s\n", s->finding[k].rule, ek_severity_name(s->finding[k].severity), s->finding[k].text);
    }
}

static void json_range(ek_json *j, const char *key, double least, double most)
{
    ek__json_key(j, key);
    ek__json_open(j, '[');
    ek__json_double(j, least);
    ek__json_double(j, most);
    ek__json_close(j, ']');
}

static void json_norm(ek_json *j, const ek_stored *s)
{
    ek__json_open(j, '{');
    cli_json_member(j, "place", s->set->place);
    cli_json_member(j, "state", ek__stored_state_name(s->state));
    cli_json_member(j, "gamma", s->set->variable[EK_ROLE_GAMMA]);
    cli_json_member(j, "beta", s->set->variable[EK_ROLE_BETA]);
    cli_json_member(j, "mean", s->set->variable[EK_ROLE_MEAN]);
    cli_json_member(j, "variance", s->set->variable[EK_ROLE_VARIANCE]);
    ek__json_key(j, "channels");
    ek__json_int(j, s->channels);
    json_range(j, "mean_range", s->mean_least, s->mean_most);
    json_range(j, "variance_range", s->variance_least, s->variance_most);
    ek__json_key(j, "findings");
    ek__json_open(j, '[');
    for (int k = 0; k < s->n_findings; k++) {
        ek__json_open(j, '{');
        cli_json_member(j, "rule", s->finding[k].rule);
        cli_json_member(j, "severity", ek_severity_name(s->finding[k].severity));
        cli_json_member(j, "text", s->finding[k].text);
        ek__json_close(j, '}');
    }
    ek__json_close(j, ']');
    ek__json_close(j, '}');
}

void cli_json_norms(ek_json *j, const cli_values *v)
{
    const ek_checkpoint_norms *n = &v->norms;

    ek__json_key(j, "trained");
    ek__json_bool(j, ek__was_trained(&n->trained));
    ek__json_key(j, "global_step");
    if (n->trained.step >= 0) {
        ek__json_int(j, n->trained.step);
    } else {
        ek__json_str(j, NULL);
    }
    cli_json_member(j, "roles_from", n->by_graph ? "graph" : "names");
    ek__json_key(j, "batch_norms");
    ek__json_open(j, '[');
    for (int i = 0; i < n->n; i++) json_norm(j, &n->at[i]);
    ek__json_close(j, ']');
}

/* ---- .npz ------------------------------------------------------------------------------------------------------ */

static ek_status save_npz(ek_checkpoint *c, const char *path, ek_error *err)
{
    const int64_t n = ek_checkpoint_count(c);
    ek_named_array *named = ek__calloc((size_t)n + 1, sizeof *named);
    ek_array **value = ek__calloc((size_t)n + 1, sizeof *value);
    ek_checkpoint_entry e;
    ek_status st = EK_OK;

    if (named == NULL || value == NULL)
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for %lld tensors", (long long)n);
    for (int64_t i = 0; st == EK_OK && ek_checkpoint_at(c, i, &e); i++) {
        st = ek_checkpoint_read(c, e.name, &value[i], err);
        named[i] = (ek_named_array){ e.name, value[i] };
    }
    if (st == EK_OK) st = ek_npz_save(path, named, n, err);
    for (int64_t i = 0; value != NULL && i < n; i++) ek_array_unref(value[i]);
    ek__free(value);
    ek__free(named);
    return st;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

bool cli_values_open(const cli_args *args, const cli_model *m, cli_values *v)
{
    const char *npz = cli_text(args, CLI_SAVE_NPZ, NULL);
    ek_error err = { .code = EK_OK };
    ek_status st;

    *v = (cli_values){ .checkpoint = NULL };
    st = ek_checkpoint_open(m->checkpoint, &v->checkpoint, &err);
    if (st == EK_OK) st = ek__checkpoint_norms(v->checkpoint, m->graph, &v->norms, &err);
    if (st == EK_OK && npz != NULL) st = save_npz(v->checkpoint, npz, &err);
    if (st != EK_OK) (void)cli_complain_error(args->command, &err);
    return st == EK_OK;
}

void cli_values_close(cli_values *v)
{
    ek__checkpoint_norms_free(&v->norms);
    ek_checkpoint_close(v->checkpoint);
}

void cli_print_norms(const cli_values *v)
{
    if (v->norms.n > 0) print_trained(&v->norms.trained);
    print_norms(&v->norms);
}

int cli_inspect_checkpoint(const cli_args *args, const cli_values *v)
{
    ek_buf out = { 0 };
    ek_json j = { .out = &out };
    bool ok;

    if (!cli_has(args, CLI_JSON)) {
        print_tensors(v->checkpoint);
        cli_print_norms(v);
        return CLI_DONE;
    }
    ek__json_open(&j, '{');
    ek__json_key(&j, "tensors");
    json_tensors(&j, v->checkpoint);
    cli_json_norms(&j, v);
    ek__json_close(&j, '}');
    ok = !out.failed;
    if (ok) printf("%s\n", out.data);
    ek__buf_fini(&out);
    return ok ? CLI_DONE : cli_no_memory(args->command);
}
