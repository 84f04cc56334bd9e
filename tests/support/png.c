/* tests/support/png.c - see png.h. */
#include "support/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "support/support.h"

static uint32_t number(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* The chunk at *at, which must be of that type; moves *at behind it. */
static const uint8_t *chunk(const uint8_t **at, const uint8_t *end, const char *type, uint32_t *size)
{
    const uint8_t *p = *at;

    assert_true(end - p >= 12);
    *size = number(p);
    assert_true(*size <= (size_t)(end - p) - 12);
    assert_memory_equal(p + 4, type, 4);
    assert_int_equal(number(p + 8 + *size), crc32(0, p + 4, *size + 4));
    *at = p + 12 + *size;
    return p + 8;
}

test_png test_png_read(const void *file, size_t size)
{
    static const uint8_t rest[] = { 0, 0, 0 };
    const uint8_t *at = (const uint8_t *)file + 8, *end = (const uint8_t *)file + size;
    test_png png;
    uint32_t n;

    assert_true(size > 8);
    assert_memory_equal(file, "\x89PNG\r\n\x1a\n", 8);
    const uint8_t *head = chunk(&at, end, "IHDR", &n);
    assert_int_equal(n, 13);
    assert_int_equal(head[8], 8);
    assert_memory_equal(head + 10, rest, 3);
    png.width = (int)number(head);
    png.height = (int)number(head + 4);
    png.depth = head[9] == 0 ? 1 : head[9] == 2 ? 3 : 4;
    assert_true(png.depth < 4 || head[9] == 6);
    const uint8_t *data = chunk(&at, end, "IDAT", &n);
    const size_t row = (size_t)(png.width * png.depth) + 1, rows = (size_t)png.height;
    uint8_t *raw = malloc(row * rows);
    uLongf got = row * rows;
    assert_int_equal(uncompress(raw, &got, data, n), Z_OK);
    assert_int_equal(got, row * rows);
    png.pixels = malloc((row - 1) * rows);
    for (size_t y = 0; y < rows; y++) {
        assert_int_equal(raw[y * row], 0);
        memcpy(png.pixels + y * (row - 1), raw + y * row + 1, row - 1);
    }
    free(raw);
    chunk(&at, end, "IEND", &n);
    assert_true(n == 0 && at == end);
    return png;
}
