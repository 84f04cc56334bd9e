/* article.c - the article "Using TensorFlow's Batch Normalization Correctly", step by step, in C.
 *
 * Each step prints what comes out here beside what the article prints, and the program fails where they differ. The
 * Python calls and these stand side by side in README.md.
 */
#include <evenkeel/evenkeel.h>

#include <stdio.h>
#include <string.h>

static int differences;
static ek_array *x3, *x1, *yes, *no; /* [[-10], [0], [10]], [[-10]], True, False */
static const char normalized[] = "[[-1.2247357]\n [ 0.       ]\n [ 1.2247357]]"; /* x3 by its own statistics */

/* ---- printing --------------------------------------------------------------------------------- */

/* One line of a text that has several; moves on to the next. Empty behind the end. */
static int line(const char **text)
{
    const int n = (int)strcspn(*text, "\n");

    *text += n + ((*text)[n] == '\n');
    return n;
}

/* What comes out, printed as numpy prints it, beside what the article prints: every character must be the same. */
static void show(const char *what, const ek_array *found, const char *article)
{
    char *text = ek_array_str(found);
    const char *here = text != NULL ? text : "?";
    const int same = strcmp(here, article) == 0;

    printf("  %-34s%-18s%s\n", what, "here", same ? "article" : "article   DIFFERENT");
    while (*here != '\0' || *article != '\0') {
        const char *left = here, *right = article;
        const int n = line(&here), m = line(&article);
        printf("  %-34s%-18.*s%.*s\n", "", n, left, m, right);
    }
    if (!same) differences++;
    ek_free(text);
}

static void show_text(const char *what, char *found, const char *article)
{
    const int same = found != NULL && strcmp(found, article) == 0;

    printf("  %s:\n    here    %s\n    article %s%s\n", what, found != NULL ? found : "?", article,
           same ? "" : "   DIFFERENT");
    if (!same) differences++;
    ek_free(found);
}

/* ---- the steps ------------------------------------------------------------------------------------ */

static void step_1(void)
{
    printf("1. without `training` the layer uses its stored statistics\n");
    ek_graph *g = ek_graph_create();
    ek_array *out = NULL;

    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x");
    ek_tensor y = ek_batch_normalization(x);

    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    EK_DIE(ek_run(s, .feed = { { x, x3 } }, .fetch = { { y, &out } }));
    ek_session_destroy(s);

    show("y of -10, 0, 10", out, "[[-9.995004]\n [ 0.      ]\n [ 9.995004]]");
    ek_array_unref(out);
    ek_graph_destroy(g);
}

static void steps_2_to_5(void)
{
    ek_graph *g = ek_graph_create();
    ek_array *out = NULL;

    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x");
    ek_tensor y = ek_batch_normalization(x, .training = EK_TRUE);

    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));

    printf("2. with training=True the batch itself normalizes\n");
    EK_DIE(ek_run(s, .feed = { { x, x3 } }, .fetch = { { y, &out } }));
    show("y of -10, 0, 10", out, normalized);

    printf("3. a batch of one is always normalized to zero\n");
    EK_DIE(ek_run(s, .feed = { { x, x1 } }, .fetch = { { y, &out } }));
    show("y of -10", out, "[[0.]]");

    printf("4. two operations must be run for the statistics to move\n");
    ek_list update_ops = ek_get_collection(g, EK_UPDATE_OPS);
    show_text("the collection UPDATE_OPS", ek_list_repr(update_ops),
              "[<tf.Operation 'batch_normalization/AssignMovingAvg' type=AssignSub>, "
              "<tf.Operation 'batch_normalization/AssignMovingAvg_1' type=AssignSub>]");

    printf("5. with training=True the stored statistics are never used\n");
    EK_DIE(ek_run(s, .feed = { { x, x3 } }, .fetch = { { y, &out } }, .also = update_ops));
    show("y of -10, 0, 10, updates run", out, normalized);
    EK_DIE(ek_run(s, .feed = { { x, x1 } }, .fetch = { { y, &out } }));
    show("then y of -10", out, "[[0.]]");

    ek_session_destroy(s);
    ek_array_unref(out);
    ek_graph_destroy(g);
}

