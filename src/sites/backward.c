/* sites/backward.c - the ways back through the sites that were found. */
#include "sites/search.h"

ek_status ek__find_gradients(ek_search *q)
{
    return ek__find_fused_gradients(q);
}
