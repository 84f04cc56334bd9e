/* Every definition of this library against TensorFlow 1.15's own registry, which is read as the text it comes in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/fields.h"
#include "codec/text.h"
#include "formats/graph_io.h"
#include "graph/attr.h"
#include "ops/registry.h"
#include "support/fields.h"
#include "support/support.h"

static ek_arena arena;
static int differences;

#define DIFFERS(def, ...) (differences++, print_error("%s: ", (def)->name), print_error(__VA_ARGS__), print_error("\n"))

static const char *text_field(ek_span message, uint32_t number)
{
    const ek_span s = last_field(message, number);
    return ek__arena_strndup(&arena, s.at != NULL ? (const char *)s.at : "", s.size);
}

static int64_t int_field(ek_span message, uint32_t number)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;
    int64_t found = 0;

    while (ek__wire_next(&w, &f))
        if (f.number == number) found = (int64_t)f.value;
    return found;
}

/* Submessages `number` of a message, in order. */
static int list_of(ek_span message, uint32_t number, ek_span *out, int room)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;
    int n = 0;

    while (ek__wire_next(&w, &f))
        if (f.number == number && n < room) out[n++] = f.bytes;
    return n;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static void compare_args(const ek_op_def *def, const char *side, const ek_arg_spec *ours, int n_ours, ek_span theirs, uint32_t number)
{
    ek_span arg[64];
    const int n = list_of(theirs, number, arg, EK_COUNT_OF(arg));

    if (n != n_ours) {
        DIFFERS(def, "%d %s, TensorFlow has %d", n_ours, side, n);
        return;
    }
    for (int i = 0; i < n; i++) {
        const char *name = text_field(arg[i], EK_F_ARG_NAME);
        if (!same_text(ours[i].name, name)) DIFFERS(def, "%s %d is called %s, TensorFlow says %s", side, i, ours[i].name, name);
        if ((int64_t)ours[i].type != int_field(arg[i], EK_F_ARG_TYPE)) DIFFERS(def, "%s %s has another type", side, name);
        if (!same_text(ours[i].type_attr, text_field(arg[i], EK_F_ARG_TYPE_ATTR))) DIFFERS(def, "%s %s: type_attr", side, name);
        if (!same_text(ours[i].number_attr, text_field(arg[i], EK_F_ARG_NUMBER_ATTR))) DIFFERS(def, "%s %s: number_attr", side, name);
        if (!same_text(ours[i].list_attr, text_field(arg[i], EK_F_ARG_LIST_ATTR))) DIFFERS(def, "%s %s: type_list_attr", side, name);
        if (ours[i].is_ref != (int_field(arg[i], EK_F_ARG_IS_REF) != 0)) DIFFERS(def, "%s %s: is_ref", side, name);
    }
}

static int kind_of(const char *type)
{
    static const char *const name[] = { "", "string", "int", "float", "bool", "type", "shape", "tensor", "func" };
    const bool list = strncmp(type, "list(", 5) == 0;
    const char *element = list ? type + 5 : type;

    for (int i = 1; i < EK_COUNT_OF(name); i++)
        if (strncmp(element, name[i], strlen(name[i])) == 0) return i | (list ? EK_ATTR_LIST : 0);
    return EK_ATTR_NONE;
}

static ek_attr_value read_value(ek_span proto)
{
    ek_tensor_reader tensors = { NULL, EK_TENSOR_EXPANSION };
    ek_attr_value v;

    assert_int_equal(ek__attr_read(&arena, &tensors, proto, true, &v, NULL), EK_OK);
    return v;
}

static void compare_default(const ek_op_def *def, const ek_attr_spec *ours, ek_span theirs)
{
    const ek_span proto = last_field(theirs, EK_F_ATTRDEF_DEFAULT);
    ek_attr_value v;

    if (ours->has_default != (proto.at != NULL)) {
        DIFFERS(def, "attr %s: only %s has a default", ours->name, ours->has_default ? "ours" : "TensorFlow's");
        return;
    }
    if (!ours->has_default) return;
    v = read_value(proto);
    if (!ek__attr_equal(&ours->fallback, &v)) DIFFERS(def, "attr %s has another default", ours->name);
    ek__attrs_release(&(ek_attr){ "", v }, 1);
}

