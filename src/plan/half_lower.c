/* plan/half_lower.c - one op for a half of a batch norm: its operands, what it covers, its kernel.
 */
#include "plan/ir.h"

#include <math.h>

enum {
    MOST_PORTS = EK_HALF_INS + 3,
    MOST_DEVIATIONS = 100 /* of the mean: 100 * 2^-24 is below 2e-5 with room for both roundings */
};

/* A half on its way to be an op. */
typedef struct build {
    ek_builder *b;
    ek_half *h;
    ek_lowered *op;
    ek_bn_spec *spec;
    const ek_shape *vector; /* one number per channel */
} build;

/* ---- operands -------------------------------------------------------------------------------------- */

static ek_status add_entry(build *u, const ek_site_entry *e, int *port)
{
    ek_builder *b = u->b;

    if (e == NULL) return EK_OK;
    const ek_node *n = ek__at(b->program, e->node);
    ek_port *in = &u->op->in[u->op->n_in];
    if (ek__check_input(b, n, e->input) != EK_OK || ek__lower_input(b, u->op, n, e->input, in) != EK_OK) {
        ek__fail_at(b->err, n->name);
        return b->err->code;
    }
    *port = u->op->n_in++;
    return EK_OK;
}

static ek_status add_role(build *u, int role, int *port)
{
    return add_entry(u, u->h->in[role], port);
}

/* A statistic that the forward half leaves. */
static int add_saved(build *u, ek_half_out what)
{
    const ek_half *forward = &u->b->half[u->h->forward];

    u->op->in[u->op->n_in] = (ek_port){ forward->value[what], u->h->dtype, u->vector };
    return u->op->n_in++;
}

static void add_statistics(build *u)
{
    u->spec->at.mean = add_saved(u, EK_HALF_MEAN);
    u->spec->at.mean_low = add_saved(u, EK_HALF_MEAN_LOW);
    u->spec->at.inverse = add_saved(u, EK_HALF_INVERSE);
}

static ek_status add_output(build *u, ek_half_out what, const ek_shape *shape, int *port)
{
    if ((u->h->want & 1u << what) == 0) return EK_OK;
    ek_port *out = &u->op->out[u->op->n_out];
    *out = (ek_port){ .dtype = u->h->dtype, .shape = shape };
    EK_TRY(ek__value_new(u->b, u->h->dtype, shape, EK_HOME_BLOCK, 0, &out->value));
    u->h->value[what] = out->value;
    *port = u->op->n_out++;
    return EK_OK;
}

static ek_status forward_operands(build *u)
{
    ek_bn_ports *at = &u->spec->at;

    EK_TRY(add_role(u, EK_ROLE_X, &at->x));
    EK_TRY(add_role(u, EK_ROLE_GAMMA, &at->scale));
    EK_TRY(add_role(u, EK_ROLE_BETA, &at->offset));
    EK_TRY(add_role(u, EK_ROLE_MEAN, &at->mean));
    EK_TRY(add_role(u, EK_ROLE_VARIANCE, &at->variance));
    if (u->h->part == EK_HALF_APPLICATION) add_statistics(u);
    if ((u->h->want & 1u << EK_HALF_ACTIVATED) != 0) {
        u->spec->activation = u->h->activation;
        EK_TRY(add_output(u, EK_HALF_ACTIVATED, u->op->in[at->x].shape, &at->y));
        EK_TRY(add_output(u, EK_HALF_Y, u->op->in[at->x].shape, &at->before));
    } else {
        EK_TRY(add_output(u, EK_HALF_Y, u->op->in[at->x].shape, &at->y));
    }
    EK_TRY(add_output(u, EK_HALF_MEAN, u->vector, &at->saved_mean));
    EK_TRY(add_output(u, EK_HALF_VARIANCE, u->vector, &at->saved_variance));
    EK_TRY(add_output(u, EK_HALF_MEAN_LOW, u->vector, &at->saved_mean_low));
    EK_TRY(add_output(u, EK_HALF_UNBIASED, u->vector, &at->batch_variance));
    u->spec->unbiased = at->batch_variance >= 0;
    return add_output(u, EK_HALF_INVERSE, u->vector, &at->saved_inverse);
}

