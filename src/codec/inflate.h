/* codec/inflate.h - bytes that zlib compressed, taken out piece by piece. */
#ifndef EK_CODEC_INFLATE_H
#define EK_CODEC_INFLATE_H

#include "codec/wire.h"

/* Around the compressed data: nothing, zlib's two bytes and checksum, gzip's header and checksum. */
typedef enum ek_deflated { EK_DEFLATED_BARE, EK_DEFLATED_ZLIB, EK_DEFLATED_GZIP } ek_deflated;

/* No byte becomes more than 1032, whoever compressed it: what n bytes may claim to hold. */
static inline uint64_t ek__inflated_most(size_t n) { return ((uint64_t)n + 16) * 1032; }

static inline bool ek__is_gzip(ek_span s) { return s.size >= 3 && s.at[0] == 0x1f && s.at[1] == 0x8b && s.at[2] == 8; }
bool ek__is_zlib(ek_span s); /* by its two bytes; a few others have them as well */

typedef struct ek_inflater ek_inflater;
/* Borrows the bytes until it is closed. Nothing is done before the first piece is asked for. */
ek_status ek__inflater_open(ek_span deflated, ek_deflated kind, ek_inflater **out, ek_error *err);
/* The next `size` bytes, fewer only at the end. Files that were put one behind the other in gzip form are one. Zeros
 * behind the end are padding.
 * Errors  DATA_LOSS: damage, an end that does not come, anything else behind the end; RESOURCE_EXHAUSTED. */
ek_status ek__inflater_read(ek_inflater *z, void *to, size_t size, size_t *got, ek_error *err);
void ek__inflater_close(ek_inflater *z); /* NULL is allowed */

#endif
