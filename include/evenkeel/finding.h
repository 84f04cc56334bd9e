/* evenkeel/finding.h - what is found to be wrong with the batch norms of a model, or with how they are used.
 *
 * A rule has an id that stays its own ("BN001"), a title and a severity. A finding is a rule that a model breaks, with the
 * place, the cause and what to write.
 */
#ifndef EVENKEEL_FINDING_H
#define EVENKEEL_FINDING_H

#include "evenkeel/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ek_severity {
    EK_SEVERITY_INFO,    /* waste, or a trap for the next step */
    EK_SEVERITY_WARNING, /* probably wrong; it needs one fact that only the user has */
    EK_SEVERITY_ERROR    /* the result is wrong, or will be */
} ek_severity;

/* Strings are borrowed: of a finding that is handed to a function they are good until it returns. */
typedef struct ek_finding {
    const char *rule;     /* "BN001" */
    ek_severity severity;
    const char *title;    /* of the rule */
    const char *place;    /* the layer, as the scope of its variables: "block1/norm"; the first where there are several */
    int64_t places;       /* how many layers */
    const char *text;     /* place, cause and what to write: one sentence, without an end of line */
} ek_finding;

/* "info", "warning", "error"; "?" for a number that is none. */
EK_API const char *ek_severity_name(ek_severity severity);

#ifdef __cplusplus
}
#endif
#endif
