/* cli/inspect_data.c - evenkeel inspect of data: arrays (.npy, .npz, IDX), records, events. Told by content. */
#include <stdlib.h>

#include "cli/inspect.h"
#include "evenkeel/records.h"

/* One file while it is looked at: what is found goes to `text` or `json`. */
typedef struct listing {
    const cli_args *args;
    const char *path;
    bool as_json;
    ek_buf text;
    ek_json json;    /* into text */
    ek_error damage; /* what stands behind the records that can be read; OUT_OF_RANGE: their end */
} listing;

/* "x  float32  (3, 4)", or an object. */
static void list_array(listing *l, const char *name, const ek_array *a)
{
    char shape[EK_MAX_RANK * 24];

    if (!l->as_json) {
        ek_shape_format(ek_array_shape(a), shape, sizeof shape);
        ek__buf_printf(&l->text, name[0] != '\0' ? "  %s  " : "  %s", name);
        ek__buf_printf(&l->text, "%s  %s\n", ek_dtype_name(ek_array_dtype(a)), shape);
        return;
    }
    ek__json_open(&l->json, '{');
    if (name[0] != '\0') cli_json_member(&l->json, "name", name);
    cli_json_member(&l->json, "dtype", ek_dtype_name(ek_array_dtype(a)));
    ek__json_key(&l->json, "shape");
    cli_json_shape(&l->json, ek_array_shape(a));
    ek__json_close(&l->json, '}');
}

/* The line before a list, or what opens it; `kind` as a member. */
static void begin_list(listing *l, const char *kind, const char *heading, int64_t n, const char *key)
{
    if (!l->as_json) {
        ek__buf_printf(&l->text, "%s: %s", kind, heading);
        if (n >= 0) ek__buf_printf(&l->text, "%lld", (long long)n);
        ek__buf_str(&l->text, "\n");
        return;
    }
    ek__json_open(&l->json, '{');
    cli_json_member(&l->json, "kind", kind);
    ek__json_key(&l->json, key);
    ek__json_open(&l->json, '[');
}

static void end_list(listing *l)
{
    if (!l->as_json) return;
    ek__json_close(&l->json, ']');
    ek__json_close(&l->json, '}');
}

/* ---- arrays ------------------------------------------------------------------------------------------------- */

static ek_status list_npy(listing *l, ek_error *err)
{
    ek_array *a = NULL;

    if (ek_npy_load(l->path, &a) != EK_OK) return ek__error_copy(err, ek_last_error());
    begin_list(l, "npy", "one array", -1, "arrays");
    list_array(l, "", a);
    end_list(l);
    ek_array_unref(a);
    return EK_OK;
}

static ek_status list_npz(listing *l, ek_error *err)
{
    ek_npz *z;

    EK_TRY(ek_npz_load(l->path, &z, err));
    begin_list(l, "npz", "arrays: ", ek_npz_count(z), "arrays");
    for (int64_t i = 0; i < ek_npz_count(z); i++) list_array(l, ek_npz_at(z, i).name, ek_npz_at(z, i).array);
    end_list(l);
    ek_npz_free(z);
    return EK_OK;
}

static ek_status list_idx(listing *l, ek_error *err)
{
    ek_array *a;

    if (ek_idx_load(l->path, &a) != EK_OK) return ek__error_copy(err, ek_last_error());
    begin_list(l, "idx", "one array", -1, "arrays");
    list_array(l, "", a);
    end_list(l);
    ek_array_unref(a);
    return EK_OK;
}

/* ---- records -------------------------------------------------------------------------------------------------- */

/* What the first record holds, where it is a tf.Example: the features, not their values. */
static ek_status list_example(listing *l, const void *data, size_t size, ek_error *err)
{
    ek_error quiet = { .code = EK_OK };
    ek_dtype dtype;
    ek_example *e;

    if (ek_example_parse(data, size, &e, &quiet) != EK_OK) /* it holds something else */
        return quiet.code == EK_RESOURCE_EXHAUSTED ? ek__error_copy(err, &quiet) : EK_OK;
    for (int64_t i = 0; i < ek_example_count(e); i++) {
        const char *name = ek_example_name(e, i, &dtype);
        ek_array *a = NULL;

        if (dtype != EK_DTYPE_NONE && ek_example_get(e, name, &a, err) == EK_OK) list_array(l, name, a);
        ek_array_unref(a);
    }
    ek_example_free(e);
    return EK_OK;
}

/* The records that can be read; how many, how large. The end, or what is wrong behind them. */
static ek_status count_records(ek_record_reader *r, int64_t *n, int64_t *bytes, ek_error *err)
{
    const void *data;
    size_t size;
    ek_status st;

    for (*n = *bytes = 0; (st = ek_record_reader_next(r, &data, &size, err)) == EK_OK; ++*n) *bytes += (int64_t)size;
    return st == EK_OUT_OF_RANGE ? EK_OK : st;
}

