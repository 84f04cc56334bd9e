/* tests/support/png.h - reads the PNG files that are written here: 8 bits, one IDAT, no filter. */
#ifndef EK_TESTS_SUPPORT_PNG_H
#define EK_TESTS_SUPPORT_PNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct test_png {
    int width, height, depth;
    uint8_t *pixels; /* free() it */
} test_png;

/* The test fails where a chunk's checksum or length does not fit. */
test_png test_png_read(const void *file, size_t size);

#endif
