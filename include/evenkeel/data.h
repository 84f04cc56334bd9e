/* evenkeel/data.h - data to train on: rows in memory, and batches of them prepared on another thread. */
#ifndef EVENKEEL_DATA_H
#define EVENKEEL_DATA_H

#include "evenkeel/graph.h"
#include "evenkeel/records.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Handwriting without a download: digits that are drawn, each in a pose, a width of stroke and a noise of its own.
 *
 * images  float32 [n, 784], rows of 28 x 28 pixels from the top left, 0 (paper) to 1 (ink)
 * labels  int64 [n], 0 to 9, drawn evenly
 * seed    any; the same seed gives the same bits on every machine, and the first images of a longer row are those of a
 *         shorter one. Train and test on different seeds.
 *
 * Both arrays are new references, the caller's. The nearest mean image names less than 85 % of them rightly, a small
 * network more than 97 %.
 * Errors  INVALID_ARGUMENT: n below 0, a NULL pointer; RESOURCE_EXHAUSTED. Then both are NULL. */
EK_API EK_MUST_CHECK ek_status ek_digits(int64_t seed, int64_t n, ek_array **images, ek_array **labels);

/* ---- data sets ------------------------------------------------------------------------------------------ */

/* Rows in memory, in columns: images and labels, say. Row i of every column belongs together. Batches may be drawn
 * from one data set by any number of threads once it is no longer changed. */
typedef struct ek_dataset ek_dataset;

/* tf.data.Dataset.from_tensor_slices: from arrays of one length (their first dimension); references are held, nothing
 * is copied. *out is the caller's here and below, to be given to ek_dataset_destroy; NULL on failure.
 * Errors  INVALID_ARGUMENT: no column, a scalar, arrays of different lengths; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_dataset_from_arrays(ek_array *const *columns, int n, ek_dataset **out, ek_error *err);
/* ek_digits as two columns: float32 [28, 28, 1], int64. */
EK_API EK_MUST_CHECK ek_status ek_dataset_from_digits(int64_t seed, int64_t n, ek_dataset **out, ek_error *err);
/* One .npy file a column. */
EK_API EK_MUST_CHECK ek_status ek_dataset_from_npy(const char *const *paths, int n, ek_dataset **out, ek_error *err);
/* The arrays of those names in an .npz file. NOT_FOUND: one is missing. */
EK_API EK_MUST_CHECK ek_status ek_dataset_from_npz(const char *path, const char *const *names, int n, ek_dataset **out,
                                                   ek_error *err);
/* Images and labels from a folder with MNIST's files: <split>-images-idx3-ubyte and <split>-labels-idx1-ubyte, or the
 * same with .gz. The split is "train" or "t10k". Two columns: float32 [height, width, 1], the bytes divided by 255 so
 * that 0 is paper and 1 is ink; int64 []. */
EK_API EK_MUST_CHECK ek_status ek_dataset_from_idx(const char *dir, const char *split, ek_dataset **out, ek_error *err);
/* What ek_dataset_from_idx makes of its columns, for two that came another way: images [height, width] get a channel,
 * bytes become 0 to 1, labels int64 [].
 * Errors  INVALID_ARGUMENT: images of another rank; several labels for one image; types that do not convert. */
EK_API EK_MUST_CHECK ek_status ek_dataset_as_images(ek_dataset *d, ek_error *err);

/* A feature of tf.Examples as a column. A type other than a string where the record has one string: its bytes are the
 * numbers (decode_raw); else numbers are converted. */
typedef struct ek_feature {
    const char *name;
    ek_dtype dtype;
    ek_shape shape; /* of one row, known */
} ek_feature;
/* TFRecordDataset with parse_single_example: TFRecord files of tf.Examples, one after the other; all is read into
 * memory.
 * Errors  those of the records; NOT_FOUND: a feature is missing; INVALID_ARGUMENT: another number of values, or a type
 *         that does not convert, with the record. */
EK_API EK_MUST_CHECK ek_status ek_dataset_from_records(const char *const *paths, int n_paths,
                                                       ek_compression compression, const ek_feature *features, int n,
                                                       ek_dataset **out, ek_error *err);
