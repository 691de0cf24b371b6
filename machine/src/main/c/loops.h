// The loops, written once and included for each instruction set, which defines
//   SET(name)   the name with the set's suffix
//   LANES       floats of a vector: 16, 8 or 4
//   DOT         whether one instruction adds four products of bytes: 1 with unsigned codes, 2 with signed ones, 0 none
//   ROWS, COLS  rows and vectors of a block: its sums stay in registers
#define AT(type) CAT(type, _unaligned)
#define I SET(ints)
#define F SET(floats)
#define BYTES (4 * LANES)
#define VECTORS (64 / LANES) // of a panel
#define FEW (LANES == 4 ? 1 : 2) // rows that read a panel once: of two, 16 vectors of sums would not stay in registers
#define PLAIN (DOT == 1) // codes of 8 bits are taken as they are stored
typedef int32_t I __attribute__((vector_size(BYTES)));
typedef float F __attribute__((vector_size(BYTES)));
typedef I AT(I) __attribute__((aligned(1), may_alias)); // anywhere in memory
typedef F AT(F) __attribute__((aligned(1), may_alias));

INLINE I SET(all)(int32_t n) { return (I) {} + n; }
INLINE F SET(allf)(float n) { return (F) {} + n; }
INLINE I SET(load)(const void *p) { return *(const AT(I) *) p; }
INLINE F SET(float)(I n) { return __builtin_convertvector(n, F); }

#if LANES == 16
INLINE F SET(fma)(F a, F b, F c) { return (F) _mm512_fmadd_ps((__m512) a, (__m512) b, (__m512) c); }
INLINE F SET(half)(const uint8_t *p) { return (F) _mm512_cvtph_ps(_mm256_loadu_si256((const void *) p)); }
INLINE F SET(bytes)(const uint8_t *p) {
  return SET(float)((I) _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *) p)));
}
INLINE I SET(most)(I a, I b) { return (I) _mm512_max_epi32((__m512i) a, (__m512i) b); }
INLINE I SET(nearest)(F a) { return (I) _mm512_cvtps_epi32((__m512) a); }
INLINE void SET(narrow)(int8_t *to, I a) { _mm_storeu_si128((void *) to, _mm512_cvtepi32_epi8((__m512i) a)); }
INLINE int32_t SET(largest)(I a) { return _mm512_reduce_max_epi32((__m512i) a); }
INLINE int32_t SET(total)(I a) { return _mm512_reduce_add_epi32((__m512i) a); }
INLINE I SET(dot)(I a, I u, I q) { return (I) _mm512_dpbusd_epi32((__m512i) a, (__m512i) u, (__m512i) q); }
#elif LANES == 8
INLINE F SET(fma)(F a, F b, F c) { return (F) _mm256_fmadd_ps((__m256) a, (__m256) b, (__m256) c); }
INLINE F SET(half)(const uint8_t *p) { return (F) _mm256_cvtph_ps(_mm_loadu_si128((const void *) p)); }
INLINE F SET(bytes)(const uint8_t *p) {
  return SET(float)((I) _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *) p)));
}
INLINE I SET(most)(I a, I b) { return (I) _mm256_max_epi32((__m256i) a, (__m256i) b); }
INLINE I SET(nearest)(F a) { return (I) _mm256_cvtps_epi32((__m256) a); }
INLINE void SET(narrow)(int8_t *to, I a) {
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i) a), _mm256_extracti128_si256((__m256i) a, 1));
  _mm_storel_epi64((void *) to, _mm_packs_epi16(words, words));
}
#define FOLD(OP, A) \
  __m128i n = OP(_mm256_castsi256_si128((__m256i) A), _mm256_extracti128_si256((__m256i) A, 1)); \
  n = OP(n, _mm_shuffle_epi32(n, 0x4e)); \
  return _mm_cvtsi128_si32(OP(n, _mm_shuffle_epi32(n, 0xb1)))
