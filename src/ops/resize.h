/* ops/resize.h - what ops that give images another size share. */
#ifndef EK_OPS_RESIZE_H
#define EK_OPS_RESIZE_H

#include "graph/op.h"

typedef struct ek_resize_attrs {
    bool align_corners, half_pixel_centers;
} ek_resize_attrs;
extern const ek_field ek__resize_fields[2];
#define EK_RESIZE_FIELDS \
    .attrs_size = sizeof(ek_resize_attrs), .fields = ek__resize_fields, .n_fields = EK_COUNT_OF(ek__resize_fields)

/* Whole rules: images in input 0, their new size in input 1; a gradient in input 0, of images like those in input 1. */
ek_status ek__resize_shape(ek_shape_ctx *c);
ek_status ek__resize_grad_shape(ek_shape_ctx *c);

/* Pixels of an image of n along an axis per pixel of one of n_out. */
float ek__resize_scale(const ek_resize_attrs *a, int64_t n, int64_t n_out);

#endif
