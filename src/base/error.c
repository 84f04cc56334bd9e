/* base/error.c - the error record, and what a program does with one. */
#include "base/base.h"

#include <stdlib.h>

static _Thread_local ek_error thread_error;

const char *ek_status_name(ek_status status)
{
    switch (status) {
#define STATUS_NAME(name, value, text) \
    case EK_##name: return #name;
        EK_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "?";
}

const ek_error *ek_last_error(void)
{
    return &thread_error;
}

const char *ek_version(void)
{
    return EK_VERSION;
}

ek_status ek__fail(ek_error *err, ek_status code, const char *file, int line, const char *fmt, ...)
{
    va_list args;

    if (err == NULL) err = &thread_error;
    if (err->code != EK_OK) return code;
    err->code = code;
    err->file = file;
    err->line = line;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

void ek__fail_node(ek_error *err, const char *node)
{
    static const char marker[] = "{{node}}";
    char rest[sizeof err->text];
    char *mark;

    if (err == NULL) err = &thread_error;
    if (err->node[0] != '\0' || node == NULL) return;
    snprintf(err->node, sizeof err->node, "%s", node);
    mark = strstr(err->text, marker);
    if (mark == NULL) return;
    memcpy(rest, mark + sizeof marker - 1, strlen(mark + sizeof marker - 1) + 1);
    snprintf(mark, sizeof err->text - (size_t)(mark - err->text), "%s%s", node, rest);
}

/* Only what readers look at is cleared: a call that succeeds must not pay for 900 bytes. */
ek_error *ek__error_begin(ek_error *callers)
{
    ek_error *err = callers != NULL ? callers : &thread_error;

    err->code = EK_OK;
    err->line = 0;
    err->file = NULL;
    err->node[0] = '\0';
    err->text[0] = '\0';
    return err;
}

ek_status ek__error_copy(ek_error *to, const ek_error *from)
{
    if (to == NULL) to = &thread_error;
    if (to != from && to->code == EK_OK && from->code != EK_OK) *to = *from;
    return from->code;
}

void ek_die_unless_ok(ek_status status, const char *file, int line, const char *call)
{
    const ek_error *err = &thread_error;

    if (status == EK_OK) return;
    if (err->code != status) {
        fprintf(stderr, "%s:%d: %s: %s\n", file, line, ek_status_name(status), call);
        exit(1);
    }
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, ek_status_name(status), err->text);
    if (err->node[0] != '\0') fprintf(stderr, "    at node '%s'\n", err->node);
    if (err->file != NULL && (err->line != line || strcmp(err->file, file) != 0))
        fprintf(stderr, "    raised at %s:%d\n", err->file, err->line);
    exit(1);
}