/* The sum of dy alone takes neither x nor statistics: dy stands in for x. */
static ek_status backward_operands(build *u)
{
    ek_bn_ports *at = &u->spec->at;

    EK_TRY(add_role(u, EK_ROLE_DY, &at->dy));
    at->x = at->dy;
    EK_TRY(add_role(u, EK_ROLE_X, &at->x));
    EK_TRY(add_role(u, EK_ROLE_GAMMA, &at->scale));
    EK_TRY(add_role(u, EK_ROLE_BETA, &at->offset));
    EK_TRY(add_role(u, EK_ROLE_MEAN, &at->mean));
    EK_TRY(add_role(u, EK_ROLE_VARIANCE, &at->variance));
    EK_TRY(add_role(u, EK_IN_ACTIVATED, &at->activated));
    u->spec->activation = u->h->activation;
    if (u->h->forward >= 0 && u->h->in[EK_ROLE_X] != NULL) add_statistics(u);
    EK_TRY(add_output(u, EK_HALF_DX, u->op->in[at->dy].shape, &at->y));
    EK_TRY(add_output(u, EK_HALF_DGAMMA, u->vector, &at->dscale));
    return add_output(u, EK_HALF_DBETA, u->vector, &at->doffset);
}

/* Where nothing else is given for them: a mean of 0 and an inverse of 0. */
static ek_status stand_in(build *u)
{
    ek_bn_ports *at = &u->spec->at;
    ek_array *zeros = NULL;
    ek_port *in = &u->op->in[u->op->n_in];

    if (!u->op->backward || at->mean >= 0) return EK_OK;
    EK_TRY(ek__array_new(u->h->dtype, u->vector, NULL, &zeros, u->b->err));
    memset(zeros->data, 0, (size_t)zeros->count * ek_dtype_size(u->h->dtype));
    EK_TRY(ek__own(u->b, zeros));
    *in = (ek_port){ .dtype = u->h->dtype, .shape = u->vector };
    EK_TRY(ek__constant_new(u->b, zeros, &in->value));
    at->mean = at->inverse = u->op->n_in++;
    return EK_OK;
}

/* ---- what it covers ---------------------------------------------------------------------------------- */

static ek_status add_covers(build *u)
{
    ek_builder *b = u->b;
    int n;
    const int32_t *covers = ek__half_covers(u->h, &n);
    const ek_node **list = ek__arena_alloc(b->arena, sizeof *list * ((size_t)n + 2), sizeof *list);

    if (list == NULL) return ek__plan_no_memory(b->err);
    list[0] = u->op->node;
    u->op->n_covers = 1;
    for (int i = 0; i < n; i++)
        if (covers[i] != list[0]->id && b->program->live[covers[i]] == EK_LIVE_RUN)
            list[u->op->n_covers++] = ek__at(b->program, covers[i]);
    if (u->spec->activation != EK_BN_PLAIN) list[u->op->n_covers++] = u->h->activator;
    u->op->covers = list;
    u->op->cap_covers = n + 2;
    return EK_OK;
}

/* The node whose name speaks for the half. */
static const ek_node *speaker(const ek_builder *b, const ek_half *h)
{
    const ek_site_gradient *g = h->gradient;
    const bool statistics = h->part == EK_HALF_STATISTICS && h->site->n_batch_means > 0;
    const ek_edge e = statistics           ? h->site->batch_mean[0]
                      : g == NULL           ? h->site->y
                      : g->n_own > 0        ? g->own[0] /* the sum is not its own */
                      : g->dx.node >= 0     ? g->dx
                      : g->dgamma.node >= 0 ? g->dgamma
                                            : g->dbeta;

    return ek__at(b->program, e.node);
}

/* ---- the op -------------------------------------------------------------------------------------------- */

