/* base/rules.h - the rules of what goes wrong with batch norms: names for the list in rules.def. */
#ifndef EK_BASE_RULES_H
#define EK_BASE_RULES_H

#include "evenkeel/finding.h"

typedef enum ek_rule {
#define EK_RULE(id, severity, title) EK_RULE_##id,
#include "base/rules.def"
#undef EK_RULE
    EK_RULES
} ek_rule;

const char *ek__rule_id(ek_rule rule); /* "BN001" */
const char *ek__rule_title(ek_rule rule);
ek_severity ek__rule_severity(ek_rule rule);

#endif
