/* layers/build.c - see build.h. */
#include "layers/build.h"

const ek_variable_info *ek__info(ek_variable v)
{
    return v.graph != NULL && v.id >= 0 && v.id < v.graph->n_variables ? v.graph->variable[v.id] : NULL;
}
