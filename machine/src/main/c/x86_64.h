// The part of x86-64: sets of instructions from AVX2 on, tiles, and the questions which of them may be used.
#include <immintrin.h>
#include <cpuid.h>

#pragma GCC push_options
#pragma GCC target("avx2,f16c,fma")
#define SET(name) CAT(name, _avx2)
#define LANES 8
#define DOT 0
#define ROWS 4
#define COLS 2
#include "loops.h"
#pragma GCC pop_options

#pragma GCC push_options
#ifdef WITHOUT_AVXVNNI // for a processor with the same instruction in another encoding
#pragma GCC target("avx2,f16c,fma,avx512vl,avx512vnni")
#define DPBUSD256 _mm256_dpbusd_epi32
#else
#pragma GCC target("avx2,f16c,fma,avxvnni")
#define DPBUSD256 _mm256_dpbusd_avx_epi32
#endif
#define SET(name) CAT(name, _avxvnni)
#define LANES 8
#define DOT 1
#define ROWS 4
#define COLS 2
#include "loops.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,f16c,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
#define SET(name) CAT(name, _avx512)
#define LANES 16
#define DOT 1
#define ROWS 6
#define COLS 4
#include "loops.h"
#pragma GCC pop_options

// ---- AMX, from two tiles on, in groups of 32 without minimums: a tile of 16 rows by 16 outputs and a group; one multiplies
// while another is folded. Folding is what takes the time, so for fewer rows, smaller groups or minimums AVX-512 is faster.
#ifdef EMULATED_TILES
#include EMULATED_TILES
#endif
#pragma GCC push_options
#pragma GCC target("avx2,f16c,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,amx-tile,amx-int8")
struct tiles { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; };
static void tiles(const struct job *j) {
  const int group = 32;
  int groups = j->depth / group, step = 64 * group + 512;
  struct tiles config = {.palette = 1};
  for (int i = 0; i < 6; i++) config.bytes[i] = 64, config.rows[i] = 16; // 0 and 1: sums, 2: inputs, 3: codes
  config.bytes[2] = group, config.rows[3] = group / 4;
  _tile_loadconfig(&config);
  int32_t *sums = (int32_t *) (j->scratch + (int64_t) groups * step);
  for (int p = 0; p < j->count; p++) {
    for (int g = 0; g < groups; g++) widen_avx512(j->f, j->w + p * j->stride, g, j->scratch + (int64_t) g * step, 1, 0);
    for (int t = 0; t < j->rows; t += 16)
      for (int v = 0; v < 4; v++) {
        __m512 y[16];
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++) y[r] = _mm512_setzero_ps();
        for (int g = 0; g <= groups; g++) {
          if (g < groups) {
            const int8_t *x = inputsAt(j, t / 16, g, group).x;
            const uint8_t *c = j->scratch + (int64_t) g * step + 64 * v;
            int32_t *to = sums + g % 2 * 256;
            _tile_loadd(2, x, 32);
            _tile_loadd(3, c, 256);
            if (g % 2) { _tile_zero(1); _tile_dpbssd(1, 2, 3); _tile_stored(1, to, 64); }
            else { _tile_zero(0); _tile_dpbssd(0, 2, 3); _tile_stored(0, to, 64); }
          }
          if (g > 0) {
            const float *n = (const float *) (j->scratch + (int64_t) (g - 1) * step + 64 * group) + 16 * v;
            const int32_t *d = sums + (g - 1) % 2 * 256;
            struct inputs in = inputsAt(j, t / 16, g - 1, group);
            __m512 scale = _mm512_loadu_ps(n);
#pragma GCC unroll 16
            for (int r = 0; r < 16; r++) {
              __m512 s = _mm512_set1_ps(in.s[r]);
              y[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(d + 16 * r)), _mm512_mul_ps(scale, s), y[r]);
            }
          }
        }
        float *to = j->y + t * j->next + 64 * p + 16 * v;
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++) if (t + r < j->rows) _mm512_storeu_ps(to + r * j->next, y[r]);
      }
  }
  _tile_release();
}
#pragma GCC pop_options

// ---- questions
// The sets of this processor whose registers the system saves; whether TILES may be used it must be asked, see permit.
int64_t detect(int64_t hwcap) {
  (void) hwcap;
  unsigned a, b, c, d, a7, b7, c7, d7, a71 = 0, most = __get_cpuid_max(0, 0), low, high;
  if (most < 7) return 0;
  __cpuid(1, a, b, c, d);
  if (!(c & bit_OSXSAVE)) return 0;
  int fma = (c & bit_FMA) && (c & bit_F16C);
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  __cpuid_count(7, 0, a7, b7, c7, d7);
  if (a7 >= 1) __cpuid_count(7, 1, a71, b, c, d);
  int64_t set = fma && (b7 & bit_AVX2) && (low & 6) == 6 ? AVX2 : 0;
  if (set && (a71 & bit_AVXVNNI)) set |= AVXVNNI;
  unsigned wide = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
  if (set && (b7 & wide) == wide && (c7 & bit_AVX512VNNI) && (low & 0xe6) == 0xe6) set |= AVX512;
  if ((set & AVX512) && (d7 & bit_AMX_TILE) && (d7 & bit_AMX_INT8) && (low & 0x60000) == 0x60000) set |= TILES;
  return set;
}

// Asks Linux for the process's use of tiles: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
int64_t permit(void) {
  int64_t result = 158;
  __asm__ volatile("syscall" : "+a"(result) : "D"(0x1023), "S"(18) : "rcx", "r11", "memory");
  return result;
}

INLINE void round_set(int64_t set, const struct job *j, const float *from, int8_t *x, float *s, int32_t *sum) {
  if (set & AVX512) round_avx512(j, from, x, s, sum); else round_avx2(j, from, x, s, sum);
}
INLINE void multiply_set(int64_t set, const struct job *j) {
  if ((set & TILES) && j->rows >= 32 && j->f.group == 32 && !j->f.least) tiles(j);
  else if (set & AVX512) products_avx512(j);
  else if (set & AVXVNNI) products_avxvnni(j);
  else products_avx2(j);
}
