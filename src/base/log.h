/* base/log.h - named topics that a user can turn on: EK_LOG=plan,fuse. */
#ifndef EK_BASE_LOG_H
#define EK_BASE_LOG_H

#include "base/base.h"

/* Whether EK_LOG names `topic` (or "all"). Read once per process. */
bool ek__log_on(const char *topic);
/* One line "topic: ..." to stderr; call it behind ek__log_on. */
void ek__log(const char *topic, const char *fmt, ...) EK_PRINTF(2, 3);

#endif
