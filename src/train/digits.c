/* train/digits.c - digits drawn with a pen: strokes in a random pose, width and ink, on noisy paper.
 *
 * Only +, -, *, / and sqrt are used, which round alike everywhere: a seed is the same picture on every machine.
 */
#include <math.h>
#include <string.h>

#include "evenkeel/data.h"
#include "kernels/philox.h"
#include "values/array.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, MOST_POINTS = 17, BENDS = 6 };

typedef struct point {
    float x, y;
} point;

/* A digit in the unit square, y downwards, in one stroke: a start and then pairs of a control point and an end (quadratic
 * curves). */
typedef struct glyph {
    int n;
    point at[MOST_POINTS];
} glyph;
#define LINE(x0, y0, x1, y1) { ((x0) + (x1)) / 2, ((y0) + (y1)) / 2 }, { (x1), (y1) }

static const glyph digits[10] = {
    { 9, { { .5f, .1f }, { .85f, .1f }, { .85f, .5f }, { .85f, .9f }, { .5f, .9f }, { .15f, .9f }, { .15f, .5f },
           { .15f, .1f }, { .5f, .1f } } },
    { 5, { { .35f, .28f }, LINE(.35f, .28f, .55f, .1f), LINE(.55f, .1f, .55f, .9f) } },
    { 9, { { .2f, .3f }, { .22f, .1f }, { .5f, .1f }, { .82f, .1f }, { .8f, .35f }, { .75f, .55f }, { .18f, .9f },
           LINE(.18f, .9f, .85f, .9f) } },
    { 9, { { .2f, .15f }, { .8f, .02f }, { .78f, .3f }, { .75f, .47f }, { .42f, .47f }, { .85f, .48f }, { .82f, .72f },
           { .75f, .98f }, { .18f, .85f } } },
    { 7, { { .62f, .9f }, LINE(.62f, .9f, .62f, .1f), LINE(.62f, .1f, .15f, .65f), LINE(.15f, .65f, .88f, .65f) } },
    { 9, { { .8f, .1f }, LINE(.8f, .1f, .27f, .1f), LINE(.27f, .1f, .23f, .45f), { .85f, .3f }, { .82f, .66f },
           { .75f, .97f }, { .18f, .86f } } },
    { 11, { { .72f, .1f }, { .2f, .25f }, { .2f, .66f }, { .22f, .92f }, { .5f, .9f }, { .82f, .9f }, { .8f, .66f },
            { .75f, .42f }, { .5f, .44f }, { .25f, .46f }, { .2f, .68f } } },
    { 5, { { .15f, .1f }, LINE(.15f, .1f, .85f, .1f), { .5f, .5f }, { .42f, .9f } } },
    { 17, { { .5f, .1f }, { .8f, .1f }, { .76f, .3f }, { .7f, .47f }, { .5f, .48f }, { .3f, .47f }, { .24f, .3f },
            { .2f, .1f }, { .5f, .1f }, { .24f, .12f }, { .26f, .32f }, { .3f, .44f }, { .5f, .48f }, { .9f, .5f },
            { .82f, .74f }, { .5f, 1.05f }, { .2f, .75f } } },
    { 11, { { .8f, .34f }, { .76f, .56f }, { .5f, .56f }, { .2f, .56f }, { .2f, .32f }, { .22f, .1f }, { .5f, .1f },
            { .82f, .1f }, { .8f, .34f }, { .8f, .7f }, { .5f, .9f } } },
};

/* ---- chance ---------------------------------------------------------------------------------------------- */

/* Even in [low, high). */
static float between(ek_philox_words *w, float low, float high)
{
    return low + (high - low) * ((float)(ek__philox_word(w) >> 8) * (1.0f / 16777216.0f));
}

/* About normal with deviation 1: the sum of four even numbers in one word. */
static float about_normal(ek_philox_words *w)
{
    const uint32_t v = ek__philox_word(w);
    const float sum = (float)((v & 255u) + (v >> 8 & 255u) + (v >> 16 & 255u) + (v >> 24));

    return (sum - 510.0f) * (1.0f / 147.8f);
}

/* ---- a pose ------------------------------------------------------------------------------------------------- */

/* Unit square to pixels. */
typedef struct pose {
    float xx, xy, yx, yy, x, y;
} pose;

static pose random_pose(ek_philox_words *w)
{
    const float half = between(w, -0.16f, 0.16f); /* tangent of half the angle: 18 degrees at most */
    const float sine = 2 * half / (1 + half * half), cosine = (1 - half * half) / (1 + half * half);
    const float width = between(w, 13, 21), height = between(w, 16, 23), shear = between(w, -0.3f, 0.3f);
    pose p;

    p.xx = width * cosine;
    p.yx = width * sine;
    p.xy = height * (shear * cosine - sine);
    p.yy = height * (shear * sine + cosine);
    p.x = 0.5f * (float)SIDE + between(w, -3, 3) - 0.5f * (p.xx + p.xy);
    p.y = 0.5f * (float)SIDE + between(w, -3, 3) - 0.5f * (p.yx + p.yy);
    return p;
}

