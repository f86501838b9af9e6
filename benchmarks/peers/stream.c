/* STREAM's triad a = b + s c: as a compiler sees it, and with stores past the caches. n counts doubles. */
#include <immintrin.h>
#include <stddef.h>

void triad_plain(double *restrict a, const double *restrict b, const double *restrict c, double s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] + s * c[i];
}

#if defined(__AVX512F__)
typedef __m512d vec;
#define SPLAT _mm512_set1_pd
#define LOAD _mm512_loadu_pd
#define FMA _mm512_fmadd_pd
#define STREAM _mm512_stream_pd
#elif defined(__AVX2__) && defined(__FMA__)
typedef __m256d vec;
#define SPLAT _mm256_set1_pd
#define LOAD _mm256_loadu_pd
#define FMA _mm256_fmadd_pd
#define STREAM _mm256_stream_pd
#else
typedef __m128d vec;
#define SPLAT _mm_set1_pd
#define LOAD _mm_loadu_pd
#define FMA(x, y, z) _mm_add_pd(_mm_mul_pd(x, y), z)
#define STREAM _mm_stream_pd
#endif

/* n must be a multiple of 64, and a must start on a 64-byte boundary. */
void triad_nt(double *a, const double *b, const double *c, double s, size_t n)
{
    enum { WIDTH = sizeof(vec) / sizeof(double), UNROLL = 8 };
    const vec factor = SPLAT(s);
    for (size_t i = 0; i < n; i += UNROLL * WIDTH) {
#pragma GCC unroll 8
        for (int j = 0; j < UNROLL; j++) {
            size_t k = i + j * WIDTH;
            STREAM(a + k, FMA(factor, LOAD(c + k), LOAD(b + k)));
        }
    }
    _mm_sfence();
}
