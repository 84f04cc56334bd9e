/* tests/saver/statistics_test.c - what checkpoints of trained programs say of their batch norms: programs that misuse them, each
 * with a healthy twin, and checkpoints of every kind. */
#include "saver/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evenkeel/files.h"
#include "support/cases.h"
#include "support/support.h"

/* A checkpoint and the graph that was saved with it. */
typedef struct opened {
    ek_checkpoint *checkpoint;
    ek_graph *graph;
    ek_checkpoint_norms norms;
} opened;

/* The path of a prefix in the data folder; false: it is not there. */
static bool find(const char *prefix, char *path, size_t size)
{
    char index[400];
    const char *found;

    snprintf(index, sizeof index, "%s.index", prefix);
    found = ek_test_data(index);
    if (found != NULL) snprintf(path, size, "%.*s", (int)(strlen(found) - strlen(".index")), found);
    return found != NULL;
}

static bool look(const char *prefix, bool with_graph, opened *o)
{
    char path[4096], meta[4200];
    ek_error err = { .code = EK_OK };

    *o = (opened){ .graph = NULL };
    if (!find(prefix, path, sizeof path)) return false;
    snprintf(meta, sizeof meta, "%s.meta", path);
    if (ek_checkpoint_open(path, &o->checkpoint, &err) != EK_OK) fail_msg("%s", err.text);
    if (with_graph) assert_int_equal(EK_OK, ek_meta_graph_load(meta, &o->graph));
    if (ek__checkpoint_norms(o->checkpoint, o->graph, &o->norms, &err) != EK_OK) fail_msg("%s", err.text);
    return true;
}

static void done(opened *o)
{
    ek__checkpoint_norms_free(&o->norms);
    ek_checkpoint_close(o->checkpoint);
    ek_graph_destroy(o->graph);
}

/* "norm: never updated BN003", one a line. */
static void expect(const char *prefix, bool with_graph, const char *want)
{
    char text[4096] = "";
    opened o;

    if (!look(prefix, with_graph, &o)) skip();
    for (int i = 0; i < o.norms.n; i++) {
        const ek_stored *s = &o.norms.at[i];

        snprintf(text + strlen(text), sizeof text - strlen(text), "%s: %s", s->set->place,
                 ek__stored_state_name(s->state));
        for (int k = 0; k < s->n_findings; k++)
            snprintf(text + strlen(text), sizeof text - strlen(text), " %s", s->finding[k].rule);
        strncat(text, "\n", sizeof text - strlen(text) - 1);
    }
    assert_int_equal(with_graph, o.norms.by_graph);
    done(&o);
    if (strcmp(text, want) != 0) fail_msg("%s:\n%s\nnot\n%s", prefix, text, want);
}

/* Those that the values of a checkpoint show; the other rules need the graph, or what is served. */
static const char *const of_values[] = { "BN003", "BN004", "BN007", "BN011", "BN028", "BN039" };

/* Whether the layer breaks the rule, as the file says and as was found, is the same. */
static void judge(const char *model, const char *rules, const char *place)
{
    char prefix[400];
    opened o;

    snprintf(prefix, sizeof prefix, "misuse/%s/model", model);
    if (!look(prefix, true, &o)) skip();
    assert_int_equal(1, o.norms.n);
    assert_string_equal("norm", o.norms.at[0].set->place);
    for (int r = 0; r < EK_COUNT_OF(of_values); r++) {
        const bool wanted = strstr(rules, of_values[r]) != NULL && strcmp(place, "norm") == 0;
        bool found = false;

        for (int k = 0; k < o.norms.at[0].n_findings; k++)
            found = found || strcmp(o.norms.at[0].finding[k].rule, of_values[r]) == 0;
        if (found != wanted) fail_msg("%s: %s is %s", model, of_values[r], found ? "a false alarm" : "not found");
    }
    done(&o);
}

static void programs_that_misuse_batch_norm_are_told_from_their_twins(void **state)
{
    const char *path = ek_test_data("misuse/expected.tsv");
    case_table table;

    (void)state;
    if (path == NULL) skip();
    assert_true(case_table_read(path, &table));
    assert_int_equal(13, table.rows);
    for (int row = 0; row < table.rows - 1; row++)
        judge(case_table_at(&table, row, 0), case_table_at(&table, row, case_table_column(&table, "rules")),
              case_table_at(&table, row, case_table_column(&table, "place")));
    case_table_free(&table);
}

static void without_a_graph_names_say_which_variable_is_which(void **state)
{
    (void)state;
    expect("misuse/BN001_updates_not_run/model", false, "norm: never updated BN003\n");
    expect("misuse/BN001_updates_not_run_ok/model", false, "norm: updated\n");
    expect("misuse/BN004_saver_of_trainable_variables/model", false,
           ""); /* gamma and beta alone may be a layer norm's */
    expect("misuse/BN007_momentum_too_slow/model", false, "norm: updated\n"); /* the momentum stands in the graph */
}

static void checkpoints_of_other_kinds_are_looked_at(void **state)
{
    (void)state;
    expect("tf-files/ckpt-v2-adam/model-20", true, "norm1: suspicious BN007\nnorm2: suspicious BN007\n");
    expect("tf-files/ckpt-tf2-object/model", false, "model/layer_with_weights-1: updated\n");
    expect("checkpoints/sonnet/batch_norm_1x2x2x3/checkpoint-1", false, "module: updated\n");
    expect("checkpoints/sonnet/linear_1x1/checkpoint-1", false, "");
}

static char prefix_looked_at[4096];

static ek_status look_at_one(void)
{
    opened o = { .graph = NULL };
    ek_error err = { .code = EK_OK };
    ek_status st = ek_checkpoint_open(prefix_looked_at, &o.checkpoint, &err);

    if (st == EK_OK) st = ek__checkpoint_norms(o.checkpoint, NULL, &o.norms, &err);
    if (st == EK_OK) assert_int_equal(1, o.norms.n);
    done(&o);
    return st;
}

static void without_memory_it_is_refused(void **state)
{
    (void)state;
    if (!find("misuse/BN001_updates_not_run/model", prefix_looked_at, sizeof prefix_looked_at)) skip();
    ek_test_refuse_each(look_at_one, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_that_misuse_batch_norm_are_told_from_their_twins),
        cmocka_unit_test(without_a_graph_names_say_which_variable_is_which),
        cmocka_unit_test(checkpoints_of_other_kinds_are_looked_at),
        cmocka_unit_test(without_memory_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
