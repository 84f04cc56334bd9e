/* codec/npz.c - see npz.h. The archive is codec/zip.h's, its members are codec/npy.h's. */
#include "codec/npz.h"

#include "codec/npy.h"
#include "codec/source.h"
#include "codec/zip.h"

enum { MOST_NAME = 65000 };

struct ek_npz {
    ek_arena arena;
    ek_named_array *at;
    ek_array **array; /* the same arrays, ours */
    int64_t n;
};

static const char ending[] = ".npy";

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* The name of the array in a member; 0 bytes: it holds none. A NUL cannot be part of a name. */
static size_t name_size(const ek_zip_member *m)
{
    const size_t n = sizeof ending - 1;

    if (memchr(m->name.at, '\0', m->name.size) != NULL) return 0;
    return m->name.size > n && memcmp(m->name.at + m->name.size - n, ending, n) == 0 ? m->name.size - n : 0;
}

static ek_status take_member(ek_npz *z, const ek_zip_member *m, ek_error *err)
{
    const size_t n = name_size(m);
    ek_error why = { .code = EK_OK };
    ek_buf unpacked = { 0 };
    ek_span bytes;
    char *name;
    ek_status st;

    if (n == 0) return EK_OK;
    name = ek__arena_strndup(&z->arena, (const char *)m->name.at, n);
    if (name == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an .npz file");
    st = ek__zip_read(m, &unpacked, &bytes, &why);
    if (st == EK_OK) st = ek__npy_decode(bytes.at, bytes.size, &z->array[z->n], &why);
    ek__buf_fini(&unpacked);
    if (st != EK_OK) return ek__fail(err, st, why.file, why.line, "array '%s' of the .npz file: %s", name, why.text);
    z->at[z->n] = (ek_named_array){ name, z->array[z->n] };
    z->n++;
    return EK_OK;
}

ek_status ek__npz_decode(const void *data, size_t size, ek_npz **out, ek_error *err)
{
    ek_zip zip;
    ek_npz *z;
    ek_status st = EK_OK;

    *out = NULL;
    EK_TRY(ek__zip_open((ek_span){ data, size }, &zip, err));
    z = ek__calloc(1, sizeof *z);
    if (z != NULL) {
        z->at = EK_ARENA_NEW(&z->arena, ek_named_array, zip.n);
        z->array = EK_ARENA_NEW(&z->arena, ek_array *, zip.n);
    }
    if (z == NULL || z->at == NULL || z->array == NULL)
        st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an .npz file");
    for (int64_t i = 0; i < zip.n && st == EK_OK; i++) st = take_member(z, &zip.member[i], err);
    ek__zip_close(&zip);
    if (st == EK_OK) *out = z;
    else ek_npz_free(z);
    return st;
}

ek_status ek_npz_load(const char *path, ek_npz **out, ek_error *err)
{
    ek_source *source = NULL;
    ek_status st;

    err = ek__error_begin(err);
    if (out != NULL) *out = NULL;
    if (path == NULL || out == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and a place for the arrays were expected, found NULL");
    st = ek__source_open(path, &source, err);
    if (st == EK_OK) st = ek__npz_decode(source->data, source->size, out, err);
    ek__source_unref(source);
    return st;
}

void ek_npz_free(ek_npz *z)
{
    if (z == NULL) return;
    for (int64_t i = 0; i < z->n; i++) ek_array_unref(z->array[i]);
    ek__arena_fini(&z->arena);
    ek__free(z);
}

int64_t ek_npz_count(const ek_npz *z) { return z != NULL ? z->n : 0; }

ek_named_array ek_npz_at(const ek_npz *z, int64_t i)
{
    return z != NULL && i >= 0 && i < z->n ? z->at[i] : (ek_named_array){ NULL, NULL };
}

ek_array *ek_npz_find(const ek_npz *z, const char *name)
{
    for (int64_t i = 0; z != NULL && name != NULL && i < z->n; i++)
        if (strcmp(z->at[i].name, name) == 0) return z->array[i];
    return NULL;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static ek_status check_names(const ek_named_array *arrays, int64_t n, ek_error *err)
{
    ek_map seen = { 0 };
    ek_status st = EK_OK;

    for (int64_t i = 0; i < n && st == EK_OK; i++) {
        const char *name = arrays[i].name;
        const size_t size = name != NULL ? strlen(name) : 0;

        if (size == 0 || size > MOST_NAME || arrays[i].array == NULL)
            st = EK_FAIL(err, INVALID_ARGUMENT, "array %lld for the .npz file has no %s", (long long)i,
                         arrays[i].array == NULL ? "numbers" : size == 0 ? "name" : "name that fits");
        else if (ek__map_get(&seen, name, size, 0) != 0)
            st = EK_FAIL(err, INVALID_ARGUMENT, "two arrays for the .npz file are called '%s'", name);
        else if (!ek__map_put(&seen, name, size, 1))
            st = EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an .npz file");
    }
    ek__map_fini(&seen);
    return st;
}

static ek_status add_array(ek_zip_writer *w, const ek_named_array *a, ek_error *err)
{
    ek_buf name = { 0 }, bytes = { 0 };
    ek_status st;

    ek__buf_printf(&name, "%s%s", a->name, ending);
    st = name.failed ? EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for an .npz file") : ek__npy_encode(a->array,
                                                                                                       &bytes, err);
    if (st == EK_OK) st = ek__zip_add(w, name.data, bytes.data, bytes.size, err);
    ek__buf_fini(&name);
    ek__buf_fini(&bytes);
    return st;
}

ek_status ek_npz_save(const char *path, const ek_named_array *arrays, int64_t n, ek_error *err)
{
    ek_zip_writer w = { 0 };
    ek_status st;

    err = ek__error_begin(err);
    if (path == NULL || n < 0 || (arrays == NULL && n > 0))
        return EK_FAIL(err, INVALID_ARGUMENT, "a path and arrays were expected, found NULL");
    EK_TRY(check_names(arrays, n, err));
    EK_TRY(ek__file_create(path, &w.out, err));
    for (int64_t i = 0; i < n; i++) EK_TRY_DONE(add_array(&w, &arrays[i], err));
    EK_TRY_DONE(ek__zip_end(&w, err));
    st = ek__file_commit(w.out, err);
    w.out = NULL;
done:
    ek__file_abandon(w.out);
    ek__buf_fini(&w.directory);
    return st;
}
