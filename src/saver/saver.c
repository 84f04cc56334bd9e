/* saver/saver.c - making a saver, finding the one that a file brought, and what is known of it. */
#include "formats/meta.h"
#include "saver/saver.h"

static void release(void *arg)
{
    ek_saver *s = arg;

    pthread_mutex_destroy(&s->lock);
    ek__kept_fini(&s->kept);
}

/* It goes with its graph; NULL without memory. */
static ek_saver *new_saver(ek_graph *g)
{
    ek_saver *s = EK_ARENA_NEW(&g->arena, ek_saver, 1);

    if (s == NULL) return NULL;
    *s = (ek_saver){ .graph = g, .filename = ek__dead(g), .save = ek__dead(g), .restore = { g, -1 } };
    if (pthread_mutex_init(&s->lock, NULL) != 0) return NULL;
    if (ek__arena_defer(&g->arena, release, s)) return s;
    pthread_mutex_destroy(&s->lock);
    return NULL;
}

/* Hours are counted from when it is made. */
static void start_hours(ek_saver *s)
{
    s->next_to_stay = ek__now() + (double)s->def.keep_checkpoint_every_n_hours * 3600;
}

/* ---- made here ------------------------------------------------------------------------------------------ */

static bool options_ok(ek_graph *g, const ek_saver_options *o, ek_where where)
{
    if (o->write_version == 1)
        ek__graph_fail(g, where, EK_UNIMPLEMENTED, "checkpoints V1 are read, not written: leave out .write_version");
    else if (o->write_version != 2)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, ".write_version is %d, it can only be 2", o->write_version);
    if (o->max_to_keep < 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT,
                       "max_to_keep must be greater or equal to zero, not %d. 0 keeps all", (int)o->max_to_keep);
    if (!(o->keep_checkpoint_every_n_hours >= 0))
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "keep_checkpoint_every_n_hours is %g, it cannot be below zero",
                       o->keep_checkpoint_every_n_hours);
    if (o->named.count >= 0 && o->var_list.count >= 0)
        ek__graph_fail(g, where, EK_INVALID_ARGUMENT, ".var_list and .named are two ways to say the same: give one");
    return g->error.code == EK_OK;
}

static bool keep_bytes(ek_saver *s)
{
    ek_buf b = { .data = NULL };

    ek__saver_def_write(&b, &s->def);
    if (!b.failed) s->bytes = ek__arena_memdup(&s->graph->arena, b.data, b.size);
    s->n_bytes = b.size;
    ek__buf_fini(&b);
    return s->bytes != NULL;
}

/* Names of the nodes as a SaverDef has them, and that in a file's form. */
static bool define(ek_saver *s, const ek_saver_options *o)
{
    ek_graph *g = s->graph;

    s->def = (ek_saver_def){
        .filename_tensor_name = ek__arena_printf(&g->arena, "%s:0", ek_op_name(ek_tensor_op(s->filename))),
        .save_tensor_name = ek__arena_printf(&g->arena, "%s:0", ek_op_name(ek_tensor_op(s->save))),
        .restore_op_name = ek_op_name(s->restore),
        .max_to_keep = o->max_to_keep,
        .sharded = o->sharded,
        .keep_checkpoint_every_n_hours = (float)o->keep_checkpoint_every_n_hours,
        .version = o->write_version,
    };
    return s->def.filename_tensor_name != NULL && s->def.save_tensor_name != NULL && keep_bytes(s);
}

ek_saver *ek_saver_create_with(const ek_saver_options *o, ek_where where)
{
    ek_graph *g = o != NULL && o->size >= sizeof *o ? o->graph : NULL;
    ek_saveables list;
    ek_saver *s;

    if (!EK_OPTIONS_OK(g, o, where) || !EK_GRAPH_OK(g, where)) return NULL;
    if (ek__graph_closed(g, where) || !options_ok(g, o, where) || !ek__saveables_find(g, o, &list, where)) return NULL;
    s = new_saver(g);
    if (s == NULL) ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a saver");
    if (s == NULL) return NULL;
    s->pad_step_number = o->pad_step_number;
    s->save_relative_paths = o->save_relative_paths;
    s->is_empty = list.n == 0;
    if (s->is_empty) {
        if (!o->allow_empty) ek__graph_fail(g, where, EK_INVALID_ARGUMENT, "No variables to save");
        return o->allow_empty ? s : NULL;
    }
    ek__saver_build(s, o, &list, where);
    if (g->error.code != EK_OK) return NULL;
    if (!define(s, o)) {
        ek__graph_fail(g, where, EK_RESOURCE_EXHAUSTED, "no memory for a saver");
        return NULL;
    }
    start_hours(s);
    g->saver_def = &s->def;
    return s;
}

/* ---- from a file ------------------------------------------------------------------------------------------ */

static ek_status find(ek_saver *s, ek_error *err)
{
    const char *const names[] = { s->def.filename_tensor_name, s->def.save_tensor_name, s->def.restore_op_name };

    for (int i = 0; i < EK_COUNT_OF(names); i++)
        if (names[i] == NULL || names[i][0] == '\0')
            return EK_FAIL(err, INVALID_ARGUMENT,
                           "the saver_def of this graph does not name what it consists of: %s is missing",
                           i == 0   ? "filename_tensor_name"
                           : i == 1 ? "save_tensor_name"
                                    : "restore_op_name");
    EK_TRY(ek__tensor_by_name(s->graph, names[0], &s->filename, err));
    EK_TRY(ek__tensor_by_name(s->graph, names[1], &s->save, err));
    EK_TRY(ek__op_by_name(s->graph, names[2], &s->restore, err));
    return keep_bytes(s) ? EK_OK : EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a saver");
}

ek_saver *ek_saver_of_graph(ek_graph *g)
{
    ek_error *err = ek__error_begin(NULL);
    ek_saver *s;

    if (g == NULL || g->saver != NULL) return g != NULL ? g->saver : NULL;
    s = new_saver(g);
    if (s == NULL) {
        (void)EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a saver");
        return NULL;
    }
    if (!ek_graph_saver_def(g, &s->def) || find(s, err) != EK_OK) return NULL;
    start_hours(s);
    g->saver = s;
    return s;
}

/* ---- what is known of it ------------------------------------------------------------------------------------- */

const ek_saver_def *ek_saver_get_def(const ek_saver *s) { return s != NULL ? &s->def : NULL; }

ek_item ek_saver_item(const ek_saver *s)
{
    return s != NULL && s->bytes != NULL ? ek_item_of_bytes(s->bytes, s->n_bytes) : (ek_item){ .kind = EK_ITEM_NONE };
}
