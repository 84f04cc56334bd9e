/* fuzz/fuzz_saver.c - a file as a state file of checkpoints, and as a MetaGraphDef whose variables are to be saved:
 * each is understood, or refused with a sentence. Of a graph its own saver is looked for, and others are made of its
 * variables, in one file and in shards, and written with it. Nothing is run. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "evenkeel/saver.h"
#include "fuzz.h"

/* ---- the state file ---------------------------------------------------------------------------------------------- */

static void state_of(const char *name)
{
    ek_checkpoint_state *state = NULL;
    ek_error err = { .code = EK_OK };
    size_t bytes = 0;

    if (ek_checkpoint_state_read("/proc/self/fd", name, &state, &err) != EK_OK) {
        must(err.text[0] != '\0' && state == NULL);
        return;
    }
    must(state->model_checkpoint_path[0] != '\0' && state->n_paths >= 0);
    for (int64_t i = 0; i < state->n_paths; i++) bytes += strlen(state->all_model_checkpoint_paths[i]);
    for (int64_t i = 0; state->all_model_checkpoint_timestamps != NULL && i < state->n_paths; i++)
        bytes += state->all_model_checkpoint_timestamps[i] > 0;
    must(bytes < (size_t)1 << 30);
    ek_free(state);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static void savers_of(const void *data, size_t size, bool sharded)
{
    ek_error err = { .code = EK_OK };
    ek_graph *g = NULL;
    void *bytes = NULL;
    size_t n;

    if (ek_meta_graph_load_bytes(data, size, &g, .error = &err) != EK_OK) {
        must(err.text[0] != '\0' && g == NULL);
        return;
    }
    ek_saver *own = ek_saver_of_graph(g);
    must(own == NULL || ek_saver_get_def(own)->restore_op_name != NULL);
    ek_saver *made = ek_saver_create(g, .name = "fuzz", .sharded = sharded, .reshape = sharded);
    must((made == NULL) == (ek_graph_status(g, &err) != EK_OK));
    must(made != NULL || err.text[0] != '\0');
    if (made != NULL) {
        ek_add_item_to_collection(g, EK_SAVERS, ek_saver_item(made), EK_HERE);
        if (ek_meta_graph_save_bytes(g, &bytes, &n, .error = &err) != EK_OK) must(err.text[0] != '\0');
        ek_free(bytes);
    }
    ek_graph_destroy(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("state", 0);
    char name[24];

    fuzz_refuse_large();
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        snprintf(name, sizeof name, "%d", fd);
        state_of(name);
    }
    if (fd >= 0) close(fd);
    savers_of(data, size, false);
    savers_of(data, size, true);
    ek_set_allocator(NULL);
    return 0;
}
