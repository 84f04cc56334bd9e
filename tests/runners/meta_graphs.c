/* meta_graphs IN OUT [SCOPE] - reads a MetaGraphDef and writes it, under a scope if one is given. OUT that ends in .pbtxt is text.
 * meta_graphs --programs FOLDER - writes FOLDER/CASE.pb for every program of data/tf115-graphs that there is in C.
 *
 * So that TensorFlow can be asked what it makes of them (tools/check_meta_graphs.py). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "evenkeel/files.h"
#include "support/golden_programs.h"

static int complain(const char *what, const ek_error *err)
{
    fprintf(stderr, "meta_graphs: %s: %s\n", what, err->text);
    return 1;
}

static int convert(const char *in, const char *out, const char *scope)
{
    const size_t n = strlen(out);
    ek_error err = { .code = EK_OK };
    ek_graph *g;
    int status = 0;

    if (ek_meta_graph_load(in, &g, .import_scope = scope, .error = &err) != EK_OK) return complain(in, &err);
    if (ek_meta_graph_save(g, out, .text = n > 6 && strcmp(out + n - 6, ".pbtxt") == 0, .error = &err) != EK_OK)
        status = complain(out, &err);
    ek_graph_destroy(g);
    return status;
}

static int programs(const char *folder)
{
    const golden_program *p;
    int status = 0;

    mkdir(folder, 0777);
    for (int i = 0; (p = golden_program_at(i)) != NULL; i++) {
        golden_results results = { .count = 0 };
        ek_graph *g = ek_graph_create();
        ek_error err = { .code = EK_OK };
        char path[4096];

        snprintf(path, sizeof path, "%s/%s.pb", folder, p->name);
        p->build(g, &results);
        if (ek_meta_graph_save(g, path, .error = &err) != EK_OK) status = complain(path, &err);
        else printf("%s%s\n", p->name, p->first > 0 ? " (a part)" : "");
        ek_graph_destroy(g);
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--programs") == 0) return programs(argv[2]);
    if (argc == 3 || argc == 4) return convert(argv[1], argv[2], argc == 4 ? argv[3] : NULL);
    fprintf(stderr, "usage: meta_graphs IN OUT [SCOPE] | meta_graphs --programs FOLDER\n");
    return 2;
}
