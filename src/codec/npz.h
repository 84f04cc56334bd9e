/* codec/npz.h - numpy's .npz files, in memory: zip archives of .npy files. The public calls are in evenkeel/array.h. */
#ifndef EK_CODEC_NPZ_H
#define EK_CODEC_NPZ_H

#include "values/array.h"

ek_status ek__npz_decode(const void *data, size_t size, ek_npz **out, ek_error *err);

#endif
