/* tests/support/json.h - reads the small JSON files of the data folder. Not for anything untrusted. */
#ifndef EK_TESTS_JSON_H
#define EK_TESTS_JSON_H

#include <stdbool.h>

typedef enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_kind;

typedef struct json {
    json_kind kind;
    bool boolean;
    double number;
    char *string;
    char *key;          /* as a member of an object */
    struct json *child; /* the first of an array or object */
    struct json *next;
} json;

/* NULL, with a line on stderr, when the text is not JSON or there is no memory. */
json *json_parse(const char *text);
json *json_load(const char *path);
void json_free(json *j); /* NULL is allowed */

/* NULL where there is none. */
const json *json_get(const json *object, const char *key);
const char *json_string(const json *object, const char *key);
int json_count(const json *j);

#endif