static point placed(const pose *p, point at)
{
    return (point){ p->x + p->xx * at.x + p->xy * at.y, p->y + p->yx * at.x + p->yy * at.y };
}

/* ---- the pen -------------------------------------------------------------------------------------------------- */

static int clamped(float v) { return v < 0 ? 0 : v > (float)(SIDE - 1) ? SIDE - 1 : (int)v; }

/* Ink within `radius` of the line from a to b, fading over one pixel; the darker of what is there and what comes. */
static void draw_line(float *pixel, point a, point b, float radius, float ink)
{
    const float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy, reach = radius + 1;
    const int left = clamped((a.x < b.x ? a.x : b.x) - reach), right = clamped((a.x > b.x ? a.x : b.x) + reach);
    const int top = clamped((a.y < b.y ? a.y : b.y) - reach), bottom = clamped((a.y > b.y ? a.y : b.y) + reach);

    for (int y = top; y <= bottom; y++) {
        for (int x = left; x <= right; x++) {
            const float px = (float)x + 0.5f - a.x, py = (float)y + 0.5f - a.y;
            float t = length > 0 ? (px * dx + py * dy) / length : 0;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            const float ex = px - t * dx, ey = py - t * dy;
            float dark = radius + 0.5f - sqrtf(ex * ex + ey * ey);
            dark = (dark < 0 ? 0 : dark > 1 ? 1 : dark) * ink;
            if (dark > pixel[y * SIDE + x]) pixel[y * SIDE + x] = dark;
        }
    }
}

static point on_curve(point a, point c, point b, float t)
{
    const float u = 1 - t;

    return (point){ u * u * a.x + 2 * u * t * c.x + t * t * b.x, u * u * a.y + 2 * u * t * c.y + t * t * b.y };
}

static void draw_digit(float *pixel, int digit, ek_philox_words *w)
{
    const glyph *g = &digits[digit];
    const pose p = random_pose(w);
    const float radius = between(w, 0.6f, 1.7f), ink = between(w, 0.6f, 1);
    point at[MOST_POINTS];

    for (int i = 0; i < g->n; i++) {
        const float x = between(w, -0.05f, 0.05f), y = between(w, -0.05f, 0.05f);
        at[i] = placed(&p, (point){ g->at[i].x + x, g->at[i].y + y });
    }
    for (int i = 0; i + 2 < g->n; i += 2) {
        point from = at[i];
        for (int k = 1; k <= BENDS; k++) {
            const point to = on_curve(at[i], at[i + 1], at[i + 2], (float)k / (float)BENDS);
            draw_line(pixel, from, to, radius, ink);
            from = to;
        }
    }
}

static void add_noise(float *pixel, ek_philox_words *w)
{
    const float deviation = between(w, 0.05f, 0.2f);

    for (int i = 0; i < PIXELS; i++) {
        const float v = pixel[i] + deviation * about_normal(w);
        pixel[i] = v < 0 ? 0 : v > 1 ? 1 : v;
    }
}

ek_status ek_digits(int64_t seed, int64_t n, ek_array **images, ek_array **labels)
{
    ek_error *err = ek__error_begin(NULL);

    if (images != NULL) *images = NULL;
    if (labels != NULL) *labels = NULL;
    if (images == NULL || labels == NULL)
        return EK_FAIL(err, INVALID_ARGUMENT, "ek_digits needs two places for its arrays, %s is NULL",
                       images == NULL ? "images" : "labels");
    if (n < 0) return EK_FAIL(err, INVALID_ARGUMENT, "ek_digits: %lld images were asked for", (long long)n);
    EK_TRY(ek__array_new(EK_FLOAT32, &EK_SHAPE(n, PIXELS), NULL, images, err));
    const ek_status st = ek__array_new(EK_INT64, &EK_SHAPE(n), NULL, labels, err);
    if (st != EK_OK) {
        ek_array_unref(*images);
        *images = NULL;
        return st;
    }
    memset((*images)->data, 0, (size_t)n * PIXELS * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        /* A stream per picture: none depends on those before it. */
        ek_philox_words w = ek__philox_words(ek__philox((uint64_t)seed, (uint64_t)i));
        float *pixel = (float *)(*images)->data + i * PIXELS;
        const int digit = (int)(ek__philox_word(&w) % 10u);
        draw_digit(pixel, digit, &w);
        add_noise(pixel, &w);
        ((int64_t *)(*labels)->data)[i] = digit;
    }
    return EK_OK;
}
