/* tests/support/json.c - see json.h. */
#include "support/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

static const char *skip_space(const char *s)
{
    while (*s == ' ' || *s == '\n' || *s == '\t' || *s == '\r') s++;
    return s;
}

static const char *parse_value(const char *s, json *out);

/* \uXXXX is kept to ASCII: the data holds nothing else. */
static const char *parse_string(const char *s, char **out)
{
    size_t n = 0;
    char *text = malloc(strlen(s) + 1);

    if (text == NULL || *s++ != '"') goto fail;
    for (; *s != '"'; s++) {
        if (*s == '\0') goto fail;
        if (*s != '\\') {
            text[n++] = *s;
            continue;
        }
        s++;
        if (*s == 'n') text[n++] = '\n';
        else if (*s == 't') text[n++] = '\t';
        else if (*s == 'u' && strlen(s) > 4) {
            const char hex[5] = { s[1], s[2], s[3], s[4], '\0' };
            text[n++] = (char)strtol(hex, NULL, 16);
            s += 4;
        } else if (*s != '\0') text[n++] = *s;
        else goto fail;
    }
    text[n] = '\0';
    *out = text;
    return s + 1;
fail:
    free(text);
    return NULL;
}

static const char *parse_members(const char *s, json *out, char close)
{
    json **last = &out->child;

    for (s = skip_space(s + 1); *s != close; s = skip_space(s)) {
        if (out->child != NULL) {
            if (*s != ',') return NULL;
            s = skip_space(s + 1);
        }
        json *member = calloc(1, sizeof *member);
        if (member == NULL) return NULL;
        *last = member;
        last = &member->next;
        if (close == '}') {
            s = parse_string(s, &member->key);
            if (s == NULL || *(s = skip_space(s)) != ':') return NULL;
            s = skip_space(s + 1);
        }
        s = parse_value(s, member);
        if (s == NULL) return NULL;
    }
    return s + 1;
}

static const char *parse_value(const char *s, json *out)
{
    char *end;

    s = skip_space(s);
    switch (*s) {
    case '{': out->kind = JSON_OBJECT; return parse_members(s, out, '}');
    case '[': out->kind = JSON_ARRAY; return parse_members(s, out, ']');
    case '"': out->kind = JSON_STRING; return parse_string(s, &out->string);
    default: break;
    }
    out->kind = JSON_BOOL;
    if (strncmp(s, "true", 4) == 0) return out->boolean = true, s + 4;
    if (strncmp(s, "false", 5) == 0) return s + 5;
    out->kind = JSON_NULL;
    if (strncmp(s, "null", 4) == 0) return s + 4;
    out->kind = JSON_NUMBER;
    out->number = strtod(s, &end);
    return end != s ? end : NULL;
}

json *json_parse(const char *text)
{
    json *root = calloc(1, sizeof *root);
    const char *end = root != NULL ? parse_value(text, root) : NULL;

    if (end != NULL && *skip_space(end) == '\0') return root;
    fprintf(stderr, "this is not JSON: %.60s\n", text);
    json_free(root);
    return NULL;
}

json *json_load(const char *path)
{
    char *text = ek_test_read(path, NULL);
    json *root = text != NULL ? json_parse(text) : NULL;

    free(text);
    return root;
}

void json_free(json *j)
{
    while (j != NULL) {
        json *next = j->next;
        json_free(j->child);
        free(j->string);
        free(j->key);
        free(j);
        j = next;
    }
}

const json *json_get(const json *object, const char *key)
{
    for (const json *j = object != NULL ? object->child : NULL; j != NULL; j = j->next)
        if (j->key != NULL && strcmp(j->key, key) == 0) return j;
    return NULL;
}

const char *json_string(const json *object, const char *key)
{
    const json *j = json_get(object, key);

    return j != NULL && j->kind == JSON_STRING ? j->string : NULL;
}

int json_count(const json *j)
{
    int n = 0;

    for (const json *c = j != NULL ? j->child : NULL; c != NULL; c = c->next) n++;
    return n;
}
