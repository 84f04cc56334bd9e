/* tests/support/checkpoints.h - checkpoints of the data folder against what must be found in them. */
#ifndef EK_TESTS_CHECKPOINTS_H
#define EK_TESTS_CHECKPOINTS_H

#include "codec/bundle.h"

/* Every entry of expected.json in tf-files/<folder>, and every value of expected.pb, bit for bit, in the open bundle.
 * The test fails otherwise. */
void expect_checkpoint(const char *folder, ek_bundle *b);

/* The checkpoint of a folder below the data folder, opened; the test fails where it is none. */
ek_bundle *test_checkpoint_open(const char *folder, const char *prefix);
/* Everything that is in a checkpoint, read. */
ek_status test_checkpoint_read_all(const char *prefix, ek_error *err);

/* A file of a folder: its bytes, which are to be given to free(), and others in their place. */
char *test_read_file(const char *folder, const char *name, size_t *size);
void test_write_file(const char *folder, const char *name, const void *data, size_t size);
/* Copies a file of the data folder into a folder under the same name. */
void test_copy_data(const char *from, const char *name, const char *folder);

#endif
