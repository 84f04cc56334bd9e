/* tests/support/folder.h - new folders under the build folder, and tests that get one each. */
#ifndef EK_TESTS_FOLDER_H
#define EK_TESTS_FOLDER_H

#include <stddef.h>

/* A new folder under the build folder; free() the name. And the end of it with everything in it. */
char *test_folder_make(void);
void test_folder_remove(char *folder); /* frees the name too */
/* Files and folders in a folder; where `part` is not NULL, those with it in their name. */
int test_folder_count(const char *folder, const char *part);

/* For cmocka_unit_test_setup_teardown: a folder of its own for every test, and the end of it. */
extern char *test_folder;
int test_folder_setup(void **state);
int test_folder_teardown(void **state);
/* A setup of one's own may say what path in the folder the test is about. */
int test_folder_setup_path(char *path, size_t size, const char *name);
/* The same as the first two, and the test works in the folder. */
int test_folder_enter(void **state);
int test_folder_leave(void **state);

#endif
