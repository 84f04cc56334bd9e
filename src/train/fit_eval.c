/* train/fit_eval.c - evaluation: every row of a data set once, nothing learned. */
#include "train/fitting.h"
#include "values/array.h"

static ek_status all_batches(ek_fitting *f, ek_batches *b, ek_callable *run, ek_array **fetched, ek_fit_numbers *out)
{
    const int64_t n = ek_batches_per_epoch(b);
    int64_t rows = 0;

    *out = (ek_fit_numbers){ { 0 } };
    for (int64_t k = 0; k < n; k++) {
        const ek_array *const *columns, *value[EK_FIT_VALUES];
        ek_fit_numbers sums;

        EK_TRY(ek_batches_next(b, &columns, f->err));
        ek__fit_values(f, columns, f->o.eval_also, value);
        EK_TRY(ek_callable_run(run, value, fetched));
        EK_TRY(ek__fit_sums(f, fetched, columns[0]->shape.dim[0], &sums));
        for (int i = 0; i < f->n_numbers; i++) out->at[i] += sums.at[i];
        rows += columns[0]->shape.dim[0];
    }
    for (int i = 0; i < f->n_numbers; i++) out->at[i] /= (double)rows;
    return EK_OK;
}

ek_status ek__fit_evaluate(ek_fitting *f, const ek_dataset *d, ek_fit_numbers *out)
{
    const int64_t rows = ek_dataset_rows(d), size = f->o.eval_batch_size;
    ek_array *fetched[EK_FIT_NUMBERS] = { NULL };
    ek_batches *b =
        ek_batches_create(d, size > 0 && size < rows ? size : rows, .partial = EK_PARTIAL_KEEP, .error = f->err);
    ek_callable *run =
        b != NULL ? ek__fit_callable(f, &(ek_fit_run){ .extra = f->o.eval_also, .with_numbers = true }) : NULL;
    const ek_status st = run != NULL ? all_batches(f, b, run, fetched, out) : f->err->code;

    ek_callable_destroy(run);
    ek_batches_destroy(b);
    for (int i = 0; i < f->n_numbers; i++) ek_array_unref(fetched[i]);
    return st;
}
