/* train/dataset_files.c - data sets from files: IDX folders, .npz, TFRecords of tf.Examples. */
#include <unistd.h>

#include "evenkeel/records.h"
#include "ops/move.h"
#include "train/dataset.h"

/* ---- IDX ---------------------------------------------------------------------------------------------------- */

enum { PATH_SIZE = 4096 };

/* "<dir>/<split>-<what>", or with .gz. */
static ek_status load_idx(const char *dir, const char *split, const char *what, ek_array **out, ek_error *err)
{
    char path[PATH_SIZE];
    const int n = snprintf(path, sizeof path - 3, "%s/%s-%s", dir, split, what);

    if (n < 0 || n >= PATH_SIZE - 3)
        return EK_FAIL(err, INVALID_ARGUMENT, "the name of the folder '%.60s...' is too long", dir);
    if (access(path, F_OK) != 0) memcpy(path + n, ".gz", 4);
    if (access(path, F_OK) != 0) {
        path[n] = '\0';
        return EK_FAIL(err, NOT_FOUND, "there is no %s, nor %s.gz; a folder with MNIST's four files is expected", path,
                       path);
    }
    if (ek_idx_load(path, out) != EK_OK) return ek__error_copy(err, ek_last_error());
    return EK_OK;
}

ek_status ek_dataset_as_images(ek_dataset *d, ek_error *err)
{
    ek_shape row = ek_dataset_shape(d, 0);

    err = ek__error_begin(err);
    if (ek_dataset_columns(d) != 2)
        return EK_FAIL(err, INVALID_ARGUMENT, "images and labels are two columns, found %d", ek_dataset_columns(d));
    if (row.rank != 2 && row.rank != 3)
        return EK_FAIL(err, INVALID_ARGUMENT, "images have 2 dimensions, or 3 with channels, found %d", (int)row.rank);
    if (row.rank == 2) row = EK_SHAPE(row.dim[0], row.dim[1], 1);
    EK_TRY(ek_dataset_reshape(d, 0, row, err));
    EK_TRY(ek_dataset_convert(d, 0, EK_FLOAT32, ek_dataset_dtype(d, 0) == EK_UINT8 ? 255 : 1, err));
    if (ek_shape_count(&d->column[1].row) != 1)
        return EK_FAIL(err, INVALID_ARGUMENT, "one label per image is expected, found %lld",
                       (long long)ek_shape_count(&d->column[1].row));
    EK_TRY(ek_dataset_reshape(d, 1, EK_SCALAR, err));
    return ek_dataset_convert(d, 1, EK_INT64, 1, err);
}

static ek_status images_and_labels(ek_array *const column[2], ek_dataset **out, ek_error *err)
{
    ek_status st = ek_dataset_from_arrays(column, 2, out, err);

    if (st == EK_OK) st = ek_dataset_as_images(*out, err);
    if (st == EK_OK) return st;
    ek_dataset_destroy(*out);
    *out = NULL;
    return st;
}

ek_status ek_dataset_from_idx(const char *dir, const char *split, ek_dataset **out, ek_error *err)
{
    ek_array *column[2] = { NULL, NULL };
    ek_status st;

    EK_TRY(ek__dataset_begin(out, dir != NULL && split != NULL, &err));
    st = load_idx(dir, split, "images-idx3-ubyte", &column[0], err);
    if (st == EK_OK) st = load_idx(dir, split, "labels-idx1-ubyte", &column[1], err);
    if (st == EK_OK) st = images_and_labels(column, out, err);
    ek_array_unref(column[0]);
    ek_array_unref(column[1]);
    return st;
}

/* ---- .npz ------------------------------------------------------------------------------------------------------ */

ek_status ek_dataset_from_npz(const char *path, const char *const *names, int n, ek_dataset **out, ek_error *err)
{
    ek_array *column[EK_MAX_COLUMNS] = { NULL };
    ek_npz *z = NULL;
    ek_status st;

    EK_TRY(ek__dataset_begin(out, path != NULL && names != NULL, &err));
    if (n < 1 || n > EK_MAX_COLUMNS)
        return EK_FAIL(err, INVALID_ARGUMENT, "a data set has from 1 to %d columns, %d names were given",
                       EK_MAX_COLUMNS, n);
    st = ek_npz_load(path, &z, err);
    for (int i = 0; i < n && st == EK_OK; i++) {
        column[i] = ek_npz_find(z, names[i]);
        if (column[i] == NULL)
            st = EK_FAIL(err, NOT_FOUND, "there is no array '%s' in %s", names[i] != NULL ? names[i] : "(NULL)", path);
    }
    if (st == EK_OK) st = ek_dataset_from_arrays(column, n, out, err);
    ek_npz_free(z);
    return st;
}

/* ---- TFRecords ----------------------------------------------------------------------------------------------- */

/* What is read of records: columns, and how far they are filled. */
typedef struct reading {
    const ek_feature *feature;
    int n;
    ek_array *column[EK_MAX_COLUMNS];
    int64_t rows, at;
    const char *path; /* of the file that is being read */
    ek_error *err;
} reading;

typedef ek_status record_fn(reading *r, const void *data, size_t size);

