/* tests/train/statistics_test.c - what the end of training says of stored statistics that are not those of the batches. */
#include <string.h>

#include "base/base.h"
#include "support/support.h"
#include "train_net.h"

typedef struct heard {
    int count;
    char rule[8][8], text[8][1024], place[8][64];
} heard;

static void hear(const ek_finding *f, void *arg)
{
    heard *h = arg;

    if (h->count == 8) return;
    snprintf(h->rule[h->count], sizeof h->rule[0], "%s", f->rule);
    snprintf(h->place[h->count], sizeof h->place[0], "%s", f->place);
    snprintf(h->text[h->count++], sizeof h->text[0], "%s", f->text);
}

static void a_healthy_run_is_silent(void **state)
{
    net n = net_create(true);
    heard h = { 0 };

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .steps = 200, .eval_data = n.test, .report = hear,
                                   .report_arg = &h));
    for (int i = 0; i < h.count; i++) print_message("%s %s\n", h.rule[i], h.text[i]);
    assert_int_equal(0, h.count);
    net_destroy(&n);
}

/* Steps that move no averages: they stay 0 and 1. */
static void statistics_that_stayed_behind_are_told(void **state)
{
    net n = net_create(true);
    heard h = { 0 };
    const ek_op bare = ek_minimize(ek_gradient_descent_optimizer(n.graph, 0.5), n.c.loss);

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_fit(n.session, bare, NET_FIT(n), .steps = 100, .eval_data = n.test, .report = hear,
                                   .report_arg = &h));
    assert_true(h.count >= 1);
    assert_string_equal("BN018", h.rule[0]);
    assert_string_equal("batch_normalization", h.place[0]);
    assert_non_null(strstr(h.text[0], "the weights before batch_normalization no longer match its stored statistics: over the "
                                      "training batches"));
    net_destroy(&n);
}

/* A rate that throws the weights so far that a variance overflows: no comparison says what is wrong. */
static void statistics_that_are_no_numbers_are_told_as_such(void **state)
{
    net n = net_create(true);
    heard h = { 0 };
    const ek_op wild = ek_tensor_op(ek_train_op(n.c.loss, ek_gradient_descent_optimizer(n.graph, 1e30), .check_numerics = false));
    int broken = 0;

    EK_UNUSED(state);
    (void)ek_fit(n.session, wild, NET_FIT(n), .steps = 5, .eval_data = n.test, .report = hear, .report_arg = &h);
    for (int i = 0; i < h.count; i++) {
        assert_null(strstr(h.text[i], "nan"));
        broken += strcmp(h.rule[i], "BN011") == 0 && strstr(h.text[i], "is not finite, so inference is undefined") != NULL;
    }
    assert_int_equal(1, broken);
    net_destroy(&n);
}

static void inputs_of_another_scale_are_told(void **state)
{
    net n = net_create(true);
    heard h = { 0 };

    EK_UNUSED(state);
    assert_int_equal(EK_OK, ek_dataset_convert(n.test, 0, EK_FLOAT32, 1.0 / 255, NULL));
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .steps = 200, .eval_data = n.test, .report = hear,
                                   .report_arg = &h));
    assert_int_equal(1, h.count);
    assert_string_equal("BN019", h.rule[0]);
    assert_non_null(strstr(h.text[0], "which is the scale of pixels from 0 to 255 against 0 to 1"));
    net_destroy(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_run_is_silent),
        cmocka_unit_test(statistics_that_stayed_behind_are_told),
        cmocka_unit_test(statistics_that_are_no_numbers_are_told_as_such),
        cmocka_unit_test(inputs_of_another_scale_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
