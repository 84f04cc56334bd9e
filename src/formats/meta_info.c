/* formats/meta_info.c - what a MetaGraphDef said beside its graph and collections, for those who ask. */
#include "codec/fields.h"
#include "evenkeel/files.h"
#include "formats/meta.h"

/* A field as a string of the graph's; false without memory. */
static bool keep(ek_graph *g, ek_span s, const char **out)
{
    *out = ek__arena_strndup(&g->arena, (const char *)s.at, s.size);
    return *out != NULL;
}

static bool read_saver(ek_graph *g, ek_saver_def *out)
{
    ek_wire w = ek__wire_open(g->meta->saver, NULL, NULL);
    ek_wire_field f;
    bool ok = true;

    while (ok && ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_SAVER_FILENAME: ok = keep(g, f.bytes, &out->filename_tensor_name); break;
        case EK_F_SAVER_SAVE: ok = keep(g, f.bytes, &out->save_tensor_name); break;
        case EK_F_SAVER_RESTORE: ok = keep(g, f.bytes, &out->restore_op_name); break;
        case EK_F_SAVER_MAX_TO_KEEP: out->max_to_keep = (int32_t)f.value; break;
        case EK_F_SAVER_SHARDED: out->sharded = f.value != 0; break;
        case EK_F_SAVER_HOURS: out->keep_checkpoint_every_n_hours = ek__wire_float(f.value); break;
        case EK_F_SAVER_FORMAT: out->version = (int)f.value; break;
        default: break;
        }
    }
    return ok;
}

static int count_tags(ek_span info)
{
    ek_wire w = ek__wire_open(info, NULL, NULL);
    ek_wire_field f;
    int n = 0;

    while (ek__wire_next(&w, &f)) n += f.number == EK_F_INFO_TAGS;
    return n;
}

static bool read_info(ek_graph *g, ek_meta_info *out)
{
    const char **tags = EK_ARENA_NEW(&g->arena, const char *, count_tags(g->meta->info) + 1);
    ek_wire w = ek__wire_open(g->meta->info, NULL, NULL);
    ek_wire_field f;
    bool ok = tags != NULL;

    *out = (ek_meta_info){ "", "", "", tags, 0, false };
    while (ok && ek__wire_next(&w, &f)) {
        switch (f.number) {
        case EK_F_INFO_VERSION: ok = keep(g, f.bytes, &out->meta_graph_version); break;
        case EK_F_INFO_TF_VERSION: ok = keep(g, f.bytes, &out->tensorflow_version); break;
        case EK_F_INFO_TF_GIT_VERSION: ok = keep(g, f.bytes, &out->tensorflow_git_version); break;
        case EK_F_INFO_STRIPPED_DEFAULTS: out->stripped_default_attrs = f.value != 0; break;
        case EK_F_INFO_TAGS: ok = keep(g, f.bytes, &tags[out->n_tags++]); break;
        default: break;
        }
    }
    return ok;
}

ek_status ek__meta_describe(ek_graph *g, ek_error *err)
{
    if (read_info(g, &g->meta->about) && read_saver(g, &g->meta->saver_def)) return EK_OK;
    return EK_FAIL(err, RESOURCE_EXHAUSTED, "no memory for a MetaGraphDef");
}

bool ek_graph_saver_def(const ek_graph *g, ek_saver_def *out)
{
    const bool there = g != NULL && g->meta != NULL && g->meta->saver.at != NULL;

    if (out != NULL) *out = there ? g->meta->saver_def : (ek_saver_def){ .version = 0 };
    return there;
}

bool ek_graph_meta_info(const ek_graph *g, ek_meta_info *out)
{
    const bool there = g != NULL && g->meta != NULL && g->meta->loaded;

    if (out != NULL) *out = there ? g->meta->about : (ek_meta_info){ "", "", "", NULL, 0, false };
    return there;
}
