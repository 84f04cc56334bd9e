/* formats/signature_set.c - signatures given to a graph, and taken away; the functions of its library, listed. */
#include "codec/fields.h"
#include "codec/tensor.h"
#include "formats/signature.h"

/* ---- writing one -------------------------------------------------------------------------------------------- */

static void write_info(ek_buf *b, const ek_graph *g, ek_tensor t)
{
    const ek_shape shape = ek_tensor_shape(t);

    ek__put_tensor_name(b, EK_F_TENSOR_INFO_NAME, g, ek__edge(t));
    ek__put_int(b, EK_F_TENSOR_INFO_DTYPE, ek_tensor_dtype(t));
    const size_t mark = ek__put_open(b, EK_F_TENSOR_INFO_SHAPE);
    ek__shape_write(b, &shape);
    ek__put_close(b, mark);
}

static void write_infos(ek_buf *b, const ek_graph *g, uint32_t number, const ek_named_tensor *at, int n)
{
    for (int i = 0; i < n && at[i].key != NULL; i++) {
        const size_t entry = ek__put_open(b, number);
        ek__put_str(b, EK_F_ENTRY_KEY, at[i].key);
        const size_t value = ek__put_open(b, EK_F_ENTRY_VALUE);
        write_info(b, g, at[i].tensor);
        ek__put_close(b, value);
        ek__put_close(b, entry);
    }
}

static void write_signature(ek_buf *b, const ek_graph *g, const ek_signature_options *o)
{
    const size_t field = ek__put_open(b, EK_F_META_SIGNATURE);

    ek__put_str(b, EK_F_ENTRY_KEY, o->key);
    const size_t value = ek__put_open(b, EK_F_ENTRY_VALUE);
    write_infos(b, g, EK_F_SIGNATURE_INPUT, o->inputs, EK_SIGNATURE_INLINE);
    write_infos(b, g, EK_F_SIGNATURE_INPUT, o->more_inputs, o->n_more_inputs);
    write_infos(b, g, EK_F_SIGNATURE_OUTPUT, o->outputs, EK_SIGNATURE_INLINE);
    write_infos(b, g, EK_F_SIGNATURE_OUTPUT, o->more_outputs, o->n_more_outputs);
    ek__put_str(b, EK_F_SIGNATURE_METHOD, o->method_name != NULL ? o->method_name : EK_METHOD_PREDICT);
    ek__put_close(b, value);
    ek__put_close(b, field);
}

/* ---- the graph's fields, changed -------------------------------------------------------------------------------- */

static bool is_signature(const ek_wire_field *f, const char *key)
{
    if (f->number != EK_F_META_SIGNATURE) return false;
    if (key == NULL) return true;
    const ek_span name = ek__wire_bytes_of(f->bytes, EK_F_ENTRY_KEY);
    return name.size == strlen(key) && memcmp(name.at, key, name.size) == 0;
}

