/* cli/looks_like.c - files that are no models but are mistaken for one: what they look like. */
#include <unistd.h>

#include "cli/model.h"
#include "codec/crc32c.h"

/* The first bytes of files that are no graphs but are mistaken for one. */
static const struct { const char *bytes; int size; const char *what; } signatures[] = {
    { "\x93NUMPY", 6, "a .npy array" },
    { "\x89HDF\r\n\x1a\n", 8, "an HDF5 file, as Keras writes; convert the model to a frozen GraphDef first" },
    { "PK\3\4", 4, "a zip archive (.npz, .keras)" },
    { "\x1f\x8b", 2, "compressed by gzip; decompress it first" },
    { "\x08\x01\x12", 3, "a SavedModel's protocol buffer, but damaged" },
    { "\x7f" "ELF", 4, "a program or library" },
    { "\x89PNG", 4, "a picture" },
    { "%PDF", 4, "a PDF" },
    { "<!DOCTYPE", 9, "a web page: the download went wrong" },
    { "<html", 5, "a web page: the download went wrong" },
    { "version https://git-lfs", 23, "a pointer of Git LFS: the file itself was not fetched" },
    { "TFL3", 4, "a TensorFlow Lite model" },
};

/* Length of a varint at p and its value; 0 where there is none. */
static size_t varint(const unsigned char *p, size_t size, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < size && i < 10; i++) {
        *v |= (uint64_t)(p[i] & 0x7f) << 7 * i;
        if (p[i] < 0x80) return i + 1;
    }
    return 0;
}

/* The first member of a MetaGraphDef is a MetaInfoDef, of a GraphDef a node: they part at member 2 (an OpList, which
 * begins with a tag, against a type name) and member 5 (a version against a map of attributes). */
static bool is_meta_graph(const unsigned char *p, size_t size)
{
    uint64_t length, tag, n;
    size_t used;

    if (size < 2 || p[0] != 0x0a || (used = varint(p + 1, size - 1, &length)) == 0) return false;
    p += 1 + used;
    size = size - 1 - used < length ? size - 1 - used : (size_t)length;
    while (size > 0) {
        if ((used = varint(p, size, &tag)) == 0) return false;
        p += used, size -= used;
        if ((used = varint(p, size, &n)) == 0) return false;
        p += used, size -= used;
        if ((tag & 7) == 0) continue; /* a number: a flag of MetaInfoDef */
        if ((tag & 7) != 2 || n > size) return false;
        if (tag == 0x12) return n > 0 && p[0] == 0x0a;
        if (tag == 0x2a) return n > 0 && p[0] != 0x0a;
        p += n, size -= (size_t)n;
    }
    return false;
}

/* What the bytes look like if not a graph; NULL: a graph, or nothing known. */
static const char *what_it_is(const unsigned char *p, size_t size)
{
    if (size == 0) return "an empty file";
    for (int i = 0; i < EK_COUNT_OF(signatures); i++)
        if (size >= (size_t)signatures[i].size && memcmp(p, signatures[i].bytes, (size_t)signatures[i].size) == 0)
            return signatures[i].what;
    if (p[0] == 0x08) return "an ONNX model or another protocol buffer";
    if (is_meta_graph(p, size)) return "a MetaGraphDef, but without a graph";
    return NULL;
}

size_t cli_read_head(const char *path, unsigned char *head, size_t size)
{
    FILE *f = fopen(path, "rb");
    const size_t n = f != NULL ? fread(head, 1, size, f) : 0;

    if (f != NULL) fclose(f);
    return n;
}

bool cli_begins_with_record(const char *path)
{
    unsigned char head[12];
    uint32_t sum;

    if (cli_read_head(path, head, sizeof head) < sizeof head) return false;
    memcpy(&sum, head + 8, sizeof sum);
    return ek__crc32c_unmask(sum) == ek__crc32c(0, head, 8);
}

const char *cli_looks_like(const char *path)
{
    unsigned char head[4096];

    if (access(path, R_OK) != 0) return NULL;
    if (cli_begins_with_record(path)) return "records (TFRecord, or events for TensorBoard)";
    return what_it_is(head, cli_read_head(path, head, sizeof head));
}
