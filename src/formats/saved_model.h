/* formats/saved_model.h - SavedModels from inside: the messages, not the folder's variables (saver/). */
#ifndef EK_FORMATS_SAVED_MODEL_H
#define EK_FORMATS_SAVED_MODEL_H

#include "formats/signature.h"

/* One of a SavedModel's MetaGraphs. */
typedef struct ek_saved_graph {
    ek_span whole; /* the MetaGraphDef, in the source */
    const char **tag;
    int n_tags;
} ek_saved_graph;

struct ek_saved_model {
    ek_source *source;
    ek_arena arena;
    const char *folder; /* NULL: it came from bytes */
    int64_t schema_version;
    ek_saved_graph *graph;
    int n_graphs;
};

/* From the bytes of a saved_model.pb or .pbtxt. Takes over the reference to `source`, whatever happens. */
ek_status ek__saved_model_read(ek_source *source, const char *folder, ek_saved_model **out, ek_error *err);
/* Its graph number i. */
ek_status ek__saved_model_graph(const ek_saved_model *m, int i, const ek_meta_how *how, ek_graph **out, ek_error *err);
/* What a MetaGraphDef has of its own in a SavedModel (saved_model_write.c): everything else that stands in its info and among
 * its last fields; whether a collection is left out; collections. Where `how` is no SavedModel all is as it was. */
void ek__saved_model_info(ek_buf *b, ek_span info, const ek_meta_write *how);
void ek__saved_model_rest(ek_buf *b, ek_span rest, const ek_meta_write *how);
bool ek__saved_model_replaces(const ek_meta_write *how, const char *key);
void ek__saved_model_collections(ek_buf *b, const ek_graph *g, const ek_meta_write *how);
/* Whether a filename of an asset stays inside the folder of assets. */
bool ek__asset_filename_ok(const char *filename);

#endif
