/* The notation of definitions, parsed forms of attributes, types of inputs and outputs. */
#include "graph/toy.h"

static const ek_op_spec *parse(const ek_op_def *def, ek_registry **r, ek_error *err)
{
    *r = NULL;
    return ek__registry_create(&def, 1, r, err) == EK_OK ? ek__registry_at(*r, 0) : NULL;
}

static const ek_attr_spec *attr(const ek_op_spec *s, const char *name)
{
    for (int i = 0; i < s->n_attrs; i++)
        if (strcmp(s->attr[i].name, name) == 0) return &s->attr[i];
    fail_msg("no attribute %s", name);
    return NULL;
}

static void every_form_is_read(void **state)
{
    static const ek_op_def def = {
        .name = "Forms",
        .inputs = "a: T, b: float, c: N * T, d: Tin, e: Ref(T), f: Ref(N * T), g: N * string",
        .outputs = "y: T, z: N * Ref(T)",
        .attrs =
            "T: {half, bfloat16, float} = float; N: int >= 2; Tin: list(type) >= 1; l: list({int32, int64}) = [int32]; k: int = -7; "
            "f: float = 1e-3; yes: bool = true; s: string = 'a b'; none: string = ''; pick: {'A', 'B'} = 'A'; any: numbertype; "
            "sh: shape = { unknown_rank }; known: shape = {2, -1}; scalar: shape = {}; ints: list(int) = [1, -2, 3]; "
            "empty: list(float) = []; strings: list(string) = ['x', 'y']; fn: func; noname: func = {}; value: tensor; type: type; "
            "bools: list(bool) = [true, false]",
    };
    ek_registry *r;
    ek_error err = { 0 };
    const ek_op_spec *s = parse(&def, &r, &err);

    EK_UNUSED(state);
    assert_string_equal(err.text, "");
    assert_non_null(s);
    assert_int_equal(s->n_in, 7);
    assert_string_equal(s->in[0].type_attr, "T");
    assert_int_equal(s->in[1].type, EK_FLOAT32);
    assert_string_equal(s->in[2].number_attr, "N");
    assert_string_equal(s->in[3].list_attr, "Tin");
    assert_true(s->in[4].is_ref && s->in[5].is_ref && !s->in[2].is_ref && s->out[1].is_ref);
    assert_int_equal(s->in[6].type, EK_STRING);
    assert_int_equal(attr(s, "T")->n_allowed_types, 3);
    assert_int_equal(attr(s, "T")->allowed_type[1], EK_BFLOAT16);
    assert_int_equal(attr(s, "T")->fallback.u.type, EK_FLOAT32);
    assert_true(attr(s, "N")->has_minimum && attr(s, "N")->minimum == 2 && !attr(s, "N")->has_default);
    assert_int_equal(attr(s, "Tin")->kind, EK_ATTR_LIST | EK_ATTR_TYPE);
    assert_int_equal(attr(s, "l")->fallback.u.types[0], EK_INT32);
    assert_int_equal(attr(s, "k")->fallback.u.i, -7);
    assert_true(attr(s, "f")->fallback.u.f == 1e-3f);
    assert_true(attr(s, "yes")->fallback.u.b);
    assert_string_equal(attr(s, "s")->fallback.u.s.data, "a b");
    assert_int_equal(attr(s, "none")->fallback.u.s.size, 0);
    assert_string_equal(attr(s, "pick")->allowed_strings[1], "B");
    assert_int_equal(attr(s, "any")->n_allowed_types, 17);
    assert_int_equal(attr(s, "sh")->fallback.u.shape->rank, -1);
    assert_int_equal(attr(s, "known")->fallback.u.shape->dim[1], -1);
    assert_int_equal(attr(s, "scalar")->fallback.u.shape->rank, 0);
    assert_int_equal(attr(s, "ints")->fallback.u.is[1], -2);
    assert_true(attr(s, "empty")->has_default && attr(s, "empty")->fallback.count == 0);
    assert_string_equal(attr(s, "strings")->fallback.u.ss[1].data, "y");
    assert_string_equal(attr(s, "noname")->fallback.u.func->name, "");
    assert_int_equal(attr(s, "bools")->fallback.count, 2);
    assert_true(attr(s, "bools")->fallback.u.bs[0] && !attr(s, "bools")->fallback.u.bs[1]);
    ek__registry_destroy(r);
}

static void mistakes_in_a_definition_are_shown(void **state)
{
    static const struct { const char *in, *attrs, *part; } cases[] = {
        { "a T", "T: type", "expected : before \"T\"" },
        { "a: Q", "T: type", "\"Q\", which is neither a type nor an attribute of types" },
        { "a: M * T", "T: type", "M of argument a is no int attribute" },
        { "a: T b: T", "T: type", "expected ',' before \"b: T\"" },
        { "a: Ref(T", "T: type", "expected ) before \"\"" },
        { "", "T: {half, floot}", "\"floot\" is no type" },
        { "", "T: typo", "expected a kind of attribute before \"typo\"" },
        { "", "k: int = x", "expected an integer before \"x\"" },
        { "", "b: bool = yes", "expected true or false before \"yes\"" },
        { "", "s: string = 'a", "expected a 'string' before \"'a\"" },
        { "", "k: int 3", "expected ';' before \"3\"" },
        { "", "l: list(int", "expected ) before \"\"" },
    };

    EK_UNUSED(state);
    for (int i = 0; i < EK_COUNT_OF(cases); i++) {
        const ek_op_def def = { .name = "Bad", .inputs = cases[i].in, .attrs = cases[i].attrs };
        ek_registry *r;
        ek_error err = { 0 };
        assert_null(parse(&def, &r, &err));
        assert_int_equal(err.code, EK_INTERNAL);
        if (strstr(err.text, cases[i].part) == NULL) fail_msg("\"%s\" does not hold \"%s\"", err.text, cases[i].part);
    }
}

