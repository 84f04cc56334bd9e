/* tests/support/made.h - holds a program against what TensorFlow made of it: tests/layers/golden/NAME.pb.gz. */
#ifndef EK_TESTS_MADE_H
#define EK_TESTS_MADE_H

#include "support/support.h"

/* Builds, and compares node by node, then every collection, then the values of each step's fetches. False, with the first
 * difference on stderr. The files are those of tools/make_loss_goldens.py. */
#define made_same_values(name, build) \
    made_same_values_in(EK_SOURCE_DIR "/tests/layers/golden", (name), (build)) /* the values alone */
bool made_same_values_in(const char *folder, const char *name, void (*build)(ek_graph *g));
#define made_same(name, build) made_same_in(EK_SOURCE_DIR "/tests/layers/golden", (name), (build))
bool made_same_in(const char *folder, const char *name, void (*build)(ek_graph *g));

#endif
