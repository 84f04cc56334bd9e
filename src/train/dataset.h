/* train/dataset.h - data sets from inside. */
#ifndef EK_TRAIN_DATASET_H
#define EK_TRAIN_DATASET_H

#include "evenkeel/data.h"
#include "values/array.h"

enum { EK_MAX_COLUMNS = 16 };

typedef struct ek_column {
    ek_array *array; /* as it came: rows of it are read */
    ek_shape row;    /* as batches have it */
    ek_dtype dtype;
    double divisor;  /* 1: none */
} ek_column;

struct ek_dataset {
    ek_column column[EK_MAX_COLUMNS];
    int n;
    int64_t first, rows; /* of the arrays */
};

/* How every call that makes a data set begins: *err is to be used from then on. `rest`: the other pointers are there. */
static inline ek_status ek__dataset_begin(ek_dataset **out, bool rest, ek_error **err)
{
    *err = ek__error_begin(*err);
    if (out != NULL) *out = NULL;
    if (out != NULL && rest) return EK_OK;
    return EK_FAIL(*err, INVALID_ARGUMENT, "a data set needs what it is made of and a place, found NULL");
}

/* The shape of `rows` rows; -1: as many as come. */
static inline ek_shape ek__rows_shape(const ek_shape *row, int64_t rows)
{
    ek_shape shape = { .rank = row->rank + 1, .dim = { rows } };

    for (int32_t d = 0; d < row->rank && d + 1 < EK_MAX_RANK; d++) shape.dim[d + 1] = row->dim[d];
    return shape;
}

static inline int64_t ek__row_count(const ek_column *c) /* elements of a row */
{
    return ek_shape_count(&c->row);
}

#endif
