/* formats/signature.h - signatures and assets from inside. */
#ifndef EK_FORMATS_SIGNATURE_H
#define EK_FORMATS_SIGNATURE_H

#include "evenkeel/signatures.h"
#include "formats/meta.h"

#define EK_SAVED_MODEL_ASSETS "saved_model_assets"   /* collections of TensorFlow's SavedModel builder */
#define EK_SAVED_MODEL_MAIN_OP "saved_model_main_op"
#define EK_LEGACY_INIT_OP "legacy_init_op"
#define EK_INIT_SIGNATURE "__saved_model_init_op"    /* the key of a signature that names the op */

/* Appends a field of a MetaGraphDef; of signatures and assets the names under the reader's scope. */
void ek__signature_scope(const ek_meta_reader *r, const ek_wire_field *f, ek_buf *out);
/* Fills the lists of g->meta from its bytes and the collections. */
ek_status ek__signatures_read(ek_graph *g, ek_error *err);

#endif
