/* runtime/trace.c - EK_TRACE=file.json: what ran when, for chrome://tracing and its kin.
 *
 * One file per process, shared by its sessions. The closing bracket is written when the last session ends and taken
 * back when another begins.
 */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *file;
static int users;
static long end_of_events; /* where the closing bracket stands; 0: the file is new */
static bool comma;

int64_t ek__now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool ek__trace_open(void)
{
    const char *path = getenv("EK_TRACE");
    bool ok = false;

    if (path == NULL || path[0] == '\0') return false;
    pthread_mutex_lock(&lock);
    if (users == 0) {
        file = fopen(path, end_of_events > 0 ? "r+" : "w");
        if (file != NULL && end_of_events > 0 && fseek(file, end_of_events, SEEK_SET) != 0) {
            fclose(file);
            file = NULL;
        }
        if (file != NULL && end_of_events == 0) fputs("[", file);
    }
    if (file != NULL) {
        users++;
        ok = true;
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

void ek__trace_close(void)
{
    pthread_mutex_lock(&lock);
    if (--users == 0) {
        end_of_events = ftell(file);
        fputs("\n]\n", file);
        fclose(file);
        file = NULL;
    }
    pthread_mutex_unlock(&lock);
}

void ek__trace_event(const char *name, const char *category, int64_t start_ns, int64_t end_ns)
{
    ek_buf line = { 0 };
    ek_json j = { .out = &line };

    ek__json_open(&j, '{');
    ek__json_key(&j, "name");
    ek__json_str(&j, name);
    ek__json_key(&j, "cat");
    ek__json_str(&j, category);
    ek__json_key(&j, "ph");
    ek__json_str(&j, "X");
    ek__json_key(&j, "ts");
    ek__json_double(&j, (double)start_ns / 1e3);
    ek__json_key(&j, "dur");
    ek__json_double(&j, (double)(end_ns - start_ns) / 1e3);
    ek__json_key(&j, "pid");
    ek__json_int(&j, getpid());
    ek__json_key(&j, "tid");
    ek__json_int(&j, (int64_t)syscall(SYS_gettid));
    ek__json_close(&j, '}');
    if (!line.failed) {
        pthread_mutex_lock(&lock);
        fprintf(file, "%s\n%s", comma ? "," : "", line.data);
        comma = true;
        pthread_mutex_unlock(&lock);
    }
    ek__buf_fini(&line);
}