static void compare_allowed(const ek_op_def *def, const ek_attr_spec *ours, ek_span theirs)
{
    const ek_span proto = last_field(theirs, EK_F_ATTRDEF_ALLOWED);
    uint64_t types = 0;
    ek_attr_value v = { .kind = EK_ATTR_NONE };

    if (proto.at != NULL) v = read_value(proto);
    for (int i = 0; v.kind == (EK_ATTR_LIST | EK_ATTR_TYPE) && i < v.count; i++) types |= (uint64_t)1 << v.u.types[i];
    if (types != ours->allowed_types) {
        for (int t = 1; t < EK_DTYPE_COUNT; t++)
            if (((types ^ ours->allowed_types) >> t & 1) != 0)
                DIFFERS(def, "attr %s: %s is allowed by %s alone", ours->name, ek_dtype_cc_name((ek_dtype)t), (types >> t & 1) != 0 ? "TensorFlow" : "us");
    }
    int strings = v.kind == (EK_ATTR_LIST | EK_ATTR_STRING) ? v.count : 0;
    const bool explicit_later = strings > 0 && strings < ours->n_allowed_strings && strcmp(ours->allowed_strings[strings], "EXPLICIT") == 0;
    if (explicit_later && strcmp(ours->name, "padding") == 0) strings++; /* TensorFlow 2 added it to pooling */
    if (strings != ours->n_allowed_strings) {
        DIFFERS(def, "attr %s allows %d strings, TensorFlow %d", ours->name, ours->n_allowed_strings, strings);
        return;
    }
    for (int i = 0; i < strings && i < v.count; i++)
        if (!same_text(ours->allowed_strings[i], v.u.ss[i].data)) DIFFERS(def, "attr %s allows %s, TensorFlow %s", ours->name, ours->allowed_strings[i], v.u.ss[i].data);
}

static void compare_attrs(const ek_op_spec *spec, ek_span theirs)
{
    const ek_op_def *def = spec->def;
    ek_span attr[64];
    const int n = list_of(theirs, EK_F_OP_ATTR, attr, EK_COUNT_OF(attr));
    int ours_too = 0;

    for (int i = 0; i < n; i++) {
        const char *name = text_field(attr[i], EK_F_ATTRDEF_NAME);
        const ek_attr_spec *ours = ek__attr_spec(spec, name);
        if (ours == NULL) {
            DIFFERS(def, "attr %s is missing", name);
            continue;
        }
        if (ours->kind != kind_of(text_field(attr[i], EK_F_ATTRDEF_TYPE))) DIFFERS(def, "attr %s has another type", name);
        if (ours->has_minimum != (int_field(attr[i], EK_F_ATTRDEF_HAS_MINIMUM) != 0) ||
            (ours->has_minimum && ours->minimum != int_field(attr[i], EK_F_ATTRDEF_MINIMUM)))
            DIFFERS(def, "attr %s has another minimum", name);
        compare_default(def, ours, attr[i]);
        compare_allowed(def, ours, attr[i]);
    }
    for (int i = 0; i < spec->n_attrs; i++) ours_too += !spec->attr[i].later;
    if (ours_too != n) DIFFERS(def, "%d attrs, TensorFlow has %d", ours_too, n);
}

static void definitions_agree_with_tensorflows(void **state)
{
    const char *path = ek_test_data("tf-ops/ops.pbtxt");
    ek_buf bytes = { .data = NULL };
    ek_error err = { .code = EK_OK };
    ek_map by_name = { .slot = NULL };
    ek_span op[2000];
    size_t size;

    EK_UNUSED(state);
    if (path == NULL) skip();
    char *text = ek_test_read(path, &size);
    if (ek__text_parse(ek__proto(EK_PROTO_OP_LIST), text, size, &bytes, &err) != EK_OK) fail_msg("%s", err.text);
    const int n = list_of((ek_span){ (uint8_t *)bytes.data, bytes.size }, 1, op, EK_COUNT_OF(op));
    assert_true(n > 1000);
    for (int i = 0; i < n; i++) {
        const ek_span name = last_field(op[i], EK_F_OP_NAME);
        assert_true(ek__map_put(&by_name, (const char *)name.at, name.size, i));
    }
    for (int i = 0; i < ek__registry_count(ek__ops_registry()); i++) {
        const ek_op_spec *spec = ek__registry_at(ek__ops_registry(), i);
        const int64_t at = ek__map_get(&by_name, spec->def->name, strlen(spec->def->name), -1);
        if (at < 0) {
            if (!spec->def->later) DIFFERS(spec->def, "TensorFlow 1.15 has no such op");
            continue;
        }
        compare_args(spec->def, "inputs", spec->in, spec->n_in, op[at], EK_F_OP_INPUT);
        compare_args(spec->def, "outputs", spec->out, spec->n_out, op[at], EK_F_OP_OUTPUT);
        compare_attrs(spec, op[at]);
        if (spec->def->stateful != (int_field(op[at], EK_F_OP_STATEFUL) != 0)) DIFFERS(spec->def, "is_stateful");
    }
    ek__map_fini(&by_name);
    ek__buf_fini(&bytes);
    ek__arena_fini(&arena);
    free(text);
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(definitions_agree_with_tensorflows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
