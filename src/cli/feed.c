/* cli/feed.c - NAME=VALUE: a tensor and what it is. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"
#include "values/array.h"

/* Splits "NAME=REST"; the name is a new string. REST is NULL where there is no '='. */
char *cli_split(const char *text, const char **rest)
{
    const char *equals = strchr(text, '=');
    const size_t n = equals != NULL ? (size_t)(equals - text) : strlen(text);
    char *name = ek__alloc(n + 1);

    *rest = equals != NULL ? equals + 1 : NULL;
    if (name == NULL) return NULL;
    memcpy(name, text, n);
    name[n] = '\0';
    return name;
}

/* Whether VALUE is a file's name: it is, unless it is a list, a string in quotes or begins like a number or a truth
 * value. */
static bool names_a_file(const char *value, ek_dtype dtype)
{
    const size_t n = strlen(value);
    char *end;

    if (value[0] == '[' || value[0] == '\'' || value[0] == '"' || value[0] == '(') return false;
    if (n > 4 && strcmp(value + n - 4, ".npy") == 0) return true;
    if (dtype == EK_STRING) return false;
    (void)strtod(value, &end);
    if (end != value && (*end == '\0' || *end == 'j' || *end == '+' || *end == '-')) return false;
    return access(value, R_OK) == 0;
}

/* numpy.asarray(value, dtype): what TensorFlow does with what it is fed. */
static ek_status as_type(ek_array **a, ek_dtype dtype, ek_error *err)
{
    ek_array *other;

    if ((*a)->dtype == dtype) return EK_OK;
    if (ek_dtype_is_complex((*a)->dtype) && !ek_dtype_is_complex(dtype))
        return EK_FAIL(err, INVALID_ARGUMENT, "the file holds %s, the tensor is %s", ek_dtype_name((*a)->dtype),
                       ek_dtype_name(dtype));
    EK_TRY(ek__array_new(dtype, &(*a)->shape, NULL, &other, err));
    if (!ek__convert((*a)->dtype, (*a)->data, dtype, other->data, other->count)) {
        ek_array_unref(other);
        return EK_FAIL(err, INVALID_ARGUMENT, "the file holds %s, the tensor is %s", ek_dtype_name((*a)->dtype),
                       ek_dtype_name(dtype));
    }
    ek_array_unref(*a);
    *a = other;
    return EK_OK;
}

static ek_status read_value(const char *value, ek_dtype dtype, ek_array **out, ek_error *err)
{
    if (dtype == EK_RESOURCE || dtype == EK_VARIANT)
        return EK_FAIL(err, INVALID_ARGUMENT, "a %s cannot be typed", ek_dtype_name(dtype));
    if (names_a_file(value, dtype)) {
        if (ek_npy_load(value, out) != EK_OK) return ek__error_copy(err, ek_last_error());
        return as_type(out, dtype, err);
    }
    if (dtype == EK_STRING && value[0] != '[' && value[0] != '\'' && value[0] != '"') {
        const ek_string s = {(char *)(uintptr_t)value, strlen(value)};

        return ek__array_new(dtype, &EK_SCALAR, &s, out, err);
    }
    return ek__array_parse(value, dtype, out, err);
}

int cli_read_feed(const cli_args *args, ek_graph *g, const cli_aliases *aliases, const char *text, ek_tensor *tensor,
                  ek_array **out)
{
    const cli_command *command = args->command;
    ek_error err = {.code = EK_OK};
    const char *value;
    char *name = cli_split(text, &value);
    int status = CLI_DONE;

    *out = NULL;
    if (name == NULL) return cli_no_memory(command);
    if (value == NULL || name[0] == '\0') {
        cli_complain(command, "--feed needs NAME=VALUE, found '%s'", text);
        status = cli_see_help(command);
    } else if (!cli_find_named(args, g, aliases, name, tensor, NULL)) {
        status = CLI_FAILED;
    } else if (read_value(value, ek_dtype_base(ek_tensor_dtype(*tensor)), out, &err) != EK_OK) {
        cli_complain(command, "feed of '%s': %s", name, err.text);
        ek_array_unref(*out); /* read, but of a type that does not fit */
        *out = NULL;
        status = CLI_FAILED;
    }
    ek__free(name);
    return status;
}
