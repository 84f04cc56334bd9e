/* train/dataset.c - data sets: columns of rows, from arrays. */
#include "train/dataset.h"

/* The shape of one row of an array. */
static ek_shape row_of(const ek_array *a)
{
    ek_shape row = { .rank = a->shape.rank - 1 };

    for (int32_t d = 0; d < row.rank; d++) row.dim[d] = a->shape.dim[d + 1];
    return row;
}

static ek_status check_columns(ek_array *const *columns, int n, ek_error *err)
{
    if (n < 1 || n > EK_MAX_COLUMNS)
        return EK_FAIL(err, INVALID_ARGUMENT, "a data set has from 1 to %d columns, %d were given", EK_MAX_COLUMNS, n);
    for (int i = 0; i < n; i++) {
        if (columns[i] == NULL || columns[i]->shape.rank < 1)
            return EK_FAIL(err, INVALID_ARGUMENT, "column %d of the data set is %s; an array with rows is needed", i,
                           columns[i] == NULL ? "NULL" : "a scalar");
        if (columns[i]->shape.dim[0] != columns[0]->shape.dim[0])
            return EK_FAIL(err, INVALID_ARGUMENT,
                           "columns of a data set have the same number of rows: column 0 has %lld, "
                           "column %d has %lld",
                           (long long)columns[0]->shape.dim[0], i, (long long)columns[i]->shape.dim[0]);
        if (columns[i]->dtype == EK_RESOURCE || columns[i]->dtype == EK_VARIANT)
            return EK_FAIL(err, INVALID_ARGUMENT, "column %d of the data set holds a %s", i,
                           ek_dtype_name(columns[i]->dtype));
    }
    return EK_OK;
}

ek_status ek_dataset_from_arrays(ek_array *const *columns, int n, ek_dataset **out, ek_error *err)
{
    ek_dataset *d;

    EK_TRY(ek__dataset_begin(out, columns != NULL, &err));
    EK_TRY(check_columns(columns, n, err));
    d = ek__calloc(1, sizeof *d);
    if (d == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a data set");
    d->n = n;
    d->rows = columns[0]->shape.dim[0];
    for (int i = 0; i < n; i++)
        d->column[i] = (ek_column){ ek_array_ref(columns[i]), row_of(columns[i]), columns[i]->dtype, 1 };
    *out = d;
    return EK_OK;
}

ek_status ek_dataset_from_digits(int64_t seed, int64_t n, ek_dataset **out, ek_error *err)
{
    ek_array *column[2];
    ek_status st;

    EK_TRY(ek__dataset_begin(out, true, &err));
    if (ek_digits(seed, n, &column[0], &column[1]) != EK_OK) return ek__error_copy(err, ek_last_error());
    st = ek_dataset_from_arrays(column, 2, out, err);
    if (st == EK_OK) st = ek_dataset_reshape(*out, 0, EK_SHAPE(28, 28, 1), err);
    ek_array_unref(column[0]);
    ek_array_unref(column[1]);
    return st;
}

ek_status ek_dataset_from_npy(const char *const *paths, int n, ek_dataset **out, ek_error *err)
{
    ek_array *column[EK_MAX_COLUMNS] = { NULL };
    ek_status st = EK_OK;

    EK_TRY(ek__dataset_begin(out, paths != NULL, &err));
    if (n < 1 || n > EK_MAX_COLUMNS)
        return EK_FAIL(err, INVALID_ARGUMENT, "a data set has from 1 to %d columns, %d files were given",
                       EK_MAX_COLUMNS, n);
    for (int i = 0; i < n && st == EK_OK; i++)
        if (ek_npy_load(paths[i], &column[i]) != EK_OK) st = ek__error_copy(err, ek_last_error());
    if (st == EK_OK) st = ek_dataset_from_arrays(column, n, out, err);
    for (int i = 0; i < n; i++) ek_array_unref(column[i]);
    return st;
}

ek_status ek_dataset_part(const ek_dataset *d, int64_t first, int64_t count, ek_dataset **out, ek_error *err)
{
    ek_dataset *part;

    EK_TRY(ek__dataset_begin(out, d != NULL, &err));
    if (first < 0 || count < 0 || first > d->rows || count > d->rows - first)
        return EK_FAIL(err, INVALID_ARGUMENT, "%lld rows from row %lld on are not in a data set of %lld rows",
                       (long long)count, (long long)first, (long long)d->rows);
    part = ek__alloc(sizeof *part);
    if (part == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a part of a data set");
    *part = *d;
    part->first += first;
    part->rows = count;
    for (int i = 0; i < part->n; i++) (void)ek_array_ref(part->column[i].array);
    *out = part;
    return EK_OK;
}

void ek_dataset_destroy(ek_dataset *d)
{
    if (d == NULL) return;
    for (int i = 0; i < d->n; i++) ek_array_unref(d->column[i].array);
    ek__free(d);
}

int64_t ek_dataset_rows(const ek_dataset *d) { return d != NULL ? d->rows : 0; }

int ek_dataset_columns(const ek_dataset *d) { return d != NULL ? d->n : 0; }

static bool has(const ek_dataset *d, int column) { return d != NULL && column >= 0 && column < d->n; }

ek_dtype ek_dataset_dtype(const ek_dataset *d, int column)
{
    return has(d, column) ? d->column[column].dtype : EK_DTYPE_NONE;
}

ek_shape ek_dataset_shape(const ek_dataset *d, int column)
{
    return has(d, column) ? d->column[column].row : EK_UNKNOWN_SHAPE;
}

static ek_status no_column(const ek_dataset *d, int column, ek_error *err)
{
    return EK_FAIL(err, INVALID_ARGUMENT, "the data set has %d columns; there is no column %d", ek_dataset_columns(d),
                   column);
}

ek_status ek_dataset_reshape(ek_dataset *d, int column, ek_shape row, ek_error *err)
{
    char was[256], now[256];

    err = ek__error_begin(err);
    if (!has(d, column)) return no_column(d, column, err);
    if (!ek_shape_is_known(&row) || row.rank >= EK_MAX_RANK ||
        ek_shape_count(&row) != ek__row_count(&d->column[column])) {
        ek_shape_format(&d->column[column].row, was, sizeof was);
        ek_shape_format(&row, now, sizeof now);
        return EK_FAIL(err, INVALID_ARGUMENT, "rows of column %d have shape %s, which cannot be %s", column, was, now);
    }
    d->column[column].row = row;
    return EK_OK;
}

/* Whether ek__convert goes from one to the other. */
static bool converts(ek_dtype from, ek_dtype to)
{
    return from == to || (from != EK_STRING && ek_dtype_size(to) > 0 && to != EK_STRING && !ek_dtype_is_quantized(to) &&
                          to != EK_RESOURCE && to != EK_VARIANT);
}

ek_status ek_dataset_convert(ek_dataset *d, int column, ek_dtype dtype, double divisor, ek_error *err)
{
    err = ek__error_begin(err);
    if (!has(d, column)) return no_column(d, column, err);
    if (!converts(d->column[column].array->dtype, dtype))
        return EK_FAIL(err, INVALID_ARGUMENT, "column %d holds %s, which does not become %s", column,
                       ek_dtype_name(d->column[column].array->dtype), ek_dtype_name(dtype));
    if (!(divisor != 0) || (divisor != 1 && dtype != EK_FLOAT32 && dtype != EK_FLOAT64))
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "column %d as %s cannot be divided by %g; float32 and float64 can, by what is not 0", column,
                       ek_dtype_name(dtype), divisor);
    d->column[column].dtype = dtype;
    d->column[column].divisor = divisor;
    return EK_OK;
}
