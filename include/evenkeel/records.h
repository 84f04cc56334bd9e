/* evenkeel/records.h - TFRecord files, and the tf.Examples that are usually in them.
 *
 * A record is any bytes; the file keeps their length and two checksums. Reading and writing all of a file:
 *
 *     ek_record_reader *r;
 *     EK_DIE(ek_record_reader_open("train.tfrecord", EK_COMPRESSION_BY_CONTENT, &r, NULL));
 *     while ((st = ek_record_reader_next(r, &data, &size, &err)) == EK_OK) ...
 *     if (st != EK_OUT_OF_RANGE) ... // damage, not the end
 *     ek_record_reader_close(r);
 */
#ifndef EVENKEEL_RECORDS_H
#define EVENKEEL_RECORDS_H

#include "evenkeel/array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- records ------------------------------------------------------------------------------------------------- */

typedef enum ek_compression {
    EK_COMPRESSION_BY_CONTENT, /* reading: whatever it is */
    EK_COMPRESSION_NONE, EK_COMPRESSION_GZIP, EK_COMPRESSION_ZLIB
} ek_compression;

typedef struct ek_record_reader ek_record_reader;
/* tf.python_io.tf_record_iterator. *out is the caller's, NULL on failure. `err` may be NULL: ek_last_error() has it
 * then.
 * Errors  what the operating system says of `path`; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_record_reader_open(const char *path, ek_compression compression,
                                                     ek_record_reader **out, ek_error *err);
/* The next record, checksums verified. *data is valid until the next call with this reader.
 * Errors  OUT_OF_RANGE: the end of the file, between two records; DATA_LOSS "corrupted record at 12" or "truncated
 *         record at 134": the place (in uncompressed bytes) and what was found there; every later call says the same;
 *         RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_record_reader_next(ek_record_reader *r, const void **data, size_t *size,
                                                     ek_error *err);
/* Where the next record begins, in uncompressed bytes. */
EK_API int64_t ek_record_reader_offset(const ek_record_reader *r);
EK_API void ek_record_reader_rewind(ek_record_reader *r); /* the first record is the next */
EK_API void ek_record_reader_close(ek_record_reader *r);  /* NULL is allowed */

typedef struct ek_record_writer ek_record_writer;
/* tf.python_io.TFRecordWriter. Nothing of it is seen under `path` before ek_record_writer_close says EK_OK: a failure
 * leaves the file that was there. BY_CONTENT writes as NONE.
 * Errors  what the operating system says of `path`; RESOURCE_EXHAUSTED. After a failed write every later call fails. */
EK_API EK_MUST_CHECK ek_status ek_record_writer_open(const char *path, ek_compression compression,
                                                     ek_record_writer **out, ek_error *err);
EK_API EK_MUST_CHECK ek_status ek_record_writer_write(ek_record_writer *w, const void *data, size_t size,
                                                      ek_error *err);
/* The rest to the disk and the file to its place; frees w whatever happens. NULL is allowed. */
EK_API EK_MUST_CHECK ek_status ek_record_writer_close(ek_record_writer *w, ek_error *err);
/* Gives up: nothing is left of it. NULL is allowed. */
EK_API void ek_record_writer_abandon(ek_record_writer *w);

/* ---- tf.Example ------------------------------------------------------------------------------------------------ */

/* Named lists of strings, float32 or int64. */
typedef struct ek_example ek_example;
/* tf.train.Example.FromString: from the bytes of a record, which are copied. *out is the caller's, NULL on failure.
 * Errors  INVALID_ARGUMENT, DATA_LOSS: no tf.Example, with the byte; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_example_parse(const void *data, size_t size, ek_example **out, ek_error *err);
EK_API void ek_example_free(ek_example *e); /* NULL is allowed */
EK_API int64_t ek_example_count(const ek_example *e);
/* Name and type of feature i, in the order of the message: EK_STRING, EK_FLOAT32, EK_INT64; EK_DTYPE_NONE where it has
 * a name and no list, which TensorFlow takes for a missing one. NULL out of range. Borrowed from the example. */
EK_API const char *ek_example_name(const ek_example *e, int64_t i, ek_dtype *dtype);
/* A feature's values as a new array [n], the caller's.
 * Errors  NOT_FOUND: no such feature, or no list in it; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_example_get(const ek_example *e, const char *name, ek_array **out, ek_error *err);
/* The other way, Example.SerializeToString: a record from arrays, whose elements are taken row by row: strings as
 * bytes, floating types as float32, integers and bool as int64. *data is the caller's, to be given to ek_free.
 * Errors  INVALID_ARGUMENT: a missing name or array, a name twice or not UTF-8, another type, a uint64 that int64 has
 *         not; RESOURCE_EXHAUSTED. */
EK_API EK_MUST_CHECK ek_status ek_example_encode(const ek_named_array *features, int64_t n, void **data, size_t *size,
                                                 ek_error *err);

#ifdef __cplusplus
}
#endif
#endif
