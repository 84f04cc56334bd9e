/* tests/support/fields.h - one field of an encoded message. */
#ifndef EK_TESTS_FIELDS_H
#define EK_TESTS_FIELDS_H

#include "codec/wire.h"

/* The bytes of the last field of this number; { NULL, 0 } where there is none. */
static inline ek_span last_field(ek_span message, uint32_t number)
{
    ek_wire w = ek__wire_open(message, NULL, NULL);
    ek_wire_field f;
    ek_span found = { NULL, 0 };

    while (ek__wire_next(&w, &f))
        if (f.number == number) found = f.bytes;
    return found;
}

#endif
