/* tests/ops/one_op.h - evaluating one op in a test, and attributes for it. */
#ifndef EK_TESTS_OPS_ONE_OP_H
#define EK_TESTS_OPS_ONE_OP_H

#include <math.h>

#include "ops/eval.h"
#include "support/support.h"
#include "values/array.h"

#define ATTR_BOOL(n, v) ((ek_attr){ (n), { .kind = EK_ATTR_BOOL, .u.b = (v) } })
#define ATTR_FLOAT(n, v) ((ek_attr){ (n), { .kind = EK_ATTR_FLOAT, .u.f = (v) } })
#define ATTR_INT(n, v) ((ek_attr){ (n), { .kind = EK_ATTR_INT, .u.i = (v) } })
#define ATTR_TYPE(n, v) ((ek_attr){ (n), { .kind = EK_ATTR_TYPE, .u.type = (v) } })
#define ATTR_STRING(n, v) ((ek_attr){(n), {.kind = EK_ATTR_STRING, .u.s = {(char *)(uintptr_t)(v), sizeof(v) - 1}}})
#define ATTR_INTS(n, ...)                                                                                \
    ((ek_attr){ (n), { .kind = EK_ATTR_LIST | EK_ATTR_INT, .count = sizeof((int64_t[]){ __VA_ARGS__ }) / 8, \
                       .u.is = (int64_t[]){ __VA_ARGS__ } } })
#define ATTRS(...) (ek_attr[]){ __VA_ARGS__ }, (int)(sizeof((ek_attr[]){ __VA_ARGS__ }) / sizeof(ek_attr))
#define INPUTS(...) \
    (int)(sizeof((const ek_array *[]){ __VA_ARGS__ }) / sizeof(void *)), (const ek_array *[]){ __VA_ARGS__ }
#define NO_ATTRS NULL, 0

/* The op must succeed; its outputs are the test's to unref. */
static inline void run_op(const char *type, const ek_attr *attrs, int n_attrs, int n_in, const ek_array *const *in,
                          int n_out, ek_array **out)
{
    ek_error err = { 0 };

    if (ek__op_eval(type, attrs, n_attrs, n_in, in, n_out, out, &err) != EK_OK) fail_msg("%s: %s", type, err.text);
}

/* The op must fail like this. */
static inline void refuse_op(const char *type, const ek_attr *attrs, int n_attrs, int n_in, const ek_array *const *in,
                             int n_out, ek_status code, const char *text)
{
    ek_error err = { 0 };
    ek_array *out[8] = { NULL };

    assert_int_equal(ek__op_eval(type, attrs, n_attrs, n_in, in, n_out, out, &err), code);
    if (strstr(err.text, text) == NULL) fail_msg("%s says \"%s\"", type, err.text);
}

#endif
