/* codec/wire.h - protobuf messages read in place and written: cursor, check, writer.
 *
 * Nothing is unpacked: a message is a span of bytes, a cursor walks its fields, and a field of bytes points into the
 * span. The types of messages come from proto/ as descriptors; `ek__wire_check` holds bytes against one once, after
 * which cursors over them cannot meet damage. Text form: codec/text.h. Numbers of fields: codec/fields.h.
 */
#ifndef EK_CODEC_WIRE_H
#define EK_CODEC_WIRE_H

#include "base/base.h"

/* ---- message types ------------------------------------------------------------------- */

#define EK_PROTO_LIST(X)                                                                                    \
    X(GRAPH_DEF, graph_def) X(NODE_DEF, node_def) X(ATTR_VALUE, attr_value) X(TENSOR_PROTO, tensor_proto)   \
    X(TENSOR_SHAPE, tensor_shape_proto) X(OP_DEF, op_def) X(OP_LIST, op_list) X(FUNCTION_DEF, function_def) \
    X(VERSION_DEF, version_def) X(META_GRAPH_DEF, meta_graph_def) X(SAVED_MODEL, saved_model)               \
    X(COLLECTION_DEF, collection_def) X(SAVER_DEF, saver_def) X(VARIABLE_DEF, variable_def)                 \
    X(COND_CONTEXT, cond_context_def) X(WHILE_CONTEXT, while_context_def) X(SIGNATURE_DEF, signature_def) \
    X(QUEUE_RUNNER, queue_runner_def) X(ANY, any_proto) X(ASSET_FILE_DEF, asset_file_def) X(EXAMPLE, example) \
    X(SUMMARY, summary) X(SUMMARY_METADATA, summary_metadata) X(EVENT, event) X(BUNDLE_HEADER, bundle_header_proto)                             \
    X(BUNDLE_ENTRY, bundle_entry_proto) X(SAVED_SLICES, saved_tensor_slices) X(CHECKPOINT_STATE, checkpoint_state)

typedef enum ek_proto_id {
#define EK_PROTO_ENUM(id, name) EK_PROTO_##id,
    EK_PROTO_LIST(EK_PROTO_ENUM)
#undef EK_PROTO_ENUM
} ek_proto_id;

typedef struct ProtobufCMessageDescriptor ek_proto; /* what a message may hold */
const ek_proto *ek__proto(ek_proto_id id);
/* Whether it is the entry of a map: its key and value are always written, and the entries sorted. */
bool ek__proto_is_map_entry(const ek_proto *type);

/* ---- limits ----------------------------------------------------------------------------- */

enum {
    EK_WIRE_MAX_DEPTH = 100,         /* messages inside messages; protobuf's own limit */
    EK_WIRE_MAX_BYTES = 0x7fffffff   /* of one message; protobuf's own limit */
};

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct ek_span {
    const uint8_t *at;
    size_t size;
} ek_span;

typedef enum ek_wire_type {
    EK_WIRE_VARINT = 0, EK_WIRE_FIXED64 = 1, EK_WIRE_BYTES = 2, EK_WIRE_GROUP = 3, EK_WIRE_END_GROUP = 4, EK_WIRE_FIXED32 = 5
} ek_wire_type;

typedef struct ek_wire_field {
    uint32_t number;
    ek_wire_type type;
    uint64_t value; /* VARINT, FIXED64, FIXED32 */
    ek_span bytes;  /* BYTES: the contents; GROUP: what stands between its tags */
    ek_span whole;  /* the field with its tag */
} ek_wire_field;

/* A place in a message. `origin` is where offsets in errors count from. */
typedef struct ek_wire {
    const uint8_t *at, *end, *origin;
    ek_error *err;
    ek_status status; /* EK_OK until damage is met */
} ek_wire;
ek_wire ek__wire_open(ek_span message, const uint8_t *origin, ek_error *err);

/* The next field. false at the end, and at damage: then w->status (and err) tell.
 *     while (ek__wire_next(&w, &f)) ...
 *     EK_TRY(w.status);
 * Errors  DATA_LOSS, with the byte's offset: cut off, a bad tag, a varint of more than ten bytes;
 *         RESOURCE_EXHAUSTED: groups nested too deep. */
bool ek__wire_next(ek_wire *w, ek_wire_field *f);

/* Numbers of a repeated field, packed or not: the next of `field`; false when there is none left.
 * Start with *offset = 0. `type` is the wire type of one element. */
bool ek__wire_packed(const ek_wire_field *field, ek_wire_type type, size_t *offset, uint64_t *value);

/* The last field of that number that is bytes, of a message that was checked; none: no bytes at an address. */
ek_span ek__wire_bytes_of(ek_span message, uint32_t number);

/* Holds a whole message against its type, nested ones included; linear in its size.
 * Unknown fields are fine. Refused, with the offset:
 *   damage as ek__wire_next finds it; a known field of another wire type; a single message field twice;
 *   strings that are not UTF-8 or hold a NUL (INVALID_ARGUMENT); depth or size beyond the limits (RESOURCE_EXHAUSTED). */
ek_status ek__wire_check(const ek_proto *type, ek_span message, const uint8_t *origin, ek_error *err);

/* Place of the first byte that is not UTF-8, or is a NUL where `nul` is false; -1: all is well. */
int64_t ek__utf8_bad(const uint8_t *s, size_t n, bool nul);

/* A number of so many bytes, the least significant first. */
static inline uint64_t ek__wire_fixed(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}
static inline float ek__wire_float(uint64_t bits)
{
    const uint32_t b = (uint32_t)bits;
    float f;
    memcpy(&f, &b, sizeof f);
    return f;
}
static inline double ek__wire_double(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* Failure is the buffer's (sticky). Values are written as they are, zeros and empty strings included: leaving
 * defaults out is the caller's. */
void ek__put_varint(ek_buf *b, uint64_t value);
void ek__put_tag(ek_buf *b, uint32_t number, ek_wire_type type);
void ek__put_int(ek_buf *b, uint32_t number, int64_t value);    /* int32, int64, bool, enum, uint64 */
void ek__put_float(ek_buf *b, uint32_t number, float value);
void ek__put_double(ek_buf *b, uint32_t number, double value);
void ek__put_fixed32(ek_buf *b, uint32_t value);                /* the four bytes alone */
void ek__put_fixed64(ek_buf *b, uint64_t value);
void ek__put_bytes(ek_buf *b, uint32_t number, const void *data, size_t size);
void ek__put_str(ek_buf *b, uint32_t number, const char *s);
/* A message or packed field whose length is not known yet: what is written between the two is its contents. */
size_t ek__put_open(ek_buf *b, uint32_t number);
void ek__put_close(ek_buf *b, size_t mark);

#endif
