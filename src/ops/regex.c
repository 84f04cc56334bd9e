/* ops/regex.c - patterns: RegexFullMatch, StaticRegexFullMatch.
 *
 * TensorFlow's patterns are RE2's. Those that mean the same to POSIX are rewritten for it and matched by the C library; what
 * cannot be is refused by name, never matched differently. A whole match asks only whether there is one, so that it does not
 * matter which of several a library would take first.
 */
#include <locale.h>
#include <regex.h>

#include "ops/rules.h"
#include "ops/strings.h"

enum {
    LONGEST_PATTERN = 4096,
    DEEPEST = 100,       /* parentheses in parentheses */
    MOST_REPEATS = 1000, /* {n}, one inside another multiplied: the library makes as many copies */
};

typedef struct pattern {
    regex_t regex;
    bool by_byte; /* some '.' or [^...] takes one byte where RE2 takes a character: only for ASCII the same */
} pattern;

/* What stands before a place: only an element may be repeated, and once. */
typedef enum before { NOTHING, ANCHOR, ELEMENT, REPETITION } before;

/* A pattern while it is rewritten. */
typedef struct rewriter {
    const char *at, *end;
    ek_buf out;
    int depth, repeats;
    before last;
    bool by_byte;
    const char *pattern;
    ek_error *err;
} rewriter;

static ek_status invalid(const rewriter *r, const char *why)
{
    return EK_FAIL(r->err, INVALID_ARGUMENT, "Invalid pattern: %.200s, error: %s", r->pattern, why);
}

static ek_status refused(const rewriter *r, const char *what)
{
    return EK_FAIL(r->err, UNIMPLEMENTED, "pattern %.200s: %s is not supported in patterns here", r->pattern, what);
}

/* Of any number, none included, bytes or characters come to the same. */
static void one_byte(rewriter *r) { r->by_byte = r->by_byte || r->at == r->end || *r->at != '*'; }

/* ---- escapes ----------------------------------------------------------------------------------------------- */

/* Contents of brackets for \d \w \s; NULL: none of these. */
static const char *class_of(char c)
{
    switch (c) {
    case 'd': case 'D': return "0-9";
    case 'w': case 'W': return "0-9A-Za-z_";
    case 's': case 'S': return "\t\n\f\r ";
    default: return NULL;
    }
}

/* The byte that an escape stands for; -1: it stands for something else. */
static int byte_of(char c)
{
    static const char named[] = "a\an\nt\tr\rf\fv\v";

    for (const char *p = named; *p != '\0'; p += 2)
        if (c == *p) return (unsigned char)p[1];
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80) return -1;
    return (unsigned char)c;
}

static void add_literal(rewriter *r, char c)
{
    if (strchr("\\^$.[]|()*+?{}", c) != NULL) ek__buf_str(&r->out, "\\");
    ek__buf_add(&r->out, &c, 1);
}

/* After a backslash. */
static ek_status escape(rewriter *r)
{
    if (r->at == r->end) return invalid(r, "trailing \\");
    const char c = *r->at++;
    const char *const class = class_of(c);

    if (class != NULL) {
        const bool other = c < 'a';

        ek__buf_printf(&r->out, "[%s%s]", other ? "^" : "", class);
        if (other) one_byte(r);
        return EK_OK;
    }
    if (byte_of(c) < 0) return refused(r, "an escape beyond \\d \\w \\s \\n and punctuation");
    add_literal(r, (char)byte_of(c));
    return EK_OK;
}

/* ---- [...] ---------------------------------------------------------------------------------------------------- */

/* One member, not a range; `set` collects what is put between the brackets. */
static ek_status member(rewriter *r, unsigned char set[32], int *byte)
{
    const char c = *r->at++;

    *byte = -1;
    if ((unsigned char)c >= 0x80) return refused(r, "a character beyond ASCII in brackets");
    if (c == '[' && r->at < r->end && *r->at == ':') return refused(r, "a named class as [:alpha:]");
    if (c != '\\') {
        *byte = (unsigned char)c;
        return EK_OK;
    }
    if (r->at == r->end) return invalid(r, "missing ]");
    const char e = *r->at++;
    const char *const class = class_of(e);

    if (class == NULL) {
        *byte = byte_of(e);
        return *byte >= 0 ? EK_OK : refused(r, "an escape beyond \\d \\w \\s \\n and punctuation");
    }
    if (e < 'a') return refused(r, "\\D, \\W or \\S in brackets");
    for (int k = '\0'; k < 128; k++) {
        const bool digit = k >= '0' && k <= '9', letter = (k >= 'A' && k <= 'Z') || (k >= 'a' && k <= 'z');

        if (e == 'd' ? digit : e == 'w' ? digit || letter || k == '_' : k == ' ' || (k >= '\t' && k <= '\r' && k != '\v'))
            set[k / 8] |= (unsigned char)(1u << k % 8);
    }
    return EK_OK;
}

