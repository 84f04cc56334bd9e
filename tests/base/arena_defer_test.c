/* What is deferred to an arena's end runs once, the last first, while the arena's memory is still there. */
#include "base/base.h"
#include "support/support.h"

static int order[3], n;

static void note(void *arg)
{
    order[n++] = *(int *)arg;
}

static void deferred_calls_run_backwards(void **state)
{
    ek_arena arena = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        int *number = EK_ARENA_NEW(&arena, int, 1);
        *number = i;
        assert_true(ek__arena_defer(&arena, note, number));
    }
    ek__arena_fini(&arena);
    assert_int_equal(n, 3);
    assert_true(order[0] == 2 && order[1] == 1 && order[2] == 0);
    ek__arena_fini(&arena);
    assert_int_equal(n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(deferred_calls_run_backwards) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
