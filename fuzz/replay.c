/* fuzz/replay.c - runs a fuzz target over every file of a folder: the corpus as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

/* The target gets a block of exactly the file's size, so that a sanitizer sees reads past its end. */
static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat s;
    uint8_t *data = NULL;
    int failed = 1;

    if (f != NULL && fstat(fileno(f), &s) == 0) {
        const size_t size = (size_t)s.st_size;

        data = malloc(size > 0 ? size : 1);
        if (data != NULL && fread(data, 1, size, f) == size) {
            LLVMFuzzerTestOneInput(data, size);
            failed = 0;
        }
    }
    if (failed) fprintf(stderr, "%s: cannot be read\n", path);
    free(data);
    if (f != NULL) fclose(f);
    return failed;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    const struct dirent *entry;
    int files = 0, failed = 0;

    if (folder == NULL) {
        fprintf(stderr, "usage: %s FOLDER (that exists)\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(folder)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        failed += replay(path);
        files++;
    }
    closedir(folder);
    printf("%d files replayed\n", files);
    return failed > 0 || files == 0;
}
