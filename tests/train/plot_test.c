/* tests/train/plot_test.c - curves become numbers, a script and a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evenkeel/plot.h"
#include "support/support.h"

static char folder[64];
static const double x[] = { 0, 1, 2, 3 }, y[] = { 0.5, 0.25, NAN, 1 }, z[] = { 1, 2, 3, 4 };
static const ek_curve two[] = { { "it's\na name", x, y, 4 }, { NULL, x, z, 4 } };

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ek_plot_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static const char *in_folder(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = 1 - turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int drop_folder(void **state)
{
    static const char *const names[] = { "a.tsv", "a.gp", "a.png", "odd 'name.tsv", "odd 'name.gp", "odd 'name.png" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unlink(in_folder(names[i]));
    return rmdir(folder);
}

static void expect_text(const char *name, const char *want)
{
    char *got = ek_test_read(in_folder(name), NULL);

    assert_non_null(got);
    assert_string_equal(got, want);
    free(got);
}

static bool has_gnuplot(void) { return system("gnuplot --version > /dev/null 2>&1") == 0; }

static void numbers_and_script_are_written_as_text(void **state)
{
    (void)state;
    assert_int_equal(EK_OK, ek_plot(in_folder("a"), .curves = two, .n_curves = 2, .title = "T", .x_label = "step", .y_max = 2));
    expect_text("a.tsv", "# it's a name\n0\t0.5\n1\t0.25\n\n3\t1\n\n\n# \n0\t1\n1\t2\n2\t3\n3\t4\n");
    expect_text("a.gp", "set terminal pngcairo size 720,480 noenhanced\nset output 'a.png'\nset grid\nset key above\n"
                        "set title 'T'\nset xlabel 'step'\nset yrange [0:2]\n"
                        "plot 'a.tsv' index 0 with lines linewidth 2 title 'it''s a name', \\\n"
                        "     'a.tsv' index 1 with lines linewidth 2 notitle\n");
}

static void gnuplot_makes_a_picture_of_the_size_asked_for(void **state)
{
    static const unsigned char want[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 1, 0, 0, 0, 0, 128 };
    bool drawn = false;
    size_t size = 0;
    char *png;

    (void)state;
    if (!has_gnuplot()) skip();
    assert_int_equal(EK_OK, ek_plot(in_folder("odd 'name"), .curves = two, .n_curves = 2, .width = 256, .height = 128, .drawn = &drawn));
    assert_true(drawn);
    png = ek_test_read(in_folder("odd 'name.png"), &size);
    assert_non_null(png);
    assert_true(size > sizeof want);
    assert_memory_equal(png, want, sizeof want);
    free(png);
}

static void without_gnuplot_the_texts_are_there_all_the_same(void **state)
{
    char *path = getenv("PATH") != NULL ? strdup(getenv("PATH")) : NULL;
    bool drawn = true;
    ek_status st;

    (void)state;
    unlink(in_folder("a.gp"));
    unlink(in_folder("a.png"));
    setenv("PATH", "/nowhere", 1);
    st = ek_plot(in_folder("a"), .curves = two, .n_curves = 1, .drawn = &drawn);
    if (path != NULL) setenv("PATH", path, 1);
    free(path);
    assert_int_equal(EK_OK, st);
    assert_false(drawn);
    assert_int_equal(0, access(in_folder("a.gp"), F_OK));
    assert_int_not_equal(0, access(in_folder("a.png"), F_OK));
}

static void expect_refusal(ek_status got, ek_status want, const char *words)
{
    assert_int_equal(want, got);
    if (strstr(ek_last_error()->text, words) == NULL) fail_msg("'%s' does not say '%s'", ek_last_error()->text, words);
}

static void what_cannot_be_drawn_is_refused_with_the_reason(void **state)
{
    const ek_curve empty[] = { { "none", x, y, 0 } };

    (void)state;
    expect_refusal(ek_plot(NULL, .curves = two, .n_curves = 2), EK_INVALID_ARGUMENT, "needs a path");
    expect_refusal(ek_plot(in_folder(""), .curves = two, .n_curves = 2), EK_INVALID_ARGUMENT, "needs a path");
    expect_refusal(ek_plot(in_folder("a"), .title = "T"), EK_INVALID_ARGUMENT, "has no curve");
    expect_refusal(ek_plot(in_folder("a"), .curves = empty, .n_curves = 1), EK_INVALID_ARGUMENT, "curve 0");
    expect_refusal(ek_plot(in_folder("a"), .curves = two, .n_curves = 1, .y_min = 1), EK_INVALID_ARGUMENT, "from 1 to 0");
    expect_refusal(ek_plot(in_folder("a"), .curves = two, .n_curves = 1, .y_max = NAN), EK_INVALID_ARGUMENT, "nan");
    expect_refusal(ek_plot(in_folder("a"), .curves = two, .n_curves = 1, .width = 3), EK_INVALID_ARGUMENT, "3 x 480");
    expect_refusal(ek_plot(in_folder("not/there"), .curves = two, .n_curves = 1), EK_NOT_FOUND, "not/there.tsv");
}

static ek_status everything(void)
{
    ek_error err = { .code = EK_OK };

    return ek_plot(in_folder("a"), .curves = two, .n_curves = 2, .title = "T", .error = &err);
}

static void refused_memory_is_said(void **state)
{
    (void)state;
    ek_test_refuse_each(everything, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_script_are_written_as_text),
        cmocka_unit_test(gnuplot_makes_a_picture_of_the_size_asked_for),
        cmocka_unit_test(without_gnuplot_the_texts_are_there_all_the_same),
        cmocka_unit_test(what_cannot_be_drawn_is_refused_with_the_reason),
        cmocka_unit_test(refused_memory_is_said),
    };
    return cmocka_run_group_tests_name("plot", tests, make_folder, drop_folder);
}