/* Tensors that the half gives have its values from now on; those that were passed by while they are fetched as well. */
static ek_status hand_out(build *u)
{
    ek_builder *b = u->b;
    const int32_t self = (int32_t)(u->h - b->half);
    int n;
    const int32_t *covers = ek__half_covers(u->h, &n);

    for (int i = 0; i < n; i++) {
        const ek_node *node = ek__at(b->program, covers[i]);

        if (b->program->live[node->id] == EK_LIVE_NOT) continue;
        for (int k = 0; k < node->n_out; k++) {
            const int32_t at = b->program->first_out[node->id] + k;
            const int32_t what = b->provider[at] - 1;

            if (what >= 0 && b->provider_half[at] == self && u->h->value[what] >= 0)
                b->facts->fact[at].value = u->h->value[what];
        }
    }
    if (u->h->gradient == NULL && u->h->value[EK_HALF_ACTIVATED] >= 0)
        b->facts->fact[b->program->first_out[u->h->activator->id]].value = u->h->value[EK_HALF_ACTIVATED];
    u->h->lowered = true;
    for (int i = 0; i < n; i++)
        if (b->rank[covers[i]] <= u->h->rank && b->program->live[covers[i]] != EK_LIVE_NOT)
            EK_TRY(ek__lower_fetches(b, ek__at(b->program, covers[i])));
    return EK_OK;
}

static ek_bn_spec *spec_of(const ek_builder *b, const ek_half *h)
{
    const ek_site *s = h->site;
    const bool stopped = h->gradient != NULL && h->gradient->stopped;
    ek_bn_spec *spec = ek__arena_calloc(b->arena, 1, sizeof *spec);

    if (spec == NULL) return NULL;
    spec->at = EK_BN_NO_PORTS;
    spec->dtype = h->dtype;
    spec->view = h->view;
    spec->training = s->mode == EK_SITE_TRAIN && !stopped && h->part != EK_HALF_APPLICATION;
    spec->epsilon = s->epsilon;
    spec->empty_as_fused = s->fused;
    return spec;
}

/* ---- into a linear op ------------------------------------------------------------------------------------ */

/* What a half makes of the op that it goes into. */
typedef struct scaling {
    ek_bn_spec norm; /* the first member: op->norm points to it */
    int bias;        /* input that was added to x; -1: none */
} scaling;

/* Scale, shift and, where it takes one, center, a number per channel each. */
typedef struct vectors {
    ek_port at[3];
    int n;
} vectors;

/* What is stored of channel c; `missing` where it is not. */
static double stored(const void *const *in, int port, int64_t c, double missing)
{
    return port < 0 ? missing : (double)((const float *)in[port])[c];
}

/* Whether x * scale + shift keeps the numbers: both are large beside y where the mean is beside the deviation, and what
 * their rounding leaves of y is that many units in its last place. */
static bool is_near(const scaling *s, const void *const *in)
{
    const ek_bn_ports *at = &s->norm.at;

    for (int64_t c = 0; c < s->norm.view.channels; c++) {
        const double mean = stored(in, at->mean, c, 0) - stored(in, s->bias, c, 0);

        if (!(fabs(mean) <= MOST_DEVIATIONS * sqrt(stored(in, at->variance, c, 0) + s->norm.epsilon))) return false;
    }
    return true;
}

/* Per channel, from what is stored: y = (x - center) * scale + shift, or, without a center, x * scale + shift. The center
 * is the mean as a float; what it lost by rounding is in the shift. */
static void scale_and_shift(const scaling *s, const void *const *in, float *scale, float *shift, float *center)
{
    const ek_bn_ports *at = &s->norm.at;

    for (int64_t c = 0; c < s->norm.view.channels; c++) {
        const double inverse = 1 / sqrt(stored(in, at->variance, c, 0) + s->norm.epsilon);
        const double mean = stored(in, at->mean, c, 0) - stored(in, s->bias, c, 0);
        const double beta = stored(in, at->offset, c, 0);
        const float high = (float)mean;

        scale[c] = (float)(stored(in, at->scale, c, 1) * inverse);
        if (center == NULL) {
            shift[c] = (float)(beta - mean * (double)scale[c]);
            continue;
        }
        const double low = mean - (double)high; /* NaN of an infinite mean, whose y is not for the shift to say */
        center[c] = high;
        shift[c] = (float)(low == 0 || !isfinite(low) ? beta : beta - low * (double)scale[c]);
    }
}

static ek_status scale_run(const ek_run_args *a, int64_t chunk)
{
    EK_UNUSED(chunk);
    scale_and_shift(a->state, a->in, a->out[0], a->out[1], a->out[2]);
    return EK_OK;
}