INLINE int32_t SET(largest)(I a) { FOLD(_mm_max_epi32, a); }
INLINE int32_t SET(total)(I a) { FOLD(_mm_add_epi32, a); }
#undef FOLD
#if DOT
INLINE I SET(dot)(I a, I u, I q) { return (I) DPBUSD256((__m256i) a, (__m256i) u, (__m256i) q); }
#else
INLINE I SET(pairs)(I u, I q) { return (I) _mm256_maddubs_epi16((__m256i) u, (__m256i) q); }
INLINE I SET(join)(I pairs) { return (I) _mm256_madd_epi16((__m256i) pairs, _mm256_set1_epi16(1)); }
INLINE I SET(add16)(I a, I b) { return (I) _mm256_add_epi16((__m256i) a, (__m256i) b); }
INLINE I SET(abs8)(I a) { return (I) _mm256_abs_epi8((__m256i) a); }
INLINE I SET(sign8)(I a, I b) { return (I) _mm256_sign_epi8((__m256i) a, (__m256i) b); }
#endif
#else
INLINE F SET(fma)(F a, F b, F c) { return (F) vfmaq_f32((float32x4_t) c, (float32x4_t) a, (float32x4_t) b); }
INLINE F SET(half)(const uint8_t *p) { return (F) vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
INLINE F SET(bytes)(const uint8_t *p) {
  return SET(float)((I) {(int8_t) p[0], (int8_t) p[1], (int8_t) p[2], (int8_t) p[3]});
}
INLINE I SET(most)(I a, I b) { return (I) vmaxq_s32((int32x4_t) a, (int32x4_t) b); }
INLINE I SET(nearest)(F a) { return (I) vcvtnq_s32_f32((float32x4_t) a); }
INLINE void SET(narrow)(int8_t *to, I a) { for (int i = 0; i < 4; i++) to[i] = (int8_t) a[i]; }
INLINE int32_t SET(largest)(I a) { return vmaxvq_s32((int32x4_t) a); }
INLINE int32_t SET(total)(I a) { return vaddvq_s32((int32x4_t) a); }
INLINE I SET(dot)(I a, I c, I q) { return (I) vdotq_s32((int32x4_t) a, (int8x16_t) c, (int8x16_t) q); }
#endif

// Sums of a group begin, grow by four inputs, and end as D. Codes are
//   PLAIN        bytes + 128, taken off at the beginning
//   with DOT 2   signed bytes
//   without DOT  signed bytes: |code| times the input with the code's sign: unsigned pairs would saturate;
//                or, of 4 bits, 0 to 15, whose eight pairs stay below 2^15
INLINE I SET(begin)(int32_t sum) { return SET(all)(PLAIN ? -128 * sum : 0); }
INLINE I SET(add)(int nibbles, I a, I code, I q) {
#if DOT
  return SET(dot)(a, code, q);
#else
  return nibbles ? SET(add16)(a, SET(pairs)(code, q)) : a + SET(join)(SET(pairs)(SET(abs8)(code), SET(sign8)(q, code)));
#endif
}
INLINE I SET(end)(int nibbles, I a, int32_t taken) {
#if !DOT
  if (nibbles) return SET(join)(a) - taken;
#endif
  return a;
}

// The factors of scales for a vector of outputs, from a head of LEVELS; with `second` of minimums, which count down.
INLINE F SET(factor)(int second, const uint8_t *head, int v) {
  F factor = SET(half)(head + 128 * second + BYTES / 2 * v);
  return second ? -factor : factor;
}

// The scales of a vector of outputs, or with `second` the minimums.
INLINE F SET(number)(int numbers, int second, const F *factors, const uint8_t *at, int v) {
  if (numbers == FLOATS) return *(const AT(F) *) (at + 256 * second + BYTES * v);
  if (numbers == HALVES) return SET(half)(at + 128 * second + BYTES / 2 * v);
  return factors[second] * SET(bytes)(at + 64 * second + LANES * v);
}

// The group's part of outputs, added: `sum` is s times the sum of the inputs.
INLINE F SET(fold)(int numbers, int least, const F *factors, const uint8_t *at, int v, I d, F s, F sum, F y) {
  y = SET(fma)(SET(float)(d), SET(number)(numbers, 0, factors, at, v) * s, y);
  return least ? SET(fma)(SET(number)(numbers, 1, factors, at, v), sum, y) : y;
}

// ---- R rows, FEW at most: codes from memory, inputs broadcast. Codes are read in one run, which processors read ahead by
// themselves.
INLINE I SET(input)(struct inputs in, int r, int q) { return SET(all)(*(const int32_t *) (in.x + 32 * r + 4 * q)); }

INLINE void SET(row8)(int R, int quads, const uint8_t *c, struct inputs in, I d[][VECTORS]) {
#pragma GCC unroll 16
  for (int i = 0; i < R * VECTORS; i++) d[i / VECTORS][i % VECTORS] = SET(begin)(in.sum[i / VECTORS]);
#pragma GCC unroll 8
  for (int q = 0; q < quads; q++)
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; v++) {
      I code = SET(load)(c + 256 * q + BYTES * v);
#pragma GCC unroll 2
      for (int r = 0; r < R; r++)
        d[r][v] = SET(add)(0, d[r][v], PLAIN ? code : code ^ SET(all)((int32_t) 0x80808080), SET(input)(in, r, q));
    }
}

