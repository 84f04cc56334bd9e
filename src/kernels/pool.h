/* kernels/pool.h - the geometry of pooling, as its loops see it. */
#ifndef EK_KERNELS_POOL_H
#define EK_KERNELS_POOL_H

#include <stdint.h>

/* One image of depth * height * width pixels (a flat image has depth 1), each of `channels` numbers that lie side by
 * side; channels first is as many images of one channel. Windows reach past the image by `before` and what is missing
 * behind; only what lies inside counts. */
typedef struct ek_pool {
    int64_t channels;
    int64_t in[3], out[3], kernel[3], stride[3], before[3];
} ek_pool;

#endif
