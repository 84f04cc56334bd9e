/* codec/record.h - TFRecords: length and checksum, bytes and checksum. The public calls are in evenkeel/records.h. */
#ifndef EK_CODEC_RECORD_H
#define EK_CODEC_RECORD_H

#include "codec/source.h"
#include "codec/wire.h"
#include "evenkeel/records.h"


/* Appends one record. */
void ek__record_put(ek_buf *b, const void *data, size_t size);

/* Records of a file that is there already. */
ek_status ek__record_reader_of(ek_source *source, ek_compression compression, ek_record_reader **out, ek_error *err);
/* Whether the failure that it met is a file that ends within a record, as a process that was killed leaves it. */
bool ek__record_reader_cut(const ek_record_reader *r);

#endif
