/* base/log.c - topics named in EK_LOG, one line each to stderr. */
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char topics[256]; /* ",plan,fuse," or empty */

static void read_topics(void)
{
    const char *value = getenv("EK_LOG");

    if (value != NULL && value[0] != '\0') snprintf(topics, sizeof topics, ",%.253s,", value);
}

bool ek__log_on(const char *topic)
{
    char wanted[64];

    pthread_once(&once, read_topics);
    if (topics[0] == '\0') return false;
    if (strstr(topics, ",all,") != NULL) return true;
    snprintf(wanted, sizeof wanted, ",%s,", topic);
    return strstr(topics, wanted) != NULL;
}

void ek__log(const char *topic, const char *fmt, ...)
{
    char line[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    fprintf(stderr, "%s: %s\n", topic, line); /* one call, so that lines of several threads do not mix */
}
