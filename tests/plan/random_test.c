/* Random graphs, run in ways that must not differ: fused and not, with every value kept and with memory used again, on
 * one thread and several.
 */
#include "runtime/build.h"

#include <stdlib.h>

enum { MAX_NODES = 40, ROWS = 4, COLUMNS = 5 };

typedef struct random_graph {
    ek_graph *g;
    uint64_t seed;
    ek_tensor x, flag, number, t[MAX_NODES];
    int n;
    ek_tensor variable[3]; /* two references, a resource */
    ek_op write[8];
    int n_writes;
} random_graph;

static int draw(random_graph *r, int n)
{
    r->seed = r->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((r->seed >> 33) % (uint64_t)n);
}

static ek_tensor pick(random_graph *r)
{
    return r->t[draw(r, r->n)];
}

/* Sums over an axis, kept, so that what follows is broadcast. */
static ek_tensor sum_of(random_graph *r, ek_tensor t)
{
    const int32_t axis[] = { draw(r, 2) };
    const ek_tensor in[] = { t, constant(r->g, "axis", vector_i32(1, axis)) };
    const ek_attribute keep = { .name = "keep_dims", .kind = EK_A_BOOL, .u.b = true };

    return out(
        ek_op_build(r->g, "Sum", .name = "sum", .inputs = in, .n_inputs = 2, .attributes = &keep, .n_attributes = 1),
        0);
}

/* a where the predicate holds, -a elsewhere; fed flags steer the plan, numbers split the run. */
static ek_tensor cond_of(random_graph *r, ek_tensor a)
{
    const ek_tensor pred =
        draw(r, 2) == 0 ? r->flag : binary(r->g, "Less", "less", r->number, constant(r->g, "limit", scalar_f32(0)));
    const ek_op sw = node(r->g, "Switch", "switch", (ek_tensor[]){ a, pred }, 2);

    return out(node(r->g, "Merge", "merge", (ek_tensor[]){ unary(r->g, "Neg", "no", out(sw, 0)), out(sw, 1) }, 2), 0);
}

static ek_tensor next(random_graph *r)
{
    static const char *const two[] = { "AddV2", "Sub", "Mul", "Maximum", "SquaredDifference" };
    static const char *const one[] = { "Neg", "Abs", "Square", "Tanh", "Relu", "Identity", "StopGradient", "Sigmoid" };
    const ek_tensor a = pick(r), b = pick(r);

    switch (draw(r, 15)) {
    case 0: case 1: case 2: case 3: return binary(r->g, two[draw(r, COUNT(two))], "two", a, b);
    case 4: case 5: case 6: case 7: return unary(r->g, one[draw(r, COUNT(one))], "one", a);
    case 8: return sum_of(r, a);
    case 9:
        return out(node(r->g, "Select", "select", (ek_tensor[]){ binary(r->g, "Greater", "gt", a, a), a, a }, 3), 0);
    case 11: return read_of(r->g, "snapshot", r->variable[2], NULL, 0);
    case 12: case 13: return cond_of(r, a);
    case 10: return binary(r->g, "Reshape", "again", a, unary(r->g, "Shape", "shape", a));
    default: return binary(r->g, "Mul", "scaled", a, constant(r->g, "half", scalar_f32(0.5f)));
    }
}

static void add_write(random_graph *r)
{
    const int v = draw(r, 3);
    const ek_op before = r->n_writes > 0 ? r->write[draw(r, r->n_writes)] : ek_tensor_op(pick(r));

    if (r->n_writes == COUNT(r->write)) return;
    r->write[r->n_writes++] = write_to(
        r->g, v < 2 ? "AssignAdd" : "AssignAddVariableOp", "up", r->variable[v],
        constant(r->g, "step", f32(EK_SHAPE(ROWS, COLUMNS), (float[ROWS * COLUMNS]){ 1, 2, 3 })), &before, draw(r, 2));
}

