/* Variables in parts, saved as slices of one tensor and restored into other parts, or into one variable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evenkeel/evenkeel.h"
#include "support/support.h"

static char folder[64], prefix[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/evenkeel_parts_XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(prefix, sizeof prefix, "%s/m", folder);
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const there[] = { "/m.index", "/m.data-00000-of-00001", "/m.data-00000-of-00002", "/m.meta",
                                         "/checkpoint", "" };
    char path[128];

    (void)state;
    for (int i = 0; i < (int)(sizeof there / sizeof there[0]); i++) {
        snprintf(path, sizeof path, "%s%s", folder, there[i]);
        if (remove(path) != 0 && there[i][0] == '\0') return 1;
    }
    return 0;
}

/* "w" of shape [5, 3] with the elements from + 0 .. 14, in `parts` parts along `axis`; 0: in one. */
static ek_variable make(ek_graph *g, float from, int parts, int axis)
{
    float value[15];
    ek_variable v;

    for (int i = 0; i < 15; i++) value[i] = from + (float)i;
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(5, 3), value);
    if (parts == 0) v = ek_get_variable(g, "w", .initializer = ek_initial_value(a));
    else v = ek_get_variable(g, "w", .initializer = ek_initial_value(a),
                             .partitioner = ek_fixed_size_partitioner(parts, .axis = axis));
    ek_array_unref(a);
    return v;
}

/* by_list: the saver is told of the whole, else it finds the parts in the collection. */
static void expect_restored(int parts, int axis, bool by_list)
{
    ek_graph *g = ek_graph_create();
    const ek_variable w = make(g, 100, parts, axis);
    ek_saver *saver = by_list ? ek_saver_create(g, .named = EK_NAMED_VARIABLES({ "w", w })) : ek_saver_create(g);
    ek_tensor value = ek_identity(w);
    ek_session *s = ek_session_create(g);
    ek_array *out = NULL;

    EK_DIE(ek_saver_restore(saver, s, prefix, NULL));
    EK_DIE(ek_run(s, .fetch = { { value, &out } }));
    for (int i = 0; i < 15; i++)
        if (!(ek_array_f32(out)[i] == (float)i)) fail_msg("element %d is %g", i, (double)ek_array_f32(out)[i]);
    ek_array_unref(out);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void save(bool by_list)
{
    ek_graph *g = ek_graph_create();
    const ek_variable w = make(g, 0, 3, 0);
    ek_saver *saver = by_list ? ek_saver_create(g, .var_list = EK_LIST(w)) : ek_saver_create(g);
    ek_session *s = ek_session_create(g);

    EK_DIE(ek_run(s, .target = { ek_global_variables_initializer(g) }));
    EK_DIE(ek_saver_save(saver, s, prefix));
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void parts_are_restored_into_other_parts(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        save(i == 1);
        expect_restored(3, 0, i == 1);
        expect_restored(2, 1, i == 1);
        expect_restored(0, 0, i == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(parts_are_restored_into_other_parts) };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
