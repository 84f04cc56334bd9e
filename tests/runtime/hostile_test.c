/* Graphs whose numbers nobody means: sizes, axes, strides, counts beyond all reason. Each is refused with a sentence that
 * names the node, or computed; none crashes, hangs or takes memory for what a few bytes claim. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "evenkeel/files.h"
#include "support/support.h"

/* An operation "y" on constants of the graph; '#' in its attributes is the number, a letter after '=' a type. The inputs:
 * x float [[1,2,3],[4,5,6]]; f float 1; e float without elements [3,0]; k float filter [2,2,1,1]; im float image [1,4,4,1];
 * t string; s the number; v1, v2, v4 vectors of it; o vector [number, 0, number]; p [[number, number], [number, number]];
 * z 0; z1 [0]; m1 [-1]; n2 [number, -1]. All integers are int64; i, iv2 are the number as int32, a scalar and [0, number]. */
typedef struct hostile_op {
    const char *op, *inputs, *attrs;
} hostile_op;

static const hostile_op ops[] = {
    { "Fill", "v1 f", "T=f index_type=l" },
    { "Fill", "v4 f", "T=f index_type=l" },
    { "Fill", "o f", "T=f index_type=l" },
    { "Fill", "v1 t", "T=s index_type=l" },
    { "Fill", "v2 t", "T=s index_type=l" },
    { "Reshape", "x v2", "T=f Tshape=l" },
    { "Reshape", "e n2", "T=f Tshape=l" },
    { "Tile", "x v2", "T=f Tmultiples=l" },
    { "Tile", "e v2", "T=f Tmultiples=l" },
    { "Pad", "x p", "T=f Tpaddings=l" },
    { "MirrorPad", "x p", "T=f Tpaddings=l mode='SYMMETRIC'" },
    { "BroadcastTo", "x v4", "T=f Tidx=l" },
    { "BroadcastTo", "f v2", "T=f Tidx=l" },
    { "BroadcastArgs", "v2 v1", "T=l" },
    { "BroadcastGradientArgs", "v2 v1", "T=l" },
    { "Range", "z s s", "Tidx=l" },
    { "Range", "s z m", "Tidx=l" },
    { "LinSpace", "f f s", "T=f Tidx=l" },
    { "StridedSlice", "x v1 v1 v1", "T=f Index=l" },
    { "StridedSlice", "x v1 z1 m1", "T=f Index=l begin_mask:1" },
    { "StridedSlice", "x v1 v1 v1", "T=f Index=l begin_mask:3 end_mask:3" },
    { "StridedSlice", "x v1 v1 v1", "T=f Index=l shrink_axis_mask:1" },
    { "StridedSlice", "x v1 v1 v1", "T=f Index=l ellipsis_mask:1 new_axis_mask:2" },
    { "StridedSliceGrad", "v2 z1 m1 m1 x", "T=f Index=l" },
    { "Slice", "x v2 v2", "T=f Index=l" },
    { "Slice", "x n2 n2", "T=f Index=l" },
    { "Sum", "x v1", "T=f Tidx=l" },
    { "ArgMax", "x s", "T=f Tidx=l" },
    { "Cumsum", "x s", "T=f Tidx=l" },
    { "Cumprod", "v4 z", "T=l Tidx=l" },
    { "ExpandDims", "x s", "T=f Tdim=l" },
    { "Squeeze", "x", "T=f squeeze_dims:#" },
    { "ConcatV2", "x x s", "T=f Tidx=l N:2" },
    { "Concat", "i x x", "T=f N:2" },
    { "ConcatOffset", "i iv2 iv2", "N:2" },
    { "GatherV2", "x v1 z", "Tparams=f Tindices=l Taxis=l" },
    { "GatherV2", "x z1 s", "Tparams=f Tindices=l Taxis=l" },
    { "GatherV2", "x z1 z", "Tparams=f Tindices=l Taxis=l batch_dims:#" },
    { "GatherNd", "x v2", "Tparams=f Tindices=l" },
    { "OneHot", "v2 i f f", "T=f TI=l axis:#" },
    { "OneHot", "v2 i f f", "T=f TI=l" },
    { "Roll", "x v1 z1", "T=f Tshift=l Taxis=l" },
    { "Roll", "x z1 v1", "T=f Tshift=l Taxis=l" },
    { "ReverseV2", "x v1", "T=f Tidx=l" },
    { "Transpose", "x v2", "T=f Tperm=l" },
    { "InvertPermutation", "v2", "T=l" },
    { "DynamicStitch", "iv2 x", "T=f N:1" },
    { "DynamicPartition", "x iv2", "T=f num_partitions:2" },
    { "DynamicPartition", "x iv2", "T=f num_partitions:#" },
    { "Split", "iz x", "T=f num_split:#" },
    { "SplitV", "x v2 iz", "T=f Tlen=l num_split:2" },
    { "SplitV", "x n2 iz", "T=f Tlen=l num_split:2" },
    { "Unpack", "x", "T=f num:# axis:#" },
    { "Unpack", "x", "T=f num:2 axis:#" },
    { "Pack", "x x", "T=f N:2 axis:#" },
    { "Pack", "x x", "T=f N:#" },
    { "AddN", "x x", "T=f N:#" },
    { "Merge", "x x", "T=f N:#" },
    { "RandomUniform", "v2", "T=l dtype=f" },
    { "RandomUniformInt", "v1 s s", "T=l Tout=l" },
    { "Multinomial", "x i", "T=f" },
    { "FloorDiv", "v2 m1", "T=l" },
    { "FloorMod", "v2 m1", "T=l" },
    { "TruncateMod", "v2 m1", "T=l" },
    { "Mul", "v2 v2", "T=l" },
    { "Neg", "v2", "T=l" },
    { "Abs", "v2", "T=l" },
    { "LeftShift", "v2 v2", "T=l" },
    { "RightShift", "v2 v2", "T=l" },
    { "Pow", "m1 v2", "T=l" },
    { "Cast", "v2", "SrcT=l DstT=i" },
    { "Conv2D", "im k", "T=f padding='SAME' strides[1,#,#,1]" },
    { "DepthwiseConv2dNative", "im k", "T=f padding='VALID' strides[1,#,#,1] dilations[1,#,#,1]" },
    { "Conv2D", "im k", "T=f padding='VALID' strides[1,1,1,1] dilations[1,#,#,1]" },
    { "Conv2D", "im k", "T=f padding='EXPLICIT' strides[1,1,1,1] explicit_paddings[0,0,#,#,#,0,0,0]" },
    { "CountUpTo", "v", "T=l limit:#" },
    { "VariableV2", "", "dtype=f shape[#,#]" },
    { "Placeholder", "", "dtype=f shape[#,#]" },
};

