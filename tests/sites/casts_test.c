/* What is known of a value that comes out of a Cast has the Cast's type. */
#include <math.h>

#include "sites/sites.h"
#include "support/building.h"

/* Epsilon is 1 - 0.75, of which 0.75 was float32: elements of half the size that a double is read from. */
static void numbers_are_read_after_the_cast(void **state)
{
    ek_graph *g = ek_graph_create();
    ek_tensor x = ek_placeholder(g, EK_FLOAT64, .shape = EK_SHAPE(-1, 3), .name = "x");
    ek_moments_result m = ek_moments(x, .axes = EK_AXES(0));
    ek_tensor most = ek_cast(ek_constant(g, ek_float(0.75)), EK_FLOAT64);
    ek_tensor epsilon = ek_minus(ek_constant(g, ek_scalar(EK_FLOAT64, 1.0)), most);
    ek_times(ek_minus(x, m.mean), ek_rsqrt(ek_plus(m.variance, epsilon)));
    const ek_view view = { .graph = g, .n_nodes = ek_graph_op_count(g) };
    ek_sites sites;

    (void)state;
    expect_fine(g);
    assert_int_equal(ek__sites_find(&view, EK_BRANCH_UNKNOWN, &sites, NULL), EK_OK);
    assert_int_equal(sites.n, 1);
    assert_true(fabs(sites.at[0].epsilon - 0.25) <= 1e-12);
    ek__sites_free(&sites);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(numbers_are_read_after_the_cast) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
