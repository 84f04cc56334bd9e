/* ops/grad_pool.c - gradients of pooling, and theirs: TensorFlow's gradient ops, which come in turns. */
#include "ops/grad.h"

static const char *const pool_attrs[] = { "ksize", "strides", "padding", "data_format", NULL };

static ek_tensor pool(const ek_grad *c, const char *type, const ek_tensor *in, int n, const char *const *attrs)
{
    return ek_op_output(g_like(c, type, in, n, attrs), 0);
}

/* ---- the first maximum ------------------------------------------------------------------------------------------ */

static void max_pool(ek_grad *c, const char *type)
{
    g_set(c, 0, pool(c, type, EK_IN(g_in(c, 0), g_out(c, 0), g_dy(c, 0)), 3, pool_attrs));
}
void ek__grad_max_pool(ek_grad *c) { max_pool(c, "MaxPoolGrad"); }
void ek__grad_max_pool3d(ek_grad *c) { max_pool(c, "MaxPool3DGrad"); }

/* The window's sizes and strides as inputs. */
static const char *const v2_attrs[] = { "padding", "data_format", NULL };
void ek__grad_max_pool_v2(ek_grad *c)
{
    const ek_tensor in[] = { g_in(c, 0), g_out(c, 0), g_dy(c, 0), g_in(c, 1), g_in(c, 2) };
    g_set(c, 0, pool(c, "MaxPoolGradV2", in, 5, v2_attrs));
}

void ek__grad_max_pool_with_argmax(ek_grad *c)
{
    static const char *const attrs[] = { "ksize", "strides", "padding", "include_batch_in_index", NULL };
    g_set(c, 0, pool(c, "MaxPoolGradWithArgmax", EK_IN(g_in(c, 0), g_dy(c, 0), g_out(c, 1)), 3, attrs));
}

static ek_tensor zeros_for(const ek_grad *c, int i) { return g_zeros(c, g_shape(c, g_in(c, i)), g_dtype(g_in(c, i))); }

/* A gradient is linear in what flows in; which element is the maximum does not move. */
static void selecting(ek_grad *c, const char *type)
{
    g_set(c, 0, zeros_for(c, 0));
    g_set(c, 1, zeros_for(c, 1));
    g_set(c, 2, pool(c, type, EK_IN(g_in(c, 0), g_in(c, 1), g_dy(c, 0)), 3, pool_attrs));
}
void ek__grad_max_pool_grad(ek_grad *c) { selecting(c, "MaxPoolGradGrad"); }
void ek__grad_max_pool_grad_grad(ek_grad *c) { selecting(c, "MaxPoolGrad"); }
void ek__grad_max_pool3d_grad(ek_grad *c) { selecting(c, "MaxPool3DGradGrad"); }
void ek__grad_max_pool3d_grad_grad(ek_grad *c) { selecting(c, "MaxPool3DGrad"); }

void ek__grad_max_pool_grad_v2(ek_grad *c)
{
    const ek_tensor in[] = { g_in(c, 0), g_in(c, 1), g_dy(c, 0), g_in(c, 3), g_in(c, 4) };

    g_set(c, 0, zeros_for(c, 0));
    g_set(c, 1, zeros_for(c, 1));
    g_set(c, 2, pool(c, "MaxPoolGradGradV2", in, 5, v2_attrs));
}

/* ---- averages ---------------------------------------------------------------------------------------------------- */

static void avg_pool(ek_grad *c, const char *type)
{
    g_set(c, 0, pool(c, type, EK_IN(g_shape(c, g_in(c, 0)), g_dy(c, 0)), 2, pool_attrs));
}
void ek__grad_avg_pool(ek_grad *c) { avg_pool(c, "AvgPoolGrad"); }
void ek__grad_avg_pool3d(ek_grad *c) { avg_pool(c, "AvgPool3DGrad"); }

static void averaging(ek_grad *c, const char *type)
{
    (void)g1(c, "StopGradient", g_in(c, 0)); /* what Python returns for the shape */
    g_set(c, 1, pool(c, type, EK_IN(g_dy(c, 0)), 1, pool_attrs));
}
void ek__grad_avg_pool_grad(ek_grad *c) { averaging(c, "AvgPool"); }
void ek__grad_avg_pool3d_grad(ek_grad *c) { averaging(c, "AvgPool3D"); }
