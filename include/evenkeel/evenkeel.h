/* evenkeel/evenkeel.h - everything. */
#ifndef EVENKEEL_EVENKEEL_H
#define EVENKEEL_EVENKEEL_H

#include "evenkeel/array.h"
#include "evenkeel/arrays.h"
#include "evenkeel/batch_norm.h"
#include "evenkeel/control.h"
#include "evenkeel/data.h"
#include "evenkeel/dtype.h"
#include "evenkeel/events.h"
#include "evenkeel/files.h"
#include "evenkeel/gradients.h"
#include "evenkeel/finding.h"
#include "evenkeel/fit.h"
#include "evenkeel/graph.h"
#include "evenkeel/layers.h"
#include "evenkeel/losses.h"
#include "evenkeel/metrics.h"
#include "evenkeel/models.h"
#include "evenkeel/nn.h"
#include "evenkeel/ops.h"
#include "evenkeel/plot.h"
#include "evenkeel/records.h"
#include "evenkeel/saver.h"
#include "evenkeel/session.h"
#include "evenkeel/rewrite.h"
#include "evenkeel/signatures.h"
#include "evenkeel/status.h"
#include "evenkeel/summary.h"
#include "evenkeel/train.h"
#include "evenkeel/variables.h"

#endif
