/* tests/support/counting.c - see counting.h. */
#include "support/counting.h"

#include "support/support.h"

ek_saver_options counting_saver(void)
{
    return (ek_saver_options){ .size = sizeof(ek_saver_options), .var_list = { NULL, NULL, -1 }, .named = { NULL, -1 },
                               .max_to_keep = 5, .keep_checkpoint_every_n_hours = 10000, .write_version = 2 };
}

counting counting_make(bool resource, const ek_saver_options *o)
{
    counting m = { .g = ek_graph_create() };
    ek_saver_options own = o != NULL ? *o : counting_saver();

    own.graph = m.g;
    ek_use_resource_variables(m.g, resource);
    m.w = ek_get_variable(m.g, "w", .shape = EK_SHAPE(2), .initializer = ek_zeros_initializer());
    m.step = ek_get_or_create_global_step(m.g);
    const ek_tensor one = ek_constant(m.g, ek_float(1), .shape = EK_SHAPE(2));
    const ek_tensor a = ek_assign_add(m.w, one), b = ek_assign_add(m.step, 1);
    m.next = ek_group(m.g, EK_LIST(ek_tensor_op(a), ek_tensor_op(b)));
    const ek_op init = ek_global_variables_initializer(m.g);
    m.saver = ek_saver_create_with(&own, EK_HERE);
    m.s = ek_session_create(m.g, .threads = 1);
    if (ek_graph_status(m.g, NULL) != EK_OK || m.s == NULL) fail_msg("%s", ek_last_error()->text);
    assert_int_equal(ek_run(m.s, .target = { init }), EK_OK);
    return m;
}

void counting_end(counting m)
{
    ek_session_destroy(m.s);
    ek_graph_destroy(m.g);
}

void counting_steps(counting m, int n)
{
    for (int i = 0; i < n; i++) assert_int_equal(ek_run(m.s, .target = { m.next }), EK_OK);
}

void counting_save(counting m, const char *prefix, int64_t step)
{
    ek_error err = { .code = EK_OK };

    if (ek_saver_save(m.saver, m.s, prefix, .global_step = step, .error = &err) != EK_OK) fail_msg("%s", err.text);
}

void counting_restore(counting m, const char *prefix)
{
    ek_error err = { .code = EK_OK };

    if (ek_saver_restore(m.saver, m.s, prefix, &err) != EK_OK) fail_msg("%s: %s", prefix, err.text);
}

int64_t counting_now(counting m)
{
    ek_array *w = NULL, *step = NULL;
    int64_t now = -1;

    if (ek_session_get(m.s, m.w, &w) == EK_OK && ek_session_get(m.s, m.step, &step) == EK_OK) {
        now = ek_array_i64(step)[0];
        if (ek_array_get(w, 0) != (double)now || ek_array_get(w, 1) != (double)now) now = -2;
    }
    ek_array_unref(w);
    ek_array_unref(step);
    return now;
}
