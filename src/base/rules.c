/* base/rules.c - what rules.def says of each rule. */
#include "base/rules.h"

typedef struct rule_row {
    const char *id, *title;
    ek_severity severity;
} rule_row;

static const rule_row rows[EK_RULES] = {
#define EK_RULE(id, severity, title) { #id, title, EK_SEVERITY_##severity },
#include "base/rules.def"
#undef EK_RULE
};

const char *ek__rule_id(ek_rule rule) { return rows[rule].id; }
const char *ek__rule_title(ek_rule rule) { return rows[rule].title; }
ek_severity ek__rule_severity(ek_rule rule) { return rows[rule].severity; }

const char *ek_severity_name(ek_severity severity)
{
    static const char *const name[] = { "info", "warning", "error" };

    return severity >= EK_SEVERITY_INFO && severity <= EK_SEVERITY_ERROR ? name[severity] : "?";
}