typedef struct parsed {
    const char *format;
    int64_t size;
    ek_ints rates;
    float eps;
    ek_dtype T;
} parsed;

static void attributes_become_members(void **state)
{
    static const ek_field fields[] = { EK_FIELD(parsed, format, STRING), EK_FIELD(parsed, size, INT),
                                       EK_FIELD_LIST(parsed, rates, INT), EK_FIELD(parsed, eps, FLOAT),
                                       EK_FIELD(parsed, T, TYPE) };
    static const ek_op_def def = {
        .name = "Members",
        .inputs = "x: T",
        .outputs = "y: T",
        .attrs_size = sizeof(parsed),
        .fields = fields,
        .n_fields = EK_COUNT_OF(fields),
        .attrs = "T: type; format: string = 'NHWC'; size: int = 3; rates: list(int) = [1, 2]; eps: float = 0.5"
    };
    const ek_attr given[] = { { "T", { .kind = EK_ATTR_TYPE, .u.type = EK_INT64 } },
                              { "size", { .kind = EK_ATTR_INT, .u.i = 9 } },
                              { "rates", { .kind = EK_ATTR_LIST } } };
    const ek_attr wrong[] = { { "T", { .kind = EK_ATTR_INT, .u.i = 3 } } };
    ek_registry *r;
    ek_error err = { 0 };
    const ek_op_spec *s = parse(&def, &r, &err);
    ek_arena arena = { 0 };
    ek_dtype *in, *out;
    int n_in, n_out;
    parsed p;

    EK_UNUSED(state);
    assert_int_equal(ek__attrs_parse(s, given, 3, &p, &err), EK_OK);
    assert_string_equal(p.format, "NHWC");
    assert_true(p.size == 9 && p.rates.count == 0 && p.eps == 0.5f && p.T == EK_INT64);
    assert_int_equal(ek__op_types(s, given, 3, &arena, &n_in, &in, &n_out, &out, &err), EK_OK);
    assert_true(n_in == 1 && n_out == 1 && in[0] == EK_INT64 && out[0] == EK_INT64);
    assert_int_equal(ek__attrs_parse(s, given + 1, 1, &p, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text, "NodeDef missing attr 'T' from Op<name=Members>");
    err = (ek_error){ 0 };
    assert_int_equal(ek__attrs_parse(s, wrong, 1, &p, &err), EK_INVALID_ARGUMENT);
    assert_string_equal(err.text,
                        "AttrValue had value with type 'int' when 'type' expected for attr 'T' of Op Members");
    ek__arena_fini(&arena);
    ek__registry_destroy(r);
}

static void a_file_cannot_ask_for_any_number_of_types(void **state)
{
    static const ek_op_def def = { .name = "Many", .inputs = "x: N * T", .attrs = "N: int; T: type" };
    const ek_attr given[] = { { "N", { .kind = EK_ATTR_INT, .u.i = INT64_MAX } },
                              { "T", { .kind = EK_ATTR_TYPE, .u.type = EK_INT32 } } };
    ek_registry *r;
    ek_error err = { 0 };
    const ek_op_spec *s = parse(&def, &r, &err);
    ek_arena arena = { 0 };
    ek_dtype *in, *out;
    int n_in, n_out;

    EK_UNUSED(state);
    assert_int_equal(ek__op_types(s, given, 2, &arena, &n_in, &in, &n_out, &out, &err), EK_INVALID_ARGUMENT);
    ek__arena_fini(&arena);
    ek__registry_destroy(r);
}

static void one_name_one_definition(void **state)
{
    const ek_op_def *twice[] = { &toy_defs[0], &toy_defs[0] };
    ek_registry *r;
    ek_error err = { 0 };

    EK_UNUSED(state);
    assert_int_equal(ek__registry_create(twice, 2, &r, &err), EK_ALREADY_EXISTS);
    assert_string_equal(err.text, "Op AddV2 is defined twice");
    r = toy_registry();
    assert_non_null(ek__registry_find(r, "Merge"));
    assert_null(ek__registry_find(r, "Merg"));
    assert_int_equal(ek__registry_count(r), EK_COUNT_OF(toy_defs));
    ek__registry_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(mistakes_in_a_definition_are_shown),
        cmocka_unit_test(attributes_become_members),
        cmocka_unit_test(a_file_cannot_ask_for_any_number_of_types),
        cmocka_unit_test(one_name_one_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
