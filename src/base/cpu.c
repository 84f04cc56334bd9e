/* base/cpu.c - how many processors this process may use: the affinity mask, cut by the quota of its cgroups. */
#include "base/pool.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* A small file as a string; false when it cannot be read. No heap. */
static bool slurp(const char *path, char *text, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;

    if (fd < 0) return false;
    while (used < size - 1) {
        const ssize_t n = read(fd, text + used, size - 1 - used);

        if (n <= 0) break;
        used += (size_t)n;
    }
    close(fd);
    text[used] = '\0';
    return used > 0;
}

/* Processors that a quota of `quota` microseconds every `period` is worth, rounded up. */
static int quota_cpus(long quota, long period)
{
    if (quota <= 0 || period <= 0) return INT_MAX;
    const long n = quota / period + (quota % period != 0);
    return n < INT_MAX ? (int)n : INT_MAX;
}

/* cgroup v2: the tightest cpu.max from this process's group up to the root. */
static int cgroup2_cpus(void)
{
    char text[2048], path[2300], *group, *end;
    int least = INT_MAX;
    long quota, period;

    if (!slurp("/proc/self/cgroup", text, sizeof text)) return INT_MAX;
    group = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (group == NULL) return INT_MAX;
    group = strchr(group, '/');
    if (group == NULL) return INT_MAX;
    group[strcspn(group, "\n")] = '\0';
    for (;;) {
        char limit[64];

        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        if (slurp(path, limit, sizeof limit) && sscanf(limit, "%ld %ld", &quota, &period) == 2) {
            const int n = quota_cpus(quota, period);

            if (n < least) least = n;
        }
        end = strrchr(group, '/');
        if (end == NULL || group[0] == '\0') return least;
        *end = '\0';
    }
}

/* cgroup v1, as containers mount it. */
static int cgroup1_cpus(void)
{
    char quota[64], period[64];

    if (!slurp("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota)) return INT_MAX;
    if (!slurp("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period)) return INT_MAX;
    return quota_cpus(atol(quota), atol(period));
}

static int affinity_cpus(void)
{
    cpu_set_t set[16]; /* 16,384 processors */
    long n;

    if (sched_getaffinity(0, sizeof set, set) == 0) return CPU_COUNT_S(sizeof set, set);
    n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < INT_MAX ? (int)n : 1;
}

int ek__cpu_count(void)
{
    static atomic_int known;
    int n = atomic_load_explicit(&known, memory_order_relaxed);

    if (n > 0) return n;
    n = affinity_cpus();
    const int v2 = cgroup2_cpus(), v1 = cgroup1_cpus();
    if (v2 < n) n = v2;
    if (v1 < n) n = v1;
    if (n < 1) n = 1;
    atomic_store_explicit(&known, n, memory_order_relaxed);
    return n;
}