/* Replaces meta->rest by itself without the signature of that key (NULL: without any), with `added` behind it. */
static ek_status change(ek_graph *g, const char *key, const ek_buf *added, ek_error *err)
{
    struct ek_graph_meta *old = g->meta, *made = EK_ARENA_NEW(&g->arena, struct ek_graph_meta, 1);
    ek_buf rest = { .data = NULL };
    ek_wire_field f;
    ek_status st;

    if (made == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for signatures");
    if (old != NULL) *made = *old;
    ek_wire w = ek__wire_open(made->rest, NULL, NULL);
    while (ek__wire_next(&w, &f))
        if (!is_signature(&f, key)) ek__buf_add(&rest, f.whole.at, f.whole.size);
    if (added != NULL) ek__buf_add(&rest, added->data, added->size);
    made->rest = (ek_span){ ek__arena_memdup(&g->arena, rest.data != NULL ? rest.data : "", rest.size), rest.size };
    st = rest.failed || made->rest.at == NULL ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for signatures") : EK_OK;
    ek__buf_fini(&rest);
    if (st != EK_OK) return st;
    g->meta = made;
    st = ek__signatures_read(g, err);
    if (st != EK_OK) g->meta = old;
    return st;
}

/* ---- the calls ----------------------------------------------------------------------------------------------------- */

static ek_status check_text(const char *text, const char *what, ek_error *err)
{
    if (text[0] == '\0') return EK_FAIL(err, INVALID_ARGUMENT, "%s of a signature is empty", what);
    if (ek__utf8_bad((const uint8_t *)text, strlen(text), false) >= 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "%s of a signature is not UTF-8", what);
    return EK_OK;
}

/* Counts what it has checked in *n. */
static ek_status check_tensors(const ek_graph *g, const char *what, const ek_named_tensor *at, int room, int *n,
                               ek_error *err)
{
    if (room < 0 || (at == NULL && room > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "%d %ss of a signature at NULL", room, what);
    for (int i = 0; i < room && at[i].key != NULL; i++, ++*n) {
        EK_TRY(check_text(at[i].key, "the name of a tensor", err));
        if (!ek__tensor_in(g, at[i].tensor))
            return EK_FAIL(err, INVALID_ARGUMENT, "%s '%s' of the signature is no tensor of this graph", what,
                           at[i].key);
        for (int k = 0; k < i; k++)
            if (strcmp(at[k].key, at[i].key) == 0)
                return EK_FAIL(err, INVALID_ARGUMENT, "two %ss of the signature are called '%s'", what, at[i].key);
    }
    return EK_OK;
}

static ek_status check_doubles(const char *what, const ek_named_tensor *a, const ek_named_tensor *b, int n,
                               ek_error *err)
{
    for (int i = 0; i < EK_SIGNATURE_INLINE && a[i].key != NULL; i++)
        for (int k = 0; k < n && b[k].key != NULL; k++)
            if (strcmp(a[i].key, b[k].key) == 0)
                return EK_FAIL(err, INVALID_ARGUMENT, "two %ss of the signature are called '%s'", what, a[i].key);
    return EK_OK;
}

static ek_status check_options(const ek_graph *g, const ek_signature_options *o, ek_error *err)
{
    int inputs = 0, outputs = 0;

    if (g == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no graph");
    if (g->error.code != EK_OK) return ek__error_copy(err, &g->error);
    if (o->key == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "a signature needs a key: \"serving_default\"");
    EK_TRY(check_text(o->key, "the key", err));
    if (o->method_name != NULL) EK_TRY(check_text(o->method_name, "the method name", err));
    EK_TRY(check_tensors(g, "input", o->inputs, EK_SIGNATURE_INLINE, &inputs, err));
    EK_TRY(check_tensors(g, "input", o->more_inputs, o->n_more_inputs, &inputs, err));
    EK_TRY(check_tensors(g, "output", o->outputs, EK_SIGNATURE_INLINE, &outputs, err));
    EK_TRY(check_tensors(g, "output", o->more_outputs, o->n_more_outputs, &outputs, err));
    EK_TRY(check_doubles("input", o->inputs, o->more_inputs, o->n_more_inputs, err));
    EK_TRY(check_doubles("output", o->outputs, o->more_outputs, o->n_more_outputs, err));
    if (outputs == 0) return EK_FAIL(err, INVALID_ARGUMENT, "signature '%s' has no output", o->key);
    return EK_OK;
}

ek_status ek_signature_set_with(ek_graph *g, const ek_signature_options *o, ek_where where)
{
    ek_buf bytes = { .data = NULL };
    ek_error *err;
    ek_status st;

    if (!EK_OPTIONS_OK(NULL, o, where)) return EK_INVALID_ARGUMENT;
    err = ek__error_begin(o->error);
    EK_TRY(check_options(g, o, err));
    write_signature(&bytes, g, o);
    st = bytes.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a signature") : change(g, o->key, &bytes, err);
    ek__buf_fini(&bytes);
    return st;
}

ek_status ek_signature_remove(ek_graph *g, const char *key, ek_error *err)
{
    err = ek__error_begin(err);
    if (g == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "there is no graph");
    if (g->meta == NULL || g->meta->n_signatures == 0) return EK_OK;
    return change(g, key, NULL, err);
}

/* ---- functions ------------------------------------------------------------------------------------------------------ */

static ek_span library_of(const ek_graph *g)
{
    return g != NULL ? ek__wire_bytes_of((ek_span){ g->raw_rest, g->raw_rest_size }, EK_F_GRAPH_LIBRARY)
                     : (ek_span){ NULL, 0 };
}

int ek_graph_function_count(const ek_graph *g)
{
    ek_wire w = ek__wire_open(library_of(g), NULL, NULL);
    ek_wire_field f;
    int n = 0;

    while (ek__wire_next(&w, &f)) n += f.number == EK_F_LIBRARY_FUNCTION;
    return n;
}

int ek_graph_function_name(const ek_graph *g, int i, char *buf, size_t size)
{
    ek_wire w = ek__wire_open(library_of(g), NULL, NULL);
    ek_wire_field f;
    ek_span name = { (const uint8_t *)"", 0 };

    while (i >= 0 && ek__wire_next(&w, &f))
        if (f.number == EK_F_LIBRARY_FUNCTION && i-- == 0)
            name = ek__wire_bytes_of(ek__wire_bytes_of(f.bytes, EK_F_FUNCTION_SIGNATURE), EK_F_OP_NAME);
    return snprintf(buf, size, "%.*s", name.size < 4096 ? (int)name.size : 4096, (const char *)name.at);
}
