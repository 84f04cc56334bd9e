/* ops/grad_matrix.c - gradients of products of many matrices, and of diagonals and bands. */
#include "graph/scope.h"
#include "ops/grad.h"

/* ---- products ------------------------------------------------------------------------------------------------- */

/* math_ops.matmul: a plain MatMul of two matrices, else a batch. An adjoint is a transpose of conjugates. */
static ek_tensor product(const ek_grad *c, ek_tensor a, ek_tensor b, bool adj_a, bool adj_b)
{
    if (ek_tensor_shape(a).rank == 2 && ek_tensor_shape(b).rank == 2) {
        ek_tensor x = a, y = b;
        if (adj_a) x = g_conj(c, a);
        if (adj_b) y = g_conj(c, b);
        return EK_EMIT(c->g, c->where, "MatMul", NULL, EK_IN(x, y), EK_ATTR_B("transpose_a", adj_a), EK_ATTR_B("transpose_b", adj_b));
    }
    return EK_EMIT(c->g, c->where, "BatchMatMulV2", "MatMul", EK_IN(a, b), EK_ATTR_B("adj_x", adj_a), EK_ATTR_B("adj_y", adj_b));
}

static void products(ek_grad *c)
{
    const ek_tensor x = g_in(c, 0), y = g_in(c, 1), dy = g_dy(c, 0);
    const bool ax = g_flag(c, "adj_x"), ay = g_flag(c, "adj_y");

    g_set(c, 0, ax ? product(c, y, dy, ay, true) : product(c, dy, y, false, !ay));
    g_set(c, 1, ay ? product(c, dy, x, true, ax) : product(c, x, dy, !ax, false));
}
void ek__grad_batch_mat_mul(ek_grad *c) { products(c); }

/* Its batches broadcast: the gradients are summed over what was. */
void ek__grad_batch_mat_mul_v2(ek_grad *c)
{
    const ek_shape a = ek_tensor_shape(g_in(c, 0)), b = ek_tensor_shape(g_in(c, 1));

    products(c);
    if (ek_shape_is_known(&a) && ek_shape_equal(&a, &b)) return;
    const ek_tensor sx = g_shape(c, g_in(c, 0)), sy = g_shape(c, g_in(c, 1));
    const ek_tensor bx = g_part(c, sx, 0, -2), by = g_part(c, sy, 0, -2);
    ek_unbroadcast u = g_unbroadcast_by(c, bx, by);
    u.shape_of[0] = sx;
    u.shape_of[1] = sy;
    for (int k = 0; k < 2; k++) g_set(c, k, g_reduce_to(c, &u, k, c->dx[k].value));
}

/* ---- diagonals and bands --------------------------------------------------------------------------------------------- */

void ek__grad_diag(ek_grad *c) { g_set(c, 0, g1(c, "DiagPart", g_dy(c, 0))); }
void ek__grad_diag_part(ek_grad *c) { g_set(c, 0, g1(c, "Diag", g_dy(c, 0))); }
void ek__grad_matrix_diag(ek_grad *c) { g_set(c, 0, g1(c, "MatrixDiagPart", g_dy(c, 0))); }

void ek__grad_matrix_diag_part(ek_grad *c)
{
    const ek_shape s = ek_tensor_shape(g_in(c, 0));

    if (s.rank >= 2 && s.dim[s.rank - 1] >= 0 && s.dim[s.rank - 2] == s.dim[s.rank - 1])
        g_set(c, 0, g1(c, "MatrixDiag", g_dy(c, 0)));
    else
        g_set(c, 0, g2(c, "MatrixSetDiag", g_zeros_like(c, g_in(c, 0)), g_dy(c, 0)));
}

/* The shape of the diagonal, of a shape known or not. */
static ek_tensor diagonal_zeros(const ek_grad *c)
{
    const ek_tensor dy = g_dy(c, 0);
    const ek_shape s = ek_tensor_shape(dy);
    ek_tensor shape = dy;

    if (ek_shape_is_known(&s) && s.rank >= 2) {
        ek_shape d = s;
        d.rank--;
        if (s.dim[s.rank - 1] < d.dim[d.rank - 1]) d.dim[d.rank - 1] = s.dim[s.rank - 1];
        return ek_zeros_with(c->g, &(ek_zeros_options){ .size = sizeof(ek_zeros_options), .shape = d, .dtype = g_dtype(dy) }, c->where);
    }
    EK_IN_SCOPE(ek__colocate_push(c->g, &dy.op, 1, false, c->where)) {
        const ek_tensor whole = g_shape(c, dy);
        const ek_tensor batch = g_part(c, whole, 0, -2), matrix = g_part(c, whole, -2, 0);
        const ek_tensor least = ek_reduce_min_with(&(ek_reduce_options){ .size = sizeof(ek_reduce_options), .x = matrix,
                                                                         .axis = { -1, { 0 } } }, c->where);
        shape = g_concat(c, (g_piece[]){ g_of(batch), g_list(least) }, 2);
    }
    return g_zeros(c, shape, g_dtype(dy));
}

void ek__grad_matrix_set_diag(ek_grad *c)
{
    g_set(c, 0, g2(c, "MatrixSetDiag", g_dy(c, 0), diagonal_zeros(c)));
    g_set(c, 1, g1(c, "MatrixDiagPart", g_dy(c, 0)));
}

void ek__grad_matrix_band_part(ek_grad *c) { g_set(c, 0, g3(c, "MatrixBandPart", g_dy(c, 0), g_in(c, 1), g_in(c, 2))); }
