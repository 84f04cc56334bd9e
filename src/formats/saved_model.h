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
/* Whether a filename of an asset stays inside the folder of assets. */
bool ek__asset_filename_ok(const char *filename);

#endif
