// A C++17 program that knows of Evenkeel only what is installed.
#include <evenkeel/evenkeel.h>

#include <cstdio>
#include <string>

int main()
{
    const float data[] = { 1, 0.5f, -2 };
    ek_graph *g = ek_graph_create();
    ek_array *a = nullptr;
    ek_shape shape{};
    shape.dim[0] = 3;
    shape.rank = 1;

    if (g == nullptr || ek_array_create(EK_FLOAT32, shape, data, &a) != EK_OK) return 1;
    char *text = ek_array_str(a);
    const bool good = text != nullptr && std::string(text) == "[ 1.   0.5 -2. ]" && std::string(ek_version()) == EK_VERSION;
    std::printf("%s %s\n", ek_version(), text);
    ek_free(text);
    ek_array_unref(a);
    ek_graph_destroy(g);
    return good ? 0 : 1;
}
