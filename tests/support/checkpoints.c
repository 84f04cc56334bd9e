/* tests/support/checkpoints.c - see checkpoints.h. */
#include "support/checkpoints.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/cases.h"
#include "support/json.h"
#include "support/support.h"

static void expect_entry(const char *folder, const json *want, const ek_bundle_entry *e)
{
    int rank = 0;

    if (strcmp(e->name, json_string(want, "name")) != 0 ||
        strcmp(ek_dtype_name(e->dtype), json_string(want, "dtype")) != 0)
        fail_msg("%s: %s of %s where %s of %s is expected", folder, ek_dtype_name(e->dtype), e->name,
                 json_string(want, "dtype"), json_string(want, "name"));
    for (const json *d = json_get(want, "shape")->child; d != NULL; d = d->next, rank++)
        if (e->shape.rank <= rank || e->shape.dim[rank] != (int64_t)d->number)
            fail_msg("%s: %s has another shape", folder, e->name);
    assert_int_equal(e->shape.rank, rank);
}

void expect_checkpoint(const char *folder, ek_bundle *b)
{
    char path[4096];
    case_graph values;
    int64_t i = 0;

    snprintf(path, sizeof path, "tf-files/%s/expected.json", folder);
    json *expected = json_load(ek_test_data(path));
    snprintf(path, sizeof path, "tf-files/%s/expected.pb", folder);
    assert_non_null(expected);
    assert_true(case_graph_read(ek_test_data(path), &values));
    for (const json *want = json_get(expected, "entries")->child; want != NULL; want = want->next, i++) {
        const ek_bundle_entry *e = ek__bundle_at(b, i);
        ek_error err = { .code = EK_OK };
        ek_array *found, *value;

        assert_non_null(e);
        expect_entry(folder, want, e);
        assert_ptr_equal(ek__bundle_find(b, e->name), e);
        if (ek__bundle_read(b, e, NULL, &found, &err) != EK_OK) fail_msg("%s: %s: %s", folder, e->name, err.text);
        value = case_graph_value(&values, "value/%s", e->name);
        if (value == NULL && strcmp(e->name, "_CHECKPOINTABLE_OBJECT_GRAPH") != 0)
            fail_msg("%s: no value of %s", folder, e->name);
        if (value != NULL && !ek__array_equal(found, value)) fail_msg("%s: %s has another value", folder, e->name);
        ek_array_unref(found);
        ek_array_unref(value);
    }
    assert_int_equal(ek__bundle_count(b), i);
    case_graph_free(&values);
    json_free(expected);
}

char *test_read_file(const char *folder, const char *name, size_t *size)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *data = ek_test_read(path, size);
    assert_non_null(data);
    return data;
}

void test_write_file(const char *folder, const char *name, const void *data, size_t size)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

void test_copy_data(const char *from, const char *name, const char *folder)
{
    size_t size;
    char *data = test_read_file(ek_test_data(from), name, &size);

    test_write_file(folder, name, data, size);
    free(data);
}

ek_bundle *test_checkpoint_open(const char *folder, const char *prefix)
{
    char path[4096];
    ek_error err = { .code = EK_OK };
    ek_bundle *b;

    snprintf(path, sizeof path, "%s/%s", ek_test_data(folder), prefix);
    if (ek__bundle_open(path, &b, &err) != EK_OK) fail_msg("%s: %s", path, err.text);
    return b;
}

ek_status test_checkpoint_read_all(const char *prefix, ek_error *err)
{
    ek_bundle *b;
    ek_status st = ek__bundle_open(prefix, &b, err);

    for (int64_t i = 0; st == EK_OK && i < ek__bundle_count(b); i++) {
        ek_array *a;
        st = ek__bundle_read(b, ek__bundle_at(b, i), NULL, &a, err);
        ek_array_unref(a);
    }
    ek__bundle_close(b);
    return st;
}
