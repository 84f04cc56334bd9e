/* tests/train/plot_run_test.c - what a run wrote for TensorBoard becomes pictures, one for each tag. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evenkeel/events.h"
#include "evenkeel/plot.h"
#include "support/support.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ek_plot_run_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int drop_folder(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void in_folder(char path[128], const char *name) { snprintf(path, 128, "%s/%s", folder, name); }

/* Steps `from` to `to` of a run, the loss `height` above the step; a run that goes on says so. */
static void write_run(const char *run, int64_t from, int64_t to, double height)
{
    ek_event_writer *w;
    char path[128];

    in_folder(path, run);
    assert_int_equal(EK_OK, ek_event_writer_open(path, &w));
    if (from > 1) assert_int_equal(EK_OK, ek_event_write_session_log(w, EK_SESSION_START, NULL, NULL, from, NULL));
    for (int64_t step = from; step <= to; step++) {
        assert_int_equal(EK_OK, ek_event_write_scalar(w, "loss", (double)step + height, step, NULL));
        if (step == to) assert_int_equal(EK_OK, ek_event_write_scalar(w, "last/one", 0.5, step, NULL));
    }
    assert_int_equal(EK_OK, ek_event_writer_close(w, NULL));
}

static void expect_text(const char *name, const char *want)
{
    char path[128], *got;

    in_folder(path, name);
    got = ek_test_read(path, NULL);
    assert_non_null(got);
    assert_string_equal(got, want);
    free(got);
}

static void a_picture_for_each_tag_has_a_curve_for_each_run(void **state)
{
    int64_t pictures = 0;

    (void)state;
    write_run("train", 1, 3, 0.25);
    write_run("eval", 2, 2, 0.5);
    assert_int_equal(EK_OK, ek_plot_run(folder, .pictures = &pictures));
    assert_int_equal(2, pictures);
    expect_text("curves/loss.tsv", "# eval\n2\t2.5\n\n\n# train\n1\t1.25\n2\t2.25\n3\t3.25\n");
    expect_text("curves/last_one.tsv", "# eval\n2\t0.5\n\n\n# train\n3\t0.5\n");
}

static void what_a_killed_run_wrote_beyond_its_checkpoint_is_left_out(void **state)
{
    (void)state;
    write_run("train", 3, 4, 0.75);
    assert_int_equal(EK_OK, ek_plot_run(folder));
    expect_text("curves/loss.tsv", "# eval\n2\t2.5\n\n\n# train\n1\t1.25\n2\t2.25\n3\t3.75\n4\t4.75\n");
    expect_text("curves/last_one.tsv", "# eval\n2\t0.5\n\n\n# train\n4\t0.5\n");
}

static void a_folder_without_scalars_is_refused(void **state)
{
    char path[128];

    (void)state;
    assert_int_equal(EK_NOT_FOUND, ek_plot_run("/nonexistent/x"));
    in_folder(path, "train");
    assert_int_equal(EK_NOT_FOUND, ek_plot_run(path));
    assert_int_equal(EK_INVALID_ARGUMENT, ek_plot_run(NULL));
}

static ek_status everything(void)
{
    ek_error err = { .code = EK_OK };

    return ek_plot_run(folder, .error = &err);
}

static void refused_memory_is_said(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 60);
}

static void a_damaged_file_is_named(void **state)
{
    char path[128];
    FILE *f;

    (void)state;
    in_folder(path, "train/events.out.tfevents.0");
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("this is not a file of records, but it is long enough to be taken for one", f);
    fclose(f);
    assert_int_equal(EK_DATA_LOSS, ek_plot_run(folder));
    assert_non_null(strstr(ek_last_error()->text, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_for_each_tag_has_a_curve_for_each_run),
        cmocka_unit_test(what_a_killed_run_wrote_beyond_its_checkpoint_is_left_out),
        cmocka_unit_test(a_folder_without_scalars_is_refused),
        cmocka_unit_test(refused_memory_is_said),
        cmocka_unit_test(a_damaged_file_is_named),
    };
    return cmocka_run_group_tests_name("pictures of a run", tests, make_folder, drop_folder);
}
