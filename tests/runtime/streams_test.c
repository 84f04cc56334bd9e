/* tests/runtime/streams_test.c - the places of a session's random streams: taken down, and gone on from in another session. */
#include <string.h>

#include "runtime/runtime.h"
#include "support/support.h"

static ek_graph *graph(ek_tensor *drawn, ek_tensor *dropped)
{
    ek_graph *g = ek_graph_create();

    *drawn = ek_random_uniform(g, EK_SHAPE(5), .seed = 7, .name = "drawn");
    *dropped = ek_dropout(ek_ones(g, EK_SHAPE(3, 4)), 0.5, .training = EK_TRUE, .seed = 8);
    return g;
}

static ek_array *run(ek_session *s, ek_tensor t)
{
    ek_array *out = NULL;

    assert_int_equal(EK_OK, ek_run(s, .fetch = { { t, &out } }));
    return out;
}

static void another_session_goes_on_where_one_was(void **state)
{
    ek_tensor t[2], u[2];
    ek_graph *g = graph(&t[0], &t[1]), *h = graph(&u[0], &u[1]);
    ek_session *s = ek_session_create(g), *r = ek_session_create(h);
    ek_array *names, *places, *more, *more_places;

    EK_UNUSED(state);
    for (int i = 0; i < 3; i++) ek_array_unref(run(s, t[0]));
    ek_array_unref(run(s, t[1]));
    assert_int_equal(EK_OK, ek__session_streams_get(s, &names, &places, NULL));
    assert_int_equal(2, ek_array_count(names));
    ek_array_unref(run(r, u[1])); /* planned and used already */
    assert_int_equal(EK_OK, ek__session_streams_set(r, names, places, NULL));
    for (int i = 0; i < 4; i++) {
        ek_array *a = run(s, t[i % 2]), *b = run(r, u[i % 2]);

        assert_true(ek__array_equal(a, b));
        ek_array_unref(a);
        ek_array_unref(b);
    }
    assert_int_equal(EK_OK, ek__session_streams_get(r, &more, &more_places, NULL));
    assert_int_equal(2, ek_array_count(more));
    assert_false(ek__array_equal(places, more_places));
    ek_array_unref(names);
    ek_array_unref(places);
    ek_array_unref(more);
    ek_array_unref(more_places);
    ek_session_destroy(s);
    ek_session_destroy(r);
    ek_graph_destroy(g);
    ek_graph_destroy(h);
}

static void what_is_not_drawn_has_no_place(void **state)
{
    ek_tensor t[2];
    ek_graph *g = graph(&t[0], &t[1]);
    ek_session *s = ek_session_create(g);
    ek_array *names, *places;

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek__session_streams_get(s, &names, &places, NULL));
    assert_int_equal(0, ek_array_count(names));
    ek_array_unref(names);
    ek_array_unref(places);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

static void other_places_are_refused(void **state)
{
    ek_tensor t[2];
    ek_graph *g = graph(&t[0], &t[1]);
    ek_session *s = ek_session_create(g);
    ek_array *names = ek_array_of(EK_STRING, EK_SHAPE(1), NULL), *places = ek_array_of(EK_INT64, EK_SHAPE(1, 3), NULL);
    ek_array *short_places = ek_array_of(EK_INT64, EK_SHAPE(1, 2), NULL);
    ek_error err = { .code = EK_OK };

    EK_UNUSED(state);
    assert_int_equal(EK_INVALID_ARGUMENT, ek__session_streams_set(s, names, short_places, &err));
    for (int i = 0; i < 3; i++) {
        const char *name = (const char *[]){ "", "nobody", "ones" }[i];

        err.code = EK_OK;
        assert_int_equal(EK_OK, ek_array_set_string(names, 0, name, strlen(name)));
        assert_int_equal(EK_INVALID_ARGUMENT, ek__session_streams_set(s, names, places, &err));
        assert_non_null(strstr(err.text, "has no random operation"));
    }
    ek_array_unref(names);
    ek_array_unref(places);
    ek_array_unref(short_places);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_session_goes_on_where_one_was),
        cmocka_unit_test(what_is_not_drawn_has_no_place),
        cmocka_unit_test(other_places_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
