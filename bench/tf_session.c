/* bench/tf_session.c - times TensorFlow's C API on a graph of ours: TF_SessionRun on one thread.
 *
 *     tf_session LIBRARY GRAPH.pb INIT FETCH
 *
 * LIBRARY is libtensorflow_cc.so of a wheel (or libtensorflow.so), loaded at run time. The graph has a float
 * placeholder "x" of shape (?, 1) and a bool "is_training". bench/overhead starts this as a process of its own, so
 * that nothing of TensorFlow is in the one that times Evenkeel. Prints "c_api_us=...".
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

typedef struct TF_Output {
    void *oper;
    int index;
} TF_Output;

/* What is used of the C API, by its own names. Opaque handles are void pointers. */
#define API(X)                                                                                                         \
    X(void *, TF_NewStatus, (void))                                                                                    \
    X(int, TF_GetCode, (const void *))                                                                                 \
    X(const char *, TF_Message, (const void *))                                                                        \
    X(void *, TF_NewGraph, (void))                                                                                     \
    X(void *, TF_NewBufferFromString, (const void *, size_t))                                                          \
    X(void *, TF_NewImportGraphDefOptions, (void))                                                                     \
    X(void, TF_GraphImportGraphDef, (void *, const void *, const void *, void *))                                      \
    X(void *, TF_GraphOperationByName, (void *, const char *))                                                         \
    X(void *, TF_NewSessionOptions, (void))                                                                            \
    X(void, TF_SetConfig, (void *, const void *, size_t, void *))                                                      \
    X(void *, TF_NewSession, (void *, const void *, void *))                                                           \
    X(void, TF_SessionRun,                                                                                             \
      (void *, const void *, const TF_Output *, void *const *, int, const TF_Output *, void **, int,                   \
       const void *const *, int, void *, void *))                                                                      \
    X(void *, TF_AllocateTensor, (int, const int64_t *, int, size_t))                                                  \
    X(void *, TF_TensorData, (const void *))                                                                           \
    X(void, TF_DeleteTensor, (void *))

typedef struct api {
#define API_MEMBER(ret, name, params) ret(*name) params;
    API(API_MEMBER)
#undef API_MEMBER
} api;

enum { ROUNDS = 7, RUNS = 3000, TF_FLOAT = 1, TF_BOOL = 10 };

static int load(const char *path, api *tf)
{
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (lib == NULL) return fprintf(stderr, "%s\n", dlerror()), 0;
#define API_FIND(ret, name, params)                                       \
    *(void **)&tf->name = dlsym(lib, #name);                              \
    if (tf->name == NULL) return fprintf(stderr, "no %s\n", #name), 0;
    API(API_FIND)
#undef API_FIND
    return 1;
}

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    long n;

    if (f == NULL) return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) > 0 && fseek(f, 0, SEEK_SET) == 0) {
        data = malloc((size_t)n);
        *size = data != NULL ? fread(data, 1, (size_t)n, f) : 0;
    }
    fclose(f);
    return data;
}

static void check(const api *tf, const void *status)
{
    if (tf->TF_GetCode(status) == 0) return;
    fprintf(stderr, "%s\n", tf->TF_Message(status));
    exit(1);
}

int main(int argc, char **argv)
{
    static const unsigned char one_thread[] = { 0x10, 0x01, 0x28, 0x01 }; /* ConfigProto: intra_op and inter_op 1 */
    const int64_t three_rows[] = { 3, 1 };
    double round[ROUNDS];
    size_t size = 0;
    api tf;

    if (argc != 5) return fprintf(stderr, "usage: tf_session LIBRARY GRAPH.pb INIT FETCH\n"), 2;
    char *graph_def = read_file(argv[2], &size);
    if (graph_def == NULL || !load(argv[1], &tf)) return 1;
    void *status = tf.TF_NewStatus(), *graph = tf.TF_NewGraph(), *options = tf.TF_NewSessionOptions();
    tf.TF_GraphImportGraphDef(graph, tf.TF_NewBufferFromString(graph_def, size), tf.TF_NewImportGraphDefOptions(),
                              status);
    check(&tf, status);
    tf.TF_SetConfig(options, one_thread, sizeof one_thread, status);
    void *session = tf.TF_NewSession(graph, options, status);
    check(&tf, status);
    const void *init = tf.TF_GraphOperationByName(graph, argv[3]);
    const TF_Output in[] = { { tf.TF_GraphOperationByName(graph, "x"), 0 },
                             { tf.TF_GraphOperationByName(graph, "is_training"), 0 } };
    const TF_Output out = { tf.TF_GraphOperationByName(graph, argv[4]), 0 };
    if (init == NULL || in[0].oper == NULL || in[1].oper == NULL || out.oper == NULL)
        return fprintf(stderr, "no such op\n"), 1;
    tf.TF_SessionRun(session, NULL, NULL, NULL, 0, NULL, NULL, 0, &init, 1, NULL, status);
    check(&tf, status);
    void *value[] = { tf.TF_AllocateTensor(TF_FLOAT, three_rows, 2, 12), tf.TF_AllocateTensor(TF_BOOL, NULL, 0, 1) };
    memcpy(tf.TF_TensorData(value[0]), (const float[]){ -10, 0, 10 }, 12);
    *(unsigned char *)tf.TF_TensorData(value[1]) = 1;
    for (int r = 0; r < ROUNDS; r++) {
        const double start = bench_us();

        for (int i = 0; i < RUNS; i++) {
            void *result = NULL;

            tf.TF_SessionRun(session, NULL, in, value, 2, &out, &result, 1, NULL, 0, NULL, status);
            check(&tf, status);
            tf.TF_DeleteTensor(result);
        }
        round[r] = (bench_us() - start) / RUNS;
    }
    printf("c_api_us=%.3f\n", bench_median(round, ROUNDS));
    free(graph_def);
    return 0;
}
