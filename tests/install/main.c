/* A C program that knows of Evenkeel only what is installed. */
#include <evenkeel/evenkeel.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    ek_graph *g = ek_graph_create();
    ek_array *a = ek_array_of(EK_FLOAT32, EK_SHAPE(3), (float[]){ 1, 0.5f, -2 });
    char *text = ek_array_str(a);
    const int bad = g == NULL || text == NULL || strcmp(text, "[ 1.   0.5 -2. ]") != 0 ||
                    strcmp(ek_version(), EK_VERSION) != 0;

    printf("%s %s\n", ek_version(), text);
    ek_free(text);
    ek_array_unref(a);
    ek_graph_destroy(g);
    return bad;
}