/* POSIX has no escapes in brackets: the places of ']', '^' and '-' say that they are meant. NUL cannot stand there. */
static void put_set(rewriter *r, const unsigned char set[32], bool negated)
{
    ek__buf_str(&r->out, negated ? "[^" : "[");
    if (set[']' / 8] >> (']' % 8) & 1) ek__buf_str(&r->out, "]");
    for (int k = 1; k < 128; k++) {
        const char c = (char)k;

        if ((set[k / 8] >> (k % 8) & 1) != 0 && k != ']' && k != '^' && k != '-' && k != '[') ek__buf_add(&r->out, &c, 1);
    }
    if (set['[' / 8] >> ('[' % 8) & 1) ek__buf_str(&r->out, "[.[.]");
    if (set['^' / 8] >> ('^' % 8) & 1) ek__buf_str(&r->out, "[.^.]");
    if (set['-' / 8] >> ('-' % 8) & 1) ek__buf_str(&r->out, "-");
    ek__buf_str(&r->out, "]");
}

/* After the opening bracket. */
static ek_status brackets(rewriter *r)
{
    unsigned char set[32] = { 0 };
    const bool negated = r->at < r->end && *r->at == '^';
    int first, last;

    r->at += negated;
    for (bool open = true; open || r->at == r->end || *r->at != ']'; open = false) {
        if (r->at == r->end) return invalid(r, "missing ]");
        EK_TRY(member(r, set, &first));
        if (first < 0) continue;
        last = first;
        if (r->end - r->at >= 2 && r->at[0] == '-' && r->at[1] != ']') {
            r->at++;
            EK_TRY(member(r, set, &last));
            if (last < first) return invalid(r, "invalid character class range");
        }
        for (int k = first; k <= last; k++) set[k / 8] |= (unsigned char)(1u << k % 8);
    }
    r->at++;
    put_set(r, set, negated);
    if (negated) one_byte(r);
    return EK_OK;
}

/* ---- repetition, groups ------------------------------------------------------------------------------------------ */

/* "{2}", "{2,}", "{2,5}" after its brace; anything else after a brace is the brace itself. */
static ek_status counted(rewriter *r, bool *count)
{
    const char *p = r->at;
    int n[2] = { 0, -1 }, k = 0, digits = 0;

    for (; p < r->end && *p != '}'; p++) {
        if (*p == ',' && k == 0 && digits > 0) {
            k = 1;
            continue;
        }
        if (*p < '0' || *p > '9') break;
        n[k] = (n[k] < 0 ? 0 : n[k]) * 10 + (*p - '0');
        digits++;
        if (n[k] > MOST_REPEATS) return invalid(r, "bad repetition operator");
    }
    *count = p < r->end && *p == '}' && digits > 0;
    if (!*count) {
        ek__buf_str(&r->out, "\\{");
        return EK_OK;
    }
    if (n[1] >= 0 && n[1] < n[0]) return invalid(r, "bad repetition operator");
    r->repeats *= n[1] > n[0] ? n[1] : n[0] > 0 ? n[0] : 1;
    if (r->repeats > MOST_REPEATS) return refused(r, "repetitions that multiply to more than 1000");
    ek__buf_str(&r->out, "{");
    ek__buf_add(&r->out, r->at, (size_t)(p + 1 - r->at));
    r->at = p + 1;
    return EK_OK;
}

