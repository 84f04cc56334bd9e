/* plan/beside.c - what a half of a batch norm takes in from beside it: the activation behind y, the gradient of one in
 * front of dy, at inference the product or convolution that gives x.
 */
#include "plan/recognise.h"

/* ---- activations ---------------------------------------------------------------------------------------- */

/* An op of the region with the half's shape and type, none of whose outputs is fed. */
static bool fits(const ek_builder *b, const ek_half *h, const ek_node *n)
{
    const ek_program *p = b->program;

    return ek__is_run(b, n->id) && (p->mark[n->id] & EK_MARK_FED) == 0 && ek_dtype_base(n->out_dtype[0]) == h->dtype &&
           ek_shape_count(&b->facts->shape[p->first_out[n->id]]) ==
               h->view.outer * h->view.channels * h->view.inner;
}

static bool is_clamp(ek_bn_activation f) { return f == EK_BN_RELU || f == EK_BN_RELU6; }

/* Who reads y as an activation: the first of the graph, so that it is the same in every plan. */
static void find_activations(const ek_scan *s)
{
    ek_builder *b = s->b;

    for (int32_t k = b->begin; k < b->end; k++) {
        const ek_node *n = ek__at(b->program, b->program->order[k]);
        const ek_bn_activation f = ek__activation_of(n->spec->def);

        if (f == EK_BN_PLAIN || !ek__is_run(b, n->id)) continue;
        const ek_edge y = ek__origin_of(s, n->in[0]).at;
        const int32_t at = ek__out_at(b->program, y);
        if (b->provider[at] != 1 + EK_HALF_Y) continue;
        ek_half *h = &b->half[b->provider_half[at]];
        const int32_t out = b->program->first_out[n->id];
        if (h->gradient != NULL || h->activator != NULL || (h->linear != NULL && !is_clamp(f)) ||
            !ek__same_edge(h->site->y, y) || !fits(b, h, n) || b->facts->constant[out] != NULL)
            continue;
        h->activation = f;
        h->activator = n;
        b->provider[out] = 1 + EK_HALF_ACTIVATED;
        b->provider_half[out] = b->provider_half[at];
    }
}

/* dy that comes through the gradient of an activation: the half passes it itself. A rectifier's mask is computed again
 * from x where what it reads is what the forward half gave. */
static void pass_activation(const ek_scan *s, ek_half *h)
{
    const ek_builder *b = s->b;
    const ek_site_entry *dy = h->in[EK_ROLE_DY];
    int gradient = 0;

    if (dy == NULL || h->gradient->before_gamma) return;
    const ek_edge at = ek__origin_of(s, ek__at(b->program, dy->node)->in[dy->input]).at;
    const ek_node *n = ek__at(b->program, at.node);
    const ek_bn_activation f = ek__activation_gradient_of(n->spec->def, &gradient);
    if (f == EK_BN_PLAIN || !fits(b, h, n) || !ek__in_region(s, n->id) ||
        b->facts->fact[ek__out_at(b->program, n->in[0])].dead || b->facts->fact[ek__out_at(b->program, n->in[1])].dead)
        return;
    const int32_t given = ek__out_at(b->program, ek__origin_of(s, n->in[1 - gradient]).at);
    const bool again = is_clamp(f) && h->applied >= 0 && b->provider[given] != 0 &&
                       b->provider_half[given] == h->applied &&
                       (b->provider[given] == 1 + EK_HALF_Y ||
                        (b->provider[given] == 1 + EK_HALF_ACTIVATED && b->half[h->applied].activation == f)) &&
                       (h->site->gamma.node < 0 || h->in[EK_ROLE_GAMMA] != NULL) &&
                       (h->site->beta.node < 0 || h->in[EK_ROLE_BETA] != NULL);
    h->activation = f;
    h->activator = n;
    h->own[0] = (ek_site_entry){ n->id, gradient, EK_ROLE_DY };
    h->own[1] = (ek_site_entry){ n->id, 1 - gradient, EK_ROLE_DY };
    h->in[EK_ROLE_DY] = &h->own[0];
    if (!again) h->in[EK_IN_ACTIVATED] = &h->own[1];
}

/* ---- linear ops ------------------------------------------------------------------------------------------ */

/* Whether the op's channels are the half's: the last axis, or axis 1 where its data format says so. */
static bool same_channels(const ek_half *h, const ek_node *n)
{
    const uint32_t all = (1u << h->site->rank) - 1;
    const uint32_t kept = 1u << (ek__attr_channels_first(n) ? 1 : h->site->rank - 1);

    return (h->site->axes | kept) == all && (h->site->axes & kept) == 0;
}

/* An input that is a variable's memory is the same where the op runs later. */
static bool keeps_inputs(const ek_scan *s, const ek_half *h, const ek_node *n)
{
    for (int32_t i = 0; i < n->n_in; i++) {
        const ek_fact *f = &s->b->facts->fact[ek__out_at(s->b->program, n->in[i])];

        if (f->dead) return false;
        if (f->feed >= 0 || f->variable < 0 || f->snapshot || s->first_write[f->variable] < 0) continue;
        if (s->position[n->id] <= s->last_write[f->variable] && h->place >= s->first_write[f->variable]) return false;
    }
    return true;
}

static bool usable(const ek_scan *s, const ek_half *h, const ek_node *n)
{
    const ek_builder *b = s->b;
    const int32_t out = b->program->first_out[n->id];

    return n->n_out == 1 && fits(b, h, n) && b->facts->constant[out] == NULL &&
           b->facts->shape[out].rank == h->site->rank && ek__in_region(s, n->id) && same_channels(h, n) &&
           keeps_inputs(s, h, n);
}

/* At inference a batch norm is a scale and a shift per channel, which the op that gives x applies to its results while
 * they are at hand. Who else asks for x gets it from the op itself: another fetch changes nothing. */
static void find_linear(const ek_scan *s, ek_half *h)
{
    const ek_builder *b = s->b;
    const ek_site_entry *x = h->in[EK_ROLE_X];

    if (h->gradient != NULL || h->site->mode != EK_SITE_INFERENCE || x == NULL || h->dtype != EK_FLOAT32) return;
    ek_edge at = ek__origin_of(s, ek__at(b->program, x->node)->in[x->input]).at;
    const ek_node *n = ek__at(b->program, at.node), *bias = NULL;
    if (ek__is_bias(n->spec->def) && usable(s, h, n)) {
        bias = n;
        at = ek__origin_of(s, n->in[0]).at;
        n = ek__at(b->program, at.node);
    }
    if (n->spec->def->prepare_after == NULL || at.index != 0 || !usable(s, h, n)) return;
    h->linear = n;
    h->bias = bias;
}

void ek__find_beside(const ek_scan *s)
{
    ek_builder *b = s->b;

    for (int32_t i = 0; i < b->n_halves; i++) find_linear(s, &b->half[i]);
    find_activations(s);
    for (int32_t i = 0; i < b->n_halves; i++)
        if (b->half[i].gradient != NULL) pass_activation(s, &b->half[i]);
}
