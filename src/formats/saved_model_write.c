/* formats/saved_model_write.c - what a MetaGraphDef in a SavedModel says of tags, assets and the op that initializes it, as
 * TensorFlow 1's builder has it: assets and main op are collections. */
#include "codec/fields.h"
#include "formats/saved_model.h"

/* Appends a message without the fields of that number. */
static void add_without(ek_buf *b, ek_span message, uint32_t number)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;

    while (ek__wire_next(&w, &f))
        if (f.number != number) ek__buf_add(b, f.whole.at, f.whole.size);
}

void ek__saved_model_info(ek_buf *b, ek_span info, const ek_meta_write *how)
{
    if (how->saved_model) add_without(b, info, EK_F_INFO_TAGS);
    else ek__buf_add(b, info.at, info.size);
}

void ek__saved_model_rest(ek_buf *b, ek_span rest, const ek_meta_write *how)
{
    ek_buf kept = { .data = NULL };
    ek_wire_field f;

    if (!how->saved_model) {
        ek__buf_add(b, rest.at, rest.size);
        return;
    }
    add_without(&kept, rest, EK_F_META_ASSET);
    ek_wire w = ek__wire_open((ek_span){ (const uint8_t *)kept.data, kept.size }, NULL, NULL);
    while (ek__wire_next(&w, &f)) {
        const ek_span key =
            f.number == EK_F_META_SIGNATURE ? ek__wire_bytes_of(f.bytes, EK_F_ENTRY_KEY) : (ek_span){ NULL, 0 };
        /* Another main op was named: this one would come first. */
        if (how->main_op != NULL && key.size == strlen(EK_INIT_SIGNATURE) &&
            memcmp(key.at, EK_INIT_SIGNATURE, key.size) == 0)
            continue;
        ek__buf_add(b, f.whole.at, f.whole.size);
    }
    b->failed |= kept.failed;
    ek__buf_fini(&kept);
}

bool ek__saved_model_replaces(const ek_meta_write *how, const char *key)
{
    if (!how->saved_model) return false;
    if (strcmp(key, EK_SAVED_MODEL_ASSETS) == 0) return true;
    return how->main_op != NULL && (strcmp(key, EK_SAVED_MODEL_MAIN_OP) == 0 || strcmp(key, EK_LEGACY_INIT_OP) == 0);
}

/* The fields of an Any with an AssetFileDef in it. */
static void write_asset(ek_buf *b, const ek_graph *g, const ek_asset *asset)
{
    ek__put_str(b, EK_F_ANY_TYPE, "type.googleapis.com/tensorflow.AssetFileDef");
    const size_t def = ek__put_open(b, EK_F_ANY_VALUE), info = ek__put_open(b, EK_F_ASSET_TENSOR);
    ek__put_tensor_name(b, EK_F_TENSOR_INFO_NAME, g, ek__edge(asset->tensor));
    ek__put_close(b, info);
    ek__put_str(b, EK_F_ASSET_FILENAME, asset->filename);
    ek__put_close(b, def);
}

/* What is between the two is the list of the collection; its places are in mark. */
static void open_collection(ek_buf *b, const char *key, uint32_t list, size_t mark[3])
{
    mark[0] = ek__put_open(b, EK_F_META_COLLECTION);
    ek__put_str(b, EK_F_ENTRY_KEY, key);
    mark[1] = ek__put_open(b, EK_F_ENTRY_VALUE);
    mark[2] = ek__put_open(b, list);
}

static void close_collection(ek_buf *b, const size_t mark[3])
{
    for (int i = 2; i >= 0; i--) ek__put_close(b, mark[i]);
}

void ek__saved_model_collections(ek_buf *b, const ek_graph *g, const ek_meta_write *how)
{
    size_t mark[3];

    if (!how->saved_model) return;
    if (how->n_assets > 0) {
        open_collection(b, EK_SAVED_MODEL_ASSETS, EK_F_COLLECTION_ANY_LIST, mark);
        for (int i = 0; i < how->n_assets; i++) {
            const size_t item = ek__put_open(b, EK_F_LIST_VALUE);
            write_asset(b, g, &how->assets[i]);
            ek__put_close(b, item);
        }
        close_collection(b, mark);
    }
    if (how->main_op != NULL) {
        open_collection(b, EK_SAVED_MODEL_MAIN_OP, EK_F_COLLECTION_NODE_LIST, mark);
        ek__put_str(b, EK_F_LIST_VALUE, how->main_op);
        close_collection(b, mark);
    }
}