static ek_status list_records(listing *l, ek_record_reader *r, ek_error *err)
{
    ek_error end = { .code = EK_OK };
    const void *data;
    int64_t n, bytes;
    size_t size;

    if (count_records(r, &n, &bytes, &end) == EK_RESOURCE_EXHAUSTED) return ek__error_copy(err, &end);
    ek_record_reader_rewind(r);
    l->damage = end;
    begin_list(l, "records", "", n, "first");
    if (!l->as_json) ek__buf_printf(&l->text, "bytes in them: %lld\n", (long long)bytes);
    if (n > 0) {
        EK_TRY(ek_record_reader_next(r, &data, &size, err));
        EK_TRY(list_example(l, data, size, err));
    }
    if (!l->as_json) return EK_OK;
    ek__json_close(&l->json, ']');
    cli_json_number(&l->json, "records", n);
    cli_json_number(&l->json, "bytes", bytes);
    ek__json_close(&l->json, '}');
    return EK_OK;
}

/* NULL where the file does not begin with a record. */
static ek_record_reader *open_records(const char *path)
{
    ek_error quiet = { .code = EK_OK };
    ek_record_reader *r = NULL;
    const void *data;
    size_t size;

    if (ek_record_reader_open(path, EK_COMPRESSION_BY_CONTENT, &r, &quiet) != EK_OK) return NULL;
    if (cli_begins_with_record(path) || ek_record_reader_next(r, &data, &size, &quiet) == EK_OK) {
        ek_record_reader_rewind(r);
        return r;
    }
    ek_record_reader_close(r);
    return NULL;
}

/* ---- which of them it is ------------------------------------------------------------------------------------------ */

typedef ek_status list_fn(listing *l, ek_error *err);

/* The kinds that begin with bytes of their own. NULL: none of them. */
static list_fn *kind_of(const char *path)
{
    static const struct { unsigned char at[6]; size_t size; list_fn *f; } kinds[] = {
        { "\x93NUMPY", 6, list_npy }, { "PK\3\4", 4, list_npz }, { "PK\5\6", 4, list_npz /* an empty one */ },
    };
    unsigned char head[6] = { 0 };
    const size_t n = cli_read_head(path, head, sizeof head);
    ek_array *a = NULL;

    for (int i = 0; i < EK_COUNT_OF(kinds); i++)
        if (n >= kinds[i].size && memcmp(head, kinds[i].at, kinds[i].size) == 0) return kinds[i].f;
    if (n >= 4 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 && head[3] > 0) return list_idx;
    /* In gzip form it may be records as well. */
    if (n < 2 || head[0] != 0x1f || head[1] != 0x8b || ek_idx_load(path, &a) != EK_OK) return NULL;
    ek_array_unref(a);
    return list_idx;
}

/* Compressed by gzip, and damaged before anything tells what it was: reading it as an array says where. */
static bool is_damaged_gzip(const char *path)
{
    unsigned char head[2];
    ek_array *a = NULL;

    if (cli_read_head(path, head, sizeof head) < sizeof head || head[0] != 0x1f || head[1] != 0x8b) return false;
    const ek_status st = ek_idx_load(path, &a);
    ek_array_unref(a);
    return st == EK_DATA_LOSS;
}

bool cli_inspect_data(const cli_args *args, int *status)
{
    listing l = { .args = args, .path = args->operand[0], .as_json = cli_has(args, CLI_JSON) };
    ek_error err = { .code = EK_OK };
    list_fn *list = kind_of(l.path);
    ek_record_reader *r;
    ek_status st;

    if (list == NULL && cli_is_event_file(l.path)) {
        *status = cli_inspect_events(args, l.path);
        return true;
    }
    r = list == NULL ? open_records(l.path) : NULL;
    if (list == NULL && r == NULL && is_damaged_gzip(l.path)) list = list_idx;
    if (list == NULL && r == NULL) return false;
    l.json.out = &l.text;
    st = list != NULL ? list(&l, &err) : list_records(&l, r, &err);
    if (st == EK_OK && l.text.failed) st = EK_FAIL(&err, RESOURCE_EXHAUSTED, "no memory for what is in '%s'", l.path);
    if (st == EK_OK) printf(l.as_json ? "%s\n" : "%s", l.text.data);
    *status = st == EK_OK ? CLI_DONE : cli_complain_error(args->command, &err);
    if (st == EK_OK && l.damage.code == EK_DATA_LOSS) *status = cli_complain_error(args->command, &l.damage);
    ek_record_reader_close(r);
    ek__buf_fini(&l.text);
    return true;
}
