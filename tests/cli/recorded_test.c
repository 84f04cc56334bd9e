/* tests/cli/recorded_test.c - resuming takes its settings from the run's checkpoint, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/folder.h"
#include "train/train_net.h"

/* A folder of somebody else's could otherwise have files written by its options. */
static void what_is_no_setting_is_no_option(void **state)
{
    const ek_fit_setting evil[] = { { "model", "mlp" }, { "export", "stolen" }, { "no-such-option", "1" } };
    net n = net_create(true);
    char text[4096] = "";
    FILE *said;

    (void)state;
    assert_int_equal(EK_OK, ek_fit(n.session, n.train, NET_FIT(n), .steps = 1, .logdir = "run", .settings = evil, .n_settings = 3));
    net_destroy(&n);
    said = popen(EK_BUILD_DIR "/evenkeel train --logdir run --resume 2>&1", "r");
    assert_non_null(said);
    text[fread(text, 1, sizeof text - 1, said)] = '\0';
    assert_int_equal(1, WEXITSTATUS(pclose(said)));
    if (strstr(text, "the run of run/model.ckpt-1 was made with") == NULL) fail_msg("it says: %s", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_no_setting_is_no_option) };

    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