static random_graph build(uint64_t seed)
{
    random_graph r = { .g = ek_graph_create(), .seed = seed * 77 + 5 };

    r.x = r.t[r.n++] = placeholder(r.g, "x", EK_FLOAT32, EK_SHAPE(-1, COLUMNS));
    r.flag = placeholder(r.g, "flag", EK_BOOL, EK_SCALAR);
    r.number = placeholder(r.g, "number", EK_FLOAT32, EK_SCALAR);
    r.variable[2] = variable(r.g, "VarHandleOp", "r", EK_SHAPE(ROWS, COLUMNS));
    for (int v = 0; v < 2; v++) {
        r.variable[v] = variable(r.g, "VariableV2", v == 0 ? "v" : "w", EK_SHAPE(ROWS, COLUMNS));
        r.t[r.n++] = unary(r.g, "Identity", "read", r.variable[v]);
    }
    r.t[r.n++] = constant(r.g, "c", f32(EK_SHAPE(1, COLUMNS), (float[]){ 1, -2, 3, -4, 5 }));
    const int size = 5 + draw(&r, MAX_NODES - 6);
    while (r.n < size) {
        if (draw(&r, 8) == 0) add_write(&r);
        const ek_tensor made = next(&r);
        r.t[r.n++] = made;
    }
    EK_DIE(ek_graph_status(r.g, NULL));
    return r;
}

/* Runs twice on a fresh session and fetches the last tensors; `all`: every tensor besides. */
static void run(const random_graph *r, ek_tristate fuse, int threads, bool all, ek_array **got, int n)
{
    ek_session *s = ek_session_create(r->g, .fuse = fuse, .threads = threads);
    float v[ROWS * COLUMNS];
    ek_fetch fetch[MAX_NODES + 8];
    ek_array *rest[MAX_NODES] = { NULL };
    int n_fetches = 0;

    for (int i = 0; i < ROWS * COLUMNS; i++) v[i] = (float)(i % 7) * 0.37f - 1.0f;
    ek_array *x = f32(EK_SHAPE(ROWS, COLUMNS), v);
    for (int k = 0; k < 3; k++) {
        const ek_op init = write_to(r->g, k < 2 ? "Assign" : "AssignVariableOp", "init", r->variable[k],
                                    constant(r->g, "i", f32(EK_SHAPE(ROWS, COLUMNS), v)), NULL, 0);
        EK_DIE(ek_run(s, .target = { init }));
    }
    for (int i = 0; i < n; i++) fetch[n_fetches++] = (ek_fetch){ r->t[r->n - 1 - i], &got[i] };
    if (all)
        for (int i = 0; i < r->n; i++) fetch[n_fetches++] = (ek_fetch){ r->t[i], &rest[i] };
    for (int round = 0; round < 3; round++) {
        ek_array *flag = scalar_bool(((r->seed >> 8) + (uint64_t)round) % 2 == 0),
                 *number = scalar_f32(round == 0 ? -1 : 1);

        EK_DIE(ek_run(s, .feed = { { r->x, x }, { r->flag, flag }, { r->number, number } }, .fetches = fetch,
                      .n_fetches = n_fetches, .targets = r->write, .n_targets = r->n_writes));
        ek_array_unref(flag);
        ek_array_unref(number);
    }
    for (int i = 0; i < r->n; i++) ek_array_unref(rest[i]);
    ek_array_unref(x);
    ek_session_destroy(s);
}

/* Without the passes that save work and memory. */
static void plain(bool on)
{
    static const char *const pass[] = { "EK_FOLD", "EK_INPLACE", "EK_REUSE" };

    for (int i = 0; i < COUNT(pass); i++)
        if (on)
            setenv(pass[i], "0", 1);
        else
            unsetenv(pass[i]);
}

static void every_way_to_run_gives_the_same_bits(void **state)
{
    (void)state;
    enum { N = 3 };

    for (uint64_t seed = 0; seed < 300; seed++) {
        const random_graph r = build(seed);
        ek_array *want[N] = { NULL };

        plain(true);
        run(&r, EK_NO, 1, true, want, N);
        plain(false);
        for (int way = 0; way < 4; way++) {
            ek_array *got[N] = { NULL };

            run(&r, way % 2 == 0 ? EK_YES : EK_NO, way < 2 ? 1 : 3, way == 3, got, N);
            for (int i = 0; i < N; i++) {
                assert_int_equal(ek_array_count(got[i]), ek_array_count(want[i]));
                if (memcmp(ek_array_cdata(got[i]), ek_array_cdata(want[i]), ek_array_bytes(want[i])) != 0) {
                    char name[100];

                    ek_tensor_name(r.t[r.n - 1 - i], name, sizeof name);
                    fail_msg("graph %d, way %d: %s differs", (int)seed, way, name);
                }
                ek_array_unref(got[i]);
            }
        }
        for (int i = 0; i < N; i++) ek_array_unref(want[i]);
        ek_graph_destroy(r.g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_way_to_run_gives_the_same_bits) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