static const int64_t numbers[] = { 0, 1, -1, 2, -2, 3, 17, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_C(1) << 32,
                                   -(INT64_C(1) << 32), (INT64_C(1) << 32) + 1, 1 - (INT64_C(1) << 32), INT64_C(1) << 46,
                                   INT64_C(1) << 59, INT64_C(1) << 62, INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1 };

/* ---- writing them --------------------------------------------------------------------------------------- */

typedef struct text {
    char at[16384];
    size_t used;
} text;

static void add(text *t, const char *fmt, ...) EK_PRINTF(2, 3);
static void add(text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    t->used += (size_t)vsnprintf(t->at + t->used, sizeof t->at - t->used, fmt, args);
    va_end(args);
    assert_true(t->used < sizeof t->at);
}

static const char *type_name(char letter)
{
    return letter == 'f' ? "DT_FLOAT" : letter == 'l' ? "DT_INT64" : letter == 'i' ? "DT_INT32" : "DT_STRING";
}

/* dims: "2,3"; values as they stand in a TensorProto. */
static void constant(text *t, const char *name, char type, const char *dims, const char *values)
{
    add(t, "node { name: '%s' op: 'Const' attr { key: 'dtype' value { type: %s } } attr { key: 'value' value { tensor { dtype: %s "
           "tensor_shape { ", name, type_name(type), type_name(type));
    for (const char *d = dims; *d != '\0'; d++) add(t, "dim { size: %c } ", *d);
    add(t, "} %s } } } }\n", values);
}

static void constants(text *t, int64_t number)
{
    const int32_t narrow = number > INT32_MAX ? INT32_MAX : number < INT32_MIN ? INT32_MIN : (int32_t)number;
    char all[64], mixed[128];

    snprintf(all, sizeof all, "int64_val: %" PRId64, number);
    constant(t, "x", 'f', "23", "float_val: [1, 2, 3, 4, 5, 6]");
    constant(t, "f", 'f', "", "float_val: 1");
    constant(t, "e", 'f', "30", "");
    constant(t, "k", 'f', "2211", "float_val: 1");
    constant(t, "im", 'f', "1441", "float_val: 1");
    constant(t, "t", 's', "", "string_val: 'a string'");
    constant(t, "s", 'l', "", all);
    constant(t, "v1", 'l', "1", all);
    constant(t, "v2", 'l', "2", all);
    constant(t, "v4", 'l', "4", all);
    constant(t, "p", 'l', "22", all);
    constant(t, "z", 'l', "", "int64_val: 0");
    constant(t, "z1", 'l', "1", "int64_val: 0");
    constant(t, "m", 'l', "", "int64_val: -1");
    constant(t, "m1", 'l', "1", "int64_val: -1");
    snprintf(mixed, sizeof mixed, "int64_val: [%" PRId64 ", 0, %" PRId64 "]", number, number);
    constant(t, "o", 'l', "3", mixed);
    snprintf(mixed, sizeof mixed, "int64_val: [%" PRId64 ", -1]", number);
    constant(t, "n2", 'l', "2", mixed);
    snprintf(mixed, sizeof mixed, "int_val: [%d]", narrow);
    constant(t, "i", 'i', "", mixed);
    constant(t, "iz", 'i', "", "int_val: 0");
    snprintf(mixed, sizeof mixed, "int_val: [0, %d]", narrow);
    constant(t, "iv2", 'i', "2", mixed);
    add(t, "node { name: 'v' op: 'VariableV2' attr { key: 'dtype' value { type: DT_INT64 } } attr { key: 'shape' value { shape { } } "
           "} }\n");
}

