/* Printed forms against what numpy printed: golden/print.txt, made by tools/make_print_goldens.py. */
#include "values/array.h"

#include <locale.h>
#include <stdlib.h>

#include "support/support.h"

/* One case of the file, cut out of its text in place. */
typedef struct golden {
    ek_array *array;
    char *str, *repr;
} golden;

static int hex_digit(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* Reads hex up to a comma or the end; returns the bytes read. */
static size_t unhex(const char **text, unsigned char *out)
{
    size_t n = 0;

    for (; **text != ',' && **text != '\0'; *text += 2) out[n++] = (unsigned char)(hex_digit((*text)[0]) << 4 | hex_digit((*text)[1]));
    return n;
}

static void fill(ek_array *a, const char *data)
{
    static unsigned char bytes[4096];

    if (strcmp(data, "arange") == 0) {
        for (int64_t i = 0; i < a->count; i++)
            assert_true(ek__convert(EK_INT64, &i, a->dtype, (char *)a->data + (size_t)i * ek_dtype_size(a->dtype), 1));
    } else if (a->dtype != EK_STRING) {
        assert_int_equal(unhex(&data, a->data), ek_array_bytes(a));
    } else {
        for (int64_t i = 0; i < a->count; i++) {
            const size_t n = unhex(&data, bytes);

            assert_int_equal(ek_array_set_string(a, i, (char *)bytes, n), EK_OK);
            if (*data == ',') data++;
        }
    }
}

/* The next line, its newline cut off. */
static char *line(char **at)
{
    char *start = *at, *end = strchr(start, '\n');

    if (end == NULL) return NULL;
    *end = '\0';
    *at = end + 1;
    return start;
}

/* "s 3" and the three lines after it as one string. */
static char *block(char **at, char letter)
{
    char *head = line(at), *text = *at;

    assert_non_null(head);
    assert_int_equal(head[0], letter);
    for (long n = atol(head + 2); n > 0; n--) {
        *at = strchr(*at, '\n');
        assert_non_null(*at);
        (*at)++;
    }
    (*at)[-1] = '\0';
    return text;
}

static bool next_case(char **at, golden *g)
{
    char *head = line(at), *word, *rest = NULL;
    ek_shape shape = EK_SCALAR;
    ek_dtype dtype;

    if (head == NULL) return false;
    assert_int_equal(head[0], '=');
    word = strtok_r(head + 2, " ", &rest);
    dtype = ek_dtype_from_name(word);
    while (strcmp(word = strtok_r(NULL, " ", &rest), ":") != 0) shape.dim[shape.rank++] = atol(word);
    g->array = ek_array_of(dtype, shape, NULL);
    assert_non_null(g->array);
    fill(g->array, rest);
    g->str = block(at, 's');
    g->repr = block(at, 'r');
    return true;
}

/* Walks the golden file; returns the number of cases, *wrong those that print otherwise. */
static int compare_all(int *wrong)
{
    char *text = ek_test_read(EK_SOURCE_DIR "/tests/values/golden/print.txt", NULL), *at = text;
    golden g;
    int n = 0;

    assert_non_null(text);
    *wrong = 0;
    for (; next_case(&at, &g); n++) {
        char *str = ek_array_str(g.array), *repr = ek_array_repr(g.array);

        if (strcmp(str, g.str) != 0 || strcmp(repr, g.repr) != 0) {
            if (++*wrong <= 10) print_error("wanted\n%s\n%s\nfound\n%s\n%s\n", g.str, g.repr, str, repr);
        }
        ek_free(str);
        ek_free(repr);
        ek_array_unref(g.array);
    }
    free(text);
    return n;
}

static void arrays_print_as_numpy_prints_them(void **state)
{
    int wrong;

    EK_UNUSED(state);
    assert_true(compare_all(&wrong) > 1000);
    assert_int_equal(wrong, 0);
}

static void the_locale_changes_nothing(void **state)
{
    ek_array *a = ek_array_of(EK_FLOAT64, EK_SHAPE(2), (double[]){ 0.5, 1.0 / 3 });
    char *str;

    EK_UNUSED(state);
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL) {
        ek_array_unref(a);
        skip();
    }
    str = ek_array_str(a);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(str, "[0.5        0.33333333]");
    ek_free(str);
    ek_array_unref(a);
}

static void without_memory_nothing_is_printed(void **state)
{
    ek_test_allocator t;
    bool done = false;

    EK_UNUSED(state);
    for (long k = 2; !done && k < 100; k++) {
        ek_test_allocator_install(&t, k);
        ek_array *a = ek_array_of(EK_COMPLEX64, EK_SHAPE(40), NULL);
        char *text = ek_array_repr(a);

        done = t.calls < k;
        assert_int_equal(text != NULL, done);
        ek_free(text);
        ek_array_unref(a);
        assert_int_equal(t.live, 0);
        ek_test_allocator_remove();
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_print_as_numpy_prints_them),
        cmocka_unit_test(the_locale_changes_nothing),
        cmocka_unit_test(without_memory_nothing_is_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