/* After '*', '+', '?' or a count. A '?' behind it asks for the shortest: to a whole match it is all one. */
static ek_status repeated(rewriter *r)
{
    if (r->last == NOTHING) return invalid(r, "no argument for repetition operator");
    if (r->last == REPETITION) return invalid(r, "bad repetition operator");
    if (r->last == ANCHOR) return refused(r, "a repeated ^ or $");
    r->last = REPETITION;
    r->at += r->at < r->end && *r->at == '?';
    return EK_OK;
}

static ek_status open_group(rewriter *r)
{
    if (++r->depth > DEEPEST) return refused(r, "more than 100 parentheses in each other");
    if (r->end - r->at >= 2 && r->at[0] == '?' && r->at[1] == ':') r->at += 2;
    else if (r->at < r->end && *r->at == '?') return refused(r, "(? with anything but a colon");
    ek__buf_str(&r->out, "(");
    r->last = NOTHING;
    return EK_OK;
}

static ek_status literal(rewriter *r, char c)
{
    if ((unsigned char)c >= 0x80 && r->at < r->end && strchr("*+?{", *r->at) != NULL)
        return refused(r, "a repeated character beyond ASCII");
    add_literal(r, c);
    return EK_OK;
}

static ek_status element(rewriter *r)
{
    const before last = r->last;
    const char c = *r->at++;
    bool count = false;

    r->last = ELEMENT;
    switch (c) {
    case '\\': return escape(r);
    case '[': return brackets(r);
    case '(': return open_group(r);
    case ')':
        ek__buf_str(&r->out, ")");
        return --r->depth < 0 ? invalid(r, "unexpected )") : EK_OK;
    case '.': /* anything but the end of a line */
        ek__buf_str(&r->out, "[^\n]");
        one_byte(r);
        return EK_OK;
    case '*': case '+': case '?':
        r->last = last;
        ek__buf_add(&r->out, &c, 1);
        return repeated(r);
    case '{':
        EK_TRY(counted(r, &count));
        if (count) r->last = last;
        return count ? repeated(r) : EK_OK;
    case '^': case '$': case '|':
        ek__buf_add(&r->out, &c, 1);
        r->last = c == '|' ? NOTHING : ANCHOR;
        return EK_OK;
    default: return literal(r, c);
    }
}

static ek_status rewrite(rewriter *r)
{
    ek__buf_str(&r->out, "^(");
    while (r->at < r->end) EK_TRY(element(r));
    if (r->depth > 0) return invalid(r, "missing )");
    ek__buf_str(&r->out, ")$");
    return r->out.failed ? EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for a pattern") : EK_OK;
}

/* ---- compiling, matching ------------------------------------------------------------------------------------------- */

/* Bytes are bytes and letters are English, whatever the program's locale is. */
static ek_status compile_rewritten(const rewriter *r, pattern *p)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char why[200];

    if (c == (locale_t)0) return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for a locale");
    const locale_t old = uselocale(c);
    const int code = regcomp(&p->regex, r->out.data, REG_EXTENDED | REG_NOSUB);
    uselocale(old);
    freelocale(c);
    if (code == 0) return EK_OK;
    if (code == REG_ESPACE) return EK_FAIL(r->err, RESOURCE_EXHAUSTED, "no memory for pattern %.200s", r->pattern);
    (void)regerror(code, NULL, why, sizeof why);
    return invalid(r, why);
}

static ek_status compile(const char *text, size_t size, pattern *p, ek_error *err)
{
    rewriter r = { .at = text, .end = text + size, .repeats = 1, .pattern = text, .err = err };
    ek_status st;

    if (size > LONGEST_PATTERN)
        return EK_FAIL(err, INVALID_ARGUMENT, "a pattern of %zu bytes; %d are supported", size, LONGEST_PATTERN);
    if (strlen(text) != size) return EK_FAIL(err, UNIMPLEMENTED, "a pattern with a NUL in it is not supported here");
    st = rewrite(&r);
    if (st == EK_OK) st = compile_rewritten(&r, p);
    p->by_byte = r.by_byte;
    ek__buf_fini(&r.out);
    return st;
}

static bool is_ascii(const ek_string *s)
{
    for (size_t i = 0; i < s->size; i++)
        if ((unsigned char)s->data[i] >= 0x80) return false;
    return true;
}

