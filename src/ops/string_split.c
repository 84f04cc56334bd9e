/* ops/string_split.c - strings in pieces: StringSplit, StringSplitV2.
 *
 * The result is a sparse tensor: row and number of each piece, the pieces, and the number of rows with that of the most
 * pieces. The rule counts them, the run writes them.
 */
#include "ops/rules.h"
#include "ops/strings.h"

enum { TEXT, SEPARATOR };
enum { INDICES, VALUES, SHAPE };

typedef struct split_attrs {
    bool skip_empty;  /* of StringSplit */
    int64_t maxsplit; /* of StringSplitV2; below zero: no limit */
} split_attrs;

/* One string while it is taken apart; `next` is NULL at its end. */
typedef struct pieces {
    const char *next, *end;
    int64_t taken;
} pieces;

typedef bool (*next_fn)(pieces *p, const split_attrs *attrs, const ek_string *separator, ek_string *piece);

static pieces pieces_of(const ek_string *s)
{
    return (pieces){ s->size > 0 ? s->data : "", (s->size > 0 ? s->data : "") + s->size, 0 };
}

/* A piece is borrowed from its string. */
static ek_string piece_of(const char *from, const char *to)
{
    return (ek_string){ (char *)(uintptr_t)from, (size_t)(to - from) };
}

/* StringSplit: each byte of the separator parts; without one every byte is a piece. */
static bool next_by_any(pieces *p, const split_attrs *attrs, const ek_string *separator, ek_string *piece)
{
    while (p->next != NULL) {
        const char *at = p->next;

        /* An empty string has no pieces at all, not an empty one. */
        if (p->taken++ == 0 && at == p->end) break;
        if (separator->size == 0) {
            *piece = piece_of(at, at + 1);
            p->next = at + 1 < p->end ? at + 1 : NULL;
            return true;
        }
        while (at < p->end && memchr(separator->data, *at, separator->size) == NULL) at++;
        *piece = piece_of(p->next, at);
        p->next = at < p->end ? at + 1 : NULL;
        if (piece->size > 0 || !attrs->skip_empty) return true;
    }
    return false;
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && ek__is_space(*at)) at++;
    return at;
}

/* StringSplitV2 without a separator: runs of space part, none is at either end. */
static bool next_by_space(pieces *p, const split_attrs *attrs, ek_string *piece)
{
    const char *from = skip_space(p->next, p->end), *at = from;

    if (attrs->maxsplit > 0 && p->taken == attrs->maxsplit) {
        *piece = piece_of(from, p->end); /* what is left, space at its end and all; nothing counts too */
        p->next = NULL;
        return true;
    }
    if (from == p->end) return false;
    while (at < p->end && !ek__is_space(*at)) at++;
    *piece = piece_of(from, at);
    p->next = at;
    p->taken++;
    return true;
}

/* The first place of `what` in [at, end); `end` where there is none. */
static const char *find(const char *at, const char *end, const ek_string *what)
{
    for (; (size_t)(end - at) >= what->size; at++)
        if (memcmp(at, what->data, what->size) == 0) return at;
    return end;
}

/* StringSplitV2, as Python's str.split(sep, maxsplit). */
static bool next_by_text(pieces *p, const split_attrs *attrs, const ek_string *separator, ek_string *piece)
{
    const char *at;

    if (p->next == NULL) return false;
    if (attrs->maxsplit != 0 && separator->size == 0) return next_by_space(p, attrs, piece);
    at = attrs->maxsplit >= 0 && p->taken >= attrs->maxsplit ? p->end : find(p->next, p->end, separator);
    *piece = piece_of(p->next, at);
    p->next = at < p->end ? at + separator->size : NULL;
    p->taken++;
    return true;
}

/* ---- shapes ------------------------------------------------------------------------------------------ */

