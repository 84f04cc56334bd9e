/* tests/base/rules_test.c - the list of rules. */
#include "base/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

static void ids_are_in_order_and_titles_are_sentences(void **state)
{
    (void)state;
    assert_int_equal(EK_RULES, 45);
    for (int r = 0; r < EK_RULES; r++) {
        char id[8];

        snprintf(id, sizeof id, "BN%03d", r + 1);
        assert_string_equal(ek__rule_id((ek_rule)r), id);
        assert_true(strlen(ek__rule_title((ek_rule)r)) > 10);
        assert_string_not_equal(ek_severity_name(ek__rule_severity((ek_rule)r)), "?");
    }
}

static void severities_have_names(void **state)
{
    (void)state;
    assert_string_equal(ek_severity_name(EK_SEVERITY_INFO), "info");
    assert_string_equal(ek_severity_name(EK_SEVERITY_WARNING), "warning");
    assert_string_equal(ek_severity_name(EK_SEVERITY_ERROR), "error");
    assert_string_equal(ek_severity_name((ek_severity)7), "?");
    assert_int_equal(ek__rule_severity(EK_RULE_BN001), EK_SEVERITY_ERROR);
    assert_int_equal(ek__rule_severity(EK_RULE_BN013), EK_SEVERITY_WARNING);
    assert_int_equal(ek__rule_severity(EK_RULE_BN044), EK_SEVERITY_INFO);
}

/* The catalogue of the data folder, where it is at hand, says the same. */
static void the_catalogue_says_the_same(void **state)
{
    (void)state;
    char row[512], severity[16];
    int found = 0;
    const char *path = ek_test_data("../spec/bn-misuse-catalogue.md");
    char *text = path != NULL ? ek_test_read(path, NULL) : NULL;

    if (text == NULL) skip();
    for (int r = 0; r < EK_RULES; r++) {
        const int n = snprintf(row, sizeof row, "\n| %s | %s | ", ek__rule_id((ek_rule)r), ek__rule_title((ek_rule)r));
        const char *at = strstr(text, row);

        if (at == NULL) fail_msg("the catalogue has no '%s'", row + 1);
        assert_int_equal(sscanf(at + n, "%*d | %*d | %*d | %15s", severity), 1);
        assert_string_equal(severity, ek_severity_name(ek__rule_severity((ek_rule)r)));
        found++;
    }
    assert_int_equal(found, EK_RULES);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_in_order_and_titles_are_sentences),
        cmocka_unit_test(severities_have_names),
        cmocka_unit_test(the_catalogue_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