/* `count` rows from row `first` on as a data set of its own: a part to hold out. The rows are shared.
 * Errors  INVALID_ARGUMENT: rows that are not there. */
EK_API EK_MUST_CHECK ek_status ek_dataset_part(const ek_dataset *d, int64_t first, int64_t count, ek_dataset **out,
                                               ek_error *err);
EK_API void ek_dataset_destroy(ek_dataset *d); /* NULL is allowed; no batches may be drawn from it any more */

EK_API int64_t ek_dataset_rows(const ek_dataset *d);
EK_API int ek_dataset_columns(const ek_dataset *d);
EK_API ek_dtype ek_dataset_dtype(const ek_dataset *d, int column); /* as batches have it */
EK_API ek_shape ek_dataset_shape(const ek_dataset *d, int column); /* of one row */

/* How batches have a column: its rows in this shape (of as many elements), as this type, divided by `divisor` where
 * the type is a floating one: ek_dataset_convert(d, 0, EK_FLOAT32, 255, err) makes 0 to 1 of bytes.
 * Errors  INVALID_ARGUMENT: no such column, another number of elements, a type that does not convert, a 0. */
EK_API EK_MUST_CHECK ek_status ek_dataset_reshape(ek_dataset *d, int column, ek_shape row, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_dataset_convert(ek_dataset *d, int column, ek_dtype dtype, double divisor,
                                                  ek_error *err);

/* ---- batches ---------------------------------------------------------------------------------------------- */

/* What becomes of the rows that are left over at the end of an epoch when they do not fill a batch. */
typedef enum ek_partial {
    EK_PARTIAL_DROP, /* left out: right for training with batch norm, whose statistics a batch of a few rows spoils
                      * (BN006, BN013). Shuffled, others are left out in the next epoch */
    EK_PARTIAL_KEEP, /* a smaller batch: right for evaluation, where every row counts once */
    EK_PARTIAL_WRAP  /* filled up with the first rows of the epoch, which then come twice */
} ek_partial;

/* Where the next batch begins: row `row` of the order of epoch `epoch`, both from 0. */
typedef struct ek_data_place {
    int64_t epoch, row;
} ek_data_place;

typedef struct ek_batches ek_batches;
typedef struct ek_batches_options {
    size_t size;
    int64_t batch_size;   /* required */
    bool shuffle;         /* each epoch in an order of its own, drawn from seed and epoch alone */
    int64_t seed;
    ek_partial partial;   /* EK_PARTIAL_DROP by default */
    int64_t epochs;       /* after as many it ends; 0: never */
    ek_data_place from;   /* goes on there */
    int ahead;            /* batches prepared ahead on a thread of their own: 2, at most 16. 0: none, no thread */
    ek_error *error;
} ek_batches_options;
/* Dataset.shuffle over all rows, .batch and .prefetch: ek_batches_create(d, 60, .shuffle = true, .seed = 1). The same
 * seed gives the same batches on every machine, and one that goes on at a place those that would have followed. The
 * data set must outlive it. NULL on failure.
 * Errors  INVALID_ARGUMENT: a batch size below 1, no rows, fewer rows than a batch where the rest is dropped. */
#define ek_batches_create(d, ...) \
    EK_CALL(ek_batches *, ek_batches_create_with, ((d),), ek_batches_options, .shuffle = false, \
            .partial = EK_PARTIAL_DROP, .ahead = 2, .batch_size = __VA_ARGS__)
EK_API ek_batches *ek_batches_create_with(const ek_dataset *d, const ek_batches_options *o, ek_where where);
/* The next one: an array per column, borrowed until the next call. From the second on nothing is allocated, but for
 * strings.
 * Errors  OUT_OF_RANGE: the last epoch is over; RESOURCE_EXHAUSTED, of strings. */
EK_API EK_MUST_CHECK ek_status ek_batches_next(ek_batches *b, const ek_array *const **columns, ek_error *err);
EK_API ek_data_place ek_batches_place(const ek_batches *b); /* of the batch that ek_batches_next will give */
EK_API int64_t ek_batches_per_epoch(const ek_batches *b);
EK_API void ek_batches_destroy(ek_batches *b); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