/* A list in brackets: of integers, or the dimensions of "shape". */
static void list(text *t, const char *name, const char *in_brackets, int64_t number)
{
    const bool shape = strcmp(name, "shape") == 0;

    add(t, shape ? "shape { " : "list { ");
    for (const char *at = in_brackets; *at != '\0'; at++)
        if (*at == '#') add(t, shape ? "dim { size: %" PRId64 " } " : "i: %" PRId64 " ", number);
        else if (*at != ',') add(t, shape ? "dim { size: %c } " : "i: %c ", *at);
    add(t, "}");
}

static void attribute(text *t, char *word, int64_t number)
{
    char *end = word + strcspn(word, "=:["), kind = *end, *value = end + 1;

    *end = '\0';
    add(t, "attr { key: '%s' value { ", word);
    if (kind == '[') {
        value[strcspn(value, "]")] = '\0';
        list(t, word, value, number);
    } else if (kind == ':') {
        add(t, "i: %" PRId64, *value == '#' ? number : (int64_t)strtoll(value, NULL, 10));
    } else if (*value == '\'') {
        add(t, "s: %s", value);
    } else {
        add(t, "type: %s", type_name(*value));
    }
    add(t, " } }\n");
}

static void graph_of(text *t, const hostile_op *op, int64_t number)
{
    char words[200], *rest = words, *word;

    t->used = 0;
    constants(t, number);
    add(t, "node { name: 'y' op: '%s'\n", op->op);
    snprintf(words, sizeof words, "%s", op->inputs);
    while ((word = strtok_r(rest, " ", &rest)) != NULL) add(t, "input: '%s'\n", word);
    snprintf(words, sizeof words, "%s", op->attrs);
    rest = words;
    while ((word = strtok_r(rest, " ", &rest)) != NULL) attribute(t, word, number);
    add(t, "}\nversions { producer: 134 }\n");
}

/* ---- trying them ----------------------------------------------------------------------------------------- */

enum { MOST = 1 << 24 };

static size_t largest; /* of all that was asked for */

static void *modest_alloc(void *ctx, size_t size, size_t align)
{
    EK_UNUSED(ctx);
    if (size > largest) largest = size;
    return size < MOST ? aligned_alloc(align, (size + align - 1) / align * align) : NULL;
}

static void modest_release(void *ctx, void *block)
{
    EK_UNUSED(ctx);
    free(block);
}

static void a_sentence(const hostile_op *op, int64_t number, ek_status st, const ek_error *err)
{
    if (st != err->code || err->text[0] == '\0' || strchr(err->node, 'y') == NULL)
        fail_msg("%s of %" PRId64 ": %s, at '%s'", op->op, number, err->text, err->node);
    if (st == EK_INTERNAL || st == EK_UNKNOWN) fail_msg("%s of %" PRId64 ": %s", op->op, number, err->text);
}

/* Whether it could be computed. */
static bool attempt(const hostile_op *op, int64_t number, bool fold)
{
    static text t;
    ek_error err = { .code = EK_OK };
    ek_array *got = NULL;
    ek_status st;
    ek_session *s;
    ek_tensor y;
    ek_graph *g;

    graph_of(&t, op, number);
    setenv("EK_FOLD", fold ? "1" : "0", 1);
    st = ek_graph_load_bytes(t.at, t.used, &g, &err);
    if (st != EK_OK) {
        a_sentence(op, number, st, &err);
        return false;
    }
    s = ek_session_create(g, .threads = 1);
    assert_non_null(s);
    assert_int_equal(ek_graph_tensor_by_name(g, "y:0", &y), EK_OK);
    st = ek_run(s, .fetch = { { y, &got } }, .error = &err);
    if (st != EK_OK) {
        a_sentence(op, number, st, &err);
        assert_null(got);
    }
    ek_array_unref(got);
    ek_session_destroy(s);
    ek_graph_destroy(g);
    return st == EK_OK;
}

static void each(bool fold)
{
    static const ek_allocator allocator = { modest_alloc, modest_release, NULL };
    int computed = 0;

    ek_set_allocator(&allocator);
    for (int i = 0; i < EK_COUNT_OF(ops); i++)
        for (int k = 0; k < EK_COUNT_OF(numbers); k++) computed += attempt(&ops[i], numbers[k], fold);
    ek_set_allocator(NULL);
    unsetenv("EK_FOLD");
    assert_true(computed >= 300);
    assert_true(largest > MOST); /* some were refused for their size */
}

static void known_when_planned(void **state)
{
    EK_UNUSED(state);
    each(true);
}

static void known_when_run(void **state)
{
    EK_UNUSED(state);
    each(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_when_planned),
        cmocka_unit_test(known_when_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
