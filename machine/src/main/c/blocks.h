// Rows of GGUF's blocks to panels, without a step between: the twin of BlockType in dev.causal4j.format, which describes the
// blocks, and of GroupPacker.
enum type {
  Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14,
  IQ4_NL = 20, IQ4_XS = 23, MXFP4 = 39
};
struct plane { int at, bits, span; };
struct block { int elements, bytes, scaleAt, zero; struct plane low, high; };

#define ONES 0x0101010101010101ULL
#define SIGNS (ONES << 7)

static const int8_t IQ4[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static const int8_t MX4[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

INLINE int load16(const uint8_t *at) { return at[0] | at[1] << 8; }
INLINE void store16(uint8_t *at, int half) { at[0] = (uint8_t) half; at[1] = (uint8_t) (half >> 8); }
INLINE int isFinite(int half) { return (half & 0x7c00) != 0x7c00; }

// The bits of elements i to i + 7, a byte each.
INLINE uint64_t eight(struct plane p, const uint8_t *block, int i) {
  if (p.bits == 0) return 0;
  int runs = p.bits == 1 ? 3 : p.bits == 2 ? 2 : p.bits == 4 ? 1 : 0;
  const uint8_t *from = block + p.at + ((i >> (p.span + runs)) << p.span) + (i & ((1 << p.span) - 1));
  if (p.span == 0) return (((*from * ONES) & 0x8040201008040201ULL) + (SIGNS - ONES)) >> 7 & ONES;
  uint64_t bits;
  __builtin_memcpy(&bits, from, 8);
  return bits >> (p.bits * (i >> p.span & ((1 << runs) - 1))) & ONES * ((1 << p.bits) - 1);
}

// Eight codes as a panel stores them.
INLINE uint64_t stored(int type, struct block b, struct format f, uint64_t codes) {
  if (type == IQ4_NL || type == IQ4_XS || type == MXFP4) {
    uint64_t chosen = 0;
    for (int i = 0; i < 64; i += 8) chosen |= (uint64_t) (uint8_t) (type == MXFP4 ? MX4 : IQ4)[codes >> i & 15] << i;
    return chosen ^ SIGNS;
  }
  return f.bits == 4 ? codes + ONES * (f.zero - b.zero) : b.zero == 0 ? codes ^ SIGNS : (codes | SIGNS) - ONES * b.zero;
}

// The factors of group g: of a block's scale in the lower 16 bits, of what is subtracted in the upper.
INLINE int factors(int type, const uint8_t *b, int g) {
  if (type == Q2_K) return (b[g] & 15) | b[g] >> 4 << 16;
  if (type == Q4_K || type == Q5_K) {
    int s = b[4 + g % 4], m = b[8 + g % 4], low = b[12 + g % 4];
    return g < 4 ? (s & 63) | (m & 63) << 16 : ((low & 15) + 16 * (s >> 6)) | ((low >> 4) + 16 * (m >> 6)) << 16;
  }
  if (type == Q6_K) return b[192 + g];
  int low = type == Q3_K ? b[96 + g % 8] >> g / 8 * 4 : b[4 + g / 2] >> g % 2 * 4;
  int high = type == Q3_K ? b[104 + g % 4] >> g / 4 * 2 : load16(b + 2) >> g * 2;
  return (low & 15) + 16 * (high & 3) - 32;
}

// Adds a row as output j to a panel that has zeros there; 0 if a scale is not finite, which Java reports.
INLINE int64_t packRow(int type, struct block b, struct format f, int depth, int j, const uint8_t *from, uint8_t *panel) {
  int held = f.bits == 8 ? 64 : 32, isFine = 1;
  for (int n = 0; n < depth; n += b.elements, from += b.bytes) {
    const uint8_t *head;
    int scale = load16(from + b.scaleAt), least = f.least ? load16(from + b.scaleAt + 2) : 0;
    isFine &= type == MXFP4 || (isFinite(scale) && isFinite(least));
    for (int g = 0; g < b.elements / f.group; g++) {
      uint8_t *to = (uint8_t *) groupAt(f, panel, n / f.group + g, &head);
      if (f.numbers == LEVELS) {
        int both = factors(type, from, g);
        to[j] = (uint8_t) both;
        if (f.least) to[64 + j] = (uint8_t) (both >> 16);
      } else if (f.numbers == FLOATS) {
        uint32_t power = from[0] < 2 ? 0x200000u << from[0] : (from[0] - 1u) << 23;
        __builtin_memcpy(to + 4 * j, &power, 4);
      } else {
        store16(to + 2 * j, scale);
        if (f.least) store16(to + 128 + 2 * j, least);
      }
      to += numbersBytes(f) + j % held * 4;
      for (int i = g * f.group; i < (g + 1) * f.group; i += 8, to += 8 * held) {
        uint64_t codes = stored(type, b, f, eight(b.low, from, i) | eight(b.high, from, i) << b.low.bits);
        uint32_t before[2] = {0, 0};
        if (f.bits == 4) __builtin_memcpy(before, to, 4), __builtin_memcpy(before + 1, to + 4 * held, 4);
        before[0] |= (uint32_t) codes << j / held * 4;
        before[1] |= (uint32_t) (codes >> 32) << j / held * 4;
        __builtin_memcpy(to, before, 4);
        __builtin_memcpy(to + 4 * held, before + 1, 4);
      }
    }
    if (f.numbers == LEVELS) {
      store16((uint8_t *) head + 2 * j, scale);
      if (f.least) store16((uint8_t *) head + 128 + 2 * j, least);
    }
  }
  return isFine;
}

// Packs a row of a type whose groups are those of the panel; 0 if Java has to. In the shape count is the type, rows the output.
int64_t pack_row(const uint8_t *from, uint8_t *panel, const struct shape *k) {
#define PACK(type, bits, zero, group, least, numbers, ...) case type: return packRow( \
  type, (struct block) {__VA_ARGS__}, (struct format) {bits, zero, group, least, numbers}, (int) k->depth, (int) k->rows, from, panel)
  switch (k->count) {
    PACK(Q8_0, 8, 0, 32, 0, HALVES, 32, 34, 0, 0, {2, 8, 5});
    PACK(Q4_0, 4, 8, 32, 0, HALVES, 32, 18, 0, 8, {2, 4, 4});
    PACK(Q4_1, 4, 0, 32, 1, HALVES, 32, 20, 0, 0, {4, 4, 4});
    PACK(Q5_0, 8, 0, 32, 0, HALVES, 32, 22, 0, 16, {6, 4, 4}, {2, 1, 0});
    PACK(Q5_1, 8, 0, 32, 1, HALVES, 32, 24, 0, 0, {8, 4, 4}, {4, 1, 0});
    PACK(Q4_K, 4, 0, 32, 1, LEVELS, 256, 144, 0, 0, {16, 4, 5});
    PACK(Q5_K, 8, 0, 32, 1, LEVELS, 256, 176, 0, 0, {48, 4, 5}, {16, 1, 5});
    PACK(Q6_K, 8, 0, 16, 0, LEVELS, 256, 210, 208, 32, {0, 4, 6}, {128, 2, 5});
    PACK(IQ4_NL, 8, 0, 32, 0, HALVES, 32, 18, 0, 0, {2, 4, 4});
    PACK(IQ4_XS, 8, 0, 32, 0, LEVELS, 256, 136, 0, 0, {8, 4, 4});
    PACK(MXFP4, 8, 0, 32, 0, FLOATS, 32, 17, 0, 0, {1, 4, 4});
    PACK(Q2_K, 4, 0, 16, 1, LEVELS, 256, 84, 80, 0, {16, 2, 5});
    PACK(Q3_K, 4, 8, 16, 0, LEVELS, 256, 110, 108, 4, {32, 2, 5}, {0, 1, 5});
    default: return 0;
  }
}
