/* cli/model.c - models: what a file is, names in a graph, what can be fed and fetched. */
#include <sys/stat.h>

#include "cli/commands.h"
#include "formats/graph_io.h"

/* ---- what a file is ------------------------------------------------------------------------------ */

/* The first bytes of files that are no graphs but are mistaken for one. */
static const struct { const char *bytes; int size; const char *what; } signatures[] = {
    { "\x93NUMPY", 6, "a .npy array" },
    { "\x89HDF\r\n\x1a\n", 8, "an HDF5 file, as Keras writes; convert the model to a frozen GraphDef first" },
    { "PK\3\4", 4, "a zip archive (.npz, .keras)" },
    { "\x1f\x8b", 2, "compressed by gzip; decompress it first" },
    { "\x08\x01\x12", 3, "a SavedModel's protocol buffer; freeze it to a GraphDef first" },
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

static const char *what_the_file_is(const char *path)
{
    unsigned char head[4096];
    FILE *f = fopen(path, "rb");
    size_t n;

    if (f == NULL) return NULL;
    n = fread(head, 1, sizeof head, f);
    fclose(f);
    return what_it_is(head, n);
}

/* False: it is something else, or cannot be looked at. */
static bool is_a_meta_graph(const char *path)
{
    ek_error quiet = { .code = EK_OK };
    ek_file_kind kind;

    return ek__file_kind(path, &kind, &quiet) == EK_OK && (kind == EK_FILE_META_GRAPH || kind == EK_FILE_META_GRAPH_TEXT);
}

ek_graph *cli_load(const cli_args *args)
{
    const char *path = args->operand[0], *what;
    ek_error err = { .code = EK_OK };
    ek_graph *g = NULL;
    struct stat s;

    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode)) {
        cli_complain(args->command, "'%s' is a folder (a SavedModel?); a file with a GraphDef was expected", path);
        return NULL;
    }
    if (is_a_meta_graph(path)) {
        if (ek_meta_graph_load(path, &g, .error = &err) != EK_OK) cli_complain_error(args->command, &err);
        return g;
    }
    what = what_the_file_is(path);
    if (what != NULL) {
        cli_complain(args->command, "'%s' is no GraphDef; it looks like %s", path, what);
        return NULL;
    }
    if (ek_graph_load(path, &g, &err) == EK_OK) return g;
    cli_complain_error(args->command, &err);
    if (err.code == EK_NOT_FOUND) {
        char index[4096];

        snprintf(index, sizeof index, "%s.index", path);
        if (stat(index, &s) == 0) fprintf(stderr, "    '%s' is the prefix of a checkpoint; a file with a GraphDef was expected\n", path);
    } else if (err.code == EK_INVALID_ARGUMENT || err.code == EK_DATA_LOSS) {
        fprintf(stderr, "    '%s' was expected to be a GraphDef, binary or text\n", path);
    }
    return NULL;
}

/* ---- names ----------------------------------------------------------------------------------------- */

static const char *op_name(const void *graph, int64_t i)
{
    return ek_op_name(ek_graph_op_at(graph, i));
}

/* The name without ":N" and "^", in buf. */
static const char *bare(const char *name, char *buf, size_t size)
{
    char *colon;

    snprintf(buf, size, "%s", name[0] == '^' ? name + 1 : name);
    colon = strrchr(buf, ':');
    if (colon != NULL && colon[1] != '\0' && colon[1 + strspn(colon + 1, "0123456789")] == '\0') *colon = '\0';
    return buf;
}

bool cli_find_tensor(const cli_args *args, ek_graph *g, const char *name, ek_tensor *t, ek_op *op)
{
    char buf[1024];
    ek_op found;

    if (strchr(name, ':') == NULL && ek_graph_op_by_name(g, name, &found) == EK_OK) {
        if (op != NULL) *op = found;
        *t = ek_op_output(found, 0);
        if (ek_op_output_count(found) > 0) return true;
        *t = (ek_tensor){ g, -1, 0 };
        if (op != NULL) return true;
        cli_complain(args->command, "'%s' is an operation without outputs: there is nothing to feed", name);
        return false;
    }
    if (op != NULL) *op = (ek_op){ g, -1 };
    if (strchr(name, ':') != NULL && ek_graph_tensor_by_name(g, name, t) == EK_OK) return true;
    cli_complain(args->command, "%s", ek_last_error()->text);
    const char *near = cli_nearest(bare(name, buf, sizeof buf), ek_graph_op_count(g), op_name, g);
    if (near != NULL && strcmp(near, buf) != 0) fprintf(stderr, "    did you mean '%s'?\n", near);
    return false;
}

/* ---- what can be fed and fetched ------------------------------------------------------------------------ */

static bool is_placeholder(const char *type)
{
    return strcmp(type, "Placeholder") == 0 || strcmp(type, "PlaceholderWithDefault") == 0 ||
           strcmp(type, "PlaceholderV2") == 0;
}

void cli_each_feed(ek_graph *g, cli_each_fn *f, void *arg)
{
    for (int64_t i = 0; i < ek_graph_op_count(g); i++) {
        const ek_op op = ek_graph_op_at(g, i);

        if (is_placeholder(ek_op_type(op)) && ek_op_output_count(op) > 0) f(arg, ek_op_output(op, 0));
    }
}

bool cli_each_fetch(ek_graph *g, cli_each_fn *f, void *arg)
{
    const int64_t n = ek_graph_op_count(g);
    bool *read = ek__calloc((size_t)n + 1, 1);

    if (read == NULL) return false;
    for (int64_t i = 0; i < n; i++) {
        const ek_op op = ek_graph_op_at(g, i);

        for (int k = 0; k < ek_op_input_count(op); k++) read[ek_op_input(op, k).op] = true;
        for (int k = 0; k < ek_op_control_input_count(op); k++) read[ek_op_control_input(op, k).id] = true;
    }
    for (int64_t i = 0; i < n; i++) {
        const ek_op op = ek_graph_op_at(g, i);

        for (int k = 0; !read[i] && !is_placeholder(ek_op_type(op)) && k < ek_op_output_count(op); k++)
            f(arg, ek_op_output(op, k));
    }
    ek__free(read);
    return true;
}

void cli_print_tensor(void *unused, ek_tensor t)
{
    const ek_shape shape = ek_tensor_shape(t);
    char name[1024], text[EK_MAX_RANK * 24];

    EK_UNUSED(unused);
    ek_tensor_name(t, name, sizeof name);
    ek_shape_format(&shape, text, sizeof text);
    printf("  %s  %s  %s\n", name, ek_dtype_name(ek_tensor_dtype(t)), text);
}

void cli_json_tensor_members(ek_json *j, ek_tensor t)
{
    const ek_shape shape = ek_tensor_shape(t);
    char name[1024];

    ek_tensor_name(t, name, sizeof name);
    ek__json_key(j, "name");
    ek__json_str(j, name);
    ek__json_key(j, "dtype");
    ek__json_str(j, ek_dtype_name(ek_tensor_dtype(t)));
    ek__json_key(j, "shape");
    if (shape.rank < 0) {
        ek__json_str(j, NULL);
        return;
    }
    ek__json_open(j, '[');
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] < 0) {
            ek__json_str(j, NULL);
        } else {
            ek__json_int(j, shape.dim[i]);
        }
    }
    ek__json_close(j, ']');
}

void cli_json_tensor(void *json, ek_tensor t)
{
    ek__json_open(json, '{');
    cli_json_tensor_members(json, t);
    ek__json_close(json, '}');
}
