/* formats/meta.h - MetaGraphDefs from inside: what the public calls of files.h are made of.
 *
 * What a MetaGraphDef says of the graph becomes the graph: its nodes, variables, contexts, collections. The rest is kept
 * as it came (ek_graph_meta) and written back.
 */
#ifndef EK_FORMATS_META_H
#define EK_FORMATS_META_H

#include "evenkeel/files.h"
#include "evenkeel/signatures.h"
#include "formats/graph_io.h"
#include "graph/collection.h"
#include "graph/scope.h"

/* Wire bytes, in the graph's arena or its source. */
struct ek_graph_meta {
    ek_span info;   /* fields of the MetaInfoDef, but for the list of ops */
    ek_span ops;    /* OpList: the definitions of whoever wrote the file */
    ek_span saver;  /* fields of the SaverDef; at NULL: there is none */
    ek_span rest;   /* fields of the MetaGraphDef: signatures, assets, the object graph, what is unknown */
    bool loaded;    /* there was a MetaGraphDef; false: rest was set here */
    ek_meta_info about;       /* what stands in info, saver and rest, for those who ask */
    ek_saver_def saver_def;
    const ek_signature *signatures; /* sorted by key */
    const ek_asset *assets;
    int n_signatures, n_assets;
    const char *assets_folder; /* where the files of the assets are; NULL: it came from no SavedModel */
};

/* How what a collection holds is written. TensorFlow has a message for these keys; everything else goes by its first item. */
typedef enum ek_collection_form {
    EK_FORM_BY_ITEM, EK_FORM_VARIABLE, EK_FORM_COND, EK_FORM_WHILE, EK_FORM_SAVER, EK_FORM_QUEUE_RUNNER
} ek_collection_form;
ek_collection_form ek__collection_form(const char *key);

/* ---- reading ------------------------------------------------------------------------------------ */

/* What the parts of a reader share. */
typedef struct ek_meta_reader {
    ek_graph *g;
    const char *scope;      /* NULL: none */
    bool has_trainable;     /* TensorFlow before 1.9 did not say which variables are */
    ek_map variables;       /* bytes of a VariableDef -> the variable it became */
    ek_error *err;
} ek_meta_reader;

/* "scope/name", "^scope/name", "loc:@scope/name": prepend_name_scope. An arena string, NULL without memory. */
const char *ek__scoped_name(const ek_meta_reader *r, ek_span name);
/* A tensor ("x:0") or operation of the file, by name; TensorFlow's lookup errors. */
ek_status ek__meta_tensor(const ek_meta_reader *r, ek_span name, ek_edge *out, ek_error *err);
ek_status ek__meta_op(const ek_meta_reader *r, ek_span name, int32_t *out, ek_error *err);
/* Appends a message, the strings that are names under the scope: those of the fields in `names` (bit n: field n). */
void ek__scope_fields(const ek_meta_reader *r, ek_span message, uint32_t names, ek_buf *out);

/* Fills what is asked for of g->meta (meta_info.c). */
ek_status ek__meta_describe(ek_graph *g, ek_error *err);
/* Of the graph of a VariableDef (meta_variable.c); `trains`: the collection is that of trainable variables. */
ek_status ek__variable_read(ek_meta_reader *r, ek_span def, bool trains, ek_variable *out, ek_error *err);
/* Of a CondContextDef or WhileContextDef, with all contexts in it (meta_context.c): nodes are placed in them. */
ek_status ek__context_read(ek_meta_reader *r, ek_span def, bool loop, int32_t *out, ek_error *err);

typedef struct ek_meta_how {
    const char *import_scope; /* NULL or "": none */
    bool clear_devices;
} ek_meta_how;
/* A new graph from the MetaGraphDef `whole`, which was checked and stands in `source`. */
ek_status ek__meta_graph_read(ek_source *source, ek_span whole, const ek_meta_how *how, ek_graph **out, ek_error *err);

/* ---- writing ------------------------------------------------------------------------------------- */

/* Which nodes are in which context: made once for a graph, before contexts are written. */
typedef struct ek_context_index {
    const ek_graph *g;
    int32_t *first_node, *next_node;   /* by context, by node: nodes whose innermost context it is; -1: no more */
    int32_t *first_child, *next_child; /* by context */
    int32_t *only;                     /* by node: the output that belongs to its context; -1: all */
} ek_context_index;
bool ek__context_index_init(ek_context_index *x, const ek_graph *g); /* false without memory */
void ek__context_index_fini(ek_context_index *x);

/* The fields of each message. */
void ek__variable_write(ek_buf *b, const ek_graph *g, const ek_variable_info *v);
void ek__context_write(ek_buf *b, const ek_context_index *x, const ek_context *c);
void ek__op_def_write(ek_buf *b, const ek_op_spec *spec);
void ek__saver_def_write(ek_buf *b, const ek_saver_def *s);
/* The name of a tensor: "x:0". */
void ek__put_tensor_name(ek_buf *b, uint32_t number, const ek_graph *g, ek_edge e);

typedef struct ek_meta_write {
    const ek_saver_def *saver; /* NULL: the graph's own: of its last saver, else its file's */
    bool clear_devices;
    bool no_saver;    /* not even its own */
    /* Of a SavedModel. What is given takes the place of what the graph brought of its kind. */
    bool saved_model;
    const char *const *tags;
    int n_tags;
    const ek_asset *assets; /* tensor_name is not looked at */
    int n_assets;
    const char *main_op;    /* NULL: the one it brought */
} ek_meta_write;
ek_status ek__meta_graph_write(const ek_graph *g, const ek_meta_write *how, ek_buf *out, ek_error *err);

#endif
