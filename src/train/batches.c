/* train/batches.c - batches of a data set: an order for each epoch, and batches prepared ahead on a thread.
 *
 * A ring of slots: the thread fills them in order, whoever asks takes them in order; each slot's arrays are used again
 * and again. What is written and read on both sides is guarded by one lock; a slot's content belongs to one side at a
 * time.
 */
#include <pthread.h>

#include "kernels/philox.h"
#include "ops/move.h"
#include "train/dataset.h"

enum { MOST_AHEAD = 16 };

typedef struct slot {
    ek_array *column[EK_MAX_COLUMNS];          /* whole batches */
    ek_array *rest[EK_MAX_COLUMNS];            /* their first rows: the last partial batch; NULL: there is none */
    const ek_array *now[EK_MAX_COLUMNS];
    ek_data_place next;                        /* where the batch after it begins */
    ek_error err;
} slot;

struct ek_batches {
    const ek_dataset *data;
    ek_batches_options o;
    int64_t used;                              /* rows of an epoch that come in some batch */
    int64_t *order;                            /* of the epoch that is being prepared */
    int64_t order_epoch;                       /* -1: none */
    ek_data_place making;                      /* the next batch to be prepared */
    ek_data_place place;                       /* the next to be given */
    slot *slot;
    int n_slots;
    int64_t given, made;                       /* batches; slot k % n_slots */
    bool threaded, stop;
    bool holding;                              /* the caller has slot `given` */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* ---- the order -------------------------------------------------------------------------------------------- */

/* Fisher and Yates's shuffle, from a stream that is the epoch's own. 64 bits modulo what is left are even enough. */
static void draw_order(ek_batches *b, int64_t epoch)
{
    ek_philox_words w =
        ek__philox_words(ek__philox((uint64_t)b->o.seed + UINT64_C(0x9e3779b97f4a7c15), (uint64_t)epoch));

    if (b->order_epoch == epoch) return;
    for (int64_t i = 0; i < b->data->rows; i++) b->order[i] = i;
    for (int64_t i = b->data->rows - 1; b->o.shuffle && i > 0; i--) {
        const uint64_t high = ek__philox_word(&w), low = ek__philox_word(&w);
        const int64_t k = (int64_t)((high << 32 | low) % (uint64_t)(i + 1)), held = b->order[i];

        b->order[i] = b->order[k];
        b->order[k] = held;
    }
    b->order_epoch = epoch;
}

static ek_data_place after(const ek_batches *b, ek_data_place at)
{
    at.row += b->o.batch_size;
    return at.row >= b->used ? (ek_data_place){ at.epoch + 1, 0 } : at;
}

/* ---- one batch ----------------------------------------------------------------------------------------------- */

static void divide(ek_array *a, int64_t from, int64_t n, double divisor)
{
    if (a->dtype == EK_FLOAT32)
        for (int64_t i = from; i < from + n; i++) ((float *)a->data)[i] /= (float)divisor;
    else
        for (int64_t i = from; i < from + n; i++) ((double *)a->data)[i] /= divisor;
}

/* Row `from` of the column becomes row `to` of the batch. */
static ek_status copy_row(const ek_column *c, int64_t from, ek_array *batch, int64_t to, ek_error *err)
{
    const int64_t n = ek__row_count(c);
    const char *in = (const char *)c->array->data + (size_t)(from * n) * ek_dtype_size(c->array->dtype);
    char *out = (char *)batch->data + (size_t)(to * n) * ek_dtype_size(c->dtype);

    if (c->dtype == c->array->dtype) {
        EK_TRY(ek__move(c->dtype, out, in, n, err));
    } else if (!ek__convert(c->array->dtype, in, c->dtype, out, n)) {
        return EK_FAIL(err, INTERNAL, "%s does not become %s", ek_dtype_name(c->array->dtype), ek_dtype_name(c->dtype));
    }
    if (c->divisor != 1) divide(batch, to * n, n, c->divisor);
    return EK_OK;
}

/* The batch at `at`. Touches the slot and the order, nothing else. */
static void fill(ek_batches *b, slot *s, ek_data_place at)
{
    const int64_t size = b->o.batch_size, left = b->data->rows - at.row;
    const bool partial = left < size && b->o.partial == EK_PARTIAL_KEEP;
    const int64_t rows = partial ? left : size;

    s->err.code = EK_OK;
    s->next = after(b, at);
    draw_order(b, at.epoch);
    for (int c = 0; c < b->data->n; c++) {
        s->now[c] = partial ? s->rest[c] : s->column[c];
        for (int64_t i = 0; i < rows && s->err.code == EK_OK; i++)
            (void)copy_row(&b->data->column[c], b->data->first + b->order[(at.row + i) % b->data->rows], s->column[c],
                           i, &s->err);
    }
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

/* A slot is free when its batch was given and the next one was asked for. */
static bool is_room(const ek_batches *b) { return b->made - b->given < b->n_slots; }

static bool is_over(const ek_batches *b, ek_data_place at) { return b->o.epochs > 0 && at.epoch >= b->o.epochs; }

static void *prepare(void *arg)
{
    ek_batches *b = arg;

    pthread_mutex_lock(&b->lock);
    while (!b->stop && !is_over(b, b->making)) {
        if (!is_room(b)) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        slot *s = &b->slot[b->made % b->n_slots];
        const ek_data_place at = b->making;

        pthread_mutex_unlock(&b->lock);
        fill(b, s, at);
        pthread_mutex_lock(&b->lock);
        b->making = s->next;
        b->made++;
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* The slot of the next batch. The one before it is given back; `given` counts those that were. */
static slot *wait_for(ek_batches *b)
{
    slot *s;

    pthread_mutex_lock(&b->lock);
    if (b->holding) {
        b->given++;
        pthread_cond_broadcast(&b->changed);
    }
    b->holding = true;
    while (b->made == b->given) pthread_cond_wait(&b->changed, &b->lock);
    s = &b->slot[b->given % b->n_slots];
    pthread_mutex_unlock(&b->lock);
    return s;
}

ek_status ek_batches_next(ek_batches *b, const ek_array *const **columns, ek_error *err)
{
    slot *s;

    err = ek__error_begin(err);
    if (columns != NULL) *columns = NULL;
    if (b == NULL || columns == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "batches and a place for their columns were expected, found NULL");
    if (is_over(b, b->place))
        return EK_FAIL(err, OUT_OF_RANGE, "the data end after epoch %lld", (long long)b->o.epochs);
    if (b->threaded) {
        s = wait_for(b);
    } else {
        s = &b->slot[0];
        fill(b, s, b->place);
    }
    b->place = s->next;
    if (s->err.code != EK_OK) return ek__error_copy(err, &s->err);
    *columns = s->now;
    return EK_OK;
}

ek_data_place ek_batches_place(const ek_batches *b) { return b != NULL ? b->place : (ek_data_place){ 0, 0 }; }

int64_t ek_batches_per_epoch(const ek_batches *b)
{
    return b != NULL ? 1 + (b->used - 1) / b->o.batch_size : 0;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static ek_status check_options(const ek_dataset *d, const ek_batches_options *o, ek_error *err)
{
    if (d == NULL) return EK_FAIL(err, INVALID_ARGUMENT, "batches need a data set");
    if (o->batch_size < 1)
        return EK_FAIL(err, INVALID_ARGUMENT, "a batch size is 1 at least, found %lld", (long long)o->batch_size);
    if (d->rows < 1) return EK_FAIL(err, INVALID_ARGUMENT, "the data set has no rows");
    if (o->partial == EK_PARTIAL_DROP && d->rows < o->batch_size)
        return EK_FAIL(err, INVALID_ARGUMENT,
                       "a batch of %lld from %lld rows: nothing is left once the last partial batch is "
                       "dropped; use a smaller batch, or EK_PARTIAL_KEEP or EK_PARTIAL_WRAP",
                       (long long)o->batch_size, (long long)d->rows);
    if (o->partial != EK_PARTIAL_DROP && o->partial != EK_PARTIAL_KEEP && o->partial != EK_PARTIAL_WRAP)
        return EK_FAIL(err, INVALID_ARGUMENT, "%d is no policy for the last partial batch", (int)o->partial);
    if (o->epochs < 0 || o->from.epoch < 0 || o->from.epoch > INT64_MAX / 2 || o->from.row < 0 || o->from.row >= d->rows ||
        o->from.row % o->batch_size != 0)
        return EK_FAIL(err, INVALID_ARGUMENT, "batches of %lld from %lld rows do not begin at row %lld of epoch %lld",
                       (long long)o->batch_size, (long long)d->rows, (long long)o->from.row, (long long)o->from.epoch);
    return EK_OK;
}

/* The array of a column in a batch, and a view of its first `rest` rows. */
static ek_status make_arrays(slot *s, int i, const ek_column *c, int64_t rows, int64_t rest, ek_error *err)
{
    ek_shape shape = ek__rows_shape(&c->row, rows);

    EK_TRY(ek__array_new(c->dtype, &shape, NULL, &s->column[i], err));
    shape.dim[0] = rest;
    if (rest == 0) return EK_OK;
    if (ek_array_wrap(c->dtype, shape, s->column[i]->data, NULL, NULL, &s->rest[i]) != EK_OK)
        return ek__error_copy(err, ek_last_error());
    return EK_OK;
}

static ek_status make_slots(ek_batches *b, ek_error *err)
{
    const int64_t rows = b->data->rows, rest = b->o.partial == EK_PARTIAL_KEEP ? rows % b->o.batch_size : 0;

    b->n_slots = b->o.ahead + 1;
    b->slot = ek__calloc((size_t)b->n_slots, sizeof *b->slot);
    b->order = ek__calloc((size_t)rows, sizeof *b->order);
    if (b->slot == NULL || b->order == NULL) return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for batches");
    for (int k = 0; k < b->n_slots; k++)
        for (int i = 0; i < b->data->n; i++)
            EK_TRY(make_arrays(&b->slot[k], i, &b->data->column[i], b->o.batch_size, rest, err));
    return EK_OK;
}

static ek_status start(ek_batches *b, ek_error *err)
{
    if (b->o.ahead == 0) return EK_OK;
    if (pthread_create(&b->thread, NULL, prepare, b) != 0)
        return EK_FAIL(err, RESOURCE_EXHAUSTED, "no thread to prepare batches on; .ahead = 0 does without");
    b->threaded = true;
    return EK_OK;
}

ek_batches *ek_batches_create_with(const ek_dataset *d, const ek_batches_options *o, ek_where where)
{
    ek_batches_options all = { .ahead = 2 };
    const size_t has_error = offsetof(ek_batches_options, error) + sizeof all.error;
    ek_error *err = ek__error_begin(o != NULL && o->size >= has_error ? o->error : NULL);
    ek_batches *b;

    if (o != NULL) memcpy(&all, o, o->size < sizeof all ? o->size : sizeof all);
    if (all.ahead < 0) all.ahead = 0;
    if (all.ahead > MOST_AHEAD) all.ahead = MOST_AHEAD;
    if (check_options(d, &all, err) != EK_OK) {
        err->file = where.file;
        err->line = where.line;
        return NULL;
    }
    b = ek__calloc(1, sizeof *b);
    if (b == NULL) {
        (void)EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for batches");
        return NULL;
    }
    b->data = d;
    b->o = all;
    b->used = all.partial == EK_PARTIAL_DROP ? d->rows - d->rows % all.batch_size : d->rows;
    b->order_epoch = -1;
    b->making = b->place = all.from.row < b->used ? all.from : (ek_data_place){ all.from.epoch + 1, 0 };
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (make_slots(b, err) != EK_OK || start(b, err) != EK_OK) {
        ek_batches_destroy(b);
        return NULL;
    }
    return b;
}

void ek_batches_destroy(ek_batches *b)
{
    if (b == NULL) return;
    if (b->threaded) {
        pthread_mutex_lock(&b->lock);
        b->stop = true;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    for (int k = 0; b->slot != NULL && k < b->n_slots; k++)
        for (int i = 0; i < b->data->n; i++) {
            ek_array_unref(b->slot[k].rest[i]);
            ek_array_unref(b->slot[k].column[i]);
        }
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->changed);
    ek__free(b->slot);
    ek__free(b->order);
    ek__free(b);
}
