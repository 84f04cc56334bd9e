/* evenkeel/layers.h - layers: variables and operations under one name. */
#ifndef EVENKEEL_LAYERS_H
#define EVENKEEL_LAYERS_H

#include "evenkeel/variables.h"

#endif
