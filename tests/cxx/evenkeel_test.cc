// evenkeel.hpp: owners, exceptions, scopes, sessions. Plain checks: cmocka's jumps do not go with destructors.
#include "evenkeel/evenkeel.hpp"

#include <cstdio>
#include <cstdlib>
#include <limits>

using namespace evenkeel;

static int failures;

#define CHECK(cond)                                                      \
    do {                                                                 \
        if (!(cond)) {                                                   \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            failures++;                                                  \
        }                                                                \
    } while (0)

template <typename F> static ek_status code_of(F f)
{
    try {
        f();
    } catch (const Error &e) {
        return e.code();
    }
    return EK_OK;
}

static void arrays()
{
    Array a({ 2, 2 }, std::vector<float>{ 1, 2, 3, 4 });
    Array shared = a, copy = a.clone(), moved = std::move(copy);

    shared.data<float>()[0] = 9;
    CHECK(a.at(0) == 9 && moved.at(0) == 1 && !copy);
    CHECK(a.rank() == 2 && a.dim(-1) == 2 && a.size() == 4 && a.dtype() == EK_FLOAT32);
    CHECK(a.str() == "[[9. 2.]\n [3. 4.]]");
    CHECK(Array::scalar(std::int64_t{ 7 }).repr() == "array(7)");
    CHECK(Array::scalar(true).str() == "True");
    CHECK(code_of([&] { a.data<double>(); }) == EK_INVALID_ARGUMENT);
    CHECK(code_of([] { Array(EK_FLOAT32, shape({ -1 })); }) == EK_INVALID_ARGUMENT);
    CHECK(code_of([] { Array::load("/nonexistent.npy"); }) == EK_NOT_FOUND);
    double sum = 0;
    for (const float *p = a.begin<float>(); p != a.end<float>(); p++) sum += *p;
    CHECK(sum == 18);
    const Array &same = a;
    a = same;
    a = Array();
    CHECK(!a);
}

static void graphs_and_sessions()
{
    Graph g(EK_SOURCE_DIR "/tests/cli/data/mixed.pbtxt");
    Session s(g, 1);
    const ek_tensor x = g.tensor("x:0"), y = g.tensor("double:0");

    std::vector<Array> out = s.run({ { x, Array({ 1, 2 }, std::vector<float>{ 1, 2 }) } }, { y });
    CHECK(out.size() == 1 && out[0].str() == "[[2. 4.]]");
    const void *place = out[0].data<float>();
    s.run_into({ { x, Array({ 1, 2 }, std::vector<float>{ 3, 4 }) } }, { y }, out);
    CHECK(out[0].str() == "[[6. 8.]]" && out[0].data<float>() == place);
    CHECK(code_of([&] { s.run({}, { y }); }) == EK_INVALID_ARGUMENT);
    CHECK(code_of([&] { g.tensor("none:0"); }) == EK_NOT_FOUND);
    CHECK(code_of([] { Graph("/nonexistent.pb"); }) == EK_NOT_FOUND);
    try {
        s.run({ { x, Array::scalar(1.0f) } }, { y });
        CHECK(false && "an exception was expected");
    } catch (const std::exception &e) {
        CHECK(std::string(e.what()) ==
              "INVALID_ARGUMENT: Cannot feed value of shape () for Tensor 'x:0', which has shape '(?, 2)'");
    }
}

static void session_options()
{
    Graph g(EK_SOURCE_DIR "/tests/cli/data/mixed.pbtxt");
    const ek_tensor x = g.tensor("x:0"), y = g.tensor("double:0");
    const Array hole({ 1, 2 }, std::vector<float>{ std::numeric_limits<float>::quiet_NaN(), 1 });
    ek_session_options o = Session::options();

    o.check_numerics = true;
    Session lenient(g), strict(g, o);
    CHECK(lenient.run({ { x, hole } }, { y })[0].str() == "[[nan  2.]]");
    CHECK(code_of([&] { strict.run({ { x, hole } }, { y }); }) == EK_INVALID_ARGUMENT);
}

static void meta_graphs()
{
    const std::string file = EK_BUILD_DIR "/evenkeel_test.meta";
    Graph g = Graph::load_meta_graph(EK_SOURCE_DIR "/tests/cli/data/small.meta.pbtxt", "old");

    CHECK(ek_variable_ok(ek_variable_by_name(g, "old/w")));
    g.save_meta_graph(file);
    Graph again = Graph::load_meta_graph(file);
    CHECK(ek_get_collection(again, EK_LOSSES).count == 1);
    std::remove(file.c_str());
    CHECK(code_of([&] { Graph::load_meta_graph(file); }) == EK_NOT_FOUND);
}

static void scopes()
{
    Graph g;

    CHECK(std::string(ek_name_scope(g)).empty());
    {
        NameScope outer(g, "outer");
        CHECK(std::string(ek_name_scope(g)) == "outer/");
        try {
            NameScope inner(g, "inner");
            CHECK(std::string(ek_name_scope(g)) == "outer/inner/");
            throw std::runtime_error("leaves");
        } catch (const std::runtime_error &) {
        }
        CHECK(std::string(ek_name_scope(g)) == "outer/");
    }
    CHECK(std::string(ek_name_scope(g)).empty());
    g.check_built();
    ek_op_build_options o{};
    o.size = sizeof o;
    o.type = "NoSuchType";
    CHECK(ek_op_build_with(g, &o, here()).id < 0);
    CHECK(code_of([&] { g.check_built(); }) != EK_OK);
}

int main()
{
    arrays();
    graphs_and_sessions();
    session_options();
    meta_graphs();
    scopes();
    if (failures == 0) std::puts("all as expected");
    return failures != 0;
}