static void steps_6_and_7(void)
{
    ek_graph *g = ek_graph_create();
    ek_array *out = NULL;

    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x");
    ek_tensor is_training = ek_placeholder_with_default(g, ek_bool(false), .name = "is_training");
    ek_tensor y = ek_batch_normalization(x, .training = is_training);
    ek_list update_ops = ek_get_collection(g, EK_UPDATE_OPS);

    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));

    printf("6. a placeholder chooses; one update moves the averages by a hundredth: too little\n");
    EK_DIE(ek_run(s, .feed = { { x, x3 }, { is_training, yes } }, .fetch = { { y, &out } }, .also = update_ops));
    show("y of -10, 0, 10, training", out, normalized);
    EK_DIE(ek_run(s, .feed = { { x, x1 }, { is_training, no } }, .fetch = { { y, &out } }));
    show("y of -10, inference", out, "[[-7.766966]]");

    printf("7. after enough updates inference agrees\n");
    for (int i = 1; i < 1000; i++)
        EK_DIE(ek_run(s, .feed = { { x, x3 }, { is_training, yes } }, .fetch = { { y, &out } }, .also = update_ops));
    EK_DIE(ek_run(s, .feed = { { x, x1 }, { is_training, no } }, .fetch = { { y, &out } }));
    show("y of -10 after 1000 updates", out, "[[-1.224762]]");

    ek_session_destroy(s);
    ek_array_unref(out);
    ek_graph_destroy(g);
}

static void steps_8_and_9(void)
{
    ek_graph *g = ek_graph_create();
    ek_array *out = NULL, *mean_out = NULL, *variance_out = NULL;

    ek_tensor x = ek_placeholder(g, EK_FLOAT32, .shape = EK_SHAPE(-1, 1), .name = "x");
    ek_tensor is_training = ek_placeholder_with_default(g, ek_bool(false), .name = "is_training");
    ek_tensor y = ek_batch_normalization(x, .training = is_training);

    ek_with_control_dependencies(g, ek_get_collection(g, EK_UPDATE_OPS))
        y = ek_identity(y);

    ek_session *s = ek_session_create(g);
    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));

    printf("8. under control dependencies the updates run by themselves\n");
    for (int i = 0; i < 1000; i++)
        EK_DIE(ek_run(s, .feed = { { x, x3 }, { is_training, yes } }, .fetch = { { y, &out } }));
    EK_DIE(ek_run(s, .feed = { { x, x1 } }, .fetch = { { y, &out } }));
    show("y of -10, the flag not fed", out, "[[-1.224762]]");

    printf("9. the statistics can be looked at\n");
    show_text("all variables", ek_list_repr(ek_all_variables(g)),
              "[<tf.Variable 'batch_normalization/gamma:0' shape=(1,) dtype=float32_ref>, "
              "<tf.Variable 'batch_normalization/beta:0' shape=(1,) dtype=float32_ref>, "
              "<tf.Variable 'batch_normalization/moving_mean:0' shape=(1,) dtype=float32_ref>, "
              "<tf.Variable 'batch_normalization/moving_variance:0' shape=(1,) dtype=float32_ref>]");
    ek_variable mean, variance;
    ek_with_variable_scope(g, "", .reuse = EK_AUTO_REUSE) {
        mean = ek_get_variable(g, "batch_normalization/moving_mean", .shape = EK_SHAPE(1));
        variance = ek_get_variable(g, "batch_normalization/moving_variance", .shape = EK_SHAPE(1));
    }
    EK_DIE(ek_run(s, .fetch = { { ek_variable_value(mean), &mean_out },
                                { ek_variable_value(variance), &variance_out } }));
    show("moving mean after 1000 updates", mean_out, "[0.]");
    show("moving variance", variance_out, "[66.66382]");

    ek_session_destroy(s);
    ek_array_unref(out);
    ek_array_unref(mean_out);
    ek_array_unref(variance_out);
    ek_graph_destroy(g);
}

int main(void)
{
    x3 = ek_array_of(EK_FLOAT32, EK_SHAPE(3, 1), (float[]){ -10, 0, 10 });
    x1 = ek_array_of(EK_FLOAT32, EK_SHAPE(1, 1), (float[]){ -10 });
    yes = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ true });
    no = ek_array_of(EK_BOOL, EK_SCALAR, (bool[]){ false });

    step_1();
    steps_2_to_5();
    steps_6_and_7();
    steps_8_and_9();

    ek_array_unref(x3);
    ek_array_unref(x1);
    ek_array_unref(yes);
    ek_array_unref(no);
    printf(differences == 0 ? "\nall as in the article\n" : "\n%d differences\n", differences);
    return differences == 0 ? 0 : 1;
}
