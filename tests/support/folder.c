/* tests/support/folder.c - see folder.h. */
#include "support/folder.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "support/support.h"

char *test_folder;

char *test_folder_make(void)
{
    static const char form[] = EK_BUILD_DIR "/test_XXXXXX";
    char *folder = malloc(sizeof form);

    assert_non_null(folder);
    memcpy(folder, form, sizeof form);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    EK_UNUSED(s);
    EK_UNUSED(kind);
    EK_UNUSED(where);
    return remove(path);
}

void test_folder_remove(char *folder)
{
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(folder);
}

int test_folder_count(const char *folder, const char *part)
{
    DIR *d = opendir(folder);
    int n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
             (part == NULL || strstr(e->d_name, part) != NULL);
    closedir(d);
    return n;
}

int test_folder_setup(void **state)
{
    EK_UNUSED(state);
    test_folder = test_folder_make();
    return 0;
}

int test_folder_teardown(void **state)
{
    EK_UNUSED(state);
    test_folder_remove(test_folder);
    test_folder = NULL;
    return 0;
}

int test_folder_setup_path(char *path, size_t size, const char *name)
{
    test_folder_setup(NULL);
    snprintf(path, size, "%s/%s", test_folder, name);
    return 0;
}

int test_folder_enter(void **state)
{
    test_folder_setup(state);
    return chdir(test_folder);
}

int test_folder_leave(void **state)
{
    if (chdir(EK_SOURCE_DIR) != 0) return 1;
    return test_folder_teardown(state);
}
