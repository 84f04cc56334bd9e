/* tests/support/summaries.h - comparing serialized summaries by what they say. */
#ifndef EK_TESTS_SUPPORT_SUMMARIES_H
#define EK_TESTS_SUPPORT_SUMMARIES_H

#include "support/cases.h"

/* Whether both are summaries, of at least one value, with the same tags in the same order and numbers within the tolerance.
 * A number beside the limit of a bucket may fall to either side of it: one in a thousand, and one. Histograms of nothing but
 * tiny numbers are alike: a bias before a batch norm holds what rounding left. */
bool summaries_close(const ek_string *got, const ek_string *want, const case_tolerance *t);

#endif