static ek_status match(const pattern *p, const ek_string *s, bool *whole, ek_error *err)
{
    regmatch_t span = { .rm_so = 0, .rm_eo = (regoff_t)s->size };
    int code;

    if (s->size > INT32_MAX / 2) return EK_FAIL(err, INVALID_ARGUMENT, "a string of %zu bytes is too long for a pattern", s->size);
    if (p->by_byte && !is_ascii(s))
        return EK_FAIL(err, UNIMPLEMENTED, "'%.*s' has characters beyond ASCII, of which this pattern's . or [^ takes one: that is "
                       "not supported here", s->size < 200 ? (int)s->size : 200, s->data);
    code = regexec(&p->regex, s->size > 0 ? s->data : "", 1, &span, REG_STARTEND);
    *whole = code == 0;
    return code == 0 || code == REG_NOMATCH ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory to match a pattern");
}

static ek_status match_all(const pattern *p, const void *in, void *out, int64_t n, ek_error *err)
{
    for (int64_t i = 0; i < n; i++) EK_TRY(match(p, (const ek_string *)in + i, (bool *)out + i, err));
    return EK_OK;
}

/* ---- StaticRegexFullMatch: the pattern is an attribute ------------------------------------------------------------- */

typedef struct match_attrs {
    const char *pattern;
} match_attrs;

static const ek_field match_fields[] = { EK_FIELD(match_attrs, pattern, STRING) };

typedef struct match_state {
    pattern p;
    int64_t n;
} match_state;

static ek_status static_run(const ek_run_args *a, int64_t chunk)
{
    const match_state *const s = a->state;

    EK_UNUSED(chunk);
    return match_all(&s->p, a->in[0], a->out[0], s->n, a->err);
}

static void release(void *arg) { regfree(&((match_state *)arg)->p.regex); }

static ek_status static_prepare(ek_prepare_ctx *c)
{
    const char *const text = ((const match_attrs *)c->attrs)->pattern;
    match_state *const s = EK_ARENA_NEW(c->arena, match_state, 1);

    if (s == NULL) return ek__no_memory(c);
    s->n = ek_shape_count(&c->out[0]);
    EK_TRY(compile(text, strlen(text), &s->p, c->err));
    if (!ek__arena_defer(c->arena, release, s)) {
        release(s);
        return ek__no_memory(c);
    }
    c->state = s;
    ek__add_phase(c, static_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_StaticRegexFullMatch = {
    .name = "StaticRegexFullMatch",
    .inputs = "input: string",
    .outputs = "output: bool",
    .attrs = "pattern: string",
    .attrs_size = sizeof(match_attrs),
    .fields = match_fields,
    .n_fields = EK_COUNT_OF(match_fields),
    .shape = ek__like_first_rule,
    .prepare = static_prepare,
    .no_grad_because = "it is about strings",
};

/* ---- RegexFullMatch: the pattern is an input ------------------------------------------------------------------------- */

enum { TEXT, PATTERN };

static ek_status match_shape(ek_shape_ctx *c)
{
    if (c->running && c->in[PATTERN].rank != 0)
        return EK_FAIL(c->err, INVALID_ARGUMENT, "Pattern must be scalar, but received %s", EK_CC(&c->in[PATTERN]));
    EK_TRY(ek__want_rank(c, PATTERN, 0));
    return ek__like_first_rule(c);
}

static ek_status match_run(const ek_run_args *a, int64_t chunk)
{
    const ek_string *const text = a->in[PATTERN];
    pattern p;
    ek_status st;

    EK_UNUSED(chunk);
    EK_TRY(compile(text->size > 0 ? text->data : "", text->size, &p, a->err));
    st = match_all(&p, a->in[TEXT], a->out[0], *(const int64_t *)a->state, a->err);
    regfree(&p.regex);
    return st;
}

static ek_status match_prepare(ek_prepare_ctx *c)
{
    const int64_t n = ek_shape_count(&c->out[0]);

    c->state = ek__arena_memdup(c->arena, &n, sizeof n);
    if (c->state == NULL) return ek__no_memory(c);
    ek__add_phase(c, match_run, 1);
    return EK_OK;
}

const ek_op_def ek__op_RegexFullMatch = {
    .name = "RegexFullMatch",
    .inputs = "input: string, pattern: string",
    .outputs = "output: bool",
    .attrs = "",
    .shape = match_shape,
    .prepare = match_prepare,
    .no_grad_because = "it is about strings",
};
