/* cli/train_data.c - what --data names: rows to train on, to hold out, to test with. */
#include "cli/train_model.h"

enum { DIGITS = 20000, UNSEEN_DIGITS = 2000 };

/* Told by content, as everything is: a zip file begins with "PK". */
static bool is_npz(const char *path)
{
    unsigned char head[2];

    return cli_read_head(path, head, sizeof head) == sizeof head && memcmp(head, "PK", 2) == 0;
}

static ek_status load_npz(const char *path, const char *const names[2], ek_dataset **out, ek_error *err)
{
    EK_TRY(ek_dataset_from_npz(path, names, 2, out, err));
    return ek_dataset_as_images(*out, err);
}

static ek_status load(cli_training *t, ek_error *err)
{
    if (strcmp(t->data, "digits") == 0) {
        const ek_status st = ek_dataset_from_digits(1, DIGITS, &t->train, err);

        return st == EK_OK ? ek_dataset_from_digits(2, UNSEEN_DIGITS, &t->test, err) : st;
    }
    if (is_npz(t->data)) {
        EK_TRY(load_npz(t->data, (const char *const[]){ "x_train", "y_train" }, &t->train, err));
        return load_npz(t->data, (const char *const[]){ "x_test", "y_test" }, &t->test, err);
    }
    EK_TRY(ek_dataset_from_idx(t->data, "train", &t->train, err));
    return ek_dataset_from_idx(t->data, "t10k", &t->test, err);
}

/* The last rows are held out. What is left has a batch in it, or it is said which option asks for too much. */
static ek_status hold_out(cli_training *t, ek_error *err)
{
    const int64_t rows = ek_dataset_rows(t->train), left = rows - t->hold_out;
    ek_dataset *whole = t->train;
    ek_status st;

    if (t->batch_size > rows)
        return EK_FAIL(err, INVALID_ARGUMENT, "--batch-size %lld is more than the %lld images to train with",
                       (long long)t->batch_size, (long long)rows);
    if (t->hold_out == 0) return EK_OK;
    if (left < t->batch_size)
        return EK_FAIL(err, INVALID_ARGUMENT, "--hold-out %lld leaves %lld of %lld rows, less than a batch of %lld",
                       (long long)t->hold_out, (long long)left, (long long)rows, (long long)t->batch_size);
    st = ek_dataset_part(whole, left, t->hold_out, &t->held_out, err);
    if (st == EK_OK) st = ek_dataset_part(whole, 0, left, &t->train, err);
    if (st == EK_OK) ek_dataset_destroy(whole);
    return st;
}

int cli_train_data(cli_training *t)
{
    ek_error err = { .code = EK_OK };
    ek_status st = load(t, &err);

    if (st == EK_OK) st = hold_out(t, &err);
    return st == EK_OK ? CLI_DONE : cli_complain_error(t->args->command, &err);
}
