/* saver/path.h - names of files, as Python's os.path has them: what TensorFlow makes of a checkpoint's path. */
#ifndef EK_SAVER_PATH_H
#define EK_SAVER_PATH_H

#include "base/base.h"

/* All append to *out. */
void ek__path_dirname(ek_buf *out, const char *path);
void ek__path_join(ek_buf *out, const char *dir, const char *path); /* `path` alone where it is absolute */
/* os.path.relpath: the way from `start` to `path`, both taken from the current folder where they are relative. */
void ek__path_relative(ek_buf *out, const char *path, const char *start);
static inline bool ek__path_is_absolute(const char *path) { return path[0] == '/'; }
/* meta_graph_filename: the prefix without the end "-?????-of-00002" of a shard, and ".meta". */
void ek__path_of_meta(ek_buf *out, const char *prefix);

#endif