// Whole bytes give low + 16 high, masked ones low: PLAIN needs no shift, since the difference is exact.
INLINE void SET(row4)(int R, int quads, const uint8_t *c, struct inputs in, int zero, I d[][VECTORS]) {
  I low = SET(all)(0x0f0f0f0f), a[FEW][VECTORS / 2], b[FEW][VECTORS / 2];
#pragma GCC unroll 8
  for (int v = 0; v < VECTORS / 2; v++)
#pragma GCC unroll 2
    for (int r = 0; r < FEW; r++) a[r][v] = b[r][v] = (I) {};
#pragma GCC unroll 8
  for (int q = 0; q < quads; q++)
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS / 2; v++) {
      I code = SET(load)(c + 128 * q + BYTES * v);
#pragma GCC unroll 2
      for (int r = 0; r < R; r++) {
        I xq = SET(input)(in, r, q);
        a[r][v] = SET(add)(1, a[r][v], code & low, xq);
        b[r][v] = SET(add)(1, b[r][v], PLAIN ? code : (code >> 4) & low, xq);
      }
    }
#pragma GCC unroll 8
  for (int i = 0; i < R * VECTORS / 2; i++) {
    int r = i / (VECTORS / 2), v = i % (VECTORS / 2), taken = zero * in.sum[r];
    d[r][v] = SET(end)(1, a[r][v], 0) - taken;
    d[r][v + VECTORS / 2] = (PLAIN ? (b[r][v] - a[r][v]) >> 4 : SET(end)(1, b[r][v], 0)) - taken;
  }
}

INLINE void SET(row)(const struct job *j, struct format f, int R) {
  for (int p = 0; p < j->count; p++) {
    const uint8_t *w = j->w + p * j->stride;
    F t[FEW][VECTORS], factors[VECTORS][2];
#pragma GCC unroll 16
    for (int v = 0; v < VECTORS; v++) {
      factors[v][0] = factors[v][1] = (F) {};
#pragma GCC unroll 2
      for (int r = 0; r < FEW; r++) t[r][v] = (F) {};
    }
    for (int g = 0; g < j->depth / f.group; g++) {
      if (f.numbers == LEVELS && g % (256 / f.group) == 0) {
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++)
          for (int i = 0; i <= f.least; i++) factors[v][i] = SET(factor)(i, w, v);
        w += headBytes(f);
      }
      struct inputs in = inputsAt(j, 0, g, f.group);
      I d[FEW][VECTORS];
      if (f.bits == 8) SET(row8)(R, f.group / 4, w + numbersBytes(f), in, d);
      else SET(row4)(R, f.group / 4, w + numbersBytes(f), in, f.zero, d);
#pragma GCC unroll 16
      for (int i = 0; i < R * VECTORS; i++) {
        int r = i / VECTORS, v = i % VECTORS;
        F s = SET(allf)(in.s[r]), sum = SET(allf)(in.s[r] * (float) in.sum[r]);
        t[r][v] = SET(fold)(f.numbers, f.least, factors[v], w, v, d[r][v], s, sum, t[r][v]);
      }
      w += groupBytes(f);
    }
#pragma GCC unroll 16
    for (int i = 0; i < R * VECTORS; i++)
      *(AT(F) *) (j->y + i / VECTORS * j->next + 64 * p + LANES * (i % VECTORS)) = t[i / VECTORS][i % VECTORS];
  }
}

// ---- several rows: a group widened, [group / 4][64][4] codes, 64 scales and 64 minimums in f32
// Codes become unsigned with 128 added, or signed; nibbles stay 0 to 15. Unsigned bytes are not copied.
INLINE const uint8_t *SET(widen)(struct format f, const uint8_t *w, int g, uint8_t *to, int isSigned, int nibbles) {
  const uint8_t *head, *at = groupAt(f, w, g, &head), *c = at + numbersBytes(f);
  float *n = (float *) (to + 64 * f.group);
  for (int v = 0; v < VECTORS; v++)
    for (int i = 0; i <= f.least; i++) {
      F factors[] = {SET(factor)(0, head, v), SET(factor)(f.least, head, v)};
      *(AT(F) *) (n + 64 * i + LANES * v) = SET(number)(f.numbers, i, factors, at, v);
    }
  if (f.bits == 8 && !isSigned) return c;
  I low = SET(all)(0x0f0f0f0f), more = SET(all)(nibbles ? 0 : (128 - f.zero) * 0x01010101);
  I flip = SET(all)(isSigned ? 0x80808080 : 0);
  for (int i = 0; f.bits == 8 && i < 64 * f.group; i += BYTES) *(AT(I) *) (to + i) = SET(load)(c + i) ^ flip;
  for (int i = 0; f.bits == 4 && i < 32 * f.group; i += BYTES) { // no sum of bytes carries
    I both = SET(load)(c + i);
    uint8_t *half = to + i / 128 * 256 + i % 128;
    *(AT(I) *) half = ((both & low) + more) ^ flip;
    *(AT(I) *) (half + 128) = (((both >> 4) & low) + more) ^ flip;
  }
  return to;
}

