/* codec/bundle_files.c - what the files of a checkpoint are called, which of them are there, which are left over. */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "codec/bundle_parts.h"

char *ek__bundle_index_path(ek_arena *a, const char *prefix)
{
    return ek__arena_printf(a, "%s.index", prefix);
}

char *ek__bundle_shard_path(ek_arena *a, const char *prefix, int32_t shard, int32_t n_shards)
{
    return ek__arena_printf(a, "%s.data-%05d-of-%05d", prefix, (int)shard, (int)n_shards);
}

/* At least five digits as a number; moves behind them. */
static bool take_number(const char **at, int32_t *out)
{
    int64_t v = 0;
    int digits = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++, digits++) v = v > INT32_MAX ? v : v * 10 + (**at - '0');
    *out = v <= INT32_MAX ? (int32_t)v : -1;
    return digits >= 5 && v <= INT32_MAX;
}

/* Whether a file of the folder is a shard of the checkpoint of this base name, or was to become one (*left). */
static bool is_shard(const char *name, const char *base, size_t base_size, int32_t *n_shards, bool *left)
{
    const char *at = name + base_size;
    int32_t shard;

    if (strncmp(name, base, base_size) != 0 || strncmp(at, ".data-", 6) != 0) return false;
    at += 6;
    if (!take_number(&at, &shard) || strncmp(at, "-of-", 4) != 0) return false;
    at += 4;
    if (!take_number(&at, n_shards)) return false;
    *left = ek__file_is_part_of(name, name, (size_t)(at - name));
    return *left || *at == '\0';
}

static bool is_index_left(const char *name, const char *base, size_t base_size)
{
    static const char index[] = ".index";

    if (strncmp(name, base, base_size) != 0 || strncmp(name + base_size, index, sizeof index - 1) != 0) return false;
    return ek__file_is_part_of(name, name, base_size + sizeof index - 1);
}

/* The folder of a prefix, open; NULL and errno. No heap: it is needed when there is none left, too. */
static DIR *open_folder(const char *prefix)
{
    const size_t n = ek__file_folder_size(prefix);
    char folder[PATH_MAX] = ".";

    errno = ENAMETOOLONG;
    if (n >= sizeof folder) return NULL;
    if (n > 0) snprintf(folder, sizeof folder, "%.*s", (int)n, prefix);
    return opendir(folder);
}

ek_status ek__bundle_make_folder(const char *prefix, ek_error *err)
{
    const size_t n = ek__file_folder_size(prefix);
    ek_arena a = { .head = NULL };
    const char *folder = n > 1 ? ek__arena_strndup(&a, prefix, n - 1) : "";
    ek_status st = EK_OK;

    if (folder == NULL) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the folder of '%s'", prefix);
    else if (folder[0] != '\0') st = ek__file_make_folder(folder, err);
    ek__arena_fini(&a);
    return st;
}

ek_status ek__bundle_free_layout(const char *prefix, int32_t least, int32_t *n_shards, ek_error *err)
{
    const char *base = prefix + ek__file_folder_size(prefix);
    const size_t base_size = strlen(base);
    bool taken = true, left;
    int32_t n;
    DIR *d = open_folder(prefix);

    if (d == NULL) return ek__fail_system(err, "look into the folder of", prefix);
    for (*n_shards = least; taken; *n_shards += taken) {
        taken = false;
        rewinddir(d);
        for (struct dirent *e; !taken && (e = readdir(d)) != NULL;)
            taken = is_shard(e->d_name, base, base_size, &n, &left) && !left && n == *n_shards;
    }
    closedir(d);
    return EK_OK;
}

void ek__bundle_sweep(const char *prefix, int32_t n_shards)
{
    const size_t folder = ek__file_folder_size(prefix), base_size = strlen(prefix) - folder;
    const char *base = prefix + folder;
    char path[PATH_MAX];
    DIR *d = open_folder(prefix);
    bool left = false;
    int32_t n;

    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (!is_index_left(e->d_name, base, base_size) &&
            (!is_shard(e->d_name, base, base_size, &n, &left) || (!left && n == n_shards))) continue;
        if (snprintf(path, sizeof path, "%.*s%s", (int)folder, prefix, e->d_name) < (int)sizeof path)
            (void)ek__file_remove(path, &(ek_error){ .code = EK_OK });
    }
    if (d != NULL) closedir(d);
}

ek_status ek__bundle_settle(const char *prefix, int32_t n_shards, ek_error *err)
{
    EK_TRY(ek__file_sync_folder(prefix, err)); /* the old data goes only when the new index is sure to stay */
    ek__bundle_sweep(prefix, n_shards);
    return EK_OK;
}

ek_status ek__bundle_delete(const char *prefix, ek_error *err)
{
    ek_arena a = { .head = NULL };
    const char *index = ek__bundle_index_path(&a, prefix);
    ek_status st = EK_OK;

    if (index == NULL) st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the name of an index");
    else st = ek__file_remove(index, err);
    if (st == EK_OK) ek__bundle_sweep(prefix, 0);
    ek__arena_fini(&a);
    return st;
}

/* ---- version 1 -------------------------------------------------------------------------------------------------- */

/* The prefix with what a pattern would take for a sign of its own set off. */
static char *quoted(ek_arena *a, const char *prefix)
{
    char *q = ek__arena_alloc(a, 2 * strlen(prefix) + 1, 1);
    size_t n = 0;

    if (q == NULL) return NULL;
    for (; *prefix != '\0'; prefix++) {
        if (strchr("*?[]\\", *prefix) != NULL) q[n++] = '\\';
        q[n++] = *prefix;
    }
    q[n] = '\0';
    return q;
}

/* As many shards as their names say. */
static ek_status check_complete(const char *prefix, const glob_t *found, ek_error *err)
{
    const char *last = found->gl_pathv[found->gl_pathc - 1];
    const int n = atoi(last + strlen(last) - 5);

    if (found->gl_pathc == (size_t)n) return EK_OK;
    return EK_FAIL(err, NOT_FOUND, "'%s' is in %d shards; %zu of their files are there", prefix, n, found->gl_pathc);
}

ek_status ek__bundle_v1_files(ek_arena *a, const char *prefix, char ***path, int *n, ek_error *err)
{
    const char *pattern = prefix;
    bool ours = false;
    struct stat s;
    glob_t found;
    ek_status st = EK_OK;
    int rc;

    *n = 0;
    if (stat(prefix, &s) == 0 && S_ISREG(s.st_mode)) {
        pattern = quoted(a, prefix);
    } else if (strpbrk(prefix, "*?") == NULL) {
        pattern = quoted(a, prefix);
        ours = true;
        if (pattern != NULL) pattern = ek__arena_printf(a, "%s-\?\?\?\?\?-of-\?\?\?\?\?", pattern);
    }
    if (pattern == NULL)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the names of the files of '%s'", prefix);
    rc = glob(pattern, 0, NULL, &found);
    if (rc == GLOB_NOMATCH) return EK_OK;
    if (rc != 0) return EK_FAIL(err, UNKNOWN, "Failed to get matching files on %s", prefix);
    if (ours) st = check_complete(prefix, &found, err);
    *path = EK_ARENA_NEW(a, char *, found.gl_pathc);
    if (*path == NULL && st == EK_OK)
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the names of %zu files", found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc && st == EK_OK; i++) {
        (*path)[i] = ek__arena_strdup(a, found.gl_pathv[i]);
        if ((*path)[i] == NULL)
            st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for the names of %zu files", found.gl_pathc);
        else *n = (int)i + 1;
    }
    globfree(&found);
    return st;
}
