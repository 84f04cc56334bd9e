/* ReadFile and WriteFile: any bytes, folders made on the way, what cannot be read or written. */
#include <stdlib.h>
#include <unistd.h>

#include "ops/texts.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/evenkeel_files_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    static const char *const there[] = { "/new/deep/file", "/new/deep", "/new", "" };
    char path[128];

    (void)state;
    for (int i = 0; i < EK_COUNT_OF(there); i++) {
        snprintf(path, sizeof path, "%s%s", folder, there[i]);
        if (remove(path) != 0) return 1;
    }
    return 0;
}

static void what_was_written_is_read(void **state)
{
    ek_array *text = ek_array_of(EK_STRING, EK_SCALAR, NULL), *read;
    const ek_array *in[2];
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/new/deep/file", folder);
    assert_int_equal(ek_array_set_string(text, 0, "a\0b\xff", 4), EK_OK);
    in[0] = TEXT(path);
    in[1] = text;
    run_op("WriteFile", NO_ATTRS, 2, in, 0, NULL);
    release_inputs(2, in);
    read = one_of("ReadFile", NO_ATTRS, INPUTS(TEXT(path)));
    assert_int_equal(ek_array_rank(read), 0);
    assert_int_equal(((const ek_string *)ek_array_cdata(read))->size, 4);
    assert_memory_equal(((const ek_string *)ek_array_cdata(read))->data, "a\0b\xff", 4);
    ek_array_unref(read);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    refuses("ReadFile", NO_ATTRS, INPUTS(TEXT("/nonexistent/foo")), 1, EK_NOT_FOUND, "No such file or directory");
    refuses("ReadFile", NO_ATTRS, INPUTS(TEXT(folder)), 1, EK_INVALID_ARGUMENT, "is not a file");
    refuses("ReadFile", NO_ATTRS, INPUTS(TEXT("")), 1, EK_NOT_FOUND, "No such file or directory");
    refuses("ReadFile", NO_ATTRS, INPUTS(TEXTS("a")), 1, EK_INVALID_ARGUMENT,
            "Input filename tensor must be scalar, but had shape: [1]");
    refuses("WriteFile", NO_ATTRS, INPUTS(TEXT("a"), TEXTS("x")), 0, EK_INVALID_ARGUMENT,
            "Contents tensor must be scalar, but had shape: [1]");
    refuses("WriteFile", NO_ATTRS, INPUTS(TEXT("/dev/null/x"), TEXT("x")), 0, EK_NOT_FOUND, "Not a directory");

    ek_array *nul = ek_array_of(EK_STRING, EK_SCALAR, NULL);
    assert_int_equal(ek_array_set_string(nul, 0, "/etc\0x", 6), EK_OK);
    refuses("ReadFile", NO_ATTRS, INPUTS(nul), 1, EK_INVALID_ARGUMENT, "holds a NUL");
}

/* A file's name is no file: what it holds when the session runs is what counts. */
static void a_constant_name_is_read_in_every_run(void **state)
{
    ek_graph *g = ek_graph_create();
    char path[128];
    const char *const text[] = { "first", "second" };

    (void)state;
    snprintf(path, sizeof path, "%s/new/deep/file", folder);
    ek_array *name = TEXT(path), *out = NULL;
    ek_tensor in = ek_constant(g, ek_value(name)), y = ek_op_output(ek_op_build(g, "ReadFile", .inputs = &in, .n_inputs = 1), 0);
    ek_session *s = ek_session_create(g);
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        fputs(text[i], f);
        fclose(f);
        EK_DIE(ek_run(s, .fetch = { { y, &out } }));
        expect_texts(out, 1, &text[i]);
    }
    ek_array_unref(out);
    ek_array_unref(name);
    ek_session_destroy(s);
    ek_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_constant_name_is_read_in_every_run),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
