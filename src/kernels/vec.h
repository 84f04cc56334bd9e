/* kernels/vec.h - the vocabulary of vectors that kernels are written in, for the level being compiled.
 *
 * vf holds VF_LANES floats, vd as many doubles, vm one truth per lane. The base level has
 * one lane of plain C and is what the others are measured against: every operation rounds
 * as the C operator does, so that a loop over independent lanes gives the same bits at
 * every level. There is no fused multiply-add and no estimate here on purpose.
 *
 * vf_scale(a, n) is a * 2^n rounded once, for 1/4 <= |a| <= 4 and whole n from -240 to 240; NaN where either is.
 * vf_min(a, b) is a < b ? a : b and vf_max(a, b) is a > b ? a : b: b where either is NaN.
 * vf_load_part reads n < VF_LANES floats, the other lanes hold `fill`; vf_store_part
 * writes n. Neither touches memory beyond them. Pointers need no alignment, except that
 * vf_stream (a store past the caches) wants the vector's own; vf_fence() follows the last one.
 */
#ifndef EK_KERNELS_VEC_H
#define EK_KERNELS_VEC_H

#include "kernels/level.h"

#if defined(EK_LEVEL_avx512) || defined(EK_LEVEL_avx2)
#include <immintrin.h>
#else
#include <math.h>
#endif

#if defined(EK_LEVEL_avx512)

enum { VF_LANES = 16 };
typedef __m512 vf;
typedef __mmask16 vm;
typedef struct vd { __m512d lo, hi; } vd;

static inline __mmask16 vf_first_(int64_t n) { return (__mmask16)((1u << n) - 1u); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline void vf_stream(float *p, vf a) { _mm512_stream_ps(p, a); }
static inline void vf_fence(void) { _mm_sfence(); }
static inline vf vf_set(float a) { return _mm512_set1_ps(a); }
static inline vf vf_load_part(const float *p, int64_t n, float fill)
{
    return _mm512_mask_loadu_ps(vf_set(fill), vf_first_(n), p);
}
static inline void vf_store_part(float *p, vf a, int64_t n) { _mm512_mask_storeu_ps(p, vf_first_(n), a); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm512_abs_ps(a); }
static inline vf vf_neg(vf a) { return _mm512_xor_ps(a, vf_set(-0.0f)); }
static inline vf vf_copysign(vf a, vf sign)
{
    return _mm512_or_ps(vf_abs(a), _mm512_and_ps(sign, vf_set(-0.0f)));
}
static inline vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vm vf_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); } /* m ? a : b */
static inline vf vf_scale(vf a, vf n) { return _mm512_scalef_ps(a, n); }
static inline vd vd_set(double a) { return (vd){ _mm512_set1_pd(a), _mm512_set1_pd(a) }; }
static inline vd vd_load(const double *p) { return (vd){ _mm512_loadu_pd(p), _mm512_loadu_pd(p + 8) }; }
static inline void vd_store(double *p, vd a) { _mm512_storeu_pd(p, a.lo), _mm512_storeu_pd(p + 8, a.hi); }
static inline vd vd_add(vd a, vd b) { return (vd){ _mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi) }; }
static inline vd vd_sub(vd a, vd b) { return (vd){ _mm512_sub_pd(a.lo, b.lo), _mm512_sub_pd(a.hi, b.hi) }; }
static inline vd vd_mul(vd a, vd b) { return (vd){ _mm512_mul_pd(a.lo, b.lo), _mm512_mul_pd(a.hi, b.hi) }; }
static inline vd vd_div(vd a, vd b) { return (vd){ _mm512_div_pd(a.lo, b.lo), _mm512_div_pd(a.hi, b.hi) }; }
static inline vd vd_of(vf a)
{
    return (vd){ _mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)) };
}
static inline vf vf_of(vd a)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.lo)), _mm512_cvtpd_ps(a.hi), 1);
}

#elif defined(EK_LEVEL_avx2)

enum { VF_LANES = 8 };
typedef __m256 vf;
typedef __m256 vm;
typedef struct vd { __m256d lo, hi; } vd;