// R rows by COLS vectors of outputs in a group; y accumulates in the first-level cache.
INLINE void SET(block)(int R, int quads, int least, int nibbles, int zero, const uint8_t *c, const float *n,
    struct inputs in, const float *sum, F *y) {
  I a[ROWS][COLS];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int i = 0; i < COLS; i++) a[r][i] = nibbles ? (I) {} : SET(begin)(in.sum[r]);
#pragma GCC unroll 2
  for (int q = 0; q < quads; q++) {
    I w[COLS];
#pragma GCC unroll 8
    for (int i = 0; i < COLS; i++) w[i] = SET(load)(c + 256 * q + BYTES * i);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      I xq = SET(all)(*(const int32_t *) (in.x + 32 * r + 4 * q));
#pragma GCC unroll 8
      for (int i = 0; i < COLS; i++) a[r][i] = SET(add)(nibbles, a[r][i], w[i], xq);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < COLS; i++) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      I d = nibbles ? SET(end)(1, a[r][i], zero * in.sum[r]) : a[r][i];
      F s = SET(allf)(in.s[r]), part = SET(allf)(least ? sum[r] : 0), *to = y + r * VECTORS + i;
      *to = SET(fold)(FLOATS, least, 0, (const uint8_t *) n, i, d, s, part, *to);
    }
  }
}

// A group of a panel stays in the first-level cache for the rows of a tile. Tiles share a panel that is widened once.
INLINE void SET(several)(const struct job *j, int group, int least, int nibbles) {
  int groups = j->depth / group, step = 64 * group + 512, many = j->rows > j->height, copied = j->f.bits == 4 || !PLAIN;
  for (int p = 0; p < j->count; p++) {
    const uint8_t *w = j->w + p * j->stride, *head;
    for (int g = 0; many && g < groups; g++)
      SET(widen)(j->f, w, g, j->scratch + (int64_t) g * step, !PLAIN && !nibbles, nibbles);
    for (int t = 0; t < j->rows; t += j->height) {
      int rows = j->rows - t < j->height ? j->rows - t : j->height;
      F y[16 * VECTORS]; // of its own: rows of the result may share few sets of the cache
      for (int i = 0; i < rows * VECTORS; i++) y[i] = (F) {};
      for (int g = 0; g < groups; g++) {
        uint8_t *to = j->scratch + (many ? (int64_t) g * step : 0);
        if (!many) SET(widen)(j->f, w, g, to, !PLAIN && !nibbles, nibbles);
        const uint8_t *c = copied ? to : groupAt(j->f, w, g, &head) + numbersBytes(j->f);
        struct inputs in = inputsAt(j, t / j->height, g, group);
        float sums[16], *sum = sums; // s times the sums of a tile's rows
        if (least && j->height == 1) sums[0] = in.s[0] * (float) in.sum[0];
        else for (int r = 0; least && r < 16; r += LANES) // in a tile of 16 rows, whatever the last of them hold
          *(AT(F) *) (sums + r) = *(const AT(F) *) (in.s + r) * SET(float)(SET(load)(in.sum + r));
        for (int r = 0; r < rows; r += ROWS) {
          for (int v = 0; v < VECTORS; v += COLS) {
            const float *n = (const float *) (to + 64 * group) + LANES * v;
#define BLOCK(R) \
  SET(block)(R, group / 4, least, nibbles, j->f.zero, c + BYTES * v, n, in, sum, y + r * VECTORS + v)
            if (rows - r >= ROWS) BLOCK(ROWS);
            else if (rows - r == 1) BLOCK(1);
            else if (rows - r == 2) BLOCK(2);
            else if (rows - r == 3) BLOCK(3);
#if ROWS > 4
            else if (rows - r == 4) BLOCK(4);
            else BLOCK(5);
#endif
#undef BLOCK
          }
          in.x += 32 * ROWS, in.s += ROWS, in.sum += ROWS, sum += ROWS;
        }
      }
      for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECTORS; v++)
          *(AT(F) *) (j->y + (t + r) * j->next + 64 * p + LANES * v) = y[r * VECTORS + v];
    }
  }
}