void ek__scale_prepare(const ek_lowered *op, ek_step *step)
{
    step->state = op->norm;
    step->n_phases = 1;
    step->phase[0] = (ek_phase){ scale_run, 1 };
}

/* The vectors as constants of the plan, where they follow from constants. Only then is it known that no center is
 * needed. */
static ek_status scale_now(build *u, const scaling *s, vectors *v, bool *done)
{
    ek_builder *b = u->b;
    const void *in[MOST_PORTS];
    ek_array *vector[3] = { NULL, NULL, NULL };

    *done = true;
    for (int32_t i = 0; i < u->op->n_in; i++) {
        const ek_place *p = &b->value[u->op->in[i].value].place;

        *done = *done && p->home == EK_HOME_CONSTANT;
        in[i] = *done ? b->plan->constant[p->index]->data : NULL;
    }
    if (!*done) return EK_OK;
    v->n = is_near(s, in) ? 2 : 3;
    for (int k = 0; k < v->n; k++) {
        EK_TRY(ek__array_new(EK_FLOAT32, u->vector, NULL, &vector[k], b->err));
        EK_TRY(ek__own(b, vector[k]));
        v->at[k] = (ek_port){ .dtype = EK_FLOAT32, .shape = u->vector };
        EK_TRY(ek__constant_new(b, vector[k], &v->at[k].value));
    }
    scale_and_shift(s, in, vector[0]->data, vector[1]->data, v->n > 2 ? vector[2]->data : NULL);
    return EK_OK;
}

/* The step that computes them, or nothing where they are known. */
static ek_status add_scale(build *u, vectors *v)
{
    ek_builder *b = u->b;
    ek_bn_ports *at = &u->spec->at;
    scaling *s = ek__arena_calloc(b->arena, 1, sizeof *s);
    bool known;

    if (s == NULL) return ek__plan_no_memory(b->err);
    EK_TRY(ek__op_new(b, EK_LOWERED_SCALE, speaker(b, u->h), MOST_PORTS, 3, &u->op));
    u->op->n_in = u->op->n_out = 0;
    u->op->norm = &s->norm;
    s->bias = -1;
    EK_TRY(add_role(u, EK_ROLE_GAMMA, &at->scale));
    EK_TRY(add_role(u, EK_ROLE_BETA, &at->offset));
    EK_TRY(add_role(u, EK_ROLE_MEAN, &at->mean));
    EK_TRY(add_role(u, EK_ROLE_VARIANCE, &at->variance));
    if (u->h->bias != NULL) EK_TRY(add_entry(u, &(ek_site_entry){ u->h->bias->id, 1, EK_ROLE_BETA }, &s->bias));
    s->norm = *u->spec;
    EK_TRY(scale_now(u, s, v, &known));
    if (known) return EK_OK; /* the place of the op is not counted */
    v->n = 3;
    for (int k = 0; k < v->n; k++) {
        v->at[k] = (ek_port){ .dtype = EK_FLOAT32, .shape = u->vector };
        EK_TRY(ek__value_new(b, EK_FLOAT32, u->vector, EK_HOME_BLOCK, 0, &v->at[k].value));
        u->op->out[u->op->n_out++] = v->at[k];
    }
    EK_TRY(add_covers(u));
    b->n_ops++;
    return EK_OK;
}

static ek_status linear_inputs(build *u, const ek_node *n, const vectors *v)
{
    for (int32_t i = 0; i < n->n_in; i++) EK_TRY(ek__check_input(u->b, n, i));
    EK_TRY(ek__lower_inputs(u->b, u->op));
    for (int k = 0; k < v->n; k++) u->op->in[n->n_in + k] = v->at[k];
    return EK_OK;
}

