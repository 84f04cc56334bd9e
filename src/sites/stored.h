/* sites/stored.h - what the stored values of batch norms look like: predicates of rules over the values alone.
 *
 * Where values come from (a checkpoint, a store) is the caller's business, and so is which variable has which role (sets.h).
 */
#ifndef EK_SITES_STORED_H
#define EK_SITES_STORED_H

#include "base/rules.h"
#include "sites/sets.h"
#include "values/array.h"

/* ---- was it trained? ------------------------------------------------------------------------------------ */

/* What says that a model was trained. Without any of it its values are as initialized, and no rule about values applies. */
typedef struct ek_trained {
    int64_t step;         /* the global step; -1: not known */
    const char *slot;     /* an optimizer's variable that was used; NULL: none. Borrowed */
    const char *parameter; /* a gamma that is not 1 or beta that is not 0; NULL: none. Borrowed */
} ek_trained;

/* Whether a variable of that name is worth a look: it is the global step, or an optimizer's. */
bool ek__is_step_name(const char *name);
bool ek__is_slot_name(const char *name);
/* Whether training has been at a slot's value: those that begin at zero are not, others differ within. */
bool ek__slot_was_used(const char *name, const ek_array *value);
static inline bool ek__was_trained(const ek_trained *t)
{
    return t->step > 0 || t->slot != NULL || t->parameter != NULL;
}

/* ---- one layer --------------------------------------------------------------------------------------------- */

typedef enum ek_stored_state {
    EK_STORED_UPDATED,       /* nothing speaks against them */
    EK_STORED_INITIAL,       /* nothing says that the model was trained */
    EK_STORED_MISSING,       /* its mean or variance is not there (BN004) */
    EK_STORED_NEVER_UPDATED, /* trained, and exactly 0 and 1 (BN003) */
    EK_STORED_NOT_FINITE,    /* a NaN or infinity (BN011) */
    EK_STORED_NEGATIVE,      /* a variance below 0 (BN011) */
    EK_STORED_SUSPICIOUS     /* BN007, BN028, BN039 */
} ek_stored_state;
const char *ek__stored_state_name(ek_stored_state state); /* "never updated" */

enum { EK_STORED_MOST_FINDINGS = 6 };

/* What a layer's values look like. Least and most are over finite numbers; NaN where there are none. */
typedef struct ek_stored {
    const ek_norm_set *set;
    ek_stored_state state;
    int64_t channels;
    double mean_least, mean_most, variance_least, variance_most;
    ek_finding finding[EK_STORED_MOST_FINDINGS]; /* strings in the arena, or static */
    int n_findings;
} ek_stored;

/* Whether gamma or beta moved: not all 1, not all 0. NULL is not. */
bool ek__parameter_moved(ek_site_role role, const ek_array *value);

/* value[role]: of any real type, NULL where the set or the file has none. `with_graph`: roles come from a graph, so that what
 * is missing was needed, and a layer folded on purpose would be gone. RESOURCE_EXHAUSTED is the only error. */
ek_status ek__stored_look(const ek_norm_set *set, const ek_array *const value[EK_SITE_ROLES], const ek_trained *trained,
                          bool with_graph, ek_arena *arena, ek_stored *out, ek_error *err);

#endif