static inline __m256i vf_first_(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline void vf_stream(float *p, vf a) { _mm256_stream_ps(p, a); }
static inline void vf_fence(void) { _mm_sfence(); }
static inline vf vf_set(float a) { return _mm256_set1_ps(a); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); } /* m ? a : b */
static inline vf vf_power_(__m256i n) /* 2^n, n above -127 and below 128 */
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
static inline vf vf_scale(vf a, vf n)
{
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);

    return _mm256_mul_ps(_mm256_mul_ps(a, vf_power_(half)), vf_power_(_mm256_sub_epi32(whole, half)));
}
static inline vf vf_load_part(const float *p, int64_t n, float fill)
{
    const __m256i m = vf_first_(n);

    return vf_select(_mm256_castsi256_ps(m), _mm256_maskload_ps(p, m), vf_set(fill));
}
static inline void vf_store_part(float *p, vf a, int64_t n) { _mm256_maskstore_ps(p, vf_first_(n), a); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm256_andnot_ps(vf_set(-0.0f), a); }
static inline vf vf_neg(vf a) { return _mm256_xor_ps(a, vf_set(-0.0f)); }
static inline vf vf_copysign(vf a, vf sign)
{
    return _mm256_or_ps(vf_abs(a), _mm256_and_ps(sign, vf_set(-0.0f)));
}
static inline vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vm vf_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline vd vd_set(double a) { return (vd){ _mm256_set1_pd(a), _mm256_set1_pd(a) }; }
static inline vd vd_load(const double *p) { return (vd){ _mm256_loadu_pd(p), _mm256_loadu_pd(p + 4) }; }
static inline void vd_store(double *p, vd a) { _mm256_storeu_pd(p, a.lo), _mm256_storeu_pd(p + 4, a.hi); }
static inline vd vd_add(vd a, vd b) { return (vd){ _mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi) }; }
static inline vd vd_sub(vd a, vd b) { return (vd){ _mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi) }; }
static inline vd vd_mul(vd a, vd b) { return (vd){ _mm256_mul_pd(a.lo, b.lo), _mm256_mul_pd(a.hi, b.hi) }; }
static inline vd vd_div(vd a, vd b) { return (vd){ _mm256_div_pd(a.lo, b.lo), _mm256_div_pd(a.hi, b.hi) }; }
static inline vd vd_of(vf a)
{
    return (vd){ _mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)) };
}
static inline vf vf_of(vd a) { return _mm256_set_m128(_mm256_cvtpd_ps(a.hi), _mm256_cvtpd_ps(a.lo)); }

#else

enum { VF_LANES = 1 };
typedef float vf;
typedef bool vm;
typedef double vd;

static inline vf vf_load(const float *p) { return *p; }
static inline void vf_store(float *p, vf a) { *p = a; }
static inline void vf_stream(float *p, vf a) { *p = a; }
static inline void vf_fence(void) {}
static inline vf vf_set(float a) { return a; }
static inline vf vf_load_part(const float *p, int64_t n, float fill) { return n > 0 ? *p : fill; }
static inline void vf_store_part(float *p, vf a, int64_t n)
{
    if (n > 0) *p = a;
}
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_sqrt(vf a) { return sqrtf(a); }
static inline vf vf_min(vf a, vf b) { return a < b ? a : b; }
static inline vf vf_max(vf a, vf b) { return a > b ? a : b; }
static inline vf vf_abs(vf a) { return fabsf(a); }
static inline vf vf_neg(vf a) { return -a; }
static inline vf vf_copysign(vf a, vf sign) { return copysignf(a, sign); }
static inline vm vf_lt(vf a, vf b) { return a < b; }
static inline vm vf_eq(vf a, vf b) { return a == b; }
static inline vf vf_select(vm m, vf a, vf b) { return m ? a : b; }
static inline vf vf_power_(int32_t n) /* 2^n, n above -127 and below 128 */
{
    const union { uint32_t bits; float f; } u = { (uint32_t)(n + 127) << 23 };

    return u.f;
}
static inline vf vf_scale(vf a, vf n)
{
    const int32_t whole = n == n ? (int32_t)n : 0, half = whole >> 1;

    return a * vf_power_(half) * vf_power_(whole - half);
}
static inline vd vd_set(double a) { return a; }
static inline vd vd_load(const double *p) { return *p; }
static inline void vd_store(double *p, vd a) { *p = a; }
static inline vd vd_add(vd a, vd b) { return a + b; }
static inline vd vd_sub(vd a, vd b) { return a - b; }
static inline vd vd_mul(vd a, vd b) { return a * b; }
static inline vd vd_div(vd a, vd b) { return a / b; }
static inline vd vd_of(vf a) { return (double)a; }
static inline vf vf_of(vd a) { return (float)a; }

#endif
#endif