static ek_status split_shape(ek_shape_ctx *c, next_fn next, const char *separator)
{
    const ek_array *const text = c->in_value[TEXT], *const by = c->in_value[SEPARATOR];
    int64_t n = -1;

    if (c->running && c->in[TEXT].rank != 1)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "input must be a vector, got shape: %s", EK_CC(&c->in[TEXT]));
    if (c->running && c->in[SEPARATOR].rank != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "%s must be a scalar, got shape: %s", separator, EK_CC(&c->in[SEPARATOR]));
    EK_TRY(ek__want_rank(c, TEXT, 1));
    EK_TRY(ek__want_rank(c, SEPARATOR, 0));
    if (text != NULL && by != NULL) {
        ek_string piece;

        n = 0;
        for (int64_t i = 0; i < text->count; i++) {
            pieces p = pieces_of((const ek_string *)text->data + i);

            while (next(&p, c->attrs, by->data, &piece)) n++;
        }
    }
    c->out[INDICES] = EK_SHAPE(n, 2);
    c->out[VALUES] = ek__vector(n);
    c->out[SHAPE] = ek__vector(2);
    return EK_OK;
}

static ek_status any_shape(ek_shape_ctx *c) { return split_shape(c, next_by_any, "delimiter"); }
static ek_status text_shape(ek_shape_ctx *c) { return split_shape(c, next_by_text, "sep"); }

/* ---- running ------------------------------------------------------------------------------------------- */

typedef struct split_state {
    split_attrs attrs;
    next_fn next;
    int64_t rows, pieces;
} split_state;

static ek_status split_run(const ek_run_args *a, int64_t chunk)
{
    const split_state *const s = a->state;
    int64_t *const place = a->out[INDICES], *const shape = a->out[SHAPE], at = 0;
    ek_string piece;

    EK_UNUSED(chunk);
    shape[0] = s->rows;
    shape[1] = 0;
    for (int64_t row = 0; row < s->rows; row++) {
        pieces p = pieces_of((const ek_string *)a->in[TEXT] + row);
        int64_t k = 0;

        for (; s->next(&p, &s->attrs, a->in[SEPARATOR], &piece); k++, at++) {
            if (at == s->pieces) return EK_FAIL(a->err, INTERNAL, "strings changed while they were counted");
            place[2 * at] = row;
            place[2 * at + 1] = k;
            EK_TRY(ek__put_text((ek_string *)a->out[VALUES] + at, piece.data, piece.size, a->err));
        }
        if (k > shape[1]) shape[1] = k;
    }
    return at == s->pieces ? EK_OK : EK_FAIL(a->err, INTERNAL, "strings changed while they were counted");
}

static ek_status split_prepare(ek_prepare_ctx *c, next_fn next)
{
    split_state *const s = EK_ARENA_NEW(c->arena, split_state, 1);

    if (s == NULL) return ek__no_memory(c);
    *s = (split_state){ *(const split_attrs *)c->attrs, next, c->in[TEXT].dim[0], c->out[VALUES].dim[0] };
    c->state = s;
    ek__add_phase(c, split_run, 1);
    return EK_OK;
}

static ek_status any_prepare(ek_prepare_ctx *c) { return split_prepare(c, next_by_any); }
static ek_status text_prepare(ek_prepare_ctx *c) { return split_prepare(c, next_by_text); }

static const ek_field any_fields[] = { EK_FIELD(split_attrs, skip_empty, BOOL) };

const ek_op_def ek__op_StringSplit = {
    .name = "StringSplit",
    .inputs = "input: string, delimiter: string",
    .outputs = "indices: int64, values: string, shape: int64",
    .attrs = "skip_empty: bool = true",
    .attrs_size = sizeof(split_attrs),
    .fields = any_fields,
    .n_fields = EK_COUNT_OF(any_fields),
    .shape = any_shape,
    .prepare = any_prepare,
    .no_grad_because = "it is about strings",
};

static const ek_field text_fields[] = { EK_FIELD(split_attrs, maxsplit, INT) };

const ek_op_def ek__op_StringSplitV2 = {
    .name = "StringSplitV2",
    .inputs = "input: string, sep: string",
    .outputs = "indices: int64, values: string, shape: int64",
    .attrs = "maxsplit: int = -1",
    .attrs_size = sizeof(split_attrs),
    .fields = text_fields,
    .n_fields = EK_COUNT_OF(text_fields),
    .shape = text_shape,
    .prepare = text_prepare,
    .no_grad_because = "it is about strings",
};