/* The linear op once more, with the half behind it. */
static ek_status add_linear(build *u, ek_half_out what, const vectors *v)
{
    ek_builder *b = u->b;
    const ek_node *n = u->h->linear;
    const bool clamp = what == EK_HALF_ACTIVATED;
    ek_after *after = ek__arena_calloc(b->arena, 1, sizeof *after);

    if ((u->h->want & 1u << what) == 0) return EK_OK;
    if (after == NULL) return ek__plan_no_memory(b->err);
    *after = (ek_after){ .center = v->n > 2 ? n->n_in + 2 : -1, .scale = n->n_in, .bias = n->n_in + 1, .clamp = clamp,
                         .high = clamp && u->h->activation == EK_BN_RELU6 ? 6 : INFINITY };
    EK_TRY(ek__op_new(b, EK_LOWERED_OP, n, n->n_in + v->n, 1, &u->op));
    u->op->after = after;
    EK_TRY(linear_inputs(u, n, v));
    u->op->out[0] = (ek_port){ .dtype = EK_FLOAT32, .shape = &b->facts->shape[b->program->first_out[n->id]] };
    EK_TRY(ek__value_new(b, EK_FLOAT32, u->op->out[0].shape, EK_HOME_BLOCK, 0, &u->op->out[0].value));
    u->h->value[what] = u->op->out[0].value;
    u->spec->activation = clamp ? u->h->activation : EK_BN_PLAIN;
    EK_TRY(add_covers(u));
    b->n_ops++;
    return EK_OK;
}

static ek_status lower_into_linear(build *u)
{
    vectors v = { .n = 0 };

    EK_TRY(add_scale(u, &v));
    EK_TRY(add_linear(u, EK_HALF_Y, &v));
    return add_linear(u, EK_HALF_ACTIVATED, &v);
}

/* ---- all of it ---------------------------------------------------------------------------------------- */

/* EK_LOG=fuse */
static void log_half(const ek_builder *b, const ek_half *h)
{
    static const char *const with[] = { "", ", with Relu", ", with Relu6", ", with Sigmoid", ", with Tanh" };

    static const char *const part[] = { "forward", "statistics", "application" };

    ek__log("fuse", "%s %s: %d nodes -> 1 (%s%s%s%s)", ek__at(b->program, h->site->y.node)->name,
            h->gradient != NULL ? "backward" : part[h->part], h->n_live + (h->activator != NULL),
            h->site->mode == EK_SITE_TRAIN ? "training" : "inference", with[h->activation], h->linear != NULL ? ", with " : "",
            h->linear != NULL ? h->linear->name : "");
}

ek_status ek__half_lower(ek_builder *b, ek_half *h)
{
    ek_shape vector = EK_SHAPE(h->view.channels);
    build u = { .b = b, .h = h };

    if (h->want == 0) return EK_OK;
    u.spec = spec_of(b, h);
    u.vector = ek__arena_memdup(&b->scratch, &vector, sizeof vector);
    if (u.spec == NULL || u.vector == NULL) return ek__plan_no_memory(b->err);
    b->plan->n_norms++;
    if (ek__log_on("fuse")) log_half(b, h);
    if (h->linear != NULL) {
        EK_TRY(lower_into_linear(&u));
        return hand_out(&u);
    }
    EK_TRY(ek__op_new(b, EK_LOWERED_HALF, speaker(b, h), MOST_PORTS, EK_HALF_OUTS, &u.op));
    u.op->n_in = u.op->n_out = 0;
    u.op->norm = u.spec;
    u.op->backward = h->gradient != NULL;
    EK_TRY(u.op->backward ? backward_operands(&u) : forward_operands(&u));
    EK_TRY(stand_in(&u));
    EK_TRY(add_covers(&u));
    b->n_ops++;
    return hand_out(&u);
}

ek_prepare_ctx ek__half_ctx(ek_builder *b, const ek_lowered *op)
{
    return (ek_prepare_ctx){ .def = op->node->spec->def, .n_in = op->n_in, .n_out = op->n_out, .arena = b->arena,
                             .deterministic = b->host->deterministic, .one_thread = b->host->one_thread,
                             .err = b->err };
}

ek_status ek__half_prepare(const ek_lowered *op, ek_prepare_ctx *c)
{
    return op->backward ? ek__bn_prepare_gradient(c, op->norm) : ek__bn_prepare_forward(c, op->norm);
}

bool ek__half_may_overwrite(const ek_lowered *op, int32_t i)
{
    return op->norm->at.y == 0 && (i == op->norm->at.x || i == op->norm->at.dy);
}