static ek_status each_record(reading *r, const char *const *paths, int n, ek_compression compression, record_fn *f)
{
    for (int i = 0; i < n; i++) {
        ek_record_reader *reader;
        const void *data;
        size_t size;
        ek_error err = { .code = EK_OK };
        ek_status st;

        r->path = paths[i];
        EK_TRY(ek_record_reader_open(paths[i], compression, &reader, r->err));
        while ((st = ek_record_reader_next(reader, &data, &size, &err)) == EK_OK && (st = f(r, data, size)) == EK_OK)
            continue;
        ek_record_reader_close(reader);
        if (st == EK_OUT_OF_RANGE && err.code == EK_OUT_OF_RANGE) continue; /* the end */
        return err.code != EK_OK ? ek__error_copy(r->err, &err) : st;
    }
    return EK_OK;
}

static ek_status count_record(reading *r, const void *data, size_t size)
{
    EK_UNUSED(data);
    EK_UNUSED(size);
    r->rows++;
    return EK_OK;
}

static ek_status wrong_count(const reading *r, const ek_feature *f, int64_t found)
{
    return EK_FAIL(r->err, INVALID_ARGUMENT,
                   "feature '%s' has %lld values in record %lld (of %s), its shape wants %lld", f->name,
                   (long long)found, (long long)r->at, r->path, (long long)ek_shape_count(&f->shape));
}

/* Raw bytes in one string, as images are kept. */
static ek_status put_bytes(const reading *r, const ek_feature *f, const ek_array *v, void *to)
{
    const size_t bytes = (size_t)ek_shape_count(&f->shape) * ek_dtype_size(f->dtype);
    const ek_string *s = v->data;

    if (v->count != 1 || s->size != bytes)
        return EK_FAIL(r->err, INVALID_ARGUMENT,
                       "feature '%s' has %lld strings, the first of %zu bytes, in record %lld (of %s); as "
                       "%s of its shape one of %zu is needed",
                       f->name, (long long)v->count, v->count > 0 ? s->size : 0, (long long)r->at, r->path,
                       ek_dtype_name(f->dtype), bytes);
    memcpy(to, s->data, bytes);
    return EK_OK;
}

static ek_status put_feature(const reading *r, const ek_feature *f, const ek_array *v, ek_array *column)
{
    const int64_t n = ek_shape_count(&f->shape);
    char *to = (char *)column->data + (size_t)(r->at * n) * ek_dtype_size(f->dtype);

    if (v->dtype == EK_STRING && f->dtype != EK_STRING) return n > 0 ? put_bytes(r, f, v, to) : EK_OK;
    if (v->count != n) return wrong_count(r, f, v->count);
    if (v->dtype != EK_STRING) {
        if (ek__convert(v->dtype, v->data, f->dtype, to, n)) return EK_OK;
        return EK_FAIL(r->err, INVALID_ARGUMENT, "feature '%s' holds %s, %s is asked for", f->name,
                       ek_dtype_name(v->dtype), ek_dtype_name(f->dtype));
    }
    return ek__move(EK_STRING, to, v->data, n, r->err);
}

static ek_status take_record(reading *r, const void *data, size_t size)
{
    ek_example *e;
    ek_status st;

    if (r->at == r->rows) return EK_FAIL(r->err, DATA_LOSS, "%s changed while it was read", r->path);
    EK_TRY(ek_example_parse(data, size, &e, r->err));
    st = EK_OK;
    for (int i = 0; i < r->n && st == EK_OK; i++) {
        ek_array *v = NULL;

        st = ek_example_get(e, r->feature[i].name, &v, r->err);
        if (st == EK_OK) st = put_feature(r, &r->feature[i], v, r->column[i]);
        ek_array_unref(v);
    }
    ek_example_free(e);
    r->at++;
    return st;
}

static ek_status check_features(const reading *r)
{
    if (r->n < 1 || r->n > EK_MAX_COLUMNS)
        return EK_FAIL(r->err, INVALID_ARGUMENT, "a data set has from 1 to %d columns, %d features were given",
                       EK_MAX_COLUMNS, r->n);
    for (int i = 0; i < r->n; i++) {
        const ek_feature *f = &r->feature[i];

        if (f->name == NULL || ek_dtype_size(f->dtype) == 0 || f->dtype == EK_RESOURCE || f->dtype == EK_VARIANT ||
            !ek_shape_is_known(&f->shape) || f->shape.rank >= EK_MAX_RANK)
            return EK_FAIL(r->err, INVALID_ARGUMENT, "feature %d needs a name, a type and a known shape", i);
    }
    return EK_OK;
}

static ek_status make_columns(reading *r)
{
    for (int i = 0; i < r->n; i++) {
        const ek_shape shape = ek__rows_shape(&r->feature[i].shape, r->rows);

        EK_TRY(ek__array_new(r->feature[i].dtype, &shape, NULL, &r->column[i], r->err));
    }
    return EK_OK;
}

ek_status ek_dataset_from_records(const char *const *paths, int n_paths, ek_compression compression,
                                  const ek_feature *features, int n, ek_dataset **out, ek_error *err)
{
    reading r = { .feature = features, .n = n };
    ek_status st;

    EK_TRY(ek__dataset_begin(out, (paths != NULL || n_paths <= 0) && features != NULL, &err));
    r.err = err;
    st = check_features(&r);
    if (st == EK_OK) st = each_record(&r, paths, n_paths, compression, count_record);
    if (st == EK_OK) st = make_columns(&r);
    if (st == EK_OK) st = each_record(&r, paths, n_paths, compression, take_record);
    if (st == EK_OK) st = ek_dataset_from_arrays(r.column, n, out, r.err);
    for (int i = 0; i < n && i < EK_MAX_COLUMNS; i++) ek_array_unref(r.column[i]);
    return st;
}