static void SET(several_of)(const struct job *j) {
#define SEVERAL(G, L) \
  if (j->f.group == G && j->f.least == L) { \
    if (!DOT && j->f.bits == 4) SET(several)(j, G, L, !DOT); else SET(several)(j, G, L, 0); \
  }
  SEVERAL(32, 0) SEVERAL(32, 1) SEVERAL(16, 0) SEVERAL(16, 1)
#undef SEVERAL
}

// Which rows reach which loop, all of which the exam in ProvidedKernels runs:
//   row, of 1 and of FEW rows   this many rows in a format that the list names
//   block, of ROWS rows         of a tile, as often as they fit
//   block, of 1 to ROWS - 1     what is left of a tile; all of few rows in other formats
//   several, many               whether a panel is widened once for tiles, or a group at a time for one
// With AMX 32 rows and more go to tiles instead in some formats; those after the last are computed, but not stored.
static void SET(products)(const struct job *j) {
  struct format f = j->f;
#define ROW(B, Z, G, L, N) \
  if (j->rows <= FEW && f.bits == B && f.zero == Z && f.group == G && f.least == L && f.numbers == N) { \
    struct format own = {B, Z, G, L, N}; \
    if (FEW == 1 || j->rows == 1) SET(row)(j, own, 1); \
    else SET(row)(j, own, 2); \
    return; \
  }
  ROW(8, 0, 32, 0, HALVES) ROW(8, 0, 32, 1, HALVES) // Q8_0, Q5_1
  ROW(4, 8, 32, 0, HALVES) ROW(4, 0, 32, 1, HALVES) // Q4_0, Q4_1
  ROW(8, 0, 32, 0, LEVELS) ROW(8, 0, 32, 1, LEVELS) // IQ4_XS, Q5_K
  ROW(4, 0, 32, 1, LEVELS) ROW(8, 0, 32, 0, FLOATS) // Q4_K, MXFP4
  ROW(8, 0, 16, 0, LEVELS) ROW(4, 8, 16, 0, LEVELS) ROW(4, 0, 16, 1, LEVELS) // Q6_K, Q3_K, Q2_K
  ROW(8, 0, 16, 1, LEVELS) // Q4_K or Q5_K with Q6_K in a matrix: queries, keys and values of many files
#undef ROW
  SET(several_of)(j);
}

// ---- inputs: 32 share s = max |x| / 127; q = x * (1 / s), half to even
static __attribute__((unused)) void SET(round)(const struct job *j, const float *from, int8_t *x, float *s,
    int32_t *sum) {
  for (int g = 0; g < j->depth / 32; g++, x += 32 * (j->height - j->rows), s += j->height - j->rows)
    for (int r = 0; r < j->rows; r++, x += 32, s++) {
      const float *a = from + r * j->next + 32 * g;
      I most = {}, q, half[2] = {};
      for (int i = 0; i < 32; i += LANES)
        most = SET(most)(most, SET(load)(a + i) & SET(all)(0x7fffffff));
      union { int32_t bits; float a; } top = {SET(largest)(most)};
      int finite = top.bits < 0x7f800000;
      float scale = top.a / 127.0f;
      int zero = !finite || scale < 0x1p-126f;
      *s = zero ? (finite ? 0 : __builtin_nanf("")) : scale;
      F inverse = SET(allf)(1 / scale);
#pragma GCC unroll 8
      for (int i = 0; i < 32; i += LANES) {
        q = zero ? (I) {} : SET(nearest)(*(const AT(F) *) (a + i) * inverse);
        SET(narrow)(x + i, q);
        half[i / 16] += q;
      }
      int32_t *to = sum + (j->f.group == 32 ? g : 2 * g) * j->height + r;
      *to = SET(total)(j->f.group == 32 ? half[0] + half[1] : half[0]);
      if (j->f.group == 16) to[j->height] = SET(total)(half[1]);
    }
}

#undef SET
#undef AT
#undef I
#undef F
#undef LANES
#undef DOT
#undef ROWS
#undef COLS
#undef BYTES
#undef VECTORS
#undef PLAIN
#undef FEW
