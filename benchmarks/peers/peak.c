/* Twelve independent chains x = x a + b in registers, with the widest vectors this machine has. */
#include <immintrin.h>

enum { CHAINS = 12 };

#if defined(__AVX512F__)
#define VEC(suffix) _mm512_##suffix
typedef __m512 vec_f32;
typedef __m512d vec_f64;
#elif defined(__AVX2__) && defined(__FMA__)
#define VEC(suffix) _mm256_##suffix
typedef __m256 vec_f32;
typedef __m256d vec_f64;
#else
#error "the peer needs AVX2 with FMA, or AVX-512"
#endif

#define PEAK(name, type, scalar, splat, fmadd, storeu)                        \
    double name(long rounds, double a, double b)                              \
    {                                                                         \
        type factor = VEC(splat)((scalar)a), addend = VEC(splat)((scalar)b);  \
        type sums[CHAINS];                                                    \
        for (int i = 0; i < CHAINS; i++)                                      \
            sums[i] = VEC(splat)((scalar)(1.0 + i / 1024.0));                 \
        while (rounds-- > 0) {                                                \
            _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++)         \
                sums[i] = VEC(fmadd)(sums[i], factor, addend);                \
        }                                                                     \
        double total = 0.0;                                                   \
        for (int i = 0; i < CHAINS; i++) {                                    \
            scalar lanes[sizeof(type) / sizeof(scalar)];                      \
            VEC(storeu)(lanes, sums[i]);                                      \
            for (unsigned j = 0; j < sizeof(type) / sizeof(scalar); j++)      \
                total += lanes[j];                                            \
        }                                                                     \
        return total;                                                         \
    }

PEAK(peak_float32, vec_f32, float, set1_ps, fmadd_ps, storeu_ps)
PEAK(peak_float64, vec_f64, double, set1_pd, fmadd_pd, storeu_pd)
